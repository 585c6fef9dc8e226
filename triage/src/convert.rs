//! `convert`: converts programs of any form to text or wire.
//!
//! An engine's artifact is in wire form, and need not be canonical. The output is canonical, gives
//! the same run, and converts back to the same program.

use crate::Status;
use crate::input::{self, Form, Target};
use crate::names::shown;
use crate::store;
use mm_fuzz::program::wire;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// The form to write: text for people, or wire for engines; engines' artifacts are wire, too
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub to: Form,
    /// The files are inputs of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Write each program to this folder, as NAME.mm or NAME.wire [default: standard output, for
    /// one file]
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Print one JSON object for each file
    #[arg(long, requires = "output")]
    pub json: bool,
    /// Text programs (.mm), wire files, or artifacts of a fuzzing engine
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Converts every file. If a file is unusable, the next files are still converted.
pub fn command(args: &ConvertArgs, out: &mut dyn Write) -> io::Result<Status> {
    let suffix = match args.to {
        Form::Text => ".mm",
        Form::Wire => ".wire",
    };
    let path_of = |file: &PathBuf| Some(store::beside(Some(args.output.as_ref()?), file, suffix));
    if args.output.is_none() && args.files.len() > 1 {
        return Ok(Status::unusable(
            "several files cannot share standard output; give a folder with --output",
        ));
    }
    if let Some(path) = store::first_collision(args.files.iter().filter_map(path_of)) {
        return Ok(store::refuse_collision(&path));
    }
    if let Some(dir) = &args.output
        && let Err(status) = store::make_folder(dir)
    {
        return Ok(status);
    }
    let mut worst = Status::Pass;
    for file in &args.files {
        let input = match input::load(file, args.target) {
            Ok(input) => input,
            Err(error) => {
                if args.json {
                    let said = json!({ "file": shown(file), "detail": error.to_string() });
                    writeln!(out, "{said}")?;
                }
                worst = Status::unusable(error);
                continue;
            }
        };
        if let Some(note) = &input.note {
            crate::say(note);
        }
        let bytes = match args.to {
            Form::Text => input.program.to_string().into_bytes(),
            Form::Wire => wire::encode(&input.program),
        };
        match path_of(file) {
            None => out.write_all(&bytes)?,
            Some(path) => {
                let mut said = json!({ "file": shown(file) });
                match store::write(&path, bytes) {
                    Ok(()) => said["output"] = shown(&path).into(),
                    Err(error) => {
                        let why = format!("{}: cannot be written: {error}", shown(&path));
                        said["detail"] = why.clone().into();
                        worst = Status::unusable(why);
                    }
                }
                if args.json {
                    writeln!(out, "{said}")?;
                }
            }
        }
    }
    Ok(worst)
}
