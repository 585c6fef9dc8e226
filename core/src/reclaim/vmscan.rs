//! Reclaim: freeing the frame of a folio that is on the LRU.
//!
//! The choice of the folio is not modelled: a program names a page ([`Current::reclaim_folio`]), or
//! a range with `MADV_PAGEOUT`. The rest is the path of every reclaimed folio: swap cache, unmap,
//! write, removal. Reclaim holds a reference to the folio throughout. It holds the folio lock too,
//! except while the folio is written. Since 7.3 the write is queued and the folio stays in the swap
//! cache; reclaiming it again frees it.
//!
//! Corresponds to `shrink_folio_list` and its helpers in `mm/vmscan.c`.

use crate::ids::Folio;
use crate::lock::Site;
use crate::page::PageFlags;
use crate::state::{Current, State};
use alloc::vec::Vec;

/// The result for one folio.
enum Shrunk {
    Freed,
    Kept,
    /// It is written once all folios of the list have been tried.
    Queued,
}

/// A write to the swap device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    /// No write is needed.
    None,
    /// The contents are in the slot. After the next scheduling point, reclaim goes on with the
    /// folio.
    Over,
    Queued,
}

impl State {
    /// Prepares a locked folio for unmapping: allocates a slot unless it has one or is lazily
    /// freed. Returns false if it cannot be reclaimed.
    fn prepare_reclaim(&mut self, folio: Folio) -> bool {
        let page = self.head(folio);
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

    /// True if the unmapped folio must be written and nobody else holds it
    /// (`is_page_cache_freeable`).
    fn needs_pageout(&self, folio: Folio) -> bool {
        let page = self.head(folio);
        // the reclaimer's reference and that of the swap cache
        page.has(PageFlags::SWAPBACKED | PageFlags::DIRTY) && page.refcount == 2
    }

    /// Removes an unmapped folio that nobody else holds, if its contents are in its slot or are not
    /// needed any more (`__remove_mapping`). The caller then holds the last reference.
    fn remove_mapping(&mut self, folio: Folio) -> bool {
        let page = self.head(folio);
        if !page.has(PageFlags::SWAPBACKED) {
            return page.refcount == 1;
        }
        if !page.has(PageFlags::SWAPCACHE) || page.refcount != 2 || page.has(PageFlags::DIRTY) {
            return false;
        }
        self.delete_from_swap_cache(folio);
        true
    }

    /// Starts to write a locked folio (`pageout`, `swap_writeout`). The folio is unlocked at once,
    /// so it may be mapped and written again while the device works. If no entry names the slot any
    /// more, the slot is freed instead. A page of zeroes needs no device.
    fn swap_writeout(&mut self, cur: Current<'_>, folio: Folio) -> Write {
        self.head_mut(folio).flags.remove(PageFlags::DIRTY);
        self.try_to_unmap_flush_dirty(cur.task);
        let write = if self.folio_free_swap(folio) {
            Write::None
        } else if self.head(folio).word == 0 {
            self.swap_write(folio);
            Write::Over
        } else {
            self.head_mut(folio).flags.insert(PageFlags::WRITEBACK);
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

    /// Puts a folio that was not freed back on the LRU. `marked` says that it was mlocked before
    /// reclaim.
    fn putback_reclaimed(&mut self, cur: Current<'_>, folio: Folio, marked: bool) {
        let mlocked = self.head(folio).has(PageFlags::MLOCKED);
        self.folio_putback_lru(cur.task, folio);
        if mlocked && !marked {
            // count the mark that try_to_unmap set, now that the folio is on the LRU
            self.mlock_folio(folio);
        }
    }
}

impl Current<'_> {
    /// Reclaims the folio if it is on the LRU. Returns true if that freed it.
    pub async fn reclaim_folio(self, folio: Folio) -> bool {
        let isolated = {
            let s = &mut *self.state();
            // reclaim does not scan the list of unevictable folios
            let looked_at = !s.head(folio).has(PageFlags::UNEVICTABLE);
            (looked_at && s.folio_isolate_lru(self.task, folio)).then_some(folio)
        };
        self.shrink_folio_list(isolated).await > 0
    }

    /// Reclaims isolated folios, or puts them back on the LRU (`shrink_folio_list`,
    /// `swap_write_submit`). Returns the number of freed folios. Folios with a queued write go back
    /// to the LRU once they are written.
    pub(crate) async fn shrink_folio_list(self, folios: impl IntoIterator<Item = Folio>) -> u32 {
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
                s.head_mut(folio).flags.remove(PageFlags::WRITEBACK);
                s.putback_reclaimed(self, folio, false);
            }
        }
        freed
    }

    /// Reclaims an isolated folio, or puts it back on the LRU (the loop body of
    /// `shrink_folio_list`).
    async fn shrink_folio(self, folio: Folio) -> Shrunk {
        self.preempt(Site::ShrinkFolio).await;
        let mut locked = { self.state().folio_trylock(self.task, folio) };
        let marked = self.state().head(folio).has(PageFlags::MLOCKED);
        if locked && self.state().head(folio).order > 0 {
            // the kernel reclaims it whole if it can
            self.split_folio(folio, folio.head()).await;
            let s = &mut *self.state();
            if s.head(folio).order > 0 {
                s.folio_unlock(self.task, folio);
                locked = false;
            }
        }
        if locked && self.unmap_for_reclaim(folio).await && self.needs_pageout(folio) {
            let write = { self.state().swap_writeout(self, folio) };
            if write == Write::Over {
                self.preempt(Site::SwapWritepage).await;
                self.state()
                    .head_mut(folio)
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
        if locked && !freed && s.head(folio).has(PageFlags::MLOCKED) {
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

    async fn unmap_for_reclaim(self, folio: Folio) -> bool {
        if !self.state().prepare_reclaim(folio) {
            return false;
        }
        self.try_to_unmap(folio).await;
        !self.is_mapped(folio)
    }

    fn needs_pageout(self, folio: Folio) -> bool {
        self.state().needs_pageout(folio)
    }
}
