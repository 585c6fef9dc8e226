//! `linux --fuzz SECS`: fuzzes the kernel beside the model, led by the code that programs reach in
//! the kernel.
//!
//! The judge runs these programs as it runs others. So a finding is a panic, a BUG, a WARN, a hang,
//! or a step at which the kernel and the model differ. A finding does not end the run: findings of
//! one kind count as one, and the first programs of each kind are saved.

mod corpus;

use super::args::LinuxArgs;
use super::queue::{Case, CaseSource, Queue, Reached, files_of};
use super::tally::Tally;
use crate::input::{self, Target};
use crate::names::shown;
use crate::walk::WalkEntry;
use crate::{Status, store};
use corpus::KernelCorpus;
use mm_fuzz::program::Program;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// The source of programs. It gives the files that the command line names, then mutants of the
/// programs that reached something new, until the time is up.
pub struct Fuzzer<'a> {
    args: &'a LinuxArgs,
    files: Queue<'a>,
    /// Programs that show known findings, with their names. They run first.
    known: VecDeque<(String, Program)>,
    corpus: KernelCorpus,
    taken: u32,
    began: Instant,
    ends: Instant,
    /// Maximum number of programs.
    most: u32,
    /// A program could not be written, so no more are kept.
    full: bool,
}

impl<'a> Fuzzer<'a> {
    /// A fuzzer that begins with these files.
    pub fn new(args: &'a LinuxArgs, files: Queue<'a>, seconds: u64) -> Self {
        let limits = args.target.unwrap_or(Target::Ops).limits();
        let began = Instant::now();
        Self {
            args,
            files,
            known: VecDeque::new(),
            corpus: KernelCorpus::new(limits, args.huge, args.seed),
            taken: 0,
            began,
            ends: began + Duration::from_secs(seconds),
            most: u32::MAX,
            full: false,
        }
    }

    /// Begins with the programs of `--known`, which show known findings.
    ///
    /// # Errors
    ///
    /// A file that is no program.
    pub fn with_known(self) -> Result<Self, String> {
        let files = files_of(&self.args.known).map_err(|error| error.to_string())?;
        let read = |found: WalkEntry| {
            let path = found.path();
            let input = input::load(path, None).map_err(|error| error.to_string())?;
            Ok((shown(path), input.program))
        };
        let known = files.into_iter().map(read).collect::<Result<_, String>>()?;
        Ok(Self { known, ..self })
    }

    /// Writes the findings and the figures of the run; programs can parse the last line.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn summary(&self, tally: &Tally, version: &str, out: &mut dyn Write) -> io::Result<Status> {
        let mut kinds: Vec<_> = tally.kinds.iter().collect();
        kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (kind, (count, first)) in kinds {
            let first = first.text.replace('\n', "\n    ");
            writeln!(out, "{count} x {kind}\n  first in {first}\n")?;
        }
        for (kind, name) in &tally.known_kinds {
            writeln!(out, "known ({name}): {kind}")?;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let [kept, places, features] = self.corpus.sizes();
        let refused: u64 = tally.refused.values().sum();
        writeln!(
            out,
            "linux-fuzz: version={version} target={} seed={} seconds={seconds:.0} programs={} programs/s={:.0} places={places} \
             features={features} corpus={kept} findings={} known={} passed_over={} refused={refused} boots={}",
            match self.args.huge {
                true => "huge",
                false => self.args.target.unwrap_or(Target::Ops).name(),
            },
            self.args.seed,
            tally.programs,
            tally.programs as f64 / seconds,
            tally.kinds.len(),
            tally.known + tally.known_kinds.len() as u64,
            tally.passed_over,
            tally.boots,
        )?;
        Ok(if tally.kinds.is_empty() {
            if self.full || tally.programs == 0 {
                Status::Unusable
            } else {
                Status::Pass
            }
        } else {
            Status::Finding
        })
    }

    /// Writes a program to the folder of `--keep`, if there is one.
    fn keep(&mut self, case: &Case) {
        let Some(dir) = self.args.keep.as_ref().filter(|_| !self.full) else {
            return;
        };
        let text = case.program.to_string();
        let path = dir
            .join(crate::collect::sha1(text.as_bytes()))
            .with_extension("mm");
        if let Err(error) = store::write(&path, text) {
            self.full = true;
            crate::say(format_args!(
                "{}: cannot be written: {error}; nothing more is kept",
                shown(&path)
            ));
        }
    }
}

