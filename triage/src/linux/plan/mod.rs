//! Plans a program for the guest: one run of the model says what the guest is to do and what to
//! expect.

mod expected;
mod mlocked;
mod recorder;

pub use expected::{Expected, Refusal};

use super::frees::Frees;
use super::schedule;
use mlocked::StayMlocked;
use mm_core::AllocKind;
use mm_fuzz::exec::{Executor, MAX_PROCS, Observer, Verdict};
use mm_fuzz::program::{Geometry, Op, Program, Thp, wire};
use mm_fuzz::window::Window;
use mm_linux_protocol::{ALLOC_KINDS, Action, Job};
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
    /// The number of pages of the guest that may stay mlocked on a device when all processes have
    /// ended.
    pub stay_mlocked: u64,
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
        Op::Snapshot { .. } => Err("takes a snapshot for a device"),
        _ => Ok(()),
    }
}

/// Makes the program one with huge pages that the judge can carry out.
pub fn give_huge_pages(program: &mut Program, thp: Thp) {
    program.thp = thp;
    program.geometry = Geometry::Tiny;
    program.preemptions.clear();
    program.ops.retain(|step| fits_huge_pages(&step.op).is_ok());
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
        mlocked: StayMlocked::default(),
        waits: Vec::new(),
        went_on: None,
        current: 0,
        preempted: None,
        stopped: BTreeSet::new(),
        together: BTreeSet::new(),
        took_mmap_lock: BTreeSet::new(),
        brought_in: BTreeSet::new(),
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
        stay_mlocked: recorder.mlocked.pages() * unit,
        stops: names,
    })
}

#[cfg(test)]
mod tests;
