//! Distils a corpus: of many inputs the few that have all their features. `make cmin` runs it in a target whose core is
//! instrumented as for libFuzzer (`src/bin/distil.rs`).
//!
//! A feature is what libFuzzer counts with `-use_counters=0`: an edge of the core that was taken, or a [state](crate::feedback). Each
//! input runs once, on a machine of its own, so that its features are no matter of what ran before. Then from short to long each
//! input is kept that adds a feature, and from long to short each is dropped whose features others have: nothing that is left
//! can go. docs/corpus.md has it beside libFuzzer's merge.

use crate::exec::{Digest, Executor, Options, Verdict};
use crate::feedback::{Counters, Feedback};
use crate::program::mutate::Limits;
use crate::program::{Program, text, wire};
use crate::target;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

type Result<T> = std::result::Result<T, String>;

/// What a run leaves: a counter that is not zero is a feature.
#[derive(Clone, Copy, Debug)]
pub struct Coverage<'a> {
    /// The edges of the core.
    pub edges: &'a [AtomicU8],
    /// State feedback.
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

/// What distilling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files read and left.
    pub files: [usize; 2],
    /// Their bytes.
    pub bytes: [usize; 2],
    /// Features of all inputs, and of what is left, counted anew.
    pub features: [usize; 2],
    /// Inputs with a finding.
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

/// Distils the files in `folders`, as `target` runs them and in the current wire form, into the folder `out`; each is
/// named by its content. Files called `.mm` are text, all others wire of any version. An input with a finding goes into `found`, in that form too.
///
/// # Errors
///
/// There is no such target, a file cannot be read or written, or a text is no program; a sentence.
pub fn distil(
    target: &str,
    out: &Path,
    found: &Path,
    folders: &[String],
    coverage: Coverage<'_>,
) -> Result<Summary> {
    let limits = target::limits(target).ok_or_else(|| format!("there is no target {target}"))?;
    let mut summary = Summary::default();
    let inputs = read(folders, limits, &mut summary)?;
    let mut runner = Runner {
        executor: executor(),
        coverage,
    };
    let mut features = Vec::with_capacity(inputs.len());
    coverage.take();
    for input in &inputs {
        features.push(match runner.features(input) {
            Some(features) => features,
            None => {
                summary.findings += 1;
                write(found, "crash-", input)?;
                Vec::new()
            }
        });
    }
    summary.features[0] = distinct(&features);
    let mut left = Vec::new();
    for index in cover(&features) {
        let input = &inputs[index];
        summary.files[1] += 1;
        summary.bytes[1] += input.len();
        write(out, "", input)?;
        left.extend(runner.features(input));
    }
    summary.features[1] = distinct(&left);
    Ok(summary)
}

/// Each program of the folders once, within the limits, from short to long.
fn read(folders: &[String], limits: Limits, summary: &mut Summary) -> Result<Vec<Vec<u8>>> {
    let mut inputs = Vec::new();
    for folder in folders {
        let fail = |error| format!("{folder}: {error}");
        for entry in std::fs::read_dir(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_type().map_err(fail)?.is_dir() {
                continue;
            }
            let path = entry.path();
            let (mut program, len) = load(&path)?;
            summary.files[0] += 1;
            summary.bytes[0] += len;
            // a text of more threads is a seed for another target; what an engine found is folded as the target does
            if is_text(&path) && program.threads > *limits.thread_range().end() {
                continue;
            }
            limits.apply(&mut program);
            inputs.push(wire::encode(&program));
        }
    }
    inputs.sort_unstable_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    inputs.dedup();
    Ok(inputs)
}

fn load(path: &Path) -> Result<(Program, usize)> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|e| fail(&e))?;
    let mut bytes = Vec::with_capacity(1024);
    // not of `File` itself, which asks for its size first: a third of the time for thousands of small files
    let read = file.take(u64::MAX).read_to_end(&mut bytes);
    read.map_err(|e| fail(&e))?;
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
    let mut digest = Digest::default();
    bytes.iter().for_each(|byte| digest.mix((*byte).into()));
    let file = folder.join(format!("{prefix}{:016x}", digest.value()));
    std::fs::write(&file, bytes).map_err(|e| format!("{}: {e}", file.display()))
}

fn executor() -> Executor {
    Executor::new(Options::default())
}

struct Runner<'a> {
    executor: Executor,
    coverage: Coverage<'a>,
}

impl Runner<'_> {
    /// The features of an input; `None` if it is a finding, or a panic of the core.
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

