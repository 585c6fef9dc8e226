// SPDX-License-Identifier: GPL-2.0
/*
 * Reads what user space cannot see: the entries of a range with their pages, the charges of the
 * process, and its VMAs.
 */
#include <linux/mm.h>
#include <linux/pagewalk.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "internal.h"

struct census {
	unsigned long start, end;
	long outside;
};

static int count_anon(pte_t *ptep, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	struct census *census = walk->private;
	struct mmfuzz_entry entry = {};
	pte_t pte = ptep_get(ptep);
	struct page *page = NULL;

	if (addr >= census->start && addr < census->end)
		return 0;
	if (pte_present(pte))
		page = vm_normal_page(walk->vma, addr, pte);
	else if (!pte_none(pte))
		page = mmfuzz_decode_swap(pte, &entry);
	census->outside += page && PageAnon(page);
	return 0;
}

/* Only a VMA with an anon_vma can have anonymous pages. */
static int skip_area(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	return !walk->vma->anon_vma;
}

static const struct mm_walk_ops census_ops = {
	.test_walk = skip_area,
	.pte_entry = count_anon,
	.walk_lock = PGWALK_RDLOCK,
};

static void observe_mm(struct mm_struct *mm, struct mmfuzz_observe *arg, struct mmfuzz_entry *entries)
{
	struct census census = { arg->addr, arg->addr + arg->len * PAGE_SIZE, 0 };
	struct vm_area_struct *vma;
	unsigned int i;
	VMA_ITERATOR(vmi, mm, census.start);

	for (i = 0; i < arg->len; i++)
		mmfuzz_with_entry(mm, arg->addr + i * PAGE_SIZE, &entries[i], mmfuzz_decode_page);
	walk_page_range(mm, 0, TASK_SIZE, &census_ops, &census);
	arg->anon_rss = percpu_counter_sum(&mm->rss_stat[MM_ANONPAGES]) - census.outside;
	arg->swap_ents = percpu_counter_sum(&mm->rss_stat[MM_SWAPENTS]);
	arg->areas = 0;
	for_each_vma_range(vmi, vma, census.end)
		arg->areas++;
}

long mmfuzz_observe_process(struct mmfuzz_observe *arg)
{
	struct mmfuzz_entry *entries;
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;
	long ret = 0;

	if (!arg->len || arg->len > MMFUZZ_MAX_PAGES || arg->addr & ~PAGE_MASK)
		return -EINVAL;
	pid = find_get_pid(arg->pid);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return -ESRCH;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return -ESRCH;
	entries = kcalloc(arg->len, sizeof(*entries), GFP_KERNEL);
	if (!entries) {
		ret = -ENOMEM;
	} else if (!mmap_read_trylock(mm)) {
		ret = -EAGAIN;
	} else {
		/* references of LRU batches are not compared */
		lru_add_drain();
		observe_mm(mm, arg, entries);
		mmap_read_unlock(mm);
		if (copy_to_user(u64_to_user_ptr(arg->entries), entries, arg->len * sizeof(*entries)))
			ret = -EFAULT;
	}
	kfree(entries);
	mmput(mm);
	return ret;
}
