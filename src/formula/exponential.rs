use crate::{math::exp, pointwise::Pointwise, real::Real};

/// The exponential, f(x) = e^x.
///
/// f'(x) = e^x. f(-∞) = 0, f(∞) = ∞. Max error: 1 ULP, derivative 1 ULP.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exponential;

impl Pointwise for Exponential {
    fn name(&self) -> &'static str {
        "exponential"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        exp(x)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        exp(x)
    }
}
