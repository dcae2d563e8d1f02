//! Logarithms.

use crate::{math::Pair, real::Real};

pub(crate) const LN_2: (f64, f64) = (std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);

// 2 atanh(s) = 2 s + s z L(z), z = s², for 0 <= s <= 1/3; errors 2^-33 and 2^-59.4 (tools/coefficients.py log1p).
const LOG1P_F32: [f64; 5] = [6.6666675e-1, 3.999895e-1, 2.8615218e-1, 2.1443756e-1, 2.424595e-1];
const LOG1P_F64: [f64; 10] = [
    6.6666666666666308e-1,
    4.0000000000156249e-1,
    2.8571428547950067e-1,
    2.2222223964875171e-1,
    1.8181744069490727e-1,
    1.5386557246514881e-1,
    1.3301004773816719e-1,
    1.2105863749957504e-1,
    8.3409895012800842e-2,
    1.7017056686032539e-1,
];

/// 2 atanh(s) / s - 2.
#[inline(always)]
fn series<T: Real>(s: T) -> T {
    let z = s * s;
    z * z.polynomial(&LOG1P_F32, &LOG1P_F64)
}

/// ln(1 + e) for 0 <= e <= 1, rounded: 2 atanh(s) with s = e / (2 + e), where 2 s is e - e s.
#[inline(always)]
pub(crate) fn log1p_rounded<T: Real>(e: T) -> T {
    let s = e / (e + 2.0);
    s.mul_add(series(s) - e, e)
}

/// ln(1 + e) for -0.3 <= e <= 1: twice the inverse hyperbolic tangent of e / (2 + e).
#[inline(always)]
pub(crate) fn log1p_of_unit<T: Real>(e: Pair<T>) -> Pair<T> {
    let two = e.hi.splat(2.0);
    let s = Pair::fast_sum(two, e.hi).plus_low(e.lo).reciprocal().times(e);
    let tail = s.hi.mul_add(series(s.hi), s.lo * 2.0);
    Pair::fast_sum(s.hi * 2.0, tail)
}

/// ln x for a normal positive x below 2^126 in two words.
#[inline(always)]
pub(crate) fn log<T: Real>(x: Pair<T>) -> Pair<T> {
    let (k, factor) = x.hi.exponent();
    let m = x.scaled(factor);
    let f = Pair::fast_sum(m.hi - 1.0, m.lo);
    let fraction = log1p_of_unit(f);
    let ln_2 = k.constant(LN_2.0, LN_2.1);
    let whole = ln_2.times(k);
    let sum = Pair::sum(whole.hi, fraction.hi);
    Pair::fast_sum(sum.hi, sum.lo + (whole.lo + fraction.lo))
}

/// ln(1 + t) for t >= 0 in two words, neither word infinite.
#[inline(always)]
pub(crate) fn log1p_pair<T: Real>(t: Pair<T>) -> Pair<T> {
    let near = t.hi.le(0.5);
    let zero = t.hi.splat(0.0);
    let small = log1p_of_unit(Pair::select(near, t, Pair::exact(zero)));
    let large = log(Pair::sum(t.hi.splat(1.0), t.hi).plus_low(t.lo));
    Pair::select(near, small, large)
}

/// ln(1 + x), without cancellation near 0. Max error: 0.6 ULP (1.5 without fused multiply-add).
#[inline(always)]
pub fn log1p<T: Real>(x: T) -> T {
    let one = x.splat(1.0);
    // Of the largest numbers the reciprocal power of two would be subnormal: 2^64 is taken out first.
    let huge = x.gt(f64::powi(2.0, 100));
    let sum = Pair::sum(one, x).scaled(T::select(huge, x.splat(f64::powi(2.0, -64)), one));
    let taken = Pair::select(huge, x.constant(64.0 * LN_2.0, 64.0 * LN_2.1), Pair::exact(x.splat(0.0)));
    let general = log(sum).add(taken).round();
    let near = log1p_of_unit(Pair::exact(x)).round();
    let tiny = x.abs().lt(f64::powi(2.0, -60));
    let infinity = x.splat(f64::INFINITY);
    let inside = T::select(x.ge(-0.25) & x.le(0.5), near, general);
    let above = T::select(x.is(infinity), infinity, T::select(tiny, x, inside));
    // -infinity at -1, NaN below and for NaN.
    T::select(x.gt(-1.0), above, T::select(x.is(-1.0), -infinity, x.splat(f64::NAN)))
}
