//! Fork, copy-on-write, and page exclusivity.

use crate::lab::{Lab, READ};
use mm_core::{AreaAdvice, Pfn, PteFlags, VmFlags};

#[test]
fn the_first_read_maps_the_zero_page_and_takes_no_memory() {
    let lab = Lab::new();
    assert_eq!(lab.read(lab.mm, 3), 0);
    let pte = lab.present(lab.mm, 3);
    assert_eq!(pte.pfn(), Pfn::ZERO);
    assert!(pte.has(PteFlags::SPECIAL) && !pte.write());
    assert_eq!((lab.frames(), lab.rss(lab.mm)), (0, 0));
}

#[test]
fn the_first_write_makes_a_page_that_is_exclusive_writable_and_dirty() {
    let lab = Lab::with(&[7]);
    let pte = lab.present(lab.mm, 0);
    assert!(pte.write() && pte.dirty() && pte.young());
    let page = lab.page(lab.mm, 0);
    assert!(page.anon_exclusive());
    assert_eq!((page.mapcount, page.refcount, page.word), (1, 1, 7));
    assert_eq!((lab.frames(), lab.rss(lab.mm)), (1, 1));
}

#[test]
fn a_write_after_a_read_replaces_the_zero_page() {
    let lab = Lab::new();
    lab.read(lab.mm, 3);
    lab.write(lab.mm, 3, 5);
    assert_ne!(lab.pfn(lab.mm, 3), Pfn::ZERO);
    assert_eq!(lab.rss(lab.mm), 1);
    assert_eq!(lab.kernel.state().page(Pfn::ZERO).word, 0);
}

#[test]
fn after_fork_both_map_the_page_read_only_and_it_is_nobodys_own() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert_eq!(lab.pfn(lab.mm, 0), lab.pfn(child, 0));
    assert!(!lab.present(lab.mm, 0).write() && !lab.present(child, 0).write());
    let page = lab.page(lab.mm, 0);
    assert!(!page.anon_exclusive());
    assert_eq!((page.mapcount, page.refcount), (2, 2));
    assert_eq!((lab.rss(lab.mm), lab.rss(child)), (1, 1));
}

#[test]
fn the_first_writer_gets_a_copy_and_the_last_one_keeps_the_page() {
    // whichever of the two writes first
    for parent_first in [true, false] {
        let lab = Lab::with(&[7]);
        let child = lab.fork(lab.mm);
        let shared = lab.pfn(lab.mm, 0);
        let (first, last) = match parent_first {
            true => (lab.mm, child),
            false => (child, lab.mm),
        };
        lab.write(first, 0, 8);
        assert_ne!(lab.pfn(first, 0), shared);
        assert_eq!(lab.read(last, 0), 7);
        lab.write(last, 0, 9);
        assert_eq!(lab.pfn(last, 0), shared);
        assert_eq!((lab.read(first, 0), lab.read(last, 0)), (8, 9));
        for mm in [first, last] {
            assert!(lab.page(mm, 0).anon_exclusive());
        }
    }
}

#[test]
fn a_page_whose_other_owner_is_gone_is_written_without_a_copy() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    let page = lab.pfn(lab.mm, 0);
    lab.exit(child);
    lab.write(lab.mm, 0, 8);
    assert_eq!(lab.pfn(lab.mm, 0), page);
    assert!(lab.page(lab.mm, 0).anon_exclusive());
    assert_eq!(lab.frames(), 1);
}

#[test]
fn a_read_of_a_shared_page_copies_nothing() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert_eq!((lab.read(child, 0), lab.read(lab.mm, 0)), (7, 7));
    assert_eq!(lab.frames(), 1);
}

#[test]
fn an_area_without_an_anon_vma_has_no_entries_worth_copying() {
    let lab = Lab::new();
    lab.read(lab.mm, 0);
    let child = lab.fork(lab.mm);
    assert!(lab.pte(child, 0).is_none());
    assert_eq!(lab.read(child, 0), 0);
}

#[test]
fn a_fork_leaves_out_what_madvise_dontfork_names() {
    let lab = Lab::with(&[7, 8, 9]);
    let marked = lab.run(async |cur| cur.madvise_flags(lab.mm, 1..2, AreaAdvice::DontFork).await);
    assert_eq!(marked, Ok(true));
    let child = lab.fork(lab.mm);
    assert_eq!(lab.areas(child), [0..1, 2..16]);
    assert!(lab.present(lab.mm, 1).write(), "the page is not shared");
}

