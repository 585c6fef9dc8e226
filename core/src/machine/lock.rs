//! Sleeping locks, and the tasks that wait for them.
//!
//! A sleeping lock is a future. [`Current::lock`] resolves when the lock is taken. A task that must
//! wait stays pending until an unlock wakes it. Nothing spins. Code that the kernel runs under a
//! spinlock (above all the page-table lock) is plain code between two `.await`s: one section that
//! holds the borrow of the [`State`].
//!
//! Lock order, outer to inner: `mmap_lock`, folio lock, `anon_vma` rwsem, page-table lock. A task
//! that holds a folio lock takes another one only by [`State::folio_trylock`].
//!
//! Corresponds to `kernel/locking/rwsem.c`, `folio_lock` and `folio_wait_bit_common` in
//! `mm/filemap.c`, and the interval part of `mm/mmu_notifier.c`.

use crate::ids::{AnonVmaId, Folio, MmId, TaskId};
use crate::page::PageFlags;
use crate::state::{Current, State};
use crate::tlb::{MmuGather, UnmapBatch};
use crate::trace::Event;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// A read-write semaphore.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RwSem {
    /// Number of tasks that hold it for reading.
    pub readers: u16,
    /// True if a task holds it for writing.
    pub writer: bool,
}

/// A sleeping lock and how it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// `mmap_lock`, for reading.
    MmapRead(MmId),
    /// `mmap_lock`, for writing.
    MmapWrite(MmId),
    /// The rwsem of a root anon_vma, for reading.
    AnonVmaRead(AnonVmaId),
    /// The rwsem of a root anon_vma, for writing.
    AnonVmaWrite(AnonVmaId),
    /// The folio lock.
    Folio(Folio),
}

bitflags! {
    /// The kinds of sleeping locks, outer ones first.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct LockClasses: u8 {
        /// `mmap_lock`.
        const MMAP = 1 << 0;
        /// Folio locks.
        const FOLIO = 1 << 1;
        /// The rwsems of anon_vmas.
        const ANON_VMA = 1 << 2;
    }
}

/// What a sleeping task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// A lock.
    Lock(Lock),
    /// The unlock of a folio that the task does not lock itself (`migration_entry_wait_on_locked`).
    Unlock(Folio),
    /// The end of all invalidations of an address space (`mmu_interval_read_begin`).
    Invalidation(MmId),
    /// Progress of another task: this one has retried a fault too often without any change.
    Progress {
        /// The address space of the fault.
        mm: MmId,
        /// The faulting address, in pages.
        addr: u64,
    },
    /// The next step of an operation that the program runs step by step.
    Gate,
}

/// The places where a task can be preempted: before a section under the page-table lock, or between
/// the phases of a longer operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    missing_docs,
    reason = "a site is named after the function that contains it"
)]
#[repr(u8)]
pub enum Site {
    #[default]
    Start,
    DoAnonymousPage,
    DoSwapPage,
    DoWpPage,
    WpPageCopy,
    MigrateToRam,
    MigrationEntryWait,
    CopyPteRange,
    CopyPresentPage,
    ZapPteRange,
    ChangePteRange,
    ClearRefs,
    MigrateVmaCollect,
    MigrateVmaUnmap,
    MigrateVmaSetup,
    AllocAndCopy,
    MigrateVmaInsertPage,
    MigrateVmaPages,
    MigrateVmaFinalize,
    FolioLockAnonVma,
    TryToMigrate,
    RemoveMigrationPtes,
    AnonVmaPrepare,
    AnonVmaFork,
    AnonVmaUnlink,
    FollowPage,
    GupFast,
    HmmRangeFault,
    HmmRangeDone,
    NotifierStart,
    ShrinkFolio,
    TryToUnmap,
    SwapWritepage,
    SwapReadFolio,
    SwapCacheGetFolio,
    SwapCacheFound,
    FolioLockOrRetry,
    MadvisePteRange,
    MovePtes,
    MakeDeviceExclusive,
    RemoveDeviceExclusive,
    RestoreExclusive,
    PagemapRead,
    MigratePages,
    CollapseHugePage,
}

