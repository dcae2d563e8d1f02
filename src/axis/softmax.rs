//! Softmax, its logarithm, and softmin.

use fearless_simd::{Simd, SimdBase};

use crate::{
    axis::{Keeps, kernel::row_kernels},
    element::Element,
    kernel::{load, store_part},
    math::{Pair, exp_of_negative, log1p_pair},
    real::{LaneMask, Lanes, Real},
};

/// The softmax along a row, `y_i = e^(x_i) / Σ_j e^(x_j)`.
///
/// The gradient is `y ⊙ (g - Σ_j g_j y_j)`. The maximum is subtracted first, in two words, so that the error does not grow with the spread of the logits, and
/// the sums are compensated, so that it does not grow with the length. Reductions run in a fixed order: sixteen partial sums by index modulo 16, joined as a
/// tree, whatever the vector width and the layout.
///
/// -∞ gives exactly 0; +∞ entries share the mass between them; a NaN makes its row NaN; a row that is all -∞ gives NaN, or zeros where the layer was told so.
/// Max error: 2 ULP for any row length up to 2^24.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Softmax;

/// The logarithm of the softmax along a row, `y_i = x_i - max - ln Σ_j e^(x_j - max)`.
///
/// The gradient is `g - softmax(x) Σ_j g_j`. The largest element is exact too: ln(1 + t) with the small t of all others. Conventions as in [`Softmax`].
/// Max error: 2 ULP for any row length up to 2^24.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogSoftmax;

/// The softmin along a row, `y_i = e^(-x_i) / Σ_j e^(-x_j)`: the softmax of -x.
///
/// Conventions and errors as in [`Softmax`], with the signs of the infinities exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Softmin;

row_kernels!(Softmax, LogSoftmax, Softmin);

/// How many partial sums a reduction has, whatever the vector width.
pub(super) const PARTS: usize = 16;
/// The most vectors that makes.
pub(super) const VECTORS: usize = 8;

