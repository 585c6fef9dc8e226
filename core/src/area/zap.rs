//! Removing mappings: `munmap`, `madvise(MADV_DONTNEED)`, the end of an address space.
//!
//! Corresponds to `mm/memory.c` (`zap_page_range_single`, `unmap_vmas`, `free_pgtables`),
//! `mm/mmap.c` (`exit_mmap`).

use crate::ids::{MmId, Pfn, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::pte::{Entry, Pte, Softleaf};
use crate::state::{Current, State};
use core::ops::Range;

impl State {
    /// Clears one entry, of any level, and drops what it held, under the page-table lock. The page
    /// of a present entry goes to the gather of `cur`.
    pub(crate) fn zap_pte(&mut self, cur: Current<'_>, vma: VmaId, at: PteRef) {
        let mm = self.vma(vma).mm;
        let pte = self.tables.get(at);
        let page = match (pte.decode(), pte.leaf()) {
            (Entry::None, _) => return,
            (Entry::Present(p), _) => Some(p.pfn()),
            (
                _,
                Some(Softleaf::DevicePrivate { pfn, .. } | Softleaf::DeviceExclusive { pfn, .. }),
            ) => Some(pfn),
            (_, Some(Softleaf::Migration(_))) => None,
            (_, Some(Softleaf::Swap(slot))) => {
                self.tables.set(at, Pte::NONE);
                self.mm_mut(mm).swap_ents -= 1;
                self.free_swap_and_cache(slot);
                return;
            }
            (_, None) => return,
        };
        self.set_pte_gathered(cur.task, at, pte, Pte::NONE);
        let special = page == Some(Pfn::ZERO);
        zoo!(self, Bug::VmNormalPageSpecial => let special = false);
        if special {
            return;
        }
        self.mm_mut(mm).anon_rss -= self.entry_pages(at) as i64;
        if let Some(page) = page {
            let unit = self.entry_unit(at, page);
            zoo!(self, Bug::ExclMapcountDropped if pte.is_exclusive() =>
                return self.folio_ref_sub(unit.folio, 1));
            self.folio_remove_rmap(unit, vma);
            if pte.present().is_some() {
                self.tlb_remove_folio(cur.task, unit.folio);
            } else {
                // unlike the end of a gather, this leaves the folio in the swap cache, for reclaim
                // to find
                self.folio_ref_sub(unit.folio, 1);
            }
        }
    }

    /// Frees the table of the entry `at`, which was just zapped, if `at` is the table's last entry,
    /// and the whole table lies in `range` and is empty (`try_get_and_clear_pmd`, `free_pte`).
    /// `mmap_lock` may be held for reading only, so a task that has dropped the page-table lock
    /// must look the table up again.
    fn free_emptied_table(&mut self, mm: MmId, range: &Range<u64>, at: PteRef) {
        let table = self.tables.table(at);
        let whole = table.base..table.base + self.geometry().span(0);
        let is_last = self.tables.addr(at) + 1 == whole.end;
        if is_last && table.used == 0 && range.start <= whole.start {
            let pgd = self.mm(mm).pgd;
            self.tables.free_range(pgd, whole.clone(), whole);
        }
    }

    /// Frees the page tables that only `range` of `mm` used. The VMAs from `ceiling` on are being
    /// unmapped too, but still need their page tables (`free_pgtables`).
    pub(crate) fn free_pgtables(&mut self, mm: MmId, range: Range<u64>, ceiling: Option<u64>) {
        let areas = &self.mm(mm).vmas;
        let next = areas.partition_point(|vma| self.vma(*vma).end <= range.start);
        let floor = next
            .checked_sub(1)
            .map_or(0, |prev| self.vma(areas[prev]).end);
        let above = areas
            .get(next)
            .map_or(self.geometry().task_size(), |vma| self.vma(*vma).start);
        let limits = floor..ceiling.map_or(above, |ceiling| ceiling.min(above));
        let pgd = self.mm(mm).pgd;
        self.tables.free_range(pgd, range, limits);
    }
}

impl Current<'_> {
    /// Zaps `range` of `vma`, one page table at a time (`unmap_page_range`). With `reclaim_pt` it
    /// frees the tables that it empties.
    pub(crate) async fn unmap_page_range(self, vma: VmaId, range: Range<u64>, reclaim_pt: bool) {
        let mm = self.state().vma(vma).mm;
        let zap = |s: &mut State, at| {
            s.zap_pte(self, vma, at);
            if reclaim_pt && s.rules().zap_frees_tables {
                s.free_emptied_table(mm, &range, at);
            }
        };
        let whole = |s: &mut State, at, covered| {
            if covered {
                s.zap_huge_pmd(self, vma, at);
            }
            covered
        };
        self.walk_page_range(mm, range.clone(), Site::ZapPteRange, true, zap, whole)
            .await;
    }

    /// Zaps `range` of `vma` for `MADV_DONTNEED`, with `mmap_lock` held
    /// (`madvise_dontneed_single_vma`).
    pub(crate) async fn zap_page_range_single(self, vma: VmaId, range: Range<u64>) {
        let mm = self.state().vma(vma).mm;
        zoo!(self, Bug::CollapseNoNotifier => return self.zap_unannounced(vma, range).await);
        self.state().tlb_gather_mmu(self.task, mm);
        let notifier = NotifierRange::new(mm, range.clone(), NotifierEvent::Clear, None);
        self.notifier_start(&notifier).await;
        self.unmap_page_range(vma, range, true).await;
        let s = &mut *self.state();
        s.notifier_end(self.task, &notifier);
        s.tlb_finish_mmu(self.task);
    }

    /// Zaps whole VMAs, which lie in `all` (`unmap_vmas`).
    async fn unmap_vmas(self, mm: MmId, areas: &[VmaId], all: Range<u64>) {
        zoo!(self, Bug::CollapseNoNotifier => return self.unmap_vmas_unannounced(areas).await);
        let notifier = NotifierRange::new(mm, all, NotifierEvent::Unmap, None);
        self.notifier_start(&notifier).await;
        for vma in areas {
            let range = self.state().vma(*vma).range();
            self.unmap_page_range(*vma, range, false).await;
        }
        self.state().notifier_end(self.task, &notifier);
    }

    /// Frees VMAs that have been removed from the address space, with their entries, page tables
    /// and links (`unmap_region`). The caller holds `mmap_lock`, for reading at least.
    pub(crate) async fn unmap_region(self, mm: MmId, areas: &[VmaId]) {
        let (Some(first), Some(last)) = (areas.first(), areas.last()) else {
            return;
        };
        let all = {
            let s = &mut *self.state();
            s.tlb_gather_mmu(self.task, mm);
            s.vma(*first).start..s.vma(*last).end
        };
        self.unmap_vmas(mm, areas, all).await;
        for (i, vma) in areas.iter().enumerate() {
            self.anon_vma_unlink(*vma).await;
            let s = &mut *self.state();
            let range = s.vma(*vma).range();
            let ceiling = areas.get(i + 1).map(|next| s.vma(*next).start);
            s.free_pgtables(mm, range, ceiling);
            s.free_vma(*vma);
        }
        self.state().tlb_finish_mmu(self.task);
    }

    /// Adds a user of the address space (`mmget`).
    pub fn mmget(self, mm: MmId) {
        self.state().mm_mut(mm).users += 1;
    }

    /// Adds a user of the address space if it still has one; otherwise returns false
    /// (`mmget_not_zero`).
    pub fn mmget_not_zero(self, mm: MmId) -> bool {
        let has_users = self.state().mm(mm).users > 0;
        if has_users {
            self.mmget(mm);
        }
        has_users
    }

    /// Drops a user of the address space; the last one tears it down (`mmput`, `exit_mmap`).
    pub async fn mmput(self, mm: MmId) {
        {
            let s = &mut *self.state();
            let users = &mut s.mm_mut(mm).users;
            *users -= 1;
            if *users > 0 {
                return;
            }
            s.mmu_notifier_release(mm);
        }
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let areas = { core::mem::take(&mut self.state().mm_mut(mm).vmas) };
        self.unmap_region(mm, &areas).await;
        self.unlock(lock);
        let s = &mut *self.state();
        let pgd = s.mm(mm).pgd;
        s.tables.free(pgd);
        s.mm_mut(mm).vmas = areas;
        s.free_mm(mm);
    }
}
