//! libFuzzer target `empty`: does nothing. `make bench` compares the speed of `ops` with it.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|_data: &[u8]| {});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("empty: built without libFuzzer; run it with `make fuzz TARGET=empty`");
    std::process::exit(2);
}
