//! Activation layers for [`ndarray`]: `forward` and `backward` on arrays of any dimension, in `f32` and `f64`, right into the tails and vectorised.
//!
//! ```
//! use ndarray::array;
//! use ndarray_activations::{GELU, Layer};
//!
//! let mut layer = GELU::new();
//! let x = array![[-2.0, 0.0, 1.5]].into_dyn();
//! let y = layer.forward(&x)?; // keeps what backward needs
//! let grad_y = array![[1.0, 1.0, 1.0]].into_dyn(); // of some loss
//! let grad_x = layer.backward(&grad_y)?;
//! assert_eq!(grad_x[[0, 1]], 0.5);
//! assert_eq!(layer.infer(&x)?, y); // keeps nothing, needs no &mut
//! # Ok::<(), ndarray_activations::ActivationError>(())
//! ```
//!
//! The [`guide`] has chapters on choosing an activation, writing your own, a network step by step, migrating from `PyTorch`, Keras and numpy, and the
//! errors of the tutorials.
//!
//! # Which form when
//!
//! | you have | take |
//! |---|---|
//! | a network to train | a layer: [`forward`](Layer::forward), then [`backward`](Layer::backward); [`Sequential`] for several |
//! | a trained network | the same layer's [`infer`](Layer::infer): no `&mut`, nothing kept, nothing random |
//! | arrays of fixed dimension, such as [`Array2`](ndarray::Array2) | the same with [`LayerExt`]: `forward_nd`, `infer_nd`, … |
//! | one function to apply, no network | [`ActivationExt`]: `x.gelu()`; or [`functional::gelu`], where derivatives are too: [`functional::gelu_derivative`] |
//! | a name from a file or the command line | [`by_name`]: `"leaky_relu(0.2)"`; [`catalog`] lists them |
//! | a formula of your own | [`Custom`] from two closures; [`Elementwise::of`] a [`Pointwise`], on vectors |
//!
//! A [`Layer`] has three verbs. `forward` is training: it computes the output and keeps what `backward` needs. `backward` takes the gradient of the loss with
//! respect to the output, gives the one with respect to the input, and adds to the gradients of the layer's [parameters](Param). `infer` is evaluation. Each verb
//! has three forms:
//!
//! | form | where the result goes | when |
//! |---|---|---|
//! | [`forward`](Layer::forward) | a new array | the simplest; for small arrays as good as any |
//! | [`forward_into`](Layer::forward_into) | an array of yours, of any memory layout | in a loop: memory fresh from the system costs more than the arithmetic |
//! | [`forward_inplace`](Layer::forward_inplace) | over the input | the same without a second array; what `backward` needs is kept apart, so the input may go |
//!
//! From the second step with the same shape on, the last two allocate nothing (up to four axes, on one thread).
//!
//! # The layers
//!
//! - Rectifiers: [`ReLU`], [`LeakyReLU`], [`PReLU`] (learned), [`ReLU6`], [`ReLUSquared`], [`ThresholdedReLU`], [`Threshold`]
//! - Exponential: [`ELU`], [`SELU`], [`CELU`], [`Exponential`]
//! - Gated by themselves: [`GELU`] in three forms, [`SiLU`], [`Swish`], [`Mish`], [`HardSwish`]
//! - Smooth rectifiers: [`Softplus`], [`Squareplus`], [`SparsePlus`]
//! - Sigmoids: [`Sigmoid`], [`LogSigmoid`], [`HardSigmoid`], [`SparseSigmoid`], [`Tanh`], [`HardTanh`], [`Softsign`], [`Sign`], [`Step`]
//! - Shrinkage: [`HardShrink`], [`SoftShrink`], [`Shrink`], [`TanhShrink`]
//! - Random in training: [`RReLU`], [`AlphaDropout`]
//! - Along one axis or several: [`Softmax`], [`LogSoftmax`], [`Softmin`], [`Sparsemax`], [`Hardmax`]
//! - Along an axis, which becomes shorter: [`GLU`], [`ReGLU`], [`GEGLU`], [`SwiGLU`], [`Bilinear`], [`Maxout`]
//! - [`Identity`]; and your own: [`Custom`] from two closures, [`Elementwise::of`] a formula, or the trait [`Layer`] itself
//!
//! [`catalog`] iterates over them with what is known of each, and [`by_name`] builds one from a text such as `"leaky_relu(0.2)"`. Formula, derivative, conventions,
//! error bound and source of each stand in [`formula`] and [`rows`].
//!
//! # Conventions
//!
//! - Derivatives at kinks are `PyTorch`'s: ReLU'(0) = 0.
//! - NaN gives NaN, an infinity the mathematical limit. In functions with two slopes a NaN counts as the upper side, and a slope of 0 stops any gradient.
//! - The same input gives the same bits for any memory layout, position, length and number of threads, on one instruction set.
//! - The result lies in the memory order of the input. Arrays may be empty or have no axes at all.
//! - Hyper-parameters are plain `f64`s, rounded once to the element type. Every misuse is an [`ActivationError`], and leaves everything as it was.
//!
//! # Features
//!
//! - `rayon` (default): threads for large arrays; a caller inside a pool uses that one.
//! - `rand` (default): random initial weights, in [`init`].
//! - `serde`: layers to and from files, what `forward` kept left out.
//!
//! # Modules
//!
//! [`functional`] and [`formula`] as above; [`rows`] has the formulas along an axis; [`math`] the elementary functions on which formulas of your own can build.
//! [`gradcheck`](mod@gradcheck) compares any layer's gradients with finite differences, [`init`] knows how large initial weights should be, and [`diagnostics`] finds
//! units that are dead or saturated.

#![deny(unsafe_code)]
#![warn(clippy::disallowed_methods)]
#![doc(test(attr(deny(warnings), allow(dead_code))))]

mod alpha_dropout;
mod axis;
mod body;
mod by_name;
mod catalog;
mod counter;
mod custom;
pub mod diagnostics;
mod element;
mod elementwise;
mod engine;
mod error;
pub mod formula;
pub mod functional;
mod gated;
pub mod gradcheck;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod init;
mod kernel;
mod layer;
mod layer_ext;
pub mod math;
mod maxout;
mod pages;
mod parts;
mod pointwise;
mod prelu;
mod real;
mod rrelu;
mod scratch;
mod sequential;
#[cfg(feature = "serde")]
mod serial;
mod threads;
mod traverse;

pub use alpha_dropout::AlphaDropout;
pub use axis::{AllMasked, Along, Keeps, RowKernel, rows};
pub use by_name::by_name;
pub use catalog::*;
pub use custom::{Closures, Custom};
pub use element::Element;
pub use elementwise::Elementwise;
pub use error::{ActivationError, Result};
pub use functional::ActivationExt;
pub use gated::{Bilinear, GEGLU, GLU, Gated, ReGLU, SwiGLU};
pub use kernel::{Keep, Kernel, Kind, Output, Own};
pub use layer::{Layer, Param};
pub use layer_ext::LayerExt;
pub use maxout::Maxout;
pub use pointwise::{Cost, Pointwise, TwoSlope};
pub use prelu::PReLU;
pub use real::{Lanes, Operand, Real};
pub use rrelu::RReLU;
pub use sequential::Sequential;

#[doc(hidden)]
pub mod testing {
    //! For this crate's own tests and benches.
    use crate::kernel;

    /// Runs `body` at each instruction set of this CPU in turn (on this thread).
    pub fn each_level(mut body: impl FnMut(&'static str)) {
        for (name, level) in kernel::levels() {
            kernel::with_level(level, || body(name));
        }
    }
}

/// The examples of the README, tested with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
