//! Collapse: a huge page in place of a page table (`MADV_COLLAPSE`).
//!
//! A collapse copies the pages of an aligned range into a huge page. It takes shared pages too, but
//! no page with references besides those of mappings and the swap cache. Holes and zero pages
//! become zeroes. Swap entries and the entries of devices are faulted in first: a page on a device
//! comes home.
//!
//! The collapse takes `mmap_lock` for reading, drops it, and takes it for writing, so it checks
//! everything again. While the PMD entry is empty, `mmap_lock`, the lock of the VMA, the anon_vma
//! lock and the folio locks keep everybody out except `gup_fast`. The kernel waits until each
//! `gup_fast` that has begun has ended. One that has ended with a reference makes the collapse
//! fail. So the model has no scheduling point while the page table is unlinked. In the model, a
//! `gup_fast` that holds a reference and has not checked the entry again also makes the collapse
//! fail; in the kernel it gives the reference back.
//!
//! Corresponds to `mm/khugepaged.c`.

use crate::fault::Fault;
use crate::huge_memory::Thp;
use crate::ids::{Folio, MmId, Pfn, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::PageFlags;
use crate::pte::{Entry, Pte, Softleaf};
use crate::state::{Current, State};
use crate::vma::VmFlags;
use crate::walk::Walk;
use alloc::vec::Vec;
use core::ops::Range;

/// Why `madvise(MADV_COLLAPSE)` failed. The huge pages that it has made stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CollapseError {
    /// Part of the range is not mapped (`-ENOMEM`). The mapped parts are collapsed.
    Gap,
    /// No huge page can be had (`-ENOMEM`).
    NoHugePage,
    /// A VMA with userfaultfd has a hole (`-EBUSY`).
    Hole,
    /// A page is locked, isolated, or held (`-EAGAIN`).
    Held,
    /// The range cannot become huge (`-EINVAL`). Its VMA may have no room for a huge page, have had
    /// no page yet, or have MADV_NOHUGEPAGE. The range may have no page table, or a huge entry of a
    /// device. One of its entries may be write-protected for userfaultfd, or may name a page that
    /// cannot be faulted in.
    Unsuitable,
}

/// Why a range of the size of a huge page was not collapsed (`enum scan_result`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scan {
    /// The call goes on with the next range.
    Skip(CollapseError),
    /// The call ends.
    Stop(CollapseError),
    /// A huge entry stands for the range (`SCAN_PMD_MAPPED`).
    IsHuge,
}

impl State {
    /// True if the VMA has room for a huge page, and nothing speaks against one
    /// (`collapse_possible`). A collapse does not obey [`State::thp`], with one exception: `never`
    /// allows none, because it stands for a Linux whose huge pages are larger than the VMAs of the
    /// program.
    fn collapse_possible(&self, vma: VmaId) -> bool {
        let area = self.vma(vma);
        let last = area.end.saturating_sub(1 << self.pmd_order());
        self.thp != Thp::Never
            && !area.flags.contains(VmFlags::NOHUGEPAGE)
            && area.anon_vma.is_some()
            && self.covers_pmd(vma, last)
    }

    /// The VMA that covers the range, if it may be collapsed (`hugepage_vma_revalidate`).
    fn collapsible_area(&self, mm: MmId, range: &Range<u64>) -> Option<VmaId> {
        let vma = self.find_vma(mm, range.start)?;
        let suitable = self.covers_pmd(vma, range.start) && self.collapse_possible(vma);
        suitable.then_some(vma)
    }

    /// The first entry of the page table of the range (`find_pmd_or_thp_or_none`).
    fn collapsible_table(&self, mm: MmId, range: &Range<u64>) -> Result<PteRef, Scan> {
        let leaf = match self.tables.walk(self.mm(mm).pgd, range.start) {
            Walk::Pte(at) => return Ok(at),
            Walk::Huge(at, _) => self.tables.get(at).leaf(),
            Walk::Hole(..) => return Err(Scan::Skip(CollapseError::Unsuitable)),
        };
        Err(match leaf {
            Some(Softleaf::DevicePrivate { .. }) => Scan::Skip(CollapseError::Unsuitable),
            _ => Scan::IsHuge,
        })
    }

