//! Runs programs in this process, and says which features a run had.

use crate::raw::{self, Journal};
use mm_fuzz::State;
use mm_fuzz::exec::{Executor, Observer, Options, Outcome, Verdict};
use mm_fuzz::feedback::{COUNTERS, Counters, Feedback, no_counters};
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::{Program, Step, wire};
use mm_fuzz::target::{self, Canary};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The counters of the states. They are aligned, so [`take`] reads all of them in words of eight.
#[derive(Debug)]
#[repr(align(64))]
struct States(Counters);

/// Where the last panic happened, as a panic hook has noted it.
static PANICKED_AT: Mutex<String> = Mutex::new(String::new());

/// Makes panics silent; a panic of the core is a finding. Only the place is noted.
pub fn silence_panics() {
    std::panic::set_hook(Box::new(|info| {
        if let (Ok(mut at), Some(place)) = (PANICKED_AT.lock(), info.location()) {
            *at = place.to_string();
        }
    }));
}

/// Learns of each input that runs, in wire form.
pub trait Notes {
    /// An input is about to run.
    fn begins(&mut self, input: &[u8]);
    /// The run has ended.
    fn ended(&mut self);
}

impl Notes for Journal {
    fn begins(&mut self, input: &[u8]) {
        self.begin(input);
    }

    fn ended(&mut self) {
        self.end();
    }
}

/// No notes.
impl Notes for () {
    fn begins(&mut self, _input: &[u8]) {}
    fn ended(&mut self) {}
}

/// Feedback and the planted finding.
struct Planted<'a>(Feedback<'a>);

impl Observer for Planted<'_> {
    fn ran(&mut self, step: usize, s: &State) {
        self.0.ran(step, s);
    }

    fn preempted(&mut self, point: u32, from: u8, to: u8, s: &State) {
        self.0.preempted(point, from, to, s);
    }

    fn operation(&mut self, step: usize, op: &Step, outcome: Outcome, s: &State) {
        self.0.operation(step, op, outcome, s);
        Canary.operation(step, op, outcome, s);
    }
}

/// What runs the programs of a target.
pub struct InProcessRunner {
    executor: Executor,
    /// Runs a program without checks, to see what it does.
    watch: Executor,
    options: RunnerOptions,
    states: Box<States>,
    edges: &'static [AtomicU8],
    notes: Box<dyn Notes>,
    input: Vec<u8>,
}

/// What an [`InProcessRunner`] runs.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// What programs may have.
    pub limits: Limits,
    /// With the planted finding of the target `canary`.
    pub is_canary: bool,
    /// The historical bugs to put back, separated by commas.
    pub zoo: String,
    /// The only invariant, `family/invariant`, whose findings count; without it, all count.
    pub wanted: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// Without a finding.
    Passed,
    /// With a finding of this signature.
    Found(String),
    /// With a finding that does not count.
    Ignored,
}

impl RunnerOptions {
    /// The options of the target with this name.
    ///
    /// # Errors
    /// A sentence: there is no such target.
    pub fn of(target: &str, zoo: String) -> Result<Self, String> {
        let limits = target::limits(target)
            .ok_or_else(|| format!("there is no target '{target}': give ops, races or canary"))?;
        let is_canary = target == "canary";
        Ok(Self {
            limits,
            is_canary,
            zoo,
            wanted: None,
        })
    }

    fn executor(&self, unchecked: bool) -> Result<Executor, String> {
        let mut executor = Executor::new(Options {
            unchecked,
            ..Options::default()
        });
        target::put_back(&mut executor, &self.zoo).map_err(|why| format!("MMFUZZ_ZOO: {why}"))?;
        Ok(executor)
    }
}

impl InProcessRunner {
    /// A runner that tells `notes` of each input.
    ///
    /// # Errors
    /// A sentence: there is no such bug.
    pub fn new(options: RunnerOptions, notes: Box<dyn Notes>) -> Result<Self, String> {
        let mut runner = Self {
            executor: options.executor(false)?,
            watch: options.executor(true)?,
            options,
            states: Box::new(States(no_counters())),
            edges: raw::edges(),
            notes,
            input: Vec::new(),
        };
        // making the executors has run code of the core: those edges belong to no program
        runner.take_features(&mut Vec::new());
        Ok(runner)
    }

    /// What programs may have.
    pub fn limits(&self) -> Limits {
        self.options.limits
    }

