//! `mm-fast`: a fuzzing engine made for programs. `make fuzz ENGINE=fast` runs it.
//!
//! ```text
//! mm-fast TARGET --work DIR [--worker N] [--seed N] [--seconds N] [--execs N] [--max-len BYTES]
//!         [--go-on]
//! mm-fast TARGET --run FILE
//! mm-fast TARGET --rescue JOURNAL --work DIR
//! ```
//!
//! The first form is a worker. Its folder is described in `folder.rs`; several workers share one,
//! each with a number of its own. The second form runs one input as libFuzzer's target would, with
//! a panic for a finding. The third form saves the input that a worker ran when it died.
//!
//! A worker ends at its first new finding; with `--go-on`, it saves an input for each signature and
//! goes on. SIGUSR1 and SIGINT end it between two inputs. `MMFUZZ_ZOO` names historical bugs to put
//! back, and `MMFUZZ_ORACLE` the only invariant whose findings count. Status: 0; 77 for a finding
//! without `--go-on`; 70 if an input hangs; 71 if one needs too much memory; 2 with a sentence if
//! something could not be done.

use mm_fuzz::program::Program;
use mm_fuzz::program::wire::{self, MAX_INPUT_BYTES};
use mm_fuzz::target;
use mm_fuzz_fast::engine::Engine;
use mm_fuzz_fast::folder::Folder;
use mm_fuzz_fast::raw::{self, Journal};
use mm_fuzz_fast::runner::{self, InProcessRunner, RunnerOptions};
use mm_fuzz_fast::watch;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, String>;

/// The status of a worker that ends with a finding, as libFuzzer's.
const STATUS_FINDING: u8 = 77;
/// Number of executions between two looks at the clock.
const BATCH: u64 = 64;
/// How often a worker writes what it keeps, and reads what others have kept.
const SYNC: Duration = Duration::from_secs(1);
/// The limit of the address space, in bytes, in case memory grows faster than the watch looks.
const MAX_ADDRESS_SPACE: u64 = 4 << 30;

/// The options of the command line.
#[derive(Debug)]
struct Args {
    target: String,
    work: Option<PathBuf>,
    run: Option<PathBuf>,
    rescue: Option<PathBuf>,
    worker: u64,
    seed: u64,
    seconds: Option<u64>,
    execs: Option<u64>,
    max_len: usize,
    goes_on: bool,
}

impl Args {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut parsed = Self {
            target: args.next().ok_or("give a target: ops, races or canary")?,
            work: None,
            run: None,
            rescue: None,
            worker: 0,
            seed: 0,
            seconds: None,
            execs: None,
            max_len: MAX_INPUT_BYTES,
            goes_on: false,
        };
        while let Some(option) = args.next() {
            if option == "--go-on" {
                parsed.goes_on = true;
                continue;
            }
            let value = args
                .next()
                .ok_or_else(|| format!("{option} needs a value"))?;
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| format!("{option} {value}: give a whole number"))
            };
            match &*option {
                "--work" => parsed.work = Some(value.into()),
                "--run" => parsed.run = Some(value.into()),
                "--rescue" => parsed.rescue = Some(value.into()),
                "--worker" => parsed.worker = number()?,
                "--seed" => parsed.seed = number()?,
                "--seconds" => parsed.seconds = Some(number()?),
                "--execs" => parsed.execs = Some(number()?),
                "--max-len" => parsed.max_len = usize::try_from(number()?).unwrap_or(usize::MAX),
                _ => return Err(format!("there is no option {option}")),
            }
        }
        parsed.max_len = parsed.max_len.clamp(wire::HEADER_BYTES, wire::MAX_BYTES);
        Ok(parsed)
    }

    fn work(&self) -> Result<&Path> {
        self.work
            .as_deref()
            .ok_or_else(|| "give --work DIR, the folder of the run".to_owned())
    }
}

fn main() -> ExitCode {
    let run = || {
        let args = Args::parse(std::env::args().skip(1))?;
        match (&args.run, &args.rescue) {
            (Some(file), _) => run_one(&args.target, file),
            (None, Some(journal)) => rescue(&args, journal),
            (None, None) => Worker::new(&args)?.work(),
        }
    };
    run().unwrap_or_else(|why| {
        eprintln!("mm-fast: {why}");
        ExitCode::from(2)
    })
}

