//! The reverse map: counting mappings, and finding them.
//!
//! Corresponds to `mm/rmap.c`, `include/linux/rmap.h`.

use crate::huge_split::Split;
use crate::ids::{AnonVmaId, Folio, MmId, Pfn, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::{Page, PageFlags};
use crate::page_vma_mapped::{Found, PageVmaMappedWalk, Wanted};
use crate::pte::{MigrationEntry, MigrationKind, Softleaf, SwapPte};
use crate::state::{Current, State};
use crate::trace::Event;
use crate::vma::VmFlags;
use core::ops::Range;

/// When cleared entries are flushed: each at once, or all later by the batch of the task
/// (`TTU_BATCH_FLUSH`). With a batch, the caller owes a `try_to_unmap_flush`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnmapFlush {
    Each,
    Batch,
}

/// Who takes the anon_vma lock for a walk: the walk, for reading, or its caller, for writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RmapLock {
    Take,
    Held,
}

/// What replaces the migration entry of a page that has only zeroes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Zeroes {
    /// A mapping of the page.
    Mapped,
    /// A mapping of the shared zero page, so that the page can be freed
    /// (`TTU_USE_SHARED_ZEROPAGE`).
    Shared,
}

/// Whether a huge entry of an mlocked VMA is split and removed like any other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mlocked {
    Goes,
    Stays,
}

/// How mappings of a folio are removed (`TTU_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ttu {
    pub flush: UnmapFlush,
    /// How huge entries are split first, if they are (`TTU_SPLIT_HUGE_PMD`).
    pub split: Option<Split>,
    pub lock: RmapLock,
    pub mlocked: Mlocked,
}

impl Ttu {
    /// How a migration removes mappings.
    pub(crate) const MIGRATE: Self = Self {
        flush: UnmapFlush::Each,
        split: None,
        lock: RmapLock::Take,
        mlocked: Mlocked::Goes,
    };
    /// How compaction removes mappings.
    pub(crate) const COMPACT: Self = Self {
        flush: UnmapFlush::Batch,
        ..Self::MIGRATE
    };
    /// How the split of a folio removes mappings (`unmap_folio`).
    pub(crate) const SPLIT_FOLIO: Self = Self {
        split: Some(Split::Frozen),
        lock: RmapLock::Held,
        ..Self::MIGRATE
    };
    /// How reclaim removes mappings.
    pub(crate) const RECLAIM: Self = Self {
        split: Some(Split::Mapped),
        mlocked: Mlocked::Stays,
        ..Self::COMPACT
    };
}

/// Pages of a folio that entries of one level map: `nr` entries of one page each at the lowest
/// level, or one huge entry. All counting is by unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    /// The folio.
    pub folio: Folio,
    /// The first of the pages.
    pub first: Pfn,
    /// The number of pages.
    pub nr: u32,
    /// The level of the entries.
    pub level: u32,
}

impl Unit {
    /// One page of a folio, mapped by an entry of the lowest level.
    #[inline]
    pub(crate) const fn page(folio: Folio, page: Pfn) -> Self {
        Self {
            folio,
            first: page,
            nr: 1,
            level: 0,
        }
    }

    pub(crate) fn pages(self) -> impl Iterator<Item = Pfn> {
        (self.first.0..self.first.0 + self.nr).map(Pfn)
    }

    /// The pages whose flags say whether the unit is exclusive.
    fn flagged(self) -> impl Iterator<Item = Pfn> {
        self.pages().take(match self.level {
            0 => self.nr as usize,
            _ => 1,
        })
    }
}

