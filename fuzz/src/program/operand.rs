//! Operands of operations.
//!
//! Each operand type has a canonical range: every byte means some value (`from_byte` wraps), and
//! every value can be encoded. The three forms of a program use the [`Operand`] trait and name no
//! operand type. So a new operand type is one entry here. Elsewhere it needs only its weights in
//! [`generate`](super::generate) and its values in [`alphabet`](crate::exhaust::alphabet).

use crate::limits::{DEVICES, MAX_HELD, MAX_PROCS, MAX_WORKERS, WINDOW_PAGES};
use core::fmt;

/// A value that an operation takes.
///
/// Invariants, which the tests of this module check for each type: `from_byte(v.byte()) == v`,
/// `v.byte()` is below `COUNT`, and `parse(&v.to_string()) == Ok(v)`.
pub trait Operand: Copy + Eq + fmt::Display {
    /// The type, as a value.
    const KIND: OperandKind;
    /// The number of distinct values; at most 256.
    const COUNT: u16;
    /// The name of the operand in messages.
    const WHAT: &'static str;
    /// The accepted words, for messages.
    const ACCEPTS: &'static str;
    /// The phrase in messages for a number that is too large.
    const OVER: &'static str = "out of range";
    /// The place of the operand in a wire record.
    const FIELD: RecordField = RecordField::Own;
    /// The value that applies if the text leaves the operand out. Only the last operand of an
    /// operation can have such a value.
    const IMPLIED: Option<Self> = None;

    /// The canonical byte of this value, below [`COUNT`](Self::COUNT).
    fn byte(self) -> u8;
    /// The value of any byte, modulo [`COUNT`](Self::COUNT).
    fn from_byte(byte: u8) -> Self;
    /// The value of one word of text.
    ///
    /// # Errors
    ///
    /// The way in which the word is wrong. [`WHAT`](Self::WHAT) and [`ACCEPTS`](Self::ACCEPTS) make
    /// a sentence of it.
    fn parse(word: &str) -> Result<Self, OperandFault>;
}

/// The way in which the word of an operand is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandFault {
    /// It does not have the form of this operand type.
    Malformed,
    /// It is a number below the range.
    TooSmall,
    /// It is a number above the range, however many digits it has.
    TooLarge,
}

/// The place of an operand in a wire record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordField {
    /// The three low bits of byte `a`.
    Proc,
    /// Bits 3 and 4 of byte `a`.
    Dev,
    /// The next free byte of `b`, `c` and `d`; the next free six bits if the operation has four
    /// such operands.
    Own,
}

/// Reads a number after a prefix: decimal digits and nothing else.
pub(super) fn parse_number(
    word: &str,
    prefix: &str,
    least: u64,
    last: u64,
) -> Result<u64, OperandFault> {
    let digits = word.strip_prefix(prefix).ok_or(OperandFault::Malformed)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(OperandFault::Malformed);
    }
    // Only digits are left, so the only possible error is a number above 64 bits.
    match digits.parse() {
        Ok(number) if number < least => Err(OperandFault::TooSmall),
        Ok(number) if number <= last => Ok(number),
        _ => Err(OperandFault::TooLarge),
    }
}

/// Declares operands that are numbers in a range, with or without a one-letter prefix in the text.
macro_rules! numbers {
    ($(
        $(#[$doc:meta])*
        $name:ident = $prefix:literal $first:literal ..= $last:literal {
            $(const $constant:ident: $constant_type:ty = $value:expr;)*
        }
    )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u8);

        impl $name {
            /// The least value.
            pub const MIN: Self = Self($first);
            /// The greatest value.
            pub const MAX: Self = Self($last);

            /// The value nearest to `number` that is in the range.
            #[must_use]
            pub const fn new(number: u8) -> Self {
                if number > $last {
                    Self($last)
                } else if number < Self::MIN.0 {
                    Self($first)
                } else {
                    Self(number)
                }
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u8 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl Operand for $name {
            const KIND: OperandKind = OperandKind::$name;
            const COUNT: u16 = $last - $first + 1;
            $(const $constant: $constant_type = $value;)*

            #[inline(always)]
            fn byte(self) -> u8 {
                self.0 - $first
            }

            #[inline(always)]
            fn from_byte(byte: u8) -> Self {
                Self($first + byte % ($last - $first + 1))
            }

            fn parse(word: &str) -> Result<Self, OperandFault> {
                // `$last` fits in a byte, so the number does.
                parse_number(word, $prefix, $first, $last).map(|number| Self(number as u8))
            }
        }
    )* };
}

/// Declares operands that are one word of a list. The order of the words gives their numbers on the
/// wire.
macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $( $(#[$variant_doc:meta])* $variant:ident = $word:literal, )*
        }
        with {
            $(const $constant:ident: $constant_type:ty = $value:expr;)*
        }
    )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant, )*
        }

        impl $name {
            /// All values, in the order of their bytes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),* })
            }
        }

        impl Operand for $name {
            const KIND: OperandKind = OperandKind::$name;
            const COUNT: u16 = Self::ALL.len() as u16;
            $(const $constant: $constant_type = $value;)*

            #[inline(always)]
            fn byte(self) -> u8 {
                self as u8
            }

            #[inline(always)]
            fn from_byte(byte: u8) -> Self {
                Self::ALL[usize::from(byte) % Self::ALL.len()]
            }

            fn parse(word: &str) -> Result<Self, OperandFault> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(OperandFault::Malformed),
                }
            }
        }
    )* };
}

