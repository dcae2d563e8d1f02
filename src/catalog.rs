//! The one list of all activations.

use ndarray::ArrayD;

use crate::{
    axis::{AllMasked, Along, rows},
    element::Element,
    elementwise::Elementwise,
    formula::{self, GeluErf, GeluForm, GeluSigmoid, GeluTanh},
    kernel::{Kernel, kernels},
};

/// One row per pointwise activation: the kind of its formula, its name, its parameters with their defaults.
macro_rules! activations {
    ($($(#[$doc:meta])* $kind:ident $name:ident ($($param:ident = $default:expr),*);)*) => {$(
        $(#[$doc])*
        pub type $name<A = f32> = Elementwise<formula::$name, A>;
        kernels!($kind formula::$name);
        activations!(@new $kind $name ($($param = $default),*));
    )*};
    (@new choice $name:ident ()) => {};
    (@new $kind:ident $name:ident ()) => {
        impl<A: Element> Elementwise<formula::$name, A> {
            /// The layer; it has no parameters.
            #[expect(clippy::new_without_default, reason = "Default is implemented beside it")]
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
    (@new $kind:ident $name:ident ($($param:ident = $default:expr),+)) => {
        impl<A: Element> Elementwise<formula::$name, A> {
            /// The layer with these parameters, each rounded once to the element type.
            pub fn new($($param: f64),+) -> Self {
                Self::from_formula(formula::$name::new($($param),+))
            }
        }
        impl<A: Element> Default for Elementwise<formula::$name, A> {
            fn default() -> Self {
                Self::new($($default),+)
            }
        }
    };
}

activations! {
    /// The layer of [`formula::Identity`].
    two_slope Identity();
    /// The layer of [`formula::ReLU`].
    two_slope ReLU();
    /// The layer of [`formula::LeakyReLU`].
    two_slope LeakyReLU(negative_slope = 0.01);
    /// The layer of [`formula::ELU`].
    smooth ELU(alpha = 1.0);
    /// The layer of [`formula::SELU`].
    smooth SELU();
    /// The layer of [`formula::GELU`].
    choice GELU();
    /// The layer of [`formula::Sigmoid`].
    smooth Sigmoid();
    /// The layer of [`formula::Tanh`].
    smooth Tanh();
}
kernels!(smooth GeluErf);
kernels!(smooth GeluTanh);
kernels!(smooth GeluSigmoid);

impl formula::GELU {
    fn chosen<A>(&self) -> &'static dyn Kernel<A>
    where
        GeluErf: Kernel<A>,
        GeluTanh: Kernel<A>,
        GeluSigmoid: Kernel<A>,
    {
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
        Self::default()
    }
    /// x σ(2u), u = √(2/π) (x + 0.044715 x³): PyTorch's `approximate="tanh"`.
    pub fn tanh() -> Self {
        Self::from_formula(formula::GELU { form: GeluForm::Tanh })
    }
    /// x σ(1.702 x), the "quick" GELU.
    pub fn sigmoid() -> Self {
        Self::from_formula(formula::GELU { form: GeluForm::Sigmoid })
    }
}

impl<A: Element> Default for Elementwise<formula::GELU, A> {
    fn default() -> Self {
        Self::from_formula(formula::GELU::default())
    }
}

/// One row per layer along an axis.
macro_rules! along {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub type $name<A = f32> = Along<rows::$name, A>;
        impl<A: Element> Default for Along<rows::$name, A> {
            /// Along the last axis.
            fn default() -> Self {
                Self::last_axis()
            }
        }
    )*};
}

along! {
    /// The layer of [`rows::Softmax`].
    Softmax;
    /// The layer of [`rows::LogSoftmax`].
    LogSoftmax;
    /// The layer of [`rows::Softmin`].
    Softmin;
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
