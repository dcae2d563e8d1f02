//! The exponential, and one less.

use std::f64::consts::{LN_2, LOG2_E};

use crate::{math::Pair, real::Real};

// ln 2 in two parts, the first short enough that its products with exponents are exact (W. J. Cody and W. Waite 1980; the second split as in fdlibm).
const LN_2_F32: (f64, f64) = (0.693_359_375, -2.121_944_400_546_905_8e-4);
const LN_2_F64: (f64, f64) = (6.931_471_803_691_238_164_9e-1, 1.908_214_929_270_587_700_02e-10);

// expm1(r) = r + r² q(r) for |r| <= 0.347; errors 2^-31 and 2^-61.6 (tools/coefficients.py exp).
const EXPM1_F32: [f64; 6] = [5.0e-1, 1.6666666e-1, 4.1666493e-2, 8.333543e-3, 1.3932348e-3, 1.976425e-4];
const EXPM1_F64: [f64; 11] = [
    5.0000000000000000e-1,
    1.6666666666666677e-1,
    4.1666666666666678e-2,
    8.3333333333217349e-3,
    1.3888888888895481e-3,
    1.9841269885549956e-4,
    2.4801587277687369e-5,
    2.7557244917299939e-6,
    2.7557329498331129e-7,
    2.5108774740163651e-8,
    2.0894145332755449e-9,
];

// Beyond the exponents of `f32`, within those of `f64`.
const SPARE_BOUND: f64 = 700.0;

/// e^y in pieces: `(1 + p) · 2^n`, the power of two still to be applied.
///
/// A formula multiplies the significand by what it has to before it [scales](Self::scale): a result that is subnormal is then rounded once.
/// Where there are exponents to spare, the significand has the power of two already, and nothing is left to scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exp<T> {
    /// e^y · 2^-n - 1, between -0.3 and 0.42.
    p: Pair<T>,
    /// 2^(n + shift), in the normal range.
    power: T,
    /// 2^-shift. Without a shift where there are exponents to spare.
    unshift: T,
}

impl<T: Real> Exp<T> {
    #[inline(always)]
    fn new(y: Pair<T>, shift: T, unshift: T) -> Self {
        if T::SPARE {
            let (n, power) = y.hi.round_and_exp2(LOG2_E, y.hi.splat(0.0));
            let r = n.mul_add(-LN_2, y.hi);
            let q = r.polynomial(&EXPM1_F32, &EXPM1_F64);
            return Self { p: Pair::exact((r * r).mul_add(q, r)), power, unshift };
        }
        let (n, power) = y.hi.round_and_exp2(LOG2_E, shift);
        let ln_2 = if T::SINGLE { LN_2_F32 } else { LN_2_F64 };
        let r = n.mul_add(-ln_2.0, y.hi);
        let low = n.mul_add(-ln_2.1, y.lo);
        let sum = r + low;
        let q = sum.polynomial(&EXPM1_F32, &EXPM1_F64);
        Self { p: Pair::fast_sum(r, (sum * sum).mul_add(q, low)), power, unshift }
    }

    /// e^y · 2^-n, between 0.7 and 1.42.
    #[inline(always)]
    pub(crate) fn significand(self) -> Pair<T> {
        if T::SPARE {
            return Pair::exact(self.p.hi.mul_add(self.power, self.power));
        }
        let sum = Pair::fast_sum(self.p.hi.splat(1.0), self.p.hi);
        Pair::new(sum.hi, sum.lo + self.p.lo)
    }

    /// `x · 2^n`, rounded once, where e^y has the exponent `n`.
    #[inline(always)]
    pub(crate) fn scale(self, x: T) -> T {
        if T::SPARE { x } else { x * self.power * self.unshift }
    }

    /// e^y.
    #[inline(always)]
    pub(crate) fn pair(self) -> Pair<T> {
        if T::SPARE {
            return self.significand();
        }
        self.significand().scaled(self.power * self.unshift)
    }

    /// e^y - 1.
    #[inline(always)]
    pub(crate) fn minus_one(self) -> Pair<T> {
        if T::SPARE {
            return Pair::exact(self.p.hi.mul_add(self.power, self.power - 1.0));
        }
        let power = self.power * self.unshift;
        let whole = Pair::sum(power.splat(-1.0), power);
        let sum = Pair::fast_sum(whole.hi, power * self.p.hi);
        Pair::new(sum.hi, power.mul_add(self.p.lo, sum.lo + whole.lo))
    }
}

/// e^y for y <= 0 (or a little above). Below the range of the element type the result is 0.
#[inline(always)]
pub(crate) fn exp_of_negative<T: Real>(y: Pair<T>) -> Exp<T> {
    if T::SPARE {
        let one = y.hi.splat(1.0);
        return Exp::new(Pair::exact(y.hi.at_least(-SPARE_BOUND)), one, one);
    }
    let (lowest, shift) = if T::SINGLE { (-130.0, 64) } else { (-1060.0, 512) };
    let beyond = y.hi.lt(lowest);
    let zero = y.hi.splat(0.0);
    let inside = Pair::select(beyond, Pair::new(y.hi.splat(lowest), zero), y);
    Exp::new(inside, y.hi.splat(f64::from(shift)), y.hi.splat(f64::powi(2.0, -shift)))
}

/// e^y - 1 for y <= 0.
#[inline(always)]
pub(crate) fn expm1_of_negative<T: Real>(y: Pair<T>) -> Pair<T> {
    exp_of_negative(y).minus_one()
}

/// e^y for any y. Beyond the range of the element type the result is 0 or infinite.
#[inline(always)]
pub(crate) fn exp_of<T: Real>(y: Pair<T>) -> Exp<T> {
    if T::SPARE {
        let one = y.hi.splat(1.0);
        return Exp::new(Pair::exact(y.hi.at_most(SPARE_BOUND).at_least(-SPARE_BOUND)), one, one);
    }
    let (bound, shift) = if T::SINGLE { (130.0, 64) } else { (1060.0, 512) };
    let outside = y.hi.abs().gt(bound);
    let held = y.hi.at_most(bound).at_least(-bound);
    let up = f64::powi(2.0, shift);
    let positive = y.hi.gt(0.0);
    let choose = |yes: f64, no: f64| T::select(positive, held.splat(yes), held.splat(no));
    let inside = Pair::new(held, T::select(outside, held.splat(0.0), y.lo));
    Exp::new(inside, choose(-f64::from(shift), f64::from(shift)), choose(up, 1.0 / up))
}

/// e^y - 1 for any y.
#[inline(always)]
pub(crate) fn expm1_of<T: Real>(y: Pair<T>) -> Pair<T> {
    exp_of(y).minus_one()
}

/// e^x. Max error: 0.8 ULP.
#[inline(always)]
pub fn exp<T: Real>(x: T) -> T {
    let e = exp_of(Pair::exact(x));
    e.scale(e.significand().round())
}

/// e^x - 1, without cancellation near 0. Max error: 0.9 ULP.
#[inline(always)]
pub fn expm1<T: Real>(x: T) -> T {
    let near = expm1_of(Pair::exact(x.at_most(if T::SINGLE { 80.0 } else { 700.0 }))).round();
    let far = T::select(x.gt(if T::SINGLE { 40.0 } else { 80.0 }), exp(x), near);
    // The sum would lose the sign of -0.
    T::select(x.is(0.0), x, far)
}
