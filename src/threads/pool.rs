//! The threads of rayon.

use std::{
    cell::Cell,
    iter,
    marker::PhantomData,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

pub(super) use rayon::current_num_threads as threads;
use rayon::{
    ThreadPool, ThreadPoolBuilder,
    iter::{
        IndexedParallelIterator, IntoParallelIterator as _, ParallelIterator,
        plumbing::{Consumer, Folder, ProducerCallback, Reducer as _, UnindexedConsumer},
    },
};

use crate::threads::{Make, Parts, Sink, Split};

/// Whether sharing work that is soon done was worthwhile of late.
///
/// To wake a thread that sleeps takes 20 to 60 µs, measured on virtual machines, and at bad times 300; one that worked a moment ago, as in a loop of calls, is there at once.
/// Which it will be cannot be asked, so the caller tries. After a vain trial it tries again, for now the others are awake; but where more than one of four trials is in vain, it lets ever
/// more calls pass before the next ones.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Turnout {
    /// One for each trial that was worthwhile, less the price of each in vain.
    credit: u32,
    /// So many calls are still let pass.
    pass: u32,
    pause: u32,
}

impl Turnout {
    const PRICE: u32 = 3;
    const MOST: u32 = 2 * Self::PRICE;
    const LONGEST_PAUSE: u32 = 256;
    const UNKNOWN: Self = Self { credit: Self::PRICE, pass: 0, pause: 1 };

    /// Whether to try this time, and what is known from then on.
    fn expects(self) -> (bool, Self) {
        (self.pass == 0, Self { pass: self.pass.saturating_sub(1), ..self })
    }

    /// What is known after a trial.
    fn after(self, worthwhile: bool) -> Self {
        let Self { credit, pause, .. } = self;
        match (worthwhile, credit.checked_sub(Self::PRICE)) {
            (true, _) if credit < Self::MOST => Self { credit: credit + 1, ..self },
            (true, _) => Self { pause: 1, ..self },
            (false, Some(credit)) => Self { credit, ..self },
            (false, None) => Self { credit: Self::PRICE, pass: pause, pause: (2 * pause).min(Self::LONGEST_PAUSE) },
        }
    }
}

/// So many octaves above the least work, others are there in time however deep they slept.
const OCTAVES: usize = 3;

thread_local! {
    /// For each octave: calls of different lengths stand at different places of a program.
    static TURNOUTS: [Cell<Turnout>; OCTAVES] = const { [const { Cell::new(Turnout::UNKNOWN) }; OCTAVES] };
}

/// Whether this thread expects others to help with so much work in time.
pub(super) fn expected(octave: u32) -> bool {
    TURNOUTS.with(|turnouts| {
        turnouts.get(octave as usize).is_none_or(|turnout| {
            let (expects, known) = turnout.get().expects();
            turnout.set(known);
            expects
        })
    })
}

fn learn(octave: u32, worthwhile: bool) {
    TURNOUTS.with(|turnouts| {
        if let Some(turnout) = turnouts.get(octave as usize) {
            turnout.set(turnout.get().after(worthwhile));
        }
    });
}

impl Parts {
    /// Calls `run` with every part. Each thread takes the next one until there is none, and the caller's own does not wait for others to wake up. The caller takes them from
    /// the front, the others from behind: so two threads find in their caches what they had in the call before.
    pub(crate) fn share<P>(self, parts: impl DoubleEndedIterator<Item = P> + Send, run: impl Fn(P) + Sync) {
        if self.threads == 1 {
            return parts.for_each(run);
        }
        let parts = Mutex::new(parts);
        // Not in the head of the loop, where the lock would be held while the part is worked on.
        let next = |side| {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            match side {
                Side::Caller => parts.next(),
                Side::Others => parts.next_back(),
            }
        };
        let start = Instant::now();
        let ([own, others], alone) = together(self.threads, &|side| {
            let mut done = 0;
            while let Some(part) = next(side) {
                run(part);
                done += 1;
            }
            done
        });
        learn(self.octave, Gain { own, others, alone, all: start.elapsed() }.worthwhile());
    }
}

