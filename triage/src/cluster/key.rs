//! What artifacts of one bug have in common.
//!
//! A key is what is wrong, where it came to be wrong, and whether it takes a race:
//!
//! - *What*: several invariants look at the same thing from different sides, and which of them objects first
//!   depends on what else the program did. They count as one ([`SUBJECTS`]). Where one invariant can be broken in
//!   several ways, the way belongs to the place.
//! - *Where*: the function whose section did it ([`objection`]). An access that sees something wrong did not do it: the
//!   operation before it did. A translation that outlives its entry is blamed on who took the entry away, a lock that is
//!   held where it must not be on who took it.

use crate::objection::{self, Objection};
use crate::run::{Bugs, Found};
use mm_core::Site;
use mm_fuzz::describe;
use mm_fuzz::exec::Digest;
use mm_fuzz::finding::Family;
use mm_fuzz::program::Program;
use serde::{Deserialize, Serialize};

/// Invariants that are about the same thing; the first one stands for all.
const SUBJECTS: [&[&str]; 6] = [
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
    // by how many entries a page is named
    &["counting/mapcount", "counting/refcount", "counting/rss"],
    // which page a process sees
    &["contents/read", "contents/kept", "contents/pinned-page"],
];

/// Invariants of an access, which looks and does not do it.
const SEEN: [&str; 3] = [
    "contents/read",
    "contents/protection",
    "contents/write-protection",
];

/// Invariants of what an operation leaves behind.
const AT_REST: [&str; 4] = [
    "contents/kept",
    "contents/kept-protection",
    "entries/permission",
    "contents/area",
];

/// Invariants of one tracepoint: it is in one function, whatever scheduling point was the last one before.
const TRACED: [&str; 4] = [
    "counting/lru",
    "counting/unmap-references",
    "counting/use-without-reference",
    "reverse-map/anon-vma-alive",
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

/// Why the function is not known that did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vague {
    /// It is.
    No,
    /// The first section of an operation did it, which has no name.
    FirstSection,
    /// A phase of a migration that went on by itself did it.
    Phase,
}

/// The key of a program, and what it was made of.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// The key.
    pub key: Key,
    /// Why the function is not known, if it is not.
    pub vague: Vague,
    /// The operation that ran at the first objection.
    pub operation: String,
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
        return Some(of_race(own, found, &objection));
    }
    let wording = objection::wording(&objection.found.detail);
    let oracle = &*objection.found.oracle;
    let (place, vague) = if AT_REST.contains(&oracle) || race && SEEN.contains(&oracle) {
        (left_so(program, &objection, bugs), Vague::No)
    } else {
        place(&invariant, &wording, race, &objection)
    };
    let place = match way(&objection.found) {
        "" => place,
        way => format!("{place}: {way}"),
    };
    Some(Keyed {
        key: Key {
            invariant,
            place: with_failure(place, &objection),
            race,
        },
        vague,
        operation: operation(&objection.found),
        wording,
    })
}

/// The key of a race in the middle of which something else is wrong for a while, which another bug may have done:
/// its function says nothing.
fn of_race(invariant: &str, found: &Found, objection: &Objection) -> Keyed {
    Keyed {
        key: Key {
            invariant: invariant.to_owned(),
            place: with_failure(A_RACE.to_owned(), objection),
            race: true,
        },
        vague: Vague::No,
        operation: operation(found),
        wording: objection::wording(&found.detail),
    }
}

/// The program is minimal, so an allocation that fails belongs to the bug.
fn with_failure(place: String, objection: &Objection) -> String {
    if objection.after_failure {
        format!("{place}, after a failed allocation")
    } else {
        place
    }
}

/// The operation that a signature names.
fn operation(found: &Found) -> String {
    let mut parts = found.signature.split(':');
    parts.nth(1).unwrap_or_default().to_owned()
}

/// The invariant that stands for this one.
fn subject(invariant: &str) -> &str {
    let group = SUBJECTS.iter().find(|group| group.contains(&invariant));
    group.map_or(invariant, |group| group[0])
}

/// Who left something wrong, which shows when the operation has ended: the function that wrote an entry last; of what is
/// wrong of areas, the operation. In a race it may have been either.
fn left_so(program: &Program, objection: &Objection, bugs: &Bugs) -> String {
    if program.threads > 1 {
        return A_RACE.to_owned();
    }
    let mut until = program.clone();
    until
        .ops
        .truncate(objection.found.step.map_or(usize::MAX, |step| step + 1));
    let is_of_areas = objection.found.oracle == "contents/area";
    let writer = objection::last_writer(&until, bugs);
    let writer = writer.filter(|site| *site != Site::Start && !is_of_areas);
    writer.map_or_else(|| operation(&objection.found), describe::site)
}

