//! `linux --emitted --stock`: runs the C programs that need no driver of ours, in a guest without
//! it.
//!
//! Such a program expects what a kernel without bugs does. If it says `BROKEN`, a
//! [known bug](crate::linux::known) of that kernel may explain this. A bug is an explanation if the
//! model with the bug shows a difference at that step, or differed before the step. A `BROKEN`
//! without such a bug is reported as not explained.

use super::compiled::compiled;
use crate::emit::{Known, Stock};
use crate::linux::{Image, LinuxArgs, Session};
use crate::names::shown;
use crate::walk::WalkEntry;
use crate::{Status, input};
use std::io::{self, Write};
use std::path::Path;

/// The agent's prefix for the output of a program.
const SAID: &str = "mmfuzz-agent: ";

/// A program that is to run.
struct Candidate {
    name: String,
    binary: Vec<u8>,
    /// The known bugs that change what the model does in this program.
    known: Vec<Known>,
}

/// What became of one program.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// The output of the program.
    words: String,
    /// The kernel's warnings while the program ran.
    warned: Vec<String>,
}

/// Reads a guest's console. Returns what each program said, in the order in which the programs ran,
/// and the kernel's warnings after the last program.
fn said(console: &str) -> (Vec<(String, Said)>, Vec<String>) {
    const WORDS: [&str; 5] = [
        "WARNING:",
        "BUG:",
        "Oops",
        "Kernel panic",
        "rcu_sched detected",
    ];
    let (mut all, mut warned) = (Vec::new(), Vec::new());
    for line in console.lines() {
        if let Some((_, said)) = line.split_once(SAID) {
            if let Some((name, words)) = said.split_once(':') {
                let words = words.trim().to_owned();
                let warned = std::mem::take(&mut warned);
                all.push((name.to_owned(), Said { words, warned }));
            }
        } else if WORDS.iter().any(|word| line.contains(word)) {
            warned.push(line.trim().to_owned());
        }
    }
    (all, warned)
}

