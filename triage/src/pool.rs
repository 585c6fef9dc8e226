//! Runs work on many items with several threads. Results come in the order of the items. Memory
//! does not grow with the number of items.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

/// The most items under way, for each thread. An item is under way from when it is taken until its
/// result has been passed on.
const AHEAD: usize = 64;

struct Queue<I> {
    items: I,
    taken: usize,
    handed_out: usize,
    /// The sink has failed, so no more items are taken.
    closed: bool,
}

/// Works on `items` with `jobs` threads, each with its own worker from `new_worker`, and passes the
/// results to `sink` in order.
///
/// # Errors
/// The first error of `sink`, which ends everything.
pub fn ordered<T: Send, R: Send, W>(
    jobs: usize,
    items: impl Iterator<Item = T> + Send,
    new_worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, T) -> R + Sync,
    mut sink: impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    let queue = Mutex::new(Queue {
        items,
        taken: 0,
        handed_out: 0,
        closed: false,
    });
    let changed = Condvar::new();
    let (send, receive) = mpsc::channel();
    let take = || {
        let mut queue = changed
            .wait_while(lock(&queue), |q| {
                !q.closed && q.taken - q.handed_out >= AHEAD * jobs
            })
            .unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return None;
        }
        let item = queue.items.next()?;
        queue.taken += 1;
        Some((queue.taken - 1, item))
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (send, take, new_worker, work) = (send.clone(), &take, &new_worker, &work);
            scope.spawn(move || {
                let mut worker = new_worker();
                while let Some((number, item)) = take() {
                    // This fails only if the sink has failed.
                    let _ = send.send((number, work(&mut worker, item)));
                }
            });
        }
        drop(send);
        let (mut early, mut next) = (BTreeMap::new(), 0);
        for (number, result) in receive {
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                next += 1;
                let result = sink(result);
                let mut queue = lock(&queue);
                queue.handed_out = next;
                queue.closed |= result.is_err();
                drop(queue);
                changed.notify_all();
                result?;
            }
        }
        Ok(())
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parses a number of threads.
///
/// # Errors
/// The word is no number from 1 to 256.
pub fn jobs(word: &str) -> Result<usize, String> {
    let number: usize = word.parse().map_err(|_| "not a number".to_owned())?;
    match number {
        1..=256 => Ok(number),
        _ => Err("from 1 to 256".to_owned()),
    }
}

/// The default number of threads: one for each processor.
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whoever_is_first() {
        for jobs in [1, 2, 5] {
            let mut seen = Vec::new();
            let work = |worked: &mut u32, i: u64| {
                *worked += 1;
                std::thread::sleep(std::time::Duration::from_micros(i * 7919 % 100));
                i * 2
            };
            let sink = |result| {
                seen.push(result);
                Ok(())
            };
            ordered(jobs, 0..1000, || 0, work, sink).expect("nothing fails");
            assert!(seen.iter().copied().eq((0..1000).map(|i| i * 2)), "{jobs}");
        }
    }

    #[test]
    fn no_more_is_taken_than_can_be_kept() {
        let taken = std::sync::atomic::AtomicUsize::new(0);
        let items = (0..100_000).inspect(|_| {
            taken.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
        let mut handed_out = 0;
        let sink = |_| {
            handed_out += 1;
            let taken = taken.load(std::sync::atomic::Ordering::SeqCst);
            assert!(taken <= handed_out + 2 * AHEAD, "{taken} {handed_out}");
            Ok(())
        };
        ordered(2, items, || (), |(), i| i, sink).expect("nothing fails");
        assert_eq!(handed_out, 100_000);
    }

    #[test]
    fn an_error_of_the_sink_ends_the_work() {
        let mut count = 0;
        let sink = |_| {
            count += 1;
            if count == 10 {
                Err(io::ErrorKind::BrokenPipe.into())
            } else {
                Ok(())
            }
        };
        ordered(2, 0.., || (), |(), i: u64| i, sink).expect_err("the sink fails");
        assert_eq!(count, 10);
    }
}
