/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The differences between the kernels that the driver is built for, 6.12 to 7.3. The other files
 * use the newest names and forms.
 */
#ifndef MMFUZZ_COMPAT_H
#define MMFUZZ_COMPAT_H

#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#include <linux/leafops.h>
#endif

#include "../../mm/internal.h"	/* lru_add_drain() since 7.3 */
#include "../../mm/swap.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#define pte_uffd pte_uffd_wp
#define pte_swp_uffd pte_swp_uffd_wp
#endif

/* Begins the life of a device folio. Before 6.19 its order must be 0. */
static inline void begin_device_folio(struct page *page, struct dev_pagemap *pagemap, unsigned int order)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	zone_device_page_init(page, pagemap, order);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	zone_device_page_init(page, order);
#else
	zone_device_page_init(page);
#endif
}

/* Before 6.19, no huge page migrates to a device. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
#define MIGRATE_PFN_COMPOUND 0
#define MIGRATE_VMA_SELECT_COMPOUND 0
#endif

/*
 * Defines an operation of struct dev_pagemap_ops that calls @free with a page that is no longer
 * used.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define DEFINE_FREE_OPERATION(name, free) static void name(struct folio *folio) { free(&folio->page); }
#define FREE_OPERATION(name) .folio_free = name
#else
#define DEFINE_FREE_OPERATION(name, free) static void name(struct page *page) { free(page); }
#define FREE_OPERATION(name) .page_free = name
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
typedef swp_entry_t softleaf_t;
#ifndef softleaf_from_pte /* 6.12.y has this one */
#define softleaf_from_pte pte_to_swp_entry
#endif
#define softleaf_to_page pfn_swap_entry_to_page
#define softleaf_is_swap(entry) (!non_swap_entry(entry))
#define softleaf_is_marker is_pte_marker_entry
#define softleaf_is_migration is_migration_entry
#define softleaf_is_migration_write is_writable_migration_entry
#define softleaf_is_migration_read_exclusive is_readable_exclusive_migration_entry
#define softleaf_is_migration_young is_migration_entry_young
#define softleaf_is_migration_dirty is_migration_entry_dirty
#define softleaf_is_device_private is_device_private_entry
#define softleaf_is_device_private_write is_writable_device_private_entry
#define softleaf_is_device_exclusive is_device_exclusive_entry
#endif

/* The folio that the swap cache has for an entry, with a reference. */
static inline struct folio *swap_cache_lookup(swp_entry_t entry)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
	return swap_cache_get_folio(entry, NULL, 0);
#else
	return swap_cache_get_folio(entry);
#endif
}

/* What hmm_range_fault() returns for a failed fault: since 7.3 the fault's own error. */
static inline int hmm_fault_error(int error)
{
	return LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0) ? -EFAULT : error;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define FOLIO_ALLOC_SWAP_FAILED 0	/* no entry */
#else
#define FOLIO_ALLOC_SWAP_FAILED (-ENOMEM)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define page_pgmap(page) ((page)->pgmap)

static inline struct page *make_device_exclusive(struct mm_struct *mm, unsigned long addr, void *owner,
						 struct folio **folio)
{
	struct page *page = NULL;
	int ret = make_device_exclusive_range(mm, addr, addr + PAGE_SIZE, &page, owner);

	*folio = page ? page_folio(page) : NULL;
	return ret < 0 ? ERR_PTR(ret) : page;
}
#endif

#endif
