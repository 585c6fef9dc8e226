//! The reference driver's work: migration both ways, the CPU fault on its pages, eviction, and its
//! own accesses to memory.
//!
//! Modelled on what `lib/test_hmm.c` does, in our own words and without its bugs.

use crate::driver::{DevicePte, Mirror};
use crate::fault::{Fault, FaultError, FaultResult, VmFault};
use crate::hmm::{HmmError, HmmPfn, Request};
use crate::ids::{DevId, MmId, Pfn};
use crate::lock::{Lock, Site, Wait};
use crate::memmap::DEVICES;
use crate::migrate_vma::{MigratePfn, MigrateRange, MigrateVma, Select};
use crate::state::{Current, Enomem, State};
use crate::trace::Event;
use crate::vma::VmFlags;
use alloc::vec::Vec;
use core::ops::Range;

/// Where a migration goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// To the memory of the device.
    ToDevice,
    /// To system memory.
    ToSystem,
}

/// A migration that the program asked for.
#[derive(Clone, Debug)]
pub struct MigrateRequest {
    /// The driver.
    pub dev: DevId,
    /// The address space.
    pub mm: MmId,
    /// The addresses.
    pub range: Range<u64>,
    /// Which way.
    pub direction: Direction,
    /// Pages for which the driver supplies no destination: page `i` if bit `i % 8` is set.
    pub skip: u8,
    /// Stop at a [gate](Wait::Gate) before the second and before the third phase.
    pub stepwise: bool,
}

/// The range is not covered by areas that can be read (`-EINVAL`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Einval;

impl State {
    /// A destination for `src`, with the contents copied: step two of a driver's migration.
    pub(crate) fn alloc_and_copy(
        &mut self,
        cur: Current<'_>,
        dev: DevId,
        direction: Direction,
        src: MigratePfn,
    ) -> Result<Pfn, Enomem> {
        let source = src.page().map(|page| self.page(page).word);
        match direction {
            Direction::ToDevice => {
                let dst = self.alloc_device_page(cur.task, dev)?;
                let stale = self.page(dst).word;
                let word = self.driver.copy(source, stale);
                zoo!(self, Bug::NouveauZeroPageMigrate if source.is_none() => let word = stale);
                self.page_mut(dst).word = word;
                Ok(dst)
            }
            Direction::ToSystem => {
                let dst = self.alloc_page(cur.task)?;
                self.folio_trylock(cur.task, dst);
                self.page_mut(dst).word = source.unwrap_or(0);
                Ok(dst)
            }
        }
    }

    /// Fills in the destinations of a migration, and takes the device's mappings of the pages that
    /// leave it.
    fn dmirror_alloc_and_copy(
        &mut self,
        cur: Current<'_>,
        args: &mut MigrateVma,
        direction: Direction,
        skip: u8,
    ) {
        for i in 0..args.src.len() {
            let src = args.src[i];
            let skipped = skip >> (i % 8) & 1 != 0;
            let wanted =
                src.migrates() && (direction == Direction::ToDevice || src.page().is_some());
            zoo!(self, Bug::PagemapDriverPfnsInMpfn if !skipped && !src.migrates() =>
                self.leave_destination(cur, args, direction, i));
            if skipped || !wanted {
                continue;
            }
            if let (Some(area), Direction::ToSystem) = (&args.area, direction) {
                self.driver
                    .unmap((args.owner, area.mm, area.range.start + i as u64));
            }
            let Ok(dst) = self.alloc_and_copy(cur, args.owner, direction, src) else {
                zoo!(self, Bug::AmdkfdHoleMigration => args.dst.fill(MigratePfn::NONE));
                continue;
            };
            args.dst[i] = MigratePfn::new(dst);
        }
    }
}

