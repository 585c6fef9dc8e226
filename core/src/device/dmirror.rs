//! The reference driver: migration both ways, CPU faults on its pages, eviction, and accesses of
//! the device.
//!
//! The driver uses only the public interface of the core, and the core does not know it. Another
//! driver can call the functions here: they work with any [`Driver`].
//!
//! Its behaviour follows `lib/test_hmm.c`, in our own words and without its bugs.

use crate::{
    Current, DevId, DeviceFault, DevicePte, Devices, Driver, DriverFuture, Enomem, FaultError,
    Folio, HmmError, HmmPfn, Lock, MigratePfn, MigrateRange, MigrateVma, Mirror, MmId,
    NotifierEvent, NotifierRange, Pfn, Request, Select, Site, State, Thp, VmFlags, Wait, errno,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::ops::Range;

/// The data of the reference driver, which has two devices (see `lib/test_hmm.c`).
#[derive(Debug)]
pub struct Dmirror(Devices);

impl Dmirror {
    /// Devices with `frames` pages each.
    pub fn new(frames: u32) -> Self {
        Self(Devices::new(frames))
    }
}

impl Driver for Dmirror {
    fn devices(&self) -> &Devices {
        &self.0
    }

    fn devices_mut(&mut self) -> &mut Devices {
        &mut self.0
    }

    fn migrate_to_ram<'k>(&self, cur: Current<'k>, fault: DeviceFault) -> DriverFuture<'k> {
        Box::pin(devmem_fault(cur, fault))
    }

    /// Drops the device mappings in the range, with two exceptions. During its own migration, the
    /// driver keeps the mappings of its device's pages, and removes them itself when it copies the
    /// pages back to system memory. When it makes a page exclusive to a device, it keeps that
    /// device's mapping.
    fn invalidate(&mut self, invalidated: &NotifierRange) {
        let NotifierRange {
            mm,
            range,
            event,
            owner,
        } = invalidated;
        self.0.retain(|(dev, m, addr), pte| {
            let own = *owner == Some(dev);
            let keeps = match event {
                NotifierEvent::Migrate => own && pte.pfn.device() == Some(dev),
                NotifierEvent::Exclusive => own,
                _ => false,
            };
            m != *mm || !range.contains(&addr) || keeps
        });
    }
}

/// The direction of a migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// To the memory of the device.
    ToDevice,
    /// To system memory.
    ToSystem,
}

/// A migration that a program requests.
#[derive(Clone, Debug)]
pub struct MigrateRequest {
    /// The device.
    pub dev: DevId,
    /// The address space.
    pub mm: MmId,
    /// The addresses.
    pub range: Range<u64>,
    /// The direction.
    pub direction: Direction,
    /// Pages for which the driver supplies no destination: page `i` if bit `i % 8` is set.
    pub skip: u8,
    /// Stop at a [gate](Wait::Gate) before the second and before the third phase.
    pub stepwise: bool,
}

/// Part of the range is not mapped or not readable (`-EINVAL`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Einval;

impl Einval {
    /// The error number of Linux, as in [`errno`].
    pub const fn errno(self) -> i32 {
        errno::EINVAL
    }
}

impl fmt::Display for Einval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("part of the range is not mapped or not readable: migrate readable VMAs only")
    }
}

impl Error for Einval {}

/// Allocates a destination of 2^`order` pages for `src` and copies the contents: the driver's part
/// between phases 1 and 2.
pub fn alloc_and_copy(
    s: &mut State,
    cur: Current<'_>,
    dev: DevId,
    direction: Direction,
    src: MigratePfn,
    order: u8,
) -> Result<Folio, Enomem> {
    let dst = match direction {
        Direction::ToDevice => s.alloc_device_folio(cur.task, dev, order)?,
        Direction::ToSystem => {
            let dst = s.folio_alloc(cur.task, order)?;
            s.folio_trylock(cur.task, dst);
            dst
        }
    };
    for i in 0..1 << order {
        let source = src.page().map(|page| s.page(Pfn(page.0 + i)).word);
        let page = Pfn(dst.head().0 + i);
        let word = source.unwrap_or(0);
        zoo!(s, Bug::NouveauZeroPageMigrate if source.is_none() && direction == Direction::ToDevice =>
            let word = s.page(page).word);
        s.set_word(page, word);
    }
    Ok(dst)
}

