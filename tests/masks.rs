//! Masked softmax: as if the masked elements were not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{assert_same, input};
use ndarray::{Array1, ArrayD, Axis, array};
use ndarray_activations::*;

/// The elements that the mask keeps.
fn kept(row: &ArrayD<f64>, mask: &[bool]) -> ArrayD<f64> {
    Array1::from_iter(row.iter().zip(mask).filter(|(_, keep)| **keep).map(|(&x, _)| x)).into_dyn()
}

/// Output and gradient along the kept elements, with 0 (or -infinity for the logarithm) in the output and 0 in the gradient elsewhere.
fn check<L: Layer<f64>>(mut masked: impl FnMut(ArrayD<bool>) -> L, mut plain: L, elsewhere: f64) {
    let mask = [true, false, true, true, false, true, true, false, false, true, true, true, false, true, true, true, false, true, true, true];
    let x = input::<f64>(&[20], false, 1);
    let mut g = input::<f64>(&[20], false, 2);
    // What stands at masked places counts for nothing.
    g[[1]] = f64::NAN;
    g[[4]] = f64::INFINITY;
    let mut layer = masked(Array1::from(mask.to_vec()).into_dyn());
    let y = layer.forward(&x).unwrap();
    let back = layer.backward(&g).unwrap();
    let expected = plain.forward(&kept(&x, &mask)).unwrap();
    let expected_back = plain.backward(&kept(&g, &mask)).unwrap();
    for (found, expected) in [(kept(&y, &mask), expected), (kept(&back, &mask), expected_back)] {
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-15 * (1.0 + b.abs()), "{a} and {b}");
        }
    }
    for (i, keep) in mask.into_iter().enumerate() {
        assert!(keep || (y[[i]] == elsewhere && back[[i]] == 0.0), "{i}: {} and {}", y[[i]], back[[i]]);
    }
    assert_same(layer.infer(&x).unwrap().view(), y.view(), "infer");
}

#[test]
fn masked_elements_are_not_there() {
    let softmax = |mask| {
        let mut layer = Softmax::new(Axis(0));
        layer.set_mask(Some(mask));
        layer
    };
    let log_softmax = |mask| {
        let mut layer = LogSoftmax::new(Axis(0));
        layer.set_mask(Some(mask));
        layer
    };
    check(softmax, Softmax::new(Axis(0)), 0.0);
    check(log_softmax, LogSoftmax::new(Axis(0)), f64::NEG_INFINITY);
}

#[test]
fn masks_broadcast_and_go_away() {
    let x = input::<f32>(&[3, 4, 5], false, 3);
    let mut layer = Softmax::new(Axis(2));
    layer.set_mask(Some(array![true, false, true, true, false].into_dyn()));
    let narrow = layer.infer(&x).unwrap();
    layer.set_mask(Some(ArrayD::from_shape_fn(vec![3, 4, 5], |i| i[2] != 1 && i[2] != 4)));
    assert_same(narrow.view(), layer.infer(&x).unwrap().view(), "broadcast");
    assert!(narrow.index_axis(Axis(2), 1).iter().all(|&y| y == 0.0));
    layer.set_mask(None);
    assert_eq!(layer.infer(&x).unwrap(), Softmax::new(Axis(2)).infer(&x).unwrap());
}

#[test]
fn fully_masked_rows() {
    let x = array![[1.0, 2.0], [3.0, 4.0]].into_dyn();
    let mask = || Some(array![[false, false], [true, false]].into_dyn());
    let g = array![[5.0, f64::NAN], [7.0, 8.0]].into_dyn();
    let mut softmax = Softmax::<f64>::new(Axis(1));
    softmax.set_mask(mask());
    let y = softmax.forward(&x).unwrap();
    assert!(y[[0, 0]].is_nan() && y[[0, 1]].is_nan());
    assert_eq!((y[[1, 0]], y[[1, 1]]), (1.0, 0.0));
    let mut softmax = softmax.all_masked(AllMasked::Zeros);
    assert_eq!(softmax.forward(&x).unwrap(), array![[0.0, 0.0], [1.0, 0.0]].into_dyn());
    assert_eq!(softmax.backward(&g).unwrap(), array![[0.0, 0.0], [0.0, 0.0]].into_dyn());
    let mut log_softmax = LogSoftmax::<f64>::new(Axis(1)).all_masked(AllMasked::Zeros);
    log_softmax.set_mask(mask());
    assert_eq!(log_softmax.forward(&x).unwrap(), array![[0.0, 0.0], [0.0, f64::NEG_INFINITY]].into_dyn());
    assert_eq!(log_softmax.backward(&g).unwrap(), array![[0.0, 0.0], [0.0, 0.0]].into_dyn());
}

#[test]
fn a_mask_that_does_not_fit() {
    let x = input::<f64>(&[3, 4], false, 4);
    let mut layer = Softmax::new(Axis(1));
    let y = layer.forward(&x).unwrap();
    let expected = layer.backward(&x).unwrap();
    for shape in [vec![3], vec![2, 4], vec![1, 3, 4]] {
        layer.set_mask(Some(ArrayD::from_elem(shape.clone(), true)));
        let error = layer.forward(&x).unwrap_err();
        assert!(matches!(error, ActivationError::NotBroadcastable { .. }), "{shape:?}: {error}");
        let mut values = x.clone();
        assert!(layer.infer_inplace(values.view_mut()).is_err());
        assert_eq!(values, x);
    }
    // What was kept before is still there.
    assert_eq!(layer.backward(&x).unwrap(), expected);
    layer.set_mask(None);
    assert_eq!(layer.infer(&x).unwrap(), y);
}
