//! Work over several threads: the only code that knows of them.

#[cfg(not(feature = "rayon"))]
mod alone;
#[cfg(feature = "rayon")]
mod pool;

use std::iter;

#[cfg(not(feature = "rayon"))]
use alone::{expected, threads};
#[cfg(feature = "rayon")]
use pool::{expected, threads};

use crate::pointwise::Cost;

/// How work is cut for threads.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// The most elements of a part. One part takes all of them where threads do not pay.
    pub(crate) most: usize,
    /// How many threads there are for it.
    pub(crate) threads: usize,
    /// How much work it is: 0 for the least that is worth a second thread, and one more for each doubling.
    #[cfg_attr(not(feature = "rayon"), expect(dead_code, reason = "asked for by other threads alone"))]
    octave: u32,
}

impl Parts {
    /// For so many elements of so many bytes, cut at multiples of `unit`.
    #[inline]
    pub(crate) fn new(total: usize, size: usize, cost: Cost, unit: usize) -> Self {
        // What small arrays do not need is asked last: some questions take as long as they do.
        if total < LEAST / size { Self::one(total) } else { Self::from(total, size, cost, unit) }
    }

    fn one(total: usize) -> Self {
        Self { most: total, threads: 1, octave: 0 }
    }

    #[inline(never)]
    fn from(total: usize, size: usize, cost: Cost, unit: usize) -> Self {
        let worth = worth(cost) / size;
        let Some(octave) = (total / worth).checked_ilog2() else { return Self::one(total) };
        let threads = threads().min(4 * total / worth);
        if threads == 1 || !expected(octave) {
            return Self::one(total);
        }
        // Up to four parts a thread, so that one that is late does not keep the others waiting for long, but none that is soon done.
        let most = (total / (4 * threads)).max(worth.min(total.div_ceil(threads))).next_multiple_of(unit);
        Self { most, threads, octave }
    }

    /// The parts of so many elements, and how many are in each.
    pub(crate) fn cut<P: Split>(self, total: usize, whole: P) -> impl Iterator<Item = (usize, P)> {
        cut(total, self.most, whole, P::split)
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

/// The parts of a whole of so many pieces, and how many are in each: `most`, or fewer in the last one.
pub(crate) fn cut<P>(length: usize, most: usize, whole: P, split: impl Fn(P, usize) -> (P, P)) -> impl Iterator<Item = (usize, P)> {
    let mut left = Some((length, whole));
    iter::from_fn(move || {
        let (length, whole) = left.take()?;
        if length <= most {
            return Some((length, whole));
        }
        let (here, behind) = split(whole, most);
        left = Some((length - most, behind));
        Some((most, here))
    })
}

/// From how many bytes on a second thread pays that is awake: some 10 to 20 µs of work. To hand over a part takes 1 or 2.
fn worth(cost: Cost) -> usize {
    match cost {
        Cost::Memory if wide() => 1 << 19,
        Cost::Memory => 1 << 18,
        Cost::Arithmetic if wide() => 1 << 18,
        Cost::Arithmetic => 1 << 17,
        Cost::Transcendental | Cost::Long => LEAST,
    }
}

const LEAST: usize = 1 << 16;

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

/// Where results go, from the first on.
pub(crate) trait Sink<R>: Sized {
    /// Whether there is room for the next result. Asked in front of computing one: asked behind, the compiler computes it behind the question, with all the numbers that takes
    /// kept so long.
    #[inline(always)]
    fn has_room(&self) -> bool {
        true
    }
    /// Takes the next result. There is room for it.
    #[must_use]
    fn put(self, result: R) -> Self;
    /// Takes the first so many numbers of a result, the last one: nothing in new memory, which has room for whole ones alone.
    #[inline(always)]
    #[must_use]
    fn put_part(self, _result: R, _count: usize) -> Self {
        self
    }
}

impl<R> Sink<R> for &mut Vec<R> {
    #[inline(always)]
    fn has_room(&self) -> bool {
        self.len() < self.capacity()
    }
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

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn the_parts_of_a_whole() {
        for (length, most) in [(0, 3), (1, 3), (3, 3), (4, 3), (9, 3), (11, 3), (64, 1)] {
            let whole: Vec<usize> = (0..length).collect();
            let expected: Vec<&[usize]> = if length == 0 { vec![&[]] } else { whole.chunks(most).collect() };
            let parts = cut(length, most, &whole[..], |whole, at| whole.split_at(at));
            let parts: Vec<&[usize]> = parts.inspect(|(count, part)| assert_eq!(*count, part.len())).map(|(_, part)| part).collect();
            assert_eq!(parts, expected, "{length} by {most}");
        }
    }
}
