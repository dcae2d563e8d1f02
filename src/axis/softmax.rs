//! Softmax, its logarithm, and softmin.

use fearless_simd::{Simd, SimdBase};

use crate::{
    axis::{Keeps, kernel::row_kernels},
    element::Element,
    kernel::load,
    math::{Pair, exp_of_negative, log1p_pair},
    parts::{PARTS, Sums, VECTORS, exact_sum, pieces, splat, with_kept},
    real::{LaneMask, Lanes, Real, Work as _},
};

/// The softmax along a row, $y_i = e^{x_i} / \sum_j e^{x_j}$.
///
/// - Gradient: $\frac{dL}{dx_i} = y_i (g_i - \sum_j g_j y_j)$ for the gradient $g$ from above.
/// - Limits: -∞ gives exactly 0; +∞ entries share the mass between them; a NaN makes its row NaN; a row that is all -∞ gives NaN, or zeros where the layer was
///   told so.
/// - The maximum is subtracted first, in two words, so that the error does not grow with the spread of the logits, and the sums are compensated, so that it does
///   not grow with the length. Reductions run in a fixed order: sixteen partial sums by index modulo 16, joined as a tree, whatever the vector width and the
///   layout.
/// - Time linear in the number of elements, one exponential each; kept for backward: the output.
///
/// Max error: 2 ULP for any row length up to 2^24.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Softmax;

/// The logarithm of the softmax along a row, $y_i = x_i - m - \ln \sum_j e^{x_j - m}$ with the maximum $m$.
///
/// - Gradient: $\frac{dL}{dx_i} = g_i - p_i \sum_j g_j$ with the softmax $p$.
/// - The largest element is exact too: $\ln(1 + t)$ with the small $t$ of all others. Conventions as in [`Softmax`].
/// - Time linear in the number of elements, one exponential each; kept for backward: the probabilities.
///
/// Max error: 2 ULP for any row length up to 2^24.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogSoftmax;

/// The softmin along a row, $y_i = e^{-x_i} / \sum_j e^{-x_j}$: the softmax of $-x$.
///
/// Conventions, errors and cost as in [`Softmax`], with the signs of the infinities exchanged. Gradient: $\frac{dL}{dx_i} = -y_i (g_i - \sum_j g_j y_j)$.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Softmin;

row_kernels!(Softmax, LogSoftmax, Softmin);

/// A number in two words of the element type.
#[inline(always)]
fn pair<S: Simd, A: Element>(simd: S, (hi, lo): (f64, f64)) -> Pair<Lanes<S, A>> {
    let first = A::rounded(hi);
    Pair::new(splat(simd, first), splat(simd, A::rounded((hi - first.widened()) + lo)))
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

/// The sum of all e^(x - max), less 1, in two words: no digit of a small remainder is lost to the largest element's 1. Each exponential, rounded, goes to
/// `store` with its place in the row.
#[inline(always)]
fn exponentials<S: Simd, A: Element>(simd: S, row: &mut [A], max: A, sign: f64, mut store: impl FnMut(&mut [A], Lanes<S, A>)) -> (f64, f64) {
    let n = A::Native::<S>::LEN;
    let largest = splat(simd, max);
    let wide = A::Work::<S>::widen(largest);
    let (zero, one) = (largest.splat(0.0), largest.splat(1.0));
    let mut sums = Sums::new(wide.splat(0.0));
    let mut tops = [zero; VECTORS];
    pieces(
        row,
        if sign < 0.0 { A::infinity() } else { A::neg_infinity() },
        #[inline(always)]
        |piece| {
            for vector in 0..PARTS / n {
                let part = &mut piece[vector * n..(vector + 1) * n];
                let x = load(simd, part) * sign;
                // The largest elements are counted instead: 1 each, even where they are infinite.
                let top = x.is(largest);
                tops[vector] = tops[vector] + Lanes::select(top, one, zero);
                let others = A::Work::<S>::widen(Lanes::select(top, largest.splat(f64::NEG_INFINITY), x));
                let exp = exp_of_negative(Pair::sum(others, -wide));
                let e = exp.scale(exp.significand().round());
                sums.add(vector, e);
                store(part, Lanes::select(top, one, e.narrow()));
            }
        },
    );
    let mut count = -1.0;
    for tops in &tops[..PARTS / n] {
        for &top in tops.0.as_slice() {
            count += top.widened();
        }
    }
    let (hi, lo) = sums.total(n);
    let sum = exact_sum(count, hi);
    (sum.0, sum.1 + lo)
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
    let rest = exponentials(
        simd,
        row,
        pivot(max),
        sign,
        #[inline(always)]
        |part, e| e.0.store_slice(part),
    );
    scale(simd, row, rest);
    if !keep.is_empty() {
        keep.copy_from_slice(row);
    }
}

/// Divides by 1 and the rest.
#[inline(always)]
fn scale<S: Simd, A: Element>(simd: S, row: &mut [A], (hi, lo): (f64, f64)) {
    let n = A::Native::<S>::LEN;
    let sum = exact_sum(1.0, hi);
    let inverse = 1.0 / sum.0;
    // The inverse in two words: a remainder of 1 tells what its rounding lost.
    let remainder = f64::mul_add(-inverse, sum.0, 1.0) - inverse * (sum.1 + lo);
    let inverse = pair::<S, A>(simd, (inverse, inverse * remainder));
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
    let mean = splat(simd, A::rounded(hi + lo));
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
fn sum_with<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A], term: impl Fn(Lanes<S, A>, Lanes<S, A>) -> Lanes<S, A>) -> (f64, f64) {
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
    sums.total(n)
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
        let rest = if keep.is_empty() {
            exponentials(
                simd,
                row,
                max,
                1.0,
                #[inline(always)]
                |_, _| (),
            )
        } else {
            keep.copy_from_slice(row);
            let rest = exponentials(
                simd,
                keep,
                max,
                1.0,
                #[inline(always)]
                |part, e| e.0.store_slice(part),
            );
            scale(simd, keep, rest);
            rest
        };
        let max = A::Work::<S>::widen(splat(simd, max));
        let logarithm = log1p_pair(Pair::new(max.splat(rest.0), max.splat(rest.1)));
        pieces(
            row,
            A::neg_infinity(),
            #[inline(always)]
            |piece| {
                for vector in 0..PARTS / n {
                    let part = &mut piece[vector * n..(vector + 1) * n];
                    let x = load(simd, part);
                    let wide = A::Work::<S>::widen(x);
                    let shift = Pair::sum(wide, -max);
                    // Infinite logits have no lower word: the largest are at 0, the others at -infinity.
                    let shift = Pair::select(wide.is(max), Pair::exact(max.splat(0.0)), shift);
                    let difference = shift.add(logarithm.negate()).round();
                    A::Work::<S>::select(shift.hi.is(f64::NEG_INFINITY), shift.hi, difference).narrow().0.store_slice(part);
                }
            },
        );
    }

    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A]) {
        let zero = splat(simd, A::zero());
        // The gradient of a masked element counts for nothing.
        let sum = sum_with(
            simd,
            gradient,
            kept,
            #[inline(always)]
            |g, y| Lanes::select(masked(y), zero, g),
        );
        let total = pair::<S, A>(simd, sum);
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
