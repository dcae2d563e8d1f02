//! PReLU's loops over slices: values, and both gradients in one pass.

use std::{
    array,
    marker::PhantomData,
    mem::take,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use fearless_simd::{Level, Simd, SimdBase as _};

use super::slopes::{ROWS, Repeated, Run, Several, Slopes, changing, constant, of_lines, scattered};
use crate::{
    element::Element,
    kernel::{CHUNK, Spacious, Worth, ahead, at_level, copy, each_chunk, load, map_chunk, padded},
    parts::{PARTS, Sums, join, splat},
    real::{Lanes, Real as _, Work},
    scratch::Scratch,
    threads::{Make, Sink},
    traverse::{BLOCK, Positioned},
};

/// Calls `body` for all of an input and the output at once; in place for blocks of it, each with a copy of itself.
#[inline(always)]
fn blocks<A: Element>(input: Option<&[A]>, output: &mut [A], mut body: impl FnMut(&[A], &mut [A], Range<usize>)) {
    let mut copies = Scratch::default();
    let most = if input.is_some() { output.len() } else { BLOCK };
    let mut start = 0;
    // One call of the body for both: it is compiled where it is called.
    while start < output.len() {
        let block = start..output.len().min(start + most);
        let y = &mut output[block.clone()];
        let x = match input {
            Some(input) => &input[block.clone()],
            None => {
                let copies = copies.of(y.len());
                copy(y, copies);
                copies
            }
        };
        body(x, y, block);
        start += most;
    }
}

/// The values of elements from `start` on, in place without an input, and a copy of the input where that is kept.
// Compiled once, not in each of the places that call it.
#[inline(never)]
pub(super) fn rectify<A: Element>(level: Level, slopes: &Slopes<'_, A>, start: usize, x: Option<&[A]>, y: &mut [A], mut keep: Option<&mut [A]>) {
    at_level!(level, simd => blocks(
        x,
        y,
        #[inline(always)]
        |x, y, block| {
            rectified(simd, slopes, start + block.start, x, y, keep.as_deref_mut().map(|keep| &mut keep[block]));
        },
    ));
}

/// The values of elements from `start` on, wherever they go.
#[inline(always)]
fn rectified<S: Simd, A: Element, T: Sink<[A; CHUNK]>>(simd: S, slopes: &Slopes<'_, A>, start: usize, x: &[A], sink: T, mut keep: Option<&mut [A]>) -> T {
    slopes.fold(
        start,
        x.len(),
        sink,
        #[inline(always)]
        |sink, range, _, run| {
            let (keep, x) = (keep.as_deref_mut().map(|keep| &mut keep[range.clone()]), &x[range]);
            match run {
                Run::Constant(slope) => values(simd, x, sink, keep, constant(slope)),
                Run::Each(slopes, 1) => values(simd, x, sink, keep, changing(&slopes[..x.len()])),
                Run::Each(slopes, step) => values(simd, x, sink, keep, scattered(slopes, step)),
                Run::Lines(slopes, first, shift) => values(simd, x, sink, keep, of_lines(slopes, first, shift)),
            }
        },
    )
}

/// Values in new memory, beside a copy of the input where that is kept: all runs of slopes begin and end with a chunk.
pub(super) struct NewValues<'a, A: Element>(pub(super) &'a Slopes<'a, A>, pub(super) Level);

impl<A: Element> Make<(&[A], Positioned<Option<&mut [A]>>), [A; CHUNK]> for NewValues<'_, A> {
    const EACH: usize = CHUNK;
    // Called for one thread and for several: inlined at both, the loops take the crate a tenth longer to build.
    #[inline(never)]
    fn make<T: Sink<[A; CHUNK]>>(&self, count: usize, (x, Positioned(start, keep)): (&[A], Positioned<Option<&mut [A]>>), sink: T) -> T {
        at_level!(self.1, simd => rectified(simd, self.0, start, &x[..count], sink, keep), else sink)
    }
}

/// One run of the values, with a copy of the input where it is kept. The last ones go through the same vector code, so that a result does not depend on its
/// position.
#[inline(always)]
fn values<S: Simd, A: Element, T: Sink<[A; CHUNK]>>(simd: S, x: &[A], sink: T, keep: Option<&mut [A]>, slopes: impl Fn(usize, usize) -> [A; CHUNK]) -> T {
    match keep {
        None => each_part(
            simd,
            x,
            sink,
            #[inline(always)]
            |x, start, count| values_of_chunk(simd, x, &slopes(start, count)),
        ),
        Some(keep) => {
            each_part(
                simd,
                x,
                (sink, keep),
                #[inline(always)]
                |x, start, count| (values_of_chunk(simd, x, &slopes(start, count)), *x),
            )
            .0
        }
    }
}

