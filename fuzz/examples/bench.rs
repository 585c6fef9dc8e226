//! Measures the speed of the core and of the oracles without an engine. `make bench` calls it.
//!
//! Each figure is the median of several repetitions on one thread. Lines are `bench: name=value …`.

use mm_core::{
    Advice, DevId, Direction, Dmirror, Geometry, Kernel, MigrateRequest, TaskId, VmFlags, dmirror,
};
use mm_fuzz::exec::{Executor, Options};
use mm_fuzz::program::generate::random_program;
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::{Program, generate};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

const OPS: usize = 16;
const REPETITIONS: usize = 7;

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Nanoseconds that a call of `body` takes for each of its `units` of work.
fn measure(units: usize, mut body: impl FnMut()) -> f64 {
    body();
    let figures = (0..REPETITIONS).map(|_| {
        let start = Instant::now();
        body();
        start.elapsed().as_nanos() as f64 / units as f64
    });
    median(figures.collect())
}

/// Programs of exactly [`OPS`] random operations.
fn programs(count: u64) -> Vec<Program> {
    let limits = Limits::OPS.with_max_ops(OPS);
    let program = |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut program = random_program(limits, &mut rng);
        while program.ops.len() < OPS {
            let step = generate::random_step(&program, program.ops.len(), &mut rng);
            program.ops.push(step);
        }
        program
    };
    (0..count).map(program).collect()
}

fn oracles() {
    let programs = programs(2_000);
    for (name, unchecked) in [("with_oracles", false), ("without_oracles", true)] {
        let mut executor = Executor::new(Options {
            unchecked,
            ..Options::default()
        });
        let ns = measure(programs.len() * OPS, || {
            for program in &programs {
                black_box(executor.run(program));
            }
        });
        println!(
            "bench: programs_of_16_ops {name}_ns_per_op={ns:.0} ops_per_s={:.0}",
            1e9 / ns
        );
    }
}

/// Runs a future of the only task to its end. The future never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("one task alone waits for itself"),
    }
}

fn machine() -> Kernel {
    let geometry = Geometry::X86_64;
    Kernel::new(geometry, Box::new(Dmirror::new(geometry.device_frames())))
}

/// The nanoseconds that an operation on a random page takes while this many pages are mapped.
fn mapped(pages: u64) -> f64 {
    const ROUNDS: usize = 50_000;
    let kernel = machine();
    let cur = kernel.current(TaskId(0));
    let mm = cur.mm_create().expect("nothing fails");
    now(cur.mmap(mm, 0..pages, VmFlags::READ | VmFlags::WRITE)).expect("nothing fails");
    // as the executor does between two operations
    let next = || {
        let s = &mut *kernel.state();
        s.renew_task(TaskId(0));
        s.observed();
    };
    for addr in 0..pages {
        now(cur.user_access(mm, addr, Some(addr))).expect("mapped");
        next();
    }
    let mut rng = fastrand::Rng::with_seed(1);
    measure(4 * ROUNDS, || {
        for _ in 0..ROUNDS {
            let addr = rng.u64(0..pages);
            let to_device = MigrateRequest {
                dev: DevId(0),
                mm,
                range: addr..addr + 1,
                direction: Direction::ToDevice,
                skip: 0,
                stepwise: false,
            };
            now(dmirror::migrate(cur, &to_device)).expect("mapped");
            next();
            now(cur.user_access(mm, addr, None)).expect("mapped");
            next();
            now(cur.madvise(mm, addr..addr + 1, Advice::DontNeed)).expect("mapped");
            next();
            now(cur.user_access(mm, addr, Some(1))).expect("mapped");
            next();
        }
    })
}

/// Prints the nanoseconds that a reset after a program takes, in each geometry.
fn reset() {
    for (name, geometry) in [("tiny", Geometry::TINY), ("x86_64", Geometry::X86_64)] {
        let kernel = Kernel::new(geometry, Box::new(Dmirror::new(geometry.device_frames())));
        let figures = (0..2_001).map(|_| {
            let cur = kernel.current(TaskId(0));
            let mm = cur.mm_create().expect("nothing fails");
            now(cur.mmap(mm, 0..OPS as u64, VmFlags::READ | VmFlags::WRITE)).expect("room");
            for addr in 0..OPS as u64 - 2 {
                now(cur.user_access(mm, addr, Some(addr))).expect("mapped");
                kernel.state().renew_task(TaskId(0));
            }
            black_box(now(cur.fork(mm)).expect("nothing fails"));
            let start = Instant::now();
            kernel.reset();
            start.elapsed().as_nanos() as f64
        });
        println!(
            "bench: reset_after_16_ops geometry={name} ns={:.0}",
            median(figures.collect())
        );
    }
}

fn main() {
    oracles();
    let (few, many) = (mapped(64), mapped(1 << 20));
    println!(
        "bench: x86_64_op pages_64_ns={few:.0} pages_1048576_ns={many:.0} ratio={:.2}",
        many / few
    );
    reset();
}
