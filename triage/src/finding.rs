//! Prints a finding for people: what is wrong and where, the finding's page before and after the
//! last slice, and the last steps.

use crate::run::Found;
use crate::snapshot::{EntryAt, Snapshot, named};
use crate::style::Style;
use crate::watch::Seen;
use mm_core::{Page, Pfn};
use mm_fuzz::describe;
use mm_fuzz::finding;
use mm_fuzz::program::{Program, Step};
use mm_fuzz::window::Window;
use std::io::{self, Write};

/// The most pages that are shown.
const MAX_PAGES: usize = 4;
/// The most entries of one page, and the most page-table writes, that are shown.
const MAX_LINES: usize = 12;
/// If there are more than [`MAX_LINES`] lines, the first ones and this many of the last are shown.
const LAST_LINES: usize = 4;

/// Prints all that is known about a finding.
pub fn print(
    out: &mut dyn Write,
    style: Style,
    program: &Program,
    found: &Found,
    seen: &Seen,
) -> io::Result<()> {
    for (index, step) in seen
        .unfinished
        .iter()
        .filter_map(|i| Some((*i, program.ops.get(*i)?)))
    {
        let line = seen.lines.line(index, step);
        let is_found = Some(index) == found.step.or(seen.step);
        let how = if is_found { "FINDING" } else { "did not end" };
        writeln!(out, "{line} {}", style.bad(how))?;
    }
    writeln!(
        out,
        "\n{}",
        style.bad(format_args!("finding: {}", found.signature))
    )?;
    writeln!(out, "  {}", location(program, found, seen))?;
    for line in found.detail.lines() {
        writeln!(out, "  {line}")?;
    }
    let pages = pages(program, found, seen);
    for pfn in &pages {
        print_page(out, style, Window::of(program), *pfn, seen)?;
    }
    if let Some(after) = &seen.after {
        print_writes(out, style, Window::of(program), &pages, after)?;
    }
    let (heading, lines) = seen.timeline.lines(program);
    print_list(out, style, &heading, &lines)?;
    let last = lines.last().map_or("", String::as_str);
    if seen.waiting.iter().any(|task| !last.contains(task)) {
        print_list(out, style, "tasks that wait", &seen.waiting)?;
    }
    Ok(())
}

/// `at operation 4: read p1 0; page dev0:3`.
fn location(program: &Program, found: &Found, seen: &Seen) -> String {
    let step = found.step.or(seen.step);
    let words = |index, step: &Step| describe::operation(&step.op, seen.lines.names(index));
    let place = match step.and_then(|index| Some((index, program.ops.get(index)?))) {
        Some((index, step)) if program.threads > 1 => {
            format!(
                "at operation {index}, thread t{}: {}",
                step.thread,
                words(index, step)
            )
        }
        Some((index, step)) => format!("at operation {index}: {}", words(index, step)),
        None => {
            "after the last operation, while everything is released and all processes exit".into()
        }
    };
    match found.page {
        Some(page) => format!("{place}; {}", describe::page(page).trim_end_matches(',')),
        None => place,
    }
}

/// The pages to show. The finding's page comes first. If no entry names this page, the pages at the
/// operation's addresses follow, and then the pages that the last slice changed, up to `MAX_PAGES`
/// in all.
fn pages(program: &Program, found: &Found, seen: &Seen) -> Vec<Pfn> {
    let after = seen.after.as_ref().unwrap_or(&seen.before);
    let is_named =
        |pfn: Pfn| !seen.before.entries_of(pfn).is_empty() || !after.entries_of(pfn).is_empty();
    let mut pages: Vec<Pfn> = found.page.into_iter().collect();
    if found.page.is_some_and(is_named) {
        return pages;
    }
    let step = found
        .step
        .or(seen.step)
        .and_then(|index| program.ops.get(index));
    let range = step.map_or(0..0, |step| {
        describe::range_of(Window::of(program), &step.op)
    });
    let addressed = seen.before.pages_in(&range).chain(after.pages_in(&range));
    for pfn in addressed.chain(after.touched().iter().copied()) {
        if pages.len() == MAX_PAGES {
            break;
        }
        if !pages.contains(&pfn) {
            pages.push(pfn);
        }
    }
    pages
}

fn print_page(
    out: &mut dyn Write,
    style: Style,
    window: Window,
    pfn: Pfn,
    seen: &Seen,
) -> io::Result<()> {
    let name = describe::page(pfn);
    let earlier = format!("{name} before the last slice");
    let before = page_lines(window, pfn, &seen.before);
    let Some(after) = &seen.after else {
        print_list(out, style, &earlier, &before)?;
        return writeln!(out, "  after it: not known, because the slice did not end");
    };
    let after = page_lines(window, pfn, after);
    if before == after {
        let unchanged = format!("{name} before and after the last slice");
        return print_list(out, style, &unchanged, &before);
    }
    print_list(out, style, &earlier, &before)?;
    print_list(out, style, &format!("{name} after it"), &after)
}

/// The struct page, and the entries that name it.
fn page_lines(window: Window, pfn: Pfn, snapshot: &Snapshot) -> Vec<String> {
    let page = snapshot.page(pfn);
    let mut lines = vec![page.map_or_else(
        || "no struct page: never used, or outside all memory".to_owned(),
        |page| finding::describe(pfn, page),
    )];
    let entries = snapshot.entries_of(pfn);
    if entries.is_empty() {
        lines.push("no entry names it".to_owned());
    }
    let is_exclusive = page.is_some_and(Page::anon_exclusive);
    let entries = entries.iter().map(|EntryAt { mm, addr, pte, .. }| {
        let place = describe::place(window, *mm, *addr);
        let exclusive = if is_exclusive { ", page exclusive" } else { "" };
        format!("{place}: {}{exclusive}", describe::entry(*pte))
    });
    lines.extend(shortened(entries.collect()));
    lines
}

/// Prints the entries that the last slice wrote and that name, or named, one of these pages.
fn print_writes(
    out: &mut dyn Write,
    style: Style,
    window: Window,
    pages: &[Pfn],
    after: &Snapshot,
) -> io::Result<()> {
    let concerns = |pte| named(pte).is_some_and(|pfn| pages.contains(&pfn));
    let writes = after.writes().iter();
    let lines: Vec<String> = writes
        .filter(|write| concerns(write.old) || concerns(write.new))
        .map(|write| {
            let place = describe::place(window, write.mm, write.addr);
            let (old, new) = (describe::entry(write.old), describe::entry(write.new));
            format!("{place}: {old} -> {new}")
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let heading = "entries of these pages that the last slice wrote";
    print_list(out, style, heading, &shortened(lines))
}

/// The lines; if there are too many, only the first and the last ones.
fn shortened(mut lines: Vec<String>) -> Vec<String> {
    if let Some(surplus) = lines.len().checked_sub(MAX_LINES).filter(|n| *n > 0) {
        let first = MAX_LINES - LAST_LINES;
        let note = format!("({surplus} more)");
        lines.splice(first..first + surplus, [note]);
    }
    lines
}

fn print_list(
    out: &mut dyn Write,
    style: Style,
    heading: &str,
    lines: &[String],
) -> io::Result<()> {
    writeln!(out, "\n{}", style.heading(format_args!("{heading}:")))?;
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))
}
