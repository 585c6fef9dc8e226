//! Guests that work side by side on one queue.
//!
//! Each guest runs one program at a time, so its results do not depend on the number of guests.
//! Lock order: the queue before the tally.

use super::accepted;
use super::args::LinuxArgs;
use super::compare::{self, Difference};
use super::guest::{Death, Guest};
use super::image::Image;
use super::known;
use super::lab;
use super::plan::{self, Plan, Refusal};
use super::queue::{Case, CaseSource, Reached};
use super::tally::{Example, Tally};
use crate::bugs::Bugs;
use crate::stop::Stop;
use crate::store::{self, SAVED};
use mm_fuzz::exec::Executor;
use mm_fuzz::feedback::{self, Counters, Feedback};
use mm_fuzz::program::Thp;
use mm_linux_protocol::{GuestEvent, Reply};
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::atomic::AtomicU8;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many jobs a guest is sent before it answers the first. When it has answered half of them, it
/// is sent as many again, in one go.
const AHEAD: usize = 32;
/// When fuzzing, one program in this many is followed by a look for leaks.
const LOOK: u32 = 32;

/// What became of a program.
enum Verdict {
    Same,
    Differs(Vec<Difference>),
    Kernel(Death),
}

/// What all guests share.
pub struct Judge<'a, S> {
    pub args: &'a LinuxArgs,
    pub image: &'a Image,
    /// The bugs that the model has.
    pub bugs: Bugs,
    pub queue: Mutex<S>,
    /// Whether to tell the source what each program reached.
    pub follows: bool,
    pub tally: Mutex<Tally>,
    pub stop: Stop,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // The thread that panicked has reported its panic. The counts are consistent after each
    // statement, so they can still be used.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: CaseSource> Judge<'_, S> {
    /// Judges all programs with this many guests. After a signal only the programs already answered
    /// count.
    ///
    /// # Errors
    /// The first guest that does not boot. The others finish the programs that they have begun.
    pub fn run(&self, guests: usize) -> Result<(), Death> {
        std::thread::scope(|scope| {
            let work = |first| {
                move || {
                    let mut worker = Worker::new(self, first);
                    worker.run().inspect_err(|_| lock(&self.queue).end())
                }
            };
            let workers: Vec<_> = (0..guests).map(|i| scope.spawn(work(i == 0))).collect();
            let ends = workers.into_iter().map(|worker| worker.join());
            let ends: Vec<_> = ends
                .map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect();
            ends.into_iter().collect()
        })
    }
}

/// Whether a program has left something in the guest that later programs would notice: a process
/// that cannot be ended, an operation that hung, or pages of a device that are still in use.
fn leaves_traces(reply: &Reply) -> bool {
    let hung = |event: &GuestEvent| matches!(event, GuestEvent::Hangs(_));
    reply.stuck || reply.leaked.iter().any(|pages| *pages > 0) || reply.events.iter().any(hung)
}

/// One guest, and the thread that talks to it.
struct Worker<'j, 'a, S> {
    judge: &'j Judge<'a, S>,
    /// The model.
    executor: Executor,
    guest: Option<Guest>,
    /// A guest of this worker has booted before.
    booted: bool,
    /// This worker prints progress, for all.
    shows: bool,
    /// Counters of the features of the model's run, if features are followed.
    counters: Option<Box<Counters>>,
    /// Programs that were sent.
    ran: u32,
    /// The programs that ran since the last look for leaks.
    recent: Vec<(Case, Plan)>,
}

/// A program that was sent to the guest.
struct Sent {
    case: Case,
    plan: Plan,
    features: Vec<u16>,
}

impl<'j, 'a, S: CaseSource> Worker<'j, 'a, S> {
    fn new(judge: &'j Judge<'a, S>, shows: bool) -> Self {
        Self {
            judge,
            executor: lab::model(judge.image, &judge.bugs),
            guest: None,
            booted: false,
            shows,
            counters: judge.follows.then(|| Box::new(feedback::no_counters())),
            ran: 0,
            recent: Vec::new(),
        }
    }

