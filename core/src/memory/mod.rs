//! Pages, folios and the free lists.

pub(crate) mod folio;
pub(crate) mod memmap;
pub(crate) mod page;
