//! Merging VMAs: where a VMA would be split or created, a neighbour grows instead if it can.
//!
//! A VMA may grow over a range if the flags are equal, apart from soft-dirty, and the page offsets
//! continue. The VMA and the range must not have different anon_vmas. If only one of the two has an
//! anon_vma, that one must not come from a fork.
//!
//! Corresponds to `vma_merge_new_range` and `vma_merge_existing_range` in `mm/vma.c`.

use crate::ids::{AnonVmaId, MmId, TaskId, VmaId};
use crate::lock::Lock;
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
use core::ops::Range;

/// A range that a neighbouring VMA may grow over.
#[derive(Clone, Debug)]
pub(crate) struct MergeRange {
    pub mm: MmId,
    /// The VMA that covers `range` now; `None` for a new mapping.
    pub middle: Option<VmaId>,
    /// The VMA that `mremap` copies: its pages will move into `range`.
    pub copied_from: Option<VmaId>,
    pub range: Range<u64>,
    /// The page offset of the first page of `range`.
    pub pgoff: u64,
    /// The anon_vma of the pages in `range`, or of those that will move there.
    pub anon_vma: Option<AnonVmaId>,
    /// The flags that `range` will have.
    pub flags: VmFlags,
    /// A neighbour that must not grow over `range`.
    pub apart_from: Option<VmaId>,
}

impl MergeRange {
    /// A new mapping, without pages.
    pub(crate) const fn new(mm: MmId, range: Range<u64>, flags: VmFlags) -> Self {
        Self {
            mm,
            middle: None,
            copied_from: None,
            pgoff: range.start,
            range,
            anon_vma: None,
            flags,
            apart_from: None,
        }
    }
}

/// A planned merge: the VMA that grows, and its new range.
pub(crate) struct Merge {
    target: VmaId,
    pub grown: Range<u64>,
    /// The upper neighbour, if the lower one also grows over it.
    next: Option<VmaId>,
}

impl State {
    /// True if the VMA has an anon_vma and links to others as well, as after a fork
    /// (`vma_is_fork_child`).
    fn is_fork_child(&self, vma: VmaId) -> bool {
        self.vma(vma).anon_vma.is_some() && self.vma(vma).chain.len() > 1
    }

    /// True if the anon_vmas let `side` grow over the range (`is_mergeable_anon_vma`).
    fn is_mergeable_anon_vma(&self, what: &MergeRange, side: VmaId) -> bool {
        let sources = [what.middle, what.copied_from];
        match (what.anon_vma, self.vma(side).anon_vma) {
            (Some(_), None) if !self.rules().bare_area_takes_anon_vma => false,
            (Some(_), None) => !sources.iter().flatten().any(|v| self.is_fork_child(*v)),
            (None, Some(_)) => !self.is_fork_child(side),
            (range, own) => range == own,
        }
    }

    fn can_merge(&self, what: &MergeRange, side: VmaId) -> bool {
        let area = self.vma(side);
        // `side`, stretched over the range, must give the first page the same offset
        let linear = (area.pgoff + what.range.start) == (area.start + what.pgoff);
        let differ = (area.flags ^ what.flags) - VmFlags::SOFTDIRTY;
        ![what.middle, what.apart_from].contains(&Some(side))
            && linear
            && differ.is_empty()
            && self.is_mergeable_anon_vma(what, side)
    }

    /// Finds the neighbour that can grow over the range.
    pub(crate) fn plan_merge(&self, what: &MergeRange) -> Option<Merge> {
        let below = what.range.start.checked_sub(1);
        let prev = below.and_then(|addr| self.find_vma(what.mm, addr));
        let prev = prev.filter(|prev| self.can_merge(what, *prev));
        let next = self.find_vma(what.mm, what.range.end);
        let next = next.filter(|next| self.can_merge(what, *next));
        // if both neighbours fit the range but not each other, only the lower one grows
        let fit = |low: VmaId, high: VmaId| match (self.vma(low).anon_vma, self.vma(high).anon_vma)
        {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let next = next.filter(|next| prev.is_none_or(|prev| fit(prev, *next)));
        let start = prev.map_or(what.range.start, |prev| self.vma(prev).start);
        let end = next.map_or(what.range.end, |next| self.vma(next).end);
        Some(Merge {
            target: prev.or(next)?,
            grown: start..end,
            next: prev.and(next),
        })
    }

    /// The VMA that gives its anon_vma to the target; `None` if the target has one already.
    fn anon_vma_donor(&self, what: &MergeRange, merge: &Merge) -> Option<VmaId> {
        let has_one = |vma: &VmaId| self.vma(*vma).anon_vma.is_some();
        let (middle, copied) = (what.middle, what.copied_from);
        zoo!(self, Bug::VmaAdjustAvcCopy => let middle = None);
        zoo!(self, Bug::MremapMergeUnfaulted => let copied = None);
        let all = [merge.next, middle, copied].into_iter().flatten();
        all.filter(|_| !has_one(&merge.target)).find(has_one)
    }

    /// Carries out a merge, under the anon_vma lock. If memory runs out, nothing has changed.
    fn commit_merge(
        &mut self,
        task: TaskId,
        what: &MergeRange,
        merge: &Merge,
    ) -> Result<(), Enomem> {
        let Merge { target, grown, .. } = merge;
        if let Some(donor) = self.anon_vma_donor(what, merge) {
            // dup_anon_vma
            self.vma_mut(*target).anon_vma = self.vma(donor).anon_vma;
            self.anon_vma_clone(*target, donor)?;
        }
        let mut flags = what.flags;
        for vma in [what.middle, merge.next].into_iter().flatten() {
            let range = self.vma(vma).range();
            if range.start < grown.start {
                self.vma_set_range(task, vma, range.start..grown.start);
            } else if range.end > grown.end {
                self.vma_set_range(task, vma, grown.end..range.end);
            } else {
                flags |= self.vma(vma).flags & VmFlags::SOFTDIRTY;
                self.unlink_anon_vmas(vma);
                self.detach_vma(vma);
                self.free_vma(vma);
            }
        }
        if self.rules().merging_keeps_soft_dirty {
            self.vma_mut(*target).flags |= flags & VmFlags::SOFTDIRTY;
        }
        self.vma_set_range(task, *target, grown.clone());
        Ok(())
    }
}

impl Current<'_> {
    /// Lets a neighbour grow over a range. Returns the VMA that then covers the range; `None` if no
    /// neighbour can grow. If memory runs out, nothing has changed.
    pub(crate) async fn vma_merge(self, what: &MergeRange) -> Result<Option<VmaId>, Enomem> {
        let Some(merge) = ({ self.state().plan_merge(what) }) else {
            return Ok(None);
        };
        let lock = {
            let s = &*self.state();
            let linked = s.anon_vma_donor(what, &merge).unwrap_or(merge.target);
            s.anon_vma_root(linked).map(Lock::AnonVmaWrite)
        };
        if let Some(lock) = lock {
            self.lock(lock).await;
        }
        let result = { self.state().commit_merge(self.task, what, &merge) };
        if let Some(lock) = lock {
            self.unlock(lock);
        }
        result.map(|()| Some(merge.target))
    }
}
