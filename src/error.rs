//! What can go wrong, and how it is told.

use ndarray::ShapeError;

/// Every misuse of a layer, as a sentence that names the layer, what it expected and what it found.
///
/// After an error a layer of this crate is as it was before the call: cache, parameters, gradients and destination are untouched.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ActivationError {
    /// `backward` was called while no successful `forward` is remembered.
    #[error("{layer}: backward needs a forward before it, and none is remembered")]
    BackwardBeforeForward {
        /// The layer's name.
        layer: String,
    },
    /// An array (a gradient, a destination, a parameter) has another shape than the one that fits.
    #[error("{layer}: the {what} should have shape {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// The layer's name.
        layer: String,
        /// Which array: "gradient", "destination", "input", "alpha", …
        what: String,
        /// The shape that fits.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// The layer works along an axis that the input does not have.
    #[error("{layer}: axis {axis} is out of range for an input with {ndim} axes")]
    AxisOutOfRange {
        /// The layer's name.
        layer: String,
        /// The axis asked for.
        axis: usize,
        /// How many axes the input has.
        ndim: usize,
    },
    /// A parameter or mask does not broadcast against the input.
    #[error("{layer}: the {what} of shape {parameter:?} does not broadcast against an input of shape {input:?}")]
    NotBroadcastable {
        /// The layer's name.
        layer: String,
        /// Which array: "alpha", "mask", …
        what: String,
        /// Its shape.
        parameter: Vec<usize>,
        /// The input's shape.
        input: Vec<usize>,
    },
    /// The length of an axis does not divide into the parts that the layer needs.
    #[error("{layer}: axis {axis} has length {length}, which is not a multiple of {parts}")]
    NotDivisible {
        /// The layer's name.
        layer: String,
        /// The axis.
        axis: usize,
        /// Its length.
        length: usize,
        /// The number of parts.
        parts: usize,
    },
    /// An `_inplace` form of a layer whose output has another shape than its input.
    #[error("{layer}: works in place only where input and output have the same shape; here {input:?} becomes {output:?}")]
    ShapeChanges {
        /// The layer's name.
        layer: String,
        /// The input's shape.
        input: Vec<usize>,
        /// The output's shape.
        output: Vec<usize>,
    },
    /// A number with which the layer makes no sense.
    #[error("{layer}: {reason}")]
    InvalidParameter {
        /// The layer's name.
        layer: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No activation has this name.
    #[error("unknown activation {name:?}{}; known are: {known}", suggestion.as_ref().map(|s| format!(" (did you mean {s:?}?)")).unwrap_or_default())]
    UnknownActivation {
        /// What was asked for (shortened where it is very long).
        name: String,
        /// The nearest known name, where one is near.
        suggestion: Option<String>,
        /// All known names, separated by commas.
        known: String,
    },
    /// An array could not be given the shape asked for (from [`ndarray`]).
    #[error("ndarray: {0}")]
    Shape(#[from] ShapeError),
    /// A user's own layer failed in its own way.
    #[error("{layer}: {message}")]
    Other {
        /// The layer's name.
        layer: String,
        /// The sentence.
        message: String,
    },
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = ActivationError> = std::result::Result<T, E>;

/// The value, or a panic with the error's sentence: for constructors that say so under `# Panics`.
#[track_caller]
#[expect(clippy::panic, reason = "each caller documents it, and has a `try_` form beside it")]
pub(crate) fn or_panic<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

impl ActivationError {
    /// `Ok` where the shapes agree, else [`ShapeMismatch`](Self::ShapeMismatch); for the user's own layers as well.
    ///
    /// ```
    /// use ndarray_activations::ActivationError;
    /// assert!(ActivationError::check_shape("dense", "gradient", &[2, 3], &[2, 3]).is_ok());
    /// let error = ActivationError::check_shape("dense", "gradient", &[2, 3], &[3, 2]).unwrap_err();
    /// assert_eq!(error.to_string(), "dense: the gradient should have shape [2, 3], found [3, 2]");
    /// ```
    ///
    /// # Errors
    /// When `expected` and `found` differ.
    pub fn check_shape(layer: &str, what: &str, expected: &[usize], found: &[usize]) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(Self::ShapeMismatch { layer: layer.into(), what: what.into(), expected: expected.to_vec(), found: found.to_vec() })
    }
}
