//! Page faults, fork, and references from outside (GUP).
//!
//! Read [`fault`] first of all modules of the crate.

pub mod fault;
pub mod fork;
pub mod gup;
