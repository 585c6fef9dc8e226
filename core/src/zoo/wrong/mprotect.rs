use crate::ids::{MmId, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::merge::MergeRange;
use crate::notifier::NotifierRange;
use crate::pte::{Entry, PresentPte, Pte, PteFlags, SwapFlags};
use crate::state::{Current, Enomem, State};
use core::ops::Range;

impl State {
    /// True if mprotect collects the dirty bit of this entry with those of its neighbours. The
    /// model does not look for neighbours, because in the guest an entry always has some: if a
    /// program has huge pages, each of its pages stands for 64 pages of the guest.
    pub(crate) fn dirties_batch(&self, at: PteRef, pte: PresentPte) -> bool {
        let large = self.head(self.folio(pte.pfn())).order > 0;
        pte.dirty() && large && self.tables().table(at).level == 0
    }

    /// Clears soft-dirty of a non-present entry and keeps its write permission, as Linux does.
    pub(crate) fn soft_dirty_cleared_alone(old: Pte, new: Pte) -> Pte {
        match old.decode() {
            Entry::Leaf(swap) => swap.set(SwapFlags::SOFT_DIRTY, false).pte(),
            _ => new,
        }
    }
}

impl Current<'_> {
    /// c70dce4982ce: reads entries and writes the copies back, write-protected. Bits that the MMU
    /// sets in between are lost.
    pub(crate) async fn writeprotect_copies(self, vma: VmaId, range: Range<u64>) {
        for addr in range {
            let found = |s: &State| s.tables().pte_offset(s.mm(s.vma(vma).mm).pgd, addr);
            let copy = {
                let s = &*self.state();
                found(s).and_then(|at| s.tables().get(at).present())
            };
            self.preempt(Site::ChangePteRange).await;
            let s = &mut *self.state();
            if let (Some(at), Some(copy)) = (found(s), copy) {
                let new = copy.wrprotect().set(PteFlags::UFFD_WP, true);
                s.tables.set(at, new.pte());
            }
        }
    }

    /// Continues after a merge ran out of memory: splits off the whole range that the merged VMA
    /// would have covered, and gives it the flags that were meant for `what.range` alone.
    pub(crate) async fn modify_grown(self, vma: VmaId, what: &MergeRange) -> Result<VmaId, Enomem> {
        let merge = { self.state().plan_merge(what) };
        let grown = merge.ok_or(Enomem)?.grown;
        let isolated = self.isolate_range(what.mm, &grown).await?;
        let vma = isolated.first().copied().unwrap_or(vma);
        self.state().vma_mut(vma).flags = what.flags;
        Ok(vma)
    }

    /// Starts the invalidation before it takes `mmap_lock`.
    pub(crate) async fn clear_soft_dirty_announced_first(self, mm: MmId, notifier: &NotifierRange) {
        self.notifier_start(notifier).await;
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        self.state().clear_soft_dirty_areas(self, mm);
        self.clear_soft_dirty_entries(mm, notifier).await;
        self.unlock(lock);
    }
}
