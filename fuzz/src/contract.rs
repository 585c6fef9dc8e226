//! What each operation is allowed to do and what it owes, as plain data for the oracles.
//!
//! The contract of an operation stands beside its code in [`crate::ops`], and [`OpKind::contract`]
//! finds it. An oracle never names an operation.

use crate::call::Invocation;
use crate::program::{Op, OpKind};
use crate::window::Window;
use mm_core::MmId;
use std::ops::Range;

/// What an operation is allowed to do and what it owes.
///
/// Most `bool` fields exempt the operation from an invariant; the comment gives the reason. Three
/// differ: `forks` and `reclaims` also subject the operation to an invariant, and
/// `keeps_address_space` says who holds the address space.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// The operation.
    pub kind: OpKind,
    /// The slot that the operation works on.
    pub slot: Slot,
    /// How user space invokes the operation.
    pub call: fn(Op) -> Invocation,
    /// The accesses that are impossible once the operation has succeeded.
    pub removes: fn(Window, Op, MmId) -> Option<Promise>,
    /// The addresses that the operation moves entries between.
    pub moves: fn(Window, Op) -> Option<Moves>,
    /// It makes a child. Exclusive entries become shared, and the child's entries copy the parent's
    /// soft-dirty bits. It takes the child's `mmap_lock` inside the parent's: no other task knows
    /// the child yet.
    pub forks: bool,
    /// It reclaims: an entry that it clears was reclaimed, which must not happen in an mlocked VMA.
    /// It may split a large folio and write the pages to swap slots, so that they become clean.
    pub reclaims: bool,
    /// It removes the VMA, or its registration with userfaultfd, before it removes a
    /// write-protected entry or clears the entry's uffd-wp bit.
    pub moves_areas: bool,
    /// It clears the soft-dirty bit of an entry.
    pub clears_soft_dirty: bool,
    /// It sets or clears the uffd-wp bit of an entry.
    pub changes_uffd_wp: bool,
    /// It cleans dirty entries, because the contents may be dropped.
    pub cleans: bool,
    /// It gets pages in order to write to them, so that folios become dirty without a dirty entry.
    pub dirties_folios: bool,
    /// It holds the address space itself while it runs. (For all other operations, the calling
    /// thread does.)
    pub keeps_address_space: bool,
}

impl Contract {
    /// The contract of an operation that takes no slot, removes nothing, and has no exemption.
    pub const fn of(kind: OpKind, call: fn(Op) -> Invocation) -> Self {
        Self {
            kind,
            call,
            slot: Slot::None,
            removes: |_, _, _| None,
            moves: |_, _| None,
            forks: false,
            reclaims: false,
            moves_areas: false,
            clears_soft_dirty: false,
            changes_uffd_wp: false,
            cleans: false,
            dirties_folios: false,
            keeps_address_space: false,
        }
    }
}

/// The slot that an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It works on no slot.
    None,
    /// It puts a process into a free slot.
    NewProcess,
    /// It opens a migration in a free slot.
    NewMigration,
    /// It continues the migration in the slot that it names.
    Migration,
    /// It puts a reference into a free slot.
    NewReference(RefKind),
    /// It drops the reference in the slot that it names.
    Reference,
    /// It puts a folio lock into a free slot.
    NewLock,
    /// It releases the folio lock in the slot that it names.
    Lock,
}

impl Slot {
    /// True if the slot is that of a migration.
    pub const fn is_migration(self) -> bool {
        matches!(self, Self::NewMigration | Self::Migration)
    }
}

/// Who takes a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefKind {
    /// `get`, `pin` and their variants.
    Gup,
    /// A pfn walker (`hold`). The executor drops the reference once every thread waits.
    Walker,
}

/// A move of entries.
#[derive(Clone, Copy, Debug)]
pub struct Moves {
    /// The first address that the entries leave.
    pub from: u64,
    /// Number of addresses that the entries leave.
    pub pages: u64,
    /// The first address where the entries arrive.
    pub to: u64,
}

impl Moves {
    /// True if an entry moves between the two addresses, in either direction.
    pub fn joins(&self, one: u64, other: u64) -> bool {
        let arrives = |from: u64, to: u64| {
            let offset = from.checked_sub(self.from);
            offset.is_some_and(|offset| offset < self.pages && to == self.to + offset)
        };
        arrives(one, other) || arrives(other, one)
    }
}

/// The kind of access that an operation makes impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Any use of the pages.
    Pages,
    /// A write to the pages without a fault.
    Write,
    /// Any use of the pages whose entries have gone since the operation began.
    Entries,
}

/// What an operation promises.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The address space.
    pub mm: MmId,
    /// The ranges.
    pub ranges: [Range<u64>; 2],
    /// The kind of access that is impossible in the ranges.
    pub takes: Takes,
}

impl Promise {
    /// Promises that nobody uses the pages of `range`.
    pub const fn pages(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Pages)
    }

    /// Promises that nobody writes to the pages of `range` without a fault.
    pub const fn writes(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Write)
    }

    /// Promises that nobody uses the pages of `range` whose entries the operation removes.
    pub const fn entries(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Entries)
    }

    const fn new(mm: MmId, range: Range<u64>, takes: Takes) -> Self {
        let ranges = [range, 0..0];
        Self { mm, ranges, takes }
    }

    /// Extends the promise to a second range.
    #[must_use]
    pub fn and(mut self, range: Range<u64>) -> Self {
        self.ranges[1] = range;
        self
    }
}
