//! The kernel's state, and how a task works on it.
//!
//! [`Kernel`] owns everything. A running operation is a future that holds a [`Current`]. It borrows
//! the [`State`] for one atomic section at a time, and never across an `.await`. This is the
//! model's form of "do not sleep under a spinlock"; clippy's `await_holding_refcell_ref` checks it.

use crate::anon_vma::{AnonVma, Avc};
use crate::arena::Arena;
use crate::driver::Driver;
use crate::fail::{AllocKind, FailInject};
use crate::frames::FrameAllocator;
use crate::geometry::Geometry;
use crate::huge_memory::Thp;
use crate::identity::Identity;
use crate::ids::{AnonVmaId, AvcId, Folio, MmId, Pfn, TaskId, VmaId};
use crate::limits::{DEVICES, MAX_TASKS};
use crate::lock::Task;
use crate::memmap::Memmap;
use crate::page::Page;
use crate::pgtable::PageTables;
use crate::rules::KernelVersion;

use crate::swap::SwapDevice;
use crate::tlb::Tlbs;
use crate::trace::{Event, PteWrite};
use crate::vma::{Mm, VmFlags, Vma};
use crate::zoo::Zoo;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{RefCell, RefMut};
use core::fmt;
use core::hash::Hash;
use core::ops::Range;

/// An allocation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Enomem;

/// The state of the kernel, its memory, its devices and its tasks.
#[derive(Debug)]
pub struct State {
    geometry: Geometry,
    memmap: Memmap,
    pub(crate) frames: FrameAllocator,
    pub(crate) tables: PageTables,
    pub(crate) swap: SwapDevice,
    pub(crate) tlbs: Tlbs,
    mms: Arena<Mm>,
    vmas: Arena<Vma>,
    anon_vmas: Arena<AnonVma>,
    avcs: Arena<Avc>,
    pub(crate) pgmap_refs: [i64; DEVICES],
    driver: Box<dyn Driver>,
    driver_changes: u32,
    pub(crate) tasks: [Task; MAX_TASKS],
    pub(crate) sleepers: u32,
    pub(crate) points: u32,
    pub(crate) preempt_at: u32,
    pub(crate) events: Vec<Event>,
    pub(crate) topology: u32,
    /// The queue of deferred splits.
    pub(crate) deferred_splits: Vec<Folio>,
    /// The allocations that must fail.
    pub fail: FailInject,
    /// The historical bugs that are switched on.
    pub zoo: Zoo,
    /// The kernel version whose rules apply.
    pub release: KernelVersion,
    /// When faults map huge pages.
    pub thp: Thp,
}

impl State {
    /// The shape of the machine.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The struct page of `pfn`.
    #[inline]
    pub fn page(&self, pfn: Pfn) -> &Page {
        self.memmap.page(pfn)
    }

    #[inline]
    pub(crate) fn page_mut(&mut self, pfn: Pfn) -> &mut Page {
        self.memmap.page_mut(pfn)
    }

    /// The head page of `folio`, which holds what belongs to all of it (`struct folio`).
    #[inline]
    pub fn head(&self, folio: Folio) -> &Page {
        self.page(folio.head())
    }

    #[inline]
    pub(crate) fn head_mut(&mut self, folio: Folio) -> &mut Page {
        self.page_mut(folio.head())
    }

    /// Writes the contents of a page, as a device does through its own path to memory. The driver
    /// [marks the folio dirty](Self::folio_mark_dirty) if it must.
    pub fn set_word(&mut self, pfn: Pfn, word: u64) {
        self.page_mut(pfn).word = word;
    }

    /// All struct pages.
    pub fn memmap(&self) -> &Memmap {
        &self.memmap
    }

    /// The allocator of system frames.
    pub fn frames(&self) -> &FrameAllocator {
        &self.frames
    }

    /// All page tables.
    pub fn tables(&self) -> &PageTables {
        &self.tables
    }

    /// The device driver.
    pub fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    /// The device driver, mutable.
    pub fn driver_mut(&mut self) -> &mut dyn Driver {
        self.driver_changes += 1;
        &mut *self.driver
    }

    /// The device driver, if it is a `D`.
    pub fn driver_as<D: Driver>(&mut self) -> Option<&mut D> {
        let driver: &mut dyn Any = self.driver_mut();
        driver.downcast_mut()
    }

    /// Number of references to the `dev_pagemap` of each device, without the initial one.
    pub fn pgmap_refs(&self) -> &[i64; DEVICES] {
        &self.pgmap_refs
    }

    /// All address spaces.
    pub fn mms(&self) -> &Arena<Mm> {
        &self.mms
    }

    /// All VMAs.
    pub fn vmas(&self) -> &Arena<Vma> {
        &self.vmas
    }

    /// All anon_vmas.
    pub fn anon_vmas(&self) -> &Arena<AnonVma> {
        &self.anon_vmas
    }

