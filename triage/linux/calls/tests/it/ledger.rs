//! Each promise of the ledger is broken once, and the calls that end a promise end it.

use crate::common::{PRESENT, SOFT_DIRTY, UFFD_WP, kind_of, ran};
use mm_linux_calls::{AccessPromise, BreachKind, Range, parse};

#[test]
fn a_written_page_stays_soft_dirty() {
    let lost = |text: &str, page| kind_of(ran(text).check_shown(0, page, PRESENT));
    let written = "mmap p0 0 2 rw\nclear-soft-dirty p0\nwrite p0 0 1\n";
    assert_eq!(lost(written, 0), Some(BreachKind::NotSoftDirty));
    assert_eq!(lost(written, 1), None);
    for call in [
        "ksm p0",
        "pageout p0 0 2",
        "compact p0",
        "to-device p0 0 2",
        "mprotect p0 0 2 r",
    ] {
        assert_eq!(
            lost(&format!("{written}{call}\n"), 0),
            Some(BreachKind::NotSoftDirty),
            "{call}"
        );
    }
    for call in [
        "clear-soft-dirty p0",
        "dontneed p0 0 2",
        "free p0 0 2",
        "munmap p0 1 1\nmunmap p0 0 1",
    ] {
        assert_ne!(
            lost(&format!("{written}{call}\n"), 0),
            Some(BreachKind::NotSoftDirty),
            "{call}"
        );
    }
    assert_eq!(lost("mmap p0 0 1 rw\n", 0), Some(BreachKind::NotSoftDirty));
    assert_eq!(
        lost(&format!("{written}mremap p0 0 1 4\n"), 4),
        Some(BreachKind::NotSoftDirty)
    );
    assert_eq!(ran(written).check_shown(0, 0, PRESENT | SOFT_DIRTY), None);
}

#[test]
fn a_protected_page_stays_protected() {
    let protected = "mmap p0 0 1 rw\nwrite p0 0 1\nclear-soft-dirty p0\nuffd-register p0 0 1 wp\n\
                     uffd-writeprotect p0 0 1 on\n";
    let lost = |text: &str| kind_of(ran(text).check_shown(0, 0, PRESENT));
    assert_eq!(lost(protected), Some(BreachKind::NotProtected));
    for call in [
        "ksm p0",
        "pageout p0 0 1",
        "mlock p0 0 1",
        "to-device p0 0 1",
        "fork p0",
    ] {
        assert_eq!(
            lost(&format!("{protected}{call}\n")),
            Some(BreachKind::NotProtected),
            "{call}"
        );
    }
    for call in [
        "uffd-writeprotect p0 0 1 off",
        "uffd-unregister p0 0 1",
        "dontneed p0 0 1",
        "uffd-register p0 0 1 missing",
    ] {
        assert_eq!(lost(&format!("{protected}{call}\n")), None, "{call}");
    }
    let mut ledger = ran(protected);
    assert_eq!(ledger.access(0, 0, true), AccessPromise::Faults);
    let through = kind_of(ledger.has_written(0, 0, 7, true, false));
    assert_eq!(through, Some(BreachKind::WrittenThrough));
    assert_eq!(ledger.has_written(0, 0, 7, false, false), None);
    let shared = protected.replace("rw\n", "rw shared\n");
    assert_eq!(
        lost(&format!("{shared}dontneed p0 0 1\n")),
        Some(BreachKind::NotProtected)
    );
}

#[test]
fn asynchronous_protection_ends_with_the_first_write() {
    let text = "wp-async\nmmap p0 0 1 rw\nuffd-register p0 0 1 wp\nuffd-writeprotect p0 0 1 on\nwrite p0 0 1\n";
    let shown = PRESENT | SOFT_DIRTY;
    let mut ledger = ran(text);
    assert_eq!(
        kind_of(ledger.check_shown(0, 0, shown | UFFD_WP)),
        Some(BreachKind::StillProtected)
    );
    assert_eq!(ledger.check_shown(0, 0, shown), None);
    ledger.scanned(0, 0);
    assert_eq!(
        kind_of(ledger.check_shown(0, 0, shown)),
        Some(BreachKind::NotProtected)
    );
}

