//! Page faults.
//!
//! The caller holds `mmap_lock` for reading. A fault handles one problem: a missing page, a page on
//! a device, or a write to a shared page. Then the access is repeated.
//!
//! Corresponds to `mm/memory.c`.

use crate::driver::DeviceFault;
use crate::huge_memory::{HugeFault, Thp};
use crate::ids::{Folio, MmId, Pfn, PteRef, VmaId};
use crate::limits::DEVICES;
use crate::lock::{Lock, Site, Wait};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::PageFlags;
use crate::pte::{Entry, PresentPte, Pte, PteFlags, Softleaf};
use crate::state::{Current, Enomem, State};
use crate::trace::Event;
use crate::vma::VmFlags;
use crate::walk::Walk;

/// What the caller must do after a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Repeat the access.
    Done,
    /// Another task holds the folio lock: drop `mmap_lock`, wait as `folio_wait_locked` does, and
    /// repeat the access. The task holds a reference to the folio (`VM_FAULT_RETRY`).
    Locked(Folio),
}

pub(crate) type FaultResult = Result<Fault, FaultError>;

/// Why an access failed (`VM_FAULT_ERROR`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultError {
    /// Out of memory.
    Oom,
    /// The page could not be migrated back, or the entry is corrupt.
    Sigbus,
    /// No VMA covers the address, or the VMA forbids the access.
    Sigsegv,
    /// userfaultfd must handle the write.
    UffdWp,
}

impl From<Enomem> for FaultError {
    fn from(_: Enomem) -> Self {
        Self::Oom
    }
}

/// A fault being handled (`struct vm_fault`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct VmFault {
    pub vma: VmaId,
    pub mm: MmId,
    pub addr: u64,
    /// The access is a write.
    pub write: bool,
    /// The page must be made exclusive, but not writable (`FAULT_FLAG_UNSHARE`).
    pub unshare: bool,
    /// Where the entry was read. The table may be freed while the page-table lock is not held: see
    /// [`State::pte_same`].
    pub at: PteRef,
    /// True if an mlock batch of the kernel holds a reference to the page of the entry, so that a
    /// write fault must copy the page unless it is exclusive.
    pub in_batch: bool,
    /// The entry as it was read without the page-table lock.
    pub orig: Pte,
}

/// How a write-protect fault continues once the page-table lock is dropped (`do_wp_page`).
pub(crate) enum WpAction {
    Finished(FaultResult),
    /// Copy this page.
    Copy(Pfn),
}

impl State {
    /// The VMA that covers `addr` (`vma_lookup`).
    pub fn find_vma(&self, mm: MmId, addr: u64) -> Option<VmaId> {
        let vmas = &self.mm(mm).vmas;
        let after = vmas.partition_point(|vma| self.vma(*vma).end <= addr);
        vmas.get(after)
            .copied()
            .filter(|vma| self.vma(*vma).start <= addr)
    }

    /// Looks the entry of a fault up again, under the page-table lock (`pte_offset_map_lock`,
    /// `pte_same`). Returns the fault with the location that the entry has now, or `None` if the
    /// entry has changed.
    pub(crate) fn pte_same(&self, vmf: &VmFault) -> Option<VmFault> {
        let at = self.tables.pte_offset(self.mm(vmf.mm).pgd, vmf.addr)?;
        (self.tables.get(at) == vmf.orig).then_some(VmFault { at, ..*vmf })
    }

    /// A read-only entry for a page of `vma`, inaccessible if the VMA is (`mk_pte`).
    pub(crate) fn mk_pte(&self, vma: VmaId, page: Pfn) -> PresentPte {
        PresentPte::new(page)
            .protect(self.vma(vma).accessible())
            .set(PteFlags::ACCESSED, true)
    }

    /// Makes an entry writable if the VMA is (`maybe_mkwrite`).
    pub(crate) fn maybe_mkwrite(&self, vma: VmaId, pte: PresentPte) -> PresentPte {
        pte.set(PteFlags::RW, self.vma(vma).flags.contains(VmFlags::WRITE))
    }

