//! Differences between the model and Linux 6.12 that are understood and stay.
//!
//! Each says in which kernel function it arises and why the model does not follow. `mm-triage linux`
//! counts how often each occurs; one that `make linux-diff` no longer meets fails the run.

use mm_linux_protocol::Entry;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// An accepted difference.
#[derive(Debug)]
pub struct Accepted {
    /// Its name.
    pub name: &'static str,
    /// The kernel function.
    pub function: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Is it what an entry of the model's and the kernel's differ in?
    pub explains: fn(model: &Entry, linux: &Entry) -> bool,
}

/// All of them: none. What was found so far was a mistake of the model's or of the driver's and is mended,
/// or belongs to 6.12 and is in `mm_core::Release`.
pub const ACCEPTED: &[Accepted] = &[];

/// The name of the accepted difference that a pair of entries shows.
pub fn entry(list: &[Accepted], model: &Entry, linux: &Entry) -> Option<&'static str> {
    let known = list.iter().find(|known| (known.explains)(model, linux));
    known.map(|known| known.name)
}

/// How often each occurred.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// One occurred.
    pub fn note(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// Writes a line for each. False if one never occurred and all were expected to.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn report(
        &self,
        list: &[Accepted],
        expected: bool,
        out: &mut dyn Write,
    ) -> io::Result<bool> {
        let mut all = true;
        for known in list {
            let count = self.0.get(known.name).copied().unwrap_or_default();
            let missing = count == 0 && expected;
            all &= !missing;
            let note = if missing { "NO LONGER THERE: " } else { "" };
            writeln!(
                out,
                "{note}{count} x accepted: {} ({}): {}",
                known.name, known.function, known.reason
            )?;
        }
        Ok(all)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A list with one: the kernel has a reference more.
    pub const ONE_MORE: &[Accepted] = &[Accepted {
        name: "one-more",
        function: "folio_get",
        reason: "for a test",
        explains: |model, linux| {
            let counted = Entry {
                refs: model.refs + 1,
                ..*model
            };
            counted == *linux
        },
    }];

    #[test]
    fn one_explains_what_it_says_and_nothing_else() {
        let model = Entry::default();
        let more = |refs, maps| Entry {
            refs,
            maps,
            ..model
        };
        assert_eq!(entry(ONE_MORE, &model, &more(1, 0)), Some("one-more"));
        assert_eq!(entry(ONE_MORE, &model, &more(2, 0)), None);
        assert_eq!(entry(ONE_MORE, &model, &more(1, 1)), None);
        assert_eq!(entry(ACCEPTED, &model, &more(1, 0)), None);
    }

    #[test]
    fn one_that_occurs_is_counted_and_one_that_does_not_is_missed() {
        let mut counts = Counts::default();
        let report = |counts: &Counts, expected| {
            let mut out = Vec::new();
            let all = counts.report(ONE_MORE, expected, &mut out).expect("memory");
            (all, String::from_utf8(out).expect("text"))
        };
        let line = "one-more (folio_get): for a test\n";
        let missing = format!("NO LONGER THERE: 0 x accepted: {line}");
        assert_eq!(report(&counts, true), (false, missing));
        assert_eq!(
            report(&counts, false),
            (true, format!("0 x accepted: {line}"))
        );
        counts.note("one-more");
        counts.note("one-more");
        assert_eq!(
            report(&counts, true),
            (true, format!("2 x accepted: {line}"))
        );
    }
}
