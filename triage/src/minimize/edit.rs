//! The parts of a change of a program.

use mm_fuzz::program::{Geometry, Op, OperandKind, Preemption, Thp};
use std::ops::Range;

/// A part of a change. Operations and preemptions are numbered as in the original program.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Removes these operations, and the preemptions in them.
    Remove(Range<usize>),
    /// Replaces an operation.
    Op(usize, Op),
    /// Moves an operation to another thread.
    Thread(usize, u8),
    /// Replaces a value of an operand type everywhere.
    Everywhere {
        /// The type of the operand.
        kind: OperandKind,
        /// The old byte.
        from: u8,
        /// The new byte.
        to: u8,
    },
    /// Lowers all operands of a type.
    Lower {
        /// The type.
        kind: OperandKind,
        /// By how much: at most the least value that occurs.
        by: u8,
    },
    /// Changes the geometry.
    Geometry(Geometry),
    /// Changes when faults map huge pages.
    Thp(Thp),
    /// Removes these preemptions.
    DropPreemptions(Range<usize>),
    /// Replaces a preemption.
    Preempt(usize, Preemption),
    /// Gives a thread's operations to another thread. The last thread takes the free name.
    RemoveThread {
        /// The thread to remove.
        thread: u8,
        /// The thread that gets its operations.
        into: u8,
    },
    /// Exchanges the names of two threads.
    ExchangeThreads(u8, u8),
}
