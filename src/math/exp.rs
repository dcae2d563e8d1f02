//! The exponential, and one less.

use std::f64::consts::{LN_2, LOG2_E};

use crate::{math::Pair, real::Real};

// ln 2 in two parts, the first short enough that its products with exponents are exact (W. J. Cody and W. Waite 1980; the second split as in fdlibm).
const LN_2_F32: (f64, f64) = (0.693_359_375, -2.121_944_400_546_905_8e-4);
const LN_2_F64: (f64, f64) = (6.931_471_803_691_238_164_9e-1, 1.908_214_929_270_587_700_02e-10);

// expm1(r) = r + r² q(r) for |r| <= 0.347; errors 2^-26.1 and 2^-61.6 (tools/coefficients.py exp).
const EXPM1_F32: [f64; 5] = [5.0e-1, 1.6666548e-1, 4.166685e-2, 8.36614e-3, 1.3898717e-3];
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
/// Results in one word, rounded once or twice, are for most formulas; those in two words for quotients with several roundings. Powers of two beyond the exponents of the
/// element type go in two steps, the second of which, [`unshifted`](Self::unshifted), comes last: a result that is subnormal is then rounded once.
/// Where there are exponents to spare, there is one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exp<T> {
    /// e^y · 2^-n - 1, rounded: between -0.3 and 0.42.
    p: T,
    /// The same as a sum, the first word of which is exact: y - n ln 2, and what it lacks. Where there are digits to spare, nobody asks.
    parts: (T, T),
    /// 2^(n + shift), in the normal range.
    power: T,
    /// 2^-shift. Without a shift where there are exponents to spare.
    unshift: T,
}

impl<T: Real> Exp<T> {
    #[inline(always)]
    fn new(y: Pair<T>, shift: T, unshift: T) -> Self {
        let (n, power) = y.hi.round_and_exp2(LOG2_E, shift);
        if T::SPARE {
            let r = n.mul_add(-LN_2, y.hi);
            let q = r.polynomial(&EXPM1_F32, &EXPM1_F64);
            let p = (r * r).mul_add(q, r);
            return Self { p, parts: (p, r.splat(0.0)), power, unshift };
        }
        let ln_2 = if T::SINGLE { LN_2_F32 } else { LN_2_F64 };
        let r = n.mul_add(-ln_2.0, y.hi);
        let low = n.mul_add(-ln_2.1, y.lo);
        let sum = r + low;
        let q = sum.polynomial(&EXPM1_F32, &EXPM1_F64);
        let square = sum * sum;
        Self { p: square.mul_add(q, sum), parts: (r, square.mul_add(q, low)), power, unshift }
    }

    /// The second step of the power of two.
    #[inline(always)]
    pub(crate) fn unshifted(self, x: T) -> T {
        x * self.unshift
    }

    /// e^y, rounded, to be unshifted.
    #[inline(always)]
    pub(crate) fn shifted(self) -> T {
        self.p.mul_add(self.power, self.power)
    }

    /// e^y, rounded.
    #[inline(always)]
    pub(crate) fn value(self) -> T {
        self.unshifted(self.shifted())
    }

    /// The product with a constant.
    #[inline(always)]
    pub(crate) fn times(self, constant: f64) -> T {
        let factor = self.power.parameter(constant);
        // Neither order can overflow, or lose digits of a result that has some.
        if constant.abs() < 1.0 { self.unshifted(self.shifted() * factor) } else { self.shifted() * self.unshifted(factor) }
    }

    /// a e^y for a number in two words.
    #[inline(always)]
    pub(crate) fn product(self, a: Pair<T>) -> T {
        self.unshifted(self.shifted_product(a))
    }

    /// x - a e^y for a number a in two words.
    #[inline(always)]
    pub(crate) fn product_from(self, x: T, a: Pair<T>) -> T {
        (-self.shifted_product(a)).mul_add(self.unshift, x)
    }

    /// a e^y, to be unshifted. What is added to a is smaller, so that its rounding errors count less.
    #[inline(always)]
    fn shifted_product(self, a: Pair<T>) -> T {
        (a.hi + a.hi.mul_add(self.p, a.lo.mul_add(self.p, a.lo))) * self.power
    }

    /// e^y - 1, rounded, for y not far above 0.
    #[inline(always)]
    pub(crate) fn less_one(self) -> T {
        let power = self.unshifted(self.power);
        self.p.mul_add(power, power - 1.0)
    }

