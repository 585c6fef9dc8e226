//! What the ledger promises of stacks, the heap, policies, locks, and a memfd that is made shorter.

use crate::common::{PRESENT, apply, kind_of, ledger, map, ran};
use mm_linux_calls::{
    AccessPromise, BreachKind, Call, MapKind, PAGES, Policy, Program, Range, Resource,
};

#[test]
fn a_stack_grows_and_its_new_pages_are_soft_dirty() {
    let mut ledger = ledger(&Program::default());
    map(&mut ledger, 16, 1, MapKind::Stack);
    apply(&mut ledger, Call::ClearSoftDirty);
    assert_eq!(ledger.access(0, 8, false), AccessPromise::Either);
    assert_eq!(ledger.access(0, 17, false), AccessPromise::Faults);
    assert_eq!(ledger.has_read(0, 8, Some(0)), None);
    for page in 8..16 {
        assert!(ledger.is_mapped(0, page));
        let shown = ledger.check_shown(0, page, 0);
        assert_eq!(kind_of(shown), Some(BreachKind::NotSoftDirty));
    }
    assert!(!ledger.is_mapped(0, 7));
    // it also grows across pages where a call that failed may have left nothing
    ledger.apply(0, &Call::Unmap(Range::new(5, 1)), -1, 9, 0);
    assert_eq!(ledger.access(0, 4, false), AccessPromise::Either);
    assert_eq!(ledger.has_read(0, 4, Some(0)), None);
    assert_eq!(ledger.access(0, 6, true), AccessPromise::Either);
    // other memory does not grow
    map(&mut ledger, 100, 1, MapKind::Private);
    let shown = ledger.has_read(0, 99, Some(0));
    assert_eq!(kind_of(shown), Some(BreachKind::Allowed));
}

#[test]
fn a_limited_stack_grows_only_so_far() {
    let mut ledger = ledger(&Program::default());
    map(&mut ledger, PAGES - 1, 1, MapKind::Stack);
    assert_eq!(ledger.grow(0, 1700), None);
    apply(&mut ledger, Call::Limit(Resource::Stack));
    assert_eq!(ledger.grow(0, 1700 - 256), None);
    assert_eq!(
        kind_of(ledger.grow(0, 1700 - 257)),
        Some(BreachKind::OverLimit)
    );
}

#[test]
fn only_another_mapping_may_not_lie_in_the_gap_before_a_stack() {
    let mut ledger = ledger(&Program::default());
    map(&mut ledger, 0, 8, MapKind::Private);
    map(&mut ledger, 263, 1, MapKind::Stack);
    assert!(ledger.is_in_gap(0, 7));
    assert!(!ledger.is_in_gap(0, 6));
    map(&mut ledger, 9, 1, MapKind::Private);
    assert!(!ledger.is_in_gap(0, 7));
    map(&mut ledger, 9, 1, MapKind::Stack);
    assert!(ledger.is_in_gap(0, 7));
    assert!(!ledger.is_in_gap(0, 9));
}

#[test]
fn the_heap_grows_and_shrinks() {
    let mut ledger = ledger(&Program::default());
    apply(&mut ledger, Call::Brk(Range::new(0, 1), 4));
    assert!(!ledger.is_mapped(0, 0));
    assert!((1..4).all(|page| ledger.is_mapped(0, page)));
    apply(&mut ledger, Call::Brk(Range::new(0, 4), 2));
    assert!(ledger.is_mapped(0, 1));
    assert!(!ledger.is_mapped(0, 2));
    // a call that fails changes nothing
    ledger.apply(0, &Call::Brk(Range::new(0, 2), 1), -12, 9, 0);
    assert!(ledger.is_mapped(0, 1));
}

