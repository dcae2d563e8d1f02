use crate::{pointwise::TwoSlope, real::Real};

/// A piecewise linear sigmoid, $f(x) = \min(\max(α x + β, 0), 1)$.
///
/// - `HardSigmoid::new()` is PyTorch's and Keras 3's, $x/6 + 1/2$ on ±3 with $1/6$ in full, not as rounded. `HardSigmoid::with(0.2, 0.5)` is ONNX's and that of
///   earlier Keras, on ±2.5.
/// - Derivative: $f'(x) = α$ where the line, computed with one rounding, lies strictly inside, and $0$ elsewhere.
/// - Kinks: where the line reaches 0 and 1; there $f' = 0$.
/// - Limits: $f(-∞) = 0$, $f(∞) = 1$ for $α > 0$.
/// - Kept for backward: one bit an element, which side it was on.
/// - Source: Courbariaux, Bengio and David 2015, arXiv:1511.00363.
///
/// Max error (`f32`): value 1.0 ULP, derivative 0.4 ULP.
/// Max error (`f32`, without fused multiply-add): value 1.4 ULP, derivative 0.4 ULP.
/// Max error (`f64`): value 1.0 ULP, derivative 0.4 ULP.
/// Max error (`f64`, without fused multiply-add): value 1.4 ULP, derivative 0.4 ULP.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardSigmoid {
    alpha: f64,
    beta: f64,
    /// Whether α is one sixth, not its nearest number.
    sixth: bool,
}

/// One sixth in two words.
pub(super) const SIXTH: (f64, f64) = (0.16666666666666666, 9.25185853854297e-18);

impl HardSigmoid {
    pub(crate) fn torch() -> Self {
        Self { alpha: SIXTH.0, beta: 0.5, sixth: true }
    }
    pub(crate) fn new(alpha: f64, beta: f64) -> Self {
        Self { alpha, beta, sixth: false }
    }
}

impl TwoSlope for HardSigmoid {
    fn name(&self) -> &'static str {
        "hard_sigmoid"
    }
    fn spec(&self) -> String {
        if self.sixth { "hard_sigmoid".into() } else { format!("hard_sigmoid({}, {})", self.alpha, self.beta) }
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        if self.sixth {
            // (x + 3) / 6, without cancellation at -3; exactly 1 at 3.
            return x.constant(SIXTH.0, SIXTH.1).times_rounded((x.at_least(-3.0) + 3.0).at_most(6.0));
        }
        x.fused_mul_add(x.splat(self.alpha), x.splat(self.beta)).at_least(0.0).at_most(1.0)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        if self.sixth {
            !(x.le(-3.0) | x.ge(3.0))
        } else {
            let line = x.fused_mul_add(x.splat(self.alpha), x.splat(self.beta));
            !(line.le(0.0) | line.ge(1.0))
        }
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, self.alpha)
    }
    fn kinks(&self) -> Vec<f64> {
        if self.sixth { vec![-3.0, 3.0] } else { vec![-self.beta / self.alpha, (1.0 - self.beta) / self.alpha] }
    }
}
