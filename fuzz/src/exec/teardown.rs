//! The end of a run: open migrations end, everything is checked, and all processes exit.

use super::{Run, STEP_BUDGET};
use crate::finding::Finding;
use crate::oracle::At;
use crate::program::OpKind;
use mm_core::TaskId;
use std::pin::pin;
use std::task::{Context, Waker};

impl Run<'_, '_> {
    /// Ends open migrations, releases locks, drops references, checks everything, and lets all
    /// processes exit.
    pub(super) fn teardown(mut self, steps: usize) -> Result<u64, Box<Finding>> {
        let at = At {
            op: OpKind::Exit.contract(),
            step: steps,
            moves: None,
            window: self.bench.window,
            panics: self.options.panics,
        };
        self.bench.kernel.state().preempt_at(STEP_BUDGET);
        while self.run_worker(at)? {}
        self.release_locks();
        self.release_references();
        self.look(at)?;
        if !self.options.unchecked {
            let world = &*self.bench.world.borrow();
            let s = &*self.bench.kernel.state();
            self.oracles.everything(s, &world.holders, at)?;
            self.oracles.settled(s, &world.holders, at)?;
            self.at_rest(s, world, true, at)?;
        }
        if self.options.digest {
            self.outcomes.mix_state(&self.bench.kernel.state());
        }
        let procs = std::mem::take(&mut self.bench.world.borrow_mut().procs);
        let mut cx = Context::from_waker(Waker::noop());
        for process in procs.into_iter().flatten() {
            self.bench.kernel.state().renew_task(TaskId(0));
            let cur = self.bench.kernel.current(TaskId(0));
            let mut exit = pin!(cur.mmput(process.mm));
            while exit.as_mut().poll(&mut cx).is_pending() {
                self.unblock(at)?;
            }
        }
        self.shrink_swap_cache();
        self.look(at)?;
        if !self.options.unchecked {
            let holders = &self.bench.world.borrow().holders;
            self.oracles
                .after_exit(&self.bench.kernel.state(), holders, at)?;
        }
        Ok(if self.options.digest {
            self.outcomes.value()
        } else {
            0
        })
    }

    /// Reclaims the folios left in the swap cache, as Linux would once memory is short. No
    /// operation could drop them when the last entry of their slot went, for example because they
    /// were locked.
    fn shrink_swap_cache(&mut self) {
        let mut cached: Vec<_> = {
            let s = self.bench.kernel.state();
            s.swap().iter().filter_map(|(_, slot)| slot.cache).collect()
        };
        // each slot of a large folio caches that folio
        cached.dedup();
        let mut cx = Context::from_waker(Waker::noop());
        for folio in cached {
            self.bench.kernel.state().renew_task(TaskId(0));
            let mut reclaim = pin!(self.bench.kernel.current(TaskId(0)).reclaim_folio(folio));
            // the reclaim runs alone, so it never waits; a folio that it leaves in the cache is a
            // leak
            let _ = reclaim.as_mut().poll(&mut cx);
        }
    }

    fn release_references(&mut self) {
        let s = &mut *self.bench.kernel.state();
        let holders = &mut self.bench.world.borrow_mut().holders;
        for held in holders.refs.iter_mut().filter_map(Option::take) {
            s.put_external(held.pfn, held.pin);
        }
    }
}
