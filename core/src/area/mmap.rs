//! Areas: map, unmap, split.
//!
//! Areas come, go and change with `mmap_lock` held for writing. The bounds of an area are keys of the interval
//! trees that it is linked to, so they change under the anon_vma lock too.
//!
//! Corresponds to `mm/vma.c`, `mm/mmap.c`.

use crate::ids::{MmId, VmaId};
use crate::lock::Lock;
use crate::merge::MergeRange;
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

    /// The first area that meets `range`, and the part of the range that it covers (`vma_find`).
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

    /// Changes the bounds of an area; its pages keep their offsets (`vma_set_range` between the two
    /// updates of the interval trees).
    pub(crate) fn vma_set_range(&mut self, vma: VmaId, range: Range<u64>) {
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

    fn split_locked(&mut self, vma: VmaId, addr: u64) -> Result<VmaId, Enomem> {
        let old = self.vma(vma);
        let (mm, range, flags) = (old.mm, old.range(), old.flags);
        let (pgoff, anon_vma) = (old.index(addr), old.anon_vma);
        let new = self.alloc_vma(mm, addr..range.end, pgoff, flags)?;
        self.vma_mut(new).anon_vma = anon_vma;
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
    /// Splits an area at `addr`, which lies within it; the upper part is the new area
    /// (`__split_vma`).
    async fn split_vma(self, vma: VmaId, addr: u64) -> Result<VmaId, Enomem> {
        let lock = { self.state().anon_vma_root(vma) }.map(Lock::AnonVmaWrite);
        zoo!(self, Bug::VmaAdjustNoLock => let lock = None);
        if let Some(lock) = lock {
            self.lock(lock).await;
        }
        let new = { self.state().split_locked(vma, addr) };
        if let Some(lock) = lock {
            self.unlock(lock);
        }
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
        let flags = flags.accounted() | VmFlags::SOFTDIRTY;
        let new = MergeRange::new(mm, range.clone(), flags);
        // a merge that runs out of memory is given up
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

    /// `munmap`. What takes long runs with `mmap_lock` held for reading only.
    pub async fn munmap(self, mm: MmId, range: Range<u64>) -> Result<(), Enomem> {
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let areas = match self.detach_range(mm, &range).await {
            Ok(areas) => areas,
            Err(e) => {
                self.unlock(lock);
                return Err(e);
            }
        };
        let lock = self.downgrade(mm);
        self.unmap_region(mm, &areas).await;
        self.unlock(lock);
        Ok(())
    }

    /// `do_vmi_munmap`, with `mmap_lock` held for writing throughout.
    pub(crate) async fn do_munmap(self, mm: MmId, range: &Range<u64>) -> Result<(), Enomem> {
        let areas = self.detach_range(mm, range).await?;
        self.unmap_region(mm, &areas).await;
        Ok(())
    }

    /// Takes the areas of `range` out of the address space (`vms_gather_munmap_vmas`).
    async fn detach_range(self, mm: MmId, range: &Range<u64>) -> Result<Vec<VmaId>, Enomem> {
        let areas = self.isolate_range(mm, range).await?;
        let s = &mut *self.state();
        areas.iter().for_each(|vma| s.detach_vma(*vma));
        Ok(areas)
    }
}
