//! The interface between a device driver and the core.
//!
//! A driver owns the free list of each device's memory, and a page table for each device and
//! address space that it mirrors. The core knows a driver only through the trait [`Driver`]. A
//! driver's own operations (migration to its memory, faults of the device) are code of the driver,
//! written with the public functions of [`Current`] and [`State`](crate::State).
//! [`dmirror`](crate::dmirror) is one such driver.
//!
//! Corresponds to `struct dev_pagemap_ops`, `struct mmu_interval_notifier_ops`.

use crate::fault::FaultError;
use crate::frames::FrameAllocator;
use crate::ids::{DevId, Folio, MmId, Pfn, VmaId};
use crate::limits::DEVICES;
use crate::notifier::NotifierRange;
use crate::state::Current;
use alloc::boxed::Box;
use core::any::Any;
use core::fmt::Debug;
use core::future::Future;
use core::hash::{BuildHasherDefault, Hasher};
use core::ops::Range;
use core::pin::Pin;
use hashbrown::HashMap;

/// An entry of a device's page table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DevicePte {
    /// The page.
    pub pfn: Pfn,
    /// True if the device may write.
    pub write: bool,
    /// log2 of the pages that the device maps together.
    pub order: u8,
    /// True if the device may use atomic operations on the page, so the CPU must not map it
    /// meanwhile.
    pub atomic: bool,
}

/// The key of a device mapping: the device, the address space and the address.
pub type Mirror = (DevId, MmId, u64);

/// A CPU fault on a page in device memory, for the driver of that device (`struct vm_fault`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceFault {
    /// The device.
    pub dev: DevId,
    /// The address space; its `mmap_lock` is held for reading.
    pub mm: MmId,
    /// The VMA.
    pub vma: VmaId,
    /// The faulting address.
    pub addr: u64,
    /// The page that the entry named; the first page if the entry is huge.
    pub page: Pfn,
    /// The addresses that the entry stands for: more than one if it is huge.
    pub range: Range<u64>,
    /// The page if the fault holds its lock and a reference, as for
    /// [`MigrateVma::fault_page`](crate::MigrateVma::fault_page).
    pub fault_page: Option<Pfn>,
}

/// The future of a driver callback that sleeps.
pub type DriverFuture<'k> = Pin<Box<dyn Future<Output = Result<(), FaultError>> + 'k>>;

/// A device driver.
///
/// A driver must keep [`Devices`] and migrate pages back to system memory. The other methods have
/// defaults that it may override. All callbacks run in an atomic section and see only the driver;
/// only the future of [`migrate_to_ram`](Self::migrate_to_ram) runs outside of one.
pub trait Driver: Any + Debug {
    /// The driver's devices.
    fn devices(&self) -> &Devices;
    /// The driver's devices, mutable.
    fn devices_mut(&mut self) -> &mut Devices;
    /// Migrates the page of a CPU fault back to system memory (`dev_pagemap_ops::migrate_to_ram`).
    /// The access is repeated if this succeeds, even if the page has not migrated.
    ///
    /// The call itself is in an atomic section, so it only creates the future: an `async move`
    /// block that borrows nothing of the driver. The future reaches the driver through
    /// [`State::driver_mut`](crate::State::driver_mut).
    fn migrate_to_ram<'k>(&self, cur: Current<'k>, fault: DeviceFault) -> DriverFuture<'k>;
    /// Entries of the CPU are about to change: the devices drop their mappings of the range
    /// (`mmu_interval_notifier_ops::invalidate`).
    fn invalidate(&mut self, range: &NotifierRange) {
        let NotifierRange { mm, range, .. } = range;
        let devices = self.devices_mut();
        devices.retain(|(_, m, addr), _| m != *mm || !range.contains(&addr));
    }
    /// An address space dies. An interval subscriber sees this as an invalidation of everything
    /// with `MMU_NOTIFY_RELEASE` (`mn_itree_release`).
    fn release(&mut self, mm: MmId) {
        self.devices_mut().retain(|(_, m, _), _| m != mm);
    }
    /// Takes 2^`order` frames off the free list of `dev`, aligned to that number; `None` if there
    /// are none.
    fn alloc(&mut self, dev: DevId, order: u8) -> Option<Pfn> {
        self.devices_mut().memory_mut(dev).alloc(order)
    }
    /// Frees a folio of `dev`, of 2^`order` pages, whose last reference has been dropped
    /// (`dev_pagemap_ops::folio_free`).
    fn folio_free(&mut self, dev: DevId, folio: Folio, order: u8) {
        self.devices_mut().memory_mut(dev).free(folio.head(), order);
    }
    /// A folio of `dev` was split, and `page` is now a folio of its own
    /// (`dev_pagemap_ops::folio_split`).
    fn folio_split(&mut self, dev: DevId, folio: Folio, page: Pfn) {
        let _ = (dev, folio, page);
    }
    /// The memory of `dev`.
    fn memory(&self, dev: DevId) -> &FrameAllocator {
        self.devices().memory(dev)
    }
    /// Releases the memory of `dev`; afterwards it is as new.
    fn reset_memory(&mut self, dev: DevId) {
        self.devices_mut().memory_mut(dev).reset();
    }
    /// The device's mapping of an address, if there is one.
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
    /// Calls `visit` for every mapping, in no particular order.
    fn for_each_mapping(&self, visit: &mut dyn FnMut(Mirror, DevicePte)) {
        self.devices().iter().for_each(|(at, pte)| visit(at, pte));
    }
    /// Resets the driver to its initial state.
    fn reset(&mut self) {
        self.devices_mut().reset();
    }
}

/// The data that a driver keeps about its devices: the memory of each, and a page table for each
/// device and address space.
#[derive(Debug)]
pub struct Devices {
    memory: [FrameAllocator; DEVICES],
    mappings: HashMap<Mirror, DevicePte, BuildHasherDefault<KeyHasher>>,
}

impl Devices {
    /// Devices with `frames` pages each. Pass
    /// [`Geometry::device_frames`](crate::Geometry::device_frames).
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

    /// The memory of a device, mutable.
    pub const fn memory_mut(&mut self, dev: DevId) -> &mut FrameAllocator {
        &mut self.memory[dev.ix()]
    }

    /// The device's mapping of an address, if there is one.
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

    /// Removes all mappings for which `keeps` returns false.
    pub fn retain(&mut self, mut keeps: impl FnMut(Mirror, DevicePte) -> bool) {
        // an empty hash table may still be large to scan
        if !self.mappings.is_empty() {
            self.mappings.retain(|at, pte| keeps(*at, *pte));
        }
    }

    /// All mappings, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Mirror, DevicePte)> {
        self.mappings.iter().map(|(at, pte)| (*at, *pte))
    }

    /// Resets all memory to free and never used, and removes all mappings.
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
