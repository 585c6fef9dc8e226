//! Measures an execution in the loop of mm-fast against an unchecked replay of the same inputs.
//! `make bench` calls it.
//!
//! Lines are `bench: loop target=… …`. Each figure is the least of several repetitions, by the
//! processor time of this process.

use mm_fuzz::exec::{Executor, Options};
use mm_fuzz::program::Program;
use mm_fuzz::program::wire::{self, MAX_INPUT_BYTES};
use mm_fuzz_fast::engine::Engine;
use mm_fuzz_fast::runner::{InProcessRunner, Notes, RunnerOptions};
use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

const EXECS: u64 = 20_000;
const REPETITIONS: usize = 3;

/// Collects the inputs of a run.
#[derive(Default)]
struct Inputs(Rc<RefCell<Vec<Program>>>);

impl Notes for Inputs {
    fn begins(&mut self, input: &[u8]) {
        self.0.borrow_mut().push(wire::decode(input));
    }

    fn ended(&mut self) {}
}

/// The processor time of this process in nanoseconds, as the scheduler counts it.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let spent = text.split(' ').next().and_then(|spent| spent.parse().ok());
    spent.unwrap_or(0.0)
}

/// Nanoseconds for one execution, in the fastest call of `body`. A call does [`EXECS`] executions.
fn least(mut body: impl FnMut()) -> f64 {
    let once = |_| {
        let began = processor_time();
        body();
        (processor_time() - began) / EXECS as f64
    };
    (0..REPETITIONS).map(once).fold(f64::INFINITY, f64::min)
}

fn fuzz(target: &str, notes: Box<dyn Notes>) {
    let options = RunnerOptions::of(target, String::new()).expect("a target");
    let mut engine = Engine::new(
        InProcessRunner::new(options, notes).expect("no bug is on"),
        1,
        MAX_INPUT_BYTES,
    );
    for _ in 0..EXECS {
        assert_eq!(engine.step(), None, "a finding");
    }
}

fn main() {
    for target in ["ops", "races"] {
        let inputs = Inputs::default();
        let programs = Rc::clone(&inputs.0);
        fuzz(target, Box::new(inputs));
        let programs = programs.borrow();
        let ops: usize = programs.iter().map(|program| program.ops.len()).sum();
        let of_loop = least(|| fuzz(target, Box::new(())));
        let [unchecked, checked] = [true, false].map(|unchecked| {
            let mut executor = Executor::new(Options {
                unchecked,
                ..Options::default()
            });
            least(|| {
                for program in &*programs {
                    black_box(executor.run(program));
                }
            })
        });
        println!(
            "bench: loop target={target} execs={EXECS} ops_per_exec={:.1} loop_ns={of_loop:.0} \
             checked_ns={checked:.0} unchecked_ns={unchecked:.0} loop_to_unchecked={:.2}",
            ops as f64 / EXECS as f64,
            of_loop / unchecked
        );
    }
}
