//! Minimizes a program. The model, or a guest, runs each smaller program to see whether it shows
//! the same finding.

use super::draft::Best;
use super::passes::{self, PassStatistics};
use super::predicate::{Predicate, Slice};
use super::search::Search;
use crate::bugs::Bugs;
use crate::linux::{Death, Image, Lab};
use crate::run::{Ended, Found, Runner};
use crate::stop::Stop;
use mm_core::State;
use mm_fuzz::exec::{Observer, Options};
use mm_fuzz::program::{Geometry, Program};
use std::sync::{Mutex, PoisonError};

/// What a smaller program must have in common with the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Same {
    /// The invariant, the operation and the state of the page
    Signature,
    /// The invariant
    Invariant,
    /// That there is a finding
    Finding,
}

/// Holds if a program has a finding that is the same as that of the original program, `found`. The
/// field `same` says what must be the same.
struct Alike<'a> {
    runner: Runner,
    same: Same,
    found: &'a Found,
}

impl Predicate for Alike<'_> {
    fn holds(&mut self, program: &Program, slices: &mut Vec<Slice>) -> bool {
        slices.clear();
        let ended = self.runner.run(program, &mut Turns(slices));
        let Ended::Found(found) = ended else {
            return false;
        };
        match self.same {
            Same::Signature => found.signature == self.found.signature,
            Same::Invariant => found.oracle == self.found.oracle,
            Same::Finding => true,
        }
    }
}

/// Records the turns of a run.
struct Turns<'a>(&'a mut Vec<Slice>);

impl Observer for Turns<'_> {
    fn slice(&mut self, step: usize, s: &State) {
        let (from, to) = (s.points(), s.points());
        self.0.push(Slice { step, from, to });
    }

    fn ran(&mut self, step: usize, s: &State) {
        if let Some(last) = self.0.last_mut().filter(|last| last.step == step) {
            last.to = s.points();
        }
    }
}

/// Holds if the kernel and the model differ, or the kernel dies, in the same way as with the larger
/// program.
struct AlikeOnLinux<'a> {
    lab: Lab,
    kind: &'a str,
    /// The reason why a guest did not come up. From then on the predicate holds for no program.
    failed: &'a Mutex<Option<String>>,
}

impl Predicate for AlikeOnLinux<'_> {
    fn holds(&mut self, program: &Program, slices: &mut Vec<Slice>) -> bool {
        slices.clear();
        // other page tables than the guest's would give the points other numbers
        if !program.preemptions.is_empty() && program.geometry != Geometry::X86_64 {
            return false;
        }
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_some() {
            return false;
        }
        match self.lab.run(program, &mut Turns(slices)) {
            Ok(found) => found.as_deref() == Some(self.kind),
            Err(death) => {
                *failed = Some(no_guest(death));
                false
            }
        }
    }
}

/// The result of a minimization.
#[derive(Clone, Debug)]
pub struct Minimized<F = Found> {
    /// The smaller program.
    pub program: Program,
    /// The finding of the smaller program; on Linux, the kind of the finding.
    pub found: F,
    /// The number of changes that were tried.
    pub tests: u64,
    /// The number of changes that were tried in the last round, in which none could be made; `None`
    /// if the search was stopped.
    pub last_round: Option<u64>,
    /// What each pass did.
    pub passes: Vec<PassStatistics>,
}

impl Minimized {
    /// The same result, with the signature instead of the finding.
    pub(super) fn signed(self) -> Minimized<String> {
        Minimized {
            program: self.program,
            found: self.found.signature,
            tests: self.tests,
            last_round: self.last_round,
            passes: self.passes,
        }
    }
}

/// Makes `program` as small as possible while its finding stays the same; `None` if the program has
/// no finding.
pub fn minimize(
    program: &Program,
    bugs: &Bugs,
    same: Same,
    jobs: usize,
    stop: &Stop,
) -> Option<Minimized> {
    let mut slices = Vec::new();
    let mut runner = Runner::new(bugs, Options::default());
    let Ended::Found(found) = runner.run(program, &mut Turns(&mut slices)) else {
        return None;
    };
    let new_predicate = || Alike {
        runner: Runner::new(bugs, Options::default()),
        same,
        found: &found,
    };
    let mut search = Search::new(new_predicate, jobs, stop);
    let mut best = Best {
        program: program.clone(),
        slices,
    };
    let passes::PassesEnded { last_round, passes } = passes::minimize(&mut search, &mut best);
    let tests = search.tests;
    let Ended::Found(found) = runner.run(&best.program, &mut ()) else {
        unreachable!("the predicate held for it, and runs are deterministic");
    };
    Some(Minimized {
        program: best.program,
        found,
        tests,
        last_round,
        passes,
    })
}

fn no_guest(death: Death) -> String {
    format!("the guest does not boot: {}", death.why)
}

