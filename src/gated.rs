//! Gated linear units: one half of the input gates the other.

use std::{fmt, hint::black_box};

use ndarray::{ArrayD, ArrayRefD, Axis, Dimension};

use crate::{
    body::{Body, Record, Resized, divided, layer_methods},
    element::Element,
    error::Result,
    formula,
    kernel::{self, Keep, Kernel, Kind, Output, Read, WORD},
    layer::Layer,
    pages,
    pointwise::Cost,
    scratch::LINE,
    traverse::{Beside, Halves, Order, fresh_beside, pass, pass_into_halves},
};

/// A gated linear unit: the input is cut in two halves a and b along an axis, and the output is $a ⊙ f(b)$, half as long. The layer behind [`GLU`],
/// [`ReGLU`], [`GEGLU`], [`SwiGLU`] and [`Bilinear`].
///
/// The gradients are $g ⊙ f(b)$ for a, and $g ⊙ a ⊙ f'(b)$ for b. `forward` keeps the two factors, $f(b)$ and $a ⊙ f'(b)$, so that `backward` is two
/// multiplications: together as many numbers as the input has. Time is linear in the number of elements. Where f has two slopes ([`ReGLU`]), one bit tells those elements whose slope is 0: there b's
/// gradient is exactly 0, even for a NaN or an infinity from above.
///
/// The output is a product: its relative error is that of f and one rounding. Where f(b) is subnormal it has fewer digits, and so has the output. An infinite
/// a with f(b) = 0 gives NaN, as the product does. The result has the same bits for every layout and number of threads. An odd length along the axis is an
/// error ([`NotDivisible`](crate::ActivationError::NotDivisible)), and so are the `_inplace` forms ([`ShapeChanges`](crate::ActivationError::ShapeChanges)).
#[derive(Clone, Debug)]
pub struct Gated<F, A = f32> {
    name: &'static str,
    formula: F,
    /// `None` for the last one.
    axis: Option<usize>,
    kept: GatedKept<A>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct GatedKept<A> {
    record: Record,
    /// f(b).
    gate: Vec<A>,
    /// a f'(b).
    slope: Vec<A>,
    /// Which of two slopes f has.
    bits: Vec<u64>,
}

macro_rules! gated {
    ($($(#[$doc:meta])* $alias:ident $name:literal $formula:ident;)*) => {$(
        $(#[$doc])*
        #[cfg_attr(doc, doc = "", doc = include_str!(concat!("../docs/curves/", $name, ".svg")))]
        pub type $alias<A = f32> = Gated<formula::$formula, A>;

        impl<A: Element> Gated<formula::$formula, A> {
            pub(crate) fn along(axis: Option<usize>) -> Self {
                Self { name: $name, formula: formula::$formula::default(), axis, kept: GatedKept::default() }
            }

            /// Cuts along this axis.
            pub fn new(axis: Axis) -> Self {
                Self::along(Some(axis.index()))
            }

            /// Cuts along the last axis, whatever the number of axes.
            pub fn last_axis() -> Self {
                Self::along(None)
            }
        }

        impl<A: Element> Default for Gated<formula::$formula, A> {
            /// Along the last axis.
            fn default() -> Self {
                Self::last_axis()
            }
        }
    )*};
}

gated! {
    /// The gated linear unit, $a ⊙ σ(b)$: the input's second half gates the first, as in PyTorch (Dauphin, Fan, Auli and Grangier 2017, arXiv:1612.08083).
    ///
    /// Gradients $σ(b)$ and $a σ'(b)$. What is kept, errors, conventions: see [`Gated`]. Max error: 2.5 ULP, more where σ(b) is subnormal.
    ///
    /// ```
    /// use ndarray::{Axis, array};
    /// use ndarray_activations::{GLU, Layer};
    ///
    /// let mut glu = GLU::new(Axis(1));
    /// let y = glu.forward(&array![[4.0, -2.0, 0.0, 0.0]].into_dyn())?;
    /// assert_eq!(y, array![[2.0, -1.0]].into_dyn());
    /// let g = glu.backward(&array![[1.0, 1.0]].into_dyn())?;
    /// assert_eq!(g, array![[0.5, 0.5, 1.0, -0.5]].into_dyn());
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    GLU "glu" Sigmoid;
    /// The gated linear unit with a rectifier, $a ⊙ \max(b, 0)$ (Shazeer 2020, arXiv:2002.05202).
    ///
    /// Here the second half goes through the activation, as in [`GLU`]; the paper's first matrix makes b and its second one a. Gradients $\max(b, 0)$ and a,
    /// the latter only where $b > 0$ (0 at b = 0). What is kept, errors, conventions: see [`Gated`]. Max error: 0.5 ULP.
    ///
    /// ```
    /// use ndarray::array;
    /// use ndarray_activations::{Layer, ReGLU};
    ///
    /// let y = ReGLU::last_axis().infer(&array![2.0, 3.0, 5.0, -1.0].into_dyn())?;
    /// assert_eq!(y, array![10.0, 0.0].into_dyn());
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    ReGLU "reglu" ReLU;
    /// The gated linear unit with GELU (the exact one), $a ⊙ \mathrm{gelu}(b)$ (Shazeer 2020, arXiv:2002.05202).
    ///
    /// Here the second half goes through the activation, as in [`GLU`]; the paper's first matrix makes b and its second one a. Gradients gelu(b) and
    /// a gelu'(b). What is kept, errors, conventions: see [`Gated`].
    ///
    /// ```
    /// use ndarray::array;
    /// use ndarray_activations::{GEGLU, GELU, Layer};
    ///
    /// let y = GEGLU::last_axis().infer(&array![2.0, -0.5].into_dyn())?;
    /// assert_eq!(y, GELU::new().infer(&array![-0.5].into_dyn())? * 2.0);
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    GEGLU "geglu" GELU;
    /// The gated linear unit with [`SiLU`](crate::SiLU), $a ⊙ b σ(b)$ (Shazeer 2020, arXiv:2002.05202).
    ///
    /// Here the second half goes through the activation, as in [`GLU`]; the paper's first matrix makes b and its second one a. Code that activates the first
    /// half (`x, gate = chunk(2); silu(x) * gate`) wants its halves exchanged. Gradients silu(b) and a silu'(b). What is kept, errors, conventions: see
    /// [`Gated`].
    ///
    /// ```
    /// use ndarray::array;
    /// use ndarray_activations::{Layer, SiLU, SwiGLU};
    ///
    /// let y = SwiGLU::last_axis().infer(&array![2.0, -0.5].into_dyn())?;
    /// assert_eq!(y, SiLU::new().infer(&array![-0.5].into_dyn())? * 2.0);
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    SwiGLU "swiglu" SiLU;
    /// The bilinear unit, $a ⊙ b$ (Mnih and Hinton 2007, doi:10.1145/1273496.1273577; Shazeer 2020, arXiv:2002.05202): a gate without an activation.
    ///
    /// Gradients b and a. What is kept, errors, conventions: see [`Gated`]. Max error: 0.5 ULP.
    ///
    /// ```
    /// use ndarray::array;
    /// use ndarray_activations::{Bilinear, Layer};
    ///
    /// let y = Bilinear::last_axis().infer(&array![2.0, 3.0, 5.0, -1.0].into_dyn())?;
    /// assert_eq!(y, array![10.0, -3.0].into_dyn());
    /// # Ok::<(), ndarray_activations::ActivationError>(())
    /// ```
    Bilinear "bilinear" Identity;
}

impl<F: Kernel<A>, A: Element> Layer<A> for Gated<F, A> {
    layer_methods!();
    fn name(&self) -> &str {
        self.name
    }
    /// The name with the axis, `"glu(1)"`; the name alone for the last axis.
    fn spec(&self) -> String {
        self.to_string()
    }
    /// Where the derivative with respect to the second half jumps.
    fn kinks(&self) -> Vec<f64> {
        self.formula.kinks()
    }
    fn clear_cache(&mut self) {
        self.kept = GatedKept::default();
    }
}

impl<F, A> fmt::Display for Gated<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.axis {
            Some(axis) => write!(f, "{}({axis})", self.name),
            None => f.write_str(self.name),
        }
    }
}

impl<F, A> Gated<F, A> {
    /// The axis, of an array that was checked before.
    fn axis(&self, ndim: usize) -> usize {
        self.axis.unwrap_or(ndim.saturating_sub(1))
    }
}

impl<F: Kernel<A>, A: Element> Body<A> for Gated<F, A> {
    fn record(&self) -> &Record {
        &self.kept.record
    }
    fn resized(&self, input: &[usize]) -> Result<Resized> {
        divided(self.name, self.axis, input, 2)
    }
    fn run_infer(&self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::gated_infer(&self.formula, self.axis(output.ndim()), input, output);
    }
    fn infer_new(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        self.resized(input.shape())?;
        Ok(A::gated_infer_new(&self.formula, self.axis(input.ndim()), input))
    }
    fn run_forward(&mut self, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::gated_forward(&self.formula, self.axis(output.ndim()), &mut self.kept, input, output);
    }
    fn run_backward(&mut self, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
        A::gated_backward(&self.kept, self.formula.kind(), self.axis(output.ndim()), gradient, output);
    }
}

// Without an input, which is work in place, the arrays are empty: only then have input and output the same shape.

pub(crate) fn infer<A: Element>(kernel: &dyn Kernel<A>, axis: usize, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let Some(input) = input else { return };
    let order = Order::of(input);
    pass(&order, kernel.cost(), None, output, Beside(&Halves::of(&order, input, axis, 1), 0), &multiplying(kernel, input));
}

pub(crate) fn infer_new<A: Element>(kernel: &dyn Kernel<A>, axis: usize, input: &ArrayRefD<A>) -> ArrayD<A> {
    let (order, mut shape) = (Order::of(input), input.raw_dim());
    shape[axis] /= 2;
    fresh_beside(&order, kernel.cost(), shape.slice(), Beside(&Halves::of(&order, input, axis, 1), 0), &multiplying(kernel, input))
}

/// How many elements are gated at a time: those of all arrays stay in the nearest cache between one kernel and the next.
fn block<A>() -> usize {
    (1 << 13) / size_of::<A>()
}

/// Whether the halves of an input lie beyond the caches. They are too short for the CPU to tell from their beginnings what will be read next.
fn far<A>(input: &ArrayRefD<A>) -> bool {
    input.len() * size_of::<A>() >= 1 << 24
}

/// Reads a number of each line of the cache, where they lie beyond, so that all lines are under way at once before any of them is waited for.
fn fetch<A: Element>(far: bool, halves: [&[A]; 2]) {
    if far {
        for &element in halves.iter().flat_map(|half| half.iter().step_by(LINE / size_of::<A>())) {
            black_box(element);
        }
    }
}

/// What is done with slices of the output, beside the halves of the input.
fn multiplying<A: Element>(kernel: &dyn Kernel<A>, input: &ArrayRefD<A>) -> impl Fn(Option<&[A]>, &mut [A], Beside<'_, A>) + Sync {
    let (level, far) = (kernel::level(), far(input));
    move |_, y, halves| {
        halves.visit(y.len(), block::<A>(), |range, a, b| {
            let y = &mut y[range];
            fetch(far, [b, a]);
            kernel.run(level, Some(b), Output::Slice(y), Keep::Nothing);
            kernel::multiply(level, None, a, y);
        });
    }
}

/// Where pieces may begin: where words of bits do, if there are any.
fn unit(kind: Kind) -> usize {
    match kind {
        Kind::TwoSlope { lower, upper } if lower != upper => WORD,
        _ => 1,
    }
}

pub(crate) fn forward<A: Element>(kernel: &dyn Kernel<A>, axis: usize, kept: &mut GatedKept<A>, input: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let level = kernel::level();
    let GatedKept { record, gate, slope, bits } = kept;
    record.start_either(input, output, output.shape());
    pages::resize(gate, output.len(), A::zero());
    pages::resize(slope, output.len(), A::zero());
    let bits = match kernel.kind() {
        Kind::TwoSlope { lower, upper } if lower != upper => {
            bits.resize(output.len().div_ceil(WORD), 0);
            Keep::<A>::Bits(bits)
        }
        _ => Keep::Nothing,
    };
    if let Some(input) = input {
        let (halves, far) = (Halves::of(&record.order, input, axis, unit(kernel.kind())), far(input));
        let keep = (Beside(&halves, 0), (&mut gate[..], (&mut slope[..], bits)));
        // Three arrays are written, so that threads pay where they pay in `backward`.
        let cost = if kernel.cost() == Cost::Memory { Cost::Arithmetic } else { kernel.cost() };
        pass(&record.order, cost, None, output, keep, &|_, y, (halves, (gate, (slope, mut bits)))| {
            halves.visit(y.len(), block::<A>(), |range, a, b| {
                let (y, gate, slope) = (&mut y[range.clone()], &mut gate[range.clone()], &mut slope[range.clone()]);
                fetch(far, [b, a]);
                match (kernel.kind(), bits.part(range)) {
                    (Kind::Smooth, _) => {
                        kernel.run(level, Some(b), Output::Slice(gate), Keep::Derivative(slope));
                        kernel::multiply(level, None, a, slope);
                    }
                    (Kind::TwoSlope { lower, upper }, Keep::Bits(bits)) => {
                        kernel.run(level, Some(b), Output::Slice(gate), Keep::Bits(bits));
                        kernel::choose(level, Some(a), bits, slope, lower, upper);
                    }
                    (Kind::TwoSlope { lower, .. }, _) => {
                        kernel.run(level, Some(b), Output::Slice(gate), Keep::Nothing);
                        kernel::backward(level, Some(a), Read::Constant(lower), slope);
                    }
                }
                kernel::multiply(level, Some(a), gate, y);
            });
        });
    }
    record.finish();
}

pub(crate) fn backward<A: Element>(kept: &GatedKept<A>, kind: Kind, axis: usize, gradient: Option<&ArrayRefD<A>>, output: &mut ArrayRefD<A>) {
    let Some(gradient) = gradient else { return };
    let level = kernel::level();
    let GatedKept { record, gate, slope, bits } = kept;
    // What is dead stays so, whatever the gradient: the slope in full is in the product already.
    let alive = |slope| if slope == 0.0 { 0.0 } else { 1.0 };
    let read = match kind {
        Kind::TwoSlope { lower, upper } if lower != upper => Read::<A>::Bits(bits, alive(lower), alive(upper)),
        _ => Read::Constant(1.0),
    };
    pass_into_halves(
        unit(kind),
        &record.order,
        axis,
        gradient,
        output,
        (&gate[..], &|g, y, gate| kernel::multiply(level, g, gate, y)),
        ((&slope[..], read), &|g, y, (slope, read)| {
            kernel::multiply(level, g, slope, y);
            if let Read::Bits(bits, lower, upper) = read {
                kernel::choose(level, None, bits, y, lower, upper);
            }
        }),
    );
}
