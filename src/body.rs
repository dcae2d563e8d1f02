//! What the layers of this crate have in common: shapes are checked first, then one of three verbs does the work for all three forms.

use ndarray::{ArrayD, ArrayRefD};

use crate::{
    element::Element,
    error::{ActivationError, Result},
    layer::Layer,
    traverse::Order,
};

/// What a layer remembers of its last `forward`, beside the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Whether there is anything to go back from.
    valid: bool,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    /// The order in which the input lay in memory, and in which the kept numbers lie.
    pub(crate) order: Order,
}

impl Record {
    /// Notes the shapes and the order of a forward that is about to run. Until [`finish`](Self::finish) there is nothing to go back from.
    pub(crate) fn start<A>(&mut self, input: &ArrayRefD<A>, output_shape: &[usize]) {
        self.valid = false;
        copy(&mut self.input_shape, input.shape());
        copy(&mut self.output_shape, output_shape);
        self.order = Order::of(input);
    }

    /// [`start`](Self::start) with the input, or with the values worked on in place.
    pub(crate) fn start_either<A>(&mut self, input: Option<&ArrayRefD<A>>, output: &ArrayRefD<A>, output_shape: &[usize]) {
        self.start(input.unwrap_or(output), output_shape);
    }

    /// The forward has run.
    pub(crate) fn finish(&mut self) {
        self.valid = true;
    }

    pub(crate) fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// The shape that `backward` answers with, where it can.
    pub(crate) fn remembered_shape(&self) -> Option<&[usize]> {
        self.valid.then_some(&self.input_shape)
    }
}

/// Most often it is there already, from the step before; to compare a few numbers takes less than a call that copies them.
fn copy(to: &mut Vec<usize>, from: &[usize]) {
    if !to.iter().eq(from) {
        to.clear();
        to.extend_from_slice(from);
    }
}

/// The one axis along which a layer's output has another length than its input, and that length.
pub(crate) type Resized = Option<(usize, usize)>;

/// [`Resized`] for a layer that makes one element out of so many `parts` along one axis, the last one for `None`.
pub(crate) fn divided(layer: &str, axis: Option<usize>, input: &[usize], parts: usize) -> Result<Resized> {
    let axis = axis.unwrap_or(input.len().saturating_sub(1));
    let Some(&length) = input.get(axis) else {
        return Err(ActivationError::AxisOutOfRange { layer: layer.into(), axis, ndim: input.len() });
    };
    if !length.is_multiple_of(parts) {
        return Err(ActivationError::NotDivisible { layer: layer.into(), axis, length, parts });
    }
    Ok(Some((axis, length / parts)))
}

/// A layer's three verbs, for arrays that have been checked; without an input they work in place.
pub(crate) trait Body<A: Element>: Layer<A> {
    fn record(&self) -> &Record;
    /// How the shape changes; an error where the input does not suit the layer.
    fn resized(&self, _input: &[usize]) -> Result<Resized> {
        Ok(None)
    }
    /// An error where the layer's parameters no longer suit what was kept.
    fn check_backward(&self) -> Result<()> {
        Ok(())
    }
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>);
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>);
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>);

    // The verbs into a new array, for layers that can do better yet.
    fn infer_new(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        let resized = self.resized(input.shape())?;
        let mut output = A::zeros_like(input, resized);
        self.run_infer(Some(input), &mut output);
        Ok(output)
    }
    fn forward_new(&mut self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        let resized = self.resized(input.shape())?;
        let mut output = A::zeros_like(input, resized);
        self.run_forward(Some(input), &mut output);
        Ok(output)
    }
    /// The gradient has been checked.
    fn backward_new(&mut self, gradient: &ArrayD<A>) -> ArrayD<A> {
        let record = self.record();
        let mut output = A::zeros_in(&record.order, &record.input_shape);
        self.run_backward(Some(gradient), &mut output);
        output
    }
}

fn apply(input: &[usize], resized: Resized) -> Vec<usize> {
    let mut shape = input.to_vec();
    if let Some((axis, length)) = resized {
        shape[axis] = length;
    }
    shape
}

fn check_destination<A: Element>(layer: &impl Body<A>, input: &[usize], destination: &[usize]) -> Result<()> {
    let resized = layer.resized(input)?;
    let fits = match resized {
        // Not `==`, which calls a function: there are but a few numbers.
        None => input.iter().eq(destination),
        Some((axis, length)) => {
            input.len() == destination.len() && destination.iter().enumerate().all(|(i, &found)| found == if i == axis { length } else { input[i] })
        }
    };
    if fits { Ok(()) } else { does_not_fit(layer, &apply(input, resized), destination) }
}

#[cold]
fn does_not_fit<A: Element>(layer: &dyn Body<A>, output: &[usize], destination: &[usize]) -> Result<()> {
    ActivationError::check_shape(layer.name(), "destination", output, destination)
}

fn check_inplace<A: Element>(layer: &dyn Body<A>, input: &[usize]) -> Result<()> {
    match layer.resized(input)? {
        Some((axis, length)) if input[axis] != length => {
            Err(ActivationError::ShapeChanges { layer: layer.name().into(), input: input.to_vec(), output: apply(input, Some((axis, length))) })
        }
        _ => Ok(()),
    }
}

