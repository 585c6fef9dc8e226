//! Huge pages: the faults that map them, the operations that treat them as one entry, and those
//! that split them.

use crate::lab::{GPU, Lab, READ};
use mm_core::{
    Advice, AllocKind, AreaAdvice, Folio, Foll, KernelVersion, MmId, Page, PageFlags, Remap,
    Softleaf, SwapId, Thp, Walk, dmirror,
};

const PAGES: u64 = 8;

/// A machine whose faults map huge pages: pages 0 to 7 and 8 to 15 can be one each.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.kernel.state().thp = Thp::Always;
    lab
}

/// A machine with one huge page, with the words 1 to 8.
fn written() -> Lab {
    let lab = lab();
    (0..PAGES).for_each(|addr| lab.write(lab.mm, addr, addr + 1));
    assert!(is_huge(&lab, 0));
    lab
}

fn is_huge(lab: &Lab, addr: u64) -> bool {
    is_huge_in(lab, lab.mm, addr)
}

fn is_huge_in(lab: &Lab, mm: MmId, addr: u64) -> bool {
    let s = lab.kernel.state();
    matches!(s.tables().walk(s.mm(mm).pgd, addr), Walk::Huge(..))
}

fn head(lab: &Lab, mm: MmId, addr: u64) -> Page {
    let folio = lab.folio(mm, addr);
    *lab.kernel.state().head(folio)
}

fn keeps_its_words(lab: &Lab, mm: MmId) {
    (0..PAGES).for_each(|addr| assert_eq!(lab.read(mm, addr), addr + 1, "page {addr}"));
}

/// Number of page tables that huge entries own.
fn deposits(lab: &Lab) -> usize {
    let s = lab.kernel.state();
    s.tables()
        .tables()
        .map(|(id, _)| s.tables().deposits(id))
        .sum()
}

#[test]
fn a_write_fault_maps_a_huge_page_where_the_area_covers_it() {
    let lab = lab();
    lab.write(lab.mm, 3, 7);
    assert!(is_huge(&lab, 0) && !is_huge(&lab, 8));
    let page = head(&lab, lab.mm, 5);
    assert_eq!((page.order, page.refcount), (3, 1));
    assert_eq!(
        (page.large_mapcount, page.entire_mapcount, page.mapcount),
        (1, 1, 0)
    );
    assert_eq!((lab.read(lab.mm, 3), lab.read(lab.mm, 4)), (7, 0));
    let s = lab.kernel.state();
    assert_eq!(s.mm(lab.mm).anon_rss, 8);
    drop(s);
    assert_eq!(deposits(&lab), 1);
    lab.exit(lab.mm);
    lab.nothing_is_left();
}

#[test]
fn a_read_fault_maps_the_huge_zero_page_and_a_write_replaces_it() {
    let lab = lab();
    assert_eq!(lab.read(lab.mm, 1), 0);
    assert!(is_huge(&lab, 1));
    assert_eq!(lab.kernel.state().mm(lab.mm).anon_rss, 0);
    lab.write(lab.mm, 6, 7);
    assert!(is_huge(&lab, 1));
    assert_eq!((lab.read(lab.mm, 6), lab.read(lab.mm, 1)), (7, 0));
    assert_eq!(deposits(&lab), 1);
    assert_eq!(lab.kernel.state().mm(lab.mm).anon_rss, 8);
}

#[test]
fn a_fault_falls_back_to_a_small_page() {
    let lab = lab();
    lab.munmap(lab.mm, 0..2);
    lab.write(lab.mm, 3, 7);
    assert!(!is_huge(&lab, 3), "the area does not cover the range");
    lab.kernel.state().fail.arm(AllocKind::Page, 1);
    lab.write(lab.mm, 9, 7);
    assert!(!is_huge(&lab, 9), "there was no huge page");
    assert_eq!(lab.kernel.state().mm(lab.mm).anon_rss, 2);
}