/// The bugs that explain why a program is broken at a step: the bugs that first show at that step.
/// If there are none, the bugs with which the model differed before that step.
fn explanation(known: &[Known], words: &str) -> Option<String> {
    let step = words.strip_prefix("BROKEN: step ")?.split(':').next()?;
    let step: usize = step.parse().ok()?;
    let of = |explains: fn(&Known, usize) -> bool| {
        let names = known.iter().filter(|known| explains(known, step));
        let names: Vec<&str> = names.map(|known| known.name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let before = |known: &Known, step| known.first < step;
    of(|known, step| known.shows == Some(step)).or_else(|| of(before))
}

/// Runs all programs. If a guest ends early, another guest runs the rest.
fn run(image: &Image, all: &[Candidate]) -> Result<Vec<Said>, String> {
    let mut results = Vec::new();
    while results.len() < all.len() {
        // the guest runs the programs in the order of their names
        let rest = &all[results.len()..];
        let numbered = rest.iter().enumerate();
        let programs: Vec<_> = numbered
            .map(|(n, one)| (format!("{n:05}-{}", one.name), one.binary.clone()))
            .collect();
        let console = image.run_stock(&programs)?;
        let (said, warned) = said(&console);
        results.extend(said.into_iter().map(|(_, said)| said));
        if results.len() < all.len() {
            let words = "the guest ended".to_owned();
            results.push(Said { words, warned });
        }
    }
    results.truncate(all.len());
    Ok(results)
}

/// Compiles the programs that stock interfaces can carry out, and runs them.
///
/// # Errors
/// `out`, or the folder for the compiled programs, cannot be written to.
pub fn command(args: &LinuxArgs, out: &mut dyn Write) -> io::Result<Status> {
    let Session { image, files } = match Session::new(args) {
        Ok(session) => session,
        Err(status) => return Ok(status),
    };
    let dir = tempfile::tempdir()?;
    let (mut candidates, mut refused, mut empty) = (Vec::new(), 0, 0);
    for found in files {
        let path = found.path();
        let input = match input::load(path, None) {
            Ok(input) => input,
            Err(error) if error.is_empty() && matches!(found, WalkEntry::File(_)) => {
                empty += 1;
                continue;
            }
            Err(error) => return Ok(Status::unusable(error)),
        };
        let stock = match Stock::of(&input.program, image.kernel()) {
            Ok(stock) => stock,
            Err(why) => {
                refused += 1;
                if args.verbose {
                    writeln!(out, "{}: refused: {why}", shown(path))?;
                }
                continue;
            }
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.into_owned();
        let Some(binary) = compiled(dir.path(), &name, &stock.to_c())? else {
            return Ok(Status::unusable(format_args!(
                "{}: cc cannot compile the emitted C",
                shown(path)
            )));
        };
        let known = stock.known();
        candidates.push(Candidate {
            name,
            binary,
            known,
        });
    }
    let results = match run(&image, &candidates) {
        Ok(results) => results,
        Err(error) => return Ok(Status::unusable(error)),
    };
    let (mut same, mut known, mut differ) = (0, 0, 0);
    for (one, said) in candidates.iter().zip(&results) {
        let name = shown(Path::new(&one.name));
        for line in &said.warned {
            writeln!(out, "  {line}")?;
        }
        match explanation(&one.known, &said.words) {
            _ if said.words == "ok" && said.warned.is_empty() => {
                same += 1;
                if args.verbose {
                    writeln!(out, "{name}: ok")?;
                }
            }
            Some(bugs) => {
                known += 1;
                writeln!(out, "{name}: {}; known: {bugs}", said.words)?;
            }
            None => {
                differ += 1;
                let words = match said.words.as_str() {
                    "" => "it says nothing",
                    words => words,
                };
                writeln!(out, "{name}: {words}; not explained")?;
            }
        }
    }
    writeln!(
        out,
        "linux-stock: version={} programs={} same={same} known={known} differ={differ} refused={refused} empty={empty}",
        image.version,
        candidates.len()
    )?;
    Ok(if differ == 0 {
        Status::Pass
    } else {
        Status::Finding
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_told_from_the_console_and_has_its_warnings() {
        let console = "[1] boot\nmmfuzz-agent: 0-a: ok\n[2] WARNING: at mm/x.c\n\
                       [3] mmfuzz-agent: 1-b: BROKEN: step 3: read p0 0: 1, not 2\n[4] Oops: 0\n";
        let (all, rest) = said(console);
        let words: Vec<&str> = all.iter().map(|(_, said)| said.words.as_str()).collect();
        assert_eq!(words, ["ok", "BROKEN: step 3: read p0 0: 1, not 2"]);
        assert_eq!(all[1].1.warned, ["[2] WARNING: at mm/x.c"]);
        assert!(all[0].1.warned.is_empty());
        assert_eq!(rest, ["[4] Oops: 0"]);
    }

    #[test]
    fn a_bug_explains_what_comes_behind_it_alone() {
        let bug = |name, first, shows| Known { name, first, shows };
        let known = [bug("early", 2, Some(6)), bug("late", 5, None)];
        let of = |words| explanation(&known, words);
        let broken = "BROKEN: step 4: pagemap of page 0: 0x2, not 0x3";
        assert_eq!(of(broken).as_deref(), Some("early"));
        assert_eq!(of("BROKEN: step 5: x").as_deref(), Some("early"));
        assert_eq!(of("BROKEN: step 7: x").as_deref(), Some("early, late"));
        assert_eq!(of("BROKEN: step 6: x").as_deref(), Some("early"));
        assert_eq!(of("BROKEN: step 1: x"), None);
        assert_eq!(of("BROKEN: signal 7"), None);
        assert_eq!(of("ok"), None);
        assert_eq!(of("the guest ended"), None);
    }
}
