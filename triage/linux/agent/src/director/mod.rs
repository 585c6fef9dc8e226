//! Carries out a job: starts operations in the order of its plan, and observes the processes.

mod background;
mod batch;
mod child;
mod look;
mod schedule;
mod thp;

use crate::channel::{Channel, Request, Response, Shared, THREADS};
use crate::cover::Cover;
use crate::driver::{self, Driver, Ioctl, Observe};
use crate::system::UFFD_NUMBER;
use crate::worker::Worker;
use child::Child;
use mm_fuzz::exec::Slots;
use mm_fuzz::limits::{MAX_PROCS, WINDOW_PAGES};
use mm_fuzz::program::{self, Op, Program, Step, Thp, wire};
use mm_fuzz::window::Window;
use mm_linux_protocol::{
    ALLOC_KINDS, Action, Crash, GuestEvent, GuestOutcome, Hint, Job, Reply, StopPoint,
};
use std::time::Duration;

/// How long an operation that does not wait may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The slot of our own process, for work that belongs to no process of the program.
const SERVICE: usize = MAX_PROCS;

/// An operation that has not ended.
#[derive(Clone, Copy, Debug)]
struct Pending {
    step: u16,
    slot: usize,
    at: Place,
}

/// Who runs an operation.
#[derive(Clone, Copy, Debug)]
enum Place {
    Thread(usize, usize),
    /// The process in this slot exits.
    Exit(Child),
    /// The operation is already over, with this outcome.
    Over(GuestOutcome),
}

/// Runs jobs, one after the other.
#[derive(Debug)]
pub struct Director {
    worker: Worker,
    slots: Slots<Child>,
    pending: Vec<Pending>,
    /// The allocations that fail in the operation that starts next, by kind.
    fail: [u8; ALLOC_KINDS],
    /// The userfaultfds of processes that exited.
    uffds: Vec<i32>,
    /// The next job may reuse the first process.
    clean: bool,
    /// The job has ended, and the first process has released all that the job had.
    cleaned: bool,
    /// Where the operations of the job stop inside the kernel, by number.
    stops: Vec<(u16, Vec<StopPoint>)>,
    /// The slots of the children that the job's forks make.
    children: Vec<(u16, u8)>,
    /// When faults map huge pages.
    thp: Thp,
}

/// The process that runs an operation, and the request for it; `Err` with the outcome if there is
/// nothing to do.
fn prepare(
    slots: &Slots<Child>,
    program: &Program,
    op: Op,
    number: u16,
    fail: [u8; ALLOC_KINDS],
) -> Result<(usize, Request), GuestOutcome> {
    // The plan itself contains the failures to arm.
    if matches!(op, Op::Fail { .. }) {
        return Err(GuestOutcome::Done);
    }
    let place = slots.of(op).ok_or(GuestOutcome::Nothing)?;
    let request = Request {
        kind: op.kind().number(),
        operands: op.operand_bytes(),
        slot: place.slot as u8,
        threads: program.threads,
        word: u64::from(number) + 1,
        fail,
        stops: driver::Stops::default(),
        uninterrupted: false,
        huge: Window::in_guest(program) != Window::GUEST,
    };
    Ok((place.proc.unwrap_or(SERVICE), request))
}

impl Director {
    /// A director without processes.
    pub fn new(
        shared: &'static Shared,
        driver: &'static Driver,
        cover: Option<&'static Cover>,
    ) -> Self {
        background::off();
        let mut director = Self {
            worker: Worker {
                shared,
                driver,
                cover,
            },
            slots: Slots::default(),
            pending: Vec::new(),
            fail: [0; ALLOC_KINDS],
            uffds: Vec::new(),
            clean: false,
            cleaned: false,
            stops: Vec::new(),
            children: Vec::new(),
            thp: thp::never(),
        };
        director.spawn(SERVICE, THREADS as u8);
        director
    }

    fn spawn(&mut self, slot: usize, threads: u8) -> Child {
        self.clear(slot);
        // SAFETY: the director has one thread; the child goes on as a worker.
        match unsafe { libc::fork() } {
            0 => self.worker.serve(slot, threads),
            pid => Child::new(pid),
        }
    }

