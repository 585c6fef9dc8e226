//! A campaign (`fuzz/campaign`) that is killed keeps all runs that have ended. If it is started
//! again, it goes on with the next run. `mm-triage campaign` makes the same page from the same
//! runs. The engine in these tests is the exhaustive search, because it needs no separate build.
//!
//! These tests run the script and the program, because they are about processes: kills, and the
//! files that a killed campaign leaves.
#![cfg(feature = "zoo")]

use crate::common::{Bench, repository};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A bug that a program of a few operations shows.
const QUICK: &str = "pgmap-ref-on-alloc";
/// Another such bug.
const OTHER: &str = "devpriv-mapping-reuse";
/// A bug that the search does not find within minutes.
const HARD: &str = "mremap-wraparound";
/// The limit of a run in seconds, long enough for a quick bug on any machine.
const LIMIT: &str = "600";

fn campaign(bench: &Bench, bugs: &str, secs: &str) -> Command {
    // Tests in the background run with interrupts ignored, and a shell cannot trap a signal that
    // was ignored when it started.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT")
        .arg(repository().join("fuzz/campaign"))
        .env("BUGS", bugs)
        .env("ENGINES", "exhaust")
        .env("SECS", secs)
        .env("OUT", bench.path("out"))
        .env("TRIAGE", env!("CARGO_BIN_EXE_mm-triage"))
        .env("CARGO_TARGET_DIR", bench.path("target"))
        .stdin(Stdio::null());
    for name in ["RUNS", "MAX_LEN", "ZOO", "JOBS"] {
        command.env_remove(name);
    }
    command
}

#[track_caller]
fn finish(bench: &Bench, bugs: &str, secs: &str) -> Output {
    campaign(bench, bugs, secs)
        .output()
        .expect("the script runs")
}

fn runs(bench: &Bench) -> String {
    fs::read_to_string(bench.path("out/runs.csv")).unwrap_or_default()
}

#[track_caller]
fn ends_with(output: &Output, status: i32) {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
}

