// SPDX-License-Identifier: GPL-2.0
/*
 * Migrations of a range of an address space, of a range of a device's frames, and of the page that
 * the CPU faults on. The driver supplies destinations for all pages that it need not skip, as long
 * as it has memory.
 */
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "internal.h"

static struct page *alloc_destination(unsigned int dev, bool to_system)
{
	struct page *page;

	if (!to_system)
		return mmfuzz_alloc_device_page(&mmfuzz_devices[dev]);
	page = alloc_page(GFP_HIGHUSER_MOVABLE);
	if (page)
		lock_page(page);
	return page;
}

/*
 * Supplies destinations, with the contents copied, for all pages that migrate and need not be
 * skipped. @mirror is NULL if the device mappings must not be removed here.
 */
static void alloc_and_copy(unsigned long *src, unsigned long *dst, unsigned long n, struct mirror *mirror,
			   unsigned long addr, unsigned int dev, bool to_system, unsigned int skip,
			   unsigned int unit)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		struct page *from = migrate_pfn_to_page(src[i]), *to;

		if (skip >> (i / unit % 8) & 1 || !(src[i] & MIGRATE_PFN_MIGRATE) || (to_system && !from))
			continue;
		if (to_system && mirror)
			mmfuzz_device_unmap(mirror, dev, addr + i * PAGE_SIZE);
		to = alloc_destination(dev, to_system);
		if (!to)
			continue;
		mmfuzz_copy_contents(to, from);
		dst[i] = migrate_pfn(page_to_pfn(to));
	}
}

/* Called when pages are collected and unmapped: tasks can be stopped there. */
static noinline void mmfuzz_setup_done(void)
{
	barrier();
}

static unsigned int migrating(const unsigned long *src, unsigned long n)
{
	unsigned int count = 0;

	while (n--)
		count += !!(src[n] & MIGRATE_PFN_MIGRATE);
	return count;
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
		.pgmap_owner = &mmfuzz_devices[range->dev],
		.flags = to_system ? MIGRATE_VMA_SELECT_DEVICE_PRIVATE : MIGRATE_VMA_SELECT_SYSTEM,
	};
	unsigned long n = (end - start) >> PAGE_SHIFT;
	int ret;

	memset(held->dst, 0, sizeof(held->dst));
	ret = migrate_vma_setup(&args);
	if (ret)
		return ret;
	mmfuzz_gate(held);
	mmfuzz_setup_done();
	alloc_and_copy(src, dst, n, held->mirror, start, range->dev, to_system, range->skip | held->skip,
		       range->unit);
	migrate_vma_pages(&args);
	mmfuzz_gate(held);
	ret = migrating(src, n);
	migrate_vma_finalize(&args);
	return ret;
}

/* Migrates a range, VMA by VMA. Returns the number of pages moved. */
int mmfuzz_migrate_range(struct held_migration *held)
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

long mmfuzz_migrate_now(struct session *session, struct mmfuzz_range *range)
{
	struct held_migration *held = kzalloc(sizeof(*held), GFP_KERNEL);
	int ret = -ENOENT;

	if (!held)
		return -ENOMEM;
	held->mm = current->mm;
	held->mirror = mmfuzz_find_mirror(session, current->mm);
	held->range = *range;
	if (held->mirror)
		ret = mmfuzz_migrate_range(held);
	kfree(held);
	if (ret < 0)
		return ret;
	range->result = ret;
	return 0;
}

static long evict_frames(struct mmfuzz_evict *arg)
{
	unsigned long *src, *dst, first;
	long ret = -ENOMEM;

	lru_add_drain();
	first = mmfuzz_devices[arg->dev].first + arg->first;
	src = kcalloc(arg->len, sizeof(*src), GFP_KERNEL);
	dst = kcalloc(arg->len, sizeof(*dst), GFP_KERNEL);
	if (src && dst) {
		migrate_device_range(src, first, arg->len);
		mmfuzz_setup_done();
		alloc_and_copy(src, dst, arg->len, NULL, 0, arg->dev, true, 0, 1);
		migrate_device_pages(src, dst, arg->len);
		arg->moved = migrating(src, arg->len);
		migrate_device_finalize(src, dst, arg->len);
		ret = 0;
	}
	kfree(src);
	kfree(dst);
	return ret;
}

long mmfuzz_evict_frames(struct mmfuzz_evict *arg)
{
	if (arg->dev >= MMFUZZ_DEVICES || !arg->len || arg->len > FRAMES || arg->first > FRAMES - arg->len)
		return -EINVAL;
	return evict_frames(arg);
}

/* Migrates all pages of a device to system memory, and resets the device's memory. */
long mmfuzz_release_device(struct mmfuzz_evict *arg)
{
	long ret;

	if (arg->dev >= MMFUZZ_DEVICES)
		return -EINVAL;
	arg->first = arg->moved = 0;
	arg->len = mmfuzz_devices[arg->dev].fresh;
	ret = evict_frames(arg);
	mmfuzz_reset_memory(&mmfuzz_devices[arg->dev]);
	return ret;
}

/* A CPU fault on a device page. */
vm_fault_t mmfuzz_migrate_to_ram(struct vm_fault *vmf)
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
	mmfuzz_setup_done();
	/* the notifier callback leaves the device's own mapping to the driver */
	if (migrating(&src, 1))
		mmfuzz_device_unmap_all(vmf->vma->vm_mm, device - mmfuzz_devices, args.start);
	alloc_and_copy(&src, &dst, 1, NULL, args.start, device - mmfuzz_devices, true, 0, 1);
	no_memory = migrating(&src, 1) && !dst && migrate_pfn_to_page(src);
	migrate_vma_pages(&args);
	migrate_vma_finalize(&args);
	return no_memory ? VM_FAULT_OOM : 0;
}
