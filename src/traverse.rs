//! Arrays of any layout as slices, and slices over threads: the only code that knows strides.

use std::{array, cmp::Reverse, hint::black_box, iter, ops::Range};

use ndarray::{
    Array, Array1, ArrayBase, ArrayD, ArrayRef, ArrayRefD, ArrayView, ArrayView1, ArrayView2, ArrayViewD, ArrayViewMut, ArrayViewMut2, ArrayViewMutD, Axis,
    Dimension, ErrorKind, Ix2, Ix3, IxDyn, RemoveAxis, ShapeArg, ShapeBuilder, ShapeError,
};

use crate::{
    element::Element,
    kernel::{WORD, at_level, four_columns, hand_over, in_one_word, into_four_columns, lanes, level, makes_new},
    pages,
    parts::{PARTS, RowSlices, Rows, Space},
    pointwise::Cost,
    scratch::Scratch,
    threads::{Make, Parts, Sink, Split, cut},
};

/// How many elements of a view that is not contiguous pass through the stack at a time.
pub(crate) const BLOCK: usize = 512;

/// An order in which the elements of an array are visited: the axes from the outermost to the innermost; `None` for the logical order.
///
/// Held like an array's own shape, so that up to four axes need no allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Order(Option<IxDyn>);

impl Order {
    /// The order in which the elements of `view` lie in memory, as far as axes go: reversed axes are visited forwards.
    pub(crate) fn of<A>(view: &ArrayRefD<A>) -> Self {
        if view.is_standard_layout() {
            return Self(None);
        }
        let strides = view.strides();
        let mut axes = IxDyn::zeros(strides.len());
        for (place, axis) in axes.slice_mut().iter_mut().enumerate() {
            *axis = place;
        }
        // A stable sort, so that axes of length 1 and broadcast axes stay where they are among equals.
        axes.slice_mut().sort_by_key(|&axis| Reverse(if view.len_of(Axis(axis)) > 1 { strides[axis].unsigned_abs() } else { 0 }));
        if axes.slice().is_sorted() { Self(None) } else { Self(Some(axes)) }
    }

    /// The order of the input, or of the values worked on in place.
    pub(crate) fn of_either<A>(input: Option<&ArrayRefD<A>>, output: &ArrayRefD<A>) -> Self {
        Self::of(input.unwrap_or(output))
    }

    /// The axis of the logical array that stands at this position.
    fn axis(&self, position: usize) -> usize {
        self.0.as_ref().map_or(position, |axes| axes[position])
    }

    /// A view with its axes in this order.
    fn view<'a, A>(&self, view: ArrayViewD<'a, A>) -> ArrayViewD<'a, A> {
        match &self.0 {
            None => view,
            Some(axes) => view.permuted_axes(axes.clone()),
        }
    }

    fn view_mut<'a, A>(&self, view: ArrayViewMutD<'a, A>) -> ArrayViewMutD<'a, A> {
        match &self.0 {
            None => view,
            Some(axes) => view.permuted_axes(axes.clone()),
        }
    }

    /// The lengths of an array's axes in this order, and the place of each axis among them; `None` for the logical order, and for an array with another
    /// number of axes than the order has.
    fn layout(&self, shape: &[usize]) -> Option<(IxDyn, IxDyn)> {
        let axes = self.0.as_ref().filter(|axes| axes.ndim() == shape.len())?;
        let (mut lengths, mut places) = (IxDyn::zeros(shape.len()), IxDyn::zeros(shape.len()));
        for (position, &axis) in axes.slice().iter().enumerate() {
            lengths[position] = shape[axis];
            places[axis] = position;
        }
        Some((lengths, places))
    }

    /// Zeros of this shape, which lie in memory in this order.
    pub(crate) fn zeros<A: Element>(&self, shape: &[usize]) -> ArrayD<A> {
        let total = shape.iter().product();
        if total >= pages::FRESH / size_of::<A>() {
            let mut zeros = vec![A::zero(); total];
            pages::ask(&mut zeros);
            touch(&mut zeros);
            return self.array(shape, zeros);
        }
        if total <= LITTLE / size_of::<A>() {
            // Unlike memory that has to be zeroed, memory as it is comes from what the C library has at hand.
            let mut zeros = Vec::with_capacity(total);
            zeros.resize(total, A::zero());
            return self.array(shape, zeros);
        }
        // Each thread has those in its cache that it overwrites afterwards.
        let parts = Parts::new(total, size_of::<A>(), Cost::Arithmetic, WORD);
        let zeros = if parts.most < total { by_threads(Source::InPlace, total, (), parts, &|_, _, ()| ()) } else { vec![A::zero(); total] };
        self.array(shape, zeros)
    }

    /// An array of this shape that owns these values, which lie in this order.
    fn array<A: Element>(&self, shape: &[usize], values: Vec<A>) -> ArrayD<A> {
        match (self.layout(shape), shape) {
            // Of a fixed dimension first, which asks less: small arrays have few axes.
            (None, [_]) => Array1::from_vec(values).into_dyn(),
            (None, &[a, b]) => Array1::shaped(values, (a, b)).into_dyn(),
            (None, &[a, b, c]) => Array1::shaped(values, (a, b, c)).into_dyn(),
            (None, &[a, b, c, d]) => Array1::shaped(values, (a, b, c, d)).into_dyn(),
            (None, _) => Array1::shaped(values, shape),
            (Some((lengths, places)), _) => Array1::shaped(values, lengths).permuted_axes(places),
        }
    }

    /// The elements at the start of `values` as an array of this shape, which lies there in this order.
    pub(crate) fn over<'a, A>(&self, shape: &[usize], values: &'a [A]) -> Result<ArrayViewD<'a, A>, ShapeError> {
        match self.layout(shape) {
            None => ArrayViewD::from_shape(shape, values),
            Some((lengths, places)) => Ok(ArrayViewD::from_shape(lengths, values)?.permuted_axes(places)),
        }
    }

    /// [`over`](Self::over), to write.
    pub(crate) fn over_mut<'a, A>(&self, shape: &[usize], values: &'a mut [A]) -> Result<ArrayViewMutD<'a, A>, ShapeError> {
        match self.layout(shape) {
            None => ArrayViewMutD::from_shape(shape, values),
            Some((lengths, places)) => Ok(ArrayViewMutD::from_shape(lengths, values)?.permuted_axes(places)),
        }
    }
}

/// How many elements an array of this shape has; an error where no array can have it.
pub(crate) fn checked_len<A>(shape: &[usize]) -> Result<usize, ShapeError> {
    // ndarray's rule: what the axes that are not empty would hold must be addressable.
    let bytes = shape.iter().filter(|&&length| length != 0).try_fold(size_of::<A>(), |bytes, &length| bytes.checked_mul(length));
    match bytes {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(shape.iter().product()),
        _ => Err(ShapeError::from_kind(ErrorKind::Overflow)),
    }
}

/// A position among the elements, and what goes beside them from there on.
pub(crate) struct Positioned<K>(pub(crate) usize, pub(crate) K);

impl<K: Split> Split for Positioned<K> {
    fn split(self, at: usize) -> (Self, Self) {
        let (left, right) = self.1.split(at);
        (Self(self.0, left), Self(self.0 + at, right))
    }
}

/// Calls `body` on slices of `input` and `output` (on those of `output` alone where it works in place), in `order`, beside what is kept.
///
/// Contiguous arrays go as they are, over threads where that pays; others through a buffer on the stack. The shapes must agree.
pub(crate) fn pass<A: Element, K: Split>(order: &Order, cost: Cost, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>, keep: K, body: Body<'_, A, K>) {
    pass_in_units(WORD, order, cost, input, output, keep, body);
}

/// [`pass`], with threads' parts cut at multiples of `unit` elements, itself a multiple of [`WORD`].
pub(crate) fn pass_in_units<A: Element, K: Split>(
    unit: usize,
    order: &Order,
    cost: Cost,
    input: Option<&ArrayRefD<A>>,
    output: &mut ArrayRefD<A>,
    keep: K,
    body: Body<'_, A, K>,
) {
    if order.0.is_none()
        && let Some((input, output)) = standard(input, output)
    {
        return pass_slices(Parts::new(output.len(), size_of::<A>(), cost, unit), input, output, keep, body);
    }
    pass_views(unit, cost, order, input, output, keep, body);
}

/// [`pass`] in the order in which the output lies: what lies in another order is read faster than it is written.
pub(crate) fn pass_along<A: Element, K: Split>(cost: Cost, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>, keep: K, body: Body<'_, A, K>) {
    match standard(input, output) {
        Some((input, output)) => pass_slices(Parts::new(output.len(), size_of::<A>(), cost, WORD), input, output, keep, body),
        None => pass_views(WORD, cost, &Order::of(output), input, output, keep, body),
    }
}

/// An input, unless the work is done in place, and an output.
type Slices<'a, A> = (Option<&'a [A]>, &'a mut [A]);

/// Arrays in standard layout as slices: the usual case, tried before any view is made. Views of a dynamic dimension are large; for a small array, making and
/// moving them is more work than an activation.
#[inline]
fn standard<'a, A>(input: Option<&'a ArrayRefD<A>>, output: &'a mut ArrayRefD<A>) -> Option<Slices<'a, A>> {
    let input = match input {
        None => None,
        Some(input) => Some(input.as_slice()?),
    };
    Some((input, output.as_slice_mut()?))
}

#[inline]
fn pass_slices<A: Element, K: Split>(parts: Parts, input: Option<&[A]>, output: &mut [A], keep: K, body: Body<'_, A, K>) {
    if output.len() <= parts.most { body(input, output, keep) } else { spread(input.map_or(Source::InPlace, Source::Slice), output, keep, parts, body) }
}

