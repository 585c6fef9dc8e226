//! `mremap` as user space sees it: which pages end up where.
//!
//! The model knows pages but no VMAs, so it cannot always tell whether the old range lies in one
//! VMA. So if a call would succeed within one VMA, the model accepts `EFAULT` as well.

use super::{Page, Pid, Protection, Reference};
use mm_core::{Rules, VmFlags};
use std::ops::Range;

/// The arguments of a call.
#[derive(Clone, Debug)]
pub struct RemapCall {
    /// The process.
    pub pid: Pid,
    /// The old range.
    pub old: Range<u64>,
    /// The new range.
    pub new: Range<u64>,
    /// The pages may not move.
    pub stay: bool,
    /// The old range stays mapped, without its pages.
    pub keep_source: bool,
    /// The kernel whose rules apply.
    pub rules: &'static Rules,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemapEnd {
    /// It succeeded. Some of the old range may still be mapped if an unmap ran out of memory.
    Done,
    /// `EFAULT`.
    Fault,
    /// `EINVAL`.
    Inval,
    /// There was no room to grow.
    NoRoom,
    /// It ran out of memory.
    OutOfMemory,
}

/// What a failed call leaves at the destination.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The pages that were there, or nothing.
    AsItWas,
    /// The pages that were there, nothing, or a VMA that was moved there.
    Perhaps,
}

/// A call under way, with a ticket for each range.
#[derive(Clone, Debug)]
pub struct RemapTicket(RemapCall, [usize; 2]);

impl RemapCall {
    fn lengths(&self) -> (u64, u64) {
        (self.old.end - self.old.start, self.new.end - self.new.start)
    }

    fn overlaps(&self) -> bool {
        !self.stay && self.old.start < self.new.end && self.new.start < self.old.end
    }

    /// The part of the old range that the call keeps.
    fn kept(&self) -> Range<u64> {
        let (old, new) = self.lengths();
        self.old.start..self.old.start + old.min(new)
    }

    /// The part of the old range that the call unmaps.
    fn tail(&self) -> Range<u64> {
        self.kept().end..self.old.end
    }

    /// True if the call may move several VMAs with the gaps between them. A call that moves a
    /// single page cannot: the page lies in one VMA.
    fn moves_areas(&self) -> bool {
        let (old, new) = self.lengths();
        self.rules.mremap_moves_areas && !self.stay && old == new && old > 1
    }

    /// The part of the new range beyond the pages that the call keeps. A call that stays in place
    /// grows over it.
    fn grown(&self) -> Range<u64> {
        let kept = self.kept().end - self.old.start;
        self.new.start + kept..self.new.end
    }
}

impl Reference {
    /// A call starts.
    pub fn begin_remap(&mut self, remap: RemapCall) -> RemapTicket {
        let ranges = [remap.old.clone(), remap.new.clone()];
        let tickets = ranges.map(|range| self.push(remap.pid, range, super::Kind::Range));
        if !remap.stay
            && let Some(open) = self.open.last_mut()
        {
            open.source = Some(remap.old.start);
        }
        RemapTicket(remap, tickets)
    }

    /// A call ends, after `failures` failed allocations. Returns false if it should not have ended
    /// this way.
    pub fn end_remap(&mut self, ticket: RemapTicket, end: RemapEnd, failures: u32) -> bool {
        let RemapTicket(remap, tickets) = ticket;
        let foreign = |o: &super::Open| o.pid == remap.pid && !tickets.contains(&o.ticket);
        let meets =
            |o: &super::Open, r: &Range<u64>| o.range.start < r.end && r.start < o.range.end;
        let disturbed = self
            .open
            .iter()
            .any(|o| foreign(o) && (meets(o, &remap.old) || meets(o, &remap.new)));
        let allowed = disturbed || self.allows(&remap, end);
        let written: Vec<_> = tickets
            .into_iter()
            .filter_map(|ticket| self.close(ticket))
            .flat_map(|open| open.written)
            .collect();
        match end {
            RemapEnd::Inval | RemapEnd::NoRoom => {}
            RemapEnd::Done => self.remapped(&remap, &written, failures > 0),
            RemapEnd::Fault if remap.moves_areas() => self.perhaps_moved(&remap, failures > 0),
            RemapEnd::Fault if !remap.stay && !remap.rules.mremap_checks_first => {
                // before they unmap the destination, older kernels only look for a VMA at the
                // source; newer kernels check everything
                let mapped = self.mapped(remap.pid, remap.old.start);
                if mapped != Some(false) {
                    let left = (mapped.is_none() || disturbed).then_some(Left::Perhaps);
                    self.unmapped(&remap, left);
                }
            }
            RemapEnd::Fault => {}
            RemapEnd::OutOfMemory if remap.moves_areas() => {
                self.perhaps_moved(&remap, failures > 1);
            }
            RemapEnd::OutOfMemory => {
                // the pages that have arrived are unmapped again, unless memory runs out once more
                let left = if failures > 1 || disturbed {
                    Left::Perhaps
                } else {
                    Left::AsItWas
                };
                self.unmapped(&remap, Some(left));
                for addr in remap.kept() {
                    if let Some(page) = self.page(remap.pid, addr)
                        && page.protection == Protection::Must
                    {
                        page.protection = Protection::Maybe;
                    }
                }
            }
        }
        if disturbed {
            // an open mlock may have marked the VMA, and the mark moves with the VMA
            let pages = self.spaces[remap.pid].iter_mut();
            let meets =
                |page: &&mut Page| remap.old.contains(&page.addr) || remap.new.contains(&page.addr);
            pages.filter(meets).for_each(|page| page.locked = None);
        }
        allowed
    }

