//! Tracking for user space: soft-dirty, userfaultfd write protection, pagemap.

use crate::lab::{Deed, GPU, Lab, READ};
use mm_core::{
    Direction, FaultError, Foll, KernelVersion, Pagemap, Pfn, Remap, Site, TaskId, Thp, dmirror,
};
use std::cell::RefCell;

fn pagemap(lab: &Lab, addr: u64) -> Pagemap {
    lab.run(async |cur| cur.pagemap_read(lab.mm, addr..addr + 1).await)[0]
}

fn clear_soft_dirty(lab: &Lab) {
    lab.run(async |cur| cur.clear_soft_dirty(lab.mm).await);
}

fn protect(lab: &Lab, on: bool) {
    let changed = lab.run(async |cur| {
        cur.uffd_register(lab.mm, 0..4).await?;
        cur.uffd_writeprotect(lab.mm, 0..4, on).await
    });
    assert_eq!(changed, Ok(()));
}

fn write(lab: &Lab, addr: u64) -> Result<u64, FaultError> {
    lab.run(async |cur| cur.user_access(lab.mm, addr, Some(9)).await)
}

/// Ways for a page to lose its mapping and to get it back.
const JOURNEYS: [Deed; 4] = [
    ("swap", |lab| assert!(lab.reclaim(lab.mm, 0))),
    ("a device", |lab| assert_eq!(lab.to_device(0..1), 1)),
    ("a device and back", |lab| {
        assert_eq!(lab.to_device(0..1), 1);
        assert_eq!(lab.migrate(0..1, Direction::ToSystem), 1);
    }),
    ("another frame", |lab| {
        assert!(lab.compact(lab.mm, 0));
    }),
];

#[test]
fn soft_dirty_is_set_for_the_pages_written_since_it_was_cleared_and_no_other() {
    for written in 0..16u64 {
        let lab = Lab::with(&[1, 2, 3, 4]);
        clear_soft_dirty(&lab);
        let chosen = |addr: u64| written >> addr & 1 != 0;
        (0..4)
            .filter(|a| chosen(*a))
            .for_each(|a| lab.write(lab.mm, a, 9));
        for addr in 0..4 {
            lab.read(lab.mm, addr);
        }
        for addr in 0..4 {
            let dirty = pagemap(&lab, addr).contains(Pagemap::SOFT_DIRTY);
            assert_eq!(dirty, chosen(addr), "page {addr} of {written:#06b}");
        }
    }
}

#[test]
fn soft_dirty_survives_every_journey_of_a_page() {
    for (way, go) in JOURNEYS {
        for dirty in [false, true] {
            let lab = Lab::with(&[7]);
            clear_soft_dirty(&lab);
            if dirty {
                lab.write(lab.mm, 0, 8);
            }
            go(&lab);
            let shown = |lab: &Lab| pagemap(lab, 0).contains(Pagemap::SOFT_DIRTY);
            assert_eq!(shown(&lab), dirty, "by {way}, away");
            lab.read(lab.mm, 0);
            assert_eq!(shown(&lab), dirty, "by {way}, back");
        }
    }
}

#[test]
fn what_is_mapped_anew_is_soft_dirty() {
    let lab = Lab::new();
    clear_soft_dirty(&lab);
    assert!(!pagemap(&lab, 0).contains(Pagemap::SOFT_DIRTY));
    lab.munmap(lab.mm, 0..16);
    lab.mmap(0..16);
    assert!(pagemap(&lab, 0).contains(Pagemap::SOFT_DIRTY));
}

#[test]
fn a_write_to_a_protected_page_is_for_userfaultfd_to_see() {
    let lab = Lab::with(&[7]);
    protect(&lab, true);
    assert_eq!(write(&lab, 0), Err(FaultError::UffdWp));
    assert_eq!(lab.read(lab.mm, 0), 7, "reading is allowed");
    protect(&lab, false);
    assert_eq!(write(&lab, 0), Ok(9));
}

