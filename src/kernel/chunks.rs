//! Kernels that are bound by memory: results leave them by chunks, into a slice or into new memory.

use fearless_simd::{Level, Simd, SimdBase, SimdMask};

use crate::{
    element::Element,
    kernel::{Keep, Output, Read, WORD, ahead, at_level, both_at, in_two, in_two_inplace, inplace, load, padded, spacious, value_at},
    pointwise::{Pointwise, TwoSlope},
    real::{Lanes, Real as _},
    threads::{Make, Parts, Sink, Split},
};

/// How many elements make a chunk: half of those that a word of bits stands for.
pub(crate) const CHUNK: usize = WORD / 2;

impl<A: Copy> Sink<[A; CHUNK]> for &mut [A] {
    #[inline(always)]
    fn put(self, results: [A; CHUNK]) -> Self {
        match self.split_first_chunk_mut() {
            Some((here, behind)) => {
                *here = results;
                behind
            }
            None => &mut [],
        }
    }
}

impl<Q, R, S: Sink<Q>, T: Sink<R>> Sink<(Q, R)> for (S, T) {
    #[inline(always)]
    fn put(self, results: (Q, R)) -> Self {
        (self.0.put(results.0), self.1.put(results.1))
    }
}

/// Gives `sink` what `f` makes of each whole chunk and the place where it starts.
#[inline(always)]
pub(crate) fn each_chunk<S: Simd, A: Element, R, T: Sink<R>>(simd: S, input: &[A], sink: T, mut f: impl FnMut(usize, &[A; CHUNK]) -> R) -> T {
    let mut start = 0;
    ahead(
        spacious(simd),
        input.as_chunks().0,
        #[inline(always)]
        |chunk| *chunk,
        sink,
        #[inline(always)]
        |sink, chunk| {
            let results = f(start, chunk);
            start += CHUNK;
            sink.put(results)
        },
    )
}

/// Numbers that are replaced, or read and their successors written elsewhere.
trait Chunks<A> {
    /// What takes further results.
    type Behind;
    /// Replaces each whole chunk by what `f` makes of it and of the place where it starts.
    fn each<S: Simd>(self, simd: S, f: impl FnMut(usize, &[A; CHUNK]) -> [A; CHUNK]) -> Self::Behind;
}

impl<A: Element, T: Sink<[A; CHUNK]>> Chunks<A> for (&[A], T) {
    type Behind = T;
    #[inline(always)]
    fn each<S: Simd>(self, simd: S, f: impl FnMut(usize, &[A; CHUNK]) -> [A; CHUNK]) -> T {
        each_chunk(simd, self.0, self.1, f)
    }
}

impl<A: Element> Chunks<A> for &mut [A] {
    type Behind = ();
    #[inline(always)]
    fn each<S: Simd>(self, _simd: S, mut f: impl FnMut(usize, &[A; CHUNK]) -> [A; CHUNK]) {
        let chunks = self.as_chunks_mut().0;
        // A chunk is read before the one in front of it is written. Of a selection between a number just read and another, written in the same place, the
        // compiler makes a masked store, which takes some CPUs (Zen 3) four times as long.
        let mut next = chunks.first().copied();
        for i in 0..chunks.len() {
            let Some(chunk) = next else { break };
            next = chunks.get(i + 1).copied();
            chunks[i] = f(i * CHUNK, &chunk);
        }
    }
}

/// `f` of each vector of a chunk and the vector's place.
#[inline(always)]
pub(crate) fn map_chunk<S: Simd, A: Element>(simd: S, chunk: &[A; CHUNK], mut f: impl FnMut(usize, Lanes<S, A>) -> Lanes<S, A>) -> [A; CHUNK] {
    let n = A::Native::<S>::LEN;
    let mut results = [A::zero(); CHUNK];
    for (i, (x, y)) in chunk.chunks_exact(n).zip(results.chunks_exact_mut(n)).enumerate() {
        f(i * n, load(simd, x)).0.store_slice(y);
    }
    results
}

/// What the whole chunks of one slice, and what goes beside it, become.
trait Chunkwise<A, K>: Sync {
    fn run<S: Simd, T: Sink<[A; CHUNK]>>(&self, simd: S, input: &[A], beside: K, sink: T) -> T;
}

