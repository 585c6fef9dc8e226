// SPDX-License-Identifier: GPL-2.0
/* Pages that a device has exclusively, for atomic operations. */
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>

#include "internal.h"

/*
 * The page at @addr, locked and with a reference, exclusive to the device; NULL if its folio is
 * locked.
 */
static struct page *get_exclusive(struct mm_struct *mm, unsigned long addr, struct mmfuzz_device *device)
{
	struct folio *folio;

	return make_device_exclusive(mm, addr, device, &folio);
}

/* Makes one page exclusive to a device. Returns 1 if it succeeds, 0 if the folio is locked. */
static int exclusive_page(struct device_table *table, unsigned long addr)
{
	struct mm_struct *mm = table->mirror->mm;
	struct page *page;
	unsigned long seq;
	int ret;

	do {
		/*
		 * This may take the page back from a device or copy it, which changes the sequence
		 * number. So it comes before the number is read.
		 */
		mmap_read_lock(mm);
		ret = get_user_pages_remote(mm, addr, 1, FOLL_WRITE, &page, NULL);
		mmap_read_unlock(mm);
		if (ret != 1)
			return ret ?: -EFAULT;
		put_page(page);
		seq = mmu_interval_read_begin(&table->notifier);
		mmap_read_lock(mm);
		page = get_exclusive(mm, addr, table->device);
		mmap_read_unlock(mm);
		if (IS_ERR_OR_NULL(page))
			return PTR_ERR_OR_ZERO(page);
		ret = mmfuzz_device_map(table, addr, page_to_pfn(page), true, seq);
		unlock_page(page);
		put_page(page);
	} while (ret == -EBUSY && !fatal_signal_pending(current));
	return ret ?: 1;
}

/*
 * Makes pages exclusive up to the first that fails. A page whose folio is locked is passed over.
 * Returns an error only if no page became exclusive.
 */
long mmfuzz_make_exclusive(struct session *session, struct mmfuzz_range *range)
{
	struct mirror *mirror = mmfuzz_find_mirror(session, current->mm);
	unsigned int i;
	int ret = 0;

	if (!mirror)
		return -ENOENT;
	range->result = 0;
	for (i = 0; ret >= 0 && i < range->len; i++) {
		ret = exclusive_page(&mirror->tables[range->dev], range->addr + i * PAGE_SIZE);
		if (ret > 0)
			range->result++;
	}
	return ret < 0 && !range->result ? ret : 0;
}
