//! The executor: runs a program on the core under a schedule, and calls the oracles.
//!
//! With one thread, each operation runs to its end. With more threads, the executor runs the
//! earliest unfinished operation of the program whose thread can run. A preemption switches to the
//! thread that it names. That thread then runs until its operation ends or waits, or until the next
//! preemption. A thread that has to wait leaves the machine to the others.
//!
//! When every thread waits, the executor ends something outside the model. It releases the folio
//! locks of third parties, or drops the references of third parties, or lets an open migration go
//! on. If nothing of that kind is left, the run is in a deadlock or a livelock.

mod concurrent;
mod identity;
mod teardown;

use crate::finding::Finding;
use crate::ops::bench::{Bench, OpResult, Running};
use crate::ops::check_evicted;
use crate::ops::world::{Process, World};
use crate::oracle::{self, At, Oracles, View, contents};
use crate::program::{Op, Program, Step};
use crate::window::Window;
use mm_core::{Dmirror, Kernel, KernelVersion, MmId, State, TaskId, Wait};
use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

pub use crate::digest::Digest;
pub use crate::limits::{FIRST_WORKER, MAX_PROCS, MAX_WORKERS, STEP_BUDGET};
pub use crate::ops::outcome::Outcome;
pub use crate::ops::world::ShownPage;
pub use crate::shown::Shown;
pub use crate::slots::{OpSlots, Resolved, Slots};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every check passed.
    Pass {
        /// A digest of all outcomes and of the state before the processes exit; 0 unless
        /// [`Options::digest`] is on.
        digest: u64,
    },
    /// A check failed.
    Finding(Box<Finding>),
}

/// Options of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// On a finding, panic inside the check.
    pub panics: bool,
    /// Run only the checks of accesses, outcomes, long-term pins, deadlocks, livelocks and the
    /// budget of scheduling points.
    pub unchecked: bool,
    /// Check everything after every slice, by brute force.
    pub thorough: bool,
    /// Run every check after each slice, including the checks whose invariants no change of the
    /// slice can break. The verdict is the same.
    pub every_check: bool,
    /// Compute the digest.
    pub digest: bool,
    /// Compute the [identity](Executor::identity).
    pub identity: bool,
    /// Tell the observer of each scheduling point, in programs of several threads.
    pub points: bool,
    /// The kernel whose rules the core follows.
    pub release: KernelVersion,
}

/// What the executor ended because nothing else could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The folio locks of third parties.
    Locks,
    /// The references of pfn walkers.
    Walkers,
    /// A phase of the open migration in this slot.
    Migration(usize),
}

/// Watches a run.
pub trait Observer {
    /// An operation is about to begin. `names` says what its names stand for.
    fn begins(&mut self, _step: usize, _names: &dyn Fn() -> Resolved) {}
    /// A slice of an operation is about to run.
    fn slice(&mut self, _step: usize, _s: &State) {}
    /// A slice has run, and the oracles have not checked it yet.
    fn ran(&mut self, _step: usize, _s: &State) {}
    /// Every thread waited, and the executor ended something outside the model.
    fn released(&mut self, _what: Released) {}
    /// The address spaces of the processes, by slot, before [`Observer::operation`] is called.
    fn processes(&mut self, _mms: [Option<MmId>; MAX_PROCS]) {}
    /// What an operation showed, before [`Observer::operation`] is called.
    fn shown(&mut self, _pages: &[ShownPage]) {}
    /// An operation has ended.
    fn operation(&mut self, _step: usize, _op: &Step, _outcome: Outcome, _s: &State) {}
    /// The operation is at a scheduling point, if [`Options::points`] asks for it. `task` is
    /// the thread's, or that of the migration that it drives.
    fn point(&mut self, _step: usize, _task: TaskId, _s: &State) {}
    /// A task was preempted at a scheduling point.
    fn preempted(&mut self, _point: u32, _from: u8, _to: u8, _s: &State) {}
}

impl Observer for () {}

