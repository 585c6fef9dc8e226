//! Every program of the corpus, and 100,000 random ones, end in the state that
//! `corpus/digests.lock` names. (All files of this folder are one program, which runs every test
//! even if some fail. So if the log of a mutant of `make mutants` shows this test as the only one
//! that failed, no other test has noticed that mutant.)

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
