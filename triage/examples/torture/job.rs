//! The commands, how they may be disturbed, and how they may end.

use crate::process::Ended;
use fastrand::Rng;
use std::fmt;
use std::path::Path;

/// A command that writes.
#[derive(Clone, Copy, Debug)]
pub enum Job {
    /// An engine that runs on a target for `secs` seconds. Make or the engine's script starts it.
    Engine {
        afl: bool,
        by_make: bool,
        target: &'static str,
        processes: u8,
        secs: u8,
    },
    Cmin {
        target: &'static str,
    },
    /// A command of mm-triage, on the artifacts or witnesses of the tree.
    Triage(&'static str),
}

/// What happens to the first command of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    None,
    /// SIGINT to the whole process group, as from Ctrl-C, this many times.
    Interrupt(u8),
    /// SIGTERM or SIGHUP to the whole process group, once.
    Signal(&'static str),
    /// SIGKILL to the script alone; to mm-triage if it is the command.
    KillScript,
    /// SIGKILL to make alone, so that the script runs on. If make did not start the command, the
    /// signal goes to the command.
    KillMake,
    /// SIGKILL to the whole process group: make, the script, and the script's children that have no
    /// session of their own.
    KillGroup,
    /// The disk has only this many bytes free.
    FullDisk(u64),
}

impl Disturbance {
    pub fn random(rng: &mut Rng) -> Self {
        match rng.u8(0..10) {
            0 => Self::None,
            1 => Self::Interrupt(1),
            2 => Self::Interrupt(2),
            3 => Self::Interrupt(rng.u8(3..8)),
            4 => Self::Signal("TERM"),
            5 => Self::Signal("HUP"),
            6 | 7 => Self::KillScript,
            8 => Self::KillMake,
            _ => Self::KillGroup,
        }
    }

    /// The name under which the disturbance is counted.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::None => "undisturbed",
            Self::Interrupt(_) | Self::Signal(_) => "interrupted",
            Self::KillScript | Self::KillMake | Self::KillGroup => "killed",
            Self::FullDisk(_) => "full",
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("undisturbed"),
            Self::Interrupt(times) => write!(f, "interrupted {times} times"),
            Self::Signal(name) => write!(f, "SIG{name}"),
            Self::KillScript => f.write_str("script killed"),
            Self::KillMake => f.write_str("make killed"),
            Self::KillGroup => f.write_str("group killed"),
            Self::FullDisk(free) => write!(f, "{} KB free", free >> 10),
        }
    }
}

impl Job {
    pub fn random(tree: &Path, rng: &mut Rng) -> Self {
        let artifacts = std::fs::read_dir(tree.join("fuzz/artifacts/canary"));
        let something = artifacts.is_ok_and(|mut files| files.next().is_some());
        match rng.u8(0..10) {
            engine @ 0..=6 => {
                let afl = engine > 4;
                Self::Engine {
                    afl,
                    by_make: rng.bool(),
                    target: ["ops", "races", "canary", "canary"][rng.usize(0..4)],
                    processes: rng.u8(1..=2),
                    // afl-fuzz needs longer to start
                    secs: u8::from(afl) + rng.u8(1..=2),
                }
            }
            7 | 8 => Self::Cmin {
                target: ["ops", "races", ""][rng.usize(0..3)],
            },
            _ if something => {
                Self::Triage(["report", "cluster", "minimize", "convert", "seeds"][rng.usize(0..5)])
            }
            _ => Self::Triage("seeds"),
        }
    }

    /// The command as one would type it.
    pub fn name(&self) -> String {
        match self {
            Self::Engine {
                afl,
                by_make,
                target,
                processes,
                secs,
            } => {
                let what = match (by_make, afl) {
                    (true, false) => "make fuzz",
                    (true, true) => "make afl",
                    (false, false) => "fuzz/run",
                    (false, true) => "fuzz/afl/run",
                };
                format!("{what} TARGET={target} SECS={secs} JOBS={processes}")
            }
            Self::Cmin { target } => format!("make cmin TARGET={target}"),
            Self::Triage(command) => format!("mm-triage {command}"),
        }
    }

