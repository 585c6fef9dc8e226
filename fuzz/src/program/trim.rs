//! Trimming: removes records from a program as long as it still does the same. The engine decides
//! what "the same" is.
//!
//! The trimmer removes halves first, then quarters, down to single operations and preemptions. For
//! each size it starts at the front. After a removal, it goes on from the same place. AFL++ asks
//! for one candidate at a time, so this is a state machine.

use std::ops::Range;

use super::Program;

/// A trimming under way.
#[derive(Clone, Debug)]
pub struct Trimmer {
    kept: Program,
    candidate: Option<Program>,
    /// Number of records that the candidate leaves out.
    chunk: usize,
    at: usize,
}

impl Trimmer {
    /// Starts with a canonical program.
    #[must_use]
    pub fn new(program: Program) -> Self {
        let mut trimmer = Self {
            chunk: records(&program).div_ceil(2),
            kept: program,
            candidate: None,
            at: 0,
        };
        trimmer.propose();
        trimmer
    }

    /// The program to try next, which is canonical and shorter than every program kept so far;
    /// `None` if none is left.
    #[must_use]
    pub const fn candidate(&self) -> Option<&Program> {
        self.candidate.as_ref()
    }

    /// Records whether the candidate did the same, and proposes the next one.
    pub fn judge(&mut self, is_same: bool) {
        match self.candidate.take() {
            Some(candidate) if is_same => self.kept = candidate,
            _ => self.at += self.chunk,
        }
        self.propose();
    }

    /// The shortest program so far.
    #[must_use]
    pub const fn kept(&self) -> &Program {
        &self.kept
    }

    fn propose(&mut self) {
        let records = records(&self.kept);
        if self.at >= records {
            if self.chunk <= 1 {
                return;
            }
            self.at = 0;
            self.chunk = self.chunk.min(records).div_ceil(2);
        }
        // at least one record must stay
        let cut = self.at..(self.at + self.chunk).min(records);
        self.candidate = (cut.len() < records).then(|| without(&self.kept, &cut));
        if self.candidate.is_none() && self.chunk > 1 {
            self.at = records;
            self.propose();
        }
    }
}

/// Number of records. In their order, the operations come first, then the preemptions.
fn records(program: &Program) -> usize {
    program.ops.len() + program.preemptions.len()
}

fn without(program: &Program, cut: &Range<usize>) -> Program {
    let ops = program.ops.len();
    let mut rest = program.clone();
    rest.ops.drain(cut.start.min(ops)..cut.end.min(ops));
    rest.preemptions
        .drain(cut.start.saturating_sub(ops)..cut.end.saturating_sub(ops));
    rest
}

#[cfg(test)]
mod tests {
    use super::super::generate::random_program;
    use super::super::mutate::Limits;
    use super::super::{OpKind, wire};
    use super::*;

    /// Trims as far as `is_same` allows, and counts the candidates.
    fn trim(program: &Program, is_same: impl Fn(&Program) -> bool) -> (Program, usize) {
        let mut trimmer = Trimmer::new(program.clone());
        let mut tried = 0;
        while let Some(candidate) = trimmer.candidate() {
            assert!(candidate.is_canonical());
            assert!(wire::encode(candidate).len() < wire::encode(trimmer.kept()).len());
            let same = is_same(candidate);
            trimmer.judge(same);
            tried += 1;
        }
        (trimmer.kept().clone(), tried)
    }

    fn programs() -> impl Iterator<Item = Program> {
        (0..300).map(|seed| random_program(Limits::RACES, &mut fastrand::Rng::with_seed(seed)))
    }

    #[test]
    fn what_nothing_needs_goes_and_the_rest_stays() {
        for program in programs().filter(|program| !program.ops.is_empty()) {
            let kind = program.ops[program.ops.len() / 2].op.kind();
            let (trimmed, tried) = trim(&program, |candidate| {
                candidate.ops.iter().any(|step| step.op.kind() == kind)
            });
            let kinds: Vec<OpKind> = trimmed.ops.iter().map(|step| step.op.kind()).collect();
            assert_eq!(
                (kinds, trimmed.preemptions.len()),
                (vec![kind], 0),
                "{program}"
            );
            assert!(
                tried <= 4 * records(&program) + 8,
                "{tried} candidates for\n{program}"
            );
        }
    }

    #[test]
    fn every_single_record_is_tried() {
        for program in programs() {
            let (same, tried) = trim(&program, |_| false);
            assert_eq!(same, program);
            assert!(tried + 1 >= records(&program) || records(&program) == 1);
        }
    }

    #[test]
    fn an_empty_program_has_nothing_to_trim() {
        assert_eq!(Trimmer::new(Program::default()).candidate(), None);
    }
}
