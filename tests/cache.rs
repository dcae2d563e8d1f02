//! What a layer keeps between forward and backward, and that an error leaves it, its parameters and the destination as they were.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{assert_same, input, layer, on_threads, specs};
use ndarray::{ArrayD, Axis, Dimension as _, IxDyn, array};
use ndarray_activations::*;

type Made = (Box<dyn Layer<f64>>, ArrayD<f64>, ArrayD<f64>);

/// A layer after a forward, its output, and the gradient that goes with a fixed gradient of the output.
fn trained(spec: &str) -> Made {
    let x = input(&[4, 3, 6], false, 1);
    let mut layer: Box<dyn Layer<f64>> = layer(spec);
    let y = layer.forward(&x).unwrap();
    let g = input(y.shape(), false, 2);
    let back = layer.backward(&g).unwrap();
    layer.zero_grad();
    (layer, g, back)
}

#[test]
fn backward_needs_a_forward() {
    for spec in specs() {
        let mut fresh: Box<dyn Layer<f64>> = layer(&spec);
        let g = input(&[4, 3, 6], false, 2);
        assert!(matches!(fresh.backward(&g), Err(ActivationError::BackwardBeforeForward { .. })), "{spec}");
        fresh.infer(&g).unwrap();
        assert!(matches!(fresh.backward(&g), Err(ActivationError::BackwardBeforeForward { .. })), "{spec}: infer keeps nothing");
        let (mut layer, g, _) = trained(&spec);
        layer.clear_cache();
        let error = layer.backward(&g).unwrap_err();
        assert!(matches!(error, ActivationError::BackwardBeforeForward { .. }), "{spec}");
        assert!(error.to_string().contains(layer.name()), "{error}");
    }
}

#[test]
fn backward_again_gives_the_same_and_adds_to_the_parameters() {
    for spec in specs() {
        let (mut layer, g, expected) = trained(&spec);
        let before: Vec<ArrayD<f64>> = layer.params().iter().map(|p| p.grad.clone()).collect();
        assert!(before.iter().all(|grad| grad.iter().all(|&g| g == 0.0)), "{spec}: zero_grad clears");
        assert_same(layer.backward(&g).unwrap().view(), expected.view(), &spec);
        let once: Vec<ArrayD<f64>> = layer.params().iter().map(|p| p.grad.clone()).collect();
        layer.infer(&input(&[2, 3, 8], false, 3)).unwrap();
        assert_same(layer.backward(&g).unwrap().view(), expected.view(), &format!("{spec}: infer forgets nothing"));
        for (param, once) in layer.params().iter().zip(once) {
            assert_eq!(param.grad, &once + &once, "{spec}");
        }
    }
}

#[test]
fn a_wrong_call_changes_nothing() {
    for spec in specs() {
        let (mut layer, g, expected) = trained(&spec);
        let wrong = ArrayD::from_elem(IxDyn(&[3, 5, 2]), 7.0);
        let mut destination = wrong.clone();
        let x = input(&[4, 3, 6], false, 1);
        assert!(matches!(layer.backward(&wrong), Err(ActivationError::ShapeMismatch { .. })), "{spec}");
        assert!(layer.backward_into(g.view(), destination.view_mut()).is_err(), "{spec}");
        assert!(layer.backward_into(wrong.view(), destination.view_mut()).is_err(), "{spec}");
        assert!(layer.backward_inplace(destination.view_mut()).is_err(), "{spec}");
        assert!(layer.forward_into(x.view(), destination.view_mut()).is_err(), "{spec}");
        assert!(layer.infer_into(x.view(), destination.view_mut()).is_err(), "{spec}");
        assert_eq!(destination, wrong, "{spec}: the destination is untouched");
        assert!(layer.params().iter().all(|p| p.grad.iter().all(|&g| g == 0.0)), "{spec}: the parameters' gradients are untouched");
        assert_same(layer.backward(&g).unwrap().view(), expected.view(), &format!("{spec}: the cache is untouched"));
    }
}

#[test]
fn an_axis_that_is_not_there_changes_nothing() {
    for spec in ["softmax(1)", "log_softmax(0, 1)", "softmin(1)"] {
        let (mut layer, g, expected) = trained(spec);
        let line = input::<f64>(&[6], false, 5);
        let mut values = line.clone();
        assert!(matches!(layer.forward(&line), Err(ActivationError::AxisOutOfRange { .. })), "{spec}");
        assert!(matches!(layer.forward_inplace(values.view_mut()), Err(ActivationError::AxisOutOfRange { .. })), "{spec}");
        assert!(matches!(layer.infer(&line), Err(ActivationError::AxisOutOfRange { .. })), "{spec}");
        assert!(matches!(layer.output_shape(&[6]), Err(ActivationError::AxisOutOfRange { .. })), "{spec}");
        assert_eq!(values, line, "{spec}");
        assert_same(layer.backward(&g).unwrap().view(), expected.view(), spec);
    }
    assert!(matches!(Softmax::<f64>::over(&[Axis(0), Axis(0)]).infer(&input(&[2, 2], false, 1)), Err(ActivationError::InvalidParameter { .. })));
}

