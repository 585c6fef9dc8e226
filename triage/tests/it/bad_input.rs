//! A command that reads a file that is no program ends with a sentence and status 2, or runs the
//! file as wire. It never panics or waits.
//!
//! These tests run the program, because they are about its command line: sentences and statuses.

use crate::common::Bench;
use mm_triage::input::{self, Form, Input};
use std::time::{Duration, Instant};

/// Checks that a file with this name and contents is no program, and that the message is one line
/// that has all of `parts` in this order.
#[track_caller]
fn is_refused(name: &str, contents: &[u8], parts: &[&str]) {
    let bench = Bench::new();
    bench.write(name, contents);
    let error = input::load(&bench.path(name), None).expect_err("it is no program");
    let message = error.to_string();
    let mut rest = &*message;
    for part in parts {
        let found = rest.split_once(part);
        rest = found
            .unwrap_or_else(|| panic!("{part:?} is missing in {message}"))
            .1;
    }
    assert_eq!(message.lines().count(), 1, "one sentence: {message}");
}

fn load(name: &str, contents: &[u8]) -> Input {
    let bench = Bench::new();
    bench.write(name, contents);
    input::load(&bench.path(name), None).expect("a program")
}

fn replay(name: &str, contents: &[u8]) -> crate::common::Ran {
    let bench = Bench::new();
    bench.write(name, contents);
    let start = Instant::now();
    let ran = bench.run(&["replay", name]);
    assert!(start.elapsed() < Duration::from_secs(20), "{name} is slow");
    ran
}

fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| rng.u8(..)).take(count).collect()
}

#[test]
fn an_empty_file_is_unusable() {
    is_refused(
        "empty",
        b"",
        &["empty: has no operation", "write at least one"],
    );
    is_refused("empty.mm", b"", &["empty.mm: has no operation"]);
    is_refused("c.mm", b"# nothing yet\n", &["c.mm: has no operation"]);
}

#[test]
fn a_missing_file_is_unusable() {
    let ran = Bench::new().run(&["replay", "nowhere.mm"]);
    ran.is_unusable(&["nowhere.mm: cannot be read", "give the path of"]);
}

#[test]
fn a_folder_is_no_program() {
    let bench = Bench::new();
    bench.write("folder/a.mm", "fork p0\n");
    let ran = bench.run(&["convert", "folder"]);
    ran.is_unusable(&["folder: is a folder", "name the files in it"]);
}

/// These commands open the files that a user names. An open that blocks would ignore the first
/// Ctrl-C, and `/dev/zero` has no end.
#[test]
#[cfg(unix)]
fn pipes_devices_and_sockets_are_refused_at_once() {
    let bench = Bench::new();
    bench.write("a.mm", "mmap p0 0 1 rw\n");
    let pipe = bench.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let _socket = std::os::unix::net::UnixListener::bind(bench.path("socket")).expect("a socket");
    for (special, what) in [
        ("pipe", "a pipe"),
        ("socket", "a socket"),
        ("/dev/zero", "a device"),
    ] {
        for command in [
            &["replay", special][..],
            &["minimize", special],
            &["cluster", "a.mm", "--baseline", special],
            &["report", "a.mm", "-o", "out", "--baseline", special],
            &["bisect", "--commits", "A..B", special],
            &["convert", special],
            &["explain", special],
            &["diff", special, "a.mm"],
            &["diff", "a.mm", special],
            &["emit", "--c", special],
            &["emit", "--rust", special],
        ] {
            let ran = bench.run(command);
            ran.is_unusable(&[&format!("{special}: is {what}; give ")]);
        }
        for command in ["cluster", "report"] {
            let ran = bench.run(&[command, special, "-o", &format!("out-{command}")]);
            assert_eq!((ran.status, &*ran.err), (2, ""), "{ran:?}");
        }
    }
}