/// A machine for each geometry, and everything that checks the machines. All of this is reused from
/// run to run.
pub struct Executor {
    machines: [Option<Kernel>; 2],
    oracles: Oracles,
    options: Options,
    #[cfg(feature = "zoo")]
    zoo: mm_core::zoo::Zoo,
    identity: Option<u128>,
    // kept between runs, so that its memory is reused
    model: crate::reference::Reference,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A run under way.
struct Run<'a, 'k> {
    bench: &'a Bench<'k>,
    oracles: &'a mut Oracles,
    options: Options,
    outcomes: Digest,
    /// Every thread waited, and something was released.
    released: bool,
    identity: &'a mut Option<u128>,
    observer: &'a mut dyn Observer,
}

type Checked = Result<(), Box<Finding>>;

impl Executor {
    /// Creates an executor that runs programs with `options`.
    pub fn new(options: Options) -> Self {
        Self {
            machines: [None, None],
            oracles: Oracles::default(),
            options,
            #[cfg(feature = "zoo")]
            zoo: mm_core::zoo::Zoo::default(),
            identity: None,
            model: crate::reference::Reference::default(),
        }
    }

    /// Selects the historical bugs for later runs.
    #[cfg(feature = "zoo")]
    pub fn set_zoo(&mut self, zoo: mm_core::zoo::Zoo) {
        self.zoo = zoo;
    }

    /// Sets [`Options::points`] for later runs: tell the observer of each scheduling point.
    pub fn observe_points(&mut self, points: bool) {
        self.options.points = points;
    }

    /// Drops the machines and the memory of their vectors. The next run grows new vectors, so it
    /// runs the same code whatever ran before.
    pub fn discard(&mut self) {
        self.machines = [None, None];
    }

    /// Runs a program.
    pub fn run(&mut self, program: &Program) -> Verdict {
        self.run_observed(program, &mut ())
    }

    /// Runs a program while `observer` watches.
    pub fn run_observed(&mut self, program: &Program, observer: &mut dyn Observer) -> Verdict {
        let slot = &mut self.machines[program.geometry as usize];
        let kernel = slot.get_or_insert_with(|| {
            let geometry = program.geometry.machine();
            Kernel::new(geometry, Box::new(Dmirror::new(geometry.device_frames())))
        });
        kernel.reset();
        kernel.state().release = self.options.release;
        kernel.state().thp = program.thp;
        #[cfg(feature = "zoo")]
        {
            kernel.state().zoo = self.zoo;
        }
        self.oracles.reset();
        self.oracles.asks_all = self.options.every_check;
        self.model.reset();
        let model = std::mem::take(&mut self.model);
        let bench = Bench {
            kernel,
            world: RefCell::new(World {
                model,
                ..World::default()
            }),
            window: Window::of(program),
            alone: program.threads == 1,
            unchecked: self.options.unchecked,
        };
        self.identity = None;
        let run = Run {
            bench: &bench,
            oracles: &mut self.oracles,
            options: self.options,
            outcomes: Digest::default(),
            released: false,
            identity: &mut self.identity,
            observer,
        };
        let result = run.program(program);
        // a run that ended early leaves futures, which must be dropped before the machine is reset
        bench
            .world
            .borrow_mut()
            .workers
            .iter_mut()
            .for_each(|worker| *worker = None);
        self.model = std::mem::take(&mut bench.world.borrow_mut().model);
        match result {
            Ok(digest) => Verdict::Pass { digest },
            Err(finding) => Verdict::Finding(finding),
        }
    }
}

impl<'a, 'k> Run<'a, 'k> {
    fn program(mut self, program: &Program) -> Result<u64, Box<Finding>> {
        self.boot();
        if program.threads == 1 {
            self.sequential(&program.ops)?;
        } else {
            self.concurrent(program)?;
        }
        if self.options.identity {
            *self.identity = self.identify();
        }
        self.teardown(program.ops.len())
    }

    /// Creates the first process.
    fn boot(&mut self) {
        // an operation that does not end is stopped at this scheduling point and reported
        self.bench.kernel.state().preempt_at(STEP_BUDGET);
        let created = self.bench.kernel.current(TaskId(0)).mm_create();
        let world = &mut *self.bench.world.borrow_mut();
        let pid = world.model.create();
        // no allocation is armed to fail yet
        world.procs[0] = created.ok().map(|mm| Process { mm, pid });
    }

