//! The invariants: what each says, what it is about, whom to blame, how it can be broken, what it exempts.
//!
//! One table, a row for each. Signatures, clusters, reports and docs/invariants.md are made of it; no part of the
//! laboratory reads the words of a message. The order of the rows is that of the page, and decides nothing:
//! [`crate::oracle`] says in which order the checks are asked.

use mm_core::{Lock, LockClasses, Site, Wait};
use std::fmt;

/// What an invariant belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// What user space sees.
    Contents,
    /// References, mappings, statistics, leaks.
    Counting,
    /// The reverse map and anon_vmas.
    ReverseMap,
    /// Bits of page-table entries.
    Entries,
    /// Slots and the swap cache.
    Swap,
    /// Mappings of devices, translations of CPUs.
    Coherence,
    /// The contract of mmu notifiers.
    Notifier,
    /// Locks, sleeps and retries.
    Progress,
}

impl Family {
    /// All, in the order of the page.
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

    /// What the family is about, and what it does not check, with the reason: for docs/invariants.md.
    pub const fn about(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Contents => (
                "What user space and devices see, held against the reference model, which shares no code with the core.",
                &[
                    "The order of two accesses that overlap: both words are accepted until both have ended.",
                    "What was shown or said to a program of several threads (pagemap, snapshots, pages moved): it would need an order.",
                    "That MADV_PAGEOUT moves a page, or that a migration succeeds: Linux may always decline.",
                ],
            ),
            Self::Counting => (
                "Counts against a scan: the shadow (the replayed log of page-table writes), the holders, and the tasks.",
                &[
                    "Charges of memory that becomes writable (`mprotect`): the model has no notion of when a failed move loses the charge.",
                    "The order of the LRU, and statistics that no decision depends on.",
                ],
            ),
            Self::ReverseMap => (
                "From a page to its entries and back; trees, chains and counts of anon_vmas.",
                &["File and KSM mappings: the model has none."],
            ),
            Self::Entries => (
                "One write of an entry: the entry before, the entry after, and the operation.",
                &[
                    "Huge entries: nothing maps one yet.",
                    "The accessed bit outside of round trips: hardware may set it at any time.",
                ],
            ),
            Self::Swap => (
                "Slots, the swap cache, and what a slot has.",
                &["Which slot is chosen, and readahead: user space cannot tell."],
            ),
            Self::Coherence => (
                "Devices and CPUs do not use what the page tables no longer say.",
                &["When a flush happens within an operation that owes it: another task may do it."],
            ),
            Self::Notifier => (
                "What drivers are told, against what happens.",
                &[
                    "Several subscribers with their own sequences: the model has one driver for all devices.",
                ],
            ),
            Self::Progress => (
                "Locks come back, waiting ends, retries change something.",
                &["Fairness: which of two waiters comes first."],
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

/// What a slice has to have changed for an invariant to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes(u16);

impl Changes {
    /// A lowest-level entry was written.
    pub const ENTRY: Self = Self(1 << 0);
    /// A struct page was touched, or the entries that name it.
    pub const PAGE: Self = Self(1 << 1);
    /// VMAs, chains or anon_vmas changed.
    pub const AREA: Self = Self(1 << 2);
    /// A CPU caches a translation, or dropped one.
    pub const TLB: Self = Self(1 << 3);
    /// A device maps something.
    pub const DEVICE: Self = Self(1 << 4);
    /// A slot was ever used.
    pub const SWAP: Self = Self(1 << 5);
    /// A tracepoint was passed.
    pub const EVENT: Self = Self(1 << 6);
    /// A task waits, or has passed too many scheduling points.
    pub const TASK: Self = Self(1 << 7);
    /// A CPU, a device or a reference has read or written.
    pub const ACCESS: Self = Self(1 << 8);
    /// An operation has ended.
    pub const OPERATION: Self = Self(1 << 9);
    /// The run has ended, or everything is looked at.
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

    /// Do they have something in common?
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

/// Whom to blame for a broken invariant: what a cluster is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The function whose section was the last before the check.
    Section,
    /// The same, but in a race whoever wrote the entry last: an access sees what is wrong and did not do it.
    Before,
    /// The function that wrote an entry last in the operation that has ended.
    LastWriter,
    /// The operation that has ended.
    Operation,
    /// The function that removed the entry.
    Unmapper,
    /// The function whose section it was; in a race it may have been either.
    EitherInARace,
    /// The function that took the lock which is held; if none is, the way.
    Locker,
    /// The way in which it is broken: it belongs to one place, or the cause is long past.
    Way,
}

/// In which way an invariant is broken that can be in several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A count is too high.
    TooMany,
    /// A count is too low.
    TooFew,
    /// Free, not charged or of a device, and on the LRU.
    OnLru,
    /// In use, and not on the LRU.
    NotOnLru,
    /// Put on the LRU without a charge; entries map it.
    UnchargedAndMapped,
    /// Put on the LRU without a charge; no entry maps it.
    UnchargedAndNotMapped,
    /// The page has no mapping.
    NoMapping,
    /// The anon_vma of the page was freed.
    AnonVmaFreed,
    /// No VMA covers the address.
    NoArea,
    /// The index of the page belongs to another address.
    OtherIndex,
    /// The VMA is not linked to the anon_vma of the page.
    NotLinked,
    /// Unmapped for migration, with references from outside.
    UnmappedThoughHeld,
    /// Moved, with references from outside.
    MovedThoughHeld,
    /// A callback gets a page without a reference.
    NoReference,
    /// A walk goes through a freed anon_vma.
    WalkOfFreed,
    /// A free page has a mapping.
    FreeWithMapping,
    /// A free page has a negative count of references.
    FreeWithFewerReferences,
    /// A free page has references.
    FreeWithReferences,
    /// A free page has a mapcount.
    FreeWithMapcount,
    /// A free page has flags.
    FreeWithFlags,
    /// Entries name a free page.
    FreeWithEntries,
    /// An operation returns with a lock.
    HoldsLock,
    /// With a reference to a page.
    HoldsReference,
    /// With a pin.
    HoldsPin,
    /// With a reference to an anon_vma.
    HoldsAnonVma,
    /// Without a flush that it owes.
    OwesFlush,
    /// A task waits for the end of a migration with a reference to the page.
    WaitsWithReference,
    /// A lock is taken inside of others.
    Takes(Awaited, LockClasses),
    /// Tasks wait for each other.
    Waits(Standstill),
    /// A fault is repeated, on a page that is locked or not; the function that gave up last.
    Repeats(bool, Site),
    /// A run does not end.
    OverBudget,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many",
            Self::TooFew => "too few",
            Self::OnLru => "on the LRU",
            Self::NotOnLru => "not on the LRU",
            Self::UnchargedAndMapped => "put on the LRU without a charge: is mapped",
            Self::UnchargedAndNotMapped => "put on the LRU without a charge: is not mapped",
            Self::NoMapping => "it has no mapping",
            Self::AnonVmaFreed => "its anon_vma was freed",
            Self::NoArea => "no area covers that",
            Self::OtherIndex => "its index belongs to another address",
            Self::NotLinked => "the area is not linked to its anon_vma",
            Self::UnmappedThoughHeld => "unmapped for migration though it is held",
            Self::MovedThoughHeld => "moved though it is held",
            Self::NoReference => "migrate_to_ram gets a page without a reference",
            Self::WalkOfFreed => "a walk goes through a freed anon_vma",
            Self::FreeWithMapping => "a free page has an anon_vma",
            Self::FreeWithFewerReferences => "a free page has fewer than no references",
            Self::FreeWithReferences => "a free page has references",
            Self::FreeWithMapcount => "a free page has a mapcount",
            Self::FreeWithFlags => "a free page has flags",
            Self::FreeWithEntries => "a free page has entries that name it",
            Self::HoldsLock => "returns with a lock",
            Self::HoldsReference => "returns with a reference",
            Self::HoldsPin => "returns with a pin",
            Self::HoldsAnonVma => "returns with a reference to an anon_vma",
            Self::OwesFlush => "returns and owes a flush",
            Self::WaitsWithReference => "waits for a migration with a reference to the page",
            Self::OverBudget => "does not end within its budget",
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

/// What a task waits for or takes, without numbers.
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
    /// Anything else.
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

/// Which tasks wait for each other: pairs of what one holds and what it waits for, each pair once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standstill(u64);

impl Standstill {
    /// One more task.
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

/// What is known of an invariant.
#[derive(Debug)]
pub struct Row {
    /// The invariant.
    pub invariant: Invariant,
    /// Its family.
    pub family: Family,
    /// Its name within the family.
    pub name: &'static str,
    /// What holds, in a sentence.
    pub holds: &'static str,
    /// Which changes concern it.
    pub concerned: Changes,
    /// Several invariants look at one thing from different sides; this one stands for all of them.
    pub subject: Invariant,
    /// Whom to blame.
    pub blame: Blame,
    /// The ways in which it can be broken, if there are several; of those with data, the kind is meant.
    pub ways: &'static [&'static str],
    /// What is exempt, and why.
    pub exempt: &'static [&'static str],
}

impl Invariant {
    /// All there is to know.
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The invariant of this `family/name`.
    pub fn named(name: &str) -> Option<Self> {
        let (family, name) = name.split_once('/')?;
        let is = |row: &&Row| row.name == name && row.family.to_string() == family;
        TABLE.iter().find(is).map(|row| row.invariant)
    }

    /// It is broken in this way.
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

/// An invariant, and the way in which it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The invariant.
    pub invariant: Invariant,
    /// The way; of those that have several.
    pub way: Option<Way>,
}

impl Broken {
    /// The way is one of the row's; there is none exactly if the row has none.
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
        /// What must hold.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant {
            $(#[doc = $holds] $variant,)*
        }

        /// A row for each invariant, by its number.
        pub const TABLE: &[Row] = &[$(Row {
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
        holds: "An access reads what was written last.",
        concerned: ACCESS,
        subject: Read, blame: Before, ways: [], exempt: [];
    Protection = Contents / "protection",
        holds: "An access is allowed or denied as the protection says; a reference to write by is a write.",
        concerned: ACCESS,
        subject: Protection, blame: Before, ways: [], exempt: [];
    WriteProtection = Contents / "write-protection",
        holds: "A write asks userfaultfd when it must, and only then.",
        concerned: ACCESS,
        subject: WriteProtection, blame: Before, ways: [], exempt: [];
    Outcome = Contents / "outcome",
        holds: "An operation fails only for a reason that user space can know of, and does what it says: so many pages moved, what comes to a locked area, or becomes writable there, is there, nothing is soft-dirty when that was cleared.",
        concerned: OPERATION,
        subject: Outcome, blame: Section, ways: [],
        exempt: ["pinned and writable pages stay soft-dirty when it is cleared"];
    Kept = Contents / "kept",
        holds: "When an operation ends, and no other changes a range, a page holds what was written to it last, wherever it is.",
        concerned: ENTRY | OPERATION,
        subject: Read, blame: LastWriter, ways: [],
        exempt: ["a page in the swap cache that a fault has locked to read it in"];
    KeptProtection = Contents / "kept-protection",
        holds: "It is write-protected for userfaultfd if that was asked for and not taken back.",
        concerned: ENTRY | OPERATION,
        subject: KeptProtection, blame: LastWriter, ways: [], exempt: [];
    Area = Contents / "area",
        holds: "Then, too, each page is in an area with the access, registration, lock and mark for forks that the calls made, soft-dirty if it was mapped since that was cleared, or in none.",
        concerned: AREA | OPERATION,
        subject: Area, blame: Operation, ways: [], exempt: [];
    Pagemap = Contents / "pagemap",
        holds: "What pagemap shows of a page is what its entry and its area say.",
        concerned: EVENT,
        subject: Pagemap, blame: Section, ways: [],
        exempt: ["an address space that the reader has taken apart since"];
    Snapshot = Contents / "snapshot",
        holds: "A device is shown what it could map without a fault.",
        concerned: OPERATION,
        subject: Snapshot, blame: Section, ways: [], exempt: [];
    LongtermPin = Contents / "longterm-pin",
        holds: "A long-term pin is neither of the zero page nor of device memory.",
        concerned: OPERATION,
        subject: LongtermPin, blame: Section, ways: [], exempt: [];
    PinnedPage = Contents / "pinned-page",
        holds: "A process maps the page that it pinned, until it unmaps it.",
        concerned: ENTRY,
        subject: Read, blame: Section, ways: [], exempt: [];
    HeldPage = Contents / "held-page",
        holds: "What a reference of `get` or `pin` shows changes only by writes of the process that took it.",
        concerned: ACCESS,
        subject: HeldPage, blame: Section, ways: [], exempt: [];
    WildPage = Counting / "wild-page",
        holds: "No struct page outside the memory map is changed.",
        concerned: PAGE,
        subject: WildPage, blame: Section, ways: [], exempt: [];
    Mapcount = Counting / "mapcount",
        holds: "`mapcount` is the number of entries that map the page.",
        concerned: PAGE,
        subject: Mapcount, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Refcount = Counting / "refcount",
        holds: "`refcount` is the number of entries that map the page, and of everybody else who holds it.",
        concerned: PAGE,
        subject: Mapcount, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Mlock = Counting / "mlock",
        holds: "A mlocked folio is mapped by an entry of a locked area, counts no more than there are, and is unevictable; a page new to a locked area is mlocked.",
        concerned: PAGE | ENTRY,
        subject: Mlock, blame: Section, ways: [],
        exempt: ["a page that comes from swap: it is mlocked only when the VMA is locked again",
            "a page that mremap moves",
            "an entry that does not stand any more at the end of the slice"];
    Lru = Counting / "lru",
        holds: "A folio on the LRU is charged, allocated and in system memory; at the end, what is mapped or cached is on it.",
        concerned: PAGE | EVENT,
        subject: Lru, blame: Way, ways: [OnLru, NotOnLru, UnchargedAndMapped, UnchargedAndNotMapped],
        exempt: ["at the end: device pages, the zero page, and a folio that somebody has locked"];
    Charge = Counting / "charge",
        holds: "What is mapped is charged, and what has moved is not.",
        concerned: PAGE | EVENT,
        subject: Charge, blame: Section, ways: [],
        exempt: ["a source folio that became another page within the slice"];
    UseWithoutReference = Counting / "use-without-reference",
        holds: "The driver's fault callback gets a page that somebody holds.",
        concerned: EVENT,
        subject: UseWithoutReference, blame: Way, ways: [NoReference], exempt: [];
    UnmapReferences = Counting / "unmap-references",
        holds: "A page that is accepted for migration, or has moved, has no references from outside.",
        concerned: EVENT,
        subject: UnmapReferences, blame: Way, ways: [UnmappedThoughHeld, MovedThoughHeld], exempt: [];
    FreePage = Counting / "free-page",
        holds: "A free page has no references, mappings or identity.",
        concerned: PAGE,
        subject: FreePage, blame: Way, ways: [FreeWithMapping, FreeWithFewerReferences, FreeWithReferences, FreeWithMapcount, FreeWithFlags, FreeWithEntries], exempt: [];
    FreeList = Counting / "free-list",
        holds: "Each free frame is on its free list, once.",
        concerned: END,
        subject: FreeList, blame: Section, ways: [], exempt: [];
    ZeroPage = Counting / "zero-page",
        holds: "The zero page is never counted, mapped as a page, or written.",
        concerned: PAGE,
        subject: ZeroPage, blame: Section, ways: [], exempt: [];
    Rss = Counting / "rss",
        holds: "The counters are the number of entries that stand for a page, and of those that stand for a slot.",
        concerned: ENTRY,
        subject: Mapcount, blame: Section, ways: [TooMany, TooFew], exempt: [];
    PgmapRefs = Counting / "pgmap-refs",
        holds: "A pagemap has one reference for each live page of its device.",
        concerned: PAGE,
        subject: PgmapRefs, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Shadow = Counting / "shadow",
        holds: "The log of page-table writes leads to the page tables.",
        concerned: END,
        subject: Shadow, blame: Section, ways: [], exempt: [];
    PageTables = Counting / "page-tables",
        holds: "A page table belongs to a live address space and counts its entries rightly.",
        concerned: END,
        subject: PageTables, blame: Section, ways: [], exempt: [];
    Leak = Counting / "leak",
        holds: "When all processes are gone, nothing is left.",
        concerned: END,
        subject: Leak, blame: Section, ways: [], exempt: [];
    Exclusive = ReverseMap / "exclusive",
        holds: "A `PageAnonExclusive` page is named by one entry at most.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    PinnedExclusive = ReverseMap / "pinned-exclusive",
        holds: "A pinned page stays exclusive while its process maps it.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    Reachable = ReverseMap / "reachable",
        holds: "From each entry's page, mapping and index lead back to the entry.",
        concerned: PAGE,
        subject: Reachable, blame: Section, ways: [NoMapping, AnonVmaFreed, NoArea, OtherIndex, NotLinked], exempt: [];
    Walk = ReverseMap / "walk",
        holds: "The core's own walk finds each mapping that there is.",
        concerned: END,
        subject: Reachable, blame: Section, ways: [], exempt: [];
    AnonVmaAlive = ReverseMap / "anon-vma-alive",
        holds: "A walk goes through an anon_vma that is allocated.",
        concerned: EVENT,
        subject: AnonVmaAlive, blame: Way, ways: [WalkOfFreed], exempt: [];
    Chain = ReverseMap / "chain",
        holds: "A link stands in both lists, and both ends are alive; an area is linked to its anon_vma.",
        concerned: AREA,
        subject: Chain, blame: Section, ways: [],
        exempt: ["a link that is allocated and in neither list yet"];
    AnonVmaCounters = ReverseMap / "anon-vma-counters",
        holds: "Areas and children of an anon_vma, recounted.",
        concerned: AREA,
        subject: AnonVmaCounters, blame: Section, ways: [],
        exempt: ["an anon_vma without links: not linked yet, or kept by a reference alone"];
    AnonVmaReuse = ReverseMap / "anon-vma-reuse",
        holds: "An anon_vma is the own one of areas of one process only.",
        concerned: AREA,
        subject: AnonVmaReuse, blame: Section, ways: [], exempt: [];
    SharedAnonVma = ReverseMap / "shared-anon-vma",
        holds: "Neighbours that share an anon_vma are linked to the same set.",
        concerned: AREA,
        subject: SharedAnonVma, blame: Section, ways: [], exempt: [];
    ChainOrder = ReverseMap / "chain-order",
        holds: "In a chain, an anon_vma stands behind the one that it descends from.",
        concerned: AREA,
        subject: ChainOrder, blame: Section, ways: [], exempt: [];
    UnfaultedOffset = ReverseMap / "unfaulted-offset",
        holds: "An area without an anon_vma has the offsets of its addresses.",
        concerned: AREA,
        subject: UnfaultedOffset, blame: Section, ways: [], exempt: [];
    Layout = ReverseMap / "layout",
        holds: "Areas are sorted and disjoint.",
        concerned: AREA,
        subject: Layout, blame: Section, ways: [], exempt: [];
    LockedArea = Entries / "locked-area",
        holds: "Reclaim takes no page from a locked area.",
        concerned: ENTRY,
        subject: LockedArea, blame: Section, ways: [],
        exempt: ["an address space that has lost its last user"];
    EntryPlace = Entries / "place",
        holds: "A present or device-exclusive entry names system memory, a device-private one device memory; the zero page is never writable.",
        concerned: ENTRY,
        subject: EntryPlace, blame: Section, ways: [], exempt: [];
    WriteUffdWp = Entries / "write-uffd-wp",
        holds: "No entry is writable and write-protected for userfaultfd at once.",
        concerned: ENTRY,
        subject: WriteUffdWp, blame: Section, ways: [], exempt: [];
    UffdWpUnregistered = Entries / "uffd-wp-unregistered",
        holds: "uffd-wp stands only in registered areas.",
        concerned: ENTRY,
        subject: UffdWpUnregistered, blame: Section, ways: [],
        exempt: ["unregister, mmap, munmap and exit, which move or lift the VMA under the entry within one operation",
            "an entry whose VMA is being taken apart"];
    RoundTrip = Entries / "round-trip",
        holds: "Write, exclusivity, soft-dirty, uffd-wp and young survive the way through a migration entry; soft-dirty and uffd-wp that through a device-exclusive one.",
        concerned: ENTRY,
        subject: RoundTrip, blame: Section, ways: [],
        exempt: ["the write bit of a device-exclusive entry, which says nothing",
            "young, where the entry has no room for it"];
    DirtyLost = Entries / "dirty-lost",
        holds: "Dirty survives it, in the entry or in the folio.",
        concerned: ENTRY,
        subject: DirtyLost, blame: Section, ways: [], exempt: [];
    Permission = Entries / "permission",
        holds: "When an operation ends, and no other changes a range, an entry permits no more than its area.",
        concerned: ENTRY | OPERATION,
        subject: Permission, blame: LastWriter, ways: [], exempt: [];
    UntrackedWrite = Entries / "untracked-write",
        holds: "Where writes are tracked for soft-dirty, an entry that permits writes is soft-dirty, present or not.",
        concerned: ENTRY,
        subject: UntrackedWrite, blame: Section, ways: [],
        exempt: ["what was writable and untracked before this operation: VMAs may have lost their mark when they merged"];
    Inherited = Entries / "inherited",
        holds: "A fork copies soft-dirty.",
        concerned: ENTRY,
        subject: Inherited, blame: Section, ways: [],
        exempt: ["an entry that no other process shares any more at this address"];
    Copied = Entries / "copied",
        holds: "An entry that gets a copy of its page is soft-dirty, or keeps its bits where nothing is written.",
        concerned: ENTRY,
        subject: Copied, blame: Section, ways: [], exempt: [];
    DirtyInvented = Entries / "dirty-invented",
        holds: "A folio becomes dirty only by a write.",
        concerned: PAGE,
        subject: DirtyInvented, blame: Section, ways: [],
        exempt: ["operations that get a page to write to it: device writes, GUP, pins, exclusive access, and what populates a locked VMA"];
    ExclusiveEntry = Entries / "exclusive-entry",
        holds: "A device-exclusive entry means that the page is exclusive.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    Update = Entries / "update",
        holds: "An update in place keeps what the operation does not mean to change; a page pinned for writing stays soft-dirty.",
        concerned: ENTRY,
        subject: Update, blame: Section, ways: [],
        exempt: ["soft-dirty: clear_refs, unless the page is pinned for writing",
            "dirty: MADV_FREE cleans on purpose",
            "uffd-wp: the operations that set or lift it, and a write fault after the registration has gone",
            "exclusive: fork shares the page"];
    SwapRoundTrip = Entries / "swap-round-trip",
        holds: "Soft-dirty, uffd-wp and exclusivity survive the way through a swap entry.",
        concerned: ENTRY,
        subject: SwapRoundTrip, blame: Section, ways: [], exempt: [];
    Moved = Entries / "moved",
        holds: "An entry that moves keeps what it says, and is soft-dirty then.",
        concerned: ENTRY,
        subject: Moved, blame: Section, ways: [], exempt: [];
    WriteExclusive = Entries / "write-exclusive",
        holds: "A writable entry means that the page is exclusive.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    MigrationEntry = Entries / "migration-entry",
        holds: "A migration entry means that the page is locked and held.",
        concerned: PAGE,
        subject: MigrationEntry, blame: Section, ways: [], exempt: [];
    SlotCount = Swap / "count",
        holds: "The count of a slot is the number of entries that name it; a named slot is not free.",
        concerned: SWAP,
        subject: SlotCount, blame: Section, ways: [], exempt: [];
    SlotCache = Swap / "cache",
        holds: "A slot's cache and the folio in it name each other.",
        concerned: SWAP | PAGE,
        subject: SlotCache, blame: Section, ways: [], exempt: [];
    SwapExclusive = Swap / "exclusive",
        holds: "An exclusive entry is the only one of its slot; a cached folio whose slot is named is exclusive to none.",
        concerned: SWAP,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    SwapReachable = Swap / "reachable",
        holds: "A cached folio can be mapped wherever an entry names its slot: anon_vma and index lead there.",
        concerned: SWAP,
        subject: SwapReachable, blame: Section, ways: [], exempt: [];
    GivenUp = Swap / "given-up",
        holds: "A folio leaves the swap cache with the last entry that maps it or names its slot, unless somebody has it locked.",
        concerned: ENTRY,
        subject: GivenUp, blame: Section, ways: [],
        exempt: ["a folio that is locked, held, still mapped, or named by a swap or migration entry"];
    SlotContents = Swap / "contents",
        holds: "A clean folio in the swap cache has the contents of its slot.",
        concerned: PAGE,
        subject: SlotContents, blame: Section, ways: [],
        exempt: ["a folio that is dirty, locked, or has a dirty entry",
            "a slot that nobody can want any more"];
    DeviceMapping = Coherence / "device-mapping",
        holds: "A device maps what the CPU's entry names, with no more access; where the entry is device-exclusive, one device alone.",
        concerned: DEVICE | ENTRY,
        subject: DeviceMapping, blame: EitherInARace, ways: [],
        exempt: ["a migration entry while the device's own driver holds the page locked"];
    Tlb = Coherence / "tlb",
        holds: "What a CPU remembers, the tables say, or an operation under way owes the flush.",
        concerned: TLB | ENTRY,
        subject: Tlb, blame: Unmapper, ways: [],
        exempt: ["a flush that an operation under way owes"];
    FreedTranslation = Coherence / "freed-translation",
        holds: "No CPU remembers a translation to a free page.",
        concerned: PAGE,
        subject: Tlb, blame: Unmapper, ways: [], exempt: [];
    Promise = Coherence / "promise",
        holds: "When an operation that takes pages or rights away has ended, no CPU translates by what was gone when it began, whoever owes the flush.",
        concerned: OPERATION,
        subject: Promise, blame: EitherInARace, ways: [], exempt: [];
    Bracket = Notifier / "bracket",
        holds: "A translation or permission goes only where the change has been announced and is not over.",
        concerned: EVENT | ENTRY,
        subject: Bracket, blame: Section, ways: [], exempt: [];
    AnnouncedEvent = Notifier / "event",
        holds: "The announcement says as much as the change takes; of pages of a device, that its own driver moves them.",
        concerned: EVENT | ENTRY,
        subject: AnnouncedEvent, blame: Section, ways: [],
        exempt: ["munmap and zap announce most, and cover every loss"];
    AnnouncedOwner = Notifier / "owner",
        holds: "A migration by address has an owner, nothing else has one.",
        concerned: EVENT,
        subject: AnnouncedOwner, blame: Section, ways: [], exempt: [];
    AnnouncedRange = Notifier / "range",
        holds: "An announcement is about addresses, and about no others than there are.",
        concerned: EVENT,
        subject: AnnouncedRange, blame: Section, ways: [], exempt: [];
    AnnouncedLock = Notifier / "lock",
        holds: "A change is announced under `mmap_lock`, or in a walk of the reverse map.",
        concerned: EVENT,
        subject: AnnouncedLock, blame: Section, ways: [], exempt: [];
    AnnouncedSequence = Notifier / "sequence",
        holds: "Each announcement moves the sequence.",
        concerned: EVENT,
        subject: AnnouncedSequence, blame: Section, ways: [],
        exempt: ["the sequence of the driver that asked for exclusive access itself"];
    Pairing = Notifier / "pairing",
        holds: "What an operation announces is over when the operation is.",
        concerned: OPERATION,
        subject: Pairing, blame: Section, ways: [], exempt: [];
    LocksHeld = Progress / "locks-held",
        holds: "An operation that has ended holds no lock and no reference, and owes no flush.",
        concerned: OPERATION,
        subject: LocksHeld, blame: Locker, ways: [HoldsLock, HoldsReference, HoldsPin, HoldsAnonVma, OwesFlush], exempt: [];
    LockOrder = Progress / "lock-order",
        holds: "Sleeping locks are taken in one order, one of each kind.",
        concerned: EVENT,
        subject: LocksHeld, blame: Locker, ways: [Takes],
        exempt: ["trylocks, which wait for nobody",
            "the mmap_lock of a child that fork makes: nobody knows it yet"];
    WaiterReference = Progress / "waiter-reference",
        holds: "Who waits for a migration holds no reference to its page.",
        concerned: TASK,
        subject: WaiterReference, blame: Way, ways: [WaitsWithReference], exempt: [];
    Deadlock = Progress / "deadlock",
        holds: "Not all tasks wait for each other.",
        concerned: TASK,
        subject: LocksHeld, blame: Locker, ways: [Waits], exempt: [];
    Livelock = Progress / "livelock",
        holds: "A retried fault has slept, or changed something.",
        concerned: TASK,
        subject: Livelock, blame: Way, ways: [Repeats], exempt: [];
    StepBudget = Progress / "step-budget",
        holds: "A run ends within its budget.",
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
            "holds no lock, waits for a folio lock; holds a folio lock, waits for an mmap_lock for writing"
        );
    }
}
