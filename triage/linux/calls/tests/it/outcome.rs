//! Which calls must fail, which must succeed, and what must not appear.

use crate::common::{PRESENT, apply, kind_of, map, ran, written};
use mm_linux_calls::{
    Advice, BreachKind, Call, Ledger, MapKind, Modes, Odd, Performed, Prot, Range, Resource,
};

const FOUR: Range = Range { first: 0, len: 4 };
const HUGE: Range = Range { first: 0, len: 512 };
const EINVAL: i32 = 22;

/// The kind of the breach if a call ends like this.
fn broken(ledger: &Ledger, call: Call, result: i32) -> Option<BreachKind> {
    let found = ledger.check_outcome(0, &call, result, false);
    found.map(|(_, shown)| shown.0)
}

#[test]
fn what_is_sealed_is_not_unmapped_moved_protected_or_discarded() {
    let mut ledger = written(MapKind::Private, 4, false);
    apply(&mut ledger, Call::Protect(FOUR, Prot::Read));
    let (to, keep) = (100, false);
    let second = Range::new(1, 1);
    let forbidden = [
        Call::Unmap(FOUR),
        Call::Protect(second, Prot::Write),
        Call::Move {
            range: FOUR,
            to,
            keep,
        },
        Call::Move {
            range: Range::new(100, 4),
            to: 0,
            keep,
        },
        Call::Resize(FOUR, 1),
        Call::Advise(FOUR, Advice::DontNeed),
        Call::Advise(second, Advice::WipeOnFork),
    ];
    let allowed = [
        Call::Unmap(Range::new(2, 2)),
        Call::Advise(FOUR, Advice::PageOut),
        Call::Resize(FOUR, 4),
    ];
    assert!(
        forbidden
            .iter()
            .all(|call| broken(&ledger, *call, 0).is_none())
    );
    apply(&mut ledger, Call::Seal(second));
    for call in forbidden {
        assert_eq!(
            broken(&ledger, call, 0),
            Some(BreachKind::SealIgnored),
            "{call:?}"
        );
        assert_eq!(broken(&ledger, call, -1), None, "{call:?}");
    }
    for call in allowed {
        assert_eq!(broken(&ledger, call, 0), None, "{call:?}");
    }
}

#[test]
fn what_can_be_written_to_may_be_discarded() {
    let mut ledger = written(MapKind::Private, 4, false);
    apply(&mut ledger, Call::Seal(FOUR));
    assert_eq!(
        broken(&ledger, Call::Advise(FOUR, Advice::DontNeed), 0),
        None
    );
    // a part of a huge page cannot be discarded, and Linux says that it was
    let mut ledger = written(MapKind::Hugetlb, 512, false);
    apply(&mut ledger, Call::Protect(HUGE, Prot::Read));
    apply(&mut ledger, Call::Seal(HUGE));
    assert_eq!(
        broken(&ledger, Call::Advise(FOUR, Advice::DontNeed), 0),
        None
    );
    let whole = Call::Advise(HUGE, Advice::DontNeed);
    assert_eq!(broken(&ledger, whole, 0), Some(BreachKind::SealIgnored));
}

#[test]
fn advice_can_be_taken_back() {
    for (advice, back) in [
        (Advice::DontFork, Advice::DoFork),
        (Advice::WipeOnFork, Advice::KeepOnFork),
        (Advice::GuardInstall, Advice::GuardRemove),
    ] {
        let mut ledger = written(MapKind::Private, 4, false);
        let back = Call::Advise(FOUR, back);
        assert_eq!(broken(&ledger, back, -EINVAL), None);
        apply(&mut ledger, Call::Advise(FOUR, advice));
        assert_eq!(broken(&ledger, back, -EINVAL), Some(BreachKind::NotUndone));
        let longer = Call::Advise(Range::new(0, 5), Advice::DoFork);
        assert_eq!(broken(&ledger, longer, -EINVAL), None);
        assert!(ledger.check_outcome(0, &back, -EINVAL, true).is_none());
    }
}

#[test]
fn a_device_can_access_what_its_process_can() {
    let mut ledger = written(MapKind::Private, 4, false);
    let (reads, writes) = (Call::DeviceRead(FOUR), Call::DeviceWrite(FOUR));
    assert_eq!(broken(&ledger, reads, -14), Some(BreachKind::Denied));
    assert_eq!(broken(&ledger, writes, -14), Some(BreachKind::Denied));
    // other calls were faster
    assert_eq!(broken(&ledger, writes, -16), None);
    apply(&mut ledger, Call::Protect(FOUR, Prot::Read));
    assert_eq!(broken(&ledger, writes, -14), None);
    apply(&mut ledger, Call::Register(FOUR, Modes::Missing));
    assert_eq!(broken(&ledger, reads, -14), None);
}

