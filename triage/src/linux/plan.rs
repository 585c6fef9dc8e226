//! Plans a program for the guest: one run of the model says what the guest is to do and what to
//! expect.

use super::frees::Frees;
use super::observe;
use super::places::{self, Points};
use super::schedule;
use mm_core::{AllocKind, Event, Lock, MmId, Rules, State, TaskId, Wait};
use mm_fuzz::describe;
use mm_fuzz::exec::{
    Executor, FIRST_WORKER, MAX_PROCS, MAX_WORKERS, Observer, Outcome, Released, Verdict,
};
use mm_fuzz::program::{Geometry, Op, Program, Step, Thp, wire};
use mm_fuzz::window::Window;
use mm_linux_protocol::{ALLOC_KINDS, Action, Hint, Job, MAX_STOPS, SeenProcess, Stop};
use std::collections::{BTreeMap, BTreeSet};

/// A program that is ready for the guest.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the guest is sent.
    pub job: Job,
    /// What the model says for each `End` and each `Observe` of the job, in order.
    pub expected: Vec<Expected>,
    /// The number of pages of the guest that a page of the program stands for.
    pub unit: u64,
    /// For each operation that is stopped, its number, and a text with its name and the names of
    /// the scheduling points.
    pub stops: Vec<(u16, String)>,
}

impl Plan {
    /// The name of an operation, and the scheduling points at which it is stopped.
    pub fn stopped_in(&self, step: u16) -> String {
        let stops = self.stops.iter().filter(|(number, _)| *number == step);
        let stops: Vec<_> = stops.map(|(_, name)| name.as_str()).collect();
        stops.join(" ")
    }
}

/// What the model expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The operation with this number ends with this outcome.
    End(u16, Outcome),
    /// The state of the processes after the operation with this number.
    Seen(u16, Vec<SeenProcess>),
}

/// Why a real kernel cannot run a program in the way that the model does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Linux cannot stop an operation at this scheduling point, for this reason.
    Place(String, &'static str),
    /// An operation is preempted at a point that it does not pass with the page tables of x86-64.
    Geometry,
    /// An operation is preempted more often than the driver can stop it.
    Stops,
    /// The model runs out of its few frames; Linux has more.
    OutOfMemory,
    /// An allocation fails, and the plan could not say in which operation, or in which attempt, it
    /// fails. The operation is one that is stopped, that runs beside another operation, that waits
    /// for a held migration which allocates too, or that retries until a reference is dropped.
    FailureAside,
    /// A process exits while another operation runs.
    ExitWhileBusy,
    /// An operation takes an `mmap_lock` for reading while a writer waits for it.
    QueuedWriter,
    /// A page of a device leaves an mlocked VMA, and then a page of that device outside of mlocked
    /// VMAs is freed. Linux frees the first page late, when it drains the batch of such pages. From
    /// then on the device hands out its frames in another order.
    LockedDevicePage,
    /// Two operations are woken at once, or a migration wakes one and goes on itself, and the
    /// outcome depends on which runs first.
    Order,
    /// An operation ends without `mmap_lock` while `fork` or `clear-soft-dirty` is stopped. These
    /// hold `mmap_lock` and write-protect the agent's own pages too, so the thread that runs the
    /// operation may fault, and then it waits.
    AgentFaults,
    /// Faults map huge pages, and the judge cannot do this in such a program.
    HugePages(&'static str),
    /// The model has a finding.
    Finding(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Place(site, why) => write!(f, "it preempts a thread in {site}: {why}"),
            Self::Geometry => f.write_str("its schedule needs the tables of the tiny geometry"),
            Self::Stops => write!(f, "it preempts an operation more than {MAX_STOPS} times"),
            Self::OutOfMemory => f.write_str("the model runs out of frames"),
            Self::FailureAside => f.write_str(
                "an allocation fails while another operation runs, or in an operation that is retried",
            ),
            Self::ExitWhileBusy => f.write_str("a process exits while another operation runs"),
            Self::QueuedWriter => {
                f.write_str("an operation overtakes a writer that waits for mmap_lock")
            }
            Self::LockedDevicePage => f.write_str(
                "a device page is freed after a page that left an mlocked VMA; Linux frees that earlier page late, when it drains a batch",
            ),
            Self::Order => {
                f.write_str("two operations are woken at once, and either may run first")
            }
            Self::AgentFaults => f.write_str(
                "an operation ends while a fork or clear-soft-dirty is stopped, and the agent would fault",
            ),
            Self::HugePages(what) => write!(f, "its faults map huge pages, and it {what}"),
            Self::Finding(signature) => write!(f, "the model has a finding: {signature}"),
        }
    }
}

