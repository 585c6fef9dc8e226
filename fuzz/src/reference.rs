//! The reference model: what user space may see, and nothing else.
//!
//! A process is a set of mapped pages, each with a protection and a word; `fork` copies it. The
//! model has no frames, no page-table entries and no migrations, and shares no code with the core.
//!
//! Operations of several threads overlap. An operation that changes a range is *open* from its
//! start to its end. Meanwhile an access to the range may see the old or the new state. Each
//! operation changes the model at its end, because the core's locks make operations take effect in
//! the order in which they end. `Open::overlapped` marks the operations for which the order of the
//! ends says nothing.

mod at_rest;
mod change;
mod page;
mod remap;

use crate::describe;
use change::Obstacle;
use mm_core::{Identity, VmFlags};
use page::{Page, Protection};
use std::hash::Hash;
use std::ops::Range;

pub use change::{Change, End};
pub use remap::{RemapCall, RemapEnd, RemapTicket};

/// The number of a process: in the order of creation, never reused.
pub type Pid = usize;

/// An operation that is open.
#[derive(Clone, Debug)]
struct Open {
    ticket: usize,
    pid: Pid,
    range: Range<u64>,
    kind: Kind,
    /// Pages that were written while the operation was open: the address, the word before the write
    /// (the new word if the model knew no page there), and whether the page was lazily freed before
    /// the write.
    written: Vec<(u64, u64, bool)>,
    /// For the destination range of an `mremap`: the start of the range that its pages come from.
    source: Option<u64>,
    /// True if another operation on an overlapping range was open at the same time. Advice without
    /// a visible effect does not count. Two operations that hold `mmap_lock` for reading go over
    /// the pages side by side, so the order of their ends is not the order of their effects.
    overlapped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Range,
    /// A range operation that drops contents.
    Drop,
    /// A range operation without a visible effect. It never makes the order of other operations
    /// uncertain.
    Advice,
    Fork,
}

impl Kind {
    /// True if the operation may change pages of its process.
    const fn changes_pages(self) -> bool {
        matches!(self, Self::Range | Self::Drop)
    }
}

/// How an access ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessEnd {
    /// This word was read, or written.
    Word(u64),
    /// The access was denied.
    Denied,
    /// The write went to userfaultfd.
    WriteProtected,
}

/// The rule that an access violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It read a word that is not the one written last.
    Word,
    /// It was allowed or denied contrary to the protection.
    Protection,
    /// It went to userfaultfd without reason, or should have and did not.
    WriteProtection,
}

/// All processes, and the open operations.
#[derive(Debug, Default)]
pub struct Reference {
    spaces: Vec<Vec<Page>>,
    live: usize,
    open: Vec<Open>,
    tickets: usize,
    /// The processes whose soft-dirty bits are being cleared.
    clearing: Vec<Pid>,
}

impl Reference {
    /// Forgets everything.
    pub fn reset(&mut self) {
        self.spaces[..self.live].iter_mut().for_each(Vec::clear);
        self.live = 0;
        self.open.clear();
        self.tickets = 0;
        self.clearing.clear();
    }

    /// Feeds everything that later results depend on into `id`. Returns false, and feeds nothing
    /// sensible, while an operation is open.
    pub fn identify(&self, id: &mut impl Identity) -> bool {
        let Self {
            spaces,
            live,
            open,
            tickets: _,
            // no operation is under way
            clearing: _,
        } = self;
        live.hash(id);
        for space in &spaces[..*live] {
            space.len().hash(id);
            space.iter().for_each(|page| page.identify(id));
        }
        open.is_empty()
    }

    /// Creates a process without memory.
    pub fn create(&mut self) -> Pid {
        if self.live == self.spaces.len() {
            self.spaces.push(Vec::new());
        }
        self.live += 1;
        self.live - 1
    }

    fn page(&mut self, pid: Pid, addr: u64) -> Option<&mut Page> {
        let at = self.position(pid, addr)?;
        Some(&mut self.spaces[pid][at])
    }

