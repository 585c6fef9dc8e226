//! The pictures of the page as SVG: the curves of all engines, and a mean with its interval.

use super::results::{EngineResults, Results};
use super::stats::{CurveStep, survival_at};
use maud::{Markup, html};
use std::fmt::Write;

/// The size of the whole picture.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
/// The edges of the area with the curves.
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 150.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = HEIGHT - 44.0;
/// The time at the left edge, in seconds. The axis is logarithmic, because the times of findings
/// range from a hundredth of a second to minutes.
const EARLIEST: f64 = 0.01;
/// The least vertical distance between the names of two engines.
const LINE: f64 = 16.0;
/// The number of line styles; the style sheet calls them `e0`, `e1`, …
const STYLES: usize = 6;

/// The class of an engine's line. It follows from the engine's place in the order of the names, so
/// it does not depend on the results.
pub fn class(results: &Results, engine: &str) -> String {
    let at = results.campaign.engines().position(|name| name == engine);
    format!("e{}", at.unwrap_or(0) % STYLES)
}

fn x(seconds: f64, limit: f64) -> f64 {
    let share = (seconds / EARLIEST).ln() / (limit / EARLIEST).ln();
    LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
}

fn y(survival: f64) -> f64 {
    BOTTOM - survival * (BOTTOM - TOP)
}

/// The times 0.01, 0.1, 1 … below the limit, in seconds.
pub fn ticks(limit: f64) -> Vec<f64> {
    let powers = (-2..9).map(|power| 10_f64.powi(power));
    powers.take_while(|tick| *tick < limit).collect()
}

/// The survival curves.
pub fn curves(results: &Results) -> Markup {
    let limit = results.campaign.limit;
    let mut times = ticks(limit);
    // The limit has a tick of its own, which needs room.
    times.retain(|tick| x(limit, limit) - x(*tick, limit) > 40.0);
    times.push(limit);
    html! {
        svg.curves viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="curves-title curves-text" {
            title #curves-title { "Survival curves" }
            desc #curves-text { "For each engine, the share of runs that have not found their bug, over time. The table below has the numbers." }
            @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                path.grid d=(format!("M{LEFT} {:.1}H{RIGHT}", y(tick))) {}
                text.tick x=(LEFT - 8.0) y=(format!("{:.1}", y(tick) + 4.0)) text-anchor="end" { (tick * 100.0) " %" }
            }
            @for tick in times {
                path.grid d=(format!("M{:.1} {TOP}V{:.1}", x(tick, limit), BOTTOM + 5.0)) {}
                text.tick x=(format!("{:.1}", x(tick, limit))) y=(BOTTOM + 19.0) text-anchor="middle" { (tick) " s" }
            }
            text.axis x=((LEFT + RIGHT) / 2.0) y=(HEIGHT - 8.0) text-anchor="middle" { "time of the run, logarithmic" }
            @for engine in &results.engines {
                path class=(format!("curve {}", class(results, &engine.name))) d=(line(&engine.curve, limit)) {}
            }
            @for (engine, (from, to)) in results.engines.iter().zip(places(&results.engines)) {
                path class=(format!("lead {}", class(results, &engine.name)))
                    d=(format!("M{:.1} {from:.1}L{:.1} {to:.1}", RIGHT + 2.0, RIGHT + 12.0)) {}
                text.name x=(RIGHT + 16.0) y=(format!("{:.1}", to + 4.0)) {
                    (engine.name) " " (format!("{:.0} %", 100.0 * last(engine)))
                }
            }
        }
    }
}

/// The survival at the end of an engine's curve.
fn last(engine: &EngineResults) -> f64 {
    survival_at(&engine.curve, f64::INFINITY)
}

fn line(curve: &[CurveStep], limit: f64) -> String {
    let mut path = format!("M{LEFT} {:.1}", y(1.0));
    for step in curve {
        // Writing to a string never fails.
        let _ = write!(
            path,
            "H{:.1}V{:.1}",
            x(step.seconds, limit),
            y(step.survival)
        );
    }
    path + &format!("H{RIGHT}")
}

/// For each engine, the height at which its curve ends, and the height of its name. The names are
/// moved upwards so that none covers another.
fn places(engines: &[EngineResults]) -> Vec<(f64, f64)> {
    let ends: Vec<f64> = engines.iter().map(|engine| y(last(engine))).collect();
    let mut order: Vec<usize> = (0..ends.len()).collect();
    // Begin at the bottom, because the lowest name has the least room below.
    order.sort_by(|&a, &b| ends[b].total_cmp(&ends[a]));
    let mut names = ends.clone();
    let mut below = BOTTOM + LINE;
    for i in order {
        names[i] = ends[i].min(below - LINE);
        below = names[i];
    }
    ends.into_iter().zip(names).collect()
}

/// A mean and its interval, on a scale from 0 to the limit.
pub fn whisker(results: &Results, engine: &EngineResults) -> Markup {
    const SCALE: f64 = 160.0;
    let at = |seconds: f64| {
        format!(
            "{:.1}",
            4.0 + seconds / results.campaign.limit * (SCALE - 8.0)
        )
    };
    let (low, high) = engine.interval;
    html! {
        svg.whisker width=(SCALE) height="18" viewBox=(format!("0 0 {SCALE} 18")) aria-hidden="true" {
            path.grid d=(format!("M4 9H{}", SCALE - 4.0)) {}
            path class=(format!("range {}", class(results, &engine.name))) d=(format!("M{} 9H{}", at(low), at(high))) {}
            circle class=(class(results, &engine.name)) cx=(at(engine.mean)) cy="9" r="4" {}
        }
    }
}
