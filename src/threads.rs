//! Work over several threads: the only code that knows of them.

#[cfg(feature = "rayon")]
use std::{
    cell::Cell,
    iter,
    marker::PhantomData,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

#[cfg(feature = "rayon")]
use rayon::iter::{
    ParallelExtend as _, ParallelIterator,
    plumbing::{Folder, Reducer as _, UnindexedConsumer},
};

use crate::{kernel::WORD, pointwise::Cost};

/// How work is cut for threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// The most elements of a part. One part takes all of them where threads do not pay.
    pub(crate) most: usize,
    /// How many threads there are for it.
    pub(crate) threads: usize,
    /// How much work it is: 0 for the least that is worth a second thread, and one more for each doubling.
    octave: usize,
}

impl Parts {
    /// For so many elements of so many bytes, cut at multiples of `unit`.
    pub(crate) fn new(total: usize, size: usize, cost: Cost, unit: usize) -> Self {
        // What small arrays do not need is asked last: some questions take as long as they do.
        if total < LEAST / size { Self::one(total) } else { Self::from(total, worth(cost) / size, unit) }
    }

    /// The same for new memory. That is filled from blocks on the stacks of several threads, which takes twice as long where memory is the limit.
    pub(crate) fn fresh(total: usize, size: usize, cost: Cost) -> Self {
        match cost {
            Cost::Memory if total >= LEAST / size => Self::from(total, 4 * worth(cost) / size, WORD),
            _ => Self::new(total, size, cost, WORD),
        }
    }

    fn one(total: usize) -> Self {
        Self { most: total, threads: 1, octave: 0 }
    }

    fn from(total: usize, worth: usize, unit: usize) -> Self {
        let Some(octave) = (total / worth).checked_ilog2().map(|octave| octave as usize).filter(|&octave| expected(octave)) else { return Self::one(total) };
        let threads = threads().min(2 * total / worth);
        if threads == 1 {
            return Self::one(total);
        }
        // Up to four parts a thread, so that one that is late does not keep the others waiting for long, but none that is soon done.
        let most = (total / (4 * threads)).max(worth.min(total.div_ceil(threads))).next_multiple_of(unit);
        Self { most, threads, octave }
    }

