//! Softmax, its logarithm, and softmin.

use std::{mem::replace, ops::Range};

use fearless_simd::{Level, Simd, SimdBase};

use crate::{
    axis::{
        Keeps,
        kernel::{RowKernel, inplace, row_kernels},
    },
    element::Element,
    kernel::{at_level, load},
    math::{Pair, exp_of_held, exp_range, log1p_pair},
    parts::{PARTS, RowSlices, Rows, Space, Sums, Table, Totals, VECTORS, by_number, copy_line, join_places, pieces, splat, sum, tabulate, with_kept},
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

row_kernels!(Softmax, LogSoftmax);

/// A number in two words of the element type.
#[inline(always)]
fn in_two_words<A: Element>((hi, lo): (f64, f64)) -> [A; 2] {
    let first = A::rounded(hi);
    [first, A::rounded((hi - first.widened()) + lo)]
}

/// A vector of a line.
#[inline(always)]
fn vector_of<S: Simd, A: Element>(simd: S, line: &[A; PARTS], vector: usize) -> Lanes<S, A> {
    let n = A::Native::<S>::LEN;
    load(simd, &line[vector * n..(vector + 1) * n])
}

/// The largest element of each row; -infinity for none, NaN not counted.
#[inline(always)]
fn maximum<S: Simd, A: Element>(simd: S, rows: Rows, row: &[A], largest: &mut Table<A>) {
    let (n, period) = (A::Native::<S>::LEN, largest.len());
    let (lines, rest) = row.as_chunks::<PARTS>();
    largest.fill([A::neg_infinity(); PARTS]);
    by_number(
        rows,
        lines.len(),
        period,
        period,
        #[inline(always)]
        |number, Range { mut start, end }| {
            let largest = &mut largest[number];
            let mut best = [splat(simd, A::neg_infinity()); VECTORS];
            for (vector, best) in best.iter_mut().enumerate().take(PARTS / n) {
                *best = vector_of(simd, largest, vector);
            }
            while start < end {
                for (vector, best) in best.iter_mut().enumerate().take(PARTS / n) {
                    *best = best.at_least(vector_of(simd, &lines[start], vector));
                }
                start += period;
            }
            for (best, largest) in best.iter().zip(largest.chunks_exact_mut(n)) {
                best.0.store_slice(largest);
            }
        },
    );
    let larger = |a, b| if b > a { b } else { a };
    if !rest.is_empty() {
        for (largest, &x) in largest[lines.len() % period].iter_mut().zip(rest) {
            *largest = larger(*largest, x);
        }
    }
    join_places(rows, largest, larger);
}

/// [`maximum`] of one row.
#[inline(always)]
pub(super) fn largest<S: Simd, A: Element>(simd: S, row: &[A], space: &mut Space<A>) -> A {
    let ([largest, ..], _) = space.split(Rows::ONE);
    maximum(simd, Rows::ONE, row, largest);
    largest[0][0]
}

/// From where on a maximum is subtracted beforehand.
const FAR: f64 = 1e6;

/// What is subtracted from the elements of each row before the exponential.
struct Pivot<'a, A> {
    /// The maxima, NaN where all is -infinity, so that the row becomes NaN.
    max: &'a Table<A>,
    /// What is less counts as this: its exponential is 0 in the end, even 2^24 times.
    floor: &'a Table<A>,
}

