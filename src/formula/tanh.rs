use crate::{math::TanhParts, pointwise::Pointwise, real::Real};

/// The hyperbolic tangent, f(x) = tanh x = 2 σ(2x) - 1.
///
/// f'(x) = sech² x = 4 E / (1 + E)² with E = e^(-2|x|), which unlike 1 - tanh² is right for large |x| too. f(±∞) = ±1.
/// Max error: 1 ULP, derivative 1 ULP.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tanh;

impl Pointwise for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        TanhParts::new(x).magnitude().round().copysign(x)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        TanhParts::new(x).slope()
    }
}
