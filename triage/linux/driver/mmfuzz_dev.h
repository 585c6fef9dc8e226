/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The interface of /dev/mmfuzz: a driver with two devices that have private memory.
 *
 * Addresses are in bytes and page-aligned; lengths are in pages. A command works on the address
 * space of the caller, unless it says otherwise. A page of a program stands for a unit: one page, or
 * 64 pages (an eighth of a huge page) in a program with huge pages. Errors: EINVAL for arguments
 * out of range, ENOENT for an empty slot or an address space that is not attached, ENOSPC if no
 * slot is free, and those of the kernel functions that a command calls.
 */
#ifndef MMFUZZ_DEV_H
#define MMFUZZ_DEV_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MMFUZZ_DEVICES 2
#define MMFUZZ_MAX_UNIT 64
/*
 * Devices mirror the addresses below this one. The windows of programs lie there, and memory of the
 * process that runs a program does not: a device must not start over because of that memory.
 */
#define MMFUZZ_MIRRORED (1ULL << 40)
#define MMFUZZ_MAX_PAGES (32 * MMFUZZ_MAX_UNIT)
#define MMFUZZ_MAX_SNAPSHOT 64
#define MMFUZZ_MAX_FRAMES 2048
#define MMFUZZ_MAX_REFS 8
#define MMFUZZ_MAX_LOCKS 8
#define MMFUZZ_ALL_SLOTS 0xffffffff
#define MMFUZZ_MAX_MIGRATIONS 4
/* Pages of /dev/mmfuzz_swap. */
#define MMFUZZ_SWAP_PAGES 16384

/* An operation on a range of pages. Unused fields are 0. */
struct mmfuzz_range {
	__u64 addr;
	__u32 len;	/* pages, 1 to MMFUZZ_MAX_PAGES */
	__u32 dev;	/* 0 or 1 */
	__u32 skip;	/* the driver declines page i if bit i / unit % 8 is set */
	__u32 flags;	/* MMFUZZ_TO_SYSTEM and those below */
	__u64 result;	/* out: a count, a word, a slot */
	__u64 word;	/* in: what a device writes; out: MMFUZZ_OPEN if a migration has not ended */
	__u32 unit;	/* in: pages that a page of the program stands for; 0 is 1 */
	__u32 reserved;
};

#define MMFUZZ_TO_SYSTEM (1 << 0)
#define MMFUZZ_WRITE (1 << 1)
#define MMFUZZ_PIN (1 << 2)
#define MMFUZZ_FAST (1 << 3)
#define MMFUZZ_LONGTERM (1 << 4)	/* with MMFUZZ_PIN */
/* A migration that is held open has not ended. */
#define MMFUZZ_OPEN 1

struct mmfuzz_slot {
	__u32 slot;
	__u32 skip;	/* as in mmfuzz_range; used if destinations are yet to be supplied */
	__u32 open;	/* out: MMFUZZ_OPEN if the migration has not ended */
	__u32 reserved;
};

struct mmfuzz_evict {
	__u32 dev;
	__u32 first;	/* frame, of as many pages as a page of the program stands for */
	__u32 len;	/* frames */
	__u32 moved;	/* out: pages */
};

/* What the device sees of each page: MMFUZZ_SEEN_* and the frame of a device page. */
struct mmfuzz_snapshot {
	__u64 addr;
	__u32 len;
	__u32 dev;
	__u32 seen[MMFUZZ_MAX_SNAPSHOT];
};

#define MMFUZZ_SEEN_ERROR (1u << 31)
#define MMFUZZ_SEEN_VALID (1u << 30)
#define MMFUZZ_SEEN_WRITE (1u << 29)
#define MMFUZZ_SEEN_ZERO (1u << 28)
#define MMFUZZ_SEEN_DEVICE(dev) (((dev) + 1u) << 24)
#define MMFUZZ_SEEN_FRAME 0xffffffu

enum mmfuzz_alloc {
	MMFUZZ_ALLOC_PAGE,	/* of the system, for a process */
	MMFUZZ_ALLOC_PAGE_TABLE,
	MMFUZZ_ALLOC_VMA,
	MMFUZZ_ALLOC_ANON_VMA,
	MMFUZZ_ALLOC_AVC,
	MMFUZZ_ALLOC_DEVICE_PAGE,
	MMFUZZ_ALLOC_MM,
	MMFUZZ_ALLOC_SWAP_SLOT,
	MMFUZZ_ALLOC_KINDS,
};

/*
 * The allocations that fail: the nth of each kind from now on, 0 for none. The count includes
 * allocations of the caller and of the migrations held open. Of the other tasks, it includes only
 * allocations of device pages.
 */
struct mmfuzz_fail {
	__u32 nth[MMFUZZ_ALLOC_KINDS];
};

