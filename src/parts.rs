//! Rows as lines of sixteen elements, tables of numbers for them, and reductions in a fixed order: sixteen partial sums by index modulo 16, joined as a tree,
//! whatever the vector width.

use std::{array, mem::take, ops::Range};

use fearless_simd::{Simd, SimdBase};

use crate::{
    element::Element,
    real::{Lanes, Real},
    scratch::Scratch,
};

/// How many partial sums a reduction has, whatever the vector width.
pub(crate) const PARTS: usize = 16;
/// The most vectors that makes.
pub(crate) const VECTORS: usize = 8;

/// How rows stand in a slice: how many of them side by side, the first elements of all, then the second ones, and so on; one row is one beside none.
///
/// Either way a kernel sees lines of sixteen elements. Sixteen elements of each row make as many lines as there are rows, and are a period: after it elements at
/// the same places add to the same partial sums. So the partial sums of a row are those by index modulo 16, whatever stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    count: usize,
    /// After so many elements lines begin with the same row again.
    places: usize,
}

impl Rows {
    /// One row.
    pub(crate) const ONE: Self = Self { count: 1, places: PARTS };

    /// So many rows side by side, one or more.
    pub(crate) fn side_by_side(count: usize) -> Self {
        let count = count.max(1);
        Self { count, places: count * (PARTS >> count.trailing_zeros().min(PARTS.ilog2())) }
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) fn count(self) -> usize {
        self.count
    }

    /// From which length on the rows have sixteen times as many elements as a table, and each partial sum has four terms: then neither costs much.
    pub(crate) fn tall(self) -> usize {
        (PARTS * self.places / self.count).max(4 * PARTS)
    }

    /// The lines of a block: whole periods, few enough for the nearest cache.
    #[inline(always)]
    fn block(self, period: usize) -> usize {
        const NEAR: usize = 1 << 8;
        if self.count == 1 { usize::MAX } else { (NEAR / period).max(1) * period }
    }
}

/// The slices that a kernel gets for rows.
#[derive(Debug)]
pub struct RowSlices<'a, A> {
    pub(crate) rows: Rows,
    /// What the rows are to be made from; empty where it stands in them already.
    pub(crate) input: &'a [A],
    /// What the kernel leaves in them.
    pub(crate) row: &'a mut [A],
    /// What it fills beside them, or nothing.
    pub(crate) keep: &'a mut [A],
    /// What it reads beside them, or nothing.
    pub(crate) kept: &'a [A],
}

impl<A> RowSlices<'_, A> {
    /// The same as one row, as the compiler then knows, unless there are several.
    #[inline(always)]
    pub(crate) fn one_row(self, several: bool) -> Result<Self, Self> {
        if several && self.rows.count > 1 { Err(self) } else { Ok(Self { rows: Rows::ONE, ..self }) }
    }

    /// Where the rows stand at first.
    #[inline(always)]
    pub(crate) fn source(&self) -> &[A] {
        if self.input.is_empty() { self.row } else { self.input }
    }
}

/// What a kernel needs beside the rows.
#[derive(Debug)]
pub struct Space<A: Element> {
    tables: Scratch<A>,
    sums: Scratch<f64>,
}

/// How many tables a kernel has.
const TABLES: usize = 4;

impl<A: Element> Space<A> {
    /// For up to so many rows side by side, and for sixteen.
    pub(crate) fn new(most: usize) -> Self {
        Self { tables: Scratch::new(TABLES * PARTS * most), sums: Scratch::new(2 * PARTS * most.max(PARTS)) }
    }

    /// Tables; and room for sums.
    #[inline(always)]
    pub(crate) fn split(&mut self, rows: Rows) -> ([&mut Table<A>; TABLES], &mut [f64]) {
        let mut rest = self.tables.as_chunks_mut().0;
        let tables = array::from_fn(
            #[inline(always)]
            |_| {
                let (table, behind) = take(&mut rest).split_at_mut(rows.places / PARTS);
                rest = behind;
                table
            },
        );
        (tables, &mut self.sums)
    }
}

