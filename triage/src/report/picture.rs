//! A run as a picture: the state after each scheduling step.
//!
//! Columns are slices of the run; rows are tasks, pages of address spaces, and struct pages. A row
//! stores spans: a cell that does not change continues the span before it. Memory is bounded: the
//! picture keeps the first and the last steps of a long run. Of many rows it keeps those that the
//! finding is about, and those that change most.

use super::film::{Column, Film};
use super::state::CellState;
use crate::bugs::Bugs;
use crate::run::{Ended, Runner};
use crate::snapshot::{EntryAt, Huge, named};
use crate::timeline::task_name;
use mm_core::{Entry, MAX_TASKS, MmId, Page, PageFlags, Pfn, Pte, Softleaf};
use mm_fuzz::describe;
use mm_fuzz::exec::Options;
use mm_fuzz::finding;
use mm_fuzz::program::Program;
use mm_fuzz::window::Window;
use serde::Serialize;
use std::collections::BTreeSet;

/// The most rows of one group of pages that are kept.
const MAX_ROWS: usize = 24;

/// A column: one slice of the run.
#[derive(Debug, Serialize)]
pub struct SliceColumn {
    /// The number of the operation in the program; `None` at the end of the program.
    pub operation: Option<usize>,
    /// The first word of the operation, or `end`.
    pub name: String,
    /// The operation had run before, so this is a later slice of it.
    pub continued: bool,
    /// The thread of the operation.
    pub thread: Option<u8>,
    /// The numbers of scheduling points passed before and after the slice.
    pub points: [u32; 2],
    /// The outcome of the operation, if it ended here.
    pub outcome: Option<String>,
    /// The scheduling point at which the operation was preempted, and the thread that went on.
    pub preempted: Option<(u32, u8)>,
    /// What was released from outside the model before the slice, because every task waited.
    pub released: Vec<String>,
    /// The oracles had their finding after this slice.
    pub failed: bool,
}

/// A cell, and the consecutive steps in which it does not change.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first step, by its place among the columns.
    pub from: usize,
    /// The number of steps.
    pub steps: usize,
    /// The state that the cell shows.
    pub state: CellState,
    /// A few characters: the page that an entry names, or references and mappings.
    pub text: String,
    /// All counts and bits.
    pub detail: String,
    /// The page below belongs to the same huge entry.
    pub joined: bool,
}

impl Span {
    fn shows(&self, cell: &Cell) -> bool {
        (self.state, &self.text, &self.detail, self.joined)
            == (cell.state, &cell.text, &cell.detail, cell.joined)
    }
}

/// A row.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The name of the page or task: `page 4`, `dev0:3`, `t1`.
    pub name: String,
    /// The finding is about this row.
    pub about_finding: bool,
    /// The cells of the row, in order, without gaps.
    pub spans: Vec<Span>,
}

