//! `emit --c --stock`: C that needs no driver of ours.
//!
//! The tests that run the program are about its command line: output, statuses, files. The others
//! call functions.
#![cfg(feature = "zoo")]

use crate::common::{Bench, repository};
use mm_fuzz::program::Program;
use mm_triage::emit::Stock;
use mm_triage::{corpus, input};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const KERNEL: (u32, u32) = (7, 3);

fn parsed(text: &str) -> Program {
    text.parse().expect("a program")
}

fn stock(text: &str) -> Result<Stock, String> {
    Stock::of(&parsed(text), KERNEL).map_err(|refused| refused.to_string())
}

#[track_caller]
fn c(text: &str) -> String {
    stock(text).expect("stock interfaces can say it").to_c()
}

#[track_caller]
fn refused(text: &str) -> String {
    stock(text).expect_err("stock interfaces cannot say it")
}

fn of_corpus(path: &str) -> Stock {
    let path = repository().join("corpus").join(path);
    let input = input::load(&path, None).expect("a program");
    Stock::of(&input.program, KERNEL).expect("stock interfaces can say it")
}

#[test]
fn two_programs_are_as_they_were() {
    for path in [
        "zoo/latent-softdirty-keeps-write",
        "zoo/pvmw-devpriv-never-matches",
    ] {
        let name = Path::new(path).file_name().expect("a name");
        let name = format!("triage/tests/golden/stock-{}.c", name.display());
        let file = repository().join(&name);
        let text = of_corpus(&format!("{path}.mm")).to_c();
        if std::env::var_os("MMFUZZ_BLESS").is_some() {
            std::fs::write(&file, &text).expect("the file is written");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            expected, text,
            "{name} has drifted; MMFUZZ_BLESS=1 cargo test -p mm-triage --test it stock writes it"
        );
    }
}

/// A sentence for each operation that stock interfaces cannot carry out, with the operation in it.
#[test]
fn what_cannot_be_said_is_refused_by_operation() {
    let map = "mmap p0 0 2 rw\nwrite p0 0\n";
    for (rest, sentence) in [
        (
            "setup p0 0 1 d0 to-dev",
            "operation 2: setup p0 0 1 d0 to-dev: only a custom driver can hold a migration open",
        ),
        (
            "pin p0 0 w",
            "operation 2: pin p0 0 w: only a custom driver can keep a reference to a page",
        ),
        (
            "lock p0 0",
            "operation 2: lock p0 0: user space cannot keep a folio locked between calls",
        ),
        (
            "fail page 1",
            "operation 2: fail page 1: user space cannot choose the allocation that fails",
        ),
        (
            "compact p0 0",
            "operation 2: compact p0 0: compaction chooses its pages itself",
        ),
        (
            "migrate p0 0 1 d0 skip=0x01",
            "operation 2: migrate p0 0 1 d0 skip=0x01: the test driver cannot decline a page",
        ),
        (
            "fork p0\nreclaim p0 0",
            "operation 3: reclaim p0 0: MADV_PAGEOUT does not do the same here",
        ),
        (
            "migrate p0 0 2 d0\nevict d0 0 1",
            "operation 3: evict d0 0 1: the test driver cannot empty a part of a device",
        ),
        (
            "migrate p0 0 1 d0\nfork p0\ndev-read d0 p0 0",
            "operation 4: dev-read d0 p0 0: lib/test_hmm.c has no mapping for this access",
        ),
        (
            "migrate p0 1 1 d0\ndev-write d0 p0 1",
            "operation 3: dev-write d0 p0 1: lib/test_hmm.c has no mapping for this access",
        ),
        (
            "exclusive d0 p0 0 1\ndev-write d0 p0 0",
            "operation 3: dev-write d0 p0 0: lib/test_hmm.c gives up its exclusive access",
        ),
        (
            "migrate p0 0 1 d0\nfork p0\ndev-read d0 p1 1\nexit p1",
            "operation 5: exit p1: the process closes its /dev/hmm_dmirror",
        ),
    ] {
        let why = refused(&format!("{map}{rest}"));
        assert!(
            why.starts_with("stock interfaces cannot do this:\n"),
            "{why}"
        );
        assert!(why.contains(sentence), "{rest}: {why}");
    }
    let why = refused("threads 2\npreempt 1 t1\nmmap p0 0 1 rw\nt1: mmap p0 1 1 rw");
    assert!(
        why.contains("user space cannot stop a task inside the kernel"),
        "{why}"
    );
    // all reasons are listed at once
    let why = refused(&format!("{map}lock p0 0\nfail page 1"));
    assert_eq!(why.lines().count(), 3, "{why}");
}

