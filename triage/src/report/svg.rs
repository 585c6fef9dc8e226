//! The picture as SVG: a grid for assistive technology, with colour, pattern and letter for each
//! state.
//!
//! Only one cell is in the tab order. If an arrow key is pressed, report/script.js puts another
//! cell in its place.

use super::picture::{Picture, Row, SliceColumn, Span};
use super::state::CellState;
use maud::{Markup, html};

/// Width of the names of rows, in pixels.
const LABEL: usize = 92;
/// Width of a step, in pixels.
const STEP: usize = 84;
/// Height of a row, in pixels.
const ROW: usize = 26;
/// Height of the name of a group of rows, in pixels.
const GROUP: usize = 24;
/// Width of a character of the small text, in tenths of a pixel.
const CHARACTER: usize = 66;

/// The patterns of all pictures of a page.
pub fn patterns() -> Markup {
    let line = |d: &str| html! { path d=(d) {} };
    let dot = |r: &str| html! { circle cx="4" cy="4" r=(r) {} };
    let pattern = |state: CellState, ink: Markup| {
        html! {
            pattern id=(format!("p-{}", state.class())) class=(state.class()) width="8" height="8"
                patternUnits="userSpaceOnUse" {
                rect width="8" height="8" {}
                (ink)
            }
        }
    };
    html! {
        svg width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                (pattern(CellState::Zero, dot("1")))
                (pattern(CellState::Anonymous, html! {}))
                (pattern(CellState::Shared, line("M-2 10 10 -2M-2 2 2 -2M6 10 10 6")))
                (pattern(CellState::Migration, line("M0 6 4 2 8 6")))
                (pattern(CellState::DevicePrivate, line("M4 0V8")))
                (pattern(CellState::Exclusive, line("M0 4H8M4 0V8")))
                (pattern(CellState::Swapped, line("M0 4H8")))
                (pattern(CellState::Held, dot("2")))
                (pattern(CellState::Unknown, line("M0 0 8 8M8 0 0 8")))
                (pattern(CellState::Waits, line("M-2 -2 10 10M-2 6 2 10M6 -2 10 2")))
            }
        }
    }
}

/// A state by itself, for the legend.
pub fn swatch(state: CellState) -> Markup {
    html! {
        svg.swatch width="26" height="20" viewBox="0 0 26 20" aria-hidden="true" {
            g class=(format!("cell {}", state.class())) {
                rect x="1" y="1" width="24" height="18" {}
                @if state.letter().is_empty() { path.line d="M2 10H24" {} }
                text.letter x="13" y="14.5" text-anchor="middle" { (state.letter()) }
            }
        }
    }
}

/// The positions of the parts.
struct Layout {
    several_threads: bool,
    /// Height of the heads of the columns.
    head: usize,
    /// The top of each group of rows.
    tops: Vec<usize>,
    width: usize,
    height: usize,
}

impl Layout {
    fn of(picture: &Picture) -> Self {
        let is_raced = picture.steps.iter().any(|step| step.preempted.is_some());
        let head = if is_raced { 54 } else { 38 };
        let mut bottom = head;
        let tops = picture.groups.iter().map(|group| {
            let top = bottom;
            bottom += GROUP + group.rows.len() * ROW;
            top
        });
        let threads = picture.steps.iter().filter_map(|step| step.thread);
        Self {
            several_threads: threads.max() > Some(0),
            head,
            tops: tops.collect(),
            width: LABEL + picture.steps.len() * STEP + 2,
            height: bottom + 26,
        }
    }
}

const fn x(step: usize) -> usize {
    LABEL + step * STEP
}

/// Draws the picture; `label` is its name for screen readers.
pub fn draw(picture: &Picture, label: &str, failure: &str) -> Markup {
    let layout = Layout::of(picture);
    let (width, height) = (layout.width, layout.height);
    let mut first = true;
    html! {
        svg.picture role="grid" aria-label=(label) aria-readonly="true" width=(width) height=(height)
            viewBox=(format!("0 0 {width} {height}")) {
            g role="row" {
                g.head role="columnheader" { text.small x="6" y="15" { "step" } }
                @for (i, step) in picture.steps.iter().enumerate() { (head(i, step, &layout)) }
            }
            @for (group, top) in picture.groups.iter().zip(&layout.tops) {
                text.group x="0" y=(top + 17) aria-hidden="true" { (group.name) }
                @for (i, row) in group.rows.iter().enumerate() {
                    (draw_row(row, &group.name, top + GROUP + i * ROW, &picture.steps, &mut first))
                }
            }
            (marks(picture, failure, &layout))
        }
    }
}

/// The head of a column: the operation, then its thread and its outcome.
fn head(i: usize, step: &SliceColumn, layout: &Layout) -> Markup {
    let title = step_title(i, step);
    let number = step.operation.map(|i| format!("{i} ")).unwrap_or_default();
    let thread = step.thread.filter(|_| layout.several_threads);
    let mut under: Vec<String> = thread.map(|t| format!("t{t}")).into_iter().collect();
    under.extend(step.outcome.clone());
    if step.failed {
        under.push("✗ finding".to_owned());
    }
    html! {
        g.head.failed[step.failed] role="columnheader" {
            title { (title) }
            rect.hidden x=(x(i)) y="0" width=(STEP) height=(layout.head) {}
            g aria-hidden="true" {
                text.op.continued[step.continued] x=(x(i) + 5) y="15" { (number) (fit(&step.name, 10)) }
                text.small x=(x(i) + 5) y="31" { (fit(&under.join(" "), 12)) }
            }
        }
    }
}

