//! The wire form of a program, which engines mutate and corpora contain.
//!
//! Byte 0 is the version. Byte 1 is the header: bit 0 is the geometry, bits 1 and 2 are the number
//! of threads less one, bits 3 and 4 say when faults map huge pages (0 never, 1 always, 2 where it
//! was advised, and 3 is read as 1). Records of five bytes follow, `kind a b c d`:
//!
//! - an operation: `kind` is its number. `a` has the thread in bits 6 and 7, the device in bits 3
//!   and 4 (or another operand, if the operation has no device), and the process in bits 0 to 2.
//!   The other operands take `b`, `c` and `d` in the order of the table. If there are four, each
//!   takes six of the 24 bits, lowest first;
//! - a preemption: `kind` is 0xf0 or above, `a` is the thread to switch to, `b` and `c` are the
//!   scheduling point, little-endian.
//!
//! Every byte string decodes: any version byte is read as version 1, unknown kinds and values out
//! of range wrap around, and bits without a meaning, a partial record at the end and records above
//! the limits are ignored. The canonical form has preemptions first, and zeros wherever bits are
//! ignored.

use std::convert::Infallible;
use std::fmt;

use super::op::{Op, OpKind, Sink, Source};
use super::operand::{Operand, RecordField};
use super::{
    Geometry, MAX_OPS, MAX_PREEMPTIONS, MAX_THREADS, Preemption, Program, Step, Thp,
    insert_preemption,
};
use crate::limits::MAX_INPUT_RECORDS;

/// The version that [`encode`] writes.
pub const VERSION: u8 = 1;
/// The length of the version byte and the header, in bytes.
pub const HEADER_BYTES: usize = 2;
/// The length of a record, in bytes.
pub const RECORD_BYTES: usize = 5;
/// The length of the longest canonical program, in bytes.
pub const MAX_BYTES: usize = HEADER_BYTES + RECORD_BYTES * (MAX_OPS + MAX_PREEMPTIONS);
/// Maximum size of an input of an engine in bytes, unless the user gives another.
pub const MAX_INPUT_BYTES: usize = HEADER_BYTES + RECORD_BYTES * MAX_INPUT_RECORDS;
/// The kind of a preemption; all kinds above it are preemptions as well.
const PREEMPTION: u8 = 0xf0;
/// The bits of the header that have a meaning.
const HEADER_BITS: u8 = 0b1_1111;
/// The bit of the header that is set if faults map huge pages wherever a VMA has room for them and
/// nobody advised against it.
const THP_BIT: u8 = 1 << 3;
/// The bit of the header that is set if faults map huge pages only where it was advised.
const THP_MADVISE_BIT: u8 = 1 << 4;

const PROC_BITS: u8 = 0b111;
const DEV_SHIFT: u32 = 3;
const DEV_BITS: u8 = 0b11;
const THREAD_SHIFT: u32 = 6;

/// Decodes a byte string.
#[must_use]
pub fn decode(bytes: &[u8]) -> Program {
    let mut program = Program::default();
    decode_into(bytes, &mut program);
    program
}

/// Like [`decode`], into a program whose vectors are reused: once they have grown, nothing is
/// allocated.
pub fn decode_into(bytes: &[u8], program: &mut Program) {
    let header = bytes.get(1).copied().unwrap_or(0);
    program.geometry = if header & 1 == 0 {
        Geometry::Tiny
    } else {
        Geometry::X86_64
    };
    program.thp = if header & THP_BIT != 0 {
        Thp::Always
    } else if header & THP_MADVISE_BIT != 0 {
        Thp::Madvise
    } else {
        Thp::Never
    };
    program.threads = ((header >> 1) & 3) + 1;
    program.ops.clear();
    program.preemptions.clear();
    let records = bytes
        .get(HEADER_BYTES..)
        .unwrap_or(&[])
        .as_chunks::<RECORD_BYTES>()
        .0;
    program.ops.reserve(records.len().min(MAX_OPS));
    // This takes four divisions instead of one for each record.
    let thread_of: [u8; MAX_THREADS as usize] =
        std::array::from_fn(|bits| bits as u8 % program.threads);
    for record in records {
        if record[0] >= PREEMPTION {
            if program.threads > 1 {
                insert_preemption(
                    &mut program.preemptions,
                    decode_preemption(record, program.threads),
                );
            }
        } else if program.ops.len() < MAX_OPS {
            let thread = thread_of[usize::from(record[1] >> THREAD_SHIFT)];
            program.ops.push(Step {
                thread,
                op: decode_op(record),
            });
        } else if program.threads == 1 || program.preemptions.len() == MAX_PREEMPTIONS {
            break;
        }
    }
}

