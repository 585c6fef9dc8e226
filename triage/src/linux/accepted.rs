//! Differences between the model and Linux that are understood and stay.
//!
//! Each says in which kernel function it arises and why the model does not follow. `mm-triage
//! linux` counts how often each occurs. `make linux-diff` fails if one no longer occurs, unless
//! only programs with huge pages show it.

use super::known::{FIRST, OPEN, Version};
use mm_fuzz::program::{Op, Program, Thp};
use mm_linux_protocol::SeenEntry;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

/// An accepted difference.
#[derive(Debug)]
pub struct Accepted {
    /// Its name.
    pub name: &'static str,
    /// The kernel function.
    pub function: &'static str,
    /// Why it arises.
    pub reason: &'static str,
    /// The kernels that have it.
    pub kernels: Range<Version>,
    /// Only programs with huge pages show it, and the judge runs those on request.
    pub huge: bool,
    /// How it shows.
    pub sign: Sign,
}

/// How a difference shows.
#[derive(Debug)]
pub enum Sign {
    /// An entry of the model differs from the kernel's as this function says.
    #[cfg_attr(not(test), expect(dead_code, reason = "there is none at present"))]
    Entry(fn(model: &SeenEntry, linux: &SeenEntry) -> bool),
    /// The guest ends in a program like this, and one line of its console has all of these words.
    Death(fn(&Program) -> bool, &'static [&'static str]),
}

/// All accepted differences. Any other difference found so far was a mistake of the model or the
/// driver and is fixed, or it is a rule of some kernels (`mm_core::Rules`) or a bug that they have
/// (`known.rs`).
pub const ACCEPTED: &[Accepted] = &[
    Accepted {
        name: "expansion-leaves-iterator",
        function: "vma_merge_new_range",
        reason: "vmg->vma is cleared before it is compared with prev, so the iterator is not set back after an \
                 expansion that ran out of memory, and vma_iter_store warns; 7.0 does not have these lines",
        kernels: FIRST..(7, 0),
        huge: false,
        sign: Sign::Death(
            has_failure,
            &["WARNING:", "maple_tree.h", " __mmap_region+"],
        ),
    },
    Accepted {
        name: "expansion-moves-iterator",
        function: "vma_merge_new_range",
        reason: "the iterator moves to prev before the expansion, and nothing moves it back when memory runs out; \
                 __mmap_new_vma, which is inlined, stores there, and vma_iter_store warns",
        kernels: (7, 2)..OPEN,
        huge: false,
        sign: Sign::Death(
            has_failure,
            &["WARNING:", "maple_tree.h", " __mmap_region+"],
        ),
    },
    Accepted {
        name: "shared-huge-warns",
        function: "remove_migration_pmd",
        reason: "a check under DEBUG_VM calls pmd_write on a device-private entry; pmd_write takes the entry's \
                 soft-dirty bit for the write bit: docs/found/device-huge-shared-warning.c",
        kernels: (7, 3)..OPEN,
        huge: true,
        sign: Sign::Death(
            shares_huge_pages,
            &["WARNING:", "huge_memory.c", " remove_migration_pmd+"],
        ),
    },
    Accepted {
        name: "split-shared-huge-dies",
        function: "remove_migration_pte",
        reason: "the driver has small pages for a huge page that another process maps, and the huge migration entry of that \
                 process names a small folio: docs/found/device-huge-split-shared.c",
        kernels: (7, 3)..OPEN,
        huge: true,
        sign: Sign::Death(shares_huge_pages, &["kernel BUG at mm/migrate.c:368!"]),
    },
];

/// The name of the accepted difference that a pair of entries shows.
pub fn entry(list: &[Accepted], model: &SeenEntry, linux: &SeenEntry) -> Option<&'static str> {
    let known = list.iter().find(|known| match known.sign {
        Sign::Entry(explains) => explains(model, linux),
        Sign::Death(..) => false,
    });
    known.map(|known| known.name)
}

/// Whether the program makes an allocation fail.
fn has_failure(program: &Program) -> bool {
    let mut steps = program.ops.iter();
    steps.any(|step| matches!(step.op, Op::Fail { .. }))
}

/// Whether the program may map huge pages, and has a fork anywhere.
fn shares_huge_pages(program: &Program) -> bool {
    let mut steps = program.ops.iter();
    program.thp != Thp::Never && steps.any(|step| matches!(step.op, Op::Fork { .. }))
}

