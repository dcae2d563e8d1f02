//! The rectifier whose negative slope is learned.

use std::{
    array,
    borrow::Cow,
    fmt,
    mem::take,
    sync::atomic::{AtomicU64, Ordering},
};

use fearless_simd::{Simd, SimdBase as _};
use ndarray::{ArrayD, ArrayRefD, Axis, Dimension, IxDyn};

use crate::{
    body::{Body, Record, Resized, layer_methods},
    element::Element,
    error::{ActivationError, Result},
    formula,
    kernel::{self, Ahead, CHUNK, at_level, blocks, each_chunk, load, map_chunk, padded, spacious},
    layer::{Layer, Param},
    parts::{PARTS, Sums, join, splat},
    pointwise::Cost,
    real::{Lanes, Real as _, Work},
    scratch::Scratch,
    traverse::{Order, Positioned, Runs, fresh, pass, pass_in_units},
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

    /// The same function for one slope: its kernel fills a new array at once.
    fn leaky(&self) -> Option<formula::LeakyReLU> {
        match (self.alpha.value.len(), self.alpha.value.first()) {
            (1, Some(slope)) => Some(formula::LeakyReLU::new(slope.widened())),
            _ => None,
        }
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
        match self.leaky() {
            Some(leaky) => A::elementwise_infer(&leaky, input, output),
            None => A::prelu_infer(self, input, output),
        }
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::prelu_forward(self, input, output);
    }
    fn infer_new(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.steps(input.shape())?;
        Ok(match self.leaky() {
            Some(leaky) => A::elementwise_infer_new(&leaky, input),
            None => A::prelu_infer_new(self, input),
        })
    }
    fn forward_new(&mut self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.steps(input.shape())?;
        Ok(A::prelu_forward_new(self, input))
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
    let order = Order::of(output);
    pass(&order, Cost::Memory, input, output, Positioned(0, None), &running(layer, output.shape(), &order));
}

pub(crate) fn infer_new<A: Element>(layer: &PReLU<A>, input: &ArrayRefD<A>) -> ArrayD<A> {
    let order = Order::of(input);
    fresh(&order, Cost::Memory, input, Positioned(0, None), &running(layer, input.shape(), &order), None)
}

pub(crate) fn forward<A: Element>(layer: &mut PReLU<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let mut kept = start(layer, input.unwrap_or(output));
    let order = &kept.record.order;
    pass(order, Cost::Memory, input, output, Positioned(0, Some(&mut kept.input[..])), &running(layer, output.shape(), order));
    finish(layer, kept);
}

pub(crate) fn forward_new<A: Element>(layer: &mut PReLU<A>, input: &ArrayRefD<A>) -> ArrayD<A> {
    let mut kept = start(layer, input);
    let order = &kept.record.order;
    let output = fresh(order, Cost::Memory, input, Positioned(0, Some(&mut kept.input[..])), &running(layer, input.shape(), order), None);
    finish(layer, kept);
    output
}

fn start<A: Element>(layer: &mut PReLU<A>, input: &ArrayRefD<A>) -> PreluKept<A> {
    let mut kept = take(&mut layer.kept);
    kept.record.start(input, input.shape());
    kept.input.resize(input.len(), A::zero());
    kept
}

fn finish<A: Element>(layer: &mut PReLU<A>, mut kept: PreluKept<A>) {
    kept.record.finish();
    layer.kept = kept;
}

/// Where slices begin, and where to keep their elements.
type Beside<'a, A> = Positioned<Option<&'a mut [A]>>;

/// What is done with slices of an array of this shape, visited in this order.
fn running<'a, A: Element>(layer: &'a PReLU<A>, shape: &[usize], order: &Order) -> impl Fn(Option<&[A]>, &mut [A], Beside<'_, A>) + Sync + 'a {
    let level = kernel::level();
    let runs = layer.runs(shape, order);
    let alpha = in_a_row(&layer.alpha.value);
    let repeated = Repeated::new(&runs, &alpha, shape.iter().product());
    move |x, y, Positioned(start, keep)| {
        let (runs, alpha) = Repeated::or(repeated.as_ref(), &runs, &alpha);
        at_level!(level, simd => rectify(simd, runs, start, x, y, alpha, keep));
    }
}

/// How many rows of [`Repeated`] slopes are worked on together: their sums are read and written once for all.
const ROWS: usize = 2;

/// Slopes that return soon, in short runs: one for each element of a row, and the same in every row.
struct Repeated<A: Element> {
    slopes: Scratch<A>,
    runs: Runs,
}

impl<A: Element> Repeated<A> {
    /// For so many elements; `None` where it would gain nothing.
    fn new(runs: &Runs, alpha: &[A], total: usize) -> Option<Self> {
        // Of runs shorter than this the beginnings cost.
        const SHORT: usize = 256;
        // Rows that are longer leave the nearest cache.
        const LONG: usize = 1 << 13;
        let period = runs.period().filter(|&period| period <= LONG && !(runs.constant() && runs.innermost() >= SHORT))?;
        // Whole lines.
        let lines = (period * PARTS) >> period.trailing_zeros().min(PARTS.trailing_zeros());
        let length = lines * (SHORT / lines).max(1);
        if length > LONG || length * ROWS > total {
            return None;
        }
        let mut slopes = Scratch::new(length);
        let (first, others) = slopes.split_at_mut(period);
        runs.visit(0, period, |range, start, step| match step {
            0 => first[range].fill(alpha[start]),
            _ => first[range].iter_mut().zip(alpha[start..].iter().step_by(step)).for_each(|(to, slope)| *to = *slope),
        });
        others.chunks_mut(period).for_each(|others| others.copy_from_slice(&first[..others.len()]));
        Some(Self { slopes, runs: Runs::new(&[total.div_ceil(length), length], &[0, 1], &Order::default()) })
    }

    /// Where slopes stand, and the slopes: these or, where there are none, those given.
    fn or<'a>(repeated: Option<&'a Self>, runs: &'a Runs, alpha: &'a [A]) -> (&'a Runs, &'a [A]) {
        repeated.map_or((runs, alpha), |repeated| (&repeated.runs, &repeated.slopes))
    }

    /// [`part_length`] in whole rows.
    fn part_length(&self) -> usize {
        let row = self.slopes.len();
        row * (1_usize << 16).div_ceil(row).next_multiple_of(4)
    }
}

