//! Each operation of a program, in terms of the core. What several have in common is in the modules beside it: `access`,
//! `changes`, `concurrent`, `holding`, `migrations`, `processes`.
//!
//! The reference model hears of an operation's end in the same section in which the core has ended
//! it: there is no scheduling point in between.

use super::outcome::Outcome;
use super::world::{Process, World};
use crate::finding::Finding;
use crate::oracle::{At, Moves, contents};
use crate::program::{self, How, OnOff, Op, Prot, Toward};
use crate::reference::{Change, End, Remap};
use mm_core::{
    Advice, AllocKind, ChangeError, Current, DevId, Direction, Foll, Kernel, MigrateRequest,
    TaskId, VmFlags, dmirror,
};
use std::cell::RefCell;
use std::ops::Range;

/// How an operation ended, or what was wrong with that.
pub type OpResult = Result<Outcome, Box<Finding>>;

/// What the operations of a program work on.
pub struct Bench<'k> {
    /// The machine.
    pub kernel: &'k Kernel,
    /// What the program holds.
    pub world: RefCell<World<'k>>,
    /// Address of the first page of the program's window.
    pub base: u64,
    /// The program has one thread.
    pub alone: bool,
}

impl Bench<'_> {
    /// The pages of the range, as far as they are in the window.
    pub(super) fn range(&self, addr: program::Addr, len: program::Len) -> Range<u64> {
        let first = u64::from(addr.get());
        let window = u64::from(program::Addr::MAX.get()) + 1;
        let end = (first + u64::from(len.get())).min(window);
        self.base + first..self.base + end
    }

    /// What an operation moves.
    pub fn moves(&self, op: &Op) -> Option<Moves> {
        let Op::Mremap {
            addr, len, to, how, ..
        } = *op
        else {
            return None;
        };
        let from = self.range(addr, len);
        (how != How::Stay).then(|| Moves {
            from: from.start,
            pages: from.end - from.start,
            to: self.base + u64::from(to.get()),
        })
    }
}

/// One operation being run.
#[derive(Clone, Copy)]
pub struct Running<'a, 'k> {
    /// Where.
    pub bench: &'a Bench<'k>,
    /// By whom.
    pub task: TaskId,
    /// Which.
    pub at: At,
    /// Allocation failures before it started.
    pub failures: u32,
}

pub(super) const fn access_flags(prot: Prot) -> VmFlags {
    match prot {
        Prot::None => VmFlags::empty(),
        Prot::Read => VmFlags::READ,
        Prot::ReadWrite => VmFlags::READ.union(VmFlags::WRITE),
    }
}

const fn foll(access: program::Access) -> Foll {
    match access {
        program::Access::Read => Foll::empty(),
        program::Access::Write => Foll::WRITE,
    }
}

impl From<program::AllocKind> for AllocKind {
    fn from(kind: program::AllocKind) -> Self {
        match kind {
            program::AllocKind::Page => Self::Page,
            program::AllocKind::PageTable => Self::PageTable,
            program::AllocKind::Vma => Self::Vma,
            program::AllocKind::AnonVma => Self::AnonVma,
            program::AllocKind::Avc => Self::Avc,
            program::AllocKind::DevicePage => Self::DevicePage,
            program::AllocKind::Mm => Self::Mm,
            program::AllocKind::SwapSlot => Self::SwapSlot,
        }
    }
}

