//! What the guest is good for besides comparing: the kernel's own tests, emitted programs, and whether a
//! guest that dies is noticed.

use super::guest::{Guest, Image};
use crate::names::shown;
use crate::walk::Found;
use crate::{Status, emit, input};
use mm_fuzz::program::{Program, wire};
use mm_linux_protocol::{Action, Crash, Job};
use std::io::{self, Write};
use std::path::Path;

/// The upstream tests: their counts, and what failed.
pub fn selftest(image: &Image, out: &mut dyn Write) -> io::Result<Status> {
    let console = match image.selftest() {
        Ok(console) => console,
        Err(error) => return Ok(Status::unusable(error)),
    };
    let counted = |word: &str| {
        console
            .lines()
            .filter(|line| line.starts_with(word))
            .count()
    };
    for line in console
        .lines()
        .filter(|line| line.starts_with("not ok") || line.contains("Kernel panic"))
    {
        writeln!(out, "{line}")?;
    }
    let skipped = console
        .lines()
        .filter(|line| line.contains("# SKIP"))
        .count();
    let (failed, ok) = (counted("not ok"), counted("ok "));
    writeln!(
        out,
        "linux-selftest: version={} pass={} fail={failed} skip={skipped}",
        image.version,
        ok - skipped.min(ok)
    )?;
    Ok(match (ok, failed) {
        (0, _) => Status::unusable(format_args!("hmm-tests did not run:\n{console}")),
        (_, 0) => Status::Pass,
        _ => Status::Finding,
    })
}

const ABUSE: &str = include_str!("abuse.c");

/// The static program that `cc` makes of a C text; `None` if it does not.
fn compiled(dir: &Path, name: &str, text: &str) -> io::Result<Option<Vec<u8>>> {
    let (source, binary) = (dir.join(format!("{name}.c")), dir.join(name));
    std::fs::write(&source, text)?;
    let status = std::process::Command::new("cc")
        .args([
            "-std=gnu11",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-static",
            "-o",
        ])
        .args([&binary, &source])
        .arg("-lpthread")
        .status();
    if status.is_ok_and(|status| status.success()) {
        return std::fs::read(&binary).map(Some);
    }
    Ok(None)
}

/// Compiles the programs that can be written in C and runs them.
pub fn emitted(
    image: &Image,
    files: impl IntoIterator<Item = Found>,
    out: &mut dyn Write,
) -> io::Result<Status> {
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
                Err(error) if error.is_empty() && matches!(found, Found::File(_)) => {
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
                    "{}: cc does not compile it in C",
                    shown(path)
                )));
            }
        }
    }
    // and one that is there to be a nuisance
    let abuse = format!("{}\n{ABUSE}", emit::DRIVER);
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

/// Brings guests down, and looks whether that is noticed and told apart.
pub fn detection(image: &Image, out: &mut dyn Write) -> io::Result<Status> {
    let mut status = Status::Pass;
    for (crash, sign) in [
        (Crash::Panic, "sysrq triggered crash"),
        (Crash::Warn, "WARNING:"),
        (Crash::Hang, "the guest hangs"),
    ] {
        let job = Job {
            id: 0,
            program: wire::encode(&Program::default()),
            plan: vec![Action::Crash(crash)],
            device_frames: 0,
            hints: Vec::new(),
        };
        let said = match Guest::boot(image) {
            Ok(mut guest) => match guest.send(&job).and_then(|()| guest.reply(job.id)) {
                Ok(_) => "it goes on".to_owned(),
                Err(error) => guest.death(&error).why,
            },
            Err(death) => death.why,
        };
        let noticed = said.contains(sign);
        let verdict = if noticed { "noticed" } else { "MISSED" };
        writeln!(out, "{crash:?}: {verdict}: {said}")?;
        if !noticed {
            status = Status::Finding;
        }
    }
    Ok(status)
}