/// The kernel's record of a running operation: its locks, its references, and what it waits for.
#[derive(Debug, Default)]
pub struct Task {
    /// Why the task sleeps; `None` while it can run.
    pub waiting: Option<Wait>,
    /// The locks that it holds.
    pub held: Vec<Lock>,
    /// Folio references that the operation holds and will drop, one element each.
    pub refs: Vec<Folio>,
    /// Pins that the operation holds and has not handed out yet.
    pub pins: Vec<Folio>,
    /// The operation's references to anon_vmas.
    pub anon_vma_refs: Vec<AnonVmaId>,
    /// The gathered flush that the operation owes.
    pub gather: MmuGather,
    /// The batched flushes that the operation owes as a reclaimer.
    pub batch: UnmapBatch,
    /// The last scheduling point that it passed.
    pub site: Site,
    /// Number of faults retried since the task last made progress or was woken
    /// ([`State::wake_progress`] resets it too).
    pub retries: u32,
    /// Pages that the driver must skip: page `i` if bit `i % 8` is set, as the last
    /// [`State::open_gate`] asked.
    pub skip: u8,
    /// Number of page tables that the operation's walks over ranges have entered. A walk passes a
    /// scheduling point before each table, and one after the last.
    pub walked: u32,
}

impl Task {
    /// True if the operation owes a flush of this address.
    pub fn owes_flush(&self, mm: MmId, addr: u64) -> bool {
        self.gather.owes(mm, addr) || self.batch.mms.contains(&mm)
    }

    pub(crate) fn renew(&mut self) {
        self.waiting = None;
        self.held.clear();
        self.refs.clear();
        self.pins.clear();
        self.anon_vma_refs.clear();
        self.gather.renew();
        self.batch.renew();
        self.site = Site::Start;
        self.retries = 0;
        self.skip = 0;
        self.walked = 0;
    }
}

/// Number of faults that a task may retry before it must wait for progress of another task.
const MAX_RETRIES: u32 = 16;

impl State {
    fn rwsem(&mut self, lock: Lock) -> Option<(&mut RwSem, bool)> {
        match lock {
            Lock::MmapRead(mm) => Some((&mut self.mm_mut(mm).mmap_lock, false)),
            Lock::MmapWrite(mm) => Some((&mut self.mm_mut(mm).mmap_lock, true)),
            Lock::AnonVmaRead(root) => Some((&mut self.anon_vma_mut(root).rwsem, false)),
            Lock::AnonVmaWrite(root) => Some((&mut self.anon_vma_mut(root).rwsem, true)),
            Lock::Folio(_) => None,
        }
    }

    /// Takes `lock` for `task` if it is free.
    pub(crate) fn trylock(&mut self, task: TaskId, lock: Lock) -> bool {
        let taken = match (lock, self.rwsem(lock)) {
            (Lock::Folio(folio), _) => {
                let free = !self.head(folio).has(PageFlags::LOCKED);
                if free {
                    self.head_mut(folio).flags.insert(PageFlags::LOCKED);
                }
                free
            }
            (_, Some((sem, true))) => {
                let free = *sem == RwSem::default();
                sem.writer |= free;
                free
            }
            (_, Some((sem, false))) => {
                sem.readers += u16::from(!sem.writer);
                !sem.writer
            }
            (_, None) => false,
        };
        if taken {
            self.tasks[task.ix()].held.push(lock);
        }
        taken
    }

    /// Releases `lock`, which `task` holds.
    pub(crate) fn unlock(&mut self, task: TaskId, lock: Lock) {
        self.release(lock);
        let held = &mut self.tasks[task.ix()].held;
        if let Some(i) = held.iter().rposition(|l| *l == lock) {
            held.swap_remove(i);
        }
    }

    /// Frees `lock` and wakes the tasks that wait for it.
    fn release(&mut self, lock: Lock) {
        match (lock, self.rwsem(lock)) {
            (Lock::Folio(folio), _) => {
                self.head_mut(folio).flags.remove(PageFlags::LOCKED);
                self.wake(|wait| match wait {
                    Wait::Lock(Lock::Folio(f)) | Wait::Unlock(f) => f == folio,
                    _ => false,
                });
            }
            (_, Some((sem, write))) => {
                if write {
                    sem.writer = false;
                } else {
                    sem.readers = sem.readers.saturating_sub(1);
                }
                self.wake(|wait| match (wait, lock) {
                    (Wait::Lock(w), _) => w.same_semaphore(lock),
                    _ => false,
                });
            }
            (_, None) => {}
        }
    }

