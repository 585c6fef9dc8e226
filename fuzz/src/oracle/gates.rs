//! The kinds of change after which [`Oracles::after_slice`](super::Oracles::after_slice) runs each
//! group of checks. They come from the rows of the invariants that the group reports.
//!
//! Some groups visit a list: of written entries, of tracepoints, of changed pages. Such a list is
//! empty unless the slice made changes of one kind. Each row of such a group must name that kind,
//! or the build fails.

use crate::invariant::{Changes, Invariant as I};

/// The kinds of changes that can break one of these invariants. Each of the invariants must name
/// `listed`, the kind of change that the group visits a list of.
const fn visiting(listed: Changes, invariants: &[I]) -> Changes {
    let mut i = 0;
    while i < invariants.len() {
        assert!(
            invariants[i].row().concerned.intersects(listed),
            "a row does not name the kind of change after which its invariant is checked"
        );
        i += 1;
    }
    I::concerned(invariants)
}

/// A struct page outside the memory map.
pub(super) const WILD: Changes = I::concerned(&[I::WildPage]);

/// The written entries.
pub(super) const WRITES: Changes = visiting(
    Changes::ENTRY,
    &[
        I::HugeEntry,
        I::LockedArea,
        I::EntryPlace,
        I::WriteUffdWp,
        I::UffdWpUnregistered,
        I::UntrackedWrite,
        I::Inherited,
        I::RoundTrip,
        I::DirtyLost,
        I::Copied,
        I::SwapRoundTrip,
        I::Update,
        I::Mlock,
        I::Moved,
    ],
);

/// The tracepoints.
pub(super) const EVENTS: Changes = visiting(
    Changes::EVENT,
    &[
        I::UseWithoutReference,
        I::Lru,
        I::UnmapReferences,
        I::AnonVmaAlive,
        I::AddressSpaceAlive,
        I::LockOrder,
        I::Pagemap,
        I::Charge,
    ],
);

/// The pages that changed.
pub(super) const PAGES: Changes = visiting(
    Changes::PAGE,
    &[
        I::ZeroPage,
        I::Mlock,
        I::FreePage,
        I::FreedTranslation,
        I::Mapcount,
        I::SplitQueue,
        I::Tail,
        I::Refcount,
        I::Lru,
        I::Charge,
        I::SlotCache,
        I::SlotContents,
        I::Exclusive,
        I::Reachable,
        I::WriteExclusive,
        I::ExclusiveEntry,
        I::DirtyInvented,
        I::MigrationEntry,
    ],
);

/// The queue of deferred splits.
pub(super) const SPLIT_QUEUE: Changes = I::concerned(&[I::SplitQueue]);

/// The counters of the address spaces of the written entries.
pub(super) const COUNTERS: Changes = visiting(Changes::ENTRY, &[I::Rss]);

/// VMAs, chains and anon_vmas.
pub(super) const TOPOLOGY: Changes = I::concerned(&[
    I::Chain,
    I::ChainOrder,
    I::AnonVmaCounters,
    I::AnonVmaReuse,
    I::SharedAnonVma,
    I::UnfaultedOffset,
    I::Layout,
]);

/// The references of the devices' memory.
pub(super) const PGMAP: Changes = I::concerned(&[I::PgmapRefs]);

/// The swap slots.
pub(super) const SLOTS: Changes = I::concerned(&[
    I::SlotCount,
    I::SlotCache,
    I::SwapExclusive,
    I::SwapReachable,
]);

/// The folios that lost entries.
pub(super) const GIVEN_UP: Changes = visiting(Changes::ENTRY, &[I::GivenUp]);

/// The TLB entries.
pub(super) const TRANSLATIONS: Changes = I::concerned(&[I::Tlb]);

/// The announced invalidations, and the written entries between them.
pub(super) const BRACKETS: Changes = visiting(
    Changes::EVENT,
    &[
        I::Bracket,
        I::AnnouncedEvent,
        I::AnnouncedOwner,
        I::AnnouncedRange,
        I::AnnouncedLock,
        I::AnnouncedSequence,
        I::Pairing,
    ],
);

/// The mappings of devices.
pub(super) const MAPPINGS: Changes = I::concerned(&[I::DeviceMapping]);

/// The tasks that wait.
pub(super) const WAITERS: Changes = visiting(Changes::TASK, &[I::LockOrder, I::WaiterReference]);
