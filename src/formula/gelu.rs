//! GELU in its three forms.

use crate::{
    math::{FRAC_1_SQRT_TAU, Gate, NormalTail, Pair},
    pointwise::Pointwise,
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
/// Max error of `gelu` (`f32`): value 0.7 ULP, derivative 0.7 ULP; within 0.25 of its root 8.4e-9 absolute.
/// Max error of `gelu` (`f64`): value 1.6 ULP, derivative 1.7 ULP; within 0.25 of its root 3.8e-17 absolute.
/// Max error of `gelu` (`f64`, without fused multiply-add): value 1.7 ULP, derivative 1.8 ULP; within 0.25 of its root 3.8e-17 absolute.
/// Max error of `gelu_tanh` (`f32`): value 0.6 ULP, derivative 0.6 ULP; within 0.25 of its root 7.7e-9 absolute.
/// Max error of `gelu_tanh` (`f64`): value 1.7 ULP, derivative 3.5 ULP; within 0.25 of its root 5.5e-17 absolute.
/// Max error of `gelu_tanh` (`f64`, without fused multiply-add): value 1.7 ULP, derivative 3.6 ULP; within 0.25 of its root 5.5e-17 absolute.
/// Max error of `gelu_sigmoid` (`f32`): value 0.6 ULP, derivative 0.6 ULP; within 0.25 of its root 4.2e-9 absolute.
/// Max error of `gelu_sigmoid` (`f64`): value 1.8 ULP, derivative 3.7 ULP; within 0.25 of its root 4.7e-17 absolute.
/// Max error of `gelu_sigmoid` (`f64`, without fused multiply-add): value 1.7 ULP, derivative 3.7 ULP; within 0.25 of its root 5.3e-17 absolute.
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
    fn name(&self) -> &'static str {
        "gelu"
    }
    /// max(x, 0) - |x| Φ(-|x|), for both signs.
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let tail = NormalTail::new(x);
        tail.exp.product_from(x.at_least(0.0), tail.mills.times(tail.t))
    }
    /// Φ(x) + x φ(x), which is 1 + h for x >= 0 and -h for x < 0 with h = |x| φ(x) - Φ(-|x|).
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let tail = NormalTail::new(x);
        let difference = x.constant(FRAC_1_SQRT_TAU.0, FRAC_1_SQRT_TAU.1).times(tail.t).add(tail.mills.negate());
        let h = tail.exp.product(difference);
        T::select(x.lt(0.0), -h, h + 1.0)
    }
}

/// x σ(2u) with u = √(2/π) (x + 0.044715 x³).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GeluTanh;

impl GeluTanh {
    /// The gate at 2u, the argument (held where the gate is shut), and x (2u)'.
    #[inline(always)]
    fn parts<T: Real>(x: T) -> (Gate<T>, T, Pair<T>) {
        let bound = if T::SINGLE { 13.0 } else { 24.0 };
        let inside = x.at_most(bound).at_least(-bound);
        let magnitude = inside.abs();
        let square = Pair::square(inside);
        // 2 √(2/π), that times 0.044715, and three times that.
        let linear = x.constant(1.5957691216057308, -9.96930880911092e-17);
        let cubic = x.constant(0.07135481627260025, -6.175149918155315e-19);
        let slope = x.constant(0.21406444881780073, 1.2025242832367862e-17);
        let y = linear.add(cubic.product(square)).times(magnitude);
        let z = linear.add(slope.product(square)).times(magnitude);
        (Gate::new(y, x.le(0.0)), inside, z)
    }
}

impl Pointwise for GeluTanh {
    fn name(&self) -> &'static str {
        "gelu_tanh"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let (gate, inside, _) = Self::parts(x);
        gate.times(x, inside)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        let (gate, _, z) = Self::parts(x);
        gate.gated_slope(z)
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
        gate.gated_slope(y)
    }
}
