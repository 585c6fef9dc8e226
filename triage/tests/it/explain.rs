//! The output of `explain` and `diff`.
//!
//! The tests that run the program are about its command line: output, statuses, files. The others
//! call functions.
#![cfg(feature = "zoo")]

use crate::common::{Bench, repository};
use mm_triage::bugs::Bugs;
use mm_triage::explain::Explanation;
use mm_triage::input;
use serde_json::Value;

const BUG: &str = "slowpath-ro-migent";
const PROGRAM: &str = "mmap p0 0 1 rw\nmigrate p0 0 1 d0\nevict d0 0 1\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("a.mm", PROGRAM);
    bench
}

#[test]
fn each_operation_has_what_it_changed() {
    let ran = bench().run(&["explain", "--zoo", BUG, "a.mm"]);
    assert_eq!((ran.status, &*ran.err), (1, ""), "{ran:?}");
    ran.prints(&[
        "   0  mmap p0 0 1 rw                       ok\n",
        "   1  migrate p0 0 1 d0                    1 moved\n",
        "        mm0 page 48 (window page 0): none -> device-private dev0:0, write, soft-dirty\n",
        "        dev0:0: refs 0 -> 1, maps 0 -> 1, mapping none -> av0, index 0 -> 48, +SWAPBACKED",
        "        rmap: vma0 of mm0 linked to av0\n",
        "   2  evict d0 0 1                         FINDING\n",
        "        mm0 page 48 (window page 0): device-private dev0:0, write, soft-dirty -> present pfn:1, soft-dirty\n",
        "finding: entries/round-trip:evict:device+present\n",
        "first wrong in try_to_migrate:\n  entries/round-trip: was ",
        "without it and with it:\n  2 evict d0 0 1 1 moved\n  2 evict d0 0 1 FINDING\n",
        "        mm0 page 48 (window page 0): present pfn:1, write, soft-dirty -> present pfn:1, soft-dirty\n",
    ]);
}

#[test]
fn a_run_that_passes_is_explained_as_well() {
    let all = Explanation::of(&PROGRAM.parse().expect("a program"), None);
    let last = &all.operations.last().expect("operations").operation;
    assert_eq!(last, "   2  evict d0 0 1                         1 moved");
    assert!(all.finding.is_none() && all.first_difference.is_none());
}

#[test]
fn every_witness_is_explained_with_the_operation_at_which_its_bug_shows() {
    for entry in mm_fuzz::zoo::TABLE {
        let slug = entry.slug;
        let file = repository().join(format!("corpus/zoo/{slug}.mm"));
        let program = input::load(&file, None).expect("a witness").program;
        let bugs = Bugs::parse(slug).expect("a bug");
        let all = Explanation::of(&program, Some(&bugs));
        let cause = all.finding.expect(slug);
        assert!(
            cause.signature.starts_with(entry.oracle),
            "{slug}: {cause:?}"
        );
        assert!(cause.function.is_some(), "{slug}: {cause:?}");
        assert!(all.first_difference.is_some(), "{slug}");
    }
}

#[test]
fn two_runs_stand_side_by_side() {
    let bench = bench();
    let ran = bench.run(&["diff", "--zoo", BUG, "a.mm"]);
    assert_eq!((ran.status, &*ran.err), (1, ""), "{ran:?}");
    ran.prints(&[
        "  with slowpath-ro-migent ",
        "| without\n",
        ">    2  evict d0 0 1                         FINDING           |    2  evict d0 0 1 ",
        "      mm0 page 48 (window page 0): present pfn:1, soft-dirty -> present pfn:1, write, soft-dirty\n",
        "with slowpath-ro-migent: entries/round-trip:evict:device+present\nwithout: pass\n",
    ]);
    let ran = bench.run(&["diff", "a.mm", "a.mm"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.prints(&["no difference\na.mm: pass\na.mm: pass\n"]);
    bench.write("b.mm", PROGRAM.replace("evict d0 0 1", "read p0 0"));
    let ran = bench.run(&["diff", "--json", "a.mm", "b.mm"]);
    let all: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(
        (ran.status, &all["same"], &all["first"]["moment"]),
        (1, &false.into(), &2.into())
    );
    // Both programs pass, although the window has other addresses in the other geometry.
    bench.write("c.mm", format!("geometry x86-64\n{PROGRAM}"));
    let ran = bench.run(&["diff", "a.mm", "c.mm"]);
    ran.prints(&["a.mm: pass\nc.mm: pass\n"]);
}

#[test]
fn one_program_without_a_bug_is_nothing_to_compare() {
    let ran = bench().run(&["diff", "a.mm"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.starts_with("error: "), "{ran:?}");
}
