//! A device that mirrors an address space (HMM, interval notifiers, device-exclusive entries).

use crate::lab::{Deed, GPU, Lab, OTHER_GPU, READ};
use mm_core::{
    DevId, DevicePte, HmmError, HmmPfn, Lock, MmId, Pfn, Request, Site, Softleaf, dmirror,
};
use std::cell::RefCell;
use std::ops::Range;

fn access(lab: &Lab, dev: DevId, addr: u64, write: Option<u64>) -> Result<u64, HmmError> {
    lab.run(async |cur| dmirror::access(cur, dev, lab.mm, addr, write).await)
}

fn mapped(lab: &Lab, dev: DevId, mm: MmId, addr: u64) -> Option<DevicePte> {
    lab.kernel.state().driver().lookup((dev, mm, addr))
}

#[test]
fn a_device_reads_and_writes_the_memory_of_the_process_where_it_is() {
    let lab = Lab::with(&[7]);
    assert_eq!(access(&lab, GPU, 0, None), Ok(7));
    assert_eq!(access(&lab, GPU, 0, Some(8)), Ok(8));
    assert_eq!(lab.read(lab.mm, 0), 8);
    assert_eq!(lab.pfn(lab.mm, 0).device(), None, "nothing has migrated");
}

/// Faults a range in for writes of a device. Returns the pages that the device may map, and the
/// scheduling points on the way.
fn range_fault(lab: &Lab, range: Range<u64>) -> (Result<Vec<HmmPfn>, HmmError>, Vec<Site>) {
    let (found, mut sites) = (RefCell::new(Ok(Vec::new())), Vec::new());
    let task = async |cur: mm_core::Current<'_>| {
        let seq = cur.interval_read_begin(GPU, lab.mm).await;
        let lock = Lock::MmapRead(lab.mm);
        cur.lock(lock).await;
        let pages = cur.hmm_range_fault(lab.mm, range.clone(), GPU, Request::Write, seq);
        *found.borrow_mut() = pages.await;
        cur.unlock(lock);
    };
    let ran = lab.kernel.schedule().task(task).run(|_, site| {
        sites.push(site);
        None
    });
    assert_eq!(ran, Ok(()));
    (found.into_inner(), sites)
}

#[test]
fn hmm_range_fault_walks_then_faults_missing_pages_in_then_walks_them_again() {
    use Site::{DoAnonymousPage, HmmRangeFault};
    let lab = Lab::with(&[7]);
    let (found, sites) = range_fault(&lab, 0..3);
    let writable = |addr| HmmPfn::Valid {
        pfn: lab.pfn(lab.mm, addr),
        write: true,
        order: 0,
    };
    assert_eq!(found, Ok((0..3).map(writable).collect()));
    // the walk looks at pages 0 and 1; pages 1 and 2 are faulted in; the next walk looks at these
    // two
    let walk = [HmmRangeFault, HmmRangeFault];
    let expected = [walk, [DoAnonymousPage, DoAnonymousPage], walk];
    assert_eq!(sites, expected.concat());
}

#[test]
fn hmm_range_fault_faults_no_page_outside_of_an_area() {
    let lab = Lab::new();
    lab.mprotect(lab.mm, 2..4, READ);
    assert_eq!(range_fault(&lab, 0..4).0, Err(HmmError::Permission));
    assert_eq!(lab.rss(lab.mm), 2, "the pages below the failure are mapped");
    lab.munmap(lab.mm, 2..4);
    assert_eq!(range_fault(&lab, 1..3).0, Err(HmmError::Fault));
}

#[test]
fn a_device_uses_its_own_page_and_another_device_makes_it_come_home() {
    let lab = Lab::with(&[7]);
    lab.to_device(0..1);
    assert_eq!(access(&lab, GPU, 0, Some(8)), Ok(8));
    assert_eq!(lab.device(lab.mm, 0), Some(GPU));
    assert_eq!(access(&lab, OTHER_GPU, 0, None), Ok(8));
    assert_eq!(lab.device(lab.mm, 0), None);
}

#[test]
fn a_device_loses_its_mapping_when_the_cpu_loses_the_page() {
    let changes: [Deed; 5] = [
        ("munmap", |lab| lab.munmap(lab.mm, 0..1)),
        ("mprotect", |lab| lab.mprotect(lab.mm, 0..1, READ)),
        ("fork", |lab| {
            lab.fork(lab.mm);
        }),
        ("reclaim", |lab| assert!(lab.reclaim(lab.mm, 0))),
        ("migration", |lab| assert_eq!(lab.to_device(0..1), 1)),
    ];
    for (name, change) in changes {
        let lab = Lab::with(&[7, 8]);
        for addr in 0..2 {
            assert_eq!(access(&lab, GPU, addr, Some(9)), Ok(9));
        }
        change(&lab);
        assert_eq!(mapped(&lab, GPU, lab.mm, 0), None, "{name}");
        let other = mapped(&lab, GPU, lab.mm, 1);
        assert!(other.is_some() || name == "fork", "{name}");
    }
}

