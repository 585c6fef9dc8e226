//! The places inside the kernel at which the guest can stop a task.

use serde::{Deserialize, Serialize};

/// A place. The order is that of `enum mmfuzz_at_place` of the driver, whose `places.c` says which
/// function of which kernel each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// Entry of `handle_pte_fault`.
    Fault,
    /// Entry of `pte_offset_map_lock`, called by `do_anonymous_page`.
    AnonLock,
    /// Entry of `_raw_spin_lock`, called by `handle_pte_fault`.
    WpLock,
    /// Entry of `pte_offset_map_lock`, called by `wp_page_copy`.
    CopyLock,
    /// Entry of `do_swap_page`.
    SwapFault,
    /// Entry of `swap_cache_get_folio`, called by `do_swap_page`.
    SwapLookup,
    /// Return from `swap_cache_get_folio`, called by `do_swap_page`.
    SwapLookedUp,
    /// Entry of `swap_read_folio`.
    SwapRead,
    /// Return from `swapin_sync`, called by `do_swap_page`.
    SwapIsRead,
    /// Return from `swapin_readahead`, called by `do_swap_page`.
    SwapIsReadAhead,
    /// Entry of `pte_offset_map_lock`, called by `do_swap_page`.
    SwapLock,
    /// Entry of `mmfuzz_migrate_to_ram`.
    MigrateToRam,
    /// Entry of `migration_entry_wait`.
    MigrationWait,
    /// Entry of `remove_device_exclusive_entry`.
    ExclusiveFault,
    /// Entry of `pte_offset_map_lock`, called by `remove_device_exclusive_entry`.
    ExclusiveLock,
    /// Entry of `copy_pte_range`.
    ForkTable,
    /// Entry of `pte_offset_map_lock`, called by `copy_pte_range`.
    ForkLock,
    /// Return from `copy_pte_range`.
    ForkEnd,
    /// Entry of `zap_pte_range`.
    ZapTable,
    /// Return from `__zap_vma_range`.
    ZapEnd,
    /// Entry of `change_pte_range`.
    ChangeTable,
    /// Return from `change_protection_range`.
    ChangeEnd,
    /// Entry of `clear_refs_pte_range`.
    ClearTable,
    /// Return from `walk_page_range`, called by `clear_refs_write`.
    ClearEnd,
    /// Entry of `madvise_free_pte_range`.
    AdviseFreeTable,
    /// Entry of `madvise_cold_or_pageout_pte_range`.
    AdviseColdTable,
    /// Return from `walk_page_range_vma`.
    AdviseEnd,
    /// Entry of `down_read_killable`, called by `pagemap_read`.
    PagemapLock,
    /// Entry of `pagemap_pmd_range`.
    PagemapTable,
    /// Entry of `pagemap_pte_hole`.
    PagemapHole,
    /// Entry of `pte_offset_map_lock`, called by `move_ptes`.
    MoveLock,
    /// Entry of `migrate_vma_collect_pmd`.
    CollectTable,
    /// Entry of `migrate_vma_collect_hole`.
    CollectHole,
    /// Entry of `try_to_migrate`.
    TryToMigrate,
    /// Entry of `try_to_unmap`.
    TryToUnmap,
    /// Entry of `migrate_vma_check_page`.
    CheckPage,
    /// Entry of `mmfuzz_setup_done`.
    SetupDone,
    /// Entry of `migrate_vma_pages`.
    VmaPages,
    /// Entry of `migrate_device_pages`.
    DevicePages,
    /// Entry of `folio_mapping`, called by `__migrate_device_pages`.
    PageMapping,
    /// Entry of `folio_migrate_mapping`, called by `__migrate_device_pages`.
    MigrateMapping,
    /// Entry of `pte_offset_map_lock`, called by `migrate_vma_insert_page`.
    InsertLock,
    /// Entry of `migrate_vma_finalize`.
    VmaFinalize,
    /// Entry of `migrate_device_finalize`.
    DeviceFinalize,
    /// Entry of `try_to_migrate_one`.
    MigrateOne,
    /// Entry of `try_to_unmap_one`.
    UnmapOne,
    /// Entry of `page_vma_mapped_walk`.
    WalkMapped,
    /// Entry of `remove_migration_pte`.
    RemovePte,
    /// Entry of `_raw_spin_lock`, called by `__anon_vma_prepare`.
    PrepareLock,
    /// Entry of `anon_vma_clone`, called by `anon_vma_fork`.
    Clone,
    /// Entry of `anon_rmap_tree_insert`.
    RmapInsert,
    /// Entry of `down_write`, called by `unlink_anon_vmas`.
    UnlinkLock,
    /// Entry of `anon_rmap_tree_remove`.
    RmapRemove,
    /// Entry of `gup_vma_lookup`.
    GupArea,
    /// Entry of `follow_page_mask`.
    Follow,
    /// Entry of `hmm_vma_walk_pmd`.
    HmmTable,
    /// Entry of `hmm_vma_walk_hole`.
    HmmHole,
    /// Entry of `mmfuzz_device_map`.
    DeviceMap,
    /// Return from `mirror_invalidate`.
    Invalidated,
    /// Entry of `folio_walk_start`, called by `make_device_exclusive`.
    ExclusiveWalk,
    /// Entry of `shrink_folio_list`.
    Shrink,
    /// Return from `swap_writeout`.
    WrittenOut,
    /// Entry of `swap_write_submit`.
    Submit,
    /// Entry of `move_to_new_folio`.
    MoveToNew,
}