/// An engine, an editor or a killed process may have left such a pipe.
#[test]
#[cfg(unix)]
fn a_pipe_in_a_folder_that_a_command_reads_is_refused_at_once() {
    let bench = Bench::new();
    let pipe = |name: &str| {
        let path = bench.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo runs").success());
    };
    pipe("campaign/about.txt");
    pipe("campaign/runs.csv");
    let ran = bench.run(&["campaign", "campaign"]);
    ran.is_unusable(&["campaign/about.txt: is a pipe; give a folder"]);
    pipe("out/clusters.json");
    bench.write("a.mm", "mmap p0 0 1 rw\n");
    let ran = bench.run(&["cluster", "a.mm", "-o", "out"]);
    ran.is_unusable(&["out/clusters.json: is a pipe; give "]);
    pipe("corpus/seeds/a.mm");
    let ran = bench.run(&["seeds", "seeds", "--corpus", "corpus"]);
    ran.is_unusable(&["corpus/seeds/a.mm: is a pipe; give a file"]);
}

#[test]
fn an_earlier_run_is_no_more_than_a_file_may_be() {
    let bench = Bench::new();
    bench.write("a.mm", "mmap p0 0 1 rw\n");
    let large = std::fs::File::create(bench.path("clusters.json")).expect("a file");
    large.set_len(1 << 40).expect("a file with holes");
    let ran = bench.run(&["cluster", "a.mm", "--baseline", "clusters.json"]);
    ran.is_unusable(&["clusters.json: is too long: at most 536870912 bytes"]);
    let name = r#"{"version":6,"settings":"","interrupted":false,"passed":[],"unusable":{},"clusters":{"../../x":
        {"new":true,"key":{"invariant":"a/b","panic":false,"function":"c","way":null,"after_failure":false,"race":false},"program":"","signature":"","circumstances":[],
         "operations":[],"signatures":{},"files":[]}}}"#;
    bench.write("clusters.json", name);
    let ran = bench.run(&["cluster", "a.mm", "--baseline", "clusters.json"]);
    ran.is_unusable(&[r#"clusters.json: "../../x" is not the name of a cluster"#]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_program() {
    for name in ["marked.mm", "marked"] {
        let read = load(name, b"\xef\xbb\xbfmmap p0 0 1 rw\n");
        assert_eq!(
            (read.form, read.program.ops.len(), read.note),
            (Form::Text, 1, None)
        );
    }
    is_refused(
        "marked.mm",
        b"\xef\xbb\xbfread p0 \xff\n",
        &["marked.mm: line 1, column 9: ", "0xff"],
    );
    let read = load("marked.mm", "\u{feff}fork p0\n".as_bytes());
    assert_eq!(read.program.to_string(), "fork p0\n");
}

#[test]
fn a_megabyte_of_random_bytes_runs() {
    for seed in 0..4 {
        let ran = replay("noise", &random_bytes(seed, 1 << 20));
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        ran.prints(&["noise: wire, 256 operations", "pass: digest "]);
    }
}

#[test]
fn more_than_a_megabyte_is_unusable() {
    is_refused(
        "long",
        &random_bytes(1, (1 << 20) + 1),
        &[
            "long: is too long: at most 1048576 bytes",
            "give another file",
        ],
    );
    is_refused(
        "long.mm",
        "#".repeat((1 << 17) + 1).as_bytes(),
        &["long.mm: line 1, column 1: ", "131073 bytes"],
    );
}

#[test]
fn truncated_wire_runs_and_says_so() {
    let ran = replay("truncated", &[1, 0, 0, 0, 0, 0, 2, 6, 0]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(
        ran.err,
        "mm-triage: truncated: offset 7: the last record is truncated: 2 of 5 bytes; it runs \
         anyway, read as a fuzzing engine reads it\n"
    );
    ran.prints(&["truncated: wire, 1 operation, ", "mmap p0 0 1 rw", "pass"]);
    let note = load("header", &[1]).note.expect("a note");
    assert!(note.contains("1 of 2 bytes"), "{note}");
}

#[test]
fn canonical_wire_runs_without_a_note() {
    let program = mm_fuzz::program::text::parse("mmap p0 0 1 rw\nwrite p0 0").expect("a program");
    let read = load("good", &mm_fuzz::program::wire::encode(&program));
    assert_eq!((read.program, read.note), (program, None));
}

#[test]
fn unknown_words_are_named_with_their_place() {
    is_refused(
        "typing.mm",
        b"mmap p0 0 1 rw\n  wrte p0 0\n",
        &[
            "typing.mm: line 2, column 3: ",
            "\"wrte\"",
            "did you mean \"write\"?",
        ],
    );
    is_refused(
        "typing.mm",
        b"mmap p9 0 1 rw\n",
        &["typing.mm: line 1, column 6: ", "p0 to p7"],
    );
    // A file without the ending .mm may be an engine's input that happens to be printable.
    is_refused(
        "crash-5f",
        b"wrte p0 0",
        &["crash-5f: line 1, column 1: ", "say --target ops"],
    );
}

#[test]
fn a_million_pages_are_refused() {
    is_refused(
        "huge.mm",
        b"mmap p0 0 1000000 rw\n",
        &["huge.mm: line 1, column 11: ", "1000000", "1 to 32 pages"],
    );
}

#[test]
fn a_text_that_is_not_utf8_is_unusable() {
    is_refused(
        "latin.mm",
        b"# caf\xc3\xa9\nread p0 \xff\n",
        &["latin.mm: line 2, column 9: ", "0xff"],
    );
}

#[test]
fn bad_command_lines_are_unusable() {
    let bench = Bench::new();
    for args in [
        &["replay"][..],
        &["replay", "--zoo", "no-such-bug", "x"],
        &["replay", "--target", "empty", "x"],
        &["seeds", "out", "--max-threads", "5"],
        &["nothing"],
    ] {
        let ran = bench.run(args);
        assert_eq!(ran.status, 2, "{args:?}: {ran:?}");
        assert!(ran.err.starts_with("error: "), "{args:?}: {ran:?}");
    }
}

/// The command must not build a guest, which takes minutes, before it refuses.
#[test]
fn what_the_judge_cannot_do_is_refused_before_there_is_a_guest() {
    let bench = Bench::new();
    let cache = bench.path("cache");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mm-triage"))
        .args(["linux", "--zoo", "no-such-bug"])
        .current_dir(crate::common::repository())
        .env("XDG_CACHE_HOME", &cache)
        .output()
        .expect("mm-triage runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no-such-bug"), "{said}");
    assert!(!cache.exists(), "{said}");
}

#[test]
fn seeds_say_what_is_wrong() {
    let bench = Bench::new();
    let ran = bench.run(&["seeds", "out"]);
    ran.is_unusable(&["no corpus found", "--corpus DIR"]);
    bench.write("corpus/seeds/bad.mm", "wrte p0 0\n");
    bench.write("corpus/seeds/good.mm", "mmap p0 0 1 rw\n");
    let ran = bench.run(&["seeds", "out", "--corpus", "corpus"]);
    ran.is_unusable(&["corpus/seeds/bad.mm: line 1, column 1: "]);
    ran.prints(&["seeds: 1 program in out"]);
    let ran = bench.run(&["seeds", "corpus/seeds/good.mm/out", "--corpus", "corpus"]);
    ran.is_unusable(&["corpus/seeds/good.mm/out: cannot be made"]);
    bench.write("corpus/zoo/empty.mm", "");
    std::fs::remove_file(bench.path("corpus/seeds/bad.mm")).expect("it goes");
    let ran = bench.run(&["seeds", "out", "--corpus", "corpus"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    ran.prints(&["seeds: 1 program in out; skipped: 1 empty file\n"]);
}
