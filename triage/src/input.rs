//! Reads programs from files: recognizes the form, and says what is wrong with a file that is no
//! program.
//!
//! A file is text if its name ends in `.mm`, or if it is UTF-8 without control characters and no
//! fuzz target is given. Every other file is wire. Every byte string decodes as wire. An engine may
//! have saved wire that is not canonical; such a file has a note.

use crate::file::{self, MAX_PROGRAM, ReadError};
use crate::names::shown;
use clap::ValueEnum;
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::{Program, text, wire};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The form of a program in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// For engines.
    Wire,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Wire => "wire",
        })
    }
}

/// A fuzz target. A target brings its inputs into limits before it runs them. The main limit is the
/// number of threads. A file that is an input of the target is brought into the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// One thread
    Ops,
    /// Two to four threads
    Races,
}

impl Target {
    /// The name of the target on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ops => "ops",
            Self::Races => "races",
        }
    }

    /// The limits into which the target brings its inputs.
    pub const fn limits(self) -> Limits {
        match self {
            Self::Ops => Limits::OPS,
            Self::Races => Limits::RACES,
        }
    }
}

/// A program from a file.
#[derive(Debug)]
pub struct Input {
    /// The program, canonical.
    pub program: Program,
    /// The form of the file.
    pub form: Form,
    /// A sentence on why the wire is not canonical; `None` for canonical wire and for text.
    pub note: Option<String>,
}

/// Why a file is no program. The message names the file and, in a text, line and column.
#[derive(Debug)]
pub struct InputError {
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    Unread(ReadError),
    Empty,
    NotUtf8 {
        line: usize,
        column: usize,
        byte: u8,
    },
    Text {
        error: Box<text::TextError>,
        is_named_mm: bool,
    },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", shown(&self.path))?;
        match &self.fault {
            Fault::Unread(error) => {
                write!(f, "{error}")?;
                match error {
                    ReadError::Unreadable(_) | ReadError::NotText => f.write_str(
                        "; give the path of a program (.mm), of a wire file or of an engine's artifact",
                    ),
                    ReadError::Folder => f.write_str(
                        ", which only replay, cluster, report and linux read; name the files in it",
                    ),
                    ReadError::NoFile(_) => f.write_str("; give a file"),
                    ReadError::TooLong(_) => write!(
                        f,
                        ": no program is longer than {} bytes of text or {} of wire; give another file",
                        text::MAX_BYTES,
                        wire::MAX_BYTES,
                    ),
                }
            }
            Fault::Empty => f.write_str(
                "has no operation: write at least one (docs/grammar.md), or give another file",
            ),
            Fault::NotUtf8 { line, column, byte } => write!(
                f,
                "line {line}, column {column}: byte {byte:#04x} is not UTF-8; fix it or, if this is \
                 a wire file, take the .mm off its name"
            ),
            Fault::Text { error, is_named_mm } => {
                write!(f, "{error}")?;
                if !is_named_mm {
                    f.write_str(
                        "; if this is a fuzz target's input and not text, say --target ops or \
                         --target races",
                    )?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for InputError {}

impl InputError {
    /// The file or folder at `path` cannot be read.
    pub fn unreadable(path: &Path, error: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            fault: Fault::Unread(error.into()),
        }
    }

    /// Whether the file has no operation. The writer of an empty file in a folder may have been
    /// killed, or may have only begun.
    pub fn is_empty(&self) -> bool {
        matches!(self.fault, Fault::Empty)
    }
}

/// Reads the program in the file at `path`. With a `target`, the program is brought into the
/// target's limits, and the file is wire unless its name ends in `.mm`.
///
/// # Errors
/// Why the file is unusable: it is no regular file, cannot be read, has no operation, is too long,
/// or is a text with a mistake.
pub fn load(path: &Path, target: Option<Target>) -> Result<Input, InputError> {
    let fail = |fault| InputError {
        path: path.to_owned(),
        fault,
    };
    let bytes = read(path).map_err(fail)?;
    let is_named_mm = path.extension().is_some_and(|extension| extension == "mm");
    let mut input = match as_text(&bytes, is_named_mm, target).map_err(fail)? {
        Some(text) => {
            let program = text::parse(text).map_err(|error| {
                let error = Box::new(error);
                fail(Fault::Text { error, is_named_mm })
            })?;
            if program.ops.is_empty() {
                return Err(fail(Fault::Empty));
            }
            Input {
                program,
                form: Form::Text,
                note: None,
            }
        }
        None => Input {
            program: wire::decode(&bytes),
            form: Form::Wire,
            note: wire::check(&bytes).err().map(|error| {
                format!(
                    "{}: {error}; it runs anyway, read as a fuzzing engine reads it",
                    shown(path)
                )
            }),
        },
    };
    if let Some(target) = target {
        target.limits().apply(&mut input.program);
    }
    Ok(input)
}

/// Whether a file is not meant to hold a program of the model: the digests of a corpus, or a
/// program of system calls. Commands that read folders pass over it.
pub fn is_no_program(path: &Path) -> bool {
    path.file_name() == Some("digests.lock".as_ref())
        || path
            .extension()
            .is_some_and(|extension| extension == "calls")
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let bytes = file::read(path, MAX_PROGRAM).map_err(Fault::Unread)?;
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    Ok(bytes)
}

/// The bytes as text; `None` if they are wire.
fn as_text(bytes: &[u8], is_named_mm: bool, target: Option<Target>) -> Result<Option<&str>, Fault> {
    let is_printable = |text: &str| {
        text.chars()
            .all(|character| !character.is_control() || "\t\n\r".contains(character))
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if is_named_mm => Ok(Some(text)),
        Ok(text) => Ok((target.is_none() && is_printable(text)).then_some(text)),
        Err(error) if is_named_mm => {
            let (good, bad) = bytes.split_at(error.valid_up_to());
            let lines = good.strip_prefix(text::BOM.as_bytes()).unwrap_or(good);
            let last_line = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or(lines);
            Err(Fault::NotUtf8 {
                line: 1 + lines.iter().filter(|byte| **byte == b'\n').count(),
                column: 1 + String::from_utf8_lossy(last_line).chars().count(),
                byte: bad.first().copied().unwrap_or_default(),
            })
        }
        Err(_) => Ok(None),
    }
}
