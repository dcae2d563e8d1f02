//! The rectifier whose negative slope is learned.

mod loops;
mod slopes;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use loops::{Gradients, NewValues, rectify};
use ndarray::{ArrayD, ArrayRefD, Axis, Dimension, IxDyn};
use slopes::{Slopes, only};

use crate::{
    body::{Body, Record, Resized, layer_methods},
    element::Element,
    error::{ActivationError, Result},
    formula,
    kernel::{self, CHUNK, complete},
    layer::{Layer, Param},
    pages,
    parts::PARTS,
    pointwise::Cost,
    threads::Parts,
    traverse::{Order, Positioned, Runs, fresh, fresh_in_units, pass, pass_in_units},
};

/// The parametric rectified linear unit, $f(x) = x$ for $x > 0$, and $α x$ for $x ≤ 0$, with α learned (He, Zhang, Ren and Sun 2015, arXiv:1502.01852).
#[cfg_attr(doc, doc = "", doc = include_str!("../docs/curves/prelu.svg"))]
///
/// $f'(x) = 1$ for $x > 0$, and $α$ for $x ≤ 0$, at 0 too. The gradient of α is $\sum g x$ over the elements below 0 that it stands for, added to
/// `params_mut()[0].grad`; elements at $x ≥ 0$ give nothing, whatever their gradient. α takes no weight decay: the hint is on the parameter.
///
/// α is one number ([`shared`](Self::shared)), one per channel ([`per_channel`](Self::per_channel), axis 1 unless [`axis`](Self::axis) says otherwise), or any
/// array that broadcasts against the input as in NumPy ([`with_alpha`](Self::with_alpha)): Keras' shared axes have length 1 there.
///
/// Kept for backward: the input. The gradient of α is a sum in `f64` of products that are rounded to the element type, in an order that depends on the shape and
/// the memory layout alone, never on the threads. For `f32` the products' rounding costs up to 6 · 10⁻⁸ of the sum of their magnitudes, and one beyond the largest
/// `f32` counts as infinite. Max error of the output: 0.5 ULP.
///
/// ```
/// use ndarray::array;
/// use ndarray_activations::{Layer, PReLU};
///
/// let mut prelu = PReLU::<f64>::per_channel(2, 0.25);
/// let y = prelu.forward(&array![[-4.0, 2.0], [1.0, -8.0]].into_dyn())?;
/// assert_eq!(y, array![[-1.0, 2.0], [1.0, -2.0]].into_dyn());
/// prelu.backward(&array![[1.0, 1.0], [1.0, 0.5]].into_dyn())?;
/// for param in prelu.params_mut() {
///     assert_eq!(param.grad, array![-4.0, -4.0].into_dyn());
///     let step = &param.grad * 0.01;
///     param.value -= &step;
/// }
/// prelu.zero_grad();
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PReLU<A = f32> {
    alpha: Param<A>,
    along: Along,
    kept: PreluKept<A>,
}

/// Where α's elements stand in the input.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Along {
    /// As NumPy broadcasts.
    Broadcast,
    /// α has one axis, and it is this one of the input.
    Axis(usize),
}

#[derive(Debug, Default)]
pub(crate) struct PreluKept<A> {
    record: Record,
    input: Vec<A>,
    /// Partial sums of α's gradient, the bits of `f64`s: one row for each part of the input. Atomic since threads fill the rows; no two of them the same.
    sums: Vec<AtomicU64>,
}

impl<A: Clone> Clone for PreluKept<A> {
    fn clone(&self) -> Self {
        Self { record: self.record.clone(), input: self.input.clone(), sums: Vec::new() }
    }
}

impl<A: Element> PReLU<A> {
    fn from_alpha(alpha: ArrayD<A>, along: Along) -> Self {
        Self { alpha: Param::new("alpha", alpha).without_weight_decay(), along, kept: PreluKept::default() }
    }

    /// One slope for all elements; PyTorch's default is 0.25.
    pub fn shared(alpha: f64) -> Self {
        Self::from_alpha(ArrayD::from_elem(IxDyn(&[1]), A::rounded(alpha)), Along::Broadcast)
    }

    /// One slope for each channel; channels lie along axis 1 of the input (see [`axis`](Self::axis)).
    pub fn per_channel(channels: usize, alpha: f64) -> Self {
        Self::from_alpha(ArrayD::from_elem(IxDyn(&[channels]), A::rounded(alpha)), Along::Axis(1))
    }

    /// The same layer with its channels along this axis. An α of another number of axes than one keeps broadcasting as in NumPy.
    #[must_use]
    pub fn axis(mut self, axis: Axis) -> Self {
        if self.alpha.value.ndim() == 1 {
            self.along = Along::Axis(axis.index());
        }
        self
    }

    /// Slopes in any array that broadcasts against the input as in NumPy: `[h, w, c]` for one per element of a sample, `[1, 1, c]` for one per last axis.
    pub fn with_alpha(alpha: ArrayD<A>) -> Self {
        Self::from_alpha(alpha, Along::Broadcast)
    }

