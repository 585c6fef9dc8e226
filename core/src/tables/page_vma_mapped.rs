//! `page_vma_mapped_walk`: finds the entry in a VMA that maps a folio.
//!
//! Corresponds to `mm/page_vma_mapped.c`.

use crate::ids::{Folio, MmId, PteRef};
use crate::pte::{Entry, Pte, Softleaf};
use crate::state::State;

/// The entries that a walk looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// Entries that hold a reference and count in the mapcount.
    Mapping,
    /// Migration entries (`PVMW_MIGRATION`).
    Migration,
}

/// An entry found by the walk. It is valid until the page-table lock is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Its location.
    pub at: PteRef,
    /// Its value.
    pub pte: Pte,
}

impl State {
    /// The entry for `addr`, if it is of the wanted kind and names a page of `folio`. The caller
    /// holds the page-table lock, and uses the result before it drops the lock.
    pub(crate) fn page_vma_mapped_walk(
        &self,
        mm: MmId,
        addr: u64,
        folio: Folio,
        wanted: Wanted,
    ) -> Option<Found> {
        let at = self.tables().pte_offset(self.mm(mm).pgd, addr)?;
        let pte = self.tables().get(at);
        let leaf = pte.leaf();
        zoo!(self, Bug::PvmwDevprivNeverMatches =>
            let leaf = leaf.filter(|leaf| !leaf.is_device_private()));
        zoo!(self, Bug::ExclTreatedAsMigration if wanted == Wanted::Migration =>
            let leaf = leaf.map(Softleaf::as_migration));
        let pfn = match (pte.decode(), leaf, wanted) {
            (Entry::Present(present), _, Wanted::Mapping) => present.pfn(),
            (_, Some(Softleaf::DevicePrivate { pfn, .. }), Wanted::Mapping) => pfn,
            (_, Some(Softleaf::DeviceExclusive { pfn, .. }), Wanted::Mapping) => pfn,
            (_, Some(Softleaf::Migration(entry)), Wanted::Migration) => entry.pfn,
            _ => return None,
        };
        let (first, pages) = (folio.head().0, 1 << self.head(folio).order);
        (first..first + pages)
            .contains(&pfn.0)
            .then_some(Found { at, pte })
    }
}
