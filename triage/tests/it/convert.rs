//! `convert` loses nothing. A test that `emit --rust` writes fails with the finding of its program.
//!
//! The tests that run the program are about its command line: output, statuses, files. The others
//! call functions.
#![cfg(feature = "zoo")]

use crate::common::{Bench, repository};
use mm_fuzz::program::wire;
use mm_triage::bugs::Bugs;
use mm_triage::emit::to_rust;
use mm_triage::input::{self, Form};
use std::fs;
use std::process::Command;

const RACE: &str = "geometry x86-64\nthreads 2\npreempt 3 t1\nmmap p0 4 2 rw\nt1: read p0 4\n";

#[test]
fn text_and_wire_turn_into_each_other() {
    let bench = Bench::new();
    bench.write("a.mm", RACE);
    let ran = bench.run(&["convert", "--to", "wire", "--output", "out", "a.mm"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    let read = input::load(&bench.path("out/a.wire"), None).expect("a program");
    assert_eq!((read.form, read.note), (Form::Wire, None));
    assert_eq!(read.program.to_string(), RACE);
    // An engine's artifact need not be canonical. Its conversion is.
    let canonical = wire::encode(&read.program);
    bench.write("crash-5f", [&canonical[..], &[9]].concat());
    let read = input::load(&bench.path("crash-5f"), None).expect("a program");
    let note = read.note.expect("a note");
    assert!(note.contains("the last record is truncated"), "{note}");
    assert_eq!(wire::encode(&read.program), canonical);
}

#[test]
fn one_that_is_unusable_does_not_stop_the_others() {
    let bench = Bench::new();
    bench.write("bad.mm", "wrte p0 0\n");
    bench.write("good.mm", RACE);
    let ran = bench.run(&["convert", "--output", "out", "bad.mm", "good.mm"]);
    ran.is_unusable(&["bad.mm: line 1"]);
    assert_eq!(
        fs::read_to_string(bench.path("out/good.mm")).expect("it is there"),
        RACE
    );
    let ran = bench.run(&["convert", "--json", "--output", "out", "bad.mm", "good.mm"]);
    let lines: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["file"], "bad.mm");
    let why = lines[0]["detail"].as_str().expect("a reason");
    assert!(why.starts_with("bad.mm: line 1"), "{why}");
    assert_eq!(lines[1]["output"], "out/good.mm");
    assert_eq!((ran.status, lines.len()), (2, 2));
    let ran = bench.run(&["convert", "bad.mm", "good.mm"]);
    ran.is_unusable(&["several files", "--output"]);
    let ran = bench.run(&["convert", "--output", "out", "good.mm", "a/good.mm"]);
    ran.is_unusable(&["out/good.mm: two files"]);
}

#[test]
fn what_to_emit_has_to_be_said_once() {
    let bench = Bench::new();
    bench.write("a.mm", RACE);
    let ran = bench.run(&["emit", "--c", "--rust", "a.mm"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.starts_with("error: "), "{ran:?}");
}

/// A file that looks like text but is no program can still be a fuzz target's input.
#[test]
fn what_a_target_runs_can_be_emitted() {
    let bench = Bench::new();
    bench.write("crash-5f", "bad p0 0");
    bench
        .run(&["emit", "--rust", "crash-5f"])
        .is_unusable(&["--target ops"]);
    for form in ["--rust", "--c"] {
        let ran = bench.run(&["emit", form, "--target", "ops", "crash-5f"]);
        assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    }
}

#[test]
fn emitted_json_has_the_text_or_what_cannot_be_done() {
    let bench = Bench::new();
    bench.write("a.mm", "mmap p0 4 2 rw\n");
    bench.write("b.mm", RACE);
    let json = |form: &str, file: &str, status| -> serde_json::Value {
        let ran = bench.run(&["emit", form, "--json", file]);
        assert_eq!(ran.status, status, "{ran:?}");
        serde_json::from_str(&ran.out).expect("JSON")
    };
    for form in ["--c", "--rust"] {
        let said = json(form, "a.mm", 0);
        assert_eq!(said["language"], form[2..]);
        assert_eq!(said["text"], bench.run(&["emit", form, "a.mm"]).out);
    }
    let refused = &json("--c", "b.mm", 2)["refused"];
    assert_eq!(refused.as_array().map(Vec::len), Some(1), "{refused}");
    assert!(json("--c", "none.mm", 2)["detail"].is_string());
}

/// Compiles two emitted tests with cargo, as a user does, and runs them.
#[test]
fn the_emitted_test_fails_as_the_finding_does() {
    let bench = Bench::new();
    let slug = "ttu-subpage-from-swap-pte";
    let file = repository().join(format!("corpus/zoo/{slug}.mm"));
    let program = input::load(&file, None).expect("a witness").program;
    let with = to_rust(&program, &Bugs::parse(slug).expect("a bug"));
    let without = to_rust(&program, &Bugs::default());
    for (text, part) in [
        (
            &with,
            "/// Fails with `counting/wild-page:evict:wild` until",
        ),
        (&with, "#[test]\nfn counting_wild_page_evict_wild() {"),
        (&without, "/// No oracle objects."),
        (&without, "fn passes() {"),
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    bench.write("tests/with.rs", &with);
    bench.write("tests/without.rs", &without);
    bench.write("src/lib.rs", "");
    let fuzz = repository().join("fuzz");
    bench.write(
        "Cargo.toml",
        format!(
            "[package]\nname = \"emitted\"\nedition = \"2024\"\n[workspace]\n[profile.dev]\nopt-level = 0\n\
             debug = false\n[features]\nzoo = [\"mm-fuzz/zoo\"]\n[dependencies]\nmm-fuzz = {{ path = {fuzz:?} }}\n"
        ),
    );
    let lock = fs::read(repository().join("Cargo.lock")).expect("the lock file");
    bench.write("Cargo.lock", lock);
    let output = Command::new(env!("CARGO"))
        .args([
            "test",
            "--offline",
            "--quiet",
            "--no-fail-fast",
            "--features",
            "zoo",
        ])
        .current_dir(bench.path("."))
        .env("CARGO_TARGET_DIR", bench.path("target"))
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("cargo runs");
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{out}{err}");
    for part in [
        "test result: ok. 1 passed",
        "test result: FAILED. 0 passed; 1 failed",
        "finding: counting/wild-page:evict:wild",
    ] {
        assert!(out.contains(part), "{part:?} is missing in {out}{err}");
    }
}
