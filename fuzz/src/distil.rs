//! Distils a corpus: keeps the few inputs that together have all features. `make cmin` runs this in
//! a target whose core is instrumented as for libFuzzer (`src/bin/distil.rs`).
//!
//! A feature is what libFuzzer counts with `-use_counters=0`: an edge of the core that was taken,
//! or a [state](crate::feedback). Each input runs on a machine of its own, so that its features do
//! not depend on the runs before it. The first pass goes through the inputs from short to long, and
//! keeps those that add a feature. The second pass goes through the kept inputs from long to short,
//! and drops each input whose features the remaining ones have. After that, no input can be dropped
//! without losing a feature. docs/corpus.md compares this with libFuzzer's merge.

use crate::exec::{Digest, Executor, Options, Verdict};
use crate::feedback::{Counters, Feedback};
use crate::file::{self, MAX_PROGRAM};
use crate::names::shown;
use crate::program::mutate::Limits;
use crate::program::{Program, text, wire};
use crate::target;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

type Result<T> = std::result::Result<T, String>;

/// The counters after a run: each one that is not zero is a feature.
#[derive(Clone, Copy, Debug)]
pub struct Coverage<'a> {
    /// The edges of the core.
    pub edges: &'a [AtomicU8],
    /// The counters of state feedback.
    pub states: &'a Counters,
}

impl Coverage<'_> {
    fn counters(&self) -> impl Iterator<Item = &AtomicU8> {
        self.edges.iter().chain(self.states)
    }

    /// The features since the last call, in ascending order.
    fn take(&self) -> Vec<u32> {
        let hit = |(number, counter): (u32, &AtomicU8)| {
            let is_hit = counter.load(Ordering::Relaxed) != 0;
            if is_hit {
                counter.store(0, Ordering::Relaxed);
            }
            is_hit.then_some(number)
        };
        (0..).zip(self.counters()).filter_map(hit).collect()
    }
}

/// The result of distilling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of files read, and of files kept.
    pub files: [usize; 2],
    /// Number of bytes of these files.
    pub bytes: [usize; 2],
    /// Number of features of all inputs, and of the kept inputs, which run once more for this
    /// count.
    pub features: [usize; 2],
    /// Number of inputs with a finding.
    pub findings: usize,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            files,
            bytes,
            features,
            findings,
        } = self;
        write!(
            f,
            "files={}->{} bytes={}->{} features={}->{} findings={findings}",
            files[0], files[1], bytes[0], bytes[1], features[0], features[1]
        )
    }
}

impl std::str::FromStr for Summary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self> {
        let mut fields = text.split(' ');
        let mut field = |name: &str| {
            let field = fields.next().and_then(|field| field.strip_prefix(name));
            field.ok_or_else(|| format!("{text:?} has no {name}"))
        };
        let number = |text: &str| text.parse().map_err(|e| format!("{text:?}: {e}"));
        let pair = |field: &str| {
            let (before, after) = field.split_once("->").ok_or("an arrow is missing")?;
            Result::Ok([number(before)?, number(after)?])
        };
        Ok(Self {
            files: pair(field("files=")?)?,
            bytes: pair(field("bytes=")?)?,
            features: pair(field("features=")?)?,
            findings: number(field("findings=")?)?,
        })
    }
}

/// The share of the files that one process takes. A hash of a file's name decides which share has
/// the file.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The number of the process, from 0.
    pub number: u64,
    /// Number of processes.
    pub of: u64,
}

impl Share {
    /// Every file.
    pub const ALL: Self = Self { number: 0, of: 1 };

    fn has(self, name: &[u8]) -> bool {
        digest(name) % self.of == self.number
    }
}

/// The places that distilling reads from and writes to.
#[derive(Clone, Copy, Debug)]
pub struct DistilPaths<'a> {
    /// The name of the target that runs the inputs.
    pub target: &'a str,
    /// The folders of inputs. Files named `*.mm` are text, all others wire of any version.
    pub folders: &'a [PathBuf],
    /// The folder for kept inputs, in the current wire form, named by their contents.
    pub kept: &'a Path,
    /// The folder for inputs with a finding, in the same form.
    pub found: &'a Path,
}

/// Distils the files.
///
/// # Errors
///
/// A sentence: there is no such target, a file cannot be read or written, or a text is not a
/// program.
pub fn distil(place: DistilPaths<'_>, coverage: Coverage<'_>) -> Result<Summary> {
    let mut pass = Pass::new(place, Share::ALL, coverage)?;
    let kept = pass.keep()?;
    pass.summary.features[0] = pass.seen().len();
    let mut left = Vec::new();
    for index in needed(&kept) {
        let (input, _) = &kept[index];
        pass.write_kept(input)?;
        left.push((Vec::new(), pass.runner.features(input).unwrap_or_default()));
    }
    pass.summary.features[1] = distinct(&left);
    Ok(pass.summary)
}

