//! The trait that all layers share, and the learnable parameter.

use std::fmt::Debug;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD};

use crate::{
    element::Element,
    error::{ActivationError, Result},
};

/// One step of a network: `forward` in training, `backward` for its gradient, `infer` in use.
///
/// Three verbs, three forms: `{forward, infer, backward}` × `{a new array, _into a destination, _inplace}`. There is no train/eval flag:
/// `forward` is training and keeps what `backward` needs, `infer` is evaluation and keeps nothing.
///
/// The trait is object-safe: `Vec<Box<dyn Layer<f32>>>` is the usual network. A layer of your own needs four methods (`forward`, `backward`, `infer`,
/// `name`), and `output_shape` where the shape changes; everything else has a default.
///
/// ```
/// use ndarray::{ArrayD, array};
/// use ndarray_activations::{Layer, Result};
///
/// /// Multiplies by two.
/// #[derive(Debug)]
/// struct Twice;
///
/// impl Layer<f64> for Twice {
///     fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
///         self.infer(input)
///     }
///     fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
///         Ok(grad_output * 2.0)
///     }
///     fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
///         Ok(input * 2.0)
///     }
///     fn name(&self) -> &str {
///         "twice"
///     }
/// }
///
/// let mut x = array![1.0, -3.0].into_dyn();
/// Twice.infer_inplace(x.view_mut())?; // a default
/// assert_eq!(x, array![2.0, -6.0].into_dyn());
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
///
/// # Errors
/// Every method that takes an array fails where the shapes do not fit, `backward` where no `forward` is remembered; see [`ActivationError`]. A layer of this
/// crate is unchanged after an error, and so is the destination.
pub trait Layer<A: Element>: Debug + Send + Sync {
    /// Training: the output of the layer; keeps what [`backward`](Self::backward) needs.
    fn forward(&mut self, input: &ArrayD<A>) -> Result<ArrayD<A>>;

    /// The gradient of the loss with respect to the input, from the one with respect to the output of the last `forward`.
    ///
    /// Adds to the gradients of the parameters. May be called more than once for one `forward`.
    fn backward(&mut self, grad_output: &ArrayD<A>) -> Result<ArrayD<A>>;

    /// Evaluation: the output of the layer; keeps nothing and forgets nothing.
    fn infer(&self, input: &ArrayD<A>) -> Result<ArrayD<A>>;

    /// The layer's name in lower case, such as `"leaky_relu"`.
    fn name(&self) -> &str;

    /// [`forward`](Self::forward) into a destination of the output's shape, any memory layout.
    fn forward_into(&mut self, input: ArrayViewD<'_, A>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        let result = self.forward(&input.to_owned())?;
        deliver(self.name(), "destination", &result, output)
    }

    /// [`forward`](Self::forward) that overwrites its input.
    fn forward_inplace(&mut self, values: ArrayViewMutD<'_, A>) -> Result<()> {
        let result = self.forward(&values.to_owned())?;
        deliver(self.name(), "array for in-place work", &result, values)
    }

    /// [`backward`](Self::backward) into a destination of the input's shape, any memory layout.
    fn backward_into(&mut self, grad_output: ArrayViewD<'_, A>, grad_input: ArrayViewMutD<'_, A>) -> Result<()> {
        let result = self.backward(&grad_output.to_owned())?;
        deliver(self.name(), "destination", &result, grad_input)
    }

    /// [`backward`](Self::backward) that overwrites the gradient.
    fn backward_inplace(&mut self, grad: ArrayViewMutD<'_, A>) -> Result<()> {
        let result = self.backward(&grad.to_owned())?;
        deliver(self.name(), "array for in-place work", &result, grad)
    }

    /// [`infer`](Self::infer) into a destination of the output's shape, any memory layout.
    fn infer_into(&self, input: ArrayViewD<'_, A>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        let result = self.infer(&input.to_owned())?;
        deliver(self.name(), "destination", &result, output)
    }

    /// [`infer`](Self::infer) that overwrites its input.
    fn infer_inplace(&self, values: ArrayViewMutD<'_, A>) -> Result<()> {
        let result = self.infer(&values.to_owned())?;
        deliver(self.name(), "array for in-place work", &result, values)
    }

    /// The shape of the output for an input of this shape; the same shape unless the layer says otherwise.
    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        Ok(input_shape.to_vec())
    }

    /// The shape of the input of the last `forward`, which is the shape of `backward`'s result; `None` where no `forward` is remembered, and by default.
    ///
    /// Whoever knows it can prepare the destination of [`backward_into`](Self::backward_into).
    fn input_shape(&self) -> Option<&[usize]> {
        None
    }

    /// The learnable parameters; none by default.
    fn params(&self) -> Vec<&Param<A>> {
        Vec::new()
    }

    /// The learnable parameters, for an optimizer to change; none by default.
    fn params_mut(&mut self) -> Vec<&mut Param<A>> {
        Vec::new()
    }

    /// [`params`](Self::params) with names that tell them apart within the layer: `"alpha"`, and `"2.weight"` in a [`Sequential`](crate::Sequential).
    fn named_params(&self) -> Vec<(String, &Param<A>)> {
        named(self.params())
    }

    /// Sets the gradients of all parameters to zero.
    fn zero_grad(&mut self) {
        zeroed(self.params_mut());
    }

    /// Forgets what `forward` kept, and gives its memory back.
    fn clear_cache(&mut self) {}

    /// The layer as [`by_name`](crate::by_name) reads it and `Display` prints it: `"leaky_relu(0.2)"`; the name unless the layer says otherwise.
    fn spec(&self) -> String {
        self.name().to_owned()
    }

    /// The inputs at which the derivative jumps, for those who check gradients numerically; none by default.
    fn kinks(&self) -> Vec<f64> {
        Vec::new()
    }
}

