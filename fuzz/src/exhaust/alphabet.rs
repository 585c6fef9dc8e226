//! The operations that a search enumerates, and which of them can come next in a canonical program.
//!
//! Every kind of operation is enumerated, with few operands:
//!
//! | operand | values |
//! |---|---|
//! | process | p0, and p1 after a `fork` |
//! | page | 0 to [`Size::pages`] - 1; page 8, in another page table, once `mremap` moved to it |
//! | range | every range of these pages; for `mremap`, see `moves` |
//! | device | d0 and d1; `evict` empties the first two pages |
//! | protection, access, switch, direction, kind of allocation | all; `mmap` never takes `none` |
//! | allocation to fail | the next one |
//! | reference, lock, open migration | the one in the lowest slot: r0, l0, m0 |
//! | skip | nothing; `pages` may also skip the first page |
//!
//! Programs that differ only by a renaming behave alike. One program of such a set is *canonical*:
//! it numbers devices and threads in the order of their first use, and if it names a page below 8,
//! it names page 0. A canonical program uses p1 only after a `fork`: before, p1 would be a second
//! name for p0.

use crate::program::operand::{Addr, Dev, How, Len, Nth, Operand, OperandKind, Proc, Prot, Skip};
use crate::program::{MAX_PARAMS, Op, OpKind};
use std::collections::BTreeMap;

/// The page that `mremap` moves ranges to.
const FAR: u8 = 8;

/// The size of an alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Number of neighbouring pages that operations name, 1 to 4.
    pub pages: u8,
    /// Number of threads, 1 or 2.
    pub threads: u8,
}

/// The operations, in the order in which they are enumerated.
#[derive(Clone, Debug)]
pub struct Alphabet {
    size: Size,
    ops: Vec<Letter>,
}

/// An operation, and the objects that it names.
#[derive(Clone, Copy, Debug)]
struct Letter {
    op: Op,
    proc: u8,
    dev: Option<u8>,
    names_first: bool,
    names_near: bool,
    names_far: bool,
    moves_far: bool,
}

/// The objects that a program has used so far. They decide which operations can come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Used {
    procs: u8,
    devs: u8,
    threads: u8,
    first: bool,
    near: bool,
    far: bool,
}

impl Used {
    /// True if the program names page 0 or no page below 8. Any other program is a canonical
    /// program with its pages shifted.
    #[must_use]
    pub const fn is_canonical(self) -> bool {
        self.first || !self.near
    }

    /// True if operations can name page 8.
    #[must_use]
    pub const fn has_far(self) -> bool {
        self.far
    }
}

impl Alphabet {
    /// The alphabet of this size with these kinds of operations.
    #[must_use]
    pub fn new(size: Size, kinds: &[OpKind]) -> Self {
        let ops = kinds.iter().flat_map(|kind| operations(*kind, size.pages));
        Self {
            size,
            ops: ops.map(Letter::new).collect(),
        }
    }

    /// Number of operations. An operation counts once, whatever number of threads can run it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// True if there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Number of threads of the programs.
    #[must_use]
    pub const fn threads(&self) -> u8 {
        self.size.threads
    }

    /// All operations, whether or not they can come next.
    pub fn ops(&self) -> impl Iterator<Item = Op> {
        self.ops.iter().map(|letter| letter.op)
    }

    /// The continuations of a program that has used `used`: the thread, the operation, and the
    /// objects used after it.
    pub fn next(&self, used: Used) -> impl Iterator<Item = (u8, Op, Used)> {
        let threads = self.size.threads.min(used.threads + 1);
        (0..threads).flat_map(move |thread| {
            let letters = self
                .ops
                .iter()
                .filter(move |letter| letter.may_follow(used));
            letters.map(move |letter| (thread, letter.op, letter.after(used, thread)))
        })
    }

    /// Number of canonical programs of each length from 0 to `depth`.
    #[must_use]
    pub fn count(&self, depth: usize) -> Vec<u128> {
        let mut programs = BTreeMap::from([(Used::default(), 1)]);
        let mut counts = vec![1];
        for _ in 0..depth {
            let mut longer = BTreeMap::new();
            for (used, count) in programs {
                for (_, _, after) in self.next(used) {
                    *longer.entry(after).or_insert(0) += count;
                }
            }
            programs = longer;
            let canonical = programs.iter().filter(|(used, _)| used.is_canonical());
            counts.push(canonical.map(|(_, count)| count).sum());
        }
        counts
    }
}

impl Letter {
    fn new(op: Op) -> Self {
        let (mut letter, mut pages) = (
            Self {
                op,
                proc: op.proc().map_or(0, Proc::get),
                dev: None,
                names_first: false,
                names_near: false,
                names_far: false,
                moves_far: false,
            },
            None,
        );
        let bytes = op.operand_bytes();
        for (param, byte) in op.kind().params().iter().zip(bytes) {
            match (param.kind, param.name) {
                (OperandKind::Dev, _) => letter.dev = Some(byte),
                (OperandKind::Addr, "addr") => pages = Some(byte),
                (OperandKind::Addr, "to") => letter.moves_far = byte == FAR,
                _ => {}
            }
        }
        if let Some(page) = pages {
            letter.names_far = page == FAR;
            letter.names_near = page != FAR;
            letter.names_first = page == 0;
        }
        if let Op::Mremap { to, how, .. } = op {
            letter.moves_far = how != How::Stay && to.get() == FAR;
            letter.names_first |= how != How::Stay && to.get() == 0;
            letter.names_near |= how != How::Stay && to.get() != FAR;
        }
        letter
    }

