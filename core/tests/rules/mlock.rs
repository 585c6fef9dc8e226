//! `mlock`: pages that are in memory and stay there.

use crate::lab::{Lab, READ};
use mm_core::{Advice, AdviceError, ChangeError, PageFlags, Pfn, VmFlags};

fn mlock(lab: &Lab, mm: mm_core::MmId, range: std::ops::Range<u64>) {
    let locked = lab.run(async |cur| cur.mlock(mm, range).await);
    assert_eq!(locked, Ok(()));
}

fn munlock(lab: &Lab, mm: mm_core::MmId, range: std::ops::Range<u64>) {
    let unlocked = lab.run(async |cur| cur.munlock(mm, range).await);
    assert_eq!(unlocked, Ok(()));
}

#[test]
fn mlock_faults_everything_in_as_for_a_write() {
    let lab = Lab::new();
    mlock(&lab, lab.mm, 0..4);
    assert_eq!(lab.rss(lab.mm), 4);
    assert_ne!(lab.pfn(lab.mm, 0), Pfn::ZERO);
    assert!((0..4).all(|addr| lab.page(lab.mm, addr).has(PageFlags::MLOCKED)));
}

#[test]
fn a_page_that_is_locked_in_memory_is_not_reclaimed_until_it_is_unlocked() {
    let lab = Lab::with(&[7]);
    mlock(&lab, lab.mm, 0..1);
    assert!(lab.page(lab.mm, 0).has(PageFlags::UNEVICTABLE));
    assert!(!lab.reclaim(lab.mm, 0));
    munlock(&lab, lab.mm, 0..1);
    assert!(!lab.page(lab.mm, 0).has(PageFlags::MLOCKED));
    assert!(lab.reclaim(lab.mm, 0));
    assert_eq!(lab.read(lab.mm, 0), 7);
}

#[test]
fn a_page_that_two_lock_is_evictable_when_both_have_unlocked_it() {
    let lab = Lab::with(&[7]);
    lab.mprotect(lab.mm, 0..1, READ);
    let child = lab.fork(lab.mm);
    mlock(&lab, lab.mm, 0..1);
    mlock(&lab, child, 0..1);
    assert_eq!(lab.page(lab.mm, 0).mlock_count, 2);
    munlock(&lab, lab.mm, 0..1);
    assert!(lab.page(lab.mm, 0).has(PageFlags::UNEVICTABLE));
    munlock(&lab, child, 0..1);
    assert!(!lab.page(lab.mm, 0).has(PageFlags::UNEVICTABLE));
}

#[test]
fn the_end_of_a_locked_mapping_unlocks_the_page() {
    let lab = Lab::with(&[7]);
    lab.mprotect(lab.mm, 0..1, READ);
    let child = lab.fork(lab.mm);
    mlock(&lab, child, 0..1);
    assert!(lab.page(lab.mm, 0).has(PageFlags::MLOCKED));
    lab.exit(child);
    assert!(!lab.page(lab.mm, 0).has(PageFlags::MLOCKED));
}

#[test]
fn a_locked_area_does_not_give_its_pages_up_by_madvise() {
    let lab = Lab::with(&[7]);
    mlock(&lab, lab.mm, 0..1);
    for advice in [Advice::DontNeed, Advice::Free, Advice::PageOut] {
        let advised = lab.run(async |cur| cur.madvise(lab.mm, 0..1, advice).await);
        assert_eq!(advised, Err(AdviceError::Locked));
    }
    assert_eq!(lab.read(lab.mm, 0), 7);
}

#[test]
fn mlock_marks_what_lies_before_a_gap() {
    let lab = Lab::new();
    lab.munmap(lab.mm, 2..3);
    let locked = lab.run(async |cur| cur.mlock(lab.mm, 0..4).await);
    assert_eq!(locked, Err(ChangeError::Gap));
    let is_locked = |addr| lab.area(lab.mm, addr, |vma| vma.flags.contains(VmFlags::LOCKED));
    assert!(is_locked(0) && !is_locked(3));
}
