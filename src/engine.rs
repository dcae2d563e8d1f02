//! What has to be compiled in this crate, once for `f32` and once for `f64`: the generic layers call it through the sealed [`Element`], so that no kernel and
//! no traversal ends up in a user's build.

use std::{cell::RefCell, thread::LocalKey};

use fearless_simd::Level;
use ndarray::{ArrayD, ArrayRefD, ArrayViewD, ArrayViewMutD};

use crate::{
    alpha_dropout::{self, AlphaDropout},
    axis::{self, AlongKept, Call, CompiledRow, RowKernel},
    body::Resized,
    element::Element,
    elementwise::{self, Kept},
    error::Result,
    gated::{self, GatedKept},
    kernel::{Compiled, Keep, Kernel, Kind, Output},
    layer::Layer,
    maxout::{self, Maxout},
    parts::{RowSlices, Space},
    pointwise::Cost,
    prelu::{self, PReLU},
    rrelu::{self, RReLU},
    traverse::Order,
};

/// A layer from numbers.
type Builder<A> = fn(&[f64]) -> Result<Box<dyn Layer<A>>>;

#[allow(private_interfaces, reason = "the trait seals Element: only this crate calls it")]
#[allow(missing_docs, reason = "hidden")]
#[doc(hidden)]
pub trait Engine: Sized {
    fn zeros_in(order: &Order, shape: &[usize]) -> ArrayD<Self>;
    fn zeros_like(input: &ArrayD<Self>, resized: Resized) -> ArrayD<Self>;
    /// Builds the layer for this type.
    fn build(single: Builder<f32>, double: Builder<f64>, arguments: &[f64]) -> Result<Box<dyn Layer<Self>>>
    where
        Self: Element;
    fn run_compiled(formula: &dyn Compiled, level: Level, input: Option<&[Self]>, output: Output<'_, Self>, keep: Keep<'_, Self>);
    fn row_forward(formula: &dyn CompiledRow, level: Level, slices: RowSlices<'_, Self>, zeros: bool, space: &mut Space<Self>)
    where
        Self: Element;
    fn row_backward(formula: &dyn CompiledRow, level: Level, slices: RowSlices<'_, Self>, space: &mut Space<Self>)
    where
        Self: Element;
    fn elementwise_infer(kernel: &dyn Kernel<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn elementwise_infer_new(kernel: &dyn Kernel<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn elementwise_derivative_new(kernel: &dyn Kernel<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn elementwise_forward_new(kernel: &dyn Kernel<Self>, kept: &mut Kept<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn elementwise_backward_new(kept: &Kept<Self>, kind: Kind, cost: Cost, gradient: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn elementwise_forward(kernel: &dyn Kernel<Self>, kept: &mut Kept<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn elementwise_backward(kept: &Kept<Self>, kind: Kind, cost: Cost, gradient: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn along_infer_new(call: &Call<'_, Self>, axes: &[usize], input: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn along_forward_new(call: &Call<'_, Self>, axes: &[usize], kept: &mut AlongKept<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn along_backward_new(kernel: &dyn RowKernel<Self>, axes: &[usize], kept: &AlongKept<Self>, gradient: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn along_infer(call: &Call<'_, Self>, axes: &[usize], input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn along_forward(call: &Call<'_, Self>, axes: &[usize], kept: &mut AlongKept<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn along_backward(kernel: &dyn RowKernel<Self>, axes: &[usize], kept: &AlongKept<Self>, gradient: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    /// The thread's buffers that are not in use.
    fn buffers() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
    fn prelu_infer(layer: &PReLU<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn prelu_infer_new(layer: &PReLU<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn prelu_forward(layer: &mut PReLU<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn prelu_forward_new(layer: &mut PReLU<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn prelu_backward(layer: &mut PReLU<Self>, gradient: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn prelu_backward_new(layer: &mut PReLU<Self>, gradient: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn rrelu_forward(layer: &mut RReLU<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn alpha_dropout_forward(layer: &mut AlphaDropout<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn gated_infer(kernel: &dyn Kernel<Self>, axis: usize, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn gated_infer_new(kernel: &dyn Kernel<Self>, axis: usize, input: &ArrayRefD<Self>) -> ArrayD<Self>;
    fn gated_forward(kernel: &dyn Kernel<Self>, axis: usize, kept: &mut GatedKept<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn gated_backward(kept: &GatedKept<Self>, kind: Kind, axis: usize, gradient: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>);
    fn maxout_infer(layer: &Maxout<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
    fn maxout_forward(layer: &mut Maxout<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
    fn maxout_backward(layer: &Maxout<Self>, gradient: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
}

fn zeros_like<A: Element>(input: &ArrayD<A>, resized: Resized) -> ArrayD<A> {
    let order = Order::of(input);
    match resized {
        None => order.zeros(input.shape()),
        Some((axis, length)) => {
            let mut shape = input.shape().to_vec();
            shape[axis] = length;
            order.zeros(&shape)
        }
    }
}

macro_rules! engine {
    ($a:ident, ($single:pat, $double:pat, $chosen:ident), $run:ident $forward:ident $backward:ident) => {
        #[allow(private_interfaces, reason = "the trait seals Element: only this crate calls it")]
        impl Engine for $a {
            fn zeros_in(order: &Order, shape: &[usize]) -> ArrayD<Self> {
                order.zeros(shape)
            }
            fn zeros_like(input: &ArrayD<Self>, resized: Resized) -> ArrayD<Self> {
                zeros_like(input, resized)
            }
            fn build($single: Builder<f32>, $double: Builder<f64>, arguments: &[f64]) -> Result<Box<dyn Layer<Self>>> {
                $chosen(arguments)
            }
            fn run_compiled(formula: &dyn Compiled, level: Level, input: Option<&[Self]>, output: Output<'_, Self>, keep: Keep<'_, Self>) {
                formula.$run(level, input, output, keep);
            }
            fn row_forward(formula: &dyn CompiledRow, level: Level, slices: RowSlices<'_, Self>, zeros: bool, space: &mut Space<Self>) {
                formula.$forward(level, slices, zeros, space);
            }
            fn row_backward(formula: &dyn CompiledRow, level: Level, slices: RowSlices<'_, Self>, space: &mut Space<Self>) {
                formula.$backward(level, slices, space);
            }
            fn elementwise_infer_new(kernel: &dyn Kernel<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self> {
                elementwise::infer_new(kernel, input)
            }
            fn elementwise_derivative_new(kernel: &dyn Kernel<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self> {
                elementwise::derivative_new(kernel, input)
            }
            fn elementwise_forward_new(kernel: &dyn Kernel<Self>, kept: &mut Kept<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self> {
                elementwise::forward_new(kernel, kept, input)
            }
            fn elementwise_backward_new(kept: &Kept<Self>, kind: Kind, cost: Cost, gradient: &ArrayRefD<Self>) -> ArrayD<Self> {
                elementwise::backward_new(kept, kind, cost, gradient)
            }
            fn elementwise_infer(kernel: &dyn Kernel<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                elementwise::infer(kernel, input, output);
            }
            fn elementwise_forward(kernel: &dyn Kernel<Self>, kept: &mut Kept<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                elementwise::forward(kernel, kept, input, output);
            }
            fn elementwise_backward(kept: &Kept<Self>, kind: Kind, cost: Cost, gradient: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                elementwise::backward(kept, kind, cost, gradient, output);
            }
            fn along_infer_new(call: &Call<'_, Self>, axes: &[usize], input: &ArrayRefD<Self>) -> ArrayD<Self> {
                axis::infer_new(call, axes, input)
            }
            fn along_forward_new(call: &Call<'_, Self>, axes: &[usize], kept: &mut AlongKept<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self> {
                axis::forward_new(call, axes, kept, input)
            }
            fn along_backward_new(kernel: &dyn RowKernel<Self>, axes: &[usize], kept: &AlongKept<Self>, gradient: &ArrayRefD<Self>) -> ArrayD<Self> {
                axis::backward_new(kernel, axes, kept, gradient)
            }
            fn along_infer(call: &Call<'_, Self>, axes: &[usize], input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                axis::infer(call, axes, input, output);
            }
            fn along_forward(call: &Call<'_, Self>, axes: &[usize], kept: &mut AlongKept<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                axis::forward(call, axes, kept, input, output);
            }
            fn along_backward(
                kernel: &dyn RowKernel<Self>,
                axes: &[usize],
                kept: &AlongKept<Self>,
                gradient: Option<&ArrayRefD<Self>>,
                output: &mut ArrayRefD<Self>,
            ) {
                axis::backward(kernel, axes, kept, gradient, output);
            }
            fn buffers() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
                thread_local! {
                    static BUFFERS: RefCell<Vec<Vec<$a>>> = const { RefCell::new(Vec::new()) };
                }
                &BUFFERS
            }
            fn prelu_infer(layer: &PReLU<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                prelu::infer(layer, input, output);
            }
            fn prelu_infer_new(layer: &PReLU<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self> {
                prelu::infer_new(layer, input)
            }
            fn prelu_forward(layer: &mut PReLU<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                prelu::forward(layer, input, output);
            }
            fn prelu_forward_new(layer: &mut PReLU<Self>, input: &ArrayRefD<Self>) -> ArrayD<Self> {
                prelu::forward_new(layer, input)
            }
            fn prelu_backward(layer: &mut PReLU<Self>, gradient: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                prelu::backward(layer, gradient, output);
            }
            fn prelu_backward_new(layer: &mut PReLU<Self>, gradient: &ArrayRefD<Self>) -> ArrayD<Self> {
                prelu::backward_new(layer, gradient)
            }
            fn rrelu_forward(layer: &mut RReLU<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                rrelu::forward(layer, input, output);
            }
            fn alpha_dropout_forward(layer: &mut AlphaDropout<Self>, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                alpha_dropout::forward(layer, input, output);
            }
            fn gated_infer(kernel: &dyn Kernel<Self>, axis: usize, input: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                gated::infer(kernel, axis, input, output);
            }
            fn gated_infer_new(kernel: &dyn Kernel<Self>, axis: usize, input: &ArrayRefD<Self>) -> ArrayD<Self> {
                gated::infer_new(kernel, axis, input)
            }
            fn gated_forward(
                kernel: &dyn Kernel<Self>,
                axis: usize,
                kept: &mut GatedKept<Self>,
                input: Option<&ArrayRefD<Self>>,
                output: &mut ArrayRefD<Self>,
            ) {
                gated::forward(kernel, axis, kept, input, output);
            }
            fn gated_backward(kept: &GatedKept<Self>, kind: Kind, axis: usize, gradient: Option<&ArrayRefD<Self>>, output: &mut ArrayRefD<Self>) {
                gated::backward(kept, kind, axis, gradient, output);
            }
            fn maxout_infer(layer: &Maxout<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                maxout::infer(layer, input, output);
            }
            fn maxout_forward(layer: &mut Maxout<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                maxout::forward(layer, input, output);
            }
            fn maxout_backward(layer: &Maxout<Self>, gradient: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                maxout::backward(layer, gradient, output);
            }
        }
    };
}
engine!(f32, (single, _, single), run_single forward_single backward_single);
engine!(f64, (_, double, double), run_double forward_double backward_double);
