//! Plans a program for the guest: one run of the model says what the guest is to do and what to
//! expect.

mod recorder;

use super::frees::Frees;
use super::schedule;
use mm_core::{AllocKind, Rules};
use mm_fuzz::exec::{Executor, MAX_PROCS, Observer, Outcome, Verdict};
use mm_fuzz::program::{Geometry, Op, Program, Thp, wire};
use mm_linux_protocol::{ALLOC_KINDS, Action, Job, MAX_STOPS, SeenProcess};
use recorder::Recorder;
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

#[cfg(test)]
mod tests;