#[test]
fn advice_says_where_faults_map_huge_pages() {
    let advise = |lab: &Lab, range, advice| {
        let advised = lab.run(async |cur| cur.madvise_flags(lab.mm, range, advice).await);
        assert_eq!(advised, Ok(true));
    };
    let lab = lab();
    advise(&lab, 0..PAGES, AreaAdvice::NoHugePage);
    lab.write(lab.mm, 0, 1);
    lab.write(lab.mm, 8, 1);
    assert!(!is_huge(&lab, 0) && is_huge(&lab, 8));
    lab.kernel.state().thp = Thp::Madvise;
    advise(&lab, 8..16, AreaAdvice::NoHugePage);
    assert!(is_huge(&lab, 8), "what is mapped stays");
    let dropped = lab.run(async |cur| cur.madvise(lab.mm, 0..16, Advice::DontNeed).await);
    dropped.expect("mapped");
    advise(&lab, 0..PAGES, AreaAdvice::HugePage);
    lab.write(lab.mm, 0, 1);
    lab.write(lab.mm, 8, 1);
    assert!(is_huge(&lab, 0) && !is_huge(&lab, 8));
}

#[test]
fn a_huge_hole_goes_to_a_device_whole_whatever_was_advised() {
    let lab = lab();
    let advice = AreaAdvice::NoHugePage;
    let advised = lab.run(async |cur| cur.madvise_flags(lab.mm, 0..16, advice).await);
    assert_eq!(advised, Ok(true));
    assert_eq!(lab.to_device(0..PAGES), 8);
    assert!(is_huge(&lab, 0));
}

#[test]
fn a_fork_shares_the_huge_entry_and_a_write_splits_it() {
    let lab = written();
    let child = lab.fork(lab.mm);
    assert!(is_huge_in(&lab, lab.mm, 0) && is_huge_in(&lab, child, 0));
    let page = head(&lab, lab.mm, 0);
    assert_eq!((page.large_mapcount, page.entire_mapcount), (2, 2));
    assert_eq!((page.refcount, deposits(&lab)), (2, 2));
    lab.write(child, 2, 9);
    assert!(is_huge_in(&lab, lab.mm, 0) && !is_huge_in(&lab, child, 0));
    assert_eq!((lab.read(lab.mm, 2), lab.read(child, 2)), (3, 9));
    keeps_its_words(&lab, lab.mm);
    lab.exit(child);
    lab.exit(lab.mm);
    lab.nothing_is_left();
}

#[test]
fn a_fork_splits_the_entry_of_a_pinned_page_and_copies() {
    let lab = written();
    let page = lab.pfn(lab.mm, 2);
    assert!(lab.kernel.state().hold_external(page, true));
    let child = lab.fork(lab.mm);
    assert!(!is_huge_in(&lab, lab.mm, 0) && !is_huge_in(&lab, child, 0));
    assert_eq!(head(&lab, lab.mm, 0).large_mapcount, 8);
    keeps_its_words(&lab, child);
    lab.kernel.state().put_external(page, true);
}

#[test]
fn the_last_user_of_a_huge_page_reuses_it() {
    let lab = written();
    let child = lab.fork(lab.mm);
    lab.exit(child);
    let before = lab.pfn(lab.mm, 0);
    lab.write(lab.mm, 4, 5);
    assert!(is_huge(&lab, 0));
    assert_eq!(lab.pfn(lab.mm, 0), before);
    assert!(head(&lab, lab.mm, 0).anon_exclusive());
}

#[test]
fn all_pages_but_the_last_of_a_split_entry_are_reused() {
    let lab = written();
    let child = lab.fork(lab.mm);
    lab.exit(child);
    lab.mprotect(lab.mm, 0..1, READ);
    let before = lab.pfn(lab.mm, 4);
    lab.write(lab.mm, 4, 5);
    assert_eq!(lab.pfn(lab.mm, 4), before);
    assert_eq!(head(&lab, lab.mm, 4).order, 3);
}

#[test]
fn a_whole_huge_page_moves_with_its_table() {
    let lab = lab();
    (8..16).for_each(|addr| lab.write(lab.mm, addr, addr));
    let moved = lab.run(async |cur| cur.mremap(lab.mm, 8..16, 8, Remap::Fixed(64)).await);
    moved.expect("mapped");
    assert!(is_huge(&lab, 64));
    assert_eq!((deposits(&lab), lab.read(lab.mm, 67)), (1, 11));
    lab.exit(lab.mm);
    lab.nothing_is_left();
}

