//! Page-table entries: one 64-bit word, two formats.
//!
//! A *present* entry has the layout of an x86-64 leaf entry. A *non-present* entry is a swap-type
//! entry: the type in the top five bits, the inverted offset below it, and its own flag bits at the
//! bottom (soft-dirty, uffd-wp, exclusive). The same bit means different things in the two formats:
//! bit 1 is "writable" in one and "soft-dirty" in the other. So each format has its own type and
//! its own accessors, and [`Pte::decode`] picks the right one. Both decoders are total: applied to
//! the wrong format, they return nonsense. This is how the bug of commit 1de13ee59225 and similar
//! bugs can be put back.
//!
//! The frame number is inverted in every entry without the present bit, to stop speculation through
//! invalid entries (L1TF). That includes a `PROT_NONE` entry.
//!
//! Corresponds to `arch/x86/include/asm/pgtable*.h`, `include/linux/leafops.h` (softleaf).

use crate::ids::{Pfn, SwapId};
use bitflags::bitflags;

/// A raw page-table entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Pte(pub u64);

/// A raw entry, split by format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Nothing is mapped (`pte_none`).
    None,
    /// A translation that the CPU uses, unless its protection forbids all access.
    Present(PresentPte),
    /// A swap-type entry, which makes the CPU fault.
    Leaf(SwapPte),
}

bitflags! {
    /// Flag bits of a present entry, at their x86-64 positions.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PteFlags: u64 {
        /// The hardware may use the entry.
        const PRESENT = 1 << 0;
        /// Writable.
        const RW = 1 << 1;
        /// Young.
        const ACCESSED = 1 << 5;
        /// Written to.
        const DIRTY = 1 << 6;
        /// A leaf above the lowest level.
        const PSE = 1 << 7;
        /// Mapped, but with no access (`PROT_NONE`).
        const PROTNONE = 1 << 8;
        /// The mapping does not count in a struct page (the zero page).
        const SPECIAL = 1 << 9;
        /// userfaultfd write-protected.
        const UFFD_WP = 1 << 10;
        /// Written to since soft-dirty was last cleared.
        const SOFT_DIRTY = 1 << 11;
    }
}

bitflags! {
    /// Flag bits of a non-present entry, outside its type and offset.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct SwapFlags: u64 {
        /// `_PAGE_SWP_SOFT_DIRTY`, at the bit of `RW` in a present entry.
        const SOFT_DIRTY = 1 << 1;
        /// `_PAGE_SWP_UFFD_WP`.
        const UFFD_WP = 1 << 2;
        /// `_PAGE_SWP_EXCLUSIVE`, for swap entries only: the page was exclusive to this mapping.
        const EXCLUSIVE = 1 << 3;
        /// What user space tracks about the page. Every conversion of an entry must keep these
        /// bits. The kernel does not always: `change_softleaf_pte` and `copy_nonpresent_pte` drop
        /// soft-dirty of a writable device-private entry.
        const TRACKING = Self::SOFT_DIRTY.bits() | Self::UFFD_WP.bits();
    }
}

const PFN_SHIFT: u32 = 12;
const PFN_MASK: u64 = ((1 << 40) - 1) << PFN_SHIFT;

const TYPE_SHIFT: u32 = 59;
const OFFSET_SHIFT: u32 = 9;
const OFFSET_BITS: u32 = TYPE_SHIFT - OFFSET_SHIFT;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;
/// Number of offset bits that hold a page frame number (`SWP_PFN_BITS`).
const SWP_PFN_BITS: u32 = 40;
const SWP_PFN_MASK: u64 = (1 << SWP_PFN_BITS) - 1;
const MIG_YOUNG: u64 = 1 << SWP_PFN_BITS;
const MIG_DIRTY: u64 = 1 << (SWP_PFN_BITS + 1);

