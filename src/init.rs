//! Initial weights, and the gain that an activation asks of them.
//!
//! A layer of weights followed by an activation keeps the size of the signal from layer to layer if the weights have the variance gain² / fan, where the fan is
//! the number of inputs of a unit (or of its outputs, or between the two, for the gradients on their way back).
//!
//! | function | standard deviation | meant for | source |
//! |---|---|---|---|
//! | `he_*`, `kaiming_*` | √(2 / fan-in) | `ReLU` and its relatives | He et al. 2015, arXiv:1502.01852 |
//! | `glorot_*`, `xavier_*` | √(2 / (fan-in + fan-out)) | `Tanh`, `Softsign`, the output layer | Glorot and Bengio 2010 |
//! | `lecun_*` | √(1 / fan-in) | `SELU` | LeCun et al. 1998, "Efficient BackProp", section 4.6 |
//! | `normal`, `uniform` | [`gain`] / √fan | any other | |
//!
//! - **Which axis is which.** As in Keras: a matrix has a row for each input and a column for each output, as in `x.dot(&weights)`. With more axes, as in the
//!   kernel of a convolution, the last two are input and output channels, and those before them the receptive field, whose size multiplies both fans. With
//!   one axis both fans are its length, with none 1. PyTorch puts the outputs first: make the array in the order given here and turn it with `permuted_axes`
//!   or `reversed_axes`.
//! - **Which distribution.** The normal ones are plain, as in PyTorch (Keras cuts them off at two standard deviations). The uniform ones lie between ±√3
//!   standard deviations.
//! - **Seeds.** The same seed and shape give the same weights, on every platform and whatever the memory order and the element type (up to rounding): ChaCha8,
//!   and [`rand_distr`](https://docs.rs/rand_distr/0.5)'s normal distribution. (Its rare values beyond 3.65 standard deviations go through the platform's
//!   logarithm, whose last bit may differ.) Give each layer a seed of its own, else equal shapes start with equal weights.
//!
//! The weights need the feature `rand`, which is on by default; [`gain`] does not.

use ndarray::ArrayD;

use crate::{Element, Layer};

#[cfg(feature = "rand")]
pub use weights::{
    Fan, glorot_normal, glorot_normal as xavier_normal, glorot_uniform, glorot_uniform as xavier_uniform, he_normal, he_normal as kaiming_normal, he_uniform,
    he_uniform as kaiming_uniform, lecun_normal, lecun_uniform, normal, uniform,
};

/// The factor by which weights before this activation should be larger than 1 / √fan.
///
/// PyTorch's table (`torch.nn.init.calculate_gain`) where it has the activation, recognised by its [name](Layer::name):
///
/// | activation | gain |
/// |---|---|
/// | `Identity`, `Sigmoid` | 1 |
/// | `Tanh` | 5/3 |
/// | `ReLU` | √2 |
/// | `LeakyReLU` with slope a | √(2 / (1 + a²)) |
/// | `PReLU`, which the table lacks | the same with the mean of α² |
/// | `SELU` | 1: what self-normalisation assumes (Klambauer et al. 2017); PyTorch's table has 3/4, a compromise for nets with other layers in them |
///
/// For every other activation f it is 1 / √E[f(z)²] with z ~ N(0, 1), which keeps the second moment of the signal at 1 (He et al. 2015, equation 10, in
/// general). The expectation is a Gauss-Legendre quadrature of [`infer`](Layer::infer) over pieces that end at the [kinks](Layer::kinks) of the layer. Its
/// relative error is below 1e-12 in f64 and 1e-7 in f32 (the rounding of points and values) for formulas that are smooth but for declared kinks; about 1e-5
/// with kinks that are not declared, 1e-3 with jumps that are not.
///
/// It is 1 for what has no gain in this sense: a layer whose `infer` fails on an array of one axis, changes the shape, or mixes elements, as `Softmax` does;
/// and where the expectation is 0, infinite or NaN.
///
/// ```
/// use ndarray_activations::{GELU, LeakyReLU, ReLU, init::gain};
///
/// assert_eq!(gain(&ReLU::<f32>::new()), 2_f64.sqrt());
/// assert_eq!(gain(&LeakyReLU::<f32>::new(0.2)), (2.0 / (1.0 + 0.2 * 0.2_f64)).sqrt());
/// assert!((gain(&GELU::<f64>::new()) - 1.533).abs() < 1e-3);
/// ```
pub fn gain<A: Element>(layer: &(impl Layer<A> + ?Sized)) -> f64 {
    let of_slope = |mean_square: f64| Some((1.0 + mean_square) / 2.0);
    let mean_square = match layer.name() {
        "identity" | "sigmoid" | "selu" => Some(1.0),
        "tanh" => Some(9.0 / 25.0),
        "relu" => Some(0.5),
        // The slope as it was given, rather than rounded to the element type.
        "leaky_relu" => number_in(&layer.spec()).map_or_else(|| mean_square(layer), |slope| of_slope(slope * slope)),
        // Its alpha may fit inputs of one certain shape only.
        "prelu" => layer.params().first().and_then(|alpha| alpha.value.mapv(|a| a.widened() * a.widened()).mean()).and_then(of_slope),
        _ => mean_square(layer),
    };
    mean_square.map(|square| square.recip().sqrt()).filter(|gain| gain.is_finite() && *gain > 0.0).unwrap_or(1.0)
}

