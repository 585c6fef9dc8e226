//! What artifacts of one bug have in common.
//!
//! A key says what is wrong, where it first was wrong, and whether it takes a race:
//!
//! - *What*: several invariants may check the same thing from different sides. The rest of the
//!   program decides which of them objects first. So these invariants count as one: the table of
//!   invariants ([`mm_fuzz::invariant`]) gives them the same subject.
//! - *Where*: the invariant's row of that table says what to blame ([`Blame`]). In most rows this
//!   is the function whose section broke the invariant ([`objection`]). If the invariant can be
//!   broken in several ways, the key also names the way.
//!
//! A key consists of names and flags. It has no words for people, so rewording a message moves no
//! artifact to another cluster.

use crate::bugs::Bugs;
use crate::objection::{self, Objection};
use crate::run::Found;
use mm_core::Site;
use mm_fuzz::describe;
use mm_fuzz::exec::Digest;
use mm_fuzz::invariant::Blame;
use mm_fuzz::program::Program;
use serde::{Deserialize, Serialize};

/// What artifacts of a bug have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The subject of the invariant. For a panic, its place in the source.
    pub invariant: String,
    /// The core panicked.
    pub panic: bool,
    /// The function or the operation to blame; `None` if a race hides it, or if the key has the way
    /// in its place.
    pub function: Option<String>,
    /// The name of the way in which the invariant was broken; `None` if the invariant has no ways,
    /// or if the key has the function that took a lock in its place. Also `None` if the first
    /// objection of a race is about another subject than the finding.
    pub way: Option<String>,
    /// An allocation had failed before. The program is minimal, so the bug needs the failure.
    pub after_failure: bool,
    /// The minimized program has more than one thread.
    pub race: bool,
}

/// Whether the function to blame is known, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vague {
    /// The function is known, or the key needs none.
    No,
    /// The first section of an operation broke the invariant. That section has no name.
    FirstSection,
    /// Just before the objection, the executor ran a whole phase of an open migration at once. So
    /// the function is a guess.
    Phase,
}

/// The key of a program, and what decides which cluster the program joins if its function is not
/// known.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// The key.
    pub key: Key,
    /// Whether the function is known.
    pub vague: Vague,
    /// The operation that ran at the first objection. In a race, the first objection may be about
    /// another subject than the finding. Then this is the operation of the finding.
    pub operation: String,
    /// The state of the page, and the name of the way in which the invariant was broken, at the
    /// same moment as `operation`.
    pub circumstances: String,
}

/// The key of a minimized program with this finding; `None` if nothing objects to the program.
pub fn of(program: &Program, found: &Found, bugs: &Bugs) -> Option<Keyed> {
    let objection = objection::first(program, bugs)?;
    let race = program.threads > 1;
    let invariant = subject(&objection.found);
    let own = subject(found);
    if race && invariant != own {
        return Some(of_race(own, found, &objection));
    }
    let (place, vague) = place(program, &objection, bugs);
    Some(Keyed {
        key: Key {
            invariant,
            panic: objection.found.is_panic(),
            function: place.function,
            way: place.way,
            after_failure: objection.after_failure,
            race,
        },
        vague,
        operation: objection.found.op.to_owned(),
        circumstances: circumstances(&objection.found),
    })
}

/// The key of a race whose first objection and finding are about different subjects. Another bug
/// may have caused that objection, so the key has the finding's subject and no function.
fn of_race(invariant: String, found: &Found, objection: &Objection) -> Keyed {
    Keyed {
        key: Key {
            invariant,
            panic: found.is_panic(),
            function: None,
            way: None,
            after_failure: objection.after_failure,
            race: true,
        },
        vague: Vague::No,
        operation: found.op.to_owned(),
        circumstances: circumstances(found),
    }
}

fn circumstances(found: &Found) -> String {
    let state = found
        .state
        .map_or_else(String::new, |state| state.to_string());
    match found.way {
        Some(way) => format!("{state}: {}", way.name()),
        None => state,
    }
}

/// The subject of the finding's invariant: several invariants about the same thing have the same
/// subject. For a panic, its place in the source.
fn subject(found: &Found) -> String {
    match found.invariant {
        Some(invariant) => invariant.row().subject.to_string(),
        None => found.oracle.clone(),
    }
}

/// Where the state first was wrong, as [`Key`] has it.
struct Place {
    function: Option<String>,
    way: Option<String>,
}

