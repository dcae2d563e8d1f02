use crate::{pointwise::TwoSlope, real::Real};

/// PyTorch's `Threshold`, $f(x) = x$ for $x > t$, and a fixed value $v$ elsewhere.
///
/// - Derivative: $f'(x) = 1$ for $x > t$, and $0$ elsewhere.
/// - Kink: at $t$, where $f(t) = v$ and $f'(t) = 0$; the function jumps there unless $v = t$.
/// - Limits: $f(-∞) = v$, $f(∞) = ∞$.
/// - Kept for backward: one bit an element, which side it was on.
///
/// Exact, the value rounded to the element type.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    threshold: f64,
    value: f64,
}

impl Threshold {
    pub(crate) fn new(threshold: f64, value: f64) -> Self {
        Self { threshold, value }
    }
}

impl TwoSlope for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }
    fn spec(&self) -> String {
        format!("threshold({}, {})", self.threshold, self.value)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        T::select(x.le(self.threshold), x.splat(self.value), x)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !x.le(self.threshold)
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![self.threshold]
    }
}
