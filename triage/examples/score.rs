//! Measures clusterings by the adjusted Rand index: 1 if the clusters are the bugs, 0 for chance.
//!
//! `score TABLE TRUTH NAME=CLUSTERING…` prints a row of Markdown for each clustering: artifacts,
//! bugs, clusters, and four indices. The first is over all artifacts. The second is over the
//! artifacts of every second bug of TABLE, beginning with the first. Most of what makes up the key
//! of a cluster was chosen by looking at these bugs. The third is over the artifacts of the other
//! bugs. The fourth is over at most 20 artifacts of each bug.
//!
//! TABLE has one bug on each line, TRUTH has lines of `artifact bug`. A clustering is the output of
//! `mm-triage cluster --json`, a folder of such files, or lines of `artifact cluster`. Clusters of
//! the same name in several files of a folder count as one. Artifacts are identified by the last
//! part of their paths.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The most artifacts of one bug that the last index counts, so that a frequent bug does not
/// outweigh all others.
const CAP: usize = 20;

type Labels = BTreeMap<String, String>;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [table, truth, clusterings @ ..] = &args[..] else {
        panic!("score TABLE TRUTH NAME=CLUSTERING...");
    };
    let table = read(table);
    let table: Vec<&str> = table.lines().collect();
    let truth = pairs(&read(truth));
    println!(
        "| clusters by | artifacts | bugs | clusters | index | bugs used to choose the keys | other bugs | at most {CAP} a bug |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for clustering in clusterings {
        let (name, path) = clustering.split_once('=').expect("NAME=CLUSTERING");
        println!("{}", row(name, &table, &truth, &clusters(Path::new(path))));
    }
}

fn row(name: &str, table: &[&str], truth: &Labels, found: &Labels) -> String {
    // An artifact that is missing from the clustering counts as a cluster of its own.
    let cluster = |file: &str| found.get(file).map_or(file, String::as_str).to_owned();
    let all: Vec<(String, String)> = truth
        .iter()
        .map(|(file, bug)| (bug.clone(), cluster(file)))
        .collect();
    let place = |bug: &str| table.iter().position(|known| *known == bug).unwrap_or(0);
    let of_half = |odd: usize| {
        all.iter()
            .filter(move |(bug, _)| place(bug) % 2 == odd)
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let few: Vec<_> = all
        .iter()
        .filter(|(bug, _)| {
            let count = seen.entry(bug).or_default();
            *count += 1;
            *count <= CAP
        })
        .cloned()
        .collect();
    let index = |pairs: &[(String, String)]| format!("{:.3}", adjusted_rand(pairs));
    let distinct = |one: fn(&(String, String)) -> &String| {
        all.iter()
            .map(one)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    };
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} |",
        all.len(),
        distinct(|pair| &pair.0),
        distinct(|pair| &pair.1),
        index(&all),
        index(&of_half(0)),
        index(&of_half(1)),
        index(&few)
    )
}

/// The adjusted Rand index of a clustering: each artifact is a pair of its bug and its cluster.
fn adjusted_rand(pairs: &[(String, String)]) -> f64 {
    let mut both: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let (mut bugs, mut clusters): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = Default::default();
    for (bug, cluster) in pairs {
        *both.entry((bug, cluster)).or_default() += 1;
        *bugs.entry(bug).or_default() += 1;
        *clusters.entry(cluster).or_default() += 1;
    }
    let choose = |count: u64| (count * count.saturating_sub(1) / 2) as f64;
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.map(choose).sum::<f64>();
    let together = sum(&mut both.values().copied());
    let of_bugs = sum(&mut bugs.values().copied());
    let of_clusters = sum(&mut clusters.values().copied());
    let expected = of_bugs * of_clusters / choose(pairs.len() as u64);
    (together - expected) / ((of_bugs + of_clusters) / 2.0 - expected)
}

/// The cluster of each artifact of a clustering.
fn clusters(path: &Path) -> Labels {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        return paths.flat_map(|path| clusters(&path)).collect();
    }
    let text = read(path);
    match serde_json::from_str::<Value>(&text) {
        Ok(all) => of_json(&all),
        Err(_) => pairs(&text),
    }
}

fn of_json(all: &Value) -> Labels {
    let groups = all["clusters"].as_object().into_iter().flatten();
    let files = groups.flat_map(|(name, group)| {
        let files = group["files"].as_array().into_iter().flatten();
        files.map(|file| (base(file.as_str().unwrap_or_default()), name.clone()))
    });
    files.collect()
}

fn pairs(text: &str) -> Labels {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(file, label)| (base(file), label.to_owned()))
        .collect()
}

fn base(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
