//! The command line: the commands, and the functions that run them.

use crate::{
    Status, bisect, campaign, cluster, collect, convert, diff, emit, emitted, exhaust, explain,
    linux, minimize, replay, report, seeds, zoo,
};
use clap::{CommandFactory, Parser, Subcommand};
use std::io::{self, Write};

const AFTER_HELP: &str = "\
Exit status: 0 all is well, 1 a finding, 2 unusable input or command line, 3 interrupted.
The grammar of programs is in docs/grammar.md.";

/// Replay, shorten, explain and cluster programs of mmfuzz, and run them on a real Linux.
#[derive(Debug, Parser)]
#[command(name = "mm-triage", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Run programs and show what happens, step by step
    #[command(after_help = AFTER_HELP)]
    Replay(replay::ReplayArgs),
    /// Shorten programs with a finding as far as their signature stays the same
    #[command(after_help = minimize::HELP)]
    Minimize(minimize::MinimizeArgs),
    /// Count the bugs in a folder of artifacts
    #[command(after_help = cluster::HELP)]
    Cluster(cluster::ClusterArgs),
    /// Write a page on all bugs of a folder, with programs, explanations and pictures; also SARIF
    #[command(after_help = report::HELP)]
    Report(report::ReportArgs),
    /// Find the commit of this repository at which a program's verdict changes
    #[command(after_help = bisect::HELP)]
    Bisect(bisect::BisectArgs),
    /// Show what each operation changed, and in which function a finding first arises
    #[command(after_help = AFTER_HELP)]
    Explain(explain::ExplainArgs),
    /// Run two programs side by side, or one with a bug and without
    #[command(after_help = diff::HELP)]
    Diff(diff::DiffArgs),
    /// Run every program up to a length
    #[command(after_help = exhaust::HELP)]
    Exhaust(exhaust::ExhaustArgs),
    /// Compare engines by the runs of make campaign, and write a page on them
    #[command(after_help = campaign::HELP)]
    Campaign(campaign::CampaignArgs),
    /// Write every text program of the corpus as a wire file, for a fuzzing engine
    Seeds(seeds::SeedsArgs),
    /// Copy inputs of engines into a corpus: whole ones only, each named by a hash of its content
    #[command(after_help = collect::HELP)]
    Collect(collect::CollectArgs),
    /// Convert programs of any form to text or wire
    Convert(convert::ConvertArgs),
    /// Run every historical bug against its witness
    Zoo(zoo::ZooArgs),
    /// Run programs on a real Linux in a virtual machine, and compare it with the model
    #[command(after_help = AFTER_HELP)]
    Linux(linux::LinuxArgs),
    /// Write a program as source: C for a real Linux, with our driver or without, or a Rust test
    Emit(emit::EmitArgs),
    /// Print a script that completes our command lines, for a shell to source
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Runs the command, and writes its results to `out`.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub fn run(&self, out: &mut dyn Write) -> io::Result<Status> {
        let status = match &self.command {
            CliCommand::Replay(args) => replay::command(args, out),
            CliCommand::Minimize(args) => minimize::command(args, out),
            CliCommand::Seeds(args) => seeds::command(args, out),
            CliCommand::Cluster(args) => cluster::command(args, out),
            CliCommand::Report(args) => report::command(args, out),
            CliCommand::Bisect(args) => bisect::command(args, out),
            CliCommand::Collect(args) => collect::command(args, out),
            CliCommand::Convert(args) => convert::command(args, out),
            CliCommand::Zoo(args) => zoo::command(args, out),
            CliCommand::Explain(args) => explain::command(args, out),
            CliCommand::Exhaust(args) => exhaust::command(args, out),
            CliCommand::Campaign(args) => campaign::command(args, out),
            CliCommand::Diff(args) => diff::command(args, out),
            CliCommand::Emit(args) => emit::command(args, out),
            CliCommand::Completions { shell } => completions(*shell, out),
            CliCommand::Linux(args) if args.runs_emitted() => emitted::command(args, out),
            CliCommand::Linux(args) => linux::command(args, out),
        }?;
        out.flush()?;
        Ok(status)
    }
}

/// `completions`: writes the script that a shell sources.
fn completions(shell: clap_complete::Shell, out: &mut dyn Write) -> io::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mm-triage", &mut script);
    out.write_all(&script)?;
    Ok(Status::Pass)
}
