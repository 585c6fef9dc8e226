//! Events of userfaultfd.

use crate::range::Range;

/// What a userfaultfd tells its monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UffdEvent {
    /// A child has a copy of the registration.
    Fork,
    /// Pages have moved from this range.
    Remap(Range),
    /// The pages of a range were dropped.
    Remove(Range),
    /// A range is not mapped any more.
    Unmap(Range),
}

impl UffdEvent {
    /// Its number in Linux.
    pub const fn number(self) -> u8 {
        match self {
            Self::Fork => 0x13,
            Self::Remap(_) => 0x14,
            Self::Remove(_) => 0x15,
            Self::Unmap(_) => 0x16,
        }
    }

    /// True if it is about this page. A fork is about all pages.
    pub fn covers(self, page: usize) -> bool {
        match self {
            Self::Fork => true,
            Self::Remap(range) | Self::Remove(range) | Self::Unmap(range) => {
                range.pages().contains(&page)
            }
        }
    }
}
