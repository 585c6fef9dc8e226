//! What the ledger promises of files, read-write protection, pins and hugetlb.

use crate::common::{EXCLUSIVE, PRESENT, SOFT_DIRTY, UFFD_WP, apply, ran, written};
use mm_linux_calls::{
    AccessPromise, Advice, BreachKind, Call, FileKind, Ledger, MapKind, Modes, Program, Prot,
    Range, place,
};

fn contents(ledger: &mut Ledger, process: usize, page: usize, word: u64) -> Option<BreachKind> {
    ledger
        .has_read(process, page, Some(word))
        .map(|shown| shown.0)
}

#[test]
fn a_copy_of_a_file_outlives_a_hole_and_not_a_truncation() {
    let mut ledger = written(MapKind::File, 4, false);
    apply(&mut ledger, Call::Punch(Range::new(0, 4)));
    assert_eq!(contents(&mut ledger, 0, 0, 7), None);
    assert_eq!(contents(&mut ledger, 0, 0, 0), Some(BreachKind::Contents));
    apply(&mut ledger, Call::Truncate(Range::new(1, 1)));
    assert_eq!(contents(&mut ledger, 0, 0, 7), None);
    assert_eq!(contents(&mut ledger, 0, 1, 0), None);
    assert_eq!(contents(&mut ledger, 0, 1, 7), Some(BreachKind::Contents));
}

#[test]
fn a_write_to_a_huge_page_of_a_file_copies_all_of_it() {
    let mut ledger = Ledger::default();
    ledger.reset(&Program {
        file: FileKind::Hugetlb,
        ..Program::default()
    });
    let prot = Prot::Write;
    let map = |range, kind| Call::Map { range, kind, prot };
    let whole = Range::new(0, 512);
    apply(&mut ledger, map(whole, MapKind::SharedFile));
    assert_eq!(ledger.has_written(0, 5, 7, true, false), None);
    apply(&mut ledger, map(whole, MapKind::File));
    assert_eq!(ledger.has_written(0, 0, 8, true, false), None);
    apply(&mut ledger, Call::Punch(whole));
    for (page, word) in [(0, 8), (5, 7)] {
        assert_eq!(contents(&mut ledger, 0, page, word), None);
        let lost = contents(&mut ledger, 0, page, 0);
        assert_eq!(lost, Some(BreachKind::Contents), "page {page}");
    }
    apply(&mut ledger, Call::Truncate(whole));
    assert_eq!(contents(&mut ledger, 0, 5, 0), None);
}

#[test]
fn shared_memory_of_a_file_changes_where_nobody_has_a_copy() {
    let mut ledger = written(MapKind::SharedFile, 4, false);
    let range = Range::new(2, 1);
    let (kind, prot) = (MapKind::File, Prot::Write);
    apply(&mut ledger, Call::Map { range, kind, prot });
    assert_eq!(contents(&mut ledger, 0, 2, 7), None);
    apply(&mut ledger, Call::Punch(range));
    assert_eq!(contents(&mut ledger, 0, 2, 0), None);
    // once the file changes, nothing is known of a page that MADV_POPULATE_WRITE may have copied
    apply(&mut ledger, Call::Advise(range, Advice::PopulateWrite));
    apply(&mut ledger, Call::Punch(range));
    assert_eq!(ledger.access(0, 2, false), AccessPromise::Either);
}

