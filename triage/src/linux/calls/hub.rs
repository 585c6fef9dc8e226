//! What the guests of a run share: the programs that reached something new, and the findings.

use fastrand::Rng;
use mm_linux_calls::{
    Breach, BreachKind, COUNTERS, Call, MapKind, Program, mutate, place, random_program,
    without_numbers,
};
use mm_linux_protocol::PLACE_BITS;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// One program in this many is generated, not mutated.
const RANDOM: u32 = 6;
/// One program in this many passes over no known breach, because passing over one may hide another
/// breach.
const STRICT: u32 = 4;
/// How many breaches with the same symptom are reduced: they may have different causes.
const MOST_REDUCED: u32 = 10;
/// The same for breaches that end or stop a guest, which cost seconds.
const MOST_COSTLY: u32 = 2;
/// One in this many of the programs that look as if they would end or stop a guest is run.
const RISKED: u32 = 32;
/// A program looks known if it makes all calls of an earlier finding in their order, and breaks a
/// promise of the same group. One in this many of such programs is reduced.
const UNSURE: u32 = 8;
/// Of the programs that could make two calls at once, one in this many does. The others make one
/// call at a time, because a program that makes two at once runs several times.
const TWO: u32 = 8;

/// What tells breaches apart before they are reduced: the promise, and the call after which it was
/// broken, with the kind of memory. A promise about a counter has the counter's name in place of
/// the call. For a dead kernel, what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Symptom {
    /// A promise.
    Broken(BreachKind, String),
    /// The kernel's words.
    Died(String),
}

impl Symptom {
    /// The symptom of a breach in this program.
    pub fn of(program: &Program, breach: &Breach, said: &str) -> Self {
        if breach.kind == BreachKind::Alert {
            return Self::Broken(BreachKind::Alert, without_numbers(said));
        }
        let at = if [BreachKind::Counter, BreachKind::BelowZero].contains(&breach.kind) {
            let counter = COUNTERS[usize::from(breach.page) % COUNTERS.len()];
            counter.name.to_owned()
        } else {
            let step = program.steps.get(usize::from(breach.step));
            place(step.map_or("end", |step| step.call.name()), breach.memory)
        };
        Self::Broken(breach.kind, at)
    }
}

impl Symptom {
    /// True if it costs a boot or a time-out.
    pub fn is_costly(&self) -> bool {
        let hangs = [BreachKind::Hang, BreachKind::Unkillable];
        !matches!(self, Self::Broken(kind, _) if !hangs.contains(kind))
    }
}

impl std::fmt::Display for Symptom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(kind, at) => write!(f, "{} at {at}", kind.name()),
            Self::Died(why) => f.write_str(why),
        }
    }
}

/// A finding that was reduced.
#[derive(Clone, Debug)]
pub struct CallsFinding {
    /// What it shows.
    pub symptom: Symptom,
    /// The reduced program.
    pub program: Program,
    /// The results of its steps.
    pub results: Vec<i32>,
    /// The breach; `None` if the kernel died.
    pub breach: Option<Breach>,
    /// The console of a kernel that died.
    pub console: String,
    /// The name of the known program that shows the same.
    pub known: Option<String>,
}