/// All of a step, for a tooltip.
pub fn step_title(i: usize, step: &SliceColumn) -> String {
    let mut title = format!("step {i}: ");
    match (step.operation, step.continued) {
        (None, _) => title += "end of the program",
        (Some(op), false) => title += &format!("operation {op}, {}", step.name),
        (Some(op), true) => title += &format!("operation {op}, {}, goes on", step.name),
    }
    if let Some(thread) = step.thread {
        title += &format!(", thread t{thread}");
    }
    title += &format!(
        ", scheduling points {} to {}",
        step.points[0], step.points[1]
    );
    if let Some(outcome) = &step.outcome {
        title += &format!(", says {outcome}");
    }
    if let Some((point, to)) = step.preempted {
        title += &format!(", preempted at point {point} for t{to}");
    }
    for released in &step.released {
        title += &format!(", {released}");
    }
    if step.failed {
        title += ", here is the finding";
    }
    title
}

fn draw_row(row: &Row, group: &str, y: usize, steps: &[SliceColumn], first: &mut bool) -> Markup {
    let name = format!("{}{}", if row.about_finding { "✗ " } else { "" }, row.name);
    html! {
        g.about[row.about_finding] role="row" {
            text.name role="rowheader" x="6" y=(y + 17) aria-label=(format!("{group}, {name}")) { (fit(&name, 11)) }
            @for span in &row.spans { (cell(span, row, y, steps, std::mem::take(first))) }
        }
    }
}

/// All of a cell, for a tooltip: `page 4, 1 migrate to 3 read: device-private: …`.
fn cell_title(span: &Span, row: &Row, steps: &[SliceColumn]) -> String {
    let last = span.from + span.steps - 1;
    let operation = |i: usize| {
        let step = steps.get(i)?;
        Some(
            step.operation
                .map_or("end".to_owned(), |op| format!("{op} {}", step.name)),
        )
    };
    let (from, to) = (operation(span.from), operation(last));
    let when = match (from, to) {
        (Some(from), Some(to)) if span.steps > 1 => format!("{from} to {to}"),
        (from, _) => from.unwrap_or_default(),
    };
    let detail = match span.detail.is_empty() {
        true => String::new(),
        false => format!(": {}", span.detail),
    };
    format!("{}, {when}: {}{detail}", row.name, span.state.words())
}

fn cell(span: &Span, row: &Row, y: usize, steps: &[SliceColumn], is_first: bool) -> Markup {
    let (left, width) = (x(span.from), span.steps * STEP);
    let title = cell_title(span, row, steps);
    // An empty cell is part of the order of cells, but shows only a line.
    let room = (width - 28) * 10 / CHARACTER;
    let height = if span.joined { ROW } else { ROW - 2 };
    html! {
        g class=(format!("cell {}", span.state.class())) role="gridcell" aria-colspan=(span.steps)
            tabindex=(if is_first { "0" } else { "-1" }) {
            title { (title) }
            rect x=(left + 1) y=(y + 1) width=(width - 2) height=(height) rx="3" {}
            @if matches!(span.state, CellState::None | CellState::Idle) {
                path.line d=(format!("M{} {}h{}", left + 8, y + ROW / 2, width - 16)) {}
            } @else {
                g aria-hidden="true" {
                    text.letter x=(left + 7) y=(y + 18) { (span.state.letter()) }
                    text.small x=(left + 24) y=(y + 17) { (fit(&span.text, room)) }
                }
            }
        }
    }
}

/// Lines across all rows for preemptions, left-out steps, and the finding.
fn marks(picture: &Picture, failure: &str, layout: &Layout) -> Markup {
    let bottom = layout.height - 24;
    html! {
        g.marks aria-hidden="true" {
            @for (i, step) in picture.steps.iter().enumerate() {
                @if let Some((point, to)) = step.preempted {
                    path.preempted d=(format!("M{} 40V{bottom}", x(i + 1))) {}
                    text.small.preempted text-anchor="end" x=(x(i + 1) - 3) y="49" { "@" (point) " ▸ t" (to) }
                }
                @if !step.released.is_empty() {
                    path.released d=(format!("M{} 20V{bottom}", x(i))) {}
                }
                @if step.failed {
                    rect.failed x=(x(i) - 1) y="1" width=(STEP + 2) height=(bottom) rx="4" {}
                    text.failed x=(x(i) + STEP) y=(layout.height - 7) text-anchor="end" { "✗ " (failure) }
                }
            }
            @if let Some((before, count)) = picture.left_out {
                path.gap d=(format!("M{} 0V{bottom}", x(before))) {}
                text.small x=(x(before) + 4) y=(layout.height - 7) { (count) " steps left out" }
            }
        }
    }
}

/// The text, cut if it is longer than `room` characters.
fn fit(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let head: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{head}…")
}
