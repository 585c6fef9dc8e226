// SPDX-License-Identifier: GPL-2.0
/*
 * The devices and their memory. A frame comes from the device's stack of free frames, and returns
 * to it when its pages have no references. The contents of a page live in vmalloc memory, because
 * nobody can address the page itself.
 */
#include <linux/highmem.h>
#include <linux/memremap.h>
#include <linux/vmalloc.h>

#include "internal.h"

struct mmfuzz_device mmfuzz_devices[MMFUZZ_DEVICES];

/* Takes a free frame: the last freed one, a gap, a new one, or the first of the last free block. */
static int take_frame(struct mmfuzz_device *device)
{
	unsigned int first, i;

	if (device->nr_free)
		return device->free[--device->nr_free];
	if (device->nr_gaps)
		return device->gaps[--device->nr_gaps];
	if (device->fresh < device->limit)
		return device->fresh++;
	if (!device->nr_blocks)
		return -1;
	first = device->blocks[--device->nr_blocks];
	for (i = BLOCK; i-- > 1; )
		device->free[device->nr_free++] = first + i;
	return first;
}

/* Removes the frames of a block from a stack. Returns the new height of the stack. */
static unsigned int without_block(u16 *stack, unsigned int height, unsigned int first)
{
	unsigned int i, kept = 0;

	for (i = 0; i < height; i++)
		if (stack[i] / BLOCK != first / BLOCK)
			stack[kept++] = stack[i];
	return kept;
}

/* Takes a block: the last freed one, a new one, or the lowest whose frames are all free. */
static int take_block(struct mmfuzz_device *device)
{
	unsigned int first = round_up(device->fresh, BLOCK), i;
	u8 free[FRAMES / BLOCK] = {};

	if (device->nr_blocks)
		return device->blocks[--device->nr_blocks];
	if (first + BLOCK <= device->limit) {
		for (i = first; i-- > device->fresh; )
			device->gaps[device->nr_gaps++] = i;
		device->fresh = first + BLOCK;
		return first;
	}
	for (i = 0; i < device->nr_free; i++)
		free[device->free[i] / BLOCK]++;
	for (i = 0; i < device->nr_gaps; i++)
		free[device->gaps[i] / BLOCK]++;
	for (first = 0; first < device->limit; first += BLOCK) {
		if (free[first / BLOCK] < BLOCK)
			continue;
		device->nr_free = without_block(device->free, device->nr_free, first);
		device->nr_gaps = without_block(device->gaps, device->nr_gaps, first);
		return first;
	}
	return -1;
}

/* Takes a frame, whose pages begin their lives one by one. Negative if there is none. */
int mmfuzz_take_frame(struct mmfuzz_device *device)
{
	int frame;

	if (mmfuzz_must_fail(MMFUZZ_ALLOC_DEVICE_PAGE))
		return -1;
	spin_lock(&device->lock);
	frame = take_frame(device);
	spin_unlock(&device->lock);
	return frame;
}

/*
 * Clears the flags that the last users left. Before 6.19 the kernel clears none of them; since then
 * it clears only those in the lowest byte. If an unevictable page migrates to a device page that was
 * active when it was freed, it migrates back with both flags, and folio_migrate_flags() hits a BUG
 * with CONFIG_DEBUG_VM. A page may still look like the tail of its last folio, so the functions for
 * folios cannot be used.
 */
static void begin_pages(struct mmfuzz_device *device, struct page *page, unsigned int order)
{
	static const int stale[] = { PG_active, PG_dirty, PG_swapbacked, PG_mlocked, PG_unevictable };
	unsigned int i, j;

	for (i = 0; i < 1 << order; i++)
		for (j = 0; j < ARRAY_SIZE(stale); j++)
			clear_bit(stale[j], (unsigned long *)&page[i].flags);
	begin_device_folio(page, &device->pagemap, order);
}

/* Begins the life of the nth page of a frame. */
struct page *mmfuzz_begin_device_page(struct mmfuzz_device *device, unsigned int frame, unsigned int nth)
{
	struct page *page = pfn_to_page(device->first + frame * device->unit + nth);

	spin_lock(&device->lock);
	device->used[frame]++;
	device->in_use++;
	spin_unlock(&device->lock);
	begin_pages(device, page, 0);
	return page;
}

struct page *mmfuzz_alloc_huge_device_page(struct mmfuzz_device *device)
{
	struct page *page;
	int first, i;

	if (mmfuzz_must_fail(MMFUZZ_ALLOC_DEVICE_PAGE))
		return NULL;
	spin_lock(&device->lock);
	first = take_block(device);
	for (i = 0; first >= 0 && i < BLOCK; i++) {
		device->used[first + i] = device->unit;
		device->in_use += device->unit;
	}
	spin_unlock(&device->lock);
	if (first < 0)
		return NULL;
	page = pfn_to_page(device->first + first * device->unit);
	begin_pages(device, page, HPAGE_PMD_ORDER);
	return page;
}

/* A huge page is freed whole; the pages of one that was split are freed one by one. */
static void free_device_page(struct page *page)
{
	struct mmfuzz_device *device = device_of(page);
	unsigned int order = folio_order(page_folio(page)), frame = frame_of(page);

	spin_lock(&device->lock);
	device->in_use -= 1 << order;
	if (order) {
		memset(&device->used[frame], 0, BLOCK * sizeof(device->used[0]));
		device->blocks[device->nr_blocks++] = frame;
	} else if (!--device->used[frame]) {
		device->free[device->nr_free++] = frame;
	}
	spin_unlock(&device->lock);
}

/* Copies a page; a hole reads as zeroes. */
void mmfuzz_copy_contents(struct page *dst, struct page *src)
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

DEFINE_FREE_OPERATION(free_operation, free_device_page)

static const struct dev_pagemap_ops pagemap_ops = {
	FREE_OPERATION(free_operation),
	.migrate_to_ram = mmfuzz_migrate_to_ram,
};

/* Resets the memory to its initial state, unless a page is still in use. */
void mmfuzz_reset_memory(struct mmfuzz_device *device)
{
	spin_lock(&device->lock);
	if (!device->in_use)
		device->fresh = device->nr_free = device->nr_blocks = device->nr_gaps = 0;
	spin_unlock(&device->lock);
}

void mmfuzz_reset_devices(struct mmfuzz_reset *arg)
{
	unsigned int unit = arg->unit ?: 1;
	int i;

	for (i = 0; i < MMFUZZ_DEVICES; i++) {
		struct mmfuzz_device *device = &mmfuzz_devices[i];

		spin_lock(&device->lock);
		arg->device_frames[i] = device->in_use;
		/* while a leaked page is in use, the frames keep their size */
		if (!device->in_use)
			device->unit = unit;
		device->limit = (arg->limit ?: FRAMES) / device->unit;
		spin_unlock(&device->lock);
		mmfuzz_reset_memory(device);
	}
}

static int __init init_device(struct mmfuzz_device *device)
{
	unsigned long size = FRAMES * PAGE_SIZE;
	void *mapped;

	spin_lock_init(&device->lock);
	device->limit = FRAMES;
	device->unit = 1;
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

int __init mmfuzz_init_devices(void)
{
	int i, ret;

	for (i = 0; i < MMFUZZ_DEVICES; i++) {
		ret = init_device(&mmfuzz_devices[i]);
		if (ret) {
			pr_err("mmfuzz: device %d has no memory: %d\n", i, ret);
			return ret;
		}
	}
	return 0;
}
