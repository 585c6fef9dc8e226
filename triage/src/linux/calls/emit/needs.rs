//! What the statements of a call use, and its declaration.

use mm_linux_calls::{Call, Program};

/// What statements use besides `AT`, which stands for an address of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The file of userfaultfd.
    Uffd,
    /// `/dev/hmm_dmirror0`.
    Dmirror,
    /// `/sys/kernel/debug/gup_test`.
    Pins,
    /// A file to read words from and write them to: the kernel makes the access, so no signal is
    /// raised.
    Word,
    /// `/proc/self/mem`.
    Memory,
    /// A pipe.
    Pipe,
    /// `/proc/self/fail-nth`.
    Failure,
}

impl Needs {
    /// The statements that declare its variable. The file belongs to the process that opens it.
    pub fn declaration(self, program: &Program) -> String {
        match self {
            Self::Uffd => super::monitor::declaration(program),
            Self::Dmirror => "int dmirror = open(\"/dev/hmm_dmirror0\", O_RDWR);".to_owned(),
            Self::Pins => "int pins = open(\"/sys/kernel/debug/gup_test\", O_RDWR);".to_owned(),
            Self::Word => "int word = memfd_create(\"word\", 0);".to_owned(),
            Self::Pipe => "int ends[2];\npipe(ends);".to_owned(),
            Self::Failure => "int fail = open(\"/proc/self/fail-nth\", O_RDWR);".to_owned(),
            Self::Memory => "int memory = open(\"/proc/self/mem\", O_RDWR);".to_owned(),
        }
    }
}

/// What the statements of a call use.
pub fn needs(call: &Call, faulted: bool) -> Option<Needs> {
    match call {
        Call::Write(_) | Call::WriteZero(_) | Call::Read(_) if faulted => Some(Needs::Word),
        Call::Splice(_) | Call::Unsplice => Some(Needs::Pipe),
        Call::MemWrite(_) | Call::MemRead(_) => Some(Needs::Memory),
        Call::Pin(_) | Call::PinRead(_) | Call::Unpin => Some(Needs::Pins),
        Call::Register(..)
        | Call::Unregister(_)
        | Call::WriteProtect(..)
        | Call::RwProtect(..)
        | Call::Copy(..)
        | Call::Zero(_)
        | Call::UffdMove(..)
        | Call::Poison(_)
        | Call::Continue(_)
        | Call::Wake(_)
        | Call::CloseUffd => Some(Needs::Uffd),
        Call::DeviceRead(_)
        | Call::DeviceWrite(_)
        | Call::ToDevice(_)
        | Call::ToSystem(_)
        | Call::DeviceLacksHuge
        | Call::Exclusive(_) => Some(Needs::Dmirror),
        _ => None,
    }
}
