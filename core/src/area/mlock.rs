//! `mlock`: areas whose pages are in memory, and stay there.
//!
//! The area is marked, and then each of its pages is faulted in; a writable one as for a write, so that
//! no copy is needed later. What keeps a page in memory is the mark of the area, which `try_to_unmap` sees. So
//! that reclaim need not try, a folio has a flag, and while it is on the LRU a count of its mappings in marked
//! areas. The count may be too low: it begins anew when a folio comes back to the LRU, and the flag goes with what was
//! counted last. Whoever changes the count holds the page-table lock; the kernel's
//! per-CPU batch in front of it is not modelled, but for the order in which it is drained.
//!
//! Corresponds to `mm/mlock.c`, `populate_vma_page_range` in `mm/gup.c`.

use crate::fault::FaultError;
use crate::ids::{MmId, Pfn, VmaId};
use crate::lock::Lock;
use crate::mprotect::ChangeError;
use crate::page::PageFlags;
use crate::pte::{Pte, Softleaf};
use crate::state::{Current, State};
use crate::vma::VmFlags;
use core::ops::Range;

impl State {
    /// A mapping of the folio in a locked area counts (`mlock_folio`, `__mlock_folio`). Off the LRU only the flag is
    /// set.
    pub(crate) fn mlock_folio(&mut self, folio: Pfn) {
        let page = self.page_mut(folio);
        page.flags.insert(PageFlags::MLOCKED);
        if page.has(PageFlags::LRU) {
            let counted = page.has(PageFlags::UNEVICTABLE);
            page.mlock_count = if counted { page.mlock_count + 1 } else { 1 };
            page.flags.insert(PageFlags::UNEVICTABLE);
        }
    }

    /// One less counts; what is not counted was the last (`munlock_folio`, `__munlock_folio`).
    fn munlock_folio(&mut self, folio: Pfn) {
        let page = self.page_mut(folio);
        let on_lru = page.has(PageFlags::LRU);
        if on_lru && page.has(PageFlags::UNEVICTABLE) {
            page.mlock_count = page.mlock_count.saturating_sub(1);
            if page.mlock_count > 0 {
                return;
            }
        }
        page.flags.remove(PageFlags::MLOCKED);
        if on_lru {
            page.flags.remove(PageFlags::UNEVICTABLE);
        }
    }

    /// The folio got a mapping in `vma`.
    pub(crate) fn mlock_vma_folio(&mut self, folio: Pfn, vma: VmaId) {
        if self.vma(vma).flags.contains(VmFlags::LOCKED) {
            self.mlock_folio(folio);
        }
    }

    /// The folio lost a mapping in `vma`.
    pub(crate) fn munlock_vma_folio(&mut self, folio: Pfn, vma: VmaId) {
        if self.vma(vma).flags.contains(VmFlags::LOCKED) {
            self.munlock_folio(folio);
        }
    }

    /// Counts what `part` of an area maps, whose mark has just changed (`mlock_vma_pages_range`).
    fn mlock_vma_pages_range(&mut self, vma: VmaId, part: Range<u64>) {
        let area = self.vma(vma);
        let (pgd, locked) = (self.mm(area.mm).pgd, area.flags.contains(VmFlags::LOCKED));
        for addr in part {
            let at = self.tables.pte_offset(pgd, addr);
            let pte = at.map(|at| self.tables.get(at));
            zoo!(self, Bug::LatentMunlockNonpresent =>
                let pte = pte.filter(|pte| pte.present().is_some()));
            zoo!(self, Bug::ExclMapcountDropped => let pte = pte.filter(|pte| !pte.is_exclusive()));
            match pte.and_then(Self::mapped_page) {
                Some(page) if locked => self.mlock_folio(page),
                Some(page) => self.munlock_folio(page),
                None => {}
            }
        }
    }

    /// The page that an entry is a mapping of, also if a device has it.
    fn mapped_page(pte: Pte) -> Option<Pfn> {
        match (pte.present(), pte.leaf()) {
            (Some(present), _) => Some(present.pfn()).filter(|page| *page != Pfn::ZERO),
            (
                _,
                Some(Softleaf::DevicePrivate { pfn, .. } | Softleaf::DeviceExclusive { pfn, .. }),
            ) => Some(pfn),
            _ => None,
        }
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
                let flags = flags ^ VmFlags::LOCKED;
                let vma = self.vma_reset_flags(vma, &part, flags).await?;
                self.state().mlock_vma_pages_range(vma, part);
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
                // the area went while the lock was dropped: what is behind it is next
                Err(FaultError::Sigsegv)
                    if unlockable.is_some() && self.state().find_vma(mm, part.start).is_none() => {}
                Err(_) if unlockable.is_some() && part.start != start => start = part.start,
                Err(FaultError::Oom) => return Err(ChangeError::Enomem),
                Err(_) => return Err(ChangeError::Gap),
            }
        }
        Ok(())
    }
}
