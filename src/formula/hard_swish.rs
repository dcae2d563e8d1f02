use crate::{
    formula::hard_sigmoid::SIXTH,
    pointwise::{Cost, Pointwise},
    real::Real,
};

const THIRD: (f64, f64) = (0.3333333333333333, 1.850371707708594e-17);

/// The hard swish, $f(x) = \frac{x}{6} \min(\max(x + 3, 0), 6)$.
///
/// - Derivative: $f'(x) = 0$ for $x ≤ -3$, $x/3 + 1/2$ between, and $1$ for $x ≥ 3$.
/// - Kinks: at ±3, where $f'(-3) = 0$ and $f'(3) = 1$.
/// - Limits: $f(-∞) = 0$, $f(∞) = ∞$; large x do not overflow on the way.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Howard et al. 2019, arXiv:1905.02244.
///
/// Max error (`f32`): value 1.9 ULP, derivative 1.0 ULP; within 0.25 of its root 2.5e-9 absolute.
/// Max error (`f32`, without fused multiply-add): value 2.5 ULP, derivative 1.4 ULP; within 0.25 of its root 5.0e-9 absolute.
/// Max error (`f64`): value 1.9 ULP, derivative 1.0 ULP; within 0.25 of its root 4.7e-18 absolute.
/// Max error (`f64`, without fused multiply-add): value 2.5 ULP, derivative 1.4 ULP; within 0.25 of its root 9.3e-18 absolute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HardSwish;

impl Pointwise for HardSwish {
    const COST: Cost = Cost::Memory;
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "hard_swish"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        // From 3 on the factor is exactly 1.
        let inside = x.at_least(-3.0);
        inside * x.constant(SIXTH.0, SIXTH.1).times_rounded((inside + 3.0).at_most(6.0))
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        // (x + 3/2) / 3, without cancellation at the root.
        let line = x.constant(THIRD.0, THIRD.1).times_rounded(x.at_least(-3.0).at_most(3.0) + 1.5);
        T::select(x.le(-3.0), x.splat(0.0), T::select(x.ge(3.0), x.splat(1.0), line))
    }
    fn kinks(&self) -> Vec<f64> {
        vec![-3.0, 3.0]
    }
}
