//! Migration entries: waiting for them, and replacing them by mappings.
//!
//! Corresponds to `mm/migrate.c`.

use crate::ids::{Folio, MmId, Pfn, VmaId};
use crate::lock::{Lock, Site, Wait};
use crate::page::PageFlags;
use crate::page_vma_mapped::{Found, PageVmaMappedWalk, Wanted};
use crate::pte::{
    MigrationEntry, MigrationKind, PresentPte, PteFlags, Softleaf, SwapFlags, SwapPte,
};
use crate::rmap::{RmapLock, Unit, Zeroes};
use crate::state::{Current, State};
use crate::trace::Event;
use crate::vma::VmFlags;

impl State {
    /// Moves the identity of `src` to `dst`, unless somebody else holds `src`
    /// (`folio_migrate_mapping` and `folio_migrate_flags` of an anonymous folio). `extra` is the
    /// number of references that are expected besides those of the caller, of the mappings and of
    /// the swap cache.
    pub(crate) fn folio_migrate_mapping(&mut self, src: Folio, dst: Folio, extra: i32) -> bool {
        let from = *self.head(src);
        let cached = i32::from(from.has(PageFlags::SWAPCACHE)) * from.nr_pages();
        if from.refcount != from.folio_mapcount() + cached + extra + 1 {
            zoo!(self, Bug::LatentMixedOrderFallthrough => self.carry_identity(src, dst));
            return false;
        }
        let queued = from.order > 0;
        zoo!(self, Bug::DeferredSplitVsMigration => let queued = false);
        if queued {
            self.folio_unqueue_deferred_split(src);
        }
        self.carry_identity(src, dst);
        if from.has(PageFlags::UNEVICTABLE) {
            self.head_mut(dst).flags.insert(PageFlags::UNEVICTABLE);
            self.head_mut(src).flags.remove(PageFlags::UNEVICTABLE);
        }
        self.events.push(Event::Migrated { src, dst });
        true
    }

    /// Moves the mapping, index, flags and charge of `src` to `dst`.
    fn carry_identity(&mut self, src: Folio, dst: Folio) {
        let from = *self.head(src);
        self.head_mut(src).flags.remove(PageFlags::CHARGED);
        let to = self.head_mut(dst);
        to.index = from.index;
        to.set_mapping(from.mapping());
        let carried = PageFlags::SWAPBACKED | PageFlags::DIRTY | PageFlags::CHARGED;
        to.flags.insert(from.flags & carried);
    }

    /// Replaces a migration entry for a page of `src` by a mapping of the matching page of `dst`,
    /// under the page-table lock (`remove_migration_pte`, `remove_migration_pmd`).
    fn remove_migration_pte(&mut self, vma: VmaId, found: Found, src: Folio, dst: Folio) {
        let swap = SwapPte::assume(found.pte);
        let leaf = swap.softleaf();
        zoo!(self, Bug::ExclTreatedAsMigration => let leaf = leaf.map(Softleaf::as_migration));
        let Some(Softleaf::Migration(entry)) = leaf else {
            return;
        };
        let page = Pfn(dst.head().0 + (found.page.0 - src.head().0));
        let huge = self.tables.table(found.at).level > 0;
        let pte = if dst.device().is_some() {
            Self::device_private_pte(entry, swap, page).pte()
        } else {
            let pte = self.restored_pte(vma, entry, swap, page);
            // pmd_mkdirty sets soft-dirty as well
            zoo!(self, Bug::LatentRestorePmdSoftdirty if huge && pte.dirty() =>
                let pte = pte.mkdirty());
            pte.set(PteFlags::PSE, huge).pte()
        };
        zoo!(self, Bug::RestoreUffdwpAccessor if dst.device().is_some() =>
            let pte = pte.with_misplaced_uffd_wp());
        zoo!(self, Bug::RestoreWriteAfterMkdirty => let pte = pte.writable_if_dirty());
        self.folio_ref_add(dst, 1);
        let unit = match huge {
            true => self.whole(dst),
            false => Unit::page(dst, page),
        };
        self.folio_add_anon_rmap(unit, vma, entry.kind != MigrationKind::Read);
        self.tables.set(found.at, pte);
    }

    /// Replaces the migration entry of a page that has only zeroes by a mapping of the zero page,
    /// under the page-table lock. The page itself is not mapped again. Returns false in an mlocked
    /// VMA, for an mlocked page, and for a page with contents (`try_to_map_unused_to_zeropage`).
    fn try_to_map_unused_to_zeropage(&mut self, vma: VmaId, found: Found) -> bool {
        let area = self.vma(vma);
        let (mm, locked) = (area.mm, area.flags.contains(VmFlags::LOCKED));
        let page = self.page(found.page);
        let locked = locked || page.has(PageFlags::MLOCKED);
        zoo!(self, Bug::ZeropageRemapMlocked => let locked = false);
        if locked || page.word != 0 {
            return false;
        }
        let swap = SwapPte::assume(found.pte);
        let tracking = [swap.soft_dirty(), swap.uffd_wp()];
        zoo!(self, Bug::ZeropageRemapLostBits => let tracking = [false; 2]);
        let [soft_dirty, uffd_wp] = tracking;
        let zero = self
            .mk_pte(vma, Pfn::ZERO)
            .set(PteFlags::SPECIAL, true)
            .set(PteFlags::SOFT_DIRTY, soft_dirty)
            .set(PteFlags::UFFD_WP, uffd_wp);
        self.tables.set(found.at, zero.pte());
        self.mm_mut(mm).anon_rss -= 1;
        true
    }

