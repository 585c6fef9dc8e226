//! Ctrl-C and SIGTERM. A long command checks [`Stop`] between two runs, ends cleanly, and says that
//! it was interrupted. A run of one program is never cut: it takes milliseconds, and the executor's
//! budget of scheduling points bounds it. Some commands would have nothing to add to their output
//! after an interruption. They do not use [`Stop`], so the signal kills them.

use crate::Status;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user wants the work to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that the first SIGINT or SIGTERM sets. The second signal ends the process at once.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn on_signals() -> Result<Self, Status> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order, the conditional handler runs first, and the first signal finds the
            // flag unset.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop.0))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop.0)))
                .map_err(|error| {
                    Status::unusable(format_args!("signals cannot be caught: {error}"))
                })?;
        }
        Ok(stop)
    }

    /// Sets the flag, as a signal does.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work should end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
