//! TLBs: the translations that CPUs cache, and the flushes that remove them.
//!
//! Each task is a CPU of its own. A CPU caches a translation when it uses it. Later accesses of
//! that CPU use the cached translation, whatever the page tables say by then, until it is flushed.
//! As on x86, an access that the translation does not allow makes the CPU read the page tables
//! again, so gaining a permission needs no flush. The first write through a clean translation also
//! makes the CPU read the page tables: it sets the dirty bit there, or faults. A fault caches
//! nothing.
//!
//! Removing a translation or a permission requires a flush:
//!
//! - at once, under the page-table lock: `State::ptep_clear_flush`, `State::flush_tlb_range`;
//! - at the end of the operation, by a *gather*: `State::tlb_gather_mmu`, then for each entry
//!   `State::tlb_flush_pte_range` and `State::tlb_remove_folio`, then `State::tlb_finish_mmu`.
//!   The pages are freed after the flush. Until then other CPUs may use stale translations. That is
//!   allowed, because the operation has not returned and still holds `mmap_lock`. If another task
//!   still gathers in the same address space when a gather ends, the ending gather flushes the
//!   whole address space, because it may have skipped entries that the other task cleared and has
//!   not flushed;
//! - at the end of a *batch*: reclaim clears entries with `State::ptep_clear_batched` and flushes
//!   with `State::try_to_unmap_flush`, before it frees the page and, if a cleared entry was
//!   dirty, before it writes the page. Meanwhile a cleared entry may still be cached. Code that
//!   relies on the flush calls `State::flush_tlb_batched_pending` first, in the section that
//!   reads the entries.
//!
//! Corresponds to `arch/x86/mm/tlb.c`, `arch/x86/include/asm/tlbflush.h`, `mm/mmu_gather.c`, and
//! the batched flush in `mm/rmap.c`.

use crate::identity::Identity;
use crate::ids::{Folio, MmId, Pfn, PteRef, TaskId};
use crate::limits::MAX_TASKS;
use crate::pte::{PresentPte, Pte, PteFlags};
use crate::state::State;
use crate::walk::Walk;
use alloc::vec::Vec;
use core::hash::Hash;
use core::ops::Range;

/// Number of translations that a CPU can cache.
const SLOTS: usize = 64;

#[derive(Clone, Copy, Debug, Hash)]
struct Translation {
    mm: MmId,
    addr: u64,
    pte: PresentPte,
    /// Number of pages that the entry stands for, and that are flushed together.
    pages: u64,
}

impl Translation {
    /// The addresses that the entry stands for.
    const fn covers(&self) -> Range<u64> {
        let first = self.addr & !(self.pages - 1);
        first..first + self.pages
    }
}

#[derive(Clone, Copy, Debug)]
struct Cpu {
    /// The slots in use, one bit each.
    valid: u64,
    slots: [Translation; SLOTS],
}

/// The TLBs of all CPUs.
#[derive(Debug)]
pub struct Tlbs {
    cpus: [Cpu; MAX_TASKS],
    /// The CPUs that cache anything, one bit each.
    used: u8,
    /// True if a part of a huge translation may be cached.
    huge: bool,
}

impl Default for Tlbs {
    fn default() -> Self {
        let empty = Translation {
            mm: MmId(0),
            addr: 0,
            pte: PresentPte::new(Pfn::NOWHERE),
            pages: 1,
        };
        let cpu = Cpu {
            valid: 0,
            slots: [empty; SLOTS],
        };
        Self {
            cpus: [cpu; MAX_TASKS],
            used: 0,
            huge: false,
        }
    }
}

/// The set bits of a mask.
fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(bit)
    })
}

impl Tlbs {
    /// The only slot for an address. Neighbouring addresses do not compete for a slot, and neither
    /// do address spaces with consecutive numbers.
    const fn slot(mm: MmId, addr: u64) -> usize {
        (addr as usize % (SLOTS / 2)) + (mm.0 as usize % 2) * (SLOTS / 2)
    }

