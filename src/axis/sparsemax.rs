//! The projection onto the simplex.

use fearless_simd::{Simd, SimdBase, SimdFloatElement};

use super::{
    Keeps,
    kernel::{inplace, row_kernels},
    softmax::largest,
};
use crate::{
    element::Element,
    kernel::{copy, load},
    math::Pair,
    parts::{PARTS, RowSlices, Rows, Space, Sums, VECTORS, exact_sum, pieces, splat, with_kept},
    real::{LaneMask, Lanes, Real},
};

/// The sparsemax along a row, $y_i = \max(x_i - τ, 0)$ with the τ for which $\sum_i y_i = 1$: the point of the simplex that is nearest to x (Martins and Astudillo
/// 2016, arXiv:1602.02068).
///
/// With the support $S$, where $y_i > 0$, of $k$ elements: $τ = \frac{1}{k} (\sum_{i ∈ S} x_i - 1)$. The gradient is $g_i - \frac{1}{k} \sum_{j ∈ S} g_j$ on
/// the support and exactly 0 elsewhere, where the gradient from above counts for nothing, whatever it is. Elements off the support are exactly 0; only those within 1 of the maximum can be on it. Kept for
/// backward: the output.
///
/// τ is found by passes over the row (Michelot 1986, doi:10.1007/BF00938486), each with the elements above the last τ. That is Newton's method on a convex
/// function with straight pieces: a handful of passes for most rows, log₂(length) + 50 at the worst. Nothing is sorted and nothing is allocated. All is done in
/// two words of `f64`, in a fixed order.
///
/// -∞ entries get 0; +∞ entries share the mass between them; a NaN makes its row NaN, and so does a row that is all -∞.
///
/// Max error: 1 ULP for any row length (outputs below 2^-50: 2^-100 absolute); gradient 2 ULP.
///
/// ```
/// use ndarray::array;
/// use ndarray_activations::{Layer, Sparsemax};
///
/// let mut sparsemax = Sparsemax::last_axis();
/// let y = sparsemax.forward(&array![[0.5, 1.0, -2.0], [2.0, 0.0, 0.0]].into_dyn())?;
/// assert_eq!(y, array![[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]].into_dyn());
/// let g = sparsemax.backward(&array![[1.0, 3.0, 8.0], [1.0, 2.0, 3.0]].into_dyn())?;
/// assert_eq!(g, array![[-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]].into_dyn());
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sparsemax;

row_kernels!(Sparsemax);

/// x - max in two words, and how far that lies above τ - max, rounded once: 0 or less off the support, NaN for -∞.
#[inline(always)]
fn above<T: Real>(x: T, max: T, threshold: Pair<T>) -> (Pair<T>, T) {
    let shift = Pair::sum(x, -max);
    let height = Pair::sum(shift.hi, -threshold.hi);
    (shift, height.hi + (height.lo + (shift.lo - threshold.lo)))
}

#[inline(always)]
fn widened<A: Element>(piece: &[A]) -> [f64; PARTS] {
    let mut wide = [0.0; PARTS];
    for (wide, x) in wide.iter_mut().zip(piece) {
        *wide = x.widened();
    }
    wide
}

/// Sums over some elements of a row, and how many they are: sixteen partial sums each, by index modulo 16.
struct Tally<S: Simd> {
    sums: Sums<Lanes<S, f64>>,
    low: [Lanes<S, f64>; VECTORS],
    count: [Lanes<S, f64>; VECTORS],
}

impl<S: Simd> Tally<S> {
    #[inline(always)]
    fn new(zero: Lanes<S, f64>) -> Self {
        Self { sums: Sums::new(zero), low: [zero; VECTORS], count: [zero; VECTORS] }
    }

    /// Adds those terms that count.
    #[inline(always)]
    fn add(&mut self, vector: usize, counts: LaneMask<S, f64>, term: Pair<Lanes<S, f64>>) {
        let zero = term.hi.splat(0.0);
        self.sums.add(vector, Lanes::select(counts, term.hi, zero));
        self.low[vector] = self.low[vector] + Lanes::select(counts, term.lo, zero);
        self.count[vector] = self.count[vector] + Lanes::select(counts, zero.splat(1.0), zero);
    }

    /// The sum in two words, and the count.
    #[inline(always)]
    fn total(self) -> ((f64, f64), f64) {
        let (hi, lo) = self.sums.total(<f64 as SimdFloatElement>::Native::<S>::LEN);
        // In the order of the indices, whatever the width.
        let total = |lanes: &[Lanes<S, f64>]| lanes.iter().flat_map(|lanes| lanes.0.as_slice()).take(PARTS).sum::<f64>();
        ((hi, lo + total(&self.low)), total(&self.count))
    }
}

/// (hi + lo) / count in two words.
#[inline(always)]
fn divide((hi, lo): (f64, f64), count: f64) -> (f64, f64) {
    let quotient = hi / count;
    (quotient, (quotient.mul_add(-count, hi) + lo) / count)
}

/// τ, of a row whose maximum is finite.
#[derive(Clone, Copy)]
struct Threshold {
    max: f64,
    /// τ - max in two words.
    shift: (f64, f64),
}

