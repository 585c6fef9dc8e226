//! Page faults, fork, and references from outside (GUP).

pub(crate) mod fault;
pub(crate) mod fork;
pub(crate) mod gup;
