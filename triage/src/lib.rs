//! Triage: tools for programs of `mm-fuzz`, above all for a program with a finding.
//!
//! The program `mm-triage` only calls [`cli`]. Each command is a module that holds its arguments
//! and the function that obeys them. Tests and other tools call functions that take a program and
//! return a value.
//!
//! Read these five modules first, in this order; the other modules build on them:
//!
//! 1. [`input`]: a file becomes a [`Program`](mm_fuzz::program::Program), or an error that says
//!    what to do.
//! 2. [`run`]: a program runs with some [`bugs`], and ends with a pass or with a finding.
//! 3. [`minimize`]: a program with a finding becomes the shortest one with the same finding.
//! 4. [`objection`]: the function of the kernel in which something first was wrong.
//! 5. [`cluster`]: programs with findings are grouped by bug, by means of the three modules before.
//!
//! ```
//! use mm_triage::run::{Ended, run};
//! use mm_triage::bugs::Bugs;
//!
//! let program = "mmap p0 0 1 rw\nwrite p0 0".parse().expect("a program");
//! assert!(matches!(run(&program, &Bugs::default(), false, &mut ()), Ended::Pass { .. }));
//! ```
//!
//! No two modules use each other, directly or not; `tests/it/modules.rs` checks this.
#![forbid(unsafe_code)]

pub mod bisect;
pub mod bugs;
pub mod campaign;
pub mod cli;
pub mod cluster;
pub mod collect;
pub mod convert;
pub mod corpus;
pub mod diff;
pub mod emit;
mod emitted;
pub mod exhaust;
pub mod explain;
mod finding;
pub mod input;
mod linux;
pub mod minimize;
pub mod objection;
mod operation;
mod page;
mod pool;
mod progress;
pub mod record;
pub mod replay;
pub mod report;
pub mod run;
pub mod seeds;
mod snapshot;
mod status;
pub mod stop;
mod store;
mod style;
mod timeline;
mod walk;
mod watch;
pub mod zoo;

use mm_fuzz::{file, names};
pub use status::{Status, say};
