//! `RReLU`: what is drawn, and what does not change it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use common::{Held, LAYOUTS, assert_any_threads, assert_same};
use ndarray::{ArrayD, IxDyn, array};
use ndarray_activations::{ActivationError, Layer, LeakyReLU, RReLU, by_name};

/// SplitMix64 one number after the other, as Steele, Lea and Flood write it.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn minus_ones(n: usize) -> ArrayD<f64> {
    ArrayD::from_elem(IxDyn(&[n]), -1.0)
}

/// Both signs, in no pattern that fits a layout.
fn mixed(shape: &[usize]) -> ArrayD<f64> {
    let n: usize = shape.iter().product();
    ArrayD::from_shape_vec(shape, (0..n).map(|i| ((i * 37 + 11) % 101) as f64 / 25.0 - 2.5).collect()).unwrap()
}

fn mean(x: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = x.len() as f64;
    x.sum::<f64>() / n
}

#[test]
fn the_generator_is_splitmix64() {
    // The published outputs for this seed (Rosetta Code, "Pseudo-random numbers/Splitmix64").
    let mut published = SplitMix64(1_234_567);
    for expected in [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821] {
        assert_eq!(published.next(), expected);
    }
    // The finaliser takes 0 to 0, so that the keys for seed 0 are the outputs from seed 0.
    let (mut keys, mut layer) = (SplitMix64(0), RReLU::new(0.0, 1.0, 0));
    for _ in 0..5 {
        let mut words = SplitMix64(keys.next());
        let expected: Vec<f64> = (0..700).map(|_| -((words.next() >> 11) as f64) / f64::powi(2.0, 53)).collect();
        assert_eq!(layer.forward(&minus_ones(700)).unwrap().into_raw_vec_and_offset().0, expected);
    }
}

#[test]
fn slopes_are_uniform() {
    const N: usize = 1 << 18;
    let (lower, upper) = (1.0 / 8.0, 1.0 / 3.0);
    let width = upper - lower;
    let sigma = 1.0 / (N as f64).sqrt();
    for seed in [0, 1, 7, u64::MAX] {
        let mut layer = RReLU::new(lower, upper, seed);
        let draws: Vec<Vec<f64>> = (0..3).map(|_| layer.forward(&minus_ones(N)).unwrap().iter().map(|y| (-y - lower) / width).collect()).collect();
        for u in &draws {
            assert!(u.iter().all(|u| (-1e-15..=1.0).contains(u)));
            assert!((mean(u.iter().copied()) - 0.5).abs() < 5.0 * sigma * (1.0_f64 / 12.0).sqrt());
            // The variance of (u - 1/2)² is 1/180.
            assert!((mean(u.iter().map(|u| (u - 0.5).powi(2))) - 1.0 / 12.0).abs() < 5.0 * sigma * (1.0_f64 / 180.0).sqrt());
            // Ten boxes, each with a tenth of the numbers.
            let mut boxes = [0.0; 10];
            u.iter().for_each(|u| boxes[((u * 10.0).max(0.0) as usize).min(9)] += 1.0 / N as f64);
            assert!(boxes.iter().all(|share| (share - 0.1).abs() < 5.0 * sigma * 0.3), "{boxes:?}");
            // Neighbours know nothing of each other; nor do elements 512 apart.
            for lag in [1, 512] {
                let covariance = mean(u.iter().zip(&u[lag..]).map(|(a, b)| (a - 0.5) * (b - 0.5)));
                assert!(covariance.abs() < 5.0 * sigma / 12.0 * 1.01, "lag {lag}: {covariance}");
            }
        }
        // Nor do the forwards.
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            let covariance = mean(draws[a].iter().zip(&draws[b]).map(|(a, b)| (a - 0.5) * (b - 0.5)));
            assert!(covariance.abs() < 5.0 * sigma / 12.0);
        }
    }
}

#[test]
fn fresh_for_each_forward_and_the_same_for_a_clone() {
    let x = mixed(&[5, 300]);
    let mut layer = RReLU::new(0.1, 0.4, 3);
    let first = layer.forward(&x).unwrap();
    let mut clone = layer.clone();
    let second = layer.forward(&x).unwrap();
    assert_ne!(first, second);
    assert_same(clone.forward(&x).unwrap().view(), second.view(), "");
    // A cleared cache does not set the count back.
    clone.clear_cache();
    layer.infer(&x).unwrap();
    let third = layer.forward(&x).unwrap();
    assert_same(clone.forward(&x).unwrap().view(), third.view(), "");
    assert_ne!(third, first);
    assert_same(RReLU::new(0.1, 0.4, 3).forward(&x).unwrap().view(), first.view(), "");
    assert_ne!(RReLU::new(0.1, 0.4, 4).forward(&x).unwrap(), first);
}

