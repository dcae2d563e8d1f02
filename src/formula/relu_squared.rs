use crate::{
    pointwise::{Cost, Pointwise},
    real::Real,
};

/// The squared rectifier, $f(x) = \max(x, 0)^2$.
///
/// - Derivative: $f'(x) = 2 \max(x, 0)$, continuous at 0.
/// - Limits: $f(-∞) = 0$, $f(∞) = ∞$.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: So et al. 2021, arXiv:2109.08668.
///
/// Max error (`f32`): value 0.5 ULP, derivative exact.
/// Max error (`f64`): value 0.5 ULP, derivative exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReLUSquared;

impl Pointwise for ReLUSquared {
    const COST: Cost = Cost::Memory;
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "relu_squared"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let positive = x.at_least(0.0);
        positive * positive
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        x.at_least(0.0) * 2.0
    }
}
