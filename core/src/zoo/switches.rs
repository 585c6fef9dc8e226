//! The switches of the bugs, and how a `zoo!` statement reads one.

use super::{Bug, TABLE};
use crate::state::{Current, State};

const WORDS: usize = 5;

/// Number of bugs that the switches have room for.
pub const ROOM: usize = 64 * WORDS;

const _: () = assert!(
    TABLE.len() <= ROOM,
    "more bugs than switches: raise WORDS in core/src/zoo/switches.rs"
);

/// The switches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zoo([u64; WORDS]);

impl Zoo {
    const fn place(bug: Bug) -> (usize, u64) {
        let bit = bug as usize;
        (bit / 64, 1 << (bit % 64))
    }

    /// True if the bug is on.
    #[inline]
    pub const fn on(&self, bug: Bug) -> bool {
        let (word, bit) = Self::place(bug);
        self.0[word] & bit != 0
    }

    /// Switches a bug on or off.
    pub const fn set(&mut self, bug: Bug, on: bool) {
        let (word, bit) = Self::place(bug);
        if on {
            self.0[word] |= bit;
        } else {
            self.0[word] &= !bit;
        }
    }
}

impl State {
    #[inline]
    pub(crate) const fn has_bug(&self, bug: Bug) -> bool {
        self.zoo.on(bug)
    }
}

impl Current<'_> {
    #[inline]
    pub(crate) fn has_bug(self, bug: Bug) -> bool {
        self.state().has_bug(bug)
    }
}

#[cfg(test)]
mod tests {
    use super::{TABLE, Zoo};

    #[test]
    fn a_switch_is_that_of_one_bug() {
        for entry in TABLE {
            let mut zoo = Zoo::default();
            zoo.set(entry.bug, true);
            for other in TABLE {
                assert_eq!(
                    zoo.on(other.bug),
                    other.slug == entry.slug,
                    "{}",
                    entry.slug
                );
            }
            zoo.set(entry.bug, false);
            assert!(!zoo.on(entry.bug), "{}", entry.slug);
        }
    }
}
