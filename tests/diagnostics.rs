//! The summary of a batch of outputs, against numbers worked by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use ndarray::{Array2, ArrayD, Axis, IxDyn, array};
use ndarray_activations::{
    ELU, GELU, Identity, Layer, ReLU, Sigmoid, Tanh,
    diagnostics::{Summary, summarize, summarize_with},
};

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-14 * expected.abs().max(1.0), "{found} is not {expected}");
}

/// Numbers spread evenly like the quantiles of a logistic distribution of this scale: 200 samples of 5 units, each unit in another order.
fn spread(scale: f64) -> ArrayD<f64> {
    let quantile = |k: usize| ((k as f64 + 0.5) / (200.0 - k as f64 - 0.5)).ln();
    Array2::from_shape_fn((200, 5), |(sample, unit)| scale * quantile(sample * [1, 3, 7, 9, 11][unit] % 200)).into_dyn()
}

#[test]
fn mean_and_spread() {
    let summary = summarize(&array![[1.0, -2.0], [2.0, 4.0], [6.0, 1.0]].into_dyn());
    assert_eq!((summary.samples(), summary.units()), (3, 2));
    assert_eq!(summary.unit_means(), [3.0, 1.0]);
    assert_close(summary.unit_stds()[0], (14_f64 / 3.0).sqrt());
    assert_close(summary.unit_stds()[1], 6_f64.sqrt());
    assert_eq!(summary.mean(), 2.0);
    // The squares of -1, -4, 0, 2, 4 and -1.
    assert_close(summary.std(), (38_f64 / 6.0).sqrt());
    assert_eq!((summary.dead_fraction(), summary.saturated_fraction()), (0.0, 0.0));
    assert_eq!(summary.to_string(), "3 samples of 2 units: 0.0 % dead, 0.0 % saturated, mean 2.0000, std 2.5166");
    // Far from 0 the squares would cancel.
    let summary = summarize(&array![1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0].into_dyn());
    assert_eq!((summary.mean(), summary.units()), (1e9 + 2.0, 1));
    assert_close(summary.std(), (2_f64 / 3.0).sqrt());
    // In f64, whatever the elements: in f32 the 1 would be lost.
    assert_close(summarize(&array![1e8_f32, 1.0, -1e8].into_dyn()).mean(), 1.0 / 3.0);
}

#[test]
fn units_in_logical_order() {
    let x = ArrayD::from_shape_vec(IxDyn(&[2, 2, 3]), (0..12).map(f64::from).collect()).unwrap();
    let expected = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    assert_eq!(summarize(&x).unit_means(), expected);
    let mut other = ArrayD::zeros(ndarray::ShapeBuilder::f(IxDyn(&[2, 2, 3])));
    other.assign(&x);
    assert_eq!(summarize(&other).unit_means(), expected);
    let mut reversed = x.clone();
    reversed.invert_axis(Axis(0));
    assert_eq!(summarize(&reversed).unit_means(), expected);
}

#[test]
fn dead_units() {
    let x = array![[1.0_f32, -2.0, 3.0, -1.0], [3.0, -1.0, -1.0, -2.0], [-1.0, -5.0, -2.0, -0.0]].into_dyn();
    let summary = summarize(&ReLU::new().infer(&x).unwrap());
    assert_eq!((summary.dead_fraction(), summary.saturated_fraction()), (0.5, 0.0));
    // -0.0 is zero; a number ever so small is not, nor is NaN.
    let summary = summarize(&array![[-0.0, 0.0, 0.0], [0.0, 1e-300, f64::NAN]].into_dyn());
    assert_eq!(summary.dead_fraction(), 1.0 / 3.0);
}

#[test]
fn saturated_sigmoid_and_tanh() {
    // Near a bound is |x| > ln 99 = 4.6: 2/100 of a logistic variable of scale 1, and 1 - tanh(4.6 / 100) = 0.954 of one of scale 50.
    for (scale, saturated, outputs) in [(1.0, 0.0, 0.02), (50.0, 1.0, 0.954), (500.0, 1.0, 0.996)] {
        let summary = summarize(&Sigmoid::new().infer(&spread(scale)).unwrap());
        assert_eq!(summary.saturated_fraction(), saturated, "{scale}: {summary}");
        for share in summary.unit_saturations() {
            assert!((share - outputs).abs() <= 0.006, "{scale}: {share}");
        }
    }
    for (scale, saturated) in [(0.5, 0.0), (50.0, 1.0)] {
        assert_eq!(summarize(&Tanh::new().infer(&spread(scale)).unwrap()).saturated_fraction(), saturated);
    }
    // In f32 the sigmoid of -200 is exactly 0, and of 200 exactly 1: bounded all the same.
    let summary = summarize(&Sigmoid::new().infer(&spread(500.0).mapv(|x| x as f32)).unwrap());
    assert_eq!((summary.saturated_fraction(), summary.dead_fraction()), (1.0, 0.0));
    // A unit apart: stuck high, stuck low, both in turn, alive.
    let stuck = array![[0.999, 1e-5, 0.9999, 0.3], [0.995, 1e-4, 1e-6, 0.99], [1.0, 0.009, 0.992, 0.6]].into_dyn();
    let summary = summarize(&stuck);
    assert_eq!(summary.saturated_fraction(), 0.75);
    assert_eq!(summary.unit_saturations(), [1.0, 1.0, 1.0, 1.0 / 3.0]);
    assert_eq!(summarize(&(stuck * 2.0 - 1.0)).saturated_fraction(), 0.75);
}