    fn device_private_pte(entry: MigrationEntry, swap: SwapPte, page: Pfn) -> SwapPte {
        let write = entry.kind == MigrationKind::Write;
        Softleaf::DevicePrivate { write, pfn: page }
            .to_swap()
            .set(SwapFlags::SOFT_DIRTY, swap.soft_dirty())
            .set(SwapFlags::UFFD_WP, swap.uffd_wp())
    }

    fn restored_pte(
        &self,
        vma: VmaId,
        entry: MigrationEntry,
        swap: SwapPte,
        page: Pfn,
    ) -> PresentPte {
        let write = entry.kind == MigrationKind::Write;
        let dirty = entry.dirty && self.head(self.folio(page)).has(PageFlags::DIRTY);
        PresentPte::new(page)
            .protect(self.vma(vma).accessible())
            .set(PteFlags::ACCESSED, entry.young)
            .set(PteFlags::DIRTY, dirty)
            .set(PteFlags::SOFT_DIRTY, swap.soft_dirty())
            .set(PteFlags::RW, write)
            .set(PteFlags::UFFD_WP, swap.uffd_wp() && !write)
    }
}

impl Current<'_> {
    /// Ends the migration of `src` (`remove_migration_ptes`). Every migration entry that names
    /// `src` becomes a mapping of `dst`, or of the zero page if `zeroes` and the contents permit
    /// that. If the migration failed, `dst` is `src` itself.
    ///
    /// Nothing maps the folio now, so no mapping keeps its anon_vma alive. The caller does: it
    /// holds `mmap_lock` of an address space that mapped the folio when the migration began, or a
    /// reference to the anon_vma.
    pub(crate) async fn remove_migration_ptes(
        self,
        src: Folio,
        dst: Folio,
        lock: RmapLock,
        zeroes: Zeroes,
    ) {
        let (anon_vma, root) = {
            let s = &*self.state();
            let Some(anon_vma) = s.head(dst).anon_vma() else {
                return;
            };
            (anon_vma, s.anon_vma(anon_vma).root)
        };
        let taken = (lock == RmapLock::Take).then_some(Lock::AnonVmaRead(root));
        if let Some(lock) = taken {
            self.lock(lock).await;
        }
        let geometry = *self.state().geometry();
        let index = { self.state().rmap_walk_begin(dst, anon_vma) };
        let mut n = 0;
        while let Some((vma, addrs)) = { self.state().rmap_walk_nth(anon_vma, &index, n) } {
            n += 1;
            for rest in geometry.tables(addrs) {
                self.preempt(Site::RemoveMigrationPtes).await;
                let s = &mut *self.state();
                let mut walk = PageVmaMappedWalk {
                    mm: s.vma(vma).mm,
                    folio: src,
                    rest,
                    wanted: Wanted::Migration,
                };
                while let Some(found) = s.page_vma_mapped_walk(&mut walk) {
                    let shared =
                        zeroes == Zeroes::Shared && s.try_to_map_unused_to_zeropage(vma, found);
                    if !shared {
                        s.remove_migration_pte(vma, found, src, dst);
                    }
                }
            }
        }
        self.state().queue_if_partially_mapped(dst);
        taken.inspect(|lock| self.unlock(*lock));
    }

    /// Sleeps until the migration of the page at `addr` is over, if its entry is still a migration
    /// entry (`migration_entry_wait`, `pmd_migration_entry_wait`). The task holds no reference
    /// while it sleeps, because the migration would count it.
    pub(crate) async fn migration_entry_wait(self, mm: MmId, addr: u64) {
        self.preempt(Site::MigrationEntryWait).await;
        let folio = {
            let s = &mut *self.state();
            let leaf = s.tables().entry_for(s.mm(mm).pgd, addr).leaf();
            let Some(Softleaf::Migration(entry)) = leaf else {
                return;
            };
            let folio = s.folio(entry.pfn);
            if !s.head(folio).has(PageFlags::LOCKED) {
                return;
            }
            zoo!(s, Bug::MigwaitHeadPage => let folio = Folio::of_head(entry.pfn));
            folio
        };
        zoo!(self, Bug::MigwaitHeadPage => return self.wait_for_migration_of_held(folio).await);
        zoo!(self, Bug::MigwaitHoldsRef => return self.wait_for_migration_of_held(folio).await);
        self.sleep_on(Wait::Unlock(folio)).await;
    }
}
