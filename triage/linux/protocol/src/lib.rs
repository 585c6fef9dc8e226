//! What the judge's host and its guest say to each other, over a virtio-serial port.
//!
//! The host sends [`Job`]s without waiting. The guest answers each with a [`Reply`], in order.
//! Every message is a frame: its length as four little-endian bytes, then postcard.
//!
//! A kernel that is fuzzed may send anything, so the host trusts nothing: it accepts no frame that
//! is longer, or has more parts, than the largest honest answer. The host itself checks that a
//! reply answers the right job in time.
#![forbid(unsafe_code)]

mod place;

pub use place::{MAX_STAGES, MAX_STOPS, Place, Stage, StopPoint};

use mm_fuzz::limits::{DEVICES, MAX_OPS, MAX_PROCS, WINDOW_PAGES};
use mm_fuzz::program::AllocKind;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::io::{self, Read, Write};
use std::marker::PhantomData;

/// The id of the first reply, which answers no job: the agent has started.
pub const HELLO: u32 = u32::MAX;

/// The most events of a reply: for each operation its end and an observation, and one event that
/// reports a hang.
pub const MAX_EVENTS: usize = 2 * MAX_OPS + 1;

/// Longest frame that is accepted, in bytes: the longest reply, with every number at its longest.
/// Postcard takes 3, 5 and 10 bytes for numbers of 16, 32 and 64 bits, and one for a byte, a kind
/// and a short length. A job is much shorter.
pub const MAX_FRAME: usize = {
    // page, kind, device, flags, level, order, uneven; page flags; references, mappings, entire;
    // identity, index, word
    const ENTRY: usize = 7 + 3 + 3 * 5 + 3 * 10;
    // slot, number of entries; charges; VMAs
    const PROCESS: usize = 2 + WINDOW_PAGES as usize * ENTRY + 2 * 10 + 5;
    const SEEN: usize = 2 + MAX_PROCS * PROCESS;
    // kind, operation; kind and word of the outcome
    const ENDED: usize = 4 + 1 + 10;
    const HANGS: usize = 4;
    // number of leaks, and for each its counter and two values; number of bytes, and each of them
    const WORDS: usize = 1 + LEAKS.len() * (1 + 10 + 10) + 2 + MAX_WORDS;
    // number; number of events; leaked pages; stuck; number of places, and each of them
    5 + 2 + MAX_OPS * (ENDED + SEEN) + HANGS + 2 * 5 + 1 + WORDS + 3 + MAX_REACHED * 5
};

/// Counters that must return to an earlier value after all processes have ended: lines of
/// /proc/vmstat, or the objects of a slab cache. The number says by how much a counter may grow
/// without a leak, because it also moves by itself: with long programs, the memory of the agent
/// grows by tens of pages.
pub const LEAKS: [(&str, i64); 9] = [
    ("nr_mlock", 0),
    ("nr_unevictable", 0),
    ("nr_anon_transparent_hugepages", 0),
    ("nr_isolated_anon", 0),
    ("nr_isolated_file", 0),
    ("nr_anon_pages", 128),
    ("nr_page_table_pages", 16),
    ("/sys/kernel/slab/anon_vma", 0),
    ("/sys/kernel/slab/anon_vma_chain", 0),
];

/// The most bytes of the kernel's words in a reply.
pub const MAX_WORDS: usize = 160;

/// The most places in the kernel that a reply names. A place that finds no room is named when a
/// later program reaches it.
pub const MAX_REACHED: usize = 1 << 14;

/// How many low bits of the number of a place are its offset in the kernel's text, in units of 4
/// bytes. The high bits are the number of the system call that reached it; in programs of the model
/// they are 0.
pub const PLACE_BITS: u32 = 22;

/// The number of kinds of allocations.
pub const ALLOC_KINDS: usize = AllocKind::ALL.len();

