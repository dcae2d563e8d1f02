//! The one list of all activations: what tests, benches, plots, `by_name` and the functional forms loop over.
//!
//! A new pointwise activation is one file in `formula/` and one row of `pointwise_table`.

use ndarray::{ArrayD, Axis};

use crate::{
    alpha_dropout::AlphaDropout,
    axis::{AllMasked, Along, rows},
    element::Element,
    elementwise::Elementwise,
    error::{ActivationError, Result, or_panic},
    formula::{self, GeluErf, GeluForm, GeluSigmoid, GeluTanh},
    gated::{Bilinear, GEGLU, GLU, ReGLU, SwiGLU},
    kernel::{Kernel, kernels},
    layer::Layer,
    maxout::Maxout,
    prelu::PReLU,
    rrelu::RReLU,
};

/// Calls `$do!` with all pointwise activations, a row each:
///
/// `constructor Type kind function derivative_function (parameter = default, …) "formula" [aliases] (lower bound, upper bound) monotonic method;`
///
/// - constructor: `unit` without parameters, `plain`, `checked` (with a `try_new`), `other` (written by hand below; its `FromArguments` builds it)
/// - kind: of kernel; `choice` is one of several, `again` a further form of a type that has its row already
/// - monotonic: `yes` or `no`, with the default parameters; the bounds too
/// - method: `method` where the extension trait has one, `hidden` where `ndarray` has a method of that name, or it would make no sense
macro_rules! pointwise_table {
    ($do:ident) => { $do! {
        unit Identity two_slope identity identity_derivative () "x" ["linear", "none", "noop", "passthrough"] (NEG, POS) yes hidden;
        unit Sigmoid smooth sigmoid sigmoid_derivative () "1 / (1 + e^-x)" ["logistic", "logsig"] (0.0, 1.0) yes method;
        unit Tanh smooth tanh tanh_derivative () "tanh x" [] (-1.0, 1.0) yes hidden;
        unit ReLU two_slope relu relu_derivative () "max(x, 0)" ["rectifier", "ramp"] (0.0, POS) yes method;
        unit ReLU6 two_slope relu6 relu6_derivative () "min(max(x, 0), 6)" [] (0.0, 6.0) yes method;
        unit ReLUSquared smooth relu_squared relu_squared_derivative () "max(x, 0)²" ["relu2", "squared_relu"] (0.0, POS) yes method;
        plain LeakyReLU two_slope leaky_relu leaky_relu_derivative (negative_slope = 0.01) "x for x > 0, a x elsewhere" ["lrelu"] (NEG, POS) yes method;
        plain ThresholdedReLU two_slope thresholded_relu thresholded_relu_derivative (theta = 1.0) "x for x > θ, 0 elsewhere" [] (0.0, POS) yes method;
        plain ELU smooth elu elu_derivative (alpha = 1.0) "x for x > 0, α (e^x - 1) elsewhere" [] (-1.0, POS) yes method;
        checked CELU smooth celu celu_derivative (alpha = 1.0) "max(x, 0) + min(α (e^(x/α) - 1), 0)" [] (-1.0, POS) yes method;
        unit SELU smooth selu selu_derivative () "scale · (x for x > 0, α (e^x - 1) elsewhere)" [] (-1.758_099_340_847_377, POS) yes method;
        other GELU choice gelu gelu_derivative () "x Φ(x)" ["gelu_erf", "gelu_none"] (-0.169_971_207_479_905, POS) no method;
        other GELU again gelu_tanh gelu_tanh_derivative () "x σ(2 √(2/π) (x + 0.044715 x³))" ["gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_approximate"] (-0.170_040_750_571_255, POS) no method;
        other GELU again gelu_sigmoid gelu_sigmoid_derivative () "x σ(1.702 x)" ["quick_gelu", "gelu_quick"] (-0.163_610_189_636_353, POS) no method;
        unit SiLU smooth silu silu_derivative () "x σ(x)" ["swish1", "sil"] (-0.278_464_542_761_074, POS) no method;
        plain Swish smooth swish swish_derivative (beta = 1.0) "x σ(β x)" ["silu_beta"] (-0.278_464_542_761_074, POS) no method;
        unit Mish smooth mish mish_derivative () "x tanh(ln(1 + e^x))" [] (-0.308_843_413_017_251, POS) no method;
        other Softplus smooth softplus softplus_derivative (beta = 1.0) "ln(1 + e^(β x)) / β" ["smooth_relu"] (0.0, POS) yes method;
        unit LogSigmoid smooth log_sigmoid log_sigmoid_derivative () "-ln(1 + e^-x)" ["log_logistic"] (NEG, 0.0) yes method;
        unit Softsign smooth softsign softsign_derivative () "x / (1 + |x|)" [] (-1.0, 1.0) yes method;
        other HardSigmoid two_slope hard_sigmoid hard_sigmoid_derivative () "min(max(x/6 + 1/2, 0), 1)" [] (0.0, 1.0) yes method;
        unit HardSwish smooth hard_swish hard_swish_derivative () "x min(max(x + 3, 0), 6) / 6" ["hard_silu"] (-0.375, POS) no method;
        checked HardTanh two_slope hard_tanh hard_tanh_derivative (min = -1.0, max = 1.0) "min(max(x, min), max)" ["clip", "satlins"] (-1.0, 1.0) yes method;
        plain HardShrink two_slope hard_shrink hard_shrink_derivative (lambda = 0.5) "x for |x| > λ, 0 elsewhere" [] (NEG, POS) yes method;
        checked SoftShrink two_slope soft_shrink soft_shrink_derivative (lambda = 0.5) "x - λ for x > λ, x + λ for x < -λ, 0 between" [] (NEG, POS) yes method;
        plain Shrink two_slope shrink shrink_derivative (lambda = 0.5, bias = 0.0) "x - bias for x > λ, x + bias for x < -λ, 0 between" [] (NEG, POS) yes method;
        unit TanhShrink smooth tanh_shrink tanh_shrink_derivative () "x - tanh x" [] (NEG, POS) yes method;
        plain Threshold two_slope threshold threshold_derivative (threshold = 0.0, value = 0.0) "x for x > threshold, value elsewhere" [] (0.0, POS) yes method;
        unit Exponential smooth exponential exponential_derivative () "e^x" ["exp"] (0.0, POS) yes hidden;
        plain Squareplus smooth squareplus squareplus_derivative (b = 4.0) "(x + √(x² + b)) / 2" [] (0.0, POS) yes method;
        unit SparsePlus smooth sparse_plus sparse_plus_derivative () "0, (x + 1)²/4 for |x| < 1, x" [] (0.0, POS) yes method;
        unit SparseSigmoid two_slope sparse_sigmoid sparse_sigmoid_derivative () "min(max((x + 1) / 2, 0), 1)" [] (0.0, 1.0) yes method;
        unit Sign two_slope sign sign_derivative () "-1, 0 or 1" ["sgn", "signum"] (-1.0, 1.0) yes hidden;
        unit Step two_slope step step_derivative () "1 for x > 0, 0 elsewhere" ["heaviside", "binary_step", "hard_limit"] (0.0, 1.0) yes hidden;
    } };
}
pub(crate) use pointwise_table;