    /// The axis of the channels, where there is one slope a channel; `None` where α broadcasts.
    pub fn channel_axis(&self) -> Option<Axis> {
        match self.along {
            Along::Axis(axis) => Some(Axis(axis)),
            Along::Broadcast => None,
        }
    }

    /// The slopes.
    pub fn alpha(&self) -> &Param<A> {
        &self.alpha
    }

    /// An error where α does not suit an input of this shape.
    fn check(&self, shape: &[usize]) -> Result<()> {
        self.along.steps(&self.alpha, shape, |_, _| ())
    }

    /// The same function for one slope: its kernel fills a new array at once.
    fn leaky(&self) -> Option<formula::LeakyReLU> {
        only(&self.alpha.value).map(|slope| formula::LeakyReLU::new(slope.widened()))
    }
}

impl Along {
    /// Calls `put` for each axis of the input along which α changes, with the step in α (in logical order) from one element to the next.
    fn steps<A: Element>(self, alpha: &Param<A>, input: &[usize], mut put: impl FnMut(usize, usize)) -> Result<()> {
        let shape = alpha.value.shape();
        match self {
            Self::Axis(axis) => {
                let Some(&length) = input.get(axis) else {
                    return Err(ActivationError::AxisOutOfRange { layer: "prelu".into(), axis, ndim: input.len() });
                };
                ActivationError::check_shape("prelu", "alpha", &[length], shape)?;
                put(axis, usize::from(length > 1));
            }
            Self::Broadcast => {
                let mismatch =
                    || ActivationError::NotBroadcastable { layer: "prelu".into(), what: "alpha".into(), parameter: shape.to_vec(), input: input.to_vec() };
                let offset = input.len().checked_sub(shape.len()).or_else(|| (alpha.value.len() == 1).then_some(0)).ok_or_else(mismatch)?;
                let mut step = 1;
                for (axis, &length) in shape.iter().enumerate().rev() {
                    if length != 1 {
                        if input[offset + axis] != length {
                            return Err(mismatch());
                        }
                        put(offset + axis, step);
                    }
                    step *= length;
                }
            }
        }
        ActivationError::check_shape("prelu", "gradient of alpha", shape, alpha.grad.shape())
    }

    /// Where α stands, for a shape that was checked before.
    fn runs<A: Element>(self, alpha: &Param<A>, input: &[usize], order: &Order) -> Runs {
        let mut steps = IxDyn::zeros(input.len());
        // An error was met before.
        let _ = self.steps(alpha, input, |axis, step| steps[axis] = step);
        Runs::new(input, steps.slice(), order)
    }
}

impl<A: Element> Default for PReLU<A> {
    fn default() -> Self {
        Self::shared(0.25)
    }
}

impl<A: Element> Layer<A> for PReLU<A> {
    layer_methods!();
    fn name(&self) -> &str {
        "prelu"
    }
    /// The slope, where all are the same: `"prelu(0.25)"`; else the number of slopes: `"prelu(64 slopes)"`, which cannot be read back.
    fn spec(&self) -> String {
        let mut values = self.alpha.value.iter();
        match values.next() {
            Some(first) if self.alpha.value.len() == 1 && values.all(|a| a == first) => format!("prelu({})", first.widened()),
            _ => format!("prelu({} slopes)", self.alpha.value.len()),
        }
    }
    fn kinks(&self) -> Vec<f64> {
        vec![0.0]
    }
    fn params(&self) -> Vec<&Param<A>> {
        vec![&self.alpha]
    }
    fn params_mut(&mut self) -> Vec<&mut Param<A>> {
        vec![&mut self.alpha]
    }
    fn clear_cache(&mut self) {
        self.kept = PreluKept::default();
    }
}

impl<A: Element> fmt::Display for PReLU<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spec())
    }
}

impl<A: Element> Body<A> for PReLU<A> {
    fn record(&self) -> &Record {
        &self.kept.record
    }
    fn resized(&self, input: &[usize]) -> Result<Resized> {
        self.check(input).map(|()| None)
    }
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        match self.leaky() {
            Some(leaky) => A::elementwise_infer(&leaky, input, output),
            None => A::prelu_infer(self, input, output),
        }
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::prelu_forward(self, input, output);
    }
    fn infer_new(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.check(input.shape())?;
        Ok(match self.leaky() {
            Some(leaky) => A::elementwise_infer_new(&leaky, input),
            None => A::prelu_infer_new(self, input),
        })
    }
    fn forward_new(&mut self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.check(input.shape())?;
        Ok(A::prelu_forward_new(self, input))
    }
    fn check_backward(&self) -> Result<()> {
        // α may have been given another shape since.
        self.check(self.kept.record.input_shape())
    }
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::prelu_backward(self, gradient, output);
    }
    fn backward_new(&mut self, gradient: &ArrayD<A>) -> ArrayD<A> {
        A::prelu_backward_new(self, gradient)
    }
}

pub(crate) fn infer<A: Element>(layer: &PReLU<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let order = Order::of(output);
    let slopes = Slopes::of(&layer.alpha, layer.along, output.shape(), &order);
    pass(&order, Cost::Memory, input, output, Positioned(0, None), &running(&slopes));
}

