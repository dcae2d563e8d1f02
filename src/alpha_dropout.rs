//! Dropout for networks of SELUs.

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
    kernel::{Keep, Kind, WORD, at_level},
    layer::Layer,
    pointwise::Cost,
};

/// Alpha dropout: in `forward`, an element is set to α' with probability p, and then all go through the line $a x + b$ that gives them mean 0 and variance 1
/// again, if they had these before (Klambauer, Unterthiner, Mayr and Hochreiter 2017, arXiv:1706.02515, section "New Dropout Technique").
#[cfg_attr(doc, doc = "", doc = include_str!("../docs/curves/alpha_dropout.svg"))]
///
/// $α' = -1.7580993408473768$ is the limit of [`SELU`](crate::SELU) at -∞. With $q = 1 - p$: $a = (q + α'^2 q (1 - q))^{-1/2}$ and
/// $b = -a (1 - q) α'$. The paper found 0.05 and 0.1 good; 0.5, the default, is PyTorch's. p = 0 changes nothing; p = 1 gives zeros. `infer` is the identity.
///
/// The derivative is a where the element is kept, and 0 where it is dropped. Backward selects: any gradient, NaN too, gives exactly 0 where the element was
/// dropped. A NaN is never dropped, so that it is not hidden.
///
/// What is dropped otherwise depends on the seed, the number of forwards before (a failed one does not count, and a clone goes on from the same number), and
/// the index of the element in row-major order alone: not on the memory layout, the threads or the element type. Layers with the same seed drop the same: give
/// each its own.
///
/// Kept for backward: one bit an element.
///
/// ```
/// use ndarray::{ArrayD, IxDyn};
/// use ndarray_activations::{AlphaDropout, Layer};
///
/// let mut dropout = AlphaDropout::<f64>::new(0.25, 7);
/// let x = ArrayD::ones(IxDyn(&[100]));
/// let y = dropout.forward(&x)?;
/// let dropped = y.iter().filter(|&&y| y < 0.0).count();
/// assert!((10..40).contains(&dropped));
/// let g = dropout.backward(&x)?;
/// assert_eq!(g.iter().filter(|&&g| g == 0.0).count(), dropped);
/// assert_eq!(dropout.infer(&x)?, x);
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AlphaDropout<A = f32> {
    p: f64,
    counter: Counter,
    kept: Kept<A>,
}

/// The limit of SELU at -∞, the product of its two constants, rounded once.
const ALPHA: f64 = -1.758_099_340_847_376_8;

impl<A: Element> AlphaDropout<A> {
    /// The layer that drops an element with this probability.
    ///
    /// # Panics
    /// When `p` does not lie between 0 and 1; [`try_new`](Self::try_new) gives an error instead.
    #[track_caller]
    pub fn new(p: f64, seed: u64) -> Self {
        or_panic(Self::try_new(p, seed))
    }

    /// [`new`](Self::new) for a probability that comes from elsewhere.
    ///
    /// # Errors
    /// [`ActivationError::InvalidParameter`] when `p` does not lie between 0 and 1.
    pub fn try_new(p: f64, seed: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&p) {
            let reason = format!("the probability should lie between 0 and 1, found {p}");
            return Err(ActivationError::InvalidParameter { layer: "alpha_dropout".into(), reason });
        }
        Ok(Self { p, counter: Counter::new(seed), kept: Kept::default() })
    }

    /// The line a x + b, as (a, b).
    fn line(&self) -> (f64, f64) {
        if self.p == 0.0 {
            // -0.0 and not 0.0: this one changes no x when it is added.
            return (1.0, -0.0);
        }
        if self.p == 1.0 {
            return (0.0, 0.0);
        }
        let q = 1.0 - self.p;
        let a = 1.0 / (q + ALPHA * ALPHA * q * self.p).sqrt();
        (a, -a * self.p * ALPHA)
    }

    /// The slopes where an element is dropped and where it is kept.
    fn kind(&self) -> Kind {
        Kind::TwoSlope { lower: 0.0, upper: self.line().0 }
    }
}

impl<A: Element> Default for AlphaDropout<A> {
    fn default() -> Self {
        Self { p: 0.5, counter: Counter::new(0), kept: Kept::default() }
    }
}

impl<A: Element> Layer<A> for AlphaDropout<A> {
    layer_methods!();
    fn name(&self) -> &str {
        "alpha_dropout"
    }
    /// The probability and the seed: `"alpha_dropout(0.1, 7)"`; [`by_name`](crate::by_name) reads seeds below 2^53.
    fn spec(&self) -> String {
        format!("alpha_dropout({}, {})", self.p, self.counter.seed)
    }
    fn clear_cache(&mut self) {
        self.kept = Kept::default();
    }
}

impl<A: Element> fmt::Display for AlphaDropout<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spec())
    }
}

impl<A: Element> Body<A> for AlphaDropout<A> {
    fn record(&self) -> &Record {
        &self.kept.record
    }
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::elementwise_infer(&formula::Identity, input, output);
    }
    fn infer_new(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        Ok(A::elementwise_infer_new(&formula::Identity, input))
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::alpha_dropout_forward(self, input, output);
    }
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::elementwise_backward(&self.kept, self.kind(), Cost::Arithmetic, gradient, output);
    }
    fn backward_new(&mut self, gradient: &ArrayD<A>) -> ArrayD<A> {
        A::elementwise_backward_new(&self.kept, self.kind(), Cost::Arithmetic, gradient)
    }
}

pub(crate) fn forward<A: Element>(layer: &mut AlphaDropout<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let kind = layer.kind();
    let (a, b) = layer.line();
    let drop = Drop { below: (layer.p * f64::powi(2.0, 53)) as u64, a: A::rounded(a), b: A::rounded(b), dropped: A::rounded(a * ALPHA + b) };
    layer.counter.forward(kind, &mut layer.kept, input, output, |level, words, x, y, keep| {
        let bits = if let Keep::Bits(bits) = keep { bits } else { &mut [] };
        at_level!(level, simd => drop.run(simd, words, x, y, bits));
    });
}

#[derive(Clone, Copy)]
struct Drop<A> {
    /// Elements are dropped whose 53 random bits lie below this.
    below: u64,
    a: A,
    b: A,
    /// What dropped elements become.
    dropped: A,
}

impl<A: Element> Drop<A> {
    #[inline(always)]
    fn run<S: Simd>(self, _simd: S, words: &[u64], x: &[A], y: &mut [A], bits: &mut [u64]) {
        for (bits, (words, x)) in bits.iter_mut().zip(words.chunks(WORD).zip(x.chunks(WORD))) {
            *bits = words.iter().zip(x).enumerate().map(|(i, (&word, &x))| u64::from(self.keeps(word, x)) << i).sum();
        }
        for ((&word, &x), y) in words.iter().zip(x).zip(y) {
            *y = if self.keeps(word, x) { x * self.a + self.b } else { self.dropped };
        }
    }

    #[inline(always)]
    fn keeps(self, word: u64, x: A) -> bool {
        (word >> 11 >= self.below) | x.is_nan()
    }
}
