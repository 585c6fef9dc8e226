//! Leaks: which program has left something behind in the kernel.

use super::super::guest::Death;
use super::super::plan::Plan;
use super::super::queue::{Case, CaseSource};
use super::{Sent, Worker};
use mm_linux_protocol::Reply;
use std::collections::VecDeque;

impl<S: CaseSource> Worker<'_, '_, S> {
    /// Keeps what ran since the last look for leaks.
    pub(super) fn remember(&mut self, case: &Case, plan: Plan) {
        if !self.judge.follows {
            return;
        }
        if plan.job.closely {
            self.recent.clear();
        } else {
            self.recent.push((case.clone(), plan));
        }
    }

    /// One of the programs since the last look has left something behind. Runs them one by one, and
    /// looks after each.
    pub(super) fn find_leak(&mut self, sent: &mut VecDeque<Sent>) -> Result<(), Death> {
        // what was sent meanwhile is sent again
        let waiting: Vec<u32> = sent.iter().map(|sent| sent.plan.job.id).collect();
        for id in waiting {
            if self.guest()?.reply::<Reply>(id).is_err() {
                self.guest = None;
                return self.one_by_one(sent).map(|_| ());
            }
        }
        let mut suspects = std::mem::take(&mut self.recent);
        self.guest = None;
        for (case, plan) in &mut suspects {
            if self.judge.stop.is_set() {
                break;
            }
            plan.job.closely = true;
            let id = plan.job.id;
            let guest = self.guest()?;
            let reply = guest
                .send(&plan.job)
                .and_then(|()| guest.reply::<Reply>(id));
            match reply {
                Ok(reply) if reply.leaks.is_empty() => {}
                Ok(reply) => {
                    let verdict = self.verdict(plan, &reply);
                    self.count(case, verdict);
                }
                Err(_) => self.guest = None,
            }
        }
        for Sent { plan, .. } in &*sent {
            if self.guest()?.send(&plan.job).is_err() {
                break;
            }
        }
        Ok(())
    }
}
