//! Known findings: they do not count, and the search learns to avoid them.

use super::super::compare;
use super::super::lab;
use super::super::plan::Plan;
use super::super::queue::{Case, CaseSource};
use super::super::tally::Tally;
use super::{Verdict, Worker, lock, verdict_of};
use mm_linux_protocol::Reply;

impl<S: CaseSource> Worker<'_, '_, S> {
    /// True if the verdict is a known finding and no other.
    pub(super) fn is_passed_over(&self, verdict: &Verdict, tally: &Tally) -> bool {
        match verdict {
            Verdict::Same => false,
            Verdict::Differs(all) => {
                all.iter().all(|difference| difference.accepted.is_some())
                    && all
                        .iter()
                        .any(|difference| difference.accepted == Some(compare::KNOWN))
            }
            Verdict::Kernel(death) => tally
                .known_kinds
                .contains_key(&lab::kind_of_death(&death.why)),
        }
    }

    /// Counts a known finding, and learns its kind from the program that was given for it. Returns
    /// true if it has shown.
    pub(super) fn pass_over(&self, case: &Case, verdict: &Verdict, tally: &mut Tally) -> bool {
        let kind = match verdict {
            Verdict::Same => None,
            Verdict::Differs(all) => all.first().map(|first| first.what.clone()),
            Verdict::Kernel(death) => Some(lab::kind_of_death(&death.why)),
        };
        match kind {
            Some(kind) if case.is_known => {
                tally.known_kinds.entry(kind).or_insert(case.name.clone());
            }
            Some(_) => tally.passed_over += 1,
            None => {
                crate::say(format_args!("{}: shows no finding", case.name));
                return false;
            }
        }
        true
    }

    pub(super) fn verdict(&self, plan: &Plan, reply: &Reply) -> Verdict {
        let tally = lock(&self.judge.tally);
        let kinds = tally.known_kinds.keys().cloned().collect();
        drop(tally);
        verdict_of(plan, reply, &kinds)
    }
}
