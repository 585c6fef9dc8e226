//! Commands survive any folder, a full disk, a kill during a write, and Ctrl-C.
//!
//! These tests run the program, because they are about its process: signals, a full output,
//! statuses, and the files that remain.
#![cfg(all(feature = "zoo", unix))]

use crate::common::{Bench, Ran};
use mm_fuzz::program::{text, wire};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BUG: &str = "ttu-subpage-from-swap-pte";
const FINDS: &str = "mmap p0 0 1 r\nmigrate p0 0 1 d0\nevict d0 0 1\n";
const PASSES: &str = "mmap p0 0 1 rw\nwrite p0 0\n";

fn encoded(program: &str) -> Vec<u8> {
    wire::encode(&text::parse(program).expect("a program"))
}

fn args<'a>(command: &'a str, folder: &'a str) -> [&'a str; 6] {
    [command, "--zoo", BUG, folder, "-o", "out"]
}

fn run(bench: &Bench, command: &str, folder: &str) -> Ran {
    bench.run(&args(command, folder))
}

fn json(bench: &Bench, name: &str) -> Value {
    let text = fs::read(bench.path("out").join(name)).expect("it is written");
    serde_json::from_slice(&text).expect("JSON")
}

fn spawn(bench: &Bench, command: &str, folder: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mm-triage"))
        .args(args(command, folder))
        .current_dir(bench.path("."))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mm-triage starts")
}

/// The files in the output folder, and the number of temporary files.
fn written(bench: &Bench) -> (BTreeMap<String, Vec<u8>>, usize) {
    let (mut files, mut temporary) = (BTreeMap::new(), 0);
    for entry in fs::read_dir(bench.path("out")).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if name.starts_with(".mm-triage-") && name.ends_with(".tmp") {
            temporary += 1;
        } else {
            files.insert(name, fs::read(path).expect("a file"));
        }
    }
    (files, temporary)
}

/// Checks that each file was written to its end.
fn are_whole(files: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in files {
        let text = std::str::from_utf8(bytes).expect("text");
        match name.rsplit_once('.').map(|(_, kind)| kind) {
            Some("json" | "sarif") => drop(serde_json::from_str::<Value>(text).expect("JSON")),
            Some("html") => assert!(text.ends_with("</html>\n"), "{name}"),
            Some("md") => assert!(text.starts_with("# mm-triage: "), "{name}"),
            Some("mm") => drop(text::parse(text).expect("a program")),
            _ => panic!("{name}"),
        }
    }
}

#[test]
fn odd_files_are_counted_and_stop_nothing() {
    for command in ["cluster", "report"] {
        let bench = Bench::new();
        let secret = bench.odd_folder("odd", &encoded(FINDS)) as usize;
        let ran = run(&bench, command, "odd");
        assert_eq!((ran.status, &*ran.err), (2, ""), "{ran:?}");
        assert!(!ran.out.contains('\x1b'), "{ran:?}");
        let all = json(&bench, "clusters.json");
        let clusters = all["clusters"].as_object().expect("clusters");
        let files = |group: &Value| group["files"].as_array().map_or(0, Vec::len);
        assert_eq!(clusters.len(), 1, "{all}");
        assert_eq!(
            clusters.values().map(files).sum::<usize>(),
            3 + secret,
            "{all}"
        );
        assert_eq!(all["passed"].as_array().map(Vec::len), Some(1), "{all}");
        let unusable = all["unusable"].as_object().expect("files");
        assert_eq!(unusable.len(), 7 - secret, "{all}");
        assert_eq!(all["empty"], 2, "{all}");
        for (name, why) in [
            ("odd/dangling", "cannot be read: "),
            ("odd/itself", "cannot be read: "),
            ("odd/large", "is too long: at most "),
            ("odd/loop", "a link to a folder"),
            ("odd/pipe", "is a pipe"),
        ] {
            let said = unusable[name].as_str().expect("why");
            assert!(said.contains(why), "{name}: {said}");
        }
    }
}

