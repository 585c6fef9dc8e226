//! Faults, and what else makes pages: fork, references from outside.

pub(crate) mod fault;
pub(crate) mod fork;
pub(crate) mod gup;
