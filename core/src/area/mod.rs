//! VMAs, and the system calls that change them.

pub(crate) mod madvise;
pub(crate) mod merge;
pub(crate) mod mlock;
pub(crate) mod mmap;
pub(crate) mod move_page_tables;
pub(crate) mod mprotect;
pub(crate) mod mremap;
pub(crate) mod vma;
pub(crate) mod zap;
