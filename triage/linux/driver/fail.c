// SPDX-License-Identifier: GPL-2.0
/*
 * Makes allocations fail: the nth of a kind from now on. Allocations of one task and of all
 * migrations that are held open count. Allocations of device pages count in every task.
 *
 * The kernel's own allocations are caught where it asks whether to inject a failure,
 * should_failslab() and should_fail_alloc_page(); swap slots are caught in folio_alloc_swap(). A
 * kprobe answers in place of these functions, and is enabled only while a failure is armed. A slab
 * cache is recognized by its name, so caches must not be merged. An allocation with all flags of
 * GFP_HIGHUSER is a page of a process; it also has __GFP_MOVABLE, unless it is for a longterm pin.
 * An allocation with GFP_PGTABLE_USER is a page table.
 */
#include <linux/error-injection.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <asm/pgalloc.h>

#include "internal.h"
#include "../../mm/slab.h"

/* There is one user at a time, so this is not part of the session. */
static u32 countdown[MMFUZZ_ALLOC_KINDS];
static struct task_struct *target;
static DEFINE_MUTEX(fail_mutex);

static const char *const caches[MMFUZZ_ALLOC_KINDS] = {
	[MMFUZZ_ALLOC_VMA] = "vm_area_struct",
	[MMFUZZ_ALLOC_ANON_VMA] = "anon_vma",
	[MMFUZZ_ALLOC_AVC] = "anon_vma_chain",
	[MMFUZZ_ALLOC_MM] = "mm_struct",
};

/*
 * Counts an allocation. An allocation that may not sleep is only a first attempt. It fails together
 * with the attempt that follows it.
 */
static bool count(enum mmfuzz_alloc kind, bool final)
{
	u32 left = READ_ONCE(countdown[kind]);

	if (!left)
		return false;
	if (left > 1 || final)
		WRITE_ONCE(countdown[kind], left - 1);
	return left == 1;
}

static bool concerns_us(void)
{
	return current == target ||
	       (current->flags & PF_KTHREAD && kthread_func(current) == mmfuzz_migration_thread);
}

bool mmfuzz_must_fail(enum mmfuzz_alloc kind)
{
	return count(kind, true);
}

static int fail_slab(struct kprobe *probe, struct pt_regs *regs)
{
	struct kmem_cache *cache = (void *)regs_get_kernel_argument(regs, 0);
	gfp_t gfp = regs_get_kernel_argument(regs, 1);
	int kind;

	if (!concerns_us())
		return 0;
	for (kind = 0; kind < MMFUZZ_ALLOC_KINDS; kind++)
		if (caches[kind] && !strcmp(cache->name, caches[kind]))
			break;
	if (kind == MMFUZZ_ALLOC_KINDS || !count(kind, gfp & __GFP_DIRECT_RECLAIM))
		return 0;
	regs_set_return_value(regs, -ENOMEM);
	override_function_with_return(regs);
	return 1;
}

static int fail_page(struct kprobe *probe, struct pt_regs *regs)
{
	gfp_t gfp = regs_get_kernel_argument(regs, 0);
	unsigned int order = regs_get_kernel_argument(regs, 1);
	enum mmfuzz_alloc kind;

	if (order || !concerns_us())
		return 0;
	if ((gfp & GFP_HIGHUSER) == GFP_HIGHUSER)
		kind = MMFUZZ_ALLOC_PAGE;
	else if ((gfp & ~__GFP_COMP) == GFP_PGTABLE_USER)
		kind = MMFUZZ_ALLOC_PAGE_TABLE;
	else
		return 0;
	if (!count(kind, true))
		return 0;
	regs_set_return_value(regs, true);
	override_function_with_return(regs);
	return 1;
}

static int fail_swap_slot(struct kprobe *probe, struct pt_regs *regs)
{
	if (!concerns_us() || !count(MMFUZZ_ALLOC_SWAP_SLOT, true))
		return 0;
	regs_set_return_value(regs, FOLIO_ALLOC_SWAP_FAILED);
	override_function_with_return(regs);
	return 1;
}

/*
 * Where the probes are: at the function's first instruction or, if that is the call of ftrace,
 * right after the call. A probe at the call itself would go through ftrace. To enable such a probe,
 * ftrace looks at all functions that it follows.
 */
#ifdef CONFIG_FUNCTION_TRACER
#define BEGIN MCOUNT_INSN_SIZE
#else
#define BEGIN 0
#endif

/*
 * A probe with a post handler is never optimized. To optimize one, kprobes would wait for an RCU
 * grace period.
 */
static void keep_plain(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probes[] = {
	{ .symbol_name = "should_failslab", .offset = BEGIN, .pre_handler = fail_slab, .post_handler = keep_plain,
	  .flags = KPROBE_FLAG_DISABLED },
	{ .symbol_name = "should_fail_alloc_page", .offset = BEGIN, .pre_handler = fail_page, .post_handler = keep_plain,
	  .flags = KPROBE_FLAG_DISABLED },
	{ .symbol_name = "folio_alloc_swap", .offset = BEGIN, .pre_handler = fail_swap_slot, .post_handler = keep_plain,
	  .flags = KPROBE_FLAG_DISABLED },
};

static struct kprobe *const all_probes[] = { &probes[0], &probes[1], &probes[2] };

/* Enables or disables the probes. They are registered when they are first needed. */
static long answer(bool on)
{
	static bool there, answering;
	long ret = 0;
	int i;

	if (on == answering)
		return 0;
	if (!there) {
		ret = register_kprobes((struct kprobe **)all_probes, ARRAY_SIZE(all_probes));
		there = !ret;
	}
	for (i = 0; !ret && i < ARRAY_SIZE(probes); i++)
		ret = on ? enable_kprobe(&probes[i]) : disable_kprobe(&probes[i]);
	if (!ret)
		answering = on;
	return ret;
}

long mmfuzz_fail_next(const struct mmfuzz_fail *arg)
{
	bool kernels = false;
	long ret;
	int i;

	mutex_lock(&fail_mutex);
	for (i = 0; i < MMFUZZ_ALLOC_KINDS; i++)
		kernels |= arg->nth[i] && i != MMFUZZ_ALLOC_DEVICE_PAGE;
	target = current;
	ret = answer(kernels);
	for (i = 0; i < MMFUZZ_ALLOC_KINDS; i++)
		WRITE_ONCE(countdown[i], ret ? 0 : arg->nth[i]);
	mutex_unlock(&fail_mutex);
	return ret;
}