    /// e^y - 1 for any y, rounded.
    #[inline(always)]
    pub(crate) fn expm1(self, y: Pair<T>) -> T {
        // The power of two alone may be infinite.
        T::select(y.hi.gt(if T::SINGLE { 40.0 } else { 80.0 }), self.value(), self.less_one())
    }

    /// 1 + e^y of what was [shifted down](exp_of_positive), and 1 shifted down likewise.
    #[inline(always)]
    pub(crate) fn one_more(self) -> (T, T) {
        let unit = self.unit();
        let whole = Pair::fast_sum(self.power, unit);
        (whole.hi + self.p.mul_add(self.power, whole.lo), unit)
    }

    /// The same in two words.
    #[inline(always)]
    pub(crate) fn one_more_pair(self) -> (Pair<T>, T) {
        let unit = self.unit();
        let whole = Pair::fast_sum(self.power, unit);
        let p = Pair::fast_sum(self.parts.0, self.parts.1);
        let sum = Pair::fast_sum(whole.hi, p.hi.mul_add(self.power, whole.lo));
        (sum.plus_low(p.lo * self.power), unit)
    }

    #[inline(always)]
    fn unit(self) -> T {
        self.power.splat(f64::powi(2.0, -range::<T>().1))
    }

    /// e^y in two words, without what its own rounding errors lack, to be multiplied by the power of two beside it.
    #[inline(always)]
    pub(crate) fn shifted_pair(self) -> (Pair<T>, T) {
        (Pair::fused(self.p, self.power, self.power), self.unshift)
    }
}

/// From where on e^-y is 0 and e^y infinite, and the shift that keeps their powers of two in the normal range.
#[inline(always)]
pub(crate) fn range<T: Real>() -> (f64, i32) {
    match (T::SPARE, T::SINGLE) {
        (true, _) => (SPARE_BOUND, 0),
        (false, true) => (130.0, 64),
        (false, false) => (1060.0, 512),
    }
}

/// e^y for y between the [`range`]'s lower end and 40.
#[inline(always)]
pub(crate) fn exp_of_held<T: Real>(y: Pair<T>) -> Exp<T> {
    let (_, shift) = range::<T>();
    Exp::new(y, y.hi.splat(f64::from(shift)), y.hi.splat(f64::powi(2.0, -shift)))
}

/// e^y for y <= 0 (or a little above). Below the range of the element type the result is 0.
#[inline(always)]
pub(crate) fn exp_of_negative<T: Real>(y: Pair<T>) -> Exp<T> {
    let (bound, _) = range::<T>();
    let low = T::select(y.hi.lt(-bound), y.hi.splat(0.0), y.lo);
    exp_of_held(Pair::new(y.hi.at_least(-bound), low))
}

/// e^y for y >= 0 (or a little below), shifted down. Beyond the range of the element type it is very large.
#[inline(always)]
pub(crate) fn exp_of_positive<T: Real>(y: Pair<T>) -> Exp<T> {
    let (bound, shift) = range::<T>();
    let low = T::select(y.hi.gt(bound), y.hi.splat(0.0), y.lo);
    Exp::new(Pair::new(y.hi.at_most(bound), low), y.hi.splat(f64::from(-shift)), y.hi.splat(f64::powi(2.0, shift)))
}

/// e^y - 1 for y <= 0, rounded.
#[inline(always)]
pub(crate) fn expm1_of_negative<T: Real>(y: Pair<T>) -> T {
    exp_of_negative(y).less_one()
}

/// e^y for any y. Beyond the range of the element type the result is 0 or infinite.
#[inline(always)]
pub(crate) fn exp_of<T: Real>(y: Pair<T>) -> Exp<T> {
    let (bound, shift) = range::<T>();
    let outside = y.hi.abs().gt(bound);
    let held = y.hi.at_most(bound).at_least(-bound);
    let inside = Pair::new(held, T::select(outside, held.splat(0.0), y.lo));
    let up = f64::powi(2.0, shift);
    let positive = y.hi.gt(0.0);
    let choose = |yes: f64, no: f64| T::select(positive, held.splat(yes), held.splat(no));
    Exp::new(inside, choose(-f64::from(shift), f64::from(shift)), choose(up, 1.0 / up))
}

/// e^x. Max error: 1.1 ULP.
#[inline(always)]
pub fn exp<T: Real>(x: T) -> T {
    exp_of(Pair::exact(x)).value()
}

/// e^x - 1, without cancellation near 0. Max error: 1.7 ULP.
#[inline(always)]
pub fn expm1<T: Real>(x: T) -> T {
    let y = Pair::exact(x);
    // The sum would lose the sign of -0.
    T::select(x.is(0.0), x, exp_of(y).expm1(y))
}
