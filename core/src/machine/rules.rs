//! The kernel versions whose rules the model can follow.
//!
//! A rule is here if kernel versions behave differently and each behaviour keeps all invariants.
//! Bugs are not rules. No other module compares versions: the code asks for a rule by its name
//! ([`State::rules`]).

use crate::state::State;

/// A kernel version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum KernelVersion {
    /// 6.12.
    V6_12,
    /// 7.2.
    V7_2,
    /// 7.3, the newest that the model follows.
    #[default]
    V7_3,
}

impl KernelVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V6_12, Self::V7_2, Self::V7_3];

    /// The version whose rules apply to kernel `major.minor`: that kernel itself if it is listed,
    /// otherwise the next newer version, or the newest one if there is no newer one.
    pub const fn of(major: u32, minor: u32) -> Self {
        match (major, minor) {
            (..=6, ..=12) | (..=5, _) => Self::V6_12,
            (..=6, _) | (7, ..=2) => Self::V7_2,
            _ => Self::V7_3,
        }
    }

    /// The rules of this version.
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::V6_12 => &const { Rules::of(Self::V6_12) },
            Self::V7_2 => &const { Rules::of(Self::V7_2) },
            Self::V7_3 => &const { Rules::of(Self::V7_3) },
        }
    }

    /// The version as text, such as `7.3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V6_12 => "6.12",
            Self::V7_2 => "7.2",
            Self::V7_3 => "7.3",
        }
    }
}

/// The description of a rule, for tables.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, which is that of a field of [`Rules`].
    pub name: &'static str,
    /// The first version that has it.
    pub since: KernelVersion,
    /// The kernel function that it is about.
    pub function: &'static str,
    /// The behaviour since then.
    pub what: &'static str,
}

macro_rules! rules {
    ($($name:ident $since:ident $function:literal $what:literal)*) => {
        /// The rules of a kernel version. A field is true if the version has the newer behaviour.
        #[derive(Clone, Copy, Debug)]
        pub struct Rules {
            $(#[doc = $what] pub $name: bool,)*
        }

        impl Rules {
            const fn of(release: KernelVersion) -> Self {
                Self { $($name: release as u8 >= KernelVersion::$since as u8,)* }
            }
        }

        /// All rules.
        pub const RULES: &[Rule] = &[$(Rule {
            name: stringify!($name),
            since: KernelVersion::$since,
            function: $function,
            what: $what,
        },)*];
    };
}

rules! {
    bare_area_takes_anon_vma V7_2 "is_mergeable_anon_vma"
        "A VMA without an anon_vma may grow over a VMA that has one, unless that second VMA came \
         from a fork (6.16; before, a VMA without an anon_vma never grew over one that has an \
         anon_vma)."
    merging_keeps_soft_dirty V7_2 "vma_merge_existing_range"
        "A VMA that grows over another is soft-dirty if either was. (Before, it keeps its own \
         soft-dirty flag. But if it grows because a call changes the flags of a range, it takes the \
         flag of that range.)"
    absent_entry_is_not_dirty V7_2 "try_to_migrate_one"
        "Only a present entry is tested for dirty. (Before, a device-private entry always tests \
         dirty: bit 58, the dirty bit of shadow stacks, is part of the inverted offset in such an \
         entry. 63867c82d0c0 fixed the same mistake in migrate_vma_collect_pmd.)"
    exclusive_entry_knows_no_write V7_2 "change_softleaf_pte"
        "A device-exclusive entry does not record write permission, so mprotect has none to \
         remove (c25465eb7630)."
    exclusive_waits_for_lock V7_2 "make_device_exclusive"
        "make_device_exclusive waits for the folio lock (6.15; before, it does not make a locked \
         folio exclusive)."
    held_lazyfree_stays V7_2 "try_to_unmap_one"
        "A clean lazily freed folio stays lazily freed if reclaim finds another reference to it \
         (before, it becomes an ordinary folio for good)."
    mremap_checks_first V7_2 "check_mremap_params"
        "mremap checks the addresses before it looks up the VMA, and looks up the VMA before it \
         unmaps the destination."
    mremap_moves_areas V7_2 "remap_move"
        "mremap moves all VMAs of a range (6.17; before, only one)."
    swap_slot_goes_after_mapping V7_2 "do_swap_page"
        "A fault frees the swap slot after it maps the folio (7.0; before, it frees the slot \
         first, and the folio can then become exclusive)."
    late_swapin_frees_slot V7_2 "do_swap_page"
        "A fault that finds the entry changed frees the swap slot if no entry needs it (before, \
         it leaves the slot alone)."
    locked_swapin_is_held V7_2 "wp_can_reuse_anon_folio"
        "In an mlocked VMA, a write fault that finds its page in the swap cache copies the page if \
         it is not exclusive: the fault maps the page before it checks for other references, and \
         the mlock batch holds one by then. (7.0; before, the fault checked first.)"
    fork_allocates_first V7_2 "anon_vma_fork"
        "fork allocates an anon_vma and its chain link before it links a VMA of the child, even if \
         the child then reuses an inherited anon_vma (before, only if it reuses none)."
    failed_fork_unmaps_locked V7_2 "dup_mmap"
        "A fork that fails unmaps the child's VMAs while it holds mmap_lock of the parent (before, \
         it unlocks the parent first)."
    mprotect_batches V7_2 "modify_prot_start_ptes"
        "mprotect changes the entries of a batch at once, and all of them become young or dirty if \
         one is. A batch maps consecutive pages of a large folio, by entries that differ in these \
         bits only. (6.17; before, mprotect changes each entry by itself.)"
    zap_frees_tables V7_2 "zap_pte_range"
        "MADV_DONTNEED frees a page table that it empties, if the range and the VMA cover the whole \
         table (6.14; before, the table stays until the VMAs that use it are unmapped)."
    underused_spares_mlocked V7_2 "deferred_split_scan"
        "For the shrinker of deferred splits, an mlocked huge page is never underused, so its pages \
         of zeroes are no reason to split it (before, they are)."
    registered_copy_stays_apart V7_3 "vma_merge_copied_range"
        "mremap does not merge the copy of a VMA that is registered with userfaultfd; the copy \
         itself is not registered."
    swap_slot_goes_to_exclusive V7_3 "should_try_to_free_swap"
        "A write fault frees the swap slot if the swap entry marks the page exclusive. (From \
         7.0 to 7.2: if nobody else holds a reference and the new entry is not writable; before \
         7.0: if nobody else holds a reference.)"
    hmm_says_why V7_3 "hmm_do_fault"
        "hmm_range_fault returns -ENOMEM if a fault runs out of memory (before, -EFAULT)."
    swap_write_is_queued V7_3 "__swap_writepage"
        "Reclaim queues the write of a page and leaves the page in the swap cache; reclaiming it \
         again frees it (before, reclaim writes and frees it at once). A page of zeroes is \
         never queued."
}

impl State {
    /// The rules of the kernel that this state models.
    #[inline]
    pub fn rules(&self) -> &'static Rules {
        self.release.rules()
    }
}
