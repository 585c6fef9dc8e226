//! Page tables, what their entries say, and what the CPUs remember of them.

pub(crate) mod page_vma_mapped;
pub(crate) mod pagemap;
pub(crate) mod pagewalk;
pub(crate) mod pgtable;
pub(crate) mod pte;
pub(crate) mod tlb;