#[test]
fn both_element_types_draw_the_same() {
    let single = RReLU::<f32>::new(0.125, 0.25, 9).forward(&ArrayD::from_elem(IxDyn(&[1000]), -1.0)).unwrap();
    let double = RReLU::<f64>::new(0.125, 0.25, 9).forward(&minus_ones(1000)).unwrap();
    assert!(single.iter().zip(&double).all(|(&a, &b)| (f64::from(a) - b).abs() < 3e-8));
}

/// Neither the layout nor the shape counts, only the index in row-major order.
#[test]
fn the_logical_index_counts() {
    for shape in [&[7, 5, 33][..], &[2, 1400], &[1400, 2], &[1200], &[3, 1, 2, 401]] {
        let x = mixed(shape);
        let y = RReLU::new(0.1, 0.4, 5).forward(&mixed(&[x.len()])).unwrap().into_shape_with_order(shape).unwrap();
        for layout in LAYOUTS {
            let (held, mut out) = (Held::new(&x, layout), ArrayD::zeros(shape));
            RReLU::new(0.1, 0.4, 5).forward_into(held.view(), out.view_mut()).unwrap();
            assert_same(out.view(), y.view(), &format!("{layout:?} {shape:?}"));
        }
    }
}

#[test]
fn any_threads_and_instruction_set() {
    assert_any_threads(|| RReLU::new(0.1, 0.4, 5), &mixed(&[64, 1 << 12]));
}

#[test]
fn inference_takes_the_mean_slope() {
    let x = mixed(&[4, 50]);
    assert_eq!(RReLU::new(0.125, 0.25, 1).infer(&x).unwrap(), x.mapv(|x| if x > 0.0 { x } else { 0.1875 * x }));
    assert_eq!(RReLU::default().infer(&x).unwrap(), x.mapv(|x| if x > 0.0 { x } else { (1.0 / 8.0 + 1.0 / 3.0) / 2.0 * x }));
    let single = RReLU::<f32>::default().infer(&array![-1.0].into_dyn()).unwrap();
    assert_eq!(single[0], -(11.0_f32 / 48.0));
    let mut values = x.clone();
    RReLU::new(0.125, 0.25, 1).infer_inplace(values.view_mut()).unwrap();
    assert_eq!(values, RReLU::new(0.125, 0.25, 1).infer(&x).unwrap());
}

#[test]
fn the_gradient_is_the_slope_of_the_forward() {
    let x = mixed(&[3, 200]);
    let fresh = RReLU::new(0.1, 0.9, 11);
    let h = f64::powi(2.0, -20);
    let (up, down) = (fresh.clone().forward(&(&x + h)).unwrap(), fresh.clone().forward(&(&x - h)).unwrap());
    let g = mixed(&[3, 200]) * 3.0 + 0.5;
    let mut layer = fresh;
    layer.forward(&x).unwrap();
    let gradient = layer.backward(&g).unwrap();
    let numeric = (up - down) / (2.0 * h) * &g;
    for ((x, analytic), numeric) in x.iter().zip(&gradient).zip(&numeric) {
        if x.abs() > h {
            assert!((analytic - numeric).abs() < 1e-8, "{x}: {analytic} {numeric}");
        }
    }
    // May be called again.
    assert_eq!(layer.backward(&g).unwrap(), gradient);
}

#[test]
fn special_inputs() {
    let x = array![f64::NAN, 0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324, -5e-324].into_dyn();
    let mut layer = RReLU::new(0.25, 0.5, 2);
    let y = layer.forward(&x).unwrap();
    let g = layer.backward(&ArrayD::ones(IxDyn(&[7]))).unwrap();
    assert!(y[0].is_nan());
    assert_eq!(y[1].to_bits(), 0.0_f64.to_bits());
    assert_eq!(y[2].to_bits(), (-0.0_f64).to_bits());
    assert_eq!((y[3], y[4], y[5]), (f64::INFINITY, f64::NEG_INFINITY, 5e-324));
    assert_eq!((g[0], g[3], g[5]), (1.0, 1.0, 1.0));
    assert!([1, 2, 4, 6].iter().all(|&i| (0.25..=0.5).contains(&g[i])), "{g}");
}