#[test]
fn protection_of_a_whole_huge_page_leaves_it_whole() {
    let lab = written();
    lab.mprotect(lab.mm, 0..PAGES, READ);
    assert!(is_huge(&lab, 0));
    lab.run(async |cur| cur.clear_soft_dirty(lab.mm).await);
    assert!(is_huge(&lab, 0));
    keeps_its_words(&lab, lab.mm);
}

#[test]
fn advice_on_a_part_splits_the_folio() {
    let lab = written();
    let freed = lab.run(async |cur| cur.madvise(lab.mm, 0..2, Advice::Free).await);
    freed.expect("mapped");
    assert_eq!(head(&lab, lab.mm, 0).order, 0);
    assert!(!head(&lab, lab.mm, 0).has(PageFlags::SWAPBACKED));
    assert!(head(&lab, lab.mm, 2).has(PageFlags::SWAPBACKED));
    (8..16).for_each(|addr| lab.write(lab.mm, addr, addr));
    let freed = lab.run(async |cur| cur.madvise(lab.mm, 8..16, Advice::Free).await);
    freed.expect("mapped");
    assert!(is_huge(&lab, 8));
    assert!(!head(&lab, lab.mm, 8).has(PageFlags::SWAPBACKED));
}

#[test]
fn munlock_of_a_part_takes_the_mark_and_mlock_of_a_part_gives_none() {
    let lab = written();
    let mlock = |range| lab.run(async |cur| cur.mlock(lab.mm, range).await);
    mlock(0..PAGES).expect("mapped");
    assert!(head(&lab, lab.mm, 0).has(PageFlags::MLOCKED));
    lab.munmap(lab.mm, 0..1);
    assert!(!head(&lab, lab.mm, 1).has(PageFlags::MLOCKED));
    let munlocked = lab.run(async |cur| cur.munlock(lab.mm, 1..PAGES).await);
    munlocked.expect("mapped");
    mlock(1..PAGES).expect("mapped");
    assert!(!head(&lab, lab.mm, 1).has(PageFlags::MLOCKED));
}

#[test]
fn an_unmapped_part_leaves_the_rest() {
    let lab = written();
    let used = lab.kernel.state().frames().in_use();
    lab.munmap(lab.mm, 0..4);
    assert_eq!((lab.read(lab.mm, 4), lab.read(lab.mm, 7)), (5, 8));
    assert_eq!(head(&lab, lab.mm, 4).large_mapcount, 4);
    assert_eq!(
        lab.kernel.state().frames().in_use(),
        used,
        "the folio is still whole"
    );
    lab.munmap(lab.mm, 4..8);
    assert_eq!(lab.kernel.state().frames().in_use(), used - 8);
}

#[test]
fn protection_of_a_part_splits_and_keeps_all_words() {
    let lab = written();
    lab.mprotect(lab.mm, 2..5, READ);
    assert_eq!((is_huge(&lab, 0), deposits(&lab)), (false, 0));
    keeps_its_words(&lab, lab.mm);
    lab.write(lab.mm, 5, 6);
    keeps_its_words(&lab, lab.mm);
}

#[test]
fn a_huge_page_goes_to_a_device_and_comes_back_whole() {
    let lab = written();
    assert_eq!(lab.to_device(0..PAGES), 8);
    assert_eq!(lab.kernel.state().driver().memory(GPU).in_use(), 8);
    assert!(is_huge(&lab, 0));
    assert_eq!((lab.device(lab.mm, 3), deposits(&lab)), (Some(GPU), 1));
    keeps_its_words(&lab, lab.mm);
    assert!(is_huge(&lab, 0));
    assert_eq!(lab.device(lab.mm, 3), None);
    lab.exit(lab.mm);
    lab.nothing_is_left();
}

#[test]
fn a_huge_hole_and_the_huge_zero_page_become_huge_device_pages() {
    let lab = lab();
    assert_eq!(lab.read(lab.mm, 8), 0);
    assert_eq!(lab.to_device(0..16), 16);
    assert!(is_huge(&lab, 0) && is_huge(&lab, 8));
    assert_eq!((lab.rss(lab.mm), deposits(&lab)), (16, 2));
    assert_eq!((lab.read(lab.mm, 3), lab.read(lab.mm, 9)), (0, 0));
    lab.exit(lab.mm);
    lab.nothing_is_left();
}