/// The type of an entry for the swap device.
const TYPE_SWAP: u64 = 0;
/// The types at the top of the type space.
const TYPE_MIGRATION_READ: u64 = 25;
const TYPE_MIGRATION_READ_EXCLUSIVE: u64 = 26;
const TYPE_MIGRATION_WRITE: u64 = 27;
const TYPE_DEVICE_WRITE: u64 = 28;
const TYPE_DEVICE_READ: u64 = 29;
const TYPE_DEVICE_EXCLUSIVE: u64 = 30;
/// A read-only device-exclusive entry, which only 6.12 has. Newer kernels use this type for an
/// entry that is not modelled.
const TYPE_DEVICE_EXCLUSIVE_READ: u64 = 24;

impl Pte {
    /// The empty entry.
    pub const NONE: Self = Self(0);

    /// Splits the word by format.
    #[inline]
    pub const fn decode(self) -> Entry {
        if self.0 == 0 {
            Entry::None
        } else if self.0 & (PteFlags::PRESENT.bits() | PteFlags::PROTNONE.bits()) != 0 {
            Entry::Present(PresentPte(self.0))
        } else {
            Entry::Leaf(SwapPte(self.0))
        }
    }

    /// True for the empty entry.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The entry in the present format, if it has that format.
    pub const fn present(self) -> Option<PresentPte> {
        match self.decode() {
            Entry::Present(p) => Some(p),
            _ => None,
        }
    }

    /// The decoded entry, if it is non-present and its type is known.
    pub const fn leaf(self) -> Option<Softleaf> {
        match self.decode() {
            Entry::Leaf(s) => s.softleaf(),
            _ => None,
        }
    }

    /// The entry for page `i` of those that this huge entry stands for, as a split of the huge
    /// entry would write it. The huge zero page has one frame in the model, which is the zero page.
    pub const fn part(self, i: u32) -> Self {
        match self.decode() {
            Entry::None => self,
            Entry::Present(p) => {
                let p = p.set(PteFlags::PSE, false);
                match p.pfn() {
                    Pfn::ZERO => p.set(PteFlags::SPECIAL, true).pte(),
                    Pfn(head) => p.with_pfn(Pfn(head.wrapping_add(i))).pte(),
                }
            }
            Entry::Leaf(leaf) => match leaf.softleaf() {
                Some(named) => match named.pfn() {
                    Some(Pfn(head)) => leaf.with_pfn(Pfn(head.wrapping_add(i))).pte(),
                    None => self,
                },
                None => self,
            },
        }
    }

    /// The tracking bits, at their positions in a non-present entry.
    pub const fn tracking(self) -> SwapFlags {
        match self.decode() {
            Entry::None => SwapFlags::empty(),
            Entry::Present(p) => p.tracking(),
            Entry::Leaf(s) => s.tracking(),
        }
    }
}

/// A present entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct PresentPte(u64);

impl PresentPte {
    /// A present, readable, clean entry for `pfn` (`mk_pte`).
    pub const fn new(pfn: Pfn) -> Self {
        Self(((pfn.0 as u64) << PFN_SHIFT) | PteFlags::PRESENT.bits())
    }

    /// Reads `pte` in the present format without checking the format.
    ///
    /// Only code that knows the format, or that re-creates a confusion of formats, may use this.
    pub const fn assume(pte: Pte) -> Self {
        Self(pte.0)
    }

    /// The raw word.
    pub const fn pte(self) -> Pte {
        Pte(self.0)
    }

    /// The mask that inverts the frame number (`protnone_mask`).
    const fn inversion(self) -> u64 {
        if self.0 == 0 || self.has(PteFlags::PRESENT) {
            0
        } else {
            PFN_MASK
        }
    }

    /// The frame (`pte_pfn`). Hardware has 40 bits for it, the model has 32.
    pub const fn pfn(self) -> Pfn {
        let wide = ((self.0 ^ self.inversion()) & PFN_MASK) >> PFN_SHIFT;
        if wide > u32::MAX as u64 {
            Pfn::NOWHERE
        } else {
            Pfn(wide as u32)
        }
    }

    /// With another frame.
    #[must_use]
    pub(crate) const fn with_pfn(self, pfn: Pfn) -> Self {
        let frame = ((pfn.0 as u64) << PFN_SHIFT) ^ self.inversion();
        Self(self.0 & !PFN_MASK | frame)
    }

    /// The flag bits.
    pub const fn flags(self) -> PteFlags {
        PteFlags::from_bits_truncate(self.0)
    }