    fn clear(&self, slot: usize) {
        self.worker.shared.channels[slot]
            .iter()
            .for_each(Channel::clear);
    }

    /// Runs a job.
    pub fn run(&mut self, job: &Job) -> Reply {
        let program = wire::decode(&job.program);
        self.begin(&program, job.device_frames);
        self.schedule(&job.stops);
        let child = |(step, hint): &(u16, Hint)| Some((*step, hint.child?));
        self.children = job.hints.iter().filter_map(child).collect();
        let mut events = Vec::with_capacity(job.plan.len());
        let mut rest = &job.plan[..];
        while let Some((action, behind)) = rest.split_first() {
            let (batch, behind_batch) = self.batch(&program, job, rest);
            let goes_on = if batch.len() > 1 {
                rest = behind_batch;
                let is_whole = events.is_empty() && rest.is_empty();
                self.run_batch(&program, &batch, is_whole, &mut events)
            } else {
                rest = behind;
                self.act(&program, *action, behind.first().copied(), &mut events)
            };
            if !goes_on {
                break;
            }
        }
        let stuck = !self.end();
        Reply {
            id: job.id,
            events,
            leaked: driver::reset(self.worker.driver, 0, 1).device_frames,
            stuck,
            leaks: Vec::new(),
            words: Vec::new(),
            reached: self.reached(),
        }
    }

    /// The new places that the job has reached. They are no longer traced.
    fn reached(&self) -> Vec<u32> {
        let Some(cover) = self.worker.cover else {
            return Vec::new();
        };
        let (places, addresses) = cover.take();
        if !addresses.is_empty() {
            let _ = self.worker.driver.untrace(&addresses);
        }
        places
    }

    /// Ends the first process, which otherwise stays from program to program.
    pub fn end_all(&mut self) {
        if let Some(old) = self.slots.procs[0].take() {
            old.kill(PATIENCE);
        }
        self.clean = false;
    }

    fn begin(&mut self, program: &Program, device_frames: u32) {
        let unit = Window::in_guest(program).scale() as u32;
        driver::reset(self.worker.driver, device_frames, unit);
        if self.thp != program.thp {
            self.thp = program.thp;
            thp::set(program.thp, self.worker.driver);
        }
        if program.threads > 1 || !self.clean {
            if let Some(old) = self.slots.procs[0].take() {
                old.kill(PATIENCE);
            }
            self.slots.procs[0] = Some(self.spawn(0, program.threads));
        }
        self.clean = program.threads == 1;
    }

    /// Runs one step of the plan. Returns false if the job cannot go on.
    fn act(
        &mut self,
        program: &Program,
        action: Action,
        next: Option<Action>,
        events: &mut Vec<GuestEvent>,
    ) -> bool {
        match action {
            Action::Start(number) => {
                let Some(step) = program.ops.get(usize::from(number)) else {
                    return false;
                };
                let pending = self.start(program, step, number);
                self.pending.push(pending);
                return self.goes_on(program, pending, next, events);
            }
            Action::Stopped(number) => return self.await_stop(program, number, events),
            Action::GoOn(number) => {
                let Some(pending) = self.pending.iter().find(|p| p.step == number).copied() else {
                    return false;
                };
                self.go_on(number);
                return self.goes_on(program, pending, next, events);
            }
            Action::End(number) => {
                let Some(at) = self.pending.iter().position(|p| p.step == number) else {
                    return false;
                };
                let pending = self.pending[at];
                match self.finish(program, pending, PATIENCE) {
                    Some(_) if self.is_astray(number) => {
                        events.push(GuestEvent::Astray(number));
                        return false;
                    }
                    Some(outcome) => {
                        self.pending.swap_remove(at);
                        events.push(GuestEvent::Ended(number, outcome));
                    }
                    None => {
                        events.push(GuestEvent::Hangs(number));
                        return false;
                    }
                }
            }
            Action::Observe => events.push(self.observe(Window::in_guest(program))),
            Action::ReleaseLocks => {
                self.release_locks();
                self.quiet();
            }
            Action::ReleaseWalkers => {
                self.release_walkers();
                self.quiet();
            }
            Action::RunMigration(slot) => {
                let ran = self.run_migration(slot.into());
                // Whoever waited for the migration goes on before the next migration does.
                self.quiet();
                return ran;
            }
            Action::Crash(crash) => self.crash(crash),
            Action::Fail(kinds) => self.fail = kinds,
        }
        true
    }

