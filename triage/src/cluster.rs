//! `cluster`: counts the bugs in a folder of artifacts.
//!
//! One bug has many signatures, because many operations meet it on pages in many states. One
//! invariant can be broken by many bugs. [`key`] says what the artifacts of one bug have in common.
//! An artifact that needs two threads and an artifact that needs one never share a cluster.

pub mod key;

use crate::Status;
use crate::bugs::Bugs;
use crate::input::{self, InputError, Target};
use crate::minimize::{self, Same, compare};
use crate::names::shown;
use crate::page::counted;
use crate::progress::Progress;
use crate::run;
use crate::stop::Stop;
use crate::store::Output;
use crate::style::Style;
use crate::walk::{FolderWalk, WalkEntry};
use crate::{file, pool, store};
use key::{Key, Vague};
use mm_fuzz::program::{Program, text};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The end of the command's help.
pub const HELP: &str = "\
Each program is minimized while its signature stays the same. The oracles then check the state at
every scheduling point, so the first check that fails names a function. A cluster is an invariant, that function, and whether the finding
takes a race. Invariants about the same thing count as one. Where the function says little (such as
for a free page with references, or a livelock), the way in which the invariant was broken counts
instead. The name of a cluster comes from these and stays the same from run to run.
OUT gets clusters.json and each cluster's shortest program. A second run with the same OUT adds to
clusters.json, and does not read again the files that it lists.
Exit status: 0 no finding, 1 clusters, 2 an unusable file, 3 interrupted; the partial result is written.";

/// Artifacts, and how to read and run them.
#[derive(Debug, clap::Args)]
pub struct Sources {
    /// Historical bugs to put back, separated by commas
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// The files are inputs of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// The clusters.json of another run: say which clusters are not in it
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Threads [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = pool::jobs)]
    pub jobs: Option<usize>,
    /// Folders of artifacts, or single files
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
}

/// Arguments of `cluster`.
#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    /// What to cluster.
    #[command(flatten)]
    pub sources: Sources,
    /// The folder to write to; the results of an earlier run in it are kept
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Print the contents of clusters.json, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// The name of the file in the output folder.
const FILE: &str = "clusters.json";
/// The version of that file's format.
const VERSION: u32 = 6;
/// The longest such file that is read, in bytes; it can name more than a million files.
const MAX_BYTES: u64 = 1 << 29;

/// The contents of `clusters.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clusters {
    version: u32,
    /// The options that decide what a file shows. Only a run with the same options can add to this
    /// one.
    settings: String,
    /// The run was interrupted before it had looked at all files.
    pub interrupted: bool,
    /// Files without a finding.
    pub passed: BTreeSet<String>,
    /// Files that cannot be read or are no programs, and the reason for each.
    pub unusable: BTreeMap<String, String>,
    /// The number of empty files that this run found in folders. A later run reads these files
    /// again, because their writers may have been killed or may still be writing.
    #[serde(default)]
    pub empty: usize,
    /// The clusters, by name.
    clusters: BTreeMap<String, Group>,
}

/// The artifacts of one bug, as far as can be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The baseline does not have this cluster; without a baseline, the cluster is new in this run.
    pub new: bool,
    /// What the artifacts have in common.
    pub key: Key,
    /// The text of the smallest of the minimized programs.
    pub program: String,
    /// The signature of that program.
    pub signature: String,
    /// The [`key::Keyed::circumstances`] of the artifacts.
    circumstances: BTreeSet<String>,
    /// The [`key::Keyed::operation`]s of the artifacts.
    operations: BTreeSet<String>,
    /// The signatures, and how many files have each.
    pub signatures: BTreeMap<String, u64>,
    /// The artifacts.
    pub files: BTreeSet<String>,
}

/// What is known about a file.
struct Artifact {
    signature: String,
    key: Key,
    vague: Vague,
    operation: String,
    circumstances: String,
    program: Program,
}

enum Outcome {
    Artifact(Box<Artifact>),
    Passed,
    Empty,
    Unusable(String),
}

