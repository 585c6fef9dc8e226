//! `canonical TARGET OUT DIR...`: every program in the folders, as its target runs it and in the current wire form, into OUT,
//! once each. The first step of `make cmin`, and how a corpus gets over a new version of the wire form.
//!
//! Files called `.mm` are text, all others wire of any version. Prints `files bytes`, of what was read. Status 2 if a file
//! cannot be read, or a text is no program.

use mm_fuzz::exec::Digest;
use mm_fuzz::program::{Program, text, wire};
use mm_fuzz::target;
use std::path::Path;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_at_checked(2) {
        Some(([target, out], folders)) if !folders.is_empty() => match run(target, out, folders) {
            Ok((files, bytes)) => {
                println!("{files} {bytes}");
                return ExitCode::SUCCESS;
            }
            Err(why) => eprintln!("canonical: {why}"),
        },
        _ => eprintln!("canonical: give TARGET OUT DIR..."),
    }
    ExitCode::from(2)
}

fn run(target: &str, out: &str, folders: &[String]) -> Result<(usize, usize)> {
    let limits = target::limits(target).ok_or_else(|| format!("there is no target {target}"))?;
    let (mut files, mut total) = (0, 0);
    for folder in folders {
        let fail = |error| format!("{folder}: {error}");
        for entry in std::fs::read_dir(folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if !path.is_file() {
                continue;
            }
            let (mut program, len) = load(&path)?;
            files += 1;
            total += len;
            // a text of more threads is a seed for another target; what an engine found is folded as the target does
            if is_text(&path) && program.threads > *limits.thread_range().end() {
                continue;
            }
            limits.apply(&mut program);
            let bytes = wire::encode(&program);
            let file = Path::new(out).join(name(&bytes));
            std::fs::write(&file, &bytes).map_err(|e| format!("{}: {e}", file.display()))?;
        }
    }
    Ok((files, total))
}

fn load(path: &Path) -> Result<(Program, usize)> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(|e| fail(&e))?;
    let program = if is_text(path) {
        let text = std::str::from_utf8(&bytes).map_err(|e| fail(&e))?;
        text::parse(text).map_err(|e| fail(&e))?
    } else {
        wire::decode_any_version(&bytes)
    };
    Ok((program, bytes.len()))
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "mm")
}

fn name(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    bytes.iter().for_each(|byte| digest.mix((*byte).into()));
    format!("{:016x}", digest.value())
}