#[inline(always)]
fn rectify<S: Simd, A: Element>(simd: S, runs: &Runs, start: usize, x: Option<&[A]>, y: &mut [A], alpha: &[A], mut keep: Option<&mut [A]>) {
    blocks(
        x,
        y,
        #[inline(always)]
        |x, y, block| {
            runs.visit(
                start + block.start,
                y.len(),
                #[inline(always)]
                |range, first, step| {
                    let keep = keep.as_deref_mut().map(|keep| &mut keep[block.start..][range.clone()]);
                    let (x, y) = (&x[range.clone()], &mut y[range]);
                    match step {
                        0 => values(simd, x, y, keep, constant(alpha[first])),
                        1 => values(simd, x, y, keep, changing(&alpha[first..first + y.len()])),
                        _ => values(simd, x, y, keep, scattered(&alpha[first..], step)),
                    }
                },
            );
        },
    );
}

/// One run of the values, with a copy of the input where it is kept. The last ones go through the same vector code, so that a result does not depend on its
/// position.
#[inline(always)]
fn values<S: Simd, A: Element>(simd: S, x: &[A], y: &mut [A], mut keep: Option<&mut [A]>, slopes: impl Fn(usize, usize) -> [A; CHUNK]) {
    let whole = x.len() - x.len() % CHUNK;
    match keep.as_deref_mut() {
        None => {
            each_chunk(
                simd,
                x,
                &mut *y,
                #[inline(always)]
                |start, x| values_of_chunk(simd, x, &slopes(start, CHUNK)),
            );
        }
        Some(keep) => {
            each_chunk(
                simd,
                x,
                (&mut *y, keep),
                #[inline(always)]
                |start, x| (values_of_chunk(simd, x, &slopes(start, CHUNK)), *x),
            );
        }
    }
    if whole < x.len() {
        let x = &x[whole..];
        y[whole..].copy_from_slice(&values_of_chunk(simd, &padded(x), &slopes(whole, x.len()))[..x.len()]);
        if let Some(keep) = keep {
            keep[whole..].copy_from_slice(x);
        }
    }
}

