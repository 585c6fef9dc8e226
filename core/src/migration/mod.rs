//! Migration to another frame, to a device, and back.

pub(crate) mod compaction;
pub(crate) mod migrate;
pub(crate) mod migrate_device;
pub(crate) mod migrate_vma;