/// Declares [`OperandKind`]: the list of operand types, and the facts about a type that need no
/// value.
macro_rules! operand_kinds {
    ($($name:ident)*) => {
        /// The type of an operand, as a value, for mutators and tables.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum OperandKind {
            $(#[doc = concat!("[`", stringify!($name), "`].")] $name,)*
        }

        impl OperandKind {
            /// All operand types.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name of the type.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// [`Operand::COUNT`] of the type.
            #[must_use]
            pub const fn count(self) -> u16 {
                match self { $(Self::$name => <$name as Operand>::COUNT),* }
            }

            /// [`Operand::ACCEPTS`] of the type.
            #[must_use]
            pub const fn accepts(self) -> &'static str {
                match self { $(Self::$name => <$name as Operand>::ACCEPTS),* }
            }

            /// [`Operand::FIELD`] of the type.
            #[must_use]
            pub const fn field(self) -> RecordField {
                match self { $(Self::$name => <$name as Operand>::FIELD),* }
            }

            /// True if the text may leave the operand out: it has an [`Operand::IMPLIED`] value.
            #[must_use]
            pub const fn is_optional(self) -> bool {
                match self { $(Self::$name => <$name as Operand>::IMPLIED.is_some()),* }
            }
        }
    };
}

operand_kinds! {
    Proc Dev Addr Len Prot Skip Access OnOff Toward RefSlot MigrationSlot LockSlot AllocKind Nth How
}

numbers! {
    /// A process: the one with this number. If there is none when the operation runs, the number,
    /// modulo the count of live processes, is an index into these.
    Proc = "p" 0..=7 {
        const WHAT: &'static str = "process";
        const ACCEPTS: &'static str = "p0 to p7";
        const FIELD: RecordField = RecordField::Proc;
    }
    /// A device. The wire has room for four.
    Dev = "d" 0..=1 {
        const WHAT: &'static str = "device";
        const ACCEPTS: &'static str = "d0 or d1";
        const FIELD: RecordField = RecordField::Dev;
    }
    /// A page in the address window of a program, or a page of a device. The executor decides where
    /// the window lies.
    Addr = "" 0..=31 {
        const WHAT: &'static str = "address";
        const ACCEPTS: &'static str = "page 0 to 31";
        const OVER: &'static str = "outside the address window";
    }
    /// The length of a range, in base pages. A range may end after the address window: the executor
    /// clips it.
    Len = "" 1..=32 {
        const WHAT: &'static str = "length";
        const ACCEPTS: &'static str = "1 to 32 pages";
        const OVER: &'static str = "longer than the address window";
    }
    /// A reference to a folio that an earlier operation took. The number is resolved like that of a
    /// [`Proc`].
    RefSlot = "r" 0..=7 {
        const WHAT: &'static str = "reference";
        const ACCEPTS: &'static str = "r0 to r7";
    }
    /// A migration that `setup` opened. The numbers 0 to 3 are resolved like that of a [`Proc`]. No
    /// slot has the numbers 4 to 7, and they stand for nothing.
    MigrationSlot = "m" 0..=7 {
        const WHAT: &'static str = "migration";
        const ACCEPTS: &'static str = "m0 to m7";
    }
    /// A folio lock that `lock` took. The number is resolved like that of a [`Proc`].
    LockSlot = "l" 0..=7 {
        const WHAT: &'static str = "lock";
        const ACCEPTS: &'static str = "l0 to l7";
    }
    /// Which later allocation: 1 is the next one.
    Nth = "" 1..=32 {
        const WHAT: &'static str = "allocation number";
        const ACCEPTS: &'static str = "1 to 32";
    }
}

