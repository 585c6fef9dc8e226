//! Nothing that an engine has found is lost. These tests run `fuzz/adopt`, which uses `fuzz/keep`,
//! in a tree with only these scripts. `make torture` tests the same with whole commands, at random.
#![cfg(unix)]

use crate::common::Bench;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

const INPUT: &[u8] = b"\x01\x00";
const INPUT_NAME: &str = "0e356ba505631fbf715758bed27d503f8b260e3a";
const OTHER: &[u8] = b"abc";
const OTHER_NAME: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
/// An engine that has the same finding with every input.
const ENGINE: &str = "#!/bin/sh\necho 'thread main panicked at x.rs:1:2:\nfinding: some/thing:read:-\n  told'\nexit 77\n";

/// A tree with the scripts and a killed run of `ops`.
fn tree(run: &str) -> Bench {
    let bench = Bench::new();
    for script in ["common", "keep", "adopt"] {
        let path = bench.path("fuzz").join(script);
        fs::create_dir_all(bench.path("fuzz")).expect("a folder");
        // A link would be followed to the real tree.
        fs::copy(crate::common::repository().join("fuzz").join(script), path).expect("a copy");
    }
    bench.write("engine", ENGINE);
    let made = Command::new("chmod")
        .arg("+x")
        .arg(bench.path("engine"))
        .status();
    assert!(made.expect("chmod runs").success());
    let about = format!(
        "declare -- engine=\"libfuzzer\"\ndeclare -- target=\"ops\"\ndeclare -- zoo=\"\"\n\
         declare -- corpus=\"fuzz/corpus/ops\"\ndeclare -- keeps=\"yes\"\n\
         declare -- bin={:?}\ndeclare -- kept_log=\"log\"\n",
        bench.path("engine")
    );
    bench.write(&format!("{run}/about"), about);
    bench.write(&format!("{run}/lock"), "");
    bench.write(&format!("{run}/corpus/{INPUT_NAME}"), INPUT);
    bench.write(&format!("{run}/corpus/{OTHER_NAME}"), "ab");
    bench.write(&format!("{run}/found/crash-{INPUT_NAME}"), INPUT);
    bench
}

fn adopt(bench: &Bench) -> Output {
    let output = Command::new(bench.path("fuzz/adopt"))
        .env("TRIAGE", env!("CARGO_BIN_EXE_mm-triage"))
        .output();
    output.expect("bash runs")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().expect("text"))
        .collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

#[test]
fn what_a_killed_run_has_left_is_saved() {
    for engine in ["libfuzzer", "fast"] {
        let run = format!("fuzz/work/{engine}.killed");
        let bench = tree(&run);
        let about = fs::read_to_string(bench.path(&run).join("about")).expect("it is there");
        bench.write(&format!("{run}/about"), about.replace("libfuzzer", engine));
        is_saved(&bench);
    }
}

fn is_saved(bench: &Bench) {
    let output = adopt(bench);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(
        said.contains("\nfinding: some/thing:read:-\n  told\n"),
        "{said}"
    );
    assert!(
        said.contains("inputs=1 findings=1 (damaged inputs were removed: 1 "),
        "{said}"
    );
    assert_eq!(names(&bench.path("fuzz/corpus/ops")), [INPUT_NAME]);
    let artifact = format!("some-thing-read-{}", &INPUT_NAME[..8]);
    let artifacts = names(&bench.path("fuzz/artifacts/ops"));
    assert_eq!(artifacts, [artifact.clone(), format!("{artifact}.mm")]);
    let bytes = fs::read(bench.path("fuzz/artifacts/ops").join(artifact));
    assert_eq!(bytes.expect("the artifact"), INPUT);
    assert!(names(&bench.path("fuzz/work")).is_empty());
}

#[test]
fn a_run_that_lives_is_left_alone() {
    let run = "fuzz/work/libfuzzer.alive";
    let bench = tree(run);
    let lock = File::open(bench.path(run).join("lock")).expect("its lock");
    lock.lock().expect("a lock");
    let output = adopt(&bench);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names(&bench.path("fuzz/work")), ["libfuzzer.alive"]);
    assert!(names(&bench.path("fuzz/corpus/ops")).is_empty());
}

#[test]
fn what_cannot_be_saved_stays() {
    for blocked in ["fuzz/artifacts/races", "fuzz/corpus/races"] {
        let run = "fuzz/work/libfuzzer.killed";
        let bench = tree(run);
        let about = fs::read_to_string(bench.path(run).join("about")).expect("it is there");
        bench.write(&format!("{run}/about"), about.replace("ops", "races"));
        // No folder can be made there, not even by root.
        bench.write(blocked, "");
        let output = adopt(&bench);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(
            why.contains("is not saved and stays in fuzz/work/libfuzzer.killed"),
            "{output:?}"
        );
        let lost = if blocked.contains("artifacts") {
            format!("found/crash-{INPUT_NAME}")
        } else {
            format!("corpus/{INPUT_NAME}")
        };
        assert!(bench.path(run).join(lost).exists(), "{output:?}");
        // Once the folder can be made, everything is saved.
        fs::remove_file(bench.path(blocked)).expect("it goes");
        let output = adopt(&bench);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(names(&bench.path("fuzz/corpus/races")), [INPUT_NAME]);
        assert_eq!(names(&bench.path("fuzz/artifacts/races")).len(), 2);
        assert!(names(&bench.path("fuzz/work")).is_empty());
    }
}

