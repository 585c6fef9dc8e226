//! A kernel with one process and all its oracles, and ways to corrupt its state.

use mm_core::tamper::Tamper;
use mm_core::{
    Advice, Current, DevId, Direction, Dmirror, Folio, Geometry, Kernel, MigrateRequest, MmId,
    PageFlags, Pfn, PresentPte, Pte, Softleaf, SwapId, TaskId, VmFlags,
};
use mm_fuzz::oracle::{At, Check, Holders, Oracles};
use mm_fuzz::program::{OpKind, Program};
use mm_fuzz::window::Window;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

pub const READ_WRITE: VmFlags = VmFlags::READ.union(VmFlags::WRITE);
const DEVICE: DevId = DevId(0);

/// A kernel with one process that has mapped pages 0 to 3, and its oracles.
pub struct Lab<'k> {
    pub kernel: &'k Kernel,
    pub oracles: Oracles,
    pub holders: Holders,
    pub mm: MmId,
    pub at: At,
}

pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

fn at(op: OpKind) -> At {
    At {
        op: op.contract(),
        step: 0,
        moves: None,
        window: Window::of(&Program::default()),
        panics: false,
    }
}

impl<'k> Lab<'k> {
    pub fn new(kernel: &'k Kernel) -> Self {
        let mm = kernel.current(TaskId(0)).mm_create().unwrap();
        let mut lab = Self {
            kernel,
            oracles: Oracles::default(),
            holders: Holders::default(),
            mm,
            at: at(OpKind::Mmap),
        };
        lab.run(OpKind::Mmap, async |cur| {
            cur.mmap(mm, 0..4, READ_WRITE).await.unwrap();
        });
        lab
    }

    /// Runs an operation to its end, and asserts that every oracle passes.
    pub fn run<T>(&mut self, op: OpKind, operation: impl AsyncFnOnce(Current<'k>) -> T) -> T {
        self.at.op = op.contract();
        self.kernel.state().renew_task(TaskId(0));
        let running = pin!(operation(self.kernel.current(TaskId(0))));
        let result = poll(running).expect("a task alone does not wait");
        self.assert_clean();
        result
    }

    pub fn assert_clean(&mut self) {
        let (state, holders) = (&mut *self.kernel.state(), &self.holders);
        let checked = self.oracles.after_slice(state, holders, self.at);
        let checked = checked.and_then(|()| self.oracles.everything(state, holders, self.at));
        checked.unwrap_or_else(|finding| panic!("before anything was changed: {finding}"));
    }

    pub fn write(&mut self, addr: u64) -> Pfn {
        let mm = self.mm;
        self.run(OpKind::Write, async |cur| {
            cur.user_access(mm, addr, Some(7)).await.unwrap();
        });
        self.present(addr).pfn()
    }

    /// Writes a page and swaps it out. Returns its slot.
    pub fn swap_out(&mut self, addr: u64) -> SwapId {
        let pfn = self.write(addr);
        let folio = self.folio(pfn);
        let mut reclaim = || {
            self.run(OpKind::Reclaim, async |cur| {
                cur.reclaim_folio(folio).await > 0
            })
        };
        // the first call writes it to swap, the second frees it
        assert!(!reclaim() && reclaim(), "nobody else has the page");
        match self.pte(addr).leaf() {
            Some(Softleaf::Swap(slot)) => slot,
            other => panic!("not in swap, but {other:?}"),
        }
    }

    /// Reads a slot into the swap cache.
    pub fn read_ahead(&mut self, slot: SwapId) -> Pfn {
        let mm = self.mm;
        self.run(OpKind::Willneed, async |cur| {
            let all_mapped = cur.madvise(mm, 0..4, Advice::WillNeed).await;
            assert_eq!(all_mapped, Ok(()));
        });
        let cache = self.kernel.state().swap().slot(slot).cache;
        cache.expect("in the swap cache").head()
    }

    /// The folio of a page.
    pub fn folio(&self, page: Pfn) -> Folio {
        self.kernel.state().folio(page)
    }

    pub fn fork(&mut self) -> MmId {
        let mm = self.mm;
        self.run(OpKind::Fork, async |cur| cur.fork(mm).await.unwrap())
    }

    pub fn exit(&mut self) {
        let mm = self.mm;
        self.run(OpKind::Exit, async |cur| cur.mmput(mm).await);
    }

    pub fn mprotect(&mut self, range: std::ops::Range<u64>, flags: VmFlags) {
        let mm = self.mm;
        self.run(OpKind::Mprotect, async |cur| {
            cur.mprotect(mm, range, flags).await.unwrap();
        });
    }

    pub fn request(&self, stepwise: bool) -> MigrateRequest {
        MigrateRequest {
            dev: DEVICE,
            mm: self.mm,
            range: 0..1,
            direction: Direction::ToDevice,
            skip: 0,
            stepwise,
        }
    }

    pub fn pte(&self, addr: u64) -> Pte {
        let s = self.kernel.state();
        s.tables().entry_for(s.mm(self.mm).pgd, addr)
    }

    pub fn present(&self, addr: u64) -> PresentPte {
        self.pte(addr).present().expect("a present entry")
    }

    pub fn tamper<T>(&self, change: impl FnOnce(Tamper<'_>) -> T) -> T {
        change(self.kernel.state().tamper())
    }

    pub fn flags(&self, pfn: Pfn, flags: PageFlags, on: bool) {
        self.tamper(|t| t.page(pfn).flags.set(flags, on));
    }

    pub fn set_pte(&self, addr: u64, pte: Pte) {
        assert!(self.tamper(|t| t.set_pte(self.mm, addr, pte)));
    }

    /// The result of the checks after a slice.
    pub fn slice(&mut self) -> Check {
        let state = &mut *self.kernel.state();
        self.oracles.after_slice(state, &self.holders, self.at)
    }

    /// The result of the checks of everything, after asserting that those of a slice pass.
    pub fn everything(&mut self) -> Check {
        self.slice().expect("only a full check sees it");
        let state = self.kernel.state();
        self.oracles.everything(&state, &self.holders, self.at)
    }

    /// The result of the checks once all processes should have exited.
    pub fn after_exit(&self) -> Check {
        let state = self.kernel.state();
        self.oracles.after_exit(&state, &self.holders, self.at)
    }
}

/// Runs a test on a new kernel.
pub fn with_lab<T>(test: impl FnOnce(&mut Lab<'_>) -> T) -> T {
    let driver = Dmirror::new(Geometry::TINY.device_frames());
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    test(&mut Lab::new(&kernel))
}
