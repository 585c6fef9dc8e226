//! `madvise`.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Constant, Invocation, Pages};
use crate::contract::{Contract, Promise};
use crate::program::{OnOff, Op, OpKind};
use crate::reference::{Change, End};
use mm_core::{Advice, AdviceError, AreaAdvice, VmFlags};
use std::ops::Range;

fn call(op: Op) -> Invocation {
    let (addr, len, advice) = match op {
        Op::Dontneed { addr, len, .. } => (addr, len, Constant("MADV_DONTNEED", 4)),
        Op::Lazyfree { addr, len, .. } => (addr, len, Constant("MADV_FREE", 8)),
        Op::Cold { addr, len, .. } => (addr, len, Constant("MADV_COLD", 20)),
        Op::Pageout { addr, len, .. } => (addr, len, Constant("MADV_PAGEOUT", 21)),
        Op::Willneed { addr, len, .. } => (addr, len, Constant("MADV_WILLNEED", 3)),
        Op::Dontfork {
            addr, len, switch, ..
        } => match switch {
            OnOff::On => (addr, len, Constant("MADV_DONTFORK", 10)),
            OnOff::Off => (addr, len, Constant("MADV_DOFORK", 11)),
        },
        Op::Hugepage {
            addr, len, switch, ..
        } => match switch {
            OnOff::On => (addr, len, Constant("MADV_HUGEPAGE", 14)),
            OnOff::Off => (addr, len, Constant("MADV_NOHUGEPAGE", 15)),
        },
        _ => return Invocation::Outside,
    };
    Invocation::on_range(Constant("madvise", 28), Pages::of(addr, len), &[advice])
}

pub(super) const DONTNEED: Contract = Contract {
    removes: |window, op, mm| match op {
        Op::Dontneed { addr, len, .. } => Some(Promise::pages(mm, window.range(addr, len))),
        _ => None,
    },
    ..Contract::of(OpKind::Dontneed, call)
};

pub(super) const LAZYFREE: Contract = Contract {
    removes: |window, op, mm| match op {
        Op::Lazyfree { addr, len, .. } => Some(Promise::entries(mm, window.range(addr, len))),
        _ => None,
    },
    cleans: true,
    ..Contract::of(OpKind::Lazyfree, call)
};

pub(super) const COLD: Contract = Contract::of(OpKind::Cold, call);

pub(super) const PAGEOUT: Contract = Contract {
    reclaims: true,
    ..Contract::of(OpKind::Pageout, call)
};

pub(super) const WILLNEED: Contract = Contract::of(OpKind::Willneed, call);

pub(super) const DONTFORK: Contract = Contract::of(OpKind::Dontfork, call);

pub(super) const HUGEPAGE: Contract = Contract::of(OpKind::Hugepage, call);

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let (addr, len, advice, change) = match op {
        Op::Dontneed { addr, len, .. } => (addr, len, Advice::DontNeed, Change::Drop),
        Op::Lazyfree { addr, len, .. } => (addr, len, Advice::Free, Change::LazyFree),
        Op::Cold { addr, len, .. } => (addr, len, Advice::Cold, Change::Advise),
        Op::Pageout { addr, len, .. } => (addr, len, Advice::PageOut, Change::Advise),
        Op::Willneed { addr, len, .. } => (addr, len, Advice::WillNeed, Change::WillNeed),
        Op::Dontfork {
            addr, len, switch, ..
        } => {
            let (advice, change) = match switch {
                OnOff::On => (AreaAdvice::DontFork, Change::LeaveOut(true)),
                OnOff::Off => (AreaAdvice::DoFork, Change::LeaveOut(false)),
            };
            return advise_areas(on, process, on.range(addr, len), advice, change).await;
        }
        Op::Hugepage {
            addr, len, switch, ..
        } => {
            let (advice, flags) = match switch {
                OnOff::On => (AreaAdvice::HugePage, VmFlags::HUGEPAGE),
                OnOff::Off => (AreaAdvice::NoHugePage, VmFlags::NOHUGEPAGE),
            };
            let change = Change::AdviseHuge(flags);
            return advise_areas(on, process, on.range(addr, len), advice, change).await;
        }
        _ => return Ok(Outcome::Nothing),
    };
    let range = on.range(addr, len);
    let ticket = on.begin(process, &range, change, change == Change::Drop);
    let ended = match on.cur().madvise(process.mm, range, advice).await {
        Ok(()) => (End::Done, Outcome::Done),
        Err(AdviceError::Gap) => (End::SkippingGaps, Outcome::Enomem),
        Err(AdviceError::Locked) => (End::UpToObstacle, Outcome::Einval),
    };
    on.end_as(ticket, change, ended)
}

async fn advise_areas(
    on: Running<'_, '_>,
    process: Process,
    range: Range<u64>,
    advice: AreaAdvice,
    change: Change,
) -> OpResult {
    let ticket = on.begin(process, &range, change, false);
    let result = on.cur().madvise_flags(process.mm, range, advice).await;
    let ended = match result {
        Ok(true) => (End::Done, Outcome::Done),
        Ok(false) => (End::SkippingGaps, Outcome::Enomem),
        Err(_) => (End::OutOfMemory, Outcome::Eagain),
    };
    on.end_as(ticket, change, ended)
}
