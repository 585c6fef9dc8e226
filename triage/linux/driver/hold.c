// SPDX-License-Identifier: GPL-2.0
/* References and folio locks that a program holds, in the slots of its session. */
#include <linux/err.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "internal.h"

static void drop_page(struct page *page, bool pin)
{
	if (pin)
		unpin_user_page(page);
	else
		put_page(page);
}

static void drop_pages(struct held_pages *held)
{
	while (held->count)
		drop_page(held->pages[--held->count], held->pin);
}

/*
 * Gives up locks and references. No waiter may run in between: a waiter cannot split a folio to
 * which we still have a reference. The guest has one CPU, so without preemption nobody else runs.
 */
static void unlock_pages(struct held_pages *held)
{
	unsigned int i;

	preempt_disable();
	for (i = 0; i < held->count; i++)
		folio_unlock(page_folio(held->pages[i]));
	drop_pages(held);
	preempt_enable();
}

/*
 * Adds a page, with its reference, and returns true. If the page added last is of the same folio,
 * drops the reference instead, and returns false.
 */
static bool add_page(struct held_pages *held, struct page *page)
{
	if (held->count && page_folio(held->pages[held->count - 1]) == page_folio(page)) {
		drop_page(page, held->pin);
		return false;
	}
	held->pages[held->count++] = page;
	return true;
}

/* Puts pages into a free slot. Returns the number of the slot, or an error. */
static int keep(struct session *session, struct held_pages *slots, unsigned int count, const struct held_pages *held)
{
	unsigned int slot;

	mutex_lock(&session->mutex);
	for (slot = 0; slot < count && slots[slot].count; slot++)
		;
	if (slot < count)
		slots[slot] = *held;
	mutex_unlock(&session->mutex);
	return slot < count ? slot : -ENOSPC;
}

static long keep_refs(struct session *session, struct mmfuzz_range *range, struct held_pages *held)
{
	int slot = keep(session, session->refs, MMFUZZ_MAX_REFS, held);

	if (slot < 0) {
		drop_pages(held);
		return slot;
	}
	range->result = slot;
	return 0;
}

static struct held_pages *new_pages(const struct mmfuzz_range *range)
{
	struct held_pages *held;

	if (range->len > MMFUZZ_MAX_UNIT)
		return ERR_PTR(-EINVAL);
	held = kzalloc(sizeof(*held), GFP_KERNEL);
	return held ? held : ERR_PTR(-ENOMEM);
}

static long get_page_at(unsigned long addr, unsigned int flags, bool pin, bool fast, struct page **page)
{
	long ret;

	if (fast)
		ret = pin ? pin_user_pages_fast(addr, 1, flags, page) : get_user_pages_fast(addr, 1, flags, page);
	else
		ret = pin ? pin_user_pages_unlocked(addr, 1, page, flags) :
			    get_user_pages_unlocked(addr, 1, page, flags);
	return ret == 1 ? 0 : ret ?: -EFAULT;
}

/*
 * Whether gup_fast() succeeds for all pages of a range. If it fails for one page, all pages must
 * take the slow path.
 */
static bool all_fast(const struct mmfuzz_range *range, unsigned int flags)
{
	unsigned int i;

	for (i = 0; i < range->len; i++) {
		struct page *page;

		if (get_user_pages_fast_only(range->addr + i * PAGE_SIZE, 1, flags & FOLL_WRITE, &page) != 1)
			return false;
		put_page(page);
	}
	return true;
}

long mmfuzz_get(struct session *session, struct mmfuzz_range *range)
{
	unsigned int flags = range->flags & MMFUZZ_WRITE ? FOLL_WRITE : 0, i;
	bool fast = range->flags & MMFUZZ_FAST;
	struct held_pages *held;
	struct page *page;
	long ret = 0;

	if (range->flags & MMFUZZ_LONGTERM) {
		if (!(range->flags & MMFUZZ_PIN))
			return -EINVAL;
		flags |= FOLL_LONGTERM;
	}
	held = new_pages(range);
	if (IS_ERR(held))
		return PTR_ERR(held);
	held->pin = range->flags & MMFUZZ_PIN;
	if (fast && range->len > 1)
		fast = all_fast(range, flags);
	/* GUP faults a page in even if it then refuses it: try all pages, which must fail alike */
	for (i = 0; i < range->len && ret != -EUCLEAN; i++) {
		long one = get_page_at(range->addr + i * PAGE_SIZE, flags, held->pin, fast, &page);

		if (!one)
			add_page(held, page);
		ret = i && one != ret ? -EUCLEAN : one;
	}
	if (ret)
		drop_pages(held);
	else
		ret = keep_refs(session, range, held);
	kfree(held);
	return ret;
}

