//! What the laboratory knows about each bug of the zoo beyond what the core knows: the class of its
//! root cause, the number of threads that a program needs to show it, and the invariant that must
//! report it. [`find`] and [`parse`] find bugs by name.

pub use mm_core::zoo::{Bug, Zoo};

/// The facts about a bug.
#[derive(Clone, Copy, Debug)]
pub struct BugInfo {
    /// The switch.
    pub bug: Bug,
    /// Its name on the command line and in file names.
    pub slug: &'static str,
    /// The kernel commit that fixed it, or other information if there is none.
    pub commit: &'static str,
    /// What is broken.
    pub what: &'static str,
    /// The class of root causes, K1 to K14.
    pub class: &'static str,
    /// Number of threads that a program needs to show it.
    pub threads: u8,
    /// The invariant that must report it, `family/invariant`.
    pub oracle: &'static str,
    /// Only programs with huge pages (`thp always` or `thp madvise`) show it.
    pub huge: bool,
}

/// The class, threads and invariant of a bug. A bug without a line does not compile.
const fn expected(bug: Bug) -> (&'static str, u8, &'static str) {
    match bug {
        Bug::TtuSubpageFromSwapPte => ("K1", 1, "counting/wild-page"),
        Bug::DevprivMappingReuse => ("K5", 1, "counting/free-page"),
        Bug::PvmwDevprivNeverMatches => ("K2", 1, "progress/livelock"),
        Bug::MigentWriteAttrFromSwapPte => ("K1", 1, "entries/round-trip"),
        Bug::SlowpathRoMigent => ("K1", 1, "entries/round-trip"),
        Bug::RmapSoftdirtyUffdCopy => ("K1", 1, "entries/round-trip"),
        Bug::RestoreUffdwpAccessor => ("K1", 1, "entries/round-trip"),
        Bug::CollectLostDirty => ("K3", 1, "entries/dirty-lost"),
        Bug::PmdDevprivSoftdirtyAsWrite => ("K1", 1, "entries/round-trip"),
        Bug::RestoreWriteAfterMkdirty => ("K3", 1, "entries/round-trip"),
        Bug::InvariantWriteXorUffdwp => ("K3", 1, "entries/write-uffd-wp"),
        Bug::FaultDevprivNoPageref => ("K6", 2, "counting/use-without-reference"),
        Bug::MigwaitHoldsRef => ("K11", 1, "progress/waiter-reference"),
        Bug::MigrationRcuAnonVma => ("K6", 1, "reverse-map/anon-vma-alive"),
        Bug::SwapfaultTrylockLivelock => ("K11", 1, "progress/livelock"),
        Bug::HmmNoEbusy => ("K8", 2, "coherence/device-mapping"),
        Bug::HmmReleaseCallback => ("K8", 1, "coherence/device-mapping"),
        Bug::HmmNonownerDevprivNotFaulted => ("K14", 1, "contents/protection"),
        Bug::CollapseNoNotifier => ("K8", 1, "notifier/bracket"),
        Bug::PgmapRefOnAlloc => ("K4", 1, "counting/pgmap-refs"),
        Bug::ZoneDeviceExtraRef => ("K4", 1, "counting/unmap-references"),
        Bug::LatentThpTrylockRef => ("K4", 1, "counting/refcount"),
        Bug::FinalizeLruDeadFolio => ("K4", 1, "counting/lru"),
        Bug::PagemapDriverPfnsInMpfn => ("K4", 1, "counting/refcount"),
        Bug::LatentMixedOrderFallthrough => ("K5", 1, "counting/lru"),
        Bug::NouveauZeroPageMigrate => ("K13", 1, "contents/kept"),
        Bug::VmNormalPageSpecial => ("K13", 1, "counting/zero-page"),
        Bug::GupPinZeroPage => ("K13", 1, "counting/zero-page"),
        Bug::ForkUffdwpSpecial => ("K3", 1, "entries/uffd-wp-unregistered"),
        Bug::ForkPinnedEarlyCow => ("K12", 1, "reverse-map/pinned-exclusive"),
        Bug::CowEitherWay => ("K12", 1, "contents/held-page"),
        Bug::CowWpSimplification => ("K4", 1, "progress/locks-held"),
        Bug::AnonExclusiveGupFast => ("K12", 1, "reverse-map/pinned-exclusive"),
        Bug::AnonVmaDegreeAmbiguity => ("K9", 1, "reverse-map/anon-vma-reuse"),
        Bug::AnonVmaCloneError => ("K10", 1, "reverse-map/chain"),
        Bug::AnonVmaReuseSimpleOnly => ("K2", 1, "reverse-map/shared-anon-vma"),
        Bug::DupAnonVmaNoLock => ("K9", 2, "reverse-map/anon-vma-counters"),
        Bug::AnonVmaPublishBarrier => ("K9", 2, "reverse-map/chain"),
        Bug::ForkLinkAfterCopy => ("K9", 1, "reverse-map/reachable"),
        Bug::StaleMappingAfterFreeSwap => ("K6", 1, "swap/cache"),
        Bug::SwapinSkipCacheAba => ("K6", 2, "contents/read"),
        Bug::LazyfreeRestoreWritable => ("K3", 1, "entries/write-exclusive"),
        Bug::LazyfreeThpPmdDiscard => ("K3", 1, "contents/kept"),
        Bug::MremapVsMigrationRemoval => ("K2", 2, "entries/migration-entry"),
        Bug::AnonVmaMovetoTail => ("K2", 2, "entries/migration-entry"),
        Bug::MremapRevertRmapLocks => ("K2", 2, "entries/migration-entry"),
        Bug::ExecStackMigration => ("K2", 2, "reverse-map/reachable"),
        Bug::MremapLinkAfterMove => ("K9", 2, "reverse-map/reachable"),
        Bug::VmaAdjustNoLock => ("K2", 2, "entries/migration-entry"),
        Bug::PageLockAnonVmaRecheck => ("K6", 2, "reverse-map/anon-vma-alive"),
        Bug::MremapDontunmapAnonVma => ("K9", 1, "reverse-map/chain"),
        Bug::MremapDontunmapPgoff => ("K9", 1, "reverse-map/unfaulted-offset"),
        Bug::MremapDontunmapLockedVm => ("K4", 1, "contents/area"),
        Bug::LatentMunlockNonpresent => ("K4", 1, "counting/mlock"),
        Bug::MremapMergeUnfaulted => ("K9", 1, "reverse-map/reachable"),
        Bug::VmaAdjustAvcCopy => ("K2", 1, "reverse-map/reachable"),
        Bug::AnonVmaCloneOrder => ("K2", 1, "reverse-map/chain-order"),
        Bug::AnonVmaEndlessGrowth => ("K9", 1, "reverse-map/anon-vma-counters"),
        Bug::VmaModifyAfterOom => ("K10", 1, "contents/area"),
        Bug::MremapPartialAtZero => ("K10", 1, "contents/outcome"),
        Bug::MremapWraparound => ("K10", 1, "contents/kept"),
        Bug::MremapUffdwpLeft => ("K3", 1, "entries/uffd-wp-unregistered"),
        Bug::MremapBatchWritable => ("K3", 1, "entries/moved"),
        Bug::MremapOldSizeZero => ("K8", 1, "notifier/range"),
        Bug::HugetlbMremapDelta => ("K2", 1, "reverse-map/reachable"),
        Bug::UprobePteOverwritten => ("K4", 1, "counting/mapcount"),
        Bug::LatentMremapUffdNeighbour => ("K3", 1, "contents/area"),
        Bug::MadvTlbMiss => ("K7", 2, "coherence/promise"),
        Bug::ForkVsGupFast => ("K12", 2, "reverse-map/pinned-exclusive"),
        Bug::ThpSplitGupFast => ("K12", 2, "contents/read"),
        Bug::DirtyCow => ("K12", 2, "counting/zero-page"),
        Bug::CollectTlbOutsidePtl => ("K7", 2, "coherence/tlb"),
        Bug::LatentSplitUnflushedWindow => ("K7", 2, "coherence/tlb"),
        Bug::SoftdirtyNoFlush => ("K7", 1, "coherence/tlb"),
        Bug::UffdwpDeferredFlush => ("K7", 4, "contents/read"),
        Bug::WrprotectLosesDirty => ("K3", 1, "entries/update"),
        Bug::OomReaperTlb => ("K7", 1, "coherence/freed-translation"),
        Bug::PagemapNotifierOutsideLock => ("K8", 1, "notifier/lock"),
        Bug::GpusvmMapOrder => ("K8", 1, "coherence/device-mapping"),
        Bug::XeDerefHmmPages => ("K8", 2, "counting/free-page"),
        Bug::MprotectVsBatchedUnmap => ("K7", 2, "coherence/promise"),
        Bug::StaleTlbDeferred => ("K7", 2, "coherence/promise"),
        Bug::XeNotifierFolioLock => ("K7", 1, "progress/lock-order"),
        Bug::ExclNoPageRef => ("K6", 2, "counting/free-page"),
        Bug::ExclMapcountDropped => ("K4", 1, "counting/mapcount"),
        Bug::ExclWritableByVmaFlag => ("K3", 1, "entries/round-trip"),
        Bug::ExclTreatedAsMigration => ("K2", 1, "counting/mapcount"),
        Bug::ExclMigrateOne => ("K1", 1, "counting/mapcount"),
        Bug::ExclUnmapOne => ("K1", 1, "entries/swap-round-trip"),
        Bug::ExclRestoreEvent => ("K8", 1, "coherence/device-mapping"),
        Bug::NouveauExclusiveMissingUnlock => ("K4", 2, "progress/lock-order"),
        Bug::AmdkfdHoleMigration => ("K4", 1, "progress/locks-held"),
        Bug::DriverEvictOnRelease => ("K5", 1, "counting/pgmap-refs"),
        Bug::CollectPtePfnNonpresent => ("K1", 1, "entries/dirty-invented"),
        Bug::KhugepagedZeroPfnNonpresent => ("K13", 1, "counting/mapcount"),
        Bug::ZeropageRemapLostBits => ("K3", 1, "entries/copied"),
        Bug::UprobeZeropage => ("K13", 1, "counting/zero-page"),
        Bug::PagemapPmdWarn => ("K14", 1, "contents/pagemap"),
        Bug::SmapsMapcountMigration => ("K14", 2, "contents/pagemap"),
        Bug::PagemapScanLostDirty => ("K3", 2, "entries/update"),
        Bug::LatentSoftdirtyKeepsWrite => ("K3", 1, "entries/untracked-write"),
        Bug::LatentHoleUntracked => ("K3", 1, "entries/untracked-write"),
        Bug::LatentZeroPageUffdwpDevice => ("K3", 1, "contents/kept-protection"),
        Bug::SwapinRace => ("K6", 2, "swap/given-up"),
        Bug::PagemapNoMmget => ("K6", 2, "counting/address-space-alive"),
        Bug::ThpSplitDirty => ("K3", 1, "entries/update"),
        Bug::HugezeroSplitUffdwp => ("K3", 1, "entries/update"),
        Bug::LatentHugeZeroSplitSoftdirty => ("K3", 1, "entries/update"),
        Bug::LatentSplitPmdSoftdirty => ("K3", 1, "entries/update"),
        Bug::SplitHeadExclusive => ("K12", 1, "entries/write-exclusive"),
        Bug::LatentSoftdirtyPmdPinned => ("K3", 1, "entries/update"),
        Bug::LatentHugeZeroUnshare => ("K3", 1, "contents/kept-protection"),
        Bug::LargeReuseOtherMm => ("K12", 1, "reverse-map/exclusive"),
        Bug::DepositForkMissing => ("K4", 1, "counting/page-tables"),
        Bug::DepositZapKept => ("K4", 1, "counting/page-tables"),
        Bug::DepositMoveMissing => ("K4", 1, "counting/page-tables"),
        Bug::SplitPmdMigrationRef => ("K4", 1, "counting/refcount"),
        Bug::LatentRestorePmdSoftdirty => ("K3", 1, "entries/round-trip"),
        Bug::LatentClearSoftdirtyDevprivPmd => ("K3", 1, "contents/outcome"),
        Bug::LatentMoveSoftdirtyDevprivPmd => ("K3", 1, "entries/moved"),
        Bug::LatentHmmAbsentPmdOffset => ("K14", 1, "coherence/device-mapping"),
        Bug::LatentPmdTrylockLivelock => ("K11", 1, "progress/livelock"),
        Bug::LatentCollectHugeFaultRef => ("K4", 1, "progress/livelock"),
        Bug::LatentSplitFaultPageFreed => ("K6", 2, "counting/free-list"),
        Bug::LatentSplitSharedPmd => ("K2", 1, "entries/huge"),
        Bug::DepositInsertTwice => ("K4", 1, "counting/page-tables"),
        Bug::LatentSplitFreezeWrongPmd => ("K2", 1, "counting/free-page"),
        Bug::InsertHugePgtableLeak => ("K4", 1, "counting/leak"),
        Bug::CollectPartialFolio => ("K5", 1, "contents/outcome"),
        Bug::MigwaitHeadPage => ("K11", 1, "progress/deadlock"),
        Bug::ZoneDeviceReinitOrder => ("K5", 1, "counting/mapcount"),
        Bug::TouchAfterFolioFree => ("K6", 1, "counting/pgmap-refs"),
        Bug::SplitUnmapFailBug => ("K4", 1, "counting/refcount"),
        Bug::SplitPmdMigrationMapcount => ("K4", 1, "counting/mapcount"),
        Bug::PvmwPteMappedThp => ("K2", 1, "counting/free-page"),
        Bug::ThpUffdwpMigration => ("K3", 1, "entries/round-trip"),
        Bug::HugeReuseHeld => ("K12", 1, "contents/held-page"),
        Bug::GupTailExclusive => ("K12", 1, "progress/livelock"),
        Bug::HugezeroWpNoFlush => ("K7", 1, "coherence/tlb"),
        Bug::ZeropageRemapMlocked => ("K5", 1, "entries/locked-area"),
        Bug::LatentMprotectBatchSoftdirty => ("K3", 1, "entries/update"),
        Bug::ForkHugeKeepsWrite => ("K12", 1, "entries/write-exclusive"),
        Bug::LatentDeviceRangeMidFolio => ("K14", 1, "contents/outcome"),
        Bug::SplitClobberSwpEntry => ("K3", 1, "swap/cache"),
        Bug::DeferredSplitVsMigration => ("K4", 1, "counting/split-queue"),
        Bug::LatentPartialNotQueued => ("K4", 1, "counting/split-queue"),
        Bug::LatentMoveNormalPmdSoftdirty => ("K3", 1, "entries/moved"),
        Bug::LatentSplitFolioLock => ("K11", 1, "progress/lock-order"),
        Bug::KhugepagedUffdwpRecheck => ("K3", 2, "contents/kept-protection"),
        Bug::HugeFaultNoRecheck => ("K6", 2, "counting/mapcount"),
        Bug::HugezeroWpNoRecheck => ("K6", 2, "counting/mapcount"),
        Bug::CollapseStaleArea => ("K6", 2, "entries/huge"),
        Bug::CollapseHeldRecheck => ("K6", 2, "contents/pinned-page"),
        Bug::LatentSoftdirtyReadonlyPinned => ("K3", 1, "entries/update"),
    }
}

