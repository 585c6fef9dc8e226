//! Finds the function in which the state first was wrong.
//!
//! The oracles check the state after each slice. In a program without preemptions, a slice is a
//! whole operation. This module cuts the operation of the finding at every scheduling point, which
//! changes nothing else. So the oracles check the state after each section. The function of the
//! first section after which an oracle objects has broken the invariant.

use crate::bugs::Bugs;
use crate::run::{Ended, Found, Runner};
use crate::snapshot::named;
use mm_core::{Lock, MAX_TASKS, Pfn, Site, State};
use mm_fuzz::exec::{MAX_PROCS, MAX_WORKERS, Observer, Options, Released};
use mm_fuzz::program::{
    MAX_OPS, MAX_PREEMPTIONS, MigrationSlot, Op, OpKind, Preemption, Proc, Program, Step,
};
use std::ops::Range;

/// The first objection.
#[derive(Clone, Debug)]
pub struct Objection {
    /// The finding at the first objection; its invariant may differ from that of the uncut run.
    pub found: Found,
    /// The function whose section broke the invariant: the function at the last scheduling point
    /// before that section. [`Site::Start`] if it was the first section of an operation.
    pub site: Site,
    /// The function that took the innermost lock that is held; `None` if no lock is held. Of
    /// several locks at the same depth, the lock that was taken first counts.
    pub locked: Option<Site>,
    /// The function that last removed or replaced an entry naming the finding's page.
    pub unmapped: Option<Site>,
    /// An allocation had failed before the objection.
    pub after_failure: bool,
    /// The objection came while an operation ran, not at the end of the program.
    pub is_in_an_operation: bool,
    /// Since the last slice began, the executor has run a whole phase of an open migration at once.
    /// So the function is a guess.
    pub is_of_a_phase: bool,
}

/// Records the sites of the tasks around the last slice, and the locks, entries and scheduling
/// points of the whole run.
#[derive(Default)]
struct Last {
    /// For each operation, the number of scheduling points passed before the operation began.
    began: Vec<(usize, u32)>,
    /// The site of each task at the beginning of the operation that began last.
    first: [Site; MAX_TASKS],
    /// The site of each task when the slice began.
    before: [Site; MAX_TASKS],
    /// The site of each task when the slice ended.
    after: [Site; MAX_TASKS],
    /// The executor has run a phase of an open migration since the slice began.
    phase: bool,
    /// An allocation has failed.
    failed: bool,
    /// The number of scheduling points passed when the slice began.
    from: u32,
    /// The number of scheduling points passed when the slice ended.
    to: u32,
    /// The thread of the slice.
    thread: usize,
    /// The thread of each operation.
    threads: Vec<usize>,
    /// Ranges of scheduling points, each with the thread that passed them.
    turns: Vec<(Range<u32>, u8)>,
    /// The locks that are held, each with the task that holds it and the function that took it.
    held: Vec<(usize, Lock, Site)>,
    /// The pages that an entry ceased to name, each with the function that wrote the entry.
    unmapped: Vec<(Pfn, Site)>,
    /// [`last_writer`] looks for the last write of an entry in this operation.
    writer_of: Option<usize>,
    /// The function of that write.
    writer: Option<Site>,
}

impl Observer for Last {
    fn slice(&mut self, step: usize, s: &State) {
        self.thread = self.threads.get(step).copied().unwrap_or(0);
        self.from = s.points();
        self.to = s.points();
        self.phase = false;
        self.before = s.tasks().each_ref().map(|task| task.site);
        if !self.began.iter().any(|(other, _)| *other == step) {
            self.began.push((step, s.points()));
            // The executor resets the task when the operation begins, which is after this call.
            self.before[self.thread] = Site::Start;
            self.first = self.before;
        }
    }

    fn released(&mut self, what: Released) {
        self.phase |= matches!(what, Released::Migration(_));
    }

    fn ran(&mut self, step: usize, s: &State) {
        self.to = s.points();
        self.failed = s.fail.failures > 0;
        self.after = s.tasks().each_ref().map(|task| task.site);
        self.turns.push((self.from..self.to, self.thread as u8));
        self.note_writes(step, s);
        let holds = |task: usize, lock: &Lock| s.tasks()[task].held.contains(lock);
        self.held.retain(|(task, lock, _)| holds(*task, lock));
        let site = self.site();
        for (task, lock) in (0..MAX_TASKS).flat_map(|task| {
            let held = s.tasks()[task].held.iter();
            held.map(move |lock| (task, *lock))
        }) {
            if !self.held.iter().any(|(t, l, _)| (*t, *l) == (task, lock)) {
                self.held.push((task, lock, site));
            }
        }
    }
}

