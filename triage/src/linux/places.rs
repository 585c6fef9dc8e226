//! Where Linux is when the model is at a scheduling point.
//!
//! A scheduling point of the core lies before a section under the page-table lock, or between two
//! phases. [`stop`] turns a point of an operation into a stop of the driver: the entry of a
//! function, or the return from one, and how often the operation must have been there. To get that
//! number, [`stop`] counts the points so far at which the kernel is in the same function.
//!
//! If several places between two effects would do, [`stop`] names one that the kernel always
//! passes. `docs/linux.md` says which points Linux cannot stop at.

use mm_core::{Lock, PageFlags, Pfn, Site, State, TaskId};
use mm_fuzz::program::Op;
use mm_linux_protocol::{Place, Stage, StopPoint};

/// A scheduling point that an operation has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its name.
    pub site: Site,
    /// The page tables that the operation's walks had entered before.
    walked: u32,
    /// A write to swap is queued.
    queued: bool,
    /// The kernel is older than 6.15, which changed `make_device_exclusive` and faults on device
    /// pages.
    old: bool,
}

impl Point {
    /// The point at which `task` is.
    pub fn of(task: TaskId, s: &State) -> Self {
        let site = s.tasks()[task.ix()].site;
        let mut frames = 0..s.frames().fresh();
        let written = |frame| s.page(Pfn(frame)).has(PageFlags::WRITEBACK);
        Self {
            site,
            walked: s.tasks()[task.ix()].walked,
            queued: site == Site::SwapWritepage && frames.any(written),
            old: !s.rules().exclusive_waits_for_lock,
        }
    }
}

/// The points of an operation, in order.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// The points.
    pub all: Vec<Point>,
    /// The page tables that the operation's walks have entered until now.
    walked: u32,
    /// Who passed the last point.
    task: Option<TaskId>,
    /// The number of page tables when the operation was stopped at the last point: those of the
    /// address spaces whose `mmap_lock` it holds.
    tables: usize,
    /// The points at which the operation was stopped while others made such a page table.
    overtaken: Vec<usize>,
}

impl Points {
    /// The operation passes a point.
    pub fn pass(&mut self, task: TaskId, s: &State) {
        self.task = Some(task);
        self.all.push(Point::of(task, s));
    }

    /// A slice of the operation has ended.
    pub fn end(&mut self, s: &State) {
        if let Some(task) = self.task {
            self.walked = s.tasks()[task.ix()].walked;
        }
    }

    /// The operation is stopped at its last point.
    pub fn stops(&mut self, s: &State) {
        self.tables = self.tables(s);
    }

    /// The operation goes on after it was stopped.
    pub fn goes_on(&mut self, s: &State) {
        if self.tables(s) > self.tables {
            self.overtaken.push(self.all.len() - 1);
        }
    }

    fn tables(&self, s: &State) -> usize {
        let held = self.task.map_or(&[][..], |task| &s.tasks()[task.ix()].held);
        let of_held =
            |mm| [Lock::MmapRead(mm), Lock::MmapWrite(mm)].map(|lock| held.contains(&lock));
        let tables = s.tables().tables();
        tables
            .filter(|(_, table)| of_held(table.mm).contains(&true))
            .count()
    }

    /// Whether a walk enters a page table at this point. If not, the point comes after the walk's
    /// last table.
    fn enters(&self, at: usize) -> bool {
        let after = self
            .all
            .get(at + 1)
            .map_or(self.walked, |point| point.walked);
        after > self.all[at].walked
    }

    /// The number of points up to and including point `at` that have one of these names.
    fn count(&self, at: usize, sites: &[Site]) -> usize {
        let points = self.all[..=at].iter();
        points.filter(|point| sites.contains(&point.site)).count()
    }

    /// The number of points up to and including point `at` that are like it: they have its name,
    /// and either all of them enter a page table or none does.
    pub fn alike(&self, at: usize) -> usize {
        let alike = |i: &usize| {
            self.all[*i].site == self.all[at].site && self.enters(*i) == self.enters(at)
        };
        (0..=at).filter(alike).count()
    }

    /// Whether the kernel announces an invalidation to drivers at this point. A change of
    /// protection is announced only once the walk comes to a page table (`change_pud_range`, and
    /// `change_pmd_range` of older kernels).
    fn announces(&self, at: usize) -> bool {
        let next = at + 1;
        let changes_nothing = self
            .all
            .get(next)
            .is_some_and(|point| point.site == Site::ChangePteRange && !self.enters(next));
        self.all[at].site == Site::NotifierStart && !changes_nothing
    }

