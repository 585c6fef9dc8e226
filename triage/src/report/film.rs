//! Watches a run and keeps what the picture needs: all steps of a short run, and the first and the
//! last steps of a long run.

use super::state::CellState;
use crate::snapshot::Snapshot;
use crate::timeline::{Stand, stand, stands};
use mm_core::{MAX_TASKS, MmId, State as Kernel, Task, Wait};
use mm_fuzz::describe;
use mm_fuzz::exec::{MAX_PROCS, Observer, Outcome, Released};
use mm_fuzz::program::{Program, Step};
use std::collections::VecDeque;
use std::fmt;

/// The most steps from the start of the run that are kept.
const FIRST: usize = 12;
/// The most steps up to the end of the run that are kept.
const LAST: usize = 28;

/// What a task is doing after a step.
#[derive(Clone, Debug)]
pub struct Doing {
    /// The task runs, waits, or is idle.
    pub state: CellState,
    /// In a few characters, what the task waits for.
    pub text: String,
    /// Where the task is, what it waits for, and which locks it holds.
    pub detail: String,
}

/// What was released from outside the model because every task waited.
#[derive(Clone, Copy, Debug)]
pub struct Given(Released);

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Released::Locks => f.write_str("all wait: third parties release their folio locks"),
            Released::Walkers => f.write_str("all wait: pfn walkers release their references"),
            Released::Migration(slot) => write!(f, "all wait: open migration m{slot} goes on"),
        }
    }
}

/// A step of the run.
#[derive(Debug)]
pub struct Column {
    /// The number of the operation. If the step is the end of the program, the number of all
    /// operations.
    pub step: usize,
    /// The numbers of scheduling points passed before and after the step.
    pub points: (u32, u32),
    /// The outcome of the operation, if it ended in this step.
    pub outcome: Option<Outcome>,
    /// The point at which the operation was preempted, and the thread that goes on.
    pub preempted: Option<(u32, u8)>,
    /// What was released before the step.
    pub released: Vec<Given>,
    /// The slots of processes and their address spaces, after the last operation that has ended.
    /// Empty if the step did not end.
    pub processes: Vec<(usize, MmId)>,
    /// The tasks after the step.
    pub tasks: [Doing; MAX_TASKS],
    /// The state after the step.
    pub after: Snapshot,
    /// The step ended, so the state is known.
    pub complete: bool,
}

/// The steps.
#[derive(Debug, Default)]
pub struct Film {
    first: Vec<Column>,
    last: VecDeque<Column>,
    count: usize,
    points: u32,
    /// The operation of the current slice.
    running: Option<usize>,
    preempted: Option<(u32, u8)>,
    released: Vec<Given>,
    processes: Vec<(usize, MmId)>,
    stands: [Stand; MAX_TASKS],
    /// The thread of each operation.
    threads: Vec<usize>,
}

impl Film {
    /// A film of a run of `program`.
    pub fn new(program: &Program) -> Self {
        let threads = program.ops.iter().map(|step| usize::from(step.thread));
        Self {
            threads: threads.collect(),
            ..Self::default()
        }
    }

    fn push(&mut self, column: Column) {
        self.count += 1;
        if self.first.len() < FIRST {
            self.first.push(column);
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(column);
    }

    fn latest(&mut self) -> Option<&mut Column> {
        self.last.back_mut().or(self.first.last_mut())
    }

    /// Ends the film after the run. Returns the steps that were kept; a step that did not end is
    /// the last of them. If steps were left out, also returns the number of steps before this gap,
    /// and the number of steps in it.
    pub fn end(mut self) -> (Vec<Column>, Option<(usize, usize)>) {
        if let Some(step) = self.running.take() {
            let unknown = Doing {
                state: CellState::Unknown,
                text: String::new(),
                detail: String::new(),
            };
            self.push(Column {
                step,
                points: (self.points, self.points),
                outcome: None,
                preempted: None,
                released: Vec::new(),
                processes: Vec::new(),
                tasks: std::array::from_fn(|_| unknown.clone()),
                after: Snapshot::default(),
                complete: false,
            });
        }
        let surplus = self.count - self.first.len() - self.last.len();
        let left_out = (surplus > 0).then_some((self.first.len(), surplus));
        (self.first.into_iter().chain(self.last).collect(), left_out)
    }
}

impl Observer for Film {
    fn slice(&mut self, step: usize, s: &Kernel) {
        self.running = Some(step);
        self.stands = stands(s);
    }

    fn ran(&mut self, step: usize, s: &Kernel) {
        let before = std::mem::replace(&mut self.stands, stands(s));
        let chosen = self.running.take();
        let thread = chosen.and_then(|step| self.threads.get(step).copied());
        let mut after = Snapshot::default();
        after.take(s);
        let tasks = std::array::from_fn(|id| {
            let moved = self.stands[id] != before[id] || thread == Some(id);
            doing(id, &s.tasks()[id], moved)
        });
        let column = Column {
            step,
            points: (self.points, s.points()),
            outcome: None,
            preempted: self.preempted.take(),
            released: std::mem::take(&mut self.released),
            processes: self.processes.clone(),
            tasks,
            after,
            complete: true,
        };
        self.points = s.points();
        self.push(column);
    }

    fn released(&mut self, what: Released) {
        self.released.push(Given(what));
    }

    fn processes(&mut self, mms: [Option<MmId>; MAX_PROCS]) {
        let slots = mms.iter().enumerate();
        self.processes = slots
            .filter_map(|(slot, mm)| Some((slot, (*mm)?)))
            .collect();
        let processes = self.processes.clone();
        if let Some(column) = self.latest() {
            column.processes = processes;
        }
    }

    fn operation(&mut self, _: usize, _: &Step, outcome: Outcome, _: &Kernel) {
        if let Some(column) = self.latest() {
            column.outcome = Some(outcome);
        }
    }

    fn preempted(&mut self, point: u32, _: u8, to: u8, _: &Kernel) {
        // `point` is the number of points passed, this one included. A program numbers them from 0.
        self.preempted = Some((point.saturating_sub(1), to));
    }
}

fn doing(id: usize, task: &Task, moved: bool) -> Doing {
    let (state, text) = match task.waiting {
        Some(Wait::Gate) if !moved => (CellState::Idle, String::new()),
        Some(Wait::Gate) | None if moved => (CellState::Runs, String::new()),
        Some(wait) => (CellState::Waits, describe::wait_briefly(wait)),
        None => (CellState::Idle, String::new()),
    };
    let detail = match state {
        CellState::Idle if task.held.is_empty() => "idle".to_owned(),
        _ => stand(id, task),
    };
    Doing {
        state,
        text,
        detail,
    }
}