    /// The index of the page among those of its process.
    fn position(&self, pid: Pid, addr: u64) -> Option<usize> {
        let space = &self.spaces[pid];
        space.binary_search_by_key(&addr, |page| page.addr).ok()
    }

    /// True if the page is certainly mapped.
    pub fn is_mapped(&mut self, pid: Pid, addr: u64) -> bool {
        !self.touched_by_open(pid, addr) && self.page(pid, addr).is_some_and(|p| !p.uncertain)
    }

    fn touched_by_open(&self, pid: Pid, addr: u64) -> bool {
        self.open
            .iter()
            .any(|o| o.kind.changes_pages() && o.pid == pid && o.range.contains(&addr))
    }

    /// The words of pages that an open `mremap` moves to `addr`.
    fn arriving(&mut self, pid: Pid, addr: u64) -> Vec<u64> {
        let here = |o: &&Open| o.pid == pid && o.range.contains(&addr);
        let open = self.open.iter().filter(here);
        let sources: Vec<u64> = open
            .filter_map(|o| Some(addr - o.range.start + o.source?))
            .collect();
        let mut words = Vec::new();
        for from in sources {
            if let Some(page) = self.page(pid, from) {
                words.extend(page.others.iter().chain([&page.word]));
                words.extend(page.lazy.then_some(0));
            }
        }
        words
    }

    /// A range operation starts.
    pub fn begin(&mut self, pid: Pid, range: Range<u64>, change: Change) -> usize {
        self.push(
            pid,
            range,
            match change {
                Change::Advise | Change::WillNeed => Kind::Advice,
                change if change.drops() => Kind::Drop,
                _ => Kind::Range,
            },
        )
    }

    fn push(&mut self, pid: Pid, range: Range<u64>, kind: Kind) -> usize {
        self.tickets += 1;
        let ticket = self.tickets;
        let mut overlapped = false;
        for other in self.open.iter_mut().filter(|other| other.pid == pid) {
            if other.range.start < range.end && range.start < other.range.end {
                other.overlapped |= kind != Kind::Advice;
                overlapped |= other.kind != Kind::Advice;
            }
        }
        let written = Vec::new();
        self.open.push(Open {
            ticket,
            pid,
            range,
            kind,
            source: None,
            written,
            overlapped,
        });
        ticket
    }

    fn close(&mut self, ticket: usize) -> Option<Open> {
        let at = self.open.iter().position(|open| open.ticket == ticket)?;
        Some(self.open.swap_remove(at))
    }

    /// A range operation ends.
    pub fn end(&mut self, ticket: usize, change: Change, end: End) {
        let Some(open) = self.close(ticket) else {
            return;
        };
        let (pid, range) = (open.pid, open.range.clone());
        if let (Change::Map(access), End::Done) = (change, end) {
            self.map(pid, range, access);
            return;
        }
        if let (Change::Unmap, End::Done) = (change, end) {
            self.spaces[pid].retain(|page| !range.contains(&page.addr));
            return;
        }
        // After an address that may have ended the call, every page may be unchanged. A call that
        // walks the VMAs under `mmap_lock` held for reading may find them already detached by a
        // munmap that has not ended, or locked by an mlock that has not.
        let may_end_early = change.needs_registration()
            || end == End::SkippingGaps
            || change.refused_by_locked() && end == End::UpToObstacle;
        let mut uncertain = may_end_early && open.overlapped;
        // a concurrent change of one of the VMAs may come before or after this one
        let either_order = change.is_unordered() && open.overlapped;
        for addr in range {
            match self.obstacle(pid, addr, change) {
                Some(Obstacle::Stops) if end == End::UpToObstacle && !either_order => break,
                Some(Obstacle::None | Obstacle::Fails) => {}
                _ => uncertain |= end == End::UpToObstacle,
            }
            let Some(page) = self.page(pid, addr) else {
                continue;
            };
            let registered = page.registered && !page.registration_uncertain;
            if uncertain || either_order || change.needs_registration() && !registered {
                page.change(change, End::OutOfMemory, false);
            } else {
                page.change(change, end, open.written.iter().any(|(a, ..)| *a == addr));
            }
        }
    }