    /// All anon_vma_chains.
    pub fn avcs(&self) -> &Arena<Avc> {
        &self.avcs
    }

    /// An address space.
    #[inline]
    pub fn mm(&self, mm: MmId) -> &Mm {
        &self.mms[mm.0 as u32]
    }

    #[inline]
    pub(crate) fn mm_mut(&mut self, mm: MmId) -> &mut Mm {
        &mut self.mms[mm.0 as u32]
    }

    /// A VMA.
    #[inline]
    pub fn vma(&self, vma: VmaId) -> &Vma {
        &self.vmas[vma.0]
    }

    #[inline]
    pub(crate) fn vma_mut(&mut self, vma: VmaId) -> &mut Vma {
        self.topology += 1;
        &mut self.vmas[vma.0]
    }

    /// An anon_vma.
    #[inline]
    pub fn anon_vma(&self, anon_vma: AnonVmaId) -> &AnonVma {
        &self.anon_vmas[anon_vma.0]
    }

    #[inline]
    pub(crate) fn anon_vma_mut(&mut self, anon_vma: AnonVmaId) -> &mut AnonVma {
        &mut self.anon_vmas[anon_vma.0]
    }

    /// A link between a VMA and an anon_vma.
    #[inline]
    pub fn avc(&self, avc: AvcId) -> &Avc {
        &self.avcs[avc.0]
    }

    #[inline]
    pub(crate) fn avc_mut(&mut self, avc: AvcId) -> &mut Avc {
        &mut self.avcs[avc.0]
    }

    pub(crate) fn alloc_mm(&mut self) -> Result<MmId, Enomem> {
        self.may_alloc(AllocKind::Mm)?;
        Ok(MmId(self.mms.alloc() as u16))
    }

    pub(crate) fn free_mm(&mut self, mm: MmId) {
        self.mms.free(mm.0 as u32);
    }

    /// Allocates a VMA that is not in its address space yet (`vm_area_alloc`, `vma_set_range`).
    pub(crate) fn alloc_vma(
        &mut self,
        mm: MmId,
        range: Range<u64>,
        pgoff: u64,
        flags: VmFlags,
    ) -> Result<VmaId, Enomem> {
        self.may_alloc(AllocKind::Vma)?;
        let id = VmaId(self.vmas.alloc());
        let vma = self.vma_mut(id);
        (vma.mm, vma.start, vma.end) = (mm, range.start, range.end);
        (vma.pgoff, vma.flags) = (pgoff, flags);
        Ok(id)
    }

    pub(crate) fn free_vma(&mut self, vma: VmaId) {
        self.vmas.free(vma.0);
    }

    pub(crate) fn alloc_anon_vma(&mut self) -> Result<AnonVmaId, Enomem> {
        self.may_alloc(AllocKind::AnonVma)?;
        Ok(AnonVmaId(self.anon_vmas.alloc()))
    }

    pub(crate) fn free_anon_vma(&mut self, anon_vma: AnonVmaId) {
        self.anon_vmas.free(anon_vma.0);
    }

    pub(crate) fn alloc_avc(&mut self) -> Result<AvcId, Enomem> {
        self.may_alloc(AllocKind::Avc)?;
        Ok(AvcId(self.avcs.alloc()))
    }

    pub(crate) fn free_avc(&mut self, avc: AvcId) {
        self.avcs.free(avc.0);
    }

    /// Fails if an allocation of `kind` must fail now.
    pub(crate) fn may_alloc(&mut self, kind: AllocKind) -> Result<(), Enomem> {
        if self.fail.should_fail(kind) {
            Err(Enomem)
        } else {
            Ok(())
        }
    }

    /// All tasks.
    pub fn tasks(&self) -> &[Task; MAX_TASKS] {
        &self.tasks
    }

    /// Resets `task` for its next operation.
    pub fn renew_task(&mut self, task: TaskId) {
        self.tasks[task.ix()].renew();
    }

    /// Number of scheduling points passed.
    pub fn points(&self) -> u32 {
        self.points
    }

    /// Preempts the running task when it passes scheduling point number `point`, counted as by
    /// [`Self::points`].
    pub fn preempt_at(&mut self, point: u32) {
        self.preempt_at = point;
    }

    /// True if the last scheduling point that was passed is the one that
    /// [`preempt_at`](Self::preempt_at) named.
    pub fn is_at_point(&self) -> bool {
        self.points == self.preempt_at
    }

    /// Page-table writes since [`State::observed`].
    pub fn pte_writes(&self) -> &[PteWrite] {
        &self.tables.writes
    }

    /// Tracepoints since [`State::observed`].
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Number of changes of VMAs and of their links to anon_vmas.
    pub fn topology(&self) -> u32 {
        self.topology
    }

    /// Number of calls of [`driver_mut`](Self::driver_mut) since the kernel was made or reset. Each
    /// caller may have changed the driver's data, such as its mappings.
    pub fn driver_changes(&self) -> u32 {
        self.driver_changes
    }

