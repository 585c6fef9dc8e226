//! Migration to a device's memory and back, and to another frame.

use crate::lab::{GPU, Lab, OTHER_GPU, READ, READ_WRITE};
use mm_core::{
    AreaAdvice, Direction, Foll, Lock, MigrateRange, MigrateVma, MigrationKind, PageFlags, Select,
    Site, Softleaf, TaskId, VmFlags, dmirror,
};

#[test]
fn a_page_goes_to_the_device_with_its_contents_and_its_frame_is_free() {
    let lab = Lab::with(&[7]);
    assert_eq!(lab.to_device(0..1), 1);
    let Softleaf::DevicePrivate { write, pfn } = lab.leaf(lab.mm, 0) else {
        panic!("{:?}", lab.leaf(lab.mm, 0));
    };
    assert!(write, "the mapping was writable");
    assert_eq!((pfn.device(), lab.page(lab.mm, 0).word), (Some(GPU), 7));
    assert!(lab.page(lab.mm, 0).anon_exclusive());
    // the page still counts as memory of the process
    assert_eq!((lab.frames(), lab.rss(lab.mm)), (0, 1));
}

#[test]
fn an_access_of_the_cpu_brings_a_device_page_home() {
    for write in [None, Some(8)] {
        let lab = Lab::with(&[7]);
        lab.to_device(0..1);
        let word = lab.run(async |cur| cur.user_access(lab.mm, 0, write).await);
        assert_eq!(word, Ok(write.unwrap_or(7)));
        assert_eq!(lab.pfn(lab.mm, 0).device(), None);
        assert_eq!((lab.frames(), lab.device_frames(GPU)), (1, 0));
        assert!(lab.page(lab.mm, 0).anon_exclusive());
    }
}

#[test]
fn a_hole_and_the_zero_page_become_device_pages_that_read_as_zero() {
    let lab = Lab::with(&[7, 8]);
    // somebody has used the device's memory before
    assert_eq!(lab.to_device(0..2), 2);
    lab.munmap(lab.mm, 0..16);
    lab.mmap(0..16);
    lab.read(lab.mm, 1);
    assert_eq!(lab.to_device(0..2), 2);
    assert_eq!((lab.rss(lab.mm), lab.device_frames(GPU)), (2, 2));
    assert_eq!((lab.read(lab.mm, 0), lab.read(lab.mm, 1)), (0, 0));
}

#[test]
fn a_shared_page_is_replaced_in_every_process() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert_eq!(lab.to_device(0..1), 1);
    assert_eq!(lab.leaf(lab.mm, 0), lab.leaf(child, 0));
    assert_eq!(lab.page(child, 0).mapcount, 2);
    // a fault brings it back for both
    assert_eq!(lab.read(child, 0), 7);
    assert_eq!(lab.pfn(lab.mm, 0), lab.pfn(child, 0));
    assert_eq!(lab.device_frames(GPU), 0);
}

#[test]
fn a_page_that_somebody_holds_does_not_migrate_and_is_mapped_as_before() {
    for foll in [Foll::GET, Foll::PIN] {
        let lab = Lab::with(&[7, 8]);
        let held = lab.run(async |cur| cur.get_user_page(lab.mm, 0, foll).await);
        let before = lab.present(lab.mm, 0);
        assert_eq!(lab.to_device(0..2), 1, "the other page goes");
        let after = lab.present(lab.mm, 0);
        assert_eq!(held, Ok(after.pfn()));
        assert_eq!((after.write(), after.pfn()), (before.write(), before.pfn()));
        assert!(lab.page(lab.mm, 0).anon_exclusive());
    }
}

#[test]
fn pages_that_the_driver_skips_stay_where_they_are() {
    for skip in 0..16 {
        let lab = Lab::with(&[1, 2, 3, 4]);
        let mut request = lab.request(0..4, Direction::ToDevice);
        request.skip = skip;
        let moved = lab.run(async |cur| dmirror::migrate(cur, &request).await);
        assert_eq!(moved, Ok(4 - skip.count_ones()));
        for addr in 0..4 {
            let skipped = skip >> addr & 1 != 0;
            assert_eq!(lab.device(lab.mm, addr).is_none(), skipped);
            assert_eq!(lab.read(lab.mm, addr), addr + 1);
        }
    }
}