    /// Wakes each waiting task for which `wakes` returns true.
    pub(crate) fn wake(&mut self, wakes: impl Fn(Wait) -> bool) {
        if self.sleepers == 0 {
            return;
        }
        for task in &mut self.tasks {
            if task.waiting.is_some_and(&wakes) {
                task.waiting = None;
                task.retries = 0;
                self.sleepers -= 1;
            }
        }
    }

    /// Takes the folio lock if it is free (`folio_trylock`).
    pub fn folio_trylock(&mut self, task: TaskId, folio: Folio) -> bool {
        self.trylock(task, Lock::Folio(folio))
    }

    /// Releases the folio lock (`folio_unlock`).
    pub fn folio_unlock(&mut self, task: TaskId, folio: Folio) {
        self.unlock(task, Lock::Folio(folio));
    }

    /// Takes the folio lock and a reference for something outside the model that does I/O on the
    /// folio. No task owns them. Returns false if the folio is locked or free.
    pub fn lock_external(&mut self, folio: Folio) -> bool {
        let page = self.head(folio);
        let free = !page.has(PageFlags::LOCKED) && page.refcount > 0;
        if free {
            let page = self.head_mut(folio);
            page.flags.insert(PageFlags::LOCKED);
            page.refcount += 1;
        }
        free
    }

    /// Releases the lock and reference of [`State::lock_external`].
    pub fn unlock_external(&mut self, folio: Folio) {
        self.release(Lock::Folio(folio));
        self.folio_ref_sub(folio, 1);
    }

    /// False for the `mmap_lock` of an address space that is gone.
    fn is_lock_alive(&self, lock: Lock) -> bool {
        match lock {
            Lock::MmapRead(mm) | Lock::MmapWrite(mm) => self.mms().is_live(mm.0.into()),
            _ => true,
        }
    }

    /// The kinds of locks that `task` holds.
    pub(crate) fn held_classes(&self, task: TaskId) -> LockClasses {
        let held = self.tasks[task.ix()].held.iter();
        held.fold(LockClasses::empty(), |all, lock| all | lock.class())
    }

    fn sleep(&mut self, task: TaskId, wait: Wait) {
        let before = self.tasks[task.ix()].waiting.replace(wait);
        self.sleepers += u32::from(before.is_none());
    }

    fn awake(&mut self, task: TaskId) {
        let before = self.tasks[task.ix()].waiting.take();
        self.sleepers -= u32::from(before.is_some());
    }

    /// Records progress that concerns all tasks, such as the end of one: wakes the tasks that wait
    /// for progress, and resets the retries of all tasks.
    pub fn wake_progress(&mut self) {
        self.wake(|wait| matches!(wait, Wait::Progress { .. }));
        self.tasks.iter_mut().for_each(|task| task.retries = 0);
    }

    /// Opens the gate that `task` waits at. Returns false if it waits at none. If the driver still
    /// has to supply destinations, it skips page `i` if bit `i % 8` of `skip` is set.
    pub fn open_gate(&mut self, task: TaskId, skip: u8) -> bool {
        let at_gate = self.tasks[task.ix()].waiting == Some(Wait::Gate);
        if at_gate {
            self.awake(task);
            self.tasks[task.ix()].skip = skip;
        }
        at_gate
    }
}

impl Lock {
    /// The kind of the lock.
    pub const fn class(self) -> LockClasses {
        match self {
            Self::MmapRead(_) | Self::MmapWrite(_) => LockClasses::MMAP,
            Self::Folio(_) => LockClasses::FOLIO,
            Self::AnonVmaRead(_) | Self::AnonVmaWrite(_) => LockClasses::ANON_VMA,
        }
    }