/// Gives `sink` what `f` makes of each chunk, the place where it starts and how many elements it has.
#[inline(always)]
fn each_part<S: Simd, A: Element, R, T: Sink<R>>(simd: S, x: &[A], sink: T, f: impl Fn(&[A; CHUNK], usize, usize) -> R) -> T {
    let sink = each_chunk(
        simd,
        x,
        sink,
        #[inline(always)]
        |start, x| f(x, start, CHUNK),
    );
    let (whole, rest) = (x.len() - x.len() % CHUNK, x.len() % CHUNK);
    if rest == 0 { sink } else { sink.put_part(f(&padded(&x[whole..]), whole, rest), rest) }
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

/// Both gradients, with everything that is read beside the output's.
pub(super) struct Gradients<'a, A: Element> {
    pub(super) level: Level,
    pub(super) slopes: &'a Slopes<'a, A>,
    pub(super) input: &'a [A],
    /// A row of them for each part of the input, one for each slope.
    pub(super) sums: &'a [AtomicU64],
    pub(super) count: usize,
    /// How many elements make a part.
    pub(super) part: usize,
}

impl<A: Element> Gradients<'_, A> {
    /// Of elements from `start` on; in place without a gradient.
    pub(super) fn run(&self, start: usize, gradient: Option<&[A]>, output: &mut [A]) {
        self.each_piece(start, output.len(), (), |(), piece, range, local| {
            let (g, y) = (gradient.map(|g| &g[range.clone()]), &mut output[range]);
            match self.slopes.repeated() {
                None => at_level!(self.level, simd => piece.sweep(simd, 0, g, y, local)),
                Some(repeated) => {
                    let mut done = 0;
                    while done < y.len() {
                        done += piece.rows(self.level, repeated, done, g.map(|g| &g[done..]), &mut y[done..], local);
                    }
                }
            }
        });
    }

    /// Calls `body` for the elements that add to one row of partial sums after the other, of so many from `start` on, with their places among these, and room for sums of its own.
    #[inline(always)]
    fn each_piece<T>(&self, start: usize, count: usize, mut state: T, mut body: impl FnMut(T, &Piece<'_, A>, Range<usize>, &mut [f64]) -> T) -> T {
        let local = &mut Scratch::new(self.slopes.own_sums(count))[..];
        let mut done = 0;
        while done < count {
            let row = (start + done) / self.part;
            let range = done..count.min((row + 1) * self.part - start);
            let input = &self.input[start + range.start..start + range.end];
            let piece = Piece { slopes: self.slopes, start: start + done, input, sums: &self.sums[row * self.count..(row + 1) * self.count] };
            done = range.end;
            local.fill(0.0);
            state = body(state, &piece, range, local);
            piece.add(local);
        }
        state
    }
}

/// In new memory, which takes whole lines one after the other: the slopes are not [`Repeated`], whose rows go several at once, and all runs of them begin and end with a line.
impl<A: Element> Make<(&[A], Positioned<()>), [A; PARTS]> for Gradients<'_, A> {
    const EACH: usize = PARTS;
    // As that of the values.
    #[inline(never)]
    fn make<T: Sink<[A; PARTS]>>(&self, count: usize, (gradient, Positioned(start, ())): (&[A], Positioned<()>), sink: T) -> T {
        self.each_piece(
            start,
            count,
            sink,
            |sink, piece, range, local| at_level!(self.level, simd => piece.swept(simd, 0, &gradient[range], sink, local), else sink),
        )
    }
}

/// Elements that add to one row of partial sums.
struct Piece<'a, A: Element> {
    slopes: &'a Slopes<'a, A>,
    /// Where the piece begins in the whole array.
    start: usize,
    input: &'a [A],
    sums: &'a [AtomicU64],
}

