//! Two calls at once: which calls can be made while another one runs.
//!
//! A step that is [`beside`](Step::beside) begins while the call of the step before it runs, in a
//! second thread of the same process. The ledger then knows two orders, and holds Linux to what is
//! true in both ([`Ledger::merge`](crate::Ledger::merge)). That is right for calls that take effect
//! on each page at one moment, so the second call must be of that kind. The first must be of that
//! kind, too, or a fork, a pin or the end of a pin.

use crate::Program;
use crate::call::{Call, Step};
use crate::operand::{Advice, MapKind};

impl Call {
    /// It takes effect on each page at one moment, and changes nothing else that the ledger knows.
    /// So the ledger can tell what may be true if another such call runs meanwhile.
    pub const fn has_one_effect(&self) -> bool {
        match self {
            Self::Map { kind, .. } => !matches!(kind, MapKind::Shm | MapKind::Stack | MapKind::Secret),
            // before these two, the agent reads pagemap to note the frames
            Self::Advise(_, advice) => !matches!(advice, Advice::HwPoison | Advice::SoftOffline),
            Self::Unmap(_)
            | Self::Seal(_)
            | Self::RemapFile(..)
            | Self::Protect(..)
            | Self::Move { .. }
            | Self::Resize(..)
            | Self::Sync(_)
            | Self::Bind(..)
            | Self::HomeNode(..)
            | Self::Write(_)
            | Self::WriteAlternate(_)
            | Self::Read(_)
            | Self::MemWrite(_)
            | Self::VmWrite(_)
            | Self::WriteZero(_)
            | Self::MemRead(_)
            | Self::VmRead(_)
            | Self::FarRead(_)
            | Self::FileWrite(_)
            | Self::FileRead(_)
            | Self::Allocate(..)
            | Self::Name(_)
            | Self::Migrate(_)
            | Self::Punch(_)
            | Self::Lock { .. }
            | Self::Unlock(_)
            | Self::Register(..)
            | Self::Unregister(_)
            | Self::WriteProtect(..)
            | Self::Copy(..)
            | Self::Zero(_)
            | Self::UffdMove(..)
            | Self::Poison(_)
            | Self::Continue(_)
            | Self::ToDevice(_)
            | Self::ToSystem(_)
            | Self::DeviceRead(_)
            | Self::DeviceWrite(_)
            | Self::Exclusive(_)
            | Self::ClearSoftDirty
            | Self::Ksm
            | Self::Khugepaged
            | Self::Compact
            | Self::Reclaim
            | Self::SwapOff
            | Self::DropCache => true,
            // these are several calls, or change what the ledger knows of a whole process or file
            Self::Brk(..)
            | Self::LockAll(_)
            | Self::UnlockAll
            | Self::SealFile(_)
            | Self::FileSize(_)
            | Self::FileMode
            | Self::Truncate(_)
            | Self::Limit(_)
            | Self::Mdwe
            | Self::MergeAll(_)
            | Self::HugeOff(_)
            | Self::MapLimit
            | Self::HugetlbLimit
            | Self::Splice(_)
            | Self::Unsplice
            | Self::Pin(_)
            | Self::PinRead(_)
            | Self::Unpin
            | Self::UringRead(_)
            // open(2) warns of direct I/O beside accesses to the same memory or file
            | Self::DirectWrite(_)
            | Self::DirectRead(_)
            | Self::Detach(_)
            | Self::DeviceLacksHuge
            | Self::Odd(..)
            // the agent compares what these do with what pagemap showed before
            | Self::RwProtect(..)
            | Self::Scan { .. }
            // these start, wake or end threads or processes
            | Self::Start { .. }
            | Self::Wake(_)
            | Self::CloseUffd
            | Self::Fork
            | Self::Exit => false,
        }
    }
}

impl Call {
    /// Another call can begin while it runs.
    const fn can_be_first(&self) -> bool {
        let is_made_by_first_thread = matches!(
            self,
            Self::Fork | Self::Pin(_) | Self::PinRead(_) | Self::Unpin
        );
        is_made_by_first_thread || self.has_one_effect()
    }
}

impl Program {
    /// Why the call of step `at` cannot begin while that of the step before it runs; `None` if it
    /// can.
    pub fn why_not_beside(&self, at: usize) -> Option<&'static str> {
        let Some((first, second)) = at
            .checked_sub(1)
            .and_then(|first| Some((self.steps.get(first)?, self.steps.get(at)?)))
        else {
            return Some("there is no call before it");
        };
        let fails = |step: &Step| step.fail > 0;
        if self.monitor {
            Some("a program with a monitor makes one call at a time")
        } else if first.process != second.process {
            Some("the two calls must be of the same process")
        } else if first.beside {
            Some("the call before it is already beside another one")
        } else if fails(first) || fails(second) {
            Some("neither of the two calls may have an allocation that fails")
        } else if !first.call.can_be_first() {
            Some("the call before it must be made alone")
        } else if !second.call.has_one_effect() {
            Some("it must be made alone")
        } else {
            None
        }
    }

    /// True if the call of step `at` runs while that of the step after it begins.
    pub fn has_beside(&self, at: usize) -> bool {
        self.steps.get(at + 1).is_some_and(|step| step.beside)
    }

    /// True if the program makes two calls at once.
    pub fn makes_two_at_once(&self) -> bool {
        self.steps.iter().any(|step| step.beside)
    }

    /// If two calls cannot be made at once, makes them one after the other.
    pub fn separate(&mut self) {
        for at in 0..self.steps.len() {
            if self.steps[at].beside && self.why_not_beside(at).is_some() {
                self.steps[at].beside = false;
            }
        }
    }
}
