//! What a check looks at, and how it reports.

use super::shadow::{Named, Shadow};
use super::{Check, Holders};
use crate::contract::{Contract, Moves};
use crate::describe;
use crate::finding::{Finding, PageState};
use crate::invariant::Broken;
use crate::window::Window;
use mm_core::{Entry, Folio, MmId, Page, Pfn, Pte, Softleaf, State, Walk};

/// Everything that a check looks at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The kernel.
    pub s: &'a State,
    /// The replayed log of page-table writes.
    pub shadow: &'a Shadow,
    /// The references and locks that the program holds.
    pub holders: &'a Holders,
    /// The operation that ran.
    pub at: At,
}

/// The place in the program at which a check runs.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The contract of the operation.
    pub op: &'static Contract,
    /// The position of the operation.
    pub step: usize,
    /// The entries that the operation moves, if it is an `mremap` that moves.
    pub moves: Option<Moves>,
    /// Where the program's pages lie.
    pub window: Window,
    /// Panic on a finding instead of returning it.
    pub panics: bool,
}

impl View<'_> {
    /// A place in an address space, in words.
    pub(crate) fn place(&self, mm: MmId, addr: u64) -> String {
        describe::place(self.at.window, mm, addr)
    }

    /// A page in words, without its address space, which the message names elsewhere.
    pub(crate) fn page_at(&self, addr: u64) -> String {
        describe::page_at(self.at.window, addr)
    }

    /// Reports a finding about `page`, or about no page if that is `None`.
    #[cold]
    #[inline(always)]
    pub(crate) fn page_finding(
        &self,
        broken: impl Into<Broken>,
        page: impl Into<Option<Pfn>>,
        detail: String,
    ) -> Check {
        let page = page.into();
        let state = page.map_or(PageState::default(), |page| {
            PageState::of(self.s, page, self.shadow.entries_of(self.s, page))
        });
        self.at.report(broken, page, state, detail)
    }

    /// The page-table entry for an address.
    pub(crate) fn entry_at(&self, mm: MmId, addr: u64) -> Pte {
        entry_at(self.s, mm, addr)
    }

    /// The head page of the folio that a page belongs to.
    pub(crate) fn head(&self, pfn: Pfn) -> &Page {
        self.s.head(self.s.folio(pfn))
    }

    /// The entries that name each page of a folio.
    pub(crate) fn named_pages(&self, folio: Folio) -> impl Iterator<Item = &Named> {
        let pages = 0..1 << self.s.head(folio).order;
        pages.map(move |i| self.shadow.named(Pfn(folio.head().0.wrapping_add(i))))
    }

    /// Number of entries of any level that map pages of a folio.
    pub(crate) fn folio_mappings(&self, folio: Folio) -> i32 {
        if self.s.head(folio).order == 0 {
            return self.shadow.named(folio.head()).mappings.len() as i32;
        }
        let small = self.named_pages(folio).map(|named| named.small() as i32);
        small.sum::<i32>() + self.huge_mappings(folio)
    }

    /// Number of huge entries that map a folio.
    pub(crate) fn huge_mappings(&self, folio: Folio) -> i32 {
        self.shadow.named(folio.head()).huge() as i32
    }

    /// True if a page is exclusive to its mapping. If a huge entry maps it, the flag of the head
    /// page says so.
    pub(crate) fn exclusive(&self, pfn: Pfn) -> bool {
        let huge = self.shadow.named(pfn).mappings.iter().any(|p| p.level > 0);
        match huge {
            true => self.head(pfn).anon_exclusive(),
            false => self.s.page(pfn).anon_exclusive(),
        }
    }

    /// log2 of the number of pages that the entry for an address stands for.
    pub(crate) fn order_at(&self, mm: MmId, addr: u64) -> u8 {
        match self.s.tables().walk(self.s.mm(mm).pgd, addr) {
            Walk::Huge(_, level) => self.s.geometry().order(level),
            Walk::Pte(_) | Walk::Hole(..) => 0,
        }
    }

    /// Reports a finding that is not about a page.
    #[cold]
    #[inline(always)]
    pub(crate) fn finding(&self, broken: impl Into<Broken>, detail: String) -> Check {
        self.at.report(broken, None, PageState::default(), detail)
    }
}

/// The page-table entry for an address; `Pte::NONE` if the address space is gone.
pub(crate) fn entry_at(s: &State, mm: MmId, addr: u64) -> Pte {
    if !s.mms().is_live(mm.0.into()) {
        return Pte::NONE;
    }
    s.tables().entry_for(s.mm(mm).pgd, addr)
}

/// The page that an entry names.
pub(crate) fn page_of(pte: Pte) -> Option<Pfn> {
    match pte.decode() {
        Entry::Present(present) => Some(present.pfn()),
        Entry::Leaf(leaf) => leaf.softleaf().and_then(Softleaf::pfn),
        Entry::None => None,
    }
}

impl At {
    /// Makes the finding, and panics with it if `panics` is set. This function is inlined into the
    /// check, so that the panic's top frame is the check.
    #[cold]
    #[inline(always)]
    pub(crate) fn report(
        self,
        broken: impl Into<Broken>,
        page: Option<Pfn>,
        state: PageState,
        detail: String,
    ) -> Check {
        let op = self.op.kind.keyword();
        let step = self.step;
        let broken = broken.into();
        debug_assert!(broken.is_of_the_table(), "{broken:?} is not in the table");
        let Broken { invariant, way } = broken;
        let finding = Finding {
            invariant,
            way,
            op,
            step,
            page,
            state,
            detail,
        };
        if self.panics {
            panic!("{finding}");
        }
        Err(Box::new(finding))
    }
}
