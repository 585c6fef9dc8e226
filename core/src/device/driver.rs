//! What a device driver is to the core.
//!
//! A driver owns the free list of each device's memory and a page table for each device and address
//! space that it mirrors. The core knows a driver by the trait [`Driver`] alone. What a driver does
//! on its own account (migration to its memory, faults of the device) is its own code, written with
//! the public functions of [`Current`] and [`State`](crate::State); [`dmirror`](crate::dmirror) is
//! one such driver.
//!
//! Corresponds to `struct dev_pagemap_ops`, `struct mmu_interval_notifier_ops`.

use crate::fault::FaultError;
use crate::ids::{DevId, MmId, Pfn, VmaId};
use crate::memmap::DEVICES;
use crate::notifier::NotifierRange;
use crate::page::FrameAllocator;
use crate::state::Current;
use alloc::boxed::Box;
use core::any::Any;
use core::fmt::Debug;
use core::future::Future;
use core::hash::{BuildHasherDefault, Hasher};
use core::pin::Pin;
use hashbrown::HashMap;

/// What a device's page table holds for one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DevicePte {
    /// The page.
    pub pfn: Pfn,
    /// The device may write.
    pub write: bool,
    /// The device may use the page for atomic operations: the CPU must not have it at the same time.
    pub atomic: bool,
}

/// A mapping of a device: which device, whose address space, where.
pub type Mirror = (DevId, MmId, u64);

/// A fault of the CPU on a page in a device's memory, for the driver of that device
/// (`struct vm_fault`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceFault {
    /// The device.
    pub dev: DevId,
    /// The address space; its `mmap_lock` is held for reading.
    pub mm: MmId,
    /// The area.
    pub vma: VmaId,
    /// The faulting address.
    pub addr: u64,
    /// The page that the entry named.
    pub page: Pfn,
    /// The page if the fault holds its lock and a reference: what
    /// [`MigrateVma::fault_page`](crate::MigrateVma::fault_page) has to say.
    pub fault_page: Option<Pfn>,
}

/// A callback of a driver that sleeps.
pub type DriverFuture<'k> = Pin<Box<dyn Future<Output = Result<(), FaultError>> + 'k>>;

/// A device driver.
///
/// A driver has to keep [`Devices`] and to bring pages home; the rest is there to be done otherwise.
/// All callbacks but [`migrate_to_ram`](Self::migrate_to_ram) are called in an atomic section: they
/// see the driver alone.
pub trait Driver: Any + Debug {
    /// The devices.
    fn devices(&self) -> &Devices;
    /// The devices, to be changed.
    fn devices_mut(&mut self) -> &mut Devices;
    /// `dev_pagemap_ops::migrate_to_ram`: brings the page of a CPU fault home. The access is repeated
    /// if this succeeds, whether the page has come or not.
    ///
    /// The call itself is in an atomic section, so it only makes the future, an `async move` block
    /// that borrows nothing of the driver. The future gets at the driver by
    /// [`State::driver_mut`](crate::State::driver_mut).
    fn migrate_to_ram<'k>(&self, cur: Current<'k>, fault: DeviceFault) -> DriverFuture<'k>;
    /// `mmu_interval_notifier_ops::invalidate`: entries are about to change. The devices lose what they
    /// map in the range.
    fn invalidate(&mut self, range: &NotifierRange) {
        let NotifierRange { mm, range, .. } = range;
        let devices = self.devices_mut();
        devices.retain(|(_, m, addr), _| m != *mm || !range.contains(&addr));
    }
    /// An address space dies. An interval subscriber hears of it as an invalidation of everything with
    /// `MMU_NOTIFY_RELEASE` (`mn_itree_release`).
    fn release(&mut self, mm: MmId) {
        self.devices_mut().retain(|(_, m, _), _| m != mm);
    }
    /// Takes a page off the free list of `dev`.
    fn alloc(&mut self, dev: DevId) -> Option<Pfn> {
        self.devices_mut().memory_mut(dev).alloc()
    }
    /// `dev_pagemap_ops::folio_free`: the last reference to a page of `dev` is gone.
    fn folio_free(&mut self, dev: DevId, page: Pfn) {
        self.devices_mut().memory_mut(dev).free(page);
    }
    /// What is known of the memory of `dev`.
    fn memory(&self, dev: DevId) -> &FrameAllocator {
        self.devices().memory(dev)
    }
    /// The memory of `dev` is given back; what comes next is as new.
    fn reset_memory(&mut self, dev: DevId) {
        self.devices_mut().memory_mut(dev).reset();
    }
    /// The device's mapping of an address.
    fn lookup(&self, at: Mirror) -> Option<DevicePte> {
        self.devices().lookup(at)
    }
    /// Maps an address for a device.
    fn map(&mut self, at: Mirror, pte: DevicePte) {
        self.devices_mut().map(at, pte);
    }
    /// Removes the mapping of an address.
    fn unmap(&mut self, at: Mirror) {
        self.devices_mut().unmap(at);
    }
    /// Shows every mapping to `visit`, in no particular order.
    fn for_each_mapping(&self, visit: &mut dyn FnMut(Mirror, DevicePte)) {
        self.devices().iter().for_each(|(at, pte)| visit(at, pte));
    }
    /// Back to the start.
    fn reset(&mut self) {
        self.devices_mut().reset();
    }
}

