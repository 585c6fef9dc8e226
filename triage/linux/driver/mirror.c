// SPDX-License-Identifier: GPL-2.0
/*
 * The devices' page tables: an xarray for each session, address space and device. An interval
 * notifier keeps it in step with the CPU's page tables. A device maps a page when it first uses it
 * (access.c).
 */
#include <linux/memremap.h>
#include <linux/slab.h>

#include "internal.h"

/* All mirrors. mirrors_lock is taken inside mmap_lock. */
static LIST_HEAD(mirrors);
static DEFINE_MUTEX(mirrors_lock);

static bool mirror_invalidate(struct mmu_interval_notifier *notifier,
			      const struct mmu_notifier_range *range, unsigned long seq)
{
	struct device_table *table = container_of(notifier, struct device_table, notifier);
	bool own = range->owner == table->device;
	unsigned long index, last = vpn(range->end - 1);
	struct mutex *lock = &table->mirror->lock;
	void *entry;

	/*
	 * The driver itself makes the page exclusive, so this leaves the sequence number as it is.
	 * mmfuzz_device_map() then finds only what others have invalidated.
	 */
	if (range->event == MMU_NOTIFY_EXCLUSIVE && own)
		return true;

	if (!mmu_notifier_range_blockable(range) && !mutex_trylock(lock))
		return false;
	if (mmu_notifier_range_blockable(range))
		mutex_lock(lock);
	mmu_interval_set_seq(notifier, seq);
	own &= range->event == MMU_NOTIFY_MIGRATE;
	/* when a driver's own pages migrate, the driver unmaps them itself */
	xa_for_each_range(&table->entries, index, entry, vpn(range->start), last)
		if (!own || !is_device_private_page(pfn_to_page(xa_to_value(entry) >> 1)))
			xa_erase(&table->entries, index);
	mutex_unlock(lock);
	return true;
}

static const struct mmu_interval_notifier_ops mirror_ops = {
	.invalidate = mirror_invalidate,
};

struct mirror *mmfuzz_find_mirror(struct session *session, struct mm_struct *mm)
{
	struct mirror *mirror, *found = NULL;

	mutex_lock(&mirrors_lock);
	list_for_each_entry(mirror, &mirrors, list)
		if (mirror->session == session && mirror->mm == mm)
			found = mirror;
	mutex_unlock(&mirrors_lock);
	return found;
}

/* Frees a mirror whose first @n tables are in use. */
static void free_mirror(struct mirror *mirror, int n)
{
	while (n--) {
		mmu_interval_notifier_remove(&mirror->tables[n].notifier);
		xa_destroy(&mirror->tables[n].entries);
	}
	kfree(mirror);
}

long mmfuzz_attach(struct session *session)
{
	struct mirror *mirror;
	int i, ret;

	if (mmfuzz_find_mirror(session, current->mm))
		return 0;
	mirror = kzalloc(sizeof(*mirror), GFP_KERNEL);
	if (!mirror)
		return -ENOMEM;
	mirror->session = session;
	mirror->mm = current->mm;
	mutex_init(&mirror->lock);
	for (i = 0; i < MMFUZZ_DEVICES; i++) {
		struct device_table *table = &mirror->tables[i];

		table->mirror = mirror;
		table->device = &mmfuzz_devices[i];
		xa_init(&table->entries);
		ret = mmu_interval_notifier_insert(&table->notifier, current->mm, 0, MMFUZZ_MIRRORED,
						   &mirror_ops);
		if (ret) {
			free_mirror(mirror, i);
			return ret;
		}
	}
	mutex_lock(&mirrors_lock);
	list_add(&mirror->list, &mirrors);
	mutex_unlock(&mirrors_lock);
	return 0;
}

void mmfuzz_device_unmap(struct mirror *mirror, unsigned int dev, unsigned long addr)
{
	mutex_lock(&mirror->lock);
	xa_erase(&mirror->tables[dev].entries, vpn(addr));
	mutex_unlock(&mirror->lock);
}

/* Unmaps an address from a device in every session, for callers that do not know the session. */
void mmfuzz_device_unmap_all(struct mm_struct *mm, unsigned int dev, unsigned long addr)
{
	struct mirror *mirror;

	mutex_lock(&mirrors_lock);
	list_for_each_entry(mirror, &mirrors, list)
		if (mirror->mm == mm)
			mmfuzz_device_unmap(mirror, dev, addr);
	mutex_unlock(&mirrors_lock);
}

/* Forgets a session's mirrors of address spaces that are gone, or all of them. */
void mmfuzz_forget_mirrors(struct session *session, bool all)
{
	struct mirror *mirror, *next;
	LIST_HEAD(gone);

	mutex_lock(&mirrors_lock);
	list_for_each_entry_safe(mirror, next, &mirrors, list)
		if (mirror->session == session && (all || !atomic_read(&mirror->mm->mm_users)))
			list_move(&mirror->list, &gone);
	mutex_unlock(&mirrors_lock);
	list_for_each_entry_safe(mirror, next, &gone, list)
		free_mirror(mirror, MMFUZZ_DEVICES);
}