/// Rows that belong together.
#[derive(Debug, Serialize)]
pub struct Rows {
    /// What the rows are: tasks, an address space, struct pages.
    pub name: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// The picture of a run.
#[derive(Debug, Serialize)]
pub struct Picture {
    /// The columns.
    pub steps: Vec<SliceColumn>,
    /// The number of columns before the gap, and the number of steps that are left out there.
    pub left_out: Option<(usize, usize)>,
    /// The groups of rows.
    pub groups: Vec<Rows>,
    /// The number of rows that are left out.
    pub rows_left_out: usize,
}

impl Picture {
    /// Runs `program` with `bugs`, and makes its picture.
    pub fn of(program: &Program, bugs: &Bugs) -> Self {
        let mut film = Film::new(program);
        let ended = Runner::new(bugs, Options::default()).run(program, &mut film);
        let found = match &ended {
            Ended::Pass { .. } => None,
            Ended::Found(found) => Some(found),
        };
        let (columns, left_out) = film.end();
        let page = found.and_then(|found| found.page);
        let draft = Draft {
            window: Window::of(program),
            columns: &columns,
            page,
        };
        let (mut groups, mut rows_left_out) = (draft.tasks(program), 0);
        let mut pages = draft.virtual_pages();
        pages.extend(draft.struct_pages());
        for mut group in pages {
            rows_left_out += keep_most_telling(&mut group.rows);
            groups.push(group);
        }
        Self {
            steps: steps(program, &columns, found.is_some()),
            left_out,
            groups,
            rows_left_out,
        }
    }
}

fn steps(program: &Program, columns: &[Column], is_found: bool) -> Vec<SliceColumn> {
    let mut seen = BTreeSet::new();
    let steps = columns.iter().enumerate().map(|(i, column)| {
        let op = program.ops.get(column.step);
        SliceColumn {
            operation: op.map(|_| column.step),
            name: op.map_or("end", |step| step.op.kind().keyword()).to_owned(),
            continued: !seen.insert(column.step),
            thread: op.map(|step| step.thread),
            points: [column.points.0, column.points.1],
            outcome: column.outcome.map(|outcome| outcome.to_string()),
            preempted: column.preempted,
            released: column.released.iter().map(ToString::to_string).collect(),
            failed: is_found && i + 1 == columns.len(),
        }
    });
    steps.collect()
}

/// Keeps the rows that the finding is about, and then the rows that change most. Returns the number
/// of rows that are dropped.
fn keep_most_telling(rows: &mut Vec<Row>) -> usize {
    let surplus = rows.len().saturating_sub(MAX_ROWS);
    if surplus > 0 {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse((rows[*i].about_finding, rows[*i].spans.len())));
        let kept: BTreeSet<usize> = order.into_iter().take(MAX_ROWS).collect();
        let mut i = 0;
        rows.retain(|_| {
            i += 1;
            kept.contains(&(i - 1))
        });
    }
    surplus
}

/// What a cell shows, before cells become spans.
#[derive(PartialEq, Eq)]
struct Cell {
    state: CellState,
    text: String,
    detail: String,
    joined: bool,
}

impl Cell {
    const fn new(state: CellState, text: String, detail: String) -> Self {
        Self {
            state,
            text,
            detail,
            joined: false,
        }
    }
}

struct Draft<'a> {
    window: Window,
    columns: &'a [Column],
    /// The page of the finding.
    page: Option<Pfn>,
}

