//! Two threads: operations that overlap.
//!
//! While no operation is preempted or waits, a program of two threads runs one operation at a time.
//! A *burst* begins with an operation that is preempted, and ends when no operation is under way
//! any more. Between bursts no operation is under way. So a search is a walk over the states
//! between bursts: each step is one operation on either thread, or a burst, which uses up
//! preemptions. The schedules of a burst are
//!
//! - for each scheduling point of the first operation of the burst, a schedule with one preemption,
//!   at this point, and
//! - for each of these schedules, those that add preemptions at later points, up to
//!   [`Bound::preemptions`] in all.
//!
//! Each preemption switches to the other thread, at a point where that thread has something to do.
//! Any other preemption would change nothing. If a program comes to rest before its last operation
//! has begun, it consists of a shorter burst and a continuation, so it is not kept as a burst of
//! its own.
//!
//! A burst has at most [`Bound::overlap`] operations. With two threads at most two operations
//! overlap at a time, but one operation can overlap with several others, one after another.

use super::alphabet::Used;
use super::{Bound, Expansion, Machine, Node, Ran, Rest, Settling};
use crate::exec::{Observer, Outcome, Released};
use crate::program::{Preemption, Program, Step};
use mm_core::State;

/// An event of a burst.
enum Event {
    /// An operation ran from one scheduling point to another.
    Turn { step: usize, from: u32, to: u32 },
    /// An operation ended.
    End { step: usize },
}

/// Records the events of a burst.
struct Watch {
    /// Index of the first operation of the burst.
    first: usize,
    events: Vec<Event>,
    /// The scheduling points at which a thread was preempted.
    preempted: Vec<u32>,
    settling: Settling,
}

impl Observer for Watch {
    fn slice(&mut self, step: usize, s: &State) {
        let (from, to) = (s.points(), s.points());
        if step >= self.first {
            self.events.push(Event::Turn { step, from, to });
        }
    }

    fn ran(&mut self, step: usize, s: &State) {
        if let Some(Event::Turn { step: on, to, .. }) = self.events.last_mut()
            && *on == step
        {
            *to = s.points();
        }
    }

    fn operation(&mut self, step: usize, _: &Step, _: Outcome, s: &State) {
        self.settling.ended(s);
        if step >= self.first {
            self.events.push(Event::End { step });
        }
    }

    fn released(&mut self, _: Released) {
        self.settling.released();
    }

    fn preempted(&mut self, point: u32, _: u8, _: u8, _: &State) {
        self.preempted.push(point);
    }
}

impl Watch {
    fn new(first: usize) -> Self {
        Self {
            first,
            events: Vec::new(),
            preempted: Vec::new(),
            settling: Settling::default(),
        }
    }

    /// The point at which an operation after `step` first runs; if none does, the last point of
    /// `step`.
    fn end_of_turns(&self, step: usize) -> u32 {
        let mut end = u32::MAX;
        for event in &self.events {
            match *event {
                Event::Turn { step: on, from, .. } if on > step => return from.min(end),
                Event::Turn { step: on, to, .. } if on == step => end = to,
                _ => {}
            }
        }
        end
    }

    /// True if some operation was under way at every moment until all `operations` of the burst had
    /// ended.
    fn is_connected(&self, operations: usize) -> bool {
        let (mut begun, mut ended) = (Vec::new(), 0);
        for event in &self.events {
            match event {
                Event::Turn { step, .. } if !begun.contains(step) => begun.push(*step),
                Event::Turn { .. } => {}
                Event::End { .. } => ended += 1,
            }
            if ended == begun.len() && ended < operations {
                return false;
            }
        }
        true
    }

    /// The preemptions that are possible from point `from` on. Each names a point at which the
    /// other thread has something to do, and the other thread.
    fn choices(&self, ops: &[Step], from: u32) -> Vec<Preemption> {
        let mut choices = Vec::new();
        let mut waiting: Vec<usize> = (self.first..ops.len()).collect();
        for event in &self.events {
            match *event {
                Event::End { step } => waiting.retain(|other| *other != step),
                Event::Turn {
                    step,
                    from: start,
                    to,
                } => {
                    let other = 1 - ops[step].thread;
                    if waiting.iter().any(|step| ops[*step].thread == other) {
                        let points = (start.max(from)..to).filter_map(|at| u16::try_from(at).ok());
                        choices.extend(points.map(|at| Preemption { at, to: other }));
                    }
                }
            }
        }
        choices
    }
}

