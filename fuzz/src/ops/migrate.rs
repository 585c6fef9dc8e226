//! Migrations: in one go, or held open across other operations.

use super::bench::{OpResult, Running, dev};
use super::outcome::Outcome;
use super::world::{Process, World};
use crate::call::{Flags, Invocation, Ioctl, Pages, RangeCall, RangeResult};
use crate::contract::{Contract, Slot};
use crate::oracle::{Check, contents, entry_at};
use crate::program::{self, Op, OpKind, Toward};
use crate::slots::{free_slot, resolve};
use mm_core::{Direction, Entry, MigrateRequest, Pfn, Softleaf, Wait, dmirror};
use std::future::poll_fn;
use std::task::Poll;

fn call(op: Op) -> Invocation {
    let (command, (addr, len), dev, skip, back) = match op {
        Op::Migrate {
            addr,
            len,
            dev,
            skip,
            ..
        } => (Ioctl::Migrate, (addr, len), dev, skip.get(), false),
        Op::MigrateBack {
            addr,
            len,
            dev,
            skip,
            ..
        } => (Ioctl::Migrate, (addr, len), dev, skip.get(), true),
        Op::Setup {
            addr,
            len,
            dev,
            toward,
            ..
        } => (Ioctl::Setup, (addr, len), dev, 0, toward == Toward::System),
        Op::Pages { skip, .. } => return Invocation::Slot(Ioctl::Next, skip.get()),
        Op::Finalize { .. } => return Invocation::Slot(Ioctl::Next, 0),
        _ => return Invocation::Outside,
    };
    let result = match command {
        Ioctl::Setup => RangeResult::Slot,
        _ => RangeResult::Moved,
    };
    Invocation::Range(RangeCall {
        dev: dev.get(),
        skip,
        flags: if back {
            Flags::TO_SYSTEM
        } else {
            Flags::default()
        },
        ..RangeCall::new(command, Pages::of(addr, len), result)
    })
}

pub(super) const MIGRATE: Contract = Contract::of(OpKind::Migrate, call);

pub(super) const MIGRATE_BACK: Contract = Contract::of(OpKind::MigrateBack, call);

pub(super) const SETUP: Contract = Contract {
    slot: Slot::NewMigration,
    ..Contract::of(OpKind::Setup, call)
};

pub(super) const PAGES: Contract = Contract {
    slot: Slot::Migration,
    ..Contract::of(OpKind::Pages, call)
};

pub(super) const FINALIZE: Contract = Contract {
    slot: Slot::Migration,
    ..Contract::of(OpKind::Finalize, call)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let (addr, len, dev_of, direction, skip) = match op {
        Op::Migrate {
            addr,
            len,
            dev,
            skip,
            ..
        } => (addr, len, dev, Direction::ToDevice, skip),
        Op::MigrateBack {
            addr,
            len,
            dev,
            skip,
            ..
        } => (addr, len, dev, Direction::ToSystem, skip),
        Op::Setup {
            addr,
            len,
            dev,
            toward,
            ..
        } => {
            let direction = match toward {
                Toward::Device => Direction::ToDevice,
                Toward::System => Direction::ToSystem,
            };
            (addr, len, dev, direction, program::Skip::NOTHING)
        }
        _ => return Ok(Outcome::Nothing),
    };
    let request = MigrateRequest {
        dev: dev(dev_of),
        mm: process.mm,
        range: on.range(addr, len),
        direction,
        skip: skip.get(),
        stepwise: false,
    };
    match op {
        Op::Setup { .. } => Ok(on.setup(process, request).await),
        _ => on.migrate(process, request).await,
    }
}

/// Runs the next phase of an open migration.
pub(super) async fn go_on(on: Running<'_, '_>, op: Op) -> OpResult {
    Ok(match op {
        Op::Pages { migration, skip } => on.next_phase(migration.get().into(), skip.get()).await,
        Op::Finalize { migration } => on.next_phase(migration.get().into(), 0).await,
        _ => Outcome::Nothing,
    })
}

impl Running<'_, '_> {
    async fn migrate(self, process: Process, request: MigrateRequest) -> OpResult {
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

    /// Number of pages that are where a request wants them.
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

    /// Checks that as many pages have moved as the driver says.
    fn check_moved(self, moved: u32, arrived: i64) -> Check {
        if i64::from(moved) == arrived {
            return Ok(());
        }
        self.postcondition(|at, _, _| {
            let detail = format!("the driver says that {moved} pages moved, but {arrived} arrived");
            contents::check_outcome(at, detail)
        })
    }

    /// Starts a migration that stays open after its setup.
    async fn setup(self, process: Process, request: MigrateRequest) -> Outcome {
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
                // the result is not needed: the state shows which pages moved, and no page moves if
                // the range is not mapped
                let _ = dmirror::migrate(cur, &request).await;
                cur.mmput(request.mm).await;
            }));
            slot
        };
        self.drive(slot).await;
        Outcome::Slot(slot)
    }

    /// Lets an open migration run to the end of its next phase.
    async fn next_phase(self, name: usize, skip: u8) -> Outcome {
        let Some(slot) = resolve(&self.bench.world.borrow().workers, name) else {
            return Outcome::Nothing;
        };
        if !self
            .bench
            .kernel
            .state()
            .open_gate(World::worker_task(slot), skip)
        {
            // another thread drives the migration
            return Outcome::Nothing;
        }
        self.drive(slot).await;
        Outcome::Done
    }

    /// Runs the open migration in `slot` to the end of its phase. There it waits at a gate
    /// ([`Wait::Gate`]) for the program to start the next phase, or has finished.
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
