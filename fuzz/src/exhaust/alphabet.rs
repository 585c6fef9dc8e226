//! The operations that a search enumerates, and which of them can come next in a canonical program.
//!
//! Every kind of operation is enumerated, with few operands:
//!
//! | operand | values |
//! |---|---|
//! | process | p0, and p1 after a `fork` |
//! | page | see [`NamedPages`]; page 8, in another page table, once `mremap` moved to it |
//! | range | see [`NamedPages`]; for `mremap`, see `moves` |
//! | device | d0 and d1; `evict` empties the first two pages, or all eight of a huge page |
//! | protection, access, switch, direction, kind of allocation | all; `mmap` never takes `none` |
//! | allocation to fail | the next one |
//! | reference, lock, open migration | the one in the lowest slot: r0, l0, m0 |
//! | skip | nothing; `pages` may also skip the first page |
//!
//! Programs that differ only by a renaming behave alike. One program of such a set is *canonical*:
//! it numbers devices and threads in the order of their first use, and if it names a page below 8,
//! it names page 0. A canonical program uses p1 only after a `fork`: before, p1 would be a second
//! name for p0. The pages of a huge page cannot be renamed: with [`NamedPages::Huge`], a program
//! need not name page 0.

use crate::program::operand::{Addr, Dev, How, Len, Nth, Operand, OperandKind, Proc, Prot, Skip};
use crate::program::{MAX_PARAMS, Op, OpKind, Thp};
use std::collections::BTreeMap;

/// The page that `mremap` moves ranges to.
const FAR: u8 = 8;

/// The number of pages of a huge page.
const HUGE: u8 = 8;

/// The size of an alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The pages that operations name.
    pub pages: NamedPages,
    /// Number of threads, 1 or 2.
    pub threads: u8,
}

/// The pages and ranges of pages that operations name, besides page 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedPages {
    /// The first pages, as many as this number says (1 to 4), and every range of them. Programs
    /// have `thp never`.
    Small(u8),
    /// A huge page: pages 0 and 4, and the ranges of all eight pages, of page 0, and of the second
    /// half. The ranges at page 8 have eight pages or one. Programs have `thp always`.
    Huge,
}

impl NamedPages {
    /// When the kernel gives huge pages to the programs.
    #[must_use]
    pub const fn thp(self) -> Thp {
        match self {
            Self::Small(_) => Thp::Never,
            Self::Huge => Thp::Always,
        }
    }

    /// The pages below 8 that an operation names if it has no range.
    fn single(self) -> Vec<u8> {
        match self {
            Self::Small(pages) => (0..pages).collect(),
            Self::Huge => vec![0, HUGE / 2],
        }
    }

    /// The ranges below page 8, each as its first page and its length.
    fn ranges(self) -> Vec<(u8, u8)> {
        let from = |page, pages: u8| (1..=pages - page).map(move |len| (page, len));
        match self {
            Self::Small(pages) => (0..pages).flat_map(|page| from(page, pages)).collect(),
            Self::Huge => vec![(0, HUGE), (0, 1), (HUGE / 2, HUGE / 2)],
        }
    }

    /// The ranges at page 8.
    fn far_ranges(self) -> Vec<(u8, u8)> {
        match self {
            Self::Small(_) => vec![(FAR, 1)],
            Self::Huge => vec![(FAR, HUGE), (FAR, 1)],
        }
    }

    /// Number of pages that `evict` empties.
    const fn evicted(self) -> u8 {
        match self {
            Self::Small(_) => 2,
            Self::Huge => HUGE,
        }
    }
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
            ops: ops.map(|op| Letter::new(op, size.pages)).collect(),
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

    /// When the kernel gives huge pages to the programs.
    #[must_use]
    pub const fn thp(&self) -> Thp {
        self.size.pages.thp()
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
    fn new(op: Op, named: NamedPages) -> Self {
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
        if named == NamedPages::Huge {
            letter.names_first = true; // no page can be renamed: a program need not name page 0
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
fn operations(kind: OpKind, pages: NamedPages) -> Vec<Op> {
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
    ops.filter(|op| kind == OpKind::Evict || has_named_range(*op, pages))
        .collect()
}

/// The bytes that an operand can have.
fn values(kind: OpKind, operand: OperandKind, pages: NamedPages) -> Vec<u8> {
    let all = || (0..operand.count() as u8).collect();
    let has_range = || {
        let mut params = kind.params().iter();
        params.any(|param| param.kind == OperandKind::Len)
    };
    match operand {
        OperandKind::Proc => (0..=LAST_PROC).collect(),
        OperandKind::Addr if kind == OpKind::Evict => vec![0],
        OperandKind::Addr if has_range() => {
            distinct(named_ranges(pages).map(|(page, _)| page).collect())
        }
        OperandKind::Addr => [pages.single(), vec![FAR]].concat(),
        OperandKind::Len if kind == OpKind::Evict => vec![Len::new(pages.evicted()).byte()],
        OperandKind::Len => {
            let bytes = named_ranges(pages).map(|(_, len)| Len::new(len).byte());
            distinct(bytes.collect())
        }
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

/// The bytes in ascending order, each once.
fn distinct(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.sort_unstable();
    bytes.dedup();
    bytes
}

/// All ranges that operations name.
fn named_ranges(pages: NamedPages) -> impl Iterator<Item = (u8, u8)> {
    pages.ranges().into_iter().chain(pages.far_ranges())
}

/// True if `op` has no range, or one that operations name.
fn has_named_range(op: Op, pages: NamedPages) -> bool {
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
        (Some(page), Some(byte)) => {
            named_ranges(pages).any(|(first, len)| first == page && Len::new(len).byte() == byte)
        }
        _ => true,
    }
}

/// The `mremap`s. They move every range below page 8 to page 8. They move every range at page 8 to
/// each named page below page 8, if there is room for it below page 8. They grow and shrink every
/// range below page 8 in place by one page.
fn moves(pages: NamedPages) -> Vec<Op> {
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
        for (addr, len) in pages.ranges() {
            remap(addr, len, FAR, len, How::Fixed);
            remap(addr, len, FAR, len, How::Dontunmap);
            remap(addr, len, 0, len + 1, How::Stay);
            if len > 1 {
                remap(addr, len, 0, len - 1, How::Stay);
            }
        }
        for (addr, len) in pages.far_ranges() {
            for page in pages.single() {
                if page + len <= FAR {
                    remap(addr, len, page, len, How::Fixed);
                    remap(addr, len, page, len, How::Dontunmap);
                }
            }
        }
    }
    all
}

const _: () = assert!(Dev::COUNT == 2, "both devices are named");
