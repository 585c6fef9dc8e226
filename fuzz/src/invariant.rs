//! The table of invariants: what each invariant claims, what it is about, what a breach is blamed
//! on, how it can be broken, and what it exempts.
//!
//! Signatures, clusters, reports and docs/invariants.md are built from this table; nothing parses
//! the words of a message. The order of the rows is their order in docs/invariants.md and decides
//! nothing else.
//!
//! The table does not say in which order the checks run. One pass over a page, an entry or a
//! tracepoint reports several invariants, so the checks cannot be sorted by invariant;
//! [`Oracles::after_slice`](crate::oracle::Oracles::after_slice) states the order and follows it.

mod aspects;
mod table;
mod way;

use std::fmt;

pub use aspects::{Blame, Changes, Family};
pub use table::{Invariant, TABLE};
pub use way::{Awaited, Standstill, Way};

/// Everything that the table says about an invariant.
#[derive(Debug)]
pub struct InvariantRow {
    /// The invariant.
    pub invariant: Invariant,
    /// Its family.
    pub family: Family,
    /// Its name within the family.
    pub name: &'static str,
    /// The claim, in a sentence.
    pub holds: &'static str,
    /// The kinds of change that can break it.
    pub concerned: Changes,
    /// The invariant that stands for all invariants about the same thing. A cluster is named after
    /// it.
    pub subject: Invariant,
    /// What a breach is blamed on.
    pub blame: Blame,
    /// The [`Way::kind`]s in which the invariant can be broken; empty if there is only one way.
    pub ways: &'static [&'static str],
    /// What is not checked, and why not.
    pub exempt: &'static [Exemption],
}

/// A case in which an invariant is not checked, or need not hold.
#[derive(Debug)]
pub struct Exemption {
    /// The case.
    pub what: &'static str,
    /// The reason.
    pub why: &'static str,
}

impl Invariant {
    /// The row of this invariant.
    pub const fn row(self) -> &'static InvariantRow {
        &TABLE[self as usize]
    }

    /// Looks an invariant up by `family/name`.
    pub fn named(name: &str) -> Option<Self> {
        let (family, name) = name.split_once('/')?;
        let is = |row: &&InvariantRow| row.name == name && row.family.to_string() == family;
        TABLE.iter().find(is).map(|row| row.invariant)
    }

    /// The kinds of change that can break one of these invariants.
    pub(crate) const fn concerned(invariants: &[Self]) -> Changes {
        let mut all = Changes::NONE;
        let mut i = 0;
        while i < invariants.len() {
            all = all.or(invariants[i].row().concerned);
            i += 1;
        }
        all
    }

    /// A breach of this invariant in this way.
    pub const fn by(self, way: Way) -> Broken {
        Broken {
            invariant: self,
            way: Some(way),
        }
    }
}

/// `family/name`.
impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row();
        write!(f, "{}/{}", row.family, row.name)
    }
}

/// A breach: an invariant, and the way in which it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The invariant.
    pub invariant: Invariant,
    /// The way, for invariants that have several.
    pub way: Option<Way>,
}

impl Broken {
    /// True if the row lists the way, or if there is no way and the row lists none.
    pub fn is_of_the_table(&self) -> bool {
        let ways = self.invariant.row().ways;
        self.way
            .map_or(ways.is_empty(), |way| ways.contains(&way.kind()))
    }
}

impl From<Invariant> for Broken {
    fn from(invariant: Invariant) -> Self {
        Self {
            invariant,
            way: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_stand_at_their_numbers_and_names_are_unique() {
        let mut names = BTreeSet::new();
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.invariant as usize, number);
            assert!(names.insert(row.invariant.to_string()), "{}", row.invariant);
            assert_eq!(
                Invariant::named(&row.invariant.to_string()),
                Some(row.invariant)
            );
        }
    }

    #[test]
    fn a_subject_stands_for_itself() {
        for row in TABLE {
            let subject = row.subject.row();
            assert_eq!(subject.subject, row.subject, "{}", row.invariant);
        }
    }

    #[test]
    fn each_exemption_has_a_case_and_a_reason() {
        for row in TABLE {
            for Exemption { what, why } in row.exempt {
                assert!(!what.is_empty() && !why.is_empty(), "{}", row.invariant);
            }
        }
    }

    #[test]
    fn whoever_blames_the_way_has_ways() {
        for row in TABLE {
            let by_way = matches!(row.blame, Blame::Way | Blame::Locker);
            assert!(!by_way || !row.ways.is_empty(), "{}", row.invariant);
        }
    }
}
