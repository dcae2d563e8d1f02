//! The element types: `f32` and `f64`.

use fearless_simd::{Simd, SimdFloatElement, SimdIntElement};
use ndarray::NdFloat;

use crate::{
    engine::Engine,
    real::{Lanes, Wide, Work},
};

/// What an array of this crate holds: `f32` or `f64`. Sealed: the kernels are compiled in this crate, once for each of the two.
///
/// The supertrait [`NdFloat`] gives generic user code arithmetic, `ndarray`'s operators and `dot`.
///
/// ```
/// use ndarray_activations::{Element, Layer, ReLU, Result};
///
/// fn positive_part<A: Element>(x: &ndarray::ArrayD<A>) -> Result<ndarray::ArrayD<A>> {
///     ReLU::new().infer(x)
/// }
/// assert_eq!(positive_part(&ndarray::array![-1.0_f32, 2.0].into_dyn())?.sum(), 2.0);
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
pub trait Element: NdFloat + SimdFloatElement<Mask: SimdIntElement> + Engine + Default {
    /// Whether this is the 32-bit type (which takes the shorter polynomials).
    #[doc(hidden)]
    const SINGLE: bool;
    /// The bits of the significand that are stored.
    #[doc(hidden)]
    const MANTISSA_BITS: u32;

    /// The nearest value of this type.
    ///
    /// ```
    /// # use ndarray_activations::Element;
    /// assert_eq!(f32::rounded(0.1), 0.1_f32);
    /// ```
    fn rounded(value: f64) -> Self;

    /// The value as `f64`, exactly.
    ///
    /// ```
    /// # use ndarray_activations::Element;
    /// assert_eq!(0.5_f32.widened(), 0.5_f64);
    /// ```
    fn widened(self) -> f64;

    /// The numbers that formulas with exponentials meet: `f64` for both, in two words where the element is one. Measured, `f32` widened, computed in one word
    /// of `f64` and rounded once is both faster and more accurate than two words of `f32`.
    #[doc(hidden)]
    type Work<S: Simd>: Work<S, Self>;

    /// A number in [0, 1) from the topmost bits of the word, as many as the significand has: the same for both types, apart from rounding down.
    #[doc(hidden)]
    fn uniform(word: u64) -> Self;
}

impl Element for f32 {
    const SINGLE: bool = true;
    const MANTISSA_BITS: u32 = 23;
    type Work<S: Simd> = Wide<S>;

    #[inline(always)]
    fn rounded(value: f64) -> Self {
        value as Self
    }
    #[inline(always)]
    fn widened(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn uniform(word: u64) -> Self {
        (word >> 40) as Self * (1.0 / (1 << 24) as Self)
    }
}

impl Element for f64 {
    const SINGLE: bool = false;
    const MANTISSA_BITS: u32 = 52;
    type Work<S: Simd> = Lanes<S, Self>;

    #[inline(always)]
    fn rounded(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn widened(self) -> f64 {
        self
    }
    #[inline(always)]
    fn uniform(word: u64) -> Self {
        (word >> 11) as Self * (1.0 / (1_u64 << 53) as Self)
    }
}