#[test]
fn a_policy_is_known_until_another_mapping_may_change_it() {
    let mut ledger = ledger(&Program::default());
    map(&mut ledger, 0, 4, MapKind::Private);
    assert_eq!(ledger.policy(0, 0), Some((Policy::Default, 0)));
    apply(&mut ledger, Call::Bind(Range::new(0, 2), Policy::Bind, 1));
    assert_eq!(ledger.policy(0, 1), Some((Policy::Bind, 1)));
    assert_eq!(ledger.policy(0, 2), Some((Policy::Default, 0)));
    map(&mut ledger, 0, 1, MapKind::SharedFile);
    assert_eq!(ledger.policy(0, 0), None);
    apply(&mut ledger, Call::Bind(Range::new(0, 1), Policy::Bind, 1));
    assert_eq!(ledger.policy(0, 0), Some((Policy::Bind, 1)));
    map(&mut ledger, 1024, 1, MapKind::SharedTwin);
    apply(
        &mut ledger,
        Call::Bind(Range::new(1024, 1), Policy::Local, 0),
    );
    assert_eq!(ledger.policy(0, 0), None);
}

#[test]
fn mlockall_locks_what_a_stack_grows_by() {
    let is_locked = |flags: &str, after: &str| {
        let text = format!("mmap p0 8 1 rw stack\nmlockall p0 {flags}\n{after}");
        let mut ledger = ran(&text);
        assert_eq!(ledger.grow(0, 7), None);
        ledger.is_locked(0, 7, PRESENT)
    };
    assert!(is_locked("0x2", ""));
    assert!(is_locked("0x3", ""));
    assert!(!is_locked("0x1", ""), "only what is mapped already");
    assert!(!is_locked("0x6", ""), "MCL_ONFAULT: nothing is claimed");
    assert!(!is_locked("0x2", "munlockall p0\n"));
    assert!(
        !is_locked("0x2", "mlockall p0 0x1\n"),
        "flags replace flags"
    );
}

#[test]
fn mlockall_locks_what_is_mapped() {
    let mut ledger = ledger(&Program::default());
    map(&mut ledger, 0, 1, MapKind::Private);
    apply(&mut ledger, Call::LockAll(2));
    assert_eq!(ledger.check_shown(0, 0, 1 << 55), None);
    apply(&mut ledger, Call::LockAll(1));
    let shown = ledger.check_shown(0, 0, 1 << 55);
    assert_eq!(kind_of(shown), Some(BreachKind::NotLocked));
    assert_eq!(ledger.check_shown(0, 0, PRESENT | 1 << 55), None);
    apply(&mut ledger, Call::UnlockAll);
    assert_eq!(ledger.check_shown(0, 0, 1 << 55), None);
}

#[test]
fn nothing_is_known_behind_the_end_of_a_memfd() {
    let mut ledger = ledger(&Program::default());
    map(&mut ledger, 0, 4, MapKind::SharedFile);
    apply(&mut ledger, Call::FileSize(2));
    assert_eq!(ledger.access(0, 1, true), AccessPromise::Allowed);
    assert_eq!(ledger.access(0, 2, true), AccessPromise::Either);
    map(&mut ledger, 0, 4, MapKind::SharedFile);
    assert_eq!(ledger.access(0, 2, true), AccessPromise::Either);
    assert_eq!(ledger.check_file_word(3, 7), None);
    apply(&mut ledger, Call::Punch(Range::new(0, 4)));
    assert_eq!(ledger.check_file_word(3, 7), None);
    assert_eq!(
        kind_of(ledger.check_file_word(1, 7)),
        Some(BreachKind::Contents)
    );
}

#[test]
fn a_stack_may_have_grown_by_an_access_that_failed() {
    let mut ledger = ledger(&Program::default());
    map(&mut ledger, 16, 1, MapKind::Stack);
    assert_eq!(ledger.has_written(0, 8, 1, false, false), None);
    for page in 8..16 {
        for entry in [0, PRESENT] {
            assert_eq!(ledger.check_shown(0, page, entry), None);
        }
    }
    assert_eq!(
        kind_of(ledger.check_shown(0, 7, PRESENT)),
        Some(BreachKind::ShownUnmapped)
    );
}

#[test]
fn a_stack_may_have_grown_to_a_page_of_which_nothing_is_claimed() {
    let mut ledger = ledger(&Program::default());
    map(&mut ledger, 16, 1, MapKind::Stack);
    ledger.apply(0, &Call::Unmap(Range::new(8, 1)), -1, 9, 0);
    assert_eq!(ledger.has_written(0, 8, 1, true, false), None);
    for entry in [0, PRESENT] {
        assert_eq!(ledger.check_shown(0, 12, entry), None);
    }
}
