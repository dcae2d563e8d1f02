//! The hyperbolic tangent.

use crate::{
    math::{Gate, Pair},
    real::Real,
};

// (x - tanh x) / x³ in x² for |x| <= 0.55; errors 2^-24.7 and 2^-55.5 of tanh x (tools/coefficients.py tanh).
const NEAR: f64 = 0.55;
const SERIES_F32: [f64; 4] = [3.3332947e-1, -1.3320729e-1, 5.2671958e-2, -1.6437693e-2];
const SERIES_F64: [f64; 10] = [
    3.3333333333332316e-1,
    -1.3333333333168926e-1,
    5.3968253876149896e-2,
    -2.1869485975911620e-2,
    8.8631945136798101e-3,
    -3.5917197447696151e-3,
    1.4532168831205472e-3,
    -5.7913715511821685e-4,
    2.1030233630512174e-4,
    -5.1021279990554909e-5,
];

/// σ(±2x).
#[inline(always)]
fn gate<T: Real>(x: T) -> Gate<T> {
    Gate::new(Pair::exact(x.abs() + x.abs()), x.le(0.0))
}

/// tanh x. Max error: 1.4 ULP.
#[inline(always)]
pub fn tanh<T: Real>(x: T) -> T {
    let magnitude = x.abs();
    let square = magnitude * magnitude;
    let near = (magnitude * square).mul_add(-square.polynomial(&SERIES_F32, &SERIES_F64), magnitude);
    let far = gate(x).small().mul_add(-2.0, x.splat(1.0));
    T::select(magnitude.lt(NEAR), near, far).copysign(x)
}

/// sech² x = tanh' x.
#[inline(always)]
pub(crate) fn sech_squared<T: Real>(x: T) -> T {
    gate(x).four_slopes()
}
