//! A progress line on a terminal. It is printed nowhere else.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two updates of the line.
const PERIOD: Duration = Duration::from_millis(100);

/// The line.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    /// The time of the last update; `None` if standard error is no terminal.
    last: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// A line that shows nothing yet.
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            last: std::io::stderr().is_terminal().then(Instant::now),
            shown: false,
        }
    }

    /// Reports that `count` items are done.
    pub fn tick(&mut self, count: u64, more: impl Fn() -> String) {
        if let Some(last) = &mut self.last
            && last.elapsed() > PERIOD
        {
            *last = Instant::now();
            self.shown = true;
            // A closed terminal is no reason to stop.
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K{count} {}, {}",
                self.what,
                more()
            );
        }
    }

    /// Clears the line.
    pub fn end(self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
