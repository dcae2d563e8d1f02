//! Formulas on slices, for every instruction set.
//!
//! [`Kernel`] is a formula bound to an element type: its methods are compiled in this crate, once for each of the two and for each instruction set, and the
//! rest of the crate calls them through a trait object.

mod chunks;

use std::{cell::Cell, fmt::Debug, hint::black_box, ops::Range};

use fearless_simd::{Level, Simd, SimdBase, SimdFloatElement};

pub(crate) use self::chunks::{CHUNK, choose, complete, each_chunk, map_chunk, multiply, new_backward, run_smooth, run_two_slope};

use crate::{
    element::Element,
    pointwise::{Cost, Pointwise},
    real::{Lanes, Work as _},
    threads::{Parts, Sink, Split, wide},
};

/// How many elements one word of kept bits stands for.
pub(crate) const WORD: usize = 64;

/// Runs a body with the token of an instruction set: AVX-512, AVX2 with FMA, or the baseline of the target. With an `else`, that is all there is for SSE2.
macro_rules! at_level {
    (@baseline $level:ident, $simd:ident => $body:expr) => {
        if let Some($simd) = $level.as_sse2() {
            fearless_simd::Simd::vectorize(
                $simd,
                #[inline(always)]
                || $body,
            )
        } else {
            unreachable!("every such CPU has SSE2")
        }
    };
    (@baseline $level:ident, $simd:ident => $body:expr, else $otherwise:expr) => {{
        _ = $level;
        $otherwise
    }};
    ($level:expr, $simd:ident => $body:expr $(, else $otherwise:expr)?) => {{
        #[cfg(target_arch = "x86_64")]
        {
            // Three sets and not five: SSE4.2 gains little over SSE2 here and would cost a third more compile time.
            match $level {
                fearless_simd::Level::Avx512($simd) => fearless_simd::Simd::vectorize(
                    $simd,
                    #[inline(always)]
                    || $body,
                ),
                fearless_simd::Level::Avx2($simd) => fearless_simd::Simd::vectorize(
                    $simd,
                    #[inline(always)]
                    || {
                        $crate::kernel::align_frame();
                        $body
                    },
                ),
                other => $crate::kernel::at_level!(@baseline other, $simd => $body $(, else $otherwise)?),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            fearless_simd::dispatch!($level, $simd => $body)
        }
    }};
}
pub(crate) use at_level;

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

/// The instruction set to use: the best that the CPU has, unless a test asked for another.
#[inline]
pub(crate) fn level() -> Level {
    FORCED.get().unwrap_or_else(Level::new)
}

/// Whether kernels have loops into new memory at this level. With SSE2 alone they do not, which makes the crate a tenth faster to build: a new array is zeroed first there.
#[inline]
pub(crate) fn makes_new(level: Level) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        level.as_avx2().is_some()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        _ = level;
        true
    }
}

/// How many elements a vector has at this level.
pub(crate) fn lanes<A: Element>(level: Level) -> usize {
    #[inline(always)]
    fn of<S: Simd, A: Element>(_simd: S) -> usize {
        A::Native::<S>::LEN
    }
    at_level!(level, simd => of::<_, A>(simd))
}

/// The names of the levels that this CPU has, for [`with_level`].
pub(crate) fn levels() -> Vec<(&'static str, Level)> {
    let best = Level::new();
    #[cfg(target_arch = "x86_64")]
    {
        [best.as_avx512().map(|s| ("avx512", s.level())), best.as_avx2().map(|s| ("avx2", s.level())), best.as_sse2().map(|s| ("sse2", s.level()))]
            .into_iter()
            .flatten()
            .collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        vec![("native", best)]
    }
}

/// Runs `body` with another instruction set on this thread.
pub(crate) fn with_level<R>(level: Level, body: impl FnOnce() -> R) -> R {
    struct Restore(Option<Level>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(Some(level)));
    body()
}

/// What `forward` keeps of an input for `backward`, while a kernel fills it.
#[derive(Debug)]
pub enum Keep<'a, A> {
    /// Nothing.
    Nothing,
    /// The derivative at each element.
    Derivative(&'a mut [A]),
    /// One bit an element: whether the upper slope holds. The first element of the slice starts a word.
    Bits(&'a mut [u64]),
}

impl<A> Keep<'_, A> {
    /// What belongs to these elements, the first of which starts a word where there are bits.
    #[inline]
    pub(crate) fn part(&mut self, range: Range<usize>) -> Keep<'_, A> {
        match self {
            Self::Nothing => Keep::Nothing,
            Self::Derivative(derivative) => Keep::Derivative(&mut derivative[range]),
            Self::Bits(bits) => Keep::Bits(&mut bits[range.start / WORD..range.end.div_ceil(WORD)]),
        }
    }
}

