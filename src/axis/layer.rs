//! The one layer over a row formula.

use std::{borrow::Cow, fmt};

use ndarray::{ArrayD, ArrayRefD, Axis, IxDyn, Zip};

use crate::{
    axis::{Keeps, RowKernel},
    body::{Body, Record, Resized, layer_methods},
    element::Element,
    error::{ActivationError, Result},
    kernel,
    layer::Layer,
    traverse::{Order, RowArrays, fresh_rows, rows},
};

/// A row formula along one or several axes: the layer behind `Softmax`, `LogSoftmax`, `Softmin` and their like.
///
/// Rows whose neighbours lie closer together in memory than their elements, and short ones, are worked on together with their neighbours, so that no axis is a slow path.
/// The result has the same bits for every axis, layout and number of threads.
#[derive(Clone, Debug)]
pub struct Along<F, A = f32> {
    pub(crate) formula: F,
    axes: Axes,
    /// True keeps an element.
    pub(crate) mask: Option<ArrayD<bool>>,
    pub(crate) all_masked: AllMasked,
    kept: AlongKept<A>,
}

/// What a row gives in which everything is masked or -infinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllMasked {
    /// NaN, as PyTorch.
    #[default]
    Nan,
    /// Zeros, with zero gradient.
    Zeros,
}

#[derive(Clone, Debug, PartialEq)]
enum Axes {
    Last,
    One(usize),
    Several(Vec<usize>),
}

#[derive(Clone, Debug)]
pub(crate) struct AlongKept<A> {
    record: Record,
    values: ArrayD<A>,
}

impl<A: Element> Default for AlongKept<A> {
    fn default() -> Self {
        Self { record: Record::default(), values: ArrayD::zeros(IxDyn(&[0])) }
    }
}

impl<F: Default, A: Element> Along<F, A> {
    fn with_axes(axes: Axes) -> Self {
        Self { formula: F::default(), axes, mask: None, all_masked: AllMasked::default(), kept: AlongKept::default() }
    }

    /// Along one axis.
    pub fn new(axis: Axis) -> Self {
        Self::with_axes(Axes::One(axis.index()))
    }

    /// Along the last axis, whatever the number of axes.
    pub fn last_axis() -> Self {
        Self::with_axes(Axes::Last)
    }

    /// Over several axes at once: all elements that differ in these axes alone form one row, in the logical order of the array.
    pub fn over(axes: &[Axis]) -> Self {
        let mut axes: Vec<usize> = axes.iter().map(|axis| axis.index()).collect();
        axes.sort_unstable();
        Self::with_axes(Axes::Several(axes))
    }
}

impl Axes {
    /// Calls `then` with the axes, for an input of so many.
    fn of<R>(&self, ndim: usize, then: impl FnOnce(&[usize]) -> R) -> R {
        match self {
            Self::Last => match ndim.checked_sub(1) {
                Some(axis) => then(&[axis]),
                None => then(&[]),
            },
            Self::One(axis) => then(&[*axis]),
            Self::Several(axes) => then(axes),
        }
    }
}

impl<F: RowKernel<A>, A: Element> Along<F, A> {
    fn call(&self) -> Call<'_, A> {
        Call { kernel: &self.formula, mask: self.mask.as_ref(), zeros: self.all_masked == AllMasked::Zeros }
    }

    /// What a forward pass needs, and what it fills.
    fn training(&mut self) -> (&Axes, Call<'_, A>, &mut AlongKept<A>) {
        let call = Call { kernel: &self.formula, mask: self.mask.as_ref(), zeros: self.all_masked == AllMasked::Zeros };
        (&self.axes, call, &mut self.kept)
    }

    fn check(&self, shape: &[usize]) -> Result<()> {
        let layer = || self.formula.name().to_owned();
        self.axes.of(shape.len(), |axes| {
            if let Some(&axis) = axes.iter().find(|&&axis| axis >= shape.len()) {
                return Err(ActivationError::AxisOutOfRange { layer: layer(), axis, ndim: shape.len() });
            }
            match axes.windows(2).find(|pair| pair[0] == pair[1]) {
                Some(pair) => Err(ActivationError::InvalidParameter { layer: layer(), reason: format!("axis {} is named twice", pair[0]) }),
                None => Ok(()),
            }
        })?;
        match &self.mask {
            Some(mask) if mask.broadcast(shape).is_none() => {
                Err(ActivationError::NotBroadcastable { layer: layer(), what: "mask".into(), parameter: mask.shape().to_vec(), input: shape.to_vec() })
            }
            _ => Ok(()),
        }
    }
}

impl<F: RowKernel<A> + Clone + Default, A: Element> Layer<A> for Along<F, A> {
    layer_methods!();
    fn name(&self) -> &str {
        self.formula.name()
    }
    /// The name with the axes, `"softmax(1)"`; the name alone for the last axis.
    fn spec(&self) -> String {
        let name = self.formula.name();
        let list: Cow<'_, [usize]> = match &self.axes {
            Axes::Last => return name.to_owned(),
            Axes::One(axis) => Cow::Owned(vec![*axis]),
            Axes::Several(axes) => Cow::Borrowed(axes),
        };
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        format!("{name}({})", list.join(", "))
    }
    fn clear_cache(&mut self) {
        self.kept = AlongKept::default();
    }
}

impl<F: RowKernel<A> + Clone + Default, A: Element> fmt::Display for Along<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spec())
    }
}

