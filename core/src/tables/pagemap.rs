//! The contents of `/proc/PID/pagemap` for each page.
//!
//! Every reader of page tables must handle every kind of entry. An entry that is neither present
//! nor empty is shown as swap, whatever its type. Reading faults nothing in and changes nothing.
//!
//! Corresponds to `pagemap_read` in `fs/proc/task_mmu.c`.

use crate::ids::{MmId, Pfn};
use crate::lock::{Lock, Site};
use crate::pte::{Entry, Pte, SwapPte};
use crate::state::{Current, State};
use crate::trace::Event;
use crate::vma::VmFlags;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::ops::Range;

bitflags! {
    /// An entry of the file, without the frame number.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Pagemap: u64 {
        /// The entry or the VMA is soft-dirty.
        const SOFT_DIRTY = 1 << 55;
        /// The page is present, and mapped once.
        const MMAP_EXCLUSIVE = 1 << 56;
        /// The entry is write-protected for userfaultfd.
        const UFFD_WP = 1 << 57;
        /// The entry is neither empty nor present.
        const SWAP = 1 << 62;
        /// The entry is present.
        const PRESENT = 1 << 63;
    }
}

impl State {
    /// Encodes an entry, under the page-table lock (`pte_to_pagemap_entry`).
    fn pte_to_pagemap_entry(&self, pte: Pte) -> Pagemap {
        let mapped_once = |page: Pfn| self.page_mapcount(page) == 1;
        let mut shown = Pagemap::empty();
        match (pte.decode(), pte.leaf()) {
            (Entry::None, _) => {}
            (Entry::Present(p), _) => {
                shown |= Pagemap::PRESENT;
                let once = p.pfn() != Pfn::ZERO && mapped_once(p.pfn());
                shown.set(Pagemap::MMAP_EXCLUSIVE, once);
                shown.set(Pagemap::SOFT_DIRTY, p.soft_dirty());
                shown.set(Pagemap::UFFD_WP, p.uffd_wp());
            }
            (_, Some(_)) => {
                zoo!(self, Bug::PagemapPmdWarn if pte.migrating().is_none() => return shown);
                let swap = SwapPte::assume(pte);
                shown |= Pagemap::SWAP;
                zoo!(self, Bug::SmapsMapcountMigration
                    if pte.migrating().is_some_and(mapped_once) =>
                    shown |= Pagemap::MMAP_EXCLUSIVE);
                shown.set(Pagemap::SOFT_DIRTY, swap.soft_dirty());
                shown.set(Pagemap::UFFD_WP, swap.uffd_wp());
            }
            (_, None) => shown |= Pagemap::SWAP,
        }
        shown
    }

    fn pagemap_entry(&mut self, mm: MmId, addr: u64) -> Pagemap {
        let Some(vma) = self.find_vma(mm, addr) else {
            return Pagemap::empty();
        };
        let entry = self.tables().entry_for(self.mm(mm).pgd, addr);
        let mut shown = self.pte_to_pagemap_entry(entry);
        if self.vma(vma).flags.contains(VmFlags::SOFTDIRTY) {
            shown |= Pagemap::SOFT_DIRTY;
        }
        self.events.push(Event::Pagemap { mm, addr, shown });
        shown
    }
}

impl Current<'_> {
    /// Reads the entries of `range`, one page table at a time. The reader drops `mmap_lock` after
    /// each table, so it holds a reference to the address space (`mm_users`). It reads nothing if
    /// the address space has no user left at the start.
    pub async fn pagemap_read(self, mm: MmId, range: Range<u64>) -> Vec<Pagemap> {
        if !self.mmget_not_zero(mm) {
            return Vec::new();
        }
        zoo!(self, Bug::PagemapNoMmget => self.state().mm_mut(mm).users -= 1);
        let span = self.state().geometry().span(0);
        let mut seen = Vec::new();
        let mut addr = range.start;
        while addr < range.end {
            let end = range.end.min((addr | (span - 1)) + 1);
            seen.extend(self.pagemap_read_table(mm, addr..end).await);
            addr = end;
            if addr < range.end {
                self.preempt(Site::PagemapRead).await;
            }
        }
        zoo!(self, Bug::PagemapNoMmget => return seen);
        self.mmput(mm).await;
        seen
    }

    /// Reads entries of one table (`walk_page_range` of a piece of `PAGEMAP_WALK_SIZE`).
    async fn pagemap_read_table(self, mm: MmId, range: Range<u64>) -> Vec<Pagemap> {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        self.preempt(Site::PagemapRead).await;
        let s = &mut *self.state();
        let seen = range.map(|addr| s.pagemap_entry(mm, addr)).collect();
        s.unlock(self.task, lock);
        seen
    }
}
