//! What the reference model says of words, protection and VMAs.

use super::{Model, READ, READ_WRITE};
use mm_core::{VmFlags, Vma};
use mm_fuzz::reference::{Change, End, Violation};

#[test]
fn a_read_finds_what_was_written_last() {
    let mut model = Model::new();
    model.assert_reads(0, 0);
    assert_eq!(model.write(0, 5), None);
    model.assert_reads(0, 5);
    assert_eq!(model.read(0, 0), Some(Violation::Word), "the old word");
    model.assert_reads(1, 0);
    assert_eq!(model.write(0, 6), None);
    assert_eq!(model.read(0, 5), Some(Violation::Word), "the old word");
    model.done(0..1, Change::Map(READ_WRITE));
    model.assert_reads(0, 0);
}

#[test]
fn access_is_as_the_protection_says() {
    let mut model = Model::new();
    assert_eq!(model.read_denied(0), Some(Violation::Protection));
    assert_eq!(model.write_denied(0), Some(Violation::Protection));
    model.done(0..2, Change::Protect(READ));
    assert_eq!(model.write(1, 5), Some(Violation::Protection));
    assert_eq!(model.write_denied(1), None);
    assert_eq!(model.read_denied(1), Some(Violation::Protection));
    assert_eq!(model.write(2, 5), None, "behind the range");
    model.done(0..2, Change::Protect(VmFlags::empty()));
    assert_eq!(model.read(0, 0), Some(Violation::Protection));
    assert_eq!(model.read_denied(0), None);
    model.done(0..2, Change::Protect(READ_WRITE));
    assert_eq!(model.write(1, 5), None);
}

#[test]
fn nothing_is_there_where_nothing_is_mapped() {
    let mut model = Model::new();
    assert_eq!(model.read(8, 0), Some(Violation::Protection));
    assert_eq!(model.write(8, 1), Some(Violation::Protection));
    assert_eq!(model.write_protected(8), Some(Violation::Protection));
    assert_eq!(model.read_denied(8), None);
    model.done(2..4, Change::Unmap);
    assert_eq!(model.read(3, 0), Some(Violation::Protection));
    assert_eq!(model.read_denied(3), None);
    assert_eq!(model.read(4, 0), None);
    assert!(!model.reference.is_mapped(0, 3));
    assert!(model.reference.is_mapped(0, 4));
}

#[test]
fn a_drop_leaves_zero() {
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    model.done(0..1, Change::Drop);
    assert_eq!(model.read(0, 5), Some(Violation::Word));
    model.assert_reads(0, 0);
    assert_eq!(model.write(0, 6), None);
    assert_eq!(model.write(1, 7), None);
    model.change(0..9, Change::Drop, End::SkippingGaps);
    model.assert_reads(0, 0);
    model.assert_reads(1, 0);
}

#[test]
fn a_call_that_fails_at_a_gap_changes_nothing_behind_it() {
    let mut model = Model::new();
    model.done(2..3, Change::Unmap);
    model.change(0..4, Change::Protect(READ), End::UpToObstacle);
    assert_eq!(model.write(1, 5), Some(Violation::Protection));
    assert_eq!(model.write_denied(1), None);
    assert_eq!(model.write_denied(3), Some(Violation::Protection));
    assert_eq!(model.write(3, 5), None);
    assert_eq!(model.must_succeed(0..4, Change::Protect(READ)), Some(false));
    assert_eq!(model.must_succeed(3..8, Change::Protect(READ)), Some(true));
    assert_eq!(model.must_succeed(0..4, Change::Drop), Some(false));
    assert_eq!(model.must_succeed(2..3, Change::Map(READ)), Some(true));
    assert_eq!(model.reference.readable(0, 3..8), Some(true));
    assert_eq!(model.reference.readable(0, 2..8), Some(false));
}

