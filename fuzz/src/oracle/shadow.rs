//! The shadow: which entries name which page, by the log of page-table writes.
//!
//! It is the independent count that mapcounts, statistics and the reverse map are held against. A
//! brute-force scan of all page tables checks the shadow itself at the end of a program.

use mm_core::{Entry, MmId, Pfn, PteRef, PteWrite, Softleaf, State};

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The entry.
    pub at: PteRef,
    /// The address space.
    pub mm: MmId,
    /// The address.
    pub addr: u64,
}

/// The entries that name a page.
#[derive(Debug, Default, Clone)]
pub struct Named {
    /// Entries that hold a reference: present and device-private ones.
    pub mappings: Vec<Place>,
    /// Migration entries.
    pub migrations: Vec<Place>,
    changed: bool,
}

/// The shadow.
#[derive(Debug, Default)]
pub struct Shadow {
    zones: [Vec<Named>; 1 + mm_core::DEVICES],
    changed: Vec<Pfn>,
    used: Vec<Pfn>,
    rss: Vec<i64>,
    changed_mms: u32,
}

/// What an entry counts as.
enum Kind {
    Nothing,
    Mapping(Pfn),
    Migration(Pfn),
}

fn kind(entry: Entry) -> Kind {
    match entry {
        Entry::None => Kind::Nothing,
        Entry::Present(p) if p.pfn() == Pfn::ZERO => Kind::Nothing,
        Entry::Present(p) => Kind::Mapping(p.pfn()),
        Entry::Leaf(leaf) => match leaf.softleaf() {
            Some(Softleaf::Migration(m)) => Kind::Migration(m.pfn),
            Some(Softleaf::DevicePrivate { pfn, .. }) => Kind::Mapping(pfn),
            None => Kind::Nothing,
        },
    }
}

const EMPTY: &Named = &Named {
    mappings: Vec::new(),
    migrations: Vec::new(),
    changed: false,
};

impl Shadow {
    pub(super) fn reset(&mut self) {
        while let Some(pfn) = self.used.pop() {
            let named = &mut self.zones[pfn.zone()][pfn.index()];
            named.mappings.clear();
            named.migrations.clear();
            named.changed = false;
        }
        self.changed.clear();
        self.rss.clear();
        self.changed_mms = 0;
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
        all.map(|place| s.tables().get(place.at).decode())
    }

    /// Pages that entries were added to or taken from since [`Shadow::settle`].
    pub(super) fn changed(&self) -> &[Pfn] {
        &self.changed
    }

    pub(super) fn changed_mms(&self) -> impl Iterator<Item = MmId> + use<> {
        let set = self.changed_mms;
        (0..u32::BITS)
            .filter(move |i| set >> i & 1 != 0)
            .map(|i| MmId(i as u16))
    }

    /// Anonymous pages of `mm`, as the statistics should have them.
    pub fn rss(&self, mm: MmId) -> i64 {
        self.rss.get(mm.ix()).copied().unwrap_or(0)
    }

    pub(super) fn settle(&mut self) {
        while let Some(pfn) = self.changed.pop() {
            self.zones[pfn.zone()][pfn.index()].changed = false;
        }
        self.changed_mms = 0;
    }

    fn named_mut(&mut self, pfn: Pfn) -> Option<&mut Named> {
        let zone = self.zones.get_mut(pfn.zone())?;
        let index = pfn.index();
        if index >= zone.len() {
            // a wild frame number is a finding of its own, not a reason to grow
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

    /// Replays one write of a lowest-level entry.
    pub(super) fn apply(&mut self, write: &PteWrite) {
        let place = Place {
            at: write.at,
            mm: write.mm,
            addr: write.addr,
        };
        let mut rss = 0;
        match kind(write.old.decode()) {
            Kind::Nothing => {}
            Kind::Mapping(pfn) => {
                rss -= 1;
                if let Some(named) = self.named_mut(pfn) {
                    named.mappings.retain(|p| *p != place);
                }
            }
            Kind::Migration(pfn) => {
                rss -= 1;
                if let Some(named) = self.named_mut(pfn) {
                    named.migrations.retain(|p| *p != place);
                }
            }
        }
        match kind(write.new.decode()) {
            Kind::Nothing => {}
            Kind::Mapping(pfn) => {
                rss += 1;
                if let Some(named) = self.named_mut(pfn) {
                    named.mappings.push(place);
                }
            }
            Kind::Migration(pfn) => {
                rss += 1;
                if let Some(named) = self.named_mut(pfn) {
                    named.migrations.push(place);
                }
            }
        }
        let mm = write.mm.ix();
        if mm >= self.rss.len() {
            self.rss.resize(mm + 1, 0);
        }
        self.rss[mm] += rss;
        self.changed_mms |= 1 << (mm as u32 % u32::BITS);
    }

    /// True if a scan of all page tables of `s` finds exactly what the shadow has.
    pub fn agrees_with_scan(&self, s: &State) -> bool {
        let mut mappings = 0;
        let mut migrations = 0;
        for (id, table) in s.tables().tables().filter(|(_, t)| t.level == 0) {
            for (addr, pte) in s.tables().entries(id) {
                let is = |p: &Place| p.mm == table.mm && p.addr == addr;
                match kind(pte.decode()) {
                    Kind::Nothing => {}
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
        }
        let known = self.zones.iter().flatten();
        let (known_mappings, known_migrations) = known.fold((0, 0), |(a, b), named| {
            (a + named.mappings.len(), b + named.migrations.len())
        });
        (mappings, migrations) == (known_mappings, known_migrations)
    }
}
