use crate::{pointwise::TwoSlope, real::Real};

/// The sign, $f(x) = -1$, $0$ or $1$: the perceptron's output in its symmetric form.
///
/// - $f(0) = 0$ as in NumPy and PyTorch, $f(-0) = -0$; some textbooks say 1.
/// - Derivative: $f'(x) = 0$ everywhere, at the jump too.
/// - Kept for backward: nothing.
/// - Source: Rosenblatt 1958, doi:10.1037/h0042519.
///
/// Exact.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sign;

impl TwoSlope for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        T::select(x.gt(0.0) | x.lt(0.0), x.splat(1.0).copysign(x), x)
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
