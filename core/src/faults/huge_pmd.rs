//! The forms of a huge entry: what operations do with an entry that stands for a whole huge page.
//!
//! An entry of which an operation covers only a part is [split](crate::huge_split) first.
//!
//! Corresponds to `mm/huge_memory.c`.

use crate::ids::{Pfn, PteRef, VmaId};
use crate::pte::Pte;
use crate::state::{Current, State};

impl State {
    /// Removes a whole huge entry, under the PMD lock (`zap_huge_pmd`).
    pub(crate) fn zap_huge_pmd(&mut self, cur: Current<'_>, vma: VmaId, at: PteRef) {
        let pte = self.tables.get(at);
        let Some(pmd) = pte.present() else { return };
        self.set_pte_gathered(cur.task, at, pte, Pte::NONE);
        self.free_deposit(at);
        if pmd.pfn() == Pfn::ZERO {
            return;
        }
        let mm = self.vma(vma).mm;
        self.mm_mut(mm).anon_rss -= 1 << self.pmd_order();
        let unit = self.whole(self.folio(pmd.pfn()));
        self.folio_remove_rmap(unit, vma);
        self.tlb_remove_folio(cur.task, unit.folio);
    }

    fn free_deposit(&mut self, at: PteRef) {
        if let Some(table) = self.tables.withdraw(at) {
            self.tables.free(table);
        }
    }
}
