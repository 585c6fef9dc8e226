//! `mlock`: areas whose pages are in memory, and stay there.
//!
//! The area is marked, and then each of its pages is faulted in; a writable one as for a write, so that
//! no copy is needed later. What keeps a page in memory is the mark. The kernel counts the marked areas of
//! each page (`mlock_count`) and has a page flag for it; here [`State::folio_mlocked`] looks for one.
//!
//! Corresponds to `mm/mlock.c`, `populate_vma_page_range` in `mm/gup.c`.

use crate::fault::FaultResult;
use crate::ids::{MmId, Pfn};
use crate::lock::Lock;
use crate::mprotect::ChangeError;
use crate::page_vma_mapped::Wanted;
use crate::state::{Current, State};
use crate::vma::VmFlags;
use core::ops::Range;

impl State {
    /// Does an area that is locked in memory map the folio? (`folio_test_mlocked`)
    pub(crate) fn folio_mlocked(&self, folio: Pfn) -> bool {
        let Some(anon_vma) = self
            .page(folio)
            .mapping()
            .filter(|_| self.folio_mapped(folio))
        else {
            return false;
        };
        let index = self.page(folio).index;
        let mut places = (0..).map_while(|n| self.rmap_walk_nth(anon_vma, index, n));
        places.any(|(vma, addr)| {
            let area = self.vma(vma);
            let maps = || self.page_vma_mapped_walk(area.mm, addr, folio, Wanted::Mapping);
            area.flags.contains(VmFlags::LOCKED) && maps().is_some()
        })
    }
}

impl Current<'_> {
    /// `mlock`. A range with a gap is marked up to the gap, and the call fails.
    pub async fn mlock(self, mm: MmId, range: Range<u64>) -> Result<(), ChangeError> {
        self.mark_range(mm, range.clone(), true).await?;
        let populated = self.mm_populate(mm, range).await;
        populated.map_err(|error| match error {
            ChangeError::Enomem => ChangeError::Again,
            error => error,
        })
    }

    /// `munlock`. A range with a gap is changed up to the gap, and the call fails.
    pub async fn munlock(self, mm: MmId, range: Range<u64>) -> Result<(), ChangeError> {
        self.mark_range(mm, range, false).await
    }

    /// `apply_vma_lock_flags`.
    async fn mark_range(self, mm: MmId, range: Range<u64>, on: bool) -> Result<(), ChangeError> {
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let result = self.mark_areas(mm, range, on).await;
        self.unlock(lock);
        result
    }

    async fn mark_areas(self, mm: MmId, mut rest: Range<u64>, on: bool) -> Result<(), ChangeError> {
        while !rest.is_empty() {
            let found = { self.state().area_in(mm, &rest) };
            let Some((vma, part)) = found.filter(|(_, part)| part.start == rest.start) else {
                return Err(ChangeError::Gap);
            };
            rest.start = part.end;
            let flags = self.state().vma(vma).flags;
            if flags.contains(VmFlags::LOCKED) != on {
                self.vma_reset_flags(vma, &part, flags ^ VmFlags::LOCKED)
                    .await?;
            }
        }
        Ok(())
    }

    /// Faults in what is mapped in a range (`__mm_populate`).
    pub(crate) async fn mm_populate(self, mm: MmId, range: Range<u64>) -> Result<(), ChangeError> {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        let result = self.populate_locked(mm, range, Some(lock)).await;
        self.unlock(lock);
        result
    }

    /// The same with `mmap_lock` held; it is dropped while a folio is awaited if the caller says which
    /// way it is held. Such a caller starts again at a page that could not be had, if others of the area
    /// could before it; the second time it is told (`populate_vma_page_range`).
    pub(crate) async fn populate_locked(
        self,
        mm: MmId,
        mut rest: Range<u64>,
        unlockable: Option<Lock>,
    ) -> Result<(), ChangeError> {
        let (mut area, mut start) = (None, rest.start);
        while let Some((vma, part)) = { self.state().area_in(mm, &rest) } {
            if area.replace(vma) != Some(vma) {
                start = part.start;
            }
            let flags = self.state().vma(vma).flags;
            if !flags.intersects(VmFlags::READ | VmFlags::WRITE) {
                return Err(ChangeError::Gap);
            }
            let write = flags.contains(VmFlags::WRITE);
            match self.faultin_page(mm, part.start, write, unlockable).await {
                Ok(()) => rest.start = part.start + 1,
                Err(_) if unlockable.is_some() && part.start != start => start = part.start,
                Err(FaultResult::Oom) => return Err(ChangeError::Enomem),
                Err(_) => return Err(ChangeError::Gap),
            }
        }
        Ok(())
    }
}
