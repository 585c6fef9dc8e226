//! A fault on a swap entry, and reading from the swap device.
//!
//! The swap cache arbitrates between tasks that want the contents of a slot. If the cache has no
//! folio for the slot, the first task adds one, so all of them get the same folio. Each task locks
//! the folio and checks the entry again under the page-table lock. A locked folio in the cache
//! keeps its slot, so an unchanged entry still means the same page.
//!
//! Corresponds to `do_swap_page` in `mm/memory.c`, `__read_swap_cache_async` in `mm/swap_state.c`.

use crate::fault::{Fault, FaultError, FaultResult, VmFault};
use crate::ids::{Folio, Pfn, SwapId, VmaId};
use crate::lock::Site;
use crate::page::PageFlags;
use crate::pte::{PresentPte, PteFlags, Softleaf, SwapFlags, SwapPte};
use crate::rmap::Unit;
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
use core::ops::RangeInclusive;

/// Result of looking up the folio of a slot.
#[derive(Clone, Copy)]
pub(crate) enum Lookup {
    /// The folio was in the cache; another task may still be reading it.
    Cached(Folio),
    /// The caller put the folio into the cache, locked, and must read it.
    Fresh(Folio),
    /// The slot is free.
    Gone,
}

impl State {
    /// Finds the folio of a slot in the swap cache, or adds a new one. The task gets a reference.
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

    /// Allocates a locked, charged folio for the contents of a slot.
    pub(crate) fn alloc_swap_folio(&mut self, cur: Current<'_>) -> Result<Folio, Enomem> {
        let folio = self.folio_alloc(cur.task, 0)?;
        self.charge(folio);
        self.head_mut(folio).flags.insert(PageFlags::SWAPBACKED);
        self.folio_trylock(cur.task, folio);
        Ok(folio)
    }

    /// True if this fault should free the slot (`should_try_to_free_swap`). After a write fault the
    /// page changes, so the contents of the slot become useless. The kernel also frees the slot if
    /// the swap device is more than half full; the model leaves that test out.
    fn should_try_to_free_swap(&self, vma: VmaId, write: bool, folio: Folio) -> bool {
        let (area, page) = (self.vma(vma), self.head(folio));
        let locked = area.flags.contains(VmFlags::LOCKED) || page.has(PageFlags::MLOCKED);
        let unheld = page.refcount == 1 + page.nr_pages();
        locked || write && (self.rules().swap_slot_goes_to_exclusive || unheld)
    }

    /// The first address and the pages that a fault on a swap entry maps: all pages of a large
    /// folio in the swap cache, if all its entries lie in one page table and one VMA, and are like
    /// the faulting one (`swap_pte_batch`). Otherwise the page of the entry.
    fn swapped_unit(&self, vmf: &VmFault, slot: SwapId, folio: Folio) -> (u64, Unit) {
        let page = self.page_of_slot(folio, slot);
        let one = (vmf.addr, Unit::page(folio, page));
        let head = self.head(folio);
        if head.order == 0 || !head.has(PageFlags::SWAPCACHE) {
            return one;
        }
        let nr = 1 << head.order;
        let Some(first) = vmf.addr.checked_sub(u64::from(page.0 - folio.head().0)) else {
            return one;
        };
        let (area, table) = (self.vma(vmf.vma).range(), self.pmd_range(vmf.addr));
        let end = first + u64::from(nr);
        if first < area.start.max(table.start) || end > area.end.min(table.end) {
            return one;
        }
        let pgd = self.mm(vmf.mm).pgd;
        let bits = SwapPte::assume(vmf.orig);
        let alike = (first..end).zip(head.swap.0..).all(|(addr, slot)| {
            let entry = Softleaf::Swap(SwapId(slot)).to_swap();
            let entry = entry
                .set(bits.tracking(), true)
                .set(SwapFlags::EXCLUSIVE, bits.exclusive());
            self.tables.entry_for(pgd, addr) == entry.pte()
        });
        match alike {
            true => (
                first,
                Unit {
                    nr,
                    first: folio.head(),
                    ..one.1
                },
            ),
            false => one,
        }
    }

