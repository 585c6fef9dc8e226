//! What an operation on a range does, and how it may end.

use mm_core::VmFlags;

/// What a range operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Maps new pages with this access.
    Map(VmFlags),
    /// Unmaps.
    Unmap,
    /// Changes the access.
    Protect(VmFlags),
    /// Drops the contents.
    Drop,
    /// Lets the contents go some time.
    LazyFree,
    /// Says something that changes nothing to see.
    Advise,
    /// The same; and locked pages do not mind.
    WillNeed,
    /// Locks the pages in memory.
    Lock,
    /// Undoes that.
    Unlock,
    /// Registers with userfaultfd.
    Register,
    /// Undoes that.
    Unregister,
    /// Write-protects, if registered.
    WriteProtect,
    /// Lifts the write protection.
    WriteUnprotect,
    /// Leaves the pages out of forks, or does not.
    LeaveOut(bool),
}

/// How a range operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Done for all of the range.
    Done,
    /// Done up to the first address that the call cannot change: one that is not mapped
    /// ([`Change::Protect`]), mapped and not registered ([`Change::WriteProtect`]), or locked
    /// ([`Change::Drop`]). It failed.
    UpToObstacle,
    /// Done for what is mapped; the call failed.
    SkippingGaps,
    /// Out of memory somewhere on the way.
    OutOfMemory,
}

/// What an address does to a call that meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    None,
    /// The call goes on, and fails at its end.
    Fails,
    /// The call ends there.
    Stops,
}

impl Change {
    pub(super) const fn at_unmapped(self) -> Obstacle {
        match self {
            Self::Protect(_) | Self::Lock | Self::Unlock => Obstacle::Stops,
            Self::Drop | Self::LazyFree | Self::Advise | Self::WillNeed | Self::LeaveOut(_) => {
                Obstacle::Fails
            }
            _ => Obstacle::None,
        }
    }

    pub(super) const fn refused_by_locked(self) -> bool {
        matches!(self, Self::Drop | Self::LazyFree | Self::Advise)
    }

    pub(super) const fn needs_registration(self) -> bool {
        matches!(self, Self::WriteProtect | Self::WriteUnprotect)
    }
}
