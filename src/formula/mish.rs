use crate::{
    formula::silu::{OPEN, held},
    math::{Pair, exp_of_held},
    pointwise::Pointwise,
    real::Real,
};

/// Mish, $f(x) = x \tanh(\ln(1 + e^x))$.
///
/// - With $n = e^x (e^x + 2)$ it is $f(x) = x \frac{n}{n + 2}$: one exponential and no cancellation.
/// - Derivative: $f'(x) = e^x \frac{4(x + 1) + e^x (4x + 6) + 4 e^{2x} + e^{3x}}{(n + 2)^2}$. For $x > 0$ both are written in $e^{-x}$.
/// - Minimum: -0.30884 at $x = -1.19243$.
/// - Limits: $f(-∞) = 0$ with $f' = 0$, $f(∞) = ∞$ with $f' = 1$.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Misra 2019, arXiv:1908.08681.
///
/// Max error (`f32`): value 0.6 ULP, derivative 0.6 ULP; within 0.25 of its root 4.3e-9 absolute.
/// Max error (`f64`): value 0.8 ULP, derivative 3.5 ULP; within 0.25 of its root 2.5e-17 absolute.
/// Max error (`f64`, without fused multiply-add): value 1.5 ULP, derivative 4.1 ULP; within 0.25 of its root 2.8e-17 absolute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mish;

impl Pointwise for Mish {
    fn name(&self) -> &'static str {
        "mish"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let inside = held(x);
        let negative = x.lt(0.0);
        let exp = exp_of_held(Pair::exact(-inside.abs()));
        let (e, significand) = (exp.pair(), exp.significand());
        let one = Pair::exact(x.splat(1.0));
        let (numerator, denominator) = fraction(e, negative);
        let factor = Pair::select(negative, significand, one).times(inside);
        let value = denominator.reciprocal().times(numerator.product(factor)).round();
        let value = T::select(negative, exp.scale(value), value);
        T::select(x.gt(OPEN), x, value.copysign(x))
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let inside = held(x);
        let negative = x.lt(0.0);
        let exp = exp_of_held(Pair::exact(-inside.abs()));
        let (e, significand) = (exp.pair(), exp.significand());
        let one = Pair::exact(x.splat(1.0));
        let (_, denominator) = fraction(e, negative);
        let (x4, e) = (inside * 4.0, e.hi);
        // 4(x + 1) in two words: the digits near the root.
        let below = Pair::sum(x4, x.splat(4.0)).plus(e * ((x4 + 6.0) + e * (e + 4.0)));
        let above = Pair::sum(one.hi, e * ((e * (x4 + 4.0) + (x4 + 6.0)) * e + 4.0));
        let reciprocal = denominator.reciprocal();
        let first = reciprocal.times(Pair::select(negative, below, above));
        let second = reciprocal.times(Pair::select(negative, significand, one));
        let slope = first.product(second).round();
        T::select(negative, exp.scale(slope), slope)
    }
}

/// n and n + 2, over e^x for x < 0 and over e^2x for x >= 0, from e = e^-|x|.
#[inline(always)]
fn fraction<T: Real>(e: Pair<T>, negative: T::Mask) -> (Pair<T>, Pair<T>) {
    let one = e.hi.splat(1.0);
    let two = e.hi.splat(2.0);
    let factor = T::select(negative, one, two);
    let numerator = Pair::fast_sum(T::select(negative, two, one), e.hi * factor).plus_low(e.lo * factor);
    // Below: 2 + 2e + e² = (2 + e) + (e + e²); above: 1 + 2e + 2e² = (1 + 2e) + 2e².
    let square = e.product(e);
    let rest = Pair::select(negative, e.add(square), square.scaled(two));
    (numerator, numerator.add(rest))
}
