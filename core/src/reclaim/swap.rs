//! Swap slots and the swap cache.
//!
//! A slot keeps the contents of a page that has no frame. Page-table entries name the slot, and its
//! `count` is their number. The *swap cache* holds the folio that is written to the slot or was
//! read from it. A fault on the slot looks there first, so all entries of the slot get the same
//! folio. A large folio has a *run* of slots: as many as it has pages, side by side, and aligned to
//! that number. The folio names the first of them, and each slot is that of one page.
//!
//! Invariants:
//! - `cache` is `Some(folio)` exactly while the folio has `SWAPCACHE` and its run covers the slot;
//!   the cache holds one reference to the folio for each of its pages;
//! - a slot is free if no entry names it and no folio is cached;
//! - a folio enters and leaves the cache under its lock.
//!
//! Reads of the swap device complete at once, as on a synchronous block device. So do writes before
//! 7.3; since then reclaim queues them (`swap_write_is_queued`). Other tasks can run before and
//! after a read or a write. There is no readahead.
//!
//! Corresponds to `mm/swapfile.c`, `mm/swap_state.c`.

use crate::fail::AllocKind;
use crate::identity::Identity;
use crate::ids::{Folio, Pfn, SwapId};
use crate::page::PageFlags;
use crate::state::{Enomem, State};
use crate::trace::Event;
use alloc::vec::Vec;
use core::hash::Hash;

/// One slot of the swap device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SwapSlot {
    /// Number of page-table entries that name the slot (`swap_count`).
    pub count: u32,
    /// The folio in the swap cache.
    pub cache: Option<Folio>,
    /// The contents of the last write.
    pub word: u64,
}

impl SwapSlot {
    /// True if no entry and no cached folio needs the slot.
    pub const fn is_free(&self) -> bool {
        self.count == 0 && self.cache.is_none()
    }
}

/// The swap device. Slot 0 is its header and is never used.
#[derive(Debug)]
pub struct SwapDevice {
    slots: Vec<SwapSlot>,
    free: Vec<SwapId>,
    capacity: u32,
    changes: u32,
}

impl SwapDevice {
    pub(crate) fn new(capacity: u32) -> Self {
        Self {
            slots: alloc::vec![SwapSlot::default()],
            free: Vec::new(),
            capacity,
            changes: 0,
        }
    }

    /// The slots that were ever used, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (SwapId, &SwapSlot)> {
        let used = self.slots.iter().enumerate().skip(1);
        used.map(|(i, slot)| (SwapId(i as u32), slot))
    }

    /// The slot of that number; a free one if there is none.
    pub fn slot(&self, slot: SwapId) -> SwapSlot {
        self.slots.get(slot.ix()).copied().unwrap_or_default()
    }

    /// Number of changes of slots since the kernel was made or reset.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Direct access to a slot that was ever used, for tests.
    #[cfg(feature = "tamper")]
    pub(crate) fn slot_mut(&mut self, slot: SwapId) -> Option<&mut SwapSlot> {
        self.changes += 1;
        self.slots.get_mut(slot.ix())
    }

    /// Allocates a run of 2^`order` slots, aligned to that number. Returns the first of them.
    pub(crate) fn alloc(&mut self, order: u8) -> Option<SwapId> {
        self.changes += 1;
        if order > 0 {
            return self.alloc_run(1 << order);
        }
        self.free.pop().or_else(|| {
            let next = SwapId(self.slots.len() as u32);
            (next.0 < self.capacity).then(|| {
                self.slots.push(SwapSlot::default());
                next
            })
        })
    }

    /// Allocates the lowest run of `size` free slots. In the kernel, the run of a huge page is a
    /// whole cluster of slots, all of them free.
    fn alloc_run(&mut self, size: u32) -> Option<SwapId> {
        let used = self.slots.len() as u32;
        let is_free = |slot: u32| slot >= used || self.slots[slot as usize].is_free();
        // slot 0 is the header, so the run that would begin there is never free
        let firsts = (1..self.capacity / size).map(|n| n * size);
        let first = firsts
            .take_while(|first| *first < used.next_multiple_of(size) + size)
            .find(|first| (*first..first + size).all(is_free))?;
        self.free
            .retain(|slot| !(first..first + size).contains(&slot.0));
        self.free.extend((used..first).rev().map(SwapId));
        let end = used.max(first + size) as usize;
        self.slots.resize(end, SwapSlot::default());
        Some(SwapId(first))
    }

    /// Changes a slot, and frees it once nothing needs it. A slot that does not exist is ignored: a
    /// corrupt entry may name one.
    fn update(&mut self, slot: SwapId, change: impl FnOnce(&mut SwapSlot)) {
        self.changes += 1;
        let Some(s) = self.slots.get_mut(slot.ix()) else {
            return;
        };
        let was_free = s.is_free();
        change(s);
        if s.is_free() && !was_free {
            self.free.push(slot);
        }
    }

    pub(crate) fn identify(&self, id: &mut impl Identity) {
        let Self {
            slots,
            free,
            capacity: _,
            changes: _,
        } = self;
        slots.len().hash(id);
        for slot in slots {
            let word = id.word(slot.word);
            SwapSlot { word, ..*slot }.hash(id);
        }
        free.hash(id);
    }

    pub(crate) fn reset(&mut self) {
        self.slots.truncate(1);
        self.free.clear();
        self.changes = 0;
    }
}

