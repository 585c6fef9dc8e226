// SPDX-License-Identifier: GPL-2.0
/*
 * Two devices with private memory, for judging a model of mm/migrate_device.c.
 *
 * An open file is a session: it holds references, folio locks and migrations between their phases,
 * and the devices' page tables for each attached address space. All of it ends with the file.
 *
 * Lock order: mmap_lock, mirrors_lock, mirror->lock (device page tables; the notifier takes it too).
 * session->mutex guards the slots; nothing that sleeps for long is taken inside it. A migration that is
 * held open runs in a thread of its own, which holds mmap_lock and a user of the address space from its
 * setup to its end.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/hmm.h>
#include <linux/kthread.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pagewalk.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "mmfuzz_dev.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define page_pgmap(page) ((page)->pgmap)
#endif

/* One subsection: the least that memremap_pages() accepts. */
#define FRAMES MMFUZZ_MAX_FRAMES
/* Faults of a device in a row before it sleeps between them. */
#define RETRIES 64

struct mmfuzz_device {
	struct dev_pagemap pagemap;
	struct resource *resource;
	unsigned long first;		/* pfn */
	spinlock_t lock;		/* of the fields below */
	unsigned int limit;
	unsigned int fresh;		/* frames never used since the reset */
	unsigned int nr_free;
	unsigned int in_use;
	u16 free[FRAMES];		/* a stack */
	u8 *memory;			/* what the device holds */
};

static struct mmfuzz_device devices[MMFUZZ_DEVICES];

/* Countdowns to the driver's next failed allocation; one user at a time, so not in the session. */
static atomic_t fail_system, fail_device;

struct session;

struct mirror;

/* The page table of a device for an address space. */
struct device_table {
	struct mmu_interval_notifier notifier;
	struct mirror *mirror;
	struct mmfuzz_device *device;
	struct xarray entries;
};

/* The device page tables of an address space, for one session. */
struct mirror {
	struct list_head list;
	struct session *session;
	struct mm_struct *mm;
	struct mutex lock;		/* of the tables; held while they are used */
	struct device_table tables[MMFUZZ_DEVICES];
};

/* All mirrors. Taken inside mmap_lock. */
static LIST_HEAD(mirrors);
static DEFINE_MUTEX(mirrors_lock);

enum phase { RUNNING, AT_GATE, ENDED };

/* A migration that is held open. */
struct held_migration {
	struct mm_struct *mm;
	struct mirror *mirror;
	struct mmfuzz_range range;
	struct task_struct *task;
	struct task_struct *owner;	/* who opened it */
	wait_queue_head_t wait;
	enum phase phase;
	bool go;
	bool stepwise;
	u32 skip;			/* for the gate that was opened last */
	unsigned long src[MMFUZZ_MAX_PAGES];
	unsigned long dst[MMFUZZ_MAX_PAGES];
};

struct held_ref {
	struct page *page;
	bool pin;
};

struct session {
	struct mutex mutex;		/* of all below */
	struct held_ref refs[MMFUZZ_MAX_REFS];
	struct folio *locks[MMFUZZ_MAX_LOCKS];
	struct held_migration *migrations[MMFUZZ_MAX_MIGRATIONS];
};

/* Device memory. */

static struct mmfuzz_device *device_of(const struct page *page)
{
	return container_of(page_pgmap(page), struct mmfuzz_device, pagemap);
}

static unsigned int frame_of(struct page *page)
{
	return page_to_pfn(page) - device_of(page)->first;
}

static void *device_word(struct page *page)
{
	return device_of(page)->memory + (size_t)frame_of(page) * PAGE_SIZE;
}

static bool must_fail(atomic_t *countdown)
{
	return atomic_read(countdown) && atomic_dec_and_test(countdown);
}

static struct page *alloc_device_page(struct mmfuzz_device *device)
{
	struct page *page = NULL;
	unsigned int frame = FRAMES;

	if (must_fail(&fail_device))
		return NULL;
	spin_lock(&device->lock);
	if (device->nr_free)
		frame = device->free[--device->nr_free];
	else if (device->fresh < device->limit)
		frame = device->fresh++;
	if (frame < FRAMES)
		device->in_use++;
	spin_unlock(&device->lock);
	if (frame < FRAMES) {
		page = pfn_to_page(device->first + frame);
		/* before 6.19 nobody else forgets what the last user left */
		ClearPageDirty(page);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
		zone_device_page_init(page, 0);
#else
		zone_device_page_init(page);
#endif
	}
	return page;
}

static void free_device_page(struct page *page)
{
	struct mmfuzz_device *device = device_of(page);

	spin_lock(&device->lock);
	device->free[device->nr_free++] = frame_of(page);
	device->in_use--;
	spin_unlock(&device->lock);
}

/* Copies a page; a hole reads as zeroes. */
static void copy_contents(struct page *dst, struct page *src)
{
	bool to_device = is_device_private_page(dst);
	void *to = to_device ? device_word(dst) : kmap_local_page(dst);

	if (!src) {
		clear_page(to);
	} else if (is_device_private_page(src)) {
		memcpy(to, device_word(src), PAGE_SIZE);
	} else {
		void *from = kmap_local_page(src);

		copy_page(to, from);
		kunmap_local(from);
	}
	if (!to_device)
		kunmap_local(to);
}

/* Device page tables. */

static unsigned long vpn(unsigned long addr)
{
	return addr >> PAGE_SHIFT;
}

