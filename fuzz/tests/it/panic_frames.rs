//! Crash deduplicators separate findings of different invariants, and join findings of the same
//! invariant.
//!
//! This reimplements ClusterFuzz's rule: it takes the frames below the panic machinery, and skips
//! the frames of the standard library and of the engine, and all frames whose name contains
//! `assert`. The first three frames that remain are the bucket. ClusterFuzz parses the message of a
//! panic only in the form that rustc printed before 1.73, so it goes by the frames alone.
#![cfg(feature = "zoo")]

use mm_fuzz::program::{text, wire};
use std::path::Path;
use std::process::Command;

/// The variable that names the child's input, a wire file.
const INPUT: &str = "MMFUZZ_PANIC_FRAMES_INPUT";

/// Not a test: the process that panics, as a fuzz target does.
#[test]
fn child() {
    if let Some(path) = std::env::var_os(INPUT) {
        let bytes = std::fs::read(path).expect("an input");
        mm_fuzz::target::init(None);
        mm_fuzz::target::run_ops(&bytes);
    }
}

/// The names of the frames that make a bucket.
fn bucket(zoo: &str, bytes: &[u8]) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a folder");
    let input = dir.path().join("input");
    std::fs::write(&input, bytes).expect("an input");
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "panic_frames::child",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(INPUT, &input)
        .env("MMFUZZ_ZOO", zoo)
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("the child runs");
    assert!(!output.status.success(), "{zoo}: no finding");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("finding: "), "{zoo}:\n{stderr}");
    let frames = stderr.lines().filter_map(function);
    let frames = frames.filter(|name| !is_ignored(name));
    frames.take(3).map(str::to_owned).collect()
}

/// The function of a line such as `   7: mm_fuzz::oracle::counting::check_wild_page`.
fn function(line: &str) -> Option<&str> {
    let (number, name) = line.trim_start().split_once(": ")?;
    number.parse::<u32>().ok()?;
    Some(name.trim())
}

fn is_ignored(name: &str) -> bool {
    let of_the_library = [
        "std::", "core::", "alloc::", "<alloc::", "<core::", "<std::",
    ];
    of_the_library.iter().any(|prefix| name.starts_with(prefix))
        || ["rust_begin_unwind", "__rustc", "rust_panic"]
            .iter()
            .any(|part| name.contains(part))
        || name.contains("assert")
}

/// The last part of a path. In a build with line tables alone, a frame may show only this part.
fn last_part(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

fn witness(bug: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../corpus/zoo/{bug}.mm"));
    std::fs::read_to_string(path).expect("a witness")
}

#[test]
fn invariants_are_buckets() {
    let wire_of = |text: &str| wire::encode(&text::parse(text).expect("a program"));
    let wild = "ttu-subpage-from-swap-pte";
    let one = bucket(wild, &wire_of(&witness(wild)));
    // the same bug in another way: more pages, another device
    let again = "mmap p0 0 4 rw\nread p0 3\nwrite p0 2\nmigrate p0 2 1 d1\nevict d1 0 1\n";
    let again = bucket(wild, &wire_of(again));
    let other = "devpriv-mapping-reuse";
    let other = bucket(other, &wire_of(&witness(other)));
    assert_eq!(one.len(), 3, "{one:?}");
    assert_eq!(one, again, "one bug, two buckets");
    assert_ne!(one, other, "two invariants, one bucket");
    // up to two functions that are inlined into the check have frames above it
    for bucket in [&one, &other] {
        let check = bucket
            .iter()
            .any(|name| last_part(name).starts_with("check_"));
        assert!(check, "no check in {bucket:?}");
    }
}
