//! The softplus and its tail.

use crate::{
    math::{Exp, Pair, exp_of_negative, log1p_rounded},
    real::Real,
};

/// ln(1 + e^-|y|), in pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Softplus<T: Real> {
    exp: Exp<T>,
    negative: T::Mask,
}

impl<T: Real> Softplus<T> {
    #[inline(always)]
    pub(crate) fn new(y: Pair<T>) -> Self {
        Self { exp: exp_of_negative(y.magnitude().negate()), negative: y.hi.lt(0.0) }
    }

    /// positive + ln(1 + e^-|y|) / divisor.
    #[inline(always)]
    pub(crate) fn value(self, positive: T, divisor: T) -> T {
        let inverse = divisor.splat(1.0) / divisor;
        let e = self.exp.value();
        let whole = positive + log1p_rounded(e) * inverse;
        // Where ln(1 + e) is e, the power of two comes last, so that a subnormal result is rounded once.
        let tail = self.exp.unshifted(self.exp.shifted() * inverse);
        T::select(self.negative & e.lt(f64::powi(2.0, if T::SINGLE { -30 } else { -60 })), tail, whole)
    }

    /// σ(y).
    #[inline(always)]
    pub(crate) fn slope(self) -> T {
        let large = self.exp.value().splat(1.0) / (self.exp.value() + 1.0);
        T::select(self.negative, self.exp.unshifted(self.exp.shifted() * large), large)
    }
}
