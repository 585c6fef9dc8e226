//! What an operation shows of a page, to user space or to a device.

use mm_core::{DevId, HmmPfn, Pagemap};

/// What an operation showed of a page.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// Shown by pagemap.
    Pagemap(Pagemap),
    /// Shown to a device by a snapshot.
    Snapshot(DevId, HmmPfn),
}
