//! After the first step a chain allocates nothing of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use allocation_counter::measure;
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, IxDyn, ShapeBuilder};
use ndarray_activations::*;

/// The input twice, side by side along the last axis; its `_into` forms allocate nothing.
#[derive(Debug)]
struct Twice;

impl Layer<f32> for Twice {
    fn forward(&mut self, input: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        self.forward_nd(input)
    }
    fn backward(&mut self, _grad_output: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        Err(ActivationError::Other { layer: "twice".into(), message: "has backward_into only".into() })
    }
    fn infer(&self, input: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        self.infer_nd(input)
    }
    fn name(&self) -> &str {
        "twice"
    }
    fn forward_into(&mut self, input: ArrayViewD<'_, f32>, output: ArrayViewMutD<'_, f32>) -> Result<()> {
        self.infer_into(input, output)
    }
    fn infer_into(&self, input: ArrayViewD<'_, f32>, output: ArrayViewMutD<'_, f32>) -> Result<()> {
        let axis = Axis(input.ndim() - 1);
        let (mut left, mut right) = output.split_at(axis, input.len_of(axis));
        left.assign(&input);
        right.assign(&input);
        Ok(())
    }
    fn backward_into(&mut self, grad_output: ArrayViewD<'_, f32>, mut grad_input: ArrayViewMutD<'_, f32>) -> Result<()> {
        let axis = Axis(grad_output.ndim() - 1);
        let (left, right) = grad_output.split_at(axis, grad_input.len_of(axis));
        grad_input.assign(&left);
        grad_input += &right;
        Ok(())
    }
    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        Ok([&input_shape[..input_shape.len() - 1], &[2 * input_shape[input_shape.len() - 1]]].concat())
    }
}

fn net() -> Sequential<f32> {
    Sequential::new(vec![
        Box::new(GELU::new()) as Box<dyn Layer<f32>>,
        Box::new(ReLU::new()),
        Box::new(Twice),
        Box::new(Tanh::new()),
        Box::new(Twice),
        Box::new(ELU::new(1.0)),
    ])
}

/// Below the size from which threads work (starting them allocates).
const SHAPES: [&[usize]; 4] = [&[100], &[16, 10], &[4, 5, 6], &[2, 3, 4, 5]];

#[test]
fn the_second_step_allocates_nothing() {
    for shape in SHAPES {
        let mut net = net();
        let x = ArrayD::from_elem(shape, 0.5);
        let mut y = ArrayD::zeros(net.output_shape(shape).unwrap());
        let mut dx = ArrayD::zeros(shape);
        let mut step = |net: &mut Sequential<f32>| {
            measure(|| {
                net.forward_into(x.view(), y.view_mut()).unwrap();
                net.infer_into(x.view(), y.view_mut()).unwrap();
                net.backward_into(y.view(), dx.view_mut()).unwrap();
            })
            .count_total
        };
        assert!(step(&mut net) > 0, "the counter counts");
        assert_eq!(step(&mut net), 0, "{shape:?}");
        // A buffer of the chain's own would be far larger than what asking for the shapes takes.
        net.params_mut();
        assert!(step(&mut net) <= 2 * (net.len() as u64 + 1));
        assert_eq!(step(&mut net), 0, "{shape:?}");
        net.clear_cache();
        assert!(step(&mut net) > 0);
    }
}

#[test]
fn nor_does_it_in_place() {
    let mut net = Sequential::new(vec![Box::new(GELU::new()) as Box<dyn Layer<f32>>, Box::new(ReLU::new()), Box::new(Tanh::new())]);
    let mut values = ArrayD::from_elem(IxDyn(&[16, 10]), 0.5);
    let mut step = || {
        measure(|| {
            net.forward_inplace(values.view_mut()).unwrap();
            net.backward_inplace(values.view_mut()).unwrap();
            net.infer_inplace(values.view_mut()).unwrap();
        })
        .count_total
    };
    step();
    assert_eq!(step(), 0);
}

#[test]
fn column_major_arrays_are_trained_without_allocations_too() {
    let mut net = net();
    let x = ArrayD::from_elem(IxDyn(&[16, 10]).f(), 0.5);
    let mut y = ArrayD::zeros(IxDyn(&[16, 40]).f());
    let mut dx = x.clone();
    let mut step = || {
        measure(|| {
            net.forward_into(x.view(), y.view_mut()).unwrap();
            net.backward_into(y.view(), dx.view_mut()).unwrap();
        })
        .count_total
    };
    step();
    assert_eq!(step(), 0);
}