static bool mirror_invalidate(struct mmu_interval_notifier *notifier,
			      const struct mmu_notifier_range *range, unsigned long seq)
{
	struct device_table *table = container_of(notifier, struct device_table, notifier);
	bool own = range->owner == table->device;
	unsigned long index, last = vpn(range->end - 1);
	struct mutex *lock = &table->mirror->lock;
	void *entry;

	/* what the driver asked for itself: who maps the page then looks at the sequence */
	if (range->event == MMU_NOTIFY_EXCLUSIVE && own)
		return true;

	if (!mmu_notifier_range_blockable(range) && !mutex_trylock(lock))
		return false;
	if (mmu_notifier_range_blockable(range))
		mutex_lock(lock);
	mmu_interval_set_seq(notifier, seq);
	own &= range->event == MMU_NOTIFY_MIGRATE;
	/* a driver unmaps its own pages itself when they migrate */
	xa_for_each_range(&table->entries, index, entry, vpn(range->start), last)
		if (!own || !is_device_private_page(pfn_to_page(xa_to_value(entry) >> 1)))
			xa_erase(&table->entries, index);
	mutex_unlock(lock);
	return true;
}

static const struct mmu_interval_notifier_ops mirror_ops = {
	.invalidate = mirror_invalidate,
};

static struct mirror *find_mirror(struct session *session, struct mm_struct *mm)
{
	struct mirror *mirror, *found = NULL;

	mutex_lock(&mirrors_lock);
	list_for_each_entry(mirror, &mirrors, list)
		if (mirror->session == session && mirror->mm == mm)
			found = mirror;
	mutex_unlock(&mirrors_lock);
	return found;
}

/* Frees a mirror, the first @n tables of which are in use. */
static void free_mirror(struct mirror *mirror, int n)
{
	while (n--) {
		mmu_interval_notifier_remove(&mirror->tables[n].notifier);
		xa_destroy(&mirror->tables[n].entries);
	}
	kfree(mirror);
}

static long attach(struct session *session)
{
	struct mirror *mirror;
	int i, ret;

	if (find_mirror(session, current->mm))
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
		table->device = &devices[i];
		xa_init(&table->entries);
		ret = mmu_interval_notifier_insert(&table->notifier, current->mm, 0, ULONG_MAX & PAGE_MASK,
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

static void device_unmap(struct mirror *mirror, unsigned int dev, unsigned long addr)
{
	mutex_lock(&mirror->lock);
	xa_erase(&mirror->tables[dev].entries, vpn(addr));
	mutex_unlock(&mirror->lock);
}

/* The same where the session is not known. */
static void device_unmap_all(struct mm_struct *mm, unsigned int dev, unsigned long addr)
{
	struct mirror *mirror;

	mutex_lock(&mirrors_lock);
	list_for_each_entry(mirror, &mirrors, list)
		if (mirror->mm == mm)
			device_unmap(mirror, dev, addr);
	mutex_unlock(&mirrors_lock);
}

/* Migration. */

static struct page *alloc_destination(unsigned int dev, bool to_system)
{
	struct page *page;

	if (!to_system)
		return alloc_device_page(&devices[dev]);
	if (must_fail(&fail_system))
		return NULL;
	page = alloc_page(GFP_HIGHUSER_MOVABLE);
	if (page)
		lock_page(page);
	return page;
}

/*
 * Supplies destinations with the contents copied, for all pages that migrate and are not to be
 * skipped. @mirror is NULL where the mappings of the device are not to be taken here.
 */
static void alloc_and_copy(unsigned long *src, unsigned long *dst, unsigned long n, struct mirror *mirror,
			   unsigned long addr, unsigned int dev, bool to_system, unsigned int skip)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		struct page *from = migrate_pfn_to_page(src[i]), *to;

		if (skip >> (i % 8) & 1 || !(src[i] & MIGRATE_PFN_MIGRATE) || (to_system && !from))
			continue;
		if (to_system && mirror)
			device_unmap(mirror, dev, addr + i * PAGE_SIZE);
		to = alloc_destination(dev, to_system);
		if (!to)
			continue;
		copy_contents(to, from);
		dst[i] = migrate_pfn(page_to_pfn(to));
	}
}

static unsigned int migrating(const unsigned long *src, unsigned long n)
{
	unsigned int count = 0;

	while (n--)
		count += !!(src[n] & MIGRATE_PFN_MIGRATE);
	return count;
}

/* Waits until the program lets a migration go on. */
static void gate(struct held_migration *held)
{
	if (!held->stepwise)
		return;
	held->phase = AT_GATE;
	wake_up_all(&held->wait);
	while (!wait_event_timeout(held->wait, held->go, HZ / 10)) {
		/* whoever is to open the gate waits, beyond the reach of a signal, for this migration */
		if (fatal_signal_pending(held->owner) && !(held->owner->flags & PF_EXITING)) {
			held->stepwise = false;
			held->phase = RUNNING;
			break;
		}
	}
	held->go = false;
}

static int migrate_area(struct held_migration *held, struct vm_area_struct *vma, unsigned long start,
			unsigned long end)
{
	unsigned long *src = held->src, *dst = held->dst;
	struct mmfuzz_range *range = &held->range;
	bool to_system = range->flags & MMFUZZ_TO_SYSTEM;
	struct migrate_vma args = {
		.vma = vma,
		.src = src,
		.dst = dst,
		.start = start,
		.end = end,
		.pgmap_owner = &devices[range->dev],
		.flags = to_system ? MIGRATE_VMA_SELECT_DEVICE_PRIVATE : MIGRATE_VMA_SELECT_SYSTEM,
	};
	unsigned long n = (end - start) >> PAGE_SHIFT;
	int ret;

	memset(held->dst, 0, sizeof(held->dst));
	ret = migrate_vma_setup(&args);
	if (ret)
		return ret;
	gate(held);
	alloc_and_copy(src, dst, n, held->mirror, start, range->dev, to_system, range->skip | held->skip);
	migrate_vma_pages(&args);
	gate(held);
	ret = migrating(src, n);
	migrate_vma_finalize(&args);
	return ret;
}

