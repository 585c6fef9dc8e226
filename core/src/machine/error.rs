//! What errors say, and the numbers that Linux has for them.

use crate::fault::FaultError;
use crate::fork::ForkError;
use crate::hmm::HmmError;
use crate::madvise::AdviceError;
use crate::mprotect::ChangeError;
use crate::mremap::RemapError;
use crate::state::Enomem;
use core::error::Error;
use core::fmt;

/// Numbers of errors (`include/uapi/asm-generic/errno-base.h`).
pub mod errno {
    /// Operation not permitted.
    pub const EPERM: i32 = 1;
    /// No such entry.
    pub const ENOENT: i32 = 2;
    /// Try again.
    pub const EAGAIN: i32 = 11;
    /// Out of memory; also: not mapped.
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
            /// The number that Linux returns for it, as one of [`errno`](crate::errno).
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
        Self::Sigbus => EFAULT "the page cannot be brought back",
        Self::Sigsegv => EFAULT "no area allows the access: map the address with that protection",
        // a task that may not wait for userfaultfd gets SIGBUS
        Self::UffdWp => EFAULT
            "userfaultfd write-protects the page: lift that, and repeat the access",
    }
    ForkError {
        Self::Enomem => ENOMEM "out of memory: there is no child",
        // copy_page_range makes it that
        Self::Busy => ENOMEM
            "a device has a page for itself, and its folio is locked: there is no child; try again",
    }
    HmmError {
        Self::Busy => EBUSY "the range was invalidated since the sequence was read: start over",
        Self::Fault => EFAULT "the page cannot be faulted in: no area allows the access",
        Self::Permission => EPERM "the area is not writable: ask to read only",
        // hmm_range_fault tells no error of a fault from another
        Self::Oom => EFAULT "out of memory while the page was faulted in",
        Self::UffdWp => EFAULT "userfaultfd write-protects the page: lift that, and start over",
    }
    AdviceError {
        Self::Gap => ENOMEM "part of the range is not mapped; the rest has been advised",
        Self::Locked => EINVAL
            "an area is locked in memory: munlock it; what lies before it has been advised",
    }
    ChangeError {
        Self::Gap => ENOMEM
            "part of the range is not mapped; what lies before that has been changed",
        Self::NothingMapped => EINVAL "nothing is mapped in the range",
        Self::NotRegistered => ENOENT
            "an area has no userfaultfd: register it; what lies before it has been changed",
        Self::Enomem => ENOMEM "out of memory: any part of the range may have been changed",
        Self::Again => EAGAIN
            "out of memory while pages of the locked range were faulted in: lock it again",
    }
    RemapError {
        Self::Fault => EFAULT
            "no area covers the old range, or several do and one has a userfaultfd",
        Self::Inval => EINVAL "the ranges overlap, or their lengths are wrong",
        Self::NoRoom => ENOMEM "the area cannot grow where it is: let it move",
        Self::Enomem => ENOMEM
            "out of memory: the pages are where they were, but for areas that moved before",
    }
}
