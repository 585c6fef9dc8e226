//! Records a run operation by operation: the outcome of each, and what it changed.

use crate::bugs::Bugs;
use crate::run::{Ended, Runner};
use crate::snapshot::{EntryAt, Snapshot};
use crate::watch::operation_line;
use mm_core::{Page, Pfn, State};
use mm_fuzz::describe;
use mm_fuzz::exec::{Observer, Options, Outcome};
use mm_fuzz::program::{Program, Step};
use mm_fuzz::window::Window;
use std::collections::BTreeMap;

/// The state after an operation.
#[derive(Debug)]
pub struct Moment {
    /// The operation and its outcome, in one line.
    pub line: String,
    /// The state.
    pub after: Snapshot,
}

/// A run of a program.
#[derive(Debug)]
pub struct Record {
    /// The operations in the order in which they ended. The one with the finding, if any, is the
    /// last.
    pub moments: Vec<Moment>,
    /// How the run ended.
    pub ended: Ended,
}

struct Recorder<'a> {
    program: &'a Program,
    moments: Vec<Moment>,
    last: Snapshot,
    step: usize,
}

impl Observer for Recorder<'_> {
    fn slice(&mut self, step: usize, _: &State) {
        self.step = step;
    }

    fn ran(&mut self, step: usize, s: &State) {
        self.step = step;
        self.last.take(s);
    }

    fn operation(&mut self, step: usize, op: &Step, outcome: Outcome, s: &State) {
        let mut after = Snapshot::default();
        after.take(s);
        self.moments.push(Moment {
            line: format!("{} {outcome}", operation_line(self.program, step, op)),
            after,
        });
    }
}

impl Record {
    /// Runs `program` with `bugs`.
    pub fn of(program: &Program, bugs: &Bugs) -> Self {
        let mut recorder = Recorder {
            program,
            moments: Vec::new(),
            last: Snapshot::default(),
            step: 0,
        };
        let ended = Runner::new(bugs, Options::default()).run(program, &mut recorder);
        let mut moments = recorder.moments;
        if let Ended::Found(found) = &ended {
            let step = found.step.unwrap_or(recorder.step);
            let line = match program.ops.get(step) {
                Some(op) => operation_line(program, step, op),
                None => format!("{step:>4}  the end of the program"),
            };
            moments.push(Moment {
                line: format!("{line} FINDING"),
                after: recorder.last,
            });
        }
        Self { moments, ended }
    }

    /// What a moment changed, in lines.
    pub fn changes(&self, moment: usize, window: Window) -> Vec<String> {
        let before = moment.checked_sub(1).and_then(|i| self.moments.get(i));
        let nothing = Snapshot::default();
        let before = before.map_or(&nothing, |moment| &moment.after);
        self.moments.get(moment).map_or_else(Vec::new, |moment| {
            differences(before, &moment.after, window)
        })
    }
}

/// Joins two lists by key.
fn join<K: Ord + Copy, V: Copy>(
    before: impl Iterator<Item = (K, V)>,
    after: impl Iterator<Item = (K, V)>,
) -> BTreeMap<K, (Option<V>, Option<V>)> {
    let mut both: BTreeMap<K, (Option<V>, Option<V>)> = BTreeMap::new();
    for (key, value) in before {
        both.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in after {
        both.entry(key).or_default().1 = Some(value);
    }
    both
}

/// The entries, struct pages and links of the reverse map that differ between two states, in lines.
pub fn differences(before: &Snapshot, after: &Snapshot, window: Window) -> Vec<String> {
    let mut lines = Vec::new();
    let entries = |s: &Snapshot| {
        let entries = s.entries().iter();
        let keyed = entries.map(|EntryAt { mm, addr, pte }| ((*mm, *addr), *pte));
        keyed.collect::<Vec<_>>().into_iter()
    };
    for ((mm, addr), (old, new)) in join(entries(before), entries(after)) {
        if old != new {
            let words = |pte: Option<_>| pte.map_or_else(|| "none".to_owned(), describe::entry);
            let place = describe::place(window, mm, addr);
            lines.push(format!("{place}: {} -> {}", words(old), words(new)));
        }
    }
    let never = Page::default();
    let pages = |s: &Snapshot| s.pages().to_vec().into_iter();
    for (pfn, (old, new)) in join(pages(before), pages(after)) {
        let (old, new) = (old.unwrap_or(never), new.unwrap_or(never));
        lines.extend(page_changes(pfn, &old, &new));
    }
    let edges = |s: &Snapshot| s.edges().to_vec().into_iter().map(|edge| (edge, ()));
    for ((vma, anon_vma, mm), (old, new)) in join(edges(before), edges(after)) {
        let what = match (old, new) {
            (None, Some(())) => "linked to",
            (Some(()), None) => "unlinked from",
            _ => continue,
        };
        lines.push(format!("rmap: vma{} of {mm:?} {what} {anon_vma:?}", vma.0));
    }
    lines
}

/// `pfn:1: refs 1 -> 2, +DIRTY`; `None` if nothing changed.
fn page_changes(pfn: Pfn, old: &Page, new: &Page) -> Option<String> {
    let mut words = Vec::new();
    let mut change = |what: &str, old: String, new: String| {
        if old != new {
            words.push(format!("{what} {old} -> {new}"));
        }
    };
    let mapping = |page: &Page| {
        let mapping = page.mapping().map(|anon_vma| format!("{anon_vma:?}"));
        mapping.unwrap_or_else(|| "none".to_owned())
    };
    change("refs", old.refcount.to_string(), new.refcount.to_string());
    change(
        "maps",
        old.folio_mapcount().to_string(),
        new.folio_mapcount().to_string(),
    );
    change("mapping", mapping(old), mapping(new));
    change("index", old.index.to_string(), new.index.to_string());
    change(
        "word",
        format!("{:#x}", old.word),
        format!("{:#x}", new.word),
    );
    for (sign, flags) in [("+", new.flags - old.flags), ("-", old.flags - new.flags)] {
        words.extend(flags.iter_names().map(|(name, _)| format!("{sign}{name}")));
    }
    (!words.is_empty()).then(|| format!("{pfn:?}: {}", words.join(", ")))
}
