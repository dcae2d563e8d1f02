//! One file per activation: formula, derivative, conventions.
//!
//! The types here are the formulas; the layers over them have the same names at the crate's root.

mod elu;
mod gelu;
mod identity;
mod leaky_relu;
mod relu;
mod selu;
mod sigmoid;
mod tanh;

pub(crate) use gelu::{GeluErf, GeluForm, GeluSigmoid, GeluTanh};
pub use elu::ELU;
pub use gelu::GELU;
pub use identity::Identity;
pub use leaky_relu::LeakyReLU;
pub use relu::ReLU;
pub use selu::SELU;
pub use sigmoid::Sigmoid;
pub use tanh::Tanh;
