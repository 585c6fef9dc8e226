//! Creating, removing and splitting VMAs.
//!
//! VMAs are created, removed and changed with `mmap_lock` held for writing. The bounds of a VMA are
//! keys in the interval trees that link it, so changing them also takes the anon_vma lock.
//!
//! Corresponds to `mm/vma.c`, `mm/mmap.c`.

use crate::huge_memory::Thp;
use crate::ids::{MmId, TaskId, VmaId};
use crate::lock::Lock;
use crate::merge::MergeRange;
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
use alloc::vec::Vec;
use core::ops::Range;

impl State {
    /// The position of the first VMA that ends above `addr`.
    fn vma_position(&self, mm: MmId, addr: u64) -> usize {
        self.mm(mm)
            .vmas
            .partition_point(|vma| self.vma(*vma).end <= addr)
    }

    /// The first VMA that overlaps `range`, and the overlap (`vma_find`).
    pub(crate) fn area_in(&self, mm: MmId, range: &Range<u64>) -> Option<(VmaId, Range<u64>)> {
        let vma = *self.mm(mm).vmas.get(self.vma_position(mm, range.start))?;
        let area = self.vma(vma).range();
        let part = area.start.max(range.start)..area.end.min(range.end);
        (!part.is_empty()).then_some((vma, part))
    }

    pub(crate) fn insert_vma(&mut self, mm: MmId, vma: VmaId) {
        let at = self.vma_position(mm, self.vma(vma).start);
        self.mm_mut(mm).vmas.insert(at, vma);
    }

    pub(crate) fn detach_vma(&mut self, vma: VmaId) {
        let mm = self.vma(vma).mm;
        self.mm_mut(mm).vmas.retain(|v| *v != vma);
    }

    /// Changes the bounds of a VMA and updates the interval trees (`vma_set_range`). Its pages keep
    /// their offsets.
    pub(crate) fn vma_set_range(&mut self, task: TaskId, vma: VmaId, range: Range<u64>) {
        if self.thp != Thp::Never {
            for boundary in [range.start, range.end] {
                self.vma_adjust_trans_huge(task, vma, boundary);
            }
        }
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

    fn split_locked(&mut self, task: TaskId, vma: VmaId, addr: u64) -> Result<VmaId, Enomem> {
        let old = self.vma(vma);
        let (mm, range, flags) = (old.mm, old.range(), old.flags);
        let (pgoff, anon_vma) = (old.index(addr), old.anon_vma);
        let new = self.alloc_vma(mm, addr..range.end, pgoff, flags)?;
        self.vma_mut(new).anon_vma = anon_vma;
        if let Err(e) = self.anon_vma_clone(new, vma) {
            self.free_vma(new);
            return Err(e);
        }
        self.vma_set_range(task, vma, range.start..addr);
        self.insert_vma(mm, new);
        Ok(new)
    }
}

impl Current<'_> {
    /// Splits a VMA at `addr`, which lies inside it (`__split_vma`). Returns the new VMA, which is
    /// the upper part.
    async fn split_vma(self, vma: VmaId, addr: u64) -> Result<VmaId, Enomem> {
        let lock = { self.state().anon_vma_root(vma) }.map(Lock::AnonVmaWrite);
        zoo!(self, Bug::VmaAdjustNoLock => let lock = None);
        if let Some(lock) = lock {
            self.lock(lock).await;
        }
        let new = { self.state().split_locked(self.task, vma, addr) };
        if let Some(lock) = lock {
            self.unlock(lock);
        }
        new
    }

    /// The VMAs of `range`. A VMA that extends beyond the range is split first.
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

    /// `mmap(MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS)`: unmaps `range` and maps it anew with
    /// `flags`.
    pub async fn mmap(self, mm: MmId, range: Range<u64>, flags: VmFlags) -> Result<(), Enomem> {
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let result = self.mmap_region(mm, range, flags).await;
        self.unlock(lock);
        result
    }

    async fn mmap_region(self, mm: MmId, range: Range<u64>, flags: VmFlags) -> Result<(), Enomem> {
        self.do_munmap(mm, &range).await?;
        let flags = flags.accounted() | VmFlags::SOFTDIRTY;
        let new = MergeRange::new(mm, range.clone(), flags);
        // if the merge runs out of memory, a new VMA is created instead
        if let Ok(Some(vma)) = self.vma_merge(&new).await {
            self.state().vma_mut(vma).flags |= VmFlags::SOFTDIRTY;
            return Ok(());
        }
        let s = &mut *self.state();
        let pgoff = range.start;
        let vma = s.alloc_vma(mm, range, pgoff, flags)?;
        s.insert_vma(mm, vma);
        Ok(())
    }

    /// `munmap`.
    pub async fn munmap(self, mm: MmId, range: Range<u64>) -> Result<(), Enomem> {
        self.lock(Lock::MmapWrite(mm)).await;
        self.munmap_and_unlock(mm, &range).await
    }

    /// Unmaps a range, and releases `mmap_lock`, which the caller holds for writing. The entries
    /// are zapped with the lock held for reading only (`do_vmi_munmap` with `unlock`).
    pub(crate) async fn munmap_and_unlock(
        self,
        mm: MmId,
        range: &Range<u64>,
    ) -> Result<(), Enomem> {
        let areas = match self.detach_range(mm, range).await {
            Ok(areas) => areas,
            Err(e) => {
                self.unlock(Lock::MmapWrite(mm));
                return Err(e);
            }
        };
        let lock = self.downgrade(mm);
        self.unmap_region(mm, &areas).await;
        self.unlock(lock);
        Ok(())
    }

    /// Unmaps a range with `mmap_lock` held for writing throughout (`do_vmi_munmap`).
    pub(crate) async fn do_munmap(self, mm: MmId, range: &Range<u64>) -> Result<(), Enomem> {
        let areas = self.detach_range(mm, range).await?;
        self.unmap_region(mm, &areas).await;
        Ok(())
    }

    /// Removes the VMAs of `range` from the address space (`vms_gather_munmap_vmas`).
    async fn detach_range(self, mm: MmId, range: &Range<u64>) -> Result<Vec<VmaId>, Enomem> {
        let areas = self.isolate_range(mm, range).await?;
        let s = &mut *self.state();
        areas.iter().for_each(|vma| s.detach_vma(*vma));
        Ok(areas)
    }
}
