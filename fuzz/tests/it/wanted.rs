//! With `MMFUZZ_ORACLE`, a campaign counts the findings of one invariant, and goes on after any
//! other.
#![cfg(feature = "zoo")]

use mm_fuzz::program::{text, wire};
use std::path::Path;
use std::process::Command;

/// The variable that makes the test `child` run the target.
const CHILD: &str = "MMFUZZ_WANTED_CHILD";
const BUG: &str = "ttu-subpage-from-swap-pte";
const AFTERWARDS: &str = "the process goes on";

/// Not a test: the process that runs as a fuzz target does.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../corpus/zoo/{BUG}.mm"));
        let witness = std::fs::read_to_string(path).expect("a witness");
        mm_fuzz::target::init(None);
        mm_fuzz::target::run_ops(&wire::encode(&text::parse(&witness).expect("a program")));
        println!("{AFTERWARDS}");
    }
}

/// The output of the target on the witness of the bug.
fn run(oracle: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "wanted::child",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD, "1")
        .env("MMFUZZ_ZOO", BUG)
        .env("MMFUZZ_ORACLE", oracle)
        .output()
        .expect("the child runs");
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn only_the_wanted_invariant_is_a_finding() {
    let finding = "finding: counting/wild-page:evict:wild";
    let wanted = run("counting/wild-page");
    assert!(
        wanted.contains(finding) && !wanted.contains(AFTERWARDS),
        "{wanted}"
    );
    let other = run("counting/free-page");
    assert!(
        !other.contains(finding) && other.contains(AFTERWARDS),
        "{other}"
    );
}
