//! Operations that look at memory or change it, by a CPU or by a device.

use super::ops::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::finding::Finding;
use crate::oracle::contents::{self, Shown};
use crate::reference::Access;
use mm_core::{DevId, FaultError, HmmError, dmirror};
use std::ops::Range;

impl Running<'_, '_> {
    pub(super) async fn cpu_access(
        self,
        process: Process,
        addr: u64,
        write: Option<u64>,
    ) -> OpResult {
        let result = self.cur().user_access(process.mm, addr, write).await;
        let (access, outcome) = match result {
            Ok(word) => (Access::Word(word), Outcome::Word(word)),
            Err(FaultError::UffdWp) => (Access::WriteProtected, Outcome::WriteProtected),
            Err(FaultError::Sigsegv) => (Access::Denied, Outcome::Segv),
            Err(fault) => return self.fault_failed(fault),
        };
        self.accessed(process, addr, write, access)?;
        Ok(outcome)
    }

    pub(super) fn fault_failed(self, fault: FaultError) -> OpResult {
        if fault == FaultError::Oom {
            self.check_out_of_memory()?;
            return Ok(Outcome::Enomem);
        }
        contents::check_outcome(self.at, format!("{fault:?} on anonymous memory"))?;
        Ok(Outcome::Sigbus)
    }

    pub(super) fn accessed(
        self,
        process: Process,
        addr: u64,
        write: Option<u64>,
        access: Access,
    ) -> Result<(), Box<Finding>> {
        let world = &mut *self.bench.world.borrow_mut();
        if write.is_some() && matches!(access, Access::Word(_)) {
            world.writers.push((process, addr));
        }
        match world.model.access(process.pid, addr, write, access) {
            Ok(()) => Ok(()),
            Err(violation) => contents::check_access(self.at, violation),
        }
    }

    pub(super) async fn device_access(
        self,
        process: Process,
        dev: DevId,
        addr: u64,
        write: Option<u64>,
    ) -> OpResult {
        let result = dmirror::access(self.cur(), dev, process.mm, addr, write).await;
        let (access, outcome) = match result {
            Ok(word) => (Access::Word(word), Outcome::Word(word)),
            Err(HmmError::UffdWp) => (Access::WriteProtected, Outcome::WriteProtected),
            Err(HmmError::Oom) => return self.fault_failed(FaultError::Oom),
            Err(_) => (Access::Denied, Outcome::Segv),
        };
        self.accessed(process, addr, write, access)?;
        Ok(outcome)
    }

    pub(super) async fn snapshot(
        self,
        process: Process,
        dev: DevId,
        range: Range<u64>,
    ) -> OpResult {
        let seen = dmirror::snapshot(self.cur(), dev, process.mm, range.clone()).await;
        let shown = seen.iter().map(|pfn| Shown::Snapshot(dev, *pfn));
        self.shown(process, range, shown)?;
        let seen = seen.iter().map(|pfn| super::outcome::seen(*pfn).into());
        Ok(Outcome::seen(seen))
    }

    pub(super) async fn pagemap(self, process: Process, range: Range<u64>) -> OpResult {
        let seen = self.cur().pagemap_read(process.mm, range.clone()).await;
        let shown = seen.iter().map(|shown| Shown::Pagemap(*shown));
        self.shown(process, range, shown)?;
        Ok(Outcome::seen(seen.iter().map(|shown| shown.bits())))
    }

    /// Something was shown of each page of a range. The oracles look at it if nobody else runs: else it may be so no more.
    fn shown(
        self,
        process: Process,
        range: Range<u64>,
        shown: impl ExactSizeIterator<Item = Shown>,
    ) -> Result<(), Box<Finding>> {
        if shown.len() as u64 != range.end - range.start {
            let detail = format!("{} pages of {range:?} are shown", shown.len());
            contents::check_outcome(self.at, detail)?;
        }
        if self.bench.alone {
            let shown = range.zip(shown);
            let shown = shown.map(|(addr, shown)| (process.mm, addr, shown));
            self.bench.world.borrow_mut().shown.extend(shown);
        }
        Ok(())
    }

    /// Gives pages to a device alone. That needs a page that the process may write to.
    pub(super) async fn exclusive(
        self,
        process: Process,
        dev: DevId,
        range: Range<u64>,
    ) -> OpResult {
        let made = dmirror::exclusive(self.cur(), dev, process.mm, range).await;
        let (pages, Err((addr, fault))) = made else {
            return Ok(Outcome::Exclusive(made.0));
        };
        let (access, outcome) = match fault {
            FaultError::UffdWp => (Access::WriteProtected, Outcome::WriteProtected),
            FaultError::Sigsegv => (Access::Denied, Outcome::Segv),
            fault => (Access::Denied, self.fault_failed(fault)?),
        };
        if fault != FaultError::Oom {
            self.accessed(process, addr, Some(0), access)?;
        }
        Ok(match pages {
            0 => outcome,
            pages => Outcome::Exclusive(pages),
        })
    }
}
