//! `MADV_COLLAPSE`.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Constant, Invocation, Pages};
use crate::contract::Contract;
use crate::oracle::{Check, contents};
use crate::program::{Op, OpKind};
use crate::reference::{Change, End};
use mm_core::tables::walk::Walk;
use mm_core::{CollapseError, MmId};
use std::ops::Range;

pub(super) const COLLAPSE: Contract = Contract {
    dirties_folios: true,
    ..Contract::of(OpKind::Collapse, call)
};

fn call(op: Op) -> Invocation {
    let Op::Collapse { addr, len, .. } = op else {
        return Invocation::Outside;
    };
    let advice = Constant("MADV_COLLAPSE", 25);
    Invocation::on_range(Constant("madvise", 28), Pages::of(addr, len), &[advice])
}

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let Op::Collapse { addr, len, .. } = op else {
        return Ok(Outcome::Nothing);
    };
    let range = on.range(addr, len);
    // contents and permissions stay
    let change = Change::WillNeed;
    let ticket = on.begin(process, &range, change, false);
    let collapsed = on.cur().madvise_collapse(process.mm, range.clone()).await;
    if collapsed.is_ok() && on.bench.alone {
        check_huge(on, process.mm, range)?;
    }
    let ended = match collapsed {
        Ok(()) => (End::Done, Outcome::Done),
        Err(CollapseError::Gap) => (End::SkippingGaps, Outcome::Enomem),
        Err(CollapseError::NoHugePage) => (End::OutOfMemory, Outcome::Enomem),
        Err(CollapseError::Hole) => (End::Refused, Outcome::Ebusy),
        Err(CollapseError::Held) => (End::Refused, Outcome::Eagain),
        Err(CollapseError::Unsuitable) => (End::Refused, Outcome::Einval),
    };
    on.end_as(ticket, change, ended)
}

/// Checks that a huge entry stands for each aligned part of the range that lies in one VMA.
fn check_huge(on: Running<'_, '_>, mm: MmId, range: Range<u64>) -> Check {
    on.postcondition(|at, s, _| {
        let pages = s.geometry().span(0);
        let in_one_area = |first: &u64| {
            let mut areas = s.mm(mm).vmas.iter().map(|vma| s.vma(*vma).range());
            areas.any(|area| area.start <= *first && first + pages <= area.end)
        };
        let mut parts = (range.start.next_multiple_of(pages)..range.end)
            .step_by(pages as usize)
            .filter(|first| first + pages <= range.end)
            .filter(in_one_area);
        match parts.find(|first| !matches!(s.tables().walk(s.mm(mm).pgd, *first), Walk::Huge(..))) {
            Some(first) => contents::check_outcome(at, format!("page {first} has no huge entry")),
            None => Ok(()),
        }
    })
}