/// A program, and the plan by which it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The number that the reply repeats.
    pub id: u32,
    /// The program in wire form.
    pub program: Vec<u8>,
    /// The steps, in order.
    pub plan: Vec<Action>,
    /// Pages that each device may use; 0 if it may use all that it has.
    pub device_frames: u32,
    /// For each operation, by number: the slots that the model has afterwards. With these the guest
    /// need not wait for the result of an operation that takes or frees a slot.
    pub hints: Vec<(u16, Hint)>,
    /// The operations that are stopped inside the kernel, by number, and where.
    pub stops: Vec<(u16, Vec<StopPoint>)>,
    /// All processes end after this program, and the counters of [`LEAKS`] are compared with their
    /// values after the previous such program. That takes milliseconds.
    pub closely: bool,
}

/// The model's slots after an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The operation succeeded.
    pub ok: bool,
    /// The migrations that are open, one bit each.
    pub open: u8,
    /// The slot of the child that it made. The guest cannot know it when the operation starts, if
    /// another fork is stopped.
    pub child: Option<u8>,
}

/// A step of a plan. The host takes the order from the model's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Start the operation with this number.
    Start(u16),
    /// Wait for the end of this operation. In the model's run it ends at this step.
    End(u16),
    /// Observe all processes; every operation has ended or waits.
    Observe,
    /// Release the folio locks of third parties.
    ReleaseLocks,
    /// Release the references of pfn walkers.
    ReleaseWalkers,
    /// Let an open migration go on to its next gate or its end.
    RunMigration(u8),
    /// Wait until this operation is at its next stop.
    Stopped(u16),
    /// Let this operation, which is stopped, go on.
    GoOn(u16),
    /// Bring the guest down, to check that the host notices.
    Crash(Crash),
    /// Make allocations fail in the operation that starts next: the nth of each kind, 0 for none.
    /// The kinds are in the order of `mm_core::AllocKind`, which is also the driver's.
    Fail([u8; ALLOC_KINDS]),
}

/// A way to bring the guest down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Crash {
    /// The kernel panics.
    Panic,
    /// The kernel warns.
    Warn,
    /// The guest answers nothing any more.
    Hang,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The job's number.
    pub id: u32,
    /// What happened, in order.
    #[serde(deserialize_with = "at_most::<_, _, MAX_EVENTS>")]
    pub events: Vec<GuestEvent>,
    /// Pages of each device that are still in use after all processes ended.
    pub leaked: [u32; DEVICES],
    /// Something could not be ended, and the guest is of no more use.
    pub stuck: bool,
    /// The counters of [`LEAKS`] that have not returned: number, value before, value now.
    #[serde(deserialize_with = "at_most::<_, _, { LEAKS.len() }>")]
    pub leaks: Vec<(u8, i64, i64)>,
    /// An error that the kernel has reported since the last job, and that has not ended the guest.
    #[serde(deserialize_with = "at_most::<_, _, MAX_WORDS>")]
    pub words: Vec<u8>,
    /// The numbers of the places of the kernel that this guest reached for the first time, each of
    /// [`PLACE_BITS`] bits. Empty unless the guest was told to follow coverage.
    #[serde(deserialize_with = "at_most::<_, _, MAX_REACHED>")]
    pub reached: Vec<u32>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuestEvent {
    /// An operation ended as planned.
    Ended(u16, GuestOutcome),
    /// An operation that should have waited ended.
    EndedEarly(u16, GuestOutcome),
    /// An operation that should have ended did not.
    Hangs(u16),
    /// An operation that should have come to a stop ended.
    Passed(u16, GuestOutcome),
    /// An operation came to a stop when it should have waited or ended; or it came to a later stop
    /// first, or to one where it must not sleep.
    Astray(u16),
    /// The processes, by slot.
    Seen(#[serde(deserialize_with = "at_most::<_, _, MAX_PROCS>")] Vec<SeenProcess>),
    /// The processes could not be observed, for example because a writer holds an `mmap_lock` or
    /// waits for one.
    NotSeen,
}

/// How an operation ended, as user space sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GuestOutcome {
    /// It succeeded.
    Done,
    /// It read or wrote this word.
    Word(u64),
    /// This many pages migrated.
    Moved(u32),
    /// It made a child process, in this slot.
    Child(u8),
    /// It made a reference, a lock or an open migration, in this slot.
    Slot(u8),
    /// A digest of what the device sees or pagemap shows.
    Seen(u64),
    /// The device has this many pages exclusively.
    Exclusive(u32),
    /// The process received this signal.
    Signal(i32),
    /// The call failed with this error number.
    Errno(i32),
    /// It had nothing to work on.
    Nothing,
    /// A page of the program stands for several pages, and they are not alike.
    Uneven,
}

