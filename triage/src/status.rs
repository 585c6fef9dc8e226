//! How a command ends, and its messages on standard error.

use mm_fuzz::names;

/// How a command ended, in the order of severity. A command with several files ends with the worst
/// of their statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Pass = 0,
    /// There is a finding.
    Finding = 1,
    /// An input was unusable.
    Unusable = 2,
    /// The user interrupted the command, so its result is partial.
    Interrupted = 3,
}

impl Status {
    /// Says on standard error why something was unusable.
    pub fn unusable(why: impl std::fmt::Display) -> Self {
        say(why);
        Self::Unusable
    }
}

/// Says a sentence on standard error. It escapes control characters, so names and messages from
/// others cannot command the terminal.
pub fn say(what: impl std::fmt::Display) {
    eprintln!("mm-triage: {}", names::shown_text(&what.to_string()));
}
