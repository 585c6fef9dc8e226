//! Reclaim, swap-out and swap-in.
//!
//! [`vmscan`] takes frames from processes, [`swap`] has the slots and the swap cache, [`swapin`]
//! reads pages back.

pub mod swap;
pub mod swapin;
pub mod vmscan;
