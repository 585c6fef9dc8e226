//! `linux --calls SECS`: fuzzes the kernel with plain system calls, and holds it to what it
//! promises to user space.
//!
//! The ledger of `mm-linux-calls` is the judge: it runs in the guest and knows nothing of the
//! kernel's inside. Each finding is reduced in the guest and written as C that needs nothing of
//! ours; the C is compiled and runs in a guest without our driver. Findings do not end the run.

mod emit;
mod hub;
mod reduce;

use super::args::LinuxArgs;
use super::guest::{Death, Guest};
use super::image::Image;
use super::lab::kind_of_death;
use super::programs;
use crate::stop::Stop;
use crate::{Status, pool, store};
use hub::{CallsFinding, CallsTask, Hub, Symptom};
use mm_fuzz::names::shown;
use mm_linux_calls::{BreachKind, CallsJob, CallsReply, Program, parse};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most runs that the reduction of a finding may take.
const RUNS: u32 = 400;
/// The same if each run costs a boot or a time-out.
const RUNS_OF_DEATHS: u32 = 40;
/// The same if the program makes two calls at once. In each of these runs, the guest repeats the
/// program many times.
const RUNS_OF_TWO: u32 = 120;
/// How many programs a guest is sent before it answers the first.
const AHEAD: usize = 2;
/// How often a program runs that makes two calls at once, if it shows no breach.
const TRIES: u16 = 5;
/// The same when it is to show a finding again.
const TRIES_AGAIN: u16 = 100;
/// In a reduction, a simpler program that makes two calls at once may run this many times as often
/// as the original program ran until it showed the finding. The limits are [`TRIES`] and
/// [`TRIES_AGAIN`].
const PATIENT: u16 = 4;
/// How long a reduction may go on when the time of the run is over.
const GRACE: Duration = Duration::from_secs(30);
/// Seconds that a call may take.
const PATIENCE: u8 = 3;
/// Seconds that a call may take when a reduced finding is confirmed. A call that takes longer
/// hangs, even on a busy machine.
const CERTAIN: u8 = 12;
/// One program in this many is looked at closely.
const CLOSELY: u32 = 4;
/// The longest file of a program, in bytes.
const LONGEST: u64 = 1 << 16;
/// The ending of the programs' files.
const ENDING: &str = "calls";

#[derive(Clone)]
struct Run<'a> {
    args: &'a LinuxArgs,
    image: &'a Image,
    hub: &'a Mutex<Hub>,
    stop: &'a Stop,
    ends: Option<Instant>,
    /// Something could not be written.
    lost: &'a AtomicBool,
    /// Takes what is to be printed about findings.
    said: Sender<String>,
}

/// What one program did.
enum Ran {
    Replied(CallsReply),
    Died(Death),
}

/// A guest that is booted when it is needed.
struct Bench<'a> {
    image: &'a Image,
    guest: Option<Guest>,
    boots: u64,
    jobs: u32,
    /// Seconds that a call may take.
    patience: u8,
    /// Each program gets a guest of its own, because what an earlier one left in the kernel hides
    /// the finding.
    is_fresh: bool,
    /// How often a program runs that makes two calls at once, if it shows no breach.
    tries: u16,
    /// How often the last program ran.
    ran: u16,
    is_reducing: bool,
}

