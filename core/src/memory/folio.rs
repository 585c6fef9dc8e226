//! The life of a folio: allocation, references, freeing.
//!
//! Corresponds to `mm/page_alloc.c`, `mm/swap.c` (`__folio_put`), `mm/memremap.c`
//! (`zone_device_page_init`, `free_zone_device_folio`).

use crate::fail::AllocKind;
use crate::ids::{DevId, Folio, MmId, Pfn, PteRef, SwapId, TaskId};
use crate::page::{Mapping, PageFlags};
use crate::state::{Enomem, State};
use crate::trace::Event;
use crate::walk::Walk;

impl State {
    /// The folio that `page` belongs to (`page_folio`).
    #[inline]
    pub fn folio(&self, page: Pfn) -> Folio {
        Folio::of_head(Pfn(page.0 - self.page(page).tail_offset))
    }

    /// Allocates a folio of 2^`order` pages of system memory, with one reference that belongs to
    /// `task` (`folio_alloc`). The pages keep the contents of their last owner.
    pub fn folio_alloc(&mut self, task: TaskId, order: u8) -> Result<Folio, Enomem> {
        self.may_alloc(AllocKind::Page)?;
        let Some(first) = self.frames.alloc(order) else {
            self.fail.failures += 1;
            return Err(Enomem);
        };
        let folio = self.prep_folio(first, order);
        self.tasks[task.ix()].refs.push(folio);
        Ok(folio)
    }

    /// Allocates a folio of 2^`order` pages of `dev`'s memory, locked, with one reference that
    /// belongs to `task` (`zone_device_page_init`).
    pub fn alloc_device_folio(
        &mut self,
        task: TaskId,
        dev: DevId,
        order: u8,
    ) -> Result<Folio, Enomem> {
        self.may_alloc(AllocKind::DevicePage)?;
        let Some(first) = self.driver_mut().alloc(dev, order) else {
            self.fail.failures += 1;
            return Err(Enomem);
        };
        self.pgmap_refs[dev.ix()] += 1 << order;
        zoo!(self, Bug::PgmapRefOnAlloc => self.pgmap_refs[dev.ix()] -= 1);
        let folio = self.prep_folio(first, order);
        // a second defence: the free has cleared the mapping already (12b2285bf3d1)
        self.clear_mapping(folio);
        self.tasks[task.ix()].refs.push(folio);
        self.folio_trylock(task, folio);
        self.events.push(Event::DeviceAlloc { dev, folio });
        Ok(folio)
    }

    /// Makes a folio out of free pages, with one reference (`prep_compound_page`).
    fn prep_folio(&mut self, first: Pfn, order: u8) -> Folio {
        for i in 1..1 << order {
            let tail = self.page_mut(Pfn(first.0 + i));
            tail.flags = PageFlags::empty();
            tail.tail_offset = i;
        }
        let head = self.page_mut(first);
        head.flags = PageFlags::empty();
        head.flags.set(PageFlags::HEAD, order > 0);
        head.order = order;
        head.refcount = 1;
        head.swap = SwapId::default();
        Folio::of_head(first)
    }

    /// Makes the tail pages of a folio single pages, and marks all of its pages as free. The head
    /// keeps those of its flags that are in `kept`. Returns the order of the folio.
    fn unprep_folio(&mut self, folio: Folio, kept: PageFlags) -> u8 {
        let head = self.head_mut(folio);
        head.flags = head.flags & kept | PageFlags::FREE;
        let order = core::mem::take(&mut head.order);
        for i in 1..1 << order {
            let tail = self.page_mut(Pfn(folio.head().0 + i));
            tail.flags = PageFlags::FREE;
            tail.tail_offset = 0;
        }
        order
    }

    /// Tells the driver that `page` of a folio of its memory is now a folio of its own.
    pub(crate) fn driver_folio_split(&mut self, folio: Folio, page: Pfn) {
        if let Some(dev) = folio.device() {
            self.driver_mut().folio_split(dev, folio, page);
        }
    }

    /// Clears the mapping of a device folio.
    fn clear_mapping(&mut self, folio: Folio) {
        zoo!(self, Bug::DevprivMappingReuse => return);
        self.head_mut(folio).set_mapping(Mapping::None);
    }