fn pass_views<A: Element, K: Split>(
    unit: usize,
    cost: Cost,
    order: &Order,
    input: Option<&ArrayRefD<A>>,
    output: &mut ArrayRefD<A>,
    keep: K,
    body: Body<'_, A, K>,
) {
    let parts = Parts::new(output.len(), size_of::<A>(), cost, unit);
    let reader = input.map(|input| Reader::new(order, input.view()));
    let source = reader.as_ref().map_or(Source::InPlace, Reader::source);
    let mut output = order.view_mut(output.view_mut());
    match output.as_slice_mut() {
        Some(slice) => spread(source, slice, keep, parts, body),
        None => spread_view(source, flattened_mut(output), keep, parts, unit, body),
    }
}

/// [`pass`] into both halves of an array along an axis, in pieces that begin at multiples of `unit`: what is read is near still for the second one, where they are slices.
pub(crate) fn pass_into_halves<A: Element, K: Split, L: Split>(
    unit: usize,
    order: &Order,
    axis: usize,
    input: &ArrayRefD<A>,
    output: &mut ArrayRefD<A>,
    (keep, body): (K, Body<'_, A, K>),
    (keep_behind, body_behind): (L, Body<'_, A, L>),
) {
    /// Elements from which on two calls of a kernel take less time than to put shorter pieces in their places.
    const WORTH: usize = 32;
    let (total, outer) = (input.len(), outer(output.shape(), axis));
    let row = total / outer.max(1);
    if order.0.is_none()
        && (outer <= 1 || row >= WORTH && row.is_multiple_of(unit))
        && let (Some(input), Some(output)) = (input.as_slice(), output.as_slice_mut())
    {
        let (unit, halves) = if outer <= 1 { (WORD, HalvesMut::Whole(output.split_at_mut(total))) } else { (row, HalvesMut::Rows(output, row)) };
        let parts = Parts::new(total, size_of::<A>(), Cost::Arithmetic, unit);
        if total <= parts.most {
            return halves.fill(input, (keep, body), (keep_behind, body_behind));
        }
        let whole = (input, (halves, (keep, keep_behind)));
        return parts
            .share(parts.cut(total, whole), |(_, (input, (halves, (keep, keep_behind))))| halves.fill(input, (keep, body), (keep_behind, body_behind)));
    }
    let half = output.len_of(Axis(axis)) / 2;
    let (mut front, mut behind) = output.view_mut().split_at(Axis(axis), half);
    pass(order, Cost::Arithmetic, Some(input), &mut front, keep, body);
    pass(order, Cost::Arithmetic, Some(input), &mut behind, keep_behind, body_behind);
}

/// Two halves of an array, or of each of its rows, of which one half has so many elements.
enum HalvesMut<'a, A> {
    Whole((&'a mut [A], &'a mut [A])),
    Rows(&'a mut [A], usize),
}

impl<A: Send> Split for HalvesMut<'_, A> {
    fn split(self, at: usize) -> (Self, Self) {
        match self {
            Self::Whole(halves) => {
                let (here, behind) = halves.split(at);
                (Self::Whole(here), Self::Whole(behind))
            }
            Self::Rows(rows, half) => {
                let (here, behind) = rows.split_at_mut(2 * at);
                (Self::Rows(here, half), Self::Rows(behind, half))
            }
        }
    }
}

impl<A: Element> HalvesMut<'_, A> {
    /// Calls the bodies for pieces that stay in the nearest cache.
    fn fill<K: Split, L: Split>(self, input: &[A], (mut keep, body): (K, Body<'_, A, K>), (mut keep_behind, body_behind): (L, Body<'_, A, L>)) {
        const NEAR: usize = 1 << 14;
        let near = NEAR / size_of::<A>();
        let fill = |input: &[A], front: &mut [A], behind: &mut [A], keep, keep_behind| {
            body(Some(input), front, keep);
            body_behind(Some(input), behind, keep_behind);
        };
        match self {
            Self::Whole((front, behind)) => {
                for ((input, front), behind) in input.chunks(near).zip(front.chunks_mut(near)).zip(behind.chunks_mut(near)) {
                    let ((here, rest), (here_behind, rest_behind)) = (keep.split(input.len()), keep_behind.split(input.len()));
                    fill(input, front, behind, here, here_behind);
                    (keep, keep_behind) = (rest, rest_behind);
                }
            }
            Self::Rows(rows, half) => {
                for (input, row) in input.chunks(half).zip(rows.chunks_mut(2 * half)) {
                    let ((here, rest), (here_behind, rest_behind)) = (keep.split(half), keep_behind.split(half));
                    let (front, behind) = row.split_at_mut(half);
                    fill(input, front, behind, here, here_behind);
                    (keep, keep_behind) = (rest, rest_behind);
                }
            }
        }
    }
}

/// The halves of an array along an axis, to be read side by side.
pub(crate) enum Halves<'a, A> {
    /// Of each row, one behind the other: so many elements.
    Rows(&'a [A], usize),
    Views([Reader<'a, A>; 2]),
}

impl<'a, A: Element> Halves<'a, A> {
    /// Pieces of them begin at multiples of `unit`.
    pub(crate) fn of(order: &Order, array: &'a ArrayRefD<A>, axis: usize, unit: usize) -> Self {
        /// Bytes from which on two calls of a kernel take less time than to gather shorter pieces.
        const WORTH: usize = 1 << 10;
        let outer = outer(array.shape(), axis);
        let half = array.len() / 2 / outer.max(1);
        match array.as_slice() {
            Some(slice) if order.0.is_none() && (outer <= 1 || half * size_of::<A>() >= WORTH && half.is_multiple_of(unit)) => Self::Rows(slice, half),
            _ => {
                let (front, behind) = array.view().split_at(Axis(axis), array.len_of(Axis(axis)) / 2);
                Self::Views([front, behind].map(|half| Reader::new(order, half)))
            }
        }
    }
}

impl<A> Copy for Beside<'_, A> {}
impl<A> Clone for Beside<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

/// [`Halves`], from this element of each on.
pub(crate) struct Beside<'a, A>(pub(crate) &'a Halves<'a, A>, pub(crate) usize);

impl<A: Element> Split for Beside<'_, A> {
    fn split(self, at: usize) -> (Self, Self) {
        (self, Self(self.0, self.1 + at))
    }
}

impl<A: Element> Beside<'_, A> {
    /// Calls `body` for pieces of the next so many elements, up to so many at a time: the range among these, and both halves'.
    pub(crate) fn visit(self, count: usize, most: usize, mut body: impl FnMut(Range<usize>, &[A], &[A])) {
        let Self(halves, from) = self;
        let (mut buffer, mut buffer_behind) = (Scratch::default(), Scratch::default());
        let mut done = 0;
        while done < count {
            let place = from + done;
            done += match halves {
                Halves::Rows(rows, half) => {
                    let (row, column) = (place / half, place % half);
                    let length = most.min(half - column).min(count - done);
                    let (front, behind) = rows[2 * row * half..][..2 * half].split_at(*half);
                    body(done..done + length, &front[column..column + length], &behind[column..column + length]);
                    length
                }
                Halves::Views(readers) => {
                    let sources = readers.each_ref().map(|reader| reader.source().from(place));
                    let length = sources.iter().fold(most.min(count - done), |length, source| length.min(source.together()));
                    let [front, behind] = sources;
                    let front = front.take(length, &mut buffer).unwrap_or_default();
                    body(done..done + length, front, behind.take(length, &mut buffer_behind).unwrap_or_default());
                    length
                }
            };
        }
    }
}

/// How many times an array repeats what it has along an axis and those behind it.
fn outer(shape: &[usize], axis: usize) -> usize {
    shape[..axis].iter().product()
}

/// A trait for a type of ndarray's: the compiler puts its methods where it puts ndarray's own, and inlines those.
trait Owning<A> {
    /// By a reshape, which asks less than `from_shape_vec`, and by `match`: what moves an array into a `Result` and out of it again takes twice as long as a small function.
    fn shaped<S: ShapeArg>(values: Vec<A>, shape: S) -> Array<A, S::Dim>;
}

impl<A> Owning<A> for Array1<A> {
    fn shaped<S: ShapeArg>(values: Vec<A>, shape: S) -> Array<A, S::Dim> {
        match Self::from_vec(values).into_shape_with_order(shape) {
            Ok(array) => array,
            Err(_) => unreachable!("there are as many values as the shape says"),
        }
    }
}

/// Up to how many bytes of memory the C library has what was given back at hand.
const LITTLE: usize = 1024;
/// How much of a new array is made at a time: more gains little, and less costs calls.
const FRESH_BYTES: usize = 8192;
/// How much of it is zeroed at a time. From 4 KiB on, zeroing takes another way through the CPU, which was measured 30 % slower.
const ZEROED_BYTES: usize = 2048;

/// Writes to every page of new zeros, by all threads. The system makes a page when it is first written to, and that is dear: but dearer still in the midst of a kernel with
/// several loops for a row, all of whose branches the CPU has to learn anew afterwards.
fn touch<A: Element>(zeros: &mut [A]) {
    let page = 4096 / size_of::<A>();
    let parts = Parts::new(zeros.len(), size_of::<A>(), Cost::Memory, page);
    parts.share(parts.cut(zeros.len(), zeros), |(_, zeros)| zeros.iter_mut().step_by(page).for_each(|zero| *zero = black_box(A::zero())));
}

/// Makes the values of a new array from those of an input, or nothing.
type New<'a, A, K> = &'a dyn Fn(Parts, &[A], &mut K) -> Option<Vec<A>>;

