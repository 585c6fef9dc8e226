//! A machine with one process, and short names for what tests do and check.

use mm_core::{
    AllocKind, Current, DevId, Direction, Dmirror, Entry, Folio, Geometry, Kernel, MigrateRequest,
    MmId, Page, PageFlags, Pfn, PresentPte, Pte, Softleaf, SwapSlot, TaskId, VmFlags, Vma, dmirror,
};
use std::ops::Range;

pub const READ: VmFlags = VmFlags::READ;
pub const READ_WRITE: VmFlags = READ.union(VmFlags::WRITE);
pub const GPU: DevId = DevId(0);
pub const OTHER_GPU: DevId = DevId(1);
pub const KINDS: [AllocKind; 8] = [
    AllocKind::Page,
    AllocKind::PageTable,
    AllocKind::Vma,
    AllocKind::AnonVma,
    AllocKind::Avc,
    AllocKind::DevicePage,
    AllocKind::Mm,
    AllocKind::SwapSlot,
];

/// An action, and its name for messages.
pub type Deed = (&'static str, fn(&Lab));

/// A machine, and a process that has mapped pages 0 to 15.
pub struct Lab {
    pub kernel: Kernel,
    pub mm: MmId,
}

impl Lab {
    pub fn new() -> Self {
        let driver = Dmirror::new(Geometry::TINY.device_frames());
        let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
        let mm = kernel.current(TaskId(0)).mm_create().expect("memory");
        let lab = Self { kernel, mm };
        lab.mmap(0..16);
        lab
    }

    /// A machine and a process as from [`new`](Self::new), with `words` written to the first pages.
    pub fn with(words: &[u64]) -> Self {
        let lab = Self::new();
        for (addr, word) in words.iter().enumerate() {
            lab.write(lab.mm, addr as u64, *word);
        }
        lab
    }

    /// Runs a program on CPU 0 to its end.
    pub fn run<'k, T>(&'k self, program: impl AsyncFnOnce(Current<'k>) -> T) -> T {
        self.run_on(0, program)
    }

    pub fn run_on<'k, T>(&'k self, cpu: u8, program: impl AsyncFnOnce(Current<'k>) -> T) -> T {
        let ended = self.kernel.run(TaskId(cpu), program);
        ended.expect("one task alone never waits")
    }

    pub fn mmap(&self, range: Range<u64>) {
        let mapped = self.run(async |cur| cur.mmap(self.mm, range, READ_WRITE).await);
        mapped.expect("memory");
    }

    pub fn munmap(&self, mm: MmId, range: Range<u64>) {
        let unmapped = self.run(async |cur| cur.munmap(mm, range).await);
        unmapped.expect("memory");
    }

    pub fn mprotect(&self, mm: MmId, range: Range<u64>, flags: VmFlags) {
        let changed = self.run(async |cur| cur.mprotect(mm, range, flags).await);
        changed.expect("VMAs that take the protection");
    }

    pub fn write(&self, mm: MmId, addr: u64, word: u64) {
        let written = self.run(async |cur| cur.user_access(mm, addr, Some(word)).await);
        assert_eq!(written, Ok(word), "a write to page {addr}");
    }

    pub fn read(&self, mm: MmId, addr: u64) -> u64 {
        let read = self.run(async |cur| cur.user_access(mm, addr, None).await);
        read.expect("a readable page")
    }

    pub fn fork(&self, parent: MmId) -> MmId {
        let child = self.run(async |cur| cur.fork(parent).await);
        child.expect("memory")
    }

    pub fn exit(&self, mm: MmId) {
        self.run(async |cur| cur.mmput(mm).await);
    }

    /// Migrates a range to or from device 0, and returns the number of pages that moved.
    pub fn migrate(&self, range: Range<u64>, direction: Direction) -> u32 {
        let request = self.request(range, direction);
        let moved = self.run(async |cur| dmirror::migrate(cur, &request).await);
        moved.expect("a readable range")
    }

    pub fn to_device(&self, range: Range<u64>) -> u32 {
        self.migrate(range, Direction::ToDevice)
    }

    pub fn request(&self, range: Range<u64>, direction: Direction) -> MigrateRequest {
        MigrateRequest {
            dev: GPU,
            mm: self.mm,
            range,
            direction,
            skip: 0,
            stepwise: false,
        }
    }

    /// Moves the folio at an address within system memory. Returns true if it moved.
    pub fn compact(&self, mm: MmId, addr: u64) -> bool {
        let folio = self.folio(mm, addr);
        self.run(async |cur| cur.migrate_pages(folio).await)
    }

    /// The folio at an address.
    pub fn folio(&self, mm: MmId, addr: u64) -> Folio {
        let page = self.pfn(mm, addr);
        self.kernel.state().folio(page)
    }

    /// Reclaims the page at an address. Returns true if that freed it.
    pub fn reclaim(&self, mm: MmId, addr: u64) -> bool {
        let folio = self.folio(mm, addr);
        let reclaim = || self.run(async |cur| cur.reclaim_folio(folio).await) > 0;
        // since 7.3 the write to swap is queued, and the second reclaim frees the page
        let is_queued = || {
            let s = self.kernel.state();
            s.head(folio).has(PageFlags::SWAPCACHE) && s.head(folio).folio_mapcount() == 0
        };
        reclaim() || is_queued() && reclaim()
    }

    pub fn pte(&self, mm: MmId, addr: u64) -> Pte {
        let s = self.kernel.state();
        s.tables().entry_for(s.mm(mm).pgd, addr)
    }

    pub fn present(&self, mm: MmId, addr: u64) -> PresentPte {
        let pte = self.pte(mm, addr).present();
        pte.unwrap_or_else(|| panic!("page {addr} is not mapped: {:?}", self.pte(mm, addr)))
    }

    pub fn leaf(&self, mm: MmId, addr: u64) -> Softleaf {
        let leaf = self.pte(mm, addr).leaf();
        leaf.unwrap_or_else(|| panic!("page {addr} is {:?}", self.pte(mm, addr).decode()))
    }

    /// The page that an entry names, present or not.
    pub fn pfn(&self, mm: MmId, addr: u64) -> Pfn {
        match self.pte(mm, addr).decode() {
            Entry::Present(pte) => pte.pfn(),
            _ => self.leaf(mm, addr).pfn().expect("an entry with a page"),
        }
    }

    pub fn page(&self, mm: MmId, addr: u64) -> Page {
        let pfn = self.pfn(mm, addr);
        *self.kernel.state().page(pfn)
    }

    /// The slot that a swap entry names.
    pub fn slot(&self, mm: MmId, addr: u64) -> SwapSlot {
        let Softleaf::Swap(slot) = self.leaf(mm, addr) else {
            panic!("page {addr} is not swapped out");
        };
        self.kernel.state().swap().slot(slot)
    }

    /// The device whose private page the entry for an address names; `None` for any other entry.
    pub fn device(&self, mm: MmId, addr: u64) -> Option<DevId> {
        match self.pte(mm, addr).leaf()? {
            Softleaf::DevicePrivate { pfn, .. } => pfn.device(),
            _ => None,
        }
    }

    pub fn rss(&self, mm: MmId) -> i64 {
        self.kernel.state().mm(mm).anon_rss
    }

    /// Number of system frames in use, without the zero page.
    pub fn frames(&self) -> u32 {
        self.kernel.state().frames().in_use() - 1
    }

    pub fn device_frames(&self, dev: DevId) -> u32 {
        self.kernel.state().driver().memory(dev).in_use()
    }

    /// The bounds of all VMAs.
    pub fn areas(&self, mm: MmId) -> Vec<Range<u64>> {
        let s = self.kernel.state();
        let areas = s.mm(mm).vmas.iter();
        areas.map(|vma| s.vma(*vma).range()).collect()
    }

    pub fn area<T>(&self, mm: MmId, addr: u64, of: impl FnOnce(&Vma) -> T) -> T {
        let s = self.kernel.state();
        let vma = s.find_vma(mm, addr).expect("a VMA");
        of(s.vma(vma))
    }

    /// The places where the reverse map says that a page may be mapped.
    pub fn rmap(&self, pfn: Pfn) -> Vec<(MmId, u64)> {
        let s = self.kernel.state();
        let page = s.page(pfn);
        let anon_vma = page.anon_vma().expect("an anonymous page");
        let index = page.index..page.index + 1;
        (0..)
            .map_while(|n| s.rmap_walk_nth(anon_vma, &index, n))
            .map(|(vma, addrs)| (s.vma(vma).mm, addrs.start))
            .collect()
    }

    /// Asserts that the reverse map of each page contains every place that maps it.
    pub fn rmap_is_complete(&self, processes: &[MmId]) {
        for mm in processes {
            for area in self.areas(*mm) {
                for addr in area {
                    let named = match self.pte(*mm, addr).decode() {
                        Entry::None => continue,
                        Entry::Present(pte) => Some(pte.pfn()),
                        Entry::Leaf(leaf) => leaf.softleaf().and_then(Softleaf::pfn),
                    };
                    if let Some(pfn) = named.filter(|pfn| *pfn != Pfn::ZERO) {
                        let found = self.rmap(pfn);
                        assert!(found.contains(&(*mm, addr)), "{pfn:?}: {found:?}");
                    }
                }
            }
        }
    }

    /// Asserts that nothing is left of any process.
    pub fn nothing_is_left(&self) {
        let s = self.kernel.state();
        assert_eq!(s.mms().live(), 0, "address spaces");
        assert_eq!(s.vmas().live(), 0, "VMAs");
        assert_eq!(s.anon_vmas().live(), 0, "anon_vmas");
        assert_eq!(s.avcs().live(), 0, "links to anon_vmas");
        assert_eq!(s.tables().tables().count(), 0, "page tables");
        assert_eq!(s.frames().in_use(), 1, "frames besides the zero page");
        assert_eq!(s.tlbs().iter().count(), 0, "TLB entries");
        assert!(s.swap().iter().all(|(_, slot)| slot.is_free()), "slots");
        assert_eq!(*s.pgmap_refs(), [0; 2], "references to devices");
        for dev in [GPU, OTHER_GPU] {
            assert_eq!(s.driver().memory(dev).in_use(), 0, "frames of {dev:?}");
        }
    }
}
