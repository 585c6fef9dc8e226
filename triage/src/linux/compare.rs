//! Compares what the model expects with what the kernel did.

use super::accepted::{self, Accepted};
use super::plan::{Expected, Plan};
use mm_fuzz::exec::Outcome as Model;
use mm_linux_protocol::{
    EntryKind, GuestEvent, GuestOutcome as Linux, LEAKS, Reply, SeenEntry, SeenProcess, entry,
    page, uneven,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A difference between the model and the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The operation after which it shows; `None` if it shows at the end of the run.
    pub step: Option<u16>,
    /// What differs, as a key: differences with the same cause share it, as far as that can be
    /// told.
    pub what: String,
    /// Where it shows.
    pub place: String,
    /// What the model says.
    pub model: String,
    /// What the kernel did.
    pub linux: String,
    /// The accepted difference that explains it, if any.
    pub accepted: Option<&'static str>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "after operation {step}")?,
            None => f.write_str("at the end")?,
        }
        let Self {
            place,
            model,
            linux,
            ..
        } = self;
        write!(f, ", {place}: model {model}, Linux {linux}")
    }
}

/// All differences at the first step at which the kernel's run and the model's differ; empty if
/// they are the same. Steps at which every difference is in `known` do not end the comparison.
pub fn compare(plan: &Plan, reply: &Reply, known: &[Accepted]) -> Vec<Difference> {
    compare_but_for(plan, reply, known, &BTreeSet::new())
}

/// The name under which a difference is accepted if a known finding is of the same kind.
pub const KNOWN: &str = "known";

/// Like [`compare`]. Differences of these kinds are accepted too, as [`KNOWN`].
pub fn compare_but_for(
    plan: &Plan,
    reply: &Reply,
    known: &[Accepted],
    kinds: &BTreeSet<String>,
) -> Vec<Difference> {
    let forgive = |difference: &mut Difference| {
        if kinds.contains(&difference.what) {
            difference.accepted = Some(KNOWN);
        }
    };
    let mut events = reply.events.iter();
    let mut all = Vec::new();
    for expected in &plan.expected {
        let Some(event) = events.next() else {
            let what = if reply.stuck { "stuck" } else { "short" };
            all.push(difference(
                step_of(expected),
                what,
                "the run",
                "goes on",
                "ends",
            ));
            return all;
        };
        let mut found = at(expected, event, known, plan.unit > 1);
        if let GuestEvent::Passed(step, _) | GuestEvent::Astray(step) = event {
            let stops = plan.stopped_in(*step);
            let name = |what: &str| format!("{what}: {stops}");
            found.iter_mut().for_each(|d| d.what = name(&d.what));
        }
        found.iter_mut().for_each(forgive);
        let over = found.iter().any(|difference| difference.accepted.is_none());
        all.extend(found);
        if over {
            return all;
        }
    }
    let at_end = |what: &str, place: &str, model: &str, linux: &str| Difference {
        step: None,
        ..difference(0, what, place, model, linux)
    };
    if let Some(event) = events.next() {
        let event = format!("{event:?}");
        all.push(at_end("long", "the run", "ends", &event));
    }
    if reply.leaked != [0, 0] {
        let leaked = format!("{:?}", reply.leaked);
        all.push(at_end("leak", "device pages left", "[0, 0]", &leaked));
    }
    let mut leaked = leaks(&reply.leaks, plan.stay_mlocked);
    leaked.iter_mut().for_each(forgive);
    all.extend(leaked);
    if !reply.words.is_empty() {
        let words = String::from_utf8_lossy(&reply.words);
        let what = mm_linux_calls::without_numbers(&words);
        let mut error = at_end(&format!("error {what}"), "the kernel", "no error", &words);
        forgive(&mut error);
        all.push(error);
    }
    if reply.stuck {
        all.push(at_end(
            "stuck",
            "the processes",
            "can be ended",
            "cannot be ended",
        ));
    }
    all
}

