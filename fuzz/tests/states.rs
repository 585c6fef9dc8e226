//! Every program of the corpus, and 100,000 random ones, end in the state that
//! `corpus/digests.lock` names. (Only the tests of single bugs, `wanted.rs` and `zoo.rs`, come
//! after this file in the alphabet. So a mutant counts as caught by it only if no earlier test
//! notices the mutant.)

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
