//! Ctrl-C: long work looks here between two runs, ends cleanly, and says that it was interrupted. A run of one
//! program takes milliseconds, and the step budget of the executor bounds it, so it is never cut; work that has nothing to
//! print until it is over does not listen, and the signal ends it.

use crate::Status;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user wants the work to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Set by the first SIGINT or SIGTERM; the second one ends the process at once.
    ///
    /// # Errors
    /// The system does not let us listen.
    pub fn on_signals() -> Result<Self, Status> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // in this order: the first signal still finds the flag unset
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop.0))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop.0)))
                .map_err(|error| {
                    Status::unusable(format_args!("signals cannot be caught: {error}"))
                })?;
        }
        Ok(stop)
    }

    /// As a signal does.
    #[cfg(test)]
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
