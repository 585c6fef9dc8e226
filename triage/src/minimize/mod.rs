//! `minimize`: finds the shortest program with the same signature.

mod command;
mod draft;
mod edit;
mod minimizer;
mod passes;
mod predicate;
mod search;

pub use command::{HELP, MinimizeArgs, command};
pub use draft::compare;
pub use minimizer::{Minimized, Same, minimize, minimize_on_linux};
pub use passes::PassStatistics;
