//! Why a program cannot be written in C.

use std::fmt;

/// Why a program cannot be written in C.
#[derive(Debug)]
pub struct Refused {
    /// Who cannot carry out the program.
    pub who: &'static str,
    /// A line for each reason.
    pub reasons: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot do this:", self.who)?;
        let mut reasons = self.reasons.iter();
        reasons.try_for_each(|line| write!(f, "\n  {line}"))
    }
}
