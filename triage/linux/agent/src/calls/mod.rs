//! Runs programs of plain system calls, and asks the ledger after each call.
//!
//! Each program runs in a process of its own, with a second one after `fork`. The two and the agent
//! share the ledger and the results, and take turns: in an even turn one process makes its call, in
//! the odd turn after it the other one looks at its pages. So nothing runs side by side, and a
//! program does the same in every run.

mod attic;
mod counters;
mod kernel;
mod words;

use crate::cover::{Cover, Trace};
use crate::system;
use crate::words::Words;
use attic::Attic;
use counters::Counters;
use kernel::{Counted, Kernel};
use mm_linux_calls::{
    Access, Advice, Breach, BreachKind, Call, CallsJob, CallsReply, Ledger, MAX_STEPS, PAGES,
    PROCESSES, Program, Shown,
};
use mm_linux_protocol::{receive, send};
use std::cell::UnsafeCell;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a process that was killed may take to end.
const END: Duration = Duration::from_secs(4);

/// What the processes of a program share.
struct Shared {
    kept: AtomicU32,
    /// Twice the number of the step, plus one while the other process looks.
    turn: AtomicU32,
    results: [AtomicI32; MAX_STEPS],
    pids: [AtomicI32; PROCESSES],
    passed_over: AtomicU32,
    ended: AtomicU32,
    /// Written by the process whose turn it is.
    board: UnsafeCell<Board>,
}

struct Board {
    breach: Option<Breach>,
    ledger: Ledger,
}

// SAFETY: the processes take turns; see `Shared::turn`.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> io::Result<&'static Self> {
        let memory = system::shared::<Self>()?;
        // SAFETY: new memory, for which all zeros are valid: integers, flags, and `None`, which
        // `begin` writes anew. Each page is touched now, because a counter counts them.
        unsafe {
            memory.cast::<u8>().write_bytes(0, size_of::<Self>());
            Ok(&*memory)
        }
    }

    /// The board, for the process whose turn it is.
    #[allow(clippy::mut_from_ref)]
    fn board(&self) -> &mut Board {
        // SAFETY: only one process has its turn.
        unsafe { &mut *self.board.get() }
    }

    /// Waits a little, or until the turn is no longer `now`.
    fn rest(&self, now: u32) {
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        // SAFETY: waits on our word; a wake-up that is missed costs the time.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                &raw const self.turn,
                libc::FUTEX_WAIT,
                now,
                &raw const time,
            )
        };
    }

    fn pass(&self, turn: u32) {
        self.turn.store(turn, Ordering::SeqCst);
        // SAFETY: wakes those that wait on our word.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                &raw const self.turn,
                libc::FUTEX_WAKE,
                i32::MAX,
            )
        };
    }

    fn begin(&self, program: &Program) {
        let board = self.board();
        board.breach = None;
        board.ledger.reset(program.wp_async);
        self.turn.store(0, Ordering::SeqCst);
        self.ended.store(0, Ordering::SeqCst);
        self.passed_over.store(0, Ordering::SeqCst);
        self.pids
            .iter()
            .for_each(|pid| pid.store(0, Ordering::SeqCst));
        self.results
            .iter()
            .for_each(|result| result.store(0, Ordering::SeqCst));
    }
}

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
}