/// Runs one input as libFuzzer's target would.
fn run_one(name: &str, file: &Path) -> Result<ExitCode> {
    let input = mm_fuzz::file::read(file, mm_fuzz::file::MAX_PROGRAM)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    target::init(None);
    match name {
        "ops" => target::run_ops(&input),
        "races" => target::run_races(&input),
        "canary" => target::run_canary(&input),
        _ => {
            return Err(format!(
                "there is no target '{name}': give ops, races or canary"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Saves the input that a worker ran when it died.
fn rescue(args: &Args, journal: &Path) -> Result<ExitCode> {
    let input =
        Journal::read(journal).map_err(|error| format!("{}: {error}", journal.display()))?;
    if let Some(input) = input {
        Folder::open(args.work()?, args.worker)?.found("crash", &input)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A worker and its files.
struct Worker<'a> {
    args: &'a Args,
    engine: Engine,
    folder: Folder,
    began: Instant,
    synced: Instant,
    is_asked_to_stop: Arc<AtomicBool>,
}

impl<'a> Worker<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let is_asked_to_stop = Arc::new(AtomicBool::new(false));
        for signal in [libc::SIGUSR1, libc::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&is_asked_to_stop))
                .map_err(|error| format!("signal {signal}: {error}"))?;
        }
        let dir = args.work()?;
        let folder = Folder::open(dir, args.worker)?;
        let path = dir.join(format!("journal.{}", args.worker));
        let journal =
            Journal::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let zoo = std::env::var("MMFUZZ_ZOO").unwrap_or_default();
        let mut options = RunnerOptions::of(&args.target, zoo)?;
        options.wanted = std::env::var("MMFUZZ_ORACLE").ok();
        let runner = InProcessRunner::new(options, Box::new(journal))?;
        let seed = match args.seed {
            0 => RandomState::new().hash_one(0) >> 32,
            seed => seed,
        };
        println!(
            "mm-fast: target={} seed={seed} edges={}",
            args.target,
            runner.edges()
        );
        raw::limit_memory(MAX_ADDRESS_SPACE);
        watch::start(dir, args.worker, path)?;
        runner::silence_panics();
        let now = Instant::now();
        Ok(Self {
            args,
            engine: Engine::new(runner, seed, args.max_len),
            folder,
            began: now,
            synced: now,
            is_asked_to_stop,
        })
    }

    /// Works until something ends it.
    fn work(mut self) -> Result<ExitCode> {
        let seeds = self.folder.seeds()?;
        let has_finding = self.import(seeds)? || self.sync()? || self.fuzz()?;
        self.folder.save(self.engine.corpus())?;
        self.report("DONE");
        println!("stat::number_of_executed_units: {}", self.engine.execs());
        println!("stat::number_of_signatures: {}", self.engine.signatures());
        Ok(ExitCode::from(if has_finding { STATUS_FINDING } else { 0 }))
    }

    /// Runs mutants until the worker should end. Returns true if a finding ends the worker.
    fn fuzz(&mut self) -> Result<bool> {
        while !self.is_over() {
            watch::RUNS.store(self.engine.execs(), Ordering::Relaxed);
            let found = self.engine.step();
            if self.take(found)? {
                return Ok(true);
            }
            if self.engine.execs().is_multiple_of(BATCH)
                && self.synced.elapsed() >= SYNC
                && self.sync()?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_over(&self) -> bool {
        let execs = self.engine.execs();
        self.is_asked_to_stop.load(Ordering::Relaxed)
            || self.args.execs.is_some_and(|most| execs >= most)
            || execs.is_multiple_of(BATCH)
                && self
                    .args
                    .seconds
                    .is_some_and(|most| self.began.elapsed().as_secs() >= most)
    }

    /// Runs programs of others. Returns true if a finding ends the worker.
    fn import(&mut self, programs: Vec<Program>) -> Result<bool> {
        for program in programs {
            if self.is_over() {
                break;
            }
            watch::RUNS.store(self.engine.execs(), Ordering::Relaxed);
            let found = self.engine.import(program);
            if self.take(found)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes what was kept, and reads what others have kept.
    fn sync(&mut self) -> Result<bool> {
        self.folder.save(self.engine.corpus())?;
        let news = self.folder.news()?;
        let has_finding = self.import(news)?;
        self.report("SYNC");
        self.synced = Instant::now();
        Ok(has_finding)
    }

    /// Saves a finding, if there is one. Returns true if it ends the worker.
    fn take(&mut self, found: Option<String>) -> Result<bool> {
        let Some(signature) = found else {
            return Ok(false);
        };
        let input = wire::encode(self.engine.last());
        println!("finding: {signature}");
        if self.args.goes_on {
            self.folder.found_once(&input, &signature)?;
            return Ok(false);
        }
        self.folder.found("crash", &input)?;
        Ok(true)
    }

    /// Prints a line as libFuzzer does; `fuzz/run` reads it.
    fn report(&mut self, what: &str) {
        let execs = self.engine.execs();
        let (edges, states) = self.engine.features();
        let (mut count, mut bytes) = (0, 0);
        for program in self.engine.corpus().programs() {
            count += 1;
            bytes += wire::encode(program).len();
        }
        let rate = execs as f64 / self.began.elapsed().as_secs_f64();
        println!(
            "#{execs} {what} cov: {edges} ft: {} corp: {count}/{bytes}b exec/s: {rate:.0}",
            edges + states
        );
    }
}
