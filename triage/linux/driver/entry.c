// SPDX-License-Identifier: GPL-2.0
/* Reads single entries of the CPU's page tables, under their lock: kind, bits, page. */
#include <linux/highmem.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/swap.h>

#include "internal.h"

/* Decodes a swap-type entry, and returns the page that it names, if any. */
struct page *mmfuzz_decode_swap(pte_t pte, struct mmfuzz_entry *out)
{
	softleaf_t entry = softleaf_from_pte(pte);

	if (pte_swp_soft_dirty(pte))
		out->pte |= MMFUZZ_PTE_SOFT_DIRTY;
	if (pte_swp_uffd(pte))
		out->pte |= MMFUZZ_PTE_UFFD_WP;
	if (softleaf_is_migration(entry)) {
		out->kind = softleaf_is_migration_write(entry) ? MMFUZZ_MIGRATION_WRITE :
			    softleaf_is_migration_read_exclusive(entry) ? MMFUZZ_MIGRATION_READ_EXCLUSIVE :
			    MMFUZZ_MIGRATION_READ;
		if (softleaf_is_migration_young(entry))
			out->pte |= MMFUZZ_PTE_YOUNG;
		if (softleaf_is_migration_dirty(entry))
			out->pte |= MMFUZZ_PTE_DIRTY;
	} else if (softleaf_is_device_private(entry)) {
		out->kind = softleaf_is_device_private_write(entry) ? MMFUZZ_DEVICE_WRITE : MMFUZZ_DEVICE_READ;
	} else if (softleaf_is_device_exclusive(entry)) {
		out->kind = MMFUZZ_EXCLUSIVE;
	} else if (softleaf_is_marker(entry)) {
		out->kind = MMFUZZ_MARKER;
		return NULL;
	} else {
		out->kind = softleaf_is_swap(entry) ? MMFUZZ_SWAP : MMFUZZ_OTHER;
		if (out->kind == MMFUZZ_SWAP && pte_swp_exclusive(pte))
			out->pte |= MMFUZZ_PTE_EXCLUSIVE;
		return NULL;
	}
	return softleaf_to_page(entry);
}

static struct page *decode_present(pte_t pte, struct mmfuzz_entry *out)
{
	out->kind = MMFUZZ_PRESENT;
	if (pte_write(pte))
		out->pte |= MMFUZZ_PTE_WRITE;
	if (pte_soft_dirty(pte))
		out->pte |= MMFUZZ_PTE_SOFT_DIRTY;
	if (pte_uffd(pte))
		out->pte |= MMFUZZ_PTE_UFFD_WP;
	if (pte_young(pte))
		out->pte |= MMFUZZ_PTE_YOUNG;
	if (pte_dirty(pte))
		out->pte |= MMFUZZ_PTE_DIRTY;
	/* in an older kernel without NUMA balancing, pte_protnone() is always 0 */
	if (!(pte_flags(pte) & _PAGE_PRESENT))
		out->pte |= MMFUZZ_PTE_PROTNONE;
	if (is_zero_pfn(pte_pfn(pte)) || (out->level && is_huge_zero_pmd(__pmd(pte_val(pte)))))
		out->pte |= MMFUZZ_PTE_ZERO;
	/*
	 * a PROT_NONE entry holds its frame number inverted; a huge one leaves the low bits of the
	 * number 0, so only pmd_pfn() decodes it
	 */
	return pfn_to_online_page(out->level ? pmd_pfn(__pmd(pte_val(pte))) : pte_pfn(pte));
}