    /// A new, cleared, charged folio (`alloc_anon_folio`, `vma_alloc_zeroed_movable_folio`).
    pub(crate) fn alloc_anon_folio(&mut self, cur: Current<'_>) -> Result<Folio, Enomem> {
        let folio = self.folio_alloc(cur.task, 0)?;
        self.head_mut(folio).word = 0;
        self.charge(folio);
        Ok(folio)
    }

    /// Maps a new page: mapcount, reverse map, LRU, mlock. The mapping takes over the reference of
    /// the allocation.
    pub(crate) fn map_new_anon_page(
        &mut self,
        cur: Current<'_>,
        vma: VmaId,
        addr: u64,
        at: PteRef,
        pte: PresentPte,
    ) {
        let folio = self.folio(pte.pfn());
        self.folio_add_new_anon_rmap(folio, vma, addr, true);
        self.folio_add_lru(folio);
        self.mlock_vma_folio(folio, vma);
        self.disown(cur.task, folio);
        self.tables.set(at, pte.pte());
    }

    /// True if only this mapping uses the page and no entry names its swap slot
    /// (`wp_can_reuse_anon_folio`). If so, the folio gives up its slot and moves to the
    /// anon_vma of `vma`.
    fn wp_can_reuse_anon_folio(&mut self, cur: Current<'_>, folio: Folio, vma: VmaId) -> bool {
        let page = *self.head(folio);
        if page.order > 0 {
            return self.wp_can_reuse_large_anon_folio(cur, self.vma(vma).mm, folio);
        }
        let cached = i32::from(page.has(PageFlags::SWAPCACHE));
        let shared = page.refcount > 1 + cached;
        zoo!(self, Bug::CowEitherWay if page.mapcount == 1 => let shared = false);
        // before be068f29034f, do_wp_page unlocked the page only after it had dropped the
        // page-table lock, when the page could be free already. Here, this check is skipped, and
        // the folio stays locked if the check below refuses.
        zoo!(self, Bug::CowWpSimplification => let shared = false);
        if shared {
            return false;
        }
        if !self.folio_trylock(cur.task, folio) {
            return false;
        }
        self.folio_free_swap(folio);
        let shared = self.head(folio).refcount != 1;
        zoo!(self, Bug::CowEitherWay if page.mapcount == 1 => let shared = false);
        if shared {
            zoo!(self, Bug::CowWpSimplification => return false);
            self.folio_unlock(cur.task, folio);
            return false;
        }
        self.folio_move_anon_rmap(folio, vma);
        self.folio_unlock(cur.task, folio);
        true
    }

    /// Handles a write to, or an unshare of, a read-only entry, under the page-table lock
    /// (`do_wp_page`). If the page must be copied, the task gets a reference to it.
    pub(crate) fn do_wp_page(
        &mut self,
        cur: Current<'_>,
        vmf: &VmFault,
        pte: PresentPte,
    ) -> WpAction {
        let area = self.vma(vmf.vma);
        let protected = area.flags.userfaultfd_pte_wp(pte);
        let registered = area.flags.contains(VmFlags::UFFD_WP);
        zoo!(self, Bug::InvariantWriteXorUffdwp => let protected = false);
        if !vmf.unshare && protected {
            return WpAction::Finished(Err(FaultError::UffdWp));
        }
        zoo!(self, Bug::UffdwpDeferredFlush => let registered = false);
        if !vmf.unshare && registered && self.mm_tlb_flush_pending(vmf.mm) {
            // UFFDIO_WRITEPROTECT holds mmap_lock only for reading while it owes its flush
            self.flush_tlb_page(vmf.mm, vmf.addr);
        }
        let page = pte.pfn();
        let folio = self.folio(page);
        let exclusive = page != Pfn::ZERO && self.page(page).anon_exclusive();
        // before PageAnonExclusive (5.19), a page that somebody else held was always copied
        zoo!(self, Bug::UffdwpDeferredFlush if self.head(folio).refcount > 1 =>
            let exclusive = false);
        let reuse = exclusive
            || page != Pfn::ZERO
                && !vmf.in_batch
                && self.wp_can_reuse_anon_folio(cur, folio, vmf.vma);
        if !reuse {
            if page != Pfn::ZERO {
                self.folio_get(cur.task, folio);
            }
            return WpAction::Copy(page);
        }
        if !exclusive {
            self.page_mut(page).flags.insert(PageFlags::ANON_EXCLUSIVE);
        }
        if !vmf.unshare {
            let young = pte.set(PteFlags::ACCESSED, true).mkdirty();
            self.tables
                .set(vmf.at, self.maybe_mkwrite(vmf.vma, young).pte());
        }
        WpAction::Finished(Ok(Fault::Done))
    }