/// The same at a level.
struct AtLevel<F>(Level, F);

impl<A: Element, K, F: Chunkwise<A, K>> Make<(&[A], K), [A; CHUNK]> for AtLevel<F> {
    const EACH: usize = CHUNK;
    #[inline(always)]
    fn make<T: Sink<[A; CHUNK]>>(&self, count: usize, (input, beside): (&[A], K), sink: T) -> T {
        at_level!(self.0, simd => self.1.run(simd, &input[..count], beside, sink))
    }
}

/// What becomes of whole chunks, in new memory with room for all.
#[inline(always)]
fn new<A: Element, K: Split>(level: Level, parts: Parts, input: &[A], beside: K, of: impl Chunkwise<A, K>) -> Vec<A> {
    if input.len() > parts.most {
        return parts.collect(input.len(), (input, beside), &AtLevel(level, of)).into_flattened();
    }
    at_level!(level, simd => here(
        input.len(),
        #[inline(always)]
        |sink| {
            of.run(simd, input, beside, sink);
        },
    ))
}

/// New memory with the results that `fill` gives in whole chunks, and room for so many and those that do not fill a chunk. To be called where the instruction set is
/// known, so that the compiler knows how long the `Vec` is and where it lies.
#[inline(always)]
fn here<A: Element>(count: usize, fill: impl FnOnce(&mut Vec<[A; CHUNK]>)) -> Vec<A> {
    let mut chunks = Vec::with_capacity(count / CHUNK + 1);
    fill(&mut chunks);
    chunks.into_flattened()
}

/// Adds the results that do not fill a chunk.
fn complete<A: Element>(results: &mut Vec<A>, count: usize, last: impl FnOnce(usize, &mut [A])) {
    let start = results.len();
    if start < count {
        results.resize(count, A::zero());
        last(start, &mut results[start..]);
    }
}

/// The smooth functions for which memory is the limit.
#[inline(always)]
pub(super) fn run_smooth<P: Pointwise, A: Element>(formula: P, level: Level, input: Option<&[A]>, output: Output<'_, A>, mut keep: Keep<'_, A>) {
    let body = |input: &[A], output: Output<'_, A>, keep: Keep<'_, A>| {
        at_level!(level, simd => match output {
            Output::Slice(values) => smooth_values(simd, formula, input, values, keep),
            Output::New(values) => *values = here(
                input.len(),
                #[inline(always)]
                |sink| smooth_values(simd, formula, input, sink, keep),
            ),
        });
    };
    match (input, output, &mut keep) {
        (None, Output::Slice(values), keep @ Keep::Derivative(_)) => {
            inplace(values, |input, values, range| in_two::<CHUNK, A>(input, Output::Slice(values), keep.part(range), body));
        }
        (input, output, _) => run(input, output, keep, body, |values, _| at_level!(level, simd => values_at(simd, formula, values))),
    }
}

/// Calls `body` for an input, `inplace` for values that are replaced, with whole chunks.
#[inline(always)]
fn run<A: Element>(
    input: Option<&[A]>,
    output: Output<'_, A>,
    keep: Keep<'_, A>,
    body: impl Fn(&[A], Output<'_, A>, Keep<'_, A>),
    inplace: impl FnOnce(&mut [A], Keep<'_, A>),
) {
    match (input, output) {
        (Some(input), output) => in_two::<CHUNK, A>(input, output, keep, body),
        (None, Output::Slice(values)) => in_two_inplace::<CHUNK, A>(values, keep, inplace, &body),
        (None, Output::New(_)) => {}
    }
}

#[inline(always)]
fn values_at<S: Simd, P: Pointwise, A: Element>(simd: S, formula: P, chunks: impl Chunks<A>) {
    each_vector(
        simd,
        chunks,
        #[inline(always)]
        |x| value_at(formula, x),
    );
}

/// Replaces each vector of the whole chunks by `f` of it.
#[inline(always)]
fn each_vector<S: Simd, A: Element>(simd: S, chunks: impl Chunks<A>, mut f: impl FnMut(Lanes<S, A>) -> Lanes<S, A>) {
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
    );
}

