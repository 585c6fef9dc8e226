//! Device drivers, and the kernel's functions for them.
//!
//! [`driver`] has the trait that a driver implements, and [`dmirror`] implements it. A device that
//! mirrors an address space learns of changes by [`notifier`], and fills its own page table by
//! [`hmm`]. [`device_exclusive`] gives it a page of system memory for itself.

pub mod device_exclusive;
pub mod dmirror;
pub mod driver;
pub mod hmm;
pub mod notifier;
