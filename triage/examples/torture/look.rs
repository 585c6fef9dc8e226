//! Looks at the folders: inputs and findings by content, and whether each file is whole.

use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that must not be lost.
#[derive(Debug, Default)]
pub struct Look {
    /// For each target, the inputs by their SHA-1.
    inputs: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// For each target, the inputs of the distilled corpus by their SHA-1.
    distilled: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// The SHA-1 of each finding.
    findings: BTreeSet<String>,
    /// The number of folders that killed runs have left.
    runs: usize,
}

/// The files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn sha1(bytes: &[u8]) -> String {
    let hash = Sha1::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-1 at the end of a name, `digits` digits long. libFuzzer's names have all 40 digits, ours
/// the first 8.
fn said(name: &str, digits: usize) -> Option<&str> {
    let hash = name.get(name.len().checked_sub(digits)?..)?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let before = name
        .len()
        .checked_sub(digits + 1)
        .and_then(|at| name.as_bytes().get(at));
    let whole = before.is_none_or(|byte| !is_hex(*byte));
    (whole && hash.bytes().all(is_hex)).then_some(hash)
}

impl Look {
    /// Looks at the tree. Nobody may write meanwhile.
    pub fn at(tree: &Path) -> Self {
        let mut look = Self::default();
        for target in ["ops", "races", "canary"] {
            let read = |folder: &str| {
                let paths = files(&tree.join(folder).join(target));
                let paths = paths.into_iter().filter(|path| !crate::is_temporary(path));
                let contents = paths.filter_map(|path| fs::read(path).ok());
                contents
                    .map(|bytes| (sha1(&bytes), bytes))
                    .collect::<BTreeMap<_, _>>()
            };
            look.inputs.insert(target.to_owned(), read("fuzz/corpus"));
            look.distilled
                .insert(target.to_owned(), read("corpus/distilled"));
            let artifacts = read("fuzz/artifacts");
            look.findings.extend(artifacts.into_keys());
        }
        for entry in fs::read_dir(tree.join("fuzz/work"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() && !name.to_string_lossy().starts_with('.') {
                look.runs += 1;
                look.run(&path);
            }
        }
        look
    }

    /// Adds the inputs and findings in the folder of a killed run.
    fn run(&mut self, run: &Path) {
        let about = fs::read_to_string(run.join("about")).unwrap_or_default();
        let value = |variable: &str| {
            let line = about
                .lines()
                .find_map(|line| line.split_once(&format!(" {variable}=\"")));
            line.map_or("", |(_, value)| value.trim_end_matches('"'))
                .to_owned()
        };
        let target = value("target");
        if value("keeps") == "yes" {
            let inputs = self.inputs.entry(target).or_default();
            for path in files(&run.join("corpus")) {
                let bytes = fs::read(&path).unwrap_or_default();
                if sha1(&bytes) == name(&path) {
                    inputs.insert(sha1(&bytes), bytes);
                }
            }
        }
        let is_finding = |path: &PathBuf| {
            let (name, folder) = (name(path), path.parent().map(name).unwrap_or_default());
            match &*folder {
                "found" => ["crash-", "timeout-", "oom-"]
                    .iter()
                    .any(|kind| name.starts_with(kind)),
                "crashes" | "hangs" => name.starts_with("id:"),
                _ => false,
            }
        };
        for path in files(run).into_iter().filter(is_finding) {
            let bytes = fs::read(&path).unwrap_or_default();
            let hash = sha1(&bytes);
            let is_whole = said(&name(&path), 40).is_none_or(|said| said == hash);
            if is_whole && !bytes.is_empty() {
                self.findings.insert(hash);
            }
        }
    }

    /// Lists the findings and inputs of `before` that are gone, and says if folders of killed runs
    /// are left. If `distilled`, inputs may be gone.
    pub fn misses(&self, before: &Self, distilled: bool) -> Vec<String> {
        let mut faults = Vec::new();
        for finding in before.findings.difference(&self.findings) {
            faults.push(format!("the finding {finding} is gone"));
        }
        for (target, inputs) in &before.inputs {
            let now = self.inputs.get(target);
            let is_gone = |hash: &&String| !now.is_some_and(|now| now.contains_key(*hash));
            let gone = inputs.keys().filter(is_gone).count();
            if gone > 0 && !distilled {
                faults.push(format!("{gone} inputs of {target} are gone"));
            }
        }
        if self.runs > 0 {
            faults.push(format!("{} folders of runs are left", self.runs));
        }
        faults
    }

    /// For each target, makes two counts of features: of the inputs that are there now, and of the
    /// inputs that are there now or were there in a look of `before`. Says if the two counts
    /// differ, or if they are 0.
    pub fn features_lost(&self, tree: &Path, before: &[&Self]) -> Vec<String> {
        let mut faults = Vec::new();
        for target in ["ops", "races"] {
            let all = |look: &Self| {
                let both = [&look.inputs[target], &look.distilled[target]];
                both.into_iter()
                    .flatten()
                    .map(|(hash, bytes)| (hash.clone(), bytes.clone()))
                    .collect::<BTreeMap<_, _>>()
            };
            let now = all(self);
            let mut ever = now.clone();
            before.iter().for_each(|look| ever.extend(all(look)));
            let (had, has) = (features(tree, target, &ever), features(tree, target, &now));
            if had != has || had == 0 {
                faults.push(format!("of {had} features of {target} there are {has}"));
            }
        }
        faults
    }
}

/// The number of features that the inputs, corpus/seeds and corpus/regress have together.
fn features(tree: &Path, target: &str, inputs: &BTreeMap<String, Vec<u8>>) -> u64 {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("in");
    fs::create_dir(&folder).expect("a folder");
    for (name, bytes) in inputs {
        fs::write(folder.join(name), bytes).expect("an input");
    }
    let target_dir = std::env::var("CARGO_TARGET_DIR").unwrap_or_default();
    let output = Command::new(format!("{target_dir}/fuzz-none/bin/distil"))
        .arg(target)
        .arg(dir.path())
        .arg(folder)
        .args(["corpus/seeds", "corpus/regress"])
        .current_dir(tree)
        .output()
        .expect("distil runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let features = said.split(" features=").nth(1);
    let before = features.and_then(|rest| rest.split_once("->")?.0.parse().ok());
    before.unwrap_or_default()
}

/// Lists files that are not whole: their content does not match the SHA-1 in their name, or they
/// are empty, no valid program or JSON, or HTML without its end. Also lists artifacts without a
/// text beside them.
pub fn not_whole(tree: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for folder in ["fuzz/corpus", "fuzz/artifacts", "corpus/distilled", "out"] {
        for path in files(&tree.join(folder)) {
            if crate::is_temporary(&path) {
                continue;
            }
            let (bytes, name) = (fs::read(&path).unwrap_or_default(), name(&path));
            let text = String::from_utf8_lossy(&bytes);
            let is_whole = match name.rsplit_once('.').map(|(_, kind)| kind) {
                Some("mm") => !bytes.is_empty() && mm_fuzz::program::text::parse(&text).is_ok(),
                Some("json" | "sarif") => serde_json::from_str::<serde_json::Value>(&text).is_ok(),
                Some("html") => text.ends_with("</html>\n"),
                _ => {
                    let full = said(&name, 40).is_none_or(|said| said == sha1(&bytes));
                    let is_artifact = folder == "fuzz/artifacts";
                    let short = said(&name, 8)
                        .is_none_or(|said| !is_artifact || sha1(&bytes).starts_with(said));
                    full && short && !bytes.is_empty()
                }
            };
            if !is_whole {
                faults.push(format!(
                    "{} is not whole ({} bytes)",
                    path.display(),
                    bytes.len()
                ));
            }
            let has_text = |path: &Path| {
                let mut text = path.to_owned().into_os_string();
                text.push(".mm");
                Path::new(&text).exists()
            };
            if folder == "fuzz/artifacts" && !name.ends_with(".mm") && !has_text(&path) {
                faults.push(format!("{} has no text", path.display()));
            }
        }
    }
    faults
}