impl Draft<'_> {
    fn row(&self, name: String, about_finding: bool, cell: impl Fn(&Column) -> Cell) -> Row {
        let mut spans: Vec<Span> = Vec::new();
        for (i, column) in self.columns.iter().enumerate() {
            let unknown = || "the step did not end".to_owned();
            let cell = match column.complete {
                true => cell(column),
                false => Cell::new(CellState::Unknown, String::new(), unknown()),
            };
            match spans.last_mut() {
                Some(last) if last.shows(&cell) => last.steps += 1,
                _ => spans.push(Span {
                    from: i,
                    steps: 1,
                    state: cell.state,
                    text: cell.text,
                    detail: cell.detail,
                    joined: cell.joined,
                }),
            }
        }
        Row {
            name,
            about_finding,
            spans,
        }
    }

    /// The tasks that ever did something. None if the program has one thread, only one task did
    /// something, and no task ever waited.
    fn tasks(&self, program: &Program) -> Vec<Rows> {
        let state = |column: &Column, task: usize| column.tasks[task].state;
        let used = |task: &usize| {
            let mut columns = self.columns.iter();
            columns.any(|column| state(column, *task) != CellState::Idle)
        };
        let used: Vec<usize> = (0..MAX_TASKS).filter(used).collect();
        let mut columns = self.columns.iter();
        let waits =
            columns.any(|column| used.iter().any(|t| state(column, *t) == CellState::Waits));
        if program.threads == 1 && used.len() < 2 && !waits {
            return Vec::new();
        }
        let rows = used.into_iter().map(|task| {
            self.row(task_name(task), false, |column| {
                let stand = &column.tasks[task];
                Cell::new(stand.state, stand.text.clone(), stand.detail.clone())
            })
        });
        vec![Rows {
            name: "tasks".to_owned(),
            rows: rows.collect(),
        }]
    }

    /// The pages that ever had an entry, by address space.
    fn virtual_pages(&self) -> Vec<Rows> {
        let entries = || {
            self.columns
                .iter()
                .flat_map(|column| column.after.entries())
        };
        let places: BTreeSet<(MmId, u64)> = entries().map(|e| (e.mm, e.addr)).collect();
        let mms: BTreeSet<MmId> = places.iter().map(|(mm, _)| *mm).collect();
        let groups = mms.into_iter().map(|mm| {
            let rows = places.iter().filter(|place| place.0 == mm);
            let rows = rows.map(|(_, addr)| self.virtual_page(mm, *addr));
            Rows {
                name: self.process(mm),
                rows: rows.collect(),
            }
        });
        groups.collect()
    }

    /// `p0 (mm0)`: the processes that had the address space.
    fn process(&self, mm: MmId) -> String {
        let slots = self.columns.iter().flat_map(|column| &column.processes);
        let slots = slots.filter(|(_, other)| *other == mm);
        let slots: BTreeSet<String> = slots.map(|(slot, _)| format!("p{slot}")).collect();
        match slots.into_iter().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => format!("{mm:?}"),
            slots => format!("{slots} ({mm:?})"),
        }
    }

    fn virtual_page(&self, mm: MmId, addr: u64) -> Row {
        let entry = |column: &Column| {
            let mut entries = column.after.entries().iter();
            entries.find(|e| (e.mm, e.addr) == (mm, addr)).copied()
        };
        let page_of = |column| entry(column).and_then(|entry| named(entry.pte));
        let mut last = self.columns.iter().rev().take(2);
        let about = self.page.is_some() && last.any(|column| page_of(column) == self.page);
        let name = match self.window.page(addr) {
            Some(page) => format!("page {page}"),
            None => format!("page {addr} (outside the window)"),
        };
        self.row(name, about, |column| {
            let Some(EntryAt { pte, huge, .. }) = entry(column) else {
                return Cell::new(CellState::None, String::new(), "no entry".to_owned());
            };
            let pfn = named(pte);
            // the flags of a huge page are those of its head
            let head = pfn.map(|pfn| Pfn(pfn.0 - huge.map_or(0, |huge| huge.page as u32)));
            let head = head.filter(|_| pfn != Some(Pfn::ZERO)).or(pfn);
            let page = head.and_then(|pfn| column.after.page(pfn));
            virtual_cell(pte, page, huge)
        })
    }

    /// The struct pages that were ever used: first of the system's memory, then of the devices.
    fn struct_pages(&self) -> Vec<Rows> {
        let pages = self.columns.iter().flat_map(|column| column.after.pages());
        let pages: BTreeSet<_> = pages.map(|(pfn, _)| (pfn.zone(), *pfn)).collect();
        // The zero page always exists, so hide its row if the row never changes and the finding is
        // not about the zero page. Hide pages that were only passed over by an allocation.
        let is_unused = |span: &Span| span.state == CellState::None;
        let is_idle = |row: &Row| {
            let zero = row.name == format!("{:?}", Pfn::ZERO) && row.spans.len() < 2;
            !row.about_finding && (zero || row.spans.iter().all(is_unused))
        };
        let rows = pages.into_iter().map(|(_, pfn)| {
            self.row(format!("{pfn:?}"), self.page == Some(pfn), |column| {
                struct_cell(pfn, column)
            })
        });
        let rows: Vec<Row> = rows.filter(|row| !is_idle(row)).collect();
        let group = Rows {
            name: "struct pages".to_owned(),
            rows,
        };
        (!group.rows.is_empty())
            .then_some(group)
            .into_iter()
            .collect()
    }
}