/// [`pass`] into a new array that lies in this order.
///
/// `new` writes each element but once, if it can and [kernels for it](makes_new) are there. Else elements are zeroed before they are computed: piece by piece, so that the zeros never leave the nearest cache.
pub(crate) fn fresh<A: Element, K: Split>(
    order: &Order,
    cost: Cost,
    input: &ArrayRefD<A>,
    mut keep: K,
    body: Body<'_, A, K>,
    new: Option<New<'_, A, K>>,
) -> ArrayD<A> {
    let total = input.len();
    let parts = Parts::new(total, size_of::<A>(), cost, WORD);
    if let (None, Some(slice), Some(new)) = (&order.0, input.as_slice(), new)
        && makes_new(level())
        && let Some(values) = new(parts, slice, &mut keep)
    {
        return order.array(input.shape(), values);
    }
    let reader = Reader::of(order, input);
    if let Reader::View(_) = reader {
        let mut output = order.zeros(input.shape());
        pass(order, cost, Some(input), &mut output, keep, body);
        return output;
    }
    order.array(input.shape(), zeroed(reader.source(), total, keep, parts, body))
}

/// [`fresh`], with threads' parts cut at multiples of `unit`. Without anything new, all is zeroed first.
pub(crate) fn fresh_in_units<A: Element, K: Split>(
    unit: usize,
    order: &Order,
    cost: Cost,
    input: &ArrayRefD<A>,
    mut keep: K,
    body: Body<'_, A, K>,
    new: New<'_, A, K>,
) -> ArrayD<A> {
    if let (None, Some(slice)) = (&order.0, input.as_slice())
        && makes_new(level())
        && let Some(values) = new(Parts::new(slice.len(), size_of::<A>(), cost, unit), slice, &mut keep)
    {
        return order.array(input.shape(), values);
    }
    let mut output = order.zeros(input.shape());
    pass_in_units(unit, order, cost, Some(input), &mut output, keep, body);
    output
}

/// [`fresh`] for an array of this shape, made from what goes beside it alone.
pub(crate) fn fresh_beside<A: Element, K: Split>(order: &Order, cost: Cost, shape: &[usize], keep: K, body: Body<'_, A, K>) -> ArrayD<A> {
    let total = shape.iter().product();
    order.array(shape, zeroed(Source::InPlace, total, keep, Parts::new(total, size_of::<A>(), cost, WORD), body))
}

fn zeroed<A: Element, K: Split>(source: Source<'_, A>, total: usize, keep: K, parts: Parts, body: Body<'_, A, K>) -> Vec<A> {
    if parts.most < total { by_threads(source, total, keep, parts, body) } else { zeroed_by_pieces(source, total, &mut piecewise(keep, body)) }
}

fn zeroed_by_pieces<A: Element>(source: Source<'_, A>, total: usize, body: Piecewise<'_, A>) -> Vec<A> {
    let (part, piece) = (FRESH_BYTES / size_of::<A>(), ZEROED_BYTES / size_of::<A>());
    let mut values = pages::room(total);
    for start in (0..total).step_by(part) {
        let end = total.min(start + part);
        while values.len() < end {
            values.resize(end.min(values.len() + piece), A::zero());
        }
        gathered(source.from(start), &mut values[start..], body);
    }
    values
}

/// By several threads, each of which makes blocks on its stack first.
fn by_threads<A: Element, K: Split>(source: Source<'_, A>, total: usize, keep: K, parts: Parts, body: Body<'_, A, K>) -> Vec<A> {
    let whole = total - total % WORD;
    let (keep, last) = keep.split(whole);
    let mut values = parts.collect(total, (source, keep), &Blocks(body)).into_flattened();
    values.resize(total, A::zero());
    gathered(source.from(whole), &mut values[whole..], &mut piecewise(last, body));
    values
}

struct Blocks<'a, A, K>(Body<'a, A, K>);