    /// Maps a locked folio in place of the swap entry, under the page-table lock (the end of
    /// `do_swap_page`). A large folio is mapped whole if possible. Returns the new entry for the
    /// faulting address. `in_lru_batch` is true if the folio was just read and an LRU batch still
    /// holds a reference to it; only a write fault drains the batch.
    pub(crate) fn map_swap_folio(
        &mut self,
        cur: Current<'_>,
        vmf: &VmFault,
        slot: SwapId,
        folio: Folio,
        in_lru_batch: bool,
    ) -> PresentPte {
        let swap = SwapPte::assume(vmf.orig);
        let (first, unit) = self.swapped_unit(vmf, slot, folio);
        // kernels since 7.0 map first, so that a concurrent fault finds the folio in the cache
        let rules = self.rules();
        let slot_first = !rules.swap_slot_goes_after_mapping;
        let slots = match unit.nr {
            1 => slot..=slot,
            _ => self.page_slot(unit.first)..=self.page_slot(Pfn(unit.first.0 + unit.nr - 1)),
        };
        if slot_first {
            self.put_swap(vmf.vma, vmf.write, slots.clone(), folio);
        }
        let mm = self.mm_mut(vmf.mm);
        mm.anon_rss += i64::from(unit.nr);
        mm.swap_ents -= i64::from(unit.nr);
        // if the slot is freed only after the mapping, the swap cache still holds a reference here,
        // so the count is not 1
        let exclusive = swap.exclusive() || !in_lru_batch && self.head(folio).refcount == 1;
        let pte = self
            .mk_pte(vmf.vma, unit.first)
            .set(PteFlags::SOFT_DIRTY, swap.soft_dirty())
            .set(PteFlags::UFFD_WP, swap.uffd_wp());
        let flags = self.vma(vmf.vma).flags;
        let watched = flags.needs_soft_dirty_wp(pte) || flags.userfaultfd_pte_wp(pte);
        let writable = exclusive && flags.contains(VmFlags::WRITE) && !watched;
        let pte = match (writable, vmf.write) {
            (true, true) => pte.set(PteFlags::RW, true).mkdirty(),
            (writable, _) => pte.set(PteFlags::RW, writable),
        };
        if self.head(folio).anon_vma().is_none() {
            self.folio_add_new_anon_rmap(folio, vmf.vma, vmf.addr, exclusive);
        } else {
            self.folio_add_anon_rmap(unit, vmf.vma, exclusive);
        }
        self.disown(cur.task, folio);
        self.folio_ref_add(folio, unit.nr as i32 - 1);
        if unit.nr == 1 {
            self.tables.set(vmf.at, pte.pte());
        } else {
            let pgd = self.mm(vmf.mm).pgd;
            for i in 0..unit.nr {
                if let Some(at) = self.tables.pte_offset(pgd, first + u64::from(i)) {
                    self.tables.set(at, pte.pte().part(i));
                }
            }
        }
        if !slot_first {
            let takes = match rules.swap_slot_goes_to_exclusive {
                true => exclusive,
                // from 7.0 to 7.2, a write fault is no reason to free the slot if the new entry is
                // writable
                false => !writable,
            };
            self.put_swap(vmf.vma, vmf.write && takes, slots, folio);
        }
        let page = Pfn(unit.first.0 + (vmf.addr - first) as u32);
        pte.with_pfn(page)
    }

    /// Drops the entries' uses of the slots. Frees the slots if this fault should free them
    /// (`should_try_to_free_swap`) and no other entry names any of them.
    fn put_swap(&mut self, vma: VmaId, write: bool, slots: RangeInclusive<SwapId>, folio: Folio) {
        for slot in slots.start().0..=slots.end().0 {
            self.swap_free(SwapId(slot));
        }
        if self.should_try_to_free_swap(vma, write, folio) {
            self.folio_free_swap(folio);
        }
    }
}

impl Current<'_> {
    /// Finds the folio with the contents of a slot, or reads it (`read_swap_cache_async`). The task
    /// gets a reference.
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

    /// Finds the folio in the swap cache of a slot and takes a reference (`swap_cache_get_folio`).
    /// No lock is held: before the reference is taken, another folio may have replaced this one, so
    /// the slot is checked again.
    async fn swap_cache_get_folio(self, slot: SwapId) -> Option<Folio> {
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

    pub(crate) async fn swap_read_folio(self, slot: SwapId, folio: Folio) {
        self.preempt(Site::SwapReadFolio).await;
        let s = &mut *self.state();
        s.head_mut(folio).word = s.swap().slot(slot).word;
    }

    /// Handles a fault on a swap entry (`do_swap_page`).
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
            Err(Enomem) if self.state().pte_same(&vmf).is_some() => {
                return Err(FaultError::Oom);
            }
            Ok(Lookup::Gone) | Err(Enomem) => return Ok(Fault::Done),
        };
        // the folio may leave the cache before it is locked
        self.preempt(Site::SwapCacheFound).await;
        if !self.state().folio_trylock(self.task, folio) {
            return Ok(Fault::Locked(folio));
        }
        self.preempt(Site::FolioLockOrRetry).await;
        let (orig, action) = {
            let s = &mut *self.state();
            let cached = s.folio_matches_slot(folio, slot);
            zoo!(s, Bug::SwapinRace => let cached = true);
            let Some(vmf) = s.pte_same(&vmf).filter(|_| cached) else {
                if s.rules().late_swapin_frees_slot {
                    s.folio_free_swap(folio);
                }
                s.folio_unlock(self.task, folio);
                s.folio_put(self.task, folio);
                return Ok(Fault::Done);
            };
            // the batch of mlock_folio holds a reference to a folio mapped in an mlocked VMA
            let in_batch = s.rules().locked_swapin_is_held
                && s.vma(vmf.vma).flags.contains(VmFlags::LOCKED)
                && s.head(folio).anon_vma().is_some();
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
