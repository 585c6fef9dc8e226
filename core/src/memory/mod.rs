//! Pages, folios and the free lists.
//!
//! [`page`] has the fields of a `struct page`, [`folio`] allocates and frees folios, [`frames`]
//! hands out frames, [`memmap`] is the array of all struct pages.

pub mod folio;
pub mod frames;
pub mod memmap;
pub mod page;