impl<A: Element, K: Split> Make<(Source<'_, A>, K), [A; WORD]> for Blocks<'_, A, K> {
    const EACH: usize = WORD;
    fn make<S: Sink<[A; WORD]>>(&self, count: usize, (source, keep): (Source<'_, A>, K), mut sink: S) -> S {
        let (level, mut body) = (level(), piecewise(keep, self.0));
        let mut block = [A::zero(); FRESH_BYTES / size_of::<f32>()];
        let most = FRESH_BYTES / size_of::<A>();
        let whole = count - count % WORD;
        for start in (0..whole).step_by(most) {
            let block = &mut block[..most.min(whole - start)];
            gathered(source.from(start), block, &mut body);
            sink = hand_over(level, block, sink);
        }
        sink
    }
}

/// An array that is read in some order, from any element on.
pub(crate) enum Reader<'a, A> {
    Slice(&'a [A]),
    /// Rows that are [slices worth a call each](in_slices).
    Rows(LongRows<ArrayView2<'a, A>, ArrayViewD<'a, A>>),
    View(Strided<ArrayViewD<'a, A>>),
}

impl<'a, A: Element> Reader<'a, A> {
    pub(crate) fn new(order: &Order, view: ArrayViewD<'a, A>) -> Self {
        let view = order.view(view);
        if let Some(slice) = view.to_slice() {
            return Self::Slice(slice);
        }
        let view = flattened(view);
        if in_slices(&view) { Self::Rows(LongRows::new(view)) } else { Self::View(Strided(view)) }
    }

    /// The whole array, which is met as it lies before a view is made.
    fn of(order: &Order, array: &'a ArrayRefD<A>) -> Self {
        match array.as_slice() {
            Some(slice) if order.0.is_none() => Self::Slice(slice),
            _ => Self::new(order, array.view()),
        }
    }

    pub(crate) fn source(&self) -> Source<'_, A> {
        match self {
            Self::Slice(slice) => Source::Slice(slice),
            Self::Rows(rows) => Source::Rows(rows, 0),
            Self::View(view) => Source::View(view, 0),
        }
    }
}

/// Where a pass reads.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a, A> {
    InPlace,
    Slice(&'a [A]),
    /// Rows, from this element on.
    Rows(&'a LongRows<ArrayView2<'a, A>, ArrayViewD<'a, A>>, usize),
    /// A view, from this element on.
    View(&'a Strided<ArrayViewD<'a, A>>, usize),
}

impl<'a, A: Element> Source<'a, A> {
    pub(crate) fn from(self, start: usize) -> Self {
        match self {
            Self::InPlace => Self::InPlace,
            Self::Slice(slice) => Self::Slice(&slice[start..]),
            Self::Rows(rows, before) => Self::Rows(rows, before + start),
            Self::View(view, before) => Self::View(view, before + start),
        }
    }

    /// The first elements: a slice of the array itself or of the buffer, `None` in place.
    pub(crate) fn take<'b>(self, count: usize, buffer: &'b mut Scratch<A>) -> Option<&'b [A]>
    where
        'a: 'b,
    {
        match self {
            Self::InPlace => None,
            Self::Slice(slice) => Some(&slice[..count]),
            Self::Rows(rows, start) => Some(rows.parts(start, count).next().filter(|part| part.len() == count).unwrap_or_else(|| {
                let buffer = buffer.of(count);
                let mut done = 0;
                for part in rows.parts(start, count) {
                    buffer[done..done + part.len()].copy_from_slice(part);
                    done += part.len();
                }
                buffer
            })),
            Self::View(view, start) => {
                let buffer = buffer.of(count);
                view.read(start, count, buffer, 0);
                Some(buffer)
            }
        }
    }

    /// How many elements from here on stand together, if that matters.
    fn together(self) -> usize {
        match self {
            Self::Rows(rows, start) => rows.parts(start, usize::MAX).next().map_or(usize::MAX, <[A]>::len),
            _ => usize::MAX,
        }
    }
}

impl<A: Element> Split for Source<'_, A> {
    fn split(self, at: usize) -> (Self, Self) {
        (self, self.from(at))
    }
}

type Body<'a, A, K> = &'a (dyn Fn(Option<&[A]>, &mut [A], K) + Sync);

fn spread<A: Element, K: Split>(source: Source<'_, A>, output: &mut [A], keep: K, parts: Parts, body: Body<'_, A, K>) {
    if output.len() <= parts.most {
        return gathered(source, output, &mut piecewise(keep, body));
    }
    parts.share(parts.cut(output.len(), (source, (output, keep))), |(_, (source, (output, keep)))| gathered(source, output, &mut piecewise(keep, body)));
}

/// [`spread`] for an output that is not contiguous, flattened: cut along its first axis, where a cut lies at a multiple of the unit.
fn spread_view<A: Element, K: Split>(source: Source<'_, A>, output: ArrayViewMutD<'_, A>, keep: K, parts: Parts, unit: usize, body: Body<'_, A, K>) {
    let axis = Axis(output.shape().iter().position(|&length| length > 1).unwrap_or(0));
    let row = output.len() / output.len_of(axis).max(1);
    let rows = (parts.most / row.max(1)).max(1).next_multiple_of(unit / common_divisor(unit, row));
    if output.len() <= parts.most || output.len_of(axis) <= rows {
        return scattered(source, output, &mut piecewise(keep, body));
    }
    let cuts = cut(output.len_of(axis), rows, (source, output, keep), |(source, output, keep), at| {
        let (here, behind) = output.split_at(axis, at);
        let (keep, keep_behind) = keep.split(at * row);
        ((source, here, keep), (source.from(at * row), behind, keep_behind))
    });
    parts.share(cuts, |(_, (source, output, keep))| scattered(source, output, &mut piecewise(keep, body)));
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// [`Body`] for pieces that follow each other.
type Piecewise<'a, A> = &'a mut dyn FnMut(Option<&[A]>, &mut [A]);

/// A body that takes what is kept along from piece to piece: how an array is cut is compiled once, whatever that is.
fn piecewise<A: Element, K: Split>(keep: K, body: Body<'_, A, K>) -> impl FnMut(Option<&[A]>, &mut [A]) {
    let mut left = Some(keep);
    move |x, y| {
        if let Some((here, behind)) = left.take().map(|keep| keep.split(y.len())) {
            left = Some(behind);
            body(x, y, here);
        }
    }
}

/// Into a slice.
fn gathered<A: Element>(source: Source<'_, A>, output: &mut [A], body: Piecewise<'_, A>) {
    match source {
        Source::InPlace => body(None, output),
        Source::Slice(slice) => body(Some(&slice[..output.len()]), output),
        Source::Rows(rows, first) => {
            let mut done = 0;
            for part in rows.parts(first, output.len()) {
                body(Some(part), &mut output[done..done + part.len()]);
                done += part.len();
            }
        }
        Source::View(view, first) => {
            let (total, columns) = (output.len(), columns(&view.0));
            let (block, gap) = block(&view.0);
            let (block, gap) = (block.min(total).max(1), if first % columns == 0 { gap } else { 0 });
            let row = if gap == 0 { block } else { columns };
            let mut buffer = Scratch::new(block + block / columns * gap);
            for (start, part) in (first..).step_by(block).zip(output.chunks_mut(block)) {
                view.read(start, part.len(), &mut buffer, gap);
                for (from, part) in buffer.chunks(row + gap).zip(part.chunks_mut(row)) {
                    body(Some(&from[..part.len()]), part);
                }
            }
        }
    }
}

/// Into a view that is not contiguous, flattened.
fn scattered<A: Element>(source: Source<'_, A>, mut output: ArrayViewMutD<'_, A>, body: Piecewise<'_, A>) {
    let total = output.len();
    if in_slices(&output) {
        let columns = columns(&output);
        let mut buffer = Scratch::default();
        for (start, row) in (0..).step_by(columns).zip(output.rows_mut()) {
            if let Some(row) = row.into_slice() {
                body(source.from(start).take(columns, &mut buffer), row);
            }
        }
        return;
    }
    let (block, gap) = match source {
        Source::View(view, _) => (block(&view.0).0.max(block(&output).0), 0),
        _ => block(&output),
    };
    let block = block.min(total).max(1);
    let mut output = Strided(output);
    let columns = columns(&output.0);
    let row = if gap == 0 { block } else { columns };
    let (mut buffer, mut result) = (Scratch::default(), Scratch::new(block + block / columns * gap));
    for start in (0..total).step_by(block) {
        let end = total.min(start + block);
        if matches!(source, Source::InPlace) {
            Strided(output.0.view()).read(start, end - start, &mut result, gap);
        }
        for (start, result) in (start..end).step_by(row).zip(result.chunks_mut(row + gap)) {
            let count = row.min(end - start);
            body(source.from(start).take(count, &mut buffer), &mut result[..count]);
        }
        output.write(start, end - start, &result, gap);
    }
}

/// Where the elements of a parameter stand, that is broadcast against an array visited in some order.
#[derive(Debug)]
pub(crate) struct Runs {
    /// Axes from the outermost to the innermost, those joined that the parameter runs through evenly.
    lengths: IxDyn,
    /// For each: the step in the parameter from one of its indices to the next.
    steps: IxDyn,
}

impl Runs {
    /// `steps` holds, for each logical axis, the step in the parameter's logical elements; 0 where it is broadcast.
    pub(crate) fn new(shape: &[usize], steps: &[usize], order: &Order) -> Self {
        let mut runs = Self { lengths: IxDyn::zeros(shape.len().max(1)), steps: IxDyn::zeros(shape.len().max(1)) };
        // From the innermost axis outwards; `free` is the place for the next.
        let mut free = shape.len().max(1);
        for position in (0..shape.len()).rev() {
            let (length, step) = (shape[order.axis(position)], steps[order.axis(position)]);
            if length == 1 {
                continue;
            }
            if free < runs.lengths.ndim() && step == runs.lengths[free] * runs.steps[free] {
                runs.lengths[free] *= length;
            } else {
                free -= 1;
                (runs.lengths[free], runs.steps[free]) = (length, step);
            }
        }
        if free == runs.lengths.ndim() {
            free -= 1;
        }
        runs.lengths.slice_mut()[..=free.min(shape.len().max(1) - 1)].iter_mut().filter(|length| **length == 0).for_each(|length| *length = 1);
        runs
    }

    /// [`new`](Self::new) for a parameter of the array's own shape: its index is the element's logical index, in row-major order.
    pub(crate) fn logical(shape: &[usize], order: &Order) -> Self {
        let mut steps = IxDyn::zeros(shape.len());
        let mut step = 1;
        for (axis, length) in shape.iter().enumerate().rev() {
            steps[axis] = step;
            step *= length;
        }
        Self::new(shape, steps.slice(), order)
    }

    /// Whether the parameter does not change along the innermost run.
    pub(crate) fn constant(&self) -> bool {
        self.steps[self.steps.ndim() - 1] == 0
    }

    /// How many elements there are along the innermost run.
    pub(crate) fn innermost(&self) -> usize {
        self.lengths[self.lengths.ndim() - 1]
    }

    /// After how many elements the parameter begins anew, where it does so at least once.
    pub(crate) fn period(&self) -> Option<usize> {
        let outermost = self.lengths.slice().iter().position(|&length| length > 1)?;
        (self.steps[outermost] == 0).then(|| self.lengths.slice()[outermost + 1..].iter().product())
    }

    /// Calls `run` for each piece of the elements `start..start + count` along which the parameter takes even steps: the range within the piece asked for,
    /// the parameter's first index, and the step.
    #[inline(always)]
    pub(crate) fn visit(&self, start: usize, count: usize, mut run: impl FnMut(Range<usize>, usize, usize)) {
        self.fold(
            start,
            count,
            (),
            #[inline(always)]
            |(), range, first, step| run(range, first, step),
        );
    }

    /// [`visit`](Self::visit) with something that is handed on from piece to piece.
    #[inline(always)]
    pub(crate) fn fold<T>(&self, start: usize, count: usize, mut state: T, mut run: impl FnMut(T, Range<usize>, usize, usize) -> T) -> T {
        // An axis of an empty array may have the length 0.
        if count == 0 {
            return state;
        }
        let (lengths, steps) = (self.lengths.slice(), self.steps.slice());
        let last = lengths.len() - 1;
        let (length, step) = (lengths[last], steps[last]);
        // Where the run begins along the axes before the last: divisions find it once, and from there on it is counted.
        let (mut rest, mut column) = (start / length, start % length);
        let (mut index, mut first) = (IxDyn::zeros(last), 0);
        let index = index.slice_mut();
        for axis in (0..last).rev() {
            index[axis] = rest % lengths[axis];
            rest /= lengths[axis];
            first += index[axis] * steps[axis];
        }
        let mut done = 0;
        while done < count {
            let end = count.min(done + length - column);
            state = run(state, done..end, first + column * step, step);
            (done, column) = (end, 0);
            for axis in (0..last).rev() {
                index[axis] += 1;
                first += steps[axis];
                if index[axis] < lengths[axis] {
                    break;
                }
                first -= index[axis] * steps[axis];
                index[axis] = 0;
            }
        }
        state
    }
}

/// Joins axes that lie behind one another in memory, and drops those of length 1.
macro_rules! flatten {
    ($view:ident) => {{
        let mut into = $view.ndim().saturating_sub(1);
        for axis in (0..into).rev() {
            if !$view.merge_axes(Axis(axis), Axis(into)) {
                into = axis;
            }
        }
        for axis in (0..$view.ndim()).rev() {
            if $view.len_of(Axis(axis)) == 1 {
                $view = $view.index_axis_move(Axis(axis), 0);
            }
        }
        while $view.ndim() < 2 {
            $view = $view.insert_axis(Axis(0));
        }
        $view
    }};
}

fn flattened<A>(mut view: ArrayViewD<'_, A>) -> ArrayViewD<'_, A> {
    flatten!(view)
}

fn flattened_mut<A>(mut view: ArrayViewMutD<'_, A>) -> ArrayViewMutD<'_, A> {
    flatten!(view)
}

/// A view of at least two axes, read and written as if its elements lay in a row.
pub(crate) struct Strided<V>(V);

/// The plane of the last two axes in which the element `start` lies, as indices of the axes before them, and the element's index within it.
fn locate(shape: &[usize], start: usize) -> (impl Iterator<Item = usize>, usize) {
    let (outer, plane) = shape.split_at(shape.len() - 2);
    let size = plane[0] * plane[1];
    let mut block: usize = outer.iter().product();
    let mut rest = start / size;
    let indices = outer.iter().map(move |&length| {
        block /= length;
        let index = rest / block;
        rest %= block;
        index
    });
    (indices, start % size)
}

/// Visits a plane from one of its elements on, as far as `$count` reaches: `$visit` gets a part of a row, or whole rows, and where in a buffer with so long a gap
/// behind each row they stand.
macro_rules! pieces {
    ($plane:expr, $offset:expr, $count:expr, $gap:expr, $view:ident, |$piece:ident, $place:ident| $visit:expr) => {{
        let columns = $plane.ncols();
        let (mut row, mut column, mut done) = ($offset / columns, $offset % columns, 0);
        while done < $count && row < $plane.nrows() {
            let rest = $count - done;
            let (rows, count) =
                if column == 0 && rest >= columns { ((rest / columns).min($plane.nrows() - row), columns) } else { (1, rest.min(columns - column)) };
            let $place = done + done / columns * $gap;
            let $piece = $plane.$view().split_at(Axis(0), row).1.split_at(Axis(0), rows).0.split_at(Axis(1), column).1.split_at(Axis(1), count).0;
            $visit;
            (row, column, done) = (row + rows, 0, done + rows * count);
        }
        done
    }};
}

/// A view, flattened, whose rows are [slices worth a call each](in_slices).
pub(crate) enum LongRows<P, V> {
    /// In one plane, as most are: views of a fixed dimension take less time to make.
    Plane(P),
    Stacked(V),
}

impl<'a, A> LongRows<ArrayView2<'a, A>, ArrayViewD<'a, A>> {
    fn new(view: ArrayViewD<'a, A>) -> Self {
        view.clone().into_dimensionality().map_or(Self::Stacked(view), Self::Plane)
    }

    /// The row in which the element `start` lies, and its place there.
    fn row(&self, start: usize) -> (Option<&'a [A]>, usize) {
        match self {
            Self::Plane(plane) => ((*plane).index_axis_move(Axis(0), start / plane.ncols()).to_slice(), start % plane.ncols()),
            Self::Stacked(view) => {
                let (indices, offset) = locate(view.shape(), start);
                let plane = indices.fold(view.clone(), |view, index| view.index_axis_move(Axis(0), index));
                let columns = plane.len_of(Axis(1));
                (plane.index_axis_move(Axis(0), offset / columns).to_slice(), offset % columns)
            }
        }
    }

    /// The parts of rows that so many elements from `start` on are.
    fn parts(&self, start: usize, count: usize) -> impl Iterator<Item = &'a [A]> {
        let mut done = 0;
        iter::from_fn(move || {
            if done == count {
                return None;
            }
            let (row, place) = self.row(start + done);
            let behind = &row?[place..];
            let part = &behind[..behind.len().min(count - done)];
            done += part.len();
            Some(part)
        })
    }
}

impl<A: Element> Strided<ArrayViewD<'_, A>> {
    /// Reads elements from `start` on, with a gap behind each row; without one, `start` may lie anywhere in a row.
    fn read(&self, start: usize, count: usize, buffer: &mut [A], gap: usize) {
        let (columns, mut done) = (columns(&self.0), 0);
        while done < count {
            let (indices, offset) = locate(self.0.shape(), start + done);
            let plane = indices.fold(self.0.view(), |view, index| view.index_axis_move(Axis(0), index));
            let Ok(plane) = plane.into_dimensionality::<Ix2>() else { return };
            let plane: ArrayView2<'_, A> = plane;
            let buffer = &mut buffer[done + done / columns * gap..];
            done += pieces!(plane, offset, count - done, gap, view, |piece, place| fetch(&piece, &mut buffer[place..], piece.ncols() + gap));
        }
    }
}

impl<A: Element> Strided<ArrayViewMutD<'_, A>> {
    /// The way back.
    fn write(&mut self, start: usize, count: usize, buffer: &[A], gap: usize) {
        let (columns, shape) = (columns(&self.0), IxDyn(self.0.shape()));
        let mut done = 0;
        while done < count {
            let (indices, offset) = locate(shape.slice(), start + done);
            let plane = indices.fold(self.0.view_mut(), |view, index| view.index_axis_move(Axis(0), index));
            let Ok(plane) = plane.into_dimensionality::<Ix2>() else { return };
            let mut plane: ArrayViewMut2<'_, A> = plane;
            let buffer = &buffer[done + done / columns * gap..];
            done += pieces!(plane, offset, count - done, gap, view_mut, |piece, place| {
                let distance = piece.ncols() + gap;
                put(&buffer[place..], distance, piece);
            });
        }
    }
}

