//! Tasks run without a self-written executor, and an error says why they cannot finish.

use mm_core::{
    DevId, Direction, Dmirror, Geometry, Kernel, MAX_TASKS, MigrateRequest, MmId, RunError, Site,
    TaskId, VmFlags, Wait, dmirror,
};
use std::cell::{Cell, RefCell};

fn kernel() -> (Kernel, MmId) {
    let driver = Dmirror::new(Geometry::TINY.device_frames());
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    let mm = kernel.run(TaskId(0), async |cur| {
        let mm = cur.mm_create().expect("memory");
        let writable = VmFlags::READ | VmFlags::WRITE;
        cur.mmap(mm, 0..40, writable).await.expect("memory");
        mm
    });
    (kernel, mm.expect("it ends"))
}

#[test]
fn a_task_that_nobody_wakes_is_an_error_that_says_what_it_waits_for() {
    let (kernel, mm) = kernel();
    let request = MigrateRequest {
        dev: DevId(0),
        mm,
        range: 0..1,
        direction: Direction::ToDevice,
        skip: 0,
        stepwise: true,
    };
    let ended = kernel.run(TaskId(1), async |cur| dmirror::migrate(cur, &request).await);
    let (task, wait) = (TaskId(1), Wait::Gate);
    assert_eq!(ended, Err(RunError::Stuck { task, wait }));
}

#[test]
fn a_task_with_no_number_is_an_error() {
    let (kernel, _) = kernel();
    let task = TaskId(MAX_TASKS as u8);
    assert_eq!(
        kernel.run(task, async |_| {}),
        Err(RunError::NoSuchTask(task))
    );
    let many = (0..=MAX_TASKS).fold(kernel.schedule(), |all, _| all.task(async |_| {}));
    assert_eq!(many.run(|_, _| None), Err(RunError::NoSuchTask(task)));
}

#[test]
fn a_long_program_is_not_taken_for_one_fault_that_is_repeated_for_ever() {
    let (kernel, mm) = kernel();
    let ended = kernel.run(TaskId(0), async |cur| {
        for addr in 0..40 {
            let word = cur.user_access(mm, addr, Some(addr)).await;
            assert_eq!(word, Ok(addr));
        }
    });
    assert_eq!(ended, Ok(()));
}

#[test]
fn tasks_run_one_after_the_other_unless_told_otherwise() {
    let (kernel, mm) = kernel();
    let log = RefCell::new(Vec::new());
    let program = |name: u8| {
        let log = &log;
        async move |cur: mm_core::Current<'_>| {
            for addr in 0..2 {
                log.borrow_mut().push(name);
                let word = cur.user_access(mm, addr, Some(1)).await;
                assert_eq!(word, Ok(1));
            }
        }
    };
    let all = kernel.schedule().task(program(0)).task(program(1));
    assert_eq!(all.run(|_, _| None), Ok(()));
    assert_eq!(*log.borrow(), [0, 0, 1, 1]);
}

#[test]
fn a_task_that_waits_lets_the_other_run_and_goes_on_after_it() {
    let (kernel, mm) = kernel();
    let mapped = Cell::new(false);
    // the first task is stopped in its fault, which holds mmap_lock for reading, so mmap must wait
    let all = kernel
        .schedule()
        .task(async |cur| {
            assert_eq!(cur.user_access(mm, 0, Some(1)).await, Ok(1));
            assert!(!mapped.get(), "mmap had the lock at the same time");
        })
        .task(async |cur| {
            let writable = VmFlags::READ | VmFlags::WRITE;
            assert_eq!(cur.mmap(mm, 44..48, writable).await, Ok(()));
            mapped.set(true);
        });
    let switch =
        |task, site| (task == TaskId(0) && site == Site::DoAnonymousPage).then_some(TaskId(1));
    assert_eq!(all.run(switch), Ok(()));
    assert!(mapped.get());
}

#[test]
fn a_schedule_that_ends_leaves_no_preemption_behind() {
    let (kernel, mm) = kernel();
    let all = kernel.schedule().task(async |cur| {
        assert_eq!(cur.user_access(mm, 0, Some(1)).await, Ok(1));
    });
    assert_eq!(all.run(|_, _| None), Ok(()));
    let polls = Cell::new(0);
    let count = async |cur: mm_core::Current<'_>| {
        let mut access = std::pin::pin!(cur.user_access(mm, 1, Some(1)));
        std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            access.as_mut().poll(cx)
        })
        .await
    };
    assert_eq!(kernel.run(TaskId(0), count), Ok(Ok(1)));
    assert_eq!(polls.get(), 1);
}
