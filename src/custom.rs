//! A layer from two closures.

use std::fmt;

use crate::{
    element::Element,
    elementwise::Elementwise,
    kernel::{Keep, Kernel, Kind, Output},
    pointwise::Cost,
};

/// A layer of your own from two closures, the value and the derivative at one point.
///
/// The closures see one element at a time. A formula that runs on whole vectors, as the activations of this crate do: see [`Pointwise`](crate::Pointwise).
/// [`gradcheck`](mod@crate::gradcheck) tells whether the derivative is right.
///
/// `forward` calls both closures for each element, on several threads for large arrays, in no particular order; it keeps the derivative. When a closure panics
/// the panic goes through to the caller: the layer then remembers no forward, and a destination that was passed in may be half filled.
///
/// ```
/// use ndarray::array;
/// use ndarray_activations::{Custom, Layer};
///
/// let mut square = Custom::new("square", |x: f64| x * x, |x: f64| 2.0 * x);
/// assert_eq!(square.forward(&array![-3.0, 0.5].into_dyn())?, array![9.0, 0.25].into_dyn());
/// assert_eq!(square.backward(&array![1.0, 1.0].into_dyn())?, array![-6.0, 1.0].into_dyn());
///
/// // Parameters are captured, and kinks told to those who check gradients.
/// let slope = 0.1;
/// let leaky = move |x: f32| if x > 0.0 { x } else { slope * x };
/// let own = Custom::new("my_leaky", leaky, move |x| if x > 0.0 { 1.0 } else { slope }).with_kinks(vec![0.0]);
/// assert_eq!(own.infer(&array![-1.0, 2.0].into_dyn())?, array![-0.1, 2.0].into_dyn());
/// assert_eq!(own.kinks(), [0.0]);
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
pub type Custom<V, D, A = f32> = Elementwise<Closures<V, D>, A>;

/// The formula of [`Custom`]: two closures under a name.
#[derive(Clone)]
pub struct Closures<V, D> {
    name: String,
    value: V,
    derivative: D,
    kinks: Vec<f64>,
}

impl<V: Fn(A) -> A + Send + Sync, D: Fn(A) -> A + Send + Sync, A: Element> Elementwise<Closures<V, D>, A> {
    /// The layer of f and f', under a name for messages and listings.
    pub fn new(name: impl Into<String>, value: V, derivative: D) -> Self {
        Self::from_formula(Closures { name: name.into(), value, derivative, kinks: Vec::new() })
    }

    /// The same layer, with the inputs at which its derivative jumps: what [`Layer::kinks`](crate::Layer::kinks) gives.
    #[must_use]
    pub fn with_kinks(mut self, kinks: Vec<f64>) -> Self {
        self.formula.kinks = kinks;
        self
    }
}

impl<V, D> fmt::Debug for Closures<V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closures").field("name", &self.name).field("kinks", &self.kinks).finish_non_exhaustive()
    }
}

impl<V: Fn(A) -> A + Send + Sync, D: Fn(A) -> A + Send + Sync, A: Element> Kernel<A> for Closures<V, D> {
    fn name(&self) -> &str {
        &self.name
    }
    fn spec(&self) -> String {
        self.name.clone()
    }
    fn kinks(&self) -> Vec<f64> {
        self.kinks.clone()
    }
    fn kind(&self) -> Kind {
        Kind::Smooth
    }
    fn cost(&self) -> Cost {
        // Nobody knows; most formulas have an exponential.
        Cost::Transcendental
    }
    fn run(&self, _level: fearless_simd::Level, input: Option<&[A]>, output: Output<'_, A>, keep: Keep<'_, A>) {
        match keep {
            Keep::Derivative(derivative) => {
                let mut slopes = derivative.iter_mut();
                output.map(input, |x| {
                    if let Some(slope) = slopes.next() {
                        *slope = (self.derivative)(x);
                    }
                    (self.value)(x)
                });
            }
            _ => output.map(input, &self.value),
        }
    }
}