#[test]
fn what_a_killed_writer_left_is_no_input_and_is_read_once_it_is_whole() {
    for command in ["cluster", "report"] {
        let bench = Bench::new();
        bench.write("night/a", encoded(PASSES));
        bench.write("night/b", "");
        bench.write("night/.mm-triage-0x3f.tmp", "mmap p0 0 1 rw\nwri");
        let ran = run(&bench, command, "night");
        assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
        let all = json(&bench, "clusters.json");
        assert_eq!(all["passed"], serde_json::json!(["night/a"]));
        assert_eq!(all["unusable"], serde_json::json!({}));
        assert_eq!(all["empty"], 1);
        bench.write("night/b", encoded(FINDS));
        let ran = run(&bench, command, "night");
        assert_eq!((ran.status, &*ran.err), (1, ""), "{ran:?}");
        let all = json(&bench, "clusters.json");
        assert_eq!(all["empty"], 0);
        let clusters = all["clusters"].as_object().expect("clusters");
        assert_eq!(clusters.len(), 1, "{all}");
        // The user named this file.
        bench.write("night/c", "");
        let ran = bench.run(&args(command, "night/c"));
        assert_eq!(ran.status, 2, "{ran:?}");
    }
}

#[test]
fn two_at_once_on_one_folder_lose_nothing_for_the_second_is_refused() {
    for command in ["cluster", "report"] {
        let bench = Bench::new();
        bench.write("night/a", encoded(FINDS));
        fs::create_dir(bench.path("out")).expect("a folder");
        let first = fs::File::open(bench.path("out")).expect("the folder");
        first.lock().expect("a lock");
        let ran = run(&bench, command, "night");
        ran.is_unusable(&["out: another cluster or report is writing there", "wait"]);
        assert_eq!(written(&bench), (BTreeMap::new(), 0));
        drop(first);
        assert_eq!(run(&bench, command, "night").status, 1);
    }
}

/// A minimization without a folder for results writes beside each file.
#[test]
fn what_a_killed_writer_left_goes_before_anything_is_written_beside_it() {
    let bench = Bench::new();
    bench.write("night/a.mm", FINDS);
    bench.write("b/.mm-triage-x.tmp", "");
    bench.write("night/.mm-triage-x.tmp", "mmap p0 0 1 rw\nwri");
    let living = bench.path("night/.mm-triage-y.tmp");
    let living = fs::File::create(living).expect("a file");
    living.lock().expect("a lock");
    bench.run(&["minimize", "--zoo", BUG, "night/a.mm"]);
    let exists = |name: &str| bench.path(name).exists();
    assert!(exists("night/a.min.mm") && exists("night/.mm-triage-y.tmp"));
    assert!(!exists("night/.mm-triage-x.tmp"));
    assert!(exists("b/.mm-triage-x.tmp"), "nothing is written there");
}

#[test]
fn a_hundred_thousand_files_are_a_report() {
    let bench = Bench::new();
    bench.crowd("night", &encoded(PASSES), &encoded(FINDS));
    let ran = run(&bench, "report", "night");
    assert_eq!((ran.status, &*ran.err), (1, ""), "{ran:?}");
    let report = json(&bench, "report.json");
    assert_eq!(report["files"], 100_000);
    assert_eq!(report["passed"], 99_900);
    let cluster = &report["clusters"][0];
    assert_eq!(cluster["files"], 100, "{cluster}");
    // The number of named files does not grow with the number of files.
    assert_eq!(cluster["examples"].as_array().map(Vec::len), Some(20));
    let (files, _) = written(&bench);
    for form in ["report.html", "report.json", "report.md", "report.sarif"] {
        assert!(files[form].len() < 100_000, "{form}: {}", files[form].len());
    }
}

