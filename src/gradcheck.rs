//! Gradients against finite differences, for every [`Layer<f64>`](Layer), your own included.
//!
//! ```
//! use ndarray::array;
//! use ndarray_activations::{GELU, gradcheck};
//!
//! let x = array![[-2.0, -0.5, 0.1], [0.5, 1.0, 3.0]].into_dyn();
//! let report = gradcheck::gradcheck(&mut GELU::new(), &x)?;
//! assert!(report.passed(), "{report}");
//! # Ok::<(), ndarray_activations::ActivationError>(())
//! ```
//!
//! What it cannot see: an error below the absolute tolerance, which in the tails is nearly every error. Compare those with reference values.

use std::fmt;

use ndarray::{ArrayD, Dimension, IxDyn};

use crate::{ActivationError, Layer, Param, Result};

/// Checks the layer at this input with the default step and tolerances: [`Gradcheck::default`].
///
/// # Errors
/// As [`Gradcheck::check`]. A wrong gradient is not an error but a report that did not pass.
pub fn gradcheck<L: Layer<f64> + ?Sized>(layer: &mut L, input: &ArrayD<f64>) -> Result<Report> {
    Gradcheck::default().check(layer, input)
}

/// Central differences in f64 against `backward`, for the input and every parameter.
///
/// With a fixed gradient g of the output (random numbers between 1 and 2 in size, of both signs, the same in each run), the scalar L = Σ g · f is
/// differentiated by each number x of the input and of the parameters, once by `backward` and once as (L(x + h) - L(x - h)) / 2h. The two agree if
/// |analytic - numeric| ≤ atol + rtol · |numeric|. For a layer that works element by element both are f'(x) times the element's g.
///
/// - The numeric side calls [`infer`](Layer::infer), which leaves alone what `forward` kept. A layer that is random in `forward`, such as dropout, therefore
///   fails; the report then says that the two gave different outputs.
/// - The cost is two `infer` for each number checked, so quadratic in the size of the input: a few hundred numbers are enough.
/// - h is [`step`](Self::step) as it stands; only where |x| is so large that the rounding of x and f would drown the difference, 2⁻³⁰ |x| is taken instead.
/// - NaN on one side alone is a failure. There is no difference at an infinite or NaN input: the numeric side is NaN there. An element of the output that
///   is NaN on both sides of a finite x counts as unchanged.
/// - Within h of a kink that the layer declares ([`Layer::kinks`]) the difference lies between the two one-sided derivatives. Such elements of the input are
///   compared all the same, unless [`skip_kinks`](Self::skip_kinks) is set, and the report says so.
///
/// ```
/// use ndarray::{ArrayD, array};
/// use ndarray_activations::{Layer, Result, gradcheck::Gradcheck};
///
/// /// The square, with a mistake.
/// #[derive(Debug)]
/// struct Square(ArrayD<f64>);
///
/// impl Layer<f64> for Square {
///     fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
///         self.0 = input.clone();
///         self.infer(input)
///     }
///     fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
///         Ok(&self.0 * grad_output * 3.0) // should be 2.0
///     }
///     fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
///         Ok(input * input)
///     }
///     fn name(&self) -> &str {
///         "square"
///     }
/// }
///
/// let x = array![1.0, 2.0].into_dyn();
/// let report = Gradcheck::default().step(1e-6).atol(1e-5).rtol(1e-3).check(&mut Square(ArrayD::default([0].as_slice())), &x)?;
/// assert!(!report.passed());
/// assert!(report.to_string().starts_with("gradcheck of square: FAILED, 2 of 2 numbers differ"));
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "nothing is checked until `check`"]
pub struct Gradcheck {
    step: f64,
    atol: f64,
    rtol: f64,
    skip_kinks: bool,
}

impl Default for Gradcheck {
    /// Step 10⁻⁶, absolute tolerance 10⁻⁵, relative tolerance 10⁻³, kinks compared.
    fn default() -> Self {
        Self { step: 1e-6, atol: 1e-5, rtol: 1e-3, skip_kinks: false }
    }
}

impl Gradcheck {
    /// The step h, absolute; a finite number above 0.
    pub fn step(mut self, step: f64) -> Self {
        self.step = step;
        self
    }

    /// The absolute tolerance; a finite number, at least 0.
    pub fn atol(mut self, atol: f64) -> Self {
        self.atol = atol;
        self
    }

    /// The tolerance relative to the numeric derivative; a finite number, at least 0.
    pub fn rtol(mut self, rtol: f64) -> Self {
        self.rtol = rtol;
        self
    }

    /// Whether elements of the input within a step of a declared kink are left out (and counted as [skipped](Report::skipped)).
    pub fn skip_kinks(mut self, skip: bool) -> Self {
        self.skip_kinks = skip;
        self
    }

