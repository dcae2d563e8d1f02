//! What a formula may use: arithmetic with itself and with `f64` literals, comparisons, selection.
//!
//! A formula is written once, on any [`Real`]; it runs on [`Lanes`], a native-width vector of `f32` or `f64` of whatever instruction set the CPU has.

use std::{
    fmt::Debug,
    ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub},
};

use fearless_simd::{Level, Select, Simd, SimdBase, SimdFloat, SimdFloatElement, SimdNarrow, SimdWiden};

use crate::{element::Element, math::Pair};

/// A real number as formulas see it: `f32` or `f64`, one or many at a time.
///
/// Literals are plain `f64`s, rounded at most once, to the element type. There are no branches: [`select`](Self::select) takes one of two results.
/// A formula with exponentials meets `f32` elements as `f64` numbers, and its results are rounded to `f32` in the end.
///
/// ```
/// use ndarray_activations::Real;
///
/// /// max(x, 0), and NaN for NaN.
/// fn relu<T: Real>(x: T) -> T {
///     T::select(x.le(0.0), x.splat(0.0), x)
/// }
/// ```
pub trait Real:
    Copy
    + Debug
    + Operand<Self>
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// The answer of a comparison.
    type Mask: Copy + BitAnd<Output = Self::Mask> + BitOr<Output = Self::Mask> + Not<Output = Self::Mask>;

    /// Whether the element type is `f32`.
    const SINGLE: bool;
    /// Whether these numbers have digits and exponents to spare: `f64` on behalf of `f32`, where one word does what elsewhere takes two.
    const SPARE: bool;

    /// A hyper-parameter: a constant, rounded to the element type even where there are digits to spare.
    #[must_use]
    fn parameter(self, value: f64) -> Self;
    /// A constant. (`self` only tells which kind of number is wanted.)
    #[must_use]
    fn splat(self, constant: f64) -> Self;
    /// The absolute value.
    #[must_use]
    fn abs(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    #[must_use]
    fn copysign(self, sign: Self) -> Self;
    /// The square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// `self * b + c`, rounded once where the CPU has a fused multiply-add and twice where it has not.
    #[must_use]
    fn mul_add(self, b: impl Operand<Self>, c: impl Operand<Self>) -> Self;

    /// `self * b + c`, rounded once on every CPU (slower without fused multiply-add).
    #[must_use]
    fn fused_mul_add(self, b: Self, c: Self) -> Self;

    /// `self < other`; false for NaN, as every comparison here.
    fn lt(self, other: impl Operand<Self>) -> Self::Mask;
    /// `self <= other`.
    fn le(self, other: impl Operand<Self>) -> Self::Mask;
    /// `self > other`.
    fn gt(self, other: impl Operand<Self>) -> Self::Mask;
    /// `self >= other`.
    fn ge(self, other: impl Operand<Self>) -> Self::Mask;
    /// `self == other`.
    fn is(self, other: impl Operand<Self>) -> Self::Mask;
    /// `yes` where the mask holds, `no` elsewhere.
    #[must_use]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The smaller of the two; `self` where it is NaN or they are equal.
    #[must_use]
    fn at_most(self, bound: impl Operand<Self>) -> Self;
    /// The larger of the two; `self` where it is NaN or they are equal.
    #[must_use]
    fn at_least(self, bound: impl Operand<Self>) -> Self;

    /// The constant `hi + lo` in two words of the element type.
    #[inline(always)]
    fn constant(self, hi: f64, lo: f64) -> Pair<Self> {
        if Self::SPARE {
            Pair::exact(self.splat(hi))
        } else if Self::SINGLE {
            let first = f64::from(hi as f32);
            Pair::new(self.splat(first), self.splat(hi - first))
        } else {
            Pair::new(self.splat(hi), self.splat(lo))
        }
    }

    /// The value of a polynomial, coefficients from the lowest degree up; the first table for `f32`, the second for `f64`.
    #[must_use]
    #[inline(always)]
    fn polynomial<const M: usize, const N: usize>(self, single: &[f64; M], double: &[f64; N]) -> Self {
        if Self::SINGLE { blockwise(self, single) } else { blockwise(self, double) }
    }

    /// The exact product in two words.
    fn exact_product(self, other: Self) -> Pair<Self>;

    /// For a product `self * factor` below 2^20 in magnitude: the nearest integer `n`, and `2^(n + shift)`, which must lie in the normal range.
    #[doc(hidden)]
    fn round_and_exp2(self, factor: f64, shift: Self) -> (Self, Self);

    /// All the numbers in order.
    #[doc(hidden)]
    fn words(self, words: &mut [f64]);

    /// As many numbers from words.
    #[doc(hidden)]
    #[must_use]
    fn of_words(self, words: &[f64]) -> Self;

    /// For a normal positive number: `(k, 2^-k)` with `self * 2^-k` between `sqrt(1/2)` and `sqrt(2)`.
    #[doc(hidden)]
    fn exponent(self) -> (Self, Self);
}

