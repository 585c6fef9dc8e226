//! Page tables, the formats of their entries, and TLBs.

pub(crate) mod page_vma_mapped;
pub(crate) mod pagemap;
pub(crate) mod pagewalk;
pub(crate) mod pgtable;
pub(crate) mod pte;
pub(crate) mod tlb;