impl<A: Element> Piece<'_, A> {
    /// The gradients of elements from `done` on, of the input in place without one: as far as there are several whole rows of [`Repeated`] slopes, else as far as the next one.
    /// How many these were.
    fn rows(&self, level: Level, repeated: &Repeated<A>, done: usize, gradient: Option<&[A]>, output: &mut [A], local: &mut [f64]) -> usize {
        let (length, several) = (repeated.length(), ROWS * repeated.length());
        let (whole, count) = match (self.start + done) % length {
            0 if output.len() >= several && gradient.is_some() => (true, output.len() - output.len() % several),
            place if place > 0 => (false, (length - place).min(output.len())),
            _ => (false, output.len()),
        };
        let y = &mut output[..count];
        at_level!(level, simd => match gradient {
            Some(g) if whole => {
                let x = &self.input[done..done + count];
                g[..count].chunks_exact(several).zip(x.chunks_exact(several)).zip(y.chunks_exact_mut(several)).for_each(
                    #[inline(always)]
                    |((g, x), y)| together(simd, repeated, g, x, y, local),
                );
            }
            _ => self.sweep(simd, done, gradient.map(|g| &g[..count]), y, local),
        });
        count
    }

    /// Adds sums of one's own.
    fn add(&self, local: &[f64]) {
        let Slopes::Several(Several { repeated: Some(repeated), runs, .. }) = self.slopes else {
            return self.sums.iter().zip(local).for_each(|(sum, local)| add(sum, *local));
        };
        runs.visit(0, repeated.length(), |range, first, step| {
            let local = &local[repeated.sums(range)];
            match step {
                0 => add(&self.sums[first], total(local)),
                _ => self.sums[first..].iter().step_by(step).zip(local).for_each(|(sum, local)| add(sum, *local)),
            }
        });
    }

    /// The elements from `from` on, run by run of the slopes.
    #[inline(always)]
    fn sweep<S: Simd>(&self, simd: S, from: usize, gradient: Option<&[A]>, output: &mut [A], local: &mut [f64]) {
        blocks(
            gradient,
            output,
            #[inline(always)]
            |g, y, block| {
                self.swept(simd, from + block.start, g, y, local);
            },
        );
    }

    /// The same, wherever the results go.
    #[inline(always)]
    fn swept<S: Simd, T: Sink<[A; PARTS]>>(&self, simd: S, from: usize, g: &[A], sink: T, local: &mut [f64]) -> T {
        let n = A::Native::<S>::LEN;
        let x = &self.input[from..from + g.len()];
        self.slopes.fold(
            self.start + from,
            g.len(),
            sink,
            #[inline(always)]
            |sink, range, first, run| {
                let (g, x) = (&g[range.clone()], &x[range]);
                match run {
                    Run::Constant(slope) => {
                        let mut sums = Sums::new(A::Work::<S>::widen(splat(simd, A::zero())));
                        let sink = gradients(
                            simd,
                            (g, x),
                            sink,
                            constant(slope),
                            #[inline(always)]
                            |vector, terms| sums.add(vector, terms),
                        );
                        let (hi, lo) = sums.total(n);
                        add(&self.sums[first], hi + lo);
                        sink
                    }
                    Run::Each(slopes, 1) if !local.is_empty() => {
                        let mut sums = local[first..].chunks_exact_mut(n);
                        // Behind the end of a run follow terms that are 0.
                        gradients(
                            simd,
                            (g, x),
                            sink,
                            changing(&slopes[..g.len()]),
                            #[inline(always)]
                            |_, terms| {
                                if let Some(sums) = sums.next() {
                                    (terms.of_words(sums) + terms).words(sums);
                                }
                            },
                        )
                    }
                    Run::Lines(slopes, line, shift) => {
                        let (mut line, sums) = (line, local.as_chunks_mut::<PARTS>().0);
                        gradients(
                            simd,
                            (g, x),
                            sink,
                            of_lines(slopes, line, shift),
                            #[inline(always)]
                            |vector, terms| {
                                let sums = &mut sums[line >> shift][vector * n..(vector + 1) * n];
                                (terms.of_words(sums) + terms).words(sums);
                                line += usize::from((vector + 1) * n == PARTS);
                            },
                        )
                    }
                    Run::Each(slopes, step) => {
                        let mut sums = self.sums[first..].iter().step_by(step);
                        gradients(
                            simd,
                            (g, x),
                            sink,
                            scattered(slopes, step),
                            #[inline(always)]
                            |_, terms| {
                                let mut words = [0.0; PARTS];
                                terms.words(&mut words[..n]);
                                words[..n].iter().zip(&mut sums).for_each(|(&term, sum)| add(sum, term));
                            },
                        )
                    }
                }
            },
        )
    }
}

