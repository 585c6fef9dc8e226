//! `linux`: programs on a real kernel, beside the model.
//!
//! The model runs first and gives the order in which operations start, wait and end; the guest's
//! agent carries that out with real processes and our driver, and reports outcomes and the state of
//! every process. The first point at which the two differ counts.

mod accepted;
mod checks;
mod compare;
mod guest;
mod observe;
pub mod plan;
mod tally;

use crate::args::{Linux, Target};
use crate::run::Bugs;
use crate::stop::Stop;
use crate::{Status, corpus, input, store};
use compare::Difference;
use guest::{Death, Guest, Image};
use mm_core::Release;
use mm_fuzz::exec::{Executor, Options};
use mm_fuzz::program::generate::{random_program, random_step};
use mm_fuzz::program::{Op, Program, Step};
use plan::Plan;
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tally::Tally;

/// Bugs of the zoo that every kernel has: `migrate_vma_check_page` lets a device page have a reference too many
/// (the later freeze of the count refuses it); `mremap_userfaultfd_prep` takes userfaultfd from a neighbour, too;
/// `mlock_pte_range` passes by what is not present.
const KNOWN_BUGS: [&str; 3] = [
    "zone-device-extra-ref",
    "latent-mremap-uffd-neighbour",
    "latent-munlock-nonpresent",
];

/// And those of 6.12, whose rules for device-exclusive entries are those before 6.15.
const KNOWN_BUGS_V6_12: [&str; 3] = [
    "excl-mapcount-dropped",
    "excl-writable-by-vma-flag",
    "excl-treated-as-migration",
];

/// Jobs that the guest is given before it answers the first.
const AHEAD: usize = 32;

/// A program on its way.
struct Case {
    name: String,
    program: Program,
    plan: Plan,
}

/// What became of one.
enum Verdict {
    Same,
    Differs(Vec<Difference>),
    Kernel(Death),
}

/// Where cases come from: files, then random programs.
struct Source<'a> {
    args: &'a Linux,
    files: VecDeque<PathBuf>,
    random: u64,
    executor: Executor,
    /// The kernel's.
    release: Release,
    next_id: u32,
}

/// `linux FILE|DIR…`.
///
/// # Errors
///
/// Those of `out`.
pub fn command(args: &Linux, out: &mut dyn Write) -> io::Result<Status> {
    let root = match corpus::find(args.corpus.as_deref()) {
        Ok(corpus) => corpus.parent().unwrap_or(&corpus).to_owned(),
        Err(error) => return Ok(Status::unusable(error)),
    };
    let files = match files_of(&args.files) {
        Ok(files) => files,
        Err(error) => return Ok(Status::unusable(error)),
    };
    let image = match Image::ensure(&root) {
        Ok(image) => image,
        Err(error) => return Ok(Status::unusable(error)),
    };
    // what is below has nothing to print until it is over, so a signal ends it
    if args.selftest {
        return checks::selftest(&image, out);
    }
    if args.check_detection {
        return checks::detection(&image, out);
    }
    if args.emitted {
        return checks::emitted(&image, files, out);
    }
    // the model is the model of this kernel, with the bugs that are known in it
    let mut executor = Executor::new(Options {
        unchecked: true,
        release: image.release(),
        ..Options::default()
    });
    let wanted = args.zoo.as_ref().map_or("", |bugs| &bugs.names);
    let bugs = match bugs_of(wanted, image.release()) {
        Ok(bugs) => bugs,
        Err(error) => return Ok(Status::unusable(error)),
    };
    bugs.set(&mut executor);
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(status) => return Ok(status),
    };
    let source = Source {
        args,
        files,
        random: 0,
        executor,
        release: image.release(),
        next_id: 0,
    };
    let mut judge = Judge {
        source,
        image,
        guest: None,
        tally: Tally::default(),
        save: args.save.clone(),
        stop: stop.clone(),
    };
    let began = Instant::now();
    // a guest that the same signal has ended is no news
    if let Err(death) = judge.run()
        && !stop.is_set()
    {
        return Ok(Status::unusable(format_args!(
            "the guest does not come up: {}\n{}",
            death.why, death.console
        )));
    }
    let Judge {
        mut tally,
        image,
        source,
        ..
    } = judge;
    tally.interrupted = stop.is_set();
    let status = tally.summary(began, &image.version, source.args, out)?;
    if tally.interrupted {
        if !args.json {
            writeln!(out, "interrupted: these are not all programs")?;
        }
        return Ok(Status::Interrupted);
    }
    Ok(status)
}

