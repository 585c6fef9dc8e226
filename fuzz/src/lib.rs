//! An engine-free fuzzing library around `mm-core`.
#![forbid(unsafe_code)]

pub mod program;
