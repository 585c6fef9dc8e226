//! The proof runs this part of the core: a page migrates to the device, a fork shares it, and a CPU
//! fault brings it back.

extern crate alloc;

use alloc::boxed::Box;
use mm_core::{
    Current, DevId, Direction, Dmirror, Geometry, Kernel, MigrateRequest, TaskId, VmFlags, dmirror,
};

#[cfg(not(feature = "zoo"))]
const _: () = assert!(
    size_of::<mm_core::zoo::Zoo>() == 0,
    "the switches take no space"
);

const WORD: u64 = 42;

/// Runs a little of the core. Returns true if the results are right.
pub fn exercise() -> bool {
    let kernel = Kernel::new(
        Geometry::TINY,
        Box::new(Dmirror::new(Geometry::TINY.device_frames())),
    );
    let arrived = kernel.run(TaskId(0), there_and_back);
    arrived == Ok(Some(WORD)) && zoo_is_listed()
}

/// Migrates a parent's page to the device and forks. Returns the word that the child reads.
async fn there_and_back(current: Current<'_>) -> Option<u64> {
    let parent = current.mm_create().ok()?;
    let writable = VmFlags::READ | VmFlags::WRITE;
    current.mmap(parent, 0..4, writable).await.ok()?;
    current.user_access(parent, 2, Some(WORD)).await.ok()?;
    let request = MigrateRequest {
        dev: DevId(0),
        mm: parent,
        range: 0..4,
        direction: Direction::ToDevice,
        skip: 0,
        stepwise: false,
    };
    if dmirror::migrate(current, &request).await != Ok(4) {
        return None;
    }
    let child = current.fork(parent).await.ok()?;
    let word = current.user_access(child, 2, None).await.ok();
    current.mmput(child).await;
    current.mmput(parent).await;
    word
}

/// Uses the table of bugs, so that the program contains the names that `check` searches for.
/// Returns true if each bug has a name.
#[cfg(feature = "zoo")]
fn zoo_is_listed() -> bool {
    core::hint::black_box(mm_core::zoo::TABLE)
        .iter()
        .all(|bug| !bug.slug.is_empty())
}

#[cfg(not(feature = "zoo"))]
fn zoo_is_listed() -> bool {
    true
}
