//! Allocation failures as an input: the n-th next allocation of a kind can be made to fail.
//!
//! Corresponds to `mm/failslab.c` and `mm/fail_page_alloc.c`.

use crate::identity::Identity;
use core::hash::Hash;

/// The kinds of allocations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum AllocKind {
    /// A page of system memory.
    Page,
    /// A page table.
    PageTable,
    /// A `vm_area_struct`.
    Vma,
    /// An `anon_vma`.
    AnonVma,
    /// An `anon_vma_chain`.
    Avc,
    /// A page of a device's memory.
    DevicePage,
    /// An `mm_struct`.
    Mm,
    /// A slot of the swap device.
    SwapSlot,
}

/// The allocations that must fail, and the number of failures.
#[derive(Clone, Debug, Default)]
pub struct FailInject {
    countdown: [u32; 8],
    /// Number of failed allocations, injected or because memory ran out.
    pub failures: u32,
}

impl FailInject {
    /// Makes the `nth` next allocation of `kind` fail; 0 disarms.
    pub fn arm(&mut self, kind: AllocKind, nth: u32) {
        self.countdown[kind as usize] = nth;
    }

    /// Number of allocations of `kind` up to the one that fails, as for [`arm`](Self::arm): 1 if
    /// the next one fails, 0 if none will.
    pub fn armed(&self, kind: AllocKind) -> u32 {
        self.countdown[kind as usize]
    }

    pub(crate) fn identify(&self, id: &mut impl Identity) {
        // `failures` is left out: an operation uses only the difference between two readings of it
        let Self {
            countdown,
            failures: _,
        } = self;
        countdown.hash(id);
    }

    /// Counts one allocation of `kind`. Returns true if it must fail.
    #[inline]
    pub(crate) fn should_fail(&mut self, kind: AllocKind) -> bool {
        match &mut self.countdown[kind as usize] {
            0 => false,
            left @ 1 => {
                *left = 0;
                self.failures += 1;
                true
            }
            left => {
                *left -= 1;
                false
            }
        }
    }
}
