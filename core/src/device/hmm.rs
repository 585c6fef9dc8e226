//! `hmm_range_fault`: what a device may map, faulted in as asked.
//!
//! The result is a snapshot without references: it may be used only under the driver's lock, and
//! only if no invalidation has begun since [`Current::interval_read_begin`].
//!
//! Corresponds to `mm/hmm.c`.

use crate::fault::{Fault, FaultError};
use crate::ids::{DevId, MmId, Pfn, VmaId};
use crate::lock::Site;
use crate::pte::{Entry, Softleaf};
use crate::state::{Current, State};
use crate::vma::VmFlags;

/// What the device wants to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Only look (a snapshot): nothing is faulted.
    Nothing,
    /// Read.
    Read,
    /// Write.
    Write,
}

/// What is known of one page (`HMM_PFN_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HmmPfn {
    /// The address cannot be accessed at all (`HMM_PFN_ERROR`).
    Error,
    /// Nothing that the device could map.
    Nothing,
    /// A page.
    Valid {
        /// Which.
        pfn: Pfn,
        /// It may be written.
        write: bool,
    },
}

/// Why a range cannot be faulted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HmmError {
    /// An invalidation has begun since the sequence was sampled: start over (`-EBUSY`).
    Busy,
    /// No area, no access, or a fault that failed (`-EFAULT`).
    Fault,
    /// A write to an area that is not writable (`-EPERM`).
    Permission,
    /// The fault ran out of memory.
    Oom,
    /// The write has to be resolved through userfaultfd first.
    UffdWp,
}

/// What an entry tells, or asks for.
enum Handled {
    Known(HmmPfn),
    Fault,
    WaitForMigration,
    Broken,
}

impl State {
    /// One entry, under the page-table lock (`hmm_vma_handle_pte`).
    fn hmm_vma_handle_pte(&self, mm: MmId, addr: u64, dev: DevId, request: Request) -> Handled {
        let known = |pfn, write| Handled::Known(HmmPfn::Valid { pfn, write });
        let missing = match request {
            Request::Nothing => Handled::Known(HmmPfn::Nothing),
            _ => Handled::Fault,
        };
        let Some(at) = self.tables().pte_offset(self.mm(mm).pgd, addr) else {
            return missing;
        };
        let pte = self.tables().get(at);
        zoo!(self, Bug::HmmNonownerDevprivNotFaulted
            if request != Request::Nothing && pte.on_other_device(dev) => return Handled::Broken);
        match (pte.decode(), pte.leaf()) {
            (Entry::None, _) => missing,
            (Entry::Present(p), _) if p.protnone() => missing,
            (Entry::Present(p), _) => {
                if request == Request::Write && !p.write() {
                    return Handled::Fault;
                }
                known(p.pfn(), p.write())
            }
            (_, Some(Softleaf::DevicePrivate { write, pfn })) if pfn.device() == Some(dev) => {
                known(pfn, write)
            }
            (
                _,
                Some(
                    Softleaf::DevicePrivate { .. }
                    | Softleaf::DeviceExclusive { .. }
                    | Softleaf::Swap(_),
                ),
            ) => missing,
            (_, Some(Softleaf::Migration(_))) if request == Request::Nothing => missing,
            (_, Some(Softleaf::Migration(_))) => Handled::WaitForMigration,
            (_, None) => Handled::Broken,
        }
    }
}

impl Current<'_> {
    /// What `dev` may map at `addr`, faulted in for `request`; `mmap_lock` is held for reading, and
    /// the sequence was sampled before.
    pub async fn hmm_range_fault(
        self,
        mm: MmId,
        addr: u64,
        dev: DevId,
        request: Request,
        seq: u64,
    ) -> Result<HmmPfn, HmmError> {
        loop {
            if self.state().interval_read_retry(dev, mm, seq) {
                return Err(HmmError::Busy);
            }
            let Some(vma) = self.readable_area(mm, addr) else {
                return if request == Request::Nothing {
                    Ok(HmmPfn::Error)
                } else {
                    Err(HmmError::Fault)
                };
            };
            self.preempt(Site::HmmRangeFault).await;
            let handled = { self.state().hmm_vma_handle_pte(mm, addr, dev, request) };
            match handled {
                Handled::Known(pfn) => return Ok(pfn),
                Handled::Broken => return Err(HmmError::Fault),
                Handled::WaitForMigration => self.migration_entry_wait(mm, addr).await,
                Handled::Fault => self.hmm_vma_fault(vma, addr, request).await?,
            }
        }
    }

    /// `hmm_vma_walk_test`: an area that may be read.
    fn readable_area(self, mm: MmId, addr: u64) -> Option<VmaId> {
        let s = &*self.state();
        s.find_vma(mm, addr)
            .filter(|vma| s.vma(*vma).flags.contains(VmFlags::READ))
    }

    /// Faults the page in; then the entry is looked at again (`hmm_vma_fault`).
    async fn hmm_vma_fault(self, vma: VmaId, addr: u64, request: Request) -> Result<(), HmmError> {
        let write = request == Request::Write;
        if write && !self.state().vma(vma).flags.contains(VmFlags::WRITE) {
            return Err(HmmError::Permission);
        }
        match self.handle_mm_fault(vma, addr, write).await {
            Ok(Fault::Done) => {
                let mm = self.state().vma(vma).mm;
                self.retry_fault(mm, addr).await;
                Ok(())
            }
            // nobody told the fault that it may drop mmap_lock
            Ok(Fault::Locked(folio)) => {
                self.folio_wait_locked(folio).await;
                Ok(())
            }
            Err(FaultError::Oom) => Err(HmmError::Oom),
            Err(FaultError::UffdWp) => Err(HmmError::UffdWp),
            Err(FaultError::Sigbus | FaultError::Sigsegv) => Err(HmmError::Fault),
        }
    }
}