const BUGS: usize = mm_core::zoo::TABLE.len();

/// True for a bug that only programs with huge pages show.
const fn needs_huge_pages(bug: Bug) -> bool {
    matches!(
        bug,
        Bug::ThpSplitDirty
            | Bug::HugezeroSplitUffdwp
            | Bug::LatentHugeZeroSplitSoftdirty
            | Bug::LatentSplitPmdSoftdirty
            | Bug::SplitHeadExclusive
            | Bug::LatentSoftdirtyPmdPinned
            | Bug::LatentHugeZeroUnshare
            | Bug::LargeReuseOtherMm
            | Bug::DepositForkMissing
            | Bug::DepositZapKept
            | Bug::DepositMoveMissing
            | Bug::SplitPmdMigrationRef
            | Bug::LatentRestorePmdSoftdirty
            | Bug::LatentClearSoftdirtyDevprivPmd
            | Bug::LatentMoveSoftdirtyDevprivPmd
            | Bug::LatentHmmAbsentPmdOffset
            | Bug::LatentPmdTrylockLivelock
            | Bug::LatentCollectHugeFaultRef
            | Bug::LatentSplitFaultPageFreed
            | Bug::LatentSplitSharedPmd
            | Bug::DepositInsertTwice
            | Bug::LatentSplitFreezeWrongPmd
            | Bug::InsertHugePgtableLeak
            | Bug::CollectPartialFolio
            | Bug::MigwaitHeadPage
            | Bug::ZoneDeviceReinitOrder
            | Bug::TouchAfterFolioFree
            | Bug::SplitUnmapFailBug
            | Bug::SplitPmdMigrationMapcount
            | Bug::PvmwPteMappedThp
            | Bug::ThpUffdwpMigration
            | Bug::HugeReuseHeld
            | Bug::GupTailExclusive
            | Bug::HugezeroWpNoFlush
            | Bug::ForkHugeKeepsWrite
            | Bug::ZeropageRemapLostBits
            | Bug::ZeropageRemapMlocked
            | Bug::LatentMprotectBatchSoftdirty
            | Bug::LatentDeviceRangeMidFolio
            | Bug::SplitClobberSwpEntry
            | Bug::DeferredSplitVsMigration
            | Bug::LatentPartialNotQueued
            | Bug::LatentMoveNormalPmdSoftdirty
            | Bug::LatentSplitFolioLock
            | Bug::KhugepagedUffdwpRecheck
            | Bug::HugeFaultNoRecheck
            | Bug::HugezeroWpNoRecheck
            | Bug::CollapseStaleArea
            | Bug::CollapseHeldRecheck
    )
}

