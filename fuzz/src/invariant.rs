//! The table of invariants: what each one claims, what it is about, whom a breach is blamed on, how
//! it can be broken, and what it exempts.
//!
//! Signatures, clusters, reports and docs/invariants.md are built from this table; no part of the
//! laboratory parses the words of a message. The order of the rows is the order of the page and
//! decides nothing else: [`crate::oracle`] decides in which order the checks run.

use mm_core::{Lock, LockClasses, Site, Wait};
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
    /// All families, in the order of the page.
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
                    "What pagemap, snapshots and counts of moved pages report to a program of \
                     several threads: a check would need an order of the operations.",
                    "That MADV_PAGEOUT reclaims a page, or that a migration succeeds: Linux may \
                     always decline.",
                ],
            ),
            Self::Counting => (
                "Counts, compared with the shadow (the replayed log of page-table writes), the \
                 holders, and the tasks.",
                &[
                    "Memory that `mprotect` makes accountable: the model does not say when a \
                     failed move loses that charge.",
                    "The order of the LRU, and statistics that no decision depends on: no outcome \
                     differs.",
                ],
            ),
            Self::ReverseMap => (
                "The way from a page to its entries and back; the trees, chains and counters of \
                 anon_vmas.",
                &["File and KSM mappings: the model has none."],
            ),
            Self::Entries => (
                "Single writes of page-table entries: the entry before, the entry after, and the \
                 operation.",
                &[
                    "Huge entries: nothing maps one yet.",
                    "The accessed bit outside of round trips: hardware may set it at any time.",
                ],
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

/// Kinds of change in a slice. A row names the kinds that can break its invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes(u16);

impl Changes {
    /// A lowest-level page-table entry was written.
    pub const ENTRY: Self = Self(1 << 0);
    /// A struct page changed, or the set of entries that name it.
    pub const PAGE: Self = Self(1 << 1);
    /// VMAs, chains or anon_vmas changed.
    pub const AREA: Self = Self(1 << 2);
    /// A CPU cached or dropped a TLB entry.
    pub const TLB: Self = Self(1 << 3);
    /// A device maps something.
    pub const DEVICE: Self = Self(1 << 4);
    /// A swap slot was ever used.
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

    const fn or(self, other: Self) -> Self {
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

/// Which function or operation a breach is blamed on. Clusters are named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The function whose section ran last before the check.
    Section,
    /// The same; in a race, the cluster says only that it was one. An access notices a wrong state
    /// that it did not cause.
    Before,
    /// The last function of the ended operation that wrote an entry.
    LastWriter,
    /// The operation that ended.
    Operation,
    /// The function that removed the page-table entry.
    Unmapper,
    /// The function whose section ran last; in a race, either side may be at fault.
    EitherInARace,
    /// The function that took the held lock; the [`Way`] if no lock is held.
    Locker,
    /// The [`Way`] itself: it occurs in one place only, or its cause is long past.
    Way,
}

/// The way in which an invariant is broken, for invariants that have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A count is too high.
    TooMany,
    /// A count is too low.
    TooFew,
    /// A folio on the LRU is free, not charged, or device memory.
    OnLru,
    /// A folio in use is not on the LRU.
    NotOnLru,
    /// An uncharged folio was put on the LRU, and entries map it.
    UnchargedAndMapped,
    /// An uncharged folio was put on the LRU, and no entry maps it.
    UnchargedAndNotMapped,
    /// The page has no `mapping`, so no anon_vma.
    NoMapping,
    /// The anon_vma of the page was freed.
    AnonVmaFreed,
    /// No VMA covers the address.
    NoArea,
    /// The `index` of the page belongs to another address.
    OtherIndex,
    /// The VMA has no anon_vma_chain to the anon_vma of the page.
    NotLinked,
    /// A page was unmapped for migration despite references from outside.
    UnmappedThoughHeld,
    /// A page moved despite references from outside.
    MovedThoughHeld,
    /// A driver callback gets a page without a reference.
    NoReference,
    /// An rmap walk goes through a freed anon_vma.
    WalkOfFreed,
    /// A free page has an anon_vma.
    FreeWithMapping,
    /// A free page has a negative refcount.
    FreeWithFewerReferences,
    /// A free page has a positive refcount.
    FreeWithReferences,
    /// A free page has a mapcount.
    FreeWithMapcount,
    /// A free page has flags besides FREE.
    FreeWithFlags,
    /// Entries name a free page.
    FreeWithEntries,
    /// An operation returns with a lock held.
    HoldsLock,
    /// An operation returns with a page reference.
    HoldsReference,
    /// An operation returns with a pin.
    HoldsPin,
    /// An operation returns with an anon_vma reference.
    HoldsAnonVma,
    /// An operation returns without a TLB flush that it owes.
    OwesFlush,
    /// A task waits for a migration to end while it holds a reference to the page.
    WaitsWithReference,
    /// A task takes a lock while it holds locks of these classes.
    Takes(Awaited, LockClasses),
    /// Tasks wait for each other.
    Waits(Standstill),
    /// A task repeats a fault. The data is whether the page is locked, and the site of the last
    /// retry.
    Repeats(bool, Site),
    /// A run exceeds its budget of scheduling points.
    OverBudget,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many",
            Self::TooFew => "too few",
            Self::OnLru => "on the LRU",
            Self::NotOnLru => "not on the LRU",
            Self::UnchargedAndMapped => "put on the LRU without a charge, mapped",
            Self::UnchargedAndNotMapped => "put on the LRU without a charge, not mapped",
            Self::NoMapping => "it has no mapping",
            Self::AnonVmaFreed => "its anon_vma was freed",
            Self::NoArea => "no VMA covers the address",
            Self::OtherIndex => "its index belongs to another address",
            Self::NotLinked => "the VMA is not linked to its anon_vma",
            Self::UnmappedThoughHeld => "unmapped for migration despite references",
            Self::MovedThoughHeld => "moved despite references",
            Self::NoReference => "migrate_to_ram gets a page without a reference",
            Self::WalkOfFreed => "a walk goes through a freed anon_vma",
            Self::FreeWithMapping => "a free page has an anon_vma",
            Self::FreeWithFewerReferences => "a free page has a negative refcount",
            Self::FreeWithReferences => "a free page has references",
            Self::FreeWithMapcount => "a free page has a mapcount",
            Self::FreeWithFlags => "a free page has flags",
            Self::FreeWithEntries => "entries name a free page",
            Self::HoldsLock => "returns with a lock",
            Self::HoldsReference => "returns with a reference",
            Self::HoldsPin => "returns with a pin",
            Self::HoldsAnonVma => "returns with an anon_vma reference",
            Self::OwesFlush => "returns without an owed flush",
            Self::WaitsWithReference => "waits for a migration with a reference to its page",
            Self::OverBudget => "exceeds its budget of scheduling points",
            Self::Takes(lock, held) => {
                return write!(
                    f,
                    "takes {lock} while it holds {}",
                    crate::describe::lock_classes(*held)
                );
            }
            Self::Waits(standstill) => return standstill.fmt(f),
            Self::Repeats(on_locked, site) => {
                let page = if *on_locked { " on a locked page" } else { "" };
                return write!(
                    f,
                    "repeats a fault{page} in {}",
                    crate::describe::site(*site)
                );
            }
        })
    }
}

