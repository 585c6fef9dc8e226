//! Splitting: a huge entry into entries of single pages, and a large folio into its pages.
//!
//! The split of an entry installs the page table that the entry owns, so it needs no allocation.
//! The folio stays large. The split of a folio replaces all its mappings by migration entries,
//! makes each page a folio of its own, and then restores the mappings.
//!
//! Lock order: the folio lock, then the anon_vma lock for writing, then the page-table lock.
//!
//! Corresponds to `mm/huge_memory.c`.

use crate::huge_memory::PMD;
use crate::ids::{Folio, Pfn, PteRef, TaskId, VmaId};
use crate::lock::Lock;
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::PageFlags;
use crate::pte::{Entry, PresentPte, Pte, PteFlags, Softleaf};
use crate::rmap::{RmapLock, Ttu, Unit, Zeroes};
use crate::state::{Current, State};
use crate::trace::Event;
use crate::walk::Walk;
use alloc::vec::Vec;

/// What the split of a huge entry leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Split {
    /// Mappings of the same pages.
    Mapped,
    /// Migration entries, unless the folio is exclusive and may be pinned (`freeze`).
    Frozen,
}

/// Where the split of a folio leaves its pages, except the first one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parts {
    OnLru,
    /// Isolated from the LRU. The isolation holds a reference to each.
    Isolated,
    /// Pages of a device, which has no LRU.
    OffLru,
}

impl State {
    /// Replaces the huge entry `at` by a page table of entries for the same pages, under the PMD
    /// lock (`__split_huge_pmd_locked`).
    pub(crate) fn split_huge_pmd_locked(&mut self, vma: VmaId, at: PteRef, how: Split) {
        let pmd = self.tables.get(at);
        match (pmd.decode(), pmd.leaf()) {
            (Entry::Present(pmd), _) => self.split_present_pmd(vma, at, pmd, how),
            (_, Some(Softleaf::DevicePrivate { write, pfn })) => {
                let folio = self.folio(pfn);
                let exclusive = self.page(pfn).anon_exclusive();
                let entry = match self.split_mapping(vma, folio, exclusive, how) {
                    Split::Mapped => pmd,
                    Split::Frozen => {
                        let frozen =
                            Self::make_migration_entry(pfn, write, exclusive, false, false);
                        frozen.set(pmd.tracking(), true).pte()
                    }
                };
                self.populate_split(at, |i| entry.part(i));
            }
            (_, Some(Softleaf::Migration(_))) => {
                zoo!(self, Bug::SplitPmdMigrationRef => self.get_split_migration(pmd));
                zoo!(self, Bug::SplitPmdMigrationMapcount => self.map_split_migration(vma, pmd));
                self.populate_split(at, |i| pmd.part(i));
            }
            _ => {}
        }
    }

    /// Splits a huge entry that is present. Huge and small translations of an address never exist
    /// side by side, so the huge one is flushed first.
    fn split_present_pmd(&mut self, vma: VmaId, at: PteRef, pmd: PresentPte, how: Split) {
        let (mm, first) = (self.tables.table(at).mm, self.tables.addr(at));
        self.flush_tlb_range(mm, first..first + self.geometry().span(PMD - 1));
        if pmd.pfn() == Pfn::ZERO {
            let (soft_dirty, uffd_wp) = (pmd.soft_dirty(), pmd.uffd_wp());
            zoo!(self, Bug::LatentHugeZeroSplitSoftdirty => let soft_dirty = false);
            zoo!(self, Bug::HugezeroSplitUffdwp => let uffd_wp = false);
            let zero = self.mk_pte(vma, Pfn::ZERO).set(PteFlags::SPECIAL, true);
            let zero = zero
                .set(PteFlags::SOFT_DIRTY, soft_dirty)
                .set(PteFlags::UFFD_WP, uffd_wp)
                .pte();
            self.populate_split(at, |_| zero);
            return;
        }
        let folio = self.folio(pmd.pfn());
        let exclusive = self.page(folio.head()).anon_exclusive();
        zoo!(self, Bug::ThpSplitDirty => let pmd = pmd.set(PteFlags::DIRTY, false));
        if pmd.dirty() {
            self.folio_mark_dirty(folio);
        }
        if self.split_mapping(vma, folio, exclusive, how) == Split::Frozen {
            self.populate_split(at, |i| {
                let page = Pfn(pmd.pfn().0 + i);
                let (write, young, dirty) = (pmd.write(), pmd.young(), pmd.dirty());
                let entry = Self::make_migration_entry(page, write, exclusive, young, dirty);
                entry.set(pmd.tracking(), true).pte()
            });
            return;
        }
        // pte_mkdirty sets soft-dirty as well
        zoo!(self, Bug::LatentSplitPmdSoftdirty if pmd.dirty() => let pmd = pmd.mkdirty());
        self.populate_split(at, |i| pmd.pte().part(i));
    }

