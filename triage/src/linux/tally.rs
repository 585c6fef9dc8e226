//! Counts what became of all programs, and decides the exit status.

use super::accepted::{self, Counts};
use super::args::LinuxArgs;
use super::known::Version;
use super::plan::Refusal;
use crate::Status;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Instant;

/// The least number of bugs that `--witnesses` must see: the model has them, and the kernel does
/// not. The other bugs break only what cannot be seen from outside, or need what the judge refuses.
const MUST_BE_SEEN: u64 = 15;

/// What became of all programs.
#[derive(Default)]
pub struct Tally {
    pub programs: u64,
    pub same: u64,
    pub differ: u64,
    /// Guests that ended for no accepted reason.
    pub kernel: u64,
    /// Guests that ended for an accepted reason.
    pub known: u64,
    pub unusable: u64,
    /// Empty files in folders, which were skipped.
    pub empty: u64,
    pub refused: BTreeMap<Refusal, u64>,
    pub accepted: Counts,
    /// Kinds of known findings, and the programs that were given for them.
    pub known_kinds: BTreeMap<String, String>,
    /// Programs, other than those of `--known`, that showed a known finding.
    pub passed_over: u64,
    /// For each kind of difference, the count and the first program that shows it.
    pub kinds: BTreeMap<String, (u64, Example)>,
    /// What became of each witness, by its name.
    pub witnesses: BTreeMap<String, String>,
    /// A signal stopped the run before all programs had run.
    pub interrupted: bool,
    pub boots: u64,
    /// The sum over all boots.
    pub boot_seconds: f64,
    /// The version of the kernel that ran.
    pub kernel_version: Version,
    /// Guests that ran side by side.
    pub guests: usize,
}

/// A program that shows a difference.
pub struct Example {
    /// Its place among all programs.
    pub index: u32,
    /// What to print about it.
    pub text: String,
}

impl Tally {
    /// Counts a difference of this kind, and keeps the program with the lowest index. Returns the
    /// count.
    pub fn note(&mut self, kind: &str, shown_by: Example) -> u64 {
        match self.kinds.get_mut(kind) {
            None => {
                self.kinds.insert(kind.to_owned(), (1, shown_by));
                1
            }
            Some((count, first)) => {
                *count += 1;
                if shown_by.index < first.index {
                    *first = shown_by;
                }
                *count
            }
        }
    }

    /// Writes the summary of `--witnesses`, where a difference is wanted.
    fn witnesses(&self, version: &str, out: &mut dyn Write) -> io::Result<Status> {
        for (name, how) in &self.witnesses {
            writeln!(out, "{name}: {how}")?;
        }
        writeln!(
            out,
            "linux-witnesses: version={} seen={} not_seen={} refused={} must_be_seen={MUST_BE_SEEN}",
            version,
            self.differ + self.kernel,
            self.same,
            self.refused.values().sum::<u64>(),
        )?;
        let enough = self.differ + self.kernel >= MUST_BE_SEEN;
        Ok(if enough {
            Status::Pass
        } else {
            Status::Finding
        })
    }

