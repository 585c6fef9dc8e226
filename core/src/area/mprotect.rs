//! Changing protection and tracking: `mprotect`, soft-dirty, userfaultfd write protection.
//!
//! Corresponds to `mm/mprotect.c`, `clear_refs_write` in `fs/proc/task_mmu.c`, `fs/userfaultfd.c`.

use crate::ids::{MmId, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::merge::MergeRange;
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::pte::{
    Entry, MigrationEntry, MigrationKind, PresentPte, PteFlags, Softleaf, SwapFlags, SwapPte,
};
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
use alloc::vec::Vec;
use core::ops::Range;

/// The change to the entries of a VMA (`MM_CP_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    /// Give them the protection of the VMA.
    Protection,
    /// Write-protect them for userfaultfd.
    UffdWp,
    /// Lift userfaultfd write protection.
    UffdWpResolve,
}

/// Why a range could not be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeError {
    /// Part of the range is not mapped (`-ENOMEM` of `mprotect`, `mlock` and `munlock`). The part
    /// below the gap has been changed. `mlock` also returns this if it marked the whole range but
    /// could not fault in a page.
    Gap,
    /// Nothing is mapped in the range (`-EINVAL` of `UFFDIO_REGISTER` and `UFFDIO_UNREGISTER`).
    NothingMapped,
    /// A VMA is not registered, or there is none (`-ENOENT` of `UFFDIO_WRITEPROTECT`). The part of
    /// the range below it has been changed.
    NotRegistered,
    /// Out of memory. Any part of the range may have been changed.
    Enomem,
    /// `mlock` marked the range and ran out of memory while it faulted the pages in (`-EAGAIN`,
    /// `__mlock_posix_error_return`).
    Again,
}

impl From<Enomem> for ChangeError {
    fn from(_: Enomem) -> Self {
        Self::Enomem
    }
}

impl State {
    /// True if a private anonymous entry may become writable without a fault
    /// (`can_change_pte_writable`).
    pub(crate) fn can_change_pte_writable(&self, vma: VmaId, pte: PresentPte) -> bool {
        let flags = self.vma(vma).flags;
        let writable = flags.contains(VmFlags::WRITE) && !pte.protnone() && !pte.special();
        let watched = flags.needs_soft_dirty_wp(pte) || flags.userfaultfd_pte_wp(pte);
        writable && !watched && self.page(pte.pfn()).anon_exclusive()
    }

    /// Makes all entries of a batch young or dirty if one of them is (`modify_prot_start_ptes`). A
    /// batch is the entry `at`, and the entries behind it and before `end` that map the next pages
    /// of the same large folio and differ in these bits only (`mprotect_folio_pte_batch`).
    fn collect_young_dirty(&mut self, at: PteRef, end: u64) {
        const COLLECTED: PteFlags = PteFlags::ACCESSED.union(PteFlags::DIRTY);
        let Some(first) = self.tables.get(at).present() else {
            return;
        };
        let folio = self.whole(self.folio(first.pfn()));
        if folio.nr == 1 || !self.rules().mprotect_batches {
            return;
        }
        let left = (end - self.tables.addr(at)) as usize;
        let pages = folio.pages().skip_while(|page| *page != first.pfn());
        let same = |pte: PresentPte, page| {
            pte.set(COLLECTED, false) == first.with_pfn(page).set(COLLECTED, false)
        };
        let entries = self.tables.from(at).take(left);
        let batch: Vec<(PteRef, PresentPte)> = entries
            .zip(pages)
            .map_while(|(at, page)| {
                let pte = self.tables.get(at).present()?;
                same(pte, page).then_some((at, pte))
            })
            .collect();
        let collected = batch
            .iter()
            .fold(PteFlags::empty(), |all, (_, pte)| all | pte.flags());
        for (at, pte) in batch {
            let new = pte.set(collected & COLLECTED, true);
            if new != pte {
                self.tables.set(at, new.pte());
            }
        }
    }

    /// Changes one entry, under the page-table lock (the loop body of `change_pte_range`, and
    /// `change_huge_pmd`).
    fn change_pte(&mut self, cur: Current<'_>, vma: VmaId, at: PteRef, change: Change) {
        let old = self.tables.get(at);
        let new = match old.decode() {
            Entry::None => return,
            Entry::Present(pte) => {
                zoo!(self, Bug::LatentMprotectBatchSoftdirty if self.dirties_batch(at, pte) =>
                    let pte = pte.mkdirty());
                let mut pte = pte.protect(self.vma(vma).accessible()).wrprotect();
                match change {
                    Change::Protection => {}
                    Change::UffdWp => pte = pte.set(PteFlags::UFFD_WP, true),
                    Change::UffdWpResolve => pte = pte.set(PteFlags::UFFD_WP, false),
                }
                let asks = change != Change::UffdWp;
                // older kernels restored write permission only through a fault
                zoo!(self, Bug::UffdwpDeferredFlush => let asks = false);
                let writable = asks && self.can_change_pte_writable(vma, pte);
                pte.set(PteFlags::RW, writable).pte()
            }
            Entry::Leaf(swap) => self.change_softleaf(swap, change).pte(),
        };
        if new != old {
            self.set_pte_gathered(cur.task, at, old, new);
        }
    }