impl<A: Send> Split for Keep<'_, A> {
    fn split(self, at: usize) -> (Self, Self) {
        match self {
            Self::Nothing => (Self::Nothing, Self::Nothing),
            Self::Derivative(values) => {
                let (left, right) = values.split_at_mut(at);
                (Self::Derivative(left), Self::Derivative(right))
            }
            Self::Bits(words) => {
                let (left, right) = words.split_at_mut(at.div_ceil(WORD));
                (Self::Bits(left), Self::Bits(right))
            }
        }
    }
}

/// Where the values of a kernel go.
#[derive(Debug)]
pub enum Output<'a, A> {
    /// Over what stands there.
    Slice(&'a mut [A]),
    /// Into new memory, each of them written but once, over threads where there are parts. The vector is empty, and the kernel gives it room; one that works on one
    /// thread alone leaves it empty where there are parts.
    New(Parts, &'a mut Vec<A>),
}

impl<A: Element> Output<'_, A> {
    /// Where these values go; in new memory those before them are there already.
    #[inline]
    fn part(&mut self, range: Range<usize>) -> Output<'_, A> {
        match self {
            Self::Slice(values) => Output::Slice(&mut values[range]),
            Self::New(parts, values) => Output::New(*parts, values),
        }
    }

    /// Fills it with `f` of each element of an input, or of what stands in it, on one thread.
    pub(crate) fn map(self, input: Option<&[A]>, mut f: impl FnMut(A) -> A) {
        match (input, self) {
            (Some(input), Self::Slice(values)) => values.iter_mut().zip(input).for_each(|(y, &x)| *y = f(x)),
            (Some(input), Self::New(parts, values)) if input.len() <= parts.most => values.extend(input.iter().map(|&x| f(x))),
            (None, Self::Slice(values)) => values.iter_mut().for_each(|y| *y = f(*y)),
            (_, Self::New(..)) => {}
        }
    }
}

/// What was kept, while backward reads it.
#[derive(Clone, Copy)]
pub(crate) enum Read<'a, A> {
    Derivative(&'a [A]),
    /// The bits, and the slopes that they choose from.
    Bits(&'a [u64], f64, f64),
    /// One slope everywhere.
    Constant(f64),
}

impl<A: Sync> Split for Read<'_, A> {
    fn split(self, at: usize) -> (Self, Self) {
        match self {
            Self::Derivative(values) => {
                let (left, right) = values.split_at(at);
                (Self::Derivative(left), Self::Derivative(right))
            }
            Self::Bits(words, lower, upper) => {
                let (left, right) = words.split_at(at.div_ceil(WORD));
                (Self::Bits(left, lower, upper), Self::Bits(right, lower, upper))
            }
            Self::Constant(slope) => (Self::Constant(slope), Self::Constant(slope)),
        }
    }
}

/// What a formula needs to have kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The derivative.
    Smooth,
    /// One bit, which chooses between the lower and the upper slope.
    TwoSlope {
        /// The slope where the bit is 0.
        lower: f64,
        /// The slope where the bit is 1.
        upper: f64,
    },
}

/// A formula for the elements `A`, compiled.
pub trait Kernel<A>: Debug + Send + Sync {
    /// The formula's name.
    fn name(&self) -> &str;
    /// The name with the parameters.
    fn spec(&self) -> String;
    /// Where the derivative jumps.
    fn kinks(&self) -> Vec<f64>;
    /// What has to be kept.
    fn kind(&self) -> Kind;
    /// How much work one element is.
    fn cost(&self) -> Cost;
    /// The values at `input`, or at `output` itself, a slice, where there is no input; `keep` is filled alongside.
    fn run(&self, level: Level, input: Option<&[A]>, output: Output<'_, A>, keep: Keep<'_, A>);
}

/// A [`Pointwise`] formula of the user's own as a [`Kernel`]: compiled where it is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own<P>(pub P);

impl<P: Pointwise, A: Element> Kernel<A> for Own<P> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn spec(&self) -> String {
        self.0.spec()
    }
    fn kinks(&self) -> Vec<f64> {
        self.0.kinks()
    }
    fn kind(&self) -> Kind {
        Kind::Smooth
    }
    fn cost(&self) -> Cost {
        cost(self.0)
    }
    fn run(&self, level: Level, input: Option<&[A]>, output: Output<'_, A>, keep: Keep<'_, A>) {
        run_smooth(self.0, level, input, output, keep);
    }
}

