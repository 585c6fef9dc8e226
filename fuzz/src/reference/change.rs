//! The changes that operations make to a range: how each may end, and what it does to a page.
//! Everything that the model knows about a [`Change`] is here.

use super::page::{Page, Protection};
use mm_core::VmFlags;

/// What a range operation does to the pages.
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
    /// Lets the kernel drop the contents at any time.
    LazyFree,
    /// Gives advice without a visible effect.
    Advise,
    /// Gives advice without a visible effect. Unlike [`Change::Advise`], it does not fail at an
    /// mlocked VMA.
    WillNeed,
    /// Locks the pages in memory.
    Lock,
    /// Undoes [`Change::Lock`].
    Unlock,
    /// Registers with userfaultfd.
    Register,
    /// Undoes [`Change::Register`].
    Unregister,
    /// Write-protects the pages, which must be registered.
    WriteProtect,
    /// Lifts the write protection.
    WriteUnprotect,
    /// Leaves the pages out of forks if true.
    LeaveOut(bool),
    /// Advises for or against huge pages. The value is the flag that the VMA gets.
    AdviseHuge(VmFlags),
    /// Faults the pages in, for writing if true.
    Populate(bool),
}

/// How a range operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Done for all of the range.
    Done,
    /// It failed, after changing all pages up to the first address that the call cannot change. For
    /// example: an unmapped one ([`Change::Protect`]), one that is mapped and not registered
    /// ([`Change::WriteProtect`]), or an mlocked one ([`Change::Drop`]).
    UpToObstacle,
    /// It failed, after changing everything that is mapped.
    SkippingGaps,
    /// It ran out of memory somewhere in the range.
    OutOfMemory,
    /// It failed for a reason that the reference model does not know. It has changed neither
    /// contents nor permissions, whatever else it did before it failed.
    Refused,
}

/// The effect of an address on a call that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    None,
    /// The call continues, and fails at its end.
    Fails,
    /// The call stops there and fails.
    Stops,
}

impl Change {
    pub(super) const fn at_unmapped(self) -> Obstacle {
        match self {
            Self::Protect(_) | Self::Lock | Self::Unlock | Self::Populate(_) => Obstacle::Stops,
            Self::Drop | Self::LazyFree | Self::Advise | Self::WillNeed => Obstacle::Fails,
            Self::LeaveOut(_) | Self::AdviseHuge(_) => Obstacle::Fails,
            _ => Obstacle::None,
        }
    }

    pub(super) const fn refused_by_locked(self) -> bool {
        matches!(self, Self::Drop | Self::LazyFree | Self::Advise)
    }

    pub(super) const fn needs_registration(self) -> bool {
        matches!(self, Self::WriteProtect | Self::WriteUnprotect)
    }

    /// Contents may vanish while the call is under way.
    pub(super) const fn drops(self) -> bool {
        matches!(self, Self::Drop | Self::LazyFree)
    }

    /// The call succeeds whatever is in the range.
    pub(super) const fn always_succeeds(self) -> bool {
        matches!(self, Self::Map(_) | Self::Unmap)
    }

    /// If a call with this change overlaps with another call on a page, either may take effect
    /// first: this call walks the pages with `mmap_lock` held for reading, or marks all VMAs long
    /// before it ends.
    pub(super) const fn is_unordered(self) -> bool {
        matches!(self, Self::Lock | Self::Populate(_))
    }

    /// True if the call stops at this page, which is mapped; `None` if that is not certain.
    pub(super) fn stops_at(self, page: &Page) -> Option<bool> {
        if self.refused_by_locked() {
            return page.locked;
        }
        if let Self::Populate(write) = self {
            let needed = if write { VmFlags::WRITE } else { VmFlags::READ };
            return match page.protection {
                _ if !page.access.contains(needed) => Some(true),
                Protection::Maybe if write => None,
                protection => Some(write && protection == Protection::Must),
            };
        }
        if !self.needs_registration() || page.registered && !page.registration_uncertain {
            return Some(false);
        }
        (!page.uncertain && !page.registration_uncertain).then_some(true)
    }

    /// The call changes the whole range first and populates it then. The call fails if it cannot
    /// populate a page, but the change stands. ([`Change::Populate`] stops at such a page instead.)
    pub(super) const fn populates(self) -> bool {
        matches!(self, Self::Lock)
    }
}

impl Page {
    pub(super) fn change(&mut self, change: Change, end: End, written_meanwhile: bool) {
        match end {
            End::OutOfMemory => return self.change_perhaps(change),
            End::Refused => return,
            End::Done | End::UpToObstacle | End::SkippingGaps => {}
        }
        match change {
            Change::Map(_) | Change::Unmap | Change::Advise | Change::WillNeed => {}
            Change::Lock => self.locked = Some(true),
            Change::Unlock => self.locked = Some(false),
            Change::LazyFree => {
                self.lazy = true;
                self.may_be_gone();
            }
            Change::Protect(access) => {
                self.access = access;
                self.fresh &= !self.uncertain;
                self.uncertain = false;
            }
            Change::Drop => {
                self.others.clear();
                self.lazy &= written_meanwhile;
                if written_meanwhile {
                    self.others.push(0);
                } else {
                    self.word = 0;
                }
                self.may_be_gone();
            }
            Change::Register => {
                self.registered = true;
                self.registration_uncertain = false;
            }
            Change::Unregister => {
                self.registered = false;
                self.registration_uncertain = false;
                self.protection = Protection::No;
            }
            Change::WriteProtect => {
                // if the page was written while the call ran, it is not certainly protected
                let is_there = self.written || self.read;
                let there = is_there && self.others.is_empty() && !written_meanwhile;
                self.protection = if there {
                    Protection::Must
                } else {
                    Protection::Maybe
                };
            }
            Change::WriteUnprotect => self.protection = Protection::No,
            Change::LeaveOut(on) => self.left_out = Some(on),
            Change::AdviseHuge(flag) => self.advised = Some(flag),
            // a lazily freed page may vanish again
            Change::Populate(_) if self.lazy => {}
            Change::Populate(false) => self.read = true,
            Change::Populate(true) => {
                self.written = true;
                // it had no entry when it was protected, or the call would have failed
                self.protection = Protection::No;
            }
        }
    }

    /// The change may or may not have been made.
    pub(super) fn change_perhaps(&mut self, change: Change) {
        match change {
            Change::Map(_) | Change::Unmap | Change::Protect(_) => self.uncertain = true,
            Change::Drop | Change::LazyFree => {
                self.others.push(0);
                self.lazy |= change == Change::LazyFree;
                self.may_be_gone();
            }
            Change::Advise | Change::WillNeed => {}
            Change::Lock | Change::Unlock => self.locked = None,
            Change::Register | Change::Unregister => self.registration_uncertain = true,
            Change::WriteProtect | Change::WriteUnprotect => {}
            Change::LeaveOut(_) => self.left_out = None,
            Change::AdviseHuge(_) => self.advised = None,
            Change::Populate(_) => return,
        }
        let may_protect = change == Change::WriteProtect;
        if may_protect || self.protection == Protection::Must {
            self.protection = Protection::Maybe;
        }
    }
}