/// Bugs for the model, those of the kernel among them; `names` has commas between them.
pub fn bugs_of(names: &str, release: Release) -> Result<Bugs, String> {
    let of_release: &[&str] = match release {
        Release::V6_12 => &KNOWN_BUGS_V6_12,
        Release::Newest => &[],
    };
    let all: Vec<&str> = [&[names], &KNOWN_BUGS[..], of_release].concat();
    Bugs::parse(&all.join(","))
}

/// The programs below the files and folders given.
fn files_of(given: &[PathBuf]) -> Result<VecDeque<PathBuf>, corpus::CorpusError> {
    let mut files = VecDeque::new();
    for path in given {
        if path.is_dir() {
            files.extend(corpus::programs(path)?);
        } else {
            files.push_back(path.clone());
        }
    }
    Ok(files)
}

impl Source<'_> {
    /// The next program that can be carried out.
    fn next(&mut self, tally: &mut Tally) -> Option<Case> {
        loop {
            let (name, program) = self.program(tally)?;
            self.next_id += 1;
            match plan::plan(self.next_id, &program, &mut self.executor) {
                Ok(plan) => {
                    return Some(Case {
                        name,
                        program,
                        plan,
                    });
                }
                Err(refusal) => {
                    if self.args.witnesses {
                        tally
                            .witnesses
                            .insert(name.clone(), format!("refused: {refusal}"));
                    }
                    if self.args.verbose {
                        eprintln!("mm-triage: {name}: refused: {refusal}");
                    }
                    *tally.refused.entry(refusal).or_default() += 1;
                }
            }
        }
    }

    fn program(&mut self, tally: &mut Tally) -> Option<(String, Program)> {
        while let Some(path) = self.files.pop_front() {
            match input::load(&path, None) {
                Ok(input) => {
                    if self.args.witnesses {
                        let name = path.file_stem().unwrap_or_default().to_string_lossy();
                        match bugs_of(&name, self.release) {
                            Ok(bugs) => bugs.set(&mut self.executor),
                            Err(error) => {
                                tally.unusable += 1;
                                eprintln!("mm-triage: {}: {error}", path.display());
                                continue;
                            }
                        }
                    }
                    return Some((path.display().to_string(), input.program));
                }
                Err(error) => {
                    tally.unusable += 1;
                    eprintln!("mm-triage: {error}");
                }
            }
        }
        if self.random == self.args.random {
            return None;
        }
        let seed = self.args.seed + self.random;
        self.random += 1;
        Some((format!("random program {seed}"), self.random_program(seed)))
    }

    fn random_program(&self, seed: u64) -> Program {
        let limits = self.args.target.unwrap_or(Target::Ops).limits();
        let rng = &mut fastrand::Rng::with_seed(seed);
        let mut program = random_program(limits, rng);
        // points inside the kernel cannot be reached
        program.preemptions.clear();
        let one = self.args.single_process;
        let forks = |op: &Op| matches!(op, Op::Fork { .. } | Op::Exit { .. });
        let wanted = |step: &Step| !(one && forks(&step.op));
        program.ops.retain(wanted);
        if let Some(len) = self.args.ops {
            while program.ops.len() < len {
                let step = random_step(&program, program.ops.len(), rng);
                program.ops.extend(wanted(&step).then_some(step));
            }
            program.ops.truncate(len);
        }
        program
    }
}

struct Judge<'a> {
    source: Source<'a>,
    image: Image,
    guest: Option<Guest>,
    tally: Tally,
    save: Option<PathBuf>,
    stop: Stop,
}

