//! `try_to_unmap`: the mappings of a folio under reclaim become swap entries, or are cleared if the
//! folio is lazily freed.
//!
//! Corresponds to `try_to_unmap_one` in `mm/rmap.c`.

use crate::ids::{Folio, VmaId};
use crate::lock::Site;
use crate::page::PageFlags;
use crate::page_vma_mapped::Found;
use crate::pte::{PresentPte, Softleaf, SwapFlags};
use crate::rmap::Ttu;
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
            // the folio may have lost its mlock flag
            self.mlock_folio(folio);
            return false;
        }
        let subpage = folio.head();
        zoo!(self, Bug::ExclUnmapOne if found.pte.leaf().is_some() =>
            let subpage = found.pte.misread().pfn());
        let exclusive = self.page(subpage).anon_exclusive();
        self.ptep_clear_batched(cur.task, found.at);
        if dirty {
            self.folio_mark_dirty(folio);
        }
        let page = *self.head(folio);
        if !page.has(PageFlags::SWAPBACKED) {
            // one reference of the reclaimer and one per mapping: nobody else can write to the page
            let sole = page.refcount == 1 + page.folio_mapcount() && !page.has(PageFlags::DIRTY);
            zoo!(self, Bug::LazyfreeThpPmdDiscard => let sole = true);
            if !sole {
                self.restore_lazyfree(folio, found);
                return false;
            }
        } else {
            if exclusive && !self.folio_try_share_anon_rmap(self.unit(folio.head())) {
                self.tables.set(found.at, found.pte);
                return false;
            }
            self.swap_duplicate(page.swap);
            let entry = Softleaf::Swap(page.swap)
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
