//! What the judge's host and its guest say to each other, over a virtio-serial port.
//!
//! The host sends [`Job`]s without waiting, the guest answers each with a [`Reply`], in order. Every
//! message is a frame: its length as four little-endian bytes, then postcard.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// Longest frame that is accepted, in bytes.
pub const MAX_FRAME: usize = 1 << 24;

/// Kinds of allocations.
pub const ALLOC_KINDS: usize = 8;

/// Pages that are observed: all that a program can name.
pub const WINDOW: u32 = 32;

/// A program, and in which order things happen to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The number that the reply carries.
    pub id: u32,
    /// The program in wire form.
    pub program: Vec<u8>,
    /// What to do.
    pub plan: Vec<Action>,
    /// Frames of each device.
    pub device_frames: u32,
    /// What the model says of operations that take or give back a slot, so that the guest need not wait
    /// for each: by number.
    pub hints: Vec<(u16, Hint)>,
}

/// The model's slots after an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// It did what it was asked to.
    pub ok: bool,
    /// The migrations that are open, one bit each.
    pub open: u8,
}

/// A step of a plan. The host knows the order from the model's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Start the operation with this number.
    Start(u16),
    /// It ends now.
    End(u16),
    /// All processes are quiet, or wait: look at them.
    Observe,
    /// Give back the folio locks of third parties.
    ReleaseLocks,
    /// Give back the references of pfn walkers.
    ReleaseWalkers,
    /// Let an open migration go on to its next gate or its end.
    RunMigration(u8),
    /// Bring the guest down, to see that it is noticed.
    Crash(Crash),
    /// Let allocations of the operation that starts next fail: the nth of each kind, 0 for none. The kinds are
    /// in the order of `mm_core::AllocKind`, and the driver's.
    Fail([u8; ALLOC_KINDS]),
}

/// A way to bring the guest down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Crash {
    /// The kernel panics.
    Panic,
    /// It warns.
    Warn,
    /// Nothing happens any more.
    Hang,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The job's number.
    pub id: u32,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Frames of the devices in use after all processes were gone.
    pub leaked: [u32; 2],
    /// Something could not be ended, and the guest can do no more.
    pub stuck: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An operation ended as planned.
    Ended(u16, Outcome),
    /// An operation ended where it should have waited.
    EndedEarly(u16, Outcome),
    /// An operation did not end where it should have.
    Hangs(u16),
    /// The processes, by slot.
    Seen(Vec<Process>),
    /// The processes cannot be looked at: a writer waits for an `mmap_lock`.
    NotSeen,
}

/// How an operation ended, as user space sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It succeeded.
    Done,
    /// It read, or wrote, this word.
    Word(u64),
    /// So many pages moved.
    Moved(u32),
    /// A child process, by its slot.
    Child(u8),
    /// A reference, a lock or an open migration, by its slot.
    Slot(u8),
    /// What the device sees, or pagemap shows, a digest of it.
    Seen(u64),
    /// So many pages are the device's alone.
    Exclusive(u32),
    /// The process was sent this signal.
    Signal(i32),
    /// The call failed with this error number.
    Errno(i32),
    /// There was nothing to do it to.
    Nothing,
}

/// A process and its window.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Process {
    /// Its slot.
    pub slot: u8,
    /// The entries that are not empty, by page of the window.
    pub entries: Vec<(u8, Entry)>,
    /// Anonymous pages that it is charged for, in the window.
    pub anon_rss: i64,
    /// Swap entries that it is charged for.
    pub swap_ents: i64,
    /// Areas that meet the window.
    pub areas: u32,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Kind {
    /// A translation.
    #[default]
    Present,
    /// A migration entry of a read-only, shared page.
    MigrationRead,
    /// Of a read-only, exclusive page.
    MigrationReadExclusive,
    /// Of a writable page.
    MigrationWrite,
    /// A device page, read-only.
    DeviceRead,
    /// A device page, writable.
    DeviceWrite,
    /// A page that a device uses exclusively.
    Exclusive,
    /// In swap.
    Swap,
    /// A marker.
    Marker,
    /// Something else.
    Other,
}

/// An entry, and the page that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// 0: the system's memory, else 1 + the device.
    pub device: u8,
    /// Flags of the entry: [`entry`].
    pub flags: u8,
    /// Flags of the page: [`page`].
    pub page: u16,
    /// References.
    pub refs: i32,
    /// Mappings.
    pub maps: i32,
    /// Names the page: a number that no other page has at this moment; on a device, the frame.
    pub identity: u64,
    /// The page's offset in the window, if it is anonymous.
    pub index: i64,
    /// Its first word.
    pub word: u64,
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
    /// A slot that one mapping has for itself.
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
    /// On a list of reclaim.
    pub const LRU: u16 = 1 << 2;
    /// Backed by swap.
    pub const SWAPBACKED: u16 = 1 << 3;
    /// Exclusive to one mapping.
    pub const EXCLUSIVE: u16 = 1 << 4;
    /// Its mapping is an `anon_vma`.
    pub const ANON: u16 = 1 << 5;
    /// It has a mapping.
    pub const MAPPING: u16 = 1 << 6;
    /// In the swap cache.
    pub const SWAPCACHE: u16 = 1 << 7;
    /// Mapped in an area that is locked in memory, as far as was counted.
    pub const MLOCKED: u16 = 1 << 8;
    /// On the list that reclaim does not look at, or last was.
    pub const UNEVICTABLE: u16 = 1 << 9;
    /// Their names, lowest bit first.
    pub const NAMES: [&str; 10] = [
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
    ];
}

/// Writes a frame.
///
/// # Errors
///
/// Those of `to`.
pub fn send<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let mut frame = vec![0; 4];
    frame = postcard::to_extend(message, frame).map_err(io::Error::other)?;
    let len = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
    frame[..4].copy_from_slice(&len.to_le_bytes());
    to.write_all(&frame)?;
    to.flush()
}

/// Reads a frame.
///
/// # Errors
///
/// Those of `from`, and a frame that is too long or not a `T`.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > MAX_FRAME {
        return Err(io::Error::other(format!("a frame of {len} bytes")));
    }
    let mut frame = vec![0; len];
    from.read_exact(&mut frame)?;
    postcard::from_bytes(&frame).map_err(io::Error::other)
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
            hints: vec![(1, Hint { ok: true, open: 2 })],
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
        let long = (MAX_FRAME as u32 + 1).to_le_bytes();
        assert!(receive::<Job>(&mut long.as_slice()).is_err());
    }
}