    /// The translation of `addr` that the CPU of `task` caches.
    #[inline]
    pub fn lookup(&self, task: TaskId, mm: MmId, addr: u64) -> Option<PresentPte> {
        let cpu = &self.cpus[task.ix()];
        let slot = Self::slot(mm, addr);
        let found = &cpu.slots[slot];
        (cpu.valid >> slot & 1 != 0 && found.mm == mm && found.addr == addr).then_some(found.pte)
    }

    pub(crate) fn identify(&self, id: &mut impl Identity) {
        // a CPU that is not in `used` has no valid slot
        let Self {
            cpus,
            used: _,
            huge: _,
        } = self;
        for Cpu { valid, slots } in cpus {
            valid.hash(id);
            bits(*valid).for_each(|slot| slots[slot].hash(id));
        }
    }

    #[inline]
    fn insert(&mut self, task: TaskId, new: Translation) {
        let slot = Self::slot(new.mm, new.addr);
        let cpu = &mut self.cpus[task.ix()];
        cpu.valid |= 1 << slot;
        cpu.slots[slot] = new;
        self.used |= 1 << task.ix();
        self.huge |= new.pages > 1;
    }

    fn forget(&mut self, task: TaskId, slot: usize) {
        let cpu = &mut self.cpus[task.ix()];
        cpu.valid &= !(1 << slot);
        self.used &= !(u8::from(cpu.valid == 0) << task.ix());
    }

    /// The CPUs that cache anything.
    #[inline]
    pub fn cpus(&self) -> impl Iterator<Item = TaskId> + use<> {
        bits(self.used.into()).map(|cpu| TaskId(cpu as u8))
    }

    /// All cached translations, by CPU.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, MmId, u64, PresentPte)> {
        self.cpus().flat_map(|task| {
            let cpu = &self.cpus[task.ix()];
            bits(cpu.valid).map(move |slot| {
                let Translation { mm, addr, pte, .. } = cpu.slots[slot];
                (task, mm, addr, pte)
            })
        })
    }

    fn flush(&mut self, mm: MmId, range: &Range<u64>) {
        for task in self.cpus() {
            let cpu = &self.cpus[task.ix()];
            let valid = cpu.valid;
            for slot in bits(valid) {
                let found = self.cpus[task.ix()].slots[slot];
                let covers = found.covers();
                if found.mm == mm && covers.start < range.end && range.start < covers.end {
                    self.forget(task, slot);
                }
            }
        }
    }

    pub(crate) fn reset(&mut self) {
        for task in self.cpus() {
            self.cpus[task.ix()].valid = 0;
        }
        self.used = 0;
        self.huge = false;
    }
}

/// The flush that a running operation owes (`struct mmu_gather`).
#[derive(Debug, Default)]
pub struct MmuGather {
    /// The address space; `None` unless the task is gathering.
    pub mm: Option<MmId>,
    /// The addresses to flush.
    pub range: Range<u64>,
    /// Folios that were mapped there, each with the reference of its mapping.
    pub folios: Vec<Folio>,
}

impl MmuGather {
    pub(crate) fn owes(&self, mm: MmId, addr: u64) -> bool {
        self.mm == Some(mm) && self.range.contains(&addr)
    }

    pub(crate) fn renew(&mut self) {
        self.mm = None;
        self.range = 0..0;
        self.folios.clear();
    }
}

/// The flushes that a task in reclaim owes (`struct tlbflush_unmap_batch`).
#[derive(Debug, Default)]
pub struct UnmapBatch {
    /// The address spaces in which pages were unmapped.
    pub mms: Vec<MmId>,
    /// True if a CPU may still write to one of the pages.
    writable: bool,
}

impl UnmapBatch {
    pub(crate) fn renew(&mut self) {
        self.mms.clear();
        self.writable = false;
    }
}

/// True if replacing `old` by `new` requires a flush (`pte_needs_flush`).
fn pte_needs_flush(old: Pte, new: Pte) -> bool {
    let cached = |pte: Pte| pte.present().filter(|p| !p.protnone());
    match (cached(old), cached(new)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => {
            old.pfn() != new.pfn() || old.write() != new.write() || old.dirty() && !new.dirty()
        }
    }
}

impl State {
    /// The TLBs of all CPUs.
    pub fn tlbs(&self) -> &Tlbs {
        &self.tlbs
    }