#[inline]
fn decode_preemption(&[_, to, low, high, _]: &[u8; RECORD_BYTES], threads: u8) -> Preemption {
    Preemption {
        at: u16::from_le_bytes([low, high]),
        to: to % threads,
    }
}

#[inline]
fn decode_op(&[kind, shared, b, c, d]: &[u8; RECORD_BYTES]) -> Op {
    let kind = OpKind::from_number(kind);
    let mut fields = Fields {
        shared,
        own: u32::from_le_bytes([b, c, d, 0]),
        bits: kind.own_bits(),
    };
    let Ok(op) = Op::build(kind, &mut fields);
    op
}

/// The operands of a record: byte `a`, and the bytes `b`, `c` and `d` as one number that has the
/// next operand in its low bits.
struct Fields {
    shared: u8,
    own: u32,
    bits: u32,
}

impl Source for Fields {
    type Error = Infallible;

    #[inline(always)]
    fn operand<T: Operand>(&mut self) -> Result<T, Infallible> {
        Ok(T::from_byte(match T::FIELD {
            RecordField::Proc => self.shared & PROC_BITS,
            RecordField::Dev => (self.shared >> DEV_SHIFT) & DEV_BITS,
            RecordField::Own => {
                let byte = (self.own & ((1 << self.bits) - 1)) as u8;
                self.own >>= self.bits;
                byte
            }
        }))
    }
}

/// A version of the wire form, and how to read it.
type Version = (u8, fn(&[u8]) -> Program);

/// All versions that ever existed, so that a new version loses no corpus. To raise [`VERSION`],
/// keep the old decoder, add a row for it here, and let `make cmin` rewrite the corpora.
const VERSIONS: &[Version] = &[(VERSION, decode)];

/// Decodes a file of a corpus, whichever version of the wire form it has; [`encode`] then writes
/// the current version. If the first byte is the number of no version, an engine's mutation has
/// changed it: [`decode`] then reads the file, as engines read it.
#[must_use]
pub fn decode_any_version(bytes: &[u8]) -> Program {
    decode_by(bytes, VERSIONS)
}

fn decode_by(bytes: &[u8], versions: &[Version]) -> Program {
    let written = versions
        .iter()
        .find(|(version, _)| bytes.first() == Some(version));
    written.map_or(decode as fn(&[u8]) -> Program, |(_, decode)| *decode)(bytes)
}

/// The canonical wire form of a program.
#[must_use]
pub fn encode(program: &Program) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(program, &mut out);
    out
}

/// Like [`encode`], into a vector whose contents it replaces.
pub fn encode_into(program: &Program, out: &mut Vec<u8>) {
    let program = program.canonical();
    out.clear();
    out.reserve(encoded_len(&program));
    let geometry = match program.geometry {
        Geometry::Tiny => 0,
        Geometry::X86_64 => 1,
    };
    let thp = match program.thp {
        Thp::Never => 0,
        Thp::Always => THP_BIT,
        Thp::Madvise => THP_MADVISE_BIT,
    };
    out.extend([VERSION, geometry | (program.threads - 1) << 1 | thp]);
    for preemption in &program.preemptions {
        let [low, high] = preemption.at.to_le_bytes();
        out.extend([PREEMPTION, preemption.to, low, high, 0]);
    }
    for step in &program.ops {
        let mut packer = Packer {
            shared: step.thread << THREAD_SHIFT,
            own: 0,
            shift: 0,
            bits: step.op.kind().own_bits(),
        };
        step.op.visit(&mut packer);
        let [b, c, d, _] = packer.own.to_le_bytes();
        out.extend([step.op.kind().number(), packer.shared, b, c, d]);
    }
}

/// The length of the wire form of a canonical program, in bytes.
pub(super) fn encoded_len(program: &Program) -> usize {
    HEADER_BYTES + RECORD_BYTES * (program.preemptions.len() + program.ops.len())
}

/// The reverse of [`Fields`].
struct Packer {
    shared: u8,
    own: u32,
    shift: u32,
    bits: u32,
}

impl Sink for Packer {
    #[inline(always)]
    fn operand<T: Operand>(&mut self, value: T) {
        match T::FIELD {
            RecordField::Proc => self.shared |= value.byte(),
            RecordField::Dev => self.shared |= value.byte() << DEV_SHIFT,
            RecordField::Own => {
                self.own |= u32::from(value.byte()) << self.shift;
                self.shift += self.bits;
            }
        }
    }
}

