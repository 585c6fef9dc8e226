//! Splits of huge pages: on request, and by the shrinker of the queue of deferred splits.

use super::bench::Running;
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Invocation, Pages};
use crate::contract::Contract;
use crate::program::{Addr, Len, OnOff, Op, OpKind};

fn call(op: Op) -> Invocation {
    match op {
        Op::Split { addr, len, .. } => Invocation::SplitHugePages(Pages::of(addr, len)),
        Op::SplitQueue { switch } => Invocation::ShrinkSplitQueue(switch == OnOff::On),
        _ => Invocation::Outside,
    }
}

pub(super) const SPLIT: Contract = Contract::of(OpKind::Split, call);

pub(super) const SPLIT_QUEUE: Contract = Contract::of(OpKind::SplitQueue, call);

pub(super) async fn range(on: Running<'_, '_>, process: Process, addr: Addr, len: Len) -> Outcome {
    let range = on.range(addr, len);
    on.cur().split_huge_pages(process.mm, range).await;
    Outcome::Done
}

pub(super) async fn queue(on: Running<'_, '_>, underused: OnOff) -> Outcome {
    on.cur().deferred_split_scan(underused == OnOff::On).await;
    Outcome::Done
}
