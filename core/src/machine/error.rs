//! The texts of errors, and the error numbers of Linux.

use crate::fault::FaultError;
use crate::fork::ForkError;
use crate::hmm::HmmError;
use crate::khugepaged::CollapseError;
use crate::madvise::{AdviceError, PopulateError};
use crate::mprotect::ChangeError;
use crate::mremap::RemapError;
use crate::state::Enomem;
use core::error::Error;
use core::fmt;

/// Error numbers (`include/uapi/asm-generic/errno-base.h`).
pub mod errno {
    /// Operation not permitted.
    pub const EPERM: i32 = 1;
    /// No such entry.
    pub const ENOENT: i32 = 2;
    /// Try again.
    pub const EAGAIN: i32 = 11;
    /// Out of memory, or not mapped.
    pub const ENOMEM: i32 = 12;
    /// Bad address.
    pub const EFAULT: i32 = 14;
    /// Busy.
    pub const EBUSY: i32 = 16;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
}

macro_rules! errors {
    ($($error:ident { $($case:pat => $errno:ident $text:literal,)+ })+) => {$(
        impl $error {
            /// The error number of Linux, one of [`errno`](crate::errno).
            pub const fn errno(self) -> i32 {
                match self {
                    $($case => errno::$errno,)+
                }
            }
        }

        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($case => $text,)+
                })
            }
        }

        impl Error for $error {}
    )+};
}

errors! {
    Enomem {
        Self => ENOMEM "out of memory",
    }
    FaultError {
        Self::Oom => ENOMEM "out of memory while the page was faulted in",
        Self::Sigbus => EFAULT "the page could not be migrated back to system memory, or the entry is corrupt",
        Self::Sigsegv => EFAULT "no VMA allows the access: map the address, or allow the access with mprotect",
        // a fault that may not wait for userfaultfd returns VM_FAULT_SIGBUS, which becomes -EFAULT
        Self::UffdWp => EFAULT
            "userfaultfd write-protects the page: lift the protection and repeat the access",
    }
    ForkError {
        Self::Enomem => ENOMEM "out of memory: no child was created",
        // copy_page_range turns -EBUSY into -ENOMEM
        Self::Busy => ENOMEM
            "a device has a page exclusively, and its folio is locked: no child was created; retry",
    }
    HmmError {
        Self::Busy => EBUSY "the range was invalidated since the sequence was read: start over",
        Self::Fault => EFAULT "the page cannot be faulted in: no VMA allows the access, the page could not be migrated back, or the entry is corrupt",
        Self::Permission => EPERM "the VMA is not writable: request a read",
        // before 7.3 it is -EFAULT (`Rules::hmm_says_why`)
        Self::Oom => ENOMEM "out of memory while the page was faulted in",
        Self::UffdWp => EFAULT
            "userfaultfd write-protects the page: lift the protection and start over",
    }
    AdviceError {
        Self::Gap => ENOMEM "part of the range is not mapped; the mapped parts took the advice",
        Self::Locked => EINVAL
            "a VMA is mlocked: munlock it; the part of the range below it took the advice",
    }
    PopulateError {
        Self::Gap => ENOMEM "part of the range is not mapped; the pages below it are populated",
        Self::Denied => EINVAL
            "a VMA does not allow the access: allow it with mprotect; the pages below are populated",
        Self::Fault => EFAULT
            "a page cannot be faulted in: it could not be migrated back, its entry is corrupt, or userfaultfd must handle the write; the pages below are populated",
        Self::Enomem => ENOMEM "out of memory: the pages below the one that failed are populated",
    }
    CollapseError {
        Self::Gap => ENOMEM "part of the range is not mapped; the mapped parts are collapsed",
        Self::NoHugePage => ENOMEM "no huge page is free: ranges below the one that failed may have been collapsed",
        Self::Hole => EBUSY "a VMA with userfaultfd has a page without contents: fill it first",
        Self::Held => EAGAIN "a page is locked, or somebody holds it: try again",
        Self::Unsuitable => EINVAL
            "a VMA or an entry cannot become huge: see madvise(2) and MADV_NOHUGEPAGE",
    }
    ChangeError {
        Self::Gap => ENOMEM
            "part of the range is not mapped, or a page could not be faulted in; the part below has been changed",
        Self::NothingMapped => EINVAL "nothing is mapped in the range",
        Self::NotRegistered => ENOENT
            "a VMA has no userfaultfd: register it; the part of the range below has been changed",
        Self::Enomem => ENOMEM "out of memory: any part of the range may have been changed",
        Self::Again => EAGAIN
            "out of memory while the pages of the range were faulted in: mlock it again",
    }
    RemapError {
        Self::Fault => EFAULT
            "no VMA covers the old range, or several do and one is registered with userfaultfd",
        Self::Inval => EINVAL "the ranges overlap, the destination ends above user space, or MREMAP_DONTUNMAP changes the length",
        Self::NoRoom => ENOMEM "the VMA cannot grow in place: let it move",
        Self::Enomem => ENOMEM
            "out of memory: no page has moved, except those of VMAs that moved before",
    }
}
