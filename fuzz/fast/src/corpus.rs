//! The corpus in memory: which programs are kept, and which one is mutated next.
//!
//! - A program is kept if it has a feature that no program had, or that only longer programs had.
//!   The shortest program with a feature is the feature's champion, and a program that is no
//!   champion any more is dropped. So short programs are mutated more often. Champions are AFL's
//!   `top_rated` (`update_bitmap_score`); dropping the others is libFuzzer's `-reduce_inputs`.
//! - The next parent is the champion of a feature. The engine draws a few features at random, and
//!   takes the one that the fewest executions had. FairFuzz (Lemieux and Sen, ASE 2018) aims at
//!   such rare branches, and libFuzzer's `-entropic` (Böhme, Manès and Cha, FSE 2020) prefers
//!   inputs with rare features. AFLFast (Böhme, Pham and Roychoudhury, CCS 2016) gives less energy
//!   to an input whose path many executions took.
//! - Each choice of a feature counts as if an execution had the feature. So a feature that no later
//!   execution can have does not win for ever.

use fastrand::Rng;
use mm_fuzz::program::Program;

/// Number of features of which the rarest is taken.
const RIVALS: usize = 4;
/// No program: the champion of a feature that nothing had yet.
const NONE: u32 = u32::MAX;

/// What is known of a feature.
#[derive(Clone, Copy, Debug)]
struct Feature {
    /// The index of the shortest program that has it.
    champion: u32,
    /// The length of that program; `u32::MAX` if there is none.
    len: u32,
    /// Number of executions that had it, and of times that it was chosen. Saturates.
    hits: u32,
}

/// A program of the corpus.
#[derive(Debug)]
pub struct Kept {
    /// The program.
    pub program: Program,
    /// The program was read from a file or written to one, so it needs no new file.
    pub is_on_disk: bool,
    /// Number of features of which it is the champion.
    owned: u32,
}

/// The corpus of an engine.
#[derive(Debug, Default)]
pub struct Corpus {
    /// The programs by their indices; `None` for one that was dropped.
    programs: Vec<Option<Kept>>,
    /// Indices that are free.
    free: Vec<u32>,
    /// By the number of the feature.
    features: Vec<Feature>,
    /// The features that a program has, in the order in which they were found.
    seen: Vec<u32>,
    /// What has changed since [`Corpus::take_changes`].
    changes: CorpusChanges,
}

/// What became of the corpus since the last look.
#[derive(Debug, Default)]
pub struct CorpusChanges {
    /// Indices that got a new program. Some of these programs may be gone already.
    pub added: Vec<u32>,
    /// Programs that were dropped.
    pub dropped: Vec<Program>,
}

impl Corpus {
    /// An empty corpus for features with numbers below `features`.
    pub fn new(features: usize) -> Self {
        let unseen = Feature {
            champion: NONE,
            len: u32::MAX,
            hits: 0,
        };
        Self {
            features: vec![unseen; features],
            ..Self::default()
        }
    }

    /// The length of a program by which programs are compared.
    fn len(program: &Program) -> u32 {
        (program.ops.len() + program.preemptions.len()) as u32
    }

    /// Counts the features of an execution of `program`. Returns true if the program should be
    /// kept.
    pub fn count(&mut self, program: &Program, features: &[u32]) -> bool {
        let len = Self::len(program);
        let mut is_better = false;
        for number in features {
            let feature = &mut self.features[*number as usize];
            feature.hits = feature.hits.saturating_add(1);
            is_better |= len < feature.len;
        }
        is_better
    }

    /// Keeps a program with these features, for which [`Corpus::count`] has returned true. Drops
    /// the programs that are no champions any more.
    pub fn keep(&mut self, program: &Program, features: &[u32], is_on_disk: bool) {
        let len = Self::len(program);
        let index = self.free.pop().unwrap_or_else(|| {
            self.programs.push(None);
            self.programs.len() as u32 - 1
        });
        let mut owned = 0;
        for number in features {
            let feature = &mut self.features[*number as usize];
            if len >= feature.len {
                continue;
            }
            let before = feature.champion;
            (feature.champion, feature.len) = (index, len);
            owned += 1;
            if before == NONE {
                self.seen.push(*number);
            } else {
                self.disown(before);
            }
        }
        self.programs[index as usize] = Some(Kept {
            program: program.clone(),
            is_on_disk,
            owned,
        });
        self.changes.added.push(index);
    }

