//! `emit`: writes a program as source, in [C](to_c) for a real Linux with our driver, in [C](Stock)
//! for any Linux, or in [Rust](to_rust) as a test.

mod c;
mod operation;
mod refused;
mod rust;
mod stock;

pub use c::{DRIVER, constants, to_c};
pub use refused::Refused;
pub use rust::to_rust;
pub use stock::{Known, Stock};

use crate::Status;
use crate::bugs::Bugs;
use crate::input::{self, Target};
use crate::linux::known::{self, Version};
use crate::names::shown;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// Parses the first two numbers of a kernel's version.
///
/// # Errors
/// A sentence, if the word is no version, or the version is older than 6.12.
fn kernel(word: &str) -> Result<Version, String> {
    let wanted = || "a kernel's version, such as 6.12 or 7.3.4".to_owned();
    let version = known::version(word).ok_or_else(wanted)?;
    (version >= (6, 12))
        .then_some(version)
        .ok_or_else(|| "the model has the rules of 6.12 and newer kernels".to_owned())
}

/// Arguments of `emit`.
#[derive(Debug, clap::Args)]
pub struct EmitArgs {
    /// Write C: it compiles with -Wall -Wextra -Werror, needs /dev/mmfuzz, and prints SAME or the
    /// first difference
    #[arg(long, conflicts_with = "rust")]
    pub c: bool,
    /// Write C that needs no driver of ours, only system calls, /proc, userfaultfd and
    /// /dev/hmm_dmirror of CONFIG_TEST_HMM: it prints ok, or BROKEN and the first step at which
    /// Linux differs
    #[arg(long, requires = "c")]
    pub stock: bool,
    /// The kernel whose behaviour the C expects: 6.12 or newer
    #[arg(long, value_name = "VERSION", value_parser = kernel, default_value = "7.3", conflicts_with = "rust")]
    pub kernel: Version,
    /// Write Rust: a test that fails with the program's finding until the bug is fixed
    #[arg(long)]
    pub rust: bool,
    /// Historical bugs that the Rust test puts back
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse, conflicts_with = "c")]
    pub zoo: Option<Bugs>,
    /// The file is an input of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Print one JSON object, with the text or with what user space cannot do
    #[arg(long)]
    pub json: bool,
    /// A text program (.mm), a wire file, or an artifact of a fuzzing engine
    pub file: PathBuf,
}

/// The message for a command line that names no form.
const FORMS: &str = "say in which form: `emit --c` is C for a Linux with our driver, `emit --c --stock` C for any \
                     Linux, `emit --rust` a test in Rust";

/// `emit --c FILE`, `emit --c --stock FILE`, `emit --rust FILE`.
///
/// # Errors
///
/// `out` cannot be written to.
pub fn command(args: &EmitArgs, out: &mut dyn Write) -> io::Result<Status> {
    if !args.c && !args.rust {
        return Ok(Status::unusable(FORMS));
    }
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
        ("rust", Ok(to_rust(&input.program, &bugs)))
    } else if args.stock {
        let stock = Stock::of(&input.program, args.kernel);
        ("c", stock.map(|stock| stock.to_c()))
    } else {
        ("c", to_c(&input.program, args.kernel))
    };
    if args.json {
        let mut said = json!({ "file": shown(&args.file), "language": language });
        match &text {
            Ok(text) => said["text"] = json!(text),
            Err(refused) => said["refused"] = json!(refused.reasons),
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
