use crate::{pointwise::TwoSlope, real::Real};

/// Soft shrinkage, $f(x) = x - λ$ for $x > λ$, $x + λ$ for $x < -λ$, and $0$ between: the proximal operator of $λ|x|$.
///
/// - Derivative: $f'(x) = 1$ for $|x| > λ$, and $0$ elsewhere.
/// - Kinks: at $±λ$, where $f' = 0$.
/// - Limits: $f(±∞) = ±∞$.
/// - λ must not be negative.
/// - Kept for backward: one bit an element, which side it was on.
/// - Source: Donoho 1995, doi:10.1109/18.382009.
///
/// Max error (`f32`): value 0.5 ULP, derivative exact.
/// Max error (`f64`): value 0.5 ULP, derivative exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftShrink {
    lambda: f64,
}

impl SoftShrink {
    pub(crate) fn try_new(lambda: f64) -> Result<Self, String> {
        if lambda < 0.0 { Err(format!("lambda is {lambda}, and must not be negative")) } else { Ok(Self { lambda }) }
    }
}

impl TwoSlope for SoftShrink {
    fn name(&self) -> &'static str {
        "soft_shrink"
    }
    fn spec(&self) -> String {
        format!("soft_shrink({})", self.lambda)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        // Held, so that infinity less the largest λ stays infinity.
        let lambda = self.lambda.min(if T::SINGLE { f64::from(f32::MAX) } else { f64::MAX });
        x - x.at_least(-lambda).at_most(lambda)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        super::Shrink::new(self.lambda, self.lambda).upper(x)
    }
    fn slopes(self) -> (f64, f64) {
        (0.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![-self.lambda, self.lambda]
    }
}
