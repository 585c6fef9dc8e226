//! What a change of a program consists of.

use mm_fuzz::program::{Geometry, Op, OperandKind, Preemption};
use std::ops::Range;

/// A part of a change. Operations and preemptions are named by their places in the program as it was.
#[derive(Clone, Debug)]
pub enum Edit {
    /// These operations go, and the preemptions in them.
    Remove(Range<usize>),
    /// An operation becomes another.
    Op(usize, Op),
    /// An operation moves to another thread.
    Thread(usize, u8),
    /// A value of an operand becomes another, wherever it stands.
    Everywhere {
        /// The type of the operand.
        kind: OperandKind,
        /// Its byte now.
        from: u8,
        /// Its byte then.
        to: u8,
    },
    /// All operands of a type become smaller.
    Lower {
        /// The type.
        kind: OperandKind,
        /// By how much; at most the least one.
        by: u8,
    },
    /// The geometry changes.
    Geometry(Geometry),
    /// These preemptions go.
    DropPreemptions(Range<usize>),
    /// A preemption becomes this one.
    Preempt(usize, Preemption),
    /// What a thread does, another does; the last thread takes its name.
    RemoveThread {
        /// The thread that goes.
        thread: u8,
        /// The one that does its work.
        into: u8,
    },
    /// Two threads exchange their names.
    ExchangeThreads(u8, u8),
}