#[test]
fn what_does_the_same_stands_for_what_cannot_be_said() {
    let map = "mmap p0 0 2 rw\nwrite p0 0\n";
    let reclaimed = c(&format!("{map}reclaim p0 0"));
    assert!(
        reclaimed.contains("madvise(at(0), 1ul * PAGE, MADV_PAGEOUT)"),
        "{reclaimed}"
    );
    let evicted = c(&format!("{map}migrate p0 0 1 d0\nevict d0 0 32"));
    assert!(
        evicted.contains("device(0, RELEASE, 0, 1), 0)"),
        "{evicted}"
    );
    // an operand names the process that the operation works on, and an operation that finds nothing
    // to work on is left out
    let text = c(&format!("{map}write p5 1\nunlock l0"));
    assert!(
        text.contains("expect(2, \"write p0 1\", store(1, 3), 3)"),
        "{text}"
    );
    assert!(!text.contains("unlock"), "{text}");
}

#[test]
fn what_a_page_that_stays_behind_shows_is_compared() {
    let text = "mmap p0 0 2 rw\nwrite p0 0\nmigrate p0 0 1 d1\nmigrate p0 0 2 d0";
    let text = c(text);
    let line =
        "device(0, MIGRATE_TO_DEV, 0, 2), snapshot(3, 0, 0, 2, (unsigned char[]){ 0x0, 0x22 });";
    assert!(text.contains(line), "{text}");
}

#[test]
fn pagemap_shows_nothing_where_no_area_is() {
    let text = c("mmap p0 1 1 rw\npagemap p0 0 3");
    let line = "pagemap(1, 0, 3, (unsigned long[]){ 0x0, 0x1, 0x0 });";
    assert!(text.contains(line), "{text}");
}

/// A known bug of the kernel changes what the model does in the bug's witness. In a program that
/// shows no bug, no known bug changes what the model does.
#[test]
fn a_known_bug_explains_what_its_witness_says() {
    for bug in [
        "latent-softdirty-keeps-write",
        "latent-hole-untracked",
        "latent-zero-page-uffdwp-device",
        "latent-munlock-nonpresent",
    ] {
        let known = of_corpus(&format!("zoo/{bug}.mm")).known();
        assert!(
            known.iter().any(|known| known.name == bug),
            "{bug}: {known:?}"
        );
    }
    let plain = stock("mmap p0 0 1 rw\nwrite p0 0\nfork p0\nwrite p1 0\nexit p1");
    assert_eq!(plain.expect("stock interfaces can say it").known(), []);
}

#[test]
fn who_names_no_form_is_told_the_forms() {
    let bench = Bench::new();
    bench.write("a.mm", "mmap p0 4 2 rw\n");
    let ran = bench.run(&["emit", "a.mm"]);
    ran.is_unusable(&["`emit --c`", "`emit --c --stock`", "`emit --rust`"]);
    let ran = bench.run(&["emit", "--stock", "a.mm"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    let ran = bench.run(&["emit", "--c", "--stock", "a.mm"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    bench.write("b.mm", "fail page 1\n");
    let ran = bench.run(&["emit", "--c", "--stock", "b.mm"]);
    let sentence = "b.mm: stock interfaces cannot do this:\n  operation 0: fail page 1: ";
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains(sentence), "{ran:?}");
}

fn programs() -> Vec<PathBuf> {
    let folders = ["seeds", "zoo", "regress"].map(|name| repository().join("corpus").join(name));
    let programs = folders.map(|folder| corpus::programs(&folder).expect("the corpus"));
    programs.concat()
}

/// Every program that stock interfaces can carry out compiles without a warning, and needs headers
/// of libc alone.
#[test]
fn the_corpus_in_c_compiles_without_a_warning() {
    let is_there = Command::new("cc")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !is_there.is_ok_and(|status| status.success()) {
        return;
    }
    let mut files = Vec::new();
    let dir = tempfile::tempdir().expect("a folder");
    for path in programs() {
        let Ok(input) = input::load(&path, None) else {
            continue;
        };
        let Ok(stock) = Stock::of(&input.program, KERNEL) else {
            continue;
        };
        let text = stock.to_c();
        assert!(
            !text.contains("#include <linux/") && !text.contains("mmfuzz"),
            "{text}"
        );
        let file = dir.path().join(format!("{}.c", files.len()));
        std::fs::write(&file, text).expect("written");
        files.push(file);
    }
    assert!(files.len() >= 80, "only {}", files.len());
    let status = Command::new("cc")
        .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror"])
        .args(&files)
        .status();
    assert!(status.expect("cc").success());
}
