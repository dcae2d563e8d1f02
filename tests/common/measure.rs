//! Errors in units in the last place (ULP), of layers against truths.
#![allow(clippy::neg_cmp_op_on_partial_ord, reason = "a NaN goes the way of what is too large")]

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use ndarray::ArrayD;
use ndarray_activations::{Element, Layer, testing};

/// What a result should have been.
pub(crate) trait Reference<A>: Copy + Sync {
    /// How far away this result is in ULP of the truth, subnormals in units of the smallest; and absolutely.
    fn distance(self, y: A) -> (f64, f64);
    /// The truth, rounded to the element type.
    fn rounded(self) -> f64;
}

/// For `f32` the nearest `f64` is enough.
impl Reference<f32> for f64 {
    #[inline(always)]
    fn distance(self, y: f32) -> (f64, f64) {
        let exponent = (self.to_bits() >> 52 & 0x7ff).max(1023 - 126);
        let difference = (f64::from(y) - self).abs();
        // 2^23 over 2^exponent.
        (difference * Self::from_bits((2 * 1023 + 23 - exponent) << 52), difference)
    }
    fn rounded(self) -> f64 {
        f64::from(self as f32)
    }
}

/// A truth for any type: the nearest `f64`, what is left of the truth in ULP, and that unit (or another one in which errors shall count).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Double {
    pub(crate) near: f64,
    pub(crate) rest: f64,
    pub(crate) unit: f64,
}

impl<A: Element> Reference<A> for Double {
    #[inline(always)]
    fn distance(self, y: A) -> (f64, f64) {
        let ulps = ((y.widened() - self.near) / self.unit - self.rest).abs();
        (ulps, ulps * self.unit)
    }
    fn rounded(self) -> f64 {
        self.near
    }
}

/// The error in ULP where it may not be a plain number: NaN for NaN and infinity for infinity are right, NaN for anything else is not. An infinity for a number
/// counts as the power of two behind the largest number.
#[cold]
fn judged<A: Element, T: Reference<A>>(y: A, ulps: f64, truth: T) -> f64 {
    let (found, truly) = (y.widened(), truth.rounded());
    if found.is_nan() || truly.is_nan() {
        return if found.is_nan() && truly.is_nan() { 0.0 } else { f64::INFINITY };
    }
    match (found.is_infinite(), truly.is_infinite()) {
        (true, true) if found == truly => 0.0,
        (true, false) => truth.distance(if found > 0.0 { A::max_value() } else { A::min_value() }).0 + 1.0,
        (true, true) => f64::INFINITY,
        _ => ulps,
    }
}

/// A root of a derivative, and how far around it relative errors mean little.
pub(crate) type Zone = Option<(f64, f64)>;

/// The largest errors, and where.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Errors {
    pub(crate) checked: u64,
    pub(crate) ulp: f64,
    pub(crate) at: f64,
    sum: f64,
    /// Of those checked, the ones next to a root; not in the numbers above.
    near: u64,
    /// Their largest error in ULP.
    pub(crate) root_ulp: f64,
    /// Their largest absolute error, and where.
    pub(crate) root_absolute: f64,
    pub(crate) root_at: f64,
}

impl Errors {
    pub(crate) fn mean(&self) -> f64 {
        self.sum / (self.checked - self.near).max(1) as f64
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.ulp > self.ulp {
            (self.ulp, self.at) = (other.ulp, other.at);
        }
        if other.root_absolute > self.root_absolute {
            (self.root_absolute, self.root_at) = (other.root_absolute, other.root_at);
        }
        self.root_ulp = self.root_ulp.max(other.root_ulp);
        self.checked += other.checked;
        self.near += other.near;
        self.sum += other.sum;
    }

    #[inline(always)]
    fn add<A: Element, T: Reference<A>>(&mut self, x: A, y: A, truth: T, zone: Zone) {
        let (mut ulps, absolute) = truth.distance(y);
        if zone.is_some_and(|(root, width)| (x.widened() - root).abs() <= width) {
            self.near += 1;
            if !(ulps <= self.root_ulp) {
                self.root_ulp = self.root_ulp.max(judged(y, ulps, truth));
            }
            if !(absolute <= self.root_absolute) {
                (self.root_absolute, self.root_at) = (if absolute.is_nan() { f64::INFINITY } else { absolute }, x.widened());
            }
            return;
        }
        if !(ulps <= self.ulp) {
            ulps = judged(y, ulps, truth);
            if ulps > self.ulp {
                (self.ulp, self.at) = (ulps, x.widened());
            }
        }
        self.sum += ulps;
    }

