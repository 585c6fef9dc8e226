//! `madvise`: the advice that a process gives about a mapped range.
//!
//! The call skips gaps, and returns an error at its end if it skipped any. A VMA that refuses the
//! advice ends the call there.
//!
//! Corresponds to `mm/madvise.c`.

use crate::fault::FaultError;
use crate::huge_memory::Thp;
use crate::ids::{Folio, MmId, Pfn, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::PageFlags;
use crate::pte::{Entry, PresentPte, PteFlags, Softleaf};
use crate::state::{Current, Enomem, State};
use crate::swapin::Lookup;
use crate::vma::VmFlags;
use crate::walk::Walk;
use alloc::vec::Vec;
use core::ops::Range;

/// The advice for a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advice {
    /// The contents are not needed: zap the range now (`MADV_DONTNEED`).
    DontNeed,
    /// The contents are not needed: reclaim may drop a page unless it is written first
    /// (`MADV_FREE`).
    Free,
    /// The pages are not needed soon: make them old (`MADV_COLD`).
    Cold,
    /// Reclaim the pages now (`MADV_PAGEOUT`).
    PageOut,
    /// The pages are needed soon: read those that are swapped out (`MADV_WILLNEED`).
    WillNeed,
}

/// Advice that only changes the flags of the VMAs in a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AreaAdvice {
    /// `fork` leaves the range out (`MADV_DONTFORK`).
    DontFork,
    /// Undoes [`DontFork`](Self::DontFork) (`MADV_DOFORK`).
    DoFork,
    /// Faults may map huge pages (`MADV_HUGEPAGE`).
    HugePage,
    /// Faults map no huge pages (`MADV_NOHUGEPAGE`). Those that are mapped stay.
    NoHugePage,
}

impl AreaAdvice {
    /// The flags that a VMA with these flags gets.
    fn advise(self, flags: VmFlags) -> VmFlags {
        match self {
            Self::DontFork => flags | VmFlags::DONTCOPY,
            Self::DoFork => flags - VmFlags::DONTCOPY,
            Self::HugePage => (flags - VmFlags::NOHUGEPAGE) | VmFlags::HUGEPAGE,
            Self::NoHugePage => (flags - VmFlags::HUGEPAGE) | VmFlags::NOHUGEPAGE,
        }
    }
}

/// Why `madvise` failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdviceError {
    /// Part of the range is not mapped (`-ENOMEM`). The mapped parts took the advice.
    Gap,
    /// A VMA is mlocked (`-EINVAL`). The part of the range below it took the advice.
    Locked,
}

/// Why a range was not populated. The pages below the one that failed are populated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PopulateError {
    /// No VMA covers the page (`-ENOMEM`).
    Gap,
    /// The VMA does not permit the access (`-EINVAL`).
    Denied,
    /// The fault failed (`-EFAULT`).
    Fault,
    /// Out of memory (`-ENOMEM`).
    Enomem,
}

impl State {
    /// The folio of the entry `at`, if the folio is on the LRU and only the advised entries map it:
    /// one huge entry, or one entry for each page. `MADV_COLD` and `MADV_PAGEOUT` skip all other
    /// folios.
    fn sole_lru_folio(&self, range: &Range<u64>, at: PteRef, pte: PresentPte) -> Option<Folio> {
        let folio = self.folio(pte.pfn());
        let head = self.head(folio);
        if folio == Folio::ZERO || !head.has(PageFlags::LRU) {
            return None;
        }
        let sole = match self.tables.table(at).level {
            0 => head.folio_mapcount() == head.nr_pages() && self.wholly_advised(range, at, pte),
            _ => head.folio_mapcount() == 1,
        };
        sole.then_some(folio)
    }

    /// True if the entries in `range` map all of the folio that the entry `at` maps. Otherwise the
    /// kernel splits the folio. If another process maps the folio, or the split fails, the kernel
    /// skips it.
    fn wholly_advised(&self, range: &Range<u64>, at: PteRef, pte: PresentPte) -> bool {
        let mm = self.tables.table(at).mm;
        self.head(self.folio(pte.pfn())).order == 0
            || self.maps_all_of_folio(mm, range, self.tables.addr(at), pte.pfn())
    }

