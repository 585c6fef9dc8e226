//! From a page to the entries that map it.
//!
//! [`anon_vma`] explains the data structure, [`rmap`] counts the mappings of a page and walks them.

pub mod anon_vma;
pub mod rmap;
pub(crate) mod unmap;
