//! `struct page` and `struct folio`.
//!
//! Every frame has a [`Page`]. A folio is one or more consecutive pages. The head page holds what
//! belongs to the whole folio: references, mapping, index, lock. Each page holds its own mapcount,
//! exclusivity and contents.
//!
//! Corresponds to `include/linux/mm_types.h`, `include/linux/page-flags.h`.

use crate::identity::Identity;
use crate::ids::{AnonVmaId, SwapId};
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
        /// Folio: reclaimed through swap. An anonymous folio without this flag is lazily freed
        /// (`MADV_FREE`): reclaim drops it unless it is dirty.
        const SWAPBACKED = 1 << 3;
        /// Page: exclusive to its only mapping (`PageAnonExclusive`).
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
        /// Folio: mapped in an mlocked VMA. An munlock may clear the flag too early, because
        /// `mlock_count` can be too low.
        const MLOCKED = 1 << 10;
        /// Folio: on the unevictable list, which reclaim does not scan, or was there when it left
        /// the LRU.
        const UNEVICTABLE = 1 << 11;
        /// Large folio: some of its pages have lost their last mapping while others were mapped.
        /// The flag stays set until the folio is split or freed, or its contents migrate to another
        /// folio.
        const PARTIALLY_MAPPED = 1 << 12;
    }
}

/// References that one FOLL_PIN of a small folio adds (`GUP_PIN_COUNTING_BIAS`).
pub const GUP_PIN_COUNTING_BIAS: i32 = 1024;

/// The owner of a folio's contents (`folio->mapping`). Only anonymous folios are modelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mapping {
    /// No owner: the folio is free, or not mapped yet.
    #[default]
    None,
    /// The VMAs that this anon_vma links.
    Anon(AnonVmaId),
}

impl From<Option<AnonVmaId>> for Mapping {
    fn from(anon_vma: Option<AnonVmaId>) -> Self {
        anon_vma.map_or(Self::None, Self::Anon)
    }
}

/// The state of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Page {
    /// The contents: one machine word.
    pub word: u64,
    /// Folio: its page offset, by which the reverse map finds its mappings.
    pub index: u64,
    /// Folio: number of references.
    pub refcount: i32,
    /// Number of lowest-level entries that map this page.
    pub mapcount: i32,
    /// Large folio: number of entries of any level that map any part of it.
    pub large_mapcount: i32,
    /// Large folio: number of huge entries that map all of it.
    pub entire_mapcount: i32,
    /// Large folio: number of pins (`_pincount`). Each also counts as a reference.
    pub pincount: i32,
    mapping: Mapping,
    /// Folio: its slot while it is in the swap cache (`folio->swap`).
    pub swap: SwapId,
    /// Unevictable folio: the number of its mappings in mlocked VMAs that have been counted.
    pub mlock_count: u32,
    /// Distance to the folio's head page; 0 in a head page and in a small folio.
    pub tail_offset: u32,
    /// Flags.
    pub flags: PageFlags,
    /// Folio: log2 of its pages.
    pub order: u8,
    /// True if the page has changed since an observer last looked.
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
        pincount: 0,
        mapping: Mapping::None,
        swap: SwapId(0),
        mlock_count: 0,
        tail_offset: 0,
        flags: PageFlags::empty(),
        order: 0,
        touched: false,
    };

    /// Folio: the owner of its contents (`folio->mapping`).
    #[inline]
    pub const fn mapping(&self) -> Mapping {
        self.mapping
    }

    /// The anon_vma that `->mapping` names, alive or not (`folio_anon_vma`).
    #[inline]
    pub const fn anon_vma(&self) -> Option<AnonVmaId> {
        match self.mapping {
            Mapping::None => None,
            Mapping::Anon(anon_vma) => Some(anon_vma),
        }
    }

    pub(crate) const fn set_mapping(&mut self, mapping: Mapping) {
        self.mapping = mapping;
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

    /// Number of entries that map any part of the folio, for a head page (`folio_mapcount`).
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

    /// Number of pages of the folio, for a head page (`folio_nr_pages`).
    #[inline]
    pub const fn nr_pages(&self) -> i32 {
        1 << self.order
    }

    /// References that one FOLL_PIN of the folio adds, for a head page.
    pub const fn pin_refs(&self) -> i32 {
        if self.order == 0 {
            GUP_PIN_COUNTING_BIAS
        } else {
            1
        }
    }

    /// `folio_maybe_dma_pinned`, for a head page. A small folio with many references looks pinned.
    pub const fn maybe_dma_pinned(&self) -> bool {
        if self.order == 0 {
            self.refcount >= GUP_PIN_COUNTING_BIAS
        } else {
            self.pincount > 0
        }
    }
}