/// How much work an element is for this CPU.
pub(crate) fn cost<P: Pointwise>(formula: P) -> Cost {
    if formula.widens() { P::COST } else { in_one_word(P::COST) }
}

/// With wide vectors an exponential in one word takes no longer than a division elsewhere.
pub(crate) fn in_one_word(cost: Cost) -> Cost {
    match cost {
        Cost::Transcendental if wide() => Cost::Arithmetic,
        cost => cost,
    }
}

/// A formula compiled for both element types, in this crate: [`Kernel`] for any element leads here.
pub(crate) trait Compiled {
    fn run_single(&self, level: Level, input: Option<&[f32]>, output: Output<'_, f32>, keep: Keep<'_, f32>);
    fn run_double(&self, level: Level, input: Option<&[f64]>, output: Output<'_, f64>, keep: Keep<'_, f64>);
}

/// Compiles a formula for both element types.
macro_rules! kernels {
    (smooth $formula:ty) => {
        kernels!(@compiled $formula, run_smooth);
        impl<A: $crate::element::Element> $crate::kernel::Kernel<A> for $formula {
            kernels!(@facts Pointwise);
            fn kind(&self) -> $crate::kernel::Kind {
                $crate::kernel::Kind::Smooth
            }
            fn cost(&self) -> $crate::pointwise::Cost {
                $crate::kernel::cost(*self)
            }
        }
    };
    (two_slope $formula:ty) => {
        kernels!(@compiled $formula, run_two_slope);
        impl<A: $crate::element::Element> $crate::kernel::Kernel<A> for $formula {
            kernels!(@facts TwoSlope);
            fn kind(&self) -> $crate::kernel::Kind {
                let (lower, upper) = $crate::pointwise::TwoSlope::slopes(*self);
                $crate::kernel::Kind::TwoSlope { lower, upper }
            }
            fn cost(&self) -> $crate::pointwise::Cost {
                $crate::pointwise::Cost::Memory
            }
        }
    };
    // One of several formulas, chosen outside the loop.
    (choice $formula:ty) => {
        impl<A: $crate::element::Element> $crate::kernel::Kernel<A> for $formula {
            fn name(&self) -> &str {
                self.chosen::<A>().name()
            }
            fn spec(&self) -> String {
                self.chosen::<A>().spec()
            }
            fn kinks(&self) -> Vec<f64> {
                self.chosen::<A>().kinks()
            }
            fn kind(&self) -> $crate::kernel::Kind {
                self.chosen::<A>().kind()
            }
            fn cost(&self) -> $crate::pointwise::Cost {
                self.chosen::<A>().cost()
            }
            fn run(&self, level: fearless_simd::Level, input: Option<&[A]>, output: $crate::kernel::Output<'_, A>, keep: $crate::kernel::Keep<'_, A>) {
                self.chosen::<A>().run(level, input, output, keep);
            }
        }
    };
    (@compiled $formula:ty, $run:ident) => {
        impl $crate::kernel::Compiled for $formula {
            kernels!(@run f32, run_single, $run);
            kernels!(@run f64, run_double, $run);
        }
    };
    (@run $a:ident, $method:ident, $run:ident) => {
        fn $method(&self, level: fearless_simd::Level, input: Option<&[$a]>, output: $crate::kernel::Output<'_, $a>, keep: $crate::kernel::Keep<'_, $a>) {
            $crate::kernel::$run(*self, level, input, output, keep);
        }
    };
    (@facts $trait:ident) => {
        fn name(&self) -> &str {
            $crate::pointwise::$trait::name(self)
        }
        fn spec(&self) -> String {
            $crate::pointwise::$trait::spec(self)
        }
        fn kinks(&self) -> Vec<f64> {
            $crate::pointwise::$trait::kinks(self)
        }
        fn run(&self, level: fearless_simd::Level, input: Option<&[A]>, output: $crate::kernel::Output<'_, A>, keep: $crate::kernel::Keep<'_, A>) {
            A::run_compiled(self, level, input, output, keep);
        }
    };
}
pub(crate) use kernels;

/// How many elements pass through the stack at a time where a kernel works in place.
const BLOCK: usize = 512;

