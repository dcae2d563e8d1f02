use crate::{pointwise::TwoSlope, real::Real};

/// The leaky rectified linear unit, f(x) = x for x > 0, and a x for x <= 0 (Maas, Hannun and Ng 2013).
///
/// f'(x) = 1 for x > 0, and a for x <= 0, at 0 too. The slope is 0.01 by default as in the paper and in PyTorch; Keras' layer takes 0.3, TensorFlow 0.2.
/// A negative infinity with slope 0 gives NaN, as the product does. Max error: 0.5 ULP.
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
