//! Makes artifacts for measuring triage: long programs that have a finding with a bug of the zoo.
//!
//! `artifacts OUT SLUG COUNT MIN MAX SEED` writes COUNT wire files of MIN to MAX operations to OUT.
//! Half of the attempts are random programs. The other half scatter the witness of the bug among
//! random operations, with its preemptions at the same points of the same operations; so bugs that
//! random programs rarely trigger have artifacts as well. The tool gives up after 20,000 attempts.

use mm_core::State;
use mm_fuzz::exec::{Executor, Observer, Options, Verdict};
use mm_fuzz::program::generate::{random_program, random_step};
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::{MAX_THREADS, Preemption, Program, text, wire};
use std::ops::Range;
use std::path::Path;

/// Number of programs to try.
const ATTEMPTS: usize = 20_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [out, slug, count, min, max, seed] = &args[..] else {
        panic!("artifacts OUT SLUG COUNT MIN MAX SEED");
    };
    let number = |word: &String| word.parse::<usize>().expect("a number");
    let (count, min, max, seed) = (number(count), number(min), number(max), number(seed));
    let entry = mm_fuzz::zoo::find(slug).expect("a bug of the zoo");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../corpus/zoo/{slug}.mm"));
    let witness = std::fs::read_to_string(file).expect("a witness");
    let witness = text::parse(&witness).expect("a program");
    let mut executor = Executor::new(Options::default());
    executor.set_zoo(mm_fuzz::zoo::only(entry.bug));
    std::fs::create_dir_all(out).expect("a folder");
    let mut rng = fastrand::Rng::with_seed(seed as u64);
    let mut written = 0;
    for attempt in 0..ATTEMPTS {
        if written == count {
            break;
        }
        let program = if attempt % 2 == 0 {
            strewn(&witness, rng.usize(min..=max), &mut executor, &mut rng)
        } else {
            random(witness.threads, rng.usize(min..=max), max, &mut rng)
        };
        if !(min..=max).contains(&program.ops.len()) {
            continue;
        }
        if let Verdict::Finding(_) = executor.run(&program) {
            let path = Path::new(out).join(format!("{slug}-{written:04}"));
            std::fs::write(path, wire::encode(&program)).expect("an artifact is written");
            written += 1;
        }
    }
    println!("{slug} {written}");
}

fn random(threads: u8, length: usize, max: usize, rng: &mut fastrand::Rng) -> Program {
    let limits = if threads == 1 {
        Limits::new(max, 1, 1)
    } else {
        Limits::new(max, 2, MAX_THREADS)
    };
    let mut program = random_program(limits, rng);
    while program.ops.len() < length {
        let step = random_step(&program, program.ops.len(), rng);
        program.ops.push(step);
    }
    program
}

/// Scatters the witness among random operations, to a program of `length` operations.
fn strewn(
    witness: &Program,
    length: usize,
    executor: &mut Executor,
    rng: &mut fastrand::Rng,
) -> Program {
    let mut program = witness.clone();
    program.preemptions.clear();
    // the positions of the operations of the witness
    let mut places: Vec<usize> = (0..witness.ops.len()).collect();
    while program.ops.len() < length {
        let at = rng.usize(0..=program.ops.len());
        let step = random_step(&program, at, rng);
        program.ops.insert(at, step);
        places
            .iter_mut()
            .filter(|place| **place >= at)
            .for_each(|place| *place += 1);
    }
    let points = Points::of(witness, executor);
    for preemption in &witness.preemptions {
        let Some((step, nth)) = points.place_of(preemption.at.into()) else {
            continue;
        };
        // the operations before a preemption decide the number of its scheduling point
        let at = Points::of(&program, executor).point_of(places[step], nth);
        if let Some(at) = at.and_then(|at| u16::try_from(at).ok()) {
            program.preemptions.push(Preemption { at, ..*preemption });
        }
    }
    program.normalize();
    program
}

/// The scheduling points that each operation passed.
#[derive(Default)]
struct Points(Vec<(usize, Range<u32>)>);

impl Observer for Points {
    fn slice(&mut self, step: usize, s: &State) {
        self.0.push((step, s.points()..s.points()));
    }

    fn ran(&mut self, step: usize, s: &State) {
        if let Some((_, points)) = self.0.last_mut().filter(|(last, _)| *last == step) {
            points.end = s.points();
        }
    }
}

impl Points {
    fn of(program: &Program, executor: &mut Executor) -> Self {
        let mut points = Self::default();
        executor.run_observed(program, &mut points);
        points
    }

    /// The operation that passed a point, and the number of points that the operation had passed
    /// before.
    fn place_of(&self, at: u32) -> Option<(usize, usize)> {
        let (step, _) = self.0.iter().find(|(_, points)| points.contains(&at))?;
        let nth = self.of_step(*step).position(|point| point == at)?;
        Some((*step, nth))
    }

    /// The point that an operation passes after `nth` others.
    fn point_of(&self, step: usize, nth: usize) -> Option<u32> {
        self.of_step(step).nth(nth)
    }

    fn of_step(&self, step: usize) -> impl Iterator<Item = u32> {
        let turns = self.0.iter().filter(move |(other, _)| *other == step);
        turns.flat_map(|(_, points)| points.clone())
    }
}
