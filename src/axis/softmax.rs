//! Softmax, its logarithm, and softmin.

use std::ops::Range;

use fearless_simd::{Simd, SimdBase};

use crate::{
    axis::{Keeps, kernel::row_kernels},
    element::Element,
    kernel::{copy, load},
    math::{Pair, exp_of_negative, log1p_pair},
    parts::{PARTS, Rows, Totals, VECTORS, exact_sum, pieces, splat, sum, with_kept},
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

/// The range of a vector of `n` within a line.
#[inline(always)]
fn range(vector: usize, n: usize) -> Range<usize> {
    vector * n..(vector + 1) * n
}

/// A number for each place of a line.
#[inline(always)]
fn line<A: Element>(number: impl Fn(usize) -> A) -> [A; PARTS] {
    let mut line = [A::zero(); PARTS];
    for (i, place) in line.iter_mut().enumerate() {
        *place = number(i);
    }
    line
}

/// Numbers in two words of the element type.
#[inline(always)]
fn pairs<A: Element>(Totals { hi, lo }: &Totals) -> [[A; PARTS]; 2] {
    let first = line(
        #[inline(always)]
        |i| A::rounded(hi[i]),
    );
    let second = line(
        #[inline(always)]
        |i| A::rounded((hi[i] - first[i].widened()) + lo[i]),
    );
    [first, second]
}

#[inline(always)]
fn load_pair<S: Simd, A: Element>(simd: S, [hi, lo]: &[[A; PARTS]; 2], range: Range<usize>) -> Pair<Lanes<S, A>> {
    Pair::new(load(simd, &hi[range.clone()]), load(simd, &lo[range]))
}

/// What stands behind the end of a row: e to the power of it is 0.
#[inline(always)]
fn padding<A: Element>(sign: f64) -> A {
    if sign < 0.0 { A::infinity() } else { A::neg_infinity() }
}

/// The largest element of each row, times the sign; -infinity for none, NaN not counted.
#[inline(always)]
pub(super) fn maximum<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], sign: f64) -> [A; PARTS] {
    let n = A::Native::<S>::LEN;
    let mut best = [splat(simd, A::neg_infinity()); VECTORS];
    pieces(
        row,
        padding(sign),
        #[inline(always)]
        |piece| {
            for vector in 0..PARTS / n {
                let x = load(simd, &piece[range(vector, n)]) * sign;
                best[vector] = Lanes::select(x.gt(best[vector]), x, best[vector]);
            }
        },
    );
    let mut largest = [A::neg_infinity(); PARTS];
    for vector in 0..PARTS / n {
        best[vector].0.store_slice(&mut largest[range(vector, n)]);
    }
    rows.join(
        largest,
        #[inline(always)]
        |a, b| if b > a { b } else { a },
    )
}

/// The sum of all e^(x - max), less 1, in two words: no digit of a small remainder is lost to the largest element's 1. Each exponential, rounded, goes to
/// `store` with its place in the row.
#[inline(always)]
fn exponentials<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], max: &[A; PARTS], sign: f64, mut store: impl FnMut(&mut [A], Lanes<S, A>)) -> Totals {
    let n = A::Native::<S>::LEN;
    let (zero, one) = (splat(simd, A::zero()), splat(simd, A::one()));
    let mut tops = [zero; VECTORS];
    let mut sums = sum(
        n,
        rows,
        row,
        &[],
        padding(sign),
        A::Work::<S>::widen(zero),
        #[inline(always)]
        |vector, part, _| {
            let largest = load(simd, &max[range(vector, n)]);
            let x = load(simd, part) * sign;
            // The largest elements are counted instead: 1 each, even where they are infinite.
            let top = x.is(largest);
            tops[vector] = tops[vector] + Lanes::select(top, one, zero);
            let others = A::Work::<S>::widen(Lanes::select(top, largest.splat(f64::NEG_INFINITY), x));
            let e = exp_of_negative(Pair::sum(others, -A::Work::<S>::widen(largest))).value();
            store(part, Lanes::select(top, one, e.narrow()));
            e
        },
    );
    let mut counts = [0.0; PARTS];
    for vector in 0..PARTS / n {
        tops[vector].words(&mut counts[range(vector, n)]);
    }
    let counts = rows.join(
        counts,
        #[inline(always)]
        |a, b| a + b,
    );
    for ((hi, lo), count) in sums.hi.iter_mut().zip(&mut sums.lo).zip(counts) {
        let sum = exact_sum(count - 1.0, *hi);
        (*hi, *lo) = (sum.0, sum.1 + *lo);
    }
    sums
}

