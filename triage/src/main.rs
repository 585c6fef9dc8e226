//! The program `mm-triage`: parses the command line and hands it to [`mm_triage::cli`].
//!
//! Every command ends with status 0 (all is well), 1 (a finding, or another result that the help of
//! the command names, such as a difference), 2 (unusable input, or nothing could be done) or 3
//! (interrupted). Results go to standard output. Standard error has one sentence for each input
//! that could not be used, or that runs although something is wrong with it.
#![forbid(unsafe_code)]

use clap::Parser;
use mm_triage::Status;
use mm_triage::cli::Cli;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let status = match Cli::parse().run(&mut io::stdout().lock()) {
        Ok(status) => status,
        // The reader of standard output has gone, so there is nobody to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Status::Unusable,
        Err(error) => Status::unusable(format_args!("standard output cannot be written: {error}")),
    };
    ExitCode::from(status as u8)
}