/// A kernel on an input, an output and what is kept.
type Run<'a, A> = &'a dyn Fn(&[A], Output<'_, A>, Keep<'_, A>);

/// Calls `body` on as many elements as make blocks of `N`, then on the [`rest`].
#[inline]
fn in_two<const N: usize, A: Element>(input: &[A], mut output: Output<'_, A>, mut keep: Keep<'_, A>, body: impl Fn(&[A], Output<'_, A>, Keep<'_, A>)) {
    let count = input.len();
    let whole = count / N * N;
    if whole > 0 {
        body(&input[..whole], output.part(0..whole), keep.part(0..whole));
    }
    if whole < count {
        rest::<N, A>(&input[whole..], output.part(whole..count), whole, keep, &body);
    }
}

/// The same in place: `whole` leaves alone what does not fill a block, and `run` gets a copy of it.
#[inline]
fn in_two_inplace<const N: usize, A: Element>(output: &mut [A], mut keep: Keep<'_, A>, whole: impl FnOnce(&mut [A], Keep<'_, A>), run: Run<'_, A>) {
    let count = output.len();
    whole(output, keep.part(0..count));
    let start = count / N * N;
    if start < count {
        let input = padded::<N, A>(&output[start..]);
        rest::<N, A>(&input[..count - start], Output::Slice(&mut output[start..]), start, keep, run);
    }
}

/// Calls `body` on the last elements, fewer than `N`, from `start` on, with zeros behind them: so the formula is compiled once for all, and a result does not
/// depend on its position.
fn rest<const N: usize, A: Element>(input: &[A], output: Output<'_, A>, start: usize, keep: Keep<'_, A>, body: Run<'_, A>) {
    let (x, mut y, mut slopes, mut word) = (padded::<N, A>(input), [A::zero(); N], [A::zero(); N], [0]);
    match keep {
        Keep::Nothing => body(&x, Output::Slice(&mut y), Keep::Nothing),
        Keep::Derivative(derivative) => {
            body(&x, Output::Slice(&mut y), Keep::Derivative(&mut slopes));
            derivative[start..].copy_from_slice(&slopes[..input.len()]);
        }
        Keep::Bits(bits) => {
            body(&x, Output::Slice(&mut y), Keep::Bits(&mut word));
            let (all, place) = (&mut bits[start / WORD], start % WORD);
            *all = if place == 0 { word[0] } else { *all | word[0] << place };
        }
    }
    match output {
        Output::Slice(values) => values.copy_from_slice(&y[..input.len()]),
        Output::New(_, values) => values.extend_from_slice(&y[..input.len()]),
    }
}

/// The elements, with zeros behind the last one.
#[inline(always)]
pub(crate) fn padded<const N: usize, A: Element>(elements: &[A]) -> [A; N] {
    let mut padded = [A::zero(); N];
    padded[..elements.len()].copy_from_slice(elements);
    padded
}

/// f(x), computed in wider numbers if the formula asks for them.
#[inline(always)]
fn value_at<P: Pointwise, S: Simd, A: Element>(formula: P, x: Lanes<S, A>) -> Lanes<S, A> {
    if const { P::WIDENS } && formula.widens() { formula.value(A::Work::<S>::widen(x)).narrow() } else { formula.value(x) }
}

/// f(x) and f'(x), computed in wider numbers if `WIDE`.
#[inline(always)]
fn both_at<const WIDE: bool, P: Pointwise, S: Simd, A: Element>(formula: P, x: Lanes<S, A>) -> (Lanes<S, A>, Lanes<S, A>) {
    if WIDE {
        let (value, derivative) = formula.value_and_derivative(A::Work::<S>::widen(x));
        (value.narrow(), derivative.narrow())
    } else {
        formula.value_and_derivative(x)
    }
}

#[inline(always)]
pub(crate) fn load<S: Simd, A: Element>(simd: S, elements: &[A]) -> Lanes<S, A> {
    Lanes(A::Native::<S>::from_slice(simd, elements))
}

