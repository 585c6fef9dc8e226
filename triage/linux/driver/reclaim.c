// SPDX-License-Identifier: GPL-2.0
/* Reclaims one folio, as memory pressure does. */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/swap.h>

#include "internal.h"

/*
 * Reclaims the folio that an entry names, or that the swap cache has for it. The result is the
 * number of pages freed.
 */
long mmfuzz_reclaim(struct mmfuzz_range *range)
{
	struct page *page = mmfuzz_hold_entry(range->addr);
	struct folio *folio;
	LIST_HEAD(folios);

	if (!page)
		return -ENOENT;
	folio = page_folio(page);
	/* a folio that waits in a batch is not on a list yet */
	lru_add_drain();
	/* memory pressure does not look at unevictable folios */
	if (!folio_test_unevictable(folio) && folio_isolate_lru(folio))
		list_add(&folio->lru, &folios);
	put_page(page);
	range->result = reclaim_pages(&folios);
	return 0;
}