/// Fills in the destinations of a migration, and removes the device's mappings of pages that leave
/// the device. A huge source gets a huge destination. If that cannot be allocated, or a page of the
/// source is skipped, each page that is not skipped gets its own destination. In a huge hole,
/// either every page gets a destination or none does: if the first page has one, the kernel
/// dereferences the destinations of all pages of the hole without a check.
fn alloc_and_copy_all(
    s: &mut State,
    cur: Current<'_>,
    args: &mut MigrateVma,
    direction: Direction,
    skip: u8,
) {
    let huge = s.geometry().order(1);
    let skipped = |i: usize| skip >> (i % 8) & 1 != 0;
    let mut next = 0;
    while next < args.src.len() {
        let (i, src) = (next, args.src[next]);
        let wanted = src.migrates() && (direction == Direction::ToDevice || src.page().is_some());
        zoo!(s, Bug::PagemapDriverPfnsInMpfn if !skipped(i) && !src.migrates() =>
            s.leave_destination(cur, args, direction, i));
        next += match wanted && src.is_compound() {
            true => 1 << huge,
            false => 1,
        };
        let pages = i..next.min(args.src.len());
        if wanted && pages.len() > 1 && !pages.clone().any(skipped) {
            unmap_for_copy(s, args, direction, pages.clone());
            if let Ok(dst) = alloc_and_copy(s, cur, args.owner, direction, src, huge) {
                args.dst[i] = MigratePfn::new(dst.head()).compound();
                continue;
            }
        }
        let huge_hole = src.is_compound() && src.page().is_none();
        if huge_hole && pages.clone().any(skipped) {
            continue;
        }
        for j in pages.filter(|j| wanted && !skipped(*j)) {
            unmap_for_copy(s, args, direction, j..j + 1);
            let src = src.of_huge((j - i) as u32);
            let Ok(dst) = alloc_and_copy(s, cur, args.owner, direction, src, 0) else {
                zoo!(s, Bug::AmdkfdHoleMigration => args.dst.fill(MigratePfn::NONE));
                if huge_hole {
                    free_destinations(s, cur, &mut args.dst[i..j]);
                    break;
                }
                continue;
            };
            args.dst[j] = MigratePfn::new(dst.head());
        }
    }
}

/// Gives destinations back.
fn free_destinations(s: &mut State, cur: Current<'_>, dst: &mut [MigratePfn]) {
    for dst in dst {
        let page = core::mem::replace(dst, MigratePfn::NONE).page();
        page.map(|page| s.folio(page)).inspect(|folio| {
            s.folio_unlock(cur.task, *folio);
            s.folio_put(cur.task, *folio);
        });
    }
}

/// Removes the device's mappings of pages that leave the device.
fn unmap_for_copy(s: &mut State, args: &MigrateVma, direction: Direction, pages: Range<usize>) {
    if let (Some(area), Direction::ToSystem) = (&args.area, direction) {
        for i in pages {
            let at = (args.owner, area.mm, area.range.start + i as u64);
            s.driver_mut().unmap(at);
        }
    }
}

/// The number of pages that a migration moved.
fn pages_moved(cur: Current<'_>, args: &MigrateVma) -> u32 {
    let order = cur.state().geometry().order(1);
    args.pages_migrating(1 << order)
}

