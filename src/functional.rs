//! Activations as functions, on arrays of any dimension: `functional::gelu(&x)`, and their derivatives: `functional::gelu_derivative(&x)`.
//!
//! The result is a new array in the memory order of the input. For training prefer the layers: they compute value and derivative in one pass. The `_into` and
//! `_inplace` forms of the layers save the new array.
//!
//! ```
//! use ndarray::array;
//! use ndarray_activations::{ActivationExt, functional};
//!
//! let x = array![[-1.0_f32, 0.0, 2.0]];
//! assert_eq!(functional::relu(&x), array![[0.0, 0.0, 2.0]]);
//! assert_eq!(functional::relu_derivative(&x), array![[0.0, 0.0, 1.0]]);
//! assert_eq!(x.leaky_relu(0.5), array![[-0.5, 0.0, 2.0]]);
//! ```

use ndarray::{Array, ArrayBase, Axis, Data, Dimension};

use crate::{
    axis::{Along, RowKernel, rows},
    catalog::*,
    element::Element,
    error::Result,
    kernel::Kernel,
    layer::Layer,
};

/// An array of zeros, in the memory order of `x`.
fn zeros_like<A: Element, S: Data<Elem = A>, D: Dimension>(x: &ArrayBase<S, D>) -> Array<A, D> {
    x.map(|_| A::zero())
}

fn value<A: Element, S: Data<Elem = A>, D: Dimension>(kernel: &dyn Kernel<A>, x: &ArrayBase<S, D>) -> Array<A, D> {
    let mut result = zeros_like(x);
    A::elementwise_infer(kernel, Some(x.view().into_dyn()), result.view_mut().into_dyn());
    result
}

fn derivative<A: Element, S: Data<Elem = A>, D: Dimension>(kernel: &dyn Kernel<A>, x: &ArrayBase<S, D>) -> Array<A, D> {
    let mut result = zeros_like(x);
    A::elementwise_derivative(kernel, x.view().into_dyn(), result.view_mut().into_dyn());
    result
}

fn along<F: RowKernel<A> + Clone + Default, A: Element, S: Data<Elem = A>, D: Dimension>(axis: Axis, x: &ArrayBase<S, D>) -> Result<Array<A, D>> {
    let mut result = zeros_like(x);
    Along::<F, A>::new(axis).infer_into(x.view().into_dyn(), result.view_mut().into_dyn())?;
    Ok(result)
}

macro_rules! functions {
    ($($make:ident $name:ident $kind:ident $function:ident $derivative:ident ($($param:ident = $default:expr),*) $formula:literal $aliases:tt $range:tt $monotonic:ident $method:ident;)*) => {
        $(
            #[doc = concat!("f(x) = ", $formula, " for each element.")]
            pub fn $function<A: Element, S: Data<Elem = A>, D: Dimension>(x: &ArrayBase<S, D> $(, $param: f64)*) -> Array<A, D> {
                value(functions!(@layer $name $function $($param),*).formula(), x)
            }
            #[doc = concat!("The derivative of f(x) = ", $formula, " at each element.")]
            pub fn $derivative<A: Element, S: Data<Elem = A>, D: Dimension>(x: &ArrayBase<S, D> $(, $param: f64)*) -> Array<A, D> {
                derivative(functions!(@layer $name $function $($param),*).formula(), x)
            }
        )*
        functions!(@trait $($method $function ($($param),*) $formula;)*);
    };
    (@layer GELU gelu_tanh) => { GELU::<A>::tanh() };
    (@layer GELU gelu_sigmoid) => { GELU::<A>::sigmoid() };
    (@layer $name:ident $function:ident $($param:ident),*) => { $name::<A>::new($($param),*) };
    (@trait $($method:ident $function:ident ($($param:ident),*) $formula:literal;)*) => {
        /// Activations as methods of any array: `x.gelu()`, `x.softmax(Axis(1))?`.
        ///
        /// What `ndarray` has itself (`tanh`, `exp`, `signum`) is not here.
        pub trait ActivationExt<A, D> {
            $(functions!(@declare $method $function ($($param),*) $formula);)*
            /// The softmax along an axis.
            ///
            /// # Errors
            /// Where the array has no such axis.
            fn softmax(&self, axis: Axis) -> Result<Array<A, D>>;
            /// The logarithm of the softmax along an axis.
            ///
            /// # Errors
            /// Where the array has no such axis.
            fn log_softmax(&self, axis: Axis) -> Result<Array<A, D>>;
            /// The softmin along an axis.
            ///
            /// # Errors
            /// Where the array has no such axis.
            fn softmin(&self, axis: Axis) -> Result<Array<A, D>>;
        }

        impl<A: Element, S: Data<Elem = A>, D: Dimension> ActivationExt<A, D> for ArrayBase<S, D> {
            $(functions!(@define $method $function ($($param),*));)*
            fn softmax(&self, axis: Axis) -> Result<Array<A, D>> {
                softmax(self, axis)
            }
            fn log_softmax(&self, axis: Axis) -> Result<Array<A, D>> {
                log_softmax(self, axis)
            }
            fn softmin(&self, axis: Axis) -> Result<Array<A, D>> {
                softmin(self, axis)
            }
        }
    };
    (@declare method $function:ident ($($param:ident),*) $formula:literal) => {
        #[doc = concat!("f(x) = ", $formula, " for each element.")]
        #[must_use]
        fn $function(&self $(, $param: f64)*) -> Array<A, D>;
    };
    (@declare hidden $function:ident ($($param:ident),*) $formula:literal) => {};
    (@define method $function:ident ($($param:ident),*)) => {
        fn $function(&self $(, $param: f64)*) -> Array<A, D> {
            self::$function(self $(, $param)*)
        }
    };
    (@define hidden $function:ident ($($param:ident),*)) => {};
}
pointwise_table!(functions);

/// The softmax along an axis.
///
/// # Errors
/// Where the array has no such axis.
pub fn softmax<A: Element, S: Data<Elem = A>, D: Dimension>(x: &ArrayBase<S, D>, axis: Axis) -> Result<Array<A, D>> {
    along::<rows::Softmax, A, S, D>(axis, x)
}

/// The logarithm of the softmax along an axis.
///
/// # Errors
/// Where the array has no such axis.
pub fn log_softmax<A: Element, S: Data<Elem = A>, D: Dimension>(x: &ArrayBase<S, D>, axis: Axis) -> Result<Array<A, D>> {
    along::<rows::LogSoftmax, A, S, D>(axis, x)
}

/// The softmin along an axis.
///
/// # Errors
/// Where the array has no such axis.
pub fn softmin<A: Element, S: Data<Elem = A>, D: Dimension>(x: &ArrayBase<S, D>, axis: Axis) -> Result<Array<A, D>> {
    along::<rows::Softmin, A, S, D>(axis, x)
}
