//! Makes a later allocation fail.

use super::bench::Running;
use super::outcome::Outcome;
use crate::call::Invocation;
use crate::contract::Contract;
use crate::program::{self, Nth, OpKind};
use mm_core::AllocKind;

pub(super) const FAIL: Contract = Contract::of(OpKind::Fail, |_| Invocation::Outside);

impl From<program::AllocKind> for AllocKind {
    fn from(kind: program::AllocKind) -> Self {
        match kind {
            program::AllocKind::Page => Self::Page,
            program::AllocKind::PageTable => Self::PageTable,
            program::AllocKind::Vma => Self::Vma,
            program::AllocKind::AnonVma => Self::AnonVma,
            program::AllocKind::Avc => Self::Avc,
            program::AllocKind::DevicePage => Self::DevicePage,
            program::AllocKind::Mm => Self::Mm,
            program::AllocKind::SwapSlot => Self::SwapSlot,
        }
    }
}

pub(super) fn run(on: Running<'_, '_>, alloc: program::AllocKind, nth: Nth) -> Outcome {
    let s = &mut *on.bench.kernel.state();
    s.fail.arm(alloc.into(), nth.get().into());
    Outcome::Done
}
