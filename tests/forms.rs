//! One logical input, one result: for every form, memory layout, length, instruction set and number of threads, to the bit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{Held, LAYOUTS, Layout, assert_every_layout, assert_same, input, layer, on_threads, run, special, specs};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use ndarray_activations::{Element, Family, Layer, catalog, testing};

fn every_layout<A: Element>(shape: [usize; 3], specs: impl IntoIterator<Item = String>) {
    for spec in specs {
        let x: ArrayD<A> = input(&shape, special(&spec), 3);
        let expected = run(&spec, &x, 4);
        let g = input::<A>(expected.forward.shape(), false, 4);
        let changes_shape = expected.forward.shape() != x.shape();
        for (i, layout) in LAYOUTS.into_iter().enumerate() {
            for other in [layout, LAYOUTS[(i + 1) % LAYOUTS.len()]] {
                let what = format!("{spec}, {layout:?} and {other:?}, {}", std::any::type_name::<A>());
                let held = Held::new(&x, layout);
                let mut layer: Box<dyn Layer<A>> = layer(&spec);
                let mut out = Held::new(&ArrayD::zeros(expected.forward.raw_dim()), other);
                layer.infer_into(held.view(), out.view_mut()).unwrap();
                assert_same(out.view(), expected.infer.view(), &format!("infer_into, {what}"));
                layer.forward_into(held.view(), out.view_mut()).unwrap();
                assert_same(out.view(), expected.forward.view(), &format!("forward_into, {what}"));
                let gradient = Held::new(&g, other);
                let mut result = Held::new(&ArrayD::zeros(x.raw_dim()), layout);
                layer.backward_into(gradient.view(), result.view_mut()).unwrap();
                assert_same(result.view(), expected.backward.view(), &format!("backward_into, {what}"));
                let mut result = Held::new(&ArrayD::zeros(x.raw_dim()), other);
                layer.backward_into(gradient.view(), result.view_mut()).unwrap();
                assert_same(result.view(), expected.backward.view(), &format!("backward_into elsewhere, {what}"));
                if changes_shape {
                    continue;
                }
                let mut values = Held::new(&x, layout);
                layer.infer_inplace(values.view_mut()).unwrap();
                assert_same(values.view(), expected.infer.view(), &format!("infer_inplace, {what}"));
                let mut layer: Box<dyn Layer<A>> = common::layer(&spec);
                let mut values = Held::new(&x, layout);
                layer.forward_inplace(values.view_mut()).unwrap();
                assert_same(values.view(), expected.forward.view(), &format!("forward_inplace, {what}"));
                let mut gradient = Held::new(&g, other);
                layer.backward_inplace(gradient.view_mut()).unwrap();
                assert_same(gradient.view(), expected.backward.view(), &format!("backward_inplace, {what}"));
            }
        }
        // New arrays from owned arrays of other orders: the same numbers, in the order of the input.
        for layout in [Layout::F, Layout::Permuted] {
            let held = Held::new(&x, layout);
            let owned = held.view().to_owned();
            let mut layer: Box<dyn Layer<A>> = layer(&spec);
            let y = layer.forward(&owned).unwrap();
            assert_same(y.view(), expected.forward.view(), &format!("forward, {spec}, {layout:?}"));
            if !changes_shape {
                assert_eq!(y.strides(), owned.strides(), "the order of the output, {spec}, {layout:?}");
            }
            let back = layer.backward(&g).unwrap();
            assert_same(back.view(), expected.backward.view(), &format!("backward, {spec}, {layout:?}"));
            assert_eq!(back.strides(), owned.strides(), "the order of the gradient, {spec}, {layout:?}");
        }
    }
}

#[test]
fn every_layout_f32() {
    every_layout::<f32>([5, 6, 34], specs());
}

#[test]
fn every_layout_f64() {
    every_layout::<f64>([5, 6, 34], specs());
}

/// Rows that are many and long beside what is brought together at a time.
#[test]
fn every_layout_large() {
    let mixes_elements = |spec: &String| catalog().any(|entry| entry.family() != Family::Pointwise && spec.split('(').next() == Some(entry.name()));
    every_layout::<f32>([2, 70, 600], specs().into_iter().filter(mixes_elements));
    every_layout::<f64>([2, 40, 1200], specs().into_iter().filter(mixes_elements));
}