/* Migrates a range, area by area; the number of pages moved. */
static int migrate_range(struct held_migration *held)
{
	unsigned long addr = held->range.addr, end = addr + held->range.len * PAGE_SIZE;
	int moved = 0, ret;

	mmap_read_lock(held->mm);
	while (addr < end) {
		struct vm_area_struct *vma = vma_lookup(held->mm, addr);
		unsigned long next;

		if (!vma || !(vma->vm_flags & VM_READ)) {
			moved = -EINVAL;
			break;
		}
		next = min(end, vma->vm_end);
		ret = migrate_area(held, vma, addr, next);
		if (ret < 0) {
			moved = ret;
			break;
		}
		moved += ret;
		addr = next;
	}
	mmap_read_unlock(held->mm);
	return moved;
}

static long migrate_now(struct session *session, struct mmfuzz_range *range)
{
	struct held_migration *held = kzalloc(sizeof(*held), GFP_KERNEL);
	int ret = -ENOENT;

	if (!held)
		return -ENOMEM;
	held->mm = current->mm;
	held->mirror = find_mirror(session, current->mm);
	held->range = *range;
	if (held->mirror)
		ret = migrate_range(held);
	kfree(held);
	if (ret < 0)
		return ret;
	range->result = ret;
	return 0;
}

static int migration_thread(void *data)
{
	struct held_migration *held = data;

	migrate_range(held);
	mmput(held->mm);
	held->phase = ENDED;
	wake_up_all(&held->wait);
	return 0;
}

/* Waits for a migration's next gate (1) or its end (0); -ERESTARTSYS if the caller is killed. */
static int await_phase(struct held_migration *held)
{
	int ret = wait_event_killable(held->wait, held->phase != RUNNING);

	return ret ?: held->phase == AT_GATE;
}

static void free_migration(struct held_migration *held)
{
	kthread_stop(held->task);
	put_task_struct(held->task);
	put_task_struct(held->owner);
	kfree(held);
}

/* Waits for the end of a phase; a migration that has ended leaves its slot. */
static long finish_phase(struct session *session, unsigned int slot, __u64 *open)
{
	struct held_migration *held = session->migrations[slot];
	int ret = await_phase(held);

	if (ret < 0)
		return ret;
	*open = ret ? MMFUZZ_OPEN : 0;
	if (!ret) {
		mutex_lock(&session->mutex);
		session->migrations[slot] = NULL;
		mutex_unlock(&session->mutex);
		free_migration(held);
	}
	return 0;
}

