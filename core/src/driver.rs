//! What a device driver is to the core.
//!
//! A driver owns the free list of each device's memory and a page table for each device and address
//! space that it mirrors. Its callbacks are called in atomic sections. The sequences that a driver
//! runs (migration, faults of the device) are in [`crate::dmirror`].
//!
//! Corresponds to `struct dev_pagemap_ops`, `struct mmu_interval_notifier_ops`.

use crate::ids::{DevId, MmId, Pfn};
use crate::memmap::DEVICES;
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::page::FrameAllocator;
use core::fmt::Debug;
use core::hash::{BuildHasherDefault, Hasher};
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

/// A device driver.
pub trait Driver: Debug {
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
    /// The contents of a new device page, given those of its source (`None`: a hole, or the zero
    /// page) and what the page held before.
    fn copy(&self, source: Option<u64>, stale: u64) -> u64;
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

/// The reference driver's data: modelled on `lib/test_hmm.c`, whose devices it has two of.
#[derive(Debug)]
pub struct Dmirror {
    memory: [FrameAllocator; DEVICES],
    mappings: HashMap<Mirror, DevicePte, BuildHasherDefault<KeyHasher>>,
}

impl Dmirror {
    /// Devices with `frames` pages each.
    pub fn new(frames: u32) -> Self {
        Self {
            memory: core::array::from_fn(|dev| FrameAllocator::new(dev as u32 + 1, frames)),
            mappings: HashMap::default(),
        }
    }
}

impl Driver for Dmirror {
    fn alloc(&mut self, dev: DevId) -> Option<Pfn> {
        self.memory[dev.ix()].alloc()
    }

    fn folio_free(&mut self, dev: DevId, page: Pfn) {
        self.memory[dev.ix()].free(page);
    }

    fn memory(&self, dev: DevId) -> &FrameAllocator {
        &self.memory[dev.ix()]
    }

    fn reset_memory(&mut self, dev: DevId) {
        self.memory[dev.ix()].reset();
    }

    /// Drops what the range covers. The driver's own migrations do not change entries of its own
    /// pages behind its back, so it keeps those; and it keeps what it asked to have for itself.
    fn invalidate(&mut self, invalidated: &NotifierRange) {
        if self.mappings.is_empty() {
            return;
        }
        let NotifierRange {
            mm,
            range,
            event,
            owner,
        } = invalidated;
        self.mappings.retain(|(dev, m, addr), pte| {
            let own = *owner == Some(*dev);
            let keeps = match event {
                NotifierEvent::Migrate => own && pte.pfn.device() == Some(*dev),
                NotifierEvent::Exclusive => own,
                _ => false,
            };
            m != mm || !range.contains(addr) || keeps
        });
    }

    fn release(&mut self, mm: MmId) {
        self.mappings.retain(|(_, m, _), _| *m != mm);
    }

    fn copy(&self, source: Option<u64>, _stale: u64) -> u64 {
        source.unwrap_or(0)
    }

    fn lookup(&self, at: Mirror) -> Option<DevicePte> {
        self.mappings.get(&at).copied()
    }

    fn map(&mut self, at: Mirror, pte: DevicePte) {
        self.mappings.insert(at, pte);
    }

    fn unmap(&mut self, at: Mirror) {
        self.mappings.remove(&at);
    }

    fn for_each_mapping(&self, visit: &mut dyn FnMut(Mirror, DevicePte)) {
        self.mappings.iter().for_each(|(at, pte)| visit(*at, *pte));
    }

    fn reset(&mut self) {
        self.memory.iter_mut().for_each(FrameAllocator::reset);
        self.mappings.clear();
    }
}
