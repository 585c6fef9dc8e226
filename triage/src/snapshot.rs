//! A snapshot of the machine's state at one moment. The state itself moves on, and cannot be
//! copied.

use mm_core::{AnonVmaId, Entry, MmId, Page, Pfn, Pte, PteWrite, Softleaf, State, VmFlags, VmaId};
use std::collections::BTreeSet;
use std::ops::Range;

/// An entry and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryAt {
    /// The address space.
    pub mm: MmId,
    /// The page number, in the address space, that the entry translates.
    pub addr: u64,
    /// The entry. For a page of a huge entry: the entry that a split would give it.
    pub pte: Pte,
    /// The huge entry that stands for the page, if one does.
    pub huge: Option<Huge>,
}

/// The place of a page in a huge entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Huge {
    /// The number of the page, from 0.
    pub page: u64,
    /// The number of pages that the huge entry maps.
    pub pages: u64,
}

/// A VMA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaAt {
    /// Its number.
    pub id: VmaId,
    /// The address space that it belongs to.
    pub mm: MmId,
    /// The addresses that it covers.
    pub range: Range<u64>,
    /// Its flags.
    pub flags: VmFlags,
}

/// The struct pages, the entries, the VMAs and the reverse map, and what has changed since the
/// oracles last looked.
#[derive(Debug, Default)]
pub struct Snapshot {
    pages: Vec<(Pfn, Page)>,
    entries: Vec<EntryAt>,
    areas: Vec<AreaAt>,
    edges: Vec<(VmaId, AnonVmaId, MmId)>,
    writes: Vec<PteWrite>,
    touched: Vec<Pfn>,
}

/// The page that an entry names, whatever its format.
pub fn named(pte: Pte) -> Option<Pfn> {
    match pte.decode() {
        Entry::None => None,
        Entry::Present(present) => Some(present.pfn()),
        Entry::Leaf(leaf) => leaf.softleaf().and_then(Softleaf::pfn),
    }
}

impl Snapshot {
    /// Takes the snapshot anew.
    pub fn take(&mut self, s: &State) {
        self.pages.clear();
        self.pages
            .extend(s.memmap().iter().map(|(pfn, page)| (pfn, *page)));
        self.entries.clear();
        let tables = s.tables();
        let huge = tables.tables().flat_map(|(id, table)| {
            let entries = tables.huge_entries(id);
            entries.map(|(addr, _)| (table.mm, addr))
        });
        let huge: BTreeSet<(MmId, u64)> = huge.collect();
        let pages = s.geometry().span(0);
        self.entries.extend(tables.mapped().map(|(mm, addr, pte)| {
            let page = addr % pages;
            let huge = huge.contains(&(mm, addr - page));
            let huge = huge.then_some(Huge { page, pages });
            EntryAt {
                mm,
                addr,
                pte,
                huge,
            }
        }));
        self.areas.clear();
        for (_, mm) in s.mms().iter() {
            let areas = mm.vmas.iter().map(|id| (*id, s.vma(*id)));
            self.areas.extend(areas.map(|(id, vma)| AreaAt {
                id,
                mm: vma.mm,
                range: vma.range(),
                flags: vma.flags,
            }));
        }
        self.edges.clear();
        let links = s.avcs().iter().filter(|(id, _)| s.avcs().is_live(*id));
        let links = links.filter(|(_, avc)| s.vmas().is_live(avc.vma.0));
        self.edges
            .extend(links.map(|(_, avc)| (avc.vma, avc.anon_vma, s.vma(avc.vma).mm)));
        let leaves = s.pte_writes().iter().filter_map(|write| write.of_leaf());
        self.writes.clear();
        self.writes
            .extend(leaves.flat_map(|write| write.by_page(s.geometry())));
        self.touched.clear();
        self.touched.extend(s.memmap().touched());
    }

    /// All struct pages that have been used.
    pub fn pages(&self) -> &[(Pfn, Page)] {
        &self.pages
    }

    /// The entries of all mapped pages, in no order.
    pub fn entries(&self) -> &[EntryAt] {
        &self.entries
    }

    /// The VMAs, by address space and address.
    pub fn areas(&self) -> &[AreaAt] {
        &self.areas
    }

    /// The entry for an address.
    pub fn entry(&self, mm: MmId, addr: u64) -> Pte {
        let found = |entry: &&EntryAt| (entry.mm, entry.addr) == (mm, addr);
        self.entries
            .iter()
            .find(found)
            .map_or(Pte::NONE, |entry| entry.pte)
    }

    /// The links of the reverse map: the VMA, its anon_vma, and the VMA's address space.
    pub fn edges(&self) -> &[(VmaId, AnonVmaId, MmId)] {
        &self.edges
    }

    /// The struct page of `pfn`, if it has been used.
    pub fn page(&self, pfn: Pfn) -> Option<&Page> {
        let found = self.pages.iter().find(|(other, _)| *other == pfn);
        found.map(|(_, page)| page)
    }

    /// The entries that name `pfn`, sorted by address space and address.
    pub fn entries_of(&self, pfn: Pfn) -> Vec<EntryAt> {
        let mut entries: Vec<EntryAt> = self
            .entries
            .iter()
            .filter(|entry| named(entry.pte) == Some(pfn))
            .copied()
            .collect();
        entries.sort_by_key(|entry| (entry.mm, entry.addr));
        entries
    }

    /// The pages that entries in `range` name, in any address space.
    pub fn pages_in(&self, range: &Range<u64>) -> impl Iterator<Item = Pfn> {
        self.entries
            .iter()
            .filter(|entry| range.contains(&entry.addr))
            .filter_map(|entry| named(entry.pte))
    }

    /// The writes of entries, page by page.
    pub fn writes(&self) -> &[PteWrite] {
        &self.writes
    }

    /// The struct pages that changed.
    pub fn touched(&self) -> &[Pfn] {
        &self.touched
    }
}
