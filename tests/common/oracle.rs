//! Reference values that share neither code nor formulas with the crate: plain textbook forms in `f64` on the `libm` crate, each stable where it is used.
//!
//! Good to about 1e-8 units in the last place of `f32`, except within a few hundred floats of a root of a derivative.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

pub fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { libm::exp(x) / (1.0 + libm::exp(x)) } else { 1.0 / (1.0 + libm::exp(-x)) }
}
pub fn sigmoid_slope(x: f64) -> f64 {
    sigmoid(x) * sigmoid(-x)
}
pub fn tanh_slope(x: f64) -> f64 {
    let c = libm::cosh(x);
    1.0 / c / c
}
/// Φ(x).
pub fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}
/// φ(x).
pub fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / libm::sqrt(2.0 * PI)
}
pub fn gelu(x: f64) -> f64 {
    if x == f64::NEG_INFINITY { 0.0 } else { x * normal(x) }
}
pub fn gelu_slope(x: f64) -> f64 {
    if x.is_infinite() { if x > 0.0 { 1.0 } else { 0.0 } } else { normal(x) + x * density(x) }
}
/// x σ(y), and 0 where the gate is shut.
pub fn gated(x: f64, y: f64) -> f64 {
    if y < -800.0 { -0.0 } else { x * sigmoid(y) }
}
/// The derivative of x σ(y) with z = x y'.
pub fn gated_slope(y: f64, z: f64) -> f64 {
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
pub fn tanh_argument(x: f64) -> f64 {
    2.0 * libm::sqrt(2.0 / PI) * (x + 0.044715 * x * x * x)
}
pub fn tanh_argument_slope(x: f64) -> f64 {
    2.0 * libm::sqrt(2.0 / PI) * (x + 3.0 * 0.044715 * x * x * x)
}
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}
