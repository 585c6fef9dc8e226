// SPDX-License-Identifier: GPL-2.0
/*
 * Accesses of a device: reads and writes of a word through its page table, which fault pages in by
 * hmm_range_fault(), and snapshots of a range.
 */
#include <linux/highmem.h>
#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* After this many faults in a row, the device sleeps between them. */
#define RETRIES 64
#define WRITABLE 1UL

/* One access through the device's page table; false if the device faults. */
static bool device_access(struct mirror *mirror, struct mmfuzz_range *range)
{
	bool write = range->flags & MMFUZZ_WRITE, done = false;
	unsigned long entry;
	struct page *page;
	u64 *word;

	mutex_lock(&mirror->lock);
	entry = xa_to_value(xa_load(&mirror->tables[range->dev].entries, vpn(range->addr)) ?: xa_mk_value(0));
	if (entry && (!write || entry & WRITABLE)) {
		page = pfn_to_page(entry >> 1);
		word = is_device_private_page(page) ? device_word(page) : kmap_local_page(page);
		if (write) {
			*word = range->word;
			folio_mark_dirty(page_folio(page));
		}
		range->result = *word;
		if (!is_device_private_page(page))
			kunmap_local(word);
		done = true;
	}
	mutex_unlock(&mirror->lock);
	return done;
}

/* Maps a page for the device if nothing was invalidated since @seq; -EBUSY otherwise. */
int mmfuzz_device_map(struct device_table *table, unsigned long addr, unsigned long pfn, bool write, unsigned long seq)
{
	int ret = -EBUSY;

	mutex_lock(&table->mirror->lock);
	if (!mmu_interval_read_retry(&table->notifier, seq))
		ret = xa_err(xa_store(&table->entries, vpn(addr), xa_mk_value(pfn << 1 | (write ? WRITABLE : 0)),
				      GFP_KERNEL));
	mutex_unlock(&table->mirror->lock);
	return ret;
}

/* Faults a page in for the device, and maps it there. */
static int device_fault(struct mirror *mirror, struct mmfuzz_range *arg)
{
	bool write = arg->flags & MMFUZZ_WRITE, unlocked = false;
	unsigned long pfn = 0;
	struct hmm_range range = {
		.notifier = &mirror->tables[arg->dev].notifier,
		.start = arg->addr,
		.end = arg->addr + PAGE_SIZE,
		.hmm_pfns = &pfn,
		.default_flags = HMM_PFN_REQ_FAULT | (write ? HMM_PFN_REQ_WRITE : 0),
		.dev_private_owner = &mmfuzz_devices[arg->dev],
	};
	int ret;

	range.notifier_seq = mmu_interval_read_begin(range.notifier);
	mmap_read_lock(mirror->mm);
	ret = hmm_range_fault(&range);
	if (!ret && write && !(pfn & HMM_PFN_WRITE)) {
		/* hmm_range_fault() returns a device's own page even if it must not be written */
		ret = fixup_user_fault(mirror->mm, arg->addr, FAULT_FLAG_WRITE, &unlocked);
		ret = ret ? hmm_fault_error(ret) : -EBUSY;
	}
	mmap_read_unlock(mirror->mm);
	/* 7.3 names the first page of a huge device page for a range that starts at a later one */
	if (!ret && hmm_pfn_to_map_order(pfn) == HPAGE_PMD_ORDER)
		pfn = (pfn & ~(HPAGE_PMD_NR - 1)) | (vpn(arg->addr) & (HPAGE_PMD_NR - 1));
	return ret ?: mmfuzz_device_map(&mirror->tables[arg->dev], arg->addr, pfn & ~HMM_PFN_FLAGS,
					pfn & HMM_PFN_WRITE, range.notifier_seq);
}

long mmfuzz_access(struct session *session, struct mmfuzz_range *range)
{
	struct mirror *mirror = mmfuzz_find_mirror(session, current->mm);
	int ret, i;

	if (!mirror)
		return -ENOENT;
	for (i = 0; !fatal_signal_pending(current); i++) {
		if (device_access(mirror, range))
			return 0;
		ret = device_fault(mirror, range);
		if (ret && ret != -EBUSY)
			return ret;
		/* somebody holds a reference to the page, which may take long */
		if (i > RETRIES)
			schedule_timeout_killable(1);
	}
	return -EINTR;
}

long mmfuzz_take_snapshot(struct session *session, struct mmfuzz_snapshot *arg)
{
	struct mirror *mirror = mmfuzz_find_mirror(session, current->mm);
	unsigned long pfns[MMFUZZ_MAX_SNAPSHOT];
	struct hmm_range range = {
		.start = arg->addr,
		.end = arg->addr + arg->len * PAGE_SIZE,
		.hmm_pfns = pfns,
		.dev_private_owner = &mmfuzz_devices[arg->dev],
	};
	unsigned int i;
	int ret;

	if (!mirror)
		return -ENOENT;
	range.notifier = &mirror->tables[arg->dev].notifier;
	do {
		memset(pfns, 0, sizeof(pfns));
		range.notifier_seq = mmu_interval_read_begin(range.notifier);
		mmap_read_lock(mirror->mm);
		ret = hmm_range_fault(&range);
		mmap_read_unlock(mirror->mm);
		if (ret && ret != -EBUSY)
			return ret;
		if (ret)
			continue;
		mutex_lock(&mirror->lock);
		if (mmu_interval_read_retry(range.notifier, range.notifier_seq))
			ret = -EBUSY;
		for (i = 0; !ret && i < arg->len; i++) {
			struct page *page;

			arg->seen[i] = 0;
			if (pfns[i] & HMM_PFN_ERROR)
				arg->seen[i] = MMFUZZ_SEEN_ERROR;
			if (!(pfns[i] & HMM_PFN_VALID))
				continue;
			page = hmm_pfn_to_page(pfns[i]);
			arg->seen[i] = MMFUZZ_SEEN_VALID;
			if (pfns[i] & HMM_PFN_WRITE)
				arg->seen[i] |= MMFUZZ_SEEN_WRITE;
			if (is_zero_pfn(page_to_pfn(page)))
				arg->seen[i] |= MMFUZZ_SEEN_ZERO;
			if (is_device_private_page(page))
				arg->seen[i] |= MMFUZZ_SEEN_DEVICE(device_of(page) - mmfuzz_devices) | frame_of(page);
		}
		mutex_unlock(&mirror->lock);
	} while (ret == -EBUSY && !fatal_signal_pending(current));
	return ret;
}
