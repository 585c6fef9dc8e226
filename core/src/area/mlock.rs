//! `mlock`: VMAs whose pages are in memory and stay there.
//!
//! `mlock` marks a VMA and then faults in each of its pages, as a write would if the VMA is
//! writable, so that no copy-on-write is needed later. The mark keeps a page in memory:
//! `try_to_unmap` does not unmap a page from a marked VMA. A folio has a flag as well, which spares
//! reclaim the attempt to unmap it. A folio on the LRU also has a count of its mappings in mlocked
//! VMAs. The count can be too low, because it restarts at zero when the folio returns to the LRU.
//! An munlock that leaves the count at zero clears the flag. The count changes under the page-table
//! lock. The kernel has a per-CPU batch of mlocked folios. The model has two effects of this batch.
//! The batch holds a reference to each of its folios (`VmFault::in_batch`). If the batch is
//! processed before a folio is on the LRU, the folio's mappings in that batch are not counted
//! (`State::drain_lru_batch`).
//!
//! Corresponds to `mm/mlock.c`, `populate_vma_page_range` in `mm/gup.c`.

use crate::fault::FaultError;
use crate::ids::{Folio, MmId, Pfn, VmaId};
use crate::lock::Lock;
use crate::mprotect::ChangeError;
use crate::page::PageFlags;
use crate::pte::{Pte, Softleaf};
use crate::state::{Current, State};
use crate::vma::VmFlags;
use crate::walk::Walk;
use core::ops::Range;

impl State {
    /// Counts a mapping of the folio in an mlocked VMA (`mlock_folio`, `__mlock_folio`). A folio
    /// off the LRU only gets the flag.
    pub(crate) fn mlock_folio(&mut self, folio: Folio) {
        let page = self.head_mut(folio);
        page.flags.insert(PageFlags::MLOCKED);
        if page.has(PageFlags::LRU) {
            let counted = page.has(PageFlags::UNEVICTABLE);
            page.mlock_count = if counted { page.mlock_count + 1 } else { 1 };
            page.flags.insert(PageFlags::UNEVICTABLE);
        }
    }

    /// Uncounts a mapping of the folio in an mlocked VMA. The flag is cleared at zero, or at once
    /// if the folio has no count (`munlock_folio`, `__munlock_folio`).
    fn munlock_folio(&mut self, folio: Folio) {
        let page = self.head_mut(folio);
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

    /// Counts a new mapping of the folio in `vma`, if `vma` is mlocked.
    pub(crate) fn mlock_vma_folio(&mut self, folio: Folio, vma: VmaId) {
        if self.vma(vma).flags.contains(VmFlags::LOCKED) {
            self.mlock_folio(folio);
        }
    }

    /// Uncounts a removed mapping of the folio in `vma`, if `vma` is mlocked.
    pub(crate) fn munlock_vma_folio(&mut self, folio: Folio, vma: VmaId) {
        if self.vma(vma).flags.contains(VmFlags::LOCKED) {
            self.munlock_folio(folio);
        }
    }

    /// Counts or uncounts the pages in `part` of a VMA whose mark has just changed
    /// (`mlock_vma_pages_range`).
    fn mlock_vma_pages_range(&mut self, vma: VmaId, part: Range<u64>) {
        let area = self.vma(vma);
        let (pgd, locked) = (self.mm(area.mm).pgd, area.flags.contains(VmFlags::LOCKED));
        let mut rest = part;
        while let Some(addr) = rest.next() {
            let (pte, more, whole) = match self.tables.walk(pgd, addr) {
                Walk::Pte(at) => {
                    let more = self.folio_pte_batch(pgd, addr, rest.end);
                    (Some(self.tables.get(at)), more, false)
                }
                Walk::Huge(at, _) => (Some(self.tables.get(at)), self.entry_pages(at) - 1, true),
                Walk::Hole(..) => continue,
            };
            rest.start += more;
            zoo!(self, Bug::LatentMunlockNonpresent =>
                let pte = pte.filter(|pte| pte.present().is_some()));
            zoo!(self, Bug::ExclMapcountDropped => let pte = pte.filter(|pte| !pte.is_exclusive()));
            let Some(folio) = pte.and_then(Self::mapped_page).map(|page| self.folio(page)) else {
                continue;
            };
            // a large folio is mlocked only if all of it is mapped here
            let whole = whole || more + 1 == 1 << self.head(folio).order;
            match locked {
                true if whole => self.mlock_folio(folio),
                true => {}
                false => self.munlock_folio(folio),
            }
        }
    }

    /// The page that an entry maps, in system memory or on a device.
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
    /// `mlock`. If the range has a gap, the part below the gap is marked, and the call fails.
    pub async fn mlock(self, mm: MmId, range: Range<u64>) -> Result<(), ChangeError> {
        self.mark_range(mm, range.clone(), true).await?;
        let populated = self.mm_populate(mm, range).await;
        populated.map_err(|error| match error {
            ChangeError::Enomem => ChangeError::Again,
            error => error,
        })
    }

    /// `munlock`. If the range has a gap, the part below the gap is changed, and the call fails.
    pub async fn munlock(self, mm: MmId, range: Range<u64>) -> Result<(), ChangeError> {
        self.mark_range(mm, range, false).await
    }

    /// Sets or clears the mark in a range (`apply_vma_lock_flags`).
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

    /// Faults in the pages of a range that VMAs cover (`__mm_populate`).
    pub(crate) async fn mm_populate(self, mm: MmId, range: Range<u64>) -> Result<(), ChangeError> {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        let result = self.populate_locked(mm, range, Some(lock)).await;
        self.unlock(lock);
        result
    }

    /// Faults in the mapped pages of a range, with `mmap_lock` held (`populate_vma_page_range`).
    /// `unlockable` is that lock if it may be dropped while the task waits for a folio lock. In
    /// that case, a page that fails after other pages of its VMA succeeded is tried once more, and
    /// the second error is returned.
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
                // the VMA went away while the lock was dropped: continue with the next one
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
