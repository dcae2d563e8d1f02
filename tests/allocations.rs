//! From the second step on, the `_into` and `_inplace` forms allocate nothing: up to four axes, on one thread.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{input, layer, specs};
use ndarray::ArrayD;

#[test]
fn the_second_step_allocates_nothing() {
    for spec in specs() {
        for shape in [vec![4, 300], vec![2, 6, 34], vec![2, 3, 4, 10]] {
            let x: ArrayD<f32> = input(&shape, false, 1);
            for x in [x.clone(), x.reversed_axes().as_standard_layout().into_owned().reversed_axes()] {
                let mut layer = layer::<f32>(&spec);
                if layer.output_shape(&shape).is_err() {
                    continue; // an axis that this shape has not
                }
                let mut y = layer.forward(&x).unwrap();
                let g = input(y.shape(), false, 2);
                let mut back = ArrayD::zeros(shape.clone());
                let same_shape = y.shape() == x.shape();
                let (mut values, mut gradient) = (x.clone(), g.clone());
                let mut step = || {
                    layer.infer_into(x.view(), y.view_mut()).unwrap();
                    layer.forward_into(x.view(), y.view_mut()).unwrap();
                    layer.backward_into(g.view(), back.view_mut()).unwrap();
                    if same_shape {
                        layer.infer_inplace(values.view_mut()).unwrap();
                        layer.forward_inplace(values.view_mut()).unwrap();
                        layer.backward_inplace(gradient.view_mut()).unwrap();
                    }
                };
                step();
                let counted = allocation_counter::measure(step);
                assert_eq!(counted.count_total, 0, "{spec}, {shape:?}, strides {:?}", x.strides());
            }
        }
    }
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1])));
    assert_eq!(counted.count_total, 1);
}
