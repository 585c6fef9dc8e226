use crate::huge_split::Split;
use crate::ids::{Folio, MmId, Pfn, PteRef, VmaId};
use crate::migrate_vma::MigrateVma;
use crate::page::PageFlags;
use crate::pte::{Entry, Pte, Softleaf, SwapFlags};
use crate::rmap::Unit;
use crate::state::{Current, State};
use crate::walk::Walk;

impl Pte {
    /// True for a device-private entry.
    pub(crate) fn is_device_private(self) -> bool {
        self.leaf().is_some_and(|leaf| leaf.is_device_private())
    }

    /// The non-present entry with the soft-dirty bit of `other`.
    pub(crate) fn as_soft_dirty_as(self, other: Self) -> Self {
        let on = other.tracking().contains(SwapFlags::SOFT_DIRTY);
        match self.decode() {
            Entry::Leaf(swap) => swap.set(SwapFlags::SOFT_DIRTY, on).pte(),
            _ => self,
        }
    }
}

impl State {
    /// The huge entry for `addr`, whatever it maps.
    pub(crate) fn huge_pmd(&self, mm: MmId, addr: u64) -> Option<PteRef> {
        match self.tables.walk(self.mm(mm).pgd, addr) {
            Walk::Huge(at, _) => Some(at),
            Walk::Pte(_) | Walk::Hole(..) => None,
        }
    }

    /// Clears `PageAnonExclusive` of all pages but the first.
    pub(crate) fn unshare_tails(&mut self, unit: Unit) {
        for page in unit.pages().skip(1) {
            let flags = &mut self.page_mut(page).flags;
            flags.remove(PageFlags::ANON_EXCLUSIVE);
        }
    }

    /// Frees a page table that is deposited in the table of `at`.
    pub(crate) fn forget_deposit(&mut self, at: PteRef) {
        if let Some(table) = self.tables.withdraw(at) {
            self.tables.free(table);
        }
    }

    /// When a huge migration entry is split, takes a reference for each of its pages except one.
    pub(crate) fn get_split_migration(&mut self, pmd: Pte) {
        if let Some(Softleaf::Migration(entry)) = pmd.leaf() {
            let unit = self.whole(self.folio(entry.pfn));
            self.folio_ref_add(unit.folio, unit.nr as i32 - 1);
        }
    }

    /// Counts a mapping of each page of a huge migration entry that is split.
    pub(crate) fn map_split_migration(&mut self, vma: VmaId, pmd: Pte) {
        if let Some(Softleaf::Migration(entry)) = pmd.leaf() {
            let unit = self.whole(self.folio(entry.pfn));
            self.folio_add_anon_rmap(Unit { level: 0, ..unit }, vma, false);
        }
    }

    /// Leaves the pages of a freed folio as tails of it.
    pub(crate) fn leave_tails(&mut self, folio: Folio, order: u8) {
        for i in 1..1 << order {
            self.page_mut(Pfn(folio.head().0 + i)).tail_offset = i;
        }
    }

    /// Splits whatever huge entry stands for element `i`, and no other, as if it were the migration
    /// entry of the source.
    pub(crate) fn split_own_migration_pmd(&mut self, args: &MigrateVma, i: usize) {
        let Some(area) = &args.area else { return };
        let addr = area.range.start + i as u64;
        if let Walk::Huge(at, _) = self.tables.walk(self.mm(area.mm).pgd, addr) {
            self.split_huge_pmd_locked(area.vma, at, Split::Frozen);
        }
    }

    /// Gives the lock and reference of a fault to the folio of its page, which may have been freed
    /// after the split of `folio`.
    pub(crate) fn hand_over_fault(&mut self, cur: Current<'_>, args: &MigrateVma, folio: Folio) {
        let Some(part) = args.fault_page.map(|page| self.folio(page)) else {
            return;
        };
        if part != folio {
            self.folio_get(cur.task, part);
            self.folio_trylock(cur.task, part);
            self.folio_unlock(cur.task, folio);
            self.folio_put(cur.task, folio);
        }
    }
}
