//! Callers of the core can pass its errors on: as an error number, or with `?` as a message.

use mm_core::{Advice, Current, Dmirror, Geometry, Kernel, Remap, TaskId, VmFlags, errno};
use std::error::Error;

const WRITABLE: VmFlags = VmFlags::READ.union(VmFlags::WRITE);

fn alone<T>(program: impl AsyncFnOnce(Current<'_>) -> T) -> T {
    let driver = Dmirror::new(Geometry::TINY.device_frames());
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    let ended = kernel.run(TaskId(0), program);
    ended.expect("one task alone never waits")
}

#[test]
fn an_error_has_the_number_that_linux_has() {
    alone(async |cur| {
        let mm = cur.mm_create().expect("memory");
        cur.mmap(mm, 0..4, WRITABLE).await.expect("memory");
        let overlaps = cur.mremap(mm, 0..4, 4, Remap::Fixed(2)).await;
        assert_eq!(overlaps.map_err(|e| e.errno()), Err(errno::EINVAL));
        let gap = cur.mprotect(mm, 2..6, VmFlags::READ).await;
        assert_eq!(gap.map_err(|e| e.errno()), Err(errno::ENOMEM));
        let unregistered = cur.uffd_writeprotect(mm, 0..1, true).await;
        assert_eq!(unregistered.map_err(|e| e.errno()), Err(errno::ENOENT));
        let unmapped = cur.user_access(mm, 8, None).await;
        assert_eq!(unmapped.map_err(|e| e.errno()), Err(errno::EFAULT));
    });
}

#[test]
fn an_error_goes_up_as_a_sentence() {
    let said: Result<(), Box<dyn Error>> = alone(async |cur| {
        let mm = cur.mm_create()?;
        cur.mmap(mm, 0..4, WRITABLE).await?;
        cur.mlock(mm, 0..4).await?;
        cur.madvise(mm, 0..4, Advice::DontNeed).await?;
        Ok(())
    });
    let said = said.expect_err("the range is mlocked").to_string();
    assert!(said.contains("munlock"), "{said}");
}
