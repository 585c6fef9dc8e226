//! `mm-fast` as `fuzz/run` starts it: what it writes, prints and returns.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PLANTED: &str = "finding: canary/planted:fork:device";

fn command(args: &[&str], work: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mm-fast"));
    command.args(args).arg("--work").arg(work);
    command.env_remove("MMFUZZ_ZOO");
    command
}

fn run(args: &[&str], work: &Path) -> Output {
    command(args, work).output().expect("it runs")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The names and contents of the files in a folder of the run.
fn files(work: &Path, folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(work.join(folder)).expect("a folder");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name");
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

/// Checks that each file has the name that its content should have: `prefix` and a SHA-1.
fn check_names(files: &[(String, Vec<u8>)], prefix: &str) {
    use sha1::{Digest, Sha1};
    for (name, content) in files {
        let hash = Sha1::digest(content);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(*name, format!("{prefix}{hash}"));
    }
}

fn number(text: &str, name: &str) -> u64 {
    let (_, rest) = text
        .rsplit_once(name)
        .unwrap_or_else(|| panic!("{name} in {text}"));
    let number = rest.split_whitespace().next().expect("a number");
    number.parse().expect("a number")
}

#[test]
fn a_seed_and_a_number_of_executions_give_the_same_corpus_twice() {
    for target in ["ops", "races"] {
        let run = |seed: &str| {
            let work = tempfile::tempdir().expect("a folder");
            let output = run(&[target, "--seed", seed, "--execs", "3000"], work.path());
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert_eq!(number(&text(&output), "executed_units: "), 3_000);
            let corpus = files(work.path(), "corpus");
            check_names(&corpus, "");
            assert!(files(work.path(), "found").is_empty());
            corpus
        };
        let corpus = run("7");
        assert!(corpus.len() > 10, "{}", corpus.len());
        assert!(corpus == run("7"));
        assert!(corpus != run("8"));
    }
}

#[test]
fn a_worker_ends_at_a_finding_or_goes_on_if_it_is_told_to() {
    let work = tempfile::tempdir().expect("a folder");
    let args = ["canary", "--seed", "1", "--execs", "200000"];
    let output = run(&args, work.path());
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    let found = files(work.path(), "found");
    check_names(&found, "crash-");
    assert_eq!(found.len(), 1);
    assert!(text(&output).lines().any(|line| line == PLANTED));
    let needed = number(&text(&output), "executed_units: ");
    // `--run` reports the finding of the file
    let one = Command::new(env!("CARGO_BIN_EXE_mm-fast"))
        .args(["canary", "--run"])
        .arg(work.path().join("found").join(&found[0].0))
        .output();
    let one = one.expect("it runs");
    assert!(!one.status.success());
    assert!(
        String::from_utf8_lossy(&one.stderr).contains(PLANTED),
        "{one:?}"
    );
    // the same run goes on
    let work = tempfile::tempdir().expect("a folder");
    let args = ["canary", "--seed", "1", "--go-on", "--execs"];
    let twice = (2 * needed).to_string();
    let output = run(&[&args[..], &[&twice]].concat(), work.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(number(&text(&output), "executed_units: "), 2 * needed);
    assert_eq!(number(&text(&output), "of_signatures: "), 1);
    assert_eq!(files(work.path(), "found"), found);
}

#[test]
fn workers_share_what_they_keep() {
    let work = tempfile::tempdir().expect("a folder");
    let output = run(&["ops", "--seed", "1", "--execs", "3000"], work.path());
    let features = number(&text(&output), " ft: ");
    // the second worker runs the files of the first one, and no mutant
    let count = files(work.path(), "corpus").len().to_string();
    let output = run(
        &["ops", "--worker", "1", "--seed", "2", "--execs", &count],
        work.path(),
    );
    assert_eq!(
        number(&text(&output), " ft: "),
        features,
        "{}",
        text(&output)
    );
    let more = run(
        &["ops", "--worker", "1", "--seed", "2", "--execs", "3000"],
        work.path(),
    );
    assert!(number(&text(&more), " ft: ") > features);
}

fn wait_for(child: &mut Child, work: &Path) {
    while fs::read_dir(work.join("corpus")).map_or(0, Iterator::count) == 0 {
        assert_eq!(child.try_wait().expect("a status"), None, "it ends early");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_signal_ends_a_worker_between_two_inputs() {
    for signal in ["-USR1", "-INT"] {
        let work = tempfile::tempdir().expect("a folder");
        let mut command = command(&["races", "--seconds", "600"], work.path());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        wait_for(&mut child, work.path());
        let killed = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(killed.expect("kill runs").success());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = text(&output);
        let kept = number(&said.replace('/', " "), " corp: ");
        let corpus = files(work.path(), "corpus");
        assert_eq!(corpus.len() as u64, kept, "{said}");
        check_names(&corpus, "");
        let journal = fs::read(work.path().join("journal.0")).expect("a journal");
        assert_eq!(journal[..4], [0; 4], "no input runs");
    }
}

#[test]
fn the_input_of_a_worker_that_died_is_saved() {
    let work = tempfile::tempdir().expect("a folder");
    let mut journal = 3_u32.to_ne_bytes().to_vec();
    journal.extend(b"abc");
    journal.resize(4_096, 0);
    let path = work.path().join("journal.0");
    fs::create_dir(work.path().join("found")).expect("a folder");
    let rescue = |journal: &[u8]| {
        fs::write(&path, journal).expect("a journal");
        let path = path.to_str().expect("a name");
        let output = run(&["ops", "--rescue", path], work.path());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        files(work.path(), "found")
    };
    assert!(rescue(&[0; 4_096]).is_empty());
    let found = rescue(&journal);
    assert_eq!(found.len(), 1);
    check_names(&found, "crash-");
}

#[test]
fn what_is_wrong_is_said() {
    let work = tempfile::tempdir().expect("a folder");
    for (args, why) in [
        (&["opps"][..], "there is no target 'opps'"),
        (&["ops", "--exec", "3"], "there is no option --exec"),
        (&["ops", "--execs", "x"], "--execs x: give a whole number"),
        (&["ops", "--run", "/nothing"], "/nothing: cannot be read"),
    ] {
        let output = run(args, work.path());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(why), "{said}");
    }
    let blocked = work.path().join("corpus");
    let _ = fs::remove_dir_all(&blocked);
    fs::write(&blocked, "").expect("a file");
    let output = run(&["ops", "--execs", "10"], work.path());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// Each signature of a bug is saved once, and each input shows one of them.
#[cfg(feature = "zoo")]
#[test]
fn a_bug_gives_a_file_for_each_signature() {
    let work = tempfile::tempdir().expect("a folder");
    let args = ["ops", "--seed", "1", "--execs", "20000", "--go-on"];
    let output = command(&args, work.path())
        .env("MMFUZZ_ZOO", "collect-lost-dirty")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let signatures = number(&text(&output), "of_signatures: ");
    assert!(signatures > 0);
    let found = files(work.path(), "found");
    check_names(&found, "crash-");
    assert_eq!(found.len() as u64, signatures);
    let said = text(&output);
    let said = said.lines().filter(|line| line.starts_with("finding: "));
    assert_eq!(said.count() as u64, signatures);
    let unknown = command(&args, work.path())
        .env("MMFUZZ_ZOO", "no-such-bug")
        .output();
    assert_eq!(unknown.expect("it runs").status.code(), Some(2));
}
