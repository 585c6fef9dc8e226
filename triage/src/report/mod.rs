//! `report`: shows the clusters of a folder as a page for a browser, as Markdown, as JSON and as
//! SARIF.
//!
//! The four files are made from one [`Report`], which serializes to `report.json`. SARIF leaves out
//! programs, pictures and findings on Linux. A file name is in the form of [`crate::names::shown`]:
//! one line of text, also if the name has control characters. Each of the four forms escapes its
//! contents, so no name and no byte of an artifact becomes markup.

mod contents;
mod film;
mod html;
pub mod kernel;
mod markdown;
mod picture;
mod sarif;
mod state;
mod svg;

use crate::cluster::{self, Sources};
use crate::stop::Stop;
use crate::store::Output;
use crate::style::Style;
use crate::{Status, store};
pub use contents::Report;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The end of the command's help.
pub const HELP: &str = "\
Does what cluster -o OUT does, and writes to the same folder report.html (self-contained), report.md,
report.json (docs/report.schema.json) and report.sarif (SARIF 2.1.0). The first three also show the
findings that a run of make linux-fuzz has saved.
Exit status: 0 no finding, 1 findings, 2 an unusable file, 3 interrupted; the partial report is written.";

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// What to report on.
    #[command(flatten)]
    pub sources: Sources,
    /// The folder to write to; results of an earlier report or cluster in it are kept
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// Print the contents of report.json, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Clusters the files and writes the report.
pub fn command(args: &ReportArgs, out: &mut dyn Write) -> io::Result<Status> {
    let written = Stop::on_signals().and_then(|stop| write(&args.sources, &args.output, &stop));
    let (report, status) = match written {
        Ok(written) => written,
        Err(status) => return Ok(status),
    };
    if args.json {
        out.write_all(report.json().as_bytes())?;
    } else {
        print(&report, args, out)?;
    }
    Ok(status)
}

/// Clusters the files of `sources`, and writes the four files of the report to the folder `output`.
/// Returns the contents of the report, and the exit status.
///
/// # Errors
/// A file of an earlier run is unusable, or a file cannot be written. Standard error then has an
/// explanation.
pub fn write(sources: &Sources, output: &Path, stop: &Stop) -> Result<(Report, Status), Status> {
    let opened = Output::open(output)?;
    let all = cluster::gather(sources, Some(&opened), stop)?;
    let mut report = Report::of(&all, sources.zoo.as_ref());
    let bugs = sources.zoo.clone().unwrap_or_default();
    report.on_linux = kernel::gather(&sources.files, &bugs);
    let forms = [
        ("report.json", report.json()),
        ("report.sarif", sarif::render(&report)),
        ("report.md", markdown::render(&report)),
        ("report.html", html::render(&report)),
    ];
    for (name, contents) in forms {
        let path = output.join(name);
        store::write(&path, contents).map_err(|error| store::refuse_write(&path, &error))?;
    }
    let status = all.status();
    let found = !report.on_linux.is_empty() && status == Status::Pass;
    Ok((report, if found { Status::Finding } else { status }))
}

fn print(report: &Report, args: &ReportArgs, out: &mut dyn Write) -> io::Result<()> {
    let style = Style::of_stdout();
    let folder = crate::names::shown(&args.output.join("report.html"));
    let heading = format!("report: {}: {}", report.title(), report.sums());
    writeln!(out, "{}", style.heading(heading))?;
    if report.interrupted {
        writeln!(
            out,
            "{}",
            style.bad("interrupted: not all files were looked at")
        )?;
    }
    writeln!(out, "  {folder}, and .md, .json, .sarif beside it")
}
