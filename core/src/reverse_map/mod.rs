//! From a page to the entries that map it.

pub(crate) mod anon_vma;
pub(crate) mod rmap;
pub(crate) mod unmap;
