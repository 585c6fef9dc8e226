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

/* What the driver does between the phases of a migration. */
struct copying {
	unsigned long *src, *dst;
	unsigned long n;
	struct mirror *mirror;		/* NULL if the device mappings must not be removed here */
	unsigned long addr;
	unsigned int dev;
	bool to_system;
	unsigned int skip;
};

static struct page *system_page(unsigned int order)
{
	struct folio *folio = folio_alloc(order ? GFP_TRANSHUGE : GFP_HIGHUSER_MOVABLE, order);

	if (!folio)
		return NULL;
	folio_lock(folio);
	return folio_page(folio, 0);
}

static void unmap_for_copy(const struct copying *c, unsigned long i, unsigned long nr)
{
	while (c->to_system && c->mirror && nr--)
		mmfuzz_device_unmap(c->mirror, c->dev, c->addr + i++ * PAGE_SIZE);
}

/* Supplies a huge destination for entry @i. */
static bool copy_huge(const struct copying *c, unsigned long i)
{
	struct page *from = migrate_pfn_to_page(c->src[i]), *to;
	unsigned long j;

	unmap_for_copy(c, i, HPAGE_PMD_NR);
	to = c->to_system ? system_page(HPAGE_PMD_ORDER) : mmfuzz_alloc_huge_device_page(&mmfuzz_devices[c->dev]);
	if (!to)
		return false;
	for (j = 0; j < HPAGE_PMD_NR; j++)
		mmfuzz_copy_contents(to + j, from ? from + j : NULL);
	c->dst[i] = migrate_pfn(page_to_pfn(to)) | MIGRATE_PFN_COMPOUND;
	return true;
}

/* Gives the destinations of @nr pages back. */
static void free_destinations(const struct copying *c, unsigned long first, unsigned long nr)
{
	unsigned long i;

	for (i = first; i < first + nr; i++) {
		struct page *page = migrate_pfn_to_page(c->dst[i]);

		c->dst[i] = 0;
		if (page) {
			unlock_page(page);
			put_page(page);
		}
	}
}

/*
 * Supplies destinations for @nr single pages. The pages of a unit share a frame of the device. A
 * huge hole gets all its destinations or none, because __migrate_device_pages() would dereference a
 * destination that is missing.
 */
static void copy_pages(const struct copying *c, unsigned long first, unsigned long nr, bool huge)
{
	struct mmfuzz_device *device = &mmfuzz_devices[c->dev];
	unsigned int unit = device->unit;
	unsigned long i;
	int frame = -1;

	for (i = first; i < first + nr && i < c->n; i++) {
		unsigned long src = huge ? c->src[first] : c->src[i];
		struct page *from = migrate_pfn_to_page(src), *to;

		if (i % unit == 0)
			frame = -1;
		if (c->skip >> (i / unit % 8) & 1 || !(src & MIGRATE_PFN_MIGRATE) || (c->to_system && !from))
			continue;
		if (huge && from)
			from += i - first;
		unmap_for_copy(c, i, 1);
		if (c->to_system) {
			to = system_page(0);
		} else {
			if (frame < 0)
				frame = mmfuzz_take_frame(device);
			to = frame < 0 ? NULL : mmfuzz_begin_device_page(device, frame, i % unit);
		}
		if (!to && huge && !from) {
			free_destinations(c, first, i - first);
			return;
		}
		if (!to)
			continue;
		mmfuzz_copy_contents(to, from);
		c->dst[i] = migrate_pfn(page_to_pfn(to));
	}
}

/*
 * Supplies destinations, with the contents copied, for all pages that migrate and need not be
 * skipped. A huge page gets a huge destination, or single pages if there is none or a part of it is
 * skipped.
 */
static void alloc_and_copy(const struct copying *c)
{
	unsigned int unit = mmfuzz_devices[c->dev].unit;
	unsigned long i, nr;

	for (i = 0; i < c->n; i += nr) {
		unsigned long src = c->src[i];
		bool wanted = src & MIGRATE_PFN_MIGRATE && (!c->to_system || migrate_pfn_to_page(src));
		bool huge = src & MIGRATE_PFN_COMPOUND && wanted;

		nr = huge ? HPAGE_PMD_NR : unit - i % unit;
		if (huge && c->skip & 0xff && !migrate_pfn_to_page(src))
			continue;
		if (!huge || c->skip & 0xff || !copy_huge(c, i))
			copy_pages(c, i, nr, huge);
	}
}

/* Called when pages are collected and unmapped: tasks can be stopped there. */
static noinline void mmfuzz_setup_done(void)
{
	barrier();
}