    /// Adds references and records no owner: callers use it for mappings, the swap cache and pins
    /// (`folio_ref_add`).
    #[inline]
    pub(crate) fn folio_ref_add(&mut self, folio: Folio, count: i32) {
        self.head_mut(folio).refcount += count;
    }

    /// Drops references; the last one frees the folio (`folio_put_refs`).
    pub(crate) fn folio_ref_sub(&mut self, folio: Folio, count: i32) {
        let page = self.head_mut(folio);
        page.refcount -= count;
        if page.refcount == 0 {
            self.free_folio(folio);
        }
    }

    /// Adds a reference that the operation of `task` holds for a while.
    #[inline]
    pub(crate) fn folio_get(&mut self, task: TaskId, folio: Folio) {
        self.folio_ref_add(folio, 1);
        self.tasks[task.ix()].refs.push(folio);
    }

    /// Adds a reference for `task` unless the folio is free or being freed (`folio_try_get`).
    pub(crate) fn folio_try_get(&mut self, task: TaskId, folio: Folio) -> bool {
        let ok = self.head(folio).refcount > 0;
        if ok {
            self.folio_get(task, folio);
        }
        ok
    }

    /// Drops a reference of `task` (`folio_put`).
    pub fn folio_put(&mut self, task: TaskId, folio: Folio) {
        self.disown(task, folio);
        self.folio_ref_sub(folio, 1);
    }

    /// Stops counting a reference as one of `task`, because a mapping or somebody else owns it now.
    pub(crate) fn disown(&mut self, task: TaskId, folio: Folio) {
        let refs = &mut self.tasks[task.ix()].refs;
        if let Some(i) = refs.iter().rposition(|f| *f == folio) {
            refs.swap_remove(i);
        }
    }

    /// Adds the references of a FOLL_PIN (`try_grab_folio`).
    pub(crate) fn folio_pin(&mut self, folio: Folio) {
        let head = self.head_mut(folio);
        head.refcount += head.pin_refs();
        head.pincount += i32::from(head.order > 0);
    }

    /// Drops the references of a FOLL_PIN (`gup_put_folio`).
    fn folio_unpin(&mut self, folio: Folio) {
        let head = self.head_mut(folio);
        head.pincount -= i32::from(head.order > 0);
        let refs = head.pin_refs();
        self.folio_ref_sub(folio, refs);
    }

    /// Takes a reference for a holder outside every operation, such as a caller of `get_user_pages`
    /// or a walker of frames. With `pin`, it is a FOLL_PIN. Returns false if the page is free.
    pub fn hold_external(&mut self, page: Pfn, pin: bool) -> bool {
        let folio = self.folio(page);
        let live = self.head(folio).refcount > 0;
        match pin {
            _ if !live => {}
            true => self.folio_pin(folio),
            false => self.folio_ref_add(folio, 1),
        }
        live
    }

    /// Drops a reference of [`hold_external`](Self::hold_external) or of GUP (`unpin_user_page`,
    /// `put_page`).
    pub fn put_external(&mut self, page: Pfn, pin: bool) {
        let folio = self.folio(page);
        let pin_counts = folio != Folio::ZERO;
        zoo!(self, Bug::GupPinZeroPage => let pin_counts = true);
        match pin {
            true if pin_counts => self.folio_unpin(folio),
            true => {}
            false => self.folio_ref_sub(folio, 1),
        }
    }

    /// Frees a folio whose last reference has been dropped (`__folio_put`).
    fn free_folio(&mut self, folio: Folio) {
        match folio.device() {
            Some(dev) => self.free_zone_device_folio(folio, dev),
            None => {
                let queued = self.head(folio).order > 0;
                // before f8f931bba0f9, a folio was only removed from the queue of its memory
                // cgroup; once its contents have migrated it has no cgroup, so it stayed queued
                zoo!(self, Bug::DeferredSplitVsMigration
                    if !self.head(folio).has(PageFlags::CHARGED) => let queued = false);
                if queued {
                    self.folio_unqueue_deferred_split(folio);
                }
                self.head_mut(folio).set_mapping(Mapping::None);
                let order = self.unprep_folio(folio, PageFlags::LOCKED);
                self.frames.free(folio.head(), order);
            }
        }
    }

