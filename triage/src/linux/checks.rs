//! Checks in a guest that compare nothing: the kernel's own tests, and whether the judge notices a
//! guest that dies.

use super::guest::Guest;
use super::image::Image;
use crate::Status;
use mm_fuzz::program::{Program, wire};
use mm_linux_protocol::{Action, Crash, Job, Reply};
use std::io::{self, Write};

/// Runs the upstream tests, and prints their counts and the failures.
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

/// Brings guests down in three ways, and checks that the judge notices and tells them apart.
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
            stops: Vec::new(),
            closely: false,
        };
        let said = match Guest::boot(image) {
            Ok(mut guest) => match guest.send(&job).and_then(|()| guest.reply::<Reply>(job.id)) {
                Ok(_) => "the guest goes on".to_owned(),
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