/// Runs all bursts that begin with the last operation of `program`, which continues `node`. If
/// `node` is not at rest, this runs the bursts that go on with the waiting operation.
pub(super) fn expand<M: Machine>(
    bound: &Bound,
    node: &Node,
    program: &mut Program,
    used: Used,
    machine: &mut M,
    expansion: &mut Expansion,
) {
    if node.preemptions.len() == usize::from(bound.preemptions) {
        return;
    }
    let waits = !node.is_at_rest();
    let mut bursts = Bursts {
        bound,
        rest: node.rest,
        preempted: if waits { usize::MAX } else { node.steps.len() },
        program,
        machine,
        expansion,
    };
    if waits {
        bursts.schedules(used);
    } else {
        bursts.longer(used);
    }
}

/// Bursts with the same first operation.
struct Bursts<'a, M> {
    bound: &'a Bound,
    /// Where the burst begins.
    rest: Rest,
    /// Index of the operation that the first preemption interrupts. It is `usize::MAX` if an
    /// operation waits where the burst begins: then the first preemption may interrupt any
    /// operation.
    preempted: usize,
    program: &'a mut Program,
    machine: &'a mut M,
    expansion: &'a mut Expansion,
}

impl<M: Machine> Bursts<'_, M> {
    /// Extends the burst by each operation that can come next, recursively.
    fn longer(&mut self, used: Used) {
        let length = self.program.ops.len();
        if length == self.bound.depth || length == self.rest.steps + self.bound.overlap {
            return;
        }
        for (thread, op, used) in self.bound.alphabet.next(used) {
            if self.machine.is_stopped() {
                return;
            }
            self.program.ops.push(Step { thread, op });
            self.schedules(used);
            self.longer(used);
            self.program.ops.pop();
        }
    }

    /// Runs the burst without a preemption, then under all schedules with at least one.
    fn schedules(&mut self, used: Used) {
        let length = self.program.ops.len();
        let mut threads = self.program.ops[self.rest.steps..]
            .iter()
            .map(|step| step.thread);
        let first = threads.next();
        let is_too_long = length > self.rest.steps + self.bound.overlap;
        let is_renamed = length == self.bound.depth && !used.is_canonical();
        if is_too_long || is_renamed || threads.all(|thread| Some(thread) == first) {
            return;
        }
        let mut alone = Watch::new(self.rest.steps);
        let ran = self.run(&mut alone);
        self.add(&alone, used, ran);
        let end = alone.end_of_turns(self.preempted);
        for preemption in alone.choices(&self.program.ops, self.rest.points) {
            if u32::from(preemption.at) < end {
                self.preempted(preemption, used);
            }
        }
    }

    /// Runs the burst with one more preemption, and recursively with further preemptions after
    /// that.
    fn preempted(&mut self, preemption: Preemption, used: Used) {
        self.program.preemptions.push(preemption);
        let mut watch = Watch::new(self.rest.steps);
        let ran = self.run(&mut watch);
        let next = u32::from(preemption.at) + 1;
        if watch.preempted.last() == Some(&next) {
            self.add(&watch, used, ran);
            if self.program.preemptions.len() < usize::from(self.bound.preemptions) {
                for preemption in watch.choices(&self.program.ops, next) {
                    self.preempted(preemption, used);
                }
            }
        } else {
            self.expansion.runs += 1;
        }
        self.program.preemptions.pop();
    }

    fn run(&mut self, watch: &mut Watch) -> Ran {
        let wants_identity = self.bound.merge && self.program.ops.len() < self.bound.depth;
        self.machine.run(self.program, wants_identity, watch)
    }

    /// Records a run. A run that came to rest on the way is not continued: the search continues the
    /// shorter program instead.
    fn add(&mut self, watch: &Watch, used: Used, mut ran: Ran) {
        ran.is_whole &= watch.is_connected(self.program.ops.len() - self.rest.steps);
        let rest = watch.settling.rest(self.program, self.rest);
        self.expansion
            .add(self.bound, self.program, rest, used, ran);
    }
}
