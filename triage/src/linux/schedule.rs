//! The schedule of a program on the page tables of x86-64, which are those of the guest.
//!
//! A preemption names a scheduling point by its number in the whole run. With other page tables the
//! run passes other points, so the number changes.

use super::places::Points;
use mm_core::{State, TaskId};
use mm_fuzz::exec::{Executor, Observer};
use mm_fuzz::program::{Geometry, Preemption, Program};
use std::collections::BTreeMap;

/// The points of a run.
#[derive(Default)]
struct Watch {
    /// The points of each operation, and their numbers in the run.
    points: BTreeMap<usize, (Points, Vec<u32>)>,
    /// The operation of the last slice.
    current: usize,
    /// The preemptions: the operation, the index of the point, and who runs then.
    preemptions: Vec<(usize, usize, u8)>,
}

impl Observer for Watch {
    fn slice(&mut self, step: usize, _s: &State) {
        self.current = step;
    }

    fn ran(&mut self, step: usize, s: &State) {
        if let Some((points, _)) = self.points.get_mut(&step) {
            points.end(s);
        }
    }

    fn point(&mut self, step: usize, task: TaskId, s: &State) {
        let (points, numbers) = self.points.entry(step).or_default();
        points.pass(task, s);
        numbers.push(s.points() - 1);
    }

    fn preempted(&mut self, _point: u32, _from: u8, to: u8, _s: &State) {
        let points = self.points.get(&self.current);
        let at = points.map_or(0, |(points, _)| points.all.len().saturating_sub(1));
        self.preemptions.push((self.current, at, to));
    }
}

fn watch(program: &Program, executor: &mut Executor) -> Watch {
    let mut watch = Watch::default();
    executor.observe_points(true);
    executor.run_observed(program, &mut watch);
    executor.observe_points(false);
    watch
}

/// The program with the tables of x86-64, preempted at the same points of the same operations.
/// Preemptions that do not take place are dropped. `None` if an operation does not pass the point
/// there.
pub fn on_x86_64(program: &Program, executor: &mut Executor) -> Option<Program> {
    let before = watch(program, executor);
    let mut after = Program {
        geometry: Geometry::X86_64,
        preemptions: Vec::new(),
        ..program.clone()
    };
    for (step, at, to) in before.preemptions {
        let seen = watch(&after, executor);
        let (old, _) = before.points.get(&step)?;
        let (new, numbers) = seen.points.get(&step)?;
        let at = u16::try_from(numbers[new.find(old, at)?]).ok()?;
        after.preemptions.push(Preemption { at, to });
    }
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_fuzz::exec::Options;
    use mm_fuzz::program::generate::random_program;
    use mm_fuzz::program::mutate::Limits;

    #[test]
    fn a_program_on_the_tables_of_the_guest_stays_as_it_is() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut executor = Executor::new(Options {
            unchecked: true,
            ..Options::default()
        });
        let mut preempted = 0;
        for _ in 0..200 {
            let program = random_program(Limits::RACES, &mut rng);
            let Some(once) = on_x86_64(&program, &mut executor) else {
                continue;
            };
            preempted += once.preemptions.len();
            assert_eq!(on_x86_64(&once, &mut executor), Some(once));
        }
        assert!(preempted > 50, "{preempted}");
    }
}