static long setup(struct session *session, struct mmfuzz_range *range)
{
	struct mirror *mirror = find_mirror(session, current->mm);
	struct held_migration *held;
	int slot;

	if (!mirror)
		return -ENOENT;
	held = kzalloc(sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	init_waitqueue_head(&held->wait);
	held->stepwise = true;
	held->mm = current->mm;
	held->mirror = mirror;
	held->range = *range;
	mutex_lock(&session->mutex);
	for (slot = 0; slot < MMFUZZ_MAX_MIGRATIONS && session->migrations[slot]; slot++)
		;
	if (slot < MMFUZZ_MAX_MIGRATIONS)
		session->migrations[slot] = held;
	mutex_unlock(&session->mutex);
	if (slot == MMFUZZ_MAX_MIGRATIONS) {
		kfree(held);
		return -ENOSPC;
	}
	held->task = kthread_create(migration_thread, held, "mmfuzz/%d", slot);
	if (IS_ERR(held->task)) {
		session->migrations[slot] = NULL;
		kfree(held);
		return -ENOMEM;
	}
	get_task_struct(held->task);
	held->owner = get_task_struct(current);
	mmget(held->mm);
	wake_up_process(held->task);
	range->result = slot;
	return finish_phase(session, slot, &range->word);
}

/* Lets a migration go on to its next gate or its end. */
static long next_phase(struct session *session, struct mmfuzz_slot *arg)
{
	struct held_migration *held;
	__u64 open = 0;
	long ret;

	if (arg->slot >= MMFUZZ_MAX_MIGRATIONS)
		return -EINVAL;
	mutex_lock(&session->mutex);
	held = session->migrations[arg->slot];
	if (held && held->phase == AT_GATE)
		held->phase = RUNNING;
	else
		held = NULL;
	mutex_unlock(&session->mutex);
	if (!held)
		return -ENOENT;
	held->skip = arg->skip;
	held->go = true;
	wake_up_all(&held->wait);
	ret = finish_phase(session, arg->slot, &open);
	arg->open = open;
	return ret;
}

static long evict(struct mmfuzz_evict *arg)
{
	unsigned long *src, *dst, first;
	long ret = -ENOMEM;

	if (arg->dev >= MMFUZZ_DEVICES || !arg->len || arg->len > FRAMES || arg->first > FRAMES - arg->len)
		return -EINVAL;
	first = devices[arg->dev].first + arg->first;
	src = kcalloc(arg->len, sizeof(*src), GFP_KERNEL);
	dst = kcalloc(arg->len, sizeof(*dst), GFP_KERNEL);
	if (src && dst) {
		migrate_device_range(src, first, arg->len);
		alloc_and_copy(src, dst, arg->len, NULL, 0, arg->dev, true, 0);
		migrate_device_pages(src, dst, arg->len);
		arg->moved = migrating(src, arg->len);
		migrate_device_finalize(src, dst, arg->len);
		ret = 0;
	}
	kfree(src);
	kfree(dst);
	return ret;
}

static void reset_memory(struct mmfuzz_device *device)
{
	spin_lock(&device->lock);
	if (!device->in_use)
		device->fresh = device->nr_free = 0;
	spin_unlock(&device->lock);
}

/* All pages come home; then the memory is as new, unless somebody keeps one. */
static long release_device(struct mmfuzz_evict *arg)
{
	long ret = 0;

	if (arg->dev >= MMFUZZ_DEVICES)
		return -EINVAL;
	arg->first = arg->moved = 0;
	arg->len = devices[arg->dev].fresh;
	if (arg->len)
		ret = evict(arg);
	reset_memory(&devices[arg->dev]);
	return ret;
}

/* A fault of the CPU on a device page. */
static vm_fault_t migrate_to_ram(struct vm_fault *vmf)
{
	struct mmfuzz_device *device = device_of(vmf->page);
	unsigned long src = 0, dst = 0;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.src = &src,
		.dst = &dst,
		.start = vmf->address & PAGE_MASK,
		.end = (vmf->address & PAGE_MASK) + PAGE_SIZE,
		.pgmap_owner = device,
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.fault_page = vmf->page,
	};
	bool no_memory;

	if (migrate_vma_setup(&args))
		return VM_FAULT_SIGBUS;
	/* the notifier leaves the device's own mapping to the driver */
	if (migrating(&src, 1))
		device_unmap_all(vmf->vma->vm_mm, device - devices, args.start);
	alloc_and_copy(&src, &dst, 1, NULL, args.start, device - devices, true, 0);
	no_memory = migrating(&src, 1) && !dst && migrate_pfn_to_page(src);
	migrate_vma_pages(&args);
	migrate_vma_finalize(&args);
	return no_memory ? VM_FAULT_OOM : 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static void free_device_folio(struct folio *folio)
{
	free_device_page(&folio->page);
}
#endif

static const struct dev_pagemap_ops pagemap_ops = {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	.folio_free = free_device_folio,
#else
	.page_free = free_device_page,
#endif
	.migrate_to_ram = migrate_to_ram,
};

/* Access by a device. */

#define WRITABLE 1UL

/* One access through the device's page table; false is a fault of the device. */
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
static int device_map(struct device_table *table, unsigned long addr, unsigned long pfn, bool write, unsigned long seq)
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
		.dev_private_owner = &devices[arg->dev],
	};
	int ret;

	range.notifier_seq = mmu_interval_read_begin(range.notifier);
	mmap_read_lock(mirror->mm);
	ret = hmm_range_fault(&range);
	if (!ret && write && !(pfn & HMM_PFN_WRITE)) {
		/* a device's own page is returned as it is, even if it must not be written */
		ret = fixup_user_fault(mirror->mm, arg->addr, FAULT_FLAG_WRITE, &unlocked) ?: -EBUSY;
	}
	mmap_read_unlock(mirror->mm);
	return ret ?: device_map(&mirror->tables[arg->dev], arg->addr, pfn & ~HMM_PFN_FLAGS, pfn & HMM_PFN_WRITE,
				 range.notifier_seq);
}

static long access(struct session *session, struct mmfuzz_range *range)
{
	struct mirror *mirror = find_mirror(session, current->mm);
	int ret, i;

	if (!mirror)
		return -ENOENT;
	for (i = 0; !fatal_signal_pending(current); i++) {
		if (device_access(mirror, range))
			return 0;
		ret = device_fault(mirror, range);
		if (ret && ret != -EBUSY)
			return ret;
		/* somebody holds a reference to the page: it may take long */
		if (i > RETRIES)
			schedule_timeout_killable(1);
	}
	return -EINTR;
}

static long snapshot(struct session *session, struct mmfuzz_snapshot *arg)
{
	struct mirror *mirror = find_mirror(session, current->mm);
	unsigned long pfns[MMFUZZ_MAX_PAGES];
	struct hmm_range range = {
		.start = arg->addr,
		.end = arg->addr + arg->len * PAGE_SIZE,
		.hmm_pfns = pfns,
		.dev_private_owner = &devices[arg->dev],
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
				arg->seen[i] |= MMFUZZ_SEEN_DEVICE(device_of(page) - devices) | frame_of(page);
		}
		mutex_unlock(&mirror->lock);
	} while (ret == -EBUSY && !fatal_signal_pending(current));
	return ret;
}

/* The page at @addr, locked and with a reference, exclusive to the device; NULL if its folio is locked. */
static struct page *get_exclusive(struct mm_struct *mm, unsigned long addr, struct mmfuzz_device *device)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
	struct page *page = NULL;
	int ret = make_device_exclusive_range(mm, addr, addr + PAGE_SIZE, &page, device);

	return ret < 0 ? ERR_PTR(ret) : page;
#else
	struct folio *folio;

	return make_device_exclusive(mm, addr, device, &folio);
#endif
}

/* Gives a device one page for itself; 1 if it has it, 0 if the folio is locked. */
static int exclusive_page(struct device_table *table, unsigned long addr)
{
	struct mm_struct *mm = table->mirror->mm;
	struct page *page;
	unsigned long seq;
	int ret;

	do {
		/* taking the page back, or copying it, counts in the sequence: that is done before */
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
		ret = device_map(table, addr, page_to_pfn(page), true, seq);
		unlock_page(page);
		put_page(page);
	} while (ret == -EBUSY && !fatal_signal_pending(current));
	return ret ?: 1;
}

