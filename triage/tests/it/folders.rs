//! `replay` of folders prints a summary, and no file in a folder stops it.
//!
//! These tests run the program, because they are about its command line: the printed summary, JSON,
//! statuses, Ctrl-C.
#![cfg(feature = "zoo")]

use crate::common::{Bench, Ran};
use mm_fuzz::program::{text, wire};
use serde_json::Value;
use std::fs;

const BUG: &str = "ttu-subpage-from-swap-pte";
const FINDS: &str = "mmap p0 0 1 r\nmigrate p0 0 1 d0\nevict d0 0 1\n";
const FINDS_LATER: &str = "mmap p0 0 1 r\nfork p0\nmigrate p0 0 1 d0\nevict d0 0 1\n";
const PASSES: &str = "mmap p0 0 1 rw\nwrite p0 0\n";

fn encoded(program: &str) -> Vec<u8> {
    wire::encode(&text::parse(program).expect("a program"))
}

fn replay(bench: &Bench, args: &[&str]) -> Ran {
    bench.run(&[&["replay", "--zoo", BUG][..], args].concat())
}

#[test]
fn a_folder_has_a_summary() {
    let bench = Bench::new();
    bench.write("night/a.mm", FINDS_LATER);
    bench.write("night/deep/er/b", encoded(FINDS));
    bench.write("night/c", encoded(PASSES));
    bench.write("night/d.mm", "mmap p0 0 1 rwx\n");
    let ran = replay(&bench, &["night"]);
    assert_eq!((ran.status, &*ran.err), (2, ""), "{ran:?}");
    let expected = "\
replay: files=4 passed=1 findings=2 signatures=1 unusable=1 empty=0

   files  signature                                                     shortest (operations)
       2  counting/wild-page:evict:wild                                 night/deep/er/b (3)

unusable:
  night/d.mm: line 1, column 13: ";
    assert!(ran.out.starts_with(expected), "{}", ran.out);
    fs::remove_file(bench.path("night/d.mm")).expect("it goes");
    assert_eq!(replay(&bench, &["night"]).status, 1);
    bench.write("good/c", encoded(PASSES));
    let ran = replay(&bench, &["good"]);
    assert_eq!(ran.status, 0);
    assert_eq!(
        ran.out,
        "replay: files=1 passed=1 findings=0 signatures=0 unusable=0 empty=0\n"
    );
}