impl Judge<'_> {
    /// Judges all programs; on a signal those that have been answered, and the others go with the guest.
    fn run(&mut self) -> Result<(), Death> {
        let mut sent: VecDeque<Case> = VecDeque::new();
        let mut shown = Instant::now();
        while !self.stop.is_set() {
            while sent.len() < AHEAD {
                let Some(case) = self.source.next(&mut self.tally) else {
                    break;
                };
                // a guest that is gone shows when its reply is read
                let _ = self.guest()?.send(&case.plan.job);
                sent.push_back(case);
            }
            if sent.is_empty() {
                return Ok(());
            }
            match self.guest()?.reply() {
                Ok(reply) => {
                    if let Some(case) = sent.pop_front() {
                        let stuck = reply.stuck;
                        let verdict = verdict_of(&case, &reply);
                        self.count(&case, verdict);
                        if stuck {
                            self.guest = None;
                            self.one_by_one(&mut sent)?;
                        }
                    }
                }
                Err(_) => {
                    self.guest = None;
                    self.one_by_one(&mut sent)?;
                }
            }
            if shown.elapsed().as_secs() >= 5 && io::stderr().is_terminal() {
                shown = Instant::now();
                eprintln!(
                    "linux: {} programs, {} differ",
                    self.tally.programs, self.tally.differ
                );
            }
        }
        Ok(())
    }

    fn guest(&mut self) -> Result<&mut Guest, Death> {
        if self.guest.is_none() {
            let guest = Guest::boot(&self.image)?;
            self.tally.boots += 1;
            self.tally.boot_seconds += guest.boot.as_secs_f64();
            self.guest = Some(guest);
        }
        self.guest.as_mut().ok_or_else(|| Death {
            why: "no guest".to_owned(),
            console: String::new(),
        })
    }

    /// Runs programs that were lost with a guest again, so that the one that ended it is known.
    fn one_by_one(&mut self, lost: &mut VecDeque<Case>) -> Result<(), Death> {
        while !self.stop.is_set()
            && let Some(case) = lost.pop_front()
        {
            let guest = self.guest()?;
            let replied = guest.send(&case.plan.job).and_then(|()| guest.reply());
            let verdict = match replied {
                Ok(reply) => {
                    if reply.stuck {
                        self.guest = None;
                    }
                    verdict_of(&case, &reply)
                }
                // a signal to all ends the guest as well
                Err(_) if self.stop.is_set() => return Ok(()),
                Err(error) => match self.guest.take() {
                    Some(guest) => Verdict::Kernel(guest.death(&error)),
                    None => continue,
                },
            };
            self.count(&case, verdict);
        }
        Ok(())
    }

    fn count(&mut self, case: &Case, verdict: Verdict) {
        self.tally.programs += 1;
        if self.source.args.witnesses {
            let how = match &verdict {
                Verdict::Same => "not seen".to_owned(),
                Verdict::Differs(all) => match all.iter().find(|d| d.accepted.is_none()) {
                    Some(first) => format!("seen: {first}"),
                    None => "not seen".to_owned(),
                },
                Verdict::Kernel(death) => format!("seen: {}", death.why),
            };
            self.tally.witnesses.insert(case.name.clone(), how);
        }
        match verdict {
            Verdict::Same => self.tally.same += 1,
            Verdict::Differs(all) => {
                if self.source.args.verbose
                    && let Some(first) = all.iter().find(|difference| difference.accepted.is_some())
                {
                    eprintln!("mm-triage: {}: accepted: {first}", case.name);
                }
                for known in all.iter().filter_map(|difference| difference.accepted) {
                    self.tally.accepted.note(known);
                }
                let unexplained = all.iter().find(|difference| difference.accepted.is_none());
                match unexplained {
                    None => self.tally.same += 1,
                    Some(first) => {
                        self.tally.differ += 1;
                        let what = first.what.clone();
                        self.report(case, &what, &first.to_string());
                    }
                }
            }
            Verdict::Kernel(death) => {
                self.tally.kernel += 1;
                let what = format!("kernel: {}", death.why);
                self.report(case, &what, &death.why);
                self.keep(case, "console", &death.console);
            }
        }
    }

    fn report(&mut self, case: &Case, what: &str, text: &str) {
        if self.source.args.verbose {
            eprintln!("mm-triage: {}: {text}", case.name);
        }
        let kind = self.tally.kinds.entry(what.to_owned());
        let first = kind.or_insert_with(|| (0, format!("{}\n{text}\n{}", case.name, case.program)));
        first.0 += 1;
        if first.0 <= 3 {
            let header: String = text.lines().map(|line| format!("# {line}\n")).collect();
            self.keep(case, "mm", &format!("# {}\n{header}{}", what, case.program));
        }
    }

    /// Saves something about a program, where the user asked for that.
    fn keep(&self, case: &Case, suffix: &str, text: &str) {
        let Some(dir) = &self.save else { return };
        let stem = Path::new(&case.name)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .replace(' ', "-");
        let path = dir.join(format!("{stem}.{suffix}"));
        let written = std::fs::create_dir_all(dir).and_then(|()| store::write(&path, text));
        if let Err(error) = written {
            eprintln!("mm-triage: {}: cannot be written: {error}", path.display());
        }
    }
}

fn verdict_of(case: &Case, reply: &mm_linux_protocol::Reply) -> Verdict {
    let all = compare::compare(&case.plan, reply, accepted::ACCEPTED);
    if all.is_empty() {
        Verdict::Same
    } else {
        Verdict::Differs(all)
    }
}
