//! What operations do with a huge entry: an entry that stands for a whole huge page.
//!
//! Most operations treat a huge entry as they treat one of the lowest level: the functions for
//! entries count by `Unit`, and a huge entry is one unit. This module has the parts that differ. If
//! an operation covers only a part of a huge entry, it [splits](crate::huge_split) the entry first.
//!
//! Corresponds to `mm/huge_memory.c`.

use crate::fork::{Copied, Copy};
use crate::huge_memory::PMD;
use crate::ids::{MmId, Pfn, PteRef, VmaId};
use crate::page::PageFlags;
use crate::pte::{Entry, Pte, PteFlags};
use crate::rmap::Unit;
use crate::state::{Current, Enomem, State};
use crate::walk::Walk;

impl State {
    /// Number of pages that the entry `at` stands for, or would stand for if it mapped a page.
    #[inline]
    pub(crate) fn entry_pages(&self, at: PteRef) -> u64 {
        match self.tables.table(at).level {
            0 => 1,
            level => self.geometry().span(level - 1),
        }
    }

    /// The pages that the entry `at` maps, the first of which is `page`.
    #[inline]
    pub(crate) fn entry_unit(&self, at: PteRef, page: Pfn) -> Unit {
        match self.tables.table(at).level {
            0 => self.unit(page),
            _ => self.whole(self.folio(page)),
        }
    }

    /// The huge entry for `addr` if it is still `orig`, under the PMD lock (`pmd_same`).
    pub(crate) fn pmd_same(&self, mm: MmId, addr: u64, orig: Pte) -> Option<PteRef> {
        match self.tables.walk(self.mm(mm).pgd, addr) {
            Walk::Huge(at, _) if self.tables.get(at) == orig => Some(at),
            _ => None,
        }
    }

    /// Removes a whole huge entry and frees the page table that it owns, under the PMD lock
    /// (`zap_huge_pmd`).
    pub(crate) fn zap_huge_pmd(&mut self, cur: Current<'_>, vma: VmaId, at: PteRef) {
        self.zap_pte(cur, vma, at);
        zoo!(self, Bug::DepositZapKept => return);
        if let Some(table) = self.tables.withdraw(at) {
            self.tables.free(table);
        }
    }

    /// Copies a huge entry for a fork, under both PMD locks (`copy_huge_pmd`). The child's entry
    /// gets a page table of its own. The entry of a pinned page is not copied, and the caller
    /// splits it.
    pub(crate) fn copy_huge_pmd(&mut self, copy: Copy, from: PteRef) -> Result<Copied, Enomem> {
        let (mm, addr) = (copy.dst_mm, self.tables.addr(from));
        let Some(to) = self.pmd_alloc(mm, addr)? else {
            return Ok(Copied::Done);
        };
        let table = self.alloc_deposit(mm, addr)?;
        let copied = match self.tables.get(from).decode() {
            Entry::None => Copied::NeedsPage,
            Entry::Present(pmd) => self.copy_present_pte(copy, from, to, pmd),
            Entry::Leaf(swap) => {
                self.copy_nonpresent_pte(copy, from, to, swap);
                Copied::Done
            }
        };
        match copied {
            Copied::Done => self.tables.deposit(to, table),
            Copied::NeedsPage => self.tables.free(table),
        }
        zoo!(self, Bug::DepositForkMissing if matches!(copied, Copied::Done) =>
            self.forget_deposit(to));
        Ok(copied)
    }

    /// Moves a huge entry to the aligned address `to`, with the page table that it owns, under both
    /// PMD locks (`move_huge_pmd`). Returns false if a table is in the way.
    pub(crate) fn move_huge_pmd(
        &mut self,
        mm: MmId,
        from: PteRef,
        to: u64,
        moved: impl Fn(Pte) -> Pte,
    ) -> bool {
        let Some(to) = self.empty_pmd(mm, to) else {
            return false;
        };
        let pmd = self.tables.get(from);
        let new = moved(pmd);
        zoo!(self, Bug::LatentMoveSoftdirtyDevprivPmd if pmd.is_device_private() =>
            let new = new.as_soft_dirty_as(pmd));
        let first = self.tables.addr(from);
        let owner = to;
        zoo!(self, Bug::DepositMoveMissing => let owner = from);
        self.tables.move_deposit(from, owner);
        self.tables.set(from, Pte::NONE);
        self.tables.set(to, new);
        if pmd.present().is_some() {
            self.flush_tlb_range(mm, first..first + self.geometry().span(PMD - 1));
        }
        true
    }

    /// Makes a whole huge page lazily freed, under the PMD lock, if nothing else maps the page and
    /// nobody holds its lock (`madvise_free_huge_pmd`).
    pub(crate) fn madvise_free_huge_pmd(&mut self, cur: Current<'_>, at: PteRef) {
        let Some(pmd) = self.tables.get(at).present() else {
            return;
        };
        let folio = self.folio(pmd.pfn());
        let shared = pmd.pfn() == Pfn::ZERO || self.head(folio).folio_mapcount() > 1;
        if shared || !self.folio_trylock(cur.task, folio) {
            return;
        }
        self.head_mut(folio).flags.remove(PageFlags::DIRTY);
        self.folio_unlock(cur.task, folio);
        self.set_pte_aged(cur, at, pmd, PteFlags::ACCESSED | PteFlags::DIRTY);
        self.folio_mark_lazyfree(folio);
    }
}
