//! The one layer over a formula.

use std::fmt;

use ndarray::{ArrayD, ArrayRefD};

use crate::{
    body::{Body, Record, layer_methods},
    element::Element,
    error::Result,
    kernel::{self, Keep, Kernel, Kind, Output, Own, Read, WORD},
    layer::Layer,
    pages,
    pointwise::{Cost, Pointwise},
    threads::Parts,
    traverse::{Order, fresh, pass, pass_along},
};

/// A formula applied to every element: the layer behind `ReLU`, `GELU`, `Mish` and all the other pointwise activations.
///
/// `forward` computes value and derivative in one pass and keeps the derivative (one bit an element where there are only two slopes), so that `backward` is
/// one multiplication. What is kept lies in the memory order of the input; the buffer is used again for the next batch of the same size.
///
/// A formula of your own: see [`Pointwise`].
#[derive(Clone, Debug)]
pub struct Elementwise<F, A = f32> {
    pub(crate) formula: F,
    kept: Kept<A>,
}

/// The derivative, or a bit an element, and what it belongs to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept<A> {
    pub(crate) record: Record,
    derivative: Vec<A>,
    bits: Vec<u64>,
}

impl<A: Element> Kept<A> {
    /// Room for what a forward of this input is about to keep, and the order to go in.
    pub(crate) fn start(&mut self, kind: Kind, input: &ArrayRefD<A>) -> (&Order, Keep<'_, A>) {
        self.record.start(input, input.shape());
        let keep = match kind {
            Kind::Smooth => {
                pages::resize(&mut self.derivative, input.len(), A::zero());
                Keep::Derivative(&mut self.derivative)
            }
            Kind::TwoSlope { lower, upper } if lower == upper => Keep::Nothing,
            Kind::TwoSlope { .. } => {
                self.bits.resize(input.len().div_ceil(WORD), 0);
                Keep::Bits(&mut self.bits)
            }
        };
        (&self.record.order, keep)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn read(&self, kind: Kind) -> Read<'_, A> {
        match kind {
            Kind::Smooth => Read::Derivative(&self.derivative),
            Kind::TwoSlope { lower, upper } if lower == upper => Read::Constant(lower),
            Kind::TwoSlope { lower, upper } => Read::Bits(&self.bits, lower, upper),
        }
    }
}

impl<F, A: Element> Elementwise<F, A> {
    pub(crate) fn from_formula(formula: F) -> Self {
        Self { formula, kept: Kept::default() }
    }

    /// The formula with its parameters.
    pub fn formula(&self) -> &F {
        &self.formula
    }
}

impl<P: Pointwise, A: Element> Elementwise<Own<P>, A> {
    /// A layer over a formula of your own; see [`Pointwise`] for an example.
    pub fn of(formula: P) -> Self {
        Self::from_formula(Own(formula))
    }
}

impl<F: Kernel<A>, A: Element> Layer<A> for Elementwise<F, A> {
    layer_methods!();
    fn name(&self) -> &str {
        self.formula.name()
    }
    fn spec(&self) -> String {
        self.formula.spec()
    }
    fn kinks(&self) -> Vec<f64> {
        self.formula.kinks()
    }
    fn clear_cache(&mut self) {
        self.kept.clear();
    }
}

impl<F: Kernel<A>, A: Element> Body<A> for Elementwise<F, A> {
    fn record(&self) -> &Record {
        &self.kept.record
    }
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::elementwise_infer(&self.formula, input, output);
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::elementwise_forward(&self.formula, &mut self.kept, input, output);
    }
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::elementwise_backward(&self.kept, self.formula.kind(), self.formula.cost(), gradient, output);
    }
    fn infer_new(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        Ok(A::elementwise_infer_new(&self.formula, input))
    }
    fn forward_new(&mut self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        Ok(A::elementwise_forward_new(&self.formula, &mut self.kept, input))
    }
    fn backward_new(&mut self, gradient: &ArrayD<A>) -> ArrayD<A> {
        A::elementwise_backward_new(&self.kept, self.formula.kind(), self.formula.cost(), gradient)
    }
}

impl<F: Kernel<A>, A> fmt::Display for Elementwise<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.formula.spec())
    }
}

