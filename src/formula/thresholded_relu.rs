use crate::{pointwise::TwoSlope, real::Real};

/// The thresholded rectifier, $f(x) = x$ for $x > θ$, and $0$ elsewhere.
///
/// - Derivative: $f'(x) = 1$ for $x > θ$, and $0$ elsewhere.
/// - Kink: at θ, where $f(θ) = 0$ and $f'(θ) = 0$; the function jumps there unless $θ = 0$.
/// - Limits: $f(-∞) = 0$, $f(∞) = ∞$.
/// - Kept for backward: one bit an element, which side it was on.
/// - Source: Konda, Memisevic and Krueger 2014, arXiv:1402.3337.
///
/// Exact.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThresholdedReLU {
    theta: f64,
}

impl ThresholdedReLU {
    pub(crate) fn new(theta: f64) -> Self {
        Self { theta }
    }
}

impl TwoSlope for ThresholdedReLU {
    fn name(&self) -> &'static str {
        "thresholded_relu"
    }
    fn spec(&self) -> String {
        format!("thresholded_relu({})", self.theta)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        T::select(x.le(self.theta), x.splat(0.0), x)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !x.le(self.theta)
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![self.theta]
    }
}
