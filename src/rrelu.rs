//! The rectifier whose negative slope is drawn anew for each element.

use std::fmt;

use fearless_simd::Simd;
use ndarray::{ArrayD, ArrayRefD};

use crate::{
    body::{Body, Record, layer_methods},
    counter::Counter,
    element::Element,
    elementwise::Kept,
    error::{ActivationError, Result, or_panic},
    formula,
    kernel::{Keep, Kind, at_level},
    layer::Layer,
    pointwise::Cost,
};

/// The randomized rectified linear unit, $f(x) = x$ for $x > 0$, and $a x$ for $x ≤ 0$, with a slope a drawn anew for each element in each `forward`, uniformly
/// between `lower` and `upper` (Xu, Wang, Chen and Li 2015, arXiv:1505.00853).
#[cfg_attr(doc, doc = "", doc = include_str!("../docs/curves/rrelu.svg"))]
///
/// `infer` takes the mean slope (lower + upper) / 2 for all. $f'(x) = 1$ for $x > 0$, and the slope drawn for $x ≤ 0$, at 0 too; a NaN counts as above 0.
/// The bounds are 1/8 and 1/3 by default, as in the paper's code and in PyTorch.
///
/// What is drawn depends on the seed, the number of forwards before (a failed one does not count, and a clone goes on from the same number), and the index of
/// the element in row-major order alone: not on the memory layout, the threads or the other elements. Both element types get the same slopes, apart from
/// rounding. Layers with the same seed draw the same: give each its own. Finite differences of `infer`, as [`gradcheck`](mod@crate::gradcheck) takes them, give
/// the mean slope and not the one drawn: check with equal bounds.
///
/// Kept for backward: the slopes drawn. Max error of the output, for the slope drawn: 0.5 ULP.
///
/// ```
/// use ndarray::array;
/// use ndarray_activations::{Layer, RReLU};
///
/// let mut rrelu = RReLU::<f64>::new(0.125, 0.25, 7);
/// let x = array![-1.0, -1.0, 3.0].into_dyn();
/// let y = rrelu.forward(&x)?;
/// assert!(y[0] != y[1] && y.iter().take(2).all(|y| (-0.25..=-0.125).contains(y)));
/// assert_eq!(rrelu.backward(&x)?, y); // the input is also the gradient here
/// assert_ne!(rrelu.forward(&x)?, y); // new slopes
/// assert_eq!(rrelu.infer(&x)?, array![-0.1875, -0.1875, 3.0].into_dyn());
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RReLU<A = f32> {
    lower: f64,
    upper: f64,
    counter: Counter,
    kept: Kept<A>,
}

impl<A: Element> RReLU<A> {
    /// The layer with slopes between these bounds, each rounded once to the element type.
    ///
    /// # Panics
    /// When `lower` lies above `upper`; [`try_new`](Self::try_new) gives an error instead.
    #[track_caller]
    pub fn new(lower: f64, upper: f64, seed: u64) -> Self {
        or_panic(Self::try_new(lower, upper, seed))
    }

    /// [`new`](Self::new) for bounds that come from elsewhere.
    ///
    /// # Errors
    /// [`ActivationError::InvalidParameter`] when `lower` lies above `upper`.
    pub fn try_new(lower: f64, upper: f64, seed: u64) -> Result<Self> {
        if lower > upper {
            let reason = format!("the lower bound {lower} lies above the upper bound {upper}");
            return Err(ActivationError::InvalidParameter { layer: "rrelu".into(), reason });
        }
        Ok(Self { lower, upper, counter: Counter::new(seed), kept: Kept::default() })
    }
}

impl<A> RReLU<A> {
    /// The mean slope.
    fn expected(&self) -> formula::LeakyReLU {
        formula::LeakyReLU::new(self.lower.midpoint(self.upper))
    }
}

impl<A: Element> Default for RReLU<A> {
    fn default() -> Self {
        Self { lower: 1.0 / 8.0, upper: 1.0 / 3.0, counter: Counter::new(0), kept: Kept::default() }
    }
}

impl<A: Element> Layer<A> for RReLU<A> {
    layer_methods!();
    fn name(&self) -> &str {
        "rrelu"
    }
    /// The bounds and the seed: `"rrelu(0.125, 0.3333333333333333, 7)"`; [`by_name`](crate::by_name) reads seeds below 2^53.
    fn spec(&self) -> String {
        format!("rrelu({}, {}, {})", self.lower, self.upper, self.counter.seed)
    }
    fn kinks(&self) -> Vec<f64> {
        vec![0.0]
    }
    fn clear_cache(&mut self) {
        self.kept = Kept::default();
    }
}

impl<A: Element> fmt::Display for RReLU<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spec())
    }
}

impl<A: Element> Body<A> for RReLU<A> {
    fn record(&self) -> &Record {
        &self.kept.record
    }
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::elementwise_infer(&self.expected(), input, output);
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::rrelu_forward(self, input, output);
    }
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::elementwise_backward(&self.kept, Kind::Smooth, Cost::Arithmetic, gradient, output);
    }
    fn infer_new(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        Ok(A::elementwise_infer_new(&self.expected(), input))
    }
    fn backward_new(&mut self, gradient: &ArrayD<A>) -> ArrayD<A> {
        A::elementwise_backward_new(&self.kept, Kind::Smooth, Cost::Arithmetic, gradient)
    }
}

pub(crate) fn forward<A: Element>(layer: &mut RReLU<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let (lower, upper) = (A::rounded(layer.lower), A::rounded(layer.upper));
    layer.counter.forward(Kind::Smooth, &mut layer.kept, input, output, |level, words, x, y, keep| {
        if let Keep::Derivative(slopes) = keep {
            at_level!(level, simd => rectify(simd, words, x, y, slopes, lower, upper));
        }
    });
}

#[inline(always)]
fn rectify<S: Simd, A: Element>(_simd: S, words: &[u64], x: &[A], y: &mut [A], slopes: &mut [A], lower: A, upper: A) {
    for (((&word, &x), y), slope) in words.iter().zip(x).zip(y).zip(slopes) {
        let u = A::uniform(word);
        // This sum, unlike lower + u (upper - lower), does not overflow.
        let drawn = lower * (A::one() - u) + upper * u;
        // Rounding may lead out of the bounds.
        let drawn = if drawn < lower { lower } else { drawn };
        let drawn = if drawn > upper { upper } else { drawn };
        *slope = if x <= A::zero() { drawn } else { A::one() };
        *y = x * *slope;
    }
}