    /// Number of edges: features below this number are edges, the others are states.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.edges.len() + COUNTERS
    }

    /// An executor that runs programs without checks.
    pub fn watch(&mut self) -> &mut Executor {
        &mut self.watch
    }

    /// Runs a program. A panic is a finding.
    pub fn run(&mut self, program: &Program) -> ExitKind {
        wire::encode_into(program, &mut self.input);
        self.notes.begins(&self.input);
        let executor = &mut self.executor;
        let (states, is_canary) = (&self.states.0, self.options.is_canary);
        let run = || {
            let mut feedback = Feedback::new(program, states);
            match is_canary {
                true => executor.run_observed(program, &mut Planted(feedback)),
                false => executor.run_observed(program, &mut feedback),
            }
        };
        let result = catch_unwind(AssertUnwindSafe(run));
        self.notes.ended();
        match result {
            Ok(Verdict::Pass { .. }) => ExitKind::Passed,
            Ok(Verdict::Finding(finding)) => match &self.options.wanted {
                Some(wanted) if finding.oracle() != *wanted => ExitKind::Ignored,
                _ => ExitKind::Found(finding.signature()),
            },
            Err(panic) => {
                self.renew();
                ExitKind::Found(signature_of(&*panic))
            }
        }
    }

    /// Replaces the executors: a panic may have left their machines halfway through an operation.
    pub fn renew(&mut self) {
        // this cannot fail: `new` has made executors with the same options
        if let (Ok(executor), Ok(watch)) =
            (self.options.executor(false), self.options.executor(true))
        {
            (self.executor, self.watch) = (executor, watch);
        }
    }

    /// Replaces `features` by the features since the last call, in ascending order.
    pub fn take_features(&mut self, features: &mut Vec<u32>) {
        features.clear();
        take(self.edges, 0, features);
        take(&self.states.0, self.edges.len() as u32, features);
    }
}

/// Appends the numbers of the counters that are not zero, counted from `first`, and clears them.
fn take(counters: &[AtomicU8], first: u32, features: &mut Vec<u32>) {
    let bytes = |bytes: &[AtomicU8], first: u32, features: &mut Vec<u32>| {
        for (counter, number) in bytes.iter().zip(first..) {
            if counter.load(Ordering::Relaxed) != 0 {
                counter.store(0, Ordering::Relaxed);
                features.push(number);
            }
        }
    };
    let (head, words, tail) = raw::words(counters);
    bytes(head, first, features);
    let mut number = first + head.len() as u32;
    for word in words {
        let mut hit = take_word(word);
        while hit != 0 {
            let byte = hit.trailing_zeros() / u8::BITS;
            features.push(number + byte);
            hit &= !(0xff << (byte * u8::BITS));
        }
        number += 8;
    }
    bytes(tail, number, features);
}

/// The counters of a word, the first one in the lowest byte; clears them.
fn take_word(word: &AtomicU64) -> u64 {
    let hit = word.load(Ordering::Relaxed);
    if hit != 0 {
        word.store(0, Ordering::Relaxed);
    }
    u64::from_le(hit)
}

/// The signature of a panic: the one that a check has written, or the place.
fn signature_of(panic: &(dyn Any + Send)) -> String {
    let message = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(message), _) => message,
        (None, Some(message)) => *message,
        (None, None) => "",
    };
    let written = message.lines().next().unwrap_or_default();
    if let Some(signature) = written.strip_prefix("finding: ") {
        return signature.to_owned();
    }
    let at = PANICKED_AT.lock();
    format!("panic at {}", at.map(|at| at.clone()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_taken_once_in_order() {
        let counters: Vec<AtomicU8> = (0..100).map(|_| AtomicU8::new(0)).collect();
        let hit = [0, 1, 7, 8, 9, 31, 50, 98, 99];
        let mut features = Vec::new();
        for skipped in 0..9 {
            let counters = &counters[skipped..];
            let hit: Vec<usize> = hit
                .iter()
                .copied()
                .filter(|n| *n < counters.len())
                .collect();
            for number in &hit {
                counters[*number].store(200, Ordering::Relaxed);
            }
            features.clear();
            take(counters, 5, &mut features);
            let expected: Vec<u32> = hit.iter().map(|number| *number as u32 + 5).collect();
            assert_eq!(features, expected);
            features.clear();
            take(counters, 5, &mut features);
            assert!(features.is_empty());
        }
    }

    #[test]
    fn a_panic_is_a_finding_and_the_next_program_runs() {
        let options = RunnerOptions::of("canary", String::new()).expect("a target");
        let mut runner = InProcessRunner::new(options, Box::new(())).expect("a runner");
        let program = |text: &str| text.parse::<Program>().expect("a program");
        let planted = program("mmap p0 0 1 rw\nwrite p0 0\nmigrate p0 0 1 d0\nfork p0\n");
        let found = runner.run(&planted);
        assert_eq!(
            found,
            ExitKind::Found("canary/planted:fork:device".to_owned())
        );
        let other = program("mmap p0 0 1 rw\nfork p0\n");
        assert_eq!(runner.run(&other), ExitKind::Passed);
        assert_eq!(runner.run(&planted), found);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        assert!(RunnerOptions::of("opps", String::new()).is_err());
        let options = RunnerOptions::of("ops", "no-such-bug".to_owned()).expect("a target");
        assert!(InProcessRunner::new(options, Box::new(())).is_err());
    }
}