    /// Writes the summary, and returns the exit status.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn summary(
        &self,
        began: Instant,
        version: &str,
        args: &LinuxArgs,
        out: &mut dyn Write,
    ) -> io::Result<Status> {
        if args.witnesses {
            return self.witnesses(version, out);
        }
        if args.json {
            let expected = args.expect_accepted;
            let met = self.accepted.report(
                accepted::ACCEPTED,
                self.kernel_version,
                expected,
                &mut io::sink(),
            )?;
            writeln!(out, "{}", self.json(began, version))?;
            return Ok(self.status(met));
        }
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (kind, (count, first)) in kinds {
            writeln!(
                out,
                "{count} x {kind}\n  first in {}\n",
                first.text.replace('\n', "\n    ")
            )?;
        }
        for (refusal, count) in &self.refused {
            writeln!(out, "{count} refused: {refusal}")?;
        }
        let met = self.accepted.report(
            accepted::ACCEPTED,
            self.kernel_version,
            args.expect_accepted,
            out,
        )?;
        let refused: u64 = self.refused.values().sum();
        let (boot, rate) = self.speed(began);
        writeln!(
            out,
            "linux: version={} programs={} same={} differ={} kernel={} known={} refused={refused} unusable={} empty={} \
             guests={} boots={} boot_s={boot:.2} programs/s={:.0}",
            version,
            self.programs,
            self.same,
            self.differ,
            self.kernel,
            self.known,
            self.unusable,
            self.empty,
            self.guests,
            self.boots,
            rate,
        )?;
        Ok(self.status(met))
    }

    /// Whether there was nothing to judge: no file, no program in a folder, and no random program.
    pub fn is_nothing(&self) -> bool {
        let refused = !self.refused.is_empty();
        !refused && !self.interrupted && self.programs + self.unusable == 0
    }

    /// Seconds of one boot, and programs a second outside of boots. Guests boot side by side.
    fn speed(&self, began: Instant) -> (f64, f64) {
        let booting = self.boot_seconds / self.guests.max(1) as f64;
        let seconds = began.elapsed().as_secs_f64() - booting;
        let boot = self.boot_seconds / (self.boots.max(1) as f64);
        (boot, self.programs as f64 / seconds)
    }

    fn json(&self, began: Instant, version: &str) -> Value {
        let (boot, rate) = self.speed(began);
        let refused = self.refused.iter();
        let refused = refused.map(|(why, count)| (why.to_string(), (*count).into()));
        let differences = self.kinds.iter();
        let differences = differences.map(
            |(what, (count, first))| json!({ "what": what, "count": count, "first": first.text }),
        );
        json!({
            "version": version,
            "interrupted": self.interrupted,
            "programs": self.programs,
            "same": self.same,
            "differ": self.differ,
            "kernel": self.kernel,
            "known": self.known,
            "unusable": self.unusable,
            "empty": self.empty,
            "refused": refused.collect::<Map<_, _>>(),
            "differences": differences.collect::<Vec<_>>(),
            "guests": self.guests,
            "boots": self.boots,
            "boot_seconds": boot,
            "programs_per_second": rate,
        })
    }

    /// The exit status. `met` says whether every accepted difference that had to occur did.
    fn status(&self, met: bool) -> Status {
        if self.differ + self.kernel > 0 || !met {
            Status::Finding
        } else if self.unusable > 0 || self.programs == 0 {
            Status::Unusable
        } else {
            Status::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_what_the_summary_says() {
        let mut tally = Tally {
            programs: 3,
            same: 2,
            differ: 1,
            ..Tally::default()
        };
        tally.refused.insert(Refusal::Order, 4);
        let by = |index, text: &str| Example {
            index,
            text: text.to_owned(),
        };
        assert_eq!(tally.note("areas", by(7, "b")), 1);
        assert_eq!(tally.note("areas", by(3, "a")), 2);
        let said = tally.json(Instant::now(), "6.12");
        assert_eq!((&said["programs"], &said["differ"]), (&3.into(), &1.into()));
        assert_eq!(said["interrupted"], false);
        assert_eq!(said["refused"][Refusal::Order.to_string()], 4);
        let differences = json!([{ "what": "areas", "count": 2, "first": "a" }]);
        assert_eq!(said["differences"], differences);
    }

    #[test]
    fn an_accepted_difference_that_never_occurs_fails_a_run_that_is_the_same_otherwise() {
        let mut tally = Tally {
            programs: 1,
            same: 1,
            ..Tally::default()
        };
        let known = accepted::tests::ONE_MORE;
        let status = |tally: &Tally, expected| {
            let met = tally
                .accepted
                .report(known, (6, 12), expected, &mut io::sink());
            tally.status(met.expect("a sink"))
        };
        assert_eq!(status(&tally, true), Status::Finding);
        assert_eq!(status(&tally, false), Status::Pass);
        tally.accepted.note("one-more");
        assert_eq!(status(&tally, true), Status::Pass);
        tally.differ = 1;
        assert_eq!(status(&tally, true), Status::Finding);
    }
}