/// What a task waits for or takes, without the number of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// `mmap_lock` for reading.
    MmapRead,
    /// `mmap_lock` for writing.
    MmapWrite,
    /// An anon_vma lock for reading.
    AnonVmaRead,
    /// An anon_vma lock for writing.
    AnonVmaWrite,
    /// A folio lock.
    Folio,
    /// The end of a migration.
    Migration,
    /// The end of invalidations.
    Invalidation,
    /// Progress of another task, or a gate.
    Progress,
}

impl Awaited {
    const ALL: [Self; 8] = [
        Self::MmapRead,
        Self::MmapWrite,
        Self::AnonVmaRead,
        Self::AnonVmaWrite,
        Self::Folio,
        Self::Migration,
        Self::Invalidation,
        Self::Progress,
    ];
}

impl From<Lock> for Awaited {
    fn from(lock: Lock) -> Self {
        match lock {
            Lock::MmapRead(_) => Self::MmapRead,
            Lock::MmapWrite(_) => Self::MmapWrite,
            Lock::AnonVmaRead(_) => Self::AnonVmaRead,
            Lock::AnonVmaWrite(_) => Self::AnonVmaWrite,
            Lock::Folio(_) => Self::Folio,
        }
    }
}

impl From<Wait> for Awaited {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Lock(lock) => lock.into(),
            Wait::Unlock(_) => Self::Migration,
            Wait::Invalidation(_) => Self::Invalidation,
            Wait::Progress { .. } | Wait::Gate => Self::Progress,
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MmapRead => "an mmap_lock for reading",
            Self::MmapWrite => "an mmap_lock for writing",
            Self::AnonVmaRead => "an anon_vma lock for reading",
            Self::AnonVmaWrite => "an anon_vma lock for writing",
            Self::Folio => "a folio lock",
            Self::Migration => "the end of a migration",
            Self::Invalidation => "the end of invalidations",
            Self::Progress => "progress",
        })
    }
}