/* Up to the first page that the device cannot have; why, if that is the first of all. */
static long make_exclusive(struct session *session, struct mmfuzz_range *range)
{
	struct mirror *mirror = find_mirror(session, current->mm);
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

/* References and locks that a program holds. */

static int keep_ref(struct session *session, struct page *page, bool pin)
{
	int slot;

	mutex_lock(&session->mutex);
	for (slot = 0; slot < MMFUZZ_MAX_REFS && session->refs[slot].page; slot++)
		;
	if (slot < MMFUZZ_MAX_REFS)
		session->refs[slot] = (struct held_ref){ page, pin };
	else
		slot = -ENOSPC;
	mutex_unlock(&session->mutex);
	return slot;
}

static void drop_ref(struct held_ref *ref)
{
	if (ref->page && ref->pin)
		unpin_user_page(ref->page);
	else if (ref->page)
		put_page(ref->page);
	ref->page = NULL;
}

static long keep(struct session *session, struct mmfuzz_range *range, struct page *page, bool pin)
{
	struct held_ref ref = { page, pin };
	int slot = keep_ref(session, page, pin);

	if (slot < 0) {
		drop_ref(&ref);
		return slot;
	}
	range->result = slot;
	return 0;
}

static long get(struct session *session, struct mmfuzz_range *range)
{
	unsigned int flags = range->flags & MMFUZZ_WRITE ? FOLL_WRITE : 0;
	bool pin = range->flags & MMFUZZ_PIN;
	struct page *page;
	long ret;

	if (range->flags & MMFUZZ_LONGTERM) {
		if (!pin)
			return -EINVAL;
		flags |= FOLL_LONGTERM;
	}
	if (range->flags & MMFUZZ_FAST)
		ret = pin ? pin_user_pages_fast(range->addr, 1, flags, &page) :
			    get_user_pages_fast(range->addr, 1, flags, &page);
	else if (pin)
		ret = pin_user_pages_unlocked(range->addr, 1, &page, flags);
	else
		ret = get_user_pages_unlocked(range->addr, 1, &page, flags);
	if (ret != 1)
		return ret ?: -EFAULT;
	return keep(session, range, page, pin);
}

/* Entries, one by one. */

/* The page that a swap-type entry names, if any; and what the entry is. */
static struct page *decode_swap(pte_t pte, struct mmfuzz_entry *out)
{
	swp_entry_t entry = pte_to_swp_entry(pte);

	if (pte_swp_soft_dirty(pte))
		out->pte |= MMFUZZ_PTE_SOFT_DIRTY;
	if (pte_swp_uffd_wp(pte))
		out->pte |= MMFUZZ_PTE_UFFD_WP;
	if (is_migration_entry(entry)) {
		out->kind = is_writable_migration_entry(entry) ? MMFUZZ_MIGRATION_WRITE :
			    is_readable_exclusive_migration_entry(entry) ? MMFUZZ_MIGRATION_READ_EXCLUSIVE :
			    MMFUZZ_MIGRATION_READ;
		if (is_migration_entry_young(entry))
			out->pte |= MMFUZZ_PTE_YOUNG;
		if (is_migration_entry_dirty(entry))
			out->pte |= MMFUZZ_PTE_DIRTY;
	} else if (is_device_private_entry(entry)) {
		out->kind = is_writable_device_private_entry(entry) ? MMFUZZ_DEVICE_WRITE : MMFUZZ_DEVICE_READ;
	} else if (is_device_exclusive_entry(entry)) {
		out->kind = MMFUZZ_EXCLUSIVE;
	} else if (is_pte_marker_entry(entry)) {
		out->kind = MMFUZZ_MARKER;
		return NULL;
	} else {
		out->kind = non_swap_entry(entry) ? MMFUZZ_OTHER : MMFUZZ_SWAP;
		return NULL;
	}
	return pfn_swap_entry_to_page(entry);
}

static struct page *decode_present(pte_t pte, struct mmfuzz_entry *out)
{
	out->kind = MMFUZZ_PRESENT;
	if (pte_write(pte))
		out->pte |= MMFUZZ_PTE_WRITE;
	if (pte_soft_dirty(pte))
		out->pte |= MMFUZZ_PTE_SOFT_DIRTY;
	if (pte_uffd_wp(pte))
		out->pte |= MMFUZZ_PTE_UFFD_WP;
	if (pte_young(pte))
		out->pte |= MMFUZZ_PTE_YOUNG;
	if (pte_dirty(pte))
		out->pte |= MMFUZZ_PTE_DIRTY;
	/* pte_protnone() only knows those of NUMA balancing */
	if (!(pte_flags(pte) & _PAGE_PRESENT))
		out->pte |= MMFUZZ_PTE_PROTNONE;
	if (is_zero_pfn(pte_pfn(pte)))
		out->pte |= MMFUZZ_PTE_ZERO;
	return pfn_to_online_page(pte_pfn(pte));
}

static void decode_page(struct page *page, struct mmfuzz_entry *out)
{
	struct folio *folio = page_folio(page);

	out->pfn = page_to_pfn(page);
	out->refs = folio_ref_count(folio);
	out->maps = atomic_read(&page->_mapcount) + 1;
	if (folio_test_locked(folio))
		out->page |= MMFUZZ_PAGE_LOCKED;
	if (folio_test_dirty(folio))
		out->page |= MMFUZZ_PAGE_DIRTY;
	if (folio_test_lru(folio))
		out->page |= MMFUZZ_PAGE_LRU;
	if (folio_test_swapbacked(folio))
		out->page |= MMFUZZ_PAGE_SWAPBACKED;
	if (folio_test_anon(folio)) {
		out->page |= MMFUZZ_PAGE_ANON;
		if (PageAnonExclusive(page))
			out->page |= MMFUZZ_PAGE_EXCLUSIVE;
	}
	if (folio->mapping)
		out->page |= MMFUZZ_PAGE_MAPPING;
	out->index = folio->index;
	if (is_device_private_page(page)) {
		out->device = 1 + (device_of(page) - devices);
		out->frame = frame_of(page);
		out->word = *(u64 *)device_word(page);
	} else {
		u64 *word = kmap_local_page(page);

		out->word = *word;
		kunmap_local(word);
	}
}

/* The entry for an address, under its lock, shown to @use with the page that it names. */
static void with_entry(struct mm_struct *mm, unsigned long addr, struct mmfuzz_entry *out,
		       void (*use)(struct page *page, struct mmfuzz_entry *out))
{
	struct page *page = NULL;
	spinlock_t *lock;
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t *ptep, pte;

	if (pgd_none(*pgd))
		return;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud))
		return;
	pmd = pmd_offset(pud, addr);
	if (pmd_none(*pmd))
		return;
	ptep = pte_offset_map_lock(mm, pmd, addr, &lock);
	if (!ptep)
		return;
	pte = ptep_get(ptep);
	if (pte_present(pte))
		page = decode_present(pte, out);
	else if (!pte_none(pte))
		page = decode_swap(pte, out);
	if (page)
		use(page, out);
	pte_unmap_unlock(ptep, lock);
}

