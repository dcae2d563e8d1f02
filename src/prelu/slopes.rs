//! Where the slopes of PReLU stand beside an array, laid out for the loops.

use std::{array, borrow::Cow, ops::Range};

use ndarray::ArrayD;

use super::Along;
use crate::{
    element::Element,
    kernel::{CHUNK, padded},
    layer::Param,
    parts::PARTS,
    scratch::Scratch,
    traverse::{Order, Runs},
};

/// How many rows of [`Repeated`] slopes are worked on together: their sums are read and written once for all.
pub(super) const ROWS: usize = 2;

/// The slopes, beside an array that is visited in some order.
#[allow(clippy::large_enum_variant, reason = "there is one a call, on the stack; a box would be allocated")]
pub(super) enum Slopes<'a, A: Element> {
    /// One for all elements: to look up where it stands would take longer than a small array's elements.
    One(A),
    Several(Several<'a, A>),
}

/// Several slopes.
pub(super) struct Several<'a, A: Element> {
    pub(super) runs: Runs,
    alpha: Cow<'a, [A]>,
    pub(super) repeated: Option<Repeated<A>>,
}

/// The slopes of elements side by side.
pub(super) enum Run<'a, A> {
    /// One for all.
    Constant(A),
    /// One for each, in such steps.
    Each(&'a [A], usize),
    /// One for every 2^shift lines, counted from this one on.
    Lines(&'a [A], usize, u32),
}

/// The slope, if there is but one.
pub(super) fn only<A: Element>(alpha: &ArrayD<A>) -> Option<A> {
    alpha.first().filter(|_| alpha.len() == 1).copied()
}

/// The logical elements of α in a row.
fn in_a_row<A: Element>(alpha: &ArrayD<A>) -> Cow<'_, [A]> {
    match alpha.as_slice() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(alpha.iter().copied().collect()),
    }
}

impl<'a, A: Element> Slopes<'a, A> {
    /// For an array of this shape, visited in this order.
    pub(super) fn of(alpha: &'a Param<A>, along: Along, shape: &[usize], order: &Order) -> Self {
        if let Some(slope) = only(&alpha.value) {
            return Self::One(slope);
        }
        let (runs, alpha) = (along.runs(alpha, shape, order), in_a_row(&alpha.value));
        let repeated = Repeated::new(&runs, &alpha, shape.iter().product());
        Self::Several(Several { runs, alpha, repeated })
    }

    /// How many sums a thread needs of its own for so many elements, where a slope meets several of them; with room for what follows the last one in a line.
    pub(super) fn own_sums(&self, count: usize) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Several(Several { repeated: Some(repeated), .. }) => repeated.sums(0..repeated.length()).len() + PARTS,
            Self::Several(Several { runs, alpha, .. }) if runs.constant() || alpha.len() > count => 0,
            Self::Several(Several { alpha, .. }) => alpha.len() + PARTS,
        }
    }

    /// How many elements one row of partial sums covers: fixed by the shape alone, so that the sums do not depend on the threads.
    pub(super) fn part_length(&self) -> usize {
        match self {
            Self::One(_) => 1 << 14,
            Self::Several(Several { repeated: Some(repeated), .. }) => repeated.length() * (1_usize << 16).div_ceil(repeated.length()).next_multiple_of(4),
            Self::Several(Several { alpha, .. }) => (64 * alpha.len()).clamp(1 << 14, 1 << 18).max(8 * alpha.len()).next_multiple_of(1 << 10),
        }
    }

    /// Whether each run begins and ends at a multiple of so many elements, but for the end of the last one.
    pub(super) fn whole(&self, unit: usize) -> bool {
        match self {
            Self::One(_) => true,
            Self::Several(Several { repeated: Some(repeated), .. }) => repeated.length().is_multiple_of(unit),
            Self::Several(Several { runs, .. }) => runs.innermost().is_multiple_of(unit),
        }
    }

    pub(super) fn repeated(&self) -> Option<&Repeated<A>> {
        match self {
            Self::One(_) => None,
            Self::Several(several) => several.repeated.as_ref(),
        }
    }

    /// Hands `state` on through the runs among the elements `start..start + count`, which begin with a line as all pieces of a [`pass`] do: the range within these, where the first slope
    /// stands (in a row of repeated ones, or in α), and the slopes.
    #[inline(always)]
    pub(super) fn fold<T>(&self, start: usize, count: usize, state: T, mut body: impl FnMut(T, Range<usize>, usize, Run<'_, A>) -> T) -> T {
        let (runs, slopes, lines) = match self {
            Self::One(slope) => return body(state, 0..count, 0, Run::Constant(*slope)),
            Self::Several(Several { repeated: Some(Repeated { slopes, runs, shared, .. }), .. }) => (runs, &slopes[..], *shared),
            Self::Several(Several { runs, alpha, .. }) => (runs, &**alpha, None),
        };
        runs.fold(
            start,
            count,
            state,
            #[inline(always)]
            |state, range, first, step| {
                let run = match (lines, step) {
                    (Some(shift), _) => Run::Lines(slopes, first / PARTS, shift),
                    (_, 0) => Run::Constant(slopes[first]),
                    _ => Run::Each(&slopes[first..], step),
                };
                body(state, range, first, run)
            },
        )
    }
}

