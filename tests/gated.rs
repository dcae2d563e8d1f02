//! The GLU family against closed forms in `f64`, and in every layout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use allocation_counter::measure;
use common::{Held, LAYOUTS, assert_every_layout, on_threads, same};
use ndarray::{ArrayD, Axis, IxDyn, ShapeBuilder, array, concatenate};
use ndarray_activations::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

type Make<A> = fn(Option<Axis>) -> Box<dyn Layer<A>>;
type Function = fn(f64) -> f64;

fn sigmoid(b: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-b))
}

/// Φ and its derivative.
fn normal(b: f64) -> f64 {
    0.5 * libm::erfc(-b * std::f64::consts::FRAC_1_SQRT_2)
}
fn density(b: f64) -> f64 {
    libm::exp(-0.5 * b * b) / (2.0 * std::f64::consts::PI).sqrt()
}

/// Name, layer, the gate's function and its derivative.
fn family<A: Element>() -> [(&'static str, Make<A>, Function, Function); 5] {
    [
        ("glu", |axis| Box::new(axis.map_or_else(GLU::last_axis, GLU::new)), sigmoid, |b| sigmoid(b) * sigmoid(-b)),
        ("reglu", |axis| Box::new(axis.map_or_else(ReGLU::last_axis, ReGLU::new)), |b| b.max(0.0), |b| if b > 0.0 { 1.0 } else { 0.0 }),
        ("geglu", |axis| Box::new(axis.map_or_else(GEGLU::last_axis, GEGLU::new)), |b| b * normal(b), |b| normal(b) + b * density(b)),
        ("swiglu", |axis| Box::new(axis.map_or_else(SwiGLU::last_axis, SwiGLU::new)), |b| b * sigmoid(b), |b| sigmoid(b) * (1.0 + b * sigmoid(-b))),
        ("bilinear", |axis| Box::new(axis.map_or_else(Bilinear::last_axis, Bilinear::new)), |b| b, |_| 1.0),
    ]
}

fn data<A: Element>(shape: &[usize], spread: f64, seed: u64) -> ArrayD<A> {
    let mut rng = StdRng::seed_from_u64(seed);
    ArrayD::from_shape_fn(IxDyn(shape), |_| A::rounded(rng.random_range(-spread..spread)))
}

#[test]
fn closed_forms() {
    fn check<A: Element>(spread: f64, epsilon: f64) {
        for (name, make, gate, slope) in family::<A>() {
            for (n, seed) in (1..70).chain([1000]).zip(0..) {
                let (a, b, g) = (data::<A>(&[n], 10.0, seed), data::<A>(&[n], spread, seed + 1000), data::<A>(&[n], 3.0, seed + 2000));
                let x = concatenate![Axis(0), a, b];
                let mut layer = make(None);
                let y = layer.forward(&x).unwrap();
                assert_eq!(y, layer.infer(&x).unwrap());
                let grad = layer.backward(&g).unwrap();
                assert_eq!(grad, layer.backward(&g).unwrap(), "backward twice");
                assert_eq!((y.shape(), grad.shape()), (&[n][..], &[2 * n][..]));
                for i in 0..n {
                    let (a, b, g) = (a[i].widened(), b[i].widened(), g[i].widened());
                    let close = |found: A, wanted: f64, near: f64| {
                        let error = (found.widened() - wanted).abs();
                        assert!(error <= epsilon * wanted.abs().max(near), "{name} of ({a}, {b}), gradient {g}: {found} and not {wanted}");
                    };
                    close(y[i], a * gate(b), 0.0);
                    close(grad[i], g * gate(b), 0.0);
                    // Near the root of the derivative its bound is absolute.
                    close(grad[n + i], g * a * slope(b), if slope(b).abs() < 0.1 && (-2.0..0.0).contains(&b) { 0.1 * (g * a).abs() } else { 0.0 });
                }
            }
        }
    }
    // No further, so that nothing is subnormal, and the oracle good.
    check::<f32>(9.0, 4.0 * f64::from(f32::EPSILON));
    // The oracle's own error in f64 is that of its long chains of operations, in the tails.
    check::<f64>(9.0, 200.0 * f64::EPSILON);
}

/// Central differences of Σ g y, in `f64`.
#[test]
fn differences() {
    let step = 1e-6;
    for (name, make, ..) in family::<f64>() {
        for axis in 0..3 {
            let (x, mut shape) = (data(&[4, 6, 2], 3.0, 1), vec![4, 6, 2]);
            shape[axis] /= 2;
            let g: ArrayD<f64> = data(&shape, 1.0, 2);
            let mut layer = make(Some(Axis(axis)));
            layer.forward(&x).unwrap();
            let grad = layer.backward(&g).unwrap();
            for (index, &found) in grad.indexed_iter() {
                let along = |step: f64| {
                    let mut moved = x.clone();
                    moved[&index] += step;
                    (layer.infer(&moved).unwrap() * &g).sum()
                };
                let difference = (along(step) - along(-step)) / (2.0 * step);
                assert!((difference - found).abs() < 1e-5, "{name}, axis {axis}, {index:?}: {found} against {difference}");
            }
        }
    }
}

/// Every axis of every layout is the last axis of the array turned round.
#[test]
fn every_axis() {
    for (name, make, ..) in family::<f32>() {
        let (x, g) = (data(&[6, 10, 14], 4.0, 3), data(&[6, 10, 7], 1.0, 4));
        let mut last = make(None);
        let (y, grad) = (last.forward(&x).unwrap(), last.backward(&g).unwrap());
        for (axis, turn) in [(0, [2, 0, 1]), (1, [0, 2, 1])] {
            let turned = |x: &ArrayD<f32>| x.view().permuted_axes(turn.as_slice()).as_standard_layout().into_owned();
            let mut layer = make(Some(Axis(axis)));
            assert_eq!(layer.forward(&turned(&x)).unwrap(), turned(&y), "{name}");
            assert_eq!(layer.backward(&turned(&g)).unwrap(), turned(&grad), "{name}");
        }
    }
}

#[test]
fn every_layout() {
    fn check<A: Element>(shape: &[usize], axis: usize) {
        let mut half = shape.to_vec();
        half[axis] /= 2;
        let (x, g) = (data::<A>(shape, 4.0, 5), data::<A>(&half, 1.0, 6));
        for (_, make, ..) in family::<A>() {
            let mut layer = make(Some(Axis(axis)));
            let (y, grad) = (layer.forward(&x).unwrap(), layer.backward(&g).unwrap());
            assert_every_layout(layer.as_mut(), [&x, &g], [&y, &grad]);
        }
    }
    check::<f32>(&[6, 10, 34], 2);
    check::<f64>(&[6, 10, 34], 1);
    check::<f32>(&[6, 10, 34], 0);
    check::<f32>(&[2, 1, 3, 1], 0);
    check::<f64>(&[1032], 0);
    check::<f32>(&[600, 2], 1);
    check::<f32>(&[3, 4, 5, 6, 2], 3);
}

/// The result of a new array lies as the input does.
#[test]
fn memory_order() {
    let x = ArrayD::<f32>::from_shape_fn(IxDyn(&[4, 6]).f(), |i| i[0] as f32 - i[1] as f32);
    let mut layer = GLU::new(Axis(1));
    let y = layer.forward(&x).unwrap();
    assert_eq!((y.shape(), y.strides()), (&[4, 3][..], &[1, 4][..]));
    let grad = layer.backward(&y.as_standard_layout().into_owned()).unwrap();
    assert_eq!((grad.shape(), grad.strides()), (&[4, 6][..], &[1, 4][..]));
}

#[test]
fn levels_and_threads() {
    fn check<A: Element>() {
        for (name, make, ..) in family::<A>() {
            // Above the size from which multiplications go over several threads, and rows whose bits do not fill whole words.
            for (shape, axis, half) in [([2052, 1026], 0, [1026, 1026]), ([1026, 2052], 1, [1026, 1026])] {
                let (x, g) = (data::<A>(&shape, 5.0, 7), data::<A>(&half, 1.0, 8));
                let run = || {
                    let mut layer = make(Some(Axis(axis)));
                    [layer.infer(&x).unwrap(), layer.forward(&x).unwrap(), layer.backward(&g).unwrap()]
                };
                let on = |threads| on_threads(threads, run);
                let one = on(1);
                assert!(one[0] == one[1]);
                for many in [on(3), on(4)] {
                    assert!(one.iter().flatten().zip(many.iter().flatten()).all(|(&a, &b)| same(a, b)), "{name}, axis {axis}");
                }
            }
        }
        // The same bits as the pointwise layer, times a, at each level.
        let (a, b) = (data::<A>(&[77], 2.0, 9), data::<A>(&[77], 9.0, 10));
        testing::each_level(|level| {
            let y = SwiGLU::last_axis().infer(&concatenate![Axis(0), a, b]).unwrap();
            assert_eq!(y, &a * &SiLU::new().infer(&b).unwrap(), "{level}");
        });
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn special_values() {
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    fn one(layer: &mut dyn Layer<f64>, a: f64, b: f64, g: f64) -> [f64; 3] {
        let y = layer.forward(&array![a, b].into_dyn()).unwrap();
        let grad = layer.backward(&array![g].into_dyn()).unwrap();
        [y[0], grad[0], grad[1]]
    }
    // The gate is shut, or open.
    assert_eq!(one(&mut GLU::last_axis(), 2.0, -INF, 1.0), [0.0, 0.0, 0.0]);
    assert_eq!(one(&mut GLU::last_axis(), 2.0, INF, 3.0), [2.0, 3.0, 0.0]);
    assert_eq!(one(&mut SwiGLU::last_axis(), 2.0, -INF, 1.0), [0.0, 0.0, 0.0]);
    assert_eq!(one(&mut SwiGLU::last_axis(), 2.0, INF, 1.0), [INF, INF, 2.0]);
    assert_eq!(one(&mut GEGLU::last_axis(), -2.0, INF, 1.0), [-INF, INF, -2.0]);
    // ∞ · 0.
    assert!(one(&mut GLU::last_axis(), INF, -INF, 1.0)[0].is_nan());
    for (_, make, ..) in family::<f64>() {
        assert!(one(&mut *make(None), NAN, 1.0, 1.0)[0].is_nan());
        let [y, grad_a, _] = one(&mut *make(None), 1.0, NAN, 1.0);
        assert!(y.is_nan() && grad_a.is_nan());
    }
    // Where ReLU's slope is 0, b's gradient is exactly 0, whatever a and the gradient are; a's is a product.
    for (a, b, g) in [(NAN, -1.0, 1.0), (INF, -1.0, 1.0), (2.0, 0.0, NAN), (2.0, -1.0, INF), (NAN, -INF, NAN)] {
        assert_eq!(one(&mut ReGLU::last_axis(), a, b, g)[2].to_bits(), 0, "({a}, {b}), {g}");
    }
    assert_eq!(one(&mut ReGLU::last_axis(), 2.0, -1.0, 3.0), [0.0, 0.0, 0.0]);
    assert!(one(&mut ReGLU::last_axis(), 2.0, -1.0, INF)[1].is_nan());
    assert_eq!(one(&mut ReGLU::last_axis(), 2.0, 3.0, INF), [6.0, INF, INF]);
    // A zero with the slope 1 multiplies.
    assert!(one(&mut ReGLU::last_axis(), 0.0, 1.0, NAN)[2].is_nan());
    // The tails: σ(-100) is not 0, and neither is its slope.
    let [y, grad_a, grad_b] = one(&mut GLU::last_axis(), 2.0, -100.0, 1.0);
    for (found, wanted) in [(y, 2.0), (grad_a, 1.0), (grad_b, 2.0)] {
        assert!((found / (wanted * 3.720_075_976_020_835_6e-44) - 1.0).abs() < 1e-15);
    }
}

#[test]
fn mistakes() {
    let x: ArrayD<f64> = data(&[4, 6], 1.0, 11);
    for (name, make, ..) in family::<f64>() {
        let mut layer = make(Some(Axis(1)));
        assert_eq!((layer.name(), layer.spec()), (name, format!("{name}(1)")));
        assert_eq!(layer.output_shape(&[4, 6]).unwrap(), [4, 3]);
        assert!(matches!(layer.backward(&x), Err(ActivationError::BackwardBeforeForward { .. })));
        let y = layer.forward(&x).unwrap();
        let before = layer.backward(&y).unwrap();
        let odd = ArrayD::zeros(IxDyn(&[4, 5]));
        assert_eq!(layer.forward(&odd), Err(ActivationError::NotDivisible { layer: name.into(), axis: 1, length: 5, parts: 2 }));
        assert_eq!(layer.infer(&ArrayD::zeros(IxDyn(&[4]))), Err(ActivationError::AxisOutOfRange { layer: name.into(), axis: 1, ndim: 1 }));
        assert_eq!(make(None).forward(&ArrayD::zeros(IxDyn(&[]))), Err(ActivationError::AxisOutOfRange { layer: name.into(), axis: 0, ndim: 0 }));
        let mut out = ArrayD::from_elem(IxDyn(&[4, 6]), 9.0);
        assert!(matches!(layer.forward_into(x.view(), out.view_mut()), Err(ActivationError::ShapeMismatch { .. })));
        assert!(matches!(layer.infer_into(x.view(), out.view_mut()), Err(ActivationError::ShapeMismatch { .. })));
        assert!(matches!(layer.backward_into(x.view(), out.view_mut()), Err(ActivationError::ShapeMismatch { .. })));
        let changes = |error| matches!(error, Err(ActivationError::ShapeChanges { input, output, .. }) if (&input[..], &output[..]) == (&[4, 6], &[4, 3]));
        assert!(changes(layer.forward_inplace(out.view_mut())));
        assert!(changes(layer.infer_inplace(out.view_mut())));
        let mut small = ArrayD::from_elem(IxDyn(&[4, 3]), 9.0);
        assert!(changes(layer.backward_inplace(small.view_mut())));
        assert!(matches!(layer.backward_into(y.view(), small.view_mut()), Err(ActivationError::ShapeMismatch { .. })));
        assert!(out.iter().chain(&small).all(|&x| x == 9.0));
        assert_eq!(layer.backward(&y).unwrap(), before);
        layer.clear_cache();
        assert!(matches!(layer.backward(&y), Err(ActivationError::BackwardBeforeForward { .. })));
        for spec in [name.to_owned(), format!("{name}(2)")] {
            assert_eq!(by_name::<f32>(&spec).unwrap().spec(), spec);
        }
    }
    assert_eq!(GLU::<f32>::default().to_string(), "glu");
}

#[test]
fn empty_arrays() {
    for (_, make, ..) in family::<f32>() {
        for (shape, half) in [([0, 4], [0, 2]), ([3, 0], [3, 0])] {
            let mut layer = make(None);
            let y = layer.forward(&ArrayD::zeros(IxDyn(&shape))).unwrap();
            assert_eq!(y.shape(), half);
            assert_eq!(layer.backward(&y).unwrap().shape(), shape);
        }
        // Here the shape does not change.
        let (mut layer, mut x) = (make(None), ArrayD::zeros(IxDyn(&[3, 0])));
        layer.infer_inplace(x.view_mut()).unwrap();
        layer.forward_inplace(x.view_mut()).unwrap();
        layer.backward_inplace(x.view_mut()).unwrap();
    }
}

/// Smaller and larger batches after one another, and what `clone` takes along.
#[test]
fn buffers_fit() {
    for (_, make, ..) in family::<f32>() {
        let mut layer = make(Some(Axis(1)));
        for rows in [5, 2, 70, 1] {
            let (x, g) = (data(&[rows, 6], 2.0, 12), data(&[rows, 3], 1.0, 13));
            let y = layer.forward(&x).unwrap();
            let mut fresh = make(Some(Axis(1)));
            assert_eq!(y, fresh.forward(&x).unwrap());
            assert_eq!(layer.backward(&g).unwrap(), fresh.backward(&g).unwrap());
        }
    }
    let (x, g) = (data(&[2, 6], 2.0, 12), data(&[2, 3], 1.0, 13));
    let mut layer = SwiGLU::<f32>::new(Axis(1));
    layer.forward(&x).unwrap();
    assert_eq!(layer.clone().backward(&g).unwrap(), layer.backward(&g).unwrap());
}

#[test]
fn no_allocations() {
    for (name, make, ..) in family::<f32>() {
        for shape in [&[100][..], &[10, 12], &[4, 6, 8], &[2, 4, 6, 8]] {
            for axis in 0..shape.len() {
                let mut half = shape.to_vec();
                half[axis] /= 2;
                for layout in LAYOUTS {
                    let (x, mut y) = (Held::new(&data(shape, 1.0, 14), layout), Held::new(&data(&half, 1.0, 15), layout));
                    let mut layer = make(Some(Axis(axis)));
                    let mut grad = ArrayD::zeros(IxDyn(shape));
                    let (x, mut y) = (x.view(), y.view_mut());
                    let mut step = || {
                        layer.infer_into(x.view(), y.view_mut()).unwrap();
                        layer.forward_into(x.view(), y.view_mut()).unwrap();
                        layer.backward_into(y.view(), grad.view_mut()).unwrap();
                    };
                    step();
                    assert_eq!(measure(step).count_total, 0, "{name}({axis}), {shape:?}, {layout:?}");
                }
            }
        }
    }
}
