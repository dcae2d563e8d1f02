use crate::{
    math::{Pair, exp_of_negative, expm1_of_negative},
    pointwise::Pointwise,
    real::Real,
};

/// The exponential linear unit, $f(x) = x$ for $x > 0$, and $α (e^x - 1)$ for $x ≤ 0$.
///
/// - Derivative: $f'(x) = 1$ for $x > 0$, and $α e^x$ for $x ≤ 0$.
/// - Kink: $f'(0) = α$, so the derivative is continuous exactly for $α = 1$.
/// - Limits: $f(-∞) = -α$ with $f' = 0$, $f(∞) = ∞$.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Clevert, Unterthiner and Hochreiter 2016, arXiv:1511.07289.
///
/// Max error (`f32`): value 1.0 ULP, derivative 1.1 ULP.
/// Max error (`f32`, without fused multiply-add): value 1.2 ULP, derivative 1.1 ULP.
/// Max error (`f64`): value 1.2 ULP, derivative 1.0 ULP.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ELU {
    alpha: f64,
}

impl ELU {
    pub(crate) fn new(alpha: f64) -> Self {
        Self { alpha }
    }
}

impl Pointwise for ELU {
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "elu"
    }
    fn spec(&self) -> String {
        format!("elu({})", self.alpha)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let negative = expm1_of_negative(Pair::exact(x.at_most(0.0)));
        T::select(x.lt(0.0), negative * x.parameter(self.alpha), x)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let exp = exp_of_negative(Pair::exact(x.at_most(0.0)));
        T::select(x.gt(0.0), x.splat(1.0), exp.times(self.alpha))
    }
    fn kinks(&self) -> Vec<f64> {
        if self.alpha == 1.0 { Vec::new() } else { vec![0.0] }
    }
}
