//! Operations: one table, from which everything else is generated.
//!
//! A row of `ops!` has the number, the keyword, the variant and its operands in the order of the
//! text. Two weights follow, with which the generator draws the operation: the first applies to the
//! first steps of a program, the second to all later steps. The allocations that the operation
//! makes come last. The table yields [`Op`], [`OpKind`], and two functions that all forms of a
//! program share: [`Op::build`] asks a [`Source`] for each operand in turn, and [`Op::visit`] shows
//! each to a [`Sink`]. The wire, the text, the mutators and the generator are sources and sinks.
//! The wire and the text name no operation; the mutators and the generator name the few that they
//! treat specially.
//!
//! Numbers are append-only, because corpora contain them. Never reuse or reorder a row.

use core::convert::Infallible;

use super::operand::*;

/// A source of operands.
pub trait Source {
    /// Why there is no operand; [`Infallible`] if there always is one.
    type Error;

    /// The next operand.
    ///
    /// # Errors
    ///
    /// Whatever stops the source; for a text, a wrong or missing word.
    fn operand<T: Operand>(&mut self) -> Result<T, Self::Error>;
}

/// A receiver of operands.
pub trait Sink {
    /// Takes the next operand.
    fn operand<T: Operand>(&mut self, value: T);
}

/// An operand of an operation, as the table declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name of the field.
    pub name: &'static str,
    /// The type of the field.
    pub kind: OperandKind,
}

macro_rules! ops {
    ($(
        $(#[doc = $doc:literal])+
        $number:literal $keyword:literal $variant:ident { $($name:ident: $type:ident),* $(,)? }
            drawn ($early:literal, $late:literal) allocates [$($alloc:ident),*]
    )*) => {
        /// An operation with its operands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Op {
            $(
                $(#[doc = $doc])+
                $variant {
                    $(#[doc = concat!("The `", stringify!($name), "`: [`", stringify!($type), "`].")]
                    $name: $type,)*
                },
            )*
        }

        /// An operation without its operands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum OpKind {
            $( $(#[doc = $doc])+ $variant = $number, )*
        }

        impl OpKind {
            /// All operations, each at the index that is its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that starts the operation in the text.
            #[must_use]
            pub const fn keyword(self) -> &'static str {
                match self { $(Self::$variant => $keyword),* }
            }

            /// The operands, in the order of the text.
            #[must_use]
            pub const fn params(self) -> &'static [Param] {
                match self {
                    $(Self::$variant => &[
                        $(Param { name: stringify!($name), kind: OperandKind::$type }),*
                    ],)*
                }
            }

            /// The weights with which the operation is drawn: among the first steps of a program,
            /// and later.
            #[must_use]
            pub const fn weights(self) -> (u32, u32) {
                match self { $(Self::$variant => ($early, $late)),* }
            }

            /// The kinds of allocation that the operation makes itself or in a fault that it takes.
            #[must_use]
            pub const fn allocations(self) -> &'static [AllocKind] {
                match self { $(Self::$variant => &[$(AllocKind::$alloc),*]),* }
            }

            /// A line that says what the operation does.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii_start()),* }
            }
        }

        impl Op {
            /// The operation without its operands.
            #[inline]
            #[must_use]
            pub const fn kind(&self) -> OpKind {
                match self { $(Self::$variant { .. } => OpKind::$variant),* }
            }

            /// Makes an operation out of the operands that `source` gives, in the order of
            /// [`OpKind::params`].
            ///
            /// # Errors
            ///
            /// The first error of `source`.
            #[inline]
            pub fn build<S: Source>(kind: OpKind, source: &mut S) -> Result<Self, S::Error> {
                Ok(match kind {
                    $(OpKind::$variant => Self::$variant {
                        $($name: source.operand()?),*
                    },)*
                })
            }

            /// Shows the operands to `sink`, in the order of [`OpKind::params`].
            #[inline]
            pub fn visit<S: Sink>(&self, sink: &mut S) {
                match *self {
                    $(Self::$variant { $($name),* } => { $(sink.operand($name);)* })*
                }
            }
        }
    };
}