/// What programs have left behind, as differences. The model says that up to `stay_mlocked` pages
/// stay mlocked.
pub fn leaks(leaks: &[(u8, i64, i64)], stay_mlocked: u64) -> Vec<Difference> {
    let grown = leaks.iter().filter_map(|(number, before, now)| {
        let (name, _) = LEAKS[usize::from(*number) % LEAKS.len()];
        let grows = if name == "nr_mlock" { stay_mlocked } else { 0 };
        let most = before.saturating_add_unsigned(grows);
        (*now > most).then(|| Difference {
            step: None,
            ..difference(
                0,
                &format!("leak {name}"),
                name,
                &most.to_string(),
                &now.to_string(),
            )
        })
    });
    grown.collect()
}

fn step_of(expected: &Expected) -> u16 {
    match expected {
        Expected::End(step, _) | Expected::Seen(step, _) => *step,
    }
}

fn difference(step: u16, what: &str, place: &str, model: &str, linux: &str) -> Difference {
    Difference {
        step: Some(step),
        what: what.to_owned(),
        place: place.to_owned(),
        model: model.to_owned(),
        linux: linux.to_owned(),
        accepted: None,
    }
}

fn at(expected: &Expected, event: &GuestEvent, known: &[Accepted], units: bool) -> Vec<Difference> {
    match (expected, event) {
        (Expected::End(step, model), GuestEvent::Ended(at, linux)) if step == at => {
            if same_outcome(*model, *linux) {
                return Vec::new();
            }
            let what = format!(
                "outcome {} {}",
                word_of(&format!("{model:?}")),
                shape(*linux)
            );
            vec![difference(
                *step,
                &what,
                "the outcome",
                &model.to_string(),
                &format!("{linux:?}"),
            )]
        }
        (Expected::Seen(..), GuestEvent::NotSeen) => Vec::new(),
        (Expected::Seen(step, model), GuestEvent::Seen(linux)) => {
            processes(*step, model, linux, known, units)
        }
        (_, GuestEvent::Hangs(step)) => vec![difference(
            *step,
            "hang",
            "the operation",
            "ends",
            "does not end",
        )],
        (_, GuestEvent::Passed(step, outcome)) => vec![difference(
            *step,
            "no stop",
            "the operation",
            "comes to a stop inside the kernel",
            &format!("ends: {outcome:?}"),
        )],
        (_, GuestEvent::Astray(step)) => vec![difference(
            *step,
            "astray",
            "the operation",
            "waits, ends, or comes to its next stop",
            "is elsewhere inside the kernel",
        )],
        (_, GuestEvent::EndedEarly(step, outcome)) => {
            vec![difference(
                *step,
                "no wait",
                "the operation",
                "waits",
                &format!("ends: {outcome:?}"),
            )]
        }
        _ => vec![difference(
            step_of(expected),
            "order",
            "the order",
            &format!("{expected:?}"),
            &format!("{event:?}"),
        )],
    }
}

fn word_of(text: &str) -> &str {
    text.split(['(', ' ']).next().unwrap_or(text)
}

fn shape(linux: Linux) -> String {
    match linux {
        Linux::Signal(_) | Linux::Errno(_) => format!("{linux:?}"),
        _ => word_of(&format!("{linux:?}")).to_owned(),
    }
}