#[test]
fn a_child_does_not_inherit_locks_in_memory() {
    let lab = Lab::new();
    let locked = lab.run(async |cur| cur.mlock(lab.mm, 0..4).await);
    assert_eq!(locked, Ok(()));
    let child = lab.fork(lab.mm);
    let is_locked = |mm| lab.area(mm, 0, |vma| vma.flags.contains(VmFlags::LOCKED));
    assert!(is_locked(lab.mm) && !is_locked(child));
}

#[test]
fn a_child_has_an_anon_vma_of_its_own_below_its_parents() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    let anon_vma = |mm| lab.area(mm, 0, |vma| vma.anon_vma).expect("pages");
    let (of_parent, of_child) = (anon_vma(lab.mm), anon_vma(child));
    assert_ne!(of_parent, of_child);
    let s = lab.kernel.state();
    assert_eq!(s.anon_vma(of_child).parent, of_parent);
    assert_eq!(s.anon_vma(of_child).root, s.anon_vma(of_parent).root);
}

#[test]
fn a_page_of_the_child_is_looked_for_in_the_child_alone() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert_eq!(lab.rmap(lab.pfn(child, 0)).len(), 2, "while it is shared");
    lab.write(child, 0, 8);
    assert_eq!(lab.rmap(lab.pfn(child, 0)), [(child, 0)]);
}

#[test]
fn the_reverse_map_finds_every_mapping_in_a_family() {
    // bit i says whether generation i writes before it forks, and so has its own page
    for writes in 0..8u64 {
        let lab = Lab::with(&[1, 2, 3]);
        let mut family = vec![lab.mm];
        for generation in 0..3 {
            let parent = family[generation];
            if writes >> generation & 1 != 0 {
                lab.write(parent, generation as u64, 9);
            }
            family.push(lab.fork(parent));
        }
        lab.rmap_is_complete(&family);
        lab.exit(family.remove(1));
        lab.rmap_is_complete(&family);
        family.into_iter().for_each(|mm| lab.exit(mm));
        lab.nothing_is_left();
    }
}

#[test]
fn what_a_process_sees_does_not_depend_on_what_its_relatives_write() {
    for order in 0..8u64 {
        let lab = Lab::with(&[1]);
        let child = lab.fork(lab.mm);
        let grandchild = lab.fork(child);
        for mm in [lab.mm, child, grandchild] {
            if order >> mm.0 & 1 != 0 {
                lab.write(mm, 0, 10 + u64::from(mm.0));
            }
        }
        for mm in [lab.mm, child, grandchild] {
            let wrote = order >> mm.0 & 1 != 0;
            let expected = if wrote { 10 + u64::from(mm.0) } else { 1 };
            assert_eq!(lab.read(mm, 0), expected, "{mm:?}, order {order:#b}");
        }
    }
}

#[test]
fn a_shared_page_stays_read_only_when_its_area_becomes_writable() {
    let lab = Lab::with(&[7]);
    lab.mprotect(lab.mm, 0..1, READ);
    let child = lab.fork(lab.mm);
    lab.mprotect(child, 0..1, crate::lab::READ_WRITE);
    assert!(!lab.present(child, 0).write());
    lab.write(child, 0, 8);
    assert_eq!(lab.read(lab.mm, 0), 7);
}

#[test]
fn a_fork_keeps_what_the_cpu_noted_of_a_page() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert!(lab.present(lab.mm, 0).dirty() && lab.present(child, 0).dirty());
}

#[test]
fn a_line_of_descendants_does_not_grow_for_ever() {
    // each generation forks and exits; the number of anon_vmas stays bounded
    let lab = Lab::with(&[7]);
    let mut last = lab.mm;
    for _ in 0..20 {
        let child = lab.fork(last);
        lab.write(child, 1, 8);
        lab.exit(last);
        last = child;
    }
    let anon_vmas = lab.kernel.state().anon_vmas().live();
    assert!(anon_vmas <= 4, "{anon_vmas} anon_vmas for one process");
}
