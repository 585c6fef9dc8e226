//! Prose in Markdown and comments in Rust are wrapped at 100 columns.

use crate::common::repository;
use std::fs;

/// The width of prose and comments, in characters.
const WIDTH: usize = 100;

/// The pages outside of docs/.
const PAGES: [&str; 5] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "core/README.md",
    "triage/README.md",
];

/// The folders whose comments are checked.
const SOURCES: [&str; 3] = ["core", "fuzz", "triage"];

/// Pages that scripts write (`make times`, `make exhaust ZOO=all`).
const BY_SCRIPTS: [&str; 2] = ["docs/times.md", "docs/exhaust.md"];

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files with this ending below a folder of the repository.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository().join(folder)).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a name");
        let path = format!("{folder}/{name}");
        if repository().join(&path).is_dir() {
            let skipped = ["target", "golden", "work", "corpus", "artifacts"];
            if !skipped.contains(&name) {
                found.extend(files(&path, ending));
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The lines of prose that are too long. Rows of tables, blocks of code, HTML comments and lines
/// with an address may be longer.
fn too_long<'a>(lines: impl Iterator<Item = (usize, &'a str, &'a str)>) -> Vec<usize> {
    let (mut long, mut in_block, mut last) = (Vec::new(), false, 0);
    for (number, line, prose) in lines {
        // a block of code ends with its comment
        in_block &= number == last + 1;
        last = number;
        if prose.starts_with("```") {
            in_block = !in_block;
        }
        let is_exempt = in_block
            || prose.starts_with('|')
            || prose.starts_with("<!--")
            || prose.contains("://");
        if !is_exempt && line.chars().count() > WIDTH {
            long.push(number);
        }
    }
    long
}

/// The lines of a page, each with its number and its prose.
fn lines_of_page(page: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    (1..)
        .zip(page.lines())
        .map(|(i, line)| (i, line, line.trim_start()))
}

/// The lines of comments in a source, each with its number and what the comment says.
fn lines_of_comments(source: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    (1..).zip(source.lines()).filter_map(|(i, line)| {
        let comment = line.trim_start().strip_prefix("//")?;
        Some((i, line, comment.trim_start_matches(['/', '!']).trim_start()))
    })
}

#[test]
fn prose_and_comments_are_wrapped() {
    let mut faults = Vec::new();
    let mut look = |path: &str, long: Vec<usize>| {
        faults.extend(long.into_iter().map(|line| format!("{path}:{line}")));
    };
    let mut markdown = files("docs", ".md");
    markdown.extend(PAGES.map(str::to_owned));
    markdown.retain(|path| !BY_SCRIPTS.contains(&&**path));
    for path in markdown {
        look(&path, too_long(lines_of_page(&read(&path))));
    }
    for path in SOURCES.iter().flat_map(|folder| files(folder, ".rs")) {
        look(&path, too_long(lines_of_comments(&read(&path))));
    }
    assert!(
        faults.is_empty(),
        "longer than {WIDTH} columns: {faults:#?}"
    );
}

#[test]
fn a_long_line_of_prose_is_seen_and_a_table_is_not() {
    let long = "word ".repeat(30);
    let page = format!("{long}\n| {long}|\n```\n{long}\n```\nhttps://{long}\n{long}\n");
    assert_eq!(too_long(lines_of_page(&page)), [1, 7]);
    let source =
        format!("let x = \"{long}\";\n/// {long}\n/// ```\n/// {long}\nf();\n//! {long}\n");
    assert_eq!(too_long(lines_of_comments(&source)), [2, 6]);
}
