//! Arenas of objects named by index, with last-in first-out reuse as a slab would have it.
//!
//! A freed slot keeps its contents until it is reused, so a stale index reads what the kernel would
//! read through a stale pointer; whether a slot is live is for an observer to ask.

use crate::identity::Identity;
use alloc::vec::Vec;
use core::hash::Hash;

/// An object that can be taken from a slab again and again.
pub trait Slab: Default {
    /// Makes the object as new, keeping its heap memory.
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
    /// Takes a slot; its contents are those of `T::default()`.
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

    /// Gives a slot back. A slot that is not live is left alone: the caller's count was wrong, and
    /// an observer sees that in the counts.
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

    /// All slots that were used, those that are free as well: somebody may look there by mistake.
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

    /// Forgets every object; costs nothing per object, for a slot is renewed when it is taken.
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
