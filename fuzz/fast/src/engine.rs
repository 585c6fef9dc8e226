//! The loop: choose a parent, mutate it, run the mutant, keep it if it is worth keeping.
//!
//! A mutant that adds nothing becomes the next parent, so that changes pile up. After five mutants
//! in a row, the engine chooses from the corpus again; that is libFuzzer's `-mutate_depth`. The
//! mutations are those that libFuzzer gets from us (`mm_fuzz::program::engine`,
//! `mm_fuzz::target::preempt`).
//!
//! The loop reads no clock and no file. With the same seed and the same imported programs, it does
//! the same.

use crate::corpus::Corpus;
use crate::runner::{ExitKind, InProcessRunner};
use fastrand::Rng;
use mm_fuzz::program::Program;
use mm_fuzz::program::engine::{fit, mutate_program};
use mm_fuzz::target::{PREEMPTED, preempt};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// After this many mutants in a row, a new parent is chosen. Each of these mutants is made from the
/// one before it.
const DEPTH: u32 = 5;

/// A fuzzing engine.
pub struct Engine {
    runner: InProcessRunner,
    corpus: Corpus,
    rng: Rng,
    /// The maximum size of the wire form of a mutant, in bytes.
    max_size: usize,
    parent: Program,
    child: Program,
    /// Number of mutants until a new parent is chosen.
    depth: u32,
    features: Vec<u32>,
    execs: u64,
    signatures: BTreeSet<String>,
}

impl Engine {
    /// An engine with an empty corpus.
    pub fn new(runner: InProcessRunner, seed: u64, max_size: usize) -> Self {
        Self {
            corpus: Corpus::new(runner.features()),
            runner,
            rng: Rng::with_seed(seed),
            max_size,
            parent: Program::default(),
            child: Program::default(),
            depth: 0,
            features: Vec::new(),
            execs: 0,
            signatures: BTreeSet::new(),
        }
    }

    /// Number of programs that were run.
    pub fn execs(&self) -> u64 {
        self.execs
    }

    /// The corpus.
    pub fn corpus(&mut self) -> &mut Corpus {
        &mut self.corpus
    }

    /// Number of edges and of states that the corpus has.
    pub fn features(&self) -> (usize, usize) {
        self.corpus.features(self.runner.edges() as u32)
    }

    /// Number of different signatures of findings.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// Runs a program that is in a file, and keeps it if it is worth keeping. Returns the
    /// signature if the program has a finding that this engine did not have before.
    pub fn import(&mut self, mut program: Program) -> Option<String> {
        self.runner.limits().apply(&mut program);
        self.child = program;
        self.run(true).err().flatten()
    }

    /// Runs a mutant. Returns its signature if the mutant has a finding that this engine did not
    /// have before; [`Engine::last`] is the mutant.
    pub fn step(&mut self) -> Option<String> {
        if self.depth == 0 {
            self.depth = DEPTH;
            let chosen = self.corpus.choose(&mut self.rng);
            self.parent
                .clone_from(chosen.unwrap_or(&Program::default()));
            self.runner.limits().apply(&mut self.parent);
        }
        self.mutate();
        match self.run(false) {
            Ok(true) => self.depth = 0,
            Ok(false) => {
                self.depth -= 1;
                std::mem::swap(&mut self.parent, &mut self.child);
                return None;
            }
            Err(new) => {
                self.depth = 0;
                return new;
            }
        }
        None
    }

    /// The program that ran last, if it was kept or had a finding.
    pub fn last(&self) -> &Program {
        &self.child
    }

    /// Makes `child` a mutant of `parent`.
    fn mutate(&mut self) {
        let limits = self.runner.limits();
        if *limits.thread_range().end() > 1 && self.rng.u8(0..PREEMPTED) == 0 {
            self.child.clone_from(&self.parent);
            let (child, rng, watch) = (&mut self.child, &mut self.rng, self.runner.watch());
            let preempt = || preempt(child, watch, rng);
            match catch_unwind(AssertUnwindSafe(preempt)) {
                Ok(true) => return fit(&mut self.child, self.max_size),
                Ok(false) => {}
                Err(_) => self.runner.renew(),
            }
        }
        mutate_program(
            &self.parent,
            &mut self.child,
            self.max_size,
            limits,
            &mut self.rng,
        );
    }

