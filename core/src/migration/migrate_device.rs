//! Migration to and from device memory, in three phases.
//!
//! 1. *setup* collects the pages of a range, locks them, and replaces their mappings by migration
//!    entries: first those in this address space, then the others, by the reverse map;
//! 2. *pages* moves the identity of each page to the destination that the driver supplied. New
//!    device pages fill holes and replace the zero page;
//! 3. *finalize* turns the migration entries into mappings of the destination, or of the source if
//!    the migration was refused.
//!
//! Between the phases the driver allocates destinations and copies. `src[i]` and `dst[i]` describe
//! page `i`. `MIGRATE` is cleared in `src[i]` as soon as the page is refused.
//!
//! Corresponds to `mm/migrate_device.c`.

use crate::ids::{Folio, Pfn, PteRef, VmaId};
use crate::lock::Site;
use crate::migrate_huge::Collected;
use crate::migrate_vma::{MigratePfn, MigrateRange, MigrateVma, Select};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::{Mapping, PageFlags};
use crate::pte::{Entry, Softleaf, SwapFlags};
use crate::rmap::{RmapLock, Ttu, Unit, Zeroes};
use crate::state::{Current, State};
use crate::trace::Event;
use core::ops::Range;

impl State {
    /// Collects one entry, under the page-table lock (the loop body of `migrate_vma_collect_pmd`).
    fn collect(
        &mut self,
        cur: Current<'_>,
        args: &MigrateVma,
        vma: VmaId,
        at: PteRef,
    ) -> MigratePfn {
        let pte = self.tables.get(at);
        zoo!(self, Bug::KhugepagedZeroPfnNonpresent
            if args.select == Select::System && pte.looks_like_zero() =>
            return MigratePfn::NONE.migrating(false));
        let (pfn, write) = match (pte.decode(), pte.leaf()) {
            (Entry::None, _) => return MigratePfn::NONE.migrating(false),
            (Entry::Present(p), _) if args.select == Select::System => {
                if p.pfn() == Pfn::ZERO {
                    return MigratePfn::NONE.migrating(false);
                }
                (p.pfn(), p.write())
            }
            (_, Some(Softleaf::DevicePrivate { write, pfn }))
                if args.select == Select::DevicePrivate && pfn.device() == Some(args.owner) =>
            {
                (pfn, write)
            }
            _ => return MigratePfn::NONE,
        };
        zoo!(self, Bug::MigentWriteAttrFromSwapPte if pte.leaf().is_some() =>
            let write = pte.misread().write());
        let folio = self.folio(pfn);
        let large = self.head(folio).order > 0;
        zoo!(self, Bug::CollectPartialFolio => let large = false);
        if self.head(folio).mapping() == Mapping::None || large {
            return MigratePfn::NONE;
        }
        self.folio_get(cur.task, folio);
        let locked_by_fault = self.is_fault_folio(args, folio);
        if !locked_by_fault && !self.folio_trylock(cur.task, folio) {
            zoo!(self, Bug::LatentThpTrylockRef => {
                self.disown(cur.task, folio);
                return MigratePfn::NONE;
            });
            self.folio_put(cur.task, folio);
            return MigratePfn::NONE;
        }
        let exclusive = self.page(pfn).anon_exclusive();
        // ptep_clear_flush below does not flush for an entry that is already clear
        zoo!(self, Bug::CollectTlbOutsidePtl => self.clear_unflushed(at));
        zoo!(self, Bug::LatentSplitUnflushedWindow if !exclusive => self.clear_unflushed(at));
        self.ptep_clear_flush(at);
        if exclusive && !self.folio_try_share_anon_rmap(Unit::page(folio, pfn)) {
            self.tables.set(at, pte);
            if !locked_by_fault {
                self.folio_unlock(cur.task, folio);
            }
            self.folio_put(cur.task, folio);
            return MigratePfn::NONE;
        }
        let (young, dirty) = pte
            .present()
            .map_or((false, false), |p| (p.young(), p.dirty()));
        let entry = Self::make_migration_entry(pfn, write, exclusive, young, dirty)
            .set(pte.tracking(), true);
        // pte_dirty() tests bit 58 too since 6.6, and a non-present entry always has it set
        zoo!(self, Bug::CollectPtePfnNonpresent if pte.leaf().is_some() => let dirty = true);
        zoo!(self, Bug::CollectLostDirty => let dirty = false);
        if dirty {
            self.folio_mark_dirty(folio);
        }
        self.tables.set(at, entry.pte());
        self.folio_remove_rmap(Unit::page(folio, pfn), vma);
        self.folio_ref_sub(folio, 1);
        MigratePfn::new(pfn).migrating(write)
    }

