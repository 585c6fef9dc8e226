//! The limit of an input: scripts repeat it, and every witness is well below it.

use mm_fuzz::limits::MAX_INPUT_RECORDS;
use mm_fuzz::program::text;
use mm_fuzz::program::wire::{self, MAX_INPUT_BYTES};
use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn scripts_and_pages_have_the_limit_of_an_input() {
    let records = MAX_INPUT_RECORDS;
    for (file, says) in [
        ("fuzz/common", format!("${{MAX_LEN:-{MAX_INPUT_BYTES}}}")),
        (
            "fuzz/run",
            format!("(default {MAX_INPUT_BYTES}: {records} records)"),
        ),
        (
            "fuzz/oss-fuzz/build.sh",
            format!("max_len = {MAX_INPUT_BYTES}\\n"),
        ),
        ("fuzz/oss-fuzz/build.sh", format!("{records} records")),
        ("triage/bench/pool", format!("-max_len={MAX_INPUT_BYTES} ")),
        ("docs/engines.md", format!("-max_len={MAX_INPUT_BYTES}`")),
        (
            "fuzz/afl-mutator/src/lib.rs",
            format!("({MAX_INPUT_BYTES} if not set)"),
        ),
    ] {
        let text = fs::read_to_string(Path::new(ROOT).join(file)).expect(file);
        assert!(text.contains(&says), "{file} does not say {says}");
    }
}

#[test]
fn every_witness_is_at_most_a_quarter_of_the_limit() {
    let files = fs::read_dir(Path::new(ROOT).join("corpus/zoo")).expect("the witnesses");
    let mut longest = 0;
    for path in files.map(|entry| entry.expect("an entry").path()) {
        if path.extension().is_some_and(|extension| extension == "mm") {
            let source = fs::read_to_string(&path).expect("a file");
            let program = text::parse(&source).expect("a program");
            longest = longest.max(wire::encode(&program).len());
        }
    }
    assert!(longest > wire::HEADER_BYTES);
    assert!(longest * 4 <= MAX_INPUT_BYTES, "{longest} bytes");
}
