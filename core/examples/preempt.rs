//! Two tasks and a preemption: the reader's CPU caches the zero page in its TLB, and the writer
//! flushes it.
//!
//! The schedule stops the writer at a chosen place and runs the reader there.
//! `cargo run -p mm-core --example preempt`

use mm_core::{Dmirror, Geometry, Kernel, Site, TaskId, VmFlags};
use std::cell::RefCell;
use std::error::Error;

const WRITER: TaskId = TaskId(0);
const READER: TaskId = TaskId(1);

/// Stops the writer once at `stop` and lets the reader run there. Returns the words that the reader
/// sees.
fn seen(stop: Site) -> Result<Vec<u64>, Box<dyn Error>> {
    let driver = Dmirror::new(Geometry::TINY.device_frames());
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    let mm = kernel.current(WRITER).mm_create()?;
    kernel.run(WRITER, async |cur| {
        cur.mmap(mm, 0..4, VmFlags::READ | VmFlags::WRITE).await
    })??;
    // the reader's CPU caches the zero page in its TLB
    kernel.run(READER, async |cur| cur.user_access(mm, 0, None).await)??;
    assert!(kernel.state().tlbs().lookup(READER, mm, 0).is_some());

    let seen = RefCell::new(Vec::new());
    let mut stopped = false;
    kernel
        .schedule()
        .task(async |cur| {
            assert_eq!(cur.user_access(mm, 0, Some(7)).await, Ok(7));
        })
        .task(async |cur| {
            for _ in 0..2 {
                let word = cur.user_access(mm, 0, None).await;
                seen.borrow_mut().push(word.expect("a page that is mapped"));
                cur.preempt(Site::Start).await;
            }
        })
        .run(|task, site| {
            if task == WRITER {
                println!("  the writer is at {site:?}");
            }
            let stop_here = task == WRITER && site == stop && !stopped;
            stopped |= stop_here;
            // the reader reads once, and then the writer continues
            match task {
                WRITER => stop_here.then_some(READER),
                _ => Some(WRITER),
            }
        })?;
    Ok(seen.into_inner())
}

fn main() -> Result<(), Box<dyn Error>> {
    for stop in [Site::DoWpPage, Site::WpPageCopy] {
        let words = seen(stop)?;
        println!("stopped at {stop:?}, the reader saw {words:?}");
        assert_eq!(words, [0, 7]);
    }
    Ok(())
}

#[test]
fn it_runs() -> Result<(), Box<dyn Error>> {
    main()
}
