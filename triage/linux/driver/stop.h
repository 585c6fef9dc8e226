/* SPDX-License-Identifier: GPL-2.0 */
/* The table of places.c. */
#ifndef MMFUZZ_STOP_H
#define MMFUZZ_STOP_H

#include <linux/types.h>

#include "mmfuzz_dev.h"

/* A call counts only if this part of it lies in the window. */
enum mmfuzz_of {
	OF_ANYTHING,
	OF_ADDRESS,	/* the argument is an address */
	OF_AREA,	/* the argument is a VMA */
	OF_VMF,		/* the first argument describes a fault */
	OF_FAULT,	/* the fault that the task handles */
	OF_RANGE,	/* the argument is a struct mmu_notifier_range */
};

struct mmfuzz_place {
	const char *function;
	const char *caller;	/* count only calls by this function */
	enum mmfuzz_of of;
	unsigned int arg;	/* from 0 */
	bool returns;		/* the return, not the entry */
	bool in_rcu;		/* the caller is in an RCU read-side section */
};

extern const struct mmfuzz_place mmfuzz_places[MMFUZZ_PLACES];

#endif