/// Blocks of two or four coefficients by G. Estrin's scheme (1960, doi:10.1145/1460361.1460365), joined by Horner's: the chain of operations that wait for
/// each other is what limits a kernel, and this one is about half as long as Horner's alone.
#[inline(always)]
fn blockwise<T: Real, const N: usize>(x: T, coefficients: &[f64; N]) -> T {
    let width = if N > 8 { 4 } else { 2 };
    let square = x * x;
    let power = if width == 4 { square * square } else { square };
    let last = (N - 1) / width * width;
    let mut sum = block(x, square, &coefficients[last..]);
    for i in (0..last / width).rev() {
        sum = sum.mul_add(power, block(x, square, &coefficients[i * width..(i + 1) * width]));
    }
    sum
}

/// A polynomial of up to four coefficients.
#[inline(always)]
fn block<T: Real>(x: T, square: T, coefficients: &[f64]) -> T {
    match *coefficients {
        [a] => x.splat(a),
        [a, b] => x.mul_add(b, a),
        [a, b, c] => square.mul_add(c, x.mul_add(b, a)),
        [a, b, c, d, ..] => x.mul_add(d, c).mul_add(square, x.mul_add(b, a)),
        [] => x.splat(0.0),
    }
}

/// What stands on the right of a comparison: another number or an `f64` literal.
///
/// `Copy`, so that the compiler need not provide for dropping it.
pub trait Operand<T>: Copy {
    /// As the kind of number that `like` is.
    fn operand(self, like: T) -> T;
}

impl<T: Real> Operand<T> for f64 {
    #[inline(always)]
    fn operand(self, like: T) -> T {
        like.splat(self)
    }
}

impl<S: Simd, E: Element> Operand<Self> for Lanes<S, E> {
    #[inline(always)]
    fn operand(self, _like: Self) -> Self {
        self
    }
}

impl<S: Simd> Operand<Self> for Wide<S> {
    #[inline(always)]
    fn operand(self, _like: Self) -> Self {
        self
    }
}

/// A native-width vector of the instruction set `S`.
#[derive(Clone, Copy, Debug)]
pub struct Lanes<S: Simd, E: Element>(pub(crate) E::Native<S>);

pub(crate) type LaneMask<S, E> = <<E as SimdFloatElement>::Native<S> as SimdBase<S>>::Mask;

/// The instructions for `min` and `max` give the second operand where one is NaN or both are zero: those of x86-64 do.
const SECOND_WINS: bool = cfg!(target_arch = "x86_64");

impl<S: Simd, E: Element> Lanes<S, E> {
    /// Whether the instruction set multiplies and adds with one rounding. Known when the kernel is compiled.
    #[inline(always)]
    fn fuses(self) -> bool {
        use fearless_simd::ExtractToken as _;
        match self.0.token().level() {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx2(_) | Level::Avx512(_) => true,
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => true,
            #[allow(unreachable_patterns, reason = "on some targets every level is named above")]
            _ => false,
        }
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:tt) => {
        impl<S: Simd, E: Element> $trait for Lanes<S, E> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(self.0 $op other.0)
            }
        }
        impl<S: Simd, E: Element> $trait<f64> for Lanes<S, E> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: f64) -> Self {
                Self(self.0 $op E::rounded(other))
            }
        }
    };
}
operator!(Add, add, +);
operator!(Sub, sub, -);
operator!(Mul, mul, *);
operator!(Div, div, /);

impl<S: Simd, E: Element> Neg for Lanes<S, E> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

macro_rules! comparisons {
    ($($name:ident => $simd:ident),*) => {
        $(#[inline(always)]
        fn $name(self, other: impl Operand<Self>) -> Self::Mask {
            self.0.$simd(other.operand(self).0)
        })*
    };
}

impl<S: Simd, E: Element> Real for Lanes<S, E> {
    type Mask = LaneMask<S, E>;
    const SINGLE: bool = E::SINGLE;
    const SPARE: bool = false;

