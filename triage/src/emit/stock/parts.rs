//! The parts of the emitted programs: functions in C, and the headers of libc that each needs.
//!
//! `WINDOW_PAGES` in a text stands for the number of pages in the window, and `FORGET` for
//! statements of a new process.

use std::collections::BTreeSet;

/// A part: its text, and its headers.
pub struct Part(&'static str, &'static [&'static str]);

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident $file:literal [$($header:literal)*])*) => {
        $($(#[$doc])* pub const $name: Part = Part(include_str!($file), &[$($header),*]);)*
    };
}

parts! {
    /// Compares what a step yields.
    EXPECT "parts/expect.c" ["stdio.h"]
    /// Reads and writes of the CPU in a program in which none should raise a signal.
    TOUCH "parts/touch.c" ["signal.h"]
    /// Reads and writes of the CPU in a program in which one should raise a signal.
    TOUCH_OR_FAULT "parts/touch_or_fault.c" ["setjmp.h" "signal.h"]
    /// Compares pagemap.
    PAGEMAP "parts/pagemap.c" ["fcntl.h" "stdio.h"]
    /// userfaultfd.
    UFFD "parts/uffd.c" ["fcntl.h" "stdio.h" "sys/ioctl.h" "sys/syscall.h"]
    /// `/dev/hmm_dmirror`.
    DEVICE "parts/device.c" ["errno.h" "fcntl.h" "stdio.h" "sys/ioctl.h"]
    /// Reads and writes of a device.
    ACCESS "parts/access.c" []
    /// Compares what a device sees.
    SNAPSHOT "parts/snapshot.c" []
    /// The amount of memory that is mlocked.
    MLOCKED "parts/mlocked.c" ["sched.h" "stdio.h"]
    /// Several processes.
    PROCESSES "parts/processes.c" ["errno.h" "signal.h" "sys/prctl.h" "sys/wait.h"]
    /// The exit of a process.
    LEAVE "parts/leave.c" []
}

/// The parts that a program needs.
#[derive(Default)]
pub struct Parts {
    headers: BTreeSet<&'static str>,
    texts: Vec<&'static str>,
}

impl Parts {
    /// Adds a part at the end, unless it has been added before.
    pub fn need(&mut self, part: &Part) {
        if !self.texts.contains(&part.0) {
            self.texts.push(part.0);
            self.headers.extend(part.1);
        }
    }

    /// Adds a header of libc.
    pub fn need_header(&mut self, name: &'static str) {
        self.headers.insert(name);
    }

    /// Whether a part has been added.
    pub fn has(&self, part: &Part) -> bool {
        self.texts.contains(&part.0)
    }

    /// The headers, each in a line of its own.
    pub fn headers(&self) -> String {
        let always = ["sys/mman.h", "unistd.h"];
        let all: BTreeSet<_> = self.headers.iter().copied().chain(always).collect();
        all.iter()
            .map(|name| format!("#include <{name}>\n"))
            .collect()
    }

    /// The text of all parts.
    pub fn functions(&self) -> String {
        self.texts.join("\n")
    }
}