#[test]
fn half_a_line_is_made_again_and_the_others_stay() {
    let bench = Bench::new();
    let both = format!("{QUICK},{OTHER}");
    ends_with(&finish(&bench, &both, LIMIT), 0);
    let first = runs(&bench);
    assert_eq!(first.lines().count(), 3, "{first}");
    assert!(
        first.contains(&format!("\n{QUICK},exhaust,1,1,")),
        "{first}"
    );
    let page = fs::read(bench.path("out/index.html")).expect("the page");
    let said = bench.run(&["campaign", "--json", "out"]);
    let said: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((&said["bugs"], &said["runs"]), (&2.into(), &2.into()));
    assert_eq!(said["engines"][0]["name"], "exhaust");
    assert_eq!(said["engines"][0]["bugs_found"], 2);

    // All runs are there, so none is made again, and the page is the same.
    ends_with(&finish(&bench, &both, LIMIT), 0);
    assert_eq!(runs(&bench), first);
    assert_eq!(
        fs::read(bench.path("out/index.html")).expect("the page"),
        page
    );

    // A kill in the middle of a write would leave half a line.
    fs::write(bench.path("out/runs.csv"), &first[..first.len() - 9]).expect("the runs");
    ends_with(&finish(&bench, &both, LIMIT), 0);
    let again = runs(&bench);
    assert_eq!(
        again.lines().take(2).collect::<Vec<_>>(),
        first.lines().take(2).collect::<Vec<_>>()
    );
    let fields = |text: &str| {
        let last = text.lines().last().expect("a line").to_owned();
        let without_time = last.split(',').enumerate().filter(|(i, _)| *i != 4);
        without_time
            .map(|(_, field)| field.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(&again), fields(&first));
    assert!(
        again.ends_with('\n') && again.lines().count() == 3,
        "{again}"
    );
}

/// Starts a campaign that takes long.
fn start(bench: &Bench) -> Child {
    let mut command = campaign(bench, &format!("{QUICK},{HARD}"), LIMIT);
    command.stdout(Stdio::null()).process_group(0);
    command.spawn().expect("the script runs")
}

/// Waits until the quick bug has its line and the search for the hard one is under way.
fn is_under_way(bench: &Bench, child: &mut Child) {
    while !runs(bench).contains(QUICK) || searching(bench).is_empty() {
        assert!(
            child.try_wait().expect("the script").is_none(),
            "it has ended"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The processes that search for the hard bug in this folder.
fn searching(bench: &Bench) -> Vec<String> {
    let target = bench.path("target");
    let target = fs::canonicalize(target).unwrap_or_default();
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let lines =
        processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    lines
        .filter(|line| line.starts_with(&*target.to_string_lossy()) && line.contains(HARD))
        .collect()
}

#[test]
fn a_kill_loses_the_run_under_way_and_no_other() {
    let bench = Bench::new();
    let mut child = start(&bench);
    is_under_way(&bench, &mut child);
    child.kill().expect("SIGKILL");
    child.wait().expect("it is gone");
    // The engine ends as well, so that it does not disturb the next measurements.
    while !searching(&bench).is_empty() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let left = runs(&bench);
    assert_eq!(left.lines().count(), 2, "{left}");
    ends_with(&finish(&bench, &format!("{QUICK},{OTHER}"), LIMIT), 0);
    let all = runs(&bench);
    assert!(all.starts_with(&left) && all.lines().count() == 3, "{all}");
    assert!(bench.path("out/index.html").exists());
}

#[test]
fn an_interrupt_writes_the_page_of_what_is_there() {
    let bench = Bench::new();
    let mut child = start(&bench);
    is_under_way(&bench, &mut child);
    // A terminal sends the signal to the whole group.
    let kill = Command::new("kill")
        .args(["-INT", "--", &format!("-{}", child.id())])
        .status();
    assert!(kill.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    assert_eq!(runs(&bench).lines().count(), 2);
    assert!(bench.path("out/index.html").exists());
}

#[test]
fn another_campaign_is_not_mixed_in() {
    let bench = Bench::new();
    ends_with(&finish(&bench, QUICK, LIMIT), 0);
    let first = runs(&bench);
    let other = finish(&bench, QUICK, "601");
    ends_with(&other, 2);
    let why = String::from_utf8_lossy(&other.stderr);
    assert!(
        why.contains("> seconds: 601") && why.contains("give another OUT"),
        "{why}"
    );
    assert_eq!(runs(&bench), first);
}

#[test]
fn what_cannot_be_run_is_said() {
    let bench = Bench::new();
    for (name, value, why) in [
        ("BUGS", "no-such-bug", "no bug is called 'no-such-bug'"),
        ("ENGINES", "exhaust,magic", "there is no engine 'magic'"),
        ("RUNS", "0", "RUNS=0 is not valid"),
    ] {
        let output = campaign(&bench, QUICK, LIMIT).env(name, value).output();
        let output = output.expect("the script runs");
        ends_with(&output, 2);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(why), "{said}");
    }
    bench.run(&["campaign", "nowhere"]).is_unusable(&[
        "nowhere/about.txt",
        "give a folder that make campaign wrote",
    ]);
}

const ABOUT: &str = "command: make <campaign>\ncommit: abc\nseconds: 5\n";

#[test]
fn censored_runs_are_on_the_page_and_names_are_no_markup() {
    let bench = Bench::new();
    let mut runs = "bug,engine,run,found,seconds,execs,signature\n".to_owned();
    for run in 1..=3 {
        runs += &format!(
            "easy,fast,{run},1,0.0{run},10,f/i:op:s\neasy,slow,{run},1,{run}.000,900,f/i:op:s\n"
        );
        runs += &format!("<b>,fast,{run},0,5.000,4000,\n<b>,slow,{run},0,5.000,200,\n");
    }
    bench.write("c/runs.csv", runs);
    bench.write("c/about.txt", ABOUT);
    let ran = bench.run(&["campaign", "c"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    // Half of the runs take 5 s. On average, the others take 0.02 s with `fast`, 2 s with `slow`.
    ran.prints(&[
        "2 engines, 2 bugs, 12 runs",
        "fast",
        "1/2 bugs, 3/6 runs; mean 2.5 s",
        "slow",
        "1/2 bugs, 3/6 runs; mean 3.5 s",
    ]);
    let page = fs::read_to_string(bench.path("c/index.html")).expect("the page");
    assert!(!page.contains("<b>") && page.contains("&lt;b&gt;"));
    assert_eq!(page.matches(r#"<td class="never">never"#).count(), 2);
    assert!(page.contains("<td>&gt; 4000</td>") && page.contains("<td>10</td>"));
    assert!(page.contains("make &lt;campaign&gt;"));
    for outside in ["http:", "https:", "<script", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    bench.write("c/again", &page);
    bench.run(&["campaign", "c"]);
    assert_eq!(
        fs::read_to_string(bench.path("c/index.html")).expect("the page"),
        page
    );
}
