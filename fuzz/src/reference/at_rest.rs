//! Questions that have a certain answer at rest: while no operation is open.

use super::page::{Page, Protection};
use super::{Pid, Reference};
use crate::describe;
use mm_core::{VmFlags, Vma};

/// The VMA flags that system calls set.
const SAID: VmFlags = VmFlags::READ
    .union(VmFlags::WRITE)
    .union(VmFlags::UFFD_WP)
    .union(VmFlags::LOCKED)
    .union(VmFlags::DONTCOPY)
    .union(HUGE);

/// The VMA flags that advice on huge pages sets.
const HUGE: VmFlags = VmFlags::HUGEPAGE.union(VmFlags::NOHUGEPAGE);

impl Reference {
    /// True if no operation is under way that changes a range or forks.
    pub fn is_at_rest(&self) -> bool {
        self.open.is_empty()
    }

    /// The addresses that a process has mapped, or may have mapped.
    pub fn addresses(&self, pid: Pid) -> impl Iterator<Item = u64> {
        self.spaces[pid].iter().map(|page| page.addr)
    }

    fn known(&self, pid: Pid, addr: u64) -> Option<&Page> {
        Some(&self.spaces[pid][self.position(pid, addr)?])
    }

    /// Checks that the page may hold `word`. The error says what it may hold.
    pub fn may_hold(&self, pid: Pid, addr: u64, word: u64) -> Result<(), String> {
        match self.known(pid, addr) {
            Some(page) if !page.may_hold(word) => Err(page.expected()),
            _ => Ok(()),
        }
    }

    /// True if a write to the page goes to userfaultfd, provided that the page has an entry; `None`
    /// if that is not certain.
    pub fn write_protected(&self, pid: Pid, addr: u64) -> Option<bool> {
        match self
            .known(pid, addr)
            .filter(|page| !page.uncertain)?
            .protection
        {
            Protection::No => Some(false),
            Protection::Maybe => None,
            Protection::Must => Some(true),
        }
    }

    /// The first page at which the VMAs of a process, given in the order of their addresses, differ
    /// from what the calls made of them. The string says how; a message puts it after the name of
    /// the page.
    ///
    /// - `sticky`: a merge of VMAs keeps the soft-dirty flag of either. Linux 6.12 does not do
    ///   that.
    pub fn areas_differ<'a>(
        &self,
        pid: Pid,
        areas: impl Iterator<Item = &'a Vma>,
        sticky: bool,
    ) -> Option<(u64, String)> {
        let mut pages = self.spaces[pid].iter().peekable();
        let missing = |page: &Page| {
            let Page { addr, access, .. } = page;
            let expected = describe::vma_flags(*access);
            let differs = format!("is in no VMA: expected one with the flags {expected}");
            (!page.uncertain).then_some((*addr, differs))
        };
        for area in areas {
            for addr in area.range() {
                while let Some(page) = pages.next_if(|page| page.addr < addr) {
                    if let Some(differs) = missing(page) {
                        return Some(differs);
                    }
                }
                let flags = area.flags & (SAID | VmFlags::SOFTDIRTY);
                let Some(page) = pages.next_if(|page| page.addr == addr) else {
                    let flags = describe::vma_flags(flags);
                    let differs = format!("is in a VMA with the flags {flags}: expected none");
                    return Some((addr, differs));
                };
                let (expected, certain) = page.flags(sticky);
                if flags & certain != expected & certain {
                    let [flags, expected] = [flags, expected].map(describe::vma_flags);
                    let differs =
                        format!("is in a VMA with the flags {flags}: expected {expected}");
                    return Some((addr, differs));
                }
            }
        }
        pages.find_map(missing)
    }
}

impl Page {
    /// The flags of the page's VMA, and which of them are certain.
    fn flags(&self, sticky: bool) -> (VmFlags, VmFlags) {
        let mut certain = SAID;
        let mut flags = self.access;
        flags.set(VmFlags::UFFD_WP, self.registered);
        certain.set(VmFlags::UFFD_WP, !self.registration_uncertain);
        flags.set(VmFlags::LOCKED, self.locked == Some(true));
        certain.set(VmFlags::LOCKED, self.locked.is_some());
        flags.set(VmFlags::DONTCOPY, self.left_out == Some(true));
        certain.set(VmFlags::DONTCOPY, self.left_out.is_some());
        flags |= self.advised.unwrap_or_default();
        certain.set(HUGE, self.advised.is_some());
        flags &= SAID;
        if self.fresh && sticky {
            flags |= VmFlags::SOFTDIRTY;
            certain |= VmFlags::SOFTDIRTY;
        }
        if self.uncertain {
            certain = VmFlags::empty();
        }
        (flags, certain)
    }
}