#[test]
fn a_huge_page_is_split_if_the_other_side_has_no_huge_page() {
    let lab = written();
    lab.kernel.state().fail.arm(AllocKind::DevicePage, 1);
    assert_eq!(lab.to_device(0..PAGES), 8);
    assert!(!is_huge(&lab, 0));
    keeps_its_words(&lab, lab.mm);
    let whole = written();
    assert_eq!(whole.to_device(0..PAGES), 8);
    whole.kernel.state().fail.arm(AllocKind::Page, 1);
    assert_eq!(whole.read(whole.mm, 5), 6);
    assert!(!is_huge(&whole, 0));
    assert_eq!(whole.device(whole.mm, 4), Some(GPU));
    keeps_its_words(&whole, whole.mm);
    whole.exit(whole.mm);
    whole.nothing_is_left();
}

#[test]
fn a_part_of_a_huge_page_goes_to_a_device_alone() {
    let lab = written();
    assert_eq!(lab.to_device(2..4), 2);
    assert!(!is_huge(&lab, 0));
    assert_eq!(head(&lab, lab.mm, 5).order, 0);
    keeps_its_words(&lab, lab.mm);
    assert_eq!(head(&lab, lab.mm, 3).order, 0);
    lab.exit(lab.mm);
    lab.nothing_is_left();
}

#[test]
fn a_folio_that_cannot_be_split_ends_the_collection_of_its_table() {
    let lab = written();
    // after the write, page 4 has a small folio, and small entries map the large folio elsewhere
    let child = lab.fork(lab.mm);
    lab.write(lab.mm, 4, 5);
    let page = lab.pfn(lab.mm, 2);
    assert!(lab.kernel.state().hold_external(page, false));
    assert_eq!(
        lab.to_device(3..6),
        0,
        "page 3 maps the folio that cannot be split, so the collection never reaches page 4"
    );
    assert_eq!(lab.to_device(4..6), 1);
    lab.kernel.state().put_external(page, false);
    lab.exit(child);
}

#[test]
fn a_folio_that_somebody_holds_is_not_split() {
    let lab = written();
    let page = lab.pfn(lab.mm, 2);
    for pin in [false, true] {
        assert!(lab.kernel.state().hold_external(page, pin));
        assert_eq!(head(&lab, lab.mm, 0).pincount, i32::from(pin));
        assert_eq!(lab.to_device(0..PAGES), 0);
        keeps_its_words(&lab, lab.mm);
        assert_eq!(head(&lab, lab.mm, 2).order, 3);
        lab.kernel.state().put_external(page, pin);
    }
    assert_eq!(lab.to_device(0..PAGES), 8);
}

/// Reclaims a folio. Returns the number of freed pages.
fn shrink(lab: &Lab, folio: Folio) -> u32 {
    lab.run(async |cur| cur.reclaim_folio(folio).await)
}

#[test]
fn reclaim_writes_a_huge_page_whole_into_a_run_of_slots() {
    let lab = written();
    let folio = lab.folio(lab.mm, 0);
    assert_eq!(shrink(&lab, folio), 0, "the write is queued");
    let slots: Vec<_> = (0..PAGES).map(|addr| lab.leaf(lab.mm, addr)).collect();
    let run: Vec<_> = (8..16).map(|slot| Softleaf::Swap(SwapId(slot))).collect();
    assert_eq!(slots, run);
    assert_eq!(lab.slot(lab.mm, 5).cache, Some(folio));
    assert_eq!(shrink(&lab, folio), 8);
    assert_eq!(
        (lab.slot(lab.mm, 5).cache, lab.slot(lab.mm, 5).word),
        (None, 6)
    );
    keeps_its_words(&lab, lab.mm);
    let orders = (0..PAGES).map(|addr| head(&lab, lab.mm, addr).order);
    assert!(orders.eq([0; 8]), "swap-in reads single pages");
}