    /// Collects the holes up to the next page table, and the entries of that table that lie in
    /// `range` (`migrate_vma_collect_pmd`). Returns the addresses of these entries. None of them is
    /// huge, because `collect_large` has collected or split huge entries. A large folio that
    /// `collect_large` could not split is skipped.
    pub(crate) fn collect_table(
        &mut self,
        cur: Current<'_>,
        args: &mut MigrateVma,
        vma: VmaId,
        range: Range<u64>,
    ) -> Range<u64> {
        let pgd = self.mm(self.vma(vma).mm).pgd;
        let part = self.tables.next_part(pgd, range.clone());
        let table = part.map_or(range.end..range.end, |part| part.range);
        self.collect_holes(args, range.start..table.start);
        for addr in table.clone() {
            let src = match self.tables.pte_offset(pgd, addr) {
                Some(at) => self.collect(cur, args, vma, at),
                None => MigratePfn::NONE,
            };
            args.src.push(src);
        }
        table
    }

    /// True if a page of `folio` is the one whose CPU fault started the migration, so that the
    /// fault holds the lock and a reference.
    pub(crate) fn is_fault_folio(&self, args: &MigrateVma, folio: Folio) -> bool {
        args.fault_page
            .is_some_and(|page| self.folio(page) == folio)
    }

    /// True if the folio has only the references that the migration accounts for
    /// (`migrate_vma_check_page`).
    fn migrate_vma_check_folio(&self, args: &MigrateVma, folio: Folio) -> bool {
        let mut extra = 1 + i32::from(self.is_fault_folio(args, folio));
        zoo!(self, Bug::ZoneDeviceExtraRef if folio.device().is_some() => extra += 1);
        let page = self.head(folio);
        extra += i32::from(page.has(PageFlags::SWAPCACHE));
        page.refcount - extra <= page.folio_mapcount()
    }

    /// Removes a folio from the swap cache if it is there, because a folio of the swap cache cannot
    /// move to a device (the anonymous part of `__migrate_device_pages`). Returns false if it must
    /// stay there.
    fn leave_swap_cache(&mut self, folio: Folio) -> bool {
        !self.head(folio).has(PageFlags::SWAPCACHE) || self.folio_free_swap(folio)
    }

    /// Fills a hole, or replaces the zero page, with a device page of the same size, under the
    /// page-table lock (the end of `migrate_vma_insert_page`).
    pub(crate) fn insert_device_page(
        &mut self,
        vma: VmaId,
        addr: u64,
        at: PteRef,
        folio: Folio,
    ) -> bool {
        zoo!(self, Bug::KhugepagedZeroPfnNonpresent if self.tables.get(at).looks_like_zero() =>
            self.clear_unflushed(at));
        let uffd_wp = match self.tables.get(at).decode() {
            Entry::None => false,
            Entry::Present(p) if p.pfn() == Pfn::ZERO => {
                self.ptep_clear_flush(at);
                p.uffd_wp()
            }
            _ => return false,
        };
        zoo!(self, Bug::LatentZeroPageUffdwpDevice => let uffd_wp = false);
        let area = self.vma(vma);
        let (mm, write) = (area.mm, area.flags.contains(crate::vma::VmFlags::WRITE));
        self.mm_mut(mm).anon_rss += self.entry_pages(at) as i64;
        self.folio_add_new_anon_rmap(folio, vma, addr, true);
        self.folio_ref_add(folio, 1);
        self.charge(folio);
        let write = write && !uffd_wp;
        // a write through this entry takes no fault, so soft-dirty is set now, as a write fault
        // would set it
        let written = write;
        zoo!(self, Bug::LatentHoleUntracked => let written = false);
        let pfn = folio.head();
        let entry = Softleaf::DevicePrivate { write, pfn }
            .to_swap()
            .set(SwapFlags::UFFD_WP, uffd_wp)
            .set(SwapFlags::SOFT_DIRTY, written);
        self.tables.set(at, entry.pte());
        true
    }
}

