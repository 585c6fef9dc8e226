//! What an engine's target calls: one function to run an input, one to mutate it.
//!
//! Both targets take the same bytes; `ops` runs them with one thread, `races` with two or more.

use crate::exec::{Executor, Options, Verdict};
use crate::feedback::{Counters, Feedback};
use crate::program::mutate::Limits;
use crate::program::{Program, engine, wire};
use std::cell::RefCell;

thread_local! {
    static STATE: RefCell<Option<(Executor, Program)>> = const { RefCell::new(None) };
}

/// Prepares the process. `MMFUZZ_ZOO` names historical bugs to switch on, separated by commas; a
/// name that is not known ends the process with status 2.
pub fn init() {
    let executor = match configured() {
        Ok(executor) => executor,
        Err(message) => {
            eprintln!("MMFUZZ_ZOO: {message}");
            std::process::exit(2);
        }
    };
    STATE.with_borrow_mut(|state| *state = Some((executor, Program::default())));
}

fn configured() -> Result<Executor, String> {
    let options = Options {
        panics: true,
        ..Options::default()
    };
    let slugs = std::env::var("MMFUZZ_ZOO").unwrap_or_default();
    #[cfg(feature = "zoo")]
    {
        let mut executor = Executor::new(options);
        executor.set_zoo(crate::zoo::parse(&slugs)?);
        Ok(executor)
    }
    #[cfg(not(feature = "zoo"))]
    {
        if !slugs.is_empty() {
            return Err("this build has no zoo; build it with the feature `zoo`".to_owned());
        }
        Ok(Executor::new(options))
    }
}

/// Runs an input with one thread. A finding is a panic inside the check.
pub fn run_ops(data: &[u8], counters: &Counters) {
    run(data, Limits::OPS, counters);
}

/// Runs an input with two threads or more. A finding is a panic inside the check.
pub fn run_races(data: &[u8], counters: &Counters) {
    run(data, Limits::RACES, counters);
}

fn run(data: &[u8], limits: Limits, counters: &Counters) {
    STATE.with_borrow_mut(|state| {
        let (executor, program) = state.get_or_insert_with(|| {
            let options = Options {
                panics: true,
                ..Options::default()
            };
            (Executor::new(options), Program::default())
        });
        wire::decode_into(data, program);
        limits.apply(program);
        if let Verdict::Finding(finding) =
            executor.run_observed(program, &mut Feedback::new(program, counters))
        {
            unreachable!("a check that panics has returned {finding}");
        }
    });
}

/// The engine's own mutation of bytes: buffer, length, greatest length; returns the new length.
pub type ByteMutate = fn(&mut [u8], usize, usize) -> usize;

/// Mutates an input of [`run_ops`] in place; returns its new length.
pub fn mutate_ops(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    byte_mutate: ByteMutate,
) -> usize {
    engine::mutate_wire(data, size, max_size, seed, Limits::OPS, byte_mutate)
}

/// Mutates an input of [`run_races`] in place; returns its new length.
pub fn mutate_races(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    byte_mutate: ByteMutate,
) -> usize {
    engine::mutate_wire(data, size, max_size, seed, Limits::RACES, byte_mutate)
}