impl Bench<'_> {
    /// Runs a program.
    ///
    /// # Errors
    ///
    /// The guest does not come up.
    fn run(&mut self, program: &Program, task: &CallsTask) -> Result<Ran, Death> {
        loop {
            if self.is_fresh {
                self.guest = None;
            }
            let job = self.send(program, task)?;
            if let Some(ran) = self.ran(job) {
                return Ok(ran);
            }
        }
    }

    /// Sends a program to the guest. Returns the number of its job.
    fn send(&mut self, program: &Program, task: &CallsTask) -> Result<u32, Death> {
        let mut guest = match self.guest.take() {
            Some(guest) => guest,
            None => {
                self.boots += 1;
                Guest::boot(self.image)?
            }
        };
        self.jobs += 1;
        let job = CallsJob {
            id: self.jobs,
            program: program.clone(),
            patience: self.patience,
            tries: if task.name.is_some() {
                TRIES_AGAIN
            } else {
                self.tries
            },
            closely: task.name.is_some() || self.is_reducing || self.jobs.is_multiple_of(CLOSELY),
            known: task.known.clone(),
        };
        // if the guest has ended, reading its reply will show that
        let _ = guest.send(&job);
        self.guest = Some(guest);
        Ok(self.jobs)
    }

    /// What the program of this job did. `None` if an earlier program has ended the guest.
    fn ran(&mut self, job: u32) -> Option<Ran> {
        let mut guest = self.guest.take()?;
        // a guest that dies does not say how often the program ran
        self.ran = TRIES_AGAIN;
        Some(match guest.reply::<CallsReply>(job) {
            Ok(reply) => {
                self.guest = (!reply.stuck).then_some(guest);
                self.ran = reply.runs;
                Ran::Replied(reply)
            }
            Err(error) => Ran::Died(guest.death(&error)),
        })
    }

    /// Runs a program, and returns its finding, if there is one.
    fn finding(
        &mut self,
        program: &Program,
        task: &CallsTask,
    ) -> Result<Option<CallsFinding>, Death> {
        let (symptom, results, breach, console) = match self.run(program, task)? {
            Ran::Replied(reply) => match reply.breach {
                None => return Ok(None),
                Some(breach) => {
                    let symptom = Symptom::of(program, &breach, &reply.said);
                    (symptom, reply.results, Some(breach), reply.said)
                }
            },
            Ran::Died(death) => {
                let symptom = Symptom::Died(kind_of_death(&death.why));
                (symptom, Vec::new(), None, death.console)
            }
        };
        Ok(Some(CallsFinding {
            symptom,
            program: program.clone(),
            results,
            breach,
            console,
            known: None,
        }))
    }
}

/// Programs that are sent before the one before them is answered. So the guest need not wait for
/// the host.
#[derive(Default)]
struct Ahead {
    /// Those that are not answered, each with the number of its job.
    sent: VecDeque<(CallsTask, u32)>,
    /// Those that are answered.
    done: VecDeque<(CallsTask, Ran)>,
    /// Those that were lost with a guest.
    again: VecDeque<CallsTask>,
}

impl Ahead {
    /// Waits for all answers, so that the guest has nothing else to do.
    fn finish(&mut self, bench: &mut Bench<'_>) {
        let tries = bench.ran;
        for (task, job) in self.sent.drain(..) {
            match bench.ran(job) {
                Some(ran) => self.done.push_back((task, ran)),
                None => self.again.push_back(task),
            }
        }
        bench.ran = tries;
    }
}

