use crate::ids::{DevId, Folio, MmId, Pfn, PteRef};
use crate::lock::{Lock, Site, Wait};
use crate::page::PageFlags;
use crate::pte::{
    Entry, MigrationEntry, MigrationKind, PresentPte, Pte, PteFlags, Softleaf, SwapFlags, SwapPte,
};
use crate::state::{Current, State};
use core::ops::Range;

impl Softleaf {
    pub(crate) const fn is_device_private(&self) -> bool {
        matches!(self, Self::DevicePrivate { .. })
    }

    /// A device-exclusive entry, mistaken for a migration entry.
    pub(crate) const fn as_migration(self) -> Self {
        match self {
            Self::DeviceExclusive { pfn, .. } => Self::Migration(MigrationEntry {
                kind: MigrationKind::ReadExclusive,
                pfn,
                young: false,
                dirty: false,
            }),
            leaf => leaf,
        }
    }
}

impl Pte {
    /// The entry, read as if it were present.
    pub(crate) const fn misread(self) -> PresentPte {
        PresentPte::assume(self)
    }

    /// `is_zero_pfn(pte_pfn(pte))` of a non-present entry, where the answer means nothing.
    pub(crate) fn looks_like_zero(self) -> bool {
        matches!(self.decode(), Entry::Leaf(_)) && self.misread().pfn() == Pfn::ZERO
    }

    /// True if the page is in the memory of another device than `dev`.
    pub(crate) fn on_other_device(self, dev: DevId) -> bool {
        let leaf = self.leaf();
        leaf.is_some_and(|leaf| {
            leaf.is_device_private() && leaf.pfn().and_then(Pfn::device) != Some(dev)
        })
    }

    /// The page of a migration entry.
    pub(crate) const fn migrating(self) -> Option<Pfn> {
        match self.leaf() {
            Some(Softleaf::Migration(entry)) => Some(entry.pfn),
            _ => None,
        }
    }

    /// A non-present entry with uffd-wp at the bit of a present entry.
    pub(crate) fn with_misplaced_uffd_wp(self) -> Self {
        let swap = SwapPte::assume(self);
        let without = swap.set(SwapFlags::UFFD_WP, false);
        without
            .pte()
            .misread()
            .set(PteFlags::UFFD_WP, swap.uffd_wp())
            .pte()
    }

    /// A present entry, made writable if it is dirty.
    pub(crate) fn writable_if_dirty(self) -> Self {
        match self.present() {
            Some(pte) if pte.dirty() => pte.set(PteFlags::RW, true).pte(),
            _ => self,
        }
    }

    /// A present entry, made writable.
    pub(crate) fn writable(self) -> Self {
        match self.present() {
            Some(pte) => pte.set(PteFlags::RW, true).pte(),
            None => self,
        }
    }
}

impl State {
    /// The number of pages of the folio that a device page belongs to, or of the free huge page
    /// that it was a part of.
    pub(crate) fn size_of_last_folio(&self, page: Pfn) -> u32 {
        let free = self.page(page).has(PageFlags::FREE);
        match page.device().filter(|_| free) {
            Some(dev) => self.driver().memory(dev).free_block_size(page),
            None => 1 << self.head(self.folio(page)).order,
        }
    }

    /// Clears an entry without a flush.
    pub(crate) fn clear_unflushed(&mut self, at: PteRef) {
        self.tables.set(at, Pte::NONE);
    }

    /// Removes `src` from the swap cache if its slot can be freed, and puts `dst` into its place
    /// there.
    pub(crate) fn leave_swap_cache_to(&mut self, src: Folio, dst: Folio) {
        let page = *self.head(src);
        if page.has(PageFlags::SWAPCACHE) && self.folio_free_swap(src) {
            self.replace_in_swap_cache(page.swap, dst);
        }
    }
}

impl Current<'_> {
    /// Waits for the end of a migration while the task holds a reference to the folio.
    pub(crate) async fn wait_for_migration_of_held(self, folio: Folio) {
        let held = { self.state().folio_try_get(self.task, folio) };
        self.sleep_on(Wait::Unlock(folio)).await;
        if held {
            self.state().folio_put(self.task, folio);
        }
    }

    /// Takes a reference to a locked folio, and sleeps for its lock. Returns true.
    pub(crate) async fn take_busy_folio(self, folio: Folio) -> bool {
        self.state().folio_get(self.task, folio);
        self.lock(Lock::Folio(folio)).await;
        true
    }

    /// Flushes the entries that were cleared without a flush.
    pub(crate) async fn flush_collected(self, mm: MmId, range: Range<u64>) {
        self.preempt(Site::MigrateVmaCollect).await;
        self.state().flush_tlb_range(mm, range);
    }

    /// Puts a folio on the LRU although it is about to be freed. Skips device folios.
    pub(crate) fn lru_add_dead(self, folio: Folio) {
        if folio.device().is_none() {
            self.state().folio_add_lru(folio);
        }
    }
}
