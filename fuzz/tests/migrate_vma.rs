//! What a driver reads of a migration that has been set up: the arrays of `struct migrate_vma`.

use mm_core::{
    DevId, Dmirror, Geometry, Kernel, MigrateRange, MigrateVma, Select, TaskId, VmFlags,
};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// One task alone never waits.
fn finish<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn the_sources_say_what_is_there_and_whether_it_was_writable() {
    let driver = Dmirror::new(Geometry::TINY.device_frames);
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    let current = kernel.current(TaskId(0));
    let mm = current.mm_create().expect("a process");
    finish(async {
        let flags = VmFlags::READ | VmFlags::WRITE;
        current.mmap(mm, 0..4, flags).await.expect("an area");
        for addr in [0, 1] {
            let written = current.user_access(mm, addr, Some(1)).await;
            written.expect("a page");
        }
        current.fork(mm).await.expect("a child");
        // the child's pages are shared and write-protected; this one is the parent's own again
        let written = current.user_access(mm, 0, Some(2)).await;
        written.expect("a page");
        let read = current.user_access(mm, 2, None).await;
        read.expect("the zero page");
        let vma = kernel.state().find_vma(mm, 0).expect("the area");
        let range = 0..4;
        let area = MigrateRange { mm, vma, range };
        let mut args = MigrateVma::new(area, Select::System, DevId(0));
        current.migrate_vma_setup(&mut args).await;
        let told: Vec<_> = args
            .src
            .iter()
            .map(|src| (src.page().is_some(), src.migrates(), src.write()))
            .collect();
        assert_eq!(
            told,
            [
                (true, true, true),
                (true, true, false),
                (false, true, false),
                (false, true, false),
            ]
        );
        assert_eq!(args.cpages, 4);
    });
}
