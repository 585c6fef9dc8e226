//! `report`: all that is known of the clusters of a folder, as a page for a browser, as Markdown, as JSON
//! and as SARIF.
//!
//! The four files say the same; [`contents`] is what they say, and is `report.json` as it stands. Names of
//! files are in it as [`crate::names::shown`] has them: one line of text, whatever bytes they are. Each form escapes
//! what it is given, so that no name and no byte of an artifact becomes markup.

mod contents;
mod film;
mod html;
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
use contents::Report;
use std::io::{self, Write};
use std::path::PathBuf;

/// What the help of the command ends with.
pub const HELP: &str = "\
Does what cluster -o OUT does, and writes to the same folder report.html, which needs nothing but itself,
report.md, report.json (docs/report.schema.json) and report.sarif (SARIF 2.1.0).
Exit status: 0 no finding, 1 clusters, 2 an unusable file, 3 interrupted; the partial report is written.";

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// What to report on.
    #[command(flatten)]
    pub sources: Sources,
    /// The folder to write to; what it has from an earlier run, or one of cluster, is added to
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// Print what report.json has, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Clusters the files and writes the report.
pub fn command(args: &ReportArgs, out: &mut dyn Write) -> io::Result<Status> {
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(status) => return Ok(status),
    };
    let output = match Output::open(&args.output) {
        Ok(output) => output,
        Err(status) => return Ok(status),
    };
    let all = match cluster::gather(&args.sources, Some(&output), &stop) {
        Ok(all) => all,
        Err(status) => return Ok(status),
    };
    let report = Report::of(&all, args.sources.zoo.as_ref());
    let json = serde_json::to_string_pretty(&report).unwrap_or_default() + "\n";
    let forms = [
        ("report.json", &json),
        ("report.sarif", &sarif::render(&report)),
        ("report.md", &markdown::render(&report)),
        ("report.html", &html::render(&report)),
    ];
    for (name, contents) in forms {
        let path = args.output.join(name);
        if let Err(error) = store::write(&path, contents) {
            return Ok(store::refuse_write(&path, &error));
        }
    }
    if args.json {
        out.write_all(json.as_bytes())?;
    } else {
        print(&report, args, out)?;
    }
    Ok(all.status())
}

fn print(report: &Report, args: &ReportArgs, out: &mut dyn Write) -> io::Result<()> {
    let style = Style::of_stdout();
    let folder = crate::names::shown(&args.output.join("report.html"));
    let heading = format!("report: {}: {}", report.title(), report.sums());
    writeln!(out, "{}", style.heading(heading))?;
    if report.interrupted {
        writeln!(out, "{}", style.bad("interrupted: these are not all files"))?;
    }
    writeln!(out, "  {folder}, and .md, .json, .sarif beside it")
}
