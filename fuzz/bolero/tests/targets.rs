//! The fuzz targets as properties. They are in a crate of their own, because bolero sets `--cfg
//! fuzzing`, as cargo-fuzz does: in mm-fuzz this flag would turn the binaries into libFuzzer's
//! targets. This crate has no library: the test binary of a library would have no property, and
//! bolero cannot link a test binary without one.
//!
//! `cargo test` replays the distilled corpus and what any engine has put into `fuzz/corpus`, then
//! runs random inputs. `cargo bolero test -p mm-fuzz-bolero ops --engine libfuzzer --sanitizer
//! NONE` fuzzes; it starts from the inputs in `fuzz/corpus`, and adds new ones there.

use mm_fuzz::program::wire::MAX_INPUT_BYTES;
use mm_fuzz::target;
use std::path::Path;

/// Number of random inputs in `cargo test`; `BOLERO_RANDOM_ITERATIONS` overrides it.
const ITERATIONS: usize = 2_000;

/// Runs the committed inputs. Bolero itself runs the inputs in `__fuzz__/NAME/corpus`, a link to
/// `fuzz/corpus/NAME`.
fn replay(name: &str, run: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/distilled")
        .join(name);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&dir).expect("the distilled corpus") {
        run(&std::fs::read(entry.expect("an entry").path()).expect("an input"));
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", dir.display());
}

#[test]
fn ops() {
    target::init(None);
    replay("ops", target::run_ops);
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(MAX_INPUT_BYTES)
        .for_each(|input: &[u8]| target::run_ops(input));
}

#[test]
fn races() {
    target::init(None);
    replay("races", target::run_races);
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(MAX_INPUT_BYTES)
        .for_each(|input: &[u8]| target::run_races(input));
}
