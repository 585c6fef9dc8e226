//! One digest over 100,000 random programs. `make test` runs it in two processes, of an unoptimized
//! and of an optimized build, and compares: a program means the same everywhere.

use mm_fuzz::exec::{Digest, Executor, Options, Verdict};
use mm_fuzz::program::generate::random_program;
use mm_fuzz::program::mutate::Limits;

fn main() {
    let mut executor = Executor::new(Options {
        digest: true,
        ..Options::default()
    });
    let mut all = Digest::default();
    for seed in 0..100_000 {
        let limits = if seed % 2 == 0 {
            Limits::OPS
        } else {
            Limits::RACES
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        let program = random_program(limits.with_max_ops(24), &mut rng);
        match executor.run(&program) {
            Verdict::Pass { digest } => all.mix(digest),
            Verdict::Finding(finding) => {
                eprintln!("seed {seed}:\n{program}\n{finding}");
                std::process::exit(1);
            }
        }
    }
    println!("{:016x}", all.value());
}
