//! VMAs, and the system calls that change them.
//!
//! An address space ([`Mm`](vma::Mm)) has a sorted list of VMAs ([`Vma`](vma::Vma)). Read [`mmap`]
//! first: VMAs are made, removed and split there. [`merge`] joins neighbours again, [`zap`] removes
//! entries. [`mremap`] and [`move_page_tables`] use all three, and the reverse map as well.

pub mod madvise;
pub mod merge;
pub mod mlock;
pub mod mmap;
pub mod move_page_tables;
pub mod mprotect;
pub mod mremap;
pub mod vma;
pub mod zap;