    /// The point of this run that corresponds to point `at` of `other`, another run of the same
    /// operation. If point `at` is the nth of the points [like it](Self::alike) in `other`, the
    /// result is the nth of the points like it in this run. `None` if there are fewer.
    pub fn find(&self, other: &Self, at: usize) -> Option<usize> {
        let (wanted, alike) = (other.all[at].site, other.alike(at));
        let mut points = (0..self.all.len())
            .filter(|i| self.all[*i].site == wanted && self.enters(*i) == other.enters(at));
        points.nth(alike - 1)
    }
}

/// The points at which a walk over a range looks for the next page table.
const WALKS: &[Site] = &[
    Site::ZapPteRange,
    Site::ChangePteRange,
    Site::ClearRefs,
    Site::MadvisePteRange,
    Site::PagemapRead,
    Site::MigrateVmaCollect,
    Site::HmmRangeFault,
];

/// Page faults that reach `do_swap_page`.
const SWAP_FAULTS: &[Site] = &[
    Site::DoSwapPage,
    Site::MigrationEntryWait,
    Site::RemoveDeviceExclusive,
];

fn at(places: &[Place], times: usize) -> StopPoint {
    StopPoint {
        stages: vec![Stage::new(places, times)],
    }
}

/// A stop in two stages: the operation is at any of `first`, as often as `times` says, and then at
/// any of `places`. If `times` is 0, there is no first stage.
fn then(first: &[Place], times: usize, places: &[Place]) -> StopPoint {
    let first = (times > 0).then(|| Stage::new(first, times));
    let stages = first.into_iter().chain([Stage::new(places, 1)]).collect();
    StopPoint { stages }
}