    /// Compares `backward` with central differences at this input.
    ///
    /// The parameters and their gradients are afterwards exactly as before, after an error too. What the layer keeps for `backward` is that of a
    /// `forward` on `input`.
    ///
    /// # Errors
    /// Where the layer's `infer`, `forward` or `backward` fails; where a gradient has not the shape of what it belongs to, or `forward` not that of `infer`;
    /// where `params` and `params_mut` list different numbers of parameters; where step or tolerances are senseless.
    pub fn check<L: Layer<f64> + ?Sized>(self, layer: &mut L, input: &ArrayD<f64>) -> Result<Report> {
        let sane = self.step > 0.0 && [self.step, self.atol, self.rtol].iter().all(|&number| number >= 0.0 && number.is_finite());
        if !sane {
            let reason = format!("step {} must be above 0, tolerances {} and {} at least 0, all of them finite", self.step, self.atol, self.rtol);
            return Err(ActivationError::InvalidParameter { layer: "gradcheck".into(), reason });
        }
        let saved: Vec<Param<f64>> = layer.params_mut().into_iter().map(|param| param.clone()).collect();
        if saved.len() != layer.params().len() {
            // Else parameters of a layer that forgot one of the two would pass unchecked.
            let message = format!("params lists {} parameters, params_mut {}", layer.params().len(), saved.len());
            return Err(ActivationError::Other { layer: layer.name().into(), message });
        }
        let report = self.compare(layer, input, &saved);
        for (param, saved) in layer.params_mut().into_iter().zip(saved) {
            *param = saved;
        }
        report
    }

    fn compare<L: Layer<f64> + ?Sized>(self, layer: &mut L, input: &ArrayD<f64>, params: &[Param<f64>]) -> Result<Report> {
        let inferred = layer.infer(input)?;
        layer.zero_grad();
        let output = layer.forward(input)?;
        ActivationError::check_shape(layer.name(), "output of forward", inferred.shape(), output.shape())?;
        let mut grad_output = ArrayD::zeros(output.raw_dim());
        grad_output.iter_mut().zip(0..).for_each(|(g, index)| *g = weight(index));

        let mut sources = vec![(Source::Input, input, layer.backward(&grad_output)?)];
        for (position, (param, now)) in params.iter().zip(layer.params_mut()).enumerate() {
            sources.push((Source::Param { position, name: param.name().into() }, &param.value, now.grad.clone()));
        }
        let mut report = Report {
            layer: layer.name().into(),
            compared: 0,
            skipped: 0,
            failed: 0,
            forward_is_infer: output.iter().zip(&inferred).all(|(&a, &b)| self.excess(a, b) <= 1.0),
            worst: None,
        };
        let (mut greatest, kinks, mut point) = (f64::NEG_INFINITY, layer.kinks(), input.clone());
        for (source, values, gradient) in sources {
            ActivationError::check_shape(layer.name(), &format!("gradient of the {source}"), values.shape(), gradient.shape())?;
            for ((index, &x), &analytic) in values.indexed_iter().zip(&gradient) {
                let step = self.step_at(x);
                let kink = kinks.iter().copied().find(|kink| source == Source::Input && (x - kink).abs() <= step);
                if self.skip_kinks && kink.is_some() {
                    report.skipped += 1;
                    continue;
                }
                let (above, below) = (x + step, x - step);
                let upper = infer_at(layer, &mut point, &source, &index, above)?;
                let lower = infer_at(layer, &mut point, &source, &index, below)?;
                set(layer, &mut point, &source, &index, x)?;
                for side in [&upper, &lower] {
                    ActivationError::check_shape(layer.name(), "output of infer", output.shape(), side.shape())?;
                }
                let numeric = change(&upper, &lower, &grad_output) / (above - below);

                let excess = self.excess(analytic, numeric);
                report.compared += 1;
                report.failed += usize::from(excess > 1.0);
                if excess > greatest {
                    greatest = excess;
                    let (source, index) = (source.clone(), index.slice().to_vec());
                    report.worst = Some(Comparison { source, index, analytic, numeric, tolerance: self.tolerance(numeric), kink });
                }
            }
        }
        Ok(report)
    }

    fn step_at(self, x: f64) -> f64 {
        const LEAST: f64 = 1.0 / (1_u32 << 30) as f64;
        if x.is_finite() { self.step.max(LEAST * x.abs()) } else { self.step }
    }

    fn tolerance(self, numeric: f64) -> f64 {
        self.atol + self.rtol * numeric.abs()
    }

    /// The difference in units of the tolerance.
    fn excess(self, analytic: f64, numeric: f64) -> f64 {
        if analytic == numeric || (analytic.is_nan() && numeric.is_nan()) {
            return 0.0;
        }
        let excess = (analytic - numeric).abs() / self.tolerance(numeric);
        if excess.is_nan() { f64::INFINITY } else { excess }
    }
}

