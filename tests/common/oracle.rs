//! Reference values that share neither code nor formulas with the crate: plain textbook forms in `f64` on the `libm` crate, each stable where it is used.
//!
//! Good to about 1e-8 units in the last place of `f32`, except within a few hundred floats of a root of a derivative.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

pub(crate) fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { libm::exp(x) / (1.0 + libm::exp(x)) } else { 1.0 / (1.0 + libm::exp(-x)) }
}
pub(crate) fn sigmoid_slope(x: f64) -> f64 {
    sigmoid(x) * sigmoid(-x)
}
pub(crate) fn tanh_slope(x: f64) -> f64 {
    let c = libm::cosh(x);
    1.0 / c / c
}
/// Φ(x).
pub(crate) fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}
/// φ(x).
pub(crate) fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / libm::sqrt(2.0 * PI)
}
pub(crate) fn gelu(x: f64) -> f64 {
    if x == f64::NEG_INFINITY { 0.0 } else { x * normal(x) }
}
pub(crate) fn gelu_slope(x: f64) -> f64 {
    if x.is_infinite() { if x > 0.0 { 1.0 } else { 0.0 } } else { normal(x) + x * density(x) }
}
/// x σ(y), and 0 where the gate is shut.
pub(crate) fn gated(x: f64, y: f64) -> f64 {
    if y < -800.0 { -0.0 } else { x * sigmoid(y) }
}
/// The derivative of x σ(y) with z = x y'.
pub(crate) fn gated_slope(y: f64, z: f64) -> f64 {
    if y < -800.0 {
        0.0
    } else if y > 800.0 {
        1.0
    } else if y < 0.0 {
        sigmoid(y) * (1.0 + z * sigmoid(-y))
    } else {
        sigmoid(y) + z * sigmoid_slope(y)
    }
}
pub(crate) fn tanh_argument(x: f64) -> f64 {
    2.0 * libm::sqrt(2.0 / PI) * (x + 0.044715 * x * x * x)
}
pub(crate) fn tanh_argument_slope(x: f64) -> f64 {
    2.0 * libm::sqrt(2.0 / PI) * (x + 3.0 * 0.044715 * x * x * x)
}
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}
pub(crate) fn mish(x: f64) -> f64 {
    if x < -800.0 { -0.0 } else { x * libm::tanh(softplus(x)) }
}
pub(crate) fn mish_slope(x: f64) -> f64 {
    if x < -800.0 {
        return 0.0;
    }
    if x > 800.0 {
        return 1.0;
    }
    let s = softplus(x);
    libm::tanh(s) + x * tanh_slope(s) * sigmoid(x)
}
/// x - tanh x, by its series where the difference loses digits.
pub(crate) fn tanh_shrink(x: f64) -> f64 {
    if x.abs() > 0.2 {
        return x - libm::tanh(x);
    }
    // tanh x = x - x³/3 + 2x⁵/15 - 17x⁷/315 + 62x⁹/2835 - … (DLMF 4.33.3)
    let w = x * x;
    let terms = [
        1.0 / 3.0,
        -2.0 / 15.0,
        17.0 / 315.0,
        -62.0 / 2835.0,
        1382.0 / 155_925.0,
        -21_844.0 / 6_081_075.0,
        929_569.0 / 638_512_875.0,
        -6_404_582.0 / 10_854_718_875.0,
        443_861_162.0 / 1_856_156_927_625.0,
    ];
    x * w * terms.iter().rev().fold(0.0, |sum, term| sum * w + term)
}
pub(crate) fn squareplus(x: f64, b: f64) -> f64 {
    let r = libm::hypot(x, b.sqrt());
    if x < 0.0 { 0.5 * b / (r - x) } else { 0.5 * x + 0.5 * r }
}
pub(crate) fn squareplus_slope(x: f64, b: f64) -> f64 {
    let r = libm::hypot(x, b.sqrt());
    if x.is_infinite() {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    if x < 0.0 { 0.5 * b / (r - x) / r } else { 0.5 + 0.5 * x / r }
}