    /// The MMU: one access of the CPU of `task`. It uses a cached translation or reads the page
    /// tables, where it sets the accessed and dirty bits. `None` is a page fault.
    pub(crate) fn mmu_access(
        &mut self,
        task: TaskId,
        mm: MmId,
        addr: u64,
        write: Option<u64>,
    ) -> Option<u64> {
        let usable = |pte: &PresentPte| write.is_none() || pte.write() && pte.dirty();
        let known = self.tlbs.lookup(task, mm, addr);
        let pte = match known.filter(usable) {
            Some(pte) => pte,
            None => {
                if known.is_some() {
                    self.tlbs.forget(task, Tlbs::slot(mm, addr));
                }
                let new = self.hardware_walk(mm, addr, write.is_some())?;
                self.tlbs.insert(task, new);
                new.pte
            }
        };
        if let Some(word) = write {
            self.page_mut(pte.pfn()).word = word;
        }
        Some(self.page(pte.pfn()).word)
    }

    /// The translation of `addr`, if its entry allows the access. Makes the entry young and, for a
    /// write, dirty.
    fn hardware_walk(&mut self, mm: MmId, addr: u64, write: bool) -> Option<Translation> {
        let (at, pages) = match self.tables.walk(self.mm(mm).pgd, addr) {
            Walk::Pte(at) => (at, 1),
            Walk::Huge(at, level) => (at, self.geometry().span(level - 1)),
            Walk::Hole(..) => return None,
        };
        let pte = self.tables.get(at).present()?;
        if pte.protnone() || write && !pte.write() {
            return None;
        }
        let used = PteFlags::ACCESSED.union(if write {
            PteFlags::DIRTY
        } else {
            PteFlags::empty()
        });
        let walked = pte.set(used, true);
        if walked != pte {
            self.tables.set(at, walked.pte());
        }
        let pte = match pages {
            1 => walked,
            _ => self.tables.part(at, addr).present()?,
        };
        Some(Translation {
            mm,
            addr,
            pte,
            pages,
        })
    }

    /// Flushes `addr` on all CPUs.
    pub(crate) fn flush_tlb_page(&mut self, mm: MmId, addr: u64) {
        if self.tlbs.huge {
            return self.tlbs.flush(mm, &(addr..addr + 1));
        }
        for task in self.tlbs.cpus() {
            if self.tlbs.lookup(task, mm, addr).is_some() {
                self.tlbs.forget(task, Tlbs::slot(mm, addr));
            }
        }
    }

    /// Flushes `range` on all CPUs.
    pub(crate) fn flush_tlb_range(&mut self, mm: MmId, range: Range<u64>) {
        self.tlbs.flush(mm, &range);
    }

    /// True if a CPU may cache this entry (`pte_accessible`). A `PROT_NONE` entry may still be
    /// cached with its old access while a flush is pending.
    fn pte_accessible(&self, mm: MmId, pte: Pte) -> bool {
        let present = pte.present();
        present.is_some_and(|pte| !pte.protnone() || self.mm_tlb_flush_pending(mm))
    }

    /// Clears an entry, and flushes it on all CPUs if one may cache it.
    pub(crate) fn ptep_clear_flush(&mut self, at: PteRef) -> Pte {
        let pte = self.tables.get(at);
        self.tables.set(at, Pte::NONE);
        let mm = self.tables.table(at).mm;
        if self.pte_accessible(mm, pte) {
            // a flush of any one address drops the whole huge translation
            self.flush_tlb_page(mm, self.tables.addr(at));
        }
        pte
    }

    /// Starts a gather of `task` in `mm`.
    pub(crate) fn tlb_gather_mmu(&mut self, task: TaskId, mm: MmId) {
        self.tasks[task.ix()].gather.mm = Some(mm);
    }

    /// Adds `range` to the flush of the gather.
    pub(crate) fn tlb_flush_pte_range(&mut self, task: TaskId, range: Range<u64>) {
        let owed = &mut self.tasks[task.ix()].gather.range;
        *owed = if owed.is_empty() {
            range
        } else {
            owed.start.min(range.start)..owed.end.max(range.end)
        };
    }