#[test]
fn files_that_hold_no_programs_are_passed_over() {
    let bench = Bench::new();
    bench.write("corpus/seeds/c.mm", PASSES);
    bench.write("corpus/digests.lock", "0123 seeds/c.mm\n");
    bench.write("corpus/calls/a.calls", "mmap p0 0 1 rw\n");
    bench.write("corpus/later.mm", "# no operation yet\n");
    let ran = replay(&bench, &["corpus"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let expected = "\
replay: files=2 passed=1 findings=0 signatures=0 unusable=0 empty=1
passed over 2 files without a program of the model (digests.lock, *.calls)
";
    assert_eq!(ran.out, expected);
}

#[test]
fn files_and_folders_can_be_mixed() {
    let bench = Bench::new();
    bench.write("night/a.mm", FINDS);
    bench.write("b.mm", PASSES);
    let ran = replay(&bench, &["night", "b.mm"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    ran.prints(&[
        "b.mm: text, 2 operations",
        "pass: digest",
        "replay: files=1 ",
    ]);
}

#[test]
fn json_has_every_file_by_name_and_then_the_sums() {
    let bench = Bench::new();
    bench.write("night/b.mm", PASSES);
    bench.write("night/a.mm", FINDS);
    bench.write("night/c", "");
    bench.write("night/d.mm", "wrte p0 0");
    let mut outputs = Vec::new();
    for jobs in ["1", "3"] {
        let ran = replay(&bench, &["--json", "--jobs", jobs, "night"]);
        assert_eq!((ran.status, &*ran.err), (2, ""), "{ran:?}");
        outputs.push(ran.out);
    }
    assert_eq!(outputs[0], outputs[1]);
    let lines: Vec<Value> = outputs[0]
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let verdicts: Vec<_> = lines.iter().map(|l| (&l["file"], &l["verdict"])).collect();
    let expected = [
        ("night/a.mm", "finding"),
        ("night/b.mm", "pass"),
        ("night/c", "empty"),
        ("night/d.mm", "unusable"),
    ];
    assert_eq!(verdicts.len(), 5);
    for (got, expected) in verdicts.iter().zip(expected) {
        assert_eq!(
            (got.0, got.1),
            (&Value::from(expected.0), &Value::from(expected.1))
        );
    }
    let summary = &lines[4]["summary"];
    for (key, value) in [
        ("files", 4),
        ("empty", 1),
        ("passed", 1),
        ("findings", 1),
        ("unusable", 1),
    ] {
        assert_eq!(summary[key], value, "{key}");
    }
    let group = &summary["signatures"]["counting/wild-page:evict:wild"];
    assert_eq!(
        (&group["files"], &group["operations"]),
        (&1.into(), &3.into())
    );
}

#[test]
#[cfg(unix)]
fn odd_files_are_counted_and_stop_nothing() {
    let bench = Bench::new();
    let secret = bench.odd_folder("odd", &encoded(FINDS));

    let ran = replay(&bench, &["odd"]);
    assert_eq!((ran.status, &*ran.err), (2, ""), "{ran:?}");
    let sums = format!(
        "replay: files=13 passed=1 findings={} signatures=1 unusable={} empty=2\n",
        3 + secret,
        7 - secret,
    );
    assert!(ran.out.starts_with(&sums), "{ran:?}");
    assert!(!ran.out.contains('\x1b'), "{ran:?}");
    ran.prints(&[
        "odd/artifact (3)",
        "odd/dangling: cannot be read: ",
        "odd/itself: cannot be read: ",
        "odd/large: is too long: at most ",
        "odd/loop: is a link to a folder; give a file",
        "odd/pipe: is a pipe",
    ]);
    let ran = replay(&bench, &["odd", "--json"]);
    ran.prints(&[r#"{"file":"odd/line\\nfeed\\x1b[31m","verdict":"finding""#]);
}

#[test]
fn what_a_killed_writer_left_is_no_input() {
    let bench = Bench::new();
    bench.write("night/a.mm", PASSES);
    bench.write("night/.mm-triage-0x3f.tmp", "mmap p0 0 1 rw\nwri");
    bench.write("night/empty", "");
    let ran = replay(&bench, &["night"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    let sums = "replay: files=2 passed=1 findings=0 signatures=0 unusable=0 empty=1\n";
    assert_eq!(ran.out, sums);
    // The user named this file.
    let ran = replay(&bench, &["night/empty"]);
    ran.is_unusable(&["night/empty: has no operation: write at least one"]);
}

#[test]
fn only_the_first_unusable_files_are_named() {
    let bench = Bench::new();
    (0..30).for_each(|i| bench.write(&format!("night/{i:02}.mm"), "wrte p0 0"));
    let ran = replay(&bench, &["night"]);
    ran.prints(&[
        "  night/00.mm: line 1",
        "  night/19.mm: line 1",
        "  and 10 more\n",
    ]);
    assert!(!ran.out.contains("night/20"), "{ran:?}");
}

#[test]
fn a_hundred_thousand_files_are_read_by_name() {
    let bench = Bench::new();
    bench.crowd("night", &encoded(PASSES), &encoded(FINDS));
    let ran = replay(&bench, &["night"]);
    let sums = "replay: files=100000 passed=99900 findings=100 signatures=1 unusable=0 empty=0\n";
    assert!(ran.out.starts_with(sums), "{ran:?}");
}

#[test]
fn an_interrupted_summary_says_so() {
    let bench = Bench::new();
    // A pipe whose reader is slow keeps the walk from ending before the signal comes.
    for i in 0..20_000 {
        bench.write(&format!("night/{i}"), encoded(FINDS));
    }
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_mm-triage"))
        .args(["replay", "--json", "--zoo", BUG, "night"])
        .current_dir(bench.path("."))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("mm-triage starts");
    let out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = std::io::BufRead::lines(out);
    lines.next().expect("a line").expect("text");
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
    let last = lines.last().expect("a summary").expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    let last: Value = serde_json::from_str(&last).expect("JSON");
    let summary = &last["summary"];
    assert_eq!(summary["interrupted"], true, "{last}");
    assert!(summary["files"].as_u64() < Some(20_000), "{last}");
}
