//! `diff`: shows two runs side by side, and the first operation after which they differ.

use crate::Status;
use crate::bugs::Bugs;
use crate::input::{self, Input, Target};
use crate::names::shown;
use crate::record::{Moment, Record, differences};
use crate::run::Ended;
use crate::style::Style;
use mm_fuzz::program::Program;
use mm_fuzz::window::Window;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// The end of the command's help.
pub const HELP: &str = "\
Exit status: 0 the runs are the same, 1 they differ, 2 unusable input or command line.";

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// Historical bugs to put back: with two programs, in both runs; with one program, in the first
    /// of its two runs
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse, required_unless_present = "b")]
    pub zoo: Option<Bugs>,
    /// The files are inputs of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// A program
    pub a: PathBuf,
    /// Another program
    pub b: Option<PathBuf>,
}

/// Width of the column of the first run.
const WIDTH: usize = 60;

/// The first place at which two runs differ.
#[derive(Debug, Serialize)]
pub struct Divergence {
    /// The number of operations that had ended before, the same in both runs.
    pub moment: usize,
    /// The operation of the first run; `None` if that run is over.
    pub a: Option<String>,
    /// The operation of the second run; `None` if that run is over.
    pub b: Option<String>,
    /// A line for each difference of the states, with the first run's value and then the second's.
    pub state: Vec<String>,
}

impl Divergence {
    /// The operation of the first run, or `over`. `explain` passes the run without the bug as the
    /// first run.
    pub fn without(&self) -> String {
        spaced(self.a.as_deref())
    }

    /// The operation of the second run, or `over`.
    pub fn with(&self) -> String {
        spaced(self.b.as_deref())
    }
}

/// The words of the line, separated by single spaces; `over` without a line.
fn spaced(line: Option<&str>) -> String {
    let words = line.unwrap_or("over").split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

/// The first operation after which two runs differ. `None` if they agree after every operation;
/// even then, one of them may end with a finding and the other not.
pub fn first(a: &Record, b: &Record, program: &Program) -> Option<Divergence> {
    let count = a.moments.len().max(b.moments.len());
    (0..count).find_map(|i| {
        let (x, y) = (a.moments.get(i), b.moments.get(i));
        let state = match (x, y) {
            (Some(x), Some(y)) => differences(&x.after, &y.after, Window::of(program)),
            _ => Vec::new(),
        };
        let line = |moment: Option<&Moment>| moment.map(|m| m.line.clone());
        let said = |moment: Option<&Moment>| moment.map(|m| spaced(Some(&m.line)));
        (said(x) != said(y) || !state.is_empty()).then(|| Divergence {
            moment: i,
            a: line(x),
            b: line(y),
            state,
        })
    })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    same: bool,
    signatures: [Option<&'a str>; 2],
    first: Option<Divergence>,
}

/// Runs both programs, or one program twice, and prints the runs.
pub fn command(args: &DiffArgs, out: &mut dyn Write) -> io::Result<Status> {
    let bugs = args.zoo.clone().unwrap_or_default();
    let load = |path| input::load(path, args.target).map_err(Status::unusable);
    let (a, b) = match (load(&args.a), args.b.as_deref().map(load).transpose()) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(status), _) | (_, Err(status)) => return Ok(status),
    };
    let without = Bugs::default();
    let (b, bugs_of_b): (&Input, &Bugs) = match &b {
        Some(b) => (b, &bugs),
        None => (&a, &without),
    };
    let (x, y) = (
        Record::of(&a.program, &bugs),
        Record::of(&b.program, bugs_of_b),
    );
    let first = first(&x, &y, &a.program);
    let same = first.is_none() && x.ended == y.ended;
    if args.json {
        let signature = |ended| match ended {
            &Ended::Pass { .. } => None,
            Ended::Found(found) => Some(&*found.signature),
        };
        let signatures = [signature(&x.ended), signature(&y.ended)];
        serde_json::to_writer(
            &mut *out,
            &Printed {
                same,
                signatures,
                first,
            },
        )?;
        writeln!(out)?;
    } else {
        let names = match &args.b {
            Some(b) => [shown(&args.a), shown(b)],
            None => [format!("with {}", bugs.names), "without".to_owned()],
        };
        people(&x, &y, &names, first.as_ref(), out)?;
    }
    Ok(if same { Status::Pass } else { Status::Finding })
}

fn people(
    x: &Record,
    y: &Record,
    [a, b]: &[String; 2],
    first: Option<&Divergence>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let style = Style::of_stdout();
    writeln!(out, "{}", style.heading(format!("  {a:<WIDTH$} | {b}")))?;
    for i in 0..x.moments.len().max(y.moments.len()) {
        let line = |record: &Record| record.moments.get(i).map_or("", |m| &*m.line).to_owned();
        let differs = first.is_some_and(|first| first.moment == i);
        let mark = if differs { '>' } else { ' ' };
        let both = format!("{mark} {:<WIDTH$} | {}", line(x), line(y));
        let both = both.trim_end();
        writeln!(
            out,
            "{}",
            if differs {
                style.bad(both)
            } else {
                both.to_owned()
            }
        )?;
        let state = first
            .filter(|_| differs)
            .map_or(&[][..], |first| &first.state);
        for line in state {
            writeln!(out, "      {line}")?;
        }
    }
    if first.is_none() {
        writeln!(out, "no difference")?;
    }
    for (name, record) in [(a, x), (b, y)] {
        let verdict = match &record.ended {
            Ended::Pass { .. } => style.good("pass"),
            Ended::Found(found) => style.bad(&found.signature),
        };
        writeln!(out, "{name}: {verdict}")?;
    }
    Ok(())
}