    fn same_semaphore(self, other: Self) -> bool {
        use Lock::{AnonVmaRead, AnonVmaWrite, Folio, MmapRead, MmapWrite};
        match (self, other) {
            (MmapRead(a) | MmapWrite(a), MmapRead(b) | MmapWrite(b)) => a == b,
            (AnonVmaRead(a) | AnonVmaWrite(a), AnonVmaRead(b) | AnonVmaWrite(b)) => a == b,
            (Folio(a), Folio(b)) => a == b,
            _ => false,
        }
    }
}

/// The future behind [`Current::lock`].
#[derive(Debug)]
#[must_use = "a lock is taken when the future is awaited"]
pub struct Acquire<'k> {
    cur: Current<'k>,
    lock: Lock,
}

impl Future for Acquire<'_> {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let s = &mut *self.cur.state();
        s.events.push(Event::Lock {
            task: self.cur.task,
            lock: self.lock,
            alive: s.is_lock_alive(self.lock),
            held: s.held_classes(self.cur.task),
        });
        if s.trylock(self.cur.task, self.lock) {
            s.awake(self.cur.task);
            return Poll::Ready(());
        }
        s.sleep(self.cur.task, Wait::Lock(self.lock));
        Poll::Pending
    }
}

/// The future behind [`Current::preempt`]. It is pending once if the schedule says so.
#[derive(Debug)]
#[must_use = "a scheduling point is passed when the future is awaited"]
pub struct Preempt<'k> {
    cur: Current<'k>,
    site: Site,
    passed: bool,
}

impl Future for Preempt<'_> {
    type Output = ();
    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.passed {
            return Poll::Ready(());
        }
        self.passed = true;
        let s = &mut *self.cur.state();
        s.tasks[self.cur.task.ix()].site = self.site;
        s.points += 1;
        if s.points == s.preempt_at {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

/// The future behind [`Current::sleep_on`].
#[derive(Debug)]
#[must_use = "a task sleeps when the future is awaited"]
pub struct Sleep<'k> {
    cur: Current<'k>,
    wait: Option<Wait>,
}

impl Future for Sleep<'_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let task = self.cur.task;
        match self.wait.take() {
            Some(wait) => {
                self.cur.state().sleep(task, wait);
                Poll::Pending
            }
            None if self.cur.state().tasks[task.ix()].waiting.is_some() => Poll::Pending,
            None => Poll::Ready(()),
        }
    }
}

impl<'k> Current<'k> {
    /// Takes `lock`. Sleeps while another task holds it.
    pub const fn lock(self, lock: Lock) -> Acquire<'k> {
        Acquire { cur: self, lock }
    }

    /// Passes a scheduling point: another task may run here if the schedule says so.
    #[inline]
    pub const fn preempt(self, site: Site) -> Preempt<'k> {
        Preempt {
            cur: self,
            site,
            passed: false,
        }
    }

    /// Sleeps until `wait` is over. The caller must have checked, since its last `.await`, that
    /// `wait` is not over yet; otherwise the task may sleep for ever.
    pub const fn sleep_on(self, wait: Wait) -> Sleep<'k> {
        Sleep {
            cur: self,
            wait: Some(wait),
        }
    }

    /// Counts a retry of the fault at `addr`. After too many retries, waits for progress of another
    /// task.
    pub async fn retry_fault(self, mm: MmId, addr: u64) {
        let stuck = {
            let task = &mut self.state().tasks[self.task.ix()];
            task.retries += 1;
            task.retries > MAX_RETRIES
        };
        if stuck {
            self.sleep_on(Wait::Progress { mm, addr }).await;
        }
    }

    /// Records that the task has made progress: its next page faults are not
    /// [retries](Self::retry_fault) of earlier ones.
    pub fn made_progress(self) {
        self.state().tasks[self.task.ix()].retries = 0;
    }

    /// Downgrades `mmap_lock` to reading (`mmap_write_downgrade`). Returns the lock that is held
    /// now.
    pub(crate) fn downgrade(self, mm: MmId) -> Lock {
        let s = &mut *self.state();
        s.unlock(self.task, Lock::MmapWrite(mm));
        // no task runs in between, so this cannot fail
        s.trylock(self.task, Lock::MmapRead(mm));
        Lock::MmapRead(mm)
    }

    /// Releases `lock` (`mmap_read_unlock` and its relatives).
    pub fn unlock(self, lock: Lock) {
        self.state().unlock(self.task, lock);
    }
}