/// Migrates a range, one VMA at a time. Returns the number of pages moved.
pub async fn migrate(cur: Current<'_>, request: &MigrateRequest) -> Result<u32, Einval> {
    let lock = Lock::MmapRead(request.mm);
    cur.lock(lock).await;
    let mut moved = 0;
    let mut addr = request.range.start;
    let mut result = Ok(());
    while addr < request.range.end {
        let area = {
            let s = &*cur.state();
            s.find_vma(request.mm, addr)
                .filter(|v| s.vma(*v).flags.contains(VmFlags::READ))
                .map(|vma| MigrateRange {
                    mm: request.mm,
                    vma,
                    range: addr..request.range.end.min(s.vma(vma).end),
                })
        };
        let Some(area) = area else {
            result = Err(Einval);
            break;
        };
        addr = area.range.end;
        moved += migrate_area(cur, request, area).await;
    }
    cur.unlock(lock);
    result.map(|()| moved)
}

/// Migrates part of one VMA. The driver does not map the migrated pages for the device, because
/// `madvise` may have removed their migration entries meanwhile. The device faults when it needs a
/// page.
async fn migrate_area(cur: Current<'_>, request: &MigrateRequest, area: MigrateRange) -> u32 {
    let direction = request.direction;
    let select = match direction {
        Direction::ToDevice => Select::System,
        Direction::ToSystem => Select::DevicePrivate,
    };
    let mut args = MigrateVma::new(area, select, request.dev);
    args.compound = cur.state().thp != Thp::Never;
    cur.migrate_vma_setup(&mut args).await;
    phase(cur, request, Site::MigrateVmaSetup).await;
    {
        let s = &mut *cur.state();
        let skip = request.skip | s.tasks()[cur.task.ix()].skip;
        alloc_and_copy_all(s, cur, &mut args, direction, skip);
    }
    cur.preempt(Site::AllocAndCopy).await;
    cur.migrate_vma_pages(&mut args).await;
    phase(cur, request, Site::MigrateVmaFinalize).await;
    cur.migrate_vma_finalize(&mut args).await;
    pages_moved(cur, &args)
}

/// Ends a phase. If the program takes the migration step by step, the task waits at a gate.
async fn phase(cur: Current<'_>, request: &MigrateRequest, site: Site) {
    if request.stepwise {
        cur.sleep_on(Wait::Gate).await;
    }
    cur.preempt(site).await;
}

/// Migrates the page or the huge page of a CPU fault back to system memory
/// (`dmirror_devmem_fault`).
pub async fn devmem_fault(cur: Current<'_>, fault: DeviceFault) -> Result<(), FaultError> {
    let range = fault.range.clone();
    // with this bug, the driver asks only for the faulting page
    zoo!(cur, Bug::LatentCollectHugeFaultRef => let range = fault.addr..fault.addr + 1);
    let area = MigrateRange {
        mm: fault.mm,
        vma: fault.vma,
        range,
    };
    let mut args = MigrateVma::new(area, Select::DevicePrivate, fault.dev);
    args.fault_page = fault.fault_page;
    args.compound = fault.range.end - fault.range.start > 1;
    cur.migrate_vma_setup(&mut args).await;
    cur.preempt(Site::MigrateVmaSetup).await;
    let out_of_memory = {
        let s = &mut *cur.state();
        alloc_and_copy_all(s, cur, &mut args, Direction::ToSystem, 0);
        args.migrating() > 0 && args.dst[0].page().is_none() && args.src[0].page().is_some()
    };
    cur.migrate_vma_pages(&mut args).await;
    cur.preempt(Site::MigrateVmaFinalize).await;
    cur.migrate_vma_finalize(&mut args).await;
    if out_of_memory {
        Err(FaultError::Oom)
    } else {
        Ok(())
    }
}

/// Moves every page of `frames` out of the device's memory, wherever it is mapped
/// (`dmirror_device_evict_chunk`). Returns the number of pages moved.
pub async fn evict(cur: Current<'_>, dev: DevId, frames: Range<u32>) -> u32 {
    let mut args = MigrateVma::by_pfn(dev);
    cur.migrate_device_range(&mut args, frames).await;
    cur.preempt(Site::MigrateVmaSetup).await;
    alloc_and_copy_all(&mut cur.state(), cur, &mut args, Direction::ToSystem, 0);
    cur.preempt(Site::AllocAndCopy).await;
    cur.migrate_vma_pages(&mut args).await;
    cur.preempt(Site::MigrateVmaFinalize).await;
    cur.migrate_vma_finalize(&mut args).await;
    pages_moved(cur, &args)
}

