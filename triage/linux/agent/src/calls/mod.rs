//! Runs programs of plain system calls, and asks the ledger after each call.
//!
//! Each program runs in a process of its own, with a second one after `fork`. The two and the agent
//! share the ledger and the results, and take turns: in an even turn one process makes its call, in
//! the odd turn after it the other one looks at its pages. So nothing runs side by side, and a
//! program does the same in every run, unless it makes two calls at once (`beside`).

mod attic;
mod beside;
mod counters;
mod kernel;
mod look;
mod make;
mod monitor;
mod poisoned;
mod shared;
mod waiters;
mod words;

use crate::cover::{Common, Cover, Trace};
use crate::port::Port;
use crate::words::Words;
use attic::Attic;
use counters::Counters;
use kernel::Kernel;
use mm_linux_calls::{
    Breach, BreachKind, BrokenPromise, COUNTERS, Call, CallsJob, CallsReply, PROCESSES, place,
};
use shared::{AFTERWARDS, Shared};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use waiters::Waiter;

/// A program that makes two calls at once runs several times. If the job asks to look closely, the
/// agent does so in the first run, and then in every run whose number is a multiple of this.
const CLOSELY: u32 = 8;

/// How long a process that was killed may take to end.
const END: Duration = Duration::from_secs(4);

fn is_running(pid: i32) -> bool {
    // SAFETY: asks only.
    pid > 0 && unsafe { libc::kill(pid, 0) } == 0
}

/// One of the processes.
struct Process<'a> {
    me: usize,
    job: &'a CallsJob,
    shared: &'static Shared,
    kernel: Kernel,
    traces: &'static [Trace],
    attic: &'static Attic,
    /// Its threads whose access has not ended.
    waiters: Vec<Waiter>,
    /// Pages that have just been bound to a node, and that were not there before.
    fresh: Vec<usize>,
}

/// Breaches that concern a counter, a limit or a file, but no page.
const PAGELESS: [BreachKind; 7] = [
    BreachKind::Accounting,
    BreachKind::BelowZero,
    BreachKind::OverLimit,
    BreachKind::Sealed,
    BreachKind::FailedFile,
    BreachKind::StillLocked,
    BreachKind::Attaches,
];