/// Plans a program. If a page-table allocation fails in it, the model runs it with the page tables
/// of x86-64, which are those of the guest.
///
/// # Errors
///
/// Why the guest cannot carry it out.
pub fn plan(id: u32, program: &Program, executor: &mut Executor) -> Result<Plan, Refusal> {
    plan_watched(id, program, executor, &mut ())
}

/// Plans a program like [`plan`], and lets `watch` observe the model's run. If the program has to
/// run again with the page tables of x86-64, `watch` observes both runs.
///
/// # Errors
///
/// Why it cannot be carried out.
pub fn plan_watched(
    id: u32,
    program: &Program,
    executor: &mut Executor,
    watch: &mut dyn Observer,
) -> Result<Plan, Refusal> {
    if let Some(what) = not_with_huge_pages(program) {
        return Err(Refusal::HugePages(what));
    }
    if !program.preemptions.is_empty() {
        let program = schedule::on_x86_64(program, executor).ok_or(Refusal::Geometry)?;
        return plan_in_geometry(id, &program, executor, watch);
    }
    let planned = plan_in_geometry(id, program, executor, watch);
    if program.geometry == Geometry::Tiny
        && planned.as_ref().is_ok_and(|plan| refuses_table(&plan.job))
    {
        let program = Program {
            geometry: Geometry::X86_64,
            ..program.clone()
        };
        return plan_in_geometry(id, &program, executor, watch);
    }
    planned
}

/// What the program does that the judge cannot do in a program with huge pages.
fn not_with_huge_pages(program: &Program) -> Option<&'static str> {
    if program.thp == Thp::Never {
        return None;
    }
    if program.geometry != Geometry::Tiny {
        return Some("has the tables of x86-64, in which no huge page fits into the window");
    }
    if !program.preemptions.is_empty() {
        return Some("preempts");
    }
    let mut ops = program.ops.iter();
    ops.find_map(|step| fits_huge_pages(&step.op).err())
}

/// Whether the judge can do an operation in a program with huge pages.
///
/// # Errors
///
/// What the operation does that the judge cannot do.
pub const fn fits_huge_pages(op: &Op) -> Result<(), &'static str> {
    match op {
        Op::Fail { .. } => Err("makes an allocation fail"),
        Op::Evict { .. } => Err("evicts frames by number"),
        Op::Snapshot { .. } => Err("takes a snapshot for a device"),
        _ => Ok(()),
    }
}

fn refuses_table(job: &Job) -> bool {
    let table = AllocKind::PageTable as usize;
    let refuses = |action: &Action| matches!(action, Action::Fail(fail) if fail[table] > 0);
    job.plan.iter().any(refuses)
}

