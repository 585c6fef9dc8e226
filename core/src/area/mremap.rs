//! Growing, shrinking and moving VMAs.
//!
//! A move creates a copy of the VMA at the destination, moves the entries there one page table at a
//! time, and unmaps the source. It holds `mmap_lock` for writing throughout. A page keeps its
//! offset, so the copy covers the same offsets as the source. A reverse-map walk does not take
//! `mmap_lock`, and looks at both. It would miss a page if it looked at the destination before the
//! entry arrives and at the source after the entry has left. So either the source stands before the
//! destination in the interval tree, or each page table is moved under the anon_vma lock.
//!
//! Lock order: `mmap_lock`, anon_vma, both page-table locks.
//!
//! Corresponds to `mm/mremap.c`, and `copy_vma` in `mm/vma.c`.

use crate::ids::{MmId, VmaId};
use crate::lock::Lock;
use crate::merge::MergeRange;
use crate::move_page_tables::Move;
use crate::state::{Current, Enomem, State};
use crate::vma::VmFlags;
use core::ops::Range;

/// The destination of a remapped range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remap {
    /// The range stays where it is, and grows or shrinks (no flag).
    Stay,
    /// The range moves to this address (`MREMAP_MAYMOVE | MREMAP_FIXED`).
    Fixed(u64),
    /// The pages move to this address; the VMA stays, and is empty (`MREMAP_DONTUNMAP` in addition
    /// to the flags of `Fixed`).
    Dontunmap(u64),
}

/// Why `mremap` failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemapError {
    /// No VMA covers the old range, or several do and one of them is registered with userfaultfd
    /// (`-EFAULT`). The destination, and the tail of a range that shrinks, may have been unmapped.
    /// If there are several VMAs, the first ones may have moved.
    Fault,
    /// The ranges overlap, the destination ends above user space, or the length changes with
    /// [`Remap::Dontunmap`] (`-EINVAL`).
    Inval,
    /// The VMA cannot grow in place (`-ENOMEM`).
    NoRoom,
    /// Out of memory (`-ENOMEM`). The pages are where they were, except those of VMAs that had
    /// already moved. The destination, and the tail of a range that shrinks, may have been
    /// unmapped.
    Enomem,
}

impl From<Enomem> for RemapError {
    fn from(_: Enomem) -> Self {
        Self::Enomem
    }
}

impl State {
    /// Creates the copy of part of `src` at the destination (the part of `copy_vma` without a
    /// merge).
    fn dup_moved(&mut self, src: VmaId, what: &MergeRange) -> Result<VmaId, Enomem> {
        let new = self.alloc_vma(what.mm, what.range.clone(), what.pgoff, what.flags)?;
        self.vma_mut(new).anon_vma = self.vma(src).anon_vma;
        zoo!(self, Bug::MremapLinkAfterMove => {
            self.insert_vma(what.mm, new);
            return Ok(new);
        });
        if let Err(e) = self.anon_vma_clone(new, src) {
            self.free_vma(new);
            return Err(e);
        }
        self.insert_vma(what.mm, new);
        Ok(new)
    }

    /// The VMA that covers all of `range` (`vma_to_resize`).
    fn vma_to_resize(&self, mm: MmId, range: &Range<u64>) -> Result<VmaId, RemapError> {
        let vma = self.find_vma(mm, range.start);
        vma.filter(|vma| range.end <= self.vma(*vma).end)
            .ok_or(RemapError::Fault)
    }

    fn can_move_to(&self, old: &Range<u64>, new: &Range<u64>) -> bool {
        let apart = old.end <= new.start || new.end <= old.start;
        apart && new.end <= self.geometry().task_size()
    }

    fn is_free(&self, mm: MmId, range: &Range<u64>) -> bool {
        range.end <= self.geometry().task_size() && self.area_in(mm, range).is_none()
    }
}

