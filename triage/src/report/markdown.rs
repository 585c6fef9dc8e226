//! `report.md`. Everything from a run or a file stands in code spans and blocks. Their fences are
//! longer than any run of backticks in the text, so nothing in it is markup.

use super::contents::{Cluster, Report};
use super::picture::Picture;
use super::state::CellState;
use crate::page::counted;
use std::fmt::Write;

/// Renders the report.
pub fn render(report: &Report) -> String {
    let mut out = format!("# mm-triage: {}\n\n{}.\n", report.title(), report.sums());
    if report.interrupted {
        out += "\n**Interrupted: not all files were looked at.**\n";
    }
    if !report.zoo.is_empty() {
        let _ = write!(out, "\nWith the bugs {}.\n", span(&report.zoo));
    }
    if !report.clusters.is_empty() {
        out += "\n| cluster | invariant | where, or how | files | operations |\n|---|---|---|---|---|\n";
    }
    for cluster in &report.clusters {
        let _ = writeln!(
            out,
            "| [{id}](#{id}) | {} | {}{}{} | {} | {} |",
            in_table(&cluster.invariant),
            in_table(&cluster.place),
            if cluster.race { ", a race" } else { "" },
            if cluster.stands_out { ", **new**" } else { "" },
            cluster.files,
            cluster.operations,
            id = cluster.id,
        );
    }
    if report.clusters_left_out > 0 {
        let more = counted(report.clusters_left_out, "more cluster");
        let _ = write!(out, "\n{more} in `clusters.json`.\n");
    }
    for cluster in &report.clusters {
        section(&mut out, cluster);
    }
    for finding in &report.on_linux {
        let _ = write!(
            out,
            "\n## On Linux: {}\n\n{}\n\n{}",
            span(&finding.what),
            span(&finding.file),
            block("", &finding.program)
        );
        let console = finding.console.join("\n");
        let parts = [("", Some(&console)), ("c", finding.c.as_ref())];
        for (language, text) in parts {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let _ = write!(out, "\n{}", block(language, text));
            }
        }
        if let Some(picture) = &finding.picture {
            let _ = write!(out, "\n{}", block("", &grid(picture)));
        }
    }
    if !report.unusable_files.is_empty() {
        let _ = write!(out, "\n## Unusable files\n\n");
        for why in &report.unusable_files {
            let _ = writeln!(out, "- {}", span(why));
        }
        let more = report.unusable - report.unusable_files.len();
        if more > 0 {
            let _ = writeln!(out, "- and {more} more");
        }
    }
    out
}

fn section(out: &mut String, cluster: &Cluster) {
    let _ = write!(
        out,
        "\n## {}\n\n{}{}{}.",
        cluster.id,
        span(&cluster.invariant),
        if cluster.is_in_a_function {
            " in "
        } else {
            ": "
        },
        span(&cluster.place)
    );
    if let Some(rule) = &cluster.rule {
        let _ = write!(out, " What must hold: {rule}");
    }
    out.push_str("\n\n");
    if let Some(warning) = cluster.warning() {
        let _ = write!(out, "{}\n\n", span(&warning));
    }
    let _ = writeln!(out, "- signature: {}", span(&cluster.signature));
    let _ = write!(
        out,
        "- {} with {}",
        counted(cluster.files, "file"),
        counted(cluster.signatures, "signature")
    );
    if let Some(example) = cluster.examples.first() {
        let _ = write!(out, ", such as {}", span(example));
    }
    let _ = write!(out, "\n- replay: {}\n\n", span(&cluster.replay));
    out.push_str(&block("mm", &cluster.program));
    let Some(explanation) = &cluster.explanation else {
        return;
    };
    if let Some(cause) = &explanation.finding {
        let _ = write!(out, "\nWhat is wrong:\n\n{}", block("", &cause.detail));
        if let Some(first) = &cause.first_objection {
            let _ = write!(
                out,
                "\nFirst wrong {}:\n\n{}",
                cause.place(),
                block("", first)
            );
        }
    }
    if let Some(difference) = &explanation.first_difference {
        let lines = [difference.without(), difference.with()].join("\n");
        let _ = write!(
            out,
            "\nThe first operation at which the bug shows, without it and with it:\n\n{}",
            block("", &lines)
        );
    }
    if let Some(picture) = &cluster.picture {
        let _ = write!(out, "\n{}", block("", &grid(picture)));
    }
}

/// The picture in letters; `-` means unchanged.
fn grid(picture: &Picture) -> String {
    let heading = picture.steps.iter().map(|step| {
        let number = step.operation.map(|i| format!("{i} ")).unwrap_or_default();
        let mark = if step.failed { " ✗" } else { "" };
        format!("{number}{}{mark}", step.name)
    });
    let mut lines = vec![(String::new(), heading.collect::<Vec<_>>())];
    for group in &picture.groups {
        lines.push((group.name.clone(), Vec::new()));
        for row in &group.rows {
            let mut cells = Vec::new();
            for span in &row.spans {
                let letter = match span.state {
                    CellState::None | CellState::Idle => ".",
                    state => state.letter(),
                };
                cells.push(format!("{letter} {}", span.text).trim_end().to_owned());
                cells.extend((1..span.steps).map(|_| "-".to_owned()));
            }
            let mark = if row.about_finding { "✗" } else { " " };
            lines.push((format!("{mark} {}", row.name), cells));
        }
    }
    let width = |text: &String| text.chars().count();
    let names = lines.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let columns: Vec<usize> = (0..picture.steps.len())
        .map(|i| {
            lines
                .iter()
                .filter_map(|(_, cells)| cells.get(i))
                .map(width)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for (name, cells) in &lines {
        let mut line = format!("{name:<names$}");
        for (cell, width) in cells.iter().zip(&columns) {
            let _ = write!(line, "  {cell:<width$}");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for step in &picture.steps {
        if let Some((point, thread)) = step.preempted {
            let operation = step.operation.unwrap_or_default();
            let _ = writeln!(
                out,
                "at point {point}, in {operation} {}: t{thread} goes on",
                step.name
            );
        }
    }
    out
}

/// A fence longer than any run of backticks in the text, and no shorter than `least`.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(least.max(longest + 1))
}

/// The text as a code span.
fn span(text: &str) -> String {
    let line = text.replace('\n', " ");
    let fence = fence(&line, 1);
    // Markdown removes one space on either side.
    let pad = if line.starts_with(['`', ' ']) || line.ends_with(['`', ' ']) {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// A code span in a table, where a bar would end the cell even in code.
fn in_table(text: &str) -> String {
    span(text).replace('|', "\\|")
}

/// The text as a code block.
fn block(language: &str, text: &str) -> String {
    let fence = fence(text, 3);
    let text = text.trim_end_matches('\n');
    format!("{fence}{language}\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_gets_out_of_its_span() {
        assert_eq!(span("a.mm"), "`a.mm`");
        assert_eq!(span("a``b"), "```a``b```");
        assert_eq!(span("`a"), "`` `a ``");
        assert_eq!(in_table("a|b"), "`a\\|b`");
        assert_eq!(block("", "x\n```\ny\n"), "````\nx\n```\ny\n````\n");
    }
}