    /// Hashes the [identity](crate::Identity) of the state into `id`. No operation may be under
    /// way, and the log must have been [`observed`](Self::observed).
    ///
    /// The hash covers only those data of the driver that the trait shows: its memory and its
    /// mappings. The reference driver has no others.
    pub fn identify(&self, id: &mut impl Identity) {
        let Self {
            geometry: _,
            memmap,
            frames,
            tables,
            swap,
            tlbs,
            mms,
            vmas,
            anon_vmas,
            avcs,
            pgmap_refs,
            driver,
            driver_changes: _,
            tasks: _,
            sleepers: _,
            points: _,
            preempt_at: _,
            events,
            topology: _,
            deferred_splits,
            fail,
            zoo: _,
            release: _,
            thp: _,
        } = self;
        memmap.identify(id);
        frames.hash(id);
        tables.identify(id);
        swap.identify(id);
        tlbs.identify(id);
        mms.identify(id, |mm, id| mm.identify(id));
        vmas.identify(id, Hash::hash);
        anon_vmas.identify(id, Hash::hash);
        avcs.identify(id, Hash::hash);
        (pgmap_refs, events.len(), deferred_splits).hash(id);
        for dev in 0..pgmap_refs.len() {
            driver.memory(crate::DevId(dev as u8)).hash(id);
        }
        let mut mappings = Vec::new();
        driver.for_each_mapping(&mut |at, pte| mappings.push((at, pte)));
        mappings.sort_unstable();
        mappings.hash(id);
        fail.identify(id);
    }

    /// Empties the log.
    pub fn observed(&mut self) {
        self.tables.writes.clear();
        self.events.clear();
        self.memmap.observed();
    }
}

/// The machine: one kernel, its memory and its devices.
pub struct Kernel {
    state: RefCell<State>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").finish_non_exhaustive()
    }
}

impl Kernel {
    /// A machine of the given shape, with `driver` for its devices.
    pub fn new(geometry: Geometry, driver: Box<dyn Driver>) -> Self {
        Self {
            state: RefCell::new(State {
                release: KernelVersion::default(),
                thp: Thp::default(),
                geometry,
                memmap: Memmap::new(&geometry),
                frames: FrameAllocator::new(0, geometry.system_frames()),
                tables: PageTables::new(geometry),
                swap: SwapDevice::new(geometry.swap_slots()),
                tlbs: Tlbs::default(),
                mms: Arena::default(),
                vmas: Arena::default(),
                anon_vmas: Arena::default(),
                avcs: Arena::default(),
                pgmap_refs: [0; DEVICES],
                driver,
                driver_changes: 0,
                tasks: Default::default(),
                sleepers: 0,
                points: 0,
                preempt_at: u32::MAX,
                events: Vec::new(),
                topology: 0,
                deferred_splits: Vec::new(),
                fail: FailInject::default(),
                zoo: Zoo::default(),
            }),
        }
        .booted()
    }

    fn booted(self) -> Self {
        // frame 0 is the zero page and is never freed
        self.state.borrow_mut().frames.alloc(0);
        self
    }

    /// The state, for one atomic section.
    ///
    /// # Panics
    /// If the borrow of another section is still held.
    #[inline]
    pub fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    /// A handle for `task`, to start an operation with.
    pub const fn current(&self, task: TaskId) -> Current<'_> {
        Current { kernel: self, task }
    }

    /// Restores the state that [`Kernel::new`] made, at a cost that depends on what was used since
    /// then. The geometry, the version and all switches stay.
    ///
    /// All futures of operations must have been dropped.
    pub fn reset(&self) {
        let s = &mut *self.state();
        s.memmap.reset();
        s.frames.reset();
        s.frames.alloc(0);
        s.tables.reset();
        s.swap.reset();
        s.tlbs.reset();
        s.mms.reset();
        s.vmas.reset();
        s.anon_vmas.reset();
        s.avcs.reset();
        s.pgmap_refs = [0; DEVICES];
        s.driver_mut().reset();
        s.tasks.iter_mut().for_each(Task::renew);
        s.sleepers = 0;
        s.points = 0;
        s.preempt_at = u32::MAX;
        s.events.clear();
        (s.topology, s.driver_changes) = (0, 0);
        s.deferred_splits.clear();
        s.fail = FailInject::default();
    }
}

/// The running task (`current`). Every operation is a method of it.
#[derive(Clone, Copy, Debug)]
pub struct Current<'k> {
    kernel: &'k Kernel,
    /// The number of the task.
    pub task: TaskId,
}

impl<'k> Current<'k> {
    /// The state, for one atomic section.
    ///
    /// # Panics
    /// If the borrow of another section is still held.
    #[inline]
    pub fn state(self) -> RefMut<'k, State> {
        self.kernel.state()
    }
}