/// A zero for each feature that there is.
fn zeros(sets: &[Vec<u32>]) -> Vec<u32> {
    let greatest = sets.iter().flatten().max();
    vec![0; greatest.map_or(0, |greatest| *greatest as usize + 1)]
}

fn distinct(sets: &[Vec<u32>]) -> usize {
    let mut times = zeros(sets);
    for element in sets.iter().flatten() {
        times[*element as usize] = 1;
    }
    times.iter().sum::<u32>() as usize
}

/// Which of these sets to keep so that no element is lost and none of them can go; the first ones rather than the last.
fn cover(sets: &[Vec<u32>]) -> Vec<usize> {
    let mut times = zeros(sets);
    let mut kept = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        if set.iter().any(|element| times[*element as usize] == 0) {
            kept.push(index);
            for element in set {
                times[*element as usize] += 1;
            }
        }
    }
    let mut left = Vec::new();
    for index in kept.into_iter().rev() {
        let set = &sets[index];
        if set.iter().all(|element| times[*element as usize] > 1) {
            for element in set {
                times[*element as usize] -= 1;
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

    #[test]
    fn a_cover_has_all_and_nothing_of_it_can_go() {
        let mut rng = fastrand::Rng::with_seed(31);
        for _ in 0..500 {
            let mut set = || -> Vec<u32> { (0..rng.usize(0..6)).map(|_| rng.u32(0..20)).collect() };
            let sets: Vec<Vec<u32>> = (0..20)
                .map(|_| {
                    let mut set = set();
                    set.sort_unstable();
                    set.dedup();
                    set
                })
                .collect();
            let union = |of: &[usize]| -> BTreeSet<u32> {
                of.iter().flat_map(|index| &sets[*index]).copied().collect()
            };
            let kept = cover(&sets);
            let all = union(&(0..sets.len()).collect::<Vec<_>>());
            assert_eq!(union(&kept), all);
            for gone in &kept {
                let rest: Vec<usize> = kept.iter().copied().filter(|k| k != gone).collect();
                assert_ne!(union(&rest), all);
            }
        }
    }

    #[test]
    fn of_two_that_are_alike_the_first_is_kept() {
        assert_eq!(cover(&[vec![1], vec![1], vec![1, 2], vec![2]]), [2]);
        assert_eq!(cover(&[vec![1], vec![2], vec![1, 2]]), [0, 1]);
    }

    #[test]
    fn what_is_left_has_all_states_and_stays_when_it_is_distilled_again() -> Result<()> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let folder = |name: &str| {
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).expect("a folder");
            folder
        };
        let (from, first, second, found) =
            (folder("in"), folder("1"), folder("2"), folder("found"));
        let mut rng = fastrand::Rng::with_seed(32);
        for number in 0..200 {
            let program = random_program(Limits::OPS.with_max_ops(24), &mut rng);
            let file = from.join(number.to_string());
            std::fs::write(file, wire::encode(&program)).expect("an input");
        }
        let states = no_counters();
        let coverage = Coverage {
            edges: &[],
            states: &states,
        };
        let again = |from: &Path, to: &Path| {
            let from = from.display().to_string();
            distil("ops", to, &found, &[from], coverage)
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

    #[cfg(feature = "zoo")]
    #[test]
    fn an_input_with_a_finding_has_no_features_and_the_next_one_has() {
        let slug = "devpriv-mapping-reuse";
        let bug = crate::zoo::find(slug).expect("a bug").bug;
        let witness = crate::lock::corpus_dir().join(format!("zoo/{slug}.mm"));
        let (program, _) = load(&witness).expect("a witness");
        let input = wire::encode(&program);
        let states = no_counters();
        let coverage = Coverage {
            edges: &[],
            states: &states,
        };
        let mut runner = Runner {
            executor: executor(),
            coverage,
        };
        runner.executor.set_zoo(crate::zoo::only(bug));
        assert_eq!(runner.features(&input), None);
        // by a machine without the bug
        assert!(runner.features(&input).is_some());
    }

    #[test]
    fn a_text_that_is_no_program_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("bad.mm"), "fly p0").expect("a text");
        let states = no_counters();
        let coverage = Coverage {
            edges: &[],
            states: &states,
        };
        let folders = [dir.path().display().to_string()];
        let error = distil("ops", dir.path(), dir.path(), &folders, coverage);
        assert!(error.is_err_and(|why| why.contains("bad.mm")));
    }
}
