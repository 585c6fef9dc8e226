//! The arguments of a migration to or from device memory: a VMA or frames, and the state of each
//! page.
//!
//! Corresponds to `struct migrate_vma` and `MIGRATE_PFN_*` in `include/linux/migrate.h`.

use crate::ids::{AnonVmaId, DevId, MmId, Pfn, VmaId};
use alloc::vec::Vec;
use core::ops::Range;

/// An element of the `src` or `dst` array of a migration (`MIGRATE_PFN_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MigratePfn(u64);

impl MigratePfn {
    /// Nothing to migrate.
    pub const NONE: Self = Self(0);
    const VALID: u64 = 1 << 0;
    const MIGRATE: u64 = 1 << 1;
    const WRITE: u64 = 1 << 3;
    const COMPOUND: u64 = 1 << 4;
    const SHIFT: u32 = 6;

    /// An element that names a page and does not migrate.
    pub const fn new(pfn: Pfn) -> Self {
        Self(((pfn.0 as u64) << Self::SHIFT) | Self::VALID)
    }

    /// The page; `None` if the element is a hole or [`NONE`](Self::NONE).
    pub const fn page(self) -> Option<Pfn> {
        if self.0 & Self::VALID != 0 {
            Some(Pfn((self.0 >> Self::SHIFT) as u32))
        } else {
            None
        }
    }

    /// True if the page or hole may still migrate.
    pub const fn migrates(self) -> bool {
        self.0 & Self::MIGRATE != 0
    }

    /// True if the mapping was writable.
    pub const fn write(self) -> bool {
        self.0 & Self::WRITE != 0
    }

    /// True if the element stands for a huge page or hole; the elements of the rest of it are
    /// empty.
    pub const fn is_compound(self) -> bool {
        self.0 & Self::COMPOUND != 0
    }

    /// An element that stands for a huge page or hole.
    #[must_use]
    pub const fn compound(self) -> Self {
        Self(self.0 | Self::COMPOUND)
    }

    pub(crate) const fn migrating(self, write: bool) -> Self {
        Self(self.0 | Self::MIGRATE | if write { Self::WRITE } else { 0 })
    }

    /// The same element, standing for one page or hole.
    #[must_use]
    pub const fn single(self) -> Self {
        Self(self.0 & !Self::COMPOUND)
    }

    /// The element for page `i` of the huge page or hole that this element stands for.
    #[must_use]
    pub const fn of_huge(self, i: u32) -> Self {
        match self.page() {
            Some(_) => Self(self.single().0 + ((i as u64) << Self::SHIFT)),
            None => self.single(),
        }
    }

    /// Without the permission to migrate.
    #[must_use]
    pub const fn refused(self) -> Self {
        Self(self.0 & !Self::MIGRATE)
    }
}

/// The pages that a migration takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Select {
    /// Pages of system memory, holes and the zero page.
    System,
    /// Device-private pages of the owner.
    DevicePrivate,
}

/// The part of a VMA that a migration works on.
#[derive(Clone, Debug)]
pub struct MigrateRange {
    /// The address space; its `mmap_lock` is held for reading throughout.
    pub mm: MmId,
    /// The VMA.
    pub vma: VmaId,
    /// The addresses, all within the VMA.
    pub range: Range<u64>,
}

/// A migration (`struct migrate_vma`, and the arrays of `migrate_device_range`).
#[derive(Debug)]
pub struct MigrateVma {
    /// The range of a migration by address; `None` for one by frame number.
    pub area: Option<MigrateRange>,
    /// The source of each page.
    pub src: Vec<MigratePfn>,
    /// The destination of each page, which the driver fills in after the setup.
    pub dst: Vec<MigratePfn>,
    /// Number of pages and holes that may migrate, after the setup.
    pub cpages: u32,
    /// The pages to take.
    pub select: Select,
    /// Take whole huge pages and aligned huge holes (`MIGRATE_VMA_SELECT_COMPOUND`). Otherwise a
    /// huge page is split first.
    pub compound: bool,
    /// The device whose driver migrates (`pgmap_owner`).
    pub owner: DevId,
    /// The page whose CPU fault started the migration; the fault holds the lock of its folio and a
    /// reference.
    pub fault_page: Option<Pfn>,
    /// Migration by frame number only: the anon_vma reference held for each page. `None` if the
    /// page was not mapped and so has no migration entry.
    pub(crate) anon_vmas: Vec<Option<AnonVmaId>>,
}

impl MigrateVma {
    /// A migration of the pages in part of a VMA.
    pub fn new(area: MigrateRange, select: Select, owner: DevId) -> Self {
        Self {
            area: Some(area),
            ..Self::by_pfn(owner)
        }
        .selecting(select)
    }

    fn selecting(self, select: Select) -> Self {
        Self { select, ..self }
    }

    /// A migration of device pages by frame number, wherever they are mapped.
    pub fn by_pfn(owner: DevId) -> Self {
        Self {
            area: None,
            src: Vec::new(),
            dst: Vec::new(),
            cpages: 0,
            select: Select::DevicePrivate,
            compound: false,
            owner,
            fault_page: None,
            anon_vmas: Vec::new(),
        }
    }

    /// True if migration entries may name page `i`.
    pub(crate) fn has_entries(&self, i: usize) -> bool {
        // the kernel walks in any case, through an anon_vma that may be gone
        self.area.is_some() || self.anon_vmas.get(i).is_some_and(Option::is_some)
    }

    /// Number of elements that have migrated or still may. A huge page or hole is one.
    pub fn migrating(&self) -> usize {
        self.src.iter().filter(|src| src.migrates()).count()
    }

    /// Number of pages that have migrated or still may. Each page of a hole counts. `huge` is the
    /// number of pages of a huge page.
    pub fn pages_migrating(&self, huge: u32) -> u32 {
        let migrating = self.src.iter().filter(|src| src.migrates());
        migrating
            .map(|src| if src.is_compound() { huge } else { 1 })
            .sum()
    }
}