/// Views larger than the buffers that they pass through, with rows that are cut anywhere, on one thread and several.
#[test]
fn large_views() {
    // Rows of whole kibibytes, as in the last two, have gaps behind them in the buffer.
    for shape in [[3, 37, 151], [1, 1000, 70], [1, 70, 1000], [40, 5, 300], [2, 200, 256], [256, 7, 60]] {
        for spec in ["leaky_relu(0.2)", "softsign", "sigmoid"] {
            let x: ArrayD<f32> = input(&shape, false, 11);
            let (expected, g) = (run(spec, &x, 12), input(&shape, false, 12));
            for threads in [1, 3] {
                let mut layer: Box<dyn Layer<f32>> = layer(spec);
                on_threads(threads, || assert_every_layout(&mut *layer, [&x, &g], [&expected.infer, &expected.backward]));
            }
        }
    }
}

/// Views in small steps, of which some have loops of their own, forwards and backwards.
#[test]
fn every_step() {
    fn check<A: Element>() {
        for step in (-6..=6).filter(|&step| step != 0) {
            for length in [15, 16, 17, 63, 5000] {
                let all: ArrayD<A> = input(&[3, length * isize::unsigned_abs(step)], true, 21);
                let view = all.slice_axis(Axis(1), Slice::new(0, None, step));
                let x = view.as_standard_layout().into_owned();
                let layer: Box<dyn Layer<A>> = layer("tanh");
                let expected = layer.infer(&x).unwrap();
                let mut y = ArrayD::zeros(x.raw_dim());
                layer.infer_into(view, y.view_mut()).unwrap();
                assert_same(y.view(), expected.view(), &format!("{length} in steps of {step}"));
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Elementwise layers: the result for an element does not depend on where it stands, so every length agrees with a long array, at every instruction set.
#[test]
fn every_length_and_level() {
    fn check<A: Element>(name: &str) {
        for entry in catalog().filter(|entry| entry.family() == Family::Pointwise) {
            let long: ArrayD<A> = input(&[96], true, 5);
            let expected = run(entry.name(), &long, 6);
            let gradients: ArrayD<A> = input(&[96], false, 6);
            for length in 0..=70 {
                for start in [0, 1, 3, 26] {
                    let x = long.slice_axis(Axis(0), (start..start + length).into()).to_owned();
                    let g = gradients.slice_axis(Axis(0), (start..start + length).into()).to_owned();
                    let mut layer = entry.layer::<A>();
                    let what = format!("{} of length {length} from {start}, {name}", entry.name());
                    let y = layer.forward(&x).unwrap();
                    assert_same(y.view(), expected.forward.slice_axis(Axis(0), (start..start + length).into()), &what);
                    let back = layer.backward(&g).unwrap();
                    assert_same(back.view(), expected.backward.slice_axis(Axis(0), (start..start + length).into()), &what);
                    let mut values = x.clone();
                    layer.forward_inplace(values.view_mut()).unwrap();
                    assert_same(values.view(), y.view(), &what);
                    let mut values = g.clone();
                    layer.backward_inplace(values.view_mut()).unwrap();
                    assert_same(values.view(), back.view(), &what);
                }
            }
        }
    }
    testing::each_level(|name| {
        check::<f32>(name);
        check::<f64>(name);
    });
}

/// Instruction sets that multiply and add with one rounding give the same bits: what was measured of one of them holds for the other.
#[test]
fn fused_levels_agree() {
    fn check<A: Element>(pattern: impl Fn(u32) -> A) {
        let x = ArrayD::from_shape_fn(vec![1 << 16], |i| pattern(i[0] as u32));
        for entry in catalog().filter(|entry| entry.family() == Family::Pointwise) {
            let mut fused = Vec::new();
            testing::each_level(|level| {
                if level != "sse2" {
                    fused.push(run(entry.name(), &x, 3));
                }
            });
            for other in fused.iter().skip(1) {
                assert_same(other.infer.view(), fused[0].infer.view(), entry.name());
                assert_same(other.forward.view(), fused[0].forward.view(), entry.name());
                assert_same(other.backward.view(), fused[0].backward.view(), entry.name());
            }
        }
    }
    // Every 65,537th pattern of bits there is: all exponents, NaN and the infinities' neighbours.
    check(|i| f32::from_bits(i.wrapping_mul(65_537)));
    check(|i| f64::from_bits(u64::from(i.wrapping_mul(65_537)) << 32 | u64::from(i.wrapping_mul(2_654_435_761))));
}

/// Swish with β = 1 is SiLU, to the bit.
#[test]
fn swish_of_one_is_silu() {
    fn check<A: Element>(level: &str) {
        let x: ArrayD<A> = input(&[4099], true, 11);
        let (swish, silu) = (run("swish(1)", &x, 12), run("silu", &x, 12));
        assert_same(swish.forward.view(), silu.forward.view(), level);
        assert_same(swish.infer.view(), silu.infer.view(), level);
        assert_same(swish.backward.view(), silu.backward.view(), level);
    }
    testing::each_level(|level| {
        check::<f32>(level);
        check::<f64>(level);
    });
}

/// All layers at every instruction set: close to one another, and layouts bitwise equal within one level.
#[test]
fn every_level() {
    for spec in specs() {
        let x: ArrayD<f64> = input(&[4, 3, 34], false, 7);
        let expected = run(&spec, &x, 8);
        testing::each_level(|name| {
            let found = run(&spec, &x, 8);
            for (a, b) in [(&found.forward, &expected.forward), (&found.infer, &expected.infer), (&found.backward, &expected.backward)] {
                // The gradients of a softmax are differences: they agree to the digits of the largest.
                let largest = b.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
                for (&a, &b) in a.iter().zip(b) {
                    assert!(a == b || (a - b).abs() <= 1e-14 * (a.abs() + b.abs() + largest), "{spec} at {name}: {a:e} and {b:e}");
                }
            }
            let reversed = Held::new(&x, Layout::Reversed);
            let mut out = ArrayD::zeros(expected.infer.raw_dim());
            layer::<f64>(&spec).infer_into(reversed.view(), out.view_mut()).unwrap();
            assert_same(out.view(), found.infer.view(), &format!("{spec} at {name}, reversed"));
        });
    }
}

#[test]
fn one_thread_and_several() {
    // Above the size from which the cheapest functions go over several threads: a length that hardly anything divides, and one whose halves are whole words.
    for (specs, shape) in [(specs(), [3, 5, 70_002]), (vec!["glu".to_owned(), "reglu".to_owned()], [3, 11, 70_016])] {
        for spec in specs {
            let x: ArrayD<f32> = input(&shape, special(&spec), 9);
            let expected = on_threads(1, || run(&spec, &x, 10));
            on_threads(3, || run(&spec, &x, 10)).assert_same(&expected, &spec);
        }
    }
}

/// New arrays whose pages come from the system, and callers from outside the pool.
#[test]
fn huge_arrays() {
    let x: ArrayD<f32> = input(&[8400, 1000], false, 1);
    for spec in ["relu", "relu_squared", "softmax", "prelu(0.25)", "sigmoid"] {
        let here = run(spec, &x, 2);
        for there in [1, 3].map(|threads| on_threads(threads, || run(spec, &x, 2))) {
            here.assert_same(&there, spec);
        }
    }
}

#[test]
fn broadcast_input() {
    for spec in specs() {
        let row: ArrayD<f64> = input(&[1, 7, 34], false, 11);
        let wide = row.broadcast(IxDyn(&[5, 7, 34])).unwrap();
        let expected = run(&spec, &wide.to_owned(), 12);
        let mut layer: Box<dyn Layer<f64>> = layer(&spec);
        let mut out = ArrayD::zeros(expected.forward.raw_dim());
        layer.infer_into(wide.view(), out.view_mut()).unwrap();
        assert_same(out.view(), expected.infer.view(), &spec);
        layer.forward_into(wide.view(), out.view_mut()).unwrap();
        assert_same(out.view(), expected.forward.view(), &spec);
        let back = layer.backward(&input(out.shape(), false, 12)).unwrap();
        assert_same(back.view(), expected.backward.view(), &spec);
    }
}

#[test]
fn empty_and_zero_dimensional() {
    for entry in catalog() {
        let mut layer = entry.layer::<f32>();
        for shape in [vec![0], vec![3, 0, 2], vec![0, 4]] {
            let x = ArrayD::zeros(shape.clone());
            let y = layer.forward(&x).unwrap();
            assert!(y.is_empty(), "{}", entry.name());
            assert_eq!(layer.backward(&y).unwrap().shape(), &shape[..], "{}", entry.name());
            assert!(layer.infer(&x).unwrap().is_empty());
        }
        if entry.family() != Family::Reducing {
            let x = ArrayD::from_elem(IxDyn(&[]), 0.75);
            let y = layer.forward(&x).unwrap();
            assert_eq!(y.ndim(), 0, "{}", entry.name());
            assert_eq!(layer.backward(&y).unwrap().ndim(), 0, "{}", entry.name());
        }
    }
}
