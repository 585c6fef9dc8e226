//! `exhaust` prints its bound, has the same result for any `--jobs`, and says if it ended early.
#![cfg(feature = "zoo")]

use crate::common::Bench;
use serde_json::Value;

fn json(args: &[&str]) -> (i32, Value) {
    let ran = Bench::new().run(&[&["exhaust", "--json"][..], args].concat());
    assert_eq!(ran.err, "", "{ran:?}");
    (ran.status, serde_json::from_str(&ran.out).expect("JSON"))
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
    let (status, report) = json(&["--depth", "2", "--threads", "2"]);
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["bound"]["preemptions"], 2);
    assert_eq!(report["interrupted"], false);
    assert_eq!(report["findings"], Value::Array(Vec::new()));
}

/// The search finds a program of the least length, the same with one and with three jobs.
#[test]
fn a_bug_is_found_by_a_shortest_program_whatever_the_threads() {
    for (bug, args, oracle, length) in [
        (
            "ttu-subpage-from-swap-pte",
            &["--depth", "4"][..],
            "counting/",
            3,
        ),
        (
            "dirty-cow",
            &["--depth", "3", "--threads", "2", "--overlap", "2"],
            "counting/zero-page",
            3,
        ),
    ] {
        let with_jobs = |jobs| json(&[&["--zoo", bug, "--jobs", jobs], args].concat());
        let (status, report) = with_jobs("1");
        assert_eq!(status, 1, "{report}");
        let finding = &report["findings"][0];
        let signature = finding["signature"].as_str().expect("a signature");
        assert!(signature.starts_with(oracle), "{report}");
        assert_eq!(finding["operations"], length, "{report}");
        assert_eq!(report["stopped_at_finding"], true);
        assert_eq!(with_jobs("3"), (1, report.clone()), "{bug}");
        // The printed program shows the bug.
        let bench = Bench::new();
        bench.write("found.mm", finding["program"].as_str().expect("a program"));
        let replay = bench.run(&["replay", "--zoo", bug, "found.mm"]);
        replay.prints(&["finding: ", signature]);
    }
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
        (
            &["--zoo", "no-such-bug"],
            "no bug is called \"no-such-bug\"",
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
    let find = |oracle| {
        json(&[
            "--zoo",
            "ttu-subpage-from-swap-pte",
            "--depth",
            "3",
            "--pages",
            "1",
            "--oracle",
            oracle,
        ])
        .1
    };
    let wanted = find("counting/wild-page");
    assert_eq!(wanted["stopped_at_finding"], true, "{wanted}");
    let other = find("progress/livelock");
    assert_eq!(other["stopped_at_finding"], false, "{other}");
    assert_eq!(other["interrupted"], false);
    let runs = |report: &Value| report["runs"].as_u64().expect("a number");
    assert!(runs(&other) > runs(&wanted));
    assert_eq!(other["findings"][0], wanted["findings"][0]);
}

#[test]
fn huge_pages_are_an_alphabet_of_their_own() {
    let (status, report) = json(&["--huge", "--depth", "2"]);
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["bound"]["huge"], true);
    let (status, report) = json(&["--huge", "--depth", "3", "--zoo", "split-head-exclusive"]);
    assert_eq!(status, 1, "{report}");
    let program = report["findings"][0]["program"].as_str();
    assert!(
        program.is_some_and(|text| text.contains("thp always")),
        "{report}"
    );
    let ran = Bench::new().run(&["exhaust", "--huge", "--pages", "2"]);
    assert_eq!(ran.status, 2, "{ran:?}");
}