#[test]
fn what_finds_no_room_on_the_device_stays_at_home() {
    let lab = Lab::new();
    lab.mmap(16..40);
    (0..40).for_each(|addr| lab.write(lab.mm, addr, addr));
    let room = lab.kernel.state().geometry().device_frames();
    assert_eq!(lab.to_device(0..40), room);
    let on_device = (0..40).filter(|addr| lab.device(lab.mm, *addr).is_some());
    assert_eq!(on_device.count() as u32, room);
    (0..40).for_each(|addr| assert_eq!(lab.read(lab.mm, addr), addr));
}

#[test]
fn a_range_that_cannot_be_read_does_not_migrate() {
    let lab = Lab::with(&[7, 8]);
    lab.mprotect(lab.mm, 1..2, VmFlags::empty());
    let request = lab.request(1..2, Direction::ToDevice);
    let moved = lab.run(async |cur| dmirror::migrate(cur, &request).await);
    assert_eq!(moved, Err(dmirror::Einval));
}

#[test]
fn a_migration_entry_remembers_how_the_page_was_mapped() {
    let lab = Lab::with(&[1, 2, 3]);
    // page 0 is writable, page 1 exclusive and read-only, page 2 shared
    lab.mprotect(lab.mm, 1..2, READ);
    let dontfork = lab.run(async |cur| cur.madvise_flags(lab.mm, 0..2, AreaAdvice::DontFork).await);
    assert_eq!(dontfork, Ok(true));
    lab.fork(lab.mm);
    let mut request = lab.request(0..3, Direction::ToDevice);
    request.stepwise = true;
    let kinds = std::cell::RefCell::new(Vec::new());
    // the VMAs migrate one after the other; the entries at each gate are recorded
    let all = lab
        .kernel
        .schedule()
        .task(async |cur| assert_eq!(dmirror::migrate(cur, &request).await, Ok(3)))
        .task(async |cur| {
            for gate in 0..6 {
                if let Softleaf::Migration(entry) = lab.leaf(lab.mm, gate / 2) {
                    kinds.borrow_mut().push(entry.kind);
                }
                assert!(cur.state().open_gate(TaskId(0), 0));
                cur.preempt(Site::Start).await;
            }
        });
    let to_migration = |task, _| (task == TaskId(1)).then_some(TaskId(0));
    assert_eq!(all.run(to_migration), Ok(()));
    use MigrationKind::{Read, ReadExclusive, Write};
    let each_twice = [Write, Write, ReadExclusive, ReadExclusive, Read, Read];
    assert_eq!(*kinds.borrow(), each_twice);
}

#[test]
fn an_access_waits_for_the_end_of_the_migration() {
    let lab = Lab::with(&[7]);
    let mut request = lab.request(0..1, Direction::ToDevice);
    request.stepwise = true;
    let ended = std::cell::Cell::new(false);
    let all = lab
        .kernel
        .schedule()
        .task(async |cur| {
            assert_eq!(dmirror::migrate(cur, &request).await, Ok(1));
            ended.set(true);
        })
        .task(async |cur| {
            assert_eq!(cur.user_access(lab.mm, 0, Some(8)).await, Ok(8));
            assert!(ended.get(), "the write came between copy and finalize");
        })
        .task(async |cur| {
            for _ in 0..2 {
                assert!(cur.state().open_gate(TaskId(0), 0));
                cur.preempt(Site::Start).await;
            }
        });
    let to_migration = |task, _| (task == TaskId(2)).then_some(TaskId(0));
    assert_eq!(all.run(to_migration), Ok(()));
    assert_eq!(lab.read(lab.mm, 0), 8);
}

#[test]
fn eviction_finds_the_pages_wherever_they_are_mapped() {
    let lab = Lab::with(&[1, 2, 3]);
    let child = lab.fork(lab.mm);
    lab.to_device(0..3);
    lab.munmap(lab.mm, 0..1);
    let moved = lab.run(async |cur| dmirror::evict(cur, GPU, 0..32).await);
    assert_eq!((moved, lab.device_frames(GPU)), (3, 0));
    let words: Vec<_> = (0..3).map(|addr| lab.read(child, addr)).collect();
    assert_eq!(words, [1, 2, 3]);
    lab.rmap_is_complete(&[lab.mm, child]);
}

#[test]
fn a_device_that_goes_away_leaves_no_page_behind() {
    let lab = Lab::with(&[1, 2]);
    lab.to_device(0..2);
    let moved = lab.run(async |cur| dmirror::release(cur, GPU).await);
    assert_eq!(moved, 2);
    assert_eq!(lab.kernel.state().driver().memory(GPU).fresh(), 0);
    assert_eq!((lab.read(lab.mm, 0), lab.read(lab.mm, 1)), (1, 2));
}