#[test]
fn a_fault_maps_all_of_a_huge_page_in_the_swap_cache() {
    let lab = written();
    shrink(&lab, lab.folio(lab.mm, 0));
    assert_eq!(lab.read(lab.mm, 3), 4);
    assert!(!is_huge(&lab, 0));
    let page = head(&lab, lab.mm, 7);
    assert_eq!((page.order, page.large_mapcount, page.refcount), (3, 8, 16));
    assert_eq!(lab.rss(lab.mm), 8);
    lab.write(lab.mm, 2, 3);
    let cached = |lab: &Lab| head(lab, lab.mm, 2).has(PageFlags::SWAPCACHE);
    assert!(
        cached(&lab),
        "the pages are exclusive and writable, so no fault frees the slots"
    );
    lab.munmap(lab.mm, 7..8);
    assert!(cached(&lab));
    lab.munmap(lab.mm, 0..7);
    lab.exit(lab.mm);
    lab.nothing_is_left();
}

#[test]
fn a_fault_maps_one_page_if_another_entry_has_gone() {
    let lab = written();
    shrink(&lab, lab.folio(lab.mm, 0));
    lab.munmap(lab.mm, 5..6);
    lab.write(lab.mm, 3, 9);
    let page = head(&lab, lab.mm, 3);
    assert_eq!((page.order, page.large_mapcount), (3, 1));
    assert!(
        page.has(PageFlags::SWAPCACHE),
        "other entries name its slots"
    );
    assert!(matches!(lab.leaf(lab.mm, 4), Softleaf::Swap(_)));
    assert_eq!((lab.read(lab.mm, 3), lab.read(lab.mm, 4)), (9, 5));
}

#[test]
fn a_huge_page_without_a_run_of_slots_is_split() {
    let lab = written();
    lab.kernel.state().fail.arm(AllocKind::SwapSlot, 1);
    shrink(&lab, lab.folio(lab.mm, 0));
    let slots: Vec<_> = (0..PAGES).map(|addr| lab.leaf(lab.mm, addr)).collect();
    let run = [1, 8, 7, 6, 5, 4, 3, 2].map(|slot| Softleaf::Swap(SwapId(slot)));
    assert_eq!(slots, run);
    keeps_its_words(&lab, lab.mm);
}

#[test]
fn a_partially_mapped_huge_page_is_split_and_its_unmapped_pages_go() {
    let lab = written();
    lab.munmap(lab.mm, 5..6);
    let folio = lab.folio(lab.mm, 0);
    assert!(head(&lab, lab.mm, 0).has(PageFlags::PARTIALLY_MAPPED));
    let frames = lab.frames();
    shrink(&lab, folio);
    assert_eq!(lab.frames(), frames - 1);
    assert!((0..5).all(|addr| matches!(lab.leaf(lab.mm, addr), Softleaf::Swap(_))));
    assert_eq!(lab.read(lab.mm, 6), 7);
    assert_eq!(head(&lab, lab.mm, 6).order, 0);
}

/// Runs the shrinker of the queue of deferred splits. Returns the length of the queue then.
fn scan(lab: &Lab, underused: bool) -> usize {
    lab.run(async |cur| cur.deferred_split_scan(underused).await);
    lab.kernel.state().deferred_splits().len()
}

#[test]
fn the_shrinker_splits_what_is_mapped_in_part_and_frees_the_rest() {
    let lab = written();
    assert_eq!(lab.kernel.state().deferred_splits().len(), 1);
    lab.munmap(lab.mm, 5..6);
    let (page, frames) = (lab.pfn(lab.mm, 1), lab.frames());
    assert!(lab.kernel.state().hold_external(page, false));
    assert_eq!(
        scan(&lab, false),
        1,
        "somebody holds it, so it stays queued"
    );
    lab.kernel.state().put_external(page, false);
    assert_eq!(scan(&lab, false), 0);
    assert_eq!((head(&lab, lab.mm, 0).order, lab.frames()), (0, frames - 1));
    assert_eq!(lab.read(lab.mm, 6), 7);
}

