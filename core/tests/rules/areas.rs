//! VMAs: split, merged, moved, unmapped.

use crate::lab::{Lab, READ, READ_WRITE};
use mm_core::{
    Advice, AdviceError, Current, FaultError, KernelVersion, Pfn, Pte, Remap, RemapError, Site,
    TaskId,
};
use std::ops::Range;

#[test]
fn unmapping_the_middle_leaves_two_areas_with_one_anon_vma() {
    let lab = Lab::with(&[1, 2, 3]);
    lab.munmap(lab.mm, 1..2);
    assert_eq!(lab.areas(lab.mm), [0..1, 2..16]);
    let anon_vma = |addr| lab.area(lab.mm, addr, |vma| vma.anon_vma);
    assert_eq!(anon_vma(0), anon_vma(2));
    // a page keeps its offset, so the reverse map still finds it
    assert_eq!(lab.area(lab.mm, 2, |vma| vma.pgoff), 2);
    lab.rmap_is_complete(&[lab.mm]);
}

#[test]
fn neighbours_that_are_alike_merge() {
    let lab = Lab::new();
    lab.mmap(16..20);
    assert_eq!(lab.areas(lab.mm), [0..20]);
    lab.mprotect(lab.mm, 4..8, READ);
    assert_eq!(lab.areas(lab.mm), [0..4, 4..8, 8..20]);
    lab.mprotect(lab.mm, 4..8, READ_WRITE);
    assert_eq!(lab.areas(lab.mm), [0..20]);
}

#[test]
fn any_range_can_be_unmapped_and_takes_its_pages_and_nothing_else() {
    for start in 0..6 {
        for end in start + 1..=6 {
            let lab = Lab::with(&[1, 2, 3, 4, 5, 6]);
            lab.munmap(lab.mm, start..end);
            for addr in 0..6 {
                let seen = lab.run(async |cur| cur.user_access(lab.mm, addr, None).await);
                let expected = match (start..end).contains(&addr) {
                    true => Err(FaultError::Sigsegv),
                    false => Ok(addr + 1),
                };
                assert_eq!(seen, expected, "page {addr} after munmap {start}..{end}");
            }
            assert_eq!(u64::from(lab.frames()), 6 - (end - start));
        }
    }
}

#[test]
fn page_tables_that_serve_no_area_are_freed() {
    let lab = Lab::new();
    let empty = lab.kernel.state().tables().tables().count();
    lab.write(lab.mm, 0, 1);
    assert!(lab.kernel.state().tables().tables().count() > empty);
    lab.munmap(lab.mm, 0..16);
    assert_eq!(lab.kernel.state().tables().tables().count(), empty);
}

async fn dontneed(cur: Current<'_>, lab: &Lab, range: Range<u64>) {
    let advised = cur.madvise(lab.mm, range, Advice::DontNeed).await;
    assert_eq!(advised, Ok(()));
}

#[test]
fn madvise_dontneed_frees_the_tables_that_it_has_emptied_since_6_14() {
    let freed = |release, range: Range<u64>| {
        let lab = Lab::with(&[1]);
        lab.kernel.state().release = release;
        lab.write(lab.mm, 8, 1);
        let tables = || lab.kernel.state().tables().tables().count();
        let before = tables();
        lab.run(async |cur| dontneed(cur, &lab, range).await);
        before - tables()
    };
    // a table has 8 entries
    assert_eq!(freed(KernelVersion::V7_3, 0..16), 2);
    assert_eq!(freed(KernelVersion::V7_2, 0..8), 1);
    assert_eq!(
        freed(KernelVersion::V7_3, 1..9),
        0,
        "the range covers no whole table"
    );
    assert_eq!(freed(KernelVersion::V6_12, 0..16), 0);
}

#[test]
fn a_table_that_another_area_shares_or_uses_stays() {
    let lab = Lab::with(&[1, 2]);
    lab.mprotect(lab.mm, 0..1, READ);
    let tables = || lab.kernel.state().tables().tables().count();
    let before = tables();
    lab.run(async |cur| dontneed(cur, &lab, 0..8).await);
    assert_eq!(tables(), before, "each area has a part of it");
    assert_eq!((lab.read(lab.mm, 0), lab.read(lab.mm, 1)), (0, 0));
}

#[test]
fn a_fault_looks_the_table_up_again_that_another_thread_frees_meanwhile() {
    let lab = Lab::with(&[1]);
    // madvise frees the table that the fault has found for page 1, and the new table for page 8
    // reuses its slot
    let scheduled = lab
        .kernel
        .schedule()
        .task(async |cur| assert_eq!(cur.user_access(lab.mm, 1, Some(2)).await, Ok(2)))
        .task(async |cur| {
            dontneed(cur, &lab, 0..8).await;
            assert_eq!(cur.user_access(lab.mm, 8, Some(3)).await, Ok(3));
        })
        .run(|task, site| {
            (task == TaskId(0) && site == Site::DoAnonymousPage).then_some(TaskId(1))
        });
    assert_eq!(scheduled, Ok(()));
    assert_eq!((lab.read(lab.mm, 1), lab.read(lab.mm, 8)), (2, 3));
    assert_eq!(
        lab.pte(lab.mm, 9),
        Pte::NONE,
        "nothing went to another table"
    );
    lab.rmap_is_complete(&[lab.mm]);
}

