//! The contents of a report, from which all of its forms are made.

use super::kernel::KernelFinding;
use super::picture::Picture;
use crate::bugs::Bugs;
use crate::cluster::key::Key;
use crate::cluster::{Clusters, Group};
use crate::explain::Explanation;
use crate::page::counted;
use crate::run::worded;
use mm_fuzz::invariant::Invariant;
use mm_fuzz::program::text;
use serde::Serialize;

/// The version of `report.json`, which docs/report.schema.json describes.
const VERSION: u32 = 1;
/// The most clusters that are reported.
const MAX_CLUSTERS: usize = 250;
/// The most files and the most signatures of a cluster, and the most unusable files, that are
/// named.
const NAMED: usize = 20;

/// The contents of a report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of report.json.
    pub version: u32,
    /// The tool that wrote the report, with its version.
    pub tool: String,
    /// The historical bugs that were put back, separated by commas.
    pub zoo: String,
    /// The run was interrupted before it had looked at all files.
    pub interrupted: bool,
    /// The number of files that were looked at.
    pub files: usize,
    /// The number of files without a finding.
    pub passed: usize,
    /// The number of files that cannot be read or are no programs.
    pub unusable: usize,
    /// The number of empty files in folders, which were skipped.
    pub empty: usize,
    /// For the first unusable files, a sentence with the name and the reason.
    pub unusable_files: Vec<String>,
    /// The clusters, sorted by the number of files, largest first.
    pub clusters: Vec<Cluster>,
    /// The number of clusters that are only in clusters.json.
    pub clusters_left_out: usize,
    /// Findings on a real Linux.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_linux: Vec<KernelFinding>,
}

/// One cluster: probably one bug.
#[derive(Debug, Serialize)]
pub struct Cluster {
    /// The name of the cluster, the same in every run.
    pub id: String,
    pub new: bool,
    /// The cluster is new, and some other cluster is not. Only then do the page and the Markdown
    /// mark the cluster as new: if all clusters are new, there was probably no earlier run.
    #[serde(skip)]
    pub stands_out: bool,
    /// The invariant of the cluster's key, `family/name`, or the place of a panic.
    pub invariant: String,
    /// The core panicked.
    #[serde(skip)]
    pub panic: bool,
    /// The invariant in a sentence.
    pub rule: Option<String>,
    /// The place of the cluster's key ([`Key::place`]).
    pub place: String,
    /// The place is only the name of a function or operation ([`Key::is_in_a_function`]).
    #[serde(skip)]
    pub is_in_a_function: bool,
    pub race: bool,
    /// The signature of the program.
    pub signature: String,
    pub files: usize,
    /// The names of the first files.
    pub examples: Vec<String>,
    pub signatures: usize,
    /// The most frequent signatures, and how many files have each.
    pub top_signatures: Vec<(String, u64)>,
    /// The shortest program.
    pub program: String,
    /// The number of operations of that program. They are the last lines of its text.
    pub operations: usize,
    /// The name of the program's file in the folder of the report.
    pub file: String,
    /// The command that replays the program, to be run in the folder of the report.
    pub replay: String,
    pub explanation: Option<Explanation>,
    pub picture: Option<Picture>,
}

impl Report {
    /// The report on these clusters, found with the bugs `zoo`.
    pub fn of(all: &Clusters, zoo: Option<&Bugs>) -> Self {
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
            on_linux: Vec::new(),
        }
    }

    /// The text of `report.json`.
    pub fn json(&self) -> String {
        // Strings and numbers always serialize.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// `3 clusters in 12 files`.
    pub fn title(&self) -> String {
        let clusters = self.clusters.len() + self.clusters_left_out;
        format!(
            "{} in {}",
            counted(clusters, "cluster"),
            counted(self.files, "file")
        )
    }

    /// The sums, in one line.
    pub fn sums(&self) -> String {
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
}

impl Cluster {
    pub fn of(id: &str, group: &Group, zoo: Option<&Bugs>) -> Self {
        let file = format!("{id}.mm");
        // The program comes from a file that an earlier run, or somebody else, wrote.
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
            panic: group.key.panic,
            rule: rule(&group.key),
            place: group.key.place(),
            is_in_a_function: group.key.is_in_a_function(),
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

    /// The line of an operation in the text of the program, from 0; the last line for the end of
    /// the program.
    pub fn line_of(&self, operation: Option<usize>) -> usize {
        let lines = self.program.lines().count();
        let first = lines.saturating_sub(self.operations);
        operation.map_or(lines.saturating_sub(1), |i| first + i)
    }

    /// The line of the operation with the finding.
    pub fn failed_line(&self) -> Option<usize> {
        let steps = &self.picture.as_ref()?.steps;
        let failed = steps.iter().find(|step| step.failed)?;
        Some(self.line_of(failed.operation))
    }

    /// A warning if the program cannot be read, or passes, or has another signature than when it
    /// was clustered.
    pub fn warning(&self) -> Option<String> {
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

/// The table's sentence on the invariant of a key.
fn rule(key: &Key) -> Option<String> {
    let sentence = match key.panic {
        true => "The model does not panic.",
        false => Invariant::named(&key.invariant)?.row().holds,
    };
    Some(worded(sentence.to_owned()))
}

#[cfg(all(test, feature = "zoo"))]
mod tests {
    use super::*;
    use crate::cluster::{Sources, gather};
    use crate::run::REWORDED;
    use crate::stop::Stop;
    use serde_json::Value;

    /// Replaces the words of messages and of the table by null.
    fn without_words(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match &**name {
                        "rule" | "detail" | "first_objection" => *value = Value::Null,
                        _ => without_words(value),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(without_words),
            _ => {}
        }
    }

    /// If messages, ways and invariants get other words, a report changes only where it shows these
    /// words.
    #[test]
    fn nothing_in_a_report_depends_on_words_but_the_words() {
        let zoo = format!("{}/../corpus/zoo", env!("CARGO_MANIFEST_DIR"));
        let slugs = [
            "pgmap-ref-on-alloc",
            "gup-pin-zero-page",
            "dup-anon-vma-no-lock",
        ];
        let bugs = Bugs::parse(&slugs.join(",")).expect("bugs");
        let witness = |slug: &&str| format!("{zoo}/{slug}.mm").into();
        let sources = Sources {
            zoo: Some(bugs.clone()),
            target: None,
            baseline: None,
            jobs: Some(1),
            files: slugs.iter().map(witness).collect(),
        };
        let report = |reworded| {
            REWORDED.set(reworded);
            let all = gather(&sources, None, &Stop::default()).expect("clusters");
            let report = Report::of(&all, Some(&bugs)).json();
            REWORDED.set(false);
            serde_json::from_str(&report).expect("JSON")
        };
        let [mut usual, mut reworded]: [Value; 2] = [false, true].map(report);
        assert_eq!(
            usual["clusters"].as_array().map(Vec::len),
            Some(slugs.len())
        );
        for cluster in reworded["clusters"].as_array().expect("clusters") {
            assert_eq!(cluster["rule"], "in other words");
            assert_eq!(
                cluster["explanation"]["finding"]["detail"],
                "in other words"
            );
        }
        assert_ne!(usual, reworded);
        without_words(&mut usual);
        without_words(&mut reworded);
        assert_eq!(usual, reworded);
    }
}
