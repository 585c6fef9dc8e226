//! Triage: what to do with a program that `mm-fuzz` runs, and with a finding above all.
//!
//! The program `mm-triage` is [`cli`] and nothing else. Each command is a module, with its arguments
//! beside the function that obeys them; what a test or another tool wants of a command is a function
//! that takes a program and returns a value.
//!
//! Read these five first, in this order; the others follow from them:
//!
//! 1. [`input`]: a file becomes a [`Program`](mm_fuzz::program::Program), or an error that says what to do.
//! 2. [`run`]: a program runs with some [`bugs`], and ends with a pass or with a finding.
//! 3. [`minimize`]: a program with a finding becomes the shortest one with the same finding.
//! 4. [`objection`]: the function of the kernel in which something first was wrong.
//! 5. [`cluster`]: programs with findings become bugs, by what the three before say of each.
//!
//! ```
//! use mm_triage::run::{Ended, run};
//! use mm_triage::bugs::Bugs;
//!
//! let program = "mmap p0 0 1 rw\nwrite p0 0".parse().expect("a program");
//! assert!(matches!(run(&program, &Bugs::default(), false, &mut ()), Ended::Pass { .. }));
//! ```
//!
//! No module uses another one that uses it, directly or not; `tests/modules.rs` sees to it.
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