#[inline(always)]
fn values_of_chunk<S: Simd, A: Element>(simd: S, x: &[A; CHUNK], slopes: &[A; CHUNK]) -> [A; CHUNK] {
    map_chunk(
        simd,
        x,
        #[inline(always)]
        |i, x| sloped(x, x, load(simd, &slopes[i..i + A::Native::<S>::LEN])),
    )
}

/// The value where x is above 0 or NaN, and its product with the slope elsewhere.
#[inline(always)]
fn sloped<S: Simd, A: Element>(value: Lanes<S, A>, x: Lanes<S, A>, slope: Lanes<S, A>) -> Lanes<S, A> {
    Lanes::select(x.le(0.0), value * slope, value)
}

/// So many slopes of a run from one of its elements on, the same for all.
#[inline(always)]
fn constant<A: Element>(slope: A) -> impl Fn(usize, usize) -> [A; CHUNK] {
    #[inline(always)]
    move |_, _| [slope; CHUNK]
}

/// A slope for every element.
#[inline(always)]
fn changing<A: Element>(alpha: &[A]) -> impl Fn(usize, usize) -> [A; CHUNK] {
    #[inline(always)]
    move |start, count| padded(&alpha[start..start + count])
}

/// [`changing`] where every `step`-th slope is meant.
#[inline(always)]
fn scattered<A: Element>(alpha: &[A], step: usize) -> impl Fn(usize, usize) -> [A; CHUNK] {
    #[inline(always)]
    move |start, count| {
        let mut slopes = [A::zero(); CHUNK];
        slopes[..count].iter_mut().zip(alpha[start * step..].iter().step_by(step)).for_each(|(to, slope)| *to = *slope);
        slopes
    }
}

/// How many elements one row of partial sums covers: fixed by the number of slopes alone, so that the sums do not depend on the threads.
fn part_length(slopes: usize) -> usize {
    (64 * slopes).clamp(1 << 14, 1 << 18).max(8 * slopes).next_multiple_of(1 << 10)
}

