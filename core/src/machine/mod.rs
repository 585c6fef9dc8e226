//! The machine: its state, the tasks that run on it, and the log of what they do.

pub(crate) mod arena;
pub(crate) mod error;
pub(crate) mod fail;
pub(crate) mod geometry;
pub(crate) mod identity;
pub(crate) mod ids;
pub(crate) mod limits;
pub(crate) mod lock;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod state;
pub(crate) mod trace;
