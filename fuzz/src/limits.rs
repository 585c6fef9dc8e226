//! Every limit: of a program, of what it holds while it runs, and of the machine.
//!
//! `program/operand.rs` declares the ranges of operands, and compares them with these limits at
//! compile time.

pub use mm_core::{DEVICES, MAX_TASKS};

/// Maximum number of operations in a program, in every form.
pub const MAX_OPS: usize = 256;
/// Maximum number of preemptions in a program, in every form.
pub const MAX_PREEMPTIONS: usize = 32;
/// Maximum number of records, each an operation or a preemption, in an input of an engine, unless
/// the user gives another length. Every witness has at most a quarter of them, so an engine has
/// room for operations that do nothing for the bug. All engines have the same maximum, so that a
/// campaign can compare them. [`wire::MAX_INPUT_BYTES`](crate::program::wire::MAX_INPUT_BYTES) is
/// the same in bytes.
pub const MAX_INPUT_RECORDS: usize = 64;

/// Maximum number of threads of a program.
pub const MAX_THREADS: u8 = 4;
/// Number of pages in the window: all that a program can name.
pub const WINDOW_PAGES: u32 = 32;

/// Maximum number of processes at a time.
pub const MAX_PROCS: usize = 8;
/// Maximum number of references, and of folio locks, at a time.
pub const MAX_HELD: usize = 8;
/// The first of the tasks that hold a migration open; the tasks before it are threads.
pub const FIRST_WORKER: usize = MAX_THREADS as usize;
/// Maximum number of open migrations at a time.
pub const MAX_WORKERS: usize = MAX_TASKS - FIRST_WORKER;

/// Number of scheduling points after which a run is stopped.
pub const STEP_BUDGET: u32 = 1 << 20;