impl Run<'_> {
    fn hub(&self) -> std::sync::MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.stop.is_set() || self.ends.is_some_and(|ends| Instant::now() >= ends)
    }

    /// True if the time of the run has been over for [`GRACE`], so that reductions must end.
    fn is_late(&self) -> bool {
        let ends = self.ends.and_then(|ends| ends.checked_add(GRACE));
        ends.is_some_and(|ends| Instant::now() >= ends)
    }

    /// Works until the time is up.
    fn work(&self) -> Result<(), Death> {
        let mut bench = Bench {
            image: self.image,
            guest: None,
            boots: 0,
            jobs: 0,
            patience: PATIENCE,
            is_fresh: false,
            tries: TRIES,
            ran: 0,
            is_reducing: false,
        };
        let mut ahead = Ahead::default();
        while !self.is_over() {
            let Some((task, ran)) = self.next(&mut bench, &mut ahead)? else {
                break;
            };
            let symptom = match ran {
                Ran::Replied(reply) => {
                    if self.learn(&task, &reply) {
                        self.keep(&task.program);
                    }
                    reply
                        .breach
                        .map(|breach| Symptom::of(&task.program, &breach, &reply.said))
                }
                Ran::Died(death) => {
                    self.hub().ran += 1;
                    Some(Symptom::Died(kind_of_death(&death.why)))
                }
            };
            if symptom.is_some() {
                ahead.finish(&mut bench);
            }
            let symptom = match symptom {
                // what earlier programs have left in the kernel may hide the finding
                None if task.name.is_some() => self.alone(&mut bench, &task)?,
                other => other,
            };
            let Some(symptom) = symptom else {
                if let Some(name) = &task.name {
                    let _ = self.said.send(format!("no finding: {name}"));
                }
                continue;
            };
            if self.stop.is_set()
                || task.name.is_none() && !self.hub().wants(&task.program, &symptom)
            {
                continue;
            }
            (bench.is_reducing, bench.tries) = (true, TRIES_AGAIN);
            let reduced = self.reduced(&mut bench, &task, &symptom)?;
            (bench.is_fresh, bench.is_reducing) = (false, false);
            (bench.tries, bench.patience) = (TRIES, PATIENCE);
            match reduced {
                Some(finding) => self.report(finding),
                None => self.hub().unsteady += 1,
            }
        }
        let mut hub = self.hub();
        hub.boots += bench.boots;
        hub.runs += u64::from(bench.jobs);
        Ok(())
    }

    /// The next program, and what it did. `None` if there is no other program.
    fn next(
        &self,
        bench: &mut Bench<'_>,
        ahead: &mut Ahead,
    ) -> Result<Option<(CallsTask, Ran)>, Death> {
        loop {
            if let Some(done) = ahead.done.pop_front() {
                return Ok(Some(done));
            }
            while ahead.sent.len() < AHEAD {
                let task = match (ahead.again.pop_front(), self.ends) {
                    (Some(task), _) => task,
                    (None, Some(_)) => self.hub().next(),
                    (None, None) => match self.hub().next_file() {
                        Some(task) => task,
                        None => break,
                    },
                };
                if let Some(name) = &task.name {
                    if task.program.needs_whole() && !self.image.is_whole {
                        let _ = self.said.send(format!("needs WHOLE=1: {name}"));
                        continue;
                    }
                    // it may need a guest of its own
                    if !ahead.sent.is_empty() {
                        ahead.again.push_front(task);
                        break;
                    }
                }
                let is_named = task.name.is_some();
                let job = bench.send(&task.program, &task)?;
                ahead.sent.push_back((task, job));
                if is_named {
                    break;
                }
            }
            let Some((task, job)) = ahead.sent.pop_front() else {
                return Ok(None);
            };
            match bench.ran(job) {
                Some(ran) => return Ok(Some((task, ran))),
                None => ahead.again.push_back(task),
            }
        }
    }

    /// What a program shows in a guest of its own.
    fn alone(&self, bench: &mut Bench<'_>, task: &CallsTask) -> Result<Option<Symptom>, Death> {
        if self.stop.is_set() {
            return Ok(None);
        }
        bench.guest = None;
        Ok(bench
            .finding(&task.program, task)?
            .map(|found| found.symptom))
    }

    /// Counts a run. Returns true if the program is to be kept for later runs.
    fn learn(&self, task: &CallsTask, reply: &CallsReply) -> bool {
        let mut hub = self.hub();
        hub.ran += 1;
        hub.passed_over += u64::from(reply.passed_over);
        hub.learn(&task.program, &reply.reached) && task.name.is_none()
    }

    /// Writes a program that reached something new to the folder of `--keep`, if there is one.
    fn keep(&self, program: &Program) {
        if let Some(dir) = &self.args.keep {
            let text = program.to_string();
            let path = dir
                .join(crate::collect::sha1(text.as_bytes()))
                .with_extension(ENDING);
            self.write(&path, &text);
        }
    }

    fn write(&self, path: &Path, text: &str) {
        if let Err(error) = store::write(path, text) {
            crate::say(format_args!("{}: cannot be written: {error}", shown(path)));
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    /// Reduces the program of a finding; a file's program stays as it is. `None` if the finding
    /// does not occur again, or if the kernel died and a known breach counts as the cause.
    fn reduced(
        &self,
        bench: &mut Bench<'_>,
        task: &CallsTask,
        symptom: &Symptom,
    ) -> Result<Option<CallsFinding>, Death> {
        let is_same = |found: &Option<CallsFinding>| {
            found
                .as_ref()
                .is_some_and(|found| found.symptom == *symptom)
        };
        if !is_same(&bench.finding(&task.program, task)?) {
            bench.is_fresh = true;
            if !is_same(&bench.finding(&task.program, task)?) {
                return Ok(None);
            }
        }
        let runs = match (symptom, &task.name) {
            (_, Some(_)) => 0,
            _ if symptom.is_costly() || bench.is_fresh => RUNS_OF_DEATHS,
            _ if task.program.makes_two_at_once() => RUNS_OF_TWO,
            _ => RUNS,
        };
        bench.tries = (bench.ran.saturating_mul(PATIENT)).clamp(TRIES, TRIES_AGAIN);
        let mut last = None;
        let program = reduce::reduce(task.program.clone(), runs, |program| {
            if self.stop.is_set() || self.is_late() {
                return Ok(false);
            }
            let found = bench.finding(program, task)?;
            let same = is_same(&found);
            if same {
                last = found;
            }
            Ok::<_, Death>(same)
        })?;
        (bench.patience, bench.tries) = (CERTAIN, TRIES_AGAIN);
        let hangs = matches!(symptom, Symptom::Broken(BreachKind::Hang, _));
        let found = match last.filter(|last: &CallsFinding| !hangs && last.program == program) {
            Some(last) => Some(last),
            None => bench
                .finding(&program, task)?
                .filter(|found| found.symptom == *symptom),
        };
        if let Some(found) = &found
            && matches!(found.symptom, Symptom::Died(_))
            && !task.known.is_empty()
            && self.is_known(bench, found)?
        {
            return Ok(None);
        }
        Ok(found.map(|found| CallsFinding {
            known: task.name.clone(),
            ..found
        }))
    }

    /// Runs the program once more, and passes over no breach. True if the program then shows a
    /// known breach before the kernel dies: that breach counts as the cause.
    fn is_known(&self, bench: &mut Bench<'_>, death: &CallsFinding) -> Result<bool, Death> {
        let strict = CallsTask {
            name: None,
            program: death.program.clone(),
            known: Vec::new(),
        };
        let first = bench.finding(&death.program, &strict)?;
        Ok(first.is_some_and(|first| first.symptom != death.symptom && self.hub().has(&first)))
    }

    /// Adds a finding. If this run has none like it yet, prints it. A new finding is also saved,
    /// unless its program is one of the given files.
    fn report(&self, finding: CallsFinding) {
        if !self.hub().add(finding.clone()) {
            return;
        }
        let said = finding
            .breach
            .map_or_else(String::new, |breach| format!(": {breach}"));
        let what = match (&finding.known, self.hub().resembles(&finding)) {
            (Some(name), _) => format!("known ({name})"),
            (None, Some(name)) => format!("finding (the symptom of {name})"),
            (None, None) => "finding".to_owned(),
        };
        let program = finding.program.to_string().replace('\n', "\n    ");
        let mut text = format!(
            "{what}: {}{said}\n    {}\n",
            finding.symptom,
            program.trim_end()
        );
        if finding.known.is_none() {
            text.push_str(&self.save(&finding));
        }
        // if the output is closed, nobody receives this
        let _ = self.said.send(text);
    }

    /// Writes a finding's program and its C, and runs the C in a guest without our driver. Returns
    /// what to say about that.
    fn save(&self, finding: &CallsFinding) -> String {
        let text = finding.program.to_string();
        let name = crate::collect::sha1(text.as_bytes());
        let name = &name[..12];
        let (promise, happens) = match &finding.breach {
            Some(breach) if breach.kind == BreachKind::Alert => {
                (breach.kind.promise(), finding.console.clone())
            }
            Some(breach) => (breach.kind.promise(), breach.to_string()),
            None => ("the kernel goes on", finding.symptom.to_string()),
        };
        let comment = format!(
            "Expected: {promise}.\nLinux {}: {happens} (cc -static; run as root)",
            self.image.version
        );
        let c = emit::c(
            &finding.program,
            &finding.results,
            finding.breach.as_ref(),
            &comment,
        );
        let confirmed = programs::said(self.image, name, &c);
        let Some(dir) = &self.args.save else {
            return format!("    its C says: {confirmed}");
        };
        let path = |ending: &str| dir.join(name).with_extension(ending);
        let mut files = vec![(path(ENDING), text), (path("c"), c)];
        if !finding.console.is_empty() {
            files.push((path("console"), finding.console.clone()));
        }
        for (path, text) in files {
            self.write(&path, &text);
        }
        format!("    {}: its C says: {confirmed}", shown(&path("c")))
    }
}

/// The programs among the arguments, and those in the folders among them.
fn files(given: &[PathBuf]) -> Result<VecDeque<(String, Program)>, String> {
    let mut paths = Vec::new();
    for path in given {
        let failed = |error: io::Error| format!("{}: cannot be read: {error}", shown(path));
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(failed)? {
                paths.push(entry.map_err(failed)?.path());
            }
            paths.retain(|path| path.extension().is_some_and(|ending| ending == ENDING));
        } else {
            paths.push(path.clone());
        }
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let text = mm_fuzz::file::read_text(path, LONGEST);
        let text = text.map_err(|error| format!("{}: {error}", shown(path)))?;
        let program = parse(&text).map_err(|error| format!("{}: {error}", shown(path)))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok((name.into_owned(), program))
    };
    paths.iter().map(read).collect()
}

