//! Reclaim, and swap in both directions.

pub(crate) mod swap;
pub(crate) mod swapin;
pub(crate) mod vmscan;
