//! The verbs of [`Layer`] for arrays of fixed dimension.

use ndarray::{Array, ArrayBase, ArrayViewD, Data, DataMut, Dimension};

use crate::{
    element::Element,
    error::Result,
    layer::Layer,
    traverse::{Order, checked_len},
};

/// [`Layer`]'s verbs for [`Array2`](ndarray::Array2) and all the others of fixed dimension, so that nobody writes `into_dyn()` and `into_dimensionality()`
/// around a layer. Every layer has them, the boxed ones and your own too.
///
/// ```
/// use ndarray::{Array2, array};
/// use ndarray_activations::{LayerExt, ReLU};
///
/// let mut layer = ReLU::new();
/// let x = array![[-1.0, 2.0], [3.0, -4.0]];
/// let y: Array2<f64> = layer.forward_nd(&x)?;
/// assert_eq!(y, array![[0.0, 2.0], [3.0, 0.0]]);
/// let dx = layer.backward_nd(&y.slice(ndarray::s![.., ..]))?; // views and other kinds of array as well
/// assert_eq!(dx, y);
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
///
/// # What is copied
/// Nothing: the input is lent to the layer as a view, and the result is moved. The methods build on the `_into` and `_inplace` forms; a layer of your own that
/// leaves those to their defaults copies there (see [`Layer`]), and so does [`backward_nd`](Self::backward_nd) where the layer does not tell its
/// [`input_shape`](Layer::input_shape).
///
/// The result lies in the memory order of the array given.
///
/// # Errors
/// Those of the layer's own forms; and [`ActivationError::Shape`](crate::ActivationError::Shape) where the layer changes the number of axes, which the result
/// of fixed dimension cannot follow (the `_into` forms take a destination with any number of axes). After an error nothing has changed, with the exception
/// told at [`backward_nd`](Self::backward_nd).
pub trait LayerExt<A: Element>: Layer<A> {
    /// [`Layer::forward`].
    fn forward_nd<S: Data<Elem = A>, D: Dimension>(&mut self, input: &ArrayBase<S, D>) -> Result<Array<A, D>> {
        let mut output = zeros(input, &self.output_shape(input.shape())?)?;
        self.forward_nd_into(input, &mut output)?;
        Ok(output)
    }

    /// [`Layer::forward_into`].
    fn forward_nd_into<S, T, D, E>(&mut self, input: &ArrayBase<S, D>, output: &mut ArrayBase<T, E>) -> Result<()>
    where
        S: Data<Elem = A>,
        T: DataMut<Elem = A>,
        D: Dimension,
        E: Dimension,
    {
        self.forward_into(input.view().into_dyn(), output.view_mut().into_dyn())
    }

    /// [`Layer::forward_inplace`].
    fn forward_nd_inplace<S: DataMut<Elem = A>, D: Dimension>(&mut self, values: &mut ArrayBase<S, D>) -> Result<()> {
        self.forward_inplace(values.view_mut().into_dyn())
    }

    /// [`Layer::infer`].
    fn infer_nd<S: Data<Elem = A>, D: Dimension>(&self, input: &ArrayBase<S, D>) -> Result<Array<A, D>> {
        let mut output = zeros(input, &self.output_shape(input.shape())?)?;
        self.infer_nd_into(input, &mut output)?;
        Ok(output)
    }

    /// [`Layer::infer_into`].
    fn infer_nd_into<S, T, D, E>(&self, input: &ArrayBase<S, D>, output: &mut ArrayBase<T, E>) -> Result<()>
    where
        S: Data<Elem = A>,
        T: DataMut<Elem = A>,
        D: Dimension,
        E: Dimension,
    {
        self.infer_into(input.view().into_dyn(), output.view_mut().into_dyn())
    }

    /// [`Layer::infer_inplace`].
    fn infer_nd_inplace<S: DataMut<Elem = A>, D: Dimension>(&self, values: &mut ArrayBase<S, D>) -> Result<()> {
        self.infer_inplace(values.view_mut().into_dyn())
    }

    /// [`Layer::backward`].
    ///
    /// A layer that does not tell its [`input_shape`](Layer::input_shape), as one of your own that leaves it to the default, costs one copy of the gradient; and
    /// where it changes the number of axes, the error comes after it has added to the gradients of its parameters.
    fn backward_nd<S: Data<Elem = A>, D: Dimension>(&mut self, grad_output: &ArrayBase<S, D>) -> Result<Array<A, D>> {
        let Some(shape) = self.input_shape() else {
            return Ok(self.backward(&grad_output.to_owned().into_dyn())?.into_dimensionality()?);
        };
        let mut grad_input = zeros(grad_output, shape)?;
        self.backward_nd_into(grad_output, &mut grad_input)?;
        Ok(grad_input)
    }

    /// [`Layer::backward_into`].
    fn backward_nd_into<S, T, D, E>(&mut self, grad_output: &ArrayBase<S, D>, grad_input: &mut ArrayBase<T, E>) -> Result<()>
    where
        S: Data<Elem = A>,
        T: DataMut<Elem = A>,
        D: Dimension,
        E: Dimension,
    {
        self.backward_into(grad_output.view().into_dyn(), grad_input.view_mut().into_dyn())
    }

    /// [`Layer::backward_inplace`].
    fn backward_nd_inplace<S: DataMut<Elem = A>, D: Dimension>(&mut self, grad: &mut ArrayBase<S, D>) -> Result<()> {
        self.backward_inplace(grad.view_mut().into_dyn())
    }
}

impl<A: Element, L: Layer<A> + ?Sized> LayerExt<A> for L {}

/// Zeros of this shape in the memory order of `like`; an error where it has another number of axes than the type says.
fn zeros<A: Element, S: Data<Elem = A>, D: Dimension>(like: &ArrayBase<S, D>, shape: &[usize]) -> Result<Array<A, D>> {
    checked_len::<A>(shape)?;
    let like: ArrayViewD<'_, A> = like.view().into_dyn();
    Ok(A::zeros_in(&Order::of(&like), shape).into_dimensionality()?)
}