#[inline(always)]
fn smooth_values<S: Simd, P: Pointwise, A: Element>(simd: S, formula: P, input: &[A], sink: impl Sink<[A; CHUNK]>, keep: Keep<'_, A>) {
    let Keep::Derivative(derivative) = keep else { return values_at(simd, formula, (input, sink)) };
    each_chunk(
        simd,
        input,
        (sink, derivative),
        #[inline(always)]
        |_, x| {
            let mut slopes = [A::zero(); CHUNK];
            let values = map_chunk(
                simd,
                x,
                #[inline(always)]
                |i, x| {
                    let (value, slope) = both_at(formula, x);
                    slope.0.store_slice(&mut slopes[i..i + A::Native::<S>::LEN]);
                    value
                },
            );
            (values, slopes)
        },
    );
}

#[inline(always)]
pub(crate) fn run_two_slope<P: TwoSlope, A: Element>(formula: P, level: Level, input: Option<&[A]>, output: Output<'_, A>, keep: Keep<'_, A>) {
    run(
        input,
        output,
        keep,
        |input, output, keep| {
            at_level!(level, simd => match output {
                Output::Slice(values) => two_slope_values(simd, formula, (input, values), keep),
                Output::New(values) => *values = here(
                    input.len(),
                    #[inline(always)]
                    |sink| two_slope_values(simd, formula, (input, sink), keep),
                ),
            });
        },
        |values, keep| at_level!(level, simd => two_slope_values(simd, formula, values, keep)),
    );
}

/// Values, and one bit an element where they are kept: 64 elements fill a word.
#[inline(always)]
fn two_slope_values<S: Simd, P: TwoSlope, A: Element>(simd: S, formula: P, chunks: impl Chunks<A>, keep: Keep<'_, A>) {
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
    );
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
        spacious(simd),
        gradient.as_chunks().0.iter().zip(derivative.as_chunks().0),
        #[inline(always)]
        |(g, d)| (*g, *d),
        sink,
        #[inline(always)]
        |sink, (g, d)| sink.put(product_of_chunks(simd, g, d)),
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
            let mut results = new(level, parts, gradient, derivative, Product);
            complete(&mut results, gradient.len(), |start, last| multiply(level, Some(&gradient[start..]), &derivative[start..], last));
            Some(results)
        }
        Read::Bits(bits, lower, upper) => {
            let mut results = new(level, parts, gradient, read, Chosen);
            complete(&mut results, gradient.len(), |start, last| {
                choose(level, Some(&gradient[start..]), &[bits[start / WORD] >> (start % WORD)], last, lower, upper);
            });
            Some(results)
        }
        Read::Constant(_) => None,
    }
}

struct Product;

impl<A: Element> Chunkwise<A, &[A]> for Product {
    #[inline(always)]
    fn run<S: Simd, T: Sink<[A; CHUNK]>>(&self, simd: S, gradient: &[A], derivative: &[A], sink: T) -> T {
        product(simd, gradient, derivative, sink)
    }
}

struct Chosen;

impl<A: Element> Chunkwise<A, Read<'_, A>> for Chosen {
    #[inline(always)]
    fn run<S: Simd, T: Sink<[A; CHUNK]>>(&self, simd: S, gradient: &[A], read: Read<'_, A>, sink: T) -> T {
        match read {
            Read::Bits(bits, lower, upper) => chosen(simd, (gradient, sink), bits, lower, upper),
            _ => sink,
        }
    }
}

#[inline(always)]
fn chosen<S: Simd, A: Element, C: Chunks<A>>(simd: S, gradient: C, bits: &[u64], lower: f64, upper: f64) -> C::Behind {
    gradient.each(
        simd,
        #[inline(always)]
        |start, g| {
            let word = bits[start / WORD] >> (start % WORD);
            map_chunk(
                simd,
                g,
                #[inline(always)]
                |i, g| {
                    let above = <A::Native<S> as SimdBase<S>>::Mask::from_bitmask(simd, word >> i);
                    Lanes::select(above, sloped(g, upper), sloped(g, lower))
                },
            )
        },
    )
}

/// Exactly 0 for slope 0.
#[inline(always)]
fn sloped<S: Simd, A: Element>(gradient: Lanes<S, A>, slope: f64) -> Lanes<S, A> {
    if slope == 0.0 { gradient.splat(0.0) } else { gradient * slope }
}
