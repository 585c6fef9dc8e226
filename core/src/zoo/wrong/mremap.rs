use crate::huge_memory::Thp;
use crate::ids::{PteRef, VmaId};
use crate::lock::Site;
use crate::move_page_tables::Move;
use crate::pte::{PresentPte, Pte, PteFlags};
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
use core::ops::Range;

impl State {
    /// The moved entry, with the write permission of the first present entry that has arrived in
    /// `batch`.
    pub(crate) fn writable_as_first(&self, batch: Range<PteRef>, pte: Pte) -> Pte {
        let Some(present) = pte.present() else {
            return pte;
        };
        let arrived = (batch.start.0..batch.end.0).map(|at| self.tables.get(PteRef(at)));
        let first = arrived.filter_map(Pte::present).next();
        let write = first.unwrap_or(present).write();
        present.set(PteFlags::RW, write).pte()
    }

    /// True if Linux moves the `count` entries from `from` on by moving their page table as a whole
    /// (`move_normal_pmd`). The entries must fill the table, or reach from somewhere in it to its
    /// end. In the second case, nothing may be mapped in front of the move, neither in this table
    /// nor in that of the destination (`try_realign_addr`).
    ///
    /// False in programs without huge pages: their pages are too few for a page table of Linux.
    pub(crate) fn moves_whole_table(&self, go: &Move, from: u64, count: u64) -> bool {
        let (span, to) = (self.geometry().span(0), go.to + (from - go.from));
        let in_front = from % span;
        let to_the_end = to % span == in_front && in_front + count == span;
        let registered = |vma| self.vma(vma).flags.contains(VmFlags::UFFD_WP);
        if self.thp == Thp::Never || !to_the_end || registered(go.src) || registered(go.dst) {
            return false;
        }
        let begins_at = |vma, addr: u64| {
            let vmas = &self.mm(self.vma(vma).mm).vmas;
            let mut before = vmas.iter().map(|vma| self.vma(*vma).range());
            self.vma(vma).start == addr
                && !before.any(|vma| vma.start < addr && vma.end > addr - in_front)
        };
        in_front == 0 || from == go.from && begins_at(go.src, from) && begins_at(go.dst, to)
    }

    /// Maps a new page at `addr`, as `uprobe_mmap` does when a VMA grows over a probed address.
    pub(crate) fn install_probed_page(
        &mut self,
        cur: Current<'_>,
        vma: VmaId,
        addr: u64,
    ) -> Result<(), Enomem> {
        let mm = self.vma(vma).mm;
        let Some(at) = self.pte_alloc(mm, addr)? else {
            return Ok(());
        };
        let folio = self.alloc_anon_folio(cur)?;
        self.mm_mut(mm).anon_rss += 1;
        self.map_new_anon_page(cur, vma, addr, at, PresentPte::new(folio.head()));
        Ok(())
    }
}

impl Current<'_> {
    /// Moves the VMA itself first and its entries afterwards, as `shift_arg_pages` does. Returns
    /// false, having done nothing, unless a whole VMA moves.
    pub(crate) async fn shift_area(self, vma: VmaId, old: &Range<u64>, new: &Range<u64>) -> bool {
        let len = old.end - old.start;
        let mm = {
            let s = &mut *self.state();
            let area = s.vma(vma);
            let mm = area.mm;
            if area.range() != *old || len != new.end - new.start {
                return false;
            }
            s.detach_vma(vma);
            let area = s.vma_mut(vma);
            (area.start, area.end) = (new.start, new.end);
            s.insert_vma(mm, vma);
            mm
        };
        let go = Move {
            src: vma,
            dst: vma,
            from: old.start,
            to: new.start,
            len,
            need_rmap_locks: false,
        };
        self.move_page_tables(&go).await;
        self.state().free_pgtables(mm, old.clone(), None);
        true
    }

    /// Links the copy of a VMA to the anon_vmas of its source, if that was left out before.
    pub(crate) async fn link_moved(self, go: &Move) {
        self.preempt(Site::MovePtes).await;
        let s = &mut *self.state();
        if s.vma(go.dst).chain.is_empty() {
            // if memory runs out, the VMA stays without links
            let _ = s.anon_vma_clone(go.dst, go.src);
        }
    }

    /// `empty_source`, except that the VMA still names the anon_vma that it was unlinked from.
    pub(crate) async fn empty_source_naming_anon_vma(self, vma: VmaId, old: &Range<u64>) {
        let own = { self.state().vma(vma).anon_vma };
        self.anon_vma_unlink(vma).await;
        let s = &mut *self.state();
        s.vma_mut(vma).anon_vma = own;
        s.vma_mut(vma).pgoff = old.start;
    }
}
