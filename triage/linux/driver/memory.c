// SPDX-License-Identifier: GPL-2.0
/*
 * The devices and their memory. A frame comes from the device's stack of free frames, and returns
 * to it when its page has no references. The contents of a page live in vmalloc memory, because
 * nobody can address the page itself.
 */
#include <linux/highmem.h>
#include <linux/memremap.h>
#include <linux/vmalloc.h>

#include "internal.h"

struct mmfuzz_device mmfuzz_devices[MMFUZZ_DEVICES];

struct page *mmfuzz_alloc_device_page(struct mmfuzz_device *device)
{
	struct page *page = NULL;
	unsigned int frame = FRAMES;

	if (mmfuzz_must_fail(MMFUZZ_ALLOC_DEVICE_PAGE))
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
		/*
		 * The kernel does not clear the flags that the last user left; since 6.19 it clears
		 * those of the lowest byte. If this frame last held an active page and now takes an
		 * unevictable one, that page migrates back with both flags, and
		 * folio_migrate_flags() hits a BUG with CONFIG_DEBUG_VM.
		 */
		folio_clear_active(page_folio(page));
		ClearPageDirty(page);
		folio_clear_swapbacked(page_folio(page));
		__folio_clear_mlocked(page_folio(page));
		folio_clear_unevictable(page_folio(page));
		begin_device_page(page, &device->pagemap);
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
		device->fresh = device->nr_free = 0;
	spin_unlock(&device->lock);
}

void mmfuzz_reset_devices(struct mmfuzz_reset *arg)
{
	int i;

	for (i = 0; i < MMFUZZ_DEVICES; i++) {
		struct mmfuzz_device *device = &mmfuzz_devices[i];

		spin_lock(&device->lock);
		arg->device_frames[i] = device->in_use;
		device->limit = arg->limit ?: FRAMES;
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