    /// Turns the mapping of a whole folio into mappings of its pages, or drops the mapping if
    /// migration entries take its place. Returns which of the two was done.
    fn split_mapping(&mut self, vma: VmaId, folio: Folio, exclusive: bool, how: Split) -> Split {
        let unit = self.whole(folio);
        let mut done = how;
        if how == Split::Frozen && exclusive && !self.folio_try_share_anon_rmap(unit) {
            done = Split::Mapped;
        }
        match done {
            Split::Mapped => {
                self.folio_ref_add(folio, unit.nr as i32 - 1);
                self.folio_add_anon_rmap(Unit { level: 0, ..unit }, vma, exclusive);
                zoo!(self, Bug::SplitHeadExclusive if exclusive =>
                    self.unshare_tails(unit));
                self.folio_remove_rmap(unit, vma);
            }
            Split::Frozen => {
                self.folio_remove_rmap(unit, vma);
                self.folio_ref_sub(folio, 1);
            }
        }
        done
    }

    /// Installs the page table that the huge entry `at` owns, with `entry(i)` for page `i`.
    fn populate_split(&mut self, at: PteRef, entry: impl Fn(u32) -> Pte) {
        match self.tables.withdraw(at) {
            Some(table) => self.tables.split(at, table, entry),
            // the kernel would crash here; no path leads here
            None => self.tables.set(at, Pte::NONE),
        }
    }

    /// Splits the huge entry that a new boundary inside a VMA would cut, if there is one
    /// (`vma_adjust_trans_huge`). Devices lose their mappings of the range of that entry even if
    /// the range has small entries or none: the kernel calls the MMU notifiers before it looks
    /// whether the entry is huge. The kernel's callbacks may sleep here; those of the model do not.
    pub(crate) fn vma_adjust_trans_huge(&mut self, task: TaskId, vma: VmaId, boundary: u64) {
        let mm = self.vma(vma).mm;
        let range = self.pmd_range(boundary);
        let found = self.tables.walk(self.mm(mm).pgd, boundary);
        let has_upper_tables = !matches!(found, Walk::Hole(_, level) if level > PMD);
        if range.start == boundary || !self.covers_pmd(vma, boundary) || !has_upper_tables {
            return;
        }
        let notifier = NotifierRange::new(mm, range, NotifierEvent::Clear, None);
        self.invalidate_start(task, &notifier);
        if let Walk::Huge(at, _) = found {
            self.split_huge_pmd_locked(vma, at, Split::Mapped);
        }
        self.notifier_end(task, &notifier);
    }

    /// Number of references that the swap cache holds to a folio (`folio_cache_ref_count`).
    pub(crate) fn folio_cache_refs(&self, folio: Folio) -> i32 {
        let head = self.head(folio);
        i32::from(head.has(PageFlags::SWAPCACHE)) * head.nr_pages()
    }

    /// True if only the caller, the mappings and the swap cache hold the folio
    /// (`folio_expected_ref_count`).
    pub(crate) fn only_mappings_hold(&self, folio: Folio) -> bool {
        let head = self.head(folio);
        head.refcount == head.folio_mapcount() + self.folio_cache_refs(folio) + 1
    }

