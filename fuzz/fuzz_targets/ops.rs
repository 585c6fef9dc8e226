//! libFuzzer target `ops`: sequential programs of one thread.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

#[cfg(fuzzing)]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static COUNTERS: mm_fuzz::feedback::Counters = mm_fuzz::feedback::no_counters();

#[cfg(fuzzing)]
fuzz_target!(init: mm_fuzz::target::init(Some(&COUNTERS)), |data: &[u8]| mm_fuzz::target::run_ops(data));

#[cfg(fuzzing)]
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mm_fuzz::target::mutate_ops(data, size, max_size, seed, fuzzer_mutate)
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("ops: built without libFuzzer; run it with `make fuzz TARGET=ops`");
    std::process::exit(2);
}
