//! `bisect` finds the commit at which a verdict changes, in repositories of a few commits.
//!
//! Cargo is a stub that copies a script of the commit, except in one test that builds.
//!
//! These tests run the program, because they are about its command line: it runs git and cargo, and
//! Ctrl-C must leave no worktree.
#![cfg(unix)]

use crate::common::{Bench, Ran};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Scripts that stand for the `mm-triage` of a commit. Each ends as `replay --json` would.
const PASS: &str = r#"echo '{"file":"x","verdict":"pass","signature":null}'"#;
const FINDS: &str = r#"echo '{"file":"x","verdict":"finding","signature":"a/b:c:d"}'; exit 1"#;
const ANOTHER: &str = r#"echo '{"file":"x","verdict":"finding","signature":"e/f:g:h"}'; exit 1"#;
const UNUSABLE: &str = r#"echo '{"file":"x","verdict":"unusable","signature":null}'; exit 2"#;
const OLD: &str = "echo 'error: unexpected argument --json' >&2; exit 2";
/// Stands for a commit that does not build.
const BROKEN: &str = "";

/// Does what is needed of `cargo build --target-dir DIR`, and counts its calls.
const CARGO: &str = r#"#!/bin/sh
echo build >>"$COUNT"
while [ "$1" != --target-dir ]; do shift; done
[ -s program ] || { echo 'error: could not compile it' >&2; exit 101; }
mkdir -p "$2/release" && cp program "$2/release/mm-triage"
"#;

struct Repository {
    bench: Bench,
}

impl Repository {
    /// A repository with a commit for each program.
    fn new(programs: &[&str]) -> Self {
        let bench = Bench::new();
        bench.write("cargo", CARGO);
        bench.write("finding.mm", "mmap p0 0 1 rw\n");
        let repository = Self { bench };
        repository.executable("cargo");
        fs::create_dir(repository.bench.path("repository")).expect("a folder");
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        for (i, program) in programs.iter().enumerate() {
            let script = match *program {
                BROKEN => String::new(),
                program => format!("#!/bin/sh\n# {i}\n{program}\n"),
            };
            repository.bench.write("repository/program", script);
            repository.executable("repository/program");
            repository.bench.write("repository/number", i.to_string());
            repository.commit(&format!("commit {i}"));
        }
        repository
    }

    fn executable(&self, name: &str) {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.bench.path(name), mode).expect("permissions");
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.bench.path("repository"))
            .env("CARGO", self.bench.path("cargo"))
            .env("COUNT", self.bench.path("count"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@a")])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@a")])
            .env_remove("GIT_DIR")
            .env_remove("CARGO_TARGET_DIR");
        command
    }

    fn git(&self, args: &[&str]) -> String {
        let output = self.command("git").args(args).output().expect("git runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    fn hash(&self, name: &str) -> String {
        self.git(&["rev-parse", name]).trim().to_owned()
    }

    fn bisecting(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_mm-triage"));
        command
            .args(["bisect", "../finding.mm", "--cache", "../cache"])
            .args(args);
        command
    }

    fn bisect(&self, args: &[&str]) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = self.bisecting(args).output().expect("mm-triage runs");
        self.is_clean();
        Ran {
            status: status.code().expect("it ends by itself"),
            out: String::from_utf8(stdout).expect("text"),
            err: String::from_utf8(stderr).expect("text"),
        }
    }

    /// The output of `--json`.
    fn json(&self, range: &str) -> (i32, Value) {
        let ran = self.bisect(&["--json", "--commits", range]);
        assert_eq!(ran.err, "", "{ran:?}");
        (ran.status, serde_json::from_str(&ran.out).expect("JSON"))
    }

    /// Checks that no worktree is left, neither on disk nor in git's list.
    fn is_clean(&self) {
        let worktrees = self.git(&["worktree", "list"]);
        assert_eq!(worktrees.lines().count(), 1, "{worktrees}");
        let names = fs::read_dir(self.bench.path("cache")).into_iter().flatten();
        let names = names.map(|entry| entry.expect("an entry").file_name());
        let trees = names.filter(|name| name.to_string_lossy().starts_with("tree-"));
        assert_eq!(trees.count(), 0);
    }

    fn builds(&self) -> usize {
        let count = fs::read_to_string(self.bench.path("count")).unwrap_or_default();
        count.lines().count()
    }
}

