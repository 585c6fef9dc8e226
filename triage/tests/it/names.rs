//! No two public types of the workspace share a name, unless a reason for it is written down here.
//!
//! The test looks at `pub struct`, `enum`, `union`, `trait` and `type` in the sources of all
//! libraries: the members of the workspace that have a `src/lib.rs`. A program, such as the guest's
//! agent, does not count: none of its types is public.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Names that several types share, each with the reason why they do.
const REASONS: &[(&str, &str)] = &[
    (
        "Advice",
        "both are the advice of madvise, the kernel's word",
    ),
    (
        "AllocKind",
        "a program names a kind of allocation of the core; AllocKind::kind converts it",
    ),
    (
        "Geometry",
        "a program names a geometry of the core; Geometry::machine converts it",
    ),
    (
        "Program",
        "each of the two languages has programs; no type or function deals with both languages",
    ),
    ("Prot", "both are the protection of mmap, the kernel's word"),
    ("Step", "the element of either Program"),
    (
        "Zoo",
        "the switches with the feature zoo, an empty type without it; a build has only one",
    ),
];

/// For each name of a public type, the files that declare a type of that name.
type Types = BTreeMap<String, Vec<String>>;

fn sources(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

/// The names of the public types that a source declares.
fn declared(source: &str) -> impl Iterator<Item = &str> {
    const KINDS: [&str; 5] = ["struct ", "enum ", "union ", "trait ", "type "];
    source.lines().filter_map(|line| {
        let item = line.trim_start().strip_prefix("pub ")?;
        let item = item.strip_prefix("unsafe ").unwrap_or(item);
        let name = KINDS.iter().find_map(|kind| item.strip_prefix(kind))?;
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
        let name = &name[..end.unwrap_or(name.len())];
        // in a macro, the name may be a variable, such as $name
        (!name.is_empty()).then_some(name)
    })
}

/// The names of the public types that a source declares by a macro of its own. Such a macro
/// contains `pub struct $name` or `pub enum $name`. In a call of the macro, each line that declares
/// a type is indented by four columns and begins with the name.
fn declared_by_macros(source: &str) -> impl Iterator<Item = &str> {
    let macros = source.split("\nmacro_rules! ").skip(1).filter_map(|text| {
        let (body, _) = text.split_once("\n}")?;
        let is_type = body.contains("pub struct $name") || body.contains("pub enum $name");
        is_type.then(|| body.split_once(' ').map(|(name, _)| name))?
    });
    let calls = macros.flat_map(move |name| {
        let call = format!("\n{name}! {{\n");
        let starts: Vec<_> = source.match_indices(&call).collect();
        starts.into_iter().filter_map(move |(at, _)| {
            let body = &source[at + call.len()..];
            body.split_once("\n}").map(|(body, _)| body)
        })
    });
    calls.flat_map(str::lines).filter_map(|line| {
        let item = line.strip_prefix("    ")?;
        let name = item.split(|c: char| !c.is_alphanumeric()).next()?;
        name.starts_with(char::is_uppercase).then_some(name)
    })
}

/// The folders of the libraries' sources.
fn libraries(root: &Path) -> Vec<PathBuf> {
    let workspace = fs::read_to_string(root.join("Cargo.toml")).expect("the workspace");
    let (_, members) = workspace.split_once("\nmembers = [").expect("members");
    let (members, _) = members.split_once(']').expect("their end");
    let members = members.split('"').skip(1).step_by(2);
    let sources = members.map(|member| root.join(member).join("src"));
    sources
        .filter(|source| source.join("lib.rs").exists())
        .collect()
}

fn types() -> Types {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut types = Types::new();
    for library in libraries(root) {
        let mut files = Vec::new();
        sources(&library, &mut files);
        files.sort();
        for file in files {
            let source = fs::read_to_string(&file).expect("a source");
            let place = file
                .strip_prefix(root)
                .expect("below")
                .display()
                .to_string();
            for name in declared(&source).chain(declared_by_macros(&source)) {
                types
                    .entry(name.to_owned())
                    .or_default()
                    .push(place.clone());
            }
        }
    }
    types
}

/// What is wrong with names and reasons, a line each.
fn objections(types: &Types, reasons: &[(&str, &str)]) -> Vec<String> {
    let has_reason = |name: &str| reasons.iter().any(|(known, _)| *known == name);
    let shared = types.iter().filter(|(_, files)| files.len() > 1);
    let unexplained = shared.filter(|(name, _)| !has_reason(name));
    let unexplained = unexplained.map(|(name, files)| format!("{name}: {}", files.join(", ")));
    let idle = reasons.iter().filter(|(name, _)| {
        let files = types.get(*name);
        files.is_none_or(|files| files.len() < 2)
    });
    let idle = idle
        .map(|(name, _)| format!("{name} has a reason, but fewer than two types have the name"));
    unexplained.chain(idle).collect()
}

#[test]
fn no_two_public_types_share_a_name_without_a_reason() {
    let types = types();
    assert!(types.len() > 300, "only {} types are seen", types.len());
    let objections = objections(&types, REASONS);
    assert!(
        objections.is_empty(),
        "give each type its own name, or keep REASONS up to date:\n{}",
        objections.join("\n")
    );
}

#[test]
fn each_kind_of_declaration_is_seen() {
    let source = "pub struct A(u8);\n    pub enum B {\npub type C<'a> = &'a str;\npub unsafe trait D: B {}\n\
                  pub(crate) struct Hidden;\nstruct Private;\npub enum $name {\npub fn struct_of() {}\n// pub struct No;";
    assert_eq!(declared(source).collect::<Vec<_>>(), ["A", "B", "C", "D"]);
    let types = types();
    for name in [
        "Kernel",
        "KernelVersion",
        "Window",
        "WalkEntry",
        "SeenEntry",
        "InProcessRunner",
        "MmId",
        "LockSlot",
        "AllocKind",
    ] {
        assert!(types.contains_key(name), "{name}");
    }
}

#[test]
fn a_name_without_a_reason_and_a_reason_without_a_name_are_told() {
    let of = |name: &str, files: &[&str]| {
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        (name.to_owned(), files)
    };
    let types = Types::from([of("Place", &["a.rs", "b.rs"]), of("Row", &["a.rs"])]);
    let told = objections(&types, &[("Row", "it is one")]);
    let expected = [
        "Place: a.rs, b.rs",
        "Row has a reason, but fewer than two types have the name",
    ];
    assert_eq!(told, expected);
    assert!(objections(&types, &[("Place", "told apart")]).is_empty());
}
