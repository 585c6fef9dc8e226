//! The parts of a check, as C.

use super::needs::Needs;

/// A check.
#[derive(Clone, Debug, Default)]
pub struct EmittedCheck {
    /// Statements before the program.
    pub before: String,
    /// Statements that replace the step at which the promise is broken.
    pub instead: Option<String>,
    /// Statements after it.
    pub after: String,
    /// An expression that is true if the promise is broken.
    pub broken: String,
    /// A function that the statements call.
    pub helper: &'static str,
    /// What the statements use.
    pub needs: Option<Needs>,
}

/// The entry of pagemap of a page.
pub fn entry(page: u16) -> String {
    format!(
        "long entry;\npread(open(\"/proc/self/pagemap\", O_RDONLY), &entry, 8, (long)AT({page}) / 512);"
    )
}