    /// The command line. Settings are make variables or environment variables.
    pub fn words(&self, tree: &Path) -> Vec<String> {
        let name = self.name();
        let words = name.split(' ').map(str::to_owned);
        match self {
            Self::Engine { by_make: false, .. } => {
                let mut words: Vec<_> = words.collect();
                words.rotate_left(1);
                std::iter::once("env".to_owned()).chain(words).collect()
            }
            Self::Triage(command) => {
                let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_default();
                let more: &[&str] = match *command {
                    "report" | "cluster" => &[
                        "fuzz/artifacts",
                        "--zoo",
                        "ttu-subpage-from-swap-pte",
                        "-o",
                        "out",
                    ],
                    "minimize" => &["--zoo", "ttu-subpage-from-swap-pte", "-o", "out"],
                    "convert" => &["--to", "wire", "-o", "out"],
                    _ => &["out/seeds"],
                };
                let mut words = vec![format!("{target}/release/mm-triage"), (*command).to_owned()];
                words.extend(more.iter().map(|word| (*word).to_owned()));
                if matches!(*command, "minimize" | "convert") {
                    let witnesses = crate::look::files(&tree.join("corpus/zoo"));
                    let witnesses = witnesses.iter().take(40);
                    words.extend(witnesses.map(|path| path.display().to_string()));
                }
                words
            }
            _ => words.collect(),
        }
    }

    /// The same command, long enough to detect an engine that outlives its script.
    pub const fn longer(self) -> Self {
        match self {
            Self::Engine {
                afl,
                by_make,
                target,
                processes,
                ..
            } => Self::Engine {
                afl,
                by_make,
                target,
                processes,
                secs: 10,
            },
            other => other,
        }
    }

    /// Whether the command deletes inputs whose features other inputs have.
    pub const fn distils(&self) -> bool {
        matches!(self, Self::Cmin { .. })
    }

    /// What is wrong with the exit status and the output of the command.
    pub fn faults(&self, tree: &Path, disturbance: Disturbance, ended: &Ended) -> Vec<String> {
        let mut faults = Vec::new();
        let Ended { status, said } = ended;
        let name = self.name();
        let may = match (self, disturbance) {
            (Self::Engine { target, .. }, Disturbance::None) => {
                // The canary always has a finding. A finding of ops or races would be a bug of the
                // model or of an oracle.
                *status == Some(i32::from(*target == "canary"))
            }
            (Self::Engine { .. }, Disturbance::Interrupt(_) | Disturbance::Signal(_)) => {
                // An interrupted script ends with status 0 or 1. An interrupted make ends with a
                // status of its own, which is not checked.
                !said.contains("\ninterrupted after ")
                    || name.starts_with("make")
                    || matches!(status, Some(0 | 1))
            }
            (
                Self::Cmin { .. } | Self::Triage("convert" | "seeds" | "minimize"),
                Disturbance::None,
            ) => {
                matches!(status, Some(0 | 2))
                    && (*status == Some(0) || matches!(self, Self::Triage("minimize")))
            }
            // If two commands write to one folder, the second is refused.
            (Self::Triage(_), Disturbance::None) => {
                matches!(status, Some(0 | 1))
                    || *status == Some(2) && said.contains("is writing there")
            }
            (_, Disturbance::FullDisk(_)) => matches!(status, Some(0..=2)),
            _ => true,
        };
        if !may {
            faults.push(format!("{name}: ended with {status:?}"));
        }
        // Every file that the command says it has written must exist.
        for artifact in said
            .lines()
            .filter_map(|line| line.strip_prefix("artifact: "))
        {
            if std::fs::metadata(tree.join(artifact)).is_err() {
                faults.push(format!("{name}: {artifact} is not there"));
            }
        }
        for program in said
            .lines()
            .filter_map(|line| line.strip_prefix("program:  fuzz/"))
        {
            let path = tree.join("fuzz").join(program);
            if !std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
                faults.push(format!("{name}: {program} is not there, or empty"));
            }
        }
        faults
    }
}