/// All bugs, in the order of [`Bug`].
pub static TABLE: &[BugInfo] = &{
    let mut table = [entry(0); BUGS];
    let mut i = 0;
    while i < BUGS {
        table[i] = entry(i);
        i += 1;
    }
    table
};

const fn entry(i: usize) -> BugInfo {
    let row = mm_core::zoo::TABLE[i];
    let (class, threads, oracle) = expected(row.bug);
    BugInfo {
        bug: row.bug,
        slug: row.slug,
        commit: row.commit,
        what: row.what,
        class,
        threads,
        oracle,
        huge: needs_huge_pages(row.bug),
    }
}

/// The row of the bug with this slug.
pub fn find(slug: &str) -> Option<&'static BugInfo> {
    TABLE.iter().find(|entry| entry.slug == slug)
}

/// Switches for a list of slugs, separated by commas.
///
/// # Errors
/// A sentence that names the unknown slug and says where the known ones are.
pub fn parse(slugs: &str) -> Result<Zoo, String> {
    let mut zoo = Zoo::default();
    for slug in slugs
        .split(',')
        .map(str::trim)
        .filter(|slug| !slug.is_empty())
    {
        let Some(entry) = find(slug) else {
            let known = TABLE.len();
            return Err(format!(
                "no bug is called \"{slug}\"; docs/zoo.md and `make zoo` list all {known}"
            ));
        };
        zoo.set(entry.bug, true);
    }
    Ok(zoo)
}

/// Switches with only this bug on.
pub fn only(bug: Bug) -> Zoo {
    let mut zoo = Zoo::default();
    zoo.set(bug, true);
    zoo
}