/// [`ROWS`] rows with the same slopes, at once.
#[inline(always)]
fn together<S: Simd, A: Element>(simd: S, repeated: &Repeated<A>, gradient: &[A], input: &[A], output: &mut [A], sums: &mut [f64]) {
    let (slopes, arrays) = (&repeated.slopes[..], (gradient, input, output));
    match repeated.shared {
        None => lines_together(
            simd,
            (slopes.as_chunks().0, 0),
            #[inline(always)]
            |line| line,
            arrays,
            sums,
        ),
        Some(shift) => lines_together(
            simd,
            (slopes, shift),
            #[inline(always)]
            |slope| [slope; PARTS],
            arrays,
            sums,
        ),
    }
}

/// The same with slopes of which each stands for 2^shift lines, and makes a line.
#[inline(always)]
fn lines_together<S: Simd, A: Element, B: Copy>(
    simd: S,
    (slopes, shift): (&[B], u32),
    line_of: impl Fn(B) -> [A; PARTS],
    (gradient, input, output): (&[A], &[A], &mut [A]),
    sums: &mut [f64],
) {
    let n = A::Native::<S>::LEN;
    let lines = slopes.len() << shift;
    let sums = &mut sums.as_chunks_mut::<PARTS>().0[..slopes.len()];
    let (g, x) = (gradient.as_chunks::<PARTS>().0, input.as_chunks::<PARTS>().0);
    let g: [_; ROWS] = array::from_fn(|row| &g[row * lines..(row + 1) * lines]);
    let x: [_; ROWS] = array::from_fn(|row| &x[row * lines..(row + 1) * lines]);
    let mut rest = output.as_chunks_mut::<PARTS>().0;
    let mut y: [_; ROWS] = array::from_fn(|_| {
        let (row, behind) = take(&mut rest).split_at_mut(lines);
        rest = behind;
        row
    });
    for line in 0..lines {
        let (slopes, sums) = (line_of(slopes[line >> shift]), &mut sums[line >> shift]);
        let mut results = [[A::zero(); PARTS]; ROWS];
        for vector in 0..PARTS / n {
            let range = vector * n..(vector + 1) * n;
            let slope = load(simd, &slopes[range.clone()]);
            let mut sum = A::Work::<S>::widen(slope).of_words(&sums[range.clone()]);
            for row in 0..ROWS {
                let (g, x) = (load(simd, &g[row][line][range.clone()]), load(simd, &x[row][line][range.clone()]));
                sum = sum + term(g, x);
                sloped(g, x, slope).0.store_slice(&mut results[row][range.clone()]);
            }
            sum.words(&mut sums[range]);
        }
        // After all has been read, as in [`ahead`]. To read a line ahead too was faster where addresses are unlucky, and slower by as much elsewhere.
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

/// Where a vector holds a whole line, and there are registers for more: a line of `f64` would take too many.
struct WholeLines<S, A>(S, PhantomData<A>);

impl<S: Simd, A: Element> Worth for WholeLines<S, A> {
    const WORTH: bool = Spacious::<S>::WORTH && A::Native::<S>::LEN == PARTS;
}

/// One run of both gradients: that of the input, and the terms of that of α, handed over with the vector's number in a line of sixteen elements.
#[inline(always)]
fn gradients<S: Simd, A: Element, T: Sink<[A; PARTS]>>(
    simd: S,
    (gradient, input): (&[A], &[A]),
    sink: T,
    slopes: impl Fn(usize, usize) -> [A; CHUNK],
    mut add: impl FnMut(usize, A::Work<S>),
) -> T {
    let ((gradients, g), (inputs, x)) = (gradient.as_chunks(), input.as_chunks());
    let mut start = 0;
    let sink = ahead(
        WholeLines(simd, PhantomData::<A>),
        gradients.iter().zip(inputs),
        #[inline(always)]
        |(g, x)| (*g, *x),
        sink,
        #[inline(always)]
        |(g, x)| {
            let results = gradients_of_line(simd, g, x, &slopes(start, PARTS), &mut add);
            start += PARTS;
            results
        },
    );
    if g.is_empty() { sink } else { sink.put_part(gradients_of_line(simd, &padded(g), &padded(x), &slopes(start, g.len()), &mut add), g.len()) }
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
