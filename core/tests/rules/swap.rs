//! Reclaim, swap, and lazily freed pages.

use crate::lab::Lab;
use mm_core::{Advice, AllocKind, SwapPte};

fn advise(lab: &Lab, addr: u64, advice: Advice) {
    let advised = lab.run(async |cur| cur.madvise(lab.mm, addr..addr + 1, advice).await);
    assert_eq!(advised, Ok(()));
}

#[test]
fn a_page_comes_back_from_swap_as_it_was() {
    let lab = Lab::with(&[7]);
    assert!(lab.reclaim(lab.mm, 0));
    assert_eq!((lab.frames(), lab.rss(lab.mm)), (0, 0));
    assert_eq!(lab.slot(lab.mm, 0).count, 1);
    assert!(SwapPte::assume(lab.pte(lab.mm, 0)).exclusive());
    assert_eq!(lab.read(lab.mm, 0), 7);
    assert!(lab.page(lab.mm, 0).anon_exclusive());
    assert_eq!(lab.rss(lab.mm), 1);
}

#[test]
fn a_shared_page_has_one_slot_and_comes_back_as_one_page() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert!(lab.reclaim(lab.mm, 0));
    assert_eq!(lab.leaf(lab.mm, 0), lab.leaf(child, 0));
    assert_eq!(lab.slot(child, 0).count, 2);
    assert_eq!((lab.read(lab.mm, 0), lab.read(child, 0)), (7, 7));
    assert_eq!(lab.pfn(lab.mm, 0), lab.pfn(child, 0));
    // the page is exclusive to nobody: the first writer copies
    lab.write(child, 0, 8);
    assert_eq!((lab.read(lab.mm, 0), lab.read(child, 0)), (7, 8));
}

#[test]
fn a_fork_shares_what_is_swapped_out() {
    let lab = Lab::with(&[7]);
    assert!(lab.reclaim(lab.mm, 0));
    let child = lab.fork(lab.mm);
    assert_eq!(lab.slot(lab.mm, 0).count, 2);
    for mm in [lab.mm, child] {
        assert!(!SwapPte::assume(lab.pte(mm, 0)).exclusive());
    }
    lab.write(lab.mm, 0, 8);
    assert_eq!((lab.read(lab.mm, 0), lab.read(child, 0)), (8, 7));
}

#[test]
fn a_slot_is_free_when_nobody_names_it() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert!(lab.reclaim(lab.mm, 0));
    lab.munmap(lab.mm, 0..1);
    assert_eq!(lab.slot(child, 0).count, 1);
    lab.munmap(child, 0..1);
    let s = lab.kernel.state();
    assert!(s.swap().iter().all(|(_, slot)| slot.is_free()));
}

#[test]
fn a_lazily_freed_page_is_dropped_by_reclaim_and_reads_as_zero() {
    let lab = Lab::with(&[7]);
    advise(&lab, 0, Advice::Free);
    assert_eq!(lab.read(lab.mm, 0), 7, "until then it keeps its contents");
    assert!(lab.reclaim(lab.mm, 0));
    assert!(lab.pte(lab.mm, 0).is_none());
    assert_eq!(lab.kernel.state().swap().iter().count(), 0);
    assert_eq!(lab.read(lab.mm, 0), 0);
}

#[test]
fn a_write_saves_a_lazily_freed_page() {
    let lab = Lab::with(&[7]);
    advise(&lab, 0, Advice::Free);
    lab.write(lab.mm, 0, 8);
    let folio = lab.folio(lab.mm, 0);
    lab.run(async |cur| cur.reclaim_folio(folio).await);
    assert_eq!(lab.read(lab.mm, 0), 8);
}

#[test]
fn a_page_that_somebody_holds_keeps_its_frame() {
    for pin in [false, true] {
        let lab = Lab::with(&[7]);
        let page = lab.pfn(lab.mm, 0);
        assert!(lab.kernel.state().hold_external(page, pin));
        assert!(!lab.reclaim(lab.mm, 0));
        assert_eq!(lab.frames(), 1);
        // a fault finds the folio that is held, and no other
        assert_eq!(lab.read(lab.mm, 0), 7);
        assert_eq!(lab.pfn(lab.mm, 0), page);
    }
}

#[test]
fn without_a_slot_a_page_stays() {
    let lab = Lab::with(&[7]);
    lab.kernel.state().fail.arm(AllocKind::SwapSlot, 1);
    assert!(!lab.reclaim(lab.mm, 0));
    assert!(lab.present(lab.mm, 0).write());
    assert_eq!(lab.read(lab.mm, 0), 7);
}

#[test]
fn pageout_leaves_alone_what_others_map_too() {
    let lab = Lab::with(&[1, 2]);
    let child = lab.fork(lab.mm);
    lab.write(child, 1, 3);
    lab.write(lab.mm, 1, 4);
    advise(&lab, 0, Advice::PageOut);
    advise(&lab, 1, Advice::PageOut);
    assert!(lab.pte(lab.mm, 0).present().is_some(), "shared");
    assert_eq!(lab.slot(lab.mm, 1).word, 4);
}

#[test]
fn willneed_reads_from_swap_without_mapping() {
    let lab = Lab::with(&[7]);
    assert!(lab.reclaim(lab.mm, 0));
    advise(&lab, 0, Advice::WillNeed);
    assert!(lab.slot(lab.mm, 0).cache.is_some());
    assert_eq!(lab.read(lab.mm, 0), 7);
}

#[test]
fn a_clean_page_in_the_swap_cache_need_not_be_written_again() {
    let lab = Lab::with(&[7]);
    assert!(lab.reclaim(lab.mm, 0));
    assert_eq!(lab.read(lab.mm, 0), 7);
    assert!(
        lab.reclaim(lab.mm, 0),
        "a page that was only read needs no second write"
    );
    assert_eq!(lab.read(lab.mm, 0), 7);
    lab.write(lab.mm, 0, 8);
    assert!(lab.reclaim(lab.mm, 0));
    assert_eq!(lab.read(lab.mm, 0), 8);
}