ops! {
    /// Maps anonymous private memory over the range and replaces any mapping there (`mmap` with
    /// `MAP_FIXED`).
    0 "mmap" Mmap { proc: Proc, addr: Addr, len: Len, prot: Prot }
        drawn (40, 6) allocates [Vma, Avc]
    /// Unmaps the range (`munmap`).
    1 "munmap" Munmap { proc: Proc, addr: Addr, len: Len }
        drawn (1, 4) allocates [Vma, Avc]
    /// Changes the protection of the range (`mprotect`).
    2 "mprotect" Mprotect { proc: Proc, addr: Addr, len: Len, prot: Prot }
        drawn (1, 5) allocates [Vma, Avc]
    /// Makes a child process, which shares the memory copy-on-write (`fork`).
    3 "fork" Fork { proc: Proc }
        drawn (4, 6) allocates [Mm, Vma, AnonVma, Avc, PageTable, Page]
    /// Ends the process and tears down its memory (`exit_mmap`).
    4 "exit" Exit { proc: Proc }
        drawn (1, 3) allocates []
    /// The CPU reads a word of the page, faulting as needed.
    5 "read" Read { proc: Proc, addr: Addr }
        drawn (6, 10) allocates [Page, PageTable, AnonVma, Avc]
    /// The CPU writes a new word to the page, faulting as needed.
    6 "write" Write { proc: Proc, addr: Addr }
        drawn (30, 12) allocates [Page, PageTable, AnonVma, Avc]
    /// Drops the contents of the range (`madvise` with `MADV_DONTNEED`).
    7 "dontneed" Dontneed { proc: Proc, addr: Addr, len: Len }
        drawn (1, 4) allocates []
    /// Migrates the range to the device in one go: setup, pages, finalize.
    8 "migrate" Migrate { proc: Proc, addr: Addr, len: Len, dev: Dev, skip: Skip }
        drawn (8, 14) allocates [DevicePage, PageTable, AnonVma, Avc]
    /// Migrates the pages of the range that are on the device to system memory in one go.
    9 "migrate-back" MigrateBack { proc: Proc, addr: Addr, len: Len, dev: Dev, skip: Skip }
        drawn (1, 6) allocates [Page]
    /// The driver empties a range of device pages, whichever process maps them
    /// (`migrate_device_range`); `first` counts from the first page of the device.
    10 "evict" Evict { dev: Dev, first: Addr, len: Len }
        drawn (1, 6) allocates [Page]
    /// The device reads the page through its own page table, faulting through `hmm_range_fault` as
    /// needed.
    11 "dev-read" DevRead { dev: Dev, proc: Proc, addr: Addr }
        drawn (1, 5) allocates [Page, PageTable, AnonVma, Avc]
    /// The device writes a new word to the page through its own page table, faulting as needed.
    12 "dev-write" DevWrite { dev: Dev, proc: Proc, addr: Addr }
        drawn (1, 5) allocates [Page, PageTable, AnonVma, Avc]
    /// The driver looks at the range without faulting anything in (`hmm_range_fault` without a
    /// request to fault).
    13 "snapshot" Snapshot { dev: Dev, proc: Proc, addr: Addr, len: Len }
        drawn (1, 3) allocates [Page, PageTable, AnonVma, Avc]
    /// Opens a migration: `migrate_vma_setup` collects, locks and unmaps the pages of the range.
    14 "setup" Setup { proc: Proc, addr: Addr, len: Len, dev: Dev, toward: Toward }
        drawn (2, 7) allocates [PageTable, AnonVma, Avc]
    /// Allocates and copies the pages of an open migration, then moves what can be moved
    /// (`migrate_vma_pages`).
    15 "pages" Pages { migration: MigrationSlot, skip: Skip }
        drawn (1, 6) allocates [DevicePage, Page]
    /// Closes an open migration: `migrate_vma_finalize` replaces the migration entries and unlocks
    /// the pages.
    16 "finalize" Finalize { migration: MigrationSlot }
        drawn (1, 6) allocates [PageTable, DevicePage, Page]
    /// Takes a reference to the page by `get_user_pages` (`FOLL_GET`), faulting as needed.
    17 "get" Get { proc: Proc, addr: Addr, access: Access }
        drawn (1, 4) allocates [Page, PageTable, AnonVma, Avc]
    /// Pins the page by `pin_user_pages` (`FOLL_PIN`), faulting as needed.
    18 "pin" Pin { proc: Proc, addr: Addr, access: Access }
        drawn (1, 4) allocates [Page, PageTable, AnonVma, Avc]
    /// Takes a speculative reference to the folio that the page-table entry names, without a fault
    /// (`folio_try_get`).
    19 "hold" Hold { proc: Proc, addr: Addr }
        drawn (1, 3) allocates []
    /// Drops a reference that `get`, `pin` or `hold` took.
    20 "put" Put { held: RefSlot }
        drawn (1, 6) allocates []
    /// A third party takes the lock of the folio that the page-table entry names (`folio_lock`).
    21 "lock" Lock { proc: Proc, addr: Addr }
        drawn (1, 3) allocates []
    /// Releases a folio lock that `lock` took (`folio_unlock`).
    22 "unlock" Unlock { lock: LockSlot }
        drawn (1, 4) allocates []
    /// Clears the soft-dirty bits of the process (a write of 4 to `/proc/pid/clear_refs`).
    23 "clear-soft-dirty" ClearSoftDirty { proc: Proc }
        drawn (1, 3) allocates []
    /// Registers the range with userfaultfd for write protection (`UFFDIO_REGISTER`).
    24 "uffd-register" UffdRegister { proc: Proc, addr: Addr, len: Len }
        drawn (1, 3) allocates [Vma, Avc]
    /// Unregisters the range from userfaultfd (`UFFDIO_UNREGISTER`).
    25 "uffd-unregister" UffdUnregister { proc: Proc, addr: Addr, len: Len }
        drawn (1, 2) allocates [Vma, Avc]
    /// Sets or clears the userfaultfd write protection of the range (`UFFDIO_WRITEPROTECT`).
    26 "uffd-wp" UffdWp { proc: Proc, addr: Addr, len: Len, switch: OnOff }
        drawn (1, 3) allocates [PageTable]
    /// Makes a later allocation fail: the `nth` one of this kind.
    27 "fail" Fail { alloc: AllocKind, nth: Nth }
        drawn (1, 3) allocates []
    /// Reclaims the page as the kernel does when memory is short: swaps it out, or drops it if it
    /// is lazily freed (`shrink_folio_list`).
    28 "reclaim" Reclaim { proc: Proc, addr: Addr }
        drawn (1, 6) allocates [SwapSlot]
    /// Reclaims the pages of the range that no other process maps (`madvise` with `MADV_PAGEOUT`).
    29 "pageout" Pageout { proc: Proc, addr: Addr, len: Len }
        drawn (1, 3) allocates [SwapSlot]
    /// Lets the kernel drop the contents of the range until they are written again (`madvise` with
    /// `MADV_FREE`).
    30 "lazyfree" Lazyfree { proc: Proc, addr: Addr, len: Len }
        drawn (1, 2) allocates []
    /// Marks the pages of the range as not needed soon (`madvise` with `MADV_COLD`).
    31 "cold" Cold { proc: Proc, addr: Addr, len: Len }
        drawn (1, 1) allocates []
    /// Reads the pages of the range that are in swap into the swap cache (`madvise` with
    /// `MADV_WILLNEED`).
    32 "willneed" Willneed { proc: Proc, addr: Addr, len: Len }
        drawn (1, 2) allocates [Page]
    /// Faults the range in and keeps it in memory, or undoes that (`mlock`, `munlock`).
    33 "mlock" Mlock { proc: Proc, addr: Addr, len: Len, switch: OnOff }
        drawn (1, 2) allocates [Vma, AnonVma, Avc, Page, PageTable]
    /// Makes the range `newlen` pages long in place, or moves it to page `to` (`mremap`).
    34 "mremap" Mremap { proc: Proc, addr: Addr, len: Len, to: Addr, newlen: Len, how: How }
        drawn (1, 6) allocates [PageTable, Vma, AnonVma, Avc]
    /// Leaves the range out of later forks, or undoes that (`madvise` with `MADV_DONTFORK` or
    /// `MADV_DOFORK`).
    35 "dontfork" Dontfork { proc: Proc, addr: Addr, len: Len, switch: OnOff }
        drawn (1, 2) allocates [Vma, Avc]
    /// Takes a reference to the page by `get_user_pages_fast`, without a lock if the page is
    /// present.
    36 "get-fast" GetFast { proc: Proc, addr: Addr, access: Access }
        drawn (1, 3) allocates [Page, PageTable, AnonVma, Avc]
    /// Pins the page by `pin_user_pages_fast`, without a lock if the page is present.
    37 "pin-fast" PinFast { proc: Proc, addr: Addr, access: Access }
        drawn (1, 3) allocates [Page, PageTable, AnonVma, Avc]
    /// Pins the page for a long time (`pin_user_pages` with `FOLL_LONGTERM`), faulting as needed.
    38 "pin-longterm" PinLongterm { proc: Proc, addr: Addr, access: Access }
        drawn (1, 2) allocates [Page, PageTable, AnonVma, Avc]
    /// Gives the device exclusive access to the pages of the range, for atomic operations, faulting
    /// as needed (`make_device_exclusive`).
    39 "exclusive" Exclusive { dev: Dev, proc: Proc, addr: Addr, len: Len }
        drawn (1, 5) allocates [Page, PageTable, AnonVma, Avc]
    /// Reads what the kernel shows of each page of the range (`/proc/pid/pagemap`).
    40 "pagemap" Pagemap { proc: Proc, addr: Addr, len: Len }
        drawn (1, 2) allocates []
    /// Removes the device: all its pages migrate to system memory, and its memory is freed.
    41 "release" Release { dev: Dev }
        drawn (1, 2) allocates [Page]
    /// Compaction moves the folio that the page-table entry names to another frame
    /// (`migrate_pages`).
    42 "compact" Compact { proc: Proc, addr: Addr }
        drawn (1, 2) allocates [Page]
    /// Faults each page of the range in, for reading or for writing (`madvise` with
    /// `MADV_POPULATE_READ` or `MADV_POPULATE_WRITE`).
    43 "populate" Populate { proc: Proc, addr: Addr, len: Len, access: Access }
        drawn (1, 3) allocates [Page, PageTable, AnonVma, Avc]
    /// Lets faults in the range map huge pages, or forbids it (`madvise` with `MADV_HUGEPAGE` or
    /// `MADV_NOHUGEPAGE`).
    44 "hugepage" Hugepage { proc: Proc, addr: Addr, len: Len, switch: OnOff }
        drawn (2, 2) allocates [Vma, Avc]
    /// Splits the huge pages to which present entries of the range point (a write to the file
    /// `split_huge_pages` of debugfs).
    45 "split" Split { proc: Proc, addr: Addr, len: Len }
        drawn (1, 2) allocates []
    /// Runs the shrinker of the queue of deferred splits. It splits the huge pages on the queue
    /// that are mapped in part; with `on`, also those of which more than half of the pages have
    /// only zeroes.
    46 "split-queue" SplitQueue { switch: OnOff }
        drawn (1, 2) allocates []
    /// Makes a huge page of each aligned part of the range that lies in one VMA. Faults in what is
    /// in swap or on a device, and fills holes with zeroes (`madvise` with `MADV_COLLAPSE`).
    47 "collapse" Collapse { proc: Proc, addr: Addr, len: Len }
        drawn (1, 3) allocates [Page]
}

