//! The state that operations work on, and code that several of them share.

use super::outcome::Outcome;
use super::world::{Process, World};
use crate::finding::Finding;
use crate::oracle::{At, Check, contents};
use crate::program;
use crate::reference::{AccessEnd, Change, End};
use crate::shown::Shown;
use crate::window::Window;
use mm_core::{
    ChangeError, Current, DevId, FaultError, Folio, Kernel, Pfn, Softleaf, State, TaskId, VmFlags,
};
use std::cell::RefCell;
use std::ops::Range;

/// The outcome of an operation, or the finding that it raised.
pub type OpResult = Result<Outcome, Box<Finding>>;

/// The state that the operations of a program work on.
pub struct Bench<'k> {
    /// The machine.
    pub kernel: &'k Kernel,
    /// The processes, references, locks and migrations of the program.
    pub world: RefCell<World<'k>>,
    /// The window of the program.
    pub window: Window,
    /// True if the program has one thread.
    pub alone: bool,
    /// Postconditions are not checked.
    pub unchecked: bool,
}

/// An operation that is running.
#[derive(Clone, Copy)]
pub struct Running<'a, 'k> {
    /// The state that it works on.
    pub bench: &'a Bench<'k>,
    /// The task that runs it.
    pub task: TaskId,
    /// The operation, and its place in the program.
    pub at: At,
    /// Number of failed allocations before it began.
    pub failures: u32,
}

pub(super) const fn access_flags(prot: program::Prot) -> VmFlags {
    match prot {
        program::Prot::None => VmFlags::empty(),
        program::Prot::Read => VmFlags::READ,
        program::Prot::ReadWrite => VmFlags::READ.union(VmFlags::WRITE),
    }
}

pub(super) fn dev(dev: program::Dev) -> DevId {
    DevId(dev.get())
}