impl State {
    /// The swap device.
    pub fn swap(&self) -> &SwapDevice {
        &self.swap
    }

    /// The folio in the swap cache of `slot` (`swap_cache_get_folio`). The caller takes its own
    /// reference before the section ends.
    pub(crate) fn swap_cache_folio(&self, slot: SwapId) -> Option<Folio> {
        self.swap.slot(slot).cache
    }

    /// The slots of a folio in the swap cache, with their pages.
    fn cached_pages(&self, folio: Folio) -> impl Iterator<Item = (SwapId, Pfn)> + use<> {
        let (first, head) = (self.head(folio).swap.0, folio.head().0);
        let pages = 0..1 << self.head(folio).order;
        pages.map(move |i| (SwapId(first.wrapping_add(i)), Pfn(head + i)))
    }

    /// The slot of a page whose folio is in the swap cache (`page_swap_entry`).
    pub fn page_slot(&self, page: Pfn) -> SwapId {
        let first = self.head(self.folio(page)).swap;
        SwapId(first.0 + self.page(page).tail_offset)
    }

    /// True if `folio` is in the swap cache, and `slot` is that of one of its pages
    /// (`folio_matches_swap_entry`).
    pub(crate) fn folio_matches_slot(&self, folio: Folio, slot: SwapId) -> bool {
        let head = self.head(folio);
        let behind = head.swap.0.saturating_add(1 << head.order);
        head.has(PageFlags::SWAPCACHE) && (head.swap.0..behind).contains(&slot.0)
    }

    /// The page of `folio` whose slot is `slot`. A run is aligned, so the lowest bits of the slot's
    /// number are the index of the page in the folio.
    pub(crate) fn page_of_slot(&self, folio: Folio, slot: SwapId) -> Pfn {
        let pages = 1 << self.head(folio).order;
        Pfn(folio.head().0 + slot.0 % pages)
    }

    /// The page in the swap cache of `slot`.
    pub fn swap_cache_page(&self, slot: SwapId) -> Option<Pfn> {
        let folio = self.swap_cache_folio(slot)?;
        Some(self.page_of_slot(folio, slot))
    }

    /// Puts a locked folio into the swap cache, under the run of slots that begins at `slot`
    /// (`add_to_swap_cache`).
    pub(crate) fn add_to_swap_cache(&mut self, folio: Folio, slot: SwapId) {
        let nr = self.head(folio).nr_pages();
        self.folio_ref_add(folio, nr);
        let page = self.head_mut(folio);
        page.flags.insert(PageFlags::SWAPCACHE);
        page.swap = slot;
        for (slot, _) in self.cached_pages(folio) {
            self.swap.update(slot, |s| s.cache = Some(folio));
        }
        self.events.push(Event::SwapCache { folio });
    }

