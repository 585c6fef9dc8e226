//! Migrations: in one go, and held open across other operations.

use super::ops::{OpResult, Running};
use super::outcome::Outcome;
use super::slots::{free_slot, resolve};
use super::world::{Process, World};
use crate::finding::Finding;
use crate::oracle::{contents, entry_at};
use mm_core::{Direction, Entry, MigrateRequest, Pfn, Softleaf, Wait, dmirror};
use std::future::poll_fn;
use std::task::Poll;

impl Running<'_, '_> {
    pub(super) async fn migrate(self, process: Process, request: MigrateRequest) -> OpResult {
        self.announce(process, &request);
        let before = self.arrived(&request);
        let result = dmirror::migrate(self.cur(), &request).await;
        if let Ok(moved) = result {
            self.check_moved(moved, self.arrived(&request) - before)?;
        }
        let world = &mut *self.bench.world.borrow_mut();
        let readable = world.model.readable(process.pid, request.range);
        match (result, readable) {
            (Ok(_), Some(false)) => {
                let text = "part of the range cannot be read: expected EINVAL".to_owned();
                contents::check_outcome(self.at, text)?;
            }
            (Err(_), Some(true)) => {
                let text = "EINVAL, but all of the range can be read".to_owned();
                contents::check_outcome(self.at, text)?;
            }
            _ => {}
        }
        Ok(result.map_or(Outcome::Einval, Outcome::Moved))
    }

    fn announce(self, process: Process, request: &MigrateRequest) {
        let model = &mut self.bench.world.borrow_mut().model;
        model.begin_migration(process.pid, &request.range);
    }

    /// How many pages are where a request wants them.
    fn arrived(self, request: &MigrateRequest) -> i64 {
        let s = &*self.bench.kernel.state();
        let there = |addr: &u64| match entry_at(s, request.mm, *addr).decode() {
            Entry::None => false,
            Entry::Present(_) => request.direction == Direction::ToSystem,
            Entry::Leaf(leaf) => {
                let dev = leaf
                    .softleaf()
                    .and_then(Softleaf::pfn)
                    .and_then(Pfn::device);
                request.direction == Direction::ToDevice && dev == Some(request.dev)
            }
        };
        request.range.clone().filter(there).count() as i64
    }

    /// As many have moved as are said to, if nobody else runs.
    fn check_moved(self, moved: u32, arrived: i64) -> Result<(), Box<Finding>> {
        if !self.bench.alone || i64::from(moved) == arrived {
            return Ok(());
        }
        let detail = format!("{moved} pages moved, but {arrived} came to where they were to go");
        contents::check_outcome(self.at, detail)
    }

    /// Starts a migration that stays open after its setup.
    pub(super) async fn setup(self, process: Process, request: MigrateRequest) -> Outcome {
        self.announce(process, &request);
        let slot = {
            let world = &mut *self.bench.world.borrow_mut();
            let Some(slot) = free_slot(&world.workers) else {
                return Outcome::Nothing;
            };
            let cur = self.bench.kernel.current(World::worker_task(slot));
            self.bench.kernel.state().renew_task(cur.task);
            cur.mmget(process.mm);
            world.workers[slot] = Some(Box::pin(async move {
                let request = MigrateRequest {
                    stepwise: true,
                    ..request
                };
                // what it moved shows in the state; a range that is not mapped moves nothing
                let _ = dmirror::migrate(cur, &request).await;
                cur.mmput(request.mm).await;
            }));
            slot
        };
        self.drive(slot).await;
        Outcome::Slot(slot)
    }

    /// Lets an open migration run to the end of its next phase.
    pub(super) async fn next_phase(self, name: usize, skip: u8) -> Outcome {
        let Some(slot) = resolve(&self.bench.world.borrow().workers, name) else {
            return Outcome::Nothing;
        };
        if !self
            .bench
            .kernel
            .state()
            .open_gate(World::worker_task(slot), skip)
        {
            // another thread drives it
            return Outcome::Nothing;
        }
        self.drive(slot).await;
        Outcome::Done
    }

    /// Runs the worker in `slot` until it waits at a gate or has finished.
    async fn drive(self, slot: usize) {
        let task = World::worker_task(slot);
        let thread = self.task.ix();
        self.bench.world.borrow_mut().driven[thread] = Some(task);
        poll_fn(|cx| {
            let taken = self.bench.world.borrow_mut().workers[slot].take();
            let Some(mut worker) = taken else {
                return Poll::Ready(());
            };
            if worker.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            self.bench.world.borrow_mut().workers[slot] = Some(worker);
            match self.bench.kernel.state().tasks()[task.ix()].waiting {
                Some(Wait::Gate) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        self.bench.world.borrow_mut().driven[thread] = None;
    }
}
