//! A fault on a swap entry, and reading from the swap device.
//!
//! The swap cache arbitrates: whoever wants the contents of a slot gets the one folio that is, or will
//! be, there, locks it, and looks at the entry again under the page-table lock. A locked folio of the
//! cache keeps its slot, so an entry that is unchanged then means the same page.
//!
//! Corresponds to `do_swap_page` in `mm/memory.c`, `__read_swap_cache_async` in `mm/swap_state.c`.

use crate::fault::{Fault, FaultError, FaultResult, VmFault};
use crate::ids::{Pfn, SwapId, VmaId};
use crate::lock::Site;
use crate::page::PageFlags;
use crate::pte::{PresentPte, PteFlags, SwapPte};
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;

/// A folio of the swap cache.
#[derive(Clone, Copy)]
pub(crate) enum Lookup {
    /// It was there, or is being read by somebody.
    Cached(Pfn),
    /// The caller put it there, locked, and has to read it.
    Fresh(Pfn),
    /// The slot is free.
    Gone,
}

impl State {
    /// The folio for a slot, found or put into the swap cache, with a reference that belongs to the task.
    fn swap_cache_get_or_add(&mut self, cur: Current<'_>, slot: SwapId) -> Result<Lookup, Enomem> {
        let s = self.swap().slot(slot);
        if let Some(folio) = s.cache {
            self.folio_get(cur.task, folio);
            return Ok(Lookup::Cached(folio));
        }
        if s.is_free() {
            return Ok(Lookup::Gone);
        }
        let folio = self.alloc_swap_folio(cur)?;
        self.add_to_swap_cache(folio, slot);
        self.folio_add_lru(folio);
        Ok(Lookup::Fresh(folio))
    }

    /// A locked, charged folio for the contents of a slot.
    pub(crate) fn alloc_swap_folio(&mut self, cur: Current<'_>) -> Result<Pfn, Enomem> {
        let folio = self.alloc_page(cur.task)?;
        self.charge(folio);
        self.page_mut(folio).flags.insert(PageFlags::SWAPBACKED);
        self.folio_trylock(cur.task, folio);
        Ok(folio)
    }

    /// Is the slot to be given up with this fault? A page that is written soon would have to be written
    /// to it again anyway (`should_try_to_free_swap`; the device is never more than half full).
    fn should_try_to_free_swap(&self, vma: VmaId, write: bool, folio: Pfn) -> bool {
        let (area, page) = (self.vma(vma), self.page(folio));
        let locked = area.flags.contains(VmFlags::LOCKED) || page.has(PageFlags::MLOCKED);
        locked || write && (self.rules().swap_slot_goes_to_exclusive || page.refcount == 2)
    }

    /// Maps a locked folio in the place of the swap entry, under the page-table lock. Returns the entry
    /// that is there now (the end of `do_swap_page`). A folio that was just read is in a batch on its way
    /// to the LRU, which has a reference; only a write fault drains it.
    pub(crate) fn map_swap_folio(
        &mut self,
        cur: Current<'_>,
        vmf: &VmFault,
        slot: SwapId,
        folio: Pfn,
        in_lru_batch: bool,
    ) -> PresentPte {
        let swap = SwapPte::assume(vmf.orig);
        // Newer kernels map first, so that whoever faults meanwhile finds the folio in the cache.
        let rules = self.rules();
        let slot_first = !rules.swap_slot_goes_after_mapping;
        if slot_first {
            self.put_swap(vmf.vma, vmf.write, slot, folio);
        }
        let mm = self.mm_mut(vmf.mm);
        mm.anon_rss += 1;
        mm.swap_ents -= 1;
        // with the swap cache, a folio that keeps its slot until it is mapped has two references
        let exclusive = swap.exclusive() || !in_lru_batch && self.page(folio).refcount == 1;
        let pte = self
            .mk_pte(vmf.vma, folio)
            .set(PteFlags::SOFT_DIRTY, swap.soft_dirty())
            .set(PteFlags::UFFD_WP, swap.uffd_wp());
        let flags = self.vma(vmf.vma).flags;
        let watched = flags.needs_soft_dirty_wp(pte) || flags.userfaultfd_pte_wp(pte);
        let writable = exclusive && flags.contains(VmFlags::WRITE) && !watched;
        let pte = match (writable, vmf.write) {
            (true, true) => pte.set(PteFlags::RW, true).mkdirty(),
            (writable, _) => pte.set(PteFlags::RW, writable),
        };
        if self.page(folio).mapping().is_none() {
            self.folio_add_new_anon_rmap(folio, vmf.vma, vmf.addr, exclusive);
        } else {
            self.folio_add_anon_rmap_pte(folio, vmf.vma, exclusive);
        }
        self.disown(cur.task, folio);
        self.tables.set(vmf.at, pte.pte());
        if !slot_first {
            let takes = match rules.swap_slot_goes_to_exclusive {
                true => exclusive,
                // 7.0: a write that the new mapping allows is none any more
                false => !writable,
            };
            self.put_swap(vmf.vma, vmf.write && takes, slot, folio);
        }
        pte
    }

