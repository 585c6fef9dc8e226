// SPDX-License-Identifier: GPL-2.0
/*
 * The places at which a task can be stopped: entries of functions of the kernel, and returns from
 * them. triage/src/linux/places.rs says which scheduling point of the model each stands for.
 *
 * A function that is inlined, or declared so, has no entry for ftrace. If the entry of a function
 * has `returns` set, the function must have at most six arguments.
 */
#include <linux/version.h>

#include "stop.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#define RMAP_INSERT "anon_vma_interval_tree_insert"
#define RMAP_REMOVE "anon_vma_interval_tree_remove"
#else
#define RMAP_INSERT "anon_rmap_tree_insert"
#define RMAP_REMOVE "anon_rmap_tree_remove"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define ZAP_AREA "unmap_page_range"
#define SWAPIN_SYNC "alloc_swap_folio"
#else
#define ZAP_AREA "__zap_vma_range"
#define SWAPIN_SYNC "swapin_sync"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define ADVISED "walk_page_range"
#else
#define ADVISED "walk_page_range_vma"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define WRITEOUT "swap_writepage"
#define PTE_LOCK "__pte_offset_map_lock"
#else
#define WRITEOUT "swap_writeout"
#define PTE_LOCK "pte_offset_map_lock"
#endif

const struct mmfuzz_place mmfuzz_places[MMFUZZ_PLACES] = {
	[MMFUZZ_AT_FAULT] = { "handle_pte_fault", .of = OF_VMF },
	[MMFUZZ_AT_ANON_LOCK] = { PTE_LOCK, .caller = "do_anonymous_page", .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_WP_LOCK] = { "_raw_spin_lock", .caller = "handle_pte_fault", .of = OF_FAULT, .in_rcu = true },
	[MMFUZZ_AT_COPY_LOCK] = { PTE_LOCK, .caller = "wp_page_copy", .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_SWAP_FAULT] = { "do_swap_page", .of = OF_VMF },
	[MMFUZZ_AT_SWAP_LOOKUP] = { "swap_cache_get_folio", .caller = "do_swap_page", .of = OF_FAULT },
	[MMFUZZ_AT_SWAP_LOOKED_UP] = { "swap_cache_get_folio", .caller = "do_swap_page", .of = OF_FAULT,
				       .returns = true },
	[MMFUZZ_AT_SWAP_READ] = { "swap_read_folio" },
	[MMFUZZ_AT_SWAP_IS_READ] = { SWAPIN_SYNC, .caller = "do_swap_page", .of = OF_FAULT, .returns = true },
	[MMFUZZ_AT_SWAP_IS_READ_AHEAD] = { "swapin_readahead", .caller = "do_swap_page", .of = OF_FAULT,
					   .returns = true },
	[MMFUZZ_AT_SWAP_LOCK] = { PTE_LOCK, .caller = "do_swap_page", .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_MIGRATE_TO_RAM] = { "mmfuzz_migrate_to_ram", .of = OF_VMF },
	[MMFUZZ_AT_MIGRATION_WAIT] = { "migration_entry_wait", .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_EXCLUSIVE_FAULT] = { "remove_device_exclusive_entry", .of = OF_VMF },
	[MMFUZZ_AT_EXCLUSIVE_LOCK] = { PTE_LOCK, .caller = "remove_device_exclusive_entry",
				       .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_FORK_TABLE] = { "copy_pte_range", .of = OF_ADDRESS, .arg = 4 },
	[MMFUZZ_AT_FORK_LOCK] = { PTE_LOCK, .caller = "copy_pte_range", .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_FORK_END] = { "copy_pte_range", .of = OF_ADDRESS, .arg = 4, .returns = true },
	[MMFUZZ_AT_ZAP_TABLE] = { "zap_pte_range", .of = OF_ADDRESS, .arg = 3 },
	[MMFUZZ_AT_ZAP_END] = { ZAP_AREA, .of = OF_ADDRESS, .arg = 2, .returns = true },
	[MMFUZZ_AT_CHANGE_TABLE] = { "change_pte_range", .of = OF_ADDRESS, .arg = 3 },
	[MMFUZZ_AT_CHANGE_END] = { "change_protection_range", .of = OF_ADDRESS, .arg = 2, .returns = true },
	[MMFUZZ_AT_CLEAR_TABLE] = { "clear_refs_pte_range", .of = OF_ADDRESS, .arg = 1 },
	[MMFUZZ_AT_CLEAR_END] = { "walk_page_range", .caller = "clear_refs_write", .returns = true },
	[MMFUZZ_AT_ADVISE_FREE_TABLE] = { "madvise_free_pte_range", .of = OF_ADDRESS, .arg = 1 },
	[MMFUZZ_AT_ADVISE_COLD_TABLE] = { "madvise_cold_or_pageout_pte_range", .of = OF_ADDRESS, .arg = 1 },
	[MMFUZZ_AT_ADVISE_END] = { ADVISED, .returns = true },
	[MMFUZZ_AT_PAGEMAP_LOCK] = { "down_read_killable", .caller = "pagemap_read" },
	[MMFUZZ_AT_PAGEMAP_TABLE] = { "pagemap_pmd_range", .of = OF_ADDRESS, .arg = 1 },
	[MMFUZZ_AT_PAGEMAP_HOLE] = { "pagemap_pte_hole" },
	[MMFUZZ_AT_MOVE_LOCK] = { PTE_LOCK, .caller = "move_ptes", .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_COLLECT_TABLE] = { "migrate_vma_collect_pmd", .of = OF_ADDRESS, .arg = 1 },
	[MMFUZZ_AT_COLLECT_HOLE] = { "migrate_vma_collect_hole", .of = OF_ADDRESS, .arg = 0 },
	[MMFUZZ_AT_TRY_TO_MIGRATE] = { "try_to_migrate" },
	[MMFUZZ_AT_TRY_TO_UNMAP] = { "try_to_unmap" },
	[MMFUZZ_AT_CHECK_PAGE] = { "migrate_vma_check_page" },
	[MMFUZZ_AT_SETUP_DONE] = { "mmfuzz_setup_done" },
	[MMFUZZ_AT_VMA_PAGES] = { "migrate_vma_pages" },
	[MMFUZZ_AT_DEVICE_PAGES] = { "migrate_device_pages" },
	[MMFUZZ_AT_PAGE_MAPPING] = { "folio_mapping", .caller = "__migrate_device_pages" },
	[MMFUZZ_AT_MIGRATE_MAPPING] = { "folio_migrate_mapping", .caller = "__migrate_device_pages" },
	[MMFUZZ_AT_INSERT_LOCK] = { PTE_LOCK, .caller = "migrate_vma_insert_page", .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_VMA_FINALIZE] = { "migrate_vma_finalize" },
	[MMFUZZ_AT_DEVICE_FINALIZE] = { "migrate_device_finalize" },
	[MMFUZZ_AT_MIGRATE_ONE] = { "try_to_migrate_one" },
	[MMFUZZ_AT_UNMAP_ONE] = { "try_to_unmap_one" },
	[MMFUZZ_AT_WALK_MAPPED] = { "page_vma_mapped_walk" },
	[MMFUZZ_AT_REMOVE_PTE] = { "remove_migration_pte" },
	[MMFUZZ_AT_PREPARE_LOCK] = { "_raw_spin_lock", .caller = "__anon_vma_prepare" },
	[MMFUZZ_AT_CLONE] = { "anon_vma_clone", .caller = "anon_vma_fork", .of = OF_AREA, .arg = 1 },
	[MMFUZZ_AT_RMAP_INSERT] = { RMAP_INSERT },
	[MMFUZZ_AT_UNLINK_LOCK] = { "down_write", .caller = "unlink_anon_vmas" },
	[MMFUZZ_AT_RMAP_REMOVE] = { RMAP_REMOVE },
	[MMFUZZ_AT_GUP_AREA] = { "gup_vma_lookup", .of = OF_ADDRESS, .arg = 1 },
	[MMFUZZ_AT_FOLLOW] = { "follow_page_mask", .of = OF_ADDRESS, .arg = 1 },
	[MMFUZZ_AT_HMM_TABLE] = { "hmm_vma_walk_pmd", .of = OF_ADDRESS, .arg = 1 },
	[MMFUZZ_AT_HMM_HOLE] = { "hmm_vma_walk_hole", .of = OF_ADDRESS, .arg = 0 },
	[MMFUZZ_AT_DEVICE_MAP] = { "mmfuzz_device_map" },
	[MMFUZZ_AT_INVALIDATED] = { "mirror_invalidate", .of = OF_RANGE, .arg = 1, .returns = true },
	[MMFUZZ_AT_EXCLUSIVE_WALK] = { "folio_walk_start", .caller = "make_device_exclusive",
				       .of = OF_ADDRESS, .arg = 2 },
	[MMFUZZ_AT_SHRINK] = { "shrink_folio_list" },
	[MMFUZZ_AT_WRITTEN_OUT] = { WRITEOUT, .returns = true },
	[MMFUZZ_AT_SUBMIT] = { "swap_write_submit" },
	[MMFUZZ_AT_MOVE_TO_NEW] = { "move_to_new_folio" },
};
