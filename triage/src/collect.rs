//! `collect`: copies inputs of engines into a corpus, each by a rename and named by its content.
//!
//! Engines create a file under its final name and then fill it, so a kill or a full disk leaves a
//! partial file. A folder that only `collect` writes to has only whole inputs. If a name ends in 40
//! hexadecimal digits, as in libFuzzer's names, these are the SHA-1 of the content. A file whose
//! content has another SHA-1 is damaged or incomplete, and is not copied.

use crate::Status;
use crate::file::{self, ReadError};
use crate::input;
use crate::names::shown;
use crate::store;
use crate::walk::{FolderWalk, WalkEntry};
use serde_json::json;
use sha1::{Digest, Sha1};
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The end of the command's help.
pub const HELP: &str = "\
libFuzzer names a file by the SHA-1 of its content, 40 hexadecimal digits. If a name ends in such digits
and the content has another hash, the file is damaged or incomplete: it is reported and not copied.
Each copy is made by a rename, so nobody sees a partial one.
Exit status: 0 all were copied or were there already, 2 some were damaged or could not be read or written.";

/// Arguments of `collect`.
#[derive(Debug, clap::Args)]
pub struct CollectArgs {
    /// The folder to copy to; it is created if missing
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Keep the names of the files [default: the SHA-1 of the content]
    #[arg(long)]
    pub keep_names: bool,
    /// Also copy the files listed in this file, each name ended by a zero byte; - is standard input
    #[arg(long, value_name = "FILE")]
    pub files0_from: Option<PathBuf>,
    /// Write a list to this file: the inputs of which the folder now has a copy, each name ended by
    /// a zero byte
    #[arg(long, value_name = "FILE")]
    pub listed: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// Inputs; a folder stands for all files in it and in its subfolders
    #[arg(value_name = "FILE|DIR", required_unless_present = "files0_from")]
    pub files: Vec<PathBuf>,
}

/// The longest list of files that is read, in bytes.
const MAX_LIST: u64 = 1 << 30;

/// The numbers of files that were read, copied, there already, and damaged.
#[derive(Debug, Default)]
struct Tally {
    files: u64,
    new: u64,
    known: u64,
    damaged: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            files,
            new,
            known,
            damaged,
        } = self;
        write!(f, "files={files} new={new} known={known} damaged={damaged}")
    }
}

/// Copies all files. If a file is damaged or cannot be read, the next files are still copied. If a
/// copy cannot be written, the command ends.
pub fn command(args: &CollectArgs, out: &mut dyn Write) -> io::Result<Status> {
    let named = match named(args) {
        Ok(named) => named,
        Err(why) => return Ok(Status::unusable(why)),
    };
    if let Err(status) = store::make_folder(&args.into) {
        return Ok(status);
    }
    let (mut tally, mut status, mut listed) = (Tally::default(), Status::Pass, Vec::new());
    for path in named.iter().flat_map(|path| files(path)) {
        let path = match path {
            WalkEntry::Named(path) | WalkEntry::File(path) => path,
            WalkEntry::Unreadable(path, error) => {
                status = Status::unusable(format_args!("{}: {error}", shown(&path)));
                continue;
            }
        };
        let bytes = match file::read(&path, file::MAX_PROGRAM) {
            Ok(bytes) => bytes,
            // An engine may have replaced the file, since the file was listed, by a shorter file
            // with another name.
            Err(ReadError::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {
                continue;
            }
            Err(error) => {
                status = Status::unusable(format_args!("{}: {error}", shown(&path)));
                continue;
            }
        };
        tally.files += 1;
        let hash = sha1(&bytes);
        let name = path.file_name().unwrap_or_default();
        if said_by(name).is_some_and(|said| said != hash) {
            tally.damaged += 1;
            status = Status::unusable(format_args!(
                "{}: is damaged or incomplete: its name is the SHA-1 of another content",
                shown(&path)
            ));
            continue;
        }
        let mut target = PathBuf::from(if args.keep_names {
            name
        } else {
            OsStr::new(&hash)
        });
        if !args.keep_names && path.extension() == Some(OsStr::new("mm")) {
            target.set_extension("mm");
        }
        let target = args.into.join(target);
        if file::read(&target, file::MAX_PROGRAM).is_ok_and(|there| there == bytes) {
            tally.known += 1;
        } else if let Err(error) = store::write(&target, &bytes) {
            return Ok(store::refuse_write(&target, &error));
        } else {
            tally.new += 1;
        }
        if args.listed.is_some() {
            listed.extend_from_slice(path.as_os_str().as_bytes());
            listed.push(0);
        }
    }
    if let Some(path) = &args.listed
        && let Err(error) = store::write(path, listed)
    {
        return Ok(store::refuse_write(path, &error));
    }
    if args.json {
        let Tally {
            files,
            new,
            known,
            damaged,
        } = tally;
        let said = json!({ "files": files, "new": new, "known": known, "damaged": damaged, "folder": shown(&args.into) });
        writeln!(out, "{said}")?;
    } else {
        writeln!(out, "collect: {tally} in {}", shown(&args.into))?;
    }
    Ok(status)
}

/// The files to copy: the arguments, and the names in the list.
fn named(args: &CollectArgs) -> Result<Vec<PathBuf>, String> {
    let mut named = args.files.clone();
    if let Some(list) = &args.files0_from {
        let mut names = Vec::new();
        let read = if list == Path::new("-") {
            let read = io::stdin().lock().take(MAX_LIST).read_to_end(&mut names);
            read.map(drop).map_err(ReadError::from)
        } else {
            file::read(list, MAX_LIST).map(|bytes| names = bytes)
        };
        read.map_err(|error| format!("{}: {error}", shown(list)))?;
        let names = names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        named.extend(names.map(|name| PathBuf::from(OsStr::from_bytes(name))));
    }
    Ok(named)
}

/// The file itself, or the files in the folder and its subfolders.
fn files(path: &Path) -> Box<dyn Iterator<Item = WalkEntry>> {
    if path.is_dir() {
        Box::new(FolderWalk::new(path).filter(|found| !input::is_no_program(found.path())))
    } else {
        Box::new(std::iter::once(WalkEntry::File(path.to_owned())))
    }
}

/// The SHA-1 of an input, in hexadecimal: its name in a corpus.
pub fn sha1(bytes: &[u8]) -> String {
    let hash = Sha1::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-1 at the end of a name; `None` if the name does not end in 40 hexadecimal digits.
fn said_by(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    let hash = name.get(name.len().checked_sub(40)?..)?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    hash.bytes().all(is_hex).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

    #[test]
    fn the_hash_is_that_of_libfuzzer() {
        assert_eq!(sha1(b""), EMPTY);
        assert_eq!(sha1(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    #[test]
    fn names_of_engines_say_a_hash_and_others_do_not() {
        assert_eq!(said_by(OsStr::new(EMPTY)), Some(EMPTY));
        let crash = format!("crash-{EMPTY}");
        assert_eq!(said_by(OsStr::new(&crash)), Some(EMPTY));
        for name in [
            "",
            "seed.mm",
            "0076b8b18569c846",
            "id:000001,time:0",
            &EMPTY.to_uppercase(),
        ] {
            assert_eq!(said_by(OsStr::new(name)), None, "{name}");
        }
    }
}