/// Copies a piece of a view into rows at a distance. Of one that lies across, four columns go at a time: long enough to be read as streams, few enough to be
/// in the cache together where they lie at distances that are powers of two.
fn fetch<A: Element>(from: &ArrayView2<'_, A>, to: &mut [A], distance: usize) {
    let level = level();
    if !across(from.shape(), from.strides()) {
        let in_steps = from.ncols() >= PARTS
            && from.rows().into_iter().zip(to.chunks_mut(distance)).all(
                |(from, to)| at_level!(level, _simd => in_steps::<2, A>(&from, to) || in_steps::<3, A>(&from, to) || in_steps::<4, A>(&from, to) || in_steps::<-1, A>(&from, to)),
            );
        if !in_steps && let Ok(to) = ArrayViewMut2::from_shape(from.dim().strides((distance, 1)), to) {
            assign(to, from);
        }
        return;
    }
    for (first, from) in (0..).step_by(4).zip(from.axis_chunks_iter(Axis(1), 4)) {
        let mut lines = from.columns().into_iter().map_while(|line| line.to_slice());
        if let [Some(a), Some(b), Some(c), Some(d)] = array::from_fn(|_| lines.next()) {
            four_columns(level, [a, b, c, d], &mut to[first..], distance);
            continue;
        }
        for (to, from) in to[first..].chunks_mut(distance).zip(from.rows()) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Copies elements that stand in steps of this size, if they do: since the compiler knows it, it reads whole vectors and sorts out what is needed.
#[inline(always)]
fn in_steps<const STEP: isize, A: Element>(from: &ArrayView1<'_, A>, to: &mut [A]) -> bool {
    // A copy, that nothing can change meanwhile: else the step is read again for each element.
    let from = from.view();
    let in_steps = from.strides() == [STEP];
    if in_steps {
        for (i, to) in to[..from.len()].iter_mut().enumerate() {
            *to = from[i];
        }
    }
    in_steps
}

/// The way back.
fn put<A: Element>(from: &[A], distance: usize, mut to: ArrayViewMut2<'_, A>) {
    if !across(to.shape(), to.strides()) {
        if let Ok(from) = ArrayView2::from_shape(to.dim().strides((distance, 1)), from) {
            assign(to, &from);
        }
        return;
    }
    let level = level();
    for (first, mut to) in (0..).step_by(4).zip(to.axis_chunks_iter_mut(Axis(1), 4)) {
        let mut lines = to.columns_mut().into_iter().map_while(ArrayBase::into_slice);
        if let [Some(a), Some(b), Some(c), Some(d)] = array::from_fn(|_| lines.next()) {
            into_four_columns(level, &from[first..], distance, [a, b, c, d]);
            continue;
        }
        for (from, to) in from[first..].chunks(distance).zip(to.rows_mut()) {
            to.into_iter().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Copies with long inner loops.
fn assign<A: Element>(mut to: ArrayViewMut2<'_, A>, from: &ArrayView2<'_, A>) {
    if to.nrows() > to.ncols() {
        to.reversed_axes().assign(&from.t());
    } else {
        to.assign(from);
    }
}

/// Whether neighbours in the last axis but one lie closer together than those in the last, if not in the same place. Then rows go several at a time, unless they
/// are short.
fn across(shape: &[usize], strides: &[isize]) -> bool {
    match (shape, strides) {
        ([.., rows, columns], [.., down, along]) => *rows > 1 && *columns >= PARTS && *down != 0 && down.unsigned_abs() < along.unsigned_abs(),
        _ => false,
    }
}

/// Whether the rows of a view are slices that are worth a call each.
fn in_slices<A>(view: &ArrayRefD<A>) -> bool {
    const WORTH: usize = 256;
    let columns = columns(view);
    view.strides().last() == Some(&1) && columns >= WORTH && columns.is_multiple_of(WORD)
}

/// The length of a row of a view.
fn columns<A>(view: &ArrayRefD<A>) -> usize {
    view.shape().last().copied().unwrap_or(1).max(1)
}

/// How many rows of a view that lies across are in a buffer at a time, a multiple of the least number.
fn rows_across(columns: usize, least: usize) -> usize {
    const ROWS: usize = 1 << 8;
    const ELEMENTS: usize = 1 << 18;
    least * (ELEMENTS / (columns * least)).clamp(1, ROWS / least)
}

/// How many elements of a view pass through a buffer at a time, a multiple of [`WORD`]: of one that lies across whole rows, in numbers that make long columns.
/// And how many places stay free behind each row: rows at distances that are powers of two would fall on the same lines of the cache. Such rows, themselves
/// multiples of [`WORD`], go one by one then.
fn block<A>(view: &ArrayRefD<A>) -> (usize, usize) {
    const USUAL: usize = 1 << 11;
    /// The largest buffer.
    const MOST: usize = 1 << 20;
    let columns = columns(view);
    let least = PARTS.max(WORD / common_divisor(WORD, columns));
    if !across(view.shape(), view.strides()) || columns > MOST / least {
        return (USUAL, 0);
    }
    let rows = rows_across(columns, least);
    let gap = if (columns * size_of::<A>()).is_multiple_of(1024) { PARTS } else { 0 };
    (USUAL.next_multiple_of(columns * rows), gap)
}

/// Arrays of one shape that are visited together, row by row.
pub(crate) struct RowArrays<'a, A> {
    /// What stands in the rows at first, unless they are worked on in place.
    pub(crate) input: Option<&'a ArrayRefD<A>>,
    /// What the body leaves in them.
    pub(crate) output: &'a mut ArrayRefD<A>,
    /// What the body fills beside them.
    pub(crate) keep: Option<&'a mut ArrayRefD<A>>,
    /// What it reads beside them.
    pub(crate) kept: Option<&'a ArrayRefD<A>>,
}

impl<'a, A: Element> RowArrays<'a, A> {
    /// All elements as slices, if they lie so in all arrays: for views, which are large, a small array is not worth its while.
    fn slices(&mut self) -> Option<RowSlices<'_, A>> {
        fn slice<A>(array: Option<&ArrayRefD<A>>) -> Option<&[A]> {
            array.map_or(Some(&[]), ArrayRef::as_slice)
        }
        Some(RowSlices {
            rows: Rows::ONE,
            input: slice(self.input)?,
            row: self.output.as_slice_mut()?,
            keep: self.keep.as_deref_mut().map_or(Some(&mut [][..]), ArrayRef::as_slice_mut)?,
            kept: slice(self.kept)?,
        })
    }

    fn views(self) -> RowViews<'a, A, IxDyn> {
        RowViews {
            input: self.input.map(|input| input.view()),
            output: self.output.view_mut(),
            keep: self.keep.map(|keep| keep.view_mut()),
            kept: self.kept.map(|kept| kept.view()),
        }
    }
}

/// [`rows`] into a new array.
///
/// Several threads make rows that lie one behind the other in buffers, so that nothing is zeroed first, which would be work of its own to share.
pub(crate) fn fresh_rows<A: Element>(
    order: &Order,
    axes: &[usize],
    side_by_side: bool,
    input: &ArrayRefD<A>,
    mut keep: Option<&mut ArrayRefD<A>>,
    kept: Option<&ArrayRefD<A>>,
    body: RowBody<'_, A>,
) -> ArrayD<A> {
    let made = last_axis(order, axes, input.ndim()).and_then(|axis| {
        let total = input.len();
        let mut parts = Parts::new(total, size_of::<A>(), in_one_word(Cost::Transcendental), WORD);
        if parts.most >= total || total * size_of::<A>() > RowBlocks::<A>::NEAR || !total.is_multiple_of(WORD) {
            return None;
        }
        let length = input.len_of(axis);
        let unit = length * (WORD / common_divisor(WORD, length));
        if unit > RowBlocks::<A>::MOST {
            return None;
        }
        parts.most = parts.most.next_multiple_of(unit);
        let keep = keep.as_deref_mut().map_or(Some(None), |keep| keep.as_slice_mut().map(Some))?;
        let kept = kept.map_or(Some(None), |kept| kept.as_slice().map(Some))?;
        Some(parts.collect(total, (input.as_slice()?, (keep, kept)), &RowBlocks { length, unit, side_by_side, body }).into_flattened())
    });
    match made {
        Some(values) => order.array(input.shape(), values),
        None => {
            let mut output = order.zeros(input.shape());
            rows(order, axes, side_by_side, RowArrays { input: Some(input), output: &mut output, keep, kept }, body);
            output
        }
    }
}

/// The axis, if rows along it lie one behind the other.
fn last_axis(order: &Order, axes: &[usize], ndim: usize) -> Option<Axis> {
    match *axes {
        [axis] if order.0.is_none() && axis + 1 == ndim => Some(Axis(axis)),
        _ => None,
    }
}

/// Rows, made in a buffer.
struct RowBlocks<'a, A: Element> {
    length: usize,
    /// Whole rows and whole words.
    unit: usize,
    side_by_side: bool,
    body: RowBody<'a, A>,
}

impl<A: Element> RowBlocks<'_, A> {
    /// The most elements of a buffer.
    const MOST: usize = 1 << 14;
    /// Up to how many bytes an array lies near: lines from beyond that are fetched to be overwritten take longer than zeros.
    const NEAR: usize = 1 << 21;
}

