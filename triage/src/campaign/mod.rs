//! `campaign`: shows what the runs of `make campaign` say about the engines, as a page for a
//! browser.
//!
//! No run is left out. A run without a finding is censored at the limit: curves, means and ranks
//! count it as a run that had not found the bug by then.

mod chart;
mod html;
mod results;
mod runs;
mod stats;

use crate::{Status, store};
use results::Results;
use runs::Campaign;
use std::io::{self, Write};
use std::path::PathBuf;

/// The end of the command's help.
pub const HELP: &str = "\
Reads DIR/runs.csv and DIR/about.txt, whether all runs are there or not, and writes DIR/index.html, a
self-contained page. The same runs give the same page.
Exit status: 0 the page is written, 2 unusable input.";

/// Arguments of `campaign`.
#[derive(Debug, clap::Args)]
pub struct CampaignArgs {
    /// The folder that make campaign wrote
    pub dir: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Reads the runs, and writes the page.
pub fn command(args: &CampaignArgs, out: &mut dyn Write) -> io::Result<Status> {
    let results = match Campaign::read(&args.dir) {
        Ok(campaign) => Results::of(campaign),
        Err(why) => return Ok(Status::unusable(why)),
    };
    let path = args.dir.join("index.html");
    store::sweep(&args.dir);
    if let Err(error) = store::write(&path, html::render(&results)) {
        return Ok(store::refuse_write(&path, &error));
    }
    if args.json {
        writeln!(out, "{}", results.json(&path))?;
    } else {
        results.print(out)?;
        writeln!(out, "  {}", crate::names::shown(&path))?;
    }
    Ok(Status::Pass)
}