choices! {
    /// The protection of a mapping: `PROT_READ` and `PROT_WRITE`.
    Prot {
        /// `PROT_NONE`.
        None = "none",
        /// `PROT_READ`.
        Read = "r",
        /// `PROT_READ | PROT_WRITE`.
        ReadWrite = "rw",
    } with {
        const WHAT: &'static str = "protection";
        const ACCEPTS: &'static str = "none, r or rw";
    }

    /// The access for which an operation gets a page; a write is `FOLL_WRITE`.
    Access {
        /// To read it.
        Read = "r",
        /// To write to it, which breaks copy-on-write first.
        Write = "w",
    } with {
        const WHAT: &'static str = "access";
        const ACCEPTS: &'static str = "r or w";
    }

    /// Whether to set or to clear something.
    OnOff {
        /// Clear it.
        Off = "off",
        /// Set it.
        On = "on",
    } with {
        const WHAT: &'static str = "switch";
        const ACCEPTS: &'static str = "off or on";
    }

    /// The direction of a migration, which says which pages it selects.
    Toward {
        /// System pages go to the device: `MIGRATE_VMA_SELECT_SYSTEM`.
        Device = "to-dev",
        /// Device pages go to system memory: `MIGRATE_VMA_SELECT_DEVICE_PRIVATE`.
        System = "to-sys",
    } with {
        const WHAT: &'static str = "direction";
        const ACCEPTS: &'static str = "to-dev or to-sys";
    }

    /// How `mremap` changes a range.
    How {
        /// The range stays where it is.
        Stay = "stay",
        /// The range moves: `MREMAP_MAYMOVE | MREMAP_FIXED`.
        Fixed = "fixed",
        /// The pages move, and the old range stays mapped without them: `MREMAP_DONTUNMAP` as well.
        Dontunmap = "dontunmap",
    } with {
        const WHAT: &'static str = "way to remap";
        const ACCEPTS: &'static str = "stay, fixed or dontunmap";
        const FIELD: RecordField = RecordField::Dev;
    }

    /// A kind of allocation that `fail` can arm.
    AllocKind {
        /// A page of system memory.
        Page = "page",
        /// A page table of any level.
        PageTable = "page-table",
        /// A `vm_area_struct`.
        Vma = "vma",
        /// An `anon_vma`.
        AnonVma = "anon-vma",
        /// An `anon_vma_chain`.
        Avc = "avc",
        /// A page of device memory.
        DevicePage = "device-page",
        /// An `mm_struct`.
        Mm = "mm",
        /// A slot of the swap device.
        SwapSlot = "swap-slot",
    } with {
        const WHAT: &'static str = "kind of allocation";
        const ACCEPTS: &'static str = "page, page-table, vma, anon-vma, avc, device-page, mm or \
                                       swap-slot";
    }
}

/// The pages of a range that the driver declines to migrate: page `i` of the range if bit `i % 8`
/// is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Skip(u8);

impl Skip {
    /// The driver declines nothing.
    pub const NOTHING: Self = Self(0);
    const KEY: &'static str = "skip=";

    /// The pages whose bit is set in `mask`.
    #[must_use]
    pub const fn new(mask: u8) -> Self {
        Self(mask)
    }

    /// The mask.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// True if the driver declines page `index` of the range, counted from 0.
    #[must_use]
    pub const fn contains(self, index: usize) -> bool {
        (self.0 >> (index % 8)) & 1 == 1
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:#04x}", Self::KEY, self.0)
    }
}

impl Operand for Skip {
    const KIND: OperandKind = OperandKind::Skip;
    const COUNT: u16 = 256;
    const WHAT: &'static str = "mask of pages to skip";
    const ACCEPTS: &'static str = "skip=0x00 to skip=0xff";
    const IMPLIED: Option<Self> = Some(Self::NOTHING);

    #[inline(always)]
    fn byte(self) -> u8 {
        self.0
    }

    #[inline(always)]
    fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    fn parse(word: &str) -> Result<Self, OperandFault> {
        let number = word
            .strip_prefix(Self::KEY)
            .ok_or(OperandFault::Malformed)?;
        let Some(digits) = number.strip_prefix("0x") else {
            return parse_number(number, "", 0, 0xff).map(|mask| Self(mask as u8));
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(OperandFault::Malformed);
        }
        u8::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| OperandFault::TooLarge)
    }
}

// each slot has a name; a name beyond the last slot stands for nothing
const _: () = {
    assert!(Proc::MAX.get() as usize + 1 == MAX_PROCS);
    assert!(RefSlot::MAX.get() as usize + 1 == MAX_HELD);
    assert!(LockSlot::MAX.get() as usize + 1 == MAX_HELD);
    assert!(MigrationSlot::MAX.get() as usize + 1 >= MAX_WORKERS);
    assert!(Dev::MAX.get() as usize + 1 == DEVICES);
    assert!(Addr::MAX.get() as u32 + 1 == WINDOW_PAGES);
    assert!(Len::MAX.get() as u32 == WINDOW_PAGES);
};

#[cfg(test)]
mod tests;