/// A number for each row: for each place of the lines, as far as these differ, that of the row to which its element belongs. (The first places are those of the rows,
/// one after the other.)
pub(crate) type Table<A> = [[A; PARTS]];

/// Writes the numbers of the rows into tables.
#[inline(always)]
pub(crate) fn tabulate<A: Element, const N: usize>(rows: Rows, mut tables: [&mut Table<A>; N], mut numbers: impl FnMut(usize) -> [A; N]) {
    if rows.count == 1 {
        // In whole vectors, for so they will be read.
        for (table, number) in tables.into_iter().zip(numbers(0)) {
            table[0] = [number; PARTS];
        }
        return;
    }
    for row in 0..rows.count {
        for (table, number) in tables.iter_mut().zip(numbers(row)) {
            table.as_flattened_mut()[row] = number;
        }
    }
    tables.into_iter().for_each(|table| spread(rows, table));
}

/// From the first places of several rows to all others.
#[inline(always)]
fn spread<A: Element>(rows: Rows, table: &mut Table<A>) {
    let (first, others) = table.as_flattened_mut().split_at_mut(rows.count);
    others.chunks_mut(rows.count).for_each(|others| others.copy_from_slice(&first[..others.len()]));
}

/// Joins what stands at the places of the same row, in whatever order.
#[inline(always)]
pub(crate) fn join_places<A: Element>(rows: Rows, table: &mut Table<A>, join: impl Fn(A, A) -> A) {
    if let (1, [line]) = (rows.count, &mut *table) {
        // Each half has a length that is known, so the compiler joins vectors.
        let (mut eight, mut four) = ([A::zero(); 8], [A::zero(); 4]);
        for (place, joined) in eight.iter_mut().enumerate() {
            *joined = join(line[place], line[place + 8]);
        }
        for (place, joined) in four.iter_mut().enumerate() {
            *joined = join(eight[place], eight[place + 4]);
        }
        let two = [join(four[0], four[2]), join(four[1], four[3])];
        *line = [join(two[0], two[1]); PARTS];
    } else {
        let (first, others) = table.as_flattened_mut().split_at_mut(rows.count);
        for others in others.chunks(rows.count) {
            first.iter_mut().zip(others).for_each(|(first, &other)| *first = join(*first, other));
        }
        spread(rows, table);
    }
}

