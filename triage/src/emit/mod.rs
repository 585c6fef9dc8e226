//! `emit`: a program as source, in [C](c) for a real Linux with our driver, or in [Rust](rust) as a test.

mod c;
mod operation;
mod rust;

pub use c::{DRIVER, to_c};

use crate::args::Emit;
use crate::names::shown;
use crate::{Status, input};
use std::io::{self, Write};

/// `emit --c FILE`, `emit --rust FILE`.
///
/// # Errors
///
/// Those of `out`.
pub fn command(args: &Emit, out: &mut dyn Write) -> io::Result<Status> {
    let input = match input::load(&args.file, args.target) {
        Ok(input) => input,
        Err(error) => return Ok(Status::unusable(error)),
    };
    if args.rust {
        let bugs = args.zoo.clone().unwrap_or_default();
        out.write_all(rust::test(&input.program, &bugs).as_bytes())?;
        return Ok(Status::Pass);
    }
    match to_c(&input.program) {
        Ok(text) => {
            out.write_all(text.as_bytes())?;
            Ok(Status::Pass)
        }
        Err(refused) => Ok(Status::unusable(format_args!(
            "{}: {refused}",
            shown(&args.file)
        ))),
    }
}