    /// Frees a folio of device-private memory (`free_zone_device_folio`).
    fn free_zone_device_folio(&mut self, folio: Folio, dev: DevId) {
        // LOCKED stays, because somebody may hold the folio lock. MLOCKED stays, because this path
        // does not clear it in the kernel either.
        let order = self.unprep_folio(folio, PageFlags::LOCKED | PageFlags::MLOCKED);
        zoo!(self, Bug::ZoneDeviceReinitOrder => self.leave_tails(folio, order));
        // 7ab0ad0e74f8: a later migration may map this page where nothing was mapped, and would
        // trust a stale ->mapping
        self.clear_mapping(folio);
        self.driver_mut().folio_free(dev, folio, order);
        zoo!(self, Bug::TouchAfterFolioFree => let order = self.head(folio).order);
        self.pgmap_refs[dev.ix()] -= 1 << order;
        zoo!(self, Bug::PgmapRefOnAlloc => self.pgmap_refs[dev.ix()] += 1);
    }

    /// Takes a folio off the LRU for the operation of `task`, with a reference
    /// (`folio_isolate_lru`). Returns false if it is not on the LRU.
    pub(crate) fn folio_isolate_lru(&mut self, task: TaskId, folio: Folio) -> bool {
        let on_lru = self.head(folio).has(PageFlags::LRU);
        if on_lru {
            self.head_mut(folio).flags.remove(PageFlags::LRU);
            self.folio_get(task, folio);
        }
        on_lru
    }

    /// Puts a folio on the LRU (`folio_add_lru`). The LRU holds no reference. The kernel's per-CPU
    /// batch in front of it holds one until it is drained. The model does not count that reference;
    /// a fault on a swap entry allows for it (`map_swap_folio`).
    pub(crate) fn folio_add_lru(&mut self, folio: Folio) {
        self.lru_add(folio);
        let charged = self.head(folio).has(PageFlags::CHARGED);
        self.events.push(Event::LruInsertion { folio, charged });
    }

    /// Moves a folio from the batch to an LRU list (`lru_add`). The mlock count restarts at zero,
    /// because `lru_add` cannot tell which mappings have been counted already.
    fn lru_add(&mut self, folio: Folio) {
        let page = self.head_mut(folio);
        page.flags.insert(PageFlags::LRU);
        let evictable = !page.has(PageFlags::MLOCKED);
        page.flags.set(PageFlags::UNEVICTABLE, !evictable);
        page.mlock_count = 0;
    }

    /// Drains the per-CPU LRU batch that the folio went through. It is drained only now, so mlock
    /// counts added since the folio was queued are lost. A large folio never stays in a batch
    /// (`folio_may_be_lru_cached`).
    pub(crate) fn drain_lru_batch(&mut self, folio: Folio) {
        let page = self.head(folio);
        if page.has(PageFlags::LRU) && page.order == 0 {
            self.lru_add(folio);
        }
    }

    /// Charges a folio (`mem_cgroup_charge`).
    pub(crate) fn charge(&mut self, folio: Folio) {
        self.head_mut(folio).flags.insert(PageFlags::CHARGED);
    }

    /// Puts an isolated folio back and drops the reference of the isolation (`folio_putback_lru`).
    pub(crate) fn folio_putback_lru(&mut self, task: TaskId, folio: Folio) {
        self.folio_add_lru(folio);
        self.folio_put(task, folio);
    }

    /// `folio_mark_dirty`.
    pub fn folio_mark_dirty(&mut self, folio: Folio) {
        self.head_mut(folio).flags.insert(PageFlags::DIRTY);
    }

    /// Allocates the page tables down to `addr` (`pte_alloc`). Returns the lowest-level entry, or
    /// `None` if a huge entry stands for the address. Tables allocated before a failure stay, as
    /// empty tables do in the kernel, until the VMA is unmapped.
    pub(crate) fn pte_alloc(&mut self, mm: MmId, addr: u64) -> Result<Option<PteRef>, Enomem> {
        let pgd = self.mm(mm).pgd;
        loop {
            match self.tables.walk(pgd, addr) {
                Walk::Pte(at) => return Ok(Some(at)),
                Walk::Huge(..) => return Ok(None),
                Walk::Hole(at, level) => {
                    self.may_alloc(AllocKind::PageTable)?;
                    self.tables.install(at, mm, level - 1, addr);
                }
            }
        }
    }
}
