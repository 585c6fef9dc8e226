//! `hmm_range_fault`: finds, or faults in, the pages that a device may map.
//!
//! The result is a snapshot without references. A driver may use it only under its own lock, and
//! only if no invalidation has begun since [`Current::interval_read_begin`].
//!
//! Corresponds to `mm/hmm.c`.

use crate::fault::{Fault, FaultError};
use crate::ids::{DevId, MmId, Pfn, VmaId};
use crate::lock::Site;
use crate::pte::{Entry, Softleaf};
use crate::state::{Current, State};
use crate::vma::VmFlags;

/// The access that the device needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// None: take a snapshot, and fault nothing in.
    Nothing,
    /// Read.
    Read,
    /// Write.
    Write,
}

/// The result for one page (`HMM_PFN_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HmmPfn {
    /// No access is possible at this address (`HMM_PFN_ERROR`).
    Error,
    /// There is no page that the device can map.
    Nothing,
    /// A page.
    Valid {
        /// Its frame number.
        pfn: Pfn,
        /// True if the device may write to it.
        write: bool,
    },
}

/// Why `hmm_range_fault` failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HmmError {
    /// The range was invalidated since the sequence was sampled: start over (`-EBUSY`).
    Busy,
    /// No VMA allows the access, or the fault failed (`-EFAULT`).
    Fault,
    /// The device asks to write, and the VMA is not writable (`-EPERM`).
    Permission,
    /// The fault ran out of memory.
    Oom,
    /// userfaultfd must handle the write first.
    UffdWp,
}

/// What `hmm_range_fault` does about one entry.
enum Handled {
    Known(HmmPfn),
    Fault,
    WaitForMigration,
    Broken,
}

impl State {
    /// Looks at one entry, under the page-table lock (`hmm_vma_handle_pte`).
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
    /// Finds the page that `dev` may map at `addr`, and faults it in as `request` requires. The
    /// caller sampled `seq` before, and holds `mmap_lock` for reading.
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

    /// The VMA at `addr`, if it is readable (`hmm_vma_walk_test`).
    fn readable_area(self, mm: MmId, addr: u64) -> Option<VmaId> {
        let s = &*self.state();
        s.find_vma(mm, addr)
            .filter(|vma| s.vma(*vma).flags.contains(VmFlags::READ))
    }

    /// Faults the page in; the caller then looks at the entry again (`hmm_vma_fault`).
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
            // without FAULT_FLAG_ALLOW_RETRY, the fault waits with mmap_lock held
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