/// Fuzzes for `seconds`, or only runs the files if that is 0.
///
/// # Errors
///
/// Those of `out`.
pub fn command(
    args: &LinuxArgs,
    seconds: u64,
    root: &Path,
    out: &mut dyn Write,
) -> io::Result<Status> {
    for dir in [&args.save, &args.keep].into_iter().flatten() {
        if let Err(status) = store::make_folder(dir) {
            return Ok(status);
        }
    }
    let kept: Vec<_> = args.keep.iter().cloned().collect();
    let (files, seeds) = match (files(&args.files), files(&kept)) {
        (Ok(files), Ok(seeds)) => (files, seeds.into_iter().map(|(_, seed)| seed).collect()),
        (Err(error), _) | (_, Err(error)) => return Ok(Status::unusable(error)),
    };
    if files.is_empty() && seconds == 0 {
        return Ok(Status::unusable(
            "there is no program: name files, or give seconds to fuzz",
        ));
    }
    let image = match Image::for_calls(root, seconds > 0 && !args.no_coverage) {
        Ok(image) => image,
        Err(error) => return Ok(Status::unusable(error)),
    };
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(status) => return Ok(status),
    };
    fuzz(
        args,
        seconds,
        &image,
        Hub::new(args.seed, image.is_whole, files, seeds),
        &stop,
        out,
    )
}

