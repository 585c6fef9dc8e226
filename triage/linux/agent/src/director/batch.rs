//! Operations that the only process runs in a row, without the director in between.

use super::{Director, PATIENCE, look, prepare};
use crate::channel::{BATCH, Item, Request, Response};
use mm_fuzz::exec::Slots;
use mm_fuzz::program::{Op, Program};
use mm_fuzz::window::Window;
use mm_linux_protocol::{ALLOC_KINDS, Action, GuestEvent, GuestOutcome, Hint, Job};

/// One operation of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    step: u16,
    slot: usize,
    item: Item,
    /// The outcome, if it is already known.
    known: Option<GuestOutcome>,
}

/// The operation at the start of a plan, if it ends before another starts: its number, the
/// allocations that fail in it, whether to observe afterwards, and the rest of the plan.
fn first(plan: &[Action]) -> Option<(u16, [u8; ALLOC_KINDS], bool, &[Action])> {
    let (fail, plan) = match plan {
        [Action::Fail(fail), behind @ ..] => (*fail, behind),
        _ => ([0; ALLOC_KINDS], plan),
    };
    let [Action::Start(step), Action::End(end), behind @ ..] = plan else {
        return None;
    };
    let observe = behind.first() == Some(&Action::Observe);
    (step == end).then_some((*step, fail, observe, &behind[usize::from(observe)..]))
}

impl Director {
    /// The operations at the start of a plan that the only process runs in a row, and the rest of
    /// the plan. For an operation that takes or frees a slot, the batch relies on the model's hint.
    /// If the kernel does something else, the judge reports this operation as the first difference,
    /// and no later result matters.
    pub(super) fn batch<'j>(
        &self,
        program: &Program,
        job: &'j Job,
        plan: &'j [Action],
    ) -> (Vec<Planned>, &'j [Action]) {
        let mut batch = Vec::new();
        let mut rest = plan;
        let alone =
            self.slots.procs[0].is_some() && self.slots.procs[1..].iter().all(Option::is_none);
        if !alone || program.threads > 1 || !self.pending.is_empty() {
            return (batch, rest);
        }
        let mut slots = self.slots;
        while let Some((step, fail, observe, behind)) = first(rest) {
            let Some(op) = program.ops.get(usize::from(step)).map(|step| step.op) else {
                break;
            };
            if matches!(op, Op::Fork { .. } | Op::Exit { .. }) || batch.len() == BATCH {
                break;
            }
            let (request, known) = match prepare(&slots, program, op, step, fail) {
                Ok((_, request)) => (Some(request), None),
                Err(outcome) => (None, Some(outcome)),
            };
            let slot = request.map_or(0, |request| usize::from(request.slot));
            if request.is_some() {
                predict(&mut slots, op, slot, job, step);
            }
            let huge = Window::in_guest(program) != Window::GUEST;
            let item = Item {
                request,
                observe,
                huge,
            };
            batch.push(Planned {
                step,
                slot,
                item,
                known,
            });
            rest = behind;
        }
        (batch, rest)
    }

    /// Runs a batch. Returns false if the job cannot go on. A batch that is the whole job also ends
    /// it.
    pub(super) fn run_batch(
        &mut self,
        program: &Program,
        batch: &[Planned],
        is_whole: bool,
        events: &mut Vec<GuestEvent>,
    ) -> bool {
        let items: Vec<Item> = batch.iter().map(|planned| planned.item).collect();
        let shared = self.worker.shared;
        shared.batch.fill(&items);
        let channel = &shared.channels[0][0];
        channel.request(Request {
            kind: if is_whole {
                Request::WHOLE
            } else {
                Request::BATCH
            },
            ..Request::default()
        });
        let mut done = 0;
        let ended = loop {
            if let Some(response) = channel.response(PATIENCE) {
                self.cleaned = is_whole && response.outcome == GuestOutcome::Done;
                break true;
            }
            let now = shared.batch.done();
            if now == done {
                break false;
            }
            done = now;
        };
        let done = shared.batch.done();
        for (i, planned) in batch.iter().enumerate().take(done) {
            let result = shared.batch.result(i);
            let outcome = planned.known.unwrap_or_else(|| {
                let response = Response {
                    open: result.open,
                    ..result.outcome.into()
                };
                let op = program.ops[usize::from(planned.step)].op;
                self.note(op, planned.slot, response)
            });
            events.push(GuestEvent::Ended(planned.step, outcome));
            if planned.item.observe && result.seen {
                let seen =
                    look::process_of(0, Window::in_guest(program), &result.sums, &result.entries);
                events.push(GuestEvent::Seen(vec![seen]));
            } else if planned.item.observe {
                events.push(GuestEvent::NotSeen);
            }
        }
        if !ended {
            events.push(GuestEvent::Hangs(batch.get(done).map_or(0, |p| p.step)));
            self.clean = false;
        }
        ended
    }
}

/// Updates the slots as the model's hint for this operation says.
fn predict<P>(slots: &mut Slots<P>, op: Op, slot: usize, job: &Job, step: u16) {
    let Ok(at) = job.hints.binary_search_by_key(&step, |(step, _)| *step) else {
        return;
    };
    let Hint { ok, open, .. } = job.hints[at].1;
    if ok {
        slots.done(op, slot);
    }
    slots.set_open(open);
}
