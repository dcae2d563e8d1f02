use crate::{pointwise::TwoSlope, real::Real};

/// The leaky rectified linear unit, $f(x) = x$ for $x > 0$, and $a x$ for $x ≤ 0$.
///
/// - Derivative: $f'(x) = 1$ for $x > 0$, and $a$ for $x ≤ 0$.
/// - Kink: $f'(0) = a$.
/// - Limits: $f(∞) = ∞$, and $f(-∞) = -∞$ for $a > 0$; for $a = 0$ it is NaN, as the product is.
/// - The slope is 0.01 by default as in the paper and in PyTorch; Keras' layer takes 0.3, TensorFlow 0.2.
/// - Kept for backward: one bit an element, which side it was on.
/// - Source: Maas, Hannun and Ng 2013.
///
/// Max error (`f32`): value 0.5 ULP, derivative exact.
/// Max error (`f64`): value 0.5 ULP, derivative exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyReLU {
    negative_slope: f64,
}

impl LeakyReLU {
    pub(crate) fn new(negative_slope: f64) -> Self {
        Self { negative_slope }
    }
}

impl TwoSlope for LeakyReLU {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }
    fn spec(&self) -> String {
        format!("leaky_relu({})", self.negative_slope)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        T::select(x.le(0.0), x * self.negative_slope, x)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !x.le(0.0)
    }
    fn slopes(self) -> (f64, f64) {
        (self.negative_slope, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![0.0]
    }
}
