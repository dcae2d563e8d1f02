//! What a batch of outputs says about the health of a layer: dead and saturated units, mean and spread.
//!
//! ```
//! use ndarray::array;
//! use ndarray_activations::{Layer, ReLU, diagnostics::summarize};
//!
//! // Three samples of two units, the second of which never fires.
//! let outputs = ReLU::new().infer(&array![[1.0_f32, -2.0], [3.0, -1.0], [-1.0, -5.0]].into_dyn())?;
//! let summary = summarize(&outputs);
//! assert_eq!(summary.dead_fraction(), 0.5);
//! assert_eq!(summary.unit_means(), [4.0 / 3.0, 0.0]);
//! # Ok::<(), ndarray_activations::ActivationError>(())
//! ```

use std::{
    fmt,
    ops::{Bound, RangeBounds},
};

use ndarray::{ArrayD, Axis};

use crate::Element;

/// How near to a bound an output counts as saturated, in units of the width of the range (of max(1, |bound|) where the range has one bound).
const MARGIN: f64 = 0.01;
/// The share of the samples in which a saturated unit is near a bound.
const NEARLY_ALL: f64 = 0.95;

/// A summary of a batch of outputs, with the range of the activation deduced from them.
///
/// Axis 0 counts the samples; whatever the other axes hold is a unit, flattened in logical (row-major) order. An array of one axis is a single unit, a 0-d
/// array a single sample of one.
///
/// **Dead** is a unit whose output is exactly 0 in every sample: behind a `ReLU` it gets no gradient, and never recovers from this batch.
///
/// **Saturated** is a unit whose output lies, in at least 95 % of the samples, within 1 % of the width of the activation's range from either bound (not
/// necessarily the same one): below 0.01 or above 0.99 for a sigmoid, whose derivative is then below 0.0099; above 0.98 in size for a tanh, with a derivative
/// below 0.04. The range is deduced from all outputs together, NaN aside:
///
/// - all in \[0, 1\]: that is the range, unless some are exactly 0 and at most half of the others are near 1. Then it was a `ReLU` with small inputs, whose
///   zeros are dead or idle but not saturated;
/// - all in \[-1, 1\]: that is the range;
/// - else the outputs have no bounds, and nothing is saturated.
///
/// Where that may guess wrong (a probability per class, which is rightly near 0; a `ReLU6`; an `ELU`) say the range: [`summarize_with`].
pub fn summarize<A: Element>(outputs: &ArrayD<A>) -> Summary {
    let values = || outputs.iter().map(|y| y.widened()).filter(|y| !y.is_nan());
    let within = |low: f64| values().all(|y| (low..=1.0).contains(&y));
    let zeros = values().filter(|&y| y == 0.0).count();
    let near_one = values().filter(|&y| y >= 1.0 - MARGIN).count();
    let rectified = zeros > 0 && 2 * near_one <= values().count() - zeros;
    match (within(0.0), within(-1.0)) {
        (true, _) if !rectified => summarize_with(outputs, 0.0..=1.0),
        (false, true) => summarize_with(outputs, -1.0..=1.0),
        _ => summarize_with(outputs, ..),
    }
}

