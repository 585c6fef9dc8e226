//! The page of a campaign. `maud` escapes all text and every attribute. The page has no script.

use super::chart::{class, curves, ticks, whisker};
use super::results::{PARTIAL, Results, digits};
use super::runs::Run;
use super::stats::{kaplan_meier, median, survival_at};
use crate::page::{self, counted};
use maud::{Markup, html};

const STYLE: &str = include_str!("style.css");

/// Renders the page.
pub fn render(results: &Results) -> String {
    let body = html! {
        header {
            h1 { "Campaign: " (results.title()) }
            p { "How long each engine takes to find each historical bug. A run ends with the first finding of the bug's invariant, or "
                "after " (results.campaign.limit) " s without one; then it is censored." }
            @if results.is_partial() { p.warning role="note" { (PARTIAL) } }
            (about(results))
        }
        main {
            @if !results.engines.is_empty() {
                (survival(results))
                (engines(results))
                @if !results.pairs.is_empty() { (pairs(results)) }
                (bugs(results))
                (methods())
            }
        }
        footer { "Written by " code { "mm-triage campaign" } " from runs.csv and about.txt beside this page." }
    };
    page::render(
        &format!("campaign: {}", results.title()),
        STYLE,
        None,
        &body,
    )
}

fn about(results: &Results) -> Markup {
    html! {
        dl.about {
            @for (name, value) in &results.campaign.about { div { dt { (name) } dd { code { (value) } } } }
        }
    }
}

/// The name of an engine, after a sample of its curve's line.
fn key(results: &Results, engine: &str) -> Markup {
    html! {
        svg.key width="26" height="10" viewBox="0 0 26 10" aria-hidden="true" {
            path class=(format!("curve {}", class(results, engine))) d="M1 5H25" {}
        }
        " " (engine)
    }
}

fn survival(results: &Results) -> Markup {
    let limit = results.campaign.limit;
    let mut times = ticks(limit);
    times.push(limit);
    html! {
        section aria-labelledby="survival" {
            h2 #survival { "Runs that have not found their bug" }
            p { "By Kaplan and Meier, over all bugs. Lower and further to the left is better." }
            figure { (scroll("Survival curves", curves(results))) }
            (scroll("Runs that have not found their bug, by time", html! {
                table.plain-table {
                    thead { tr { th scope="col" { "engine" } @for time in &times { th.number scope="col" { (time) " s" } } } }
                    tbody {
                        @for engine in &results.engines { tr {
                            th scope="row" { (key(results, &engine.name)) }
                            @for time in &times { td.number { (percent(survival_at(&engine.curve, *time))) } }
                        } }
                    }
                }
            }))
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Content that may be wider than the window, and can be scrolled by keyboard.
fn scroll(label: &str, content: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (content) } }
}

fn engines(results: &Results) -> Markup {
    let limit = results.campaign.limit;
    html! {
        section aria-labelledby="engines" {
            h2 #engines { "Engines" }
            p { "The restricted mean is the mean time of a run that is ended after " (limit) " s, with its 95 % interval in brackets." }
            (scroll("Means of the engines", html! {
                table.plain-table {
                    thead { tr {
                        th scope="col" { "engine" }
                        th scope="col" colspan="2" { "restricted mean" }
                        th.number scope="col" { "median" }
                        th.number scope="col" { "bugs found" }
                        th.number scope="col" { "runs that found" }
                        th.number scope="col" { "executions/s" }
                    } }
                    tbody { @for engine in &results.engines { tr {
                        th scope="row" { (key(results, &engine.name)) }
                        td { (whisker(results, engine)) }
                        td { (digits(engine.mean)) " s (" (digits(engine.interval.0)) " to " (digits(engine.interval.1)) ")" }
                        td.number { @if let Some(median) = engine.median { (digits(median)) " s" } @else { "> " (limit) " s" } }
                        td.number { (engine.bugs_found) "/" (engine.bugs) }
                        td.number { (engine.runs_found) "/" (engine.runs) }
                        td.number { (format!("{:.0}", engine.execs_per_second)) }
                    } } }
                }
            }))
        }
    }
}

fn pairs(results: &Results) -> Markup {
    html! {
        section aria-labelledby="pairs" {
            h2 #pairs { "Pairs" }
            p { "A12 is the probability that a run of the first engine is faster than one of the second. p is the two-sided p of Mann and Whitney's U, "
                "corrected for " (counted(results.pairs.len(), "pair")) "." }
            (scroll("Pairs of engines", html! {
                table.plain-table {
                    thead { tr {
                        th scope="col" { "first" } th scope="col" { "second" }
                        th.number scope="col" { "A12" } th scope="col" { "effect" }
                        th.number scope="col" { "U" } th.number scope="col" { "p" }
                        th.number scope="col" { "bugs: first faster" } th.number scope="col" { "tied" }
                        th.number scope="col" { "second faster" }
                    } }
                    tbody { @for pair in &results.pairs { tr {
                        th scope="row" { (key(results, &pair.a)) } td { (key(results, &pair.b)) }
                        td.number { (format!("{:.2}", pair.all.a12)) } td { (effect(pair.all.a12)) }
                        td.number { (pair.all.u) }
                        td.number.strong[pair.p < 0.05] { (probability(pair.p)) }
                        td.number { (pair.faster) } td.number { (pair.bugs - pair.faster - pair.slower) }
                        td.number { (pair.slower) }
                    } } }
                }
            }))
        }
    }
}

/// The words of Vargha and Delaney (2000) for an A12.
fn effect(a12: f64) -> &'static str {
    match (a12 - 0.5).abs() {
        none if none < 0.06 => "negligible",
        small if small < 0.14 => "small",
        medium if medium < 0.21 => "medium",
        _ => "large",
    }
}