fn plan_in_geometry(
    id: u32,
    program: &Program,
    executor: &mut Executor,
    watch: &mut dyn Observer,
) -> Result<Plan, Refusal> {
    let mut recorder = Recorder {
        watch,
        program,
        plan: Vec::new(),
        hints: Vec::new(),
        expected: Vec::new(),
        running: BTreeSet::new(),
        mms: [None; MAX_PROCS],
        failures: 0,
        armed: [0; ALLOC_KINDS],
        left: [0; ALLOC_KINDS],
        beside: false,
        refusal: None,
        frees: Frees::default(),
        waits: Vec::new(),
        went_on: None,
        current: 0,
        preempted: None,
        stopped: BTreeSet::new(),
        took_mmap_lock: BTreeSet::new(),
        stops: BTreeMap::new(),
        points: BTreeMap::new(),
    };
    executor.observe_points(!program.preemptions.is_empty());
    let verdict = executor.run_observed(program, &mut recorder);
    executor.observe_points(false);
    if let Verdict::Finding(finding) = verdict {
        recorder
            .refusal
            .get_or_insert(Refusal::Finding(finding.signature()));
    }
    if let Some(refusal) = recorder.refusal {
        return Err(refusal);
    }
    let stops = recorder.stops()?;
    let names = recorder.stop_names();
    let ended = |action: &Action| !matches!(action, Action::RunMigration(_));
    let last = recorder
        .plan
        .iter()
        .rposition(ended)
        .map_or(0, |last| last + 1);
    recorder.plan.truncate(last);
    let unit = Window::in_guest(program).scale();
    let job = Job {
        hints: recorder.hints,
        stops,
        closely: false,
        id,
        program: wire::encode(program),
        plan: recorder.plan,
        device_frames: match program.geometry {
            Geometry::Tiny => mm_core::Geometry::TINY.device_frames() * unit as u32,
            Geometry::X86_64 => 0,
        },
    };
    Ok(Plan {
        job,
        expected: recorder.expected,
        unit,
        stops: names,
    })
}

struct Recorder<'p> {
    /// Another observer of the same run.
    watch: &'p mut dyn Observer,
    program: &'p Program,
    plan: Vec<Action>,
    hints: Vec<(u16, Hint)>,
    expected: Vec<Expected>,
    running: BTreeSet<usize>,
    mms: [Option<MmId>; MAX_PROCS],
    failures: u32,
    /// The failures that were armed when the running operation started.
    armed: [u32; ALLOC_KINDS],
    /// Those that were armed after the last slice.
    left: [u32; ALLOC_KINDS],
    /// Since the operation started, a held migration went on and made an allocation of a kind that
    /// is armed to fail. Device pages do not count, because the driver allocates them, not the
    /// kernel.
    beside: bool,
    refusal: Option<Refusal>,
    /// The order in which device pages are freed.
    frees: Frees,
    /// What each task waited for after the last slice.
    waits: Vec<Option<Wait>>,
    /// The held migration that the executor has just let go on.
    went_on: Option<usize>,
    /// The operation of the last slice.
    current: usize,
    /// The operation that was preempted at the end of the last slice.
    preempted: Option<usize>,
    /// The operations that are preempted.
    stopped: BTreeSet<usize>,
    /// The running operations that have taken an `mmap_lock`.
    took_mmap_lock: BTreeSet<usize>,
    /// The points at which each operation was preempted: indices of its points.
    stops: BTreeMap<usize, Vec<usize>>,
    /// The scheduling points of each operation, if the program preempts any.
    points: BTreeMap<usize, Points>,
}

