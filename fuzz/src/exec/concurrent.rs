//! The scheduler of several threads, of which one runs at a time.

use super::{Checked, Run, STEP_BUDGET};
use crate::ops::bench::OpResult;
use crate::oracle::At;
use crate::program::{MAX_THREADS, Preemption, Program, Step};
use mm_core::{TaskId, Wait};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

type OpFuture<'a> = Pin<Box<dyn Future<Output = OpResult> + 'a>>;

/// A thread: the operation under way, and the next one.
struct Thread<'a> {
    running: Option<(usize, OpFuture<'a>)>,
    next: Option<usize>,
}

fn next_of(ops: &[Step], thread: usize, from: usize) -> Option<usize> {
    (from..ops.len()).find(|i| ops[*i].thread as usize == thread)
}

impl<'a> Run<'a, '_> {
    /// Runs a program of several threads.
    pub(super) fn concurrent(&mut self, program: &Program) -> Checked {
        let ops = &program.ops;
        let mut preemptions = program.preemptions.iter().copied().peekable();
        let mut threads: [Thread<'_>; MAX_THREADS as usize] = std::array::from_fn(|t| Thread {
            running: None,
            next: next_of(ops, t, 0),
        });
        let mut forced = None;
        while let Some(chosen) = self.choose(&threads, forced.take()) {
            let Some(thread) = chosen else {
                let waiting = threads
                    .iter()
                    .find_map(|t| t.running.as_ref().map(|(i, _)| *i));
                let step = waiting.unwrap_or(ops.len().saturating_sub(1));
                self.unblock(self.at(step, &ops[step].op))?;
                continue;
            };
            let task = TaskId(thread as u8);
            let step = threads[thread].running.as_ref().map(|(i, _)| *i);
            let Some(step) = step.or(threads[thread].next) else {
                continue;
            };
            let at = self.at(step, &ops[step].op);
            if threads[thread].running.is_none() {
                self.begins(step, ops[step].op);
            }
            self.observer.slice(step, &self.bench.kernel.state());
            let mut future = match threads[thread].running.take() {
                Some((_, future)) => future,
                None => {
                    threads[thread].next = next_of(ops, thread, step + 1);
                    self.begin(task, at);
                    Box::pin(self.running(task, at).run(ops[step].op))
                }
            };
            let polled = loop {
                let stop = self.arm(&mut preemptions);
                let polled = future
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
                if polled.is_pending() && self.passed(stop, step, thread) {
                    // no preemption asks for this point, so the operation goes on
                    continue;
                }
                break polled;
            };
            match polled {
                Poll::Ready(result) => {
                    // a task that waits for another to make progress may go on now
                    self.bench.kernel.state().wake_progress();
                    self.finish(&ops[step], task, at, result)?;
                }
                Poll::Pending => {
                    threads[thread].running = Some((step, future));
                    forced = self.preempted(&mut preemptions, task);
                    self.look(at)?;
                }
            }
        }
        Ok(())
    }

    /// Prepares the checks of a thread's next operation: drops the promise of its last one.
    fn begin(&mut self, task: TaskId, at: At) {
        let world = &mut *self.bench.world.borrow_mut();
        world.promises[task.ix()] = None;
        let s = self.bench.kernel.state();
        self.oracles.before_operation(&s, &world.holders, task, at);
    }

    /// The thread that runs next: the one that a preemption names, if it can run; otherwise, of the
    /// threads that can run, the one with the earliest unfinished operation. `None` when all
    /// operations have ended, `Some(None)` when every thread waits.
    fn choose(&self, threads: &[Thread<'_>], forced: Option<usize>) -> Option<Option<usize>> {
        let step = |t: usize| {
            let thread = threads.get(t)?;
            thread.running.as_ref().map(|(i, _)| *i).or(thread.next)
        };
        let unfinished = || (0..threads.len()).filter(|t| step(*t).is_some());
        unfinished().next()?;
        let can_run = |t: &usize| threads[*t].running.is_none() || self.can_run(*t);
        if let Some(t) = forced.filter(|t| step(*t).is_some() && can_run(t)) {
            return Some(Some(t));
        }
        Some(unfinished().filter(can_run).min_by_key(|t| step(*t)))
    }

    /// True unless the thread waits, or drives an open migration that waits.
    fn can_run(&self, thread: usize) -> bool {
        let s = self.bench.kernel.state();
        let waits = |task: usize| {
            s.tasks()[task]
                .waiting
                .is_some_and(|wait| wait != Wait::Gate)
        };
        if waits(thread) {
            return false;
        }
        let driven = self.bench.world.borrow().driven[thread];
        driven.is_none_or(|task| !waits(task.ix()))
    }

    /// Tells the core at which scheduling point to stop, and returns whether a preemption asks for
    /// that point.
    fn arm(&self, preemptions: &mut std::iter::Peekable<impl Iterator<Item = Preemption>>) -> bool {
        let s = &mut *self.bench.kernel.state();
        while preemptions
            .next_if(|p| u32::from(p.at) < s.points())
            .is_some()
        {}
        let next = preemptions
            .peek()
            .map_or(STEP_BUDGET, |p| u32::from(p.at) + 1);
        let at = match self.options.points {
            true => next.min(s.points() + 1),
            false => next,
        };
        s.preempt_at(at);
        at == next
    }

    /// With [`Options::points`](super::Options::points), tells the observer of the scheduling point
    /// at which the operation has stopped, and returns true if the operation goes on at once. If
    /// `stop` is true, a preemption asks for this point, and the operation does not go on.
    fn passed(&mut self, stop: bool, step: usize, thread: usize) -> bool {
        if !self.options.points {
            return false;
        }
        let s = self.bench.kernel.state();
        if !s.is_at_point() {
            return false;
        }
        let driven = self.bench.world.borrow().driven[thread];
        let task = driven.unwrap_or(TaskId(thread as u8));
        self.observer.point(step, task, &s);
        !stop
    }

    /// The thread named by a preemption at the point just reached.
    fn preempted(
        &mut self,
        preemptions: &mut std::iter::Peekable<impl Iterator<Item = Preemption>>,
        task: TaskId,
    ) -> Option<usize> {
        let s = self.bench.kernel.state();
        let point = s.points();
        let preemption = preemptions.next_if(|p| u32::from(p.at) + 1 == point)?;
        self.observer.preempted(point, task.0, preemption.to, &s);
        Some(preemption.to.into())
    }
}