    #[inline(always)]
    fn parameter(self, value: f64) -> Self {
        self.splat(value)
    }
    #[inline(always)]
    fn splat(self, constant: f64) -> Self {
        use fearless_simd::ExtractToken as _;
        Self(E::Native::<S>::splat(self.0.token(), E::rounded(constant)))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs())
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Self(self.0.copysign(sign.0))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }
    #[inline(always)]
    fn mul_add(self, b: impl Operand<Self>, c: impl Operand<Self>) -> Self {
        Self(self.0.mul_add(b.operand(self).0, c.operand(self).0))
    }
    #[inline(always)]
    fn fused_mul_add(self, b: Self, c: Self) -> Self {
        if self.fuses() {
            return self.mul_add(b, c);
        }
        let product = self.exact_product(b);
        let sum = Pair::sum(product.hi, c);
        let exact = sum.hi + (sum.lo + product.lo);
        // Near the largest numbers the product has no lower word: NaN.
        Self::select(exact.abs().lt(f64::INFINITY), exact, product.hi + c)
    }
    comparisons!(lt => simd_lt, le => simd_le, gt => simd_gt, ge => simd_ge, is => simd_eq);
    #[inline(always)]
    fn at_most(self, bound: impl Operand<Self>) -> Self {
        let bound = bound.operand(self);
        if SECOND_WINS { Self(bound.0.min(self.0)) } else { Self::select(self.gt(bound), bound, self) }
    }
    #[inline(always)]
    fn at_least(self, bound: impl Operand<Self>) -> Self {
        let bound = bound.operand(self);
        if SECOND_WINS { Self(bound.0.max(self.0)) } else { Self::select(self.lt(bound), bound, self) }
    }
    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(mask.select(yes.0, no.0))
    }

    #[inline(always)]
    fn exact_product(self, other: Self) -> Pair<Self> {
        let product = self * other;
        let error = if self.fuses() {
            self.mul_add(other, -product)
        } else {
            // Veltkamp and Dekker: halves of the significands multiply exactly.
            let (a, b) = (halves(self), halves(other));
            ((a.hi * b.hi - product) + a.hi * b.lo + a.lo * b.hi) + a.lo * b.lo
        };
        Pair::new(product, error)
    }

    #[inline(always)]
    fn round_and_exp2(self, factor: f64, shift: Self) -> (Self, Self) {
        // Adding 1.5 · 2^m, the bias and the shift leaves the biased exponent in the lowest bits of the significand.
        let magic = shift + if E::SINGLE { 12_582_912.0 + 127.0 } else { 6_755_399_441_055_744.0 + 1023.0 };
        let rounded = self.mul_add(factor, magic);
        (rounded - magic, Self(E::Native::<S>::from_bits(rounded.0.to_bits() << E::MANTISSA_BITS)))
    }

    #[inline(always)]
    fn words(self, words: &mut [f64]) {
        for (word, element) in words.iter_mut().zip(self.0.as_slice()) {
            *word = element.widened();
        }
    }
    #[inline(always)]
    fn of_words(self, words: &[f64]) -> Self {
        use fearless_simd::ExtractToken as _;
        Self(E::Native::<S>::from_fn(self.0.token(), |place| E::rounded(words[place])))
    }

    #[inline(always)]
    fn exponent(self) -> (Self, Self) {
        let (integers, bias, top) = if E::SINGLE { (8_388_608.0, 127.0, f64::powi(2.0, 127)) } else { (4_503_599_627_370_496.0, 1023.0, f64::powi(2.0, 1023)) };
        let one = self.splat(1.0).0.to_bits();
        let half_root = self.splat(std::f64::consts::FRAC_1_SQRT_2).0.to_bits();
        let biased = (self.0.to_bits() - half_root + one) >> E::MANTISSA_BITS;
        let k = Self(E::Native::<S>::from_bits(biased | self.splat(integers).0.to_bits())) - (integers + bias);
        let factor = Self(E::Native::<S>::from_bits(self.splat(top).0.to_bits() - (biased << E::MANTISSA_BITS)));
        (k, factor)
    }
}

/// As many `f32` elements as a native-width vector holds, as two vectors of `f64`.
#[derive(Clone, Copy, Debug)]
pub struct Wide<S: Simd>([Lanes<S, f64>; 2]);

/// The numbers that stand for elements `A` while a formula with exponentials is computed.
pub trait Work<S: Simd, A: Element>: Real {
    /// From elements.
    fn widen(lanes: Lanes<S, A>) -> Self;
    /// To elements, rounded.
    fn narrow(self) -> Lanes<S, A>;
}

impl<S: Simd> Work<S, f32> for Wide<S> {
    #[inline(always)]
    fn widen(lanes: Lanes<S, f32>) -> Self {
        let (low, high) = lanes.0.widen();
        Self([Lanes(low), Lanes(high)])
    }
    #[inline(always)]
    fn narrow(self) -> Lanes<S, f32> {
        Lanes(self.0[0].0.narrow(self.0[1].0))
    }
}

impl<S: Simd> Work<S, f64> for Lanes<S, f64> {
    #[inline(always)]
    fn widen(lanes: Self) -> Self {
        lanes
    }
    #[inline(always)]
    fn narrow(self) -> Self {
        self
    }
}

