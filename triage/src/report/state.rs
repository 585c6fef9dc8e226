//! The states that a cell of the picture can show: as a letter, in words, and as a class of the
//! style sheet.

use serde::Serialize;

/// What a cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellState {
    /// No entry, or a struct page that was not used yet.
    None,
    /// The zero page.
    Zero,
    /// A page of this process alone.
    Anonymous,
    /// A page that is copied before it is written.
    Shared,
    /// A migration entry, or a page that a migration entry names.
    Migration,
    /// A page of a device.
    DevicePrivate,
    /// A page that a device has exclusively.
    Exclusive,
    /// A swap slot, or a page that only the swap cache has.
    Swapped,
    /// A free page.
    Freed,
    /// A page that is in use although no entry names it.
    Held,
    /// A state that should not be there or is not known.
    Unknown,
    /// A task that does nothing.
    Idle,
    /// A task that ran.
    Runs,
    /// A task that waits.
    Waits,
}

impl CellState {
    /// The states of the legend.
    pub const LEGEND: [Self; 13] = [
        Self::None,
        Self::Zero,
        Self::Anonymous,
        Self::Shared,
        Self::Migration,
        Self::DevicePrivate,
        Self::Exclusive,
        Self::Swapped,
        Self::Freed,
        Self::Held,
        Self::Unknown,
        Self::Runs,
        Self::Waits,
    ];

    /// The letter, the words, the class.
    const fn looks(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::None => ("", "none", "none"),
            Self::Zero => ("Z", "zero page", "zero"),
            Self::Anonymous => ("A", "anonymous", "anon"),
            Self::Shared => ("C", "shared for COW", "cow"),
            Self::Migration => ("M", "migration entry", "migr"),
            Self::DevicePrivate => ("D", "device-private", "dev"),
            Self::Exclusive => ("E", "device-exclusive", "excl"),
            Self::Swapped => ("S", "swapped", "swap"),
            Self::Freed => ("F", "freed", "free"),
            Self::Held => ("H", "held, not mapped", "held"),
            Self::Unknown => ("?", "wild or unknown", "wild"),
            Self::Idle => ("", "idle", "idle"),
            Self::Runs => ("R", "runs", "runs"),
            Self::Waits => ("W", "waits", "waits"),
        }
    }

    /// The letter in the picture; empty for no entry.
    pub const fn letter(self) -> &'static str {
        self.looks().0
    }

    /// The state in words.
    pub const fn words(self) -> &'static str {
        self.looks().1
    }

    /// The class in the style sheet.
    pub const fn class(self) -> &'static str {
        self.looks().2
    }
}