/// Makes the rows line by line: `body` gets the number of the line in a table, the line, and what it is to be made from, unless that stands in it already; the last one
/// with `padding` behind the end.
#[inline(always)]
pub(crate) fn pieces<A: Element>(rows: Rows, input: &[A], row: &mut [A], padding: A, mut body: impl FnMut(usize, &mut [A; PARTS], Option<&[A; PARTS]>)) {
    let mut number = 0;
    let ((input_lines, input_rest), (lines, rest)) = (input.as_chunks(), row.as_chunks_mut());
    let after = |number: usize| if number + 1 == rows.places / PARTS { 0 } else { number + 1 };
    if let (Some(&first), true) = (input_lines.first(), input_lines.len() == lines.len()) {
        let mut next = first;
        for (index, line) in lines.iter_mut().enumerate() {
            let here = next;
            next = input_lines[(index + 1).min(input_lines.len() - 1)];
            body(number, line, Some(&here));
            number = after(number);
        }
    } else {
        for line in lines {
            body(number, line, None);
            number = after(number);
        }
    }
    if !rest.is_empty() {
        let mut padded = [padding; PARTS];
        padded[..rest.len()].copy_from_slice(if input_rest.is_empty() { rest } else { input_rest });
        body(number, &mut padded, None);
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

/// [`pieces`] of a gradient, with what was kept for each line before the last argument; zeros behind the end.
#[inline(always)]
pub(crate) fn with_kept<A: Element>(
    rows: Rows,
    input: &[A],
    gradient: &mut [A],
    kept: &[A],
    mut body: impl FnMut(usize, &mut [A; PARTS], &[A; PARTS], Option<&[A; PARTS]>),
) {
    let (lines, rest) = kept.as_chunks();
    let mut lines = lines.iter();
    pieces(
        rows,
        input,
        gradient,
        A::zero(),
        #[inline(always)]
        |number, line, input| match lines.next() {
            Some(kept) => body(number, line, kept, input),
            None => {
                let mut padded = [A::zero(); PARTS];
                padded[..rest.len()].copy_from_slice(rest);
                body(number, line, &padded, input);
            }
        },
    );
}

/// Calls `body` for the first `used` lines of a period, with the number of each and where the lines that stand in its place begin and end: in one block of all lines
/// after the other, so that they are near while the places take turns.
#[inline(always)]
pub(crate) fn by_number(rows: Rows, lines: usize, used: usize, period: usize, mut body: impl FnMut(usize, Range<usize>)) {
    let block = rows.block(period);
    let mut start = 0_usize;
    loop {
        let end = lines.min(start.saturating_add(block));
        for number in 0..used {
            body(number, start + number..end);
        }
        if end == lines {
            break;
        }
        start = end;
    }
}

/// Sixteen sums, compensated where there are no digits to spare.
#[derive(Clone, Copy)]
pub(crate) struct Sums<T> {
    sum: [T; VECTORS],
    /// What the sums are too large by.
    excess: [T; VECTORS],
    /// What they started from.
    start: T,
    bounded: bool,
}

impl<T: Real> Sums<T> {
    #[inline(always)]
    pub(crate) fn new(zero: T) -> Self {
        Self { sum: [zero; VECTORS], excess: [zero; VECTORS], start: zero, bounded: false }
    }

    /// For terms from 0 to a bound, a power of two. The sums start from it, so that no term is larger than a sum: what a rounding loses is known in two steps then.
    #[inline(always)]
    pub(crate) fn bounded(bound: T) -> Self {
        let zero = bound.splat(0.0);
        if T::SPARE { Self::new(zero) } else { Self { sum: [bound; VECTORS], start: bound, bounded: true, ..Self::new(zero) } }
    }

    /// Kahan's step, which loses a little where a term is as large as the sum, or one that loses nothing and gives the losses a sum of their own. The latter is also
    /// the one for `f32`: two vectors are a line there, and Kahan's chain of four operations would be waited for.
    #[inline(always)]
    pub(crate) fn add(&mut self, vector: usize, term: T) {
        let (before, excess) = (self.sum[vector], self.excess[vector]);
        if T::SPARE {
            self.sum[vector] = before + term;
        } else if self.bounded || T::SINGLE {
            let sum = before + term;
            let part = sum - before;
            let loss = if self.bounded { term - part } else { (before - (sum - part)) + (term - part) };
            (self.sum[vector], self.excess[vector]) = (sum, excess - loss);
        } else {
            let corrected = term - excess;
            let sum = before + corrected;
            (self.sum[vector], self.excess[vector]) = (sum, (sum - before) - corrected);
        }
    }

    /// Puts sums of vectors of `n` numbers away.
    #[inline(always)]
    fn suspend(self, n: usize, sums: &mut [f64; PARTS], excess: &mut [f64; PARTS]) {
        for vector in 0..PARTS / n {
            self.sum[vector].words(&mut sums[vector * n..(vector + 1) * n]);
            if !T::SPARE {
                self.excess[vector].words(&mut excess[vector * n..(vector + 1) * n]);
            }
        }
    }

    /// Takes them up again.
    #[inline(always)]
    fn resume(mut self, n: usize, sums: &[f64; PARTS], excess: &[f64; PARTS]) -> Self {
        for vector in 0..PARTS / n {
            self.sum[vector] = self.start.of_words(&sums[vector * n..(vector + 1) * n]);
            if !T::SPARE {
                self.excess[vector] = self.start.of_words(&excess[vector * n..(vector + 1) * n]);
            }
        }
        self
    }

    /// The sums in two words, or in one word of `f64` on behalf of `f32`.
    #[inline(always)]
    fn finish(mut self, n: usize) -> ([f64; PARTS], [f64; PARTS]) {
        let (mut hi, mut lo) = ([0.0; PARTS], [0.0; PARTS]);
        for vector in 0..PARTS / n {
            self.sum[vector] = self.sum[vector] - self.start;
        }
        self.suspend(n, &mut hi, &mut lo);
        for (hi, lo) in hi.iter_mut().zip(&mut lo) {
            (*hi, *lo) = if T::SINGLE { (*hi - *lo, 0.0) } else { (*hi, -*lo) };
        }
        (hi, lo)
    }

    /// The total of vectors of `n` numbers, in two words.
    #[inline(always)]
    pub(crate) fn total(self, n: usize) -> (f64, f64) {
        let (hi, lo) = self.finish(n);
        Self::joined(hi, lo)
    }

    /// The total of one row's finished sums. Of `f32` the one word has digits enough for the few additions of a tree.
    #[inline(always)]
    fn joined(mut hi: [f64; PARTS], mut lo: [f64; PARTS]) -> (f64, f64) {
        join(&mut hi, if T::SINGLE { &mut [] } else { &mut lo }, 1);
        (hi[0], lo[0])
    }
}

/// Joins sixteen sums in two words (or one), of so many rows side by side, as a tree: the first ones hold the totals then. Sums at the end may be missing.
#[inline(always)]
pub(crate) fn join(mut hi: &mut [f64], mut lo: &mut [f64], rows: usize) {
    for half in [8, 4, 2, 1].map(|half| half * rows) {
        if hi.len() > half {
            let ((a, b), (a_low, b_low)) = (hi.split_at_mut(half), lo.split_at_mut(lo.len().min(half)));
            if a_low.is_empty() {
                a.iter_mut().zip(&*b).for_each(|(a, b)| *a += b);
            }
            for (((a, b), a_low), b_low) in a.iter_mut().zip(b).zip(a_low.iter_mut()).zip(b_low) {
                let sum = exact_sum(*a, *b);
                *a_low = sum.1 + (*a_low + *b_low);
                *a = sum.0;
            }
            (hi, lo) = (a, a_low);
        }
    }
}

/// A number in two words for each row.
pub(crate) struct Totals<'a> {
    pub(crate) hi: &'a mut [f64],
    pub(crate) lo: &'a mut [f64],
}

impl Totals<'_> {
    /// That of one row, times a power of two, plus a number.
    #[inline(always)]
    pub(crate) fn scaled_plus(&self, row: usize, power: f64, number: f64) -> (f64, f64) {
        let sum = exact_sum(number, self.hi[row] * power);
        (sum.0, self.lo[row] * power + sum.1)
    }
}