static void try_get(struct page *page, struct mmfuzz_entry *out)
{
	if (!(out->pte & MMFUZZ_PTE_ZERO) && get_page_unless_zero(page))
		out->pfn = page_to_pfn(page);
}

/* A reference to the page that an entry names, taken as a walker by frame numbers takes it. */
static struct page *hold_entry(unsigned long addr)
{
	struct mmfuzz_entry entry = {};

	if (!mmap_read_trylock(current->mm))
		return NULL;
	with_entry(current->mm, addr, &entry, try_get);
	mmap_read_unlock(current->mm);
	return entry.pfn ? pfn_to_page(entry.pfn) : NULL;
}

static long hold(struct session *session, struct mmfuzz_range *range)
{
	struct page *page = hold_entry(range->addr);

	return page ? keep(session, range, page, false) : -ENOENT;
}

static struct folio *alloc_target(struct folio *src, unsigned long private)
{
	return must_fail(&fail_system) ? NULL : folio_alloc(GFP_HIGHUSER_MOVABLE, 0);
}

/* declared in mm/internal.h */
bool folio_isolate_lru(struct folio *folio);

/* Migrates a folio as compaction does. Only what is on a list of reclaim can be. */
static long compact(struct mmfuzz_range *range)
{
	struct page *page;
	struct folio *folio;
	LIST_HEAD(folios);
	bool isolated;
	long ret = 1;

	/* the references of the batches are nobody's business */
	lru_add_drain();
	page = hold_entry(range->addr);
	if (!page)
		return -ENOENT;
	folio = page_folio(page);
	if (is_device_private_page(page)) {
		folio_put(folio);
		return -ENOENT;
	}
	isolated = folio_isolate_lru(folio);
	folio_put(folio);
	if (isolated) {
		list_add(&folio->lru, &folios);
		node_stat_mod_folio(folio, NR_ISOLATED_ANON, 1);
		ret = migrate_pages(&folios, alloc_target, NULL, 0, MIGRATE_ASYNC, MR_COMPACTION, NULL);
		if (ret)
			putback_movable_pages(&folios);
	}
	range->result = !ret;
	return 0;
}

static long lock_entry(struct session *session, struct mmfuzz_range *range)
{
	struct page *page = hold_entry(range->addr);
	int slot;

	if (!page)
		return -ENOENT;
	mutex_lock(&session->mutex);
	for (slot = 0; slot < MMFUZZ_MAX_LOCKS && session->locks[slot]; slot++)
		;
	if (slot < MMFUZZ_MAX_LOCKS && folio_trylock(page_folio(page)))
		session->locks[slot] = page_folio(page);
	else
		slot = -ENOENT;
	mutex_unlock(&session->mutex);
	if (slot < 0) {
		put_page(page);
		return slot;
	}
	range->result = slot;
	return 0;
}

static void drop_lock(struct folio **folio)
{
	if (*folio) {
		folio_unlock(*folio);
		folio_put(*folio);
	}
	*folio = NULL;
}

static long put(struct session *session, struct mmfuzz_slot *arg)
{
	long ret = -ENOENT;

	if (arg->slot >= MMFUZZ_MAX_REFS)
		return -EINVAL;
	mutex_lock(&session->mutex);
	if (session->refs[arg->slot].page) {
		drop_ref(&session->refs[arg->slot]);
		ret = 0;
	}
	mutex_unlock(&session->mutex);
	return ret;
}

static long unlock(struct session *session, struct mmfuzz_slot *arg)
{
	long ret = -ENOENT;

	if (arg->slot >= MMFUZZ_MAX_LOCKS)
		return -EINVAL;
	mutex_lock(&session->mutex);
	if (session->locks[arg->slot]) {
		drop_lock(&session->locks[arg->slot]);
		ret = 0;
	}
	mutex_unlock(&session->mutex);
	return ret;
}

