//! Artifacts for measuring triage: programs that a bug of the zoo breaks, and how long they are.
//!
//! `artifacts OUT SLUG COUNT MIN MAX` writes COUNT wire files of MIN to MAX operations to OUT. Each is a
//! random program, half of them with the witness of the bug strewn in, so that bugs which random
//! programs seldom meet have artifacts too.

use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::program::generate::{random_program, random_step};
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::{MAX_THREADS, Program, text, wire};
use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [out, slug, count, min, max] = &args[..] else {
        panic!("artifacts OUT SLUG COUNT MIN MAX");
    };
    let number = |word: &String| word.parse::<usize>().expect("a number");
    let (count, min, max) = (number(count), number(min), number(max));
    let entry = mm_fuzz::zoo::find(slug).expect("a bug of the zoo");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../corpus/zoo/{slug}.mm"));
    let witness = std::fs::read_to_string(file).expect("a witness");
    let witness = text::parse(&witness).expect("a program");
    let mut executor = Executor::new(Options::default());
    executor.set_zoo(mm_fuzz::zoo::only(entry.bug));
    std::fs::create_dir_all(out).expect("a folder");
    let mut rng = fastrand::Rng::with_seed(1);
    let mut written = 0;
    for attempt in 0..50_000 {
        if written == count {
            break;
        }
        let program = candidate(&witness, attempt % 2 == 0, min, max, &mut rng);
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

fn candidate(
    witness: &Program,
    with_witness: bool,
    min: usize,
    max: usize,
    rng: &mut fastrand::Rng,
) -> Program {
    let limits = if witness.threads == 1 {
        Limits::new(max, 1, 1)
    } else {
        Limits::new(max, 2, MAX_THREADS)
    };
    let length = rng.usize(min..=max);
    if !with_witness {
        let mut program = random_program(limits, rng);
        while program.ops.len() < length {
            let step = random_step(&program, program.ops.len(), rng);
            program.ops.push(step);
        }
        return program;
    }
    let mut program = witness.clone();
    while program.ops.len() < length {
        let at = rng.usize(0..=program.ops.len());
        let step = random_step(&program, at, rng);
        program.ops.insert(at, step);
    }
    // what was put in before a preemption moved its point away
    for preemption in &mut program.preemptions {
        preemption.at = preemption.at.saturating_add(rng.u16(0..200));
    }
    program.normalize();
    program
}