#[test]
fn nearly_all_is_95_of_100() {
    let stuck = |free: usize| Array2::from_shape_fn((100, 1), |(k, _)| if k < free { 0.5 } else { 0.999 }).into_dyn();
    assert_eq!(summarize(&stuck(5)).saturated_fraction(), 1.0);
    assert_eq!(summarize(&stuck(6)).saturated_fraction(), 0.0);
}

#[test]
fn what_is_not_bounded_is_not_saturated() {
    for x in [spread(1.0), spread(0.01), spread(1e-6), spread(0.15)] {
        for layer in [Box::new(ReLU::new()) as Box<dyn Layer<f64>>, Box::new(Identity::new()), Box::new(GELU::new())] {
            let summary = summarize(&layer.infer(&x).unwrap());
            assert_eq!(summary.saturated_fraction(), 0.0, "{layer:?}: {summary}");
        }
    }
    // All dead.
    let summary = summarize(&ArrayD::<f32>::zeros(IxDyn(&[4, 3])));
    assert_eq!((summary.dead_fraction(), summary.saturated_fraction(), summary.mean(), summary.std()), (1.0, 0.0, 0.0, 0.0));
}

#[test]
fn the_range_can_be_given() {
    let y = array![[0.0, 6.0, 3.0, -1.0], [0.05, 5.95, 5.0, -0.995]].into_dyn();
    let saturated = |summary: Summary| summary.saturated_fraction();
    assert_eq!(saturated(summarize(&y)), 0.0);
    assert_eq!(saturated(summarize_with(&y, ..)), 0.0);
    assert_eq!(saturated(summarize_with(&y, f64::NEG_INFINITY..=f64::INFINITY)), 0.0);
    // 1 % of 6 is 0.06; beyond the bound counts too.
    assert_eq!(saturated(summarize_with(&y, 0.0..=6.0)), 0.75);
    assert_eq!(saturated(summarize_with(&y, 0.0..6.0)), 0.75);
    assert_eq!(saturated(summarize_with(&y, -1.0..)), 0.25);
    assert_eq!(saturated(summarize_with(&y, ..=6.0)), 0.25);
    // With one bound, 0.01 · max(1, |bound|).
    let near = array![[-0.012, -0.008, -2.015, -2.025]].into_dyn();
    assert_eq!(summarize_with(&near, ..=0.0).unit_saturations(), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(summarize_with(&(near + 4.0), 2.0 - 0.04..).unit_saturations(), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(saturated(summarize_with(&y, f64::NAN..=1.0)), 0.0);
    assert_eq!(saturated(summarize_with(&y, 1.0..=1.0)), 0.0);
    let (low, high) = (1.0, 0.0);
    assert_eq!(saturated(summarize_with(&y, low..=high)), 0.0);
    let elu = ELU::new(1.0).infer(&array![[-9.0_f32, 2.0], [-7.0, -0.1]].into_dyn()).unwrap();
    assert_eq!(saturated(summarize_with(&elu, -1.0..)), 0.5);
}

#[test]
fn empty_and_0d() {
    for shape in [&[0][..], &[0, 3], &[3, 0], &[0, 0], &[2, 0, 3]] {
        let summary = summarize(&ArrayD::<f64>::zeros(IxDyn(shape)));
        assert_eq!((summary.samples(), summary.units()), (shape[0], shape.iter().skip(1).product()));
        assert_eq!((summary.dead_fraction(), summary.saturated_fraction()), (0.0, 0.0));
        assert!(summary.mean().is_nan() && summary.std().is_nan() && summary.unit_means().len() == summary.units());
    }
    let summary = summarize(&ArrayD::from_elem(IxDyn(&[]), -3.5_f32));
    assert_eq!((summary.samples(), summary.units(), summary.mean(), summary.std()), (1, 1, -3.5, 0.0));
    assert_eq!(summarize(&ArrayD::<f32>::zeros(IxDyn(&[]))).dead_fraction(), 1.0);
}

#[test]
fn nan_and_infinity() {
    let summary = summarize(&array![[f64::NAN, 0.999, 0.2], [0.5, 0.999, 0.4]].into_dyn());
    assert!(summary.mean().is_nan() && summary.std().is_nan() && summary.unit_means()[0].is_nan() && summary.unit_stds()[0].is_nan());
    assert_close(summary.unit_means()[2], 0.3);
    assert_eq!(summary.saturated_fraction(), 1.0 / 3.0);
    let summary = summarize(&ArrayD::from_elem(IxDyn(&[2, 2]), f32::NAN));
    assert_eq!((summary.dead_fraction(), summary.saturated_fraction()), (0.0, 0.0));
    let summary = summarize(&array![[f64::INFINITY, 1.0], [2.0, 3.0]].into_dyn());
    assert_eq!(summary.mean(), f64::INFINITY);
    assert!(summary.std().is_nan() && summary.unit_stds()[0].is_nan());
    assert_eq!(summary.unit_stds()[1], 1.0);
}