/// Where the state first was wrong, and whether the function is known.
fn place(program: &Program, objection: &Objection, bugs: &Bugs) -> (Place, Vague) {
    let race = program.threads > 1;
    let found = &objection.found;
    let row = found.invariant.map(|invariant| invariant.row());
    let way = || found.way.map(|way| way.name());
    let hidden = (None, Vague::No);
    let known = |function: String| (Some(function), Vague::No);
    let site = |site| known(describe::site(site));
    let (function, vague) = match row.map_or(Blame::Section, |row| row.blame) {
        // The way in which the invariant was broken stands for the place.
        Blame::Way => hidden,
        Blame::Locker => match objection.locked {
            Some(locker) => {
                let (function, vague) = site(locker);
                return (
                    Place {
                        function,
                        way: None,
                    },
                    vague,
                );
            }
            None => hidden,
        },
        Blame::Operation | Blame::LastWriter | Blame::Before if race => hidden,
        Blame::Operation => known(found.op.to_owned()),
        Blame::LastWriter => known(last_writer(program, objection, bugs)),
        // For example, a device maps a page that is gone. The device's fault and the invalidation
        // have raced, and either may have come last.
        Blame::Unmapper | Blame::EitherInARace if race => hidden,
        Blame::Unmapper => objection.unmapped.map_or_else(|| section(objection), site),
        Blame::EitherInARace | Blame::Section | Blame::Before => section(objection),
    };
    (
        Place {
            function,
            way: way(),
        },
        vague,
    )
}

/// The function whose section ran last before the objection, and whether this is known.
fn section(objection: &Objection) -> (Option<String>, Vague) {
    let is_of_first_section = objection.site == Site::Start && objection.is_in_an_operation;
    let vague = match (objection.is_of_a_phase, is_of_first_section) {
        (true, _) => Vague::Phase,
        (false, true) => Vague::FirstSection,
        (false, false) => Vague::No,
    };
    (Some(describe::site(objection.site)), vague)
}

/// The function that last wrote an entry in the operation of the objection. If no entry was
/// written, or the function has no name, the operation itself.
fn last_writer(program: &Program, objection: &Objection, bugs: &Bugs) -> String {
    let mut until = program.clone();
    until
        .ops
        .truncate(objection.found.step.map_or(usize::MAX, |step| step + 1));
    let writer = objection::last_writer(&until, bugs);
    let writer = writer.filter(|site| *site != Site::Start);
    writer.map_or_else(|| objection.found.op.to_owned(), describe::site)
}

impl Key {
    /// The name of the cluster: a digest of the key, and so the same in every run.
    pub fn name(&self) -> String {
        let Self {
            invariant,
            panic,
            function,
            way,
            after_failure,
            race,
        } = self;
        let mut digest = Digest::default();
        for part in [Some(invariant), function.as_ref(), way.as_ref()] {
            let bytes = part.into_iter().flat_map(|part| part.bytes());
            bytes.for_each(|byte| digest.mix(byte.into()));
            digest.mix(0x100 + u64::from(part.is_some()));
        }
        for flag in [panic, after_failure, race] {
            digest.mix((*flag).into());
        }
        format!("{:08x}", digest.value() as u32)
    }

    /// Where the state first was wrong, for people: the function and the way, as far as the key has
    /// them.
    pub fn place(&self) -> String {
        let place = match (&self.function, &self.way) {
            (Some(function), Some(way)) => format!("{function}: {way}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "a race".to_owned(),
        };
        match self.after_failure {
            true => format!("{place}, after a failed allocation"),
            false => place,
        }
    }

    /// Whether the place is only the name of a function or operation.
    pub const fn is_in_a_function(&self) -> bool {
        self.function.is_some() && self.way.is_none() && !self.after_failure
    }
}

#[cfg(all(test, feature = "zoo"))]
mod tests {
    use super::*;

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
    fn what_is_found_at_the_end_is_found_where_the_processes_exit() {
        let key = |text| key("collapse-no-notifier", text);
        let at_the_end = key("mmap p0 0 1 r\nread p0 0\n");
        assert_eq!(at_the_end.place(), "zap_pte_range");
        assert_eq!(at_the_end, key("mmap p0 0 1 r\nread p0 0\nmunmap p0 0 1\n"));
        assert_eq!(
            at_the_end,
            key("mmap p0 0 1 r\ndev-read d0 p0 0\ndontneed p0 0 1\n")
        );
    }

    #[test]
    fn a_lock_is_blamed_on_who_took_it() {
        let key = |last: &str| {
            let text = format!("mmap p0 0 1 rw\nwrite p0 0\nfork p0\n{last}\n");
            key("cow-wp-simplification", &text)
        };
        assert_eq!(key("pin p0 0 r").place(), "do_wp_page");
        assert_eq!(key("pin p0 0 r"), key("dev-write d0 p0 0"));
    }