impl Process<'_> {
    /// Notes a breach. If the breach is known, the ledger gives up what it claims of the page
    /// instead.
    fn note(&self, step: usize, page: usize, (kind, got, wanted): BrokenPromise) {
        let board = self.shared.board();
        let steps = &self.job.program.steps;
        let call = steps.get(step).map_or("end", |step| step.call.name());
        let concerns_page = !PAGELESS.contains(&kind);
        let (memory, place) = match kind {
            BreachKind::BelowZero => (0, COUNTERS[page].name.to_owned()),
            _ if concerns_page => {
                let memory = board.ledger.memory(self.me, page);
                (memory, place(call, memory))
            }
            _ => (0, call.to_owned()),
        };
        let mut known = self.job.known.iter();
        if known.any(|(known, at)| *known == kind && *at == place) {
            if concerns_page {
                board.ledger.forgive(self.me, page);
            }
            self.shared.passed_over.fetch_add(1, Ordering::SeqCst);
            return;
        }
        match &mut board.breach {
            Some(breach) => {
                let is_same = breach.kind == kind && usize::from(breach.step) == step;
                breach.count += u16::from(is_same && usize::from(breach.process) == self.me);
            }
            none => {
                *none = Some(Breach {
                    kind,
                    step: step as u16,
                    process: self.me as u8,
                    page: page as u16,
                    memory,
                    count: 1,
                    got,
                    wanted,
                });
            }
        }
    }

    fn is_over(&self) -> bool {
        self.shared.board().breach.is_some()
    }

    /// Waits for this turn. Returns false if the other process ended the program.
    fn wait(&self, turn: u32) -> bool {
        loop {
            let now = self.shared.turn.load(Ordering::SeqCst);
            if now >= turn {
                return true;
            }
            let other = self.shared.pids[1 - self.me].load(Ordering::SeqCst);
            if self.shared.ended.load(Ordering::SeqCst) != 0 || !is_running(other) {
                // the other one has died, or has ended in its turn
                let turn_now = self.shared.turn.load(Ordering::SeqCst);
                return turn_now >= turn;
            }
            self.shared.rest(now);
        }
    }

    /// Waits until the other process has ended, and its memory is gone.
    fn wait_for_end(&self) {
        let other = self.shared.pids[1 - self.me].load(Ordering::SeqCst);
        let began = Instant::now();
        while is_running(other) && began.elapsed() < END {
            wait_for(other);
        }
    }

    fn pass(&self, turn: u32) {
        self.shared.pass(turn);
    }

    /// The steps from `first`, then the end.
    fn run(&mut self, first: usize) -> ! {
        let steps = &self.job.program.steps;
        let mut at = first;
        while at < steps.len() && !self.is_over() {
            let step = steps[at];
            let turn = 2 * at as u32;
            let both = self.shared.board().ledger.is_alive(1);
            let is_mine = usize::from(step.process) == self.me;
            if is_mine || !both {
                if both && !self.wait(turn) {
                    break;
                }
                // the first of two calls waits for the turn of the second
                let waits = self.job.program.has_beside(at);
                let is_void = !is_mine || waits || matches!(step.call, Call::Exit) && self.me == 0;
                if !is_void {
                    if step.beside {
                        self.make_both(at, &steps[at - 1], &step);
                    } else {
                        self.make(at, &step);
                    }
                    self.look(at);
                    self.look_at_pins(at);
                }
                let both = self.shared.board().ledger.is_alive(1);
                self.pass(turn + 1 + u32::from(!both));
                if matches!(step.call, Call::Exit) && self.me == 1 {
                    self.leave();
                }
            } else {
                if !self.wait(turn + 1) {
                    break;
                }
                if matches!(step.call, Call::Exit) && step.process == 1 {
                    self.wait_for_end();
                }
                if self.shared.board().ledger.is_alive(self.me) {
                    self.look(at);
                }
                self.pass(turn + 2);
            }
            at += 1;
        }
        // first the child looks, then the parent
        let end = 2 * steps.len() as u32 + u32::from(self.me == 0);
        let both = self.shared.board().ledger.is_alive(1);
        if !self.is_over() && (!both || self.wait(end)) {
            self.look_closely(steps.len());
        }
        self.pass(end + 1);
        if self.is_over() {
            self.shared.ended.store(1, Ordering::SeqCst);
        }
        self.leave()
    }

    fn leave(&self) -> ! {
        if let Some(file) = self.kernel.device_file().filter(|_| !self.job.closely) {
            self.attic.keep(file, &self.shared.kept);
        }
        // SAFETY: ends this process, which shares nothing but memory with the others.
        unsafe { libc::_exit(0) }
    }
}

