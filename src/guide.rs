//! The guide: how to choose, write, embed and migrate, and what the tutorials got wrong.
//!
//! The chapters are the files under `docs/guide` of the repository, where they can be read too; hence the names of items in them are no links. All code in them is
//! compiled and run by `cargo test`. Curves of all activations at a glance:
//!
#![doc = include_str!("../docs/curves/overview.svg")]

/// Which activation, with which weights: a table, and the tutorials' advice judged.
///
/// See [`catalog`](crate::catalog), [`init`](crate::init) and [`diagnostics`](crate::diagnostics).
///
#[cfg_attr(feature = "rand", doc = include_str!("../docs/guide/choosing.md"))]
pub mod choosing {}

/// Your own activation from closures or as a formula on vectors, and your own layer, each with its gradient checked.
///
/// See [`Custom`](crate::Custom), [`Pointwise`](crate::Pointwise), [`Layer`](crate::Layer) and [`gradcheck`](mod@crate::gradcheck).
///
#[doc = include_str!("../docs/guide/own_activation.md")]
pub mod own_activation {}

/// From two matrices to a trained network, step by step: no allocations, threads, files.
///
/// See [`LayerExt`](crate::LayerExt), [`Sequential`](crate::Sequential), [`Param`](crate::Param) and [`init`](crate::init).
///
#[cfg_attr(feature = "rand", doc = include_str!("../docs/guide/embedding.md"))]
pub mod embedding {}

/// `PyTorch`, Keras and numpy: name for name, default for default, and where this crate differs on purpose.
///
/// See [`by_name`](crate::by_name), [`functional`](crate::functional) and [`ActivationExt`](crate::ActivationExt).
///
#[doc = include_str!("../docs/guide/migrating.md")]
pub mod migrating {}

/// The errors of five widely read tutorials, each with the number that shows it, and which of their experiments hold.
///
#[doc = include_str!("../docs/guide/tutorials.md")]
pub mod tutorials {}
