//! Migration to another frame, to a device, and back.
//!
//! [`migrate_vma`] describes a request of a driver, [`migrate_device`] has its three phases.
//! [`compaction`] moves a page within system memory, without a request.

pub mod compaction;
pub(crate) mod migrate;
pub mod migrate_device;
pub(crate) mod migrate_huge;
pub mod migrate_vma;