/// Replaces the row piece by piece: full pieces of [`PARTS`] elements, and a last one with `padding` behind the end.
#[inline(always)]
pub(super) fn pieces<A: Element>(row: &mut [A], padding: A, mut body: impl FnMut(&mut [A])) {
    let mut chunks = row.chunks_exact_mut(PARTS);
    for chunk in &mut chunks {
        body(chunk);
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let mut padded = [padding; PARTS];
        padded[..rest.len()].copy_from_slice(rest);
        body(&mut padded);
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

/// Sixteen compensated sums.
pub(super) struct Sums<S: Simd, A: Element> {
    sum: [Lanes<S, A>; VECTORS],
    /// What the sums are too large by.
    excess: [Lanes<S, A>; VECTORS],
}

impl<S: Simd, A: Element> Sums<S, A> {
    #[inline(always)]
    pub(super) fn new(zero: Lanes<S, A>) -> Self {
        Self { sum: [zero; VECTORS], excess: [zero; VECTORS] }
    }

    /// Kahan's step.
    #[inline(always)]
    pub(super) fn add(&mut self, vector: usize, term: Lanes<S, A>) {
        let corrected = term - self.excess[vector];
        let sum = self.sum[vector] + corrected;
        self.excess[vector] = (sum - self.sum[vector]) - corrected;
        self.sum[vector] = sum;
    }

    /// The total, in two words.
    #[inline(always)]
    pub(super) fn total(self) -> (A, A) {
        let n = A::Native::<S>::LEN;
        let (mut hi, mut lo) = ([A::zero(); PARTS], [A::zero(); PARTS]);
        for vector in 0..PARTS / n {
            store_part(self.sum[vector], &mut hi[vector * n..(vector + 1) * n]);
            store_part(-self.excess[vector], &mut lo[vector * n..(vector + 1) * n]);
        }
        let mut width = PARTS / 2;
        while width > 0 {
            for i in 0..width {
                let (a, b) = (hi[i], hi[i + width]);
                let sum = a + b;
                let part = sum - a;
                lo[i] = ((a - (sum - part)) + (b - part)) + (lo[i] + lo[i + width]);
                hi[i] = sum;
            }
            width /= 2;
        }
        (hi[0], lo[0])
    }
}

#[inline(always)]
pub(super) fn splat<S: Simd, A: Element>(simd: S, value: A) -> Lanes<S, A> {
    Lanes(A::Native::<S>::splat(simd, value))
}

/// The largest element; -infinity for none, NaN not counted.
#[inline(always)]
pub(super) fn maximum<S: Simd, A: Element>(simd: S, row: &mut [A], sign: f64) -> A {
    let n = A::Native::<S>::LEN;
    let mut best = [splat(simd, A::neg_infinity()); VECTORS];
    pieces(
        row,
        if sign < 0.0 { A::infinity() } else { A::neg_infinity() },
        #[inline(always)]
        |piece| {
            for vector in 0..PARTS / n {
                let x = load(simd, &piece[vector * n..(vector + 1) * n]) * sign;
                best[vector] = Lanes::select(x.gt(best[vector]), x, best[vector]);
            }
        },
    );
    let mut largest = A::neg_infinity();
    for best in &best[..PARTS / n] {
        for &x in best.0.as_slice() {
            if x > largest {
                largest = x;
            }
        }
    }
    largest
}

/// x - max in two words: 0 for the largest even where it is infinite.
#[inline(always)]
fn shifted<S: Simd, A: Element>(x: Lanes<S, A>, max: Lanes<S, A>) -> (Pair<Lanes<S, A>>, LaneMask<S, A>) {
    let top = x.is(max);
    let zero = x.splat(0.0);
    (Pair::select(top, Pair::exact(zero), Pair::sum(x, -max)), top)
}

/// The sum of all e^(x - max), less 1, in two words: no digit of a small remainder is lost to the largest element's 1. The row is replaced by the
/// exponentials, or left as it is.
#[inline(always)]
fn exponentials<const STORE: bool, S: Simd, A: Element>(simd: S, row: &mut [A], max: A, sign: f64) -> (A, A) {
    let n = A::Native::<S>::LEN;
    let max = splat(simd, max);
    let zero = max.splat(0.0);
    let mut sums = Sums::new(zero);
    let mut tops = [zero; VECTORS];
    pieces(
        row,
        if sign < 0.0 { A::infinity() } else { A::neg_infinity() },
        #[inline(always)]
        |piece| {
            for vector in 0..PARTS / n {
                let part = &mut piece[vector * n..(vector + 1) * n];
                let (shift, top) = shifted(load(simd, part) * sign, max);
                let exp = exp_of_negative(shift);
                let e = exp.scale(exp.significand().round());
                if STORE {
                    e.0.store_slice(part);
                }
                sums.add(vector, Lanes::select(top, zero, e));
                tops[vector] = tops[vector] + Lanes::select(top, zero.splat(1.0), zero);
            }
        },
    );
    let mut count = A::zero();
    for tops in &tops[..PARTS / n] {
        for &top in tops.0.as_slice() {
            count += top;
        }
    }
    let (hi, lo) = sums.total();
    // count - 1 is 0 or at least 1, hi may be either smaller or larger.
    let others = count - A::one();
    let sum = others + hi;
    let part = sum - others;
    (sum, ((others - (sum - part)) + (hi - part)) + lo)
}

/// The maximum to subtract: NaN where the whole row is -infinity, so that the row becomes NaN.
fn pivot<A: Element>(max: A) -> A {
    if max == A::neg_infinity() { A::nan() } else { max }
}

/// The softmax of sign · x.
#[inline(always)]
fn normalize<S: Simd, A: Element>(simd: S, row: &mut [A], keep: &mut [A], zeros: bool, sign: f64) {
    let max = maximum(simd, row, sign);
    if zeros && max == A::neg_infinity() && !row.iter().any(|x| x.is_nan()) {
        row.fill(A::zero());
        keep.fill(A::zero());
        return;
    }
    let (hi, lo) = exponentials::<true, S, A>(simd, row, pivot(max), sign);
    scale(simd, row, hi, lo);
    if !keep.is_empty() {
        keep.copy_from_slice(row);
    }
}

/// Divides by 1 + hi + lo.
#[inline(always)]
fn scale<S: Simd, A: Element>(simd: S, row: &mut [A], hi: A, lo: A) {
    let n = A::Native::<S>::LEN;
    let one = splat(simd, A::one());
    let inverse = Pair::sum(one, splat(simd, hi)).plus_low(splat(simd, lo)).reciprocal().pair();
    pieces(
        row,
        A::zero(),
        #[inline(always)]
        |piece| {
            for vector in 0..PARTS / n {
                let part = &mut piece[vector * n..(vector + 1) * n];
                inverse.times_rounded(load(simd, part)).0.store_slice(part);
            }
        },
    );
}

/// g becomes y (g - Σ g y); where y is 0 the gradient counts for nothing, whatever it is.
#[inline(always)]
fn softmax_gradient<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A], sign: f64) {
    let zero = splat(simd, A::zero());
    let (hi, lo) = sum_with(
        simd,
        gradient,
        kept,
        #[inline(always)]
        |g, y| Lanes::select(y.is(0.0), zero, g * y),
    );
    let mean = splat(simd, hi + lo);
    replace_with(
        simd,
        gradient,
        kept,
        #[inline(always)]
        |g, y| Lanes::select(y.is(0.0), zero, (g - mean) * y * sign),
    );
}

