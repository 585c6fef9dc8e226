//! The observer of a run: prints each operation as it ends, and keeps what explains a finding.

use crate::operation::OperationLines;
use crate::snapshot::Snapshot;
use crate::timeline::{Timeline, stand};
use mm_core::State;
use mm_fuzz::exec::{Observer, Outcome, Resolved, ShownPage};
use mm_fuzz::program::{Program, Step};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Watches one run.
pub struct Watch<'a> {
    program: &'a Program,
    lines: OperationLines,
    /// Where to print operations; `None` if quiet.
    out: Option<&'a mut dyn Write>,
    /// The first error in printing.
    result: io::Result<()>,
    /// The state before the last slice that ended.
    before: Snapshot,
    /// The state after the last slice that ended. If a slice is running, the state before it.
    after: Snapshot,
    /// A slice has begun and not ended.
    running: bool,
    /// The operation that ran last.
    step: Option<usize>,
    started: BTreeSet<usize>,
    timeline: Timeline,
    waiting: Vec<String>,
}

/// What is known when a run has ended.
pub struct Seen {
    /// Makes the lines of operations.
    pub lines: OperationLines,
    /// The state before the last slice.
    pub before: Snapshot,
    /// The state after the last slice; `None` if the slice did not end.
    pub after: Option<Snapshot>,
    /// The operation that ran last.
    pub step: Option<usize>,
    /// Operations that were started and have not ended.
    pub unfinished: BTreeSet<usize>,
    /// The last scheduling steps.
    pub timeline: Timeline,
    /// The tasks that wait, and what each waits for.
    pub waiting: Vec<String>,
}

impl<'a> Watch<'a> {
    /// Watches a run of `program`, and prints its operations to `out`.
    pub fn new(program: &'a Program, out: Option<&'a mut dyn Write>) -> Self {
        Self {
            program,
            lines: OperationLines::new(program),
            out,
            result: Ok(()),
            before: Snapshot::default(),
            after: Snapshot::default(),
            running: false,
            step: None,
            started: BTreeSet::new(),
            timeline: Timeline::default(),
            waiting: Vec::new(),
        }
    }

    /// Ends the watch after the run.
    ///
    /// # Errors
    /// The first error in printing.
    pub fn end(self) -> io::Result<Seen> {
        self.result?;
        let (before, after) = if self.running {
            (self.after, None)
        } else {
            (self.before, Some(self.after))
        };
        Ok(Seen {
            lines: self.lines,
            before,
            after,
            step: self.step,
            unfinished: self.started,
            timeline: self.timeline,
            waiting: self.waiting,
        })
    }

    fn print(&mut self, line: &str) {
        if let (Some(out), Ok(())) = (&mut self.out, &self.result) {
            self.result = writeln!(out, "{line}");
        }
    }
}

impl Observer for Watch<'_> {
    fn slice(&mut self, step: usize, s: &State) {
        self.after.take(s);
        self.timeline.slice(s);
        self.running = true;
        self.step = Some(step);
        self.started.insert(step);
    }

    fn ran(&mut self, step: usize, s: &State) {
        std::mem::swap(&mut self.before, &mut self.after);
        self.after.take(s);
        self.timeline.ran(self.program, step, s);
        self.running = false;
        self.step = Some(step);
        let tasks = s.tasks().iter().enumerate();
        let waiting = tasks.filter(|(_, task)| task.waiting.is_some());
        self.waiting = waiting.map(|(id, task)| stand(id, task)).collect();
    }

    fn begins(&mut self, step: usize, names: &dyn Fn() -> Resolved) {
        self.lines.begins(step, names());
    }

    fn shown(&mut self, pages: &[ShownPage]) {
        self.lines.shown(pages);
    }

    fn operation(&mut self, step: usize, op: &Step, outcome: Outcome, _: &State) {
        self.started.remove(&step);
        self.timeline.ended(outcome);
        let (line, outcome) = (self.lines.line(step, op), self.lines.outcome(outcome));
        self.print(&format!("{line} {outcome}"));
    }

    fn preempted(&mut self, point: u32, from: u8, to: u8, _: &State) {
        if from == to {
            return;
        }
        // `point` is the number of points passed, this one included. A program numbers them from 0.
        let point = point.saturating_sub(1);
        self.timeline
            .preempted(format!(", preempted at point {point} for t{to}"));
        self.print(&format!(
            "      point {point}: t{from} is preempted for t{to}"
        ));
    }
}
