//! Finds the first change of a list that can be made. Several threads try changes of the list at
//! once, and of the changes that succeed, the one with the lowest index wins. So neither the result
//! nor the number of tests depends on the number of threads.

use super::draft::{Best, Draft};
use super::edit::Edit;
use super::predicate::Predicate;
use crate::stop::Stop;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many candidates one thread tries before it pays to start more threads.
const ALONE: usize = 128;
/// How many candidates a thread takes at a time.
const BLOCK: usize = 16;

/// Tries candidates.
pub struct Search<'a, P, F> {
    new_predicate: F,
    predicate: P,
    draft: Draft,
    jobs: usize,
    stop: &'a Stop,
    /// The number of candidates tried, counted as if one thread had tried them in order.
    pub tests: u64,
}

impl<'a, P: Predicate, F: Fn() -> P + Sync> Search<'a, P, F> {
    /// A search that makes a predicate for each thread with `new_predicate`.
    pub fn new(new_predicate: F, jobs: usize, stop: &'a Stop) -> Self {
        Self {
            predicate: new_predicate(),
            new_predicate,
            draft: Draft::default(),
            jobs,
            stop,
            tests: 0,
        }
    }

    /// Whether the user has interrupted the search.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    /// The first change, from number `from` on, that can be made to `best`: its number, and the
    /// result.
    pub fn first(
        &mut self,
        best: &Best,
        changes: &[Vec<Edit>],
        from: usize,
    ) -> Option<(usize, Best)> {
        let alone = changes.len().min(
            from + if self.jobs > 1 {
                ALONE
            } else {
                usize::MAX - from
            },
        );
        let found = (from..alone)
            .take_while(|_| !self.stop.is_set())
            .find(|i| self.draft.holds(best, &changes[*i], &mut self.predicate))
            .map(|i| (i, self.draft.take()));
        let found = found.or_else(|| self.together(best, changes, alone));
        let tried = found.as_ref().map_or(changes.len(), |(i, _)| i + 1);
        self.tests += (tried - from) as u64;
        found
    }

    /// Like [`first`](Self::first), with several threads, each with its own predicate.
    fn together(&self, best: &Best, changes: &[Vec<Edit>], from: usize) -> Option<(usize, Best)> {
        let Self {
            new_predicate,
            stop,
            ..
        } = self;
        if from >= changes.len() {
            return None;
        }
        let next = AtomicUsize::new(from);
        let lowest = AtomicUsize::new(usize::MAX);
        let found = Mutex::new(None);
        let work = || {
            let (mut predicate, mut draft) = (new_predicate(), Draft::default());
            loop {
                let start = next.fetch_add(BLOCK, Ordering::Relaxed);
                for (i, change) in changes.iter().enumerate().skip(start).take(BLOCK) {
                    if i > lowest.load(Ordering::Relaxed) || stop.is_set() {
                        return;
                    }
                    if draft.holds(best, change, &mut predicate) {
                        let mut found = found.lock().expect("no thread panics");
                        if i < lowest.fetch_min(i, Ordering::Relaxed) {
                            *found = Some((i, draft.take()));
                        }
                        return;
                    }
                }
                if start + BLOCK >= changes.len() {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            (0..self.jobs).for_each(|_| drop(scope.spawn(work)));
        });
        found.into_inner().expect("no thread panics")
    }
}
