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
    /// The number of its pages.
    Freed(u32),
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

/// What a folio needs before it can be unmapped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// A slot for each of its pages.
    Slots,
    /// A split: some of its pages are not mapped any more, and need no write.
    Split,
    /// It cannot be reclaimed.
    Refused,
}

impl State {
    /// What a locked folio needs before it can be unmapped. It needs no slots if it has them, or if
    /// it is lazily freed.
    fn needs_for_reclaim(&self, folio: Folio) -> Needs {
        let page = self.head(folio);
        if page
            .flags
            .intersects(PageFlags::WRITEBACK | PageFlags::MLOCKED)
        {
            return Needs::Refused;
        }
        if !page.has(PageFlags::SWAPBACKED) || page.has(PageFlags::SWAPCACHE) {
            return Needs::Nothing;
        }
        if page.maybe_dma_pinned() || page.order > 0 && !self.only_mappings_hold(folio) {
            return Needs::Refused;
        }
        match page.has(PageFlags::PARTIALLY_MAPPED) {
            true => Needs::Split,
            false => Needs::Slots,
        }
    }

    /// True if all pages of the folio have only zeroes (`is_folio_zero_filled`).
    fn is_zero_filled(&self, folio: Folio) -> bool {
        let mut pages = self.whole(folio).pages();
        pages.all(|page| self.page(page).word == 0)
    }

    /// True if the unmapped folio must be written and nobody else holds it
    /// (`is_page_cache_freeable`).
    fn needs_pageout(&self, folio: Folio) -> bool {
        let page = self.head(folio);
        // the reclaimer's reference and those of the swap cache
        page.has(PageFlags::SWAPBACKED | PageFlags::DIRTY) && page.refcount == 1 + page.nr_pages()
    }

    /// Removes an unmapped folio that nobody else holds, if its contents are in its slot or are not
    /// needed any more (`__remove_mapping`). The caller then holds the last reference.
    fn remove_mapping(&mut self, folio: Folio) -> bool {
        let page = self.head(folio);
        if !page.has(PageFlags::SWAPBACKED) {
            return page.refcount == 1;
        }
        let held = page.refcount != 1 + page.nr_pages();
        if !page.has(PageFlags::SWAPCACHE) || held || page.has(PageFlags::DIRTY) {
            return false;
        }
        self.delete_from_swap_cache(folio);
        true
    }

    /// Starts to write a locked folio (`pageout`, `swap_writeout`). The folio is unlocked at once,
    /// so it may be mapped and written again while the device works. If no entry names a slot any
    /// more, the slots are freed instead. A folio of zeroes needs no device.
    fn swap_writeout(&mut self, cur: Current<'_>, folio: Folio) -> Write {
        self.head_mut(folio).flags.remove(PageFlags::DIRTY);
        self.try_to_unmap_flush_dirty(cur.task);
        let write = if self.folio_free_swap(folio) {
            Write::None
        } else if self.is_zero_filled(folio) {
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
    /// Reclaims the folio if it is on the LRU. Returns the number of pages that this freed.
    pub async fn reclaim_folio(self, folio: Folio) -> u32 {
        let isolated = {
            let s = &mut *self.state();
            // reclaim does not scan the list of unevictable folios
            let looked_at = !s.head(folio).has(PageFlags::UNEVICTABLE);
            (looked_at && s.folio_isolate_lru(self.task, folio)).then_some(folio)
        };
        self.shrink_folio_list(isolated).await
    }

    /// Reclaims isolated folios, or puts them back on the LRU (`shrink_folio_list`,
    /// `swap_write_submit`). Returns the number of freed pages. Folios with a queued write go back
    /// to the LRU once they are written.
    pub(crate) async fn shrink_folio_list(self, folios: impl IntoIterator<Item = Folio>) -> u32 {
        let (mut freed, mut queued, mut parts) = (0, Vec::new(), Vec::new());
        for folio in folios {
            let mut next = Some(folio);
            while let Some(folio) = next {
                match self.shrink_folio(folio, &mut parts).await {
                    Shrunk::Freed(pages) => freed += pages,
                    Shrunk::Kept => {}
                    Shrunk::Queued => queued.push(folio),
                }
                next = parts.pop();
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
    /// `shrink_folio_list`). If it splits the folio, it appends the other pages, which are
    /// isolated, to `parts`. They are reclaimed next, the last first.
    async fn shrink_folio(self, folio: Folio, parts: &mut Vec<Folio>) -> Shrunk {
        self.preempt(Site::ShrinkFolio).await;
        let mut locked = { self.state().folio_trylock(self.task, folio) };
        let marked = self.state().head(folio).has(PageFlags::MLOCKED);
        if locked && self.unmap_for_reclaim(folio, parts).await && self.needs_pageout(folio) {
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
            let pages = 1 << s.head(folio).order;
            s.folio_put(self.task, folio);
            return Shrunk::Freed(pages);
        }
        s.putback_reclaimed(self, folio, marked);
        Shrunk::Kept
    }

    async fn unmap_for_reclaim(self, folio: Folio, parts: &mut Vec<Folio>) -> bool {
        if !self.prepare_reclaim(folio, parts).await {
            return false;
        }
        self.try_to_unmap(folio).await;
        !self.is_mapped(folio)
    }

    /// Prepares a locked folio for unmapping. Splits the folio if some of its pages are not mapped
    /// any more, or if there is no run of slots for it. Returns false if the folio cannot be
    /// reclaimed.
    async fn prepare_reclaim(self, folio: Folio, parts: &mut Vec<Folio>) -> bool {
        let needs = self.state().needs_for_reclaim(folio);
        match needs {
            Needs::Nothing => return true,
            Needs::Refused => return false,
            Needs::Slots => {}
            Needs::Split => {
                if !self.split_folio_to_list(folio, parts).await {
                    return false;
                }
            }
        }
        let added = { self.state().add_to_swap(folio).is_ok() };
        if added || self.state().head(folio).order == 0 {
            return added;
        }
        self.split_folio_to_list(folio, parts).await && self.state().add_to_swap(folio).is_ok()
    }

    fn needs_pageout(self, folio: Folio) -> bool {
        self.state().needs_pageout(folio)
    }
}
