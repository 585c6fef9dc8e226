//! Guests that misbehave in a program that forks: the run goes on, and keeps what it has.

use super::super::fake;
use super::*;
use clap::{Args, FromArgMatches};

/// Runs three programs, the second of which makes the guest misbehave.
fn ran(behaviour: &str, seconds: u64, folder: &Path) -> (String, Status) {
    let files = [
        ("before", "mmap p0 0 1 rw"),
        ("between", "mmap p0 0 1 rw\nfork p0"),
        ("behind", "mmap p0 0 1 rw\nwrite p0 0 1"),
    ];
    let folder = folder.to_str().expect("a name");
    of_files(&format!("calls-{behaviour}"), seconds, folder, &files)
}

/// Runs programs, each with its name.
fn of_files(
    behaviour: &str,
    seconds: u64,
    folder: &str,
    files: &[(&str, &str)],
) -> (String, Status) {
    let dir = tempfile::tempdir().expect("a folder");
    let image = fake::quick_image(dir.path(), behaviour);
    let command = LinuxArgs::augment_args(clap::Command::new("linux"));
    let words = ["linux", "--jobs", "1", "--save", folder, "--keep", folder];
    let matches = command.get_matches_from(words);
    let args = LinuxArgs::from_arg_matches(&matches).expect("arguments");
    let program = |text| parse(text).expect("a program");
    let files = files.iter();
    let files = files.map(|(name, text)| ((*name).to_owned(), program(text)));
    let hub = Hub::new(1, image.is_whole, files.collect(), VecDeque::new());
    let mut out = Vec::new();
    let status = fuzz(&args, seconds, &image, hub, &Stop::default(), &mut out);
    let said = String::from_utf8(out).expect("text");
    (said, status.expect("memory takes all"))
}

/// The ways in which a guest misbehaves, and what the host says of each.
const WAYS: [(&str, &str); 7] = [
    ("dies", "kernel: BUG: "),
    ("hangs", "the guest hangs"),
    ("flood", "the guest"),
    ("trickle", "the guest"),
    ("garbage", "the guest"),
    ("oversized", "the guest"),
    ("wrong-id", "the guest"),
];

#[test]
fn a_guest_that_misbehaves_costs_its_program_and_no_other() {
    for (behaviour, why) in WAYS {
        let folder = tempfile::tempdir().expect("a folder");
        let (said, status) = ran(behaviour, 0, folder.path());
        assert_eq!(status, Status::Pass, "{behaviour}: {said}");
        for name in ["before", "behind"] {
            let wanted = format!("no finding: {name}\n");
            assert!(said.contains(&wanted), "{behaviour}: {said}");
        }
        assert!(said.contains("known (between): "), "{behaviour}: {said}");
        assert!(said.contains(why), "{behaviour}: {said}");
        assert!(said.contains(" programs=3 "), "{behaviour}: {said}");
        assert!(!said.contains('\x1b'), "{behaviour}: {said}");
    }
}

#[test]
fn a_file_that_needs_another_kernel_is_named_and_does_not_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("a name");
    let (said, status) = of_files(
        "calls-dies",
        0,
        folder,
        &[("disk", "ext4-file\nfork p0\nfile-write p0 0 1")],
    );
    // nothing ran
    assert_eq!(status, Status::Unusable, "{said}");
    assert!(said.contains("needs WHOLE=1: disk\n"), "{said}");
    assert!(said.contains(" programs=0 "), "{said}");
}

#[test]
fn a_run_over_guests_that_die_keeps_whole_programs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (said, _) = ran("dies", 3, folder.path());
    let last = said.lines().last().expect("a line");
    assert!(last.starts_with("linux-calls: version="), "{said}");
    let entries = folder.path().read_dir().expect("a folder");
    let paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let programs = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING));
    for path in programs.clone() {
        let text = std::fs::read_to_string(path).expect("a program");
        assert!(parse(&text).is_ok(), "{text}");
    }
    assert!(programs.count() > 0, "{said}");
}
