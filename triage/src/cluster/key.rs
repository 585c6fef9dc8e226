//! What artifacts of one bug have in common.
//!
//! A key is what is wrong, where it came to be wrong, and whether it takes a race:
//!
//! - *What*: several invariants look at the same thing from different sides, and which of them objects first
//!   depends on what else the program did. They count as one ([`SUBJECTS`]).
//! - *Where*: the function whose section did it ([`objection`]). Of a lock that is held where it must not be, the one
//!   that took it; of a sum, for which the cause is long past, the wording of the finding.

use crate::objection::{self, Objection};
use crate::run::{Bugs, Found};
use mm_core::Site;
use mm_fuzz::describe;
use mm_fuzz::exec::Digest;
use mm_fuzz::finding::Family;
use mm_fuzz::program::Program;
use serde::{Deserialize, Serialize};

/// Invariants that are about the same thing; the first one stands for all.
const SUBJECTS: [&[&str]; 5] = [
    // what a device maps, and what it was told
    &[
        "coherence/device-mapping",
        "notifier/bracket",
        "notifier/event",
    ],
    // what CPUs remember
    &["coherence/tlb", "coherence/freed-translation"],
    // whose own a page is
    &[
        "reverse-map/exclusive",
        "reverse-map/pinned-exclusive",
        "entries/write-exclusive",
        "entries/exclusive-entry",
        "swap/exclusive",
    ],
    // which locks are held
    &[
        "progress/locks-held",
        "progress/lock-order",
        "progress/deadlock",
    ],
    // whether a page can be found from its entries' side and back
    &["reverse-map/reachable", "reverse-map/walk"],
];

/// The place of what no function is to blame for.
const A_RACE: &str = "a race";

/// What artifacts of a bug have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The invariant, `family/name`; of several about the same thing, the first.
    pub invariant: String,
    /// The function in which it first was broken, or the wording of the finding.
    pub place: String,
    /// It takes two threads.
    pub race: bool,
}

/// The key of a program, and what it was made of.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// The key.
    pub key: Key,
    /// The function is not known: the first section of an operation did it.
    pub is_vague: bool,
    /// The wording of the first objection.
    pub wording: String,
}

/// The key of a minimized program, of which this is the finding; `None` if it has none.
pub fn of(program: &Program, found: &Found, bugs: &Bugs) -> Option<Keyed> {
    let objection = objection::first(program, bugs)?;
    let race = program.threads > 1;
    let invariant = subject(&objection.found.oracle).to_owned();
    let own = subject(&found.oracle);
    if race && invariant != own {
        return Some(of_race(own, found));
    }
    let wording = objection::wording(&objection.found.detail);
    let (place, is_vague) = place(&invariant, &wording, race, &objection);
    Some(Keyed {
        key: Key {
            invariant,
            place,
            race,
        },
        is_vague,
        wording,
    })
}

/// The key of a race in the middle of which something else is wrong for a while, which another bug may have done:
/// its function says nothing.
fn of_race(invariant: &str, found: &Found) -> Keyed {
    Keyed {
        key: Key {
            invariant: invariant.to_owned(),
            place: A_RACE.to_owned(),
            race: true,
        },
        is_vague: false,
        wording: objection::wording(&found.detail),
    }
}

/// The invariant that stands for this one.
fn subject(invariant: &str) -> &str {
    let group = SUBJECTS.iter().find(|group| group.contains(&invariant));
    group.map_or(invariant, |group| group[0])
}

/// Where it came to be wrong, and whether that is a guess.
fn place(invariant: &str, wording: &str, race: bool, objection: &Objection) -> (String, bool) {
    let is_of = |family: Family| invariant.starts_with(&format!("{family}/"));
    if invariant == "progress/locks-held"
        && let Some(site) = objection.locked
    {
        return (describe::site(site), false);
    }
    if is_of(Family::Progress) || is_of(Family::Counting) {
        return (wording.to_owned(), false);
    }
    // a device that maps what is gone by then: the invalidation and the fault race, and either comes last
    if race && is_of(Family::Coherence) {
        return (A_RACE.to_owned(), false);
    }
    // no function is to blame for what is found when everything ends
    let is_vague = objection.site == Site::Start && objection.is_in_an_operation;
    (describe::site(objection.site), is_vague)
}

impl Key {
    /// The name of the cluster: a digest, so that it is the same in every run.
    pub fn name(&self) -> String {
        let mut digest = Digest::default();
        for part in [
            &*self.invariant,
            &*self.place,
            if self.race { "race" } else { "" },
        ] {
            part.bytes().for_each(|byte| digest.mix(byte.into()));
            digest.mix(0x100);
        }
        format!("{:08x}", digest.value() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invariant_is_about_one_thing() {
        let all: Vec<&str> = SUBJECTS.concat();
        for invariant in &all {
            let groups = SUBJECTS.iter().filter(|group| group.contains(invariant));
            assert_eq!(groups.count(), 1, "{invariant}");
        }
        let page = include_str!("../../../docs/design.md");
        for invariant in all {
            assert!(page.contains(&format!("| `{invariant}` |")), "{invariant}");
        }
    }

    #[cfg(feature = "zoo")]
    fn key(bug: &str, text: &str) -> Key {
        use crate::run::{Ended, run};
        let bugs = Bugs::parse(bug).expect("a bug");
        let program = mm_fuzz::program::text::parse(text).expect("a program");
        let Ended::Found(found) = run(&program, &bugs, false, &mut ()) else {
            unreachable!("it has a finding");
        };
        of(&program, &found, &bugs).expect("a finding").key
    }

    #[test]
    #[cfg(feature = "zoo")]
    fn what_is_found_at_the_end_is_found_where_the_processes_exit() {
        let key = |text| key("collapse-no-notifier", text);
        let at_the_end = key("mmap p0 0 1 r\nread p0 0\n");
        assert_eq!(at_the_end.place, "zap_pte_range");
        assert_eq!(at_the_end, key("mmap p0 0 1 r\nread p0 0\nmunmap p0 0 1\n"));
        assert_eq!(
            at_the_end,
            key("mmap p0 0 1 r\ndev-read d0 p0 0\ndontneed p0 0 1\n")
        );
    }

    #[test]
    #[cfg(feature = "zoo")]
    fn a_lock_is_blamed_on_who_took_it() {
        let key = |last: &str| {
            let text = format!("mmap p0 0 1 rw\nwrite p0 0\nfork p0\n{last}\n");
            key("cow-wp-simplification", &text)
        };
        assert_eq!(key("pin p0 0 r").place, "do_wp_page");
        assert_eq!(key("pin p0 0 r"), key("dev-write d0 p0 0"));
    }

    /// With both bugs a section in between breaks another invariant than the program does.
    #[test]
    #[cfg(feature = "zoo")]
    fn a_race_is_known_by_its_own_finding() {
        let race = "threads 2\npreempt 0 t1\nmmap p0 0 1 rw\nwrite p0 0\nt1: migrate p0 0 1 d0\n";
        let key = key("migent-write-attr-from-swap-pte,dup-anon-vma-no-lock", race);
        assert_eq!((&*key.invariant, key.race), ("entries/round-trip", true));
    }
}