impl State {
    /// Adds the first mapping of a new page and sets its identity (`folio_add_new_anon_rmap`). A
    /// page that is not exclusive belongs to the root anon_vma, where every VMA that may have
    /// inherited it is found.
    pub(crate) fn folio_add_new_anon_rmap(
        &mut self,
        folio: Folio,
        vma: VmaId,
        addr: u64,
        exclusive: bool,
    ) {
        let area = self.vma(vma);
        let (own, index) = (area.anon_vma, area.index(addr));
        let anon_vma = if exclusive {
            own
        } else {
            own.map(|own| self.anon_vma(own).root)
        };
        // up to 6.1, __page_set_anon_rmap does not change the mapping and the index of a page that
        // already has a mapping
        zoo!(self, Bug::DevprivMappingReuse if self.head(folio).anon_vma().is_some() =>
            let index = self.head(folio).index);
        zoo!(self, Bug::DevprivMappingReuse =>
            let anon_vma = self.head(folio).anon_vma().or(anon_vma));
        let head = self.head_mut(folio);
        head.flags.insert(PageFlags::SWAPBACKED);
        head.set_mapping(anon_vma.into());
        head.index = index;
        (head.large_mapcount, head.entire_mapcount) = (0, 0);
        let unit = self.whole(folio);
        for page in unit.pages() {
            self.page_mut(page).mapcount = 0;
        }
        self.count_mappings(unit, 1);
        self.set_anon_exclusive(unit, exclusive);
    }

    /// All pages of a folio, mapped by one entry if its size allows that.
    pub(crate) fn whole(&self, folio: Folio) -> Unit {
        let order = self.head(folio).order;
        let huge = order > 0 && order == self.geometry().order(1);
        Unit {
            folio,
            first: folio.head(),
            nr: 1 << order,
            level: u32::from(huge),
        }
    }

    /// One page, mapped by an entry of the lowest level.
    #[inline]
    pub(crate) fn unit(&self, page: Pfn) -> Unit {
        Unit::page(self.folio(page), page)
    }

    /// Adds `by` to the mapcounts of the folio and its pages, once for each entry of the unit.
    #[inline]
    fn count_mappings(&mut self, unit: Unit, by: i32) {
        let head = self.head_mut(unit.folio);
        match (head.order, unit.level) {
            (0, _) => {
                head.mapcount += by;
                return;
            }
            (_, 0) => head.large_mapcount += by * unit.nr as i32,
            (_, _) => {
                head.entire_mapcount += by;
                head.large_mapcount += by;
                return;
            }
        }
        for page in unit.pages() {
            self.page_mut(page).mapcount += by;
        }
    }

    /// Sets or clears `PageAnonExclusive` of a unit. One flag stands for all pages of a huge entry:
    /// that of the head page.
    #[inline]
    fn set_anon_exclusive(&mut self, unit: Unit, exclusive: bool) {
        for page in unit.flagged() {
            let flags = &mut self.page_mut(page).flags;
            flags.set(PageFlags::ANON_EXCLUSIVE, exclusive);
        }
    }

    /// Adds mappings in `vma` to pages that have an identity (`__folio_add_anon_rmap`). If `vma` is
    /// mlocked, the folio is mlocked only if the unit has all of its pages.
    pub(crate) fn folio_add_anon_rmap(&mut self, unit: Unit, vma: VmaId, exclusive: bool) {
        self.count_mappings(unit, 1);
        if exclusive {
            self.set_anon_exclusive(unit, true);
        }
        if self.head(unit.folio).nr_pages() == unit.nr as i32 {
            self.mlock_vma_folio(unit.folio, vma);
        }
    }

    /// Removes mappings in `vma` (`__folio_remove_rmap`).
    pub(crate) fn folio_remove_rmap(&mut self, unit: Unit, vma: VmaId) {
        self.count_mappings(unit, -1);
        if self.head(unit.folio).order > 0 && self.leaves_partially_mapped(unit) {
            self.deferred_split_folio(unit.folio, true);
        }
        self.munlock_vma_folio(unit.folio, vma);
    }

    /// True if the mappings that were just removed were the last ones of some pages of a large
    /// folio, and other pages are still mapped.
    fn leaves_partially_mapped(&self, unit: Unit) -> bool {
        if self.head(unit.folio).entire_mapcount > 0 {
            return false;
        }
        let mut removed = unit.pages();
        let lost = removed.any(|page| self.page(page).mapcount == 0);
        let mut all = self.whole(unit.folio).pages();
        lost && all.any(|page| self.page(page).mapcount > 0)
    }