#[derive(Clone, Copy)]
enum Side {
    Caller,
    Others,
}

/// What came of sharing.
struct Gain {
    /// How many parts the caller did.
    own: u32,
    /// How many the others did.
    others: u32,
    /// What the caller's own took.
    alone: Duration,
    all: Duration,
}

impl Gain {
    /// Whether it took less than nine tenths of the time that the caller would have taken for all.
    fn worthwhile(&self) -> bool {
        self.own == 0 || 10 * self.own * self.all < 9 * (self.own + self.others) * self.alone
    }
}

/// Work that says how many parts there were.
type Work<'a> = &'a (dyn Fn(Side) -> u32 + Sync);

/// Does the same work on so many threads at once. How many parts the caller and the others found, and what the caller's took.
fn together(threads: u32, work: Work<'_>) -> ([u32; 2], Duration) {
    let own = || {
        let start = Instant::now();
        (work(Side::Caller), start.elapsed())
    };
    if rayon::current_thread_index().is_some() {
        let ((own, time), others) = rayon::join(own, || tree(threads - 1, work));
        return ([own, others], time);
    }
    let Some(helpers) = helpers() else {
        let (own, time) = own();
        return ([own, 0], time);
    };
    let others = OnceLock::new();
    let (own, time) = helpers.in_place_scope(|scope| {
        scope.spawn(|_| _ = others.set(tree(threads - 1, work)));
        let own = own();
        // At the end of the scope this thread would go to sleep, and to wake it takes longer than the others take to end.
        for _ in 0..PATIENCE {
            if others.get().is_some() {
                break;
            }
            thread::yield_now();
        }
        own
    });
    ([own, others.get().copied().unwrap_or(0)], time)
}

/// How often a caller looks whether the others have done before it sleeps: for some 50 µs.
const PATIENCE: usize = 200;

/// The threads that help callers from outside of any pool: as many as the global pool has, less one. With that pool itself there would be a thread more than there are
/// cores, and whichever the system puts beside another, both are late.
fn helpers() -> Option<&'static ThreadPool> {
    static HELPERS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || ThreadPoolBuilder::new().num_threads(threads() - 1).thread_name(|index| format!("activations-{index}")).build().ok();
    HELPERS.get_or_init(build).as_ref()
}

fn tree(threads: u32, work: Work<'_>) -> u32 {
    if threads <= 1 {
        return work(Side::Others);
    }
    let (some, others) = rayon::join(|| tree(threads.div_ceil(2), work), || tree(threads / 2, work));
    some + others
}

impl Parts {
    /// The results of so many elements, in new memory that has room for one more. Each is written but once, by several threads side by side where there are parts.
    #[inline]
    pub(crate) fn collect<P: Split, R: Send, M: Make<P, R>>(self, total: usize, whole: P, maker: &M) -> Vec<R> {
        let mut results = Vec::with_capacity(total / M::EACH + 1);
        Collect { parts: self, total, whole, maker, result: PhantomData }.collect_into_vec(&mut results);
        results
    }
}

/// Results that rayon asks for, to write them itself.
struct Collect<'a, P, M, R> {
    parts: Parts,
    total: usize,
    whole: P,
    maker: &'a M,
    result: PhantomData<R>,
}

impl<P: Split, R: Send, M: Make<P, R>> ParallelIterator for Collect<'_, P, M, R> {
    type Item = R;

    fn drive_unindexed<C: UnindexedConsumer<R>>(self, consumer: C) -> C::Result {
        self.drive(consumer)
    }
}

