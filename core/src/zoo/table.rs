//! The table of bugs: a row for each, with all that the core knows of it. `fuzz/src/zoo.rs` says
//! which invariant reports each bug.

macro_rules! bugs {
    ($($name:ident $slug:literal $commit:literal $what:literal;)*) => {
        /// A historical bug.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        pub enum Bug {
            $(
                #[doc = concat!("`", $slug, "` (", $commit, "): ", $what, ".")]
                $name,
            )*
        }

        /// All bugs, in the order of [`Bug`].
        pub const TABLE: &[BugRow] = &[$(BugRow {
            bug: Bug::$name,
            slug: $slug,
            commit: $commit,
            what: $what,
        },)*];
    };
}

/// A row of the [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct BugRow {
    /// The switch.
    pub bug: Bug,
    /// Its name on the command line and in file names.
    pub slug: &'static str,
    /// The kernel commit that fixed it. Otherwise: the title of the fix, the CVE, the rule of the
    /// kernel that the bug breaks, or a kernel that has the bug.
    pub commit: &'static str,
    /// The wrong behaviour.
    pub what: &'static str,
}

bugs! {
    TtuSubpageFromSwapPte "ttu-subpage-from-swap-pte" "1de13ee59225"
        "try_to_migrate_one computes the subpage of a device-private entry as if the entry were present";
    DevprivMappingReuse "devpriv-mapping-reuse" "7ab0ad0e74f8"
        "a freed device page keeps ->mapping, and __page_set_anon_rmap trusts it when the page is reused";
    PvmwDevprivNeverMatches "pvmw-devpriv-never-matches" "aab8d0520e6e"
        "page_vma_mapped_walk never returns a device-private entry, so the page cannot be unmapped";
    MigentWriteAttrFromSwapPte "migent-write-attr-from-swap-pte" "mm/migrate: properly preserve write attribute (4.17)"
        "migrate_vma_collect reads the write bit of a device-private entry as if the entry were present";
    SlowpathRoMigent "slowpath-ro-migent" "dfd8562c52a5"
        "try_to_migrate_one installs a read-only migration entry for every device-private entry";
    RmapSoftdirtyUffdCopy "rmap-softdirty-uffd-copy" "ad7df764b7e1"
        "try_to_migrate_one reads soft-dirty and uffd-wp of a device-private entry as if the entry were present";
    RestoreUffdwpAccessor "restore-uffdwp-accessor" "ebdf8321eeeb"
        "remove_migration_pte sets uffd-wp of a device-private entry at the bit of a present entry";
    CollectLostDirty "collect-lost-dirty" "fd35ca3d12cc"
        "migrate_vma_collect clears a dirty entry without marking the folio dirty";
    PmdDevprivSoftdirtyAsWrite "pmd-devpriv-softdirty-as-write" "43e7f189769c"
        "a soft-dirty device-private entry is mistaken for a writable one (here at the lowest level)";
    RestoreWriteAfterMkdirty "restore-write-after-mkdirty" "96a9c287e25d"
        "marking the restored entry dirty also makes it writable";
    InvariantWriteXorUffdwp "invariant-write-xor-uffdwp" "design rule of copy_nonpresent_pte"
        "a fault in a uffd-wp range makes the entry writable and leaves uffd-wp set";
    FaultDevprivNoPageref "fault-devpriv-no-pageref" "16ce101db85d"
        "do_swap_page hands the driver a device page without a reference, and without checking the entry again";
    MigwaitHoldsRef "migwait-holds-ref" "9a1ea439b16b"
        "a task that waits for a migration holds a reference to the page, so the migration must fail";
    MigrationRcuAnonVma "migration-rcu-anon-vma" "dc386d4d1e98"
        "without mmap_lock, nothing keeps the anon_vma alive between unmap and restore (here: migrate_device_range)";
    SwapfaultTrylockLivelock "swapfault-trylock-livelock" "b570f37a2ce4"
        "do_swap_page retries at once if the device page is locked";
    HmmNoEbusy "hmm-no-ebusy" "mm/hmm: always return EBUSY for invalid ranges (5.3)"
        "the result of hmm_range_fault is used although the range was invalidated meanwhile";
    HmmReleaseCallback "hmm-release-callback" "mm/hmm: HMM should have a callback before MM is destroyed (4.17)"
        "the device mirror is not told that its address space dies";
    HmmNonownerDevprivNotFaulted "hmm-nonowner-devpriv-not-faulted" "8a295dbbaf72"
        "hmm_range_fault fails on a page that is on another device";
    CollapseNoNotifier "collapse-no-notifier" "f268f6cf875f"
        "entries are removed without notifying the devices (here: zap_page_range)";
    PgmapRefOnAlloc "pgmap-ref-on-alloc" "0dc45ca1ce18"
        "a live device page holds no reference to its pagemap";
    ZoneDeviceExtraRef "zone-device-extra-ref" "27674ef6c73f"
        "migrate_vma_check_page still allows a device page the extra reference that idle device pages had until 5.18";
    LatentThpTrylockRef "latent-thp-trylock-ref" "a30b48bf1b24, whose message does not mention the bug"
        "migrate_vma_collect keeps its reference if the trylock fails (here at the lowest level)";
    FinalizeLruDeadFolio "finalize-lru-dead-folio" "41cddf83d8b0"
        "migrate_device_finalize puts a folio on the LRU that it is about to free";
    PagemapDriverPfnsInMpfn "pagemap-driver-pfns-in-mpfn" "1f1be4ba643f"
        "the driver leaves destinations in the array for pages that must not migrate";
    LatentMixedOrderFallthrough "latent-mixed-order-fallthrough" "latent in 7.1.3"
        "a destination takes over mapping and charge although its migration was refused";
    NouveauZeroPageMigrate "nouveau-zero-page-migrate" "9d4296a7d4b3"
        "the driver does not clear the device page that replaces a hole or the zero page";
    VmNormalPageSpecial "vm-normal-page-special" "c0c6ccd9828c"
        "zap mistakes the zero page for a normal page (here: the small zero page)";
    GupPinZeroPage "gup-pin-zero-page" "mm: Don't pin ZERO_PAGE in pin_user_pages() (6.5)"
        "a pin of the zero page is counted";
    ForkUffdwpSpecial "fork-uffdwp-special" "8f34f1eac382"
        "fork copies uffd-wp of non-present entries to a child that is not registered";
    ForkPinnedEarlyCow "fork-pinned-early-cow" "70e806e4e645"
        "fork shares a pinned page, so the next write copies the page and the pin keeps the old one";
    CowEitherWay "cow-either-way" "17839856fd58"
        "a write reuses a page that is mapped once, even if somebody else holds a reference";
    CowWpSimplification "cow-wp-simplification" "be068f29034f"
        "a write fault that reuses a page unlocks it only after it has dropped the page-table lock (here: wp_can_reuse_anon_folio returns with the folio locked if it refuses)";
    AnonExclusiveGupFast "anon-exclusive-gup-fast" "088b8aa537c2"
        "PageAnonExclusive is cleared before pins are checked";
    AnonVmaDegreeAmbiguity "anon-vma-degree-ambiguity" "2555283eb40d"
        "one counter for children and VMAs lets an anon_vma be reused twice";
    AnonVmaCloneError "anon-vma-clone-error" "c4ea95d7cd08"
        "an anon_vma_clone that fails half way leaves the links that it made";
    AnonVmaReuseSimpleOnly "anon-vma-reuse-simple-only" "d0e9fe1758f2"
        "anon_vma_prepare shares a neighbour's anon_vma although the neighbour's chain has several links";
    DupAnonVmaNoLock "dup-anon-vma-no-lock" "d8ab9f7b644a"
        "two tasks each give a VMA an anon_vma at the same time (here: two faults in anon_vma_prepare)";
    AnonVmaPublishBarrier "anon-vma-publish-barrier" "CVE-2026-98507"
        "vma->anon_vma is published before the VMA is linked";
    ForkLinkAfterCopy "fork-link-after-copy" "order rule of anon_vma_fork"
        "a child's VMA is linked to the anon_vmas only after its entries were copied, so a walk misses them";
    StaleMappingAfterFreeSwap "stale-mapping-after-free-swap" "CVE-2026-89755"
        "migration looks up the source's place in the swap cache, then removes the source from there, and still puts the device page into that place";
    SwapinSkipCacheAba "swapin-skip-cache-aba" "13ddaf26be32"
        "a fault on a slot that only one entry names bypasses the swap cache, and takes an equal entry for an unchanged one";
    LazyfreeRestoreWritable "lazyfree-restore-writable" "29f40594a281"
        "the entry of a lazily freed page that was written again is restored with the write permission of another entry";
    LazyfreeThpPmdDiscard "lazyfree-thp-pmd-discard" "mm/rmap: don't discard lazyfree THPs at PMD level (2026)"
        "reclaim drops a lazily freed page although it was written since (here at the lowest level)";
    MremapVsMigrationRemoval "mremap-vs-migration-removal" "486cf46f3f9b"
        "a walk looks at the copy of a VMA before the original, and no lock covers the move of an entry";
    AnonVmaMovetoTail "anon-vma-moveto-tail" "108d6642ad81"
        "entries move, without the anon_vma lock, into a VMA that a walk visits before their source";
    MremapRevertRmapLocks "mremap-revert-rmap-locks" "order rule of move_vma"
        "a failed move is undone without the anon_vma lock, although a walk visits the original VMA before its copy";
    ExecStackMigration "exec-stack-migration" "a8bef8ff6ea1"
        "a VMA changes its address before its entries move, so a walk misses them (here: mremap of a whole VMA)";
    MremapLinkAfterMove "mremap-link-after-move" "order rule of copy_vma"
        "the copy of a VMA is linked to the anon_vmas only after the entries have moved there";
    VmaAdjustNoLock "vma-adjust-no-lock" "lock rule of vma_prepare"
        "a VMA is split without the anon_vma lock, so a walk under way loses its place";
    PageLockAnonVmaRecheck "page-lock-anon-vma-recheck" "recheck page_mapped in page_lock_anon_vma (2.6.36)"
        "a walk uses the anon_vma that a page had before the lock was taken, although the page is no longer mapped";
    MremapDontunmapAnonVma "mremap-dontunmap-anon-vma" "ee8ab1903e3d"
        "a VMA emptied by MREMAP_DONTUNMAP names an anon_vma that it is not linked to";
    MremapDontunmapPgoff "mremap-dontunmap-pgoff" "mm/mremap: reset unfaulted VMA page offset for MREMAP_DONTUNMAP (2026)"
        "a VMA emptied by MREMAP_DONTUNMAP keeps the offsets of the pages that it had";
    MremapDontunmapLockedVm "mremap-dontunmap-locked-vm" "mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP (2026)"
        "MREMAP_DONTUNMAP of a part of an mlocked VMA unlocks all of it";
    LatentMunlockNonpresent "latent-munlock-nonpresent" "latent in 6.12.117"
        "munlock skips a page that a device has, so the page stays mlocked for good";
    MremapMergeUnfaulted "mremap-merge-unfaulted" "61f67c230a5e"
        "a VMA without pages grows over a moved VMA and does not get its anon_vmas";
    VmaAdjustAvcCopy "vma-adjust-avc-copy" "merge 64a8920fab96"
        "a VMA that grows over part of its neighbour does not get the neighbour's anon_vmas";
    AnonVmaCloneOrder "anon-vma-clone-order" "merge 64a8920fab96"
        "anon_vma_clone reverses the order of the chain";
    AnonVmaEndlessGrowth "anon-vma-endless-growth" "3fe89b3e2a7b"
        "an anon_vma_clone that fails uncounts a VMA that it has not counted yet";
    VmaModifyAfterOom "vma-modify-after-oom" "47b16d0462a4"
        "a merge runs out of memory, and its caller then splits off the whole range that the merged VMA would have covered";
    MremapPartialAtZero "mremap-partial-at-zero" "mm, mremap: fix mremap() expanding vma with addr inside vma (6.1.3)"
        "a VMA does not grow if the old range begins inside it";
    MremapWraparound "mremap-wraparound" "a4a282daf1a1"
        "a move that fails half way moves nothing back";
    MremapUffdwpLeft "mremap-uffdwp-left" "0cef0bb836e3"
        "entries keep uffd-wp when they move out of a registered VMA";
    MremapBatchWritable "mremap-batch-writable" "04d1c9d60c6e"
        "a batch of entries moves with the write permission of its first entry";
    MremapOldSizeZero "mremap-old-size-zero" "01e67e04c281"
        "a move of length zero invalidates through the mmu notifiers";
    HugetlbMremapDelta "hugetlb-mremap-delta" "CVE-2026-98373"
        "mremap skips a source range without a table but does not advance the destination, so later entries go to wrong addresses (here at the lowest level)";
    UprobePteOverwritten "uprobe-pte-overwritten" "2b12d06c37fd"
        "a page is mapped at the destination before the entries arrive, and one of them overwrites it";
    LatentMremapUffdNeighbour "latent-mremap-uffd-neighbour" "latent in 6.12.117"
        "a neighbour that grows over the destination loses its userfaultfd registration";
    MadvTlbMiss "madv-tlb-miss" "99baac21e458"
        "when two zaps run concurrently, the one that finds no entry left does not flush, and returns before the other flushes";
    ForkVsGupFast "fork-vs-gup-fast" "57efa1fe5957"
        "gup_fast pins between fork's check for pins and its write protection, and no sequence count tells it about the fork";
    ThpSplitGupFast "thp-split-gup-fast" "3a5a8d343e1c"
        "gup_fast keeps its reference without checking the entry again (here at the lowest level)";
    DirtyCow "dirty-cow" "19be0eaffa3a"
        "once a fault has broken COW, gup no longer asks for write permission, and writes to whatever page is mapped by then";
    CollectTlbOutsidePtl "collect-tlb-outside-ptl" "60bae7370896"
        "migrate_vma_collect drops the page-table lock before it flushes the entries that it cleared";
    LatentSplitUnflushedWindow "latent-split-unflushed-window" "not fixed in 7.3.4: migrate_vma_collect_pmd"
        "migrate_vma_collect drops the page-table lock while entries of shared pages are cleared and not flushed";
    SoftdirtyNoFlush "softdirty-no-flush" "912efa17e512"
        "clear_refs write-protects entries without a flush, so the next writes are not tracked";
    UffdwpDeferredFlush "uffdwp-deferred-flush" "6ce64428d620"
        "a write fault copies a page that another CPU still writes to, because UFFDIO_WRITEPROTECT has not flushed yet (here with the rules of 5.12 for reusing a page in copy-on-write)";
    WrprotectLosesDirty "wrprotect-loses-dirty" "018e9828eb52"
        "write-protecting an entry for a fork drops its dirty bit";
    OomReaperTlb "oom-reaper-tlb" "687cb0884a71"
        "a dying address space is not flushed before its pages are freed";
    PagemapNotifierOutsideLock "pagemap-notifier-outside-lock" "4cccb6221cae"
        "an invalidation starts before mmap_lock is taken (here: in clear_refs)";
    GpusvmMapOrder "gpusvm-map-order" "c50729c68aaf"
        "the driver maps as many pages as the folio order says, beyond the requested range (here: always two pages)";
    XeDerefHmmPages "xe-deref-hmm-pages" "0a98219bcc96"
        "the driver uses a page from hmm_range_fault before it checks the sequence";
    MprotectVsBatchedUnmap "mprotect-vs-batched-unmap" "3ea277194daa"
        "mprotect skips entries that reclaim has cleared, and returns while a CPU still uses the old translations";
    StaleTlbDeferred "stale-tlb-deferred" "383c4613c67c"
        "madvise skips entries that reclaim has cleared and not flushed (here: MADV_FREE)";
    XeNotifierFolioLock "xe-notifier-folio-lock" "2577b202458c"
        "the driver's invalidation waits for folio locks, which a migration holds when it invalidates";
    ExclNoPageRef "excl-no-page-ref" "7c7b962938dd"
        "a fault on a device-exclusive entry locks the folio without a reference to it";
    ExclMapcountDropped "excl-mapcount-dropped" "f495bd7e0d9b"
        "a device-exclusive entry keeps its reference but is not counted as a mapping";
    ExclWritableByVmaFlag "excl-writable-by-vma-flag" "9a914592140e"
        "an entry restored from device-exclusive is writable because the VMA is, although writes are tracked";
    ExclTreatedAsMigration "excl-treated-as-migration" "7b2e497a42cd"
        "the walk that restores migration entries also restores device-exclusive ones";
    ExclMigrateOne "excl-migrate-one" "bf983108be0e"
        "try_to_migrate_one computes the subpage of a device-exclusive entry as if the entry were present";
    ExclUnmapOne "excl-unmap-one" "65529295607f"
        "try_to_unmap_one computes the subpage of a device-exclusive entry as if the entry were present";
    ExclRestoreEvent "excl-restore-event" "series of 9a914592140e"
        "the invalidation that ends exclusivity names the driver as owner, like the one that began it, so the driver ignores it";
    NouveauExclusiveMissingUnlock "nouveau-exclusive-missing-unlock" "b3fefbb30a16"
        "the driver forgets to unlock an exclusive page if it has to start over";
    AmdkfdHoleMigration "amdkfd-hole-migration" "CVE-2026-89810"
        "if an allocation fails half way, the driver forgets the destinations that it already has";
    DriverEvictOnRelease "driver-evict-on-release" "249881232e14"
        "the memory of a device is released with live pages in it";
    CollectPtePfnNonpresent "collect-pte-pfn-nonpresent" "63867c82d0c0"
        "migrate_vma_collect tests a device-private entry for dirty as if the entry were present";
    KhugepagedZeroPfnNonpresent "khugepaged-zero-pfn-nonpresent" "mm/khugepaged: guard is_zero_pfn() calls with pte_present() (2026)"
        "a non-present entry is mistaken for the zero page (here: a device-exclusive one in migrate_vma_collect)";
    ZeropageRemapLostBits "zeropage-remap-lost-bits" "9658d698a8a8"
        "the split of a folio maps the shared zero page for a page of zeroes and drops soft-dirty and uffd-wp";
    UprobeZeropage "uprobe-zeropage" "bddf10d26e6e"
        "replacing the zero page uncounts it like a normal page (here: in copy-on-write)";
    PagemapPmdWarn "pagemap-pmd-warn" "cd1fc0e3c1f6"
        "the only non-present entries that pagemap knows are migration entries (here at the lowest level)";
    SmapsMapcountMigration "smaps-mapcount-migration" "24d7275ce279"
        "an observer reads the mapcount of a page under migration (here: pagemap)";
    PagemapScanLostDirty "pagemap-scan-lost-dirty" "c70dce4982ce"
        "write protection writes back an old copy of the entry (here: UFFDIO_WRITEPROTECT)";
    LatentSoftdirtyKeepsWrite "latent-softdirty-keeps-write" "not fixed in 7.3.4: clear_soft_dirty"
        "clearing soft-dirty leaves a non-present entry writable, so it is restored writable and untracked";
    LatentHoleUntracked "latent-hole-untracked" "not fixed in 7.3.4: migrate_vma_insert_page"
        "a hole that is filled on a device becomes writable and not soft-dirty, so writes to it are not tracked";
    LatentZeroPageUffdwpDevice "latent-zero-page-uffdwp-device" "not fixed in 7.3.4: migrate_vma_insert_page"
        "the zero page loses its uffd-wp bit when it is migrated to a device";
    SwapinRace "swapin-race" "4969c1192d15"
        "do_swap_page does not check that the folio it has locked is still in the swap cache of its slot";
    PagemapNoMmget "pagemap-no-mmget" "pin rule of pagemap_read"
        "nothing keeps the address space alive while a pagemap reader is between two tables, without mmap_lock";
    ThpSplitDirty "thp-split-dirty" "0ccf7f168e17"
        "the split of a huge entry loses its dirty bit";
    HugezeroSplitUffdwp "hugezero-split-uffdwp" "42b2af2c9b7e"
        "the split of a huge zero page drops uffd-wp";
    LatentHugeZeroSplitSoftdirty "latent-huge-zero-split-softdirty" "not fixed in 7.3.4: __split_huge_zero_page_pmd"
        "the split of a huge zero page drops soft-dirty";
    LatentSplitPmdSoftdirty "latent-split-pmd-softdirty" "not fixed in 7.3.4: __split_huge_pmd_locked"
        "the split of a dirty huge entry makes its pages soft-dirty";
    SplitHeadExclusive "split-head-exclusive" "rule of __split_huge_pmd_locked"
        "the split of a huge entry leaves only the head page exclusive";
    LatentSoftdirtyPmdPinned "latent-softdirty-pmd-pinned" "not fixed in 7.3.4: clear_soft_dirty_pmd"
        "clearing soft-dirty of a huge entry does not check whether the page is pinned";
    LatentHugeZeroUnshare "latent-huge-zero-unshare" "not fixed in 7.3.4: do_huge_zero_wp_pmd"
        "a long-term pin replaces a write-protected huge zero page by a writable huge page without uffd-wp";
    LargeReuseOtherMm "large-reuse-other-mm" "rule of __wp_can_reuse_large_anon_folio"
        "a write reuses a page of a large folio that another process maps as well";
    DepositForkMissing "deposit-fork-missing" "rule of copy_huge_pmd"
        "the child's huge entry gets no deposited page table of its own";
    DepositZapKept "deposit-zap-kept" "rule of zap_huge_pmd"
        "the deposited page table of a huge entry stays when the entry goes";
    DepositMoveMissing "deposit-move-missing" "rule of move_huge_pmd"
        "a huge entry that moves leaves its deposited page table behind, in the old table";
    SplitPmdMigrationRef "split-pmd-migration-ref" "9d84604b845c"
        "the split of a huge migration entry takes a reference for each page";
    LatentRestorePmdSoftdirty "latent-restore-pmd-softdirty" "not fixed in 7.3.4: remove_migration_pmd"
        "a dirty huge page is soft-dirty when its migration is over";
    LatentClearSoftdirtyDevprivPmd "latent-clear-softdirty-devpriv-pmd" "not fixed in 7.3.4: clear_soft_dirty_pmd"
        "clearing soft-dirty skips a huge device-private entry";
    LatentMoveSoftdirtyDevprivPmd "latent-move-softdirty-devpriv-pmd" "not fixed in 7.3.4: move_soft_dirty_pmd"
        "a huge device-private entry that moves does not become soft-dirty";
    LatentHmmAbsentPmdOffset "latent-hmm-absent-pmd-offset" "not fixed in 7.3.4: hmm_vma_handle_absent_pmd"
        "hmm_range_fault takes the first page of a huge device page for the one at the address";
    LatentPmdTrylockLivelock "latent-pmd-trylock-livelock" "not fixed in 7.3.4: do_huge_pmd_device_private"
        "a fault on a huge device page retries at once if the folio is locked";
    LatentCollectHugeFaultRef "latent-collect-huge-fault-ref" "not fixed in 7.3.4: migrate_vma_collect_huge_pmd"
        "the huge page of a fault has one reference more than a split allows, so a driver that asks for one page makes no progress";
    LatentSplitFaultPageFreed "latent-split-fault-page-freed" "not fixed in 7.3.4: migrate_vma_split_folio"
        "when the folio of a fault is split, the fault's reference stays with the head page; a new reference goes to the page of the fault, which may be free by then";
    LatentSplitSharedPmd "latent-split-shared-pmd" "not fixed in 7.3.4: migrate_vma_split_unmapped_folio"
        "if a source folio is split in the middle of a migration, other processes keep their huge migration entries for it";
    DepositInsertTwice "deposit-insert-twice" "rule of migrate_vma_insert_huge_pmd_page"
        "a huge device page that replaces the huge zero page brings a second page table";
    LatentSplitFreezeWrongPmd "latent-split-freeze-wrong-pmd" "not fixed in 7.3.4: migrate_vma_split_unmapped_folio"
        "if a source folio is split in the middle of a migration, the split freezes the huge entry that is now at the folio's address, whichever page that entry names";
    InsertHugePgtableLeak "insert-huge-pgtable-leak" "2c6f81d58741"
        "the page table for a huge device page is lost if the page cannot be inserted";
    CollectPartialFolio "collect-partial-folio" "022a12deda53"
        "migrate_vma_collect takes single pages of a large folio";
    MigwaitHeadPage "migwait-head-page" "ffc90cbb2970"
        "a task that waits for the migration of a huge page takes a reference to a tail page";
    ZoneDeviceReinitOrder "zone-device-reinit-order" "12b2285bf3d1"
        "pages of a huge device page still count as its tails when they are used again after it was freed";
    TouchAfterFolioFree "touch-after-folio-free" "399289849560"
        "free_zone_device_folio reads the order of the folio after it has gone back to the driver";
    SplitUnmapFailBug "split-unmap-fail-bug" "504e070dc08f"
        "the split of a folio goes on although a page is still mapped or held";
    SplitPmdMigrationMapcount "split-pmd-migration-mapcount" "ec0abae6dcdf"
        "the split of a huge migration entry counts a mapping of each page";
    PvmwPteMappedThp "pvmw-pte-mapped-thp" "a9a7504d9bea"
        "page_vma_mapped_walk ends at a hole (here: at an empty entry), and misses the pages behind it";
    ThpUffdwpMigration "thp-uffdwp-migration" "24bf08c4376b"
        "a huge migration entry does not keep uffd-wp";
    HugeReuseHeld "huge-reuse-held" "rule of do_huge_pmd_wp_page"
        "a write reuses a huge page although somebody besides its entry holds it";
    GupTailExclusive "gup-tail-exclusive" "rule of gup_must_unshare"
        "GUP asks the tail page whether it is exclusive, and not the head of a huge page";
    HugezeroWpNoFlush "hugezero-wp-no-flush" "rule of do_huge_zero_wp_pmd"
        "replacing the huge zero page flushes nothing";
    ForkHugeKeepsWrite "fork-huge-keeps-write" "rule of copy_huge_pmd"
        "fork leaves the huge entry of the parent writable";
    ZeropageRemapMlocked "zeropage-remap-mlocked" "rule of try_to_map_unused_to_zeropage"
        "the split of a folio maps the shared zero page in an mlocked VMA";
    LatentMprotectBatchSoftdirty "latent-mprotect-batch-softdirty" "not fixed in 7.3.4: modify_prot_start_ptes"
        "mprotect makes dirty pages of a large folio soft-dirty if each page has an entry of its own";
    LatentDeviceRangeMidFolio "latent-device-range-mid-folio" "not fixed in 7.3.4: migrate_device_range"
        "if a range of device pages begins inside a huge page, even a freed one, migrate_device_range skips as many pages as a whole huge page has";
    SplitClobberSwpEntry "split-clobber-swp-entry" "71e2d666ef85"
        "the split of a folio in the swap cache erases the slots of all pages but the first";
    DeferredSplitVsMigration "deferred-split-vs-migration" "f8f931bba0f9"
        "a folio that has moved stays on the queue of deferred splits, even when it is freed";
    LatentPartialNotQueued "latent-partial-not-queued" "not fixed in 7.3.4: remove_migration_ptes"
        "nobody queues a folio for a deferred split if a part of it was unmapped while it was on a device or had migration entries";
    LatentMoveNormalPmdSoftdirty "latent-move-normal-pmd-softdirty" "not fixed in 7.3.4: move_normal_pmd"
        "if mremap moves a page table as a whole, its entries do not become soft-dirty";
    LatentSplitFolioLock "latent-split-folio-lock" "not fixed in 7.3.4: migrate_vma_split_folio"
        "a migration sleeps for the lock of a large folio that it will split, with the locks of other folios held";
    KhugepagedUffdwpRecheck "khugepaged-uffdwp-recheck" "dd47ac428c3f"
        "a collapse checks for write-protected entries only before it takes the locks";
    HugeFaultNoRecheck "huge-fault-no-recheck" "rule of do_huge_pmd_anonymous_page"
        "a fault maps its huge page although another task has mapped one meanwhile";
    HugezeroWpNoRecheck "hugezero-wp-no-recheck" "rule of do_huge_zero_wp_pmd"
        "a write to the huge zero page maps its huge page although another task has mapped one meanwhile";
    CollapseStaleArea "collapse-stale-area" "rule of hugepage_vma_revalidate"
        "a collapse that has taken mmap_lock again does not check whether the VMA still covers the range";
    CollapseHeldRecheck "collapse-held-recheck" "rule of __collapse_huge_page_isolate"
        "a collapse checks for references to a page only before it takes the locks";
    LatentSoftdirtyReadonlyPinned "latent-softdirty-readonly-pinned" "not fixed in 7.3.4: pte_is_pinned"
        "clearing soft-dirty treats a pinned page as not pinned if its entry is not writable";
}
