//! Torture: disturbs the commands that write, at random, and checks whether anything is lost. `make
//! torture` calls it in a copy of the repository on a file system of its own.
//!
//! `torture TREE SECS ROUNDS SEED [ROUND]` runs rounds until the time or the number is used up, or
//! until something is lost. With ROUND, only that round runs. A round runs one command, or two side
//! by side. It interrupts or kills the first command, fills the disk, or does nothing. Then it
//! saves what is still in the folders of killed runs, as the next command would. [`look`] checks
//! that every input, feature and finding is still there, and that every file is whole. [`process`]
//! checks that nothing still runs, and [`job`] that the exit status was right. The commands and the
//! disturbance of a round follow from SEED and the number of the round; the moment does not.
//!
//! The last line is `torture: rounds=… interrupted=… killed=… full=… losses=… seed=…`. Exit status:
//! 0 nothing was lost, 1 something was lost, 2 wrong arguments.

mod job;
mod look;
mod process;

use fastrand::Rng;
use job::{Disturbance, Job};
use look::Look;
use process::Running;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One round in this many fills the disk, if it may be filled.
const FULL_EVERY: u64 = 8;

struct Torture {
    tree: PathBuf,
    /// The file system is ours alone, and may be filled.
    may_fill: bool,
    /// How long each command takes when it is not disturbed.
    usual: BTreeMap<String, Duration>,
    counts: BTreeMap<&'static str, u64>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = args.iter().skip(1).map(|word| word.parse().ok()).collect();
    let (Some(tree), Some([secs, rounds, seed, only @ ..])) = (args.first(), numbers.as_deref())
    else {
        eprintln!("torture: give TREE SECS ROUNDS SEED [ROUND]; make torture does");
        std::process::exit(2);
    };
    let mut torture = Torture {
        tree: PathBuf::from(tree),
        may_fill: std::env::var_os("TORTURE_MAY_FILL").is_some(),
        usual: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    println!("torture: seed {seed}");
    let (began, mut losses, mut done) = (Instant::now(), 0, 0);
    let first = only.first().copied().unwrap_or(0);
    let last = only.first().map_or(*rounds, |round| round + 1);
    for round in first..last {
        if began.elapsed() > Duration::from_secs(*secs) {
            break;
        }
        done += 1;
        let faults = torture.round(round, &mut Rng::with_seed(seed.wrapping_add(round)));
        for fault in &faults {
            println!("  LOSS {fault}");
        }
        losses += u64::from(!faults.is_empty());
        if losses > 0 {
            println!("torture: the tree is left as it is in {tree}");
            break;
        }
    }
    if losses == 0 {
        losses += torture.at_the_end();
    }
    let count = |what| torture.counts.get(what).copied().unwrap_or_default();
    println!(
        "torture: rounds={done} interrupted={} killed={} full={} losses={losses} seed={seed}",
        count("interrupted"),
        count("killed"),
        count("full"),
    );
    std::process::exit(i32::from(losses > 0));
}

impl Torture {
    /// Runs one round. Returns a line for each thing that is wrong.
    fn round(&mut self, number: u64, rng: &mut Rng) -> Vec<String> {
        let full = self.may_fill && number % FULL_EVERY == FULL_EVERY - 1;
        let mut jobs = vec![Job::random(&self.tree, rng)];
        if rng.u8(0..3) == 0 {
            jobs.push(Job::random(&self.tree, rng));
        }
        let disturbance = if full {
            Disturbance::FullDisk(rng.u64(0..1500) << 10)
        } else {
            Disturbance::random(rng)
        };
        if matches!(
            disturbance,
            Disturbance::KillScript | Disturbance::KillGroup
        ) {
            jobs[0] = jobs[0].longer();
        }
        *self.counts.entry(disturbance.kind()).or_default() += 1;
        let before = Look::at(&self.tree);
        let ballast = self.tree.join("ballast");
        if let Disturbance::FullDisk(free) = disturbance {
            process::fill(&ballast, free);
        }
        let began = Instant::now();
        let mut running: Vec<Running> = jobs
            .iter()
            .map(|job| Running::start(&self.tree, job))
            .collect();
        let usual = self
            .usual
            .get(&jobs[0].name())
            .copied()
            .unwrap_or(Duration::from_secs(3));
        let after = usual.mul_f64(rng.f64() * 1.1);
        let moments = running[0].disturb(disturbance, after);
        let ended: Vec<_> = running.iter_mut().map(Running::wait).collect();
        let took = began.elapsed();
        let mut faults = Vec::new();
        faults.extend(process::orphans(&self.tree));
        // Free the disk only now that no command runs.
        let _ = std::fs::remove_file(&ballast);
        if matches!(disturbance, Disturbance::None) && jobs.len() == 1 {
            self.usual.insert(jobs[0].name(), took);
        }
        for ((job, ended), index) in jobs.iter().zip(&ended).zip(0..) {
            let disturbance = match disturbance {
                Disturbance::FullDisk(_) => disturbance,
                _ if index > 0 => Disturbance::None,
                _ => disturbance,
            };
            faults.extend(job.faults(&self.tree, disturbance, ended));
        }
        let names: Vec<String> = jobs.iter().map(Job::name).collect();
        println!(
            "round {number}: {}: {disturbance}{moments}",
            names.join(" & ")
        );
        let killed = Look::at(&self.tree);
        faults.extend(process::adopt(&self.tree));
        let after = Look::at(&self.tree);
        let distilled = jobs.iter().any(Job::distils);
        faults.extend(after.misses(&before, distilled));
        faults.extend(after.misses(&killed, distilled));
        if distilled {
            faults.extend(after.features_lost(&self.tree, &[&before, &killed]));
        }
        faults.extend(look::not_whole(&self.tree));
        if !faults.is_empty() {
            for ended in ended {
                println!("{}", ended.said);
            }
        }
        faults
    }

    /// Runs libFuzzer on each target once more, which removes files that were never finished.
    /// Returns the number of such files that are left.
    fn at_the_end(&self) -> u64 {
        let mut losses = 0;
        for target in ["ops", "races", "canary"] {
            process::short_run(&self.tree, target);
        }
        for folder in ["fuzz/corpus", "fuzz/artifacts", "corpus/distilled"] {
            for path in look::files(&self.tree.join(folder)) {
                if is_temporary(&path) {
                    println!("  LOSS {} was never cleared up", path.display());
                    losses += 1;
                }
            }
        }
        losses
    }
}

/// Whether the name says that the file was never finished.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(".mm-triage-") && name.ends_with(".tmp")
}