impl Threshold {
    /// Whether a piece has elements that may lie above τ: most pieces of most rows have none, and this is one comparison for each.
    #[inline(always)]
    fn reached<A: Element>(self, piece: &[A]) -> bool {
        let border = self.max + self.shift.0;
        // A little lower, for what was rounded.
        let border = A::rounded(border - border.abs() * if A::SINGLE { 1e-6 } else { 1e-15 });
        piece.iter().fold(false, |reached, &x| reached | (x >= border))
    }

    /// For each vector of a piece: its place, the elements less the maximum, and how far they lie above τ.
    #[inline(always)]
    fn above<S: Simd, A: Element>(self, simd: S, piece: &[A], mut body: impl FnMut(usize, Pair<Lanes<S, f64>>, Lanes<S, f64>)) {
        let n = <f64 as SimdFloatElement>::Native::<S>::LEN;
        let (max, shift) = (splat(simd, self.max), Pair::new(splat(simd, self.shift.0), splat(simd, self.shift.1)));
        for (vector, x) in widened(piece).chunks_exact(n).enumerate() {
            let (shift, height) = above(load(simd, x), max, shift);
            body(vector, shift, height);
        }
    }

    #[inline(always)]
    fn of<S: Simd, A: Element>(simd: S, row: &mut [A], max: f64) -> Self {
        // The maximum alone would have τ = max - 1: below that there is no support.
        let (mut threshold, mut last) = (Self { max, shift: (-1.0, 0.0) }, f64::INFINITY);
        loop {
            let mut tally = Tally::new(splat(simd, 0.0));
            pieces(
                Rows::ONE,
                &[],
                row,
                A::neg_infinity(),
                #[inline(always)]
                |_, piece, _| {
                    if threshold.reached(piece) {
                        threshold.above(
                            simd,
                            piece,
                            #[inline(always)]
                            |vector, shift, height| tally.add(vector, height.gt(0.0), shift),
                        );
                    }
                },
            );
            let ((hi, lo), count) = tally.total();
            // Each pass has fewer elements than the one before, or is the last: the maximum always stays.
            if count >= last {
                return threshold;
            }
            let (hi, rest) = exact_sum(hi, -1.0);
            (threshold.shift, last) = (divide((hi, rest + lo), count), count);
        }
    }
}

impl Sparsemax {
    pub(crate) const NAME: &'static str = "sparsemax";
    const SIDE_BY_SIDE: bool = false;
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, slices: RowSlices<'_, A>, zeros: bool, space: &mut Space<A>) {
        let RowSlices { row, keep, .. } = inplace(slices);
        let nan = row.iter().fold(false, |nan, x| nan | x.is_nan());
        let max = largest(simd, row, space);
        if nan || max == A::neg_infinity() {
            row.fill(if zeros && !nan { A::zero() } else { A::nan() });
        } else if max == A::infinity() {
            let count = row.iter().filter(|&&x| x == max).count();
            let share = A::rounded(1.0 / count as f64);
            row.iter_mut().for_each(|x| *x = if *x == max { share } else { A::zero() });
        } else {
            let threshold = Threshold::of(simd, row, max.widened());
            pieces(
                Rows::ONE,
                &[],
                row,
                A::neg_infinity(),
                #[inline(always)]
                |_, piece, _| {
                    if !threshold.reached(piece) {
                        return piece.fill(A::zero());
                    }
                    let n = <f64 as SimdFloatElement>::Native::<S>::LEN;
                    let mut heights = [0.0; PARTS];
                    threshold.above(
                        simd,
                        piece,
                        #[inline(always)]
                        |vector, _, height| {
                            let positive = Lanes::select(height.gt(0.0), height, height.splat(0.0));
                            positive.0.store_slice(&mut heights[vector * n..(vector + 1) * n]);
                        },
                    );
                    for (y, height) in piece.iter_mut().zip(heights) {
                        *y = A::rounded(height);
                    }
                },
            );
        }
        if !keep.is_empty() {
            copy(row, keep);
        }
    }

    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, slices: RowSlices<'_, A>, _space: &mut Space<A>) {
        let RowSlices { row: gradient, kept, .. } = inplace(slices);
        let n = <f64 as SimdFloatElement>::Native::<S>::LEN;
        let mut tally = Tally::new(splat(simd, 0.0));
        with_kept(
            Rows::ONE,
            &[],
            gradient,
            kept,
            #[inline(always)]
            |_, g, y, _| {
                if y.iter().fold(false, |any, &y| any | (y != A::zero())) {
                    for (vector, (g, y)) in widened(g).chunks_exact(n).zip(widened(y).chunks_exact(n)).enumerate() {
                        let (g, y): (_, Lanes<S, f64>) = (load(simd, g), load(simd, y));
                        tally.add(vector, !y.is(0.0), Pair::exact(g));
                    }
                }
            },
        );
        let (sum, count) = tally.total();
        let (mean, low) = divide(sum, count);
        // A row with a NaN is all NaN, and its gradient too.
        let nan = kept.first().filter(|y| y.is_nan()).map_or(0.0, |y| y.widened());
        for (g, &y) in gradient.iter_mut().zip(kept) {
            *g = if y == A::zero() { A::zero() } else { A::rounded(((g.widened() - mean) - low) + nan) };
        }
    }
}
