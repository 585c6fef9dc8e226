//! The functions that an engine's target calls: one to run an input, one to mutate it.
//!
//! All targets take the same bytes. `ops` and `canary` run them with one thread, `races` with two
//! or more.

mod canary;
mod preempt;

pub use canary::Canary;
pub use preempt::preempt;

use crate::exec::{Executor, Observer, Options, Verdict};
use crate::feedback::{Counters, Feedback};
use crate::program::mutate::Limits;
use crate::program::{Program, engine, wire};
use fastrand::Rng;
use std::cell::RefCell;

/// The state that a process keeps from run to run.
struct Bench {
    executor: Executor,
    /// Runs a program without checks, to see what it does.
    watch: Executor,
    program: Program,
    /// Gives each run a machine whose vectors have no memory yet, so that the code it runs does not
    /// depend on earlier runs. Engines that compare the code of two runs need that; the other
    /// engines run faster with a reused machine.
    fresh: bool,
    /// The engine's counters for features that are not edges of the code.
    counters: Option<&'static Counters>,
    /// The only invariant, `family/invariant`, whose findings count. A campaign sets it to measure
    /// the time until a bug breaks this invariant, even if the bug breaks others before.
    wanted: Option<String>,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench {
        executor: executor(true),
        watch: Executor::new(Options {
            unchecked: true,
            ..Options::default()
        }),
        program: Program::default(),
        fresh: false,
        counters: None,
        wanted: None,
    });
}

fn executor(panics: bool) -> Executor {
    Executor::new(Options {
        panics,
        ..Options::default()
    })
}

/// Prepares the process. `MMFUZZ_ZOO` names historical bugs to switch on, separated by commas; an
/// unknown name ends the process with status 2. With `MMFUZZ_FRESH`, each run gets a new machine.
/// With `MMFUZZ_ORACLE=family/invariant`, a finding of any other invariant ends the run, but is not
/// reported. `counters` are those of the engine, if it has any.
pub fn init(counters: Option<&'static Counters>) {
    let slugs = std::env::var("MMFUZZ_ZOO").unwrap_or_default();
    BENCH.with_borrow_mut(|bench| {
        bench.counters = counters;
        bench.fresh = std::env::var_os("MMFUZZ_FRESH").is_some();
        bench.wanted = std::env::var("MMFUZZ_ORACLE").ok();
        if bench.wanted.is_some() {
            bench.executor = executor(false);
        }
        for executor in [&mut bench.executor, &mut bench.watch] {
            if let Err(message) = put_back(executor, &slugs) {
                eprintln!("MMFUZZ_ZOO: {message}");
                std::process::exit(2);
            }
        }
    });
}

/// Switches on the historical bugs with these names, separated by commas.
///
/// # Errors
/// A sentence: there is no such bug, or this build has no bugs.
#[cfg(feature = "zoo")]
pub fn put_back(executor: &mut Executor, slugs: &str) -> Result<(), String> {
    executor.set_zoo(crate::zoo::parse(slugs)?);
    Ok(())
}

/// Without the feature `zoo`, there is no bug to switch on.
///
/// # Errors
/// A sentence, unless `slugs` is empty.
#[cfg(not(feature = "zoo"))]
pub fn put_back(_: &mut Executor, slugs: &str) -> Result<(), String> {
    if slugs.is_empty() {
        return Ok(());
    }
    Err("this build has no zoo; build it with the feature `zoo`".to_owned())
}

/// The limits of the target with this name, for engines that have one binary for all targets.
pub fn limits(name: &str) -> Option<Limits> {
    match name {
        "ops" | "canary" => Some(Limits::OPS),
        "races" => Some(Limits::RACES),
        _ => None,
    }
}

/// Runs an input with one thread. A finding is a panic inside the check.
pub fn run_ops(data: &[u8]) {
    run(data, Limits::OPS, None);
}

/// Runs an input with two threads or more. A finding is a panic inside the check.
pub fn run_races(data: &[u8]) {
    run(data, Limits::RACES, None);
}

/// Like [`run_ops`], with a planted finding: a fork while a page is mapped on a device. If a
/// pipeline does not report this finding, the pipeline is broken.
pub fn run_canary(data: &[u8]) {
    run(data, Limits::OPS, Some(&mut canary::Canary));
}

