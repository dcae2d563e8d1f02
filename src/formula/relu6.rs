use crate::{pointwise::TwoSlope, real::Real};

/// The rectifier that saturates at 6, $f(x) = \min(\max(x, 0), 6)$.
///
/// - Derivative: $f'(x) = 1$ for $0 < x < 6$, and $0$ elsewhere.
/// - Kinks: at 0 and 6, where $f' = 0$.
/// - Limits: $f(-∞) = 0$, $f(∞) = 6$.
/// - Kept for backward: one bit an element, which side it was on.
/// - Source: Krizhevsky 2010; Howard et al. 2017, arXiv:1704.04861.
///
/// Exact.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReLU6;

impl TwoSlope for ReLU6 {
    fn name(&self) -> &'static str {
        "relu6"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        x.at_least(0.0).at_most(6.0)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !(x.le(0.0) | x.ge(6.0))
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![0.0, 6.0]
    }
}
