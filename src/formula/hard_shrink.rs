use crate::{pointwise::TwoSlope, real::Real};

/// Hard shrinkage, $f(x) = x$ for $|x| > λ$, and $0$ elsewhere.
///
/// - Derivative: $f'(x) = 1$ for $|x| > λ$, and $0$ elsewhere.
/// - Kinks: the function jumps at $±λ$, where $f' = 0$.
/// - Limits: $f(±∞) = ±∞$.
/// - Kept for backward: one bit an element, which side it was on.
/// - Source: Donoho and Johnstone 1994, doi:10.1093/biomet/81.3.425.
///
/// Exact.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardShrink {
    lambda: f64,
}

impl HardShrink {
    pub(crate) fn new(lambda: f64) -> Self {
        Self { lambda }
    }
}

impl TwoSlope for HardShrink {
    fn name(&self) -> &'static str {
        "hard_shrink"
    }
    fn spec(&self) -> String {
        format!("hard_shrink({})", self.lambda)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        T::select(self.upper(x), x, x.splat(0.0))
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        super::Shrink::new(self.lambda, 0.0).upper(x)
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![-self.lambda, self.lambda]
    }
}
