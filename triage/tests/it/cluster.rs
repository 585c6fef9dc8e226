//! `cluster`: one cluster for each bug, with a stable name, and what is new.
//!
//! The tests that run the program are about its command line: output, statuses, files. The others
//! call functions.
#![cfg(feature = "zoo")]

use crate::common::Bench;
use mm_fuzz::program::{text, wire};
use mm_triage::Status;
use mm_triage::bugs::Bugs;
use mm_triage::cluster::{Clusters, Sources, gather};
use mm_triage::stop::Stop;
use serde_json::Value;
use std::collections::BTreeSet;

/// One bug by three operations, so with three signatures.
const ONE_BUG: [&str; 3] = [
    "mmap p0 0 1 r\ndev-read d0 p0 0\nmunmap p0 0 1\n",
    "fork p0\nmmap p0 0 1 r\nread p0 0\ndev-read d0 p0 0\ndontneed p0 0 1\n",
    "mmap p0 4 2 rw\nmigrate p0 4 2 d1\ndev-read d1 p0 4\nmmap p0 4 1 none\n",
];
const ANOTHER: &str = "mmap p0 0 1 r\nread p0 0\npin p0 0 r\n";
const BUGS: &str = "collapse-no-notifier,gup-pin-zero-page";

fn night() -> Bench {
    let bench = Bench::new();
    for (i, program) in ONE_BUG.iter().enumerate() {
        let program = text::parse(program).expect("a program");
        bench.write(&format!("night/one/{i}"), wire::encode(&program));
    }
    bench.write("night/pass.mm", "mmap p0 0 1 rw\n");
    bench.write("night/typing.mm", "wrte p0 0\n");
    bench.write("night/empty", "");
    bench
}

fn json(bench: &Bench, args: &[&str]) -> (i32, Value) {
    let ran = bench.run(&[&["cluster", "--json", "--zoo", BUGS][..], args].concat());
    assert_eq!(ran.err, "", "{ran:?}");
    (ran.status, serde_json::from_str(&ran.out).expect("JSON"))
}

fn names(all: &Value) -> BTreeSet<String> {
    let clusters = all["clusters"].as_object().expect("clusters");
    clusters.keys().cloned().collect()
}

/// The clusters of the folder `night`.
fn gathered(bench: &Bench, bugs: &str, jobs: usize) -> Clusters {
    let sources = Sources {
        zoo: Some(Bugs::parse(bugs).expect("bugs")),
        target: None,
        baseline: None,
        jobs: Some(jobs),
        files: vec![bench.path("night")],
    };
    gather(&sources, None, &Stop::default()).expect("nothing is in the way")
}

#[test]
fn one_bug_met_by_three_operations_is_one_cluster() {
    let bench = night();
    let all = gathered(&bench, BUGS, 2);
    assert_eq!(all.status(), Status::Unusable, "one has a typing error");
    let [(_, group)] = all.ranked()[..] else {
        panic!("one cluster: {all:?}")
    };
    assert_eq!((group.files.len(), group.signatures.len()), (3, 3));
    assert_eq!(group.key.invariant, "notifier/bracket");
    assert_eq!(group.key.place(), "zap_pte_range");
    assert_eq!(group.program.lines().count(), 3);
    let path = |name: &str| bench.path(name).to_string_lossy().into_owned();
    assert_eq!(all.passed, [path("night/pass.mm")].into());
    assert!(all.unusable.contains_key(&path("night/typing.mm")));
    assert_eq!(all.empty, 1);
}

#[test]
fn a_second_run_adds_and_says_what_is_new() {
    let bench = night();
    let ran = bench.run(&["cluster", "--zoo", BUGS, "night", "-o", "out"]);
    ran.prints(&[
        "cluster: files=6 passed=1 unusable=1 empty=1 clusters=1 new=1\n",
        ", new\n",
    ]);
    bench.write("night/two.mm", ANOTHER);
    let (_, all) = json(&bench, &["night", "-o", "out"]);
    let new = |all: &Value| {
        let clusters = all["clusters"].as_object().expect("clusters").clone();
        let new = clusters
            .into_iter()
            .filter(|(_, group)| group["new"] == true);
        new.map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!((names(&all).len(), new(&all).len()), (2, 1), "{all}");
    // One run over all files gives the same clusters, and the clusters are written.
    let (_, at_once) = json(&bench, &["night"]);
    assert_eq!(names(&at_once), names(&all));
    let written = std::fs::read(bench.path("out/clusters.json")).expect("it is written");
    assert_eq!(
        serde_json::from_slice::<Value>(&written).expect("JSON"),
        all
    );
    for name in names(&all) {
        let path = bench.path(&format!("out/{name}.mm"));
        let program = std::fs::read_to_string(path).expect("a representative");
        text::parse(&program).expect("a program");
    }
    // Compared with its own result, a run has no new cluster.
    let (_, again) = json(&bench, &["night", "--baseline", "out/clusters.json"]);
    assert!(new(&again).is_empty(), "{again}");
}

#[test]
fn the_result_does_not_depend_on_jobs() {
    let bench = night();
    let [one, three] = [1, 3].map(|jobs| {
        let all = gathered(&bench, BUGS, jobs);
        serde_json::to_value(all).expect("JSON")
    });
    assert_eq!(one, three);
}

#[test]
fn a_run_adds_only_to_one_with_the_same_bugs() {
    let bench = night();
    json(&bench, &["night", "-o", "kept"]);
    let ran = bench.run(&["cluster", "night", "--zoo", "hmm-no-ebusy", "-o", "kept"]);
    ran.is_unusable(&["clusters.json", "[hmm-no-ebusy]", "another folder"]);
    json(&bench, &["night", "-o", "kept"]);
}

#[test]
fn what_is_no_earlier_run_is_refused() {
    let bench = night();
    bench.write("broken.json", "{\"version\":1}");
    bench.write(
        "other.json",
        "{\"version\":9,\"settings\":\"\",\"interrupted\":false,\"passed\":[],\"unusable\":{},\"clusters\":{}}",
    );
    for (file, why) in [
        ("broken.json", "missing field"),
        ("other.json", "version 9"),
        ("gone.json", "No such"),
    ] {
        let ran = bench.run(&["cluster", "night", "--baseline", file]);
        ran.is_unusable(&[file, why, "clusters.json of an earlier run"]);
    }
}

/// Both bugs leave a page mlocked in a VMA that is not mlocked. The first section of munlock has no
/// name, so the function of the first bug is not known.
#[test]
fn a_first_section_joins_clusters_of_its_own_operation_only() {
    let bench = Bench::new();
    bench.write(
        "night/munlock.mm",
        "mmap p0 0 1 rw\nmlock p0 0 1 on\nmigrate p0 0 1 d0\nmlock p0 0 1 off\n",
    );
    bench.write(
        "night/mremap.mm",
        "mmap p0 0 2 rw\nmlock p0 0 2 on\nlock p0 1\nmremap p0 0 1 2 1 dontunmap\nsetup p0 0 2 d0 to-dev\n",
    );
    let bugs = "latent-munlock-nonpresent,mremap-dontunmap-locked-vm";
    let all = gathered(&bench, bugs, 2);
    assert_eq!(all.ranked().len(), 2, "{all:?}");
}