    /// An operation has started, or goes on from a stop. If the plan does not say next that it ends
    /// or stops, checks that it waits.
    fn goes_on(
        &mut self,
        program: &Program,
        pending: Pending,
        next: Option<Action>,
        events: &mut Vec<GuestEvent>,
    ) -> bool {
        let number = pending.step;
        if [Some(Action::End(number)), Some(Action::Stopped(number))].contains(&next) {
            return true;
        }
        // An operation may retry instead of waiting. Then the guest never becomes quiet, and
        // `quiet` ignores the driver's error.
        self.quiet();
        if self.is_at_stop(number) {
            events.push(GuestEvent::Astray(number));
            return false;
        }
        if let Some(outcome) = self.finish(program, pending, Duration::ZERO) {
            self.pending.retain(|p| p.step != number);
            events.push(GuestEvent::EndedEarly(number, outcome));
            return false;
        }
        true
    }

    /// Lets all other tasks run until they wait.
    fn quiet(&self) {
        let _ = self.worker.driver.call(Ioctl::Quiet, &mut ());
    }

    /// Hands an operation to the thread that runs it.
    fn start(&mut self, program: &Program, step: &Step, number: u16) -> Pending {
        let fail = std::mem::take(&mut self.fail);
        let pending = |slot: usize, at| Pending {
            step: number,
            slot,
            at,
        };
        let (proc, request) = match prepare(&self.slots, program, step.op, number, fail) {
            Ok(ready) => ready,
            Err(outcome) => return pending(0, Place::Over(outcome)),
        };
        let child = self.children.iter().find(|(step, _)| *step == number);
        let request = Request {
            slot: child.map_or(request.slot, |(_, slot)| *slot),
            stops: self.stops_of(number),
            uninterrupted: !self.stops.is_empty(),
            ..request
        };
        let slot = usize::from(request.slot);
        match step.op {
            Op::Fork { .. } => self.clear(slot),
            Op::Exit { .. } => return pending(slot, self.exit(proc)),
            _ => {}
        }
        self.worker.shared.channels[proc][usize::from(step.thread)].request(request);
        pending(slot, Place::Thread(proc, step.thread.into()))
    }

    fn exit(&mut self, proc: usize) -> Place {
        let Some(child) = self.slots.procs[proc].take() else {
            return Place::Over(GuestOutcome::Nothing);
        };
        self.clean &= proc != 0;
        // The userfaultfd of the process stays open a little longer: closing it takes mmap_lock for
        // writing, and would wait for migrations that are held open.
        // SAFETY: a process of ours. It ends where it is, and its memory is freed like that of any
        // other.
        unsafe {
            let uffd = libc::syscall(libc::SYS_pidfd_getfd, child.pidfd, UFFD_NUMBER, 0) as i32;
            self.uffds.extend((uffd >= 0).then_some(uffd));
            libc::kill(child.pid, libc::SIGKILL);
        }
        Place::Exit(child)
    }

    /// Waits for the end of an operation, and records what it has made. Returns `None` on a
    /// timeout.
    fn finish(
        &mut self,
        program: &Program,
        pending: Pending,
        timeout: Duration,
    ) -> Option<GuestOutcome> {
        let (proc, thread) = match pending.at {
            Place::Over(outcome) => return Some(outcome),
            Place::Exit(child) => {
                return child.ended(timeout).then(|| {
                    child.forget();
                    GuestOutcome::Done
                });
            }
            Place::Thread(proc, thread) => (proc, thread),
        };
        let response = self.worker.shared.channels[proc][thread].response(timeout)?;
        let op = program.ops[usize::from(pending.step)].op;
        Some(self.note(op, pending.slot, response))
    }