/// The name of this kernel's accepted difference that explains why a guest ended, if any.
pub fn death(
    list: &[Accepted],
    kernel: Version,
    program: &Program,
    why: &str,
) -> Option<&'static str> {
    let mut of_kernel = list.iter().filter(|known| known.kernels.contains(&kernel));
    let known = of_kernel.find(|known| match known.sign {
        Sign::Entry(_) => false,
        Sign::Death(of, words) => of(program) && words.iter().all(|word| why.contains(word)),
    });
    known.map(|known| known.name)
}

/// How often each accepted difference occurred.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Counts one occurrence.
    pub fn note(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// Writes a line for each accepted difference of this kernel. A difference that only programs
    /// with huge pages show gets a line only if it occurred. Returns false if all others were
    /// `expected` to occur and one did not.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn report(
        &self,
        list: &[Accepted],
        kernel: Version,
        expected: bool,
        out: &mut dyn Write,
    ) -> io::Result<bool> {
        let mut all = true;
        for known in list.iter().filter(|known| known.kernels.contains(&kernel)) {
            let count = self.0.get(known.name).copied().unwrap_or_default();
            if known.huge && count == 0 {
                continue;
            }
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
    use mm_fuzz::program::text;

    /// A list with one difference: the kernel has one reference more than the model.
    pub const ONE_MORE: &[Accepted] = &[Accepted {
        name: "one-more",
        function: "folio_get",
        reason: "for a test",
        kernels: FIRST..(7, 0),
        huge: false,
        sign: Sign::Entry(|model, linux| {
            let counted = SeenEntry {
                refs: model.refs + 1,
                ..*model
            };
            counted == *linux
        }),
    }];

    #[test]
    fn one_explains_what_it_says_and_nothing_else() {
        let model = SeenEntry::default();
        let more = |refs, maps| SeenEntry {
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
    fn a_death_is_accepted_of_its_kernel_and_of_programs_that_can_have_it() {
        let why =
            "WARNING: CPU: 0 PID: 31 at include/linux/maple_tree.h:737 __mmap_region+0x606/0xbc0";
        let fails = text::parse("fail avc 2\nmmap p0 0 1 rw\n").expect("a program");
        let plain = text::parse("mmap p0 0 1 rw\n").expect("a program");
        let of = |kernel, program, why| death(ACCEPTED, kernel, program, why);
        let known = Some("expansion-leaves-iterator");
        assert_eq!(of((6, 12), &fails, why), known);
        assert_eq!(of((7, 1), &fails, why), None);
        assert_eq!(of((6, 12), &plain, why), None);
        assert_eq!(of((6, 12), &fails, "WARNING: at mm/rmap.c:9"), None);
        assert_eq!(death(ONE_MORE, (6, 12), &fails, why), None);
        let why = "WARNING: mm/huge_memory.c:5187 at remove_migration_pmd+0x310/0x580";
        let shares = text::parse("thp always\nmmap p0 0 8 rw\nfork p0\n").expect("a program");
        assert_eq!(of((7, 3), &shares, why), Some("shared-huge-warns"));
        assert_eq!(of((7, 3), &plain, why), None);
    }

    #[test]
    fn one_that_occurs_is_counted_and_one_that_does_not_is_missed() {
        let mut counts = Counts::default();
        let report = |counts: &Counts, expected| {
            let mut out = Vec::new();
            let list = ONE_MORE;
            let all = counts.report(list, (6, 12), expected, &mut out);
            let all = all.expect("memory");
            (all, String::from_utf8(out).expect("text"))
        };
        let line = "one-more (folio_get): for a test\n";
        let missing = format!("NO LONGER THERE: 0 x accepted: {line}");
        assert_eq!(report(&counts, true), (false, missing));
        assert_eq!(
            report(&counts, false),
            (true, format!("0 x accepted: {line}"))
        );
        // A kernel outside of the range does not have the difference.
        let newer = counts.report(ONE_MORE, (7, 1), true, &mut io::sink());
        assert!(newer.expect("a sink"));
        counts.note("one-more");
        counts.note("one-more");
        assert_eq!(
            report(&counts, true),
            (true, format!("2 x accepted: {line}"))
        );
    }
}