    /// True if all of `flags` are set.
    #[inline]
    pub const fn has(self, flags: PteFlags) -> bool {
        self.0 & flags.bits() == flags.bits()
    }

    /// `pte_write`.
    pub const fn write(self) -> bool {
        self.has(PteFlags::RW)
    }
    /// `pte_dirty`.
    pub const fn dirty(self) -> bool {
        self.has(PteFlags::DIRTY)
    }
    /// `pte_young`.
    pub const fn young(self) -> bool {
        self.has(PteFlags::ACCESSED)
    }
    /// `pte_soft_dirty`.
    pub const fn soft_dirty(self) -> bool {
        self.has(PteFlags::SOFT_DIRTY)
    }
    /// `pte_uffd_wp`.
    pub const fn uffd_wp(self) -> bool {
        self.has(PteFlags::UFFD_WP)
    }
    /// The tracking bits, at their positions in a non-present entry.
    pub const fn tracking(self) -> SwapFlags {
        let none = SwapPte(0);
        none.set(SwapFlags::SOFT_DIRTY, self.soft_dirty())
            .set(SwapFlags::UFFD_WP, self.uffd_wp())
            .tracking()
    }
    /// `pte_special`.
    pub const fn special(self) -> bool {
        self.has(PteFlags::SPECIAL)
    }
    /// `pte_protnone`.
    pub const fn protnone(self) -> bool {
        self.has(PteFlags::PROTNONE) && !self.has(PteFlags::PRESENT)
    }

    /// With `flags` set if `on`, or else cleared.
    #[must_use]
    #[inline]
    pub const fn set(self, flags: PteFlags, on: bool) -> Self {
        Self(if on {
            self.0 | flags.bits()
        } else {
            self.0 & !flags.bits()
        })
    }

    /// Sets dirty and soft-dirty (`pte_mkdirty`).
    #[must_use]
    pub const fn mkdirty(self) -> Self {
        self.set(PteFlags::DIRTY.union(PteFlags::SOFT_DIRTY), true)
    }

    /// `pte_wrprotect`.
    #[must_use]
    pub const fn wrprotect(self) -> Self {
        self.set(PteFlags::RW, false)
    }

    /// Made accessible, or mapped without access (`pte_modify` to and from `PROT_NONE`).
    #[must_use]
    pub const fn protect(self, accessible: bool) -> Self {
        let new = self
            .set(PteFlags::PRESENT, accessible)
            .set(PteFlags::PROTNONE, !accessible);
        Self(new.0 ^ self.inversion() ^ new.inversion())
    }
}

/// A non-present entry: type, offset, and flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwapPte(u64);

impl SwapPte {
    /// Reads `pte` in the swap format without checking the format. Only code that knows the format,
    /// or that re-creates a confusion of formats, may use this.
    pub const fn assume(pte: Pte) -> Self {
        Self(pte.0)
    }

    const fn from_parts(ty: u64, offset: u64) -> Self {
        Self((ty << TYPE_SHIFT) | ((!offset & OFFSET_MASK) << OFFSET_SHIFT))
    }

    /// The raw word.
    pub const fn pte(self) -> Pte {
        Pte(self.0)
    }

    /// With another frame, for an entry that names one.
    #[must_use]
    pub(crate) const fn with_pfn(self, pfn: Pfn) -> Self {
        let offset = self.swp_offset() & !SWP_PFN_MASK | pfn.0 as u64;
        let new = Self::from_parts(self.swp_type(), offset);
        Self(new.0 | self.0 & ((1 << OFFSET_SHIFT) - 1))
    }

    const fn swp_type(self) -> u64 {
        self.0 >> TYPE_SHIFT
    }

    const fn swp_offset(self) -> u64 {
        !(self.0 >> OFFSET_SHIFT) & OFFSET_MASK
    }

    /// `pte_swp_soft_dirty`.
    pub const fn soft_dirty(self) -> bool {
        self.0 & SwapFlags::SOFT_DIRTY.bits() != 0
    }

    /// `pte_swp_uffd_wp`.
    pub const fn uffd_wp(self) -> bool {
        self.0 & SwapFlags::UFFD_WP.bits() != 0
    }