#[test]
fn read_write_protection_ends_with_an_access() {
    for wp_async in [false, true] {
        let mut ledger = written(MapKind::Private, 4, wp_async);
        apply(&mut ledger, Call::ClearSoftDirty);
        apply(&mut ledger, Call::Register(Range::new(0, 4), Modes::Rwp));
        apply(&mut ledger, Call::RwProtect(Range::new(0, 4), true));
        ledger.rw_protected(0, 0, true);
        ledger.rw_protected(0, 1, false);
        assert_eq!(ledger.check_shown(0, 0, PRESENT | UFFD_WP), None);
        let shown = ledger.check_shown(0, 0, PRESENT);
        assert_eq!(shown.map(|shown| shown.0), Some(BreachKind::NotRwProtected));
        // nothing is known of a page that was not there
        assert_eq!(ledger.access(0, 1, false), AccessPromise::Either);
        let read = contents(&mut ledger, 0, 0, 7);
        if wp_async {
            assert_eq!(read, None);
            let shown = ledger.check_shown(0, 0, PRESENT | UFFD_WP);
            assert_eq!(shown.map(|shown| shown.0), Some(BreachKind::StillProtected));
        } else {
            assert_eq!(read, Some(BreachKind::AccessedThrough));
        }
    }
}

#[test]
fn protection_is_shown_only_where_it_is_registered() {
    let mut ledger = written(MapKind::Private, 4, false);
    let kind = |ledger: &Ledger| {
        let shown = ledger.check_shown(0, 0, PRESENT | UFFD_WP | SOFT_DIRTY);
        shown.map(|shown| shown.0)
    };
    assert_eq!(kind(&ledger), Some(BreachKind::ShownProtected));
    apply(&mut ledger, Call::Register(Range::new(0, 4), Modes::Wp));
    assert_eq!(kind(&ledger), None);
    apply(&mut ledger, Call::Unregister(Range::new(0, 4)));
    assert_eq!(kind(&ledger), Some(BreachKind::ShownProtected));
}

#[test]
fn a_pinned_page_is_the_page_that_is_mapped_until_it_is_dropped() {
    let mut ledger = written(MapKind::Private, 4, false);
    apply(&mut ledger, Call::Pin(Range::new(0, 4)));
    assert_eq!(ledger.pinned_word(0, 0), Some(7));
    apply(
        &mut ledger,
        Call::Advise(Range::new(0, 1), Advice::DontNeed),
    );
    assert_eq!(ledger.pinned_word(0, 0), None);
    assert_eq!(ledger.pinned_word(0, 1), Some(7));
    apply(&mut ledger, Call::Unpin);
    assert_eq!(ledger.pinned_word(0, 1), None);
}

#[test]
fn a_page_is_exclusive_if_there_was_never_another_process() {
    let mut ledger = written(MapKind::Private, 4, false);
    assert!(ledger.is_sole(0, 0, PRESENT));
    assert!(!ledger.is_sole(0, 0, PRESENT | EXCLUSIVE));
    apply(&mut ledger, Call::Fork);
    assert!(!ledger.is_sole(0, 0, PRESENT));
    assert!(!written(MapKind::Shared, 4, false).is_sole(0, 0, PRESENT));
}

#[test]
fn an_access_to_hugetlb_may_fail_and_calls_are_rounded() {
    let mut ledger = Ledger::default();
    let range = Range::new(0, 512);
    let (kind, prot) = (MapKind::Hugetlb, Prot::Write);
    apply(&mut ledger, Call::Map { range, kind, prot });
    // the process has reserved the page
    assert_eq!(ledger.access(0, 5, true), AccessPromise::Allowed);
    assert_eq!(ledger.has_written(0, 5, 7, true, false), None);
    assert_eq!(contents(&mut ledger, 0, 5, 8), Some(BreachKind::Contents));
    apply(
        &mut ledger,
        Call::Advise(Range::new(0, 8), Advice::DontNeed),
    );
    assert_eq!(contents(&mut ledger, 0, 5, 8), None);
    apply(&mut ledger, Call::Map { range, kind, prot });
    apply(&mut ledger, Call::Fork);
    assert_eq!(ledger.access(0, 5, true), AccessPromise::Either);
}

