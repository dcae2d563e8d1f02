//! Arrays of any layout as slices, and slices over threads: the only code that knows strides or threads.

use ndarray::{ArrayD, ArrayView2, ArrayViewD, ArrayViewMut2, ArrayViewMutD, Axis, Dimension, Ix2, IxDyn};

use crate::{element::Element, kernel::WORD, pointwise::Cost};

/// How many elements of a view that is not contiguous pass through the stack at a time.
const BLOCK: usize = 512;

/// An order in which the elements of an array are visited: the axes from the outermost to the innermost. Empty for the logical order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Order(Vec<usize>);

impl Order {
    /// The order in which the elements of `view` lie in memory, as far as axes go: reversed axes are visited forwards.
    pub(crate) fn of<A>(view: &ArrayViewD<'_, A>) -> Self {
        let mut order = Self::default();
        order.set(view);
        order
    }

    /// [`of`](Self::of), without allocating where there was room before.
    pub(crate) fn set<A>(&mut self, view: &ArrayViewD<'_, A>) {
        self.0.clear();
        if view.as_slice().is_some() {
            return;
        }
        let strides = view.strides();
        self.0.extend(0..strides.len());
        // A stable sort, so that axes of length 1 and broadcast axes stay where they are among equals.
        self.0.sort_by_key(|&axis| std::cmp::Reverse(if view.len_of(Axis(axis)) > 1 { strides[axis].unsigned_abs() } else { 0 }));
        if self.0.is_sorted() {
            self.0.clear();
        }
    }

    /// The order of the input, or of the values worked on in place.
    pub(crate) fn of_either<A>(input: Option<&ArrayViewD<'_, A>>, output: &ArrayViewMutD<'_, A>) -> Self {
        match input {
            Some(view) => Self::of(view),
            None => Self::of(&output.view()),
        }
    }

    /// The axis of the logical array that stands at this position.
    fn axis(&self, position: usize) -> usize {
        self.0.get(position).copied().unwrap_or(position)
    }

