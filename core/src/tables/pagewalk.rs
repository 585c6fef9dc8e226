//! Walking the entries of a range, one page table at a time, as the loops over
//! `pte_offset_map_lock` do in `mm/memory.c`, `mm/mprotect.c`, `mm/madvise.c` and
//! `fs/proc/task_mmu.c`.
//!
//! Locks: the caller holds `mmap_lock`. One page table is one section, that is, one hold of the
//! page-table lock.

use crate::huge_split::Split;
use crate::ids::{MmId, PteRef};
use crate::lock::Site;
use crate::state::{Current, State};
use core::ops::Range;

impl Current<'_> {
    /// Calls `each` for the entries of `range`, with a scheduling point before each page table. If
    /// the range covers all of a huge entry, the walk calls `whole` for it. If `whole` returns
    /// false, or the range covers only a part, the walk splits the huge entry. Set `flush` if
    /// `each` skips empty entries: reclaim may have cleared one without flushing, leaving a stale
    /// TLB entry (`flush_tlb_batched_pending`).
    pub(crate) async fn walk_page_range(
        self,
        mm: MmId,
        range: Range<u64>,
        site: Site,
        flush: bool,
        each: impl Fn(&mut State, PteRef),
        whole: impl Fn(&mut State, PteRef) -> bool,
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
                if covered && whole(s, at) {
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
