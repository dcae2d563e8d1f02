//! What an activation is made of: its value and its derivative at one point.

use std::fmt::Debug;

use crate::real::Real;

/// A smooth activation: a formula for the value and one for the derivative, on any [`Real`].
///
/// The layer over it is [`Elementwise`](crate::Elementwise): it computes both in one pass, where the compiler shares what the two have in common, and keeps
/// the derivative for `backward`. Mark both methods `#[inline(always)]`: a kernel is one loop without calls, for each instruction set.
///
/// ```
/// use ndarray::array;
/// use ndarray_activations::{Elementwise, Layer, Pointwise, Real};
///
/// /// x / sqrt(1 + x²), a sigmoid without transcendentals.
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// struct Isru;
///
/// impl Pointwise for Isru {
///     fn name(&self) -> &'static str {
///         "isru"
///     }
///     #[inline(always)]
///     fn value<T: Real>(self, x: T) -> T {
///         x / (x * x + 1.0).sqrt()
///     }
///     #[inline(always)]
///     fn derivative<T: Real>(self, x: T) -> T {
///         let r = x.splat(1.0) / (x * x + 1.0).sqrt();
///         r * r * r
///     }
/// }
///
/// let mut layer = Elementwise::of(Isru);
/// let x = array![0.0_f64, 0.75].into_dyn();
/// assert_eq!(layer.forward(&x)?, array![0.0, 0.6].into_dyn());
/// assert!((layer.backward(&x)?[1] - 0.75 * 0.512).abs() < 1e-15);
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
pub trait Pointwise: Copy + Debug + PartialEq + Send + Sync + 'static {
    /// How much work one element is: it decides how large an array has to be for threads, and where memory is the limit the kernel stores more at a time.
    ///
    /// ```
    /// use ndarray::array;
    /// use ndarray_activations::{Cost, Elementwise, Layer, Pointwise, Real};
    ///
    /// /// x².
    /// #[derive(Clone, Copy, Debug, PartialEq)]
    /// struct Square;
    ///
    /// impl Pointwise for Square {
    ///     const COST: Cost = Cost::Memory;
    ///     fn name(&self) -> &'static str {
    ///         "square"
    ///     }
    ///     #[inline(always)]
    ///     fn value<T: Real>(self, x: T) -> T {
    ///         x * x
    ///     }
    ///     #[inline(always)]
    ///     fn derivative<T: Real>(self, x: T) -> T {
    ///         x * 2.0
    ///     }
    /// }
    ///
    /// let mut layer = Elementwise::of(Square);
    /// let x = array![-3.0_f32, 0.5].into_dyn();
    /// assert_eq!(layer.forward(&x)?, array![9.0, 0.25].into_dyn());
    /// assert_eq!(layer.backward(&x)?, array![18.0, 0.5].into_dyn());
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    const COST: Cost = Cost::Transcendental;

    /// Whether [`widens`](Self::widens) can be true at all. Where it cannot, `false` spares the compiler the loops for wide numbers.
    ///
    /// ```
    /// use ndarray::array;
    /// use ndarray_activations::{Elementwise, Layer, Pointwise, Real, math::tanh};
    ///
    /// /// x tanh(x).
    /// #[derive(Clone, Copy, Debug, PartialEq)]
    /// struct EvenTanh;
    ///
    /// impl Pointwise for EvenTanh {
    ///     const WIDENS: bool = false;
    ///     fn name(&self) -> &'static str {
    ///         "even_tanh"
    ///     }
    ///     #[inline(always)]
    ///     fn value<T: Real>(self, x: T) -> T {
    ///         x * tanh(x)
    ///     }
    ///     #[inline(always)]
    ///     fn derivative<T: Real>(self, x: T) -> T {
    ///         let y = tanh(x);
    ///         y + x * (x.splat(1.0) - y * y)
    ///     }
    /// }
    ///
    /// assert!(!EvenTanh.widens());
    /// let y = Elementwise::of(EvenTanh).infer(&array![-0.5_f32, 0.5].into_dyn())?;
    /// assert_eq!(y[0], y[1]);
    /// assert!((y[1] - 0.5 * 0.5_f32.tanh()).abs() < 1e-7);
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    const WIDENS: bool = true;

    /// The name in lower case, such as `"leaky_relu"`.
    fn name(&self) -> &'static str;

    /// f(x). NaN gives NaN; an infinity gives the limit.
    #[must_use]
    fn value<T: Real>(self, x: T) -> T;

    /// f'(x).
    #[must_use]
    fn derivative<T: Real>(self, x: T) -> T;

    /// f(x) and f'(x). By default the two methods above, of which the compiler computes once what they share; it cannot where each asks for a parameter first, and then
    /// one question for both is faster.
    ///
    /// ```
    /// use ndarray::array;
    /// use ndarray_activations::{Elementwise, Layer, Pointwise, Real, math::exp};
    ///
    /// /// e^(k x).
    /// #[derive(Clone, Copy, Debug, PartialEq)]
    /// struct Growth {
    ///     k: f64,
    /// }
    ///
    /// impl Pointwise for Growth {
    ///     fn name(&self) -> &'static str {
    ///         "growth"
    ///     }
    ///     #[inline(always)]
    ///     fn value<T: Real>(self, x: T) -> T {
    ///         self.value_and_derivative(x).0
    ///     }
    ///     #[inline(always)]
    ///     fn derivative<T: Real>(self, x: T) -> T {
    ///         self.value_and_derivative(x).1
    ///     }
    ///     #[inline(always)]
    ///     fn value_and_derivative<T: Real>(self, x: T) -> (T, T) {
    ///         if self.k == 1.0 {
    ///             let y = exp(x);
    ///             return (y, y);
    ///         }
    ///         let y = exp(x * self.k);
    ///         (y, y * self.k)
    ///     }
    /// }
    ///
    /// let x = array![0.0_f64, 1.0].into_dyn();
    /// let mut layer = Elementwise::of(Growth { k: 2.0 });
    /// assert_eq!(layer.forward(&x)?[0], 1.0);
    /// assert_eq!(layer.backward(&x)?[0], 0.0);
    /// assert!((layer.backward(&x)?[1] / (2.0 * f64::exp(2.0)) - 1.0).abs() < 1e-15);
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    #[must_use]
    #[inline(always)]
    fn value_and_derivative<T: Real>(self, x: T) -> (T, T) {
        (self.value(x), self.derivative(x))
    }

    /// The name with the parameters: `"elu(0.5)"`.
    fn spec(&self) -> String {
        self.name().to_owned()
    }

    /// Where the derivative jumps.
    fn kinks(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Whether `f32` elements reach the formula as `f64` numbers, the results to be rounded once. Without that a formula is up to twice as fast, and its rounding
    /// errors are its own. By default: if it has exponentials.
    ///
    /// ```
    /// use ndarray::array;
    /// use ndarray_activations::{Elementwise, Layer, Pointwise, Real, math::exp};
    ///
    /// /// e^(-x²).
    /// #[derive(Clone, Copy, Debug, PartialEq)]
    /// struct Gaussian {
    ///     exact: bool,
    /// }
    ///
    /// impl Pointwise for Gaussian {
    ///     fn name(&self) -> &'static str {
    ///         "gaussian"
    ///     }
    ///     #[inline(always)]
    ///     fn value<T: Real>(self, x: T) -> T {
    ///         exp(-(x * x))
    ///     }
    ///     #[inline(always)]
    ///     fn derivative<T: Real>(self, x: T) -> T {
    ///         x * -2.0 * exp(-(x * x))
    ///     }
    ///     fn widens(&self) -> bool {
    ///         self.exact
    ///     }
    /// }
    ///
    /// let x = array![3.3_f32].into_dyn();
    /// let truth = f64::exp(-f64::from(x[0]).powi(2));
    /// assert_eq!(Elementwise::of(Gaussian { exact: true }).infer(&x)?[0], truth as f32);
    /// // The square, rounded to `f32`, costs some digits.
    /// let y = f64::from(Elementwise::of(Gaussian { exact: false }).infer(&x)?[0]);
    /// assert!((y / truth - 1.0).abs() < 1e-6);
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    fn widens(&self) -> bool {
        Self::WIDENS && matches!(Self::COST, Cost::Transcendental | Cost::Long)
    }
}

