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
use crate::walk::Walk;
use alloc::vec::Vec;
use core::ops::Range;

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
        /// log2 of the pages that the entry of the CPU stands for (`hmm_pfn_to_map_order`).
        order: u8,
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
    /// The fault ran out of memory (`-ENOMEM`; before 7.3, `-EFAULT`).
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

/// Where a walk ended.
enum Walked {
    /// Behind the last page.
    All,
    /// At a page that is being migrated.
    Migration(u64),
    /// At the first of these pages. All of them must be faulted in. They lie in one page table and
    /// one VMA (`hmm_record_fault`).
    Fault(Range<u64>),
}

impl State {
    /// Looks at the entry for one page, under the page-table lock (`hmm_vma_handle_pte`,
    /// `hmm_vma_handle_pmd`).
    fn hmm_vma_handle_pte(&self, mm: MmId, addr: u64, dev: DevId, request: Request) -> Handled {
        let missing = match request {
            Request::Nothing => Handled::Known(HmmPfn::Nothing),
            _ => Handled::Fault,
        };
        let (at, order) = match self.tables().walk(self.mm(mm).pgd, addr) {
            Walk::Pte(at) => (at, 0),
            Walk::Huge(at, level) => (at, self.geometry().order(level)),
            Walk::Hole(..) => return missing,
        };
        let known = |pfn, write| Handled::Known(HmmPfn::Valid { pfn, write, order });
        let pte = self.tables().part(at, addr);
        zoo!(self, Bug::LatentHmmAbsentPmdOffset if order > 0 && pte.leaf().is_some() =>
            let pte = self.tables().get(at));
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
    /// Finds the pages that `dev` may map in `range`, and faults them in as `request` requires. The
    /// caller sampled `seq` before, and holds `mmap_lock` for reading.
    ///
    /// A walk ends at the first page that needs a fault. The fault is handled after the walk, and
    /// the next walk begins at that page.
    pub async fn hmm_range_fault(
        self,
        mm: MmId,
        range: Range<u64>,
        dev: DevId,
        request: Request,
        seq: u64,
    ) -> Result<Vec<HmmPfn>, HmmError> {
        let mut known = Vec::new();
        loop {
            if self.state().interval_read_retry(dev, mm, seq) {
                return Err(HmmError::Busy);
            }
            let rest = range.start + known.len() as u64..range.end;
            match self.hmm_walk(mm, rest, dev, request, &mut known).await? {
                Walked::All => return Ok(known),
                Walked::Migration(addr) => self.migration_entry_wait(mm, addr).await,
                Walked::Fault(pages) => self.hmm_do_fault(mm, pages, request).await?,
            }
        }
    }

    /// Appends the pages of `range` to `known`, up to the first that needs a fault or is being
    /// migrated (`walk_page_range` with `hmm_walk_ops`).
    async fn hmm_walk(
        self,
        mm: MmId,
        range: Range<u64>,
        dev: DevId,
        request: Request,
        known: &mut Vec<HmmPfn>,
    ) -> Result<Walked, HmmError> {
        for addr in range.clone() {
            let Some(vma) = self.readable_area(mm, addr) else {
                if request != Request::Nothing {
                    return Err(HmmError::Fault);
                }
                known.push(HmmPfn::Error);
                continue;
            };
            self.preempt(Site::HmmRangeFault).await;
            let s = &*self.state();
            match s.hmm_vma_handle_pte(mm, addr, dev, request) {
                Handled::Known(pfn) => known.push(pfn),
                Handled::Broken => return Err(HmmError::Fault),
                Handled::WaitForMigration => return Ok(Walked::Migration(addr)),
                Handled::Fault => {
                    let table_end = (addr | (s.geometry().span(0) - 1)) + 1;
                    let end = range.end.min(table_end).min(s.vma(vma).end);
                    return Ok(Walked::Fault(addr..end));
                }
            }
        }
        Ok(Walked::All)
    }

    /// The VMA at `addr`, if it is readable (`hmm_vma_walk_test`).
    fn readable_area(self, mm: MmId, addr: u64) -> Option<VmaId> {
        let s = &*self.state();
        s.find_vma(mm, addr)
            .filter(|vma| s.vma(*vma).flags.contains(VmFlags::READ))
    }

    /// Faults in pages of one VMA after the walk, looking the VMA up again (`hmm_do_fault`).
    async fn hmm_do_fault(
        self,
        mm: MmId,
        pages: Range<u64>,
        request: Request,
    ) -> Result<(), HmmError> {
        let write = request == Request::Write;
        let Some(vma) = ({ self.state().find_vma(mm, pages.start) }) else {
            return Err(HmmError::Fault);
        };
        if write && !self.state().vma(vma).flags.contains(VmFlags::WRITE) {
            return Err(HmmError::Permission);
        }
        for addr in pages.clone() {
            match self.handle_mm_fault(vma, addr, write).await {
                // the next walk begins at this page
                Ok(Fault::Done) if addr == pages.start => self.retry_fault(mm, addr).await,
                Ok(Fault::Done) => {}
                // without FAULT_FLAG_ALLOW_RETRY, the fault waits with mmap_lock held
                Ok(Fault::Locked(folio)) => self.folio_wait_locked(folio).await,
                Err(FaultError::Oom) => return Err(HmmError::Oom),
                Err(FaultError::UffdWp) => return Err(HmmError::UffdWp),
                Err(FaultError::Sigbus | FaultError::Sigsegv) => return Err(HmmError::Fault),
            }
        }
        Ok(())
    }
}