/// The number in "name(number)".
fn number_in(spec: &str) -> Option<f64> {
    spec.split_once('(')?.1.strip_suffix(')')?.parse().ok()
}

/// E[f(z)²] for z ~ N(0, 1), of a layer that works element by element.
fn mean_square<A: Element>(layer: &(impl Layer<A> + ?Sized)) -> Option<f64> {
    let rule = normal_rule(&layer.kinks());
    let values = |rule: &[(f64, f64)]| {
        let points: ArrayD<A> = rule.iter().map(|&(z, _)| A::rounded(z)).collect::<ndarray::Array1<A>>().into_dyn();
        layer.infer(&points).ok().filter(|values| values.shape() == points.shape())
    };
    // A layer that mixes elements gives other values when both ends are missing, which a softmax or softmin would have noticed most.
    let skipped = rule.len() / 4;
    let (whole, part) = (values(&rule)?, values(rule.get(skipped..rule.len() - skipped)?)?);
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + a.abs());
    if !whole.iter().skip(skipped).zip(&part).all(|(a, b)| close(a.widened(), b.widened())) {
        return None;
    }
    Some(rule.iter().zip(&whole).map(|(&(_, weight), value)| weight * value.widened() * value.widened()).sum())
}

/// Points and weights with Σ w g(z) = E[g(z)] for z ~ N(0, 1) and a g that is smooth but for kinks at these places.
#[allow(clippy::disallowed_methods, reason = "not a kernel: a few thousand points")]
fn normal_rule(kinks: &[f64]) -> Vec<(f64, f64)> {
    // Beyond 16 the density is below 1e-56; pieces of 1/32 resolve whatever an activation does.
    const PIECES: f64 = 32.0;
    let mut ends: Vec<f64> = (-512..=512).map(|k| f64::from(k) / PIECES).chain(kinks.iter().copied().filter(|kink| kink.abs() < 16.0)).collect();
    ends.sort_by(f64::total_cmp);
    // Gauss-Legendre with 5 points on [-1, 1] (Abramowitz and Stegun, 25.4.29 and table 25.4).
    let root = (10_f64 / 7.0).sqrt();
    let (inner, outer) = ((5.0 - 2.0 * root).sqrt() / 3.0, (5.0 + 2.0 * root).sqrt() / 3.0);
    let (heavy, light) = ((322.0 + 13.0 * 70_f64.sqrt()) / 900.0, (322.0 - 13.0 * 70_f64.sqrt()) / 900.0);
    let legendre = [(-outer, light), (-inner, heavy), (0.0, 128.0 / 225.0), (inner, heavy), (outer, light)];
    let piece = |(left, right): (&f64, &f64)| {
        let (middle, half) = ((left + right) / 2.0, (right - left) / 2.0);
        legendre.map(|(point, weight)| {
            let z = middle + half * point;
            (z, half * weight * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt())
        })
    };
    ends.iter().zip(ends.iter().skip(1)).flat_map(piece).collect()
}

#[cfg(feature = "rand")]
mod weights {
    use std::f64::consts::SQRT_2;

    use ndarray::{Array, ShapeBuilder};
    use ndarray_rand::{
        rand::{SeedableRng, distr::StandardUniform},
        rand_distr::{Distribution, StandardNormal},
    };
    use rand_chacha::ChaCha8Rng;

    use crate::Element;

