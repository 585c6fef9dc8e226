//! Binary search for the first item that has changed. Some items may be impossible to test.

use std::ops::Range;

/// The result of testing an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// True if the item has changed.
    Known(bool),
    /// The item cannot be tested.
    Skip,
    /// The search must stop.
    Stop,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstChange {
    /// The first changed item is in this range. The last item of the range has changed; all items
    /// before it in the range cannot be tested.
    First(Range<usize>),
    /// The search was stopped; the first changed item is in this range.
    Stopped(Range<usize>),
}

/// Finds the first of `count` items that has changed. The last item must have changed. `test` gets
/// the item to test, and the number of items that may still be the first.
///
/// # Errors
/// The first error of `test`.
pub fn search<E>(
    count: usize,
    mut test: impl FnMut(usize, usize) -> Result<Probe, E>,
) -> Result<FirstChange, E> {
    // No item before `low` has changed, and the item `high` has changed.
    let (mut low, mut high) = (0, count.saturating_sub(1));
    let mut skipped = vec![false; count];
    while let Some(next) = nearest_to_the_middle(low, high, &skipped) {
        match test(next, high - low + 1)? {
            Probe::Known(true) => high = next,
            Probe::Known(false) => low = next + 1,
            Probe::Skip => skipped[next] = true,
            Probe::Stop => return Ok(FirstChange::Stopped(low..high + 1)),
        }
    }
    Ok(FirstChange::First(low..high + 1))
}

/// The item to test next: of the items from `low` to before `high` that are not skipped, the
/// nearest to the middle.
fn nearest_to_the_middle(low: usize, high: usize, skipped: &[bool]) -> Option<usize> {
    let middle = low + (high - low) / 2;
    let open = (low..high).filter(|i| !skipped[*i]);
    open.min_by_key(|i| i.abs_diff(middle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn find(count: usize, first: usize, skip: &[usize]) -> (Range<usize>, usize) {
        let mut tests = 0;
        let found = search(count, |i, _| {
            tests += 1;
            Ok::<_, Infallible>(match skip.contains(&i) {
                true => Probe::Skip,
                false => Probe::Known(i >= first),
            })
        });
        match found {
            Ok(FirstChange::First(range)) => (range, tests),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_is_found_in_logarithmically_many_tests() {
        for count in 1..70 {
            for first in 0..count {
                let (range, tests) = find(count, first, &[]);
                assert_eq!(range, first..first + 1, "of {count}");
                assert!(tests <= count.ilog2() as usize + 1, "{tests} for {count}");
            }
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_passed_over() {
        assert_eq!(find(9, 6, &[4]).0, 6..7);
        assert_eq!(find(9, 6, &[4, 5]).0, 4..7);
        assert_eq!(find(9, 6, &[0, 1, 2, 3, 4, 5, 6, 7]).0, 0..9);
    }

    #[test]
    fn a_search_that_is_stopped_says_what_is_left() {
        let mut tests = 0;
        let found = search(16, |_, _| {
            tests += 1;
            Ok::<_, Infallible>(match tests {
                1 => Probe::Known(false),
                _ => Probe::Stop,
            })
        });
        assert_eq!(found, Ok(FirstChange::Stopped(8..16)));
    }
}