impl<'a, 'k> Running<'a, 'k> {
    pub(super) fn cur(&self) -> Current<'k> {
        self.bench.kernel.current(self.task)
    }

    fn addr(&self, addr: program::Addr) -> u64 {
        self.bench.base + u64::from(addr.get())
    }

    fn range(&self, addr: program::Addr, len: program::Len) -> Range<u64> {
        self.bench.range(addr, len)
    }

    fn dev(dev: program::Dev) -> DevId {
        DevId(dev.get())
    }

    /// A word that nothing else in the program writes.
    fn word(&self) -> u64 {
        self.at.step as u64 + 1
    }

    /// Runs the operation.
    pub async fn run(self, op: Op) -> OpResult {
        match op {
            Op::Fail { alloc, nth } => {
                let s = &mut *self.bench.kernel.state();
                s.fail.arm(alloc.into(), nth.get().into());
                Ok(Outcome::Done)
            }
            Op::Evict { dev, first, len } => {
                let first = u32::from(first.get());
                let limit = self.bench.kernel.state().geometry().device_frames;
                let frames = first..(first + u32::from(len.get())).min(limit);
                Ok(Outcome::Moved(
                    dmirror::evict(self.cur(), Self::dev(dev), frames).await,
                ))
            }
            Op::Release { dev } => Ok(Outcome::Moved(
                dmirror::release(self.cur(), Self::dev(dev)).await,
            )),
            Op::Pages { migration, skip } => {
                Ok(self.next_phase(migration.get().into(), skip.get()).await)
            }
            Op::Finalize { migration } => Ok(self.next_phase(migration.get().into(), 0).await),
            Op::Put { held } => Ok(self.put(held.get().into())),
            Op::Unlock { lock } => Ok(self.unlock(lock.get().into())),
            _ => self.run_in_process(op).await,
        }
    }

    /// Runs an operation on the process that it names, whose address space stays while it runs.
    async fn run_in_process(self, op: Op) -> OpResult {
        let Some(name) = op.proc() else {
            return Ok(Outcome::Nothing);
        };
        let Some(process) = self.bench.world.borrow().process(name.get()) else {
            return Ok(Outcome::Nothing);
        };
        self.bench.world.borrow_mut().promises[self.task.ix()] =
            self.bench.promise(&op, process.mm);
        self.cur().mmget(process.mm);
        let result = self.run_on(process, op).await;
        self.cur().mmput(process.mm).await;
        result
    }

    async fn run_on(self, process: Process, op: Op) -> OpResult {
        let Process { mm, .. } = process;
        let cur = self.cur();
        match op {
            Op::Mmap {
                addr, len, prot, ..
            } => {
                let (range, access) = (self.range(addr, len), access_flags(prot));
                let ticket = self.begin(process, &range, Change::Map(access), true);
                let result = cur.mmap(mm, range, access).await;
                self.end(
                    ticket,
                    Change::Map(access),
                    result.map_err(ChangeError::from),
                )
            }
            Op::Munmap { addr, len, .. } => {
                let range = self.range(addr, len);
                let ticket = self.begin(process, &range, Change::Unmap, true);
                let result = cur.munmap(mm, range).await;
                self.end(ticket, Change::Unmap, result.map_err(ChangeError::from))
            }
            Op::Mprotect {
                addr, len, prot, ..
            } => {
                let (range, access) = (self.range(addr, len), access_flags(prot));
                self.mprotect(process, range, access).await
            }
            Op::Dontneed { addr, len, .. } => {
                self.advise(process, self.range(addr, len), Advice::DontNeed)
                    .await
            }
            Op::Lazyfree { addr, len, .. } => {
                self.advise(process, self.range(addr, len), Advice::Free)
                    .await
            }
            Op::Cold { addr, len, .. } => {
                self.advise(process, self.range(addr, len), Advice::Cold)
                    .await
            }
            Op::Pageout { addr, len, .. } => {
                self.advise(process, self.range(addr, len), Advice::PageOut)
                    .await
            }
            Op::Willneed { addr, len, .. } => {
                self.advise(process, self.range(addr, len), Advice::WillNeed)
                    .await
            }
            Op::Mlock {
                addr, len, switch, ..
            } => {
                let range = self.range(addr, len);
                if switch == OnOff::On {
                    let ticket = self.begin(process, &range, Change::Lock, false);
                    let result = cur.mlock(mm, range).await;
                    self.end(ticket, Change::Lock, result)
                } else {
                    let ticket = self.begin(process, &range, Change::Unlock, false);
                    let result = cur.munlock(mm, range).await;
                    self.end(ticket, Change::Unlock, result)
                }
            }
            Op::Reclaim { addr, .. } => Ok(self.reclaim(process, self.addr(addr)).await),
            Op::Dontfork {
                addr, len, switch, ..
            } => {
                let (range, on) = (self.range(addr, len), switch == OnOff::On);
                let change = Change::LeaveOut(on);
                let ticket = self.begin(process, &range, change, false);
                let ended = match cur.madvise_dontfork(mm, range, on).await {
                    Ok(true) => (End::Done, Outcome::Done),
                    Ok(false) => (End::SkippingGaps, Outcome::Enomem),
                    Err(_) => (End::OutOfMemory, Outcome::Eagain),
                };
                self.end_as(ticket, change, ended)
            }
            Op::Mremap {
                addr,
                len,
                to,
                newlen,
                how,
                ..
            } => {
                let old = self.range(addr, len);
                let new = match how {
                    How::Stay => self.range(addr, newlen),
                    How::Fixed | How::Dontunmap => self.range(to, newlen),
                };
                let remap = Remap {
                    pid: process.pid,
                    old,
                    new,
                    stay: how == How::Stay,
                    keep_source: how == How::Dontunmap,
                    release: self.bench.kernel.state().release,
                };
                self.mremap(process, remap).await
            }
            Op::UffdRegister { addr, len, .. } => {
                let range = self.range(addr, len);
                let ticket = self.begin(process, &range, Change::Register, false);
                let result = cur.uffd_register(mm, range).await;
                self.end(ticket, Change::Register, result)
            }
            Op::UffdUnregister { addr, len, .. } => {
                let range = self.range(addr, len);
                let ticket = self.begin(process, &range, Change::Unregister, false);
                let result = cur.uffd_unregister(mm, range).await;
                self.end(ticket, Change::Unregister, result)
            }
            Op::UffdWp {
                addr, len, switch, ..
            } => {
                let (range, on) = (self.range(addr, len), switch == OnOff::On);
                let change = if on {
                    Change::WriteProtect
                } else {
                    Change::WriteUnprotect
                };
                let ticket = self.begin(process, &range, change, false);
                let result = cur.uffd_writeprotect(mm, range, on).await;
                self.end(ticket, change, result)
            }
            Op::ClearSoftDirty { .. } => {
                self.bench.world.borrow_mut().model.begin_clear(process.pid);
                cur.clear_soft_dirty(mm).await;
                self.bench.world.borrow_mut().model.end_clear(process.pid);
                if self.bench.alone {
                    contents::check_cleared(self.at, &self.bench.kernel.state(), mm)?;
                }
                Ok(Outcome::Done)
            }
            Op::Fork { .. } => self.fork(process).await,
            Op::Exit { .. } => self.exit(process).await,
            Op::Read { addr, .. } => self.cpu_access(process, self.addr(addr), None).await,
            Op::Write { addr, .. } => {
                self.cpu_access(process, self.addr(addr), Some(self.word()))
                    .await
            }
            Op::DevRead { dev, addr, .. } => {
                self.device_access(process, Self::dev(dev), self.addr(addr), None)
                    .await
            }
            Op::DevWrite { dev, addr, .. } => {
                let (dev, addr) = (Self::dev(dev), self.addr(addr));
                self.device_access(process, dev, addr, Some(self.word()))
                    .await
            }
            Op::Migrate {
                addr,
                len,
                dev,
                skip,
                ..
            } => {
                let request = self.request(process, addr, len, dev, Direction::ToDevice, skip);
                self.migrate(process, request).await
            }
            Op::MigrateBack {
                addr,
                len,
                dev,
                skip,
                ..
            } => {
                let request = self.request(process, addr, len, dev, Direction::ToSystem, skip);
                self.migrate(process, request).await
            }
            Op::Setup {
                addr,
                len,
                dev,
                toward,
                ..
            } => {
                let direction = match toward {
                    Toward::Device => Direction::ToDevice,
                    Toward::System => Direction::ToSystem,
                };
                let skip = program::Skip::NOTHING;
                let request = self.request(process, addr, len, dev, direction, skip);
                Ok(self.setup(process, request).await)
            }
            Op::Snapshot { addr, len, dev, .. } => {
                let range = self.range(addr, len);
                self.snapshot(process, Self::dev(dev), range).await
            }
            Op::Get { addr, access, .. } => {
                let (addr, foll) = (self.addr(addr), foll(access) | Foll::GET);
                self.get(process, addr, foll, false).await
            }
            Op::Pin { addr, access, .. } => {
                let (addr, foll) = (self.addr(addr), foll(access) | Foll::PIN);
                self.get(process, addr, foll, false).await
            }
            Op::GetFast { addr, access, .. } => {
                let (addr, foll) = (self.addr(addr), foll(access) | Foll::GET);
                self.get(process, addr, foll, true).await
            }
            Op::PinFast { addr, access, .. } => {
                let (addr, foll) = (self.addr(addr), foll(access) | Foll::PIN);
                self.get(process, addr, foll, true).await
            }
            Op::PinLongterm { addr, access, .. } => {
                let foll = foll(access) | Foll::PIN | Foll::LONGTERM;
                self.get(process, self.addr(addr), foll, false).await
            }
            Op::Exclusive { dev, addr, len, .. } => {
                let range = self.range(addr, len);
                self.exclusive(process, Self::dev(dev), range).await
            }
            Op::Pagemap { addr, len, .. } => self.pagemap(process, self.range(addr, len)).await,
            Op::Compact { addr, .. } => Ok(self.compact(process, self.addr(addr)).await),
            Op::Hold { addr, .. } => Ok(self.hold(process, self.addr(addr))),
            Op::Lock { addr, .. } => Ok(self.lock(process, self.addr(addr))),
            Op::Fail { .. }
            | Op::Evict { .. }
            | Op::Release { .. }
            | Op::Pages { .. }
            | Op::Finalize { .. }
            | Op::Put { .. }
            | Op::Unlock { .. } => Ok(Outcome::Nothing),
        }
    }

    async fn reclaim(self, process: Process, addr: u64) -> Outcome {
        match self.named_folio(process, addr) {
            Some(pfn) => Outcome::Moved(self.cur().reclaim_page(pfn).await.into()),
            None => Outcome::Nothing,
        }
    }

    fn request(
        self,
        process: Process,
        addr: program::Addr,
        len: program::Len,
        dev: program::Dev,
        direction: Direction,
        skip: program::Skip,
    ) -> MigrateRequest {
        MigrateRequest {
            dev: Self::dev(dev),
            mm: process.mm,
            range: self.range(addr, len),
            direction,
            skip: skip.get(),
            stepwise: false,
        }
    }
}
