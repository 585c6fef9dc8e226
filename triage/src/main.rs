//! mm-triage: what to do with a program that `mm-fuzz` runs, and with a finding above all.
//!
//! Every command ends with status 0 (all is well), 1 (a finding, a bug of the zoo that is not
//! found), 2 (unusable input, or nothing could be done) or 3 (interrupted). Results go to standard output; standard
//! error has one sentence for each input that could not be used, or not as it stands.
#![forbid(unsafe_code)]

mod args;
mod bisect;
mod campaign;
mod cluster;
mod collect;
mod convert;
mod corpus;
mod diff;
mod emit;
mod exhaust;
mod explain;
mod finding;
mod input;
mod linux;
mod minimize;
mod objection;
mod page;
mod pool;
mod progress;
mod record;
mod replay;
mod report;
mod run;
mod seeds;
mod snapshot;
mod stop;
mod store;
mod style;
mod summary;
mod timeline;
mod walk;
mod watch;
mod zoo;

use args::{Args, Command};
use clap::{CommandFactory, Parser};
use mm_fuzz::{file, names};
use std::io::{self, Write};
use std::process::ExitCode;

/// How a command ended. The order is the order of badness: the worst of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Pass = 0,
    /// There is a finding.
    Finding = 1,
    /// An input was unusable.
    Unusable = 2,
    /// The user ended it: what there is, is partial.
    Interrupted = 3,
}

impl Status {
    /// Says on standard error why something was unusable.
    pub fn unusable(why: impl std::fmt::Display) -> Self {
        say(why);
        Self::Unusable
    }
}

/// Says a sentence on standard error. No terminal obeys what is in it of names, of files and of what others say.
pub fn say(what: impl std::fmt::Display) {
    eprintln!("mm-triage: {}", names::shown_text(&what.to_string()));
}

fn main() -> ExitCode {
    let args = Args::parse();
    let out = &mut io::stdout().lock();
    let result = match &args.command {
        Command::Replay(replay) => replay::command(replay, out),
        Command::Minimize(minimize) => minimize::command(minimize, out),
        Command::Seeds(seeds) => seeds::command(seeds, out),
        Command::Cluster(cluster) => cluster::command(cluster, out),
        Command::Report(report) => report::command(report, out),
        Command::Bisect(bisect) => bisect::command(bisect, out),
        Command::Collect(collect) => collect::command(collect, out),
        Command::Convert(convert) => convert::command(convert, out),
        Command::Zoo(zoo) => zoo::command(zoo, out),
        Command::Explain(explain) => explain::command(explain, out),
        Command::Exhaust(exhaust) => exhaust::command(exhaust, out),
        Command::Campaign(campaign) => campaign::command(campaign, out),
        Command::Diff(diff) => diff::command(diff, out),
        Command::Emit(emit) => emit::command(emit, out),
        Command::Completions { shell } => completions(*shell, out),
        Command::Linux(linux) => linux::command(linux, out),
    };
    let status = result.and_then(|status| out.flush().map(|()| status));
    let status = match status {
        Ok(status) => status,
        // the reader has gone: it wants to hear no more
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Status::Unusable,
        Err(error) => Status::unusable(format_args!("standard output cannot be written: {error}")),
    };
    ExitCode::from(status as u8)
}

/// `completions`: what a shell sources.
fn completions(shell: clap_complete::Shell, out: &mut dyn Write) -> io::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "mm-triage", &mut script);
    out.write_all(&script)?;
    Ok(Status::Pass)
}