#[test]
fn the_shrinker_splits_a_huge_page_with_more_zeroes_than_contents() {
    let few = lab();
    (0..3).for_each(|addr| few.write(few.mm, addr, 1));
    assert_eq!(scan(&few, false), 0, "not marked, so it leaves the queue");
    assert_eq!(scan(&few, true), 0);
    assert!(is_huge(&few, 0));
    let sparse = lab();
    (0..3).for_each(|addr| sparse.write(sparse.mm, addr, 1));
    assert_eq!(scan(&sparse, true), 0);
    assert!(!is_huge(&sparse, 0));
    assert_eq!((sparse.rss(sparse.mm), sparse.read(sparse.mm, 7)), (3, 0));
    let full = written();
    assert_eq!(scan(&full, true), 0);
    assert!(is_huge(&full, 0));
}

#[test]
fn the_shrinker_spares_an_mlocked_huge_page_of_zeroes_since_7_2() {
    for (release, huge) in [(KernelVersion::V7_3, true), (KernelVersion::V6_12, false)] {
        let lab = lab();
        lab.kernel.state().release = release;
        lab.run(async |cur| cur.mlock(lab.mm, 0..PAGES).await)
            .expect("mapped");
        scan(&lab, true);
        assert_eq!(is_huge(&lab, 0), huge);
    }
}

#[test]
fn a_request_splits_the_folios_of_a_range_that_nobody_holds() {
    let lab = written();
    let split = || lab.run(async |cur| cur.split_huge_pages(lab.mm, 3..4).await);
    let page = lab.pfn(lab.mm, 2);
    assert!(lab.kernel.state().hold_external(page, true));
    split();
    assert!(is_huge(&lab, 0));
    lab.kernel.state().put_external(page, true);
    split();
    assert_eq!((is_huge(&lab, 0), head(&lab, lab.mm, 0).order), (false, 0));
    keeps_its_words(&lab, lab.mm);
    assert!(lab.kernel.state().deferred_splits().is_empty());
}

#[test]
fn what_lost_a_part_on_a_device_is_queued_when_it_comes_home() {
    let lab = written();
    assert_eq!(lab.to_device(0..PAGES), 8);
    assert!(lab.kernel.state().deferred_splits().is_empty());
    lab.munmap(lab.mm, 0..4);
    let evicted = lab.run(async |cur| dmirror::evict(cur, GPU, 0..8).await);
    assert_eq!(evicted, 8);
    assert!(head(&lab, lab.mm, 4).has(PageFlags::PARTIALLY_MAPPED));
    let frames = lab.frames();
    assert_eq!(scan(&lab, false), 0);
    assert_eq!(lab.frames(), frames - 4);
}

#[test]
fn a_huge_page_in_the_swap_cache_can_be_split() {
    let lab = written();
    shrink(&lab, lab.folio(lab.mm, 0));
    lab.read(lab.mm, 0);
    // a migration splits a large folio that small entries map
    assert_eq!(lab.to_device(0..PAGES), 8);
    keeps_its_words(&lab, lab.mm);
    assert_eq!(head(&lab, lab.mm, 1).order, 0);
}

#[test]
fn a_reference_for_writing_marks_the_huge_entry_and_not_the_folio() {
    let lab = lab();
    // a hole that comes home from a device has a clean, writable entry
    assert_eq!(lab.to_device(0..PAGES), 8);
    lab.read(lab.mm, 0);
    let pte = || lab.present(lab.mm, 3);
    assert!(is_huge(&lab, 0) && pte().write() && !pte().dirty());
    let dirty = || head(&lab, lab.mm, 0).has(PageFlags::DIRTY);
    let before = dirty();
    let page = lab.run(async |cur| cur.get_user_page(lab.mm, 3, Foll::GET | Foll::WRITE).await);
    let page = page.expect("mapped");
    assert!(pte().dirty() && pte().soft_dirty());
    assert_eq!(dirty(), before);
    lab.kernel.state().put_external(page, false);
}

#[test]
fn a_flush_of_one_page_drops_the_huge_translation() {
    let lab = written();
    // pages 0 to 7 are in the TLB; dropping page 0 splits the entry
    let zapped = lab.run(async |cur| cur.madvise(lab.mm, 0..1, mm_core::Advice::DontNeed).await);
    zapped.expect("mapped");
    let s = lab.kernel.state();
    assert_eq!(s.tlbs().iter().count(), 0);
}
