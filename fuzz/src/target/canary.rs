//! The planted finding of the target `canary`.

use crate::exec::{Observer, Outcome};
use crate::program::{Op, Step};
use mm_core::State;

/// Panics in a state that is not a bug: a process forks while a page is mapped on a device.
#[derive(Clone, Copy, Debug)]
pub struct Canary;

impl Observer for Canary {
    fn operation(&mut self, step: usize, op: &Step, outcome: Outcome, s: &State) {
        if matches!(op.op, Op::Fork { .. }) && outcome != Outcome::Nothing {
            check_canary(step, s);
        }
    }
}

/// The planted rule: nothing is mapped on a device when a process forks.
#[inline(never)]
fn check_canary(step: usize, s: &State) {
    let mut pages = s.memmap().iter();
    if let Some((pfn, _)) = pages.find(|(pfn, page)| pfn.zone() > 0 && page.folio_mapcount() > 0) {
        panic!(
            "finding: canary/planted:fork:device\n  at operation {step} (fork), page {pfn:?}\n  \
             the finding that this target exists to report"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::{run_canary, run_ops};
    use crate::program::{Program, wire};

    fn run(text: &str, target: fn(&[u8])) -> Result<(), String> {
        let program: Program = text.parse().expect("a program");
        let bytes = wire::encode(&program);
        std::panic::catch_unwind(|| target(&bytes))
            .map_err(|panic| *panic.downcast::<String>().expect("a message"))
    }

    #[test]
    fn the_canary_reports_what_is_planted_and_nothing_else() {
        let planted = "mmap p0 0 1 rw\nwrite p0 0\nmigrate p0 0 1 d0\nfork p0\n";
        let message = run(planted, run_canary).expect_err("a finding");
        assert!(
            message.starts_with("finding: canary/planted:fork:device\n"),
            "{message}"
        );
        assert_eq!(run(planted, run_ops), Ok(()));
        let other = "mmap p0 0 1 rw\nwrite p0 0\nfork p0\nmigrate p0 0 1 d0\n";
        assert_eq!(run(other, run_canary), Ok(()));
    }
}
