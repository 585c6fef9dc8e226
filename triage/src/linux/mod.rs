//! `linux`: programs on a real kernel, beside the model.
//!
//! The model runs first and gives the order in which operations start, wait and end; the guest's
//! agent carries that out with real processes and our driver, and reports outcomes and the state of
//! every process. The first point at which the two differ counts. Guests work side by side, one for each core.

mod accepted;
mod args;
mod checks;
mod compare;
mod console;
#[cfg(test)]
mod fake;
mod guest;
mod judge;
pub mod known;
mod observe;
pub mod plan;
mod programs;
mod queue;
mod tally;

use crate::bugs::Bugs;
use crate::stop::Stop;
use crate::walk::Found;
use crate::{Status, corpus, pool, store};
pub use args::LinuxArgs;
pub use guest::Image;
use judge::Judge;
use queue::Queue;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tally::Tally;

/// What every use of the guest begins with.
pub struct Session {
    /// What the guest boots.
    pub image: Image,
    /// The programs that the command line names.
    pub files: VecDeque<Found>,
}

impl Session {
    /// Finds the programs, and sees that there is an image.
    ///
    /// # Errors
    /// One is not there, and a sentence says which.
    pub fn new(args: &LinuxArgs) -> Result<Self, Status> {
        let corpus = corpus::find(args.corpus.as_deref()).map_err(Status::unusable)?;
        let root = corpus.parent().unwrap_or(&corpus);
        let files = files_of(&args.files).map_err(Status::unusable)?;
        let image = Image::ensure(root).map_err(Status::unusable)?;
        Ok(Self { image, files })
    }
}

/// `linux FILE|DIR…`, but for [emitted programs](LinuxArgs::runs_emitted).
///
/// # Errors
///
/// Those of `out`.
pub fn command(args: &LinuxArgs, out: &mut dyn Write) -> io::Result<Status> {
    if args.programs {
        let without = LinuxArgs {
            files: Vec::new(),
            ..args.clone()
        };
        return match Session::new(&without) {
            Ok(session) => programs::command(&session.image, &args.files, out),
            Err(status) => Ok(status),
        };
    }
    let Session { image, files } = match Session::new(args) {
        Ok(session) => session,
        Err(status) => return Ok(status),
    };
    // what is below has nothing to print until it is over, so a signal ends it
    if args.selftest {
        return checks::selftest(&image, out);
    }
    if args.check_detection {
        return checks::detection(&image, out);
    }
    let wanted = args.zoo.as_ref().map_or("", |bugs| &bugs.names);
    let bugs = match Bugs::of_kernel(wanted, image.kernel()) {
        Ok(bugs) => bugs,
        Err(error) => return Ok(Status::unusable(error)),
    };
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(status) => return Ok(status),
    };
    if let Some(dir) = &args.save
        && let Err(status) = store::make_folder(dir)
    {
        return Ok(status);
    }
    let judge = Judge {
        args,
        image: &image,
        bugs,
        queue: Mutex::new(Queue::new(args, files)),
        tally: Mutex::new(Tally::default()),
        stop: stop.clone(),
    };
    let guests = args.jobs.unwrap_or_else(pool::default_jobs);
    let began = Instant::now();
    // a guest that the same signal has ended is no news
    if let Err(death) = judge.run(guests)
        && !stop.is_set()
    {
        return Ok(Status::unusable(format_args!(
            "the guest does not come up: {}\n{}",
            death.why, death.console
        )));
    }
    let mut tally = judge
        .tally
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    tally.kernel_version = image.kernel();
    tally.interrupted = stop.is_set();
    let status = tally.summary(began, &image.version, args, out)?;
    if tally.is_nothing() {
        return Ok(Status::unusable(
            "there is no program to judge: name programs, folders that have some (.mm), or --random N",
        ));
    }
    if tally.interrupted {
        if !args.json {
            writeln!(out, "interrupted: these are not all programs")?;
        }
        return Ok(Status::Interrupted);
    }
    Ok(status)
}

/// The files given, and the programs in the folders given.
fn files_of(given: &[PathBuf]) -> Result<VecDeque<Found>, corpus::CorpusError> {
    let mut files = VecDeque::new();
    for path in given {
        if path.is_dir() {
            files.extend(corpus::programs(path)?.into_iter().map(Found::File));
        } else {
            files.push_back(Found::Named(path.clone()));
        }
    }
    Ok(files)
}
