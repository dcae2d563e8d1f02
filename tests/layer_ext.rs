//! The verbs for arrays of fixed dimension.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use ndarray::{Array0, Array1, Array2, Array3, ArrayD, Axis, Ix1, IxDyn, ShapeBuilder, Slice, array};
use ndarray_activations::*;

/// The sum along the last axis, in the four methods that a layer must have and `output_shape`: changes the number of axes, and does not tell its input's shape.
#[derive(Clone, Debug, Default)]
struct Sum {
    input: Option<ArrayD<f64>>,
}

impl Layer<f64> for Sum {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.input = Some(input.clone());
        self.infer(input)
    }
    fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        let input = self.input.as_ref().ok_or_else(|| ActivationError::BackwardBeforeForward { layer: "sum".into() })?;
        let mut result = input.clone();
        for mut lane in result.axis_iter_mut(Axis(input.ndim() - 1)) {
            lane.assign(grad_output);
        }
        Ok(result)
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        Ok(input.sum_axis(Axis(input.ndim() - 1)))
    }
    fn name(&self) -> &str {
        "sum"
    }
    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        Ok(input_shape[..input_shape.len() - 1].to_vec())
    }
}

/// Adds neighbours: half as long, the same number of axes, again in four methods.
#[derive(Clone, Debug, Default)]
struct Pairs {
    length: usize,
}

impl Layer<f64> for Pairs {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.length = input.len_of(Axis(1));
        self.infer(input)
    }
    fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        Ok(ArrayD::from_shape_fn(IxDyn(&[grad_output.len_of(Axis(0)), self.length]), |index| grad_output[[index[0], index[1] / 2]]))
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        Ok(&input.slice_axis(Axis(1), Slice::new(0, None, 2)) + &input.slice_axis(Axis(1), Slice::new(1, None, 2)))
    }
    fn name(&self) -> &str {
        "pairs"
    }
    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        Ok(vec![input_shape[0], input_shape[1] / 2])
    }
}

#[test]
fn the_same_as_with_dynamic_arrays() {
    let x = array![[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0]];
    let g = array![[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]];
    let (mut layer, mut dynamic) = (GELU::new(), GELU::new());
    let y = dynamic.forward(&x.clone().into_dyn()).unwrap().into_dimensionality().unwrap();
    let dx = dynamic.backward(&g.clone().into_dyn()).unwrap().into_dimensionality().unwrap();
    let found: (Array2<f64>, Array2<f64>, Array2<f64>) = (layer.infer_nd(&x).unwrap(), layer.forward_nd(&x).unwrap(), layer.backward_nd(&g).unwrap());
    assert_eq!(found, (y.clone(), y.clone(), dx.clone()));

    let mut out = Array2::zeros(x.dim());
    layer.infer_nd_into(&x, &mut out).unwrap();
    assert_eq!(out, y);
    out.fill(0.0);
    layer.forward_nd_into(&x, &mut out).unwrap();
    assert_eq!(out, y);
    layer.backward_nd_into(&g, &mut out.view_mut()).unwrap();
    assert_eq!(out, dx);
    out.assign(&x);
    layer.infer_nd_inplace(&mut out).unwrap();
    assert_eq!(out, y);
    out.assign(&x);
    layer.forward_nd_inplace(&mut out).unwrap();
    assert_eq!(out, y);
    out.assign(&g);
    layer.backward_nd_inplace(&mut out.view_mut()).unwrap();
    assert_eq!(out, dx);
}

#[test]
fn any_kind_of_array_any_layer() {
    let cube = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| i as f32 - j as f32 + 0.25 * k as f32);
    let relu = cube.mapv(|x| x.max(0.0));
    let mut boxed: Box<dyn Layer<f32>> = Box::new(ReLU::new());
    assert_eq!(boxed.forward_nd(&cube).unwrap(), relu);
    assert_eq!(boxed.infer_nd(&cube.view()).unwrap(), relu);
    assert_eq!(boxed.infer_nd(&cube.to_shared()).unwrap(), relu);
    let backwards = Slice::new(0, None, -1);
    assert_eq!(boxed.infer_nd(&cube.slice_axis(Axis(1), backwards)).unwrap(), relu.slice_axis(Axis(1), backwards));
    assert_eq!(boxed.infer_nd(&cube.clone().into_dyn()).unwrap(), relu.clone().into_dyn());
    fn lent(layer: &dyn Layer<f32>, x: &Array1<f32>) -> Array1<f32> {
        layer.infer_nd(x).unwrap()
    }
    assert_eq!(lent(&*boxed, &array![-1.0, 1.0]), array![0.0, 1.0]);
    let point: Array0<f32> = boxed.infer_nd(&ndarray::arr0(-3.0)).unwrap();
    assert_eq!(point.into_scalar(), 0.0);
    assert_eq!(boxed.infer_nd(&Array2::<f32>::zeros((0, 3))).unwrap().dim(), (0, 3));
    let mut net = Sequential::new(vec![boxed]);
    assert_eq!(net.forward_nd(&cube).unwrap(), relu);
    assert_eq!(net.backward_nd(&cube).unwrap().dim(), (2, 3, 4));
}

