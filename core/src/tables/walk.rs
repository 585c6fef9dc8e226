//! One walk of the page tables, for everybody who looks for the entry of an address.
//!
//! It ends at an entry of the lowest level, at a *huge entry*, or at a hole. An entry of an upper
//! level that is not empty points to a table or is a huge entry, which stands for all pages that
//! such a table would span. A present huge entry has `PSE`. A huge entry that is not present has
//! the form of a swap-type entry.
//!
//! Corresponds to `pgd_offset` and its relatives down to `pte_offset_map`, and to `pmd_is_huge`.

use crate::ids::{PteRef, TableId};
use crate::pgtable::PageTables;
use crate::pte::{PresentPte, Pte, PteFlags};
use core::ops::Range;

/// Where the walk for an address ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walk {
    /// At the entry of the lowest level, which may be empty.
    Pte(PteRef),
    /// At a huge entry, in a table of this level.
    Huge(PteRef, u32),
    /// At an empty entry in a table of this level; the next table does not exist.
    Hole(PteRef, u32),
}

/// A part of a range of addresses whose entries are in one table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// The addresses.
    pub range: Range<u64>,
    /// The huge entry that stands for them, if there is one.
    pub huge: Option<PteRef>,
}

/// What an entry of an upper level is.
#[derive(Clone, Copy)]
pub(crate) enum Below {
    Nothing,
    Table(TableId),
    Huge,
}

impl Below {
    /// Tells a pointer to a table from a huge entry.
    #[inline]
    pub(crate) const fn of(pte: Pte) -> Self {
        let p = PresentPte::assume(pte);
        if p.has(PteFlags::PRESENT) && !p.has(PteFlags::PSE) {
            Self::Table(TableId(p.pfn().0))
        } else if pte.is_none() {
            Self::Nothing
        } else {
            Self::Huge
        }
    }
}

impl PageTables {
    /// Walks down to the entry that stands for `addr`.
    #[inline]
    pub fn walk(&self, pgd: TableId, addr: u64) -> Walk {
        let geometry = self.geometry();
        let mut table = pgd;
        for level in (1..geometry.levels()).rev() {
            let at = self.entry(table, geometry.index(addr, level));
            match Below::of(self.get(at)) {
                Below::Table(below) => table = below,
                Below::Huge => return Walk::Huge(at, level),
                Below::Nothing => return Walk::Hole(at, level),
            }
        }
        Walk::Pte(self.entry(table, geometry.index(addr, 0)))
    }

    /// The lowest-level entry for `addr`, if its table exists (`pte_offset_map`).
    #[inline]
    pub fn pte_offset(&self, pgd: TableId, addr: u64) -> Option<PteRef> {
        match self.walk(pgd, addr) {
            Walk::Pte(at) => Some(at),
            Walk::Huge(..) | Walk::Hole(..) => None,
        }
    }

    /// The entry that stands for `addr`, for an observer to whom its level does not matter: a huge
    /// entry as if it were [split](Pte::part), and `Pte::NONE` if there is no table.
    pub fn entry_for(&self, pgd: TableId, addr: u64) -> Pte {
        match self.walk(pgd, addr) {
            Walk::Pte(at) | Walk::Huge(at, _) => self.part(at, addr),
            Walk::Hole(..) => Pte::NONE,
        }
    }

    /// The entry `at`, which stands for `addr`, as if it were [split](Pte::part); `Pte::NONE` if it
    /// points to a table.
    #[inline]
    pub fn part(&self, at: PteRef, addr: u64) -> Pte {
        let pte = self.get(at);
        match (self.table(at).level, Below::of(pte)) {
            (0, _) => pte,
            (_, Below::Huge) => pte.part((addr - self.addr(at)) as u32),
            (_, Below::Nothing | Below::Table(_)) => Pte::NONE,
        }
    }

    /// The pages that the entry `pte` of a table of `level` stands for: none if it is empty or
    /// points to a table.
    #[inline]
    pub(crate) const fn pages(&self, pte: Pte, level: u32) -> u64 {
        match (level, Below::of(pte)) {
            (_, Below::Nothing) => 0,
            (0, _) => 1,
            (_, Below::Huge) => self.geometry().span(level - 1),
            (_, Below::Table(_)) => 0,
        }
    }

    /// The huge entries of table `id`, with their addresses.
    pub fn huge_entries(&self, id: TableId) -> impl Iterator<Item = (u64, Pte)> {
        let upper = self.level(id) > 0;
        let entries = self.entries(id).filter(move |_| upper);
        entries.filter(|(_, pte)| matches!(Below::of(*pte), Below::Huge))
    }

