//! `report.html`: a self-contained page. `maud` escapes all text and every attribute.

use super::contents::{Cluster, Report};
use super::kernel::KernelFinding;
use super::picture::Picture;
use super::state::CellState;
use super::svg::{draw, patterns, step_title, swatch};
use crate::explain::Explanation;
use crate::page::{self, Script, counted};
use maud::{Markup, html};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// SHA-256 of the script, in base64. A test compares it with the script.
const SCRIPT_HASH: &str = "g62Yy99a1p9DNhBLiBB8wFt8D0yFzgdKY/Jq15tBnVY=";

/// A picture with at most this many steps fits beside the program.
const BESIDE: usize = 6;

/// Renders the report.
pub fn render(report: &Report) -> String {
    let body = html! {
        (patterns())
        (header(report))
        main {
            @if !report.clusters.is_empty() { (index(report)) (legend()) }
            @for (i, cluster) in report.clusters.iter().enumerate() { (section(i + 1, cluster)) }
            @for (i, finding) in report.on_linux.iter().enumerate() { (on_linux(i + 1, finding)) }
            (unusable(report))
        }
        footer { (report.tool) "; report.json has all of this, in the format that docs/report.schema.json describes." }
    };
    let script = Some(Script {
        text: SCRIPT,
        hash: SCRIPT_HASH,
    });
    page::render(&report.title(), STYLE, script, &body)
}

fn header(report: &Report) -> Markup {
    html! {
        header {
            h1 { (report.title()) }
            p { (report.sums()) "." @if !report.zoo.is_empty() { " With the bugs " code { (report.zoo) } "." } }
            @if report.interrupted {
                p.warning role="note" { "Interrupted: not all files were looked at." }
            }
        }
    }
}

fn index(report: &Report) -> Markup {
    html! {
        // On a phone the style sheet gives the table another display value. Because of the roles,
        // assistive technology still treats it as a table.
        nav aria-label="Clusters" {
            table.index role="table" {
                thead role="rowgroup" { tr role="row" {
                    th scope="col" role="columnheader" { "cluster" }
                    th scope="col" role="columnheader" { "invariant" }
                    th scope="col" role="columnheader" { "where it first was broken, or how" }
                    th.number scope="col" role="columnheader" { "files" }
                    th.number scope="col" role="columnheader" { "operations" }
                } }
                tbody role="rowgroup" {
                    @for cluster in &report.clusters {
                        tr role="row" {
                            td role="cell" { a href=(format!("#c-{}", cluster.id)) { code { (cluster.id) } } (badges(cluster)) }
                            td role="cell" { (cluster.invariant) }
                            td role="cell" {
                                @if cluster.is_in_a_function { code { (cluster.place) } } @else { (cluster.place) }
                            }
                            td.number role="cell" { (with_unit(cluster.files, "file")) }
                            td.number role="cell" { (with_unit(cluster.operations, "operation")) }
                        }
                    }
                }
            }
            @if report.clusters_left_out > 0 {
                p { (counted(report.clusters_left_out, "more cluster")) " in clusters.json." }
            }
        }
    }
}

/// A number and its unit, for layouts where the table has no head.
fn with_unit(count: usize, what: &str) -> Markup {
    let text = counted(count, what);
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    html! { (count) span.unit { (unit) } }
}

fn badges(cluster: &Cluster) -> Markup {
    html! {
        @if cluster.stands_out { " " span.badge.new { "new" } }
        @if cluster.race { " " span.badge { "race" } }
    }
}

fn legend() -> Markup {
    html! {
        section.legend aria-labelledby="legend" {
            h2 #legend { "How to read the pictures" }
            ul {
                @for state in CellState::LEGEND { li { (swatch(state)) (state.words()) } }
            }
            p {
                "A column is a scheduling step. A row is a page of an address space, a struct page, or a task. The cell of an entry "
                "shows the page that it names, and " code { "w" } " if it is writable. Cells of one huge entry touch. The cell of a struct page shows "
                "references/mappings, and " code { "L" } " if it is locked. " code { "✗" } " marks what the finding is about. A dashed "
                "line is a preemption, with the scheduling point and the thread that goes on. Point at a cell, or go there with the "
                "arrow keys, for all counts and bits."
            }
        }
    }
}

fn section(number: usize, cluster: &Cluster) -> Markup {
    let is_wide = cluster
        .picture
        .as_ref()
        .is_some_and(|picture| picture.steps.len() > BESIDE);
    html! {
        section.cluster id=(format!("c-{}", cluster.id)) aria-labelledby=(format!("h-{}", cluster.id)) {
            h2 id=(format!("h-{}", cluster.id)) {
                span.ordinal { (number) } " " (cluster.invariant) (badges(cluster))
            }
            @if let Some(rule) = &cluster.rule { p.rule { "What must hold: " (backquoted(rule)) } }
            @if let Some(warning) = cluster.warning() { p.warning role="note" { (warning) } }
            div.columns.stacked[is_wide] {
                div.left { (program(cluster)) }
                div.right {
                    @if let Some(picture) = &cluster.picture { (figure(cluster, picture)) }
                    @if let Some(explanation) = &cluster.explanation { (changes(explanation)) }
                    (files(cluster))
                }
                div.below { (facts(cluster)) }
            }
        }
    }
}

