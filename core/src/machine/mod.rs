//! The machine: its state, the tasks that run on it, and the log of what they do.
//!
//! [`state`] has the machine, [`lock`] says how a task sleeps, [`run`] how tasks are run. Objects
//! are in an [`arena`] and are named by the indices of [`ids`]; there are no pointers.
//! [`geometry`], [`limits`] and [`rules`] have what does not change during a run.

pub mod arena;
pub mod error;
pub mod fail;
pub mod geometry;
pub mod identity;
pub mod ids;
pub mod limits;
pub mod lock;
pub mod rules;
pub mod run;
pub mod state;
pub mod trace;
