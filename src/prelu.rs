//! The rectifier whose negative slope is learned.

use std::{
    borrow::Cow,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use fearless_simd::{Simd, SimdBase as _};
use ndarray::{ArrayD, ArrayRefD, Axis, Dimension, IxDyn};

use crate::{
    body::{Body, Record, Resized, layer_methods},
    element::Element,
    error::{ActivationError, Result},
    kernel::{self, at_level, blocks, load, load_part, store_part, zip},
    layer::{Layer, Param},
    parts::{PARTS, Sums, splat},
    pointwise::Cost,
    real::{Lanes, Real as _, Work as _},
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
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::prelu_infer(self, input, output);
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::prelu_forward(self, input, output);
    }
    fn check_backward(&self) -> Result<()> {
        // α may have been given another shape since.
        self.steps(self.kept.record.input_shape()).map(|_| ())
    }
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
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

pub(crate) fn infer<A: Element>(layer: &PReLU<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let order = Order::of_either(input, output);
    run(layer, &order, input, output, None);
}

pub(crate) fn forward<A: Element>(layer: &mut PReLU<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let mut kept = std::mem::take(&mut layer.kept);
    kept.record.start_either(input, output, output.shape());
    kept.input.resize(output.len(), A::zero());
    run(layer, &kept.record.order, input, output, Some(&mut kept.input));
    kept.record.finish();
    layer.kept = kept;
}

fn run<A: Element>(layer: &PReLU<A>, order: &Order, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>, keep: Option<&mut [A]>) {
    let level = kernel::level();
    let runs = layer.runs(output.shape(), order);
    let alpha = &in_a_row(&layer.alpha.value)[..];
    pass(order, Cost::Memory, input, output, Positioned(0, keep), &|x, y, Positioned(start, keep)| {
        at_level!(level, simd => rectify(simd, &runs, start, x, y, alpha, keep));
    });
}

#[inline(always)]
fn rectify<S: Simd, A: Element>(simd: S, runs: &Runs, start: usize, x: Option<&[A]>, y: &mut [A], alpha: &[A], mut keep: Option<&mut [A]>) {
    blocks(
        x,
        y,
        #[inline(always)]
        |x, y, block| {
            if let Some(keep) = &mut keep {
                kernel::copy(x, &mut keep[block.clone()]);
            }
            runs.visit(
                start + block.start,
                y.len(),
                #[inline(always)]
                |range, first, step| along(simd, &x[range.clone()], &x[range.clone()], &alpha[first..], step, &mut y[range]),
            );
        },
    );
}

/// The value where x is above 0 or NaN, and its product with the slope elsewhere.
#[inline(always)]
fn sloped<S: Simd, A: Element>(value: Lanes<S, A>, x: Lanes<S, A>, slope: Lanes<S, A>) -> Lanes<S, A> {
    Lanes::select(x.le(0.0), value * slope, value)
}

/// One run of the values, times its slopes where x is not above 0. α is constant along the run (step 0), its next elements (step 1), or every `step`-th.
#[inline(always)]
fn along<S: Simd, A: Element>(simd: S, values: &[A], x: &[A], alpha: &[A], step: usize, output: &mut [A]) {
    match step {
        0 => {
            let a = splat(simd, alpha[0]);
            zip(
                simd,
                values,
                x,
                output,
                #[inline(always)]
                |value, x| sloped(value, x, a),
            );
        }
        _ => {
            let slopes = alpha.iter().step_by(step);
            for (((y, &value), &x), &a) in output.iter_mut().zip(values).zip(x).zip(slopes) {
                *y = if x <= A::zero() { value * a } else { value };
            }
        }
    }
}

/// How many elements one row of partial sums covers: fixed by the number of slopes alone, so that the sums do not depend on the threads.
fn part_length(slopes: usize) -> usize {
    (1 << 14).max(8 * slopes).next_multiple_of(1 << 10)
}

/// Up to so many slopes, a part is summed on the stack.
const LOCAL: usize = 1024;

pub(crate) fn backward<A: Element>(layer: &mut PReLU<A>, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let level = kernel::level();
    let kept = &mut layer.kept;
    let (slopes, total) = (layer.alpha.value.len(), output.len());
    let part = part_length(slopes);
    kept.sums.clear();
    kept.sums.resize_with(total.div_ceil(part) * slopes, AtomicU64::default);
    let kept = &layer.kept;
    let runs = layer.runs(output.shape(), &kept.record.order);
    let alpha = &in_a_row(&layer.alpha.value)[..];
    pass_in_units(part, &kept.record.order, Cost::Memory, gradient, output, Positioned(0, ()), &|g, y, Positioned(start, ())| {
        let input = &kept.input[start..start + y.len()];
        let mut done = 0;
        while done < y.len() {
            let row = (start + done) / part;
            let end = y.len().min((row + 1) * part - start);
            let piece = Piece { runs: &runs, start: start + done, input: &input[done..end], alpha, sums: &kept.sums[row * slopes..(row + 1) * slopes] };
            at_level!(level, simd => piece.run(simd, g.map(|g| &g[done..end]), &mut y[done..end]));
            done = end;
        }
    });
    let rows = kept.sums.len().checked_div(slopes).unwrap_or(0);
    for (index, grad) in layer.alpha.grad.iter_mut().enumerate() {
        let sum: f64 = (0..rows).map(|row| f64::from_bits(layer.kept.sums[row * slopes + index].load(Ordering::Relaxed))).sum();
        *grad += A::rounded(sum);
    }
}

/// Elements that add to one row of partial sums.
struct Piece<'a, A> {
    runs: &'a Runs,
    /// Where the piece begins in the whole array.
    start: usize,
    input: &'a [A],
    alpha: &'a [A],
    sums: &'a [AtomicU64],
}

