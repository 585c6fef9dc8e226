//! Operations on a process as a whole: fork and exit.

use super::ops::{OpResult, Running};
use super::outcome::Outcome;
use super::slots::free_slot;
use super::world::Process;
use crate::finding::Finding;
use crate::oracle::contents;
use mm_core::ForkError;

impl Running<'_, '_> {
    pub(super) async fn fork(self, process: Process) -> OpResult {
        let Some(slot) = free_slot(&self.bench.world.borrow().procs) else {
            return Ok(Outcome::Nothing);
        };
        let ticket = self.bench.world.borrow_mut().model.begin_fork(process.pid);
        let result = self.cur().fork(process.mm).await;
        let child = {
            let model = &mut self.bench.world.borrow_mut().model;
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
                Err(ForkError::Busy) => self.check_folio_locked()?,
                _ => self.check_out_of_memory()?,
            }
            return Ok(Outcome::Enomem);
        };
        let placed = {
            let procs = &mut self.bench.world.borrow_mut().procs;
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
                self.cur().mmput(mm).await;
                Ok(Outcome::Nothing)
            }
        }
    }

    pub(super) async fn exit(self, process: Process) -> OpResult {
        let gone = {
            let world = &mut *self.bench.world.borrow_mut();
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
        self.cur().mmput(process.mm).await;
        Ok(Outcome::Done)
    }

    /// Somebody else may hold the lock of a folio: the program, a migration that it holds open, or an operation
    /// of another thread.
    fn check_folio_locked(self) -> Result<(), Box<Finding>> {
        let possible = {
            let world = self.bench.world.borrow();
            let held = world.holders.locks.iter().any(Option::is_some);
            held || world.workers.iter().any(Option::is_some) || !self.bench.alone
        };
        if possible {
            return Ok(());
        }
        contents::check_outcome(
            self.at,
            "a folio is busy, but nobody else is there to lock it".to_owned(),
        )
    }
}
