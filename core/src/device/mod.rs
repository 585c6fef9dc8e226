//! Devices: the driver, and what the kernel offers it.

pub(crate) mod device_exclusive;
pub mod dmirror;
pub(crate) mod driver;
pub(crate) mod hmm;
pub(crate) mod notifier;
