//! What happened, for observers: a debugger, a timeline, an oracle.
//!
//! Page-table writes and changed struct pages are noted by the arenas that hold them; the
//! tracepoints here mark the moments that the state alone does not show. The log grows until
//! [`State::observed`](crate::State::observed).

use crate::ids::{AnonVmaId, DevId, MmId, Pfn, PteRef, TaskId};
use crate::lock::{Lock, LockClasses};
use crate::memmap::DEVICES;
use crate::notifier::NotifierEvent;
use crate::pagemap::Pagemap;
use crate::pte::Pte;

/// One write of a page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PteWrite {
    /// Where.
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

/// A tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A driver's `migrate_to_ram` looks at the page that the fault found.
    MigrateToRam {
        /// The faulting task.
        task: TaskId,
        /// The device page.
        page: Pfn,
        /// Somebody held a reference to it at that moment.
        referenced: bool,
    },
    /// `migrate_device_unmap` accepted a page for migration.
    Unmapped {
        /// The migrating task.
        task: TaskId,
        /// The page, no longer mapped.
        page: Pfn,
        /// References that are neither the task's own nor the swap cache's.
        outside: i32,
    },
    /// `folio_migrate_mapping` moved the identity of a folio to another.
    Migrated {
        /// From here …
        src: Pfn,
        /// … to here.
        dst: Pfn,
    },
    /// A folio went into the swap cache.
    SwapCache {
        /// The folio.
        folio: Pfn,
    },
    /// A folio went onto the LRU (`mm_lru_insertion`).
    LruInsertion {
        /// The folio.
        page: Pfn,
        /// It was charged to a memory cgroup.
        charged: bool,
    },
    /// A walk of the reverse map begins, with the anon_vma locked.
    RmapWalk {
        /// The folio.
        folio: Pfn,
        /// Where the walk goes.
        anon_vma: AnonVmaId,
        /// The anon_vma is allocated.
        alive: bool,
    },
    /// A change of entries is announced, or is over.
    Invalidate {
        /// The task that makes it.
        task: TaskId,
        /// It is announced.
        start: bool,
        /// The address space.
        mm: MmId,
        /// The first address …
        first: u64,
        /// … and the first behind.
        end: u64,
        /// Why.
        event: NotifierEvent,
        /// On whose behalf.
        owner: Option<DevId>,
        /// The sequences by now, one for each device.
        seq: [u64; DEVICES],
        /// Locks that the task holds.
        held: LockClasses,
        /// Page-table writes noted so far.
        writes: usize,
    },
    /// A task is about to take a lock, and to sleep if it has to.
    Lock {
        /// The task.
        task: TaskId,
        /// The lock.
        lock: Lock,
        /// What it holds already.
        held: LockClasses,
    },
    /// A reader of `/proc/PID/pagemap` was shown a page.
    Pagemap {
        /// The address space.
        mm: MmId,
        /// The address.
        addr: u64,
        /// What it was shown.
        shown: Pagemap,
    },
    /// A driver handed a device page to a migration.
    DeviceAlloc {
        /// The device.
        dev: DevId,
        /// The page.
        page: Pfn,
    },
}
