//! Stops of operations inside the kernel, where the plan says so.

use super::{Director, PATIENCE};
use crate::driver::{At, Ioctl, Schedule, Stops};
use mm_fuzz::limits::WINDOW_PAGES;
use mm_fuzz::program::Program;
use mm_fuzz::window::Window;
use mm_linux_protocol::{GuestEvent, StopPoint};
use std::time::Duration;

impl Director {
    /// Prepares the kernel for the stops of a job.
    pub(super) fn schedule(&mut self, stops: &[(u16, Vec<StopPoint>)]) {
        self.stops = stops.to_vec();
        if stops.is_empty() {
            return;
        }
        let start = Window::GUEST.start_byte();
        let mut schedule = Schedule {
            start,
            end: start + Window::GUEST.bytes(WINDOW_PAGES),
            present: 0,
        };
        if let Err(error) = self.worker.driver.call(Ioctl::Schedule, &mut schedule) {
            println!("mmfuzz-agent: no task can be stopped: {error}");
        }
    }

    /// The stops of an operation.
    pub(super) fn stops_of(&self, number: u16) -> Stops {
        let stops = self.stops.iter().find(|(step, _)| *step == number);
        stops.map_or_else(Stops::default, |(step, stops)| Stops::of(*step, stops))
    }

    fn at(&self, number: u16, patience: Duration) -> At {
        let mut at = At {
            step: number.into(),
            patience: patience.as_millis() as u32,
            ..At::default()
        };
        let _ = self.worker.driver.call(Ioctl::Await, &mut at);
        at
    }

    /// Whether an operation is at a stop now.
    pub(super) fn is_at_stop(&self, number: u16) -> bool {
        let stops = self.stops.iter().any(|(step, _)| *step == number);
        stops && self.at(number, Duration::ZERO).state == At::STOPPED
    }

    /// Whether an operation came to a later stop before an earlier one, or to a stop at which it
    /// must not sleep.
    pub(super) fn is_astray(&self, number: u16) -> bool {
        let stops = self.stops.iter().any(|(step, _)| *step == number);
        stops && self.at(number, Duration::ZERO).state > At::ENDED
    }

    /// Waits until an operation is at its next stop. Returns false if it is not.
    pub(super) fn await_stop(
        &mut self,
        program: &Program,
        number: u16,
        events: &mut Vec<GuestEvent>,
    ) -> bool {
        let Some(pending) = self.pending.iter().find(|p| p.step == number).copied() else {
            return false;
        };
        let state = self.at(number, PATIENCE).state;
        if state == At::STOPPED {
            return true;
        }
        let patience = match state {
            At::ENDED => PATIENCE,
            _ => Duration::ZERO,
        };
        events.push(match self.finish(program, pending, patience) {
            Some(outcome) => {
                self.pending.retain(|p| p.step != number);
                GuestEvent::Passed(number, outcome)
            }
            None if state > At::ENDED => GuestEvent::Astray(number),
            None => GuestEvent::Hangs(number),
        });
        false
    }

    /// Lets a stopped operation go on.
    pub(super) fn go_on(&self, number: u16) {
        let mut at = At {
            step: number.into(),
            ..At::default()
        };
        let _ = self.worker.driver.call(Ioctl::GoOn, &mut at);
    }
}