/// A finding on a real Linux.
fn on_linux(number: usize, finding: &KernelFinding) -> Markup {
    let part = |name: &str, text: &str| {
        html! {
            h3 { (name) }
            div.scroll tabindex="0" role="region" aria-label=(format!("{name} of finding {number} on Linux")) {
                pre { code { (text) } }
            }
        }
    };
    let label = format!("Timeline of finding {number} on Linux");
    html! {
        section.cluster id=(format!("l-{number}")) aria-labelledby=(format!("hl-{number}")) {
            h2 id=(format!("hl-{number}")) { "On Linux: " (finding.what) }
            p { code { (finding.file) } }
            @if !finding.console.is_empty() { (part("What the kernel said", &finding.console.join("\n"))) }
            (part("The program", &finding.program))
            @if let Some(picture) = &finding.picture {
                h3 { "What the model does" }
                div.scroll.timeline { (draw(picture, &label, &finding.what)) }
                details {
                    summary { "The picture as a table" }
                    (table(picture, &label))
                }
            }
            @if let Some(c) = &finding.c { (part("The program in C", c)) }
        }
    }
}

/// Text in which backquotes stand for code.
fn backquoted(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn program(cluster: &Cluster) -> Markup {
    let first = cluster
        .program
        .lines()
        .count()
        .saturating_sub(cluster.operations);
    let failed = cluster.failed_line();
    html! {
        h3 { "The shortest program" }
        div.scroll tabindex="0" role="region" aria-label=(format!("Program of cluster {}", cluster.id)) {
            table.program {
                tbody {
                    @for (i, line) in cluster.program.lines().enumerate() {
                        tr.failed[failed == Some(i)] {
                            td.number { @if let Some(op) = i.checked_sub(first) { (op) } }
                            td { code { (line) } }
                            td { @if failed == Some(i) { "✗ finding" } }
                        }
                    }
                }
            }
        }
        div.scroll.replay tabindex="0" role="region" aria-label=(format!("Command that replays cluster {}", cluster.id)) {
            code { (cluster.replay) }
        }
    }
}

fn facts(cluster: &Cluster) -> Markup {
    let explanation = cluster.explanation.as_ref();
    let cause = explanation.and_then(|e| e.finding.as_ref());
    let difference = explanation.and_then(|e| e.first_difference.as_ref());
    html! {
        dl.facts {
            dt { "Signature" } dd { code { (cluster.signature) } }
            @if let Some(cause) = cause {
                dt { "What is wrong" } dd.detail { (cause.detail) }
                @if let Some(first) = &cause.first_objection {
                    dt { "First wrong" }
                    dd.detail { (cause.place()) @if !first.ends_with(&cause.detail) { br; (first) } }
                }
            }
            @if let Some(difference) = difference {
                dt { "Bug off, then on" }
                dd.detail {
                    code { (difference.without()) } br; code { (difference.with()) }
                    @for line in &difference.state { br; (line) }
                }
            }
        }
    }
}

fn figure(cluster: &Cluster, picture: &Picture) -> Markup {
    let label = format!("Timeline of cluster {}", cluster.id);
    let rows = picture.rows_left_out;
    html! {
        h3 { "What happened" }
        div.scroll.timeline { (draw(picture, &label, &cluster.invariant)) }
        p.readout aria-hidden="true" { "\u{a0}" }
        @if rows > 0 { p { (counted(rows, "row")) " of pages left out." } }
        details {
            summary { "The picture as a table" }
            (table(picture, &label))
        }
    }
}

/// The picture once more, as a table with all details.
fn table(picture: &Picture, label: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(format!("{label}, as a table")) {
            table.details {
                thead { tr {
                    th scope="col" { "row" }
                    @for (i, step) in picture.steps.iter().enumerate() { th scope="col" { (step_title(i, step)) } }
                } }
                @for group in &picture.groups {
                    tbody {
                        tr { th scope="rowgroup" colspan=(picture.steps.len() + 1) { (group.name) } }
                        @for row in &group.rows {
                            tr {
                                th scope="row" { @if row.about_finding { "✗ " } (row.name) }
                                @for span in &row.spans {
                                    td colspan=(span.steps) {
                                        b { (span.state.words()) } @if !span.detail.is_empty() { br; (span.detail) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn changes(explanation: &Explanation) -> Markup {
    html! {
        details {
            summary { "What each operation changed" }
            dl.changes {
                @for operation in &explanation.operations {
                    dt { code { (operation.operation) } }
                    dd { @for change in &operation.changes { div { (change) } } @if operation.changes.is_empty() { "nothing" } }
                }
            }
        }
    }
}

fn files(cluster: &Cluster) -> Markup {
    let more = cluster.files - cluster.examples.len();
    let kinds = cluster.signatures - cluster.top_signatures.len();
    html! {
        details {
            summary { (counted(cluster.files, "file")) ", " (counted(cluster.signatures, "signature")) }
            ul.plain {
                @for (signature, files) in &cluster.top_signatures { li { code { (signature) } " " (counted(*files as usize, "file")) } }
                @if kinds > 0 { li { "and " (counted(kinds, "more signature")) } }
            }
            ul.plain {
                @for file in &cluster.examples { li { code { (file) } } }
                @if more > 0 { li { "and " (counted(more, "more file")) ", in clusters.json" } }
            }
        }
    }
}

fn unusable(report: &Report) -> Markup {
    let more = report.unusable - report.unusable_files.len();
    html! {
        @if report.unusable > 0 {
            section aria-labelledby="unusable" {
                h2 #unusable { (counted(report.unusable, "unusable file")) }
                ul.plain {
                    @for why in &report.unusable_files { li { (why) } }
                    @if more > 0 { li { "and " (more) " more" } }
                }
            }
        }
    }
}
