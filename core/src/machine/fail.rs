//! Allocation failure as an input: any allocation can be told to fail the k-th time.
//!
//! Corresponds to `mm/failslab.c` and `mm/fail_page_alloc.c`.

use crate::identity::Identity;
use core::hash::Hash;

/// What is allocated.
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

/// Which allocations fail next, and how many have failed.
#[derive(Clone, Debug, Default)]
pub struct FailInject {
    countdown: [u32; 8],
    /// Allocations that failed so far, injected or for want of memory.
    pub failures: u32,
}

impl FailInject {
    /// Lets the `nth` next allocation of `kind` fail; 0 disarms.
    pub fn arm(&mut self, kind: AllocKind, nth: u32) {
        self.countdown[kind as usize] = nth;
    }

    /// The allocation of `kind` that is to fail, counted from now; 0 if none is.
    pub fn armed(&self, kind: AllocKind) -> u32 {
        self.countdown[kind as usize]
    }

    pub(crate) fn identify(&self, id: &mut impl Identity) {
        // an operation compares the failures after it with those before it
        let Self {
            countdown,
            failures: _,
        } = self;
        countdown.hash(id);
    }

    /// Counts one allocation of `kind`; true if it must fail.
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