    /// A program has lost a feature to a shorter one.
    fn disown(&mut self, index: u32) {
        let slot = &mut self.programs[index as usize];
        let is_last = slot.as_mut().is_some_and(|kept| {
            kept.owned -= 1;
            kept.owned == 0
        });
        if is_last && let Some(kept) = slot.take() {
            self.changes.dropped.push(kept.program);
            self.free.push(index);
        }
    }

    /// The program to mutate next; `None` if there is none.
    pub fn choose(&mut self, rng: &mut Rng) -> Option<&Program> {
        if self.seen.is_empty() {
            return None;
        }
        let rivals = (0..RIVALS).map(|_| self.seen[rng.usize(..self.seen.len())]);
        let rarest = rivals.min_by_key(|number| self.features[*number as usize].hits)?;
        let feature = &mut self.features[rarest as usize];
        feature.hits = feature.hits.saturating_add(1);
        let kept = self.programs[feature.champion as usize].as_ref()?;
        Some(&kept.program)
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> CorpusChanges {
        std::mem::take(&mut self.changes)
    }

    /// The program with this index, if it is still there.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut Kept> {
        self.programs.get_mut(index as usize)?.as_mut()
    }

    /// The programs.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().flatten().map(|kept| &kept.program)
    }

    /// Number of features that the programs have: those with numbers below `split`, and the rest.
    pub fn features(&self, split: u32) -> (usize, usize) {
        let below = self.seen.iter().filter(|number| **number < split).count();
        (below, self.seen.len() - below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_fuzz::program::generate::random_program;
    use mm_fuzz::program::mutate::Limits;
    use std::collections::BTreeSet;

    fn program(len: usize, rng: &mut Rng) -> Program {
        loop {
            let mut program = random_program(Limits::OPS, rng);
            if program.ops.len() >= len {
                program.ops.truncate(len);
                return program;
            }
        }
    }

    #[test]
    fn each_feature_has_the_shortest_program_and_nobody_else_stays() {
        let mut rng = Rng::with_seed(1);
        let mut corpus = Corpus::new(40);
        let mut shortest = [usize::MAX; 40];
        let mut gone = 0;
        for _ in 0..2_000 {
            let len = rng.usize(1..12);
            let program = program(len, &mut rng);
            let features = BTreeSet::from_iter((0..rng.usize(0..6)).map(|_| rng.u32(0..40)));
            let features = Vec::from_iter(features);
            let is_better = features.iter().any(|f| len < shortest[*f as usize]);
            assert_eq!(corpus.count(&program, &features), is_better);
            if is_better {
                corpus.keep(&program, &features, false);
                for feature in &features {
                    let best = &mut shortest[*feature as usize];
                    *best = len.min(*best);
                }
            }
            gone += corpus.take_changes().dropped.len();
            for (feature, best) in shortest.iter().enumerate() {
                let known = corpus.features[feature];
                let champion = corpus.programs.get(known.champion as usize);
                let len =
                    champion.map(|kept| kept.as_ref().expect("it is there").program.ops.len());
                assert_eq!(len.unwrap_or(usize::MAX), *best);
            }
            let owned = corpus.programs.iter().flatten().map(|kept| kept.owned);
            assert!(owned.clone().all(|owned| owned > 0));
            assert_eq!(owned.sum::<u32>() as usize, corpus.seen.len());
        }
        assert!(gone > 0);
        assert!(corpus.programs().count() <= 40);
    }

    #[test]
    fn champions_of_rare_features_are_chosen_more_often() {
        let mut rng = Rng::with_seed(2);
        let mut corpus = Corpus::new(2);
        assert_eq!(corpus.choose(&mut rng), None);
        let [often, rarely] = [1, 2].map(|len| program(len, &mut rng));
        for (number, program) in [(0, &often), (1, &rarely)] {
            assert!(corpus.count(program, &[number]));
            corpus.keep(program, &[number], false);
        }
        for _ in 0..10_000 {
            assert!(!corpus.count(&often, &[0]));
        }
        let chosen = (0..1_000).filter(|_| corpus.choose(&mut rng) == Some(&rarely));
        // the other one is chosen only if all rivals are its feature
        assert!((850..1_000).contains(&chosen.count()));
    }

    #[test]
    fn a_feature_that_nothing_has_again_does_not_win_for_ever() {
        let mut rng = Rng::with_seed(3);
        let mut corpus = Corpus::new(2);
        let [once, other] = [1, 2].map(|len| program(len, &mut rng));
        for (number, program) in [(0, &once), (1, &other)] {
            corpus.count(program, &[number]);
            corpus.keep(program, &[number], false);
        }
        let chosen = (0..10_000).filter(|_| corpus.choose(&mut rng) == Some(&once));
        assert!((4_000..6_000).contains(&chosen.count()));
    }
}
