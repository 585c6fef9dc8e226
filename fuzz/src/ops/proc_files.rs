//! Files of `/proc/pid`: `clear_refs` and `pagemap`.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Invocation, Pages};
use crate::contract::{Contract, Promise};
use crate::oracle::contents;
use crate::program::{Op, OpKind};
use crate::shown::Shown;

fn call(op: Op) -> Invocation {
    match op {
        Op::ClearSoftDirty { .. } => Invocation::ClearRefs,
        Op::Pagemap { addr, len, .. } => Invocation::Pagemap(Pages::of(addr, len)),
        _ => Invocation::Outside,
    }
}

pub(super) const CLEAR_SOFT_DIRTY: Contract = Contract {
    removes: |_, _, mm| Some(Promise::writes(mm, 0..u64::MAX)),
    clears_soft_dirty: true,
    ..Contract::of(OpKind::ClearSoftDirty, call)
};

pub(super) const PAGEMAP: Contract = Contract {
    keeps_address_space: true,
    ..Contract::of(OpKind::Pagemap, call)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let (cur, mm) = (on.cur(), process.mm);
    match op {
        Op::ClearSoftDirty { .. } => {
            on.bench.world.borrow_mut().model.begin_clear(process.pid);
            cur.clear_soft_dirty(mm).await;
            on.bench.world.borrow_mut().model.end_clear(process.pid);
            on.postcondition(|at, s, _| contents::check_cleared(at, s, mm))?;
            Ok(Outcome::Done)
        }
        Op::Pagemap { addr, len, .. } => {
            let range = on.range(addr, len);
            let seen = cur.pagemap_read(mm, range.clone()).await;
            let shown = seen.iter().map(|shown| Shown::Pagemap(*shown));
            on.shown(process, range, shown)?;
            Ok(Outcome::seen(seen.iter().map(|shown| shown.bits())))
        }
        _ => Ok(Outcome::Nothing),
    }
}
