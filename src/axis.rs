//! Layers that mix the elements along one or several axes.
#![allow(clippy::doc_markdown, reason = "formulas have subscripts")]

mod hardmax;
mod kernel;
mod layer;
mod softmax;
mod sparsemax;

pub(crate) use kernel::CompiledRow;
pub use kernel::{Keeps, RowKernel};
pub use layer::{AllMasked, Along};
pub(crate) use layer::{AlongKept, Call, backward, backward_new, forward, forward_new, infer, infer_new};

/// The formulas behind the layers along an axis; the layers have the same names at the crate's root.
pub mod rows {
    pub use super::{
        hardmax::Hardmax,
        softmax::{LogSoftmax, Softmax, Softmin},
        sparsemax::Sparsemax,
    };
}
