//! The commands of `/dev/mmfuzz`: `triage/linux/driver/mmfuzz_dev.h` in Rust.

pub use mm_fuzz::call::Ioctl;
use mm_fuzz::limits::{DEVICES, WINDOW_PAGES};
use mm_fuzz::window::Window;
use mm_linux_protocol::{ALLOC_KINDS, MAX_STAGES, MAX_STOPS, StopPoint};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// The most pages of a snapshot (`MMFUZZ_MAX_SNAPSHOT`): the length of an array in a command of the
/// driver. It bounds no program, because the window is smaller.
pub const MAX_SNAPSHOT: usize = 64;
/// Stands for all slots (`MMFUZZ_ALL_SLOTS`).
pub const ALL_SLOTS: usize = u32::MAX as usize;
const _: () = assert!(Window::GUEST.count(WINDOW_PAGES) as usize <= MAX_SNAPSHOT);

/// `struct mmfuzz_range`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    pub addr: u64,
    pub len: u32,
    pub dev: u32,
    pub skip: u32,
    pub flags: u32,
    pub result: u64,
    pub word: u64,
    pub unit: u32,
    pub reserved: u32,
}

/// `struct mmfuzz_slot`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    pub slot: u32,
    pub skip: u32,
    pub open: u32,
    pub reserved: u32,
}

/// `struct mmfuzz_evict`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Evict {
    pub dev: u32,
    pub first: u32,
    pub len: u32,
    pub moved: u32,
}

/// `struct mmfuzz_snapshot`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    pub addr: u64,
    pub len: u32,
    pub dev: u32,
    pub seen: [u32; MAX_SNAPSHOT],
}

/// `struct mmfuzz_fail`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Fail {
    pub nth: [u32; ALLOC_KINDS],
}

/// `struct mmfuzz_entry`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    pub kind: u8,
    pub device: u8,
    pub pte: u8,
    pub level: u8,
    pub page: u32,
    pub refs: i32,
    pub maps: i32,
    pub frame: u32,
    pub entire: i32,
    pub order: u32,
    pub uneven: u32,
    pub pfn: u64,
    pub index: u64,
    pub word: u64,
}

/// `struct mmfuzz_observe`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Observe {
    pub pid: u32,
    pub len: u32,
    pub addr: u64,
    pub entries: u64,
    pub unit: u32,
    pub reserved: u32,
    pub anon_rss: i64,
    pub swap_ents: i64,
    pub areas: u64,
}

/// `struct mmfuzz_reset`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Reset {
    pub device_frames: [u32; DEVICES],
    pub limit: u32,
    pub unit: u32,
}

/// `struct mmfuzz_stop`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct StopAt {
    pub places: [u64; MAX_STAGES],
    pub times: [u32; MAX_STAGES],
    pub stages: u32,
    pub reserved: u32,
}

/// `struct mmfuzz_stops`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Stops {
    pub step: u32,
    pub count: u32,
    pub stops: [StopAt; MAX_STOPS],
}

impl Stops {
    /// The stops of an operation.
    pub fn of(step: u16, stops: &[StopPoint]) -> Self {
        let mut all = Self {
            step: step.into(),
            count: stops.len().min(MAX_STOPS) as u32,
            ..Self::default()
        };
        for (at, stop) in all.stops.iter_mut().zip(stops) {
            for (i, stage) in stop.stages.iter().take(MAX_STAGES).enumerate() {
                (at.places[i], at.times[i]) = (stage.places, stage.times.into());
                at.stages = i as u32 + 1;
            }
        }
        all
    }
}

/// `struct mmfuzz_at`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct At {
    pub step: u32,
    pub patience: u32,
    pub state: u32,
    pub passed: u32,
}

impl At {
    /// The operation is at a stop.
    pub const STOPPED: u32 = 1;
    /// The operation has ended.
    pub const ENDED: u32 = 2;
}

/// `struct mmfuzz_schedule`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule {
    pub start: u64,
    pub end: u64,
    pub present: u64,
}

/// `struct mmfuzz_places`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    pub places: u64,
    pub count: u32,
    pub removed: u32,
}

/// An open session.
#[derive(Debug)]
pub struct Driver(File);

impl Driver {
    /// Opens a session.
    pub fn open() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/mmfuzz")?;
        Ok(Self(file))
    }

    /// Its file.
    pub fn descriptor(&self) -> u64 {
        self.0.as_raw_fd() as u64
    }

    /// Makes the kernel no longer trace these places.
    ///
    /// # Errors
    ///
    /// Those of the ioctl.
    pub fn untrace(&self, addresses: &[u64]) -> io::Result<()> {
        let mut places = Places {
            places: addresses.as_ptr() as u64,
            count: addresses.len() as u32,
            removed: 0,
        };
        self.call(Ioctl::Untrace, &mut places)
    }

    /// Runs a command.
    ///
    /// # Errors
    ///
    /// Those of the ioctl.
    pub fn call<T>(&self, command: Ioctl, argument: &mut T) -> io::Result<()> {
        let argument: *mut T = argument;
        // SAFETY: the driver reads and writes `size` bytes, those of `argument`; the types above
        // are those of its header.
        let result =
            unsafe { libc::ioctl(self.0.as_raw_fd(), number::<T>(command) as _, argument) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// Limits each device to `limit` pages; 0 stands for all that it has. From now on a frame of a
/// device has `unit` pages. Returns what the driver says of the state before.
pub fn reset(driver: &Driver, limit: u32, unit: u32) -> Reset {
    let mut reset = Reset {
        limit,
        unit,
        ..Reset::default()
    };
    let _ = driver.call(Ioctl::Reset, &mut reset);
    reset
}

/// The number of a command's ioctl, whose argument is a `T`.
pub const fn number<T>(command: Ioctl) -> u64 {
    let direction: u64 = match command {
        Ioctl::Attach | Ioctl::Warn | Ioctl::Quiet | Ioctl::Disarm => 0,
        Ioctl::Fail | Ioctl::Arm => 1,
        _ => 3,
    };
    let size = if direction == 0 {
        0
    } else {
        size_of::<T>() as u64
    };
    direction << 30 | size << 16 | (b'm' as u64) << 8 | command as u64
}
