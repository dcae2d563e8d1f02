//! A chain of layers that is a layer itself.

use std::{
    fmt, mem,
    sync::{Mutex, PoisonError},
};

use ndarray::{ArrayD, ArrayRefD, ArrayViewD, ArrayViewMutD};

use crate::{
    element::Element,
    error::{ActivationError, Result},
    layer::{Layer, Param},
    layer_ext::LayerExt,
    pages,
    traverse::{Order, checked_len},
};

const NAME: &str = "sequential";

/// Layers one behind the other: a [`Layer`] that leads its input through all of them, and its gradient back.
///
/// ```
/// use ndarray::array;
/// use ndarray_activations::{GELU, Layer, LeakyReLU, Sequential, Tanh};
///
/// let mut net = Sequential::new(vec![Box::new(Tanh::new()) as Box<dyn Layer<f64>>, Box::new(LeakyReLU::new(0.2))]);
/// net.push(GELU::tanh());
/// let x = array![[-1.0, 2.0], [0.5, -3.0]].into_dyn();
/// let y = net.forward(&x)?;
/// let dx = net.backward(&y)?; // with the gradient of a loss in place of y
/// assert_eq!(dx.shape(), x.shape());
/// assert_eq!(net.get(1).map(|layer| layer.spec()).as_deref(), Some("leaky_relu(0.2)"));
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
///
/// An empty chain is the identity. A chain can be a part of another. It cannot be cloned, as boxed layers cannot, and [`by_name`](crate::by_name) does not read
/// its [`spec`](Layer::spec), `sequential(tanh, leaky_relu(0.2))`, since that may name layers of your own.
///
/// # Memory
/// The results between the layers go into two buffers that the chain keeps and every pass uses again; layers that keep the shape work there in place. So after
/// the first step with a shape, the `_into` and `_inplace` forms allocate nothing beyond what the layers themselves do (up to four axes; layers of your own: see
/// the defaults in [`Layer`]). After [`get_mut`](Self::get_mut) and `params_mut` the next pass asks the layers for their shapes again, a few small vectors.
/// `infer` uses the same buffers; when several threads call it at once, one of them does, and the others make their own. The buffers lie in the memory order of
/// the input as long as the number of axes is the same. [`clear_cache`](Layer::clear_cache) gives all of it back.
///
/// # Errors
/// Those of the layers, and shapes that do not fit. The shapes are asked of all layers through [`output_shape`](Layer::output_shape) before anything starts, so
/// that an error leaves the chain, its layers and the destination as they were.
///
/// That cannot hold where a layer of your own fails for another reason, or its `output_shape` is wrong. Then the layers before it (in `backward`: behind it) have
/// run: they remember the new input, or have added to the gradients of their parameters. The chain then refuses `backward` until the next `forward` that
/// succeeds, and [`zero_grad`](Layer::zero_grad) clears what was added. The destination is written by the last layer alone. The same holds for layers
/// that were changed through [`get_mut`](Self::get_mut) between `forward` and `backward` so that they no longer fit together.
pub struct Sequential<A = f32> {
    layers: Vec<Box<dyn Layer<A>>>,
    /// The shapes of the last `forward`, from the chain's input to its output, and the order in which the input lay in memory.
    shapes: Vec<Vec<usize>>,
    order: Order,
    /// Whether there is anything to go back from.
    valid: bool,
    workspace: Mutex<Workspace<A>>,
}

/// What every pass needs and none leaves behind.
#[derive(Default)]
struct Workspace<A> {
    /// The shapes from the chain's input to its output, as the layers told them; empty when they have to be asked.
    shapes: Vec<Vec<usize>>,
    buffers: (Vec<A>, Vec<A>),
}

impl<A: Element> Sequential<A> {
    /// A chain of these layers, the first of which gets the input.
    pub fn new(layers: Vec<Box<dyn Layer<A>>>) -> Self {
        Self { layers, shapes: Vec::new(), order: Order::default(), valid: false, workspace: Mutex::default() }
    }

    /// Appends a layer. The next `backward` needs a new `forward`.
    pub fn push(&mut self, layer: impl Layer<A> + 'static) {
        self.layers.push(Box::new(layer));
        self.valid = false;
        self.forget_shapes();
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The layer at this position, counted from 0.
    pub fn get(&self, index: usize) -> Option<&dyn Layer<A>> {
        self.iter().nth(index)
    }

    /// The layer at this position, to change it.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut dyn Layer<A>> {
        self.forget_shapes();
        match self.layers.get_mut(index) {
            Some(layer) => Some(&mut **layer),
            None => None,
        }
    }

