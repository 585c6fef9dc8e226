// SPDX-License-Identifier: GPL-2.0
/*
 * A swap disk in memory. Its reads and writes end before submit_bio() returns, so nobody ever
 * waits for them. It claims to be synchronous only with mmfuzz_sync_swap on the kernel's command
 * line, because kernels up to 6.18 bypass the swap cache for a synchronous disk. Newer ones swap
 * large folios in from such a disk, and only from such a disk.
 */
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/vmalloc.h>

#include "internal.h"

static u8 *store;
static bool is_synchronous;

static int __init mmfuzz_sync_swap(char *unused)
{
	is_synchronous = true;
	return 1;
}
__setup("mmfuzz_sync_swap", mmfuzz_sync_swap);

static void swapdev_submit_bio(struct bio *bio)
{
	u8 *at = store + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	struct bvec_iter iter;
	struct bio_vec bvec;

	bio_for_each_segment(bvec, bio, iter) {
		if (op_is_write(bio_op(bio)))
			memcpy_from_bvec(at, &bvec);
		else
			memcpy_to_bvec(&bvec, at);
		at += bvec.bv_len;
	}
	bio_endio(bio);
}

static const struct block_device_operations swapdev_ops = {
	.owner = THIS_MODULE,
	.submit_bio = swapdev_submit_bio,
};

static int __init mmfuzz_init_swapdev(void)
{
	struct queue_limits limits = { .logical_block_size = PAGE_SIZE, .physical_block_size = PAGE_SIZE };
	struct gendisk *disk;
	int ret;

	if (is_synchronous)
		limits.features |= BLK_FEAT_SYNCHRONOUS;
	store = vzalloc(MMFUZZ_SWAP_PAGES * PAGE_SIZE);
	if (!store)
		return -ENOMEM;
	disk = blk_alloc_disk(&limits, NUMA_NO_NODE);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	strscpy(disk->disk_name, "mmfuzz_swap", sizeof(disk->disk_name));
	disk->fops = &swapdev_ops;
	set_capacity(disk, MMFUZZ_SWAP_PAGES << (PAGE_SHIFT - SECTOR_SHIFT));
	ret = add_disk(disk);
	if (ret)
		put_disk(disk);
	return ret;
}
/* a separate initcall, because a guest may boot without the devices */
device_initcall(mmfuzz_init_swapdev);