#[test]
fn out_of_memory_leaves_either_protection_but_no_other_word() {
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    model.change(0..1, Change::Protect(READ), End::OutOfMemory);
    assert_eq!(model.write_denied(0), None);
    assert_eq!(model.read(0, 6), Some(Violation::Word));
    assert_eq!(model.read(0, 5), None);
    assert_eq!(model.write(0, 7), None);
    assert_eq!(model.reference.readable(0, 0..2), None);
    assert_eq!(model.must_succeed(0..2, Change::Protect(READ)), None);
    assert!(!model.reference.is_mapped(0, 0));
    assert_eq!(model.read(1, 1), Some(Violation::Word));
    // an unmapped page may have stopped that call
    model.change(0..2, Change::Protect(READ), End::UpToObstacle);
    assert_eq!(model.write(1, 5), None);
    assert_eq!(model.write_denied(1), None);
    model.done(0..2, Change::Protect(READ_WRITE));
    assert_eq!(model.write_denied(0), Some(Violation::Protection));
}

#[test]
fn an_open_operation_may_have_been_or_not() {
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    let protect = model.begin(0..2, Change::Protect(READ));
    for addr in 0..2 {
        assert_eq!(model.write_denied(addr), None);
        assert_eq!(model.write(addr, 6), None);
    }
    assert_eq!(model.write_denied(2), Some(Violation::Protection));
    assert_eq!(model.read(0, 5), Some(Violation::Word), "it writes nothing");
    assert_eq!(model.reference.readable(0, 1..2), None);
    model
        .reference
        .end(protect, Change::Protect(READ), End::Done);
    assert_eq!(model.write(0, 7), Some(Violation::Protection));
    assert_eq!(model.write_denied(0), None);
    let map = model.begin(8..9, Change::Map(READ_WRITE));
    assert_eq!(model.write_denied(8), None);
    assert_eq!(model.write(8, 1), None);
    model.reference.end(map, Change::Map(READ_WRITE), End::Done);
    assert_eq!(model.read_denied(8), Some(Violation::Protection));
}

#[test]
fn an_open_drop_leaves_both_words() {
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    let drop = model.begin(0..2, Change::Drop);
    assert_eq!(model.read(0, 5), None, "not yet");
    assert_eq!(model.read(0, 0), None, "done");
    assert_eq!(model.read(0, 6), Some(Violation::Word));
    assert_eq!(model.write(1, 7), None);
    model.reference.end(drop, Change::Drop, End::Done);
    assert_eq!(model.read(0, 5), Some(Violation::Word));
    // the write came before the drop, or after it; the first read decides
    assert_eq!(model.read(1, 8), Some(Violation::Word));
    assert_eq!(model.read(1, 0), None);
    assert_eq!(model.read(1, 7), Some(Violation::Word));
}

#[test]
fn reset_forgets_everything() {
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    model.begin(0..8, Change::Drop);
    model.reference.reset();
    model.pid = model.reference.create();
    assert_eq!(model.read(0, 5), Some(Violation::Protection));
    model.done(0..8, Change::Map(READ_WRITE));
    model.assert_reads(0, 0);
}

#[test]
fn advice_on_huge_pages_leaves_contents_alone() {
    let mut model = Model::new();
    model.assert_reads(0, 0);
    model.done(0..4, Change::AdviseHuge(VmFlags::HUGEPAGE));
    model.change(
        1..2,
        Change::AdviseHuge(VmFlags::NOHUGEPAGE),
        End::OutOfMemory,
    );
    model.assert_reads(0, 0);
    model.assert_reads(1, 0);
}

#[test]
fn an_area_is_soft_dirty_from_its_mapping_until_that_is_cleared() {
    let mut m = Model::new();
    let area = |flags| Vma {
        start: 0,
        end: 8,
        flags,
        ..Vma::default()
    };
    let (plain, dirty) = (area(READ_WRITE), area(READ_WRITE | VmFlags::SOFTDIRTY));
    let differs = |m: &Model, area: &Vma, sticky| {
        m.reference
            .areas_differ(m.pid, [area].into_iter(), sticky)
            .is_some()
    };
    assert!(differs(&m, &plain, true));
    assert!(!differs(&m, &plain, false), "a merge may have lost it");
    assert!(!differs(&m, &dirty, true));
    m.reference.begin_clear(m.pid);
    m.done(4..8, Change::Map(READ_WRITE));
    assert!(!differs(&m, &plain, true), "cleared, or not yet");
    assert!(!differs(&m, &dirty, true));
    m.reference.end_clear(m.pid);
    m.done(0..4, Change::Map(READ_WRITE));
    assert!(differs(&m, &plain, true));
}
