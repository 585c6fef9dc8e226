//! The same input gives the same run, and every input runs.

use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::program::generate::random_program;
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::{Geometry, Program, wire};

const PROGRAMS: u64 = 50_000;
const MAX_OPS: usize = 24;

fn executor() -> Executor {
    Executor::new(Options {
        digest: true,
        ..Options::default()
    })
}

fn program(limits: Limits, seed: u64) -> Program {
    random_program(limits, &mut fastrand::Rng::with_seed(seed))
}

/// Runs the programs in order on one executor, and in reverse order on another, so that state left
/// over from a run would show.
fn assert_deterministic(limits: Limits, seeds: std::ops::Range<u64>) {
    let mut executor = self::executor();
    let mut run = |seed| (seed, executor.run(&program(limits, seed)));
    let first: Vec<(u64, Verdict)> = seeds.map(&mut run).collect();
    let mut executor = self::executor();
    for (seed, verdict) in first.iter().rev() {
        let program = program(limits, *seed);
        if let Verdict::Finding(finding) = verdict {
            panic!("seed {seed}:\n{program}\n{finding}");
        }
        let again = executor.run(&program);
        assert_eq!(&again, verdict, "seed {seed} differs:\n{program}");
    }
    let mut digests: Vec<_> = first.iter().map(|(_, verdict)| verdict).collect();
    digests.dedup();
    assert!(digests.len() > first.len() / 2, "digests differ");
}

#[test]
fn sequential_programs_run_twice() {
    let limits = Limits::new(MAX_OPS, 1, 1);
    assert_deterministic(limits, 1_000_000..1_000_000 + PROGRAMS);
}

#[test]
fn concurrent_programs_run_twice() {
    let limits = Limits::new(MAX_OPS, 2, mm_fuzz::program::MAX_THREADS);
    assert_deterministic(limits, 2_000_000..2_000_000 + PROGRAMS);
}

/// Runs bytes in both geometries, as they are and within the limits of each target.
fn assert_passes(executor: &mut Executor, name: &str, bytes: &[u8]) {
    let decoded = wire::decode(bytes);
    assert!(decoded.is_canonical(), "{name}");
    for geometry in [Geometry::Tiny, Geometry::X86_64] {
        for limits in [Limits::OPS, Limits::RACES] {
            let mut program = decoded.clone();
            program.geometry = geometry;
            limits.apply(&mut program);
            let verdict = executor.run(&program);
            let passed = matches!(verdict, Verdict::Pass { .. });
            assert!(passed, "{name}, {geometry}: {verdict:?}\n{program}");
        }
    }
}

#[test]
fn bad_input_is_a_run() {
    let mut executor = executor();
    let mut rng = fastrand::Rng::with_seed(3);
    let random: Vec<u8> = std::iter::repeat_with(|| rng.u8(..))
        .take(1 << 20)
        .collect();
    assert_passes(&mut executor, "nothing", &[]);
    assert_passes(&mut executor, "1 MB of random bytes", &random);
    for byte in [0, 0xff] {
        for len in [1, 2, 7, wire::MAX_BYTES, 1 << 20] {
            let name = format!("{len} bytes {byte:#x}");
            assert_passes(&mut executor, &name, &vec![byte; len]);
        }
    }
    for at in 0..200 {
        let part = &random[at * wire::MAX_BYTES..][..wire::MAX_BYTES];
        assert_passes(&mut executor, &format!("random part {at}"), part);
    }
}

#[test]
fn truncated_wire_is_a_run() {
    let mut executor = executor();
    for seed in 0..8 {
        let limits = Limits::new(MAX_OPS, 1, mm_fuzz::program::MAX_THREADS);
        let bytes = wire::encode(&program(limits, seed));
        for len in 0..bytes.len() {
            assert_passes(
                &mut executor,
                &format!("seed {seed}, {len} bytes"),
                &bytes[..len],
            );
        }
    }
}
