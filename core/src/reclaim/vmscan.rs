//! Reclaim: a folio that is on the LRU gives up its frame.
//!
//! Who chooses the folio is not modelled: a program names it ([`Current::reclaim_page`]), or a range by
//! `MADV_PAGEOUT`. From there on it is the way of every reclaimed folio: swap cache, unmap, write,
//! removal. The folio is held and locked throughout, but not while it is written. Since 7.3 the write is queued, and the
//! folio stays in the swap cache: who reclaims it again frees it.
//!
//! Corresponds to `shrink_folio_list` and its helpers in `mm/vmscan.c`.

use crate::ids::Pfn;
use crate::lock::Site;
use crate::page::PageFlags;
use crate::state::{Current, State};
use alloc::vec::Vec;

/// What became of a folio.
enum Shrunk {
    Freed,
    Kept,
    /// It is written when all of the list have been looked at.
    Queued,
}

/// A write to the swap device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    /// There is none.
    None,
    /// It is over as soon as others have run.
    Over,
    Queued,
}

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

    /// Begins to write a locked folio, which is unlocked at once and may be mapped and written again while the device
    /// works. A slot that no entry names any more is given up instead; a page of zeroes needs no device
    /// (`pageout`, `swap_writeout`).
    fn swap_writeout(&mut self, cur: Current<'_>, folio: Pfn) -> Write {
        self.page_mut(folio).flags.remove(PageFlags::DIRTY);
        self.try_to_unmap_flush_dirty(cur.task);
        let write = if self.folio_free_swap(folio) {
            Write::None
        } else if self.page(folio).word == 0 {
            self.swap_write(folio);
            Write::Over
        } else {
            self.page_mut(folio).flags.insert(PageFlags::WRITEBACK);
            if self.rules().swap_write_is_queued {
                Write::Queued
            } else {
                self.swap_write(folio);
                Write::Over
            }
        };
        self.folio_unlock(cur.task, folio);
        write
    }

    /// Puts a folio that could not go back on the LRU; `marked` says that it was mlocked before.
    fn putback_reclaimed(&mut self, cur: Current<'_>, folio: Pfn, marked: bool) {
        let mlocked = self.page(folio).has(PageFlags::MLOCKED);
        self.folio_putback_lru(cur.task, folio);
        if mlocked && !marked {
            // the mark that try_to_unmap set is counted when the folio is back on its list
            self.mlock_folio(folio);
        }
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
        self.shrink_folio_list(isolated).await > 0
    }

    /// Reclaims isolated folios, or puts them back on the LRU; how many it freed. Those whose write is queued go back
    /// when it is over (`shrink_folio_list`, `swap_write_submit`).
    pub(crate) async fn shrink_folio_list(self, folios: impl IntoIterator<Item = Pfn>) -> u32 {
        let (mut freed, mut queued) = (0, Vec::new());
        for folio in folios {
            match self.shrink_folio(folio).await {
                Shrunk::Freed => freed += 1,
                Shrunk::Kept => {}
                Shrunk::Queued => queued.push(folio),
            }
        }
        if !queued.is_empty() {
            self.preempt(Site::SwapWritepage).await;
            let s = &mut *self.state();
            for folio in queued {
                s.swap_write(folio);
                s.page_mut(folio).flags.remove(PageFlags::WRITEBACK);
                s.putback_reclaimed(self, folio, false);
            }
        }
        freed
    }

    /// Reclaims an isolated folio, or puts it back on the LRU (the loop body of `shrink_folio_list`).
    async fn shrink_folio(self, folio: Pfn) -> Shrunk {
        self.preempt(Site::ShrinkFolio).await;
        let mut locked = { self.state().folio_trylock(self.task, folio) };
        let marked = self.state().page(folio).has(PageFlags::MLOCKED);
        if locked && self.unmap_for_reclaim(folio).await && self.needs_pageout(folio) {
            let write = { self.state().swap_writeout(self, folio) };
            if write == Write::Over {
                self.preempt(Site::SwapWritepage).await;
                self.state()
                    .page_mut(folio)
                    .flags
                    .remove(PageFlags::WRITEBACK);
            }
            if write == Write::Queued {
                self.state().try_to_unmap_flush(self.task);
                return Shrunk::Queued;
            }
            locked = write == Write::Over && self.state().folio_trylock(self.task, folio);
        }
        let s = &mut *self.state();
        s.try_to_unmap_flush(self.task);
        let freed = locked && s.remove_mapping(folio);
        if locked && !freed && s.page(folio).has(PageFlags::MLOCKED) {
            s.folio_free_swap(folio);
        }
        if locked {
            s.folio_unlock(self.task, folio);
        }
        if freed {
            s.folio_put(self.task, folio);
            return Shrunk::Freed;
        }
        s.putback_reclaimed(self, folio, marked);
        Shrunk::Kept
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
}
