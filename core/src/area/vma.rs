//! Virtual memory areas and address spaces.
//!
//! Corresponds to `struct vm_area_struct` and `struct mm_struct` in `include/linux/mm_types.h`.

use crate::arena::Slab;
use crate::identity::Identity;
use crate::ids::{AnonVmaId, AvcId, MmId, TableId, VmaId};
use crate::limits::DEVICES;
use crate::lock::RwSem;
use crate::pte::PresentPte;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::hash::Hash;
use core::ops::Range;

bitflags! {
    /// Permissions and tracking of a VMA.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct VmFlags: u16 {
        /// Readable.
        const READ = 1 << 0;
        /// Writable.
        const WRITE = 1 << 1;
        /// Every page counts as soft-dirty, because soft-dirty has not been cleared since the VMA
        /// was mapped.
        const SOFTDIRTY = 1 << 2;
        /// Registered with userfaultfd for write protection.
        const UFFD_WP = 1 << 3;
        /// The pages are charged to the commit limit, because the VMA is or was writable.
        const ACCOUNT = 1 << 4;
        /// The pages stay in memory (`mlock`).
        const LOCKED = 1 << 5;
        /// `fork` does not copy the VMA (`VM_DONTCOPY`).
        const DONTCOPY = 1 << 6;
        /// Advised to have huge pages (`VM_HUGEPAGE`).
        const HUGEPAGE = 1 << 7;
        /// Advised to have no huge pages (`VM_NOHUGEPAGE`).
        const NOHUGEPAGE = 1 << 8;
    }
}

impl VmFlags {
    /// Adds the charge that a writable mapping needs (`accountable_mapping`).
    pub(crate) fn accounted(self) -> Self {
        if self.contains(Self::WRITE) {
            self | Self::ACCOUNT
        } else {
            self
        }
    }

    /// True if userfaultfd must see a write to `pte` first.
    pub(crate) fn userfaultfd_pte_wp(self, pte: PresentPte) -> bool {
        self.contains(Self::UFFD_WP) && pte.uffd_wp()
    }

    /// True if soft-dirty tracking must see a write to `pte` (`pte_needs_soft_dirty_wp`).
    pub(crate) fn needs_soft_dirty_wp(self, pte: PresentPte) -> bool {
        !self.contains(Self::SOFTDIRTY) && !pte.soft_dirty()
    }
}

/// A private anonymous virtual memory area. Addresses and offsets are in pages.
#[derive(Debug, Default, Hash)]
pub struct Vma {
    /// The address space.
    pub mm: MmId,
    /// First address.
    pub start: u64,
    /// First address above it.
    pub end: u64,
    /// Page offset of `start`, which the reverse map uses.
    pub pgoff: u64,
    /// Permissions and tracking.
    pub flags: VmFlags,
    /// The anon_vma that new pages of this VMA get.
    pub anon_vma: Option<AnonVmaId>,
    /// Links to all anon_vmas that may hold pages of this VMA, oldest first. The list
    /// `anon_vma_chain` of 6.12 has the reverse order.
    pub chain: Vec<AvcId>,
}

impl Vma {
    /// The offset of `addr` (`linear_page_index`).
    #[inline]
    pub const fn index(&self, addr: u64) -> u64 {
        addr - self.start + self.pgoff
    }

    /// The addresses at which the VMA has the offsets `index` (`vma_address`, `vma_address_end`).
    /// Offsets outside the VMA are left out; `None` if all of them are outside.
    #[inline]
    pub fn addresses(&self, index: &Range<u64>) -> Option<Range<u64>> {
        let first = index.start.max(self.pgoff);
        let end = index.end.min(self.last_pgoff() + 1);
        let addr = |index| self.start + (index - self.pgoff);
        (first < end).then(|| addr(first)..addr(end))
    }

    /// The last offset that the VMA covers (`avc_last_pgoff`).
    #[inline]
    pub const fn last_pgoff(&self) -> u64 {
        self.pgoff + (self.end - self.start) - 1
    }

    /// True if the VMA allows any access.
    pub const fn accessible(&self) -> bool {
        self.flags.intersects(VmFlags::READ.union(VmFlags::WRITE))
    }

    /// The addresses that the VMA covers.
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

/// The mmu notifier state of one address space. Each device has one interval, which covers the
/// whole address space.
#[derive(Debug, Default, Clone, Copy)]
pub struct NotifierState {
    /// For each device, the number of invalidations that have begun
    /// (`interval_sub->invalidate_seq`). An invalidation that makes a page exclusive to a device
    /// does not count for that device.
    pub seq: [u64; DEVICES],
    /// Number of invalidations under way (`active_invalidate_ranges`).
    pub active: u32,
    /// The address space is dying: the subscribers have been released and see no more invalidations
    /// (`__mmu_notifier_release`).
    pub released: bool,
}

/// An address space.
#[derive(Debug, Default)]
pub struct Mm {
    /// The top page table.
    pub pgd: TableId,
    /// The VMAs, sorted by address; they do not overlap.
    pub vmas: Vec<VmaId>,
    /// Pages counted as `MM_ANONPAGES`.
    pub anon_rss: i64,
    /// Entries counted as `MM_SWAPENTS`.
    pub swap_ents: i64,
    /// Users of the address space: the process, and each operation that works on it.
    pub users: u32,
    /// `mmap_lock`.
    pub mmap_lock: RwSem,
    /// Reclaim cleared entries and may not have flushed them.
    pub tlb_flush_batched: bool,
    /// Odd while a fork write-protects entries, otherwise even (`write_protect_seq`).
    pub write_protect_seq: u32,
    /// State of the mmu notifier.
    pub notifier: NotifierState,
}

impl Mm {
    /// Hashes the state. Sequence counters are left out: they count past events, and matter only to
    /// an operation that has sampled them. No operation is under way here. The parity of
    /// `write_protect_seq` is kept, because it tells whether a fork is under way.
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
