//! The last steps of the schedule: which slice ran, how many scheduling points it passed, and where
//! the tasks then were.

use mm_core::{MAX_TASKS, Site, State, Task, Wait};
use mm_fuzz::describe;
use mm_fuzz::exec::Outcome;
use mm_fuzz::program::{MAX_THREADS, Program};
use std::collections::VecDeque;

/// The number of steps that are kept.
const KEPT: usize = 10;

/// Where a task is and what it waits for.
pub type Stand = (Site, Option<Wait>);

/// The name of a task: a thread, or an open migration by its slot.
pub fn task_name(task: usize) -> String {
    match task.checked_sub(usize::from(MAX_THREADS)) {
        None => format!("t{task}"),
        Some(slot) => format!("m{slot}"),
    }
}

/// One slice of the run.
#[derive(Clone, Debug)]
struct Slice {
    /// The number of the slice's operation. If the slice is the end of the program, the number of
    /// all operations.
    step: usize,
    /// The numbers of scheduling points passed before and after the slice.
    points: (u32, u32),
    /// The scheduler chose this slice. Otherwise the slice ran after all threads had waited, or at
    /// the end of the program.
    chosen: bool,
    /// The tasks that moved, and where they now are, in words.
    stands: String,
    preempted: Option<String>,
    ended: Option<Outcome>,
}

/// The last slices.
#[derive(Debug, Default)]
pub struct Timeline {
    slices: VecDeque<Slice>,
    count: usize,
    points: u32,
    chosen: bool,
    preempted: Option<String>,
    stands: [Stand; MAX_TASKS],
}

impl Timeline {
    /// A slice is about to run.
    pub fn slice(&mut self, s: &State) {
        self.chosen = true;
        self.stands = stands(s);
    }

    /// The current slice is being preempted.
    pub fn preempted(&mut self, words: String) {
        self.preempted = Some(words);
    }

    /// A slice has run.
    pub fn ran(&mut self, program: &Program, step: usize, s: &State) {
        if self.slices.len() == KEPT {
            self.slices.pop_front();
        }
        let before = std::mem::replace(&mut self.stands, stands(s));
        let thread = program.ops.get(step).map(|step| usize::from(step.thread));
        let moved = s.tasks().iter().enumerate().filter(|(id, _)| {
            self.stands[*id] != before[*id] || self.chosen && Some(*id) == thread
        });
        let words: Vec<String> = moved.map(|(id, task)| stand(id, task)).collect();
        self.slices.push_back(Slice {
            step,
            points: (self.points, s.points()),
            chosen: std::mem::take(&mut self.chosen),
            stands: words.join("; "),
            preempted: self.preempted.take(),
            ended: None,
        });
        self.points = s.points();
        self.count += 1;
    }

    /// The operation of the last slice has ended.
    pub fn ended(&mut self, outcome: Outcome) {
        if let Some(last) = self.slices.back_mut() {
            last.ended = Some(outcome);
        }
    }

    /// A heading, and a line for each slice.
    pub fn lines(&self, program: &Program) -> (String, Vec<String>) {
        let heading = match self.count {
            0 => "no scheduling step had ended".to_owned(),
            count if count > KEPT => format!("the last {KEPT} of {count} scheduling steps"),
            _ => "scheduling steps".to_owned(),
        };
        let lines = self.slices.iter().map(|slice| slice.line(program));
        (heading, lines.collect())
    }
}

impl Slice {
    fn line(&self, program: &Program) -> String {
        let what = match program.ops.get(self.step) {
            None => "the end of the program".to_owned(),
            Some(step) if self.chosen => format!("t{} {} {}", step.thread, self.step, step.op),
            Some(step) => format!("meanwhile (t{} is in {})", step.thread, self.step),
        };
        let end = match self.ended {
            Some(outcome) => format!(": {outcome}"),
            None if self.stands.is_empty() => String::new(),
            None => format!(": {}", self.stands),
        };
        let preempted = self.preempted.as_deref().unwrap_or_default();
        let (from, to) = self.points;
        format!("points {from:>3} to {to:>3}  {what}{end}{preempted}")
    }
}

/// Where all tasks are.
pub fn stands(s: &State) -> [Stand; MAX_TASKS] {
    let tasks = s.tasks();
    std::array::from_fn(|id| (tasks[id].site, tasks[id].waiting))
}

/// Where a task is, what it waits for, and which locks it holds meanwhile.
pub fn stand(id: usize, task: &Task) -> String {
    let mut words = format!("{} in {}", task_name(id), describe::site(task.site));
    if let Some(wait) = task.waiting {
        words += &format!(", waits for {}", describe::wait(wait));
    }
    if !task.held.is_empty() {
        let held: Vec<String> = task.held.iter().map(|lock| describe::lock(*lock)).collect();
        words += &format!(", holds the {}", held.join(" and the "));
    }
    words
}