fn probability(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

fn bugs(results: &Results) -> Markup {
    html! {
        section aria-labelledby="bugs" {
            h2 #bugs { "Bugs" }
            p { "Median time to the finding in seconds, and the number of runs with a finding if not all have one." }
            (legend())
            (by_bug(results, "Median time of each bug by engine", time))
            details {
                summary { "Executions instead of seconds" }
                p { "Median of the runs that found the bug; if none did, the most executions of a run." }
                (by_bug(results, "Executions of each bug by engine", executions))
            }
        }
    }
}

/// A table of bugs and engines.
fn by_bug(results: &Results, label: &str, cell: fn(&[Run]) -> Markup) -> Markup {
    scroll(
        label,
        html! {
            table.heat {
                thead { tr {
                    th scope="col" { "bug" }
                    @for engine in &results.engines { th scope="col" { (engine.name) } }
                } }
                tbody { @for bug in &results.campaign.bugs { tr {
                    th scope="row" { code { (bug) } }
                    @for engine in &results.engines { (cell(results.campaign.of(&engine.name, bug))) }
                } } }
            }
        },
    )
}

/// Upper ends of the shades of the heat map, in seconds.
const SHADES: [f64; 4] = [0.1, 1.0, 10.0, 100.0];

fn shade(median: Option<f64>, found: usize) -> String {
    let shade = |median| SHADES.iter().take_while(|end| median > **end).count();
    match median {
        Some(median) => format!("h{}", shade(median)),
        None if found > 0 => "few".to_owned(),
        None => "never".to_owned(),
    }
}

fn legend() -> Markup {
    html! {
        ul.legend {
            @for (i, end) in SHADES.iter().enumerate() { li { span class=(format!("swatch h{i}")) {} "up to " (end) " s" } }
            li { span.swatch.h4 {} "longer" }
            li { span.swatch.few {} "found by fewer than half of the runs" }
            li { span.swatch.never {} "never found" }
        }
    }
}

fn time(runs: &[Run]) -> Markup {
    let times: Vec<_> = runs.iter().map(|run| run.time).collect();
    let found = times.iter().filter(|time| time.found).count();
    let median = median(&kaplan_meier(&times));
    if runs.is_empty() {
        return html! { td { "no run" } };
    }
    html! {
        td class=(shade(median, found)) {
            @match median {
                Some(median) => { (digits(median)) }
                None if found > 0 => { "…" }
                None => { "never" }
            }
            @if (1..runs.len()).contains(&found) { " " span.share { (found) "/" (runs.len()) } }
        }
    }
}

fn executions(runs: &[Run]) -> Markup {
    let found = runs.iter().filter(|run| run.time.found);
    let mut execs: Vec<_> = found.map(|run| run.execs).collect();
    execs.sort_unstable();
    let most = runs.iter().map(|run| run.execs).max();
    html! {
        td {
            @match (execs.get(execs.len().saturating_sub(1) / 2), most) {
                (Some(median), _) => { (median) }
                (None, Some(most)) => { "> " (most) }
                (None, None) => { "no run" }
            }
        }
    }
}

fn methods() -> Markup {
    html! {
        section.methods aria-labelledby="methods" {
            h2 #methods { "How the numbers are computed" }
            ul {
                li { "All runs start from an empty corpus and have one process. Times are wall-clock times, and include the start "
                    "of the process. Only a finding of the invariant that docs/zoo.md names for the bug counts." }
                li { "A run without a finding is censored at the limit: curves and means count it as not found until then, and ranks put it "
                    "behind all runs with a finding, tied with the other censored runs." }
                li { "The interval of a mean comes from a bootstrap of 2000 samples with a fixed seed. A sample draws bugs, and then runs of each. "
                    "So the interval holds for bugs like these, and not only for these." }
                li { "A12 and U of a pair cover all runs of the bugs for which both engines have runs. p is corrected for ties and for "
                    "continuity (for at most 20 runs without ties, p is exact), and then for the number of pairs, by Holm. A bug counts for the "
                    "engine that finds it faster (A12 above a half)." }
                li { "The exhaustive search has no seed: one run of each bug stands for all." }
            }
        }
    }
}