/// The masks of two vectors.
#[derive(Clone, Copy, Debug)]
pub struct WideMask<M>([M; 2]);

macro_rules! wide_operators {
    ($($trait:ident, $method:ident, $op:tt);*) => {
        $(impl<S: Simd> $trait for Wide<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self([self.0[0] $op other.0[0], self.0[1] $op other.0[1]])
            }
        }
        impl<S: Simd> $trait<f64> for Wide<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: f64) -> Self {
                Self([self.0[0] $op other, self.0[1] $op other])
            }
        })*
    };
}
wide_operators!(Add, add, +; Sub, sub, -; Mul, mul, *; Div, div, /);

macro_rules! mask_operators {
    ($($trait:ident, $method:ident, $op:tt);*) => {
        $(impl<M: Copy + $trait<Output = M>> $trait for WideMask<M> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self([self.0[0] $op other.0[0], self.0[1] $op other.0[1]])
            }
        })*
    };
}
mask_operators!(BitAnd, bitand, &; BitOr, bitor, |);

impl<M: Copy + Not<Output = M>> Not for WideMask<M> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self([!self.0[0], !self.0[1]])
    }
}

impl<S: Simd> Neg for Wide<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self([-self.0[0], -self.0[1]])
    }
}

macro_rules! wide_comparisons {
    ($($name:ident),*) => {
        $(#[inline(always)]
        fn $name(self, other: impl Operand<Self>) -> Self::Mask {
            let other = other.operand(self);
            WideMask([self.0[0].$name(other.0[0]), self.0[1].$name(other.0[1])])
        })*
    };
}

impl<S: Simd> Real for Wide<S> {
    type Mask = WideMask<LaneMask<S, f64>>;
    const SINGLE: bool = true;
    const SPARE: bool = true;

    #[inline(always)]
    fn parameter(self, value: f64) -> Self {
        self.splat(f64::from(value as f32))
    }
    #[inline(always)]
    fn splat(self, constant: f64) -> Self {
        Self([self.0[0].splat(constant); 2])
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self([self.0[0].abs(), self.0[1].abs()])
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Self([self.0[0].copysign(sign.0[0]), self.0[1].copysign(sign.0[1])])
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self([self.0[0].sqrt(), self.0[1].sqrt()])
    }
    #[inline(always)]
    fn mul_add(self, b: impl Operand<Self>, c: impl Operand<Self>) -> Self {
        let (b, c) = (b.operand(self), c.operand(self));
        Self([self.0[0].mul_add(b.0[0], c.0[0]), self.0[1].mul_add(b.0[1], c.0[1])])
    }
    #[inline(always)]
    fn fused_mul_add(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    wide_comparisons!(lt, le, gt, ge, is);
    #[inline(always)]
    fn at_most(self, bound: impl Operand<Self>) -> Self {
        let bound = bound.operand(self);
        Self([self.0[0].at_most(bound.0[0]), self.0[1].at_most(bound.0[1])])
    }
    #[inline(always)]
    fn at_least(self, bound: impl Operand<Self>) -> Self {
        let bound = bound.operand(self);
        Self([self.0[0].at_least(bound.0[0]), self.0[1].at_least(bound.0[1])])
    }
    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self([Lanes::select(mask.0[0], yes.0[0], no.0[0]), Lanes::select(mask.0[1], yes.0[1], no.0[1])])
    }
    #[inline(always)]
    fn exact_product(self, other: Self) -> Pair<Self> {
        Pair::exact(self * other)
    }
    #[inline(always)]
    fn round_and_exp2(self, factor: f64, shift: Self) -> (Self, Self) {
        let (low, high) = (self.0[0].round_and_exp2(factor, shift.0[0]), self.0[1].round_and_exp2(factor, shift.0[1]));
        (Self([low.0, high.0]), Self([low.1, high.1]))
    }
    #[inline(always)]
    fn words(self, words: &mut [f64]) {
        let (low, high) = words.split_at_mut(words.len() / 2);
        self.0[0].words(low);
        self.0[1].words(high);
    }
    #[inline(always)]
    fn of_words(self, words: &[f64]) -> Self {
        let (low, high) = words.split_at(words.len() / 2);
        Self([self.0[0].of_words(low), self.0[1].of_words(high)])
    }
    #[inline(always)]
    fn exponent(self) -> (Self, Self) {
        let (low, high) = (self.0[0].exponent(), self.0[1].exponent());
        (Self([low.0, high.0]), Self([low.1, high.1]))
    }
}

/// A number as the sum of two with half the significand each.
#[inline(always)]
fn halves<T: Real>(x: T) -> Pair<T> {
    let scaled = x * if T::SINGLE { 4097.0 } else { 134_217_729.0 };
    let hi = scaled - (scaled - x);
    Pair::new(hi, x - hi)
}