enum mmfuzz_kind {
	MMFUZZ_NONE,
	MMFUZZ_PRESENT,
	MMFUZZ_MIGRATION_READ,
	MMFUZZ_MIGRATION_READ_EXCLUSIVE,
	MMFUZZ_MIGRATION_WRITE,
	MMFUZZ_DEVICE_READ,
	MMFUZZ_DEVICE_WRITE,
	MMFUZZ_EXCLUSIVE,
	MMFUZZ_SWAP,
	MMFUZZ_MARKER,
	MMFUZZ_OTHER,
};

/* Bits of an entry. */
#define MMFUZZ_PTE_WRITE (1 << 0)
#define MMFUZZ_PTE_SOFT_DIRTY (1 << 1)
#define MMFUZZ_PTE_UFFD_WP (1 << 2)
#define MMFUZZ_PTE_YOUNG (1 << 3)
#define MMFUZZ_PTE_DIRTY (1 << 4)
#define MMFUZZ_PTE_PROTNONE (1 << 5)
#define MMFUZZ_PTE_ZERO (1 << 6)
#define MMFUZZ_PTE_EXCLUSIVE (1 << 7)	/* of a swap entry */

/* Bits of a page. */
#define MMFUZZ_PAGE_LOCKED (1 << 0)
#define MMFUZZ_PAGE_DIRTY (1 << 1)
#define MMFUZZ_PAGE_LRU (1 << 2)
#define MMFUZZ_PAGE_SWAPBACKED (1 << 3)
#define MMFUZZ_PAGE_EXCLUSIVE (1 << 4)
#define MMFUZZ_PAGE_ANON (1 << 5)
#define MMFUZZ_PAGE_MAPPING (1 << 6)
#define MMFUZZ_PAGE_SWAPCACHE (1 << 7)
#define MMFUZZ_PAGE_MLOCKED (1 << 8)
#define MMFUZZ_PAGE_UNEVICTABLE (1 << 9)	/* of the system's memory */
#define MMFUZZ_PAGE_PARTIAL (1 << 10)	/* a large folio that is marked as partially mapped */
#define MMFUZZ_PAGE_QUEUED (1 << 11)	/* a large folio on the queue of deferred splits */

#define MMFUZZ_UNEVEN_KIND (1 << 0)	/* the entry's kind or level, or the device */
#define MMFUZZ_UNEVEN_FLAGS (1 << 1)	/* the entry's flags */
#define MMFUZZ_UNEVEN_PAGE (1 << 2)	/* the page's flags */
#define MMFUZZ_UNEVEN_REFS (1 << 3)
#define MMFUZZ_UNEVEN_MAPS (1 << 4)
#define MMFUZZ_UNEVEN_ORDER (1 << 5)
#define MMFUZZ_UNEVEN_WORD (1 << 6)

/*
 * One entry, and the page that it names. For a swap entry, frame is the slot, maps counts the
 * entries that name it, and the rest describes the folio in the swap cache, if there is one. A huge
 * entry is shown as the entries that its split would make, with level 1.
 */
struct mmfuzz_entry {
	__u8 kind;		/* enum mmfuzz_kind */
	__u8 device;		/* 0: the system's memory, else 1 + the device */
	__u8 pte;		/* MMFUZZ_PTE_* */
	__u8 level;
	__u32 page;		/* MMFUZZ_PAGE_* */
	__s32 refs;		/* for a large folio, without those of mappings and of the swap cache */
	__s32 maps;		/* entries of level 0 that map the page */
	__u32 frame;		/* within the device */
	__s32 entire;		/* huge entries that map the folio */
	__u32 order;		/* of the folio */
	__u32 uneven;		/* MMFUZZ_UNEVEN_*: where other pages of the unit differ from the first */
	__u64 pfn;
	__u64 index;
	__u64 word;		/* the first word of the page */
};

struct mmfuzz_observe {
	__u32 pid;		/* in the caller's pid namespace */
	__u32 len;		/* pages, 1 to MMFUZZ_MAX_PAGES */
	__u64 addr;
	__u64 entries;		/* pointer to len / unit times struct mmfuzz_entry */
	__u32 unit;		/* in: entries are those of the first page of each unit; 0 is 1 */
	__u32 reserved;
	__s64 anon_rss;		/* out: MM_ANONPAGES, less the anonymous pages mapped outside the range */
	__s64 swap_ents;	/* out: MM_SWAPENTS */
	__u64 areas;		/* out: number of VMAs that meet the range */
};

struct mmfuzz_reset {
	__u32 device_frames[MMFUZZ_DEVICES];	/* out: pages still in use */
	__u32 limit;				/* in: pages of each device from now on; 0: as many as there are */
	__u32 unit;				/* in: pages that a page of the program stands for; 0 is 1 */
};

