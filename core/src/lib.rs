#![doc = include_str!("../README.md")]
//!
//! # The way in
//!
//! - [`Kernel`] is the machine; [`Kernel::run`] and [`Kernel::schedule`] run tasks on it.
//! - [`Current`] has the operations: system calls, accesses, and the functions for drivers.
//! - [`State`] can be inspected: [`State::mm`], [`State::vma`], [`State::page`], [`State::tables`],
//!   [`State::tlbs`].
//! - [`Pte::decode`] decodes an entry; [`Softleaf`] lists the non-present kinds.
//! - [`Driver`] is the trait of a device driver; [`dmirror`] is one driver.
//! - Many modules explain a part of `mm/`: [`tables::tlb`] (who owes a flush),
//!   [`reverse_map::anon_vma`] (from a page to its entries), [`machine::lock`] (how a task sleeps),
//!   [`area::mremap`] (what moves with a VMA), [`migration::migrate_device`] (how a page goes to a
//!   device).
//! - [`Event`] and [`PteWrite`] are the log for observers; [`State::observed`] empties it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[macro_use]
pub mod zoo;

pub mod area;
pub mod device;
pub mod faults;
pub mod machine;
pub mod memory;
pub mod migration;
pub mod reclaim;
pub mod reverse_map;
pub mod tables;
#[cfg(feature = "tamper")]
pub mod tamper;

// code in the crate names a module without its folder
use area::*;
use device::*;
use faults::*;
use machine::*;
use memory::*;
use migration::*;
use reclaim::*;
use reverse_map::*;
use tables::*;

pub use anon_vma::{AnonVma, Avc};
pub use arena::Arena;
pub use device::dmirror;
pub use dmirror::{Direction, Dmirror, Einval, MigrateRequest};
pub use driver::{DeviceFault, DevicePte, Devices, Driver, DriverFuture, KeyHasher, Mirror};
pub use error::errno;
pub use fail::{AllocKind, FailInject};
pub use fault::FaultError;
pub use fork::ForkError;
pub use frames::FrameAllocator;
pub use geometry::{Geometry, GeometryError, MemorySizes};
pub use gup::Foll;
pub use hmm::{HmmError, HmmPfn, Request};
pub use huge_memory::Thp;
pub use identity::Identity;
pub use ids::{AnonVmaId, AvcId, DevId, Folio, MmId, Pfn, PteRef, SwapId, TableId, TaskId, VmaId};
pub use khugepaged::CollapseError;
pub use limits::{DEVICES, MAX_TASKS};
pub use lock::{Lock, LockClasses, RwSem, Site, Task, Wait};
pub use madvise::{Advice, AdviceError, AreaAdvice, PopulateError};
pub use memmap::Memmap;
pub use migrate_vma::{MigratePfn, MigrateRange, MigrateVma, Select};
pub use mprotect::ChangeError;
pub use mremap::{Remap, RemapError};
pub use notifier::{NotifierEvent, NotifierRange};
pub use page::{GUP_PIN_COUNTING_BIAS, Mapping, Page, PageFlags};
pub use pagemap::Pagemap;
pub use pgtable::{PageTables, Table};
pub use pte::{
    Entry, MigrationEntry, MigrationKind, PresentPte, Pte, PteFlags, Softleaf, SwapFlags, SwapPte,
};
pub use rules::{KernelVersion, RULES, Rule, Rules};
pub use run::{RunError, Schedule};
pub use state::{Current, Enomem, Kernel, State};
pub use swap::{SwapDevice, SwapSlot};
pub use tlb::{MmuGather, Tlbs, UnmapBatch};
pub use trace::{Event, PteWrite};
pub use vma::{Mm, NotifierState, VmFlags, Vma};
pub use walk::Walk;
