//! The loops of the kernels: results leave them by chunks, into a slice or into new memory.

use fearless_simd::{Level, Simd, SimdBase, SimdMask};

use crate::{
    element::Element,
    kernel::{Keep, Output, Read, Spacious, WORD, ahead, at_level, both_at, in_two, in_two_inplace, inplace, load, padded, scale, value_at},
    pointwise::{Cost, Pointwise, TwoSlope},
    real::{LaneMask, Lanes, Real as _},
    threads::{Make, Parts, Sink},
};

/// How many elements make a chunk: half of those that a word of bits stands for.
pub(crate) const CHUNK: usize = WORD / 2;

impl<A: Copy, const N: usize> Sink<[A; N]> for &mut [A] {
    #[inline(always)]
    fn has_room(&self) -> bool {
        self.len() >= N
    }
    #[inline(always)]
    fn put(self, results: [A; N]) -> Self {
        match self.split_first_chunk_mut() {
            Some((here, behind)) => {
                *here = results;
                behind
            }
            None => &mut [],
        }
    }
    #[inline(always)]
    fn put_part(self, results: [A; N], count: usize) -> Self {
        let (here, behind) = self.split_at_mut(count);
        here.copy_from_slice(&results[..count]);
        behind
    }
}

impl<Q, R, S: Sink<Q>, T: Sink<R>> Sink<(Q, R)> for (S, T) {
    #[inline(always)]
    fn has_room(&self) -> bool {
        self.0.has_room() && self.1.has_room()
    }
    #[inline(always)]
    fn put(self, results: (Q, R)) -> Self {
        (self.0.put(results.0), self.1.put(results.1))
    }
    #[inline(always)]
    fn put_part(self, results: (Q, R), count: usize) -> Self {
        (self.0.put_part(results.0, count), self.1.put_part(results.1, count))
    }
}

/// Gives `sink` what `f` makes of each whole chunk and the place where it starts.
#[inline(always)]
pub(crate) fn each_chunk<const N: usize, S: Simd, A: Element, R, T: Sink<R>>(simd: S, input: &[A], sink: T, mut f: impl FnMut(usize, &[A; N]) -> R) -> T {
    let mut start = 0;
    ahead(
        Spacious(simd),
        input.as_chunks().0,
        #[inline(always)]
        |chunk| *chunk,
        sink,
        #[inline(always)]
        |chunk| {
            let results = f(start, chunk);
            start += N;
            results
        },
    )
}

/// Numbers that are replaced, or read and their successors written elsewhere.
trait Chunks<A, const N: usize> {
    /// What takes further results.
    type Behind;
    /// Replaces each whole chunk by what `f` makes of it and of the place where it starts.
    fn each<S: Simd>(self, simd: S, f: impl FnMut(usize, &[A; N]) -> [A; N]) -> Self::Behind;
}

impl<A: Element, T: Sink<[A; N]>, const N: usize> Chunks<A, N> for (&[A], T) {
    type Behind = T;
    #[inline(always)]
    fn each<S: Simd>(self, simd: S, f: impl FnMut(usize, &[A; N]) -> [A; N]) -> T {
        each_chunk(simd, self.0, self.1, f)
    }
}

impl<A: Element, const N: usize> Chunks<A, N> for &mut [A] {
    type Behind = ();
    #[inline(always)]
    fn each<S: Simd>(self, _simd: S, mut f: impl FnMut(usize, &[A; N]) -> [A; N]) {
        let chunks = self.as_chunks_mut().0;
        // A chunk is read before the one in front of it is written. Of a selection between a number just read and another, written in the same place, the
        // compiler makes a masked store, which takes some CPUs (Zen 3) four times as long.
        let mut next = chunks.first().copied();
        for i in 0..chunks.len() {
            let Some(chunk) = next else { break };
            next = chunks.get(i + 1).copied();
            chunks[i] = f(i * N, &chunk);
        }
    }
}

/// `f` of each vector of a chunk and the vector's place.
#[inline(always)]
pub(crate) fn map_chunk<const N: usize, S: Simd, A: Element>(simd: S, chunk: &[A; N], mut f: impl FnMut(usize, Lanes<S, A>) -> Lanes<S, A>) -> [A; N] {
    let n = A::Native::<S>::LEN;
    let mut results = [A::zero(); N];
    for (i, (x, y)) in chunk.chunks_exact(n).zip(results.chunks_exact_mut(n)).enumerate() {
        f(i * n, load(simd, x)).0.store_slice(y);
    }
    results
}