#[test]
fn a_full_output_is_said() {
    let bench = Bench::new();
    bench.write("night/a.mm", FINDS);
    for folder in ["seeds", "zoo", "regress"] {
        bench.write(&format!("corpus/{folder}/a.mm"), FINDS);
    }
    for command in [
        &["replay", "night"][..],
        &["replay", "--json", "night/a.mm"],
        &["cluster", "night"],
        &["report", "night", "-o", "out"],
        &["minimize", "--zoo", BUG, "night/a.mm"],
        &["convert", "night/a.mm"],
        &["emit", "--c", "night/a.mm"],
        &["emit", "--rust", "--zoo", BUG, "night/a.mm"],
        &["seeds", "seeds", "--corpus", "corpus"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full");
        let output = Command::new(env!("CARGO_BIN_EXE_mm-triage"))
            .args(command)
            .current_dir(bench.path("."))
            .stdout(full.expect("the device"))
            .output()
            .expect("mm-triage runs");
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(
            why.contains("standard output cannot be written"),
            "{command:?}: {why}"
        );
    }
}

/// Runs a command whose files may not become longer than one block. A longer write fails or,
/// without the trap, ends the process.
fn limited(bench: &Bench, trap: &str, command: &str) -> std::process::Output {
    let script = format!("{trap} ulimit -f 1; exec \"$@\"");
    Command::new("sh")
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_mm-triage")])
        .args(args(command, "more"))
        .current_dir(bench.path("."))
        .output()
        .expect("sh runs")
}

/// The results of an earlier run, and 60 new artifacts, whose names alone are longer than a block.
fn with_an_earlier_run(command: &str) -> Bench {
    let bench = Bench::new();
    bench.write("night/a.mm", FINDS);
    let ran = run(&bench, command, "night");
    assert_eq!(ran.status, 1, "{ran:?}");
    let name = "long".repeat(30);
    (0..60).for_each(|i| bench.write(&format!("more/{name}-{i}"), encoded(FINDS)));
    bench
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    for command in ["cluster", "report"] {
        let bench = with_an_earlier_run(command);
        let before = written(&bench);
        let output = limited(&bench, "trap '' 25;", command);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(why.contains("cannot be written: "), "{why}");
        assert_eq!(why.lines().count(), 1, "{why}");
        assert_eq!(written(&bench), before, "{command}");
    }
}

/// Commands that write one file for each program, and the name of that file.
const EACH: [(&[&str], &str); 3] = [
    (
        &["minimize", "--zoo", BUG, "night/a.mm", "-o", "out"],
        "a.min.mm",
    ),
    (&["convert", "night/a.mm", "-o", "out"], "a.mm"),
    (&["seeds", "out", "--corpus", "corpus"], "a-"),
];

/// A folder in which the command overwrites the files of an earlier run.
fn with_earlier_programs(command: &[&str]) -> (Bench, BTreeMap<String, Vec<u8>>) {
    let bench = Bench::new();
    bench.write("night/a.mm", FINDS);
    bench.write("corpus/seeds/a.mm", FINDS);
    fs::create_dir(bench.path("corpus/zoo")).expect("a folder");
    fs::create_dir(bench.path("corpus/regress")).expect("a folder");
    bench.run(command);
    let (files, temporary) = written(&bench);
    assert_eq!((files.len(), temporary), (1, 0), "{command:?}");
    let earlier = files.into_keys().map(|name| (name, b"earlier".to_vec()));
    let earlier: BTreeMap<_, _> = earlier.collect();
    let write = |(name, bytes): (&String, _)| bench.write(&format!("out/{name}"), bytes);
    earlier.iter().for_each(write);
    (bench, earlier)
}

#[test]
fn a_full_disk_or_a_death_leaves_the_program_of_an_earlier_run() {
    for (command, name) in EACH {
        let (bench, earlier) = with_earlier_programs(command);
        assert!(earlier.keys().all(|file| file.starts_with(name)));
        let run = |trap: &str| {
            Command::new("sh")
                .args(["-c", &format!("{trap} ulimit -f 0; exec \"$@\""), "sh"])
                .arg(env!("CARGO_BIN_EXE_mm-triage"))
                .args(command)
                .current_dir(bench.path("."))
                .output()
                .expect("sh runs")
        };
        let full = run("trap '' 25;");
        assert_eq!(full.status.code(), Some(2), "{full:?}");
        let why = String::from_utf8_lossy(&full.stderr);
        assert!(why.contains("cannot be written: "), "{why}");
        assert_eq!(written(&bench), (earlier.clone(), 0), "{command:?}");
        let dead = run("");
        assert!(dead.status.signal().is_some(), "{dead:?}");
        assert_eq!(written(&bench).0, earlier, "{command:?}");
        // The next run writes the file, and removes the temporary file of the killed run.
        assert_eq!(written(&bench).1, 1, "{command:?}");
        bench.run(command);
        let (files, temporary) = written(&bench);
        assert_ne!(files, earlier, "{command:?}");
        assert_eq!(temporary, 0, "{command:?}");
    }
}

/// Minimizes 40 programs, and kills the command a little later each time. Each output file then
/// holds the earlier program or the shortest one.
#[test]
fn a_minimization_that_is_killed_leaves_whole_programs() {
    const TIMES: u32 = 12;
    const NAMES: std::ops::Range<usize> = 0..40;
    let bench = Bench::new();
    let long = format!("{}{FINDS}", "mmap p0 3 1 rw\nwrite p0 3\n".repeat(30));
    NAMES.for_each(|i| bench.write(&format!("night/{i}.mm"), &long));
    let start = |bench: &Bench| {
        Command::new(env!("CARGO_BIN_EXE_mm-triage"))
            .args(["minimize", "--zoo", BUG, "-o", "out"])
            .args(NAMES.map(|i| format!("night/{i}.mm")))
            .current_dir(bench.path("."))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mm-triage starts")
    };
    let begun = Instant::now();
    start(&bench).wait().expect("it ends");
    let whole = begun.elapsed();
    let shortest = written(&bench).0;
    assert_eq!(shortest.len(), NAMES.len());
    for time in 0..TIMES {
        NAMES.for_each(|i| bench.write(&format!("out/{i}.min.mm"), &long));
        let mut child = start(&bench);
        std::thread::sleep(whole * time / TIMES);
        child.kill().expect("it is killed, or has ended");
        child.wait().expect("it has ended");
        let (files, _) = written(&bench);
        assert_eq!(files.len(), NAMES.len());
        for (name, bytes) in files {
            assert!(
                bytes == long.as_bytes() || bytes == shortest[&name],
                "{name}"
            );
        }
    }
}

#[test]
fn a_process_that_dies_while_it_writes_leaves_what_was_there() {
    for command in ["cluster", "report"] {
        let bench = with_an_earlier_run(command);
        let (before, _) = written(&bench);
        let output = limited(&bench, "", command);
        assert!(output.status.signal().is_some(), "{output:?}");
        assert_eq!(written(&bench).0, before, "{command}");
        // The next run has all 60 artifacts.
        let ran = run(&bench, command, "more");
        assert_eq!(ran.status, 1, "{ran:?}");
        let all = json(&bench, "clusters.json").to_string();
        assert_eq!(all.matches("more/").count(), 60, "{all}");
    }
}

/// The kill comes a little later each time, over the whole length of a run.
#[test]
fn kill_9_at_any_time_loses_nothing() {
    const TIMES: u32 = 24;
    let bench = with_an_earlier_run("report");
    let (before, _) = written(&bench);
    let start = Instant::now();
    run(&bench, "report", "more");
    let whole = start.elapsed();
    for time in 0..TIMES {
        fs::remove_dir_all(bench.path("out")).expect("it goes");
        let out = |name: &str| format!("out/{name}");
        before
            .iter()
            .for_each(|(name, bytes)| bench.write(&out(name), bytes));
        let mut child = spawn(&bench, "report", "more");
        std::thread::sleep(whole * time / TIMES);
        child.kill().expect("it is killed, or has ended");
        child.wait().expect("it has ended");
        let (files, _) = written(&bench);
        are_whole(&files);
        let is_there = |name: &&String| files.contains_key(*name);
        assert_eq!(before.keys().filter(is_there).count(), before.len());
    }
    let ran = run(&bench, "report", "more");
    ran.prints(&["report: 1 cluster in 61 files: 61 with a finding, "]);
}

#[test]
fn ctrl_c_leaves_a_partial_report_that_says_so() {
    let bench = Bench::new();
    for i in 0..20_000 {
        bench.write(&format!("night/{i}"), encoded(FINDS));
    }
    for command in ["cluster", "report"] {
        let mut child = spawn(&bench, command, "night");
        // The command handles signals before it makes the folder.
        while !bench.path("out").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let kill = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(kill.expect("kill runs").success());
        assert_eq!(child.wait().expect("it ends").code(), Some(3), "{command}");
        let all = json(&bench, "clusters.json");
        assert_eq!(all["interrupted"], true);
        are_whole(&written(&bench).0);
        if command == "report" {
            let report = json(&bench, "report.json");
            assert_eq!(report["interrupted"], true);
            assert!(
                report["files"].as_u64() < Some(20_000),
                "{}",
                report["files"]
            );
            let log = json(&bench, "report.sarif");
            let invocation = &log["runs"][0]["invocations"][0];
            assert_eq!(invocation["executionSuccessful"], false, "{invocation}");
            for form in ["report.html", "report.md"] {
                let text = fs::read_to_string(bench.path("out").join(form)).expect("text");
                assert!(
                    text.contains("Interrupted: not all files were looked at."),
                    "{form}"
                );
            }
        }
        fs::remove_dir_all(bench.path("out")).expect("it goes");
    }
}