/// The first half of distilling, for a share of the files: drops each input that adds no feature to
/// the shorter inputs of the share. The first pass over all files would drop that input too, so
/// distilling what the shares keep gives the result of distilling all files. Also returns the
/// features of all inputs of the share, including the dropped ones.
///
/// # Errors
///
/// As for [`distil`].
pub fn sieve(
    place: DistilPaths<'_>,
    share: Share,
    coverage: Coverage<'_>,
) -> Result<(Summary, Vec<u32>)> {
    let mut pass = Pass::new(place, share, coverage)?;
    for (input, _) in pass.keep()? {
        pass.write_kept(&input)?;
    }
    Ok((pass.summary, pass.seen()))
}

/// An input and its features.
type Measured = (Vec<u8>, Vec<u32>);

struct Pass<'a> {
    place: DistilPaths<'a>,
    share: Share,
    limits: Limits,
    runner: Runner<'a>,
    summary: Summary,
    /// Number of inputs that have each feature.
    times: Vec<u32>,
}

impl<'a> Pass<'a> {
    fn new(place: DistilPaths<'a>, share: Share, coverage: Coverage<'a>) -> Result<Self> {
        let name = place.target;
        let limits = target::limits(name).ok_or_else(|| format!("there is no target {name}"))?;
        coverage.take();
        Ok(Self {
            place,
            share,
            limits,
            runner: Runner {
                executor: executor(),
                coverage,
            },
            summary: Summary::default(),
            times: Vec::new(),
        })
    }

    /// The inputs, from short to long, that add a feature.
    fn keep(&mut self) -> Result<Vec<Measured>> {
        let mut kept = Vec::new();
        for input in self.read()? {
            let Some(features) = self.runner.features(&input) else {
                self.summary.findings += 1;
                write(self.place.found, "crash-", &input)?;
                continue;
            };
            if count(&mut self.times, &features) {
                kept.push((input, features));
            }
        }
        Ok(kept)
    }

    /// The features of all inputs up to now.
    fn seen(&self) -> Vec<u32> {
        let numbered = (0..).zip(&self.times);
        let seen = numbered.filter(|(_, times)| **times > 0);
        seen.map(|(feature, _)| feature).collect()
    }

    /// Each program of the folders once, brought into the limits, from short to long.
    fn read(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut inputs = Vec::new();
        for folder in self.place.folders {
            let fail = |error| format!("{}: {error}", shown(folder));
            for entry in std::fs::read_dir(folder).map_err(fail)? {
                let entry = entry.map_err(fail)?;
                let name = entry.file_name();
                if !self.share.has(name.as_encoded_bytes())
                    || file::is_temporary(&name)
                    || entry.file_type().map_err(fail)?.is_dir()
                {
                    continue;
                }
                let path = entry.path();
                let (mut program, len) = load(&path)?;
                self.summary.files[0] += 1;
                self.summary.bytes[0] += len;
                // a text with more threads than this target has is a seed for another target; an
                // engine's input gets the number of threads that the target would give it
                if is_text(&path) && program.threads > *self.limits.thread_range().end() {
                    continue;
                }
                self.limits.apply(&mut program);
                inputs.push(wire::encode(&program));
            }
        }
        inputs.sort_unstable_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
        inputs.dedup();
        Ok(inputs)
    }

    fn write_kept(&mut self, input: &[u8]) -> Result<()> {
        self.summary.files[1] += 1;
        self.summary.bytes[1] += input.len();
        write(self.place.kept, "", input)
    }
}

fn load(path: &Path) -> Result<(Program, usize)> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", shown(path));
    let bytes = file::read(path, MAX_PROGRAM).map_err(|e| fail(&e))?;
    let program = if is_text(path) {
        let text = std::str::from_utf8(&bytes).map_err(|e| fail(&e))?;
        text::parse(text).map_err(|e| fail(&e))?
    } else {
        wire::decode_any_version(&bytes)
    };
    Ok((program, bytes.len()))
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "mm")
}

fn write(folder: &Path, prefix: &str, bytes: &[u8]) -> Result<()> {
    let file = folder.join(format!("{prefix}{:016x}", digest(bytes)));
    std::fs::write(&file, bytes).map_err(|e| format!("{}: {e}", shown(&file)))
}

