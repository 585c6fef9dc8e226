//! Every program of the corpus, and 100,000 random ones, end in the state that
//! `corpus/digests.lock` names. (Cargo runs test files in alphabetical order, and stops at one that
//! fails. With the zoo, only `wanted.rs` and `zoo.rs`, the tests of single bugs, run after this
//! test. So if this test catches a mutant of `make mutants`, no earlier test has noticed that
//! mutant.)

use mm_fuzz::digest_lock as lock;

#[test]
fn programs_end_as_locked() {
    let digests = lock::digests().unwrap_or_else(|why| panic!("{why}"));
    assert!(
        digests.len() > 100,
        "the corpus has gone: {}",
        digests.len()
    );
    if let Err(differences) = lock::check(&digests) {
        panic!("{differences}if the change was intended, run make bless");
    }
}
