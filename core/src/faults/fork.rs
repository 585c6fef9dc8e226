//! `fork`: a copy of the address space that shares its pages.
//!
//! Corresponds to `dup_mmap` in `mm/mmap.c`, `copy_page_range` in `mm/memory.c`.

use crate::huge_split::Split;
use crate::ids::{Folio, MmId, Pfn, PteRef, VmaId};
use crate::lock::{Lock, Site};
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::pte::{
    Entry, MigrationEntry, MigrationKind, PresentPte, PteFlags, Softleaf, SwapFlags, SwapPte,
};
use crate::state::{Current, Enomem, State};
use crate::vma::{VmFlags, Vma};
use crate::walk::Part;
use core::ops::Range;

/// The parent's and the child's side of a copy.
#[derive(Clone, Copy)]
pub(crate) struct Copy {
    src: VmaId,
    dst: VmaId,
    pub(crate) src_mm: MmId,
    pub(crate) dst_mm: MmId,
}

/// The result for one entry: it is copied, or new pages must be allocated first.
pub(crate) enum Copied {
    Done,
    NeedsPage,
}

/// Why `fork` failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForkError {
    /// Out of memory.
    Enomem,
    /// A device uses a page exclusively, and the folio is locked, so the entry cannot be restored
    /// without sleeping (`-EBUSY`, which `copy_page_range` turns into `-ENOMEM`).
    Busy,
}

impl From<Enomem> for ForkError {
    fn from(_: Enomem) -> Self {
        Self::Enomem
    }
}

impl State {
    /// Copies a non-present entry, under both page-table locks (`copy_nonpresent_pte`,
    /// `copy_huge_non_present_pmd`).
    pub(crate) fn copy_nonpresent_pte(
        &mut self,
        copy: Copy,
        from: PteRef,
        to: PteRef,
        swap: SwapPte,
    ) {
        let Some(leaf) = swap.softleaf() else { return };
        let mut child = swap;
        match leaf {
            Softleaf::Swap(slot) => {
                self.swap_duplicate(slot);
                child = swap.set(SwapFlags::EXCLUSIVE, false);
                if child != swap {
                    self.tables.set(from, child.pte());
                }
            }
            Softleaf::Migration(entry) => {
                if entry.kind != MigrationKind::Read {
                    let shared = MigrationEntry {
                        kind: MigrationKind::Read,
                        ..entry
                    };
                    child = Softleaf::Migration(shared)
                        .to_swap()
                        .set(swap.tracking(), true);
                    self.tables.set(from, child.pte());
                }
            }
            // the caller has already restored these to present entries
            Softleaf::DeviceExclusive { .. } => return,
            Softleaf::DevicePrivate { write, pfn } => {
                self.folio_ref_add(self.folio(pfn), 1);
                // a device page has no pins, so sharing cannot fail
                self.folio_try_dup_anon_rmap(self.entry_unit(from, pfn));
                if write {
                    // as in the kernel, only a huge entry keeps soft-dirty
                    let huge = self.tables.table(from).level > 0;
                    child = Softleaf::DevicePrivate { write: false, pfn }
                        .to_swap()
                        .set(SwapFlags::SOFT_DIRTY, swap.soft_dirty() && huge)
                        .set(SwapFlags::UFFD_WP, swap.uffd_wp());
                    self.tables.set(from, child.pte());
                }
            }
        }
        let pages = self.entry_pages(from) as i64;
        let mm = self.mm_mut(copy.dst_mm);
        match leaf {
            Softleaf::Swap(_) => mm.swap_ents += 1,
            Softleaf::Migration(_)
            | Softleaf::DevicePrivate { .. }
            | Softleaf::DeviceExclusive { .. } => mm.anon_rss += pages,
        }
        let registered = self.registered(copy.dst);
        zoo!(self, Bug::ForkUffdwpSpecial => let registered = true);
        if !registered {
            child = child.set(SwapFlags::UFFD_WP, false);
        }
        self.tables.set(to, child.pte());
    }

    fn registered(&self, vma: VmaId) -> bool {
        self.vma(vma).flags.contains(VmFlags::UFFD_WP)
    }