// Where there is an index for each, the memory may be cut at any place.
impl<P: Split, R: Send, M: Make<P, R>> IndexedParallelIterator for Collect<'_, P, M, R> {
    fn len(&self) -> usize {
        self.total / M::EACH
    }

    #[inline(always)]
    fn drive<C: Consumer<R>>(self, consumer: C) -> C::Result {
        let Self { parts, total, whole, maker, .. } = self;
        if total <= parts.most {
            return maker.make(total, whole, Unfilled(consumer.into_folder())).0.complete();
        }
        side_by_side(parts, total, whole, M::EACH, consumer, &|count, part, memory| maker.make(count, part, Unfilled(memory)).0)
    }

    fn with_producer<B: ProducerCallback<R>>(self, callback: B) -> B::Output {
        self.parts.collect(self.total, self.whole, self.maker).into_par_iter().with_producer(callback)
    }
}

/// What `make` puts into the memory of a consumer, `each` elements for a result. In a function of its own, which is compiled once for all makers.
fn side_by_side<P: Split, R, C: Consumer<R>>(
    parts: Parts,
    total: usize,
    whole: P,
    each: usize,
    consumer: C,
    make: &(dyn Fn(usize, P, C::Folder) -> C::Folder + Sync),
) -> C::Result {
    let (mut unfilled, mut reducers) = (Vec::new(), Vec::new());
    let mut behind = consumer;
    for (count, part) in parts.cut(total, whole) {
        let (here, rest, reducer) = behind.split_at(count / each);
        unfilled.push((here, count, part));
        reducers.push(reducer);
        behind = rest;
    }
    let mut filled: Vec<_> = iter::repeat_with(|| None).take(unfilled.len()).collect();
    parts.share(unfilled.into_iter().zip(&mut filled), |((memory, count, part), filled)| *filled = Some(make(count, part, memory.into_folder()).complete()));
    let end = behind.into_folder().complete();
    filled.into_iter().zip(reducers).rev().fold(end, |behind, (here, reducer)| match here {
        Some(here) => reducer.reduce(here, behind),
        None => behind,
    })
}

/// Memory that holds nothing yet, as rayon gives it out.
struct Unfilled<F>(F);

impl<R, F: Folder<R>> Sink<R> for Unfilled<F> {
    #[inline(always)]
    fn put(self, result: R) -> Self {
        Self(self.0.consume(result))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Gain, Turnout};

    /// How many of so many calls try, and how many of the last 1000, where these are the answers.
    fn trials(calls: usize, mut worthwhile: impl FnMut(usize) -> bool) -> (usize, usize) {
        let (mut turnout, mut trials, mut late) = (Turnout::UNKNOWN, 0, 0);
        for call in 0..calls {
            let (expects, known) = turnout.expects();
            turnout = known;
            if expects {
                turnout = turnout.after(worthwhile(trials));
                trials += 1;
                late += usize::from(call + 1000 >= calls);
            }
        }
        (trials, late)
    }

    #[test]
    fn worthwhile_is_what_saves_time() {
        let gain = |own, others, alone, all| Gain { own, others, alone: Duration::from_micros(alone), all: Duration::from_micros(all) }.worthwhile();
        assert!(gain(1, 1, 10, 12) && gain(3, 5, 30, 40) && gain(0, 2, 0, 10));
        // The others came when there was nothing left, or so late that the caller would have been there before.
        assert!(!gain(2, 0, 20, 25) && !gain(1, 1, 10, 19) && !gain(7, 1, 70, 90));
    }

    #[test]
    fn trials_follow_what_they_find() {
        assert_eq!(trials(5000, |_| true), (5000, 1000));
        // The first time to wake them.
        assert_eq!(trials(5000, |trial| trial > 0), (5000, 1000));
        for (name, found) in [("never", (|_| false) as fn(usize) -> bool), ("every second time", |trial| trial % 2 == 1)] {
            let (all, late) = trials(5000, found);
            assert!(all < 120 && (4..=20).contains(&late), "{name}: {all}, {late}");
        }
        // One that is late now and then does not matter.
        assert_eq!(trials(5000, |trial| trial % 6 > 0), (5000, 1000));
        // Nobody for long, then everybody: after the longest pause, no pauses.
        let (all, late) = trials(5000, |trial| trial > 20);
        assert!(all > 4000 && late == 1000, "{all}, {late}");
    }
}
