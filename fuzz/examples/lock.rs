//! Replays every program of `corpus/` and compares the digest of its final state with `corpus/digests.lock`; `make test` does
//! so twice, in two processes and two builds. `--bless` writes the lock, after a change to the model that was meant.
//!
//! Status 1 if a digest differs, a program is not in the lock or has a finding, or a line of the lock has no program.

use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::program::{Program, text, wire};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The folders of the corpus: text, then wire.
const FOLDERS: [&str; 5] = [
    "seeds",
    "zoo",
    "regress",
    "distilled/ops",
    "distilled/races",
];
const LOCK: &str = "digests.lock";

fn main() -> ExitCode {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let bless = std::env::args().nth(1).is_some_and(|arg| arg == "--bless");
    match run(&corpus, bless) {
        Ok(programs) => {
            println!("lock: {programs} programs as in corpus/{LOCK}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}lock: if that was meant: make bless");
            ExitCode::from(1)
        }
    }
}

fn run(corpus: &Path, bless: bool) -> Result<usize, String> {
    let digests = digests(corpus)?;
    let lines: String = digests
        .iter()
        .map(|(name, digest)| format!("{digest:016x} {name}\n"))
        .collect();
    let lock = corpus.join(LOCK);
    if bless {
        std::fs::write(&lock, &lines).map_err(|e| format!("{}: {e}\n", lock.display()))?;
    }
    let locked =
        std::fs::read_to_string(&lock).map_err(|e| format!("{}: {e}\n", lock.display()))?;
    if locked == lines {
        return Ok(digests.len());
    }
    Err(differences(&locked, &lines))
}

/// The lines that only one of the two has.
fn differences(locked: &str, now: &str) -> String {
    let only = |of: &str, than: &str, what: &str| -> String {
        let than: std::collections::BTreeSet<&str> = than.lines().collect();
        let lines = of.lines().filter(|line| !than.contains(line));
        lines.map(|line| format!("{what} {line}\n")).collect()
    };
    only(locked, now, "locked:") + &only(now, locked, "now:   ")
}

/// The digest of each program, by its name in the corpus.
fn digests(corpus: &Path) -> Result<BTreeMap<String, u64>, String> {
    let mut executor = Executor::new(Options {
        digest: true,
        ..Options::default()
    });
    let mut digests = BTreeMap::new();
    for folder in FOLDERS {
        let dir = corpus.join(folder);
        let fail = |error| format!("{}: {error}\n", dir.display());
        for entry in std::fs::read_dir(&dir).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = format!(
                "{folder}/{}",
                path.file_name().unwrap_or_default().display()
            );
            let program = load(&path)?;
            match executor.run(&program) {
                Verdict::Pass { digest } => digests.insert(name, digest),
                Verdict::Finding(finding) => return Err(format!("{name}: {finding}\n")),
            };
            #[cfg(feature = "zoo")]
            run_with_its_bug(&mut executor, &path, &program);
        }
    }
    Ok(digests)
}

/// With the zoo a witness also runs with its bug, for `make coverage`: what the bug does is reached by nothing else.
#[cfg(feature = "zoo")]
fn run_with_its_bug(executor: &mut Executor, path: &Path, program: &Program) {
    let slug = path.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(entry) = mm_fuzz::zoo::find(&slug) {
        executor.set_zoo(mm_fuzz::zoo::only(entry.bug));
        executor.run(program);
        executor.set_zoo(mm_fuzz::zoo::Zoo::default());
    }
}

fn load(path: &PathBuf) -> Result<Program, String> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}\n", path.display());
    let bytes = std::fs::read(path).map_err(|e| fail(&e))?;
    if path.extension().is_none() {
        wire::check(&bytes).map_err(|e| fail(&e))?;
        return Ok(wire::decode(&bytes));
    }
    let source = String::from_utf8(bytes).map_err(|e| fail(&e))?;
    text::parse(&source).map_err(|e| fail(&e))
}