    /// The layers in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &dyn Layer<A>> + ExactSizeIterator {
        self.layers.iter().map(|layer| &**layer)
    }

    /// To be called whenever a layer may change: the shapes will be asked again.
    fn forget_shapes(&mut self) {
        self.workspace.get_mut().unwrap_or_else(PoisonError::into_inner).shapes.clear();
    }

    fn run_forward(&mut self, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        with(&self.workspace, |Workspace { shapes, buffers }| {
            ask(&self.layers, shapes, either(&input, &output).shape())?;
            check_destination(shapes, input.is_none(), output.shape())?;
            // From here on the layers remember this input, and not the one before.
            self.valid = false;
            self.shapes.clone_from(shapes);
            self.order = Order::of(either(&input, &output));
            relay(self.layers.iter_mut().zip(shapes.iter().skip(1)), &self.order, buffers, input, output, |layer, input, output| match input {
                Some(input) => layer.forward_into(input, output),
                None => layer.forward_inplace(output),
            })?;
            self.valid = true;
            Ok(())
        })
    }

    fn run_infer(&self, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        with(&self.workspace, |Workspace { shapes, buffers }| {
            ask(&self.layers, shapes, either(&input, &output).shape())?;
            check_destination(shapes, input.is_none(), output.shape())?;
            let order = Order::of(either(&input, &output));
            relay(self.layers.iter().zip(shapes.iter().skip(1)), &order, buffers, input, output, |layer, input, output| match input {
                Some(input) => layer.infer_into(input, output),
                None => layer.infer_inplace(output),
            })
        })
    }

    fn run_backward(&mut self, gradient: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        let (first, last) = self.ends()?;
        ActivationError::check_shape(NAME, "gradient", last, either(&gradient, &output).shape())?;
        match gradient {
            Some(_) => ActivationError::check_shape(NAME, "destination", first, output.shape())?,
            None => check_inplace(first, last)?,
        }
        with(&self.workspace, |Workspace { shapes, buffers }| {
            // A parameter may have been given another shape since.
            ask(&self.layers, shapes, self.shapes.first().map_or(&[], Vec::as_slice))?;
            for ((layer, then), now) in self.layers.iter().zip(self.shapes.iter().skip(1)).zip(shapes.iter().skip(1)) {
                ActivationError::check_shape(layer.name(), "output", then, now)?;
            }
            self.valid = false;
            relay(self.layers.iter_mut().zip(shapes.iter()).rev(), &self.order, buffers, gradient, output, |layer, gradient, output| match gradient {
                Some(gradient) => layer.backward_into(gradient, output),
                None => layer.backward_inplace(output),
            })?;
            self.valid = true;
            Ok(())
        })
    }

    /// The shapes of the input and the output of the last `forward`.
    fn ends(&self) -> Result<(&[usize], &[usize])> {
        match (self.shapes.first(), self.shapes.last()) {
            (Some(first), Some(last)) if self.valid => Ok((first, last)),
            _ => Err(ActivationError::BackwardBeforeForward { layer: NAME.into() }),
        }
    }
}

/// Runs with the workspace. It is locked only to be taken and given back: whoever finds it taken makes do with a new one.
fn with<A: Element, R>(place: &Mutex<Workspace<A>>, run: impl FnOnce(&mut Workspace<A>) -> R) -> R {
    let mut workspace = place.try_lock().map(|mut place| mem::take(&mut *place)).unwrap_or_default();
    let result = run(&mut workspace);
    if let Ok(mut place) = place.try_lock() {
        *place = workspace;
    }
    result
}

/// Fills in the shapes from the input's to the output's, unless they are there.
fn ask<A: Element>(layers: &[Box<dyn Layer<A>>], shapes: &mut Vec<Vec<usize>>, input: &[usize]) -> Result<()> {
    if shapes.first().is_some_and(|shape| shape == input) {
        return Ok(());
    }
    let mut shape = input.to_vec();
    let mut asked = Vec::with_capacity(layers.len() + 1);
    for layer in layers {
        let next = layer.output_shape(&shape)?;
        checked_len::<A>(&next)?;
        asked.push(mem::replace(&mut shape, next));
    }
    asked.push(shape);
    *shapes = asked;
    Ok(())
}

/// What a pass reads: the input, or the values that it works on in place.
fn either<'a, A>(input: &'a Option<ArrayViewD<'_, A>>, output: &'a ArrayViewMutD<'_, A>) -> &'a ArrayRefD<A> {
    input.as_deref().unwrap_or(output)
}

fn check_inplace(input: &[usize], output: &[usize]) -> Result<()> {
    if input == output {
        return Ok(());
    }
    Err(ActivationError::ShapeChanges { layer: NAME.into(), input: input.to_vec(), output: output.to_vec() })
}

fn check_destination(shapes: &[Vec<usize>], inplace: bool, destination: &[usize]) -> Result<()> {
    match shapes.last() {
        Some(last) if inplace => check_inplace(destination, last),
        Some(last) => ActivationError::check_shape(NAME, "destination", last, destination),
        None => Ok(()),
    }
}

