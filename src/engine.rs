//! What has to be compiled in this crate, once for `f32` and once for `f64`: the generic layers call it through the sealed [`Element`], so that no kernel and
//! no traversal ends up in a user's build.

use std::cell::RefCell;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD};

use crate::{
    axis::{self, AlongKept, Call, RowKernel},
    body::Resized,
    element::Element,
    elementwise::{self, Kept},
    kernel::{Kernel, Kind},
    prelu::{self, PReLU},
    traverse::Order,
};

#[allow(private_interfaces, reason = "the trait seals Element: only this crate calls it")]
#[allow(missing_docs, reason = "hidden")]
#[doc(hidden)]
pub trait Engine: Sized {
    fn zeros_in(order: &Order, shape: &[usize]) -> ArrayD<Self>;
    fn zeros_like(input: &ArrayD<Self>, resized: Resized) -> ArrayD<Self>;
    fn elementwise_infer(kernel: &dyn Kernel<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
    fn elementwise_forward(kernel: &dyn Kernel<Self>, kept: &mut Kept<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
    fn elementwise_backward(kept: &Kept<Self>, kind: Kind, gradient: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
    fn along_infer(call: &Call<'_, Self>, axes: &[usize], input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
    fn along_forward(
        call: &Call<'_, Self>,
        axes: &[usize],
        kept: &mut AlongKept<Self>,
        input: Option<ArrayViewD<'_, Self>>,
        output: ArrayViewMutD<'_, Self>,
    );
    fn along_backward(
        kernel: &dyn RowKernel<Self>,
        axes: &[usize],
        kept: &AlongKept<Self>,
        gradient: Option<ArrayViewD<'_, Self>>,
        output: ArrayViewMutD<'_, Self>,
    );
    /// Calls `body` with a buffer of this length, whatever stands in it, that the thread uses again and again.
    fn with_scratch(length: usize, body: impl FnOnce(&mut [Self]));
    fn prelu_infer(layer: &PReLU<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
    fn prelu_forward(layer: &mut PReLU<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
    fn prelu_backward(layer: &mut PReLU<Self>, gradient: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>);
}

fn zeros_like<A: Element>(input: &ArrayD<A>, resized: Resized) -> ArrayD<A> {
    let order = Order::of(&input.view());
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
    ($($a:ty)*) => {$(
        #[allow(private_interfaces, reason = "the trait seals Element: only this crate calls it")]
        impl Engine for $a {
            fn zeros_in(order: &Order, shape: &[usize]) -> ArrayD<Self> {
                order.zeros(shape)
            }
            fn zeros_like(input: &ArrayD<Self>, resized: Resized) -> ArrayD<Self> {
                zeros_like(input, resized)
            }
            fn elementwise_infer(kernel: &dyn Kernel<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                elementwise::infer(kernel, input, output);
            }
            fn elementwise_forward(kernel: &dyn Kernel<Self>, kept: &mut Kept<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                elementwise::forward(kernel, kept, input, output);
            }
            fn elementwise_backward(kept: &Kept<Self>, kind: Kind, gradient: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                elementwise::backward(kept, kind, gradient, output);
            }
            fn along_infer(call: &Call<'_, Self>, axes: &[usize], input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                axis::infer(call, axes, input, output);
            }
            fn along_forward(
                call: &Call<'_, Self>,
                axes: &[usize],
                kept: &mut AlongKept<Self>,
                input: Option<ArrayViewD<'_, Self>>,
                output: ArrayViewMutD<'_, Self>,
            ) {
                axis::forward(call, axes, kept, input, output);
            }
            fn along_backward(
                kernel: &dyn RowKernel<Self>,
                axes: &[usize],
                kept: &AlongKept<Self>,
                gradient: Option<ArrayViewD<'_, Self>>,
                output: ArrayViewMutD<'_, Self>,
            ) {
                axis::backward(kernel, axes, kept, gradient, output);
            }
            fn with_scratch(length: usize, body: impl FnOnce(&mut [Self])) {
                thread_local! {
                    static SCRATCH: RefCell<Vec<$a>> = const { RefCell::new(Vec::new()) };
                }
                // Taken while in use, so that a call within the call finds an empty one and not a borrowed one.
                let mut scratch = SCRATCH.take();
                if scratch.len() < length {
                    scratch.resize(length, 0.0);
                }
                body(&mut scratch[..length]);
                SCRATCH.replace(scratch);
            }
            fn prelu_infer(layer: &PReLU<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                prelu::infer(layer, input, output);
            }
            fn prelu_forward(layer: &mut PReLU<Self>, input: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                prelu::forward(layer, input, output);
            }
            fn prelu_backward(layer: &mut PReLU<Self>, gradient: Option<ArrayViewD<'_, Self>>, output: ArrayViewMutD<'_, Self>) {
                prelu::backward(layer, gradient, output);
            }
        }
    )*};
}
engine!(f32 f64);
