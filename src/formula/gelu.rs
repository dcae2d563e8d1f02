//! GELU in its three forms.

use crate::{
    math::{FRAC_1_SQRT_TAU, Gate, NormalTail, Pair},
    pointwise::{Cost, Pointwise},
    real::Real,
};

/// The Gaussian error linear unit, $f(x) = x Φ(x)$, in one of three forms:
///
/// | constructor | $f(x)$ | spec |
/// |---|---|---|
/// | `GELU::new()` | $x Φ(x) = \frac{x}{2} \mathrm{erfc}(-x/\sqrt{2})$, exact | `gelu` |
/// | `GELU::tanh()` | $x σ(2u)$ with $u = \sqrt{2/π} (x + 0.044715 x^3)$ | `gelu_tanh` |
/// | `GELU::sigmoid()` | $x σ(1.702 x)$ | `gelu_sigmoid` |
///
/// - Derivative of the exact form: $f'(x) = Φ(x) + x φ(x)$; of the others: $σ(y) (1 + x y' σ(-y))$, with the gate $σ(y)$ at $y = 2u$ or $1.702 x$.
/// - Minimum: -0.16997 at $x = -0.75179$ for the exact form.
/// - Limits: $f(-∞) = 0$ with $f' = 0$, $f(∞) = ∞$ with $f' = 1$. The negative tail is right down to the smallest subnormal: $f(-10)$ is -7.62e-23.
/// - Kept for backward: the derivative, one number an element, computed in the same pass as the value.
/// - Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
///
/// Max error of `gelu` (`f32`): value 1.6 ULP, derivative 1.5 ULP; within 0.25 of its root 1.3e-8 absolute.
/// Max error of `gelu` (`f32`, without fused multiply-add): value 2.4 ULP, derivative 2.1 ULP; within 0.25 of its root 2.4e-8 absolute.
/// Max error of `gelu` (`f64`): value 1.3 ULP, derivative 1.4 ULP; within 0.25 of its root 2.1e-17 absolute.
/// Max error of `gelu` (`f64`, without fused multiply-add): value 2.3 ULP, derivative 1.8 ULP; within 0.25 of its root 4.2e-17 absolute.
/// Max error of `gelu_tanh` (`f32`): value 1.9 ULP, derivative 3.6 ULP; within 0.25 of its root 3.5e-8 absolute.
/// Max error of `gelu_tanh` (`f32`, without fused multiply-add): value 1.9 ULP, derivative 4.3 ULP; within 0.25 of its root 3.8e-8 absolute.
/// Max error of `gelu_tanh` (`f64`): value 1.7 ULP, derivative 3.0 ULP; within 0.25 of its root 5.8e-17 absolute.
/// Max error of `gelu_tanh` (`f64`, without fused multiply-add): value 1.7 ULP, derivative 3.8 ULP; within 0.25 of its root 5.8e-17 absolute.
/// Max error of `gelu_sigmoid` (`f32`): value 1.9 ULP, derivative 3.9 ULP; within 0.25 of its root 2.9e-8 absolute.
/// Max error of `gelu_sigmoid` (`f32`, without fused multiply-add): value 1.9 ULP, derivative 4.5 ULP; within 0.25 of its root 3.4e-8 absolute.
/// Max error of `gelu_sigmoid` (`f64`): value 1.8 ULP, derivative 3.6 ULP; within 0.25 of its root 4.4e-17 absolute.
/// Max error of `gelu_sigmoid` (`f64`, without fused multiply-add): value 1.7 ULP, derivative 4.4 ULP; within 0.25 of its root 5.3e-17 absolute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GELU {
    pub(crate) form: GeluForm,
}

/// Which GELU.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum GeluForm {
    #[default]
    Erf,
    Tanh,
    Sigmoid,
}

/// x Φ(x).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GeluErf;

impl Pointwise for GeluErf {
    const COST: Cost = Cost::Long;
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "gelu"
    }
    /// max(x, 0) - |x| Φ(-|x|), for both signs.
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let tail = NormalTail::new(x);
        tail.exp.product_from(x.at_least(0.0), tail.mills_times(tail.t))
    }
    /// Φ(x) + x φ(x), which is 1 + h for x >= 0 and -h for x < 0 with h = |x| φ(x) - Φ(-|x|).
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let tail = NormalTail::new(x);
        let density = x.constant(FRAC_1_SQRT_TAU.0, FRAC_1_SQRT_TAU.1).times(tail.t);
        let mills = tail.mills_times(x.splat(1.0));
        let difference = Pair::sum(density.hi, -mills.hi).plus_low(density.lo - mills.lo);
        let h = tail.exp.product(difference);
        T::select(x.lt(0.0), -h, h + 1.0)
    }
}

/// x σ(2u) with u = √(2/π) (x + 0.044715 x³).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GeluTanh;

impl GeluTanh {
    /// The gate at 2u, |2u|, the argument (held where the gate is shut), and 2 √(2/π) 0.044715 x².
    #[inline(always)]
    fn parts<T: Real>(x: T) -> (Gate<T>, Pair<T>, T, T) {
        let bound = if T::SINGLE { 13.0 } else { 24.0 };
        let inside = x.at_most(bound).at_least(-bound);
        let magnitude = inside.abs();
        // 0.044715 times 2 √(2/π), and that itself: a first part so short that its sums lose nothing, and the rest.
        let cubic = x.constant(0.07135481627260025, -6.175149918155315e-19).product(Pair::square(inside));
        let line = Pair::fast_sum(x.splat(1.5957689285278320), cubic.hi).plus_low(cubic.lo + 1.930778986805098e-7);
        let y = line.times(magnitude);
        (Gate::new(y, x.le(0.0)), y, inside, cubic.hi)
    }
}

impl Pointwise for GeluTanh {
    const COST: Cost = Cost::Long;
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "gelu_tanh"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let (gate, _, inside, _) = Self::parts(x);
        gate.times(x, inside)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        // |x (2u)'| = |2u| + 2 |x| times the cubic's part.
        let (gate, y, inside, cubic) = Self::parts(x);
        let twice = inside.abs() * 2.0;
        let rest = Pair::fused(-cubic, twice, x.splat(1.0) - y.hi).plus_low(-y.lo);
        gate.precise_slope(cubic.mul_add(twice, y.hi) + y.lo, rest)
    }
}

/// x σ(1.702 x).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GeluSigmoid;

impl GeluSigmoid {
    #[inline(always)]
    fn gate<T: Real>(x: T) -> (Gate<T>, T, Pair<T>) {
        let inside = x.at_most(200.0).at_least(if T::SINGLE { -75.0 } else { -600.0 });
        let y = x.constant(1.702, 4.263256414560601e-17).times(inside.abs());
        (Gate::new(y, x.le(0.0)), inside, y)
    }
}

impl Pointwise for GeluSigmoid {
    const WIDENS: bool = false;
    fn name(&self) -> &'static str {
        "gelu_sigmoid"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let (gate, inside, _) = Self::gate(x);
        gate.times(x, inside)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let (gate, _, y) = Self::gate(x);
        gate.gated_slope(y.hi, -y.hi + 1.0 - y.lo)
    }
}