pub(crate) fn backward<A: Element>(layer: &mut PReLU<A>, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let level = kernel::level();
    let (slopes, total) = (layer.alpha.value.len(), output.len());
    let own = layer.runs(output.shape(), &layer.kept.record.order);
    let alpha = in_a_row(&layer.alpha.value);
    let repeated = Repeated::new(&own, &alpha, total);
    let part = repeated.as_ref().map_or_else(|| part_length(slopes), Repeated::part_length);
    layer.kept.sums.clear();
    layer.kept.sums.resize_with(total.div_ceil(part) * slopes, AtomicU64::default);
    let kept = &layer.kept;
    let (runs, alpha) = Repeated::or(repeated.as_ref(), &own, &alpha);
    pass_in_units(part, &kept.record.order, Cost::Memory, gradient, output, Positioned(0, ()), &|g, y, Positioned(start, ())| {
        let input = &kept.input[start..start + y.len()];
        // Sums of the thread's own, where a slope meets several elements, with room for what follows the last one in a line.
        let places = if repeated.is_none() && (runs.constant() || alpha.len() > y.len()) { 0 } else { alpha.len() + PARTS };
        let local = &mut Scratch::new(places)[..];
        let mut done = 0;
        while done < y.len() {
            let row = (start + done) / part;
            let end = y.len().min((row + 1) * part - start);
            let sums = &kept.sums[row * slopes..(row + 1) * slopes];
            let piece = Piece { runs, alpha, own: repeated.as_ref().map(|_| &own), start: start + done, input: &input[done..end], sums };
            at_level!(level, simd => piece.run(simd, g.map(|g| &g[done..end]), &mut y[done..end], local));
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
struct Piece<'a, A: Element> {
    runs: &'a Runs,
    alpha: &'a [A],
    /// Where the slopes themselves stand in a row, if these are [`Repeated`] ones.
    own: Option<&'a Runs>,
    /// Where the piece begins in the whole array.
    start: usize,
    input: &'a [A],
    sums: &'a [AtomicU64],
}

impl<A: Element> Piece<'_, A> {
    /// The gradient of the input, in place without a gradient; and that of α, added to the sums, by way of `local` where it has places for them.
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, gradient: Option<&[A]>, output: &mut [A], local: &mut [f64]) {
        local.fill(0.0);
        let Some(own) = self.own else {
            self.sweep(simd, 0, gradient, output, local);
            return self.sums.iter().zip(local).for_each(|(sum, local)| add(sum, *local));
        };
        let length = self.alpha.len();
        let mut done = 0;
        while done < output.len() {
            // As far as there are several whole rows from here on, else as far as the next one.
            let rows = (output.len() - done) / (ROWS * length);
            let (rows, count) = match (self.start + done) % length {
                0 if rows > 0 && gradient.is_some() => (rows, rows * ROWS * length),
                place if place > 0 => (0, (length - place).min(output.len() - done)),
                _ => (0, output.len() - done),
            };
            let (range, y) = (done..done + count, &mut output[done..done + count]);
            let g = gradient.map(|gradient| &gradient[range.clone()]);
            match g {
                Some(g) if rows > 0 => {
                    let all = g.chunks_exact(count / rows).zip(self.input[range].chunks_exact(count / rows)).zip(y.chunks_exact_mut(count / rows));
                    all.for_each(
                        #[inline(always)]
                        |((g, x), y)| together(simd, self.alpha, g, x, y, local),
                    );
                }
                _ => self.sweep(simd, done, g, y, local),
            }
            done += count;
        }
        own.visit(
            0,
            length,
            #[inline(always)]
            |range, first, step| match step {
                0 => add(&self.sums[first], total(&local[range])),
                _ => self.sums[first..].iter().step_by(step).zip(&local[range]).for_each(|(sum, local)| add(sum, *local)),
            },
        );
    }

    /// The elements from `from` on, run by run of the slopes.
    #[inline(always)]
    fn sweep<S: Simd>(&self, simd: S, from: usize, gradient: Option<&[A]>, output: &mut [A], local: &mut [f64]) {
        let n = A::Native::<S>::LEN;
        blocks(
            gradient,
            output,
            #[inline(always)]
            |g, y, block| {
                let x = &self.input[from + block.start..from + block.end];
                self.runs.visit(
                    self.start + from + block.start,
                    y.len(),
                    #[inline(always)]
                    |range, first, step| {
                        let (g, x, y) = (&g[range.clone()], &x[range.clone()], &mut y[range]);
                        if step == 0 {
                            let mut sums = Sums::new(A::Work::<S>::widen(splat(simd, A::zero())));
                            gradients(
                                simd,
                                g,
                                x,
                                y,
                                constant(self.alpha[first]),
                                #[inline(always)]
                                |vector, terms| sums.add(vector, terms),
                            );
                            let (hi, lo) = sums.total(n);
                            return add(&self.sums[first], hi + lo);
                        }
                        if step == 1 && !local.is_empty() {
                            let mut sums = local[first..].chunks_exact_mut(n);
                            // Behind the end of a run follow terms that are 0.
                            return gradients(
                                simd,
                                g,
                                x,
                                y,
                                changing(&self.alpha[first..first + y.len()]),
                                #[inline(always)]
                                |_, terms| {
                                    if let Some(sums) = sums.next() {
                                        (terms.of_words(sums) + terms).words(sums);
                                    }
                                },
                            );
                        }
                        let mut sums = self.sums[first..].iter().step_by(step);
                        gradients(
                            simd,
                            g,
                            x,
                            y,
                            scattered(&self.alpha[first..], step),
                            #[inline(always)]
                            |_, terms| {
                                let mut words = [0.0; PARTS];
                                terms.words(&mut words[..n]);
                                words[..n].iter().zip(&mut sums).for_each(|(&term, sum)| add(sum, term));
                            },
                        );
                    },
                );
            },
        );
    }
}

/// [`ROWS`] rows with the same slopes, at once.
#[inline(always)]
fn together<S: Simd, A: Element>(simd: S, slopes: &[A], gradient: &[A], input: &[A], output: &mut [A], sums: &mut [f64]) {
    let n = A::Native::<S>::LEN;
    let (slopes, sums) = (slopes.as_chunks::<PARTS>().0, sums.as_chunks_mut::<PARTS>().0);
    let lines = slopes.len();
    let (g, x) = (gradient.as_chunks::<PARTS>().0, input.as_chunks::<PARTS>().0);
    let g: [_; ROWS] = array::from_fn(|row| &g[row * lines..(row + 1) * lines]);
    let x: [_; ROWS] = array::from_fn(|row| &x[row * lines..(row + 1) * lines]);
    let mut rest = output.as_chunks_mut::<PARTS>().0;
    let mut y: [_; ROWS] = array::from_fn(|_| {
        let (row, behind) = take(&mut rest).split_at_mut(lines);
        rest = behind;
        row
    });
    for line in 0..lines.min(sums.len()) {
        let mut results = [[A::zero(); PARTS]; ROWS];
        for vector in 0..PARTS / n {
            let range = vector * n..(vector + 1) * n;
            let slope = load(simd, &slopes[line][range.clone()]);
            let mut sum = A::Work::<S>::widen(slope).of_words(&sums[line][range.clone()]);
            for row in 0..ROWS {
                let (g, x) = (load(simd, &g[row][line][range.clone()]), load(simd, &x[row][line][range.clone()]));
                sum = sum + term(g, x);
                sloped(g, x, slope).0.store_slice(&mut results[row][range.clone()]);
            }
            sum.words(&mut sums[line][range]);
        }
        // After all has been read, as in `Ahead`. To read a line ahead too was faster where addresses are unlucky, and slower by as much elsewhere.
        for (row, results) in y.iter_mut().zip(results) {
            row[line] = results;
        }
    }
}

/// What an element adds to the gradient of its slope: nothing where x is 0 or above, or NaN, whatever the gradient.
#[inline(always)]
fn term<S: Simd, A: Element>(gradient: Lanes<S, A>, x: Lanes<S, A>) -> A::Work<S> {
    // -0 adds nothing either, and takes an instruction less to select.
    A::Work::<S>::widen(Lanes::select(x.lt(0.0), gradient * x, x.splat(-0.0)))
}

#[inline(always)]
fn total(words: &[f64]) -> f64 {
    let (lines, rest) = words.as_chunks::<PARTS>();
    let mut sums = [0.0; PARTS];
    for line in lines {
        sums.iter_mut().zip(line).for_each(|(sum, word)| *sum += word);
    }
    sums.iter_mut().zip(rest).for_each(|(sum, word)| *sum += word);
    join(&mut sums, &mut [], 1);
    sums[0]
}

#[inline(always)]
fn add(sum: &AtomicU64, term: f64) {
    let total = f64::from_bits(sum.load(Ordering::Relaxed)) + term;
    sum.store(total.to_bits(), Ordering::Relaxed);
}

/// One run of both gradients: that of the input, and the terms of that of α, handed over with the vector's number in a line of sixteen elements.
#[inline(always)]
fn gradients<S: Simd, A: Element>(
    simd: S,
    gradient: &[A],
    input: &[A],
    output: &mut [A],
    slopes: impl Fn(usize, usize) -> [A; CHUNK],
    mut add: impl FnMut(usize, A::Work<S>),
) {
    let ((gradients, g), (inputs, x), (outputs, y)) = (gradient.as_chunks(), input.as_chunks(), output.as_chunks_mut());
    let mut outputs = outputs.iter_mut();
    let mut start = 0;
    // A line of `f64` would take too many registers.
    let worth = spacious(simd) && A::Native::<S>::LEN == PARTS;
    for (g, x) in Ahead::new(worth, gradients.iter().copied().zip(inputs.iter().copied())) {
        if let Some(y) = outputs.next() {
            *y = gradients_of_line(simd, &g, &x, &slopes(start, PARTS), &mut add);
        }
        start += PARTS;
    }
    if !y.is_empty() {
        let results = gradients_of_line(simd, &padded(g), &padded(x), &slopes(start, y.len()), &mut add);
        y.copy_from_slice(&results[..y.len()]);
    }
}

#[inline(always)]
fn gradients_of_line<S: Simd, A: Element>(
    simd: S,
    gradient: &[A; PARTS],
    input: &[A; PARTS],
    slopes: &[A],
    add: &mut impl FnMut(usize, A::Work<S>),
) -> [A; PARTS] {
    let n = A::Native::<S>::LEN;
    let mut results = [A::zero(); PARTS];
    for vector in 0..PARTS / n {
        let range = vector * n..(vector + 1) * n;
        let (g, x) = (load(simd, &gradient[range.clone()]), load(simd, &input[range.clone()]));
        add(vector, term(g, x));
        sloped(g, x, load(simd, &slopes[range.clone()])).0.store_slice(&mut results[range]);
    }
    results
}