/* The number of pages and holes that migrate. */
static unsigned int migrating(const unsigned long *src, unsigned long n)
{
	unsigned int count = 0;

	while (n--)
		if (src[n] & MIGRATE_PFN_MIGRATE)
			count += src[n] & MIGRATE_PFN_COMPOUND ? HPAGE_PMD_NR : 1;
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
	struct copying copying = {
		.src = src,
		.dst = dst,
		.n = (end - start) >> PAGE_SHIFT,
		.mirror = held->mirror,
		.addr = start,
		.dev = range->dev,
		.to_system = to_system,
	};
	int ret;

	/* only in a program with huge pages is a unit more than one page */
	if (range->unit > 1)
		args.flags |= MIGRATE_VMA_SELECT_COMPOUND;
	memset(dst, 0, copying.n * sizeof(*dst));
	ret = migrate_vma_setup(&args);
	if (ret)
		return ret;
	mmfuzz_gate(held);
	mmfuzz_setup_done();
	copying.skip = range->skip | held->skip;
	alloc_and_copy(&copying);
	migrate_vma_pages(&args);
	mmfuzz_gate(held);
	ret = migrating(src, copying.n);
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

/* A migration of a range of the caller's address space that has not begun; NULL without memory. */
struct held_migration *mmfuzz_new_migration(struct mirror *mirror, const struct mmfuzz_range *range)
{
	struct held_migration *held = kzalloc(struct_size(held, src, 2 * range->len), GFP_KERNEL);

	if (!held)
		return NULL;
	held->mm = current->mm;
	held->mirror = mirror;
	held->range = *range;
	held->dst = held->src + range->len;
	return held;
}

long mmfuzz_migrate_now(struct session *session, struct mmfuzz_range *range)
{
	struct mirror *mirror = mmfuzz_find_mirror(session, current->mm);
	struct held_migration *held;
	int ret;

	if (!mirror)
		return -ENOENT;
	held = mmfuzz_new_migration(mirror, range);
	if (!held)
		return -ENOMEM;
	ret = mmfuzz_migrate_range(held);
	kfree(held);
	if (ret < 0)
		return ret;
	range->result = ret;
	return 0;
}

/* Evicts the pages of @len frames, from frame @first on. */
static long evict_frames(struct mmfuzz_evict *arg)
{
	struct mmfuzz_device *device = &mmfuzz_devices[arg->dev];
	unsigned long first = device->first + arg->first * device->unit;
	struct copying copying = { .n = arg->len * device->unit, .dev = arg->dev, .to_system = true };
	unsigned long *src, *dst;
	long ret = -ENOMEM;

	lru_add_drain();
	src = kcalloc(copying.n, sizeof(*src), GFP_KERNEL);
	dst = kcalloc(copying.n, sizeof(*dst), GFP_KERNEL);
	if (src && dst) {
		copying.src = src;
		copying.dst = dst;
		migrate_device_range(src, first, copying.n);
		mmfuzz_setup_done();
		alloc_and_copy(&copying);
		migrate_device_pages(src, dst, copying.n);
		arg->moved = migrating(src, copying.n);
		migrate_device_finalize(src, dst, copying.n);
		ret = 0;
	}
	kfree(src);
	kfree(dst);
	return ret;
}

long mmfuzz_evict_frames(struct mmfuzz_evict *arg)
{
	unsigned int frames;

	if (arg->dev >= MMFUZZ_DEVICES || !arg->len || arg->len > FRAMES || arg->first > FRAMES - arg->len)
		return -EINVAL;
	/* with units of many pages, the device has fewer frames, so a program may name one beyond them */
	arg->moved = 0;
	frames = FRAMES / mmfuzz_devices[arg->dev].unit;
	if (arg->first >= frames)
		return 0;
	arg->len = min(arg->len, frames - arg->first);
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

/* Migrates the page, or the huge page, of a CPU fault. */
static vm_fault_t migrate_for_fault(struct vm_fault *vmf, unsigned long *src, unsigned long *dst, unsigned long n)
{
	struct mmfuzz_device *device = device_of(vmf->page);
	struct migrate_vma args = {
		.vma = vmf->vma,
		.src = src,
		.dst = dst,
		.start = vmf->address & -(n * PAGE_SIZE),
		.pgmap_owner = device,
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.fault_page = vmf->page,
	};
	struct copying copying = {
		.src = src,
		.dst = dst,
		.n = n,
		.dev = device - mmfuzz_devices,
		.to_system = true,
	};
	bool no_memory;
	unsigned long i;

	args.end = args.start + n * PAGE_SIZE;
	if (n > 1)
		args.flags |= MIGRATE_VMA_SELECT_COMPOUND;
	if (migrate_vma_setup(&args))
		return VM_FAULT_SIGBUS;
	mmfuzz_setup_done();
	/* the notifier callback leaves the device's own mapping to the driver */
	if (migrating(src, n))
		for (i = 0; i < n; i++)
			mmfuzz_device_unmap_all(vmf->vma->vm_mm, copying.dev, args.start + i * PAGE_SIZE);
	alloc_and_copy(&copying);
	no_memory = migrating(src, n) && !dst[0] && migrate_pfn_to_page(src[0]);
	migrate_vma_pages(&args);
	migrate_vma_finalize(&args);
	return no_memory ? VM_FAULT_OOM : 0;
}

/* A CPU fault on a device page. The entry of a large folio is huge if the fault has no pte. */
vm_fault_t mmfuzz_migrate_to_ram(struct vm_fault *vmf)
{
	unsigned long src = 0, dst = 0, *arrays;
	vm_fault_t ret;

	if (vmf->pte || !folio_test_large(page_folio(vmf->page)))
		return migrate_for_fault(vmf, &src, &dst, 1);
	arrays = kcalloc(2 * HPAGE_PMD_NR, sizeof(*arrays), GFP_KERNEL);
	if (!arrays)
		return VM_FAULT_OOM;
	ret = migrate_for_fault(vmf, arrays, arrays + HPAGE_PMD_NR, HPAGE_PMD_NR);
	kfree(arrays);
	return ret;
}
