//! The rules of the reference model: what it allows, and what it must report.

mod fork;
mod pages;
mod populate;
mod remap;
mod userfaultfd;

use mm_core::VmFlags;
use mm_fuzz::reference::{AccessEnd, Change, End, Pid, Reference, Violation};
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
