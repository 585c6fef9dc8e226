//! Moving page-table entries from one VMA to another, one pair of page tables at a time: the second
//! step of a `mremap` that moves.
//!
//! Lock order: the anon_vma lock, if `need_rmap_locks`; then both page-table locks.
//!
//! Corresponds to `move_page_tables` in `mm/mremap.c`.

use crate::huge_split::Split;
use crate::ids::{MmId, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::pte::{Entry, Pte, PteFlags, SwapFlags};
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
use crate::walk::Walk;
use core::ops::Range;

/// A move of page-table entries between two VMAs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub src: VmaId,
    pub dst: VmaId,
    pub from: u64,
    pub to: u64,
    pub len: u64,
    /// The anon_vma lock is needed: a reverse-map walk may meet the destination before the source.
    pub need_rmap_locks: bool,
}

impl Move {
    pub(crate) const fn source(&self) -> Range<u64> {
        self.from..self.from + self.len
    }

    /// The move back, for the first `len` pages.
    pub(crate) const fn reverted(&self, len: u64) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            from: self.to,
            to: self.from,
            len,
            need_rmap_locks: true,
        }
    }
}

/// Entries that move in one atomic section.
struct Step {
    from: u64,
    to: u64,
    count: u64,
    /// One huge entry stands for them.
    huge: bool,
}

impl State {
    /// The entry as it is written to the destination. It is soft-dirty, so that user space sees the
    /// move. It loses userfaultfd write protection unless `keep_uffd_wp`.
    fn moved_pte(pte: Pte, keep_uffd_wp: bool) -> Pte {
        match pte.decode() {
            Entry::None => pte,
            Entry::Present(pte) => pte
                .set(PteFlags::SOFT_DIRTY, true)
                .set(PteFlags::UFFD_WP, pte.uffd_wp() && keep_uffd_wp)
                .pte(),
            Entry::Leaf(swap) => swap
                .set(SwapFlags::SOFT_DIRTY, true)
                .set(SwapFlags::UFFD_WP, swap.uffd_wp() && keep_uffd_wp)
                .pte(),
        }
    }

    /// True if entries keep userfaultfd write protection when they move.
    fn keeps_uffd_wp(&self, go: &Move) -> bool {
        let registered = self.vma(go.src).flags.contains(VmFlags::UFFD_WP);
        let keep_uffd_wp = !registered;
        zoo!(self, Bug::MremapUffdwpLeft => let keep_uffd_wp = true);
        keep_uffd_wp
    }

    /// Finds what to move from offset `done` on, and allocates the tables at the destination. A
    /// huge entry that cannot move whole is split. `None` if nothing is left.
    fn next_step(&mut self, go: &Move, mm: MmId, done: u64) -> Result<Option<Step>, Enomem> {
        let source = go.source();
        let part = self
            .tables
            .next_part(self.mm(mm).pgd, go.from + done..source.end);
        let Some(part) = part else {
            return Ok(None);
        };
        let (from, len) = (part.range.start, part.range.end - part.range.start);
        let to = go.to + (from - go.from);
        zoo!(self, Bug::HugetlbMremapDelta => let to = go.to + done);
        let span = self.geometry().span(0);
        if let Some(at) = part.huge {
            let whole = len == span && to.is_multiple_of(span);
            if whole && self.pmd_alloc(mm, to)?.is_some() {
                let (count, huge) = (span, true);
                return Ok(Some(Step {
                    from,
                    to,
                    count,
                    huge,
                }));
            }
            self.split_huge_pmd_locked(go.src, at, Split::Mapped);
        }
        self.pte_alloc(mm, to)?;
        let (count, huge) = (len.min(span - to % span), false);
        Ok(Some(Step {
            from,
            to,
            count,
            huge,
        }))
    }

    /// Moves the entries of a step, under both page-table locks. Returns false if a huge entry did
    /// not move: it is no longer there, or its place at the destination has been filled.
    fn take_step(&mut self, go: &Move, mm: MmId, step: &Step) -> bool {
        let pgd = self.mm(mm).pgd;
        if step.huge {
            let keep_uffd_wp = self.keeps_uffd_wp(go);
            let moved = |pte| Self::moved_pte(pte, keep_uffd_wp);
            return match self.tables.walk(pgd, step.from) {
                Walk::Huge(at, _) => self.move_huge_pmd(mm, at, step.to, moved),
                Walk::Pte(_) | Walk::Hole(..) => false,
            };
        }
        let from = self.tables.pte_offset(pgd, step.from);
        if let (Some(from), Some(to)) = (from, self.tables.pte_offset(pgd, step.to)) {
            let moved = self.tables.addr(from);
            self.flush_tlb_batched_pending(mm);
            self.move_ptes(go, from, to, step.count);
            self.flush_tlb_range(mm, moved..moved + step.count);
        }
        true
    }

    /// Moves the first `count` entries at `from`, which lie in one page table on each side, under
    /// both page-table locks (`move_ptes`).
    fn move_ptes(&mut self, go: &Move, from: PteRef, to: PteRef, count: u64) {
        let keep_uffd_wp = self.keeps_uffd_wp(go);
        for i in 0..count as u32 {
            let (src, dst) = (PteRef(from.0 + i), PteRef(to.0 + i));
            let pte = Self::moved_pte(self.tables.get(src), keep_uffd_wp);
            if pte.is_none() {
                continue;
            }
            // not fixed in 7.3.4: a page table that moves as a whole keeps its entries as they are
            zoo!(self, Bug::LatentMoveNormalPmdSoftdirty
                if self.moves_whole_table(go, self.tables.addr(from), count) =>
                let pte = self.tables.get(src));
            zoo!(self, Bug::MremapBatchWritable => let pte = self.writable_as_first(to..dst, pte));
            self.tables.set(src, Pte::NONE);
            self.tables.set(dst, pte);
        }
    }
}

impl Current<'_> {
    /// Moves the entries of a range, one pair of page tables at a time (`move_page_tables`).
    /// Returns the number of pages moved, which is less than the length if memory ran out.
    pub(crate) async fn move_page_tables(self, go: &Move) -> u64 {
        let empty = go.len == 0;
        zoo!(self, Bug::MremapOldSizeZero => let empty = false);
        if empty {
            return 0;
        }
        let mm = self.state().vma(go.src).mm;
        let notifier = NotifierRange::new(mm, go.source(), NotifierEvent::Unmap, None);
        self.notifier_start(&notifier).await;
        let mut done = 0;
        while done < go.len {
            match self.move_table(go, mm, done).await {
                Ok(next) => done = next,
                Err(Enomem) => break,
            }
        }
        self.state().notifier_end(self.task, &notifier);
        done
    }

    /// Moves the entries from offset `done` on, up to the end of a page table on either side, or
    /// one huge entry. Returns the offset behind them.
    async fn move_table(self, go: &Move, mm: MmId, done: u64) -> Result<u64, Enomem> {
        let Some(step) = ({ self.state().next_step(go, mm, done)? }) else {
            return Ok(go.len);
        };
        let lock = {
            let s = &*self.state();
            let root = s.anon_vma_root(go.src).filter(|_| go.need_rmap_locks);
            root.map(Lock::AnonVmaWrite)
        };
        if let Some(lock) = lock {
            self.lock(lock).await;
        }
        self.preempt(Site::MovePtes).await;
        let s = &mut *self.state();
        let moved = s.take_step(go, mm, &step);
        if let Some(lock) = lock {
            s.unlock(self.task, lock);
        }
        Ok(match moved {
            true => step.from + step.count - go.from,
            // the huge entry was split, or its place filled, meanwhile
            false => done,
        })
    }
}