    fn may_follow(&self, used: Used) -> bool {
        self.proc <= used.procs
            && self.dev.is_none_or(|dev| dev <= used.devs)
            && (used.far || !self.names_far)
    }

    fn after(&self, used: Used, thread: u8) -> Used {
        let forks = u8::from(self.op.kind() == OpKind::Fork);
        Used {
            procs: (used.procs + forks).min(LAST_PROC),
            devs: self.dev.map_or(used.devs, |dev| used.devs.max(dev + 1)),
            threads: used.threads.max(thread + 1),
            first: used.first || self.names_first,
            near: used.near || self.names_near,
            far: used.far || self.moves_far,
        }
    }
}

/// The highest process number that operations name.
const LAST_PROC: u8 = 1;

/// All operations of a kind.
fn operations(kind: OpKind, pages: u8) -> Vec<Op> {
    if kind == OpKind::Mremap {
        return moves(pages);
    }
    let mut all = vec![[0; MAX_PARAMS]];
    for (index, param) in kind.params().iter().enumerate() {
        let values = values(kind, param.kind, pages);
        all = all
            .into_iter()
            .flat_map(|bytes| {
                let with = move |byte| {
                    let mut bytes: [u8; MAX_PARAMS] = bytes;
                    bytes[index] = byte;
                    bytes
                };
                values.iter().copied().map(with).collect::<Vec<_>>()
            })
            .collect();
    }
    let ops = all
        .into_iter()
        .map(|bytes| Op::from_operand_bytes(kind, bytes));
    ops.filter(|op| is_range_of(*op, pages)).collect()
}

/// The bytes that an operand can have.
fn values(kind: OpKind, operand: OperandKind, pages: u8) -> Vec<u8> {
    let all = || (0..operand.count() as u8).collect();
    match operand {
        OperandKind::Proc => (0..=LAST_PROC).collect(),
        OperandKind::Addr if kind == OpKind::Evict => vec![0],
        OperandKind::Addr => (0..pages).chain([FAR]).collect(),
        OperandKind::Len if kind == OpKind::Evict => vec![1],
        OperandKind::Len => (0..pages).collect(),
        OperandKind::Prot if kind == OpKind::Mmap => {
            [Prot::Read, Prot::ReadWrite].map(Operand::byte).into()
        }
        OperandKind::Skip if kind == OpKind::Pages => vec![0, 1],
        OperandKind::Skip => vec![Skip::NOTHING.byte()],
        OperandKind::Nth => vec![Nth::MIN.byte()],
        OperandKind::RefSlot | OperandKind::MigrationSlot | OperandKind::LockSlot => vec![0],
        OperandKind::Dev
        | OperandKind::Prot
        | OperandKind::Access
        | OperandKind::OnOff
        | OperandKind::Toward
        | OperandKind::AllocKind
        | OperandKind::How => all(),
    }
}

/// True if `op` has no range, or one that ends within the pages. A range at page 8 may have one
/// page only.
fn is_range_of(op: Op, pages: u8) -> bool {
    let bytes = op.operand_bytes();
    let operand = |wanted| {
        let place = op
            .kind()
            .params()
            .iter()
            .position(|param| param.kind == wanted);
        place.map(|place| bytes[place])
    };
    match (operand(OperandKind::Addr), operand(OperandKind::Len)) {
        (Some(FAR), Some(len)) => len == 0,
        (Some(page), Some(len)) if op.kind() != OpKind::Evict => page + len < pages,
        _ => true,
    }
}

/// The `mremap`s: every range to page 8, page 8 to every page, and every range grown or shrunk by a
/// page in place.
fn moves(pages: u8) -> Vec<Op> {
    let mut all = Vec::new();
    for proc in 0..=LAST_PROC {
        let mut remap = |addr, len, to, newlen, how| {
            all.push(Op::Mremap {
                proc: Proc::new(proc),
                addr: Addr::new(addr),
                len: Len::new(len),
                to: Addr::new(to),
                newlen: Len::new(newlen),
                how,
            });
        };
        for (addr, len) in
            (0..pages).flat_map(|addr| (1..=pages - addr).map(move |len| (addr, len)))
        {
            remap(addr, len, FAR, len, How::Fixed);
            remap(addr, len, FAR, len, How::Dontunmap);
            remap(addr, len, 0, len + 1, How::Stay);
            if len > 1 {
                remap(addr, len, 0, len - 1, How::Stay);
            }
        }
        for page in 0..pages {
            remap(FAR, 1, page, 1, How::Fixed);
            remap(FAR, 1, page, 1, How::Dontunmap);
        }
    }
    all
}

const _: () = assert!(Dev::COUNT == 2, "both devices are named");
