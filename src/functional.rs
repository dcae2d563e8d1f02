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

use ndarray::{Array, ArrayBase, ArrayD, Axis, Data, Dimension};

use crate::{
    catalog::*,
    element::Element,
    error::Result,
    gated::{Bilinear, GEGLU, GLU, ReGLU, SwiGLU},
    kernel::Kernel,
    layer_ext::LayerExt,
    maxout::Maxout,
};

fn value<A: Element, S: Data<Elem = A>, D: Dimension>(kernel: &dyn Kernel<A>, x: &ArrayBase<S, D>) -> Array<A, D> {
    fixed(A::elementwise_infer_new(kernel, &x.view().into_dyn()))
}

fn derivative<A: Element, S: Data<Elem = A>, D: Dimension>(kernel: &dyn Kernel<A>, x: &ArrayBase<S, D>) -> Array<A, D> {
    fixed(A::elementwise_derivative_new(kernel, &x.view().into_dyn()))
}

fn fixed<A: Element, D: Dimension>(result: ArrayD<A>) -> Array<A, D> {
    result.into_dimensionality().unwrap_or_else(|_| unreachable!("the result has as many axes as the input"))
}

/// The functions along an axis: one table for the functions and the methods.
macro_rules! axis_functions {
    ($do:ident) => {
        axis_functions! { $do
            softmax Softmax "The softmax along an axis.";
            log_softmax LogSoftmax "The logarithm of the softmax along an axis.";
            softmin Softmin "The softmin along an axis.";
            sparsemax Sparsemax "The sparsemax along an axis.";
            hardmax Hardmax "The hardmax along an axis: 1 for the first largest element, 0 elsewhere.";
            glu GLU "a σ(b), with the two halves a and b of an axis.";
            reglu ReGLU "a max(b, 0), with the two halves a and b of an axis.";
            geglu GEGLU "a gelu(b), with the two halves a and b of an axis.";
            swiglu SwiGLU "a silu(b), with the two halves a and b of an axis.";
            bilinear Bilinear "a b, with the two halves a and b of an axis.";
        }
    };
    (functions $($function:ident $name:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        /// Where the array has no such axis, or (for those that halve it) its length is odd.
        pub fn $function<A: Element, S: Data<Elem = A>, D: Dimension>(x: &ArrayBase<S, D>, axis: Axis) -> Result<Array<A, D>> {
            $name::<A>::new(axis).infer_nd(x)
        }
    )*};
    (declare $($function:ident $name:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        /// Where the array has no such axis, or (for those that halve it) its length is odd.
        fn $function(&self, axis: Axis) -> Result<Array<A, D>>;
    )*};
    (define $($function:ident $name:ident $doc:literal;)*) => {$(
        fn $function(&self, axis: Axis) -> Result<Array<A, D>> {
            $function(self, axis)
        }
    )*};
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
            axis_functions!(declare);
            /// The largest of so many consecutive elements along an axis, which becomes shorter by that factor.
            ///
            /// # Errors
            /// Where the array has no such axis, its length is not a multiple of `pieces`, or that is 0.
            fn maxout(&self, pieces: usize, axis: Axis) -> Result<Array<A, D>>;
        }

        impl<A: Element, S: Data<Elem = A>, D: Dimension> ActivationExt<A, D> for ArrayBase<S, D> {
            $(functions!(@define $method $function ($($param),*));)*
            axis_functions!(define);
            fn maxout(&self, pieces: usize, axis: Axis) -> Result<Array<A, D>> {
                maxout(self, pieces, axis)
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

axis_functions!(functions);

/// The largest of so many consecutive elements along an axis, which becomes shorter by that factor.
///
/// # Errors
/// Where the array has no such axis, its length is not a multiple of `pieces`, or that is 0.
pub fn maxout<A: Element, S: Data<Elem = A>, D: Dimension>(x: &ArrayBase<S, D>, pieces: usize, axis: Axis) -> Result<Array<A, D>> {
    Maxout::<A>::try_new(pieces, axis)?.infer_nd(x)
}