/// Maximum number of operands of an operation.
pub const MAX_PARAMS: usize = 6;

/// The table keeps the rules of the wire form. A new row that breaks one does not compile.
const _: () = {
    assert!(
        OpKind::COUNT <= 0xf0,
        "numbers from 0xf0 belong to preemptions"
    );
    let mut number = 0;
    while number < OpKind::COUNT {
        let kind = OpKind::ALL[number];
        assert!(
            kind as usize == number,
            "the rows are in the order of their numbers, without a gap"
        );
        let (mut procs, mut devs, mut own, mut index) = (0, 0, 0, 0);
        let params = kind.params();
        assert!(params.len() <= MAX_PARAMS);
        while index < params.len() {
            let operand = params[index].kind;
            match operand.field() {
                RecordField::Proc => procs += 1,
                RecordField::Dev => {
                    devs += 1;
                    assert!(operand.count() <= 4, "two bits hold it");
                }
                RecordField::Own => {
                    own += 1;
                    assert!(
                        operand.count() <= 1 << kind.own_bits(),
                        "an operand fits its place"
                    );
                }
            }
            index += 1;
            assert!(
                index == params.len() || !params[index - 1].kind.is_optional(),
                "optional operands come last"
            );
        }
        assert!(
            procs <= 1 && devs <= 1 && own <= 4,
            "a record has room for a process, a device and four more"
        );
        number += 1;
    }
};