#[test]
fn the_result_lies_as_the_input_does() {
    let mut columns = Array2::zeros((3, 4).f());
    columns.assign(&Array2::from_shape_fn((3, 4), |(i, j)| i as f64 - j as f64));
    let mut layer = Tanh::new();
    let y = layer.forward_nd(&columns).unwrap();
    assert_eq!(y.strides(), [1, 3]);
    assert_eq!(layer.infer_nd(&columns).unwrap().strides(), [1, 3]);
    assert_eq!(layer.backward_nd(&y).unwrap().strides(), [1, 3]);
    let cube = Array3::<f64>::zeros((2, 3, 4)).permuted_axes([2, 0, 1]);
    assert_eq!(layer.infer_nd(&cube).unwrap().strides(), cube.strides());
    // Of another length, still in that order.
    assert_eq!(Pairs::default().infer_nd(&columns).unwrap().strides(), [1, 3]);
}

#[test]
fn layers_of_ones_own() {
    let x = array![[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]];
    let mut pairs = Pairs::default();
    assert_eq!(pairs.forward_nd(&x).unwrap(), array![[3.0, 7.0], [11.0, 15.0]]);
    assert_eq!(pairs.infer_nd(&x).unwrap(), array![[3.0, 7.0], [11.0, 15.0]]);
    assert_eq!(pairs.backward_nd(&array![[1.0, 2.0], [3.0, 4.0]]).unwrap(), array![[1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0]]);
    assert!(matches!(pairs.infer_nd_inplace(&mut x.clone()), Err(ActivationError::ShapeMismatch { .. })));

    // Another number of axes: an error, and before anything has run; the `_into` forms and dynamic arrays can.
    let mut sum = Sum::default();
    assert!(matches!(sum.forward_nd(&x), Err(ActivationError::Shape(_))));
    assert!(sum.input.is_none());
    assert!(matches!(sum.infer_nd(&x), Err(ActivationError::Shape(_))));
    assert_eq!(sum.infer_nd(&x.clone().into_dyn()).unwrap(), array![10.0, 26.0].into_dyn());
    let mut rows = Array1::zeros(2);
    sum.forward_nd_into(&x, &mut rows).unwrap();
    assert_eq!(rows, array![10.0, 26.0]);
    let mut back = Array2::zeros((2, 4));
    sum.backward_nd_into(&array![1.0, 2.0], &mut back).unwrap();
    assert_eq!(back, array![[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]);
    assert!(matches!(sum.backward_nd::<_, Ix1>(&array![1.0, 2.0]), Err(ActivationError::Shape(_))));
}

#[test]
fn errors_are_the_layers() {
    let mut layer = ReLU::new();
    let (x, wrong) = (array![[1.0, -1.0]], array![[7.0], [7.0]]);
    assert!(matches!(layer.backward_nd(&x), Err(ActivationError::BackwardBeforeForward { .. })));
    layer.forward_nd(&x).unwrap();
    let mut out = wrong.clone();
    assert!(matches!(layer.forward_nd_into(&x, &mut out), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(layer.infer_nd_into(&x, &mut out), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(layer.backward_nd_into(&x, &mut out), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(layer.backward_nd(&wrong), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(layer.backward_nd(&array![1.0, -1.0]), Err(ActivationError::Shape(_))));
    assert!(matches!(layer.backward_nd_inplace(&mut out), Err(ActivationError::ShapeMismatch { .. })));
    assert_eq!(out, wrong);
    assert_eq!(layer.backward_nd(&x).unwrap(), array![[1.0, 0.0]]);
}

#[test]
fn a_layer_of_the_crate_copies_nothing() {
    let x = Array2::from_elem((32, 32), 0.5_f32);
    let mut layer = Tanh::new();
    layer.forward_nd(&x).unwrap();
    let bytes = 32 * 32 * size_of::<f32>() as u64;
    // One new array, the result; less than two, so no copy beside it.
    for measured in [
        allocation_counter::measure(|| drop(layer.infer_nd(&x).unwrap())),
        allocation_counter::measure(|| drop(layer.forward_nd(&x).unwrap())),
        allocation_counter::measure(|| drop(layer.backward_nd(&x).unwrap())),
    ] {
        assert!((bytes..2 * bytes).contains(&measured.bytes_total), "{measured:?}");
    }
}
