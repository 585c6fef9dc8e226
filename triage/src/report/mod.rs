//! `report`: all that is known of the clusters of a folder, as a page for a browser, as Markdown, as JSON
//! and as SARIF.
//!
//! The four files say the same; [`Report`] is what they say, and is `report.json` as it stands. Names of
//! files are in it as [`crate::names::shown`] has them: one line of text, whatever bytes they are. Each form escapes
//! what it is given, so that no name and no byte of an artifact becomes markup.

mod film;
mod html;
mod markdown;
mod picture;
mod sarif;
mod state;
mod svg;

use crate::bugs::Bugs;
use crate::cluster::{self, Clusters, Group, Sources};
use crate::explain::Explanation;
use crate::page::counted;
use crate::stop::Stop;
use crate::store::Output;
use crate::style::Style;
use crate::{Status, store};
use mm_fuzz::invariant::Invariant;
use mm_fuzz::program::text;
use picture::Picture;
use serde::Serialize;
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

/// The form of `report.json`; docs/report.schema.json describes it.
const VERSION: u32 = 1;
/// Clusters that are told of in full.
const MAX_CLUSTERS: usize = 250;
/// Files, signatures and unusable files that are named.
const NAMED: usize = 20;

/// What there is to say.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    tool: String,
    /// The historical bugs that were put back, with commas between them.
    zoo: String,
    /// The run was interrupted: not all files were looked at.
    interrupted: bool,
    files: usize,
    passed: usize,
    unusable: usize,
    /// Files in folders without a byte, which were passed over.
    empty: usize,
    /// Why the first unusable files are.
    unusable_files: Vec<String>,
    /// Those of most files first.
    clusters: Vec<Cluster>,
    /// Clusters that are only in clusters.json.
    clusters_left_out: usize,
}

/// One cluster: probably one bug.
#[derive(Debug, Serialize)]
struct Cluster {
    /// The same in every run.
    id: String,
    new: bool,
    /// New, and others are not: there is an earlier run to compare with.
    #[serde(skip)]
    stands_out: bool,
    /// `family/name`, or the place of a panic.
    invariant: String,
    /// The invariant in a sentence.
    rule: Option<String>,
    /// The function in which it first was broken, or the wording of the finding.
    place: String,
    race: bool,
    /// The signature of the program.
    signature: String,
    files: usize,
    /// The first of them.
    examples: Vec<String>,
    signatures: usize,
    /// The most frequent ones, and how many files have each.
    top_signatures: Vec<(String, u64)>,
    /// The shortest program.
    program: String,
    /// Its operations: the last lines of its text.
    operations: usize,
    /// Where that is, beside the report.
    file: String,
    /// In the folder of the report.
    replay: String,
    explanation: Option<Explanation>,
    picture: Option<Picture>,
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
        report.print(args, out)?;
    }
    Ok(all.status())
}

impl Report {
    fn of(all: &Clusters, zoo: Option<&Bugs>) -> Self {
        let ranked = all.ranked();
        let clusters = ranked.iter().take(MAX_CLUSTERS);
        let is_first_run = ranked.iter().all(|(_, group)| group.new);
        let clusters = clusters.map(|(id, group)| Cluster {
            stands_out: group.new && !is_first_run,
            ..Cluster::of(id, group, zoo)
        });
        Self {
            version: VERSION,
            tool: concat!("mm-triage ", env!("CARGO_PKG_VERSION")).to_owned(),
            zoo: zoo.map(|bugs| bugs.names.clone()).unwrap_or_default(),
            interrupted: all.interrupted,
            files: all.count(),
            passed: all.passed.len(),
            unusable: all.unusable.len(),
            empty: all.empty,
            unusable_files: all.unusable.values().take(NAMED).cloned().collect(),
            clusters: clusters.collect(),
            clusters_left_out: ranked.len().saturating_sub(MAX_CLUSTERS),
        }
    }

    /// `3 clusters in 12 files`.
    fn title(&self) -> String {
        let clusters = self.clusters.len() + self.clusters_left_out;
        format!(
            "{} in {}",
            counted(clusters, "cluster"),
            counted(self.files, "file")
        )
    }