/// A process and its window.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeenProcess {
    /// Its slot.
    pub slot: u8,
    /// The entries that are not empty, by page of the window.
    #[serde(deserialize_with = "at_most::<_, _, { WINDOW_PAGES as usize }>")]
    pub entries: Vec<(u8, SeenEntry)>,
    /// Anonymous pages in the window that it is charged for.
    pub anon_rss: i64,
    /// Swap entries that it is charged for.
    pub swap_ents: i64,
    /// VMAs that meet the window.
    pub areas: u32,
}

/// The kind of a page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum EntryKind {
    /// A present entry.
    #[default]
    Present,
    /// A migration entry of a read-only, shared page.
    MigrationRead,
    /// A migration entry of a read-only, exclusive page.
    MigrationReadExclusive,
    /// A migration entry of a writable page.
    MigrationWrite,
    /// A device-private entry, read-only.
    DeviceRead,
    /// A device-private entry, writable.
    DeviceWrite,
    /// A device-exclusive entry.
    Exclusive,
    /// A swap entry.
    Swap,
    /// A marker.
    Marker,
    /// Anything else.
    Other,
}

/// A page-table entry, and the page that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SeenEntry {
    /// Its kind.
    pub kind: EntryKind,
    /// 0 for system memory, else 1 + the number of the device.
    pub device: u8,
    /// Flags of the entry: [`entry`].
    pub flags: u8,
    /// Flags of the page: [`page`].
    pub page: u16,
    /// The page's reference count; of a large folio, those references that are neither of a mapping
    /// nor of the swap cache.
    pub refs: i32,
    /// The page's mapcount, without huge entries; for a swap entry, the entries that name the slot.
    pub maps: i32,
    /// A number that no other page of the same memory has at this moment: on a device the frame,
    /// for a swap entry the slot, otherwise the pfn.
    pub identity: u64,
    /// The page's offset in the window, if it is anonymous.
    pub index: i64,
    /// The first word of the page.
    pub word: u64,
    /// The level of the entry: 1 if it is huge. A huge entry is shown as the entries that its split
    /// would make.
    pub level: u8,
    /// log2 of the folio's pages, in pages of the program.
    pub order: u8,
    /// The huge entries that map the folio.
    pub entire: i32,
    /// Set if the page stands for several pages of the guest that differ. Says in what the others
    /// differ from the first: [`uneven`].
    pub uneven: u8,
}

/// Flags of an entry.
pub mod entry {
    /// Writable.
    pub const WRITE: u8 = 1 << 0;
    /// Soft-dirty.
    pub const SOFT_DIRTY: u8 = 1 << 1;
    /// Write-protected for userfaultfd.
    pub const UFFD_WP: u8 = 1 << 2;
    /// Young.
    pub const YOUNG: u8 = 1 << 3;
    /// Dirty.
    pub const DIRTY: u8 = 1 << 4;
    /// `PROT_NONE`.
    pub const PROTNONE: u8 = 1 << 5;
    /// The zero page.
    pub const ZERO: u8 = 1 << 6;
    /// A swap slot that one mapping has exclusively.
    pub const EXCLUSIVE: u8 = 1 << 7;
    /// Their names, lowest bit first.
    pub const NAMES: [&str; 8] = [
        "write",
        "soft-dirty",
        "uffd-wp",
        "young",
        "dirty",
        "protnone",
        "zero",
        "exclusive",
    ];
}