#[test]
fn write_protection_survives_every_journey_of_a_page() {
    for (way, go) in JOURNEYS {
        let lab = Lab::with(&[7]);
        protect(&lab, true);
        go(&lab);
        assert!(pagemap(&lab, 0).contains(Pagemap::UFFD_WP), "by {way}");
        assert_eq!(write(&lab, 0), Err(FaultError::UffdWp), "by {way}");
        assert_eq!(lab.read(lab.mm, 0), 7);
    }
}

#[test]
fn write_protection_ends_with_the_registration() {
    let lab = Lab::with(&[7]);
    protect(&lab, true);
    let unregistered = lab.run(async |cur| cur.uffd_unregister(lab.mm, 0..4).await);
    assert_eq!(unregistered, Ok(()));
    assert_eq!(write(&lab, 0), Ok(9));
}

#[test]
fn a_child_is_not_registered_and_not_protected() {
    let lab = Lab::with(&[7]);
    protect(&lab, true);
    let child = lab.fork(lab.mm);
    lab.write(child, 0, 8);
    assert_eq!(write(&lab, 0), Err(FaultError::UffdWp));
}

/// Runs `others` while a reader of pagemap is between pages 7 and 8, whose entries are in two page
/// tables. Returns what the reader saw.
fn between_the_pieces(lab: &Lab, others: impl AsyncFnOnce(mm_core::Current<'_>)) -> Vec<Pagemap> {
    for addr in 7..9 {
        lab.write(lab.mm, addr, 1);
    }
    let (seen, mut points) = (RefCell::new(Vec::new()), 0);
    let reader = async |cur: mm_core::Current<'_>| {
        let shown = cur.pagemap_read(lab.mm, 7..9).await;
        seen.borrow_mut().extend(shown);
    };
    let ran = lab.kernel.schedule().task(reader).task(others);
    let ran = ran.run(|task, site| {
        points += u32::from(task == TaskId(0) && site == Site::PagemapRead);
        (points == 2).then_some(TaskId(1))
    });
    assert_eq!(ran, Ok(()));
    seen.into_inner()
}

#[test]
fn pagemap_drops_the_lock_after_each_table() {
    let lab = Lab::new();
    let seen = between_the_pieces(&lab, async |cur| {
        assert_eq!(cur.munmap(lab.mm, 0..16).await, Ok(()));
    });
    let [first, second] = *seen else {
        panic!("{seen:?}")
    };
    assert!(first.contains(Pagemap::PRESENT), "page 7 was still mapped");
    assert_eq!(second, Pagemap::empty(), "page 8 was already unmapped");
}

#[test]
fn a_reader_of_pagemap_keeps_the_process_until_it_has_read_all() {
    let lab = Lab::new();
    let seen = between_the_pieces(&lab, async |cur| cur.mmput(lab.mm).await);
    assert!(seen.iter().all(|shown| shown.contains(Pagemap::PRESENT)));
    lab.nothing_is_left();
    let dead = lab.run(async |cur| cur.pagemap_read(lab.mm, 0..1).await);
    assert_eq!(dead, [], "pagemap shows nothing of a dead process");
}

#[test]
fn pagemap_tells_present_from_swapped_and_from_empty() {
    let lab = Lab::with(&[1, 2, 3]);
    assert!(lab.reclaim(lab.mm, 1));
    lab.to_device(2..3);
    let shown = |addr| pagemap(&lab, addr) & (Pagemap::PRESENT | Pagemap::SWAP);
    assert_eq!(shown(0), Pagemap::PRESENT);
    assert_eq!(shown(1), Pagemap::SWAP);
    assert_eq!(shown(2), Pagemap::SWAP, "a device page is shown as swap");
    assert_eq!(shown(3), Pagemap::empty());
}