    /// What a call with this change does when it reaches `addr`: goes on, goes on and fails at its
    /// end, or stops. `None` if that is not certain.
    fn obstacle(&mut self, pid: Pid, addr: u64, change: Change) -> Option<Obstacle> {
        let unmapped = change.at_unmapped();
        let Some(page) = self.page(pid, addr) else {
            return Some(unmapped);
        };
        if unmapped != Obstacle::None && page.uncertain {
            return None;
        }
        let stops = change.stops_at(page)?;
        Some(if stops {
            Obstacle::Stops
        } else {
            Obstacle::None
        })
    }

    fn map(&mut self, pid: Pid, range: Range<u64>, access: VmFlags) {
        let space = &mut self.spaces[pid];
        space.retain(|page| !range.contains(&page.addr));
        let at = space.partition_point(|page| page.addr < range.start);
        let fresh = !self.clearing.contains(&pid);
        let fresh = |addr| Page {
            fresh,
            ..Page::new(addr, access)
        };
        space.splice(at..at, range.map(fresh));
    }

    /// A clear of the soft-dirty bits of a process starts.
    pub fn begin_clear(&mut self, pid: Pid) {
        self.spaces[pid]
            .iter_mut()
            .for_each(|page| page.fresh = false);
        self.clearing.push(pid);
    }

    /// The clear has ended.
    pub fn end_clear(&mut self, pid: Pid) {
        if let Some(at) = self.clearing.iter().position(|other| *other == pid) {
            self.clearing.swap_remove(at);
        }
    }

    /// A fork starts.
    pub fn begin_fork(&mut self, parent: Pid) -> usize {
        self.push(parent, 0..u64::MAX, Kind::Fork)
    }

    /// A fork ends, and has made a child: a copy of the parent. A page that was written meanwhile
    /// may have been copied before or after the write.
    pub fn end_fork(&mut self, ticket: usize) -> Option<Pid> {
        let open = self.close(ticket)?;
        let child = self.create();
        let mut pages = core::mem::take(&mut self.spaces[child]);
        let inherited = self.spaces[open.pid].iter();
        let inherited = inherited.filter(|page| page.left_out != Some(true));
        pages.extend(inherited.cloned().map(|mut page| {
            page.protection = Protection::No;
            page.registered = false;
            page.registration_uncertain = false;
            page.locked = Some(false);
            page.uncertain |= page.left_out.is_none();
            page.left_out = Some(false);
            // fork does not copy the page tables of a VMA without an anon_vma
            page.read = false;
            page
        }));
        self.spaces[child] = pages;
        for (addr, word, lazy) in open.written {
            if let Some(page) = self.page(child, addr) {
                page.others.push(word);
                page.lazy |= lazy;
                page.written = false;
            }
        }
        Some(child)
    }

    /// An operation ends without having changed anything.
    pub fn abort(&mut self, ticket: usize) {
        self.close(ticket);
    }

