//! `explain`: each operation with the entries, struct pages and links of the reverse map that it changed;
//! then what is wrong, in which function it came about, and what the bug did first.

use crate::Status;
use crate::args::Explain;
use crate::diff::{self, Difference};
use crate::record::Record;
use crate::run::{Bugs, Ended};
use crate::style::Style;
use crate::{describe, input, objection};
use serde::Serialize;
use std::io::{self, Write};

/// An operation and what it changed.
#[derive(Serialize)]
struct Explained<'a> {
    operation: &'a str,
    changes: Vec<String>,
}

/// What is wrong, and since when.
#[derive(Serialize)]
struct Cause {
    signature: String,
    detail: String,
    /// What is wrong at the first moment at which something is.
    first_objection: Option<String>,
    /// The function of the kernel that the section corresponds to.
    function: Option<String>,
}

#[derive(Serialize)]
struct Explanation<'a> {
    operations: Vec<Explained<'a>>,
    finding: Option<Cause>,
    first_difference: Option<Difference>,
}

/// Explains one program.
pub fn command(args: &Explain, out: &mut dyn Write) -> io::Result<Status> {
    let bugs = args.zoo.clone().unwrap_or_default();
    let program = match input::load(&args.file, args.target) {
        Ok(input) => input.program,
        Err(error) => return Ok(Status::unusable(error)),
    };
    let record = Record::of(&program, &bugs);
    let moments = record.moments.iter().enumerate();
    let operations = moments.map(|(i, moment)| Explained {
        operation: &moment.line,
        changes: record.changes(i, program.geometry),
    });
    let (finding, status) = match &record.ended {
        Ended::Pass { .. } => (None, Status::Pass),
        Ended::Found(found) => {
            let first = objection::first(&program, &bugs);
            let cause = Cause {
                signature: found.signature.clone(),
                detail: found.detail.clone(),
                function: first.as_ref().map(|first| describe::site(first.site)),
                first_objection: first
                    .map(|first| format!("{}: {}", first.found.oracle, first.found.detail)),
            };
            (Some(cause), Status::Finding)
        }
    };
    let without = args
        .zoo
        .as_ref()
        .map(|_| Record::of(&program, &Bugs::default()));
    let explanation = Explanation {
        operations: operations.collect(),
        finding,
        first_difference: without.and_then(|without| diff::first(&without, &record, &program)),
    };
    if args.json {
        serde_json::to_writer(&mut *out, &explanation)?;
        writeln!(out)?;
    } else {
        explanation.print(out)?;
    }
    Ok(status)
}

impl Explanation<'_> {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let style = Style::of_stdout();
        for Explained { operation, changes } in &self.operations {
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
                let function = cause.function.as_deref().unwrap_or_default();
                let place = match function {
                    "start" => "in the first section of the operation".to_owned(),
                    function => format!("in {function}"),
                };
                writeln!(out, "first wrong {place}:\n  {first}")?;
            }
        }
        if let Some(difference) = &self.first_difference {
            let line = |side: &Option<String>| {
                let words = side.as_deref().unwrap_or("over").split_whitespace();
                words.collect::<Vec<_>>().join(" ")
            };
            let heading = "\nthe first operation at which the bug shows, without it and with it:";
            writeln!(out, "{}", style.heading(heading))?;
            writeln!(out, "  {}\n  {}", line(&difference.a), line(&difference.b))?;
            for line in &difference.state {
                writeln!(out, "        {line}")?;
            }
        }
        Ok(())
    }
}