/// Leads `input` (the values of `output`, where there is none) through `steps`, each a layer and the shape of its result, and into `output`, which the last
/// step alone writes. `step` works in place where it gets no input.
fn relay<'a, A: Element, L>(
    mut steps: impl DoubleEndedIterator<Item = (L, &'a Vec<usize>)>,
    order: &Order,
    buffers: &mut (Vec<A>, Vec<A>),
    input: Option<ArrayViewD<'_, A>>,
    mut output: ArrayViewMutD<'_, A>,
    step: impl Fn(L, Option<ArrayViewD<'_, A>>, ArrayViewMutD<'_, A>) -> Result<()>,
) -> Result<()> {
    let Some((last, _)) = steps.next_back() else {
        if let Some(input) = input {
            output.assign(&input);
        }
        return Ok(());
    };
    let (mut here, mut there) = (&mut buffers.0, &mut buffers.1);
    // The shape of what lies in `here`, once anything does.
    let mut shape: Option<&[usize]> = None;
    for (layer, next) in steps {
        match shape {
            Some(shape) if shape == next => step(layer, None, order.over_mut(shape, here)?)?,
            _ => {
                let source = match shape {
                    Some(shape) => order.over(shape, here)?,
                    None => either(&input, &output).view(),
                };
                let length = checked_len::<A>(next)?;
                if there.len() < length {
                    pages::resize(there, length, A::zero());
                }
                step(layer, Some(source), order.over_mut(next, there)?)?;
                mem::swap(&mut here, &mut there);
            }
        }
        shape = Some(next);
    }
    match shape {
        Some(shape) => step(last, Some(order.over(shape, here)?), output),
        None => step(last, input, output),
    }
}

impl<A: Element> Layer<A> for Sequential<A> {
    fn forward(&mut self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.forward_nd(input)
    }
    fn forward_into(&mut self, input: ArrayViewD<'_, A>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        self.run_forward(Some(input), output)
    }
    fn forward_inplace(&mut self, values: ArrayViewMutD<'_, A>) -> Result<()> {
        self.run_forward(None, values)
    }
    fn backward(&mut self, grad_output: &ArrayD<A>) -> Result<ArrayD<A>> {
        let (first, last) = self.ends()?;
        ActivationError::check_shape(NAME, "gradient", last, grad_output.shape())?;
        checked_len::<A>(first)?;
        let mut grad_input = A::zeros_in(&self.order, first);
        self.run_backward(Some(grad_output.view()), grad_input.view_mut())?;
        Ok(grad_input)
    }
    fn backward_into(&mut self, grad_output: ArrayViewD<'_, A>, grad_input: ArrayViewMutD<'_, A>) -> Result<()> {
        self.run_backward(Some(grad_output), grad_input)
    }
    fn backward_inplace(&mut self, grad: ArrayViewMutD<'_, A>) -> Result<()> {
        self.run_backward(None, grad)
    }
    fn infer(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.infer_nd(input)
    }
    fn infer_into(&self, input: ArrayViewD<'_, A>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        self.run_infer(Some(input), output)
    }
    fn infer_inplace(&self, values: ArrayViewMutD<'_, A>) -> Result<()> {
        self.run_infer(None, values)
    }

    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        self.layers.iter().try_fold(input_shape.to_vec(), |shape, layer| layer.output_shape(&shape))
    }
    fn input_shape(&self) -> Option<&[usize]> {
        self.ends().ok().map(|(first, _)| first)
    }
    fn params(&self) -> Vec<&Param<A>> {
        self.layers.iter().flat_map(|layer| layer.params()).collect()
    }
    fn params_mut(&mut self) -> Vec<&mut Param<A>> {
        self.forget_shapes();
        self.layers.iter_mut().flat_map(|layer| layer.params_mut()).collect()
    }
    /// The parameters in the order of [`params`](Layer::params), named as in `PyTorch`, by the position of their layer: `"0.weight"`, and in a chain within the
    /// chain `"2.0.weight"`.
    fn named_params(&self) -> Vec<(String, &Param<A>)> {
        let layers = self.layers.iter().enumerate();
        layers.flat_map(|(index, layer)| layer.named_params().into_iter().map(move |(name, param)| (format!("{index}.{name}"), param))).collect()
    }
    fn zero_grad(&mut self) {
        for layer in &mut self.layers {
            layer.zero_grad();
        }
    }
    fn clear_cache(&mut self) {
        for layer in &mut self.layers {
            layer.clear_cache();
        }
        *self = Self::new(mem::take(&mut self.layers));
    }
    fn name(&self) -> &str {
        NAME
    }
    fn spec(&self) -> String {
        let specs: Vec<String> = self.iter().map(Layer::spec).collect();
        format!("{NAME}({})", specs.join(", "))
    }
}

impl<A: Element> Default for Sequential<A> {
    /// An empty chain, to be filled with [`push`](Sequential::push).
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<A: Element> fmt::Display for Sequential<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spec())
    }
}

impl<A: Element> fmt::Debug for Sequential<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequential").field("layers", &self.layers).finish_non_exhaustive()
    }
}