#[test]
fn slopes_that_do_not_fit_change_nothing() {
    let x = input::<f64>(&[4, 6], false, 1);
    let mut prelu = PReLU::per_channel(6, 0.25);
    let y = prelu.forward(&x).unwrap();
    let expected = prelu.backward(&y).unwrap();
    prelu.zero_grad();
    for shape in [vec![4, 5], vec![6], vec![4]] {
        let mut wrong = input::<f64>(&shape, false, 2);
        let before = wrong.clone();
        assert!(prelu.forward(&wrong).is_err(), "{shape:?}");
        assert!(prelu.infer_inplace(wrong.view_mut()).is_err(), "{shape:?}");
        assert_eq!(wrong, before);
    }
    assert!(matches!(PReLU::with_alpha(ArrayD::<f64>::zeros(vec![5])).infer(&x), Err(ActivationError::NotBroadcastable { .. })));
    assert!(matches!(PReLU::with_alpha(ArrayD::<f64>::zeros(vec![1, 4, 6])).infer(&x), Err(ActivationError::NotBroadcastable { .. })));
    assert_eq!(prelu.backward(&y).unwrap(), expected);
    // A parameter that was given another shape behind the layer's back is found out.
    let mut altered = prelu.clone();
    altered.params_mut()[0].value = ArrayD::zeros(vec![5]);
    assert!(altered.backward(&y).is_err());
    assert!(altered.infer(&x).is_err());
    let mut altered = prelu.clone();
    altered.params_mut()[0].grad = ArrayD::zeros(vec![2, 3]);
    let mut destination = ArrayD::from_elem(vec![4, 6], 7.0);
    assert!(altered.backward_into(y.view(), destination.view_mut()).is_err());
    assert!(destination.iter().all(|&v| v == 7.0));
    altered.zero_grad();
    assert!(altered.backward(&y).is_ok(), "zero_grad gives the gradient its shape back");
}

#[test]
fn a_clone_takes_cache_and_parameters_along() {
    let x = array![[-1.0, 2.0], [3.0, -4.0]].into_dyn();
    let mut prelu = PReLU::<f64>::shared(0.5);
    prelu.forward(&x).unwrap();
    prelu.backward(&x).unwrap();
    let mut copy = prelu.clone();
    assert_eq!(copy.params()[0], prelu.params()[0]);
    prelu.clear_cache();
    assert_eq!(copy.backward(&x).unwrap(), array![[-0.5, 2.0], [3.0, -2.0]].into_dyn());
    let mut gelu = GELU::<f64>::new();
    gelu.forward(&x).unwrap();
    let expected = gelu.backward(&x).unwrap();
    assert_eq!(gelu.clone().backward(&x).unwrap(), expected);
}

#[test]
fn a_new_batch_of_another_shape_is_no_trouble() {
    for spec in specs() {
        let mut layer: Box<dyn Layer<f32>> = layer(&spec);
        for shape in [vec![4, 6], vec![2, 34], vec![1, 2], vec![16, 70], vec![2, 4, 6]] {
            if layer.output_shape(&shape).is_err() {
                continue; // an axis that this shape has not
            }
            let x = input(&shape, false, 6);
            let y = layer.forward(&x).unwrap();
            assert_eq!(layer.output_shape(&shape).unwrap(), y.shape(), "{spec}");
            assert_eq!(layer.backward(&y).unwrap().shape(), &shape[..], "{spec}");
        }
    }
}

/// Hand-made: the gradient of each slope is the sum of grad · x over its negative elements; a NaN or infinite gradient elsewhere counts for nothing.
#[test]
fn prelu_learns() {
    let x = array![[[-1.0, 2.0], [0.0, -0.5]], [[-3.0, -4.0], [5.0, -0.0]]].into_dyn();
    let g = array![[[2.0, f64::NAN], [f64::INFINITY, 4.0]], [[0.5, 1.0], [f64::NAN, f64::INFINITY]]].into_dyn();
    let grads = |mut layer: PReLU<f64>| {
        layer.forward(&x).unwrap();
        layer.backward(&g).unwrap();
        assert!(layer.params_mut().iter().all(|p| p.name() == "alpha" && !p.weight_decay()));
        layer.params()[0].grad.clone()
    };
    assert_eq!(grads(PReLU::shared(0.25)), array![-9.5].into_dyn());
    assert_eq!(grads(PReLU::per_channel(2, 0.25)), array![-7.5, -2.0].into_dyn());
    assert_eq!(grads(PReLU::per_channel(2, 0.25).axis(Axis(0))), array![-4.0, -5.5].into_dyn());
    assert_eq!(grads(PReLU::per_channel(2, 0.25).axis(Axis(2))), array![-3.5, -6.0].into_dyn());
    assert_eq!(grads(PReLU::with_alpha(ArrayD::zeros(vec![2, 2]))), array![[-3.5, -4.0], [0.0, -2.0]].into_dyn());
    assert_eq!(grads(PReLU::with_alpha(ArrayD::zeros(vec![2, 1, 2]))), array![[[-2.0, -2.0]], [[-1.5, -4.0]]].into_dyn());
    assert_eq!(grads(PReLU::with_alpha(ArrayD::zeros(vec![1, 2, 1]))), array![[[-7.5], [-2.0]]].into_dyn());
}