    /// Writes `new` over `old` at `at`, and gathers a flush if one is needed
    /// (`ptep_modify_prot_commit`, `tlb_remove_tlb_entry`).
    pub(crate) fn set_pte_gathered(&mut self, task: TaskId, at: PteRef, old: Pte, new: Pte) {
        self.tables.set(at, new);
        if pte_needs_flush(old, new) {
            let addr = self.tables.addr(at);
            let pages = match self.tables.table(at).level {
                0 => 1,
                level => self.geometry().span(level - 1),
            };
            self.tlb_flush_pte_range(task, addr..addr + pages);
        }
    }

    /// Hands the reference of a removed mapping to the gather (`tlb_remove_page`).
    pub(crate) fn tlb_remove_folio(&mut self, task: TaskId, folio: Folio) {
        self.tasks[task.ix()].gather.folios.push(folio);
    }

    /// Flushes what the gather of `task` owes, and then frees its folios.
    pub(crate) fn tlb_finish_mmu(&mut self, task: TaskId) {
        let gather = &mut self.tasks[task.ix()].gather;
        let range = core::mem::replace(&mut gather.range, 0..0);
        let Some(mm) = gather.mm else { return };
        self.tlb_flush_mmu(mm, range);
        let mut folios = core::mem::take(&mut self.tasks[task.ix()].gather.folios);
        for folio in folios.drain(..) {
            self.free_swap_cache(folio);
            self.folio_ref_sub(folio, 1);
        }
        let gather = &mut self.tasks[task.ix()].gather;
        gather.folios = folios;
        gather.mm = None;
    }

    /// Flushes what a gather owes `mm`; all of `mm` if another task gathers there too
    /// (`mm_tlb_flush_nested`).
    fn tlb_flush_mmu(&mut self, mm: MmId, range: Range<u64>) {
        // 687cb0884a71: a dying address space was thought to need no flush
        zoo!(self, Bug::OomReaperTlb if self.mm(mm).notifier.released => return);
        let nested = self.gathering(mm) > 1;
        zoo!(self, Bug::MadvTlbMiss => let nested = false);
        if nested {
            self.flush_tlb_range(mm, 0..u64::MAX);
        } else if !range.is_empty() {
            self.flush_tlb_range(mm, range);
        }
    }

    /// Clears an entry, and leaves the flush to the batch of `task` (`set_tlb_ubc_flush_pending`).
    pub(crate) fn ptep_clear_batched(&mut self, task: TaskId, at: PteRef) -> Pte {
        let pte = self.tables.get(at);
        self.tables.set(at, Pte::NONE);
        let mm = self.tables.table(at).mm;
        if self.pte_accessible(mm, pte) {
            let batch = &mut self.tasks[task.ix()].batch;
            if !batch.mms.contains(&mm) {
                batch.mms.push(mm);
            }
            batch.writable |= pte.present().is_some_and(PresentPte::dirty);
            self.mm_mut(mm).tlb_flush_batched = true;
        }
        pte
    }

    /// Flushes what the batch of `task` owes.
    pub(crate) fn try_to_unmap_flush(&mut self, task: TaskId) {
        while let Some(mm) = self.tasks[task.ix()].batch.mms.pop() {
            self.flush_tlb_range(mm, 0..u64::MAX);
        }
        self.tasks[task.ix()].batch.writable = false;
    }

    /// Flushes what the batch owes if a CPU may still write, before the pages are written to swap.
    pub(crate) fn try_to_unmap_flush_dirty(&mut self, task: TaskId) {
        if self.tasks[task.ix()].batch.writable {
            self.try_to_unmap_flush(task);
        }
    }

    /// Flushes `mm` if a batch may still owe it a flush.
    pub(crate) fn flush_tlb_batched_pending(&mut self, mm: MmId) {
        if core::mem::take(&mut self.mm_mut(mm).tlb_flush_batched) {
            self.flush_tlb_range(mm, 0..u64::MAX);
        }
    }

    fn gathering(&self, mm: MmId) -> usize {
        let gathers = self.tasks.iter().map(|task| &task.gather);
        gathers.filter(|gather| gather.mm == Some(mm)).count()
    }

    /// True while a gather is under way in `mm`. It may owe a flush.
    pub(crate) fn mm_tlb_flush_pending(&self, mm: MmId) -> bool {
        self.gathering(mm) > 0
    }
}
