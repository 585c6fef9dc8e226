//! `linux --programs FILE.c…`: runs C programs, each in a guest of its own.
//!
//! docs/found keeps a program for each bug of Linux. Its output begins with `BROKEN` or is `ok`.
//! If the kernel dies before the program says anything, that counts as `BROKEN`. With any other
//! output, or if the guest does not end, the program counts as failed.

use super::image::{Image, NoConsole};
use crate::Status;
use mm_fuzz::names::shown;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The agent's prefix for the output of a program.
const SAID: &str = "mmfuzz-agent: ";

/// The most lines of the kernel that are printed for a program.
const KERNEL_LINES: usize = 8;

/// The C programs among the arguments, and those in the folders among them, sorted by name.
fn sources(given: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for path in given {
        if !path.is_dir() {
            sources.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
        let mut inside: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
        inside.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
        inside.sort();
        sources.append(&mut inside);
    }
    Ok(sources)
}

/// Compiles a static binary. Returns `None` if `cc` fails; it has explained that on standard error.
fn compiled(source: &Path, binary: &Path) -> io::Result<Option<Vec<u8>>> {
    let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(cc)
        .args(["-O1", "-static", "-w", "-o"])
        .args([binary, source])
        .arg("-lpthread")
        .stdin(Stdio::null())
        .status()?;
    if status.success() {
        return std::fs::read(binary).map(Some);
    }
    Ok(None)
}

/// Compiles a C program, runs it in a guest without our driver, and returns what it says.
pub fn said(image: &Image, name: &str, source: &str) -> String {
    let compile = || -> io::Result<Option<Vec<u8>>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("program.c");
        std::fs::write(&path, source)?;
        compiled(&path, &dir.path().join("program"))
    };
    let binary = match compile() {
        Ok(Some(binary)) => binary,
        Ok(None) => return "nothing, since cc does not compile it".to_owned(),
        Err(error) => return format!("nothing, since cc cannot be run: {error}"),
    };
    match image.run_stock(&[(name.to_owned(), binary)]) {
        Ok(console) => {
            let words = ["WARNING:", "BUG:", "Oops", "Kernel panic"];
            let kernel = console
                .lines()
                .find(|line| words.iter().any(|word| line.contains(word)));
            let lines = console.lines().filter_map(|line| line.split_once(SAID));
            let mut said = lines.filter_map(|(_, said)| said.split_once(": "));
            let said = said.next().map_or("nothing", |(_, said)| said).to_owned();
            kernel.map_or(said.clone(), |kernel| {
                format!("{said} (kernel: {})", kernel.trim())
            })
        }
        Err(error) => format!("nothing: {error}"),
    }
}

/// The lines in which the kernel reports an error, and what the program says. A program that says
/// nothing counts as saying `BROKEN` if the kernel died, and an empty text otherwise.
fn heard(console: &str) -> (Vec<&str>, &str) {
    const WORDS: [&str; 5] = ["WARNING:", "BUG:", "kernel BUG at", "Oops", "Kernel panic"];
    let kernel = console
        .lines()
        .filter(|line| WORDS.iter().any(|word| line.contains(word)));
    let kernel: Vec<&str> = kernel.map(str::trim).collect();
    let said = console.lines().filter_map(|line| line.split_once(SAID));
    let mut said = said.filter_map(|(_, said)| said.split_once(": "));
    let is_dead = kernel.iter().any(|line| line.contains("Kernel panic"));
    let said = match said.next() {
        Some((_, said)) => said,
        None if is_dead => "BROKEN: the kernel dies",
        None => "",
    };
    (kernel, said)
}

/// What a guest that does not end has said before.
fn told(kernel: &[&str], said: &str) -> String {
    let last = kernel
        .last()
        .map(|line| format!("; the kernel said: {line}"));
    let said = Some(said).filter(|said| !said.is_empty());
    let said = said.map(|said| format!("; the program said: {said}"));
    last.unwrap_or_default() + &said.unwrap_or_default()
}

