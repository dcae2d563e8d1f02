use crate::{pointwise::TwoSlope, real::Real};

/// The piecewise linear tanh, $f(x) = \min(\max(x, a), b)$, by default between $a = -1$ and $b = 1$.
///
/// - Derivative: $f'(x) = 1$ for $a < x < b$, and $0$ elsewhere.
/// - Kinks: at both bounds, where $f' = 0$.
/// - Limits: $f(-∞) = a$, $f(∞) = b$.
/// - The bounds must not be the wrong way round.
/// - Kept for backward: one bit an element, which side it was on.
/// - Source: Collobert 2004.
///
/// Exact.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardTanh {
    min: f64,
    max: f64,
}

impl HardTanh {
    pub(crate) fn try_new(min: f64, max: f64) -> Result<Self, String> {
        if min > max { Err(format!("the lower bound {min} lies above the upper bound {max}")) } else { Ok(Self { min, max }) }
    }
}

impl TwoSlope for HardTanh {
    fn name(&self) -> &'static str {
        "hard_tanh"
    }
    fn spec(&self) -> String {
        format!("hard_tanh({}, {})", self.min, self.max)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        x.at_least(self.min).at_most(self.max)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !(x.le(self.min) | x.ge(self.max))
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![self.min, self.max]
    }
}
