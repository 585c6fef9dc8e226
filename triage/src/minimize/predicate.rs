//! The test that each smaller program must pass.

use mm_fuzz::program::Program;

/// One turn of an operation: the scheduling points that it passed, from `from` up to but not
/// including `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The operation.
    pub step: usize,
    /// The number of points that the run had passed before the turn.
    pub from: u32,
    /// The number of points that the run had passed after the turn.
    pub to: u32,
}

/// Runs a program and says whether it still has the property that must be kept.
pub trait Predicate {
    /// Whether the predicate holds; `slices` becomes the turns of the run.
    fn holds(&mut self, program: &Program, slices: &mut Vec<Slice>) -> bool;
}
