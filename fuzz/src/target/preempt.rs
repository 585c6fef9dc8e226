//! Preemptions in the middle of operations.
//!
//! A preemption names a scheduling point of the whole run. The text of a program does not show
//! which operation passes that point, or whether any does. So this mutation runs the program,
//! records which points its operations pass, and preempts one of the operations there.

use crate::exec::{Executor, Observer};
use crate::program::{MAX_PREEMPTIONS, Preemption, Program, insert_preemption};
use fastrand::Rng;
use mm_core::State;
use std::ops::Range;

/// A slice of an operation.
struct Slice {
    step: usize,
    /// The scheduling points that it passed, numbered as in preemptions; not empty.
    points: Range<u16>,
}

#[derive(Default)]
struct Slices {
    began: Option<u32>,
    seen: Vec<Slice>,
}

impl Observer for Slices {
    fn slice(&mut self, _step: usize, s: &State) {
        self.began = Some(s.points());
    }

    fn ran(&mut self, step: usize, s: &State) {
        // a slice that belongs to no operation of the program cannot be preempted
        let Some(began) = self.began.take() else {
            return;
        };
        let points = [began, s.points()].map(u16::try_from);
        if let [Ok(began), Ok(ended)] = points
            && began < ended
        {
            let points = began..ended;
            self.seen.push(Slice { step, points });
        }
    }
}

/// Preempts an operation of a program of several threads at a point that it passes when `executor`
/// runs the program. Another thread then finishes its operation, or runs a part of it. Returns true
/// if the program has changed.
pub fn preempt(program: &mut Program, executor: &mut Executor, rng: &mut Rng) -> bool {
    /// The thread resumes after at most this many points, unless the other operation ends first.
    const DETOUR: u16 = 6;
    if program.threads == 1 || program.preemptions.len() + 2 > MAX_PREEMPTIONS {
        return false;
    }
    let mut slices = Slices::default();
    executor.run_observed(program, &mut slices);
    let Some(Slice { step, points }) = rng.choice(slices.seen) else {
        return false;
    };
    let (at, from) = (rng.u16(points), program.ops[step].thread);
    let to = (from + rng.u8(1..program.threads)) % program.threads;
    let (there, preemptions) = (Preemption { at, to }, &mut program.preemptions);
    if preemptions.contains(&there) {
        return false;
    }
    preemptions.retain(|other| other.at != at);
    insert_preemption(preemptions, there);
    if rng.bool() {
        let (at, to) = (at.saturating_add(rng.u16(1..=DETOUR)), from);
        insert_preemption(preemptions, Preemption { at, to });
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Options, Verdict};
    use crate::program::generate::random_program;
    use crate::program::mutate::Limits;

    /// The preemptions that took place.
    #[derive(Default)]
    struct Seen(Vec<Preemption>);

    impl Observer for Seen {
        fn preempted(&mut self, point: u32, _from: u8, to: u8, _s: &State) {
            let at = u16::try_from(point - 1).expect("a point of a preemption");
            self.0.push(Preemption { at, to });
        }
    }

    #[test]
    fn what_is_preempted_passes_the_point() {
        let mut rng = Rng::with_seed(34);
        let mut watching = Executor::new(Options {
            unchecked: true,
            ..Options::default()
        });
        let mut checking = Executor::new(Options::default());
        let mut changed = 0;
        for _ in 0..500 {
            let before = random_program(Limits::RACES.with_max_ops(20), &mut rng);
            let mut program = before.clone();
            if !preempt(&mut program, &mut watching, &mut rng) {
                assert_eq!(program, before);
                continue;
            }
            changed += 1;
            let mut canonical = program.clone();
            canonical.normalize();
            assert_eq!(canonical, program);
            let mut seen = Seen::default();
            let verdict = checking.run_observed(&program, &mut seen);
            assert!(matches!(verdict, Verdict::Pass { .. }));
            // only the first new preemption must take place: when the second one asks to switch
            // back, the first thread may have ended
            let mut new = program.preemptions.iter();
            let new = new.find(|new| !before.preemptions.contains(new));
            let new = new.expect("a new preemption");
            assert!(seen.0.contains(new), "{new:?} of {:?}\n{program}", seen.0);
        }
        assert!(changed > 150, "{changed}");
    }

    #[test]
    fn one_thread_is_never_preempted() {
        let mut program: Program = "mmap p0 0 1 rw\nwrite p0 0\n".parse().expect("a program");
        let mut executor = Executor::new(Options::default());
        let mut rng = Rng::with_seed(35);
        assert!(!preempt(&mut program, &mut executor, &mut rng));
    }
}
