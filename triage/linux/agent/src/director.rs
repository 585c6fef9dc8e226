//! Carries out a job: starts operations in the order of its plan, and looks at the processes.

use crate::channel::{BATCH, Channel, Item, Request, Response, Shared, THREADS};
use crate::driver::{self, Command, Driver, Fail, Observe, Reset};
use crate::worker::{UFFD_NUMBER, Worker, window};
use mm_fuzz::exec::{MAX_PROCS, MAX_WORKERS, free_slot, resolve};
use mm_fuzz::program::{self, Op, Program, Step, wire};
use mm_linux_protocol::{
    Action, Crash, Entry, Event, Hint, Job, Kind, Outcome, Process, Reply, WINDOW,
};
use std::time::Duration;

/// How long an operation may take that does not wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// After this long without an end, an operation waits.
const BLOCKS: Duration = Duration::from_millis(3);
/// The slot of the process for what no process does.
const SERVICE: usize = MAX_PROCS;

const KINDS: [Kind; 10] = [
    Kind::Present,
    Kind::MigrationRead,
    Kind::MigrationReadExclusive,
    Kind::MigrationWrite,
    Kind::DeviceRead,
    Kind::DeviceWrite,
    Kind::Exclusive,
    Kind::Swap,
    Kind::Marker,
    Kind::Other,
];

/// A process that runs.
#[derive(Clone, Copy, Debug)]
struct Child {
    pid: i32,
    /// Readable when it has ended.
    pidfd: i32,
}

/// An operation that has not ended.
#[derive(Clone, Copy, Debug)]
struct Pending {
    step: u16,
    at: Place,
}

/// Who runs an operation.
#[derive(Clone, Copy, Debug)]
enum Place {
    Thread(usize, usize),
    /// An exit: of the process in this slot.
    Exit(Child),
    /// Nobody: it is over already.
    Over(Outcome),
}

/// What the program holds, by slot.
#[derive(Clone, Copy, Debug, Default)]
struct Slots {
    procs: [Option<Child>; MAX_PROCS],
    refs: [Option<()>; 8],
    walkers: [bool; 8],
    locks: [Option<()>; 8],
    migrations: [Option<()>; MAX_WORKERS],
}

/// Runs jobs, one after the other.
#[derive(Debug)]
pub struct Director {
    worker: Worker,
    slots: Slots,
    pending: Vec<Pending>,
    /// The userfaultfds of processes that exited.
    uffds: Vec<i32>,
    /// The first process is left over from the last job.
    clean: bool,
}

impl Slots {
    /// What the model says becomes of them.
    fn predict(&mut self, op: Op, slot: usize, hint: Hint) {
        let taken = hint.ok.then_some(());
        match op {
            op if op.is_gup() => self.refs[slot] = taken,
            Op::Hold { .. } => self.refs[slot] = taken,
            Op::Lock { .. } => self.locks[slot] = taken,
            Op::Put { .. } => self.refs[slot] = None,
            Op::Unlock { .. } => self.locks[slot] = None,
            Op::Setup { .. } | Op::Pages { .. } | Op::Finalize { .. } => {
                for (i, migration) in self.migrations.iter_mut().enumerate() {
                    *migration = (hint.open >> i & 1 != 0).then_some(());
                }
            }
            _ => {}
        }
    }
}

impl Child {
    fn new(pid: i32) -> Self {
        // SAFETY: a plain call.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as i32;
        Self { pid, pidfd }
    }