    fn at(&self, step: usize, op: &Op) -> At {
        let contract = op.kind().contract();
        At {
            op: contract,
            step,
            moves: (contract.moves)(self.bench.window, *op),
            window: self.bench.window,
            panics: self.options.panics,
        }
    }

    /// Prepares the next operation of `task`.
    fn running(&self, task: TaskId, at: At) -> Running<'a, 'k> {
        let s = &mut *self.bench.kernel.state();
        s.renew_task(task);
        let failures = s.fail.failures;
        Running {
            bench: self.bench,
            task,
            at,
            failures,
        }
    }

    fn sequential(&mut self, ops: &[Step]) -> Checked {
        let mut cx = Context::from_waker(Waker::noop());
        for (i, step) in ops.iter().enumerate() {
            let at = self.at(i, &step.op);
            self.begins(i, step.op);
            self.observer.slice(i, &self.bench.kernel.state());
            let mut op = pin!(self.running(TaskId(0), at).run(step.op));
            let result = loop {
                if let std::task::Poll::Ready(result) = op.as_mut().poll(&mut cx) {
                    break result;
                }
                self.look(at)?;
                self.unblock(at)?;
            };
            self.finish(step, TaskId(0), at, result)?;
        }
        Ok(())
    }

    fn begins(&mut self, step: usize, op: Op) {
        let world = &self.bench.world;
        self.observer.begins(step, &|| world.borrow().resolved(op));
    }

    /// An operation has ended.
    fn finish(&mut self, step: &Step, task: TaskId, at: At, result: OpResult) -> Checked {
        self.look(at)?;
        let outcome = result?;
        self.outcomes.mix(outcome.code());
        let freed = std::mem::take(&mut self.bench.world.borrow_mut().freed);
        if !self.options.unchecked {
            let world = self.bench.world.borrow();
            let s = self.bench.kernel.state();
            self.oracles.after_operation(&s, &world.holders, task, at)?;
            check_evicted(at, &s, &freed)?;
            let promise = world.promises[task.ix()].as_ref();
            let is_done = matches!(outcome, Outcome::Done | Outcome::Child(_));
            if let Some(promise) = promise.filter(|_| is_done) {
                self.oracles
                    .after_promise(&s, &world.holders, task, promise, at)?;
            }
            if world.model.is_at_rest() {
                self.at_rest(&s, &world, self.options.thorough, at)?;
            }
        }
        let world = &mut *self.bench.world.borrow_mut();
        self.observer.shown(&world.shown);
        world.shown.clear();
        let procs = world.procs;
        self.observer.processes(procs.map(|p| Some(p?.mm)));
        self.observer
            .operation(at.step, step, outcome, &self.bench.kernel.state());
        Ok(())
    }

    fn at_rest(&mut self, s: &State, world: &World<'_>, all: bool, at: At) -> Checked {
        let pid_of = |mm| world.pid_of(mm);
        self.oracles
            .at_rest(s, &world.holders, &world.model, pid_of, all, at)
    }

    /// Checks what the last slice did.
    fn look(&mut self, at: At) -> Checked {
        let s = &mut *self.bench.kernel.state();
        self.observer.ran(at.step, s);
        if s.points() >= STEP_BUDGET {
            oracle::check_step_budget(at, STEP_BUDGET)?;
        }
        if self.options.unchecked {
            s.observed();
            return Ok(());
        }
        let world = &mut *self.bench.world.borrow_mut();
        self.oracles.after_slice(s, &world.holders, at)?;
        for (process, addr) in &world.writers {
            self.oracles.wrote(s, process.mm, *addr);
        }
        if self.bench.alone {
            let shown = world.shown.iter().copied();
            self.oracles.shown(s, &world.holders, shown, at)?;
        }
        if world.holders.any_refs() {
            let view = View {
                s,
                shadow: self.oracles.shadow(),
                holders: &world.holders,
                at,
            };
            contents::check_pins(&view, |pid| world.mm_of(pid))?;
            let wrote = |pid| world.writers.iter().any(|(process, _)| process.pid == pid);
            contents::check_held_pages(&view, wrote)?;
            world.note_words(|pfn| s.page(pfn).word);
        }
        world.writers.clear();
        if self.options.thorough {
            self.oracles.everything(s, &world.holders, at)?;
        }
        Ok(())
    }

