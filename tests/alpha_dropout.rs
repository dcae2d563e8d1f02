//! Alpha dropout: the share that is dropped, the moments that are kept, and what changes neither.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use common::{assert_any_threads, assert_same};
use ndarray::{ArrayD, IxDyn, array};
use ndarray_activations::{ActivationError, AlphaDropout, Layer, SELU};
use ndarray_rand::{RandomExt, rand::SeedableRng, rand_distr::StandardNormal};

fn ones(n: usize) -> ArrayD<f64> {
    ArrayD::ones(IxDyn(&[n]))
}

fn ramp(shape: &[usize]) -> ArrayD<f64> {
    let n: usize = shape.iter().product();
    ArrayD::from_shape_vec(shape, (0..n).map(|i| ((i * 37 + 11) % 101) as f64 / 25.0 - 2.0).collect()).unwrap()
}

#[test]
fn the_share_that_is_dropped() {
    const N: usize = 1 << 18;
    for p in [0.001, 0.05, 0.1, 0.5, 0.9, 0.999] {
        let mut layer = AlphaDropout::new(p, 3);
        layer.forward(&ones(N)).unwrap();
        let dropped = layer.backward(&ones(N)).unwrap().iter().filter(|&&g| g == 0.0).count() as f64 / N as f64;
        assert!((dropped - p).abs() < 5.0 * (p * (1.0 - p) / N as f64).sqrt(), "{p}: {dropped}");
    }
}

#[test]
fn mean_and_variance_stay() {
    const N: usize = 1 << 18;
    let mut random = ndarray_rand::rand::rngs::StdRng::seed_from_u64(1);
    let x = ArrayD::<f64>::random_using(IxDyn(&[N]), StandardNormal, &mut random);
    for p in [0.05, 0.1, 0.5, 0.8] {
        let y = AlphaDropout::new(p, 3).forward(&x).unwrap();
        let mean = y.sum() / N as f64;
        let square = y.mapv(|y| y * y);
        let second = square.sum() / N as f64;
        let fourth = square.mapv(|s| s * s).sum() / N as f64;
        assert!(mean.abs() < 5.0 / (N as f64).sqrt(), "{p}: mean {mean}");
        assert!((second - 1.0).abs() < 5.0 * ((fourth - 1.0) / N as f64).sqrt(), "{p}: variance {second}");
    }
}

/// (p, a, b, the value of dropped elements), by mpmath from the paper's formulas and its scale · alpha.
const LINES: [(f64, f64, f64, f64); 4] = [
    (0.0625, 0.9454988404174339, 0.10389255550686562, -1.5583883326029841),
    (0.25, 0.8672579238579331, 0.3811813960698242, -1.1435441882094726),
    (0.5, 0.8864048946659319, 0.7791939305180317, -0.7791939305180317),
    (0.75, 1.0979427613953128, 1.4477193338229362, -0.48257311127431207),
];

#[test]
fn the_line() {
    for (p, a, b, dropped) in LINES {
        let mut layer = AlphaDropout::new(p, 3);
        let x = ramp(&[500]);
        let y = layer.forward(&x).unwrap();
        for ((x, y), g) in x.iter().zip(&y).zip(&layer.backward(&ones(500)).unwrap()) {
            let (value, slope) = if *g == 0.0 { (dropped, 0.0) } else { (a * x + b, a) };
            assert!((y - value).abs() < 2e-15 && (g - slope).abs() < 5e-16, "{p}: {x} {y} {g}");
        }
    }
}

#[test]
fn dropped_elements_are_where_selu_ends() {
    // With the line undone, a dropped element is SELU's limit.
    let mut layer = AlphaDropout::new(0.3, 3);
    let zeros = ArrayD::zeros(IxDyn(&[500]));
    let y = layer.forward(&zeros).unwrap();
    let g = layer.backward(&ones(500)).unwrap();
    let limit = SELU::<f64>::new().infer(&array![f64::NEG_INFINITY].into_dyn()).unwrap()[0];
    let a = g.iter().copied().fold(0.0, f64::max);
    let b = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for (y, g) in y.iter().zip(&g) {
        if *g == 0.0 {
            assert!(((y - b) / a - limit).abs() < 1e-15);
        } else {
            assert_eq!((*y, *g), (b, a));
        }
    }
}

#[test]
fn none_and_all() {
    let x = array![1.5, -0.0, 0.0, -3.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::NAN].into_dyn();
    let mut none = AlphaDropout::new(0.0, 1);
    assert_same(none.forward(&x).unwrap().view(), x.view(), "");
    assert_same(none.backward(&x).unwrap().view(), x.view(), "");
    let mut all = AlphaDropout::new(1.0, 1);
    let y = all.forward(&x).unwrap();
    assert!(y.iter().take(7).all(|&y| y == 0.0) && y[7].is_nan());
    assert!(all.backward(&x).unwrap().iter().all(|&g| g == 0.0));
}