/// Clusters all files, and says which clusters are new.
pub fn command(args: &ClusterArgs, out: &mut dyn Write) -> io::Result<Status> {
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(status) => return Ok(status),
    };
    let output = match args.output.as_deref().map(Output::open).transpose() {
        Ok(output) => output,
        Err(status) => return Ok(status),
    };
    let all = match gather(&args.sources, output.as_ref(), &stop) {
        Ok(all) => all,
        Err(status) => return Ok(status),
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &all)?;
        writeln!(out)?;
    } else {
        all.print(out)?;
    }
    Ok(all.status())
}

/// Clusters the files of `sources`, together with the clusters of an earlier run in `output`.
/// Writes the clusters to `output`.
///
/// # Errors
/// A file of an earlier run is unusable, or has other settings, or the clusters cannot be written.
/// Standard error then has an explanation.
pub fn gather(sources: &Sources, output: Option<&Output>, stop: &Stop) -> Result<Clusters, Status> {
    let bugs = sources.zoo.clone().unwrap_or_default();
    let output = output.map(Output::dir);
    let earlier = output.map(|dir| dir.join(FILE));
    let earlier = earlier.filter(|path| path.exists());
    let mut all = load(earlier.as_deref())?;
    let settings = settings(sources, &bugs);
    if let Some(path) = &earlier
        && all.settings != settings
    {
        let (path, had) = (shown(path), &all.settings);
        return Err(Status::unusable(format_args!(
            "{path}: was made {had}, but this run is {settings}; use the same settings, or give another folder"
        )));
    }
    all.settings = settings;
    all.empty = 0;
    let old: BTreeSet<String> = match &sources.baseline {
        Some(baseline) => load(Some(baseline))?.clusters.into_keys().collect(),
        None => all.clusters.keys().cloned().collect(),
    };
    let known = all.files();
    let (folders, files): (Vec<_>, Vec<_>) = sources.files.iter().partition(|path| path.is_dir());
    let found = folders
        .into_iter()
        .flat_map(|folder| FolderWalk::new(folder));
    let found = files
        .into_iter()
        .cloned()
        .map(WalkEntry::Named)
        .chain(found);
    let found = found.take_while(|_| !stop.is_set()).filter(|found| {
        let path = found.path();
        let is_program = matches!(found, WalkEntry::Named(_)) || !input::is_no_program(path);
        is_program
            && !known.contains(&shown(path))
            && !output.is_some_and(|dir| path.starts_with(dir))
    });
    let (mut progress, mut count, mut vague) = (Progress::new("files"), 0, Vec::new());
    let done = pool::ordered(
        sources.jobs.unwrap_or_else(pool::default_jobs),
        found,
        || (),
        |(), found| one(sources.target, &bugs, stop, found),
        |(file, outcome)| {
            count += 1;
            match outcome {
                None => {}
                Some(Outcome::Passed) => drop(all.passed.insert(file)),
                Some(Outcome::Empty) => all.empty += 1,
                Some(Outcome::Unusable(why)) => drop(all.unusable.insert(file, why)),
                Some(Outcome::Artifact(artifact)) if artifact.vague != Vague::No => {
                    vague.push((file, artifact));
                }
                Some(Outcome::Artifact(artifact)) => all.add(file, *artifact, None),
            }
            progress.tick(count, || counted(all.clusters.len(), "cluster"));
            Ok(())
        },
    );
    done.map_err(Status::unusable)?;
    progress.end();
    for (file, artifact) in vague {
        let joined = all.only_cluster_like(&artifact);
        all.add(file, *artifact, joined);
    }
    all.version = VERSION;
    all.interrupted = stop.is_set();
    for (name, group) in &mut all.clusters {
        group.new = !old.contains(name);
    }
    if let Some(dir) = output {
        all.write(dir)
            .map_err(|(path, error)| store::refuse_write(&path, &error))?;
    }
    Ok(all)
}