    /// True if only the caller, the mappings and the swap cache hold the folio, and it is not under
    /// writeback. This is an early check, before anything changes (`folio_check_splittable`, and
    /// the racy check in `__folio_split`).
    fn may_split(&self, folio: Folio) -> bool {
        zoo!(self, Bug::SplitUnmapFailBug => return true);
        let head = self.head(folio);
        head.order > 0 && !head.has(PageFlags::WRITEBACK) && self.only_mappings_hold(folio)
    }

    /// Makes each page of a folio a folio of its own (`__folio_freeze_and_split_unmapped`). Returns
    /// false if somebody besides the caller and the swap cache holds the folio, or an entry still
    /// maps it. The new folios are locked, and the task holds a reference to each. `parts` says
    /// where they go. With [`Parts::Isolated`], the task holds one more reference to each, that of
    /// the isolation. A folio in the swap cache passes on its slots.
    pub(crate) fn split_unmapped(&mut self, cur: Current<'_>, folio: Folio, parts: Parts) -> bool {
        let cached = self.folio_cache_refs(folio);
        let head = *self.head(folio);
        let held = head.refcount != 1 + cached || head.folio_mapcount() != 0;
        zoo!(self, Bug::SplitUnmapFailBug => let held = false);
        if held {
            return false;
        }
        let unit = self.whole(folio);
        let pages = unit.nr;
        self.events.push(Event::FolioSplit { folio, pages });
        self.folio_unqueue_deferred_split(folio);
        if cached > 0 {
            self.split_in_swap_cache(folio);
        }
        let own = i32::from(cached > 0);
        for page in unit.pages().skip(1) {
            let part = self.page_mut(page);
            let index = head.index + u64::from(part.tail_offset);
            part.tail_offset = 0;
            part.flags = head.flags - PageFlags::HEAD - PageFlags::ANON_EXCLUSIVE;
            part.flags -= PageFlags::LOCKED | PageFlags::PARTIALLY_MAPPED;
            part.set_mapping(head.mapping());
            part.index = index;
            part.refcount = 1 + own;
            part.mlock_count = head.mlock_count;
            let part = Folio::of_head(page);
            self.tasks[cur.task.ix()].refs.push(part);
            self.folio_trylock(cur.task, part);
            match parts {
                Parts::OnLru => self.folio_add_lru(part),
                Parts::Isolated => self.folio_get(cur.task, part),
                Parts::OffLru => {}
            }
            self.driver_folio_split(folio, page);
        }
        let head = self.head_mut(folio);
        head.order = 0;
        head.flags -= PageFlags::HEAD | PageFlags::ANON_EXCLUSIVE;
        head.refcount -= cached - own;
        true
    }
}

