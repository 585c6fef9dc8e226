//! `emit`: a program as source, in [C](c) for a real Linux with our driver, or in [Rust](rust) as a test.

mod c;
mod operation;
mod rust;

use c::Refused;
pub use c::{DRIVER, to_c};

use crate::args::Emit;
use crate::names::shown;
use crate::{Status, input};
use serde_json::json;
use std::io::{self, Write};

/// `emit --c FILE`, `emit --rust FILE`.
///
/// # Errors
///
/// Those of `out`.
pub fn command(args: &Emit, out: &mut dyn Write) -> io::Result<Status> {
    let input = match input::load(&args.file, args.target) {
        Ok(input) => input,
        Err(error) => {
            if args.json {
                let said = json!({ "file": shown(&args.file), "detail": error.to_string() });
                writeln!(out, "{said}")?;
            }
            return Ok(Status::unusable(error));
        }
    };
    let (language, text) = if args.rust {
        let bugs = args.zoo.clone().unwrap_or_default();
        ("rust", Ok(rust::test(&input.program, &bugs)))
    } else {
        ("c", to_c(&input.program, args.kernel))
    };
    if args.json {
        let mut said = json!({ "file": shown(&args.file), "language": language });
        match &text {
            Ok(text) => said["text"] = json!(text),
            Err(Refused(reasons)) => said["refused"] = json!(reasons),
        }
        writeln!(out, "{said}")?;
    }
    match text {
        Ok(text) => {
            if !args.json {
                out.write_all(text.as_bytes())?;
            }
            Ok(Status::Pass)
        }
        Err(refused) => Ok(Status::unusable(format_args!(
            "{}: {refused}",
            shown(&args.file)
        ))),
    }
}