/// The kernel on slices, with this thread's instruction set.
fn running<A: Element>(kernel: &dyn Kernel<A>) -> impl Fn(Option<&[A]>, &mut [A], Keep<'_, A>) + Sync {
    let level = kernel::level();
    move |x, y, keep| kernel.run(level, x, Output::Slice(y), keep)
}

pub(crate) fn infer<A: Element>(kernel: &dyn Kernel<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    pass_along(kernel.cost(), input, output, Keep::Nothing, &running(kernel));
}

pub(crate) fn infer_new<A: Element>(kernel: &dyn Kernel<A>, input: &ArrayRefD<A>) -> ArrayD<A> {
    values_new(kernel, &Order::of(input), input, Keep::Nothing)
}

fn values_new<A: Element>(kernel: &dyn Kernel<A>, order: &Order, input: &ArrayRefD<A>, keep: Keep<'_, A>) -> ArrayD<A> {
    let level = kernel::level();
    let new = |parts: Parts, x: &[A], keep: &mut Keep<'_, A>| {
        let mut values = Vec::new();
        kernel.run(level, Some(x), Output::New(parts, &mut values), keep.part(0..x.len()));
        (values.len() == x.len()).then_some(values)
    };
    fresh(order, kernel.cost(), input, keep, &running(kernel), Some(&new))
}

/// The derivative alone, as a new array.
pub(crate) fn derivative_new<A: Element>(kernel: &dyn Kernel<A>, input: &ArrayRefD<A>) -> ArrayD<A> {
    const BLOCK: usize = 4 * WORD;
    let level = kernel::level();
    let run = |x: Option<&[A]>, y: &mut [A], ()| {
        let mut values = [A::zero(); BLOCK];
        for (x, y) in x.unwrap_or_default().chunks(BLOCK).zip(y.chunks_mut(BLOCK)) {
            let values = &mut values[..x.len()];
            match kernel.kind() {
                Kind::Smooth => kernel.run(level, Some(x), Output::Slice(values), Keep::Derivative(y)),
                Kind::TwoSlope { lower, upper } => {
                    let mut bits = [0; BLOCK / WORD];
                    kernel.run(level, Some(x), Output::Slice(values), Keep::Bits(&mut bits));
                    y.fill(A::one());
                    kernel::choose(level, None, &bits, y, lower, upper);
                }
            }
        }
    };
    fresh(&Order::of(input), kernel.cost(), input, (), &run, None)
}

pub(crate) fn forward<A: Element>(kernel: &dyn Kernel<A>, kept: &mut Kept<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let (order, keep) = kept.start(kernel.kind(), input.unwrap_or(output));
    pass(order, kernel.cost(), input, output, keep, &running(kernel));
    kept.record.finish();
}

pub(crate) fn forward_new<A: Element>(kernel: &dyn Kernel<A>, kept: &mut Kept<A>, input: &ArrayRefD<A>) -> ArrayD<A> {
    let (order, keep) = kept.start(kernel.kind(), input);
    let output = values_new(kernel, order, input, keep);
    kept.record.finish();
    output
}

/// What is worth threads in `forward` is worth them in `backward`, as far as a product or a choice can be: numbers that another thread wrote are far from this one.
fn backward_cost(forward: Cost) -> Cost {
    match forward {
        Cost::Transcendental | Cost::Long => Cost::Arithmetic,
        cost => cost,
    }
}

pub(crate) fn backward<A: Element>(kept: &Kept<A>, kind: Kind, cost: Cost, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let level = kernel::level();
    pass(&kept.record.order, backward_cost(cost), gradient, output, kept.read(kind), &|g, y, read| kernel::backward(level, g, read, y));
}

pub(crate) fn backward_new<A: Element>(kept: &Kept<A>, kind: Kind, cost: Cost, gradient: &ArrayRefD<A>) -> ArrayD<A> {
    let level = kernel::level();
    let body = |g: Option<&[A]>, y: &mut [A], read: Read<'_, A>| kernel::backward(level, g, read, y);
    let new = |parts: Parts, g: &[A], read: &mut Read<'_, A>| kernel::new_backward(level, parts, g, *read);
    fresh(&kept.record.order, backward_cost(cost), gradient, kept.read(kind), &body, Some(&new))
}