#[test]
fn what_a_dropped_element_does_not_let_through() {
    let mut layer = AlphaDropout::new(0.5, 1);
    let kept: Vec<bool> = {
        let mut clone = layer.clone();
        clone.forward(&ones(300)).unwrap();
        clone.backward(&ones(300)).unwrap().iter().map(|&g| g != 0.0).collect()
    };
    assert!(kept.contains(&true) && kept.contains(&false));
    let y = layer.forward(&ArrayD::from_elem(IxDyn(&[300]), f64::INFINITY)).unwrap();
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let g = layer.backward(&ArrayD::from_elem(IxDyn(&[300]), bad)).unwrap();
        for i in 0..300 {
            assert_eq!(y[i] == f64::INFINITY, kept[i]);
            assert_eq!(g[i].to_bits() == 0, !kept[i]);
            assert!(!kept[i] || g[i].is_nan() || g[i] == bad);
        }
    }
    // NaN is never dropped.
    let mut layer = AlphaDropout::new(0.5, 1);
    assert!(layer.forward(&ArrayD::from_elem(IxDyn(&[300]), f64::NAN)).unwrap().iter().all(|y| y.is_nan()));
    assert!(layer.backward(&ones(300)).unwrap().iter().all(|&g| g > 0.0));
}

#[test]
fn fresh_for_each_forward_and_the_same_for_a_clone() {
    let x = ramp(&[5, 300]);
    let mut layer = AlphaDropout::new(0.4, 3);
    let first = layer.forward(&x).unwrap();
    let mut clone = layer.clone();
    let second = layer.forward(&x).unwrap();
    assert_ne!(first, second);
    assert_same(clone.forward(&x).unwrap().view(), second.view(), "");
    assert_same(AlphaDropout::new(0.4, 3).forward(&x).unwrap().view(), first.view(), "");
    assert_ne!(AlphaDropout::new(0.4, 4).forward(&x).unwrap(), first);
    // Both element types drop the same.
    let single = AlphaDropout::<f32>::new(0.4, 3).forward(&x.mapv(|x| x as f32)).unwrap();
    assert!(single.iter().zip(&first).all(|(&a, &b)| (f64::from(a) - b).abs() < 1e-6));
}

#[test]
fn any_threads_and_instruction_set() {
    assert_any_threads(|| AlphaDropout::new(0.4, 5), &ramp(&[64, 1 << 12]));
}

#[test]
fn inference_changes_nothing() {
    let x = array![1.5, -0.0, f64::INFINITY, f64::NAN].into_dyn();
    let layer = AlphaDropout::new(0.5, 1);
    assert_same(layer.infer(&x).unwrap().view(), x.view(), "");
    let mut values = x.clone();
    layer.infer_inplace(values.view_mut()).unwrap();
    assert_same(values.view(), x.view(), "");
}

#[test]
fn probabilities() {
    for p in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let sentence = format!("alpha_dropout: the probability should lie between 0 and 1, found {p}");
        let error = AlphaDropout::<f32>::try_new(p, 0).unwrap_err();
        assert!(matches!(error, ActivationError::InvalidParameter { .. }));
        assert_eq!(error.to_string(), sentence);
        let panic = std::panic::catch_unwind(|| AlphaDropout::<f32>::new(p, 0)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), &sentence);
    }
    assert!(AlphaDropout::<f32>::try_new(-0.0, 0).is_ok());
}

#[test]
fn a_failed_forward_changes_nothing() {
    let x = ramp(&[3, 40]);
    let mut layer = AlphaDropout::new(0.5, 5);
    assert!(matches!(layer.backward(&x), Err(ActivationError::BackwardBeforeForward { .. })));
    layer.forward(&x).unwrap();
    let (mut clone, gradient) = (layer.clone(), layer.backward(&x).unwrap());
    let mut wrong = ArrayD::from_elem(IxDyn(&[40, 3]), 9.0);
    assert!(matches!(layer.forward_into(x.view(), wrong.view_mut()), Err(ActivationError::ShapeMismatch { .. })));
    assert!(wrong.iter().all(|&v| v == 9.0));
    assert_eq!(layer.backward(&x).unwrap(), gradient);
    assert_eq!(layer.forward(&x).unwrap(), clone.forward(&x).unwrap());
    layer.clear_cache();
    assert!(matches!(layer.backward(&x), Err(ActivationError::BackwardBeforeForward { .. })));
}

#[test]
fn no_elements_and_no_axes() {
    for p in [0.0, 0.5, 1.0] {
        let mut layer = AlphaDropout::new(p, 5);
        for shape in [&[0][..], &[3, 0, 2]] {
            let empty = ArrayD::<f64>::zeros(shape);
            assert_eq!(layer.forward(&empty).unwrap().shape(), shape);
            assert_eq!(layer.backward(&empty).unwrap().shape(), shape);
            assert_eq!(layer.infer(&empty).unwrap().shape(), shape);
        }
        let one = ArrayD::ones(IxDyn(&[]));
        assert_eq!(layer.forward(&one).unwrap().ndim(), 0);
        assert_eq!(layer.backward(&one).unwrap().ndim(), 0);
    }
}

#[test]
fn names() {
    let layer = AlphaDropout::<f32>::new(0.1, 7);
    assert_eq!((layer.name(), layer.kinks()), ("alpha_dropout", vec![]));
    assert_eq!((layer.spec(), layer.to_string()), ("alpha_dropout(0.1, 7)".into(), "alpha_dropout(0.1, 7)".into()));
    assert_eq!(AlphaDropout::<f64>::default().spec(), "alpha_dropout(0.5, 0)");
}