    /// Records what an operation has made, and returns its outcome.
    fn note(&mut self, op: Op, slot: usize, response: Response) -> GuestOutcome {
        // An operation that waited may have found a lower free slot than when it started.
        let slot = match response.outcome {
            GuestOutcome::Slot(slot) => slot.into(),
            _ => slot,
        };
        match (op, response.outcome) {
            (_, GuestOutcome::Child(_)) => self.slots.procs[slot] = Some(Child::new(response.pid)),
            (_, GuestOutcome::Slot(_) | GuestOutcome::Done) => {
                self.slots.done(op, slot);
                if op.kind().contract().slot.is_migration() {
                    self.slots.migrations[slot] = response.open.then_some(());
                }
            }
            _ => {}
        }
        response.outcome
    }

    fn crash(&self, crash: Crash) {
        match crash {
            Crash::Panic => {
                let _ = std::fs::write("/proc/sysrq-trigger", "c");
            }
            Crash::Warn => {
                let _ = self.worker.driver.call(Ioctl::Warn, &mut ());
            }
            Crash::Hang => loop {
                std::hint::spin_loop();
            },
        }
    }

    fn release_locks(&mut self) {
        if self.slots.take_locks().count() > 0 {
            slot_command(self.worker.driver, Ioctl::Unlock, driver::ALL_SLOTS);
        }
    }

    fn release_walkers(&mut self) {
        for slot in self.slots.take_walkers() {
            slot_command(self.worker.driver, Ioctl::Put, slot);
        }
    }

    /// Lets an open migration go on. Returns false if it does not reach its next gate or its end.
    fn run_migration(&mut self, slot: usize) -> bool {
        let request = Request {
            kind: program::OpKind::Finalize.number(),
            slot: slot as u8,
            ..Request::default()
        };
        let channel = &self.worker.shared.channels[SERVICE][0];
        channel.request(request);
        let Some(response) = channel.response(PATIENCE) else {
            return false;
        };
        self.slots.migrations[slot] = response.open.then_some(());
        true
    }

    fn observe(&self, window: Window) -> GuestEvent {
        let mut processes = Vec::new();
        let live = self.slots.procs.iter().enumerate();
        for (slot, child) in live.filter_map(|(slot, child)| Some((slot, (*child)?))) {
            let mut entries = [driver::Entry::default(); WINDOW_PAGES as usize];
            let mut sums = Observe::default();
            if !self
                .worker
                .observe(child.pid, window, &mut sums, &mut entries)
            {
                return GuestEvent::NotSeen;
            }
            processes.push(look::process_of(slot, window, &sums, &entries));
        }
        GuestEvent::Seen(processes)
    }

    /// Ends everything. Returns false if something does not end.
    fn end(&mut self) -> bool {
        if std::mem::take(&mut self.cleaned) {
            self.slots = Slots {
                procs: self.slots.procs,
                ..Slots::default()
            };
            return true;
        }
        driver::reset(self.worker.driver, 0, 1);
        for uffd in self.uffds.drain(..) {
            // SAFETY: ours, and closed once.
            unsafe { libc::close(uffd) };
        }
        self.slots = Slots {
            procs: self.slots.procs,
            ..Slots::default()
        };
        let pending = std::mem::take(&mut self.pending);
        let mut ended = true;
        for pending in pending {
            match pending.at {
                Place::Thread(SERVICE, thread) => {
                    ended &= self.worker.shared.channels[SERVICE][thread]
                        .response(PATIENCE)
                        .is_some();
                }
                Place::Thread(0, _) => self.clean = false,
                Place::Exit(child) => {
                    ended &= child.ended(PATIENCE);
                    child.forget();
                }
                _ => {}
            }
        }
        let first = self.clean.then(|| self.slots.procs[0].take()).flatten();
        for child in self.slots.procs.iter_mut().filter_map(Option::take) {
            ended &= child.kill(PATIENCE);
        }
        if let Some(first) = first {
            let channel = &self.worker.shared.channels[0][0];
            channel.request(Request {
                kind: Request::CLEAN,
                ..Request::default()
            });
            self.clean = channel.response(PATIENCE).is_some();
            if self.clean {
                self.slots.procs[0] = Some(first);
            } else {
                ended &= first.kill(PATIENCE);
            }
        }
        ended
    }
}

fn slot_command(driver: &Driver, command: Ioctl, slot: usize) {
    let mut argument = driver::Slot {
        slot: slot as u32,
        ..driver::Slot::default()
    };
    let _ = driver.call(command, &mut argument);
}
