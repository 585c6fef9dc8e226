//! Walking the entries of a range, one page table at a time, as the loops over
//! `pte_offset_map_lock` do in `mm/memory.c`, `mm/mprotect.c`, `mm/madvise.c` and
//! `fs/proc/task_mmu.c`.
//!
//! Locks: the caller holds `mmap_lock`. One page table is one section, that is, one hold of the
//! page-table lock.

use crate::huge_split::Split;
use crate::ids::{MmId, Pfn, PteRef, TableId};
use crate::lock::Site;
use crate::state::{Current, State};
use core::ops::Range;

impl State {
    /// Counts the entries after the one for `addr` that map the following pages of the same folio,
    /// one after the other (`folio_pte_batch`). Stops at `end`, and at the end of the page table.
    pub(crate) fn folio_pte_batch(&self, pgd: TableId, addr: u64, end: u64) -> u64 {
        let page = |addr| {
            let at = self.tables.pte_offset(pgd, addr)?;
            Some(self.tables.get(at).present()?.pfn())
        };
        let Some(first) = page(addr).filter(|page| *page != Pfn::ZERO) else {
            return 0;
        };
        let folio = self.folio(first);
        let end = end.min(self.geometry().end_of(addr, 0));
        let behind = (addr + 1..end).zip(first.0 + 1..);
        let same = behind.take_while(|(addr, pfn)| {
            page(*addr) == Some(Pfn(*pfn)) && self.folio(Pfn(*pfn)) == folio
        });
        same.count() as u64
    }

    /// True if entries in `range`, all in one page table, map all pages of the folio of `page` in
    /// their order. The entry for `addr` maps `page`.
    pub(crate) fn maps_all_of_folio(
        &self,
        mm: MmId,
        range: &Range<u64>,
        addr: u64,
        page: Pfn,
    ) -> bool {
        let unit = self.whole(self.folio(page));
        let Some(first) = addr.checked_sub(u64::from(page.0 - unit.first.0)) else {
            return false;
        };
        let pgd = self.mm(mm).pgd;
        let names_head = || {
            let pte = self.tables.entry_for(pgd, first).present();
            pte.is_some_and(|pte| pte.pfn() == unit.first)
        };
        range.start <= first
            && names_head()
            && self.folio_pte_batch(pgd, first, range.end) + 1 == u64::from(unit.nr)
    }
}

impl Current<'_> {
    /// Calls `each` for the entries of `range`, with a scheduling point before each page table. For
    /// a huge entry, the walk calls `huge`, with true if the range covers all of the entry. If
    /// `huge` returns false, the walk splits the entry, and then calls `each`. Set `flush` if
    /// `each` skips empty entries: reclaim may have cleared one without flushing, leaving a stale
    /// TLB entry (`flush_tlb_batched_pending`).
    pub(crate) async fn walk_page_range(
        self,
        mm: MmId,
        range: Range<u64>,
        site: Site,
        flush: bool,
        each: impl Fn(&mut State, PteRef),
        huge: impl Fn(&mut State, PteRef, bool) -> bool,
    ) {
        zoo!(self, Bug::StaleTlbDeferred if site == Site::MadvisePteRange => let flush = false);
        zoo!(self, Bug::MprotectVsBatchedUnmap if site == Site::ChangePteRange =>
            let flush = false);
        let mut addr = range.start;
        loop {
            self.preempt(site).await;
            let s = &mut *self.state();
            let pgd = s.mm(mm).pgd;
            let Some(part) = s.tables.next_part(pgd, addr..range.end) else {
                return;
            };
            s.tasks[self.task.ix()].walked += 1;
            if flush {
                s.flush_tlb_batched_pending(mm);
            }
            if let Some(at) = part.huge {
                let covered = part.range.end - part.range.start == s.geometry().span(0);
                if huge(s, at, covered) {
                    addr = part.range.end;
                    continue;
                }
                let vma = s.find_vma(mm, part.range.start);
                vma.inspect(|vma| s.split_huge_pmd_locked(*vma, at, Split::Mapped));
            }
            for addr in part.range.clone() {
                if let Some(at) = s.tables.pte_offset(pgd, addr) {
                    each(s, at);
                }
            }
            addr = part.range.end;
        }
    }
}
