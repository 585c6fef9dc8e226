//! Findings on a real Linux, which `make linux-fuzz` has saved. Each has what the kernel said, and
//! the program. A program of system calls also has its C. A program of the model also has what the
//! model does.

use super::picture::Picture;
use crate::bugs::Bugs;
use crate::names::shown;
use crate::store::SAVED;
use mm_fuzz::file::read_text;
use mm_fuzz::program::text;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, in bytes. A console has at most two megabytes.
const LONGEST: u64 = 4 << 20;
/// The most findings, the most lines of a console, and the deepest folder.
const MOST: usize = 100;
const LINES: usize = 40;
const DEEPEST: usize = 4;

/// A finding on Linux.
#[derive(Debug, Serialize)]
pub struct KernelFinding {
    /// The name of the program's file.
    pub file: String,
    /// What happened, in a line.
    pub what: String,
    /// The program.
    pub program: String,
    /// What the kernel said: its console, from the first warning on.
    pub console: Vec<String>,
    /// The program in C.
    pub c: Option<String>,
    /// What the model does, if the program is one of the model.
    pub picture: Option<Picture>,
}

/// The findings in these folders, sorted by the names of their files.
pub fn gather(given: &[PathBuf], bugs: &Bugs) -> Vec<KernelFinding> {
    let mut paths = Vec::new();
    for path in given.iter().filter(|path| path.is_dir()) {
        walk(path, DEEPEST, &mut paths);
    }
    paths.sort();
    let findings = paths.iter().filter_map(|path| finding(path, bugs));
    findings.take(MOST).collect()
}

fn walk(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth > 0 {
            walk(&path, depth - 1, paths);
        } else if path
            .extension()
            .is_some_and(|ending| ending == "calls" || ending == "mm")
        {
            paths.push(path);
        }
    }
}

fn finding(path: &Path, bugs: &Bugs) -> Option<KernelFinding> {
    let program = read_text(path, LONGEST).ok()?;
    let beside = |ending: &str| read_text(&path.with_extension(ending), LONGEST).ok();
    let console = beside("console").map_or_else(Vec::new, |console| words(&console));
    let (what, c, picture) = if path.extension().is_some_and(|ending| ending == "calls") {
        let c = beside("c")?;
        // the second line of the comment says what happens
        let what = c.lines().nth(1).unwrap_or_default();
        let what = what.trim_start_matches("// ").to_owned();
        (what, Some(c), None)
    } else {
        let what = program.lines().next()?.strip_prefix(SAVED)?.to_owned();
        let parsed = text::parse(&program).ok();
        (
            what,
            None,
            parsed.map(|program| Picture::of(&program, bugs)),
        )
    };
    Some(KernelFinding {
        file: shown(path),
        what,
        program,
        console,
        c,
        picture,
    })
}

/// The lines of a console from the first warning on, without control characters.
fn words(console: &str) -> Vec<String> {
    let signs = ["WARNING:", "BUG:", "Oops", "Kernel panic", "cut here"];
    let is_sign = |line: &str| signs.iter().any(|sign| line.contains(sign));
    let lines: Vec<&str> = console.lines().collect();
    let first = lines.iter().position(|line| is_sign(line)).unwrap_or(0);
    let clean = |line: &&str| line.replace(char::is_control, " ").trim_end().to_owned();
    lines[first..].iter().take(LINES).map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_what_lies_beside_its_program() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = dir.path().join("linux").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("a.calls", "mmap p0 0 1 rw\n");
        write("a.c", "// Expected: it stays.\n// Linux 7.3.4: it goes.\n");
        write(
            "a.console",
            "boot\n[ 1.0] WARNING: mm/x.c:1\n\u{1b}[2J f+0x1\n",
        );
        write("b.mm", "# on Linux: leak nr_mlock\nmmap p0 0 1 rw\n");
        // an artifact of an engine
        write("c.mm", "mmap p0 0 1 rw\n");
        let all = gather(&[dir.path().to_owned()], &Bugs::default());
        let said: Vec<_> = all.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(said, ["Linux 7.3.4: it goes.", "leak nr_mlock"]);
        assert_eq!(all[0].console, ["[ 1.0] WARNING: mm/x.c:1", " [2J f+0x1"]);
        assert!(all[0].c.is_some() && all[0].picture.is_none());
        assert!(all[1].c.is_none() && all[1].picture.is_some());
    }
}