    /// Copies a present entry, under both page-table locks (`copy_present_ptes`).
    pub(crate) fn copy_present_pte(
        &mut self,
        copy: Copy,
        from: PteRef,
        to: PteRef,
        pte: PresentPte,
    ) -> Copied {
        let page = pte.pfn();
        if page != Pfn::ZERO {
            if !self.folio_try_dup_anon_rmap(self.entry_unit(from, page)) {
                return Copied::NeedsPage;
            }
            self.folio_ref_add(self.folio(page), 1);
            self.mm_mut(copy.dst_mm).anon_rss += self.entry_pages(from) as i64;
        }
        let shared = pte.wrprotect();
        zoo!(self, Bug::WrprotectLosesDirty => let shared = shared.set(PteFlags::DIRTY, false));
        let changes = pte.write();
        zoo!(self, Bug::ForkHugeKeepsWrite if self.tables.table(from).level > 0 =>
            let changes = false);
        if changes {
            self.tables.set(from, shared.pte());
        }
        let tracked = self.registered(copy.dst);
        let soft_dirty = self.soft_dirty_of_batch(copy.src, from, pte);
        let child = shared
            .set(PteFlags::ACCESSED, false)
            .set(PteFlags::SOFT_DIRTY, soft_dirty)
            .set(PteFlags::UFFD_WP, pte.uffd_wp() && tracked);
        self.tables.set(to, child.pte());
        Copied::Done
    }

    /// The soft-dirty bit of the child's copy of an entry. `fork` copies entries in batches, and
    /// each copy gets the bit of the batch's first entry. A batch maps consecutive pages of a large
    /// folio, by entries that differ at most in write permission and young. In a soft-dirty VMA,
    /// where the bit has no meaning, they may also differ in soft-dirty (`copy_present_ptes`).
    fn soft_dirty_of_batch(&self, src: VmaId, at: PteRef, pte: PresentPte) -> bool {
        const IGNORED: PteFlags = PteFlags::RW
            .union(PteFlags::ACCESSED)
            .union(PteFlags::SOFT_DIRTY);
        let folio = self.whole(self.folio(pte.pfn()));
        let vma = self.vma(src);
        let huge = self.tables.table(at).level > 0;
        if folio.nr == 1 || huge || !vma.flags.contains(VmFlags::SOFTDIRTY) {
            return pte.soft_dirty();
        }
        let behind = (self.tables.addr(at) - vma.start) as usize;
        let pages = (folio.first.0..pte.pfn().0).rev().map(Pfn);
        self.tables
            .before(at)
            .take(behind)
            .zip(pages)
            .map_while(|(at, page)| {
                let before = self.tables.get(at).present()?;
                let same = pte.with_pfn(page).set(IGNORED, false);
                (before.set(IGNORED, false) == same).then_some(before)
            })
            .last()
            .unwrap_or(pte)
            .soft_dirty()
    }

