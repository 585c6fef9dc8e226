//! The rules of the reference model: what it allows, and what it must report.

use mm_core::{KernelVersion, VmFlags, Vma};
use mm_fuzz::reference::{AccessEnd, Change, End, Pid, Reference, RemapCall, RemapEnd, Violation};
use std::ops::Range;

const READ: VmFlags = VmFlags::READ;
const READ_WRITE: VmFlags = VmFlags::READ.union(VmFlags::WRITE);

/// A model with one process that has mapped pages 0 to 7.
struct Model {
    reference: Reference,
    pid: Pid,
}

impl Model {
    fn new() -> Self {
        let mut reference = Reference::default();
        let pid = reference.create();
        let mut model = Self { reference, pid };
        model.done(0..8, Change::Map(READ_WRITE));
        model
    }

    fn begin(&mut self, range: Range<u64>, change: Change) -> usize {
        self.reference.begin(self.pid, range, change)
    }

    /// Runs a range operation that nothing overlaps.
    fn change(&mut self, range: Range<u64>, change: Change, end: End) {
        let ticket = self.begin(range, change);
        self.reference.end(ticket, change, end);
    }

    fn done(&mut self, range: Range<u64>, change: Change) {
        self.change(range, change, End::Done);
    }

    fn must_succeed(&mut self, range: Range<u64>, change: Change) -> Option<bool> {
        let ticket = self.begin(range, change);
        let answer = self.reference.must_succeed(ticket, change);
        self.reference.abort(ticket);
        answer
    }

    fn access(&mut self, addr: u64, write: Option<u64>, result: AccessEnd) -> Option<Violation> {
        let accessed = self.reference.access(self.pid, addr, write, result);
        accessed.err().map(|(violation, _)| violation)
    }

    /// The verdict of the model on a read that returns `word`.
    fn read(&mut self, addr: u64, word: u64) -> Option<Violation> {
        self.access(addr, None, AccessEnd::Word(word))
    }

    fn write(&mut self, addr: u64, word: u64) -> Option<Violation> {
        self.access(addr, Some(word), AccessEnd::Word(word))
    }

    fn read_denied(&mut self, addr: u64) -> Option<Violation> {
        self.access(addr, None, AccessEnd::Denied)
    }

    fn write_denied(&mut self, addr: u64) -> Option<Violation> {
        self.access(addr, Some(9), AccessEnd::Denied)
    }

    fn write_protected(&mut self, addr: u64) -> Option<Violation> {
        self.access(addr, Some(9), AccessEnd::WriteProtected)
    }

    fn assert_reads(&mut self, addr: u64, word: u64) {
        assert_eq!(self.read(addr, word + 1), Some(Violation::Word));
        assert_eq!(self.read(addr, word), None);
    }
}

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
fn userfaultfd_is_asked_about_written_pages() {
    let mut model = Model::new();
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    model.done(0..4, Change::Register);
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    assert_eq!(model.write(0, 5), None);
    model.change(0..8, Change::WriteProtect, End::UpToObstacle);
    assert_eq!(model.write(0, 6), Some(Violation::WriteProtection));
    assert_eq!(model.write_protected(0), None);
    assert_eq!(model.read(0, 5), None, "reads are free");
    let unregistered = model.write_protected(4);
    assert_eq!(unregistered, Some(Violation::WriteProtection));
    model.change(0..8, Change::WriteUnprotect, End::UpToObstacle);
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    assert_eq!(model.write(0, 6), None);
}

#[test]
fn a_page_that_may_not_be_there_may_be_protected() {
    for write_first in [false, true] {
        let mut model = Model::new();
        model.done(0..8, Change::Register);
        model.done(0..8, Change::WriteProtect);
        if write_first {
            assert_eq!(model.write(0, 5), None);
            // it had no entry, so it is not protected
            assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
        } else {
            assert_eq!(model.write_protected(0), None);
        }
    }
}