    /// True if a page is mapped; `None` if that is not certain.
    fn mapped(&mut self, pid: Pid, addr: u64) -> Option<bool> {
        let page = self.page(pid, addr);
        page.map_or(Some(false), |page| (!page.uncertain).then_some(true))
    }

    /// True if a page of the old range may be registered with a userfaultfd.
    fn registered(&self, remap: &RemapCall) -> bool {
        let mut pages = self.spaces[remap.pid].iter();
        pages.any(|page| {
            remap.old.contains(&page.addr) && (page.registered || page.registration_uncertain)
        })
    }

    fn allows(&mut self, remap: &RemapCall, end: RemapEnd) -> bool {
        let (old_len, new_len) = remap.lengths();
        let wrong_length = remap.keep_source && old_len != new_len;
        let overlaps = remap.overlaps();
        let first = self.mapped(remap.pid, remap.old.start);
        let any = |m: &mut Self, mut range: Range<u64>, is: bool| {
            range.any(|addr| m.mapped(remap.pid, addr) == Some(is))
        };
        let grows = remap.stay && new_len > old_len;
        let (newest, kept_len) = (remap.rules.mremap_checks_first, old_len.min(new_len));
        match end {
            RemapEnd::OutOfMemory => true,
            RemapEnd::Inval if newest => wrong_length || overlaps,
            RemapEnd::Inval => wrong_length || overlaps && first != Some(false),
            _ if wrong_length || newest && overlaps => false,
            RemapEnd::Fault => {
                // a single page lies in one VMA, and VMAs move together unless one has a
                // userfaultfd
                let len = if newest { kept_len } else { old_len };
                let one_area = len == 1 || remap.moves_areas() && !self.registered(remap);
                first != Some(true) || !one_area && !overlaps && (!remap.stay || grows)
            }
            RemapEnd::NoRoom => {
                let free = |addr| self.mapped(remap.pid, addr) == Some(false);
                grows && first != Some(false) && !remap.grown().all(free)
            }
            RemapEnd::Done => {
                let whole = grows || !remap.stay && !remap.moves_areas();
                let gap = whole && any(self, remap.kept(), false);
                let no_room = grows && any(self, remap.grown(), true);
                !(overlaps || first == Some(false) || gap || no_room)
            }
        }
    }

    /// The call has succeeded. `written` lists the pages that were written meanwhile: the address,
    /// the word before the write (the new word if the model knew no page there), and whether the
    /// page was lazily freed before the write.
    fn remapped(&mut self, remap: &RemapCall, written: &[(u64, u64, bool)], failures: bool) {
        let RemapCall { pid, old, new, .. } = remap;
        let (kept, tail, grown) = (remap.kept(), remap.tail(), remap.grown());
        let space = std::mem::take(&mut self.spaces[*pid]);
        let comes = |addr: u64| {
            let from = addr - new.start + old.start;
            !remap.moves_areas() || space.iter().any(|page| page.addr == from)
        };
        let gone = |addr: &u64| {
            let replaced = !remap.stay && new.contains(addr) && comes(*addr);
            tail.contains(addr) || grown.contains(addr) || replaced
        };
        let mut pages: Vec<Page> = space.iter().filter(|p| !gone(&p.addr)).cloned().collect();
        let last = space.iter().find(|page| page.addr + 1 == kept.end);
        let unregistered = |page: Page| Page {
            registered: page.registered && remap.stay,
            registration_uncertain: page.registration_uncertain && remap.stay,
            ..page
        };
        pages.extend(grown.flat_map(|addr| {
            let mut page = unregistered(last?.emptied(addr));
            // a grown mlocked VMA is populated, and may be written to before the call ends
            let meanwhile = written.iter().filter(|(at, ..)| *at == addr);
            page.others.extend(meanwhile.map(|(_, word, _)| word));
            Some(page)
        }));
        if !remap.stay {
            for page in pages.iter_mut().filter(|page| kept.contains(&page.addr)) {
                *page = page.emptied(page.addr);
                if failures {
                    // a source that could not be unmapped stays mlocked
                    page.uncertain = true;
                    page.locked = page.locked.filter(|locked| !locked);
                } else {
                    page.locked = Some(false);
                }
            }
            if !remap.keep_source && !failures {
                pages.retain(|page| !kept.contains(&page.addr));
            }
            for from in space.iter().filter(|page| kept.contains(&page.addr)) {
                let addr = from.addr - old.start + new.start;
                let mut page = unregistered(from.clone());
                (page.addr, page.protection) = (addr, Protection::No);
                page.read = false;
                // where no page arrived, the old page may have stayed
                if let Some(there) = space.iter().find(|page| page.addr == addr)
                    && from.uncertain
                    && remap.moves_areas()
                {
                    page.others.extend(there.others.iter().chain([&there.word]));
                    page.registration_uncertain |= there.registered | there.registration_uncertain;
                    page.lazy |= there.lazy;
                    page.written &= there.written;
                    if there.protection != Protection::No {
                        page.protection = Protection::Maybe;
                    }
                    page.may_also_be(there);
                }
                let at = |a: u64| a == addr || a == from.addr;
                let meanwhile = || written.iter().filter(|(a, ..)| at(*a));
                if meanwhile().next().is_some() {
                    let there = space.iter().filter(|page| page.addr == addr);
                    let words = there.flat_map(|page| page.others.iter().chain([&page.word]));
                    page.others.extend(words);
                    page.others.extend(meanwhile().map(|(_, word, _)| word));
                    page.lazy |= meanwhile().any(|(.., lazy)| *lazy);
                    page.written = false;
                }
                pages.push(page);
            }
        }
        pages.sort_by_key(|page| page.addr);
        self.spaces[*pid] = pages;
    }

