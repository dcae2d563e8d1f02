//! Numbers in two words.

use crate::real::Real;

/// An unevaluated sum `hi + lo` with `|lo|` at most about one unit in the last place of `hi`.
///
/// The operations below keep about twice the precision of the element type (a little less without fused multiply-add); see Dekker (1971),
/// doi:10.1007/BF01397083, and Ogita, Rump and Oishi (2005), doi:10.1137/030601818. Numbers with digits to spare ([`Real::SPARE`]) need no lower word:
/// it stays 0, and nothing is computed for it.
#[derive(Clone, Copy, Debug)]
pub struct Pair<T> {
    /// The value, rounded.
    pub hi: T,
    /// What the rounding lost.
    pub lo: T,
}

impl<T: Real> Pair<T> {
    /// `hi + lo`, taken as they are.
    #[inline(always)]
    pub fn new(hi: T, lo: T) -> Self {
        Self { hi, lo }
    }

    /// A number of one word.
    #[inline(always)]
    pub fn exact(hi: T) -> Self {
        Self { hi, lo: hi.splat(0.0) }
    }

    /// The exact sum of two numbers of which the first is not smaller in magnitude, or is zero, or a multiple of the last place of the second.
    #[inline(always)]
    pub fn fast_sum(large: T, small: T) -> Self {
        if T::SPARE {
            return Self::exact(large + small);
        }
        let hi = large + small;
        Self { hi, lo: small - (hi - large) }
    }

    /// The exact sum of any two numbers.
    #[inline(always)]
    pub fn sum(a: T, b: T) -> Self {
        if T::SPARE {
            return Self::exact(a + b);
        }
        let hi = a + b;
        let part = hi - a;
        Self { hi, lo: (a - (hi - part)) + (b - part) }
    }

    /// `a · b + c`, where `c` less the sum is exact: where the product is at most half of `c`, or `c` is a short number, as 2 is. Elsewhere the lower word is off by one rounding.
    #[inline(always)]
    pub(crate) fn fused(a: T, b: T, c: T) -> Self {
        let hi = a.mul_add(b, c);
        Self { hi, lo: a.mul_add(b, c - hi) }
    }

    /// The square of a number, exactly.
    #[inline(always)]
    pub fn square(x: T) -> Self {
        x.exact_product(x)
    }

    /// `hi + lo`, rounded.
    #[inline(always)]
    pub fn round(self) -> T {
        if T::SPARE {
            return self.hi;
        }
        self.hi + self.lo
    }

    /// The negative.
    #[inline(always)]
    #[must_use]
    pub fn negate(self) -> Self {
        if T::SPARE {
            return Self::exact(-self.hi);
        }
        Self { hi: -self.hi, lo: -self.lo }
    }

    /// |x|.
    #[inline(always)]
    #[must_use]
    pub fn magnitude(self) -> Self {
        if T::SPARE {
            return Self::exact(self.hi.abs());
        }
        Self { hi: self.hi.abs(), lo: T::select(self.hi.lt(0.0), -self.lo, self.lo) }
    }

    /// The sum with a number of any size.
    #[inline(always)]
    #[must_use]
    pub fn plus(self, other: T) -> Self {
        if T::SPARE {
            return Self::exact(self.hi + other);
        }
        let sum = Self::sum(self.hi, other);
        Self::fast_sum(sum.hi, sum.lo + self.lo)
    }

    /// The sum with a number of the size of the lower word.
    #[inline(always)]
    #[must_use]
    pub fn plus_low(self, other: T) -> Self {
        if T::SPARE {
            return self.plus(other);
        }
        Self { hi: self.hi, lo: self.lo + other }
    }

    /// The sum of two pairs of any size.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "one of several sums, next to `plus` and `plus_low`")]
    pub fn add(self, other: Self) -> Self {
        if T::SPARE {
            return self.plus(other.hi);
        }
        let sum = Self::sum(self.hi, other.hi);
        Self::fast_sum(sum.hi, sum.lo + (self.lo + other.lo))
    }

