//! The tail of the normal distribution, and the complementary error function.

use std::f64::consts::SQRT_2;

use crate::{
    math::{Exp, Pair, Reciprocal, exp_of_held},
    real::Real,
};

/// 1 / sqrt(2 π) in two words.
pub(crate) const FRAC_1_SQRT_TAU: (f64, f64) = (0.398_942_280_401_432_7, -2.492_327_202_777_2e-17);

// 1 / (2 Φ(-t) e^(t²/2)) = 1 + t + t A(t)/B(t) for 0 <= t <= 14.6 and 39; errors 2^-27.1 and 2^-58.2 (tools/coefficients.py mills). The quotient is between -0.21 and 0.26: its
// rounding errors count little, and those of the sum can be made good.
const MILLS_A_F32: [f64; 5] = [-2.0211521e-1, -4.0115446e-2, 2.1778423e-2, 1.2304677e-2, 2.060617e-3];
const MILLS_B_F32: [f64; 5] = [1.0, 8.7441087e-1, 3.6476207e-1, 8.066337e-2, 8.135118e-3];
const MILLS_A_F64: [f64; 11] = [
    -2.0211543919713459e-1,
    -1.9767883269521258e-1,
    -7.2131552899581203e-2,
    1.4244339669566453e-3,
    1.2876247213088386e-2,
    6.3722585566268874e-3,
    1.7852197883466041e-3,
    3.2863577051235891e-4,
    4.0221004394345551e-5,
    3.0496829842703754e-6,
    1.1190870132909029e-7,
];
const MILLS_B_F64: [f64; 11] = [
    1.0000000000000000,
    1.6539983604950150,
    1.3562866866302912,
    7.1239744739673661e-1,
    2.6295311400171989e-1,
    7.0942546617505708e-2,
    1.4148434738886473e-2,
    2.0621264054304553e-3,
    2.1100459107000868e-4,
    1.3783128609054694e-5,
    4.4177834887219101e-7,
];

/// The tail of the standard normal distribution at t >= 0, Φ(-t) = e^(-t²/2) / 2d, still in pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormalTail<T> {
    /// |x|, held where the tail is 0 if it was larger.
    pub(crate) t: T,
    /// e^(-t²/2).
    pub(crate) exp: Exp<T>,
    /// 1/d, where 1/2d is Mills' ratio over sqrt(2 π), between 0.5 and about 0.4 / t.
    inverse: Reciprocal<T>,
}

impl<T: Real> NormalTail<T> {
    /// For any x; the tail is that of |x|.
    #[inline(always)]
    pub(crate) fn new(x: T) -> Self {
        let t = x.abs().at_most(if T::SINGLE { 15.0 } else { 39.0 });
        Self::at(t, (-(t * 0.5)).exact_product(t))
    }

    #[inline(always)]
    fn at(t: T, exponent: Pair<T>) -> Self {
        let quotient = t.polynomial(&MILLS_A_F32, &MILLS_A_F64) / t.polynomial(&MILLS_B_F32, &MILLS_B_F64);
        let line = Pair::fast_sum(t.splat(1.0), t);
        // The product is less than half of the line.
        let divisor = Pair::fused(t, quotient, line.hi).plus_low(line.lo);
        Self { t, exp: exp_of_held(exponent), inverse: divisor.reciprocal() }
    }

    /// a Φ(-t) e^(t²/2).
    #[inline(always)]
    pub(crate) fn mills_times(self, a: T) -> Pair<T> {
        self.inverse.times(Pair::exact(a * 0.5))
    }
}

/// The complementary error function 1 - erf(x). Max error: 1.8 ULP (2.2 without fused multiply-add).
#[inline(always)]
pub fn erfc<T: Real>(x: T) -> T {
    // erfc(a) = 2 Φ(-a sqrt(2)).
    let a = x.abs().at_most(if T::SINGLE { 10.5 } else { 27.5 });
    let t = a.constant(SQRT_2, -9.667_293_313_452_913e-17).times(a);
    let tail = NormalTail::at(t.hi, Pair::square(a).negate());
    // Mills' ratio over sqrt(2 π) has the derivative t times itself, less 1/sqrt(2 π).
    let mills = tail.mills_times(t.hi.splat(1.0));
    let slope = t.hi.mul_add(mills.hi, -FRAC_1_SQRT_TAU.0);
    let tail = tail.exp.product(mills.plus_low(slope * t.lo)) * 2.0;
    T::select(x.lt(0.0), -tail + 2.0, tail)
}
