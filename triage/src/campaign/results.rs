//! The results of a campaign, computed from its runs.

use super::runs::Campaign;
use super::stats::{self, Comparison, CurveStep, Time};
use crate::page::counted;
use crate::style::Style;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

/// An engine over all bugs.
#[derive(Debug)]
pub struct EngineResults {
    pub name: String,
    /// The number of bugs of which the engine has runs.
    pub bugs: usize,
    /// The number of bugs that at least one run of the engine has found.
    pub bugs_found: usize,
    /// The number of the engine's runs.
    pub runs: usize,
    /// The number of its runs with a finding.
    pub runs_found: usize,
    /// The survival curve over all its runs.
    pub curve: Vec<CurveStep>,
    /// The restricted mean, in seconds.
    pub mean: f64,
    /// The 95 % interval of the restricted mean, in seconds.
    pub interval: (f64, f64),
    /// The median time to the finding, in seconds; `None` if fewer than half of the runs have one.
    pub median: Option<f64>,
    pub execs_per_second: f64,
}

/// Two engines, compared by the bugs of which both have runs.
#[derive(Debug)]
pub struct Pair {
    pub a: String,
    pub b: String,
    pub bugs: usize,
    pub all: Comparison,
    /// `all.p`, corrected for the number of pairs.
    pub p: f64,
    /// The number of bugs for which the first engine is faster: the A12 is above one half.
    pub faster: usize,
    /// The number of bugs for which the first engine is slower: the A12 is below one half.
    pub slower: usize,
}

/// All results.
#[derive(Debug)]
pub struct Results {
    pub campaign: Campaign,
    /// The engines, fastest first.
    pub engines: Vec<EngineResults>,
    pub pairs: Vec<Pair>,
}

impl Results {
    pub fn of(campaign: Campaign) -> Self {
        let mut engines: Vec<_> = campaign
            .engines()
            .map(|name| EngineResults::of(&campaign, name))
            .collect();
        engines.sort_by(|a, b| a.mean.total_cmp(&b.mean));
        let mut pairs = Vec::new();
        for (i, a) in engines.iter().enumerate() {
            for b in &engines[i + 1..] {
                pairs.extend(Pair::of(&campaign, &a.name, &b.name));
            }
        }
        let corrected = stats::holm(&pairs.iter().map(|pair| pair.all.p).collect::<Vec<_>>());
        for (pair, p) in pairs.iter_mut().zip(corrected) {
            pair.p = p;
        }
        Self {
            campaign,
            engines,
            pairs,
        }
    }

    /// `5 engines, 98 bugs, 2058 runs`.
    pub fn title(&self) -> String {
        format!(
            "{}, {}, {}",
            counted(self.engines.len(), "engine"),
            counted(self.campaign.bugs.len(), "bug"),
            counted(self.campaign.count(), "run")
        )
    }

    /// Whether an engine has no run of some bug. Then the numbers of different engines are about
    /// different bugs.
    pub fn is_partial(&self) -> bool {
        let bugs = self.campaign.bugs.len();
        self.engines.iter().any(|engine| engine.bugs < bugs)
    }

    /// The engines and their pairs, as the page shows them. `limit`, `restricted_mean`, `interval`
    /// and `median` are in seconds.
    pub fn json(&self, page: &Path) -> Value {
        let engines = self.engines.iter().map(|engine| {
            json!({
                "name": engine.name,
                "bugs": engine.bugs,
                "bugs_found": engine.bugs_found,
                "runs": engine.runs,
                "runs_found": engine.runs_found,
                "restricted_mean": engine.mean,
                "interval": [engine.interval.0, engine.interval.1],
                "median": engine.median,
                "execs_per_second": engine.execs_per_second,
            })
        });
        let pairs = self.pairs.iter().map(|pair| {
            json!({ "a": pair.a, "b": pair.b, "bugs": pair.bugs, "a12": pair.all.a12, "p": pair.p })
        });
        json!({
            "limit": self.campaign.limit,
            "bugs": self.campaign.bugs.len(),
            "runs": self.campaign.count(),
            "partial": self.is_partial(),
            "engines": engines.collect::<Vec<_>>(),
            "pairs": pairs.collect::<Vec<_>>(),
            "page": crate::names::shown(page),
        })
    }

    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let style = Style::of_stdout();
        writeln!(
            out,
            "{}",
            style.heading(format!("campaign: {}", self.title()))
        )?;
        for engine in &self.engines {
            let (low, high) = engine.interval;
            writeln!(
                out,
                "  {:<10} found {}/{} bugs, {}/{} runs; mean {} s ({} to {}) of {}",
                engine.name,
                engine.bugs_found,
                engine.bugs,
                engine.runs_found,
                engine.runs,
                digits(engine.mean),
                digits(low),
                digits(high),
                self.campaign.limit
            )?;
        }
        if self.is_partial() {
            writeln!(out, "{}", style.bad(PARTIAL))?;
        }
        Ok(())
    }
}

/// The warning on partial results.
pub const PARTIAL: &str =
    "Some engines have no run of some bugs, so the engines' means and curves cover different bugs.";

impl EngineResults {
    pub fn of(campaign: &Campaign, name: &str) -> Self {
        let times = campaign.bugs.iter().map(|bug| campaign.times(name, bug));
        let groups: Vec<_> = times.filter(|times| !times.is_empty()).collect();
        let is_found = |times: &&Vec<Time>| times.iter().any(|time| time.found);
        let all = groups.concat();
        let curve = stats::kaplan_meier(&all);
        let execs: u64 = campaign.all_of(name).map(|run| run.execs).sum();
        Self {
            name: name.to_owned(),
            bugs: groups.len(),
            bugs_found: groups.iter().filter(is_found).count(),
            runs: all.len(),
            runs_found: all.iter().filter(|time| time.found).count(),
            mean: stats::restricted_mean(&curve, campaign.limit),
            interval: stats::interval_of_mean(&groups, campaign.limit),
            median: stats::median(&curve),
            curve,
            execs_per_second: execs as f64 / all.iter().map(|time| time.seconds).sum::<f64>(),
        }
    }
}

impl Pair {
    /// Compares two engines; `None` if there is no bug of which both have runs.
    pub fn of(campaign: &Campaign, a: &str, b: &str) -> Option<Self> {
        let (mut times_a, mut times_b, mut each) = (Vec::new(), Vec::new(), Vec::new());
        for bug in &campaign.bugs {
            let (of_a, of_b) = (campaign.times(a, bug), campaign.times(b, bug));
            if let Some(comparison) = stats::compare(&of_a, &of_b) {
                each.push(comparison.a12);
                times_a.extend(of_a);
                times_b.extend(of_b);
            }
        }
        let all = stats::compare(&times_a, &times_b)?;
        Some(Self {
            a: a.to_owned(),
            b: b.to_owned(),
            bugs: each.len(),
            all,
            p: all.p,
            faster: each.iter().filter(|a12| **a12 > 0.5).count(),
            slower: each.iter().filter(|a12| **a12 < 0.5).count(),
        })
    }
}

/// A number of seconds with about two significant digits: `0.04`, `1.3`, `57`.
pub fn digits(seconds: f64) -> String {
    match seconds {
        small if small < 0.995 => format!("{small:.2}"),
        medium if medium < 9.95 => format!("{medium:.1}"),
        large => format!("{large:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_that_count() {
        let shown = [0.0, 0.042, 0.994, 0.996, 1.26, 9.94, 9.96, 59.7].map(digits);
        assert_eq!(
            shown,
            ["0.00", "0.04", "0.99", "1.0", "1.3", "9.9", "10", "60"]
        );
    }
}