    /// The first large folio in `rest` of which the entries in `range` map only a part, and that no
    /// other process maps. Also returns the address behind the page where the folio was found.
    fn folio_cut_by_advice(
        &self,
        mm: MmId,
        rest: &Range<u64>,
        range: &Range<u64>,
    ) -> Option<(Folio, u64)> {
        let pgd = self.mm(mm).pgd;
        rest.clone().find_map(|addr| {
            let (at, level) = match self.tables.walk(pgd, addr) {
                Walk::Pte(at) => (at, 0),
                Walk::Huge(at, level) => (at, level),
                Walk::Hole(..) => return None,
            };
            let pte = self.tables.get(at).present()?;
            let folio = self.folio(pte.pfn());
            let first = self.tables.addr(at);
            let cut = match level {
                0 => !self.wholly_advised(range, at, pte),
                _ => first < range.start || range.end < first + self.entry_pages(at),
            };
            let splits = cut && folio != Folio::ZERO && !self.mapped_by_others(mm, folio);
            splits.then_some((folio, addr + 1))
        })
    }

    /// Makes one entry lazily freed, under the page-table lock (`madvise_free_pte_range`).
    fn madvise_free_pte(&mut self, cur: Current<'_>, vma: VmaId, range: &Range<u64>, at: PteRef) {
        let entry = self.tables.get(at);
        let pte = match (entry.decode(), entry.leaf()) {
            (Entry::Present(pte), _) if pte.pfn() != Pfn::ZERO => pte,
            (_, Some(Softleaf::Swap(_))) => return self.zap_pte(cur, vma, at),
            _ => return,
        };
        let folio = self.folio(pte.pfn());
        let page = *self.head(folio);
        let mappings = page.nr_pages();
        if !self.wholly_advised(range, at, pte) {
            return;
        }
        if page
            .flags
            .intersects(PageFlags::SWAPCACHE | PageFlags::DIRTY)
        {
            let cached = page.has(PageFlags::SWAPCACHE);
            if page.has(PageFlags::LOCKED)
                || page.folio_mapcount() != mappings
                || cached && !self.folio_free_swap(folio)
            {
                return;
            }
            self.head_mut(folio).flags.remove(PageFlags::DIRTY);
        }
        self.set_pte_aged(cur, at, pte, PteFlags::ACCESSED | PteFlags::DIRTY);
        self.folio_mark_lazyfree(folio);
    }

    /// Marks a folio as lazily freed: reclaim may drop a clean one without writing it to swap
    /// (`folio_mark_lazyfree`).
    pub(crate) fn folio_mark_lazyfree(&mut self, folio: Folio) {
        let page = self.head(folio);
        if page.has(PageFlags::LRU) && !page.has(PageFlags::UNEVICTABLE) {
            self.head_mut(folio).flags.remove(PageFlags::SWAPBACKED);
        }
    }

    /// Makes one entry old, under the page-table lock.
    fn madvise_cold_pte(&mut self, cur: Current<'_>, range: &Range<u64>, at: PteRef) {
        if let Some(pte) = self.tables.get(at).present()
            && self.sole_lru_folio(range, at, pte).is_some()
        {
            self.set_pte_aged(cur, at, pte, PteFlags::ACCESSED);
        }
    }

    /// Clears bits that the MMU sets, and gathers a flush so that the MMU sets them again at the
    /// next use (`clear_young_dirty_ptes`, `tlb_remove_tlb_entries`).
    pub(crate) fn set_pte_aged(
        &mut self,
        cur: Current<'_>,
        at: PteRef,
        pte: PresentPte,
        bits: PteFlags,
    ) {
        let aged = pte.set(bits, false);
        if aged != pte {
            let addr = self.tables.addr(at);
            self.tables.set(at, aged.pte());
            self.tlb_flush_pte_range(cur.task, addr..addr + self.entry_pages(at));
        }
    }

