//! `explain`: shows each operation with the entries, struct pages, VMAs and links of the reverse
//! map that the operation changed. Then shows the finding, the function in which the state first
//! was wrong, and the first difference to a run without the bug.

use crate::Status;
use crate::bugs::Bugs;
use crate::diff::{self, Divergence};
use crate::input::{self, Target};
use crate::objection;
use crate::record::Record;
use crate::run::Ended;
use crate::style::Style;
use mm_fuzz::describe;
use mm_fuzz::program::Program;
use mm_fuzz::window::Window;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// Historical bugs to put back, separated by commas; the output also names the first
    /// operation at which the run differs from one without them
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// The file is an input of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// A text program (.mm), a wire file, or an artifact of a fuzzing engine
    pub file: PathBuf,
}

/// An operation and what it changed.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The operation and its outcome, in one line.
    pub operation: String,
    /// What `pagemap` or `snapshot` showed, page by page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<ExplainedPage>,
    /// A line for each thing that the operation changed.
    pub changes: Vec<String>,
}

/// What an operation showed of a page.
#[derive(Debug, Serialize)]
pub struct ExplainedPage {
    /// The page of the window; `None` outside of it.
    pub page: Option<u32>,
    /// The words.
    pub shown: String,
}

/// The finding, and the first objection.
#[derive(Debug, Serialize)]
pub struct Cause {
    /// The signature of the finding.
    pub signature: String,
    /// What was expected and what was found.
    pub detail: String,
    /// The first objection: the invariant, and what was expected and found.
    pub first_objection: Option<String>,
    /// The kernel function whose section ran last before the first objection.
    pub function: Option<String>,
}

impl Cause {
    /// The place at which the state first was wrong, in words.
    pub fn place(&self) -> String {
        match self.function.as_deref() {
            None | Some("start") => "in the first section of the operation".to_owned(),
            Some(function) => format!("in {function}"),
        }
    }
}

/// The explanation of a run.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The operations in the order in which they ended.
    pub operations: Vec<Explained>,
    /// What is wrong; `None` if the run passes.
    pub finding: Option<Cause>,
    /// Where the run first differs from a run without the historical bugs; `None` if there are no
    /// bugs, or no difference.
    pub first_difference: Option<Divergence>,
}

/// Explains one program.
pub fn command(args: &ExplainArgs, out: &mut dyn Write) -> io::Result<Status> {
    let program = match input::load(&args.file, args.target) {
        Ok(input) => input.program,
        Err(error) => return Ok(Status::unusable(error)),
    };
    let explanation = Explanation::of(&program, args.zoo.as_ref());
    if args.json {
        serde_json::to_writer(&mut *out, &explanation)?;
        writeln!(out)?;
    } else {
        explanation.print(out)?;
    }
    Ok(match explanation.finding {
        None => Status::Pass,
        Some(_) => Status::Finding,
    })
}

impl Explanation {
    /// Runs `program` with the bugs, and also without them if there are any.
    pub fn of(program: &Program, zoo: Option<&Bugs>) -> Self {
        let without = Bugs::default();
        let bugs = zoo.unwrap_or(&without);
        let record = Record::of(program, bugs);
        let moments = record.moments.iter().enumerate();
        let window = Window::of(program);
        let operations = moments.map(|(i, moment)| Explained {
            operation: moment.line.clone(),
            shown: moment
                .shown
                .iter()
                .map(|(addr, shown)| ExplainedPage {
                    page: window.page(*addr),
                    shown: shown.clone(),
                })
                .collect(),
            changes: moment
                .note
                .iter()
                .cloned()
                .chain(record.changes(i, window))
                .collect(),
        });
        let finding = match &record.ended {
            Ended::Pass { .. } => None,
            Ended::Found(found) => {
                let first = objection::first(program, bugs);
                Some(Cause {
                    signature: found.signature.clone(),
                    detail: found.detail.clone(),
                    function: first.as_ref().map(|first| describe::site(first.site)),
                    first_objection: first
                        .map(|first| format!("{}: {}", first.found.oracle, first.found.detail)),
                })
            }
        };
        let plain = zoo.map(|_| Record::of(program, &without));
        Self {
            operations: operations.collect(),
            finding,
            first_difference: plain.and_then(|plain| diff::first(&plain, &record, program)),
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let style = Style::of_stdout();
        for Explained {
            operation, changes, ..
        } in &self.operations
        {
            writeln!(out, "{}", style.heading(operation))?;
            for change in changes {
                writeln!(out, "        {change}")?;
            }
        }
        if let Some(cause) = &self.finding {
            writeln!(
                out,
                "\n{}",
                style.bad(format!("finding: {}", cause.signature))
            )?;
            writeln!(out, "  {}", cause.detail)?;
            if let Some(first) = &cause.first_objection {
                writeln!(out, "first wrong {}:\n  {first}", cause.place())?;
            }
        }
        if let Some(difference) = &self.first_difference {
            let heading = "\nthe first operation at which the bug shows, without it and with it:";
            writeln!(out, "{}", style.heading(heading))?;
            writeln!(out, "  {}\n  {}", difference.without(), difference.with())?;
            for line in &difference.state {
                writeln!(out, "        {line}")?;
            }
        }
        Ok(())
    }
}