impl<'k> Running<'_, 'k> {
    pub(super) fn cur(&self) -> Current<'k> {
        self.bench.kernel.current(self.task)
    }

    pub(super) fn addr(&self, addr: program::Addr) -> u64 {
        self.bench.window.addr(addr)
    }

    pub(super) fn range(&self, addr: program::Addr, len: program::Len) -> Range<u64> {
        self.bench.window.range(addr, len)
    }

    /// A word that no other operation of the program writes.
    pub(super) fn word(&self) -> u64 {
        self.at.step as u64 + 1
    }

    /// Number of allocations that have failed since the operation began.
    pub(super) fn failed_allocations(self) -> u32 {
        self.bench.kernel.state().fail.failures - self.failures
    }

    /// Checks a postcondition, but only in a program of one thread. In other programs, another
    /// operation may have changed the state since this operation took effect.
    pub(super) fn postcondition(
        self,
        check: impl FnOnce(At, &State, &mut World<'_>) -> Check,
    ) -> Check {
        if !self.bench.alone || self.bench.unchecked {
            return Ok(());
        }
        let world = &mut *self.bench.world.borrow_mut();
        check(self.at, &self.bench.kernel.state(), world)
    }

    /// Says which folios the operation must have freed once it has ended, but only in a program of
    /// one thread.
    pub(super) fn frees(self, folios: Vec<Folio>) {
        if self.bench.alone {
            self.bench.world.borrow_mut().freed = folios;
        }
    }

    /// Tells the reference model that a change of a range begins. If `gone` is true, the operation
    /// removes the pages of the range, so the process need not keep mapping those that it pinned.
    pub(super) fn begin(
        self,
        process: Process,
        range: &Range<u64>,
        change: Change,
        gone: bool,
    ) -> usize {
        let world = &mut *self.bench.world.borrow_mut();
        if gone {
            world.forget_identity(process.pid, range);
        }
        world.model.begin(process.pid, range.clone(), change)
    }

    /// Tells the reference model how a change has ended, and checks that the model allows this end.
    pub(super) fn end(
        self,
        ticket: usize,
        change: Change,
        result: Result<(), ChangeError>,
    ) -> OpResult {
        let ended = match result {
            Ok(()) => (End::Done, Outcome::Done),
            Err(ChangeError::Gap) => (End::UpToObstacle, Outcome::Enomem),
            Err(ChangeError::NothingMapped) => (End::UpToObstacle, Outcome::Einval),
            Err(ChangeError::NotRegistered) => (End::UpToObstacle, Outcome::Enoent),
            Err(ChangeError::Enomem) => (End::OutOfMemory, Outcome::Enomem),
            Err(ChangeError::Again) => (End::OutOfMemory, Outcome::Eagain),
        };
        self.end_as(ticket, change, ended)
    }

    pub(super) fn end_as(
        self,
        ticket: usize,
        change: Change,
        (end, outcome): (End, Outcome),
    ) -> OpResult {
        let must_succeed = {
            let model = &mut self.bench.world.borrow_mut().model;
            let must_succeed = model.must_succeed(ticket, change);
            model.end(ticket, change, end);
            must_succeed
        };
        match (end, must_succeed) {
            (End::OutOfMemory, _) => self.check_out_of_memory()?,
            (End::Done, Some(false)) => {
                contents::check_outcome(
                    self.at,
                    "the call succeeds: expected a failure".to_owned(),
                )?;
            }
            (End::UpToObstacle | End::SkippingGaps, Some(true)) => {
                contents::check_outcome(
                    self.at,
                    format!("the call fails with {outcome}: expected success"),
                )?;
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// Checks that an allocation has failed since the operation began. Without that, an operation
    /// must not report that memory ran out.
    pub(super) fn check_out_of_memory(self) -> Check {
        if self.bench.kernel.state().fail.failures != self.failures {
            return Ok(());
        }
        contents::check_outcome(
            self.at,
            "out of memory, but no allocation failed".to_owned(),
        )
    }

    /// Tells the reference model how an access has ended, and checks that the model allows this
    /// end.
    pub(super) fn accessed(
        self,
        process: Process,
        addr: u64,
        write: Option<u64>,
        access: AccessEnd,
    ) -> Check {
        let world = &mut *self.bench.world.borrow_mut();
        if write.is_some() && matches!(access, AccessEnd::Word(_)) {
            world.writers.push((process, addr));
        }
        match world.model.access(process.pid, addr, write, access) {
            Ok(()) => Ok(()),
            Err(violation) => contents::check_access(self.at, addr, violation),
        }
    }

    /// The outcome of a fault that failed for a reason other than permission.
    pub(super) fn fault_failed(self, fault: FaultError) -> OpResult {
        if fault == FaultError::Oom {
            self.check_out_of_memory()?;
            return Ok(Outcome::Enomem);
        }
        contents::check_outcome(
            self.at,
            format!("a fault on anonymous memory fails: {fault}"),
        )?;
        Ok(Outcome::Sigbus)
    }

    /// The folio that the entry for an address names, whatever its kind. For a swap entry, it is
    /// the folio in the swap cache.
    pub(super) fn named_folio(self, process: Process, addr: u64) -> Option<Folio> {
        let s = &*self.bench.kernel.state();
        let pte = s.tables().entry_for(s.mm(process.mm).pgd, addr);
        let pfn = match (pte.present(), pte.leaf()) {
            (Some(present), _) => present.pfn(),
            (_, Some(Softleaf::Swap(slot))) => return s.swap().slot(slot).cache,
            (_, leaf) => leaf?.pfn()?,
        };
        (pfn != Pfn::ZERO).then(|| s.folio(pfn))
    }

    /// Records what an operation showed of each page of a range. If the operation ran alone, the
    /// oracles check after the slice that this matches the state.
    pub(super) fn shown(
        self,
        process: Process,
        range: Range<u64>,
        shown: impl ExactSizeIterator<Item = Shown>,
    ) -> Check {
        if shown.len() as u64 != range.end - range.start {
            let pages = range.end - range.start;
            let detail = format!("{} of {pages} pages were shown", shown.len());
            contents::check_outcome(self.at, detail)?;
        }
        let shown = range.zip(shown);
        let shown = shown.map(|(addr, shown)| (process.mm, addr, shown));
        self.bench.world.borrow_mut().shown.extend(shown);
        Ok(())
    }
}
