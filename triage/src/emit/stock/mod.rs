//! `emit --c --stock`: writes a program in C for any Linux, without a driver of ours. It uses
//! system calls, files of `/proc`, userfaultfd, and `/dev/hmm_dmirror` of `CONFIG_TEST_HMM`.
//!
//! The program in C expects what the model does without any bug. It prints `ok`, or `BROKEN` and
//! the first step at which Linux differs. On a kernel with one of the
//! [known bugs](crate::linux::known), `BROKEN` may show that bug.

mod parts;
mod sayable;
mod watch;
mod write;

use super::refused::Refused;
use crate::bugs::Bugs;
use crate::linux::known::{self, Version};
use mm_core::KernelVersion;
use mm_fuzz::exec::{Executor, Options};
use mm_fuzz::program::Program;
use watch::{Watched, trace};
#[cfg(test)]
pub use write::window;

/// A program that stock interfaces can carry out, and what is expected of each step.
#[derive(Debug)]
pub struct Stock {
    program: Program,
    /// The number of the program's own operations. The operations after them show what the program
    /// has left.
    own: usize,
    /// The run in the model without bugs.
    right: Watched,
    /// The kernel whose rules the model has.
    kernel: Version,
}

impl Stock {
    /// Replaces operations by others that stock interfaces can carry out. Runs the result in the
    /// model, with the rules of `kernel` and without bugs.
    ///
    /// # Errors
    ///
    /// Stock interfaces cannot carry out an operation, or the model's run is not usable: an
    /// operation waits, frames run out, or there is a finding.
    pub fn of(program: &Program, kernel: Version) -> Result<Self, Refused> {
        let mut executor = Executor::new(options(kernel));
        let as_is = trace(program, &mut executor);
        let said = sayable::sayable(program, &as_is)?;
        let own = said.ops.len();
        let first = trace(&said, &mut executor);
        sayable::check(program, &as_is, &first)?;
        let program = sayable::with_looks(said, &first);
        let right = trace(&program, &mut executor);
        Ok(Self {
            program,
            own,
            right,
            kernel,
        })
    }

    /// The program in C.
    #[must_use]
    pub fn to_c(&self) -> String {
        write::text(&self.program, self.own, &self.right, self.kernel)
    }

    /// The known bugs of the kernel that change what the model does in this program.
    #[must_use]
    pub fn known(&self) -> Vec<Known> {
        let shown = |name: &'static str| {
            let bugs = Bugs::parse(name).ok()?;
            let mut executor = Executor::new(options(self.kernel));
            bugs.set(&mut executor);
            let wrong = trace(&self.program, &mut executor);
            let pairs = self.right.steps.iter().zip(&wrong.steps);
            let first = pairs.clone().position(|(right, wrong)| right != wrong)?;
            let mut pairs = pairs.map(|(right, wrong)| right.shows() == wrong.shows());
            Some(Known {
                name,
                first,
                shows: pairs.position(|same| !same),
            })
        };
        known::bugs_of(self.kernel).filter_map(shown).collect()
    }
}

/// A bug that changes what the model does in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The name of the bug in the zoo.
    pub name: &'static str,
    /// The first step at which the model differs with the bug: in the outcome, in what stock
    /// interfaces see, or in the state after the step.
    pub first: usize,
    /// The first step at which stock interfaces see a difference; `None` if they never do.
    pub shows: Option<usize>,
}

fn options(kernel: Version) -> Options {
    Options {
        unchecked: true,
        release: KernelVersion::of(kernel.0, kernel.1),
        ..Options::default()
    }
}
