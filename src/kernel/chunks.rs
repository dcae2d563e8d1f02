//! Kernels that are bound by memory: results leave them by chunks, into a slice or into new memory.

use std::mem;

use fearless_simd::{Level, Simd, SimdBase, SimdMask};

use crate::{
    element::Element,
    kernel::{Compiled, Keep, WORD, at_level, both_at, load, value_at},
    pointwise::{Cost, Pointwise, TwoSlope},
    real::{Lanes, Real as _},
};

/// How many elements make a chunk: half of those that a word of bits stands for.
const CHUNK: usize = WORD / 2;

/// Where results go, from the first on.
trait Sink<R> {
    /// Takes the results of the next chunk. There is room for them.
    fn put(&mut self, results: R);
    /// Takes as many as there is room for, at the end.
    fn put_rest(&mut self, results: R);
}

impl<A: Copy> Sink<[A; CHUNK]> for &mut [A] {
    #[inline(always)]
    fn put(&mut self, results: [A; CHUNK]) {
        if let Some((here, behind)) = mem::take(self).split_first_chunk_mut() {
            *here = results;
            *self = behind;
        }
    }
    #[inline(always)]
    fn put_rest(&mut self, results: [A; CHUNK]) {
        self.copy_from_slice(&results[..self.len()]);
    }
}

impl<A> Sink<[A; CHUNK]> for &mut Vec<[A; CHUNK]> {
    #[inline(always)]
    fn put(&mut self, results: [A; CHUNK]) {
        // Since it is asked here, the compiler knows that `push` has to make no room, and what is left of it is a store.
        if self.len() < self.capacity() {
            self.push(results);
        }
    }
    #[inline(always)]
    fn put_rest(&mut self, results: [A; CHUNK]) {
        self.put(results);
    }
}

impl<Q, R, S: Sink<Q>, T: Sink<R>> Sink<(Q, R)> for (S, T) {
    #[inline(always)]
    fn put(&mut self, results: (Q, R)) {
        self.0.put(results.0);
        self.1.put(results.1);
    }
    #[inline(always)]
    fn put_rest(&mut self, results: (Q, R)) {
        self.0.put_rest(results.0);
        self.1.put_rest(results.1);
    }
}

/// Gives `sink` what `f` makes of each chunk and the place where it starts.
#[inline(always)]
fn each_chunk<A: Element, R>(input: &[A], mut sink: impl Sink<R>, mut f: impl FnMut(usize, &[A; CHUNK]) -> R) {
    let (chunks, rest) = input.as_chunks();
    for (i, chunk) in chunks.iter().enumerate() {
        sink.put(f(i * CHUNK, chunk));
    }
    if !rest.is_empty() {
        sink.put_rest(f(chunks.len() * CHUNK, &padded(rest)));
    }
}

/// Numbers that are replaced, or read and their successors written elsewhere.
trait Chunks<A> {
    /// Replaces each chunk by what `f` makes of it and of the place where it starts.
    fn each(self, f: impl FnMut(usize, &[A; CHUNK]) -> [A; CHUNK]);
}

impl<A: Element, S: Sink<[A; CHUNK]>> Chunks<A> for (&[A], S) {
    #[inline(always)]
    fn each(self, f: impl FnMut(usize, &[A; CHUNK]) -> [A; CHUNK]) {
        each_chunk(self.0, self.1, f);
    }
}

impl<A: Element> Chunks<A> for &mut [A] {
    #[inline(always)]
    fn each(self, mut f: impl FnMut(usize, &[A; CHUNK]) -> [A; CHUNK]) {
        let count = self.len();
        let (chunks, rest) = self.as_chunks_mut();
        // A chunk is read before the one in front of it is written. Of a selection between a number just read and another, written in the same place, the
        // compiler makes a masked store, which takes some CPUs (Zen 3) four times as long.
        let mut next = chunks.first().copied();
        for i in 0..chunks.len() {
            let Some(chunk) = next else { break };
            next = chunks.get(i + 1).copied();
            chunks[i] = f(i * CHUNK, &chunk);
        }
        if !rest.is_empty() {
            let results = f(count - rest.len(), &padded(rest));
            rest.copy_from_slice(&results[..rest.len()]);
        }
    }
}

/// A chunk with zeros behind the last element.
#[inline(always)]
fn padded<A: Element>(elements: &[A]) -> [A; CHUNK] {
    let mut padded = [A::zero(); CHUNK];
    padded[..elements.len()].copy_from_slice(elements);
    padded
}

/// `f` of each vector of a chunk and the vector's place.
#[inline(always)]
fn map_chunk<S: Simd, A: Element>(simd: S, chunk: &[A; CHUNK], mut f: impl FnMut(usize, Lanes<S, A>) -> Lanes<S, A>) -> [A; CHUNK] {
    let n = A::Native::<S>::LEN;
    let mut results = [A::zero(); CHUNK];
    for (i, (x, y)) in chunk.chunks_exact(n).zip(results.chunks_exact_mut(n)).enumerate() {
        f(i * n, load(simd, x)).0.store_slice(y);
    }
    results
}