/// Why a byte string is not the canonical wire form of a program. The message gives the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// There are fewer than [`HEADER_BYTES`] bytes.
    NoHeader {
        /// The number of bytes.
        len: usize,
    },
    /// The version byte is not [`VERSION`].
    Version {
        /// The version byte.
        found: u8,
    },
    /// The header byte has a bit that has no meaning.
    Header {
        /// The header byte.
        found: u8,
    },
    /// A record has a kind that is neither an operation nor a preemption.
    UnknownKind {
        /// Where the record starts.
        offset: usize,
        /// The kind.
        kind: u8,
    },
    /// There are more operations than [`MAX_OPS`].
    TooManyOps {
        /// Where the first one over the limit starts.
        offset: usize,
    },
    /// There are more preemptions than [`MAX_PREEMPTIONS`].
    TooManyPreemptions {
        /// Where the first one over the limit starts.
        offset: usize,
    },
    /// The last record is incomplete.
    Truncated {
        /// Where the record starts.
        offset: usize,
        /// The number of its bytes.
        len: usize,
    },
    /// The records are readable, but the encoder writes this program differently.
    NotCanonical {
        /// The first byte that the encoder would write differently.
        offset: usize,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoHeader { len } => {
                write!(
                    f,
                    "offset {len}: the file ends within the header: {len} of {HEADER_BYTES} bytes"
                )
            }
            Self::Version { found } => {
                write!(
                    f,
                    "offset 0: version {found} is unknown: this build writes version {VERSION}"
                )
            }
            Self::Header { found } => {
                write!(
                    f,
                    "offset 1: header byte {found:#04x} has bits outside {HEADER_BITS:#04x}: \
                     not a program"
                )
            }
            Self::UnknownKind { offset, kind } => write!(
                f,
                "offset {offset}: record kind {kind:#04x} is unknown: operations are 0x00 to \
                 {:#04x}, preemptions {PREEMPTION:#04x} to 0xff; a newer build may have written it",
                OpKind::COUNT - 1
            ),
            Self::TooManyOps { offset } => {
                write!(
                    f,
                    "offset {offset}: more than {MAX_OPS} operations: the rest is ignored"
                )
            }
            Self::TooManyPreemptions { offset } => {
                write!(
                    f,
                    "offset {offset}: more than {MAX_PREEMPTIONS} preemptions: the rest is ignored"
                )
            }
            Self::Truncated { offset, len } => {
                write!(
                    f,
                    "offset {offset}: the last record is truncated: {len} of {RECORD_BYTES} bytes"
                )
            }
            Self::NotCanonical { offset } => {
                write!(
                    f,
                    "offset {offset}: readable, but not canonical: decode and encode it"
                )
            }
        }
    }
}

impl std::error::Error for WireError {}

/// Checks that a byte string is the canonical wire form of a program, for tools that must tell a
/// damaged file from a good one. Engines need no such check: [`decode`] accepts everything.
///
/// # Errors
///
/// The first mistake.
pub fn check(bytes: &[u8]) -> Result<(), WireError> {
    let &[version, header, ref records @ ..] = bytes else {
        return Err(WireError::NoHeader { len: bytes.len() });
    };
    if version != VERSION {
        return Err(WireError::Version { found: version });
    }
    if header & !HEADER_BITS != 0 {
        return Err(WireError::Header { found: header });
    }
    let (records, rest) = records.as_chunks::<RECORD_BYTES>();
    let (mut ops, mut preemptions) = (0, 0);
    for (index, &[kind, ..]) in records.iter().enumerate() {
        let offset = HEADER_BYTES + index * RECORD_BYTES;
        if kind >= PREEMPTION {
            preemptions += 1;
        } else if usize::from(kind) < OpKind::COUNT {
            ops += 1;
        } else {
            return Err(WireError::UnknownKind { offset, kind });
        }
        if ops > MAX_OPS {
            return Err(WireError::TooManyOps { offset });
        }
        if preemptions > MAX_PREEMPTIONS {
            return Err(WireError::TooManyPreemptions { offset });
        }
    }
    if !rest.is_empty() {
        return Err(WireError::Truncated {
            offset: bytes.len() - rest.len(),
            len: rest.len(),
        });
    }
    let canonical = encode(&decode(bytes));
    if canonical == bytes {
        return Ok(());
    }
    let same = canonical
        .iter()
        .zip(bytes)
        .take_while(|(one, other)| one == other)
        .count();
    Err(WireError::NotCanonical { offset: same })
}

#[cfg(test)]
mod tests;
