//! Page faults, transparent huge pages, fork, and references from outside (GUP).
//!
//! [`fault`] is the best module of the crate to begin with.

pub mod deferred_split;
pub mod fault;
pub mod fork;
pub mod gup;
pub mod huge_memory;
pub mod huge_pmd;
pub mod huge_split;
pub mod khugepaged;