    /// A view with its axes in this order.
    fn view<'a, A>(&self, view: ArrayViewD<'a, A>) -> ArrayViewD<'a, A> {
        if self.0.is_empty() { view } else { view.permuted_axes(self.0.as_slice()) }
    }

    fn view_mut<'a, A>(&self, view: ArrayViewMutD<'a, A>) -> ArrayViewMutD<'a, A> {
        if self.0.is_empty() { view } else { view.permuted_axes(self.0.as_slice()) }
    }

    /// Zeros of this shape, which lie in memory in this order.
    pub(crate) fn zeros<A: Element>(&self, shape: &[usize]) -> ArrayD<A> {
        if self.0.is_empty() {
            return ArrayD::zeros(shape);
        }
        let permuted: Vec<usize> = self.0.iter().map(|&axis| shape[axis]).collect();
        let mut inverse = vec![0; shape.len()];
        for (position, &axis) in self.0.iter().enumerate() {
            inverse[axis] = position;
        }
        ArrayD::zeros(permuted).permuted_axes(inverse)
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

/// From how many elements on threads pay, by cost; each thread gets at least half as many.
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
pub(crate) fn pass<A: Element, K: Split>(
    order: &Order,
    cost: Cost,
    input: Option<ArrayViewD<'_, A>>,
    output: ArrayViewMutD<'_, A>,
    keep: K,
    body: Body<'_, A, K>,
) {
    pass_in_units(WORD, order, cost, input, output, keep, body);
}

/// [`pass`], with threads' parts cut at multiples of `unit` elements, itself a multiple of [`WORD`].
pub(crate) fn pass_in_units<A: Element, K: Split>(
    unit: usize,
    order: &Order,
    cost: Cost,
    input: Option<ArrayViewD<'_, A>>,
    output: ArrayViewMutD<'_, A>,
    keep: K,
    body: Body<'_, A, K>,
) {
    let input = input.map(|view| order.view(view));
    let mut output = order.view_mut(output);
    let reader;
    let source = match &input {
        None => Source::InPlace,
        Some(view) => match view.as_slice() {
            Some(slice) => Source::Slice(slice),
            None => {
                reader = Strided(flattened(view.view()));
                Source::View(&reader, 0)
            }
        },
    };
    match output.as_slice_mut() {
        Some(slice) => spread(source, slice, keep, (worth_threads(cost), unit), body),
        None => scattered(source, output, keep, body),
    }
}

/// Where a pass reads.
#[derive(Clone, Copy)]
enum Source<'a, A> {
    InPlace,
    Slice(&'a [A]),
    /// A view, from this element on.
    View(&'a Strided<ArrayViewD<'a, A>>, usize),
}

impl<'a, A: Element> Source<'a, A> {
    fn from(self, start: usize) -> Self {
        match self {
            Self::InPlace => Self::InPlace,
            Self::Slice(slice) => Self::Slice(&slice[start..]),
            Self::View(view, before) => Self::View(view, before + start),
        }
    }

    /// The first elements: a slice of the array itself or of the buffer, `None` in place.
    fn take<'b>(self, count: usize, buffer: &'b mut [A; BLOCK]) -> Option<&'b [A]>
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

type Body<'a, A, K> = &'a (dyn Fn(Option<&[A]>, &mut [A], K) + Sync);

#[cfg(feature = "rayon")]
fn spread<A: Element, K: Split>(source: Source<'_, A>, output: &mut [A], keep: K, (worth, unit): (usize, usize), body: Body<'_, A, K>) {
    if output.len() < worth || rayon::current_num_threads() == 1 {
        return gathered(source, output, keep, body);
    }
    // Two parts a thread, so that one that is late does not keep the others waiting for long.
    let grain = (output.len() / (2 * rayon::current_num_threads())).max(worth / 4).max(unit);
    divide(source, output, keep, (grain, unit), body);
}

#[cfg(feature = "rayon")]
fn divide<A: Element, K: Split>(source: Source<'_, A>, output: &mut [A], keep: K, (grain, unit): (usize, usize), body: Body<'_, A, K>) {
    if output.len() <= grain {
        return gathered(source, output, keep, body);
    }
    let middle = (output.len() / 2).next_multiple_of(unit);
    if middle >= output.len() {
        return gathered(source, output, keep, body);
    }
    let (left, right) = output.split_at_mut(middle);
    let (keep_left, keep_right) = keep.split(middle);
    rayon::join(
        || divide(source, left, keep_left, (grain, unit), body),
        || divide(source.from(middle), right, keep_right, (grain, unit), body),
    );
}

#[cfg(not(feature = "rayon"))]
fn spread<A: Element, K: Split>(source: Source<'_, A>, output: &mut [A], keep: K, _limits: (usize, usize), body: Body<'_, A, K>) {
    gathered(source, output, keep, body);
}

/// Into a slice.
fn gathered<A: Element, K: Split>(source: Source<'_, A>, output: &mut [A], mut keep: K, body: Body<'_, A, K>) {
    match source {
        Source::InPlace => body(None, output, keep),
        Source::Slice(slice) => body(Some(&slice[..output.len()]), output, keep),
        Source::View(..) => {
            let mut buffer = [A::zero(); BLOCK];
            let mut start = 0;
            for part in output.chunks_mut(BLOCK) {
                let (head, tail) = keep.split(part.len());
                body(source.from(start).take(part.len(), &mut buffer), part, head);
                keep = tail;
                start += part.len();
            }
        }
    }
}

/// Into a view that is not contiguous.
fn scattered<A: Element, K: Split>(source: Source<'_, A>, output: ArrayViewMutD<'_, A>, mut keep: K, body: Body<'_, A, K>) {
    let (mut buffer, mut result) = ([A::zero(); BLOCK], [A::zero(); BLOCK]);
    let total = output.len();
    let mut output = Strided(flattened_mut(output));
    for start in (0..total).step_by(BLOCK) {
        let count = BLOCK.min(total - start);
        let result = &mut result[..count];
        if matches!(source, Source::InPlace) {
            Strided(output.0.view()).read(start, result);
        }
        let (head, tail) = keep.split(count);
        body(source.from(start).take(count, &mut buffer), result, head);
        keep = tail;
        output.write(start, result);
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

    /// Whether the parameter does not change along the innermost run.
    pub(crate) fn constant(&self) -> bool {
        self.steps[self.steps.ndim() - 1] == 0
    }

    /// Calls `run` for each piece of the elements `start..start + count` along which the parameter takes even steps: the range within the piece asked for,
    /// the parameter's first index, and the step.
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
struct Strided<V>(V);

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

/// Visits the row pieces of a plane from one of its elements on, as far as `buffer` reaches: `$visit` gets a piece of a row and of the buffer.
macro_rules! rows {
    ($plane:expr, $offset:expr, $buffer:expr, $row:ident, |$piece:ident, $part:ident| $visit:expr) => {{
        let columns = $plane.ncols();
        let (mut row, mut column, mut done) = ($offset / columns, $offset % columns, 0);
        while done < $buffer.len() && row < $plane.nrows() {
            let count = (columns - column).min($buffer.len() - done);
            let $part = &mut $buffer[done..done + count];
            let $piece = $plane.$row(row).split_at(Axis(0), column).1.split_at(Axis(0), count).0;
            $visit;
            (row, column, done) = (row + 1, 0, done + count);
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
            done += rows!(plane, offset, rest, row, |piece, part| for (to, from) in part.iter_mut().zip(piece) {
                *to = *from;
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
            done += rows!(plane, offset, rest, row_mut, |piece, part| for (to, from) in piece.into_iter().zip(part.iter()) {
                *to = *from;
            });
        }
    }
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
    let mut place = 0;
    for axis in (0..ndim).map(|position| order.axis(position)).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()) {
        arrangement[place] = axis;
        place += 1;
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
                rayon::join(
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
        let Self { mut array, beside } = self;
        let mut beside = beside;
        if outer == 0 {
            array = array.insert_axis(Axis(0));
            beside = match beside {
                Beside::Nothing => Beside::Nothing,
                Beside::Fill(view) => Beside::Fill(view.insert_axis(Axis(0))),
                Beside::Read(view) => Beside::Read(view.insert_axis(Axis(0))),
            };
        }
        let (mut array, count) = (Rows(array), NEIGHBOURS);
        let total = array.0.len_of(Axis(0));
        A::with_scratch(2 * count.min(total) * length, |scratch| {
            let (main, other) = scratch.split_at_mut(count.min(total) * length);
            for start in (0..total).step_by(count) {
                let end = total.min(start + count);
                let size = (end - start) * length;
                let (main, other) = (&mut main[..size], &mut other[..size]);
                array.gather(start, end, main);
                match &mut beside {
                    Beside::Nothing => main.chunks_exact_mut(length).for_each(|row| body(row, RowBeside::Nothing)),
                    Beside::Fill(view) => {
                        main.chunks_exact_mut(length).zip(other.chunks_exact_mut(length)).for_each(|(row, beside)| body(row, RowBeside::Fill(beside)));
                        Rows(view.view_mut()).scatter(start, end, other);
                    }
                    Beside::Read(view) => {
                        gather(view.view(), start, end, other);
                        main.chunks_exact_mut(length).zip(other.chunks_exact(length)).for_each(|(row, beside)| body(row, RowBeside::Read(beside)));
                    }
                }
                array.scatter(start, end, main);
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

/// Rows along the first axis, each over the other axes.
struct Rows<V>(V);

impl<A: Element> Rows<ArrayViewMutD<'_, A>> {
    fn gather(&self, start: usize, end: usize, rows: &mut [A]) {
        gather(self.0.view(), start, end, rows);
    }

    fn scatter(&mut self, start: usize, end: usize, rows: &[A]) {
        let mut part = self.0.slice_axis_mut(Axis(0), (start..end).into());
        let shape = part.raw_dim();
        if let Ok(rows) = ArrayViewD::from_shape(shape, rows) {
            part.assign(&rows);
        }
    }
}

/// Rows one behind the other.
fn gather<A: Element>(view: ArrayViewD<'_, A>, start: usize, end: usize, rows: &mut [A]) {
    let part = view.slice_axis_move(Axis(0), (start..end).into());
    if let Ok(mut rows) = ArrayViewMutD::from_shape(part.raw_dim(), rows) {
        rows.assign(&part);
    }
}