#[test]
fn a_page_waits_for_userfaultfd_until_it_is_filled_in() {
    let mut ledger = written(MapKind::Private, 4, false);
    assert!(!ledger.awaits(0, 1));
    apply(&mut ledger, Call::Register(FOUR, Modes::Missing));
    assert!(ledger.awaits(0, 1));
    apply(&mut ledger, Call::Unregister(FOUR));
    assert!(!ledger.awaits(0, 1));
    // a minor fault needs a page of the object
    let mut ledger = written(MapKind::Shared, 1, false);
    map(&mut ledger, 1, 3, MapKind::Shared);
    apply(&mut ledger, Call::Register(FOUR, Modes::Minor));
    assert!(ledger.awaits(0, 0));
    assert!(!ledger.awaits(0, 1));
}

#[test]
fn memory_without_huge_pages_gets_none() {
    let mut ledger = written(MapKind::Private, 4, false);
    let range = Range::new(1, 3);
    assert!(!ledger.is_without_huge(0, range));
    (1..4).for_each(|page| ledger.is_never_huge(0, page));
    assert!(ledger.is_without_huge(0, range));
    assert!(!ledger.is_without_huge(0, FOUR));
    apply(
        &mut ledger,
        Call::Advise(Range::new(2, 1), Advice::HugePage),
    );
    assert!(!ledger.is_without_huge(0, range));
}

#[test]
fn a_process_without_huge_pages_gets_none() {
    let all = Range::new(0, 1024);
    let is_without = |text: &str| {
        let text = format!("mmap p0 0 512 rw\nthp-disable p0 1\nmmap p0 512 512 rw\n{text}");
        let ledger = ran(&text);
        let both = Range::new(512, 512);
        assert!(!ledger.is_without_huge(0, all), "{text}");
        ledger.is_without_huge(0, both)
    };
    assert!(is_without(""));
    // what asks for huge pages gets none either
    assert!(is_without("hugepage p0 512 512\n"));
    assert!(!is_without("thp-disable p0 0\n"));
    assert!(!is_without("thp-disable p0 2\n"));
    let forked = ran("thp-disable p0 1\nfork p0\nmmap p1 0 512 rw\nhugepage p1 0 512\n");
    assert!(forked.is_without_huge(1, Range::new(0, 512)));
}

#[test]
fn a_process_that_ends_merging_has_no_pages_of_ksm() {
    let is_unmerged = |text: &str| {
        let ledger = ran(&format!("mmap p0 0 1 rw\nwrite p0 0 1\n{text}"));
        ledger.is_unmerged(0, 0, PRESENT)
    };
    assert!(!is_unmerged("memory-merge p0 on\n"));
    assert!(is_unmerged("memory-merge p0 on\nmemory-merge p0 off\n"));
    assert!(!is_unmerged("memory-merge p0 off\nmergeable p0 0 1\n"));
    assert!(!is_unmerged("unmergeable p0 0 1\nmemory-merge p0 on\n"));
}

#[test]
fn mremap_that_shrinks_leaves_what_lies_behind_its_range() {
    let mut ledger = written(MapKind::Hugetlb, 512, false);
    map(&mut ledger, 512, 512, MapKind::Private);
    apply(&mut ledger, Call::Resize(Range::new(0, 513), 512));
    assert!(!ledger.is_mapped(0, 512));
    assert!(ledger.is_mapped(0, 513));
}

#[test]
fn a_huge_page_that_is_reserved_is_there() {
    let mut ledger = written(MapKind::Hugetlb, 1024, false);
    let denied = |ledger: &mut Ledger| kind_of(ledger.has_read(0, 512, None));
    assert_eq!(denied(&mut ledger), Some(BreachKind::Denied));
    apply(&mut ledger, Call::Fork);
    assert_eq!(denied(&mut ledger), None);
}

#[test]
fn a_range_that_wraps_around_is_refused() {
    let ledger = written(MapKind::Private, 1, false);
    let page = Range::new(0, 1);
    for odd in Odd::ALL {
        let wanted = odd.must_fail().then_some(BreachKind::Accepted);
        assert_eq!(broken(&ledger, Call::Odd(page, *odd), 0), wanted, "{odd:?}");
        assert_eq!(broken(&ledger, Call::Odd(page, *odd), -EINVAL), None);
    }
}

#[test]
fn root_may_lock_and_have_more_than_its_limit() {
    let denied = |resource: Resource| {
        let mut ledger = written(MapKind::Secret, 1, false);
        apply(&mut ledger, Call::Limit(resource));
        kind_of(ledger.has_read(0, 0, None))
    };
    assert_eq!(denied(Resource::Locked), None);
    assert_eq!(denied(Resource::LockedByRoot), Some(BreachKind::Denied));
}

#[test]
fn a_write_of_another_process_to_secret_memory_fails() {
    let broken = |kind| {
        let page = Range::new(0, 1);
        let done = Performed {
            result: -14,
            pages: 0,
            accesses: vec![(0, Err(-14))],
        };
        let mut ledger = written(kind, 1, false);
        ledger.tell(0, &Call::VmWrite(page), 9, &done, false)
    };
    assert!(broken(MapKind::Secret).is_empty());
    assert_eq!(broken(MapKind::Shared).len(), 1);
}
