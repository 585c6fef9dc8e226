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
use crate::notifier::NotifierRange;
use crate::page::FrameAllocator;
use crate::state::Current;
use alloc::boxed::Box;
use core::any::Any;
use core::fmt::Debug;
use core::future::Future;
use core::hash::Hasher;
use core::pin::Pin;

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
pub type DriverFuture<'k, T> = Pin<Box<dyn Future<Output = T> + 'k>>;

/// A device driver.
///
/// All callbacks but [`migrate_to_ram`](Self::migrate_to_ram) are called in an atomic section: they
/// see the driver alone.
pub trait Driver: Any + Debug {
    /// Takes a page off the free list of `dev`.
    fn alloc(&mut self, dev: DevId) -> Option<Pfn>;
    /// `dev_pagemap_ops::folio_free`: the last reference to a page of `dev` is gone.
    fn folio_free(&mut self, dev: DevId, page: Pfn);
    /// What is known of the memory of `dev`.
    fn memory(&self, dev: DevId) -> &FrameAllocator;
    /// The memory of `dev` is given back; what comes next is as new.
    fn reset_memory(&mut self, dev: DevId);
    /// `mmu_interval_notifier_ops::invalidate`: entries are about to change.
    fn invalidate(&mut self, range: &NotifierRange);
    /// An address space dies. An interval subscriber hears of it as an invalidation of everything with
    /// `MMU_NOTIFY_RELEASE` (`mn_itree_release`).
    fn release(&mut self, mm: MmId);
    /// `dev_pagemap_ops::migrate_to_ram`: brings the page of a CPU fault home. The access is repeated
    /// if this succeeds, whether the page has come or not.
    ///
    /// The call itself is in an atomic section, so it only makes the future, an `async move` block
    /// that borrows nothing of the driver. The future gets at the driver by
    /// [`State::driver_mut`](crate::State::driver_mut).
    fn migrate_to_ram<'k>(
        &self,
        cur: Current<'k>,
        fault: DeviceFault,
    ) -> DriverFuture<'k, Result<(), FaultError>>;
    /// The device's mapping of an address.
    fn lookup(&self, at: Mirror) -> Option<DevicePte>;
    /// Maps an address for a device.
    fn map(&mut self, at: Mirror, pte: DevicePte);
    /// Removes the mapping of an address.
    fn unmap(&mut self, at: Mirror);
    /// Shows every mapping to `visit`, in no particular order.
    fn for_each_mapping(&self, visit: &mut dyn FnMut(Mirror, DevicePte));
    /// Back to the start.
    fn reset(&mut self);
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