#[test]
fn a_page_that_moves_by_mremap_is_soft_dirty() {
    let lab = Lab::with(&[7]);
    clear_soft_dirty(&lab);
    let moved = lab.run(async |cur| cur.mremap(lab.mm, 0..1, 1, Remap::Fixed(40)).await);
    assert_eq!(moved, Ok(()));
    assert!(pagemap(&lab, 40).contains(Pagemap::SOFT_DIRTY));
}

#[test]
fn uffd_wp_set_during_device_exclusive_access_holds_afterwards() {
    let lab = Lab::with(&[7]);
    let made = lab.run(async |cur| dmirror::exclusive(cur, GPU, lab.mm, 0..1).await);
    assert_eq!(made, (1, Ok(())));
    protect(&lab, true);
    assert_eq!(lab.read(lab.mm, 0), 7);
    assert!(!lab.present(lab.mm, 0).write());
    assert_eq!(write(&lab, 0), Err(FaultError::UffdWp));
}

#[test]
fn a_page_that_leaves_its_registered_area_leaves_its_protection() {
    let lab = Lab::with(&[7]);
    protect(&lab, true);
    let moved = lab.run(async |cur| cur.mremap(lab.mm, 0..1, 1, Remap::Fixed(40)).await);
    assert_eq!(moved, Ok(()));
    lab.write(lab.mm, 40, 8);
}

#[test]
fn a_child_of_a_protected_device_page_is_not_protected() {
    let lab = Lab::with(&[7]);
    protect(&lab, true);
    lab.to_device(0..1);
    let child = lab.fork(lab.mm);
    lab.write(child, 0, 8);
    assert_eq!(write(&lab, 0), Err(FaultError::UffdWp));
}

#[test]
fn the_page_that_replaces_the_zero_page_at_a_pin_keeps_uffd_wp() {
    let lab = Lab::with(&[7]);
    lab.read(lab.mm, 1);
    protect(&lab, true);
    let foll = Foll::PIN | Foll::LONGTERM;
    let page = lab.run(async |cur| cur.get_user_page(lab.mm, 1, foll).await);
    assert!(page.is_ok_and(|page| page != Pfn::ZERO));
    assert!(pagemap(&lab, 1).contains(Pagemap::UFFD_WP));
}

#[test]
fn since_7_2_mprotect_makes_a_batch_young_if_one_entry_is() {
    for (release, young) in [(KernelVersion::V7_3, true), (KernelVersion::V6_12, false)] {
        let lab = Lab::new();
        lab.kernel.state().release = release;
        lab.kernel.state().thp = Thp::Always;
        lab.write(lab.mm, 0, 1);
        let made = lab.run(async |cur| dmirror::exclusive(cur, GPU, lab.mm, 0..1).await);
        assert_eq!(made.0, 1);
        lab.fork(lab.mm);
        let is_young = |addr| lab.present(lab.mm, addr).young();
        assert_eq!([0, 1, 2].map(is_young), [false, true, true]);
        lab.mprotect(lab.mm, 0..2, READ);
        assert_eq!([0, 1, 2].map(is_young), [young, true, true], "{release:?}");
    }
}

#[test]
fn in_a_soft_dirty_vma_fork_copies_the_soft_dirty_bit_of_the_first_entry() {
    let child_of = |remaps: bool| {
        let lab = Lab::new();
        lab.kernel.state().thp = Thp::Always;
        lab.write(lab.mm, 0, 1);
        // the entry becomes eight entries, of which the write makes one soft-dirty
        let made = lab.run(async |cur| dmirror::exclusive(cur, GPU, lab.mm, 0..1).await);
        assert_eq!(made.0, 1);
        clear_soft_dirty(&lab);
        lab.write(lab.mm, 2, 3);
        if remaps {
            // the new VMA is soft-dirty, and so is the VMA that it merges with
            lab.mmap(0..1);
        }
        let child = lab.fork(lab.mm);
        [1, 2].map(|addr| lab.present(child, addr).soft_dirty())
    };
    assert_eq!(child_of(false), [false, true]);
    assert_eq!(child_of(true), [false, false]);
}
