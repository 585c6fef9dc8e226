//! Transparent huge pages: huge faults.
//!
//! A huge entry names the head page of a folio of that size, or the zero page, and lies at an
//! aligned address inside one VMA. Each one owns a *deposited* page table, which a split of the
//! entry installs without an allocation. After the split, entries of single pages map the folio,
//! which stays large until it is split as well ([`huge_split`](crate::huge_split)).
//!
//! Corresponds to `mm/huge_memory.c`.

use crate::fail::AllocKind;
use crate::fault::{Fault, FaultError};
use crate::ids::{Folio, MmId, Pfn, PteRef, TableId, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::PageFlags;
use crate::pte::{PresentPte, Pte, PteFlags};
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
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
    /// Whenever the VMA covers the range of the huge entry, unless MADV_NOHUGEPAGE was advised.
    Always,
    /// Like [`Always`](Self::Always), but only in a VMA for which MADV_HUGEPAGE was advised.
    Madvise,
}

/// The setting, as the word that `/sys/kernel/mm/transparent_hugepage/enabled` has for it.
impl fmt::Display for Thp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::Madvise => "madvise",
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
    pub(crate) fn pmd_range(&self, addr: u64) -> Range<u64> {
        let end = self.geometry().end_of(addr, PMD - 1);
        end - self.geometry().span(PMD - 1)..end
    }

    /// True if faults in a VMA may map huge pages (`thp_vma_allowable_order`).
    fn thp_allowed(&self, vma: VmaId) -> bool {
        let flags = self.vma(vma).flags;
        match self.thp {
            Thp::Never => false,
            Thp::Always => !flags.contains(VmFlags::NOHUGEPAGE),
            Thp::Madvise => flags.contains(VmFlags::HUGEPAGE),
        }
    }

    /// True if the VMA covers the range of the huge entry for `addr` (`thp_vma_suitable_order`).
    pub(crate) fn covers_pmd(&self, vma: VmaId, addr: u64) -> bool {
        let area = self.vma(vma).range();
        let range = self.pmd_range(addr);
        area.start <= range.start && range.end <= area.end
    }

    /// True if a fault at `addr` may map a huge page.
    fn thp_suitable(&self, vma: VmaId, addr: u64) -> bool {
        self.thp_allowed(vma) && self.covers_pmd(vma, addr)
    }

    /// Allocates the upper tables for `addr` (`pmd_alloc`). Returns the entry that may become huge,
    /// or `None` if it is not empty.
    pub(crate) fn pmd_alloc(&mut self, mm: MmId, addr: u64) -> Result<Option<PteRef>, Enomem> {
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

    /// Marks the huge entry for `addr` as used for writing, so that it also becomes soft-dirty.
    /// Returns false if the entry is not huge (`touch_pmd`).
    pub(crate) fn touch_pmd(&mut self, mm: MmId, addr: u64) -> bool {
        let Walk::Huge(at, _) = self.tables.walk(self.mm(mm).pgd, addr) else {
            return false;
        };
        if let Some(pmd) = self.tables.get(at).present() {
            let touched = pmd.set(PteFlags::ACCESSED, true).mkdirty();
            if touched != pmd {
                self.tables.set(at, touched.pte());
            }
        }
        true
    }

    /// The entry for `addr`, if it is still empty, under the PMD lock.
    pub(crate) fn empty_pmd(&self, mm: MmId, addr: u64) -> Option<PteRef> {
        match self.tables.walk(self.mm(mm).pgd, addr) {
            Walk::Hole(at, PMD) => Some(at),
            _ => None,
        }
    }

    /// The page table that a new huge entry owns (`pte_alloc_one`).
    pub(crate) fn alloc_deposit(&mut self, mm: MmId, addr: u64) -> Result<TableId, Enomem> {
        self.may_alloc(AllocKind::PageTable)?;
        Ok(self.new_deposit(mm, addr))
    }

    /// Makes the page table that a new huge entry will own. The caller has asked
    /// [`may_alloc`](Self::may_alloc).
    pub(crate) fn new_deposit(&mut self, mm: MmId, addr: u64) -> TableId {
        let first = self.pmd_range(addr).start;
        self.tables.alloc(mm, PMD - 1, first)
    }

    /// Maps a new huge page, under the PMD lock (`map_anon_folio_pmd_pf`).
    pub(crate) fn map_new_huge_page(
        &mut self,
        cur: Current<'_>,
        vma: VmaId,
        addr: u64,
        at: PteRef,
        folio: Folio,
        uffd_wp: bool,
    ) {
        let pte = self.mk_pte(vma, folio.head()).set(PteFlags::PSE, true);
        let pte = match uffd_wp {
            true => pte.set(PteFlags::UFFD_WP, true),
            false => self.maybe_mkwrite(vma, pte.mkdirty()),
        };
        let mm = self.vma(vma).mm;
        self.mm_mut(mm).anon_rss += 1 << self.pmd_order();
        let first = self.pmd_range(addr).start;
        self.map_new_anon_page(cur, vma, first, at, pte);
        self.deferred_split_folio(folio, false);
    }

    /// Reuses a huge page that is exclusive, or to which only its entry has a reference. Returns
    /// false for any other page. The task holds the folio lock, and this function drops it.
    fn wp_can_reuse_huge(
        &mut self,
        cur: Current<'_>,
        vma: VmaId,
        at: PteRef,
        orig: PresentPte,
        unshare: bool,
    ) -> bool {
        let folio = self.folio(orig.pfn());
        if !self.head(folio).anon_exclusive() {
            self.folio_free_swap(folio);
            let held = self.head(folio).refcount != 1;
            zoo!(self, Bug::HugeReuseHeld => let held = self.head(folio).folio_mapcount() != 1);
            if held {
                self.folio_unlock(cur.task, folio);
                return false;
            }
            self.folio_move_anon_rmap(folio, vma);
            let flags = &mut self.head_mut(folio).flags;
            flags.insert(PageFlags::ANON_EXCLUSIVE);
        }
        self.folio_unlock(cur.task, folio);
        self.reuse_huge_pmd(vma, at, orig, unshare);
        true
    }

    /// Makes the entry of an exclusive huge page writable, unless the fault is an unshare.
    fn reuse_huge_pmd(&mut self, vma: VmaId, at: PteRef, orig: PresentPte, unshare: bool) {
        if !unshare {
            let young = orig.set(PteFlags::ACCESSED, true).mkdirty();
            self.tables.set(at, self.maybe_mkwrite(vma, young).pte());
        }
    }

    /// True if all references to a large folio are those of mappings in `mm`. A folio with only one
    /// mapping left is not reused: its page is copied, so that the folio can be freed
    /// (`__wp_can_reuse_large_anon_folio`).
    pub(crate) fn wp_can_reuse_large_anon_folio(
        &mut self,
        cur: Current<'_>,
        mm: MmId,
        folio: Folio,
    ) -> bool {
        let head = self.head(folio);
        let shared = self.mapped_by_others(mm, folio);
        zoo!(self, Bug::LargeReuseOtherMm => let shared = false);
        if head.folio_mapcount() <= 1 || shared {
            return false;
        }
        if head.has(PageFlags::SWAPCACHE) {
            if !self.folio_trylock(cur.task, folio) {
                return false;
            }
            self.folio_free_swap(folio);
            self.folio_unlock(cur.task, folio);
        }
        let head = self.head(folio);
        head.folio_mapcount() == head.refcount
    }

    /// A new, cleared, charged huge page.
    pub(crate) fn alloc_huge_page(&mut self, cur: Current<'_>) -> Result<Folio, Enomem> {
        let folio = self.folio_alloc(cur.task, self.pmd_order())?;
        for page in self.whole(folio).pages() {
            self.page_mut(page).word = 0;
        }
        self.charge(folio);
        Ok(folio)
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
        let empty = s.empty_pmd(mm, addr);
        zoo!(s, Bug::HugeFaultNoRecheck => let empty = empty.or(s.huge_pmd(mm, addr)));
        let Some(at) = empty else {
            s.tables.free(table);
            folio.inspect(|folio| s.folio_put(self.task, *folio));
            return Ok(HugeFault::Done(Fault::Done));
        };
        s.tables.deposit(at, table);
        match folio {
            Some(folio) => s.map_new_huge_page(self, vma, addr, at, folio, false),
            None => {
                let zero = s.mk_pte(vma, Pfn::ZERO);
                let zero = zero.set(PteFlags::PSE | PteFlags::SPECIAL, true);
                s.tables.set(at, zero.pte());
            }
        }
        Ok(HugeFault::Done(Fault::Done))
    }

    /// Handles a write to, or an unshare of, a read-only huge entry (`wp_huge_pmd`,
    /// `do_huge_pmd_wp_page`). The huge zero page is replaced by a huge page, and a huge page that
    /// nobody else uses is reused. Otherwise the entry is split, so that one page can be copied.
    pub(crate) async fn do_huge_pmd_wp_page(
        self,
        vma: VmaId,
        addr: u64,
        orig: PresentPte,
        unshare: bool,
    ) -> Result<HugeFault, FaultError> {
        if !unshare && self.state().vma(vma).flags.userfaultfd_pte_wp(orig) {
            return Err(FaultError::UffdWp);
        }
        if orig.pfn() == Pfn::ZERO {
            self.anon_vma_prepare(vma).await?;
            let folio = { self.state().alloc_huge_page(self) };
            if let Ok(folio) = folio {
                self.replace_huge_zero(vma, addr, orig, folio).await;
                return Ok(HugeFault::Done(Fault::Done));
            }
        } else if self.reuse_huge_page(vma, addr, orig, unshare).await {
            return Ok(HugeFault::Done(Fault::Done));
        }
        self.split_huge_pmd(vma, addr).await;
        Ok(HugeFault::Fallback)
    }

    /// Replaces the huge zero page by a new huge page (`do_huge_zero_wp_pmd`). The deposited table
    /// stays. If the entry is write-protected for userfaultfd, so is the new one. Only an unshare
    /// comes here with such an entry, because a write is reported to userfaultfd.
    async fn replace_huge_zero(self, vma: VmaId, addr: u64, orig: PresentPte, folio: Folio) {
        let uffd_wp = orig.uffd_wp();
        zoo!(self, Bug::LatentHugeZeroUnshare => let uffd_wp = false);
        let (mm, range) = {
            let s = &*self.state();
            (s.vma(vma).mm, s.pmd_range(addr))
        };
        let notifier = NotifierRange::new(mm, range.clone(), NotifierEvent::Clear, None);
        self.notifier_start(&notifier).await;
        self.preempt(Site::DoWpPage).await;
        let s = &mut *self.state();
        let same = s.pmd_same(mm, addr, orig.pte());
        zoo!(s, Bug::HugezeroWpNoRecheck => let same = s.huge_pmd(mm, addr));
        match same {
            Some(at) => {
                s.tables.set(at, Pte::NONE);
                zoo!(s, Bug::HugezeroWpNoFlush => let range = range.start..range.start);
                s.flush_tlb_range(mm, range);
                s.map_new_huge_page(self, vma, addr, at, folio, uffd_wp);
            }
            None => s.folio_put(self.task, folio),
        }
        s.notifier_end(self.task, &notifier);
    }

    /// Makes a huge page exclusive, and its entry writable unless the fault is an unshare. Returns
    /// false if somebody else uses the page. Returns true also if the entry has changed, and then
    /// the access is tried again. If another task holds the folio lock, the fault waits.
    async fn reuse_huge_page(self, vma: VmaId, addr: u64, orig: PresentPte, unshare: bool) -> bool {
        self.preempt(Site::DoWpPage).await;
        let mm = self.state().vma(vma).mm;
        let folio = {
            let s = &mut *self.state();
            let Some(at) = s.pmd_same(mm, addr, orig.pte()) else {
                return true;
            };
            let folio = s.folio(orig.pfn());
            if s.head(folio).anon_exclusive() {
                s.reuse_huge_pmd(vma, at, orig, unshare);
                return true;
            }
            if s.folio_trylock(self.task, folio) {
                return s.wp_can_reuse_huge(self, vma, at, orig, unshare);
            }
            s.folio_get(self.task, folio);
            folio
        };
        self.lock(Lock::Folio(folio)).await;
        let s = &mut *self.state();
        let same = s.pmd_same(mm, addr, orig.pte());
        let reused = same.is_none_or(|at| {
            s.folio_put(self.task, folio);
            s.wp_can_reuse_huge(self, vma, at, orig, unshare)
        });
        if same.is_none() {
            s.folio_unlock(self.task, folio);
            s.folio_put(self.task, folio);
        }
        reused
    }
}