fn digest(bytes: &[u8]) -> u64 {
    let mut digest = Digest::default();
    bytes.iter().for_each(|byte| digest.mix((*byte).into()));
    digest.value()
}

fn executor() -> Executor {
    Executor::new(Options::default())
}

struct Runner<'a> {
    executor: Executor,
    coverage: Coverage<'a>,
}

impl Runner<'_> {
    /// The features of an input; `None` if it causes a finding or a panic of the core.
    fn features(&mut self, input: &[u8]) -> Option<Vec<u32>> {
        let program = wire::decode(input);
        let states = &mut Feedback::new(&program, self.coverage.states);
        let run = || self.executor.run_observed(&program, states);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Verdict::Pass { .. }) => {
                self.executor.discard();
                Some(self.coverage.take())
            }
            Ok(Verdict::Finding(_)) | Err(_) => {
                self.executor = executor();
                self.coverage.take();
                None
            }
        }
    }
}

/// Counts features by their number. Returns true if a feature is new.
fn count(times: &mut Vec<u32>, features: &[u32]) -> bool {
    let greatest = features.last().map_or(0, |greatest| *greatest as usize);
    if times.len() <= greatest {
        times.resize(greatest + 1, 0);
    }
    let mut adds = false;
    for feature in features {
        let times = &mut times[*feature as usize];
        adds |= *times == 0;
        *times += 1;
    }
    adds
}

fn distinct(inputs: &[Measured]) -> usize {
    let mut times = Vec::new();
    for (_, features) in inputs {
        count(&mut times, features);
    }
    times.iter().filter(|times| **times > 0).count()
}

