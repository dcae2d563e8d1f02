use crate::{
    math::Pair,
    pointwise::{Cost, Pointwise},
    real::Real,
};

/// The squareplus, $f(x) = \frac{x + \sqrt{x^2 + b}}{2}$, by default with $b = 4$.
///
/// - Derivative: $f'(x) = \frac{1}{2} (1 + x / \sqrt{x^2 + b})$.
/// - For $x < 0$ both are written without cancellation: $f(x) = \frac{b/2}{\sqrt{x^2 + b} - x}$.
/// - Limits: $f(-∞) = 0$ with $f' = 0$, $f(∞) = ∞$ with $f' = 1$.
/// - For $b = 0$ it is the rectifier, with $f'(0) = 0$.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Barron 2021, arXiv:2112.11687.
///
/// Max error (`f32`): value 0.8 ULP, derivative 0.8 ULP.
/// Max error (`f32`, without fused multiply-add): value 1.5 ULP, derivative 3.0 ULP.
/// Max error (`f64`): value 0.8 ULP, derivative 0.8 ULP.
/// Max error (`f64`, without fused multiply-add): value 1.5 ULP, derivative 2.9 ULP.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Squareplus {
    b: f64,
}

impl Squareplus {
    pub(crate) fn new(b: f64) -> Self {
        Self { b }
    }

    /// √(x² + b), no more than quotients can do with, and half the sum of the root itself and |x|.
    #[inline(always)]
    fn parts<T: Real>(self, x: T) -> (Pair<T>, Pair<T>) {
        let magnitude = x.abs();
        let bound = f64::powi(2.0, if T::SINGLE { 60 } else { 500 });
        let sum = Pair::square(magnitude.at_most(bound)).plus(x.parameter(self.b));
        let root = sum.hi.sqrt();
        let remainder = (-root).mul_add(root, sum.hi) + sum.lo;
        let far = magnitude.gt(bound);
        let root = T::select(far, magnitude, root);
        let held = root.at_most(Self::largest::<T>());
        // By the reciprocal that the derivative needs too.
        let error = T::select(far, x.splat(0.0), remainder * 0.5 * (x.splat(1.0) / held));
        let half_sum = Pair::new(root, error).scaled(x.splat(0.5)).add(Pair::exact(magnitude * 0.5));
        (Pair::new(held, error), half_sum)
    }

    /// From where on the derivative is 0 or 1: quotients of larger numbers could overflow on the way.
    #[inline(always)]
    fn largest<T: Real>() -> f64 {
        f64::powi(2.0, if T::SINGLE { 126 } else { 1022 })
    }
}

impl Pointwise for Squareplus {
    const COST: Cost = Cost::Arithmetic;
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "squareplus"
    }
    fn spec(&self) -> String {
        format!("squareplus({})", self.b)
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        if self.b == 0.0 {
            return x.at_least(0.0);
        }
        let (_, half_sum) = self.parts(x);
        let quarter = Pair::exact(x.parameter(self.b) * 0.25);
        let finite = T::select(x.lt(0.0), quarter.quotient(half_sum), half_sum.round());
        // The sum of infinities has no lower word.
        T::select(x.is(f64::INFINITY), x, T::select(x.is(f64::NEG_INFINITY), x.splat(0.0), finite))
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        if self.b == 0.0 {
            let step = T::select(x.gt(0.0), x.splat(1.0), x.splat(0.0));
            return T::select(x.is(x), step, x);
        }
        let (root, half_sum) = self.parts(x);
        let quarter = Pair::exact(x.parameter(self.b) * 0.25);
        let below = root.reciprocal().times(half_sum.reciprocal().times(quarter)).round();
        let above = Pair::new(half_sum.hi.at_most(Self::largest::<T>()), half_sum.lo).quotient(root);
        let finite = T::select(x.lt(0.0), below, above);
        T::select(x.is(f64::INFINITY), x.splat(1.0), T::select(x.is(f64::NEG_INFINITY), x.splat(0.0), finite))
    }
}
