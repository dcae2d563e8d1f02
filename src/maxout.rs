//! The largest of several elements.
#![allow(clippy::doc_markdown, reason = "formulas have subscripts")]

use std::{fmt, marker::PhantomData};

use fearless_simd::{Level, Simd};
use ndarray::{ArrayRef, ArrayRefD, ArrayViewD, ArrayViewMutD, Axis, Slice};

use crate::{
    body::{Body, Record, Resized, divided, layer_methods},
    element::Element,
    error::{ActivationError, Result, or_panic},
    kernel::{self, at_level},
    layer::Layer,
    pages,
    pointwise::Cost,
    scratch::Scratch,
    threads::Split,
    traverse::{BLOCK, Order, Positioned, Reader, pass},
};

/// Maxout, the largest of k consecutive elements along an axis: $y_j = \max(x_{jk}, …, x_{jk+k-1})$, so that an axis of length n k becomes one of length n
/// (Goodfellow, Warde-Farley, Mirza, Courville and Bengio 2013, arXiv:1302.4389).
#[cfg_attr(doc, doc = "", doc = include_str!("../docs/curves/maxout.svg"))]
///
/// The groups are those of the authors' own code (pylearn2), of Chainer, and of PyTorch's idiom `x.view(…, n, k).max(-1)`; TensorFlow Addons takes every n-th
/// element instead.
///
/// The gradient goes to the winner, the first one at a tie; all others get exactly 0. A NaN wins, the first one if there are several. Kept for backward: the
/// winners, four bytes for each element of the output. Time is linear in the number of elements. Exact.
///
/// A length that is no multiple of k is an error ([`NotDivisible`](ActivationError::NotDivisible)), and so are the `_inplace` forms
/// ([`ShapeChanges`](ActivationError::ShapeChanges)) unless k = 1.
///
/// ```
/// use ndarray::{Axis, array};
/// use ndarray_activations::{Layer, Maxout};
///
/// let mut maxout = Maxout::new(2, Axis(1));
/// let y = maxout.forward(&array![[1.0, 3.0, 5.0, 5.0]].into_dyn())?;
/// assert_eq!(y, array![[3.0, 5.0]].into_dyn());
/// let g = maxout.backward(&array![[0.5, 2.0]].into_dyn())?;
/// assert_eq!(g, array![[0.0, 0.5, 2.0, 0.0]].into_dyn());
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Maxout<A = f32> {
    pieces: usize,
    /// `None` for the last one.
    axis: Option<usize>,
    record: Record,
    winners: Vec<u32>,
    element: PhantomData<A>,
}

impl<A: Element> Maxout<A> {
    pub(crate) fn along(pieces: usize, axis: Option<usize>) -> Result<Self> {
        // The winners are kept in 32 bits.
        if pieces == 0 || u32::try_from(pieces).is_err() {
            let reason = format!("the number of pieces should be between 1 and 2^32 - 1, found {pieces}");
            return Err(ActivationError::InvalidParameter { layer: "maxout".into(), reason });
        }
        Ok(Self { pieces, axis, record: Record::default(), winners: Vec::new(), element: PhantomData })
    }

    /// The largest of so many consecutive elements along this axis.
    ///
    /// # Panics
    /// For 0 pieces; [`try_new`](Self::try_new) gives an error instead.
    pub fn new(pieces: usize, axis: Axis) -> Self {
        or_panic(Self::try_new(pieces, axis))
    }

    /// The largest of so many consecutive elements along this axis.
    ///
    /// # Errors
    /// [`InvalidParameter`](ActivationError::InvalidParameter) for 0 pieces.
    pub fn try_new(pieces: usize, axis: Axis) -> Result<Self> {
        Self::along(pieces, Some(axis.index()))
    }

    /// The largest of so many consecutive elements along the last axis, whatever the number of axes.
    ///
    /// # Panics
    /// For 0 pieces; [`try_last_axis`](Self::try_last_axis) gives an error instead.
    pub fn last_axis(pieces: usize) -> Self {
        or_panic(Self::try_last_axis(pieces))
    }

    /// The largest of so many consecutive elements along the last axis, whatever the number of axes.
    ///
    /// ```
    /// use ndarray_activations::Maxout;
    /// assert!(Maxout::<f32>::try_last_axis(2).is_ok());
    /// assert!(Maxout::<f32>::try_last_axis(0).is_err());
    /// ```
    ///
    /// # Errors
    /// [`InvalidParameter`](ActivationError::InvalidParameter) for 0 pieces.
    pub fn try_last_axis(pieces: usize) -> Result<Self> {
        Self::along(pieces, None)
    }

    /// The axis, of an array that was checked before.
    fn axis(&self, ndim: usize) -> usize {
        self.axis.unwrap_or(ndim.saturating_sub(1))
    }

    /// The elements of all groups that come at the same place: every `pieces`-th along the axis.
    fn every(&self, piece: usize) -> Slice {
        Slice::new(piece as isize, None, self.pieces as isize)
    }
}

impl<A: Element> Default for Maxout<A> {
    /// Two pieces, along the last axis.
    fn default() -> Self {
        Self::last_axis(2)
    }
}

impl<A: Element> Layer<A> for Maxout<A> {
    layer_methods!();
    fn name(&self) -> &str {
        "maxout"
    }
    /// The number of pieces and the axis, `"maxout(2, 1)"`; the number alone for the last axis.
    fn spec(&self) -> String {
        self.to_string()
    }
    fn clear_cache(&mut self) {
        self.record = Record::default();
        self.winners = Vec::new();
    }
}