/// The tasks that wait for each other, as a set of pairs: the lock classes that a task holds, and
/// what it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standstill(u64);

impl Standstill {
    /// Adds the pair of one more task.
    #[must_use]
    pub fn and(self, held: LockClasses, waits: Awaited) -> Self {
        Self(self.0 | 1 << (u32::from(held.bits()) * 8 + waits as u32))
    }
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut semicolon = "";
        for bit in (0..64).filter(|bit| self.0 >> bit & 1 == 1) {
            let held = LockClasses::from_bits_truncate(bit / 8);
            let waits = Awaited::ALL[usize::from(bit % 8)];
            write!(
                f,
                "{semicolon}holds {}, waits for {waits}",
                crate::describe::lock_classes(held)
            )?;
            semicolon = "; ";
        }
        Ok(())
    }
}

/// Everything that the table says about an invariant.
#[derive(Debug)]
pub struct InvariantRow {
    /// The invariant.
    pub invariant: Invariant,
    /// Its family.
    pub family: Family,
    /// Its name within the family.
    pub name: &'static str,
    /// The claim, in a sentence.
    pub holds: &'static str,
    /// The kinds of change that can break it.
    pub concerned: Changes,
    /// The invariant that stands for all those that look at the same thing from different sides. A
    /// cluster is named after it.
    pub subject: Invariant,
    /// What a breach is blamed on.
    pub blame: Blame,
    /// The names of the [`Way`] variants in which it can be broken; empty if there is only one way.
    pub ways: &'static [&'static str],
    /// What is exempt, and why where that is not obvious.
    pub exempt: &'static [&'static str],
}

impl Invariant {
    /// The row of this invariant.
    pub const fn row(self) -> &'static InvariantRow {
        &TABLE[self as usize]
    }

    /// Looks an invariant up by `family/name`.
    pub fn named(name: &str) -> Option<Self> {
        let (family, name) = name.split_once('/')?;
        let is = |row: &&InvariantRow| row.name == name && row.family.to_string() == family;
        TABLE.iter().find(is).map(|row| row.invariant)
    }

    /// A breach of this invariant in this way.
    pub const fn by(self, way: Way) -> Broken {
        Broken {
            invariant: self,
            way: Some(way),
        }
    }
}

/// `family/name`.
impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row();
        write!(f, "{}/{}", row.family, row.name)
    }
}

/// A breach: an invariant, and the way in which it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The invariant.
    pub invariant: Invariant,
    /// The way, for invariants that have several.
    pub way: Option<Way>,
}

impl Broken {
    /// True if the row lists the way, or if there is no way and the row lists none.
    pub fn is_of_the_table(&self) -> bool {
        let ways = self.invariant.row().ways;
        let way = self.way.map(|way| format!("{way:?}"));
        let kind = way.as_deref().and_then(|way| way.split('(').next());
        kind.map_or(ways.is_empty(), |kind| ways.contains(&kind))
    }
}

impl From<Invariant> for Broken {
    fn from(invariant: Invariant) -> Self {
        Self {
            invariant,
            way: None,
        }
    }
}

macro_rules! invariants {
    ($($variant:ident = $family:ident / $name:literal,
        holds: $holds:literal,
        concerned: $first:ident $(| $more:ident)*,
        subject: $subject:ident, blame: $blame:ident, ways: [$($way:ident),*], exempt: [$($exempt:literal),* $(,)?];)*) => {
        /// The invariants.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant {
            $(#[doc = $holds] $variant,)*
        }

        /// The rows; the number of an invariant is its index.
        pub const TABLE: &[InvariantRow] = &[$(InvariantRow {
            invariant: Invariant::$variant,
            family: Family::$family,
            name: $name,
            holds: $holds,
            concerned: Changes::$first$(.or(Changes::$more))*,
            subject: Invariant::$subject,
            blame: Blame::$blame,
            ways: &[$(stringify!($way)),*],
            exempt: &[$($exempt),*],
        }),*];
    };
}

