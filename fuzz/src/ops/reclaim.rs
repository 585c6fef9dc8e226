//! Reclaim and compaction, which the kernel starts of its own accord.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Invocation, Ioctl, Pages, RangeCall, RangeResult};
use crate::contract::Contract;
use crate::program::{Op, OpKind};

fn call(op: Op) -> Invocation {
    let (command, addr) = match op {
        Op::Reclaim { addr, .. } => (Ioctl::Reclaim, addr),
        Op::Compact { addr, .. } => (Ioctl::Compact, addr),
        _ => return Invocation::Outside,
    };
    Invocation::Range(RangeCall::new(
        command,
        Pages::one(addr),
        RangeResult::Moved,
    ))
}

pub(super) const RECLAIM: Contract = Contract {
    reclaims: true,
    ..Contract::of(OpKind::Reclaim, call)
};

pub(super) const COMPACT: Contract = Contract::of(OpKind::Compact, call);

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let moved = match op {
        Op::Reclaim { addr, .. } => match on.named_folio(process, on.addr(addr)) {
            Some(folio) => on.cur().reclaim_folio(folio).await,
            None => return Ok(Outcome::Nothing),
        },
        Op::Compact { addr, .. } => {
            let folio = on.named_folio(process, on.addr(addr));
            match folio.filter(|folio| folio.device().is_none()) {
                Some(folio) => on.cur().migrate_pages(folio).await.into(),
                None => return Ok(Outcome::Nothing),
            }
        }
        _ => return Ok(Outcome::Nothing),
    };
    Ok(Outcome::Moved(moved))
}
