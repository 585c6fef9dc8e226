//! How a command ends, and what it says on standard error.

use mm_fuzz::names;

/// How a command ended. The order is the order of badness: the worst of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Pass = 0,
    /// There is a finding.
    Finding = 1,
    /// An input was unusable.
    Unusable = 2,
    /// The user ended it: what there is, is partial.
    Interrupted = 3,
}

impl Status {
    /// Says on standard error why something was unusable.
    pub fn unusable(why: impl std::fmt::Display) -> Self {
        say(why);
        Self::Unusable
    }
}

/// Says a sentence on standard error. No terminal obeys what is in it of names, of files and of what others say.
pub fn say(what: impl std::fmt::Display) {
    eprintln!("mm-triage: {}", names::shown_text(&what.to_string()));
}
