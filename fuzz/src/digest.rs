//! A digest of a run, which is the same on every engine and machine.

use mm_core::{State, VmFlags};

/// A running digest (FNV-1a over 64-bit words).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Adds a word.
    pub const fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 32;
    }

    /// The digest so far.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Adds the pages, page tables, swap slots and address spaces of the machine.
    pub fn mix_state(&mut self, s: &State) {
        for (pfn, page) in s.memmap().iter() {
            let counts = [page.refcount as u64, page.mapcount as u64];
            let identity = [
                page.anon_vma().map_or(0, |m| u64::from(m.0) + 1),
                page.index,
            ];
            self.mix(pfn.0.into());
            self.mix(page.flags.bits().into());
            self.mix(page.word);
            self.mix(page.mlock_count.into());
            counts
                .into_iter()
                .chain(identity)
                .for_each(|word| self.mix(word));
        }
        for (id, table) in s.tables().tables() {
            self.mix((u64::from(table.mm.0) << 32) | u64::from(table.level));
            for (addr, pte) in s.tables().entries(id).filter(|(_, pte)| !pte.is_none()) {
                self.mix(addr);
                self.mix(pte.0);
            }
        }
        for (id, slot) in s.swap().iter() {
            self.mix(id.0.into());
            self.mix(slot.count.into());
            self.mix(slot.cache.map_or(0, |folio| u64::from(folio.head().0) + 1));
            self.mix(slot.word);
        }
        for (mm, space) in s.mms().iter() {
            self.mix(mm.into());
            self.mix(space.anon_rss as u64);
            self.mix(space.swap_ents as u64);
            for vma in space.vmas.iter().map(|vma| s.vma(*vma)) {
                let flags: VmFlags = vma.flags;
                [vma.start, vma.end, vma.pgoff, flags.bits().into()]
                    .into_iter()
                    .for_each(|word| self.mix(word));
                vma.chain
                    .iter()
                    .for_each(|avc| self.mix(s.avc(*avc).anon_vma.0.into()));
            }
        }
    }
}