    /// Runs `child`. Returns whether it was kept; or, if it has a finding, the signature if it is
    /// new.
    fn run(&mut self, is_on_disk: bool) -> Result<bool, Option<String>> {
        self.execs += 1;
        let ran = self.runner.run(&self.child);
        self.runner.take_features(&mut self.features);
        match ran {
            ExitKind::Passed => {}
            ExitKind::Ignored => return Err(None),
            ExitKind::Found(signature) => {
                let is_new = self.signatures.insert(signature.clone());
                return Err(is_new.then_some(signature));
            }
        }
        let is_kept = self.corpus.count(&self.child, &self.features);
        if is_kept {
            self.corpus.keep(&self.child, &self.features, is_on_disk);
        }
        Ok(is_kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::RunnerOptions;
    use mm_fuzz::program::wire;

    fn engine(target: &str, seed: u64) -> Engine {
        let options = RunnerOptions::of(target, String::new()).expect("a target");
        Engine::new(
            InProcessRunner::new(options, Box::new(())).expect("a runner"),
            seed,
            200,
        )
    }

    fn wires(engine: &mut Engine) -> Vec<Vec<u8>> {
        engine.corpus().programs().map(wire::encode).collect()
    }

    #[test]
    fn a_seed_gives_the_same_corpus_twice_and_another_seed_gives_another() {
        for target in ["ops", "races"] {
            let run = |seed| {
                let mut engine = engine(target, seed);
                for _ in 0..3_000 {
                    assert_eq!(
                        engine.step(),
                        None,
                        "a finding of the core:\n{}",
                        engine.last()
                    );
                }
                (engine.execs(), engine.features(), wires(&mut engine))
            };
            let one = run(1);
            assert_eq!(one.0, 3_000);
            assert!(one.1.1 > 100 && one.2.len() > 10, "{:?}", one.1);
            assert!(one == run(1));
            assert!(one.2 != run(2).2);
        }
    }

    #[test]
    fn mutants_keep_to_the_limits() {
        let mut engine = engine("races", 3);
        for _ in 0..2_000 {
            engine.step();
        }
        for program in engine.corpus().programs() {
            assert!(program.is_canonical() && program.threads > 1);
            assert!(wire::encode(program).len() <= 200);
        }
    }

    #[test]
    fn what_is_imported_is_kept_once_and_brought_into_the_limits() {
        let text = "threads 2\nmmap p0 0 1 rw\nt1: write p0 0\n";
        let program: Program = text.parse().expect("a program");
        let mut engine = engine("ops", 4);
        for _ in 0..2 {
            assert_eq!(engine.import(program.clone()), None);
        }
        let kept = wires(&mut engine);
        let expected = "mmap p0 0 1 rw\nwrite p0 0\n".parse().expect("a program");
        assert_eq!(kept, [wire::encode(&expected)]);
    }

    #[test]
    fn a_finding_is_new_once_and_the_engine_goes_on() {
        let mut engine = engine("canary", 5);
        let planted = "mmap p0 0 1 rw\nwrite p0 0\nmigrate p0 0 1 d0\nfork p0\n";
        let planted: Program = planted.parse().expect("a program");
        let found = engine.import(planted.clone());
        assert_eq!(found.as_deref(), Some("canary/planted:fork:device"));
        assert_eq!(engine.import(planted), None);
        assert_eq!(engine.corpus().programs().count(), 0);
        for _ in 0..1_000 {
            assert_eq!(engine.step(), None);
        }
        assert_eq!((engine.signatures(), engine.execs()), (1, 1_002));
    }
}