impl Last {
    fn of(program: &Program) -> Self {
        let threads = program.ops.iter().map(|step| usize::from(step.thread));
        Self {
            threads: threads.collect(),
            ..Self::default()
        }
    }

    fn note_writes(&mut self, step: usize, s: &State) {
        let site = self.site();
        let leaves = s.pte_writes().iter().filter_map(|write| write.of_leaf());
        for write in leaves.flat_map(|write| write.by_page(s.geometry())) {
            let (old, new) = (named(write.old), named(write.new));
            if let Some(page) = old.filter(|_| old != new) {
                self.unmapped.push((page, site));
            }
            if self.writer_of == Some(step) {
                self.writer = Some(site);
            }
        }
    }

    /// The objection of a run that ended with the finding `found`. The program has `operations`
    /// operations.
    fn objection(&self, found: Found, operations: usize) -> Objection {
        let mut unmapped = self.unmapped.iter().rev();
        Objection {
            site: self.site(),
            locked: self.locked(),
            unmapped: unmapped
                .find(|(page, _)| found.page == Some(*page))
                .map(|(_, site)| *site),
            after_failure: self.failed,
            is_in_an_operation: found.step.is_some_and(|step| step < operations),
            is_of_a_phase: self.phase,
            found,
        }
    }

    fn locked(&self) -> Option<Site> {
        let depth = |lock: &Lock| match lock {
            Lock::MmapRead(_) | Lock::MmapWrite(_) => 0,
            Lock::Folio(_) => 1,
            Lock::AnonVmaRead(_) | Lock::AnonVmaWrite(_) => 2,
        };
        // `max_by_key` takes the last of equals, so iterate from the end to get the first.
        let held = self.held.iter().rev();
        let innermost = held.max_by_key(|(_, lock, _)| depth(lock));
        innermost.map(|(_, _, site)| *site)
    }

    /// The thread that passed a scheduling point; 0 if no thread did.
    fn thread_at(&self, point: u32) -> u8 {
        let turn = self
            .turns
            .iter()
            .find(|(points, _)| points.contains(&point));
        turn.map_or(0, |(_, thread)| *thread)
    }

    /// The function of the last section. The section moves a task from one site to another, and the
    /// result is the site that the task leaves. If both a migration's worker and the thread that
    /// drives the worker move, the worker counts.
    fn site(&self) -> Site {
        let moved = |since: [Site; MAX_TASKS]| {
            let after = self.after;
            (0..MAX_TASKS)
                .rev()
                .find(move |task| since[*task] != after[*task])
        };
        // A slice of a worker may end at the site where it began. Then compare with the sites at
        // the beginning of the operation.
        let driven = || moved(self.first).filter(|_| self.after[self.thread] == Site::Start);
        let task = moved(self.before).or_else(driven).unwrap_or(self.thread);
        match self.before[task] {
            // The first section of an open migration has no name, so take the site at its end.
            Site::Start if task != self.thread => self.after[task],
            site => site,
        }
    }
}

/// The first objection to a run of `program`; `None` if the run passes.
pub fn first(program: &Program, bugs: &Bugs) -> Option<Objection> {
    let options = Options {
        thorough: true,
        ..Options::default()
    };
    let mut runner = Runner::new(bugs, options);
    let objection = of_run(program, &mut runner)?;
    if objection.is_in_an_operation {
        return Some(objection);
    }
    // The finding came at the end of the program, where the executor ends everything, and no
    // function is known. So append operations that do the same: they finish the open migrations,
    // and then exit the processes.
    let mut ending = program.clone();
    let thread = program.ops.last().map_or(0, |step| step.thread);
    let finalize = Op::Finalize {
        migration: MigrationSlot::MIN,
    };
    let exit = Op::Exit { proc: Proc::MIN };
    let is_open = program
        .ops
        .iter()
        .any(|step| step.op.kind() == OpKind::Setup);
    let phases = std::iter::repeat_n(finalize, if is_open { 2 * MAX_WORKERS } else { 0 });
    let ops = phases.chain(std::iter::repeat_n(exit, MAX_PROCS));
    let room = MAX_OPS - ending.ops.len();
    ending
        .ops
        .extend(ops.take(room).map(|op| Step { thread, op }));
    let placed = of_run(&ending, &mut runner).filter(|objection| objection.is_in_an_operation);
    placed.or(Some(objection))
}