#[test]
fn a_device_page_may_be_shared_by_fork_and_is_copied_by_the_first_writer() {
    let lab = Lab::with(&[7]);
    lab.to_device(0..1);
    let child = lab.fork(lab.mm);
    assert_eq!(lab.leaf(lab.mm, 0), lab.leaf(child, 0));
    assert!(!lab.page(child, 0).anon_exclusive());
    lab.write(child, 0, 8);
    assert_eq!((lab.read(lab.mm, 0), lab.read(child, 0)), (7, 8));
}

#[test]
fn pages_of_one_device_are_not_for_the_other_to_take_home() {
    let lab = Lab::with(&[7]);
    lab.to_device(0..1);
    let mut request = lab.request(0..1, Direction::ToSystem);
    request.dev = OTHER_GPU;
    let moved = lab.run(async |cur| dmirror::migrate(cur, &request).await);
    assert_eq!((moved, lab.device(lab.mm, 0)), (Ok(0), Some(GPU)));
}

#[test]
fn a_page_moves_to_another_frame_unless_it_is_pinned() {
    for pinned in [false, true] {
        let lab = Lab::with(&[7]);
        let child = lab.fork(lab.mm);
        let before = lab.pfn(lab.mm, 0);
        if pinned {
            assert!(lab.kernel.state().hold_external(before, true));
        }
        let moved = lab.compact(lab.mm, 0);
        assert_eq!(moved, !pinned);
        assert_eq!(lab.pfn(lab.mm, 0) == before, pinned);
        assert_eq!(lab.pfn(lab.mm, 0), lab.pfn(child, 0));
        assert_eq!(lab.read(child, 0), 7);
        assert_eq!(lab.frames(), 1);
    }
}

#[test]
fn there_and_back_changes_nothing_that_a_process_can_see() {
    for flags in [READ, READ_WRITE] {
        let lab = Lab::with(&[1, 0, 3]);
        lab.mprotect(lab.mm, 0..4, flags);
        lab.to_device(0..4);
        lab.migrate(0..4, Direction::ToSystem);
        let words: Vec<_> = (0..4).map(|addr| lab.read(lab.mm, addr)).collect();
        assert_eq!(words, [1, 0, 3, 0]);
        let write = lab.run(async |cur| cur.user_access(lab.mm, 0, Some(9)).await);
        assert_eq!(write.is_ok(), flags == READ_WRITE);
    }
}

#[test]
fn a_page_of_the_device_counts_as_a_reference_to_it() {
    let lab = Lab::with(&[7, 8]);
    lab.to_device(0..2);
    assert_eq!(*lab.kernel.state().pgmap_refs(), [2, 0]);
    lab.read(lab.mm, 0);
    assert_eq!(*lab.kernel.state().pgmap_refs(), [1, 0]);
}

#[test]
fn a_dirty_page_is_dirty_on_the_device_too() {
    let lab = Lab::with(&[7]);
    lab.to_device(0..1);
    assert!(lab.page(lab.mm, 0).has(PageFlags::DIRTY));
}

#[test]
fn the_sources_say_what_is_there_and_whether_it_was_writable() {
    let lab = Lab::with(&[1, 1]);
    lab.fork(lab.mm);
    // the fork shared and write-protected both pages; this write makes page 0 exclusive to the
    // parent again
    lab.write(lab.mm, 0, 2);
    lab.read(lab.mm, 2);
    let (mm, range) = (lab.mm, 0..4);
    let vma = lab.kernel.state().find_vma(mm, 0).expect("a VMA");
    let told = lab.run(async |cur| {
        let area = MigrateRange { mm, vma, range };
        let mut args = MigrateVma::new(area, Select::System, GPU);
        cur.lock(Lock::MmapRead(mm)).await;
        cur.migrate_vma_setup(&mut args).await;
        assert_eq!(args.cpages, 4);
        let sources = args.src.iter();
        let told = sources.map(|src| (src.page().is_some(), src.migrates(), src.write()));
        let told: Vec<_> = told.collect();
        // without destinations every page stays
        cur.migrate_vma_pages(&mut args).await;
        cur.migrate_vma_finalize(&mut args).await;
        cur.unlock(Lock::MmapRead(mm));
        told
    });
    let (owned, shared, hole) = (
        (true, true, true),
        (true, true, false),
        (false, true, false),
    );
    assert_eq!(told, [owned, shared, hole, hole]);
    assert!(lab.present(mm, 0).write());
}
