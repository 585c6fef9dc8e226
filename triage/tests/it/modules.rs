//! No two modules of triage/src use each other, directly or through others. So each module can be
//! read with only the modules that it uses.
//!
//! The rules: a module is a file. A file uses the children that it declares (`mod x;`). It also
//! uses each module to which one of its paths leads, if the path begins with `crate::`, `super::`
//! or `self::`. `crate::Status` and `crate::say` are in `status`. Comments, and unit tests at the
//! end of a file, do not count. lib.rs uses nothing, because it only names the modules.
//!
//! In fuzz/src, a family of files (`ops`, `oracle`, `program`) shares the types of its mod.rs, so
//! its files do use each other. There the modules that lib.rs declares are free of circles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module by its path; empty for lib.rs.
type Module = Vec<String>;
/// The modules that each module uses.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// Reads the files in a folder and its subfolders: the source of each module.
fn read(dir: &Path, folder: &[String], sources: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_string_lossy();
        let mut module = folder.to_vec();
        if path.is_dir() {
            module.push(stem.into_owned());
            read(&path, &module, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if !["lib", "main", "mod"].contains(&&*stem) {
                module.push(stem.into_owned());
            }
            let text = fs::read_to_string(&path).expect("a source");
            sources.entry(module).or_default().push_str(&text);
        }
    }
}

/// Records all paths that begin at `text`, as in `a::{b, c::d}`, and returns the text after them.
fn paths<'a>(text: &'a str, path: &mut Vec<&'a str>, found: &mut Vec<Module>) -> &'a str {
    if let Some(mut list) = text.strip_prefix('{') {
        loop {
            list = list.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match list.strip_prefix('}') {
                Some(behind) => return behind,
                None if list.is_empty() => return list,
                None => list = paths(list, path, found),
            }
        }
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (name, behind) = text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()));
    path.push(name);
    let behind = match behind.strip_prefix("::") {
        Some(inner) => paths(inner, path, found),
        None => {
            found.push(path.iter().map(|name| (*name).to_owned()).collect());
            // A star is not a name.
            behind.strip_prefix('*').unwrap_or(behind)
        }
    };
    path.pop();
    behind
}

/// The paths of a source, each from the root of the crate.
fn paths_of(module: &[String], source: &str) -> Vec<Module> {
    let code = source.split("\nmod tests").next().unwrap_or_default();
    let code = code.split("\npub mod tests").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut all = Vec::new();
    for (start, above) in [("crate::", None), ("super::", Some(1)), ("self::", Some(0))] {
        let begins = |at: &usize| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == ':');
        for at in code.match_indices(start).map(|(at, _)| at).filter(begins) {
            let mut found = Vec::new();
            paths(&code[at + start.len()..], &mut Vec::new(), &mut found);
            all.extend(found.into_iter().map(|path| {
                let more = path.iter().take_while(|name| *name == "super").count();
                let left = above.map_or(0, |above| module.len().saturating_sub(above + more));
                [&module[..left], &path[more..]].concat()
            }));
        }
    }
    for line in code.lines().filter(|line| line.ends_with(';')) {
        if let Some((_, child)) = line.split_once("mod ") {
            all.push([module, &[child.trim_end_matches(';').to_owned()]].concat());
        }
    }
    all
}

/// The module that a path leads into.
fn module_of(path: &[String], sources: &BTreeMap<Module, String>) -> Option<Module> {
    let status = ["Status", "say"];
    if path.first().is_some_and(|name| status.contains(&&**name)) {
        return Some(vec!["status".to_owned()]);
    }
    let mut all = (1..=path.len()).rev().map(|len| path[..len].to_vec());
    all.find(|module| sources.contains_key(module))
}

const TRIAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/src");

fn uses(src: &str) -> Uses {
    let mut sources = BTreeMap::new();
    read(Path::new(src), &[], &mut sources);
    let mut uses = Uses::new();
    for (module, source) in sources.iter().filter(|(module, _)| !module.is_empty()) {
        let used = paths_of(module, source);
        let used = used.iter().filter_map(|path| module_of(path, &sources));
        let module = module_of(module, &sources).expect("a module");
        let of_module = uses.entry(module.clone()).or_default();
        of_module.extend(used.filter(|used| *used != module));
    }
    uses
}

/// The modules that lib.rs declares, each with the others that its files use.
fn top_level(uses: &Uses) -> Uses {
    let top = |module: &Module| module.iter().take(1).cloned().collect::<Module>();
    let mut above = Uses::new();
    for (module, used) in uses {
        let module = top(module);
        let used = used.iter().map(top).filter(|used| *used != module);
        above.entry(module.clone()).or_default().extend(used);
    }
    above
}

/// The modules that are in a circle of uses, and the modules between two circles.
fn in_circles(mut uses: Uses) -> Uses {
    loop {
        let count = uses.len();
        let mut used: BTreeSet<Module> = uses.values().flatten().cloned().collect();
        used.retain(|module| uses.contains_key(module));
        uses.retain(|module, _| used.contains(module));
        let left: BTreeSet<Module> = uses.keys().cloned().collect();
        uses.values_mut()
            .for_each(|used| used.retain(|module| left.contains(module)));
        uses.retain(|_, used| !used.is_empty());
        if uses.len() == count {
            return uses;
        }
    }
}

fn module(path: &str) -> Module {
    path.split("::").map(str::to_owned).collect()
}

fn assert_no_circles(uses: Uses) {
    let circles = in_circles(uses);
    let lines = circles.iter().map(|(user, used)| {
        let used: Vec<_> = used.iter().map(|module| module.join("::")).collect();
        format!("{} uses {}\n", user.join("::"), used.join(", "))
    });
    let lines: String = lines.collect();
    assert!(circles.is_empty(), "modules that use each other:\n{lines}");
}

#[test]
fn no_module_uses_one_that_uses_it() {
    assert_no_circles(uses(TRIAGE));
}

#[test]
fn no_module_of_fuzz_uses_one_that_uses_it() {
    let uses = top_level(&uses(FUZZ));
    for (user, used) in [
        ("describe", "slots"),
        ("oracle", "describe"),
        ("program", "limits"),
        ("exec", "ops"),
    ] {
        let all = &uses[&module(user)];
        assert!(all.contains(&module(used)), "{user} uses {used}: {all:?}");
    }
    assert_no_circles(uses);
}

/// The reader of sources sees each kind of use, and the search finds a circle.
#[test]
fn uses_are_seen() {
    let uses = uses(TRIAGE);
    for (user, used) in [
        ("cluster", "minimize"),
        ("cluster", "cluster::key"),
        ("cluster::key", "objection"),
        ("convert", "status"),
        ("emit::c", "linux::plan"),
        ("emit::c", "emit::operation"),
        ("linux", "linux::judge"),
        ("bugs", "linux::known"),
        ("linux::queue", "walk"),
        ("stop", "status"),
    ] {
        let all = &uses[&module(user)];
        assert!(all.contains(&module(used)), "{user} uses {used}: {all:?}");
    }
    let mut with_circle = uses;
    let below = with_circle.get_mut(&module("objection")).expect("a module");
    below.insert(module("cluster"));
    let circles = in_circles(with_circle);
    let expected = ["cluster", "cluster::key", "objection"].map(module);
    assert_eq!(circles.into_keys().collect::<Vec<_>>(), expected);
}
