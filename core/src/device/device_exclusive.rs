//! Device-exclusive entries: a device uses a page of system memory exclusively, for its atomic
//! operations, until the CPU touches the page.
//!
//! The entry keeps what the mapping had: a reference, and its counts in the mapcount and in the
//! statistics. It replaces a writable mapping, so the page is `PageAnonExclusive`, and stays so.
//! Whether the restored mapping is writable depends on the protection and tracking at that time.
//!
//! Locks: `mmap_lock`, the folio lock, the page-table lock. The folio lock is held from the
//! creation of the entry until the driver has mapped the page. A fault that removes the entry holds
//! it too.
//!
//! Corresponds to `make_device_exclusive` in `mm/rmap.c`; `remove_device_exclusive_entry` and
//! `restore_exclusive_pte` in `mm/memory.c`.

use crate::fault::{Fault, FaultError, FaultResult, VmFault};
use crate::ids::{DevId, Folio, MmId, Pfn, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::PageFlags;
use crate::pte::{Entry, PteFlags, Softleaf, SwapFlags, SwapPte};
use crate::state::{Current, State};

impl State {
    /// Replaces a writable mapping of `page` by a device-exclusive entry, under the page-table
    /// lock. Returns false if there is no such mapping any more.
    fn make_exclusive_pte(&mut self, mm: MmId, addr: u64, page: Pfn) -> bool {
        let Some(at) = self.tables.pte_offset(self.mm(mm).pgd, addr) else {
            return false;
        };
        let Entry::Present(pte) = self.tables.get(at).decode() else {
            return false;
        };
        if pte.pfn() != page || !pte.write() {
            return false;
        }
        self.ptep_clear_flush(at);
        if pte.dirty() {
            self.folio_mark_dirty(self.folio(page));
        }
        // a writable entry has no uffd-wp bit to keep
        let entry = Softleaf::DeviceExclusive {
            write: true,
            pfn: page,
        };
        let entry = entry.to_swap().set(SwapFlags::SOFT_DIRTY, pte.soft_dirty());
        self.tables.set(at, entry.pte());
        zoo!(self, Bug::ExclMapcountDropped => self.uncount_exclusive(mm, addr, page));
        true
    }

    /// Turns the device-exclusive entry at `at` into a mapping, under the page-table lock
    /// (`restore_exclusive_pte`). The folio is locked. No flush is needed: a non-present entry has
    /// no translation.
    pub(crate) fn restore_exclusive_pte(&mut self, vma: VmaId, at: PteRef, swap: SwapPte) {
        let Some(Softleaf::DeviceExclusive { pfn, .. }) = swap.softleaf() else {
            return;
        };
        let bare = self
            .mk_pte(vma, pfn)
            .set(PteFlags::ACCESSED, false)
            .set(PteFlags::SOFT_DIRTY, swap.soft_dirty())
            .set(PteFlags::UFFD_WP, swap.uffd_wp());
        let mut pte = bare;
        if self.can_change_pte_writable(vma, bare) {
            if self.head(self.folio(pfn)).has(PageFlags::DIRTY) {
                pte = pte.mkdirty();
            }
            pte = pte.set(PteFlags::RW, true);
        }
        zoo!(self, Bug::ExclWritableByVmaFlag =>
            let pte = self.writable_by_vma_flag(vma, swap, bare));
        zoo!(self, Bug::ExclMapcountDropped => self.folio_add_anon_rmap(self.unit(pfn), vma, false));
        self.tables.set(at, pte.pte());
    }

    /// Restores the mapping for a fork, which cannot sleep here (`try_restore_exclusive_pte`).
    /// Returns false if the folio is locked.
    pub(crate) fn try_restore_exclusive_pte(
        &mut self,
        cur: Current<'_>,
        vma: VmaId,
        at: PteRef,
        page: Pfn,
    ) -> bool {
        let folio = self.folio(page);
        let locked = self.folio_trylock(cur.task, folio);
        if locked {
            self.restore_exclusive_pte(vma, at, SwapPte::assume(self.tables.get(at)));
            self.folio_unlock(cur.task, folio);
        }
        locked
    }
}

impl Current<'_> {
    /// Makes the page at `addr` exclusive to `owner` (`make_device_exclusive`). Returns it with its
    /// folio locked and with a reference, so that the driver maps it before the CPU can get it
    /// back. The caller holds `mmap_lock` for reading. Returns `None` if the folio is locked and
    /// the kernel does not wait for it, as in 6.12.
    pub async fn make_device_exclusive(
        self,
        mm: MmId,
        addr: u64,
        owner: DevId,
    ) -> Result<Option<Pfn>, FaultError> {
        loop {
            let vma = { self.state().find_vma(mm, addr) };
            if let Some(vma) = vma {
                self.split_if_huge(vma, addr).await;
            }
            // GUP restores the mapping of a page that is already exclusive to some device
            let page = self.get_user_page_remote(mm, addr).await?;
            let folio = { self.state().folio(page) };
            let waits = self.state().rules().exclusive_waits_for_lock;
            if waits {
                self.lock(Lock::Folio(folio)).await;
            } else {
                let s = &mut *self.state();
                if !s.folio_trylock(self.task, folio) {
                    s.folio_put(self.task, folio);
                    return Ok(None);
                }
            }
            let event = NotifierEvent::Exclusive;
            let range = NotifierRange::new(mm, addr..addr + 1, event, Some(owner));
            self.notifier_start(&range).await;
            self.preempt(Site::MakeDeviceExclusive).await;
            {
                let s = &mut *self.state();
                let made = s.make_exclusive_pte(mm, addr, page);
                s.notifier_end(self.task, &range);
                if made {
                    return Ok(Some(page));
                }
                s.folio_unlock(self.task, folio);
                s.folio_put(self.task, folio);
            }
            self.retry_fault(mm, addr).await;
        }
    }

    /// Handles a CPU fault on a device-exclusive entry: the device loses the page
    /// (`remove_device_exclusive_entry`).
    pub(crate) async fn remove_device_exclusive_entry(
        self,
        vmf: VmFault,
        page: Pfn,
    ) -> FaultResult {
        self.preempt(Site::RemoveDeviceExclusive).await;
        let folio = { self.state().folio(page) };
        zoo!(self, Bug::ExclNoPageRef => return self.restore_exclusive(vmf, folio).await);
        // The entry was read without the page-table lock. By now it may be gone, and its page
        // may be free or belong to somebody else.
        if !self.state().folio_try_get(self.task, folio) {
            return Ok(Fault::Done);
        }
        let result = self.restore_exclusive(vmf, folio).await;
        if result == Ok(Fault::Done) {
            self.state().folio_put(self.task, folio);
        }
        result
    }

    /// Restores the mapping under the folio lock. The task holds a reference, and keeps it.
    async fn restore_exclusive(self, vmf: VmFault, folio: Folio) -> FaultResult {
        if !self.state().folio_trylock(self.task, folio) {
            return Ok(Fault::Locked(folio));
        }
        let addrs = vmf.addr..vmf.addr + 1;
        let range = NotifierRange::new(vmf.mm, addrs, NotifierEvent::Clear, None);
        zoo!(self, Bug::ExclRestoreEvent => let range = self.restore_event(&vmf));
        self.notifier_start(&range).await;
        self.preempt(Site::RestoreExclusive).await;
        let s = &mut *self.state();
        if let Some(vmf) = s.pte_same(&vmf) {
            s.restore_exclusive_pte(vmf.vma, vmf.at, SwapPte::assume(vmf.orig));
        }
        s.folio_unlock(self.task, folio);
        s.notifier_end(self.task, &range);
        Ok(Fault::Done)
    }
}
