//! Transparent huge pages: huge faults, the split of a huge entry, its zap, and the split of a
//! folio.
//!
//! A huge entry names the head page of a folio of that size, or the zero page, and lies at an
//! aligned address inside one VMA. Each one owns a *deposited* page table, which a split of the
//! entry installs without an allocation. After the split, entries of single pages map the folio,
//! which stays large until it is split as well.
//!
//! An operation that has no form for huge entries splits them first.
//!
//! Corresponds to `mm/huge_memory.c`.

use crate::fail::AllocKind;
use crate::fault::{Fault, FaultError};
use crate::ids::{Folio, MmId, Pfn, PteRef, TableId, VmaId};
use crate::lock::Site;
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::PageFlags;
use crate::pte::{PresentPte, Pte, PteFlags};
use crate::rmap::{Unit, UnmapFlush};
use crate::state::{Current, Enomem, State};
use crate::walk::Walk;
use core::fmt;
use core::ops::Range;

/// The level of the tables that hold huge entries.
pub(crate) const PMD: u32 = 1;

/// When a fault maps a huge page (`/sys/kernel/mm/transparent_hugepage/enabled`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Thp {
    /// Never.
    #[default]
    Never,
    /// Whenever the VMA covers the range of the huge entry.
    Always,
}

/// The word for it in `/sys/kernel/mm/transparent_hugepage/enabled`.
impl fmt::Display for Thp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Always => "always",
        })
    }
}

/// What became of a huge fault.
pub(crate) enum HugeFault {
    Done(Fault),
    /// Go on with the entry of a single page (`VM_FAULT_FALLBACK`).
    Fallback,
}

impl State {
    /// log2 of the pages of a huge entry.
    pub(crate) fn pmd_order(&self) -> u8 {
        self.geometry().order(PMD)
    }

    /// The addresses of the huge entry that would stand for `addr`.
    fn pmd_range(&self, addr: u64) -> Range<u64> {
        let end = self.geometry().end_of(addr, PMD - 1);
        end - self.geometry().span(PMD - 1)..end
    }

    /// True if a fault at `addr` may map a huge page: it is allowed, and the VMA covers its range
    /// (`thp_vma_allowable_order`, `thp_vma_suitable_order`).
    pub(crate) fn thp_suitable(&self, vma: VmaId, addr: u64) -> bool {
        let area = self.vma(vma).range();
        let range = self.pmd_range(addr);
        self.thp == Thp::Always && area.start <= range.start && range.end <= area.end
    }

    /// Allocates the upper tables for `addr` (`pmd_alloc`). Returns the entry that may become huge,
    /// or `None` if it is not empty.
    fn pmd_alloc(&mut self, mm: MmId, addr: u64) -> Result<Option<PteRef>, Enomem> {
        let pgd = self.mm(mm).pgd;
        loop {
            match self.tables.walk(pgd, addr) {
                Walk::Pte(_) | Walk::Huge(..) => return Ok(None),
                Walk::Hole(at, PMD) => return Ok(Some(at)),
                Walk::Hole(at, level) => {
                    self.may_alloc(AllocKind::PageTable)?;
                    self.tables.install(at, mm, level - 1, addr);
                }
            }
        }
    }

    /// The entry for `addr`, if it is still empty, under the PMD lock.
    fn empty_pmd(&self, mm: MmId, addr: u64) -> Option<PteRef> {
        match self.tables.walk(self.mm(mm).pgd, addr) {
            Walk::Hole(at, PMD) => Some(at),
            _ => None,
        }
    }

    /// The page table that a new huge entry owns (`pte_alloc_one`).
    fn alloc_deposit(&mut self, mm: MmId, addr: u64) -> Result<TableId, Enomem> {
        self.may_alloc(AllocKind::PageTable)?;
        Ok(self.tables.alloc(mm, PMD - 1, self.pmd_range(addr).start))
    }

