//! Historical bugs to put back into the model, named by the user.

use crate::linux::known::{self, Version};
use mm_fuzz::exec::Executor;

/// Why a build without the zoo has no bugs.
#[cfg(not(feature = "zoo"))]
pub const ABSENT: &str = "this build has no historical bugs; build it with --features zoo";

/// Historical bugs to put back.
#[derive(Clone, Debug, Default)]
pub struct Bugs {
    /// Their names, separated by commas.
    pub names: String,
    #[cfg(feature = "zoo")]
    zoo: mm_fuzz::zoo::Zoo,
}

impl Bugs {
    /// Parses a list of names.
    ///
    /// # Errors
    /// A sentence that names the unknown bug and similar ones, or says that this build has no bugs.
    pub fn parse(names: &str) -> Result<Self, String> {
        #[cfg(feature = "zoo")]
        return Ok(Self {
            names: names.to_owned(),
            zoo: names::parse(names)?,
        });
        #[cfg(not(feature = "zoo"))]
        Err(format!("{names}: {}", ABSENT))
    }

    /// The bugs in a list of names, and the bugs that `kernel` is known to have. A model of that
    /// kernel needs both.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn of_kernel(names: &str, kernel: Version) -> Result<Self, String> {
        let all = known::bugs_of(kernel).fold(names.to_owned(), |all, bug| all + "," + bug);
        Self::parse(&all)
    }

    /// Switches the bugs on in an executor.
    pub fn set(&self, executor: &mut Executor) {
        #[cfg(feature = "zoo")]
        executor.set_zoo(self.zoo);
        #[cfg(not(feature = "zoo"))]
        let _ = executor;
    }

    /// The name of each bug, and how many threads a program needs to show the bug.
    pub fn threads(&self) -> Vec<(&str, u8)> {
        #[cfg(feature = "zoo")]
        return self
            .names
            .split(',')
            .filter_map(|name| mm_fuzz::zoo::find(name.trim()))
            .map(|entry| (entry.slug, entry.threads))
            .collect();
        #[cfg(not(feature = "zoo"))]
        Vec::new()
    }

    /// One bug. Its name is not in the list of names, which stays empty.
    #[cfg(feature = "zoo")]
    pub fn only(bug: mm_fuzz::zoo::Bug) -> Self {
        Self {
            names: String::new(),
            zoo: mm_fuzz::zoo::only(bug),
        }
    }
}

#[cfg(feature = "zoo")]
mod names {
    use mm_fuzz::zoo::{self, TABLE, Zoo};

    /// Parses a list of names, separated by commas.
    ///
    /// # Errors
    /// A sentence that names the unknown bug and similar ones.
    pub fn parse(names: &str) -> Result<Zoo, String> {
        let mut each = names.split(',').map(str::trim);
        match each.find(|name| !name.is_empty() && zoo::find(name).is_none()) {
            Some(unknown) => Err(refusal(unknown)),
            None => zoo::parse(names),
        }
    }

    fn refusal(unknown: &str) -> String {
        let hint = match &like(unknown)[..] {
            [] => String::new(),
            [one] => format!("did you mean {one}? "),
            [others @ .., last] => format!("did you mean {} or {last}? ", others.join(", ")),
        };
        format!("no bug is called \"{unknown}\"; {hint}mm-triage zoo lists all of them")
    }

    /// At most three similar names: first the names that contain `unknown`, then the most similar.
    fn like(unknown: &str) -> Vec<&'static str> {
        let likeness = |slug: &str| {
            if slug.contains(unknown) {
                1.0
            } else {
                strsim::jaro_winkler(slug, unknown)
            }
        };
        let slugs = TABLE.iter().map(|entry| entry.slug);
        let mut like: Vec<_> = slugs
            .map(|slug| (likeness(slug), slug))
            .filter(|(likeness, _)| *likeness > 0.75)
            .collect();
        // The sort is stable: among equally similar names, the order of the table counts.
        like.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        like.into_iter().take(3).map(|(_, slug)| slug).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::parse;

        fn refused(names: &str) -> String {
            parse(names).expect_err("no bug has this name")
        }

        #[test]
        fn a_name_with_a_slip_is_recognized() {
            let said = refused("dirty-cow,ttu-subpage-from-swp-pte");
            assert!(
                said.starts_with(
                    "no bug is called \"ttu-subpage-from-swp-pte\"; did you mean ttu-subpage-from-swap-pte"
                ),
                "{said}"
            );
        }

        #[test]
        fn a_part_of_a_name_is_recognized() {
            assert!(refused("subpage").contains("mean ttu-subpage-from-swap-pte"));
        }

        #[test]
        fn what_is_like_none_gets_no_suggestion() {
            let said = refused("0123456789");
            assert_eq!(
                said,
                "no bug is called \"0123456789\"; mm-triage zoo lists all of them"
            );
        }

        #[test]
        fn blanks_and_empty_names_count_for_nothing() {
            parse(" dirty-cow , ,").expect("one bug");
        }
    }
}
