//! The queue of deferred splits, its shrinker, and splits on request.
//!
//! A folio of which a part has lost its last mapping keeps all of its memory until it is split. The
//! unmapping cannot split it, because it holds a page-table lock, so it marks the folio and puts it
//! on a queue, for the shrinker. A new huge page is queued as well, but not marked: the shrinker
//! splits it if it is underused, that is, if it has many pages of zeroes.
//!
//! A folio leaves the queue when it is split or freed, when its contents migrate to another folio,
//! when the shrinker finds no reason to split it, or when the split of an unmarked folio fails.
//! While it is in the swap cache it is not put on the queue, because reclaim is already at work on
//! it.
//!
//! Corresponds to `deferred_split_folio`, `deferred_split_scan` and `split_huge_pages_pid` in
//! `mm/huge_memory.c`.

use crate::ids::{Folio, MmId, Pfn};
use crate::lock::Lock;
use crate::page::PageFlags;
use crate::state::{Current, State};
use alloc::vec::Vec;
use core::ops::Range;

impl State {
    /// The folios on the queue, the oldest first.
    pub fn deferred_splits(&self) -> &[Folio] {
        &self.deferred_splits
    }

    /// Puts a folio of system memory on the queue (`deferred_split_folio`). Marks it if it is
    /// mapped in part only.
    pub(crate) fn deferred_split_folio(&mut self, folio: Folio, partially_mapped: bool) {
        if folio.device().is_some() || self.head(folio).has(PageFlags::SWAPCACHE) {
            return;
        }
        if partially_mapped {
            let flags = &mut self.head_mut(folio).flags;
            flags.insert(PageFlags::PARTIALLY_MAPPED);
        }
        if !self.deferred_splits.contains(&folio) {
            self.deferred_splits.push(folio);
        }
    }

    /// Takes a folio off the queue, and removes its mark (`folio_unqueue_deferred_split`).
    pub(crate) fn folio_unqueue_deferred_split(&mut self, folio: Folio) {
        self.deferred_splits.retain(|queued| *queued != folio);
        let flags = &mut self.head_mut(folio).flags;
        flags.remove(PageFlags::PARTIALLY_MAPPED);
    }

    /// Queues a large folio that a migration has mapped again, if some of its pages have no
    /// mappings. Those pages were unmapped while the folio was on a device or had migration
    /// entries, and such an unmapping does not queue the folio.
    pub(crate) fn queue_if_partially_mapped(&mut self, folio: Folio) {
        let head = self.head(folio);
        if head.order == 0 || head.entire_mapcount > 0 || head.large_mapcount == 0 {
            return;
        }
        zoo!(self, Bug::LatentPartialNotQueued => return);
        let mut pages = self.whole(folio).pages();
        if pages.any(|page| self.page(page).mapcount == 0) {
            self.deferred_split_folio(folio, true);
        }
    }

    /// True if more than half of the pages of a folio have only zeroes (`thp_underused`, with
    /// `max_ptes_none` at half of the pages).
    fn is_underused(&self, folio: Folio) -> bool {
        let unit = self.whole(folio);
        let zeroes = unit.pages().filter(|page| self.page(*page).word == 0);
        zeroes.count() as u32 > unit.nr / 2
    }

    /// True if the shrinker splits a folio. It leaves an mlocked one alone unless it is marked,
    /// because the split would not free its pages of zeroes.
    fn shrinker_wants(&self, folio: Folio, underused: bool) -> bool {
        let head = self.head(folio);
        let spared = head.has(PageFlags::MLOCKED) && self.rules().underused_spares_mlocked;
        head.has(PageFlags::PARTIALLY_MAPPED) || underused && !spared && self.is_underused(folio)
    }

    /// The large folio that a present entry for an address names, if only its mappings and the swap
    /// cache hold it.
    fn splittable_at(&self, mm: MmId, addr: u64) -> Option<Folio> {
        let page = self.tables.entry_for(self.mm(mm).pgd, addr).present()?;
        let folio = (page.pfn() != Pfn::ZERO).then(|| self.folio(page.pfn()))?;
        let head = self.head(folio);
        let expected = head.folio_mapcount() + self.folio_cache_refs(folio);
        (head.order > 0 && head.refcount == expected).then_some(folio)
    }
}

impl Current<'_> {
    /// Tries all folios of the queue once (`deferred_split_scan`): splits those that are marked
    /// and, if `underused` is set, those that have too many pages of zeroes. A marked folio that
    /// cannot be split stays on the queue, and so does an underused folio that is locked. All other
    /// folios leave the queue.
    pub async fn deferred_split_scan(self, underused: bool) {
        let isolated: Vec<Folio> = {
            let s = &mut *self.state();
            let queued = s.deferred_splits.clone();
            let alive = queued.into_iter();
            alive
                .filter(|folio| s.folio_try_get(self.task, *folio))
                .collect()
        };
        for folio in isolated {
            let wanted = self.state().shrinker_wants(folio, underused);
            let locked = wanted && self.state().folio_trylock(self.task, folio);
            let split = locked && self.split_folio(folio, folio.head()).await;
            let s = &mut *self.state();
            if locked {
                s.folio_unlock(self.task, folio);
            }
            let stays = s.head(folio).has(PageFlags::PARTIALLY_MAPPED) || wanted && !locked;
            if !split && !stays {
                s.folio_unqueue_deferred_split(folio);
            }
            s.folio_put(self.task, folio);
        }
    }

    /// Splits the large folios to which present entries of a range point, up to the first address
    /// without a VMA (`split_huge_pages_pid`, which is a write to the file `split_huge_pages` of
    /// debugfs). A folio that is locked or that somebody holds is left alone.
    pub async fn split_huge_pages(self, mm: MmId, range: Range<u64>) {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        for addr in range {
            let found = {
                let s = &*self.state();
                if s.find_vma(mm, addr).is_none() {
                    break;
                }
                s.splittable_at(mm, addr)
            };
            if let Some(folio) = found {
                self.split_mapped_folio(folio).await;
            }
        }
        self.unlock(lock);
    }
}
