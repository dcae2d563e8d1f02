//! The threads of rayon.

use std::{
    cell::Cell,
    iter,
    marker::PhantomData,
    ops::Range,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
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

use crate::{
    pages,
    threads::{Make, Parts, Sink, Split},
};

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
    /// Calls `run` with every part. They are dealt out, and a thread that has done its own goes on with those of others, so that nobody waits for one that is late. A thread is
    /// dealt the same parts in every call: it finds in its caches what it had in the call before.
    pub(crate) fn share<P: Send>(self, parts: impl Iterator<Item = P>, run: impl Fn(P) + Sync) {
        if self.threads == 1 {
            return parts.for_each(run);
        }
        let parts: Vec<_> = parts.map(|part| Mutex::new(Some(part))).collect();
        self.deal(parts.len(), &|place| {
            let part = parts.get(place).and_then(|part| part.lock().unwrap_or_else(PoisonError::into_inner).take());
            part.into_iter().for_each(&run);
        });
    }

    /// Calls `run` with so many places, on all threads. Compiled once for whatever stands there.
    fn deal(self, places: usize, run: &(dyn Fn(usize) + Sync)) {
        let hands = (0..self.threads).map(|hand| Hand::of(hand, self.threads, places)).collect();
        let job = Job { hands, run, left: AtomicUsize::new(places), helped: AtomicU32::new(0) };
        let start = Instant::now();
        let (own, alone) = job.done();
        learn(self.octave, Gain { own, others: job.helped.into_inner(), alone, all: start.elapsed() }.worthwhile());
    }
}

/// The places of the parts that a thread is dealt: a line of the cache for itself.
#[repr(align(64))]
struct Hand(Mutex<Range<usize>>);

impl Hand {
    /// One of so many, of so many parts.
    fn of(hand: usize, hands: usize, parts: usize) -> Self {
        Self(Mutex::new(hand * parts / hands..(hand + 1) * parts / hands))
    }

    fn places(&self) -> MutexGuard<'_, Range<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parts that several threads do together, each in a seat of its own.
struct Job<'a> {
    /// What each seat is dealt.
    hands: Vec<Hand>,
    /// Does the part at a place.
    run: &'a (dyn Fn(usize) + Sync),
    /// How many parts are not done yet.
    left: AtomicUsize,
    /// How many parts others than the caller did.
    helped: AtomicU32,
}

impl Job<'_> {
    /// Does all parts, on as many threads as come. How many the caller did, and how long that took.
    fn done(&self) -> (u32, Duration) {
        match rayon::current_thread_index() {
            Some(seat) => rayon::join(|| self.work(seat), || self.with_pool(self.hands.len() - 1)).0,
            None => self.with_helpers(helpers(), 0..self.hands.len()),
        }
    }

    /// Does what is in the hand of a seat, and then what is left in others, from behind: so what changes hands is the same from call to call.
    fn work(&self, seat: usize) -> (u32, Duration) {
        let start = Instant::now();
        let (before, after) = self.hands.split_at(seat % self.hands.len());
        let own = iter::from_fn(|| after.first()?.places().next());
        let others = after.iter().skip(1).chain(before).flat_map(|hand| iter::from_fn(|| hand.places().next_back()));
        let mut done = 0;
        for place in own.chain(others) {
            (self.run)(place);
            self.left.fetch_sub(1, Ordering::Relaxed);
            done += 1;
        }
        (done, start.elapsed())
    }

    /// Takes the first of these seats. A helper takes the one in the middle and sees to those behind it, and so on: nobody has many to wake.
    fn with_helpers(&self, helpers: &[ThreadPool], seats: Range<usize>) -> (u32, Duration) {
        let middle = seats.start + seats.len().div_ceil(2);
        // Nobody is woken for a hand that others have emptied by now.
        let hand = self.hands.get(middle).filter(|hand| middle < seats.end && !hand.places().is_empty());
        let Some(helper) = hand.and(helpers.get(middle - 1)) else {
            let own = self.work(seats.start);
            // Who is done stays awake for the next call as long as this one lasts.
            wait_until(|| self.left.load(Ordering::Relaxed) == 0);
            return own;
        };
        let ended = AtomicBool::new(false);
        helper.in_place_scope(|scope| {
            scope.spawn(|_| {
                let (done, _) = self.with_helpers(helpers, middle..seats.end);
                self.helped.fetch_add(done, Ordering::Relaxed);
                ended.store(true, Ordering::Relaxed);
            });
            let own = self.with_helpers(helpers, seats.start..middle);
            // At the end of the scope this thread would go to sleep, and to wake it takes longer than the others take to end.
            wait_until(|| ended.load(Ordering::Relaxed));
            own
        })
    }

    /// Lets so many threads of the caller's own pool help, as far as they are free.
    fn with_pool(&self, threads: usize) {
        if threads > 1 {
            rayon::join(|| self.with_pool(threads.div_ceil(2)), || self.with_pool(threads / 2));
        } else if let Some(seat) = rayon::current_thread_index() {
            let (done, _) = self.work(seat);
            self.helped.fetch_add(done, Ordering::Relaxed);
        }
    }
}

/// Gives way to other threads until something is so, but not for ever: for some 50 µs.
fn wait_until(so: impl Fn() -> bool) {
    const PATIENCE: usize = 200;
    for _ in 0..PATIENCE {
        if so() {
            break;
        }
        thread::yield_now();
    }
}

/// The threads that help callers from outside of any pool: as many as the global pool has, less one. With that pool itself there would be a thread more than there are cores, and
/// whichever the system puts beside another, both are late. Each is a pool by itself, or any of them might take any seat, and what lies in its cache would be of no use.
fn helpers() -> &'static [ThreadPool] {
    static HELPERS: OnceLock<Vec<ThreadPool>> = OnceLock::new();
    let build = |seat| ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("activations-{seat}")).build().ok();
    HELPERS.get_or_init(|| (1..threads()).map_while(build).collect())
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

impl Parts {
    /// The results of so many elements, in new memory that has room for one more. Each is written but once, by several threads side by side where there are parts.
    #[inline]
    pub(crate) fn collect<P: Split, R: Send, M: Make<P, R>>(self, total: usize, whole: P, maker: &M) -> Vec<R> {
        let mut results = pages::room(total / M::EACH + 1);
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
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::{
        sync::{
            Mutex,
            atomic::{AtomicU32, AtomicUsize},
        },
        time::Duration,
    };

    use super::{Gain, Hand, Job, Turnout};

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

    #[test]
    fn each_part_is_done_once_and_by_its_owner_first() {
        for (hands, parts) in [(1, 1), (2, 1), (2, 8), (3, 10), (7, 5), (16, 64), (5, 0)] {
            for seat in 0..hands {
                let done = Mutex::new(Vec::new());
                let hands: Vec<_> = (0..hands).map(|hand| Hand::of(hand, hands, parts)).collect();
                let own = hands[seat].places().clone();
                let job = Job { hands, run: &|place| done.lock().unwrap().push(place), left: AtomicUsize::new(parts), helped: AtomicU32::new(0) };
                assert_eq!((job.work(seat).0, job.work(0).0), (parts as u32, 0));
                let mut done = done.into_inner().unwrap();
                assert!(done.iter().copied().take(own.len()).eq(own), "{done:?}");
                done.sort_unstable();
                assert!(done.into_iter().eq(0..parts));
            }
        }
    }
}