/// Whether the two outcomes mean the same. The model says what the program meets; Linux says what
/// the call returned.
fn same_outcome(model: Model, linux: Linux) -> bool {
    match (model, linux) {
        (Model::Done, Linux::Done) | (Model::Nothing, Linux::Nothing) => true,
        (Model::Word(a), Linux::Word(b)) | (Model::Seen(a), Linux::Seen(b)) => a == b,
        (Model::Moved(a), Linux::Moved(b)) | (Model::Exclusive(a), Linux::Exclusive(b)) => a == b,
        (Model::Child(a), Linux::Child(b)) | (Model::Slot(a), Linux::Slot(b)) => {
            a == usize::from(b)
        }
        (Model::Segv, Linux::Signal(11)) => true,
        // A driver's access, or GUP: -EFAULT or -EPERM.
        (Model::Segv | Model::WriteProtected, Linux::Errno(14 | 1)) => true,
        // The userfaultfd is set to raise SIGBUS.
        (Model::Sigbus | Model::WriteProtected, Linux::Signal(7)) => true,
        (Model::Enomem, Linux::Errno(12)) => true,
        (Model::Eagain, Linux::Errno(11)) => true,
        (Model::Einval, Linux::Errno(22)) => true,
        (Model::Ebusy, Linux::Errno(16)) => true,
        (Model::Enoent, Linux::Errno(2)) | (Model::Efault, Linux::Errno(14)) => true,
        _ => false,
    }
}

/// Numbers pages and swap slots in the order in which they are first met, because the model and the
/// kernel name them differently.
#[derive(Default)]
struct Names {
    names: BTreeMap<(u8, u64), u64>,
    /// A page of the program stands for several pages. Then frames of a device, too, have other
    /// numbers than in the model.
    units: bool,
}

impl Names {
    fn of(&mut self, entry: &SeenEntry) -> u64 {
        if entry.device > 0 && !self.units {
            return entry.identity;
        }
        let next = self.names.len() as u64;
        let space = match entry.kind {
            EntryKind::Swap => u8::MAX,
            _ => entry.device,
        };
        *self.names.entry((space, entry.identity)).or_insert(next)
    }

    /// The entry with only what can be compared.
    fn canonical(&mut self, entry: &SeenEntry) -> SeenEntry {
        let mut entry = *entry;
        if entry.flags & entry::ZERO != 0 {
            // All mappings of the machine share the struct page of the zero page.
            let SeenEntry {
                kind,
                flags,
                level,
                uneven,
                ..
            } = entry;
            return SeenEntry {
                kind,
                flags,
                level,
                uneven,
                ..SeenEntry::default()
            };
        }
        entry.identity = self.of(&entry);
        if entry.kind == EntryKind::Swap && self.units {
            // A page of the program stands for 64 pages. One call of MADV_PAGEOUT leaves some of
            // them in the swap cache, and frees others. The reason is from the source of 7.3.4, and
            // no test shows it: a write to swap has at most 32 folios (`struct swap_iocb`), and
            // reclaim keeps a folio whose write still collects further folios.
            let SeenEntry {
                kind,
                flags,
                maps,
                identity,
                ..
            } = entry;
            return SeenEntry {
                kind,
                flags,
                maps,
                identity,
                ..SeenEntry::default()
            };
        }
        entry
    }
}

fn processes(
    step: u16,
    model: &[SeenProcess],
    linux: &[SeenProcess],
    known: &[Accepted],
    units: bool,
) -> Vec<Difference> {
    let slots = |processes: &[SeenProcess]| processes.iter().map(|p| p.slot).collect::<Vec<_>>();
    if slots(model) != slots(linux) {
        let (a, b) = (slots(model), slots(linux));
        return vec![difference(
            step,
            "processes",
            "the processes",
            &format!("{a:?}"),
            &format!("{b:?}"),
        )];
    }
    let names = || Names {
        units,
        ..Names::default()
    };
    let (mut model_names, mut linux_names) = (names(), names());
    let mut all = Vec::new();
    for (a, b) in model.iter().zip(linux) {
        let slot = a.slot;
        let left: BTreeMap<_, _> = a
            .entries
            .iter()
            .map(|(n, e)| (*n, model_names.canonical(e)))
            .collect();
        let right: BTreeMap<_, _> = b
            .entries
            .iter()
            .map(|(n, e)| (*n, linux_names.canonical(e)))
            .collect();
        for n in left
            .keys()
            .chain(right.keys().filter(|n| !left.contains_key(*n)))
        {
            let pair = (left.get(n), right.get(n));
            if pair.0 != pair.1 {
                let place = format!("p{slot} page {n}");
                let mut found = entry_difference(step, &place, pair);
                if let (Some(model), Some(linux)) = pair {
                    found.accepted = accepted::entry(known, model, linux);
                }
                all.push(found);
            }
        }
        if a.anon_rss != b.anon_rss {
            let (m, l) = (a.anon_rss.to_string(), b.anon_rss.to_string());
            all.push(difference(
                step,
                "rss",
                &format!("p{slot} anonymous pages"),
                &m,
                &l,
            ));
        }
        if a.swap_ents != b.swap_ents {
            let (m, l) = (a.swap_ents.to_string(), b.swap_ents.to_string());
            let place = format!("p{slot} swap entries");
            all.push(difference(step, "swap entries", &place, &m, &l));
        }
        if a.areas != b.areas {
            let (m, l) = (a.areas.to_string(), b.areas.to_string());
            all.push(difference(step, "areas", &format!("p{slot} areas"), &m, &l));
        }
    }
    all
}

