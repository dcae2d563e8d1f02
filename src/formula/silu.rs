use crate::{
    math::{Gate, Pair},
    pointwise::Pointwise,
    real::Real,
};

/// The sigmoid linear unit or swish, $f(x) = x σ(x)$.
///
/// - Derivative: $f'(x) = σ(x) (1 + x σ(-x))$.
/// - Minimum: -0.27846 at $x = -1.27846$.
/// - Limits: $f(-∞) = 0$ with $f' = 0$, $f(∞) = ∞$ with $f' = 1$.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; Elfwing, Uchibe and Doya 2018, arXiv:1702.03118; Ramachandran, Zoph and Le 2017, arXiv:1710.05941.
///
/// Max error (`f32`): value 1.8 ULP, derivative 3.5 ULP; within 0.25 of its root 1.8e-8 absolute.
/// Max error (`f32`, without fused multiply-add): value 1.8 ULP, derivative 3.5 ULP; within 0.25 of its root 2.0e-8 absolute.
/// Max error (`f64`): value 1.7 ULP, derivative 3.2 ULP; within 0.25 of its root 2.9e-17 absolute.
/// Max error (`f64`, without fused multiply-add): value 1.7 ULP, derivative 3.2 ULP; within 0.25 of its root 3.1e-17 absolute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SiLU;

impl Pointwise for SiLU {
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "silu"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let inside = held(x);
        Gate::new(Pair::exact(inside.abs()), x.le(0.0)).times(x, inside)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let magnitude = held(x).abs();
        Gate::new(Pair::exact(magnitude), x.le(0.0)).gated_slope(magnitude, -magnitude + 1.0)
    }
}

/// From here on σ(x) is 1, and x σ(-x) nothing, in both element types.
pub(super) const OPEN: f64 = 50.0;

/// x, held where σ(x) is 0 or 1 to the last digit, so that no infinity meets a zero.
#[inline(always)]
pub(super) fn held<T: Real>(x: T) -> T {
    x.at_most(2.0 * OPEN).at_least(if T::SINGLE { -130.0 } else { -1060.0 })
}
