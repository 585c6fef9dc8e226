//! The rows: one for each invariant, in the order of docs/invariants.md.

use super::{Blame, Changes, Exemption, Family, InvariantRow};

macro_rules! invariants {
    ($($variant:ident = $family:ident / $name:literal,
        holds: $holds:literal,
        concerned: $first:ident $(| $more:ident)*,
        subject: $subject:ident, blame: $blame:ident, ways: [$($way:ident),*], exempt: [$($what:literal: $why:literal),* $(,)?];)*) => {
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
            exempt: &[$(Exemption { what: $what, why: $why }),*],
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
        holds: "An operation fails only for a reason that user space can know. Its effect \
                matches its result: as many pages moved as it reports, pages populated in a \
                readable mlocked VMA have an entry, nothing is soft-dirty after a clear, and an \
                eviction moves every page that is not locked and that only its mappings hold.",
        concerned: OPERATION,
        subject: Outcome, blame: Section, ways: [],
        exempt: [
            "pinned pages, which stay soft-dirty through a clear":
                "the holder of the pin may write at any time without a fault",
        ];
    Kept = Contents / "kept",
        holds: "At rest, a page holds the word that was written to it last, wherever the page is.",
        concerned: ENTRY | ACCESS | OPERATION,
        subject: Read, blame: LastWriter, ways: [],
        exempt: [
            "a folio in the swap cache that is locked":
                "a fault may still be reading it in",
        ];
    KeptProtection = Contents / "kept-protection",
        holds: "At rest, an entry is write-protected for userfaultfd if and only if a call \
                protected the page and nothing has lifted that.",
        concerned: ENTRY | OPERATION,
        subject: KeptProtection, blame: LastWriter, ways: [], exempt: [];
    Area = Contents / "area",
        holds: "At rest, each mapped page is in a VMA with the access, userfaultfd registration, \
                mlock and MADV_DONTFORK state that the calls set; that VMA is soft-dirty if the \
                page was mapped after the last clear; an unmapped page is in no VMA.",
        concerned: AREA | OPERATION,
        subject: Area, blame: Operation, ways: [], exempt: [];
    Pagemap = Contents / "pagemap",
        holds: "pagemap shows what the entry and the VMA of a page say.",
        concerned: EVENT,
        subject: Pagemap, blame: Section, ways: [],
        exempt: [
            "an address space that was torn down since the read":
                "its entries and VMAs are gone, so nothing is left to compare with",
        ];
    Snapshot = Contents / "snapshot",
        holds: "A snapshot shows a device exactly the pages that it could map without a fault.",
        concerned: OPERATION,
        subject: Snapshot, blame: Section, ways: [], exempt: [];
    LongtermPin = Contents / "longterm-pin",
        holds: "A long-term pin never gets the zero page or device memory.",
        concerned: OPERATION,
        subject: LongtermPin, blame: Section, ways: [], exempt: [];
    PinnedPage = Contents / "pinned-page",
        holds: "A page that a process pinned stays mapped at its address until the process unmaps it.",
        concerned: ENTRY,
        subject: Read, blame: Section, ways: [], exempt: [];
    HeldPage = Contents / "held-page",
        holds: "The contents seen through a reference of `get` or `pin` change only when the \
                process that took it writes.",
        concerned: PAGE | ACCESS,
        subject: HeldPage, blame: Section, ways: [],
        exempt: [
            "a reference that a frame-number walker took":
                "it was taken without an access check, and no mapping of a process goes with \
                it: whoever maps the page may write",
        ];
    WildPage = Counting / "wild-page",
        holds: "No struct page outside the memory map is changed.",
        concerned: PAGE,
        subject: WildPage, blame: Section, ways: [], exempt: [];
    Mapcount = Counting / "mapcount",
        holds: "`mapcount` equals the number of lowest-level entries that map the page; a large \
                folio counts the entries that map any part of it, and those that map all of it.",
        concerned: PAGE,
        subject: Mapcount, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Tail = Counting / "tail",
        holds: "A tail page of a large folio has no reference, lock, mapping, order or flag of its \
                own, except that it may be exclusive.",
        concerned: PAGE,
        subject: Tail, blame: Section, ways: [], exempt: [];
    Refcount = Counting / "refcount",
        holds: "`refcount` equals the number of entries that map the folio, plus the references of \
                the swap cache, of operations under way and of other holders; `pincount` of a large \
                folio equals the number of its pins.",
        concerned: PAGE,
        subject: Mapcount, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Mlock = Counting / "mlock",
        holds: "An mlocked folio is mapped in an mlocked VMA, its `mlock_count` is at most the \
                number of such mappings, and it is unevictable while on the LRU; a page newly \
                mapped in an mlocked VMA is mlocked.",
        concerned: PAGE | ENTRY,
        subject: Mlock, blame: Section, ways: [],
        exempt: [
            "an entry that replaces a non-present entry":
                "Linux does not mlock a page that it has just read from swap, nor a large folio \
                that is mapped in part",
            "a page that mremap moves":
                "the move changes neither the page nor its flags, so a page that was not \
                mlocked before is not mlocked now",
            "an entry that was overwritten before the slice ended":
                "the oracle sees the flag of the page only at the end of the slice, and the page \
                may have lost this mapping by then",
            "a mapping whose VMA has left the address space":
                "it is being torn down, and whether it was mlocked cannot be looked up any more",
        ];
    Lru = Counting / "lru",
        holds: "A folio on the LRU is charged, allocated and in system memory; at the end of a \
                run, each mapped or swap-cached folio is on the LRU.",
        concerned: PAGE | EVENT | END,
        subject: Lru, blame: Way, ways: [OnLru, NotOnLru, UnchargedAndMapped, UnchargedAndNotMapped],
        exempt: [
            "at the end: device pages":
                "reclaim does not manage the memory of a device, so its pages are never on the \
                LRU",
            "at the end: the zero page":
                "it is never freed, so reclaim need not find it",
            "at the end: locked folios":
                "whoever holds the lock may have isolated the folio, as a migration does",
        ];
    Charge = Counting / "charge",
        holds: "A mapped folio is charged; the source of a finished migration is not.",
        concerned: PAGE | EVENT,
        subject: Charge, blame: Section, ways: [],
        exempt: [
            "a source folio that was freed and reused within the slice":
                "it has the charge of its new use",
        ];
    UseWithoutReference = Counting / "use-without-reference",
        holds: "`migrate_to_ram` is called only with a page that somebody holds a reference to.",
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
        holds: "A free page has no references, no mapcount, no anon_vma, no flag but FREE, and no \
                entries that name it.",
        concerned: PAGE,
        subject: FreePage, blame: Way, ways: [FreeWithMapping, FreeWithFewerReferences, FreeWithReferences, FreeWithMapcount, FreeWithFlags, FreeWithEntries], exempt: [];
    SplitQueue = Counting / "split-queue",
        holds: "A folio on the queue of deferred splits is a large folio of system memory in use, \
                and is there once. A folio is there if it is marked as partially mapped. It is \
                marked if some of its pages are mapped and others are not.",
        concerned: PAGE,
        subject: SplitQueue, blame: Section, ways: [],
        exempt: [
            "a locked folio":
                "its mappings may be migration entries at the moment, and these do not count as \
                mappings",
            "a folio that was in the swap cache while it was large":
                "Linux does not queue a folio that loses mappings there, since reclaim may be \
                at work on it",
            "pages of a device":
                "Linux neither marks nor queues them: the shrinker works on system memory only",
            "a folio of two pages":
                "its struct pages have no room for the list",
        ];
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
        concerned: DEVICE | PAGE,
        subject: PgmapRefs, blame: Section, ways: [TooMany, TooFew], exempt: [];
    Shadow = Counting / "shadow",
        holds: "Replaying the log of page-table writes gives the page tables.",
        concerned: END,
        subject: Shadow, blame: Section, ways: [], exempt: [];
    PageTables = Counting / "page-tables",
        holds: "A page table belongs to a live address space, and its count of used entries is \
                right. As many tables are deposited in it as it has huge entries.",
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
        exempt: [
            "an anon_vma_chain that is allocated and in neither list yet":
                "an allocation that may sleep comes before the lock under which both lists \
                change",
        ];
    AnonVmaCounters = ReverseMap / "anon-vma-counters",
        holds: "The counts of VMAs and children of an anon_vma match a recount; the anon_vma has a \
                reference, and its root is alive.",
        concerned: AREA,
        subject: AnonVmaCounters, blame: Section, ways: [],
        exempt: [
            "an anon_vma without links":
                "it is not linked yet, or only a reference keeps it",
        ];
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
        holds: "Reclaim and the split of a large folio take no page from an mlocked VMA.",
        concerned: ENTRY,
        subject: LockedArea, blame: Section, ways: [],
        exempt: [
            "an address space without users":
                "its teardown takes all pages, and may run within an operation that reclaims",
        ];
    EntryPlace = Entries / "place",
        holds: "A present or device-exclusive entry names system memory. A device-private entry \
                names device memory. A mapping of the zero page is never writable.",
        concerned: ENTRY,
        subject: EntryPlace, blame: Section, ways: [], exempt: [];
    HugeEntry = Entries / "huge",
        holds: "A huge entry lies in one VMA, and names the head page of a folio of its size, or \
                the zero page; it is present, device-private or a migration entry.",
        concerned: ENTRY,
        subject: HugeEntry, blame: Section, ways: [],
        exempt: [
            "the limits of the VMA, if the VMA has left the address space":
                "it is being torn down and cannot be looked up any more",
            "an entry that was overwritten before the slice ended":
                "the VMA and the folio are looked up at the end of the slice, and both may have \
                been split since",
        ];
    WriteUffdWp = Entries / "write-uffd-wp",
        holds: "No entry is both writable and write-protected for userfaultfd.",
        concerned: ENTRY,
        subject: WriteUffdWp, blame: Section, ways: [], exempt: [];
    UffdWpUnregistered = Entries / "uffd-wp-unregistered",
        holds: "Only entries of registered VMAs are write-protected for userfaultfd.",
        concerned: ENTRY,
        subject: UffdWpUnregistered, blame: Section, ways: [],
        exempt: [
            "unregister, mmap, munmap and exit":
                "they remove the VMA or its registration before the entry, within one operation",
            "an entry whose VMA has left the address space":
                "it is being torn down, and the registration cannot be looked up any more",
            "an entry that was overwritten before the slice ended":
                "the split of a huge entry makes entries that the operation may remove at once",
        ];
    RoundTrip = Entries / "round-trip",
        holds: "Write permission, exclusivity, soft-dirty, uffd-wp and young survive the round \
                trip through a migration entry; soft-dirty and uffd-wp survive the one through a \
                device-exclusive entry.",
        concerned: ENTRY,
        subject: RoundTrip, blame: Section, ways: [],
        exempt: [
            "the write bit of a device-exclusive entry":
                "it means nothing: the fault that restores the entry takes the permission from \
                the VMA and the page",
            "soft-dirty: a device-exclusive entry that becomes writable in a VMA whose \
                writes are not tracked":
                "together with the permission it gets the dirty bit, and what sets this bit sets \
                soft-dirty as well",
            "young, where one of the two formats has no room for it":
                "there is no bit to compare",
            "exclusivity that only the struct page had, in a fork":
                "fork shares the page in the same slice",
            "exclusivity of an entry that was overwritten before the slice ended":
                "the oracle sees the struct page only at the end of the slice, and the process may \
                have exited by then",
        ];
    DirtyLost = Entries / "dirty-lost",
        holds: "Dirty survives the round trips through migration and device-exclusive entries: the \
                folio is dirty, and so is the entry where its format has room.",
        concerned: ENTRY,
        subject: DirtyLost, blame: Section, ways: [],
        exempt: [
            "the folio's dirty flag, if the folio is free":
                "freeing it cleared the flag, and nobody can read the contents any more",
            "the folio's dirty flag during reclaim, for a page in the swap cache":
                "reclaim may have split a large folio and written its pages to their slots",
            "the folio's dirty flag during MADV_FREE, if the entry is clean at the end of \
                the slice":
                "MADV_FREE may have split a large folio and then cleaned the page and its entry",
        ];
    Permission = Entries / "permission",
        holds: "At rest, an entry permits no more access than its VMA.",
        concerned: ENTRY | OPERATION,
        subject: Permission, blame: LastWriter, ways: [], exempt: [];
    UntrackedWrite = Entries / "untracked-write",
        holds: "Where writes are tracked for soft-dirty, an entry that permits writes is \
                soft-dirty, whether or not it is present.",
        concerned: ENTRY,
        subject: UntrackedWrite, blame: Section, ways: [],
        exempt: [
            "an entry that was writable and not soft-dirty before this write":
                "its VMA may have lost the soft-dirty flag in a merge",
        ];
    Inherited = Entries / "inherited",
        holds: "A fork copies the soft-dirty bit of an entry.",
        concerned: ENTRY,
        subject: Inherited, blame: Section, ways: [],
        exempt: [
            "an entry whose page no other process maps at this address any more":
                "the parent may have exited or unmapped it, so nothing is left to compare with",
            "a present entry of a large folio in a soft-dirty VMA":
                "the VMA makes the page soft-dirty for user space, and the kernel copies the entry \
                and its neighbours as one batch, and gives all of them the bit of the first entry",
        ];
    Copied = Entries / "copied",
        holds: "An entry that gets a copy of its page is soft-dirty if the copy is for a write; \
                otherwise it keeps soft-dirty and uffd-wp.",
        concerned: ENTRY,
        subject: Copied, blame: Section, ways: [], exempt: [];
    DirtyInvented = Entries / "dirty-invented",
        holds: "A folio becomes dirty only by a write.",
        concerned: PAGE,
        subject: DirtyInvented, blame: Section, ways: [],
        exempt: [
            "operations that get a page in order to write to it: device writes, GUP, pins, \
                exclusive access, and those that populate":
                "they mark the folio dirty directly, not by way of an entry, for the write that \
                they allow",
            "folios that enter or leave the swap cache":
                "the slot does not have the contents yet, or belongs to the folio no longer",
            "the target of a migration, if the source was dirty or in the swap cache":
                "it takes over the state of the source",
            "the pages of a folio that was split, if one of them was dirty or in the swap \
                cache":
                "each of them gets the dirty flag of the folio",
        ];
    ExclusiveEntry = Entries / "exclusive-entry",
        holds: "The page of a device-exclusive entry is exclusive.",
        concerned: PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    Update = Entries / "update",
        holds: "An update in place keeps the bits that the operation is not meant to change; a \
                pinned page stays soft-dirty.",
        concerned: ENTRY,
        subject: Update, blame: Section, ways: [],
        exempt: [
            "soft-dirty: an entry that also becomes dirty or writable":
                "marking an entry dirty for a write marks it soft-dirty",
            "soft-dirty: clear_refs, unless the page is pinned":
                "clearing the bit is its purpose",
            "soft-dirty: a device-private entry that loses write permission":
                "Linux makes a new entry for it and does not copy the bit",
            "dirty: MADV_FREE":
                "it cleans the entry on purpose: the contents may be dropped",
            "uffd-wp: operations that set or clear it":
                "changing the bit is their purpose",
            "uffd-wp: an entry that becomes writable":
                "a write fault after the VMA was unregistered drops the bit",
            "exclusive: fork":
                "it shares the page",
        ];
    SwapRoundTrip = Entries / "swap-round-trip",
        holds: "Soft-dirty, uffd-wp and exclusivity survive the round trip through a swap entry.",
        concerned: ENTRY,
        subject: SwapRoundTrip, blame: Section, ways: [],
        exempt: [
            "soft-dirty: an entry that becomes writable":
                "the fault that reads the page in may be for a write, which marks the entry \
                soft-dirty",
            "exclusivity that only the struct page had, in a fork":
                "fork shares the page in the same slice",
            "exclusivity of an entry that was overwritten before the slice ended":
                "the oracle sees the struct page only at the end of the slice, and the process may \
                have exited by then",
        ];
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
        concerned: SWAP | ENTRY,
        subject: SlotCount, blame: Section, ways: [], exempt: [];
    SlotCache = Swap / "cache",
        holds: "A swap slot and the folio that it caches name each other.",
        concerned: SWAP | PAGE,
        subject: SlotCache, blame: Section, ways: [], exempt: [];
    SwapExclusive = Swap / "exclusive",
        holds: "An exclusive swap entry is the only entry of its slot; a cached folio is not \
                exclusive while an entry names its slot.",
        concerned: SWAP | ENTRY | PAGE,
        subject: Exclusive, blame: Section, ways: [], exempt: [];
    SwapReachable = Swap / "reachable",
        holds: "The anon_vma and the index of a cached folio lead to each entry that names its \
                slot.",
        concerned: SWAP | ENTRY | PAGE | AREA,
        subject: SwapReachable, blame: Section, ways: [], exempt: [];
    GivenUp = Swap / "given-up",
        holds: "A folio leaves the swap cache when the last entry that maps it or names its slot \
                goes.",
        concerned: ENTRY,
        subject: GivenUp, blame: Section, ways: [],
        exempt: [
            "a folio that is locked or held":
                "whoever locked or holds it may drop it from the swap cache later",
            "the first page of a folio that was split in the same section":
                "Linux drops the other pages from the swap cache; the caller of the split holds \
                the first one and only puts it, so the page stays there until it is reclaimed",
            "a folio whose last entry was device-exclusive":
                "Linux drops such an entry's reference without a look at the swap cache, so the \
                folio stays there until it is reclaimed",
        ];
    SlotContents = Swap / "contents",
        holds: "A clean folio in the swap cache has the contents of its slot.",
        concerned: PAGE,
        subject: SlotContents, blame: Section, ways: [],
        exempt: [
            "a folio that is dirty or has a dirty entry":
                "its contents are newer than those of the slot",
            "a folio that is locked or under writeback":
                "a read or a write of the slot may be under way",
            "a slot that no entry names, if no entry maps the page either":
                "nobody can read its contents any more",
        ];
    DeviceMapping = Coherence / "device-mapping",
        holds: "Each mapping of a device names the page that the CPU's entry names, and permits at most \
                the access of that entry. Under a device-exclusive entry, only one device maps the \
                page.",
        concerned: DEVICE | ENTRY | PAGE,
        subject: DeviceMapping, blame: EitherInARace, ways: [],
        exempt: [
            "a migration entry of the device's own page while that page is locked":
                "the driver's own migration is under way, and the driver may ignore the \
                invalidations that it owns",
        ];
    Tlb = Coherence / "tlb",
        holds: "The page tables back each TLB entry, or an operation under way owes its flush.",
        concerned: TLB,
        subject: Tlb, blame: Unmapper, ways: [],
        exempt: [];
    FreedTranslation = Coherence / "freed-translation",
        holds: "No TLB entry translates to a free page.",
        concerned: PAGE,
        subject: Tlb, blame: Unmapper, ways: [], exempt: [];
    Promise = Coherence / "promise",
        holds: "When an operation that removes mappings or permissions has returned, no CPU still \
                uses a translation that was already stale when the operation began, whichever \
                task owed the flush.",
        concerned: OPERATION,
        subject: Promise, blame: EitherInARace, ways: [], exempt: [];
    Bracket = Notifier / "bracket",
        holds: "An entry loses its translation or a permission only inside an announced \
                invalidation.",
        concerned: EVENT | ENTRY,
        subject: Bracket, blame: Section, ways: [], exempt: [];
    AnnouncedEvent = Notifier / "event",
        holds: "An entry loses its translation or a permission only inside an invalidation whose \
                event allows that loss; a device page migrates only inside an invalidation owned \
                by its device.",
        concerned: EVENT | ENTRY,
        subject: AnnouncedEvent, blame: Section, ways: [],
        exempt: [
            "munmap and zap events":
                "they allow every loss, since a driver drops the mapping whatever becomes of \
                the entry",
        ];
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
        exempt: [
            "the device that asked for exclusive access":
                "a driver may ignore the invalidations that it owns",
        ];
    Pairing = Notifier / "pairing",
        holds: "Before an operation returns, it ends each invalidation that it started, and it ends no \
                other.",
        concerned: EVENT | OPERATION,
        subject: Pairing, blame: Section, ways: [], exempt: [];
    LocksHeld = Progress / "locks-held",
        holds: "An operation that has ended holds no lock, no reference and no pin, and owes no \
                flush.",
        concerned: OPERATION,
        subject: LocksHeld, blame: Locker, ways: [HoldsLock, HoldsReference, HoldsPin, HoldsAnonVma, OwesFlush], exempt: [];
    LockOrder = Progress / "lock-order",
        holds: "A task takes sleeping locks in the order `mmap_lock`, folio lock, anon_vma lock, \
                at most one of each.",
        concerned: EVENT | TASK,
        subject: LocksHeld, blame: Locker, ways: [Takes],
        exempt: [
            "trylocks":
                "they never wait, so they cannot be part of a deadlock",
            "the mmap_lock of the child in fork":
                "no other task knows the child yet",
        ];
    WaiterReference = Progress / "waiter-reference",
        holds: "A task that waits for a migration to end holds no reference to the page.",
        concerned: TASK,
        subject: WaiterReference, blame: Way, ways: [WaitsWithReference], exempt: [];
    Deadlock = Progress / "deadlock",
        holds: "At no time do all tasks wait for each other.",
        concerned: TASK,
        subject: LocksHeld, blame: Locker, ways: [Waits], exempt: [];
    Livelock = Progress / "livelock",
        holds: "Between two tries of a fault, the task has slept or something has changed.",
        concerned: TASK,
        subject: Livelock, blame: Way, ways: [Repeats], exempt: [];
    ForkSequence = Progress / "fork-sequence",
        holds: "At rest, `write_protect_seq` of each address space is even; while it is odd, \
                GUP-fast takes no pins.",
        concerned: AREA | OPERATION,
        subject: ForkSequence, blame: Operation, ways: [], exempt: [];
    StepBudget = Progress / "step-budget",
        holds: "A run ends within its budget of scheduling points.",
        concerned: TASK,
        subject: StepBudget, blame: Way, ways: [OverBudget], exempt: [];
}