    /// The entries of `range`, which lies in one page table, with their addresses.
    fn entries_of(&self, mm: MmId, range: Range<u64>) -> impl Iterator<Item = (PteRef, Pte)> {
        let pgd = self.mm(mm).pgd;
        let found = range.filter_map(move |addr| self.tables.pte_offset(pgd, addr));
        found.map(|at| (at, self.tables.get(at)))
    }

    /// True if somebody besides the mappings and the swap cache holds the folio
    /// (`folio_expected_ref_count`).
    fn is_held(&self, folio: Folio) -> bool {
        let head = self.head(folio);
        head.refcount != head.folio_mapcount() + self.folio_cache_refs(folio)
    }

    /// Checks whether the range can be collapsed, under the page-table lock (`collapse_scan_pmd`).
    /// Returns true if it has entries that are not present.
    fn collapse_scan(&self, vma: VmaId, range: &Range<u64>) -> Result<bool, Scan> {
        let mm = self.vma(vma).mm;
        self.collapsible_table(mm, range)?;
        let mut absent = false;
        for (_, pte) in self.entries_of(mm, range.clone()) {
            let present = match pte.decode() {
                Entry::Present(pte) if pte.pfn() != Pfn::ZERO => pte,
                Entry::None | Entry::Present(_) => {
                    self.may_collapse_hole(vma)?;
                    continue;
                }
                Entry::Leaf(leaf) if leaf.uffd_wp() => {
                    return Err(Scan::Skip(CollapseError::Unsuitable));
                }
                Entry::Leaf(_) => {
                    absent = true;
                    continue;
                }
            };
            if present.uffd_wp() {
                return Err(Scan::Skip(CollapseError::Unsuitable));
            }
            let folio = self.folio(present.pfn());
            let head = self.head(folio);
            if !head.has(PageFlags::LRU) || head.has(PageFlags::LOCKED) || self.is_held(folio) {
                return Err(Scan::Skip(CollapseError::Held));
            }
        }
        Ok(absent)
    }

    /// A collapse fills holes and zero pages, unless userfaultfd waits for them
    /// (`collapse_max_ptes_none`).
    fn may_collapse_hole(&self, vma: VmaId) -> Result<(), Scan> {
        match self.vma(vma).flags.contains(VmFlags::UFFD_WP) {
            true => Err(Scan::Stop(CollapseError::Hole)),
            false => Ok(()),
        }
    }

    /// Locks and isolates the folios of the range (`__collapse_huge_page_isolate`). What it has
    /// taken stays in `taken`.
    fn collapse_isolate(
        &mut self,
        cur: Current<'_>,
        vma: VmaId,
        range: &Range<u64>,
        taken: &mut Vec<Folio>,
    ) -> Result<(), Scan> {
        let mm = self.vma(vma).mm;
        let entries: Vec<_> = self.entries_of(mm, range.clone()).collect();
        for (_, pte) in entries {
            let pte = match pte.decode() {
                Entry::Present(pte) if pte.pfn() != Pfn::ZERO => pte,
                Entry::None | Entry::Present(_) => {
                    self.may_collapse_hole(vma)?;
                    continue;
                }
                Entry::Leaf(_) => return Err(Scan::Skip(CollapseError::Unsuitable)),
            };
            let protected = pte.uffd_wp();
            zoo!(self, Bug::KhugepagedUffdwpRecheck => let protected = false);
            if protected {
                return Err(Scan::Skip(CollapseError::Unsuitable));
            }
            let folio = self.folio(pte.pfn());
            if taken.contains(&folio) {
                continue;
            }
            if !self.folio_trylock(cur.task, folio) {
                return Err(Scan::Skip(CollapseError::Held));
            }
            let held = self.is_held(folio);
            zoo!(self, Bug::CollapseHeldRecheck => let held = false);
            if held || !self.folio_isolate_lru(cur.task, folio) {
                self.folio_unlock(cur.task, folio);
                return Err(Scan::Skip(CollapseError::Held));
            }
            taken.push(folio);
        }
        Ok(())
    }

    /// Gives back a folio that was locked and isolated (`release_pte_folio`).
    fn collapse_release(&mut self, cur: Current<'_>, folio: Folio) {
        self.folio_unlock(cur.task, folio);
        self.free_swap_cache(folio);
        self.folio_putback_lru(cur.task, folio);
    }