    /// Copies the entries of `range`, which lies in one page table, and skips those that the child
    /// already has. Stops at the first page that the child needs a copy of, and returns its
    /// address.
    pub(crate) fn copy_pte_range(
        &mut self,
        cur: Current<'_>,
        copy: Copy,
        range: Range<u64>,
    ) -> Result<Option<u64>, ForkError> {
        let (src_pgd, dst_pgd) = (self.mm(copy.src_mm).pgd, self.mm(copy.dst_mm).pgd);
        if self.pte_alloc(copy.dst_mm, range.start)?.is_none() {
            return Ok(None);
        }
        for addr in range {
            let offsets = (
                self.tables.pte_offset(src_pgd, addr),
                self.tables.pte_offset(dst_pgd, addr),
            );
            let (Some(from), Some(to)) = offsets else {
                continue;
            };
            if !self.tables.get(to).is_none() {
                continue;
            }
            let leaf = self.tables.get(from).leaf();
            if let Some(Softleaf::DeviceExclusive { pfn, .. }) = leaf
                && !self.try_restore_exclusive_pte(cur, copy.src, from, pfn)
            {
                return Err(ForkError::Busy);
            }
            match self.tables.get(from).decode() {
                Entry::None => {}
                Entry::Leaf(swap) => self.copy_nonpresent_pte(copy, from, to, swap),
                Entry::Present(pte) => {
                    if let Copied::NeedsPage = self.copy_present_pte(copy, from, to, pte) {
                        return Ok(Some(addr));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Copies the huge entry or the entries of a part of a VMA. A huge entry of a pinned folio is
    /// split first. Returns where the copy goes on, and whether the child needs a copy of the page
    /// there.
    fn copy_part(
        &mut self,
        cur: Current<'_>,
        copy: Copy,
        part: &Part,
    ) -> Result<(u64, bool), ForkError> {
        if let Some(at) = part.huge {
            if let Copied::Done = self.copy_huge_pmd(copy, at)? {
                return Ok((part.range.end, false));
            }
            self.split_huge_pmd_locked(copy.src, at, Split::Mapped);
        }
        let blocked = self.copy_pte_range(cur, copy, part.range.clone())?;
        Ok((blocked.unwrap_or(part.range.end), blocked.is_some()))
    }

    /// Gives the child a copy of a pinned page, under both page-table locks (`copy_present_page`).
    /// Returns false if the parent's page is no longer a pinned exclusive one.
    fn copy_present_page(&mut self, cur: Current<'_>, copy: Copy, addr: u64, new: Folio) -> bool {
        let from = self.tables.pte_offset(self.mm(copy.src_mm).pgd, addr);
        let to = self.tables.pte_offset(self.mm(copy.dst_mm).pgd, addr);
        let (Some(from), Some(to)) = (from, to) else {
            return false;
        };
        let Some(pte) = self.tables.get(from).present() else {
            return false;
        };
        let old = self.page(pte.pfn());
        let pinned = self.folio_maybe_dma_pinned(self.folio(pte.pfn()));
        if pte.pfn() == Pfn::ZERO || !old.anon_exclusive() || !pinned {
            return false;
        }
        let word = old.word;
        self.head_mut(new).word = word;
        let writable = self.vma(copy.dst).flags.contains(VmFlags::WRITE);
        let tracked = pte.uffd_wp() && self.registered(copy.dst);
        let child = PresentPte::new(new.head())
            .protect(self.vma(copy.dst).accessible())
            .set(PteFlags::ACCESSED, true)
            .mkdirty()
            .set(PteFlags::RW, writable && !tracked)
            .set(PteFlags::UFFD_WP, tracked);
        self.mm_mut(copy.dst_mm).anon_rss += 1;
        self.map_new_anon_page(cur, copy.dst, addr, to, child);
        true
    }

    /// Creates the child's copy of the VMA `parent` (`vm_area_dup`). A fork without a userfaultfd
    /// fork event drops the registration; the mlock mark is never inherited.
    fn dup_area(&mut self, parent: VmaId, mm: MmId) -> Result<VmaId, Enomem> {
        let Vma { pgoff, flags, .. } = *self.vma(parent);
        let flags = flags - VmFlags::UFFD_WP - VmFlags::LOCKED;
        self.alloc_vma(mm, self.vma(parent).range(), pgoff, flags)
    }
}

impl Current<'_> {
    /// A new, empty address space with one user (`mm_alloc`).
    pub fn mm_create(self) -> Result<MmId, Enomem> {
        let s = &mut *self.state();
        let mm = s.alloc_mm()?;
        if s.may_alloc(crate::fail::AllocKind::PageTable).is_err() {
            s.free_mm(mm);
            return Err(Enomem);
        }
        let top = s.geometry().levels() - 1;
        let pgd = s.tables.alloc(mm, top, 0);
        let m = s.mm_mut(mm);
        m.pgd = pgd;
        m.users = 1;
        Ok(mm)
    }

    /// `fork`: copies the address space. The child is created before the parent is locked
    /// (`dup_mm`). A fork that fails frees the half-made child again; since 7.0, it unmaps the
    /// child's VMAs before it unlocks the parent (`dup_mmap`).
    pub async fn fork(self, parent: MmId) -> Result<MmId, ForkError> {
        let child = self.mm_create()?;
        let lock = Lock::MmapWrite(parent);
        self.lock(lock).await;
        let result = self.dup_mmap(child, parent).await;
        self.unlock(lock);
        if result.is_err() {
            self.mmput(child).await;
        }
        result.map(|()| child)
    }

    async fn dup_mmap(self, child: MmId, parent: MmId) -> Result<(), ForkError> {
        let lock = Lock::MmapWrite(child);
        self.lock(lock).await;
        {
            // gather one flush of all of the parent, whose entries lose their write permission
            let s = &mut *self.state();
            s.tlb_gather_mmu(self.task, parent);
            s.tlb_flush_pte_range(self.task, 0..u64::MAX);
        }
        let mut result = Ok(());
        let mut n = 0;
        while let Some(vma) = { self.state().mm(parent).vmas.get(n).copied() } {
            n += 1;
            if self.state().vma(vma).flags.contains(VmFlags::DONTCOPY) {
                continue;
            }
            result = self.dup_vma(vma, child).await;
            if result.is_err() {
                break;
            }
        }
        let half_made = {
            let s = &mut *self.state();
            s.tlb_finish_mmu(self.task);
            let undo = result.is_err() && s.rules().failed_fork_unmaps_locked;
            undo.then(|| core::mem::take(&mut s.mm_mut(child).vmas))
        };
        if let Some(mut vmas) = half_made {
            self.unmap_region(child, &vmas).await;
            vmas.clear();
            self.state().mm_mut(child).vmas = vmas;
        }
        self.unlock(lock);
        result
    }

    async fn dup_vma(self, parent: VmaId, child_mm: MmId) -> Result<(), ForkError> {
        let child = { self.state().dup_area(parent, child_mm)? };
        zoo!(self, Bug::ForkLinkAfterCopy =>
            return self.link_after_copy(child, parent, child_mm).await);
        if let Err(e) = self.anon_vma_fork(child, parent).await {
            self.state().free_vma(child);
            return Err(e.into());
        }
        self.copy_area(child, parent, child_mm).await
    }

    /// Inserts the child's VMA into its address space, and shares the pages of `parent`.
    pub(crate) async fn copy_area(
        self,
        child: VmaId,
        parent: VmaId,
        child_mm: MmId,
    ) -> Result<(), ForkError> {
        let (copy, shares) = {
            let s = &mut *self.state();
            s.mm_mut(child_mm).vmas.push(child);
            let src_mm = s.vma(parent).mm;
            let copy = Copy {
                src: parent,
                dst: child,
                src_mm,
                dst_mm: child_mm,
            };
            // without an anon_vma there is no page to share; the child faults as the parent would
            (copy, s.vma(parent).anon_vma.is_some())
        };
        if shares {
            self.copy_page_range(copy).await?;
        }
        Ok(())
    }

    /// Copies the entries of a VMA (`copy_page_range`). `write_protect_seq` is odd meanwhile.
    async fn copy_page_range(self, copy: Copy) -> Result<(), ForkError> {
        let range = self.state().vma(copy.src).range();
        let notifier = NotifierRange::new(
            copy.src_mm,
            range.clone(),
            NotifierEvent::ProtectionPage,
            None,
        );
        self.notifier_start(&notifier).await;
        self.state().mm_mut(copy.src_mm).write_protect_seq += 1;
        let result = self.copy_tables(copy, range).await;
        let s = &mut *self.state();
        s.mm_mut(copy.src_mm).write_protect_seq += 1;
        s.notifier_end(self.task, &notifier);
        result
    }

    async fn copy_tables(self, copy: Copy, range: Range<u64>) -> Result<(), ForkError> {
        zoo!(self, Bug::ForkVsGupFast => return self.copy_tables_unpinned(copy, range).await);
        let mut addr = range.start;
        loop {
            self.preempt(Site::CopyPteRange).await;
            let blocked = {
                let s = &mut *self.state();
                let pgd = s.mm(copy.src_mm).pgd;
                let Some(part) = s.tables.next_part(pgd, addr..range.end) else {
                    return Ok(());
                };
                s.tasks[self.task.ix()].walked += 1;
                s.copy_part(self, copy, &part)?
            };
            match blocked {
                (at, true) => {
                    self.copy_pinned_page(copy, at).await?;
                    addr = at;
                }
                (next, false) => addr = next,
            }
        }
    }

    pub(crate) async fn copy_pinned_page(self, copy: Copy, addr: u64) -> Result<(), Enomem> {
        let new = { self.state().alloc_anon_folio(self)? };
        self.preempt(Site::CopyPresentPage).await;
        let s = &mut *self.state();
        if !s.copy_present_page(self, copy, addr, new) {
            s.folio_put(self.task, new);
        }
        Ok(())
    }
}