impl OpKind {
    /// The number of operations.
    pub const COUNT: usize = Self::ALL.len();

    /// The operation with this number, modulo [`COUNT`](Self::COUNT).
    #[inline]
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        Self::ALL[number as usize % Self::COUNT]
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Number of bits that the wire has for each operand in [`RecordField::Own`]: eight, or six if
    /// there are four.
    #[inline]
    #[must_use]
    pub const fn own_bits(self) -> u32 {
        const BITS: [u32; OpKind::COUNT] = {
            let (mut bits, mut number) = ([8; OpKind::COUNT], 0);
            while number < OpKind::COUNT {
                let (params, mut own, mut index) = (OpKind::ALL[number].params(), 0, 0);
                while index < params.len() {
                    own += matches!(params[index].kind.field(), RecordField::Own) as u32;
                    index += 1;
                }
                if own > 3 {
                    bits[number] = 6;
                }
                number += 1;
            }
            bits
        };
        BITS[self as usize]
    }

    /// The operation with this keyword.
    #[must_use]
    pub fn from_keyword(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.keyword() == word)
    }

    /// The keyword and the names of the operands, in the order of the text.
    #[must_use]
    pub fn usage(self) -> String {
        let mut usage = String::from(self.keyword());
        for param in self.params() {
            usage.push(' ');
            if param.kind.is_optional() {
                usage.extend(["[", param.name, "]"]);
            } else {
                usage.push_str(param.name);
            }
        }
        usage
    }
}

