//! The reverse map: counting mappings, and finding them.
//!
//! Corresponds to `mm/rmap.c`, `include/linux/rmap.h`.

use crate::ids::{AnonVmaId, Folio, Pfn, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::{Page, PageFlags};
use crate::page_vma_mapped::{Found, PageVmaMappedWalk, Wanted};
use crate::pte::{MigrationEntry, MigrationKind, Softleaf, SwapPte};
use crate::state::{Current, State};
use crate::trace::Event;
use core::ops::Range;

/// When cleared entries are flushed: each at once, or all later by the batch of the task
/// (`TTU_BATCH_FLUSH`). With a batch, the caller owes a `try_to_unmap_flush`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnmapFlush {
    Each,
    Batch,
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
        // up to 6.1, __page_set_anon_rmap leaves a mapping and an index that are already set
        zoo!(self, Bug::DevprivMappingReuse if self.head(folio).mapping().is_some() =>
            let index = self.head(folio).index);
        zoo!(self, Bug::DevprivMappingReuse =>
            let anon_vma = self.head(folio).mapping().or(anon_vma));
        let page = self.head_mut(folio);
        page.flags.insert(PageFlags::SWAPBACKED);
        page.flags.set(PageFlags::ANON_EXCLUSIVE, exclusive);
        page.mapcount = 1;
        page.set_mapping(anon_vma);
        page.index = index;
    }

    /// Adds a mapping in `vma` to a page that has an identity (`folio_add_anon_rmap_pte`).
    pub(crate) fn folio_add_anon_rmap_pte(&mut self, page: Pfn, vma: VmaId, exclusive: bool) {
        let mapped = self.page_mut(page);
        mapped.mapcount += 1;
        if exclusive {
            mapped.flags.insert(PageFlags::ANON_EXCLUSIVE);
        }
        self.mlock_vma_folio(self.folio(page), vma);
    }

    /// Removes a mapping in `vma` (`folio_remove_rmap_pte`).
    pub(crate) fn folio_remove_rmap_pte(&mut self, page: Pfn, vma: VmaId) {
        self.page_mut(page).mapcount -= 1;
        self.munlock_vma_folio(self.folio(page), vma);
    }

    /// Adds a mapping for a fork, after which the page is not exclusive
    /// (`folio_try_dup_anon_rmap_pte`). Fails if the page is exclusive and may be pinned.
    pub(crate) fn folio_try_dup_anon_rmap_pte(&mut self, page: Pfn) -> bool {
        let pinned = self.folio_maybe_dma_pinned(self.folio(page));
        zoo!(self, Bug::ForkPinnedEarlyCow => let pinned = false);
        // a device page cannot be pinned
        if self.page(page).anon_exclusive() && pinned && page.device().is_none() {
            return false;
        }
        let page = self.page_mut(page);
        page.flags.remove(PageFlags::ANON_EXCLUSIVE);
        page.mapcount += 1;
        true
    }

    /// Makes a page not exclusive after its entry was cleared (`folio_try_share_anon_rmap_pte`).
    /// Fails if the page may be pinned.
    pub(crate) fn folio_try_share_anon_rmap_pte(&mut self, page: Pfn) -> bool {
        zoo!(self, Bug::AnonExclusiveGupFast =>
            self.page_mut(page).flags.remove(PageFlags::ANON_EXCLUSIVE));
        let pinned = self.folio_maybe_dma_pinned(self.folio(page)) && page.device().is_none();
        if !pinned {
            self.page_mut(page).flags.remove(PageFlags::ANON_EXCLUSIVE);
        }
        !pinned
    }

    /// Moves the page to the anon_vma of `vma`, the only VMA that uses it (`folio_move_anon_rmap`).
    pub(crate) fn folio_move_anon_rmap(&mut self, folio: Folio, vma: VmaId) {
        let anon_vma = self.vma(vma).anon_vma;
        self.head_mut(folio).set_mapping(anon_vma);
    }

    /// `folio_maybe_dma_pinned`.
    pub(crate) fn folio_maybe_dma_pinned(&self, folio: Folio) -> bool {
        self.head(folio).maybe_dma_pinned()
    }

    /// True if the folio is mapped (`folio_mapped`).
    pub(crate) fn folio_mapped(&self, folio: Folio) -> bool {
        self.head(folio).folio_mapcount() > 0
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
    /// (`try_to_migrate_one`). Returns false if that is impossible; the mapping is then unchanged.
    fn try_to_migrate_one(
        &mut self,
        cur: Current<'_>,
        folio: Folio,
        vma: VmaId,
        found: Found,
        flush: UnmapFlush,
    ) -> bool {
        let Found { at, pte, page: pfn } = found;
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
        if dirty || pte.leaf().is_some() && !self.rules().absent_entry_is_not_dirty {
            self.folio_mark_dirty(folio);
        }
        if exclusive && !self.folio_try_share_anon_rmap_pte(pfn) {
            self.tables.set(at, pte);
            return false;
        }
        let tracking = pte.tracking();
        zoo!(self, Bug::SlowpathRoMigent if pte.leaf().is_some() => let writable = false);
        zoo!(self, Bug::PmdDevprivSoftdirtyAsWrite if pte.leaf().is_some() =>
            let writable = pte.misread().write());
        zoo!(self, Bug::RmapSoftdirtyUffdCopy if pte.leaf().is_some() =>
            let tracking = pte.misread().tracking());
        let entry = Self::make_migration_entry(pfn, writable, exclusive, young, dirty);
        self.tables.set(at, entry.set(tracking, true).pte());
        zoo!(self, Bug::TtuSubpageFromSwapPte => let pfn = pte.misread().pfn());
        zoo!(self, Bug::ExclMigrateOne if pte.is_exclusive() =>
            let pfn = pte.misread().pfn());
        self.folio_remove_rmap_pte(pfn, vma);
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
                let anon_vma = s.head(folio).mapping()?;
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
            if s.head(folio).mapping() == Some(anon_vma) && s.anon_vma(anon_vma).root == root {
                return Some((anon_vma, lock));
            }
            s.unlock(self.task, lock);
        }
    }

    /// Replaces the mappings of a locked folio by migration entries (`try_to_migrate`). Some may
    /// remain, so the caller checks whether the folio is still mapped.
    pub(crate) async fn try_to_migrate(self, folio: Folio, flush: UnmapFlush) {
        let one = |s: &mut State, vma, found| s.try_to_migrate_one(self, folio, vma, found, flush);
        self.unmap_each(folio, Site::TryToMigrate, one).await;
    }

    /// Calls `one` for each mapping of a locked folio, under the page-table lock and within an
    /// invalidation (`rmap_walk`). One page table is one section. Stops when `one` returns false,
    /// or when nothing maps the folio any more.
    pub(crate) async fn unmap_each(
        self,
        folio: Folio,
        site: Site,
        one: impl Fn(&mut State, VmaId, Found) -> bool,
    ) {
        let Some((anon_vma, lock)) = self.folio_lock_anon_vma_read(folio).await else {
            return;
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
            for rest in geometry.tables(addrs) {
                self.preempt(site).await;
                let s = &mut *self.state();
                let wanted = Wanted::Mapping;
                let mut walk = PageVmaMappedWalk {
                    mm,
                    folio,
                    rest,
                    wanted,
                };
                while ok && let Some(found) = s.page_vma_mapped_walk(&mut walk) {
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
        self.unlock(lock);
    }
}