#[test]
fn the_first_commit_with_another_verdict_is_found() {
    let repository = Repository::new(&[PASS, PASS, PASS, PASS, FINDS, FINDS, FINDS, FINDS, FINDS]);
    let (status, outcome) = repository.json("main~8..main");
    assert_eq!(status, 0, "{outcome}");
    assert_eq!(
        outcome["first"],
        serde_json::json!([repository.hash("main~4")])
    );
    assert_eq!(outcome["before"], "pass");
    assert_eq!(outcome["after"], "a/b:c:d");
    assert_eq!(outcome["commits"], 8);
    let builds = repository.builds();
    assert!(builds <= 2 + 4, "{builds}");
    // The builds are kept.
    let ran = repository.bisect(&["--commits", "main~8..main"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    ran.prints(&[
        "the verdict changes at:\n",
        "  commit 4\n",
        "before: pass\n",
        "after:  a/b:c:d\n",
    ]);
    assert_eq!(repository.builds(), builds);
}

#[test]
fn signatures_and_unusable_files_are_verdicts() {
    let repository = Repository::new(&[FINDS, ANOTHER]);
    let (_, outcome) = repository.json("main~1..main");
    assert_eq!(
        (&outcome["before"], &outcome["after"]),
        (&"a/b:c:d".into(), &"e/f:g:h".into())
    );
    let repository = Repository::new(&[UNUSABLE, UNUSABLE, PASS]);
    let (_, outcome) = repository.json("main~2..main");
    assert_eq!(
        (&outcome["before"], &outcome["after"]),
        (&"unusable".into(), &"pass".into())
    );
    assert_eq!(outcome["first"][0], repository.hash("main").as_str());
}

#[test]
fn a_commit_that_cannot_be_built_or_asked_is_passed_over() {
    let repository = Repository::new(&[PASS, PASS, OLD, BROKEN, PASS, FINDS, FINDS]);
    let (status, outcome) = repository.json("main~6..main");
    assert_eq!(
        (status, &outcome["first"][0]),
        (0, &repository.hash("main~1").as_str().into()),
        "{outcome}"
    );
    // If the commit cannot be determined, all candidates are named.
    let repository = Repository::new(&[PASS, PASS, BROKEN, OLD, FINDS, FINDS]);
    let (status, outcome) = repository.json("main~5..main");
    let expected = ["main~3", "main~2", "main~1"].map(|name| repository.hash(name));
    assert_eq!(
        (status, &outcome["first"]),
        (1, &serde_json::json!(expected)),
        "{outcome}"
    );
    let why = |text: &str| outcome["tested"].to_string().contains(text);
    assert!(why("does not build: error: could not compile"), "{outcome}");
    assert!(
        why("its replay gives no verdict: error: unexpected"),
        "{outcome}"
    );
}

#[test]
fn what_cannot_be_bisected_is_said() {
    let repository = Repository::new(&[PASS, FINDS, FINDS]);
    let refuse = |range: &str, parts: &[&str]| {
        repository.bisect(&["--commits", range]).is_unusable(parts);
    };
    refuse(
        "main~1..main",
        &["main~1 and main have the same verdict, a/b:c:d"],
    );
    refuse("nowhere..main", &["nowhere: no such commit"]);
    refuse("main..--all", &["--all: no such commit"]);
    refuse("main..main", &["main and main are the same commit"]);
    refuse("main..main~1", &["main is not an ancestor of main~1"]);
    for range in ["main", "..main", "main..", "a...b"] {
        let ran = repository.bisect(&["--commits", range]);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.err.contains("give two commits as A..B"), "{ran:?}");
    }
    let broken = Repository::new(&[BROKEN, FINDS]);
    let ran = broken.bisect(&["--commits", "main~1..main"]);
    ran.is_unusable(&["has no verdict: it does not build: error: could not compile it"]);
    fs::remove_file(repository.bench.path("finding.mm")).expect("it goes");
    refuse("main~2..main", &["../finding.mm: cannot be read"]);
}

#[test]
fn outside_of_a_repository_it_says_so() {
    let bench = Bench::new();
    bench.write("a.mm", "mmap p0 0 1 rw\n");
    let ran = bench.run(&["bisect", "a.mm", "--commits", "a..b", "--cache", "cache"]);
    ran.is_unusable(&["in no git repository", "run this inside"]);
}

/// The signal comes during a build that does not end.
#[test]
fn ctrl_c_leaves_no_worktree() {
    let repository = Repository::new(&[PASS, FINDS]);
    let slow = "#!/bin/sh\necho build >>\"$COUNT\"\nexec sleep 1000\n";
    repository.bench.write("cargo", slow);
    repository.executable("cargo");
    let mut child = repository
        .bisecting(&["--commits", "main~1..main"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    while repository.builds() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    repository.is_clean();
}

#[test]
fn two_at_once_do_not_share_a_cache() {
    let repository = Repository::new(&[PASS, FINDS]);
    let cache: PathBuf = repository.bench.path("cache");
    fs::create_dir(&cache).expect("a folder");
    let lock = fs::File::create(cache.join("lock")).expect("a file");
    lock.lock().expect("nobody has it");
    let ran = repository.bisect(&["--commits", "main~1..main"]);
    ran.is_unusable(&["another bisect is using it", "--cache DIR"]);
}

/// Two commits of a package called mm-triage, built by the cargo that runs this test.
#[test]
fn commits_are_built_with_cargo() {
    let repository = Repository::new(&[PASS]);
    let manifest =
        "[package]\nname = \"mm-triage\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    repository.bench.write("repository/Cargo.toml", manifest);
    for verdict in ["pass", "unusable"] {
        let source = format!(
            "fn main() {{ println!(\"{{}}\", r#\"{{\"verdict\":\"{verdict}\",\"signature\":null}}\"#) }}\n"
        );
        repository.bench.write("repository/src/main.rs", source);
        repository.commit(verdict);
    }
    let mut bisect = repository.bisecting(&["--json", "--commits", "main~1..main"]);
    let cargo = std::env::var_os("CARGO").expect("cargo runs this");
    let output = bisect.env("CARGO", cargo).output().expect("mm-triage runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let outcome: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(outcome["before"], "pass", "{outcome}");
    assert_eq!(outcome["after"], "unusable", "{outcome}");
    repository.is_clean();
}
