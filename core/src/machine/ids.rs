//! Typed indices. All state is in arenas; nothing in the crate holds a pointer.

use core::fmt;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident($repr:ty) $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $repr);

        impl $name {
            /// The index as a `usize`.
            #[inline]
            pub const fn ix(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

id! {
    /// An address space.
    MmId(u16) "mm";
    /// A virtual memory area.
    VmaId(u32) "vma";
    /// An `anon_vma`.
    AnonVmaId(u32) "av";
    /// An `anon_vma_chain`.
    AvcId(u32) "avc";
    /// A page table.
    TableId(u32) "table";
    /// The location of one entry: `table << table_bits | index`.
    PteRef(u32) "pte";
    /// A slot of the swap device (`swp_entry_t`).
    SwapId(u32) "swap";
    /// A task: a thread of the program, or a driver's worker that holds a migration open.
    TaskId(u8) "task";
    /// A device with its own memory; also the owner cookie of its `dev_pagemap`.
    DevId(u8) "dev";
}

/// A page frame number. System memory starts at 0. The memories of the devices are at the top of
/// the physical address space and go downwards, 2^24 frames apart, as `request_free_mem_region`
/// places them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pfn(pub u32);

impl Pfn {
    const ZONE_SHIFT: u32 = 24;
    /// The most frames that a memory has.
    pub const FRAMES: u32 = 1 << Self::ZONE_SHIFT;
    /// The shared zero page.
    pub const ZERO: Self = Self(0);
    /// A frame that belongs to no memory.
    pub const NOWHERE: Self = Self(1 << 31);

    /// Frame `index` of memory `zone`.
    pub const fn new(zone: u32, index: u32) -> Self {
        Self((zone.wrapping_neg() << Self::ZONE_SHIFT) | index)
    }

    /// The memory that the frame belongs to: 0 for the system's, `d + 1` for that of device `d`. A
    /// wild frame may name a memory that does not exist.
    #[inline]
    pub const fn zone(self) -> usize {
        ((self.0 >> Self::ZONE_SHIFT) as u8).wrapping_neg() as usize
    }

    /// The index of the frame in its memory.
    #[inline]
    pub const fn index(self) -> usize {
        (self.0 & ((1 << Self::ZONE_SHIFT) - 1)) as usize
    }

    /// The device that the frame belongs to; `None` for system memory.
    #[inline]
    pub const fn device(self) -> Option<DevId> {
        match self.zone() {
            0 => None,
            z => Some(DevId((z - 1) as u8)),
        }
    }
}

/// A folio: one or more consecutive pages that are allocated, locked and freed as one. Its head
/// page holds what belongs to all of it, and the frame number of the head names it.
///
/// [`State::folio`](crate::State::folio) finds the folio of a page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folio(Pfn);

impl Folio {
    /// The shared zero page.
    pub const ZERO: Self = Self(Pfn::ZERO);

    /// The folio whose head page is `head`. The caller knows that it is no tail page.
    #[inline]
    pub(crate) const fn of_head(head: Pfn) -> Self {
        Self(head)
    }

    /// The head page.
    #[inline]
    pub const fn head(self) -> Pfn {
        self.0
    }

    /// The device that the folio belongs to; `None` for system memory.
    #[inline]
    pub const fn device(self) -> Option<DevId> {
        self.0.device()
    }
}

impl fmt::Debug for Folio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device() {
            _ if *self == Self::ZERO => f.write_str("zero-page"),
            _ if self.zone() > crate::limits::DEVICES => write!(f, "frame:{:#x}", self.0),
            None => write!(f, "pfn:{}", self.index()),
            Some(d) => write!(f, "{d:?}:{}", self.index()),
        }
    }
}