    /// The next program that the guest can carry out.
    fn next(&mut self) -> Option<Sent> {
        loop {
            let case = lock(&self.judge.queue).next(&mut lock(&self.judge.tally))?;
            if let Some(bug) = &case.witness_of {
                match Bugs::of_kernel(bug, self.judge.image.kernel()) {
                    Ok(bugs) => bugs.set(&mut self.executor),
                    Err(error) => {
                        lock(&self.judge.tally).unusable += 1;
                        crate::say(format_args!("{}: {error}", case.name));
                        continue;
                    }
                }
            }
            if case.program.thp != Thp::Never && !self.judge.args.huge {
                self.refuse(case, Refusal::HugePages("needs --huge"));
                continue;
            }
            let planned = match &self.counters {
                Some(counters) => {
                    let mut watch = Feedback::new(&case.program, counters);
                    plan::plan_watched(case.index, &case.program, &mut self.executor, &mut watch)
                }
                None => plan::plan(case.index, &case.program, &mut self.executor),
            };
            let features = self.features();
            match planned {
                Ok(mut plan) => {
                    // now and then, look for what programs leave behind
                    self.ran += 1;
                    plan.job.closely = self.judge.follows && self.ran.is_multiple_of(LOOK);
                    return Some(Sent {
                        case,
                        plan,
                        features,
                    });
                }
                Err(refusal) => self.refuse(case, refusal),
            }
        }
    }

    /// Takes the features of the model's last run, and resets their counters.
    fn features(&mut self) -> Vec<u16> {
        let counters = self
            .counters
            .iter_mut()
            .flat_map(|counters| counters.iter_mut());
        let counted = |(number, counter): (usize, &mut AtomicU8)| {
            (std::mem::take(counter.get_mut()) > 0).then_some(number as u16)
        };
        counters.enumerate().filter_map(counted).collect()
    }

    fn refuse(&self, case: Case, refusal: Refusal) {
        if self.judge.args.verbose {
            crate::say(format_args!("{}: refused: {refusal}", case.name));
        }
        let mut tally = lock(&self.judge.tally);
        if case.witness_of.is_some() {
            let how = format!("refused: {refusal}");
            tally.witnesses.insert(case.name, how);
        }
        *tally.refused.entry(refusal).or_default() += 1;
    }

    fn run(&mut self) -> Result<(), Death> {
        let mut sent: VecDeque<Sent> = VecDeque::new();
        let mut shown = Instant::now();
        while !self.judge.stop.is_set() {
            if sent.len() <= AHEAD / 2 {
                let already = sent.len();
                while sent.len() < AHEAD {
                    let Some(next) = self.next() else { break };
                    sent.push_back(next);
                }
                if sent.len() > already {
                    let jobs = sent.range(already..).map(|sent| &sent.plan.job);
                    // If the guest has ended, reading its reply will show that.
                    let _ = self.guest()?.send_all(jobs);
                }
            }
            let Some(id) = sent.front().map(|first| first.plan.job.id) else {
                return Ok(());
            };
            match self.guest()?.reply::<Reply>(id) {
                Ok(reply) => {
                    if let Some(Sent {
                        case,
                        plan,
                        features,
                    }) = sent.pop_front()
                    {
                        let mut reply = reply;
                        let leaks = std::mem::take(&mut reply.leaks);
                        let leaves_traces = leaves_traces(&reply);
                        let verdict = self.verdict(&plan, &reply);
                        let is_known = self.count(&case, verdict);
                        let reached = Reached {
                            features,
                            places: reply.reached,
                            is_known,
                        };
                        let was_close = plan.job.closely;
                        self.remember(&case, plan);
                        lock(&self.judge.queue).ran(case, reached);
                        let stay_mlocked = self.recent.iter().map(|(_, plan)| plan.stay_mlocked);
                        let leaks = compare::leaks(&leaks, stay_mlocked.sum());
                        if !leaks.is_empty() && !reply.stuck {
                            self.find_leak(&mut sent)?;
                        }
                        if was_close {
                            self.recent.clear();
                        }
                        if leaves_traces {
                            self.guest = None;
                            self.one_by_one(&mut sent)?;
                        }
                    }
                }
                // The signal may have killed the guest as well.
                Err(_) if self.judge.stop.is_set() => {}
                Err(error) => {
                    let death = self.guest.take().map(|guest| guest.death(&error));
                    let again = self.one_by_one(&mut sent)?;
                    if let Some(death) = death.filter(|_| !again && !self.judge.stop.is_set()) {
                        let why = &death.why;
                        crate::say(format_args!(
                            "a guest ended, but none of its programs ends a guest when it runs alone: {why}"
                        ));
                    }
                }
            }
            if self.shows && shown.elapsed().as_secs() >= 5 && io::stderr().is_terminal() {
                shown = Instant::now();
                let tally = lock(&self.judge.tally);
                eprintln!(
                    "linux: {} programs, {} differ",
                    tally.programs, tally.differ
                );
            }
        }
        Ok(())
    }