#[test]
fn a_write_to_the_file_shows_in_each_mapping_but_not_in_copies() {
    let write = Call::FileWrite(Range::new(0, 4));
    let word = Range::word(9, 1);
    let mut ledger = written(MapKind::SharedFile, 4, false);
    assert_eq!(ledger.check_file_word(1, 7), None);
    apply(&mut ledger, write);
    assert_eq!(contents(&mut ledger, 0, 1, word), None);
    assert_eq!(contents(&mut ledger, 0, 1, 7), Some(BreachKind::Contents));
    let told = ledger.check_file_word(1, 7).map(|shown| shown.0);
    assert_eq!(told, Some(BreachKind::Contents));
    let mut ledger = written(MapKind::File, 4, false);
    apply(&mut ledger, write);
    assert_eq!(contents(&mut ledger, 0, 1, 7), None);
    assert_eq!(
        contents(&mut ledger, 0, 1, word),
        Some(BreachKind::Contents)
    );
    // nobody knows whether a page that was only read has been copied
    apply(
        &mut ledger,
        Call::Advise(Range::new(0, 4), Advice::DontNeed),
    );
    apply(&mut ledger, Call::VmRead(Range::new(0, 1)));
    apply(&mut ledger, Call::FileWrite(Range::new(0, 4)));
    assert_eq!(contents(&mut ledger, 0, 0, 1), None);
    assert_eq!(contents(&mut ledger, 0, 1, 1), Some(BreachKind::Contents));
}

#[test]
fn what_is_pinned_for_writing_stays_soft_dirty() {
    let dirty = |pin| {
        let mut ledger = written(MapKind::Private, 4, false);
        apply(&mut ledger, pin);
        apply(&mut ledger, Call::ClearSoftDirty);
        ledger.check_shown(0, 0, PRESENT).map(|shown| shown.0)
    };
    let range = Range::new(0, 4);
    assert_eq!(dirty(Call::Pin(range)), Some(BreachKind::NotSoftDirty));
    assert_eq!(dirty(Call::PinRead(range)), None);
    assert_eq!(dirty(Call::Pin(Range::new(1, 3))), None);
}

#[test]
fn a_page_of_zeros_that_was_read_is_moved() {
    let moved = |reads: bool| {
        let mut ledger = written(MapKind::Private, 4, false);
        apply(
            &mut ledger,
            Call::Advise(Range::new(0, 4), Advice::DontNeed),
        );
        apply(&mut ledger, Call::ClearSoftDirty);
        if reads {
            assert_eq!(contents(&mut ledger, 0, 0, 0), None);
        }
        ledger.apply(0, &Call::UffdMove(Range::new(0, 1), 2), 0, 9, 1);
        ledger.check_shown(0, 2, PRESENT).map(|shown| shown.0)
    };
    assert_eq!(moved(true), Some(BreachKind::NotSoftDirty));
    assert_eq!(moved(false), None);
}

#[test]
fn the_place_of_a_breach_names_the_memory() {
    assert_eq!(
        place("resize", written(MapKind::Private, 4, false).memory(0, 0)),
        "resize"
    );
    let shared = written(MapKind::SharedFile, 4, false).memory(0, 0);
    assert_eq!(place("end", shared), "end of shared");
    let file = written(MapKind::File, 4, false).memory(0, 0);
    assert_eq!(place("read", file), "read of file");
}

#[test]
fn what_userfaultfd_fills_in_is_neither_poisoned_nor_protected() {
    let text = "mmap p0 0 1 rw shared\nuffd-register p0 0 1 missing+wp\n\
                uffd-writeprotect p0 0 1 on\nuffd-poison p0 0 1\n";
    let before = ran(text).access(0, 0, false);
    assert_eq!(before, AccessPromise::Faults);
    for call in ["uffd-copy", "uffd-zeropage", "uffd-continue"] {
        let mut ledger = ran(&format!("{text}{call} p0 0 1\n"));
        assert_eq!(ledger.has_read(0, 0, Some(0)).map(|(kind, ..)| kind), {
            // only a copy has other contents
            (call == "uffd-copy").then_some(BreachKind::Contents)
        });
        assert_eq!(ledger.check_shown(0, 0, PRESENT), None, "{call}");
    }
}