static void try_get(struct page *page, struct mmfuzz_entry *out)
{
	/* a tail page has no references of its own */
	if (!(out->pte & MMFUZZ_PTE_ZERO) && folio_try_get(page_folio(page)))
		out->pfn = page_to_pfn(page);
}

/*
 * Takes a reference to the page that an entry names, or that the swap cache has for it, as a pfn
 * walker does. A pfn walker takes no mmap_lock, and needs none: it does not walk page tables. We do
 * walk them, so we try to take mmap_lock, which keeps the tables. If that fails, we disable
 * preemption instead: the guest has one CPU, so no other task can free a table.
 */
struct page *mmfuzz_hold_entry(unsigned long addr)
{
	struct mmfuzz_entry entry = {};
	bool locked = mmap_read_trylock(current->mm);

	if (!locked)
		preempt_disable();
	mmfuzz_with_entry(current->mm, addr, &entry, try_get);
	if (locked)
		mmap_read_unlock(current->mm);
	else
		preempt_enable();
	return entry.pfn ? pfn_to_page(entry.pfn) : NULL;
}

long mmfuzz_hold(struct session *session, struct mmfuzz_range *range)
{
	struct held_pages *held = new_pages(range);
	unsigned int i;
	long ret;

	if (IS_ERR(held))
		return PTR_ERR(held);
	for (i = 0; i < range->len; i++) {
		struct page *page = mmfuzz_hold_entry(range->addr + i * PAGE_SIZE);

		if (page)
			add_page(held, page);
	}
	ret = held->count ? keep_refs(session, range, held) : -ENOENT;
	kfree(held);
	return ret;
}

/* Locks the folio of a page, and adds the page with its reference. Returns false if it cannot. */
static bool add_lock(struct held_pages *held, struct page *page)
{
	if (!page)
		return false;
	if (!add_page(held, page) || folio_trylock(page_folio(page)))
		return true;
	put_page(held->pages[--held->count]);
	return false;
}

long mmfuzz_lock(struct session *session, struct mmfuzz_range *range)
{
	struct held_pages *held = new_pages(range);
	int slot = 0;
	unsigned int i;

	if (IS_ERR(held))
		return PTR_ERR(held);
	for (i = 0; !slot && i < range->len; i++)
		slot = add_lock(held, mmfuzz_hold_entry(range->addr + i * PAGE_SIZE)) ? 0 : -ENOENT;
	if (!slot)
		slot = keep(session, session->locks, MMFUZZ_MAX_LOCKS, held);
	if (slot < 0)
		unlock_pages(held);
	kfree(held);
	if (slot < 0)
		return -ENOENT;
	range->result = slot;
	return 0;
}

long mmfuzz_put(struct session *session, struct mmfuzz_slot *arg)
{
	long ret = -ENOENT;

	if (arg->slot >= MMFUZZ_MAX_REFS)
		return -EINVAL;
	mutex_lock(&session->mutex);
	if (session->refs[arg->slot].count) {
		drop_pages(&session->refs[arg->slot]);
		ret = 0;
	}
	mutex_unlock(&session->mutex);
	return ret;
}

long mmfuzz_unlock(struct session *session, struct mmfuzz_slot *arg)
{
	bool all = arg->slot == MMFUZZ_ALL_SLOTS;
	unsigned int i;
	long ret = -ENOENT;

	if (!all && arg->slot >= MMFUZZ_MAX_LOCKS)
		return -EINVAL;
	mutex_lock(&session->mutex);
	/* a waiter for one folio must not run while others are still locked */
	preempt_disable();
	for (i = 0; i < MMFUZZ_MAX_LOCKS; i++) {
		if ((all || i == arg->slot) && session->locks[i].count) {
			unlock_pages(&session->locks[i]);
			ret = 0;
		}
	}
	preempt_enable();
	mutex_unlock(&session->mutex);
	return ret;
}

void mmfuzz_drop_holds(struct session *session)
{
	int i;

	mutex_lock(&session->mutex);
	for (i = 0; i < MMFUZZ_MAX_LOCKS; i++)
		unlock_pages(&session->locks[i]);
	for (i = 0; i < MMFUZZ_MAX_REFS; i++)
		drop_pages(&session->refs[i]);
	mutex_unlock(&session->mutex);
}