/// Slopes that return soon, in short runs: rows of elements with the same slopes in each.
pub(super) struct Repeated<A: Element> {
    /// Those of one row: one for each element, or, with `shared`, for 2^shared lines.
    pub(super) slopes: Scratch<A>,
    pub(super) shared: Option<u32>,
    runs: Runs,
}

impl<A: Element> Repeated<A> {
    /// For so many elements; `None` where it would gain nothing.
    fn new(runs: &Runs, alpha: &[A], total: usize) -> Option<Self> {
        // Of runs shorter than this the beginnings cost.
        const SHORT: usize = 256;
        // Longer tables leave the nearest cache.
        const LONG: usize = 1 << 13;
        let shared = if runs.constant() { runs.innermost().trailing_zeros().checked_sub(PARTS.ilog2()) } else { None };
        let period = runs.period().filter(|&period| period >> shared.unwrap_or(0) <= LONG && !(runs.constant() && runs.innermost() >= SHORT))?;
        let unit = shared.map_or(1, |shift| PARTS << shift);
        // Whole lines.
        let lines = (period * PARTS) >> period.trailing_zeros().min(PARTS.trailing_zeros());
        let length = lines * (SHORT / lines).max(1);
        if length >> shared.unwrap_or(0) > LONG || length * ROWS > total {
            return None;
        }
        let mut slopes = Scratch::new(length / unit);
        let (first, others) = slopes.split_at_mut(period / unit);
        runs.visit(0, period, |range, start, step| match step {
            0 => first[range.start / unit..range.end / unit].fill(alpha[start]),
            _ => first[range].iter_mut().zip(alpha[start..].iter().step_by(step)).for_each(|(to, slope)| *to = *slope),
        });
        others.chunks_mut(period / unit).for_each(|others| others.copy_from_slice(&first[..others.len()]));
        Some(Self { slopes, shared, runs: Runs::new(&[total.div_ceil(length), length], &[0, 1], &Order::default()) })
    }

    /// The elements of a row.
    pub(super) fn length(&self) -> usize {
        self.runs.innermost()
    }

    /// The sums for these elements of a row.
    pub(super) fn sums(&self, elements: Range<usize>) -> Range<usize> {
        let shift = self.shared.unwrap_or(0);
        elements.start >> shift..elements.end >> shift
    }
}

/// So many slopes of a run from one of its elements on, the same for all.
#[inline(always)]
pub(super) fn constant<A: Element>(slope: A) -> impl Fn(usize, usize) -> [A; CHUNK] {
    #[inline(always)]
    move |_, _| [slope; CHUNK]
}

/// A slope for every element.
#[inline(always)]
pub(super) fn changing<A: Element>(alpha: &[A]) -> impl Fn(usize, usize) -> [A; CHUNK] {
    #[inline(always)]
    move |start, count| padded(&alpha[start..start + count])
}

/// [`changing`] where every `step`-th slope is meant.
#[inline(always)]
pub(super) fn scattered<A: Element>(alpha: &[A], step: usize) -> impl Fn(usize, usize) -> [A; CHUNK] {
    #[inline(always)]
    move |start, count| {
        let mut slopes = [A::zero(); CHUNK];
        slopes[..count].iter_mut().zip(alpha[start * step..].iter().step_by(step)).for_each(|(to, slope)| *to = *slope);
        slopes
    }
}

/// One for every 2^shift lines, counted from `first` on.
#[inline(always)]
pub(super) fn of_lines<A: Element>(slopes: &[A], first: usize, shift: u32) -> impl Fn(usize, usize) -> [A; CHUNK] {
    #[inline(always)]
    move |start, _| {
        let line = first + start / PARTS;
        // Behind the last line there is nothing that counts.
        let (one, other) = (slopes[line >> shift], slopes.get((line + 1) >> shift).copied().unwrap_or(A::zero()));
        array::from_fn(
            #[inline(always)]
            |i| if i < PARTS { one } else { other },
        )
    }
}
