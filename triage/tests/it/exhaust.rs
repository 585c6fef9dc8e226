//! An exhaustive search covers its bound, and has the same result for any number of jobs. The tests
//! that call the program are about its command line: what it prints, its statuses, Ctrl-C.
#![cfg(feature = "zoo")]

use crate::common::Bench;
use mm_fuzz::invariant::Invariant;
use mm_fuzz::program::text;
use mm_triage::bugs::Bugs;
use mm_triage::exhaust::{ExhaustArgs, SearchReport};
use mm_triage::run::{Ended, run};
use mm_triage::stop::Stop;
use serde_json::Value;

/// Searches until this bug is found.
fn search(bug: Option<&str>, args: &ExhaustArgs) -> SearchReport {
    let bugs = Bugs::parse(bug.unwrap_or_default()).expect("a bug");
    mm_triage::exhaust::search(args, bug, &bugs, &Stop::default()).expect("it ends")
}

#[test]
fn without_a_bug_nothing_is_found_and_the_bound_is_said() {
    let ran = Bench::new().run(&["exhaust", "--depth", "3", "--pages", "1"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    ran.prints(&[
        "bound: programs of up to 3 operations",
        "1 page, 1 thread",
        "covered: ",
        "| 3 | ",
        "no finding within the bound",
    ]);
}

#[test]
fn with_two_threads_nothing_is_found_either() {
    let report = search(
        None,
        &ExhaustArgs {
            depth: Some(2),
            threads: 2,
            ..ExhaustArgs::default()
        },
    );
    assert_eq!(report.bound.preemptions, 2);
    assert!(!report.interrupted, "{report:?}");
    assert_eq!(report.findings, []);
}

/// The search finds a program of the least length, the same with one and with three jobs.
#[test]
fn a_bug_is_found_by_a_shortest_program_whatever_the_threads() {
    for (bug, depth, threads, oracle) in [
        ("ttu-subpage-from-swap-pte", 4, 1, "counting/"),
        ("dirty-cow", 3, 2, "counting/zero-page"),
    ] {
        let with_jobs = |jobs| {
            let args = ExhaustArgs {
                depth: Some(depth),
                threads,
                jobs: Some(jobs),
                ..ExhaustArgs::default()
            };
            search(Some(bug), &args)
        };
        let report = with_jobs(1);
        let finding = &report.findings[0];
        assert!(finding.signature.starts_with(oracle), "{report:?}");
        assert_eq!(finding.operations, 3, "{report:?}");
        assert!(report.stopped_at_finding);
        assert_eq!(with_jobs(3), report, "{bug}");
        // The program shows the bug.
        let program = text::parse(&finding.program).expect("a program");
        let bugs = Bugs::parse(bug).expect("a bug");
        match run(&program, &bugs, false, &mut ()) {
            Ended::Found(found) => assert_eq!(found.signature, finding.signature),
            Ended::Pass { .. } => panic!("no finding: {}", finding.program),
        }
    }
}

/// The report of the command is that of the search, and its status says that there is a finding.
#[test]
fn the_command_prints_the_report_of_the_search() {
    const BUG: &str = "ttu-subpage-from-swap-pte";
    let ran = Bench::new().run(&[
        "exhaust", "--json", "--depth", "3", "--pages", "1", "--zoo", BUG,
    ]);
    assert_eq!((ran.status, &*ran.err), (1, ""), "{ran:?}");
    let args = ExhaustArgs {
        depth: Some(3),
        pages: Some(1),
        ..ExhaustArgs::default()
    };
    let report = serde_json::to_value(search(Some(BUG), &args)).expect("JSON");
    let printed: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(report, printed);
}

/// Waits until a process handles SIGINT and has used some processor time, as /proc shows it.
fn wait_until_it_searches(pid: u32) {
    const SIGINT: u64 = 1 << 1;
    let shown =
        |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("Linux shows it");
    let listens = || {
        let status = shown("status");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.expect("signals").trim(), 16);
        caught.expect("a number") & SIGINT != 0
    };
    // The name in parentheses may have blanks; processor time is the 12th field after it.
    let ticks = || {
        let stat = shown("stat");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks = fields.split_whitespace().nth(11).expect("a field");
        ticks.parse::<u64>().expect("a number")
    };
    while !listens() || ticks() < 10 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn an_interrupted_search_says_what_it_has_covered() {
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_mm-triage"))
        .args(["exhaust", "--json", "--depth", "16", "--pages", "4"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("mm-triage starts");
    // The search would take years.
    wait_until_it_searches(child.id());
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(3));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["interrupted"], true);
    let covered = report["programs"].as_array().expect("counts").len() - 1;
    assert!(covered < 16, "{report}");
    assert!(report["runs"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_bug_that_needs_more_threads_is_pointed_out() {
    let bench = Bench::new();
    let ran = bench.run(&[
        "exhaust",
        "--depth",
        "1",
        "--zoo",
        "ttu-subpage-from-swap-pte, dirty-cow",
    ]);
    assert_eq!(
        (ran.status, &*ran.err),
        (
            0,
            "mm-triage: dirty-cow needs 2 threads, and the programs have 1 thread: give --threads 2\n"
        ),
        "{ran:?}"
    );
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let bench = Bench::new();
    for (args, why) in [
        (&["--depth", "0"][..], "from 1 to 16"),
        (&["--threads", "3"], "3"),
        (&["--huge", "--pages", "2"], "--huge"),
        (
            &["--zoo", "no-such-bug"],
            "no bug is called \"no-such-bug\"",
        ),
        (
            &["--zoo", "split-head-exclusive", "--oracle", "progress/no"],
            "not an invariant of docs/invariants.md",
        ),
    ] {
        let ran = bench.run(&[&["exhaust"], args].concat());
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.err.contains(why), "{ran:?}");
    }
}

/// The first finding of the README's bug is about counting. A search for another invariant goes on
/// after this finding.
#[test]
fn a_search_for_one_invariant_goes_on_after_others() {
    let find = |oracle: &str| {
        let args = ExhaustArgs {
            depth: Some(3),
            pages: Some(1),
            oracle: Invariant::named(oracle),
            ..ExhaustArgs::default()
        };
        search(Some("ttu-subpage-from-swap-pte"), &args)
    };
    let wanted = find("counting/wild-page");
    assert!(wanted.stopped_at_finding, "{wanted:?}");
    let other = find("progress/livelock");
    assert!(!other.stopped_at_finding, "{other:?}");
    assert!(!other.interrupted);
    assert!(other.runs > wanted.runs);
    assert_eq!(other.findings[0], wanted.findings[0]);
}

#[test]
fn huge_pages_are_an_alphabet_of_their_own() {
    let huge = |depth| ExhaustArgs {
        depth: Some(depth),
        huge: true,
        ..ExhaustArgs::default()
    };
    let report = search(None, &huge(2));
    assert!(report.bound.huge);
    assert_eq!(report.findings, []);
    let report = search(Some("split-head-exclusive"), &huge(3));
    let program = &report.findings[0].program;
    assert!(program.contains("thp always"), "{program}");
}
