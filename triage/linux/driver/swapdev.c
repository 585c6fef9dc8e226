// SPDX-License-Identifier: GPL-2.0
/*
 * A swap disk in memory. A page of the disk takes memory once it is written. Reads, and writes of
 * fewer than 32 pages, end before submit_bio() returns, so nobody ever waits for them. The same
 * holds for all writes to a synchronous disk, and for those of kernel threads. Other writes, such
 * as a full batch of reclaim, end when the task returns to user space. If such a write ended at
 * once, reclaim would free the folio that fills the batch, and keep the others. The pages that one
 * page of the model stands for would then differ.
 *
 * The disk claims to be synchronous only with mmfuzz_sync_swap on the kernel's command line,
 * because kernels before 7.0 bypass the swap cache for a synchronous disk. Newer ones swap large
 * folios in from such a disk, and only from such a disk.
 */
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/swap.h>
#include <linux/task_work.h>

#include "internal.h"

static struct page *store[MMFUZZ_SWAP_PAGES];
static bool is_synchronous;

static int __init mmfuzz_sync_swap(char *unused)
{
	is_synchronous = true;
	return 1;
}
__setup("mmfuzz_sync_swap", mmfuzz_sync_swap);

/* writes that have not ended, and the work that ends them */
static struct bio_list unended;
static DEFINE_SPINLOCK(unended_lock);
static struct callback_head end_work;

static void end_writes(struct callback_head *unused)
{
	struct bio *bio, *ended;

	spin_lock(&unended_lock);
	ended = bio_list_get(&unended);
	spin_unlock(&unended_lock);
	while ((bio = ended)) {
		ended = bio->bi_next;
		bio->bi_next = NULL;
		bio_endio(bio);
	}
}

/* Returns false if nothing would end the write later, or if the task waits for its end. */
static bool end_later(struct bio *bio)
{
	bool first;

	if (is_synchronous || current->flags & PF_KTHREAD)
		return false;
	spin_lock(&unended_lock);
	first = bio_list_empty(&unended);
	bio_list_add(&unended, bio);
	spin_unlock(&unended_lock);
	if (!first)
		return true;
	init_task_work(&end_work, end_writes);
	if (task_work_add(current, &end_work, TWA_RESUME))
		end_writes(NULL);
	return true;
}

static void swapdev_submit_bio(struct bio *bio)
{
	struct bvec_iter iter;
	struct bio_vec bvec;

	/* a block is a page, so a segment lies in one page of the disk */
	bio_for_each_segment(bvec, bio, iter) {
		struct page **page = &store[iter.bi_sector >> (PAGE_SHIFT - SECTOR_SHIFT)];
		unsigned int offset = offset_in_page(iter.bi_sector << SECTOR_SHIFT);
		bool is_write = op_is_write(bio_op(bio));

		if (!*page && is_write)
			*page = alloc_page(GFP_NOIO | __GFP_ZERO);
		if (!*page && is_write) {
			bio_io_error(bio);
			return;
		}
		if (is_write)
			memcpy_from_bvec(page_address(*page) + offset, &bvec);
		else if (*page)
			memcpy_to_bvec(&bvec, page_address(*page) + offset);
		else
			memzero_bvec(&bvec);
	}
	if (op_is_write(bio_op(bio)) && bio->bi_iter.bi_size >= SWAP_CLUSTER_MAX << PAGE_SHIFT && end_later(bio))
		return;
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