impl Op {
    /// The process that the operation names, if it names one.
    #[inline]
    #[must_use]
    pub fn proc(&self) -> Option<Proc> {
        struct Find(Option<Proc>);
        impl Sink for Find {
            #[inline]
            fn operand<T: Operand>(&mut self, value: T) {
                if T::KIND == OperandKind::Proc {
                    self.0 = Some(Proc::from_byte(value.byte()));
                }
            }
        }
        let mut find = Find(None);
        self.visit(&mut find);
        find.0
    }

    /// The byte of the first operand of a kind, if the operation has one.
    #[must_use]
    pub fn operand(&self, kind: OperandKind) -> Option<u8> {
        let at = self
            .kind()
            .params()
            .iter()
            .position(|param| param.kind == kind)?;
        Some(self.operand_bytes()[at])
    }

    /// The byte of each operand, in the order of [`OpKind::params`]; zeros after the last one.
    #[must_use]
    pub fn operand_bytes(&self) -> [u8; MAX_PARAMS] {
        struct Collect {
            bytes: [u8; MAX_PARAMS],
            next: usize,
        }
        impl Sink for Collect {
            fn operand<T: Operand>(&mut self, value: T) {
                if let Some(byte) = self.bytes.get_mut(self.next) {
                    *byte = value.byte();
                }
                self.next += 1;
            }
        }
        let mut collect = Collect {
            bytes: [0; MAX_PARAMS],
            next: 0,
        };
        self.visit(&mut collect);
        collect.bytes
    }

