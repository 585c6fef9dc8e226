//! The allocator of frames: aligned blocks of 2^order frames, for one memory.
//!
//! It hands out single frames in an order that programs can rely on: the last freed frame first,
//! then frames never used before, from the lowest up. A larger block is one that was freed whole,
//! or unused frames, or free frames that happen to lie side by side.
//!
//! Corresponds to the buddy allocator in `mm/page_alloc.c`, which joins free blocks at once.

use crate::ids::Pfn;
use alloc::vec::Vec;

/// A block of free frames, aligned to its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Block {
    first: Pfn,
    order: u8,
}

impl Block {
    fn frames(self) -> impl DoubleEndedIterator<Item = Pfn> {
        (self.first.0..self.first.0 + (1 << self.order)).map(Pfn)
    }
}

/// The allocator of one memory.
#[derive(Debug, Clone, Hash)]
pub struct FrameAllocator {
    zone: u32,
    capacity: u32,
    fresh: u32,
    free: Vec<Pfn>,
    /// Free blocks of more than one frame.
    blocks: Vec<Block>,
    /// Frames that were skipped to align a block above them, and that were never used.
    gaps: Vec<Pfn>,
}

impl FrameAllocator {
    /// An allocator with all `capacity` frames of memory `zone` free.
    pub fn new(zone: u32, capacity: u32) -> Self {
        Self {
            zone,
            capacity,
            fresh: 0,
            free: Vec::new(),
            blocks: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// Allocates 2^`order` frames, aligned to that number. Returns the first of them; `None` if no
    /// such block is left.
    pub fn alloc(&mut self, order: u8) -> Option<Pfn> {
        if order > 0 {
            return self.alloc_block(order);
        }
        let single = self.free.pop().or_else(|| self.gaps.pop());
        single
            .or_else(|| self.alloc_fresh(0))
            .or_else(|| self.break_block())
    }

    /// Frees 2^`order` frames from `first` on, which were allocated together or one by one.
    pub fn free(&mut self, first: Pfn, order: u8) {
        if order == 0 {
            self.free.push(first);
        } else {
            self.blocks.push(Block { first, order });
        }
    }

    /// The frames on the free lists; each must be there only once.
    pub fn free_list(&self) -> impl Iterator<Item = Pfn> {
        let blocks = self.blocks.iter().flat_map(|block| block.frames());
        self.free.iter().copied().chain(blocks)
    }

    /// The number of frames of the free block that has `frame`; 1 if it is free as a single frame,
    /// or not free.
    pub fn free_block_size(&self, frame: Pfn) -> u32 {
        let has = |block: &&Block| block.frames().any(|of| of == frame);
        let block = self.blocks.iter().find(has);
        block.map_or(1, |block| 1 << block.order)
    }

    /// Number of frames up to the highest that was ever allocated.
    pub fn fresh(&self) -> u32 {
        self.fresh
    }

    /// Number of frames in use.
    pub fn in_use(&self) -> u32 {
        let blocks: u32 = self.blocks.iter().map(|block| 1 << block.order).sum();
        let single = (self.free.len() + self.gaps.len()) as u32;
        self.fresh.saturating_sub(single + blocks)
    }

    /// True if no frame is left.
    pub fn exhausted(&self) -> bool {
        let none = self.free.is_empty() && self.gaps.is_empty() && self.blocks.is_empty();
        none && self.fresh == self.capacity
    }

    /// Makes all frames free and never used.
    pub fn reset(&mut self) {
        self.fresh = 0;
        self.free.clear();
        self.blocks.clear();
        self.gaps.clear();
    }

    fn alloc_block(&mut self, order: u8) -> Option<Pfn> {
        let freed = self.blocks.iter().rposition(|block| block.order == order);
        let freed = freed.map(|i| self.blocks.remove(i).first);
        freed
            .or_else(|| self.alloc_fresh(order))
            .or_else(|| self.join(order))
    }

    /// The next frames that were never used.
    fn alloc_fresh(&mut self, order: u8) -> Option<Pfn> {
        let size = 1 << order;
        let first = self.fresh.next_multiple_of(size);
        if first + size > self.capacity {
            return None;
        }
        let skipped = (self.fresh..first).rev();
        self.gaps
            .extend(skipped.map(|index| Pfn::new(self.zone, index)));
        self.fresh = first + size;
        Some(Pfn::new(self.zone, first))
    }

    /// Frees the frames of the last block one by one, and takes the first of them.
    fn break_block(&mut self) -> Option<Pfn> {
        let block = self.blocks.pop()?;
        self.free.extend(block.frames().rev());
        self.free.pop()
    }

    /// Takes the lowest free frames that lie side by side.
    fn join(&mut self, order: u8) -> Option<Pfn> {
        let mut free: Vec<Pfn> = self.free_list().chain(self.gaps.iter().copied()).collect();
        free.sort_unstable();
        let size = 1 << order;
        let runs = free.windows(size as usize);
        // the frames are distinct, so the first and the last tell whether they are consecutive
        let is_block =
            |run: &&[Pfn]| run[0].0.is_multiple_of(size) && run[run.len() - 1].0 - run[0].0 < size;
        let first = runs.clone().find(is_block).map(|run| run[0])?;
        let taken = |pfn: &Pfn| (first.0..first.0 + size).contains(&pfn.0);
        let touched = |block: &Block| taken(&block.first) || block.frames().any(|f| f == first);
        let (broken, kept) = self.blocks.drain(..).partition(touched);
        self.blocks = kept;
        let rest = Vec::into_iter(broken).flat_map(Block::frames);
        self.free.extend(rest);
        self.free.retain(|pfn| !taken(pfn));
        self.gaps.retain(|pfn| !taken(pfn));
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(memory: &mut FrameAllocator, orders: &[u8]) -> Vec<Option<usize>> {
        let allocs = orders.iter().map(|order| memory.alloc(*order));
        allocs.map(|pfn| pfn.map(Pfn::index)).collect()
    }

    #[test]
    fn single_frames_come_last_freed_first_then_unused() {
        let mut memory = FrameAllocator::new(0, 5);
        assert_eq!(indices(&mut memory, &[0; 3]), [Some(0), Some(1), Some(2)]);
        memory.free(Pfn(0), 0);
        memory.free(Pfn(2), 0);
        let next = [Some(2), Some(0), Some(3), Some(4), None];
        assert_eq!(indices(&mut memory, &[0; 5]), next);
        assert!(memory.exhausted());
    }

    #[test]
    fn a_block_is_aligned_and_what_it_skips_is_not_lost() {
        let mut memory = FrameAllocator::new(1, 16);
        assert_eq!(
            indices(&mut memory, &[0, 3, 0]),
            [Some(0), Some(8), Some(1)]
        );
        assert_eq!((memory.fresh(), memory.in_use()), (16, 10));
        assert_eq!(memory.alloc(3), None);
        assert_eq!(indices(&mut memory, &[2, 0]), [Some(4), Some(2)]);
    }

    #[test]
    fn a_freed_block_is_reused_whole_or_broken() {
        let mut memory = FrameAllocator::new(0, 8);
        let block = memory.alloc(3).expect("room");
        memory.free(block, 3);
        assert_eq!(memory.in_use(), 0);
        assert_eq!(indices(&mut memory, &[3, 0]), [Some(0), None]);
        memory.free(block, 3);
        assert_eq!(indices(&mut memory, &[0, 0]), [Some(0), Some(1)]);
        assert_eq!(memory.free_list().count(), 6);
    }

    #[test]
    fn single_frames_side_by_side_make_a_block_again() {
        let mut memory = FrameAllocator::new(0, 8);
        let all = memory.alloc(3).expect("room");
        (0..8).for_each(|i| memory.free(Pfn(all.0 + i), 0));
        assert_eq!(indices(&mut memory, &[0]), [Some(7)]);
        assert_eq!(indices(&mut memory, &[2, 2, 0]), [Some(0), None, Some(6)]);
        assert_eq!(memory.in_use(), 6);
    }
}
