//! The shadow: which entries name which page or swap slot, replayed from the log of page-table
//! writes.
//!
//! Mapcounts, statistics and the reverse map are compared with it. A brute-force scan of all page
//! tables checks the shadow itself at the end of a run.

use mm_core::{
    Entry, Identity, MmId, Page, PageFlags, Pfn, Pte, PteRef, PteWrite, Softleaf, State, SwapId,
};
use std::hash::Hash;

/// The place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryLoc {
    /// The entry.
    pub at: PteRef,
    /// The address space.
    pub mm: MmId,
    /// The address.
    pub addr: u64,
    /// The level of its table: more than 0 for one page of a huge entry.
    pub level: u32,
}

impl EntryLoc {
    /// True if both are entries for the same address of the same address space. They may lie in
    /// different tables: a split replaces a huge entry by the entries of a table.
    fn is_at(&self, other: &Self) -> bool {
        (self.mm, self.addr) == (other.mm, other.addr)
    }

    /// The entry. For a huge entry, the entry that a split would leave for this address.
    pub fn entry(&self, s: &State) -> Pte {
        s.tables().part(self.at, self.addr)
    }
}

/// The entries that name a page.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Named {
    /// Entries that hold a reference to the page: present, device-private and device-exclusive
    /// entries.
    pub mappings: Vec<EntryLoc>,
    /// Migration entries.
    pub migrations: Vec<EntryLoc>,
    /// The folio was dirty when the oracles looked last.
    pub dirty: bool,
    /// A dirty entry has named the page since the oracles looked last.
    pub dirtied: bool,
    /// The folio was in the swap cache when the oracles looked last, or entered it since.
    pub cached: bool,
    /// The page is the head of a large folio that was in the swap cache at some time since it was
    /// allocated.
    pub was_cached: bool,
    /// The page was exclusive when the oracles looked last.
    pub exclusive: bool,
    changed: bool,
}

impl Named {
    /// Number of entries of the lowest level that map the page.
    pub fn small(&self) -> usize {
        self.mappings.iter().filter(|p| p.level == 0).count()
    }

    /// Number of huge entries that map the page. Each maps other pages as well.
    pub fn huge(&self) -> usize {
        self.mappings.len() - self.small()
    }
}

/// The shadow.
#[derive(Debug, Default)]
pub struct Shadow {
    zones: [Vec<Named>; 1 + mm_core::DEVICES],
    changed: Vec<Pfn>,
    used: Vec<Pfn>,
    /// The entries that name each slot.
    slots: Vec<Vec<EntryLoc>>,
    rss: Vec<Rss>,
    changed_mms: u32,
}

/// The counters that an address space should have.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rss {
    /// `MM_ANONPAGES`.
    pub anon: i64,
    /// `MM_SWAPENTS`.
    pub swap: i64,
}

/// The kind under which an entry is counted.
enum Kind {
    Nothing,
    Mapping(Pfn),
    Migration(Pfn),
    Swap(SwapId),
}

fn kind(entry: Entry) -> Kind {
    match entry {
        Entry::None => Kind::Nothing,
        Entry::Present(p) if p.pfn() == Pfn::ZERO => Kind::Nothing,
        Entry::Present(p) => Kind::Mapping(p.pfn()),
        Entry::Leaf(leaf) => match leaf.softleaf() {
            Some(Softleaf::Migration(m)) => Kind::Migration(m.pfn),
            Some(Softleaf::DevicePrivate { pfn, .. } | Softleaf::DeviceExclusive { pfn, .. }) => {
                Kind::Mapping(pfn)
            }
            Some(Softleaf::Swap(slot)) => Kind::Swap(slot),
            None => Kind::Nothing,
        },
    }
}

const EMPTY: &Named = &Named {
    mappings: Vec::new(),
    migrations: Vec::new(),
    dirty: false,
    dirtied: false,
    cached: false,
    was_cached: false,
    exclusive: false,
    changed: false,
};

impl Shadow {
    pub(super) fn reset(&mut self) {
        while let Some(pfn) = self.used.pop() {
            let named = &mut self.zones[pfn.zone()][pfn.index()];
            named.mappings.clear();
            named.migrations.clear();
            (named.dirty, named.dirtied) = (false, false);
            (named.cached, named.was_cached, named.exclusive) = (false, false, false);
            named.changed = false;
        }
        self.changed.clear();
        self.slots.iter_mut().for_each(Vec::clear);
        self.rss.clear();
        self.changed_mms = 0;
    }

