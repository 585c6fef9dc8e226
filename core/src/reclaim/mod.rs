//! Reclaim, swap-out and swap-in.

pub(crate) mod swap;
pub(crate) mod swapin;
pub(crate) mod vmscan;