/// Begins to trace this process.
fn trace_of(traces: &'static [Trace], process: usize) -> Option<&'static Trace> {
    traces.get(process).filter(|trace| trace.enable())
}

/// Runs programs until the host closes the port.
pub fn serve(port: &mut Port, cover: Option<&'static Cover>) -> io::Result<()> {
    kernel::set_up()?;
    let shared = Shared::new()?;
    let mut words = Words::open()?;
    let traces = (0..PROCESSES).map_while(|_| cover?.open()).collect();
    let traces: &'static [Trace] = Vec::leak(traces);
    let attic: &'static Attic = Box::leak(Box::new(Attic::new(&shared.kept)?));
    let mut counters = Counters::folded();
    let mut headers = (false, false, false);
    let mut common = cover.map(Common::new);
    loop {
        let job: CallsJob = port.receive()?;
        let wanted = (job.program.mthp, job.program.always, job.program.zswap);
        if wanted != headers {
            headers = wanted;
            kernel::set_headers(&job.program);
        }
        let mut reply = run_all(&job, shared, (traces, attic), &mut counters);
        if let Some(common) = &mut common {
            reply.reached = common.take();
        }
        words::add(&mut words, &job, &mut reply);
        port.send(&reply)?;
    }
}

/// Runs a program as often as the job says, until there is a breach.
fn run_all(
    job: &CallsJob,
    shared: &'static Shared,
    (traces, attic): (&'static [Trace], &'static Attic),
    counters: &mut Counters,
) -> CallsReply {
    shared.share.store(AFTERWARDS, Ordering::SeqCst);
    let mut reply = run(job, shared, (traces, attic), counters);
    let tries = if job.program.makes_two_at_once() {
        job.tries
    } else {
        1
    };
    for number in 1..u32::from(tries) {
        if reply.breach.is_some() || reply.stuck {
            break;
        }
        // in the second run, the second call begins first
        let share = match number {
            1 => 0,
            _ => beside::share(job.id.wrapping_add(number)),
        };
        shared.share.store(share, Ordering::SeqCst);
        let closely = job.closely && number % CLOSELY == 0;
        let next = CallsJob {
            closely,
            ..job.clone()
        };
        let next = run(&next, shared, (traces, attic), counters);
        reply = CallsReply {
            passed_over: reply.passed_over + next.passed_over,
            runs: reply.runs + 1,
            ..next
        };
    }
    reply
}

fn run(
    job: &CallsJob,
    shared: &'static Shared,
    (traces, attic): (&'static [Trace], &'static Attic),
    counters: &mut Counters,
) -> CallsReply {
    shared.begin(&job.program);
    // SAFETY: the agent has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: no arguments.
        shared.pids[0].store(unsafe { libc::getpid() }, Ordering::SeqCst);
        kernel::join_group();
        let mut process = Process {
            me: 0,
            job,
            shared,
            traces,
            attic,
            waiters: Vec::new(),
            fresh: Vec::new(),
            kernel: Kernel::new(&job.program, shared, trace_of(traces, 0)),
        };
        process.run(0);
    }
    shared.pids[0].store(pid, Ordering::SeqCst);
    let mut breach = None;
    let stuck = !is_over(shared, Duration::from_secs(job.patience.into()), true);
    let steps = job.program.steps.len();
    let mut cannot_be_killed = false;
    if stuck {
        let step = (shared.turn.load(Ordering::SeqCst) / 2) as usize;
        for pid in &shared.pids {
            let pid = pid.load(Ordering::SeqCst);
            // SAFETY: processes of ours.
            unsafe { libc::kill(if pid > 0 { pid } else { i32::MAX }, libc::SIGKILL) };
        }
        cannot_be_killed = !is_over(shared, END, false);
        let kind = if cannot_be_killed {
            BreachKind::Unkillable
        } else {
            BreachKind::Hang
        };
        breach = Some(Breach {
            kind,
            step: step.min(steps) as u16,
            process: job.program.steps.get(step).map_or(0, |step| step.process),
            page: 0,
            memory: 0,
            count: 0,
            got: 0,
            wanted: 0,
        });
    }
    let results = shared.results.iter().take(steps);
    let results = results
        .map(|result| result.load(Ordering::SeqCst))
        .collect();
    let breach = breach.or(shared.board().breach);
    let passed_over = shared.passed_over.load(Ordering::SeqCst);
    let makes = |call| job.program.steps.iter().any(|step| step.call == call);
    if makes(Call::MapLimit) {
        kernel::free_maps();
    }
    // a process that could not be killed may still use the frames
    let is_healed = !cannot_be_killed && shared.poisoned.heal();
    if is_healed || makes(Call::HugetlbLimit) {
        kernel::free_hugetlb();
    }
    // a process that could not be killed still holds what the counters count
    let counted = if cannot_be_killed {
        None
    } else {
        counters.check(steps, job, is_healed)
    };
    CallsReply {
        id: job.id,
        breach: breach.or(counted),
        results,
        passed_over,
        said: String::new(),
        runs: 1,
        stuck: cannot_be_killed,
        reached: Vec::new(),
    }
}

/// Waits until all processes have ended. Returns false if they have not within `patience`.
/// `by_turn` restarts the time limit with each turn.
fn is_over(shared: &Shared, patience: Duration, by_turn: bool) -> bool {
    let (mut began, mut last) = (Instant::now(), 0);
    loop {
        let mut pids = shared.pids.iter().map(|pid| pid.load(Ordering::SeqCst));
        let Some(running) = pids.find(|pid| is_running(*pid)) else {
            return true;
        };
        let turn = shared.turn.load(Ordering::SeqCst);
        if by_turn && turn != last {
            (began, last) = (Instant::now(), turn);
        }
        if began.elapsed() > patience {
            return false;
        }
        wait_for(running);
    }
}

/// Waits a little, or until the process has ended.
fn wait_for(pid: i32) {
    // SAFETY: a file of our own.
    unsafe {
        let file = libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32;
        if file < 0 {
            // it is just ending
            libc::sched_yield();
            return;
        }
        let mut ends = libc::pollfd {
            fd: file,
            events: libc::POLLIN,
            revents: 0,
        };
        libc::poll(&raw mut ends, 1, 50);
        libc::close(file);
    }
}
