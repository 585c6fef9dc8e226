//! What a call has done, and the ledger's answer.

use super::{BrokenPromise, Ledger};
use crate::call::Call;
use crate::range::Range;

/// A broken promise to a process, with the page.
pub type BrokenAt = (usize, usize, BrokenPromise);

/// What a call has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Performed {
    /// 0, or a negative error number or signal. Of several accesses, the first failure.
    pub result: i32,
    /// The number of pages that the call says it has handled.
    pub pages: u16,
    /// The accesses that the call consists of: each with its page, and the word that was read or
    /// written, or the negative error number or signal.
    pub accesses: Vec<(usize, Result<u64, i32>)>,
}

impl Call {
    /// It accesses pages of its range one by one.
    pub const fn is_access(&self) -> bool {
        matches!(
            self,
            Self::Write(_)
                | Self::WriteZero(_)
                | Self::WriteAlternate(_)
                | Self::MemWrite(_)
                | Self::VmWrite(_)
                | Self::Read(_)
                | Self::MemRead(_)
                | Self::FarRead(_)
                | Self::VmRead(_)
                | Self::FileRead(_)
        )
    }

    /// The pages that it accesses, if it [is an access](Self::is_access).
    pub fn accessed(&self) -> impl Iterator<Item = usize> {
        let range = self.range().filter(|_| self.is_access());
        let by = 1 + usize::from(matches!(self, Self::WriteAlternate(_)));
        range.map(Range::pages).unwrap_or_default().step_by(by)
    }

    /// The word that it writes to a page as step `step`.
    pub const fn word(&self, step: usize, page: usize) -> u64 {
        match self {
            Self::WriteZero(_) => 0,
            _ => Range::word(step, page),
        }
    }
}

impl Ledger {
    /// Notes what a call of step `step` has done to the pages of a process. `may_fail` says that an
    /// allocation for its first page was made to fail. Returns the promises that are broken, each
    /// with its page.
    pub fn tell(
        &mut self,
        process: usize,
        call: &Call,
        step: usize,
        done: &Performed,
        mut may_fail: bool,
    ) -> Vec<(usize, BrokenPromise)> {
        let mut broken = Vec::new();
        let result = if call.is_access() { 0 } else { done.result };
        self.apply(process, call, result, step, done.pages);
        if let Some(range) = call.range().filter(|_| call.writes_as_device()) {
            broken.extend(self.device_has_written(process, range, step, result == 0));
            self.give_up_shared();
        }
        for &(page, access) in &done.accesses {
            let is_excused = std::mem::take(&mut may_fail) && access.is_err();
            let got = access.ok();
            let shown = match call {
                Call::Read(_) if is_excused => None,
                Call::Read(_) => self.has_read(process, page, got),
                // unlike process_vm_readv, /proc/self/mem makes a stack grow
                Call::MemRead(_) | Call::FarRead(_) if got.is_some() => self
                    .grow(process, page)
                    .or_else(|| self.check_word(process, page, got?)),
                Call::MemRead(_) | Call::FarRead(_) => {
                    self.may_grow(process, page);
                    None
                }
                Call::VmRead(_) => got.and_then(|got| self.check_word(process, page, got)),
                Call::FileRead(_) => got.and_then(|got| self.check_file_word(page, got)),
                _ => {
                    // nobody else may access secret memory, not even by process_vm_writev
                    let is_far = matches!(call, Call::VmWrite(_)) && self.is_secret(process, page);
                    let forced = matches!(call, Call::MemWrite(_)) || is_far;
                    let word = call.word(step, page);
                    self.has_written(process, page, word, got.is_some(), forced || is_excused)
                }
            };
            broken.extend(shown.map(|shown| (page, shown)));
        }
        broken
    }

    /// Notes what several calls have done, one after the other. Each has the process whose pages it
    /// concerns, and its step.
    pub fn tell_in_order<const N: usize>(
        &mut self,
        calls: [(usize, &Call, usize, &Performed); N],
    ) -> Vec<BrokenAt> {
        let each = calls.into_iter().flat_map(|(process, call, step, done)| {
            let broken = self.tell(process, call, step, done, false);
            broken
                .into_iter()
                .map(move |(page, shown)| (process, page, shown))
        });
        each.collect()
    }

    /// The same for two calls that ran at once. To each page, either may have come first. `other`
    /// is room for the other order.
    pub fn tell_at_once(
        &mut self,
        first: (usize, &Call, usize, &Performed),
        second: (usize, &Call, usize, &Performed),
        other: &mut Self,
    ) -> Vec<BrokenAt> {
        other.clone_from(self);
        let broken = self.tell_in_order([first, second]);
        let reverse = other.tell_in_order([second, first]);
        let denies = |broken: &[BrokenAt], process, page| {
            broken
                .iter()
                .any(|broken| (broken.0, broken.1) == (process, page))
        };
        self.merge(
            other,
            |process, page| denies(&broken, process, page),
            |process, page| denies(&reverse, process, page),
        );
        let mut broken = broken.clone();
        broken.retain(|(process, page, _)| denies(&reverse, *process, *page));
        broken
    }
}