/// What the whole chunks of one slice, and what goes beside it, become.
trait Chunkwise<A, K, const N: usize>: Sync {
    fn run<S: Simd, T: Sink<[A; N]>>(&self, simd: S, input: &[A], beside: K, sink: T) -> T;
}

/// The same at a level, for new memory: nobody asks for that where it [is not made](super::makes_new).
struct AtLevel<F>(Level, F);

impl<A: Element, K, F: Chunkwise<A, K, N>, const N: usize> Make<(&[A], K), [A; N]> for AtLevel<F> {
    const EACH: usize = N;
    #[inline(always)]
    fn make<T: Sink<[A; N]>>(&self, count: usize, (input, beside): (&[A], K), sink: T) -> T {
        at_level!(self.0, simd => self.1.run(simd, &input[..count], beside, sink), else sink)
    }
}

/// Into a slice, or into new memory with room for one more chunk: a loop for each.
#[inline(always)]
fn run<const N: usize, A: Element>(of: impl for<'a> Chunkwise<A, Keep<'a, A>, N>, level: Level, input: &[A], output: Output<'_, A>, keep: Keep<'_, A>) {
    match output {
        Output::Slice(values) => at_level!(level, simd => _ = of.run(simd, input, keep, values)),
        Output::New(parts, values) => *values = parts.collect(input.len(), (input, keep), &AtLevel(level, of)).into_flattened(),
    }
}

/// Adds the results that do not fill a chunk.
pub(crate) fn complete<A: Element>(results: &mut Vec<A>, count: usize, last: impl FnOnce(usize, &mut [A])) {
    let start = results.len();
    if start < count {
        results.resize(count, A::zero());
        last(start, &mut results[start..]);
    }
}

#[inline(always)]
pub(crate) fn run_smooth<P: Pointwise, A: Element>(formula: P, level: Level, input: Option<&[A]>, output: Output<'_, A>, keep: Keep<'_, A>) {
    if const { matches!(P::COST, Cost::Memory) } {
        match (input, output, keep) {
            (None, Output::Slice(values), Keep::Nothing) => in_two_inplace::<CHUNK, A>(
                values,
                Keep::Nothing,
                |values, _| at_level!(level, simd => values_at::<CHUNK, _, _, _, _>(simd, formula, values)),
                &|input, output, keep| run::<CHUNK, A>(Smooth(formula), level, input, output, keep),
            ),
            (input, output, keep) => run_blocks::<CHUNK, P, A>(formula, level, input, output, keep),
        }
    } else if const { size_of::<A>() == size_of::<f64>() } {
        run_blocks::<{ LANES / 2 }, P, A>(formula, level, input, output, keep);
    } else {
        run_blocks::<LANES, P, A>(formula, level, input, output, keep);
    }
}

/// How many `f32` the longest vectors hold. Formulas that take their time go by chunks of one such vector: of two, the compiler would have to keep twice as many
/// numbers in registers.
const LANES: usize = 16;

/// In place by blocks, which are copied first.
#[inline(always)]
fn run_blocks<const N: usize, P: Pointwise, A: Element>(formula: P, level: Level, input: Option<&[A]>, output: Output<'_, A>, mut keep: Keep<'_, A>) {
    let body = |input: &[A], output: Output<'_, A>, keep: Keep<'_, A>| run::<N, A>(Smooth(formula), level, input, output, keep);
    match (input, output) {
        (Some(input), output) => in_two::<N, A>(input, output, keep, body),
        (None, Output::Slice(values)) => inplace(values, |input, values, range| in_two::<N, A>(input, Output::Slice(values), keep.part(range), body)),
        (None, Output::New(..)) => {}
    }
}