/// Runs a program within the limits, for engines that make programs instead of bytes. A finding is
/// a panic.
pub fn run_program(program: Program, limits: Limits) {
    BENCH.with_borrow_mut(|bench| {
        bench.program = program;
        bench.run(limits, None);
    });
}

/// Runs an input with an observer. Without an observer, the engine's counters count the features,
/// if the engine has any.
fn run(data: &[u8], limits: Limits, observer: Option<&mut dyn Observer>) {
    BENCH.with_borrow_mut(|bench| {
        wire::decode_into(data, &mut bench.program);
        bench.run(limits, observer);
    });
}

impl Bench {
    fn run(&mut self, limits: Limits, observer: Option<&mut dyn Observer>) {
        limits.apply(&mut self.program);
        let (executor, program) = (&mut self.executor, &self.program);
        let verdict = match (observer, self.counters) {
            (Some(observer), _) => executor.run_observed(program, observer),
            (None, Some(counters)) => {
                executor.run_observed(program, &mut Feedback::new(program, counters))
            }
            (None, None) => executor.run(program),
        };
        if let Verdict::Finding(finding) = verdict {
            match &self.wanted {
                Some(wanted) if finding.oracle() == *wanted => panic!("{finding}"),
                Some(_) => {}
                None => unreachable!("a check that panics has returned {finding}"),
            }
        }
        if self.fresh {
            self.executor.discard();
        }
    }
}

/// The engine's own mutation of bytes. It gets the buffer, the length and the maximum length, and
/// returns the new length.
pub type ByteMutate = fn(&mut [u8], usize, usize) -> usize;

/// Mutates an input of [`run_ops`] in place; returns its new length.
pub fn mutate_ops(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    byte_mutate: ByteMutate,
) -> usize {
    mutate(data, size, max_size, seed, Limits::OPS, byte_mutate)
}

/// Mutates an input of [`run_races`] in place; returns its new length.
pub fn mutate_races(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    byte_mutate: ByteMutate,
) -> usize {
    mutate(data, size, max_size, seed, Limits::RACES, byte_mutate)
}

/// One in this many mutations of a program of several threads preempts an operation in its middle.
pub const PREEMPTED: u8 = 4;

/// Mutates an input in place. The input must have run without a finding, because the mutation may
/// run it once more.
///
/// Arguments and result are those of [`engine::mutate_wire`].
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    limits: Limits,
    byte_mutate: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let room = max_size.min(data.len());
    let mut rng = Rng::with_seed(!u64::from(seed));
    let is_alone = *limits.thread_range().end() == 1;
    if !is_alone && room >= wire::HEADER_BYTES && rng.u8(0..PREEMPTED) == 0 {
        let mut program = wire::decode(&data[..size.min(room)]);
        limits.apply(&mut program);
        let watch = |bench: &mut Bench| preempt::preempt(&mut program, &mut bench.watch, &mut rng);
        if BENCH.with_borrow_mut(watch) {
            return engine::store(program, &mut data[..room]);
        }
    }
    engine::mutate_wire(data, size, max_size, seed, limits, byte_mutate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_mutations_of_races_preempt_an_operation_and_change_nothing_else() {
        let text =
            "threads 2\nmmap p0 0 2 rw\nwrite p0 0\nt1: mremap p0 0 1 8 1 fixed\nmigrate p0 0 2 d0";
        let program: Program = text.parse().expect("a program");
        let bytes = wire::encode(&program);
        let preempted = (0..400).filter(|seed| {
            let [mut data, mut without] = [[0; 200]; 2];
            data[..bytes.len()].copy_from_slice(&bytes);
            without[..bytes.len()].copy_from_slice(&bytes);
            let size = mutate_races(&mut data, bytes.len(), 200, *seed, |_, size, _| size);
            let limits = Limits::RACES;
            engine::mutate_wire(&mut without, bytes.len(), 200, *seed, limits, |_, s, _| s);
            let mutant = wire::decode(&data[..size]);
            data != without && mutant.ops == program.ops && !mutant.preemptions.is_empty()
        });
        let preempted = preempted.count();
        assert!((60..140).contains(&preempted), "{preempted}");
    }
}
