use crate::{
    formula::{SiLU, silu::OPEN},
    math::{Gate, Pair},
    pointwise::Pointwise,
    real::Real,
};

/// The swish with a parameter, $f(x) = x σ(β x)$; [`SiLU`](super::SiLU), to the bit, for $β = 1$.
///
/// - Derivative: $f'(x) = σ(β x) (1 + β x σ(-β x))$, with a root at $-1.27846/β$.
/// - Limits: those of SiLU for $β > 0$, mirrored for $β < 0$; $x/2$ for $β = 0$.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Ramachandran, Zoph and Le 2017, arXiv:1710.05941.
///
/// Max error (`f32`): value 1.8 ULP, derivative 3.5 ULP; within 0.25 of its root 1.8e-8 absolute.
/// Max error (`f32`, without fused multiply-add): value 1.8 ULP, derivative 3.5 ULP; within 0.25 of its root 2.0e-8 absolute.
/// Max error (`f64`): value 1.7 ULP, derivative 3.2 ULP; within 0.25 of its root 2.9e-17 absolute.
/// Max error (`f64`, without fused multiply-add): value 1.7 ULP, derivative 3.2 ULP; within 0.25 of its root 3.1e-17 absolute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swish {
    beta: f64,
}

impl Swish {
    pub(crate) fn new(beta: f64) -> Self {
        Self { beta }
    }

    /// βx in two words, held where the gate is open or shut to the last digit, and x or 0 where it is.
    #[inline(always)]
    fn argument<T: Real>(self, x: T) -> (Pair<T>, T) {
        let zero = x.splat(0.0);
        let shut = if T::SINGLE { -130.0 } else { -1060.0 };
        let y = x.exact_product(x.parameter(self.beta));
        let outside = y.hi.gt(2.0 * OPEN) | y.hi.lt(shut);
        let held = y.hi.at_most(2.0 * OPEN).at_least(shut);
        (Pair::new(held, T::select(outside, zero, y.lo)), T::select(outside, zero.copysign(x), x))
    }
}

impl Pointwise for Swish {
    fn name(&self) -> &'static str {
        "swish"
    }
    fn spec(&self) -> String {
        format!("swish({})", self.beta)
    }
    /// For other β the root of the derivative lies elsewhere, with more digits lost around it.
    fn widens(&self) -> bool {
        self.beta != 1.0
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        self.value_and_derivative(x).0
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        self.value_and_derivative(x).1
    }
    #[inline(always)]
    fn value_and_derivative<T: Real>(self, x: T) -> (T, T) {
        if self.beta == 0.0 {
            return (x * 0.5, T::select(x.is(x), x.splat(0.5), x));
        }
        if self.beta == 1.0 {
            return SiLU.value_and_derivative(x);
        }
        let (y, inside) = self.argument(x);
        let gate = Gate::precise(y.magnitude(), y.hi.le(0.0));
        (gate.times(x, inside), gate.gated_slope_near_root(y.magnitude()))
    }
}