    /// Adds mappings for a fork, after which the pages are not exclusive
    /// (`__folio_try_dup_anon_rmap`). Fails if one of them is exclusive and the folio may be
    /// pinned.
    pub(crate) fn folio_try_dup_anon_rmap(&mut self, unit: Unit) -> bool {
        let pinned = self.folio_maybe_dma_pinned(unit.folio);
        zoo!(self, Bug::ForkPinnedEarlyCow => let pinned = false);
        // a device page cannot be pinned
        if pinned && unit.folio.device().is_none() && self.anon_exclusive(unit) {
            return false;
        }
        self.set_anon_exclusive(unit, false);
        self.count_mappings(unit, 1);
        true
    }

    /// Makes pages not exclusive after their entry was cleared (`__folio_try_share_anon_rmap`).
    /// Fails if the folio may be pinned.
    pub(crate) fn folio_try_share_anon_rmap(&mut self, unit: Unit) -> bool {
        zoo!(self, Bug::AnonExclusiveGupFast => self.set_anon_exclusive(unit, false));
        let pinned = self.folio_maybe_dma_pinned(unit.folio) && unit.folio.device().is_none();
        if !pinned {
            self.set_anon_exclusive(unit, false);
        }
        !pinned
    }

    /// True if a page of a unit is exclusive.
    fn anon_exclusive(&self, unit: Unit) -> bool {
        let mut flagged = unit.flagged();
        flagged.any(|page| self.page(page).anon_exclusive())
    }

    /// True if a page is exclusive to its mapping. One flag stands for all pages of a huge entry.
    pub(crate) fn page_anon_exclusive(&self, page: Pfn) -> bool {
        let head = self.head(self.folio(page));
        let own = self.page(page);
        let entire = head.entire_mapcount > 0;
        zoo!(self, Bug::GupTailExclusive => let entire = false);
        if entire { head } else { own }.anon_exclusive()
    }

    /// Number of entries of any level that map a page (`folio_precise_page_mapcount`).
    pub fn page_mapcount(&self, page: Pfn) -> i32 {
        let own = self.page(page).mapcount;
        own + self.head(self.folio(page)).entire_mapcount
    }

    /// Moves the page to the anon_vma of `vma`, the only VMA that uses it (`folio_move_anon_rmap`).
    pub(crate) fn folio_move_anon_rmap(&mut self, folio: Folio, vma: VmaId) {
        let anon_vma = self.vma(vma).anon_vma;
        self.head_mut(folio).set_mapping(anon_vma.into());
    }

    /// `folio_maybe_dma_pinned`.
    pub(crate) fn folio_maybe_dma_pinned(&self, folio: Folio) -> bool {
        self.head(folio).maybe_dma_pinned()
    }

    /// True if the folio is mapped (`folio_mapped`).
    pub(crate) fn folio_mapped(&self, folio: Folio) -> bool {
        self.head(folio).folio_mapcount() > 0
    }

    /// True if an address space other than `mm` maps a page of a mapped folio
    /// (`folio_maybe_mapped_shared`, which may err for more than two address spaces).
    pub(crate) fn mapped_by_others(&self, mm: MmId, folio: Folio) -> bool {
        let head = self.head(folio);
        let Some(anon_vma) = head.anon_vma() else {
            return false;
        };
        let index = head.index..head.index + (1 << head.order);
        let mut own = 0;
        let mut n = 0;
        while let Some((vma, addrs)) = self.rmap_walk_nth(anon_vma, &index, n) {
            n += 1;
            if self.vma(vma).mm != mm {
                continue;
            }
            for rest in self.geometry().tables(addrs) {
                let wanted = Wanted::Mapping;
                let mut walk = PageVmaMappedWalk {
                    mm,
                    folio,
                    rest,
                    wanted,
                };
                while self.page_vma_mapped_walk(&mut walk).is_some() {
                    own += 1;
                }
            }
        }
        own < head.folio_mapcount()
    }

    /// Records the start of a walk for `folio`. Returns the page offsets to look for.
    pub(crate) fn rmap_walk_begin(&mut self, folio: Folio, anon_vma: AnonVmaId) -> Range<u64> {
        let alive = self.anon_vmas().is_live(anon_vma.0);
        self.events.push(Event::RmapWalk {
            folio,
            anon_vma,
            alive,
        });
        let Page { index, order, .. } = *self.head(folio);
        index..index + (1 << order)
    }