    /// The changed form of a non-present entry (`change_softleaf_pte`). Every change removes the
    /// write permission that the entry records. A later write fault gives it back.
    fn change_softleaf(&self, swap: SwapPte, change: Change) -> SwapPte {
        let reduced = match swap.softleaf() {
            Some(Softleaf::Migration(entry)) if entry.kind == MigrationKind::Write => {
                let kind = MigrationKind::ReadExclusive;
                // no uffd-wp bit to carry over: a writable entry is never write-protected
                Softleaf::Migration(MigrationEntry { kind, ..entry })
                    .to_swap()
                    .set(SwapFlags::SOFT_DIRTY, swap.soft_dirty())
            }
            Some(Softleaf::DevicePrivate { write: true, pfn }) => {
                // soft-dirty is dropped, as in the kernel
                Softleaf::DevicePrivate { write: false, pfn }
                    .to_swap()
                    .set(SwapFlags::UFFD_WP, swap.uffd_wp())
            }
            Some(Softleaf::DeviceExclusive { write: true, pfn })
                if !self.rules().exclusive_entry_knows_no_write =>
            {
                Softleaf::DeviceExclusive { write: false, pfn }
                    .to_swap()
                    .set(swap.tracking(), true)
            }
            _ => swap,
        };
        match change {
            Change::Protection => reduced,
            Change::UffdWp => reduced.set(SwapFlags::UFFD_WP, true),
            Change::UffdWpResolve => reduced.set(SwapFlags::UFFD_WP, false),
        }
    }

    /// Clears soft-dirty of one entry, so that the next write faults and sets it again
    /// (`clear_soft_dirty`).
    fn clear_soft_dirty(&mut self, at: PteRef) {
        let old = self.tables.get(at);
        let pinned = old.present().is_some_and(|pte| self.pte_is_pinned(pte));
        zoo!(self, Bug::LatentSoftdirtyPmdPinned if self.tables.table(at).level > 0 =>
            let pinned = false);
        let new = match old.decode() {
            Entry::None => return,
            // a pinned page may be written through the pin at any time, so it stays soft-dirty
            Entry::Present(_) if pinned => return,
            Entry::Present(pte) => pte.wrprotect().set(PteFlags::SOFT_DIRTY, false).pte(),
            Entry::Leaf(swap) => {
                let swap = self.change_softleaf(swap, Change::Protection);
                swap.set(SwapFlags::SOFT_DIRTY, false).pte()
            }
        };
        zoo!(self, Bug::LatentClearSoftdirtyDevprivPmd
            if old.is_device_private() && self.tables.table(at).level > 0 => return);
        zoo!(self, Bug::LatentSoftdirtyKeepsWrite => let new = Self::soft_dirty_cleared_alone(old, new));
        if new != old {
            self.tables.set(at, new);
        }
    }

    /// Clears soft-dirty of a huge entry, and flushes it at once (`clear_soft_dirty_pmd`).
    fn clear_soft_dirty_pmd(&mut self, mm: MmId, at: PteRef) {
        let before = self.tables.get(at);
        self.clear_soft_dirty(at);
        if before.present().is_some() && self.tables.get(at) != before {
            let first = self.tables.addr(at);
            self.flush_tlb_range(mm, first..first + self.entry_pages(at));
        }
    }

    /// Clears soft-dirty of the VMAs of an address space, and gathers the flush for their entries.
    pub(crate) fn clear_soft_dirty_areas(&mut self, cur: Current<'_>, mm: MmId) {
        for i in 0..self.mm(mm).vmas.len() {
            let vma = self.mm(mm).vmas[i];
            self.vma_mut(vma).flags.remove(VmFlags::SOFTDIRTY);
        }
        self.tlb_gather_mmu(cur.task, mm);
        zoo!(self, Bug::SoftdirtyNoFlush => return);
        // entries are not gathered one by one: the gather covers the whole address space
        self.tlb_flush_pte_range(cur.task, 0..u64::MAX);
    }

    fn pte_is_pinned(&self, pte: PresentPte) -> bool {
        zoo!(self, Bug::LatentSoftdirtyReadonlyPinned if !pte.write() => return false);
        !pte.special() && self.folio_maybe_dma_pinned(self.folio(pte.pfn()))
    }
}