    /// One entry less names the slot, which may be given up.
    fn put_swap(&mut self, vma: VmaId, write: bool, slot: SwapId, folio: Pfn) {
        self.swap_free(slot);
        if self.should_try_to_free_swap(vma, write, folio) {
            self.folio_free_swap(folio);
        }
    }
}

impl Current<'_> {
    /// Finds the folio with the contents of a slot, or reads it; the task has a reference
    /// (`read_swap_cache_async`).
    pub(crate) async fn read_swap_cache(self, slot: SwapId) -> Result<Lookup, Enomem> {
        if let Some(folio) = self.swap_cache_get_folio(slot).await {
            return Ok(Lookup::Cached(folio));
        }
        let found = { self.state().swap_cache_get_or_add(self, slot)? };
        if let Lookup::Fresh(folio) = found {
            self.swap_read_folio(slot, folio).await;
            self.state().folio_unlock(self.task, folio);
        }
        Ok(found)
    }

    /// The folio in the swap cache of a slot, with a reference. Nothing is locked: before the reference is taken the folio may
    /// go and another one come, so the slot is looked at again (`swap_cache_get_folio`).
    async fn swap_cache_get_folio(self, slot: SwapId) -> Option<Pfn> {
        loop {
            let folio = { self.state().swap_cache_folio(slot) }?;
            self.preempt(Site::SwapCacheGetFolio).await;
            let s = &mut *self.state();
            if s.folio_try_get(self.task, folio) {
                if s.swap_cache_folio(slot) == Some(folio) {
                    return Some(folio);
                }
                s.folio_put(self.task, folio);
            }
        }
    }

    pub(crate) async fn swap_read_folio(self, slot: SwapId, folio: Pfn) {
        self.preempt(Site::SwapReadFolio).await;
        let s = &mut *self.state();
        s.page_mut(folio).word = s.swap().slot(slot).word;
    }

    /// A fault on a swap entry (`do_swap_page`).
    pub(crate) async fn do_swap_page(self, vmf: VmFault, slot: SwapId) -> FaultResult {
        self.preempt(Site::DoSwapPage).await;
        zoo!(self, Bug::SwapinSkipCacheAba => {
            if let Some(folio) = self.swapin_past_cache(slot).await {
                return self.map_past_cache(vmf, slot, folio).await;
            }
        });
        let found = self.read_swap_cache(slot).await;
        let (folio, fresh) = match found {
            Ok(Lookup::Cached(folio)) => (folio, false),
            Ok(Lookup::Fresh(folio)) => (folio, true),
            Err(Enomem) if self.state().tables().get(vmf.at) == vmf.orig => {
                return Err(FaultError::Oom);
            }
            Ok(Lookup::Gone) | Err(Enomem) => return Ok(Fault::Done),
        };
        // it may leave the cache before it is locked
        self.preempt(Site::SwapCacheFound).await;
        if !self.state().folio_trylock(self.task, folio) {
            return Ok(Fault::Locked(folio));
        }
        self.preempt(Site::FolioLockOrRetry).await;
        let (orig, action) = {
            let s = &mut *self.state();
            let page = s.page(folio);
            let cached = page.has(PageFlags::SWAPCACHE) && page.swap == slot;
            if !cached || s.tables().get(vmf.at) != vmf.orig {
                if s.rules().late_swapin_frees_slot {
                    s.folio_free_swap(folio);
                }
                s.folio_unlock(self.task, folio);
                s.folio_put(self.task, folio);
                return Ok(Fault::Done);
            }
            // what is mapped in a locked area goes through the batch of mlock_folio
            let in_batch = s.rules().locked_swapin_is_held
                && s.vma(vmf.vma).flags.contains(VmFlags::LOCKED)
                && s.page(folio).mapping().is_some();
            let pte = s.map_swap_folio(self, &vmf, slot, folio, fresh && !vmf.write);
            s.folio_unlock(self.task, folio);
            if !vmf.write || pte.write() {
                return Ok(Fault::Done);
            }
            (
                pte.pte(),
                s.do_wp_page(self, &VmFault { in_batch, ..vmf }, pte),
            )
        };
        self.finish_wp_fault(VmFault { orig, ..vmf }, action).await
    }
}