/// A slope of its own for each index of each axis, and for each element of the last two, whatever the order in memory.
#[test]
fn slopes_stand_where_they_should() {
    let x: ArrayD<f32> = ArrayD::from_shape_fn(vec![3, 37, 20], |i| ((i[0] * 7 + i[1] * 5 + i[2] * 3) % 11) as f32 - 5.0);
    // The same elements, column by column.
    let transposed = x.t().as_standard_layout().into_owned().reversed_axes();
    for shape in [vec![3, 1, 1], vec![1, 37, 1], vec![1, 1, 20], vec![37, 20], vec![3, 37, 20]] {
        let mut slopes = (0..23).cycle().map(|slope| slope as f32 / 8.0);
        let alpha: ArrayD<f32> = ArrayD::from_shape_simple_fn(shape, || slopes.next().unwrap());
        let expected = &x * &alpha;
        let expected = ndarray::Zip::from(&x).and(&expected).map_collect(|&x, &product| if x > 0.0 { x } else { product });
        for x in [&x, &transposed] {
            let mut prelu = PReLU::with_alpha(alpha.clone());
            assert_eq!(prelu.infer(x).unwrap(), expected);
            assert_eq!(prelu.forward(x).unwrap(), expected);
            assert_eq!(prelu.backward(x).unwrap(), expected);
        }
    }
}

/// Ten million elements in long rows and half a million in short ones, summed in another way: in pairs, in `f64`.
#[test]
fn slopes_of_many_elements() {
    for shape in [vec![100, 8, 12_500], vec![5003, 7, 5, 3], vec![9000, 64]] {
        let x: ArrayD<f32> = ArrayD::from_shape_fn(shape, |i| {
            let place: usize = i.slice().iter().zip([7919, 104_729, 1_299_709, 15_485_863]).map(|(i, prime)| i * prime).sum();
            (place % 20_011) as f32 / 10_007.0 - 1.0
        });
        let g = x.mapv(|v| 0.3 + v * v);
        for (axis, channels) in x.shape().iter().copied().enumerate() {
            let slopes: ArrayD<f32> = (0..channels).map(|channel| channel as f32 / 64.0 - 1.0).collect::<ndarray::Array1<f32>>().into_dyn();
            let run = |threads| {
                on_threads(threads, || {
                    let mut prelu = PReLU::with_alpha(slopes.clone()).axis(Axis(axis));
                    let y = prelu.forward(&x).unwrap();
                    let back = prelu.backward(&g).unwrap();
                    (y, back, prelu.params()[0].grad.clone())
                })
            };
            let (y, back, grad) = run(1);
            assert!(run(3) == (y.clone(), back.clone(), grad.clone()), "axis {axis} of {:?}", x.shape());
            let mut prelu = PReLU::with_alpha(slopes.clone()).axis(Axis(axis));
            let (mut values, mut gradient) = (x.clone(), g.clone());
            prelu.forward_inplace(values.view_mut()).unwrap();
            prelu.backward_inplace(gradient.view_mut()).unwrap();
            assert!((values, gradient, prelu.params()[0].grad.clone()) == (y.clone(), back.clone(), grad.clone()), "in place, axis {axis} of {:?}", x.shape());
            for channel in 0..channels {
                let [x, g, y, back] = [&x, &g, &y, &back].map(|array| array.index_axis(Axis(axis), channel));
                let slope = slopes[[channel]];
                ndarray::Zip::from(&x).and(&y).for_each(|&x, &y| assert_eq!(y, if x > 0.0 { x } else { x * slope }));
                ndarray::Zip::from(&x).and(&g).and(&back).for_each(|&x, &g, &back| assert_eq!(back, if x > 0.0 { g } else { g * slope }));
                let terms: Vec<f64> = x.iter().zip(g).filter(|(x, _)| **x < 0.0).map(|(&x, &g)| f64::from(x) * f64::from(g)).collect();
                let (sum, size) = (pairwise(&terms), terms.iter().map(|t| t.abs()).sum::<f64>());
                let found = f64::from(grad[[channel]]);
                assert!((found - sum).abs() <= 1e-7 * size, "axis {axis}: {found} and {sum}");
            }
        }
    }
}

fn pairwise(terms: &[f64]) -> f64 {
    if terms.len() < 9 { terms.iter().sum() } else { pairwise(&terms[..terms.len() / 2]) + pairwise(&terms[terms.len() / 2..]) }
}
