//! Findings and their signatures.

use crate::invariant::{Invariant, Way};
use mm_core::{Entry, Page, PageFlags, Pfn, Softleaf, State};
use std::fmt;

/// One violated invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The invariant.
    pub invariant: Invariant,
    /// The way in which the invariant is broken, if there are several ways.
    pub way: Option<Way>,
    /// The operation that ran.
    pub op: &'static str,
    /// The position of the operation in the program.
    pub step: usize,
    /// The page that the finding is about, if it is about one.
    pub page: Option<Pfn>,
    /// The state of that page, without numbers.
    pub state: PageState,
    /// What was expected and what was found.
    pub detail: String,
}

impl Finding {
    /// The family and the name of the invariant, `family/invariant`.
    pub fn oracle(&self) -> String {
        self.invariant.to_string()
    }

    /// The signature: the invariant, the operation and the state of the page. Two findings with the
    /// same signature are taken for the same bug, but one bug can have several signatures. A
    /// signature consists of letters, digits, `/`, `:`, `-` and `+`.
    pub fn signature(&self) -> String {
        format!("{}:{}:{}", self.invariant, self.op, self.state)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "finding: {}\n  at operation {} ({})",
            self.signature(),
            self.step,
            self.op
        )?;
        if let Some(page) = self.page {
            write!(f, ", page {page:?}")?;
        }
        write!(f, "\n  {}", self.detail)
    }
}

/// The state of a page as a signature shows it: where the page is and how it is mapped, without
/// numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct PageState {
    /// The memory that the page is in.
    pub place: PageKind,
    /// Present entries name it.
    pub present: bool,
    /// Device-private entries name it.
    pub device: bool,
    /// Device-exclusive entries name it.
    pub exclusive: bool,
    /// Migration entries name it.
    pub migration: bool,
    /// More than one entry names it.
    pub shared: bool,
    /// It is in the swap cache.
    pub cached: bool,
    /// It is locked.
    pub locked: bool,
}

/// The memory that a page is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum PageKind {
    /// The finding is not about a page.
    #[default]
    Nowhere,
    /// The zero page.
    Zero,
    /// System memory.
    System,
    /// A device's memory.
    Device,
    /// Outside all memory.
    Wild,
}

impl PageState {
    /// The state of `pfn`, given the entries that name it.
    pub fn of(s: &State, pfn: Pfn, entries: impl Iterator<Item = Entry>) -> Self {
        let mut state = Self {
            place: Self::place(s, pfn),
            ..Self::default()
        };
        let mut count = 0;
        for entry in entries {
            count += 1;
            match entry {
                Entry::None => {}
                Entry::Present(_) => state.present = true,
                Entry::Leaf(leaf) => match leaf.softleaf() {
                    Some(Softleaf::Migration(_)) => state.migration = true,
                    Some(Softleaf::DeviceExclusive { .. }) => state.exclusive = true,
                    _ => state.device = true,
                },
            }
        }
        state.shared = count > 1;
        let head = s.head(s.folio(pfn));
        state.cached = head.has(PageFlags::SWAPCACHE);
        state.locked = head.has(PageFlags::LOCKED);
        state
    }

    fn place(s: &State, pfn: Pfn) -> PageKind {
        let known = if pfn.zone() == 0 {
            s.geometry().system_frames()
        } else {
            s.geometry().device_frames()
        };
        match pfn.zone() {
            _ if pfn == Pfn::ZERO => PageKind::Zero,
            zone if zone > mm_core::DEVICES || pfn.index() >= known as usize => PageKind::Wild,
            0 => PageKind::System,
            _ => PageKind::Device,
        }
    }
}

impl fmt::Display for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.place {
            PageKind::Nowhere => return f.write_str("-"),
            PageKind::Zero => "zero",
            PageKind::System => "system",
            PageKind::Device => "device",
            PageKind::Wild => "wild",
        })?;
        let parts = [
            (self.present, "+present"),
            (self.device, "+device-private"),
            (self.exclusive, "+device-exclusive"),
            (self.migration, "+migration"),
            (self.shared, "+shared"),
            (self.cached, "+swap-cache"),
            (self.locked, "+locked"),
        ];
        parts
            .iter()
            .filter(|(on, _)| *on)
            .try_for_each(|(_, name)| f.write_str(name))
    }
}

/// A page in one line, for people.
pub fn describe(pfn: Pfn, page: &Page) -> String {
    let mapping = page
        .anon_vma()
        .map_or_else(|| "none".to_owned(), |a| format!("{a:?}"));
    format!(
        "{pfn:?}: refs {} maps {} mapping {mapping} index {} word {:#x} flags {:?}",
        page.refcount,
        page.folio_mapcount(),
        page.index,
        page.word,
        page.flags
            .iter_names()
            .map(|(name, _)| name)
            .collect::<Vec<_>>(),
    )
}