/// The cell of an entry, with the struct page that it names.
fn virtual_cell(pte: Pte, page: Option<&Page>, huge: Option<Huge>) -> Cell {
    let is_free = page.is_some_and(|page| page.has(PageFlags::FREE));
    let state = match pte.decode() {
        Entry::None => CellState::None,
        Entry::Present(present) if present.pfn() == Pfn::ZERO => CellState::Zero,
        Entry::Leaf(leaf) => match leaf.softleaf() {
            None => CellState::Unknown,
            Some(Softleaf::Swap(_)) => CellState::Swapped,
            Some(_) if is_free => CellState::Freed,
            Some(Softleaf::Migration(_)) => CellState::Migration,
            Some(Softleaf::DevicePrivate { .. }) => CellState::DevicePrivate,
            Some(Softleaf::DeviceExclusive { .. }) => CellState::Exclusive,
        },
        Entry::Present(_) if is_free => CellState::Freed,
        Entry::Present(_) if page.is_none() => CellState::Unknown,
        Entry::Present(_) if page.is_some_and(Page::anon_exclusive) => CellState::Anonymous,
        Entry::Present(_) => CellState::Shared,
    };
    let write = match pte.decode() {
        Entry::Present(present) => present.write(),
        Entry::Leaf(leaf) => matches!(
            leaf.softleaf(),
            Some(
                Softleaf::DevicePrivate { write: true, .. }
                    | Softleaf::DeviceExclusive { write: true, .. }
            )
        ),
        Entry::None => false,
    };
    let target = match (named(pte), pte.decode()) {
        (Some(Pfn::ZERO), _) => "zero".to_owned(),
        (Some(pfn), _) => format!("{pfn:?}"),
        (None, Entry::Leaf(leaf)) => match leaf.softleaf() {
            Some(Softleaf::Swap(slot)) => format!("{slot:?}"),
            _ => String::new(),
        },
        (None, _) => String::new(),
    };
    let exclusive = if page.is_some_and(Page::anon_exclusive) {
        ", page exclusive"
    } else {
        ""
    };
    let place = huge.map(|huge| format!("page {} of {} of a huge entry: ", huge.page, huge.pages));
    let place = place.unwrap_or_default();
    Cell {
        state,
        text: format!("{target}{}", if write { " w" } else { "" }),
        detail: format!("{place}{}{exclusive}", describe::entry(pte)),
        joined: huge.is_some_and(|huge| huge.page + 1 < huge.pages),
    }
}

