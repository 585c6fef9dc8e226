//! The zoo: historical kernel bugs, each on a switch.
//!
//! With the feature `zoo` a bug can be put back at the place that it lived in, or at the nearest one that the model has
//! (its row in `zoo/table.rs` then says where), by `Zoo::set`. A bug is a *seam* in the right code, a statement of its
//! own that begins with `zoo!` and is stepped over while its switch is off:
//!
//! ```text
//! let forking = !seq.is_multiple_of(2);
//! zoo!(self, Bug::ForkVsGupFast => let forking = false);
//! if pin && forking {
//!     return None;
//! }
//! ```
//!
//! Deleting every line of the zoo leaves the right algorithm; `fuzz/tests/without_zoo.rs` does that. So a seam is never
//! inside an expression, the right code never asks for a bug, and what only bugs need is in `zoo/wrong/`, in a file with the
//! name of the module that it breaks. Without the feature the macro expands to nothing, [`Zoo`] is empty,
//! and neither the bugs nor their names are compiled.

/// A seam: what a historical bug does here, if it is switched on. The first argument is a `State` or a `Current`.
///
/// - `zoo!(self, Bug::X => return false);` runs a statement;
/// - `zoo!(self, Bug::X => let x = wrong);` gives the variable `x` another value from here on;
/// - `zoo!(self, Bug::X if condition => …);` does either under a condition of the bug.
#[cfg(feature = "zoo")]
macro_rules! zoo {
    ($of:expr, Bug::$bug:ident $(if $when:expr)? => let $name:ident = $wrong:expr) => {
        let $name = if $of.has_bug($crate::zoo::Bug::$bug) $(&& $when)? {
            $wrong
        } else {
            $name
        };
    };
    ($of:expr, Bug::$bug:ident $(if $when:expr)? => $wrong:expr) => {
        if $of.has_bug($crate::zoo::Bug::$bug) $(&& $when)? {
            $wrong;
        }
    };
}

#[cfg(not(feature = "zoo"))]
macro_rules! zoo {
    ($of:expr, Bug::$bug:ident $($seam:tt)*) => {};
}

#[cfg(feature = "zoo")]
mod switches;
#[cfg(feature = "zoo")]
mod table;
#[cfg(feature = "zoo")]
mod wrong;

#[cfg(feature = "zoo")]
pub use switches::{ROOM, Zoo};
#[cfg(feature = "zoo")]
pub use table::{Bug, Entry, TABLE};

/// No switches: the feature `zoo` is off.
#[cfg(not(feature = "zoo"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Zoo(());