    #[test]
    fn what_an_operation_leaves_is_blamed_on_who_wrote_last() {
        let lost = "mmap p0 0 4 rw\nwrite p0 0\nfail page-table 2\nmremap p0 0 4 13 4 fixed\n";
        let lost = key("mremap-wraparound", lost);
        assert_eq!(lost.invariant, "contents/read");
        assert_eq!(lost.place(), "zap_pte_range, after a failed allocation");
        let unlocked = "mmap p0 0 2 none\nmlock p0 0 2 on\nmremap p0 0 1 2 1 dontunmap\n";
        let unlocked = key("mremap-dontunmap-locked-vm", unlocked);
        assert_eq!(unlocked.place(), "mremap");
    }

    /// A fault can retry because the page is locked, or because the page cannot be unmapped. These
    /// are two bugs.
    #[test]
    fn livelocks_are_told_apart_by_the_lock_of_the_page() {
        let both = "swapfault-trylock-livelock,pvmw-devpriv-never-matches";
        let key = |third: &str| {
            let text = format!("mmap p0 0 1 r\nmigrate p0 0 1 d0\n{third}\nread p0 0\n");
            key(both, &text)
        };
        let (locked, shared) = (key("lock p0 0"), key("fork p0"));
        assert_eq!(locked.invariant, "progress/livelock");
        assert_eq!(locked.invariant, shared.invariant);
        let start =
            |key: &Key, name: &str| key.way.as_ref().is_some_and(|way| way.starts_with(name));
        assert!(start(&locked, "Repeats locked in "), "{locked:?}");
        assert!(start(&shared, "Repeats unlocked in "), "{shared:?}");
    }

    #[test]
    fn a_translation_is_blamed_on_who_took_the_entry_away() {
        let written = key("oom-reaper-tlb", "mmap p0 0 1 rw\nwrite p0 0\n");
        assert_eq!(written.place(), "zap_pte_range");
        assert_eq!(written, key("oom-reaper-tlb", "mmap p0 0 1 r\nread p0 0\n"));
    }

    #[test]
    fn a_count_too_high_is_not_one_too_low() {
        let program = "mmap p0 0 1 r\nmigrate p0 0 1 d0\nrelease d0\n";
        let (low, high) = (
            key("pgmap-ref-on-alloc", program),
            key("driver-evict-on-release", program),
        );
        assert_eq!(low.invariant, high.invariant);
        assert_eq!(low.way.as_deref(), Some("TooFew"), "{low:?}");
        assert_eq!(high.way.as_deref(), Some("TooMany"), "{high:?}");
        assert!(low.place().ends_with(": TooFew"), "{low:?}");
    }

    /// With both bugs on, the program's finding is about one invariant. The first objection comes
    /// after a section in the middle of an operation, and is about another invariant.
    #[test]
    fn a_race_is_known_by_its_own_finding() {
        let race = "threads 2\npreempt 14 t0\nmmap p0 0 1 rw\nwrite p0 0\nfork p0\n\
                    setup p1 0 1 d0 to-dev\npages m0 skip=0x01\nt1: mremap p0 0 1 8 1 fixed\nfinalize m0\n";
        let key = key("exec-stack-migration,restore-write-after-mkdirty", race);
        assert_eq!(
            (&*key.invariant, &*key.place()),
            ("entries/round-trip", "a race")
        );
        assert!(key.race);
    }

    /// The signatures and keys of all witnesses do not depend on the wording of findings, which
    /// includes the words for ways. Each part of a key is a name: nothing in it is a sentence.
    #[test]
    fn no_key_depends_on_the_words_of_a_message() {
        use crate::run::{Ended, REWORDED, run};
        let of_witness = |slug: &str| {
            let path = format!("{}/../corpus/zoo/{slug}.mm", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).expect("a witness");
            let program = mm_fuzz::program::text::parse(&text).expect("a program");
            let bugs = Bugs::parse(slug).expect("a bug");
            let Ended::Found(found) = run(&program, &bugs, false, &mut ()) else {
                unreachable!("it has a finding");
            };
            let keyed = of(&program, &found, &bugs).expect("a key");
            (
                found.detail,
                found.signature,
                keyed.key,
                keyed.circumstances,
                keyed.operation,
            )
        };
        for entry in mm_fuzz::zoo::TABLE {
            REWORDED.set(false);
            let (message, ..) = of_witness(entry.slug);
            let (_, signature, key, circumstances, operation) = of_witness(entry.slug);
            assert!(
                key.panic || mm_fuzz::invariant::Invariant::named(&key.invariant).is_some(),
                "{key:?}"
            );
            let is_a_name =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
            let function = key.function.iter().chain([&operation]);
            function.for_each(|name| assert!(name.chars().all(is_a_name), "{key:?}"));
            REWORDED.set(true);
            let other = of_witness(entry.slug);
            assert_ne!(message, other.0, "{}", entry.slug);
            assert_eq!(
                (signature, key, circumstances, operation),
                (other.1, other.2, other.3, other.4)
            );
        }
        REWORDED.set(false);
    }
}