impl<'a, A: Element> Pivot<'a, A> {
    /// Where a maximum is infinite or far from 0, it is subtracted here and now, in the rows themselves, without rounding from the elements that count, all of which
    /// lie close to it. 0 is the maximum then.
    #[inline(always)]
    fn new<'b, S: Simd>(mut slices: RowSlices<'b, A>, max: &'a mut Table<A>, floor: &'a mut Table<A>) -> (Self, RowSlices<'b, A>) {
        let far = |max: A| max.abs() > A::rounded(FAR) && max != A::neg_infinity();
        if max.as_flattened().iter().fold(false, |any, &max| any | far(max)) {
            slices = inplace(slices);
            for line in slices.row.chunks_mut(max.len() * PARTS) {
                for (x, &max) in line.iter_mut().zip(max.as_flattened()).filter(|(_, max)| far(**max)) {
                    // Infinity less infinity is meant to be 0.
                    *x = if *x == max { A::zero() } else { *x - max };
                }
            }
        }
        let (bound, _) = exp_range::<Lanes<S, A>>();
        for (max, floor) in max.iter_mut().zip(&mut *floor) {
            for (max, floor) in max.iter_mut().zip(floor) {
                let near = if far(*max) { A::zero() } else { *max };
                *max = if *max == A::neg_infinity() { A::nan() } else { near };
                *floor = *max - A::rounded(bound);
            }
        }
        (Self { max, floor }, slices)
    }

    #[inline(always)]
    fn of_vector<S: Simd>(&self, simd: S, line: usize, vector: usize) -> VectorPivot<S, A> {
        VectorPivot { max: vector_of(simd, &self.max[line], vector), floor: vector_of(simd, &self.floor[line], vector) }
    }

    /// Of all vectors of a line.
    #[inline(always)]
    fn of_line<S: Simd>(&self, simd: S, line: usize) -> [VectorPivot<S, A>; VECTORS] {
        let mut pivots = [self.of_vector(simd, line, 0); VECTORS];
        for (vector, pivot) in pivots.iter_mut().enumerate().take(PARTS / A::Native::<S>::LEN) {
            *pivot = self.of_vector(simd, line, vector);
        }
        pivots
    }
}

/// A [`Pivot`] of one vector.
#[derive(Clone, Copy)]
struct VectorPivot<S: Simd, A: Element> {
    max: Lanes<S, A>,
    floor: Lanes<S, A>,
}

impl<S: Simd, A: Element> VectorPivot<S, A> {
    /// e^(x - max), shifted up: what is 0 in the end is in the normal range until then.
    #[inline(always)]
    fn exponential(self, x: Lanes<S, A>) -> Lanes<S, A> {
        exp_of_held(below(x.at_least(self.floor), self.max)).shifted()
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

/// Makes a table of 1 for the rows that are all -infinity and 0 for the others, or an empty one where there are none.
#[inline(always)]
fn blank<'a, A: Element>(rows: Rows, row: &[A], max: &Table<A>, table: &'a mut Table<A>) -> &'a [A] {
    if !max.as_flattened().contains(&A::neg_infinity()) {
        return &[];
    }
    let one_if = |holds: bool| if holds { A::one() } else { A::zero() };
    for (blank, &max) in table.as_flattened_mut().iter_mut().zip(max.as_flattened()) {
        *blank = one_if(max == A::neg_infinity());
    }
    for line in row.chunks(table.len() * PARTS) {
        table.as_flattened_mut().iter_mut().zip(line).for_each(|(blank, x)| *blank *= one_if(!x.is_nan()));
    }
    join_places(rows, table, |a, b| a * b);
    table.as_flattened()
}

/// Fills rows with a number.
#[inline(always)]
fn fill<A: Element>(row: &mut [A], blank: &[A], number: A) {
    if !blank.is_empty() {
        for line in row.chunks_mut(blank.len()) {
            line.iter_mut().zip(blank).filter(|(_, blank)| **blank == A::one()).for_each(|(x, _)| *x = number);
        }
    }
}

/// The softmax, and a copy of it where it is kept.
#[inline(always)]
fn normalize<S: Simd, A: Element>(simd: S, slices: RowSlices<'_, A>, zeros: bool, space: &mut Space<A>) {
    let n = A::Native::<S>::LEN;
    let rows = slices.rows;
    let ([max, floor, low, blanks], sums) = space.split(rows);
    maximum(simd, rows, slices.source(), max);
    let blanks = if zeros { blank(rows, slices.source(), max, blanks) } else { &[] };
    let (pivot, RowSlices { input, row, keep, .. }) = Pivot::new::<S>(slices, max, floor);
    let total = sum(
        n,
        rows,
        sums,
        (&mut *row, [input, &[]]),
        A::neg_infinity(),
        Sums::bounded(A::Work::<S>::widen(splat(simd, A::rounded(shift::<S, A>())))),
        (
            #[inline(always)]
            |line| pivot.of_line(simd, line),
            #[inline(always)]
            |pivots, _, vector, part, [input, _]| {
                let x = load(simd, if input.is_empty() { part } else { input });
                let e = pivots[vector].exponential(x);
                e.0.store_slice(part);
                A::Work::<S>::widen(e)
            },
        ),
    );
    scale(
        simd,
        rows,
        row,
        keep,
        [max, low],
        #[inline(always)]
        |row| (total.hi[row], total.lo[row]),
    );
    fill(row, blanks, A::zero());
    fill(keep, blanks, A::zero());
}