/// Gives `sink` what `f` makes of what is read at each place. Where that is worth it, each is read before the results of the one in front of it are written.
///
/// What lies a multiple of 4096 bytes and a few more behind a number just written cannot be read until that has been done, for the CPU compares the last twelve bits of the
/// addresses first; and arrays that were allocated one after the other lie like that.
#[inline(always)]
pub(crate) fn ahead<W: Worth, P: Copy, T, R, S: Sink<R>>(
    _worth: W,
    places: impl IntoIterator<Item = P>,
    read: impl Fn(P) -> T,
    mut sink: S,
    mut f: impl FnMut(&T) -> R,
) -> S {
    let mut places = places.into_iter();
    if const { !W::WORTH } {
        for place in places {
            sink = sink.put(f(&read(place)));
        }
        return sink;
    }
    let Some(mut place) = places.next() else { return sink };
    let mut here = read(place);
    while sink.has_room() {
        let results = f(&here);
        let next = places.next();
        // At the end the last one once more: an `Option` of what is read would be kept in memory.
        place = next.unwrap_or(place);
        here = read(place);
        sink = sink.put(results);
        if next.is_none() {
            break;
        }
    }
    sink
}

/// Whether it is worth to read [`ahead`], which the compiler knows before it makes any code: the other of both loops is not even inlined.
pub(crate) trait Worth {
    const WORTH: bool;
}

/// Where there are registers for more than one vector read ahead: AVX2 and SSE2 have sixteen in all.
pub(crate) struct Spacious<S>(pub(crate) S);

impl<S: Simd> Worth for Spacious<S> {
    const WORTH: bool = cfg!(not(target_arch = "x86_64")) || <f32 as SimdFloatElement>::Native::<S>::LEN > 8;
}

/// Makes the stack frame of its caller begin at a multiple of 32 bytes: vectors for which there are no registers stand at such multiples then. The compiler is content with 16 otherwise,
/// and the CPU waits long for a number just written that lies across two lines of the cache; which kernels it hits changes with all that stands on the stack before it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn align_frame() {
    #[repr(align(32))]
    struct Aligned(u8);
    let aligned = Aligned(0);
    _ = black_box(&aligned).0;
}

/// Copies elements, a kibibyte at a time: the C library hands longer copies to an instruction that some CPUs (Zen 3) run at a third of the speed or less where
/// the two addresses lie at unlucky distances.
#[inline]
pub(crate) fn copy<A: Element>(from: &[A], to: &mut [A]) {
    let piece = 1024 / size_of::<A>();
    for (from, to) in from.chunks(piece).zip(to.chunks_mut(piece)) {
        to.copy_from_slice(from);
    }
}

/// Gives `sink` the elements in vectors, as many at a time as a word of bits stands for.
pub(crate) fn hand_over<A: Element, S: Sink<[A; WORD]>>(level: Level, elements: &[A], mut sink: S) -> S {
    at_level!(level, _simd => {
        for word in elements.as_chunks().0 {
            sink = sink.put(*word);
        }
        sink
    })
}

/// Copies four columns of a matrix into rows at a distance.
///
/// By squares that are as wide as 128 bits: number by number, one store a cycle would limit it.
pub(crate) fn four_columns<A: Element>(level: Level, columns: [&[A]; 4], rows: &mut [A], distance: usize) {
    at_level!(level, simd => four_columns_at(simd, columns, rows, distance));
}

#[inline(always)]
fn four_columns_at<S: Simd, A: Element>(simd: S, [a, b, c, d]: [&[A]; 4], rows: &mut [A], distance: usize) {
    let n = Block::<S, A>::LEN;
    let (a_squares, b_squares, c_squares, d_squares) = (a.chunks_exact(n), b.chunks_exact(n), c.chunks_exact(n), d.chunks_exact(n));
    let mut done = 0;
    for (rows, (((a, b), c), d)) in rows.chunks_exact_mut(n * distance).zip(a_squares.zip(b_squares).zip(c_squares).zip(d_squares)) {
        let (first, rows) = rows.split_at_mut(distance);
        if n == 2 {
            let ((a, b), (c, d)) = (block(simd, a).interleave(block(simd, b)), block(simd, c).interleave(block(simd, d)));
            a.store_slice(&mut first[..2]);
            c.store_slice(&mut first[2..4]);
            b.store_slice(&mut rows[..2]);
            d.store_slice(&mut rows[2..4]);
        } else {
            let (second, rows) = rows.split_at_mut(distance);
            let (third, fourth) = rows.split_at_mut(distance);
            let [a, b, c, d] = square([block::<S, A>(simd, a), block(simd, b), block(simd, c), block(simd, d)]);
            a.store_slice(&mut first[..4]);
            b.store_slice(&mut second[..4]);
            c.store_slice(&mut third[..4]);
            d.store_slice(&mut fourth[..4]);
        }
        done += n;
    }
    let rest = a[done..].iter().zip(&b[done..]).zip(&c[done..]).zip(&d[done..]);
    for (row, (((&a, &b), &c), &d)) in rows[done * distance..].chunks_mut(distance).zip(rest) {
        row[..4].copy_from_slice(&[a, b, c, d]);
    }
}