const NEG: f64 = f64::NEG_INFINITY;
const POS: f64 = f64::INFINITY;

/// A layer of a known type from its catalogue name and arguments, those left out by default.
pub(crate) trait FromArguments: Sized {
    /// The catalogue names that are of this type.
    #[cfg_attr(not(feature = "serde"), allow(dead_code, reason = "read where a layer comes back from a file"))]
    const NAMES: &'static [&'static str];
    /// The arguments are not too many.
    fn from_arguments(name: &str, arguments: &[f64]) -> Result<Self>;
}

/// Type aliases, constructors and kernels.
macro_rules! types {
    ($($make:ident $name:ident $kind:ident $function:ident $derivative:ident ($($param:ident = $default:expr),*) $formula:literal $aliases:tt $range:tt $monotonic:ident $method:ident;)*) => {$(
        types!(@alias $kind $name $function $formula);
        types!(@$make $name $function ($($param = $default),*));
    )*};
    (@alias again $name:ident $function:ident $formula:literal) => {};
    (@alias $kind:ident $name:ident $function:ident $formula:literal) => {
        #[doc = concat!("The layer f(x) = ", $formula, ": derivative, conventions, bounds and source stand at [`formula::", stringify!($name), "`].")]
        #[cfg_attr(doc, doc = "", doc = include_str!(concat!("../docs/curves/", stringify!($function), ".svg")))]
        pub type $name<A = f32> = Elementwise<formula::$name, A>;
        kernels!($kind formula::$name);
    };
    (@unit $name:ident $function:ident ()) => {
        impl<A: Element> FromArguments for $name<A> {
            const NAMES: &'static [&'static str] = &[stringify!($function)];
            fn from_arguments(_name: &str, _arguments: &[f64]) -> Result<Self> {
                Ok(Self::new())
            }
        }
        impl<A: Element> Elementwise<formula::$name, A> {
            /// The layer; it has no parameters.
            pub fn new() -> Self {
                Self::from_formula(formula::$name)
            }
        }
        impl<A: Element> Default for Elementwise<formula::$name, A> {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (@plain $name:ident $function:ident ($($param:ident = $default:expr),+)) => {
        impl<A: Element> FromArguments for $name<A> {
            const NAMES: &'static [&'static str] = &[stringify!($function)];
            fn from_arguments(_name: &str, arguments: &[f64]) -> Result<Self> {
                let mut arguments = arguments.iter().copied();
                $(let $param = arguments.next().unwrap_or($default);)+
                Ok(Self::new($($param),+))
            }
        }
        impl<A: Element> Elementwise<formula::$name, A> {
            #[doc = concat!("The layer with these parameters, each rounded once to the element type; by default", $(" ", stringify!($param), " = ", stringify!($default),)+ ".")]
            pub fn new($($param: f64),+) -> Self {
                Self::from_formula(formula::$name::new($($param),+))
            }
        }
        types!(@default $name ($($default),+));
    };
    (@checked $name:ident $function:ident ($($param:ident = $default:expr),+)) => {
        impl<A: Element> FromArguments for $name<A> {
            const NAMES: &'static [&'static str] = &[stringify!($function)];
            fn from_arguments(_name: &str, arguments: &[f64]) -> Result<Self> {
                let mut arguments = arguments.iter().copied();
                $(let $param = arguments.next().unwrap_or($default);)+
                Self::try_new($($param),+)
            }
        }
        impl<A: Element> Elementwise<formula::$name, A> {
            #[doc = concat!("The layer with these parameters, each rounded once to the element type; by default", $(" ", stringify!($param), " = ", stringify!($default),)+ ".")]
            ///
            /// # Panics
            /// Where the parameters make no sense, which is said at the formula; [`try_new`](Self::try_new) gives an error instead.
            #[track_caller]
            pub fn new($($param: f64),+) -> Self {
                or_panic(Self::try_new($($param),+))
            }

            /// The layer with these parameters.
            ///
            /// # Errors
            /// [`ActivationError::InvalidParameter`] where the parameters make no sense.
            pub fn try_new($($param: f64),+) -> Result<Self> {
                match formula::$name::try_new($($param),+) {
                    Ok(formula) => Ok(Self::from_formula(formula)),
                    Err(reason) => Err(ActivationError::InvalidParameter { layer: stringify!($name).into(), reason }),
                }
            }
        }
        types!(@default $name ($($default),+));
    };
    (@default $name:ident ($($default:expr),+)) => {
        impl<A: Element> Default for Elementwise<formula::$name, A> {
            fn default() -> Self {
                Self::new($($default),+)
            }
        }
    };
    (@other $name:ident $function:ident ($($param:ident = $default:expr),*)) => {};
}
pointwise_table!(types);
kernels!(smooth GeluErf);
kernels!(smooth GeluTanh);
kernels!(smooth GeluSigmoid);