/// The sum of a term of the gradient and what was kept, in two words.
#[inline(always)]
fn sum_with<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A], term: impl Fn(Lanes<S, A>, Lanes<S, A>) -> Lanes<S, A>) -> (A, A) {
    let n = A::Native::<S>::LEN;
    let mut sums = Sums::new(splat(simd, A::zero()));
    with_kept(
        gradient,
        kept,
        #[inline(always)]
        |g, y| {
            for vector in 0..PARTS / n {
                let range = vector * n..(vector + 1) * n;
                sums.add(vector, term(load(simd, &g[range.clone()]), load(simd, &y[range])));
            }
        },
    );
    sums.total()
}

/// Replaces the gradient by a function of it and what was kept.
#[inline(always)]
fn replace_with<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A], f: impl Fn(Lanes<S, A>, Lanes<S, A>) -> Lanes<S, A>) {
    let n = A::Native::<S>::LEN;
    with_kept(
        gradient,
        kept,
        #[inline(always)]
        |g, y| {
            for vector in 0..PARTS / n {
                let range = vector * n..(vector + 1) * n;
                let result = f(load(simd, &g[range.clone()]), load(simd, &y[range.clone()]));
                result.0.store_slice(&mut g[range]);
            }
        },
    );
}

/// Pieces of a gradient with what was kept for them; zeros behind the end.
#[inline(always)]
pub(super) fn with_kept<A: Element>(gradient: &mut [A], kept: &[A], mut body: impl FnMut(&mut [A], &[A])) {
    let mut start = 0;
    pieces(
        gradient,
        A::zero(),
        #[inline(always)]
        |piece| {
            let end = kept.len().min(start + PARTS);
            if end - start == PARTS {
                body(piece, &kept[start..end]);
            } else {
                let mut padded = [A::zero(); PARTS];
                padded[..end - start].copy_from_slice(&kept[start..end]);
                body(piece, &padded);
            }
            start = end;
        },
    );
}

impl Softmax {
    pub(crate) const NAME: &'static str = "softmax";
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, row: &mut [A], keep: &mut [A], zeros: bool) {
        normalize(simd, row, keep, zeros, 1.0);
    }
    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A]) {
        softmax_gradient(simd, gradient, kept, 1.0);
    }
}

impl Softmin {
    pub(crate) const NAME: &'static str = "softmin";
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, row: &mut [A], keep: &mut [A], zeros: bool) {
        normalize(simd, row, keep, zeros, -1.0);
    }
    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A]) {
        softmax_gradient(simd, gradient, kept, -1.0);
    }
}

impl LogSoftmax {
    pub(crate) const NAME: &'static str = "log_softmax";
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, row: &mut [A], keep: &mut [A], zeros: bool) {
        let n = A::Native::<S>::LEN;
        let max = maximum(simd, row, 1.0);
        if zeros && max == A::neg_infinity() && !row.iter().any(|x| x.is_nan()) {
            row.fill(A::zero());
            keep.fill(-A::zero());
            return;
        }
        let max = pivot(max);
        let (hi, lo) = if keep.is_empty() {
            exponentials::<false, S, A>(simd, row, max, 1.0)
        } else {
            keep.copy_from_slice(row);
            let (hi, lo) = exponentials::<true, S, A>(simd, keep, max, 1.0);
            scale(simd, keep, hi, lo);
            (hi, lo)
        };
        let logarithm = log1p_pair(Pair::new(splat(simd, hi), splat(simd, lo)));
        let max = splat(simd, max);
        pieces(
            row,
            A::neg_infinity(),
            #[inline(always)]
            |piece| {
                for vector in 0..PARTS / n {
                    let part = &mut piece[vector * n..(vector + 1) * n];
                    let x = load(simd, part);
                    let (shift, _) = shifted(x, max);
                    let difference = shift.add(logarithm.negate()).round();
                    // An infinite difference has no lower word.
                    let infinite = shift.hi.is(f64::NEG_INFINITY);
                    Lanes::select(infinite, shift.hi, difference).0.store_slice(part);
                }
            },
        );
    }

    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A]) {
        let zero = splat(simd, A::zero());
        // The gradient of a masked element counts for nothing.
        let (hi, lo) = sum_with(
            simd,
            gradient,
            kept,
            #[inline(always)]
            |g, y| Lanes::select(masked(y), zero, g),
        );
        let total = Pair::new(splat(simd, hi), splat(simd, lo));
        replace_with(
            simd,
            gradient,
            kept,
            #[inline(always)]
            |g, y| Lanes::select(masked(y), zero, g - total.times_rounded(y)),
        );
    }
}

/// Whether what was kept says that the element is masked: it is -0.
#[inline(always)]
fn masked<S: Simd, A: Element>(kept: Lanes<S, A>) -> LaneMask<S, A> {
    kept.splat(1.0).copysign(kept).lt(0.0)
}
