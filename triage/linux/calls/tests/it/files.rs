//! What the ledger promises of a memfd that changes its size, of a file that may be full, of secret
//! memory, and of what is in memory.

use crate::common::{apply, kind_of, ledger, map};
use mm_linux_calls::{
    AccessPromise, Advice, BreachKind, Call, FileKind, Ledger, MapKind, Program, Range, Resource,
};

fn of(file: FileKind) -> Ledger {
    ledger(&Program {
        file,
        ..Program::default()
    })
}

/// The kind of the breach if a page of the memfd contains 7.
fn file_word(ledger: &Ledger, page: usize) -> Option<BreachKind> {
    kind_of(ledger.check_file_word(page, 7))
}

#[test]
fn what_a_memfd_gains_is_zero() {
    for gains in [
        Call::FileSize(4),
        Call::Allocate(Range::new(3, 1), false),
        Call::FileWrite(Range::new(3, 1)),
        Call::Truncate(Range::new(4, 1)),
    ] {
        let mut ledger = of(FileKind::Plain);
        map(&mut ledger, 0, 4, MapKind::SharedFile);
        apply(&mut ledger, Call::FileSize(1));
        // a write behind the end goes through if a huge page lies there, and is gone later
        assert_eq!(ledger.has_written(0, 2, 7, true, false), None);
        assert_eq!(file_word(&ledger, 2), None);
        apply(&mut ledger, gains);
        assert_eq!(
            file_word(&ledger, 2),
            Some(BreachKind::Contents),
            "{gains:?}"
        );
        // the mapping maps the page again
        assert_eq!(ledger.has_written(0, 2, 7, true, false), None);
        assert_eq!(file_word(&ledger, 2), None);
        assert_eq!(file_word(&ledger, 1), Some(BreachKind::Contents));
    }
}

#[test]
fn what_does_not_make_a_memfd_longer_says_nothing_of_its_end() {
    let mut ledger = of(FileKind::Plain);
    apply(&mut ledger, Call::FileSize(1));
    apply(&mut ledger, Call::Allocate(Range::new(3, 1), true));
    assert_eq!(file_word(&ledger, 2), None);
    // nor does a call that failed
    ledger.apply(0, &Call::FileWrite(Range::new(3, 1)), -28, 9, 0);
    apply(&mut ledger, Call::Allocate(Range::new(3, 1), false));
    assert_eq!(file_word(&ledger, 2), None);
    apply(&mut ledger, Call::Truncate(Range::new(2, 1)));
    assert_eq!(file_word(&ledger, 2), Some(BreachKind::Contents));
}

#[test]
fn a_write_to_a_page_of_which_nothing_is_claimed_may_change_the_memfd() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 2, MapKind::SharedFile);
    ledger.apply(0, &Call::Unmap(Range::new(0, 1)), -12, 9, 0);
    apply(&mut ledger, Call::FileWrite(Range::new(0, 2)));
    assert_eq!(file_word(&ledger, 0), Some(BreachKind::Contents));
    assert_eq!(ledger.has_written(0, 0, 7, true, false), None);
    assert_eq!(file_word(&ledger, 0), None);
}

#[test]
fn a_tmpfs_may_be_full() {
    for (file, promise) in [
        (FileKind::Plain, AccessPromise::Allowed),
        (FileKind::Anonymous, AccessPromise::Allowed),
        (FileKind::Tmpfs, AccessPromise::Either),
    ] {
        let mut ledger = of(file);
        map(&mut ledger, 0, 1, MapKind::SharedFile);
        map(&mut ledger, 1, 1, MapKind::Shared);
        assert_eq!(ledger.access(0, 0, true), promise);
        assert_eq!(ledger.access(0, 1, true), AccessPromise::Allowed);
    }
}

#[test]
fn secret_memory_is_given_to_nobody() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 1, MapKind::Shared);
    map(&mut ledger, 1, 1, MapKind::Secret);
    let both = Range::new(0, 2);
    assert_eq!(ledger.exposed(0, &Call::Pin(both), true), Some(1));
    assert_eq!(ledger.exposed(0, &Call::Pin(both), false), None);
    assert_eq!(ledger.exposed(0, &Call::Pin(Range::new(0, 1)), true), None);
    // it takes what it can
    assert_eq!(ledger.exposed(0, &Call::Splice(both), true), None);
    assert_eq!(ledger.exposed(0, &Call::Read(both), true), None);
    assert_eq!(ledger.access(0, 1, true), AccessPromise::Allowed);
    apply(&mut ledger, Call::Limit(Resource::Locked));
    assert_eq!(ledger.access(0, 1, true), AccessPromise::Either);
}

#[test]
fn mlock_may_fail_only_where_an_access_may() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 2, MapKind::Private);
    assert!(ledger.is_lockable(0, Range::new(0, 2)));
    assert!(!ledger.is_lockable(0, Range::new(0, 3)));
    apply(
        &mut ledger,
        Call::Advise(Range::new(1, 1), Advice::GuardInstall),
    );
    assert!(!ledger.is_lockable(0, Range::new(0, 2)));
    assert!(ledger.is_lockable(0, Range::new(0, 1)));
    apply(&mut ledger, Call::Limit(Resource::Locked));
    assert!(!ledger.is_lockable(0, Range::new(0, 1)));
}

#[test]
fn shared_hugetlb_keeps_what_was_written() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 512, MapKind::SharedHugetlb);
    map(&mut ledger, 512, 1, MapKind::Shared);
    for page in [0, 512] {
        assert!(!ledger.is_kept(0, page));
        assert_eq!(ledger.has_written(0, page, 7, true, false), None);
    }
    assert!(ledger.is_kept(0, 0));
    assert!(!ledger.is_kept(0, 512), "it may be swapped");
    apply(
        &mut ledger,
        Call::Advise(Range::new(0, 512), Advice::DontNeed),
    );
    assert!(ledger.is_kept(0, 0));
    apply(
        &mut ledger,
        Call::Advise(Range::new(0, 512), Advice::Remove),
    );
    assert!(!ledger.is_kept(0, 0));
}

#[test]
fn shmdt_unmaps_what_begins_there() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 4, 2, MapKind::Shm);
    map(&mut ledger, 8, 1, MapKind::SharedFile);
    ledger.apply(0, &Call::Detach(Range::new(4, 1)), -22, 9, 0);
    assert_eq!(ledger.access(0, 4, true), AccessPromise::Either);
    map(&mut ledger, 4, 2, MapKind::Shm);
    apply(&mut ledger, Call::Detach(Range::new(4, 1)));
    assert_eq!(ledger.access(0, 4, true), AccessPromise::Faults);
    assert_eq!(ledger.access(0, 5, true), AccessPromise::Either);
    assert_eq!(ledger.access(0, 8, true), AccessPromise::Allowed);
}