#[test]
fn only_whole_inputs_are_collected() {
    let bench = Bench::new();
    bench.write(&format!("from/{INPUT_NAME}"), INPUT);
    bench.write(&format!("from/crash-{OTHER_NAME}"), "ab");
    bench.write("from/seed.mm", "fork p0\n");
    bench.write("from/id:000001", OTHER);
    let ran = bench.run(&["collect", "--into", "to", "--listed", "listed", "from"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert_eq!(ran.out, "collect: files=4 new=3 known=0 damaged=1 in to\n");
    assert!(
        ran.err
            .contains(&format!("from/crash-{OTHER_NAME}: is damaged")),
        "{ran:?}"
    );
    let text = names(&bench.path("to"))
        .into_iter()
        .filter(|name| name.ends_with(".mm"));
    assert_eq!(text.count(), 1);
    assert_eq!(
        fs::read(bench.path("to").join(OTHER_NAME)).expect("a copy"),
        OTHER
    );
    assert_eq!(
        fs::read(bench.path("to").join(INPUT_NAME)).expect("a copy"),
        INPUT
    );
    let listed = fs::read_to_string(bench.path("listed")).expect("a list");
    assert_eq!(listed.matches('\0').count(), 3, "{listed}");
    assert!(!listed.contains("crash-"), "{listed}");
    // The second time all inputs are there already. A damaged file in the folder is written again.
    bench.write(&format!("to/{INPUT_NAME}"), "");
    let ran = bench.run(&["collect", "--into", "to", "from"]);
    assert_eq!(ran.out, "collect: files=4 new=1 known=2 damaged=1 in to\n");
    assert_eq!(
        fs::read(bench.path("to").join(INPUT_NAME)).expect("a copy"),
        INPUT
    );
}

#[test]
fn files_are_collected_by_a_list_and_those_that_are_gone_do_not_matter() {
    let bench = Bench::new();
    bench.write("a", INPUT);
    bench.write("list", "a\0gone\0");
    let ran = bench.run(&[
        "collect",
        "--into",
        "to",
        "--keep-names",
        "--files0-from",
        "list",
    ]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    assert_eq!(ran.out, "collect: files=1 new=1 known=0 damaged=0 in to\n");
    assert_eq!(names(&bench.path("to")), ["a"]);
}

/// The arguments that the wrapper passes on to rustc. Here `echo` stands for rustc.
fn wrapped(args: &[&str]) -> String {
    let wrapper = crate::common::repository().join("fuzz/rustc-core-only");
    let output = Command::new(wrapper)
        .args([&["echo"], args].concat())
        .output();
    String::from_utf8(output.expect("sh runs").stdout)
        .expect("text")
        .trim()
        .to_owned()
}

#[test]
fn only_the_core_is_instrumented_and_compares_are_not_traced() {
    let flags = [
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "-C",
        "passes=sancov-module",
        "-Z",
        "llvm-plugins=x.so",
        "-Cdebuginfo=1",
        "a b",
    ];
    let of = |name: &str| wrapped(&[&["--crate-name", name], &flags[..]].concat());
    assert_eq!(of("mm_fuzz"), "--crate-name mm_fuzz -Cdebuginfo=1 a b");
    assert_eq!(
        of("mm_core"),
        "--crate-name mm_core -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
         -C passes=sancov-module -Z llvm-plugins=x.so -Cdebuginfo=1 a b"
    );
    assert_eq!(wrapped(&["-vV"]), "-vV");
    assert_eq!(
        wrapped(&["--crate-name", "x", "-C", "opt-level=3"]),
        "--crate-name x -C opt-level=3"
    );
}

/// `make_work` looks for the temporary folders of killed scripts. A fresh clone has none. To open
/// such a folder, `make_work` redirects stderr. If the redirection stayed, it would hide every
/// later error.
#[test]
fn a_script_with_a_temporary_folder_keeps_its_stderr() {
    let bench = tree("fuzz/work/ops.killed");
    for stale in [false, true] {
        if stale {
            fs::create_dir_all(bench.path("work/run.stale")).expect("a folder");
        }
        bench.write(
            "script",
            "me=script root=$PWD\n. fuzz/common\nmkdir -p work && make_work work\necho heard >&2\n",
        );
        let output = Command::new("bash")
            .args(["-u", "script"])
            .current_dir(bench.path("."))
            .output()
            .expect("bash runs");
        let err = String::from_utf8(output.stderr).expect("text");
        assert_eq!(err, "heard\n", "with a stale folder: {stale}");
        assert_eq!(names(&bench.path("work")), Vec::<String>::new());
    }
}