/// Flags of a page.
pub mod page {
    /// Locked.
    pub const LOCKED: u16 = 1 << 0;
    /// Dirty.
    pub const DIRTY: u16 = 1 << 1;
    /// On a reclaim list.
    pub const LRU: u16 = 1 << 2;
    /// Backed by swap.
    pub const SWAPBACKED: u16 = 1 << 3;
    /// Exclusive to one mapping (`PageAnonExclusive`).
    pub const EXCLUSIVE: u16 = 1 << 4;
    /// Its mapping is an `anon_vma`.
    pub const ANON: u16 = 1 << 5;
    /// It has a mapping.
    pub const MAPPING: u16 = 1 << 6;
    /// In the swap cache.
    pub const SWAPCACHE: u16 = 1 << 7;
    /// Mapped in an mlocked VMA, as far as Linux has counted.
    pub const MLOCKED: u16 = 1 << 8;
    /// On the unevictable list, or isolated from it.
    pub const UNEVICTABLE: u16 = 1 << 9;
    /// A large folio that is marked as partially mapped.
    pub const PARTIAL: u16 = 1 << 10;
    /// A large folio on the queue of deferred splits.
    pub const QUEUED: u16 = 1 << 11;
    /// Their names, lowest bit first.
    pub const NAMES: [&str; 12] = [
        "locked",
        "dirty",
        "lru",
        "swapbacked",
        "exclusive",
        "anon",
        "mapping",
        "swap-cache",
        "mlocked",
        "unevictable",
        "partially mapped",
        "queued for a split",
    ];
}

/// The properties in which pages of the guest differ, although one page of the program stands for
/// them.
pub mod uneven {
    /// Their names, lowest bit first.
    pub const NAMES: [&str; 7] = [
        "kind",
        "flags",
        "page flags",
        "refs",
        "maps",
        "order",
        "word",
    ];
}

/// Deserializes a list of at most `N` items. Without a limit, one byte of a frame could become many
/// bytes of memory.
fn at_most<'de, D: Deserializer<'de>, T: Deserialize<'de>, const N: usize>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    struct AtMost<T, const N: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for AtMost<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {N} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let count = items.size_hint().unwrap_or_default();
            if count > N {
                return Err(A::Error::invalid_length(count, &self));
            }
            let mut all = Vec::with_capacity(count);
            while let Some(item) = items.next_element()? {
                if all.len() == N {
                    return Err(A::Error::invalid_length(N + 1, &self));
                }
                all.push(item);
            }
            Ok(all)
        }
    }
    from.deserialize_seq(AtMost::<T, N>(PhantomData))
}

/// Writes a frame.
///
/// # Errors
///
/// Those of `to`.
pub fn send<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    to.write_all(&frame(message)?)?;
    to.flush()
}

/// A message as a frame.
///
/// # Errors
///
/// The message cannot be serialized, or is longer than 4 GiB.
pub fn frame<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    frame = postcard::to_extend(message, frame).map_err(io::Error::other)?;
    let len = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
    frame[..4].copy_from_slice(&len.to_le_bytes());
    Ok(frame)
}