#[inline(always)]
pub(crate) fn run_two_slope<P: TwoSlope, A: Element>(formula: P, level: Level, input: Option<&[A]>, output: Output<'_, A>, keep: Keep<'_, A>) {
    let body = |input: &[A], output: Output<'_, A>, keep: Keep<'_, A>| run(Sloped(formula), level, input, output, keep);
    match (input, output) {
        (Some(input), output) => in_two::<CHUNK, A>(input, output, keep, body),
        (None, Output::Slice(values)) => {
            in_two_inplace::<CHUNK, A>(values, keep, |values, keep| at_level!(level, simd => two_slope_values(simd, formula, values, keep)), &body);
        }
        (None, Output::New(..)) => {}
    }
}

struct Smooth<P>(P);

impl<P: Pointwise, A: Element, const N: usize> Chunkwise<A, Keep<'_, A>, N> for Smooth<P> {
    #[inline(always)]
    fn run<S: Simd, T: Sink<[A; N]>>(&self, simd: S, input: &[A], keep: Keep<'_, A>, sink: T) -> T {
        let Keep::Derivative(derivative) = keep else { return values_at(simd, self.0, (input, sink)) };
        // Asked here, so that a loop has but one of the two ways, where the answer depends on a parameter.
        if const { P::WIDENS } && self.0.widens() {
            both::<true, N, _, _, _, _>(simd, self.0, input, (sink, derivative))
        } else {
            both::<false, N, _, _, _, _>(simd, self.0, input, (sink, derivative))
        }
    }
}

#[inline(always)]
fn both<const WIDE: bool, const N: usize, S: Simd, P: Pointwise, A: Element, T: Sink<[A; N]>>(simd: S, formula: P, input: &[A], sinks: (T, &mut [A])) -> T {
    each_chunk(
        simd,
        input,
        sinks,
        #[inline(always)]
        |_, x| {
            let mut slopes = [A::zero(); N];
            let values = map_chunk(
                simd,
                x,
                #[inline(always)]
                |i, x| {
                    let (value, slope) = both_at::<WIDE, _, _, _>(formula, x);
                    slope.0.store_slice(&mut slopes[i..i + A::Native::<S>::LEN]);
                    value
                },
            );
            (values, slopes)
        },
    )
    .0
}

struct Sloped<P>(P);

impl<P: TwoSlope, A: Element> Chunkwise<A, Keep<'_, A>, CHUNK> for Sloped<P> {
    #[inline(always)]
    fn run<S: Simd, T: Sink<[A; CHUNK]>>(&self, simd: S, input: &[A], keep: Keep<'_, A>, sink: T) -> T {
        two_slope_values(simd, self.0, (input, sink), keep)
    }
}

#[inline(always)]
fn values_at<const N: usize, S: Simd, P: Pointwise, A: Element, C: Chunks<A, N>>(simd: S, formula: P, chunks: C) -> C::Behind {
    each_vector(
        simd,
        chunks,
        #[inline(always)]
        |x| value_at(formula, x),
    )
}

/// Replaces each vector of the whole chunks by `f` of it.
#[inline(always)]
fn each_vector<const N: usize, S: Simd, A: Element, C: Chunks<A, N>>(simd: S, chunks: C, mut f: impl FnMut(Lanes<S, A>) -> Lanes<S, A>) -> C::Behind {
    chunks.each(
        simd,
        #[inline(always)]
        |_, x| {
            map_chunk(
                simd,
                x,
                #[inline(always)]
                |_, x| f(x),
            )
        },
    )
}

/// Values, and one bit an element where they are kept: 64 elements fill a word.
#[inline(always)]
fn two_slope_values<S: Simd, P: TwoSlope, A: Element, C: Chunks<A, CHUNK>>(simd: S, formula: P, chunks: C, keep: Keep<'_, A>) -> C::Behind {
    let Keep::Bits(bits) = keep else {
        return each_vector(
            simd,
            chunks,
            #[inline(always)]
            |x| formula.value(x),
        );
    };
    chunks.each(
        simd,
        #[inline(always)]
        |start, x| {
            let mut upper = 0;
            let values = map_chunk(
                simd,
                x,
                #[inline(always)]
                |i, x| {
                    upper |= formula.upper(x).to_bitmask() << i;
                    formula.value(x)
                },
            );
            let word = &mut bits[start / WORD];
            *word = if start % WORD == 0 { upper } else { *word | upper << CHUNK };
            values
        },
    )
}