#[test]
fn a_moved_page_keeps_its_frame_and_its_offset() {
    // into the same page table, into another one, and far away
    for to in [6, 20, 200] {
        let lab = Lab::new();
        lab.munmap(lab.mm, 4..16);
        lab.write(lab.mm, 1, 7);
        let (pfn, index) = (lab.pfn(lab.mm, 1), lab.page(lab.mm, 1).index);
        let moved = lab.run(async |cur| cur.mremap(lab.mm, 0..4, 4, Remap::Fixed(to)).await);
        assert_eq!(moved, Ok(()));
        assert_eq!(
            (lab.pfn(lab.mm, to + 1), lab.page(lab.mm, to + 1).index),
            (pfn, index)
        );
        assert_eq!(lab.rmap(pfn), [(lab.mm, to + 1)]);
        assert_eq!(lab.areas(lab.mm), [to..to + 4]);
        assert_eq!(lab.read(lab.mm, to + 1), 7);
    }
}

#[test]
fn a_shared_page_is_found_where_one_of_its_owners_moved_it() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    let moved = lab.run(async |cur| cur.mremap(child, 0..16, 16, Remap::Fixed(100)).await);
    assert_eq!(moved, Ok(()));
    let mut found = lab.rmap(lab.pfn(lab.mm, 0));
    found.sort_unstable();
    assert_eq!(found, [(lab.mm, 0), (child, 100)]);
    assert_eq!(lab.to_device(0..1), 1);
    assert_eq!(lab.leaf(child, 100), lab.leaf(lab.mm, 0));
}

#[test]
fn mremap_dontunmap_leaves_the_area_empty() {
    let lab = Lab::with(&[7]);
    let moved = lab.run(async |cur| cur.mremap(lab.mm, 0..4, 4, Remap::Dontunmap(40)).await);
    assert_eq!(moved, Ok(()));
    assert_eq!((lab.read(lab.mm, 0), lab.read(lab.mm, 40)), (0, 7));
}

#[test]
fn an_area_grows_in_place_only_where_nothing_is() {
    let lab = Lab::new();
    lab.mmap(20..24);
    let grow = |len| lab.run(async |cur| cur.mremap(lab.mm, 0..16, len, Remap::Stay).await);
    assert_eq!(grow(21), Err(RemapError::NoRoom));
    assert_eq!(grow(18), Ok(()));
    assert_eq!(lab.areas(lab.mm), [0..18, 20..24]);
}

#[test]
fn a_range_may_not_move_onto_itself() {
    let lab = Lab::with(&[7]);
    for to in 0..8 {
        let moved = lab.run(async |cur| cur.mremap(lab.mm, 0..8, 8, Remap::Fixed(to)).await);
        assert_eq!(moved, Err(RemapError::Inval));
    }
    assert_eq!(lab.read(lab.mm, 0), 7);
}

#[test]
fn madvise_dontneed_empties_pages_and_keeps_the_area() {
    let lab = Lab::with(&[1, 2, 3]);
    let advised = lab.run(async |cur| cur.madvise(lab.mm, 1..2, Advice::DontNeed).await);
    assert_eq!(advised, Ok(()));
    let words: Vec<_> = (0..3).map(|addr| lab.read(lab.mm, addr)).collect();
    assert_eq!(words, [1, 0, 3]);
    assert_eq!(lab.areas(lab.mm), [0..16]);
}

#[test]
fn madvise_passes_over_a_gap_and_fails_at_its_end() {
    let lab = Lab::with(&[1, 2, 3]);
    lab.munmap(lab.mm, 1..2);
    let advised = lab.run(async |cur| cur.madvise(lab.mm, 0..3, Advice::DontNeed).await);
    assert_eq!(advised, Err(AdviceError::Gap));
    assert_eq!((lab.read(lab.mm, 0), lab.read(lab.mm, 2)), (0, 0));
}

#[test]
fn unmapping_the_zero_page_uncounts_nothing() {
    let lab = Lab::new();
    lab.read(lab.mm, 0);
    let before = *lab.kernel.state().page(Pfn::ZERO);
    lab.munmap(lab.mm, 0..16);
    assert_eq!(lab.rss(lab.mm), 0);
    assert_eq!(*lab.kernel.state().page(Pfn::ZERO), before);
}

#[test]
fn an_area_may_not_move_past_the_end_of_the_address_space() {
    let lab = Lab::with(&[7]);
    let end = lab.kernel.state().geometry().task_size();
    for to in [end - 1, end, end + 8] {
        let moved = lab.run(async |cur| cur.mremap(lab.mm, 0..4, 4, Remap::Fixed(to)).await);
        assert_eq!(moved, Err(RemapError::Inval));
    }
    assert_eq!(lab.read(lab.mm, 0), 7);
}
