//! The rectifier whose negative slope is learned.

use std::{
    borrow::Cow,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use fearless_simd::{Level, Simd};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, Dimension, IxDyn};

use crate::{
    body::{Body, Record, Resized, layer_methods},
    element::Element,
    error::{ActivationError, Result},
    kernel::{self, at_level},
    layer::{Layer, Param},
    pointwise::Cost,
    traverse::{Order, Positioned, Runs, pass, pass_in_units},
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
/// Kept for backward: the input. The gradient of α is summed in `f64`, in an order that depends on the shape and the memory layout alone, never on the
/// threads. Max error of the output: 0.5 ULP.
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

    /// For each axis of the input: the step in α (in logical order) from one element to the next; 0 where α is broadcast.
    fn steps(&self, shape: &[usize]) -> Result<IxDyn> {
        let alpha = self.alpha.value.shape();
        let mut steps = IxDyn::zeros(shape.len());
        match self.along {
            Along::Axis(axis) => {
                let Some(&length) = shape.get(axis) else {
                    return Err(ActivationError::AxisOutOfRange { layer: "prelu".into(), axis, ndim: shape.len() });
                };
                ActivationError::check_shape("prelu", "alpha", &[length], alpha)?;
                steps[axis] = usize::from(length > 1);
            }
            Along::Broadcast => {
                let mismatch =
                    || ActivationError::NotBroadcastable { layer: "prelu".into(), what: "alpha".into(), parameter: alpha.to_vec(), input: shape.to_vec() };
                let offset = shape.len().checked_sub(alpha.len()).or_else(|| (self.alpha.value.len() == 1).then_some(0)).ok_or_else(mismatch)?;
                let mut step = 1;
                for (axis, &length) in alpha.iter().enumerate().rev() {
                    if length != 1 {
                        if shape[offset + axis] != length {
                            return Err(mismatch());
                        }
                        steps[offset + axis] = step;
                    }
                    step *= length;
                }
            }
        }
        ActivationError::check_shape("prelu", "gradient of alpha", alpha, self.alpha.grad.shape())?;
        Ok(steps)
    }

    /// Where α stands, for a shape that was checked before.
    fn runs(&self, shape: &[usize], order: &Order) -> Runs {
        let steps = self.steps(shape).unwrap_or_else(|_| IxDyn::zeros(shape.len()));
        Runs::new(shape, steps.slice(), order)
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
        self.steps(input).map(|_| None)
    }
    fn run_infer(&self, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) {
        A::prelu_infer(self, input, output);
    }
    fn run_forward(&mut self, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) {
        A::prelu_forward(self, input, output);
    }
    fn check_backward(&self) -> Result<()> {
        // α may have been given another shape since.
        self.steps(self.kept.record.input_shape()).map(|_| ())
    }
    fn run_backward(&mut self, gradient: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) {
        A::prelu_backward(self, gradient, output);
    }
}

/// The logical elements of α in a row.
fn in_a_row<A: Element>(alpha: &ArrayD<A>) -> Cow<'_, [A]> {
    match alpha.as_slice() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(alpha.iter().copied().collect()),
    }
}

pub(crate) fn infer<A: Element>(layer: &PReLU<A>, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) {
    let order = Order::of_either(input.as_ref(), &output);
    run(layer, &order, input, output, None);
}

pub(crate) fn forward<A: Element>(layer: &mut PReLU<A>, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) {
    let mut kept = std::mem::take(&mut layer.kept);
    kept.record.start_either(input.as_ref(), &output, output.shape());
    kept.input.resize(output.len(), A::zero());
    run(layer, &kept.record.order, input, output, Some(&mut kept.input));
    kept.record.finish();
    layer.kept = kept;
}

fn run<A: Element>(layer: &PReLU<A>, order: &Order, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>, keep: Option<&mut [A]>) {
    let level = kernel::level();
    let runs = layer.runs(output.shape(), order);
    let alpha = in_a_row(&layer.alpha.value);
    pass(order, Cost::Memory, input, output, Positioned(0, keep), &|x, y, Positioned(start, keep)| {
        if let Some(keep) = keep {
            keep.copy_from_slice(x.unwrap_or(y));
        }
        runs.visit(start, y.len(), |range, first, step| {
            at_level!(level, simd => value(simd, x.map(|x| &x[range.clone()]), &mut y[range.clone()], &alpha[first..], step));
        });
    });
}

#[inline(always)]
fn rectified<A: Element>(x: A, factor: A) -> A {
    if x <= A::zero() { x * factor } else { x }
}

/// One run: α is constant along it (step 0), its next elements (step 1), or every `step`-th.
#[inline(always)]
fn value<S: Simd, A: Element>(_simd: S, input: Option<&[A]>, output: &mut [A], alpha: &[A], step: usize) {
    if let Some(input) = input {
        output.copy_from_slice(input);
    }
    match step {
        0 => {
            let a = alpha[0];
            output.iter_mut().for_each(|y| *y = rectified(*y, a));
        }
        1 => output.iter_mut().zip(alpha).for_each(|(y, &a)| *y = rectified(*y, a)),
        _ => output.iter_mut().zip(alpha.iter().step_by(step)).for_each(|(y, &a)| *y = rectified(*y, a)),
    }
}

/// How many elements one row of partial sums covers: fixed by the number of slopes alone, so that the sums do not depend on the threads.
fn part_length(slopes: usize) -> usize {
    (1 << 14).max(8 * slopes).next_multiple_of(1 << 10)
}

/// Up to so many slopes, a part is summed on the stack.
const LOCAL: usize = 1024;