/// The cell of a struct page, by its own state and by the entries that name it. A page of a large
/// folio, other than the first one, has no references of its own.
fn struct_cell(pfn: Pfn, column: &Column) -> Cell {
    let Some(page) = column.after.page(pfn) else {
        return Cell::new(CellState::None, String::new(), "never used".to_owned());
    };
    let head = Pfn(pfn.0 - page.tail_offset);
    let is_tail = head != pfn;
    let entries = column.after.entries_of(pfn);
    let is_exclusive = |pfn| column.after.page(pfn).is_some_and(Page::anon_exclusive);
    let leaf = |wanted: fn(Softleaf) -> bool| {
        let mut leaves = entries.iter().filter_map(|e| match e.pte.decode() {
            Entry::Leaf(leaf) => leaf.softleaf(),
            _ => None,
        });
        leaves.any(wanted)
    };
    let state = if pfn == Pfn::ZERO {
        CellState::Zero
    } else if page.has(PageFlags::FREE) {
        CellState::Freed
    } else if !is_tail && page.refcount == 0 && entries.is_empty() {
        CellState::None
    } else if pfn.zone() > mm_core::DEVICES {
        CellState::Unknown
    } else if leaf(|leaf| matches!(leaf, Softleaf::Migration(_))) {
        CellState::Migration
    } else if leaf(|leaf| matches!(leaf, Softleaf::DeviceExclusive { .. })) {
        CellState::Exclusive
    } else if entries.is_empty() && page.has(PageFlags::SWAPCACHE) {
        CellState::Swapped
    } else if entries.is_empty() {
        CellState::Held
    } else if pfn.device().is_some() {
        CellState::DevicePrivate
    } else if page.anon_exclusive()
        || entries.iter().any(|e| e.huge.is_some()) && is_exclusive(head)
    {
        CellState::Anonymous
    } else {
        CellState::Shared
    };
    let locked = if page.has(PageFlags::LOCKED) {
        " L"
    } else {
        ""
    };
    let text = match state {
        CellState::Zero | CellState::Freed if page.refcount == 0 && page.folio_mapcount() == 0 => {
            String::new()
        }
        _ if is_tail => format!("of {head:?}"),
        _ => format!("{}/{}{locked}", page.refcount, page.folio_mapcount()),
    };
    let described = finding::describe(pfn, page);
    let detail = described
        .split_once(": ")
        .map_or(&*described, |(_, rest)| rest);
    Cell::new(state, text, format!("{detail}, named by {}", entries.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(program: &str) -> Picture {
        let program = mm_fuzz::program::text::parse(program).expect("a program");
        Picture::of(&program, &Bugs::default())
    }

    /// `name: states` for each row of pages. Consecutive equal states count once.
    fn rows(picture: &Picture) -> Vec<String> {
        let rows = picture.groups.iter().flat_map(|group| &group.rows);
        let rows = rows.map(|row| {
            let states = row.spans.iter().map(|span| match span.state.letter() {
                "" => ".",
                letter => letter,
            });
            format!("{}: {}", row.name, states.collect::<String>())
        });
        rows.collect()
    }

    #[test]
    fn a_page_goes_to_a_device_and_comes_home() {
        let picture =
            picture("mmap p0 4 1 rw\nwrite p0 4\nmigrate p0 4 1 d0\nread p0 4\nmunmap p0 4 1\n");
        assert_eq!(
            rows(&picture)[..3],
            ["page 4: .ADA.", "pfn:1: .AFAF", "dev0:0: .DF"]
        );
        assert!(picture.steps.iter().all(|step| !step.failed));
    }

    #[test]
    fn the_cells_of_a_huge_entry_are_joined_until_it_splits() {
        let picture = picture("thp always\nmmap p0 0 8 rw\nwrite p0 0\ndontneed p0 7 1\n");
        let joined = |column: usize| {
            let rows = picture.groups[0].rows.iter();
            let spans = rows.map(move |row| &row.spans[column]);
            spans.map(|span| (span.state.letter(), span.joined))
        };
        let huge: Vec<_> = joined(1).collect();
        assert_eq!(huge[..7], [("A", true); 7]);
        assert_eq!(huge[7], ("A", false), "the last page");
        let split: Vec<_> = joined(2).collect();
        assert_eq!(split[..7], [("A", false); 7]);
        assert_eq!(split[7], ("", false));
        let head = &picture.groups[1].rows[0];
        assert_eq!(head.name, "pfn:8", "pages that were never used have no row");
        assert_eq!(picture.groups[1].rows[1].spans[1].text, "of pfn:8");
    }

    #[test]
    fn every_state_has_its_letter() {
        let picture = picture(
            "mmap p0 0 4 rw\nread p0 0\nwrite p0 1\nwrite p0 2\nwrite p0 3\nreclaim p0 1\n\
             exclusive d0 p0 2 1\nsetup p0 3 1 d0 to-dev\nfork p0\n",
        );
        let rows = rows(&picture);
        let seen: BTreeSet<char> = rows.iter().flat_map(|row| row.chars()).collect();
        for letter in "ZASEMC".chars() {
            assert!(seen.contains(&letter), "{letter}: {rows:#?}");
        }
    }

    #[test]
    fn a_long_run_is_cut_and_so_are_many_rows() {
        let program = "mmap p0 0 32 rw\n".to_owned()
            + &(0..32)
                .map(|i| format!("write p0 {i}\n"))
                .collect::<String>()
            + &"read p0 0\n".repeat(40);
        let picture = picture(&program);
        assert_eq!(picture.steps.len(), 40);
        let (before, count) = picture.left_out.expect("some are left out");
        assert_eq!(before, 12);
        assert!(count >= 73 - 40, "{count}");
        assert!(
            picture
                .groups
                .iter()
                .all(|group| group.rows.len() <= MAX_ROWS)
        );
        assert!(picture.rows_left_out > 0);
        for row in picture.groups.iter().flat_map(|group| &group.rows) {
            let steps: usize = row.spans.iter().map(|span| span.steps).sum();
            assert_eq!(steps, 40, "{}", row.name);
        }
    }
}
