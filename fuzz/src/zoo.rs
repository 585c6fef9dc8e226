//! The zoo by name, and the witness of each bug.

pub use mm_core::zoo::{Bug, Entry, TABLE, Zoo};

/// The row of a slug.
pub fn find(slug: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.slug == slug)
}

/// Switches for a list of slugs, separated by commas.
///
/// # Errors
/// A sentence that names the unknown slug and says where the known ones are.
pub fn parse(slugs: &str) -> Result<Zoo, String> {
    let mut zoo = Zoo::default();
    for slug in slugs
        .split(',')
        .map(str::trim)
        .filter(|slug| !slug.is_empty())
    {
        let Some(entry) = find(slug) else {
            let known = TABLE.len();
            return Err(format!(
                "no bug is called \"{slug}\"; docs/zoo.md and `make zoo` list all {known}"
            ));
        };
        zoo.set(entry.bug, true);
    }
    Ok(zoo)
}

/// The switches with one bug on.
pub fn only(bug: Bug) -> Zoo {
    let mut zoo = Zoo::default();
    zoo.set(bug, true);
    zoo
}