    /// Removes a locked folio from the swap cache (`delete_from_swap_cache`). The caller holds a
    /// reference besides those of the cache.
    pub(crate) fn delete_from_swap_cache(&mut self, folio: Folio) {
        let page = self.head_mut(folio);
        page.flags.remove(PageFlags::SWAPCACHE);
        let nr = page.nr_pages();
        for (slot, _) in self.cached_pages(folio) {
            self.swap.update(slot, |s| s.cache = None);
        }
        self.folio_ref_sub(folio, nr);
    }

    /// Puts the new folio of each page into the swap cache, under the slot of that page, in place
    /// of the folio that is being split (`__swap_cache_replace_folio`). The old folio must still
    /// have its order.
    pub(crate) fn split_in_swap_cache(&mut self, folio: Folio) {
        for (slot, page) in self.cached_pages(folio) {
            let own = slot;
            zoo!(self, Bug::SplitClobberSwpEntry if page != folio.head() =>
                let own = SwapId::default());
            self.page_mut(page).swap = own;
            let part = Folio::of_head(page);
            self.swap.update(slot, |s| s.cache = Some(part));
        }
    }

    /// Allocates slots for a locked folio and puts the folio into the swap cache
    /// (`folio_alloc_swap`). The folio becomes dirty, because the slots have no contents yet.
    pub(crate) fn add_to_swap(&mut self, folio: Folio) -> Result<(), Enomem> {
        self.may_alloc(AllocKind::SwapSlot)?;
        let order = self.head(folio).order;
        let Some(slot) = self.swap.alloc(order) else {
            self.fail.failures += 1;
            return Err(Enomem);
        };
        self.add_to_swap_cache(folio, slot);
        self.folio_mark_dirty(folio);
        Ok(())
    }

    /// Counts one more entry that names the slot.
    pub(crate) fn swap_duplicate(&mut self, slot: SwapId) {
        self.swap.update(slot, |s| s.count += 1);
    }

    /// Counts one entry fewer. The slot stays allocated while its folio is cached.
    pub(crate) fn swap_free(&mut self, slot: SwapId) {
        self.swap
            .update(slot, |s| s.count = s.count.saturating_sub(1));
    }

    /// Writes the contents of a folio to its slots.
    pub(crate) fn swap_write(&mut self, folio: Folio) {
        for (slot, page) in self.cached_pages(folio) {
            let word = self.page(page).word;
            self.swap.update(slot, |s| s.word = word);
        }
    }

    /// Removes a locked folio from the swap cache if no entry names one of its slots
    /// (`folio_free_swap`). The contents of the slots are lost, so the folio becomes dirty.
    pub(crate) fn folio_free_swap(&mut self, folio: Folio) -> bool {
        let page = self.head(folio);
        let freeable = page.has(PageFlags::SWAPCACHE) && !page.has(PageFlags::WRITEBACK);
        if !freeable {
            return false;
        }
        let swapped = |(slot, _)| self.swap.slot(slot).count != 0;
        if self.cached_pages(folio).any(swapped) {
            return false;
        }
        self.delete_from_swap_cache(folio);
        self.folio_mark_dirty(folio);
        true
    }

    /// Replaces the folio in the swap cache of a slot by `dst`.
    pub(crate) fn replace_in_swap_cache(&mut self, slot: SwapId, dst: Folio) {
        self.swap.update(slot, |s| s.cache = Some(dst));
    }

    /// Frees the slots of a folio that has lost its last mapping, unless the folio is locked
    /// (`free_swap_cache`).
    pub(crate) fn free_swap_cache(&mut self, folio: Folio) {
        let page = self.head(folio);
        if page.has(PageFlags::SWAPCACHE)
            && !page.has(PageFlags::LOCKED)
            && page.folio_mapcount() == 0
        {
            self.folio_free_swap(folio);
        }
    }

    /// Drops an entry's use of the slot (`free_swap_and_cache`).
    pub(crate) fn free_swap_and_cache(&mut self, slot: SwapId) {
        self.swap_free(slot);
        if let Some(folio) = self.swap_cache_folio(slot) {
            // the kernel's lookup takes this reference; without it, free_swap_cache may free the
            // folio
            self.folio_ref_add(folio, 1);
            self.free_swap_cache(folio);
            self.folio_ref_sub(folio, 1);
        }
    }
}
