//! libFuzzer target `empty`: does nothing. The ceiling that `make bench` measures the others against.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|_data: &[u8]| {});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("empty: built without libFuzzer; run it with `make fuzz TARGET=empty`");
    std::process::exit(2);
}