impl Recorder<'_> {
    /// The outcome as the guest sees it: in pages of the guest, and before 7.3, any failure of a
    /// device's fault is -EFAULT.
    fn seen_as(&self, op: Op, outcome: Outcome, rules: &Rules) -> Outcome {
        let unit = Window::in_guest(self.program).scale() as u32;
        match (op, outcome) {
            (Op::DevRead { .. } | Op::DevWrite { .. }, Outcome::Enomem) if !rules.hmm_says_why => {
                Outcome::Segv
            }
            (_, Outcome::Moved(pages)) => Outcome::Moved(pages * unit),
            (_, Outcome::Exclusive(pages)) => Outcome::Exclusive(pages * unit),
            _ => outcome,
        }
    }

    /// Where operations are stopped, by number.
    fn stops(&self) -> Result<Vec<(u16, Vec<Stop>)>, Refusal> {
        let stops = self.stops.iter().map(|(step, at)| {
            if at.len() > MAX_STOPS {
                return Err(Refusal::Stops);
            }
            let (op, points) = (self.program.ops[*step].op, &self.points[step]);
            let stop = |at: &usize| {
                let site = || describe::site(points.all[*at].site);
                places::stop(op, points, *at).map_err(|why| Refusal::Place(site(), why))
            };
            let stops: Result<_, _> = at.iter().map(stop).collect();
            Ok((*step as u16, stops?))
        });
        stops.collect()
    }

    fn stop_names(&self) -> Vec<(u16, String)> {
        let names = self.stops.iter().map(|(step, at)| {
            let mut name = self.program.ops[*step].op.kind().keyword().to_owned();
            for at in at {
                let site = describe::site(self.points[step].all[*at].site);
                name.extend([" in ", &site]);
            }
            (*step as u16, name)
        });
        names.collect()
    }

    /// An operation is about to run, and all others must be stopped or wait. If another one could
    /// run, the kernel's scheduler would decide which of the two runs first.
    fn must_be_alone(&mut self, step: usize, s: &State) {
        let runs = |other: &usize| {
            *other != step && !self.stopped.contains(other) && !self.asleep(*other, s)
        };
        if self.running.iter().any(runs) {
            self.refuse(Refusal::Order);
        }
    }

    /// The operation that was preempted stays where it is, since another one runs.
    fn stop(&mut self, step: usize) {
        let Some(preempted) = self.preempted.take().filter(|other| *other != step) else {
            return;
        };
        let points = self.points.get(&preempted);
        let last = points.map_or(0, |points| points.all.len().saturating_sub(1));
        self.stops.entry(preempted).or_default().push(last);
        self.stopped.insert(preempted);
        self.plan.push(Action::Stopped(preempted as u16));
        // the driver drains the batch at each stop
        self.frees.drained();
    }

    /// Whether the operation, or the migration that it drives, waits.
    fn asleep(&self, step: usize, s: &State) -> bool {
        let drives = self.drives(step);
        let step = &self.program.ops[step];
        let sleeps = |wait: Option<Wait>| wait.is_some_and(|wait| wait != Wait::Gate);
        let mut workers = s.tasks()[FIRST_WORKER..].iter();
        sleeps(s.tasks()[usize::from(step.thread)].waiting)
            || drives && workers.any(|task| sleeps(task.waiting))
    }

    fn refuse(&mut self, why: Refusal) {
        self.refusal.get_or_insert(why);
    }

    /// Adds the failures that happened in an operation to the plan.
    fn failed(&mut self, step: usize, s: &State) {
        let failures = s.fail.failures - self.failures;
        self.failures = s.fail.failures;
        if failures == 0 {
            return;
        }
        let now = armed(s);
        let fail: [u8; ALLOC_KINDS] =
            std::array::from_fn(|kind| match (self.armed[kind], now[kind]) {
                (nth, 0) => nth as u8,
                _ => 0,
            });
        let injected = fail.iter().filter(|nth| **nth > 0).count();
        if self.running.len() > 1 || self.stops.contains_key(&step) {
            self.refuse(Refusal::FailureAside);
        }
        // A device that is full in the model is full in the guest too.
        if failures as usize > injected && s.frames().exhausted() {
            self.refuse(Refusal::OutOfMemory);
        }
        let start = Action::Start(step as u16);
        let start = self.plan.iter().rposition(|action| *action == start);
        if let Some(start) = start.filter(|_| injected > 0) {
            // Each retry allocates again, and the number of retries is the model's own. If a held
            // migration has gone on meanwhile, its allocations count like those of the operation.
            if self.beside || self.plan[start..].contains(&Action::ReleaseWalkers) {
                self.refuse(Refusal::FailureAside);
            }
            self.plan.insert(start, Action::Fail(fail));
        }
    }
}