fn entry_difference(
    step: u16,
    place: &str,
    (model, linux): (Option<&SeenEntry>, Option<&SeenEntry>),
) -> Difference {
    let what = match (model, linux) {
        (Some(a), Some(b)) => {
            let mut what = if a.kind == b.kind {
                format!("entry {:?}:", a.kind)
            } else {
                format!("entry {:?}/{:?}:", a.kind, b.kind)
            };
            for (name, differs) in [
                ("device", a.device != b.device),
                ("refs", a.refs != b.refs),
                ("maps", a.maps != b.maps),
                ("identity", a.identity != b.identity),
                ("index", a.index != b.index),
                ("word", a.word != b.word),
                ("level", a.level != b.level),
                ("order", a.order != b.order),
                ("entire", a.entire != b.entire),
            ] {
                if differs {
                    what += &format!(" {name}");
                }
            }
            what += &bits(a.flags.into(), b.flags.into(), &entry::NAMES);
            what += &bits(a.page, b.page, &page::NAMES);
            if b.uneven != 0 {
                what += " uneven";
                what += &bits(0, b.uneven.into(), &uneven::NAMES);
            }
            what
        }
        (Some(a), None) => format!("entry {:?}/none", a.kind),
        (None, Some(b)) => format!("entry none/{:?}", b.kind),
        (None, None) => String::new(),
    };
    difference(step, &what, place, &show(model), &show(linux))
}

/// The flags that only one side has: `+x` only Linux, `-x` only the model.
fn bits(model: u16, linux: u16, names: &[&str]) -> String {
    let mut text = String::new();
    for (i, name) in names.iter().enumerate() {
        match (model >> i & 1, linux >> i & 1) {
            (0, 1) => text += &format!(" +{name}"),
            (1, 0) => text += &format!(" -{name}"),
            _ => {}
        }
    }
    text
}

fn show(entry: Option<&SeenEntry>) -> String {
    let Some(e) = entry else {
        return "none".to_owned();
    };
    let names = |bits: u16, names: &[&'static str]| {
        let set = names.iter().enumerate().filter(|(i, _)| bits >> i & 1 != 0);
        set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    };
    let place = match e.device {
        0 => format!("page#{}", e.identity),
        d => format!("d{}:{}", d - 1, e.identity),
    };
    let huge = match (e.level, e.order, e.entire) {
        (0, 0, 0) => String::new(),
        (level, order, entire) => format!(" level {level} order {order} entire {entire}"),
    };
    let uneven = match names(e.uneven.into(), &uneven::NAMES) {
        none if none.is_empty() => none,
        some => format!(" uneven in {some}"),
    };
    format!(
        "{:?}({}) {place} refs {} maps {} index {} word {:#x} ({}){huge}{uneven}",
        e.kind,
        names(e.flags.into(), &entry::NAMES),
        e.refs,
        e.maps,
        e.index,
        e.word,
        names(e.page, &page::NAMES)
    )
}

#[cfg(test)]
mod tests;
