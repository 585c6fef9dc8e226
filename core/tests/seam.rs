//! The interface of drivers: the reference driver compiles outside the core with public items only,
//! and the core runs this copy of it.

extern crate alloc;

use mm_core::{
    Current, DevId, DeviceFault, DevicePte, Devices, Driver, DriverFuture, Enomem, FaultError,
    Folio, Geometry, HmmError, HmmPfn, Kernel, Lock, MigratePfn, MigrateRange, MigrateVma, Mirror,
    MmId, NotifierEvent, NotifierRange, Pfn, Request, Select, Site, State, TaskId, Thp, VmFlags,
    Wait, errno,
};

/// Removes the statements of the bugs from the copy: they work only in the core.
macro_rules! zoo {
    ($($seam:tt)*) => {};
}

#[allow(dead_code, reason = "the driver can do more than the tests ask of it")]
#[path = "../src/device/dmirror.rs"]
mod dmirror;

use dmirror::{Direction, Dmirror, MigrateRequest};

#[test]
fn the_reference_driver_needs_nothing_that_is_not_public() {
    let frames = Geometry::TINY.device_frames();
    let kernel = Kernel::new(Geometry::TINY, Box::new(Dmirror::new(frames)));
    let word = kernel.run(TaskId(0), async |cur| {
        let mm = cur.mm_create().expect("an address space");
        let writable = VmFlags::READ | VmFlags::WRITE;
        cur.mmap(mm, 0..4, writable).await.expect("a VMA");
        cur.user_access(mm, 1, Some(7)).await.expect("a page");
        let request = MigrateRequest {
            dev: DevId(0),
            mm,
            range: 0..4,
            direction: Direction::ToDevice,
            skip: 0,
            stepwise: false,
        };
        assert_eq!(dmirror::migrate(cur, &request).await, Ok(4));
        assert_eq!(dmirror::access(cur, DevId(0), mm, 1, Some(8)).await, Ok(8));
        let word = cur.user_access(mm, 1, None).await;
        assert_eq!(cur.state().driver().memory(DevId(0)).in_use(), 3);
        word
    });
    assert_eq!(word, Ok(Ok(8)));
    // the kernel runs this driver, not the one of the core
    let s = &mut *kernel.state();
    assert!(s.driver_as::<Dmirror>().is_some());
    assert!(s.driver_as::<mm_core::Dmirror>().is_none());
}
