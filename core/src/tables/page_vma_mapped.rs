//! `page_vma_mapped_walk`: finds the entries in a VMA that map pages of a folio.
//!
//! Corresponds to `mm/page_vma_mapped.c`.

use crate::ids::{Folio, MmId, Pfn, PteRef};
use crate::pte::{Entry, Pte, Softleaf};
use crate::state::State;
use crate::walk::Walk;
use core::ops::Range;

/// The entries that a walk looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// Entries that hold a reference and count in the mapcount.
    Mapping,
    /// Migration entries (`PVMW_MIGRATION`).
    Migration,
}

/// A walk over the entries of one address space that map a folio
/// (`struct page_vma_mapped_walk`).
#[derive(Clone, Debug)]
pub(crate) struct PageVmaMappedWalk {
    /// The address space.
    pub mm: MmId,
    /// The folio.
    pub folio: Folio,
    /// The addresses still to visit. They are those at which one VMA may map the folio, cut to
    /// the span of one lowest-level table.
    pub rest: Range<u64>,
    /// The entries that it looks for.
    pub wanted: Wanted,
}

/// An entry found by the walk. It is valid until the page-table lock is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Its location.
    pub at: PteRef,
    /// Its value.
    pub pte: Pte,
    /// The page that it names; the first page of a huge entry.
    pub page: Pfn,
}

impl State {
    /// The next entry that is of the wanted kind and names pages of the folio. The caller holds the
    /// page-table lock, and uses the result before it drops the lock. The walk goes on after the
    /// entry.
    pub(crate) fn page_vma_mapped_walk(&self, walk: &mut PageVmaMappedWalk) -> Option<Found> {
        let pgd = self.mm(walk.mm).pgd;
        while !walk.rest.is_empty() {
            let (at, next) = match self.tables().walk(pgd, walk.rest.start) {
                Walk::Pte(at) => (at, walk.rest.start + 1),
                Walk::Huge(at, _) => (at, walk.rest.end),
                Walk::Hole(..) => return None,
            };
            walk.rest.start = next;
            zoo!(self, Bug::PvmwPteMappedThp if self.tables().get(at).is_none() => return None);
            if let Some(found) = self.check_pte(walk, at) {
                return Some(found);
            }
        }
        None
    }

    /// The entry at `at` if it is of the wanted kind and names pages of the folio (`check_pte`,
    /// `check_pmd`).
    fn check_pte(&self, walk: &PageVmaMappedWalk, at: PteRef) -> Option<Found> {
        let (folio, wanted) = (walk.folio, walk.wanted);
        let pte = self.tables().get(at);
        let leaf = pte.leaf();
        zoo!(self, Bug::PvmwDevprivNeverMatches =>
            let leaf = leaf.filter(|leaf| !leaf.is_device_private()));
        zoo!(self, Bug::ExclTreatedAsMigration if wanted == Wanted::Migration =>
            let leaf = leaf.map(Softleaf::as_migration));
        let page = match (pte.decode(), leaf, wanted) {
            (Entry::Present(present), _, Wanted::Mapping) => present.pfn(),
            (_, Some(Softleaf::DevicePrivate { pfn, .. }), Wanted::Mapping) => pfn,
            (_, Some(Softleaf::DeviceExclusive { pfn, .. }), Wanted::Mapping) => pfn,
            (_, Some(Softleaf::Migration(entry)), Wanted::Migration) => entry.pfn,
            _ => return None,
        };
        let (first, pages) = (folio.head().0, 1 << self.head(folio).order);
        (first..first + pages)
            .contains(&page.0)
            .then_some(Found { at, pte, page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dmirror::Dmirror;
    use crate::geometry::Geometry;
    use crate::ids::TaskId;
    use crate::pte::{PresentPte, PteFlags};
    use crate::state::Kernel;
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    #[test]
    fn a_walk_finds_every_entry_of_a_large_folio() {
        let driver = Dmirror::new(Geometry::TINY.device_frames());
        let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
        let mm = kernel.current(TaskId(0)).mm_create().expect("room");
        let s = &mut *kernel.state();
        let folio = Folio::of_head(Pfn(40));
        s.head_mut(folio).order = 3;
        // addresses 8 to 15 have a huge entry for the folio; of the four small entries, those at 17
        // and 20 map pages of it
        let small = |pfn| PresentPte::new(Pfn(pfn));
        for (addr, pfn) in [(17, 43), (18, 60), (20, 47), (21, 48)] {
            let at = s.pte_alloc(mm, addr).expect("room").expect("a table");
            s.tables.set(at, small(pfn).pte());
        }
        let Walk::Hole(at, 1) = s.tables.walk(s.mm(mm).pgd, 8) else {
            panic!("only the upper table exists");
        };
        s.tables.set(at, small(40).set(PteFlags::PSE, true).pte());

        let section = |rest| {
            let wanted = Wanted::Mapping;
            let mut walk = PageVmaMappedWalk {
                mm,
                folio,
                rest,
                wanted,
            };
            let found = core::iter::from_fn(|| s.page_vma_mapped_walk(&mut walk));
            let found = found.map(|found| (s.tables.addr(found.at), found.page.0));
            found.collect::<Vec<_>>()
        };
        let sections: Vec<_> = s.geometry().tables(4..40).map(section).collect();
        let expected: [&[(u64, u32)]; 5] = [&[], &[(8, 40)], &[(17, 43), (20, 47)], &[], &[]];
        assert_eq!(sections, expected);
    }
}