impl formula::GELU {
    fn chosen<A: Element>(&self) -> &'static dyn Kernel<A> {
        match self.form {
            GeluForm::Erf => &GeluErf,
            GeluForm::Tanh => &GeluTanh,
            GeluForm::Sigmoid => &GeluSigmoid,
        }
    }
}

impl<A: Element> Elementwise<formula::GELU, A> {
    /// x Φ(x), exact.
    pub fn new() -> Self {
        Self::from_formula(formula::GELU { form: GeluForm::Erf })
    }
    /// x σ(2u), u = √(2/π) (x + 0.044715 x³): PyTorch's `approximate="tanh"`.
    #[cfg_attr(doc, doc = "", doc = include_str!("../docs/curves/gelu_tanh.svg"))]
    pub fn tanh() -> Self {
        Self::from_formula(formula::GELU { form: GeluForm::Tanh })
    }
    /// x σ(1.702 x), the "quick" GELU.
    #[cfg_attr(doc, doc = "", doc = include_str!("../docs/curves/gelu_sigmoid.svg"))]
    pub fn sigmoid() -> Self {
        Self::from_formula(formula::GELU { form: GeluForm::Sigmoid })
    }
}

impl<A: Element> FromArguments for GELU<A> {
    const NAMES: &'static [&'static str] = &["gelu", "gelu_tanh", "gelu_sigmoid"];
    fn from_arguments(name: &str, _arguments: &[f64]) -> Result<Self> {
        Ok(match name {
            "gelu_tanh" => Self::tanh(),
            "gelu_sigmoid" => Self::sigmoid(),
            _ => Self::new(),
        })
    }
}

