//! `random TARGET SEED SECS`: runs random programs without feedback, until the first finding or for
//! SECS seconds, and prints how many ran. It is an engine of `make campaign`.

use mm_fuzz::program::generate::random_program;
use mm_fuzz::target;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Maximum number of operations: as many as an input of the other engines has records.
const MAX_OPS: usize = 64;
/// Number of programs between two reads of the clock.
const BATCH: u64 = 64;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (Some(limits), Some(seed), Some(secs)) = (
        args.get(1).and_then(|name| target::limits(name)),
        args.get(2).and_then(|seed| seed.parse().ok()),
        args.get(3).and_then(|secs| secs.parse().ok()),
    ) else {
        eprintln!("random: give TARGET SEED SECS");
        std::process::exit(2);
    };
    target::init(None);
    let limits = limits.with_max_ops(MAX_OPS);
    let mut rng = fastrand::Rng::with_seed(seed);
    let end = Instant::now() + Duration::from_secs(secs);
    let (mut execs, mut found) = (0_u64, false);
    while !found && (execs % BATCH != 0 || Instant::now() < end) {
        let program = random_program(limits, &mut rng);
        execs += 1;
        found = catch_unwind(AssertUnwindSafe(|| target::run_program(program, limits))).is_err();
    }
    println!("random: execs={execs}");
}