#[test]
fn the_protection_goes_with_the_registration_and_the_page() {
    let mut model = Model::new();
    model.done(0..8, Change::Register);
    for addr in 0..2 {
        assert_eq!(model.write(addr, 5), None);
    }
    model.done(0..8, Change::WriteProtect);
    model.done(0..1, Change::Unregister);
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    assert_eq!(model.write(0, 6), None);
    model.done(1..2, Change::Drop);
    assert_eq!(model.write_protected(1), None, "a marker may be left");
    assert_eq!(model.write(1, 6), None, "or not");
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
fn userfaultfd_passes_over_gaps_but_not_over_all_of_a_range() {
    let mut model = Model::new();
    model.done(2..4, Change::Unmap);
    assert_eq!(model.must_succeed(1..5, Change::Register), Some(true));
    assert_eq!(model.must_succeed(2..4, Change::Register), Some(false));
    assert_eq!(model.must_succeed(0..5, Change::WriteProtect), Some(false));
    for addr in [1, 4] {
        assert_eq!(model.write(addr, 5), None);
    }
    model.done(1..5, Change::Register);
    assert_eq!(model.must_succeed(1..5, Change::WriteProtect), Some(true));
    assert_eq!(model.must_succeed(2..4, Change::WriteProtect), Some(false));
    assert_eq!(model.must_succeed(0..5, Change::WriteProtect), Some(false));
    model.done(1..5, Change::WriteProtect);
    for addr in [1, 4] {
        assert_eq!(model.write(addr, 6), Some(Violation::WriteProtection));
    }
    // it may or may not be registered still
    model.change(1..2, Change::Unregister, End::OutOfMemory);
    assert_eq!(model.must_succeed(1..5, Change::WriteProtect), None);
    model.change(1..5, Change::WriteUnprotect, End::UpToObstacle);
    for addr in [1, 4] {
        assert_eq!(model.write_protected(addr), None);
        assert_eq!(model.write(addr, 6), None);
    }
    // an open call on the same range makes the result uncertain as well
    let open = model.begin(4..5, Change::Unregister);
    assert_eq!(model.must_succeed(4..5, Change::WriteProtect), None);
    model.reference.end(open, Change::Unregister, End::Done);
    assert_eq!(model.must_succeed(4..5, Change::WriteProtect), Some(false));
}

#[test]
fn write_protection_ends_at_the_first_page_that_is_not_registered() {
    let mut model = Model::new();
    for addr in 0..3 {
        assert_eq!(model.write(addr, 5), None);
    }
    model.done(0..1, Change::Register);
    model.done(2..3, Change::Register);
    model.change(0..3, Change::WriteProtect, End::UpToObstacle);
    assert_eq!(model.write(0, 6), Some(Violation::WriteProtection));
    for addr in 1..3 {
        let asked = model.write_protected(addr);
        assert_eq!(asked, Some(Violation::WriteProtection));
    }
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
fn a_fork_copies_words_and_access_but_no_registration() {
    let mut model = Model::new();
    model.done(0..8, Change::Register);
    assert_eq!(model.write(0, 5), None);
    model.done(0..8, Change::WriteProtect);
    model.done(1..2, Change::Protect(READ));
    let parent = model.pid;
    let ticket = model.reference.begin_fork(parent);
    let child = model.reference.end_fork(ticket).expect("a child");
    model.pid = child;
    model.assert_reads(0, 5);
    assert_eq!(model.write(1, 9), Some(Violation::Protection));
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    assert_eq!(model.write(0, 6), None);
    model.pid = parent;
    assert_eq!(model.read(0, 6), Some(Violation::Word), "the child's word");
    assert_eq!(model.write(0, 7), Some(Violation::WriteProtection));
    model.change(0..8, Change::WriteUnprotect, End::UpToObstacle);
    assert_eq!(model.write(0, 7), None);
    model.pid = child;
    assert_eq!(model.read(0, 7), Some(Violation::Word), "the parent's word");
    model.assert_reads(0, 6);
}

#[test]
fn a_write_during_a_fork_is_copied_or_not() {
    for copied in [5, 6] {
        let mut model = Model::new();
        assert_eq!(model.write(0, 5), None);
        let ticket = model.reference.begin_fork(model.pid);
        assert_eq!(model.write(0, 6), None);
        assert_eq!(model.write_denied(0), Some(Violation::Protection));
        let child = model.reference.end_fork(ticket).expect("a child");
        model.assert_reads(0, 6);
        model.pid = child;
        assert_eq!(model.read(0, 7), Some(Violation::Word));
        assert_eq!(model.read(0, copied), None);
        let other = 11 - copied;
        assert_eq!(model.read(0, other), Some(Violation::Word), "decided");
    }
}

#[test]
fn a_fork_that_failed_leaves_nothing() {
    let mut model = Model::new();
    let ticket = model.reference.begin_fork(model.pid);
    assert_eq!(model.write(0, 5), None);
    model.reference.abort(ticket);
    model.assert_reads(0, 5);
    assert_eq!(model.reference.end_fork(ticket), None);
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
fn a_fork_leaves_out_what_it_is_told_to() {
    let mut model = Model::new();
    model.done(0..4, Change::LeaveOut(true));
    model.done(1..2, Change::LeaveOut(false));
    model.change(3..4, Change::LeaveOut(false), End::OutOfMemory);
    let ticket = model.reference.begin_fork(model.pid);
    model.pid = model.reference.end_fork(ticket).expect("a child");
    assert_eq!(model.read(0, 0), Some(Violation::Protection));
    model.assert_reads(1, 0);
    assert_eq!((model.read(3, 0), model.read_denied(3)), (None, None));
    model.assert_reads(4, 0);
}

#[test]
fn who_gets_a_page_to_write_to_it_may_write() {
    let mut m = Model::new();
    let granted = |m: &mut Model, addr| m.reference.granted(m.pid, addr).err().map(|(is, _)| is);
    assert_eq!(granted(&mut m, 0), None);
    m.done(0..1, Change::Protect(READ));
    assert_eq!(granted(&mut m, 0), Some(Violation::Protection));
    m.done(1..3, Change::Register);
    assert_eq!(m.write(1, 3), None);
    m.done(1..3, Change::WriteProtect);
    assert_eq!(granted(&mut m, 1), Some(Violation::WriteProtection));
    assert_eq!(granted(&mut m, 2), None, "perhaps it had no entry");
    let open = m.begin(0..1, Change::Protect(READ_WRITE));
    assert_eq!(granted(&mut m, 0), None, "either");
    m.reference.abort(open);
}

#[test]
fn a_page_that_was_read_is_there_until_it_is_dropped() {
    let protected = |before: fn(&mut Model)| {
        let mut m = Model::new();
        m.done(0..1, Change::Register);
        assert_eq!(m.read(0, 0), None);
        before(&mut m);
        m.done(0..1, Change::WriteProtect);
        m.reference.write_protected(m.pid, 0)
    };
    assert_eq!(protected(|_| {}), Some(true));
    assert_eq!(protected(|m| m.done(0..1, Change::Drop)), None);
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

#[test]
fn populate_fails_where_the_fault_must_and_leaves_pages_behind() {
    let mut model = Model::new();
    let (reads, writes) = (Change::Populate(false), Change::Populate(true));
    model.done(0..1, Change::Protect(READ));
    model.done(7..8, Change::Unmap);
    assert_eq!(model.must_succeed(0..7, reads), Some(true));
    assert_eq!(model.must_succeed(0..7, writes), Some(false), "read-only");
    assert_eq!(model.must_succeed(1..7, writes), Some(true));
    assert_eq!(model.must_succeed(6..8, reads), Some(false), "a hole");
    // a page that had an entry when it was protected is protected
    model.done(0..7, Change::Register);
    model.done(1..2, reads);
    model.done(2..3, writes);
    model.done(1..4, Change::WriteProtect);
    assert_eq!(model.must_succeed(1..2, writes), Some(false));
    assert_eq!(model.must_succeed(2..3, writes), Some(false));
    assert_eq!(
        model.must_succeed(3..4, writes),
        None,
        "did it have an entry?"
    );
    assert_eq!(model.must_succeed(1..4, reads), Some(true));
    // a call that succeeds has met no protection
    model.done(3..4, writes);
    assert_eq!(model.must_succeed(3..4, writes), Some(true));
    // a failed call has populated the pages before the one that stopped it
    model.change(5..8, writes, End::UpToObstacle);
    model.done(5..7, Change::WriteProtect);
    assert_eq!(model.write_protected(6), None);
    assert_eq!(model.must_succeed(6..7, writes), Some(false));
    // a lazily freed page may vanish again
    model.done(4..5, Change::LazyFree);
    model.done(4..5, writes);
    model.done(4..5, Change::WriteProtect);
    assert_eq!(model.must_succeed(4..5, writes), None);
}

#[test]
fn populate_beside_another_call_says_nothing_of_the_pages() {
    let mut model = Model::new();
    model.done(0..8, Change::Register);
    let drops = model.begin(0..2, Change::Drop);
    let populates = model.begin(0..4, Change::Populate(true));
    let ended = model
        .reference
        .must_succeed(populates, Change::Populate(true));
    assert_eq!(ended, None);
    model
        .reference
        .end(populates, Change::Populate(true), End::Done);
    model.reference.end(drops, Change::Drop, End::Done);
    model.done(0..4, Change::WriteProtect);
    assert_eq!(model.must_succeed(0..1, Change::Populate(true)), None);
}
