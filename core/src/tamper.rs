//! Wrong states, for tests of oracles.
//!
//! Code outside the crate changes the state only through operations, and no operation produces a
//! wrong state. A test of an oracle needs a wrong state. [`State::tamper`] writes it directly. The
//! functions here keep no invariant, and are compiled only with the feature `tamper`.

use crate::anon_vma::AnonVma;
use crate::driver::{DevicePte, Mirror};
use crate::ids::{AnonVmaId, DevId, Folio, MmId, Pfn, SwapId, TaskId, VmaId};
use crate::lock::Lock;
use crate::page::Page;
use crate::pte::Pte;
use crate::state::State;
use crate::swap::SwapSlot;
use crate::trace::Event;
use crate::vma::{Mm, VmFlags, Vma};
use crate::walk::Walk;

/// Write access to a [`State`], without any rules.
#[derive(Debug)]
pub struct Tamper<'s>(&'s mut State);

/// An object that can be allocated and forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// A frame of system memory.
    Frame,
    /// A frame of a device.
    DeviceFrame(DevId),
    /// An address space.
    Mm,
    /// A VMA.
    Vma,
    /// An anon_vma.
    AnonVma,
    /// An anon_vma_chain.
    Avc,
    /// A slot of the swap device.
    Slot,
    /// A lowest-level page table for an address space. The address space need not be live.
    Table(MmId),
}

impl State {
    /// Write access to the state, without any rules.
    pub fn tamper(&mut self) -> Tamper<'_> {
        Tamper(self)
    }
}

impl<'s> Tamper<'s> {
    /// The struct page of `pfn`, recorded as changed.
    pub fn page(self, pfn: Pfn) -> &'s mut Page {
        self.0.page_mut(pfn)
    }

    /// Sets the mapping and index of a page.
    pub fn identity(self, pfn: Pfn, anon_vma: Option<AnonVmaId>, index: u64) {
        let page = self.0.page_mut(pfn);
        page.set_mapping(anon_vma.into());
        page.index = index;
    }

    /// An address space: its VMAs, its statistics.
    pub fn mm(self, mm: MmId) -> &'s mut Mm {
        self.0.mm_mut(mm)
    }

    /// A VMA: its bounds, its links. It is recorded as changed.
    pub fn vma(self, vma: VmaId) -> &'s mut Vma {
        self.0.vma_mut(vma)
    }

    /// An anon_vma: its counters, its tree.
    pub fn anon_vma(self, anon_vma: AnonVmaId) -> &'s mut AnonVma {
        self.0.anon_vma_mut(anon_vma)
    }

    /// A slot of the swap device; `None` if it was never used.
    pub fn slot(self, slot: SwapId) -> Option<&'s mut SwapSlot> {
        self.0.swap.slot_mut(slot)
    }

    /// Writes the entry for `addr`, of the lowest level or huge, and records the write. Returns
    /// false if there is no table for it.
    pub fn set_pte(self, mm: MmId, addr: u64, pte: Pte) -> bool {
        let at = match self.0.tables.walk(self.0.mm(mm).pgd, addr) {
            Walk::Pte(at) | Walk::Huge(at, _) => Some(at),
            Walk::Hole(..) => None,
        };
        at.inspect(|at| self.0.tables.set(*at, pte)).is_some()
    }

    /// Counts one used entry too many in the lowest-level table for `addr`. Returns false if there
    /// is no such table.
    pub fn miscount_table(self, mm: MmId, addr: u64) -> bool {
        let at = self.0.tables.pte_offset(self.0.mm(mm).pgd, addr);
        at.inspect(|at| self.0.tables.miscount(*at)).is_some()
    }

    /// Empties the TLBs of all CPUs.
    pub fn forget_translations(self) {
        self.0.tlbs.reset();
    }

    /// Records a tracepoint.
    pub fn event(self, event: Event) {
        self.0.events.push(event);
    }

    /// Maps a page for a device, read-only, without asking the driver.
    pub fn map_device(self, at: Mirror, pfn: Pfn) {
        let (write, atomic) = (false, false);
        self.0.driver_mut().map(
            at,
            DevicePte {
                pfn,
                write,
                order: 0,
                atomic,
            },
        );
    }

    /// Drops the record of page-table writes that no observer has seen yet.
    pub fn forget_pte_writes(self) {
        self.0.tables.writes.clear();
    }

    /// Puts a system frame on the free list, whatever its state.
    pub fn list_as_free(self, pfn: Pfn) {
        self.0.frames.free(pfn, 0);
    }

    /// Puts a folio on the queue of deferred splits, whatever its state.
    pub fn queue_split(self, folio: Folio) {
        self.0.deferred_splits.push(folio);
    }

    /// Allocates an object that nothing refers to. Returns false if none is left.
    pub fn leak(self, what: Leak) -> bool {
        let s = self.0;
        match what {
            Leak::Frame => s.frames.alloc(0).is_some(),
            Leak::DeviceFrame(dev) => s.driver_mut().alloc(dev, 0).is_some(),
            Leak::Mm => s.alloc_mm().is_ok(),
            Leak::Vma => s
                .alloc_vma(MmId::default(), 0..0, 0, VmFlags::empty())
                .is_ok(),
            Leak::AnonVma => s.alloc_anon_vma().is_ok(),
            Leak::Avc => s.alloc_avc().is_ok(),
            Leak::Slot => {
                let slot = s.swap.alloc(0);
                slot.inspect(|slot| s.swap_duplicate(*slot)).is_some()
            }
            Leak::Table(mm) => {
                s.tables.alloc(mm, 0, 0);
                true
            }
        }
    }

    /// Takes `lock` for `task` if it is free.
    pub fn trylock(self, task: TaskId, lock: Lock) -> bool {
        self.0.trylock(task, lock)
    }
}