/// An element of the gradient of the output: of size 1 to 2, so that it hides no error, and of either sign, so that errors do not cancel in a sum.
fn weight(index: u64) -> f64 {
    // SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195).
    let mut bits = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let size = 1.0 + (bits >> 32) as f64 / (1_u64 << 32) as f64;
    if bits & 1 == 0 { size } else { -size }
}

/// Σ g (upper - lower), where what did not change counts nothing, be it infinite or NaN.
fn change(upper: &ArrayD<f64>, lower: &ArrayD<f64>, grad_output: &ArrayD<f64>) -> f64 {
    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
    upper.iter().zip(lower).zip(grad_output).filter(|&((&a, &b), _)| !same(a, b)).map(|((a, b), g)| g * (a - b)).sum()
}

/// Gives one number of the input or of a parameter another value.
fn set<L: Layer<f64> + ?Sized>(layer: &mut L, point: &mut ArrayD<f64>, source: &Source, index: &IxDyn, value: f64) -> Result<()> {
    let name = layer.name().to_owned();
    let place = match source {
        Source::Input => point.get_mut(index),
        Source::Param { position, .. } => layer.params_mut().into_iter().nth(*position).and_then(|param| param.value.get_mut(index)),
    };
    let message = || format!("the {source} changed its shape during the check");
    *place.ok_or_else(|| ActivationError::Other { layer: name, message: message() })? = value;
    Ok(())
}

/// The output with one number of the input or of a parameter at another value, which it keeps.
fn infer_at<L: Layer<f64> + ?Sized>(layer: &mut L, point: &mut ArrayD<f64>, source: &Source, index: &IxDyn, value: f64) -> Result<ArrayD<f64>> {
    set(layer, point, source, index, value)?;
    layer.infer(point)
}

/// What was differentiated by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The input of the layer.
    Input,
    /// A parameter of the layer.
    Param {
        /// Its position in [`Layer::params`].
        position: usize,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => f.write_str("input"),
            Self::Param { position, name } => write!(f, "parameter {position} ({name})"),
        }
    }
}

/// One number of the gradient beside the finite difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    source: Source,
    index: Vec<usize>,
    analytic: f64,
    numeric: f64,
    tolerance: f64,
    kink: Option<f64>,
}

impl Comparison {
    /// What was differentiated by: the input or one of the parameters.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The index of the element in it; empty for a 0-d array.
    pub fn index(&self) -> &[usize] {
        &self.index
    }

    /// The derivative as `backward` gave it.
    pub fn analytic(&self) -> f64 {
        self.analytic
    }

    /// The derivative as a finite difference.
    pub fn numeric(&self) -> f64 {
        self.numeric
    }

    /// What the two may differ by: atol + rtol · |numeric|.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// The kink of the layer that lies within a step of the element, if one does: then one-sided derivatives explain a difference.
    pub fn kink(&self) -> Option<f64> {
        self.kink
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, index, analytic, numeric, tolerance, kink } = self;
        write!(f, "{source} at {index:?}: analytic {analytic:e}, numeric {numeric:e}, tolerance {tolerance:e}")?;
        match kink {
            Some(kink) => write!(f, " (within a step of the kink at {kink}: one-sided derivatives explain a difference)"),
            None => Ok(()),
        }
    }
}

/// What a check found; `Display` tells it in a sentence or two.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a wrong gradient is no error; ask `passed`"]
pub struct Report {
    layer: String,
    compared: usize,
    skipped: usize,
    failed: usize,
    forward_is_infer: bool,
    worst: Option<Comparison>,
}

impl Report {
    /// Whether all numbers that were compared agree within their tolerances (also where there was none to compare).
    pub fn passed(&self) -> bool {
        self.failed == 0
    }

    /// The number that is farthest off, in units of its tolerance, passed or not; none where nothing was compared.
    pub fn worst(&self) -> Option<&Comparison> {
        self.worst.as_ref()
    }

    /// How many numbers were compared, those of the input and of the parameters together.
    pub fn compared(&self) -> usize {
        self.compared
    }

    /// How many elements of the input were left out because of [`Gradcheck::skip_kinks`].
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// How many numbers differ by more than their tolerance.
    pub fn failed(&self) -> usize {
        self.failed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, compared, skipped, failed, .. } = self;
        write!(f, "gradcheck of {layer}: ")?;
        match self.passed() {
            true => write!(f, "passed, {compared} numbers compared")?,
            false => write!(f, "FAILED, {failed} of {compared} numbers differ")?,
        }
        if *skipped > 0 {
            write!(f, ", {skipped} near kinks left out")?;
        }
        if let Some(worst) = &self.worst {
            write!(f, "; worst: {worst}")?;
        }
        if !self.forward_is_infer {
            write!(f, ". forward and infer gave different outputs: a layer that is random in training cannot be checked, since the numeric side is infer")?;
        }
        Ok(())
    }
}