impl CaseSource for Fuzzer<'_> {
    fn next(&mut self, tally: &mut Tally) -> Option<Case> {
        if Instant::now() >= self.ends || self.taken == self.most {
            return None;
        }
        self.taken += 1;
        if let Some((name, program)) = self.known.pop_front() {
            return Some(Case {
                index: self.taken,
                name,
                program,
                witness_of: None,
                is_known: true,
            });
        }
        let case = self.files.next(tally);
        let (name, mut program) = match case {
            Some(case) => (case.name, case.program),
            None => {
                let name = format!("linux-{}-{}", self.args.seed, self.taken);
                (name, self.corpus.next())
            }
        };
        self.corpus.fit(&mut program);
        Some(Case {
            index: self.taken,
            name,
            program,
            witness_of: None,
            is_known: false,
        })
    }

    fn end(&mut self) {
        self.ends = self.began;
    }

    fn ran(&mut self, case: Case, reached: Reached) {
        if reached.is_known {
            if case.is_known {
                self.corpus.avoid(&case.program);
            }
            return;
        }
        if self.corpus.learn(&case.program, &reached) {
            self.keep(&case);
        }
    }
}

#[cfg(all(test, feature = "zoo"))]
mod tests {
    use super::super::{fake, judged};
    use super::*;
    use crate::bugs::Bugs;
    use crate::stop::Stop;
    use clap::{Args, FromArgMatches};

    fn args(words: &[&str]) -> LinuxArgs {
        let command = LinuxArgs::augment_args(clap::Command::new("linux"));
        let matches = command.get_matches_from(["linux"].iter().chain(words));
        LinuxArgs::from_arg_matches(&matches).expect("arguments")
    }

    /// Fuzzes a fake guest with this behaviour for at most `most` programs. Returns the summary and
    /// the status.
    fn said(args: &LinuxArgs, behaviour: &str, most: u32) -> (String, Status) {
        let dir = tempfile::tempdir().expect("a folder");
        let image = fake::quick_image(dir.path(), behaviour);
        let bugs = Bugs::of_kernel("", image.kernel()).expect("bugs");
        let fuzzer = Fuzzer::new(args, Queue::new(args, [].into()), 600);
        let mut fuzzer = fuzzer.with_known().expect("programs");
        fuzzer.most = most;
        let judged = judged(args, &image, bugs, &Stop::default(), fuzzer);
        let (fuzzer, tally) = judged.expect("the guest comes up");
        let mut out = Vec::new();
        let status = fuzzer.summary(&tally, "6.12", &mut out);
        let out = String::from_utf8(out).expect("text");
        (out, status.expect("memory takes all"))
    }

    fn figure(said: &str, name: &str) -> usize {
        let words = said.lines().last().expect("a line").split(' ');
        let mut values = words.filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        values.next().expect(name).parse().expect("a number")
    }

    #[test]
    fn a_guest_that_dies_does_not_end_the_run_and_is_one_finding() {
        let saved = tempfile::tempdir().expect("a folder");
        let folder = saved.path().to_str().expect("a name");
        let args = args(&["--fuzz", "600", "--jobs", "1", "--save", folder]);
        let (said, status) = said(&args, "dies", 40);
        assert_eq!(status, Status::Finding);
        assert_eq!(said.matches(" x kernel: ").count(), 1, "{said}");
        assert!(figure(&said, "boots") > 1, "{said}");
        let all = figure(&said, "programs") + figure(&said, "refused");
        assert_eq!(all, 40, "{said}");
        let programs = saved.path().read_dir().expect("a folder");
        let names = programs.map(|entry| entry.expect("an entry").file_name());
        let text = names.map(|name| name.to_string_lossy().into_owned());
        assert!(text.into_iter().any(|name| name.ends_with(".console")));
    }

