//! Page tables, the formats of their entries, and TLBs.
//!
//! [`pte`] has the formats of entries, [`pgtable`] the tables, [`walk`] the way down to an entry.
//! [`tlb`] has the translations that each CPU cached, and says who owes a flush.

pub(crate) mod page_vma_mapped;
pub mod pagemap;
pub(crate) mod pagewalk;
pub mod pgtable;
pub mod pte;
pub mod tlb;
pub mod walk;