/// What a driver keeps of its devices: the memory of each, and a page table for each device and
/// address space.
#[derive(Debug)]
pub struct Devices {
    memory: [FrameAllocator; DEVICES],
    mappings: HashMap<Mirror, DevicePte, BuildHasherDefault<KeyHasher>>,
}

impl Devices {
    /// Devices with `frames` pages each, as many as the [geometry](crate::Geometry) says.
    pub fn new(frames: u32) -> Self {
        Self {
            memory: core::array::from_fn(|dev| FrameAllocator::new(dev as u32 + 1, frames)),
            mappings: HashMap::default(),
        }
    }

    /// The memory of a device.
    pub const fn memory(&self, dev: DevId) -> &FrameAllocator {
        &self.memory[dev.ix()]
    }

    /// The memory of a device, to be changed.
    pub const fn memory_mut(&mut self, dev: DevId) -> &mut FrameAllocator {
        &mut self.memory[dev.ix()]
    }

    /// What a device maps at an address.
    pub fn lookup(&self, at: Mirror) -> Option<DevicePte> {
        self.mappings.get(&at).copied()
    }

    /// Maps an address for a device.
    pub fn map(&mut self, at: Mirror, pte: DevicePte) {
        self.mappings.insert(at, pte);
    }

    /// Removes the mapping of an address.
    pub fn unmap(&mut self, at: Mirror) {
        self.mappings.remove(&at);
    }

    /// Removes all mappings but those that `keeps` accepts.
    pub fn retain(&mut self, mut keeps: impl FnMut(Mirror, DevicePte) -> bool) {
        // an empty table may be large
        if !self.mappings.is_empty() {
            self.mappings.retain(|at, pte| keeps(*at, *pte));
        }
    }

    /// All mappings, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Mirror, DevicePte)> {
        self.mappings.iter().map(|(at, pte)| (*at, *pte))
    }

    /// All memory free and never used, and nothing mapped.
    pub fn reset(&mut self) {
        self.memory.iter_mut().for_each(FrameAllocator::reset);
        self.mappings.clear();
    }
}

/// A hasher for small integer keys; the same on every machine.
#[derive(Default, Clone, Copy, Debug)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(*b as u64));
    }
    fn write_u8(&mut self, i: u8) {
        self.write_u64(i as u64);
    }
    fn write_u16(&mut self, i: u16) {
        self.write_u64(i as u64);
    }
    fn write_u32(&mut self, i: u32) {
        self.write_u64(i as u64);
    }
    fn write_u64(&mut self, i: u64) {
        self.0 = (self.0.rotate_left(23) ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
