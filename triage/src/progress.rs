//! A line on a terminal that says how far long work has come. Nowhere else is anything printed.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two changes of the line.
const PERIOD: Duration = Duration::from_millis(100);

/// The line.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    /// When it was last changed; `None` if standard error is no terminal.
    last: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Nothing is shown at first.
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            last: std::io::stderr().is_terminal().then(Instant::now),
            shown: false,
        }
    }

    /// `count` things are done.
    pub fn tick(&mut self, count: u64, more: impl Fn() -> String) {
        if let Some(last) = &mut self.last
            && last.elapsed() > PERIOD
        {
            *last = Instant::now();
            self.shown = true;
            // a terminal that has gone is no reason to stop
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K{count} {}, {}",
                self.what,
                more()
            );
        }
    }

    /// The line goes.
    pub fn end(self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