/// Removes the device: evicts its pages, and releases its memory unless somebody still holds a page
/// there (`HMM_DMIRROR_RELEASE`). Returns the number of pages moved.
pub async fn release(cur: Current<'_>, dev: DevId) -> u32 {
    let used = cur.state().driver().memory(dev).fresh();
    zoo!(cur, Bug::DriverEvictOnRelease => {
        cur.state().driver_mut().reset_memory(dev);
        return 0;
    });
    let moved = evict(cur, dev, 0..used).await;
    let s = &mut *cur.state();
    if s.driver().memory(dev).in_use() == 0 {
        s.driver_mut().reset_memory(dev);
    }
    moved
}

/// Makes the pages of a range exclusive to the device, up to the first failure. Returns the number
/// of exclusive pages and, if one failed, its address and error.
pub async fn exclusive(
    cur: Current<'_>,
    dev: DevId,
    mm: MmId,
    range: Range<u64>,
) -> (u32, Result<(), (u64, FaultError)>) {
    let mut pages = 0;
    for addr in range {
        match exclusive_page(cur, dev, mm, addr).await {
            Ok(made) => pages += u32::from(made),
            Err(error) => return (pages, Err((addr, error))),
        }
        cur.made_progress();
    }
    (pages, Ok(()))
}

/// Makes one page exclusive and maps it for atomic operations; the folio lock keeps the CPU away
/// meanwhile. Returns false if the folio is locked and the kernel does not wait for it.
async fn exclusive_page(
    cur: Current<'_>,
    dev: DevId,
    mm: MmId,
    addr: u64,
) -> Result<bool, FaultError> {
    let lock = Lock::MmapRead(mm);
    loop {
        // Getting the page back from a device, or copying it, is an invalidation too, and would
        // change the sequence. So this happens first.
        cur.lock(lock).await;
        let page = cur.get_user_page_remote(mm, addr).await;
        cur.unlock(lock);
        put_page(cur, page?);
        let seq = cur.interval_read_begin(dev, mm).await;
        cur.lock(lock).await;
        let made = cur.make_device_exclusive(mm, addr, dev).await;
        cur.unlock(lock);
        let Some(pfn) = made? else { return Ok(false) };
        cur.preempt(Site::HmmRangeDone).await;
        if map_exclusive(cur, (dev, mm, addr), pfn, seq) {
            return Ok(true);
        }
        cur.retry_fault(mm, addr).await;
    }
}

/// Drops a reference to a page.
fn put_page(cur: Current<'_>, page: Pfn) {
    let s = &mut *cur.state();
    s.folio_put(cur.task, s.folio(page));
}

/// Maps an exclusive page if nothing was invalidated since `seq`, and releases its lock and
/// reference.
fn map_exclusive(cur: Current<'_>, at: Mirror, pfn: Pfn, seq: u64) -> bool {
    let s = &mut *cur.state();
    let valid = !s.interval_read_retry(at.0, at.1, seq);
    if valid {
        let (write, atomic) = (true, true);
        let order = 0;
        s.driver_mut().map(
            at,
            DevicePte {
                pfn,
                write,
                order,
                atomic,
            },
        );
    }
    zoo!(s, Bug::NouveauExclusiveMissingUnlock if !valid => return false);
    let folio = s.folio(pfn);
    s.folio_unlock(cur.task, folio);
    s.folio_put(cur.task, folio);
    valid
}

