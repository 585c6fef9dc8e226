//! When two states are the same: whatever is done next, it ends alike.
//!
//! The identity of a state is everything in it that something to come can depend on. What is left out, and why:
//!
//! - counters of what has been (`points`, `topology`, allocation failures, the sequences of mmu notifiers):
//!   an operation compares one with its own earlier look at it, and none is under way;
//! - tasks: they are renewed before the next operation;
//! - contents: nobody computes with a word, so its [name](Identity::word) stands for it. 0 is the one word that
//!   means something;
//! - the geometry, the release, and what else is chosen for a machine: they do not change in a run.
//!
//! Each struct is taken apart by all its fields, so that a new one does not compile before somebody has decided.

use core::hash::Hasher;

/// Takes an identity in.
pub trait Identity: Hasher {
    /// The name of a word of contents: equal words have one name, others have others, and 0 is 0. It depends
    /// on nothing but what was taken in so far.
    fn word(&mut self, word: u64) -> u64;
}