    fn guest(&mut self) -> Result<&mut Guest, Death> {
        if self.guest.is_none() {
            let guest = Guest::boot(self.judge.image)?;
            let mut tally = lock(&self.judge.tally);
            tally.guests += usize::from(!self.booted);
            self.booted = true;
            tally.boots += 1;
            tally.boot_seconds += guest.boot.as_secs_f64();
            self.guest = Some(guest);
        }
        self.guest.as_mut().ok_or_else(|| Death {
            why: "no guest".to_owned(),
            console: String::new(),
        })
    }

    /// Runs the programs that were lost with a guest one by one, to find the one that ended it.
    /// Returns true if one ends a guest again.
    fn one_by_one(&mut self, lost: &mut VecDeque<Sent>) -> Result<bool, Death> {
        let mut again = false;
        while !self.judge.stop.is_set()
            && let Some(Sent { case, plan, .. }) = lost.pop_front()
        {
            let guest = self.guest()?;
            let id = plan.job.id;
            let replied = guest
                .send(&plan.job)
                .and_then(|()| guest.reply::<Reply>(id));
            let verdict = match replied {
                Ok(reply) => {
                    if leaves_traces(&reply) {
                        self.guest = None;
                    }
                    self.verdict(&plan, &reply)
                }
                // The signal may have killed the guest as well.
                Err(_) if self.judge.stop.is_set() => return Ok(again),
                Err(error) => match self.guest.take() {
                    Some(guest) => Verdict::Kernel(guest.death(&error)),
                    None => continue,
                },
            };
            again |= matches!(verdict, Verdict::Kernel(_));
            if self.count(&case, verdict) {
                let reached = Reached {
                    is_known: true,
                    ..Reached::default()
                };
                lock(&self.judge.queue).ran(case, reached);
            }
        }
        Ok(again)
    }

    /// Counts a program. Returns true if it showed a known finding.
    fn count(&self, case: &Case, verdict: Verdict) -> bool {
        let (args, kernel) = (self.judge.args, self.judge.image.kernel());
        let known_death = match &verdict {
            Verdict::Kernel(death) => {
                accepted::death(accepted::ACCEPTED, kernel, &case.program, &death.why)
            }
            _ => None,
        };
        let tally = &mut *lock(&self.judge.tally);
        tally.programs += 1;
        if case.is_known || self.is_passed_over(&verdict, tally) {
            return self.pass_over(case, &verdict, tally);
        }
        if let Some(bug) = &case.witness_of {
            let not_seen = if known::bugs_of(kernel).any(|known| known == bug) {
                "not seen: this Linux has the bug, too"
            } else {
                "not seen"
            };
            let how = match &verdict {
                Verdict::Same => not_seen.to_owned(),
                Verdict::Differs(all) => match all.iter().find(|d| d.accepted.is_none()) {
                    Some(first) => format!("seen: {first}"),
                    None => not_seen.to_owned(),
                },
                Verdict::Kernel(_) if known_death.is_some() => not_seen.to_owned(),
                Verdict::Kernel(death) => format!("seen: {}", death.why),
            };
            tally.witnesses.insert(case.name.clone(), how);
        }
        match verdict {
            Verdict::Same => tally.same += 1,
            Verdict::Differs(all) => {
                if args.verbose
                    && let Some(first) = all.iter().find(|difference| difference.accepted.is_some())
                {
                    crate::say(format_args!("{}: accepted: {first}", case.name));
                }
                let accepted = all.iter().filter_map(|difference| difference.accepted);
                for known in accepted.filter(|name| *name != compare::KNOWN) {
                    tally.accepted.note(known);
                }
                let unexplained = all.iter().find(|difference| difference.accepted.is_none());
                match unexplained {
                    None => tally.same += 1,
                    Some(first) => {
                        tally.differ += 1;
                        self.report(case, &first.what, &first.to_string(), tally);
                    }
                }
            }
            Verdict::Kernel(death) => {
                if let Some(known) = known_death {
                    if args.verbose {
                        crate::say(format_args!("{}: accepted: {}", case.name, death.why));
                    }
                    tally.known += 1;
                    tally.accepted.note(known);
                    return true;
                }
                tally.kernel += 1;
                self.report(case, &lab::kind_of_death(&death.why), &death.why, tally);
                self.keep(case, "console", &death.console);
            }
        }
        false
    }