    /// Waits for its end.
    fn ended(self, timeout: Duration) -> bool {
        let mut poll = libc::pollfd {
            fd: self.pidfd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd. A process that was gone before it could be opened has ended.
        self.pidfd < 0 || unsafe { libc::poll(&raw mut poll, 1, timeout.as_millis() as i32) } == 1
    }

    fn forget(self) {
        // SAFETY: ours, and closed once. Children of ours are reaped here, others by themselves.
        unsafe {
            libc::close(self.pidfd);
            libc::waitpid(self.pid, std::ptr::null_mut(), libc::WNOHANG);
        }
    }

    fn kill(self) -> bool {
        // SAFETY: a process of ours that was not reaped, or is gone.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        let ended = self.ended(PATIENCE);
        self.forget();
        ended
    }
}

impl Director {
    /// A director without processes.
    pub fn new(shared: &'static Shared, driver: &'static Driver) -> Self {
        let mut director = Self {
            worker: Worker { shared, driver },
            slots: Slots::default(),
            pending: Vec::new(),
            uffds: Vec::new(),
            clean: false,
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
        let mut events = Vec::with_capacity(job.plan.len());
        let mut rest = &job.plan[..];
        while let Some((action, behind)) = rest.split_first() {
            let batch = self.batch(&program, rest, &job.hints);
            let goes_on = if batch.len() > 1 {
                rest = &rest[batch
                    .iter()
                    .map(|(_, item, _)| 2 + usize::from(item.observe))
                    .sum()..];
                self.run_batch(&program, &batch, &mut events)
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
            leaked: self.reset(0).device_frames,
            stuck,
        }
    }

    fn begin(&mut self, program: &Program, device_frames: u32) {
        self.reset(device_frames);
        if program.threads > 1 || !self.clean {
            if let Some(old) = self.slots.procs[0].take() {
                old.kill();
            }
            self.slots.procs[0] = Some(self.spawn(0, program.threads));
        }
        self.clean = program.threads == 1;
    }

    fn reset(&self, limit: u32) -> Reset {
        let mut reset = Reset {
            limit,
            ..Reset::default()
        };
        let _ = self.worker.driver.call(Command::Reset, &mut reset);
        reset
    }

    /// The operations at the start of a plan that the only process does in a row: those that end before
    /// the next one starts. With the outcomes that are known already. Where one takes a slot or gives
    /// one back, the model's word counts: if the kernel says something else, that is the difference,
    /// and what comes behind it matters no more.
    fn batch(
        &self,
        program: &Program,
        plan: &[Action],
        hints: &[(u16, Hint)],
    ) -> Vec<(u16, Item, Option<Outcome>)> {
        let mut batch = Vec::new();
        let alone =
            self.slots.procs[0].is_some() && self.slots.procs[1..].iter().all(Option::is_none);
        if !alone || program.threads > 1 || !self.pending.is_empty() {
            return batch;
        }
        let mut slots = self.slots;
        let mut rest = plan;
        while let [Action::Start(step), Action::End(end), behind @ ..] = rest {
            let Some(op) = program.ops.get(usize::from(*step)).map(|step| step.op) else {
                break;
            };
            if matches!(op, Op::Fork { .. } | Op::Exit { .. }) {
                break;
            }
            let (request, known) = match Self::prepare(&slots, program, op, *step) {
                Ok((_, request)) => (Some(request), None),
                Err(outcome) => (None, Some(outcome)),
            };
            if step != end || batch.len() == BATCH {
                break;
            }
            let observe = behind.first() == Some(&Action::Observe);
            batch.push((*step, Item { request, observe }, known));
            let hint = hints.binary_search_by_key(step, |(step, _)| *step);
            if let (Some(request), Ok(at)) = (request, hint) {
                slots.predict(op, request.slot.into(), hints[at].1);
            }
            rest = &behind[usize::from(observe)..];
        }
        batch
    }

    fn run_batch(
        &mut self,
        program: &Program,
        batch: &[(u16, Item, Option<Outcome>)],
        events: &mut Vec<Event>,
    ) -> bool {
        let items: Vec<Item> = batch.iter().map(|(_, item, _)| *item).collect();
        let shared = self.worker.shared;
        shared.batch.fill(&items);
        let channel = &shared.channels[0][0];
        channel.request(Request {
            kind: Request::BATCH,
            ..Request::default()
        });
        let mut done = 0;
        let ended = loop {
            if channel.response(PATIENCE).is_some() {
                break true;
            }
            let now = shared.batch.done();
            if now == done {
                break false;
            }
            done = now;
        };
        for (i, (step, item, known)) in batch.iter().enumerate().take(shared.batch.done()) {
            let result = shared.batch.result(i);
            let outcome = known.unwrap_or_else(|| {
                let response = Response {
                    open: result.open,
                    ..result.outcome.into()
                };
                self.note(program.ops[usize::from(*step)].op, response)
            });
            events.push(Event::Ended(*step, outcome));
            if item.observe && result.seen {
                events.push(Event::Seen(vec![process_of(
                    0,
                    &result.sums,
                    &result.entries,
                )]));
            } else if item.observe {
                events.push(Event::NotSeen);
            }
        }
        if !ended {
            let step = batch.get(shared.batch.done()).map_or(0, |(step, ..)| *step);
            events.push(Event::Hangs(step));
            self.clean = false;
        }
        ended
    }

    /// One step of the plan; false if the job cannot go on.
    fn act(
        &mut self,
        program: &Program,
        action: Action,
        next: Option<Action>,
        events: &mut Vec<Event>,
    ) -> bool {
        match action {
            Action::Start(number) => {
                let Some(step) = program.ops.get(usize::from(number)) else {
                    return false;
                };
                let at = self.start(program, step, number);
                let pending = Pending { step: number, at };
                if next == Some(Action::End(number)) {
                    self.pending.push(pending);
                    return true;
                }
                // the model says that it waits
                if let Some(outcome) = self.finish(program, pending, BLOCKS) {
                    events.push(Event::EndedEarly(number, outcome));
                    return false;
                }
                self.pending.push(pending);
            }
            Action::End(number) => {
                let Some(at) = self.pending.iter().position(|p| p.step == number) else {
                    return false;
                };
                let pending = self.pending[at];
                match self.finish(program, pending, PATIENCE) {
                    Some(outcome) => {
                        self.pending.swap_remove(at);
                        events.push(Event::Ended(number, outcome));
                    }
                    None => {
                        events.push(Event::Hangs(number));
                        return false;
                    }
                }
            }
            Action::Observe => events.push(self.observe()),
            Action::ReleaseLocks => self.release_locks(),
            Action::ReleaseWalkers => self.release_walkers(),
            Action::RunMigration(slot) => return self.run_migration(slot.into()),
            Action::Crash(crash) => self.crash(crash),
            Action::Fail { system, device } => {
                let _ = self
                    .worker
                    .driver
                    .call(Command::Fail, &mut Fail { system, device });
            }
        }
        true
    }

    /// Hands an operation to the thread that runs it.
    fn start(&mut self, program: &Program, step: &Step, number: u16) -> Place {
        let (proc, request) = match Self::prepare(&self.slots, program, step.op, number) {
            Ok(ready) => ready,
            Err(outcome) => return Place::Over(outcome),
        };
        match step.op {
            Op::Fork { .. } => self.clear(request.slot.into()),
            Op::Exit { .. } => return self.exit(proc),
            _ => {}
        }
        self.worker.shared.channels[proc][usize::from(step.thread)].request(request);
        Place::Thread(proc, step.thread.into())
    }

    /// Which process an operation works on, and the request for it; or the outcome, where there is
    /// nothing to do.
    fn prepare(
        slots: &Slots,
        program: &Program,
        op: Op,
        number: u16,
    ) -> Result<(usize, Request), Outcome> {
        let taken = |held: &[Option<()>], name: u8| resolve(held, name.into());
        let needed = match op {
            Op::Pages { migration, .. } | Op::Finalize { migration } => {
                Some(taken(&slots.migrations, migration.get()))
            }
            Op::Put { held } => Some(taken(&slots.refs, held.get())),
            Op::Unlock { lock } => Some(taken(&slots.locks, lock.get())),
            Op::Fork { .. } => Some(free_slot(&slots.procs)),
            Op::Setup { .. } => Some(free_slot(&slots.migrations)),
            op if op.is_gup() => Some(free_slot(&slots.refs)),
            Op::Hold { .. } => Some(free_slot(&slots.refs)),
            Op::Lock { .. } => Some(free_slot(&slots.locks)),
            // the plan has what it asks for
            Op::Fail { .. } => return Err(Outcome::Done),
            _ => None,
        };
        let slot = needed.map_or(Ok(0), |slot| slot.ok_or(Outcome::Nothing))?;
        let proc = op
            .proc()
            .map(|name| resolve(&slots.procs, name.get().into()));
        let proc = proc.map_or(Ok(SERVICE), |slot| slot.ok_or(Outcome::Nothing))?;
        let request = Request {
            kind: op.kind().number(),
            operands: op.operand_bytes(),
            slot: slot as u8,
            threads: program.threads,
            word: u64::from(number) + 1,
        };
        Ok((proc, request))
    }

    fn exit(&mut self, proc: usize) -> Place {
        let Some(child) = self.slots.procs[proc].take() else {
            return Place::Over(Outcome::Nothing);
        };
        self.clean &= proc != 0;
        // Its userfaultfd stays open a little longer: the end of one takes mmap_lock for writing, and
        // would wait for migrations that are held open.
        // SAFETY: a process of ours. It ends where it is; its memory goes like that of any other.
        unsafe {
            let uffd = libc::syscall(libc::SYS_pidfd_getfd, child.pidfd, UFFD_NUMBER, 0) as i32;
            self.uffds.extend((uffd >= 0).then_some(uffd));
            libc::kill(child.pid, libc::SIGKILL);
        }
        Place::Exit(child)
    }

    /// The end of an operation, if it comes in time; what it has made is noted.
    fn finish(
        &mut self,
        program: &Program,
        pending: Pending,
        timeout: Duration,
    ) -> Option<Outcome> {
        let (proc, thread) = match pending.at {
            Place::Over(outcome) => return Some(outcome),
            Place::Exit(child) => {
                return child.ended(timeout).then(|| {
                    child.forget();
                    Outcome::Done
                });
            }
            Place::Thread(proc, thread) => (proc, thread),
        };
        let response = self.worker.shared.channels[proc][thread].response(timeout)?;
        let op = program.ops[usize::from(pending.step)].op;
        Some(self.note(op, response))
    }

    fn note(&mut self, op: Op, response: Response) -> Outcome {
        let outcome = response.outcome;
        match (op, outcome) {
            (Op::Fork { .. }, Outcome::Child(slot)) => {
                self.slots.procs[usize::from(slot)] = Some(Child::new(response.pid))
            }
            (Op::Setup { .. }, Outcome::Slot(slot)) => {
                self.slots.migrations[usize::from(slot)] = response.open.then_some(())
            }
            (op, Outcome::Slot(slot)) if op.is_gup() => self.keep(slot.into(), false),
            (Op::Hold { .. }, Outcome::Done) => {
                if let Some(slot) = free_slot(&self.slots.refs) {
                    self.keep(slot, true);
                    return Outcome::Slot(slot as u8);
                }
            }
            (Op::Lock { .. }, Outcome::Slot(slot)) => {
                self.slots.locks[usize::from(slot)] = Some(())
            }
            (Op::Pages { migration, .. } | Op::Finalize { migration }, Outcome::Done) => {
                if let Some(slot) = resolve(&self.slots.migrations, migration.get().into())
                    && !response.open
                {
                    self.slots.migrations[slot] = None;
                }
            }
            (Op::Put { held }, Outcome::Done) => {
                if let Some(slot) = resolve(&self.slots.refs, held.get().into()) {
                    self.slots.refs[slot] = None;
                }
            }
            (Op::Unlock { lock }, Outcome::Done) => {
                if let Some(slot) = resolve(&self.slots.locks, lock.get().into()) {
                    self.slots.locks[slot] = None;
                }
            }
            _ => {}
        }
        outcome
    }

    const fn keep(&mut self, slot: usize, walker: bool) {
        self.slots.refs[slot] = Some(());
        self.slots.walkers[slot] = walker;
    }

    fn crash(&self, crash: Crash) {
        match crash {
            Crash::Panic => {
                let _ = std::fs::write("/proc/sysrq-trigger", "c");
            }
            Crash::Warn => {
                let _ = self.worker.driver.call(Command::Warn, &mut ());
            }
            Crash::Hang => loop {
                std::hint::spin_loop();
            },
        }
    }

    fn slot_command(&self, command: Command, slot: usize) -> driver::Slot {
        let mut argument = driver::Slot {
            slot: slot as u32,
            ..driver::Slot::default()
        };
        let _ = self.worker.driver.call(command, &mut argument);
        argument
    }

    fn release_locks(&mut self) {
        for slot in 0..self.slots.locks.len() {
            if self.slots.locks[slot].take().is_some() {
                self.slot_command(Command::Unlock, slot);
            }
        }
    }

    fn release_walkers(&mut self) {
        for slot in 0..self.slots.refs.len() {
            if self.slots.walkers[slot] && self.slots.refs[slot].take().is_some() {
                self.slot_command(Command::Put, slot);
            }
        }
    }

    /// Lets an open migration go on; false if it does not come to its next gate.
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

    fn observe(&self) -> Event {
        let mut processes = Vec::new();
        let live = self.slots.procs.iter().enumerate();
        for (slot, child) in live.filter_map(|(slot, child)| Some((slot, (*child)?))) {
            let mut entries = [driver::Entry::default(); WINDOW as usize];
            let mut sums = Observe::default();
            if !self.worker.observe(child.pid, &mut sums, &mut entries) {
                return Event::NotSeen;
            }
            processes.push(process_of(slot, &sums, &entries));
        }
        Event::Seen(processes)
    }

    /// Ends everything. False if something does not end.
    fn end(&mut self) -> bool {
        self.reset(0);
        for uffd in self.uffds.drain(..) {
            // SAFETY: ours, and closed once.
            unsafe { libc::close(uffd) };
        }
        self.slots.refs = [None; 8];
        self.slots.locks = [None; 8];
        self.slots.migrations = [None; MAX_WORKERS];
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
            ended &= child.kill();
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
                ended &= first.kill();
            }
        }
        ended
    }
}

fn process_of(slot: usize, sums: &Observe, entries: &[driver::Entry]) -> Process {
    let mapped = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.kind != 0);
    Process {
        slot: slot as u8,
        entries: mapped
            .map(|(page, entry)| (page as u8, entry_of(entry)))
            .collect(),
        anon_rss: sums.anon_rss,
        swap_ents: 0,
        areas: sums.areas as u32,
    }
}

fn entry_of(entry: &driver::Entry) -> Entry {
    let kind = KINDS
        .get(usize::from(entry.kind) - 1)
        .copied()
        .unwrap_or(Kind::Other);
    let identity = if entry.device > 0 {
        entry.frame.into()
    } else {
        entry.pfn
    };
    Entry {
        kind,
        device: entry.device,
        flags: entry.pte,
        page: entry.page,
        refs: entry.refs,
        maps: entry.maps,
        identity,
        index: (entry.index as i64).wrapping_sub((window() >> 12) as i64),
        word: entry.word,
    }
}
