//! Virtual memory areas and address spaces.
//!
//! Corresponds to `struct vm_area_struct` and `struct mm_struct` in `include/linux/mm_types.h`.

use crate::arena::Slab;
use crate::identity::Identity;
use crate::ids::{AnonVmaId, AvcId, MmId, TableId, VmaId};
use crate::lock::RwSem;
use crate::memmap::DEVICES;
use crate::pte::PresentPte;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::hash::Hash;
use core::ops::Range;

bitflags! {
    /// What may be done in an area, and what is tracked in it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct VmFlags: u16 {
        /// Readable.
        const READ = 1 << 0;
        /// Writable.
        const WRITE = 1 << 1;
        /// No soft-dirty tracking has been asked for since the area was made.
        const SOFTDIRTY = 1 << 2;
        /// Registered with userfaultfd for write protection.
        const UFFD_WP = 1 << 3;
        /// Its pages are charged to the commit limit: it is, or was, writable.
        const ACCOUNT = 1 << 4;
        /// Its pages stay in memory (`mlock`).
        const LOCKED = 1 << 5;
        /// A fork leaves it out (`VM_DONTCOPY`).
        const DONTCOPY = 1 << 6;
    }
}

impl VmFlags {
    /// With the charge that a writable mapping needs (`accountable_mapping`).
    pub(crate) fn accounted(self) -> Self {
        if self.contains(Self::WRITE) {
            self | Self::ACCOUNT
        } else {
            self
        }
    }

    /// A write to `pte` is for userfaultfd to see first.
    pub(crate) fn userfaultfd_pte_wp(self, pte: PresentPte) -> bool {
        self.contains(Self::UFFD_WP) && pte.uffd_wp()
    }

    /// A write to `pte` is to be noticed for soft-dirty (`pte_needs_soft_dirty_wp`).
    pub(crate) fn needs_soft_dirty_wp(self, pte: PresentPte) -> bool {
        !self.contains(Self::SOFTDIRTY) && !pte.soft_dirty()
    }
}

/// A virtual memory area: private and anonymous. Addresses and offsets are in pages.
#[derive(Debug, Default, Hash)]
pub struct Vma {
    /// The address space.
    pub mm: MmId,
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
    /// Offset of `start` in the address space of the anon_vmas.
    pub pgoff: u64,
    /// Permissions and tracking.
    pub flags: VmFlags,
    /// Where new pages of this area go.
    pub anon_vma: Option<AnonVmaId>,
    /// Links to all anon_vmas that may hold pages of this area, oldest first as in 6.12.
    pub chain: Vec<AvcId>,
}

impl Vma {
    /// The offset of `addr` (`linear_page_index`).
    #[inline]
    pub const fn index(&self, addr: u64) -> u64 {
        addr - self.start + self.pgoff
    }

    /// The address of offset `index`, if the area covers it (`vma_address`).
    #[inline]
    pub const fn address(&self, index: u64) -> Option<u64> {
        if index >= self.pgoff && index < self.last_pgoff() + 1 {
            Some(self.start + (index - self.pgoff))
        } else {
            None
        }
    }

    /// The last offset covered (`avc_last_pgoff`).
    #[inline]
    pub const fn last_pgoff(&self) -> u64 {
        self.pgoff + (self.end - self.start) - 1
    }

    /// True if any access is allowed.
    pub const fn accessible(&self) -> bool {
        self.flags.intersects(VmFlags::READ.union(VmFlags::WRITE))
    }

    /// The addresses covered.
    pub const fn range(&self) -> Range<u64> {
        self.start..self.end
    }
}

impl Slab for Vma {
    fn renew(&mut self) {
        self.chain.clear();
        *self = Self {
            chain: core::mem::take(&mut self.chain),
            ..Self::default()
        };
    }
}

/// The state of the mmu notifier of one address space: for each device an interval that covers all
/// of it.
#[derive(Debug, Default, Clone, Copy)]
pub struct NotifierState {
    /// Invalidations so far that each device heard of (`interval_sub->invalidate_seq`).
    pub seq: [u64; DEVICES],
    /// Invalidations under way (`active_invalidate_ranges`).
    pub active: u32,
    /// The subscribers were told that the address space dies, and hear no more
    /// (`__mmu_notifier_release`).
    pub released: bool,
}

/// An address space.
#[derive(Debug, Default)]
pub struct Mm {
    /// The top page table.
    pub pgd: TableId,
    /// Areas, sorted by address, disjoint.
    pub vmas: Vec<VmaId>,
    /// Pages counted as `MM_ANONPAGES`.
    pub anon_rss: i64,
    /// Entries counted as `MM_SWAPENTS`.
    pub swap_ents: i64,
    /// Users of the address space: the process itself, and every operation that works on it.
    pub users: u32,
    /// `mmap_lock`.
    pub mmap_lock: RwSem,
    /// Reclaim cleared entries, and has perhaps not flushed them.
    pub tlb_flush_batched: bool,
    /// Even unless a fork is write-protecting entries (`write_protect_seq`).
    pub write_protect_seq: u32,
    /// Notifier state.
    pub notifier: NotifierState,
}

impl Mm {
    /// Sequences count what has been; while nobody reads between two looks at one, only whether a fork
    /// is under way is told by them.
    pub(crate) fn identify(&self, id: &mut impl Identity) {
        let Self {
            pgd,
            vmas,
            anon_rss,
            swap_ents,
            users,
            mmap_lock,
            tlb_flush_batched,
            write_protect_seq,
            notifier,
        } = self;
        let NotifierState {
            seq: _,
            active,
            released,
        } = notifier;
        (pgd, vmas, anon_rss, swap_ents, users, mmap_lock).hash(id);
        (tlb_flush_batched, write_protect_seq % 2, active, released).hash(id);
    }
}

impl Slab for Mm {
    fn renew(&mut self) {
        self.vmas.clear();
        *self = Self {
            vmas: core::mem::take(&mut self.vmas),
            ..Self::default()
        };
    }
}
