use crate::{
    math::Pair,
    pointwise::{Cost, Pointwise},
    real::Real,
};

/// The softsign, $f(x) = \frac{x}{1 + |x|}$.
///
/// - Derivative: $f'(x) = \frac{1}{(1 + |x|)^2}$.
/// - Limits: $f(±∞) = ±1$ with $f' = 0$.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Turian, Bergstra and Bengio 2009.
///
/// Max error (`f32`): value 0.6 ULP, derivative 1.5 ULP.
/// Max error (`f32`, without fused multiply-add): value 1.5 ULP, derivative 2.5 ULP.
/// Max error (`f64`): value 0.5 ULP, derivative 1.5 ULP.
/// Max error (`f64`, without fused multiply-add): value 1.4 ULP, derivative 2.2 ULP.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Softsign;

impl Pointwise for Softsign {
    const COST: Cost = Cost::Arithmetic;
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "softsign"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let magnitude = x.abs();
        let ratio = Pair::exact(magnitude).quotient(Pair::sum(magnitude, x.splat(1.0)));
        // Far out the ratio is 1, and infinity over infinity not met.
        T::select(magnitude.gt(f64::powi(2.0, 60)), x.splat(1.0), ratio).copysign(x)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let magnitude = x.abs();
        let inverse = Pair::sum(magnitude, x.splat(1.0)).reciprocal().pair();
        let vanishing = f64::powi(2.0, if T::SINGLE { 80 } else { 600 });
        T::select(magnitude.gt(vanishing), x.splat(0.0), inverse.product(inverse).round())
    }
}