impl Place {
    /// The number of places.
    pub const COUNT: usize = Self::MoveToNew as usize + 1;

    /// The place as a bit of [`Stage::places`].
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// A part of the way to a stop: the operation is at one of these places this many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The places, one bit each.
    pub places: u64,
    /// How many times; not 0.
    pub times: u16,
}

impl Stage {
    /// At any of `places`, `times` times.
    #[must_use]
    pub fn new(places: &[Place], times: usize) -> Self {
        Self {
            places: places.iter().map(|place| place.bit()).sum(),
            times: u16::try_from(times).unwrap_or(u16::MAX),
        }
    }
}

/// Where an operation stops: at the end of the last of these stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPoint {
    /// The stages, in order: one or two. Each counts from the end of the one before, and the first
    /// from the start of the operation.
    pub stages: Vec<Stage>,
}

/// The most stages of a stop, as in the driver.
pub const MAX_STAGES: usize = 2;
/// The most stops of an operation, as in the driver.
pub const MAX_STOPS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_limits_are_those_of_the_driver() {
        let header = include_str!("../../driver/mmfuzz_dev.h");
        let body = header.split("enum mmfuzz_at_place {").nth(1);
        let body = body
            .and_then(|body| body.split('}').next())
            .expect("an enum");
        let names: Vec<_> = body.split(',').map(str::trim).collect();
        let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
        assert_eq!(names.len(), Place::COUNT + 1, "and the count");
        let (source, mut listed) = (include_str!("place.rs"), 0);
        let variants = source.split("pub enum Place {").nth(1).expect("an enum");
        let variants = variants.split("\n}").next().expect("its end");
        let variants = variants.lines().map(str::trim);
        for (variant, name) in variants.filter(|line| line.ends_with(',')).zip(&names) {
            let snake: String =
                variant
                    .trim_end_matches(',')
                    .chars()
                    .fold(String::from("MMFUZZ_AT"), |name, c| {
                        match c.is_uppercase() {
                            true => name + "_" + &c.to_string(),
                            false => name + &c.to_uppercase().to_string(),
                        }
                    });
            assert_eq!(&snake, name);
            listed += 1;
        }
        assert_eq!(listed, Place::COUNT);
        for (name, value) in [("STOPS", MAX_STOPS), ("STAGES", MAX_STAGES)] {
            assert!(header.contains(&format!("#define MMFUZZ_MAX_{name} {value}\n")));
        }
    }
}
