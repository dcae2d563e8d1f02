use crate::{pointwise::TwoSlope, real::Real};

/// The rectified linear unit, $f(x) = \max(x, 0)$.
///
/// - Derivative: $f'(x) = 1$ for $x > 0$, and $0$ for $x ≤ 0$.
/// - Kink: the convention $f'(0) = 0$ is that of PyTorch, JAX and TensorFlow.
/// - Limits: $f(-∞) = 0$, $f(∞) = ∞$.
/// - Kept for backward: one bit an element, which side it was on.
/// - Source: Fukushima 1969, doi:10.1109/TSSC.1969.300225; Nair and Hinton 2010.
///
/// Exact.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReLU;

impl TwoSlope for ReLU {
    fn name(&self) -> &'static str {
        "relu"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        x.at_least(0.0)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !x.le(0.0)
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![0.0]
    }
}
