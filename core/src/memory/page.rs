//! `struct page` and `struct folio`.
//!
//! Every frame has a [`Page`]. A folio is one or more pages in a row; what belongs to the folio as a
//! whole (references, mapping, index, lock) is kept in its head page, what belongs to one page
//! (its own mapcount, exclusivity, contents) in that page.
//!
//! Corresponds to `include/linux/mm_types.h`, `include/linux/page-flags.h`.

use crate::identity::Identity;
use crate::ids::{AnonVmaId, Pfn, SwapId};
use bitflags::bitflags;
use core::hash::Hash;

bitflags! {
    /// Page flags.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct PageFlags: u16 {
        /// Folio: locked.
        const LOCKED = 1 << 0;
        /// Folio: contents differ from any backing store.
        const DIRTY = 1 << 1;
        /// Folio: on an LRU list.
        const LRU = 1 << 2;
        /// Folio: reclaimed through swap. An anonymous folio without it is lazily freed (`MADV_FREE`):
        /// reclaim drops it unless it is dirty.
        const SWAPBACKED = 1 << 3;
        /// Page: exclusive to the one mapping it has (`PageAnonExclusive`).
        const ANON_EXCLUSIVE = 1 << 4;
        /// Folio: large; the page is its head.
        const HEAD = 1 << 5;
        /// The frame is on a free list.
        const FREE = 1 << 6;
        /// Folio: charged to a memory cgroup.
        const CHARGED = 1 << 7;
        /// Folio: in the swap cache, in the slot that the folio names.
        const SWAPCACHE = 1 << 8;
        /// Folio: being written to its slot.
        const WRITEBACK = 1 << 9;
        /// Folio: mapped in an area that is locked in memory, as far as was counted.
        const MLOCKED = 1 << 10;
        /// Folio: on the list of the LRU that reclaim does not look at, or last was.
        const UNEVICTABLE = 1 << 11;
    }
}

/// References that one FOLL_PIN of a small folio adds (`GUP_PIN_COUNTING_BIAS`).
pub const GUP_PIN_COUNTING_BIAS: i32 = 1024;

/// The state of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Page {
    /// The contents: one machine word.
    pub word: u64,
    /// Folio: offset of the folio in its anon_vma's address space, in pages.
    pub index: u64,
    /// Folio: references.
    pub refcount: i32,
    /// Entries at the lowest level that map this page.
    pub mapcount: i32,
    /// Folio, large: entries of any level that map any part of it.
    pub large_mapcount: i32,
    /// Folio, large: entries at the huge level that map all of it.
    pub entire_mapcount: i32,
    mapping: u32,
    /// Folio: its slot while it is in the swap cache (`folio->swap`).
    pub swap: SwapId,
    /// Folio, unevictable: the mappings in locked areas that were counted.
    pub mlock_count: u32,
    /// Distance to the folio's head page; 0 in a head page and in a small folio.
    pub tail_offset: u32,
    /// Flags.
    pub flags: PageFlags,
    /// Folio: log2 of its pages.
    pub order: u8,
    /// The owner's note that the page has changed since an observer last looked.
    pub(crate) touched: bool,
}

impl Page {
    /// A frame that was never used.
    pub(crate) const BLANK: Self = Self {
        word: 0,
        index: 0,
        refcount: 0,
        mapcount: 0,
        large_mapcount: 0,
        entire_mapcount: 0,
        mapping: 0,
        swap: SwapId(0),
        mlock_count: 0,
        tail_offset: 0,
        flags: PageFlags::empty(),
        order: 0,
        touched: false,
    };

    /// The anon_vma that `->mapping` names, alive or not (`folio_anon_vma`).
    #[inline]
    pub const fn mapping(&self) -> Option<AnonVmaId> {
        match self.mapping {
            0 => None,
            m => Some(AnonVmaId(m - 1)),
        }
    }

    /// Sets or clears `->mapping`. Only anonymous folios have one here.
    pub(crate) const fn set_mapping(&mut self, anon_vma: Option<AnonVmaId>) {
        self.mapping = match anon_vma {
            None => 0,
            Some(AnonVmaId(m)) => m + 1,
        };
    }

    /// True if all of `flags` are set.
    #[inline]
    pub const fn has(&self, flags: PageFlags) -> bool {
        self.flags.contains(flags)
    }

    /// `PageAnonExclusive`.
    #[inline]
    pub const fn anon_exclusive(&self) -> bool {
        self.has(PageFlags::ANON_EXCLUSIVE)
    }

    /// `folio_mapcount`: of a head page, the entries that map any part of the folio.
    pub const fn folio_mapcount(&self) -> i32 {
        if self.order == 0 {
            self.mapcount
        } else {
            self.large_mapcount
        }
    }

    pub(crate) fn identify(&self, id: &mut impl Identity) {
        let word = id.word(self.word);
        Self { word, ..*self }.hash(id);
    }

    /// `folio_maybe_dma_pinned` of a small folio.
    pub const fn maybe_dma_pinned(&self) -> bool {
        self.refcount >= GUP_PIN_COUNTING_BIAS
    }
}

/// A free list: last freed, first reused; then frames never used before, in order.
#[derive(Debug, Clone, Hash)]
pub struct FrameAllocator {
    zone: u32,
    capacity: u32,
    fresh: u32,
    free: alloc::vec::Vec<Pfn>,
}

impl FrameAllocator {
    /// All `capacity` frames of memory `zone`, free.
    pub fn new(zone: u32, capacity: u32) -> Self {
        Self {
            zone,
            capacity,
            fresh: 0,
            free: alloc::vec::Vec::new(),
        }
    }

    /// Takes a frame; `None` if there is none left.
    pub fn alloc(&mut self) -> Option<Pfn> {
        self.free.pop().or_else(|| {
            (self.fresh < self.capacity).then(|| {
                self.fresh += 1;
                Pfn::new(self.zone, self.fresh - 1)
            })
        })
    }

    /// Takes a frame back.
    pub fn free(&mut self, pfn: Pfn) {
        self.free.push(pfn);
    }

    /// The frames on the free list; each must be there once.
    pub fn free_list(&self) -> &[Pfn] {
        &self.free
    }

    /// Frames that were handed out at least once.
    pub fn fresh(&self) -> u32 {
        self.fresh
    }

    /// Frames in use.
    pub fn in_use(&self) -> u32 {
        self.fresh.saturating_sub(self.free.len() as u32)
    }

    /// No frame is left.
    pub fn exhausted(&self) -> bool {
        self.free.is_empty() && self.fresh == self.capacity
    }

    /// All frames free and never used.
    pub fn reset(&mut self) {
        self.fresh = 0;
        self.free.clear();
    }
}
