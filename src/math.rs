//! Elementary functions on any [`Real`](crate::Real): branch-free, in `f32` and `f64`, with arguments and results in two words where a formula needs them.
//!
//! | function | range | max error |
//! |---|---|---|
//! | [`exp`] | all | 1.1 ULP |
//! | [`expm1`] | all | 1.7 ULP |
//! | [`log1p`] | all | 0.6 ULP |
//! | [`tanh`] | all | 1.4 ULP |
//! | [`erfc`] | all | 1.8 ULP |
//!
//! Without fused multiply-add the logarithm's is 1.5 ULP, that of `erfc` 2.2 ULP. Subnormal results count in units of the smallest subnormal. The polynomials come
//! from `tools/coefficients.py` (Remez exchange with mpmath).

mod exp;
mod gate;
mod log;
mod normal;
mod pair;
mod softplus;
mod tanh;

pub(crate) use exp::{Exp, exp_of, exp_of_held, exp_of_negative, exp_of_positive, expm1_of_negative, range as exp_range};
pub use exp::{exp, expm1};
pub(crate) use gate::Gate;
pub use log::log1p;
pub(crate) use log::{log1p_pair, log1p_rounded};
pub use normal::erfc;
pub(crate) use normal::{FRAC_1_SQRT_TAU, NormalTail};
pub use pair::{Pair, Reciprocal};
pub(crate) use softplus::Softplus;
pub(crate) use tanh::sech_squared;
pub use tanh::tanh;