impl Recorder<'_> {
    /// Third parties release their locks or references. If one task waits for them, it runs before
    /// anything else does. If several wait, the order is not known.
    fn lets_go(&mut self) {
        let waits = |wait: &&Option<Wait>| wait.as_ref().is_some_and(is_of_folio);
        let (threads, workers) = self.waits.split_at(FIRST_WORKER.min(self.waits.len()));
        let threads = threads.iter().filter(waits).count();
        let workers = workers.iter().filter(waits).count();
        let drives = self.running.iter().any(|step| self.drives(*step));
        if threads + workers > 1 || workers > 0 && !drives {
            self.refuse(Refusal::Order);
        }
    }

    /// Whether a task has taken an `mmap_lock` for reading in this slice, though a writer waited
    /// for it. Linux makes readers queue behind that writer.
    fn overtakes_writer(&self, s: &State) -> bool {
        let tasks = s.tasks();
        let overtakes = |event: &Event| {
            let Event::Lock { task, lock, .. } = event else {
                return false;
            };
            let Lock::MmapRead(mm) = lock else {
                return false;
            };
            let writer = Some(Wait::Lock(Lock::MmapWrite(*mm)));
            let took = tasks[task.ix()].waiting != Some(Wait::Lock(*lock));
            took && self.waits.contains(&writer)
        };
        s.events().iter().any(overtakes)
    }

    /// Whether the operation drives a held migration.
    fn drives(&self, step: usize) -> bool {
        matches!(
            self.program.ops[step].op,
            Op::Setup { .. } | Op::Pages { .. } | Op::Finalize { .. }
        )
    }
}

/// The armed failures, by kind.
fn armed(s: &State) -> [u32; ALLOC_KINDS] {
    use AllocKind::{AnonVma, Avc, DevicePage, Mm, Page, PageTable, SwapSlot, Vma};
    let mut armed = [0; ALLOC_KINDS];
    for kind in [Page, PageTable, Vma, AnonVma, Avc, DevicePage, Mm, SwapSlot] {
        armed[kind as usize] = s.fail.armed(kind);
    }
    armed
}

/// Whether the wait can end when a third party unlocks a folio or drops a reference.
fn is_of_folio(wait: &Wait) -> bool {
    matches!(
        wait,
        Wait::Lock(Lock::Folio(_)) | Wait::Unlock(_) | Wait::Progress { .. }
    )
}

