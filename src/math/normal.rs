//! The tail of the normal distribution, and the complementary error function.

use std::f64::consts::SQRT_2;

use crate::{
    math::{Exp, Pair, exp_of_held},
    real::Real,
};

/// 1 / sqrt(2 π) in two words.
pub(crate) const FRAC_1_SQRT_TAU: (f64, f64) = (0.398_942_280_401_432_7, -2.492_327_202_777_2e-17);

// Φ(-t) e^(t²/2) = P(t) / Q(t) for 0 <= t <= 15; error 2^-27.2 (tools/coefficients.py mills-rational). Shorter than the polynomial below, but with rounding errors
// that only those can bear who have digits to spare. P begins with 1/2 and Q with 1.
const MILLS_P: [f64; 5] = [0.5, 4.3858193464274042e-1, 1.8342119979751459e-1, 4.0688192149496864e-2, 4.1221382436855015e-3];
const MILLS_Q: [f64; 6] = [1.0, 1.6750487317775224, 1.2033337773115396, 4.6995478679646702e-1, 1.0199641399202977e-1, 1.0332554033229340e-2];
// Φ(-t) e^(t²/2) = G / (t + k) with G = a + q (b + q (c + q · rest(q))), q = (t - k) / (t + k), for 0 <= t <= 39. A k of this size needs the shortest
// polynomial, and this k has a first coefficient next to a machine number; error 2^-57.5 (tools/coefficients.py mills). It is short: a multiple of the last place of any t
// here, so that its sum with one is exact though t may be the larger of them.
const MILLS_K: f64 = 5.508_789_062_5;
// Of the largest coefficients the first ends in a 0, and so does the second without its last bit, which stands behind: then each sum with a product below 2 is exact
// though the product may be the larger term.
const MILLS_TOP: [f64; 3] = [7.7384026339563250e-1, -6.8549263479041267e-1, 5.3623847810036740e-1];
const MILLS_SECOND_LOW: f64 = -1.1102230246251565e-16;
const MILLS_REST: [f64; 19] = [
    -3.6792881506926600e-1,
    2.1878090564918723e-1,
    -1.1044530712142969e-1,
    4.5582549764851210e-2,
    -1.4172209758839052e-2,
    2.5365567337053510e-3,
    2.4932457344229727e-4,
    -3.2621371060239382e-4,
    7.4483118866562899e-5,
    1.5507040695200559e-5,
    -1.2288045655640470e-5,
    6.0114110720625780e-7,
    1.4754272599152384e-6,
    -2.8959536709317434e-7,
    -1.7357991733967931e-7,
    5.3345274381251336e-8,
    2.2422782609918063e-8,
    -6.0535495702947294e-9,
    -2.6155294715522241e-9,
];

/// The tail of the standard normal distribution at t >= 0: Φ(-t) = e^(-t²/2) G / (t + k), with everything still in pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormalTail<T> {
    /// |x|, held where the tail is 0 if it was larger.
    pub(crate) t: T,
    /// e^(-t²/2).
    pub(crate) exp: Exp<T>,
    /// Φ(-t) e^(t²/2), between 0.5 and about 0.4 / t: Mills' ratio over sqrt(2 π).
    pub(crate) mills: Pair<T>,
}

impl<T: Real> NormalTail<T> {
    /// For any x; the tail is that of |x|.
    #[inline(always)]
    pub(crate) fn new(x: T) -> Self {
        let t = x.abs().at_most(if T::SINGLE { 15.0 } else { 39.0 });
        Self::at(t, Pair::square(t).scaled(t.splat(-0.5)), Pair::fast_sum(t.splat(MILLS_K), t))
    }

    #[inline(always)]
    fn at(t: T, exponent: Pair<T>, divisor: Pair<T>) -> Self {
        let exp = exp_of_held(exponent);
        if T::SPARE {
            return Self { t, exp, mills: Pair::exact(t.polynomial(&MILLS_P, &MILLS_P) / t.polynomial(&MILLS_Q, &MILLS_Q)) };
        }
        let reciprocal = divisor.reciprocal();
        let inverse = reciprocal.approximate;
        let fraction = inverse.exact_product(t.splat(2.0 * MILLS_K));
        // The fraction is 2 at most, and where it is above 1 the difference is exact.
        let q = Pair::fast_sum(t.splat(1.0), -fraction.hi).plus_low(-fraction.lo);
        // Near t = 0 the sum is several times its terms: the largest of them in two words.
        let [first, second, third] = MILLS_TOP;
        let rest = q.hi * q.hi.polynomial(&MILLS_REST, &MILLS_REST);
        let sum = Pair::fast_sum(t.splat(third), rest).times_plus_large(q, t.splat(second));
        let sum = sum.plus_low(t.splat(MILLS_SECOND_LOW)).times_plus_large(q, t.splat(first));
        let near = Pair::fast_sum(sum.hi, sum.lo).times(inverse);
        // The inverse is that of t' + k for a t' close by, where the ratio P was computed exactly so; P' = t P - 1/sqrt(2 π) leads back to t.
        let step = divisor.hi * reciprocal.relative_error();
        let descent = (-t).mul_add(near.hi, FRAC_1_SQRT_TAU.0);
        Self { t, exp, mills: near.plus_low(descent * step) }
    }

    /// Φ(-t).
    #[inline(always)]
    pub(crate) fn probability(self) -> T {
        self.exp.product(self.mills)
    }
}

/// The complementary error function 1 - erf(x). Max error: 1 ULP.
#[inline(always)]
pub fn erfc<T: Real>(x: T) -> T {
    // erfc(a) = 2 Φ(-a sqrt(2)).
    let a = x.abs().at_most(if T::SINGLE { 10.5 } else { 27.5 });
    let t = a.constant(SQRT_2, -9.667_293_313_452_913e-17).times(a);
    let divisor = Pair::fast_sum(t.hi.splat(MILLS_K), t.hi).plus_low(t.lo);
    let tail = NormalTail::at(t.hi, Pair::square(a).negate(), divisor).probability() * 2.0;
    T::select(x.lt(0.0), -tail + 2.0, tail)
}