impl Current<'_> {
    /// `mremap`: moves or resizes `old` to `new_len` pages, as `how` says.
    pub async fn mremap(
        self,
        mm: MmId,
        old: Range<u64>,
        new_len: u64,
        how: Remap,
    ) -> Result<(), RemapError> {
        let old_len = old.end - old.start;
        let (place, keep_source) = match how {
            Remap::Stay => (old.start, false),
            Remap::Fixed(to) => (to, false),
            Remap::Dontunmap(_) if old_len != new_len => return Err(RemapError::Inval),
            Remap::Dontunmap(to) => (to, true),
        };
        let (new, stays) = (place..place + new_len, how == Remap::Stay);
        let grown = place + old_len..new.end;
        let (valid, rules) = {
            let s = &*self.state();
            let valid = stays || s.can_move_to(&old, &new);
            (valid, s.rules())
        };
        if rules.mremap_checks_first && !valid {
            return Err(RemapError::Inval);
        }
        let lock = Lock::MmapWrite(mm);
        self.lock(lock).await;
        let mapped = { self.state().find_vma(mm, old.start).is_some() };
        if mapped && stays && new.end < old.end {
            return Ok(self.munmap_and_unlock(mm, &(new.end..old.end)).await?);
        }
        let result = match (mapped, valid) {
            (false, _) => Err(RemapError::Fault),
            (true, false) => Err(RemapError::Inval),
            _ if stays => self.grow(mm, old, new_len).await,
            _ if rules.mremap_moves_areas && old_len == new_len => {
                self.remap_move(mm, old, place, keep_source).await
            }
            _ => self.mremap_to(mm, old, new, keep_source).await,
        };
        let populates = result.is_ok() && !grown.is_empty() && {
            let s = self.state();
            let vma = s.find_vma(mm, grown.start);
            vma.is_some_and(|vma| s.vma(vma).flags.contains(VmFlags::LOCKED))
        };
        self.unlock(lock);
        if populates {
            // mremap ignores whether populating works
            let _ = self.mm_populate(mm, grown).await;
        }
        result
    }

    /// Lets the VMA of `old` grow in place to `new_len` pages (`expand_vma`).
    async fn grow(self, mm: MmId, old: Range<u64>, new_len: u64) -> Result<(), RemapError> {
        let new_end = old.start + new_len;
        if new_end == old.end {
            return Ok(());
        }
        let grown = old.end..new_end;
        let what = {
            let s = &*self.state();
            let vma = s.vma_to_resize(mm, &old)?;
            let area = s.vma(vma);
            if area.end != old.end || !s.is_free(mm, &grown) {
                return Err(RemapError::NoRoom);
            }
            let pgoff = area.pgoff + (area.end - area.start);
            zoo!(s, Bug::MremapPartialAtZero => let pgoff = area.pgoff + (old.end - old.start));
            MergeRange {
                pgoff,
                anon_vma: area.anon_vma,
                ..MergeRange::new(mm, grown, area.flags)
            }
        };
        // the VMA itself is the lower neighbour of the added range and can grow over it, so a
        // merge is always found
        let merged = self.vma_merge(&what).await?;
        merged.map(|_| ()).ok_or(RemapError::NoRoom)
    }

    /// Moves each VMA of a range by the same distance. Gaps of the source are skipped, so mappings
    /// at the matching addresses of the destination stay. A VMA registered with userfaultfd moves
    /// only if it covers the whole range.
    async fn remap_move(
        self,
        mm: MmId,
        old: Range<u64>,
        to: u64,
        keep_source: bool,
    ) -> Result<(), RemapError> {
        let mut rest = old.clone();
        while let Some((vma, part)) = { self.state().area_in(mm, &rest) } {
            let area = self.state().vma(vma).range();
            let registered = self.state().vma(vma).flags.contains(VmFlags::UFFD_WP);
            if registered && (part.start != old.start || area.end < old.end) {
                return Err(RemapError::Fault);
            }
            let shift = |addr: u64| to + (addr - old.start);
            let new = shift(part.start)..shift(part.end);
            rest.start = part.end;
            self.mremap_to(mm, part, new, keep_source).await?;
        }
        Ok(())
    }

    async fn mremap_to(
        self,
        mm: MmId,
        old: Range<u64>,
        new: Range<u64>,
        keep_source: bool,
    ) -> Result<(), RemapError> {
        let kept = old.start..old.start + (new.end - new.start).min(old.end - old.start);
        {
            let s = &*self.state();
            if s.rules().mremap_checks_first {
                s.vma_to_resize(mm, &kept)?;
            }
        }
        self.do_munmap(mm, &new).await?;
        if kept.end < old.end {
            self.do_munmap(mm, &(kept.end..old.end)).await?;
        }
        let vma = { self.state().vma_to_resize(mm, &kept)? };
        self.move_vma(vma, kept, new, keep_source).await
    }

    async fn move_vma(
        self,
        mut vma: VmaId,
        old: Range<u64>,
        new: Range<u64>,
        keep_source: bool,
    ) -> Result<(), RemapError> {
        let mm = self.state().vma(vma).mm;
        let locked = self.state().vma(vma).flags.contains(VmFlags::LOCKED);
        zoo!(self, Bug::MremapDontunmapLockedVm => let locked = false);
        if keep_source && locked {
            // the source range is split off, because it loses the mlock mark; the rest of the VMA
            // keeps it
            let isolated = self.isolate_range(mm, &old).await?;
            vma = isolated.first().copied().unwrap_or(vma);
        }
        zoo!(self, Bug::ExecStackMigration if self.shift_area(vma, &old, &new).await =>
            return Ok(()));
        let go = self.copy_vma(vma, &old, &new, keep_source).await?;
        let moved = self.move_page_tables(&go).await;
        zoo!(self, Bug::MremapLinkAfterMove => self.link_moved(&go).await);
        if moved < go.len {
            let back = go.reverted(moved);
            zoo!(self, Bug::MremapWraparound => let back = go.reverted(0));
            zoo!(self, Bug::MremapRevertRmapLocks =>
                let back = Move { need_rmap_locks: false, ..back });
            // the page tables of the source still exist, so the move back cannot fail
            self.move_page_tables(&back).await;
            self.unmap_moved(go.dst, mm, &new, keep_source).await;
            return Err(RemapError::Enomem);
        }
        if keep_source {
            self.empty_source(go.src, &old).await;
        } else {
            self.unmap_moved(go.src, mm, &old, false).await;
        }
        Ok(())
    }

    /// Creates the VMA at the destination, or lets a neighbour grow over it (`copy_vma`).
    async fn copy_vma(
        self,
        src: VmaId,
        old: &Range<u64>,
        new: &Range<u64>,
        keep_source: bool,
    ) -> Result<Move, Enomem> {
        let what = {
            let s = &*self.state();
            let area = s.vma(src);
            // Existing pages keep their offsets. A VMA that never had a page takes the offsets of
            // the destination, so that more VMAs can merge. If such a source stays, it must not be
            // the neighbour that grows.
            let faulted = area.anon_vma.is_some();
            let flags = area.flags - VmFlags::UFFD_WP;
            zoo!(s, Bug::LatentMremapUffdNeighbour => let flags = area.flags);
            MergeRange {
                copied_from: Some(src),
                pgoff: if faulted {
                    area.index(old.start)
                } else {
                    new.start
                },
                anon_vma: area.anon_vma,
                apart_from: Some(src).filter(|_| !faulted && keep_source),
                ..MergeRange::new(area.mm, new.clone(), flags)
            }
        };
        let apart = {
            let s = &*self.state();
            let registered = s.vma(src).flags.contains(VmFlags::UFFD_WP);
            registered && s.rules().registered_copy_stays_apart
        };
        zoo!(self, Bug::LatentMremapUffdNeighbour => let apart = false);
        // if the merge runs out of memory, a new VMA is created instead
        let merged = match apart {
            true => None,
            false => self.vma_merge(&what).await.ok().flatten(),
        };
        let dst = match merged {
            Some(dst) => dst,
            None => self.dup_moved(src, &what).await?,
        };
        let s = &mut *self.state();
        // a source without pages may have merged with its own copy
        let src = s.find_vma(what.mm, old.start).unwrap_or(src);
        // mremap_userfaultfd_prep unregisters the copy, which may be a grown neighbour
        zoo!(s, Bug::LatentMremapUffdNeighbour => s.vma_mut(dst).flags.remove(VmFlags::UFFD_WP));
        zoo!(s, Bug::UprobePteOverwritten if merged.is_some() =>
            s.install_probed_page(self, dst, new.start)?);
        let in_front = s.vma(dst).pgoff <= s.vma(src).pgoff;
        let need_rmap_locks = merged.is_some() && in_front;
        zoo!(s, Bug::AnonVmaMovetoTail => let need_rmap_locks = false);
        Ok(Move {
            src,
            dst,
            from: old.start,
            to: new.start,
            len: old.end - old.start,
            need_rmap_locks,
        })
    }

    async fn dup_moved(self, src: VmaId, what: &MergeRange) -> Result<VmaId, Enomem> {
        let lock = { self.state().anon_vma_root(src) }.map(Lock::AnonVmaWrite);
        if let Some(lock) = lock {
            self.lock(lock).await;
        }
        let new = { self.state().dup_moved(src, what) };
        if let Some(lock) = lock {
            self.unlock(lock);
        }
        new
    }

    /// Unmaps a range whose pages have moved away. If a split fails for lack of memory, the VMA
    /// stays mapped. It then gives up its charge, because the VMA at the other end of the move is
    /// charged for the same pages. With `keeps_charge`, both VMAs stay charged.
    async fn unmap_moved(self, vma: VmaId, mm: MmId, range: &Range<u64>, keeps_charge: bool) {
        let mut area = self.state().vma(vma).range();
        if self.do_munmap(mm, range).await.is_ok() || keeps_charge {
            return;
        }
        let s = &mut *self.state();
        while let Some((vma, part)) = s.area_in(mm, &area) {
            s.vma_mut(vma).flags.remove(VmFlags::ACCOUNT);
            area.start = part.end;
        }
    }

    /// Empties a source VMA that stays mapped (`MREMAP_DONTUNMAP`). It is no longer mlocked. If the
    /// whole VMA moved, it has no page, so it loses its anon_vma and gets the offsets of a VMA
    /// without pages. If only a part moved, the rest of the VMA still needs both.
    async fn empty_source(self, vma: VmaId, old: &Range<u64>) {
        self.state().vma_mut(vma).flags.remove(VmFlags::LOCKED);
        if self.state().vma(vma).range() != *old {
            return;
        }
        zoo!(self, Bug::MremapDontunmapAnonVma =>
            return self.empty_source_naming_anon_vma(vma, old).await);
        self.anon_vma_unlink(vma).await;
        zoo!(self, Bug::MremapDontunmapPgoff => return);
        self.state().vma_mut(vma).pgoff = old.start;
    }
}
