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
pub(crate) struct Sums<T> {
    sum: [T; VECTORS],
    /// What the sums are too large by.
    excess: [T; VECTORS],
}

impl<T: Real> Sums<T> {
    #[inline(always)]
    pub(crate) fn new(zero: T) -> Self {
        Self { sum: [zero; VECTORS], excess: [zero; VECTORS] }
    }

    /// Kahan's step.
    #[inline(always)]
    pub(crate) fn add(&mut self, vector: usize, term: T) {
        if T::SPARE {
            self.sum[vector] = self.sum[vector] + term;
            return;
        }
        let corrected = term - self.excess[vector];
        let sum = self.sum[vector] + corrected;
        self.excess[vector] = (sum - self.sum[vector]) - corrected;
        self.sum[vector] = sum;
    }

    /// Adds a product, in one step where it is exact.
    #[inline(always)]
    pub(crate) fn add_product(&mut self, vector: usize, a: T, b: T) {
        if T::SPARE {
            self.sum[vector] = a.mul_add(b, self.sum[vector]);
        } else {
            self.add(vector, a * b);
        }
    }

    /// The total of vectors of `n` numbers, in two words.
    #[inline(always)]
    pub(crate) fn total(self, n: usize) -> (f64, f64) {
        let (mut hi, mut lo) = ([0.0; PARTS], [0.0; PARTS]);
        for vector in 0..PARTS / n {
            self.sum[vector].words(&mut hi[vector * n..(vector + 1) * n]);
            (-self.excess[vector]).words(&mut lo[vector * n..(vector + 1) * n]);
        }
        let mut width = PARTS / 2;
        while width > 0 {
            for i in 0..width {
                let sum = exact_sum(hi[i], hi[i + width]);
                lo[i] = sum.1 + (lo[i] + lo[i + width]);
                hi[i] = sum.0;
            }
            width /= 2;
        }
        (hi[0], lo[0])
    }
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