#[test]
fn bounds() {
    let error = RReLU::<f32>::try_new(0.5, 0.25, 0).unwrap_err();
    assert_eq!(error, ActivationError::InvalidParameter { layer: "rrelu".into(), reason: "the lower bound 0.5 lies above the upper bound 0.25".into() });
    let panic = std::panic::catch_unwind(|| RReLU::<f32>::new(0.5, 0.25, 0)).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "rrelu: the lower bound 0.5 lies above the upper bound 0.25");
    assert!(RReLU::<f32>::new(f64::NAN, 0.25, 0).forward(&array![-1.0, 1.0].into_dyn()).unwrap()[0].is_nan());
    // Equal bounds leave nothing to draw, whatever the rounding.
    let x = mixed(&[999]).mapv(|x| x as f32);
    for slope in [0.1, 1.0 / 3.0, -0.7, 0.0] {
        let y = RReLU::<f32>::new(slope, slope, 0).forward(&x).unwrap();
        assert_same(y.view(), LeakyReLU::<f32>::new(slope).forward(&x).unwrap().view(), "");
    }
    // As far apart as can be: still finite and within.
    let far = f64::from(f32::MAX);
    let y = RReLU::<f32>::new(-far, far, 0).forward(&ArrayD::from_elem(IxDyn(&[1000]), -1.0)).unwrap();
    assert!(y.iter().all(|y| y.is_finite()) && y.iter().filter(|&&y| y > 0.0).count() > 400);
    // Two neighbouring numbers: rounding does not lead out.
    let (lower, upper) = (1.0_f32, 1.0_f32.next_up());
    let y = RReLU::<f32>::new(lower.into(), upper.into(), 0).forward(&ArrayD::from_elem(IxDyn(&[1000]), -1.0)).unwrap();
    assert!(y.iter().all(|y| (lower..=upper).contains(&-y)));
}

#[test]
fn a_failed_forward_changes_nothing() {
    let x = mixed(&[3, 4]);
    let mut layer = RReLU::new(0.1, 0.4, 5);
    assert!(matches!(layer.backward(&x), Err(ActivationError::BackwardBeforeForward { .. })));
    layer.forward(&x).unwrap();
    let (mut clone, gradient) = (layer.clone(), layer.backward(&x).unwrap());
    let mut wrong = ArrayD::from_elem(IxDyn(&[4, 3]), 9.0);
    assert!(matches!(layer.forward_into(x.view(), wrong.view_mut()), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(layer.backward(&wrong), Err(ActivationError::ShapeMismatch { .. })));
    assert!(wrong.iter().all(|&v| v == 9.0));
    assert_eq!(layer.backward(&x).unwrap(), gradient);
    assert_eq!(layer.forward(&x).unwrap(), clone.forward(&x).unwrap());
    layer.clear_cache();
    assert!(matches!(layer.backward(&x), Err(ActivationError::BackwardBeforeForward { .. })));
}

#[test]
fn no_elements_and_no_axes() {
    let mut layer = RReLU::new(0.125, 0.25, 5);
    for shape in [&[0][..], &[3, 0, 2], &[0, 5]] {
        let empty = ArrayD::<f64>::zeros(shape);
        assert_eq!(layer.forward(&empty).unwrap().shape(), shape);
        assert_eq!(layer.backward(&empty).unwrap().shape(), shape);
        assert_eq!(layer.infer(&empty).unwrap().shape(), shape);
    }
    let one = ArrayD::from_elem(IxDyn(&[]), -1.0);
    let y = layer.forward(&one).unwrap();
    assert!(y.ndim() == 0 && (-0.25..=-0.125).contains(&y[IxDyn(&[])]));
    assert_eq!(layer.backward(&one).unwrap(), y);
}

#[test]
fn names() {
    let layer = RReLU::<f32>::new(0.125, 1.0 / 3.0, 7);
    assert_eq!((layer.name(), layer.kinks()), ("rrelu", vec![0.0]));
    assert_eq!((layer.spec(), layer.to_string()), ("rrelu(0.125, 0.3333333333333333, 7)".into(), "rrelu(0.125, 0.3333333333333333, 7)".into()));
    assert_eq!(RReLU::<f64>::default().spec(), "rrelu(0.125, 0.3333333333333333, 0)");
    // In text, a seed is exact or refused.
    assert_eq!(by_name::<f32>("rrelu(0.125, 0.25, 9007199254740991)").unwrap().spec(), "rrelu(0.125, 0.25, 9007199254740991)");
    for seed in ["9007199254740992", "-1", "0.5", "nan"] {
        let error = by_name::<f32>(&format!("rrelu(0.125, 0.25, {seed})")).unwrap_err();
        assert!(error.to_string().starts_with("rrelu: the seed should be a whole number"), "{error}");
    }
    assert!(by_name::<f32>("rrelu(0.5, 0.25)").is_err() && by_name::<f32>("alpha_dropout(2)").is_err());
}
