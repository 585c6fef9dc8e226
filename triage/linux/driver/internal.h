/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the driver share.
 *
 * An open file is a session. It holds references, folio locks, migrations between their phases,
 * and the devices' page tables for each attached address space. All of these end with the file.
 *
 * Lock order: mmap_lock, mirrors_lock, mirror->lock (device page tables; the notifier takes it
 * too). session->mutex guards the slots; no code sleeps for long while it holds it.
 */
#ifndef MMFUZZ_INTERNAL_H
#define MMFUZZ_INTERNAL_H

#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "compat.h"
#include "mmfuzz_dev.h"

/* Pages of a device: whole subsections of 512 pages, as memremap_pages() demands. */
#define FRAMES MMFUZZ_MAX_FRAMES

/* Units of a huge page. */
#define BLOCK 8

/*
 * Memory is handed out in frames of one unit: as many pages as a page of the program stands for.
 * Eight aligned frames are a block, which holds a huge page.
 */
struct mmfuzz_device {
	struct dev_pagemap pagemap;
	struct resource *resource;
	unsigned long first;		/* pfn */
	spinlock_t lock;		/* protects the fields below */
	unsigned int unit;		/* pages of a frame */
	unsigned int limit;		/* frames */
	unsigned int fresh;		/* frames from this number on are unused since the reset */
	unsigned int nr_free;
	unsigned int nr_blocks;
	unsigned int nr_gaps;
	unsigned int in_use;		/* pages */
	u16 free[FRAMES];		/* a stack */
	u16 blocks[FRAMES / BLOCK];	/* a stack of free blocks, by their first frames */
	u16 gaps[FRAMES];		/* a stack of frames that were skipped to align a block */
	u16 used[FRAMES];		/* pages in use of each frame */
	u8 *memory;			/* what the device holds */
};

extern struct mmfuzz_device mmfuzz_devices[MMFUZZ_DEVICES];

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
	struct mutex lock;		/* protects the tables; held while they are used */
	struct device_table tables[MMFUZZ_DEVICES];
};

enum phase { RUNNING, AT_GATE, ENDED };

/* A migration. If it is held open, it has a thread. */
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
	u32 skip;			/* the pages to decline at the gate that was opened last */
	unsigned long *dst;		/* behind src */
	unsigned long src[];		/* one for each page of the range */
};

/* What is held for one page of the program: a page of each folio in its unit. */
struct held_pages {
	unsigned int count;
	bool pin;
	struct page *pages[MMFUZZ_MAX_UNIT];
};

struct session {
	struct mutex mutex;		/* protects the fields below */
	struct held_pages refs[MMFUZZ_MAX_REFS];
	struct held_pages locks[MMFUZZ_MAX_LOCKS];
	struct held_migration *migrations[MMFUZZ_MAX_MIGRATIONS];
};

static inline struct mmfuzz_device *device_of(const struct page *page)
{
	return container_of(page_pgmap(page), struct mmfuzz_device, pagemap);
}

/* The number of a page in its device's memory. */
static inline unsigned int number_of(struct page *page)
{
	return page_to_pfn(page) - device_of(page)->first;
}

static inline unsigned int frame_of(struct page *page)
{
	return number_of(page) / device_of(page)->unit;
}

static inline void *device_word(struct page *page)
{
	return device_of(page)->memory + (size_t)number_of(page) * PAGE_SIZE;
}

static inline unsigned long vpn(unsigned long addr)
{
	return addr >> PAGE_SHIFT;
}

/* memory.c */
int mmfuzz_init_devices(void);
void mmfuzz_reset_memory(struct mmfuzz_device *device);
void mmfuzz_reset_devices(struct mmfuzz_reset *arg);
int mmfuzz_take_frame(struct mmfuzz_device *device);
struct page *mmfuzz_begin_device_page(struct mmfuzz_device *device, unsigned int frame, unsigned int nth);
struct page *mmfuzz_alloc_huge_device_page(struct mmfuzz_device *device);
void mmfuzz_copy_contents(struct page *dst, struct page *src);

/* mirror.c */
struct mirror *mmfuzz_find_mirror(struct session *session, struct mm_struct *mm);
long mmfuzz_attach(struct session *session);
void mmfuzz_forget_mirrors(struct session *session, bool all);
void mmfuzz_device_unmap(struct mirror *mirror, unsigned int dev, unsigned long addr);
void mmfuzz_device_unmap_all(struct mm_struct *mm, unsigned int dev, unsigned long addr);

/* migrate.c */
struct held_migration *mmfuzz_new_migration(struct mirror *mirror, const struct mmfuzz_range *range);
int mmfuzz_migrate_range(struct held_migration *held);
long mmfuzz_migrate_now(struct session *session, struct mmfuzz_range *range);
long mmfuzz_evict_frames(struct mmfuzz_evict *arg);
long mmfuzz_release_device(struct mmfuzz_evict *arg);
vm_fault_t mmfuzz_migrate_to_ram(struct vm_fault *vmf);

/* held.c */
int mmfuzz_migration_thread(void *data);
void mmfuzz_gate(struct held_migration *held);
long mmfuzz_setup(struct session *session, struct mmfuzz_range *range);
long mmfuzz_next_phase(struct session *session, struct mmfuzz_slot *arg);
void mmfuzz_end_migrations(struct session *session);

/* access.c */
long mmfuzz_access(struct session *session, struct mmfuzz_range *range);
long mmfuzz_take_snapshot(struct session *session, struct mmfuzz_snapshot *arg);
int mmfuzz_device_map(struct device_table *table, unsigned long addr, unsigned long pfn, bool write, unsigned long seq);

/* exclusive.c */
long mmfuzz_make_exclusive(struct session *session, struct mmfuzz_range *range);

/* compact.c */
long mmfuzz_compact(struct mmfuzz_range *range);

/* entry.c */
struct page *mmfuzz_decode_swap(pte_t pte, struct mmfuzz_entry *out);
void mmfuzz_decode_page(struct page *page, struct mmfuzz_entry *out);
void mmfuzz_with_entry(struct mm_struct *mm, unsigned long addr, struct mmfuzz_entry *out,
		       void (*use)(struct page *page, struct mmfuzz_entry *out));

/* hold.c */
long mmfuzz_get(struct session *session, struct mmfuzz_range *range);
struct page *mmfuzz_hold_entry(unsigned long addr);
long mmfuzz_hold(struct session *session, struct mmfuzz_range *range);
long mmfuzz_lock(struct session *session, struct mmfuzz_range *range);
long mmfuzz_put(struct session *session, struct mmfuzz_slot *arg);
long mmfuzz_unlock(struct session *session, struct mmfuzz_slot *arg);
void mmfuzz_drop_holds(struct session *session);

/* observe.c */
long mmfuzz_observe_process(struct mmfuzz_observe *arg);

/* reclaim.c */
long mmfuzz_reclaim(struct mmfuzz_range *range);

/* fail.c */
long mmfuzz_fail_next(const struct mmfuzz_fail *arg);
bool mmfuzz_must_fail(enum mmfuzz_alloc kind);

/* stop.c */
long mmfuzz_begin_stops(struct mmfuzz_schedule *arg);
void mmfuzz_end_stops(void);
long mmfuzz_arm_stops(const struct mmfuzz_stops *stops);
long mmfuzz_disarm_stops(void);
void mmfuzz_pass_stops(struct task_struct *from, struct task_struct *to);
long mmfuzz_await_stop(struct mmfuzz_at *at);
long mmfuzz_go_on(const struct mmfuzz_at *at);

/* untrace.c */
long mmfuzz_untrace(struct mmfuzz_places *arg);

#endif
