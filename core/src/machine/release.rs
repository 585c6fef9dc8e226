//! The kernels whose rules the model follows, where a rule changed without an invariant being broken.
//!
//! Nothing else compares releases: whoever needs to know asks for a rule by its name ([`State::rules`]). What is a bug is
//! not here.

use crate::state::State;

/// A kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 6.12.
    V6_12,
    /// 7.2.
    V7_2,
    /// 7.3, the newest that the model follows.
    #[default]
    V7_3,
}

impl Release {
    /// All, the oldest first.
    pub const ALL: [Self; 3] = [Self::V6_12, Self::V7_2, Self::V7_3];

    /// The release whose rules are those of a kernel of this version: the first that is not older, or the newest.
    pub const fn of(major: u32, minor: u32) -> Self {
        match (major, minor) {
            (..=6, ..=12) | (..=5, _) => Self::V6_12,
            (..=6, _) | (7, ..=2) => Self::V7_2,
            _ => Self::V7_3,
        }
    }

    /// Its rules.
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::V6_12 => &const { Rules::of(Self::V6_12) },
            Self::V7_2 => &const { Rules::of(Self::V7_2) },
            Self::V7_3 => &const { Rules::of(Self::V7_3) },
        }
    }

    /// As it is written: 7.3.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V6_12 => "6.12",
            Self::V7_2 => "7.2",
            Self::V7_3 => "7.3",
        }
    }
}

/// A rule, for who lists them.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, that of a field of [`Rules`].
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// The kernel function.
    pub function: &'static str,
    /// What holds since then.
    pub what: &'static str,
}

macro_rules! rules {
    ($($name:ident $since:ident $function:literal $what:literal)*) => {
        /// Which of the newer rules a kernel has.
        #[derive(Clone, Copy, Debug)]
        pub struct Rules {
            $(#[doc = $what] pub $name: bool,)*
        }

        impl Rules {
            const fn of(release: Release) -> Self {
                Self { $($name: release as u8 >= Release::$since as u8,)* }
            }
        }

        /// All rules.
        pub const RULES: &[Rule] = &[$(Rule {
            name: stringify!($name),
            since: Release::$since,
            function: $function,
            what: $what,
        },)*];
    };
}

rules! {
    bare_area_takes_anon_vma V7_2 "is_mergeable_anon_vma"
        "An area with an anon_vma merges into one that has none, unless a fork made it (6.16; before, never)."
    merging_keeps_soft_dirty V7_2 "vma_merge_existing_range"
        "An area that grows over another one is soft-dirty if either was (before, each kept its own mark, or what changed gave it)."
    absent_entry_is_not_dirty V7_2 "try_to_migrate_one"
        "Only a present entry is asked whether it is dirty. (Before, a device-private one always was: bit 58, of the \
         shadow stacks' dirty, is there a bit of the inverted offset. 63867c82d0c0 mended the same in migrate_vma_collect_pmd.)"
    exclusive_entry_knows_no_write V7_2 "change_softleaf_pte"
        "A device-exclusive entry does not say whether it may come back writable, so mprotect has nothing to take away (c25465eb7630)."
    exclusive_waits_for_lock V7_2 "make_device_exclusive"
        "A folio that is locked is waited for (6.15; before, it is not made exclusive)."
    held_lazyfree_stays V7_2 "try_to_unmap_one"
        "A lazily freed folio that is clean stays one when reclaim meets a reference to it (before, it is an ordinary one for good)."
    mremap_checks_first V7_2 "check_mremap_params"
        "mremap checks the addresses before it looks for the area, and the area before it unmaps what is in the way."
    mremap_moves_areas V7_2 "remap_move"
        "mremap moves all areas of a range (6.17; before, one)."
    swap_slot_goes_after_mapping V7_2 "do_swap_page"
        "A fault gives the swap slot up behind the mapping of the folio (7.0; before, ahead of it, and the folio can be exclusive then)."
    late_swapin_frees_slot V7_2 "do_swap_page"
        "A fault that finds another entry than it came for gives the slot up if nothing needs it (before, it leaves it alone)."
    locked_swapin_is_held V7_2 "wp_can_reuse_anon_folio"
        "A write that finds its page in the swap cache and maps it in a locked area copies it, unless it is exclusive: the batch \
         of mlock_folio has a reference then (7.0; before, the fault asks for the last reference ahead of the mapping)."
    registered_copy_stays_apart V7_3 "vma_merge_copied_range"
        "What mremap copies of an area with a userfaultfd, which the copy has not, merges with nobody."
    swap_slot_goes_to_exclusive V7_3 "should_try_to_free_swap"
        "A write gives the slot up if the entry says that the page is exclusive (before, if nobody else has a reference and \
         the new mapping does not allow the write; in 6.12, whether or not it does)."
    hmm_says_why V7_3 "hmm_do_fault"
        "A device's access that runs out of memory is -ENOMEM (before, -EFAULT)."
    swap_write_is_queued V7_3 "__swap_writepage"
        "A page that reclaim writes is queued, and stays in the swap cache: whoever reclaims it again frees it (before, it \
         was written and freed at once). A page of zeroes needs no write."
}

impl State {
    /// The rules of the kernel that the model is.
    #[inline]
    pub fn rules(&self) -> &'static Rules {
        self.release.rules()
    }
}
