//! Device drivers, and the kernel's functions for them.

pub(crate) mod device_exclusive;
pub mod dmirror;
pub(crate) mod driver;
pub(crate) mod hmm;
pub(crate) mod notifier;
