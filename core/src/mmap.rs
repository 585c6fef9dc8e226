//! Areas: map, unmap, split and merge.
//!
//! All of it runs with `mmap_lock` held for writing. The bounds of an area are keys of the interval
//! trees that it is linked to, so they change under the anon_vma lock too.
//!
//! Corresponds to `mm/vma.c`, `mm/mmap.c`.

use crate::ids::{MmId, VmaId};
use crate::lock::Lock;
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
use alloc::vec::Vec;
use core::ops::Range;

impl State {
    /// The position of the first area that ends behind `addr`.
    fn vma_position(&self, mm: MmId, addr: u64) -> usize {
        self.mm(mm)
            .vmas
            .partition_point(|vma| self.vma(*vma).end <= addr)
    }

    fn insert_vma(&mut self, mm: MmId, vma: VmaId) {
        let at = self.vma_position(mm, self.vma(vma).start);
        self.mm_mut(mm).vmas.insert(at, vma);
    }

    fn detach_vma(&mut self, vma: VmaId) {
        let mm = self.vma(vma).mm;
        self.mm_mut(mm).vmas.retain(|v| *v != vma);
    }

    /// Changes the bounds of an area; its pages keep their offsets (`vma_set_range` between the two
    /// updates of the interval trees).
    fn vma_set_range(&mut self, vma: VmaId, range: Range<u64>) {
        let chain = core::mem::take(&mut self.vma_mut(vma).chain);
        chain
            .iter()
            .for_each(|avc| self.anon_vma_interval_tree_remove(*avc));
        let v = self.vma_mut(vma);
        v.pgoff = v.pgoff + range.start - v.start;
        (v.start, v.end) = (range.start, range.end);
        chain
            .iter()
            .for_each(|avc| self.anon_vma_interval_tree_insert(*avc));
        self.vma_mut(vma).chain = chain;
    }

    /// Two anon_vmas that one area could have (`is_mergeable_anon_vma`): the same, or only one of
    /// them, and then not one that was inherited from another process.
    fn is_mergeable_anon_vma(&self, a: VmaId, b: VmaId) -> bool {
        let (a, b) = (self.vma(a), self.vma(b));
        match (a.anon_vma, b.anon_vma) {
            (Some(x), Some(y)) => x == y,
            (Some(_), None) => a.chain.len() == 1,
            (None, Some(_)) => b.chain.len() == 1,
            (None, None) => true,
        }
    }

    /// `low` and `high`, neighbours, could be one area if `high` (or `low`) had the flags `flags`.
    fn can_merge(&self, low: VmaId, high: VmaId) -> bool {
        let (a, b) = (self.vma(low), self.vma(high));
        let differ = (a.flags ^ b.flags) - VmFlags::SOFTDIRTY;
        a.end == b.start
            && a.index(a.end) == b.pgoff
            && differ.is_empty()
            && self.is_mergeable_anon_vma(low, high)
    }

    /// Joins `high` to `low`; false if memory for the links ran out, and then nothing has changed.
    /// Under the anon_vma lock.
    fn merge_pair(&mut self, low: VmaId, high: VmaId) -> bool {
        if self.vma(low).anon_vma.is_none() && self.vma(high).anon_vma.is_some() {
            // dup_anon_vma
            self.vma_mut(low).anon_vma = self.vma(high).anon_vma;
            if self.anon_vma_clone(low, high).is_err() {
                return false;
            }
        }
        let merged = self.vma(low).start..self.vma(high).end;
        let soft_dirty = self.vma(high).flags & VmFlags::SOFTDIRTY;
        self.unlink_anon_vmas(high);
        self.detach_vma(high);
        self.free_vma(high);
        self.vma_mut(low).flags |= soft_dirty;
        self.vma_set_range(low, merged);
        true
    }

    fn split_locked(&mut self, vma: VmaId, addr: u64) -> Result<VmaId, Enomem> {
        let new = self.alloc_vma()?;
        let old = self.vma(vma);
        let (mm, range, flags) = (old.mm, old.range(), old.flags);
        let (pgoff, anon_vma) = (old.index(addr), old.anon_vma);
        let n = self.vma_mut(new);
        (n.mm, n.start, n.end, n.pgoff) = (mm, addr, range.end, pgoff);
        (n.flags, n.anon_vma) = (flags, anon_vma);
        if let Err(e) = self.anon_vma_clone(new, vma) {
            self.free_vma(new);
            return Err(e);
        }
        self.vma_set_range(vma, range.start..addr);
        self.insert_vma(mm, new);
        Ok(new)
    }
}

