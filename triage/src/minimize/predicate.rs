//! The test of each smaller program.

use mm_fuzz::program::Program;

/// One turn of an operation: the scheduling points that it passed, from `from` up to but not
/// including `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The operation.
    pub step: usize,
    /// Points of the run before the turn.
    pub from: u32,
    /// Points of the run after it.
    pub to: u32,
}

/// Runs a program and says whether it still is what is wanted.
pub trait Predicate {
    /// Whether the predicate holds; `slices` becomes the turns of the run.
    fn holds(&mut self, program: &Program, slices: &mut Vec<Slice>) -> bool;
}