/// `output = gradient · derivative`, in place without a gradient.
#[inline(always)]
pub(crate) fn multiply<A: Element>(level: Level, gradient: Option<&[A]>, derivative: &[A], output: &mut [A]) {
    at_level!(level, simd => match gradient {
        Some(gradient) => {
            product(simd, gradient, derivative, &mut *output);
            let start = output.len() - output.len() % CHUNK;
            output[start..].iter_mut().zip(&gradient[start..]).zip(&derivative[start..]).for_each(
                #[inline(always)]
                |((y, &g), &d)| *y = g * d,
            );
        },
        // A product has one rounding at any width: the compiler's own vectors give the same bits.
        None => output.iter_mut().zip(derivative).for_each(
            #[inline(always)]
            |(y, &d)| *y *= d,
        ),
    });
}

/// The products in whole chunks.
#[inline(always)]
fn product<S: Simd, A: Element, T: Sink<[A; CHUNK]>>(simd: S, gradient: &[A], derivative: &[A], sink: T) -> T {
    ahead(
        Spacious(simd),
        gradient.as_chunks().0.iter().zip(derivative.as_chunks().0),
        #[inline(always)]
        |(g, d)| (*g, *d),
        sink,
        #[inline(always)]
        |(g, d)| product_of_chunks(simd, g, d),
    )
}

#[inline(always)]
fn product_of_chunks<S: Simd, A: Element>(simd: S, gradient: &[A; CHUNK], derivative: &[A; CHUNK]) -> [A; CHUNK] {
    map_chunk(
        simd,
        gradient,
        #[inline(always)]
        |i, g| g * load(simd, &derivative[i..i + A::Native::<S>::LEN]),
    )
}

/// `output = gradient · (upper where the bit is set, lower elsewhere)`, exactly 0 where that slope is 0; in place without a gradient.
pub(crate) fn choose<A: Element>(level: Level, gradient: Option<&[A]>, bits: &[u64], output: &mut [A], lower: f64, upper: f64) {
    if lower == upper {
        return scale(gradient, output, lower);
    }
    at_level!(level, simd => match gradient {
        Some(gradient) => {
            chosen(simd, (gradient, &mut *output), bits, lower, upper);
        }
        None => chosen(simd, &mut *output, bits, lower, upper),
    });
    let start = output.len() - output.len() % CHUNK;
    let last = &mut output[start..];
    if !last.is_empty() {
        let mut results = padded::<CHUNK, A>(gradient.map_or(&*last, |gradient| &gradient[start..]));
        choose(level, None, &[bits[start / WORD] >> (start % WORD)], &mut results, lower, upper);
        last.copy_from_slice(&results[..last.len()]);
    }
}

/// [`backward`](super::backward) into new memory; `None`, and nothing done, for one slope everywhere.
pub(crate) fn new_backward<A: Element>(level: Level, parts: Parts, gradient: &[A], read: Read<'_, A>) -> Option<Vec<A>> {
    match read {
        Read::Derivative(derivative) => {
            let mut results = parts.collect(gradient.len(), (gradient, derivative), &AtLevel(level, Product)).into_flattened();
            complete(&mut results, gradient.len(), |start, last| multiply(level, Some(&gradient[start..]), &derivative[start..], last));
            Some(results)
        }
        Read::Bits(bits, lower, upper) => {
            let mut results = parts.collect(gradient.len(), (gradient, read), &AtLevel(level, Chosen)).into_flattened();
            complete(&mut results, gradient.len(), |start, last| {
                choose(level, Some(&gradient[start..]), &[bits[start / WORD] >> (start % WORD)], last, lower, upper);
            });
            Some(results)
        }
        Read::Constant(_) => None,
    }
}

struct Product;

impl<A: Element> Chunkwise<A, &[A], CHUNK> for Product {
    #[inline(always)]
    fn run<S: Simd, T: Sink<[A; CHUNK]>>(&self, simd: S, gradient: &[A], derivative: &[A], sink: T) -> T {
        product(simd, gradient, derivative, sink)
    }
}

struct Chosen;

impl<A: Element> Chunkwise<A, Read<'_, A>, CHUNK> for Chosen {
    #[inline(always)]
    fn run<S: Simd, T: Sink<[A; CHUNK]>>(&self, simd: S, gradient: &[A], read: Read<'_, A>, sink: T) -> T {
        match read {
            Read::Bits(bits, lower, upper) => chosen(simd, (gradient, sink), bits, lower, upper),
            _ => sink,
        }
    }
}

