//! Softmax, its logarithm, and softmin.

use std::ops::Range;

use fearless_simd::{Simd, SimdBase};

use crate::{
    axis::{Keeps, kernel::row_kernels},
    element::Element,
    kernel::load,
    math::{Pair, exp_of_held, exp_range, log1p_pair},
    parts::{PARTS, Rows, Sums, Totals, VECTORS, copy_line, pieces, splat, sum, with_kept},
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
                best[vector] = best[vector].at_least(load(simd, &piece[range(vector, n)]) * sign);
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

/// From where on a maximum is subtracted beforehand.
const FAR: f64 = 1e6;

/// What is subtracted from the elements of each row before the exponential.
struct Pivot<A> {
    /// The maxima, NaN where all is -infinity, so that the row becomes NaN.
    max: [A; PARTS],
    /// What is less counts as this: its exponential is 0 in the end, even 2^24 times.
    floor: [A; PARTS],
}

impl<A: Element> Pivot<A> {
    /// Where a maximum is infinite or far from 0, it is subtracted from the row here and now, without rounding from the elements that count, all of which lie close
    /// to it. 0 is the maximum then.
    #[inline(always)]
    fn new<S: Simd>(row: &mut [A], max: &[A; PARTS], sign: f64) -> Self {
        let far = max.map(|max| max.abs() > A::rounded(FAR) && max != A::neg_infinity());
        if far.contains(&true) {
            for line in row.chunks_mut(PARTS) {
                for ((x, &max), _) in line.iter_mut().zip(max).zip(far).filter(|(_, far)| *far) {
                    // Infinity less infinity is meant to be 0.
                    *x = if *x * A::rounded(sign) == max { A::zero() } else { *x - max * A::rounded(sign) };
                }
            }
        }
        let max = line(
            #[inline(always)]
            |i| match max[i] {
                max if max == A::neg_infinity() => A::nan(),
                _ if far[i] => A::zero(),
                max => max,
            },
        );
        let (bound, _) = exp_range::<Lanes<S, A>>();
        let floor = line(
            #[inline(always)]
            |i| max[i] - A::rounded(bound),
        );
        Self { max, floor }
    }

    /// e^(x - max), shifted up: what is 0 in the end is in the normal range until then.
    #[inline(always)]
    fn exponential<S: Simd>(&self, simd: S, range: Range<usize>, x: Lanes<S, A>) -> Lanes<S, A> {
        let x = x.at_least(load(simd, &self.floor[range.clone()]));
        exp_of_held(below(x, load(simd, &self.max[range]))).shifted()
    }
}

/// By which factor the exponentials are shifted up.
#[inline(always)]
fn shift<S: Simd, A: Element>() -> f64 {
    f64::powi(2.0, exp_range::<Lanes<S, A>>().1)
}

/// x - max, exactly, for x that is not above max: of x and -max the one that is less is not smaller in magnitude.
#[inline(always)]
fn below<T: Real>(x: T, max: T) -> Pair<T> {
    let (large, small) = (x.at_most(-max), (-max).at_least(x));
    let hi = x - max;
    Pair::new(hi, small - (hi - large))
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
    let n = A::Native::<S>::LEN;
    let max = maximum(simd, rows, row, sign);
    let blank = if zeros { blank(rows, row, &max) } else { None };
    let pivot = Pivot::new::<S>(row, &max, sign);
    let total = sum(
        n,
        rows,
        row,
        &[],
        padding(sign),
        Sums::bounded(A::Work::<S>::widen(splat(simd, A::rounded(shift::<S, A>())))),
        #[inline(always)]
        |vector, part, _| {
            let e = pivot.exponential(simd, range(vector, n), load(simd, part) * sign);
            e.0.store_slice(part);
            A::Work::<S>::widen(e)
        },
    );
    scale(simd, rows, row, keep, &total);
    if let Some(blank) = blank {
        fill(row, &blank, A::zero());
        fill(keep, &blank, A::zero());
    }
}

/// Divides by the total, and copies the quotients.
#[inline(always)]
fn scale<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], copies: &mut [A], total: &Totals) {
    let n = A::Native::<S>::LEN;
    let inverse = total.map(
        rows,
        #[inline(always)]
        |hi, lo| {
            let inverse = 1.0 / hi;
            // The inverse in two words: a remainder of 1 tells what its rounding lost.
            let remainder = f64::mul_add(-inverse, hi, 1.0) - inverse * lo;
            (inverse, inverse * remainder)
        },
    );
    let inverse = pairs::<A>(&inverse);
    let mut copies = copies.chunks_mut(PARTS);
    pieces(
        row,
        A::zero(),
        #[inline(always)]
        |piece| {
            for vector in 0..PARTS / n {
                let part = &mut piece[range(vector, n)];
                load_pair(simd, &inverse, range(vector, n)).times_rounded(load(simd, part)).0.store_slice(part);
            }
            if let Some(copy) = copies.next() {
                copy_line(&piece[..copy.len()], copy);
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
        Sums::new(splat(simd, A::zero())),
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

/// The sum of all e^(x - max), less 1, in two words: no digit of a small remainder is lost to the largest element's 1. Each exponential goes to `store`, shifted
/// up.
#[inline(always)]
fn others<S: Simd, A: Element>(
    simd: S,
    rows: Rows,
    values: &mut [A],
    beside: &[A],
    pivot: &Pivot<A>,
    element: impl Fn(&[A], &[A]) -> Lanes<S, A>,
    mut store: impl FnMut(&mut [A], Lanes<S, A>),
) -> Totals {
    let n = A::Native::<S>::LEN;
    let (zero, one) = (splat(simd, A::zero()), splat(simd, A::one()));
    let mut tops = [zero; VECTORS];
    let sums = sum(
        n,
        rows,
        values,
        beside,
        padding(1.0),
        Sums::new(A::Work::<S>::widen(zero)),
        #[inline(always)]
        |vector, part, beside| {
            let x = element(part, beside);
            let e = pivot.exponential(simd, range(vector, n), x);
            store(part, e);
            // The largest elements are counted.
            let top = x.is(load(simd, &pivot.max[range(vector, n)]));
            tops[vector] = tops[vector] + Lanes::select(top, one, zero);
            A::Work::<S>::widen(Lanes::select(top, zero, e))
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
    sums.times(1.0 / shift::<S, A>()).plus(
        #[inline(always)]
        |place| counts[place] - 1.0,
    )
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
        let pivot = Pivot::new::<S>(row, &max, 1.0);
        let rest = if keep.is_empty() {
            others(
                simd,
                rows,
                row,
                &[],
                &pivot,
                #[inline(always)]
                |x, _| load(simd, x),
                #[inline(always)]
                |_, _| (),
            )
        } else {
            let rest = others(
                simd,
                rows,
                keep,
                row,
                &pivot,
                #[inline(always)]
                |_, x| load(simd, x),
                #[inline(always)]
                |part, e| e.0.store_slice(part),
            );
            let total = rest.plus(
                #[inline(always)]
                |_| 1.0,
            );
            scale(simd, rows, keep, &mut [], &total.times(shift::<S, A>()));
            rest
        };
        let mut logarithms = Totals { hi: [0.0; PARTS], lo: [0.0; PARTS] };
        for vector in 0..(PARTS / n).min(rows.count()) {
            let words = |numbers: &[f64; PARTS]| A::Work::<S>::from_words(simd, &numbers[range(vector, n)]);
            let logarithm = log1p_pair(Pair::new(words(&rest.hi), words(&rest.lo)));
            logarithm.hi.words(&mut logarithms.hi[range(vector, n)]);
            logarithm.lo.words(&mut logarithms.lo[range(vector, n)]);
        }
        let subtrahend = Totals { hi: rows.spread(logarithms.hi), lo: rows.spread(logarithms.lo) }.plus(
            #[inline(always)]
            |place| pivot.max[place].widened(),
        );
        let subtrahend = pairs::<A>(&subtrahend);
        pieces(
            row,
            A::neg_infinity(),
            #[inline(always)]
            |piece| {
                for vector in 0..PARTS / n {
                    let part = &mut piece[range(vector, n)];
                    let subtrahend = load_pair(simd, &subtrahend, range(vector, n));
                    // Near 0 the first difference is exact.
                    ((load(simd, part) - subtrahend.hi) - subtrahend.lo).0.store_slice(part);
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
