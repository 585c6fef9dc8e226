//! A migration to a device, phase by phase, and back by a CPU fault.
//!
//! `cargo run -p mm-core --example migrate`

use mm_core::{
    DevId, Direction, Dmirror, Entry, Geometry, Kernel, MigrateRequest, MmId, Softleaf, TaskId,
    VmFlags, dmirror,
};
use std::error::Error;

const GPU: DevId = DevId(0);

/// Describes the entry for `addr`.
fn entry(kernel: &Kernel, mm: MmId, addr: u64) -> String {
    let s = kernel.state();
    let Some(at) = s.tables().pte_offset(s.mm(mm).pgd, addr) else {
        return "no table".to_owned();
    };
    match s.tables().get(at).decode() {
        Entry::None => "nothing".to_owned(),
        Entry::Present(pte) => format!("mapped {:?}", pte.pfn()),
        Entry::Leaf(leaf) => match leaf.softleaf() {
            Some(Softleaf::Migration(m)) => format!("migration entry of {:?}", m.pfn),
            Some(Softleaf::DevicePrivate { pfn, .. }) => format!("device-private {pfn:?}"),
            other => format!("{other:?}"),
        },
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let driver = Dmirror::new(Geometry::TINY.device_frames());
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    let mm = kernel.current(TaskId(0)).mm_create()?;
    kernel.run(TaskId(0), async |cur| {
        cur.mmap(mm, 0..4, VmFlags::READ | VmFlags::WRITE).await?;
        cur.user_access(mm, 2, Some(42)).await?;
        Ok::<(), Box<dyn Error>>(())
    })??;
    println!("before:           {}", entry(&kernel, mm, 2));
    assert_eq!(entry(&kernel, mm, 2), "mapped pfn:1");

    // Task 0 migrates, and waits at a gate after the setup and before finalize. Task 1 opens the
    // gates.
    let request = MigrateRequest {
        dev: GPU,
        mm,
        range: 2..3,
        direction: Direction::ToDevice,
        skip: 0,
        stepwise: true,
    };
    kernel
        .schedule()
        .task(async |cur| assert_eq!(dmirror::migrate(cur, &request).await, Ok(1)))
        .task(async |cur| {
            for phase in ["setup:   ", "pages:   "] {
                println!("after {phase}   {}", entry(&kernel, mm, 2));
                assert_eq!(entry(&kernel, mm, 2), "migration entry of pfn:1");
                assert!(cur.state().open_gate(TaskId(0), 0));
                cur.preempt(mm_core::Site::Start).await;
            }
        })
        .run(|task, _| (task == TaskId(1)).then_some(TaskId(0)))?;
    println!("after finalize:   {}", entry(&kernel, mm, 2));
    assert_eq!(entry(&kernel, mm, 2), "device-private dev0:0");

    let word = kernel.run(TaskId(0), async |cur| cur.user_access(mm, 2, None).await)??;
    println!("after a read:     {}, word {word}", entry(&kernel, mm, 2));
    assert!(entry(&kernel, mm, 2).starts_with("mapped pfn:"));
    assert_eq!(word, 42);
    assert_eq!(kernel.state().driver().memory(GPU).in_use(), 0);
    Ok(())
}

#[test]
fn it_runs() -> Result<(), Box<dyn Error>> {
    main()
}