    /// Tries to lock the folio of a device page for a fault, under the page-table lock. If it locks
    /// the folio, it also takes a reference. Returns the folio, and whether it is now locked for
    /// the fault: false if somebody else has locked it.
    fn lock_for_fault(&mut self, cur: Current<'_>, page: Pfn) -> (Folio, bool) {
        let folio = self.folio(page);
        let locked = self.folio_trylock(cur.task, folio);
        if locked {
            self.folio_get(cur.task, folio);
        }
        (folio, locked)
    }

    /// Replaces the copied page by the copy, under the page-table lock. Returns false if the entry
    /// has changed.
    fn wp_page_copied(&mut self, cur: Current<'_>, vmf: &VmFault, old: Pfn, new: Folio) -> bool {
        let Some(vmf) = self.pte_same(vmf) else {
            return false;
        };
        let orig = PresentPte::assume(vmf.orig);
        let pte = self.mk_pte(vmf.vma, new.head());
        let pte = if vmf.unshare {
            pte.set(PteFlags::SOFT_DIRTY, orig.soft_dirty())
                .set(PteFlags::UFFD_WP, orig.uffd_wp())
        } else {
            self.maybe_mkwrite(vmf.vma, pte.mkdirty())
        };
        self.ptep_clear_flush(vmf.at);
        self.map_new_anon_page(cur, vmf.vma, vmf.addr, vmf.at, pte);
        let zero_page = old == Pfn::ZERO;
        zoo!(self, Bug::UprobeZeropage => let zero_page = false);
        if zero_page {
            self.mm_mut(vmf.mm).anon_rss += 1;
        } else {
            self.folio_remove_rmap(self.unit(old), vmf.vma);
            let old = self.folio(old);
            self.free_swap_cache(old);
            self.folio_ref_sub(old, 1);
        }
        true
    }
}

