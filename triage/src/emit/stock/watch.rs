//! Runs a program in the model, and notes what stock interfaces can show of each step. The model
//! has our driver. So this module also follows which pages `lib/test_hmm.c` would have mapped.

use crate::linux::observe;
use mm_core::{
    DevId, Entry, Event, MmId, NotifierEvent, Pagemap, Pfn, Pte, Softleaf, State, VmFlags,
};
use mm_fuzz::exec::{Executor, MAX_PROCS, Observer, OpSlots, Outcome, Released, Slots, Verdict};
use mm_fuzz::program::{Addr, Dev, Len, Op, Program, Step};
use mm_fuzz::window::Window;
use mm_linux_protocol::SeenProcess;
use std::collections::{BTreeMap, BTreeSet};

/// A step that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The process and the slot that the step works on; `None` if there was nothing to work on.
    pub place: Option<OpSlots>,
    /// How the step ended.
    pub outcome: Outcome,
    /// If the step reads pagemap, the value for each page.
    pub pagemap: Vec<Pagemap>,
    /// If the step has a device, the bytes that `HMM_DMIRROR_SNAPSHOT` of this device would give
    /// for the step's range after the step.
    pub snapshot: Vec<u8>,
    /// All processes after the step.
    pub seen: Vec<SeenProcess>,
    /// Why `lib/test_hmm.c` would not do what the model does; `None` if it would.
    pub blocked: Option<&'static str>,
}

impl Done {
    /// What stock interfaces see of the step.
    pub fn shows(&self) -> (Outcome, &[Pagemap], &[u8]) {
        (self.outcome, &self.pagemap, &self.snapshot)
    }
}

/// A page of the window, of one process at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The process, by slot.
    pub proc: usize,
    /// The page.
    pub page: u8,
    /// The page's VMA can be read.
    pub reads: bool,
    /// The page's VMA can be written to.
    pub writes: bool,
}

/// A run.
#[derive(Debug, Default)]
pub struct Watched {
    /// Its steps.
    pub steps: Vec<Done>,
    /// For each process that lives at the end, the pages in its VMAs for which some process ever
    /// had an entry.
    pub left: Vec<Left>,
    /// An operation waited for another one.
    pub waited: bool,
    /// An allocation failed, because the model has few frames.
    pub ran_out: bool,
    /// The signature of the finding, if there is one.
    pub finding: Option<String>,
}

/// Runs a program, and notes what each step shows.
pub fn trace(program: &Program, executor: &mut Executor) -> Watched {
    let mut slots = Slots::default();
    slots.procs[0] = Some(());
    let mut watch = Watch {
        program,
        window: Window::of(program),
        slots,
        mms: [None; MAX_PROCS],
        running: None,
        pagemap: BTreeMap::new(),
        mirrors: BTreeMap::new(),
        opened: BTreeSet::new(),
        used: BTreeSet::new(),
        trace: Watched::default(),
    };
    if let Verdict::Finding(finding) = executor.run_observed(program, &mut watch) {
        watch.trace.finding = Some(finding.signature());
    }
    watch.trace
}

struct Watch<'p> {
    program: &'p Program,
    window: Window,
    slots: Slots<()>,
    mms: [Option<MmId>; MAX_PROCS],
    /// The step under way.
    running: Option<Running>,
    pagemap: BTreeMap<u64, Pagemap>,
    /// The pages that lie on a device and that the test driver has mapped for the same device. The
    /// key is the address space, the device and the address. The value says whether the device may
    /// write.
    mirrors: BTreeMap<(MmId, u8, u64), bool>,
    /// The devices that are open, each with the slot of the process that has opened it.
    opened: BTreeSet<(usize, u8)>,
    /// Pages that any process has ever had an entry for.
    used: BTreeSet<u8>,
    trace: Watched,
}

/// A step under way.
struct Running {
    step: usize,
    place: Option<OpSlots>,
    blocked: Option<&'static str>,
    /// The pages of the step's range that the CPU could write to before the step.
    writable: Vec<u64>,
}

/// The device and the range of an operation that the test driver carries out.
pub fn on_device(op: Op) -> Option<(Dev, Addr, Len)> {
    match op {
        Op::DevRead { dev, addr, .. } | Op::DevWrite { dev, addr, .. } => {
            Some((dev, addr, Len::MIN))
        }
        Op::Migrate { addr, len, dev, .. }
        | Op::MigrateBack { addr, len, dev, .. }
        | Op::Exclusive { addr, len, dev, .. }
        | Op::Snapshot { addr, len, dev, .. } => Some((dev, addr, len)),
        Op::Release { dev } => Some((dev, Addr::new(0), Len::MIN)),
        _ => None,
    }
}

