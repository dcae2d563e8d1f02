//! Arrays of any layout as slices, and slices over threads: the only code that knows strides or threads.

use ndarray::{ArrayD, ArrayRefD, ArrayView2, ArrayViewD, ArrayViewMut2, ArrayViewMutD, Axis, Dimension, ErrorKind, Ix2, IxDyn, ShapeError, Slice};

use crate::{element::Element, kernel::WORD, pointwise::Cost};

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
        axes.slice_mut().sort_by_key(|&axis| std::cmp::Reverse(if view.len_of(Axis(axis)) > 1 { strides[axis].unsigned_abs() } else { 0 }));
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
        match self.layout(shape) {
            None => ArrayD::zeros(shape),
            Some((lengths, places)) => ArrayD::zeros(lengths).permuted_axes(places),
        }
    }

    /// An array of this shape that owns these values, which lie in this order.
    fn array<A: Element>(&self, shape: &[usize], values: Vec<A>) -> ArrayD<A> {
        let array = match self.layout(shape) {
            None => ArrayD::from_shape_vec(shape, values),
            Some((lengths, places)) => ArrayD::from_shape_vec(lengths, values).map(|array| array.permuted_axes(places)),
        };
        array.unwrap_or_else(|_| unreachable!("there are as many values as the shape says"))
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

/// What goes beside the elements, cut where they are cut.
pub(crate) trait Split: Send + Sized {
    /// The parts before and after the element `at`: a multiple of [`WORD`], or the end.
    fn split(self, at: usize) -> (Self, Self);
}

impl Split for () {
    fn split(self, _at: usize) -> (Self, Self) {
        ((), ())
    }
}

impl<T: Sync> Split for &[T] {
    fn split(self, at: usize) -> (Self, Self) {
        self.split_at(at)
    }
}

impl<T: Send> Split for &mut [T] {
    fn split(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
}

impl<K: Split> Split for Option<K> {
    fn split(self, at: usize) -> (Self, Self) {
        self.map(|keep| keep.split(at)).unzip()
    }
}

impl<J: Split, K: Split> Split for (J, K) {
    fn split(self, at: usize) -> (Self, Self) {
        let ((first, first_rest), (second, second_rest)) = (self.0.split(at), self.1.split(at));
        ((first, second), (first_rest, second_rest))
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

/// From how many elements on threads pay, by cost. The parts that threads get have about a quarter as many, or more.
fn worth_threads(cost: Cost) -> usize {
    match cost {
        Cost::Memory => 1 << 20,
        Cost::Arithmetic => 1 << 18,
        Cost::Transcendental => 1 << 16,
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
    let parts = Parts::new(output.len(), cost, unit);
    if order.0.is_none()
        && let Some((source, output)) = standard(input, output)
    {
        return spread(source, output, keep, parts, body);
    }
    pass_views(parts, order, input, output, keep, body);
}

/// [`pass`] in the order in which the input lies, or what is worked on in place.
pub(crate) fn pass_along<A: Element, K: Split>(cost: Cost, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>, keep: K, body: Body<'_, A, K>) {
    let parts = Parts::new(output.len(), cost, WORD);
    match standard(input, output) {
        Some((source, output)) => spread(source, output, keep, parts, body),
        None => pass_views(parts, &Order::of_either(input, output), input, output, keep, body),
    }
}

/// Arrays in standard layout as slices: the usual case, tried before any view is made. Views of a dynamic dimension are large; for a small array, making and
/// moving them is more work than an activation.
fn standard<'a, A>(input: Option<&'a ArrayRefD<A>>, output: &'a mut ArrayRefD<A>) -> Option<(Source<'a, A>, &'a mut [A])> {
    let source = match input {
        None => Source::InPlace,
        Some(input) => Source::Slice(input.as_slice()?),
    };
    Some((source, output.as_slice_mut()?))
}

fn pass_views<A: Element, K: Split>(parts: Parts, order: &Order, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>, keep: K, body: Body<'_, A, K>) {
    let reader = input.map(|input| Reader::new(order, input.view()));
    let source = reader.as_ref().map_or(Source::InPlace, Reader::source);
    let mut output = order.view_mut(output.view_mut());
    match output.as_slice_mut() {
        Some(slice) => spread(source, slice, keep, parts, body),
        None => spread_view(source, flattened_mut(output), keep, parts, body),
    }
}

/// How much of a new array is made at a time. From 4 KiB on, zeroing takes another way through the CPU, which was measured 30 % slower.
const FRESH_BYTES: usize = 2048;

/// [`pass`] into a new array that lies in this order.
///
/// Without `unsafe` its elements are zeroed before they are computed: piece by piece, so that the zeros never leave the nearest cache.
pub(crate) fn fresh<A: Element, K: Split>(order: &Order, cost: Cost, input: &ArrayRefD<A>, mut keep: K, body: Body<'_, A, K>) -> ArrayD<A> {
    let total = input.len();
    let reader = match input.as_slice() {
        Some(slice) if order.0.is_none() => Reader::Slice(slice),
        _ => Reader::new(order, input.view()),
    };
    match reader {
        Reader::Slice(slice) if Parts::new(total, cost, WORD).most >= total => {
            let mut values = Vec::with_capacity(total);
            for part in slice.chunks(FRESH_BYTES / size_of::<A>()) {
                let start = values.len();
                values.resize(start + part.len(), A::zero());
                let (head, tail) = keep.split(part.len());
                body(Some(part), &mut values[start..], head);
                keep = tail;
            }
            order.array(input.shape(), values)
        }
        _ => {
            let mut output = order.zeros(input.shape());
            pass(order, cost, Some(input), &mut output, keep, body);
            output
        }
    }
}

/// An array that is read in some order, from any element on.
pub(crate) enum Reader<'a, A> {
    Slice(&'a [A]),
    View(Strided<ArrayViewD<'a, A>>),
}

impl<'a, A: Element> Reader<'a, A> {
    pub(crate) fn new(order: &Order, view: ArrayViewD<'a, A>) -> Self {
        let view = order.view(view);
        match view.to_slice() {
            Some(slice) => Self::Slice(slice),
            None => Self::View(Strided(flattened(view))),
        }
    }

    pub(crate) fn source(&self) -> Source<'_, A> {
        match self {
            Self::Slice(slice) => Source::Slice(slice),
            Self::View(view) => Source::View(view, 0),
        }
    }
}

/// Where a pass reads.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a, A> {
    InPlace,
    Slice(&'a [A]),
    /// A view, from this element on.
    View(&'a Strided<ArrayViewD<'a, A>>, usize),
}

impl<'a, A: Element> Source<'a, A> {
    pub(crate) fn from(self, start: usize) -> Self {
        match self {
            Self::InPlace => Self::InPlace,
            Self::Slice(slice) => Self::Slice(&slice[start..]),
            Self::View(view, before) => Self::View(view, before + start),
        }
    }

    /// The first elements: a slice of the array itself or of the buffer, `None` in place.
    pub(crate) fn take<'b>(self, count: usize, buffer: &'b mut [A]) -> Option<&'b [A]>
    where
        'a: 'b,
    {
        match self {
            Self::InPlace => None,
            Self::Slice(slice) => Some(&slice[..count]),
            Self::View(view, start) => {
                view.read(start, &mut buffer[..count]);
                Some(&buffer[..count])
            }
        }
    }
}

impl<A: Element> Split for Source<'_, A> {
    fn split(self, at: usize) -> (Self, Self) {
        (self, self.from(at))
    }
}

type Body<'a, A, K> = &'a (dyn Fn(Option<&[A]>, &mut [A], K) + Sync);

/// How work is cut for threads.
#[derive(Clone, Copy)]
struct Parts {
    /// The most elements of a part.
    most: usize,
    /// Cuts lie at multiples of this.
    unit: usize,
}

impl Parts {
    fn new(total: usize, cost: Cost, unit: usize) -> Self {
        let worth = worth_threads(cost);
        let threads = if total < worth { 1 } else { threads() };
        // Two parts a thread, so that one that is late does not keep the others waiting for long.
        let most = if threads == 1 { total } else { (total / (2 * threads)).max(worth / 4).max(unit) };
        Self { most, unit }
    }
}

#[cfg(feature = "rayon")]
use rayon::{current_num_threads as threads, join};

#[cfg(not(feature = "rayon"))]
fn threads() -> usize {
    1
}

#[cfg(not(feature = "rayon"))]
fn join(left: impl FnOnce(), right: impl FnOnce()) {
    left();
    right();
}

fn spread<A: Element, K: Split>(source: Source<'_, A>, output: &mut [A], keep: K, parts: Parts, body: Body<'_, A, K>) {
    if output.len() <= parts.most {
        return gathered(source, output, keep, body);
    }
    let middle = (output.len() / 2).next_multiple_of(parts.unit);
    if middle >= output.len() {
        return gathered(source, output, keep, body);
    }
    let (left, right) = output.split_at_mut(middle);
    let (keep_left, keep_right) = keep.split(middle);
    join(|| spread(source, left, keep_left, parts, body), || spread(source.from(middle), right, keep_right, parts, body));
}

/// [`spread`] for an output that is not contiguous, flattened: cut along its first axis, where a cut lies at a multiple of the unit.
fn spread_view<A: Element, K: Split>(source: Source<'_, A>, output: ArrayViewMutD<'_, A>, keep: K, parts: Parts, body: Body<'_, A, K>) {
    let axis = output.shape().iter().position(|&length| length > 1).unwrap_or(0);
    let length = output.len_of(Axis(axis));
    let row = output.len() / length.max(1);
    let middle = (length / 2).next_multiple_of(parts.unit / common_divisor(parts.unit, row));
    if output.len() <= parts.most || middle >= length {
        return scattered(source, output, keep, body);
    }
    let (left, right) = output.split_at(Axis(axis), middle);
    let (keep_left, keep_right) = keep.split(middle * row);
    join(|| spread_view(source, left, keep_left, parts, body), || spread_view(source.from(middle * row), right, keep_right, parts, body));
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Into a slice.
fn gathered<A: Element, K: Split>(source: Source<'_, A>, output: &mut [A], mut keep: K, body: Body<'_, A, K>) {
    match source {
        Source::InPlace => body(None, output, keep),
        Source::Slice(slice) => body(Some(&slice[..output.len()]), output, keep),
        Source::View(view, first) => {
            let block = block(&view.0).min(output.len());
            A::with_scratch(block, |buffer| {
                let mut start = first;
                for part in output.chunks_mut(block.max(1)) {
                    let (head, tail) = keep.split(part.len());
                    let buffer = &mut buffer[..part.len()];
                    view.read(start, buffer);
                    body(Some(buffer), part, head);
                    keep = tail;
                    start += part.len();
                }
            });
        }
    }
}

/// Into a view that is not contiguous, flattened.
fn scattered<A: Element, K: Split>(source: Source<'_, A>, output: ArrayViewMutD<'_, A>, mut keep: K, body: Body<'_, A, K>) {
    let total = output.len();
    let block = match source {
        Source::View(view, _) => block(&view.0).max(block(&output)),
        _ => block(&output),
    };
    let block = block.min(total);
    let mut output = Strided(output);
    A::with_scratch(2 * block, |scratch| {
        let (buffer, result) = scratch.split_at_mut(block);
        for start in (0..total).step_by(block.max(1)) {
            let count = block.min(total - start);
            let result = &mut result[..count];
            if matches!(source, Source::InPlace) {
                Strided(output.0.view()).read(start, result);
            }
            let (head, tail) = keep.split(count);
            body(source.from(start).take(count, buffer), result, head);
            keep = tail;
            output.write(start, result);
        }
    });
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

    /// Calls `run` for each piece of the elements `start..start + count` along which the parameter takes even steps: the range within the piece asked for,
    /// the parameter's first index, and the step.
    #[inline(always)]
    pub(crate) fn visit(&self, start: usize, count: usize, mut run: impl FnMut(std::ops::Range<usize>, usize, usize)) {
        let last = self.lengths.ndim() - 1;
        let (length, step) = (self.lengths[last], self.steps[last]);
        let mut done = 0;
        while done < count {
            let position = start + done;
            let (mut rest, column) = (position / length, position % length);
            let mut first = column * step;
            for axis in (0..last).rev() {
                first += rest % self.lengths[axis] * self.steps[axis];
                rest /= self.lengths[axis];
            }
            let end = count.min(done + length - column);
            run(done..end, first, step);
            done = end;
        }
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

/// Visits a plane from one of its elements on, as far as `buffer` reaches: `$visit` gets a part of a row, or whole rows, and the part of the buffer for it.
macro_rules! pieces {
    ($plane:expr, $offset:expr, $buffer:expr, $view:ident, |$piece:ident, $part:ident| $visit:expr) => {{
        let columns = $plane.ncols();
        let (mut row, mut column, mut done) = ($offset / columns, $offset % columns, 0);
        while done < $buffer.len() && row < $plane.nrows() {
            let rest = $buffer.len() - done;
            let (rows, count) =
                if column == 0 && rest >= columns { ((rest / columns).min($plane.nrows() - row), columns) } else { (1, rest.min(columns - column)) };
            let $part = &mut $buffer[done..done + rows * count];
            let $piece = $plane.$view().split_at(Axis(0), row).1.split_at(Axis(0), rows).0.split_at(Axis(1), column).1.split_at(Axis(1), count).0;
            $visit;
            (row, column, done) = (row + rows, 0, done + rows * count);
        }
        done
    }};
}

impl<A: Element> Strided<ArrayViewD<'_, A>> {
    /// The elements from `start` on, as many as `buffer` holds.
    fn read(&self, start: usize, buffer: &mut [A]) {
        let mut done = 0;
        while done < buffer.len() {
            let (indices, offset) = locate(self.0.shape(), start + done);
            let plane = indices.fold(self.0.view(), |view, index| view.index_axis_move(Axis(0), index));
            let Ok(plane) = plane.into_dimensionality::<Ix2>() else { return };
            let plane: ArrayView2<'_, A> = plane;
            let rest = &mut buffer[done..];
            done += pieces!(plane, offset, rest, view, |piece, part| {
                let columns = piece.ncols();
                if across(piece.shape(), piece.strides()) {
                    for (rows, part) in piece.axis_chunks_iter(Axis(0), NEIGHBOURS).zip(part.chunks_mut(NEIGHBOURS * columns)) {
                        gather(&rows.into_dyn(), part, columns);
                    }
                } else if let Ok(part) = ArrayViewMut2::from_shape(piece.dim(), part) {
                    assign(part, &piece);
                }
            });
        }
    }
}

impl<A: Element> Strided<ArrayViewMutD<'_, A>> {
    /// Replaces the elements from `start` on.
    fn write(&mut self, start: usize, buffer: &mut [A]) {
        let shape = IxDyn(self.0.shape());
        let mut done = 0;
        while done < buffer.len() {
            let (indices, offset) = locate(shape.slice(), start + done);
            let plane = indices.fold(self.0.view_mut(), |view, index| view.index_axis_move(Axis(0), index));
            let Ok(plane) = plane.into_dimensionality::<Ix2>() else { return };
            let mut plane: ArrayViewMut2<'_, A> = plane;
            let rest = &mut buffer[done..];
            done += pieces!(plane, offset, rest, view_mut, |piece, part| {
                let columns = piece.ncols();
                let mut piece = piece;
                if across(piece.shape(), piece.strides()) {
                    for (rows, part) in piece.axis_chunks_iter_mut(Axis(0), NEIGHBOURS).zip(part.chunks(NEIGHBOURS * columns)) {
                        scatter(rows.into_dyn(), part, columns);
                    }
                } else if let Ok(part) = ArrayView2::from_shape(piece.dim(), part) {
                    assign(piece, &part);
                }
            });
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

/// Whether neighbours in the last axis but one lie closer together than those in the last. Then rows go by tiles, several at a time, unless they are shorter
/// than a tile.
fn across(shape: &[usize], strides: &[isize]) -> bool {
    match (shape, strides) {
        ([.., rows, columns], [.., down, along]) => *rows > 1 && *columns >= TILE && down.unsigned_abs() < along.unsigned_abs(),
        _ => false,
    }
}

/// How many elements of a view pass through a buffer at a time: a multiple of [`WORD`], and whole rows in numbers that make full tiles where it lies across.
fn block<A>(view: &ArrayRefD<A>) -> usize {
    const USUAL: usize = 2048;
    /// The largest buffer.
    const MOST: usize = 1 << 20;
    let columns = view.shape().last().copied().unwrap_or(1).max(1);
    let rows = NEIGHBOURS.max(WORD / common_divisor(WORD, columns));
    if across(view.shape(), view.strides()) && columns <= MOST / rows { USUAL.next_multiple_of(columns * rows) } else { USUAL }
}

/// An array that goes beside another row by row.
pub(crate) enum Beside<'a, A> {
    Nothing,
    /// Filled by the body.
    Fill(ArrayViewMutD<'a, A>),
    /// Read by it.
    Read(ArrayViewD<'a, A>),
}

/// One row of a [`Beside`].
pub(crate) enum RowBeside<'a, A> {
    Nothing,
    Fill(&'a mut [A]),
    Read(&'a [A]),
}

type RowBody<'a, A> = &'a (dyn Fn(&mut [A], RowBeside<'_, A>) + Sync);

/// From how many elements on the rows of an array are spread over threads.
#[cfg(feature = "rayon")]
const ROWS_WORTH_THREADS: usize = 1 << 15;
/// How many neighbouring rows are brought together where they do not lie one behind the other.
const NEIGHBOURS: usize = 16;

/// Calls `body` for each row of `array` along `axes`: the elements that differ in these axes alone, in the axes' logical order. The row is replaced by what
/// the body leaves in it. The shapes of `array` and `beside` agree.
pub(crate) fn rows<A: Element>(order: &Order, axes: &[usize], array: ArrayViewMutD<'_, A>, beside: Beside<'_, A>, body: RowBody<'_, A>) {
    if array.is_empty() {
        return;
    }
    let ndim = array.ndim();
    let mut arrangement = IxDyn::zeros(ndim);
    let outer_axes = (0..ndim).map(|position| order.axis(position)).filter(|axis| !axes.contains(axis));
    for (place, axis) in outer_axes.chain(axes.iter().copied()).enumerate() {
        arrangement[place] = axis;
    }
    let array = array.permuted_axes(arrangement.clone());
    let beside = match beside {
        Beside::Nothing => Beside::Nothing,
        Beside::Fill(view) => Beside::Fill(view.permuted_axes(arrangement)),
        Beside::Read(view) => Beside::Read(view.permuted_axes(arrangement)),
    };
    let outer = ndim - axes.len();
    let length = array.shape()[outer..].iter().product();
    spread_rows(Job { array, beside }, outer, length, body);
}

struct Job<'a, A> {
    array: ArrayViewMutD<'a, A>,
    beside: Beside<'a, A>,
}

impl<A: Element> Job<'_, A> {
    /// Divides the rows between threads along the longest of the outer axes.
    #[cfg(feature = "rayon")]
    fn divide(self, outer: usize, length: usize, grain: usize, body: RowBody<'_, A>) {
        let axis = (0..outer).max_by_key(|&axis| (self.array.len_of(Axis(axis)), std::cmp::Reverse(axis)));
        match axis {
            Some(axis) if self.array.len() > grain && self.array.len_of(Axis(axis)) > 1 => {
                let middle = self.array.len_of(Axis(axis)).div_ceil(2);
                let (left, right) = self.array.split_at(Axis(axis), middle);
                let (beside_left, beside_right) = match self.beside {
                    Beside::Nothing => (Beside::Nothing, Beside::Nothing),
                    Beside::Fill(view) => {
                        let (left, right) = view.split_at(Axis(axis), middle);
                        (Beside::Fill(left), Beside::Fill(right))
                    }
                    Beside::Read(view) => {
                        let (left, right) = view.split_at(Axis(axis), middle);
                        (Beside::Read(left), Beside::Read(right))
                    }
                };
                join(
                    || Job { array: left, beside: beside_left }.divide(outer, length, grain, body),
                    || Job { array: right, beside: beside_right }.divide(outer, length, grain, body),
                );
            }
            _ => self.run(outer, length, body),
        }
    }

    fn run(mut self, outer: usize, length: usize, body: RowBody<'_, A>) {
        // Rows one behind the other in all arrays.
        let slices = match &mut self.beside {
            Beside::Nothing => self.array.as_slice_mut().map(|array| (array, RowBeside::Nothing)),
            Beside::Fill(view) => self.array.as_slice_mut().zip(view.as_slice_mut()).map(|(array, beside)| (array, RowBeside::Fill(beside))),
            Beside::Read(view) => self.array.as_slice_mut().zip(view.as_slice()).map(|(array, beside)| (array, RowBeside::Read(beside))),
        };
        match slices {
            Some((array, RowBeside::Nothing)) => array.chunks_exact_mut(length).for_each(|row| body(row, RowBeside::Nothing)),
            Some((array, RowBeside::Fill(beside))) => {
                array.chunks_exact_mut(length).zip(beside.chunks_exact_mut(length)).for_each(|(row, beside)| body(row, RowBeside::Fill(beside)));
            }
            Some((array, RowBeside::Read(beside))) => {
                array.chunks_exact_mut(length).zip(beside.chunks_exact(length)).for_each(|(row, beside)| body(row, RowBeside::Read(beside)));
            }
            None => self.descend(outer, length, body),
        }
    }

    /// Goes through the outer axes but the last, and brings rows together along that one.
    fn descend(mut self, outer: usize, length: usize, body: RowBody<'_, A>) {
        if outer > 1 {
            for index in 0..self.array.len_of(Axis(0)) {
                let beside = match &mut self.beside {
                    Beside::Nothing => Beside::Nothing,
                    Beside::Fill(view) => Beside::Fill(view.index_axis_mut(Axis(0), index)),
                    Beside::Read(view) => Beside::Read(view.index_axis(Axis(0), index)),
                };
                Job { array: self.array.index_axis_mut(Axis(0), index), beside }.descend(outer - 1, length, body);
            }
            return;
        }
        let Self { mut array, mut beside } = self;
        if outer == 0 {
            array = array.insert_axis(Axis(0));
            beside = match beside {
                Beside::Nothing => Beside::Nothing,
                Beside::Fill(view) => Beside::Fill(view.insert_axis(Axis(0))),
                Beside::Read(view) => Beside::Read(view.insert_axis(Axis(0))),
            };
        }
        let total = array.len_of(Axis(0));
        // Rows at distances that are powers of two would fall on the same lines of the cache.
        let stride = length.next_multiple_of(TILE) + TILE;
        let size = NEIGHBOURS.min(total) * stride;
        A::with_scratch(2 * size, |scratch| {
            let (main, other) = scratch.split_at_mut(size);
            for start in (0..total).step_by(NEIGHBOURS) {
                let end = total.min(start + NEIGHBOURS);
                let here = Slice::from(start..end);
                let (main, other) = (&mut main[..(end - start) * stride], &mut other[..(end - start) * stride]);
                gather(&array.slice_axis(Axis(0), here), main, stride);
                let both = main.chunks_exact_mut(stride).zip(other.chunks_exact_mut(stride)).map(|(row, beside)| (&mut row[..length], &mut beside[..length]));
                match &mut beside {
                    Beside::Nothing => both.for_each(|(row, _)| body(row, RowBeside::Nothing)),
                    Beside::Fill(view) => {
                        both.for_each(|(row, beside)| body(row, RowBeside::Fill(beside)));
                        scatter(view.slice_axis_mut(Axis(0), here), other, stride);
                    }
                    Beside::Read(view) => {
                        gather(&view.slice_axis(Axis(0), here), other, stride);
                        let both = main.chunks_exact_mut(stride).zip(other.chunks_exact(stride));
                        both.for_each(|(row, beside)| body(&mut row[..length], RowBeside::Read(&beside[..length])));
                    }
                }
                scatter(array.slice_axis_mut(Axis(0), here), main, stride);
            }
        });
    }
}

#[cfg(feature = "rayon")]
fn spread_rows<A: Element>(job: Job<'_, A>, outer: usize, length: usize, body: RowBody<'_, A>) {
    let total = job.array.len();
    if total < ROWS_WORTH_THREADS || total == length || rayon::current_num_threads() == 1 {
        return job.run(outer, length, body);
    }
    let grain = (total / (2 * rayon::current_num_threads())).max(ROWS_WORTH_THREADS / 4);
    job.divide(outer, length, grain, body);
}

#[cfg(not(feature = "rayon"))]
fn spread_rows<A: Element>(job: Job<'_, A>, outer: usize, length: usize, body: RowBody<'_, A>) {
    job.run(outer, length, body);
}

/// How many elements of each row are brought together at a time.
const TILE: usize = 16;

/// Copies rows, each over the axes after the first, to places `stride` apart: tile by tile, so that each line of memory is met once.
fn gather<A: Element>(array: &ArrayViewD<'_, A>, rows: &mut [A], stride: usize) {
    match flat(array) {
        Some(array) => {
            for (tile, part) in array.axis_chunks_iter(Axis(1), TILE).enumerate() {
                let mut block = [[A::zero(); NEIGHBOURS]; TILE];
                for (line, column) in block.iter_mut().zip(part.columns()) {
                    line.iter_mut().zip(column).for_each(|(place, &x)| *place = x);
                }
                for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
                    row[tile * TILE..].iter_mut().zip(&block).for_each(|(place, line)| *place = line[i]);
                }
            }
        }
        None => {
            for (row, array) in rows.chunks_exact_mut(stride).zip(array.outer_iter()) {
                row.iter_mut().zip(array).for_each(|(place, &x)| *place = x);
            }
        }
    }
}

/// The way back.
fn scatter<A: Element>(mut array: ArrayViewMutD<'_, A>, rows: &[A], stride: usize) {
    if flat(&array.view()).is_some()
        && let Ok(mut array) = array.view_mut().into_dimensionality::<Ix2>()
    {
        for (tile, mut part) in array.axis_chunks_iter_mut(Axis(1), TILE).enumerate() {
            let mut block = [[A::zero(); NEIGHBOURS]; TILE];
            for (i, row) in rows.chunks_exact(stride).enumerate() {
                block.iter_mut().zip(&row[tile * TILE..]).for_each(|(line, &x)| line[i] = x);
            }
            for (line, column) in block.iter().zip(part.columns_mut()) {
                column.into_iter().zip(line).for_each(|(place, &x)| *place = x);
            }
        }
        return;
    }
    for (row, array) in rows.chunks_exact(stride).zip(array.outer_iter_mut()) {
        array.into_iter().zip(row).for_each(|(place, &x)| *place = x);
    }
}

/// The rows as a matrix, where they are along one axis and neighbours lie closer together than the elements of a row.
fn flat<'a, A>(array: &ArrayViewD<'a, A>) -> Option<ArrayView2<'a, A>> {
    let array = array.clone().into_dimensionality::<Ix2>().ok()?;
    (array.strides()[0].unsigned_abs() < array.strides()[1].unsigned_abs()).then_some(array)
}