    /// True if the verdict is a known finding and no other.
    fn is_passed_over(&self, verdict: &Verdict, tally: &Tally) -> bool {
        match verdict {
            Verdict::Same => false,
            Verdict::Differs(all) => {
                all.iter().all(|difference| difference.accepted.is_some())
                    && all
                        .iter()
                        .any(|difference| difference.accepted == Some(compare::KNOWN))
            }
            Verdict::Kernel(death) => tally
                .known_kinds
                .contains_key(&lab::kind_of_death(&death.why)),
        }
    }

    /// Counts a known finding. If the program was given for a known finding, learns the kind of the
    /// finding. Returns false if the program shows no finding.
    fn pass_over(&self, case: &Case, verdict: &Verdict, tally: &mut Tally) -> bool {
        let kind = match verdict {
            Verdict::Same => None,
            Verdict::Differs(all) => all.first().map(|first| first.what.clone()),
            Verdict::Kernel(death) => Some(lab::kind_of_death(&death.why)),
        };
        match kind {
            Some(kind) if case.is_known => {
                tally.known_kinds.entry(kind).or_insert(case.name.clone());
            }
            Some(_) => tally.passed_over += 1,
            None => {
                crate::say(format_args!("{}: shows no finding", case.name));
                return false;
            }
        }
        true
    }

    fn verdict(&self, plan: &Plan, reply: &Reply) -> Verdict {
        let tally = lock(&self.judge.tally);
        let kinds = tally.known_kinds.keys().cloned().collect();
        drop(tally);
        verdict_of(plan, reply, &kinds)
    }

    /// Keeps a program for a later search for a leak.
    fn remember(&mut self, case: &Case, plan: Plan) {
        if !self.judge.follows {
            return;
        }
        self.recent.push((case.clone(), plan));
    }

    /// One of the programs since the last look has left something behind. Runs them one by one, and
    /// looks for leaks after each.
    fn find_leak(&mut self, sent: &mut VecDeque<Sent>) -> Result<(), Death> {
        // what was sent meanwhile is sent again
        let waiting: Vec<u32> = sent.iter().map(|sent| sent.plan.job.id).collect();
        for id in waiting {
            if self.guest()?.reply::<Reply>(id).is_err() {
                self.guest = None;
                return self.one_by_one(sent).map(|_| ());
            }
        }
        let mut suspects = std::mem::take(&mut self.recent);
        self.guest = None;
        for (case, plan) in &mut suspects {
            if self.judge.stop.is_set() {
                break;
            }
            plan.job.closely = true;
            let id = plan.job.id;
            let guest = self.guest()?;
            let reply = guest
                .send(&plan.job)
                .and_then(|()| guest.reply::<Reply>(id));
            match reply {
                Ok(reply) => {
                    // the program may differ elsewhere, too; that was counted when it ran before
                    let kinds = lock(&self.judge.tally).known_kinds.clone();
                    let mut all = compare::leaks(&reply.leaks, plan.stay_mlocked);
                    for leak in &mut all {
                        leak.accepted = kinds.contains_key(&leak.what).then_some(compare::KNOWN);
                    }
                    if !all.is_empty() {
                        self.count(case, Verdict::Differs(all));
                    }
                }
                Err(_) => self.guest = None,
            }
        }
        for Sent { plan, .. } in &*sent {
            if self.guest()?.send(&plan.job).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn report(&self, case: &Case, what: &str, text: &str, tally: &mut Tally) {
        if self.judge.args.verbose {
            crate::say(format_args!("{}: {text}", case.name));
        }
        let first = Example {
            index: case.index,
            text: format!("{}\n{text}\n{}", case.name, case.program),
        };
        if tally.note(what, first) <= 3 {
            let header: String = text.lines().map(|line| format!("# {line}\n")).collect();
            let text = format!("{SAVED}{what}\n{header}{}", case.program);
            self.keep(case, "mm", &text);
        }
    }

    /// Saves a text about a program, if `--save` was given.
    fn keep(&self, case: &Case, suffix: &str, text: &str) {
        let Some(dir) = &self.judge.args.save else {
            return;
        };
        let stem = Path::new(&case.name)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .replace(' ', "-");
        let path = dir.join(format!("{stem}.{suffix}"));
        let written = std::fs::create_dir_all(dir).and_then(|()| store::write(&path, text));
        if let Err(error) = written {
            store::refuse_write(&path, &error);
        }
    }
}

fn verdict_of(plan: &Plan, reply: &Reply, kinds: &BTreeSet<String>) -> Verdict {
    let all = compare::compare_but_for(plan, reply, accepted::ACCEPTED, kinds);
    if all.is_empty() {
        Verdict::Same
    } else {
        Verdict::Differs(all)
    }
}

#[cfg(all(test, feature = "zoo"))]
mod tests;