/// Makes `program` as small as possible while a guest and the model show a finding of the same
/// kind; `None` if there is no finding.
///
/// # Errors
///
/// The guest does not come up, or cannot carry out the program.
pub fn minimize_on_linux(
    program: &Program,
    image: &Image,
    stop: &Stop,
) -> Result<Option<Minimized<String>>, String> {
    let mut slices = Vec::new();
    let bugs = Bugs::of_kernel("", image.kernel())?;
    let mut lab = Lab::new(image, &bugs);
    let refused = |why| format!("the guest cannot carry it out: {why}");
    let program = lab.on_guest(program).map_err(refused)?;
    let found = lab.run(&program, &mut Turns(&mut slices));
    let Some(kind) = found.map_err(no_guest)? else {
        return Ok(None);
    };
    drop(lab);
    let failed = Mutex::new(None);
    let new_predicate = || AlikeOnLinux {
        lab: Lab::new(image, &bugs),
        kind: &kind,
        failed: &failed,
    };
    // each predicate has a guest of its own: one thread, one guest
    let mut search = Search::new(new_predicate, 1, stop);
    let mut best = Best { program, slices };
    let passes::PassesEnded { last_round, passes } = passes::minimize(&mut search, &mut best);
    let tests = search.tests;
    if let Some(why) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(why);
    }
    Ok(Some(Minimized {
        program: best.program,
        found: kind,
        tests,
        last_round,
        passes,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::draft::compare;
    use super::*;
    use mm_fuzz::program::generate::random_program;
    use mm_fuzz::program::mutate::Limits;
    use mm_fuzz::program::{Op, OpKind};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Whether the program has three forks before an eviction of at least five pages. The test
    /// does not run the program.
    fn is_wanted(program: &Program) -> bool {
        let ops = || program.ops.iter().map(|step| step.op);
        let evict = ops().position(|op| matches!(op, Op::Evict { len, .. } if len.get() >= 5));
        let forks = ops().take(evict.unwrap_or(0));
        forks.filter(|op| op.kind() == OpKind::Fork).count() >= 3
    }

    /// A predicate that records the programs for which it holds.
    #[derive(Clone, Default)]
    struct Fake(Rc<RefCell<Vec<Program>>>);

    impl Predicate for Fake {
        fn holds(&mut self, program: &Program, slices: &mut Vec<Slice>) -> bool {
            slices.clear();
            slices.extend((0..program.ops.len()).map(|step| Slice {
                step,
                from: 0,
                to: 0,
            }));
            let holds = is_wanted(program);
            if holds {
                self.0.borrow_mut().push(program.clone());
            }
            holds
        }
    }

    fn long_program() -> Program {
        let mut rng = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(|| random_program(Limits::RACES, &mut rng))
            .find(is_wanted)
            .expect("there is no end of them")
    }

    fn best(program: Program) -> Best {
        let slices = (0..program.ops.len()).map(|step| Slice {
            step,
            from: 0,
            to: 0,
        });
        Best {
            slices: slices.collect(),
            program,
        }
    }

    thread_local! {
        static FAKE: Fake = Fake::default();
    }

    #[test]
    fn what_does_not_matter_goes_and_every_step_goes_down() {
        let (stop, mut best) = (Stop::default(), best(long_program()));
        let before = best.program.ops.len();
        let mut search = Search::new(|| FAKE.with(Fake::clone), 1, &stop);
        let ended = passes::minimize(&mut search, &mut best);
        let expected = "fork p0\nfork p0\nfork p0\nevict d0 0 5\n";
        assert_eq!(best.program.to_string(), expected);
        let last = ended.last_round.expect("nobody stopped it");
        assert!(last > 0 && last < search.tests);
        let passes = &ended.passes;
        assert_eq!(passes[0].operations_before, before);
        let sum = |of: fn(&PassStatistics) -> u64| passes.iter().map(of).sum::<u64>();
        assert_eq!(sum(|pass| pass.tried), search.tests);
        let removed = sum(|pass| pass.operations_removed as u64) as usize;
        assert_eq!(removed, before - best.program.ops.len());
        let held = FAKE.with(|fake| fake.0.borrow().clone());
        assert!(held.len() > 5);
        assert_eq!(sum(|pass| pass.accepted), held.len() as u64);
        assert!(held.is_sorted_by(|a, b| compare(a, b).is_gt()));
    }

    #[test]
    fn a_search_that_is_stopped_keeps_what_it_has() {
        let stop = Stop::default();
        stop.set();
        let mut best = best(long_program());
        let mut search = Search::new(|| FAKE.with(Fake::clone), 1, &stop);
        let ended = passes::minimize(&mut search, &mut best);
        assert_eq!(best.program, long_program());
        assert_eq!((search.tests > 0, ended.last_round), (true, None));
    }

    #[cfg(feature = "zoo")]
    #[test]
    fn on_linux_the_guest_says_what_is_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let image = crate::linux::fake::quick_image(dir.path(), "dies");
        let text = "mmap p0 0 4 rw\nwrite p0 1\nfork p0\nread p1 1\nwrite p0 2";
        let program: Program = text.parse().expect("a program");
        let small = minimize_on_linux(&program, &image, &Stop::default());
        let small = small.expect("it comes up").expect("it dies");
        assert_eq!(small.program.to_string(), "fork p0\n");
        assert_eq!(small.found, r"kernel: BUG: \x1b[31mred\x1b]0;title\x07");
        let harmless = "mmap p0 0 1 rw".parse().expect("a program");
        let small = minimize_on_linux(&harmless, &image, &Stop::default());
        assert!(small.expect("it comes up").is_none());
        let busy =
            "threads 2\nmmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nread p0 0\nt1: exit p0";
        let busy = busy.parse().expect("a program");
        let refused = minimize_on_linux(&busy, &image, &Stop::default());
        let why = refused.expect_err("the guest cannot do that");
        assert!(
            why.contains("a process exits while another operation runs"),
            "{why}"
        );

        let dir = tempfile::tempdir().expect("a folder");
        let image = crate::linux::fake::quick_image(dir.path(), "leaks");
        let small = minimize_on_linux(&program, &image, &Stop::default());
        let small = small.expect("it comes up").expect("it leaks");
        assert_eq!(small.program.to_string(), "fork p0\n");
        assert_eq!(small.found, "leak nr_mlock");
    }
}
