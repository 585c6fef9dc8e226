//! What the reference model says of `mremap`.

use super::{Model, READ, READ_WRITE};
use mm_core::KernelVersion;
use mm_fuzz::reference::{Change, RemapCall, RemapEnd, Violation};
use std::ops::Range;

const DONE: RemapEnd = RemapEnd::Done;

impl Model {
    fn remap(&mut self, old: Range<u64>, new: Range<u64>, keep_source: bool) -> RemapCall {
        RemapCall {
            pid: self.pid,
            stay: old.start == new.start,
            old,
            new,
            keep_source,
            rules: KernelVersion::V6_12.rules(),
        }
    }

    /// True if a call of `mremap` may end so on 6.12.
    fn remaps(&mut self, old: Range<u64>, new: Range<u64>, end: RemapEnd) -> bool {
        self.remaps_on(KernelVersion::V6_12, old, new, end)
    }

    fn remaps_on(
        &mut self,
        release: KernelVersion,
        old: Range<u64>,
        new: Range<u64>,
        end: RemapEnd,
    ) -> bool {
        let remap = RemapCall {
            rules: release.rules(),
            ..self.remap(old, new, false)
        };
        let ticket = self.reference.begin_remap(remap);
        self.reference
            .end_remap(ticket, end, u32::from(end == RemapEnd::OutOfMemory))
    }
}

#[test]
fn pages_move_with_their_words() {
    let mut model = Model::new();
    assert_eq!(model.write(2, 5), None);
    model.done(2..3, Change::Protect(READ));
    assert!(model.remaps(1..4, 20..24, DONE));
    model.assert_reads(21, 5);
    assert_eq!(model.write(21, 6), Some(Violation::Protection));
    model.assert_reads(20, 0);
    assert_eq!(model.write(23, 7), None, "it grew");
    assert_eq!(model.read(2, 5), Some(Violation::Protection), "gone");
    assert!(model.remaps(20..24, 6..7, DONE), "over a page, and shorter");
    model.assert_reads(6, 0);
    assert_eq!(model.read(21, 5), Some(Violation::Protection));
}

#[test]
fn a_source_that_is_kept_is_empty() {
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    model.done(0..8, Change::Register);
    model.done(0..8, Change::WriteProtect);
    let remap = model.remap(0..1, 10..11, true);
    let ticket = model.reference.begin_remap(remap);
    assert!(model.reference.end_remap(ticket, DONE, 0));
    assert_eq!(model.write(10, 6), None, "its protection stayed behind");
    model.assert_reads(0, 0);
    assert_eq!(
        model.must_succeed(10..11, Change::WriteProtect),
        Some(false)
    );
    assert_eq!(model.must_succeed(0..1, Change::WriteProtect), Some(true));
}

#[test]
fn a_range_is_remapped_or_not_for_a_reason() {
    let ends = [DONE, RemapEnd::Fault, RemapEnd::Inval, RemapEnd::NoRoom];
    let allowed = |old: Range<u64>, new: Range<u64>| {
        ends.map(|end| Model::new().remaps(old.clone(), new.clone(), end))
    };
    assert_eq!(
        allowed(0..2, 20..22),
        [true, true, false, false],
        "several areas"
    );
    assert_eq!(
        allowed(0..1, 20..21),
        [true, false, false, false],
        "one page"
    );
    assert_eq!(allowed(7..9, 20..22), [false, true, false, false], "a gap");
    assert_eq!(
        allowed(8..9, 20..22),
        [false, true, false, false],
        "nothing"
    );
    assert_eq!(allowed(0..2, 1..3), [false, false, true, false], "overlap");
    assert_eq!(allowed(0..4, 0..2), [true, false, false, false], "shrinks");
    assert_eq!(allowed(6..8, 6..9), [true, true, false, false], "grows");
    assert_eq!(allowed(0..2, 0..3), [false, true, false, true], "no room");
}