impl<A> fmt::Display for Maxout<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.axis {
            Some(axis) => write!(f, "maxout({}, {axis})", self.pieces),
            None => write!(f, "maxout({})", self.pieces),
        }
    }
}

impl<A: Element> Body<A> for Maxout<A> {
    fn record(&self) -> &Record {
        &self.record
    }
    fn resized(&self, input: &[usize]) -> Result<Resized> {
        divided("maxout", self.axis, input, self.pieces)
    }
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::maxout_infer(self, input.map(ArrayRef::view), output.view_mut());
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::maxout_forward(self, input.map(ArrayRef::view), output.view_mut());
    }
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::maxout_backward(self, gradient.map(ArrayRef::view), output.view_mut());
    }
}

// Without an input, which is work in place, there is one piece, or no element: what is there is the result.

pub(crate) fn infer<A: Element>(layer: &Maxout<A>, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) {
    if let Some(input) = input {
        run(layer, &Order::of(&input), &input, output, None);
    }
}

pub(crate) fn forward<A: Element>(layer: &mut Maxout<A>, input: Option<ArrayViewD<'_, A>>, output: ArrayViewMutD<'_, A>) {
    layer.record.start_either(input.as_deref(), &output, output.shape());
    let mut winners = std::mem::take(&mut layer.winners);
    pages::resize(&mut winners, output.len(), 0);
    match input {
        Some(input) => run(layer, &layer.record.order, &input, output, Some(&mut winners)),
        None => winners.fill(0),
    }
    layer.winners = winners;
    layer.record.finish();
}

fn run<A: Element>(layer: &Maxout<A>, order: &Order, input: &ArrayViewD<'_, A>, mut output: ArrayViewMutD<'_, A>, winners: Option<&mut [u32]>) {
    /// So many results stay near the CPU while all pieces are read.
    const RESULTS: usize = 8 * BLOCK;
    let level = kernel::level();
    let axis = Axis(layer.axis(output.ndim()));
    pass(order, Cost::Memory, None, &mut output, Positioned(0, winners), &|_, y, mut keep| {
        let mut buffer = Scratch::default();
        for y in y.chunks_mut(RESULTS) {
            let (Positioned(start, mut winners), later) = keep.split(y.len());
            for piece in 0..layer.pieces {
                let reader = Reader::new(order, input.slice_axis(axis, layer.every(piece)));
                for (block, y) in y.chunks_mut(BLOCK).enumerate() {
                    let x = reader.source().from(start + block * BLOCK).take(y.len(), &mut buffer).unwrap_or_default();
                    let winners = winners.as_deref_mut().map(|winners| &mut winners[block * BLOCK..][..y.len()]);
                    larger(level, x, y, winners, piece as u32);
                }
            }
            keep = later;
        }
    });
}

/// Replaces what is smaller than `input`, or anything by the first piece.
fn larger<A: Element>(level: Level, input: &[A], output: &mut [A], winners: Option<&mut [u32]>, piece: u32) {
    match winners {
        _ if piece == 0 => {
            kernel::copy(input, output);
            winners.into_iter().for_each(|winners| winners.fill(0));
        }
        Some(winners) => at_level!(level, simd => larger_at(simd, input, output, winners, piece)),
        None => at_level!(level, simd => larger_alone(simd, input, output)),
    }
}

/// Whether x wins over the y before it: it is larger, or the first NaN.
#[inline(always)]
fn wins<A: Element>(x: A, y: A) -> bool {
    (x > y) | (x.is_nan() & !y.is_nan())
}

#[inline(always)]
fn larger_at<S: Simd, A: Element>(_simd: S, input: &[A], output: &mut [A], winners: &mut [u32], piece: u32) {
    for ((&x, y), winner) in input.iter().zip(output).zip(winners) {
        let won = wins(x, *y);
        *y = if won { x } else { *y };
        *winner = if won { piece } else { *winner };
    }
}

#[inline(always)]
fn larger_alone<S: Simd, A: Element>(_simd: S, input: &[A], output: &mut [A]) {
    for (&x, y) in input.iter().zip(output) {
        *y = if wins(x, *y) { x } else { *y };
    }
}

pub(crate) fn backward<A: Element>(layer: &Maxout<A>, gradient: Option<ArrayViewD<'_, A>>, mut output: ArrayViewMutD<'_, A>) {
    let Some(gradient) = gradient.filter(|gradient| !gradient.is_empty()) else { return };
    let level = kernel::level();
    let axis = Axis(layer.axis(output.ndim()));
    for piece in 0..layer.pieces {
        let mut part = output.slice_axis_mut(axis, layer.every(piece));
        pass(&layer.record.order, Cost::Memory, Some(&gradient), &mut part, &layer.winners[..], &|g, y, winners| {
            at_level!(level, simd => hand_out(simd, g.unwrap_or_default(), y, winners, piece as u32));
        });
    }
}

#[inline(always)]
fn hand_out<S: Simd, A: Element>(_simd: S, gradient: &[A], output: &mut [A], winners: &[u32], piece: u32) {
    for ((&g, y), &winner) in gradient.iter().zip(output).zip(winners) {
        *y = if winner == piece { g } else { A::zero() };
    }
}
