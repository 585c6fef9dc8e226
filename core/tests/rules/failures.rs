//! Allocations that fail, and what is left when everything is over.

use crate::lab::{Deed, GPU, KINDS, Lab, READ};
use mm_core::{Advice, AllocKind, Direction, FaultError, Foll, Remap, dmirror};

/// Operations that need memory, on a process whose pages 0 to 3 hold the words 1 to 4. Each of them
/// leaves these words unchanged for the process, whether it succeeds or fails.
const OPERATIONS: [Deed; 9] = [
    ("fork", |lab| {
        let forked = lab.run(async |cur| cur.fork(lab.mm).await);
        if let Ok(child) = forked {
            lab.exit(child);
        }
    }),
    ("mmap", |lab| {
        let _ = lab.run(async |cur| cur.mmap(lab.mm, 20..24, READ).await);
    }),
    ("munmap", |lab| {
        let _ = lab.run(async |cur| cur.munmap(lab.mm, 8..9).await);
    }),
    ("mprotect", |lab| {
        let _ = lab.run(async |cur| cur.mprotect(lab.mm, 1..2, READ).await);
    }),
    ("mremap", |lab| {
        let _ = lab.run(async |cur| cur.mremap(lab.mm, 8..12, 4, Remap::Fixed(100)).await);
    }),
    ("mlock", |lab| {
        let _ = lab.run(async |cur| cur.mlock(lab.mm, 0..6).await);
    }),
    ("migration", |lab| {
        lab.to_device(0..6);
    }),
    ("migration and back", |lab| {
        lab.to_device(0..4);
        lab.migrate(0..4, Direction::ToSystem);
    }),
    ("pageout", |lab| {
        let _ = lab.run(async |cur| cur.madvise(lab.mm, 0..4, Advice::PageOut).await);
    }),
];

#[test]
fn an_allocation_that_fails_costs_no_process_its_contents_and_leaks_nothing() {
    for (name, operation) in OPERATIONS {
        for kind in KINDS {
            for nth in 1..=6 {
                let lab = Lab::with(&[1, 2, 3, 4]);
                let child = lab.fork(lab.mm);
                lab.write(child, 3, 9);
                lab.kernel.state().fail.arm(kind, nth);
                operation(&lab);
                lab.kernel.state().fail.arm(kind, 0);
                let words: Vec<_> = (0..4).map(|addr| lab.read(lab.mm, addr)).collect();
                assert_eq!(words, [1, 2, 3, 4], "{name}, {kind:?} {nth}");
                let words: Vec<_> = (0..4).map(|addr| lab.read(child, addr)).collect();
                assert_eq!(words, [1, 2, 3, 9], "{name}, {kind:?} {nth}, child");
                lab.rmap_is_complete(&[lab.mm, child]);
                lab.exit(lab.mm);
                lab.exit(child);
                lab.nothing_is_left();
            }
        }
    }
}

#[test]
fn a_fork_that_fails_leaves_no_child() {
    for kind in [
        AllocKind::Mm,
        AllocKind::Vma,
        AllocKind::Avc,
        AllocKind::PageTable,
    ] {
        let lab = Lab::with(&[1]);
        lab.kernel.state().fail.arm(kind, 1);
        let forked = lab.run(async |cur| cur.fork(lab.mm).await);
        assert!(forked.is_err(), "{kind:?}");
        assert_eq!(lab.kernel.state().mms().live(), 1);
        lab.write(lab.mm, 0, 2);
        assert_eq!(lab.frames(), 1, "the page is the parent's own again");
    }
}

#[test]
fn an_access_is_tried_again_while_there_is_memory() {
    let lab = Lab::new();
    lab.kernel.state().fail.arm(AllocKind::Page, 1);
    lab.write(lab.mm, 0, 7);
    assert_eq!(lab.kernel.state().fail.failures, 1);
}

#[test]
fn an_access_fails_when_there_is_no_memory_left() {
    let lab = Lab::new();
    lab.mmap(16..120);
    let frames = u64::from(lab.kernel.state().geometry().system_frames());
    (0..frames - 1).for_each(|addr| lab.write(lab.mm, addr, addr));
    let write = |addr| lab.run(async |cur| cur.user_access(lab.mm, addr, Some(1)).await);
    assert_eq!(write(frames - 1), Err(FaultError::Oom));
    // freed memory can be allocated again
    lab.munmap(lab.mm, 0..1);
    assert_eq!(write(frames - 1), Ok(1));
}

#[test]
fn a_page_without_a_frame_to_come_home_to_stays_on_the_device() {
    let lab = Lab::with(&[7]);
    lab.to_device(0..1);
    lab.mmap(16..120);
    let frames = u64::from(lab.kernel.state().geometry().system_frames());
    (1..frames).for_each(|addr| lab.write(lab.mm, addr, addr));
    let read = |lab: &Lab| lab.run(async |cur| cur.user_access(lab.mm, 0, None).await);
    assert_eq!(read(&lab), Err(FaultError::Oom));
    assert_eq!(lab.device(lab.mm, 0), Some(GPU));
    lab.munmap(lab.mm, 1..2);
    assert_eq!(read(&lab), Ok(7));
}

#[test]
fn nothing_is_left_when_all_processes_are_gone() {
    let lab = Lab::with(&[1, 2, 3, 4]);
    let child = lab.fork(lab.mm);
    lab.to_device(0..2);
    assert!(lab.reclaim(lab.mm, 2));
    let made = lab.run(async |cur| dmirror::exclusive(cur, GPU, lab.mm, 3..4).await);
    assert_eq!(made, (1, Ok(())));
    let held = lab.run(async |cur| cur.get_user_page(child, 3, Foll::PIN).await);
    let moved = lab.run(async |cur| cur.mremap(child, 0..4, 4, Remap::Fixed(64)).await);
    assert_eq!(moved, Ok(()));
    lab.exit(lab.mm);
    lab.exit(child);
    lab.kernel.state().put_external(held.expect("a page"), true);
    lab.nothing_is_left();
}