    /// Copies the pages of the range into a huge page, and removes their mappings
    /// (`__collapse_huge_page_copy`). Gives the small folios back.
    fn collapse_copy(&mut self, cur: Current<'_>, vma: VmaId, range: &Range<u64>, huge: Folio) {
        let mm = self.vma(vma).mm;
        let entries: Vec<_> = self.entries_of(mm, range.clone()).collect();
        for ((at, pte), new) in entries.into_iter().zip(self.whole(huge).pages()) {
            let Some(old) = pte.present() else {
                continue;
            };
            self.page_mut(new).word = self.page(old.pfn()).word;
            self.tables.set(at, Pte::NONE);
            if old.pfn() == Pfn::ZERO {
                continue;
            }
            let unit = self.unit(old.pfn());
            let small = self.head(unit.folio).order == 0;
            if small {
                self.collapse_release(cur, unit.folio);
            }
            self.mm_mut(mm).anon_rss -= 1;
            self.folio_remove_rmap(unit, vma);
            if small {
                self.free_swap_cache(unit.folio);
            }
            self.folio_ref_sub(unit.folio, 1);
        }
    }

    /// Replaces the page table of the range by the huge page, or changes nothing (the part of
    /// `collapse_huge_page` with the page table unlinked).
    fn collapse_unlinked(
        &mut self,
        cur: Current<'_>,
        vma: VmaId,
        range: &Range<u64>,
        huge: Folio,
    ) -> Result<(), Scan> {
        let mm = self.vma(vma).mm;
        self.flush_tlb_range(mm, range.clone());
        let mut taken = Vec::new();
        let isolated = self.collapse_isolate(cur, vma, range, &mut taken);
        if isolated.is_ok() {
            taken.retain(|folio| self.head(*folio).order > 0);
            self.collapse_copy(cur, vma, range, huge);
        }
        for folio in taken {
            self.collapse_release(cur, folio);
        }
        isolated?;
        if let Some((at, table)) = self.tables.unlink(self.mm(mm).pgd, range.start) {
            self.tables.deposit(at, table);
            self.map_new_huge_page(cur, vma, range.start, at, huge, false);
        }
        Ok(())
    }
}

