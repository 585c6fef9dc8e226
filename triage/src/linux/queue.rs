//! The judge's programs: files first, then random programs.

use super::args::LinuxArgs;
use super::plan;
use super::tally::Tally;
use crate::corpus;
use crate::input::{self, Target};
use crate::names::shown;
use crate::walk::WalkEntry;
use mm_fuzz::program::generate::{random_program, random_step};
use mm_fuzz::program::{Op, Program, Step, Thp};
use std::collections::VecDeque;
use std::path::PathBuf;

/// The files in `given`, and the programs in its folders.
///
/// # Errors
///
/// A folder cannot be read.
pub fn files_of(given: &[PathBuf]) -> Result<VecDeque<WalkEntry>, corpus::CorpusError> {
    let mut files = VecDeque::new();
    for path in given {
        if path.is_dir() {
            files.extend(corpus::programs(path)?.into_iter().map(WalkEntry::File));
        } else {
            files.push_back(WalkEntry::Named(path.clone()));
        }
    }
    Ok(files)
}

/// A program to judge.
#[derive(Clone)]
pub struct Case {
    /// Its place among all programs.
    pub index: u32,
    pub name: String,
    pub program: Program,
    /// With `--witnesses`, the bug that it is the witness of.
    pub witness_of: Option<String>,
    /// It was given as one that shows a known finding.
    pub is_known: bool,
}

/// Where programs come from.
pub trait CaseSource: Send {
    /// The next program; `None` if no more are left. Counts files that cannot be read.
    fn next(&mut self, tally: &mut Tally) -> Option<Case>;

    /// Ends the source: no more programs will be judged.
    fn end(&mut self);

    /// A program has run, on the model and on the kernel. If the program ended the kernel, this is
    /// called only for a known finding.
    fn ran(&mut self, _case: Case, _reached: Reached) {}
}

/// What a program has reached. A list is empty if the run does not follow it.
#[derive(Debug, Default)]
pub struct Reached {
    /// Features of the model's run: numbers of counters.
    pub features: Vec<u16>,
    /// Places in the kernel: those that its guest had not reached before.
    pub places: Vec<u32>,
    /// It has shown a known finding.
    pub is_known: bool,
}

/// Files, then random programs.
pub struct Queue<'a> {
    args: &'a LinuxArgs,
    files: VecDeque<WalkEntry>,
    random: u64,
    taken: u32,
}

impl<'a> Queue<'a> {
    /// A queue of the given files, followed by the random programs that the arguments ask for.
    pub fn new(args: &'a LinuxArgs, files: VecDeque<WalkEntry>) -> Self {
        Self {
            args,
            files,
            random: 0,
            taken: 0,
        }
    }

    fn program(&mut self, tally: &mut Tally) -> Option<(String, Program, Option<String>)> {
        while let Some(found) = self.files.pop_front() {
            let path = found.path();
            match input::load(path, None) {
                Ok(input) => {
                    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                    let witness_of = self.args.witnesses.then(|| stem.into_owned());
                    return Some((shown(path), input.program, witness_of));
                }
                Err(error) if error.is_empty() && matches!(found, WalkEntry::File(_)) => {
                    tally.empty += 1;
                }
                Err(error) => {
                    tally.unusable += 1;
                    crate::say(error);
                }
            }
        }
        if self.random == self.args.random {
            return None;
        }
        let seed = self.args.seed + self.random;
        self.random += 1;
        let program = self.random_program(seed);
        Some((format!("random program {seed}"), program, None))
    }

    fn random_program(&self, seed: u64) -> Program {
        let limits = self.args.target.unwrap_or(Target::Ops).limits();
        let rng = &mut fastrand::Rng::with_seed(seed);
        let mut program = random_program(limits, rng);
        let one = self.args.single_process;
        let forks = |op: &Op| matches!(op, Op::Fork { .. } | Op::Exit { .. });
        let fit = |step: &Step| !self.args.huge || plan::fits_huge_pages(&step.op).is_ok();
        let wanted = |step: &Step| !(one && forks(&step.op)) && fit(step);
        program.ops.retain(wanted);
        if self.args.huge {
            let thp = match seed % 4 {
                3 => Thp::Madvise,
                _ => Thp::Always,
            };
            plan::give_huge_pages(&mut program, thp);
        }
        if let Some(len) = self.args.ops {
            while program.ops.len() < len {
                let step = random_step(&program, program.ops.len(), rng);
                program.ops.extend(wanted(&step).then_some(step));
            }
            program.ops.truncate(len);
        }
        program
    }
}

impl CaseSource for Queue<'_> {
    fn end(&mut self) {
        self.files.clear();
        self.random = self.args.random;
    }

    fn next(&mut self, tally: &mut Tally) -> Option<Case> {
        let (name, program, witness_of) = self.program(tally)?;
        self.taken += 1;
        Some(Case {
            index: self.taken,
            name,
            program,
            witness_of,
            is_known: false,
        })
    }
}
