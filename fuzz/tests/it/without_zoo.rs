//! The core is right and complete without the zoo. The test deletes every line of the zoo from a
//! copy of the core; the copy must compile without a warning and end every program of the lock as
//! the lock says.
//!
//! The copy stays in `target/without_zoo` for reading: `git diff --no-index core/src
//! target/without_zoo/core/src`.
#![cfg(not(feature = "zoo"))]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Deletes the lines of the zoo:
///
/// - a use of the macro `zoo!`: from the line that begins with `zoo!(` to the one that closes the
///   parenthesis;
/// - an item or a field: a line of code with the word `zoo` or `Zoo`;
/// - with either, the comments and attributes directly above it.
fn without_zoo(source: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let code = line.split("//").next().unwrap_or_default();
        let words = |word: &str| {
            code.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|w| w == word)
        };
        if !words("zoo") && !words("Zoo") {
            // a deletion between two blank lines leaves one of them
            if !line.is_empty() || kept.last().is_some_and(|above| !above.is_empty()) {
                kept.push(line);
            }
            continue;
        }
        if code.trim_start().starts_with("zoo!(") {
            let mut open = depth(line);
            while open > 0 {
                open += lines.next().map_or(-open, depth);
            }
        }
        while kept.last().is_some_and(|above| belongs_below(above)) {
            kept.pop();
        }
    }
    kept.join("\n") + "\n"
}

/// Number of parentheses that a line opens, less those that it closes.
fn depth(line: &str) -> isize {
    line.matches('(').count() as isize - line.matches(')').count() as isize
}

/// True for a comment or an attribute.
fn belongs_below(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") || line.starts_with("#[")
}

/// Writes a file of the copy, unless it is unchanged: then it is not compiled again.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a file")).expect("a folder can be made");
    fs::write(path, text).expect("a file can be written");
}

/// Copies the core without the zoo, and links everything else that the lock needs. Warnings are
/// errors in the copy.
fn copy(root: &Path, to: &Path) {
    let read = |file: &str| fs::read_to_string(root.join(file)).expect(file);
    let workspace = read("Cargo.toml");
    let members = workspace.lines().filter(|line| !line.contains("members ="));
    let workspace: String = members.map(|line| format!("{line}\n")).collect();
    let workspace = workspace
        .replace(
            "[workspace]\n",
            "[workspace]\nmembers = [\"core\", \"fuzz\"]\n",
        )
        // a package that the copy does not have
        .replace("\n[profile.test.package.mm-triage]\nopt-level = 0\n", "")
        .replace(
            "[workspace.lints.rust]\n",
            "[workspace.lints.rust]\nwarnings = \"deny\"\n",
        );
    write(&to.join("Cargo.toml"), &workspace);
    let files = [
        "Cargo.lock",
        "core/Cargo.toml",
        "core/README.md",
        "fuzz/Cargo.toml",
    ];
    for file in files {
        write(&to.join(file), &read(file));
    }
    let dirs = [
        "core/examples",
        "corpus",
        "fuzz/src",
        "fuzz/examples",
        "fuzz/fuzz_targets",
    ];
    for dir in dirs {
        let _ = fs::remove_file(to.join(dir));
        symlink(root.join(dir), to.join(dir)).expect("a link can be made");
    }
    copy_sources(&root.join("core/src"), &to.join("core/src"));
}

/// Copies a folder of the core without the zoo, and leaves out the folder `zoo`.
fn copy_sources(from: &Path, to: &Path) {
    for stale in to.read_dir().into_iter().flatten().flatten() {
        let stale = stale.path();
        let original = from.join(stale.file_name().expect("a name"));
        if stale.is_dir() && !original.is_dir() {
            fs::remove_dir_all(&stale).expect("a copy can be removed");
        } else if stale.is_file() && !original.is_file() {
            fs::remove_file(&stale).expect("a copy can be removed");
        }
    }
    for entry in from.read_dir().expect("the core") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name");
        if path.is_dir() {
            if name != "zoo" {
                copy_sources(&path, &to.join(name));
            }
            continue;
        }
        let source = fs::read_to_string(&path).expect("source");
        let source = without_zoo(&source);
        for trace in ["zoo", "Bug::"] {
            assert!(
                !source.contains(trace),
                "{}: {trace} is left",
                path.display()
            );
        }
        write(&to.join(name), &source);
    }
}

#[test]
fn the_core_without_the_zoo_ends_every_program_as_the_lock_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().expect("the workspace");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("without_zoo");
    copy(&root, &to);
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--profile=test", "--offline"])
        .args([
            "-p",
            "mm-fuzz",
            "--example",
            "lock",
            "--target-dir",
            "target",
        ])
        .env_remove("RUSTFLAGS")
        // for speed: nothing rebuilds this copy, so it needs no incremental state
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_TEST_DEBUG", "false")
        .current_dir(&to)
        .output()
        .expect("cargo");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{stderr}", to.display());
}

#[test]
fn what_is_deleted_is_whole_statements_and_what_is_said_of_them() {
    let source = "\
/// A reference.
fn get(&self) {
    let pins = folio != ZERO;
    // until 6.5
    zoo!(self, Bug::A => let pins = true);
    zoo!(self, Bug::B
        if pins => {
        self.put(folio);
        return;
    });
    // stays
    if pins {
        self.get(folio);
    }
}
    /// Which bugs.
    pub zoo: Zoo,
";
    let right = "\
/// A reference.
fn get(&self) {
    let pins = folio != ZERO;
    // stays
    if pins {
        self.get(folio);
    }
}
";
    assert_eq!(without_zoo(source), right);
}
