use crate::{pointwise::TwoSlope, real::Real};

/// The sparse sigmoid, $f(x) = 0$ for $x ≤ -1$, $\frac{x + 1}{2}$ between, and $1$ for $x ≥ 1$, as in `jax.nn`.
///
/// - It is the derivative of [`SparsePlus`](super::SparsePlus).
/// - Derivative: $f'(x) = 1/2$ for $|x| < 1$, and $0$ elsewhere.
/// - Kinks: at ±1, where $f' = 0$.
/// - Limits: $f(-∞) = 0$, $f(∞) = 1$.
/// - Kept for backward: one bit an element, which side it was on.
///
/// Max error (`f32`): value 0.5 ULP, derivative exact.
/// Max error (`f64`): value 0.5 ULP, derivative exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SparseSigmoid;

impl TwoSlope for SparseSigmoid {
    fn name(&self) -> &'static str {
        "sparse_sigmoid"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        (x.at_least(-1.0).at_most(1.0) + 1.0) * 0.5
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !(x.le(-1.0) | x.ge(1.0))
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 0.5)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![-1.0, 1.0]
    }
}
