//! The line that `replay --json` prints for a file.

use crate::names::shown;
use crate::run::Ended;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// What `--json` says about a file.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The name of the file, in the form of [`shown`].
    pub file: String,
    /// `pass`, `finding`, `unusable` or, in a folder, `empty`.
    pub verdict: &'static str,
    /// The signature of the finding.
    pub signature: Option<String>,
    /// The number of the operation with the finding, or the number of operations if the finding is
    /// at the end.
    pub step: Option<usize>,
    /// What was found, or why the file is unusable.
    pub detail: Option<String>,
    /// The digest of a run that passed.
    pub digest: Option<String>,
}

impl Line {
    /// The line for a file that is no program.
    pub fn unusable(file: &Path, why: String) -> Self {
        Self {
            file: shown(file),
            verdict: "unusable",
            signature: None,
            step: None,
            detail: Some(why),
            digest: None,
        }
    }

    /// The line for an empty file in a folder.
    pub fn empty(file: &Path) -> Self {
        Self {
            verdict: "empty",
            detail: None,
            ..Self::unusable(file, String::new())
        }
    }

    /// The line for a program after its run. `step` is the last operation that ran. The line has it
    /// if the finding is a panic, which has no operation of its own.
    pub fn ended(file: &Path, ended: Ended, step: Option<usize>) -> Self {
        let line = Self {
            verdict: "pass",
            detail: None,
            ..Self::unusable(file, String::new())
        };
        match ended {
            Ended::Pass { digest } => Self {
                digest: Some(format!("{digest:016x}")),
                ..line
            },
            Ended::Found(found) => Self {
                verdict: "finding",
                signature: Some(found.signature),
                step: found.step.or(step),
                detail: Some(found.detail),
                ..line
            },
        }
    }

    /// Prints the object in one line.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }
}