    /// The operation with these operand bytes, each modulo the range of its type. Reverses
    /// [`operand_bytes`](Self::operand_bytes).
    #[must_use]
    pub fn from_operand_bytes(kind: OpKind, bytes: [u8; MAX_PARAMS]) -> Self {
        struct Bytes(core::array::IntoIter<u8, MAX_PARAMS>);
        impl Source for Bytes {
            type Error = Infallible;
            fn operand<T: Operand>(&mut self) -> Result<T, Infallible> {
                Ok(T::from_byte(self.0.next().unwrap_or(0)))
            }
        }
        let Ok(op) = Self::build(kind, &mut Bytes(bytes.into_iter()));
        op
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every corpus relies on these. Append to this list; never change a line of it.
    const LOCKED: [&str; 48] = [
        "mmap proc addr len prot",
        "munmap proc addr len",
        "mprotect proc addr len prot",
        "fork proc",
        "exit proc",
        "read proc addr",
        "write proc addr",
        "dontneed proc addr len",
        "migrate proc addr len dev [skip]",
        "migrate-back proc addr len dev [skip]",
        "evict dev first len",
        "dev-read dev proc addr",
        "dev-write dev proc addr",
        "snapshot dev proc addr len",
        "setup proc addr len dev toward",
        "pages migration [skip]",
        "finalize migration",
        "get proc addr access",
        "pin proc addr access",
        "hold proc addr",
        "put held",
        "lock proc addr",
        "unlock lock",
        "clear-soft-dirty proc",
        "uffd-register proc addr len",
        "uffd-unregister proc addr len",
        "uffd-wp proc addr len switch",
        "fail alloc nth",
        "reclaim proc addr",
        "pageout proc addr len",
        "lazyfree proc addr len",
        "cold proc addr len",
        "willneed proc addr len",
        "mlock proc addr len switch",
        "mremap proc addr len to newlen how",
        "dontfork proc addr len switch",
        "get-fast proc addr access",
        "pin-fast proc addr access",
        "pin-longterm proc addr access",
        "exclusive dev proc addr len",
        "pagemap proc addr len",
        "release dev",
        "compact proc addr",
        "populate proc addr len access",
        "hugepage proc addr len switch",
        "split proc addr len",
        "split-queue switch",
        "collapse proc addr len",
    ];

    #[test]
    fn numbers_and_keywords_are_locked() {
        let table: Vec<String> = OpKind::ALL.iter().map(|kind| kind.usage()).collect();
        assert_eq!(table, LOCKED);
        for (number, &kind) in OpKind::ALL.iter().enumerate() {
            assert_eq!(usize::from(kind.number()), number);
            assert_eq!(OpKind::from_number(kind.number()), kind);
            assert_eq!(OpKind::from_keyword(kind.keyword()), Some(kind));
        }
    }

    #[test]
    fn operand_bytes_round_trip() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let op = Op::from_operand_bytes(
                OpKind::from_number(rng.u8(..)),
                core::array::from_fn(|_| rng.u8(..)),
            );
            assert_eq!(Op::from_operand_bytes(op.kind(), op.operand_bytes()), op);
        }
    }

    #[test]
    fn grammar_page_has_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grammar.md");
        let page = std::fs::read_to_string(path).expect("docs/grammar.md is there");
        let rows: Vec<String> = OpKind::ALL
            .iter()
            .map(|kind| {
                format!(
                    "| {} | `{}` | {} |",
                    kind.number(),
                    kind.usage(),
                    kind.summary()
                )
            })
            .collect();
        let found: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains(" | `"))
            .collect();
        let found: Vec<&str> = found
            .into_iter()
            .filter(|line| line.as_bytes()[2].is_ascii_digit())
            .collect();
        if std::env::var_os("MMFUZZ_BLESS").is_some() {
            let blessed = page.replace(&found.join("\n"), &rows.join("\n"));
            std::fs::write(path, blessed).expect("docs/grammar.md can be written");
            return;
        }
        assert!(
            found == rows,
            "docs/grammar.md has drifted; MMFUZZ_BLESS=1 cargo test -p mm-fuzz grammar_page writes \
             it:\n{}",
            rows.join("\n")
        );
        for kind in OperandKind::ALL {
            let row = format!("| `{}` | {} |", kind.name(), kind.accepts());
            assert!(
                page.lines().any(|line| line.starts_with(&row)),
                "docs/grammar.md lacks {row}"
            );
        }
    }
}
