use crate::ids::PteRef;
use crate::page::PageFlags;
use crate::rmap::Unit;
use crate::state::State;

impl State {
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
}