impl Current<'_> {
    /// One access of the CPU through the MMU, with as many page faults as it needs. Returns the
    /// word that it read or wrote.
    pub async fn user_access(
        self,
        mm: MmId,
        addr: u64,
        write: Option<u64>,
    ) -> Result<u64, FaultError> {
        loop {
            if let Some(word) = { self.state().mmu_access(self.task, mm, addr, write) } {
                self.made_progress();
                return Ok(word);
            }
            match self.do_user_addr_fault(mm, addr, write.is_some()).await {
                Ok(()) => self.retry_fault(mm, addr).await,
                // A failed allocation kills nobody while there is free memory: the access is
                // repeated (`pagefault_out_of_memory`).
                Err(FaultError::Oom) if !self.state().frames().exhausted() => {
                    self.retry_fault(mm, addr).await
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn do_user_addr_fault(self, mm: MmId, addr: u64, write: bool) -> Result<(), FaultError> {
        self.lock(Lock::MmapRead(mm)).await;
        let result = self.fault_in_area(mm, addr, write).await;
        self.unlock(Lock::MmapRead(mm));
        if let Fault::Locked(folio) = result? {
            self.folio_wait_locked(folio).await;
        }
        Ok(())
    }

    /// Waits until a folio is unlocked, and drops the task's reference to it (the end of
    /// `__folio_lock_or_retry`).
    pub(crate) async fn folio_wait_locked(self, folio: Folio) {
        self.lock(Lock::Folio(folio)).await;
        let s = &mut *self.state();
        s.folio_unlock(self.task, folio);
        s.folio_put(self.task, folio);
    }

    /// Handles a fault at `addr` if a VMA covers it and allows the access. The caller holds
    /// `mmap_lock`.
    pub(crate) async fn fault_in_area(self, mm: MmId, addr: u64, write: bool) -> FaultResult {
        let found = { self.state().find_vma(mm, addr) };
        let Some(vma) = found else {
            return Err(FaultError::Sigsegv);
        };
        let needed = if write { VmFlags::WRITE } else { VmFlags::READ };
        if !self.state().vma(vma).flags.contains(needed) {
            return Err(FaultError::Sigsegv);
        }
        self.handle_mm_fault(vma, addr, write).await
    }

    /// Faults in the page at `addr` without an access (`fixup_user_fault`). The caller holds
    /// `mmap_lock` for reading, and it stays held.
    pub async fn fixup_user_fault(
        self,
        mm: MmId,
        addr: u64,
        write: bool,
    ) -> Result<(), FaultError> {
        if let Fault::Locked(folio) = self.fault_in_area(mm, addr, write).await? {
            self.folio_wait_locked(folio).await;
        }
        Ok(())
    }

    /// Handles a fault at `addr` of `vma` (`handle_mm_fault`).
    pub(crate) async fn handle_mm_fault(self, vma: VmaId, addr: u64, write: bool) -> FaultResult {
        self.handle_pte_fault(vma, addr, write, false).await
    }

    /// `handle_mm_fault` with `FAULT_FLAG_UNSHARE`.
    pub(crate) async fn handle_unshare_fault(self, vma: VmaId, addr: u64) -> FaultResult {
        self.handle_pte_fault(vma, addr, false, true).await
    }

    /// Handles a fault where a huge entry stands for the address, or may be mapped (the part of
    /// `__handle_mm_fault` for the PMD).
    async fn handle_pmd_fault(
        self,
        vma: VmaId,
        addr: u64,
        write: bool,
        unshare: bool,
    ) -> Result<HugeFault, FaultError> {
        let (mm, pmd) = {
            let s = &*self.state();
            let mm = s.vma(vma).mm;
            match s.tables().walk(s.mm(mm).pgd, addr) {
                Walk::Pte(_) => return Ok(HugeFault::Fallback),
                Walk::Huge(at, _) => (mm, s.tables().get(at)),
                Walk::Hole(..) => (mm, Pte::NONE),
            }
        };
        match pmd.leaf() {
            Some(Softleaf::Migration(_)) => {
                self.migration_entry_wait(mm, addr).await;
                return Ok(HugeFault::Done(Fault::Done));
            }
            Some(Softleaf::DevicePrivate { pfn, .. }) => {
                let done = self.do_huge_pmd_device_private(vma, addr, pmd, pfn).await?;
                return Ok(HugeFault::Done(done));
            }
            _ => {}
        }
        match pmd.present() {
            None => self.do_huge_pmd_anonymous_page(vma, addr, write).await,
            Some(pmd) if unshare || write && !pmd.write() => {
                self.do_huge_pmd_wp_page(vma, addr, pmd, unshare).await
            }
            Some(_) => Ok(HugeFault::Done(Fault::Done)),
        }
    }

    async fn handle_pte_fault(
        self,
        vma: VmaId,
        addr: u64,
        write: bool,
        unshare: bool,
    ) -> FaultResult {
        let thp = self.state().thp;
        if thp != Thp::Never
            && let HugeFault::Done(done) = self.handle_pmd_fault(vma, addr, write, unshare).await?
        {
            return Ok(done);
        }
        let vmf = {
            let s = &mut *self.state();
            let mm = s.vma(vma).mm;
            let Some(at) = s.pte_alloc(mm, addr)? else {
                return Ok(Fault::Done);
            };
            VmFault {
                vma,
                mm,
                addr,
                write,
                unshare,
                at,
                in_batch: false,
                orig: s.tables().get(at),
            }
        };
        match (vmf.orig.decode(), vmf.orig.leaf()) {
            (Entry::None, _) => self.do_anonymous_page(vmf).await,
            (Entry::Present(pte), _) => self.do_present_page(vmf, pte).await,
            (_, Some(Softleaf::Migration(_))) => {
                self.migration_entry_wait(vmf.mm, addr).await;
                Ok(Fault::Done)
            }
            (_, Some(Softleaf::DevicePrivate { pfn, .. })) => self.do_device_page(vmf, pfn).await,
            (_, Some(Softleaf::DeviceExclusive { pfn, .. })) => {
                self.remove_device_exclusive_entry(vmf, pfn).await
            }
            (_, Some(Softleaf::Swap(slot))) => self.do_swap_page(vmf, slot).await,
            (_, None) => Err(FaultError::Sigbus),
        }
    }

    /// Handles a fault on an empty entry: maps the zero page for a read, and a new page for a write
    /// (`do_anonymous_page`).
    async fn do_anonymous_page(self, vmf: VmFault) -> FaultResult {
        if !vmf.write {
            self.preempt(Site::DoAnonymousPage).await;
            let s = &mut *self.state();
            if let Some(vmf) = s.pte_same(&vmf) {
                let pte = s.mk_pte(vmf.vma, Pfn::ZERO).set(PteFlags::SPECIAL, true);
                s.tables.set(vmf.at, pte.pte());
            }
            return Ok(Fault::Done);
        }
        self.anon_vma_prepare(vmf.vma).await?;
        let folio = { self.state().alloc_anon_folio(self)? };
        self.preempt(Site::DoAnonymousPage).await;
        let s = &mut *self.state();
        if let Some(vmf) = s.pte_same(&vmf) {
            let pte = s.maybe_mkwrite(vmf.vma, s.mk_pte(vmf.vma, folio.head()).mkdirty());
            s.mm_mut(vmf.mm).anon_rss += 1;
            s.map_new_anon_page(self, vmf.vma, vmf.addr, vmf.at, pte);
        } else {
            s.folio_put(self.task, folio);
        }
        Ok(Fault::Done)
    }

    /// Handles a fault on a present entry (the end of `handle_pte_fault`). It is a write to a
    /// read-only entry, an unshare, or a fault that another task has already handled.
    async fn do_present_page(self, vmf: VmFault, pte: PresentPte) -> FaultResult {
        self.preempt(Site::DoWpPage).await;
        let action = {
            let s = &mut *self.state();
            let Some(vmf) = s.pte_same(&vmf) else {
                return Ok(Fault::Done);
            };
            if !vmf.write && !vmf.unshare || pte.write() {
                return Ok(Fault::Done);
            }
            s.do_wp_page(self, &vmf, pte)
        };
        self.finish_wp_fault(vmf, action).await
    }

    /// Finishes a write-protect fault after the page-table lock is dropped.
    pub(crate) async fn finish_wp_fault(self, vmf: VmFault, action: WpAction) -> FaultResult {
        match action {
            WpAction::Finished(result) => result,
            WpAction::Copy(old) => self.wp_page_copy(vmf, old).await,
        }
    }

    /// Copies a shared page for a write or an unshare (`wp_page_copy`). The task holds a reference
    /// to `old`.
    async fn wp_page_copy(self, vmf: VmFault, old: Pfn) -> FaultResult {
        let result = self.wp_page_copy_held(vmf, old).await;
        if old != Pfn::ZERO {
            let s = &mut *self.state();
            s.folio_put(self.task, s.folio(old));
        }
        result
    }

    async fn wp_page_copy_held(self, vmf: VmFault, old: Pfn) -> FaultResult {
        self.anon_vma_prepare(vmf.vma).await?;
        let new = {
            let s = &mut *self.state();
            let new = s.alloc_anon_folio(self)?;
            s.page_mut(new.head()).word = s.page(old).word;
            new
        };
        let range = NotifierRange::new(vmf.mm, vmf.addr..vmf.addr + 1, NotifierEvent::Clear, None);
        self.notifier_start(&range).await;
        self.preempt(Site::WpPageCopy).await;
        let s = &mut *self.state();
        if !s.wp_page_copied(self, &vmf, old, new) {
            s.folio_put(self.task, new);
        }
        s.notifier_end(self.task, &range);
        Ok(Fault::Done)
    }

    /// Handles a fault on a device-private entry: the driver migrates the page back (the
    /// device-private branch of `do_swap_page`).
    async fn do_device_page(self, vmf: VmFault, page: Pfn) -> FaultResult {
        let fault = DeviceFault {
            dev: page.device().unwrap_or_default(),
            mm: vmf.mm,
            vma: vmf.vma,
            addr: vmf.addr,
            page,
            range: vmf.addr..vmf.addr + 1,
            fault_page: None,
        };
        self.preempt(Site::DoSwapPage).await;
        zoo!(self, Bug::FaultDevprivNoPageref => return self.migrate_to_ram(fault).await);
        let (folio, locked) = {
            let s = &mut *self.state();
            if s.pte_same(&vmf).is_none() {
                return Ok(Fault::Done);
            }
            // under the page-table lock, the reference of the entry keeps the page alive
            s.lock_for_fault(self, page)
        };
        if !locked {
            zoo!(self, Bug::SwapfaultTrylockLivelock => return Ok(Fault::Done));
            self.sleep_on(Wait::Unlock(folio)).await;
            return Ok(Fault::Done);
        }
        let fault_page = Some(page);
        let result = self
            .migrate_to_ram(DeviceFault {
                fault_page,
                ..fault
            })
            .await;
        let s = &mut *self.state();
        // the folio may have been split meanwhile: the lock and the reference went with the page
        let folio = s.folio(page);
        s.folio_unlock(self.task, folio);
        s.folio_put(self.task, folio);
        result
    }

    /// Handles a fault on a huge device-private entry (`do_huge_pmd_device_private`). The fault
    /// concerns the head page, whatever the address.
    async fn do_huge_pmd_device_private(
        self,
        vma: VmaId,
        addr: u64,
        pmd: Pte,
        page: Pfn,
    ) -> FaultResult {
        self.preempt(Site::DoSwapPage).await;
        let (mm, range, folio, locked) = {
            let s = &mut *self.state();
            let mm = s.vma(vma).mm;
            if s.pmd_same(mm, addr, pmd).is_none() {
                return Ok(Fault::Done);
            }
            let (folio, locked) = s.lock_for_fault(self, page);
            (mm, s.pmd_range(addr), folio, locked)
        };
        if !locked {
            zoo!(self, Bug::LatentPmdTrylockLivelock => return Ok(Fault::Done));
            self.sleep_on(Wait::Unlock(folio)).await;
            return Ok(Fault::Done);
        }
        let fault = DeviceFault {
            dev: page.device().unwrap_or_default(),
            mm,
            vma,
            addr,
            page,
            range,
            fault_page: Some(page),
        };
        let result = self.migrate_to_ram(fault).await;
        let s = &mut *self.state();
        s.folio_unlock(self.task, folio);
        s.folio_put(self.task, folio);
        result
    }

    /// Calls the driver (`dev_pagemap_ops::migrate_to_ram`). `fault_page` of `fault` is the page if
    /// the fault holds the lock of its folio and a reference.
    async fn migrate_to_ram(self, fault: DeviceFault) -> FaultResult {
        self.preempt(Site::MigrateToRam).await;
        let brought_home = {
            let s = &mut *self.state();
            // `referenced` is only for the event. The kernel finds the driver by page_pgmap(); here
            // the frame number names the device.
            let page = fault.page;
            let referenced = s.head(s.folio(page)).refcount > 0;
            s.events.push(Event::MigrateToRam {
                task: self.task,
                page,
                referenced,
            });
            let Some(dev) = page.device().filter(|dev| dev.ix() < DEVICES) else {
                return Err(FaultError::Sigbus);
            };
            s.driver()
                .migrate_to_ram(self, DeviceFault { dev, ..fault })
        };
        brought_home.await.map(|()| Fault::Done)
    }
}