fn check_gradient<A: Element>(layer: &(impl Body<A> + ?Sized), gradient: &[usize]) -> Result<()> {
    let record = layer.record();
    if !record.valid {
        return Err(ActivationError::BackwardBeforeForward { layer: layer.name().into() });
    }
    ActivationError::check_shape(layer.name(), "gradient", &record.output_shape, gradient)?;
    layer.check_backward()
}

pub(crate) fn output_shape<A: Element>(layer: &dyn Body<A>, input: &[usize]) -> Result<Vec<usize>> {
    Ok(apply(input, layer.resized(input)?))
}

pub(crate) fn infer_into<A: Element>(layer: &impl Body<A>, input: &ArrayRefD<A>, output: &mut ArrayRefD<A>) -> Result<()> {
    check_destination(layer, input.shape(), output.shape())?;
    layer.run_infer(Some(input), output);
    Ok(())
}

pub(crate) fn infer_inplace<A: Element>(layer: &dyn Body<A>, values: &mut ArrayRefD<A>) -> Result<()> {
    check_inplace(layer, values.shape())?;
    layer.run_infer(None, values);
    Ok(())
}

pub(crate) fn forward_into<A: Element>(layer: &mut impl Body<A>, input: &ArrayRefD<A>, output: &mut ArrayRefD<A>) -> Result<()> {
    check_destination(layer, input.shape(), output.shape())?;
    layer.run_forward(Some(input), output);
    Ok(())
}

pub(crate) fn forward_inplace<A: Element>(layer: &mut dyn Body<A>, values: &mut ArrayRefD<A>) -> Result<()> {
    check_inplace(layer, values.shape())?;
    layer.run_forward(None, values);
    Ok(())
}

pub(crate) fn backward<A: Element>(layer: &mut impl Body<A>, gradient: &ArrayD<A>) -> Result<ArrayD<A>> {
    check_gradient(layer, gradient.shape())?;
    Ok(layer.backward_new(gradient))
}

pub(crate) fn backward_into<A: Element>(layer: &mut impl Body<A>, gradient: &ArrayRefD<A>, output: &mut ArrayRefD<A>) -> Result<()> {
    check_gradient(layer, gradient.shape())?;
    ActivationError::check_shape(layer.name(), "destination", layer.record().input_shape(), output.shape())?;
    layer.run_backward(Some(gradient), output);
    Ok(())
}

pub(crate) fn backward_inplace<A: Element>(layer: &mut dyn Body<A>, gradient: &mut ArrayRefD<A>) -> Result<()> {
    check_gradient(layer, gradient.shape())?;
    let record = layer.record();
    if record.input_shape != record.output_shape {
        return Err(ActivationError::ShapeChanges { layer: layer.name().into(), input: record.input_shape.clone(), output: record.output_shape.clone() });
    }
    layer.run_backward(None, gradient);
    Ok(())
}

/// The methods of [`Layer`] that follow from [`Body`].
macro_rules! layer_methods {
    () => {
        fn forward(&mut self, input: &ndarray::ArrayD<A>) -> $crate::error::Result<ndarray::ArrayD<A>> {
            $crate::body::Body::forward_new(self, input)
        }
        fn forward_into(&mut self, input: ndarray::ArrayViewD<'_, A>, mut output: ndarray::ArrayViewMutD<'_, A>) -> $crate::error::Result<()> {
            $crate::body::forward_into(self, &input, &mut output)
        }
        fn forward_inplace(&mut self, mut values: ndarray::ArrayViewMutD<'_, A>) -> $crate::error::Result<()> {
            $crate::body::forward_inplace(self, &mut values)
        }
        fn backward(&mut self, grad_output: &ndarray::ArrayD<A>) -> $crate::error::Result<ndarray::ArrayD<A>> {
            $crate::body::backward(self, grad_output)
        }
        fn backward_into(&mut self, grad_output: ndarray::ArrayViewD<'_, A>, mut grad_input: ndarray::ArrayViewMutD<'_, A>) -> $crate::error::Result<()> {
            $crate::body::backward_into(self, &grad_output, &mut grad_input)
        }
        fn backward_inplace(&mut self, mut grad: ndarray::ArrayViewMutD<'_, A>) -> $crate::error::Result<()> {
            $crate::body::backward_inplace(self, &mut grad)
        }
        fn infer(&self, input: &ndarray::ArrayD<A>) -> $crate::error::Result<ndarray::ArrayD<A>> {
            $crate::body::Body::infer_new(self, input)
        }
        fn infer_into(&self, input: ndarray::ArrayViewD<'_, A>, mut output: ndarray::ArrayViewMutD<'_, A>) -> $crate::error::Result<()> {
            $crate::body::infer_into(self, &input, &mut output)
        }
        fn infer_inplace(&self, mut values: ndarray::ArrayViewMutD<'_, A>) -> $crate::error::Result<()> {
            $crate::body::infer_inplace(self, &mut values)
        }
        fn output_shape(&self, input_shape: &[usize]) -> $crate::error::Result<Vec<usize>> {
            $crate::body::output_shape(self, input_shape)
        }
        fn input_shape(&self) -> Option<&[usize]> {
            $crate::body::Body::record(self).remembered_shape()
        }
    };
}
pub(crate) use layer_methods;