/// If a device faults on a page of its own, `lib/test_hmm.c` maps the struct page, not the memory
/// behind it.
const FORGOTTEN: &str = "lib/test_hmm.c has no mapping for this access to a page of its own device, and cannot fault it in";
const NOT_GIVEN_BACK: &str =
    "lib/test_hmm.c gives up its exclusive access to a page before it writes to the page";
const CLOSES: &str =
    "the process closes its /dev/hmm_dmirror, which also evicts the pages of other processes";

impl Watch<'_> {
    fn pte(&self, s: &State, mm: MmId, addr: u64) -> Option<Pte> {
        let entry = s.tables().entry_for(s.mm(mm).pgd, addr);
        (!entry.is_none()).then_some(entry)
    }

    fn range(&self, addr: Addr, len: Len) -> impl Iterator<Item = u64> + use<> {
        self.window.range(addr, len)
    }

    /// If the page at `addr` is on `dev`, whether the entry permits writing.
    fn on_own(&self, s: &State, mm: MmId, dev: u8, addr: u64) -> Option<bool> {
        match self.pte(s, mm, addr)?.leaf()? {
            Softleaf::DevicePrivate { pfn, write } => {
                (pfn.device() == Some(DevId(dev))).then_some(write)
            }
            _ => None,
        }
    }

    /// Why the test driver would not do what the model does in this operation.
    fn blocked(&self, s: &State, op: Op, mm: MmId) -> Option<&'static str> {
        let (dev, addr, write) = match op {
            Op::DevRead { dev, addr, .. } => (dev.get(), addr, false),
            Op::DevWrite { dev, addr, .. } => (dev.get(), addr, true),
            _ => return None,
        };
        let addr = self.window.addr(addr);
        if self.on_own(s, mm, dev, addr).is_some() {
            let mapped = self.mirrors.get(&(mm, dev, addr));
            return mapped
                .is_none_or(|writes| write && !writes)
                .then_some(FORGOTTEN);
        }
        let leaf = self.pte(s, mm, addr)?.leaf()?;
        (write && matches!(leaf, Softleaf::DeviceExclusive { .. })).then_some(NOT_GIVEN_BACK)
    }

    /// Adds to the mirrors the pages that the operation has migrated to a device. Removes pages
    /// that are no longer on the device, and pages of processes that have exited.
    fn update_mirrors(&mut self, s: &State, op: Op, mm: Option<MmId>, writable: &[u64]) {
        let live = self.mms;
        let mut mirrors = std::mem::take(&mut self.mirrors);
        mirrors.retain(|(mm, dev, addr), _| {
            live.contains(&Some(*mm)) && self.on_own(s, *mm, *dev, *addr).is_some()
        });
        if let (Op::Migrate { addr, len, dev, .. }, Some(mm)) = (op, mm) {
            for addr in self.range(addr, len) {
                if self.on_own(s, mm, dev.get(), addr).is_some() {
                    // for a former hole, the entry is writable now, but the mapping of the test
                    // driver is not
                    let write = writable.contains(&addr);
                    mirrors.entry((mm, dev.get(), addr)).or_insert(write);
                }
            }
        }
        self.mirrors = mirrors;
    }

    /// The byte of `HMM_DMIRROR_SNAPSHOT` for one page.
    fn snapshot(&self, s: &State, mm: MmId, dev: u8, addr: u64) -> u8 {
        const ERROR: u8 = 0xff;
        const ZERO: u8 = 0x10;
        const OWN: u8 = 0x20;
        let permits = |write: bool| if write { 2 } else { 1 };
        let area = s.find_vma(mm, addr).map(|vma| s.vma(vma).flags);
        if !area.is_some_and(|flags| flags.contains(VmFlags::READ)) {
            return ERROR;
        }
        if let Some(write) = self.on_own(s, mm, dev, addr) {
            return OWN | permits(write);
        }
        match self.pte(s, mm, addr).map(Pte::decode) {
            Some(Entry::Present(pte)) if pte.protnone() => 0,
            Some(Entry::Present(pte)) if pte.pfn() == Pfn::ZERO => ZERO | permits(pte.write()),
            Some(Entry::Present(pte)) => permits(pte.write()),
            _ => 0,
        }
    }

    fn left(&self, s: &State) -> Vec<Left> {
        let live = self.mms.iter().enumerate();
        let pages = live.filter_map(|(proc, mm)| Some((proc, (*mm)?)));
        let pages =
            pages.flat_map(|(proc, mm)| self.used.iter().map(move |page| (proc, mm, *page)));
        let left = pages.filter_map(|(proc, mm, page)| {
            let area = s.find_vma(mm, self.window.addr(Addr::new(page)))?;
            let flags = s.vma(area).flags;
            Some(Left {
                proc,
                page,
                reads: flags.contains(VmFlags::READ),
                writes: flags.contains(VmFlags::WRITE),
            })
        });
        left.collect()
    }
}