    /// The next part of `range` that lies in one lowest-level table, or that one huge entry stands
    /// for.
    pub(crate) fn next_part(&self, pgd: TableId, range: Range<u64>) -> Option<Part> {
        let mut addr = range.start;
        while addr < range.end {
            let (huge, level) = match self.walk(pgd, addr) {
                Walk::Pte(_) => (None, 0),
                Walk::Huge(at, level) => (Some(at), level - 1),
                Walk::Hole(_, level) => {
                    addr = self.geometry().end_of(addr, level - 1);
                    continue;
                }
            };
            let end = self.geometry().end_of(addr, level);
            let range = addr..range.end.min(end);
            return Some(Part { range, huge });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dmirror::Dmirror;
    use crate::geometry::Geometry;
    use crate::ids::{MmId, Pfn, TaskId};
    use crate::state::Kernel;
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    /// Pages 8 to 15 have a huge entry, pages 16 to 23 a table with one entry; around them are
    /// holes.
    fn with_tables(check: impl FnOnce(&mut crate::state::State, MmId, TableId)) {
        let driver = Dmirror::new(Geometry::TINY.device_frames());
        let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
        let mm = kernel.current(TaskId(0)).mm_create().expect("room");
        let s = &mut *kernel.state();
        let pgd = s.mm(mm).pgd;
        let at = s.pte_alloc(mm, 17).expect("room").expect("a table");
        s.tables.set(at, PresentPte::new(Pfn(3)).pte());
        let Walk::Hole(at, 1) = s.tables.walk(pgd, 8) else {
            panic!("only the upper table exists");
        };
        let huge = PresentPte::new(Pfn(40)).set(PteFlags::PSE, true);
        s.tables.set(at, huge.pte());
        check(s, mm, pgd);
    }

    #[test]
    fn a_walk_tells_an_entry_a_huge_entry_and_a_hole_apart() {
        with_tables(|s, _, pgd| {
            assert!(matches!(s.tables.walk(pgd, 0), Walk::Hole(_, 1)));
            assert!(matches!(s.tables.walk(pgd, 15), Walk::Huge(_, 1)));
            assert!(matches!(s.tables.walk(pgd, 16), Walk::Pte(_)));
            assert!(matches!(s.tables.walk(pgd, 64), Walk::Hole(_, 2)));
            let frame = |addr| s.tables.entry_for(pgd, addr).present().map(PresentPte::pfn);
            let frames = [0, 8, 15, 16, 17].map(frame);
            assert_eq!(
                frames,
                [None, Some(Pfn(40)), Some(Pfn(47)), None, Some(Pfn(3))]
            );
        });
    }

    #[test]
    fn a_huge_entry_is_not_overwritten_by_a_table() {
        with_tables(|s, mm, pgd| {
            let before = s.tables.walk(pgd, 9);
            assert_eq!(s.pte_alloc(mm, 9), Ok(None));
            assert_eq!(s.tables.walk(pgd, 9), before);
        });
    }

    #[test]
    fn the_parts_of_a_range_are_its_tables_and_huge_entries() {
        with_tables(|s, _, pgd| {
            let mut parts = Vec::new();
            let mut addr = 3;
            while let Some(part) = s.tables.next_part(pgd, addr..80) {
                addr = part.range.end;
                parts.push((part.range, part.huge.is_some()));
            }
            assert_eq!(parts, [(8..16, true), (16..24, false)]);
        });
    }

    #[test]
    fn every_page_of_a_huge_entry_counts_as_mapped() {
        with_tables(|s, mm, _| {
            let mut mapped: Vec<_> = s.tables.mapped().collect();
            mapped.sort_unstable_by_key(|(_, addr, _)| *addr);
            let pages: Vec<_> = mapped.iter().map(|(of, addr, _)| (*of, *addr)).collect();
            let expected: Vec<_> = (8..16).chain([17]).map(|addr| (mm, addr)).collect();
            assert_eq!(pages, expected);
            let writes = s.tables.writes.iter().filter_map(|write| write.of_leaf());
            let written = writes.flat_map(|write| write.by_page(s.geometry()));
            let written: Vec<_> = written.map(|write| (write.addr, write.new)).collect();
            let known: Vec<_> = mapped.iter().map(|(_, addr, pte)| (*addr, *pte)).collect();
            assert_eq!(written[1..], known[..8]);
            assert_eq!(written[0], known[8]);
        });
    }
}