    /// The first VMAs of the old range may have moved. A page that is still in the old range keeps
    /// its word, with one exception: a VMA may have moved its pages and still cover the old range,
    /// because the call keeps the source, or because memory ran out before the source was unmapped.
    fn perhaps_moved(&mut self, remap: &RemapCall, left_behind: bool) {
        self.unmapped(remap, Some(Left::Perhaps));
        let space = &mut self.spaces[remap.pid];
        let old = |page: &&Page| remap.old.contains(&page.addr);
        let moved: Vec<Page> = space.iter().filter(old).cloned().collect();
        for from in moved {
            let to = from.addr - remap.old.start + remap.new.start;
            for page in space.iter_mut() {
                if page.addr == from.addr {
                    page.uncertain = true;
                    if remap.keep_source || left_behind {
                        page.others.push(0);
                    }
                    page.locked = None;
                    page.registration_uncertain = true;
                } else if page.addr == to {
                    page.others.extend(from.others.iter().chain([&from.word]));
                    page.lazy |= from.lazy;
                    page.written = false;
                } else {
                    continue;
                }
                if page.protection == Protection::Must {
                    page.protection = Protection::Maybe;
                }
            }
        }
    }

    /// Unmaps the pages at the destination and the tail of the old range. If `left` is given, they
    /// may still be mapped, and `left` says what a failed call may have left at the destination.
    fn unmapped(&mut self, remap: &RemapCall, left: Option<Left>) {
        let (tail, new) = (remap.tail(), remap.new.clone());
        let goes = |addr: &u64| tail.contains(addr) || !remap.stay && new.contains(addr);
        let space = &mut self.spaces[remap.pid];
        let Some(left) = left else {
            space.retain(|page| !goes(&page.addr));
            return;
        };
        for page in space.iter_mut().filter(|page| goes(&page.addr)) {
            page.uncertain = true;
            page.others.push(0);
        }
        if remap.stay || left == Left::AsItWas {
            return;
        }
        // the destination may have an empty VMA, or one that was moved there before memory ran out
        for addr in new.clone() {
            let from = addr - new.start + remap.old.start;
            let from = space.iter().find(|page| page.addr == from).cloned();
            let at = space.binary_search_by_key(&addr, |page| page.addr);
            let at = at.unwrap_or_else(|at| {
                let mut page = Page::new(addr, VmFlags::empty());
                page.uncertain = true;
                if let Some(from) = &from {
                    (page.locked, page.left_out) = (from.locked, from.left_out);
                    page.advised = from.advised;
                }
                space.insert(at, page);
                at
            });
            if let Some(from) = from {
                let page = &mut space[at];
                page.may_also_be(&from);
                // if a page arrived here, it is not registered
                page.registration_uncertain |= page.registered;
            }
        }
    }
}

impl Page {
    /// The page may be in the VMA of `other` instead: the flags in which the two VMAs differ become
    /// uncertain.
    fn may_also_be(&mut self, other: &Self) {
        self.locked = self.locked.filter(|_| self.locked == other.locked);
        self.left_out = self.left_out.filter(|_| self.left_out == other.left_out);
        self.advised = self.advised.filter(|_| self.advised == other.advised);
        self.fresh &= other.fresh;
    }

    /// A page of the same VMA, without contents.
    fn emptied(&self, addr: u64) -> Self {
        Self {
            addr,
            word: 0,
            others: Vec::new(),
            written: false,
            read: false,
            protection: Protection::No,
            lazy: false,
            ..self.clone()
        }
    }
}
