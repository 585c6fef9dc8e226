//! The programs that reached something new, and the choice of the next program.
//!
//! A place in the kernel, or a feature of the model's run (`mm_fuzz::feedback`), is new if no
//! earlier program reached it. A choice depends on the seed and on the programs kept so far. With
//! one guest, the choices are the same in every run as long as the kernel answers alike. Several
//! guests answer in another order each time.

use super::super::plan;
use super::super::queue::Reached;
use fastrand::Rng;
use mm_fuzz::feedback::COUNTERS;
use mm_fuzz::program::generate::random_program;
use mm_fuzz::program::mutate::{Limits, crossover, mutate};
use mm_fuzz::program::{Program, Thp};
use std::collections::HashSet;

/// The longest program: a longer one takes the guest's time, and says less when it fails.
const MAX_OPS: usize = 48;
/// One program in this many is generated, not mutated.
const RANDOM: u32 = 8;
/// One mutant in this many begins as a crossover of two programs.
const CROSSED: u32 = 8;
/// Half of the parents are drawn from this many programs that were kept last.
const FRESH: usize = 32;
/// Of the programs that look as if they had a known finding, one in this many is run.
const RISKED: u32 = 32;
/// The most times that such a program is replaced. Some findings need so few operations that most
/// programs look as if they had them.
const TRIES: u32 = 16;
/// Maximum number of mutations of a program.
const MUTATIONS: u32 = 4;

/// The kept programs, and all that they reached.
pub struct KernelCorpus {
    programs: Vec<Program>,
    /// Programs that show known findings.
    known: Vec<Program>,
    places: HashSet<u32>,
    features: Vec<bool>,
    limits: Limits,
    /// All programs are ones with huge pages.
    huge: bool,
    rng: Rng,
}

impl KernelCorpus {
    /// An empty corpus.
    pub fn new(limits: Limits, huge: bool, seed: u64) -> Self {
        Self {
            huge,
            programs: Vec::new(),
            known: Vec::new(),
            places: HashSet::new(),
            features: vec![false; COUNTERS],
            limits: limits.with_max_ops(MAX_OPS),
            rng: Rng::with_seed(seed),
        }
    }

    /// The numbers of programs, of places in the kernel, and of features of the model.
    pub fn sizes(&self) -> [usize; 3] {
        let features = self.features.iter().filter(|seen| **seen);
        [self.programs.len(), self.places.len(), features.count()]
    }

    /// Brings a program into the limits.
    pub fn fit(&self, program: &mut Program) {
        self.limits.apply(program);
        if self.huge {
            let thp = match program.thp {
                Thp::Never if program.ops.len().is_multiple_of(4) => Thp::Madvise,
                Thp::Never => Thp::Always,
                thp => thp,
            };
            plan::give_huge_pages(program, thp);
        }
    }

    /// Keeps the program if it reached something new. Returns true if it did.
    pub fn learn(&mut self, program: &Program, reached: &Reached) -> bool {
        let mut is_new = false;
        for place in &reached.places {
            is_new |= self.places.insert(*place);
        }
        for feature in &reached.features {
            let seen = &mut self.features[usize::from(*feature)];
            is_new |= !std::mem::replace(seen, true);
        }
        if is_new {
            self.programs.push(program.clone());
        }
        is_new
    }

    /// From now on, few programs are made that have operations of the same kinds as this one, in
    /// the same order.
    pub fn avoid(&mut self, program: &Program) {
        self.known.push(program.clone());
    }

    fn looks_known(&self, program: &Program) -> bool {
        let is_in = |known: &Program| {
            let mut steps = program.ops.iter();
            let mut needed = known.ops.iter();
            needed.all(|needed| steps.any(|step| step.op.kind() == needed.op.kind()))
        };
        self.known.iter().any(is_in)
    }

    /// The next program to try.
    pub fn next(&mut self) -> Program {
        let mut program = self.make();
        for _ in 0..TRIES {
            if !self.looks_known(&program) || self.rng.u32(0..RISKED) == 0 {
                break;
            }
            program = self.make();
        }
        program
    }

