//! `instructions distilled|random checked|unchecked`: runs programs, and prints how many operations
//! they have. `fuzz/bench-check` counts the instructions of [`measured`] with callgrind.
//!
//! The programs are those of `corpus/distilled/ops`, or random ones.

use mm_fuzz::digest_lock;
use mm_fuzz::exec::{Executor, Options};
use mm_fuzz::program::generate::random_program;
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::{Program, wire};
use std::hint::black_box;
use std::process::ExitCode;

/// Number of random programs.
const RANDOM: u64 = 1_000;

/// The programs of `corpus/distilled/ops`, in the order of their names.
fn distilled() -> std::io::Result<Vec<Program>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(digest_lock::corpus_dir().join("distilled/ops"))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let decoded = |path| std::fs::read(path).map(|bytes| wire::decode(&bytes));
    paths.into_iter().map(decoded).collect()
}

fn random() -> Vec<Program> {
    let limits = Limits::OPS;
    let program = |seed| random_program(limits, &mut fastrand::Rng::with_seed(seed));
    (0..RANDOM).map(program).collect()
}

/// Runs each program once. callgrind counts only what this function does.
#[inline(never)]
fn measured(executor: &mut Executor, programs: &[Program]) {
    for program in programs {
        black_box(executor.run(program));
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (kind, unchecked) = match args[..] {
        [kind, "checked"] => (kind, false),
        [kind, "unchecked"] => (kind, true),
        _ => ("", false),
    };
    let programs = match kind {
        "distilled" => distilled(),
        "random" => Ok(random()),
        _ => {
            eprintln!("instructions: give distilled|random and checked|unchecked");
            return ExitCode::from(2);
        }
    };
    let programs = match programs {
        Ok(programs) => programs,
        Err(error) => {
            eprintln!("instructions: corpus/distilled/ops cannot be read: {error}");
            return ExitCode::from(2);
        }
    };
    let mut executor = Executor::new(Options {
        unchecked,
        ..Options::default()
    });
    // the first run grows the executor's vectors
    for program in &programs {
        black_box(executor.run(program));
    }
    measured(&mut executor, &programs);
    let ops: usize = programs.iter().map(|program| program.ops.len()).sum();
    println!("{ops}");
    ExitCode::SUCCESS
}
