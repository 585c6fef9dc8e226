//! Records a run operation by operation: the outcome of each, and what it changed.

use crate::bugs::Bugs;
use crate::operation::OperationLines;
use crate::run::{Ended, Runner};
use crate::snapshot::{AreaAt, EntryAt, Snapshot, named};
use mm_core::{MmId, Page, Pfn, State};
use mm_fuzz::describe;
use mm_fuzz::exec::{MAX_PROCS, Observer, Options, Outcome, Resolved, ShownPage};
use mm_fuzz::program::{Op, Program, Step};
use mm_fuzz::window::Window;
use std::collections::BTreeMap;

/// The state after an operation.
#[derive(Debug)]
pub struct Moment {
    /// The operation and its outcome, in one line.
    pub line: String,
    /// What the operation showed, page by page: the address, and the words.
    pub shown: Vec<(u64, String)>,
    /// Why nothing happened, if that is the outcome of reclaim or compaction.
    pub note: Option<String>,
    /// The state.
    pub after: Snapshot,
}

/// A run of a program.
#[derive(Debug)]
pub struct Record {
    /// The operations in the order in which they ended. If there is a finding, the operation with
    /// the finding comes last.
    pub moments: Vec<Moment>,
    /// How the run ended.
    pub ended: Ended,
}

struct Recorder {
    window: Window,
    lines: OperationLines,
    mms: [Option<MmId>; MAX_PROCS],
    moments: Vec<Moment>,
    last: Snapshot,
    step: usize,
}

impl Observer for Recorder {
    fn slice(&mut self, step: usize, _: &State) {
        self.step = step;
    }

    fn ran(&mut self, step: usize, s: &State) {
        self.step = step;
        self.last.take(s);
    }

    fn begins(&mut self, step: usize, names: &dyn Fn() -> Resolved) {
        self.lines.begins(step, names());
    }

    fn shown(&mut self, pages: &[ShownPage]) {
        self.lines.shown(pages);
    }

    fn processes(&mut self, mms: [Option<MmId>; MAX_PROCS]) {
        self.mms = mms;
    }

    fn operation(&mut self, step: usize, op: &Step, outcome: Outcome, s: &State) {
        let mut after = Snapshot::default();
        after.take(s);
        let (line, words) = (self.lines.line(step, op), self.lines.outcome(outcome));
        let pages = self.lines.pages();
        self.moments.push(Moment {
            line: format!("{line} {words}"),
            shown: pages
                .map(|(addr, shown)| (addr, describe::shown(shown)))
                .collect(),
            note: (outcome == Outcome::Moved(0))
                .then(|| self.stays(step, op.op, &after))
                .flatten(),
            after,
        });
    }
}

impl Recorder {
    /// Describes the page that reclaim or compaction left alone: its place, entry and struct page.
    fn stays(&self, step: usize, op: Op, after: &Snapshot) -> Option<String> {
        let (Op::Reclaim { addr, .. } | Op::Compact { addr, .. }) = op else {
            return None;
        };
        let (mm, addr) = (
            self.mms[self.lines.names(step).proc?]?,
            self.window.addr(addr),
        );
        let pte = after.entry(mm, addr);
        let place = describe::place(self.window, mm, addr);
        let entry = describe::entry(pte);
        let page = named(pte).and_then(|pfn| Some((pfn, after.page(pfn)?)));
        Some(match page {
            None => format!("{place} stays: {entry}"),
            Some((pfn, page)) => {
                let flags = page.flags.iter_names().map(|(name, _)| name);
                let flags = flags.collect::<Vec<_>>().join(", ");
                format!(
                    "{place} stays: {entry}; {pfn:?}: refs {}, maps {}, {flags}",
                    page.refcount,
                    page.folio_mapcount()
                )
            }
        })
    }
}

impl Record {
    /// Runs `program` with `bugs`.
    pub fn of(program: &Program, bugs: &Bugs) -> Self {
        let mut recorder = Recorder {
            window: Window::of(program),
            lines: OperationLines::new(program),
            mms: [None; MAX_PROCS],
            moments: Vec::new(),
            last: Snapshot::default(),
            step: 0,
        };
        let ended = Runner::new(bugs, Options::default()).run(program, &mut recorder);
        let mut moments = recorder.moments;
        if let Ended::Found(found) = &ended {
            let step = found.step.unwrap_or(recorder.step);
            let line = match program.ops.get(step) {
                Some(op) => recorder.lines.line(step, op),
                None => format!("{step:>4}  the end of the program"),
            };
            moments.push(Moment {
                line: format!("{line} FINDING"),
                shown: Vec::new(),
                note: None,
                after: recorder.last,
            });
        }
        Self { moments, ended }
    }

    /// A line for each thing that the operation of a moment changed.
    pub fn changes(&self, moment: usize, window: Window) -> Vec<String> {
        let before = moment.checked_sub(1).and_then(|i| self.moments.get(i));
        let nothing = Snapshot::default();
        let before = before.map_or(&nothing, |moment| &moment.after);
        self.moments.get(moment).map_or_else(Vec::new, |moment| {
            differences(before, &moment.after, window)
        })
    }
}

/// Joins two lists by key: for each key, the value before and the value after.
fn join<K: Ord + Copy, V>(
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

/// A line for each entry, struct page, VMA and link of the reverse map that differs between two
/// states.
pub fn differences(before: &Snapshot, after: &Snapshot, window: Window) -> Vec<String> {
    let mut lines = Vec::new();
    let entries = |s: &Snapshot| {
        let entries = s.entries().iter();
        let keyed = entries.map(|EntryAt { mm, addr, pte, .. }| ((*mm, *addr), *pte));
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
    let areas = |s: &Snapshot| {
        let areas = s.areas().iter();
        let keyed = areas.map(|area| ((area.mm, area.id), area_words(window, area)));
        keyed.collect::<Vec<_>>().into_iter()
    };
    for ((mm, id), (old, new)) in join(areas(before), areas(after)) {
        if old != new {
            let words = |area: Option<String>| area.unwrap_or_else(|| "none".to_owned());
            let (old, new) = (words(old), words(new));
            lines.push(format!("vma{} of {mm:?}: {old} -> {new}", id.0));
        }
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

/// `window pages 0 to 3, rw, account`.
fn area_words(window: Window, area: &AreaAt) -> String {
    let pages = describe::range(window, &area.range);
    format!("{pages}, {}", describe::vma_flags(area.flags))
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
        let mapping = page.anon_vma().map(|anon_vma| format!("{anon_vma:?}"));
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
