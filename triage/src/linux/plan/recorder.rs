//! Watches the model's run, and records the plan.

use super::super::frees::Frees;
use super::super::observe;
use super::super::places::{self, Points};
use super::expected::{Expected, Refusal};
use super::mlocked::StayMlocked;
use mm_core::{
    AllocKind, Event, Lock, MmId, Pfn, PresentPte, Pte, PteWrite, Rules, Softleaf, State, SwapPte,
    Task, TaskId, VmFlags, Wait,
};
use mm_fuzz::describe;
use mm_fuzz::exec::{FIRST_WORKER, MAX_PROCS, MAX_WORKERS, Observer, Outcome, Released};
use mm_fuzz::program::{Access, Op, Program, Step};
use mm_fuzz::slots::resolve;
use mm_fuzz::window::Window;
use mm_linux_protocol::{ALLOC_KINDS, Action, Hint, MAX_STOPS, StopPoint};
use std::collections::{BTreeMap, BTreeSet};

pub struct Recorder<'p> {
    /// Another observer of the same run.
    pub watch: &'p mut dyn Observer,
    pub program: &'p Program,
    pub plan: Vec<Action>,
    pub hints: Vec<(u16, Hint)>,
    pub expected: Vec<Expected>,
    pub running: BTreeSet<usize>,
    pub mms: [Option<MmId>; MAX_PROCS],
    pub failures: u32,
    /// The failures that were armed when the running operation started.
    pub armed: [u32; ALLOC_KINDS],
    /// Those that were armed after the last slice.
    pub left: [u32; ALLOC_KINDS],
    /// Since the operation started, a held migration went on and made an allocation of a kind that
    /// is armed to fail. Device pages do not count, because the driver allocates them, not the
    /// kernel.
    pub beside: bool,
    pub refusal: Option<Refusal>,
    /// The order in which device pages are freed.
    pub frees: Frees,
    /// The pages of devices that stay mlocked.
    pub mlocked: StayMlocked,
    /// What each task waited for after the last slice.
    pub waits: Vec<Option<Wait>>,
    /// The held migration that the executor has just resumed.
    pub went_on: Option<usize>,
    /// The operation of the last slice.
    pub current: usize,
    /// The operation that was preempted at the end of the last slice.
    pub preempted: Option<usize>,
    /// The operations that are preempted.
    pub stopped: BTreeSet<usize>,
    /// The operations beside which another one was running.
    pub together: BTreeSet<usize>,
    /// The running operations that have taken an `mmap_lock`.
    pub took_mmap_lock: BTreeSet<usize>,
    /// The running operations that have brought in a page that is write-protected for userfaultfd.
    pub brought_in: BTreeSet<usize>,
    /// The points at which each operation was preempted: indices of its points.
    pub stops: BTreeMap<usize, Vec<usize>>,
    /// The scheduling points of each operation, if the program preempts any.
    pub points: BTreeMap<usize, Points>,
}

