//! Operations on a range of an address space: what the reference model is told, and what it allows.

use super::ops::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::finding::Finding;
use crate::oracle::contents;
use crate::reference::{Change, End, Remap, RemapEnd};
use mm_core::{Advice, AdviceError, ChangeError, RemapError, VmFlags};
use std::ops::Range;

impl Running<'_, '_> {
    pub(super) async fn advise(
        self,
        process: Process,
        range: Range<u64>,
        advice: Advice,
    ) -> OpResult {
        let (change, gone) = match advice {
            Advice::DontNeed => (Change::Drop, true),
            Advice::Free => (Change::LazyFree, false),
            Advice::Cold | Advice::PageOut => (Change::Advise, false),
            Advice::WillNeed => (Change::WillNeed, false),
        };
        let ticket = self.begin(process, &range, change, gone);
        let ended = match self.cur().madvise(process.mm, range, advice).await {
            Ok(()) => (End::Done, Outcome::Done),
            Err(AdviceError::Gap) => (End::SkippingGaps, Outcome::Enomem),
            Err(AdviceError::Locked) => (End::UpToObstacle, Outcome::Einval),
        };
        self.end_as(ticket, change, ended)
    }

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

    pub(super) async fn mprotect(
        self,
        process: Process,
        range: Range<u64>,
        access: VmFlags,
    ) -> OpResult {
        let change = Change::Protect(access);
        // where it brings write permission to what is locked in memory, that is populated
        let gains: Vec<u64> = {
            let s = &*self.bench.kernel.state();
            let flags = |addr: u64| Some(s.vma(s.find_vma(process.mm, addr)?).flags);
            let gains =
                |flags: VmFlags| flags & (VmFlags::LOCKED | VmFlags::WRITE) == VmFlags::LOCKED;
            let pages = range.clone().filter(|_| access.contains(VmFlags::WRITE));
            pages
                .filter(|addr| flags(*addr).is_some_and(gains))
                .collect()
        };
        let ticket = self.begin(process, &range, change, false);
        let result = self.cur().mprotect(process.mm, range, access).await;
        let failures = self.bench.kernel.state().fail.failures - self.failures;
        if result.is_ok() && failures == 0 && self.bench.alone {
            let s = &*self.bench.kernel.state();
            contents::check_resident(self.at, s, process.mm, gains.into_iter())?;
        }
        self.end(ticket, change, result)
    }

    pub(super) async fn mremap(self, process: Process, remap: Remap) -> OpResult {
        let how = match (remap.stay, remap.keep_source) {
            (true, _) => mm_core::Remap::Stay,
            (_, false) => mm_core::Remap::Fixed(remap.new.start),
            (_, true) => mm_core::Remap::Dontunmap(remap.new.start),
        };
        let (old, new_len) = (remap.old.clone(), remap.new.end - remap.new.start);
        let ticket = {
            let world = &mut *self.bench.world.borrow_mut();
            world.forget_identity(process.pid, &remap.old);
            world.forget_identity(process.pid, &remap.new);
            world.model.begin_remap(remap.clone())
        };
        let result = self.cur().mremap(process.mm, old, new_len, how).await;
        let failures = self.bench.kernel.state().fail.failures - self.failures;
        let (end, outcome) = match result {
            Ok(()) => (RemapEnd::Done, Outcome::Done),
            Err(RemapError::Fault) => (RemapEnd::Fault, Outcome::Efault),
            Err(RemapError::Inval) => (RemapEnd::Inval, Outcome::Einval),
            Err(RemapError::NoRoom) => (RemapEnd::NoRoom, Outcome::Enomem),
            Err(RemapError::Enomem) => (RemapEnd::OutOfMemory, Outcome::Enomem),
        };
        let allowed = self
            .bench
            .world
            .borrow_mut()
            .model
            .end_remap(ticket, end, failures);
        if end == RemapEnd::OutOfMemory {
            self.check_out_of_memory()?;
        }
        if !allowed {
            let detail = format!("expected another end than {end:?} of {remap:?}");
            contents::check_outcome(self.at, detail)?;
        }
        if end == RemapEnd::Done && failures == 0 && self.bench.alone {
            let grown = remap.new.start + (remap.old.end - remap.old.start)..remap.new.end;
            contents::check_resident(self.at, &self.bench.kernel.state(), process.mm, grown)?;
        }
        Ok(outcome)
    }

    pub(super) fn check_out_of_memory(self) -> Result<(), Box<Finding>> {
        if self.bench.kernel.state().fail.failures != self.failures {
            return Ok(());
        }
        contents::check_outcome(
            self.at,
            "out of memory, but no allocation failed".to_owned(),
        )
    }
}