    /// Maps a new huge page, under the PMD lock (`map_anon_folio_pmd_pf`).
    fn map_new_huge_page(
        &mut self,
        cur: Current<'_>,
        vma: VmaId,
        addr: u64,
        at: PteRef,
        folio: Folio,
    ) {
        let pte = self.mk_pte(vma, folio.head()).set(PteFlags::PSE, true);
        let pte = self.maybe_mkwrite(vma, pte.mkdirty());
        let mm = self.vma(vma).mm;
        self.mm_mut(mm).anon_rss += 1 << self.pmd_order();
        let first = self.pmd_range(addr).start;
        self.map_new_anon_page(cur, vma, first, at, pte);
    }

    /// A new, cleared, charged huge page.
    fn alloc_huge_page(&mut self, cur: Current<'_>) -> Result<Folio, Enomem> {
        let folio = self.folio_alloc(cur.task, self.pmd_order())?;
        for page in self.whole(folio).pages() {
            self.page_mut(page).word = 0;
        }
        self.charge(folio);
        Ok(folio)
    }

    /// Replaces the huge entry `at` by a page table of entries that map the same pages, under the
    /// PMD lock (`__split_huge_pmd_locked`). Huge and small translations of an address never exist
    /// side by side, so the huge one is flushed first.
    pub(crate) fn split_huge_pmd_locked(&mut self, vma: VmaId, at: PteRef) {
        let (mm, first) = (self.tables.table(at).mm, self.tables.addr(at));
        let Some(pmd) = self.tables.get(at).present() else {
            return;
        };
        let range = first..first + self.geometry().span(PMD - 1);
        self.flush_tlb_range(mm, range);
        let Some(table) = self.tables.withdraw(at) else {
            return;
        };
        if pmd.pfn() == Pfn::ZERO {
            // the kernel keeps only uffd-wp here
            let zero = self.mk_pte(vma, Pfn::ZERO).set(PteFlags::SPECIAL, true);
            let zero = zero.set(PteFlags::UFFD_WP, pmd.uffd_wp()).pte();
            self.tables.split(at, table, |_| zero);
            return;
        }
        let folio = self.folio(pmd.pfn());
        let unit = self.whole(folio);
        let exclusive = self.page(folio.head()).anon_exclusive();
        if pmd.dirty() {
            self.folio_mark_dirty(folio);
        }
        self.folio_ref_add(folio, unit.nr as i32 - 1);
        let pages = Unit { level: 0, ..unit };
        self.folio_add_anon_rmap(pages, vma, exclusive);
        self.folio_remove_rmap(unit, vma);
        // pte_mkdirty sets soft-dirty as well
        let pmd = if pmd.dirty() { pmd.mkdirty() } else { pmd };
        self.tables.split(at, table, |i| pmd.pte().part(i));
    }

    /// Removes a whole huge entry, under the PMD lock (`zap_huge_pmd`).
    pub(crate) fn zap_huge_pmd(&mut self, cur: Current<'_>, vma: VmaId, at: PteRef) {
        let pte = self.tables.get(at);
        let Some(pmd) = pte.present() else { return };
        self.set_pte_gathered(cur.task, at, pte, Pte::NONE);
        self.free_deposit(at);
        if pmd.pfn() == Pfn::ZERO {
            return;
        }
        let mm = self.vma(vma).mm;
        self.mm_mut(mm).anon_rss -= 1 << self.pmd_order();
        let unit = self.whole(self.folio(pmd.pfn()));
        self.folio_remove_rmap(unit, vma);
        self.tlb_remove_folio(cur.task, unit.folio);
    }

    fn free_deposit(&mut self, at: PteRef) {
        if let Some(table) = self.tables.withdraw(at) {
            self.tables.free(table);
        }
    }