/// Goes through the inputs from long to short, and drops each one whose features the remaining ones
/// have. Returns the indices of the inputs that are left.
fn needed(inputs: &[Measured]) -> Vec<usize> {
    let mut times = Vec::new();
    for (_, features) in inputs {
        count(&mut times, features);
    }
    let mut left = Vec::new();
    for (index, (_, features)) in inputs.iter().enumerate().rev() {
        if features.iter().all(|feature| times[*feature as usize] > 1) {
            for feature in features {
                times[*feature as usize] -= 1;
            }
        } else {
            left.push(index);
        }
    }
    left.reverse();
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::no_counters;
    use crate::program::generate::random_program;
    use std::collections::BTreeSet;

    fn folder(dir: &Path, name: &str) -> PathBuf {
        let folder = dir.join(name);
        std::fs::create_dir(&folder).expect("a folder");
        folder
    }

    /// Runs with the counters of state feedback alone: nothing is instrumented here.
    fn with<T>(work: impl FnOnce(Coverage<'_>) -> T) -> T {
        let states = no_counters();
        work(Coverage {
            edges: &[],
            states: &states,
        })
    }

    fn place<'a>(folders: &'a [PathBuf], kept: &'a Path, found: &'a Path) -> DistilPaths<'a> {
        DistilPaths {
            target: "ops",
            folders,
            kept,
            found,
        }
    }

    fn random_inputs(folder: &Path, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        for number in 0..200 {
            let program = random_program(Limits::OPS.with_max_ops(24), &mut rng);
            let file = folder.join(number.to_string());
            std::fs::write(file, wire::encode(&program)).expect("an input");
        }
    }

    fn names(folder: &Path) -> BTreeSet<std::ffi::OsString> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|e| e.expect("an entry").file_name()).collect()
    }

    #[test]
    fn what_is_needed_has_all_features_and_nothing_of_it_can_go() {
        let mut rng = fastrand::Rng::with_seed(31);
        for _ in 0..500 {
            let mut features = || BTreeSet::from_iter((0..rng.usize(0..6)).map(|_| rng.u32(0..20)));
            let inputs: Vec<Measured> = (0..20)
                .map(|_| (Vec::new(), features().into_iter().collect()))
                .collect();
            let union = |of: &[usize]| -> BTreeSet<u32> {
                of.iter()
                    .flat_map(|index| &inputs[*index].1)
                    .copied()
                    .collect()
            };
            let left = needed(&inputs);
            let all = union(&(0..inputs.len()).collect::<Vec<_>>());
            assert_eq!(union(&left), all);
            for gone in &left {
                let rest: Vec<usize> = left.iter().copied().filter(|k| k != gone).collect();
                assert_ne!(union(&rest), all);
            }
        }
    }

    #[test]
    fn of_two_that_are_alike_the_first_is_left() {
        let left = |sets: &[&[u32]]| {
            let inputs: Vec<Measured> = sets.iter().map(|set| (vec![], set.to_vec())).collect();
            needed(&inputs)
        };
        assert_eq!(left(&[&[1], &[1], &[2], &[2]]), [0, 2]);
        assert_eq!(left(&[&[1], &[2], &[1, 2]]), [0, 1]);
    }

    #[test]
    fn what_is_left_has_all_states_and_stays_when_it_is_distilled_again() -> Result<()> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let [from, first, second, found] =
            ["from", "first", "second", "found"].map(|name| folder(dir.path(), name));
        random_inputs(&from, 32);
        let again = |from: &Path, to: &Path| {
            with(|coverage| distil(place(&[from.to_owned()], to, &found), coverage))
        };
        let summary = again(&from, &first)?;
        assert!(summary.files[1] > 0 && summary.files[1] < 200);
        assert!(summary.features[0] > 50);
        assert_eq!(summary.features[0], summary.features[1]);
        let next = again(&first, &second)?;
        assert_eq!(next.files, [summary.files[1]; 2]);
        assert_eq!(next.bytes, [summary.bytes[1]; 2]);
        assert_eq!(next.findings, 0);
        Ok(())
    }

    #[test]
    fn by_shares_the_same_is_left() -> Result<()> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let [from, at_once, by_shares, found] =
            ["from", "at once", "by shares", "found"].map(|name| folder(dir.path(), name));
        random_inputs(&from, 33);
        let from = [from];
        let whole = with(|coverage| distil(place(&from, &at_once, &found), coverage))?;
        let mut files = 0;
        let mut seen = BTreeSet::new();
        let mut sieved = Vec::new();
        for number in 0..3 {
            let kept = folder(dir.path(), &number.to_string());
            let share = Share { number, of: 3 };
            let (summary, features) =
                with(|coverage| sieve(place(&from, &kept, &found), share, coverage))?;
            seen.extend(features);
            assert!((20..150).contains(&summary.files[0]), "{summary}");
            files += summary.files[0];
            sieved.push(kept);
        }
        assert_eq!(files, 200);
        let summary = with(|coverage| distil(place(&sieved, &by_shares, &found), coverage))?;
        assert_eq!(names(&by_shares), names(&at_once));
        assert_eq!(summary.features, whole.features);
        assert_eq!(seen.len(), whole.features[0]);
        assert_eq!(summary.files[1], whole.files[1]);
        Ok(())
    }

    #[test]
    fn a_summary_is_read_as_it_is_written() {
        let summary = Summary {
            files: [1, 2],
            bytes: [3, 4],
            features: [5, 6],
            findings: 7,
        };
        assert_eq!(summary.to_string().parse(), Ok(summary));
        assert!("files=1->2".parse::<Summary>().is_err());
    }

    #[cfg(feature = "zoo")]
    #[test]
    fn an_input_with_a_finding_has_no_features_and_the_next_one_has() {
        let slug = "devpriv-mapping-reuse";
        let bug = crate::zoo::find(slug).expect("a bug").bug;
        let witness = crate::digest_lock::corpus_dir().join(format!("zoo/{slug}.mm"));
        let (program, _) = load(&witness).expect("a witness");
        let input = wire::encode(&program);
        with(|coverage| {
            let mut runner = Runner {
                executor: executor(),
                coverage,
            };
            runner.executor.set_zoo(crate::zoo::only(bug));
            assert_eq!(runner.features(&input), None);
            // now on a machine without the bug
            assert!(runner.features(&input).is_some());
        });
    }

    #[test]
    fn a_text_that_is_no_program_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("bad.mm"), "fly p0").expect("a text");
        let folders = [dir.path().to_owned()];
        let result = with(|coverage| distil(place(&folders, dir.path(), dir.path()), coverage));
        assert!(result.is_err_and(|why| why.contains("bad.mm")));
    }

    #[test]
    #[cfg(unix)]
    fn a_pipe_stops_it_with_a_sentence_and_what_a_killed_writer_left_does_not() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join(".mm-triage-x.tmp"), "half a li").expect("a file");
        let folders = [dir.path().to_owned()];
        let distilled =
            || with(|coverage| distil(place(&folders, dir.path(), dir.path()), coverage));
        assert_eq!(distilled().map(|summary| summary.files[0]), Ok(0));
        let pipe = dir.path().join("pi\x1bpe");
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.expect("mkfifo runs").success());
        assert!(distilled().is_err_and(|why| why.ends_with(r"/pi\x1bpe: is a pipe")));
    }
}