impl Current<'_> {
    /// Phase 1 by address: collects and unmaps (`migrate_vma_setup`). `args.area` lies within one
    /// VMA. The caller holds `mmap_lock` of its address space for reading.
    pub async fn migrate_vma_setup(self, args: &mut MigrateVma) {
        let Some(area) = args.area.clone() else {
            return;
        };
        let MigrateRange { mm, vma, range } = area;
        let notifier =
            NotifierRange::new(mm, range.clone(), NotifierEvent::Migrate, Some(args.owner));
        self.notifier_start(&notifier).await;
        let mut addr = range.start;
        while addr < range.end {
            self.preempt(Site::MigrateVmaCollect).await;
            let large = self.collect_large(args, vma, addr..range.end).await;
            if let Collected::To(next) = large {
                addr = next;
                continue;
            }
            let table = { self.state().collect_table(self, args, vma, addr..range.end) };
            addr = table.end;
            zoo!(self, Bug::CollectTlbOutsidePtl => self.flush_collected(mm, table.clone()).await);
            zoo!(self, Bug::LatentSplitUnflushedWindow => self.flush_collected(mm, table).await);
        }
        self.state().notifier_end(self.task, &notifier);
        args.dst.resize(args.src.len(), MigratePfn::NONE);
        self.migrate_device_unmap(args).await;
    }

    /// Phase 1 by frame number: collects and unmaps the pages of the owner's memory in `frames`,
    /// wherever they are mapped (`migrate_device_range`). Skips a large folio of which only a part
    /// is in the range.
    pub async fn migrate_device_range(self, args: &mut MigrateVma, frames: Range<u32>) {
        let zone = args.owner.0 as u32 + 1;
        let mut frame = frames.start;
        while frame < frames.end {
            let s = &mut *self.state();
            let pfn = Pfn::new(zone, frame);
            let folio = s.folio(pfn);
            let behind = folio.head().0 + (1 << s.head(folio).order);
            let nr = behind.saturating_sub(pfn.0).clamp(1, frames.end - frame);
            // the kernel steps by the size of the folio, even if the range begins inside the folio,
            // and even if that folio has been freed
            zoo!(s, Bug::LatentDeviceRangeMidFolio =>
                let nr = s.size_of_last_folio(pfn).min(frames.end - frame));
            let whole = pfn == folio.head() && pfn.0 + nr == behind;
            let mut src = MigratePfn::NONE;
            if whole && s.folio_try_get(self.task, folio) {
                if s.folio_trylock(self.task, folio) {
                    src = MigratePfn::new(pfn).migrating(false);
                } else {
                    s.folio_put(self.task, folio);
                }
            }
            args.src.push(src);
            args.src.extend((1..nr).map(|_| MigratePfn::NONE));
            frame += nr;
        }
        args.dst.resize(args.src.len(), MigratePfn::NONE);
        self.migrate_device_unmap(args).await;
    }

    /// The rest of phase 1: unmaps the other mappings of the pages, and refuses pages that somebody
    /// else holds (`migrate_device_unmap`).
    async fn migrate_device_unmap(self, args: &mut MigrateVma) {
        let mut refused = false;
        let by_pfn = args.area.is_none();
        if by_pfn {
            args.anon_vmas.resize(args.src.len(), None);
        }
        zoo!(self, Bug::MigrationRcuAnonVma => let by_pfn = false);
        for i in 0..args.src.len() {
            let Some(folio) = self.source(args, i) else {
                continue;
            };
            let system = folio.device().is_none();
            {
                let s = &mut *self.state();
                if s.head(folio).order > 0 {
                    args.src[i] = args.src[i].compound();
                }
                if system {
                    if !s.folio_isolate_lru(self.task, folio) {
                        args.src[i] = args.src[i].refused();
                        refused = true;
                        continue;
                    }
                    s.folio_put(self.task, folio);
                }
                if by_pfn {
                    args.anon_vmas[i] = s.folio_get_anon_vma(self.task, folio);
                }
            }
            self.preempt(Site::MigrateVmaUnmap).await;
            if self.is_mapped(folio) {
                self.try_to_migrate(folio, Ttu::MIGRATE).await;
            }
            let s = &mut *self.state();
            if s.folio_mapped(folio) || !s.migrate_vma_check_folio(args, folio) {
                if system {
                    s.folio_get(self.task, folio);
                    s.folio_putback_lru(self.task, folio);
                }
                args.src[i] = args.src[i].refused();
                refused = true;
            } else {
                let own = s.tasks[self.task.ix()]
                    .refs
                    .iter()
                    .filter(|f| **f == folio)
                    .count();
                let head = s.head(folio);
                let cached = i32::from(head.has(PageFlags::SWAPCACHE)) * head.nr_pages();
                let outside = s.head(folio).refcount - own as i32 - cached;
                s.events.push(Event::Unmapped {
                    task: self.task,
                    folio,
                    outside,
                });
            }
        }
        if refused {
            self.migrate_vma_restore(args).await;
        }
        args.cpages = args.migrating() as u32;
    }

    /// Restores the mappings of the refused pages, and releases these pages.
    async fn migrate_vma_restore(self, args: &mut MigrateVma) {
        for i in 0..args.src.len() {
            let src = args.src[i];
            let Some(folio) = self.source(args, i).filter(|_| !src.migrates()) else {
                continue;
            };
            self.restore_mappings(args, i, folio, folio).await;
            args.src[i] = MigratePfn::NONE;
            self.release_source(args, folio);
        }
    }

    /// The folio of page `i` of a migration.
    fn source(self, args: &MigrateVma, i: usize) -> Option<Folio> {
        args.src[i].page().map(|page| self.state().folio(page))
    }

    /// The folio of the destination of page `i`.
    fn destination(self, args: &MigrateVma, i: usize) -> Option<Folio> {
        args.dst[i].page().map(|page| self.state().folio(page))
    }

    pub(crate) fn is_mapped(self, folio: Folio) -> bool {
        self.state().folio_mapped(folio)
    }

    /// Phase 2: moves the identity of each page to its destination, if the driver supplied one and
    /// nobody else holds the page (`migrate_vma_pages`, `migrate_device_pages`).
    pub async fn migrate_vma_pages(self, args: &mut MigrateVma) {
        let mut notifier: Option<NotifierRange> = None;
        for i in 0..args.src.len() {
            if args.src[i].is_compound() && args.src[i].page().is_none() {
                self.divide_hole(args, i);
            }
            let Some(dst) = self.destination(args, i) else {
                args.src[i] = args.src[i].refused();
                continue;
            };
            if let Some(src) = self.source(args, i) {
                self.preempt(Site::MigrateVmaPages).await;
                if !self.orders_match(args, i, src).await {
                    args.src[i] = args.src[i].refused().single();
                    continue;
                }
                let s = &mut *self.state();
                let extra = i32::from(s.is_fault_folio(args, src));
                zoo!(s, Bug::StaleMappingAfterFreeSwap => s.leave_swap_cache_to(src, dst));
                if !s.leave_swap_cache(src) || !s.folio_migrate_mapping(src, dst, extra) {
                    args.src[i] = args.src[i].refused();
                }
                continue;
            }
            let Some(area) = args.area.clone().filter(|_| args.src[i].migrates()) else {
                continue;
            };
            let addr = area.range.start + i as u64;
            let huge = args.dst[i].is_compound();
            if notifier.is_none() {
                let range = addr..area.range.end;
                let owner = Some(args.owner);
                let range = NotifierRange::new(area.mm, range, NotifierEvent::Migrate, owner);
                self.notifier_start(&range).await;
                notifier = Some(range);
            }
            let inserted = match huge {
                true => self.migrate_vma_insert_huge_page(&area, addr, dst).await,
                false => self.migrate_vma_insert_page(&area, addr, dst).await,
            };
            if !inserted {
                args.src[i] = args.src[i].refused();
            }
        }
        if let Some(range) = notifier {
            self.state().notifier_end(self.task, &range);
        }
    }

    /// Fills a hole (`migrate_vma_insert_page`). Returns false if another task has filled it, or
    /// memory ran out.
    async fn migrate_vma_insert_page(self, area: &MigrateRange, addr: u64, folio: Folio) -> bool {
        // an entry of the huge zero page is split, so that one page can be replaced
        let zero = { self.state().is_huge_zero(area.mm, addr) };
        if zero {
            self.split_huge_pmd(area.vma, addr).await;
        }
        if !matches!(self.state().pte_alloc(area.mm, addr), Ok(Some(_))) {
            return false;
        }
        if self.anon_vma_prepare(area.vma).await.is_err() {
            return false;
        }
        self.preempt(Site::MigrateVmaInsertPage).await;
        let s = &mut *self.state();
        // the table may have gone since
        let at = s.tables.pte_offset(s.mm(area.mm).pgd, addr);
        at.is_some_and(|at| s.insert_device_page(area.vma, addr, at, folio))
    }

    /// Phase 3: turns migration entries into mappings of the destination or of the source, and
    /// drops the locks and references of the migration (`migrate_vma_finalize`).
    pub async fn migrate_vma_finalize(self, args: &mut MigrateVma) {
        for i in 0..args.src.len() {
            let (src, dst) = (self.source(args, i), self.destination(args, i));
            let moved = dst.filter(|_| args.src[i].migrates());
            if let Some(folio) = src {
                let target = moved.unwrap_or(folio);
                if target.device().is_none() {
                    self.state().folio_add_lru(target);
                }
                self.restore_mappings(args, i, folio, target).await;
                zoo!(self, Bug::FinalizeLruDeadFolio if moved.is_some() => self.lru_add_dead(folio));
                self.release_source(args, folio);
            }
            if let Some(dst) = dst {
                zoo!(self, Bug::FinalizeLruDeadFolio if moved.is_none() && src.is_some() =>
                    self.lru_add_dead(dst));
                self.release_destination(dst);
            }
        }
        let s = &mut *self.state();
        for anon_vma in args.anon_vmas.drain(..).flatten() {
            s.put_task_anon_vma(self.task, anon_vma);
        }
    }

    /// Replaces the migration entries that name `src` by mappings of `target`. `src` is page `i` of
    /// `args`. Does nothing if that page cannot have migration entries.
    async fn restore_mappings(self, args: &MigrateVma, i: usize, src: Folio, target: Folio) {
        let has_entries = args.has_entries(i);
        zoo!(self, Bug::MigrationRcuAnonVma => let has_entries = true);
        if has_entries {
            self.remove_migration_ptes(src, target, RmapLock::Take, Zeroes::Mapped)
                .await;
            self.state().drain_lru_batch(target);
        }
    }

    fn release_source(self, args: &MigrateVma, folio: Folio) {
        let s = &mut *self.state();
        if !s.is_fault_folio(args, folio) {
            s.folio_unlock(self.task, folio);
        }
        s.folio_put(self.task, folio);
    }

    fn release_destination(self, folio: Folio) {
        let s = &mut *self.state();
        s.folio_unlock(self.task, folio);
        s.folio_put(self.task, folio);
    }
}