/// Reads a frame.
///
/// # Errors
///
/// Those of `from`; [`io::ErrorKind::InvalidData`] for a frame that is too long or not a `T`.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len) as usize;
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if len > MAX_FRAME {
        return Err(invalid(format!(
            "a frame of {len} bytes; the longest that is accepted has {MAX_FRAME}"
        )));
    }
    let mut frame = vec![0; len];
    from.read_exact(&mut frame)?;
    match postcard::take_from_bytes(&frame) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(invalid(format!(
            "a frame with {} bytes too many",
            rest.len()
        ))),
        Err(error) => Err(invalid(format!("a frame that is no message: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were() {
        let job = Job {
            id: 7,
            program: vec![1, 2, 3],
            plan: vec![
                Action::Start(0),
                Action::End(0),
                Action::Observe,
                Action::Fail([1, 0, 0, 2, 0, 0, 0, 0]),
            ],
            device_frames: 32,
            hints: vec![(
                1,
                Hint {
                    ok: true,
                    open: 2,
                    child: Some(3),
                },
            )],
            stops: vec![(
                1,
                vec![StopPoint {
                    stages: vec![Stage::new(&[Place::WpLock], 2)],
                }],
            )],
            closely: true,
        };
        let mut wire = Vec::new();
        send(&mut wire, &job).unwrap();
        send(&mut wire, &job).unwrap();
        let from = &mut wire.as_slice();
        assert_eq!(receive::<Job>(from).unwrap(), job);
        assert_eq!(receive::<Job>(from).unwrap(), job);
        assert_eq!(
            receive::<Job>(from).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    /// The longest reply: every number at its longest, and as many of everything as there can be.
    fn largest() -> Reply {
        let entry = SeenEntry {
            kind: EntryKind::Other,
            device: u8::MAX,
            flags: u8::MAX,
            page: u16::MAX,
            refs: i32::MIN,
            maps: i32::MIN,
            identity: u64::MAX,
            index: i64::MIN,
            word: u64::MAX,
            level: u8::MAX,
            order: u8::MAX,
            entire: i32::MIN,
            uneven: u8::MAX,
        };
        let process = SeenProcess {
            slot: u8::MAX,
            entries: vec![(u8::MAX, entry); WINDOW_PAGES as usize],
            anon_rss: i64::MIN,
            swap_ents: i64::MIN,
            areas: u32::MAX,
        };
        let of_one = [
            GuestEvent::Ended(u16::MAX, GuestOutcome::Seen(u64::MAX)),
            GuestEvent::Seen(vec![process; MAX_PROCS]),
        ];
        let mut events = vec![of_one; MAX_OPS].concat();
        events.push(GuestEvent::Hangs(u16::MAX));
        Reply {
            id: u32::MAX,
            events,
            leaked: [u32::MAX; 2],
            stuck: true,
            leaks: vec![(u8::MAX, i64::MIN, i64::MIN); LEAKS.len()],
            words: vec![u8::MAX; MAX_WORDS],
            reached: vec![u32::MAX; MAX_REACHED],
        }
    }

    fn framed(message: &impl Serialize) -> Vec<u8> {
        let mut wire = Vec::new();
        send(&mut wire, message).unwrap();
        wire
    }

    fn refused(wire: &[u8]) -> String {
        let error = receive::<Reply>(&mut &*wire).expect_err("it is refused");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        error.to_string()
    }

    #[test]
    fn the_longest_frame_is_that_of_the_largest_reply() {
        let reply = largest();
        let wire = framed(&reply);
        assert_eq!(wire.len(), 4 + MAX_FRAME);
        assert_eq!(receive::<Reply>(&mut wire.as_slice()).unwrap(), reply);
        let long = (MAX_FRAME as u32 + 1).to_le_bytes();
        let why = format!(
            "a frame of {} bytes; the longest that is accepted has",
            MAX_FRAME + 1
        );
        assert!(refused(&long).starts_with(&why));
    }

    #[test]
    fn what_no_reply_can_have_is_refused() {
        let short = Reply {
            id: 1,
            events: Vec::new(),
            leaked: [0, 0],
            stuck: false,
            leaks: Vec::new(),
            words: Vec::new(),
            reached: Vec::new(),
        };
        let with = |events| {
            let reply = Reply {
                events,
                ..short.clone()
            };
            assert!(refused(&framed(&reply)).starts_with("a frame that is no message: "));
        };
        // Each item is one byte of the frame and 32 of memory.
        with(vec![GuestEvent::NotSeen; MAX_EVENTS + 1]);
        let seen = |processes| vec![GuestEvent::Seen(processes)];
        with(seen(vec![SeenProcess::default(); MAX_PROCS + 1]));
        with(seen(vec![SeenProcess {
            entries: vec![(0, SeenEntry::default()); WINDOW_PAGES as usize + 1],
            ..SeenProcess::default()
        }]));
        assert!(refused(&framed(&[0xff_u8; 32])).starts_with("a frame that is no message: "));
        assert_eq!(
            refused(&framed(&(short, [0_u8; 3]))),
            "a frame with 3 bytes too many"
        );
    }
}