pub(crate) fn infer_new<A: Element>(layer: &PReLU<A>, input: &ArrayRefD<A>) -> ArrayD<A> {
    let order = Order::of(input);
    let slopes = Slopes::of(&layer.alpha, layer.along, input.shape(), &order);
    values_new(&order, Cost::Memory, &slopes, input, None)
}

/// The input is kept, and the gradients of the slopes are summed.
const TRAINING: Cost = Cost::Arithmetic;

pub(crate) fn forward<A: Element>(layer: &mut PReLU<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let (slopes, PreluKept { record, input: kept, .. }) = start(layer, input.unwrap_or(output));
    pass(&record.order, TRAINING, input, output, Positioned(0, Some(&mut kept[..])), &running(&slopes));
    record.finish();
}

pub(crate) fn forward_new<A: Element>(layer: &mut PReLU<A>, input: &ArrayRefD<A>) -> ArrayD<A> {
    let (slopes, PreluKept { record, input: kept, .. }) = start(layer, input);
    let output = values_new(&record.order, TRAINING, &slopes, input, Some(&mut kept[..]));
    record.finish();
    output
}

/// A new array of values, beside a copy of the input where that is kept.
fn values_new<A: Element>(order: &Order, cost: Cost, slopes: &Slopes<'_, A>, input: &ArrayRefD<A>, keep: Option<&mut [A]>) -> ArrayD<A> {
    let running = running(slopes);
    let new = |parts: Parts, x: &[A], Positioned(_, keep): &mut Beside<'_, A>| {
        if !slopes.whole(CHUNK) {
            return None;
        }
        let mut values = parts.collect(x.len(), (x, Positioned(0, keep.as_deref_mut())), &NewValues(slopes, kernel::level())).into_flattened();
        complete(&mut values, x.len(), |start, last| running(Some(&x[start..]), last, Positioned(start, keep.as_deref_mut().map(|keep| &mut keep[start..]))));
        Some(values)
    };
    fresh(order, cost, input, Positioned(0, keep), &running, Some(&new))
}

/// The slopes for an input, and room to keep it.
fn start<'a, A: Element>(layer: &'a mut PReLU<A>, input: &ArrayRefD<A>) -> (Slopes<'a, A>, &'a mut PreluKept<A>) {
    let PReLU { alpha, along, kept } = layer;
    kept.record.start(input, input.shape());
    pages::resize(&mut kept.input, input.len(), A::zero());
    (Slopes::of(alpha, *along, input.shape(), &kept.record.order), kept)
}

/// Where slices begin, and where to keep their elements.
type Beside<'a, A> = Positioned<Option<&'a mut [A]>>;

/// What is done with slices of an array.
fn running<A: Element>(slopes: &Slopes<'_, A>) -> impl Fn(Option<&[A]>, &mut [A], Beside<'_, A>) + Sync {
    let level = kernel::level();
    move |x, y, Positioned(start, keep)| rectify(level, slopes, start, x, y, keep)
}

pub(crate) fn backward<A: Element>(layer: &mut PReLU<A>, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    with_gradients(layer, |order, gradients| {
        pass_in_units(gradients.part, order, TRAINING, gradient, output, Positioned(0, ()), &|g, y, Positioned(start, ())| gradients.run(start, g, y));
    });
}

pub(crate) fn backward_new<A: Element>(layer: &mut PReLU<A>, gradient: &ArrayRefD<A>) -> ArrayD<A> {
    with_gradients(layer, |order, gradients| {
        let new = |parts: Parts, g: &[A], _: &mut Positioned<()>| {
            // What is left over of whole lines would be summed by itself. Rows that go several at once, by way of a buffer, took as long as over zeros.
            let slopes = gradients.slopes;
            let whole = slopes.repeated().is_none() && slopes.whole(PARTS) && g.len().is_multiple_of(PARTS);
            whole.then(|| parts.collect(g.len(), (g, Positioned(0, ())), &gradients).into_flattened())
        };
        let body = |g: Option<&[A]>, y: &mut [A], Positioned(start, ())| gradients.run(start, g, y);
        fresh_in_units(gradients.part, order, TRAINING, gradient, Positioned(0, ()), &body, &new)
    })
}

/// Calls `run` with what is needed to compute the gradients, and adds up those of the slopes.
fn with_gradients<A: Element, R>(layer: &mut PReLU<A>, run: impl FnOnce(&Order, Gradients<'_, A>) -> R) -> R {
    let PReLU { alpha, along, kept } = layer;
    let PreluKept { record, input, sums } = kept;
    let (count, total) = (alpha.value.len(), input.len());
    let slopes = Slopes::of(alpha, *along, record.input_shape(), &record.order);
    let part = slopes.part_length();
    sums.clear();
    sums.resize_with(total.div_ceil(part) * count, AtomicU64::default);
    let result = run(&record.order, Gradients { level: kernel::level(), slopes: &slopes, input, sums, count, part });
    for (index, grad) in alpha.grad.iter_mut().enumerate() {
        let sum: f64 = sums.iter().skip(index).step_by(count).map(|sum| f64::from_bits(sum.load(Ordering::Relaxed))).sum();
        *grad += A::rounded(sum);
    }
    result
}
