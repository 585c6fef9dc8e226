//! The tests of the commands of mm-triage, and of what the repository's docs, names and layout
//! promise.
//!
//! They are one program. A program for each file took a minute more to link, and the programs ran
//! one after the other.

mod bad_input;
mod bisect;
mod campaign;
mod ci;
mod cluster;
mod common;
mod convert;
mod determinism;
mod docs;
mod exhaust;
mod explain;
mod folders;
mod image;
mod keep;
mod linux;
mod minimize;
mod modules;
mod names;
mod oss_fuzz;
mod replay;
mod report;
mod robust;
mod seeds;
mod stock;
mod wrapping;
mod zoo;
