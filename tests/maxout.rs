//! Maxout against a plain loop, and in every layout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use allocation_counter::measure;
use common::{Held, LAYOUTS, assert_every_layout, assert_same, on_threads, same};
use ndarray::{ArrayD, Axis, Dimension, IxDyn, array};
use ndarray_activations::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Coarse numbers, so that there are ties.
fn data<A: Element>(shape: &[usize], seed: u64) -> ArrayD<A> {
    let mut rng = StdRng::seed_from_u64(seed);
    ArrayD::from_shape_fn(IxDyn(shape), |_| A::rounded(f64::from(rng.random_range(-8..8))))
}

/// Output and gradient by the definition.
fn reference<A: Element>(x: &ArrayD<A>, g: &ArrayD<A>, pieces: usize, axis: usize) -> (ArrayD<A>, ArrayD<A>) {
    let (mut y, mut grad) = (ArrayD::zeros(g.raw_dim()), ArrayD::zeros(x.raw_dim()));
    for (index, &g) in g.indexed_iter() {
        let place = |piece: usize| {
            let mut place = index.clone();
            place.slice_mut()[axis] = index.slice()[axis] * pieces + piece;
            place
        };
        // The last of the largest, seen from behind: the first.
        let winner = (0..pieces).rev().max_by(|&p, &q| x[&place(p)].partial_cmp(&x[&place(q)]).unwrap()).unwrap();
        y[&index] = x[&place(winner)];
        grad[&place(winner)] = g;
    }
    (y, grad)
}

fn reduced(shape: &[usize], pieces: usize, axis: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    shape[axis] /= pieces;
    shape
}

#[test]
fn every_layout() {
    fn check<A: Element>(shape: &[usize], pieces: usize, axis: usize) {
        let (x, g) = (data::<A>(shape, 1), data::<A>(&reduced(shape, pieces, axis), 2));
        let (y, grad) = reference(&x, &g, pieces, axis);
        let mut layer = Maxout::new(pieces, Axis(axis));
        assert_eq!((layer.forward(&x).unwrap(), layer.infer(&x).unwrap()), (y.clone(), y.clone()));
        assert_eq!((layer.backward(&g).unwrap(), layer.backward(&g).unwrap()), (grad.clone(), grad.clone()));
        assert_every_layout(&mut layer, [&x, &g], [&y, &grad]);
    }
    for pieces in [1, 2, 3, 6] {
        check::<f32>(&[6, 12, 30], pieces, 2);
        check::<f64>(&[6, 12, 30], pieces, 1);
        check::<f32>(&[6, 12, 30], pieces, 0);
        check::<f32>(&[1, 6, 1, 5], pieces, 1);
    }
    check::<f32>(&[10_000], 2, 0);
    check::<f64>(&[1000], 1000, 0);
    check::<f32>(&[2, 3, 4, 5, 6], 2, 2);
}

#[test]
fn threads() {
    for (axis, pieces) in [(0, 2), (1, 2), (1, 3)] {
        let shape = [1026, 2052];
        let (x, g) = (data::<f32>(&shape, 3), data::<f32>(&reduced(&shape, pieces, axis), 4));
        let run = |threads| {
            on_threads(threads, || {
                let mut layer = Maxout::new(pieces, Axis(axis));
                (layer.forward(&x).unwrap(), layer.infer(&x).unwrap(), layer.backward(&g).unwrap())
            })
        };
        assert!(run(1) == run(4));
        let (y, grad) = reference(&x, &g, pieces, axis);
        assert!(run(4) == (y.clone(), y, grad));
    }
}

#[test]
fn levels() {
    let (x, g) = (data::<f64>(&[3, 140], 5), data::<f64>(&[3, 35], 6));
    let wanted = reference(&x, &g, 4, 1);
    testing::each_level(|level| {
        let mut layer = Maxout::last_axis(4);
        assert_eq!((layer.forward(&x).unwrap(), layer.backward(&g).unwrap()), wanted, "{level}");
    });
}

#[test]
fn special_values() {
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    let mut layer = Maxout::new(3, Axis(0));
    // The winner among three: the first of the largest; a NaN before all, the first one.
    for (group, winner) in [
        ([1.0, 3.0, 2.0], 1),
        ([2.0, 2.0, 2.0], 0),
        ([1.0, 2.0, 2.0], 1),
        ([0.0, -0.0, 0.0], 0),
        ([-0.0, 0.0, 0.0], 0),
        ([-INF, -INF, -INF], 0),
        ([-INF, 1.0, INF], 2),
        ([INF, NAN, INF], 1),
        ([NAN, 1.0, INF], 0),
        ([1.0, 2.0, NAN], 2),
        ([-INF, NAN, NAN], 1),
    ] {
        // Many groups, to reach the vector code; and the plain one.
        for n in [1, 40] {
            let x = ArrayD::from_shape_fn(IxDyn(&[3 * n]), |i| group[i[0] % 3]);
            let y = layer.forward(&x).unwrap();
            assert_same(layer.infer(&x).unwrap().view(), y.view(), "infer");
            let grad = layer.backward(&ArrayD::from_elem(IxDyn(&[n]), 5.0)).unwrap();
            for i in 0..n {
                assert!(same(y[i], group[winner]), "{group:?}");
                assert!((0..3).all(|p| grad[3 * i + p] == if p == winner { 5.0 } else { 0.0 }), "{group:?}");
            }
        }
    }
    // Nothing reaches the losers.
    layer.forward(&array![1.0, 2.0, 3.0].into_dyn()).unwrap();
    let grad = layer.backward(&array![NAN].into_dyn()).unwrap();
    assert!(grad[0] == 0.0 && grad[1] == 0.0 && grad[2].is_nan());
}

