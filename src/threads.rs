//! Work over several threads: the only code that knows of them.

use std::iter;
#[cfg(feature = "rayon")]
use std::{
    marker::PhantomData,
    sync::{Mutex, PoisonError},
};

#[cfg(feature = "rayon")]
use rayon::iter::{
    ParallelExtend as _, ParallelIterator,
    plumbing::{Folder, Reducer as _, UnindexedConsumer},
};

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
        // What small arrays do not need is asked last: some questions take as long as they do.
        if total < LEAST / size {
            return Self { most: total, threads: 1 };
        }
        let worth = worth(cost) / size;
        let threads = if total < worth { 1 } else { threads() };
        // Several parts a thread, so that one that is late does not keep the others waiting for long.
        let most = if threads == 1 { total } else { (total / (4 * threads)).max(worth / 8).next_multiple_of(unit) };
        Self { most, threads }
    }

    /// The parts of so many elements, and how many are in each.
    pub(crate) fn cut<P: Split>(self, total: usize, whole: P) -> impl Iterator<Item = (usize, P)> + Send {
        cut((total, whole), move |(count, part)| {
            if count <= self.most {
                return ((count, part), None);
            }
            let (here, behind) = part.split(self.most);
            ((self.most, here), Some((count - self.most, behind)))
        })
    }
}

/// What goes beside the elements, cut where they are cut.
pub(crate) trait Split: Send + Sized {
    /// The parts before and after the element `at`: a multiple of [`WORD`](crate::kernel::WORD), or the end.
    fn split(self, at: usize) -> (Self, Self);
}

impl Split for () {
    fn split(self, _at: usize) -> (Self, Self) {
        ((), ())
    }
}

impl<T: Sync> Split for &[T] {
    fn split(self, at: usize) -> (Self, Self) {
        self.split_at(at)
    }
}

impl<T: Send> Split for &mut [T] {
    fn split(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
}

impl<K: Split> Split for Option<K> {
    fn split(self, at: usize) -> (Self, Self) {
        self.map(|keep| keep.split(at)).unzip()
    }
}

impl<J: Split, K: Split> Split for (J, K) {
    fn split(self, at: usize) -> (Self, Self) {
        let ((first, first_rest), (second, second_rest)) = (self.0.split(at), self.1.split(at));
        ((first, second), (first_rest, second_rest))
    }
}

/// The parts that `first` cuts off, with what is left behind each.
pub(crate) fn cut<P>(whole: P, mut first: impl FnMut(P) -> (P, Option<P>)) -> impl Iterator<Item = P> {
    let mut left = Some(whole);
    iter::from_fn(move || {
        let (part, behind) = first(left.take()?);
        left = behind;
        Some(part)
    })
}

/// From how many bytes on threads pay: some 40 to 60 µs of work. A thread that worked a moment ago is there in 5 µs; to wake one takes 20 to 60, measured on virtual
/// machines, and is waited for even where all is done meanwhile.
fn worth(cost: Cost) -> usize {
    match cost {
        Cost::Memory if wide() => 1 << 22,
        Cost::Memory => 1 << 21,
        Cost::Arithmetic if wide() => 1 << 20,
        Cost::Arithmetic => 1 << 19,
        Cost::Transcendental => LEAST,
    }
}

const LEAST: usize = 1 << 18;

/// Whether vectors have 512 bits: then most functions take half the time.
#[inline]
pub(crate) fn wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
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

/// Where results go, from the first on.
pub(crate) trait Sink<R>: Sized {
    /// Takes the next result. There is room for it.
    #[must_use]
    fn put(self, result: R) -> Self;
}

impl<R> Sink<R> for &mut Vec<R> {
    #[inline(always)]
    fn put(self, result: R) -> Self {
        // Since it is asked here, the compiler knows that `push` has to make no room, and what is left of it is a store.
        if self.len() < self.capacity() {
            self.push(result);
        }
        self
    }
}

/// Makes results, each from so many elements.
pub(crate) trait Make<P, R>: Sync {
    /// How many elements make a result.
    const EACH: usize;
    /// Gives `sink` the results of the next so many elements, as far as these are enough for one.
    fn make<S: Sink<R>>(&self, count: usize, part: P, sink: S) -> S;
}

impl Parts {
    /// The results of so many elements, in new memory that has room for what is left of these too. Each is written but once, by several threads side by side.
    #[cfg(feature = "rayon")]
    pub(crate) fn collect<P: Split, R: Send, M: Make<P, R>>(self, total: usize, whole: P, maker: &M) -> Vec<R> {
        let mut results = Vec::with_capacity(total.div_ceil(M::EACH));
        results.par_extend(Collect { parts: self, total, whole, maker, result: PhantomData });
        results
    }

    #[cfg(not(feature = "rayon"))]
    pub(crate) fn collect<P: Split, R, M: Make<P, R>>(self, total: usize, whole: P, maker: &M) -> Vec<R> {
        let mut results = Vec::with_capacity(total.div_ceil(M::EACH));
        maker.make(total, whole, &mut results);
        results
    }
}

/// Results that rayon asks for, to write them itself.
#[cfg(feature = "rayon")]
struct Collect<'a, P, M, R> {
    parts: Parts,
    total: usize,
    whole: P,
    maker: &'a M,
    result: PhantomData<R>,
}

#[cfg(feature = "rayon")]
impl<P: Split, R: Send, M: Make<P, R>> ParallelIterator for Collect<'_, P, M, R> {
    type Item = R;

    // Where this is known, the memory may be cut at any place.
    fn opt_len(&self) -> Option<usize> {
        Some(self.total / M::EACH)
    }

    fn drive_unindexed<C: UnindexedConsumer<R>>(self, consumer: C) -> C::Result {
        let (mut unfilled, mut reducers) = (Vec::new(), Vec::new());
        let mut behind = consumer;
        for (count, part) in self.parts.cut(self.total, self.whole) {
            let (here, rest, reducer) = behind.split_at(count / M::EACH);
            unfilled.push((here, count, part));
            reducers.push(reducer);
            behind = rest;
        }
        let mut filled: Vec<_> = iter::repeat_with(|| None).take(unfilled.len()).collect();
        share(unfilled.into_iter().zip(&mut filled), |((memory, count, part), filled)| {
            *filled = Some(self.maker.make(count, part, Unfilled(memory.into_folder())).0.complete());
        });
        let end = behind.into_folder().complete();
        filled.into_iter().zip(reducers).rev().fold(end, |behind, (here, reducer)| match here {
            Some(here) => reducer.reduce(here, behind),
            None => behind,
        })
    }
}

/// Memory that holds nothing yet, as rayon gives it out.
#[cfg(feature = "rayon")]
struct Unfilled<F>(F);

#[cfg(feature = "rayon")]
impl<R, F: Folder<R>> Sink<R> for Unfilled<F> {
    #[inline(always)]
    fn put(self, result: R) -> Self {
        Self(self.0.consume(result))
    }
}