impl Current<'_> {
    /// Splits the huge entry that stands for `addr`, if there is one (`__split_huge_pmd`).
    pub(crate) async fn split_huge_pmd(self, vma: VmaId, addr: u64) {
        let (mm, range) = {
            let s = &*self.state();
            (s.vma(vma).mm, s.pmd_range(addr))
        };
        let notifier = NotifierRange::new(mm, range, NotifierEvent::Clear, None);
        self.notifier_start(&notifier).await;
        let s = &mut *self.state();
        if let Walk::Huge(at, _) = s.tables.walk(s.mm(mm).pgd, addr) {
            s.split_huge_pmd_locked(vma, at, Split::Mapped);
        }
        s.notifier_end(self.task, &notifier);
    }

    /// [`split_huge_pmd`](Self::split_huge_pmd), but does nothing if no present huge entry stands
    /// for `addr` (`FOLL_SPLIT_PMD`).
    pub(crate) async fn split_if_huge(self, vma: VmaId, addr: u64) {
        let huge = {
            let s = &*self.state();
            match s.tables().walk(s.mm(s.vma(vma).mm).pgd, addr) {
                Walk::Huge(at, _) => s.tables().get(at).present().is_some(),
                Walk::Pte(_) | Walk::Hole(..) => false,
            }
        };
        if huge {
            self.split_huge_pmd(vma, addr).await;
        }
    }

    /// Splits a large folio into its pages (`split_folio`). The task holds the folio lock and one
    /// reference. After the split, it holds those of the page `kept`. Returns false if nothing maps
    /// the folio, if it is not large any more, if it is under writeback, or if somebody besides the
    /// mappings and the swap cache holds it.
    ///
    /// The anon_vma is locked for writing until the mappings are restored, which keeps out other
    /// splits. Another task may unmap the folio meanwhile, and remove its VMAs, so the task also
    /// holds a reference to the anon_vma.
    pub(crate) async fn split_folio(self, folio: Folio, kept: Pfn) -> bool {
        let parts = match folio.device() {
            None => Parts::OnLru,
            Some(_) => Parts::OffLru,
        };
        self.split_folio_to(folio, kept, parts).await
    }

    /// Splits an isolated folio for reclaim (`split_folio_to_list`). The task keeps the lock and
    /// its reference to the first page. Appends the other pages, which are isolated too, to `list`.
    pub(crate) async fn split_folio_to_list(self, folio: Folio, list: &mut Vec<Folio>) -> bool {
        let pages = { self.state().whole(folio).pages() };
        let split = self
            .split_folio_to(folio, folio.head(), Parts::Isolated)
            .await;
        if split {
            list.extend(pages.skip(1).map(Folio::of_head));
        }
        split
    }

    async fn split_folio_to(self, folio: Folio, kept: Pfn, parts: Parts) -> bool {
        let held = { self.state().folio_get_anon_vma(self.task, folio) };
        let Some(anon_vma) = held else {
            return false;
        };
        let lock = Lock::AnonVmaWrite(self.state().anon_vma(anon_vma).root);
        self.lock(lock).await;
        let split = self.split_folio_locked(folio, kept, parts).await;
        let s = &mut *self.state();
        s.unlock(self.task, lock);
        s.put_task_anon_vma(self.task, anon_vma);
        split
    }

    /// Splits a folio whose anon_vma is locked for writing (the rest of `__folio_split`).
    async fn split_folio_locked(self, folio: Folio, kept: Pfn, parts: Parts) -> bool {
        let unit = {
            let s = &*self.state();
            if !s.may_split(folio) {
                return false;
            }
            s.whole(folio)
        };
        self.try_to_migrate(folio, Ttu::SPLIT_FOLIO).await;
        let split = { self.state().split_unmapped(self, folio, parts) };
        if !split {
            self.remove_migration_ptes(folio, folio, RmapLock::Held, Zeroes::Mapped)
                .await;
            return false;
        }
        // a device page of zeroes is kept: the device may be about to write to it
        let zeroes = match folio.device() {
            None => Zeroes::Shared,
            Some(_) => Zeroes::Mapped,
        };
        for page in unit.pages() {
            let part = Folio::of_head(page);
            self.remove_migration_ptes(part, part, RmapLock::Held, zeroes)
                .await;
        }
        let s = &mut *self.state();
        for page in unit.pages().filter(|page| *page != kept) {
            let part = Folio::of_head(page);
            s.folio_unlock(self.task, part);
            s.free_swap_cache(part);
            s.folio_put(self.task, part);
        }
        true
    }

    /// Splits a large folio that an entry maps. Returns false if it is locked, or if somebody else
    /// holds it. The kernel waits for the lock, even if the task holds those of other folios.
    pub(crate) async fn split_mapped_folio(self, folio: Folio) -> bool {
        {
            let s = &mut *self.state();
            if !s.folio_try_get(self.task, folio) {
                return false;
            }
            if !s.folio_trylock(self.task, folio) {
                s.folio_put(self.task, folio);
                return false;
            }
        }
        let split = self.split_folio(folio, folio.head()).await;
        let s = &mut *self.state();
        s.folio_unlock(self.task, folio);
        s.folio_put(self.task, folio);
        split
    }
}
