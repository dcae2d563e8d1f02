//! What all functions of the form x σ(y) share.

use crate::{
    math::{Pair, exp_of_positive},
    real::Real,
};

/// The logistic function at y and at -y, from one exponential and one division.
///
/// σ(-|y|) = 1 / (1 + e^|y|) keeps its digits where it is small; σ(|y|) is 1 less that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate<T: Real> {
    negative: T::Mask,
    /// σ(-|y|), still to be multiplied by the power of two beside it: last, so that a subnormal result is rounded once.
    small: T,
    unit: T,
    /// 1 / small.
    divisor: Pair<T>,
}

impl<T: Real> Gate<T> {
    /// From |y|, and where y <= 0.
    #[inline(always)]
    pub(crate) fn new(magnitude: Pair<T>, negative: T::Mask) -> Self {
        let (divisor, unit) = exp_of_positive(magnitude).one_more();
        Self { negative, small: unit.splat(1.0) / divisor, unit, divisor: Pair::exact(divisor) }
    }

    /// The same with the digits that count near a root of the derivative.
    #[inline(always)]
    pub(crate) fn precise(magnitude: Pair<T>, negative: T::Mask) -> Self {
        let (divisor, unit) = exp_of_positive(magnitude).one_more_pair();
        Self { negative, small: unit.splat(1.0) / divisor.hi, unit, divisor }
    }

    /// σ(-|y|).
    #[inline(always)]
    pub(crate) fn small(self) -> T {
        self.small * self.unit
    }

    /// σ(y).
    #[inline(always)]
    pub(crate) fn value(self) -> T {
        T::select(self.negative, self.small(), -self.small() + 1.0)
    }

    /// σ'(y) = σ(y) σ(-y).
    #[inline(always)]
    pub(crate) fn slope(self) -> T {
        let small = self.small();
        small.mul_add(-small, small)
    }

    /// 4 σ(y) σ(-y). The power of two comes late, so that a subnormal result is rounded once.
    #[inline(always)]
    pub(crate) fn four_slopes(self) -> T {
        let slope = self.small * 4.0 * self.unit;
        slope.mul_add(-self.small(), slope)
    }

    /// a σ(y), where `inside` is a, held where the gate is shut.
    #[inline(always)]
    pub(crate) fn times(self, a: T, inside: T) -> T {
        // A second division where the derivative wants the first one: one rounding less than the product.
        let shut = inside / self.divisor.hi * self.unit;
        T::select(self.negative, shut, a - shut)
    }

    /// σ(y) + z σ(y) σ(-y) from |z| and 1 - |z|, for z of the sign of y: the derivative of x σ(y(x)) with z = x y'(x).
    ///
    /// That is σ(y) (1 - |z| + |z| σ(y)) below 0, where it has a root, and σ(y) (1 + |z| σ(-y)) above.
    #[inline(always)]
    pub(crate) fn gated_slope(self, z: T, rest: T) -> T {
        self.times_sum(self.sum(z, rest))
    }

    /// The same with more of its digits at some distance from its root.
    #[inline(always)]
    pub(crate) fn gated_slope_near_root(self, z: Pair<T>) -> T {
        let rest = -z.hi + 1.0;
        if T::SPARE {
            return self.gated_slope(z.hi, rest);
        }
        // The lower word of σ(-|y|).
        let remainder = (-self.small).mul_add(self.divisor.hi, self.unit.splat(1.0)) - self.small * self.divisor.lo;
        let low = z.hi * (remainder * self.small()) - T::select(self.negative, z.lo, z.lo.splat(0.0));
        self.times_sum(self.sum(z.hi, rest) + low)
    }

    /// The second factor of the derivative.
    #[inline(always)]
    fn sum(self, z: T, rest: T) -> T {
        z.mul_add(self.small(), T::select(self.negative, rest, z.splat(1.0)))
    }

    /// Both factors.
    #[inline(always)]
    fn times_sum(self, sum: T) -> T {
        T::select(self.negative, sum * self.small * self.unit, sum * (-self.small() + 1.0))
    }

    /// The same with 1 - |z| in two words.
    #[inline(always)]
    pub(crate) fn precise_slope(self, z: T, rest: Pair<T>) -> T {
        let small = self.small();
        let below = rest.hi.mul_add(self.small, z.mul_add(small, rest.lo) * self.small) * self.unit;
        T::select(self.negative, below, z.mul_add(small, 1.0) * (-small + 1.0))
    }
}