#[test]
fn a_device_may_not_write_where_the_process_may_not() {
    let lab = Lab::with(&[7]);
    lab.mprotect(lab.mm, 0..1, READ);
    assert_eq!(access(&lab, GPU, 0, Some(8)), Err(HmmError::Permission));
    assert_eq!(access(&lab, GPU, 0, None), Ok(7));
    assert_eq!(access(&lab, GPU, 20, None), Err(HmmError::Fault));
}

#[test]
fn a_write_of_a_device_copies_a_shared_page() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert_eq!(access(&lab, GPU, 0, Some(8)), Ok(8));
    assert_eq!((lab.read(lab.mm, 0), lab.read(child, 0)), (8, 7));
}

#[test]
fn a_snapshot_faults_nothing() {
    let lab = Lab::with(&[7]);
    let seen = lab.run(async |cur| dmirror::snapshot(cur, GPU, lab.mm, 0..17).await);
    let (pfn, write, order) = (lab.pfn(lab.mm, 0), true, 0);
    assert_eq!(seen[0], HmmPfn::Valid { pfn, write, order });
    assert_eq!(seen[1..16], [HmmPfn::Nothing; 15]);
    assert_eq!(seen[16], HmmPfn::Error);
    assert!(lab.pte(lab.mm, 1).is_none());
}

#[test]
fn an_exclusive_page_is_the_devices_alone_until_the_cpu_touches_it() {
    let lab = Lab::with(&[7]);
    let made = lab.run(async |cur| dmirror::exclusive(cur, GPU, lab.mm, 0..1).await);
    assert_eq!(made, (1, Ok(())));
    let leaf = lab.leaf(lab.mm, 0);
    assert!(matches!(leaf, Softleaf::DeviceExclusive { .. }), "{leaf:?}");
    let page = lab.page(lab.mm, 0);
    assert_eq!(
        (page.mapcount, lab.rss(lab.mm)),
        (1, 1),
        "it counts as mapped"
    );
    assert!(mapped(&lab, GPU, lab.mm, 0).is_some_and(|pte| pte.atomic));
    assert_eq!(access(&lab, GPU, 0, Some(8)), Ok(8));

    assert_eq!(lab.read(lab.mm, 0), 8);
    assert!(lab.present(lab.mm, 0).write());
    assert_eq!(mapped(&lab, GPU, lab.mm, 0), None);
}

#[test]
fn a_fork_takes_an_exclusive_page_back() {
    let lab = Lab::with(&[7]);
    let made = lab.run(async |cur| dmirror::exclusive(cur, GPU, lab.mm, 0..1).await);
    assert_eq!(made, (1, Ok(())));
    let child = lab.fork(lab.mm);
    assert_eq!(lab.present(lab.mm, 0).pfn(), lab.present(child, 0).pfn());
    assert_eq!(mapped(&lab, GPU, lab.mm, 0), None);
}

#[test]
fn a_device_that_reads_a_hole_maps_the_zero_page_for_reading() {
    let lab = Lab::new();
    assert_eq!(access(&lab, GPU, 0, None), Ok(0));
    let pte = mapped(&lab, GPU, lab.mm, 0).expect("a mapping");
    assert_eq!((pte.pfn, pte.write), (Pfn::ZERO, false));
    assert_eq!(access(&lab, GPU, 0, Some(1)), Ok(1));
    assert_eq!(lab.read(lab.mm, 0), 1);
}

#[test]
fn a_dead_process_is_mirrored_by_nobody() {
    let lab = Lab::with(&[7]);
    assert_eq!(access(&lab, GPU, 0, None), Ok(7));
    lab.to_device(0..1);
    assert_eq!(access(&lab, GPU, 0, None), Ok(7));
    lab.exit(lab.mm);
    assert_eq!(mapped(&lab, GPU, lab.mm, 0), None);
    lab.nothing_is_left();
}

#[test]
fn an_exclusive_page_can_be_reclaimed_and_moved_like_any_other() {
    let ways: [Deed; 3] = [
        ("reclaim", |lab| assert!(lab.reclaim(lab.mm, 0))),
        ("compaction", |lab| {
            assert!(lab.compact(lab.mm, 0));
        }),
        ("munmap", |lab| {
            lab.munmap(lab.mm, 0..1);
            lab.mmap(0..1);
            lab.write(lab.mm, 0, 7);
        }),
    ];
    for (name, way) in ways {
        let lab = Lab::with(&[7]);
        let made = lab.run(async |cur| dmirror::exclusive(cur, GPU, lab.mm, 0..1).await);
        assert_eq!(made, (1, Ok(())));
        way(&lab);
        assert_eq!(mapped(&lab, GPU, lab.mm, 0), None, "{name}");
        assert_eq!(lab.read(lab.mm, 0), 7, "{name}");
        let page = lab.page(lab.mm, 0);
        assert_eq!((page.mapcount, lab.rss(lab.mm)), (1, 1), "{name}");
    }
}
