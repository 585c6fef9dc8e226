//! Fork and copy-on-write: parent and child share each page until one of them writes to it.
//!
//! `cargo run -p mm-core --example fork`

use mm_core::{Dmirror, Entry, Geometry, Kernel, MmId, PresentPte, TaskId, VmFlags};
use std::error::Error;

/// The present entry for `addr` in `mm`, if there is one.
fn mapping(kernel: &Kernel, mm: MmId, addr: u64) -> Option<PresentPte> {
    let s = kernel.state();
    let at = s.tables().pte_offset(s.mm(mm).pgd, addr)?;
    match s.tables().get(at).decode() {
        Entry::Present(pte) => Some(pte),
        Entry::None | Entry::Leaf(_) => None,
    }
}

/// Prints how a process maps `addr`. Returns the mapcount of the page, or 0 if none is mapped.
fn show(kernel: &Kernel, who: &str, mm: MmId, addr: u64) -> i32 {
    let Some(pte) = mapping(kernel, mm, addr) else {
        println!("  {who}: not mapped");
        return 0;
    };
    let page = *kernel.state().page(pte.pfn());
    let access = if pte.write() { "rw" } else { "r-" };
    println!(
        "  {who}: {:?} {access}, word {}, mapcount {}",
        pte.pfn(),
        page.word,
        page.mapcount
    );
    page.mapcount
}

fn main() -> Result<(), Box<dyn Error>> {
    let driver = Dmirror::new(Geometry::TINY.device_frames());
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    kernel.run(TaskId(0), async |cur| {
        let parent = cur.mm_create()?;
        cur.mmap(parent, 0..4, VmFlags::READ | VmFlags::WRITE)
            .await?;
        cur.user_access(parent, 2, Some(42)).await?;
        println!("the parent alone:");
        assert_eq!(show(&kernel, "parent", parent, 2), 1);

        let child = cur.fork(parent).await?;
        println!("after fork both map the page, and neither may write to it:");
        assert_eq!(show(&kernel, "parent", parent, 2), 2);
        assert_eq!(show(&kernel, "child ", child, 2), 2);
        let shared = mapping(&kernel, child, 2);
        assert!(shared.is_some_and(|pte| !pte.write()));

        cur.user_access(child, 2, Some(43)).await?;
        println!("the first to write gets a copy:");
        assert_eq!(show(&kernel, "parent", parent, 2), 1);
        assert_eq!(show(&kernel, "child ", child, 2), 1);

        cur.user_access(parent, 2, Some(44)).await?;
        println!("the other one keeps the page, and does not copy:");
        assert_eq!(show(&kernel, "parent", parent, 2), 1);
        let kept = mapping(&kernel, parent, 2).map(PresentPte::pfn);
        assert_eq!(kept, shared.map(PresentPte::pfn));
        assert_eq!(cur.user_access(child, 2, None).await?, 43);
        Ok(())
    })?
}

#[test]
fn it_runs() -> Result<(), Box<dyn Error>> {
    main()
}
