//! A film of a run: the state after each operation, for tests that compare it.
//!
//! An entry is shown as `place[ W][ exclusive][ soft-dirty][ uffd-wp] refcount/mapcount`.

use mm_core::{
    DevId, Entry, FrameAllocator, KernelVersion, Page, Pfn, Pte, Softleaf, State, SwapPte, Wait,
};
use mm_fuzz::exec::{Executor, Observer, Options, Outcome, Verdict};
use mm_fuzz::limits::WINDOW_PAGES;
use mm_fuzz::program::{Geometry, Program, Step};
use mm_fuzz::window::Window;
use std::ops::Range;

/// An entry, and the page that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    pub shown: String,
    pub pfn: Pfn,
    /// The contents, `->mapping` and `->index` of the page.
    pub page: Page,
}

/// The machine after an operation.
#[derive(Debug)]
pub struct Shot {
    pub op: String,
    pub outcome: Outcome,
    /// The entries of the window for each process.
    pub entries: Vec<Vec<Option<Mapped>>>,
    pub rss: Vec<i64>,
    /// The VMAs of each process, in pages of the window.
    pub areas: Vec<Vec<Range<u64>>>,
    /// The refcount and mapcount of the zero page.
    pub zero: (i32, i32),
    /// Frames in use: those of the system, including the zero page, then those of each device.
    pub in_use: [u32; 3],
    pub anon_vmas: usize,
    /// Number of failed allocations up to now.
    pub failures: u32,
    pub waiting: Vec<Option<Wait>>,
}

impl Shot {
    /// The entry of process `p` for page `n` of the window, as text; `-` if there is none.
    pub fn show(&self, p: usize, n: usize) -> &str {
        self.entries[p][n].as_ref().map_or("-", |m| &m.shown)
    }

    pub fn mapped(&self, p: usize, n: usize) -> &Mapped {
        self.entries[p][n].as_ref().expect("an entry")
    }

    pub fn pfn(&self, p: usize, n: usize) -> Pfn {
        self.mapped(p, n).pfn
    }
}

fn show(s: &State, pte: Pte) -> Option<Mapped> {
    let (place, pfn, write, soft_dirty, uffd_wp) = match pte.decode() {
        Entry::None => return None,
        Entry::Present(p) if p.pfn() == Pfn::ZERO => ("zero", p.pfn(), false, false, p.uffd_wp()),
        Entry::Present(p) => ("system", p.pfn(), p.write(), p.soft_dirty(), p.uffd_wp()),
        Entry::Leaf(leaf) => show_leaf(leaf),
    };
    let page = *s.page(pfn);
    let flags = [
        (write, " W"),
        (page.anon_exclusive(), " exclusive"),
        (soft_dirty, " soft-dirty"),
        (uffd_wp, " uffd-wp"),
    ];
    let flags: String = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
    let shown = format!("{place}{flags} {}/{}", page.refcount, page.mapcount);
    Some(Mapped { shown, pfn, page })
}

fn show_leaf(leaf: SwapPte) -> (&'static str, Pfn, bool, bool, bool) {
    let kind = leaf.softleaf().expect("a known type");
    let (place, write) = match kind {
        Softleaf::Swap(_) => ("swap", false),
        Softleaf::Migration(_) => ("migration", false),
        Softleaf::DeviceExclusive { .. } => ("device-exclusive", false),
        Softleaf::DevicePrivate { write, pfn } => {
            let device = pfn.device().expect("a device page").ix();
            (["device0", "device1"][device], write)
        }
    };
    (
        place,
        kind.pfn().unwrap_or(Pfn::NOWHERE),
        write,
        leaf.soft_dirty(),
        leaf.uffd_wp(),
    )
}

/// All operations of a run, in the order in which they ended.
#[derive(Default)]
pub struct Film {
    pub shots: Vec<Shot>,
}

impl Observer for Film {
    fn operation(&mut self, _: usize, step: &Step, outcome: Outcome, s: &State) {
        let processes = s.mms().iter().last().map_or(0, |(id, _)| id as usize + 1);
        let device = |d| s.driver().memory(DevId(d));
        let mut shot = Shot {
            op: step.op.to_string(),
            outcome,
            entries: vec![vec![None; WINDOW_PAGES as usize]; processes],
            rss: vec![0; processes],
            areas: vec![Vec::new(); processes],
            zero: (s.page(Pfn::ZERO).refcount, s.page(Pfn::ZERO).mapcount),
            in_use: [s.frames(), device(0), device(1)].map(FrameAllocator::in_use),
            anon_vmas: s.anon_vmas().iter().count(),
            failures: s.fail.failures,
            waiting: s.tasks().iter().map(|task| task.waiting).collect(),
        };
        for (id, mm) in s.mms().iter() {
            shot.rss[id as usize] = mm.anon_rss;
            let window = Window::of_geometry(Geometry::Tiny);
            let page = |addr| window.offset(addr) as u64;
            let areas = mm.vmas.iter().map(|vma| s.vma(*vma));
            shot.areas[id as usize] = areas.map(|a| page(a.start)..page(a.end)).collect();
            for ((_, addr), entry) in window.each().zip(&mut shot.entries[id as usize]) {
                *entry = show(s, s.tables().entry_for(mm.pgd, addr));
            }
        }
        self.shots.push(shot);
    }
}

impl Film {
    /// Runs a program with everything checked. Panics if it has a finding.
    pub fn of(text: &str) -> Self {
        Self::on(KernelVersion::default(), text)
    }

    /// Runs a program with the rules of a kernel release.
    pub fn on(release: KernelVersion, text: &str) -> Self {
        let program: Program = text.parse().unwrap_or_else(|e| panic!("{e}:\n{text}"));
        let mut film = Self::default();
        let options = Options {
            thorough: true,
            release,
            ..Options::default()
        };
        match Executor::new(options).run_observed(&program, &mut film) {
            Verdict::Pass { .. } => film,
            Verdict::Finding(finding) => panic!("{text}\n{finding}"),
        }
    }

    /// The machine after the first operation with this text.
    pub fn after(&self, op: &str) -> &Shot {
        let shot = self.shots.iter().find(|shot| shot.op == op);
        shot.unwrap_or_else(|| panic!("no {op:?}"))
    }

    pub fn last(&self) -> &Shot {
        self.shots.last().expect("an operation")
    }

    pub fn outcome(&self, op: &str) -> Outcome {
        self.after(op).outcome
    }
}
