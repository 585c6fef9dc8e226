//! The log of what happened, for observers: a debugger, a timeline, an oracle.
//!
//! The page tables record each write of an entry, and the map of struct pages records which pages
//! changed. The tracepoints here record moments that the state alone does not show. The log grows
//! until [`State::observed`](crate::State::observed).

use crate::geometry::Geometry;
use crate::ids::{AnonVmaId, DevId, Folio, MmId, Pfn, PteRef, TaskId};
use crate::limits::DEVICES;
use crate::lock::{Lock, LockClasses};
use crate::notifier::NotifierEvent;
use crate::pagemap::Pagemap;
use crate::pte::Pte;
use crate::walk::Below;

/// One write of a page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PteWrite {
    /// The location of the entry.
    pub at: PteRef,
    /// The address space.
    pub mm: MmId,
    /// The first address that the entry translates.
    pub addr: u64,
    /// The level of the table; 0 is the lowest.
    pub level: u32,
    /// The entry before.
    pub old: Pte,
    /// The entry after.
    pub new: Pte,
}

impl PteWrite {
    /// This write, with only leaf entries: `old` and `new` are empty where they pointed to a table.
    /// `None` if the write only links or unlinks a table.
    #[inline]
    pub fn of_leaf(self) -> Option<Self> {
        if self.level == 0 {
            return Some(self);
        }
        let leaf = |pte| match Below::of(pte) {
            Below::Huge => pte,
            Below::Nothing | Below::Table(_) => Pte::NONE,
        };
        let (old, new) = (leaf(self.old), leaf(self.new));
        (!old.is_none() || !new.is_none()).then_some(Self { old, new, ..self })
    }

    /// One write for each page that the entry stands for, as if huge entries were
    /// [split](Pte::part). `self` is the result of [`of_leaf`](Self::of_leaf).
    #[inline]
    pub fn by_page(self, geometry: &Geometry) -> impl Iterator<Item = Self> + use<> {
        let pages = match self.level {
            0 => 1,
            level => geometry.span(level - 1),
        };
        (0..pages).map(move |i| self.page(i))
    }

    /// Element `i` of [`by_page`](Self::by_page).
    #[inline]
    pub fn page(self, i: u64) -> Self {
        match self.level {
            0 => self,
            _ => Self {
                addr: self.addr + i,
                old: self.old.part(i as u32),
                new: self.new.part(i as u32),
                ..self
            },
        }
    }
}

/// A tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A driver's `migrate_to_ram` is called for the page that a fault found.
    MigrateToRam {
        /// The faulting task.
        task: TaskId,
        /// The device page.
        page: Pfn,
        /// True if somebody held a reference to the page at that moment.
        referenced: bool,
    },
    /// `migrate_device_unmap` accepted a folio for migration.
    Unmapped {
        /// The migrating task.
        task: TaskId,
        /// The folio, no longer mapped.
        folio: Folio,
        /// References that belong neither to the task nor to the swap cache.
        outside: i32,
    },
    /// `folio_migrate_mapping` moved the identity of a folio to another.
    Migrated {
        /// The old folio.
        src: Folio,
        /// The new folio.
        dst: Folio,
    },
    /// Each page of a large folio became a folio of its own.
    FolioSplit {
        /// The folio. It keeps only its first page.
        folio: Folio,
        /// The number of pages.
        pages: u32,
    },
    /// A folio went into the swap cache.
    SwapCache {
        /// The folio.
        folio: Folio,
    },
    /// A folio went onto the LRU (`mm_lru_insertion`).
    LruInsertion {
        /// The folio.
        folio: Folio,
        /// True if it was charged to a memory cgroup.
        charged: bool,
    },
    /// A reverse-map walk begins, with the anon_vma locked.
    RmapWalk {
        /// The folio.
        folio: Folio,
        /// The anon_vma that the walk visits.
        anon_vma: AnonVmaId,
        /// True if the anon_vma is allocated.
        alive: bool,
    },
    /// An invalidation starts or ends.
    Invalidate {
        /// The task that changes the entries.
        task: TaskId,
        /// True at the start, false at the end.
        start: bool,
        /// The address space.
        mm: MmId,
        /// The first address.
        first: u64,
        /// The first address above the range.
        end: u64,
        /// The reason.
        event: NotifierEvent,
        /// The device that caused it, if one did.
        owner: Option<DevId>,
        /// The sequence of each device now.
        seq: [u64; DEVICES],
        /// The locks that the task holds.
        held: LockClasses,
        /// Number of page-table writes recorded so far.
        writes: usize,
    },
    /// A task is about to take a lock, and sleeps if the lock is held.
    Lock {
        /// The task.
        task: TaskId,
        /// The lock.
        lock: Lock,
        /// False for the `mmap_lock` of an address space that is gone.
        alive: bool,
        /// The locks that the task holds already.
        held: LockClasses,
    },
    /// A reader of `/proc/PID/pagemap` has read an entry.
    Pagemap {
        /// The address space.
        mm: MmId,
        /// The address.
        addr: u64,
        /// The entry that it read.
        shown: Pagemap,
    },
    /// A driver allocated a device folio for a migration.
    DeviceAlloc {
        /// The device.
        dev: DevId,
        /// The folio.
        folio: Folio,
    },
}
