//! Reductions in a fixed order: sixteen partial sums by index modulo 16, joined as a tree, whatever the vector width.

use fearless_simd::{Simd, SimdBase};

use crate::{
    element::Element,
    real::{Lanes, Real},
};

/// How many partial sums a reduction has, whatever the vector width.
pub(crate) const PARTS: usize = 16;
/// The most vectors that makes.
pub(crate) const VECTORS: usize = 8;

/// How rows stand in a slice.
///
/// Either way the slice consists of lines of sixteen elements, and a kernel is the same: sums are made of the lines' elements place by place. In one row these are
/// its partial sums; of rows side by side every sixteenth line makes one partial sum of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// One row.
    One,
    /// Sixteen rows side by side: their first elements, their second ones, and so on.
    Sixteen,
}

impl Rows {
    /// How many there are.
    #[inline(always)]
    pub(crate) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Sixteen => PARTS,
        }
    }

    /// A number for each row: for each place of a line, that of the row to which its element belongs.
    #[inline(always)]
    pub(crate) fn spread<T: Copy>(self, numbers: [T; PARTS]) -> [T; PARTS] {
        match self {
            Self::One => [numbers[0]; PARTS],
            Self::Sixteen => numbers,
        }
    }

    /// Joins the places of a line that belong to the same row.
    #[inline(always)]
    pub(crate) fn join<T: Copy>(self, places: [T; PARTS], join: impl Fn(T, T) -> T) -> [T; PARTS] {
        match self {
            Self::One => [places[1..].iter().fold(places[0], |joined, &place| join(joined, place)); PARTS],
            Self::Sixteen => places,
        }
    }
}

