use crate::{pointwise::TwoSlope, real::Real};

/// The identity, $f(x) = x$: what "no activation" is.
///
/// - Derivative: $f'(x) = 1$.
/// - Stacked linear layers with nothing else between them are one matrix product.
/// - Kept for backward: nothing.
///
/// Exact.
/// Max error (`f32`): value exact, derivative exact.
/// Max error (`f64`): value exact, derivative exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Identity;

impl TwoSlope for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        // So that numbers pass through registers: what it sees to be a copy, the compiler sends by way of the stack, at a quarter of the speed.
        x.at_most(f64::INFINITY)
    }
    #[inline(always)]
    fn upper<T: Real>(self, x: T) -> T::Mask {
        !x.lt(x)
    }
    fn slopes(self) -> (f64, f64) {
        (1.0, 1.0)
    }
    fn kinks(&self) -> Vec<f64> {
        Vec::new()
    }
}
