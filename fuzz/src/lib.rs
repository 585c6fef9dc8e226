//! An engine-free fuzzing library around `mm-core`.
//!
//! Bytes become a [`program`], and [`exec`] runs the program on the core under a schedule. The
//! [`oracle`]s check after each slice. The result is an [`exec::Verdict`]. An engine's target is a
//! few lines that call [`target`].
#![forbid(unsafe_code)]

pub mod call;
pub mod contract;
pub mod describe;
pub mod digest;
pub mod digest_lock;
pub mod distil;
pub mod exec;
pub mod exhaust;
pub mod feedback;
pub mod file;
pub mod finding;
pub mod invariant;
pub mod limits;
pub mod names;
pub mod ops;
pub mod oracle;
pub mod program;
pub mod reference;
pub mod shown;
pub mod slots;
pub mod target;
pub mod window;
#[cfg(feature = "zoo")]
pub mod zoo;

pub use mm_core::State;
