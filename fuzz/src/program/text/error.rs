//! What can be wrong with the text of a program, and how to say it.

use std::fmt;

use super::super::{MAX_OPS, MAX_PREEMPTIONS, MAX_THREADS, OpKind};
use super::parse::MAX_BYTES;
use super::{GEOMETRY, PREEMPT, THREADS};

/// Why a text is not a program, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with the text of a program. Words of the input are stored the way a message shows
/// them: quoted, escaped and cut.
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
        /// The keyword that is spelt almost like it.
        nearest: Option<&'static str>,
    },
    /// A thread prefix stands alone.
    NoOperation,
    /// A line ends before its last operand.
    Missing {
        /// What is missing.
        what: &'static str,
        /// What would be accepted there.
        accepts: String,
        /// The whole line, in names.
        usage: String,
    },
    /// A line goes on after its last operand.
    Surplus {
        /// The first word that is too much.
        word: String,
        /// The whole line, in names.
        usage: String,
    },
    /// A word is not written as it must be.
    Malformed {
        /// What it should be.
        what: &'static str,
        /// The word.
        word: String,
        /// What would be accepted.
        accepts: String,
    },
    /// A number is out of its range.
    OutOfRange {
        /// What it is.
        what: &'static str,
        /// The word, without quotes: its form is good.
        word: String,
        /// In which way it is out of range.
        how: &'static str,
        /// What would be accepted.
        accepts: String,
    },
    /// A thread is named that the program does not have.
    NoSuchThread {
        /// The thread.
        thread: u8,
        /// How many threads the program has.
        threads: u8,
    },
    /// A preemption in a program of one thread.
    NothingToPreempt,
    /// A header line after a line that depends on it or must follow it.
    LateHeader {
        /// Its keyword.
        keyword: &'static str,
    },
    /// A header line for the second time.
    RepeatedHeader {
        /// Its keyword.
        keyword: &'static str,
    },
    /// A second preemption at a scheduling point.
    RepeatedPreemption {
        /// The scheduling point.
        at: u16,
    },
    /// More operations than [`MAX_OPS`].
    TooManyOps,
    /// More preemptions than [`MAX_PREEMPTIONS`].
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
                "`{keyword}` comes too late: the order is `{GEOMETRY}` and `{THREADS}`, then \
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