    /// The parts of so many elements, and how many are in each.
    pub(crate) fn cut<P: Split>(self, total: usize, whole: P) -> Cut<P, impl Fn(P, usize) -> (P, P)> {
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

/// A whole of so many pieces, to be cut into parts of `most`; the last one may have fewer.
pub(crate) fn cut<P, F: Fn(P, usize) -> (P, P)>(length: usize, most: usize, whole: P, split: F) -> Cut<P, F> {
    Cut { left: Some((length, whole)), most, split }
}

/// The parts of a whole, cut off at either end as they are taken: what comes out are the same parts in any order of taking.
pub(crate) struct Cut<P, F> {
    left: Option<(usize, P)>,
    most: usize,
    split: F,
}

impl<P, F: Fn(P, usize) -> (P, P)> Iterator for Cut<P, F> {
    type Item = (usize, P);

    fn next(&mut self) -> Option<(usize, P)> {
        let (length, whole) = self.left.take()?;
        if length <= self.most {
            return Some((length, whole));
        }
        let (here, behind) = (self.split)(whole, self.most);
        self.left = Some((length - self.most, behind));
        Some((self.most, here))
    }
}

impl<P, F: Fn(P, usize) -> (P, P)> DoubleEndedIterator for Cut<P, F> {
    fn next_back(&mut self) -> Option<(usize, P)> {
        let (length, whole) = self.left.take()?;
        if length <= self.most {
            return Some((length, whole));
        }
        let before = (length - 1) / self.most * self.most;
        let (front, here) = (self.split)(whole, before);
        self.left = Some((before, front));
        Some((length - before, here))
    }
}

/// From how many bytes on a second thread pays, if it is awake: some 10 to 20 µs of work. To hand it over takes 2.
fn worth(cost: Cost) -> usize {
    match cost {
        Cost::Memory if wide() => 1 << 19,
        Cost::Memory => 1 << 18,
        Cost::Arithmetic if wide() => 1 << 18,
        Cost::Arithmetic => 1 << 17,
        Cost::Transcendental => LEAST,
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

#[cfg(feature = "rayon")]
use rayon::current_num_threads as threads;

#[cfg(not(feature = "rayon"))]
fn threads() -> usize {
    1
}

/// Whether others of late helped with work that is soon done.
///
/// To wake a thread that sleeps takes 20 to 60 µs, measured on virtual machines, and at bad times 300; one that worked a moment ago, as in a loop of calls, is there at once. Which
/// it will be cannot be asked. So a calling thread tries. Once alone it tries again, for now the others are awake; but where it is alone more often than one time in four, it lets ever
/// more calls pass before the next two trials.
#[cfg(feature = "rayon")]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Turnout {
    /// One for each time that others helped, less the price of each time alone.
    credit: u32,
    /// So many calls are still let pass.
    pass: u32,
    pause: u32,
}

#[cfg(feature = "rayon")]
impl Turnout {
    const ALONE: u32 = 3;
    const LONGEST_PAUSE: u32 = 256;
    const UNKNOWN: Self = Self { credit: Self::ALONE, pass: 0, pause: 1 };

    /// Whether to try this time, and what is known after that.
    fn expects(self) -> (bool, Self) {
        (self.pass == 0, Self { pass: self.pass.saturating_sub(1), ..self })
    }

    fn after(self, helped: bool) -> Self {
        match (helped, self.credit.checked_sub(Self::ALONE)) {
            (true, _) if self.credit + 1 >= Self::ALONE => Self::UNKNOWN,
            (true, _) => Self { credit: self.credit + 1, ..self },
            (false, Some(credit)) => Self { credit, ..self },
            (false, None) => Self { credit: Self::ALONE, pass: self.pause, pause: (2 * self.pause).min(Self::LONGEST_PAUSE) },
        }
    }
}

/// Beyond this many octaves work takes so long that others are there in time however deep they slept.
#[cfg(feature = "rayon")]
const OCTAVES: usize = 3;

#[cfg(feature = "rayon")]
thread_local! {
    /// For each octave: calls of different lengths stand at different places of a program.
    static TURNOUT: [Cell<Turnout>; OCTAVES] = const { [const { Cell::new(Turnout::UNKNOWN) }; OCTAVES] };
}

/// Whether this thread can expect others to help in time.
#[cfg(feature = "rayon")]
fn expected(octave: usize) -> bool {
    TURNOUT.with(|turnouts| {
        turnouts.get(octave).is_none_or(|turnout| {
            let (expects, known) = turnout.get().expects();
            turnout.set(known);
            expects
        })
    })
}

#[cfg(not(feature = "rayon"))]
fn expected(_octave: usize) -> bool {
    false
}

impl Parts {
    /// Calls `run` with every part. Each thread takes the next one until there is none, and the caller's own does not wait for others to wake up. The caller takes them
    /// from the front and the others from behind: so two threads find in their caches what they had in the call before.
    #[cfg(feature = "rayon")]
    pub(crate) fn share<P>(self, parts: impl DoubleEndedIterator<Item = P> + Send, run: impl Fn(P) + Sync) {
        if self.threads == 1 {
            return parts.for_each(run);
        }
        let parts = Mutex::new(parts);
        // Not in the head of the loop, where the lock would be held while the part is worked on.
        let next = |front| {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            if front { parts.next() } else { parts.next_back() }
        };
        let helped = together(self.threads, &|front| {
            let mut any = false;
            while let Some(part) = next(front) {
                run(part);
                any = true;
            }
            any
        });
        TURNOUT.with(|turnouts| {
            if let Some(turnout) = turnouts.get(self.octave) {
                turnout.set(turnout.get().after(helped));
            }
        });
    }

    #[cfg(not(feature = "rayon"))]
    pub(crate) fn share<P>(self, parts: impl Iterator<Item = P>, run: impl Fn(P)) {
        parts.for_each(run);
    }
}

/// Work that says whether there was any. It is told whether it is the caller who does it.
#[cfg(feature = "rayon")]
type Work<'a> = &'a (dyn Fn(bool) -> bool + Sync);

/// Does the same work on so many threads at once. Whether others than the caller found any.
#[cfg(feature = "rayon")]
fn together(threads: usize, work: Work<'_>) -> bool {
    if rayon::current_thread_index().is_some() {
        return rayon::join(|| work(true), || tree(threads - 1, work)).1;
    }
    static HELPERS: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
    let helpers = HELPERS.get_or_init(|| rayon::ThreadPoolBuilder::new().num_threads(self::threads() - 1).build().ok());
    let Some(helpers) = helpers else { work(true); return false };
    let others = OnceLock::new();
    helpers.in_place_scope(|scope| {
        scope.spawn(|_| {
            let _ = others.set(tree(threads - 1, work));
        });
        work(true);
        // The end of the scope would send this thread to sleep, if only for a microsecond, and to wake it takes longer than the others take to end.
        for _ in 0..PATIENCE {
            if others.get().is_some() {
                break;
            }
            thread::yield_now();
        }
    });
    others.get() == Some(&true)
}

/// How often a caller looks for the others' end before it sleeps: some 50 µs.
#[cfg(feature = "rayon")]
const PATIENCE: usize = 200;

#[cfg(feature = "rayon")]
fn tree(threads: usize, work: Work<'_>) -> bool {
    if threads <= 1 {
        return work(false);
    }
    let (some, others) = rayon::join(|| tree(threads.div_ceil(2), work), || tree(threads / 2, work));
    some || others
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
        self.parts.share(unfilled.into_iter().zip(&mut filled), |((memory, count, part), filled)| {
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