/// Where it came to be wrong, and whether that is a guess.
fn place(invariant: &str, wording: &str, race: bool, objection: &Objection) -> (String, Vague) {
    let is_of = |family: Family| invariant.starts_with(&format!("{family}/"));
    if invariant == "progress/locks-held"
        && let Some(site) = objection.locked
    {
        return (describe::site(site), Vague::No);
    }
    let is_by_wording = is_of(Family::Progress) || TRACED.contains(&invariant);
    if is_by_wording || invariant == "counting/free-page" {
        return (before_colon(wording).to_owned(), Vague::No);
    }
    // a device that maps what is gone by then: the invalidation and the fault race, and either comes last
    if race && is_of(Family::Coherence) {
        return (A_RACE.to_owned(), Vague::No);
    }
    if invariant == "coherence/tlb"
        && let Some(site) = objection.unmapped
    {
        return (describe::site(site), Vague::No);
    }
    let is_of_first_section = objection.site == Site::Start && objection.is_in_an_operation;
    let vague = match (objection.is_of_a_phase, is_of_first_section) {
        (true, _) => Vague::Phase,
        (false, true) => Vague::FirstSection,
        (false, false) => Vague::No,
    };
    (describe::site(objection.site), vague)
}

/// In which way an invariant is broken that has several; empty of all others.
fn way(found: &Found) -> &'static str {
    let ways: &[&str] = match &*found.oracle {
        "counting/mapcount" | "counting/refcount" | "counting/rss" | "counting/pgmap-refs" => {
            &["too many", "too few"]
        }
        "counting/lru" => &["is mapped", "is not mapped"],
        "reverse-map/reachable" => &[
            "it has no mapping",
            "its anon_vma was freed",
            "no area covers that",
            "its index belongs to another address",
            "the area is not linked to its anon_vma",
        ],
        _ => &[],
    };
    let way = ways.iter().find(|way| found.detail.contains(**way));
    way.copied().unwrap_or_default()
}

/// What a wording says before it goes into details.
fn before_colon(wording: &str) -> &str {
    wording.split(": ").next().unwrap_or(wording)
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

    #[test]
    #[cfg(feature = "zoo")]
    fn what_an_operation_leaves_is_blamed_on_who_wrote_last() {
        let lost = "mmap p0 0 4 rw\nwrite p0 0\nfail page-table 2\nmremap p0 0 4 13 4 fixed\n";
        let lost = key("mremap-wraparound", lost);
        assert_eq!(lost.invariant, "contents/read");
        assert_eq!(lost.place, "zap_pte_range, after a failed allocation");
        let unlocked = "mmap p0 0 2 none\nmlock p0 0 2 on\nmremap p0 0 1 2 1 dontunmap\n";
        let unlocked = key("mremap-dontunmap-locked-vm", unlocked);
        assert_eq!(unlocked.place, "mremap");
    }

    /// A retried fault on a page that somebody locked is another bug than one on a page that cannot be unmapped.
    #[test]
    #[cfg(feature = "zoo")]
    fn livelocks_are_told_apart_by_the_lock_of_the_page() {
        let both = "swapfault-trylock-livelock,pvmw-devpriv-never-matches";
        let key = |third: &str| {
            let text = format!("mmap p0 0 1 r\nmigrate p0 0 1 d0\n{third}\nread p0 0\n");
            key(both, &text)
        };
        let (locked, shared) = (key("lock p0 0"), key("fork p0"));
        assert_eq!(locked.invariant, "progress/livelock");
        assert_eq!(locked.invariant, shared.invariant);
        assert!(locked.place.contains("on a locked page"), "{locked:?}");
        assert!(!shared.place.contains("locked"), "{shared:?}");
    }

    #[test]
    #[cfg(feature = "zoo")]
    fn a_translation_is_blamed_on_who_took_the_entry_away() {
        let written = key("oom-reaper-tlb", "mmap p0 0 1 rw\nwrite p0 0\n");
        assert_eq!(written.place, "zap_pte_range");
        assert_eq!(written, key("oom-reaper-tlb", "mmap p0 0 1 r\nread p0 0\n"));
    }

    #[test]
    #[cfg(feature = "zoo")]
    fn a_count_too_high_is_not_one_too_low() {
        let program = "mmap p0 0 1 r\nmigrate p0 0 1 d0\nrelease d0\n";
        let (low, high) = (
            key("pgmap-ref-on-alloc", program),
            key("driver-evict-on-release", program),
        );
        assert_eq!(low.invariant, high.invariant);
        assert!(low.place.ends_with(": too few"), "{low:?}");
        assert!(high.place.ends_with(": too many"), "{high:?}");
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
