use crate::{
    math::{Pair, Reciprocal, exp_of_held},
    pointwise::{Cost, Pointwise},
    real::Real,
};

/// Mish, $f(x) = x \tanh(\ln(1 + e^x))$.
///
/// - With $n = e^x (e^x + 2)$ it is $f(x) = x \frac{n}{n + 2}$: one exponential and no cancellation.
/// - Derivative: $f'(x) = \frac{e^x}{n + 2} \left(e^x + 2 + \frac{4 x (e^x + 1)}{n + 2}\right)$.
/// - Minimum: -0.30884 at $x = -1.19243$.
/// - Limits: $f(-∞) = 0$ with $f' = 0$, $f(∞) = ∞$ with $f' = 1$.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Misra 2019, arXiv:1908.08681.
///
/// Max error (`f32`): value 1.2 ULP, derivative 3.2 ULP; within 0.25 of its root 1.3e-8 absolute.
/// Max error (`f32`, without fused multiply-add): value 2.4 ULP, derivative 5.5 ULP; within 0.25 of its root 2.6e-8 absolute.
/// Max error (`f64`): value 1.1 ULP, derivative 2.8 ULP; within 0.25 of its root 2.3e-17 absolute.
/// Max error (`f64`, without fused multiply-add): value 2.3 ULP, derivative 4.5 ULP; within 0.25 of its root 4.1e-17 absolute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mish;

/// From here on f(x) is x and f'(x) 1.
#[inline(always)]
fn open<T: Real>() -> f64 {
    if T::SINGLE { 11.0 } else { 22.0 }
}

/// What value and derivative have in common. The power of two of e^x comes last, so that a subnormal result is rounded once.
#[derive(Clone, Copy, Debug)]
struct Parts<T> {
    /// x, held where f(x) is 0 or x.
    x: T,
    /// e^x and what it has to be multiplied by in the end.
    scaled: Pair<T>,
    unshift: T,
    /// e^x + 2.
    two_more: Pair<T>,
    /// n, to be multiplied likewise.
    n: Pair<T>,
    /// 1 / (n + 2).
    inverse: Reciprocal<T>,
}

impl<T: Real> Parts<T> {
    #[inline(always)]
    fn new(x: T) -> Self {
        let x = x.at_most(open::<T>()).at_least(if T::SINGLE { -130.0 } else { -1060.0 });
        let (scaled, unshift) = exp_of_held(Pair::exact(x)).shifted_pair();
        let two = x.splat(2.0);
        let two_more = Pair::fused(scaled.hi, unshift, two);
        let two_more = Pair::new(two_more.hi, scaled.lo.mul_add(unshift, two_more.lo));
        let low = scaled.lo.mul_add(two_more.hi, scaled.hi * two_more.lo);
        let n = scaled.hi.exact_product(two_more.hi).plus_low(low);
        let divisor = Pair::fused(scaled.hi, two_more.hi * unshift, two);
        let divisor = Pair::new(divisor.hi, low.mul_add(unshift, divisor.lo));
        Self { x, scaled, unshift, two_more, n, inverse: divisor.reciprocal() }
    }
}

impl Pointwise for Mish {
    const COST: Cost = Cost::Long;
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "mish"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let parts = Parts::new(x);
        let value = parts.inverse.times(parts.n.times(parts.x.abs())).round() * parts.unshift;
        // Without fused multiply-add the quotient can be a little above 1.
        T::select(x.gt(open::<T>()), x, value.at_most(x.abs()).copysign(x))
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let parts = Parts::new(x);
        let one_more = Pair::new(parts.two_more.hi - 1.0, parts.two_more.lo);
        let second = parts.inverse.times(one_more.times(parts.x * 4.0));
        let sum = (parts.two_more.hi + second.hi) + (parts.two_more.lo + second.lo);
        let slope = parts.inverse.times(parts.scaled.hi.exact_product(sum)).round() * parts.unshift;
        T::select(x.gt(open::<T>()), x.splat(1.0), slope)
    }
}
