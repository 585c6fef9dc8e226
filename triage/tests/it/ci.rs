//! CI says which of its parts it skips because something is missing. It fails if an operation takes
//! over 5 % more CPU instructions than `fuzz/instructions.lock` says. Workflows use only actions
//! pinned to a commit, with few rights and a time limit.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Writes a shell script that stands for a tool.
fn tool(dir: &Path, name: &str, script: &str) {
    let file = dir.join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file");
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&file, runs).expect("permissions");
}

/// The PATH, behind a folder of tools.
fn with_tools(dir: &Path) -> OsString {
    let mut path = OsString::from(dir);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// The PATH, followed by a folder of tools that always fail. Until the script downloads packages,
/// it only checks that these tools exist.
fn with_what_is_missing(bin: &Path) -> OsString {
    std::fs::create_dir_all(bin).expect("a folder");
    for tool in [
        "apt-get", "dpkg", "make", "gcc", "ld", "bc", "perl", "xz", "gzip",
    ] {
        self::tool(bin, tool, "exit 100");
    }
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(bin);
    path
}

#[test]
fn ci_leaves_the_judge_out_where_no_package_source_can_be_reached() {
    let dir = tempfile::tempdir().expect("a folder");
    let lists = dir.path().join("lists/partial");
    std::fs::create_dir_all(&lists).expect("a folder");
    let config = dir.path().join("apt.conf");
    // There are no package lists, and nobody listens at the proxy's port.
    let text = format!(
        "Dir::State::Lists \"{}/lists\";\n\
         Acquire::Retries \"0\";\n\
         Acquire::http::Proxy \"http://127.0.0.1:9\";\n\
         Acquire::https::Proxy \"http://127.0.0.1:9\";\n",
        dir.path().display()
    );
    std::fs::write(&config, text).expect("a file");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(root.join(".ci/judge"))
        .env("PATH", with_what_is_missing(&dir.path().join("bin")))
        .env("XDG_CACHE_HOME", dir.path())
        .env("APT_CONFIG", &config)
        .env_remove("LINUX_SRC")
        .output()
        .expect("the script");
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{why}");
    assert!(said.contains("ci: SKIPPED the judge"), "{said}{why}");
    assert!(
        why.contains("the machine's package lists are too old"),
        "{why}"
    );
}

/// The output of .ci/msrv if rustup has these toolchains, and the arguments that cargo got.
fn msrv(toolchains: &str) -> (String, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let tool = |name: &str, script: &str| tool(dir.path(), name, script);
    let called = dir.path().join("called");
    tool("rustup", &format!("printf '{toolchains}'"));
    let note = "echo \"$RUSTUP_TOOLCHAIN: $*\"";
    tool("cargo", &format!("{note} >'{}'", called.display()));
    let path = with_tools(dir.path());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(root.join(".ci/msrv"))
        .env("PATH", path)
        .output()
        .expect("the script");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (said, std::fs::read_to_string(called).unwrap_or_default())
}

#[test]
fn ci_builds_with_the_oldest_rust_where_that_is_there_and_says_where_not() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    let others = "stable-x86_64 (default)\\n1.9-x86_64\\n1.910.0-x86_64\\n";
    let (said, called) = msrv(others);
    let why = format!("ci: SKIPPED the build with Rust {version}: rustup toolchain install ");
    assert!(
        said.starts_with(&why) && called.is_empty(),
        "{said}{called}"
    );
    for toolchain in [format!("{version}-x86_64"), format!("{version}.1-x86_64")] {
        let (said, called) = msrv(&format!("{others}{toolchain} (active)\\n"));
        assert_eq!(said, format!("ci: building with {toolchain}\n"));
        let build = format!("{toolchain}: build --quiet --workspace --locked ");
        assert!(called.starts_with(&build), "{called}");
    }
}