void mmfuzz_decode_page(struct page *page, struct mmfuzz_entry *out)
{
	struct folio *folio = page_folio(page);

	out->pfn = page_to_pfn(page);
	out->refs = folio_ref_count(folio);
	out->maps = atomic_read(&page->_mapcount) + 1;
	if (folio_test_large(folio)) {
		out->order = folio_order(folio);
		out->entire = folio_entire_mapcount(folio);
		out->refs -= folio_mapcount(folio);
		if (folio_test_partially_mapped(folio))
			out->page |= MMFUZZ_PAGE_PARTIAL;
		if (!is_device_private_page(page) && !list_empty(&folio->_deferred_list))
			out->page |= MMFUZZ_PAGE_QUEUED;
		if (folio_test_swapcache(folio))
			out->refs -= folio_nr_pages(folio);
	}
	if (folio_test_locked(folio))
		out->page |= MMFUZZ_PAGE_LOCKED;
	if (folio_test_dirty(folio))
		out->page |= MMFUZZ_PAGE_DIRTY;
	if (folio_test_lru(folio))
		out->page |= MMFUZZ_PAGE_LRU;
	if (folio_test_swapbacked(folio))
		out->page |= MMFUZZ_PAGE_SWAPBACKED;
	if (folio_test_anon(folio)) {
		out->page |= MMFUZZ_PAGE_ANON;
		/* the head page has the flag of a huge entry */
		if (PageAnonExclusive(out->level ? &folio->page : page))
			out->page |= MMFUZZ_PAGE_EXCLUSIVE;
	}
	if (folio->mapping)
		out->page |= MMFUZZ_PAGE_MAPPING;
	if (folio_test_swapcache(folio))
		out->page |= MMFUZZ_PAGE_SWAPCACHE;
	if (folio_test_mlocked(folio))
		out->page |= MMFUZZ_PAGE_MLOCKED;
	out->index = folio->index + folio_page_idx(folio, page);
	if (is_device_private_page(page)) {
		out->device = 1 + (device_of(page) - mmfuzz_devices);
		out->frame = frame_of(page);
		out->word = *(u64 *)device_word(page);
	} else {
		u64 *word = kmap_local_page(page);

		if (folio_test_unevictable(folio))
			out->page |= MMFUZZ_PAGE_UNEVICTABLE;
		out->word = *word;
		kunmap_local(word);
	}
}

/* Decodes a swap slot, and shows the page in the swap cache to @use if there is one. */
static void decode_slot(pte_t pte, struct mmfuzz_entry *out, void (*use)(struct page *page, struct mmfuzz_entry *out))
{
	swp_entry_t entry = softleaf_from_pte(pte);
	struct folio *folio = swap_cache_lookup(entry);

	if (folio) {
		use(folio_page(folio, swp_offset(entry) - swp_offset(folio->swap)), out);
		out->refs--; /* ours */
		folio_put(folio);
	}
	out->frame = swp_offset(entry);
	out->maps = swp_swapcount(entry);
}

/* mmfuzz_with_entry() for a huge entry, whose bits are those of a small one. */
static void with_huge_entry(struct mm_struct *mm, unsigned long addr, pmd_t *pmdp, struct mmfuzz_entry *out,
			    void (*use)(struct page *page, struct mmfuzz_entry *out))
{
	spinlock_t *lock = pmd_lock(mm, pmdp);
	pmd_t pmd = pmdp_get(pmdp);
	pte_t pte = __pte(pmd_val(pmd));
	struct page *page = NULL;

	if (!pmd_none(pmd) && (!pmd_present(pmd) || pmd_leaf(pmd))) {
		out->level = 1;
		if (pmd_present(pmd))
			page = decode_present(pte, out);
		else
			page = mmfuzz_decode_swap(pte, out);
		if (page)
			use(page + vpn(addr & ~PMD_MASK), out);
	}
	spin_unlock(lock);
}

/*
 * Reads the entry for an address under its lock, and shows it to @use with the page that it names.
 * For a swap entry that is the page in the swap cache.
 */
void mmfuzz_with_entry(struct mm_struct *mm, unsigned long addr, struct mmfuzz_entry *out,
		       void (*use)(struct page *page, struct mmfuzz_entry *out))
{
	struct page *page = NULL;
	spinlock_t *lock;
	pmd_t *pmd = mm_find_pmd(mm, addr);
	pte_t *ptep, pte;

	if (!pmd || pmd_none(*pmd))
		return;
	ptep = pte_offset_map_lock(mm, pmd, addr, &lock);
	if (!ptep) {
		with_huge_entry(mm, addr, pmd, out, use);
		return;
	}
	pte = ptep_get(ptep);
	if (pte_present(pte))
		page = decode_present(pte, out);
	else if (!pte_none(pte))
		page = mmfuzz_decode_swap(pte, out);
	if (page)
		use(page, out);
	else if (out->kind == MMFUZZ_SWAP)
		decode_slot(pte, out, use);
	pte_unmap_unlock(ptep, lock);
}