impl Observer for Recorder<'_> {
    fn slice(&mut self, step: usize, s: &State) {
        self.watch.slice(step, s);
        self.current = step;
        self.stop(step);
        if !self.running.insert(step) {
            self.must_be_alone(step, s);
            if self.stopped.remove(&step) {
                self.plan.push(Action::GoOn(step as u16));
                self.frees.drained();
            }
            return;
        }
        if !self.program.preemptions.is_empty() {
            self.must_be_alone(step, s);
        }
        if matches!(self.program.ops[step].op, Op::Exit { .. }) && self.running.len() > 1 {
            self.refuse(Refusal::ExitWhileBusy);
        }
        self.armed = armed(s);
        (self.left, self.beside) = (self.armed, false);
        self.plan.push(Action::Start(step as u16));
    }

    fn ran(&mut self, step: usize, s: &State) {
        self.watch.ran(step, s);
        if step >= self.program.ops.len() {
            return;
        }
        if let Some(points) = self.points.get_mut(&step) {
            points.end(s);
        }
        let went_on = self.went_on.take();
        let now = armed(s);
        let mut kinds = (0..ALLOC_KINDS).filter(|kind| now[*kind] != self.left[*kind]);
        self.beside |=
            went_on.is_some() && kinds.any(|kind| kind != AllocKind::DevicePage as usize);
        self.left = now;
        // The migration has let this operation go, and has gone on with the next VMA.
        if let Some(slot) = went_on
            && s.tasks()[FIRST_WORKER + slot].waiting.is_some()
            && !self.asleep(step, s)
        {
            self.refuse(Refusal::Order);
        }
        let of_mm = |lock: &Lock| matches!(lock, Lock::MmapRead(_) | Lock::MmapWrite(_));
        let mut events = s.events().iter();
        if events.any(|event| matches!(event, Event::Lock { lock, .. } if of_mm(lock))) {
            self.took_mmap_lock.insert(step);
        }
        if self.overtakes_writer(s) {
            self.refuse(Refusal::QueuedWriter);
        }
        if !self.frees.slice(s) {
            self.refuse(Refusal::LockedDevicePage);
        }
        self.waits = s.tasks().iter().map(|task| task.waiting).collect();
    }

    fn released(&mut self, what: Released) {
        self.watch.released(what);
        if let Released::Migration(slot) = what {
            self.went_on = Some(slot);
            // The driver drains the batch first.
            self.frees.drained();
        } else {
            self.lets_go();
        }
        self.plan.push(match what {
            Released::Locks => Action::ReleaseLocks,
            Released::Walkers => Action::ReleaseWalkers,
            Released::Migration(slot) => Action::RunMigration(slot as u8),
        });
    }

    fn point(&mut self, step: usize, task: TaskId, s: &State) {
        let points = self.points.entry(step).or_default();
        points.pass(task, s);
    }

    fn preempted(&mut self, point: u32, from: u8, to: u8, s: &State) {
        self.watch.preempted(point, from, to, s);
        self.preempted = Some(self.current);
    }

    fn processes(&mut self, mms: [Option<MmId>; MAX_PROCS]) {
        self.watch.processes(mms);
        self.mms = mms;
    }

    fn operation(&mut self, step: usize, op: &Step, outcome: Outcome, s: &State) {
        self.watch.operation(step, op, outcome, s);
        let number = step as u16;
        self.plan.push(Action::End(number));
        self.expected.push(Expected::End(
            number,
            self.seen_as(op.op, outcome, s.rules()),
        ));
        let at_gate = |slot: &usize| s.tasks()[FIRST_WORKER + slot].waiting.is_some();
        let hint = Hint {
            ok: matches!(outcome, Outcome::Slot(_) | Outcome::Done),
            open: (0..MAX_WORKERS).filter(at_gate).map(|slot| 1 << slot).sum(),
            child: match outcome {
                Outcome::Child(slot) => Some(slot as u8),
                _ => None,
            },
        };
        self.hints.push((number, hint));
        self.failed(step, s);
        self.running.remove(&step);
        let program = self.program;
        let freezes = |step: &usize| {
            let op = program.ops[*step].op;
            matches!(op, Op::Fork { .. } | Op::ClearSoftDirty { .. })
        };
        if !self.took_mmap_lock.remove(&step) && self.stopped.iter().any(freezes) {
            self.refuse(Refusal::AgentFaults);
        }
        // Observe only if all other operations wait; otherwise the result depends on timing.
        let waits = |other: &usize| !self.stopped.contains(other) && self.asleep(*other, s);
        if self.running.iter().all(waits) {
            self.plan.push(Action::Observe);
            self.frees.drained();
            let unit = Window::in_guest(self.program).scale();
            let seen = observe::processes(s, &self.mms, Window::of(self.program), unit);
            self.expected.push(Expected::Seen(number, seen));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_fuzz::exec::Options;
    use mm_linux_protocol::{Place, Stage};

    fn of(text: &str) -> Result<Plan, Refusal> {
        let program: Program = text.parse().expect("a program");
        let mut executor = Executor::new(Options {
            unchecked: true,
            ..Options::default()
        });
        plan(1, &program, &mut executor)
    }

    #[test]
    fn an_operation_that_waits_ends_after_what_it_waits_for() {
        let plan =
            of("mmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nread p0 0").expect("a plan");
        let behind = plan.job.plan.iter().skip_while(|a| **a != Action::Start(3));
        let behind: Vec<_> = behind.copied().collect();
        let run = Action::RunMigration(0);
        assert_eq!(
            behind,
            [Action::Start(3), run, run, Action::End(3), Action::Observe]
        );
        let hint = plan.job.hints.iter().find(|(step, _)| *step == 2);
        let slots = Hint {
            ok: true,
            open: 1,
            child: None,
        };
        assert_eq!(hint, Some(&(2, slots)));
    }

    #[test]
    fn nothing_is_looked_at_while_an_operation_could_run() {
        let text = "threads 2\nmmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nt1: read p0 0\n\
                    pages m0\nfinalize m0\nread p0 0";
        let plan = of(text).expect("a plan").job.plan;
        let behind = |end| {
            plan[plan
                .iter()
                .position(|a| *a == Action::End(end))
                .expect("an end")
                + 1]
        };
        assert_eq!(behind(4), Action::Observe, "the reader waits");
        assert_eq!(behind(5), Action::End(3), "the reader was woken");
    }

    #[test]
    fn a_preemption_is_a_stop_at_a_place_of_the_kernel() {
        let text = "threads 2\npreempt 0 t1\nmmap p0 0 1 rw\nwrite p0 0\nt1: write p0 0";
        let job = of(text).expect("a plan").job;
        let behind = job.plan.iter().skip_while(|a| **a != Action::Start(1));
        let behind: Vec<_> = behind.copied().collect();
        let (stopped, other) = (Action::Stopped(1), [Action::Start(2), Action::End(2)]);
        let end = [Action::GoOn(1), Action::End(1), Action::Observe];
        let plan = [&[Action::Start(1), stopped][..], &other, &end].concat();
        assert_eq!(behind, plan, "nothing is looked at while it is stopped");
        let stages = vec![Stage::new(&[Place::PrepareLock], 1)];
        assert_eq!(job.stops, [(1, vec![Stop { stages }])]);
        // If a preemption names the thread that runs, that thread goes on, and nothing stops.
        let own = text.replace("0 t1\n", "0 t0\n");
        assert_eq!(of(&own).expect("a plan").job.stops, []);
    }

    #[test]
    fn failures_are_planned_for_the_operation_that_meets_them() {
        let planned = |text: &str, step| {
            let plan = of(text).expect("a plan").job.plan;
            let start = plan.iter().position(|a| *a == Action::Start(step));
            plan[start.expect("a start") - 1]
        };
        let text = "mmap p0 0 2 rw\nwrite p0 0\nfail device-page 2\nmigrate p0 0 2 d0";
        assert_eq!(planned(text, 3), Action::Fail([0, 0, 0, 0, 0, 2, 0, 0]));
        let text =
            "geometry x86-64\nmmap p0 0 2 rw\nfail avc 2\nfail page-table 3\nwrite p0 0\nfork p0";
        assert_eq!(planned(text, 3), Action::Fail([0, 3, 0, 0, 0, 0, 0, 0]));
        assert_eq!(planned(text, 4), Action::Fail([0, 0, 0, 0, 1, 0, 0, 0]));
        let tiny = "mmap p0 0 2 rw\nfail page-table 2\nwrite p0 0";
        assert_eq!(planned(tiny, 2), Action::Fail([0, 2, 0, 0, 0, 0, 0, 0]));
        let frames = of(tiny).expect("a plan").job.device_frames;
        assert_eq!(frames, 0, "the tables are those of x86-64");
    }

    #[test]
    fn what_nothing_outside_the_kernel_can_do_is_refused() {
        let preempted =
            "threads 2\npreempt 2 t1\nmmap p0 0 1 rw\nwrite p0 0\nget-fast p0 0 r\nt1: read p0 0";
        assert!(matches!(of(preempted), Err(Refusal::Place(site, _)) if site == "gup_fast"));
        let busy =
            "threads 2\nmmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nread p0 0\nt1: exit p0";
        assert_eq!(of(busy).expect_err("busy"), Refusal::ExitWhileBusy);
        let stays = "mmap p0 0 1 rw\nmlock p0 0 1 on\nmigrate p0 0 1 d0\nread p0 1";
        of(stays).expect("it stays on the device");
        let late = "mmap p0 0 2 rw\nwrite p0 0\nwrite p0 1\nmlock p0 0 1 on\nmigrate p0 0 2 d0\nmunmap p0 0 2";
        assert_eq!(of(late).expect_err("freed late"), Refusal::LockedDevicePage);
        let areas = "mmap p0 0 2 rw\nwrite p0 0\nwrite p0 1\nmprotect p0 1 1 r\nsetup p0 0 2 d0 to-dev\nread p0 0";
        assert_eq!(of(areas).expect_err("two areas"), Refusal::Order);
        let beside = "mmap p0 0 1 rw\nsetup p0 0 1 d0 to-dev\nfail avc 1\nmunmap p0 0 1";
        assert_eq!(of(beside).expect_err("beside"), Refusal::FailureAside);
        let overtaking =
            "threads 2\nmmap p0 0 1 rw\nsetup p0 0 1 d0 to-dev\nmunmap p0 0 1\nt1: read p0 0";
        assert_eq!(
            of(overtaking).expect_err("overtaking"),
            Refusal::QueuedWriter
        );
    }

    #[test]
    fn a_device_page_of_a_locked_area_is_freed_in_order() {
        for last in ["munmap p0 0 2", "exit p0", "mmap p0 0 2 rw", "read p0 0"] {
            let text = "mmap p0 0 2 rw\nwrite p0 0\nwrite p0 1\nmlock p0 0 2 on\nmigrate p0 0 2 d0";
            of(&format!("{text}\n{last}")).expect(last);
        }
        // The page of the mlocked VMA goes last.
        of("mmap p0 0 2 rw\nwrite p0 0\nwrite p0 1\nmlock p0 1 1 on\nmigrate p0 0 2 d0\nmunmap p0 0 2")
            .expect("a plan");
        // A fork takes no page away.
        of("mmap p0 0 1 rw\nwrite p0 0\nmlock p0 0 1 on\nmigrate p0 0 1 d0\nfork p0")
            .expect("a plan");
    }

    #[test]
    fn a_migration_that_an_operation_waits_for_goes_on_behind_who_was_let_go() {
        let behind = |text: &str, step| {
            let plan = of(text).expect("a plan").job.plan;
            let start = plan.iter().position(|a| *a == Action::Start(step));
            plan[start.expect("a start")..].to_vec()
        };
        let run = Action::RunMigration(0);
        let (locks, end) = (Action::ReleaseLocks, [Action::End(4), Action::Observe]);
        // Nobody waits for the folio that is unlocked.
        let writer = "mmap p0 0 2 rw\nwrite p0 0\nlock p0 0\nsetup p0 1 1 d0 to-dev\nmunmap p0 0 2";
        let plan = [&[Action::Start(4), locks, run, run][..], &end].concat();
        assert_eq!(behind(writer, 4), plan);
        // An allocation of the migration fails, in the model as in Linux.
        let fails =
            "mmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nfail device-page 1\nmunmap p0 0 1";
        let plan = [&[Action::Start(4), run, run][..], &end].concat();
        assert_eq!(behind(fails, 4), plan);
    }

    #[test]
    fn a_device_that_runs_out_of_memory_is_told_so_since_7_3() {
        use mm_core::KernelVersion;
        let seen = |release: KernelVersion| {
            let program = "mmap p0 0 1 rw\nfail page 1\ndev-write d0 p0 0";
            let mut executor = Executor::new(Options {
                unchecked: true,
                release,
                ..Options::default()
            });
            let plan = plan(1, &program.parse().expect("a program"), &mut executor);
            let expected = plan.expect("a plan").expected;
            let last = expected
                .into_iter()
                .rev()
                .find_map(|expected| match expected {
                    Expected::End(_, outcome) => Some(outcome),
                    Expected::Seen(..) => None,
                });
            last.expect("an end")
        };
        let all = KernelVersion::ALL.map(seen);
        assert_eq!(all, [Outcome::Segv, Outcome::Segv, Outcome::Enomem]);
    }
}