/// The way back.
pub(crate) fn into_four_columns<A: Element>(level: Level, rows: &[A], distance: usize, columns: [&mut [A]; 4]) {
    at_level!(level, simd => into_four_columns_at(simd, rows, distance, columns));
}

#[inline(always)]
fn into_four_columns_at<S: Simd, A: Element>(simd: S, rows: &[A], distance: usize, [a, b, c, d]: [&mut [A]; 4]) {
    let n = Block::<S, A>::LEN;
    let (a_squares, b_squares, c_squares, d_squares) = (a.chunks_exact_mut(n), b.chunks_exact_mut(n), c.chunks_exact_mut(n), d.chunks_exact_mut(n));
    let mut done = 0;
    for (rows, (((a, b), c), d)) in rows.chunks_exact(n * distance).zip(a_squares.zip(b_squares).zip(c_squares).zip(d_squares)) {
        let (first, second) = rows.split_at(distance);
        let squares = if n == 2 {
            let ((a, b), (c, d)) =
                (block(simd, &first[..2]).interleave(block(simd, &second[..2])), block(simd, &first[2..4]).interleave(block(simd, &second[2..4])));
            [a, b, c, d]
        } else {
            square([
                block::<S, A>(simd, &first[..4]),
                block(simd, &second[..4]),
                block(simd, &rows[2 * distance..][..4]),
                block(simd, &rows[3 * distance..][..4]),
            ])
        };
        for (square, column) in squares.into_iter().zip([a, b, c, d]) {
            square.store_slice(column);
        }
        done += n;
    }
    let rest = a[done..].iter_mut().zip(&mut b[done..]).zip(c[done..].iter_mut().zip(&mut d[done..]));
    for (row, ((a, b), (c, d))) in rows[done * distance..].chunks(distance).zip(rest) {
        if let Some(&row) = row.first_chunk() {
            [*a, *b, *c, *d] = row;
        }
    }
}

#[inline(always)]
fn block<S: Simd, A: Element>(simd: S, elements: &[A]) -> Block<S, A> {
    Block::<S, A>::from_slice(simd, elements)
}

/// The columns of a square of four rows.
#[inline(always)]
fn square<S: Simd, B: SimdBase<S>>([a, b, c, d]: [B; 4]) -> [B; 4] {
    let (ac, bd) = (a.interleave(c), b.interleave(d));
    let (upper, lower) = (ac.0.interleave(bd.0), ac.1.interleave(bd.1));
    [upper.0, upper.1, lower.0, lower.1]
}

/// 128 bits of elements: two or four.
type Block<S, A> = <<A as SimdFloatElement>::Native<S> as SimdBase<S>>::Block;

/// Calls `body` on parts of `values`, each with a copy of itself and its range.
///
/// Read from the copy: a selection between a number just loaded and another, stored in the same place, becomes a masked store, which is many times slower than
/// a copy on some CPUs.
#[inline(always)]
fn inplace<A: Element>(values: &mut [A], mut body: impl FnMut(&[A], &mut [A], Range<usize>)) {
    let mut block = [A::zero(); BLOCK];
    let mut start = 0;
    for values in values.chunks_mut(BLOCK) {
        let read = &mut block[..values.len()];
        copy(values, read);
        let range = start..start + values.len();
        start = range.end;
        body(read, values, range);
    }
}

/// `output` = the gradient times the derivative, in place without a gradient; exactly 0 for slope 0.
pub(crate) fn backward<A: Element>(level: Level, gradient: Option<&[A]>, read: Read<'_, A>, output: &mut [A]) {
    match read {
        Read::Derivative(derivative) => multiply(level, gradient, derivative, output),
        Read::Bits(bits, lower, upper) => choose(level, gradient, bits, output, lower, upper),
        Read::Constant(slope) => scale(gradient, output, slope),
    }
}

/// `output = gradient · slope`, exactly 0 for slope 0.
fn scale<A: Element>(gradient: Option<&[A]>, output: &mut [A], slope: f64) {
    if slope == 0.0 {
        return output.fill(A::zero());
    }
    if let Some(gradient) = gradient {
        copy(gradient, output);
    }
    if slope != 1.0 {
        let slope = A::rounded(slope);
        for y in output {
            *y *= slope;
        }
    }
}