/// The sum of a term along each row, in two words. The term gets what is the same for all lines that have the same number in a table, that number and the one of a vector in
/// the line, that vector of `values`, whose elements it may replace, and of two slices to read; what is empty has empty vectors. Behind the end stands `padding`, whose term is
/// 0; partial sums are made from `empty`.
#[inline(always)]
pub(crate) fn sum<'a, A: Element, T: Real, K>(
    n: usize,
    rows: Rows,
    sums: &'a mut [f64],
    (values, read): (&mut [A], [&[A]; 2]),
    padding: A,
    empty: Sums<T>,
    (of_line, mut term): (impl Fn(usize) -> K, impl FnMut(&K, usize, usize, &mut [A], [&[A]; 2]) -> T),
) -> Totals<'a> {
    // Sums without a term count for nothing.
    let total = values.len().max(read[0].len());
    let used = total.min(rows.count * PARTS);
    let (all_hi, all_lo) = sums.split_at_mut(used.next_multiple_of(PARTS));
    let (hi, lo) = (all_hi.as_chunks_mut().0, all_lo.as_chunks_mut().0);
    let (read_lines, (lines, rest)) = (read.map(|read| read.as_chunks::<PARTS>().0), values.as_chunks_mut::<PARTS>());
    let mut padded = [padding; PARTS];
    padded[..rest.len()].copy_from_slice(rest);
    let read_padded = read.map(|read| {
        let (rest, mut padded) = (read.as_chunks::<PARTS>().1, [padding; PARTS]);
        padded[..rest.len()].copy_from_slice(rest);
        (padded, if read.is_empty() { 0 } else { PARTS })
    });
    // From this line on there is one term less: that of the padding instead, so that the additions are the same however a row stands.
    let full = total / PARTS;
    let short = match full % rows.count {
        0 if total.is_multiple_of(PARTS) => rows.count,
        short => short,
    };
    // The next line is read before this one is written, whose address may end alike and would be waited for. (With several rows the numbers that takes stand in the way.)
    let ahead = rows.count == 1 && lines.len() == full && read_lines[0].len() == full;
    let mut place = 0;
    by_number(
        rows,
        full,
        hi.len(),
        rows.count,
        #[inline(always)]
        |number, Range { mut start, end }| {
            // The lines of a table are the same again much sooner.
            place = if number == 0 || place + 1 == rows.places / PARTS { 0 } else { place + 1 };
            let of_line = of_line(place);
            let mut sums = if start == number { empty } else { empty.resume(n, &hi[number], &lo[number]) };
            if ahead && start < end {
                let mut next = read_lines[0][start];
                while start < end {
                    let here = next;
                    next = read_lines[0][(start + 1).min(full - 1)];
                    for vector in 0..PARTS / n {
                        let range = vector * n..(vector + 1) * n;
                        sums.add(vector, term(&of_line, place, vector, &mut lines[start][range.clone()], [&here[range], &[]]));
                    }
                    start += 1;
                }
            }
            while start < end {
                let read = read_lines.map(|lines| lines.get(start).map_or(&[][..], |line| line));
                let line = lines.get_mut(start).map_or(&mut [][..], |line| line);
                for vector in 0..PARTS / n {
                    let range = vector * n..(vector + 1) * n;
                    let read = read.map(|line| line.get(range.clone()).unwrap_or_default());
                    sums.add(vector, term(&of_line, place, vector, line.get_mut(range).unwrap_or_default(), read));
                }
                start += rows.count;
            }
            if end < full {
                return sums.suspend(n, &mut hi[number], &mut lo[number]);
            }
            if number >= short {
                for vector in 0..PARTS / n {
                    let range = vector * n..(vector + 1) * n;
                    let read = read_padded.each_ref().map(|(padded, count)| padded[..*count].get(range.clone()).unwrap_or_default());
                    let term = if number == short { term(&of_line, place, vector, &mut padded[range], read) } else { empty.start.splat(0.0) };
                    sums.add(vector, term);
                }
            }
            let (sums, low) = sums.finish(n);
            hi[number] = sums;
            if !T::SINGLE {
                lo[number] = low;
            }
        },
    );
    if !rest.is_empty() {
        rest.copy_from_slice(&padded[..rest.len()]);
    }
    if let ((1, PARTS), [first_hi], [first_lo, ..]) = ((rows.count, used), &mut *hi, &mut *lo) {
        // In registers.
        (first_hi[0], first_lo[0]) = Sums::<T>::joined(*first_hi, *first_lo);
    } else {
        join(&mut all_hi[..used], if T::SINGLE { &mut [] } else { &mut all_lo[..used] }, rows.count);
    }
    if T::SINGLE {
        all_lo[..rows.count].fill(0.0);
    }
    // Zeros that are not added must not show in the sign.
    all_hi[..rows.count].iter_mut().for_each(|hi| *hi += 0.0);
    Totals { hi: all_hi, lo: all_lo }
}

/// a + b in two words.
#[inline(always)]
pub(crate) fn exact_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

#[inline(always)]
pub(crate) fn splat<S: Simd, A: Element>(simd: S, value: A) -> Lanes<S, A> {
    Lanes(A::Native::<S>::splat(simd, value))
}

/// A copy in vectors where all sixteen are there, without a call.
#[inline(always)]
pub(crate) fn copy_line<A: Copy>(from: &[A], to: &mut [A]) {
    match (<&[A; PARTS]>::try_from(from), <&mut [A; PARTS]>::try_from(&mut *to)) {
        (Ok(from), Ok(to)) => *to = *from,
        _ => to.copy_from_slice(from),
    }
}