    /// Splits the huge entry that a new boundary of a VMA would cut, if there is one
    /// (`vma_adjust_trans_huge`).
    pub(crate) fn vma_adjust_trans_huge(&mut self, vma: VmaId, boundary: u64) {
        let mm = self.vma(vma).mm;
        let range = self.pmd_range(boundary);
        if range.start == boundary {
            return;
        }
        if let Walk::Huge(at, _) = self.tables.walk(self.mm(mm).pgd, boundary) {
            self.split_huge_pmd_locked(vma, at);
        }
    }

    /// The first large folio that an entry of a single page in `range` maps.
    pub(crate) fn large_folio_in(&self, mm: MmId, mut range: Range<u64>) -> Option<Folio> {
        let pgd = self.mm(mm).pgd;
        range.find_map(|addr| {
            let at = self.tables.pte_offset(pgd, addr)?;
            let folio = self.folio(self.tables.get(at).present()?.pfn());
            (self.head(folio).order > 0).then_some(folio)
        })
    }

    /// Makes each page of a folio a folio of its own, if nobody holds the folio besides the caller,
    /// and migration entries stand for all its mappings (steps 3 to 5 of `__folio_split`). The new
    /// folios are locked, and `task` holds a reference to each.
    fn split_unmapped(&mut self, cur: Current<'_>, folio: Folio) -> bool {
        let head = *self.head(folio);
        let cached = head.has(PageFlags::SWAPCACHE) || head.has(PageFlags::WRITEBACK);
        if head.refcount != 1 || head.folio_mapcount() != 0 || cached {
            return false;
        }
        let unit = self.whole(folio);
        for page in unit.pages().skip(1) {
            let part = self.page_mut(page);
            let index = head.index + u64::from(part.tail_offset);
            part.tail_offset = 0;
            part.flags = head.flags - PageFlags::HEAD - PageFlags::ANON_EXCLUSIVE;
            part.flags -= PageFlags::LOCKED;
            part.set_mapping(head.mapping());
            part.index = index;
            part.refcount = 1;
            part.mlock_count = head.mlock_count;
            let part = Folio::of_head(page);
            self.tasks[cur.task.ix()].refs.push(part);
            self.folio_trylock(cur.task, part);
            self.folio_add_lru(part);
        }
        let head = self.head_mut(folio);
        head.order = 0;
        head.flags -= PageFlags::HEAD | PageFlags::ANON_EXCLUSIVE;
        true
    }
}