/// The same, with an image and with the programs to begin with.
fn fuzz(
    args: &LinuxArgs,
    seconds: u64,
    image: &Image,
    hub: Hub,
    stop: &Stop,
    out: &mut dyn Write,
) -> io::Result<Status> {
    let began = Instant::now();
    let hub = Mutex::new(hub);
    let lost = AtomicBool::new(false);
    let (said, says) = mpsc::channel();
    let run = Run {
        args,
        image,
        hub: &hub,
        stop,
        ends: (seconds > 0).then(|| began + Duration::from_secs(seconds)),
        lost: &lost,
        said,
    };
    let jobs = args.jobs.unwrap_or_else(pool::default_jobs);
    let ended = std::thread::scope(|scope| {
        let guests: Vec<_> = (0..jobs).map(|_| run.clone()).collect();
        drop(run);
        let guests: Vec<_> = guests
            .into_iter()
            .map(|run| scope.spawn(move || run.work()))
            .collect();
        let written = says
            .iter()
            .try_for_each(|said| writeln!(out, "{}", said.trim_end()).and_then(|()| out.flush()));
        if written.is_err() {
            stop.set();
        }
        let ended = guests.into_iter().map(std::thread::ScopedJoinHandle::join);
        let died = ended.filter_map(|ended| ended.ok()?.err()).last();
        written.map(|()| died)
    })?;
    if let Some(death) = ended.filter(|_| !stop.is_set()) {
        return Ok(Status::unusable(format_args!(
            "the guest does not boot: {}\n{}",
            death.why, death.console
        )));
    }
    let hub = hub.into_inner().unwrap_or_else(PoisonError::into_inner);
    let elapsed = began.elapsed().as_secs_f64();
    let known = hub
        .findings
        .iter()
        .filter(|finding| finding.known.is_some())
        .count();
    let new = hub.findings.len() - known;
    let [kept, places] = hub.sizes();
    writeln!(
        out,
        "linux-calls: version={} seed={} seconds={elapsed:.0} programs={} programs/s={:.0} places={places} corpus={kept} \
         findings={new} known={known} unsteady={} passed_over={} runs={} boots={}",
        image.version,
        args.seed,
        hub.ran,
        hub.ran as f64 / elapsed,
        hub.unsteady,
        hub.passed_over,
        hub.runs,
        hub.boots,
    )?;
    Ok(if stop.is_set() {
        Status::Interrupted
    } else if new > 0 {
        Status::Finding
    } else if hub.ran == 0 || lost.load(Ordering::Relaxed) {
        Status::Unusable
    } else {
        Status::Pass
    })
}

#[cfg(all(test, feature = "zoo"))]
mod tests;
