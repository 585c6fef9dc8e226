//! Runs a program. A panic of the core does not end the process: it becomes a finding.

use crate::bugs::Bugs;
use mm_core::Pfn;
use mm_fuzz::exec::{Executor, Observer, Options, Verdict};
use mm_fuzz::finding::{Finding, PageState};
use mm_fuzz::invariant::{Invariant, Way};
use mm_fuzz::program::Program;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every check passed.
    Pass {
        /// The digest of all outcomes and of the final state.
        digest: u64,
    },
    /// A check failed, or the core panicked.
    Found(Found),
}

/// A finding, or a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The signature (docs/architecture.md).
    pub signature: String,
    /// The invariant; `None` for a panic.
    pub invariant: Option<Invariant>,
    /// The way in which the invariant is broken; `None` if the invariant has no ways.
    pub way: Option<Way>,
    /// The invariant, `family/name`; for a panic, its place in the source.
    pub oracle: String,
    /// The number of the operation. If the finding is at the end of the program, the number of all
    /// operations. `None` for a panic.
    pub step: Option<usize>,
    /// The keyword of the operation that ran; empty for a panic.
    pub op: &'static str,
    /// The page that the finding is about, if there is one.
    pub page: Option<Pfn>,
    /// The state of that page; `None` for a panic.
    pub state: Option<PageState>,
    /// What was expected and what was found.
    pub detail: String,
}

impl Found {
    /// True if the core panicked.
    pub const fn is_panic(&self) -> bool {
        self.invariant.is_none()
    }
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self {
            signature: finding.signature(),
            invariant: Some(finding.invariant),
            way: finding.way,
            oracle: finding.oracle(),
            step: Some(finding.step),
            op: finding.op,
            page: finding.page,
            state: Some(finding.state),
            detail: worded(finding.detail),
        }
    }
}

#[cfg(test)]
thread_local! {
    /// If true, other words stand for all messages, and for the sentences of the table of
    /// invariants. A test sets this, to check that nothing depends on the words.
    pub static REWORDED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Words for people; a test may replace them.
pub(crate) fn worded(words: String) -> String {
    #[cfg(test)]
    if REWORDED.get() {
        return "in other words".to_owned();
    }
    words
}

/// Runs `program` on a new machine, and computes the digest.
pub fn run(program: &Program, bugs: &Bugs, thorough: bool, observer: &mut dyn Observer) -> Ended {
    let options = Options {
        thorough,
        digest: true,
        ..Options::default()
    };
    Runner::new(bugs, options).run(program, observer)
}

/// Runs programs one after the other, with one executor. Each run begins with a machine that has
/// been reset.
#[derive(Debug)]
pub struct Runner {
    executor: Executor,
    bugs: Bugs,
    options: Options,
}

impl Runner {
    /// A runner with `bugs` put back.
    pub fn new(bugs: &Bugs, options: Options) -> Self {
        let mut executor = Executor::new(options);
        bugs.set(&mut executor);
        Self {
            executor,
            bugs: bugs.clone(),
            options,
        }
    }

    /// The identity of the state that the last run reached; `None` unless the options ask for it.
    pub const fn identity(&self) -> Option<u128> {
        self.executor.identity()
    }

    /// Runs one program.
    pub fn run(&mut self, program: &Program, observer: &mut dyn Observer) -> Ended {
        // After a panic the executor is replaced, and the observer is only read.
        let run = AssertUnwindSafe(|| self.executor.run_observed(program, observer));
        match catch(run) {
            Ok(Verdict::Pass { digest }) => Ended::Pass { digest },
            Ok(Verdict::Finding(finding)) => Ended::Found((*finding).into()),
            Err(Crash { place, message }) => {
                *self = Self::new(&self.bugs, self.options);
                Ended::Found(Found {
                    signature: format!("panic at {place}"),
                    invariant: None,
                    way: None,
                    oracle: format!("panic at {place}"),
                    step: None,
                    op: "",
                    page: None,
                    state: None,
                    detail: message,
                })
            }
        }
    }
}

/// A panic that was caught.
#[derive(Clone, Debug, Default)]
struct Crash {
    place: String,
    message: String,
}

thread_local! {
    /// The panic of the current run; `None` if no run is under way.
    static CRASH: RefCell<Option<Crash>> = const { RefCell::new(None) };
}

/// Runs `run`, and returns a panic in it instead of printing it. Other panics are printed as usual.
fn catch<T>(run: AssertUnwindSafe<impl FnOnce() -> T>) -> Result<T, Crash> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_caught = CRASH.with_borrow_mut(|crash| {
                let Some(crash) = crash else { return false };
                crash.place = info.location().map(ToString::to_string).unwrap_or_default();
                crash.message = info.payload_as_str().unwrap_or_default().to_owned();
                true
            });
            if !is_caught {
                usual(info);
            }
        }));
    });
    CRASH.set(Some(Crash::default()));
    let result = panic::catch_unwind(run);
    let crash = CRASH.take();
    result.map_err(|_| crash.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_place() {
        let crash: Result<(), _> = catch(AssertUnwindSafe(|| panic!("index {} is out", 7)));
        let Err(Crash { place, message }) = crash else {
            unreachable!("the closure panics");
        };
        assert!(place.contains("run.rs:"), "{place}");
        assert_eq!(message, "index 7 is out");
        assert!(CRASH.with_borrow(Option::is_none));
    }

    #[test]
    fn what_does_not_panic_is_returned() {
        assert!(matches!(catch(AssertUnwindSafe(|| 3)), Ok(3)));
    }
}
