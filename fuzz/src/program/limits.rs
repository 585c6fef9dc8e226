//! Limits for generation and mutation.

use std::ops::RangeInclusive;

use super::{MAX_OPS, MAX_THREADS, Program};

/// Limits for generation and mutation, within the limits of every program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    max_ops: usize,
    min_threads: u8,
    max_threads: u8,
}

impl Limits {
    /// One thread: for targets that explore states.
    pub const OPS: Self = Self::new(MAX_OPS, 1, 1);
    /// Two to four threads: for targets that explore interleavings.
    pub const RACES: Self = Self::new(MAX_OPS, 2, MAX_THREADS);

    /// At most `max_ops` operations, and `min_threads` to `max_threads` threads. Each value is
    /// clamped to what a program can have.
    #[must_use]
    pub const fn new(max_ops: usize, min_threads: u8, max_threads: u8) -> Self {
        // `Ord::clamp` is not const.
        const fn between(number: u8, least: u8) -> u8 {
            if number < least {
                least
            } else if number > MAX_THREADS {
                MAX_THREADS
            } else {
                number
            }
        }
        let min_threads = between(min_threads, 1);
        let max_ops = if max_ops < MAX_OPS { max_ops } else { MAX_OPS };
        Self {
            max_ops,
            min_threads,
            max_threads: between(max_threads, min_threads),
        }
    }

    /// Maximum number of operations.
    #[must_use]
    pub const fn max_ops(&self) -> usize {
        self.max_ops
    }

    /// The allowed numbers of threads.
    #[must_use]
    pub const fn thread_range(&self) -> RangeInclusive<u8> {
        self.min_threads..=self.max_threads
    }

    /// These limits with at most `max_ops` operations.
    #[must_use]
    pub const fn with_max_ops(self, max_ops: usize) -> Self {
        Self::new(
            if max_ops < self.max_ops {
                max_ops
            } else {
                self.max_ops
            },
            self.min_threads,
            self.max_threads,
        )
    }

    /// Makes a program canonical and brings it into the limits. Thread numbers are taken modulo the
    /// number of threads.
    pub fn apply(&self, program: &mut Program) {
        program.ops.truncate(self.max_ops);
        program.threads = program.threads.clamp(self.min_threads, self.max_threads);
        program.normalize();
    }
}