impl<A: Element> Default for Elementwise<formula::GELU, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Element> Elementwise<formula::Softplus, A> {
    /// ln(1 + e^(βx)) / β, exact everywhere.
    pub fn new(beta: f64) -> Self {
        Self::from_formula(formula::Softplus::new(beta))
    }

    /// The same with PyTorch's switch to the line x where βx > threshold (20 there).
    ///
    /// ```
    /// use ndarray_activations::{Layer, Softplus};
    /// let x = ndarray::array![21.0].into_dyn();
    /// assert_eq!(Softplus::<f64>::new(1.0).threshold(20.0).infer(&x)?[0], 21.0);
    /// assert!(Softplus::<f64>::new(1.0).infer(&x)?[0] > 21.0);
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    #[must_use]
    pub fn threshold(self, threshold: f64) -> Self {
        Self::from_formula(self.formula.with_threshold(threshold))
    }
}

impl<A: Element> FromArguments for Softplus<A> {
    const NAMES: &'static [&'static str] = &["softplus"];
    fn from_arguments(_name: &str, arguments: &[f64]) -> Result<Self> {
        Ok(match *arguments {
            [] => Self::default(),
            [beta] => Self::new(beta),
            [beta, threshold, ..] => Self::new(beta).threshold(threshold),
        })
    }
}

impl<A: Element> Default for Elementwise<formula::Softplus, A> {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl<A: Element> Elementwise<formula::HardSigmoid, A> {
    /// x/6 + 1/2 between 0 and 1: PyTorch's and Keras 3's.
    pub fn new() -> Self {
        Self::from_formula(formula::HardSigmoid::torch())
    }

    /// α x + β between 0 and 1; 0.2 and 0.5 in ONNX and in earlier Keras.
    pub fn with(alpha: f64, beta: f64) -> Self {
        Self::from_formula(formula::HardSigmoid::new(alpha, beta))
    }
}

impl<A: Element> FromArguments for HardSigmoid<A> {
    const NAMES: &'static [&'static str] = &["hard_sigmoid"];
    fn from_arguments(_name: &str, arguments: &[f64]) -> Result<Self> {
        Ok(match *arguments {
            [] => Self::new(),
            [alpha] => Self::with(alpha, 0.5),
            [alpha, beta, ..] => Self::with(alpha, beta),
        })
    }
}

impl<A: Element> Default for Elementwise<formula::HardSigmoid, A> {
    fn default() -> Self {
        Self::new()
    }
}