    /// The `n`th VMA, in the order of the interval tree, that covers some of the page offsets
    /// `index`, and the addresses of these offsets there.
    pub fn rmap_walk_nth(
        &self,
        anon_vma: AnonVmaId,
        index: &Range<u64>,
        n: usize,
    ) -> Option<(VmaId, Range<u64>)> {
        let tree = &self.anon_vma(anon_vma).tree;
        // the tree is sorted by first offset, so VMAs that start behind `index` end the search
        let candidates = tree.iter().map(|avc| self.avc(*avc).vma);
        candidates
            .take_while(|vma| self.vma(*vma).pgoff < index.end)
            .filter_map(|vma| Some((vma, self.vma(vma).addresses(index)?)))
            .nth(n)
    }

    /// Replaces one mapping of `folio` by a migration entry, under the page-table lock
    /// (`try_to_migrate_one`, `set_pmd_migration_entry`). Returns false if that is impossible; the
    /// mapping is then unchanged.
    pub(crate) fn try_to_migrate_one(
        &mut self,
        cur: Current<'_>,
        folio: Folio,
        vma: VmaId,
        found: Found,
        flush: UnmapFlush,
    ) -> bool {
        let Found { at, pte, page: pfn } = found;
        let unit = self.entry_unit(at, pfn);
        let exclusive = self.page(pfn).anon_exclusive();
        match flush {
            UnmapFlush::Each => self.ptep_clear_flush(at),
            UnmapFlush::Batch => self.ptep_clear_batched(cur.task, at),
        };
        let (writable, young, dirty) = match (pte.present(), pte.leaf()) {
            (Some(p), _) => (p.write(), p.young(), p.dirty()),
            (_, Some(Softleaf::DevicePrivate { write, .. })) => (write, false, false),
            _ => (false, false, false),
        };
        let marks = dirty || pte.leaf().is_some() && !self.rules().absent_entry_is_not_dirty;
        if marks && unit.level == 0 {
            self.folio_mark_dirty(folio);
        }
        if exclusive && !self.folio_try_share_anon_rmap(unit) {
            self.tables.set(at, pte);
            return false;
        }
        // unlike a small entry, a huge one marks the folio dirty only if it is replaced
        if marks && unit.level > 0 {
            self.folio_mark_dirty(folio);
        }
        let tracking = pte.tracking();
        zoo!(self, Bug::SlowpathRoMigent if pte.leaf().is_some() => let writable = false);
        zoo!(self, Bug::PmdDevprivSoftdirtyAsWrite if pte.leaf().is_some() =>
            let writable = pte.misread().write());
        zoo!(self, Bug::RmapSoftdirtyUffdCopy if pte.leaf().is_some() =>
            let tracking = pte.misread().tracking());
        zoo!(self, Bug::ThpUffdwpMigration if unit.level > 0 =>
            let tracking = tracking - crate::pte::SwapFlags::UFFD_WP);
        let entry = Self::make_migration_entry(pfn, writable, exclusive, young, dirty);
        self.tables.set(at, entry.set(tracking, true).pte());
        zoo!(self, Bug::TtuSubpageFromSwapPte => let pfn = pte.misread().pfn());
        zoo!(self, Bug::ExclMigrateOne if pte.is_exclusive() =>
            let pfn = pte.misread().pfn());
        self.folio_remove_rmap(self.entry_unit(at, pfn), vma);
        self.folio_ref_sub(folio, 1);
        true
    }

    pub(crate) fn make_migration_entry(
        pfn: Pfn,
        writable: bool,
        exclusive: bool,
        young: bool,
        dirty: bool,
    ) -> SwapPte {
        let kind = match (writable, exclusive) {
            (true, _) => MigrationKind::Write,
            (false, true) => MigrationKind::ReadExclusive,
            (false, false) => MigrationKind::Read,
        };
        Softleaf::Migration(MigrationEntry {
            kind,
            pfn,
            young,
            dirty,
        })
        .to_swap()
    }
}

