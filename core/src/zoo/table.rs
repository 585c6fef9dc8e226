//! The bugs by name: a row for each, which is all that the core knows of it. What finds a bug is for the laboratory to
//! say.

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
        pub const TABLE: &[Entry] = &[$(Entry {
            bug: Bug::$name,
            slug: $slug,
            commit: $commit,
            what: $what,
        },)*];
    };
}

/// One row of the [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The switch.
    pub bug: Bug,
    /// Its name on the command line and in file names.
    pub slug: &'static str,
    /// The kernel commit that mended it, or what is known instead.
    pub commit: &'static str,
    /// What is broken.
    pub what: &'static str,
}

bugs! {
    TtuSubpageFromSwapPte "ttu-subpage-from-swap-pte" "1de13ee59225"
        "try_to_migrate_one takes the subpage from the present-format pfn of a device-private entry";
    DevprivMappingReuse "devpriv-mapping-reuse" "7ab0ad0e74f8"
        "a freed device page keeps ->mapping, and the anon setter trusts it when the page is reused";
    PvmwDevprivNeverMatches "pvmw-devpriv-never-matches" "aab8d0520e6e"
        "page_vma_mapped_walk never returns a device-private entry, so the page cannot be unmapped";
    MigentWriteAttrFromSwapPte "migent-write-attr-from-swap-pte" "mm/migrate: properly preserve write attribute (4.17)"
        "migrate_vma_collect asks the raw device-private entry for its write bit";
    SlowpathRoMigent "slowpath-ro-migent" "dfd8562c52a5"
        "try_to_migrate_one installs a read-only migration entry for every device-private entry";
    RmapSoftdirtyUffdCopy "rmap-softdirty-uffd-copy" "ad7df764b7e1"
        "try_to_migrate_one reads soft-dirty and uffd-wp of a device-private entry as if it were present";
    RestoreUffdwpAccessor "restore-uffdwp-accessor" "ebdf8321eeeb"
        "remove_migration_pte sets uffd-wp of a device-private entry at the present-format position";
    CollectLostDirty "collect-lost-dirty" "fd35ca3d12cc"
        "migrate_vma_collect clears a dirty entry without telling the folio";
    PmdDevprivSoftdirtyAsWrite "pmd-devpriv-softdirty-as-write" "43e7f189769c"
        "a soft-dirty device-private entry is taken for a writable one (here at the lowest level)";
    RestoreWriteAfterMkdirty "restore-write-after-mkdirty" "96a9c287e25d"
        "marking the restored entry dirty makes it writable as well";
    InvariantWriteXorUffdwp "invariant-write-xor-uffdwp" "design rule of copy_nonpresent_pte"
        "a fault in a write-protected range gives write permission and leaves the protection in place";
    FaultDevprivNoPageref "fault-devpriv-no-pageref" "16ce101db85d"
        "do_swap_page hands the driver a device page without a reference, and without looking again";
    MigwaitHoldsRef "migwait-holds-ref" "9a1ea439b16b"
        "a task that waits for a migration keeps a reference to the page, so the migration must fail";
    MigrationRcuAnonVma "migration-rcu-anon-vma" "dc386d4d1e98"
        "nothing keeps the anon_vma alive from the unmap to the restore without mmap_lock (here: migrate_device_range)";
    SwapfaultTrylockLivelock "swapfault-trylock-livelock" "b570f37a2ce4"
        "do_swap_page retries at once when the device page is locked";
    HmmNoEbusy "hmm-no-ebusy" "mm/hmm: always return EBUSY for invalid ranges (5.3)"
        "the result of hmm_range_fault is used although the range was invalidated in between";
    HmmReleaseCallback "hmm-release-callback" "mm/hmm: HMM should have a callback before MM is destroyed (4.17)"
        "the mirror is not told that its address space dies";
    HmmNonownerDevprivNotFaulted "hmm-nonowner-devpriv-not-faulted" "8a295dbbaf72"
        "hmm_range_fault fails on a page that is on another device";
    CollapseNoNotifier "collapse-no-notifier" "f268f6cf875f"
        "entries are removed without telling the mmu notifier (here: zap_page_range)";
    PgmapRefOnAlloc "pgmap-ref-on-alloc" "0dc45ca1ce18"
        "a live device page holds no reference to its pagemap";
    ZoneDeviceExtraRef "zone-device-extra-ref" "27674ef6c73f"
        "migrate_vma_check_page still grants a device page the reference that idle ones had until 5.18";
    LatentThpTrylockRef "latent-thp-trylock-ref" "a30b48bf1b24 (silently)"
        "migrate_vma_collect keeps its reference when the trylock fails (here at the lowest level)";
    FinalizeLruDeadFolio "finalize-lru-dead-folio" "41cddf83d8b0"
        "migrate_device_finalize puts a folio on the LRU that it is about to free";
    PagemapDriverPfnsInMpfn "pagemap-driver-pfns-in-mpfn" "1f1be4ba643f"
        "the driver leaves destinations in the array for pages whose migration was refused";
    LatentMixedOrderFallthrough "latent-mixed-order-fallthrough" "latent in 7.1.3"
        "a destination takes over identity and charge although its migration is refused";
    NouveauZeroPageMigrate "nouveau-zero-page-migrate" "9d4296a7d4b3"
        "the driver does not clear the device page that takes the place of a hole or of the zero page";
    VmNormalPageSpecial "vm-normal-page-special" "c0c6ccd9828c"
        "the zero page is taken for a normal page (here: the small one, in zap)";
    GupPinZeroPage "gup-pin-zero-page" "mm: Don't pin ZERO_PAGE in pin_user_pages() (6.5)"
        "a pin counts on the zero page";
    ForkUffdwpSpecial "fork-uffdwp-special" "8f34f1eac382"
        "fork leaves uffd-wp on non-present entries of a child that is not registered";
    ForkPinnedEarlyCow "fork-pinned-early-cow" "70e806e4e645"
        "fork shares a pinned page, and the next write copies it away from the pin";
    CowEitherWay "cow-either-way" "17839856fd58"
        "a write reuses a page in place that is mapped once, whoever else holds a reference";
    CowWpSimplification "cow-wp-simplification" "be068f29034f"
        "wp_can_reuse_anon_folio leaves the folio locked when it refuses";
    AnonExclusiveGupFast "anon-exclusive-gup-fast" "088b8aa537c2"
        "PageAnonExclusive is cleared before the test for pins";
    AnonVmaDegreeAmbiguity "anon-vma-degree-ambiguity" "2555283eb40d"
        "one counter for children and areas lets an anon_vma be reused twice";
    AnonVmaCloneError "anon-vma-clone-error" "c4ea95d7cd08"
        "a clone that fails half way leaves what it had linked";
    AnonVmaReuseSimpleOnly "anon-vma-reuse-simple-only" "d0e9fe1758f2"
        "anon_vma_prepare shares a neighbour's anon_vma whose chain has more than one link";
    DupAnonVmaNoLock "dup-anon-vma-no-lock" "d8ab9f7b644a"
        "two tasks at the same time each give an area an anon_vma (here: two faults in anon_vma_prepare)";
    AnonVmaPublishBarrier "anon-vma-publish-barrier" "CVE-2026-98507"
        "vma->anon_vma is published before the area is linked";
    ForkLinkAfterCopy "fork-link-after-copy" "order rule of anon_vma_fork"
        "a child's area is linked to the anon_vmas only after the entries were copied, and a walk misses them";
    StaleMappingAfterFreeSwap "stale-mapping-after-free-swap" "CVE-2026-89755"
        "a page that left the swap cache on its way to a device is put into its old slot again, by a mapping read before";
    SwapinSkipCacheAba "swapin-skip-cache-aba" "13ddaf26be32"
        "a fault reads the only reference to a slot past the swap cache, and trusts an equal entry";
    LazyfreeRestoreWritable "lazyfree-restore-writable" "29f40594a281"
        "a lazily freed page that was written again is restored with another entry's write permission";
    LazyfreeThpPmdDiscard "lazyfree-thp-pmd-discard" "mm/rmap: don't discard lazyfree THPs at PMD level (2026)"
        "a lazily freed page is dropped although it was written since (here at the lowest level)";
    MremapVsMigrationRemoval "mremap-vs-migration-removal" "486cf46f3f9b"
        "a walk looks at the copy of an area before the area, and no lock spans the move of an entry";
    AnonVmaMovetoTail "anon-vma-moveto-tail" "108d6642ad81"
        "entries move into an area that a walk looks at before their source, without the anon_vma lock";
    MremapRevertRmapLocks "mremap-revert-rmap-locks" "order rule of move_vma"
        "a move that failed is undone without the anon_vma lock, although a walk looks at the source first";
    ExecStackMigration "exec-stack-migration" "a8bef8ff6ea1"
        "an area gets its new place before its entries do, and a walk misses them (here: mremap of a whole area)";
    MremapLinkAfterMove "mremap-link-after-move" "order rule of copy_vma"
        "the copy of an area is linked to the anon_vmas only after the entries have moved there";
    VmaAdjustNoLock "vma-adjust-no-lock" "lock rule of vma_prepare"
        "an area is split without the anon_vma lock, and a walk under way loses its place";
    PageLockAnonVmaRecheck "page-lock-anon-vma-recheck" "recheck page_mapped in page_lock_anon_vma (2.6.36)"
        "a walk goes through the anon_vma that a page had before the lock was taken, although the page is not mapped any more";
    MremapDontunmapAnonVma "mremap-dontunmap-anon-vma" "ee8ab1903e3d"
        "an area that MREMAP_DONTUNMAP has emptied names an anon_vma that it is not linked to";
    MremapDontunmapPgoff "mremap-dontunmap-pgoff" "mm/mremap: reset unfaulted VMA page offset for MREMAP_DONTUNMAP (2026)"
        "an area that MREMAP_DONTUNMAP has emptied keeps the offsets of the pages that it had";
    MremapDontunmapLockedVm "mremap-dontunmap-locked-vm" "mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP (2026)"
        "MREMAP_DONTUNMAP of a part of a locked area unlocks all of it";
    LatentMunlockNonpresent "latent-munlock-nonpresent" "latent in 6.12.117"
        "munlock passes by a page that a device has, which stays mlocked for good";
    MremapMergeUnfaulted "mremap-merge-unfaulted" "61f67c230a5e"
        "a moved area merges into one without pages, which does not get its anon_vmas";
    VmaAdjustAvcCopy "vma-adjust-avc-copy" "merge 64a8920fab96"
        "an area that grows over part of its neighbour does not get the neighbour's anon_vmas";
    AnonVmaCloneOrder "anon-vma-clone-order" "merge 64a8920fab96"
        "a cloned chain is in the reverse order";
    AnonVmaEndlessGrowth "anon-vma-endless-growth" "3fe89b3e2a7b"
        "a clone that fails uncounts an area that it has not counted yet";
    VmaModifyAfterOom "vma-modify-after-oom" "47b16d0462a4"
        "a merge runs out of memory, and the range that it had grown to is split off instead";
    MremapPartialAtZero "mremap-partial-at-zero" "mm, mremap: fix mremap() expanding vma with addr inside vma (6.1.3)"
        "an area does not grow if the range begins inside it";
    MremapWraparound "mremap-wraparound" "a4a282daf1a1"
        "a move that failed half way takes nothing back";
    MremapUffdwpLeft "mremap-uffdwp-left" "0cef0bb836e3"
        "entries keep uffd-wp when they move out of a registered area";
    MremapBatchWritable "mremap-batch-writable" "04d1c9d60c6e"
        "a batch of entries moves with the write permission of the first one";
    MremapOldSizeZero "mremap-old-size-zero" "01e67e04c281"
        "a move of nothing is announced to the mmu notifiers";
    HugetlbMremapDelta "hugetlb-mremap-delta" "CVE-2026-98373"
        "where the source has no table, only the source's address moves on (here at the lowest level)";
    UprobePteOverwritten "uprobe-pte-overwritten" "2b12d06c37fd"
        "a page is mapped at the destination before the entries arrive, and one overwrites it";
    LatentMremapUffdNeighbour "latent-mremap-uffd-neighbour" "latent in 6.12.117"
        "a neighbour that grows over the destination loses its userfaultfd with the pages that arrive";
    MadvTlbMiss "madv-tlb-miss" "99baac21e458"
        "two that zap at a time: the one that finds nothing left does not flush, and returns before the other has";
    ForkVsGupFast "fork-vs-gup-fast" "57efa1fe5957"
        "gup_fast pins between fork's look for pins and its write protection, and no sequence tells";
    ThpSplitGupFast "thp-split-gup-fast" "3a5a8d343e1c"
        "gup_fast keeps its reference without a second look at the entry (here: at the lowest level)";
    DirtyCow "dirty-cow" "19be0eaffa3a"
        "a write that has broken COW is remembered outside the entry, and lands in whatever page is there then";
    CollectTlbOutsidePtl "collect-tlb-outside-ptl" "60bae7370896"
        "migrate_vma_collect flushes what it cleared after the page-table lock is dropped";
    LatentSplitUnflushedWindow "latent-split-unflushed-window" "latent in 7.1.3"
        "migrate_vma_collect drops the page-table lock with entries of shared pages cleared and not flushed";
    SoftdirtyNoFlush "softdirty-no-flush" "912efa17e512"
        "clear_refs write-protects entries and does not flush: the next writes are not tracked";
    UffdwpDeferredFlush "uffdwp-deferred-flush" "6ce64428d620"
        "a write fault copies a page that another CPU still writes to, for UFFDIO_WRITEPROTECT owes its flush (with the rules of 5.12 for reuse)";
    WrprotectLosesDirty "wrprotect-loses-dirty" "018e9828eb52"
        "write-protecting an entry for a fork drops its dirty bit";
    OomReaperTlb "oom-reaper-tlb" "687cb0884a71"
        "an address space that dies as a whole is not flushed before its pages are freed";
    PagemapNotifierOutsideLock "pagemap-notifier-outside-lock" "4cccb6221cae"
        "a change is announced before mmap_lock is taken (here: by clear_refs)";
    GpusvmMapOrder "gpusvm-map-order" "c50729c68aaf"
        "the driver maps as many pages as the order says, past the range that it asked for (here: two)";
    XeDerefHmmPages "xe-deref-hmm-pages" "0a98219bcc96"
        "the driver uses a page that hmm_range_fault found before it looks at the sequence";
    MprotectVsBatchedUnmap "mprotect-vs-batched-unmap" "3ea277194daa"
        "mprotect passes over entries that reclaim has cleared, and returns while a CPU still translates by them";
    StaleTlbDeferred "stale-tlb-deferred" "383c4613c67c"
        "madvise passes over entries that reclaim has cleared and not flushed (here: MADV_FREE)";
    XeNotifierFolioLock "xe-notifier-folio-lock" "2577b202458c"
        "the driver's invalidation waits for folio locks, which a migration holds when it announces itself";
    ExclNoPageRef "excl-no-page-ref" "7c7b962938dd"
        "a fault on a device-exclusive entry locks the folio without a reference to it";
    ExclMapcountDropped "excl-mapcount-dropped" "f495bd7e0d9b"
        "a device-exclusive entry keeps its reference but is not counted as a mapping";
    ExclWritableByVmaFlag "excl-writable-by-vma-flag" "9a914592140e"
        "what comes back from a device is writable because the area is, although writes are tracked";
    ExclTreatedAsMigration "excl-treated-as-migration" "7b2e497a42cd"
        "the walk that restores migration entries takes device-exclusive ones too";
    ExclMigrateOne "excl-migrate-one" "bf983108be0e"
        "try_to_migrate_one takes the subpage from the present-format pfn of a device-exclusive entry";
    ExclUnmapOne "excl-unmap-one" "65529295607f"
        "try_to_unmap_one takes the subpage from the present-format pfn of a device-exclusive entry";
    ExclRestoreEvent "excl-restore-event" "series of 9a914592140e"
        "the end of exclusivity is announced like its beginning, on behalf of the driver that ignores that";
    NouveauExclusiveMissingUnlock "nouveau-exclusive-missing-unlock" "b3fefbb30a16"
        "the driver forgets a page that was made exclusive when it has to start over";
    AmdkfdHoleMigration "amdkfd-hole-migration" "CVE-2026-89810"
        "when an allocation fails half way, the driver forgets the destinations that it has already";
    DriverEvictOnRelease "driver-evict-on-release" "249881232e14"
        "the memory of a device is given back with live pages in it";
    CollectPtePfnNonpresent "collect-pte-pfn-nonpresent" "63867c82d0c0"
        "migrate_vma_collect asks a device-private entry whether it is dirty, as if it were present";
    KhugepagedZeroPfnNonpresent "khugepaged-zero-pfn-nonpresent" "mm/khugepaged: guard is_zero_pfn() calls with pte_present() (2026)"
        "an entry that is not present is taken for the zero page (here: a device-exclusive one in migrate_vma_collect)";
    ZeropageRemapLostBits "zeropage-remap-lost-bits" "9658d698a8a8"
        "an entry that gets another page loses soft-dirty and uffd-wp (here: the copy of an unshare)";
    UprobeZeropage "uprobe-zeropage" "bddf10d26e6e"
        "the zero page that is replaced is counted down like a page (here: in copy-on-write)";
    PagemapPmdWarn "pagemap-pmd-warn" "cd1fc0e3c1f6"
        "pagemap knows of no entry but migration entries that is not present (here: at the lowest level)";
    SmapsMapcountMigration "smaps-mapcount-migration" "24d7275ce279"
        "an observer reads the mapcount of a page that is being migrated (here: pagemap)";
    PagemapScanLostDirty "pagemap-scan-lost-dirty" "c70dce4982ce"
        "write protection writes back an old copy of the entry (here: UFFDIO_WRITEPROTECT)";
    LatentSoftdirtyKeepsWrite "latent-softdirty-keeps-write" "none: clear_soft_dirty (7.3.4)"
        "clearing soft-dirty leaves an entry that is not present writable, and it comes back writable and untracked";
    LatentHoleUntracked "latent-hole-untracked" "none: migrate_vma_insert_page (7.3.4)"
        "a hole that is filled on a device is writable and not soft-dirty, and what is written to it is not seen";
    LatentZeroPageUffdwpDevice "latent-zero-page-uffdwp-device" "none: migrate_vma_insert_page (7.3.4)"
        "the zero page loses its write protection for userfaultfd on its way to a device";
}