    /// The number of connections that the variance of a weight is divided by.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fan {
        /// The inputs of a unit: the signal keeps its size on the way forward.
        In,
        /// The outputs: the gradient keeps its size on the way back.
        Out,
        /// The mean of the two (Glorot and Bengio 2010).
        Average,
    }

    impl Fan {
        fn of(self, shape: &[usize]) -> f64 {
            let (fan_in, fan_out) = match *shape {
                [] => (1.0, 1.0),
                [length] => (length as f64, length as f64),
                [ref field @ .., inputs, outputs] => {
                    let field: f64 = field.iter().map(|&length| length as f64).product();
                    (field * inputs as f64, field * outputs as f64)
                }
            };
            match self {
                Self::In => fan_in,
                Self::Out => fan_out,
                Self::Average => (fan_in + fan_out) / 2.0,
            }
        }
    }

    /// Normally distributed weights with mean 0 and standard deviation gain / √fan; see the [module](super) for fans and seeds.
    ///
    /// ```
    /// use ndarray::{Array2, Array4};
    /// use ndarray_activations::{GELU, init::{self, Fan}};
    ///
    /// let gain = init::gain(&GELU::<f32>::new());
    /// let dense: Array2<f32> = init::normal((64, 128), gain, Fan::In, 1); // std = gain / √64
    /// let kernel: Array4<f32> = init::normal((3, 3, 16, 32), gain, Fan::In, 2); // std = gain / √(3 · 3 · 16)
    /// assert_eq!(dense, init::normal((64, 128), gain, Fan::In, 1));
    /// # assert_eq!(kernel.len(), 4608);
    /// ```
    ///
    /// # Panics
    /// Where an array of this shape cannot exist, as all constructors of `ndarray`.
    #[must_use = "the weights are returned"]
    pub fn normal<A: Element, Sh: ShapeBuilder>(shape: Sh, gain: f64, fan: Fan, seed: u64) -> Array<A, Sh::Dim> {
        draw(shape, gain, fan, seed, StandardNormal)
    }

    /// Uniformly distributed weights with mean 0 and standard deviation gain / √fan, so between ±√3 times that; see the [module](super) for fans and seeds.
    ///
    /// # Panics
    /// Where an array of this shape cannot exist, as all constructors of `ndarray`.
    #[must_use = "the weights are returned"]
    pub fn uniform<A: Element, Sh: ShapeBuilder>(shape: Sh, gain: f64, fan: Fan, seed: u64) -> Array<A, Sh::Dim> {
        let width = 12_f64.sqrt();
        draw(shape, gain, fan, seed, Distribution::<f64>::map(StandardUniform, move |u: f64| width * (u - 0.5)))
    }

    fn draw<A: Element, Sh: ShapeBuilder>(shape: Sh, gain: f64, fan: Fan, seed: u64, standard: impl Distribution<f64>) -> Array<A, Sh::Dim> {
        let mut weights = Array::zeros(shape);
        let std = gain / fan.of(weights.shape()).sqrt();
        // Drawn in f64 and filled by index, so that neither the element type nor the memory order changes the weights.
        let numbers = standard.sample_iter(ChaCha8Rng::seed_from_u64(seed));
        weights.iter_mut().zip(numbers).for_each(|(weight, z)| *weight = A::rounded(std * z));
        weights
    }

    macro_rules! named {
        ($($(#[$doc:meta])* $name:ident = $distribution:ident($gain:expr, $fan:expr);)*) => {$(
            $(#[$doc])*
            ///
            /// # Panics
            /// Where an array of this shape cannot exist, as all constructors of `ndarray`.
            #[must_use = "the weights are returned"]
            pub fn $name<A: Element, Sh: ShapeBuilder>(shape: Sh, seed: u64) -> Array<A, Sh::Dim> {
                $distribution(shape, $gain, $fan, seed)
            }
        )*};
    }

    named! {
        /// Normal with variance 2 / fan-in, for `ReLU` and its relatives (He et al. 2015, arXiv:1502.01852).
        ///
        /// ```
        /// let weights: ndarray::Array2<f32> = ndarray_activations::init::he_normal((64, 32), 1);
        /// assert_eq!(weights.dim(), (64, 32));
        /// ```
        he_normal = normal(SQRT_2, Fan::In);
        /// Uniform with variance 2 / fan-in, between ±√(6 / fan-in), for `ReLU` and its relatives (He et al. 2015, arXiv:1502.01852).
        he_uniform = uniform(SQRT_2, Fan::In);
        /// Normal with variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks").
        glorot_normal = normal(1.0, Fan::Average);
        /// Uniform with variance 2 / (fan-in + fan-out), between ±√(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, equation 16).
        glorot_uniform = uniform(1.0, Fan::Average);
        /// Normal with variance 1 / fan-in, for `SELU` (LeCun et al. 1998, "Efficient BackProp", section 4.6; Klambauer et al. 2017).
        lecun_normal = normal(1.0, Fan::In);
        /// Uniform with variance 1 / fan-in, between ±√(3 / fan-in) (LeCun et al. 1998, "Efficient BackProp", section 4.6).
        lecun_uniform = uniform(1.0, Fan::In);
    }
}
