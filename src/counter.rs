//! Random bits that depend on a seed, a step and an index alone, whoever asks for them and in whatever order.

use fearless_simd::{Level, Simd};
use ndarray::ArrayRefD;

use crate::{
    element::Element,
    elementwise::Kept,
    kernel::{self, Keep, Kind, WORD, at_level, padded},
    pointwise::Cost,
    threads::Split,
    traverse::{Positioned, Runs, pass},
};

/// The increment of SplitMix64: 2^64 divided by the golden ratio, odd.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195; the constants are Stafford's "variant 13").
#[inline(always)]
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// Output `index` of SplitMix64 from this seed.
#[inline(always)]
fn word(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(GAMMA.wrapping_mul(index.wrapping_add(1))))
}

/// How many random words pass through the stack at a time: whole words of kept bits.
const BLOCK: usize = 8 * WORD;

/// Counts the forwards of a layer that draws.
///
/// SplitMix64 is a counter and a mixer, so its outputs can be had in any order. Element `i` of a forward, counted in row-major order of the logical array, gets
/// output `i` of the generator that is seeded with that forward's key; the keys are the outputs of another one, seeded with the mixed seed.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    pub(crate) seed: u64,
    step: u64,
}

impl Counter {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, step: 0 }
    }

    /// Runs a forward: `apply` gets random words, one for each of the elements, these, where their values go, and what to keep of them.
    pub(crate) fn forward<A: Element>(
        &mut self,
        kind: Kind,
        kept: &mut Kept<A>,
        input: Option<&ArrayRefD<A>>,
        output: &mut ArrayRefD<A>,
        apply: impl Fn(Level, &[u64], &[A], &mut [A], Keep<'_, A>) + Sync,
    ) {
        let level = kernel::level();
        let key = word(mix(self.seed), self.step);
        let (order, keep) = kept.start(kind, input.unwrap_or(output));
        let runs = Runs::logical(output.shape(), order);
        pass(order, Cost::Arithmetic, input, output, Positioned(0, keep), &|x, y, Positioned(start, mut keep)| {
            let mut words = [0; BLOCK];
            for (block, y) in y.chunks_mut(BLOCK).enumerate() {
                let (begin, count) = (block * BLOCK, y.len());
                let words = &mut words[..count];
                runs.visit(start + begin, count, |range, first, step| {
                    at_level!(level, simd => draw(simd, key, first, step, &mut words[range]));
                });
                let copied;
                let x = match x {
                    Some(x) => &x[begin..begin + count],
                    None => {
                        copied = padded::<BLOCK, A>(y);
                        &copied[..count]
                    }
                };
                let (head, tail) = keep.split(count);
                apply(level, words, x, y, head);
                keep = tail;
            }
        });
        kept.record.finish();
        self.step = self.step.wrapping_add(1);
    }
}

/// The words of every `step`-th index from `first` on.
#[inline(always)]
fn draw<S: Simd>(_simd: S, key: u64, first: usize, step: usize, words: &mut [u64]) {
    for (i, to) in words.iter_mut().enumerate() {
        *to = word(key, (first + i * step) as u64);
    }
}