impl Current<'_> {
    async fn lock_anon_vma_of(self, vma: VmaId) -> Option<Lock> {
        let root = { self.state().anon_vma_root(vma) }?;
        let lock = Lock::AnonVmaWrite(root);
        self.lock(lock).await;
        Some(lock)
    }

    fn unlock_maybe(self, lock: Option<Lock>) {
        if let Some(lock) = lock {
            self.unlock(lock);
        }
    }

    /// Splits an area at `addr`, which lies within it; the upper part is the new area
    /// (`__split_vma`).
    async fn split_vma(self, vma: VmaId, addr: u64) -> Result<VmaId, Enomem> {
        let lock = self.lock_anon_vma_of(vma).await;
        let new = { self.state().split_locked(vma, addr) };
        self.unlock_maybe(lock);
        new
    }

    /// The areas of `range`, after splitting those that stick out of it.
    pub(crate) async fn isolate_range(
        self,
        mm: MmId,
        range: &Range<u64>,
    ) -> Result<Vec<VmaId>, Enomem> {
        for addr in [range.start, range.end] {
            let straddling = {
                let s = &*self.state();
                s.find_vma(mm, addr).filter(|vma| s.vma(*vma).start < addr)
            };
            if let Some(vma) = straddling {
                self.split_vma(vma, addr).await?;
            }
        }
        let s = &*self.state();
        let first = s.vma_position(mm, range.start);
        let inside = s.mm(mm).vmas[first..].iter().copied();
        Ok(inside
            .take_while(|vma| s.vma(*vma).start < range.end)
            .collect())
    }

    /// Merges `vma` with its neighbours where that is possible. Returns the area that covers it
    /// now (`vma_merge`).
    pub(crate) async fn merge_with_neighbours(self, vma: VmaId) -> VmaId {
        let (lower, upper) = {
            let s = &*self.state();
            let v = s.vma(vma);
            let below = v
                .start
                .checked_sub(1)
                .and_then(|addr| s.find_vma(v.mm, addr));
            let lower = below.filter(|prev| s.can_merge(*prev, vma));
            let above = s
                .find_vma(v.mm, v.end)
                .filter(|next| s.can_merge(vma, *next));
            // with two that cannot be one area, the lower one wins (can_vma_merge_right)
            let fits = |next: &VmaId| lower.is_none_or(|prev| s.is_mergeable_anon_vma(prev, *next));
            (lower, above.filter(fits))
        };
        if let Some(next) = upper {
            self.merge(vma, next).await;
        }
        match lower {
            Some(prev) if self.merge(prev, vma).await => prev,
            _ => vma,
        }
    }

    async fn merge(self, low: VmaId, high: VmaId) -> bool {
        let linked = {
            let s = &*self.state();
            if s.vma(low).anon_vma.is_some() {
                low
            } else {
                high
            }
        };
        let lock = self.lock_anon_vma_of(linked).await;
        let merged = self.state().merge_pair(low, high);
        self.unlock_maybe(lock);
        merged
    }

    /// `mmap(MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS)`: `range` becomes an area with `flags`;
    /// what was mapped there is unmapped.
    pub async fn mmap(self, mm: MmId, range: Range<u64>, flags: VmFlags) -> Result<(), Enomem> {
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let result = self.mmap_region(mm, range, flags).await;
        self.unlock(lock);
        result
    }

    async fn mmap_region(self, mm: MmId, range: Range<u64>, flags: VmFlags) -> Result<(), Enomem> {
        self.do_munmap(mm, &range).await?;
        let vma = {
            let s = &mut *self.state();
            let vma = s.alloc_vma()?;
            let v = s.vma_mut(vma);
            (v.mm, v.start, v.end, v.pgoff) = (mm, range.start, range.end, range.start);
            v.flags = flags | VmFlags::SOFTDIRTY;
            s.insert_vma(mm, vma);
            vma
        };
        self.merge_with_neighbours(vma).await;
        Ok(())
    }

    /// `munmap`.
    pub async fn munmap(self, mm: MmId, range: Range<u64>) -> Result<(), Enomem> {
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let result = self.do_munmap(mm, &range).await;
        self.unlock(lock);
        result
    }

    async fn do_munmap(self, mm: MmId, range: &Range<u64>) -> Result<(), Enomem> {
        let areas = self.isolate_range(mm, range).await?;
        {
            let s = &mut *self.state();
            areas.iter().for_each(|vma| s.detach_vma(*vma));
        }
        self.unmap_region(mm, &areas).await;
        Ok(())
    }
}