    pub(crate) fn add_one<A: Element, T: Reference<A>>(&mut self, x: A, y: A, truth: T) {
        self.checked += 1;
        self.add(x, y, truth, None);
    }

    /// Measures results against truths; the loop is compiled twice, for most functions have no such root.
    pub(crate) fn add_all<A: Element, T: Reference<A>>(&mut self, x: &[A], y: &[A], truths: &[T], zone: Zone) {
        self.checked += x.len() as u64;
        for ((&x, &y), &truth) in x.iter().zip(y).zip(truths) {
            match zone {
                None => self.add(x, y, truth, None),
                Some(zone) => self.add(x, y, truth, Some(zone)),
            }
        }
    }
}

/// The errors of values and derivatives, for each instruction set.
pub(crate) type Levels = Vec<(&'static str, [Errors; 2])>;

pub(crate) fn merged(parts: impl IntoIterator<Item = Levels>) -> Levels {
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        if all.is_empty() {
            all = part;
            continue;
        }
        for ((_, all), (_, part)) in all.iter_mut().zip(&part) {
            for (all, part) in all.iter_mut().zip(part) {
                all.merge(part);
            }
        }
    }
    all
}

/// Forward and backward of a layer at every instruction set, against the truths of values and derivatives.
///
/// The arrays are cut into pieces of uneven lengths, so that every number of elements comes to stand in the tail behind the last full vector.
pub(crate) fn measure<A: Element, T: Reference<A>>(layer: &mut dyn Layer<A>, x: &[A], values: &[T], slopes: &[T], zone: Zone, levels: &mut Levels) {
    for Range { start, end } in pieces(x.len()) {
        let (x, values, slopes) = (&x[start..end], &values[start..end], &slopes[start..end]);
        let input = ArrayD::from_shape_vec(vec![x.len()], x.to_vec()).unwrap();
        at_each_level(layer, &input, &ArrayD::from_elem(vec![x.len()], A::one()), levels, |[value_errors, slope_errors], y, slope| {
            value_errors.add_all(x, y, values, None);
            slope_errors.add_all(x, slope, slopes, zone);
        });
    }
}

/// Runs forward and backward at every instruction set, and lets `add` measure what came out.
pub(crate) fn at_each_level<A: Element>(
    layer: &mut dyn Layer<A>,
    input: &ArrayD<A>,
    gradient: &ArrayD<A>,
    levels: &mut Levels,
    mut add: impl FnMut(&mut [Errors; 2], &[A], &[A]),
) {
    let (mut y, mut slope) = (input.clone(), input.clone());
    let mut index = 0;
    testing::each_level(|level| {
        layer.forward_into(input.view(), y.view_mut()).unwrap();
        layer.backward_into(gradient.view(), slope.view_mut()).unwrap();
        if levels.len() == index {
            levels.push((level, Default::default()));
        }
        add(&mut levels[index].1, y.as_slice().unwrap(), slope.as_slice().unwrap());
        index += 1;
    });
}

/// The numbers next to these, and to their mirror images: so many on either side.
pub(crate) fn around(centers: impl IntoIterator<Item = f64>, count: u32) -> Vec<f32> {
    let near = |center: f64| {
        let bits = (center as f32).abs().to_bits();
        (bits.saturating_sub(count)..=bits.saturating_add(count)).map(f32::from_bits).flat_map(|x| [x, -x])
    };
    centers.into_iter().flat_map(near).collect()
}

/// Pieces of about 4096 elements, each one longer than the one before, for up to 16 of them.
fn pieces(length: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    (0..).map_while(move |i| {
        let piece = start..length.min(start + 4096 - 7 + i % 16);
        start = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Runs the jobs on all cores; each core starts a result, and all are returned.
pub(crate) fn on_all_cores<R: Send>(jobs: u64, start: impl Fn() -> R + Sync, job: impl Fn(&mut R, u64) + Sync) -> Vec<R> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut result = start();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= jobs {
                return result;
            }
            job(&mut result, number);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