/// As [`summarize`], with the range of the activation given: `-1.0..=1.0` for a tanh, `0.0..=6.0` for a `ReLU6`, `-1.0..` for an `ELU`, `..` for none.
///
/// Where the range has one bound b, near means within 0.01 · max(1, |b|) of it. Outputs at or beyond a bound are saturated, zeros too. In a range that is empty
/// or has a NaN nothing is.
///
/// ```
/// use ndarray::array;
/// use ndarray_activations::{ELU, Layer, diagnostics::summarize_with};
///
/// let outputs = ELU::new(1.0).infer(&array![[-9.0, 2.0], [-7.0, -0.1]].into_dyn())?;
/// assert_eq!(summarize_with(&outputs, -1.0..).saturated_fraction(), 0.5);
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
pub fn summarize_with<A: Element>(outputs: &ArrayD<A>, range: impl RangeBounds<f64>) -> Summary {
    let view = if outputs.ndim() == 0 { outputs.view().insert_axis(Axis(0)) } else { outputs.view() };
    let (low, high) = margins(&range);
    let samples = view.len_of(Axis(0));
    let mut units = vec![Unit::default(); view.shape().iter().skip(1).product()];
    for sample in view.axis_iter(Axis(0)) {
        for (unit, y) in units.iter_mut().zip(sample) {
            let y = y.widened();
            unit.mean += y;
            unit.zeros += usize::from(y == 0.0);
            unit.saturated += usize::from(y <= low || y >= high);
        }
    }
    units.iter_mut().for_each(|unit| unit.mean /= samples as f64);
    // A second pass, because the mean of the squares less the square of the mean would cancel.
    for sample in view.axis_iter(Axis(0)) {
        units.iter_mut().zip(sample).for_each(|(unit, y)| unit.variance += (y.widened() - unit.mean).powi(2));
    }
    units.iter_mut().for_each(|unit| unit.variance /= samples as f64);

    // Every unit has as many samples, so the variance of all is the mean of the variances and the variance of the means.
    let mean_of = |value: &dyn Fn(&Unit) -> f64| units.iter().map(value).sum::<f64>() / units.len() as f64;
    let mean = mean_of(&|unit| unit.mean);
    let variance = mean_of(&|unit| unit.variance) + mean_of(&|unit| (unit.mean - mean).powi(2));
    let share = |is: &dyn Fn(&Unit) -> bool| match samples * units.len() {
        0 => 0.0,
        _ => units.iter().filter(|unit| is(unit)).count() as f64 / units.len() as f64,
    };
    Summary {
        samples,
        dead: share(&|unit| unit.zeros == samples),
        saturated: share(&|unit| unit.saturated as f64 >= NEARLY_ALL * samples as f64),
        mean,
        std: variance.sqrt(),
        unit_means: units.iter().map(|unit| unit.mean).collect(),
        unit_stds: units.iter().map(|unit| unit.variance.sqrt()).collect(),
        unit_saturations: units.iter().map(|unit| unit.saturated as f64 / samples as f64).collect(),
    }
}

#[derive(Clone, Copy, Default)]
struct Unit {
    /// The sum of the outputs, then their mean.
    mean: f64,
    /// The sum of the squared deviations, then their mean.
    variance: f64,
    zeros: usize,
    saturated: usize,
}

/// At or below the first number, and at or above the second, an output is saturated.
fn margins(range: &impl RangeBounds<f64>) -> (f64, f64) {
    let bound = |bound: Bound<&f64>, none: f64| match bound {
        Bound::Included(&bound) | Bound::Excluded(&bound) => bound,
        Bound::Unbounded => none,
    };
    let (low, high) = (bound(range.start_bound(), f64::NEG_INFINITY), bound(range.end_bound(), f64::INFINITY));
    let margin = |bound: f64| MARGIN * if (high - low).is_finite() { high - low } else { bound.abs().max(1.0) };
    match low < high {
        true => (low + margin(low), high - margin(high)),
        false => (f64::NAN, f64::NAN),
    }
}

/// What a batch of outputs looks like; see [`summarize`] for what the words mean.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a summary changes nothing"]
pub struct Summary {
    samples: usize,
    dead: f64,
    saturated: f64,
    mean: f64,
    std: f64,
    unit_means: Vec<f64>,
    unit_stds: Vec<f64>,
    unit_saturations: Vec<f64>,
}

impl Summary {
    /// The number of samples: the length of axis 0.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The number of units: the product of the other lengths.
    pub fn units(&self) -> usize {
        self.unit_means.len()
    }

    /// The share of the units that are exactly 0 in every sample; 0 where there is no output at all.
    pub fn dead_fraction(&self) -> f64 {
        self.dead
    }

    /// The share of the units that are near a bound of the range in at least 95 % of the samples; 0 where there is no output at all.
    pub fn saturated_fraction(&self) -> f64 {
        self.saturated
    }

    /// The mean of all outputs; NaN where there is none, or one of them is NaN.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The standard deviation of all outputs (the population's, as numpy's `std`: divided by their number); NaN as the [mean](Self::mean), and where an
    /// output is infinite.
    pub fn std(&self) -> f64 {
        self.std
    }

    /// The mean of each unit over the samples.
    pub fn unit_means(&self) -> &[f64] {
        &self.unit_means
    }

    /// The standard deviation of each unit over the samples (divided by their number).
    pub fn unit_stds(&self) -> &[f64] {
        &self.unit_stds
    }

    /// For each unit the share of its samples that are near a bound of the range, for those who want another threshold than 95 %; their mean is the share of
    /// saturated outputs. NaN where there is no sample.
    pub fn unit_saturations(&self) -> &[f64] {
        &self.unit_saturations
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (samples, units, dead, saturated) = (self.samples, self.units(), 100.0 * self.dead, 100.0 * self.saturated);
        write!(f, "{samples} samples of {units} units: {dead:.1} % dead, {saturated:.1} % saturated, mean {:.4}, std {:.4}", self.mean, self.std)
    }
}
