//! The fully connected layer, as a layer of one's own beside those of the crate.

use ndarray::{Array1, Array2, ArrayD, ArrayView2, Axis, Ix2};
use ndarray_activations::{ActivationError, Layer, Param, Result};

/// `output = input · weight + bias`, for an input of shape [batch, inputs].
#[derive(Debug)]
pub(crate) struct Dense {
    /// Shape [inputs, outputs].
    weight: Param<f32>,
    /// Shape [outputs]. Weight decay is meant to keep the slopes small; there is no reason to pull the offsets to zero.
    bias: Param<f32>,
    /// The input of the last `forward`: the gradient of the weights needs it.
    input: Option<Array2<f32>>,
}

impl Dense {
    /// A layer with these weights, shape [inputs, outputs], and no bias yet.
    pub(crate) fn new(weight: Array2<f32>) -> Self {
        Self {
            bias: Param::new("bias", Array1::zeros(weight.ncols()).into_dyn()).without_weight_decay(),
            weight: Param::new("weight", weight.into_dyn()),
            input: None,
        }
    }

    /// The weights as a matrix: parameters have a dynamic number of axes, the matrix product wants two.
    fn weight(&self) -> Result<ArrayView2<'_, f32>> {
        Ok(self.weight.value.view().into_dimensionality::<Ix2>()?)
    }

    fn inputs(&self) -> usize {
        self.weight.value.shape()[0]
    }

    fn outputs(&self) -> usize {
        self.weight.value.shape()[1]
    }
}

impl Layer<f32> for Dense {
    fn forward(&mut self, input: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        let output = self.infer(input)?;
        self.input = Some(input.to_owned().into_dimensionality()?);
        Ok(output)
    }

    fn backward(&mut self, grad_output: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        let input = self.input.as_ref().ok_or_else(|| ActivationError::BackwardBeforeForward { layer: "dense".into() })?;
        ActivationError::check_shape("dense", "gradient", &[input.nrows(), self.outputs()], grad_output.shape())?;
        let grad = grad_output.view().into_dimensionality::<Ix2>()?;
        let grad_input = grad.dot(&self.weight()?.t());
        // The gradients are added to, not replaced: that is the contract of `Layer`, and `zero_grad` starts anew.
        self.weight.grad += &input.t().dot(&grad);
        self.bias.grad += &grad.sum_axis(Axis(0));
        Ok(grad_input.into_dyn())
    }

    fn infer(&self, input: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        self.output_shape(input.shape())?;
        let input = input.view().into_dimensionality::<Ix2>()?;
        Ok(input.dot(&self.weight()?).into_dyn() + &self.bias.value)
    }

    fn name(&self) -> &str {
        "dense"
    }

    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        let batch = input_shape.first().copied().unwrap_or(0);
        ActivationError::check_shape("dense", "input", &[batch, self.inputs()], input_shape)?;
        Ok(vec![batch, self.outputs()])
    }

    fn params(&self) -> Vec<&Param<f32>> {
        vec![&self.weight, &self.bias]
    }

    fn params_mut(&mut self) -> Vec<&mut Param<f32>> {
        vec![&mut self.weight, &mut self.bias]
    }

    fn clear_cache(&mut self) {
        self.input = None;
    }
}
