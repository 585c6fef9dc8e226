//! libFuzzer target `canary`: like `ops`, with a planted finding that a pipeline must report.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

#[cfg(fuzzing)]
fuzz_target!(init: mm_fuzz::target::init(None), |data: &[u8]| mm_fuzz::target::run_canary(data));

#[cfg(fuzzing)]
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mm_fuzz::target::mutate_ops(data, size, max_size, seed, fuzzer_mutate)
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("canary: built without libFuzzer; run it with `make fuzz TARGET=canary`");
    std::process::exit(2);
}