/// So many results, in memory that is written but once.
#[inline(always)]
fn new<A: Element>(count: usize, fill: impl FnOnce(&mut Vec<[A; CHUNK]>)) -> Vec<A> {
    let mut chunks = Vec::with_capacity(count.div_ceil(CHUNK));
    fill(&mut chunks);
    let mut results = chunks.into_flattened();
    results.truncate(count);
    results
}

/// The values of a smooth function in new memory.
#[inline(always)]
pub(crate) fn new_smooth<P: Pointwise + Compiled, A: Element>(formula: P, level: Level, input: &[A], keep: Keep<'_, A>) -> Vec<A> {
    if formula.cost() == Cost::Transcendental {
        // Zeroing is little beside the rest, and these are the kernels that take long to compile: once is enough.
        let mut output = vec![A::zero(); input.len()];
        A::run_compiled(&formula, level, Some(input), &mut output, keep);
        return output;
    }
    at_level!(level, simd => new(
        input.len(),
        #[inline(always)]
        |sink| smooth_values(simd, formula, input, sink, keep),
    ))
}

#[inline(always)]
fn smooth_values<S: Simd, P: Pointwise, A: Element>(simd: S, formula: P, input: &[A], sink: impl Sink<[A; CHUNK]>, keep: Keep<'_, A>) {
    let Keep::Derivative(derivative) = keep else {
        return each_chunk(
            input,
            sink,
            #[inline(always)]
            |_, x| {
                map_chunk(
                    simd,
                    x,
                    #[inline(always)]
                    |_, x| value_at(formula, x),
                )
            },
        );
    };
    each_chunk(
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
pub(crate) fn run_two_slope<P: TwoSlope, A: Element>(formula: P, level: Level, input: Option<&[A]>, output: &mut [A], keep: Keep<'_, A>) {
    at_level!(level, simd => match input {
        Some(input) => two_slope_values(simd, formula, (input, output), keep),
        None => two_slope_values(simd, formula, output, keep),
    });
}

/// The values of a function with two slopes in new memory.
#[inline(always)]
pub(crate) fn new_two_slope<P: TwoSlope, A: Element>(formula: P, level: Level, input: &[A], keep: Keep<'_, A>) -> Vec<A> {
    at_level!(level, simd => new(
        input.len(),
        #[inline(always)]
        |sink| two_slope_values(simd, formula, (input, sink), keep),
    ))
}

/// Values, and one bit an element where they are kept: 64 elements fill a word.
#[inline(always)]
fn two_slope_values<S: Simd, P: TwoSlope, A: Element>(simd: S, formula: P, chunks: impl Chunks<A>, keep: Keep<'_, A>) {
    let Keep::Bits(bits) = keep else {
        return chunks.each(
            #[inline(always)]
            |_, x| {
                map_chunk(
                    simd,
                    x,
                    #[inline(always)]
                    |_, x| formula.value(x),
                )
            },
        );
    };
    chunks.each(
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
        Some(gradient) => product(simd, gradient, derivative, output),
        // A product has one rounding at any width: the compiler's own vectors give the same bits.
        None => output.iter_mut().zip(derivative).for_each(
            #[inline(always)]
            |(y, &d)| *y *= d,
        ),
    });
}

/// `gradient · derivative` in new memory.
pub(crate) fn multiply_new<A: Element>(level: Level, gradient: &[A], derivative: &[A]) -> Vec<A> {
    at_level!(level, simd => new(
        gradient.len(),
        #[inline(always)]
        |sink| product(simd, gradient, derivative, sink),
    ))
}

#[inline(always)]
fn product<S: Simd, A: Element>(simd: S, gradient: &[A], derivative: &[A], mut sink: impl Sink<[A; CHUNK]>) {
    let ((gradients, gradient), (derivatives, derivative)) = (gradient.as_chunks(), derivative.as_chunks());
    for (g, d) in gradients.iter().zip(derivatives) {
        sink.put(product_of_chunks(simd, g, d));
    }
    if !gradient.is_empty() {
        sink.put_rest(product_of_chunks(simd, &padded(gradient), &padded(derivative)));
    }
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
#[inline(always)]
pub(crate) fn choose<A: Element>(level: Level, gradient: Option<&[A]>, bits: &[u64], output: &mut [A], lower: f64, upper: f64) {
    at_level!(level, simd => match gradient {
        Some(gradient) => chosen(simd, (gradient, output), bits, lower, upper),
        None => chosen(simd, output, bits, lower, upper),
    });
}

/// [`choose`] in new memory.
pub(crate) fn choose_new<A: Element>(level: Level, gradient: &[A], bits: &[u64], lower: f64, upper: f64) -> Vec<A> {
    at_level!(level, simd => new(
        gradient.len(),
        #[inline(always)]
        |sink| chosen(simd, (gradient, sink), bits, lower, upper),
    ))
}

#[inline(always)]
fn chosen<S: Simd, A: Element>(simd: S, gradient: impl Chunks<A>, bits: &[u64], lower: f64, upper: f64) {
    gradient.each(
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
    );
}

/// Exactly 0 for slope 0.
#[inline(always)]
fn sloped<S: Simd, A: Element>(gradient: Lanes<S, A>, slope: f64) -> Lanes<S, A> {
    if slope == 0.0 { gradient.splat(0.0) } else { gradient * slope }
}
