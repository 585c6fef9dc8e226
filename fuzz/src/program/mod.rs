//! Programs: the inputs of the laboratory.
//!
//! A program is a geometry, whether faults map huge pages, a number of threads, a list of
//! operations with the thread that runs each, and a list of preemptions. It has three forms.
//! Canonical programs convert between them without loss:
//!
//! - the value, [`Program`], for mutators, the minimizer and tests;
//! - [`text`] (`.mm`), for people;
//! - [`wire`], for engines. Every byte string decodes, and [`wire::encode`] is canonical.
//!
//! `docs/grammar.md` describes the text and the wire.
//!
//! A program is *canonical* if [`Program::normalize`] would not change it. Both decoders return
//! canonical programs, and both encoders write the canonical form of any value.
//!
//! The table of operations is in [`op`], the operand types are in [`operand`]. [`generate`] makes
//! random operations, [`mutate`] changes programs, and [`engine`] mutates byte strings.

use std::borrow::Cow;
use std::fmt;

mod arbitrary;
pub mod engine;
pub mod generate;
mod limits;
pub mod mutate;
pub mod op;
pub mod operand;
pub mod text;
pub mod trim;
pub mod wire;

pub use op::{MAX_PARAMS, Op, OpKind};
pub use operand::{
    Access, Addr, AllocKind, Dev, How, Len, LockSlot, MigrationSlot, Nth, OnOff, Operand,
    OperandKind, Proc, Prot, RefSlot, Skip, Toward,
};

pub use mm_core::Thp;

pub use crate::limits::{MAX_OPS, MAX_PREEMPTIONS, MAX_THREADS};

/// An input: what runs, on which thread, and where threads are preempted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The shape of the page tables that the program runs on.
    pub geometry: Geometry,
    /// When faults map huge pages.
    pub thp: Thp,
    /// The number of threads, 1 to [`MAX_THREADS`].
    pub threads: u8,
    /// The operations, at most [`MAX_OPS`]. Each thread runs its own operations in this order.
    pub ops: Vec<Step>,
    /// The preemptions, by ascending `at` without repetition; at most [`MAX_PREEMPTIONS`], and none
    /// with one thread. Without preemptions each operation runs to its end.
    pub preemptions: Vec<Preemption>,
}

/// The shape of the page tables and the size of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Geometry {
    /// Three levels of tables with 8 entries, 96 system frames and 32 frames a device: boundaries
    /// are close.
    #[default]
    Tiny,
    /// The tables of x86-64: 512 entries, four levels.
    X86_64,
}

impl Geometry {
    /// The geometry of the core.
    pub const fn machine(self) -> mm_core::Geometry {
        match self {
            Self::Tiny => mm_core::Geometry::TINY,
            Self::X86_64 => mm_core::Geometry::X86_64,
        }
    }
}

/// An operation and the thread that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// The thread, below the number of threads of the program.
    pub thread: u8,
    /// The operation.
    pub op: Op,
}

/// A switch of threads that the program asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Preemption {
    /// The scheduling point of the run, counted from 0.
    pub at: u16,
    /// The thread to switch to, below the number of threads of the program.
    pub to: u8,
}

impl Default for Program {
    /// The empty program: tiny geometry, no huge pages, one thread.
    fn default() -> Self {
        Self {
            geometry: Geometry::default(),
            thp: Thp::default(),
            threads: 1,
            ops: Vec::new(),
            preemptions: Vec::new(),
        }
    }
}

impl Program {
    /// Makes the program canonical. Clamps the number of threads, takes thread numbers modulo it,
    /// sorts the preemptions, keeps only the first preemption of each scheduling point, and drops
    /// everything above [`MAX_OPS`] and [`MAX_PREEMPTIONS`]. A program of one thread loses all
    /// preemptions. Operands are canonical by their types.
    pub fn normalize(&mut self) {
        self.threads = self.threads.clamp(1, MAX_THREADS);
        self.ops.truncate(MAX_OPS);
        for step in &mut self.ops {
            step.thread %= self.threads;
        }
        if self.threads == 1 {
            self.preemptions.clear();
        }
        for preemption in &mut self.preemptions {
            preemption.to %= self.threads;
        }
        if !are_preemptions_canonical(&self.preemptions) {
            // This is the wire's own rule, in the wire's order, so that normalizing and decoding
            // drop the same preemptions.
            for preemption in std::mem::take(&mut self.preemptions) {
                insert_preemption(&mut self.preemptions, preemption);
            }
        }
    }

    /// True if [`normalize`](Self::normalize) would leave the program as it is.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        (1..=MAX_THREADS).contains(&self.threads)
            && self.ops.len() <= MAX_OPS
            && self.ops.iter().all(|step| step.thread < self.threads)
            && (self.threads > 1 || self.preemptions.is_empty())
            && self
                .preemptions
                .iter()
                .all(|preemption| preemption.to < self.threads)
            && are_preemptions_canonical(&self.preemptions)
    }

    /// The canonical form of the program, copied only if the program is not canonical.
    fn canonical(&self) -> Cow<'_, Self> {
        if self.is_canonical() {
            return Cow::Borrowed(self);
        }
        let mut copy = self.clone();
        copy.normalize();
        Cow::Owned(copy)
    }
}

/// True if a list of preemptions is sorted, without repetition, and not too long.
fn are_preemptions_canonical(list: &[Preemption]) -> bool {
    list.len() <= MAX_PREEMPTIONS && list.is_sorted_by(|one, next| one.at < next.at)
}

/// Inserts a preemption into a canonical list. Drops it if its scheduling point is taken or the
/// list is full.
pub(crate) fn insert_preemption(list: &mut Vec<Preemption>, preemption: Preemption) {
    if list.len() < MAX_PREEMPTIONS
        && let Err(index) = list.binary_search_by_key(&preemption.at, |other| other.at)
    {
        list.insert(index, preemption);
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tiny => "tiny",
            Self::X86_64 => "x86-64",
        })
    }
}

#[cfg(test)]
mod tests;