    #[test]
    fn the_program_that_leaves_something_behind_is_found() {
        let saved = tempfile::tempdir().expect("a folder");
        let folder = saved.path().to_str().expect("a name");
        let args = args(&["--fuzz", "600", "--jobs", "1", "--save", folder]);
        let (said, status) = said(&args, "leaks", 64);
        assert_eq!(status, Status::Finding);
        assert!(said.contains(" x leak nr_mlock\n"), "{said}");
        assert!(said.contains("model 5, Linux 6"), "{said}");
        assert!(said.contains("\n    fork p"), "{said}");
    }

    #[test]
    fn a_known_finding_does_not_count_and_is_avoided() {
        let dir = tempfile::tempdir().expect("a folder");
        let known = dir.path().join("known.mm");
        std::fs::write(&known, "mmap p0 0 1 rw\nfork p0\n").expect("a program");
        let known = known.to_str().expect("a name");
        let args = args(&["--fuzz", "600", "--jobs", "1", "--known", known]);
        let (said, _) = said(&args, "dies", 90);
        assert!(
            said.contains(&format!("known ({known}): kernel: ")),
            "{said}"
        );
        assert!(!said.contains(" x kernel: "), "{said}");
        assert_eq!(figure(&said, "known"), 1);
        let passed_over = figure(&said, "passed_over");
        assert!(passed_over < 90 / 3, "{said}");
    }

    #[test]
    fn an_interrupted_run_leaves_whole_files() {
        let (saved, kept) = (tempfile::tempdir(), tempfile::tempdir());
        let [saved, kept] = [saved, kept].map(|dir| dir.expect("a folder"));
        let name = |dir: &tempfile::TempDir| dir.path().to_str().expect("a name").to_owned();
        let (save, keep) = (name(&saved), name(&kept));
        let args = args(&[
            "--fuzz", "600", "--jobs", "2", "--save", &save, "--keep", &keep,
        ]);
        let dir = tempfile::tempdir().expect("a folder");
        let image = fake::quick_image(dir.path(), "dies");
        let bugs = Bugs::of_kernel("", image.kernel()).expect("bugs");
        let fuzzer = Fuzzer::new(&args, Queue::new(&args, [].into()), 600);
        let stop = Stop::default();
        let interrupted = std::thread::scope(|scope| {
            // stops the run while it writes files, so that the stop could tear one
            scope.spawn(|| {
                let is_begun = || kept.path().read_dir().expect("a folder").count() > 3;
                while !is_begun() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                stop.set();
            });
            let (_, tally) = judged(&args, &image, bugs, &stop, fuzzer).expect("it comes up");
            tally.interrupted
        });
        assert!(interrupted);
        let files = [&kept, &saved].map(|dir| dir.path().read_dir().expect("a folder"));
        for entry in files.into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("whole text");
            if path.extension().is_some_and(|ending| ending == "mm") {
                let program: mm_fuzz::program::Program = text.parse().expect("a whole program");
                assert!(!program.ops.is_empty(), "{text}");
            } else {
                assert!(path.extension().is_some_and(|ending| ending == "console"));
            }
        }
    }

    #[test]
    fn what_reaches_something_new_is_kept_under_its_name() {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = kept.path().to_str().expect("a name");
        let args = args(&["--fuzz", "2", "--jobs", "1", "--keep", folder]);
        let mut fuzzer = Fuzzer::new(&args, Queue::new(&args, [].into()), 2);
        let case = |text: &str| Case {
            index: 1,
            name: "a".to_owned(),
            program: text.parse().expect("a program"),
            witness_of: None,
            is_known: false,
        };
        let at = |place| Reached {
            places: vec![place],
            ..Reached::default()
        };
        fuzzer.ran(case("mmap p0 0 1 rw"), at(1));
        fuzzer.ran(case("mmap p0 0 2 rw"), at(1));
        let files: Vec<_> = kept.path().read_dir().expect("a folder").collect();
        assert_eq!(files.len(), 1);
        let file = files.into_iter().next().expect("one").expect("an entry");
        let text = std::fs::read_to_string(file.path()).expect("a program");
        assert_eq!(text, case("mmap p0 0 1 rw").program.to_string());
        let name = crate::collect::sha1(text.as_bytes()) + ".mm";
        assert_eq!(file.file_name().to_string_lossy(), name);
    }
}