    /// The sums, in one line.
    fn sums(&self) -> String {
        let findings = self.files - self.passed - self.unusable - self.empty;
        let new = self.clusters.iter().filter(|cluster| cluster.new).count();
        format!(
            "{} with a finding, {} passed, {} unusable{}; {}",
            findings,
            self.passed,
            self.unusable,
            match self.empty {
                0 => String::new(),
                empty => format!(", {empty} empty"),
            },
            match new {
                0 => "no cluster is new".to_owned(),
                new => format!("{} new", counted(new, "cluster")),
            }
        )
    }

    fn print(&self, args: &ReportArgs, out: &mut dyn Write) -> io::Result<()> {
        let style = Style::of_stdout();
        let folder = crate::names::shown(&args.output.join("report.html"));
        let heading = format!("report: {}: {}", self.title(), self.sums());
        writeln!(out, "{}", style.heading(heading))?;
        if self.interrupted {
            writeln!(out, "{}", style.bad("interrupted: these are not all files"))?;
        }
        writeln!(out, "  {folder}, and .md, .json, .sarif beside it")
    }
}

impl Cluster {
    fn of(id: &str, group: &Group, zoo: Option<&Bugs>) -> Self {
        let file = format!("{id}.mm");
        // an earlier run wrote it, or somebody else did
        let program = text::parse(&group.program).ok();
        let bugs = zoo.cloned().unwrap_or_default();
        let mut signatures: Vec<_> = group.signatures.clone().into_iter().collect();
        signatures.sort_by_key(|(_, files)| std::cmp::Reverse(*files));
        signatures.truncate(NAMED);
        let with = match &*bugs.names {
            "" => String::new(),
            names => format!("--zoo {names} "),
        };
        Self {
            id: id.to_owned(),
            new: group.new,
            stands_out: false,
            invariant: group.key.invariant.clone(),
            rule: rule(&group.key.invariant).map(str::to_owned),
            place: group.key.place.clone(),
            race: group.key.race,
            signature: group.signature.clone(),
            files: group.files.len(),
            examples: group.files.iter().take(NAMED).cloned().collect(),
            signatures: group.signatures.len(),
            top_signatures: signatures,
            program: group.program.clone(),
            operations: program.as_ref().map_or(0, |program| program.ops.len()),
            replay: format!("mm-triage replay {with}{file}"),
            file,
            explanation: program.as_ref().map(|p| Explanation::of(p, zoo)),
            picture: program.as_ref().map(|p| Picture::of(p, &bugs)),
        }
    }

    /// The place is a function of the kernel. Of sums and of progress, and of races, it is a wording.
    fn is_in_a_function(&self) -> bool {
        !self.place.contains(' ')
    }

    /// The line of an operation in the text of the program, from 0; of the end of the program the last one.
    fn line_of(&self, operation: Option<usize>) -> usize {
        let lines = self.program.lines().count();
        let first = lines.saturating_sub(self.operations);
        operation.map_or(lines.saturating_sub(1), |i| first + i)
    }

    /// The line of the operation with the finding.
    fn failed_line(&self) -> Option<usize> {
        let steps = &self.picture.as_ref()?.steps;
        let failed = steps.iter().find(|step| step.failed)?;
        Some(self.line_of(failed.operation))
    }

    /// What a reader should know before anything else, if the program does not do what it did.
    fn warning(&self) -> Option<String> {
        let Some(explanation) = &self.explanation else {
            return Some("The program of an earlier run cannot be read by this build.".to_owned());
        };
        match &explanation.finding {
            None => Some("In this build, with these bugs, the program passes.".to_owned()),
            Some(cause) if cause.signature != self.signature => Some(format!(
                "In this build, with these bugs, the program has another signature: {}",
                cause.signature
            )),
            Some(_) => None,
        }
    }
}

/// What the table says of an invariant.
fn rule(invariant: &str) -> Option<&'static str> {
    if invariant.starts_with("panic at ") {
        return Some("The model does not panic.");
    }
    Some(Invariant::named(invariant)?.row().holds)
}