/// Divides by the totals, and copies the quotients.
#[inline(always)]
fn scale<S: Simd, A: Element>(simd: S, rows: Rows, row: &mut [A], copies: &mut [A], [high, low]: [&mut Table<A>; 2], total: impl Fn(usize) -> (f64, f64)) {
    let n = A::Native::<S>::LEN;
    tabulate(
        rows,
        [&mut *high, &mut *low],
        #[inline(always)]
        |row| {
            let (hi, lo) = total(row);
            let inverse = 1.0 / hi;
            // A remainder of 1 tells what the rounding of the inverse lost.
            let remainder = f64::mul_add(-inverse, hi, 1.0) - inverse * lo;
            in_two_words((inverse, inverse * remainder))
        },
    );
    // A line is copied one line later: numbers that are read where the addresses end as they do where others were just written (and so they do in arrays that were
    // allocated one after the other) are waited for.
    let (mut copies, mut last) = (copies.chunks_mut(PARTS), ([splat(simd, A::zero()); VECTORS], None));
    pieces(
        rows,
        &[],
        row,
        A::zero(),
        #[inline(always)]
        |line, piece, _| {
            let (high, low) = (&high[line], &low[line]);
            let mut now = last.0;
            for (vector, part) in piece.chunks_exact_mut(n).enumerate() {
                now[vector] = Pair::new(vector_of(simd, high, vector), vector_of(simd, low, vector)).times_rounded(load(simd, part));
                now[vector].0.store_slice(part);
            }
            put(replace(&mut last, (now, copies.next())), n);
        },
    );
    put(last, n);
}

/// Stores a line in vectors of `n` elements, as far as there is room.
#[inline(always)]
fn put<S: Simd, A: Element>((vectors, to): ([Lanes<S, A>; VECTORS], Option<&mut [A]>), n: usize) {
    if let Some(to) = to {
        let mut line = [A::zero(); PARTS];
        vectors.iter().zip(line.chunks_exact_mut(n)).for_each(
            #[inline(always)]
            |(vector, part)| vector.0.store_slice(part),
        );
        copy_line(&line[..to.len()], to);
    }
}

/// g becomes y (g - Σ g y); where y is 0 the gradient counts for nothing, whatever it is.
#[inline(always)]
fn softmax_gradient<S: Simd, A: Element>(simd: S, mut slices: RowSlices<'_, A>, space: &mut Space<A>) {
    let zero = splat(simd, A::zero());
    let rows = slices.rows;
    let ([mean, ..], sums) = space.split(rows);
    let total = sum_with(
        simd,
        &slices,
        sums,
        #[inline(always)]
        |g, y| Lanes::select(y.is(0.0), zero, g * y),
    );
    tabulate(
        rows,
        [&mut *mean],
        #[inline(always)]
        |row| [A::rounded(total.hi[row] + total.lo[row])],
    );
    replace_with(
        simd,
        &mut slices,
        #[inline(always)]
        |line, vector, g, y| Lanes::select(y.is(0.0), zero, (g - vector_of(simd, &mean[line], vector)) * y),
    );
}

/// The sum of a term of the gradient and what was kept, in two words.
#[inline(always)]
fn sum_with<'a, S: Simd, A: Element>(
    simd: S,
    slices: &RowSlices<'_, A>,
    sums: &'a mut [f64],
    term: impl Fn(Lanes<S, A>, Lanes<S, A>) -> Lanes<S, A>,
) -> Totals<'a> {
    sum(
        A::Native::<S>::LEN,
        slices.rows,
        sums,
        (&mut [], [slices.source(), slices.kept]),
        A::zero(),
        Sums::new(splat(simd, A::zero())),
        (
            #[inline(always)]
            |_| (),
            #[inline(always)]
            |(), _, _, _, [g, y]| term(load(simd, g), load(simd, y)),
        ),
    )
}

