//! Migration of huge pages and huge holes to and from device memory.
//!
//! The arrays have an element for each page. The first element of a huge page or hole has the flag
//! COMPOUND, and the others are empty. The driver provides one huge destination, or a destination
//! for each page. In the second case the source is split.
//!
//! Corresponds to `mm/migrate_device.c`.

use crate::fail::AllocKind;
use crate::huge_memory::{PMD, Thp};
use crate::huge_split::{Parts, Split};
use crate::ids::{Folio, MmId, Pfn, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::migrate_vma::{MigratePfn, MigrateRange, MigrateVma, Select};
use crate::page_vma_mapped::{Found, PageVmaMappedWalk, Wanted};
use crate::pte::{Entry, Softleaf};
use crate::rmap::UnmapFlush;
use crate::state::{Current, State};
use crate::walk::Walk;
use core::ops::Range;

/// What became of the huge entries and large folios at the start of a range.
pub(crate) enum Collected {
    /// There is none that could be taken or split.
    Nothing,
    /// All up to this address has been collected. If a folio was split, this is the address of its
    /// first entry.
    To(u64),
}

/// How a migration treats an entry.
enum Source {
    Skip,
    Hole,
    Page { page: Pfn, write: bool },
}

impl State {
    /// Collects, hole by hole, a range that has no entries, or only an entry of the huge zero page.
    /// Each missing table makes one hole: the part of the range that the table would cover.
    pub(crate) fn collect_holes(&self, args: &mut MigrateVma, range: Range<u64>) {
        let pgd = args.area.as_ref().map(|area| self.mm(area.mm).pgd);
        let mut addr = range.start;
        while addr < range.end {
            let level = match pgd.map(|pgd| self.tables.walk(pgd, addr)) {
                Some(Walk::Hole(_, level)) => level,
                _ => PMD,
            };
            let end = range.end.min(self.geometry().end_of(addr, level - 1));
            self.collect_hole(args, addr..end);
            addr = end;
        }
    }

    /// Collects a hole: as a huge one if the migration wants that and both ends are aligned. A huge
    /// hole is larger than a huge page if an upper table is missing. Of such a hole, only the first
    /// huge page is collected (`migrate_vma_collect_hole`).
    fn collect_hole(&self, args: &mut MigrateVma, range: Range<u64>) {
        let hole = MigratePfn::NONE.migrating(false);
        let aligned = |addr| self.pmd_range(addr).start == addr;
        if args.compound && aligned(range.start) && aligned(range.end) {
            args.src.push(hole.compound());
            Self::collect_skip(args, range.start + 1..range.end);
        } else {
            args.src.extend(range.map(|_| hole));
        }
    }

    /// Collects nothing for a range (`migrate_vma_collect_skip`).
    fn collect_skip(args: &mut MigrateVma, range: Range<u64>) {
        args.src.extend(range.map(|_| MigratePfn::NONE));
    }

    /// What a migration would take from the entry `at`.
    fn source_at(&self, args: &MigrateVma, at: PteRef) -> Source {
        let pte = self.tables.get(at);
        match (pte.decode(), pte.leaf()) {
            (Entry::Present(pte), _) if args.select == Select::System => match pte.pfn() {
                Pfn::ZERO => Source::Hole,
                page => Source::Page {
                    page,
                    write: pte.write(),
                },
            },
            (_, Some(Softleaf::DevicePrivate { write, pfn: page }))
                if args.select == Select::DevicePrivate && page.device() == Some(args.owner) =>
            {
                Source::Page { page, write }
            }
            _ => Source::Skip,
        }
    }

    /// Collects the huge entry `at`, of which `range` is migrated, under the PMD lock
    /// (`migrate_vma_collect_huge_pmd`). If the folio must be split instead, returns the folio,
    /// with its lock and a reference.
    fn collect_huge_pmd(
        &mut self,
        cur: Current<'_>,
        args: &mut MigrateVma,
        vma: VmaId,
        at: PteRef,
        range: Range<u64>,
    ) -> Option<Folio> {
        let (page, write) = match self.source_at(args, at) {
            Source::Skip => {
                Self::collect_skip(args, range);
                return None;
            }
            Source::Hole => {
                self.collect_holes(args, range);
                return None;
            }
            Source::Page { page, write } => (page, write),
        };
        let folio = self.folio(page);
        if !self.take_folio(cur, args, folio) {
            Self::collect_skip(args, range);
            return None;
        }
        let pte = self.tables.get(at);
        let found = Found { at, pte, page };
        let whole = range.end - range.start == self.entry_pages(at);
        if args.compound
            && whole
            && self.try_to_migrate_one(cur, folio, vma, found, UnmapFlush::Each)
        {
            let src = MigratePfn::new(page).migrating(write);
            args.src.push(src.compound());
            Self::collect_skip(args, range.start + 1..range.end);
            return None;
        }
        Some(folio)
    }

    /// The first large folio that an entry of a single page in `range` maps, if the migration would
    /// take that page, and the address of the entry.
    fn large_folio_in(
        &self,
        args: &MigrateVma,
        mm: MmId,
        mut range: Range<u64>,
    ) -> Option<(Folio, u64)> {
        let pgd = self.mm(mm).pgd;
        range.find_map(|addr| {
            let at = self.tables.pte_offset(pgd, addr)?;
            let Source::Page { page, .. } = self.source_at(args, at) else {
                return None;
            };
            let folio = self.folio(page);
            (self.head(folio).order > 0).then_some((folio, addr))
        })
    }

    /// Takes a reference to a folio that an entry maps, and its lock. If the folio is that of the
    /// fault, the fault already has the lock. Returns false, and takes nothing, if somebody else
    /// has the lock.
    fn take_folio(&mut self, cur: Current<'_>, args: &MigrateVma, folio: Folio) -> bool {
        self.folio_get(cur.task, folio);
        let locked = self.is_fault_folio(args, folio) || self.folio_trylock(cur.task, folio);
        if !locked {
            self.folio_put(cur.task, folio);
        }
        locked
    }

    /// True if the huge zero page is mapped at `addr`.
    pub(crate) fn is_huge_zero(&self, mm: MmId, addr: u64) -> bool {
        self.thp != Thp::Never
            && match self.tables.walk(self.mm(mm).pgd, addr) {
                Walk::Huge(at, _) => {
                    let pmd = self.tables.get(at).present();
                    pmd.is_some_and(|pmd| pmd.pfn() == Pfn::ZERO)
                }
                Walk::Pte(_) | Walk::Hole(..) => false,
            }
    }

    /// Maps a huge device page in a huge hole, or in place of the huge zero page, under the PMD
    /// lock (the end of `migrate_vma_insert_huge_pmd_page`). The page table of the huge zero page
    /// stays.
    fn insert_huge_device_page(&mut self, area: &MigrateRange, addr: u64, folio: Folio) -> bool {
        let (at, hole) = match self.tables.walk(self.mm(area.mm).pgd, addr) {
            Walk::Hole(at, PMD) => (at, true),
            Walk::Huge(at, _) => (at, false),
            Walk::Pte(_) | Walk::Hole(..) => {
                zoo!(self, Bug::InsertHugePgtableLeak => self.new_deposit(area.mm, addr));
                return false;
            }
        };
        let inserted = self.insert_device_page(area.vma, addr, at, folio);
        zoo!(self, Bug::DepositInsertTwice => let hole = true);
        zoo!(self, Bug::InsertHugePgtableLeak if !inserted => self.new_deposit(area.mm, addr));
        if inserted && hole {
            let table = self.new_deposit(area.mm, addr);
            self.tables.deposit(at, table);
        }
        inserted
    }
}

impl Current<'_> {
    /// Collects the next huge entry in `range`, with the holes in front of it. If a page table
    /// comes before any huge entry, splits the first large folio that it maps, and collects what is
    /// in front of it. If the folio is locked or cannot be split, the rest of the table is skipped.
    pub(crate) async fn collect_large(
        self,
        args: &mut MigrateVma,
        vma: VmaId,
        range: Range<u64>,
    ) -> Collected {
        let (folio, taken, rest) = {
            let s = &mut *self.state();
            if s.thp == Thp::Never {
                return Collected::Nothing;
            }
            let mm = s.vma(vma).mm;
            let Some(part) = s.tables.next_part(s.mm(mm).pgd, range.clone()) else {
                return Collected::Nothing;
            };
            match part.huge {
                Some(at) => {
                    s.collect_holes(args, range.start..part.range.start);
                    let taken = s.collect_huge_pmd(self, args, vma, at, part.range.clone());
                    let Some(folio) = taken else {
                        return Collected::To(part.range.end);
                    };
                    (folio, true, part.range)
                }
                None => {
                    zoo!(s, Bug::CollectPartialFolio => return Collected::Nothing);
                    let found = s.large_folio_in(args, mm, part.range.clone());
                    let Some((folio, first)) = found else {
                        return Collected::Nothing;
                    };
                    s.collect_table(self, args, vma, range.start..first);
                    // a trylock: the migration holds the locks of what it has collected
                    let taken = s.take_folio(self, args, folio);
                    (folio, taken, first..part.range.end)
                }
            }
        };
        // not fixed in 7.3.4: the split sleeps for the lock
        zoo!(self, Bug::LatentSplitFolioLock if !taken
            => let taken = self.take_busy_folio(folio).await);
        if taken && self.split_taken_folio(args, folio).await {
            return Collected::To(rest.start);
        }
        State::collect_skip(args, rest.clone());
        Collected::To(rest.end)
    }

    /// Splits a folio that the migration has taken, and releases it (`migrate_vma_split_folio`). If
    /// it is the folio of the fault, the lock and the reference of the fault go to the new folio of
    /// the fault's page.
    async fn split_taken_folio(self, args: &MigrateVma, folio: Folio) -> bool {
        let by_fault = { self.state().is_fault_folio(args, folio) };
        let fault_page = args.fault_page.filter(|_| by_fault);
        let extra = false;
        zoo!(self, Bug::LatentCollectHugeFaultRef => let extra = true);
        if by_fault && !extra {
            // the split allows one reference besides those of the mappings: that of the fault
            self.state().folio_put(self.task, folio);
        }
        let kept = fault_page.unwrap_or(folio.head());
        zoo!(self, Bug::LatentSplitFaultPageFreed => let kept = folio.head());
        let split = self.split_folio(folio, kept).await;
        let s = &mut *self.state();
        zoo!(s, Bug::LatentSplitFaultPageFreed if split => s.hand_over_fault(self, args, folio));
        zoo!(s, Bug::LatentCollectHugeFaultRef if by_fault => s.folio_put(self.task, folio));
        if !by_fault {
            s.folio_unlock(self.task, folio);
            s.folio_put(self.task, folio);
        }
        split
    }

    /// A huge hole whose destination is not huge becomes holes of single pages.
    pub(crate) fn divide_hole(self, args: &mut MigrateVma, i: usize) {
        if args.dst[i].is_compound() || !args.src[i].migrates() {
            return;
        }
        let pages = 1_usize << self.state().pmd_order();
        let end = args.src.len().min(i + pages);
        args.src[i..end].fill(MigratePfn::NONE.migrating(false));
    }

    /// True if source `i`, a page of `src`, can migrate to its destination. A huge source is split
    /// if its destination is one page. The split fails if somebody holds the folio. It is not tried
    /// if the migration is by frame number, because then no VMA is known.
    pub(crate) async fn orders_match(self, args: &mut MigrateVma, i: usize, src: Folio) -> bool {
        let (from, to) = (args.src[i], args.dst[i]);
        if from.is_compound() == to.is_compound() {
            return true;
        }
        if to.is_compound() || args.area.is_none() || !from.migrates() {
            return false;
        }
        zoo!(self, Bug::LatentSplitSharedPmd => {
            self.state().split_own_migration_pmd(args, i);
            return self.split_source(args, i, src);
        });
        zoo!(self, Bug::LatentSplitFreezeWrongPmd =>
            self.state().split_own_migration_pmd(args, i));
        self.split_migration_pmds(src).await;
        self.split_source(args, i, src)
    }

    /// Splits a huge source whose mappings are migration entries of single pages. Returns false if
    /// somebody holds it (`migrate_vma_split_unmapped_folio`).
    pub(crate) fn split_source(self, args: &mut MigrateVma, i: usize, src: Folio) -> bool {
        let s = &mut *self.state();
        let pages = s.whole(src).nr as usize;
        let split = s.split_unmapped(self, src, Parts::OffLru);
        if split {
            let from = args.src[i];
            for (j, element) in args.src[i..].iter_mut().take(pages).enumerate() {
                *element = from.of_huge(j as u32);
            }
        }
        split
    }

    /// Splits the huge migration entries that name a locked folio, in all address spaces.
    async fn split_migration_pmds(self, folio: Folio) {
        let (anon_vma, root) = {
            let s = &*self.state();
            let Some(anon_vma) = s.head(folio).anon_vma() else {
                return;
            };
            (anon_vma, s.anon_vma(anon_vma).root)
        };
        let lock = Lock::AnonVmaRead(root);
        self.lock(lock).await;
        let geometry = *self.state().geometry();
        let index = { self.state().rmap_walk_begin(folio, anon_vma) };
        let mut n = 0;
        while let Some((vma, addrs)) = { self.state().rmap_walk_nth(anon_vma, &index, n) } {
            n += 1;
            for rest in geometry.tables(addrs) {
                self.preempt(Site::MigrateVmaPages).await;
                let s = &mut *self.state();
                let mut walk = PageVmaMappedWalk {
                    mm: s.vma(vma).mm,
                    folio,
                    rest,
                    wanted: Wanted::Migration,
                };
                while let Some(found) = s.page_vma_mapped_walk(&mut walk) {
                    if s.tables.table(found.at).level > 0 {
                        s.split_huge_pmd_locked(vma, found.at, Split::Mapped);
                    }
                }
            }
        }
        self.unlock(lock);
    }

    /// Fills a huge hole (`migrate_vma_insert_huge_pmd_page`). Returns false if the huge page does
    /// not fit into the VMA, another task has filled the hole, or memory ran out.
    pub(crate) async fn migrate_vma_insert_huge_page(
        self,
        area: &MigrateRange,
        addr: u64,
        folio: Folio,
    ) -> bool {
        let suitable = {
            let s = &mut *self.state();
            // whatever MADV_NOHUGEPAGE said
            let fits = s.covers_pmd(area.vma, addr) && s.pmd_range(addr).start == addr;
            fits && s.pmd_alloc(area.mm, addr).is_ok()
        };
        if !suitable || self.anon_vma_prepare(area.vma).await.is_err() {
            return false;
        }
        // the entry will own a page table
        if { self.state().may_alloc(AllocKind::PageTable) }.is_err() {
            return false;
        }
        self.preempt(Site::MigrateVmaInsertPage).await;
        let s = &mut *self.state();
        s.insert_huge_device_page(area, addr, folio)
    }
}