    /// The product with one number.
    #[inline(always)]
    #[must_use]
    pub fn times(self, factor: T) -> Self {
        if T::SPARE {
            return Self::exact(self.hi * factor);
        }
        let product = self.hi.exact_product(factor);
        Self { hi: product.hi, lo: self.lo.mul_add(factor, product.lo) }
    }

    /// The product of two pairs.
    #[inline(always)]
    #[must_use]
    pub fn product(self, other: Self) -> Self {
        if T::SPARE {
            return self.times(other.hi);
        }
        let product = self.hi.exact_product(other.hi);
        Self { hi: product.hi, lo: self.lo.mul_add(other.hi, self.hi.mul_add(other.lo, product.lo)) }
    }

    /// The product with one number, rounded once.
    #[inline(always)]
    pub fn times_rounded(self, factor: T) -> T {
        if T::SPARE {
            return self.hi * factor;
        }
        factor.mul_add(self.hi, factor * self.lo)
    }

    /// Both words times a power of two.
    #[inline(always)]
    #[must_use]
    pub fn scaled(self, power_of_two: T) -> Self {
        if T::SPARE {
            return self.times(power_of_two);
        }
        Self { hi: self.hi * power_of_two, lo: self.lo * power_of_two }
    }

    /// `yes` where the mask holds, `no` elsewhere.
    #[inline(always)]
    pub fn select(mask: T::Mask, yes: Self, no: Self) -> Self {
        if T::SPARE {
            return Self::exact(T::select(mask, yes.hi, no.hi));
        }
        Self { hi: T::select(mask, yes.hi, no.hi), lo: T::select(mask, yes.lo, no.lo) }
    }

    /// The reciprocal, for several quotients with one division.
    #[inline(always)]
    pub fn reciprocal(self) -> Reciprocal<T> {
        Reciprocal { of: self, approximate: self.hi.splat(1.0) / self.hi }
    }

    /// The quotient with one number, the remainder exact on every CPU: an argument for an exponential.
    #[inline(always)]
    #[must_use]
    pub fn over(self, divisor: T) -> Self {
        if T::SPARE {
            return Self::exact(self.hi / divisor);
        }
        let quotient = self.hi / divisor;
        let remainder = (-quotient).fused_mul_add(divisor, self.hi) + self.lo;
        Self { hi: quotient, lo: remainder / divisor }
    }

    /// The quotient of two pairs, rounded: 0.5 units in the last place and a little.
    #[inline(always)]
    pub fn quotient(self, divisor: Self) -> T {
        if T::SPARE {
            return self.hi / divisor.hi;
        }
        divisor.reciprocal().times(self).round()
    }
}

/// `1 / x` for a pair `x`: one division, and a correction where it is used.
#[derive(Clone, Copy, Debug)]
pub struct Reciprocal<T> {
    of: Pair<T>,
    /// The reciprocal of the upper word.
    pub approximate: T,
}

impl<T: Real> Reciprocal<T> {
    /// `dividend / x` in two words.
    #[inline(always)]
    pub fn times(self, dividend: Pair<T>) -> Pair<T> {
        if T::SPARE {
            return Pair::exact(dividend.hi * self.approximate);
        }
        let quotient = dividend.hi * self.approximate;
        let remainder = (-quotient).mul_add(self.of.hi, dividend.hi) + (-quotient).mul_add(self.of.lo, dividend.lo);
        Pair { hi: quotient, lo: remainder * self.approximate }
    }

    /// `1 / x` in two words.
    #[inline(always)]
    pub fn pair(self) -> Pair<T> {
        if T::SPARE {
            return Pair::exact(self.approximate);
        }
        Pair { hi: self.approximate, lo: self.approximate * self.relative_error() }
    }

    /// By which part of itself the approximate reciprocal is too small.
    #[inline(always)]
    pub fn relative_error(self) -> T {
        let r = self.approximate;
        (-r).fused_mul_add(self.of.hi, r.splat(1.0)) - r * self.of.lo
    }
}