    /// An access of a CPU or of a device ended. The error says what should have happened instead.
    pub fn access(
        &mut self,
        pid: Pid,
        addr: u64,
        write: Option<u64>,
        result: AccessEnd,
    ) -> Result<(), (Violation, String)> {
        let protection = |text| Err((Violation::Protection, text));
        let either = self.touched_by_open(pid, addr);
        let dropping = either
            && self
                .open
                .iter()
                .any(|o| o.kind == Kind::Drop && o.pid == pid && o.range.contains(&addr));
        let needed = if write.is_some() {
            VmFlags::WRITE
        } else {
            VmFlags::READ
        };
        let arriving = self.arriving(pid, addr);
        let Some(page) = self.page(pid, addr) else {
            return match result {
                AccessEnd::Denied => Ok(()),
                _ if either => {
                    // the page may have just arrived there
                    let here = |o: &&mut Open| o.pid == pid && o.range.contains(&addr);
                    let open = self.open.iter_mut().filter(here);
                    open.for_each(|o| o.written.extend(write.map(|word| (addr, word, false))));
                    Ok(())
                }
                _ => protection("is not mapped: expected SIGSEGV".to_owned()),
            };
        };
        let either = either || page.uncertain;
        let allowed = page.access.contains(needed);
        match result {
            AccessEnd::Denied if !allowed || either => Ok(()),
            AccessEnd::Denied => protection(format!(
                "is in a VMA with the flags {}: expected access to succeed",
                describe::vma_flags(page.access)
            )),
            _ if !allowed && !either => protection(format!(
                "is in a VMA with the flags {}: expected SIGSEGV",
                describe::vma_flags(page.access)
            )),
            AccessEnd::WriteProtected if page.protection != Protection::No || either => Ok(()),
            AccessEnd::WriteProtected => Err((
                Violation::WriteProtection,
                "is not write-protected".to_owned(),
            )),
            AccessEnd::Word(_)
                if write.is_some() && page.protection == Protection::Must && !either =>
            {
                let text = "is write-protected: expected a userfaultfd event".to_owned();
                Err((Violation::WriteProtection, text))
            }
            AccessEnd::Word(word) if write.is_none() && arriving.contains(&word) => Ok(()),
            AccessEnd::Word(word) => match write {
                None => page
                    .read(word, dropping, either)
                    .map_err(|text| (Violation::Word, text)),
                Some(word) => {
                    let (before, lazy) = (page.word, page.lazy);
                    page.write(word, dropping);
                    let here = |o: &&mut Open| o.pid == pid && o.range.contains(&addr);
                    let open = self.open.iter_mut().filter(here);
                    open.for_each(|o| o.written.push((addr, before, lazy)));
                    Ok(())
                }
            },
        }
    }

    /// A reference for writing to the page was taken. The error says what should have happened
    /// instead, if that is certain.
    pub fn granted(&mut self, pid: Pid, addr: u64) -> Result<(), (Violation, String)> {
        let is_certain = self.is_mapped(pid, addr);
        let Some(page) = self.page(pid, addr).filter(|_| is_certain) else {
            return Ok(());
        };
        if !page.access.contains(VmFlags::WRITE) {
            let text = format!(
                "is in a VMA with the flags {}: expected no reference for writing",
                describe::vma_flags(page.access)
            );
            return Err((Violation::Protection, text));
        }
        if page.protection == Protection::Must {
            let text = "is write-protected: expected a userfaultfd event".to_owned();
            return Err((Violation::WriteProtection, text));
        }
        Ok(())
    }

    /// True if every page of `range` can be read, false if some page cannot; `None` if that is not
    /// certain.
    pub fn readable(&mut self, pid: Pid, range: Range<u64>) -> Option<bool> {
        let mut all = true;
        for addr in range {
            if self.touched_by_open(pid, addr) {
                return None;
            }
            match self.page(pid, addr) {
                Some(page) if page.uncertain => return None,
                Some(page) => all &= page.access.contains(VmFlags::READ),
                None => all = false,
            }
        }
        Some(all)
    }

    /// True if the call that began with `ticket` must succeed with its `change`, false if it must
    /// fail; `None` if that is not certain.
    pub fn must_succeed(&mut self, ticket: usize, change: Change) -> Option<bool> {
        let open = self.open.iter().find(|open| open.ticket == ticket)?;
        if change.always_succeeds() {
            return Some(true);
        }
        if open.overlapped {
            return None;
        }
        let (pid, range) = (open.pid, open.range.clone());
        let mut mapped = Some(false);
        for addr in range {
            if self.obstacle(pid, addr, change)? != Obstacle::None {
                return Some(false);
            }
            if change.populates() && !self.page(pid, addr)?.can_populate()? {
                return Some(false);
            }
            match self.page(pid, addr) {
                Some(page) if page.uncertain => mapped = mapped.filter(|certainly| *certainly),
                Some(_) => mapped = Some(true),
                None => {}
            }
        }
        mapped
    }
}