    /// The bits of `SwapFlags::TRACKING` that are set.
    pub const fn tracking(self) -> SwapFlags {
        SwapFlags::from_bits_truncate(self.0).intersection(SwapFlags::TRACKING)
    }

    /// `pte_swp_exclusive`.
    pub const fn exclusive(self) -> bool {
        self.0 & SwapFlags::EXCLUSIVE.bits() != 0
    }

    /// With `flags` set if `on`, or else cleared.
    #[must_use]
    pub const fn set(self, flags: SwapFlags, on: bool) -> Self {
        Self(if on {
            self.0 | flags.bits()
        } else {
            self.0 & !flags.bits()
        })
    }

    /// The decoded entry; `None` for a type that the model never writes.
    #[inline]
    pub const fn softleaf(self) -> Option<Softleaf> {
        let offset = self.swp_offset();
        let pfn = Pfn((offset & SWP_PFN_MASK) as u32);
        let kind = match self.swp_type() {
            TYPE_SWAP => return Some(Softleaf::Swap(SwapId(offset as u32))),
            TYPE_MIGRATION_READ => MigrationKind::Read,
            TYPE_MIGRATION_READ_EXCLUSIVE => MigrationKind::ReadExclusive,
            TYPE_MIGRATION_WRITE => MigrationKind::Write,
            TYPE_DEVICE_WRITE => return Some(Softleaf::DevicePrivate { write: true, pfn }),
            TYPE_DEVICE_READ => return Some(Softleaf::DevicePrivate { write: false, pfn }),
            TYPE_DEVICE_EXCLUSIVE => return Some(Softleaf::DeviceExclusive { write: true, pfn }),
            TYPE_DEVICE_EXCLUSIVE_READ => {
                return Some(Softleaf::DeviceExclusive { write: false, pfn });
            }
            _ => return None,
        };
        Some(Softleaf::Migration(MigrationEntry {
            kind,
            pfn,
            young: offset & MIG_YOUNG != 0,
            dirty: offset & MIG_DIRTY != 0,
        }))
    }
}

/// The access that a migration entry replaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigrationKind {
    /// Read-only, page shared.
    Read,
    /// Read-only, page exclusive to this mapping.
    ReadExclusive,
    /// Writable, and so exclusive.
    Write,
}

/// A migration entry, which replaces a mapping while its page moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MigrationEntry {
    /// Access and exclusivity of the mapping that was replaced.
    pub kind: MigrationKind,
    /// The page being moved.
    pub pfn: Pfn,
    /// True if the mapping was young.
    pub young: bool,
    /// True if the mapping was dirty.
    pub dirty: bool,
}

/// A non-present entry, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Softleaf {
    /// The contents of the page are in a slot of the swap device.
    Swap(SwapId),
    /// The page is moving to another frame.
    Migration(MigrationEntry),
    /// The page is in the memory of a device.
    DevicePrivate {
        /// True if the mapping becomes writable once the page is back.
        write: bool,
        /// The device frame.
        pfn: Pfn,
    },
    /// The page is in system memory, and a device uses it exclusively until the CPU touches it.
    DeviceExclusive {
        /// Always true since 6.15 (c25465eb7630). In 6.12, `mprotect` clears it. The restore
        /// ignores it, except with the bug `excl-writable-by-vma-flag`.
        write: bool,
        /// The system frame.
        pfn: Pfn,
    },
}

impl Softleaf {
    /// The frame that the entry names (`softleaf_to_pfn`); `None` for a swap entry.
    pub const fn pfn(self) -> Option<Pfn> {
        match self {
            Self::Migration(m) => Some(m.pfn),
            Self::DevicePrivate { pfn, .. } | Self::DeviceExclusive { pfn, .. } => Some(pfn),
            Self::Swap(_) => None,
        }
    }

