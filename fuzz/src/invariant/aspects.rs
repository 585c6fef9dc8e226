//! The columns of the table that are enums: family, changes, blame.

use std::fmt;

/// The family of an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// What user space sees.
    Contents,
    /// Reference counts, mapcounts, statistics, leaks.
    Counting,
    /// The reverse map and anon_vmas.
    ReverseMap,
    /// The bits of page-table entries.
    Entries,
    /// Swap slots and the swap cache.
    Swap,
    /// Device mappings and TLB entries.
    Coherence,
    /// The contract of mmu notifiers.
    Notifier,
    /// Locks, waiting and retries.
    Progress,
}

impl Family {
    /// All families, in the order of docs/invariants.md.
    pub const ALL: [Self; 8] = [
        Self::Contents,
        Self::Counting,
        Self::ReverseMap,
        Self::Entries,
        Self::Swap,
        Self::Coherence,
        Self::Notifier,
        Self::Progress,
    ];

    /// What the family is about, and a list of what it does not check, each with the reason. Both
    /// go into docs/invariants.md.
    pub const fn about(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Contents => (
                "What user space and devices see, compared with the reference model, which shares \
                 no code with the core.",
                &[
                    "The order of two overlapping accesses: either word is accepted until both \
                     have ended.",
                    "What snapshots and counts of moved pages report to a program of several \
                     threads: a check would need an order of the operations.",
                    "That MADV_PAGEOUT reclaims a page, or that a migration succeeds: Linux may \
                     always decline.",
                ],
            ),
            Self::Counting => (
                "Counts, compared with the shadow (the replayed log of page-table writes), the \
                 holders, and the tasks.",
                &[
                    "The commit charge of a VMA that `mprotect` makes writable: some failed mremaps \
                     make Linux drop the charge, and the model does not know which.",
                    "The order of the LRU, and statistics that no decision depends on: they change \
                     no outcome.",
                ],
            ),
            Self::ReverseMap => (
                "The way from a page to its entries and back; the trees, chains and counters of \
                 anon_vmas.",
                &["File and KSM mappings: the model has none."],
            ),
            Self::Entries => (
                "Writes of page-table entries: the entry before, the entry after, and the operation. \
                 The bits of the entries of a page, compared with its struct page.",
                &["The accessed bit outside of round trips: hardware may set it at any time."],
            ),
            Self::Swap => (
                "Swap slots, their contents, and the swap cache.",
                &["Which slot is chosen, and readahead: user space cannot see either."],
            ),
            Self::Coherence => (
                "Devices and CPUs do not use translations that the page tables no longer back.",
                &["When an operation flushes what it owes: another task may flush for it."],
            ),
            Self::Notifier => (
                "What mmu notifiers announce to drivers, compared with what happens.",
                &[
                    "Several subscribers with sequence numbers of their own: the model has one \
                     driver for all devices.",
                ],
            ),
            Self::Progress => (
                "Locks are released, waiting ends, and retries get further.",
                &["Fairness: the model does not say which of two waiters gets a lock first."],
            ),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contents => "contents",
            Self::Counting => "counting",
            Self::ReverseMap => "reverse-map",
            Self::Entries => "entries",
            Self::Swap => "swap",
            Self::Coherence => "coherence",
            Self::Notifier => "notifier",
            Self::Progress => "progress",
        })
    }
}

/// A set of kinds of change. A slice makes changes of some kinds; the end of an operation and the
/// end of the run are kinds as well. A row of the table names the kinds that can break its
/// invariant, and the checks after a slice run only after these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes(u16);

impl Changes {
    /// A lowest-level page-table entry was written.
    pub const ENTRY: Self = Self(1 << 0);
    /// A struct page changed, or the set of entries that name it.
    pub const PAGE: Self = Self(1 << 1);
    /// VMAs, chains or anon_vmas changed.
    pub const AREA: Self = Self(1 << 2);
    /// A TLB entry may be stale.
    pub const TLB: Self = Self(1 << 3);
    /// A device's mappings or the allocation of its memory may have changed.
    pub const DEVICE: Self = Self(1 << 4);
    /// A swap slot changed.
    pub const SWAP: Self = Self(1 << 5);
    /// A tracepoint fired.
    pub const EVENT: Self = Self(1 << 6);
    /// A task waits, or has passed too many scheduling points.
    pub const TASK: Self = Self(1 << 7);
    /// A CPU or a device accessed memory, or a GUP reference was taken.
    pub const ACCESS: Self = Self(1 << 8);
    /// An operation ended.
    pub const OPERATION: Self = Self(1 << 9);
    /// The run ended, or a thorough run checks everything.
    pub const END: Self = Self(1 << 10);

    const NAMES: [(Self, &'static str); 11] = [
        (Self::ENTRY, "entries"),
        (Self::PAGE, "pages"),
        (Self::AREA, "VMAs"),
        (Self::TLB, "TLBs"),
        (Self::DEVICE, "devices"),
        (Self::SWAP, "swap"),
        (Self::EVENT, "tracepoints"),
        (Self::TASK, "tasks"),
        (Self::ACCESS, "accesses"),
        (Self::OPERATION, "an operation's end"),
        (Self::END, "the end"),
    ];

    /// Every kind of change.
    pub(crate) const ALL: Self = Self(u16::MAX);
    /// No change.
    pub const NONE: Self = Self(0);

    /// This kind of change if `happened`, or none.
    pub(crate) const fn when(self, happened: bool) -> Self {
        if happened { self } else { Self::NONE }
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if the two sets share a kind of change.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (change, name) in Self::NAMES {
            if self.intersects(change) {
                write!(f, "{comma}{name}")?;
                comma = ", ";
            }
        }
        Ok(())
    }
}

/// The function or operation that a breach is blamed on. Clusters are named after it. In a race,
/// all but `Section`, `Locker` and `Way` blame the race itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The function whose section ran last before the check.
    Section,
    /// Like `Section`, except in a race: there, the access that notices the wrong state did not
    /// cause it, so its function tells nothing about the bug.
    Before,
    /// The last function of the ended operation that wrote an entry.
    LastWriter,
    /// The operation that ended.
    Operation,
    /// The function that removed the page-table entry.
    Unmapper,
    /// The function whose section ran last; in a race, either side may be at fault.
    EitherInARace,
    /// The function that took the held lock; the [`Way`](super::Way) if no lock is held.
    Locker,
    /// The [`Way`](super::Way) itself: it occurs in one place only, or its cause is long past.
    Way,
}
