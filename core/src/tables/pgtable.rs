//! Radix page tables.
//!
//! One array holds all entries of all tables; a [`PteRef`] names one of them. `PageTables::set`
//! writes an entry and records the write in the [trace](crate::trace), so that an observer can
//! follow the tables without reading them. A split of a huge entry is recorded as writes of its
//! pages (`PageTables::split`). [`walk`](crate::walk) reads the tables.
//!
//! Corresponds to `include/linux/pgtable.h`, `mm/pgtable-generic.c`, `free_pgtables` in
//! `mm/memory.c`.

use crate::geometry::Geometry;
use crate::identity::Identity;
use crate::ids::{MmId, Pfn, PteRef, TableId};
use crate::pte::{PresentPte, Pte, PteFlags};
use crate::trace::PteWrite;
use crate::walk::Below;
use alloc::vec::Vec;
use core::hash::Hash;
use core::ops::Range;

/// The description of one page table.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Table {
    /// The address space that it belongs to.
    pub mm: MmId,
    /// Its level; 0 is the lowest.
    pub level: u32,
    /// The first address that it spans.
    pub base: u64,
    /// Number of entries that are not empty.
    pub used: u32,
    /// The lowest index that was written since the table was allocated.
    low: u32,
    /// One more than the highest such index.
    high: u32,
    /// True while the table is allocated: linked in an address space, or deposited there.
    pub live: bool,
}

impl Table {
    const fn new(mm: MmId, level: u32, base: u64) -> Self {
        Self {
            mm,
            level,
            base,
            used: 0,
            low: u32::MAX,
            high: 0,
            live: false,
        }
    }
}

/// The page tables of all address spaces.
#[derive(Debug)]
pub struct PageTables {
    geometry: Geometry,
    entries: Vec<Pte>,
    tables: Vec<Table>,
    free: Vec<TableId>,
    used: u32,
    /// The deposited page tables, oldest first. Each pair names the table that holds the huge
    /// entry, and then the deposited table.
    deposited: Vec<(TableId, TableId)>,
    pub(crate) writes: Vec<PteWrite>,
}

impl PageTables {
    pub(crate) fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            entries: Vec::new(),
            tables: Vec::new(),
            free: Vec::new(),
            used: 0,
            deposited: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// Allocates an empty table.
    pub(crate) fn alloc(&mut self, mm: MmId, level: u32, base: u64) -> TableId {
        let id = self.free.pop().unwrap_or_else(|| {
            let id = TableId(self.used);
            self.used += 1;
            if id.ix() == self.tables.len() {
                self.tables.push(Table::new(mm, level, base));
                let len = self.entries.len() + self.geometry.entries();
                self.entries.resize(len, Pte::NONE);
            }
            id
        });
        self.tables[id.ix()] = Table {
            live: true,
            ..Table::new(mm, level, base)
        };
        id
    }

    /// Frees a table. Entries that it still holds are cleared, and recorded as writes.
    pub(crate) fn free(&mut self, id: TableId) {
        if self.tables[id.ix()].used != 0 {
            for index in 0..self.geometry.entries() {
                self.set(self.entry(id, index), Pte::NONE);
            }
        }
        self.tables[id.ix()].live = false;
        self.free.push(id);
    }

    pub(crate) fn identify(&self, id: &mut impl Identity) {
        let Self {
            geometry,
            entries,
            tables,
            free,
            used,
            deposited,
            writes,
        } = self;
        let used = *used as usize;
        tables[..used].hash(id);
        entries[..used << geometry.table_bits()].hash(id);
        (free, deposited, writes.len()).hash(id);
    }

    pub(crate) const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    #[inline]
    pub(crate) const fn entry(&self, id: TableId, index: usize) -> PteRef {
        PteRef((id.0 << self.geometry.table_bits()) | index as u32)
    }

    /// Makes the count of used entries of a table wrong.
    #[cfg(feature = "tamper")]
    pub(crate) fn miscount(&mut self, at: PteRef) {
        self.tables[at.ix() >> self.geometry.table_bits()].used += 1;
    }

    /// The entries of the table of `at`, from `at` to the last one.
    pub(crate) fn from(&self, at: PteRef) -> impl Iterator<Item = PteRef> + use<> {
        let last = at.0 | (self.geometry.entries() as u32 - 1);
        (at.0..=last).map(PteRef)
    }