impl CallsFinding {
    /// The kinds of calls, which tell causes apart; also `fail` if one of the calls lacks memory,
    /// `beside` if two calls are made at once, `hugepage` if all memory may have huge pages, and
    /// `zswap` if zswap is on.
    fn calls(&self) -> BTreeSet<&'static str> {
        let steps = self.program.steps.iter();
        let fails = steps.clone().any(|step| step.fail > 0).then_some("fail");
        let beside = self.program.makes_two_at_once().then_some("beside");
        let huge = self.program.always.then_some("hugepage");
        let zswap = self.program.zswap.then_some("zswap");
        let families = steps.map(|step| step.call.family());
        let words = [fails, beside, huge, zswap];
        families.chain(words.into_iter().flatten()).collect()
    }

    /// The kinds of memory that the program maps. The reduction replaces each kind by private
    /// memory if the finding stays the same with private memory. Kinds that the kernel keeps in the
    /// same way count as one. For [`BreachKind::Accepted`] the set is empty, because a call with
    /// wrong arguments mostly ends before the kernel looks at memory.
    fn kinds(&self) -> HashSet<(MapKind, bool)> {
        let is_of_memory = !matches!(self.symptom, Symptom::Broken(BreachKind::Accepted, _));
        let steps = self.program.steps.iter().filter(|_| is_of_memory);
        let kinds = steps.filter_map(|step| match step.call {
            Call::Map { kind, .. } => Some((kind, self.program.is_hugetlb(kind))),
            _ => None,
        });
        let alike = |(kind, is_hugetlb): (MapKind, bool)| {
            let kind = match kind {
                MapKind::DevZero | MapKind::Droppable => MapKind::Private,
                kind if kind.is_shmem() && !is_hugetlb => MapKind::Shared,
                kind => kind,
            };
            (kind, is_hugetlb)
        };
        kinds.map(alike).collect()
    }

    /// True if both findings break promises of the same group ([`BreachKind::group`]), and the
    /// program of `self` makes all kinds of calls and maps all kinds of memory that the program of
    /// `other` does. If both findings have the same symptom, it is enough that the program of
    /// `other` makes and maps all that the program of `self` does. If the symptom of `self` is
    /// costly, only the symptoms are compared: they must be the same.
    fn contains(&self, other: &Self) -> bool {
        let alike = match (&self.symptom, &other.symptom) {
            _ if self.symptom.is_costly() => return self.symptom == other.symptom,
            (Symptom::Broken(kind, _), Symptom::Broken(others, _)) => {
                kind.group() == others.group()
            }
            _ => false,
        };
        let is_in = |inner: &Self, outer: &Self| {
            outer.calls().is_superset(&inner.calls()) && outer.kinds().is_superset(&inner.kinds())
        };
        alike && (is_in(other, self) || self.symptom == other.symptom && is_in(self, other))
    }

    /// True if the program makes all calls of this finding in their order.
    fn is_likely_in(&self, program: &Program) -> bool {
        let mut steps = program.steps.iter();
        let mut needed = self.program.steps.iter();
        needed.all(|needed| steps.any(|step| step.call.name() == needed.call.name()))
    }
}

/// The programs and findings of a run.
pub struct Hub {
    rng: Rng,
    /// The kernel has what `WHOLE=1` adds.
    is_whole: bool,
    /// Programs to run first, with their names.
    files: VecDeque<(String, Program)>,
    /// Programs that earlier runs kept.
    seeds: VecDeque<Program>,
    programs: Vec<Program>,
    /// Places in the kernel, whichever call reached them.
    places: HashSet<u32>,
    /// Places, each with the call that reached it.
    reached: HashSet<u32>,
    reduced: BTreeMap<Symptom, u32>,
    /// The distinct findings, known ones among them.
    pub findings: Vec<CallsFinding>,
    /// Programs that were run.
    pub ran: u64,
    /// Boots of guests.
    pub boots: u64,
    /// Runs in guests, those of reductions too.
    pub runs: u64,
    /// Breaches that were passed over.
    pub passed_over: u64,
    /// Findings that did not occur again, and deaths of the kernel for which a known breach counts
    /// as the cause.
    pub unsteady: u64,
}

/// The next program, and how to run it.
pub struct CallsTask {
    /// The name of the program's file, if it was given as one.
    pub name: Option<String>,
    /// The program.
    pub program: Program,
    /// What the guest passes over.
    pub known: Vec<(BreachKind, String)>,
}

