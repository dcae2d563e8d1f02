//! Activation layers for [`ndarray`].

mod axis;
mod body;
mod by_name;
mod catalog;
mod element;
mod elementwise;
mod engine;
mod error;
pub mod formula;
pub mod functional;
mod kernel;
mod layer;
pub mod math;
mod pointwise;
mod prelu;
mod real;
mod traverse;

pub use axis::{AllMasked, Along, Keeps, RowKernel, rows};
pub use by_name::by_name;
pub use catalog::*;
pub use element::Element;
pub use elementwise::Elementwise;
pub use error::{ActivationError, Result};
pub use functional::ActivationExt;
pub use kernel::{Keep, Kernel, Kind, Own};
pub use layer::{Layer, Param};
pub use pointwise::{Cost, Pointwise, TwoSlope};
pub use prelu::PReLU;
pub use real::{Lanes, Operand, Real};

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