/* Observation. */

struct census {
	unsigned long start, end;
	long outside;
};

static int count_anon(pte_t *ptep, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	struct census *census = walk->private;
	struct mmfuzz_entry entry = {};
	pte_t pte = ptep_get(ptep);
	struct page *page = NULL;

	if (addr >= census->start && addr < census->end)
		return 0;
	if (pte_present(pte))
		page = vm_normal_page(walk->vma, addr, pte);
	else if (!pte_none(pte))
		page = decode_swap(pte, &entry);
	census->outside += page && PageAnon(page);
	return 0;
}

/* Only an area with an anon_vma can have anonymous pages. */
static int skip_area(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	return !walk->vma->anon_vma;
}

static const struct mm_walk_ops census_ops = {
	.test_walk = skip_area,
	.pte_entry = count_anon,
	.walk_lock = PGWALK_RDLOCK,
};

static void observe_mm(struct mm_struct *mm, struct mmfuzz_observe *arg, struct mmfuzz_entry *entries)
{
	struct census census = { arg->addr, arg->addr + arg->len * PAGE_SIZE, 0 };
	struct vm_area_struct *vma;
	unsigned int i;
	VMA_ITERATOR(vmi, mm, census.start);

	for (i = 0; i < arg->len; i++)
		with_entry(mm, arg->addr + i * PAGE_SIZE, &entries[i], decode_page);
	walk_page_range(mm, 0, TASK_SIZE, &census_ops, &census);
	arg->anon_rss = percpu_counter_sum(&mm->rss_stat[MM_ANONPAGES]) - census.outside;
	arg->areas = 0;
	for_each_vma_range(vmi, vma, census.end)
		arg->areas++;
}

static long observe(struct mmfuzz_observe *arg)
{
	struct mmfuzz_entry *entries;
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;
	long ret = 0;

	if (!arg->len || arg->len > MMFUZZ_MAX_PAGES || arg->addr & ~PAGE_MASK)
		return -EINVAL;
	pid = find_get_pid(arg->pid);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return -ESRCH;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return -ESRCH;
	entries = kcalloc(arg->len, sizeof(*entries), GFP_KERNEL);
	if (!entries) {
		ret = -ENOMEM;
	} else if (!mmap_read_trylock(mm)) {
		ret = -EAGAIN;
	} else {
		/* the references of the batches are nobody's business */
		lru_add_drain();
		observe_mm(mm, arg, entries);
		mmap_read_unlock(mm);
		if (copy_to_user(u64_to_user_ptr(arg->entries), entries, arg->len * sizeof(*entries)))
			ret = -EFAULT;
	}
	kfree(entries);
	mmput(mm);
	return ret;
}

/* Sessions. */

/* Ends everything that is held, and forgets address spaces that are gone (or all). */
static void end_session(struct session *session, bool all)
{
	struct mirror *mirror, *next;
	LIST_HEAD(gone);
	int i;

	mutex_lock(&session->mutex);
	for (i = 0; i < MMFUZZ_MAX_LOCKS; i++)
		drop_lock(&session->locks[i]);
	for (i = 0; i < MMFUZZ_MAX_REFS; i++)
		drop_ref(&session->refs[i]);
	mutex_unlock(&session->mutex);
	for (i = 0; i < MMFUZZ_MAX_MIGRATIONS; i++) {
		struct held_migration *held = session->migrations[i];

		if (!held)
			continue;
		held->stepwise = false;
		held->go = true;
		wake_up_all(&held->wait);
		wait_event(held->wait, held->phase == ENDED);
		session->migrations[i] = NULL;
		free_migration(held);
	}
	mutex_lock(&mirrors_lock);
	list_for_each_entry_safe(mirror, next, &mirrors, list)
		if (mirror->session == session && (all || !atomic_read(&mirror->mm->mm_users)))
			list_move(&mirror->list, &gone);
	mutex_unlock(&mirrors_lock);
	list_for_each_entry_safe(mirror, next, &gone, list)
		free_mirror(mirror, MMFUZZ_DEVICES);
}

static long reset(struct session *session, struct mmfuzz_reset *arg)
{
	int i;

	if (arg->limit > FRAMES)
		return -EINVAL;
	end_session(session, false);
	atomic_set(&fail_system, 0);
	atomic_set(&fail_device, 0);
	for (i = 0; i < MMFUZZ_DEVICES; i++) {
		struct mmfuzz_device *device = &devices[i];

		spin_lock(&device->lock);
		arg->device_frames[i] = device->in_use;
		device->limit = arg->limit ?: FRAMES;
		spin_unlock(&device->lock);
		reset_memory(device);
	}
	return 0;
}

static int mmfuzz_open(struct inode *inode, struct file *file)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return -ENOMEM;
	mutex_init(&session->mutex);
	file->private_data = session;
	return 0;
}

static int mmfuzz_release(struct inode *inode, struct file *file)
{
	end_session(file->private_data, true);
	kfree(file->private_data);
	return 0;
}

static bool valid_range(const struct mmfuzz_range *range)
{
	return range->dev < MMFUZZ_DEVICES && range->len && range->len <= MMFUZZ_MAX_PAGES &&
	       !(range->addr & ~PAGE_MASK) && range->addr < TASK_SIZE &&
	       range->len * PAGE_SIZE <= TASK_SIZE - range->addr &&
	       !(range->flags & ~(MMFUZZ_TO_SYSTEM | MMFUZZ_WRITE | MMFUZZ_PIN |
				  MMFUZZ_FAST | MMFUZZ_LONGTERM));
}

