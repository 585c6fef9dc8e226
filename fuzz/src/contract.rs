//! What each operation is allowed and what it owes: plain data, which the oracles ask.
//!
//! The contract of an operation stands beside its code, in [`crate::ops`]; [`OpKind::contract`]
//! finds it. An oracle never names an operation.

use crate::call::Call;
use crate::program::{Addr, Len, Op, OpKind};
use mm_core::MmId;
use std::ops::Range;

/// What an operation is allowed and what it owes.
///
/// The fields that are `bool` are exemptions from an invariant, each for the reason that it states.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// Which operation.
    pub kind: OpKind,
    /// The slot that it takes or gives back.
    pub slot: Slot,
    /// How user space asks for it.
    pub call: fn(Op) -> Call,
    /// What nobody can do any more once it has ended well.
    pub removes: fn(Base, Op, MmId) -> Option<Promise>,
    /// Where the entries go that it moves.
    pub moves: fn(Base, Op) -> Option<Moves>,
    /// It makes a child: entries that were exclusive become shared, the child's have the soft-dirty
    /// bits of the parent's, and it takes the child's `mmap_lock` inside the parent's, for nobody
    /// else knows the child.
    pub forks: bool,
    /// An entry that it clears was reclaimed, which must not happen in a locked VMA.
    pub reclaims: bool,
    /// It changes the VMA under an entry that is write-protected for userfaultfd, within one
    /// operation.
    pub moves_areas: bool,
    /// It clears the soft-dirty bit of an entry.
    pub clears_soft_dirty: bool,
    /// It sets or clears the uffd-wp bit of an entry.
    pub changes_uffd_wp: bool,
    /// It makes a dirty entry clean: the contents may go.
    pub cleans: bool,
    /// It gets pages to write to them, so that folios become dirty without a dirty entry.
    pub dirties_folios: bool,
}

impl Contract {
    /// Of an operation that takes no slot, removes nothing, and has no exemption.
    pub const fn of(kind: OpKind, call: fn(Op) -> Call) -> Self {
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
        }
    }
}

/// The slot that an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// None.
    None,
    /// It puts a process into a free one.
    NewProcess,
    /// It opens a migration in a free one.
    NewMigration,
    /// It goes on with the migration in the one that it names.
    Migration,
    /// It puts a reference into a free one.
    NewReference(RefKind),
    /// It drops the reference in the one that it names.
    Reference,
    /// It puts a folio lock into a free one.
    NewLock,
    /// It releases the folio lock in the one that it names.
    Lock,
}

impl Slot {
    /// Of a migration that it opens or goes on with.
    pub const fn is_migration(self) -> bool {
        matches!(self, Self::NewMigration | Self::Migration)
    }
}

/// Whose reference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefKind {
    /// Of `get` or `pin`.
    Gup,
    /// Of a pfn walker (`hold`): given back when everybody waits for it.
    Walker,
}

/// The address of the first page of a program's window.
#[derive(Clone, Copy, Debug)]
pub struct Base(pub u64);

impl Base {
    /// The address of a page.
    pub fn addr(self, addr: Addr) -> u64 {
        self.0 + u64::from(addr.get())
    }

    /// The pages of the range, as far as they are in the window.
    pub fn range(self, addr: Addr, len: Len) -> Range<u64> {
        let first = u64::from(addr.get());
        let window = u64::from(Addr::MAX.get()) + 1;
        let end = (first + u64::from(len.get())).min(window);
        self.0 + first..self.0 + end
    }
}

/// Where entries go.
#[derive(Clone, Copy, Debug)]
pub struct Moves {
    /// The first address that they leave.
    pub from: u64,
    /// How many addresses they leave.
    pub pages: u64,
    /// The first address where they arrive.
    pub to: u64,
}

impl Moves {
    /// Does what leaves one address arrive at the other? It may also go back.
    pub fn joins(&self, one: u64, other: u64) -> bool {
        let arrives = |from: u64, to: u64| {
            let offset = from.checked_sub(self.from);
            offset.is_some_and(|offset| offset < self.pages && to == self.to + offset)
        };
        arrives(one, other) || arrives(other, one)
    }
}

/// What nobody can do any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Use the pages.
    Pages,
    /// Write to them.
    Write,
    /// Use the pages whose entries are gone now, and were not before.
    Entries,
}

/// What an operation promises.
#[derive(Clone, Debug)]
pub struct Promise {
    /// In which address space.
    pub mm: MmId,
    /// Where.
    pub ranges: [Range<u64>; 2],
    /// What.
    pub takes: Takes,
}

impl Promise {
    /// Nobody uses the pages of `range`.
    pub const fn pages(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Pages)
    }

    /// Nobody writes to the pages of `range` without a fault.
    pub const fn writes(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Write)
    }

    /// Nobody uses the pages of `range` whose entries go.
    pub const fn entries(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Entries)
    }

    const fn new(mm: MmId, range: Range<u64>, takes: Takes) -> Self {
        let ranges = [range, 0..0];
        Self { mm, ranges, takes }
    }

    /// The same of another range.
    #[must_use]
    pub fn and(mut self, range: Range<u64>) -> Self {
        self.ranges[1] = range;
        self
    }
}
