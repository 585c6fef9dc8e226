//! The identity of a run between two operations: see [`Executor::identity`].

use super::{Executor, Run};
use crate::ops::world::World;
use mm_core::Identity;
use std::hash::{Hash, Hasher};

/// A hash of 128 bits. It does not resist adversaries.
#[derive(Debug)]
struct Fingerprint {
    halves: [u64; 2],
    /// The words met so far, in order. The name of a word is its position, counted from 1.
    words: Vec<u64>,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self {
            halves: [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344],
            words: Vec::new(),
        }
    }
}

impl Fingerprint {
    fn value(&self) -> u128 {
        u128::from(self.halves[0]) << 64 | u128::from(self.halves[1])
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.halves[0]
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, i: u8) {
        self.write_u64(i.into());
    }

    fn write_u16(&mut self, i: u16) {
        self.write_u64(i.into());
    }

    fn write_u32(&mut self, i: u32) {
        self.write_u64(i.into());
    }

    fn write_usize(&mut self, i: usize) {
        self.write_u64(i as u64);
    }

    /// Each half mixes the word in by a bijection of its own, so that different states of a half
    /// stay different.
    fn write_u64(&mut self, i: u64) {
        const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];
        for (half, factor) in self.halves.iter_mut().zip(FACTORS) {
            *half = (half.rotate_left(27) ^ i).wrapping_mul(factor);
            *half ^= *half >> 32;
        }
    }
}

impl Identity for Fingerprint {
    fn word(&mut self, word: u64) -> u64 {
        if word == 0 {
            return 0;
        }
        let known = self.words.iter().position(|known| *known == word);
        let place = known.unwrap_or_else(|| {
            self.words.push(word);
            self.words.len() - 1
        });
        place as u64 + 1
    }
}

impl Executor {
    /// The identity of the state after the last operation of the last run. Two programs with the
    /// same identity behave alike, whatever comes next. They may differ in the words that they
    /// wrote, in the positions of their operations and, with several threads, in the numbers of
    /// their scheduling points.
    ///
    /// `None` if [`Options::identity`](super::Options::identity) is off, if a finding came before
    /// the last operation ended, or if a migration is open: an open migration is a future, whose
    /// state cannot be read. With several threads, also `None` if every thread waited and something
    /// was released: an operation appended to the program would run before that release.
    ///
    /// 128 bits stand for the state. If they were random, the probability that two of n states
    /// collide would be n² / 2^129: less than 10^-24 for ten million states.
    pub const fn identity(&self) -> Option<u128> {
        self.identity
    }
}

impl Run<'_, '_> {
    /// The identity of everything that the next operation can depend on.
    pub(super) fn identify(&self) -> Option<u128> {
        let World {
            procs,
            holders,
            workers,
            driven,
            // no operation is under way
            promises: _,
            freed: _,
            shown: _,
            model,
            writers,
        } = &*self.bench.world.borrow();
        let would_change = self.released && !self.bench.alone;
        if would_change || workers.iter().any(Option::is_some) || driven.iter().any(Option::is_some)
        {
            return None;
        }
        let mut id = Fingerprint::default();
        let s = &*self.bench.kernel.state();
        s.identify(&mut id);
        (procs, writers).hash(&mut id);
        holders.identify(&mut id);
        self.oracles.identify(s, &mut id);
        model.identify(&mut id).then(|| id.value())
    }
}