    fn make(&mut self) -> Program {
        let mut program = if self.programs.is_empty() || self.rng.u32(0..RANDOM) == 0 {
            random_program(self.limits, &mut self.rng)
        } else {
            self.child()
        };
        self.fit(&mut program);
        program
    }

    fn parent(&mut self) -> usize {
        let count = self.programs.len();
        let first = if self.rng.bool() {
            count.saturating_sub(FRESH)
        } else {
            0
        };
        self.rng.usize(first..count)
    }

    fn child(&mut self) -> Program {
        let parent = self.parent();
        let mut program = if self.rng.u32(0..CROSSED) == 0 {
            let other = self.parent();
            let (a, b) = (&self.programs[parent], &self.programs[other]);
            crossover(a, b, self.limits, &mut self.rng)
        } else {
            self.programs[parent].clone()
        };
        for _ in 0..self.rng.u32(1..=MUTATIONS) {
            mutate(&mut program, self.limits, &mut self.rng);
        }
        program
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_fuzz::program::Geometry;

    fn reached(places: &[u32], features: &[u16]) -> Reached {
        Reached {
            features: features.to_vec(),
            places: places.to_vec(),
            is_known: false,
        }
    }

    #[test]
    fn a_program_is_kept_once_for_what_it_is_the_first_to_reach() {
        let mut corpus = KernelCorpus::new(Limits::OPS, false, 1);
        let program = Program::default();
        assert!(corpus.learn(&program, &reached(&[1, 2], &[])));
        assert!(!corpus.learn(&program, &reached(&[2], &[])));
        assert!(corpus.learn(&program, &reached(&[2], &[7])));
        assert!(!corpus.learn(&program, &reached(&[1], &[7])));
        assert_eq!(corpus.sizes(), [2, 2, 1]);
    }

    #[test]
    fn programs_with_a_known_finding_are_avoided() {
        let known: Program = "mmap p0 0 1 rw\nmlock p0 0 1 on\nfork p0"
            .parse()
            .expect("a program");
        let count = |avoids: bool| {
            let mut corpus = KernelCorpus::new(Limits::OPS, false, 1);
            corpus.learn(&known, &reached(&[1], &[]));
            if avoids {
                corpus.avoid(&known);
            }
            let made: Vec<_> = (0..400).map(|_| corpus.next()).collect();
            let mut other = KernelCorpus::new(Limits::OPS, false, 1);
            other.avoid(&known);
            made.iter().filter(|made| other.looks_known(made)).count()
        };
        assert!(count(true) * 8 < count(false));
    }

    #[test]
    fn programs_can_be_carried_out_and_depend_on_the_seed_alone() {
        let made = |seed| {
            let mut corpus = KernelCorpus::new(Limits::RACES, false, seed);
            let mut made = Vec::new();
            for number in 0..200 {
                let program = corpus.next();
                assert!(program.ops.len() <= MAX_OPS);
                assert!((2..=4).contains(&program.threads));
                corpus.learn(&program, &reached(&[number / 2], &[]));
                made.push(program);
            }
            made
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        let preempts = |program: &&Program| !program.preemptions.is_empty();
        assert!(made(1).iter().filter(preempts).count() > 50);
    }

    #[test]
    fn with_huge_pages_all_programs_have_them() {
        let mut corpus = KernelCorpus::new(Limits::OPS, true, 1);
        let mut seen = HashSet::new();
        for number in 0..200 {
            let program = corpus.next();
            assert_eq!(program.geometry, Geometry::Tiny);
            let ops = &program.ops;
            assert!(
                ops.iter()
                    .all(|step| plan::fits_huge_pages(&step.op).is_ok())
            );
            corpus.learn(&program, &reached(&[number], &[]));
            seen.insert(program.thp.to_string());
        }
        assert_eq!(seen, ["always", "madvise"].map(str::to_owned).into());
    }
}
