//! The files of a campaign, which `fuzz/campaign` writes. `runs.csv` has a line for each run.
//! `about.txt` has what all runs have in common.

use super::stats::Time;
use crate::file;
use crate::names::shown;
use std::collections::BTreeMap;
use std::path::Path;

/// The first line of `runs.csv`.
const COLUMNS: &str = "bug,engine,run,found,seconds,execs,signature";
const ABOUT: &str = "about.txt";
const RUNS: &str = "runs.csv";
/// The greatest size of such a file that is read, in bytes; enough for half a million runs.
const MAX_BYTES: u64 = 1 << 26;

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The slug of the bug.
    pub bug: String,
    /// The name of the engine.
    pub engine: String,
    /// The number of the run, from which the engine's seed follows.
    pub number: u32,
    /// The time at which the run ended.
    pub time: Time,
    /// The number of programs that were run until then.
    pub execs: u64,
}

/// All runs.
#[derive(Debug)]
pub struct Campaign {
    /// `name: value`, in the order of the file.
    pub about: Vec<(String, String)>,
    /// The limit of a run, in seconds.
    pub limit: f64,
    /// The runs by engine and bug, in the order of the file.
    runs: BTreeMap<String, BTreeMap<String, Vec<Run>>>,
    /// The bugs, in the order of their first runs in the file.
    pub bugs: Vec<String>,
}

impl Campaign {
    /// Reads the folder of a campaign.
    ///
    /// # Errors
    /// A sentence says which line of which file cannot be read.
    pub fn read(dir: &Path) -> Result<Self, String> {
        let text = |name: &str| {
            let path = dir.join(name);
            file::read_text(&path, MAX_BYTES).map_err(|error| {
                let path = shown(&path);
                format!("{path}: {error}; give a folder that make campaign wrote")
            })
        };
        Self::parse(&text(ABOUT)?, &text(RUNS)?).map_err(|why| {
            let dir = shown(dir);
            format!("{dir}: {why}")
        })
    }

    fn parse(about: &str, runs: &str) -> Result<Self, String> {
        let pairs = about.lines().filter_map(|line| line.split_once(": "));
        let about: Vec<_> = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let seconds = about.iter().find(|(name, _)| name == "seconds");
        let limit = seconds.and_then(|(_, value)| value.parse().ok());
        let limit = limit.filter(|limit| *limit > 0.0);
        let mut campaign = Self {
            limit: limit.ok_or(format!("{ABOUT} has no line `seconds: N`"))?,
            about,
            runs: BTreeMap::new(),
            bugs: Vec::new(),
        };
        // Ignore a last line without a line break: it is incomplete, and `fuzz/campaign` makes its
        // run again.
        let whole = runs.rfind('\n').map_or("", |end| &runs[..end]);
        let mut lines = whole.lines().enumerate();
        if lines.next().map(|(_, line)| line) != Some(COLUMNS) {
            return Err(format!("the first line of {RUNS} is not {COLUMNS}"));
        }
        for (i, line) in lines {
            let run = parse_run(line, campaign.limit)
                .ok_or_else(|| format!("line {} of {RUNS} is not a run: {line}", i + 1))?;
            campaign.add(run, i + 1)?;
        }
        Ok(campaign)
    }

    fn add(&mut self, run: Run, line: usize) -> Result<(), String> {
        if !self.bugs.contains(&run.bug) {
            self.bugs.push(run.bug.clone());
        }
        let engine = self.runs.entry(run.engine.clone()).or_default();
        let runs = engine.entry(run.bug.clone()).or_default();
        if runs.iter().any(|other| other.number == run.number) {
            return Err(format!(
                "line {line} of {RUNS} repeats a run; remove one of the two"
            ));
        }
        runs.push(run);
        Ok(())
    }

    /// The engines, sorted by name.
    pub fn engines(&self) -> impl Iterator<Item = &str> {
        self.runs.keys().map(String::as_str)
    }

    /// The runs of an engine on a bug.
    pub fn of(&self, engine: &str, bug: &str) -> &[Run] {
        let runs = self.runs.get(engine).and_then(|bugs| bugs.get(bug));
        runs.map_or(&[], Vec::as_slice)
    }

    /// The times of an engine on a bug.
    pub fn times(&self, engine: &str, bug: &str) -> Vec<Time> {
        self.of(engine, bug).iter().map(|run| run.time).collect()
    }

    /// The runs of an engine.
    pub fn all_of(&self, engine: &str) -> impl Iterator<Item = &Run> {
        self.runs
            .get(engine)
            .into_iter()
            .flat_map(|bugs| bugs.values().flatten())
    }

    /// The number of runs.
    pub fn count(&self) -> usize {
        self.engines()
            .map(|engine| self.all_of(engine).count())
            .sum()
    }
}

/// Parses a line; `None` if the line is not a run, or the run exceeds the limit or ends before it
/// without a finding.
fn parse_run(line: &str, limit: f64) -> Option<Run> {
    let [bug, engine, number, found, seconds, execs, signature] =
        line.split(',').collect::<Vec<_>>().try_into().ok()?;
    let found = match (found, signature) {
        ("0", "") => false,
        ("1", signature) if !signature.is_empty() => true,
        _ => return None,
    };
    let seconds: f64 = seconds.parse().ok()?;
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    let is_within = (0.0..=limit).contains(&seconds) && (found || seconds == limit);
    (is_name(bug) && is_name(engine) && is_within).then_some(Run {
        bug: bug.to_owned(),
        engine: engine.to_owned(),
        number: number.parse().ok()?,
        time: Time { seconds, found },
        execs: execs.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT_10: &str = "command: make campaign\ncommit: abc\nseconds: 10\n";

    fn parse(lines: &str) -> Result<Campaign, String> {
        Campaign::parse(ABOUT_10, &format!("{COLUMNS}\n{lines}"))
    }

    #[test]
    fn a_run_that_was_not_found_stays_and_half_a_line_does_not() {
        let campaign =
            parse("b,x,1,0,10.000,7,\na,x,1,1,0.500,3,f/i:op:s\nb,y,1,1,9.").expect("a campaign");
        assert_eq!(campaign.bugs, ["b", "a"]);
        assert_eq!(campaign.engines().collect::<Vec<_>>(), ["x"]);
        let time = |seconds, found| Time { seconds, found };
        assert_eq!(campaign.times("x", "b"), [time(10.0, false)]);
        assert_eq!(campaign.times("x", "a"), [time(0.5, true)]);
        assert_eq!(campaign.times("y", "b"), []);
        assert_eq!(campaign.count(), 2);
    }

    #[test]
    fn what_is_no_run_is_refused_by_its_line() {
        for (line, why) in [
            ("b,x,1,0,10.000,7", "not a run"),
            ("b,x,1,0,10.000,7,f/i:op:s", "not a run"),
            ("b,x,1,1,1.000,7,", "not a run"),
            ("b,x,1,1,11.000,7,f/i:op:s", "not a run"),
            ("b,x,1,0,5.000,7,", "not a run"),
            ("b,x,1,1,NaN,7,f/i:op:s", "not a run"),
            ("b,x,1,1,-1,7,f/i:op:s", "not a run"),
            ("a,x,1,0,10.000,7,", "repeats a run"),
        ] {
            let error = parse(&format!("a,x,1,0,10.000,7,\n{line}\n")).expect_err(line);
            assert!(error.contains("line 3") && error.contains(why), "{error}");
        }
        Campaign::parse("commit: abc\n", COLUMNS).expect_err("there is no limit");
        Campaign::parse(ABOUT_10, "").expect_err("there are no columns");
    }
}