/// The options that decide what a file shows, in words.
fn settings(sources: &Sources, bugs: &Bugs) -> String {
    let mut names: Vec<&str> = bugs
        .names
        .split(',')
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    let target = sources
        .target
        .map(|target| format!(" as for target {target:?}"));
    format!(
        "with bugs [{}]{}",
        names.join(","),
        target.unwrap_or_default().to_lowercase()
    )
}

/// The clusters of an earlier run; none without a path.
fn load(path: Option<&Path>) -> Result<Clusters, Status> {
    let Some(path) = path else {
        return Ok(Clusters::default());
    };
    let refuse = |why: &dyn std::fmt::Display| {
        let path = shown(path);
        Status::unusable(format_args!(
            "{path}: {why}; give the {FILE} of an earlier run, or another folder"
        ))
    };
    let text = file::read(path, MAX_BYTES).map_err(|error| refuse(&error))?;
    let all: Clusters = serde_json::from_slice(&text).map_err(|error| refuse(&error))?;
    if all.version != VERSION {
        return Err(refuse(&format_args!("has version {}", all.version)));
    }
    // The name of a cluster becomes the name of a file.
    match all
        .clusters
        .iter()
        .find(|(name, group)| **name != group.key.name())
    {
        Some((name, _)) => Err(refuse(&format_args!(
            "{name:?} is not the name of a cluster"
        ))),
        None => Ok(all),
    }
}

/// Minimizes and clusters one file. Returns no outcome if the user has interrupted the run, or if
/// no oracle objects to the minimized program.
fn one(
    target: Option<Target>,
    bugs: &Bugs,
    stop: &Stop,
    found: WalkEntry,
) -> (String, Option<Outcome>) {
    let (path, is_named) = match found {
        WalkEntry::Named(path) => (path, true),
        WalkEntry::File(path) => (path, false),
        WalkEntry::Unreadable(path, error) => {
            let why = InputError::unreadable(&path, error).to_string();
            return (shown(&path), Some(Outcome::Unusable(why)));
        }
    };
    let outcome = match input::load(&path, target) {
        Err(error) if error.is_empty() && !is_named => Some(Outcome::Empty),
        Err(error) => Some(Outcome::Unusable(error.to_string())),
        Ok(input) => match minimize::minimize(&input.program, bugs, Same::Signature, 1, stop) {
            None => Some(Outcome::Passed),
            Some(small) if small.last_round.is_none() => None,
            Some(small) => artifact(small.program, small.found, bugs),
        },
    };
    (shown(&path), outcome)
}

fn artifact(program: Program, found: run::Found, bugs: &Bugs) -> Option<Outcome> {
    let keyed = key::of(&program, &found, bugs)?;
    Some(Outcome::Artifact(Box::new(Artifact {
        signature: found.signature,
        vague: keyed.vague,
        operation: keyed.operation,
        key: keyed.key,
        circumstances: keyed.circumstances,
        program,
    })))
}

impl Clusters {
    /// All files that were looked at.
    fn files(&self) -> BTreeSet<String> {
        let files = self.clusters.values().flat_map(|group| &group.files);
        let others = self.passed.iter().chain(self.unusable.keys());
        files.chain(others).cloned().collect()
    }

    /// The name of the cluster that an artifact without a known function joins. The artifact and
    /// the cluster must have the same invariant, and both must be races, or neither. The cluster
    /// must already have a finding in the same circumstances. If the function is unknown for
    /// another reason than a migration phase ([`Vague::Phase`]), the cluster must also have a
    /// finding at the same operation. Returns `None` if no cluster qualifies, or several do.
    fn only_cluster_like(&self, artifact: &Artifact) -> Option<String> {
        let key = &artifact.key;
        let mut alike = self.clusters.iter().filter(|(_, group)| {
            group.key.invariant == key.invariant
                && group.key.race == key.race
                && group.circumstances.contains(&artifact.circumstances)
                && (artifact.vague == Vague::Phase
                    || group.operations.contains(&artifact.operation))
        });
        let (name, _) = alike.next()?;
        alike.next().is_none().then(|| name.clone())
    }