impl Recorder<'_> {
    /// The outcome as the guest sees it. It counts pages of the guest. Before 7.3, any failure of a
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

    /// True if the operation takes a reference to a page of a large folio, and must make the page
    /// exclusive first. Whether Linux then reuses or copies the page depends on the folio's
    /// references. A page of the program is many pages of the guest, so the guest's references add
    /// up.
    fn holds_part_of_shared(&self, op: Op, s: &State) -> bool {
        let (Op::Get {
            addr,
            access: Access::Write,
            ..
        }
        | Op::GetFast {
            addr,
            access: Access::Write,
            ..
        }
        | Op::Pin { addr, .. }
        | Op::PinFast { addr, .. }
        | Op::PinLongterm { addr, .. }) = op
        else {
            return false;
        };
        let Some(mm) = self.mm_of(op) else {
            return false;
        };
        let addr = Window::of(self.program).addr(addr);
        let pte = s.tables().entry_for(s.mm(mm).pgd, addr);
        let is_large = |folio| s.head(folio).order > 0;
        match (pte.present(), pte.leaf()) {
            (Some(present), _) if present.pfn() != Pfn::ZERO => {
                let pfn = present.pfn();
                let head = s.head(s.folio(pfn));
                let whole = head.entire_mapcount > 0;
                let exclusive = if whole { head } else { s.page(pfn) }.anon_exclusive();
                head.order > 0 && !exclusive
            }
            (_, Some(Softleaf::Swap(slot))) => s.swap().slot(slot).cache.is_some_and(is_large),
            _ => false,
        }
    }

    /// The address space that an operation works on, if there is one.
    fn mm_of(&self, op: Op) -> Option<MmId> {
        let name = op.proc().map_or(0, |name| name.get().into());
        self.mms[resolve(&self.mms, name)?]
    }

    /// Whether an access of the CPU, which is about to begin, uses a TLB entry that is not the
    /// entry of the page table.
    fn uses_stale_translation(&self, step: usize, s: &State) -> bool {
        let Step { thread, op } = self.program.ops[step];
        let (Op::Read { addr, .. } | Op::Write { addr, .. }) = op else {
            return false;
        };
        let Some(mm) = self.mm_of(op) else {
            return false;
        };
        let addr = Window::of(self.program).addr(addr);
        let cached = s.tlbs().lookup(TaskId(thread), mm, addr);
        let entry = s.tables().entry_for(s.mm(mm).pgd, addr);
        cached.is_some_and(|cached| entry.present() != Some(cached))
    }

    /// Refuses what ends differently if a page of the program is many pages of the guest.
    fn slice_of_unit(&mut self, step: usize, s: &State) {
        let op = &self.program.ops[step];
        let waiting = &s.tasks()[usize::from(op.thread)].waiting;
        let waits = waiting.as_ref().is_some_and(is_of_folio);
        if waits && matches!(op.op, Op::Collapse { .. }) {
            self.refuse(Refusal::HugePages(
                "collapses pages and waits for them: a page of the program is many pages of the guest, and there the call waits for the first of these and brings in the others",
            ));
        }
        let protected = |pte: Pte| pte.present().is_some_and(PresentPte::uffd_wp);
        let mut writes = s.pte_writes().iter();
        if writes.any(|write| write.old.leaf().is_some() && protected(write.new)) {
            self.brought_in.insert(step);
        }
        let shared = |pte: Pte| {
            let swapped = matches!(pte.leaf(), Some(Softleaf::Swap(_)));
            swapped && !SwapPte::assume(pte).exclusive()
        };
        let is_locked = |write: &PteWrite| {
            let vma = s.find_vma(write.mm, write.addr);
            vma.is_some_and(|vma| s.vma(vma).flags.contains(VmFlags::LOCKED))
        };
        let mut writes = s.pte_writes().iter();
        if writes.any(|w| shared(w.old) && w.new.present().is_some() && is_locked(w)) {
            self.refuse(Refusal::HugePages(
                "brings in a shared page of swap in an mlocked VMA: a page of the program is many pages of the guest, and the mlock batch fills up in the middle of these",
            ));
        }
    }

    /// Refuses a call that has failed at a page that it brought in.
    fn end_of_unit(&mut self, step: usize, op: Op, outcome: Outcome) {
        let brought_in = self.brought_in.remove(&step);
        let in_one_call = matches!(
            op,
            Op::Mlock { .. } | Op::Populate { .. } | Op::Exclusive { .. }
        );
        let succeeds = matches!(outcome, Outcome::Done | Outcome::Exclusive(_));
        if brought_in && in_one_call && !succeeds {
            self.refuse(Refusal::HugePages(
                "fails at a page that it has brought in: a page of the program is many pages of the guest, and there the call brings in the first of these and leaves the others",
            ));
        }
    }

    /// Where operations are stopped, by number.
    pub fn stops(&self) -> Result<Vec<(u16, Vec<StopPoint>)>, Refusal> {
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

    pub fn stop_names(&self) -> Vec<(u16, String)> {
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
    fn stop(&mut self, step: usize, s: &State) {
        let Some(preempted) = self.preempted.take().filter(|other| *other != step) else {
            return;
        };
        let points = self.points.entry(preempted).or_default();
        points.stops(s);
        let last = points.all.len().saturating_sub(1);
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
        if self.together.contains(&step) || self.stops.contains_key(&step) {
            self.refuse(Refusal::FailureAside);
        }
        if failures as usize > injected {
            // Otherwise, another operation has armed the failure while this one waited. A device
            // that is full in the model is full in the guest too.
            self.refuse(match s.frames().exhausted() {
                true => Refusal::OutOfMemory,
                false => Refusal::FailureAside,
            });
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

    /// Whether a task has taken an `mmap_lock`, or the lock of an anon_vma, for reading in this
    /// slice, though a writer waited for it. Linux makes readers queue behind that writer.
    fn overtakes_writer(&self, s: &State) -> bool {
        let tasks = s.tasks();
        let overtakes = |event: &Event| {
            let Event::Lock { task, lock, .. } = event else {
                return false;
            };
            let writer = match lock {
                Lock::MmapRead(mm) => Lock::MmapWrite(*mm),
                Lock::AnonVmaRead(root) => Lock::AnonVmaWrite(*root),
                _ => return false,
            };
            let took = tasks[task.ix()].waiting != Some(Wait::Lock(*lock));
            took && self.waits.contains(&Some(Wait::Lock(writer)))
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
        self.stop(step, s);
        if !self.running.insert(step) {
            self.must_be_alone(step, s);
            if self.stopped.remove(&step) {
                self.points.entry(step).or_default().goes_on(s);
                self.plan.push(Action::GoOn(step as u16));
                self.frees.drained();
            }
            return;
        }
        if self.running.len() > 1 {
            self.together.extend(&self.running);
        }
        self.must_be_alone(step, s);
        if matches!(self.program.ops[step].op, Op::Exit { .. }) && self.running.len() > 1 {
            self.refuse(Refusal::ExitWhileBusy);
        }
        if self.holds_part_of_shared(self.program.ops[step].op, s) {
            self.refuse(Refusal::HugePages(
                "takes references to a shared huge page: in the guest, the references to its pages change how the next page is made exclusive",
            ));
        }
        if !self.program.preemptions.is_empty() && self.uses_stale_translation(step, s) {
            self.refuse(Refusal::StaleTranslation);
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
        self.mlocked.slice(s);
        if let Some(points) = self.points.get_mut(&step) {
            points.end(s);
        }
        if Window::in_guest(self.program).scale() > 1 {
            self.slice_of_unit(step, s);
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
        let retries = |task: &Task| matches!(task.waiting, Some(Wait::Progress { .. }));
        if !self.program.preemptions.is_empty() && s.tasks().iter().any(retries) {
            self.refuse(Refusal::Retries);
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
        self.end_of_unit(step, op.op, outcome);
        self.running.remove(&step);
        let program = self.program;
        let freezes = |step: &usize| {
            let op = program.ops[*step].op;
            matches!(op, Op::Fork { .. } | Op::ClearSoftDirty { .. })
        };
        let took_mmap_lock = self.took_mmap_lock.remove(&step);
        if took_mmap_lock && matches!((op.op, outcome), (Op::Fork { .. }, Outcome::Nothing)) {
            self.refuse(Refusal::NoProcess);
        }
        if !took_mmap_lock && self.stopped.iter().any(freezes) {
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
