//! The lock of digests, `corpus/digests.lock`. The lock has a digest of the outcomes and the final
//! state of each program of `corpus/`, except those of `corpus/calls`. It also has 100 digests of
//! random programs, one digest for each block of a thousand programs. The blocks alternate between
//! the rules of the newest kernel and the rules of 6.12. The lock does not say what is right. It
//! shows that an outcome changed: in another build, in another process, or by an edit that was
//! meant to change nothing.

use crate::exec::{Digest, Executor, Options, Verdict};
use crate::file::{self, MAX_PROGRAM};
use crate::names::shown;
use crate::program::generate::random_program;
use crate::program::mutate::Limits;
use crate::program::{Program, text, wire};
use mm_core::KernelVersion;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders of the corpus. The first three have programs as text, the others as wire.
const FOLDERS: [&str; 5] = [
    "seeds",
    "zoo",
    "regress",
    "distilled/ops",
    "distilled/races",
];
const RANDOM_PROGRAMS: u64 = 100_000;
/// Number of random programs that share a digest.
const BLOCK: u64 = 1_000;

/// Maximum size of a lock that is read, in bytes: a million lines.
const MAX_LOCK: u64 = 1 << 26;

/// Digests by the name of a program, or of a block of random programs.
pub type Digests = BTreeMap<String, u64>;

/// The folder `corpus/` of this repository.
#[must_use]
pub fn corpus_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

/// Runs all programs of the corpus, and all random programs.
///
/// # Errors
///
/// A sentence, with its line end: a program cannot be read, or has a finding.
pub fn digests() -> Result<Digests, String> {
    let mut digests = corpus_digests()?;
    digests.extend(random_digests()?);
    Ok(digests)
}

fn corpus_digests() -> Result<Digests, String> {
    let mut executor = executor(KernelVersion::default());
    let mut digests = Digests::new();
    for (name, program) in corpus()? {
        let digest =
            digest_of(&mut executor, &program).map_err(|why| format!("{name}: {why}\n"))?;
        digests.insert(name, digest);
    }
    Ok(digests)
}

/// The programs of `corpus/`, each with the name of its folder and file, such as
/// `zoo/collect-lost-dirty.mm`, in no particular order.
///
/// # Errors
///
/// A sentence, with its line end: a program cannot be read.
pub fn corpus() -> Result<Vec<(String, Program)>, String> {
    let mut programs = Vec::new();
    for folder in FOLDERS {
        let dir = corpus_dir().join(folder);
        let fail = |error| format!("{}: {error}\n", shown(&dir));
        for entry in std::fs::read_dir(&dir).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.file_name().is_some_and(file::is_temporary) {
                continue;
            }
            let file = shown(path.file_name().unwrap_or_default().as_ref());
            programs.push((format!("{folder}/{file}"), load(&path)?));
        }
    }
    Ok(programs)
}

fn random_digests() -> Result<Digests, String> {
    let mut digests = Digests::new();
    for release in [KernelVersion::V7_3, KernelVersion::V6_12] {
        random_blocks(release, &mut digests)?;
    }
    Ok(digests)
}

fn random_blocks(release: KernelVersion, digests: &mut Digests) -> Result<(), String> {
    let mut executor = executor(release);
    let parity = u64::from(release == KernelVersion::V6_12);
    for first in (parity * BLOCK..RANDOM_PROGRAMS).step_by(2 * BLOCK as usize) {
        let mut block = Digest::default();
        for seed in first..first + BLOCK {
            let limits = if seed % 2 == 0 {
                Limits::OPS
            } else {
                Limits::RACES
            };
            let mut rng = fastrand::Rng::with_seed(seed);
            let program = random_program(limits.with_max_ops(24), &mut rng);
            match digest_of(&mut executor, &program) {
                Ok(digest) => block.mix(digest),
                // the rules of 6.12 include bugs, so a finding is no error
                Err(_) if release == KernelVersion::V6_12 => block.mix(u64::MAX),
                Err(why) => return Err(format!("random program {seed}: {why}\n{program}\n")),
            }
        }
        digests.insert(format!("random/{first:05}"), block.value());
    }
    Ok(())
}

/// Compares digests with the lock.
///
/// # Errors
///
/// The lines that differ, or the reason why the lock cannot be read.
pub fn check(digests: &Digests) -> Result<(), String> {
    let lock = path();
    let locked =
        file::read_text(&lock, MAX_LOCK).map_err(|e| format!("{}: {e}\n", shown(&lock)))?;
    let now = lines(digests);
    if locked == now {
        return Ok(());
    }
    Err(only(&locked, &now, "locked:") + &only(&now, &locked, "now:   "))
}

/// Rewrites the lock.
///
/// # Errors
///
/// The lock cannot be written.
pub fn bless(digests: &Digests) -> Result<(), String> {
    let lock = path();
    std::fs::write(&lock, lines(digests)).map_err(|e| format!("{}: {e}\n", shown(&lock)))
}

fn path() -> PathBuf {
    corpus_dir().join("digests.lock")
}

fn lines(digests: &Digests) -> String {
    let line = |(name, digest): (&String, &u64)| format!("{digest:016x} {name}\n");
    digests.iter().map(line).collect()
}

/// The lines of `of` that are not in `than`.
fn only(of: &str, than: &str, what: &str) -> String {
    let than: BTreeSet<&str> = than.lines().collect();
    let lines = of.lines().filter(|line| !than.contains(line));
    lines.map(|line| format!("{what} {line}\n")).collect()
}

fn executor(release: KernelVersion) -> Executor {
    Executor::new(Options {
        digest: true,
        release,
        ..Options::default()
    })
}

fn digest_of(executor: &mut Executor, program: &Program) -> Result<u64, String> {
    match executor.run(program) {
        Verdict::Pass { digest } => Ok(digest),
        Verdict::Finding(finding) => Err(finding.to_string()),
    }
}

fn load(path: &Path) -> Result<Program, String> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}\n", shown(path));
    let bytes = file::read(path, MAX_PROGRAM).map_err(|e| fail(&e))?;
    if path.extension().is_none() {
        wire::check(&bytes).map_err(|e| fail(&e))?;
        return Ok(wire::decode(&bytes));
    }
    let source = String::from_utf8(bytes).map_err(|e| fail(&e))?;
    text::parse(&source).map_err(|e| fail(&e))
}