impl Observer for Watch<'_> {
    fn slice(&mut self, step: usize, s: &State) {
        if let Some(running) = &self.running {
            self.trace.waited |= running.step != step;
            return;
        }
        let op = self.program.ops[step].op;
        let place = self.slots.of(op);
        let mm = place.and_then(|place| self.mms[place.proc?]);
        let blocked = mm.and_then(|mm| self.blocked(s, op, mm));
        let writable = match (mm, on_device(op)) {
            (Some(mm), Some((_, addr, len))) => {
                let present = |addr| self.pte(s, mm, addr)?.present();
                let writes = |addr: &u64| present(*addr).is_some_and(|pte| pte.write());
                self.range(addr, len).filter(writes).collect()
            }
            _ => Vec::new(),
        };
        self.running = Some(Running {
            step,
            place,
            blocked,
            writable,
        });
    }

    fn ran(&mut self, _: usize, s: &State) {
        for event in s.events() {
            match *event {
                Event::Pagemap { addr, shown, .. } => {
                    self.pagemap.insert(addr, shown);
                }
                Event::Invalidate {
                    start: true,
                    mm,
                    first,
                    end,
                    event,
                    owner,
                    ..
                } => self.mirrors.retain(|(of, dev, addr), _| {
                    let own = event == NotifierEvent::Migrate && owner == Some(DevId(*dev));
                    own || *of != mm || !(first..end).contains(addr)
                }),
                _ => {}
            }
        }
    }

    fn released(&mut self, _: Released) {
        self.trace.waited |= self.running.is_some();
    }

    fn processes(&mut self, mms: [Option<MmId>; MAX_PROCS]) {
        self.mms = mms;
        self.slots.procs = mms.map(|mm| mm.map(|_| ()));
    }

    fn operation(&mut self, _: usize, ended: &Step, outcome: Outcome, s: &State) {
        let op = ended.op;
        let Some(running) = self.running.take() else {
            return;
        };
        let Running {
            place,
            mut blocked,
            writable,
            ..
        } = running;
        let proc = place.and_then(|place| place.proc);
        let mm = proc.and_then(|proc| self.mms[proc]);
        self.update_mirrors(s, op, mm, &writable);
        let seen = observe::processes(s, &self.mms, self.window, 1);
        for process in &seen {
            self.used
                .extend(process.entries.iter().map(|(page, _)| *page));
        }
        // pagemap is empty where there is no VMA
        let shown = std::mem::take(&mut self.pagemap);
        let pagemap = match op {
            Op::Pagemap { addr, len, .. } => {
                let range = self.range(addr, len);
                let of = |addr| shown.get(&addr).copied().unwrap_or(Pagemap::empty());
                range.map(of).collect()
            }
            _ => Vec::new(),
        };
        let mut snapshot = Vec::new();
        if let (Some((dev, addr, len)), Some(proc), Some(mm)) = (on_device(op), proc, mm) {
            self.opened.insert((proc, dev.get()));
            let range = self.range(addr, len);
            snapshot.extend(range.map(|addr| self.snapshot(s, mm, dev.get(), addr)));
        }
        match (op, outcome) {
            (Op::Exit { .. }, _) => {
                let entries = seen.iter().flat_map(|process| &process.entries);
                let mut devices = entries.filter_map(|(_, entry)| entry.device.checked_sub(1));
                let opened = |dev: u8| proc.is_some_and(|proc| self.opened.contains(&(proc, dev)));
                if devices.any(opened) {
                    blocked = Some(CLOSES);
                }
                self.opened.retain(|(of, _)| Some(*of) != proc);
            }
            (_, Outcome::Child(child)) => self.opened.retain(|(of, _)| *of != child),
            _ => {}
        }
        self.trace.ran_out |= s.fail.failures > 0;
        self.trace.left = self.left(s);
        self.trace.steps.push(Done {
            place,
            outcome,
            pagemap,
            snapshot,
            seen,
            blocked,
        });
    }
}