    /// Feeds everything into `id`, after [`Shadow::settle`]. Empty items are left out.
    pub(super) fn identify(&self, id: &mut impl Identity) {
        let Self {
            zones,
            changed,
            used: _,
            slots,
            rss,
            changed_mms,
        } = self;
        for zone in zones {
            let named = zone.iter().enumerate();
            named.filter(|(_, n)| *n != EMPTY).for_each(|n| n.hash(id));
            usize::MAX.hash(id);
        }
        let named = slots.iter().enumerate();
        named
            .filter(|(_, n)| !n.is_empty())
            .for_each(|n| n.hash(id));
        let counted = rss.iter().enumerate();
        counted
            .filter(|(_, r)| **r != Rss::default())
            .for_each(|r| r.hash(id));
        (usize::MAX, changed, changed_mms).hash(id);
    }

    /// The entries that name `pfn`.
    pub fn named(&self, pfn: Pfn) -> &Named {
        self.zones
            .get(pfn.zone())
            .and_then(|z| z.get(pfn.index()))
            .unwrap_or(EMPTY)
    }

    /// All entries that name `pfn`, decoded.
    pub fn entries_of<'a>(&'a self, s: &'a State, pfn: Pfn) -> impl Iterator<Item = Entry> + 'a {
        let named = self.named(pfn);
        let all = named.mappings.iter().chain(&named.migrations);
        all.map(|place| place.entry(s).decode())
    }

    /// Pages that gained or lost an entry since [`Shadow::settle`], or whose [`Named`] changed in
    /// another field.
    pub(super) fn changed(&self) -> &[Pfn] {
        &self.changed
    }

    pub(super) fn changed_mms(&self) -> impl Iterator<Item = MmId> + use<> {
        let set = self.changed_mms;
        (0..u32::BITS)
            .filter(move |i| set >> i & 1 != 0)
            .map(|i| MmId(i as u16))
    }

    /// The counters that `mm` should have.
    pub fn rss(&self, mm: MmId) -> Rss {
        self.rss.get(mm.ix()).copied().unwrap_or_default()
    }

    /// The entries that name `slot`.
    pub fn named_slot(&self, slot: SwapId) -> &[EntryLoc] {
        self.slots.get(slot.ix()).map_or(&[], Vec::as_slice)
    }

    /// All slots that an entry named at any time, with the entries that name each now.
    pub fn named_slots(&self) -> impl Iterator<Item = (SwapId, &[EntryLoc])> {
        let slots = self.slots.iter().enumerate();
        slots.map(|(i, places)| (SwapId(i as u32), places.as_slice()))
    }

    fn slot_mut(&mut self, slot: SwapId) -> Option<&mut Vec<EntryLoc>> {
        // a corrupt entry may name any slot; another check reports it
        if slot.ix() > 1 << 20 {
            return None;
        }
        if slot.ix() >= self.slots.len() {
            self.slots.resize(slot.ix() + 1, Vec::new());
        }
        Some(&mut self.slots[slot.ix()])
    }

    pub(super) fn settle(&mut self) {
        while let Some(pfn) = self.changed.pop() {
            let named = &mut self.zones[pfn.zone()][pfn.index()];
            (named.changed, named.dirtied) = (false, false);
        }
        self.changed_mms = 0;
    }

    /// A folio entered the swap cache.
    pub(super) fn cached(&mut self, pfn: Pfn, large: bool) {
        if let Some(named) = self.named_mut(pfn) {
            named.cached = true;
            named.was_cached |= large;
        }
    }

    /// A folio migrated. The new folio may be dirty if the old folio was dirty or in the swap
    /// cache. The old folio leaves the swap cache on the way.
    pub(super) fn migrated(&mut self, src: Pfn, dst: Pfn) {
        let from = self.named(src);
        let dirty = from.dirty || from.dirtied || from.cached;
        if let Some(named) = self.named_mut(dst) {
            named.dirtied |= dirty;
        }
    }

    /// A large folio was split. Each of its pages may be dirty if one of them was dirty or in the
    /// swap cache.
    pub(super) fn split(&mut self, head: Pfn, pages: u32) {
        let pages = || (0..pages).map(|i| Pfn(head.0.wrapping_add(i)));
        let dirty = |pfn| {
            let named = self.named(pfn);
            named.dirty || named.dirtied || named.cached
        };
        if pages().any(dirty) {
            for pfn in pages() {
                if let Some(named) = self.named_mut(pfn) {
                    named.dirtied = true;
                }
            }
        }
    }

