//! Colours, on a terminal that wants them.

use std::io::IsTerminal;

/// Whether standard output gets colours.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    on: bool,
}

impl Style {
    /// Colours if standard output is a terminal and `NO_COLOR` is not set (<https://no-color.org>).
    pub fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            on: !refused && std::io::stdout().is_terminal(),
        }
    }

    /// For what must not be overlooked.
    pub fn bad(self, text: impl std::fmt::Display) -> String {
        self.paint("1;31", text)
    }

    /// For what is as it should be.
    pub fn good(self, text: impl std::fmt::Display) -> String {
        self.paint("32", text)
    }

    /// For headings.
    pub fn heading(self, text: impl std::fmt::Display) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: impl std::fmt::Display) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}