    /// The entry without flags (`softleaf_to_pte`).
    pub const fn to_swap(self) -> SwapPte {
        match self {
            Self::Swap(slot) => SwapPte::from_parts(TYPE_SWAP, slot.0 as u64),
            Self::DevicePrivate { write, pfn } => {
                let ty = if write {
                    TYPE_DEVICE_WRITE
                } else {
                    TYPE_DEVICE_READ
                };
                SwapPte::from_parts(ty, pfn.0 as u64)
            }
            Self::DeviceExclusive { write, pfn } => {
                let ty = if write {
                    TYPE_DEVICE_EXCLUSIVE
                } else {
                    TYPE_DEVICE_EXCLUSIVE_READ
                };
                SwapPte::from_parts(ty, pfn.0 as u64)
            }
            Self::Migration(m) => {
                let ty = match m.kind {
                    MigrationKind::Read => TYPE_MIGRATION_READ,
                    MigrationKind::ReadExclusive => TYPE_MIGRATION_READ_EXCLUSIVE,
                    MigrationKind::Write => TYPE_MIGRATION_WRITE,
                };
                let young = if m.young { MIG_YOUNG } else { 0 };
                let dirty = if m.dirty { MIG_DIRTY } else { 0 };
                SwapPte::from_parts(ty, m.pfn.0 as u64 | young | dirty)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [MigrationKind; 3] = [
        MigrationKind::Read,
        MigrationKind::ReadExclusive,
        MigrationKind::Write,
    ];

    fn leaves() -> impl Iterator<Item = Softleaf> {
        let pfns = [0, 1, 77, 0xff00_0003, u32::MAX].map(Pfn);
        pfns.into_iter().flat_map(|pfn| {
            let device = [false, true].map(|write| Softleaf::DevicePrivate { write, pfn });
            let exclusive = [false, true].map(|write| Softleaf::DeviceExclusive { write, pfn });
            let migration = (0..12).map(move |i| {
                let kind = KINDS[i % 3];
                let (young, dirty) = (i & 4 != 0, i >= 6);
                Softleaf::Migration(MigrationEntry {
                    kind,
                    pfn,
                    young,
                    dirty,
                })
            });
            let swap = Softleaf::Swap(SwapId(pfn.0));
            device
                .into_iter()
                .chain(exclusive)
                .chain(migration)
                .chain([swap])
        })
    }

    #[test]
    fn softleaf_survives_the_encoding_and_its_flags() {
        for leaf in leaves() {
            for bits in 0..8u64 {
                let flags = SwapFlags::from_bits_truncate(bits << 1);
                let swap = leaf.to_swap().set(flags, true);
                assert_eq!(swap.pte().decode(), Entry::Leaf(swap));
                assert_eq!(swap.softleaf(), Some(leaf));
                assert_eq!(swap.soft_dirty(), flags.contains(SwapFlags::SOFT_DIRTY));
                assert_eq!(swap.uffd_wp(), flags.contains(SwapFlags::UFFD_WP));
                assert_eq!(swap.exclusive(), flags.contains(SwapFlags::EXCLUSIVE));
            }
        }
    }

    #[test]
    fn present_entries_keep_pfn_and_flags_apart() {
        for pfn in [0, 5, 0x0200_0001].map(Pfn) {
            for flags in PteFlags::all() & !(PteFlags::PRESENT | PteFlags::PROTNONE) {
                let pte = PresentPte::new(pfn).set(flags, true);
                assert_eq!(pte.pte().decode(), Entry::Present(pte));
                assert_eq!(pte.pfn(), pfn);
                assert!(pte.has(flags));
                assert!(pte.protect(false).protnone());
                assert_eq!(pte.protect(false).pfn(), pfn);
                assert_eq!(pte.protect(false).protect(true), pte);
            }
        }
    }

    /// The confusion behind commit 1de13ee59225: the present decoder on a device-private entry.
    #[test]
    fn the_present_decoder_reads_nonsense_from_a_swap_entry() {
        let pfn = Pfn::new(1, 11);
        let swap = Softleaf::DevicePrivate { write: true, pfn }.to_swap();
        // the offset starts three bits below the frame number, and both are inverted
        assert_eq!(PresentPte::assume(swap.pte()).pfn(), Pfn(pfn.0 / 8));
        // a soft-dirty swap entry looks writable (commit 43e7f189769c)
        let soft_dirty = swap.set(SwapFlags::SOFT_DIRTY, true);
        assert!(PresentPte::assume(soft_dirty.pte()).write());
    }
}