/// One access of the device through its page table, with as many faults as it needs. Returns the
/// word that it read or wrote.
pub async fn access(
    cur: Current<'_>,
    dev: DevId,
    mm: MmId,
    addr: u64,
    write: Option<u64>,
) -> Result<u64, HmmError> {
    loop {
        if let Some(word) = { device_access(&mut cur.state(), dev, mm, addr, write) } {
            cur.made_progress();
            return Ok(word);
        }
        match range_fault(cur, dev, mm, addr, write.is_some()).await {
            Ok(()) => {}
            Err(HmmError::Busy) => cur.retry_fault(mm, addr).await,
            Err(error) => return Err(error),
        }
    }
}

/// Makes the device map `addr` for the access (`dmirror_range_fault`).
async fn range_fault(
    cur: Current<'_>,
    dev: DevId,
    mm: MmId,
    addr: u64,
    write: bool,
) -> Result<(), HmmError> {
    let seq = cur.interval_read_begin(dev, mm).await;
    let request = if write { Request::Write } else { Request::Read };
    cur.lock(Lock::MmapRead(mm)).await;
    let found = cur.hmm_range_fault(mm, addr..addr + 1, dev, request, seq);
    let mut found = found.await.map(|pages| pages[0]);
    if let (true, Ok(HmmPfn::Valid { write: false, .. })) = (write, found) {
        // the page is in the device's own memory, and shared since a fork: a CPU fault must copy it
        found = match cur.fixup_user_fault(mm, addr, true).await {
            Ok(()) => Err(HmmError::Busy),
            Err(FaultError::Oom) => Err(HmmError::Oom),
            Err(FaultError::UffdWp) => Err(HmmError::UffdWp),
            Err(FaultError::Sigsegv) => Err(HmmError::Permission),
            Err(FaultError::Sigbus) => Err(HmmError::Fault),
        };
    }
    cur.unlock(Lock::MmapRead(mm));
    let HmmPfn::Valid { pfn, write, order } = found? else {
        return Err(HmmError::Fault);
    };
    cur.preempt(Site::HmmRangeDone).await;
    let s = &mut *cur.state();
    zoo!(s, Bug::XeDerefHmmPages => s.folio_mark_dirty(s.folio(pfn)));
    let stale = s.interval_read_retry(dev, mm, seq);
    zoo!(s, Bug::HmmNoEbusy => let stale = false);
    if stale {
        return Err(HmmError::Busy);
    }
    let pte = DevicePte {
        pfn,
        write,
        order,
        atomic: false,
    };
    s.driver_mut().map((dev, mm, addr), pte);
    zoo!(s, Bug::GpusvmMapOrder => {
        let pfn = Pfn(pfn.0 + 1);
        s.driver_mut().map((dev, mm, addr + 1), DevicePte { pfn, ..pte });
    });
    Ok(())
}

/// The pages that the device can map at each address of `range`, without a fault
/// (`dmirror_range_snapshot`).
pub async fn snapshot(cur: Current<'_>, dev: DevId, mm: MmId, range: Range<u64>) -> Vec<HmmPfn> {
    let lock = Lock::MmapRead(mm);
    loop {
        let seq = cur.interval_read_begin(dev, mm).await;
        cur.lock(lock).await;
        let seen = cur.hmm_range_fault(mm, range.clone(), dev, Request::Nothing, seq);
        let seen = seen.await;
        cur.unlock(lock);
        let valid = !cur.state().interval_read_retry(dev, mm, seq);
        // if the sequence is unchanged, only an entry of unknown type can have made the call fail
        if valid {
            return seen.unwrap_or_default();
        }
    }
}

/// One access through the device's page table; `None` is a fault of the device.
fn device_access(
    s: &mut State,
    dev: DevId,
    mm: MmId,
    addr: u64,
    write: Option<u64>,
) -> Option<u64> {
    let pte = s.driver().lookup((dev, mm, addr))?;
    if write.is_some() && !pte.write {
        return None;
    }
    if let Some(word) = write {
        s.set_word(pte.pfn, word);
        s.folio_mark_dirty(s.folio(pte.pfn));
    }
    Some(s.page(pte.pfn).word)
}