    /// The entries of the table of `at` before `at`, from the nearest to the first one.
    pub(crate) fn before(&self, at: PteRef) -> impl Iterator<Item = PteRef> + use<> {
        let first = at.0 & !(self.geometry.entries() as u32 - 1);
        (first..at.0).rev().map(PteRef)
    }

    /// The table that holds `at`.
    pub fn table(&self, at: PteRef) -> &Table {
        &self.tables[at.ix() >> self.geometry.table_bits()]
    }

    pub(crate) fn level(&self, id: TableId) -> u32 {
        self.tables[id.ix()].level
    }

    /// All tables that are part of an address space, and those deposited there.
    pub fn tables(&self) -> impl Iterator<Item = (TableId, &Table)> {
        let used = self.tables[..self.used as usize].iter().enumerate();
        used.filter(|(_, t)| t.live)
            .map(|(i, t)| (TableId(i as u32), t))
    }

    /// Every page that an entry of any level stands for: its address space and address, and the
    /// entry as if it were [split](Pte::part).
    pub fn mapped(&self) -> impl Iterator<Item = (MmId, u64, Pte)> {
        self.tables().flat_map(move |(id, table)| {
            let entries = self.entries(id);
            entries.flat_map(move |(addr, pte)| {
                let pages = 0..self.pages(pte, table.level);
                pages.map(move |i| (table.mm, addr + i, pte.part(i as u32)))
            })
        })
    }

    /// The entries of table `id` from the lowest to the highest that was written since the table
    /// was allocated, with their addresses. All others are empty.
    pub fn entries(&self, id: TableId) -> impl Iterator<Item = (u64, Pte)> {
        let Table {
            level, base, low, ..
        } = self.tables[id.ix()];
        let step = self.geometry.span(level) >> self.geometry.table_bits();
        let first = base + u64::from(low) * step;
        let entries = self.entries[self.written(id)].iter();
        entries
            .enumerate()
            .map(move |(i, pte)| (first + i as u64 * step, *pte))
    }

    /// The same entries of table `id`, as a range of the array of all entries.
    fn written(&self, id: TableId) -> Range<usize> {
        let Table { low, high, .. } = self.tables[id.ix()];
        let first = self.entry(id, 0).ix();
        first + (low as usize).min(high as usize)..first + high as usize
    }

    /// The address that the entry `at` translates.
    pub fn addr(&self, at: PteRef) -> u64 {
        let table = self.table(at);
        let index = at.ix() & (self.geometry.entries() - 1);
        table.base + ((index as u64) << (self.geometry.table_bits() * table.level))
    }

    /// Reads an entry (`ptep_get`).
    #[inline]
    pub fn get(&self, at: PteRef) -> Pte {
        self.entries[at.ix()]
    }

    /// Writes an entry (`set_pte_at`).
    #[inline]
    pub(crate) fn set(&mut self, at: PteRef, new: Pte) {
        let slot = &mut self.entries[at.ix()];
        let old = core::mem::replace(slot, new);
        let table = &mut self.tables[at.ix() >> self.geometry.table_bits()];
        table.used = table.used + u32::from(old.is_none()) - u32::from(new.is_none());
        let (mm, level) = (table.mm, table.level);
        let index = (at.ix() & (self.geometry.entries() - 1)) as u32;
        table.low = table.low.min(index);
        table.high = table.high.max(index + 1);
        let addr = table.base + (u64::from(index) << (self.geometry.table_bits() * level));
        self.writes.push(PteWrite {
            at,
            mm,
            addr,
            level,
            old,
            new,
        });
    }

    /// Allocates a table of `level` and makes `at` point to it (`pmd_install`).
    pub(crate) fn install(&mut self, at: PteRef, mm: MmId, level: u32, addr: u64) {
        let base = addr & !(self.geometry.span(level) - 1);
        let id = self.alloc(mm, level, base);
        self.set(at, Self::pointer(id));
    }

    const fn table_of(&self, at: PteRef) -> TableId {
        TableId(at.0 >> self.geometry.table_bits())
    }