    /// Called when no thread can run. Ends something outside the model, or reports the deadlock or
    /// livelock. Does nothing if no task waits. An open migration at a gate, which waits for the
    /// program to start its next phase ([`Wait::Gate`]), does not count as waiting.
    fn unblock(&mut self, at: At) -> Checked {
        let waits = |wait: Wait| wait != Wait::Gate;
        let (blocked, stuck, others) = {
            let s = self.bench.kernel.state();
            let waiting = s
                .tasks()
                .iter()
                .map(|task| task.waiting.filter(|w| waits(*w)));
            let stuck = waiting
                .clone()
                .enumerate()
                .find_map(|(task, wait)| match wait {
                    Some(Wait::Progress { mm, addr }) => Some((TaskId(task as u8), mm, addr)),
                    _ => None,
                });
            let is_progress = |wait| matches!(wait, Wait::Progress { .. });
            let others = waiting.clone().flatten().any(|wait| !is_progress(wait));
            (stuck.is_some() || others, stuck, others)
        };
        if !blocked {
            return Ok(());
        }
        // a task that retries a fault without progress needs a reference dropped; locks are
        // released only if other tasks wait as well
        let released = match stuck {
            Some(_) => self.release_walkers() || others && self.release_locks(),
            None => self.release_locks(),
        };
        if released || self.run_worker(at)? {
            self.released = true;
            self.bench.kernel.state().wake_progress();
            return Ok(());
        }
        let s = &*self.bench.kernel.state();
        match stuck {
            Some((task, mm, addr)) => {
                let holders = &self.bench.world.borrow().holders;
                let shadow = self.oracles.shadow();
                let view = View {
                    s,
                    shadow,
                    holders,
                    at,
                };
                oracle::check_livelock(&view, task, mm, addr)
            }
            None => oracle::check_deadlock(s, at),
        }
    }

    /// Releases the folio locks of third parties. Returns true if there were any.
    fn release_locks(&mut self) -> bool {
        let s = &mut *self.bench.kernel.state();
        let locks = &mut self.bench.world.borrow_mut().holders.locks;
        let held = locks.iter_mut().filter_map(Option::take);
        let any = held.map(|folio| s.unlock_external(folio)).count() > 0;
        if any {
            self.observer.released(Released::Locks);
        }
        any
    }

    /// Drops the references of pfn walkers. Returns true if there were any.
    fn release_walkers(&mut self) -> bool {
        let s = &mut *self.bench.kernel.state();
        let refs = &mut self.bench.world.borrow_mut().holders.refs;
        let held = refs
            .iter_mut()
            .filter_map(|slot| slot.take_if(|held| held.speculative));
        let any = held.map(|held| s.put_external(held.pfn, held.pin)).count() > 0;
        if any {
            self.observer.released(Released::Walkers);
        }
        any
    }

    /// Lets the first open migration that can run, and that no thread drives, go on to its next
    /// gate ([`Wait::Gate`]) or to its end. Returns false if there is no such migration.
    fn run_worker(&mut self, at: At) -> Result<bool, Box<Finding>> {
        for slot in 0..MAX_WORKERS {
            let task = World::worker_task(slot);
            if self.bench.world.borrow().driven.contains(&Some(task)) {
                continue;
            }
            let taken = self.bench.world.borrow_mut().workers[slot].take();
            let Some(mut worker) = taken else { continue };
            let runs = {
                let s = &mut *self.bench.kernel.state();
                s.preempt_at(STEP_BUDGET);
                s.open_gate(task, 0) || s.tasks()[task.ix()].waiting.is_none()
            };
            let done = runs && poll(&mut worker);
            if !done {
                self.bench.world.borrow_mut().workers[slot] = Some(worker);
            }
            if runs {
                self.observer.released(Released::Migration(slot));
                self.look(at)?;
                if done {
                    self.worker_done(task, at)?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn worker_done(&mut self, task: TaskId, at: At) -> Checked {
        if self.options.unchecked {
            return Ok(());
        }
        let world = self.bench.world.borrow();
        self.oracles
            .after_operation(&self.bench.kernel.state(), &world.holders, task, at)
    }
}

fn poll(worker: &mut Pin<Box<dyn Future<Output = ()> + '_>>) -> bool {
    worker
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}
