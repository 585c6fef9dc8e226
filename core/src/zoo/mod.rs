//! The zoo: historical kernel bugs, each on a switch.
//!
//! With the feature `zoo`, `Zoo::set` puts a bug back where it was in the kernel, or at the nearest
//! place that the model has; the bug's row in `zoo/table.rs` then says where. A bug is a *seam* in
//! the right code: a statement of its own that begins with `zoo!` and is skipped while the switch
//! is off.
//!
//! ```text
//! let forking = !seq.is_multiple_of(2);
//! zoo!(self, Bug::ForkVsGupFast => let forking = false);
//! if pin && forking {
//!     return None;
//! }
//! ```
//!
//! Deleting every line of the zoo leaves the right algorithm, which `fuzz/tests/it/without_zoo.rs`
//! proves. So a seam is never inside an expression, and the right code never tests for a bug.
//! Functions that only bugs need are in `zoo/wrong/`, in a file named after the module that they
//! break. Without the feature the macro expands to nothing, [`Zoo`] is empty, and neither the bugs
//! nor their names are compiled.

/// A seam: the behaviour of a historical bug if it is switched on. The first argument is a `State`
/// or a `Current`.
///
/// - `zoo!(self, Bug::X => return false);` runs a statement;
/// - `zoo!(self, Bug::X => let x = wrong);` gives the variable `x` another value from here on;
/// - `zoo!(self, Bug::X if condition => …);` does either if the condition holds as well.
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
pub use table::{Bug, BugRow, TABLE};

/// The feature `zoo` is off, so there are no switches.
#[cfg(not(feature = "zoo"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Zoo(());
