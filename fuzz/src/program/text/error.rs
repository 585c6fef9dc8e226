//! The mistakes in the text of a program, and their messages.

use std::fmt;

use super::super::{MAX_OPS, MAX_PREEMPTIONS, MAX_THREADS, OpKind};
use super::parse::MAX_BYTES;
use super::{GEOMETRY, PREEMPT, THP, THREADS};

/// Why a text is not a program, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted in characters from 1.
    pub column: usize,
    /// The mistake.
    pub fault: Fault,
}

/// A mistake in the text of a program. Words of the input are stored as messages show them: quoted,
/// escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text is longer than [`MAX_BYTES`].
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The first word of a line is neither an operation nor a header.
    UnknownOperation {
        /// The word.
        word: String,
        /// The keyword closest to it.
        nearest: Option<&'static str>,
    },
    /// A thread prefix has no operation.
    NoOperation,
    /// A line ends before its last operand.
    Missing {
        /// What is missing.
        what: &'static str,
        /// The accepted words.
        accepts: String,
        /// The form of a whole line.
        usage: String,
    },
    /// A line goes on after its last operand.
    Surplus {
        /// The first surplus word.
        word: String,
        /// The form of a whole line.
        usage: String,
    },
    /// A word does not have the form of its operand.
    Malformed {
        /// The operand that it should be.
        what: &'static str,
        /// The word.
        word: String,
        /// The accepted words.
        accepts: String,
    },
    /// A number is out of its range.
    OutOfRange {
        /// The operand.
        what: &'static str,
        /// The word, without quotes because its form is right.
        word: String,
        /// The way in which it is out of range.
        how: &'static str,
        /// The accepted words.
        accepts: String,
    },
    /// The program does not have this thread.
    NoSuchThread {
        /// The thread.
        thread: u8,
        /// Number of threads of the program.
        threads: u8,
    },
    /// A preemption in a program of one thread.
    NothingToPreempt,
    /// A header line comes after a line that depends on it or must follow it.
    LateHeader {
        /// Its keyword.
        keyword: &'static str,
    },
    /// A header line comes twice.
    RepeatedHeader {
        /// Its keyword.
        keyword: &'static str,
    },
    /// A scheduling point has two preemptions.
    RepeatedPreemption {
        /// The scheduling point.
        at: u16,
    },
    /// There are more operations than [`MAX_OPS`].
    TooManyOps,
    /// There are more preemptions than [`MAX_PREEMPTIONS`].
    TooManyPreemptions,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.fault
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(
                f,
                "the text has {bytes} bytes: at most {MAX_BYTES} are accepted"
            ),
            Self::UnknownOperation {
                word,
                nearest: Some(nearest),
            } => {
                write!(f, "unknown operation {word}; did you mean \"{nearest}\"?")
            }
            Self::UnknownOperation {
                word,
                nearest: None,
            } => {
                let keywords: Vec<&str> = OpKind::ALL.iter().map(|kind| kind.keyword()).collect();
                write!(
                    f,
                    "unknown operation {word}: expected one of {}",
                    keywords.join(", ")
                )
            }
            Self::NoOperation => write!(
                f,
                "no operation after the thread: expected one, as in `t1: read p0 4`"
            ),
            Self::Missing {
                what,
                accepts,
                usage,
            } => {
                write!(
                    f,
                    "the {what} is missing: expected {accepts}, as in `{usage}`"
                )
            }
            Self::Surplus { word, usage } => {
                write!(f, "unexpected {word}: the line is complete with `{usage}`")
            }
            Self::Malformed {
                what,
                word,
                accepts,
            } => write!(f, "bad {what} {word}: expected {accepts}"),
            Self::OutOfRange {
                what,
                word,
                how,
                accepts,
            } => write!(f, "{what} {word} is {how}: {accepts}"),
            Self::NoSuchThread { thread, threads } => {
                write!(
                    f,
                    "there is no thread t{thread}: the header says `{THREADS} {threads}`"
                )?;
                if *threads == 1 {
                    f.write_str(" (the default)")
                } else {
                    write!(f, ", which is t0 to t{}", threads - 1)
                }
            }
            Self::NothingToPreempt => write!(
                f,
                "a program of one thread has no preemptions: say `{THREADS} 2` or more, \
                 up to {MAX_THREADS}, above this line"
            ),
            Self::LateHeader { keyword } => write!(
                f,
                "`{keyword}` comes too late: the order is `{GEOMETRY}`, `{THP}` and `{THREADS}`, then \
                 `{PREEMPT}` lines, then operations"
            ),
            Self::RepeatedHeader { keyword } => {
                write!(f, "`{keyword}` is given twice: keep one of the lines")
            }
            Self::RepeatedPreemption { at } => {
                write!(
                    f,
                    "scheduling point {at} has a preemption already: each can have one"
                )
            }
            Self::TooManyOps => write!(f, "too many operations: a program has at most {MAX_OPS}"),
            Self::TooManyPreemptions => write!(
                f,
                "too many preemptions: a program has at most {MAX_PREEMPTIONS}"
            ),
        }
    }
}

impl std::error::Error for TextError {}
