//! Differences between the model and Linux 6.12 that are understood and stay.
//!
//! Each says in which kernel function it arises and why the model does not follow. `mm-triage linux`
//! counts how often each occurs; one that `make linux-diff` no longer meets fails the run.

use mm_linux_protocol::Entry;

/// An accepted difference.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its name.
    pub name: &'static str,
    /// The kernel function.
    pub function: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// All of them: none. What was found so far was a mistake of the model's or of the driver's and is mended,
/// or belongs to 6.12 and is in `mm_core::Release`.
pub const ACCEPTED: [&Accepted; 0] = [];

/// The accepted difference that a pair of entries shows.
pub fn entry(_model: &Entry, _linux: &Entry) -> Option<&'static Accepted> {
    ACCEPTED.into_iter().next()
}
