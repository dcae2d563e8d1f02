use crate::{pointwise::TwoSlope, real::Real};

/// The step, $f(x) = 1$ for $x > 0$, and $0$ elsewhere: the perceptron's output.
///
/// - $f(0) = 0$; some textbooks say 1.
/// - Derivative: $f'(x) = 0$ everywhere, at the jump too.
/// - Kept for backward: nothing.
/// - Source: McCulloch and Pitts 1943, doi:10.1007/BF02478259.
///
/// Exact.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step;

impl TwoSlope for Step {
    fn name(&self) -> &'static str {
        "step"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let finite = T::select(x.gt(0.0), x.splat(1.0), x.splat(0.0));
        T::select(x.is(x), finite, x)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        x.is(x)
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 0.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![0.0]
    }
}