impl Current<'_> {
    /// Makes huge pages of the aligned parts of a range (`madvise` with `MADV_COLLAPSE`).
    pub async fn madvise_collapse(
        self,
        mm: MmId,
        mut rest: Range<u64>,
    ) -> Result<(), CollapseError> {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        let mut result = Ok(());
        while !rest.is_empty() {
            let Some((vma, part)) = ({ self.state().area_in(mm, &rest) }) else {
                result = Err(CollapseError::Gap);
                break;
            };
            if part.start != rest.start {
                result = Err(CollapseError::Gap);
            }
            rest.start = part.end;
            if let Err(error) = self.collapse_area(mm, vma, part).await {
                result = Err(error);
                break;
            }
        }
        self.unlock(lock);
        result
    }

    /// Collapses a part of a VMA. `mmap_lock` is held for reading, and is dropped meanwhile
    /// (`madvise_collapse`).
    async fn collapse_area(
        self,
        mm: MmId,
        vma: VmaId,
        part: Range<u64>,
    ) -> Result<(), CollapseError> {
        let (mut addr, mut end, pages) = {
            let s = &*self.state();
            if !s.collapse_possible(vma) {
                return Err(CollapseError::Unsuitable);
            }
            let pages = 1 << s.pmd_order();
            (
                part.start.next_multiple_of(pages),
                part.end / pages * pages,
                pages,
            )
        };
        let mut result = Ok(());
        while addr < end {
            let range = addr..addr + pages;
            addr = range.end;
            // the VMA may have changed while the lock was dropped
            let area = {
                let s = &*self.state();
                let vma = s.collapsible_area(mm, &range);
                vma.map(|vma| s.vma(vma).range())
            };
            let area = area.ok_or(CollapseError::Unsuitable)?;
            end = end.min(area.end / pages * pages);
            match self.collapse_range(mm, range).await {
                Ok(()) | Err(Scan::IsHuge) => {}
                Err(Scan::Skip(error)) => result = Err(error),
                Err(Scan::Stop(error)) => return Err(error),
            }
        }
        result
    }

    /// Collapses one range of the size of a huge page (`collapse_single_pmd`). Drops `mmap_lock`
    /// and takes it again if the range looks suitable.
    async fn collapse_range(self, mm: MmId, range: Range<u64>) -> Result<(), Scan> {
        let gone = Scan::Stop(CollapseError::Unsuitable);
        let absent = {
            let s = &*self.state();
            let vma = s.collapsible_area(mm, &range).ok_or(gone)?;
            s.collapse_scan(vma, &range)?
        };
        let lock = Lock::MmapRead(mm);
        self.unlock(lock);
        self.preempt(Site::CollapseHugePage).await;
        let result = self.collapse_huge_page(mm, range, absent).await;
        self.lock(lock).await;
        result
    }

    /// Collapses a range that a scan found suitable, without `mmap_lock` held
    /// (`collapse_huge_page`).
    async fn collapse_huge_page(
        self,
        mm: MmId,
        range: Range<u64>,
        absent: bool,
    ) -> Result<(), Scan> {
        let huge = { self.state().alloc_huge_page(self) };
        let huge = huge.map_err(|_| Scan::Stop(CollapseError::NoHugePage))?;
        let result = self.collapse_into(mm, &range, absent, huge).await;
        if result.is_err() {
            self.state().folio_put(self.task, huge);
        }
        result
    }

    async fn collapse_into(
        self,
        mm: MmId,
        range: &Range<u64>,
        absent: bool,
        huge: Folio,
    ) -> Result<(), Scan> {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        let swapped_in = self.collapse_swapin(mm, range, absent).await;
        self.unlock(lock);
        if let Fault::Locked(folio) = swapped_in? {
            self.folio_wait_locked(folio).await;
            return Err(Scan::Skip(CollapseError::Held));
        }
        self.preempt(Site::CollapseHugePage).await;
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let result = self.collapse_locked(mm, range, huge).await;
        self.unlock(lock);
        result
    }

    /// Faults in the entries that are not present, with `mmap_lock` held for reading
    /// (`__collapse_huge_page_swapin`).
    async fn collapse_swapin(
        self,
        mm: MmId,
        range: &Range<u64>,
        absent: bool,
    ) -> Result<Fault, Scan> {
        let vma = {
            let s = &*self.state();
            let vma = s.collapsible_area(mm, range);
            let vma = vma.ok_or(Scan::Stop(CollapseError::Unsuitable))?;
            s.collapsible_table(mm, range)?;
            vma
        };
        for addr in range.clone().filter(|_| absent) {
            let leaf = {
                let s = &*self.state();
                let at = s.tables.pte_offset(s.mm(mm).pgd, addr);
                let at = at.ok_or(Scan::Skip(CollapseError::Unsuitable))?;
                s.tables.get(at).leaf()
            };
            if leaf.is_none() {
                continue;
            }
            match self.handle_mm_fault(vma, addr, false).await {
                Ok(Fault::Done) => {}
                Ok(locked) => return Ok(locked),
                Err(_) => return Err(Scan::Stop(CollapseError::Unsuitable)),
            }
        }
        Ok(Fault::Done)
    }

    /// Collapses a range with `mmap_lock` held for writing.
    async fn collapse_locked(self, mm: MmId, range: &Range<u64>, huge: Folio) -> Result<(), Scan> {
        let gone = Scan::Stop(CollapseError::Unsuitable);
        let (vma, root) = {
            let s = &*self.state();
            let area = s.collapsible_area(mm, range);
            zoo!(s, Bug::CollapseStaleArea => let area = s.find_vma(mm, range.start));
            let vma = area.ok_or(gone)?;
            s.collapsible_table(mm, range)?;
            let anon_vma = s.vma(vma).anon_vma.ok_or(gone)?;
            (vma, s.anon_vma(anon_vma).root)
        };
        let lock = Lock::AnonVmaWrite(root);
        self.lock(lock).await;
        let notifier = NotifierRange::new(mm, range.clone(), NotifierEvent::Clear, None);
        self.notifier_start(&notifier).await;
        let s = &mut *self.state();
        let result = s.collapse_unlinked(self, vma, range, huge);
        s.notifier_end(self.task, &notifier);
        s.unlock(self.task, lock);
        result
    }
}
