//! One file per activation: formula, derivative, conventions, sources.
//!
//! The types here are the formulas; the layers over them have the same names at the crate's root.
//!
//! Each is one pass over the elements: time linear in their number, and no memory beside the result and what is said to be kept for `backward`. `infer` keeps
//! nothing. A NaN gives NaN. What is not said to have a kink has a continuous derivative, and what is said to be exact has no rounding error. Errors are in units
//! in the last place (ULP) of the result, for both element types, over all inputs.

mod celu;
mod elu;
mod exponential;
mod gelu;
mod hard_shrink;
mod hard_sigmoid;
mod hard_swish;
mod hard_tanh;
mod identity;
mod leaky_relu;
mod log_sigmoid;
mod mish;
mod relu;
mod relu6;
mod relu_squared;
mod selu;
mod shrink;
mod sigmoid;
mod sign;
mod silu;
mod soft_shrink;
mod softplus;
mod softsign;
mod sparse_plus;
mod sparse_sigmoid;
mod squareplus;
mod step;
mod swish;
mod tanh;
mod tanh_shrink;
mod threshold;
mod thresholded_relu;

pub use celu::CELU;
pub use elu::ELU;
pub use exponential::Exponential;
pub use gelu::GELU;
pub(crate) use gelu::{GeluErf, GeluForm, GeluSigmoid, GeluTanh};
pub use hard_shrink::HardShrink;
pub use hard_sigmoid::HardSigmoid;
pub use hard_swish::HardSwish;
pub use hard_tanh::HardTanh;
pub use identity::Identity;
pub use leaky_relu::LeakyReLU;
pub use log_sigmoid::LogSigmoid;
pub use mish::Mish;
pub use relu::ReLU;
pub use relu_squared::ReLUSquared;
pub use relu6::ReLU6;
pub use selu::SELU;
pub use shrink::Shrink;
pub use sigmoid::Sigmoid;
pub use sign::Sign;
pub use silu::SiLU;
pub use soft_shrink::SoftShrink;
pub use softplus::Softplus;
pub use softsign::Softsign;
pub use sparse_plus::SparsePlus;
pub use sparse_sigmoid::SparseSigmoid;
pub use squareplus::Squareplus;
pub use step::Step;
pub use swish::Swish;
pub use tanh::Tanh;
pub use tanh_shrink::TanhShrink;
pub use threshold::Threshold;
pub use thresholded_relu::ThresholdedReLU;