    /// Gives an empty lowest-level table to the huge entry that `at` becomes
    /// (`pgtable_trans_huge_deposit`).
    pub(crate) fn deposit(&mut self, at: PteRef, table: TableId) {
        self.deposited.push((self.table_of(at), table));
    }

    /// Empties the entry that points to the lowest-level table for `addr`. Returns that entry and
    /// the table (`pmdp_collapse_flush`, without the flush).
    pub(crate) fn unlink(&mut self, pgd: TableId, addr: u64) -> Option<(PteRef, TableId)> {
        let mut table = pgd;
        for level in (1..self.geometry.levels()).rev() {
            let at = self.entry(table, self.geometry.index(addr, level));
            let Below::Table(below) = Below::of(self.get(at)) else {
                return None;
            };
            if level == 1 {
                self.set(at, Pte::NONE);
                return Some((at, below));
            }
            table = below;
        }
        None
    }

    /// Takes the table that was deposited first in the table of `at`
    /// (`pgtable_trans_huge_withdraw`).
    pub(crate) fn withdraw(&mut self, at: PteRef) -> Option<TableId> {
        let of = self.table_of(at);
        let first = self.deposited.iter().position(|(owner, _)| *owner == of)?;
        Some(self.deposited.remove(first).1)
    }

    /// Moves a deposited table along with a huge entry: withdraws one at `from`, and deposits it at
    /// `to`. Does nothing if both entries lie in one table (`pmd_move_must_withdraw`).
    pub(crate) fn move_deposit(&mut self, from: PteRef, to: PteRef) {
        if self.table_of(from) != self.table_of(to)
            && let Some(table) = self.withdraw(from)
        {
            self.deposit(to, table);
        }
    }

    /// Number of tables that are deposited in table `id`.
    pub fn deposits(&self, id: TableId) -> usize {
        self.deposited.iter().filter(|(of, _)| *of == id).count()
    }

    /// Replaces a huge entry by `table`, with an entry for each of its pages. The log has one write
    /// for each page, from the [part](Pte::part) of the huge entry to the new entry.
    pub(crate) fn split(&mut self, at: PteRef, table: TableId, entry: impl Fn(u32) -> Pte) {
        let huge = self.get(at);
        self.tables[table.ix()].base = self.addr(at);
        for i in 0..self.geometry.entries() {
            self.set(self.entry(table, i), entry(i as u32));
            if let Some(write) = self.writes.last_mut() {
                write.old = huge.part(i as u32);
            }
        }
        self.entries[at.ix()] = Self::pointer(table);
    }

    /// An entry that points to a table.
    fn pointer(table: TableId) -> Pte {
        let entry = PresentPte::new(Pfn(table.0));
        entry.set(PteFlags::RW, true).pte()
    }

    /// Frees the tables on the way to `range` that lie entirely within `limits`, which are the
    /// bounds of the neighbouring VMAs (`free_pgd_range` with its floor and ceiling).
    pub(crate) fn free_range(&mut self, pgd: TableId, range: Range<u64>, limits: Range<u64>) {
        self.free_below(pgd, self.geometry.levels() - 1, &range, &limits);
    }

    fn free_below(&mut self, id: TableId, level: u32, range: &Range<u64>, limits: &Range<u64>) {
        if level == 0 {
            return;
        }
        let base = self.tables[id.ix()].base;
        let span = self.geometry.span(level - 1);
        let first = range.start.saturating_sub(base) / span;
        let last = (range.end - 1 - base) / span;
        for index in first..=last.min(self.geometry.entries() as u64 - 1) {
            let at = self.entry(id, index as usize);
            let Below::Table(child) = Below::of(self.get(at)) else {
                continue;
            };
            self.free_below(child, level - 1, range, limits);
            let start = base + index * span;
            if limits.start <= start && start + span <= limits.end {
                self.set(at, Pte::NONE);
                self.free(child);
            }
        }
    }

    pub(crate) fn reset(&mut self) {
        for id in (0..self.used).map(TableId) {
            if core::mem::take(&mut self.tables[id.ix()].used) != 0 {
                let written = self.written(id);
                self.entries[written].fill(Pte::NONE);
            }
            self.tables[id.ix()].live = false;
        }
        self.used = 0;
        self.deposited.clear();
        self.free.clear();
        self.writes.clear();
    }
}
