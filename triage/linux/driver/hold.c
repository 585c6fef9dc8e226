// SPDX-License-Identifier: GPL-2.0
/* References and folio locks that a program holds, in the slots of its session. */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "internal.h"

static int keep_ref(struct session *session, struct page *page, bool pin)
{
	int slot;

	mutex_lock(&session->mutex);
	for (slot = 0; slot < MMFUZZ_MAX_REFS && session->refs[slot].page; slot++)
		;
	if (slot < MMFUZZ_MAX_REFS)
		session->refs[slot] = (struct held_ref){ page, pin };
	else
		slot = -ENOSPC;
	mutex_unlock(&session->mutex);
	return slot;
}

static void drop_ref(struct held_ref *ref)
{
	if (ref->page && ref->pin)
		unpin_user_page(ref->page);
	else if (ref->page)
		put_page(ref->page);
	ref->page = NULL;
}

static long keep(struct session *session, struct mmfuzz_range *range, struct page *page, bool pin)
{
	struct held_ref ref = { page, pin };
	int slot = keep_ref(session, page, pin);

	if (slot < 0) {
		drop_ref(&ref);
		return slot;
	}
	range->result = slot;
	return 0;
}

long mmfuzz_get(struct session *session, struct mmfuzz_range *range)
{
	unsigned int flags = range->flags & MMFUZZ_WRITE ? FOLL_WRITE : 0;
	bool pin = range->flags & MMFUZZ_PIN;
	struct page *page;
	long ret;

	if (range->flags & MMFUZZ_LONGTERM) {
		if (!pin)
			return -EINVAL;
		flags |= FOLL_LONGTERM;
	}
	if (range->flags & MMFUZZ_FAST)
		ret = pin ? pin_user_pages_fast(range->addr, 1, flags, &page) :
			    get_user_pages_fast(range->addr, 1, flags, &page);
	else if (pin)
		ret = pin_user_pages_unlocked(range->addr, 1, &page, flags);
	else
		ret = get_user_pages_unlocked(range->addr, 1, &page, flags);
	if (ret != 1)
		return ret ?: -EFAULT;
	return keep(session, range, page, pin);
}

static void try_get(struct page *page, struct mmfuzz_entry *out)
{
	if (!(out->pte & MMFUZZ_PTE_ZERO) && get_page_unless_zero(page))
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
	struct page *page = mmfuzz_hold_entry(range->addr);

	return page ? keep(session, range, page, false) : -ENOENT;
}

long mmfuzz_lock(struct session *session, struct mmfuzz_range *range)
{
	struct page *page = mmfuzz_hold_entry(range->addr);
	int slot;

	if (!page)
		return -ENOENT;
	mutex_lock(&session->mutex);
	for (slot = 0; slot < MMFUZZ_MAX_LOCKS && session->locks[slot]; slot++)
		;
	if (slot < MMFUZZ_MAX_LOCKS && folio_trylock(page_folio(page)))
		session->locks[slot] = page_folio(page);
	else
		slot = -ENOENT;
	mutex_unlock(&session->mutex);
	if (slot < 0) {
		put_page(page);
		return slot;
	}
	range->result = slot;
	return 0;
}

static void drop_lock(struct folio **folio)
{
	if (*folio) {
		folio_unlock(*folio);
		folio_put(*folio);
	}
	*folio = NULL;
}

long mmfuzz_put(struct session *session, struct mmfuzz_slot *arg)
{
	long ret = -ENOENT;

	if (arg->slot >= MMFUZZ_MAX_REFS)
		return -EINVAL;
	mutex_lock(&session->mutex);
	if (session->refs[arg->slot].page) {
		drop_ref(&session->refs[arg->slot]);
		ret = 0;
	}
	mutex_unlock(&session->mutex);
	return ret;
}

long mmfuzz_unlock(struct session *session, struct mmfuzz_slot *arg)
{
	long ret = -ENOENT;

	if (arg->slot >= MMFUZZ_MAX_LOCKS)
		return -EINVAL;
	mutex_lock(&session->mutex);
	if (session->locks[arg->slot]) {
		drop_lock(&session->locks[arg->slot]);
		ret = 0;
	}
	mutex_unlock(&session->mutex);
	return ret;
}

void mmfuzz_drop_holds(struct session *session)
{
	int i;

	mutex_lock(&session->mutex);
	for (i = 0; i < MMFUZZ_MAX_LOCKS; i++)
		drop_lock(&session->locks[i]);
	for (i = 0; i < MMFUZZ_MAX_REFS; i++)
		drop_ref(&session->refs[i]);
	mutex_unlock(&session->mutex);
}