impl Hub {
    /// Begins with these files, which show known bugs, and with programs that earlier runs kept.
    /// Unless `is_whole`, no program that is made needs what `WHOLE=1` adds to the kernel.
    pub fn new(
        seed: u64,
        is_whole: bool,
        files: VecDeque<(String, Program)>,
        seeds: VecDeque<Program>,
    ) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            is_whole,
            files,
            seeds,
            programs: Vec::new(),
            places: HashSet::new(),
            reached: HashSet::new(),
            reduced: BTreeMap::new(),
            findings: Vec::new(),
            ran: 0,
            boots: 0,
            runs: 0,
            passed_over: 0,
            unsteady: 0,
        }
    }

    /// The numbers of kept programs, and of places in the kernel.
    pub fn sizes(&self) -> [usize; 2] {
        [self.programs.len(), self.places.len()]
    }

    /// The next file, or `None` once all have been given out.
    pub fn next_file(&mut self) -> Option<CallsTask> {
        let (name, program) = self.files.pop_front()?;
        Some(CallsTask {
            name: Some(name),
            program,
            known: Vec::new(),
        })
    }

    /// The next program.
    pub fn next(&mut self) -> CallsTask {
        if let Some(task) = self.next_file() {
            return task;
        }
        let mut program = match self.seeds.pop_front() {
            Some(seed) => seed,
            None => self.make(),
        };
        while self.looks_costly(&program) && self.rng.u32(0..RISKED) > 0 {
            program = self.make();
        }
        if program.makes_two_at_once() && self.rng.u32(0..TWO) > 0 {
            program
                .steps
                .iter_mut()
                .for_each(|step| step.beside = false);
        }
        let is_strict = self.rng.u32(0..STRICT) == 0;
        CallsTask {
            name: None,
            program,
            known: if is_strict { Vec::new() } else { self.known() },
        }
    }

    /// True if the program may end or stop a guest as a finding has done.
    fn looks_costly(&self, program: &Program) -> bool {
        let costly = self
            .findings
            .iter()
            .filter(|finding| finding.symptom.is_costly());
        costly
            .into_iter()
            .any(|finding| finding.is_likely_in(program))
    }

    fn make(&mut self) -> Program {
        let mut program = self.make_any();
        if !self.is_whole {
            program.do_without_whole();
        }
        program
    }

    fn make_any(&mut self) -> Program {
        let count = self.programs.len();
        if count == 0 || self.rng.u32(0..RANDOM) == 0 {
            random_program(&mut self.rng)
        } else {
            // with probability one half, the program is drawn from the newer half
            let from = if self.rng.bool() { count / 2 } else { 0 };
            let mut program = self.programs[self.rng.usize(from..count)].clone();
            let other = &self.programs[self.rng.usize(..count)];
            mutate(&mut program, other, &mut self.rng);
            program
        }
    }

    fn known(&self) -> Vec<(BreachKind, String)> {
        let found = self.findings.iter().map(|finding| &finding.symptom);
        let symptoms = self.reduced.keys().chain(found);
        symptoms
            .filter_map(|symptom| match symptom {
                Symptom::Broken(kind, at) => Some((*kind, at.clone())),
                Symptom::Died(_) => None,
            })
            .collect()
    }

    /// Notes the places that a program reached, each with the call that reached it. If one of these
    /// pairs is new, keeps the program and returns true.
    pub fn learn(&mut self, program: &Program, reached: &[u32]) -> bool {
        let before = self.reached.len();
        self.reached.extend(reached);
        let is_new = self.reached.len() > before;
        let place = |reached: &u32| reached & ((1 << PLACE_BITS) - 1);
        self.places.extend(reached.iter().map(place));
        if is_new {
            self.programs.push(program.clone());
        }
        is_new
    }

    /// True if the program makes all calls of a known finding in their order, and breaks a promise
    /// of the same group.
    fn looks_known(&self, program: &Program, symptom: &Symptom) -> bool {
        let Symptom::Broken(kind, _) = symptom else {
            return false;
        };
        let is_alike = |known: &CallsFinding| match &known.symptom {
            Symptom::Broken(known, _) => known.group() == kind.group(),
            Symptom::Died(_) => false,
        };
        let mut findings = self.findings.iter();
        findings.any(|known| is_alike(known) && known.is_likely_in(program))
    }

    /// True if a finding of this program is to be reduced.
    pub fn wants(&mut self, program: &Program, symptom: &Symptom) -> bool {
        let most = if symptom.is_costly() {
            MOST_COSTLY
        } else {
            MOST_REDUCED
        };
        let is_known = self
            .findings
            .iter()
            .any(|finding| finding.symptom == *symptom);
        let count = self.reduced.entry(symptom.clone()).or_default();
        *count += 1;
        let is_one_of_few = *count <= most && !(is_known && symptom.is_costly());
        is_one_of_few && (!self.looks_known(program, symptom) || self.rng.u32(0..UNSURE) == 0)
    }

    /// True if there is a finding like this one.
    pub fn has(&self, finding: &CallsFinding) -> bool {
        self.findings.iter().any(|other| finding.contains(other))
    }

    /// The name of a known program with the same symptom. The cause may be another one.
    pub fn resembles(&self, finding: &CallsFinding) -> Option<&str> {
        let mut known = self.findings.iter().filter(|known| known.known.is_some());
        let known = known.find(|known| known.symptom == finding.symptom);
        known.and_then(|known| known.known.as_deref())
    }

    /// Adds a finding. Returns true if there was none like it.
    pub fn add(&mut self, finding: CallsFinding) -> bool {
        if self.has(&finding) {
            return false;
        }
        self.findings.push(finding);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_linux_calls::parse;

    fn finding(kind: BreachKind, at: &str, text: &str) -> CallsFinding {
        CallsFinding {
            symptom: Symptom::Broken(kind, at.to_owned()),
            program: parse(text).expect("a program"),
            results: Vec::new(),
            breach: None,
            console: String::new(),
            known: None,
        }
    }

    fn hub() -> Hub {
        Hub::new(1, true, VecDeque::new(), VecDeque::new())
    }

    #[test]
    fn a_finding_is_new_unless_it_contains_the_calls_of_another() {
        let mut hub = hub();
        let lost = BreachKind::NotSoftDirty;
        assert!(hub.add(finding(
            lost,
            "ksm",
            "mmap p0 0 1 rw\nwrite p0 0 1\nksm p0\n"
        )));
        let longer = "mmap p0 0 1 rw\nwrite p0 0 1\nfork p0\nksm p0\n";
        assert!(!hub.add(finding(lost, "ksm", longer)));
        assert!(hub.add(finding(lost, "resize", "mmap p0 0 1 rw\nresize p0 0 1 2\n")));
        assert!(hub.add(finding(BreachKind::Contents, "end", longer)));
        let shared = "mmap p0 0 1 rw shared\nwrite p0 0 1\nksm p0\n";
        assert!(hub.add(finding(lost, "ksm of shared", shared)));
        let file = "mmap p0 0 1 rw shared-file\nwrite p0 0 1\nksm p0\n";
        assert!(!hub.add(finding(lost, "ksm of shared", file)));
        let huge = "huge-file\nmmap p0 0 512 rw shared-file\nwrite p0 0 1\nksm p0\n";
        assert!(hub.add(finding(lost, "ksm of shared-hugetlb", huge)));
        let both = "mmap p0 0 1 rw\nmmap p0 1 1 rw shared\nwrite p0 0 1\nksm p0\n";
        assert!(!hub.add(finding(lost, "ksm", both)));
        assert!(!hub.add(finding(lost, "fork", longer)));
        let shorter = "mmap p0 0 1 rw\nksm p0\n";
        assert!(!hub.add(finding(lost, "ksm", shorter)));
        assert!(hub.add(finding(lost, "end", shorter)));
    }

    #[test]
    fn hangs_are_one_finding_for_each_call_and_are_avoided() {
        let mut hub = hub();
        let hang = |text| finding(BreachKind::Hang, "guard-install", text);
        let text = "mmap p0 0 1 rw shared\nguard-install p0 0 1\n";
        assert!(hub.wants(&hang(text).program, &hang(text).symptom));
        assert!(hub.add(hang(text)));
        assert!(!hub.add(hang("mmap p0 0 1 rw\nguard-install p0 0 1\n")));
        assert!(!hub.wants(&hang(text).program, &hang(text).symptom));
        let risky = "mmap p0 0 1 rw\nread p0 0 1\nguard-install p0 4 1\n";
        assert!(hub.looks_costly(&parse(risky).expect("a program")));
        let other = "guard-install p0 0 1\nmmap p0 0 1 rw\n";
        assert!(!hub.looks_costly(&parse(other).expect("a program")));
    }

    #[test]
    fn programs_need_only_what_the_kernel_has() {
        let made = |is_whole| {
            let mut hub = Hub::new(1, is_whole, VecDeque::new(), VecDeque::new());
            (0..500).any(|number| {
                let program = hub.next().program;
                hub.learn(&program, &[number]);
                program.needs_whole()
            })
        };
        assert!(made(true));
        assert!(!made(false));
    }

    #[test]
    fn programs_depend_on_the_seed_and_on_what_was_reached() {
        let made = |seed| {
            let mut hub = Hub::new(seed, true, VecDeque::new(), VecDeque::new());
            let mut all = Vec::new();
            for number in 0..100 {
                let task = hub.next();
                hub.learn(&task.program, &[number / 3]);
                all.push(task.program);
            }
            (all, hub.sizes())
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert_eq!(made(1).1, [34, 34]);
    }
}
