//! The softplus and its tail.

use crate::{
    math::{Exp, Pair, exp_of_negative, log1p_of_unit},
    real::Real,
};

/// ln(1 + e^-|y|), in pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Softplus<T: Real> {
    exp: Exp<T>,
    e: Pair<T>,
    negative: T::Mask,
}

impl<T: Real> Softplus<T> {
    #[inline(always)]
    pub(crate) fn new(y: Pair<T>) -> Self {
        let below = y.negative_magnitude();
        let exp = exp_of_negative(below);
        Self { exp, e: exp.pair(), negative: y.hi.lt(0.0) }
    }

    /// positive + ln(1 + e^-|y|) / divisor, rounded.
    #[inline(always)]
    pub(crate) fn value(self, positive: T, divisor: T) -> T {
        let divisor = Pair::exact(divisor).reciprocal();
        let logarithm = divisor.times(log1p_of_unit(self.e));
        let sum = Pair::sum(positive, logarithm.hi);
        let whole = sum.hi + (sum.lo + logarithm.lo);
        // Where ln(1 + e) is e, the power of two comes last, so that a subnormal result is rounded once.
        let tail = self.exp.scale(divisor.times(self.exp.significand()).round());
        let tiny = self.e.hi.lt(f64::powi(2.0, if T::SINGLE { -30 } else { -60 }));
        T::select(self.negative & tiny, tail, whole)
    }
}