/// One row per layer along an axis.
macro_rules! along {
    ($($(#[$doc:meta])* $name:ident $picture:literal;)*) => {$(
        $(#[$doc])*
        #[cfg_attr(doc, doc = "", doc = include_str!($picture))]
        pub type $name<A = f32> = Along<rows::$name, A>;
        impl<A: Element> FromArguments for $name<A> {
            const NAMES: &'static [&'static str] = &[rows::$name::NAME];
            fn from_arguments(_name: &str, arguments: &[f64]) -> Result<Self> {
                let name = rows::$name::NAME;
                let axes = arguments.iter().map(|&axis| whole(name, "axis", axis).map(Axis)).collect::<Result<Vec<_>>>()?;
                Ok(match *axes {
                    [] => Self::last_axis(),
                    [axis] => Self::new(axis),
                    _ => Self::over(&axes),
                })
            }
        }
        impl<A: Element> Default for Along<rows::$name, A> {
            /// Along the last axis.
            fn default() -> Self {
                Self::last_axis()
            }
        }
    )*};
}

along! {
    /// The softmax along one or several axes; formula, gradient, conventions and bounds stand at [`rows::Softmax`].
    Softmax "../docs/curves/softmax.svg";
    /// The logarithm of the softmax along one or several axes; formula, gradient, conventions and bounds stand at [`rows::LogSoftmax`].
    LogSoftmax "../docs/curves/log_softmax.svg";
    /// The softmin along one or several axes; formula, gradient, conventions and bounds stand at [`rows::Softmin`].
    Softmin "../docs/curves/softmin.svg";
    /// The projection onto the simplex along one or several axes; formula, gradient, conventions and bounds stand at [`rows::Sparsemax`].
    Sparsemax "../docs/curves/sparsemax.svg";
    /// One for the largest element along one or several axes; formula, gradient and conventions stand at [`rows::Hardmax`].
    Hardmax "../docs/curves/hardmax.svg";
}

/// Masks, for the layers that know them.
macro_rules! masks {
    ($($name:ident)*) => {$(
        impl<A: Element> Along<rows::$name, A> {
            /// What a row gives in which everything is masked or -infinity.
            #[must_use]
            pub fn all_masked(mut self, all_masked: AllMasked) -> Self {
                self.all_masked = all_masked;
                self
            }

            /// Masks elements out as if they were -infinity: true keeps. The mask broadcasts against the input as in NumPy; `None` removes it.
            ///
            /// The gradient at a masked element is 0, and counts for nothing in the others'.
            pub fn set_mask(&mut self, mask: Option<ArrayD<bool>>) {
                self.mask = mask;
            }
        }
    )*};
}
masks!(Softmax LogSoftmax);

/// A layer, or why the arguments make none.
type Built<A> = Result<Box<dyn Layer<A>>>;

/// What is known of an activation.
///
/// ```
/// for entry in ndarray_activations::catalog() {
///     println!("{:20} {}", entry.name(), entry.formula());
/// }
/// ```
#[derive(Debug)]
pub struct Entry {
    name: &'static str,
    aliases: &'static [&'static str],
    formula: &'static str,
    parameters: &'static [(&'static str, f64)],
    /// Where there may be more arguments than parameters with a default: how many.
    most: usize,
    range: (f64, f64),
    monotonic: bool,
    family: Family,
    single: fn(&[f64]) -> Built<f32>,
    double: fn(&[f64]) -> Built<f64>,
}

/// What kind of layer an activation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Each element by itself, by a fixed formula.
    Pointwise,
    /// Each element by itself, with a parameter that is learned.
    Learned,
    /// Each element by itself, at random in training.
    Random,
    /// Along an axis, the shape kept.
    Axis,
    /// Along an axis which becomes shorter.
    Reducing,
}

