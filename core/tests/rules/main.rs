//! Rules of Linux that the core keeps, each as a test of the core alone.
//!
//! They are what to try first on a memory management of one's own.

#![allow(
    clippy::single_range_in_vec_init,
    reason = "an address space may have one area"
)]

mod areas;
mod device;
mod failures;
mod fork;
mod gup;
mod lab;
mod migrate;
mod mlock;
mod swap;
mod tlb;
mod tracking;