pub(crate) fn backward<A: Element>(layer: &mut PReLU<A>, gradient: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) {
    let level = kernel::level();
    let kept = &mut layer.kept;
    let (slopes, total) = (layer.alpha.value.len(), output.len());
    let part = part_length(slopes);
    kept.sums.clear();
    kept.sums.resize_with(total.div_ceil(part) * slopes, AtomicU64::default);
    let kept = &layer.kept;
    let runs = layer.runs(output.shape(), &kept.record.order);
    let alpha = in_a_row(&layer.alpha.value);
    pass_in_units(part, &kept.record.order, Cost::Memory, gradient, output, Positioned(0, ()), &|g, y, Positioned(start, ())| {
        let input = &kept.input[start..start + y.len()];
        // First the sums, since the gradient may be overwritten.
        let mut done = 0;
        while done < y.len() {
            let row = (start + done) / part;
            let end = y.len().min((row + 1) * part - start);
            let g = &g.unwrap_or(y)[done..end];
            add_up(&runs, start + done, g, &input[done..end], &kept.sums[row * slopes..(row + 1) * slopes], level);
            done = end;
        }
        runs.visit(start, y.len(), |range, first, step| {
            at_level!(level, simd => gradient_run(simd, g.map(|g| &g[range.clone()]), &input[range.clone()], &mut y[range.clone()], &alpha[first..], step));
        });
    });
    let rows = kept.sums.len().checked_div(slopes).unwrap_or(0);
    for (index, grad) in layer.alpha.grad.iter_mut().enumerate() {
        let sum: f64 = (0..rows).map(|row| f64::from_bits(layer.kept.sums[row * slopes + index].load(Ordering::Relaxed))).sum();
        *grad += A::rounded(sum);
    }
}

/// Adds grad · x over the elements below 0 to the sums of their slopes.
fn add_up<A: Element>(runs: &Runs, start: usize, gradient: &[A], input: &[A], sums: &[AtomicU64], level: Level) {
    let add = |index: usize, term: f64| {
        let sum = f64::from_bits(sums[index].load(Ordering::Relaxed)) + term;
        sums[index].store(sum.to_bits(), Ordering::Relaxed);
    };
    if runs.constant() || sums.len() > LOCAL {
        runs.visit(start, input.len(), |range, first, step| {
            let (g, x) = (&gradient[range.clone()], &input[range]);
            if step == 0 {
                let mut sum = [0.0; LANES];
                at_level!(level, simd => sum_run(simd, g, x, &mut sum));
                add(first, tree(sum));
            } else {
                for (i, (&g, &x)) in g.iter().zip(x).enumerate() {
                    add(first + i * step, term(g, x));
                }
            }
        });
    } else {
        let mut local = [0.0; LOCAL];
        runs.visit(start, input.len(), |range, first, step| {
            at_level!(level, simd => sum_each(simd, &gradient[range.clone()], &input[range], &mut local[first..], step));
        });
        for (index, &sum) in local[..sums.len()].iter().enumerate() {
            add(index, sum);
        }
    }
}

/// grad · x below 0, and nothing elsewhere, whatever the gradient.
#[inline(always)]
fn term<A: Element>(gradient: A, input: A) -> f64 {
    if input < A::zero() { gradient.widened() * input.widened() } else { 0.0 }
}

const LANES: usize = 16;

#[inline(always)]
fn sum_run<S: Simd, A: Element>(_simd: S, gradient: &[A], input: &[A], sum: &mut [f64; LANES]) {
    let (mut gradients, mut inputs) = (gradient.chunks_exact(LANES), input.chunks_exact(LANES));
    for (g, x) in (&mut gradients).zip(&mut inputs) {
        for i in 0..LANES {
            sum[i] += term(g[i], x[i]);
        }
    }
    for (sum, (&g, &x)) in sum.iter_mut().zip(gradients.remainder().iter().zip(inputs.remainder())) {
        *sum += term(g, x);
    }
}

fn tree(mut sum: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            sum[i] += sum[i + width];
        }
        width /= 2;
    }
    sum[0]
}

#[inline(always)]
fn sum_each<S: Simd, A: Element>(_simd: S, gradient: &[A], input: &[A], sums: &mut [f64], step: usize) {
    match step {
        0 => {
            for (&g, &x) in gradient.iter().zip(input) {
                sums[0] += term(g, x);
            }
        }
        1 => {
            for (sum, (&g, &x)) in sums.iter_mut().zip(gradient.iter().zip(input)) {
                *sum += term(g, x);
            }
        }
        _ => {
            for (sum, (&g, &x)) in sums.iter_mut().step_by(step).zip(gradient.iter().zip(input)) {
                *sum += term(g, x);
            }
        }
    }
}

/// grad · (1 above 0, α elsewhere) along one run.
#[inline(always)]
fn gradient_run<S: Simd, A: Element>(_simd: S, gradient: Option<&[A]>, input: &[A], output: &mut [A], alpha: &[A], step: usize) {
    if let Some(gradient) = gradient {
        output.copy_from_slice(gradient);
    }
    let sloped = |y: &mut A, x: A, a: A| *y = if x <= A::zero() { *y * a } else { *y };
    match step {
        0 => {
            let a = alpha[0];
            output.iter_mut().zip(input).for_each(|(y, &x)| sloped(y, x, a));
        }
        1 => output.iter_mut().zip(input).zip(alpha).for_each(|((y, &x), &a)| sloped(y, x, a)),
        _ => output.iter_mut().zip(input).zip(alpha.iter().step_by(step)).for_each(|((y, &x), &a)| sloped(y, x, a)),
    }
}
