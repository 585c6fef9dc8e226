//! What an operation on a range does: how it may end, and what it makes of a page. All that the
//! model knows of a [`Change`] is here.

use super::page::{Page, Protection};
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
    /// Faults the pages in, for writing or for reading.
    Populate(bool),
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
            Self::Protect(_) | Self::Lock | Self::Unlock | Self::Populate(_) => Obstacle::Stops,
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

    /// Contents may go while the call is under way.
    pub(super) const fn drops(self) -> bool {
        matches!(self, Self::Drop | Self::LazyFree)
    }

    /// The call succeeds, whatever is in the range.
    pub(super) const fn always_succeeds(self) -> bool {
        matches!(self, Self::Map(_) | Self::Unmap)
    }

    /// Beside another call on a page, this one may come before or after it: it goes over the pages
    /// with `mmap_lock` held for reading, or marks all areas long before it ends.
    pub(super) const fn is_unordered(self) -> bool {
        matches!(self, Self::Lock | Self::Populate(_))
    }

    /// Does the call end at a page that is mapped? `None` if that is not certain.
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

    /// The call fails at a page that it cannot populate.
    pub(super) const fn populates(self) -> bool {
        matches!(self, Self::Lock)
    }
}

impl Page {
    pub(super) fn change(&mut self, change: Change, end: End, written_meanwhile: bool) {
        if end == End::OutOfMemory {
            self.change_perhaps(change);
            return;
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
                // written while the call went on: perhaps behind its back
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
            // what is lazily freed may go again
            Change::Populate(_) if self.lazy => {}
            Change::Populate(false) => self.read = true,
            Change::Populate(true) => {
                self.written = true;
                // it was not there when it was protected, or the call would have failed
                self.protection = Protection::No;
            }
        }
    }

    /// The change was made, or not.
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
            Change::Populate(_) => return,
        }
        let may_protect = change == Change::WriteProtect;
        if may_protect || self.protection == Protection::Must {
            self.protection = Protection::Maybe;
        }
    }
}