/// The status and the output of fuzz/bench-check, if each count is `tenths` tenths of the lock's.
/// The compiler's version is that of the lock, followed by `suffix`.
fn bench_check(tenths: u64, suffix: &str) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lock = std::fs::read_to_string(root.join("fuzz/instructions.lock")).expect("the lock");
    let mut lines = lock.lines();
    let compiler = lines.next().and_then(|line| line.strip_prefix("compiler "));
    let compiler = compiler.expect("the compiler");
    let dir = tempfile::tempdir().expect("a folder");
    let tool = |name: &str, script: &str| tool(dir.path(), name, script);
    tool("rustc", &format!("echo '{compiler}{suffix}'"));
    tool("cargo", ":");
    // callgrind's arguments: the tool, the output, what is counted, the program, and the program's
    // two arguments
    let mut valgrind = String::from("out=${2#*=}\ncase $5-$6 in\n");
    for line in lines {
        let (name, count) = line.split_once(' ').expect("a count");
        let count: u64 = count.parse().expect("a number");
        let total = count * tenths;
        writeln!(valgrind, "{name}) echo 'summary: {total}' >\"$out\" ;;").expect("a string");
    }
    valgrind.push_str("esac\necho 10");
    tool("valgrind", &valgrind);
    let path = with_tools(dir.path());
    let output = Command::new(root.join("fuzz/bench-check"))
        .env("PATH", path)
        .env_remove("BLESS")
        .output()
        .expect("the script");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code(), said)
}

#[test]
fn more_instructions_than_the_lock_says_fail_the_check() {
    let (status, said) = bench_check(10, "");
    assert_eq!((status, said.lines().count()), (Some(0), 4), "{said}");
    let (status, said) = bench_check(11, "");
    let worse = said.matches(" instructions an operation, and ").count();
    assert_eq!((status, worse), (Some(1), 4), "{said}");
    let (status, said) = bench_check(11, " of tomorrow");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("bench-check: not compared"), "{said}");
}

/// What is wrong with a workflow: an action that may be another commit tomorrow, rights that it
/// does not need, or a job that may run for six hours.
fn faults(workflow: &str) -> String {
    let mut faults = String::new();
    let mut fault = |why: &str, line: &str| {
        writeln!(faults, "{why}: {}", line.trim()).expect("a string");
    };
    let rights: Vec<&str> = workflow
        .lines()
        .skip_while(|line| *line != "permissions:")
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .collect();
    let may = ["contents: read", "security-events: write"];
    if rights.is_empty() || !rights.iter().all(|right| may.contains(&right.trim())) {
        fault("rights", &rights.join(","));
    }
    let (_, jobs) = workflow.split_once("\njobs:\n").expect("jobs");
    let is_job = |line: &&str| line.starts_with("  ") && !line[2..].starts_with(' ');
    let timed = jobs.matches("\n    timeout-minutes: ").count();
    if timed != jobs.lines().filter(is_job).count() {
        fault("a job without a limit", "");
    }
    for line in workflow.lines().filter(|line| line.contains("uses:")) {
        let (_, pinned) = line.split_once('@').unwrap_or_default();
        let (commit, name) = pinned.split_once(" # v").unwrap_or_default();
        let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_commit || !name.starts_with(|c: char| c.is_ascii_digit()) {
            fault("no commit", line);
        }
    }
    faults
}

#[test]
fn workflows_have_limits_few_rights_and_actions_by_commit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the workflows") {
        let path = entry.expect("an entry").path();
        let workflow = std::fs::read_to_string(&path).expect("a workflow");
        assert_eq!(faults(&workflow), "", "{}", path.display());
        names.extend(path.file_name().map(|name| name.to_os_string()));
    }
    for name in ["ci.yml", "supply-chain.yml"] {
        assert!(names.contains(&name.into()), "{names:?}");
    }
    let bad = "on: push\npermissions:\n  contents: write\njobs:\n  a:\n    steps:\n      - uses: a/b@v1\n";
    let expected = "rights: contents: write\na job without a limit: \nno commit: - uses: a/b@v1\n";
    assert_eq!(faults(bad), expected);
}
