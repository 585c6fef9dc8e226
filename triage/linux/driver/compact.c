// SPDX-License-Identifier: GPL-2.0
/* Migrates one page to another frame, as compaction does. */
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "internal.h"

static struct folio *alloc_target(struct folio *src, unsigned long private)
{
	return folio_alloc(GFP_HIGHUSER_MOVABLE, 0);
}

/* Migrates a folio as compaction does. The folio must be on an LRU list. */
long mmfuzz_compact(struct mmfuzz_range *range)
{
	struct page *page;
	struct folio *folio;
	LIST_HEAD(folios);
	bool isolated;
	long ret = 1;

	/* references of LRU batches would make the migration fail */
	lru_add_drain();
	page = mmfuzz_hold_entry(range->addr);
	if (!page)
		return -ENOENT;
	folio = page_folio(page);
	if (is_device_private_page(page)) {
		folio_put(folio);
		return -ENOENT;
	}
	/* compaction leaves a huge page alone, since a huge page is what it compacts for */
	isolated = !folio_test_large(folio) && folio_isolate_lru(folio);
	folio_put(folio);
	if (isolated) {
		list_add(&folio->lru, &folios);
		/* a lazily freed page counts as a page of a file */
		node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio), 1);
		ret = migrate_pages(&folios, alloc_target, NULL, 0, MIGRATE_ASYNC, MR_COMPACTION, NULL);
		if (ret)
			putback_movable_pages(&folios);
	}
	range->result = !ret;
	return 0;
}