    /// Adds a file to the cluster called `name`. Without a name, the key of the artifact names the
    /// cluster.
    fn add(&mut self, file: String, artifact: Artifact, name: Option<String>) {
        let Artifact {
            signature,
            key,
            operation,
            circumstances,
            program,
            ..
        } = artifact;
        let name = name.unwrap_or_else(|| key.name());
        let group = self.clusters.entry(name).or_insert_with(|| Group {
            new: true,
            key,
            program: program.to_string(),
            signature: signature.clone(),
            circumstances: BTreeSet::new(),
            operations: BTreeSet::new(),
            signatures: BTreeMap::new(),
            files: BTreeSet::new(),
        });
        let smallest = text::parse(&group.program);
        if smallest.is_ok_and(|smallest| compare(&program, &smallest).is_lt()) {
            group.program = program.to_string();
            group.signature.clone_from(&signature);
        }
        group.circumstances.insert(circumstances);
        group.operations.insert(operation);
        *group.signatures.entry(signature).or_default() += 1;
        group.files.insert(file);
    }

    /// Writes the smallest program of each cluster, and then `clusters.json`.
    fn write(&self, dir: &Path) -> Result<(), (PathBuf, io::Error)> {
        let write = |name: String, text: String| {
            let path = dir.join(name);
            store::write(&path, text).map_err(|error| (path, error))
        };
        for (name, group) in &self.clusters {
            write(
                format!("{name}.mm"),
                format!("# {}\n{}", group.signature, group.program),
            )?;
        }
        // Strings and numbers always serialize.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        write(FILE.to_owned(), json + "\n")
    }

    /// The number of all files: in clusters, without a finding, unusable and empty.
    pub fn count(&self) -> usize {
        let of_clusters: usize = self.clusters.values().map(|group| group.files.len()).sum();
        of_clusters + self.passed.len() + self.unusable.len() + self.empty
    }

    /// The clusters and their names, sorted by the number of files, largest first.
    pub fn ranked(&self) -> Vec<(&str, &Group)> {
        let groups = self.clusters.iter();
        let mut groups: Vec<_> = groups.map(|(name, group)| (&**name, group)).collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.files.len()));
        groups
    }

    /// The exit status of a command that made these clusters.
    pub fn status(&self) -> Status {
        if self.interrupted {
            Status::Interrupted
        } else if !self.unusable.is_empty() {
            Status::Unusable
        } else if self.clusters.is_empty() {
            Status::Pass
        } else {
            Status::Finding
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let style = Style::of_stdout();
        let new = self.clusters.values().filter(|group| group.new).count();
        let heading = format!(
            "cluster: files={} passed={} unusable={} empty={} clusters={} new={new}",
            self.count(),
            self.passed.len(),
            self.unusable.len(),
            self.empty,
            self.clusters.len(),
        );
        writeln!(out, "{}", style.heading(heading))?;
        if self.interrupted {
            writeln!(
                out,
                "{}",
                style.bad("interrupted: not all files were looked at")
            )?;
        }
        for (name, group) in self.ranked() {
            let (invariant, place) = (&group.key.invariant, group.key.place());
            let race = if group.key.race { ", a race" } else { "" };
            let new = if group.new { ", new" } else { "" };
            let heading = format!("{name}  {invariant}: {place}{race}{new}");
            writeln!(out, "\n{}", style.heading(heading))?;
            let first = group.files.first().map_or("", String::as_str);
            writeln!(
                out,
                "  {} with {}, such as {first}",
                counted(group.files.len(), "file"),
                counted(group.signatures.len(), "signature")
            )?;
            for line in group.program.lines() {
                writeln!(out, "    {line}")?;
            }
        }
        if let Some((_, why)) = self.unusable.first_key_value() {
            let count = self.unusable.len();
            writeln!(out, "\n{} unusable, such as\n  {why}", count)?;
        }
        Ok(())
    }
}