/// The first objection to a run of `program`. Further runs cut the operation with the finding at
/// each scheduling point of that operation.
fn of_run(program: &Program, runner: &mut Runner) -> Option<Objection> {
    let mut last = Last::of(program);
    let Ended::Found(found) = runner.run(program, &mut last) else {
        return None;
    };
    let operations = program.ops.len();
    let step = found
        .step
        .unwrap_or(last.began.last().map_or(0, |(step, _)| *step));
    let began = last.began.iter().find(|(other, _)| *other == step);
    let mut best = last.objection(found, operations);
    let (Some((_, began)), room) = (began, MAX_PREEMPTIONS - program.preemptions.len()) else {
        return Some(best);
    };
    for window in windows(*began..last.to, room) {
        let cut = cut(program, &window, &last);
        let mut last = Last::of(&cut);
        let Ended::Found(found) = runner.run(&cut, &mut last) else {
            continue;
        };
        let is_in_window = last.to <= window.end;
        best = last.objection(found, operations);
        if is_in_window {
            break;
        }
    }
    Some(best)
}

/// The function that last wrote an entry in the last operation of `program`; `None` if the
/// operation wrote none.
pub fn last_writer(program: &Program, bugs: &Bugs) -> Option<Site> {
    let mut runner = Runner::new(bugs, Options::default());
    let step = program.ops.len().checked_sub(1)?;
    let mut last = Last::of(program);
    last.writer_of = Some(step);
    runner.run(program, &mut last);
    let (_, began) = *last.began.iter().find(|(other, _)| *other == step)?;
    let turns = last
        .turns
        .iter()
        .filter(|(points, _)| points.start >= began);
    let end = turns.map(|(points, _)| points.end).max()?;
    let room = MAX_PREEMPTIONS - program.preemptions.len();
    let mut writer = last.writer;
    for window in windows(began..end, room) {
        let cut = cut(program, &window, &last);
        let mut last = Last::of(&cut);
        last.writer_of = Some(step);
        runner.run(&cut, &mut last);
        writer = last.writer.or(writer);
    }
    writer
}

/// Splits `points` into ranges of at most `room` scheduling points. Two neighbouring ranges share a
/// point. So for every section there is a range that contains the points at both of its ends.
fn windows(points: Range<u32>, room: usize) -> impl Iterator<Item = Range<u32>> {
    let starts = points.clone().step_by(room.saturating_sub(1).max(1));
    starts.map(move |start| start..points.end.min(start + room as u32))
}

/// The program, cut at each point of a range by a preemption after which the same thread goes on.
fn cut(program: &Program, points: &Range<u32>, last: &Last) -> Program {
    let mut cut = program.clone();
    cut.threads = cut.threads.max(2);
    // The program's own preemptions come first, because `normalize` keeps the first at each point.
    let cuts = points.clone().filter_map(|point| {
        let (at, to) = (u16::try_from(point).ok()?, last.thread_at(point));
        Some(Preemption { at, to })
    });
    cut.preemptions.extend(cuts);
    cut.normalize();
    cut
}

#[cfg(test)]
#[cfg(feature = "zoo")]
mod tests {
    use super::*;

    fn site(bug: &str, program: &str) -> Site {
        let program = mm_fuzz::program::text::parse(program).expect("a program");
        let bugs = Bugs::parse(bug).expect("a bug");
        first(&program, &bugs).expect("a finding").site
    }

    /// Different operations that meet the same bug give the same function.
    #[test]
    fn the_function_does_not_depend_on_the_operation() {
        for last in ["munmap p0 0 1", "dontneed p0 0 1", "mmap p0 0 1 none"] {
            let program = format!("mmap p0 0 1 r\ndev-read d0 p0 0\n{last}\n");
            let found = site("collapse-no-notifier", &program);
            assert_eq!(found, Site::ZapPteRange, "{last}");
        }
    }

    #[test]
    fn an_operation_longer_than_the_room_for_cuts_is_cut_in_parts() {
        // Only the last of many pages has a writable entry.
        let program = "mmap p0 0 32 rw\nmigrate p0 0 31 d0\nwrite p0 31\nmigrate p0 31 1 d0\n\
                       mprotect p0 0 31 r\nevict d0 0 32\n";
        assert_eq!(site("slowpath-ro-migent", program), Site::TryToMigrate);
    }

    #[test]
    fn a_race_stays_one() {
        let witness = include_str!("../../corpus/zoo/dup-anon-vma-no-lock.mm");
        assert_eq!(site("dup-anon-vma-no-lock", witness), Site::AnonVmaPrepare);
    }
}