impl Current<'_> {
    /// Migrates a range, area by area. Returns the number of pages moved.
    pub async fn dmirror_migrate(self, request: &MigrateRequest) -> Result<u32, Einval> {
        let lock = Lock::MmapRead(request.mm);
        self.lock(lock).await;
        let mut moved = 0;
        let mut addr = request.range.start;
        let mut result = Ok(());
        while addr < request.range.end {
            let area = {
                let s = &*self.state();
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
            moved += self.dmirror_migrate_area(request, area).await;
        }
        self.unlock(lock);
        result.map(|()| moved)
    }

    /// Migrates a part of one area. The device maps nothing yet, it faults when it needs a page:
    /// the migration entries are not the driver's to rely on, for `madvise` may take them away.
    async fn dmirror_migrate_area(self, request: &MigrateRequest, area: MigrateRange) -> u32 {
        let direction = request.direction;
        let select = match direction {
            Direction::ToDevice => Select::System,
            Direction::ToSystem => Select::DevicePrivate,
        };
        let mut args = MigrateVma::new(area, select, request.dev);
        self.migrate_vma_setup(&mut args).await;
        self.phase(request, Site::MigrateVmaSetup).await;
        {
            let s = &mut *self.state();
            let skip = request.skip | s.tasks[self.task.ix()].skip;
            s.dmirror_alloc_and_copy(self, &mut args, direction, skip);
        }
        self.preempt(Site::AllocAndCopy).await;
        self.migrate_vma_pages(&mut args).await;
        self.phase(request, Site::MigrateVmaFinalize).await;
        self.migrate_vma_finalize(&mut args).await;
        args.migrating() as u32
    }

    /// The end of a phase: a gate if the program takes the migration step by step.
    async fn phase(self, request: &MigrateRequest, site: Site) {
        if request.stepwise {
            self.sleep_on(Wait::Gate).await;
        }
        self.preempt(site).await;
    }

    /// Brings the page of a CPU fault home (`dmirror_devmem_fault`).
    pub(crate) async fn dmirror_devmem_fault(
        self,
        vmf: &VmFault,
        page: Pfn,
        fault_page: Option<Pfn>,
    ) -> FaultResult {
        // what zone_device_data of the page says
        let referenced = self.state().page(page).refcount > 0;
        self.state().events.push(Event::MigrateToRam {
            task: self.task,
            page,
            referenced,
        });
        let Some(owner) = page.device().filter(|dev| dev.ix() < DEVICES) else {
            return Err(FaultError::Sigbus);
        };
        let range = vmf.addr..vmf.addr + 1;
        let area = MigrateRange {
            mm: vmf.mm,
            vma: vmf.vma,
            range,
        };
        let mut args = MigrateVma::new(area, Select::DevicePrivate, owner);
        args.fault_page = fault_page;
        self.migrate_vma_setup(&mut args).await;
        self.preempt(Site::MigrateVmaSetup).await;
        let out_of_memory = {
            let s = &mut *self.state();
            s.dmirror_alloc_and_copy(self, &mut args, Direction::ToSystem, 0);
            args.migrating() > 0 && args.dst[0].page().is_none() && args.src[0].page().is_some()
        };
        self.migrate_vma_pages(&mut args).await;
        self.preempt(Site::MigrateVmaPages).await;
        self.migrate_vma_finalize(&mut args).await;
        if out_of_memory {
            Err(FaultError::Oom)
        } else {
            Ok(Fault::Done)
        }
    }

    /// Moves every page of `frames` out of the device's memory, wherever it is mapped
    /// (`dmirror_device_evict_chunk`). Returns the number of pages moved.
    pub async fn dmirror_evict(self, dev: DevId, frames: Range<u32>) -> u32 {
        let mut args = MigrateVma::by_pfn(dev);
        self.migrate_device_range(&mut args, frames).await;
        self.preempt(Site::MigrateVmaSetup).await;
        self.state()
            .dmirror_alloc_and_copy(self, &mut args, Direction::ToSystem, 0);
        self.preempt(Site::AllocAndCopy).await;
        self.migrate_vma_pages(&mut args).await;
        self.preempt(Site::MigrateVmaFinalize).await;
        self.migrate_vma_finalize(&mut args).await;
        args.migrating() as u32
    }

    /// The device goes away: its pages come home, and then its memory is given back, if nobody keeps
    /// a page there (`HMM_DMIRROR_RELEASE`). Returns the number of pages moved.
    pub async fn dmirror_release(self, dev: DevId) -> u32 {
        let used = self.state().driver.memory(dev).fresh();
        zoo!(self, Bug::DriverEvictOnRelease => {
            self.state().driver.reset_memory(dev);
            return 0;
        });
        let moved = self.dmirror_evict(dev, 0..used).await;
        let s = &mut *self.state();
        if s.driver.memory(dev).in_use() == 0 {
            s.driver.reset_memory(dev);
        }
        moved
    }

    /// Gives the device the pages of a range for itself, up to the first that it cannot have. Returns
    /// the number of pages, and where and why it came to an end before that of the range.
    pub async fn dmirror_exclusive(
        self,
        dev: DevId,
        mm: MmId,
        range: Range<u64>,
    ) -> (u32, Result<(), (u64, FaultError)>) {
        let mut pages = 0;
        for addr in range {
            match self.dmirror_exclusive_page(dev, mm, addr).await {
                Ok(made) => pages += u32::from(made),
                Err(error) => return (pages, Err((addr, error))),
            }
            self.state().tasks[self.task.ix()].retries = 0;
        }
        (pages, Ok(()))
    }

    /// Makes one page exclusive and maps it for atomic operations, while the folio lock keeps the CPU
    /// away. False if the folio is locked and the kernel does not wait for it.
    async fn dmirror_exclusive_page(
        self,
        dev: DevId,
        mm: MmId,
        addr: u64,
    ) -> Result<bool, FaultError> {
        let lock = Lock::MmapRead(mm);
        loop {
            // Taking the page back from a device, or copying it, is announced too, and would count in
            // the sequence: so that is done before.
            self.lock(lock).await;
            let page = self.get_user_page_remote(mm, addr).await;
            self.unlock(lock);
            self.state().folio_put(self.task, page?);
            let seq = self.interval_read_begin(dev, mm).await;
            self.lock(lock).await;
            let made = self.make_device_exclusive(mm, addr, dev).await;
            self.unlock(lock);
            let Some(pfn) = made? else { return Ok(false) };
            self.preempt(Site::HmmRangeDone).await;
            if self.map_exclusive((dev, mm, addr), pfn, seq) {
                return Ok(true);
            }
            self.retry_fault(mm, addr).await;
        }
    }

    /// Maps a page that was made exclusive, if nothing was invalidated since `seq`, and lets it go.
    fn map_exclusive(self, at: Mirror, pfn: Pfn, seq: u64) -> bool {
        let s = &mut *self.state();
        let valid = !s.interval_read_retry(at.0, at.1, seq);
        if valid {
            let (write, atomic) = (true, true);
            s.driver.map(at, DevicePte { pfn, write, atomic });
        }
        zoo!(s, Bug::NouveauExclusiveMissingUnlock if !valid => return false);
        s.folio_unlock(self.task, pfn);
        s.folio_put(self.task, pfn);
        valid
    }

    /// One access of the device: through its page table, with as many faults as it takes. Returns
    /// the word read, or just written.
    pub async fn dmirror_access(
        self,
        dev: DevId,
        mm: MmId,
        addr: u64,
        write: Option<u64>,
    ) -> Result<u64, HmmError> {
        loop {
            if let Some(word) = { self.state().device_access(dev, mm, addr, write) } {
                return Ok(word);
            }
            match self.dmirror_fault(dev, mm, addr, write.is_some()).await {
                Ok(()) => {}
                Err(HmmError::Busy) => self.retry_fault(mm, addr).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the device map `addr` (`dmirror_range_fault`).
    async fn dmirror_fault(
        self,
        dev: DevId,
        mm: MmId,
        addr: u64,
        write: bool,
    ) -> Result<(), HmmError> {
        let seq = self.interval_read_begin(dev, mm).await;
        let request = if write { Request::Write } else { Request::Read };
        self.lock(Lock::MmapRead(mm)).await;
        let mut found = self.hmm_range_fault(mm, addr, dev, request, seq).await;
        if let (true, Ok(HmmPfn::Valid { write: false, .. })) = (write, found) {
            // The device's own page, shared by a fork: the CPU side copies it.
            found = match self.fault_in_area(mm, addr, true).await {
                Ok(Fault::Done) => Err(HmmError::Busy),
                Ok(Fault::Locked(folio)) => {
                    self.folio_wait_locked(folio).await;
                    Err(HmmError::Busy)
                }
                Err(FaultError::Oom) => Err(HmmError::Oom),
                Err(FaultError::UffdWp) => Err(HmmError::UffdWp),
                Err(FaultError::Sigsegv) => Err(HmmError::Permission),
                Err(FaultError::Sigbus) => Err(HmmError::Fault),
            };
        }
        self.unlock(Lock::MmapRead(mm));
        let HmmPfn::Valid { pfn, write } = found? else {
            return Err(HmmError::Fault);
        };
        self.preempt(Site::HmmRangeDone).await;
        let s = &mut *self.state();
        zoo!(s, Bug::XeDerefHmmPages => s.folio_mark_dirty(pfn));
        let stale = s.interval_read_retry(dev, mm, seq);
        zoo!(s, Bug::HmmNoEbusy => let stale = false);
        if stale {
            return Err(HmmError::Busy);
        }
        let pte = DevicePte {
            pfn,
            write,
            atomic: false,
        };
        s.driver.map((dev, mm, addr), pte);
        zoo!(s, Bug::GpusvmMapOrder => {
            let pfn = Pfn(pfn.0 + 1);
            s.driver.map((dev, mm, addr + 1), DevicePte { pfn, ..pte });
        });
        Ok(())
    }

    /// What the device sees at each address of `range`, without a fault
    /// (`dmirror_range_snapshot`).
    pub async fn dmirror_snapshot(self, dev: DevId, mm: MmId, range: Range<u64>) -> Vec<HmmPfn> {
        let lock = Lock::MmapRead(mm);
        loop {
            let seq = self.interval_read_begin(dev, mm).await;
            self.lock(lock).await;
            let mut seen = Vec::new();
            for addr in range.clone() {
                let found = self.hmm_range_fault(mm, addr, dev, Request::Nothing, seq);
                // only an invalidation ends a look
                let Ok(pfn) = found.await else { break };
                seen.push(pfn);
            }
            self.unlock(lock);
            if !self.state().interval_read_retry(dev, mm, seq) {
                return seen;
            }
        }
    }
}

impl State {
    /// An access through the device's page table; `None` is a fault of the device.
    fn device_access(
        &mut self,
        dev: DevId,
        mm: MmId,
        addr: u64,
        write: Option<u64>,
    ) -> Option<u64> {
        let pte = self.driver.lookup((dev, mm, addr))?;
        if write.is_some() && !pte.write {
            return None;
        }
        if let Some(word) = write {
            self.page_mut(pte.pfn).word = word;
            self.folio_mark_dirty(pte.pfn);
        }
        Some(self.page(pte.pfn).word)
    }
}
