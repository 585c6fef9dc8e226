//! The same programs in two processes give the same verdicts and the same digests.
//!
//! One test calls functions; the others run the program, because two processes must agree.

use crate::common::Bench;
use mm_fuzz::exec::Options;
use mm_fuzz::program::generate::random_program;
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::{Program, wire};
use mm_triage::bugs::Bugs;
use mm_triage::run::{Runner, run};

const PROGRAMS: u64 = 300;

/// A random program, with one thread or several.
fn program(seed: u64) -> Program {
    let limits = if seed.is_multiple_of(2) {
        Limits::OPS
    } else {
        Limits::RACES
    };
    random_program(limits, &mut fastrand::Rng::with_seed(seed))
}

/// Writes the programs, and returns their names.
fn generate(bench: &Bench) -> Vec<String> {
    (0..PROGRAMS)
        .map(|seed| {
            let program = program(seed);
            let name = format!("{seed}");
            // The wire of an empty program has a header, so the file is not empty.
            bench.write(&name, wire::encode(&program));
            name
        })
        .collect()
}

fn compare(options: &[&str]) {
    let bench = Bench::new();
    let names = generate(&bench);
    let mut args = vec!["replay", "--json"];
    args.extend(options);
    args.extend(names.iter().map(String::as_str));
    let first = bench.run(&args);
    let second = bench.run(&args);
    assert_ne!(first.status, 2, "{}", first.err);
    assert_eq!(first.out.lines().count() as u64, PROGRAMS);
    assert_eq!((first.status, first.out), (second.status, second.out));
}

#[test]
fn two_processes_agree() {
    compare(&[]);
}

#[test]
#[cfg(feature = "zoo")]
fn two_processes_agree_on_findings() {
    compare(&["--zoo=devpriv-mapping-reuse,vm-normal-page-special"]);
}

#[test]
fn a_run_does_not_depend_on_those_before_it() {
    let options = Options {
        digest: true,
        ..Options::default()
    };
    let mut runner = Runner::new(&Bugs::default(), options);
    for program in (0..PROGRAMS).map(program) {
        let alone = run(&program, &Bugs::default(), false, &mut ());
        assert_eq!(runner.run(&program, &mut ()), alone, "{program}");
    }
}