#[test]
fn mistakes() {
    let x: ArrayD<f64> = data(&[4, 6], 7);
    let mut layer = Maxout::new(3, Axis(1));
    assert_eq!((layer.name(), layer.spec()), ("maxout", "maxout(3, 1)".to_owned()));
    assert_eq!(layer.output_shape(&[4, 6]).unwrap(), [4, 2]);
    assert!(matches!(layer.backward(&x), Err(ActivationError::BackwardBeforeForward { .. })));
    let y = layer.forward(&x).unwrap();
    let before = layer.backward(&y).unwrap();
    let found = layer.forward(&ArrayD::zeros(IxDyn(&[4, 5])));
    assert_eq!(found, Err(ActivationError::NotDivisible { layer: "maxout".into(), axis: 1, length: 5, parts: 3 }));
    assert_eq!(layer.infer(&ArrayD::zeros(IxDyn(&[4]))), Err(ActivationError::AxisOutOfRange { layer: "maxout".into(), axis: 1, ndim: 1 }));
    assert!(matches!(Maxout::last_axis(1).forward(&ArrayD::<f32>::zeros(IxDyn(&[]))), Err(ActivationError::AxisOutOfRange { axis: 0, ndim: 0, .. })));
    let mut out = ArrayD::from_elem(IxDyn(&[4, 6]), 9.0);
    assert!(matches!(layer.forward_into(x.view(), out.view_mut()), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(layer.backward_into(x.view(), out.view_mut()), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(layer.forward_inplace(out.view_mut()), Err(ActivationError::ShapeChanges { .. })));
    assert!(matches!(layer.infer_inplace(out.view_mut()), Err(ActivationError::ShapeChanges { .. })));
    let mut small = ArrayD::from_elem(IxDyn(&[4, 2]), 9.0);
    assert!(matches!(layer.backward_inplace(small.view_mut()), Err(ActivationError::ShapeChanges { .. })));
    assert!(out.iter().chain(&small).all(|&x| x == 9.0));
    assert_eq!(layer.clone().backward(&y).unwrap(), before);
    assert_eq!(layer.backward(&y).unwrap(), before);
    layer.clear_cache();
    assert!(matches!(layer.backward(&y), Err(ActivationError::BackwardBeforeForward { .. })));
    assert!(matches!(Maxout::<f32>::try_new(0, Axis(1)), Err(ActivationError::InvalidParameter { .. })));
    assert!(matches!(Maxout::<f32>::try_last_axis(0), Err(ActivationError::InvalidParameter { .. })));
    // As many pieces as there can be: no axis is that long.
    let huge = Maxout::<f32>::try_new(u32::MAX as usize, Axis(0)).unwrap();
    assert!(huge.infer(&ArrayD::zeros(IxDyn(&[3]))).is_err());
    assert_eq!(huge.infer(&ArrayD::zeros(IxDyn(&[0]))).unwrap().len(), 0);
    for spec in ["maxout(2)", "maxout(5, 1)"] {
        assert_eq!(by_name::<f32>(spec).unwrap().spec(), spec);
    }
    for spec in ["maxout(0)", "maxout(2.5)", "maxout(2, -1)", "maxout(2, 1, 1)"] {
        assert!(matches!(by_name::<f32>(spec), Err(ActivationError::InvalidParameter { .. })), "{spec}");
    }
    assert_eq!(Maxout::<f32>::default().to_string(), "maxout(2)");
}

#[test]
#[should_panic(expected = "the number of pieces should be between 1 and")]
fn no_pieces() {
    let _ = Maxout::<f32>::new(0, Axis(0));
}

#[test]
fn in_place_where_the_shape_stays() {
    let mut layer = Maxout::last_axis(1);
    let mut x = data::<f32>(&[3, 4], 8);
    let before = x.clone();
    layer.infer_inplace(x.view_mut()).unwrap();
    layer.forward_inplace(x.view_mut()).unwrap();
    layer.backward_inplace(x.view_mut()).unwrap();
    assert_eq!(x, before);
    assert_eq!(layer.backward(&x).unwrap(), x);
    let (mut layer, mut empty) = (Maxout::last_axis(2), ArrayD::<f32>::zeros(IxDyn(&[3, 0])));
    layer.forward_inplace(empty.view_mut()).unwrap();
    layer.backward_inplace(empty.view_mut()).unwrap();
    assert_eq!(layer.forward(&ArrayD::zeros(IxDyn(&[0, 4]))).unwrap().shape(), [0, 2]);
    assert_eq!(layer.backward(&ArrayD::zeros(IxDyn(&[0, 2]))).unwrap().shape(), [0, 4]);
}

#[test]
fn no_allocations() {
    for shape in [&[100][..], &[10, 12], &[4, 6, 8], &[2, 4, 6, 8]] {
        for axis in 0..shape.len() {
            for layout in LAYOUTS {
                let (x, mut y) = (Held::new(&data::<f32>(shape, 9), layout), Held::new(&data(&reduced(shape, 2, axis), 10), layout));
                let mut layer = Maxout::new(2, Axis(axis));
                let mut grad = ArrayD::zeros(IxDyn(shape));
                let (x, mut y) = (x.view(), y.view_mut());
                let mut step = || {
                    layer.infer_into(x.view(), y.view_mut()).unwrap();
                    layer.forward_into(x.view(), y.view_mut()).unwrap();
                    layer.backward_into(y.view(), grad.view_mut()).unwrap();
                };
                step();
                assert_eq!(measure(step).count_total, 0, "axis {axis}, {shape:?}, {layout:?}");
            }
        }
    }
}