impl Current<'_> {
    /// Handles a fault where no page table exists, with a huge page or the huge zero page
    /// (`do_huge_pmd_anonymous_page`).
    pub(crate) async fn do_huge_pmd_anonymous_page(
        self,
        vma: VmaId,
        addr: u64,
        write: bool,
    ) -> Result<HugeFault, FaultError> {
        let mm = self.state().vma(vma).mm;
        let suitable = {
            let s = &mut *self.state();
            s.thp_suitable(vma, addr) && s.pmd_alloc(mm, addr)?.is_some()
        };
        if !suitable {
            return Ok(HugeFault::Fallback);
        }
        self.anon_vma_prepare(vma).await?;
        let mut folio = None;
        if write {
            let Ok(new) = self.state().alloc_huge_page(self) else {
                return Ok(HugeFault::Fallback);
            };
            folio = Some(new);
        }
        let deposit = { self.state().alloc_deposit(mm, addr) };
        let Ok(table) = deposit else {
            folio.inspect(|folio| self.state().folio_put(self.task, *folio));
            return Err(FaultError::Oom);
        };
        self.preempt(Site::DoAnonymousPage).await;
        let s = &mut *self.state();
        let Some(at) = s.empty_pmd(mm, addr) else {
            s.tables.free(table);
            folio.inspect(|folio| s.folio_put(self.task, *folio));
            return Ok(HugeFault::Done(Fault::Done));
        };
        s.tables.deposit(at, table);
        match folio {
            Some(folio) => s.map_new_huge_page(self, vma, addr, at, folio),
            None => {
                let zero = s.mk_pte(vma, Pfn::ZERO);
                let zero = zero.set(PteFlags::PSE | PteFlags::SPECIAL, true);
                s.tables.set(at, zero.pte());
            }
        }
        Ok(HugeFault::Done(Fault::Done))
    }

    /// Handles a fault on a huge entry: a write to the huge zero page gets a huge page if there is
    /// one, any other write splits the entry (`do_huge_pmd_wp_page`). An unshare splits it too.
    pub(crate) async fn do_huge_pmd_wp_page(
        self,
        vma: VmaId,
        addr: u64,
        pmd: PresentPte,
        write: bool,
    ) -> Result<HugeFault, FaultError> {
        if write && pmd.pfn() == Pfn::ZERO && !pmd.uffd_wp() {
            self.anon_vma_prepare(vma).await?;
            let folio = { self.state().alloc_huge_page(self) };
            if let Ok(folio) = folio {
                self.replace_huge_zero(vma, addr, folio).await;
                return Ok(HugeFault::Done(Fault::Done));
            }
        }
        self.split_huge_pmd(vma, addr).await;
        Ok(HugeFault::Fallback)
    }

    /// Replaces the huge zero page by a new huge page (`do_huge_zero_wp_pmd`). The deposited table
    /// stays.
    async fn replace_huge_zero(self, vma: VmaId, addr: u64, folio: Folio) {
        let (mm, range) = {
            let s = &*self.state();
            (s.vma(vma).mm, s.pmd_range(addr))
        };
        let notifier = NotifierRange::new(mm, range.clone(), NotifierEvent::Clear, None);
        self.notifier_start(&notifier).await;
        self.preempt(Site::DoWpPage).await;
        let s = &mut *self.state();
        let is_zero = |pte: Pte| pte.present().is_some_and(|p| p.pfn() == Pfn::ZERO);
        match s.tables.walk(s.mm(mm).pgd, addr) {
            Walk::Huge(at, _) if is_zero(s.tables.get(at)) => {
                s.tables.set(at, Pte::NONE);
                s.flush_tlb_range(mm, range);
                s.map_new_huge_page(self, vma, addr, at, folio);
            }
            _ => s.folio_put(self.task, folio),
        }
        s.notifier_end(self.task, &notifier);
    }

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
            s.split_huge_pmd_locked(vma, at);
        }
        s.notifier_end(self.task, &notifier);
    }

    /// [`split_huge_pmd`](Self::split_huge_pmd), but starts no invalidation if no huge entry stands
    /// for `addr`.
    pub(crate) async fn split_if_huge(self, vma: VmaId, addr: u64) {
        let huge = {
            let s = &*self.state();
            let walk = s.tables().walk(s.mm(s.vma(vma).mm).pgd, addr);
            matches!(walk, Walk::Huge(..))
        };
        if huge {
            self.split_huge_pmd(vma, addr).await;
        }
    }

    /// Splits a large folio into its pages (`split_folio`). The task holds the folio lock and one
    /// reference, and keeps both, for the head page. Returns false if somebody else holds a
    /// reference, other than for a mapping. The huge entries that map the folio are split in either
    /// case.
    pub(crate) async fn split_folio(self, folio: Folio) -> bool {
        let unit = { self.state().whole(folio) };
        self.try_to_migrate(folio, UnmapFlush::Each).await;
        let split = { self.state().split_unmapped(self, folio) };
        if !split {
            self.remove_migration_ptes(folio, folio).await;
            return false;
        }
        for page in unit.pages() {
            let part = Folio::of_head(page);
            self.remove_migration_ptes(part, part).await;
            if part != folio {
                let s = &mut *self.state();
                s.folio_unlock(self.task, part);
                s.folio_put(self.task, part);
            }
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
        let split = self.split_folio(folio).await;
        let s = &mut *self.state();
        s.folio_unlock(self.task, folio);
        s.folio_put(self.task, folio);
        split
    }
}
