//! Rules of Linux that the core keeps, each as a test of the core alone.
//!
//! They are the first tests to port to your own memory management.

#![allow(
    clippy::single_range_in_vec_init,
    reason = "an address space may have only one VMA"
)]

mod areas;
mod device;
mod failures;
mod fork;
mod gup;
mod huge;
mod lab;
mod migrate;
mod mlock;
mod swap;
mod tlb;
mod tracking;