/// Makes of the gradient a function of the numbers of a line in a table and of a vector in it, of itself and of what was kept.
#[inline(always)]
fn replace_with<S: Simd, A: Element>(simd: S, slices: &mut RowSlices<'_, A>, f: impl Fn(usize, usize, Lanes<S, A>, Lanes<S, A>) -> Lanes<S, A>) {
    let n = A::Native::<S>::LEN;
    with_kept(
        slices.rows,
        slices.input,
        slices.row,
        slices.kept,
        #[inline(always)]
        |line, result, y, g| {
            for vector in 0..PARTS / n {
                let g = vector_of(simd, g.unwrap_or(result), vector);
                f(line, vector, g, vector_of(simd, y, vector)).0.store_slice(&mut result[vector * n..(vector + 1) * n]);
            }
        },
    );
}

/// The sum of all e^(x - max), less 1, in two words: no digit of a small remainder is lost to the largest element's 1. Each exponential goes to `keep`, shifted
/// up, unless that is empty.
#[inline(always)]
fn others<'a, S: Simd, A: Element>(
    simd: S,
    rows: Rows,
    (sums, tops): (&'a mut [f64], &mut Table<A>),
    (keep, input): (&mut [A], &[A]),
    pivot: &Pivot<'_, A>,
) -> Totals<'a> {
    let n = A::Native::<S>::LEN;
    let (zero, one) = (splat(simd, A::zero()), splat(simd, A::one()));
    tops.fill([A::zero(); PARTS]);
    let rest = sum(
        n,
        rows,
        sums,
        (keep, [input, &[]]),
        A::neg_infinity(),
        Sums::new(A::Work::<S>::widen(zero)),
        (
            #[inline(always)]
            |line| pivot.of_line(simd, line),
            #[inline(always)]
            |pivots, line, vector, keep, [input, _]| {
                let x = load(simd, input);
                let e = pivots[vector].exponential(x);
                if !keep.is_empty() {
                    e.0.store_slice(keep);
                }
                // The largest elements are counted.
                let top = x.is(pivots[vector].max);
                let count = &mut tops[line][vector * n..(vector + 1) * n];
                (load(simd, count) + Lanes::select(top, one, zero)).0.store_slice(count);
                A::Work::<S>::widen(Lanes::select(top, zero, e))
            },
        ),
    );
    join_places(rows, tops, |a, b| a + b);
    for row in 0..rows.count() {
        (rest.hi[row], rest.lo[row]) = rest.scaled_plus(row, 1.0 / shift::<S, A>(), tops.as_flattened()[row].widened() - 1.0);
    }
    rest
}

impl Softmax {
    pub(crate) const NAME: &'static str = "softmax";
    const SIDE_BY_SIDE: bool = true;
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, slices: RowSlices<'_, A>, zeros: bool, space: &mut Space<A>) {
        normalize(simd, slices, zeros, space);
    }
    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, slices: RowSlices<'_, A>, space: &mut Space<A>) {
        softmax_gradient(simd, slices, space);
    }
}

// By softmax' loops, which would be a third of all that is compiled for layers along rows if it had its own: to turn a row round beforehand is little beside its exponentials.
impl Softmin {
    pub(crate) const NAME: &'static str = "softmin";
}

impl<A: Element> RowKernel<A> for Softmin {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    fn keeps(&self) -> Keeps {
        Softmax::KEEPS
    }
    fn side_by_side(&self) -> bool {
        Softmax::SIDE_BY_SIDE
    }
    fn forward(&self, level: Level, slices: RowSlices<'_, A>, zeros: bool, space: &mut Space<A>) {
        negate(level, slices.input, slices.row);
        Softmax.forward(level, RowSlices { input: &[], ..slices }, zeros, space);
    }
    fn backward(&self, level: Level, slices: RowSlices<'_, A>, space: &mut Space<A>) {
        Softmax.backward(level, RowSlices { row: &mut *slices.row, ..slices }, space);
        negate(level, &[], slices.row);
    }
}

