//! Running tasks without writing an executor.
//!
//! [`Kernel::run`] runs one task to its end. [`Kernel::schedule`] runs several tasks, and the
//! caller chooses at each scheduling point which one continues. Nothing depends on time or chance.

use crate::ids::TaskId;
use crate::limits::MAX_TASKS;
use crate::lock::{Site, Wait};
use crate::state::{Current, Kernel};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

/// Why tasks did not run to their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunError {
    /// The number is not below [`MAX_TASKS`].
    NoSuchTask(TaskId),
    /// The task waits, and no other task is left that could wake it.
    Stuck {
        /// The first task that waits.
        task: TaskId,
        /// What the task waits for.
        wait: Wait,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchTask(task) => write!(
                f,
                "{task:?} is not a task: use numbers below {MAX_TASKS} (mm_core::MAX_TASKS)"
            ),
            Self::Stuck { task, wait } => write!(
                f,
                "{task:?} waits for ever for {wait:?}: use Kernel::schedule to run it together \
                 with the task that wakes it"
            ),
        }
    }
}

impl Error for RunError {}

type Program<'p> = Pin<Box<dyn Future<Output = ()> + 'p>>;

/// Tasks that run side by side, one at a time; see [`Kernel::schedule`].
pub struct Schedule<'p> {
    kernel: &'p Kernel,
    tasks: Vec<Option<Program<'p>>>,
}

impl fmt::Debug for Schedule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

impl Kernel {
    /// Runs `program` as `task` to its end.
    ///
    /// A program that fails with [`RunError::Stuck`] is dropped where it waits, and its locks stay
    /// held. After that, the kernel can only be inspected or [reset](Kernel::reset).
    pub fn run<'k, T>(
        &'k self,
        task: TaskId,
        program: impl AsyncFnOnce(Current<'k>) -> T,
    ) -> Result<T, RunError> {
        self.begin(task)?;
        let mut program = pin!(program(self.current(task)));
        loop {
            if let Poll::Ready(value) = poll(program.as_mut()) {
                self.state().wake_progress();
                return Ok(value);
            }
            if let Some(wait) = self.waiting(task) {
                return Err(RunError::Stuck { task, wait });
            }
        }
    }

    /// Schedules several tasks side by side:
    ///
    /// ```
    /// # use mm_core::{Dmirror, Geometry, Kernel, Site, TaskId, VmFlags};
    /// # let driver = Dmirror::new(Geometry::TINY.device_frames());
    /// # let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    /// # let mm = kernel.current(TaskId(0)).mm_create()?;
    /// # let flags = VmFlags::READ | VmFlags::WRITE;
    /// # kernel.run(TaskId(0), async |cur| cur.mmap(mm, 0..1, flags).await)??;
    /// // both tasks write to a page that is not mapped yet; the second runs in the middle of the
    /// // first
    /// kernel
    ///     .schedule()
    ///     .task(async |cur| assert!(cur.user_access(mm, 0, Some(1)).await.is_ok()))
    ///     .task(async |cur| assert!(cur.user_access(mm, 0, Some(2)).await.is_ok()))
    ///     .run(|task, site| {
    ///         (task == TaskId(0) && site == Site::DoAnonymousPage).then_some(TaskId(1))
    ///     })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn schedule(&self) -> Schedule<'_> {
        Schedule {
            kernel: self,
            tasks: Vec::new(),
        }
    }

    fn begin(&self, task: TaskId) -> Result<(), RunError> {
        if task.ix() >= MAX_TASKS {
            return Err(RunError::NoSuchTask(task));
        }
        self.state().renew_task(task);
        Ok(())
    }

    fn waiting(&self, task: TaskId) -> Option<Wait> {
        self.state().tasks()[task.ix()].waiting
    }
}

impl<'p> Schedule<'p> {
    /// Adds a task. The first is `TaskId(0)`, the next `TaskId(1)`, and so on.
    #[must_use]
    pub fn task(mut self, program: impl AsyncFnOnce(Current<'p>) + 'p) -> Self {
        let cur = self.kernel.current(TaskId(self.tasks.len() as u8));
        self.tasks
            .push(Some(Box::pin(async move { program(cur).await })));
        self
    }

    /// Runs all tasks to their end.
    ///
    /// The first task begins. At each scheduling point, `switch` gets the running task and the
    /// place, and returns the task that runs next. If it returns `None`, or a task that waits or
    /// has ended, the running task continues. When a task ends or must wait, the first task that
    /// can run continues.
    pub fn run(
        mut self,
        mut switch: impl FnMut(TaskId, Site) -> Option<TaskId>,
    ) -> Result<(), RunError> {
        for task in self.ids() {
            self.kernel.begin(task)?;
        }
        let mut chosen = None;
        while let Some(task) = chosen
            .take()
            .or_else(|| self.ids().find(|t| self.can_run(*t)))
        {
            let Some(program) = &mut self.tasks[task.ix()] else {
                continue;
            };
            {
                let s = &mut *self.kernel.state();
                let next = s.points() + 1;
                s.preempt_at(next);
            }
            if poll(program.as_mut()).is_ready() {
                self.tasks[task.ix()] = None;
                self.kernel.state().wake_progress();
            } else if self.kernel.waiting(task).is_none() {
                let site = self.kernel.state().tasks()[task.ix()].site;
                let other = switch(task, site).filter(|t| self.can_run(*t));
                chosen = Some(other.unwrap_or(task));
            }
        }
        self.kernel.state().preempt_at(u32::MAX);
        let mut left = self.ids().filter(|t| self.tasks[t.ix()].is_some());
        match left.find_map(|task| self.kernel.waiting(task).map(|wait| (task, wait))) {
            Some((task, wait)) => Err(RunError::Stuck { task, wait }),
            None => Ok(()),
        }
    }

    fn ids(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.tasks.len()).map(|t| TaskId(t as u8))
    }

    /// True unless the task has ended or waits.
    fn can_run(&self, task: TaskId) -> bool {
        self.tasks.get(task.ix()).is_some_and(Option::is_some)
            && self.kernel.waiting(task).is_none()
    }
}