/* The places at which a task can be stopped: places.c. */
enum mmfuzz_at_place {
	MMFUZZ_AT_FAULT,
	MMFUZZ_AT_ANON_LOCK,
	MMFUZZ_AT_WP_LOCK,
	MMFUZZ_AT_COPY_LOCK,
	MMFUZZ_AT_SWAP_FAULT,
	MMFUZZ_AT_SWAP_LOOKUP,
	MMFUZZ_AT_SWAP_LOOKED_UP,
	MMFUZZ_AT_SWAP_READ,
	MMFUZZ_AT_SWAP_IS_READ,
	MMFUZZ_AT_SWAP_IS_READ_AHEAD,
	MMFUZZ_AT_SWAP_LOCK,
	MMFUZZ_AT_MIGRATE_TO_RAM,
	MMFUZZ_AT_MIGRATION_WAIT,
	MMFUZZ_AT_EXCLUSIVE_FAULT,
	MMFUZZ_AT_EXCLUSIVE_LOCK,
	MMFUZZ_AT_FORK_TABLE,
	MMFUZZ_AT_FORK_LOCK,
	MMFUZZ_AT_FORK_END,
	MMFUZZ_AT_ZAP_TABLE,
	MMFUZZ_AT_ZAP_END,
	MMFUZZ_AT_CHANGE_TABLE,
	MMFUZZ_AT_CHANGE_END,
	MMFUZZ_AT_CLEAR_TABLE,
	MMFUZZ_AT_CLEAR_END,
	MMFUZZ_AT_ADVISE_FREE_TABLE,
	MMFUZZ_AT_ADVISE_COLD_TABLE,
	MMFUZZ_AT_ADVISE_END,
	MMFUZZ_AT_PAGEMAP_LOCK,
	MMFUZZ_AT_PAGEMAP_TABLE,
	MMFUZZ_AT_PAGEMAP_HOLE,
	MMFUZZ_AT_MOVE_LOCK,
	MMFUZZ_AT_COLLECT_TABLE,
	MMFUZZ_AT_COLLECT_HOLE,
	MMFUZZ_AT_TRY_TO_MIGRATE,
	MMFUZZ_AT_TRY_TO_UNMAP,
	MMFUZZ_AT_CHECK_PAGE,
	MMFUZZ_AT_SETUP_DONE,
	MMFUZZ_AT_VMA_PAGES,
	MMFUZZ_AT_DEVICE_PAGES,
	MMFUZZ_AT_PAGE_MAPPING,
	MMFUZZ_AT_MIGRATE_MAPPING,
	MMFUZZ_AT_INSERT_LOCK,
	MMFUZZ_AT_VMA_FINALIZE,
	MMFUZZ_AT_DEVICE_FINALIZE,
	MMFUZZ_AT_MIGRATE_ONE,
	MMFUZZ_AT_UNMAP_ONE,
	MMFUZZ_AT_WALK_MAPPED,
	MMFUZZ_AT_REMOVE_PTE,
	MMFUZZ_AT_PREPARE_LOCK,
	MMFUZZ_AT_CLONE,
	MMFUZZ_AT_RMAP_INSERT,
	MMFUZZ_AT_UNLINK_LOCK,
	MMFUZZ_AT_RMAP_REMOVE,
	MMFUZZ_AT_GUP_AREA,
	MMFUZZ_AT_FOLLOW,
	MMFUZZ_AT_HMM_TABLE,
	MMFUZZ_AT_HMM_HOLE,
	MMFUZZ_AT_DEVICE_MAP,
	MMFUZZ_AT_INVALIDATED,
	MMFUZZ_AT_EXCLUSIVE_WALK,
	MMFUZZ_AT_SHRINK,
	MMFUZZ_AT_WRITTEN_OUT,
	MMFUZZ_AT_SUBMIT,
	MMFUZZ_AT_MOVE_TO_NEW,
	MMFUZZ_PLACES,
};

#define MMFUZZ_MAX_STOPS 8
#define MMFUZZ_MAX_STAGES 2

/*
 * Where an operation stops: at the end of the last of these stages. A stage ends when the operation
 * has been at any of the stage's places (a bit each) as often as the stage's `times` says. The
 * second stage counts from the end of the first.
 */
struct mmfuzz_stop {
	__u64 places[MMFUZZ_MAX_STAGES];
	__u32 times[MMFUZZ_MAX_STAGES];
	__u32 stages;
	__u32 reserved;
};

/* The stops of an operation, in the order in which it comes to them. */
struct mmfuzz_stops {
	__u32 step;
	__u32 count;
	struct mmfuzz_stop stops[MMFUZZ_MAX_STOPS];
};