impl Current<'_> {
    /// Applies `change` to each entry of `range`, which lies in `vma` (`change_protection`). The
    /// caller starts and finishes the gather.
    async fn change_range(self, vma: VmaId, range: Range<u64>, change: Change) {
        let mm = self.state().vma(vma).mm;
        let notifier = NotifierRange::new(mm, range.clone(), NotifierEvent::ProtectionVma, None);
        self.notifier_start(&notifier).await;
        zoo!(self, Bug::PagemapScanLostDirty if change == Change::UffdWp =>
            self.writeprotect_copies(vma, range.clone()).await);
        let end = range.end;
        let apply = |s: &mut State, at| {
            s.collect_young_dirty(at, end);
            s.change_pte(self, vma, at, change);
        };
        let huge = |s: &mut State, at, covered| {
            if covered {
                s.change_pte(self, vma, at, change);
            }
            covered
        };
        self.walk_page_range(mm, range, Site::ChangePteRange, true, apply, huge)
            .await;
        self.state().notifier_end(self.task, &notifier);
    }

    /// `mprotect`. If the range has a gap, the part below the gap is changed, and the call fails.
    pub async fn mprotect(
        self,
        mm: MmId,
        range: Range<u64>,
        access: VmFlags,
    ) -> Result<(), ChangeError> {
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        self.state().tlb_gather_mmu(self.task, mm);
        let result = self.mprotect_areas(mm, range, access).await;
        self.state().tlb_finish_mmu(self.task);
        self.unlock(lock);
        result
    }

    async fn mprotect_areas(
        self,
        mm: MmId,
        mut rest: Range<u64>,
        access: VmFlags,
    ) -> Result<(), ChangeError> {
        while !rest.is_empty() {
            let found = { self.state().area_in(mm, &rest) };
            let Some((vma, part)) = found.filter(|(_, part)| part.start == rest.start) else {
                return Err(ChangeError::Gap);
            };
            rest.start = part.end;
            let (old, has_anon_vma) = {
                let s = self.state();
                (s.vma(vma).flags, s.vma(vma).anon_vma.is_some())
            };
            let mut new = (old - VmFlags::READ - VmFlags::WRITE) | access;
            if new != old {
                new = new.accounted();
                if !new.contains(VmFlags::WRITE) && !has_anon_vma {
                    // no page was ever written: drop the charge
                    new.remove(VmFlags::ACCOUNT);
                }
                let vma = self.vma_reset_flags(vma, &part, new).await?;
                self.change_range(vma, part.clone(), Change::Protection)
                    .await;
                let gains_write = new.contains(VmFlags::WRITE) && !old.contains(VmFlags::WRITE);
                if old.contains(VmFlags::LOCKED) && gains_write {
                    // make the private copies now; mprotect ignores whether that works
                    let _ = self.populate_locked(mm, part, None).await;
                }
            }
        }
        Ok(())
    }

    /// Gives `part` of a VMA new flags, as [`Self::vma_modify_flags`] does. In 6.12, the whole VMA
    /// that then covers `part` gets `flags`, so all of it may become soft-dirty or lose soft-dirty
    /// (`vm_flags_reset` after `vma_modify_flags`).
    pub(crate) async fn vma_reset_flags(
        self,
        vma: VmaId,
        part: &Range<u64>,
        flags: VmFlags,
    ) -> Result<VmaId, Enomem> {
        let vma = self.vma_modify_flags(vma, part, flags).await?;
        let s = &mut *self.state();
        if !s.rules().merging_keeps_soft_dirty {
            s.vma_mut(vma).flags = flags;
        }
        Ok(vma)
    }

    /// Gives `part` of a VMA new flags: a neighbour grows over it, or it is split off. Returns the
    /// VMA that then covers `part` (`vma_modify_flags`).
    pub(crate) async fn vma_modify_flags(
        self,
        vma: VmaId,
        part: &Range<u64>,
        flags: VmFlags,
    ) -> Result<VmaId, Enomem> {
        let mm = self.state().vma(vma).mm;
        let what = {
            let area = &*self.state();
            let area = area.vma(vma);
            MergeRange {
                middle: Some(vma),
                pgoff: area.index(part.start),
                anon_vma: area.anon_vma,
                ..MergeRange::new(mm, part.clone(), flags)
            }
        };
        let merged = self.vma_merge(&what).await;
        zoo!(self, Bug::VmaModifyAfterOom if merged.is_err() =>
            return self.modify_grown(vma, &what).await);
        if let Some(merged) = merged? {
            return Ok(merged);
        }
        let isolated = self.isolate_range(mm, part).await?;
        let vma = isolated.first().copied().unwrap_or(vma);
        self.state().vma_mut(vma).flags = flags;
        Ok(vma)
    }

    /// Clears the soft-dirty bits of an address space (`echo 4 > /proc/PID/clear_refs`).
    pub async fn clear_soft_dirty(self, mm: MmId) {
        let all = 0..self.state().geometry().task_size();
        let notifier = NotifierRange::new(mm, all, NotifierEvent::SoftDirty, None);
        zoo!(self, Bug::PagemapNotifierOutsideLock =>
            return self.clear_soft_dirty_announced_first(mm, &notifier).await);
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        self.state().clear_soft_dirty_areas(self, mm);
        self.notifier_start(&notifier).await;
        self.clear_soft_dirty_entries(mm, &notifier).await;
        self.unlock(lock);
    }

    /// Clears the soft-dirty bits of the entries, ends the invalidation that the caller started,
    /// and flushes.
    pub(crate) async fn clear_soft_dirty_entries(self, mm: MmId, notifier: &NotifierRange) {
        let all = notifier.range.clone();
        let clear = |s: &mut State, at| s.clear_soft_dirty(at);
        let huge = |s: &mut State, at, _| {
            s.clear_soft_dirty_pmd(mm, at);
            true
        };
        self.walk_page_range(mm, all, Site::ClearRefs, false, clear, huge)
            .await;
        let s = &mut *self.state();
        s.notifier_end(self.task, notifier);
        s.tlb_finish_mmu(self.task);
    }

    /// `UFFDIO_REGISTER` with `UFFDIO_REGISTER_MODE_WP`.
    pub async fn uffd_register(self, mm: MmId, range: Range<u64>) -> Result<(), ChangeError> {
        self.register_range(mm, range, true).await
    }

    /// `UFFDIO_UNREGISTER`: lifts write protection, and then removes the registration.
    pub async fn uffd_unregister(self, mm: MmId, range: Range<u64>) -> Result<(), ChangeError> {
        self.register_range(mm, range, false).await
    }

    async fn register_range(
        self,
        mm: MmId,
        range: Range<u64>,
        on: bool,
    ) -> Result<(), ChangeError> {
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let found = { self.state().area_in(mm, &range) };
        let result = match found {
            Some(_) => self.register_areas(mm, range, on).await.map_err(Into::into),
            None => Err(ChangeError::NothingMapped),
        };
        self.unlock(lock);
        result
    }

    async fn register_areas(self, mm: MmId, mut rest: Range<u64>, on: bool) -> Result<(), Enomem> {
        loop {
            let Some((vma, part)) = ({ self.state().area_in(mm, &rest) }) else {
                return Ok(());
            };
            rest.start = part.end;
            let flags = self.state().vma(vma).flags;
            if flags.contains(VmFlags::UFFD_WP) == on {
                continue;
            }
            if !on {
                let change = Change::UffdWpResolve;
                self.uffd_wp_range(vma, part.clone(), change).await;
            }
            let flags = flags ^ VmFlags::UFFD_WP;
            let is_whole = part == self.state().vma(vma).range();
            match self.vma_modify_flags(vma, &part, flags).await {
                // if memory runs out for a merge, userfaultfd_clear_vma sets the flags without it
                Err(Enomem) if !on && is_whole => self.state().vma_mut(vma).flags = flags,
                result => drop(result?),
            }
        }
    }

    /// `UFFDIO_WRITEPROTECT`: write-protects the mapped pages of `range`, or lifts their
    /// protection. Gaps are skipped.
    pub async fn uffd_writeprotect(
        self,
        mm: MmId,
        range: Range<u64>,
        protect: bool,
    ) -> Result<(), ChangeError> {
        let change = if protect {
            Change::UffdWp
        } else {
            Change::UffdWpResolve
        };
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        let result = self.writeprotect_areas(mm, range, change).await;
        self.unlock(lock);
        result
    }

    async fn writeprotect_areas(
        self,
        mm: MmId,
        mut rest: Range<u64>,
        change: Change,
    ) -> Result<(), ChangeError> {
        let mut result = Err(ChangeError::NotRegistered);
        loop {
            let Some((vma, part)) = ({ self.state().area_in(mm, &rest) }) else {
                return result;
            };
            if !self.state().vma(vma).flags.contains(VmFlags::UFFD_WP) {
                return Err(ChangeError::NotRegistered);
            }
            result = Ok(());
            rest.start = part.end;
            self.uffd_wp_range(vma, part, change).await;
        }
    }

    async fn uffd_wp_range(self, vma: VmaId, range: Range<u64>, change: Change) {
        {
            let s = &mut *self.state();
            let mm = s.vma(vma).mm;
            s.tlb_gather_mmu(self.task, mm);
        }
        self.change_range(vma, range, change).await;
        self.state().tlb_finish_mmu(self.task);
    }
}