impl Entry {
    /// The name, which [`by_name`](crate::by_name) reads.
    pub fn name(&self) -> &str {
        self.name
    }
    pub(crate) fn static_name(&self) -> &'static str {
        self.name
    }
    /// Other names that [`by_name`](crate::by_name) reads.
    pub fn aliases(&self) -> &[&'static str] {
        self.aliases
    }
    /// The formula, in plain text.
    pub fn formula(&self) -> &str {
        self.formula
    }
    /// The parameters in the order of the arguments, with their defaults.
    pub fn parameters(&self) -> &[(&'static str, f64)] {
        self.parameters
    }
    /// The infimum and supremum of the values, with the default parameters.
    pub fn range(&self) -> (f64, f64) {
        self.range
    }
    /// Whether the function never falls, with the default parameters; false for layers that mix elements.
    pub fn monotonic(&self) -> bool {
        self.monotonic
    }
    /// What kind of layer it is.
    pub fn family(&self) -> Family {
        self.family
    }
    /// Where the derivative jumps, with the default parameters.
    pub fn kinks(&self) -> Vec<f64> {
        (self.double)(&[]).map(|layer| layer.kinks()).unwrap_or_default()
    }
    /// The layer with the default parameters; layers along an axis take the last one.
    pub fn layer<A: Element>(&self) -> Box<dyn Layer<A>> {
        self.build(&[]).unwrap_or_else(|_| Box::new(Identity::new()))
    }
    /// The layer with these arguments, the rest by default.
    ///
    /// # Errors
    /// [`ActivationError::InvalidParameter`] for too many arguments, or such that make no sense.
    pub fn build<A: Element>(&self, arguments: &[f64]) -> Result<Box<dyn Layer<A>>> {
        self.check_count(arguments)?;
        A::build(self.single, self.double, arguments)
    }

    pub(crate) fn check_count(&self, arguments: &[f64]) -> Result<()> {
        let most = self.most.max(self.parameters.len());
        if arguments.len() <= most {
            return Ok(());
        }
        let reason = format!("takes at most {most} arguments, found {}", arguments.len());
        Err(ActivationError::InvalidParameter { layer: self.name.into(), reason })
    }
}

/// The argument at this place, or the default.
fn argument(arguments: &[f64], place: usize, default: f64) -> f64 {
    arguments.get(place).copied().unwrap_or(default)
}

macro_rules! pointwise_entries {
    ($($make:ident $name:ident $kind:ident $function:ident $derivative:ident ($($param:ident = $default:expr),*) $formula:literal [$($alias:literal),*] ($lower:expr, $upper:expr) $monotonic:ident $method:ident;)*) => {
        const POINTWISE: &[Entry] = &[$(Entry {
            name: stringify!($function),
            aliases: &[$($alias),*],
            formula: $formula,
            parameters: &[$((stringify!($param), $default)),*],
            most: pointwise_entries!(@most $function),
            range: ($lower, $upper),
            monotonic: pointwise_entries!(@$monotonic),
            family: Family::Pointwise,
            single: |arguments| Ok(Box::new($name::<f32>::from_arguments(stringify!($function), arguments)?)),
            double: |arguments| Ok(Box::new($name::<f64>::from_arguments(stringify!($function), arguments)?)),
        }),*];
    };
    (@yes) => { true };
    (@no) => { false };
    (@most softplus) => { 2 };
    (@most hard_sigmoid) => { 2 };
    (@most $function:ident) => { 0 };
}
pointwise_table!(pointwise_entries);

/// The other layers: name, formula, aliases, parameters, most arguments, range, family, and type.
macro_rules! other_entries {
    ($($name:literal $formula:literal [$($alias:literal),*] ($($param:ident = $default:expr),*) $most:literal ($lower:expr, $upper:expr) $family:ident $layer:ident;)*) => {
        const OTHERS: &[Entry] = &[$(Entry {
            name: $name,
            aliases: &[$($alias),*],
            formula: $formula,
            parameters: &[$((stringify!($param), $default)),*],
            most: $most,
            range: ($lower, $upper),
            monotonic: false,
            family: Family::$family,
            single: |arguments| Ok(Box::new($layer::<f32>::from_arguments($name, arguments)?)),
            double: |arguments| Ok(Box::new($layer::<f64>::from_arguments($name, arguments)?)),
        }),*];
    };
}
other_entries! {
    "prelu" "x for x > 0, α x elsewhere, α learned" [] (alpha = 0.25) 0 (NEG, POS) Learned PReLU;
    "rrelu" "x for x > 0, a x elsewhere, a drawn from lower..upper in training, their mean else" ["randomized_relu", "randomized_leaky_relu"] (lower = 1.0 / 8.0, upper = 1.0 / 3.0, seed = 0.0) 0 (NEG, POS) Random RReLU;
    "alpha_dropout" "a x + b in training, with -1.758 for x with probability p; x else" [] (p = 0.5, seed = 0.0) 0 (NEG, POS) Random AlphaDropout;
    "softmax" "e^(x_i) / Σ e^(x_j)" ["soft_arg_max"] () 8 (0.0, 1.0) Axis Softmax;
    "log_softmax" "x_i - ln Σ e^(x_j)" [] () 8 (NEG, 0.0) Axis LogSoftmax;
    "softmin" "e^(-x_i) / Σ e^(-x_j)" [] () 8 (0.0, 1.0) Axis Softmin;
    "sparsemax" "max(x_i - τ, 0) with Σ = 1" [] () 8 (0.0, 1.0) Axis Sparsemax;
    "hardmax" "1 for the first largest, 0 elsewhere" [] () 8 (0.0, 1.0) Axis Hardmax;
    "glu" "a σ(b), the input's halves a and b" [] () 1 (NEG, POS) Reducing GLU;
    "reglu" "a max(b, 0), the input's halves a and b" [] () 1 (NEG, POS) Reducing ReGLU;
    "geglu" "a gelu(b), the input's halves a and b" [] () 1 (NEG, POS) Reducing GEGLU;
    "swiglu" "a silu(b), the input's halves a and b" [] () 1 (NEG, POS) Reducing SwiGLU;
    "bilinear" "a b, the input's halves a and b" [] () 1 (NEG, POS) Reducing Bilinear;
    "maxout" "max of k consecutive elements" [] (pieces = 2.0) 2 (NEG, POS) Reducing Maxout;
}

