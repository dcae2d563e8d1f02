use crate::{pointwise::TwoSlope, real::Real};

/// ONNX's shrinkage, $f(x) = x + b$ for $x < -λ$, $x - b$ for $x > λ$, and $0$ between, with the bias $b$.
///
/// - Derivative: $f'(x) = 1$ for $|x| > λ$, and $0$ elsewhere.
/// - Kinks: at $±λ$, where $f' = 0$.
/// - Limits: $f(±∞) = ±∞$.
/// - Kept for backward: one bit an element, which side it was on.
///
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shrink {
    lambda: f64,
    bias: f64,
}

impl Shrink {
    pub(crate) fn new(lambda: f64, bias: f64) -> Self {
        Self { lambda, bias }
    }
}

impl TwoSlope for Shrink {
    fn name(&self) -> &'static str {
        "shrink"
    }
    fn spec(&self) -> String {
        format!("shrink({}, {})", self.lambda, self.bias)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let sign = x.splat(1.0).copysign(x);
        T::select(self.upper(x), sign.mul_add(-self.bias, x), x.splat(0.0))
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !x.abs().le(self.lambda)
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![-self.lambda, self.lambda]
    }
}