/// Replaces the row piece by piece: full pieces of [`PARTS`] elements, and a last one with `padding` behind the end.
#[inline(always)]
pub(crate) fn pieces<A: Element>(row: &mut [A], padding: A, mut body: impl FnMut(&mut [A])) {
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

/// Pieces of a gradient with what was kept for them; zeros behind the end.
#[inline(always)]
pub(crate) fn with_kept<A: Element>(gradient: &mut [A], kept: &[A], mut body: impl FnMut(&mut [A], &[A])) {
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

/// Sixteen sums, compensated where there are no digits to spare.
#[derive(Clone, Copy)]
pub(crate) struct Sums<T> {
    sum: [T; VECTORS],
    /// What the sums are too large by.
    excess: [T; VECTORS],
    /// What they started from.
    start: T,
    bounded: bool,
}

impl<T: Real> Sums<T> {
    #[inline(always)]
    pub(crate) fn new(zero: T) -> Self {
        Self { sum: [zero; VECTORS], excess: [zero; VECTORS], start: zero, bounded: false }
    }

    /// For terms from 0 to a bound, a power of two. The sums start from it, so that no term is larger than a sum: what a rounding loses is known in two steps then.
    #[inline(always)]
    pub(crate) fn bounded(bound: T) -> Self {
        let zero = bound.splat(0.0);
        if T::SPARE { Self::new(zero) } else { Self { sum: [bound; VECTORS], start: bound, bounded: true, ..Self::new(zero) } }
    }

    /// Kahan's step, which loses a little where a term is as large as the sum, or one that loses nothing and gives the losses a sum of their own. The latter is also
    /// the one for `f32`: two vectors are a line there, and Kahan's chain of four operations would be waited for.
    #[inline(always)]
    pub(crate) fn add(&mut self, vector: usize, term: T) {
        let (before, excess) = (self.sum[vector], self.excess[vector]);
        if T::SPARE {
            self.sum[vector] = before + term;
        } else if self.bounded || T::SINGLE {
            let sum = before + term;
            let part = sum - before;
            let loss = if self.bounded { term - part } else { (before - (sum - part)) + (term - part) };
            (self.sum[vector], self.excess[vector]) = (sum, excess - loss);
        } else {
            let corrected = term - excess;
            let sum = before + corrected;
            (self.sum[vector], self.excess[vector]) = (sum, (sum - before) - corrected);
        }
    }

    /// The sums of vectors of `n` numbers: in two words, or in one word of `f64` on behalf of `f32`, where there is no room for a second.
    #[inline(always)]
    fn words(self, n: usize, hi: &mut [f64], lo: &mut [f64]) {
        let mut excess = [0.0; PARTS];
        for vector in 0..PARTS / n {
            (self.sum[vector] - self.start).words(&mut hi[vector * n..(vector + 1) * n]);
            self.excess[vector].words(&mut excess[vector * n..(vector + 1) * n]);
        }
        if lo.is_empty() {
            hi.iter_mut().zip(excess).for_each(|(hi, excess)| *hi -= excess);
        } else {
            lo.iter_mut().zip(excess).for_each(|(lo, excess)| *lo = -excess);
        }
    }

    /// The total of vectors of `n` numbers, in two words.
    #[inline(always)]
    pub(crate) fn total(self, n: usize) -> (f64, f64) {
        let (mut hi, mut lo) = ([0.0; PARTS], [0.0; PARTS]);
        self.words(n, &mut hi, &mut lo);
        if T::SPARE {
            // Digits enough for the few additions of a tree.
            for width in [8, 4, 2, 1] {
                (0..width).for_each(|i| hi[i] += hi[i + width]);
            }
            return (hi[0], 0.0);
        }
        join(&mut hi, &mut lo, 1, PARTS);
        (hi[0], lo[0])
    }
}

/// Joins sums in two words (or one), of so many rows side by side, as a tree: the first ones hold the totals then. Of `used` places on there are none.
#[inline(always)]
fn join(mut hi: &mut [f64], mut lo: &mut [f64], rows: usize, used: usize) {
    while hi.len() > rows {
        let half = hi.len() / 2;
        let ((a, b), (a_low, b_low)) = (hi.split_at_mut(half), lo.split_at_mut(lo.len() / 2));
        let b = &b[..used.clamp(half, 2 * half) - half];
        if a_low.is_empty() {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
        for (((a, b), a_low), b_low) in a.iter_mut().zip(b).zip(a_low.iter_mut()).zip(b_low) {
            let sum = exact_sum(*a, *b);
            *a_low = sum.1 + (*a_low + *b_low);
            *a = sum.0;
        }
        (hi, lo) = (a, a_low);
    }
}

/// A number in two words for each row: for each place of a line, that of the row to which its element belongs.
pub(crate) struct Totals {
    pub(crate) hi: [f64; PARTS],
    pub(crate) lo: [f64; PARTS],
}

impl Totals {
    #[inline(always)]
    pub(crate) fn map(&self, rows: Rows, f: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let (mut hi, mut lo) = ([0.0; PARTS], [0.0; PARTS]);
        for i in 0..rows.count() {
            (hi[i], lo[i]) = f(self.hi[i], self.lo[i]);
        }
        Self { hi: rows.spread(hi), lo: rows.spread(lo) }
    }

    /// The product with a power of two.
    #[inline(always)]
    pub(crate) fn times(&self, power: f64) -> Self {
        Self { hi: self.hi.map(|hi| hi * power), lo: self.lo.map(|lo| lo * power) }
    }

    /// The sum with a number for each place of a line.
    #[inline(always)]
    pub(crate) fn plus(&self, number: impl Fn(usize) -> f64) -> Self {
        let (mut hi, mut lo) = ([0.0; PARTS], self.lo);
        for place in 0..PARTS {
            let sum = exact_sum(number(place), self.hi[place]);
            hi[place] = sum.0;
            lo[place] += sum.1;
        }
        Self { hi, lo }
    }
}

/// The sum of a term along each row, in two words. The term gets a vector of the elements, which it may replace, its number within the line, and what was kept
/// for it, if anything was. Behind the end of a row stands `padding`; partial sums are made from `empty`.
#[inline(always)]
pub(crate) fn sum<A: Element, T: Real>(
    n: usize,
    rows: Rows,
    values: &mut [A],
    kept: &[A],
    padding: A,
    empty: Sums<T>,
    mut term: impl FnMut(usize, &mut [A], &[A]) -> T,
) -> Totals {
    let (groups, full) = (rows.count(), values.len() / PARTS);
    let (lines, rest) = values.split_at_mut(full * PARTS);
    // From this partial sum on there is one term less: that of the padding instead, so that the additions are the same however a row stands.
    let short = match rows {
        Rows::One => usize::from(rest.is_empty()),
        Rows::Sixteen => (full + PARTS - 1) % PARTS + 1,
    };
    let mut last = [empty.start; VECTORS];
    if short < groups {
        let (mut padded, mut kept_padded) = ([padding; PARTS], [padding; PARTS]);
        if rows == Rows::One {
            let kept = &kept[kept.len().min(full * PARTS)..];
            padded[..rest.len()].copy_from_slice(rest);
            kept_padded[..kept.len()].copy_from_slice(kept);
        }
        for (vector, last) in last.iter_mut().enumerate().take(PARTS / n) {
            let range = vector * n..(vector + 1) * n;
            *last = term(vector, &mut padded[range.clone()], &kept_padded[range]);
        }
        if rows == Rows::One {
            rest.copy_from_slice(&padded[..rest.len()]);
        }
    }
    let sums: &mut [f64] = match (rows, T::SINGLE) {
        (Rows::One, _) => &mut [0.0; 2 * PARTS],
        (Rows::Sixteen, true) => &mut [0.0; PARTS * PARTS],
        (Rows::Sixteen, false) => &mut [0.0; 2 * PARTS * PARTS],
    };
    let (hi, lo) = sums.split_at_mut(groups * PARTS);
    let lo = if T::SINGLE { &mut [] } else { lo };
    // Sums without a term count for nothing.
    let used = match rows {
        Rows::One if full == 0 => rest.len(),
        Rows::One => PARTS,
        Rows::Sixteen => full.min(PARTS) * PARTS,
    };
    for (group, hi) in hi.chunks_exact_mut(PARTS).enumerate().take(used.div_ceil(PARTS)) {
        let mut sums = empty;
        for start in (group * PARTS..full * PARTS).step_by(groups * PARTS) {
            let line = &mut lines[start..start + PARTS];
            let kept = kept.get(start..start + PARTS).unwrap_or_default();
            for vector in 0..PARTS / n {
                let range = vector * n..(vector + 1) * n;
                sums.add(vector, term(vector, &mut line[range.clone()], kept.get(range).unwrap_or_default()));
            }
        }
        if group >= short {
            for (vector, &last) in last.iter().enumerate().take(PARTS / n) {
                sums.add(vector, last);
            }
        }
        sums.words(n, hi, lo.get_mut(group * PARTS..(group + 1) * PARTS).unwrap_or_default());
    }
    join(hi, lo, groups, used);
    let first = |sums: &[f64]| *sums.first_chunk().unwrap_or(&[sums.first().copied().unwrap_or_default(); PARTS]);
    // Zeros that are not added must not show in the sign.
    Totals { hi: rows.spread(first(hi).map(|hi| hi + 0.0)), lo: rows.spread(first(lo)) }
}

/// a + b in two words.
#[inline(always)]
pub(crate) fn exact_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

#[inline(always)]
pub(crate) fn splat<S: Simd, A: Element>(simd: S, value: A) -> Lanes<S, A> {
    Lanes(A::Native::<S>::splat(simd, value))
}

/// A copy in vectors where all sixteen are there, without a call.
#[inline(always)]
pub(crate) fn copy_line<A: Copy>(from: &[A], to: &mut [A]) {
    match (<&[A; PARTS]>::try_from(from), <&mut [A; PARTS]>::try_from(&mut *to)) {
        (Ok(from), Ok(to)) => *to = *from,
        _ => to.copy_from_slice(from),
    }
}