/// The other layers as their arguments make them.
macro_rules! from_arguments {
    ($($layer:ident $name:literal |$arguments:ident| $build:expr;)*) => {$(
        impl<A: Element> FromArguments for $layer<A> {
            const NAMES: &'static [&'static str] = &[$name];
            fn from_arguments(_name: &str, $arguments: &[f64]) -> Result<Self> {
                $build
            }
        }
    )*};
}
from_arguments! {
    PReLU "prelu" |a| Ok(Self::shared(argument(a, 0, 0.25)));
    RReLU "rrelu" |a| Self::try_new(argument(a, 0, 1.0 / 8.0), argument(a, 1, 1.0 / 3.0), seed("rrelu", argument(a, 2, 0.0))?);
    AlphaDropout "alpha_dropout" |a| Self::try_new(argument(a, 0, 0.5), seed("alpha_dropout", argument(a, 1, 0.0))?);
    GLU "glu" |a| Ok(Self::along(axis("glu", a.first())?));
    ReGLU "reglu" |a| Ok(Self::along(axis("reglu", a.first())?));
    GEGLU "geglu" |a| Ok(Self::along(axis("geglu", a.first())?));
    SwiGLU "swiglu" |a| Ok(Self::along(axis("swiglu", a.first())?));
    Bilinear "bilinear" |a| Ok(Self::along(axis("bilinear", a.first())?));
    Maxout "maxout" |a| Self::along(whole("maxout", "number of pieces", argument(a, 0, 2.0))?, axis("maxout", a.get(1))?);
}

/// The axis that an argument names; none without one.
fn axis(layer: &str, argument: Option<&f64>) -> Result<Option<usize>> {
    argument.map(|&axis| whole(layer, "axis", axis)).transpose()
}

/// An argument that is a whole number.
fn whole(layer: &str, what: &str, value: f64) -> Result<usize> {
    if value >= 0.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0 {
        return Ok(value as usize);
    }
    Err(ActivationError::InvalidParameter { layer: layer.into(), reason: format!("the {what} should be a whole number, found {value}") })
}

/// A seed: a whole number that `f64` still tells from its neighbours.
fn seed(layer: &str, value: f64) -> Result<u64> {
    if (0.0..f64::powi(2.0, 53)).contains(&value) && value.fract() == 0.0 {
        return Ok(value as u64);
    }
    Err(ActivationError::InvalidParameter { layer: layer.into(), reason: format!("the seed should be a whole number below 2^53 in text, found {value}") })
}

/// All activations of the crate, the pointwise ones first.
///
/// ```
/// use ndarray_activations::{Layer, catalog};
/// let x = ndarray::array![[0.5, -1.0]].into_dyn();
/// for entry in catalog() {
///     let mut layer = entry.layer::<f64>();
///     layer.forward(&x)?;
/// }
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
pub fn catalog() -> impl Iterator<Item = &'static Entry> {
    POINTWISE.iter().chain(OTHERS)
}