    /// Notes whether a page that was touched is now dirty, in the swap cache, and exclusive.
    pub(super) fn note(&mut self, pfn: Pfn, page: &Page, head: &Page) {
        let (dirty, cached) = (head.has(PageFlags::DIRTY), head.has(PageFlags::SWAPCACHE));
        let is = (dirty, cached, page.anon_exclusive());
        let named = self.named(pfn);
        let was_cached = named.was_cached && head.order > 0;
        if (
            (named.dirty, named.cached, named.exclusive),
            named.was_cached,
        ) != (is, was_cached)
            && let Some(named) = self.named_mut(pfn)
        {
            (named.dirty, named.cached, named.exclusive) = is;
            named.was_cached = was_cached;
        }
    }

    fn named_mut(&mut self, pfn: Pfn) -> Option<&mut Named> {
        let zone = self.zones.get_mut(pfn.zone())?;
        let index = pfn.index();
        if index >= zone.len() {
            // a wild frame number is no reason to grow; another check reports it
            if index > 1 << 20 {
                return None;
            }
            zone.resize(index + 1, Named::default());
        }
        let named = &mut zone[index];
        if !named.changed {
            named.changed = true;
            self.changed.push(pfn);
            if named.mappings.is_empty() && named.migrations.is_empty() {
                self.used.push(pfn);
            }
        }
        Some(named)
    }

    /// Replays the write of the entry of one page.
    pub(super) fn apply(&mut self, write: &PteWrite) {
        let place = EntryLoc {
            at: write.at,
            mm: write.mm,
            addr: write.addr,
            level: write.level,
        };
        for entry in [write.old, write.new] {
            if let Some(p) = entry
                .present()
                .filter(|p| p.dirty() && p.pfn() != Pfn::ZERO)
                && let Some(named) = self.named_mut(p.pfn())
            {
                named.dirtied = true;
            }
        }
        let mut rss = Rss::default();
        match kind(write.old.decode()) {
            Kind::Nothing => {}
            Kind::Mapping(pfn) => {
                rss.anon -= 1;
                if let Some(named) = self.named_mut(pfn) {
                    named.mappings.retain(|p| !p.is_at(&place));
                }
            }
            Kind::Migration(pfn) => {
                rss.anon -= 1;
                if let Some(named) = self.named_mut(pfn) {
                    named.migrations.retain(|p| !p.is_at(&place));
                }
            }
            Kind::Swap(slot) => {
                rss.swap -= 1;
                if let Some(places) = self.slot_mut(slot) {
                    places.retain(|p| *p != place);
                }
            }
        }
        match kind(write.new.decode()) {
            Kind::Nothing => {}
            Kind::Mapping(pfn) => {
                rss.anon += 1;
                if let Some(named) = self.named_mut(pfn) {
                    named.mappings.push(place);
                }
            }
            Kind::Migration(pfn) => {
                rss.anon += 1;
                if let Some(named) = self.named_mut(pfn) {
                    named.migrations.push(place);
                }
            }
            Kind::Swap(slot) => {
                rss.swap += 1;
                if let Some(places) = self.slot_mut(slot) {
                    places.push(place);
                }
            }
        }
        let mm = write.mm.ix();
        if mm >= self.rss.len() {
            self.rss.resize(mm + 1, Rss::default());
        }
        self.rss[mm].anon += rss.anon;
        self.rss[mm].swap += rss.swap;
        self.changed_mms |= 1 << (mm as u32 % u32::BITS);
    }

    /// True if a scan of all page tables of `s` finds exactly the entries of the shadow.
    pub fn agrees_with_scan(&self, s: &State) -> bool {
        let mut mappings = 0;
        let mut migrations = 0;
        let mut swapped = 0;
        for (mm, addr, pte) in s.tables().mapped() {
            let is = |p: &EntryLoc| p.mm == mm && p.addr == addr;
            match kind(pte.decode()) {
                Kind::Nothing => {}
                Kind::Swap(slot) => {
                    swapped += 1;
                    if !self.named_slot(slot).iter().any(is) {
                        return false;
                    }
                }
                Kind::Mapping(pfn) => {
                    mappings += 1;
                    if !self.named(pfn).mappings.iter().any(is) {
                        return false;
                    }
                }
                Kind::Migration(pfn) => {
                    migrations += 1;
                    if !self.named(pfn).migrations.iter().any(is) {
                        return false;
                    }
                }
            }
        }
        let known = self.zones.iter().flatten();
        let (known_mappings, known_migrations) = known.fold((0, 0), |(a, b), named| {
            (a + named.mappings.len(), b + named.migrations.len())
        });
        let known_swapped = self.slots.iter().map(Vec::len).sum();
        (mappings, migrations, swapped) == (known_mappings, known_migrations, known_swapped)
    }
}
