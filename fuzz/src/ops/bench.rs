//! What operations work on, and what several of them have in common.

use super::outcome::Outcome;
use super::world::{Process, World};
use crate::contract::Base;
use crate::finding::Finding;
use crate::oracle::{At, Check, contents};
use crate::program;
use crate::reference::{Access, Change, End};
use mm_core::{
    ChangeError, Current, DevId, FaultError, Kernel, Pfn, Softleaf, State, TaskId, VmFlags,
};
use std::cell::RefCell;
use std::ops::Range;

/// How an operation ended, or what was wrong with that.
pub type OpResult = Result<Outcome, Box<Finding>>;

/// What the operations of a program work on.
pub struct Bench<'k> {
    /// The machine.
    pub kernel: &'k Kernel,
    /// What the program holds.
    pub world: RefCell<World<'k>>,
    /// Where the program's window is.
    pub base: Base,
    /// The program has one thread.
    pub alone: bool,
}

/// One operation being run.
#[derive(Clone, Copy)]
pub struct Running<'a, 'k> {
    /// Where.
    pub bench: &'a Bench<'k>,
    /// By whom.
    pub task: TaskId,
    /// Which.
    pub at: At,
    /// Allocation failures before it started.
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
        self.bench.base.addr(addr)
    }

    pub(super) fn range(&self, addr: program::Addr, len: program::Len) -> Range<u64> {
        self.bench.base.range(addr, len)
    }

    /// A word that nothing else in the program writes.
    pub(super) fn word(&self) -> u64 {
        self.at.step as u64 + 1
    }

    /// Allocations that have failed since the operation began.
    pub(super) fn failed_allocations(self) -> u32 {
        self.bench.kernel.state().fail.failures - self.failures
    }

    /// Checks a postcondition: it holds in a program that runs one operation at a time. Beside
    /// others, what was so when the operation ended may be so no more.
    pub(super) fn postcondition(
        self,
        check: impl FnOnce(At, &State, &mut World<'_>) -> Check,
    ) -> Check {
        if !self.bench.alone {
            return Ok(());
        }
        let world = &mut *self.bench.world.borrow_mut();
        check(self.at, &self.bench.kernel.state(), world)
    }

    /// Tells the reference model that a change of a range begins. What the range maps loses its identity if it is
    /// `gone`.
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

    /// Tells the reference model how a change has ended; it says whether it may have ended so.
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
                contents::check_outcome(self.at, format!("expected {change:?} to fail"))?;
            }
            (End::UpToObstacle | End::SkippingGaps, Some(true)) => {
                contents::check_outcome(self.at, format!("expected {change:?} to succeed"))?;
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// Memory runs out only if an allocation failed.
    pub(super) fn check_out_of_memory(self) -> Check {
        if self.bench.kernel.state().fail.failures != self.failures {
            return Ok(());
        }
        contents::check_outcome(
            self.at,
            "out of memory, but no allocation failed".to_owned(),
        )
    }

    /// Tells the reference model how an access has ended; it says whether it may have ended so.
    pub(super) fn accessed(
        self,
        process: Process,
        addr: u64,
        write: Option<u64>,
        access: Access,
    ) -> Check {
        let world = &mut *self.bench.world.borrow_mut();
        if write.is_some() && matches!(access, Access::Word(_)) {
            world.writers.push((process, addr));
        }
        match world.model.access(process.pid, addr, write, access) {
            Ok(()) => Ok(()),
            Err(violation) => contents::check_access(self.at, violation),
        }
    }

    /// The outcome of a fault that failed for another reason than permissions.
    pub(super) fn fault_failed(self, fault: FaultError) -> OpResult {
        if fault == FaultError::Oom {
            self.check_out_of_memory()?;
            return Ok(Outcome::Enomem);
        }
        contents::check_outcome(self.at, format!("{fault:?} on anonymous memory"))?;
        Ok(Outcome::Sigbus)
    }

    /// The folio that the entry for an address names, whatever its kind; of a swap entry, the one
    /// in the swap cache.
    pub(super) fn named_folio(self, process: Process, addr: u64) -> Option<Pfn> {
        let s = &*self.bench.kernel.state();
        let pte = s
            .tables()
            .get(s.tables().pte_offset(s.mm(process.mm).pgd, addr)?);
        let pfn = match (pte.present(), pte.leaf()) {
            (Some(present), _) => present.pfn(),
            (_, Some(Softleaf::Swap(slot))) => s.swap().slot(slot).cache?,
            (_, leaf) => leaf?.pfn()?,
        };
        (pfn != Pfn::ZERO).then(|| s.folio(pfn))
    }

    /// Something was shown of each page of a range. That it is what there is, is a postcondition,
    /// which the oracles check after the slice.
    pub(super) fn shown(
        self,
        process: Process,
        range: Range<u64>,
        shown: impl ExactSizeIterator<Item = contents::Shown>,
    ) -> Check {
        if shown.len() as u64 != range.end - range.start {
            let detail = format!("{} pages of {range:?} are shown", shown.len());
            contents::check_outcome(self.at, detail)?;
        }
        self.postcondition(|_, _, world| {
            let shown = range.zip(shown);
            let shown = shown.map(|(addr, shown)| (process.mm, addr, shown));
            world.shown.extend(shown);
            Ok(())
        })
    }
}
