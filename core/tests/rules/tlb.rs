//! TLBs: what the CPUs cache, and when it is flushed.

use crate::lab::{Deed, Lab, READ};
use mm_core::{Advice, FaultError, Pfn, PresentPte, Remap, Site, TaskId, VmFlags};

const OTHER_CPU: TaskId = TaskId(1);

/// The translation of an address that CPU 1 caches.
fn remembered(lab: &Lab, addr: u64) -> Option<PresentPte> {
    lab.kernel.state().tlbs().lookup(OTHER_CPU, lab.mm, addr)
}

/// A machine whose CPU 1 has written to pages 0 and 1.
fn used_by_two_cpus() -> Lab {
    let lab = Lab::with(&[1, 2]);
    for addr in 0..2 {
        let written = lab.run_on(1, async |cur| cur.user_access(lab.mm, addr, Some(7)).await);
        assert_eq!(written, Ok(7));
        assert!(remembered(&lab, addr).is_some());
    }
    lab
}

#[test]
fn whatever_takes_a_page_away_makes_every_cpu_forget_it() {
    let changes: [Deed; 7] = [
        ("munmap", |lab| lab.munmap(lab.mm, 0..1)),
        ("mprotect to nothing", |lab| {
            lab.mprotect(lab.mm, 0..1, VmFlags::empty());
        }),
        ("madvise", |lab| {
            let advised = lab.run(async |cur| cur.madvise(lab.mm, 0..1, Advice::DontNeed).await);
            assert_eq!(advised, Ok(()));
        }),
        ("mremap", |lab| {
            let moved = lab.run(async |cur| cur.mremap(lab.mm, 0..1, 1, Remap::Fixed(50)).await);
            assert_eq!(moved, Ok(()));
        }),
        ("migration to a device", |lab| {
            assert_eq!(lab.to_device(0..1), 1);
        }),
        ("reclaim", |lab| assert!(lab.reclaim(lab.mm, 0))),
        ("compaction", |lab| {
            assert!(lab.compact(lab.mm, 0));
        }),
    ];
    for (name, change) in changes {
        let lab = used_by_two_cpus();
        change(&lab);
        assert_eq!(remembered(&lab, 0), None, "{name}");
    }
}

#[test]
fn a_cpu_that_may_write_loses_that_with_the_permission() {
    let changes: [Deed; 2] = [
        ("mprotect", |lab| lab.mprotect(lab.mm, 0..2, READ)),
        ("fork", |lab| {
            lab.fork(lab.mm);
        }),
    ];
    for (name, change) in changes {
        let lab = used_by_two_cpus();
        change(&lab);
        let writable = remembered(&lab, 0).is_some_and(PresentPte::write);
        assert!(!writable, "{name}");
    }
}

#[test]
fn a_cpu_gains_permission_without_a_flush() {
    let lab = Lab::with(&[1]);
    let child = lab.fork(lab.mm);
    let read = lab.run_on(1, async |cur| cur.user_access(lab.mm, 0, None).await);
    assert_eq!(read, Ok(1));
    lab.exit(child);
    lab.write(lab.mm, 0, 2);
    assert!(lab.present(lab.mm, 0).write());
    assert!(remembered(&lab, 0).is_some_and(|pte| !pte.write()));
    let written = lab.run_on(1, async |cur| cur.user_access(lab.mm, 0, Some(3)).await);
    assert_eq!(written, Ok(3));
}

#[test]
fn munmap_frees_a_page_only_after_the_flush() {
    // at each scheduling point of munmap, check whether CPU 1 caches a page that is free
    let lab = used_by_two_cpus();
    let page = lab.pfn(lab.mm, 0);
    let all = lab
        .kernel
        .schedule()
        .task(async |cur| assert_eq!(cur.munmap(lab.mm, 0..16).await, Ok(())));
    let ended = all.run(|_, _| {
        let stale = remembered(&lab, 0).is_some();
        let free = lab.kernel.state().page(page).refcount == 0;
        assert!(!(stale && free));
        None
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(lab.kernel.state().page(page).refcount, 0);
}

#[test]
fn a_cpu_with_the_zero_page_sees_the_write_of_another_cpu() {
    let lab = Lab::new();
    let read = |lab: &Lab| lab.run_on(1, async |cur| cur.user_access(lab.mm, 0, None).await);
    assert_eq!(read(&lab), Ok(0));
    assert_eq!(remembered(&lab, 0).map(PresentPte::pfn), Some(Pfn::ZERO));
    lab.write(lab.mm, 0, 7);
    assert_eq!(read(&lab), Ok(7));
}

#[test]
fn two_cpus_that_fault_on_one_page_get_the_same_page() {
    let lab = Lab::new();
    let write = async |cur: mm_core::Current<'_>, word: u64| {
        assert_eq!(cur.user_access(lab.mm, 0, Some(word)).await, Ok(word));
    };
    let all = lab
        .kernel
        .schedule()
        .task(async |cur| write(cur, 1).await)
        .task(async |cur| write(cur, 2).await);
    // the first task has allocated its page before the second one runs
    let switch =
        |task, site| (task == TaskId(0) && site == Site::DoAnonymousPage).then_some(TaskId(1));
    assert_eq!(all.run(switch), Ok(()));
    assert_eq!((lab.frames(), lab.rss(lab.mm)), (1, 1));
    assert_eq!(lab.read(lab.mm, 0), 1, "the first task's write comes last");
}

#[test]
fn an_access_without_an_area_or_against_its_protection_is_a_segfault() {
    let lab = Lab::with(&[7]);
    lab.mprotect(lab.mm, 0..1, READ);
    let access = |addr, write| lab.run(async |cur| cur.user_access(lab.mm, addr, write).await);
    assert_eq!(access(0, Some(1)), Err(FaultError::Sigsegv));
    assert_eq!(access(16, None), Err(FaultError::Sigsegv));
    assert_eq!(access(0, None), Ok(7));
    lab.mprotect(lab.mm, 0..1, VmFlags::empty());
    assert_eq!(access(0, None), Err(FaultError::Sigsegv));
    // the page is still there
    assert!(lab.present(lab.mm, 0).protnone());
    lab.mprotect(lab.mm, 0..1, READ);
    assert_eq!(access(0, None), Ok(7));
}