/// Where the driver stops an operation that the model preempts at a point.
///
/// # Errors
///
/// Why Linux cannot stop there.
pub fn stop(op: Op, points: &Points, i: usize) -> Result<StopPoint, &'static str> {
    use Place as P;
    let Point {
        site, queued, old, ..
    } = points.all[i];
    let n = points.count(i, &[site]);
    if old && points.count(i, &[Site::MigrateToRam]) > 0 {
        return Err(
            "before 6.15, a second fault on the device page retries until this one is over",
        );
    }
    if matches!(op, Op::Exit { .. }) {
        return Err("a process that is killed cannot say where it stops");
    }
    if WALKS.contains(&site) && points.overtaken.contains(&i) {
        return Err(
            "another task makes a page table meanwhile, and the kernel has already looked for it",
        );
    }
    let table = |enters: &[Place], end| match points.enters(i) {
        true => at(enters, points.alike(i)),
        false => at(&[end], points.alike(i)),
    };
    let swap_fault = |places: &[Place]| {
        let faults = points.count(i, SWAP_FAULTS);
        match faults {
            0 => Err("it is not in a page fault"),
            _ => Ok(then(&[P::SwapFault], faults, places)),
        }
    };
    Ok(match site {
        Site::Start => return Err("the operation has not begun"),
        Site::DoAnonymousPage => at(&[P::AnonLock], n),
        Site::DoWpPage => at(&[P::WpLock], n),
        Site::WpPageCopy => at(&[P::CopyLock], n),
        Site::DoSwapPage => swap_fault(&[P::SwapLookup, P::SwapLock])?,
        Site::SwapCacheGetFolio => swap_fault(&[P::SwapLookup])?,
        Site::SwapCacheFound => match points.all[i - 1].site {
            Site::SwapReadFolio => swap_fault(&[P::SwapIsRead, P::SwapIsReadAhead])?,
            _ => swap_fault(&[P::SwapLookedUp])?,
        },
        Site::FolioLockOrRetry => swap_fault(&[P::SwapLock])?,
        Site::SwapReadFolio => at(&[P::SwapRead], n),
        Site::MigrateToRam => at(&[P::MigrateToRam], n),
        Site::MigrationEntryWait => at(&[P::MigrationWait], n),
        Site::RemoveDeviceExclusive => at(&[P::ExclusiveFault], n),
        Site::RestoreExclusive => at(&[P::ExclusiveLock], n),
        Site::MakeDeviceExclusive if old => {
            return Err("before 6.15, the kernel enters no function for each page");
        }
        Site::MakeDeviceExclusive => at(&[P::ExclusiveWalk], n),
        Site::CopyPteRange => return copy_range(points, i),
        Site::CopyPresentPage => at(&[P::ForkLock], tables_copied(points, i) + n),
        Site::ZapPteRange => table(&[P::ZapTable], P::ZapEnd),
        Site::ChangePteRange => table(&[P::ChangeTable], P::ChangeEnd),
        Site::ClearRefs => table(&[P::ClearTable], P::ClearEnd),
        Site::MadvisePteRange if matches!(op, Op::Willneed { .. }) => {
            return Err("the kernel looks at all swap entries of a table at once");
        }
        Site::MadvisePteRange => table(&[P::AdviseFreeTable, P::AdviseColdTable], P::AdviseEnd),
        // The kernel takes mmap_lock once before its first table. The model passes a point in each
        // table and one before each further table.
        Site::PagemapRead if n.is_multiple_of(2) => at(&[P::PagemapLock], 2 + n / 2),
        Site::PagemapRead => then(
            &[P::PagemapLock],
            2 + n / 2,
            &[P::PagemapTable, P::PagemapHole],
        ),
        Site::MovePtes => at(&[P::MoveLock], n),
        Site::MigrateVmaCollect => at(&[P::CollectTable, P::CollectHole], n),
        Site::MigrateVmaUnmap => then(&[P::CheckPage], n - 1, &[P::TryToMigrate, P::CheckPage]),
        Site::MigrateVmaSetup => at(&[P::SetupDone], n),
        Site::AllocAndCopy => {
            let setups = points.count(i, &[Site::MigrateVmaSetup]);
            at(&[P::VmaPages, P::DevicePages], setups.max(1))
        }
        Site::MigrateVmaPages => then(&[P::MigrateMapping], n - 1, &[P::PageMapping]),
        Site::MigrateVmaInsertPage => at(&[P::InsertLock], n),
        Site::MigrateVmaFinalize => at(&[P::VmaFinalize, P::DeviceFinalize], n),
        Site::FolioLockAnonVma => at(&[P::TryToMigrate, P::TryToUnmap], n),
        Site::TryToMigrate | Site::TryToUnmap => {
            let ones = points.count(i, &[Site::TryToMigrate, Site::TryToUnmap]);
            then(&[P::MigrateOne, P::UnmapOne], ones, &[P::WalkMapped])
        }
        Site::RemoveMigrationPtes => at(&[P::RemovePte], n),
        Site::AnonVmaPrepare => at(&[P::PrepareLock], n),
        Site::AnonVmaFork => then(&[P::Clone], n, &[P::RmapInsert]),
        Site::AnonVmaUnlink => then(&[P::UnlinkLock], n, &[P::RmapRemove]),
        // without a VMA, there is no page to follow
        Site::FollowPage => then(&[P::Follow], n - 1, &[P::GupArea, P::Follow]),
        Site::GupFast => return Err("gup_fast runs with interrupts off"),
        Site::HmmRangeFault if matches!(op, Op::Snapshot { .. }) && n > 1 => {
            return Err("the kernel looks at all entries of a table at once");
        }
        Site::HmmRangeFault => at(&[P::HmmTable, P::HmmHole], n),
        Site::HmmRangeDone => at(&[P::DeviceMap], n),
        Site::NotifierStart if !points.announces(i) => {
            return Err("the kernel announces no change of a range without page tables");
        }
        // each invalidation calls the notifiers of both devices
        Site::NotifierStart => {
            let announced = (0..=i).filter(|at| points.announces(*at)).count();
            at(&[P::Invalidated], 2 * announced)
        }
        Site::ShrinkFolio if n > 1 => {
            return Err("the kernel enters no function between two folios that it reclaims");
        }
        Site::ShrinkFolio => at(&[P::Shrink], 1),
        Site::SwapWritepage if old => {
            return Err("the driver knows no place at the end of a write to swap before 6.15");
        }
        Site::SwapWritepage if queued => at(&[P::Submit], 1),
        Site::SwapWritepage => at(&[P::WrittenOut], n),
        Site::CollapseHugePage => return Err("the driver knows no place in a collapse"),
        Site::MigratePages => at(&[P::TryToMigrate, P::MoveToNew], n),
    })
}

/// The tables that a fork has entered up to this point. The model looks for a table again after it
/// has copied a pinned page; the kernel does not.
fn tables_copied(points: &Points, i: usize) -> usize {
    let is_copy = |at: usize| points.all[at].site == Site::CopyPteRange && points.enters(at);
    let again = |at: usize| at > 0 && points.all[at - 1].site == Site::CopyPresentPage;
    (0..=i).filter(|at| is_copy(*at) && !again(*at)).count()
}

fn copy_range(points: &Points, i: usize) -> Result<StopPoint, &'static str> {
    if i > 0 && points.all[i - 1].site == Site::CopyPresentPage {
        return Err("the kernel has held the page-table lock since it copied the pinned page");
    }
    let copied = tables_copied(points, i);
    if points.enters(i) {
        return Ok(at(&[Place::ForkTable], copied));
    }
    let follows_table =
        i > 0 && points.all[i - 1].site == Site::CopyPteRange && points.enters(i - 1);
    if !follows_table {
        return Err("the kernel enters no function between two VMAs without page tables");
    }
    Ok(at(&[Place::ForkEnd], copied))
}
