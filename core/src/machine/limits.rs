//! The fixed numbers of a machine.

/// Number of tasks that can run at the same time, each on a CPU of its own: threads of processes,
/// and drivers' workers.
pub const MAX_TASKS: usize = 8;
/// Number of devices.
pub const DEVICES: usize = 2;
