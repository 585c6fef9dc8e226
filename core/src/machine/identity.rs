//! Two states are the same if every continuation has the same result in both.
//!
//! The identity of a state covers everything that a later operation can depend on. It leaves out:
//!
//! - counters of past events (`points`, `topology`, allocation failures, the sequences of mmu
//!   notifiers): an operation only compares two of its own readings of a counter, so the value at
//!   its start does not matter. No operation is under way when a state is hashed;
//! - tasks: they are renewed before the next operation;
//! - the values of words: no operation computes with a word, so it only matters which words are
//!   equal and which are 0. Each word is hashed by its [name](Identity::word);
//! - the geometry, the release and the other choices for a machine: they do not change in a run.
//!
//! Each struct is destructured into all its fields. So a new field does not compile until somebody
//! decides whether it belongs to the identity.

use core::hash::Hasher;

/// A hasher for identities.
pub trait Identity: Hasher {
    /// The name of a word of contents. Equal words have equal names, different words different
    /// ones, and 0 is named 0. A name depends only on what was hashed before: for example, words
    /// are numbered in the order in which they first occur.
    fn word(&mut self, word: u64) -> u64;
}
