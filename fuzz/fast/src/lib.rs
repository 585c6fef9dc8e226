//! A fuzzing engine made for programs: it keeps and mutates [`Program`](mm_fuzz::program::Program)s
//! instead of bytes, runs them in its own process, and survives findings.
//!
//! `mm-fast` (`main.rs`) is a worker of `make fuzz ENGINE=fast`. [`engine`] is the loop, [`corpus`]
//! says what is kept and what is mutated next, [`runner`] runs programs, [`folder`] has the files.
//! docs/experiments/fast-engine.md has the measurements behind it.

pub mod corpus;
pub mod engine;
pub mod folder;
pub mod raw;
pub mod runner;
pub mod watch;
