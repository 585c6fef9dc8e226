//! What the ledger promises of locked and unmerged pages, of twins, and of calls that fail.

use crate::common::{PRESENT, SOFT_DIRTY, SWAPPED, UFFD_WP, apply, kind_of, map, written};
use mm_linux_calls::{Advice, BreachKind, Call, Ledger, MapKind, Modes, Program, Range};

const PAGE: Range = Range { first: 0, len: 1 };

fn shown(ledger: &Ledger, entry: u64) -> Option<BreachKind> {
    kind_of(ledger.check_shown(0, 0, entry))
}

fn lock() -> Call {
    Call::Lock {
        range: PAGE,
        on_fault: false,
    }
}

#[test]
fn a_locked_page_stays_in_memory_until_it_is_unlocked() {
    let swapped = SWAPPED | SOFT_DIRTY;
    let locked = || {
        let mut ledger = written(MapKind::Private, 1, false);
        apply(&mut ledger, lock());
        ledger
    };
    assert_eq!(shown(&locked(), PRESENT | SOFT_DIRTY), None);
    assert_eq!(shown(&locked(), swapped), Some(BreachKind::NotLocked));
    for (call, result) in [
        (Call::Unlock(PAGE), 0),
        (Call::ToDevice(PAGE), 0),
        (Call::Advise(PAGE, Advice::DontNeedLocked), 0),
        // ENOMEM, as if a hole followed the page in the range: the page is dropped all the same
        (Call::Advise(PAGE, Advice::DontNeedLocked), -12),
    ] {
        let mut ledger = locked();
        ledger.apply(0, &call, result, 9, 1);
        assert_ne!(
            shown(&ledger, swapped),
            Some(BreachKind::NotLocked),
            "{call:?}"
        );
    }
    let mut refuses = locked();
    refuses.apply(0, &Call::Advise(PAGE, Advice::DontNeed), -22, 9, 1);
    assert_eq!(shown(&refuses, swapped), Some(BreachKind::NotLocked));
    let mut ledger = written(MapKind::Private, 1, false);
    ledger.apply(0, &lock(), -12, 9, 1);
    assert_eq!(shown(&ledger, swapped), None, "a lock that failed");
}

/// Linux counts the entry of a page that a device has for itself as "maybe shared", on purpose.
#[test]
fn smaps_may_count_a_page_as_shared_that_a_device_has_for_itself() {
    let mut ledger = written(MapKind::Private, 1, false);
    assert!(ledger.is_alone());
    apply(&mut ledger, Call::Exclusive(PAGE));
    assert!(!ledger.is_alone());
    ledger.reset(&Program::default());
    assert!(ledger.is_alone());
}

#[test]
fn a_locked_page_of_an_object_may_lack_an_entry_and_not_be_out_of_memory() {
    let mut ledger = written(MapKind::SharedFile, 1, false);
    assert!(!ledger.is_resident(0, 0, 0));
    apply(&mut ledger, lock());
    assert!(ledger.is_resident(0, 0, 0));
    assert!(!ledger.is_resident(0, 0, PRESENT), "it is there");
    assert_eq!(shown(&ledger, 0), None);
}

#[test]
fn unmerging_leaves_no_page_of_ksm() {
    let mut ledger = written(MapKind::Private, 1, false);
    assert!(!ledger.is_unmerged(0, 0, PRESENT));
    ledger.apply(0, &Call::Advise(PAGE, Advice::Unmergeable), -22, 9, 1);
    assert!(!ledger.is_unmerged(0, 0, PRESENT), "it failed");
    apply(&mut ledger, Call::Advise(PAGE, Advice::Unmergeable));
    assert!(ledger.is_unmerged(0, 0, PRESENT));
    apply(&mut ledger, Call::Advise(PAGE, Advice::Mergeable));
    assert!(!ledger.is_unmerged(0, 0, PRESENT));
}

#[test]
fn twins_have_the_same_pages() {
    let mut ledger = written(MapKind::SharedFile, 1, false);
    let twin = Range::new(1024, 1);
    map(&mut ledger, twin.first, twin.len, MapKind::SharedTwin);
    assert_eq!(ledger.has_read(0, 1024, Some(7)), None);
    assert_eq!(ledger.has_written(0, 1024, 8, true, false), None);
    assert_eq!(ledger.has_read(0, 0, Some(8)), None);
    let stale = ledger.has_read(0, 0, Some(7));
    assert_eq!(stale.map(|shown| shown.0), Some(BreachKind::Contents));
    assert_eq!(MapKind::SharedTwin.file_page(Range::new(1000, 100)), None);
    assert_eq!(
        MapKind::SharedFile.file_page(Range::new(1000, 100)),
        Some(1000)
    );
}

fn protected(kind: MapKind, wp_async: bool) -> Ledger {
    let mut ledger = written(kind, 1, wp_async);
    apply(&mut ledger, Call::Register(PAGE, Modes::Wp));
    apply(&mut ledger, Call::WriteProtect(PAGE, true));
    assert_eq!(
        shown(&ledger, PRESENT | SOFT_DIRTY),
        Some(BreachKind::NotProtected)
    );
    ledger
}

#[test]
fn unregistering_that_fails_for_its_arguments_protects_on() {
    for (result, after) in [
        (-22, Some(BreachKind::NotProtected)),
        (0, None),
        (-12, None),
    ] {
        let mut ledger = protected(MapKind::Private, false);
        ledger.apply(0, &Call::Unregister(PAGE), result, 9, 1);
        assert_eq!(shown(&ledger, PRESENT | SOFT_DIRTY), after, "{result}");
    }
}

#[test]
fn dropping_a_page_counts_as_a_write_with_asynchronous_protection() {
    for (kind, call) in [
        (MapKind::SharedFile, Call::Advise(PAGE, Advice::Remove)),
        (MapKind::Shared, Call::Advise(PAGE, Advice::Remove)),
        (MapKind::Private, Call::Advise(PAGE, Advice::DontNeed)),
    ] {
        for (wp_async, breach) in [(true, Some(BreachKind::StillProtected)), (false, None)] {
            let mut ledger = protected(kind, wp_async);
            apply(&mut ledger, call);
            assert_eq!(shown(&ledger, UFFD_WP), breach, "{kind:?} {wp_async}");
        }
    }
}

/// After the remap, the mapping at page 0 has page 1 of the object, so a write to page 0 also
/// changes page 1.
#[test]
fn remapped_pages_of_shared_memory_promise_no_contents() {
    let mut ledger = Ledger::default();
    ledger.reset(&Program::default());
    map(&mut ledger, 0, 2, MapKind::Shared);
    apply(&mut ledger, Call::RemapFile(PAGE, 1));
    assert_eq!(ledger.has_written(0, 0, 7, true, false), None);
    assert_eq!(ledger.has_read(0, 1, Some(7)), None);
}