/// Runs each program, and prints its output and the kernel's warnings meanwhile.
pub fn command(image: &Image, given: &[PathBuf], out: &mut dyn Write) -> io::Result<Status> {
    let sources = match sources(given) {
        Ok(sources) if !sources.is_empty() => sources,
        Ok(_) => {
            return Ok(Status::unusable(
                "there is no C program: name files or folders",
            ));
        }
        Err(error) => return Ok(Status::unusable(format_args!("cannot be read: {error}"))),
    };
    let dir = tempfile::tempdir()?;
    let (mut broken, mut ok, mut failed) = (0, 0, 0);
    for source in &sources {
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        let binary = match compiled(source, &dir.path().join("program")) {
            Ok(Some(binary)) => binary,
            Ok(None) => {
                failed += 1;
                Status::unusable(format_args!("{}: cc does not compile it", shown(source)));
                continue;
            }
            Err(error) => return Ok(Status::unusable(format_args!("cc cannot be run: {error}"))),
        };
        let console = match image.run_on(&[(name.clone().into_owned(), binary)]) {
            Ok(console) => console,
            Err(NoConsole::DoesNotEnd { seconds, console }) => {
                failed += 1;
                let (kernel, said) = heard(&console);
                writeln!(
                    out,
                    "{name}: the guest does not end within {seconds} s{}",
                    told(&kernel, said)
                )?;
                out.flush()?;
                continue;
            }
            Err(NoConsole::CannotRun(why)) => return Ok(Status::unusable(why)),
        };
        let (kernel, said) = heard(&console);
        for line in kernel.iter().take(KERNEL_LINES) {
            writeln!(out, "  {line}")?;
        }
        if kernel.len() > KERNEL_LINES {
            writeln!(out, "  and {} more", kernel.len() - KERNEL_LINES)?;
        }
        let counted = match said {
            "ok" => &mut ok,
            said if said.starts_with("BROKEN") => &mut broken,
            _ => &mut failed,
        };
        *counted += 1;
        let said = if said.is_empty() {
            "it says nothing"
        } else {
            said
        };
        writeln!(out, "{name}: {said}")?;
        out.flush()?;
    }
    writeln!(
        out,
        "linux-programs: version={} programs={} broken={broken} ok={ok} failed={failed}",
        image.version,
        sources.len()
    )?;
    Ok(match (failed, broken) {
        (0, 0) => Status::Pass,
        (0, _) => Status::Finding,
        _ => Status::Unusable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::image::Patience;
    use std::time::Duration;

    #[test]
    fn a_folder_stands_for_its_c_programs_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["b.c", "a.c", "a.mm", "README"] {
            std::fs::write(dir.path().join(name), "").expect("a file");
        }
        let given = [dir.path().to_owned(), PathBuf::from("x.c")];
        let names = sources(&given).expect("they can be read");
        let expected = [dir.path().join("a.c"), dir.path().join("b.c"), "x.c".into()];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_program_that_kills_the_kernel_is_broken() {
        let dead = "[ 2.6] kernel BUG at mm/migrate.c:368!\n[ 2.7] Kernel panic - not syncing: x\n";
        let (kernel, said) = heard(dead);
        assert_eq!((kernel.len(), said), (2, "BROKEN: the kernel dies"));
        let (kernel, said) = heard("mmfuzz-agent: a: ok\n[ 3.0] reboot: Power down\n");
        assert_eq!((kernel.len(), said), (0, "ok"));
        let warned = "[ 1.0] WARNING: mm/rmap.c:1\nmmfuzz-agent: a: BROKEN: x: y\n";
        assert_eq!(heard(warned).1, "BROKEN: x: y");
        assert_eq!(heard("[ 3.0] reboot: Power down\n").1, "");
    }

    #[test]
    fn a_guest_that_does_not_end_is_one_program_that_failed() {
        let dir = tempfile::tempdir().expect("a folder");
        let sources = ["a.c", "b.c"].map(|name| dir.path().join(name));
        for source in &sources {
            std::fs::write(source, "int main(void) { return 0; }").expect("a file");
        }
        const SHORT: Duration = Duration::from_secs(1);
        let patience = Patience {
            boot: SHORT,
            program: SHORT,
            whole: SHORT,
            last_words: SHORT,
        };
        let image = crate::linux::fake::image(dir.path(), "endless", patience);
        let mut out = Vec::new();
        let status = command(&image, &sources, &mut out).expect("it writes");
        let said = String::from_utf8(out).expect("text");
        assert_eq!(status, Status::Unusable, "{said}");
        assert!(
            said.contains("a: the guest does not end within 1 s\n"),
            "{said}"
        );
        assert!(said.contains("programs=2 broken=0 ok=0 failed=2"), "{said}");
    }

    #[test]
    fn what_cc_refuses_is_no_program() {
        let dir = tempfile::tempdir().expect("a folder");
        let source = dir.path().join("a.c");
        std::fs::write(&source, "not C").expect("a file");
        let binary = compiled(&source, &dir.path().join("a")).expect("cc runs");
        assert!(binary.is_none());
    }
}
