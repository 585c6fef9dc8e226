//! Operations on a process as a whole: fork and exit.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::Invocation;
use crate::contract::{Contract, Promise, Slot};
use crate::oracle::{Check, contents};
use crate::program::OpKind;
use crate::slots::free_slot;
use mm_core::ForkError;

pub(super) const FORK: Contract = Contract {
    slot: Slot::NewProcess,
    removes: |_, _, mm| Some(Promise::writes(mm, 0..u64::MAX)),
    forks: true,
    ..Contract::of(OpKind::Fork, |_| Invocation::Fork)
};

pub(super) const EXIT: Contract = Contract {
    moves_areas: true,
    ..Contract::of(OpKind::Exit, |_| Invocation::Outside)
};

pub(super) async fn fork(on: Running<'_, '_>, process: Process) -> OpResult {
    let Some(slot) = free_slot(&on.bench.world.borrow().procs) else {
        return Ok(Outcome::Nothing);
    };
    let ticket = on.bench.world.borrow_mut().model.begin_fork(process.pid);
    let result = on.cur().fork(process.mm).await;
    let child = {
        let model = &mut on.bench.world.borrow_mut().model;
        match result {
            Ok(mm) => model.end_fork(ticket).map(|pid| (mm, pid)),
            Err(_) => {
                model.abort(ticket);
                None
            }
        }
    };
    let Some((mm, pid)) = child else {
        match result {
            Err(ForkError::Busy) => check_folio_locked(on)?,
            _ => on.check_out_of_memory()?,
        }
        return Ok(Outcome::Enomem);
    };
    let placed = {
        let procs = &mut on.bench.world.borrow_mut().procs;
        // another thread's fork may have taken the slot
        let slot = if procs[slot].is_none() {
            Some(slot)
        } else {
            free_slot(procs)
        };
        slot.inspect(|slot| procs[*slot] = Some(Process { mm, pid }))
    };
    match placed {
        Some(slot) => Ok(Outcome::Child(slot)),
        None => {
            on.cur().mmput(mm).await;
            Ok(Outcome::Nothing)
        }
    }
}

pub(super) async fn exit(on: Running<'_, '_>, process: Process) -> OpResult {
    let gone = {
        let world = &mut *on.bench.world.borrow_mut();
        world.forget_identity(process.pid, &(0..u64::MAX));
        let slot = world
            .procs
            .iter_mut()
            .find(|p| p.is_some_and(|p| p.pid == process.pid));
        slot.and_then(Option::take)
    };
    if gone.is_none() {
        return Ok(Outcome::Nothing);
    }
    on.cur().mmput(process.mm).await;
    Ok(Outcome::Done)
}

/// Checks that somebody else can hold a folio lock: the program, or a migration that it holds open.
/// Otherwise no folio can be busy.
fn check_folio_locked(on: Running<'_, '_>) -> Check {
    on.postcondition(|at, _, world| {
        let held = world.holders.locks.iter().any(Option::is_some);
        if held || world.workers.iter().any(Option::is_some) {
            return Ok(());
        }
        let detail = "a folio is busy, but nobody else can hold its lock";
        contents::check_outcome(at, detail.to_owned())
    })
}
