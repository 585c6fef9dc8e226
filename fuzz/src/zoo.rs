//! The zoo by name, and the witness of each bug.

pub use mm_core::zoo::{Bug, Entry, TABLE, Zoo};

/// The row of a slug.
pub fn find(slug: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.slug == slug)
}

/// Switches for a list of slugs, separated by commas.
///
/// # Errors
/// A sentence that names the unknown slug and lists the known ones.
pub fn parse(slugs: &str) -> Result<Zoo, String> {
    let mut zoo = Zoo::default();
    for slug in slugs
        .split(',')
        .map(str::trim)
        .filter(|slug| !slug.is_empty())
    {
        let Some(entry) = find(slug) else {
            let known: Vec<_> = TABLE.iter().map(|entry| entry.slug).collect();
            return Err(format!(
                "no bug is called \"{slug}\"; known are {}",
                known.join(", ")
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