static long range_command(struct session *session, unsigned int cmd, struct mmfuzz_range *range)
{
	if (!valid_range(range))
		return -EINVAL;
	switch (cmd) {
	case MMFUZZ_IOC_MIGRATE:
		return migrate_now(session, range);
	case MMFUZZ_IOC_SETUP:
		return setup(session, range);
	case MMFUZZ_IOC_ACCESS:
		return access(session, range);
	case MMFUZZ_IOC_GET:
		return get(session, range);
	case MMFUZZ_IOC_HOLD:
		return hold(session, range);
	case MMFUZZ_IOC_LOCK:
		return lock_entry(session, range);
	case MMFUZZ_IOC_COMPACT:
		return compact(range);
	default:
		return make_exclusive(session, range);
	}
}

static long snapshot_command(struct session *session, struct mmfuzz_snapshot *arg)
{
	struct mmfuzz_range range = { .addr = arg->addr, .len = arg->len, .dev = arg->dev };

	return valid_range(&range) ? snapshot(session, arg) : -EINVAL;
}

static long mmfuzz_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct session *session = file->private_data;
	union {
		struct mmfuzz_range range;
		struct mmfuzz_slot slot;
		struct mmfuzz_evict evict;
		struct mmfuzz_snapshot snapshot;
		struct mmfuzz_fail fail;
		struct mmfuzz_observe observe;
		struct mmfuzz_reset reset;
	} arg;
	size_t size = _IOC_SIZE(cmd);
	long ret;

	if (size > sizeof(arg) || (size && copy_from_user(&arg, (void __user *)user, size)))
		return size > sizeof(arg) ? -ENOTTY : -EFAULT;
	switch (cmd) {
	case MMFUZZ_IOC_ATTACH:
		return attach(session);
	case MMFUZZ_IOC_WARN:
		WARN(1, "mmfuzz: a warning was asked for\n");
		return 0;
	case MMFUZZ_IOC_MIGRATE:
	case MMFUZZ_IOC_SETUP:
	case MMFUZZ_IOC_ACCESS:
	case MMFUZZ_IOC_GET:
	case MMFUZZ_IOC_HOLD:
	case MMFUZZ_IOC_LOCK:
	case MMFUZZ_IOC_EXCLUSIVE:
	case MMFUZZ_IOC_COMPACT:
		ret = range_command(session, cmd, &arg.range);
		break;
	case MMFUZZ_IOC_NEXT:
		ret = next_phase(session, &arg.slot);
		break;
	case MMFUZZ_IOC_PUT:
		ret = put(session, &arg.slot);
		break;
	case MMFUZZ_IOC_UNLOCK:
		ret = unlock(session, &arg.slot);
		break;
	case MMFUZZ_IOC_EVICT:
		ret = evict(&arg.evict);
		break;
	case MMFUZZ_IOC_RELEASE:
		ret = release_device(&arg.evict);
		break;
	case MMFUZZ_IOC_SNAPSHOT:
		ret = snapshot_command(session, &arg.snapshot);
		break;
	case MMFUZZ_IOC_FAIL:
		atomic_set(&fail_system, arg.fail.system);
		atomic_set(&fail_device, arg.fail.device);
		return 0;
	case MMFUZZ_IOC_OBSERVE:
		ret = observe(&arg.observe);
		break;
	case MMFUZZ_IOC_RESET:
		ret = reset(session, &arg.reset);
		break;
	default:
		return -ENOTTY;
	}
	if (!ret && _IOC_DIR(cmd) & _IOC_READ && copy_to_user((void __user *)user, &arg, size))
		ret = -EFAULT;
	return ret;
}

static const struct file_operations mmfuzz_fops = {
	.owner = THIS_MODULE,
	.open = mmfuzz_open,
	.release = mmfuzz_release,
	.unlocked_ioctl = mmfuzz_ioctl,
};

static struct miscdevice mmfuzz_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmfuzz",
	.fops = &mmfuzz_fops,
};

static int __init init_device(struct mmfuzz_device *device)
{
	unsigned long size = FRAMES * PAGE_SIZE;
	void *mapped;

	spin_lock_init(&device->lock);
	device->limit = FRAMES;
	device->memory = vzalloc(size);
	if (!device->memory)
		return -ENOMEM;
	/* at the top of the physical address space, a whole section */
	device->resource = request_free_mem_region(&iomem_resource, size, "mmfuzz");
	if (IS_ERR(device->resource))
		return PTR_ERR(device->resource);
	device->pagemap.type = MEMORY_DEVICE_PRIVATE;
	device->pagemap.range.start = device->resource->start;
	device->pagemap.range.end = device->resource->start + size - 1;
	device->pagemap.nr_range = 1;
	device->pagemap.ops = &pagemap_ops;
	device->pagemap.owner = device;
	mapped = memremap_pages(&device->pagemap, numa_node_id());
	if (IS_ERR(mapped))
		return PTR_ERR(mapped);
	device->first = PHYS_PFN(device->pagemap.range.start);
	return 0;
}

static int __init mmfuzz_init(void)
{
	int i, ret;

	for (i = 0; i < MMFUZZ_DEVICES; i++) {
		ret = init_device(&devices[i]);
		if (ret) {
			pr_err("mmfuzz: device %d has no memory: %d\n", i, ret);
			return ret;
		}
	}
	return misc_register(&mmfuzz_misc);
}
device_initcall(mmfuzz_init);
