//! What all functions of the form x σ(y) share.

use crate::{
    math::{Exp, Pair, Reciprocal, exp_of_negative},
    real::Real,
};

/// The logistic function at y, and its mirror image, from one exponential and one division.
///
/// With E = e^-|y|: σ(|y|) = 1 / (1 + E) and σ(-|y|) = E / (1 + E).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate<T: Real> {
    negative: T::Mask,
    exp: Exp<T>,
    e: Pair<T>,
    /// 1 + E.
    divisor: Pair<T>,
    reciprocal: Reciprocal<T>,
}

impl<T: Real> Gate<T> {
    #[inline(always)]
    pub(crate) fn new(y: Pair<T>) -> Self {
        let negative = y.hi.lt(0.0);
        let below = y.negative_magnitude();
        let exp = exp_of_negative(below);
        let e = exp.pair();
        let divisor = Pair::fast_sum(e.hi.splat(1.0), e.hi).plus_low(e.lo);
        Self { negative, exp, e, divisor, reciprocal: divisor.reciprocal() }
    }

    /// a σ(y).
    #[inline(always)]
    pub(crate) fn times(self, a: Pair<T>) -> T {
        let numerator = Pair::select(self.negative, self.exp.significand().product(a), a);
        self.finish(self.reciprocal.times(numerator).round())
    }

    /// σ(y).
    #[inline(always)]
    pub(crate) fn value(self) -> T {
        let one = self.e.hi.splat(1.0);
        let numerator = Pair::select(self.negative, self.exp.significand(), Pair::exact(one));
        self.finish(self.reciprocal.times(numerator).round())
    }

    /// σ'(y) = σ(y) σ(-y) = E / (1 + E)².
    #[inline(always)]
    pub(crate) fn slope(self) -> T {
        let large = self.reciprocal.pair();
        let small = self.reciprocal.times(self.exp.significand());
        self.exp.scale(large.product(small).round())
    }

    /// σ(y) + z σ(y) σ(-y): the derivative of x σ(y(x)) with z = x y'(x).
    ///
    /// Below 0 that is E (1 + E + z) / (1 + E)², above (1 + E (1 + z)) / (1 + E)²; the sums in two words keep the digits near its root.
    #[inline(always)]
    pub(crate) fn gated_slope(self, z: Pair<T>) -> T {
        let below = self.divisor.add(z);
        let above = self.divisor.add(self.e.product(z));
        let sum = Pair::select(self.negative, below, above);
        let factor = Pair::select(self.negative, self.exp.significand(), Pair::exact(self.e.hi.splat(1.0)));
        self.finish(self.reciprocal.times(factor).product(self.reciprocal.times(sum)).round())
    }

    /// Puts the power of two to a result on the negative side: last, so that a subnormal result is rounded once.
    #[inline(always)]
    fn finish(self, x: T) -> T {
        T::select(self.negative, self.exp.scale(x), x)
    }
}
