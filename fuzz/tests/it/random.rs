//! Random programs have no finding without a bug of the zoo, and run the same way twice.

use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::program::generate::random_program;
use mm_fuzz::program::mutate::Limits;

/// The two builds, with and without the zoo, run different halves of the seeds.
fn seeds() -> std::ops::Range<u64> {
    const HALF: u64 = 10_000;
    match cfg!(feature = "zoo") {
        true => 0..HALF,
        false => HALF..2 * HALF,
    }
}

fn run_random(limits: Limits) {
    let mut executor = Executor::new(Options {
        digest: true,
        thorough: true,
        ..Options::default()
    });
    for seed in seeds() {
        let program = random_program(limits, &mut fastrand::Rng::with_seed(seed));
        let first = executor.run(&program);
        if let Verdict::Finding(finding) = &first {
            panic!("seed {seed}:\n{program}\n{finding}");
        }
        assert_eq!(
            first,
            executor.run(&program),
            "seed {seed} differs from itself:\n{program}"
        );
    }
}

#[test]
fn sequential_programs_have_no_finding() {
    run_random(Limits::OPS);
}

#[test]
fn concurrent_programs_have_no_finding() {
    run_random(Limits::RACES);
}
