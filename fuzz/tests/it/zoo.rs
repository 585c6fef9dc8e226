//! The witness of each historical bug makes the oracle of the bug's row fire. Without the bug, it
//! makes none fire.
#![cfg(feature = "zoo")]

use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::program::{Program, Thp, text};
use mm_fuzz::zoo::{self, TABLE, Zoo};

fn parsed(text: &str) -> Program {
    text::parse(text).expect("a program")
}

#[test]
fn every_bug_is_caught_by_its_oracle() {
    let mut executor = Executor::new(Options::default());
    let mut oracle = |zoo: Zoo, text: &str| {
        executor.set_zoo(zoo);
        match executor.run(&parsed(text)) {
            Verdict::Pass { .. } => None,
            Verdict::Finding(finding) => Some(finding.oracle()),
        }
    };
    for entry in TABLE {
        let file = format!("zoo/{}.mm", entry.slug);
        let witness = std::fs::read_to_string(mm_fuzz::digest_lock::corpus_dir().join(file));
        let witness = witness.expect("a witness");
        let found = oracle(zoo::only(entry.bug), &witness);
        assert_eq!(found.as_deref(), Some(entry.oracle), "{}", entry.slug);
        assert_eq!(oracle(Zoo::default(), &witness), None, "{}", entry.slug);
        let has_huge_pages = parsed(&witness).thp != Thp::Never;
        assert_eq!(has_huge_pages, entry.huge, "{}", entry.slug);
    }
}