impl Process<'_> {
    /// Notes a breach. If the breach is known, the ledger gives up what it claims of the page
    /// instead.
    fn note(&self, step: usize, page: usize, (kind, got, wanted): Shown) {
        let board = self.shared.board();
        let steps = &self.job.program.steps;
        let call = steps.get(step).map_or("end", |step| step.call.name());
        let mut known = self.job.known.iter();
        if known.any(|(known, at)| *known == kind && at == call) {
            // a breach of accounting concerns the process and no page, so there is no page to
            // forgive
            if kind != BreachKind::Accounting {
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

    /// Looks at all pages of this process.
    fn look(&mut self, step: usize) {
        let named = self.shared.board().ledger.named();
        let mut entries = [0; PAGES as usize];
        let entries = &mut entries[named.clone()];
        if named.is_empty() || !self.kernel.pagemap(named.start, entries) {
            return;
        }
        let is_sole = |&(page, ref entry): &(usize, &mut u64)| {
            self.shared.board().ledger.is_sole(self.me, page, **entry)
        };
        let sole = named.clone().zip(entries.iter_mut()).find(is_sole);
        if let Some((page, entry)) = sole
            && self.kernel.flags(*entry) & (kernel::ZERO_PAGE | kernel::KSM_PAGE) == 0
        {
            self.note(step, page, (BreachKind::NotExclusive, *entry, 1 << 56));
        }
        let mut locked = named.clone().zip(entries.iter());
        let gone = locked.find(|(page, entry)| {
            let board = self.shared.board();
            board.ledger.is_resident(self.me, *page, **entry)
                && (self.kernel.mincore(*page, 1)).is_some_and(|resident| resident[0] & 1 == 0)
        });
        if let Some((page, entry)) = gone {
            self.note(step, page, (BreachKind::NotLocked, *entry, 1));
        }
        for (page, entry) in named.clone().zip(entries.iter()) {
            let is_unmerged = self
                .shared
                .board()
                .ledger
                .is_unmerged(self.me, page, *entry);
            if is_unmerged && self.kernel.flags(*entry) & kernel::KSM_PAGE != 0 {
                self.note(step, page, (BreachKind::Merged, *entry, 0));
                break;
            }
        }
        for (page, entry) in named.zip(entries) {
            let shown = self
                .shared
                .board()
                .ledger
                .check_shown(self.me, page, *entry);
            if let Some(shown) = shown {
                self.note(step, page, shown);
            }
        }
    }

    /// Looks whether pinned pages contain what the process sees.
    fn look_at_pins(&mut self, step: usize) {
        let pinned = self.shared.board().ledger.pinned();
        let Some((_, range)) = pinned.filter(|(process, _)| *process == self.me) else {
            return;
        };
        let Some(words) = self.kernel.pinned(range.len) else {
            return;
        };
        for (page, got) in range.pages().zip(words) {
            let wanted = self.shared.board().ledger.pinned_word(self.me, page);
            if let Some(wanted) = wanted.filter(|wanted| *wanted != got) {
                self.note(step, page, (BreachKind::Pinned, got, wanted));
            }
        }
    }

    /// Looks whether mincore and pagemap agree.
    fn look_at_mincore(&mut self, step: usize) {
        let named = self.shared.board().ledger.named();
        let mut entries = vec![0; named.len()];
        if named.is_empty() || !self.kernel.pagemap(named.start, &mut entries) {
            return;
        }
        let pages: Vec<usize> = named.clone().collect();
        let is_plain = |page: &usize| self.shared.board().ledger.is_plain(self.me, *page);
        let runs: Vec<_> = pages
            .chunk_by(|a, b| is_plain(a) == is_plain(b))
            .filter(|run| is_plain(&run[0]))
            .map(|run| (run[0], run.len()))
            .collect();
        for (first, len) in runs {
            let Some(resident) = self.kernel.mincore(first, len) else {
                continue;
            };
            for (page, resident) in (first..).zip(resident) {
                let entry = entries[page - named.start];
                let is_empty = entry & (0b111 << 61) == 0;
                let is_present = entry & kernel::PRESENT != 0;
                if is_present && resident & 1 == 0 || is_empty && resident & 1 != 0 {
                    self.note(step, page, (BreachKind::Mincore, entry, resident.into()));
                }
            }
        }
    }

    /// Looks whether a call has populated its range, as it says.
    fn look_for_pages(&mut self, step: usize, call: &Call, result: i32) {
        let range = match *call {
            Call::Advise(range, Advice::PopulateRead | Advice::PopulateWrite)
            | Call::Lock {
                range,
                on_fault: false,
            } if result == 0 => range,
            _ => return,
        };
        let mut entries = [0; PAGES as usize];
        let entries = &mut entries[..usize::from(range.len)];
        if !self.kernel.pagemap(range.first.into(), entries) {
            return;
        }
        for (page, entry) in range.pages().zip(entries) {
            let board = self.shared.board();
            // mlock leaves pages out that it may not access
            let readable = board.ledger.access(self.me, page, false) == Access::Allowed;
            let shown = board.ledger.check_populated(self.me, page, *entry);
            if let Some(shown) = shown.filter(|_| readable) {
                self.note(step, page, shown);
            }
        }
    }

    /// Looks at the contents and, if the job asks for it, at what the process is charged for.
    fn look_closely(&mut self, step: usize) {
        if self.job.closely {
            self.look_at_counts(step);
        }
        self.look_at_contents(step);
    }

    fn look_at_counts(&mut self, step: usize) {
        self.look_at_mincore(step);
        let shared = self.shared;
        let me = self.me;
        let held = |kernel: &mut Kernel, range: mm_linux_calls::Range| {
            let ledger = &shared.board().ledger;
            let is_plain = range.pages().all(|page| ledger.is_plain(me, page));
            is_plain.then(|| kernel.held(range)).flatten()
        };
        match self.kernel.smaps(held) {
            Some(Counted::Miscounts {
                page,
                counted,
                held,
            }) => {
                self.note(step, page, (BreachKind::Rss, counted, held));
            }
            Some(Counted::TooMuch { page, kb, field }) => {
                self.note(step, page, (BreachKind::Smaps, kb, field as u64));
            }
            Some(Counted::Differs { field, kb, sum }) => {
                self.note(step, field, (BreachKind::Accounting, kb, sum));
            }
            None => {}
        }
    }

    fn look_at_contents(&mut self, step: usize) {
        for page in self.shared.board().ledger.named() {
            let at = page % 512;
            if self.is_over() || (24..=503).contains(&at) && page % 37 != 0 {
                continue;
            }
            let read = self.kernel.read(page);
            let shown = self
                .shared
                .board()
                .ledger
                .has_read(self.me, page, read.ok());
            if let Some(shown) = shown {
                self.note(step, page, shown);
            }
        }
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
                let is_void = !is_mine || matches!(step.call, Call::Exit) && self.me == 0;
                if !is_void {
                    self.make(at, &step.call);
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

    /// Makes a call, and tells the ledger.
    fn make(&mut self, at: usize, call: &Call) {
        let board = self.shared.board();
        let mut result = 0;
        match *call {
            Call::Write(range) | Call::MemWrite(range) => {
                board.ledger.apply(self.me, call, 0, at, 0);
                let forced = matches!(call, Call::MemWrite(_));
                for page in range.pages() {
                    let word = mm_linux_calls::Range::word(at, page);
                    let wrote = self.kernel.write(page, word, forced);
                    let ok = wrote.is_ok();
                    let shown = board.ledger.has_written(self.me, page, word, ok, forced);
                    result = wrote.err().filter(|_| result == 0).unwrap_or(result);
                    if let Some(shown) = shown {
                        self.note(at, page, shown);
                    }
                }
            }
            Call::VmWrite(range) => {
                let target = if board.ledger.is_alive(1) {
                    1 - self.me
                } else {
                    self.me
                };
                let pid = self.shared.pids[target].load(Ordering::SeqCst);
                board.ledger.apply(target, call, 0, at, 0);
                for page in range.pages() {
                    let word = mm_linux_calls::Range::word(at, page);
                    let wrote = self.kernel.write_into(pid, page, word);
                    let ok = wrote.is_ok();
                    let shown = board.ledger.has_written(target, page, word, ok, false);
                    result = wrote.err().filter(|_| result == 0).unwrap_or(result);
                    if let Some(shown) = shown {
                        self.note(at, page, shown);
                    }
                }
            }
            Call::RwProtect(range, on) => {
                let mut entries = [0; PAGES as usize];
                let entries = &mut entries[..usize::from(range.len)];
                let is_shown = self.kernel.pagemap(range.first.into(), entries);
                (result, _) = self.kernel.call(call, at);
                board.ledger.apply(self.me, call, result, at, 0);
                for (page, entry) in range.pages().zip(entries).filter(|_| on && result == 0) {
                    let was_present = is_shown && *entry & kernel::PRESENT != 0;
                    board.ledger.rw_protected(self.me, page, was_present);
                }
            }
            Call::Read(range) => {
                board.ledger.apply(self.me, call, 0, at, 0);
                for page in range.pages() {
                    let read = self.kernel.read(page);
                    let shown = board.ledger.has_read(self.me, page, read.ok());
                    result = read.err().filter(|_| result == 0).unwrap_or(result);
                    if let Some(shown) = shown {
                        self.note(at, page, shown);
                    }
                }
            }
            Call::DeviceWrite(range) => {
                result = self.kernel.device(call, at);
                board.ledger.apply(self.me, call, result, at, 0);
                let breach = board
                    .ledger
                    .device_has_written(self.me, range, at, result == 0);
                if let Some((page, shown)) = breach {
                    self.note(at, page, shown);
                }
            }
            Call::Scan { .. } => {
                board.ledger.apply(self.me, call, 0, at, 0);
                result = self.scan(at, call);
            }
            Call::Fork => {
                if board.ledger.is_alive(1) {
                    return;
                }
                // SAFETY: this process has one thread.
                match unsafe { libc::fork() } {
                    -1 => result = kernel::errno(),
                    0 => {
                        self.me = 1;
                        self.kernel.forked(trace_of(self.traces, 1));
                        while self.shared.turn.load(Ordering::SeqCst) <= 2 * at as u32 {
                            self.shared.rest(2 * at as u32);
                        }
                        self.pass(2 * at as u32 + 2);
                        self.run(at + 1);
                    }
                    pid => self.shared.pids[1].store(pid, Ordering::SeqCst),
                }
                board.ledger.apply(self.me, call, result, at, 0);
            }
            _ => {
                let done;
                (result, done) = self.kernel.call(call, at);
                board.ledger.apply(self.me, call, result, at, done);
                self.look_for_pages(at, call, result);
            }
        }
        self.shared.results[at].store(result, Ordering::SeqCst);
    }

    /// PAGEMAP_SCAN must report the pages that pagemap shows.
    fn scan(&mut self, at: usize, call: &Call) -> i32 {
        let Call::Scan {
            range,
            categories,
            protect,
            blind,
            limit,
        } = *call
        else {
            return 0;
        };
        let mut entries = [0; PAGES as usize];
        let entries = &mut entries[..usize::from(range.len)];
        let is_shown = self.kernel.pagemap(range.first.into(), entries);
        let (result, found) = self.kernel.scan(kernel::Scan {
            range,
            categories,
            protect,
            blind,
            limit,
        });
        let is_whole = found.len() == usize::from(range.len);
        if protect && (result != 0 || !is_shown || !is_whole) {
            self.shared.board().ledger.may_be_scanned(self.me, range);
        }
        if result != 0 || !is_shown {
            return result;
        }
        for (i, (page, is_found)) in range.pages().zip(found).enumerate() {
            let has = kernel::categories(entries[i]);
            let board = self.shared.board();
            let matches = categories != 0 && has & categories == categories;
            if protect {
                // a scan without a vector protects what it would report
                if is_found || blind && matches && self.job.program.wp_async {
                    board.ledger.scanned(self.me, page);
                }
            }
            if !blind
                && board.ledger.is_scanned(self.me, page, protect)
                && categories != 0
                && matches != is_found
            {
                let shown = (BreachKind::Scan, entries[i], u64::from(categories));
                self.note(at, page, shown);
            }
        }
        0
    }
}

/// Begins to trace this process.
fn trace_of(traces: &'static [Trace], process: usize) -> Option<&'static Trace> {
    traces.get(process).filter(|trace| trace.enable())
}

/// Runs programs until the host closes the port.
pub fn serve(port: &mut File, cover: Option<&'static Cover>) -> io::Result<()> {
    kernel::set_up()?;
    let shared = Shared::new()?;
    let mut words = Words::open()?;
    let traces = (0..PROCESSES).map_while(|_| cover?.open()).collect();
    let traces: &'static [Trace] = Vec::leak(traces);
    let attic: &'static Attic = Box::leak(Box::new(Attic::new(&shared.kept)?));
    let mut counters = Counters::folded();
    let mut mthp = false;
    loop {
        let job: CallsJob = receive(port)?;
        if job.program.mthp != mthp {
            mthp = job.program.mthp;
            kernel::set_sizes(mthp);
        }
        let mut reply = run(&job, shared, cover, (traces, attic), &mut counters);
        words::add(&mut words, &job, &mut reply);
        send(port, &reply)?;
    }
}

fn run(
    job: &CallsJob,
    shared: &'static Shared,
    cover: Option<&'static Cover>,
    (traces, attic): (&'static [Trace], &'static Attic),
    counters: &mut Counters,
) -> CallsReply {
    shared.begin(&job.program);
    // SAFETY: the agent has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: no arguments.
        shared.pids[0].store(unsafe { libc::getpid() }, Ordering::SeqCst);
        let mut process = Process {
            me: 0,
            job,
            shared,
            traces,
            attic,
            kernel: Kernel::new(&job.program, trace_of(traces, 0)),
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
    // a process that could not be killed still holds what the counters count
    let counted = if cannot_be_killed {
        None
    } else {
        counters.check(steps, job)
    };
    CallsReply {
        id: job.id,
        breach: breach.or(counted),
        results,
        passed_over,
        said: String::new(),
        stuck: cannot_be_killed,
        reached: cover.map(Cover::take).unwrap_or_default(),
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
