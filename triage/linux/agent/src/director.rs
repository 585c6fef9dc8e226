//! Carries out a job: starts operations in the order of its plan, and looks at the processes.

use crate::channel::{Channel, PROCS, Request, Response, THREADS};
use crate::driver::{self, Command, Driver, Fail, Observe, Reset};
use crate::worker::{UFFD_NUMBER, Worker, window};
use mm_fuzz::exec::{MAX_PROCS, MAX_WORKERS, free_slot, resolve};
use mm_fuzz::program::{self, Op, Program, Step, wire};
use mm_linux_protocol::{Action, Entry, Event, Job, Kind, Outcome, Process, Reply, WINDOW};
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

/// Runs jobs, one after the other.
#[derive(Debug)]
pub struct Director {
    worker: Worker,
    procs: [Option<Child>; MAX_PROCS],
    refs: [Option<()>; 8],
    walkers: [bool; 8],
    locks: [Option<()>; 8],
    migrations: [Option<()>; MAX_WORKERS],
    pending: Vec<Pending>,
    /// The userfaultfds of processes that exited.
    uffds: Vec<i32>,
    /// The first process is left over from the last job.
    clean: bool,
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
    pub fn new(channels: &'static [[Channel; THREADS]; PROCS], driver: &'static Driver) -> Self {
        let mut director = Self {
            worker: Worker { channels, driver },
            procs: [None; MAX_PROCS],
            refs: [None; 8],
            walkers: [false; 8],
            locks: [None; 8],
            migrations: [None; MAX_WORKERS],
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
        self.worker.channels[slot].iter().for_each(Channel::clear);
    }

    /// Runs a job.
    pub fn run(&mut self, job: &Job) -> Reply {
        let program = wire::decode(&job.program);
        self.begin(&program, job.device_frames);
        let mut events = Vec::with_capacity(job.plan.len());
        for (i, action) in job.plan.iter().enumerate() {
            let next = job.plan.get(i + 1).copied();
            if !self.act(&program, *action, next, &mut events) {
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
            if let Some(old) = self.procs[0].take() {
                old.kill();
            }
            self.procs[0] = Some(self.spawn(0, program.threads));
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
        const NOTHING: Place = Place::Over(Outcome::Nothing);
        let op = step.op;
        let mut request = Request {
            kind: op.kind().number(),
            operands: op.operand_bytes(),
            threads: program.threads,
            word: u64::from(number) + 1,
            ..Request::default()
        };
        let taken = |slots: &[Option<()>], name: u8| resolve(slots, name.into());
        let needed = match op {
            Op::Pages { migration, .. } | Op::Finalize { migration } => {
                Some(taken(&self.migrations, migration.get()))
            }
            Op::Put { held } => Some(taken(&self.refs, held.get())),
            Op::Unlock { lock } => Some(taken(&self.locks, lock.get())),
            Op::Fork { .. } => Some(free_slot(&self.procs)),
            Op::Setup { .. } => Some(free_slot(&self.migrations)),
            Op::Get { .. } | Op::Pin { .. } | Op::Hold { .. } => Some(free_slot(&self.refs)),
            Op::Lock { .. } => Some(free_slot(&self.locks)),
            _ => None,
        };
        match needed {
            Some(None) => return NOTHING,
            Some(Some(slot)) => request.slot = slot as u8,
            None => {}
        }
        let proc = match op
            .proc()
            .map(|name| resolve(&self.procs, name.get().into()))
        {
            Some(None) => return NOTHING,
            Some(Some(slot)) => slot,
            None => SERVICE,
        };
        match op {
            Op::Fail { .. } => return Place::Over(Outcome::Done),
            Op::Fork { .. } => self.clear(request.slot.into()),
            Op::Exit { .. } => return self.exit(proc),
            _ => {}
        }
        self.worker.channels[proc][usize::from(step.thread)].request(request);
        Place::Thread(proc, step.thread.into())
    }

    fn exit(&mut self, proc: usize) -> Place {
        let Some(child) = self.procs[proc].take() else {
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
        let response = self.worker.channels[proc][thread].response(timeout)?;
        let op = program.ops[usize::from(pending.step)].op;
        Some(self.note(op, response))
    }

    fn note(&mut self, op: Op, response: Response) -> Outcome {
        let outcome = response.outcome;
        match (op, outcome) {
            (Op::Fork { .. }, Outcome::Child(slot)) => {
                self.procs[usize::from(slot)] = Some(Child::new(response.pid))
            }
            (Op::Setup { .. }, Outcome::Slot(slot)) => {
                self.migrations[usize::from(slot)] = response.open.then_some(())
            }
            (Op::Get { .. } | Op::Pin { .. }, Outcome::Slot(slot)) => self.keep(slot.into(), false),
            (Op::Hold { .. }, Outcome::Done) => {
                if let Some(slot) = free_slot(&self.refs) {
                    self.keep(slot, true);
                    return Outcome::Slot(slot as u8);
                }
            }
            (Op::Lock { .. }, Outcome::Slot(slot)) => self.locks[usize::from(slot)] = Some(()),
            (Op::Pages { migration, .. } | Op::Finalize { migration }, Outcome::Done) => {
                if let Some(slot) = resolve(&self.migrations, migration.get().into())
                    && !response.open
                {
                    self.migrations[slot] = None;
                }
            }
            (Op::Put { held }, Outcome::Done) => {
                if let Some(slot) = resolve(&self.refs, held.get().into()) {
                    self.refs[slot] = None;
                }
            }
            (Op::Unlock { lock }, Outcome::Done) => {
                if let Some(slot) = resolve(&self.locks, lock.get().into()) {
                    self.locks[slot] = None;
                }
            }
            _ => {}
        }
        outcome
    }

    const fn keep(&mut self, slot: usize, walker: bool) {
        self.refs[slot] = Some(());
        self.walkers[slot] = walker;
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
        for slot in 0..self.locks.len() {
            if self.locks[slot].take().is_some() {
                self.slot_command(Command::Unlock, slot);
            }
        }
    }

    fn release_walkers(&mut self) {
        for slot in 0..self.refs.len() {
            if self.walkers[slot] && self.refs[slot].take().is_some() {
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
        let channel = &self.worker.channels[SERVICE][0];
        channel.request(request);
        let Some(response) = channel.response(PATIENCE) else {
            return false;
        };
        self.migrations[slot] = response.open.then_some(());
        true
    }

    fn observe(&self) -> Event {
        let mut processes = Vec::new();
        let live = self.procs.iter().enumerate();
        for (slot, child) in live.filter_map(|(slot, child)| Some((slot, (*child)?))) {
            let mut entries = [driver::Entry::default(); WINDOW as usize];
            let mut argument = Observe {
                pid: child.pid as u32,
                len: WINDOW,
                addr: window(),
                entries: entries.as_mut_ptr() as u64,
                ..Observe::default()
            };
            if self
                .worker
                .driver
                .call(Command::Observe, &mut argument)
                .is_err()
            {
                return Event::NotSeen;
            }
            let mapped = entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| entry.kind != 0);
            processes.push(Process {
                slot: slot as u8,
                entries: mapped
                    .map(|(page, entry)| (page as u8, entry_of(entry)))
                    .collect(),
                anon_rss: argument.anon_rss,
                areas: argument.areas as u32,
            });
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
        self.refs = [None; 8];
        self.locks = [None; 8];
        self.migrations = [None; MAX_WORKERS];
        let pending = std::mem::take(&mut self.pending);
        let mut ended = true;
        for pending in pending {
            match pending.at {
                Place::Thread(SERVICE, thread) => {
                    ended &= self.worker.channels[SERVICE][thread]
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
        let first = self.clean.then(|| self.procs[0].take()).flatten();
        for child in self.procs.iter_mut().filter_map(Option::take) {
            ended &= child.kill();
        }
        if let Some(first) = first {
            let channel = &self.worker.channels[0][0];
            channel.request(Request {
                kind: Request::CLEAN,
                ..Request::default()
            });
            self.clean = channel.response(PATIENCE).is_some();
            if self.clean {
                self.procs[0] = Some(first);
            } else {
                ended &= first.kill();
            }
        }
        ended
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
