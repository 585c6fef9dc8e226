//! The text form of a program (`.mm`), for people.
//!
//! A text has one operation a line, in the words of the system calls. [`print()`] is canonical: it
//! leaves defaults out, and `parse(print(p)) == p` for each canonical program `p`. [`parse()`] is
//! lenient only about blanks, comments and a byte order mark. Anything else that it does not
//! understand is a [`TextError`], which says where the mistake is, what it is, and what would be
//! accepted.

use std::fmt::{self, Write};

mod error;
mod parse;

pub use error::{Fault, TextError};
pub use parse::{BOM, MAX_BYTES, parse};

use super::op::{Op, Sink};
use super::operand::Operand;
use super::{Geometry, Program, Step, Thp};

const GEOMETRY: &str = "geometry";
const THP: &str = "thp";
const THREADS: &str = "threads";
const PREEMPT: &str = "preempt";

/// The canonical text of a program: LF after each line, and an empty string for the empty program.
#[must_use]
pub fn print(program: &Program) -> String {
    program.to_string()
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.canonical();
        if program.geometry != Geometry::default() {
            writeln!(f, "{GEOMETRY} {}", program.geometry)?;
        }
        if program.thp != Thp::default() {
            writeln!(f, "{THP} {}", program.thp)?;
        }
        if program.threads != 1 {
            writeln!(f, "{THREADS} {}", program.threads)?;
        }
        for preemption in &program.preemptions {
            writeln!(f, "{PREEMPT} {} t{}", preemption.at, preemption.to)?;
        }
        program
            .ops
            .iter()
            .try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.thread != 0 {
            write!(f, "t{}: ", self.thread)?;
        }
        self.op.fmt(f)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Words<'a, 'f>(&'a mut fmt::Formatter<'f>, fmt::Result);
        impl Sink for Words<'_, '_> {
            fn operand<T: Operand>(&mut self, value: T) {
                if self.1.is_ok() && T::IMPLIED != Some(value) {
                    self.1 = write!(self.0, " {value}");
                }
            }
        }
        f.write_str(self.kind().keyword())?;
        let mut words = Words(f, Ok(()));
        self.visit(&mut words);
        words.1
    }
}

impl std::str::FromStr for Program {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        parse(text)
    }
}

/// A word of the input as messages show it: quoted, without control characters, and cut if it is
/// long.
fn quote(word: &str) -> String {
    const SHOWN: usize = 24;
    let mut quoted = String::from('"');
    for (index, character) in word.chars().enumerate() {
        if index == SHOWN {
            quoted.push_str("...");
            break;
        }
        // Writing into a string cannot fail.
        let _ = write!(quoted, "{}", character.escape_debug());
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
