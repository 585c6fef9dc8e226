//! `linux`: runs programs on a real kernel and compares it with the model.
//!
//! The model runs first and says in which order operations start, wait and end. The guest's agent
//! carries out that order with real processes and our driver, and reports outcomes and the state of
//! every process. The judge reports the first step at which the two differ. Guests run side by
//! side, one for each core.

mod accepted;
mod args;
mod calls;
mod checks;
mod compare;
mod console;
#[cfg(test)]
pub mod fake;
mod frees;
mod fuzz;
mod guest;
mod image;
mod judge;
pub mod known;
mod lab;
pub mod observe;
pub mod places;
pub mod plan;
mod programs;
mod queue;
mod schedule;
mod tally;

use crate::bugs::Bugs;
use crate::stop::Stop;
use crate::walk::WalkEntry;
use crate::{Status, corpus, pool, store};
pub use args::LinuxArgs;
use fuzz::Fuzzer;
pub use guest::Death;
pub use image::Image;
use judge::Judge;
pub use lab::Lab;
use queue::{CaseSource, Queue, files_of};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tally::Tally;

/// What every use of the guest needs.
pub struct Session {
    /// The image that the guest boots.
    pub image: Image,
    /// The programs named on the command line.
    pub files: VecDeque<WalkEntry>,
}

impl Session {
    /// Finds the programs, and builds the image if there is none.
    ///
    /// # Errors
    /// A program or the image cannot be had; the status has been explained on standard error.
    pub fn new(args: &LinuxArgs) -> Result<Self, Status> {
        let corpus = corpus::find(args.corpus.as_deref()).map_err(Status::unusable)?;
        let root = corpus.parent().unwrap_or(&corpus);
        let files = files_of(&args.files).map_err(Status::unusable)?;
        let image = if args.coverage || args.fuzz.is_some() && !args.no_coverage {
            Image::that_follows_coverage(root)
        } else if args.programs {
            Image::whole(root)
        } else {
            Image::ensure(root)
        };
        let image = image.map_err(Status::unusable)?;
        Ok(Self { image, files })
    }
}

/// `linux FILE|DIR…`, except for [emitted programs](LinuxArgs::runs_emitted).
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
    if let Some(seconds) = args.calls {
        let corpus = match corpus::find(args.corpus.as_deref()) {
            Ok(corpus) => corpus,
            Err(error) => return Ok(Status::unusable(error)),
        };
        let root = corpus.parent().unwrap_or(&corpus).to_owned();
        return calls::command(args, seconds, &root, out);
    }
    let Session { image, files } = match Session::new(args) {
        Ok(session) => session,
        Err(status) => return Ok(status),
    };
    // if interrupted, these two have nothing to add to what they have printed: a signal kills them
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
    for dir in [&args.save, &args.keep].into_iter().flatten() {
        if let Err(status) = store::make_folder(dir) {
            return Ok(status);
        }
    }
    let began = Instant::now();
    let queue = Queue::new(args, files);
    if let Some(seconds) = args.fuzz {
        let fuzzer = match Fuzzer::new(args, queue, seconds).with_known() {
            Ok(fuzzer) => fuzzer,
            Err(error) => return Ok(Status::unusable(error)),
        };
        return match judged(args, &image, bugs, &stop, fuzzer) {
            Ok((fuzzer, tally)) => {
                let status = fuzzer.summary(&tally, &image.version, out)?;
                Ok(if tally.interrupted {
                    status.max(Status::Interrupted)
                } else {
                    status
                })
            }
            Err(status) => Ok(status),
        };
    }
    let tally = match judged(args, &image, bugs, &stop, queue) {
        Ok((_, tally)) => tally,
        Err(status) => return Ok(status),
    };
    let status = tally.summary(began, &image.version, args, out)?;
    if tally.is_nothing() {
        return Ok(Status::unusable(
            "there is no program to judge: name programs, folders with programs (.mm), or --random N",
        ));
    }
    if tally.interrupted {
        if !args.json {
            writeln!(out, "interrupted: not all programs were judged")?;
        }
        return Ok(Status::Interrupted);
    }
    Ok(status)
}

/// Judges all programs of a source, which is given back.
fn judged<S: CaseSource>(
    args: &LinuxArgs,
    image: &Image,
    bugs: Bugs,
    stop: &Stop,
    source: S,
) -> Result<(S, Tally), Status> {
    let judge = Judge {
        args,
        image,
        bugs,
        queue: Mutex::new(source),
        follows: args.fuzz.is_some(),
        tally: Mutex::new(Tally::default()),
        stop: stop.clone(),
    };
    // a guest that does not come up because of the signal is no error
    if let Err(death) = judge.run(args.jobs.unwrap_or_else(pool::default_jobs))
        && !stop.is_set()
    {
        return Err(Status::unusable(format_args!(
            "the guest does not boot: {}\n{}",
            death.why, death.console
        )));
    }
    let source = judge.queue.into_inner();
    let mut tally = judge
        .tally
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    tally.kernel_version = image.kernel();
    tally.interrupted = stop.is_set();
    Ok((source.unwrap_or_else(PoisonError::into_inner), tally))
}