invariants! {
    Read = Contents / "read",
        holds: "An access reads the word that was written last.",
        concerned: ACCESS,
        subject: Read, blame: Before, ways: [], exempt: [];
    Protection = Contents / "protection",
        holds: "The protection of a page decides whether an access is allowed; taking a reference \
                for writing counts as a write.",
        concerned: ACCESS,
        subject: Protection, blame: Before, ways: [], exempt: [];
    WriteProtection = Contents / "write-protection",
        holds: "A write goes to userfaultfd if and only if the page is write-protected for it.",
        concerned: ACCESS,
        subject: WriteProtection, blame: Before, ways: [], exempt: [];
    Outcome = Contents / "outcome",
        holds: "An operation fails only for a reason that user space can know, and its effect \
                matches its result: as many pages moved as it reports, pages populated in a \
                readable mlocked VMA have an entry, and nothing is soft-dirty after a clear.",
        concerned: OPERATION,
        subject: Outcome, blame: Section, ways: [],
        exempt: ["pages pinned while writable, which stay soft-dirty through a clear"];
    Kept = Contents / "kept",
        holds: "At rest, a page holds the word that was written to it last, wherever the page is.",
        concerned: ENTRY | OPERATION,
        subject: Read, blame: LastWriter, ways: [],
        exempt: ["a folio in the swap cache that is locked: a fault may still be reading it in"];
    KeptProtection = Contents / "kept-protection",
        holds: "At rest, an entry is write-protected for userfaultfd exactly if a call protected \
                the page and nothing lifted that.",
        concerned: ENTRY | OPERATION,
        subject: KeptProtection, blame: LastWriter, ways: [], exempt: [];
    Area = Contents / "area",
        holds: "At rest, each mapped page is in a VMA with the access, userfaultfd registration, \
                mlock and MADV_DONTFORK state that the calls set, which is soft-dirty if the page \
                was mapped after the last clear; an unmapped page is in no VMA.",
        concerned: AREA | OPERATION,
        subject: Area, blame: Operation, ways: [], exempt: [];
    Pagemap = Contents / "pagemap",
        holds: "pagemap shows what the entry and the VMA of a page say.",
        concerned: EVENT,
        subject: Pagemap, blame: Section, ways: [],
        exempt: ["an address space that was torn down since the read"];
    Snapshot = Contents / "snapshot",
        holds: "A snapshot shows a device exactly the pages that it could map without a fault.",
        concerned: OPERATION,
        subject: Snapshot, blame: Section, ways: [], exempt: [];
    LongtermPin = Contents / "longterm-pin",
        holds: "A long-term pin never gets the zero page or device memory.",
        concerned: OPERATION,
        subject: LongtermPin, blame: Section, ways: [], exempt: [];
    PinnedPage = Contents / "pinned-page",
        holds: "A process keeps mapping the page that it pinned until it unmaps it.",
        concerned: ENTRY,
        subject: Read, blame: Section, ways: [], exempt: [];
    HeldPage = Contents / "held-page",
        holds: "The contents seen through a reference of `get` or `pin` change only when the \
                process that took it writes.",
        concerned: ACCESS,
        subject: HeldPage, blame: Section, ways: [], exempt: [];
    WildPage = Counting / "wild-page",
        holds: "No struct page outside the memory map is changed.",
        concerned: PAGE,
        subject: WildPage, blame: Section, ways: [], exempt: [];
    Mapcount = Counting / "mapcount",
        holds: "`mapcount` equals the number of entries that map the page.",
        concerned: PAGE,
        subject: Mapcount, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Refcount = Counting / "refcount",
        holds: "`refcount` equals the number of entries that map the page, plus the references of \
                the swap cache, of operations under way and of other holders.",
        concerned: PAGE,
        subject: Mapcount, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Mlock = Counting / "mlock",
        holds: "An mlocked folio is mapped in an mlocked VMA, its `mlock_count` is at most the \
                number of such mappings, and it is unevictable while on the LRU; a page newly \
                mapped in an mlocked VMA is mlocked.",
        concerned: PAGE | ENTRY,
        subject: Mlock, blame: Section, ways: [],
        exempt: ["a page that comes from swap: it is mlocked only by the next mlock of the VMA",
            "a page that mremap moves",
            "an entry that was overwritten before the slice ended"];
    Lru = Counting / "lru",
        holds: "A folio on the LRU is charged, allocated and in system memory; at the end of a \
                run, each mapped or swap-cached folio is on the LRU.",
        concerned: PAGE | EVENT,
        subject: Lru, blame: Way, ways: [OnLru, NotOnLru, UnchargedAndMapped, UnchargedAndNotMapped],
        exempt: ["at the end: device pages, the zero page, and locked folios"];
    Charge = Counting / "charge",
        holds: "A mapped folio is charged; the source of a finished migration is not.",
        concerned: PAGE | EVENT,
        subject: Charge, blame: Section, ways: [],
        exempt: ["a source folio that was freed and reused within the slice"];
    UseWithoutReference = Counting / "use-without-reference",
        holds: "`migrate_to_ram` gets a page that somebody holds a reference to.",
        concerned: EVENT,
        subject: UseWithoutReference, blame: Way, ways: [NoReference], exempt: [];
    AddressSpaceAlive = Counting / "address-space-alive",
        holds: "Nobody takes the `mmap_lock` of an address space that has been freed.",
        concerned: EVENT,
        subject: AddressSpaceAlive, blame: Section, ways: [], exempt: [];
    UnmapReferences = Counting / "unmap-references",
        holds: "A page that is unmapped for migration, or has moved, has no references from \
                outside the operation.",
        concerned: EVENT,
        subject: UnmapReferences, blame: Way, ways: [UnmappedThoughHeld, MovedThoughHeld], exempt: [];
    FreePage = Counting / "free-page",
        holds: "A free page has no references, no mapcount, no anon_vma, no flags, and no entries \
                that name it.",
        concerned: PAGE,
        subject: FreePage, blame: Way, ways: [FreeWithMapping, FreeWithFewerReferences, FreeWithReferences, FreeWithMapcount, FreeWithFlags, FreeWithEntries], exempt: [];
    FreeList = Counting / "free-list",
        holds: "Each frame on a free list is free, and is listed once.",
        concerned: END,
        subject: FreeList, blame: Section, ways: [], exempt: [];
    ZeroPage = Counting / "zero-page",
        holds: "The zero page is never written, never counted as mapped, and has no references but \
                its own and those of holders.",
        concerned: PAGE,
        subject: ZeroPage, blame: Section, ways: [], exempt: [];
    Rss = Counting / "rss",
        holds: "`MM_ANONPAGES` equals the number of entries that stand for a page, `MM_SWAPENTS` \
                the number of those that stand for a swap slot.",
        concerned: ENTRY,
        subject: Mapcount, blame: Section, ways: [TooMany, TooFew], exempt: [];
    PgmapRefs = Counting / "pgmap-refs",
        holds: "A dev_pagemap has one reference for each live page of its device.",
        concerned: PAGE,
        subject: PgmapRefs, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Shadow = Counting / "shadow",
        holds: "Replaying the log of page-table writes gives the page tables.",
        concerned: END,
        subject: Shadow, blame: Section, ways: [], exempt: [];
    PageTables = Counting / "page-tables",
        holds: "A page table belongs to a live address space, and its count of used entries is \
                right.",
        concerned: END,
        subject: PageTables, blame: Section, ways: [], exempt: [];
    Leak = Counting / "leak",
        holds: "Nothing is left when all processes have exited.",
        concerned: END,
        subject: Leak, blame: Section, ways: [], exempt: [];
    Exclusive = ReverseMap / "exclusive",
        holds: "At most one entry names a `PageAnonExclusive` page.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    PinnedExclusive = ReverseMap / "pinned-exclusive",
        holds: "A pinned page stays exclusive until the process that pinned it unmaps it.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    Reachable = ReverseMap / "reachable",
        holds: "The anon_vma and the index of a page lead back to each entry that names it.",
        concerned: PAGE,
        subject: Reachable, blame: Section, ways: [NoMapping, AnonVmaFreed, NoArea, OtherIndex, NotLinked], exempt: [];
    Walk = ReverseMap / "walk",
        holds: "The core's own rmap walk finds each entry that names a page.",
        concerned: END,
        subject: Reachable, blame: Section, ways: [], exempt: [];
    AnonVmaAlive = ReverseMap / "anon-vma-alive",
        holds: "An rmap walk goes through allocated anon_vmas only.",
        concerned: EVENT,
        subject: AnonVmaAlive, blame: Way, ways: [WalkOfFreed], exempt: [];
    Chain = ReverseMap / "chain",
        holds: "An anon_vma_chain is in its VMA's chain and in its anon_vma's tree, and both are \
                alive; a VMA is linked to its anon_vma.",
        concerned: AREA,
        subject: Chain, blame: Section, ways: [],
        exempt: ["an anon_vma_chain that is allocated and in neither list yet"];
    AnonVmaCounters = ReverseMap / "anon-vma-counters",
        holds: "The counts of VMAs and children of an anon_vma match a recount, and its root is \
                alive.",
        concerned: AREA,
        subject: AnonVmaCounters, blame: Section, ways: [],
        exempt: ["an anon_vma without links: it is not linked yet, or only a reference keeps it"];
    AnonVmaReuse = ReverseMap / "anon-vma-reuse",
        holds: "VMAs of different processes never have the same `vma->anon_vma`.",
        concerned: AREA,
        subject: AnonVmaReuse, blame: Section, ways: [], exempt: [];
    SharedAnonVma = ReverseMap / "shared-anon-vma",
        holds: "Neighbouring VMAs with the same `vma->anon_vma` are linked to the same set of \
                anon_vmas.",
        concerned: AREA,
        subject: SharedAnonVma, blame: Section, ways: [], exempt: [];
    ChainOrder = ReverseMap / "chain-order",
        holds: "In a VMA's chain, no anon_vma precedes its parent.",
        concerned: AREA,
        subject: ChainOrder, blame: Section, ways: [], exempt: [];
    UnfaultedOffset = ReverseMap / "unfaulted-offset",
        holds: "The page offset of a VMA without an anon_vma equals its start address.",
        concerned: AREA,
        subject: UnfaultedOffset, blame: Section, ways: [], exempt: [];
    Layout = ReverseMap / "layout",
        holds: "The VMAs of an address space are sorted, disjoint and not empty.",
        concerned: AREA,
        subject: Layout, blame: Section, ways: [], exempt: [];
    LockedArea = Entries / "locked-area",
        holds: "Reclaim takes no page from an mlocked VMA.",
        concerned: ENTRY,
        subject: LockedArea, blame: Section, ways: [],
        exempt: ["an address space without users, which is being torn down"];
    EntryPlace = Entries / "place",
        holds: "A present or device-exclusive entry names system memory, a device-private entry \
                device memory; a mapping of the zero page is never writable.",
        concerned: ENTRY,
        subject: EntryPlace, blame: Section, ways: [], exempt: [];
    WriteUffdWp = Entries / "write-uffd-wp",
        holds: "No entry is both writable and write-protected for userfaultfd.",
        concerned: ENTRY,
        subject: WriteUffdWp, blame: Section, ways: [], exempt: [];
    UffdWpUnregistered = Entries / "uffd-wp-unregistered",
        holds: "Only entries of registered VMAs are write-protected for userfaultfd.",
        concerned: ENTRY,
        subject: UffdWpUnregistered, blame: Section, ways: [],
        exempt: ["unregister, mmap, munmap and exit, which remove the VMA or its registration \
                  before the entry, within one operation",
            "an entry whose VMA has left the address space and is being torn down"];
    RoundTrip = Entries / "round-trip",
        holds: "Write permission, exclusivity, soft-dirty, uffd-wp and young survive the round \
                trip through a migration entry; soft-dirty and uffd-wp survive the one through a \
                device-exclusive entry.",
        concerned: ENTRY,
        subject: RoundTrip, blame: Section, ways: [],
        exempt: ["the write bit of a device-exclusive entry, which means nothing",
            "young, where the entry format has no room for it"];
    DirtyLost = Entries / "dirty-lost",
        holds: "Dirty survives the round trips through migration and device-exclusive entries: the \
                folio is dirty, and so is the entry where its format has room.",
        concerned: ENTRY,
        subject: DirtyLost, blame: Section, ways: [], exempt: [];
    Permission = Entries / "permission",
        holds: "At rest, an entry permits no more access than its VMA.",
        concerned: ENTRY | OPERATION,
        subject: Permission, blame: LastWriter, ways: [], exempt: [];
    UntrackedWrite = Entries / "untracked-write",
        holds: "Where writes are tracked for soft-dirty, an entry that permits writes is \
                soft-dirty, whether or not it is present.",
        concerned: ENTRY,
        subject: UntrackedWrite, blame: Section, ways: [],
        exempt: ["an entry that was writable and not soft-dirty before this write: its VMA may \
                  have lost the soft-dirty flag in a merge"];
    Inherited = Entries / "inherited",
        holds: "A fork copies the soft-dirty bit of an entry.",
        concerned: ENTRY,
        subject: Inherited, blame: Section, ways: [],
        exempt: ["an entry whose page no other process maps at this address any more"];
    Copied = Entries / "copied",
        holds: "An entry that gets a copy of its page is soft-dirty if the copy is for a write; \
                otherwise it keeps soft-dirty and uffd-wp.",
        concerned: ENTRY,
        subject: Copied, blame: Section, ways: [], exempt: [];
    DirtyInvented = Entries / "dirty-invented",
        holds: "A folio becomes dirty only by a write.",
        concerned: PAGE,
        subject: DirtyInvented, blame: Section, ways: [],
        exempt: ["operations that get a page in order to write to it: device writes, GUP, pins, \
                  exclusive access, and those that populate",
            "folios that enter or leave the swap cache, and the target of a dirty folio's \
             migration"];
    ExclusiveEntry = Entries / "exclusive-entry",
        holds: "The page of a device-exclusive entry is exclusive.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    Update = Entries / "update",
        holds: "An update in place keeps the bits that the operation is not meant to change; a \
                page pinned while writable stays soft-dirty.",
        concerned: ENTRY,
        subject: Update, blame: Section, ways: [],
        exempt: ["soft-dirty: clear_refs, unless the page is pinned and writable",
            "dirty: MADV_FREE cleans the entry on purpose",
            "uffd-wp: operations that set or clear it, and a write fault after the VMA was \
             unregistered",
            "exclusive: fork shares the page"];
    SwapRoundTrip = Entries / "swap-round-trip",
        holds: "Soft-dirty, uffd-wp and exclusivity survive the round trip through a swap entry.",
        concerned: ENTRY,
        subject: SwapRoundTrip, blame: Section, ways: [], exempt: [];
    Moved = Entries / "moved",
        holds: "An entry that mremap moves keeps its bits and becomes soft-dirty; only uffd-wp may \
                be dropped.",
        concerned: ENTRY,
        subject: Moved, blame: Section, ways: [], exempt: [];
    WriteExclusive = Entries / "write-exclusive",
        holds: "The page of a writable entry is exclusive.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    MigrationEntry = Entries / "migration-entry",
        holds: "The page of a migration entry is locked and has a reference.",
        concerned: PAGE,
        subject: MigrationEntry, blame: Section, ways: [], exempt: [];
    SlotCount = Swap / "count",
        holds: "The count of a swap slot equals the number of entries that name it; a named slot \
                is not free.",
        concerned: SWAP,
        subject: SlotCount, blame: Section, ways: [], exempt: [];
    SlotCache = Swap / "cache",
        holds: "A swap slot and the folio that it caches name each other.",
        concerned: SWAP | PAGE,
        subject: SlotCache, blame: Section, ways: [], exempt: [];
    SwapExclusive = Swap / "exclusive",
        holds: "An exclusive swap entry is the only entry of its slot; a cached folio is not \
                exclusive while an entry names its slot.",
        concerned: SWAP,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    SwapReachable = Swap / "reachable",
        holds: "The anon_vma and the index of a cached folio lead to each entry that names its \
                slot.",
        concerned: SWAP,
        subject: SwapReachable, blame: Section, ways: [], exempt: [];
    GivenUp = Swap / "given-up",
        holds: "A folio leaves the swap cache when the last entry that maps it or names its slot \
                goes.",
        concerned: ENTRY,
        subject: GivenUp, blame: Section, ways: [],
        exempt: ["a folio that is locked or held: whoever locked or holds it may drop it later"];
    SlotContents = Swap / "contents",
        holds: "A clean folio in the swap cache has the contents of its slot.",
        concerned: PAGE,
        subject: SlotContents, blame: Section, ways: [],
        exempt: ["a folio that is dirty, locked, or has a dirty entry",
            "a slot whose contents nobody can read any more: no entry names it, and none maps the \
             folio"];
    DeviceMapping = Coherence / "device-mapping",
        holds: "A device maps the page that the CPU's entry names, with no more access; under a \
                device-exclusive entry, only one device maps it.",
        concerned: DEVICE | ENTRY,
        subject: DeviceMapping, blame: EitherInARace, ways: [],
        exempt: ["a migration entry of the device's own page while that page is locked"];
    Tlb = Coherence / "tlb",
        holds: "The page tables back each TLB entry, or an operation under way owes its flush.",
        concerned: TLB | ENTRY,
        subject: Tlb, blame: Unmapper, ways: [],
        exempt: [];
    FreedTranslation = Coherence / "freed-translation",
        holds: "No TLB entry translates to a free page.",
        concerned: PAGE,
        subject: Tlb, blame: Unmapper, ways: [], exempt: [];
    Promise = Coherence / "promise",
        holds: "Once an operation that removes mappings or permissions returns, no CPU still uses \
                a translation that was already stale when it began, whichever task owed the \
                flush.",
        concerned: OPERATION,
        subject: Promise, blame: EitherInARace, ways: [], exempt: [];
    Bracket = Notifier / "bracket",
        holds: "An entry loses its translation or a permission only inside an announced \
                invalidation.",
        concerned: EVENT | ENTRY,
        subject: Bracket, blame: Section, ways: [], exempt: [];
    AnnouncedEvent = Notifier / "event",
        holds: "If an entry loses a translation or a permission, the event of an invalidation that \
                covers it allows that loss; a device page migrates only under an invalidation \
                owned by its device.",
        concerned: EVENT | ENTRY,
        subject: AnnouncedEvent, blame: Section, ways: [],
        exempt: ["munmap and zap events, which allow every loss"];
    AnnouncedOwner = Notifier / "owner",
        holds: "Invalidations for migration by address and for exclusive access have an owner, all \
                others have none.",
        concerned: EVENT,
        subject: AnnouncedOwner, blame: Section, ways: [], exempt: [];
    AnnouncedRange = Notifier / "range",
        holds: "An invalidation has a non-empty range within the address space.",
        concerned: EVENT,
        subject: AnnouncedRange, blame: Section, ways: [], exempt: [];
    AnnouncedLock = Notifier / "lock",
        holds: "An invalidation starts under `mmap_lock` or, in an rmap walk, under the anon_vma \
                lock.",
        concerned: EVENT,
        subject: AnnouncedLock, blame: Section, ways: [], exempt: [];
    AnnouncedSequence = Notifier / "sequence",
        holds: "Each invalidation advances the sequence number of each device.",
        concerned: EVENT,
        subject: AnnouncedSequence, blame: Section, ways: [],
        exempt: ["the device that asked for exclusive access itself"];
    Pairing = Notifier / "pairing",
        holds: "An operation ends each invalidation that it starts before it returns, and ends no \
                other.",
        concerned: OPERATION,
        subject: Pairing, blame: Section, ways: [], exempt: [];
    LocksHeld = Progress / "locks-held",
        holds: "An operation that has ended holds no lock, no reference and no pin, and owes no \
                flush.",
        concerned: OPERATION,
        subject: LocksHeld, blame: Locker, ways: [HoldsLock, HoldsReference, HoldsPin, HoldsAnonVma, OwesFlush], exempt: [];
    LockOrder = Progress / "lock-order",
        holds: "A task takes sleeping locks in the order `mmap_lock`, folio lock, anon_vma lock, \
                at most one of each.",
        concerned: EVENT,
        subject: LocksHeld, blame: Locker, ways: [Takes],
        exempt: ["trylocks, which never wait",
            "the mmap_lock of the child in fork: no other task knows the child yet"];
    WaiterReference = Progress / "waiter-reference",
        holds: "A task that waits for a migration to end holds no reference to the page.",
        concerned: TASK,
        subject: WaiterReference, blame: Way, ways: [WaitsWithReference], exempt: [];
    Deadlock = Progress / "deadlock",
        holds: "At no time do all tasks wait for each other.",
        concerned: TASK,
        subject: LocksHeld, blame: Locker, ways: [Waits], exempt: [];
    Livelock = Progress / "livelock",
        holds: "A task that retries a fault has slept, or something has changed in between.",
        concerned: TASK,
        subject: Livelock, blame: Way, ways: [Repeats], exempt: [];
    StepBudget = Progress / "step-budget",
        holds: "A run ends within its budget of scheduling points.",
        concerned: TASK,
        subject: StepBudget, blame: Way, ways: [OverBudget], exempt: [];
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_stand_at_their_numbers_and_names_are_unique() {
        let mut names = BTreeSet::new();
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.invariant as usize, number);
            assert!(names.insert(row.invariant.to_string()), "{}", row.invariant);
            assert_eq!(
                Invariant::named(&row.invariant.to_string()),
                Some(row.invariant)
            );
        }
    }

    #[test]
    fn a_subject_stands_for_itself() {
        for row in TABLE {
            let subject = row.subject.row();
            assert_eq!(subject.subject, row.subject, "{}", row.invariant);
        }
    }

    #[test]
    fn whoever_blames_the_way_has_ways() {
        for row in TABLE {
            let by_way = matches!(row.blame, Blame::Way | Blame::Locker);
            assert!(!by_way || !row.ways.is_empty(), "{}", row.invariant);
        }
    }

    #[test]
    fn a_standstill_has_each_pair_once() {
        let held = LockClasses::FOLIO;
        let one = Standstill::default().and(held, Awaited::MmapWrite);
        assert_eq!(one, one.and(held, Awaited::MmapWrite));
        assert_eq!(
            one.and(LockClasses::empty(), Awaited::Folio).to_string(),
            "holds no lock, waits for a folio lock; holds a folio lock, waits for an mmap_lock for \
             writing"
        );
    }
}
