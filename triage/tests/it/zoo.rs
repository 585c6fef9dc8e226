//! Every historical bug has a witness and every witness has a bug. With the bug on, the oracle of
//! the table objects to the witness.
//!
//! The tests that run the program are about its command line: output, statuses, files. The others
//! call functions.

use crate::common::Bench;

#[cfg(feature = "zoo")]
mod with_the_zoo {
    use super::*;
    use crate::common::repository;
    use mm_fuzz::zoo::TABLE;
    use mm_triage::Status;
    use mm_triage::zoo::{self, ZooArgs};

    #[test]
    fn every_bug_is_seen_by_the_oracle_of_the_table() {
        let args = ZooArgs {
            json: true,
            corpus: Some(repository().join("corpus")),
        };
        let mut out = Vec::new();
        // The command also fails on a witness without a bug.
        let status = zoo::command(&args, &mut out).expect("it is written");
        let out = String::from_utf8(out).expect("text");
        assert_eq!(status, Status::Pass, "{out}");
        let count = TABLE.len();
        let sums = format!(r#"{{"bugs":{count},"ok":{count},"failed":0}}"#);
        assert_eq!(out.lines().last(), Some(&*sums));
        assert_eq!(out.lines().count(), count + 1);
    }

    #[test]
    fn missing_stray_and_wrong_witnesses_fail() {
        let bench = Bench::new();
        let wrong = TABLE[0].slug;
        bench.write(&format!("corpus/zoo/{wrong}.mm"), "fork p0\n");
        bench.write("corpus/zoo/no-such-bug.mm", "fork p0\n");
        let ran = bench.run(&["zoo", "--corpus", "corpus"]);
        assert_eq!(ran.status, 1, "{ran:?}");
        ran.prints(&[wrong, " pass ", " pass ", "FAIL\n", "no witness", "FAIL\n"]);
        assert!(
            ran.err.contains("no-such-bug.mm: no bug has this name"),
            "{ran:?}"
        );
        let count = TABLE.len();
        ran.prints(&[&format!("zoo: bugs={count} ok=0 failed={}\n", count + 1)]);
        let json = bench.run(&["zoo", "--json", "--corpus", "corpus"]);
        assert_eq!(json.status, 1, "{json:?}");
        json.prints(&[
            &format!(r#"{{"slug":"{wrong}","#),
            r#""found":"pass","off":"pass","ok":false}"#,
            &format!(r#"{{"bugs":{count},"ok":0,"#),
        ]);
    }

    #[test]
    fn a_witness_with_a_mistake_fails_alone() {
        let bench = Bench::new();
        let bad = TABLE[1].slug;
        bench.write(&format!("corpus/zoo/{bad}.mm"), "frok p0\n");
        let ran = bench.run(&["zoo", "--corpus", "corpus"]);
        assert_eq!(ran.status, 1, "{ran:?}");
        ran.prints(&["no witness", bad, "bad witness", "no witness"]);
        assert!(ran.err.contains("line 1, column 1"), "{ran:?}");
    }

    #[test]
    fn no_corpus_is_unusable() {
        Bench::new().run(&["zoo"]).is_unusable(&["no corpus found"]);
    }
}

#[cfg(not(feature = "zoo"))]
#[test]
fn a_build_without_a_zoo_says_so() {
    let bench = Bench::new();
    let sentence = "this build has no historical bugs; build it with --features zoo";
    bench.run(&["zoo"]).is_unusable(&[sentence]);
    bench.write("a.mm", "fork p0\n");
    let ran = bench.run(&["replay", "--zoo=devpriv-mapping-reuse", "a.mm"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains(sentence), "{ran:?}");
    assert_eq!(bench.run(&["replay", "a.mm"]).status, 0);
}