/// An activation with just two slopes, of which `backward` needs one bit.
///
/// `backward` selects: a NaN or infinite gradient where the slope is 0 gives exactly 0.
pub trait TwoSlope: Copy + Debug + PartialEq + Send + Sync + 'static {
    /// The name in lower case, such as `"leaky_relu"`.
    fn name(&self) -> &'static str;

    /// f(x). NaN gives NaN; an infinity gives the limit.
    #[must_use]
    fn value<T: Real>(self, x: T) -> T;

    /// Where the upper slope holds; a NaN counts as there.
    fn upper<T: Real>(self, x: T) -> T::Mask;

    /// The lower slope and the upper one.
    fn slopes(self) -> (f64, f64);

    /// The name with the parameters: `"leaky_relu(0.2)"`.
    fn spec(&self) -> String {
        self.name().to_owned()
    }

    /// Where the derivative jumps.
    fn kinks(&self) -> Vec<f64>;
}

/// How much work one element of a function is: below which size threads do not pay depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cost {
    /// A few instructions: memory is the limit.
    Memory,
    /// Divisions or square roots.
    Arithmetic,
    /// Exponentials and the like.
    Transcendental,
    /// Exponentials and as much work again around them: a second thread pays sooner, whatever the vectors hold.
    Long,
}
