//! The hyperbolic tangent.

use crate::{
    math::{Pair, exp_of_positive},
    real::Real,
};

/// 2|x|, with a minus sign for small x where there are no digits to spare.
///
/// With y = ±2|x|, m = e^y - 1: tanh |x| = ±m / (2 + m) and sech² x = 4 g (1 - g) with g = 1 / (1 + e^y). Near 0 the negative sign, far from it the positive one
/// has the smaller rounding error.
#[inline(always)]
fn argument<T: Real>(x: T) -> Pair<T> {
    let twice = x.abs() * 2.0;
    Pair::exact(if T::SPARE { twice } else { T::select(twice.lt(0.6), -twice, twice) })
}

/// tanh x. Max error: 2 ULP.
#[inline(always)]
pub fn tanh<T: Real>(x: T) -> T {
    let y = argument(x);
    let m = exp_of_positive(y).less_one();
    if T::SPARE {
        return (m / (m + 2.0)).copysign(x);
    }
    // Where m may be infinite; and no rounding takes it above |x|.
    T::select(y.hi.gt(45.0), x.splat(1.0), (m / (m + 2.0)).abs()).at_most(x.abs()).copysign(x)
}

/// sech² x = tanh' x.
#[inline(always)]
pub(crate) fn sech_squared<T: Real>(x: T) -> T {
    let (sum, unit) = exp_of_positive(argument(x)).one_more();
    let gate = unit.splat(1.0) / sum.hi;
    // The power of two comes late, so that a subnormal result is rounded once.
    let slope = gate * 4.0 * unit;
    slope.mul_add(-(gate * unit), slope)
}