/// The maximum to subtract: NaN where the whole row is -infinity, so that the row becomes NaN.
#[inline(always)]
fn pivot<A: Element>(max: &[A; PARTS]) -> [A; PARTS] {
    line(
        #[inline(always)]
        |i| if max[i] == A::neg_infinity() { A::nan() } else { max[i] },
    )
}

/// The rows that are all -infinity, if there are any.
#[inline(always)]
fn blank<A: Element>(rows: Rows, row: &[A], max: &[A; PARTS]) -> Option<[bool; PARTS]> {
    if !max.contains(&A::neg_infinity()) {
        return None;
    }
    let mut blank = max.map(|max| max == A::neg_infinity());
    for line in row.chunks(PARTS) {
        blank.iter_mut().zip(line).for_each(|(blank, x)| *blank &= !x.is_nan());
    }
    Some(rows.join(blank, |a, b| a & b))
}

/// Fills rows with a number.
#[inline(always)]
fn fill<A: Element>(row: &mut [A], blank: &[bool; PARTS], number: A) {
    for line in row.chunks_mut(PARTS) {
        line.iter_mut().zip(blank).filter(|(_, blank)| **blank).for_each(|(x, _)| *x = number);
    }
}

/// The softmax of sign · x.
#[inline(always)]
fn normalize<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], keep: &mut [A], zeros: bool, sign: f64) {
    let max = maximum(simd, rows, row, sign);
    let blank = if zeros { blank(rows, row, &max) } else { None };
    let rest = exponentials(
        simd,
        rows,
        row,
        &pivot(&max),
        sign,
        #[inline(always)]
        |part, e| e.0.store_slice(part),
    );
    scale(simd, rows, row, &rest);
    if let Some(blank) = blank {
        fill(row, &blank, A::zero());
    }
    if !keep.is_empty() {
        copy(row, keep);
    }
}

/// Divides by 1 and the rest.
#[inline(always)]
fn scale<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], rest: &Totals) {
    let n = A::Native::<S>::LEN;
    let inverse = rest.map(
        rows,
        #[inline(always)]
        |hi, lo| {
            let sum = exact_sum(1.0, hi);
            let inverse = 1.0 / sum.0;
            // The inverse in two words: a remainder of 1 tells what its rounding lost.
            let remainder = f64::mul_add(-inverse, sum.0, 1.0) - inverse * (sum.1 + lo);
            (inverse, inverse * remainder)
        },
    );
    let inverse = pairs::<A>(&inverse);
    pieces(
        row,
        A::zero(),
        #[inline(always)]
        |piece| {
            for vector in 0..PARTS / n {
                let part = &mut piece[range(vector, n)];
                load_pair(simd, &inverse, range(vector, n)).times_rounded(load(simd, part)).0.store_slice(part);
            }
        },
    );
}

/// g becomes y (g - Σ g y); where y is 0 the gradient counts for nothing, whatever it is.
#[inline(always)]
fn softmax_gradient<S: Simd, A: Element>(simd: S, rows: Rows, gradient: &mut [A], kept: &[A], sign: f64) {
    let zero = splat(simd, A::zero());
    let total = sum_with(
        simd,
        rows,
        gradient,
        kept,
        #[inline(always)]
        |g, y| Lanes::select(y.is(0.0), zero, g * y),
    );
    let mean = line(
        #[inline(always)]
        |i| A::rounded(total.hi[i] + total.lo[i]),
    );
    replace_with(
        simd,
        gradient,
        kept,
        #[inline(always)]
        |range, g, y| Lanes::select(y.is(0.0), zero, (g - load(simd, &mean[range])) * y * sign),
    );
}

/// The sum of a term of the gradient and what was kept, in two words.
#[inline(always)]
fn sum_with<S: Simd, A: Element>(simd: S, rows: Rows, gradient: &mut [A], kept: &[A], term: impl Fn(Lanes<S, A>, Lanes<S, A>) -> Lanes<S, A>) -> Totals {
    sum(
        A::Native::<S>::LEN,
        rows,
        gradient,
        kept,
        A::zero(),
        splat(simd, A::zero()),
        #[inline(always)]
        |_, g, y| term(load(simd, g), load(simd, y)),
    )
}

