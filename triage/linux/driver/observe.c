// SPDX-License-Identifier: GPL-2.0
/*
 * Reads what user space cannot see: the entries of a range with their pages, the charges of the
 * process, and its VMAs.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "internal.h"

/* How often the pages of a process are counted that has not yet begun to wait. */
#define MAX_TRIES 64

/* The anonymous pages of a part of a page table. */
static long count_table(struct vm_area_struct *vma, pmd_t *pmdp, unsigned long addr, unsigned long end)
{
	struct mmfuzz_entry entry = {};
	spinlock_t *lock;
	pte_t *ptep, *start = pte_offset_map_lock(vma->vm_mm, pmdp, addr, &lock);
	long count = 0;

	if (!start)
		return 0;
	for (ptep = start; addr < end; ptep++, addr += PAGE_SIZE) {
		pte_t pte = ptep_get(ptep);
		struct page *page;

		if (pte_none(pte))
			continue;
		page = pte_present(pte) ? vm_normal_page(vma, addr, pte) : mmfuzz_decode_swap(pte, &entry);
		count += page && PageAnon(page);
	}
	pte_unmap_unlock(start, lock);
	return count;
}

/* The anonymous pages of a part of a VMA. */
static long count_part(struct vm_area_struct *vma, unsigned long addr, unsigned long end)
{
	unsigned long next;
	long count = 0;

	for (; addr < end; addr = next) {
		pmd_t *pmdp = mm_find_pmd(vma->vm_mm, addr), pmd;

		next = pmd_addr_end(addr, end);
		if (!pmdp)
			continue;
		pmd = pmdp_get_lockless(pmdp);
		if (pmd_none(pmd) || is_huge_zero_pmd(pmd))
			continue;
		if (pmd_present(pmd) && !pmd_leaf(pmd))
			count += count_table(vma, pmdp, addr, next);
		else
			count += vpn(next - addr);
	}
	return count;
}

/*
 * The anonymous pages of a process that are not in a window. Only a VMA with an anon_vma can have
 * such pages. A walk by walk_page_range() would cost more than all else of an observation.
 */
static long count_outside(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	long count = 0;
	VMA_ITERATOR(vmi, mm, 0);

	for_each_vma(vmi, vma) {
		if (!vma->anon_vma)
			continue;
		count += count_part(vma, vma->vm_start, min(vma->vm_end, start));
		count += count_part(vma, max(vma->vm_start, end), vma->vm_end);
	}
	return count;
}

/* In what two pages differ: MMFUZZ_UNEVEN_*. */
static u32 uneven(const struct mmfuzz_entry *a, const struct mmfuzz_entry *b)
{
	return (a->kind != b->kind || a->device != b->device || a->level != b->level ? MMFUZZ_UNEVEN_KIND : 0) |
	       (a->pte != b->pte ? MMFUZZ_UNEVEN_FLAGS : 0) | (a->page != b->page ? MMFUZZ_UNEVEN_PAGE : 0) |
	       (a->refs != b->refs ? MMFUZZ_UNEVEN_REFS : 0) |
	       (a->maps != b->maps || a->entire != b->entire ? MMFUZZ_UNEVEN_MAPS : 0) |
	       (a->order != b->order ? MMFUZZ_UNEVEN_ORDER : 0) | (a->word != b->word ? MMFUZZ_UNEVEN_WORD : 0);
}

/* Shows the first page of a unit, and in what the other pages differ from it. */
static void observe_unit(struct mm_struct *mm, unsigned long addr, unsigned int unit, struct mmfuzz_entry *first)
{
	unsigned int i;

	mmfuzz_with_entry(mm, addr, first, mmfuzz_decode_page);
	for (i = 1; i < unit; i++) {
		struct mmfuzz_entry entry = {};

		mmfuzz_with_entry(mm, addr + i * PAGE_SIZE, &entry, mmfuzz_decode_page);
		first->uneven |= uneven(first, &entry);
	}
}

/*
 * Counts the anonymous pages of the range: those of the process less those outside. A new child may still
 * fault in a page of its own between the two counts; then both begin again.
 */
static long observe_anon(struct mm_struct *mm, struct mmfuzz_observe *arg)
{
	unsigned int tries;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		s64 anon = percpu_counter_sum(&mm->rss_stat[MM_ANONPAGES]);

		arg->anon_rss = anon - count_outside(mm, arg->addr, arg->addr + arg->len * PAGE_SIZE);
		if (percpu_counter_sum(&mm->rss_stat[MM_ANONPAGES]) == anon)
			return 0;
	}
	return -EAGAIN;
}

static long observe_mm(struct mm_struct *mm, struct mmfuzz_observe *arg, struct mmfuzz_entry *entries)
{
	struct vm_area_struct *vma;
	unsigned int i;
	VMA_ITERATOR(vmi, mm, arg->addr);

	for (i = 0; i < arg->len; i += arg->unit)
		observe_unit(mm, arg->addr + i * PAGE_SIZE, arg->unit, &entries[i / arg->unit]);
	arg->swap_ents = percpu_counter_sum(&mm->rss_stat[MM_SWAPENTS]);
	arg->areas = 0;
	for_each_vma_range(vmi, vma, arg->addr + arg->len * PAGE_SIZE)
		arg->areas++;
	return observe_anon(mm, arg);
}

long mmfuzz_observe_process(struct mmfuzz_observe *arg)
{
	struct mmfuzz_entry *entries;
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;
	unsigned int count;
	long ret = 0;

	arg->unit = arg->unit ?: 1;
	if (!arg->len || arg->len > MMFUZZ_MAX_PAGES || arg->addr & ~PAGE_MASK || arg->len % arg->unit)
		return -EINVAL;
	count = arg->len / arg->unit;
	pid = find_get_pid(arg->pid);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return -ESRCH;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return -ESRCH;
	entries = kcalloc(count, sizeof(*entries), GFP_KERNEL);
	if (!entries) {
		ret = -ENOMEM;
	} else if (!mmap_read_trylock(mm)) {
		ret = -EAGAIN;
	} else {
		/* references of LRU batches are not compared */
		lru_add_drain();
		ret = observe_mm(mm, arg, entries);
		mmap_read_unlock(mm);
		if (!ret && copy_to_user(u64_to_user_ptr(arg->entries), entries, count * sizeof(*entries)))
			ret = -EFAULT;
	}
	kfree(entries);
	mmput(mm);
	return ret;
}
