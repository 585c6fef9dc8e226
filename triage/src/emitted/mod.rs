//! `linux --emitted`: runs on a real kernel the C programs that [`emit`] writes.

mod compiled;
mod stock;

use crate::linux::{LinuxArgs, Session};
use crate::names::shown;
use crate::walk::WalkEntry;
use crate::{Status, emit, input};
use compiled::compiled;
use std::io::{self, Write};

const ABUSE: &str = include_str!("../linux/abuse.c");

/// Compiles the programs that can be written in C, and runs them.
///
/// # Errors
/// `out`, or the folder for the compiled programs, cannot be written to.
pub fn command(args: &LinuxArgs, out: &mut dyn Write) -> io::Result<Status> {
    if args.stock {
        return stock::command(args, out);
    }
    let Session { image, files } = match Session::new(args) {
        Ok(session) => session,
        Err(status) => return Ok(status),
    };
    let dir = tempfile::tempdir()?;
    let (mut programs, mut refused, mut empty) = (Vec::new(), 0, 0);
    for found in files {
        let path = found.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text =
            match input::load(path, None).map(|input| emit::to_c(&input.program, image.kernel())) {
                Ok(Ok(text)) => text,
                Err(error) if error.is_empty() && matches!(found, WalkEntry::File(_)) => {
                    empty += 1;
                    continue;
                }
                Ok(Err(_)) => {
                    refused += 1;
                    continue;
                }
                Err(error) => return Ok(Status::unusable(error)),
            };
        match compiled(dir.path(), &name, &text)? {
            Some(binary) => programs.push((name, binary)),
            None => {
                return Ok(Status::unusable(format_args!(
                    "{}: cc cannot compile the emitted C",
                    shown(path)
                )));
            }
        }
    }
    // Add a program that misuses the driver.
    let abuse = format!("{}\n{}{ABUSE}", emit::DRIVER, emit::constants());
    if let Some(binary) = compiled(dir.path(), "abuse", &abuse)? {
        programs.push(("abuse".to_owned(), binary));
    }
    let console = match image.run(&programs) {
        Ok(console) => console,
        Err(error) => return Ok(Status::unusable(error)),
    };
    let said: Vec<&str> = console
        .lines()
        .filter_map(|line| line.split_once("mmfuzz-agent: "))
        .map(|(_, said)| said)
        .collect();
    let same = said.iter().filter(|line| line.ends_with(": SAME")).count();
    for line in said
        .iter()
        .filter(|line| !line.ends_with(": SAME") && line.contains(": "))
    {
        writeln!(out, "{line}")?;
    }
    let ended = said.contains(&"all programs have run");
    if !ended {
        writeln!(out, "the guest ended early:\n{console}")?;
    }
    writeln!(
        out,
        "linux-emitted: version={} programs={} same={same} differ={} refused={refused} empty={empty}",
        image.version,
        programs.len(),
        programs.len() - same
    )?;
    Ok(if ended && same == programs.len() {
        Status::Pass
    } else {
        Status::Finding
    })
}