impl<A: Element> Piece<'_, A> {
    /// The gradient of the input, in place without a gradient; and that of α, added to the sums.
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, gradient: Option<&[A]>, output: &mut [A]) {
        if self.runs.constant() || self.sums.len() > LOCAL {
            return self.sweep(simd, gradient, output, &mut []);
        }
        let mut local = [0.0; LOCAL];
        let local = &mut local[..self.sums.len()];
        self.sweep(simd, gradient, output, local);
        for (index, &sum) in local.iter().enumerate() {
            self.add(index, sum);
        }
    }

    /// Both gradients; what a run gives to slopes that have a place in `local` goes there.
    #[inline(always)]
    fn sweep<S: Simd>(&self, simd: S, gradient: Option<&[A]>, output: &mut [A], local: &mut [f64]) {
        blocks(
            gradient,
            output,
            #[inline(always)]
            |g, y, block| {
                let x = &self.input[block.clone()];
                self.runs.visit(
                    self.start + block.start,
                    y.len(),
                    #[inline(always)]
                    |range, first, step| {
                        let (g, x, y, alpha) = (&g[range.clone()], &x[range.clone()], &mut y[range], &self.alpha[first..]);
                        if step == 0 {
                            return self.add(first, constant(simd, g, x, alpha[0], y));
                        }
                        if step == 1 && first + y.len() <= local.len() {
                            return each(simd, g, x, alpha, y, &mut local[first..]);
                        }
                        for (i, (&g, &x)) in g.iter().zip(x).enumerate().filter(|(_, (_, x))| **x < A::zero()) {
                            self.add(first + i * step, g.widened() * x.widened());
                        }
                        along(simd, g, x, alpha, step, y);
                    },
                );
            },
        );
    }

    #[inline(always)]
    fn add(&self, index: usize, term: f64) {
        let sum = f64::from_bits(self.sums[index].load(Ordering::Relaxed)) + term;
        self.sums[index].store(sum.to_bits(), Ordering::Relaxed);
    }
}

/// grad and x below 0, and nothing elsewhere, whatever the gradient: the factors of what goes into the gradient of α.
#[inline(always)]
fn factors<S: Simd, A: Element>(gradient: Lanes<S, A>, input: Lanes<S, A>) -> (A::Work<S>, A::Work<S>) {
    let (below, zero) = (input.lt(0.0), input.splat(0.0));
    (A::Work::<S>::widen(Lanes::select(below, gradient, zero)), A::Work::<S>::widen(Lanes::select(below, input, zero)))
}

/// A run with one slope; returns its part of the gradient of α.
#[inline(always)]
fn constant<S: Simd, A: Element>(simd: S, gradient: &[A], input: &[A], slope: A, output: &mut [A]) -> f64 {
    let n = A::Native::<S>::LEN;
    let slope = splat(simd, slope);
    let mut sums = Sums::new(A::Work::<S>::widen(slope.splat(0.0)));
    let (mut gradients, mut inputs, mut outputs) = (gradient.chunks_exact(PARTS), input.chunks_exact(PARTS), output.chunks_exact_mut(PARTS));
    for ((g, x), y) in (&mut gradients).zip(&mut inputs).zip(&mut outputs) {
        for (vector, ((g, x), y)) in g.chunks_exact(n).zip(x.chunks_exact(n)).zip(y.chunks_exact_mut(n)).enumerate() {
            let (g, x) = (load(simd, g), load(simd, x));
            let (g_below, x_below) = factors(g, x);
            sums.add_product(vector, g_below, x_below);
            sloped(g, x, slope).0.store_slice(y);
        }
    }
    let rest = gradients.remainder().chunks(n).zip(inputs.remainder().chunks(n)).zip(outputs.into_remainder().chunks_mut(n));
    for (vector, ((g, x), y)) in rest.enumerate() {
        let (g, x) = (load_part(simd, g), load_part(simd, x));
        let (g_below, x_below) = factors(g, x);
        sums.add_product(vector, g_below, x_below);
        store_part(sloped(g, x, slope), y);
    }
    let (hi, lo) = sums.total(n);
    hi + lo
}

/// A run with a slope and a sum for each element.
#[inline(always)]
fn each<S: Simd, A: Element>(simd: S, gradient: &[A], input: &[A], alpha: &[A], output: &mut [A], sums: &mut [f64]) {
    let n = A::Native::<S>::LEN;
    let mut terms = [0.0; PARTS];
    let (mut gradients, mut inputs, mut outputs) = (gradient.chunks_exact(n), input.chunks_exact(n), output.chunks_exact_mut(n));
    let (mut alphas, mut totals) = (alpha.chunks_exact(n), sums.chunks_exact_mut(n));
    for ((((g, x), y), a), totals) in (&mut gradients).zip(&mut inputs).zip(&mut outputs).zip(&mut alphas).zip(&mut totals) {
        let (g, x) = (load(simd, g), load(simd, x));
        let (g_below, x_below) = factors(g, x);
        (g_below * x_below).words(&mut terms[..n]);
        totals.iter_mut().zip(&terms).for_each(|(total, term)| *total += term);
        sloped(g, x, load(simd, a)).0.store_slice(y);
    }
    let done = input.len() / n * n;
    for (i, (y, (&g, &x))) in outputs.into_remainder().iter_mut().zip(gradients.remainder().iter().zip(inputs.remainder())).enumerate() {
        let below = x < A::zero();
        sums[done + i] += if below { g.widened() * x.widened() } else { 0.0 };
        *y = if x <= A::zero() { g * alpha[done + i] } else { g };
    }
}