impl<A: Element> Make<(&[A], (Option<&mut [A]>, Option<&[A]>)), [A; WORD]> for RowBlocks<'_, A> {
    const EACH: usize = WORD;
    fn make<S: Sink<[A; WORD]>>(&self, count: usize, (mut input, mut beside): (&[A], (Option<&mut [A]>, Option<&[A]>)), mut sink: S) -> S {
        let level = level();
        let most = self.unit * (FRESH_BYTES / size_of::<A>() / self.unit).max(1);
        let mut buffer = Scratch::new(most.min(count));
        let mut body = spaced(self.body, 1);
        for start in (0..count).step_by(most) {
            let row = &mut buffer[..most.min(count - start)];
            let (here, behind) = input.split_at(row.len());
            let ((keep, kept), beside_behind) = beside.split(row.len());
            (input, beside) = (behind, beside_behind);
            let slices = RowSlices { rows: Rows::ONE, input: here, row, keep: keep.unwrap_or_default(), kept: kept.unwrap_or_default() };
            visit(slices, self.length, self.side_by_side, &mut body);
            sink = hand_over(level, &buffer[..here.len()], sink);
        }
        sink
    }
}

/// Rows of so many elements, one behind the other.
fn visit<A: Element>(slices: RowSlices<'_, A>, length: usize, side_by_side: bool, body: &mut impl RowVisitor<A>) {
    if side_by_side && length < LONG { sixteen_by_sixteen(slices, length, body) } else { one_by_one(slices, length, body) }
}

/// Rows of so many elements, one behind the other, are visited one by one.
fn one_by_one<A: Element>(slices: RowSlices<'_, A>, length: usize, body: &mut impl RowVisitor<A>) {
    let RowSlices { rows, input, row, keep, kept } = slices;
    let (mut input, mut keep, mut kept) = (input.chunks(length), keep.chunks_mut(length), kept.chunks(length));
    for row in row.chunks_mut(length) {
        let [input, kept] = [&mut input, &mut kept].map(|rows| rows.next().unwrap_or_default());
        body(RowSlices { rows, input, row, keep: keep.next().unwrap_or_default(), kept });
    }
}

/// From how many rows of so many elements on it takes less time to bring sixteen together than to visit them one after the other: a row by itself takes as long as sixteen
/// times a vector's elements (measured for all instruction sets). From sixteen rows on it always does.
fn worth_a_tile<A: Element>(length: usize) -> usize {
    PARTS.min(2 + length / lanes::<A>(level()))
}

/// Short rows of so many elements, one behind the other, are visited sixteen at a time, side by side in a buffer.
fn sixteen_by_sixteen<A: Element>(slices: RowSlices<'_, A>, length: usize, body: &mut impl RowVisitor<A>) {
    let RowSlices { rows, input, row, keep, kept } = slices;
    let (tile, least) = (PARTS * length, worth_a_tile::<A>(length) * length);
    let mut scratch = Scratch::new(2 * tile);
    let (main, beside) = scratch.split_at_mut(tile);
    let (mut input, mut keep, mut kept) = (input.chunks(tile), keep.chunks_mut(tile), kept.chunks(tile));
    for row in row.chunks_mut(tile) {
        let [input, kept] = [&mut input, &mut kept].map(|tiles| tiles.next().unwrap_or_default());
        let keep = keep.next().unwrap_or_default();
        if row.len() < least {
            one_by_one(RowSlices { rows, input, row, keep, kept }, length, body);
            continue;
        }
        transpose(if input.is_empty() { row } else { input }, length, main, PARTS);
        transpose(kept, length, beside, PARTS);
        let (to_keep, kept) = sides(beside, !keep.is_empty());
        body(RowSlices { rows: Rows::side_by_side(PARTS), input: &[], row: main, keep: to_keep, kept });
        transpose(main, PARTS, row, length);
        transpose(beside, PARTS, keep, length);
    }
}

/// [`RowArrays`] as views.
struct RowViews<'a, A, D> {
    input: Option<ArrayView<'a, A, D>>,
    output: ArrayViewMut<'a, A, D>,
    keep: Option<ArrayViewMut<'a, A, D>>,
    kept: Option<ArrayView<'a, A, D>>,
}