#[test]
fn newer_kernels_move_areas_with_the_gaps_between_them() {
    let ends = [DONE, RemapEnd::Fault, RemapEnd::Inval, RemapEnd::NoRoom];
    let model = |registered| {
        let mut model = Model::new();
        model.done(2..4, Change::Unmap);
        if registered {
            model.done(1..2, Change::Register);
        }
        model
    };
    let allowed = |old: Range<u64>, new: Range<u64>, registered| {
        ends.map(|end| {
            model(registered).remaps_on(KernelVersion::V7_3, old.clone(), new.clone(), end)
        })
    };
    let moves = [true, false, false, false];
    assert_eq!(allowed(0..6, 20..26, false), moves);
    assert_eq!(
        allowed(0..6, 20..26, true),
        [true, true, false, false],
        "unless one has a userfaultfd"
    );
    let fault = [false, true, false, false];
    assert_eq!(allowed(2..6, 20..24, false), fault, "a gap at the start");
    assert_eq!(
        allowed(0..6, 20..25, false),
        fault,
        "a gap, and the range shrinks"
    );
    let inval = [false, false, true, false];
    assert!(!allowed(2..3, 2..3, false)[2], "it stays");
    assert_eq!(
        allowed(2..4, 3..5, false),
        inval,
        "overlap is checked first"
    );

    let mut model = model(false);
    model.done(20..26, Change::Map(READ_WRITE));
    assert_eq!(model.write(5, 7), None);
    assert_eq!(model.write(22, 8), None);
    assert!(model.remaps_on(KernelVersion::V7_3, 0..6, 20..26, DONE));
    model.assert_reads(25, 7);
    model.assert_reads(22, 8);
    assert_eq!(model.read(5, 7), Some(Violation::Protection));
}

#[test]
fn of_areas_that_fail_to_move_the_first_ones_may_have() {
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    assert!(model.remaps_on(KernelVersion::V7_3, 0..2, 20..22, RemapEnd::OutOfMemory));
    assert_eq!(model.read(20, 5), None);
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    assert!(model.remaps_on(KernelVersion::V7_3, 0..2, 20..22, RemapEnd::OutOfMemory));
    assert_eq!(
        model.read(0, 0),
        Some(Violation::Word),
        "if it is still mapped, it keeps its word"
    );
    assert_eq!(model.read(0, 5), None);
    // one page is one VMA: it did not move
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    assert!(model.remaps_on(KernelVersion::V7_3, 0..1, 20..21, RemapEnd::OutOfMemory));
    model.assert_reads(0, 5);
    assert_eq!(model.read(20, 5), Some(Violation::Protection));
    // the VMA at the destination could not be unmapped again: it is there, without the contents
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    let remap = model.remap(0..1, 20..21, false);
    let ticket = model.reference.begin_remap(remap);
    assert!(model.reference.end_remap(ticket, RemapEnd::OutOfMemory, 2));
    model.assert_reads(0, 5);
    assert_eq!(model.read(20, 5), Some(Violation::Word));
    assert_eq!(model.read(20, 0), None);
}

#[test]
fn a_remap_that_failed_leaves_the_pages() {
    let mut model = Model::new();
    assert_eq!(model.write(0, 5), None);
    assert_eq!(model.write(4, 6), None);
    assert!(model.remaps(0..2, 4..6, RemapEnd::OutOfMemory));
    model.assert_reads(0, 5);
    // the destination may be unmapped, or have an empty VMA instead of its own
    assert_eq!(model.read_denied(4), None);
    assert_eq!(model.read(4, 0), None);
    let mut model = Model::new();
    assert!(model.remaps(7..9, 4..6, RemapEnd::Fault));
    assert_eq!(
        model.read(4, 0),
        Some(Violation::Protection),
        "unmapped before"
    );
}

#[test]
fn a_write_during_a_remap_arrives_or_not() {
    for arrived in [5, 6] {
        let mut model = Model::new();
        assert_eq!(model.write(0, 5), None);
        let remap = model.remap(0..1, 4..5, false);
        let ticket = model.reference.begin_remap(remap);
        assert_eq!(model.read(4, 5), None, "it may be there already");
        assert_eq!(model.write(4, 6), None, "the old page or the new one");
        assert!(model.reference.end_remap(ticket, DONE, 0));
        assert_eq!(model.read(4, 7), Some(Violation::Word));
        assert_eq!(model.read(4, arrived), None);
    }
}
