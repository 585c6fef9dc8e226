//! Arenas of objects named by index. The last freed index is reused first, as in a slab.
//!
//! A freed slot keeps its contents until it is reused. So a stale index reads what the kernel would
//! read through a stale pointer. An observer can ask whether a slot is live.

use crate::identity::Identity;
use alloc::vec::Vec;
use core::hash::Hash;

/// An object that a slab allocates again and again.
pub trait Slab: Default {
    /// Makes the object as new, but keeps its heap memory.
    fn renew(&mut self);
}

/// A slab of `T`s.
#[derive(Debug, Default)]
pub struct Arena<T> {
    slots: Vec<(T, bool)>,
    free: Vec<u32>,
    used: u32,
    live: u32,
}

impl<T: Slab> Arena<T> {
    /// Allocates a slot, with the contents of `T::default()`.
    pub(crate) fn alloc(&mut self) -> u32 {
        self.live += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            if self.used as usize == self.slots.len() {
                self.slots.push((T::default(), false));
            }
            self.used += 1;
            self.used - 1
        });
        let (object, live) = &mut self.slots[index as usize];
        object.renew();
        *live = true;
        index
    }

    /// Frees a slot. Does nothing if the slot is not live: then a reference count was wrong, and an
    /// observer sees that in the counts.
    pub(crate) fn free(&mut self, index: u32) {
        let Some((_, live)) = self.slots.get_mut(index as usize) else {
            return;
        };
        if core::mem::replace(live, false) {
            self.free.push(index);
            self.live -= 1;
        }
    }

    /// True while the slot is allocated.
    pub fn is_live(&self, index: u32) -> bool {
        index < self.used && self.slots[index as usize].1
    }

    /// Number of live objects.
    pub fn live(&self) -> u32 {
        self.live
    }

    /// The live objects, in order of their index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let used = &self.slots[..self.used as usize];
        used.iter()
            .enumerate()
            .filter(|(_, (_, live))| *live)
            .map(|(i, (t, _))| (i as u32, t))
    }

    /// Hashes all slots that were ever used. Free ones count too, because a stale index may read
    /// them.
    pub(crate) fn identify<I: Identity>(&self, id: &mut I, mut each: impl FnMut(&T, &mut I)) {
        let Self {
            slots,
            free,
            used,
            live: _,
        } = self;
        used.hash(id);
        for (object, live) in &slots[..*used as usize] {
            live.hash(id);
            each(object, id);
        }
        free.hash(id);
    }

    /// Frees every slot. An object is not renewed here, but when its slot is allocated again.
    pub(crate) fn reset(&mut self) {
        self.slots[..self.used as usize]
            .iter_mut()
            .for_each(|(_, live)| *live = false);
        self.free.clear();
        self.used = 0;
        self.live = 0;
    }
}

impl<T> core::ops::Index<u32> for Arena<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.slots[index as usize].0
    }
}

impl<T> core::ops::IndexMut<u32> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.slots[index as usize].0
    }
}