enum mmfuzz_state {
	MMFUZZ_RUNS,
	MMFUZZ_STOPPED,
	MMFUZZ_ENDED,
	/* It came to a later stop before an earlier one, or to a stop where it must not sleep. */
	MMFUZZ_ASTRAY,
};

struct mmfuzz_at {
	__u32 step;
	__u32 patience;		/* in: milliseconds */
	__u32 state;		/* out: enum mmfuzz_state */
	__u32 passed;		/* out: stops that it has come to */
};

struct mmfuzz_schedule {
	__u64 start, end;	/* the window */
	__u64 present;		/* out: the places that this kernel has */
};

struct mmfuzz_places {
	__u64 places;		/* in: their addresses, an array of __u64 */
	__u32 count;		/* in: its length */
	__u32 removed;		/* out: places that are no longer traced */
};

#define MMFUZZ_IOC_ATTACH _IO('m', 0)
#define MMFUZZ_IOC_MIGRATE _IOWR('m', 1, struct mmfuzz_range)
#define MMFUZZ_IOC_SETUP _IOWR('m', 2, struct mmfuzz_range)
#define MMFUZZ_IOC_NEXT _IOWR('m', 3, struct mmfuzz_slot)
#define MMFUZZ_IOC_EVICT _IOWR('m', 4, struct mmfuzz_evict)
#define MMFUZZ_IOC_ACCESS _IOWR('m', 5, struct mmfuzz_range)
#define MMFUZZ_IOC_SNAPSHOT _IOWR('m', 6, struct mmfuzz_snapshot)
#define MMFUZZ_IOC_GET _IOWR('m', 7, struct mmfuzz_range)
#define MMFUZZ_IOC_HOLD _IOWR('m', 8, struct mmfuzz_range)
#define MMFUZZ_IOC_PUT _IOWR('m', 9, struct mmfuzz_slot)
#define MMFUZZ_IOC_LOCK _IOWR('m', 10, struct mmfuzz_range)
/* Unlocks what the slot holds; MMFUZZ_ALL_SLOTS stands for all slots, unlocked at once. */
#define MMFUZZ_IOC_UNLOCK _IOWR('m', 11, struct mmfuzz_slot)
#define MMFUZZ_IOC_FAIL _IOW('m', 12, struct mmfuzz_fail)
#define MMFUZZ_IOC_OBSERVE _IOWR('m', 13, struct mmfuzz_observe)
#define MMFUZZ_IOC_EXCLUSIVE _IOWR('m', 14, struct mmfuzz_range)
#define MMFUZZ_IOC_RESET _IOWR('m', 15, struct mmfuzz_reset)
/* Warns, to check that the host notices a warning. */
#define MMFUZZ_IOC_WARN _IO('m', 16)
/* Evicts all pages of a device, and resets its memory. Only dev and moved are used. */
#define MMFUZZ_IOC_RELEASE _IOWR('m', 17, struct mmfuzz_evict)
/*
 * Migrates the folios that the entries of a range name, as compaction does. The result is the
 * number of folios that migrated.
 */
#define MMFUZZ_IOC_COMPACT _IOWR('m', 18, struct mmfuzz_range)
/*
 * Reclaims the folios that the entries of a range name. The result is the number of pages that this
 * freed.
 */
#define MMFUZZ_IOC_RECLAIM _IOWR('m', 19, struct mmfuzz_range)
/*
 * Returns when no other task wants to run, so every operation that has not ended waits. EBUSY if a
 * task keeps running.
 */
#define MMFUZZ_IOC_QUIET _IO('m', 20)
/* Begins a program with stops. MMFUZZ_IOC_RESET ends it, and lets all tasks go on. */
#define MMFUZZ_IOC_SCHEDULE _IOWR('m', 21, struct mmfuzz_schedule)
/* The caller begins an operation with stops. ENODEV if this kernel lacks a place. */
#define MMFUZZ_IOC_ARM _IOW('m', 22, struct mmfuzz_stops)
/* The caller's operation with stops has ended. */
#define MMFUZZ_IOC_DISARM _IO('m', 23)
/* Waits until an operation is at its next stop or has ended. */
#define MMFUZZ_IOC_AWAIT _IOWR('m', 24, struct mmfuzz_at)
/* Lets a stopped operation go on. ENOENT if it is not stopped. */
#define MMFUZZ_IOC_GO_ON _IOWR('m', 25, struct mmfuzz_at)
/*
 * KCOV no longer traces these places, until the guest boots again. A place is an address that KCOV
 * has shown. ENOTTY if the kernel has no KCOV.
 */
#define MMFUZZ_IOC_UNTRACE _IOWR('m', 26, struct mmfuzz_places)

#endif