/// Gets one row, or several side by side, and what a kernel needs beside them.
type RowBody<'a, A> = &'a (dyn Fn(RowSlices<'_, A>, &mut Space<A>) + Sync);

/// From how many elements on a row fills the vectors by itself.
const LONG: usize = 48;
/// How many bytes of each array are brought together at a time, unless sixteen rows are more.
const CACHED: usize = 1 << 18;
/// Up to how many rows that stand side by side in memory stay there: each has sixteen partial sums, which take turns in the registers.
const WIDEST: usize = 1 << 13;
/// Up to how many elements rows stand side by side: `f32` counts so far.
const LONGEST: usize = 1 << 24;

/// Does the same with all arrays.
macro_rules! each {
    ($arrays:expr, |$view:ident| $change:expr) => {
        $arrays.map(
            #[allow(unused_mut, reason = "some changes need it")]
            |mut $view| $change,
            #[allow(unused_mut, reason = "some changes need it")]
            |mut $view| $change,
        )
    };
}

/// How rows are visited.
struct Visit<'a, A: Element> {
    /// The number of axes, the last ones, along which the elements of a row lie.
    inner: usize,
    side_by_side: bool,
    /// Whether neighbours [stand side by side](RowViews::stand_side_by_side): there they stay, unless threads part them.
    whole: bool,
    body: RowBody<'a, A>,
}

/// [`RowBody`] with what a kernel needs beside the rows.
trait RowVisitor<A>: FnMut(RowSlices<'_, A>) {}
impl<A, F: FnMut(RowSlices<'_, A>)> RowVisitor<A> for F {}

/// For so many rows side by side at most, or sixteen.
fn spaced<A: Element>(body: RowBody<'_, A>, most: usize) -> impl RowVisitor<A> {
    let mut space = Space::new(most);
    move |slices| body(slices, &mut space)
}

/// Calls `body` for the rows along `axes`: the elements that differ in these axes alone, in the axes' logical order. Rows that are short, or whose neighbours lie
/// closer together in memory than their elements, stand side by side if that is wanted.
pub(crate) fn rows<A: Element>(order: &Order, axes: &[usize], side_by_side: bool, mut arrays: RowArrays<'_, A>, body: RowBody<'_, A>) {
    let (total, ndim) = (arrays.output.len(), arrays.output.ndim());
    if total == 0 {
        return;
    }
    let parts = |length| Parts::new(total, size_of::<A>(), in_one_word(Cost::Transcendental), length);
    // The usual case: what follows takes longer than a small array's rows.
    if let Some(axis) = last_axis(order, axes, ndim) {
        let length = arrays.output.len_of(axis);
        if parts(length).most >= total
            && let Some(slices) = arrays.slices()
        {
            return visit(slices, length, side_by_side, &mut spaced(body, 1));
        }
    }
    let arrays = arrays.views();
    let mut arrangement = IxDyn::zeros(ndim);
    let outer_axes = (0..ndim).map(|position| order.axis(position)).filter(|axis| !axes.contains(axis));
    for (place, axis) in outer_axes.chain(axes.iter().copied()).enumerate() {
        arrangement[place] = axis;
    }
    let mut arrays = each!(arrays, |view| view.permuted_axes(arrangement.clone()));
    let (mut outer, mut inner) = (ndim - axes.len(), axes.len());
    // Always an axis of rows and one of elements.
    if outer == 0 {
        arrays = each!(arrays, |view| view.insert_axis(Axis(0)));
        outer = 1;
    }
    if inner == 0 {
        arrays = each!(arrays, |view| view.insert_axis(Axis(outer)));
        inner = 1;
    }
    arrays = arrays.joined(outer..outer + inner);
    inner = arrays.output.ndim() - outer;
    arrays = arrays.joined(0..outer);
    // Neighbours lie along the last axis of rows, or along the longest if these are few.
    let (last, longest) = (arrays.output.ndim() - inner - 1, arrays.longest(inner));
    let whole = |arrays: &RowViews<'_, A, IxDyn>| side_by_side && inner == 1 && arrays.stand_side_by_side();
    if arrays.output.len_of(Axis(last)) <= PARTS / 2 && !whole(&arrays) {
        arrays = each!(arrays, |view| {
            view.swap_axes(last, longest);
            view
        });
    }
    let (whole, length) = (whole(&arrays), arrays.output.shape()[last + 1..].iter().product());
    arrays.divide(parts(length), &Visit { inner, side_by_side, whole, body });
}

impl<'a, A: Element, D: Dimension> RowViews<'a, A, D> {
    fn map<E>(
        self,
        view: impl Fn(ArrayView<'a, A, D>) -> ArrayView<'a, A, E>,
        view_mut: impl Fn(ArrayViewMut<'a, A, D>) -> ArrayViewMut<'a, A, E>,
    ) -> RowViews<'a, A, E> {
        RowViews { input: self.input.map(&view), output: view_mut(self.output), keep: self.keep.map(&view_mut), kept: self.kept.map(&view) }
    }

    fn all(&self, holds: impl Fn(ArrayView<'_, A, D>) -> bool) -> bool {
        holds(self.output.view()) && self.input.iter().chain(&self.kept).all(|view| holds(view.view())) && self.keep.iter().all(|view| holds(view.view()))
    }

    /// Whether the rows along the last axis stand side by side in memory as a kernel takes them, and are long beside the tables that it needs for them.
    fn stand_side_by_side(&self) -> bool {
        self.all(|view| match (view.shape(), view.strides()) {
            (&[.., rows, length], &[.., 1, step]) => {
                (2..=WIDEST).contains(&rows) && usize::try_from(step) == Ok(rows) && (Rows::side_by_side(rows).tall()..=LONGEST).contains(&length)
            }
            _ => false,
        })
    }

    /// The arrays at one index of the first axis.
    fn at(&mut self, index: usize) -> RowViews<'_, A, D::Smaller>
    where
        D: RemoveAxis,
    {
        let all = RowViews {
            input: self.input.as_ref().map(|view| view.view()),
            output: self.output.view_mut(),
            keep: self.keep.as_mut().map(|view| view.view_mut()),
            kept: self.kept.as_ref().map(|view| view.view()),
        };
        each!(all, |view| view.index_axis_move(Axis(0), index))
    }

    fn split(self, axis: Axis, at: usize) -> (Self, Self) {
        let (output, output_rest) = self.output.split_at(axis, at);
        let (input, input_rest) = self.input.map(|view| view.split_at(axis, at)).unzip();
        let (keep, keep_rest) = self.keep.map(|view| view.split_at(axis, at)).unzip();
        let (kept, kept_rest) = self.kept.map(|view| view.split_at(axis, at)).unzip();
        (Self { input, output, keep, kept }, Self { input: input_rest, output: output_rest, keep: keep_rest, kept: kept_rest })
    }
}

impl<'a, A: Element> RowViews<'a, A, IxDyn> {
    /// Joins those of these axes that lie behind one another in the memory of all arrays.
    fn joined(mut self, axes: Range<usize>) -> Self {
        for axis in (axes.start + 1..axes.end).rev() {
            let (outer, inner) = (Axis(axis - 1), Axis(axis));
            if self.all(|mut view| view.merge_axes(outer, inner)) {
                self = each!(self, |view| {
                    view.merge_axes(outer, inner);
                    view.index_axis_move(outer, 0)
                });
            }
        }
        self
    }

    /// The longest of the axes along which the rows lie, the outermost of several.
    fn longest(&self, inner: usize) -> usize {
        (0..self.output.ndim() - inner).max_by_key(|&axis| (self.output.len_of(Axis(axis)), Reverse(axis))).unwrap_or(0)
    }

    /// Divides the rows between threads, in whole sixteens where there are enough.
    fn divide(self, parts: Parts, visit: &Visit<'_, A>) {
        let (total, ndim) = (self.output.len(), self.output.ndim());
        // To bring neighbours together elsewhere takes twice the time that it takes to work on them where they stand side by side, so two threads do not part them.
        let matrices: usize = self.output.shape()[..ndim - visit.inner - 1].iter().product();
        let together = visit.whole && (parts.threads <= 2 || matrices >= parts.threads);
        let inner = visit.inner + usize::from(together);
        let axis = Axis(self.longest(inner));
        let length = if ndim > inner { self.output.len_of(axis) } else { 1 };
        let rows = (parts.most / (total / length)).max(1);
        let rows = if rows > PARTS / 2 || visit.whole && !together { rows.next_multiple_of(PARTS) } else { rows };
        if total <= parts.most || length <= rows {
            return self.run_with(visit);
        }
        parts.share(cut(length, rows, self, |arrays: Self, at| arrays.split(axis, at)), |(_, arrays)| arrays.run_with(visit));
    }

    fn run_with(self, visit: &Visit<'_, A>) {
        let neighbours = self.output.len_of(Axis(self.output.ndim() - visit.inner - 1));
        self.run(visit, &mut spaced(visit.body, if visit.whole { neighbours } else { 1 }));
    }

    fn run(mut self, visit: &Visit<'_, A>, body: &mut impl RowVisitor<A>) {
        let count = self.output.len_of(Axis(0));
        match (self.output.ndim() - visit.inner, visit.inner) {
            (1, 1) => {
                if let Ok(matrix) = self.of_dimension::<Ix2>() {
                    matrix.run(visit.side_by_side, body);
                }
            }
            // Views of a fixed dimension take less time to make.
            (2, 1) => {
                if let Ok(mut matrices) = self.of_dimension::<Ix3>() {
                    (0..count).for_each(|index| matrices.at(index).run(visit.side_by_side, body));
                }
            }
            (1, _) => (0..count).for_each(|index| self.at(index).assembled(body)),
            _ => (0..count).for_each(|index| self.at(index).run(visit, body)),
        }
    }

    fn of_dimension<E: Dimension>(self) -> Result<RowViews<'a, A, E>, ShapeError> {
        Ok(RowViews {
            input: self.input.map(ArrayBase::into_dimensionality).transpose()?,
            output: self.output.into_dimensionality()?,
            keep: self.keep.map(ArrayBase::into_dimensionality).transpose()?,
            kept: self.kept.map(ArrayBase::into_dimensionality).transpose()?,
        })
    }

    /// One row along axes that do not join, through a buffer.
    fn assembled(mut self, body: &mut impl RowVisitor<A>) {
        let length = self.output.len();
        let mut scratch = Scratch::new(2 * length);
        let (row, beside) = scratch.split_at_mut(length);
        row.iter_mut().zip(self.input.unwrap_or(self.output.view())).for_each(|(to, &from)| *to = from);
        beside.iter_mut().zip(self.kept.iter().flatten()).for_each(|(to, &from)| *to = from);
        let (keep, kept) = sides(beside, self.keep.is_some());
        body(RowSlices { rows: Rows::ONE, input: &[], row, keep, kept });
        self.output.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
        self.keep.iter_mut().flatten().zip(beside).for_each(|(to, from)| *to = *from);
    }
}

/// What to fill or what to read beside the rows.
fn sides<A>(beside: &mut [A], fill: bool) -> (&mut [A], &[A]) {
    if fill { (beside, &[]) } else { (&mut [], beside) }
}

impl<A: Element, D: Dimension> RowViews<'_, A, D> {
    /// One row that is a slice in all arrays, or several side by side.
    fn run_slices(self, rows: Rows, mut body: impl FnMut(RowSlices<'_, A>)) {
        if let Some(row) = self.output.into_slice() {
            let keep = self.keep.and_then(ArrayBase::into_slice).unwrap_or_default();
            let [input, kept] = [self.input, self.kept].map(|view| view.and_then(|view| view.to_slice()).unwrap_or_default());
            body(RowSlices { rows, input, row, keep, kept });
        }
    }
}

impl<A: Element> RowViews<'_, A, Ix2> {
    fn run(self, side_by_side: bool, body: &mut impl RowVisitor<A>) {
        let (count, length) = self.output.dim();
        let side_by_side = side_by_side && length <= LONGEST;
        if side_by_side && self.stand_side_by_side() {
            return each!(self, |view| view.reversed_axes()).run_slices(Rows::side_by_side(count), body);
        }
        if side_by_side && length < LONG && self.all(|view| view.is_standard_layout()) {
            return self.run_slices(Rows::ONE, |slices| sixteen_by_sixteen(slices, length, body));
        }
        let rest = if side_by_side && (length < LONG || self.all(|view| neighbours_near(&view)) || !self.all(|view| copied_fast(&view))) {
            self.by_sixteens(body)
        } else {
            self
        };
        rest.one_after_another(body);
    }

    /// Sixteen rows, or many times sixteen, are brought together side by side in a buffer. What is too little to be worth it is given back.
    fn by_sixteens(self, body: &mut impl RowVisitor<A>) -> Self {
        let (mut count, length) = self.output.dim();
        let (group, least) = (PARTS * length, worth_a_tile::<A>(length));
        let groups = (CACHED / (size_of::<A>() * group)).clamp(1, count.div_ceil(PARTS));
        if count < least {
            return self;
        }
        let mut scratch = Scratch::new((2 * groups + 1) * group);
        let (rows, scratch) = scratch.split_at_mut(group);
        let (main, beside) = scratch.split_at_mut(groups * group);
        let mut rest = self;
        while count >= least {
            let here = if count < PARTS { count } else { PARTS * groups.min(count / PARTS) };
            let (mut part, behind) = rest.split(Axis(0), here);
            gather(&part.input.unwrap_or(part.output.view()), rows, main);
            if let Some(kept) = part.kept {
                gather(&kept, rows, beside);
            }
            for (row, beside) in main.chunks_mut(group).zip(beside.chunks_mut(group)).take(here.div_ceil(PARTS)) {
                let (keep, kept) = sides(beside, part.keep.is_some());
                body(RowSlices { rows: Rows::side_by_side(PARTS), input: &[], row, keep, kept });
            }
            scatter(main, rows, &mut part.output);
            if let Some(keep) = &mut part.keep {
                scatter(beside, rows, keep);
            }
            (rest, count) = (behind, count - here);
        }
        rest
    }

    /// Each row by itself. Where rows are no slices, many at a time go through a buffer.
    fn one_after_another(self, body: &mut impl RowVisitor<A>) {
        let (mut count, length) = self.output.dim();
        if self.all(|view| are_slices(&view)) {
            return self.through(&mut [], &mut [], 0, body);
        }
        // Rows at distances that are powers of two would fall on the same lines of the cache.
        let distance = length.next_multiple_of(PARTS) + PARTS;
        let across = !self.all(|view| !across(view.shape(), view.strides()));
        let most = if across { rows_across(distance, PARTS) } else { CACHED / (size_of::<A>() * distance) }.max(1).min(count);
        let mut scratch = Scratch::new(2 * most * distance);
        let (main, beside) = scratch.split_at_mut(most * distance);
        let mut rest = self;
        while count > 0 {
            let here = count.min(most);
            let (part, behind) = rest.split(Axis(0), here);
            part.through(main, beside, distance, body);
            (rest, count) = (behind, count - here);
        }
    }

    /// Each row by itself, with room for all rows of those arrays in which they are no slices.
    fn through(self, main: &mut [A], beside: &mut [A], distance: usize, body: &mut impl RowVisitor<A>) {
        let Self { input, mut output, mut keep, kept } = self;
        let (count, length) = output.dim();
        let bring = |view: ArrayView2<'_, A>, buffer: &mut [A]| {
            if !are_slices(&view) {
                fetch(&view, buffer, distance);
            }
        };
        bring(input.as_ref().map_or(output.view(), |input| input.view()), main);
        if let Some(kept) = &kept {
            bring(kept.view(), beside);
        }
        for index in 0..count {
            let place = index * distance..index * distance + length;
            let (input, row) = match (output.index_axis_mut(Axis(0), index).into_slice(), &input) {
                (Some(row), Some(input)) => (slice(input, index).unwrap_or_else(|| &main[place.clone()]), row),
                (Some(row), None) => (&[][..], row),
                (None, input) => (input.as_ref().and_then(|input| slice(input, index)).unwrap_or_default(), &mut main[place.clone()]),
            };
            let (keep, kept) = match (&mut keep, &kept) {
                (Some(keep), _) => (keep.index_axis_mut(Axis(0), index).into_slice().unwrap_or_else(|| &mut beside[place]), &[][..]),
                (None, Some(kept)) => (&mut [][..], slice(kept, index).unwrap_or_else(|| &beside[place])),
                (None, None) => Default::default(),
            };
            body(RowSlices { rows: Rows::ONE, input, row, keep, kept });
        }
        let back = |buffer: &[A], view: ArrayViewMut2<'_, A>| {
            if !are_slices(&view) {
                put(buffer, distance, view);
            }
        };
        back(main, output);
        if let Some(keep) = keep {
            back(beside, keep);
        }
    }
}

/// Whether each row of a view is a slice.
fn are_slices<A>(view: &ArrayRef<A, Ix2>) -> bool {
    view.ncols() == 1 || view.strides()[1] == 1
}

/// Whether neighbours lie closer together than a row's elements.
fn neighbours_near<A>(view: &ArrayRef<A, Ix2>) -> bool {
    let [neighbour, element] = [view.strides()[0], view.strides()[1]].map(isize::unsigned_abs);
    neighbour < element
}

/// Whether the elements of rows stand near one another, or neighbours one behind the other: then it takes less time to [copy](fetch) rows as rows.
fn copied_fast<A>(view: &ArrayRef<A, Ix2>) -> bool {
    view.strides()[0] == 1 || view.strides()[1].unsigned_abs() <= PARTS
}

/// A row, if it is one.
fn slice<'a, A>(view: &'a ArrayView2<'_, A>, row: usize) -> Option<&'a [A]> {
    view.index_axis(Axis(0), row).to_slice()
}

/// Copies rows, sixteen side by side, one group behind the other: line by line where neighbours lie close together in memory too, else as rows at first.
fn gather<A: Element>(from: &ArrayView2<'_, A>, rows: &mut [A], buffer: &mut [A]) {
    let length = from.ncols();
    let group = PARTS * length;
    if !neighbours_near(from) {
        for (from, to) in from.axis_chunks_iter(Axis(0), PARTS).zip(buffer.chunks_mut(group)) {
            fetch(&from, rows, length);
            transpose(&rows[..from.len()], length, to, PARTS);
        }
        return;
    }
    for (from, line) in from.columns().into_iter().zip((0..).step_by(PARTS)) {
        let mut places = buffer[line..].chunks_mut(group).map(|group| &mut group[..PARTS]);
        if let Some(from) = from.to_slice() {
            let (lines, rest) = from.as_chunks::<PARTS>();
            lines.iter().zip(&mut places).for_each(|(from, to)| to.copy_from_slice(from));
            if let Some(to) = places.next() {
                to[..rest.len()].copy_from_slice(rest);
            }
            continue;
        }
        for (place, to) in (0..).step_by(PARTS).zip(places) {
            to.iter_mut().zip(place..from.len()).for_each(|(to, place)| *to = from[place]);
        }
    }
}

/// The way back.
fn scatter<A: Element>(buffer: &[A], rows: &mut [A], to: &mut ArrayViewMut2<'_, A>) {
    let length = to.ncols();
    let group = PARTS * length;
    if !neighbours_near(to) {
        for (to, from) in to.axis_chunks_iter_mut(Axis(0), PARTS).zip(buffer.chunks(group)) {
            transpose(&from[..group], PARTS, rows, length);
            put(rows, length, to);
        }
        return;
    }
    for (mut to, line) in to.columns_mut().into_iter().zip((0..).step_by(PARTS)) {
        let mut places = buffer[line..].chunks(group).map(|group| &group[..PARTS]);
        if let Some(to) = to.as_slice_mut() {
            let (lines, rest) = to.as_chunks_mut::<PARTS>();
            lines.iter_mut().zip(&mut places).for_each(|(to, from)| to.copy_from_slice(from));
            if let Some(from) = places.next() {
                rest.copy_from_slice(&from[..rest.len()]);
            }
            continue;
        }
        for (place, from) in (0..).step_by(PARTS).zip(places) {
            from.iter().zip(place..to.len()).for_each(|(from, place)| to[place] = *from);
        }
    }
}

/// Makes columns of rows, four rows at a time. The rows lie one behind the other, the columns at a distance; there may be places for fewer of them.
fn transpose<A: Copy>(rows: &[A], length: usize, columns: &mut [A], distance: usize) {
    let mut blocks = rows.chunks_exact(4 * length);
    let mut done = 0;
    for rows in &mut blocks {
        let (front, back) = rows.split_at(2 * length);
        let ((a, b), (c, d)) = (front.split_at(length), back.split_at(length));
        let mut place = done;
        for (((&a, &b), &c), &d) in a.iter().zip(b).zip(c).zip(d) {
            let Some(four) = columns.get_mut(place..place + 4) else { break };
            four.copy_from_slice(&[a, b, c, d]);
            place += distance;
        }
        done += 4;
    }
    for (row, numbers) in blocks.remainder().chunks_exact(length).enumerate() {
        columns.iter_mut().skip(done + row).step_by(distance).zip(numbers).for_each(|(to, &x)| *to = x);
    }
}
