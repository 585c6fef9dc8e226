//! `make oss-fuzz-check` builds a copy of the repository's files as they are, committed or not. The
//! copy leaves out ignored files, and files that have been removed.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

/// Runs a command in a folder, and asserts that it succeeds.
#[track_caller]
fn run(dir: &Path, program: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

/// Copies as fuzz/oss-fuzz/check does, and returns whether that succeeds.
fn copied(from: &Path, to: &Path) -> bool {
    let script = crate::common::repository().join("fuzz/oss-fuzz/check");
    let output = Command::new("bash")
        .arg("-c")
        .arg("source \"$1\" && cd \"$2\" && copy_files \"$3\"")
        .arg("test")
        .args([&script, from, to])
        .output()
        .expect("bash runs");
    output.status.success()
}

#[test]
fn what_is_gone_and_not_committed_is_not_copied() {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let write = |name: &str| {
        let path = from.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, name).expect("a file");
    };
    std::fs::create_dir(&from).expect("a folder");
    for name in [
        ".gitignore",
        "corpus/stays",
        "corpus/goes",
        "-n a\nme",
        "only/one",
    ] {
        write(name);
    }
    std::fs::write(from.join(".gitignore"), "ignored\n").expect("a file");
    std::os::unix::fs::symlink("gone", from.join("link")).expect("a link");
    run(&from, "git", &["init", "--quiet"]);
    run(&from, "git", &["add", "--all"]);
    let author = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "--quiet",
        "-m",
        "all",
    ];
    run(&from, "git", &author);
    for gone in ["corpus/goes", "only/one"] {
        std::fs::remove_file(from.join(gone)).expect("it goes");
    }
    write("corpus/new");
    write("ignored");
    assert!(copied(&from, &to));
    let there = |name: &str| std::fs::symlink_metadata(to.join(name)).is_ok();
    for name in [
        ".gitignore",
        "corpus/stays",
        "-n a\nme",
        "corpus/new",
        "link",
    ] {
        assert!(there(name), "{name}");
    }
    for name in ["corpus/goes", "only", "ignored"] {
        assert!(!there(name), "{name}");
    }
    // Outside of a git repository, copying fails.
    assert!(!copied(dir.path(), &dir.path().join("other")));
}
