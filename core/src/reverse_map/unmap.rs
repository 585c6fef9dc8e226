//! `try_to_unmap`: the mappings of a folio under reclaim become swap entries, or are cleared if the
//! folio is lazily freed.
//!
//! Corresponds to `try_to_unmap_one` in `mm/rmap.c`.

use crate::ids::{Folio, Pfn, VmaId};
use crate::lock::Site;
use crate::page::PageFlags;
use crate::page_vma_mapped::Found;
use crate::pte::{PresentPte, PteFlags, Softleaf, SwapFlags};
use crate::rmap::{Ttu, Unit};
use crate::state::{Current, State};
use crate::vma::VmFlags;

impl State {
    /// Removes one mapping of `folio`, under the page-table lock (`try_to_unmap_one`). Returns
    /// false if that is impossible; the mapping is then unchanged.
    fn try_to_unmap_one(
        &mut self,
        cur: Current<'_>,
        folio: Folio,
        vma: VmaId,
        found: Found,
    ) -> bool {
        let area = self.vma(vma);
        let (mm, locked) = (area.mm, area.flags.contains(VmFlags::LOCKED));
        // a non-present entry of a page on the LRU can only be device-exclusive, and is never dirty
        let dirty = found.pte.present().is_some_and(PresentPte::dirty);
        if locked {
            if self.maps_whole_folio(vma, folio, found) {
                // the folio may have lost its mlock flag
                self.mlock_folio(folio);
            }
            return false;
        }
        let head = *self.head(folio);
        if !head.has(PageFlags::SWAPBACKED) && head.order > 0 {
            return self.unmap_lazyfree_batch(cur, folio, vma, found);
        }
        let subpage = found.page;
        zoo!(self, Bug::ExclUnmapOne if found.pte.leaf().is_some() =>
            let subpage = found.pte.misread().pfn());
        let exclusive = self.page(subpage).anon_exclusive();
        self.ptep_clear_batched(cur.task, found.at);
        if dirty {
            self.folio_mark_dirty(folio);
        }
        let head = *self.head(folio);
        if !head.has(PageFlags::SWAPBACKED) {
            // one reference of the reclaimer and one per mapping: nobody else can write to the page
            let sole = head.refcount == 1 + head.folio_mapcount() && !head.has(PageFlags::DIRTY);
            zoo!(self, Bug::LazyfreeThpPmdDiscard => let sole = true);
            if !sole {
                self.restore_lazyfree(folio, found);
                return false;
            }
        } else {
            if exclusive && !self.folio_try_share_anon_rmap(self.unit(found.page)) {
                self.tables.set(found.at, found.pte);
                return false;
            }
            let slot = self.page_slot(found.page);
            self.swap_duplicate(slot);
            let entry = Softleaf::Swap(slot)
                .to_swap()
                .set(SwapFlags::EXCLUSIVE, exclusive)
                .set(found.pte.tracking(), true);
            self.tables.set(found.at, entry.pte());
            self.mm_mut(mm).swap_ents += 1;
        }
        self.mm_mut(mm).anon_rss -= 1;
        self.folio_remove_rmap(self.unit(subpage), vma);
        self.folio_ref_sub(folio, 1);
        true
    }

    /// True if `vma` maps all of the folio, by one huge entry or by the entries of one page table.
    /// `found` is the first entry.
    fn maps_whole_folio(&self, vma: VmaId, folio: Folio, found: Found) -> bool {
        let (area, addr) = (self.vma(vma), self.tables.addr(found.at));
        self.head(folio).order == 0
            || self.tables.table(found.at).level > 0
            || self.maps_all_of_folio(area.mm, &area.range(), addr, found.page)
    }

    /// Removes the entry `found` of a lazily freed large folio, and the entries behind it that are
    /// like it (`folio_unmap_pte_batch`). If that is impossible, all of them stay. Entries that
    /// stay all become young if one of them was young, and dirty if one of them was dirty.
    fn unmap_lazyfree_batch(
        &mut self,
        cur: Current<'_>,
        folio: Folio,
        vma: VmaId,
        found: Found,
    ) -> bool {
        let area = self.vma(vma);
        let (mm, end, addr) = (area.mm, area.end, self.tables.addr(found.at));
        let pgd = self.mm(mm).pgd;
        let used = PteFlags::ACCESSED | PteFlags::DIRTY;
        let like = |pte: PresentPte| pte.set(used, false).pte();
        let first = found.pte.present().map(like);
        let behind = match first {
            None => 0,
            Some(first) => {
                let most = self.folio_pte_batch(pgd, addr, end);
                let same = (1..=most).take_while(|i| {
                    let pte = self.tables.entry_for(pgd, addr + i).present();
                    pte.map(like) == Some(first.part(*i as u32))
                });
                same.count() as u64
            }
        };
        let batch = || (addr..=addr + behind).zip(0..);
        let mut merged = found.pte;
        for (addr, _) in batch() {
            let Some(at) = self.tables.pte_offset(pgd, addr) else {
                continue;
            };
            let pte = self.ptep_clear_batched(cur.task, at);
            if let (Some(all), Some(one)) = (merged.present(), pte.present()) {
                let bits = one.flags() & used;
                merged = all.set(bits, true).pte();
            }
        }
        if merged.present().is_some_and(PresentPte::dirty) {
            self.folio_mark_dirty(folio);
        }
        let head = self.head(folio);
        let sole = head.refcount == 1 + head.folio_mapcount() && !head.has(PageFlags::DIRTY);
        zoo!(self, Bug::LazyfreeThpPmdDiscard => let sole = true);
        if sole {
            let nr = behind as u32 + 1;
            let first = found.page;
            let unit = Unit {
                nr,
                ..Unit::page(folio, first)
            };
            self.mm_mut(mm).anon_rss -= i64::from(nr);
            self.folio_remove_rmap(unit, vma);
            self.folio_ref_sub(folio, nr as i32);
            return true;
        }
        for (addr, i) in batch() {
            if let Some(at) = self.tables.pte_offset(pgd, addr) {
                let (pte, page) = (merged.part(i), Pfn(found.page.0 + i));
                self.restore_lazyfree(folio, Found { at, pte, page });
            }
        }
        false
    }

    /// Restores the mapping of a lazily freed folio that is dirty or that somebody holds. A dirty
    /// folio becomes an ordinary one. With the rule `held_lazyfree_stays`, a clean one stays lazily
    /// freed, because a holder that writes to it marks it dirty.
    fn restore_lazyfree(&mut self, folio: Folio, found: Found) {
        let Found { at, pte, .. } = found;
        // before 29f40594a281, a whole batch got the write permission of its first entry
        zoo!(self, Bug::LazyfreeRestoreWritable => let pte = pte.writable());
        self.tables.set(at, pte);
        if self.head(folio).has(PageFlags::DIRTY) || !self.rules().held_lazyfree_stays {
            self.head_mut(folio).flags.insert(PageFlags::SWAPBACKED);
        }
    }
}

impl Current<'_> {
    /// Removes the mappings of a locked folio (`try_to_unmap` with `TTU_BATCH_FLUSH`). A folio that
    /// is not lazily freed must be in the swap cache. Some mappings may remain, so the caller
    /// checks whether the folio is still mapped. The caller owes the flush.
    pub(crate) async fn try_to_unmap(self, folio: Folio) {
        let one = |s: &mut State, vma, found| s.try_to_unmap_one(self, folio, vma, found);
        self.unmap_each(folio, Site::TryToUnmap, Ttu::RECLAIM, one)
            .await;
    }
}