impl<F: RowKernel<A> + Clone + Default, A: Element> Body<A> for Along<F, A> {
    fn record(&self) -> &Record {
        &self.kept.record
    }
    fn resized(&self, input: &[usize]) -> Result<Resized> {
        self.check(input).map(|()| None)
    }
    fn infer_new(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.check(input.shape())?;
        Ok(self.axes.of(input.ndim(), |axes| A::along_infer_new(&self.call(), axes, input)))
    }
    fn forward_new(&mut self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.check(input.shape())?;
        let (axes, call, kept) = self.training();
        Ok(axes.of(input.ndim(), |axes| A::along_forward_new(&call, axes, kept, input)))
    }
    fn backward_new(&mut self, gradient: &ArrayD<A>) -> ArrayD<A> {
        self.axes.of(gradient.ndim(), |axes| A::along_backward_new(&self.formula, axes, &self.kept, gradient))
    }
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        self.axes.of(output.ndim(), |axes| A::along_infer(&self.call(), axes, input, output));
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        let (axes, call, kept) = self.training();
        axes.of(output.ndim(), |axes| A::along_forward(&call, axes, kept, input, output));
    }
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        self.axes.of(output.ndim(), |axes| A::along_backward(&self.formula, axes, &self.kept, gradient, output));
    }
}

/// What a pass needs of a layer.
#[derive(Debug)]
pub struct Call<'a, A> {
    kernel: &'a dyn RowKernel<A>,
    mask: Option<&'a ArrayD<bool>>,
    zeros: bool,
}

/// Puts a number where an element is masked.
fn set_masked<A: Element>(mask: Option<&ArrayD<bool>>, array: &mut ArrayRefD<A>, number: A) {
    if let Some(mask) = mask.and_then(|mask| mask.broadcast(array.raw_dim())) {
        Zip::from(array).and(mask).for_each(|y, &keep| {
            if !keep {
                *y = number;
            }
        });
    }
}

impl<A: Element> Call<'_, A> {
    /// Room for what is kept of an array, if anything is.
    fn keep<'a>(&self, order: &Order, shape: &[usize], values: &'a mut ArrayD<A>) -> Option<&'a mut ArrayRefD<A>> {
        (self.kernel.keeps() == Keeps::Row).then(|| {
            if values.shape() != shape || Order::of(values) != *order {
                *values = order.zeros(shape);
            }
            &mut **values
        })
    }

    fn run_new(&self, order: &Order, axes: &[usize], input: &ArrayRefD<A>, keep: Option<&mut ArrayRefD<A>>) -> ArrayD<A> {
        if self.mask.is_some() {
            let mut output = order.zeros(input.shape());
            self.run(order, axes, Some(input), &mut output, keep);
            return output;
        }
        let level = kernel::level();
        fresh_rows(order, axes, self.kernel.side_by_side(), input, keep, None, &|slices, space| self.kernel.forward(level, slices, self.zeros, space))
    }

    fn run(&self, order: &Order, axes: &[usize], mut input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>, mut keep: Option<&mut ArrayRefD<A>>) {
        let level = kernel::level();
        if self.mask.is_some() {
            if let Some(input) = input.take() {
                output.assign(input);
            }
            set_masked(self.mask, output, A::neg_infinity());
        }
        let arrays = RowArrays { input, output, keep: keep.as_deref_mut(), kept: None };
        rows(order, axes, self.kernel.side_by_side(), arrays, &|slices, space| self.kernel.forward(level, slices, self.zeros, space));
        if let Some(keep) = keep {
            // The sign tells a masked element from one whose probability underflowed.
            set_masked(self.mask, keep, -A::zero());
        }
    }
}

pub(crate) fn infer_new<A: Element>(call: &Call<'_, A>, axes: &[usize], input: &ArrayRefD<A>) -> ArrayD<A> {
    call.run_new(&Order::of(input), axes, input, None)
}

pub(crate) fn forward_new<A: Element>(call: &Call<'_, A>, axes: &[usize], kept: &mut AlongKept<A>, input: &ArrayRefD<A>) -> ArrayD<A> {
    let AlongKept { record, values } = kept;
    record.start(input, input.shape());
    let output = call.run_new(&record.order, axes, input, call.keep(&record.order, input.shape(), values));
    record.finish();
    output
}

pub(crate) fn backward_new<A: Element>(kernel: &dyn RowKernel<A>, axes: &[usize], kept: &AlongKept<A>, gradient: &ArrayRefD<A>) -> ArrayD<A> {
    let (level, AlongKept { record, values }) = (kernel::level(), kept);
    let kept = (kernel.keeps() == Keeps::Row).then_some(&**values);
    fresh_rows(&record.order, axes, kernel.side_by_side(), gradient, None, kept, &|slices, space| kernel.backward(level, slices, space))
}

pub(crate) fn infer<A: Element>(call: &Call<'_, A>, axes: &[usize], input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    call.run(&Order::of_either(input, output), axes, input, output, None);
}

pub(crate) fn forward<A: Element>(call: &Call<'_, A>, axes: &[usize], kept: &mut AlongKept<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let AlongKept { record, values } = kept;
    record.start_either(input, output, output.shape());
    let keep = call.keep(&record.order, output.shape(), values);
    call.run(&record.order, axes, input, output, keep);
    record.finish();
}

pub(crate) fn backward<A: Element>(kernel: &dyn RowKernel<A>, axes: &[usize], kept: &AlongKept<A>, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let level = kernel::level();
    let arrays = RowArrays { input: gradient, output, keep: None, kept: (kernel.keeps() == Keeps::Row).then_some(&*kept.values) };
    rows(&kept.record.order, axes, kernel.side_by_side(), arrays, &|slices, space| kernel.backward(level, slices, space));
}
