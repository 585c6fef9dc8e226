//! `MADV_POPULATE_READ`, `MADV_POPULATE_WRITE`.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Constant, Invocation, Pages};
use crate::contract::Contract;
use crate::oracle::{Check, contents, entry_at};
use crate::program::{Access, Op, OpKind};
use crate::reference::{Change, End};
use mm_core::{Entry, MmId, PopulateError};
use std::ops::Range;

pub(super) const POPULATE: Contract = Contract {
    dirties_folios: true,
    ..Contract::of(OpKind::Populate, call)
};

fn call(op: Op) -> Invocation {
    let Op::Populate {
        addr, len, access, ..
    } = op
    else {
        return Invocation::Outside;
    };
    let advice = match access {
        Access::Read => Constant("MADV_POPULATE_READ", 22),
        Access::Write => Constant("MADV_POPULATE_WRITE", 23),
    };
    Invocation::on_range(Constant("madvise", 28), Pages::of(addr, len), &[advice])
}

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let Op::Populate {
        addr, len, access, ..
    } = op
    else {
        return Ok(Outcome::Nothing);
    };
    let (range, write) = (on.range(addr, len), access == Access::Write);
    let change = Change::Populate(write);
    let open = on.bench.world.borrow().workers.iter().any(Option::is_some);
    let ticket = on.begin(process, &range, change, false);
    let cur = on.cur();
    let result = cur.madvise_populate(process.mm, range.clone(), write).await;
    if result.is_ok() {
        check_populated(on, process.mm, range, write, open)?;
    }
    let ended = match result {
        Ok(()) => (End::Done, Outcome::Done),
        Err(PopulateError::Gap) => (End::UpToObstacle, Outcome::Enomem),
        Err(PopulateError::Denied) => (End::UpToObstacle, Outcome::Einval),
        Err(PopulateError::Fault) => (End::UpToObstacle, Outcome::Efault),
        Err(PopulateError::Enomem) => (End::OutOfMemory, Outcome::Enomem),
    };
    on.end_as(ticket, change, ended)
}

/// Checks that each page has an entry, which is present and, if `write` is set, writable. If a
/// migration was `open`, it may have gone on while the call waited, and may have unmapped pages
/// again. Then an entry need be neither present nor writable.
fn check_populated(
    on: Running<'_, '_>,
    mm: MmId,
    mut range: Range<u64>,
    write: bool,
    open: bool,
) -> Check {
    on.postcondition(|at, s, _| {
        let lacks = |addr: &u64| match entry_at(s, mm, *addr).decode() {
            Entry::None => true,
            Entry::Present(pte) => write && !pte.write() && !open,
            Entry::Leaf(_) => !open,
        };
        match range.find(lacks) {
            Some(addr) => contents::check_outcome(at, format!("page {addr} is not populated")),
            None => Ok(()),
        }
    })
}