#[test]
fn a_page_contains_what_was_written_last() {
    let mut ledger = ran("mmap p0 0 2 rw\nwrite p0 0 2\nmremap p0 0 1 8\n");
    let word = Range::word(1, 0);
    assert_eq!(ledger.has_read(0, 8, Some(word)), None);
    assert_eq!(
        kind_of(ledger.has_read(0, 8, Some(word + 1))),
        Some(BreachKind::Contents)
    );
    assert_eq!(
        kind_of(ledger.has_read(0, 8, None)),
        Some(BreachKind::Denied)
    );
    assert_eq!(
        kind_of(ledger.has_read(0, 0, Some(word))),
        Some(BreachKind::Allowed)
    );
    assert_eq!(ledger.has_read(0, 0, None), None);
    assert_eq!(
        kind_of(ledger.check_shown(0, 0, PRESENT)),
        Some(BreachKind::ShownUnmapped)
    );
    let mut freed = ran("mmap p0 0 1 rw\nwrite p0 0 1\nfree p0 0 1\n");
    assert_eq!(freed.has_read(0, 0, Some(0)), None);
    assert_eq!(freed.has_read(0, 0, Some(Range::word(1, 0))), None);
    assert_eq!(
        kind_of(freed.has_read(0, 0, Some(7))),
        Some(BreachKind::Contents)
    );
}

#[test]
fn processes_share_what_is_shared_and_nothing_else() {
    let text = "mmap p0 0 1 rw shared\nmmap p0 1 1 rw\nwrite p0 0 2\nfork p0\nwrite p1 0 2\n";
    let mut ledger = ran(text);
    assert_eq!(ledger.has_read(0, 0, Some(Range::word(4, 0))), None);
    assert_eq!(ledger.has_read(0, 1, Some(Range::word(2, 1))), None);
    assert_eq!(
        kind_of(ledger.has_read(0, 1, Some(Range::word(4, 1)))),
        Some(BreachKind::Contents)
    );
    assert_eq!(ledger.has_read(1, 1, Some(Range::word(4, 1))), None);
}

#[test]
fn what_a_failed_call_may_have_done_to_shared_memory_concerns_both() {
    let mut ledger = ran("mmap p0 0 1 rw shared\nfork p0\nmmap p1 4 1 rw shared\n");
    let call = parse("mremap p0 0 1 0").expect("a program").steps[0].call;
    ledger.apply(0, &call, -22, 3, 0);
    assert_eq!(ledger.has_read(1, 0, Some(99)), None);
    assert_eq!(
        kind_of(ledger.has_read(1, 4, Some(99))),
        Some(BreachKind::Contents)
    );
}

#[test]
fn guard_regions_allow_no_access_and_come_back_empty() {
    let guarded = "mmap p0 0 1 rw\nwrite p0 0 1\nguard-install p0 0 1\n";
    assert_eq!(ran(guarded).access(0, 0, false), AccessPromise::Faults);
    let mut removed = ran(&format!("{guarded}guard-remove p0 0 1\n"));
    assert_eq!(removed.has_read(0, 0, Some(0)), None);
    let old = removed.has_read(0, 0, Some(Range::word(1, 0)));
    assert_eq!(kind_of(old), Some(BreachKind::Contents));
}

#[test]
fn nothing_is_claimed_after_a_call_that_failed() {
    let mut ledger = ran("mmap p0 0 2 rw\nwrite p0 0 2\n");
    let call = parse("mremap p0 0 1 1").expect("a program").steps[0].call;
    ledger.apply(0, &call, -22, 2, 0);
    for page in 0..2 {
        assert_eq!(ledger.access(0, page, true), AccessPromise::Either);
        assert_eq!(ledger.check_shown(0, page, 0), None);
        assert_eq!(ledger.has_read(0, page, Some(99)), None);
    }
}
