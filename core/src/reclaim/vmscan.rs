//! Reclaim: a folio that is on the LRU gives up its frame.
//!
//! Who chooses the folio is not modelled: a program names it ([`Current::reclaim_page`]), or a range by
//! `MADV_PAGEOUT`. From there on it is the way of every reclaimed folio: swap cache, unmap, write,
//! removal. The folio is held and locked throughout, but not while it is written.
//!
//! Corresponds to `shrink_folio_list` and its helpers in `mm/vmscan.c`.

use crate::ids::Pfn;
use crate::lock::Site;
use crate::page::PageFlags;
use crate::state::{Current, State};

impl State {
    /// Makes a locked folio ready to be unmapped: an ordinary one needs a slot. False if it cannot be
    /// reclaimed.
    fn prepare_reclaim(&mut self, folio: Pfn) -> bool {
        let page = self.page(folio);
        if page
            .flags
            .intersects(PageFlags::WRITEBACK | PageFlags::MLOCKED)
        {
            return false;
        }
        if !page.has(PageFlags::SWAPBACKED) || page.has(PageFlags::SWAPCACHE) {
            return true;
        }
        !page.maybe_dma_pinned() && self.add_to_swap(folio).is_ok()
    }

    /// Must the unmapped folio be written before it can go, and can it go then? A folio that somebody
    /// holds is not written (`is_page_cache_freeable`).
    fn needs_pageout(&self, folio: Pfn) -> bool {
        let page = self.page(folio);
        // the reclaimer's reference and that of the swap cache
        page.has(PageFlags::SWAPBACKED | PageFlags::DIRTY) && page.refcount == 2
    }

    /// Lets go of an unmapped folio that nobody else holds, if its contents are in its slot or nobody
    /// wants them. The caller's reference is the last one then (`__remove_mapping`).
    fn remove_mapping(&mut self, folio: Pfn) -> bool {
        let page = self.page(folio);
        if !page.has(PageFlags::SWAPBACKED) {
            return page.refcount == 1;
        }
        if !page.has(PageFlags::SWAPCACHE) || page.refcount != 2 || page.has(PageFlags::DIRTY) {
            return false;
        }
        self.delete_from_swap_cache(folio);
        true
    }
}

impl Current<'_> {
    /// Reclaims the folio of a page if it is on the LRU. True if that freed it.
    pub async fn reclaim_page(self, page: Pfn) -> bool {
        let isolated = {
            let s = &mut *self.state();
            let folio = s.folio(page);
            // what is locked in memory is on a list that nobody looks at
            let looked_at = !s.page(folio).has(PageFlags::UNEVICTABLE);
            (looked_at && s.folio_isolate_lru(self.task, folio)).then_some(folio)
        };
        match isolated {
            Some(folio) => self.shrink_folio(folio).await,
            None => false,
        }
    }

    /// Reclaims an isolated folio, or puts it back on the LRU (the loop body of `shrink_folio_list`).
    pub(crate) async fn shrink_folio(self, folio: Pfn) -> bool {
        self.preempt(Site::ShrinkFolio).await;
        let mut locked = { self.state().folio_trylock(self.task, folio) };
        let marked = self.state().page(folio).has(PageFlags::MLOCKED);
        if locked && self.unmap_for_reclaim(folio).await && self.needs_pageout(folio) {
            self.swap_writepage(folio).await;
            locked = self.state().folio_trylock(self.task, folio);
        }
        let s = &mut *self.state();
        s.try_to_unmap_flush(self.task);
        let freed = locked && s.remove_mapping(folio);
        let mlocked = s.page(folio).has(PageFlags::MLOCKED);
        if locked && !freed && mlocked {
            s.folio_free_swap(folio);
        }
        if locked {
            s.folio_unlock(self.task, folio);
        }
        if freed {
            s.folio_put(self.task, folio);
        } else {
            s.folio_putback_lru(self.task, folio);
            if mlocked && !marked {
                // the mark that try_to_unmap set is counted when the folio is back on its list
                s.mlock_folio(folio);
            }
        }
        freed
    }

    async fn unmap_for_reclaim(self, folio: Pfn) -> bool {
        if !self.state().prepare_reclaim(folio) {
            return false;
        }
        self.try_to_unmap(folio).await;
        !self.is_mapped(folio)
    }

    fn needs_pageout(self, folio: Pfn) -> bool {
        self.state().needs_pageout(folio)
    }

    /// Writes a locked folio to its slot. It is unlocked at once, and may be mapped and written again
    /// while the device works (`pageout`, `swap_writepage`).
    async fn swap_writepage(self, folio: Pfn) {
        {
            let s = &mut *self.state();
            let flags = &mut s.page_mut(folio).flags;
            flags.remove(PageFlags::DIRTY);
            flags.insert(PageFlags::WRITEBACK);
            s.try_to_unmap_flush_dirty(self.task);
            s.swap_write(folio);
            s.folio_unlock(self.task, folio);
        }
        self.preempt(Site::SwapWritepage).await;
        let s = &mut *self.state();
        s.page_mut(folio).flags.remove(PageFlags::WRITEBACK);
    }
}