    /// Takes the folios of `range`, which lies in one page table, off the LRU for reclaim
    /// (`madvise_cold_or_pageout_pte_range`).
    fn isolate_for_pageout(&mut self, cur: Current<'_>, mm: MmId, range: Range<u64>) -> Vec<Folio> {
        self.flush_tlb_batched_pending(mm);
        let pgd = self.mm(mm).pgd;
        let mut isolated = Vec::new();
        for addr in range.clone() {
            let (Walk::Pte(at) | Walk::Huge(at, _)) = self.tables.walk(pgd, addr) else {
                continue;
            };
            let pte = self.tables.get(at).present();
            if let Some(folio) = pte.and_then(|pte| self.sole_lru_folio(&range, at, pte))
                && self.folio_isolate_lru(cur.task, folio)
            {
                if self.head(folio).has(PageFlags::UNEVICTABLE) {
                    self.folio_putback_lru(cur.task, folio);
                } else {
                    isolated.push(folio);
                }
            }
        }
        isolated
    }
}

impl Current<'_> {
    /// Gives advice about a range (`madvise`).
    pub async fn madvise(
        self,
        mm: MmId,
        range: Range<u64>,
        advice: Advice,
    ) -> Result<(), AdviceError> {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        let result = self.madvise_areas(mm, range, advice).await;
        self.unlock(lock);
        result
    }

    /// Gives advice that changes the flags of VMAs (`madvise_update_vma`). Returns false if part of
    /// the range is not mapped.
    pub async fn madvise_flags(
        self,
        mm: MmId,
        mut rest: Range<u64>,
        advice: AreaAdvice,
    ) -> Result<bool, Enomem> {
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let mut result = Ok(true);
        while !rest.is_empty() && result.is_ok() {
            let Some((vma, part)) = ({ self.state().area_in(mm, &rest) }) else {
                result = Ok(false);
                break;
            };
            let complete = part.start == rest.start;
            rest.start = part.end;
            let flags = self.state().vma(vma).flags;
            let advised = advice.advise(flags);
            if advised != flags {
                result = match self.vma_reset_flags(vma, &part, advised).await {
                    Ok(_) => result,
                    Err(e) => Err(e),
                };
            }
            result = result.map(|so_far| so_far && complete);
        }
        self.unlock(lock);
        result
    }

    async fn madvise_areas(
        self,
        mm: MmId,
        mut rest: Range<u64>,
        advice: Advice,
    ) -> Result<(), AdviceError> {
        let mut result = Ok(());
        while !rest.is_empty() {
            let Some((vma, part)) = ({ self.state().area_in(mm, &rest) }) else {
                return Err(AdviceError::Gap);
            };
            if part.start != rest.start {
                result = Err(AdviceError::Gap);
            }
            rest.start = part.end;
            let locked = self.state().vma(vma).flags.contains(VmFlags::LOCKED);
            if locked && advice != Advice::WillNeed {
                return Err(AdviceError::Locked);
            }
            self.madvise_area(mm, vma, part, advice).await;
        }
        result
    }

    async fn madvise_area(self, mm: MmId, vma: VmaId, part: Range<u64>, advice: Advice) {
        match advice {
            Advice::DontNeed => self.zap_page_range_single(vma, part).await,
            Advice::Free => {
                let notifier = NotifierRange::new(mm, part.clone(), NotifierEvent::Clear, None);
                self.state().tlb_gather_mmu(self.task, mm);
                self.notifier_start(&notifier).await;
                self.split_cut_folios(mm, &part).await;
                let range = part.clone();
                let free = |s: &mut State, at| s.madvise_free_pte(self, vma, &range, at);
                let huge = |s: &mut State, at, covered| {
                    if covered {
                        s.madvise_free_huge_pmd(self, at);
                    }
                    true
                };
                self.walk_page_range(mm, part, Site::MadvisePteRange, true, free, huge)
                    .await;
                let s = &mut *self.state();
                s.notifier_end(self.task, &notifier);
                s.tlb_finish_mmu(self.task);
            }
            Advice::Cold => {
                self.state().tlb_gather_mmu(self.task, mm);
                self.split_cut_folios(mm, &part).await;
                let range = part.clone();
                let cold = |s: &mut State, at| s.madvise_cold_pte(self, &range, at);
                let huge = |s: &mut State, at, covered| {
                    if covered {
                        s.madvise_cold_pte(self, &range, at);
                    }
                    true
                };
                self.walk_page_range(mm, part, Site::MadvisePteRange, true, cold, huge)
                    .await;
                self.state().tlb_finish_mmu(self.task);
            }
            Advice::PageOut => self.pageout_range(mm, part).await,
            Advice::WillNeed => self.swapin_range(vma, part).await,
        }
    }

    /// Splits the large folios of which the entries in `range` map only a part. The advice skips a
    /// folio that is locked or that somebody else holds. The kernel has no such pass before its
    /// walk: it splits each folio when the walk reaches it.
    async fn split_cut_folios(self, mm: MmId, range: &Range<u64>) {
        let mut rest = range.clone();
        while self.state().thp != Thp::Never {
            let found = { self.state().folio_cut_by_advice(mm, &rest, range) };
            let Some((folio, next)) = found else {
                return;
            };
            if !self.split_mapped_folio(folio).await {
                rest.start = next;
            }
        }
    }

    /// Reclaims the pages of a range, one page table at a time.
    async fn pageout_range(self, mm: MmId, range: Range<u64>) {
        self.split_cut_folios(mm, &range).await;
        let mut addr = range.start;
        loop {
            self.preempt(Site::MadvisePteRange).await;
            let (end, isolated) = {
                let s = &mut *self.state();
                let pgd = s.mm(mm).pgd;
                let Some(part) = s.tables.next_part(pgd, addr..range.end) else {
                    return;
                };
                s.tasks[self.task.ix()].walked += 1;
                let cut = part.huge.is_some_and(|at| {
                    let pages = part.range.end - part.range.start;
                    pages < s.entry_pages(at)
                });
                let isolated = match cut {
                    true => Vec::new(),
                    false => s.isolate_for_pageout(self, mm, part.range.clone()),
                };
                (part.range.end, isolated)
            };
            self.shrink_folio_list(isolated).await;
            addr = end;
        }
    }

    /// Reads the swapped pages of a range into the swap cache (`swapin_walk_pmd_entry`).
    async fn swapin_range(self, vma: VmaId, range: Range<u64>) {
        let mm = self.state().vma(vma).mm;
        for addr in range {
            self.preempt(Site::MadvisePteRange).await;
            let leaf = {
                let s = &*self.state();
                let at = s.tables().pte_offset(s.mm(mm).pgd, addr);
                at.and_then(|at| s.tables().get(at).leaf())
            };
            let Some(Softleaf::Swap(slot)) = leaf else {
                continue;
            };
            if let Ok(Lookup::Cached(folio) | Lookup::Fresh(folio)) =
                self.read_swap_cache(slot).await
            {
                self.state().folio_put(self.task, folio);
            }
        }
    }

    /// `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE`: faults in each page of the range, as a read
    /// or as a write would.
    pub async fn madvise_populate(
        self,
        mm: MmId,
        range: Range<u64>,
        write: bool,
    ) -> Result<(), PopulateError> {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        let result = self.faultin_page_range(mm, range, write, lock).await;
        self.unlock(lock);
        result
    }

    /// Populates the range. A page that fails after others succeeded is tried once more, because
    /// the kernel's `faultin_page_range` returns how many pages it populated and is called again
    /// for the rest.
    async fn faultin_page_range(
        self,
        mm: MmId,
        range: Range<u64>,
        write: bool,
        lock: Lock,
    ) -> Result<(), PopulateError> {
        let needed = if write { VmFlags::WRITE } else { VmFlags::READ };
        let (mut first, mut addr) = (range.start, range.start);
        while addr < range.end {
            let permitted = {
                let s = self.state();
                let area = s.find_vma(mm, addr);
                area.map(|vma| s.vma(vma).flags.contains(needed))
            };
            let error = match permitted {
                None => PopulateError::Gap,
                Some(false) => PopulateError::Denied,
                Some(true) => match self.faultin_page(mm, addr, write, Some(lock)).await {
                    Ok(()) => {
                        addr += 1;
                        continue;
                    }
                    // the VMA changed while the lock was dropped: look it up again
                    Err(FaultError::Sigsegv) => continue,
                    Err(FaultError::Oom) => PopulateError::Enomem,
                    Err(_) => PopulateError::Fault,
                },
            };
            if addr == first {
                return Err(error);
            }
            first = addr;
        }
        Ok(())
    }
}