impl Current<'_> {
    /// Locks the tree of `folio`'s anon_vma for reading, if the folio is mapped
    /// (`folio_lock_anon_vma_read`).
    ///
    /// The anon_vma may be freed and reused before the lock is taken, but not while the folio is
    /// mapped, so the folio is checked again under the lock. In the kernel, RCU keeps the memory of
    /// the anon_vma valid until the lock is taken; a task that must sleep takes a reference
    /// instead. The model has neither, and relies on that check.
    async fn folio_lock_anon_vma_read(self, folio: Folio) -> Option<(AnonVmaId, Lock)> {
        loop {
            let (anon_vma, root) = {
                let s = &*self.state();
                let anon_vma = s.head(folio).anon_vma()?;
                if !s.folio_mapped(folio) {
                    return None;
                }
                (anon_vma, s.anon_vma(anon_vma).root)
            };
            let lock = Lock::AnonVmaRead(root);
            self.preempt(Site::FolioLockAnonVma).await;
            self.lock(lock).await;
            let s = &mut *self.state();
            let mapped = s.folio_mapped(folio);
            zoo!(s, Bug::PageLockAnonVmaRecheck => let mapped = true);
            if !mapped {
                s.unlock(self.task, lock);
                return None;
            }
            if s.head(folio).anon_vma() == Some(anon_vma) && s.anon_vma(anon_vma).root == root {
                return Some((anon_vma, lock));
            }
            s.unlock(self.task, lock);
        }
    }

    /// Replaces the mappings of a locked folio by migration entries (`try_to_migrate`). Some may
    /// remain, so the caller checks whether the folio is still mapped.
    pub(crate) async fn try_to_migrate(self, folio: Folio, ttu: Ttu) {
        let one =
            |s: &mut State, vma, found| s.try_to_migrate_one(self, folio, vma, found, ttu.flush);
        self.unmap_each(folio, Site::TryToMigrate, ttu, one).await;
    }

    /// Calls `one` for each mapping of a locked folio, under the page-table lock and within an
    /// invalidation (`rmap_walk`). One page table is one section. Stops when `one` returns false,
    /// or when nothing maps the folio any more.
    pub(crate) async fn unmap_each(
        self,
        folio: Folio,
        site: Site,
        ttu: Ttu,
        one: impl Fn(&mut State, VmaId, Found) -> bool,
    ) {
        let (anon_vma, lock) = match ttu.lock {
            RmapLock::Take => match self.folio_lock_anon_vma_read(folio).await {
                Some((anon_vma, lock)) => (anon_vma, Some(lock)),
                None => return,
            },
            RmapLock::Held => {
                let anon_vma = self.state().head(folio).anon_vma();
                let Some(anon_vma) = anon_vma else { return };
                (anon_vma, None)
            }
        };
        let geometry = *self.state().geometry();
        let index = { self.state().rmap_walk_begin(folio, anon_vma) };
        let mut n = 0;
        while let Some((vma, addrs)) = { self.state().rmap_walk_nth(anon_vma, &index, n) } {
            n += 1;
            let mm = self.state().vma(vma).mm;
            let range = NotifierRange::new(mm, addrs.clone(), NotifierEvent::Clear, None);
            self.notifier_start(&range).await;
            let mut ok = true;
            for part in geometry.tables(addrs) {
                self.preempt(site).await;
                let s = &mut *self.state();
                let wanted = Wanted::Mapping;
                let mut walk = PageVmaMappedWalk {
                    mm,
                    folio,
                    rest: part.clone(),
                    wanted,
                };
                while ok && let Some(found) = s.page_vma_mapped_walk(&mut walk) {
                    let stays =
                        ttu.mlocked == Mlocked::Stays && s.vma(vma).flags.contains(VmFlags::LOCKED);
                    if s.tables.table(found.at).level > 0
                        && let Some(how) = ttu.split
                        && !stays
                    {
                        s.split_huge_pmd_locked(vma, found.at, how);
                        walk.rest = part.clone();
                        continue;
                    }
                    ok = one(s, vma, found);
                }
                if !ok {
                    break;
                }
            }
            let s = &mut *self.state();
            s.notifier_end(self.task, &range);
            if !ok || !s.folio_mapped(folio) {
                break;
            }
        }
        lock.inspect(|lock| self.unlock(*lock));
    }
}
