//! Work over several threads: the only code that knows of them.

#[cfg(feature = "rayon")]
use std::sync::{Mutex, PoisonError};

use crate::pointwise::Cost;

/// How work is cut for threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// The most elements of a part. One part takes all of them where threads do not pay.
    pub(crate) most: usize,
    /// How many threads there are for it.
    pub(crate) threads: usize,
}

impl Parts {
    /// For so many elements of so many bytes, cut at multiples of `unit`.
    pub(crate) fn new(total: usize, size: usize, cost: Cost, unit: usize) -> Self {
        let worth = worth(cost) / size;
        // The number of threads is asked for last: the question takes as long as a small array.
        let threads = if total < worth { 1 } else { threads() };
        // Several parts a thread, so that one that is late does not keep the others waiting for long.
        let most = if threads == 1 { total } else { (total / (4 * threads)).max(worth / 8).next_multiple_of(unit) };
        Self { most, threads }
    }
}

/// From how many bytes on threads pay: some 40 µs of work. A thread that worked a moment ago is there in 5 µs; to wake one takes 20 to 60, measured on a
/// virtual machine.
fn worth(cost: Cost) -> usize {
    match cost {
        Cost::Memory => 1 << 21,
        Cost::Arithmetic => 1 << 19,
        Cost::Transcendental => 1 << 18,
    }
}

#[cfg(feature = "rayon")]
use rayon::current_num_threads as threads;

#[cfg(not(feature = "rayon"))]
fn threads() -> usize {
    1
}

/// Calls `run` with every part. Each thread takes the next one until there is none, and the caller's own does not wait for others to wake up.
#[cfg(feature = "rayon")]
pub(crate) fn share<P>(parts: impl Iterator<Item = P> + Send, run: impl Fn(P) + Sync) {
    let parts = Mutex::new(parts);
    // Not in the head of the loop, where the lock would be held while the part is worked on.
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    together(&|| {
        while let Some(part) = next() {
            run(part);
        }
    });
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn share<P>(parts: impl Iterator<Item = P> + Send, run: impl Fn(P) + Sync) {
    parts.for_each(run);
}

/// Does the same work on all threads at once.
#[cfg(feature = "rayon")]
fn together(work: &(dyn Fn() + Sync)) {
    let threads = threads();
    if rayon::current_thread_index().is_some() {
        tree(threads, work);
    } else {
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| tree(threads - 1, work));
            work();
        });
    }
}

#[cfg(feature = "rayon")]
fn tree(threads: usize, work: &(dyn Fn() + Sync)) {
    if threads <= 1 {
        work();
    } else {
        rayon::join(|| tree(threads.div_ceil(2), work), || tree(threads / 2, work));
    }
}
