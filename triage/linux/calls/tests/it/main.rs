//! The tests of the ledger and of its programs.
//!
//! They are one program, which links faster than one for each file.

mod beside;
mod clean;
mod common;
mod events;
mod files;
mod ledger;
mod limits;
mod outcome;
mod promises;
mod stays;
mod waiters;