// What the methods above do is in functions of their own where it does not depend on the layer: compiled once, not for each.

fn named<A: Element>(params: Vec<&Param<A>>) -> Vec<(String, &Param<A>)> {
    params.into_iter().map(|param| (param.name().to_owned(), param)).collect()
}

fn zeroed<A: Element>(params: Vec<&mut Param<A>>) {
    params.into_iter().for_each(Param::zero_grad);
}

fn deliver<A: Element>(layer: &str, what: &str, result: &ArrayD<A>, mut destination: ArrayViewMutD<'_, A>) -> Result<()> {
    ActivationError::check_shape(layer, what, result.shape(), destination.shape())?;
    destination.assign(result);
    Ok(())
}

impl<A: Element, L: Layer<A> + ?Sized> Layer<A> for Box<L> {
    fn forward(&mut self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        (**self).forward(input)
    }
    fn backward(&mut self, grad_output: &ArrayD<A>) -> Result<ArrayD<A>> {
        (**self).backward(grad_output)
    }
    fn infer(&self, input: &ArrayD<A>) -> Result<ArrayD<A>> {
        (**self).infer(input)
    }
    fn name(&self) -> &str {
        (**self).name()
    }
    fn forward_into(&mut self, input: ArrayViewD<'_, A>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        (**self).forward_into(input, output)
    }
    fn forward_inplace(&mut self, values: ArrayViewMutD<'_, A>) -> Result<()> {
        (**self).forward_inplace(values)
    }
    fn backward_into(&mut self, grad_output: ArrayViewD<'_, A>, grad_input: ArrayViewMutD<'_, A>) -> Result<()> {
        (**self).backward_into(grad_output, grad_input)
    }
    fn backward_inplace(&mut self, grad: ArrayViewMutD<'_, A>) -> Result<()> {
        (**self).backward_inplace(grad)
    }
    fn infer_into(&self, input: ArrayViewD<'_, A>, output: ArrayViewMutD<'_, A>) -> Result<()> {
        (**self).infer_into(input, output)
    }
    fn infer_inplace(&self, values: ArrayViewMutD<'_, A>) -> Result<()> {
        (**self).infer_inplace(values)
    }
    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        (**self).output_shape(input_shape)
    }
    fn input_shape(&self) -> Option<&[usize]> {
        (**self).input_shape()
    }
    fn params(&self) -> Vec<&Param<A>> {
        (**self).params()
    }
    fn params_mut(&mut self) -> Vec<&mut Param<A>> {
        (**self).params_mut()
    }
    fn named_params(&self) -> Vec<(String, &Param<A>)> {
        (**self).named_params()
    }
    fn zero_grad(&mut self) {
        (**self).zero_grad();
    }
    fn clear_cache(&mut self) {
        (**self).clear_cache();
    }
    fn spec(&self) -> String {
        (**self).spec()
    }
    fn kinks(&self) -> Vec<f64> {
        (**self).kinks()
    }
}

/// A learnable parameter: its value, the gradient that `backward` adds to, and hints for the optimizer.
///
/// ```
/// use ndarray::{ArrayD, IxDyn};
/// use ndarray_activations::Param;
///
/// let mut weight = Param::new("weight", ArrayD::<f32>::ones(IxDyn(&[2, 3])));
/// weight.grad.fill(0.5); // as backward would
/// let step = &weight.grad * 0.1;
/// weight.value -= &step;
/// assert_eq!(weight.value[[1, 2]], 0.95);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Param<A> {
    /// The value; an optimizer changes it in place.
    pub value: ArrayD<A>,
    /// The gradient of the loss, of the same shape; `backward` adds to it, [`Layer::zero_grad`] clears it.
    pub grad: ArrayD<A>,
    name: String,
    weight_decay: bool,
}

impl<A: Element> Param<A> {
    /// A parameter with this value, a zero gradient, and weight decay allowed.
    pub fn new(name: impl Into<String>, value: ArrayD<A>) -> Self {
        Self { grad: ArrayD::zeros(value.raw_dim()), value, name: name.into(), weight_decay: true }
    }

    /// The same parameter with the hint that weight decay should leave it alone (as PReLU's alpha: He et al. 2015, section 2.1).
    ///
    /// ```
    /// # use ndarray::{ArrayD, IxDyn};
    /// # use ndarray_activations::Param;
    /// let bias = Param::new("bias", ArrayD::<f64>::zeros(IxDyn(&[3]))).without_weight_decay();
    /// assert!(!bias.weight_decay());
    /// ```
    #[must_use]
    pub fn without_weight_decay(mut self) -> Self {
        self.weight_decay = false;
        self
    }

    /// The parameter's name within its layer, such as `"alpha"`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether weight decay makes sense for this parameter.
    pub fn weight_decay(&self) -> bool {
        self.weight_decay
    }

    /// Sets the gradient to zero (and to the value's shape, should it have another).
    pub fn zero_grad(&mut self) {
        if self.grad.shape() == self.value.shape() {
            self.grad.fill(A::zero());
        } else {
            self.grad = ArrayD::zeros(self.value.raw_dim());
        }
    }
}