/// Fills `row` with `input`, or with itself where that is empty, turned round.
fn negate<A: Element>(level: Level, input: &[A], row: &mut [A]) {
    // From 0, which has no sign then.
    at_level!(level, _simd => if input.is_empty() {
        row.iter_mut().for_each(|x| *x = A::zero() - *x);
    } else {
        row.iter_mut().zip(input).for_each(|(y, &x)| *y = A::zero() - x);
    });
}

impl LogSoftmax {
    pub(crate) const NAME: &'static str = "log_softmax";
    const SIDE_BY_SIDE: bool = true;
    const KEEPS: Keeps = Keeps::Row;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, slices: RowSlices<'_, A>, zeros: bool, space: &mut Space<A>) {
        let n = A::Native::<S>::LEN;
        let rows = slices.rows;
        let ([max, floor, tops, blanks], sums) = space.split(rows);
        maximum(simd, rows, slices.source(), max);
        let blanks = if zeros { blank(rows, slices.source(), max, blanks) } else { &[] };
        let (pivot, RowSlices { input, row, keep, .. }) = Pivot::new::<S>(slices, max, floor);
        let rest = others(simd, rows, (sums, tops), (&mut *keep, if input.is_empty() { row } else { input }), &pivot);
        if !keep.is_empty() {
            scale(
                simd,
                rows,
                keep,
                &mut [],
                [floor, tops],
                #[inline(always)]
                |row| {
                    let (hi, lo) = rest.scaled_plus(row, 1.0, 1.0);
                    (hi * shift::<S, A>(), lo * shift::<S, A>())
                },
            );
        }
        for place in (0..rows.count()).step_by(n) {
            let (hi, lo) = (&mut rest.hi[place..place + n], &mut rest.lo[place..place + n]);
            let zero = A::Work::<S>::widen(splat(simd, A::zero()));
            let logarithm = log1p_pair(Pair::new(zero.of_words(hi), zero.of_words(lo)));
            logarithm.hi.words(hi);
            logarithm.lo.words(lo);
        }
        tabulate(
            rows,
            [&mut *floor, &mut *tops],
            #[inline(always)]
            |row| in_two_words(rest.scaled_plus(row, 1.0, max.as_flattened()[row].widened())),
        );
        pieces(
            rows,
            input,
            row,
            A::neg_infinity(),
            #[inline(always)]
            |line, result, x| {
                let (high, low) = (&floor[line], &tops[line]);
                for vector in 0..PARTS / n {
                    let x = vector_of(simd, x.unwrap_or(result), vector);
                    // Near 0 the first difference is exact.
                    ((x - vector_of(simd, high, vector)) - vector_of(simd, low, vector)).0.store_slice(&mut result[vector * n..(vector + 1) * n]);
                }
            },
        );
        fill(row, blanks, A::zero());
        // As if all were masked.
        fill(keep, blanks, -A::zero());
    }

    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(simd: S, mut slices: RowSlices<'_, A>, space: &mut Space<A>) {
        let zero = splat(simd, A::zero());
        let rows = slices.rows;
        let ([high, low, ..], sums) = space.split(rows);
        // The gradient of a masked element counts for nothing.
        let total = sum_with(
            simd,
            &slices,
            sums,
            #[inline(always)]
            |g, y| Lanes::select(masked(y), zero, g),
        );
        tabulate(
            rows,
            [&mut *high, &mut *low],
            #[inline(always)]
            |row| in_two_words((total.hi[row], total.lo[row])),
        );
        replace_with(
            simd,
            &mut slices,
            #[inline(always)]
            |line, vector, g, y| {
                let total = Pair::new(vector_of(simd, &high[line], vector), vector_of(simd, &low[line], vector));
                Lanes::select(masked(y), zero, g - total.times_rounded(y))
            },
        );
    }
}

/// Whether what was kept says that the element is masked: it is -0.
#[inline(always)]
fn masked<S: Simd, A: Element>(kept: Lanes<S, A>) -> LaneMask<S, A> {
    kept.splat(1.0).copysign(kept).lt(0.0)
}