#[inline(always)]
fn chosen<S: Simd, A: Element, C: Chunks<A, CHUNK>>(simd: S, gradient: C, bits: &[u64], lower: f64, upper: f64) -> C::Behind {
    // A loop for slopes of which one is 0, the lower one, and one for others: asked within one, for each vector, it took up to half as long again.
    let (flipped, lower, upper) = if upper == 0.0 { (u32::MAX, upper, lower) } else { (0, lower, upper) };
    if lower == 0.0 {
        masked(
            simd,
            gradient,
            bits,
            flipped,
            #[inline(always)]
            |above, g| Lanes::select(above, g * upper, g.splat(0.0)),
        )
    } else {
        masked(
            simd,
            gradient,
            bits,
            flipped,
            #[inline(always)]
            |above, g| g * Lanes::select(above, g.splat(upper), g.splat(lower)),
        )
    }
}

/// Replaces each vector of the whole chunks by `f` of its bits, of which these are flipped, and of itself.
#[inline(always)]
fn masked<S: Simd, A: Element, C: Chunks<A, CHUNK>>(
    simd: S,
    chunks: C,
    bits: &[u64],
    flipped: u32,
    f: impl Fn(LaneMask<S, A>, Lanes<S, A>) -> Lanes<S, A>,
) -> C::Behind {
    chunks.each(
        simd,
        #[inline(always)]
        |start, x| {
            let word = bits[start / WORD] >> (start % WORD);
            let masks = masks::<S, A>(simd, word as u32 ^ flipped);
            map_chunk(
                simd,
                x,
                #[inline(always)]
                |i, x| f(masks(i), x),
            )
        },
    )
}

/// The masks of a chunk's vectors, by their places, from its bits: these go into a vector once for all, where `from_bitmask` would take them there for each.
#[inline(always)]
fn masks<S: Simd, A: Element>(simd: S, bits: u32) -> impl Fn(usize) -> LaneMask<S, A> {
    // As wide as an element; what is above the bits is not asked for.
    let integer = |bits: u32| A::Mask::try_from(bits.cast_signed()).unwrap_or_default();
    let all = Ints::<S, A>::splat(simd, integer(bits));
    #[inline(always)]
    move |place| {
        let own = Ints::<S, A>::from_fn(
            simd,
            #[inline(always)]
            |lane| integer(1 << (place + lane)),
        );
        (all & own).simd_eq(own)
    }
}

/// A vector of integers as wide as the elements.
type Ints<S, A> = <LaneMask<S, A> as SimdMask<S>>::Ints;

#[cfg(test)]
mod tests {
    use super::choose;
    use crate::{element::Element, kernel::levels};

    fn every_slope<A: Element>() {
        let same = |a: A, b: A| a == b || a.is_nan() && b.is_nan();
        let bits: Vec<u64> = (1..9).map(|i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        let gradient: Vec<A> = (0..bits.len() * 64).map(|i| A::rounded([3.0, -2.0, f64::INFINITY, f64::NAN, f64::NEG_INFINITY][i % 5])).collect();
        for (_, level) in levels() {
            for (lower, upper) in [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (-1.0, -1.0), (0.25, 1.0), (2.0, -0.5)] {
                for length in [0, 1, 31, 32, 33, 64, 100, gradient.len()] {
                    let (mut output, mut inplace) = (vec![A::one(); length], gradient[..length].to_vec());
                    choose(level, Some(&gradient[..length]), &bits, &mut output, lower, upper);
                    choose(level, None, &bits, &mut inplace, lower, upper);
                    for (i, (&a, &b)) in output.iter().zip(&inplace).enumerate() {
                        let slope = if bits[i / 64] >> (i % 64) & 1 == 1 { upper } else { lower };
                        let expected = if slope == 0.0 { A::zero() } else { gradient[i] * A::rounded(slope) };
                        assert!(same(a, expected) && same(b, expected), "{a:?}, {b:?} and {expected:?} at {i} of {length}, slopes {lower} and {upper}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_element_by_its_bit() {
        every_slope::<f32>();
        every_slope::<f64>();
    }
}