/// Replaces the gradient by a function of its place within a line, of itself and of what was kept.
#[inline(always)]
fn replace_with<S: Simd, A: Element>(simd: S, gradient: &mut [A], kept: &[A], f: impl Fn(Range<usize>, Lanes<S, A>, Lanes<S, A>) -> Lanes<S, A>) {
    let n = A::Native::<S>::LEN;
    with_kept(
        gradient,
        kept,
        #[inline(always)]
        |g, y| {
            for vector in 0..PARTS / n {
                let range = range(vector, n);
                let result = f(range.clone(), load(simd, &g[range.clone()]), load(simd, &y[range.clone()]));
                result.0.store_slice(&mut g[range]);
            }
        },
    );
}

impl Softmax {
    pub(crate) const NAME: &'static str = "softmax";
    const SIDE_BY_SIDE: bool = true;
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], keep: &mut [A], zeros: bool) {
        normalize(simd, rows, row, keep, zeros, 1.0);
    }
    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, rows: Rows, gradient: &mut [A], kept: &[A]) {
        softmax_gradient(simd, rows, gradient, kept, 1.0);
    }
}

impl Softmin {
    pub(crate) const NAME: &'static str = "softmin";
    const SIDE_BY_SIDE: bool = true;
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], keep: &mut [A], zeros: bool) {
        normalize(simd, rows, row, keep, zeros, -1.0);
    }
    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, rows: Rows, gradient: &mut [A], kept: &[A]) {
        softmax_gradient(simd, rows, gradient, kept, -1.0);
    }
}

impl LogSoftmax {
    pub(crate) const NAME: &'static str = "log_softmax";
    const SIDE_BY_SIDE: bool = true;
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], keep: &mut [A], zeros: bool) {
        let n = A::Native::<S>::LEN;
        let max = maximum(simd, rows, row, 1.0);
        let blank = if zeros { blank(rows, row, &max) } else { None };
        let max = pivot(&max);
        let rest = if keep.is_empty() {
            exponentials(
                simd,
                rows,
                row,
                &max,
                1.0,
                #[inline(always)]
                |_, _| (),
            )
        } else {
            copy(row, keep);
            let rest = exponentials(
                simd,
                rows,
                keep,
                &max,
                1.0,
                #[inline(always)]
                |part, e| e.0.store_slice(part),
            );
            scale(simd, rows, keep, &rest);
            rest
        };
        let zero = A::Work::<S>::widen(splat(simd, A::zero()));
        let mut logarithms = [Pair::exact(zero); VECTORS];
        for (vector, logarithm) in logarithms.iter_mut().enumerate().take((PARTS / n).min(rows.count())) {
            let (hi, lo) = (&rest.hi[range(vector, n)], &rest.lo[range(vector, n)]);
            *logarithm = log1p_pair(Pair::new(A::Work::<S>::from_words(simd, hi), A::Work::<S>::from_words(simd, lo)));
        }
        if rows == Rows::One {
            logarithms = [logarithms[0]; VECTORS];
        }
        pieces(
            row,
            A::neg_infinity(),
            #[inline(always)]
            |piece| {
                for vector in 0..PARTS / n {
                    let part = &mut piece[range(vector, n)];
                    let (x, max) = (A::Work::<S>::widen(load(simd, part)), A::Work::<S>::widen(load(simd, &max[range(vector, n)])));
                    let shift = Pair::sum(x, -max);
                    // Infinite logits have no lower word: the largest are at 0, the others at -infinity.
                    let shift = Pair::select(x.is(max), Pair::exact(zero), shift);
                    let difference = shift.add(logarithms[vector].negate()).round();
                    A::Work::<S>::select(shift.hi.is(f64::NEG_INFINITY), shift.hi, difference).narrow().0.store_slice(part);
                }
            },
        );
        if let Some(blank) = blank {
            fill(row, &blank, A::zero());
            // As if all were masked.
            fill(keep, &blank, -A::zero());
        }
    }

    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, rows: Rows, gradient: &mut [A], kept: &[A]) {
        let zero = splat(simd, A::zero());
        // The gradient of a masked element counts for nothing.
        let total = sum_with(
            simd,
            rows,
            gradient,
            kept,
            #[inline(always)]
            |g, y| Lanes::select(masked(y), zero, g),
        );
        let total = pairs::<A>(&total);
        replace_with(
            simd,
            gradient,
            kept,
            #[inline(always)]
            |range, g, y| Lanes::select(masked(y), zero, g - load_pair(simd, &total, range).times_rounded(y)),
        );
    }
}

/// Whether what was kept says that the element is masked: it is -0.
#[inline(always)]
fn masked<S: Simd, A: Element>(kept: Lanes<S, A>) -> LaneMask<S, A> {
    kept.splat(1.0).copysign(kept).lt(0.0)
}
